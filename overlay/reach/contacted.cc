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

Contacted::Contacted(Duration silence, std::size_t capacity)
    : silence_(silence), most_(std::bit_ceil(std::max<std::size_t>(capacity, 1))) {}

bool Contacted::is_fresh(TimePoint now, const Place& place) const {
  return place.second > 0 &&
         now.time_since_epoch() < std::chrono::seconds(place.second - 1) + silence_;
}

void Contacted::on_sent(TimePoint now, const IpAddress& address) {
  const std::uint32_t mark = mark_of(address);
  if (buckets_.empty()) buckets_.resize(std::min(first_buckets, most_));
  for (;; grow()) {
    auto& places = buckets_[place_of(mark)].places;
    const auto same = std::find_if(places.begin(), places.end(), [&](const Place& place) {
      return place.mark == mark && place.second > 0;
    });
    const auto oldest =
        std::min_element(places.begin(), places.end(),
                         [](const Place& a, const Place& b) { return a.second < b.second; });
    if (same == places.end() && is_fresh(now, *oldest) && buckets_.size() < most_) continue;
    Place& place = same != places.end() ? *same : *oldest;
    place = {mark, second_of(now)};
    return;
  }
}

bool Contacted::is_quiet(TimePoint now, const IpAddress& address) const {
  if (buckets_.empty()) return true;
  const std::uint32_t mark = mark_of(address);
  bool full = true;
  for (const Place& place : buckets_[place_of(mark)].places) {
    const bool fresh = is_fresh(now, place);
    if (fresh && place.mark == mark) return false;
    full = full && fresh;
  }
  return !full;
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
