// The ends of a command's pipes or of its connection, lent to the node over their Unix socket
// (SCM_RIGHTS, unix(7)), so that it reads and writes them itself and no byte goes through the
// command and the socket:
//
//   tar ──► pipe ──► node ──► peer's node ──► pipe ──► tar       the command only waits
//
// Of what a command was given only pipes are lent: they can be opened anew (/proc/self/fd) for the
// node alone, not blocking and without changing a flag that others share; a file can block, and a
// terminal belongs to whoever sits there. A connection that the command made itself is nobody
// else's. What is not lent goes by the Unix socket, each direction for itself.
#pragma once

#include <optional>

#include "node/unique_fd.h"

namespace byway {

struct LentEnds {
  UniqueFd in;   // read by the node; not open: not lent
  UniqueFd out;  // written by the node
  bool any() const { return in.is_open() || out.is_open(); }
};

// The command's side: what of the two can be lent, opened anew. Nothing of `in` and `out` changes.
LentEnds lendable(int in, int out);
// Both directions of a connection of the command's own, which does not block from here on.
LentEnds lendable_connection(int fd);
// One byte that says which, with the descriptors beside it. False: the node is gone.
bool lend(int socket, const LentEnds& ends);

// The node's side, once the socket is readable. Nothing: what came is no such byte.
std::optional<LentEnds> take_lent(int socket);

}  // namespace byway
