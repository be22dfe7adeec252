// `byway overlay load` as a program of its own, for the benchmarks.
#include <iostream>
#include <string>
#include <vector>

#include "tools/overlay/load.h"

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  return byway::overlay_load(words, std::cout, std::cerr);
}
