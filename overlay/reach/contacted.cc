#include "overlay/reach/contacted.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

namespace byway {
namespace {

constexpr std::size_t first_buckets = 2;

std::uint32_t second_of(TimePoint now) {
  const auto since = std::chrono::ceil<std::chrono::seconds>(now.time_since_epoch());
  return static_cast<std::uint32_t>(since.count() + 1);
}

}  // namespace

Contacted::Contacted(Duration silence, std::size_t capacity, std::uint64_t salt)
    : hash_(salt), silence_(silence), most_(std::bit_ceil(std::max<std::size_t>(capacity, 1))) {}

bool Contacted::is_fresh(TimePoint now, const Place& place) const {
  return place.second > 0 &&
         now.time_since_epoch() < std::chrono::seconds(place.second - 1) + silence_;
}

bool Contacted::is_full(TimePoint now, const Bucket& bucket) const {
  return std::all_of(bucket.places.begin(), bucket.places.end(),
                     [&](const Place& place) { return is_fresh(now, place); });
}

void Contacted::on_sent(TimePoint now, const IpAddress& address) {
  if (buckets_.empty()) buckets_.resize(std::min(first_buckets, most_));
  const std::uint32_t mark = mark_of(address);
  auto& places = buckets_[place_of(mark)].places;
  const auto same = std::find_if(places.begin(), places.end(), [&](const Place& place) {
    return place.mark == mark && place.second > 0;
  });
  if (same != places.end()) {
    same->second = second_of(now);
    return;
  }
  const auto oldest =
      std::min_element(places.begin(), places.end(),
                       [](const Place& a, const Place& b) { return a.second < b.second; });
  *oldest = {mark, second_of(now)};
  while (buckets_.size() < most_ && is_full(now, buckets_[place_of(mark)])) grow();
}

bool Contacted::is_quiet(TimePoint now, const IpAddress& address) const {
  if (buckets_.empty()) return true;
  const std::uint32_t mark = mark_of(address);
  const Bucket& bucket = buckets_[place_of(mark)];
  return !is_full(now, bucket) &&
         std::none_of(bucket.places.begin(), bucket.places.end(), [&](const Place& place) {
           return place.mark == mark && is_fresh(now, place);
         });
}

std::size_t Contacted::size(TimePoint now) const {
  std::size_t fresh = 0;
  for (const Bucket& bucket : buckets_)
    for (const Place& place : bucket.places) fresh += is_fresh(now, place) ? 1 : 0;
  return fresh;
}

// The next bit of a mark says in which half it is now.
void Contacted::grow() {
  const std::vector<Bucket> before = std::exchange(buckets_, {});
  buckets_.resize(2 * before.size());
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    auto next = buckets_[i].places.begin();
    for (const Place& place : before[i % before.size()].places)
      if (place.second > 0 && place_of(place.mark) == i) *next++ = place;
  }
}

}  // namespace byway
