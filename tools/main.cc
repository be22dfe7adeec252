// `byway`: see node/cli/cli.h for the command line, node/node.h for the node itself, and
// tools/overlay/tools.h for what `byway overlay` diagnoses.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <iostream>
#include <string_view>

#include "node/cli/cli.h"
#include "tools/overlay/huge_pages.h"
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

// The simulator needs gigabytes.
bool is_simulation(int argc, char** argv) {
  return argc > 2 && argv[1] == std::string_view("overlay") && argv[2] == std::string_view("sim");
}

}  // namespace

int main(int argc, char** argv) {
  hold_standard_descriptors();
  if (is_simulation(argc, argv)) byway::tools::start_again_with_huge_pages(argv);
  const std::array more{byway::tools::overlay_command()};
  return byway::cli::run_cli(argc, argv, std::cout, std::cerr, more);
}
