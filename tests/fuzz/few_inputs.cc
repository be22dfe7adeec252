// Runs a fuzz target without libFuzzer on a few inputs, always the same: a check that the target
// itself still fits the code. Finding faults is libFuzzer's work.
//
//   few_codec 2000
#include <cstdio>
#include <cstdlib>

#include "protocol/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int count, char** words) {
  const long inputs = count == 2 ? std::strtol(words[1], nullptr, 10) : 0;
  if (inputs <= 0) {
    std::fprintf(stderr, "usage: %s INPUTS\n", words[0]);
    return 2;
  }
  byway::Random random(1);
  LLVMFuzzerTestOneInput(nullptr, 0);
  for (long i = 0; i < inputs; ++i) {
    byway::Bytes input(random.below(i % 2 ? 1400 : 40));
    random.fill(input);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
}
