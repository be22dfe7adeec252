#include "overlay/mesh/view.h"

#include <algorithm>
#include <map>

#include "overlay/core/foresight.h"
#include "overlay/mesh/mesh_limits.h"

namespace byway {

View::View(int netgroup_bits_v4, int netgroup_bits_v6)
    : bits_v4_(netgroup_bits_v4), bits_v6_(netgroup_bits_v6), judged_with_cap_(cap()) {}

IpAddress View::netgroup_of(const IpAddress& address) const {
  return address.prefix(address.is_v4() ? bits_v4_ : bits_v6_);
}

// Never wider than a netgroup: in a lab where every address is a netgroup it is a pair's too.
IpAddress View::pair_of(const IpAddress& address) const {
  return address.prefix(address.is_v4() ? std::max(bits_v4_, limits::pair_bits_v4)
                                        : std::max(bits_v6_, limits::pair_bits_v6));
}

// --- the ring ------------------------------------------------------------------------------------

// Positions are spread evenly, so the place is guessed, and looked for in steps that double from
// there: most of the time in the next few dozen.
std::size_t View::lower(Position position) const {
  constexpr std::size_t first_step = 16;
  __extension__ using Wide = unsigned __int128;
  const std::size_t n = places_.size();
  const auto guess = static_cast<std::size_t>(static_cast<Wide>(position) * n >> 64);
  std::size_t first = guess;
  std::size_t last = guess;
  for (std::size_t step = first_step; first > 0 && places_[first - 1] >= position; step *= 2)
    first -= std::min(first, step);
  for (std::size_t step = first_step; last < n && places_[last] < position; step *= 2)
    last += std::min(n - last, step);
  const auto begin = places_.begin();
  const auto found = std::lower_bound(begin + static_cast<std::ptrdiff_t>(first),
                                      begin + static_cast<std::ptrdiff_t>(last), position);
  return static_cast<std::size_t>(found - begin);
}

std::optional<std::size_t> View::index_of(const NodeId& id) const {
  const Position position = position_of(id);
  for (std::size_t i = lower(position); i < ring_.size() && places_[i] == position; ++i)
    if (slots_[ring_[i]].id() == id) return i;
  return std::nullopt;
}

void View::foresee(int round, Position position) const {
  __extension__ using Wide = unsigned __int128;
  const std::size_t n = places_.size();
  if (n == 0) return;
  if (round == 0) {
    const auto guess = static_cast<std::size_t>(static_cast<Wide>(position) * n >> 64);
    ask_for(&places_[guess], sizeof(Position));
    return ask_for(&ring_[guess], sizeof(Slot));
  }
  const std::size_t index = lower(position);
  if (index == n || places_[index] != position) return;
  const Member& member = slots_[ring_[index]];
  if (round == 1) return ask_for(&member, sizeof(Member));
  const Dossier& dossier = *member.dossier;
  if (round == 2) return ask_for(&dossier, sizeof(Dossier));
  ask_for(dossier.record.get(), sizeof(SignedRecord));
  ask_for(dossier.vouchers.data(), dossier.vouchers.size() * sizeof(VoucherPtr));
}

const View::Member* View::find(const NodeId& id) const {
  const auto index = index_of(id);
  return index ? &slots_[ring_[*index]] : nullptr;
}

const View::Member* View::at_position(Position position) const {
  const std::size_t index = lower(position);
  return index < ring_.size() && places_[index] == position ? &slots_[ring_[index]] : nullptr;
}

bool View::is_admitted(const NodeId& id) const {
  const Member* member = find(id);
  return member && member->admitted;
}

void View::set_load(const NodeId& id, std::uint8_t load) {
  if (const auto index = index_of(id)) slots_[ring_[*index]].load = load;
}

// Two fingers walk away from the position, one each way, until they have seen everybody.
template <typename Take>
void View::walk_from(Position position, Take&& take) const {
  const std::size_t n = ring_.size();
  if (n == 0) return;
  const auto behind = [n](std::size_t at) { return at == 0 ? n - 1 : at - 1; };
  std::size_t up = lower(position) % n;
  std::size_t down = behind(up);
  for (std::size_t seen = 0; seen < n; ++seen) {
    const bool above =
        ring_distance(position, places_[up]) <= ring_distance(position, places_[down]);
    if (!take(slots_[ring_[above ? up : down]])) return;
    if (above)
      up = up + 1 == n ? 0 : up + 1;
    else
      down = behind(down);
  }
}

std::vector<NodeId> View::nearest(Position position, std::size_t count,
                                  const NodeId& except) const {
  std::vector<NodeId> found;
  if (count == 0) return found;
  walk_from(position, [&](const Member& member) {
    if (member.admitted && member.id() != except) found.push_back(member.id());
    return found.size() < count;
  });
  return found;
}

std::vector<NodeId> View::beside(Position position, std::size_t each_side, const Skip& skip) const {
  std::vector<NodeId> found;
  const std::size_t n = ring_.size();
  if (n == 0) return found;
  const auto wanted = [&](const Member& member) {
    return member.admitted && member.position != position && !(skip && skip(member.id()));
  };
  const std::size_t start = lower(position);
  std::size_t last = n;  // how far the upward finger came: the other stops before it
  std::size_t above = 0;
  for (std::size_t step = 0; step < n && above < each_side; ++step) {
    const Member& member = slots_[ring_[(start + step) % n]];
    if (!wanted(member)) continue;
    found.push_back(member.id());
    ++above;
    last = n - 1 - step;
  }
  if (above < each_side) return found;  // that was everybody
  std::size_t below = 0;
  for (std::size_t step = 0; step < last && below < each_side; ++step) {
    const Member& member = slots_[ring_[(start + n - 1 - step) % n]];
    if (!wanted(member)) continue;
    found.push_back(member.id());
    ++below;
  }
  return found;
}

std::size_t View::steps_between(Position a, Position b) const {
  const std::size_t from = lower(a);
  const std::size_t to = lower(b);
  const std::size_t steps = from < to ? to - from : from - to;
  return std::min(steps, ring_.size() - steps);
}

std::optional<NodeId> View::random_member(Random& random, const NodeId& except) const {
  if (admitted_ == 0) return std::nullopt;
  const auto suits = [&](const Member& m) { return m.admitted && m.id() != except; };
  std::size_t at = 0;
  for (int tries = 0; tries < 16; ++tries) {
    at = random.below(ring_.size());
    if (suits(slots_[ring_[at]])) return slots_[ring_[at]].id();
  }
  for (std::size_t step = 0; step < ring_.size(); ++step) {
    const Member& member = slots_[ring_[(at + step) % ring_.size()]];
    if (suits(member)) return member.id();
  }
  return std::nullopt;
}

std::optional<double> View::mean_load(Position position, std::size_t count,
                                      const NodeId& except) const {
  double sum = 0;
  std::size_t told = 0;
  walk_from(position, [&, left = count](const Member& member) mutable {
    if (left == 0) return false;
    if (!member.admitted || member.id() == except) return true;
    --left;
    if (member.load == load_unknown) return true;
    sum += member.load;
    ++told;
    return true;
  });
  if (told == 0) return std::nullopt;
  return sum / static_cast<double>(told);
}

void View::each(Position from, Position last,
                const std::function<bool(const Member&)>& take) const {
  for (std::size_t i = lower(from); i < ring_.size(); ++i) {
    const Member& member = slots_[ring_[i]];
    if (member.position > last || !take(member)) return;
  }
}

void View::each_admitted(const std::function<void(const Member&)>& take) const {
  for (const Slot slot : ring_)
    if (slots_[slot].admitted) take(slots_[slot]);
}

// --- changes -------------------------------------------------------------------------------------

bool View::ages_before(Slot a, Slot b) const {
  const Member& x = slots_[a];
  const Member& y = slots_[b];
  const IpAddress group_x = netgroup_of(x.dossier->address());
  const IpAddress group_y = netgroup_of(y.dossier->address());
  if (group_x != group_y) return group_x < group_y;
  if (x.since != y.since) return x.since < y.since;
  if (x.position != y.position) return x.position < y.position;
  return x.id() < y.id();
}

void View::put(DossierPtr dossier, WallTime since, bool strong) {
  ++version_;
  const NodeId id = dossier->id();
  if (const auto index = index_of(id)) {
    Member& member = slots_[ring_[*index]];
    const bool same_place =
        member.since == since && member.dossier->address() == dossier->address();
    if (same_place) {
      tree_.remove(member.position, member.dossier->digest);
      tree_.add(member.position, dossier->digest);
      with_vouchers_ -= member.dossier->vouchers.empty() ? 0 : 1;
      with_vouchers_ += dossier->vouchers.empty() ? 0 : 1;
      member.dossier = std::move(dossier);
      member.strong = strong;
      return;
    }
    const std::uint8_t load = member.load;
    remove(id);
    put(std::move(dossier), since, strong);
    set_load(id, load);
    return;
  }

  Slot slot;
  if (free_.empty()) {
    grow();
    slot = static_cast<Slot>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Member& member = slots_[slot];
  member.position = dossier->position;
  member.since = since;
  member.strong = strong;
  member.dossier = std::move(dossier);
  tree_.add(member.position, member.dossier->digest);
  with_vouchers_ += member.dossier->vouchers.empty() ? 0 : 1;

  const auto round = std::lower_bound(ring_.begin(), ring_.end(), slot, [&](Slot a, Slot b) {
    const Member& x = slots_[a];
    const Member& y = slots_[b];
    return x.position != y.position ? x.position < y.position : x.id() < y.id();
  });
  places_.insert(places_.begin() + (round - ring_.begin()), member.position);
  ring_.insert(round, slot);
  const auto age = std::lower_bound(ages_.begin(), ages_.end(), slot,
                                    [&](Slot a, Slot b) { return ages_before(a, b); });
  const auto [first, last] = run_of(netgroup_of(member.dossier->address()));
  counting_ += last - first < limits::members_per_netgroup ? 1 : 0;
  crowded_ += last - first == limits::members_per_netgroup ? 1 : 0;
  ages_.insert(age, slot);
  admit(netgroup_of(member.dossier->address()));
  judge_all_if_cap_changed();
}

// By a quarter, where vectors would double: ten thousand views of ten thousand are kept at once.
void View::grow() {
  if (slots_.size() < slots_.capacity()) return;
  const std::size_t room = slots_.size() + slots_.size() / 4 + 8;
  slots_.reserve(room);
  ring_.reserve(room);
  places_.reserve(room);
  ages_.reserve(room);
}

bool View::remove(const NodeId& id) {
  const auto index = index_of(id);
  if (!index) return false;
  ++version_;
  const Slot slot = ring_[*index];
  Member& member = slots_[slot];
  const IpAddress netgroup = netgroup_of(member.dossier->address());
  const auto [first, last] = run_of(netgroup);
  const auto age = std::find(ages_.begin() + static_cast<std::ptrdiff_t>(first),
                             ages_.begin() + static_cast<std::ptrdiff_t>(last), slot);
  const bool only_admitted =
      member.admitted && std::count_if(ages_.begin() + static_cast<std::ptrdiff_t>(first),
                                       ages_.begin() + static_cast<std::ptrdiff_t>(last),
                                       [&](Slot s) { return slots_[s].admitted; }) == 1;
  set_admitted(slot, false);
  if (only_admitted) --netgroups_;
  tree_.remove(member.position, member.dossier->digest);
  with_vouchers_ -= member.dossier->vouchers.empty() ? 0 : 1;
  ages_.erase(age);
  counting_ -= last - first <= limits::members_per_netgroup ? 1 : 0;
  crowded_ -= last - first == limits::members_per_netgroup + 1 ? 1 : 0;
  ring_.erase(ring_.begin() + static_cast<std::ptrdiff_t>(*index));
  places_.erase(places_.begin() + static_cast<std::ptrdiff_t>(*index));
  member = {};
  free_.push_back(slot);
  admit(netgroup);
  judge_all_if_cap_changed();
  return true;
}

std::optional<View::Change> View::poll_change() {
  if (changes_.empty()) return std::nullopt;
  const Change change = std::move(changes_.front());
  changes_.pop_front();
  return change;
}

// --- admission -----------------------------------------------------------------------------------

std::size_t View::cap() const {
  return std::max(limits::members_per_netgroup, counting_ / limits::netgroup_fraction);
}

std::pair<std::size_t, std::size_t> View::run_of(const IpAddress& netgroup) const {
  const auto group = [&](Slot slot) { return netgroup_of(slots_[slot].dossier->address()); };
  const auto first = std::lower_bound(ages_.begin(), ages_.end(), netgroup,
                                      [&](Slot s, const IpAddress& g) { return group(s) < g; });
  auto last = first;  // a netgroup has a few members: nearer than half-way
  while (last != ages_.end() && group(*last) == netgroup) ++last;
  return {static_cast<std::size_t>(first - ages_.begin()),
          static_cast<std::size_t>(last - ages_.begin())};
}

void View::set_admitted(Slot slot, bool admitted) {
  Member& member = slots_[slot];
  if (member.admitted == admitted) return;
  member.admitted = admitted;
  admitted_ += admitted ? 1 : 0;
  admitted_ -= admitted ? 0 : 1;
  // Out and in again before anybody asked is no change.
  const auto undone = std::find_if(changes_.begin(), changes_.end(),
                                   [&](const Change& c) { return c.dossier->id() == member.id(); });
  if (undone != changes_.end())
    changes_.erase(undone);
  else
    changes_.push_back({member.dossier, admitted});
}

// Decides about one netgroup: from the oldest on, until a pair or the whole is full.
void View::admit(const IpAddress& netgroup) {
  const auto [first, last] = run_of(netgroup);
  const std::size_t most = cap();
  std::size_t before = 0;
  std::size_t after = 0;
  std::map<IpAddress, std::size_t> pairs;
  for (std::size_t i = first; i < last; ++i) {
    const Slot slot = ages_[i];
    before += slots_[slot].admitted ? 1 : 0;
    bool admitted = after < most;
    if (admitted) {
      std::size_t& pair = pairs[pair_of(slots_[slot].dossier->address())];
      admitted = pair < limits::members_per_pair;
      pair += admitted ? 1 : 0;
    }
    after += admitted ? 1 : 0;
    set_admitted(slot, admitted);
  }
  netgroups_ += before == 0 && after > 0 ? 1 : 0;
  netgroups_ -= before > 0 && after == 0 ? 1 : 0;
}

// The fiftieth grows with the network: once in fifty joins every crowded netgroup is looked at.
void View::judge_all_if_cap_changed() {
  const std::size_t now = cap();
  if (now == judged_with_cap_) return;
  const std::size_t crowded = std::min(now, judged_with_cap_);
  judged_with_cap_ = now;
  if (crowded_ == 0) return;
  for (std::size_t first = 0; first < ages_.size();) {
    const IpAddress netgroup = netgroup_of(slots_[ages_[first]].dossier->address());
    std::size_t last = first;
    while (last < ages_.size() && netgroup_of(slots_[ages_[last]].dossier->address()) == netgroup)
      ++last;
    if (last - first > crowded) admit(netgroup);
    first = last;
  }
}

bool View::has_strong_netgroups(std::size_t count) const {
  std::size_t found = 0;
  std::optional<IpAddress> last;
  for (const Slot slot : ages_) {
    if (!slots_[slot].strong) continue;
    const IpAddress netgroup = netgroup_of(slots_[slot].dossier->address());
    if (last == netgroup) continue;
    last = netgroup;
    if (++found == count) return true;
  }
  return false;
}

}  // namespace byway
