#include "node/router_control.h"

#include <arpa/inet.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <miniupnpc/upnperrors.h>
#include <natpmp.h>
#include <sys/select.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "node/clock.h"
#include "node/pcp_control.h"
#include "overlay/reach/router_epoch.h"

namespace byway {
namespace {

constexpr Duration nat_pmp_patience = 2s;  // RFC 6886 doubles from 250 ms: three attempts
// Devices answer within MX = 1 s. Where there are none, each kind is asked for one after the other:
// so two, a device and its service, and not the four that the library would ask for by itself.
constexpr int upnp_discovery_ms = 1200;
constexpr std::array<const char*, 3> igd_1{"urn:schemas-upnp-org:device:InternetGatewayDevice:1",
                                           "urn:schemas-upnp-org:service:WANIPConnection:1",
                                           nullptr};
// Only this one can have a firewall that is opened by request.
constexpr std::array<const char*, 2> igd_2{"urn:schemas-upnp-org:device:InternetGatewayDevice:2",
                                           nullptr};
constexpr int upnp_conflict_tries = 3;  // other outside ports, when ours is taken
constexpr const char* description = "byway";

std::uint32_t seconds_of(Duration duration) {
  return static_cast<std::uint32_t>(duration / 1s);
}

// --- NAT-PMP -----------------------------------------------------------------------------------

std::string nat_pmp_problem(int code) {
  switch (code) {
    case NATPMP_ERR_NOGATEWAYSUPPORT:
      return "the router does not speak NAT-PMP";
    case NATPMP_ERR_NOTAUTHORIZED:
      return "the router does not allow mappings";
    case NATPMP_ERR_NETWORKFAILURE:
      return "the router has no address itself";
    case NATPMP_ERR_OUTOFRESOURCES:
      return "the router has no port left";
    case NATPMP_TRYAGAIN:
      return "the router did not answer in time";
    default:
      return "NAT-PMP error " + std::to_string(code);
  }
}

class NatPmp final : public RouterControl {
 public:
  std::string_view name() const override { return "nat-pmp"; }

  bool find(const Cancelled& cancelled) override {
    Exchange exchange;
    if (!exchange.ok() || sendpublicaddressrequest(&exchange.natpmp) < 0) return false;
    natpmpresp_t answer{};
    if (exchange.wait(answer, cancelled) != 0 || answer.type != NATPMP_RESPTYPE_PUBLICADDRESS)
      return false;
    on_epoch(exchange, answer);
    ByteArray<4> octets;
    std::memcpy(octets.data(), &answer.pnu.publicaddress.addr, octets.size());
    outside_ = IpAddress::v4(octets);
    return true;
  }

  Outcome<PortMapping> map(Proto proto, std::uint16_t inside, std::uint16_t outside, Duration lease,
                           const Cancelled& cancelled) override {
    Exchange exchange;
    if (!exchange.ok() || sendnewportmappingrequest(&exchange.natpmp, number_of(proto), inside,
                                                    outside, seconds_of(lease)) < 0)
      return Problem{"no request could be sent to the router"};
    natpmpresp_t answer{};
    if (const int code = exchange.wait(answer, cancelled)) return Problem{nat_pmp_problem(code)};
    on_epoch(exchange, answer);
    const auto& got = answer.pnu.newportmapping;
    if (answer.type != number_of(proto) || got.privateport != inside)
      return Problem{"the router answered something else"};
    return PortMapping{
        proto, inside, {outside_, got.mappedpublicport}, std::chrono::seconds{got.lifetime}};
  }

  void unmap(const PortMapping& mapping, const Cancelled& cancelled) override {
    Exchange exchange;
    if (!exchange.ok() || sendnewportmappingrequest(&exchange.natpmp, number_of(mapping.proto),
                                                    mapping.inside, 0, 0) < 0)
      return;
    natpmpresp_t answer{};
    exchange.wait(answer, cancelled);
  }

  bool take_restart() override { return std::exchange(restarted_, false); }

 private:
  static int number_of(Proto proto) {
    return proto == Proto::udp ? NATPMP_PROTOCOL_UDP : NATPMP_PROTOCOL_TCP;
  }

  // One question and its answer, with a socket of its own.
  struct Exchange {
    Exchange() { opened = initnatpmp(&natpmp, 0, 0) == 0; }
    ~Exchange() {
      if (opened) closenatpmp(&natpmp);
    }
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;
    bool ok() const { return opened; }

    // 0, or the library's error; NATPMP_TRYAGAIN when time is up.
    int wait(natpmpresp_t& answer, const Cancelled& cancelled) {
      const TimePoint deadline = monotonic_now() + nat_pmp_patience;
      while (monotonic_now() < deadline && !cancelled()) {
        timeval limit{};
        getnatpmprequesttimeout(&natpmp, &limit);
        const Duration left =
            std::chrono::seconds{limit.tv_sec} + std::chrono::microseconds{limit.tv_usec};
        const auto wait_us =
            std::clamp<Duration>(left, Duration::zero(), look_every) / std::chrono::microseconds{1};
        timeval nap{0, static_cast<suseconds_t>(wait_us)};
        fd_set set;
        FD_ZERO(&set);
        if (natpmp.s < 0 || natpmp.s >= FD_SETSIZE) return NATPMP_ERR_SOCKETERROR;
        FD_SET(natpmp.s, &set);
        const bool readable = ::select(natpmp.s + 1, &set, nullptr, nullptr, &nap) > 0;
        if (!readable && left > look_every) continue;
        const int code = readnatpmpresponseorretry(&natpmp, &answer);
        if (code != NATPMP_TRYAGAIN) return code;
      }
      return NATPMP_TRYAGAIN;
    }

    natpmp_t natpmp{};
    bool opened = false;
  };

  // Another router counts its own seconds.
  void on_epoch(const Exchange& exchange, const natpmpresp_t& answer) {
    if (std::exchange(gateway_, exchange.natpmp.gateway) != exchange.natpmp.gateway) epoch_ = {};
    if (epoch_.on_answer(monotonic_now(), answer.epoch)) restarted_ = true;
  }

  IpAddress outside_;
  in_addr_t gateway_ = 0;
  RouterEpoch epoch_;
  bool restarted_ = false;
};

// --- UPnP --------------------------------------------------------------------------------------

// The device that was found, and the addresses of its services.
class Igd {
 public:
  ~Igd() { forget(); }

  // Of the kind that UPNP_GetValidIGD tells; 0: none. A later version answers for an earlier one.
  int find(const RouterControl::Cancelled& cancelled) {
    return search(igd_1.data(), false, cancelled);
  }
  // The same for an IGD 2 alone. `v6`: looked for, and spoken with, by IPv6.
  int find_igd_2(bool v6, const RouterControl::Cancelled& cancelled) {
    return search(igd_2.data(), v6, cancelled);
  }

  bool is_found() const { return found_; }
  const char* own() const { return own_.data(); }  // our address towards it
  const char* control() const { return urls_.controlURL ? urls_.controlURL : ""; }
  const char* service() const { return data_.first.servicetype; }
  const char* firewall() const { return urls_.controlURL_6FC ? urls_.controlURL_6FC : ""; }
  const char* firewall_service() const { return data_.IPv6FC.servicetype; }

 private:
  int search(const char* const* kinds, bool v6, const RouterControl::Cancelled& cancelled) {
    forget();
    int error = 0;
    UPNPDev* devices = ::upnpDiscoverDevices(kinds, upnp_discovery_ms, nullptr, nullptr,
                                             UPNP_LOCAL_PORT_ANY, v6 ? 1 : 0, 2, &error, 0);
    if (!devices) return 0;
    const int kind = cancelled() ? 0
                                 : ::UPNP_GetValidIGD(devices, &urls_, &data_, own_.data(),
                                                      static_cast<int>(own_.size()));
    ::freeUPNPDevlist(devices);
    found_ = kind != 0;
    return kind;
  }
  void forget() {
    if (std::exchange(found_, false)) ::FreeUPNPUrls(&urls_);
    urls_ = {};
    data_ = {};
  }

  UPNPUrls urls_{};
  IGDdatas data_{};
  std::array<char, 64> own_{};
  bool found_ = false;
};

std::string upnp_problem(const std::string& what, int code) {
  const char* words = ::strupnperror(code);
  return what + ": " + (words ? words : "UPnP error " + std::to_string(code));
}

class Upnp final : public RouterControl {
 public:
  std::string_view name() const override { return "upnp"; }

  bool find(const Cancelled& cancelled) override {
    // 1: it is connected; 2: it says that it is not, or its outside address is no public one, as
    // behind another NAT. What it maps may be of use all the same.
    const int kind = igd_.find(cancelled);
    return kind == 1 || kind == 2;
  }

  Outcome<PortMapping> map(Proto proto, std::uint16_t inside, std::uint16_t outside, Duration lease,
                           const Cancelled& cancelled) override {
    std::array<char, 64> address{};
    if (const int code =
            ::UPNP_GetExternalIPAddress(igd_.control(), igd_.service(), address.data()))
      return Problem{upnp_problem("it does not tell its outside address", code)};
    const auto ours = IpAddress::parse(address.data());
    if (!ours) return Problem{"the router names no outside address"};

    std::string port = std::to_string(outside);
    std::string seconds = std::to_string(seconds_of(lease));
    for (int attempt = 0; !cancelled(); ++attempt) {
      const int code = ::UPNP_AddPortMapping(
          igd_.control(), igd_.service(), port.c_str(), std::to_string(inside).c_str(), igd_.own(),
          description, word_for(proto), nullptr, seconds.c_str());
      if (code == UPNPCOMMAND_SUCCESS)
        return PortMapping{proto,
                           inside,
                           {*ours, static_cast<std::uint16_t>(std::stoul(port))},
                           std::chrono::seconds{std::stoul(seconds)}};
      if (attempt >= upnp_conflict_tries) return Problem{upnp_problem("it refused", code)};
      if (code == only_permanent_leases)
        seconds = "0";
      else if (code == conflict)
        port = std::to_string(first_other_port + (outside + 7919u * (attempt + 1u)) % other_ports);
      else
        return Problem{upnp_problem("it refused", code)};
    }
    return Problem{"given up"};
  }

  void unmap(const PortMapping& mapping, const Cancelled&) override {
    if (!igd_.is_found()) return;
    ::UPNP_DeletePortMapping(igd_.control(), igd_.service(),
                             std::to_string(mapping.outside.port).c_str(), word_for(mapping.proto),
                             nullptr);
  }

 private:
  static constexpr int conflict = 718;  // of the IGD specification
  static constexpr int only_permanent_leases = 725;
  static constexpr unsigned first_other_port = 20'000;
  static constexpr unsigned other_ports = 40'000;

  static const char* word_for(Proto proto) { return proto == Proto::udp ? "UDP" : "TCP"; }

  Igd igd_;
};

// A pinhole has a number, by which it is renewed and removed. Routers that care who asks for one
// want to be asked by IPv6, from the very address; others are only found by IPv4.
class UpnpPinhole final : public RouterControl {
 public:
  explicit UpnpPinhole(const IpAddress& listen) : listen_(listen) {}
  std::string_view name() const override { return "upnp"; }

  bool find(const Cancelled& cancelled) override {
    const auto own = listen_.is_unspecified() ? outgoing_v6() : listen_;
    if (!own) return false;
    if (own_ != *own) numbers_.clear();
    own_ = *own;
    for (const bool v6 : {true, false}) {
      if (cancelled()) return false;
      if (igd_.find_igd_2(v6, cancelled) == 0 || *igd_.firewall_service() == '\0') continue;
      int is_on = 0, may = 0;
      if (::UPNP_GetFirewallStatus(igd_.firewall(), igd_.firewall_service(), &is_on, &may) ==
              UPNPCOMMAND_SUCCESS &&
          may)
        return true;
    }
    return false;
  }

  Outcome<PortMapping> map(Proto proto, std::uint16_t inside, std::uint16_t, Duration lease,
                           const Cancelled& cancelled) override {
    const std::string seconds = std::to_string(seconds_of(lease));
    const PortMapping mapping{proto, inside, {own_, inside}, lease};
    const auto known = numbers_.find(proto);
    if (known != numbers_.end() &&
        ::UPNP_UpdatePinhole(igd_.firewall(), igd_.firewall_service(), known->second.c_str(),
                             seconds.c_str()) == UPNPCOMMAND_SUCCESS)
      return mapping;
    if (cancelled()) return Problem{"given up"};

    std::array<char, 16> number{};
    const std::string own = own_.to_string(), port = std::to_string(inside);
    const int code =
        ::UPNP_AddPinhole(igd_.firewall(), igd_.firewall_service(), "empty", "0", own.c_str(),
                          port.c_str(), number_of(proto), seconds.c_str(), number.data());
    if (code != UPNPCOMMAND_SUCCESS) return Problem{upnp_problem("it refused a pinhole", code)};
    number.back() = '\0';
    if (known != numbers_.end() && known->second != number.data()) remove(known->second);
    numbers_[proto] = number.data();
    return mapping;
  }

  void unmap(const PortMapping& mapping, const Cancelled&) override {
    const auto known = numbers_.find(mapping.proto);
    if (known == numbers_.end() || !igd_.is_found()) return;
    remove(known->second);
    numbers_.erase(known);
  }

 private:
  static const char* number_of(Proto proto) { return proto == Proto::udp ? "17" : "6"; }
  void remove(const std::string& number) {
    ::UPNP_DeletePinhole(igd_.firewall(), igd_.firewall_service(), number.c_str());
  }

  IpAddress listen_;
  IpAddress own_;
  Igd igd_;
  std::map<Proto, std::string> numbers_;
};

}  // namespace

std::unique_ptr<RouterControl> nat_pmp_control() {
  return std::make_unique<NatPmp>();
}
std::unique_ptr<RouterControl> upnp_control() {
  return std::make_unique<Upnp>();
}
std::unique_ptr<RouterControl> upnp_pinhole_control(const IpAddress& listen) {
  return std::make_unique<UpnpPinhole>(listen);
}
std::vector<std::unique_ptr<RouterControl>> router_controls(const IpAddress& listen) {
  std::vector<std::unique_ptr<RouterControl>> all;
  all.push_back(pcp_control(listen));
  if (listen.is_v6()) {
    all.push_back(upnp_pinhole_control(listen));
    return all;
  }
  all.push_back(nat_pmp_control());
  all.push_back(upnp_control());
  return all;
}

}  // namespace byway
