// Which addresses we have sent to lately: the ones that a NAT in front of us may let in.
//
// Asked for with every packet that leaves, so it costs one line of the processor's cache: a bucket
// of eight places, each with 32 bits of an address's hash and the second in which something was
// sent there. A place is free again once that is long enough ago. Where a bucket becomes full,
// twice as many are made, up to one for each address that is to be remembered. Beyond that the
// oldest in the bucket makes room, and as long as all eight are fresh nothing is known about other
// addresses of that bucket: is_quiet() says no to them. So it errs to one side only. What an
// earlier run of this node sent is not known here.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "overlay/core/foresight.h"
#include "overlay/core/salted_hash.h"
#include "protocol/endpoint.h"
#include "protocol/time.h"

namespace byway {

class Contacted {
 public:
  // Remembers about so many addresses for as long as the silence, a whole number of seconds.
  Contacted(Duration silence, std::size_t capacity, std::uint64_t salt);

  void on_sent(TimePoint now, const IpAddress& address);
  // Surely nothing was sent there for as long as the silence.
  bool is_quiet(TimePoint now, const IpAddress& address) const;
  std::size_t size(TimePoint now) const;  // those that are not quiet; looks at all
  // It will be asked about this address soon.
  void foresee(const IpAddress& address) const {
    if (!buckets_.empty()) ask_for(&buckets_[place_of(mark_of(address))], sizeof(Bucket));
  }

 private:
  struct Place {
    std::uint32_t mark = 0;
    std::uint32_t second = 0;  // the end of it, counted from one; 0: free
  };
  struct alignas(64) Bucket {
    std::array<Place, 8> places;
  };

  std::uint32_t mark_of(const IpAddress& address) const {
    return static_cast<std::uint32_t>(hash_(address));
  }
  std::size_t place_of(std::uint32_t mark) const { return mark & (buckets_.size() - 1); }
  bool is_fresh(TimePoint now, const Place& place) const;
  bool is_full(TimePoint now, const Bucket& bucket) const;
  void grow();

  SaltedHash hash_;
  Duration silence_;
  std::size_t most_;             // buckets
  std::vector<Bucket> buckets_;  // a power of two
};

}  // namespace byway
