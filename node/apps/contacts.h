// Names for people: PEER in a command is an id or the name of a contact. The names are this
// node's own (petnames); nobody else sees them.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "node/apps/replies.h"
#include "node/control_codec.h"
#include "node/database.h"
#include "node/outcome.h"

namespace byway {

class Contacts {
 public:
  Contacts(Database& store, const NodeId& self);

  // Whom an operator means; never this node itself.
  Outcome<NodeId> resolve(const std::string& peer) const;
  bool knows(const NodeId& id) const { return names_.count(id) != 0; }
  std::string name_of(const NodeId& id) const;  // empty: no contact
  std::string call(const NodeId& id) const;     // the name, else a short form of the id

  void handle(const control::Whois& request, Replies& replies);
  void handle(const control::ContactAdd& request, Replies& replies);
  void handle(const control::ContactList& request, Replies& replies);
  void handle(const control::ContactRemove& request, Replies& replies);

 private:
  void reload();

  Database& store_;
  NodeId self_;
  std::map<NodeId, std::string> names_;
  std::map<std::string, NodeId> ids_;
};

}  // namespace byway
