// A newcomer takes in everybody; members ask for what they have missed; and anti-entropy: members
// find where they differ and mend it.
//
//   A                               B
//   Compare{the whole's 16 sums} ->
//                                <- Compare{sums of parts that differ}
//   Compare{sums of their parts} ->
//                                <- Compare{buckets that differ}
//   Page{what B lacks}, Want     ->
//                                <- Page{what A lacks}
//
// Neither keeps any state of it: every step follows from the message before, is one datagram (the
// last ones a few), and takes as much of the difference as fits; while the roots differ, another
// walk follows.
#include <algorithm>

#include "overlay/mesh/membership.h"

namespace byway {
namespace {

constexpr Position everywhere = ~Position{0};

}  // namespace

// --- joining -------------------------------------------------------------------------------------

void Membership::start_pull(TimePoint now, const NodeId& from, bool adopt) {
  pulling_ = Pulling{.from = from, .adopt = adopt};
  ask_pages(now);
}

void Membership::ask_pages(TimePoint now) {
  pulling_->pages = 0;
  pulling_->filling = false;
  pulling_->deadline = now + limits::pull_patience * (1 + pulling_->tries);
  send(pulling_->from, Pull{pulling_->cursor, everywhere});
}

void Membership::fill_gap(TimePoint now) {
  pulling_->filling = true;
  pulling_->deadline = now + limits::pull_patience * (1 + pulling_->tries);
  send(pulling_->from, Pull{pulling_->cursor, pulling_->ahead.begin()->first});
}

void Membership::pull_timed_out(TimePoint now) {
  if (!pulling_->ahead.empty() && !pulling_->filling) return fill_gap(now);
  pulling_->ahead.clear();
  // One that says nothing at all is not waited for where there are others.
  const bool mute = pulling_->adopt && pulling_->cursor == 0 && sponsors_.size() > 1;
  if (++pulling_->tries < (mute ? limits::mute_pull_tries : limits::pull_tries))
    return ask_pages(now);
  const bool adopt = pulling_->adopt;
  const NodeId silent = pulling_->from;
  std::erase(sponsors_, silent);
  const bool was_joining = adopt;
  pulling_.reset();
  if (!was_joining) return;
  if (!sponsors_.empty()) return start_pull(now, sponsors_.front(), true);
  events_.push_back(JoinFailed{});
}

void Membership::finish_pull(TimePoint now) {
  const bool joined = pulling_->adopt;
  pulling_.reset();
  refresh_at_ = now;
  if (!joined) return;
  announce_at_ = now;
  events_.push_back(Joined{view_.size()});
}

void Membership::on_page(TimePoint now, const NodeId& from, const Page& page) {
  const bool pulled = pulling_ && pulling_->from == from && (page.to > page.from || page.end);
  // Only what was asked for: members answer our Want, strangers speak for themselves.
  const bool stranger = !pulled && !view_.find(from);
  for (const News& news : page.news) {
    if (stranger && news.subject != from) continue;
    late_ = was_missed(position_of(news.subject));
    if (pulled && pulling_->adopt)
      adopt_news(now, from, news);
    else
      hear(now, from, news);
  }
  late_ = false;
  if (!pulled || page.from < pulling_->cursor) return;

  if (pulling_->ahead.size() < 2 * limits::pages_per_pull)
    pulling_->ahead[page.from] = Page{page.from, page.to, page.end, {}};
  bool moved = false;
  while (!pulling_->ahead.empty() && pulling_->ahead.begin()->first <= pulling_->cursor) {
    const Page next = std::move(pulling_->ahead.begin()->second);
    pulling_->ahead.erase(pulling_->ahead.begin());
    if (next.end) return finish_pull(now);
    moved = moved || next.to > pulling_->cursor;
    pulling_->cursor = std::max(pulling_->cursor, next.to);
    ++pulling_->pages;
  }
  if (moved) {
    pulling_->tries = 0;
    pulling_->filling = false;
    pulling_->deadline = now + limits::pull_patience;
  }
  if (!pulling_->ahead.empty()) {
    // A page overtook another, or that one is lost: asked for again, it alone.
    if (!pulling_->filling)
      pulling_->deadline = std::min(pulling_->deadline, now + limits::page_overdue);
  } else if (pulling_->pages >= limits::pages_per_pull) {
    ask_pages(now);
  }
}

void Membership::on_pull(const NodeId& from, const Pull& pull) {
  if (pull.from >= pull.to) return;
  constexpr std::size_t most = max_mesh_message - empty_mesh_message;
  Page page{pull.from, pull.from, false, {}};
  std::size_t room = most;
  std::size_t pages = 0;
  view_.each(pull.from, pull.to, [&](const View::Member& member) {
    News news = whole_news(*member.dossier);
    if (member.position == pull.to && pull.to != everywhere) return true;  // not included
    if (bound_of(news) > most) news.vouchers.clear();  // too long: comparing brings the rest
    const std::size_t size = bound_of(news);
    if (size > room || page.news.size() == max_news) {
      page.to = member.position;
      send(from, page);
      if (++pages == limits::pages_per_pull) return false;
      page = {member.position, member.position, false, {}};
      room = most;
    }
    room -= size;
    page.news.push_back(std::move(news));
    return true;
  });
  if (pages == limits::pages_per_pull) return;
  page.to = pull.to;
  page.end = pull.to == everywhere;
  send(from, page);
}

// --- what was missed -----------------------------------------------------------------------------

bool Membership::was_missed(Position position) const {
  return std::any_of(missed_.begin(), missed_.end(),
                     [&](const Missed& one) { return one.position == position; });
}

// What is named and not known here as its namer knows it is asked for. Nobody keeps us from asking
// others by naming much.
void Membership::consider_recent(TimePoint now, const NodeId& from,
                                 const std::vector<BucketItem>& recent) {
  while (!missed_.empty() && missed_.front().at + limits::missed_again < now) missed_.pop_front();
  // Most of it has changed here too.
  const auto knows = [&](const BucketItem& item) {
    for (const Change& change : changes_)
      if (change.position == item.position)
        return change.digest == item.digest || change.at + limits::change_settled > now;
    if (const View::Member* member = view_.at_position(item.position))
      return member->dossier->digest == item.digest;
    return item.digest == 0 || departed_at_.contains(item.position);
  };
  auto asked = static_cast<std::size_t>(std::count_if(
      missed_.begin(), missed_.end(), [&](const Missed& one) { return one.asked == from; }));
  Want want;
  for (const BucketItem& item : recent) {
    if (asked >= limits::missed_of_one || missed_.size() >= limits::missed) break;
    if (knows(item) || was_missed(item.position)) continue;
    missed_.push_back({item.position, from, now});
    want.positions.push_back(item.position);
    ++asked;
  }
  if (!want.positions.empty()) send(from, std::move(want));
}

// --- comparing -----------------------------------------------------------------------------------

// A partner's root: nothing is done about it while news is still coming in.
void Membership::consider_sync(TimePoint now, const NodeId& with, std::uint64_t root) {
  if (root == view_.tree().root()) {
    differ_since_.reset();
    return;
  }
  if (!differ_since_) differ_since_ = now;
  // Perhaps it is only what we have just asked for.
  const bool still = now >= still_since_ + limits::sync_quiet && missed_.empty();
  const bool late = now >= *differ_since_ + limits::sync_latest;
  if (pulling_ || (!still && !late) || now < next_sync_) return;
  // Where comparing changes nothing it becomes rare: somebody may want us to compare for ever.
  next_sync_ = now + random_.jittered(sync_pause_);
  sync_pause_ = std::min<Duration>(2 * sync_pause_, limits::lost_touch);
  if (late) differ_since_ = now;
  const auto count = static_cast<std::uint32_t>(view_.known());
  send(with, Compare{count, {Sums{0, 0, view_.tree().parts(0, 0)}}, {}});
}

void Membership::on_compare(TimePoint now, const NodeId& from, const Compare& compare) {
  // Somebody who knows much more than we do: walking would take for ever.
  if (compare.members > 2 * view_.known() + 16 && !pulling_ && view_.find(from))
    return start_pull(now, from, false);

  const HashTree& tree = view_.tree();
  Compare answer{static_cast<std::uint32_t>(view_.known()), {}, {}};
  Want want;
  std::vector<News> told;
  std::size_t room = max_mesh_message - empty_mesh_message;

  std::vector<std::pair<std::uint8_t, std::uint16_t>> differing;  // level and prefix of parts
  for (const Sums& theirs : compare.sums) {
    const HashTree::Parts ours = tree.parts(theirs.level, theirs.prefix);
    for (std::uint16_t i = 0; i < ours.size(); ++i)
      if (ours[i] != theirs.parts[i])
        differing.emplace_back(static_cast<std::uint8_t>(theirs.level + 1),
                               static_cast<std::uint16_t>(16 * theirs.prefix + i));
  }
  // Another choice in every walk, where not all fit.
  for (std::size_t i = differing.size(); i > 1; --i)
    std::swap(differing[i - 1], differing[random_.below(i)]);
  for (const auto& [level, prefix] : differing) {
    if (answer.sums.size() + answer.buckets.size() >= max_compared) break;
    if (level < HashTree::levels) {
      if (room < sums_bound) break;
      room -= sums_bound;
      answer.sums.push_back({level, prefix, tree.parts(level, prefix)});
      continue;
    }
    Bucket bucket{prefix, {}};
    const Position first = Position{prefix} << 52;
    view_.each(first, first | (everywhere >> 12), [&](const View::Member& member) {
      bucket.items.push_back({member.position, member.dossier->digest});
      return bucket.items.size() < max_listed;
    });
    const std::size_t size = bucket_bound(bucket.items.size());
    if (room < size) break;
    room -= size;
    answer.buckets.push_back(std::move(bucket));
  }

  const auto tell_about = [&](const NodeId& id) {
    auto news = news_about(id);
    if (!news) return false;
    if (told.size() < max_news) told.push_back(std::move(*news));
    return true;
  };
  for (const Bucket& bucket : compare.buckets) {
    std::map<Position, std::uint64_t> theirs;
    for (const BucketItem& item : bucket.items) theirs.emplace(item.position, item.digest);
    const Position first = Position{bucket.prefix} << 52;
    std::vector<NodeId> to_tell;
    view_.each(first, first | (everywhere >> 12), [&](const View::Member& member) {
      const auto other = theirs.find(member.position);
      const bool same = other != theirs.end() && other->second == member.dossier->digest;
      if (!same) to_tell.push_back(member.id());
      if (same) theirs.erase(other);
      return to_tell.size() < max_listed;
    });
    for (const NodeId& id : to_tell) tell_about(id);
    for (const auto& [position, _] : theirs) {
      const auto departed = departed_at_.find(position);
      if (departed != departed_at_.end() && tell_about(departed->second)) continue;
      if (want.positions.size() < max_listed) want.positions.push_back(position);
    }
  }

  if (!answer.sums.empty() || !answer.buckets.empty()) send(from, std::move(answer));
  if (!want.positions.empty()) send(from, std::move(want));
  std::size_t pages = 0;
  for (std::vector<News>& some : in_datagrams(std::move(told))) {
    if (some.empty() || ++pages > limits::pages_per_walk) return;
    send(from, Page{0, 0, false, std::move(some)});
  }
}

void Membership::on_want(const NodeId& from, const Want& want) {
  std::vector<News> news;
  for (const Position position : want.positions) {
    view_.each(position, position, [&](const View::Member& member) {
      news.push_back(whole_news(*member.dossier));
      return true;
    });
    if (const auto departed = departed_at_.find(position); departed != departed_at_.end())
      if (auto how = news_about(departed->second)) news.push_back(std::move(*how));
  }
  std::size_t pages = 0;
  for (std::vector<News>& some : in_datagrams(std::move(news))) {
    if (some.empty() || ++pages > limits::pages_per_pull) return;
    send(from, Page{0, 0, false, std::move(some)});
  }
}

}  // namespace byway
