#include "node/apps/context.h"

#include <cmath>

namespace byway {

std::string AppContext::unreachable(const NodeId& id, const std::string& why) const {
  const std::string reason = why.empty() ? "nothing answers, so it may be offline" : why;
  return contacts.call(id) + " cannot be reached: " + reason +
         "; check that it runs and has joined by the same seeds";
}

boost::json::value json_of(const Endpoint& endpoint) {
  if (!endpoint.is_set()) return nullptr;
  return boost::json::string(endpoint.to_string());
}

boost::json::value json_of(const NodeId& id) {
  if (id.is_nobody()) return nullptr;
  return boost::json::string(id.to_string());
}

double json_ms(Duration duration) {
  return std::round(to_ms(duration) * 1000.0) / 1000.0;
}

bool is_direct(PathKind kind) {
  return kind == PathKind::direct_udp || kind == PathKind::direct_tcp;
}

void tell_path(boost::json::object& to, const std::optional<PeerStatus>& peer) {
  to["path"] = std::string(to_string(peer ? peer->path : PathKind::none));
  to["endpoint"] = peer ? json_of(peer->endpoint) : nullptr;
  to["via"] = peer ? json_of(peer->via) : nullptr;
}

std::string refusal_sentence(const std::string& who, const std::string& what,
                             apps::Refusal reason) {
  switch (reason) {
    case apps::Refusal::busy:
      return who + " is busy and refused " + what + "; try again later";
    case apps::Refusal::full:
      return who + " has no more room for " + what + " from people who are not contacts there";
    case apps::Refusal::unavailable:
      break;
  }
  return who + " does not offer " + what + " to you; ask there for it to be opened to this node";
}

}  // namespace byway
