// One stream between its peer and two descriptors of this process, from the node's "take it" to
// what became of it: copied here, or by the node where it was lent them.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "node/control_codec.h"
#include "node/lent_ends.h"
#include "node/unique_fd.h"

namespace byway::cli {

struct CarryEnds {
  int in, out;    // may be the same connection
  LentEnds lent;  // of these, what the node may have
  int stop = -1;  // readable: give up
  bool until_peers_end = false;
  std::string in_name = "standard input", out_name = "standard output";
};

struct Carried {
  std::string problem;                   // a sentence; empty: the peer has everything, and we have
  std::optional<double> sent, received;  // bytes; none: only the node could tell
  bool stopped = false;

  std::string moved() const;  // " (… sent, … received)", or empty where that is not known
};

// Adds "sent", "received" and "why" (null: nothing) to what is said of it.
void tell_carried(boost::json::object& line, const Carried& carried);
// "WHAT ended", or the problem; with how much went each way.
std::string carried_in_words(const std::string& what, const Carried& carried);

// Copies both ways until both ends, or lends the node what it borrows; then asks the node how the
// stream ended: a Unix socket cannot tell a clean end from a broken one, and half a backup must not
// look like a whole one. A problem begins with `what` ("the pipe to bob") where it is ours to tell.
Carried carry(const std::string& state_dir, UniqueFd stream, const control::Raw& raw,
              CarryEnds ends, const std::string& what);

// The same with a connection for both ends, which is closed: by a reset after a problem or where it
// was stopped, so that its other end does not take what came for everything.
Carried carry_connection(const std::string& state_dir, UniqueFd stream, const control::Raw& raw,
                         UniqueFd connection, int stop);

}  // namespace byway::cli
