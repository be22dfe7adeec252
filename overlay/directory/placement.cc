#include "overlay/directory/placement.h"

#include <algorithm>
#include <limits>

#include "overlay/core/foresight.h"

namespace byway {
namespace {

// Every bit of the input moves half of the output's bits; the constants are odd and look random.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
  x = (x ^ (x >> 29)) * 0xa0761d6478bd642fu;
  return x ^ (x >> 32);
}

// 64 bits that stand for these bytes (8 × n of them), the same on every node.
std::uint64_t fold(ByteView bytes) {
  std::uint64_t folded = bytes.size();
  for (; !bytes.empty(); bytes = bytes.subspan(8))
    folded = mix(folded + load_be<std::uint64_t>(bytes));
  return folded;
}

std::uint64_t score(const Placement::Draw& draw, std::uint64_t what) {
  return mix(mix(what ^ draw.first) + draw.second);
}

bool better(const Placement::Scored& a, const Placement::Scored& b) {
  return a.score > b.score;
}

// The `count` best, best first, of n things scored by `score_of`. Hardly any of many gets that far,
// so those are kept in order and the others cost a comparison.
template <class ScoreOf>
std::vector<Placement::Scored> best(std::size_t n, std::size_t count, ScoreOf&& score_of) {
  count = std::min(count, n);
  std::vector<Placement::Scored> chosen;
  if (count == 0) return chosen;
  chosen.reserve(count + 1);
  for (std::size_t i = 0; i < n; ++i) {
    const Placement::Scored candidate{score_of(i), i};
    const bool full = chosen.size() == count;
    if (full && !better(candidate, chosen.back())) continue;
    chosen.insert(std::upper_bound(chosen.begin(), chosen.end(), candidate, better), candidate);
    if (full) chosen.pop_back();
  }
  return chosen;
}

const NodeId& id_of(const RecordPtr& member) {
  return member->record().id;
}

}  // namespace

std::optional<IpAddress> Placement::netgroup_of(const SignedRecord& member) const {
  const auto& endpoints = member.record().endpoints;
  if (endpoints.empty()) return {};
  const IpAddress& address = endpoints.front().address;
  return address.prefix(address.is_v4() ? bits_v4_ : bits_v6_);
}

std::optional<std::uint64_t> Placement::group_of(const SignedRecord& member) const {
  const auto netgroup = netgroup_of(member);
  if (!netgroup) return {};
  return fold(netgroup->mapped());
}

std::size_t Placement::index_of(std::uint64_t group) const {
  const auto found = std::lower_bound(groups_.begin(), groups_.end(), group);
  return static_cast<std::size_t>(found - groups_.begin());
}

bool Placement::add(RecordPtr member) {
  const auto group = group_of(*member);
  if (!group) return false;
  const std::size_t index = index_of(*group);
  const auto at = static_cast<std::ptrdiff_t>(index);
  if (index == groups_.size() || groups_[index] != *group) {
    groups_.insert(groups_.begin() + at, *group);
    members_.insert(members_.begin() + at, Members{});
  }
  Members& members = members_[index];
  const auto same = std::find_if(members.begin(), members.end(), [&](const RecordPtr& known) {
    return id_of(known) == id_of(member);
  });
  if (same != members.end()) {
    *same = std::move(member);
    return false;
  }
  members.push_back(std::move(member));
  ++size_;
  return true;
}

bool Placement::remove(const SignedRecord& member) {
  const auto group = group_of(member);
  if (!group) return false;
  const std::size_t index = index_of(*group);
  if (index == groups_.size() || groups_[index] != *group) return false;
  Members& members = members_[index];
  const auto same = std::find_if(members.begin(), members.end(), [&](const RecordPtr& known) {
    return id_of(known) == member.record().id;
  });
  if (same == members.end()) return false;
  members.erase(same);
  --size_;
  if (!members.empty()) return true;
  const auto at = static_cast<std::ptrdiff_t>(index);
  groups_.erase(groups_.begin() + at);
  members_.erase(members_.begin() + at);
  return true;
}

bool Placement::has(const SignedRecord& member) const {
  const auto group = group_of(member);
  if (!group) return false;
  const std::size_t index = index_of(*group);
  if (index == groups_.size() || groups_[index] != *group) return false;
  const Members& members = members_[index];
  return std::any_of(members.begin(), members.end(),
                     [&](const RecordPtr& known) { return id_of(known) == member.record().id; });
}

Placement::Draw Placement::draw(const NodeId& target) const {
  const Key digest = crypto_->hash(target.key());
  return {load_be<std::uint64_t>(ByteView(digest).first(8)),
          load_be<std::uint64_t>(ByteView(digest).subspan(8, 8))};
}

std::vector<NodeId> Placement::best_of_each(const Draw& draw,
                                            const std::vector<Scored>& groups) const {
  // Eight times the same way through memory: asked for side by side (core/foresight.h).
  for (const Scored& group : groups) ask_for(&members_[group.index], sizeof(Members));
  for (const Scored& group : groups) ask_for(members_[group.index].data(), sizeof(RecordPtr));
  for (const Scored& group : groups) ask_for(&id_of(members_[group.index].front()), sizeof(NodeId));
  std::vector<NodeId> found;
  found.reserve(groups.size());
  for (const Scored& group : groups) {
    const Members& members = members_[group.index];
    std::size_t first = 0;
    if (members.size() > 1)
      first = best(members.size(), 1,
                   [&](std::size_t i) { return score(draw, fold(id_of(members[i]).key())); })
                  .front()
                  .index;
    found.push_back(id_of(members[first]));
  }
  return found;
}

Placement::Seats Placement::seats(const Draw& draw, std::size_t count) const {
  const auto groups =
      best(groups_.size(), count, [&](std::size_t i) { return score(draw, groups_[i]); });
  Seats seats;
  if (groups.empty()) return seats;
  if (groups.size() == count) {
    // While there is a netgroup for every seat, the best of each has it, and a new netgroup has to
    // beat the last of them; else it gets one.
    seats.bar = groups.back().score;
    seats.holders = best_of_each(draw, groups);
    return seats;
  }

  const std::size_t rounds = (count + groups.size() - 1) / groups.size();
  std::vector<std::vector<Scored>> ranked;
  for (const Scored& group : groups) {
    const Members& members = members_[group.index];
    ranked.push_back(best(members.size(), rounds, [&](std::size_t i) {
      return score(draw, fold(id_of(members[i]).key()));
    }));
  }
  // A netgroup too small for its turn leaves the seat to the others, in a further round.
  for (std::size_t round = 0; seats.holders.size() < count; ++round) {
    bool anybody = false;
    for (std::size_t g = 0; g < groups.size() && seats.holders.size() < count; ++g) {
      const Members& members = members_[groups[g].index];
      if (round >= members.size()) continue;
      if (round >= ranked[g].size())
        ranked[g] = best(members.size(), count,
                         [&](std::size_t i) { return score(draw, fold(id_of(members[i]).key())); });
      seats.holders.push_back(id_of(members[ranked[g][round].index]));
      anybody = true;
    }
    if (!anybody) break;
  }
  return seats;
}

bool Placement::is_in(std::uint64_t group, const NodeId& node) const {
  const std::size_t index = index_of(group);
  if (index == groups_.size() || groups_[index] != group) return false;
  const Members& members = members_[index];
  return std::any_of(members.begin(), members.end(),
                     [&](const RecordPtr& member) { return id_of(member) == node; });
}

// True: it is in group_asked_.
bool Placement::find_group(const NodeId& node) const {
  if (is_in(group_asked_, node)) return true;
  for (const std::uint64_t group : groups_) {
    if (!is_in(group, node)) continue;
    group_asked_ = group;
    return true;
  }
  return false;
}

// Where there is a netgroup for every seat, a node holds what its netgroup holds, if it is the best
// there; so nobody else has to be looked at than those beside it.
bool Placement::may_hold(const NodeId& node, const NodeId& target, std::size_t count) const {
  const Draw draw = this->draw(target);
  if (groups_.size() < count) {
    const auto holders = seats(draw, count).holders;
    return std::find(holders.begin(), holders.end(), node) != holders.end();
  }
  if (!find_group(node)) return false;
  const std::uint64_t own = score(draw, group_asked_);
  std::size_t better_ones = 0;
  for (const std::uint64_t group : groups_) better_ones += score(draw, group) > own ? 1 : 0;
  if (better_ones >= count) return false;
  const auto score_of = [&](const NodeId& id) { return score(draw, fold(id.key())); };
  const Members& members = members_[index_of(group_asked_)];
  return std::none_of(members.begin(), members.end(),
                      [&, mine = score_of(node)](const RecordPtr& member) {
                        return score_of(id_of(member)) > mine;
                      });
}

bool Placement::concerns(const Draw& draw, std::uint64_t bar, std::uint64_t group) {
  return score(draw, group) >= bar;
}

}  // namespace byway
