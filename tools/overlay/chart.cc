#include "tools/overlay/chart.h"

#include <algorithm>

namespace byway::tools {

double Sighting::load() const {
  if (!state || state->limit == 0) return 0;
  return static_cast<double>(state->leaves) / state->limit;
}

std::set<NodeId> KnownView::admitted() const {
  std::set<NodeId> ids;
  for (const auto& [id, member] : members)
    if (member.admitted) ids.insert(id);
  return ids;
}

IpAddress Chart::netgroup_of(const Endpoint& endpoint) const {
  return endpoint.address.prefix(endpoint.address.is_v4() ? netgroup_bits_v4 : netgroup_bits_v6);
}

std::string Chart::netgroup_text(const IpAddress& netgroup) const {
  return netgroup.to_string() + "/" +
         std::to_string(netgroup.is_v4() ? netgroup_bits_v4 : netgroup_bits_v6);
}

std::size_t Chart::answered() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      supernodes, [](const auto& entry) { return entry.second.state.has_value(); }));
}

std::size_t Chart::netgroups() const {
  std::set<IpAddress> groups;
  for (const auto& [id, sighting] : supernodes) groups.insert(netgroup_of(sighting.endpoint));
  return groups.size();
}

std::vector<NodeId> Chart::unknown_to(const Sighting& sighting) const {
  std::vector<NodeId> missing;
  if (!sighting.view) return missing;
  const auto& members = views[*sighting.view].members;
  for (const auto& [id, other] : supernodes) {
    if (id == sighting.id || !other.state) continue;
    const auto known = members.find(id);
    if (known == members.end() || !known->second.admitted) missing.push_back(id);
  }
  return missing;
}

std::vector<NodeId> Chart::ghosts_of(const Sighting& sighting) const {
  std::vector<NodeId> ghosts;
  if (!sighting.view) return ghosts;
  for (const auto& [id, member] : views[*sighting.view].members) {
    const auto seen = supernodes.find(id);
    if (member.admitted && seen != supernodes.end() && seen->second.silent()) ghosts.push_back(id);
  }
  return ghosts;
}

std::vector<const Sighting*> Chart::in_order() const {
  std::vector<const Sighting*> all;
  for (const auto& [id, sighting] : supernodes) all.push_back(&sighting);
  std::ranges::stable_sort(all, {}, [&](const Sighting* s) {
    return std::pair{netgroup_of(s->endpoint), s->endpoint};
  });
  return all;
}

}  // namespace byway::tools
