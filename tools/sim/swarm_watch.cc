#include "tools/sim/swarm_watch.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "overlay/core/limits.h"
#include "overlay/mesh/view.h"

namespace byway::sim {
namespace {

constexpr double enough = 0.99;
// Who has just begun knows few others yet, and is not asked what it knows.
constexpr Duration grown_up = 30s;
constexpr Duration fit_to_ask = 60s;
// A leaf that came to its first home so long ago must be found.
constexpr Duration settled = 10s;
// A home may take a leaf for present until its lease has run out.
constexpr Duration surely_gone = limits::lease + 30s;
constexpr Duration tracked = 5min;
// In which time it should be known to all who comes, goes or dies.
constexpr Duration promised = 30s;
constexpr Duration answer_patience = 30s;
constexpr std::size_t dead_remembered = 1000;

double seconds(Duration span) {
  return std::chrono::duration<double>(span).count();
}

}  // namespace

// --- samples -------------------------------------------------------------------------------------

double Sample::at(double share) const {
  if (values_.empty()) return 0;
  if (sorted_ != values_.size()) std::sort(values_.begin(), values_.end());
  sorted_ = values_.size();
  const auto last = static_cast<double>(values_.size() - 1);
  return values_[static_cast<std::size_t>(std::lround(share * last))];
}

double Sample::mean() const {
  if (values_.empty()) return 0;
  return std::accumulate(values_.begin(), values_.end(), 0.0) / static_cast<double>(values_.size());
}

double Sample::share_within(double limit) const {
  if (values_.empty()) return 1;
  const auto within =
      std::count_if(values_.begin(), values_.end(), [&](double value) { return value <= limit; });
  return static_cast<double>(within) / static_cast<double>(values_.size());
}

double Watch::Lookups::share_right() const {
  const auto all = right + wrong;
  return all == 0 ? 1 : static_cast<double>(right) / static_cast<double>(all);
}

// --- beginning -----------------------------------------------------------------------------------

Watch::Watch(Swarm& swarm, double lookups) : swarm_(swarm), rate_(lookups), since_(swarm.now()) {
  swarm_.on_event = [this](HostId host, const Event& event) { on_event(host, event); };
  swarm_.on_start = [this](HostId host) { on_start(host); };
  swarm_.on_stop = [this](HostId host, bool farewell) { on_stop(host, farewell); };
  swarm_.every(1s, [this] { look(); });
  swarm_.every(100ms, [this] { ask(); });
  reset();
}

void Watch::reset() {
  since_ = swarm_.now();
  before_.clear();
  for (HostId id = 0; id < swarm_.size(); ++id) {
    const auto& host = swarm_.host(id);
    before_[id] = {host.out[0], host.out[1], host.in};
  }
  coming_.clear();
  crashed_.clear();
  left_.clear();
  newcomers_ = crashes_ = farewells_ = Sample{};
  buried_.clear();
  burials_ = 0;
  questions_.clear();
  lookups_ = {};
}

void Watch::conclude() {
  look(true);
}

// --- who knows whom ------------------------------------------------------------------------------

bool Watch::is_old(HostId supernode, Duration age) const {
  const auto& host = swarm_.host(supernode);
  return host.is_running() && swarm_.now() - host.started >= age;
}

void Watch::on_start(HostId id) {
  const auto& host = swarm_.host(id);
  before_.erase(id);
  if (host.kind != Swarm::Kind::supernode) return;
  crashed_.erase(host.id());  // it is there again
  left_.erase(host.id());
  if (host.born == swarm_.now()) coming_[host.id()] = {id, host.id(), swarm_.now()};
}

void Watch::on_stop(HostId id, bool farewell) {
  const auto& host = swarm_.host(id);
  if (host.kind == Swarm::Kind::leaf) {
    dead_.push_back(host.id());
    died_.push_back(swarm_.now());
    if (dead_.size() > 2 * dead_remembered) {
      dead_.erase(dead_.begin(), dead_.begin() + dead_remembered);
      died_.erase(died_.begin(), died_.begin() + dead_remembered);
    }
    return;
  }
  if (const auto coming = coming_.find(host.id()); coming != coming_.end()) {
    if (swarm_.now() - coming->second.since >= promised) newcomers_.add(never);
    coming_.erase(coming);
    return;  // whom few knew, few can miss
  }
  (farewell ? left_ : crashed_)[host.id()] = {id, host.id(), swarm_.now()};
}

void Watch::on_event(HostId host, const Event& event) {
  if (const auto* gained = std::get_if<SupernodeGained>(&event)) {
    if (const auto track = coming_.find(gained->id); track != coming_.end()) ++track->second.hint;
  } else if (const auto* lost = std::get_if<SupernodeLost>(&event)) {
    if (const auto track = crashed_.find(lost->id); track != crashed_.end()) ++track->second.hint;
    if (const auto track = left_.find(lost->id); track != left_.end()) ++track->second.hint;
    const auto subject = swarm_.find(lost->id);
    if (lost->declared_gone && subject && swarm_.host(*subject).is_running() &&
        !(excused && excused(host, *subject))) {
      buried_.insert(lost->id);
      ++burials_;
    }
  } else if (const auto* answer = std::get_if<LookedUp>(&event)) {
    if (const auto question = questions_.find({host, answer->target});
        question != questions_.end()) {
      const Question asked = question->second;
      questions_.erase(question);
      on_answer(asked, *answer);
    }
  }
  if (then) then(host, event);
}

void Watch::look(bool for_the_last_time) {
  look_at(coming_, newcomers_, true, for_the_last_time);
  look_at(crashed_, crashes_, false, for_the_last_time);
  look_at(left_, farewells_, false, for_the_last_time);
  for (auto question = questions_.begin(); question != questions_.end();) {
    const Question& asked = question->second;
    const bool asker_runs =
        swarm_.host(asked.asker).is_running() && swarm_.host(asked.asker).life == asked.asker_life;
    const bool late = swarm_.now() - asked.asked > answer_patience;
    if (late && asker_runs) {
      ++lookups_.wrong;
      ++lookups_.unanswered;
    }
    question = late || !asker_runs ? questions_.erase(question) : std::next(question);
  }
}

// All heads are looked into only when enough of them have told something, or now and then.
void Watch::look_at(Tracks& tracks, Sample& sample, bool known, bool for_the_last_time) {
  const auto& supernodes = swarm_.supernodes();
  const Duration limit = for_the_last_time ? promised : tracked;
  for (auto position = tracks.begin(); position != tracks.end();) {
    Track& track = position->second;
    const Duration age = swarm_.now() - track.since;
    const bool worth_it =
        for_the_last_time ||
        static_cast<double>(track.hint) >= 0.9 * static_cast<double>(supernodes.size()) ||
        swarm_.now() - track.looked >= 5s;
    if (!worth_it) {
      ++position;
      continue;
    }
    track.looked = swarm_.now();
    std::size_t asked = 0;
    std::size_t agree = 0;
    for (const HostId id : supernodes) {
      if (id == track.host || !is_old(id, grown_up)) continue;
      ++asked;
      agree += swarm_.host(id).overlay->admits(track.id) == known ? 1 : 0;
    }
    const bool done = static_cast<double>(agree) >= enough * static_cast<double>(asked);
    if (done) sample.add(seconds(age));
    if (!done && age >= limit) sample.add(never);
    position = done || age >= limit ? tracks.erase(position) : std::next(position);
  }
}

double Watch::mutual() const {
  std::vector<HostId> old;
  for (const HostId id : swarm_.supernodes())
    if (is_old(id, fit_to_ask)) old.push_back(id);
  if (old.size() < 2) return 1;
  std::size_t known = 0;
  for (const HostId a : old)
    for (const HostId b : old)
      known += a != b && swarm_.host(a).overlay->admits(swarm_.host(b).id()) ? 1 : 0;
  return static_cast<double>(known) / static_cast<double>(old.size() * (old.size() - 1));
}

double Watch::ghosts() const {
  std::size_t all = 0;
  std::size_t nobody = 0;
  for (const HostId id : swarm_.supernodes()) {
    if (!is_old(id, fit_to_ask)) continue;
    swarm_.host(id).overlay->view().each_admitted([&](const View::Member& member) {
      const auto host = swarm_.find(member.id());
      ++all;
      nobody += host && swarm_.host(*host).is_running() ? 0 : 1;
    });
  }
  return all == 0 ? 0 : static_cast<double>(nobody) / static_cast<double>(all);
}

std::size_t Watch::roots() const {
  std::set<std::uint64_t> roots;
  for (const HostId id : swarm_.supernodes())
    if (is_old(id, fit_to_ask)) roots.insert(swarm_.host(id).overlay->view().tree().root());
  return roots.size();
}

// --- look-ups ------------------------------------------------------------------------------------

bool Watch::is_there(HostId leaf) const {
  const auto& host = swarm_.host(leaf);
  return host.is_running() && host.homed_since && swarm_.now() - *host.homed_since >= settled &&
         swarm_.home_of(leaf);
}

std::optional<Watch::HostId> Watch::some_asker() {
  const auto& supernodes = swarm_.supernodes();
  for (int tries = 0; tries < 64; ++tries) {
    const HostId id = supernodes[swarm_.random().below(supernodes.size())];
    if (is_old(id, fit_to_ask) && !swarm_.host(id).crypto) return id;
  }
  return std::nullopt;
}

// Nine of ten times somebody who is there; else one who left for good, or never was.
void Watch::ask() {
  owed_ += rate_ / 10;
  for (; owed_ >= 1; owed_ -= 1) {
    const auto asker = some_asker();
    const auto& leaves = swarm_.leaves();
    if (!asker || leaves.empty()) continue;
    Random& random = swarm_.random();
    const double kind = random.unit();
    if (kind < 0.9) {
      const HostId target = leaves[random.below(leaves.size())];
      if (is_there(target)) ask(*asker, swarm_.host(target).id(), target, true);
    } else if (kind < 0.95 && !dead_.empty()) {
      const std::size_t at = random.below(dead_.size());
      const auto alive = swarm_.find(dead_[at]);
      if (!alive && swarm_.now() - died_[at] >= surely_gone) ask(*asker, dead_[at], {}, false);
    } else {
      ask(*asker, Identity::generate(random, swarm_.crypto()).id(), {}, false);
    }
  }
}

void Watch::ask(HostId asker, const NodeId& target, std::optional<HostId> host, bool there) {
  std::vector<NodeId> homes;
  if (there)
    for (const NodeId& id : swarm_.host(*host).homes)
      if (has_registered(id, target)) homes.push_back(id);
  questions_[{asker, target}] = {.asker = asker,
                                 .asker_life = swarm_.host(asker).life,
                                 .target = target,
                                 .host = host,
                                 .host_life = host ? swarm_.host(*host).life : 0,
                                 .there = there,
                                 .homes = std::move(homes),
                                 .asked = swarm_.now()};
  swarm_.look_up(asker, target);
}

bool Watch::has_registered(const NodeId& home, const NodeId& leaf) const {
  const auto host = home.is_nobody() ? std::nullopt : swarm_.find(home);
  return host && swarm_.host(*host).is_running() &&
         swarm_.host(*host).overlay->has_registered(leaf);
}

void Watch::on_answer(const Question& question, const LookedUp& answer) {
  lookups_.ms.add(to_ms(swarm_.now() - question.asked));
  if (question.there) {
    const bool same = swarm_.host(*question.host).life == question.host_life;
    if (!same || !is_there(*question.host)) {
      ++lookups_.undecided;
      return;
    }
  }
  const auto& homes = question.homes;
  // Whoever moves while the answer is on its way was there when it was given.
  const auto home = answer.home.is_nobody() ? std::nullopt : swarm_.find(answer.home);
  const bool had_it = home && swarm_.host(*home).is_running() &&
                      std::find(homes.begin(), homes.end(), answer.home) != homes.end();
  const bool right = question.there ? had_it || has_registered(answer.home, question.target)
                                    : answer.home.is_nobody();
  ++(right ? lookups_.right : lookups_.wrong);
  if (right) return;
  if (!question.there)
    ++lookups_.ghosts;
  else if (answer.home.is_nobody())
    ++lookups_.not_found;
  else
    ++lookups_.elsewhere;
}

void Watch::look_up_everybody(Duration spread) {
  for (const HostId leaf : swarm_.leaves())
    swarm_.later(swarm_.random().upto(spread), [this, leaf, life = swarm_.host(leaf).life] {
      const auto& host = swarm_.host(leaf);
      const auto asker = some_asker();
      if (asker && host.is_running() && host.life == life) ask(*asker, host.id(), leaf, true);
    });
}

// --- leaves --------------------------------------------------------------------------------------

std::size_t Watch::leaves() const {
  return static_cast<std::size_t>(
      std::count_if(swarm_.leaves().begin(), swarm_.leaves().end(),
                    [&](HostId id) { return swarm_.host(id).is_running(); }));
}

std::size_t Watch::reachable() const {
  return static_cast<std::size_t>(
      std::count_if(swarm_.leaves().begin(), swarm_.leaves().end(),
                    [&](HostId id) { return swarm_.home_of(id).has_value(); }));
}

Sample Watch::homes_per_leaf() const {
  Sample sample;
  for (const HostId id : swarm_.leaves())
    if (swarm_.host(id).is_running()) sample.add(static_cast<double>(swarm_.host(id).homes.size()));
  return sample;
}

Sample Watch::home_rtt_ms() const {
  Sample sample;
  for (const HostId id : swarm_.leaves()) {
    if (!swarm_.host(id).is_running()) continue;
    for (const HomeStatus& home : swarm_.host(id).overlay->status(swarm_.now()).homes)
      sample.add(to_ms(home.rtt));
  }
  return sample;
}

Sample Watch::leaves_per_supernode() const {
  Sample sample;
  for (const HostId id : swarm_.supernodes())
    if (swarm_.host(id).is_running())
      sample.add(static_cast<double>(swarm_.host(id).overlay->leaves()));
  return sample;
}

// --- traffic -------------------------------------------------------------------------------------

// Of those that were there all the time; of those only is known how long.
Watch::Traffics Watch::traffic() const {
  Traffics traffics;
  traffics.seconds = seconds(swarm_.now() - since_);
  if (traffics.seconds == 0) return traffics;
  for (const auto& [id, before] : before_) {
    const auto& host = swarm_.host(id);
    if (!host.is_running()) continue;
    const auto sum = [](const Flow& flow) { return static_cast<double>(flow.all_bytes()); };
    const double to_supernodes = sum(host.out[0]) - sum(before[0]);
    const double out = to_supernodes + sum(host.out[1]) - sum(before[1]);
    const double in = sum(host.in) - sum(before[2]);
    if (host.kind == Swarm::Kind::supernode) {
      traffics.mesh_bytes.add(to_supernodes / traffics.seconds);
      traffics.supernode_bytes.add(out / traffics.seconds);
    } else {
      traffics.leaf_bytes.add((out + in) * 86'400 / traffics.seconds);
    }
    Flow& all = host.kind == Swarm::Kind::supernode ? traffics.supernodes : traffics.leaves;
    for (std::size_t kind = 0; kind < traffic_kinds; ++kind) {
      all.datagrams[kind] += host.out[0].datagrams[kind] + host.out[1].datagrams[kind] -
                             before[0].datagrams[kind] - before[1].datagrams[kind];
      all.bytes[kind] += host.out[0].bytes[kind] + host.out[1].bytes[kind] - before[0].bytes[kind] -
                         before[1].bytes[kind];
    }
  }
  return traffics;
}

}  // namespace byway::sim
