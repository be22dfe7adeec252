#include "node/runtime.h"

#include <sodium.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "node/local_addresses.h"
#include "node/log.h"

namespace byway {
namespace {

constexpr Duration host_interval = 3s;   // how often the clocks are looked at
constexpr Duration asleep = 8s;          // nothing done for so long: the machine slept, or we did
constexpr Duration wall_tolerance = 1s;  // a smaller step of the wall clock is drift
constexpr int work_per_settle = 4096;    // transmits and events; then sockets have their turn

Duration wall_offset() {
  return std::chrono::duration_cast<Duration>(wall_now().time_since_epoch()) -
         monotonic_now().time_since_epoch();
}

}  // namespace

Random strong_random() {
  Random::Seed seed;
  randombytes_buf(seed.data(), seed.size());
  return Random(seed);
}

Runtime::Runtime(boost::asio::io_context& io, std::size_t threads)
    : io_(io),
      port_(io),
      tcp_(io),
      wanted_threads_(threads),
      forwarders_(io, strong_random().u64(),
                  {[this](std::span<const Datagram> datagrams) { on_datagrams(datagrams); },
                   [this](const Forwarded& forwarded) {
                     overlay_->on_forwarded(monotonic_now(), forwarded);
                     settle();
                   }}),
      alarm_(io, [this] { on_alarm(); }),
      host_timer_(io),
      network_(io) {}

Runtime::~Runtime() = default;

Outcome<std::unique_ptr<Runtime>> Runtime::open(boost::asio::io_context& io, OverlayConfig config,
                                                const std::vector<Endpoint>& listen,
                                                const Identity& identity, std::size_t threads) {
  std::unique_ptr<Runtime> runtime(new Runtime(io, threads));
  for (const Endpoint& endpoint : listen) {
    const auto bound = runtime->port_.bind(endpoint);
    if (!bound) return bound.error();
    const auto by_tcp = runtime->listen_by_tcp(endpoint, *bound);
    if (!by_tcp) return by_tcp.error();
  }
  runtime->bind_other_family(listen);
  runtime->local_ = local_endpoints(runtime->port_.bound(), host_addresses());
  runtime->wall_offset_ = wall_offset();
  config.local_endpoints = runtime->local_;
  if (config.lan) runtime->lan_.emplace(io);
  runtime->local_tcp_ = runtime->local_tcp();
  config.local_tcp_endpoints = runtime->local_tcp_;
  const Crypto& crypto = sodium_crypto();
  runtime->overlay_ = std::make_unique<Overlay>(std::move(config), identity, crypto,
                                                strong_random(), monotonic_now(), wall_now());
  return runtime;
}

// "[::]" means every address, IPv4 ones too, as it does elsewhere; and so does "any port,
// wherever", which is what a node listens at that was told nothing. Where the system lacks the
// other family, or somebody has that port, it is done without.
void Runtime::bind_other_family(const std::vector<Endpoint>& listen) {
  if (listen.size() != 1 || !listen[0].address.is_unspecified()) return;
  const bool v4 = listen[0].address.is_v4();
  if (v4 && listen[0].port != 0) return;
  const std::uint16_t port = port_.bound().front().port;
  const auto bound = port_.bind({v4 ? IpAddress::v6({}) : IpAddress{}, port});
  if (!bound) log_info("event=one-family-only why=" + quoted(bound.error().sentence));
}

void Runtime::start() {
  port_.on_spent([this](Bytes spent) { overlay_->reuse(std::move(spent)); });
  port_.start([this](std::span<const Datagram> datagrams) { on_datagrams(datagrams); });
  awake_at_ = boot_time();
  tcp_.start(hear_tcp());
  watch_host();
  network_.start([this] { look_at_host(); });
  if (lan_)
    lan_->start([this](const Datagram& datagram) {
      notice_sleep();
      overlay_->on_datagram(monotonic_now(), datagram);
      settle();
    });
  settle();
}

// The same port as for UDP. Where the system chose that one, TCP may find it taken; that is
// nobody's mistake, and another does.
Outcome<Endpoint> Runtime::listen_by_tcp(const Endpoint& asked, const Endpoint& bound) {
  auto listening = tcp_.listen(bound);
  if (listening || asked.port != 0) return listening;
  return tcp_.listen({bound.address, 0});
}

TcpPort::Hear Runtime::hear_tcp() {
  return {[this](std::span<const Datagram> datagrams) { on_datagrams(datagrams); },
          [this](const Endpoint& local, const Endpoint& remote) {
            const TcpId id = overlay_->on_tcp_accepted(monotonic_now(), local, remote);
            settle();
            return id;
          },
          [this](TcpId id, const Endpoint& local) {
            overlay_->on_tcp_open(monotonic_now(), id, local);
            settle();
          },
          [this](TcpId id, TcpEnd why) {
            overlay_->on_tcp_closed(monotonic_now(), id, why);
            settle();
          }};
}

std::vector<Endpoint> Runtime::local_tcp() const {
  return local_endpoints(tcp_.listening(), host_addresses());
}

// A supernode is also there for networks that let out nothing but what looks like the web.
void Runtime::listen_at_443() {
  constexpr std::uint16_t https = 443;
  if (std::exchange(asked_for_443_, true)) return;
  std::vector<IpAddress> done;
  for (const Endpoint& bound : tcp_.listening()) {
    if (bound.port == https) done.push_back(bound.address);
  }
  for (const Endpoint& bound : port_.bound()) {
    if (std::find(done.begin(), done.end(), bound.address) != done.end()) continue;
    done.push_back(bound.address);
    // Nothing leaves from here, so it need not be shared, and no two nodes listen here together.
    if (const auto listening = tcp_.listen({bound.address, https}, false); listening)
      log_info("event=listening proto=tcp endpoint=" + listening->to_string());
    else
      log_info("event=no-tcp-443 why=" + quoted(listening.error().sentence));
  }
  local_tcp_ = local_tcp();
  overlay_->on_local_tcp_endpoints(monotonic_now(), local_tcp_);
}

void Runtime::on_role(bool is_supernode) {
  if (is_supernode) listen_at_443();
  if (wanted_threads_ <= 1 || is_supernode == (forwarders_.threads() > 0)) return;
  // Later: what we are being told of may be one of theirs.
  boost::asio::post(io_, [this, is_supernode, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired()) share_the_work(is_supernode);
  });
}

// A leaf has nothing to forward, and its streams are quicker by one thread alone.
void Runtime::share_the_work(bool is_supernode) {
  if (closed_ || is_supernode == (forwarders_.threads() > 0)) return;
  overlay_->publish_lanes(is_supernode);
  if (!is_supernode) return forwarders_.stop();
  if (const auto problem = forwarders_.start(wanted_threads_ - 1, port_)) {
    overlay_->publish_lanes(false);
    return log_warn("event=one-thread-only why=" + quoted(problem->sentence));
  }
  log_info("event=threads count=" + std::to_string(threads()));
  settle();
}

void Runtime::publish_lanes() {
  while (auto change = overlay_->poll_lane_change()) lane_changes_.push_back(std::move(*change));
  if (lane_changes_.empty()) return;
  forwarders_.publish(lane_changes_);
  lane_changes_.clear();
}

UdpPort::Counters Runtime::port_counters() const {
  UdpPort::Counters all = port_.counters();
  all += forwarders_.counters();
  return all;
}

// What arrived together is one input: the core decides once it knows all of it.
void Runtime::on_datagrams(std::span<const Datagram> datagrams) {
  notice_sleep();
  const TimePoint now = monotonic_now();
  overlay_->on_datagrams(now, datagrams);
  settle();
  overlay_->release_input();
}

// Carries out everything the core has decided. Called after every input, never in between: what
// apps cause while they are told of events is picked up by the same loop. They are told first, so
// that what they answer leaves with the acknowledgement of what they have heard.
void Runtime::settle() {
  if (settling_) return;
  settling_ = true;
  int work = 0;
  for (int before = -1; work != before && work < work_per_settle;) {
    before = work;
    for (; work < work_per_settle; ++work) {
      auto event = overlay_->poll_event();
      if (!event) break;
      log_event(*event);
      const auto* role = std::get_if<RoleChanged>(&*event);
      if (role) on_role(role->role == "supernode");
      if (hear_) hear_(*event);
    }
    // An answer leaves before the core looks after everything else: on an idle host all that has
    // to be fetched from memory first. A train is no answer, and leaves with what is behind it.
    int answers = 0;
    for (; work < work_per_settle; ++work) {
      auto data = overlay_->poll_data(monotonic_now());
      if (!data) break;
      const bool train = data->segment_size != 0;
      send(std::move(*data));
      if (!train && ++answers == 1) send_off();
    }
    if (answers > 1) send_off();
    for (; work < work_per_settle; ++work) {
      while (const auto order = overlay_->poll_socket()) carry_out(*order);
      auto transmit = overlay_->poll_transmit(monotonic_now());
      if (!transmit) break;
      send(std::move(*transmit));
    }
    for (; work < work_per_settle; ++work) {
      const auto order = overlay_->poll_tcp();
      if (!order) break;
      tcp_.carry_out(*order);
    }
    while (const auto order = overlay_->poll_socket()) carry_out(*order);
  }
  send_off();
  publish_lanes();
  settling_ = false;
  if (work >= work_per_settle) return settle_later();
  if (auto deadline = overlay_->next_timeout()) wake_at(*deadline);
}

void Runtime::send_off() {
  const auto tell_all = [this] {
    for (const auto& tell : std::exchange(before_sending_, {})) tell();
  };
  if (!before_sending_.empty()) port_.before_next_call(tell_all);
  port_.flush();
  tell_all();  // it goes by TCP
  tcp_.flush();
}

std::shared_ptr<void> Runtime::stamp_arrivals() {
  if (auto kept = stamps_.lock()) return kept;
  port_.stamp_arrivals(true);
  std::shared_ptr<void> kept(nullptr, [this, alive = std::weak_ptr<int>(alive_)](void*) {
    if (!alive.expired()) port_.stamp_arrivals(false);
  });
  stamps_ = kept;
  return kept;
}

void Runtime::carry_out(const SocketOrder& order) {
  if (const auto* close = std::get_if<CloseSocket>(&order)) return port_.close_spare(close->id);
  const auto& open = std::get<OpenSocket>(order);
  if (const auto bound = port_.open_spare(open.id, open.bind))
    return overlay_->on_socket_opened(monotonic_now(), open.id, *bound);
  overlay_->on_socket_failed(monotonic_now(), open.id);
}

void Runtime::send(Transmit transmit) {
  if (transmit.proto == Proto::tcp) return tcp_.send(transmit);
  if (transmit.to.address.scope() != Scope::multicast) return port_.send(std::move(transmit));
  const int main = port_.main_handle(transmit.to.address.is_v6());
  if (lan_ && main >= 0) lan_->send(transmit, main);
}

// A fast stream never falls quiet by itself.
void Runtime::settle_later() {
  boost::asio::post(io_, [this, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired()) settle();
  });
}

// A timer that rings too early is harmless, so an earlier one is left as it is.
void Runtime::wake_at(TimePoint deadline) {
  if (closed_ || (armed_ && *armed_ <= deadline)) return;
  armed_ = deadline;
  if (deadline > monotonic_now()) return alarm_.set(deadline);
  // Due already: sockets have their turn, and the kernel need not be asked to wake us at once.
  boost::asio::post(io_, [this, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired() && !closed_) on_alarm();
  });
}

void Runtime::on_alarm() {
  armed_.reset();
  notice_sleep();
  const TimePoint now = monotonic_now();
  const auto due = overlay_->next_timeout();
  if (due && *due <= now) overlay_->on_timeout(now);
  settle();
}

void Runtime::watch_host() {
  host_timer_.expires_after(host_interval);
  host_timer_.async_wait(
      [this, alive = std::weak_ptr<int>(alive_)](const boost::system::error_code& error) {
        if (error || alive.expired()) return;
        look_at_host();
        watch_host();
      });
}

// Whoever has slept must not take the silence for the others' fault: before any timer is looked at.
void Runtime::notice_sleep() {
  const Duration awake = boot_time();
  const Duration gap = awake - std::exchange(awake_at_, awake);
  if (gap < asleep) return;
  log_info("event=slept seconds=" + std::to_string(gap / 1s));
  overlay_->on_network_change(monotonic_now());
  if (changed_) changed_();
}

void Runtime::look_at_host() {
  notice_sleep();
  const bool other_way_out = network_.take_change();
  auto local = local_endpoints(port_.bound(), host_addresses());
  const bool other_addresses = local != local_;
  if (other_addresses || other_way_out) {
    log_info("event=network-changed addresses=" + std::to_string(local.size()));
    local_ = local;
    if (lan_) lan_->join();
    if (other_addresses)
      overlay_->on_local_endpoints(monotonic_now(), std::move(local));
    else
      overlay_->on_network_change(monotonic_now());
    if (changed_) changed_();
    settle();
  }
  if (auto by_tcp = local_tcp(); by_tcp != local_tcp_) {
    local_tcp_ = by_tcp;
    overlay_->on_local_tcp_endpoints(monotonic_now(), std::move(by_tcp));
    settle();
  }
  const Duration offset = wall_offset();
  if (std::chrono::abs(offset - wall_offset_) < wall_tolerance) return;
  log_warn("event=wall-clock-set");
  wall_offset_ = offset;
  overlay_->on_wall_clock(monotonic_now(), wall_now());
  settle();
}

void Runtime::leave() {
  overlay_->leave(monotonic_now());
  settle();
}

void Runtime::close() {
  if (std::exchange(closed_, true)) return;
  forwarders_.stop();
  alarm_.close();
  host_timer_.cancel();
  network_.close();
  if (lan_) lan_->close();
  port_.close();
  tcp_.close();
}

}  // namespace byway
