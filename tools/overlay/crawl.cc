#include "tools/overlay/crawl.h"

#include <algorithm>

#include "overlay/mesh/position.h"

namespace byway::tools {
namespace {

// A view that large is read in so many parts of the ring at once.
constexpr std::uint32_t members_worth_parts = 64;
constexpr std::uint64_t parts = 8;
constexpr std::size_t readers = 3;  // whoever else has the view is tried, where one falls silent

}  // namespace

Chart Crawl::run(const std::vector<Seed>& seeds,
                 const std::function<void(const Chart&)>& progress) {
  const TimePoint begun = guest_.runtime().now();
  for (const Seed& seed : seeds) sight(seed.id, seed.endpoint);
  pump();
  const auto done = [&] { return to_ask_.empty() && asking_ == 0 && reading_ == 0; };
  while (!done()) {
    const Duration left = options_.time - (guest_.runtime().now() - begun);
    if (left <= Duration{}) {
      chart_.complete = false;
      break;
    }
    guest_.run_until(done, std::min<Duration>(left, 500ms));
    progress(chart_);
  }
  over_ = true;
  chart_.took = guest_.runtime().now() - begun;
  return finished();
}

void Crawl::sight(const NodeId& id, const Endpoint& endpoint) {
  if (chart_.supernodes.contains(id)) return;
  if (chart_.supernodes.size() >= options_.most_supernodes) {
    chart_.complete = false;
    return;
  }
  Sighting sighting;
  sighting.id = id;
  sighting.endpoint = endpoint;
  chart_.supernodes.emplace(id, std::move(sighting));
  to_ask_.push_back(id);
}

void Crawl::pump() {
  while (!over_ && asking_ < options_.at_once && !to_ask_.empty()) {
    const NodeId id = to_ask_.front();
    to_ask_.pop_front();
    ++asking_;
    guest_.ask({id, chart_.supernodes.at(id).endpoint}, StateRequest{},
               [this, id](const SurveyDone& done) {
                 --asking_;
                 if (over_) return;
                 on_state(id, done);
                 pump();
               });
  }
}

void Crawl::on_state(const NodeId& id, const SurveyDone& done) {
  Sighting& sighting = chart_.supernodes.at(id);
  sighting.asked = true;
  const auto* state = done.answer ? std::get_if<SupernodeState>(&*done.answer) : nullptr;
  if (!state) {
    sighting.why = done.why;
    return;
  }
  if (chart_.answered() == 0) {
    chart_.netgroup_bits_v4 = state->netgroup_bits_v4;
    chart_.netgroup_bits_v6 = state->netgroup_bits_v6;
  }
  sighting.state = *state;
  sighting.rtt = done.rtt ? done.rtt : done.handshake_rtt;

  const auto known = view_of_root_.find(state->root);
  if (known != view_of_root_.end()) {
    sighting.view = known->second;
    View& view = views_[known->second];
    view.known.holders.push_back(id);
    return;
  }
  if (views_.size() >= options_.most_views) {
    chart_.complete = false;
    return;
  }
  sighting.view = views_.size();
  view_of_root_[state->root] = views_.size();
  views_.push_back({.known = {.members = {}, .holders = {id}}});
  read_view(views_.size() - 1, id);
}

void Crawl::read_view(std::size_t view, const NodeId& from) {
  ++views_[view].readers_tried;
  auto reading = std::make_shared<Reading>();
  reading->view = view;
  reading->from = from;
  const std::uint64_t count =
      chart_.supernodes.at(from).state->known > members_worth_parts ? parts : 1;
  const std::uint64_t width = ~0ull / count;
  reading->parts = count;
  ++reading_;
  for (std::uint64_t i = 0; i < count; ++i)
    read_part(reading, i == 0 ? 0 : i * width + 1, i + 1 == count ? ~0ull : (i + 1) * width);
}

void Crawl::read_part(std::shared_ptr<Reading> reading, std::uint64_t from, std::uint64_t last) {
  if (++reading->pages > options_.most_pages) {
    reading->failed = true;
    return end_part(reading);
  }
  guest_.ask({reading->from, chart_.supernodes.at(reading->from).endpoint},
             MembersRequest{.from = from, .last = last},
             [this, reading, from, last](const SurveyDone& done) {
               if (over_) return;
               on_page(reading, from, last, done);
               pump();
             });
}

void Crawl::on_page(const std::shared_ptr<Reading>& reading, std::uint64_t from, std::uint64_t last,
                    const SurveyDone& done) {
  const auto* page = done.answer ? std::get_if<MembersPage>(&*done.answer) : nullptr;
  if (!page) {
    reading->failed = true;
    return end_part(reading);
  }
  for (const SurveyedMember& member : page->members) {
    auto record = SignedRecord::parse(sodium_crypto(), member.record);
    if (!record || record->record().role != Record::Role::supernode ||
        record->record().endpoints.empty())
      continue;
    const NodeId id = record->record().id;
    const Endpoint endpoint = record->record().endpoints.front();
    views_[reading->view].known.members.insert_or_assign(
        id, ViewMember{std::make_shared<const SignedRecord>(std::move(*record)), member.admitted});
    if (options_.expand) sight(id, endpoint);
  }
  if (!page->more) return end_part(reading);
  // One that does not get on would keep us for ever.
  if (page->next < from || page->next > last || page->members.empty()) {
    reading->failed = true;
    return end_part(reading);
  }
  read_part(reading, page->next, last);
}

void Crawl::end_part(const std::shared_ptr<Reading>& reading) {
  if (--reading->parts > 0) return;
  --reading_;
  View& view = views_[reading->view];
  view.read = !reading->failed;
  if (view.read || view.readers_tried >= readers) return;
  for (const NodeId& holder : view.known.holders)
    if (holder != reading->from) return read_view(reading->view, holder);
}

// Views that were read in vain are none; those of the same members are one.
Chart Crawl::finished() {
  std::vector<KnownView> distinct;
  std::vector<std::optional<std::size_t>> becomes(views_.size());
  std::map<std::set<NodeId>, std::size_t> by_members;
  for (std::size_t i = 0; i < views_.size(); ++i) {
    if (!views_[i].read) {
      chart_.complete = false;
      continue;
    }
    const auto [known, is_new] =
        by_members.try_emplace(views_[i].known.admitted(), distinct.size());
    if (is_new)
      distinct.push_back(std::move(views_[i].known));
    else
      distinct[known->second].holders.insert(distinct[known->second].holders.end(),
                                             views_[i].known.holders.begin(),
                                             views_[i].known.holders.end());
    becomes[i] = known->second;
  }
  std::vector<std::size_t> order(distinct.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, std::greater{},
                           [&](std::size_t i) { return distinct[i].holders.size(); });
  std::vector<std::size_t> rank(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    rank[order[i]] = i;
    std::ranges::sort(distinct[order[i]].holders);
    chart_.views.push_back(std::move(distinct[order[i]]));
  }
  for (auto& [id, sighting] : chart_.supernodes) {
    if (!sighting.view) continue;
    const auto view = becomes[*sighting.view];
    sighting.view = view ? std::optional(rank[*view]) : std::nullopt;
  }
  return std::move(chart_);
}

}  // namespace byway::tools
