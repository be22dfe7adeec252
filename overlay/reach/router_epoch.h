// Notices, by the seconds that a router's answers carry, that it was started anew and has forgotten
// what it mapped. The rule is that of PCP (RFC 6887, section 8.5); NAT-PMP's seconds (RFC 6886,
// section 3.6) mean the same, and are given to it too.
#pragma once

#include <cstdint>
#include <optional>

#include "protocol/time.h"

namespace byway {

class RouterEpoch {
 public:
  // An answer that came at `now` says that the router has run for `theirs_s` seconds. True: these
  // cannot be the seconds that it counted before.
  bool on_answer(TimePoint now, std::uint32_t theirs_s);

 private:
  struct Heard {
    TimePoint ours;
    std::uint32_t theirs_s;
  };
  std::optional<Heard> last_;
};

}  // namespace byway
