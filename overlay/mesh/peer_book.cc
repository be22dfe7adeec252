#include "overlay/mesh/peer_book.h"

#include <algorithm>
#include <cmath>

namespace byway {
namespace {

constexpr std::string_view magic = "byway book 1";
constexpr std::size_t saved_entry_size = 1 + 32 + 16 + 2 + 16 + 8 + 8 + 1;
constexpr std::size_t max_entries = 2 * limits::book_buckets * limits::book_bucket_size;
constexpr std::uint64_t last_wall_ms = 253'402'300'799'999;  // the end of the year 9999
constexpr std::uint8_t flag_tried = 1, flag_anchor = 2;

bool usable(const Endpoint& endpoint) {
  const Scope scope = endpoint.address.scope();
  return endpoint.is_set() && scope != Scope::unspecified && scope != Scope::multicast &&
         scope != Scope::broadcast;
}

// Takes a saved book apart; the caller has checked that there are as many bytes.
class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}
  ByteView take(std::size_t size) {
    const ByteView taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }
  template <typename Integer>
  Integer number() {
    return load_be<Integer>(take(sizeof(Integer)));
  }
  template <std::size_t N>
  ByteArray<N> array() {
    ByteArray<N> out;
    std::ranges::copy(take(N), out.begin());
    return out;
  }

 private:
  ByteView bytes_;
};

}  // namespace

PeerBook::PeerBook(const Crypto& crypto, Random random, int netgroup_bits_v4, int netgroup_bits_v6)
    : crypto_(&crypto),
      random_(std::move(random)),
      bits_v4_(netgroup_bits_v4),
      bits_v6_(netgroup_bits_v6),
      secret_(random_.bytes<32>()) {
  new_.fill(empty);
  tried_.fill(empty);
}

// --- facts ---------------------------------------------------------------------------------------

bool PeerBook::add(WallTime wall, const NodeId& id, const Endpoint& endpoint,
                   const IpAddress& source) {
  if (!usable(endpoint) || id.is_nobody()) return false;
  if (Entry* known = find(id)) {
    known->heard = std::max(known->heard, wall);
    if (known->is_tried || known->endpoint == endpoint) return true;  // what works is not changed
    leave_place(*known);
    known->endpoint = endpoint;
    known->source = netgroup(source);
    known->failures = 0;
    const Slot slot = index_.at(id);
    if (place_new(wall, slot)) return true;
    drop(slot);
    return false;
  }
  const Slot slot =
      store({.id = id, .endpoint = endpoint, .source = netgroup(source), .heard = wall});
  if (place_new(wall, slot)) return true;
  drop(slot);
  return false;
}

void PeerBook::good(WallTime wall, const NodeId& id, const Endpoint& endpoint) {
  if (!usable(endpoint) || id.is_nobody()) return;
  const auto known = index_.find(id);
  const Slot slot =
      known != index_.end()
          ? known->second
          : store({.id = id, .endpoint = endpoint, .source = netgroup(endpoint.address)});
  Entry& entry = entries_[slot];
  if (entry.endpoint.address != endpoint.address) leave_place(entry);
  entry.endpoint = endpoint;
  entry.heard = entry.succeeded = entry.tried_at = wall;
  entry.failures = 0;
  settle_dispute(wall, id, true);
  if (entry.is_tried && entry.place != empty) return;
  if (place_tried(slot)) return;
  if (entry.place == empty && !place_new(wall, slot)) return drop(slot);

  const Entry& holder = least_confirmed(tried_bucket(entry));
  const bool just_confirmed = holder.succeeded + limits::book_retry > wall;
  const Dispute dispute{holder.id, id};
  if (just_confirmed) return;
  const bool disputed = std::any_of(disputes_.begin(), disputes_.end(), [&](const Dispute& d) {
    return d.holder == holder.id || d.challenger == id;
  });
  if (!disputed) disputes_.push_back(dispute);
}

void PeerBook::failed(WallTime wall, const NodeId& id) {
  Entry* entry = find(id);
  if (!entry) return;
  entry->tried_at = wall;
  if (entry->failures < 255) ++entry->failures;
  if (entry->is_anchor && entry->failures >= limits::book_failures_anchor) {
    entry->is_anchor = false;
    std::erase(anchors_, id);
  }
  settle_dispute(wall, id, false);
}

void PeerBook::steady(const NodeId& id) {
  Entry* entry = find(id);
  if (!entry || !entry->is_tried || entry->is_anchor) return;
  if (anchors_.size() >= limits::book_anchors) return;
  for (const NodeId& other : anchors_)
    if (netgroup(find(other)->endpoint.address) == netgroup(entry->endpoint.address)) return;
  entry->is_anchor = true;
  anchors_.push_back(id);
}

// The one that held the disputed place was asked, or happened to be heard of.
void PeerBook::settle_dispute(WallTime wall, const NodeId& holder, bool holder_answered) {
  const auto dispute = std::find_if(disputes_.begin(), disputes_.end(),
                                    [&](const Dispute& d) { return d.holder == holder; });
  if (dispute == disputes_.end()) return;
  const NodeId challenger = dispute->challenger;
  disputes_.erase(dispute);
  if (holder_answered) return;
  Entry* loser = find(holder);
  Entry* winner = find(challenger);
  if (!loser || !winner || loser->is_anchor || !loser->is_tried || winner->is_tried) return;
  if (tried_bucket(*loser) != tried_bucket(*winner)) return;
  leave_place(*loser);
  loser->is_tried = false;
  place_tried(index_.at(challenger));
  const Slot slot = index_.at(holder);
  if (!place_new(wall, slot)) drop(slot);
}

// --- questions -----------------------------------------------------------------------------------

std::optional<PeerBook::Candidate> PeerBook::select(WallTime wall) {
  const auto chosen = [&](Entry& entry) {
    entry.tried_at = wall;
    return candidate(entry);
  };
  for (const NodeId& id : anchors_)
    if (Entry& anchor = *find(id); !just_tried(wall, anchor)) return chosen(anchor);
  const bool first_tried = random_.chance(0.5);
  for (const Table* table : {first_tried ? &tried_ : &new_, first_tried ? &new_ : &tried_})
    if (const auto slot = draw(wall, *table)) return chosen(entries_[*slot]);
  return {};
}

std::optional<PeerBook::Candidate> PeerBook::poll_feeler(TimePoint now, WallTime wall,
                                                         Duration interval) {
  if (!next_feeler_) next_feeler_ = now + random_.upto(interval);
  if (now < *next_feeler_) return {};
  next_feeler_ = now + random_.jittered(interval);

  if (!disputes_.empty()) {
    std::rotate(disputes_.begin(), disputes_.begin() + 1, disputes_.end());
    const NodeId id = disputes_.back().holder;
    if (Entry* holder = find(id)) {
      holder->tried_at = wall;
      return candidate(*holder);
    }
    disputes_.pop_back();
  }
  const auto slot = draw(wall, new_);
  if (!slot) return {};
  entries_[*slot].tried_at = wall;
  return candidate(entries_[*slot]);
}

bool PeerBook::just_tried(WallTime wall, const Entry& entry) {
  return entry.tried_at <= wall && wall < entry.tried_at + limits::book_retry;
}

double PeerBook::chance(WallTime wall, const Entry& entry) const {
  const double patience = std::pow(0.66, std::min<int>(entry.failures, 8));
  return just_tried(wall, entry) ? patience * 0.01 : patience;
}

std::optional<PeerBook::Slot> PeerBook::draw(WallTime wall, const Table& table) {
  double total = 0;
  for (const Slot slot : table)
    if (slot != empty) total += chance(wall, entries_[slot]);
  double left = random_.unit() * total;
  std::optional<Slot> last;
  for (const Slot slot : table) {
    if (slot == empty) continue;
    last = slot;
    left -= chance(wall, entries_[slot]);
    if (left < 0) break;
  }
  return last;
}

PeerBook::Candidate PeerBook::candidate(const Entry& entry) const {
  using Kind = Candidate::Kind;
  const Kind kind = entry.is_anchor ? Kind::anchor : entry.is_tried ? Kind::tried : Kind::fresh;
  return {entry.id, entry.endpoint, kind};
}

std::vector<PeerBook::Candidate> PeerBook::anchors() const {
  std::vector<Candidate> out;
  for (const NodeId& id : anchors_) out.push_back(candidate(*find(id)));
  return out;
}

std::size_t PeerBook::tried() const {
  const auto count =
      std::count_if(tried_.begin(), tried_.end(), [](Slot slot) { return slot != empty; });
  return static_cast<std::size_t>(count);
}

bool PeerBook::is_tried(const NodeId& id) const {
  const Entry* entry = find(id);
  return entry && entry->is_tried;
}

// --- places --------------------------------------------------------------------------------------

IpAddress PeerBook::netgroup(const IpAddress& address) const {
  return address.prefix(address.is_v4() ? bits_v4_ : bits_v6_);
}

std::size_t PeerBook::hash(std::string_view purpose, ByteView a, ByteView b,
                           std::size_t below) const {
  Bytes message;
  append(message, bytes_of(purpose));
  append(message, a);
  append(message, b);
  const Tag tag = crypto_->mac(secret_, message);
  return static_cast<std::size_t>(load_be<std::uint64_t>(ByteView(tag).first(8)) % below);
}

std::size_t PeerBook::new_bucket(const Entry& entry) const {
  const IpAddress group = netgroup(entry.endpoint.address);
  const ByteArray<1> which{static_cast<std::uint8_t>(
      hash("which", entry.source.mapped(), group.mapped(), limits::book_buckets_per_source))};
  return hash("new", entry.source.mapped(), which, limits::book_buckets);
}

std::size_t PeerBook::tried_bucket(const Entry& entry) const {
  return hash("tried", netgroup(entry.endpoint.address).mapped(), {}, limits::book_buckets);
}

bool PeerBook::is_worthless(WallTime wall, const Entry& entry) const {
  const bool answered_once = entry.succeeded != WallTime{};
  const int patience = answered_once ? limits::book_failures_known : limits::book_failures_new;
  return entry.failures >= patience || entry.heard + limits::book_horizon < wall;
}

bool PeerBook::place_new(WallTime wall, Slot slot) {
  Entry& entry = entries_[slot];
  entry.is_tried = false;
  const std::size_t first = new_bucket(entry) * limits::book_bucket_size;
  std::optional<std::size_t> place;
  for (std::size_t i = first; i < first + limits::book_bucket_size; ++i) {
    if (new_[i] == empty) {
      place = i;
      break;
    }
    if (!place && is_worthless(wall, entries_[new_[i]])) place = i;
  }
  if (!place) return false;
  if (new_[*place] != empty) drop(new_[*place]);
  new_[*place] = slot;
  entry.place = static_cast<Slot>(*place);
  return true;
}

// Into a free place only, unless it is an anchor that moved.
bool PeerBook::place_tried(Slot slot) {
  Entry& entry = entries_[slot];
  const std::size_t bucket = tried_bucket(entry);
  const std::size_t first = bucket * limits::book_bucket_size;
  const auto begin = tried_.begin() + static_cast<std::ptrdiff_t>(first);
  auto place = std::find(begin, begin + limits::book_bucket_size, empty);
  if (place == begin + limits::book_bucket_size) {
    Entry& weakest = least_confirmed(bucket);
    if (!entry.is_anchor || weakest.is_anchor) return false;
    place = tried_.begin() + weakest.place;
    drop(*place);
  }
  leave_place(entry);
  entry.is_tried = true;
  *place = slot;
  entry.place = static_cast<Slot>(place - tried_.begin());
  return true;
}

// The bucket is full. Anchors are passed over while there is anybody else.
PeerBook::Entry& PeerBook::least_confirmed(std::size_t bucket) {
  const std::size_t first = bucket * limits::book_bucket_size;
  Entry* least = nullptr;
  for (std::size_t i = first; i < first + limits::book_bucket_size; ++i) {
    Entry& entry = entries_[tried_[i]];
    const auto rank = [](const Entry& e) { return std::pair(e.is_anchor, e.succeeded); };
    if (!least || rank(entry) < rank(*least)) least = &entry;
  }
  return *least;
}

void PeerBook::leave_place(Entry& entry) {
  if (entry.place == empty) return;
  table_of(entry)[entry.place] = empty;
  entry.place = empty;
}

PeerBook::Entry* PeerBook::find(const NodeId& id) {
  const auto known = index_.find(id);
  return known == index_.end() ? nullptr : &entries_[known->second];
}

PeerBook::Slot PeerBook::store(const Entry& entry) {
  Slot slot;
  if (free_.empty()) {
    slot = static_cast<Slot>(entries_.size());
    entries_.push_back(entry);
  } else {
    slot = free_.back();
    free_.pop_back();
    entries_[slot] = entry;
  }
  index_.emplace(entry.id, slot);
  return slot;
}

void PeerBook::drop(Slot slot) {
  Entry& entry = entries_[slot];
  leave_place(entry);
  if (entry.is_anchor) std::erase(anchors_, entry.id);
  std::erase_if(disputes_,
                [&](const Dispute& d) { return d.holder == entry.id || d.challenger == entry.id; });
  index_.erase(entry.id);
  entry = {};
  free_.push_back(slot);
}

// --- over a restart ------------------------------------------------------------------------------
//
//   magic 12 | secret 32 | count 2 | entries, 84 bytes each | SHA-256 of all that 32
//   entry: flags 1 | id 32 | address 16, port 2 | source 16 | heard 8, succeeded 8 (Unix ms) |
//          failures 1

Bytes PeerBook::save() const {
  std::vector<const Entry*> kept;
  for (const NodeId& id : anchors_) kept.push_back(find(id));
  for (const Table* table : {&tried_, &new_})
    for (const Slot slot : *table)
      if (slot != empty && !entries_[slot].is_anchor) kept.push_back(&entries_[slot]);

  Bytes saved = to_bytes(bytes_of(magic));
  append(saved, secret_);
  append_be<std::uint16_t>(saved, static_cast<std::uint16_t>(kept.size()));
  for (const Entry* entry : kept) {
    saved.push_back(static_cast<std::uint8_t>((entry->is_tried ? flag_tried : 0) |
                                              (entry->is_anchor ? flag_anchor : 0)));
    append(saved, entry->id.key());
    append(saved, entry->endpoint.address.mapped());
    append_be<std::uint16_t>(saved, entry->endpoint.port);
    append(saved, entry->source.mapped());
    append_be<std::uint64_t>(saved, unix_ms(entry->heard));
    append_be<std::uint64_t>(saved, unix_ms(entry->succeeded));
    saved.push_back(entry->failures);
  }
  append(saved, crypto_->hash(saved));
  return saved;
}

Result<PeerBook> PeerBook::load(ByteView saved, const Crypto& crypto, Random random,
                                int netgroup_bits_v4, int netgroup_bits_v6) {
  constexpr std::size_t head = magic.size() + 32 + 2;
  if (saved.size() < head + 32) return Error::truncated;
  const ByteView content = saved.first(saved.size() - 32);
  if (!std::ranges::equal(saved.last(32), crypto.hash(content))) return Error::malformed;

  Reader in(content);
  if (text_of(in.take(magic.size())) != magic) return Error::malformed;
  PeerBook book(crypto, std::move(random), netgroup_bits_v4, netgroup_bits_v6);
  book.secret_ = in.array<32>();
  const std::size_t count = in.number<std::uint16_t>();
  if (count > max_entries || content.size() != head + count * saved_entry_size)
    return Error::malformed;

  for (std::size_t i = 0; i < count; ++i) {
    const auto flags = in.number<std::uint8_t>();
    Entry entry;
    entry.id = NodeId::trusted(in.array<32>());  // a handshake will tell
    entry.endpoint.address = IpAddress::v6(in.array<16>());
    entry.endpoint.port = in.number<std::uint16_t>();
    entry.source = IpAddress::v6(in.array<16>());
    const auto heard = in.number<std::uint64_t>();
    const auto succeeded = in.number<std::uint64_t>();
    entry.failures = in.number<std::uint8_t>();
    const bool is_anchor = flags & flag_anchor;
    const bool is_tried = flags & flag_tried;
    if (flags > (flag_tried | flag_anchor) || (is_anchor && !is_tried)) return Error::malformed;
    if (heard > last_wall_ms || succeeded > last_wall_ms) return Error::malformed;
    if (!usable(entry.endpoint) || entry.id.is_nobody() || book.knows(entry.id))
      return Error::malformed;
    if (is_anchor && book.anchors_.size() >= limits::book_anchors) return Error::malformed;
    entry.heard = wall_from_unix_ms(heard);
    entry.succeeded = wall_from_unix_ms(succeeded);

    const Slot slot = book.store(entry);
    if (is_tried && book.place_tried(slot)) {
      if (is_anchor) {
        book.entries_[slot].is_anchor = true;
        book.anchors_.push_back(entry.id);
      }
    } else if (!book.place_new(entry.heard, slot)) {
      book.drop(slot);
    }
  }
  return book;
}

}  // namespace byway
