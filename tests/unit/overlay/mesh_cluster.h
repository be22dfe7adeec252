// A mesh of membership machines and nothing else: messages take their time and get lost, pings are
// answered by whoever is alive, virtual time passes. Links, NATs and handshakes are elsewhere.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>

#include "overlay/mesh/membership.h"
#include "tests/unit/overlay/cast.h"

namespace byway {

struct MeshWeather {
  double loss = 0;
  Duration least_latency = 5ms;
  Duration most_latency = 60ms;
};

class MeshCluster {
 public:
  using Weather = MeshWeather;
  struct Node {
    Identity identity;
    IpAddress address;
    std::uint64_t sequence = 1;
    bool alive = true;
    bool honest_examiner = true;  // speaks with whom it vouches for
    int side = 0;                 // of a split network
    double loss = 0;              // of its own access line, beside the weather
    std::size_t padding = 0;      // endpoints more in its record
    std::unique_ptr<Membership> mesh;
    std::vector<MeshEvent> told;   // but for probes
    std::set<NodeId> spoken_with;  // for counting links
    std::uint64_t bytes = 0;       // out, with IP and UDP headers
    std::uint64_t messages = 0;
    std::map<NodeId, Departure> dropped;
  };

  explicit MeshCluster(std::uint64_t seed, Weather weather = {})
      : random_(seed), archive_(sodium_crypto()), weather_(weather) {}

  // Node i lives in netgroup i % netgroups; with one in each /24.
  std::size_t add(int netgroups = 250) {
    const auto i = static_cast<std::uint32_t>(nodes_.size());
    const auto group = i % static_cast<std::uint32_t>(netgroups);
    const auto within = i / static_cast<std::uint32_t>(netgroups);
    return add(IpAddress::v4({static_cast<std::uint8_t>(20 + group / 200),
                              static_cast<std::uint8_t>(group % 200),
                              static_cast<std::uint8_t>(within % 250), 1}));
  }
  std::size_t add(const IpAddress& address) {
    nodes_.push_back(std::make_unique<Node>(Node{.identity = Identity::generate(random_),
                                                 .address = address,
                                                 .mesh = nullptr,
                                                 .told = {},
                                                 .spoken_with = {},
                                                 .dropped = {}}));
    Node& node = *nodes_.back();
    index_[node.identity.id()] = nodes_.size() - 1;
    start(nodes_.size() - 1);
    return nodes_.size() - 1;
  }
  // A process with the same key, and no memory.
  void start(std::size_t i) {
    Node& node = *nodes_[i];
    node.alive = true;
    node.mesh = std::make_unique<Membership>(MembershipConfig{}, node.identity, archive_,
                                             random_.fork(), now_, wall());
    node.mesh->on_own_record(now_, record(i));
    settle(i);
  }
  void join(std::size_t i, std::size_t sponsor) {
    node(i).mesh->join(now_, id(sponsor));
    settle(i);
  }
  void leave(std::size_t i) {
    Record farewell{.id = id(i), .sequence = ++node(i).sequence, .role = Record::Role::leaf};
    node(i).mesh->leave(
        now_, std::make_shared<const SignedRecord>(SignedRecord::sign(node(i).identity, farewell)));
    settle(i);
    node(i).alive = false;
  }
  void crash(std::size_t i) { node(i).alive = false; }
  void move(std::size_t i, const IpAddress& address) {
    node(i).address = address;
    ++node(i).sequence;
    node(i).mesh->on_own_record(now_, record(i));
    settle(i);
  }

  // A network as it is after years: everybody knows and is vouched for by his neighbours.
  void add_old_network(std::size_t count, int netgroups = 250) {
    for (std::size_t i = 0; i < count; ++i) add(netgroups);
    std::map<Position, std::size_t> ring;
    for (std::size_t i = 0; i < count; ++i) ring[position_of(id(i))] = i;
    std::vector<std::size_t> round;
    for (const auto& [_, i] : ring) round.push_back(i);
    std::vector<DossierPtr> dossiers;
    for (std::size_t at = 0; at < count; ++at) {
      const std::size_t i = round[at];
      std::vector<VoucherPtr> vouchers;
      for (const std::size_t off : {count - 2, count - 1, std::size_t{1}, std::size_t{2}}) {
        const std::size_t by = round[(at + off) % count];
        const auto known = std::any_of(vouchers.begin(), vouchers.end(),
                                       [&](const VoucherPtr& v) { return v->by == id(by); });
        if (by == i || known) continue;
        vouchers.push_back(archive_.voucher(
            id(i), Voucher::sign(node(by).identity, id(i), node(i).address, wall() - 1h)));
      }
      keep_nearest(position_of(id(i)), vouchers, limits::vouchers_kept);
      dossiers.push_back(archive_.dossier(record(i), std::move(vouchers)));
    }
    View view(MembershipConfig{}.netgroup_bits_v4, MembershipConfig{}.netgroup_bits_v6);
    for (const DossierPtr& dossier : dossiers) view.put(dossier, wall() - 1h, true);
    for (std::size_t i = 0; i < count; ++i) {
      node(i).mesh->adopt(now_, view);
      settle(i);
    }
  }

  void run_for(Duration span) {
    const TimePoint end = now_ + span;
    step_until(end, [] { return false; });
    now_ = std::max(now_, end);
  }
  // Looks every 100 ms.
  bool run_until(const std::function<bool()>& done, Duration patience) {
    const TimePoint end = now_ + patience;
    while (!done()) {
      if (now_ >= end) return false;
      run_for(100ms);
    }
    return true;
  }

  // --- what is to be seen ---
  Node& node(std::size_t i) { return *nodes_[i]; }
  Membership& mesh(std::size_t i) { return *nodes_[i]->mesh; }
  const NodeId& id(std::size_t i) const { return nodes_[i]->identity.id(); }
  std::size_t size() const { return nodes_.size(); }
  std::size_t living() const {
    std::size_t count = 0;
    for (const auto& node : nodes_) count += node->alive ? 1 : 0;
    return count;
  }
  bool sees(std::size_t who, std::size_t whom) { return mesh(who).view().is_admitted(id(whom)); }
  // How many of the living (others than itself) see it.
  std::size_t seen_by(std::size_t whom) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < size(); ++i)
      count += i != whom && node(i).alive && sees(i, whom) ? 1 : 0;
    return count;
  }
  // All living see exactly the living.
  bool agrees() {
    for (std::size_t i = 0; i < size(); ++i) {
      if (!node(i).alive) continue;
      if (mesh(i).view().size() != living()) return false;
      for (std::size_t j = 0; j < size(); ++j)
        if (node(j).alive && !sees(i, j)) return false;
    }
    return true;
  }
  template <class E>
  std::size_t told(std::size_t i) {
    return static_cast<std::size_t>(
        std::count_if(node(i).told.begin(), node(i).told.end(),
                      [](const MeshEvent& e) { return std::holds_alternative<E>(e); }));
  }
  void deliver(std::size_t to, const NodeId& from, const MeshMessage& message) {
    mesh(to).on_message(now_, from, message);
    settle(to);
  }
  RecordPtr record(std::size_t i) {
    const Node& who = *nodes_[i];
    Record record{.id = who.identity.id(),
                  .sequence = who.sequence,
                  .role = Record::Role::supernode,
                  .endpoints = {{who.address, 7000}},
                  .agent = "byway/test"};
    for (std::size_t k = 0; k < who.padding; ++k)
      record.endpoints.push_back({*IpAddress::parse("2001:db8::1"), 7001});
    return *archive_.record(SignedRecord::sign(who.identity, record).exact_bytes());
  }
  Archive& archive() { return archive_; }
  Random& random() { return random_; }
  TimePoint now() const { return now_; }
  WallTime wall() const {
    return wall_noon + std::chrono::duration_cast<WallTime::duration>(now_ - noon);
  }
  Weather& weather() { return weather_; }
  // Sees every message that is sent.
  std::function<void(std::size_t from, const NodeId& to, const MeshMessage&)> on_sent;
  // Every message is encoded, decoded and compared, and its size counted.
  void on_the_wire() { wire_ = true; }
  std::size_t largest() const { return largest_; }
  // Dropped as gone or unvouched although alive.
  std::size_t buried_alive() const { return buried_alive_; }

 private:
  struct Happening {
    TimePoint at;
    std::uint64_t order;
    std::function<void()> what;
    bool operator>(const Happening& other) const {
      return std::tie(at, order) > std::tie(other.at, other.order);
    }
  };

  void later(Duration in, std::function<void()> what) {
    queue_.push({now_ + in, ++order_, std::move(what)});
  }
  Duration latency() {
    return weather_.least_latency +
           random_.upto(weather_.most_latency - weather_.least_latency + 1ns);
  }
  bool passes(std::size_t a, std::size_t b) {
    return node(a).side == node(b).side && !random_.chance(weather_.loss) &&
           !random_.chance(node(a).loss) && !random_.chance(node(b).loss);
  }

  void settle(std::size_t i) {
    Node& node = *nodes_[i];
    while (const auto out = node.mesh->poll_message())
      for (const NodeId& to : out->to) transmit(i, to, out->message);
    while (auto event = node.mesh->poll_event()) carry_out(i, std::move(*event));
    timers_.set(i, node.alive ? node.mesh->next_timeout() : std::nullopt);
  }

  void transmit(std::size_t from, const NodeId& target, const MeshMessage& message) {
    Node& sender = node(from);
    sender.spoken_with.insert(target);
    ++sender.messages;
    if (on_sent) on_sent(from, target, message);
    if (wire_) {
      const Bytes bytes = encode(message);
      largest_ = std::max(largest_, bytes.size());
      sender.bytes += bytes.size() + 28 + 29;  // IP and UDP, the seal
      ensure(*decode_mesh(bytes) == message);
    }
    const auto to = index_.find(target);
    if (to == index_.end() || !passes(from, to->second)) return;
    later(latency(), [this, from, to = to->second, message] {
      if (!node(to).alive) return;
      mesh(to).on_message(now_, id(from), message);
      settle(to);
    });
  }

  void carry_out(std::size_t i, MeshEvent event) {
    Node& who = node(i);
    if (const auto* probe = std::get_if<Probe>(&event)) {
      who.spoken_with.insert(probe->id);
      who.bytes += wire_ ? 100 : 0;
      ++who.messages;
      const auto to = index_.find(probe->id);
      if (to == index_.end()) return;
      if (wire_) node(to->second).bytes += 100;
      if (!passes(i, to->second) || !passes(to->second, i)) return;
      later(latency() + latency(), [this, i, to = to->second] {
        if (!node(to).alive || !node(i).alive) return;
        mesh(i).on_probe_answer(now_, id(to));
        settle(i);
      });
      return;
    }
    if (const auto* examine = std::get_if<Examine>(&event)) {
      const NodeId id = examine->record->record().id;
      const auto to = index_.find(id);
      const bool there =
          to != index_.end() && node(to->second).alive && node(to->second).side == who.side &&
          node(to->second).address == examine->record->record().endpoints.front().address;
      const bool ok = there || !who.honest_examiner;
      later(ok ? 4 * latency() : Duration{5s}, [this, i, id, ok] {
        if (!node(i).alive) return;
        mesh(i).on_examined(now_, id, ok);
        settle(i);
      });
    } else if (const auto* renew = std::get_if<Renew>(&event)) {
      who.sequence = std::max(who.sequence, renew->above) + 1;
      later(0ns, [this, i] {
        if (!node(i).alive) return;
        mesh(i).on_own_record(now_, record(i));
        settle(i);
      });
    } else if (const auto* dropped = std::get_if<MemberDropped>(&event)) {
      const NodeId id = dropped->record->record().id;
      const auto to = index_.find(id);
      who.dropped[id] = dropped->why;
      const bool wrong = dropped->why == Departure::gone || dropped->why == Departure::lost_touch;
      if (wrong && to != index_.end() && node(to->second).alive &&
          node(to->second).side == who.side)
        ++buried_alive_;
    }
    who.told.push_back(std::move(event));
  }

  void step_until(TimePoint end, const std::function<bool()>& done) {
    while (!done()) {
      const auto timer = timers_.next();
      const bool has_message = !queue_.empty() && queue_.top().at <= end;
      const bool has_timer = timer && *timer <= end;
      if (!has_message && !has_timer) return;
      if (has_message && (!has_timer || queue_.top().at <= *timer)) {
        Happening next = std::move(const_cast<Happening&>(queue_.top()));
        queue_.pop();
        now_ = std::max(now_, next.at);
        next.what();
      } else {
        now_ = std::max(now_, *timer);
        const auto i = *timers_.pop_due(now_);
        if (!node(i).alive) continue;
        mesh(i).on_timeout(now_);
        // A timeout that stays in the past would be asked for for ever.
        ensure(!mesh(i).next_timeout() || *mesh(i).next_timeout() > now_ || ++stuck_ < 1000);
        if (!mesh(i).next_timeout() || *mesh(i).next_timeout() > now_) stuck_ = 0;
        settle(i);
      }
    }
  }

  Random random_;
  Archive archive_;
  Weather weather_;
  TimePoint now_ = noon;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<NodeId, std::size_t> index_;
  std::priority_queue<Happening, std::vector<Happening>, std::greater<>> queue_;
  std::uint64_t order_ = 0;
  Timers<std::size_t> timers_;
  bool wire_ = false;
  std::size_t largest_ = 0;
  std::size_t buried_alive_ = 0;
  int stuck_ = 0;
};

}  // namespace byway
