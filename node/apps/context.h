// What every app works with, and a few facts they all tell in the same words.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>

#include "node/apps/contacts.h"
#include "node/apps/streams.h"
#include "node/database.h"
#include "node/runtime.h"
#include "node/timer.h"

namespace byway {

struct AppContext {
  Runtime& runtime;
  Streams& streams;
  Contacts& contacts;
  Database& store;

  std::optional<PeerStatus> peer(const NodeId& id) const { return runtime.overlay().peer(id); }
  // "bob cannot be reached: …; …": the sentence of every command that found nobody.
  std::string unreachable(const NodeId& id, const std::string& why) const;
};

// Null stands for "there is none".
boost::json::value json_of(const Endpoint& endpoint);
boost::json::value json_of(const NodeId& id);
// Milliseconds to the microsecond.
double json_ms(Duration duration);

bool is_direct(PathKind kind);
// "path", "endpoint" and "via" of the path of now.
void tell_path(boost::json::object& to, const std::optional<PeerStatus>& peer);
// What a refusal of `what` ("the service 'in'") by a peer means to a person.
std::string refusal_sentence(const std::string& who, const std::string& what, apps::Refusal reason);

}  // namespace byway
