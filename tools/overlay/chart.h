// What a walk through the mesh has found: the supernodes, and what each of them knows of the
// others. A plain struct: a crawl fills it, and text, JSON, dot and SVG are told from it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "overlay/overlay.h"
#include "protocol/record.h"

namespace byway::tools {

struct Sighting {
  NodeId id;
  Endpoint endpoint;
  bool asked = false;
  std::optional<SupernodeState> state;  // it answered
  std::string why;                      // it did not
  std::optional<Duration> rtt;
  std::optional<std::size_t> view;  // which of the views is its own

  bool silent() const { return asked && !state; }
  double load() const;  // leaves of its limit, 0…1 and beyond; 0 where unknown
};

struct ViewMember {
  RecordPtr record;
  bool admitted = false;
};
// What some supernodes know: the same, so it is kept once.
struct KnownView {
  std::map<NodeId, ViewMember> members;
  std::vector<NodeId> holders;  // whose it is, in order

  std::set<NodeId> admitted() const;
};

struct Chart {
  std::map<NodeId, Sighting> supernodes;
  std::vector<KnownView> views;  // the one that most hold first
  int netgroup_bits_v4 = 16;
  int netgroup_bits_v6 = 32;
  bool complete = true;  // nobody was left out for lack of time or room
  Duration took{};

  IpAddress netgroup_of(const Endpoint& endpoint) const;
  std::string netgroup_text(const IpAddress& netgroup) const;  // "203.0.113.0/24"
  std::size_t answered() const;
  std::size_t netgroups() const;
  // Those who answered and are not admitted in this one's view; nobody where that is not known.
  std::vector<NodeId> unknown_to(const Sighting& sighting) const;
  // Those in its view who do not answer.
  std::vector<NodeId> ghosts_of(const Sighting& sighting) const;
  // By netgroup, then id: the order in which everything is told.
  std::vector<const Sighting*> in_order() const;
};

}  // namespace byway::tools
