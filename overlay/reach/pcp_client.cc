#include "overlay/reach/pcp_client.h"

#include <algorithm>

#include "overlay/reach/pcp_limits.h"

namespace byway {
namespace {

std::uint32_t seconds_of(Duration duration) {
  return static_cast<std::uint32_t>(duration / 1s);
}

}  // namespace

PcpClient::PcpClient(Random random, const Endpoint& server, const IpAddress& own)
    : random_(std::move(random)), server_(server), own_(own) {}

// --- commands ------------------------------------------------------------------------------------

void PcpClient::announce(TimePoint now) {
  ask(now, Wish::announce, {.own = own_});
}

void PcpClient::map(TimePoint now, Proto proto, std::uint16_t inside, std::uint16_t wish,
                    Duration lifetime) {
  if (const auto refused = refused_.find({proto, inside}); refused != refused_.end()) {
    const auto [until, code] = refused->second;
    if (now < until) {
      asking_.reset();
      transmit_.reset();
      return end({.kind = Kind::refused, .code = code});
    }
    refused_.erase(refused);
  }
  PcpMap& map = known(proto, inside);
  if (!map.outside.is_set()) map.outside.port = wish;
  ask(now, Wish::map, {.own = own_, .lifetime_s = seconds_of(lifetime), .map = map});
}

void PcpClient::unmap(TimePoint now, Proto proto, std::uint16_t inside) {
  ask(now, Wish::unmap, {.own = own_, .lifetime_s = 0, .map = known(proto, inside)});
}

PcpMap& PcpClient::known(Proto proto, std::uint16_t inside) {
  const auto [entry, is_new] = maps_.try_emplace({proto, inside});
  PcpMap& map = entry->second;
  if (!is_new) return map;
  map = {.nonce = random_.bytes<12>(), .proto = proto, .inside = inside, .outside = {}};
  if (own_.is_v6()) map.outside.address = IpAddress::v6({});  // any, but of this family
  return map;
}

void PcpClient::ask(TimePoint now, Wish wish, PcpQuestion question) {
  outcome_.reset();
  asking_ = Asking{wish, std::move(question), now, limits::pcp::first_wait};
  on_timeout(now);
}

// --- facts ---------------------------------------------------------------------------------------

void PcpClient::on_timeout(TimePoint now) {
  if (!asking_ || now < asking_->due) return;
  if (asking_->sent >= limits::pcp::sends) return end({.kind = Kind::silent});
  transmit_ = encode(asking_->question);
  ++asking_->sent;
  asking_->due = now + asking_->wait;
  asking_->wait *= 2;
}

bool PcpClient::on_datagram(TimePoint now, const Endpoint& from, ByteView datagram) {
  const auto answer = parse_pcp_answer(datagram);
  if (!asking_ || from != server_ || !answer || !is_answer(*answer)) {
    ++ignored_;
    return false;
  }
  if (answer->version != pcp_version) {
    end({.kind = Kind::no_pcp, .code = answer->code});
    return true;
  }
  if (epoch_.on_answer(now, answer->epoch_s)) restarted_ = true;
  if (asking_->wish == Wish::announce)
    end({.kind = Kind::there});  // whatever it says: this is a server
  else if (answer->code != PcpCode::success)
    on_refusal(now, *answer);
  else
    on_map(*answer);
  return true;
}

// Another version's refusal repeats nothing of the question; whoever can send it from the server's
// endpoint could as well be silent.
bool PcpClient::is_answer(const PcpAnswer& answer) const {
  if (answer.version != pcp_version) return true;
  const auto& asked = asking_->question.map;
  if (asked.has_value() != answer.map.has_value()) return false;
  return !asked || (asked->nonce == answer.map->nonce && asked->proto == answer.map->proto &&
                    asked->inside == answer.map->inside);
}

void PcpClient::on_map(const PcpAnswer& answer) {
  const PcpMap& granted = *answer.map;
  const Duration lifetime =
      std::min<Duration>(std::chrono::seconds{answer.lifetime_s}, limits::pcp::longest_lifetime);
  if (asking_->wish != Wish::map) return end({.kind = Kind::removed});
  if (lifetime < limits::pcp::shortest_lifetime)
    return end({.kind = Kind::refused, .code = PcpCode::no_resources});
  if (granted.outside.is_set())
    known(granted.proto, granted.inside).outside.port = granted.outside.port;
  end({.kind = Kind::mapped, .outside = granted.outside, .lifetime = lifetime});
}

void PcpClient::on_refusal(TimePoint now, const PcpAnswer& answer) {
  const PcpMap& asked = *asking_->question.map;
  if (asking_->wish == Wish::unmap && answer.code == PcpCode::not_authorized) {
    PcpQuestion question = asking_->question;
    question.lifetime_s = seconds_of(limits::pcp::shortest_asked);
    return ask(now, Wish::shorten, std::move(question));
  }
  if (asking_->wish == Wish::map && answer.lifetime_s > 0)
    refused_[{asked.proto, asked.inside}] = {
        now +
            std::min<Duration>(std::chrono::seconds{answer.lifetime_s}, limits::pcp::longest_error),
        answer.code};
  end({.kind = Kind::refused, .code = answer.code});
}

// --- decisions -----------------------------------------------------------------------------------

void PcpClient::end(const Outcome& outcome) {
  asking_.reset();
  outcome_ = outcome;
}

std::optional<Bytes> PcpClient::poll_transmit() {
  return std::exchange(transmit_, std::nullopt);
}

std::optional<TimePoint> PcpClient::next_timeout() const {
  if (!asking_) return {};
  return asking_->due;
}

std::optional<PcpClient::Outcome> PcpClient::poll_outcome() {
  return std::exchange(outcome_, std::nullopt);
}

}  // namespace byway
