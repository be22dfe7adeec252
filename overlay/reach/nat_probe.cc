#include "overlay/reach/nat_probe.h"

#include <algorithm>
#include <utility>

#include "overlay/core/timers.h"
#include "overlay/reach/nat_limits.h"
#include "protocol/packet.h"

namespace byway {
namespace {

namespace nat = limits::nat;

constexpr std::size_t a = 0, b = 1, c = 2;  // the spares every measurement begins with
constexpr std::size_t vantages_kept = 4;

bool depends(Behaviour mapping) {
  return mapping == Behaviour::address_dependent || mapping == Behaviour::address_port_dependent;
}

}  // namespace

// --- where we are ------------------------------------------------------------------------------

void NatProbe::on_local_endpoints(const std::vector<Endpoint>& endpoints) {
  std::vector<IpAddress> local;
  for (const Endpoint& endpoint : endpoints) local.push_back(endpoint.address);
  std::sort(local.begin(), local.end());
  if (local == local_) return;
  local_ = std::move(local);
  // Whoever we are linked with tells soon where we are seen now.
  abandon();
  vantages_.clear();
  silent_.clear();
  watched_ = {};
  network_.reset();
  begin_at_.reset();
  report_ = {};
  settled_ = false;
}

void NatProbe::on_linked(TimePoint now, const NodeId& supernode, const Endpoint& at,
                         const Endpoint& observed, Duration rtt) {
  if (!observed.is_set()) return;
  silent_.clear();
  const auto known = std::find_if(vantages_.begin(), vantages_.end(),
                                  [&](const Vantage& v) { return v.id == supernode; });
  if (known != vantages_.end()) {
    known->rtt = rtt;
  } else if (vantages_.size() < vantages_kept &&
             std::none_of(vantages_.begin(), vantages_.end(), [&](const Vantage& v) {
               return v.at.address == at.address || v.at.address.is_v4() != at.address.is_v4();
             })) {
    vantages_.push_back({supernode, at, rtt});
  }
  if (vantages_.empty()) return;
  // One of them is believed: others see another address where a NAT has several, or by IPv6.
  if (watched_.is_nobody()) watched_ = vantages_.front().id;
  Network network{local_, observed.address};
  if (supernode == watched_ && network_ != network) return enter(now, std::move(network));
  plan(now);
}

void NatProbe::on_unlinked(const NodeId& supernode) {
  std::erase_if(vantages_, [&](const Vantage& v) { return v.id == supernode; });
  if (watched_ == supernode) watched_ = {};
}

// Nobody can tell a network where UDP is blocked from supernodes that are all gone; but somebody
// who knows two of them will mostly want to be told the first.
void NatProbe::on_unanswered(const Endpoint& at) {
  if (!vantages_.empty() || silent_.size() >= nat::unanswered) return;
  silent_.insert(at.address);
  if (silent_.size() < nat::unanswered) return;
  report_.udp = {.mapping = Behaviour::blocked, .filtering = Behaviour::blocked};
}

std::optional<NatProbe::Vantage> NatProbe::vantage() const {
  return vantages_.empty() ? std::nullopt : std::optional(vantages_.front());
}

void NatProbe::enter(TimePoint now, Network network) {
  abandon();
  network_ = std::move(network);
  report_ = {};
  settled_ = false;
  again_.reset();
  again_gap_ = nat::measure_again;
  const auto known = remembered_.find(*network_);
  if (known != remembered_.end() && now - known->second.at < nat::remembered) {
    report_ = known->second.report;
    settled_ = true;
    begin_at_.reset();
    return;
  }
  begin_at_ = now + nat::company;
  plan(now);
}

// Two can tell more than one; and what one alone has left open, two may close.
void NatProbe::plan(TimePoint now) {
  if (measurement_ || !network_ || vantages_.empty()) return;
  const bool two = vantages_.size() >= 2;
  if (settled_) {
    if (two && again_ && !begin_at_) begin_at_ = std::max(now, *again_);
    return;
  }
  if (!begin_at_) begin_at_ = now + nat::company;
  if (two) begin_at_ = now;
}

// --- a measurement -----------------------------------------------------------------------------

void NatProbe::begin(TimePoint now) {
  begin_at_.reset();
  if (vantages_.empty()) return;
  Measurement& m = measurement_.emplace(Measurement{});
  asked_.clear();
  m.vantages = vantages_;
  std::rotate(m.vantages.begin(),
              m.vantages.begin() + static_cast<std::ptrdiff_t>(turn_++ % m.vantages.size()),
              m.vantages.end());
  m.filter_nonce = random_.bytes<16>();
  m.hairpin_nonce = random_.bytes<16>();
  for (int i = 0; i < 3; ++i)
    if (!open_spare()) return conclude(now);
  ask(a, m.vantages[0]);
  ask(b, m.vantages[0], true);
  ask(c, m.vantages[0]);
  if (m.vantages.size() > 1) ask(a, m.vantages[1]);
}

void NatProbe::abandon() {
  if (!measurement_) return;
  for (const Spare& spare : measurement_->spares) sockets_.close(spare.socket);
  measurement_.reset();
  transmits_.clear();
}

std::optional<std::size_t> NatProbe::open_spare() {
  Measurement& m = *measurement_;
  const bool v4 = m.vantages[0].at.address.is_v4();
  const auto socket =
      sockets_.open(SocketUse::nat, Endpoint{v4 ? IpAddress{} : IpAddress::v6(ByteArray<16>{}), 0});
  if (!socket) return {};
  m.spares.push_back({*socket, {}});
  return m.spares.size() - 1;
}

void NatProbe::ask(std::size_t spare, const Vantage& to, bool filter) {
  measurement_->questions.push_back(
      {.spare = spare, .to = to, .filter = filter, .id = random_.u64()});
}

bool NatProbe::on_socket_opened(SocketId socket, const Endpoint& bound) {
  if (!measurement_) return false;
  for (Spare& spare : measurement_->spares)
    if (spare.socket == socket) {
      spare.bound = bound;
      return true;
    }
  return false;
}

// With the others it goes on; what was to be asked from this one stays unanswered.
bool NatProbe::on_socket_failed(TimePoint now, SocketId socket) {
  if (!measurement_) return false;
  Measurement& m = *measurement_;
  for (std::size_t i = 0; i < m.spares.size(); ++i) {
    if (m.spares[i].socket != socket) continue;
    for (Question& question : m.questions)
      if (question.spare == i && !question.seen) question.given_up = true;
    advance(now);
    return true;
  }
  return false;
}

bool NatProbe::on_sighting(TimePoint now, const NodeId& from, SocketId socket,
                           const Sighting& view) {
  if (!measurement_) return asked_.contains(from);
  Measurement& m = *measurement_;
  for (Question& question : m.questions) {
    if (question.id != view.id || question.to.id != from) continue;
    if (m.spares[question.spare].socket != socket) return false;
    if (question.seen) return true;  // it was asked twice
    question.seen = view.observed;
    question.given_up = false;
    if (question.to.id == m.vantages[0].id && view.other_port != 0) m.other_port = view.other_port;
    if (question.filter) m.filter_seen = now;
    advance(now);
    return true;
  }
  return false;
}

bool NatProbe::on_stranger_tried(TimePoint now, const NodeId& from, const StrangerTried& tried) {
  if (!measurement_) return asked_.contains(from);
  Measurement& m = *measurement_;
  const auto asked = std::find_if(m.questions.begin(), m.questions.end(), [&](const Question& q) {
    return q.filter && q.id == tried.id && q.to.id == from;
  });
  if (asked == m.questions.end()) return false;
  if (m.stranger != Stranger::sent) {
    m.stranger = tried.sent ? Stranger::sent : Stranger::none;
    m.stranger_told = now;
  }
  advance(now);
  return true;
}

bool NatProbe::on_arrival(TimePoint now, SocketId socket, const ProofNonce& nonce,
                          const Endpoint& from) {
  if (!measurement_) return false;
  Measurement& m = *measurement_;
  if (nonce == m.filter_nonce && socket == m.spares[b].socket) {
    const bool same_address = from.address == m.vantages[0].at.address;
    (same_address ? m.other_port_arrived : m.stranger_arrived) = true;
  } else if (nonce == m.hairpin_nonce &&
             (socket == m.spares[b].socket || socket == m.spares[c].socket)) {
    m.hairpin_arrived = true;
  } else {
    return false;
  }
  advance(now);
  return true;
}

void NatProbe::on_lifetime(Duration lifetime) {
  report_.udp.lifetime = lifetime;
  if (!network_) return;
  if (const auto known = remembered_.find(*network_); known != remembered_.end())
    known->second.report.udp.lifetime = lifetime;
}

void NatProbe::on_timeout(TimePoint now) {
  if (!measurement_ && begin_at_ && now >= *begin_at_) begin(now);
  if (!measurement_) return;
  for (Question& question : measurement_->questions)
    if (!question.over() && question.sent >= nat::asks && now >= question.next)
      question.given_up = true;
  advance(now);
}

std::optional<NatAsk> NatProbe::poll_ask(TimePoint now) {
  if (!measurement_) return {};
  for (Question& question : measurement_->questions) {
    if (question.over() || question.sent >= nat::asks || now < question.next) continue;
    ++question.sent;
    asked_.insert(question.to.id);
    question.next = now + std::max(nat::ask_again, question.to.rtt * 2);
    NatAsk ask{.to = question.to.id,
               .socket = measurement_->spares[question.spare].socket,
               .at = question.to.at,
               .message = Look{question.id, nat::look_padding}};
    if (question.other_port) ask.at.port = measurement_->other_port;
    if (question.filter)
      ask.message = TryFilter{question.id, measurement_->filter_nonce, nat::filter_padding};
    return ask;
  }
  return {};
}

std::optional<Transmit> NatProbe::poll_transmit() {
  if (transmits_.empty()) return {};
  Transmit next = std::move(transmits_.front());
  transmits_.pop_front();
  return next;
}

std::optional<TimePoint> NatProbe::next_timeout() const {
  if (!measurement_) return begin_at_;
  const Measurement& m = *measurement_;
  std::optional<TimePoint> next;
  for (const Question& question : m.questions)
    if (!question.over()) next = earlier(next, question.next);
  if (!m.filter_over) next = earlier(next, filter_deadline());
  next = earlier(next, m.hairpin_next);
  if (!m.hairpin_over) next = earlier(next, m.hairpin_until);
  return next;
}

// Does whatever the last fact has made possible.
void NatProbe::advance(TimePoint now) {
  ask_elsewhere();
  ask_other_port();
  Measurement& m = *measurement_;
  const auto all_over = [&] {
    return std::all_of(m.questions.begin(), m.questions.end(),
                       [](const Question& q) { return q.over(); });
  };
  if (all_over()) seek_samples();
  run_hairpin(now);
  m.filter_over = m.filter_over || filter_told(now);
  m.hairpin_over = m.hairpin_over || hairpin_told(now);
  if (all_over() && m.filter_over && m.hairpin_over) conclude(now);
}

// Whoever does not answer is replaced by the next.
void NatProbe::ask_elsewhere() {
  Measurement& m = *measurement_;
  if (m.elsewhere >= m.vantages.size()) return;
  const Question* asked = question(a, m.vantages[m.elsewhere], false);
  if (asked && asked->given_up && ++m.elsewhere < m.vantages.size())
    ask(a, m.vantages[m.elsewhere]);
}

void NatProbe::ask_other_port() {
  Measurement& m = *measurement_;
  const Question* first = question(a, m.vantages[0], false);
  if (m.other_port == 0 || !first->seen || question(a, m.vantages[0], true)) return;
  if (is_unchanged(a, *first->seen)) return;
  ask(a, m.vantages[0]);
  m.questions.back().other_port = true;
}

// More sockets, until it is sure how ports are chosen.
void NatProbe::seek_samples() {
  Measurement& m = *measurement_;
  const Behaviour mapping = judge_mapping(sightings());
  if (mapping == Behaviour::none || !question(a, m.vantages[0], false)->seen) return;
  const auto have = samples(mapping);
  if (judge_ports(have).sure || m.spares.size() >= nat::samples_sized) return;
  const std::size_t wanted =
      have.size() < nat::samples_told ? nat::samples_told : nat::samples_sized;
  for (std::size_t n = have.size(); n < wanted && m.spares.size() < nat::samples_sized; ++n) {
    const auto spare = open_spare();
    if (!spare) return;
    ask(*spare, m.vantages[0]);
  }
}

void NatProbe::run_hairpin(TimePoint now) {
  Measurement& m = *measurement_;
  const Question* from_b = question(b, m.vantages[0], false);
  const Question* from_c = question(c, m.vantages[0], false);
  if (!from_b->seen || !from_c->seen || is_unchanged(b, *from_b->seen)) return;
  if (m.hairpin_knocks == 0) m.hairpin_next = now;
  if (!m.hairpin_next || now < *m.hairpin_next) return;
  const auto knock = [&](std::size_t spare, const Endpoint& to) {
    transmits_.push_back(
        {.to = to, .bytes = make_dialback(m.hairpin_nonce), .socket = m.spares[spare].socket});
  };
  knock(b, *from_c->seen);
  knock(c, *from_b->seen);
  m.hairpin_until = now + nat::hairpin_patience;
  m.hairpin_next.reset();
  if (++m.hairpin_knocks < nat::hairpin_knocks) m.hairpin_next = now + nat::hairpin_gap;
}

void NatProbe::conclude(TimePoint now) {
  const Measurement& m = *measurement_;
  NatBehaviour found;
  if (!m.questions.empty()) {
    found.mapping = judge_mapping(sightings());
    found.filtering = judge_filtering(arrivals(now));
    const bool unchanged = found.mapping == Behaviour::none;
    if (unchanged && found.filtering == Behaviour::endpoint_independent)
      found.filtering = Behaviour::none;
    const PortVerdict verdict = judge_ports(samples(found.mapping));
    found.ports = unchanged ? Ports::preserved : verdict.ports;
    found.delta = unchanged ? std::int16_t{0} : verdict.delta;
    found.block_size = unchanged ? std::uint16_t{0} : verdict.block_size;
    if (m.hairpin_until) found.hairpin = m.hairpin_arrived;
  }
  abandon();

  // What an earlier measurement knew and this one could not tell is still true.
  NatBehaviour& known = report_.udp;
  if (found.mapping == Behaviour::unknown) found.mapping = known.mapping;
  if (found.filtering == Behaviour::unknown) found.filtering = known.filtering;
  if (!found.hairpin) found.hairpin = known.hairpin;
  found.lifetime = known.lifetime;
  known = found;
  settled_ = true;

  const bool open = known.mapping == Behaviour::unknown || known.filtering == Behaviour::unknown;
  again_.reset();
  if (open) {
    if (again_gap_ > nat::measure_again_last) return;
    again_ = now + std::exchange(again_gap_, again_gap_ * 2);
    return plan(now);
  }
  if (remembered_.size() >= nat::networks && !remembered_.contains(*network_)) {
    const auto oldest = std::min_element(
        remembered_.begin(), remembered_.end(),
        [](const auto& one, const auto& other) { return one.second.at < other.second.at; });
    remembered_.erase(oldest);
  }
  remembered_[*network_] = {report_, now};
}

// --- what was seen -----------------------------------------------------------------------------

const NatProbe::Question* NatProbe::question(std::size_t spare, const Vantage& to,
                                             bool other_port) const {
  for (const Question& question : measurement_->questions)
    if (question.spare == spare && question.to.id == to.id && question.other_port == other_port)
      return &question;
  return nullptr;
}

bool NatProbe::is_unchanged(std::size_t spare, const Endpoint& seen) const {
  return seen.port == measurement_->spares[spare].bound.port &&
         std::binary_search(local_.begin(), local_.end(), seen.address);
}

Sightings NatProbe::sightings() const {
  const Measurement& m = *measurement_;
  const auto seen = [](const Question* question) {
    return question ? question->seen : std::nullopt;
  };
  Sightings all;
  all.there = seen(question(a, m.vantages[0], false));
  all.there_other_port = seen(question(a, m.vantages[0], true));
  for (std::size_t i = 1; i < m.vantages.size() && !all.elsewhere; ++i)
    all.elsewhere = seen(question(a, m.vantages[i], false));
  all.unchanged = all.there && is_unchanged(a, *all.there);
  return all;
}

// Where a mapping is for one destination, every question to a new one has made a mapping.
std::vector<MappedPort> NatProbe::samples(Behaviour mapping) const {
  const Measurement& m = *measurement_;
  std::vector<MappedPort> all;
  std::set<std::size_t> spares;
  for (const Question& question : m.questions) {
    const bool first = spares.insert(question.spare).second;
    const bool fresh =
        first || (depends(mapping) &&
                  (mapping == Behaviour::address_port_dependent || !question.other_port));
    if (!fresh || !question.seen) continue;
    all.push_back({m.spares[question.spare].bound.port, question.seen->port});
  }
  return all;
}

Duration NatProbe::patience() const {
  return nat::echo_patience + nat::echo_gap * (nat::echoes - 1) + measurement_->vantages[0].rtt * 2;
}

// When all that was sent for TryFilter would have arrived; none while B's question is open.
std::optional<TimePoint> NatProbe::filter_deadline() const {
  const Measurement& m = *measurement_;
  if (!m.filter_seen) return {};
  const TimePoint other_port = *m.filter_seen + patience();
  if (m.stranger == Stranger::unknown)
    return std::max(other_port, *m.filter_seen + nat::stranger_patience);
  if (m.stranger == Stranger::none) return other_port;
  return std::max(other_port, *m.stranger_told + patience());
}

bool NatProbe::filter_told(TimePoint now) const {
  const Measurement& m = *measurement_;
  if (!question(b, m.vantages[0], false)->over()) return false;
  return m.stranger_arrived || !m.filter_seen || now >= *filter_deadline();
}

bool NatProbe::hairpin_told(TimePoint now) const {
  const Measurement& m = *measurement_;
  if (!question(b, m.vantages[0], false)->over() || !question(c, m.vantages[0], false)->over())
    return false;
  return m.hairpin_arrived || !m.hairpin_until || (!m.hairpin_next && now >= *m.hairpin_until);
}

Arrivals NatProbe::arrivals(TimePoint now) const {
  const Measurement& m = *measurement_;
  Arrivals all;
  if (m.other_port_arrived)
    all.other_port = true;
  else if (m.filter_seen && m.other_port != 0 && now >= *m.filter_seen + patience())
    all.other_port = false;
  if (m.stranger_arrived)
    all.stranger = true;
  else if (m.stranger == Stranger::sent)
    all.stranger = false;
  return all;
}

}  // namespace byway
