// A character of the story: a machine with a real node on it, told and asked exactly as the real
// shell does it.
//
//     auto& ana = world.leaf("ana").behind(Nat::port_restricted());
//     ana.say(bo, "hello");
//
// The node starts when the world next runs, or when its host is first told to do something; the
// builders may be used after that too: then the machine moves while its node runs.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "overlay/overlay.h"
#include "tools/sim/network.h"
#include "tools/sim/tcp.h"

namespace byway::sim {

class World;

enum class Via : std::uint8_t { nothing, relay, direct };

// A NAT that stands somewhere, for several hosts or routers to stand behind.
class Router {
 public:
  Router(World& world, std::string name, const Nat& nat);

  Router& behind(Router& outer);
  // What the hosts inside are numbered from; for two sites that chose the same private net.
  Router& lan(IpAddress prefix);
  Router& wire(const Wire& wire);
  void reboot(bool new_address = false);

  const IpAddress& address() const;
  NatBox& nat();
  StationId station() const { return station_; }

 private:
  World& world_;
  StationId station_;
};

class Host final : public Receiver {
 public:
  enum class Kind { supernode, leaf, stranger };

  Host(World& world, Kind kind, std::string name, Random random);
  ~Host() override;

  // --- where it stands ---
  Host& behind(const Nat& nat);  // a router of its own; again: behind another one before that
  Host& behind(Router& router);
  Host& on_lan_of(Host& other);
  Host& in_the_open();                 // out of its NAT, to a public address
  Host& at(std::string_view address);  // in the zone where it is
  Host& port(std::uint16_t port);      // of the main socket; before the start
  // Of the way out: the outermost router's wire, or its own where it has a public address.
  Host& wire(const Wire& wire);
  // The system has no more than so many spare sockets for it.
  Host& spare_sockets(std::size_t count);
  Host& claims(std::vector<Endpoint> endpoints);  // lies about its local addresses
  Host& listens_at(std::uint16_t tcp_port);       // beside the main port; a supernode at 443
  Host& configured(std::function<void(OverlayConfig&)> change);

  // --- what it does ---
  void say(Host& to, std::string_view text);  // one QUIC stream for each message
  void talk_to(Host& peer);                   // just a link and its paths
  // As a diagnosis tool asks; the answer is among the events.
  void survey(Host& supernode, const SurveyQuestion& question);
  void send(const Endpoint& to, ByteView bytes);  // raw, from the main port
  void send_as(const Endpoint& from, const Endpoint& to, ByteView bytes);  // with a forged source
  void crash();               // at once, without a word
  void leave();               // with goodbyes
  void restart();             // the same key, nothing remembered
  void restart_with_state();  // and what it had kept on disk
  void unplug();
  void plug_in();
  void router_reboots(bool new_address = false);  // the nearest router
  void start();
  // Its router maps this outside port to it, and says so.
  void router_maps(std::uint16_t outside_port);
  // Whatever else a shell tells its node, between two inputs.
  void is_told(const std::function<void(Overlay&, TimePoint)>& what);
  // Stands still with its node for so long, as a laptop that sleeps; what arrives is lost.
  void sleeps_for(Duration duration);

  // --- what it sees ---
  bool is_running() const { return overlay_ != nullptr; }
  bool is_ready() const { return ready_; }
  std::size_t open_sockets() const { return ports_.size(); }
  std::vector<std::string> inbox() const;  // texts, as they arrived
  std::vector<std::string> undelivered() const { return undelivered_; }
  bool reaches(const Host& peer, Via via) const;
  PeerStatus path_to(const Host& peer) const;  // kind none where there is no link
  OverlayStatus status() const;
  const Counters& counters() const;
  // Why the last attempt to talk to the peer failed; nothing: it did not.
  std::optional<std::string> gave_up_on(const Host& peer) const;
  // All but Steps, of this start and the ones before.
  const std::vector<Event>& events() const { return events_; }
  template <typename E>
  std::vector<E> events_of() const {
    std::vector<E> found;
    for (const Event& event : events_)
      if (const auto* e = std::get_if<E>(&event)) found.push_back(*e);
    return found;
  }
  struct Received {
    Endpoint from;
    Bytes bytes;
  };
  const std::vector<Received>& received() const { return received_; }  // a stranger's

  const std::string& name() const { return name_; }
  const NodeId& id() const { return identity_.id(); }
  const Identity& identity() const { return identity_; }
  Kind kind() const { return kind_; }
  StationId station() const { return station_; }
  Endpoint endpoint() const;  // its own, behind whatever NATs
  Overlay& overlay();         // running

  bool listens_on(std::uint16_t port) const override;
  void on_datagram(TimePoint now, const Endpoint& from, std::uint16_t port,
                   ByteView bytes) override;
  void on_segment(TimePoint now, const Endpoint& from, std::uint16_t port, ByteView bytes) override;
  void on_alarm(TimePoint now) override;

 private:
  struct Outbound {  // a message on its way
    std::string text;
    std::size_t written = 0;
  };

  TimePoint now() const;
  std::vector<Endpoint> local_endpoints() const;
  void moved();
  void settle();
  void carry_out(const Transmit& transmit);
  void publish(const Event& event);
  void note_drops(const std::array<std::uint64_t, drop_kinds>& before);
  void on_stream(const StreamOpened& opened);
  void read_from(StreamId stream);
  void write_to(StreamId stream);
  void carry_out(const SocketOrder& order);
  std::uint16_t free_port();
  std::vector<Endpoint> local_tcp_endpoints() const;
  void carry_out(const TcpOrder& order);
  void hear(TcpStack::Event& event);
  bool settle_tcp();

  World& world_;
  Kind kind_;
  std::string name_;
  Random random_;
  Identity identity_;
  StationId station_;
  std::uint16_t main_port_ = 7000;
  std::vector<Endpoint> claimed_;
  std::function<void(OverlayConfig&)> configure_;
  std::optional<StationId> outer_router_;  // of the routers that behind(nat) made

  bool started_ = false;  // ever
  Bytes peer_book_;       // on its disk
  Bytes kept_proof_;      // there too
  bool ready_ = false;
  bool asleep_ = false;
  std::unique_ptr<Overlay> overlay_;
  std::map<SocketId, std::uint16_t> ports_;
  std::size_t spare_sockets_ = 4096;
  std::vector<std::uint16_t> tcp_ports_;  // listened on
  TcpStack tcp_;
  std::map<TcpId, TcpEnds> connections_;
  std::map<TcpEnds, TcpId> connection_ids_;
  std::vector<TcpId> refused_;  // orders that could not be carried out, to be told next
  std::map<StreamId, Outbound> sending_;
  std::map<StreamId, std::string> receiving_;
  TimePoint last_alarm_{};
  int alarms_at_once_ = 0;

  std::vector<std::string> inbox_;
  std::vector<std::string> undelivered_;
  std::map<NodeId, std::string> gave_up_;
  std::vector<Event> events_;
  std::vector<Received> received_;
};

}  // namespace byway::sim
