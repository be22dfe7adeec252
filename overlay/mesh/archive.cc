#include "overlay/mesh/archive.h"

#include <algorithm>

#include "overlay/mesh/mesh_limits.h"

namespace byway {

const Voucher* Dossier::voucher_by(const NodeId& id) const {
  for (const VoucherPtr& voucher : vouchers)
    if (voucher->by == id) return voucher.get();
  return nullptr;
}

void keep_nearest(Position subject, std::vector<VoucherPtr>& vouchers, std::size_t most) {
  std::sort(vouchers.begin(), vouchers.end(), [&](const VoucherPtr& a, const VoucherPtr& b) {
    const auto far_a = ring_distance(subject, position_of(a->by));
    const auto far_b = ring_distance(subject, position_of(b->by));
    return far_a != far_b ? far_a < far_b : a->by < b->by;
  });
  if (vouchers.size() > most) vouchers.resize(most);
}

template <typename T>
void Archive::tidy(Shelf<T>& shelf, std::size_t& at) {
  if (shelf.size() < at) return;
  std::erase_if(shelf, [](const auto& entry) { return entry.second.expired(); });
  at = std::max<std::size_t>(64, 2 * shelf.size());
}

Result<RecordPtr> Archive::record(ByteView exact_bytes) {
  const Key name = crypto_.hash(exact_bytes);
  if (const auto known = records_.find(name); known != records_.end())
    if (RecordPtr record = known->second.lock()) return record;

  auto parsed = SignedRecord::parse(crypto_, exact_bytes);
  if (!parsed) return parsed.error();
  RecordPtr record = std::make_shared<const SignedRecord>(std::move(*parsed));
  tidy(records_, tidy_records_);
  records_[name] = record;
  return record;
}

VoucherPtr Archive::voucher(const NodeId& subject, const Voucher& voucher) {
  Bytes content = to_bytes(subject.key());
  append(content, voucher.bytes());
  const Key name = crypto_.hash(content);
  if (const auto known = vouchers_.find(name); known != vouchers_.end())
    if (VoucherPtr shared = known->second.lock()) return shared;

  if (!voucher.is_true(crypto_, subject)) return nullptr;
  VoucherPtr shared = std::make_shared<const Voucher>(voucher);
  tidy(vouchers_, tidy_vouchers_);
  vouchers_[name] = shared;
  return shared;
}

bool Archive::is_true(const NodeId& subject, const Gone& gone) {
  Bytes content = to_bytes(subject.key());
  append(content, gone.bytes());
  const Key name = crypto_.hash(content);
  if (true_gone_names_.contains(name)) return true;
  if (!gone.is_true(crypto_, subject)) return false;
  if (true_gones_.size() >= limits::true_gones) {
    true_gone_names_.erase(true_gones_.front());
    true_gones_.pop_front();
  }
  true_gones_.push_back(name);
  true_gone_names_.insert(name);
  return true;
}

DossierPtr Archive::dossier(RecordPtr record, std::vector<VoucherPtr> vouchers) {
  ensure(!record->record().endpoints.empty());
  const Position position = position_of(record->record().id);
  keep_nearest(position, vouchers, vouchers.size());
  // A record's first 64 bytes are its signature, which stands for the rest of it.
  const ByteView signature = record->exact_bytes().first(sizeof(Signature));
  Bytes content = to_bytes(signature);
  for (const VoucherPtr& voucher : vouchers) append(content, voucher->signature);
  const Key name = crypto_.hash(content);
  if (const auto known = dossiers_.find(name); known != dossiers_.end())
    if (DossierPtr dossier = known->second.lock()) return dossier;

  DossierPtr dossier = std::make_shared<const Dossier>(
      Dossier{record->record().id, record->record().endpoints.front().address, record,
              std::move(vouchers), position, load_be<std::uint64_t>(crypto_.hash(signature))});
  tidy(dossiers_, tidy_dossiers_);
  dossiers_[name] = dossier;
  return dossier;
}

}  // namespace byway
