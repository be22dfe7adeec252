#include "node/apps/status.h"

#include <unistd.h>

#include <boost/json/array.hpp>
#include <fstream>

namespace byway {
namespace {

namespace json = boost::json;

}  // namespace

json::object nat_json(const NatBehaviour& nat) {
  const auto seconds = [](Duration d) {
    return std::chrono::duration_cast<std::chrono::seconds>(d).count();
  };
  return {
      {"mapping", std::string(to_string(nat.mapping))},
      {"filtering", std::string(to_string(nat.filtering))},
      {"ports", std::string(to_string(nat.ports))},
      {"delta", nat.delta},
      {"block_size", nat.block_size},
      {"hairpin", nat.hairpin ? json::value(*nat.hairpin) : json::value(nullptr)},
      {"lifetime_s", nat.lifetime ? json::value(seconds(*nat.lifetime)) : json::value(nullptr)}};
}

namespace {

json::array addresses_json(const OverlayStatus& status, const MappedBy& mapped_by) {
  json::array all;
  for (const AddressStatus& address : status.addresses) {
    json::object one{{"endpoint", json_of(address.endpoint)},
                     {"proto", std::string(to_string(address.proto))},
                     {"scope", std::string(to_string(address.endpoint.address.scope()))},
                     {"how", std::string(to_string(address.how))},
                     {"proved", address.proved}};
    const auto by = mapped_by.find({address.proto, address.endpoint});
    if (address.how == How::mapped && by != mapped_by.end()) one["by"] = by->second;
    all.push_back(std::move(one));
  }
  return all;
}

json::array homes_json(const OverlayStatus& status) {
  json::array all;
  for (const HomeStatus& home : status.homes)
    all.push_back(json::object{{"id", home.id.to_string()},
                               {"endpoint", json_of(home.endpoint)},
                               {"observed", json_of(home.observed)},
                               {"proto", std::string(to_string(home.proto))},
                               {"rtt_ms", json_ms(home.rtt)}});
  return all;
}

json::array peers_json(const AppContext& context, const OverlayStatus& status) {
  json::array all;
  for (const PeerStatus& peer : status.peers) {
    json::object one{{"id", peer.id.to_string()}, {"name", context.contacts.name_of(peer.id)}};
    tell_path(one, peer);
    one["method"] = std::string(to_string(peer.method));
    one["rtt_ms"] = json_ms(peer.rtt);
    one["why"] = peer.why.empty() ? json::value(nullptr) : json::value(peer.why);
    one["streams"] = peer.streams;
    one["introduced_by"] = json_of(peer.introduced_by);
    all.push_back(std::move(one));
  }
  return all;
}

json::array relayed_for_json(const AppContext& context, const OverlayStatus& status) {
  json::array all;
  for (const RelayedStatus& one : status.relayed_for)
    all.push_back(json::object{{"id", one.id.to_string()},
                               {"name", context.contacts.name_of(one.id)},
                               {"lanes", one.lanes},
                               {"bytes", one.bytes}});
  return all;
}

json::object drops_json(const Counters& counters) {
  json::object all;
  for (std::size_t i = 0; i < drop_kinds; ++i)
    if (counters.drops[i] > 0) all[name_of(static_cast<Drop>(i))] = counters.drops[i];
  return all;
}

json::object counters_json(const Counters& core, const UdpPort::Counters& port,
                           const TcpPort::Counters& tcp) {
  return {{"datagrams_in", core.datagrams_in},
          {"datagrams_used", core.datagrams_used},
          {"datagrams_out", core.datagrams_out},
          {"bytes_in", core.bytes_in},
          {"bytes_out", core.bytes_out},
          {"relayed_datagrams", core.relayed_datagrams},
          {"relayed_by_others", core.relayed_by_others},
          {"knocks_sent", core.knocks_sent},
          {"punches_opened", core.punches_opened},
          {"punches_given_up", core.punches_given_up},
          {"handshakes_answered", core.handshakes_answered},
          {"cookies_sent", core.cookies_sent},
          {"stun_answered", core.stun_answered},
          {"introductions_passed", core.introductions_passed},
          {"quic_refused_frames", core.quic_refused_frames},
          {"receive_calls", port.receive_calls},
          {"trains_in", port.trains_in},
          {"send_calls", port.send_calls},
          {"trains_out", port.trains_out},
          {"send_errors", port.send_errors},
          {"send_dropped_full", port.dropped_full},
          {"send_no_socket", port.no_socket},
          {"tcp_opened", core.tcp_opened},
          {"tcp_accepted", core.tcp_accepted},
          {"tcp_refused", core.tcp_refused},
          {"tcp_unproved", core.tcp_unproved},
          {"tcp_attempts", core.tcp_attempts},
          {"tcp_failed", tcp.failed},
          {"tcp_broken", tcp.broken},
          {"tcp_dropped_full", tcp.dropped_full},
          {"tcp_no_connection", tcp.no_connection}};
}

}  // namespace

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  if (!(file >> total >> resident)) return 0;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

json::object status_json(const AppContext& context, const std::string& name, TimePoint started,
                         const MappedBy& mapped_by) {
  const TimePoint now = context.runtime.now();
  const OverlayStatus status = context.runtime.overlay().status(now);
  const Counters& counters = context.runtime.overlay().counters();

  json::object line;
  line["id"] = status.id.to_string();
  line["name"] = name;
  line["role"] = status.role;
  line["role_why"] = status.role_why;
  line["ready"] = status.ready;
  line["nat"] = json::object{{"udp", nat_json(status.nat.udp)}, {"tcp", nat_json(status.nat.tcp)}};
  line["addresses"] = addresses_json(status, mapped_by);
  line["homes"] = homes_json(status);
  line["supernodes_known"] = status.supernodes_known;
  line["leaves"] = status.leaves;
  line["lanes"] = status.lanes;
  line["peers"] = peers_json(context, status);
  line["relayed_bytes"] = counters.relayed_bytes;
  line["relayed_this_month"] = status.relayed_this_month;
  line["relay_monthly_cap"] =
      status.relay_monthly_cap > 0 ? json::value(status.relay_monthly_cap) : json::value(nullptr);
  line["relayed_for"] = relayed_for_json(context, status);
  line["threads"] = context.runtime.threads();
  line["rss_bytes"] = resident_bytes();
  line["uptime_s"] = std::chrono::duration_cast<std::chrono::seconds>(now - started).count();
  line["drops"] = drops_json(counters);
  line["counters"] =
      counters_json(counters, context.runtime.port_counters(), context.runtime.tcp_counters());
  return line;
}

}  // namespace byway
