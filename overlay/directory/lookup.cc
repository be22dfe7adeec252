#include "overlay/directory/lookup.h"

#include <algorithm>

namespace byway {
namespace {

using Says = Lookup::Testimony::Says;

}  // namespace

std::string_view to_string(Lookup::Outcome outcome) {
  switch (outcome) {
    case Lookup::Outcome::found:
      return "found";
    case Lookup::Outcome::offline:
      return "offline";
    case Lookup::Outcome::unknown:
      return "unknown";
    case Lookup::Outcome::busy:
      return "busy";
  }
  return "?";
}

std::string_view to_string(Says says) {
  switch (says) {
    case Says::nothing:
      return "no answer";
    case Says::record:
      return "has its record";
    case Says::unknown:
      return "does not know it";
    case Says::busy:
      return "busy";
    case Says::nonsense:
      return "sent a record that proves nothing";
    case Says::here:
      return "it is here";
    case Says::not_here:
      return "it is not here";
  }
  return "?";
}

// --- what is asked -------------------------------------------------------------------------------

void Lookup::find(TimePoint now, const NodeId& target, bool afresh) {
  if (searches_.contains(target)) return;
  if (afresh) memories_.erase(target);
  if (recall(now, target)) return;
  if (searches_.size() >= limits::lookups_at_once) {
    findings_.push_back({.target = target, .outcome = Outcome::busy});
    return;
  }
  const auto search = searches_.emplace(target, Search{}).first;
  begin(target, search->second);
  proceed(now, search);
}

void Lookup::give_up(const NodeId& target) {
  if (const auto search = searches_.find(target); search != searches_.end()) close(search);
}

void Lookup::begin(const NodeId& target, Search& search) {
  search.holders = placement_.holders(target);
  search.asked_holders.clear();
  search.asked_homes.clear();
  search.at_homes = false;
}

void Lookup::ask(TimePoint now, const NodeId& target, const NodeId& whom,
                 std::vector<Question>& among, bool as_home) {
  Question& question = among.emplace_back();
  question.number = random_.u64();
  question.testimony = {.by = whom, .as_home = as_home, .asked = now};
  targets_.emplace(question.number, target);
  send(now, target, question);
}

void Lookup::send(TimePoint now, const NodeId& target, Question& question) {
  const NodeId& to = question.testimony.by;
  if (question.testimony.as_home)
    outgoing_.push_back({to, Locate{question.number, target}});
  else
    outgoing_.push_back({to, Find{question.number, target}});
  const int wait = std::min(1 << question.sends, limits::longest_wait);
  deadlines_.set(question.number, now + patience() * wait);
  ++question.sends;
}

// --- what is answered ----------------------------------------------------------------------------

std::pair<Lookup::Searches::iterator, Lookup::Question*> Lookup::question(Number number) {
  const auto target = targets_.find(number);
  if (target == targets_.end()) return {searches_.end(), nullptr};
  const auto search = searches_.find(target->second);
  for (auto* asked : {&search->second.asked_holders, &search->second.asked_homes})
    for (Question& question : *asked)
      if (question.number == number) return {search, &question};
  return {searches_.end(), nullptr};
}

// The question that this is the first answer to, if it is one. Late answers count as well.
Lookup::Question* Lookup::answered(TimePoint now, const NodeId& from, Number number, bool as_home,
                                   Searches::iterator& search) {
  Question* found = nullptr;
  std::tie(search, found) = question(number);
  if (!found || found->testimony.by != from || found->testimony.as_home != as_home) return nullptr;
  if (found->testimony.says != Says::nothing) return nullptr;
  // Of a question sent twice nobody knows which of the two was answered.
  if (found->sends == 1) measure(now - found->testimony.asked);
  found->testimony.answered = now;
  found->waiting = false;
  deadlines_.set(number, std::nullopt);
  return found;
}

void Lookup::on_found(TimePoint now, const NodeId& from, const Found& found) {
  Searches::iterator search;
  Question* question = answered(now, from, found.number, false, search);
  if (!question) return;
  Testimony& testimony = question->testimony;
  testimony.says = found.outcome == FindOutcome::busy ? Says::busy : Says::unknown;
  if (found.outcome == FindOutcome::known) {
    auto record = source_(found.record);
    const bool good = record && (*record)->record().id == search->first;
    testimony.says = good ? Says::record : Says::nonsense;
    if (good) {
      testimony.sequence = (*record)->record().sequence;
      RecordPtr& best = search->second.best;
      if (!best || best->record().sequence < testimony.sequence) {
        best = std::move(*record);
        put_aside(search->second, search->second.asked_homes);  // of an older record
      }
    }
  }
  proceed(now, search);
}

void Lookup::on_located(TimePoint now, const NodeId& from, const Located& located) {
  Searches::iterator search;
  Question* question = answered(now, from, located.number, true, search);
  if (!question) return;
  question->testimony.says = located.here ? Says::here : Says::not_here;
  proceed(now, search);
}

void Lookup::on_unsent(TimePoint now, const DirectoryMessage& message) {
  Number number = 0;
  if (const auto* find = std::get_if<Find>(&message)) number = find->number;
  if (const auto* locate = std::get_if<Locate>(&message)) number = locate->number;
  const auto [search, asked] = question(number);
  if (!asked || !asked->waiting) return;
  asked->waiting = false;
  deadlines_.set(number, std::nullopt);
  proceed(now, search);
}

void Lookup::on_timeout(TimePoint now) {
  while (const auto number = deadlines_.pop_due(now)) {
    const auto [search, asked] = question(*number);
    if (!asked) continue;
    const int sends =
        asked->testimony.as_home ? limits::home_question_sends : limits::question_sends;
    if (asked->sends < sends)
      send(now, search->first, *asked);
    else
      asked->waiting = false;
    proceed(now, search);
  }
}

// --- what it comes to ----------------------------------------------------------------------------

void Lookup::proceed(TimePoint now, Searches::iterator search) {
  for (const Question& q : search->second.asked_homes)
    if (q.testimony.says == Says::here) return finish(now, search, Outcome::found, q.testimony.by);
  if (search->second.at_homes)
    weigh_homes(now, search);
  else
    weigh_holders(now, search);
}

void Lookup::weigh_holders(TimePoint now, Searches::iterator position) {
  Search& search = position->second;
  const auto wants = [&] {
    std::size_t wanted = limits::holders_asked_first;
    for (const Question& q : search.asked_holders) {
      const bool knows_the_best = q.testimony.says == Says::record &&
                                  q.testimony.sequence == search.best->record().sequence;
      const bool disagrees = q.testimony.says == Says::unknown ||
                             (q.testimony.says == Says::record && !knows_the_best);
      if (disagrees) return search.holders.size();
      if (q.is_late() && !knows_the_best) ++wanted;
    }
    return std::min(wanted, search.holders.size());
  };
  for (std::size_t wanted = wants(); search.asked_holders.size() < wanted;)
    ask(now, position->first, search.holders[search.asked_holders.size()], search.asked_holders,
        false);

  std::size_t agree = 0, waiting = 0, in_time = 0;
  for (const Question& q : search.asked_holders) {
    if (q.testimony.says == Says::record && q.testimony.sequence == search.best->record().sequence)
      ++agree;
    if (q.waiting) ++waiting;
    if (!q.is_late()) ++in_time;
  }
  const bool all_heard = waiting == 0 && search.asked_holders.size() == search.holders.size();
  const bool enough = agree >= limits::holders_asked_first && in_time == 0;
  if (!all_heard && !enough) {
    const bool some_late = std::ranges::any_of(search.asked_holders, [](const Question& q) {
      return q.testimony.says == Says::nothing && q.is_late();
    });
    if (search.best && some_late) ask_next_home(now, position);
    return;
  }
  if (!search.best) return finish(now, position, Outcome::unknown, {});
  // The second attempt found nothing newer: its homes were asked already.
  if (search.nobody_home_at && *search.nobody_home_at >= search.best->record().sequence)
    return finish(now, position, Outcome::offline, {});
  search.at_homes = true;
  weigh_homes(now, position);
}

// False: all of them were asked, and none is to be waited for as in time.
bool Lookup::ask_next_home(TimePoint now, Searches::iterator position) {
  Search& search = position->second;
  const auto& homes = search.best->record().homes;
  for (const Question& q : search.asked_homes)
    if (!q.is_late()) return true;
  if (search.asked_homes.size() >= homes.size()) return false;
  ask(now, position->first, homes[search.asked_homes.size()], search.asked_homes, true);
  return true;
}

void Lookup::weigh_homes(TimePoint now, Searches::iterator position) {
  Search& search = position->second;
  if (ask_next_home(now, position)) return;
  for (const Question& q : search.asked_homes)
    if (q.waiting) return;
  if (search.nobody_home_at) return finish(now, position, Outcome::offline, {});

  search.nobody_home_at = search.best->record().sequence;
  put_aside(search, search.asked_holders);
  put_aside(search, search.asked_homes);
  begin(position->first, search);
  weigh_holders(now, position);
}

void Lookup::put_aside(Search& search, std::vector<Question>& questions) {
  for (const Question& q : questions) {
    search.earlier.push_back(q.testimony);
    deadlines_.set(q.number, std::nullopt);
    targets_.erase(q.number);
  }
  questions.clear();
}

void Lookup::finish(TimePoint now, Searches::iterator position, Outcome outcome,
                    const NodeId& home) {
  Search& search = position->second;
  Finding finding{.target = position->first,
                  .outcome = outcome,
                  .record = search.best,
                  .home = home,
                  .testimonies = std::move(search.earlier)};
  for (const auto* asked : {&search.asked_holders, &search.asked_homes})
    for (const Question& q : *asked) finding.testimonies.push_back(q.testimony);
  close(position);
  remember(now, finding);
  findings_.push_back(std::move(finding));
}

void Lookup::close(Searches::iterator search) {
  for (const auto* asked : {&search->second.asked_holders, &search->second.asked_homes})
    for (const Question& q : *asked) {
      deadlines_.set(q.number, std::nullopt);
      targets_.erase(q.number);
    }
  searches_.erase(search);
}

// --- memory --------------------------------------------------------------------------------------

bool Lookup::recall(TimePoint now, const NodeId& target) {
  const auto known = memories_.find(target);
  if (known == memories_.end() || known->second.until <= now) return false;
  findings_.push_back(known->second.finding);
  findings_.back().remembered = true;
  return true;
}

void Lookup::on_left(const NodeId& supernode) {
  std::erase_if(memories_,
                [&](const auto& memory) { return memory.second.finding.home == supernode; });
}

void Lookup::remember(TimePoint now, const Finding& finding) {
  const bool home_was_silent = std::ranges::any_of(
      finding.testimonies, [](const Testimony& t) { return t.as_home && t.says == Says::nothing; });
  const TimePoint until = now + (finding.outcome == Outcome::found ? limits::found_remembered
                                 : home_was_silent                 ? limits::silent_remembered
                                                                   : limits::missing_remembered);
  memories_.insert_or_assign(finding.target, Memory{finding, until});
  memory_ages_.emplace_back(until, finding.target);
  if (memory_ages_.size() <= limits::lookups_remembered) return;
  const auto& [its_until, oldest] = memory_ages_.front();
  if (const auto known = memories_.find(oldest);
      known != memories_.end() && known->second.until == its_until)
    memories_.erase(known);
  memory_ages_.pop_front();
}

std::optional<Lookup::Outgoing> Lookup::poll_message() {
  if (outgoing_.empty()) return {};
  Outgoing next = std::move(outgoing_.front());
  outgoing_.pop_front();
  return next;
}

std::optional<Lookup::Finding> Lookup::poll_finding() {
  if (findings_.empty()) return {};
  Finding next = std::move(findings_.front());
  findings_.pop_front();
  return next;
}

// --- patience (RFC 6298) -------------------------------------------------------------------------

void Lookup::measure(Duration rtt) {
  if (!srtt_) {
    srtt_ = rtt;
    rtt_variance_ = rtt / 2;
    return;
  }
  const Duration off = rtt > *srtt_ ? rtt - *srtt_ : *srtt_ - rtt;
  rtt_variance_ += (off - rtt_variance_) / 4;
  *srtt_ += (rtt - *srtt_) / 8;
}

Duration Lookup::patience() const {
  if (!srtt_) return limits::answer_patience_first;
  return std::clamp(*srtt_ + 4 * rtt_variance_, limits::answer_patience_least,
                    limits::answer_patience_most);
}

}  // namespace byway
