#include "overlay/core/events.h"

#include "overlay/core/io.h"

namespace byway {

std::string_view to_string(TcpEnd end) {
  switch (end) {
    case TcpEnd::refused:
      return "refused";
    case TcpEnd::timed_out:
      return "no answer";
    case TcpEnd::taken:
      return "already connected";
    case TcpEnd::closed:
      return "closed by the other end";
    case TcpEnd::broken:
      return "not the language of this program";
    case TcpEnd::unable:
      return "this host could not";
  }
  return "unknown";
}

std::string_view to_string(PathKind kind) {
  switch (kind) {
    case PathKind::none:
      return "none";
    case PathKind::direct_udp:
      return "direct-udp";
    case PathKind::direct_tcp:
      return "direct-tcp";
    case PathKind::relay:
      return "relay";
  }
  return "unknown";
}

std::string_view to_string(StepKind kind) {
  switch (kind) {
    case StepKind::note:
      return "note";
    case StepKind::call:
      return "call";
    case StepKind::lan:
      return "lan";
    case StepKind::knock:
      return "knock";
    case StepKind::ports:
      return "ports";
    case StepKind::tcp:
      return "tcp";
    case StepKind::session:
      return "session";
    case StepKind::proved:
      return "proved";
    case StepKind::path:
      return "path";
    case StepKind::moved:
      return "moved";
    case StepKind::lost:
      return "lost";
    case StepKind::not_found:
      return "not-found";
  }
  return "?";
}

std::string_view to_string(Method method) {
  switch (method) {
    case Method::none:
      return "none";
    case Method::open:
      return "public";
    case Method::reverse:
      return "reverse";
    case Method::punch:
      return "punch";
    case Method::predicted:
      return "predicted";
    case Method::birthday:
      return "birthday";
    case Method::lan:
      return "lan";
    case Method::hairpin:
      return "hairpin";
    case Method::mapped:
      return "mapped";
    case Method::tcp_punch:
      return "tcp-punch";
    case Method::relay:
      return "relay";
  }
  return "unknown";
}

}  // namespace byway
