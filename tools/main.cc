// `byway`: see node/cli/cli.h for the command line, node/node.h for the node itself, and
// tools/overlay/tools.h for what `byway overlay` diagnoses.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <iostream>

#include "node/cli/cli.h"
#include "tools/overlay/tools.h"

namespace {

// A process may be started with its standard ends closed. The next file opened would take their
// numbers, and an error message would go into a stream to somebody.
void hold_standard_descriptors() {
  int fd = 0;
  do {
    fd = open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  hold_standard_descriptors();
  const std::array more{byway::tools::overlay_command()};
  return byway::cli::run_cli(argc, argv, std::cout, std::cerr, more);
}
