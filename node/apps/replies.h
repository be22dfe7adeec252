// Where the answers to a command go: the control socket in a running node, a list in a test.
// After done(), fail() or raw() nothing more is said.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <string>

namespace byway {

class Replies {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;
  virtual ~Replies() = default;

  virtual void line(const boost::json::object& object) = 0;
  virtual void fail(const std::string& sentence) = 0;
  virtual void done() = 0;
  // Hands over the connection once everything said before has been written. `borrows`: the command
  // lends its ends with the first byte (lent_ends.h).
  virtual void raw(std::uint64_t token, bool borrows, std::function<void(Socket)> take) = 0;

  // Whether more may be said now; a slow reader makes it false until on_drained.
  virtual bool has_room() const = 0;
  // Whoever asked went away, or has heard enough (it shut its sending side): stop the work. A
  // last word said from within `tell` still reaches those who listen. At most one of each is kept.
  virtual void on_gone(std::function<void()> tell) = 0;
  virtual void on_drained(std::function<void()> tell) = 0;
};

}  // namespace byway
