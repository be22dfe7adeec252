#include "overlay/reach/announcement.h"

#include <algorithm>
#include <utility>

#include "overlay/core/limits.h"

namespace byway {

void Announcement::tell(TimePoint now, Registration registration,
                        const std::vector<NodeId>& homes) {
  registration_ = std::move(registration);
  const std::vector<Home> before = std::exchange(homes_, {});
  for (const NodeId& id : homes) {
    const auto same = [&](const Home& home) { return home.id == id; };
    const auto known = std::find_if(before.begin(), before.end(), same);
    homes_.push_back({.id = id, .answers_due = known == before.end() ? 0 : known->answers_due});
  }
  pause_ = limits::announce_pause;
  repeats_left_ = limits::announce_repeats;
  again_at_ = now + pause_;
}

void Announcement::on_taken(const NodeId& home_id) {
  for (Home& home : homes_)
    if (home.id == home_id) home.answers_due = std::max(0, home.answers_due - 1);
}

void Announcement::on_timeout(TimePoint now) {
  if (!again_at_ || now < *again_at_) return;
  again_at_.reset();
  std::erase_if(homes_, [](const Home& home) { return home.answers_due == 0; });
  if (repeats_left_-- == 0) homes_.clear();
  if (homes_.empty()) return;
  for (Home& home : homes_) home = {.id = home.id, .again = true};
  pause_ *= 2;
  again_at_ = now + pause_;
}

std::optional<Announcement::Telling> Announcement::poll() {
  for (Home& home : homes_) {
    if (!std::exchange(home.to_tell, false)) continue;
    ++home.answers_due;
    return Telling{home.id, home.again};
  }
  return {};
}

}  // namespace byway
