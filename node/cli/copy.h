// Carries bytes both ways between this process's ends and a stream, until both have ended.
//
//   in  ──► stream     the end of `in` shuts the stream's sending side down and no more: the peer
//   out ◄── stream     may go on for as long as it likes, as `tar c . | ssh` has taught everybody
//
// Where `in` or `out` is a pipe, the kernel moves its pages (splice) and the bytes are not touched
// here at all. Otherwise there is one buffer a direction, refilled only when empty. Either way a
// reader that stops reading stops the writer at the far end of the network, and nothing grows
// meanwhile. What the node was lent it reads and writes itself: it hangs up when all is done, and
// tells by a byte that nobody reads `out` any more. `in` and `out` keep their blocking mode,
// because other processes may share them; they are written in pieces that cannot block instead. The
// stream is ours alone and does not block. Errors: EPIPE on either side ends that direction and is
// told; SIGPIPE must be ignored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace byway::cli {

struct CopyEnds {
  int in;                                  // read from; may be /dev/null, a file, or closed already
  int out;                                 // written to
  int stream;                              // a connected stream socket
  int stop = -1;                           // readable: give up
  bool in_lent = false, out_lent = false;  // to the node, which reads or writes it itself
  // The peer's end ends both directions: nobody should have to press Ctrl-D to be let go.
  bool until_peers_end = false;
  std::string in_name = "standard input", out_name = "standard output";  // in sentences
};

struct CopyResult {
  std::uint64_t sent = 0;      // bytes taken from `in` by the stream; of what is not lent
  std::uint64_t received = 0;  // bytes written to `out`
  std::string broken;          // why it is incomplete; empty: all of it went both ways
  bool our_fault = false;      // `in` or `out` failed, not the stream
  bool told = false;           // by the node, which knows how much went before
  bool stopped = false;        // by `stop`
};

CopyResult copy_both_ways(const CopyEnds& ends);

}  // namespace byway::cli
