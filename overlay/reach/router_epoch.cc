#include "overlay/reach/router_epoch.h"

#include <utility>

#include "overlay/reach/pcp_limits.h"

namespace byway {

// The two clocks may differ in speed by a sixteenth and in the moment by two seconds; more, or a
// step back, is a router that has begun anew.
bool RouterEpoch::on_answer(TimePoint now, std::uint32_t theirs_s) {
  using namespace limits::pcp;
  const auto before = std::exchange(last_, Heard{now, theirs_s});
  if (!before) return false;
  const Duration ours = now - before->ours;
  const Duration theirs = std::chrono::seconds{std::int64_t{theirs_s} - before->theirs_s};
  const bool stepped_back = theirs < -clock_back;
  const bool slow = theirs + clock_slack < ours - ours / clock_share;
  const bool fast = ours + clock_slack < theirs - theirs / clock_share;
  return stepped_back || slow || fast;
}

}  // namespace byway
