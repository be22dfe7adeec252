// What is heard about others: records, vouchers, and what follows from them.
#include <algorithm>

#include "overlay/mesh/membership.h"

namespace byway {
namespace {

bool is_present(const Record& record) {
  return record.role == Record::Role::supernode && !record.endpoints.empty();
}
const IpAddress& address_of(const RecordPtr& record) {
  return record->record().endpoints.front().address;
}
IpAddress pair_of(const IpAddress& address) {
  return address.prefix(address.is_v4() ? limits::pair_bits_v4 : limits::pair_bits_v6);
}
bool has_voucher_by(const std::vector<VoucherPtr>& vouchers, const NodeId& id) {
  return std::any_of(vouchers.begin(), vouchers.end(),
                     [&](const VoucherPtr& voucher) { return voucher->by == id; });
}

}  // namespace

void Membership::hear(TimePoint now, const NodeId& from, const News& news) {
  if (news.subject == self_) return hear_of_ourselves(now, from, news);
  if (!news.record.empty()) {
    const View::Member* member = view_.find(news.subject);
    const bool old =
        member && std::ranges::equal(member->dossier->record->exact_bytes(), news.record);
    if (!member && is_last_of_departed(news)) {
      rumours_.heard_again({news.subject, Rumours::Kind::record, {}});
    } else if (!old) {
      const auto record = archive_.record(news.record);
      if (!record || (*record)->record().id != news.subject) return;
      hear_record(now, from, *record);
    } else if (from == news.subject) {
      if (lacks_vouchers(news.subject))
        introduce(now, news.subject, member->dossier->record);
      else if (news.vouchers.size() < member->dossier->vouchers.size() &&
               announcers_.take(now, from))
        tell(from, {whole_news(*member->dossier)});  // it has not heard of them
    } else {
      rumours_.heard_again({news.subject, Rumours::Kind::record, {}});
    }
  }
  hear_vouchers(now, news);
  for (const Gone& gone : news.gones) hear_gone(now, news.subject, gone);
}

// What is told of the departed is their farewell, again and again.
bool Membership::is_last_of_departed(const News& news) const {
  const auto departed = departed_.find(news.subject);
  return departed != departed_.end() && departed->second.why != Departure::lost_touch &&
         std::ranges::equal(departed->second.record->exact_bytes(), news.record);
}

// --- records -------------------------------------------------------------------------------------

void Membership::hear_record(TimePoint now, const NodeId& from, const RecordPtr& record) {
  const NodeId& id = record->record().id;
  if (view_.find(id))
    hear_as_member(now, from, record);
  else if (departed_.contains(id))
    hear_as_departed(now, from, record);
  else
    hear_as_candidate(now, from, record);
}

void Membership::hear_as_member(TimePoint now, const NodeId& from, const RecordPtr& record) {
  const View::Member& member = *view_.find(record->record().id);
  const NodeId id = member.id();
  if (record->record().sequence <= member.dossier->sequence()) return;
  if (!is_present(record->record())) return depart(now, id, Departure::left, record, {});

  accusations_.erase(id);
  if (address_of(record) == member.dossier->address()) {
    const bool admitted = member.admitted;
    view_.put(archive_.dossier(record, member.dossier->vouchers), member.since, member.strong);
    rumour(now, id, Rumours::Kind::record);
    if (admitted) events_.push_back(MemberUpdated{record});
    return;
  }
  // What was vouched for was the address.
  rumours_.forget(id);
  view_.remove(id);
  report_changes(now, Departure::moved);
  hear_as_candidate(now, from, record);
}

// Only its own newer record brings back who was declared gone.
void Membership::hear_as_departed(TimePoint now, const NodeId& from, const RecordPtr& record) {
  const NodeId id = record->record().id;
  Departed& departed = departed_.at(id);
  const std::uint64_t last = departed.record->record().sequence;
  const bool newer = record->record().sequence > last;
  if (!newer && !(departed.why == Departure::lost_touch && record->record().sequence == last))
    return rumours_.heard_again({id, Rumours::Kind::record, {}});
  if (!is_present(record->record())) {
    departed.record = record;
    departed.why = Departure::left;
    departed.gones.clear();
    return;
  }
  const Departed before = departed;
  forget_departed(id);
  if (address_of(record) != before.dossier->address()) return hear_as_candidate(now, from, record);

  const DossierPtr dossier = archive_.dossier(record, before.dossier->vouchers);
  view_.put(dossier, before.since, before.strong);
  spread(now, *dossier);
}

void Membership::hear_as_candidate(TimePoint now, const NodeId& from, const RecordPtr& record) {
  const NodeId& id = record->record().id;
  if (!is_present(record->record())) return;
  std::vector<VoucherPtr> vouchers;
  TimePoint known_since = now;
  const auto known = candidates_.find(id);
  const bool is_new = known == candidates_.end();
  if (!is_new) {
    if (record->record().sequence <= known->second.record->record().sequence) {
      if (from == id && !is_near(id, limits::neighbours_each_side))
        introduce(now, id, known->second.record);
      return;
    }
    if (address_of(record) == address_of(known->second.record)) {
      vouchers = known->second.vouchers;
      known_since = known->second.known_since;
    }
    forget_candidate(id);
  }
  if (view_.known() + candidates_.size() >= limits::members_known) return;
  if (candidates_.size() >= limits::candidates) return;
  std::size_t& pair = candidate_pairs_[pair_of(address_of(record))];
  if (pair >= limits::candidates_per_pair) return;
  ++pair;
  candidates_[id] = {record, std::move(vouchers), known_since};
  candidate_ends_.set(id, now + limits::candidate_lifetime);
  if (from == id && (is_new || !is_near(id, limits::neighbours_each_side)))
    introduce(now, id, record);
  consider_duty(now, id);
}

// Takes a newcomer to those who are to examine it.
void Membership::introduce(TimePoint now, const NodeId& newcomer, const RecordPtr& record) {
  if (!announcers_.take(now, newcomer) || !announcements_.take(now)) return;
  const News news{newcomer, to_bytes(record->exact_bytes()), {}, {}};
  for (const NodeId& id : view_.beside(position_of(newcomer), limits::neighbours_each_side))
    tell(id, {news});
}

// While we join, our sponsor's word is enough; the signatures have to be right all the same.
void Membership::adopt_news(TimePoint now, const NodeId& from, const News& news) {
  if (news.subject == self_ || view_.find(news.subject) || departed_.contains(news.subject))
    return hear(now, from, news);
  const auto record = archive_.record(news.record);
  if (!record || (*record)->record().id != news.subject || !is_present((*record)->record())) return;
  if (view_.known() >= limits::members_known) return;
  std::vector<VoucherPtr> vouchers;
  std::vector<WallTime> stamps;
  for (const Voucher& voucher : news.vouchers) {
    if (voucher.address != address_of(*record) || has_voucher_by(vouchers, voucher.by)) continue;
    const VoucherPtr shared = archive_.voucher(news.subject, voucher);
    if (!shared) continue;
    vouchers.push_back(shared);
    stamps.push_back(voucher.since);
  }
  keep_nearest(position_of(news.subject), vouchers, limits::vouchers_kept);
  const WallTime since = stamps.empty() ? wall(now) : agreed(stamps);
  forget_candidate(news.subject);
  view_.put(archive_.dossier(*record, std::move(vouchers)), since, stamps.size() > 1);
}

void Membership::hear_of_ourselves(TimePoint now, const NodeId& from, const News& news) {
  hear_vouchers(now, news);

  std::uint64_t above = 0;
  std::vector<Gone>& accusations = accusations_[self_];
  for (const Gone& gone : news.gones) {
    const bool known = std::any_of(accusations.begin(), accusations.end(),
                                   [&](const Gone& other) { return other.by == gone.by; });
    if (known || accusations.size() >= max_news_gones) continue;
    if (gone.sequence < own_->record().sequence) continue;
    if (!view_.find(gone.by) && !departed_.contains(gone.by)) continue;
    if (archive_.is_true(self_, gone)) accusations.push_back(gone);
  }
  if (accusations.size() >= limits::gones_needed)
    for (const Gone& gone : accusations) above = std::max(above, gone.sequence);
  // A record of ours from a former life, with a clock that was ahead.
  if (!news.record.empty() && !std::ranges::equal(news.record, own_->exact_bytes()))
    if (const auto record = archive_.record(news.record);
        record && (*record)->record().id == self_ &&
        (*record)->record().sequence > own_->record().sequence)
      above = std::max(above, (*record)->record().sequence);
  if (accusations.empty()) accusations_.erase(self_);
  if (above == 0) return;

  if (accusers_.size() < max_news_gones && !contains(accusers_, from)) accusers_.push_back(from);
  if (renewed_at_ && now < *renewed_at_ + limits::renew_pause) return;
  renewed_at_ = now;
  events_.push_back(Renew{above});
}

// --- vouchers ------------------------------------------------------------------------------------

// Most of what is heard is known.
void Membership::hear_vouchers(TimePoint now, const News& news) {
  if (news.vouchers.empty()) return;
  const View::Member* member = view_.find(news.subject);
  for (const Voucher& voucher : news.vouchers) {
    if (member && member->dossier->voucher_by(voucher.by)) {
      rumours_.heard_again({news.subject, Rumours::Kind::voucher, voucher.by});
      continue;
    }
    hear_voucher(now, news.subject, voucher);
    member = view_.find(news.subject);
  }
}

void Membership::hear_voucher(TimePoint now, const NodeId& subject, const Voucher& voucher) {
  if (voucher.by == subject) return;
  if (const View::Member* member = view_.find(subject)) {
    const Dossier& dossier = *member->dossier;
    if (dossier.voucher_by(voucher.by)) return;
    if (voucher.address != dossier.address()) return;
    if (!view_.find(voucher.by)) return;
    if (dossier.vouchers.size() >= limits::vouchers_kept &&
        ring_distance(dossier.position, position_of(voucher.by)) >=
            ring_distance(dossier.position, position_of(dossier.vouchers.back()->by)))
      return;  // four stand nearer
    const VoucherPtr shared = archive_.voucher(subject, voucher);
    if (!shared) return;
    std::vector<VoucherPtr> vouchers = dossier.vouchers;
    vouchers.push_back(shared);
    keep_nearest(dossier.position, vouchers, limits::vouchers_kept);
    const WallTime since = since_of(vouchers);
    const bool strong = member->strong;
    view_.put(archive_.dossier(dossier.record, vouchers), since,
              strong || netgroups_of(vouchers) >= 2);
    // Nobody needs more than two.
    if (!strong) rumour(now, subject, Rumours::Kind::voucher, voucher.by);
    judge_again_ = true;
    return;
  }

  const auto found = candidates_.find(subject);
  if (found == candidates_.end()) return;
  Candidate& candidate = found->second;
  if (voucher.address != address_of(candidate.record)) return;
  if (has_voucher_by(candidate.vouchers, voucher.by))
    return rumours_.heard_again({subject, Rumours::Kind::voucher, voucher.by});
  const bool of_member = view_.find(voucher.by) != nullptr;
  if (candidate.vouchers.size() >= max_news_vouchers) {
    if (!of_member) return;
    // Whoever is no member may not keep a member's word out.
    const auto weak = std::find_if(candidate.vouchers.begin(), candidate.vouchers.end(),
                                   [&](const VoucherPtr& v) { return !view_.find(v->by); });
    if (weak == candidate.vouchers.end()) return;
    candidate.vouchers.erase(weak);
  }
  const VoucherPtr shared = archive_.voucher(subject, voucher);
  if (!shared) return;
  candidate.vouchers.push_back(shared);
  if (of_member) {
    // From its first voucher on a newcomer is worth talking of.
    if (candidate.told++ == 0) rumour(now, subject, Rumours::Kind::record);
    rumour(now, subject, Rumours::Kind::voucher, voucher.by);
  }
  consider_duty(now, subject);
  judge(now, subject);
}

// Of how many netgroups members vouch for somebody.
std::size_t Membership::netgroups_of(const std::vector<VoucherPtr>& vouchers) const {
  std::set<IpAddress> netgroups;
  for (const VoucherPtr& voucher : vouchers)
    if (const View::Member* by = view_.find(voucher->by))
      netgroups.insert(view_.netgroup_of(by->dossier->address()));
  return netgroups.size();
}

// Since when two netgroups (or the one) vouch for somebody, those of the departed among them. Whose
// netgroup we never knew counts for himself. Not empty.
WallTime Membership::since_of(const std::vector<VoucherPtr>& vouchers) const {
  std::map<IpAddress, WallTime> oldest;
  std::vector<WallTime> stamps;
  for (const VoucherPtr& voucher : vouchers) {
    const RecordPtr by = record_of(voucher->by);
    if (!by || by->record().endpoints.empty()) {
      stamps.push_back(voucher->since);
      continue;
    }
    const auto [entry, is_new] = oldest.emplace(view_.netgroup_of(address_of(by)), voucher->since);
    if (!is_new) entry->second = std::min(entry->second, voucher->since);
  }
  for (const auto& [_, since] : oldest) stamps.push_back(since);
  return agreed(std::move(stamps));
}

void Membership::judge(TimePoint now, const NodeId& subject) {
  const auto found = candidates_.find(subject);
  if (found == candidates_.end()) return;
  const std::size_t netgroups = netgroups_of(found->second.vouchers);
  if (netgroups >= vouchers_needed()) take_in(now, subject, false, netgroups >= 2);
}

// A candidate becomes a member. Who was seen with our own eyes keeps the vouchers of people we do
// not know (yet): others know them, and may ask us.
void Membership::take_in(TimePoint now, const NodeId& subject, bool first_hand, bool strong) {
  const Candidate& candidate = candidates_.at(subject);
  std::vector<VoucherPtr> vouchers = candidate.vouchers;
  if (!first_hand)
    std::erase_if(vouchers, [&](const VoucherPtr& v) {
      return !view_.find(v->by) && !departed_.contains(v->by);
    });
  keep_nearest(position_of(subject), vouchers, limits::vouchers_kept);
  const WallTime since = first_hand ? wall(now) : since_of(vouchers);
  const DossierPtr dossier = archive_.dossier(candidate.record, std::move(vouchers));
  const bool told = candidate.told >= dossier->vouchers.size();
  forget_candidate(subject);
  view_.put(dossier, since, strong);
  if (told)
    note_change(now, dossier->position);
  else
    spread(now, *dossier);
  judge_again_ = true;
}

void Membership::judge_candidates(TimePoint now) {
  std::vector<NodeId> vouched;
  for (const auto& [id, candidate] : candidates_)
    if (!candidate.vouchers.empty()) vouched.push_back(id);
  for (const NodeId& id : vouched) judge(now, id);
}

// Grown up or grown small again: whether one voucher is enough.
void Membership::consider_maturity(TimePoint now) {
  if (pulling_ && pulling_->adopt) return;  // we do not know the half of it yet
  if (std::exchange(judged_view_, view_.version()) == view_.version()) return;
  const bool mature = view_.has_strong_netgroups(limits::mature_netgroups);
  if (mature == mature_) return;
  mature_ = mature;
  judge_again_ = true;
  if (!mature) return;

  std::vector<DossierPtr> weak;
  view_.each(0, ~Position{0}, [&](const View::Member& member) {
    if (!member.strong && member.id() != self_) weak.push_back(member.dossier);
    return true;
  });
  for (const DossierPtr& dossier : weak) view_.remove(dossier->id());
  report_changes(now, Departure::unvouched);
  for (const DossierPtr& dossier : weak) {
    hear_as_candidate(now, self_, dossier->record);
    if (const auto candidate = candidates_.find(dossier->id()); candidate != candidates_.end())
      candidate->second.vouchers = dossier->vouchers;
    consider_duty(now, dossier->id());
  }
}

}  // namespace byway
