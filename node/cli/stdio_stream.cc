#include "node/cli/stdio_stream.h"

#include <unistd.h>

#include "node/cli/carry.h"
#include "node/cli/terminal.h"

namespace byway::cli {

LentEnds lendable_stdio() {
  return lendable(STDIN_FILENO, STDOUT_FILENO);
}

int carry_on_stdio(const Call& call, UniqueFd stream, const control::Raw& raw, LentEnds lent,
                   const Interrupts& interrupts, const std::string& what) {
  const Carried carried = carry(call.state_dir, std::move(stream), raw,
                                {.in = STDIN_FILENO,
                                 .out = STDOUT_FILENO,
                                 .lent = std::move(lent),
                                 .stop = interrupts.fd(),
                                 .until_peers_end = is_terminal(STDIN_FILENO)},
                                what);
  if (carried.stopped) return exit_interrupted;
  return carried.problem.empty() ? exit_done : call.fail(carried.problem + carried.moved());
}

}  // namespace byway::cli
