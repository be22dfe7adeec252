// Two sessions, Ana (who connects) and Bo (who accepts), on a wire that may delay, lose and
// reorder. Time is virtual; one seed tells one story.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "overlay/stream/session.h"
#include "protocol/identity.h"

namespace byway::testing {

inline Identity identity(std::uint8_t name) {
  Key seed;
  seed.fill(name);
  return Identity::from_seed(seed);
}

struct Wire {
  Duration delay = 10ms;
  Duration jitter{};  // up to this much more, so packets overtake each other
  double loss = 0;
  std::size_t packet_size = 1400;
  double bytes_per_second = 0;  // of the bottleneck, each way; 0: none
  std::size_t queue = 100'000;  // bytes that wait before the bottleneck; more is lost
};

// One end and a plain application on it: reads whatever comes, unless told not to.
class Person {
 public:
  std::unique_ptr<Session> session;
  bool reads = true;
  bool echoes = false;  // and ends when the other ends
  bool polite = false;  // ends when the other ends
  bool asleep = false;  // does nothing; what arrives waits
  std::map<QuicStreamId, Bytes> heard;
  std::set<QuicStreamId> ended;
  std::vector<SessionEvent> events;
  std::size_t largest_packet = 0;
  std::size_t packets = 0;

  void say(QuicStreamId id, ByteView bytes) {
    append(unsaid_[id], bytes);
    push(id);
  }
  void say(QuicStreamId id, std::string_view text) { say(id, bytes_of(text)); }
  void finish(QuicStreamId id) {
    finishing_.insert(id);
    push(id);
  }
  void take_events() {
    while (auto event = session->poll_event()) {
      events.push_back(*event);
      if (auto* readable = std::get_if<session_event::Readable>(&events.back()))
        if (reads) listen(readable->id);
      if (auto* writable = std::get_if<session_event::Writable>(&events.back())) push(writable->id);
    }
  }
  void listen(QuicStreamId id) {
    for (;;) {
      auto chunk = session->read(id, 100'000);
      append(heard[id], chunk.bytes);
      if (echoes) say(id, chunk.bytes);
      if (chunk.fin) {
        ended.insert(id);
        if (echoes || polite) finish(id);
      }
      if (chunk.bytes.empty()) return;
    }
  }

  template <typename Kind>
  std::vector<Kind> all() const {
    std::vector<Kind> found;
    for (const auto& event : events)
      if (const auto* one = std::get_if<Kind>(&event)) found.push_back(*one);
    return found;
  }
  template <typename Kind>
  std::optional<Kind> first() const {
    const auto found = all<Kind>();
    if (found.empty()) return std::nullopt;
    return found.front();
  }
  bool established() const { return first<session_event::Established>().has_value(); }
  std::optional<session_event::Closed> closed() const { return first<session_event::Closed>(); }

 private:
  void push(QuicStreamId id) {
    auto& waiting = unsaid_[id];
    auto& done = said_[id];
    done += session->write(id, ByteView{waiting}.subspan(done));
    if (done < waiting.size()) return;
    waiting.clear();
    done = 0;
    if (finishing_.erase(id)) session->finish(id);
  }
  std::map<QuicStreamId, std::size_t> said_;  // of what is in unsaid_
  std::map<QuicStreamId, Bytes> unsaid_;
  std::set<QuicStreamId> finishing_;
};

class Pair {
 public:
  explicit Pair(Wire wire_ = {}, std::uint64_t seed = 1) : wire(wire_), random(seed) {
    ana_config = config_of(ana_key, bo_key);
    bo_config = config_of(bo_key, ana_key);
    ana_config.initial_rtt = bo_config.initial_rtt = 2 * wire.delay + wire.jitter;
  }
  static SessionConfig config_of(const Identity& self, const Identity& peer) {
    SessionConfig config;
    config.seed = self.seed();
    config.self_public = self.id().key();
    config.peer_public = peer.id().key();
    return config;
  }

  void connect() { ana.session = std::move(*Session::connect(ana_config, now, random)); }
  // Connects and runs until both sides may talk.
  bool meet() {
    connect();
    return run_until([&] { return ana.established() && bo.established(); }, 10s);
  }

  void settle() {
    if (!ana.asleep) collect(ana, true);
    if (bo.session && !bo.asleep) collect(bo, false);
  }
  bool run_until(const std::function<bool()>& done, Duration limit) {
    const auto deadline = now + limit;
    settle();
    while (!done()) {
      const auto next = next_moment();
      if (!next || *next > deadline) {
        now = deadline;
        return done();
      }
      now = std::max(now, *next);
      deliver();
      for (auto* person : {&ana, &bo})
        if (person->session && !person->asleep) {
          if (auto wake = person->session->next_timeout(); wake && *wake <= now)
            person->session->on_timeout(now);
        }
      settle();
      ++steps;
    }
    return true;
  }
  void run_for(Duration time) {
    run_until([] { return false; }, time);
  }

  Wire wire;
  Random random;
  Identity ana_key = identity(1), bo_key = identity(2);
  SessionConfig ana_config, bo_config;
  Person ana, bo;
  TimePoint now{};
  std::size_t steps = 0;
  // A meddler on the wire: may change a packet, or return false to swallow it.
  std::function<bool(bool from_ana, Bytes& packet)> meddle;
  // Gets the memory of what has been sent.
  std::function<void(bool from_ana, Bytes bytes)> sent;

 private:
  struct Flying {
    bool to_bo;
    Bytes packet;
  };

  void collect(Person& person, bool from_ana) {
    person.take_events();
    while (auto packets = person.session->poll_packets(now, wire.packet_size, 44)) {
      for (ByteView rest = packets->bytes; !rest.empty();) {
        const auto size = std::min(rest.size(), packets->segment_size);
        launch(person, from_ana, to_bytes(rest.first(size)));
        rest = rest.subspan(size);
      }
      if (sent) sent(from_ana, std::move(packets->bytes));
      person.take_events();
    }
    person.take_events();
  }
  void launch(Person& from, bool from_ana, Bytes packet) {
    from.largest_packet = std::max(from.largest_packet, packet.size());
    ++from.packets;
    if (meddle && !meddle(from_ana, packet)) return;
    if (wire.loss > 0 && random.chance(wire.loss)) return;
    auto departure = now;
    if (wire.bytes_per_second > 0) {
      auto& free_at = busy_until_[from_ana];
      departure = std::max(now, free_at);
      const auto waiting = std::chrono::duration<double>(departure - now).count();
      if (waiting * wire.bytes_per_second > static_cast<double>(wire.queue)) return;
      free_at = departure + Duration{static_cast<Duration::rep>(
                                1e9 * static_cast<double>(packet.size()) / wire.bytes_per_second)};
      departure = free_at;
    }
    auto arrival = departure + wire.delay;
    if (wire.jitter > 0ns) arrival += random.upto(wire.jitter);
    flying_.emplace(arrival, Flying{from_ana, std::move(packet)});
  }
  Person& to(const Flying& flying) { return flying.to_bo ? bo : ana; }
  const Person& to(const Flying& flying) const { return flying.to_bo ? bo : ana; }

  void deliver() {
    for (auto next = flying_.begin(); next != flying_.end() && next->first <= now;) {
      if (to(next->second).asleep) {
        ++next;
        continue;
      }
      const auto flying = std::move(next->second);
      next = flying_.erase(next);
      Person& to = this->to(flying);
      if (to.session) {
        to.session->on_packet(now, flying.packet);
      } else if (auto session = Session::accept(bo_config, now, random, flying.packet)) {
        to.session = std::move(*session);
      }
    }
  }
  std::optional<TimePoint> next_moment() const {
    std::optional<TimePoint> next;
    const auto consider = [&](TimePoint t) { next = next ? std::min(*next, t) : t; };
    const auto first = std::find_if(flying_.begin(), flying_.end(),
                                    [&](const auto& entry) { return !to(entry.second).asleep; });
    if (first != flying_.end()) consider(first->first);
    for (const auto* person : {&ana, &bo})
      if (person->session && !person->asleep)
        if (auto wake = person->session->next_timeout()) consider(*wake);
    return next;
  }

  std::multimap<TimePoint, Flying> flying_;
  std::map<bool, TimePoint> busy_until_;
};

}  // namespace byway::testing
