#include "protocol/message.h"

namespace byway {

std::string_view to_string(How how) {
  switch (how) {
    case How::local:
      return "local";
    case How::observed:
      return "observed";
    case How::mapped:
      return "mapped";
    case How::predicted:
      return "predicted";
  }
  return "unknown";
}

std::string_view to_string(Behaviour behaviour) {
  switch (behaviour) {
    case Behaviour::unknown:
      return "unknown";
    case Behaviour::none:
      return "none";
    case Behaviour::endpoint_independent:
      return "endpoint-independent";
    case Behaviour::address_dependent:
      return "address-dependent";
    case Behaviour::address_port_dependent:
      return "address-port-dependent";
    case Behaviour::blocked:
      return "blocked";
  }
  return "unknown";
}

std::string_view to_string(Ports ports) {
  switch (ports) {
    case Ports::unknown:
      return "unknown";
    case Ports::preserved:
      return "preserved";
    case Ports::sequential:
      return "sequential";
    case Ports::block:
      return "block";
    case Ports::random:
      return "random";
  }
  return "unknown";
}

std::string_view to_string(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::busy:
      return "busy";
    case RefusalReason::stale:
      return "clocks too far apart";
    case RefusalReason::unwilling:
      return "unwilling";
    case RefusalReason::not_supernode:
      return "not a supernode";
    case RefusalReason::version:
      return "another protocol version";
  }
  return "unknown";
}

std::string_view to_string(IntroduceOutcome outcome) {
  switch (outcome) {
    case IntroduceOutcome::passed:
      return "passed on";
    case IntroduceOutcome::not_here:
      return "not here";
    case IntroduceOutcome::busy:
      return "busy";
    case IntroduceOutcome::quota:
      return "over quota";
  }
  return "unknown";
}

std::string_view name_of(const Message& message) {
  constexpr std::string_view names[] = {
      "ping",         "pong",  "register", "registered", "introduce", "introduce-result",
      "introduction", "reach", "bye",      "refused",    "samples",   "home-gone"};
  static_assert(std::size(names) == std::variant_size_v<Message>);
  return names[message.index()];
}

}  // namespace byway
