// Records, vouchers and dossiers, each kept once and verified once, however many hold it.
//
// A supernode hears everything many times, and in a simulation ten thousand nodes hear the same:
// so what is known is shared by its content, and a signature is checked only when its bytes have
// not been seen before. Nothing is kept alive here; what nobody holds any more is forgotten.
//
// A dossier is all that is public about one supernode: its record and who vouches for it. It never
// changes; a new record or voucher makes another dossier.
#pragma once

#include <cstring>
#include <deque>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "overlay/mesh/position.h"
#include "protocol/record.h"
#include "protocol/voucher.h"

namespace byway {

using RecordPtr = std::shared_ptr<const SignedRecord>;
using VoucherPtr = std::shared_ptr<const Voucher>;

struct Dossier {
  // Both as the record says, and kept beside the rest: every look-up compares them.
  NodeId subject;
  IpAddress at;
  RecordPtr record;
  std::vector<VoucherPtr> vouchers;  // the nearest to the subject first
  Position position = 0;
  std::uint64_t digest = 0;  // of the record: not all nodes need hold the same vouchers

  const NodeId& id() const { return subject; }
  std::uint64_t sequence() const { return record->record().sequence; }
  // Where it stands: its first endpoint, which is what others vouch for.
  const IpAddress& address() const { return at; }
  const Voucher* voucher_by(const NodeId& id) const;
};
using DossierPtr = std::shared_ptr<const Dossier>;

// Sorts vouchers, the nearest to the subject first, and keeps so many: what everybody keeps is the
// same, in whatever order they came.
void keep_nearest(Position subject, std::vector<VoucherPtr>& vouchers, std::size_t most);

class Archive {
 public:
  explicit Archive(const Crypto& crypto) : crypto_(crypto) {}
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  // Errors as in SignedRecord::parse.
  Result<RecordPtr> record(ByteView exact_bytes);
  // None where the voucher is a lie.
  VoucherPtr voucher(const NodeId& subject, const Voucher& voucher);
  // Whether the accusation is signed by whom it names. Those found true are remembered for a while.
  bool is_true(const NodeId& subject, const Gone& gone);
  // The record has an endpoint. The vouchers may come in any order.
  DossierPtr dossier(RecordPtr record, std::vector<VoucherPtr> vouchers);

  std::size_t size() const { return records_.size() + vouchers_.size() + dossiers_.size(); }

 private:
  struct FirstBytes {
    std::size_t operator()(const Key& key) const noexcept {
      std::size_t h;
      std::memcpy(&h, key.data(), sizeof(h));
      return h;
    }
  };
  template <typename T>
  using Shelf = std::unordered_map<Key, std::weak_ptr<const T>, FirstBytes>;
  template <typename T>
  void tidy(Shelf<T>& shelf, std::size_t& at);

  const Crypto& crypto_;
  Shelf<SignedRecord> records_;
  Shelf<Voucher> vouchers_;
  Shelf<Dossier> dossiers_;
  std::deque<Key> true_gones_;  // the newest last
  std::unordered_set<Key, FirstBytes> true_gone_names_;
  // A shelf is tidied when it has doubled since it was last.
  std::size_t tidy_records_ = 64;
  std::size_t tidy_vouchers_ = 64;
  std::size_t tidy_dossiers_ = 64;
};

}  // namespace byway
