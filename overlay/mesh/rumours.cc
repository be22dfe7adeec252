#include "overlay/mesh/rumours.h"

#include <algorithm>
#include <utility>

#include "overlay/mesh/mesh_limits.h"

namespace byway {

std::size_t Rumours::Hash::operator()(const Topic& topic) const noexcept {
  const std::hash<NodeId> hash;
  return hash(topic.subject) + 31 * hash(topic.by) + static_cast<std::size_t>(topic.kind);
}

void Rumours::add(const Topic& topic, std::size_t times, bool fresh) {
  if (const auto known = places_.find(topic); known != places_.end()) erase(known->second);
  if (size() >= limits::rumours) make_room();
  const Place place = put(topic);
  rumours_[place].times = std::max<std::size_t>(1, times);
  rumours_[place].fresh = fresh;
  link(place);
  fresh_ += fresh ? 1 : 0;
}

// Once less to be told, but what we have not told at all is told to somebody.
void Rumours::heard_again(const Topic& topic) {
  const auto known = places_.find(topic);
  if (known == places_.end()) return;
  const Rumour& rumour = rumours_[known->second];
  if (rumour.fresh && rumour.times == 1) return;
  told(known->second, 1);
}

void Rumours::forget(const NodeId& subject) {
  for (Place place = 0; place < rumours_.size(); ++place)
    if (rumours_[place].times > 0 && rumours_[place].topic.subject == subject) erase(place);
}

void Rumours::offer(std::size_t listeners, const std::function<Taken(const Topic&)>& take) {
  std::vector<Place> taken;
  std::vector<Place> vain;
  const auto offer_row = [&](const Row& row) {
    for (Place place = row.first; place != nowhere; place = rumours_[place].after) {
      const Taken answer = take(rumours_[place].topic);
      if (answer == Taken::no_room) return false;
      (answer == Taken::yes ? taken : vain).push_back(place);
    }
    return true;
  };
  for (std::size_t times = rows_.size(); times-- > 0;)
    if (!offer_row(rows_[times])) break;
  for (const Place place : vain) erase(place);
  for (const Place place : taken) {
    fresh_ -= std::exchange(rumours_[place].fresh, false) ? 1 : 0;
    told(place, listeners);
  }
}

// To so many listeners less.
void Rumours::told(Place place, std::size_t listeners) {
  Rumour& rumour = rumours_[place];
  if (rumour.times <= listeners) return erase(place);
  unlink(place);
  rumour.times -= listeners;
  link(place);
}

// Of what has been told most the last goes.
void Rumours::make_room() {
  const auto row = std::find_if(rows_.begin(), rows_.end(),
                                [](const Row& some) { return some.last != nowhere; });
  erase(row->last);
}

// --- places --------------------------------------------------------------------------------------

Rumours::Place Rumours::put(const Topic& topic) {
  if (free_.empty()) {
    free_.push_back(static_cast<Place>(rumours_.size()));
    rumours_.emplace_back();
  }
  const Place place = free_.back();
  free_.pop_back();
  rumours_[place] = {.topic = topic};
  places_.emplace(topic, place);
  return place;
}

void Rumours::link(Place place) {
  Rumour& rumour = rumours_[place];
  if (rows_.size() <= rumour.times) rows_.resize(rumour.times + 1);
  Row& row = rows_[rumour.times];
  rumour.before = row.last;
  rumour.after = nowhere;
  (row.last == nowhere ? row.first : rumours_[row.last].after) = place;
  row.last = place;
}

void Rumours::unlink(Place place) {
  const Rumour& rumour = rumours_[place];
  Row& row = rows_[rumour.times];
  (rumour.before == nowhere ? row.first : rumours_[rumour.before].after) = rumour.after;
  (rumour.after == nowhere ? row.last : rumours_[rumour.after].before) = rumour.before;
}

void Rumours::erase(Place place) {
  Rumour& rumour = rumours_[place];
  unlink(place);
  fresh_ -= rumour.fresh ? 1 : 0;
  places_.erase(rumour.topic);
  rumour = {};
  free_.push_back(place);
}

}  // namespace byway
