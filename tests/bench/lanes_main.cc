// Opens lanes at a supernode whose ends are then left to others: bench_packets sends from the same
// ports, and the supernode knows no difference.
//
//   bench_lanes ID@ADDRESS:PORT COUNT FIRST_PORT    lane i leads from FIRST_PORT + i to
//                                                   FIRST_PORT + COUNT
//
// Prints the lanes' numbers in one line.
#include <iostream>
#include <string>

#include "tools/overlay/load_leaves.h"

int main(int argc, char** argv) {
  using namespace byway;
  const std::string seed = argc == 4 ? argv[1] : "";
  const auto sign = seed.find('@');
  const auto id = NodeId::parse(seed.substr(0, sign));
  const auto endpoint = Endpoint::parse(sign == std::string::npos ? "" : seed.substr(sign + 1));
  if (!id || !endpoint) {
    std::cerr << "usage: bench_lanes ID@ADDRESS:PORT COUNT FIRST_PORT\n";
    return 2;
  }
  const std::size_t count = std::stoul(argv[2]);
  const auto first_port = static_cast<std::uint16_t>(std::stoul(argv[3]));
  auto leaves = LoadLeaves::open({*id, *endpoint}, count + 1, first_port);
  if (!leaves) {
    std::cerr << "bench_lanes: " << leaves.error().sentence << "\n";
    return 1;
  }
  (*leaves)->place([count](std::size_t leaf) {
    return static_cast<SocketId>(leaf % 2 == 0 ? leaf / 2 : count);
  });
  (*leaves)->register_all((*leaves)->make(2 * count), 64);
  (*leaves)->open_lanes(count);
  for (const auto& lane : (*leaves)->lanes()) std::cout << lane.lane << " ";
  std::cout << std::endl;
  return (*leaves)->lanes().size() == count ? 0 : 1;
}
