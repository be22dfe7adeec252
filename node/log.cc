#include "node/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <variant>

namespace byway {
namespace {

template <typename... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <typename... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

double ms(Duration duration) {
  return to_ms(duration);
}

}  // namespace

bool is_log_level(std::string_view level) {
  for (const std::string_view known : {"trace", "debug", "info", "warn", "error", "off"})
    if (level == known) return true;
  return false;
}

void start_logging(const std::string& level) {
  auto logger =
      std::make_shared<spdlog::logger>("byway", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e level=%l %v");
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
}

void log_info(std::string_view line) {
  spdlog::info("{}", line);
}
void log_warn(std::string_view line) {
  spdlog::warn("{}", line);
}
void log_debug(std::string_view line) {
  spdlog::debug("{}", line);
}

std::string quoted(std::string_view text) {
  std::string out;
  bool plain = !text.empty();
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == ' ' || c == '=') plain = false;
    if (c == '"' || c == '\\') {
      plain = false;
      out += '\\';
      out += c;
    } else if (code < 0x20 || code >= 0x7f) {
      plain = false;
      out += fmt::format("\\x{:02x}", code);
    } else {
      out += c;
    }
  }
  return plain ? out : '"' + out + '"';
}

void log_event(const Event& event) {
  std::visit(
      Overloaded{
          [](const HomeGained& home) {
            spdlog::info("event=home-gained home={} endpoint={} observed={} rtt_ms={:.1f}",
                         home.id.short_string(), home.endpoint.to_string(),
                         home.observed.to_string(), ms(home.rtt));
          },
          [](const HomeLost& home) {
            spdlog::warn("event=home-lost home={} endpoint={} why={}", home.id.short_string(),
                         home.endpoint.to_string(), quoted(home.why));
          },
          [](const HomeUnreachable& home) {
            spdlog::warn("event=home-unreachable endpoint={} why={}", home.endpoint.to_string(),
                         quoted(home.why));
          },
          [](const Ready&) { spdlog::info("event=ready"); },
          [](const PathChanged& path) {
            spdlog::info("event=path peer={} path={} method={} endpoint={}{} rtt_ms={:.1f}{}",
                         path.peer.short_string(), to_string(path.kind), to_string(path.method),
                         path.endpoint.to_string(),
                         path.kind == PathKind::relay ? " via=" + path.via.short_string() : "",
                         ms(path.rtt), path.why.empty() ? "" : " why=" + quoted(path.why));
          },
          [](const PeerConnected& peer) {
            spdlog::info("event=peer-connected peer={}", peer.peer.short_string());
          },
          [](const PeerLost& peer) {
            spdlog::info("event=peer-lost peer={} why={}", peer.peer.short_string(),
                         quoted(peer.why));
          },
          [](const PeerUnreachable& peer) {
            spdlog::info("event=peer-unreachable peer={} why={}", peer.peer.short_string(),
                         quoted(peer.why));
          },
          [](const StreamOpened& stream) {
            spdlog::debug("event=stream-opened stream={} peer={} service={}", stream.stream,
                          stream.peer.short_string(), quoted(stream.header.service));
          },
          [](const StreamReadable&) {},
          [](const StreamWritable&) {},
          [](const StreamUnread&) {},
          [](const StreamClosed& stream) {
            spdlog::debug("event=stream-closed stream={} why={}", stream.stream,
                          quoted(stream.why));
          },
          [](const RoleChanged& changed) {
            spdlog::info("event=role role={} why={}", changed.role, quoted(changed.why));
          },
          [](const SupernodeGained& gained) {
            spdlog::debug("event=supernode-gained id={}", gained.id.short_string());
          },
          [](const SupernodeLost& lost) {
            spdlog::debug("event=supernode-lost id={} why={}", lost.id.short_string(),
                          quoted(lost.why));
          },
          [](const LookedUp& found) {
            spdlog::debug("event=looked-up target={} outcome={} home={}",
                          found.target.short_string(), found.outcome, found.home.short_string());
          },
          [](const Moved& moved) {
            spdlog::info("event=moved before={} now={}", moved.before.to_string(),
                         moved.now.to_string());
          },
          [](const MappingDoubted& doubted) {
            spdlog::warn("event=port-mapping-doubted outside={} seen={} then=\"not used\"",
                         doubted.outside.to_string(), doubted.seen.to_string());
          },
          [](const SurveyDone& done) {
            spdlog::debug("event=survey-done supernode={}{}", done.whom.short_string(),
                          done.why.empty() ? "" : " why=" + quoted(done.why));
          },
          // What happens to this node itself is its life's story: proved, joined, alone, …
          [](const Step& step) {
            if (step.peer.is_nobody()) return spdlog::info("event=self text={}", quoted(step.text));
            spdlog::debug("event=step peer={} text={}", step.peer.short_string(),
                          quoted(step.text));
          },
      },
      event);
}

}  // namespace byway
