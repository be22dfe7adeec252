// What is told, and to whom: to one, to those who examine a newcomer, to everybody.
#include <algorithm>

#include "overlay/mesh/membership.h"

namespace byway {

// --- to one, or to some --------------------------------------------------------------------------

void Membership::send(const NodeId& to, MeshMessage message) {
  if (to != self_) messages_.push_back({{to}, std::move(message)});
}

void Membership::tell(const NodeId& to, std::vector<News> news) {
  if (to != self_) tell(std::vector<NodeId>{to}, std::move(news));
}

void Membership::tell(const std::vector<NodeId>& to, std::vector<News> news) {
  for (std::vector<News>& some : in_datagrams(std::move(news)))
    messages_.push_back({to, Gossip{view_.tree().root(), load_, std::move(some), {}}});
}

// Says that we are here, until somebody vouched for us.
void Membership::announce(TimePoint) {
  if (established_) return;
  const std::vector<News> news{whole_news(*view_.find(self_)->dossier)};
  for (const NodeId& id : view_.beside(position_, limits::neighbours_each_side)) tell(id, news);
  if (pulling_) tell(pulling_->from, news);
}

// Those who are to examine it too need not, where two have.
void Membership::tell_examiners(const NodeId& subject, const Voucher& voucher) {
  const RecordPtr record = record_of(subject);
  if (!record) return;
  const std::vector<News> news{{subject, to_bytes(record->exact_bytes()), {voucher}, {}}};
  tell(view_.beside(position_of(subject), limits::neighbours_each_side,
                    [&](const NodeId& id) { return id == self_; }),
       news);
}

// --- to everybody --------------------------------------------------------------------------------

// What came late rides on what is told anyway.
void Membership::rumour(TimePoint now, const NodeId& subject, Rumours::Kind kind,
                        const NodeId& by) {
  rumours_.add({subject, kind, by}, late_ ? 1 : limits::pushed_to, !late_);
  note_change(now, position_of(subject));
}

void Membership::spread(TimePoint now, const Dossier& dossier) {
  rumour(now, dossier.id(), Rumours::Kind::record);
  for (const VoucherPtr& voucher : dossier.vouchers)
    rumour(now, dossier.id(), Rumours::Kind::voucher, voucher->by);
}

// Who tells news all the time has told its root and load by that.
void Membership::heartbeat(TimePoint now, const NodeId& to) {
  if (!pushed_at_ || now >= *pushed_at_ + limits::probe_period) gossip(now, {to}, true);
}

// Whether anything was said: without news only `at_any_rate`.
bool Membership::gossip(TimePoint now, std::vector<NodeId> to, bool at_any_rate) {
  constexpr std::size_t most = max_mesh_message - empty_mesh_message;
  Gossip gossip{view_.tree().root(), load_, {}, settled_changes(now)};
  gossip.news = gather(to.size(), most - recent_bound(gossip.recent.size()));
  if (gossip.news.empty() && rumours_.size() > 0) {  // a long record
    gossip.recent.clear();
    gossip.news = gather(to.size(), most);
  }
  if (gossip.news.empty() && !at_any_rate) return false;
  messages_.push_back({std::move(to), std::move(gossip)});
  return true;
}

// Fresh news is not to wait for a heartbeat. Half of those told are somewhere else on the ring: our
// neighbours are one another's neighbours too, and tell it among themselves.
void Membership::push(TimePoint now) {
  next_push_ = now + limits::push_pause;
  std::vector<NodeId> far = wanderers_;
  for (const Guest& guest : guests_)
    if (guest.until > now) far.push_back(guest.id);
  std::vector<NodeId> partners = partners_;
  std::vector<NodeId> targets;
  while (targets.size() < limits::pushed_to && !(partners.empty() && far.empty())) {
    const bool is_far = partners.empty() || (!far.empty() && random_.chance(0.5));
    std::vector<NodeId>& from = is_far ? far : partners;
    const auto one = from.begin() + static_cast<std::ptrdiff_t>(random_.below(from.size()));
    if (!contains(targets, *one)) targets.push_back(*one);
    from.erase(one);
  }
  if (!targets.empty() && gossip(now, targets, false)) pushed_at_ = now;
}

// --- what has changed ----------------------------------------------------------------------------

void Membership::note_change(TimePoint now, Position position) {
  const View::Member* member = view_.at_position(position);
  if (!member && !departed_at_.contains(position)) return;
  std::erase_if(changes_, [&](const Change& change) { return change.position == position; });
  if (changes_.size() >= limits::changes_named) changes_.pop_front();
  changes_.push_back({position, member ? member->dossier->digest : 0, now});
}

// What changed a while ago, by name: whoever has not heard of it by now was missed by the rumour.
std::vector<BucketItem> Membership::settled_changes(TimePoint now) {
  while (!changes_.empty() && changes_.front().at + limits::change_named_for < now)
    changes_.pop_front();
  std::vector<BucketItem> settled;
  for (const Change& change : changes_) {
    if (change.at + limits::change_settled > now) break;
    settled.push_back({change.position, change.digest});
  }
  return settled;
}

// --- in datagrams --------------------------------------------------------------------------------

News Membership::whole_news(const Dossier& dossier) const {
  News news{dossier.id(), to_bytes(dossier.record->exact_bytes()), {}, {}};
  for (const VoucherPtr& voucher : dossier.vouchers) news.vouchers.push_back(*voucher);
  return news;
}

std::size_t Membership::bound_of(const News& news) {
  return news_bound(news.record.size(), news.vouchers.size(), news.gones.size());
}

// One list for each datagram, and one (empty) at least. What is told of a node with an unusually
// long record takes two.
std::vector<std::vector<News>> Membership::in_datagrams(std::vector<News> news) {
  constexpr std::size_t most = max_mesh_message - empty_mesh_message;
  std::vector<std::vector<News>> datagrams(1);
  std::size_t room = most;
  const auto place = [&](News piece) {
    const std::size_t size = bound_of(piece);
    if (size > room || datagrams.back().size() == max_news) {
      if (!datagrams.back().empty()) datagrams.emplace_back();
      room = most;
    }
    room -= std::min(room, size);
    datagrams.back().push_back(std::move(piece));
  };
  for (News& one : news) {
    if (bound_of(one) > most && !one.record.empty()) {
      place(News{one.subject, std::exchange(one.record, {}), {}, {}});
    }
    place(std::move(one));
  }
  return datagrams;
}

// All we know of somebody; of the departed, how they went.
std::optional<News> Membership::news_about(const NodeId& id) const {
  if (const View::Member* member = view_.find(id)) return whole_news(*member->dossier);
  const auto departed = departed_.find(id);
  if (departed == departed_.end()) return std::nullopt;
  if (departed->second.why == Departure::left)
    return News{id, to_bytes(departed->second.record->exact_bytes()), {}, {}};
  if (departed->second.gones.empty()) return std::nullopt;
  return News{id, {}, {}, departed->second.gones};
}

// What is spreading, as much as fits into one datagram, to be told to so many.
std::vector<News> Membership::gather(std::size_t listeners, std::size_t room) {
  std::vector<News> all;
  using Kind = Rumours::Kind;
  using Taken = Rumours::Taken;
  const auto gones_of = [&](const NodeId& id) -> const std::vector<Gone>* {
    if (const auto open = accusations_.find(id); open != accusations_.end()) return &open->second;
    if (const auto closed = departed_.find(id); closed != departed_.end())
      return &closed->second.gones;
    return nullptr;
  };
  rumours_.offer(listeners, [&](const Rumours::Topic& topic) {
    auto news = std::find_if(all.begin(), all.end(),
                             [&](const News& n) { return n.subject == topic.subject; });
    const bool is_new = news == all.end();
    if (is_new && all.size() >= max_news) return Taken::no_room;
    News piece{topic.subject, {}, {}, {}};
    if (topic.kind == Kind::record) {
      const auto departed = departed_.find(topic.subject);
      const RecordPtr record =
          departed != departed_.end() ? departed->second.record : record_of(topic.subject);
      if (!record) return Taken::nothing_left;
      piece.record = to_bytes(record->exact_bytes());
      if (piece.record.size() > max_mesh_record) return Taken::nothing_left;
    } else if (topic.kind == Kind::voucher) {
      const Voucher* voucher = nullptr;
      if (const View::Member* member = view_.find(topic.subject))
        voucher = member->dossier->voucher_by(topic.by);
      else if (const auto c = candidates_.find(topic.subject); c != candidates_.end())
        for (const VoucherPtr& v : c->second.vouchers)
          if (v->by == topic.by) voucher = v.get();
      if (!voucher) return Taken::nothing_left;
      piece.vouchers.push_back(*voucher);
    } else {
      const std::vector<Gone>* gones = gones_of(topic.subject);
      if (!gones) return Taken::nothing_left;
      for (const Gone& gone : *gones)
        if (gone.by == topic.by) piece.gones.push_back(gone);
      if (piece.gones.empty()) return Taken::nothing_left;
    }
    // What is said about one subject shares its name.
    const std::size_t size = bound_of(piece) - (is_new ? 0 : news_bound(0, 0, 0));
    if (size > room) return Taken::no_room;
    room -= size;
    if (is_new) {
      all.push_back(std::move(piece));
      return Taken::yes;
    }
    if (!piece.record.empty()) news->record = std::move(piece.record);
    news->vouchers.insert(news->vouchers.end(), piece.vouchers.begin(), piece.vouchers.end());
    news->gones.insert(news->gones.end(), piece.gones.begin(), piece.gones.end());
    return Taken::yes;
  });
  return all;
}

}  // namespace byway
