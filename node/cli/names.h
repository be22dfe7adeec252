// Contacts' names put where the node tells ids: "relayed by hub" instead of eight letters. The node
// is asked for its contacts only when there is an id to be named, and once.
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <string>

namespace byway::cli {

class Names {
 public:
  explicit Names(std::string state_dir) : state_dir_{std::move(state_dir)} {}

  const std::map<std::string, std::string>& by_id();
  // Again at the next use: somebody may have added one.
  void forget() { known_.reset(); }

  // "via" becomes a name where it is a contact's id.
  void name_relay(boost::json::object& facts);
  // The same in status: relays of peers, and homes.
  void name_all(boost::json::object& status);

 private:
  std::string name_of(const boost::json::object& object, const char* key);

  std::string state_dir_;
  std::optional<std::map<std::string, std::string>> known_;
};

}  // namespace byway::cli
