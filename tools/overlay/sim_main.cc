// Until `byway overlay` knows it: the simulator alone.
#include <iostream>
#include <vector>

#include "tools/overlay/sim.h"

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  return byway::tools::overlay_sim(words, std::cout, std::cerr);
}
