// TCP on this host and from it, for commands that carry connections.
#pragma once

#include <optional>
#include <string>

#include "node/unique_fd.h"

namespace byway::cli {

struct TcpAddress {
  std::string host;
  std::string port;  // a number of 0 to 65535

  std::string text() const;  // HOST:PORT, an IPv6 address in brackets
};

// "PORT", which is one of this host's own, "HOST:PORT", or "[IPV6]:PORT".
std::optional<TcpAddress> parse_tcp(const std::string& text);

// Both begin connections that are not paced where they stay on this host (127.0.0.0/8, ::1).
//
// A connection that is open. Not open: none of the host's addresses took it within 20 s each, or
// `stop` became readable, and `why` says which.
UniqueFd connect_tcp(const TcpAddress& to, int stop, std::string& why);
// A socket that listens, at the first of the host's addresses that it can have.
UniqueFd listen_tcp(const TcpAddress& at, std::string& why);

// Where it is bound, as HOST:PORT.
std::string local_of(int fd);
// Who is at its other end.
std::string remote_of(int fd);

}  // namespace byway::cli
