// What this node has carried for others in this calendar month (UTC), and whether it may carry
// more: a volunteer's line often has so many bytes a month and no more. Kept over restarts; the
// clock is the wall's, and one that is set back into the month before changes nothing.
#pragma once

#include "protocol/bytes.h"
#include "protocol/time.h"

namespace byway {

class RelayMonth {
 public:
  // `cap` in bytes; 0: no limit. `kept`: what save() gave before a restart; damaged: as if empty.
  RelayMonth(std::uint64_t cap, ByteView kept);

  void add(WallTime now, std::uint64_t bytes);
  bool is_used_up(WallTime now) const { return cap_ > 0 && carried(now) >= cap_; }
  std::uint64_t carried(WallTime now) const { return now >= ends_ ? 0 : carried_; }
  std::uint64_t cap() const { return cap_; }

  Bytes save() const;
  std::uint64_t version() const { return version_; }  // another one than before: worth keeping

 private:
  std::uint64_t cap_;
  std::uint64_t carried_ = 0;
  WallTime ends_{};  // the month that `carried_` is of
  std::uint64_t version_ = 0;
};

}  // namespace byway
