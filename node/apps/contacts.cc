#include "node/apps/contacts.h"

#include <algorithm>

#include "node/apps/app_codec.h"

namespace byway {
namespace {

constexpr std::size_t max_contact_name = 64;
constexpr std::size_t looks_like_an_id = 40;  // nobody's name is so long by accident

bool is_contact_name(const std::string& name) {
  if (name.empty() || name.size() > max_contact_name || !apps::is_utf8(name)) return false;
  if (name.front() == '-' || name.front() == '/') return false;  // options, chat commands
  return std::none_of(name.begin(), name.end(), [](char c) {
    const auto code = static_cast<unsigned char>(c);
    return code <= ' ' || code == 0x7f || c == '@' || c == ':';
  });
}

}  // namespace

Contacts::Contacts(Database& store, const NodeId& self) : store_(store), self_(self) {
  reload();
}

void Contacts::reload() {
  names_.clear();
  ids_.clear();
  for (const Contact& contact : store_.contacts()) {
    names_[contact.id] = contact.name;
    ids_[contact.name] = contact.id;
  }
}

Outcome<NodeId> Contacts::resolve(const std::string& peer) const {
  NodeId id;
  if (const auto named = ids_.find(peer); named != ids_.end()) {
    id = named->second;
  } else {
    const auto parsed = NodeId::parse(peer);
    if (!parsed && peer.size() >= looks_like_an_id)
      return Problem{"'" + peer +
                     "' is no node's id, though it looks like one; copy all of what "
                     "`byway id` prints there"};
    if (!parsed)
      return Problem{"there is no contact '" + peer + "'; add it with `byway contact add " + peer +
                     " ID`, or give the id itself"};
    id = *parsed;
  }
  if (id == self_) return Problem{peer + " is this node itself; name another"};
  return id;
}

std::string Contacts::name_of(const NodeId& id) const {
  const auto found = names_.find(id);
  return found == names_.end() ? std::string{} : found->second;
}

std::string Contacts::call(const NodeId& id) const {
  const auto found = names_.find(id);
  return found == names_.end() ? id.short_string() : found->second;
}

void Contacts::handle(const control::Whois& request, Replies& replies) {
  const auto id = resolve(request.peer);
  if (!id) return replies.fail(id.error().sentence);
  replies.line({{"id", id->to_string()}, {"name", name_of(*id)}});
  replies.done();
}

void Contacts::handle(const control::ContactAdd& request, Replies& replies) {
  if (!is_contact_name(request.name))
    return replies.fail("'" + request.name +
                        "' cannot be a contact's name; use up to 64 letters, digits and marks "
                        "other than blanks, '@' and ':'");
  if (NodeId::parse(request.name))
    return replies.fail("a contact's name cannot itself be an id; choose a shorter one");
  const auto id = NodeId::parse(request.id);
  if (!id)
    return replies.fail("'" + request.id +
                        "' is not an id; copy the 52 characters that `byway id` prints there");
  if (*id == self_) return replies.fail("this is the id of this node itself; give another's");

  const auto saved = store_.add_contact({request.name, *id});
  if (!saved) return replies.fail(saved.error().sentence);
  reload();
  replies.line({{"name", request.name}, {"id", id->to_string()}});
  replies.done();
}

void Contacts::handle(const control::ContactList&, Replies& replies) {
  for (const auto& [name, id] : ids_) replies.line({{"name", name}, {"id", id.to_string()}});
  replies.done();
}

void Contacts::handle(const control::ContactRemove& request, Replies& replies) {
  std::string name = request.name_or_id;
  if (!ids_.count(name))
    if (const auto id = NodeId::parse(name)) name = name_of(*id);
  const auto found = ids_.find(name);
  if (found == ids_.end())
    return replies.fail("there is no contact '" + request.name_or_id +
                        "'; `byway contact list` shows them");
  const NodeId id = found->second;
  if (!store_.remove_contact(name)) return replies.fail("the contact could not be removed");
  reload();
  replies.line({{"name", name}, {"id", id.to_string()}});
  replies.done();
}

}  // namespace byway
