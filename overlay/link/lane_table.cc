#include "overlay/link/lane_table.h"

#include <utility>

namespace byway {

void LaneTable::apply(const LaneChange& change) {
  if (!change.ends) {
    lanes_.erase(change.lane);
    return;
  }
  lanes_.try_emplace(change.lane).first->second.ends = *change.ends;
}

const Route* LaneTable::judge(const Route& from, LaneId lane, std::size_t datagrams,
                              std::size_t bytes) {
  const auto found = lanes_.find(lane);
  if (found == lanes_.end()) return nullptr;
  Lane& known = found->second;
  if (from != known.ends[0] && from != known.ends[1]) return nullptr;
  const std::size_t to = from == known.ends[0] ? 1 : 0;

  if (known.used == 0) {
    used_.push_back({.lane = lane});
    known.used = used_.size();
  }
  LaneUse& use = used_[known.used - 1];
  use.datagrams[to] += datagrams;
  use.bytes[to] += bytes;
  return &known.ends[to];
}

std::vector<LaneUse> LaneTable::take_use() {
  for (const LaneUse& use : used_)
    if (const auto known = lanes_.find(use.lane); known != lanes_.end()) known->second.used = 0;
  return std::exchange(used_, {});
}

}  // namespace byway
