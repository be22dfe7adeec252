// `byway forward`: a TCP port here whose connections come out at a peer's service.
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ostream>

#include "node/cli/carry.h"
#include "node/cli/children.h"
#include "node/cli/commands.h"
#include "node/cli/control_client.h"
#include "node/cli/interrupts.h"
#include "node/cli/stdio_stream.h"
#include "node/cli/tcp.h"
#include "node/cli/text.h"

namespace byway::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t max_connections = 64;  // each has a process, and a place at the node

struct Target {
  std::string peer, service;
};

std::optional<Target> parse_target(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size()) return {};
  return Target{text.substr(0, colon), text.substr(colon + 1)};
}

// One connection, in a process of its own. Its exit code.
int carry_one(const Call& call, const Target& target, UniqueFd connection, const std::string& from,
              const Interrupts& interrupts) {
  const std::string what = "the connection from " + from;
  Carried carried;
  auto client = ControlClient::connect(call.state_dir, carried.problem);
  if (client) {
    client->send(control::Pipe{.peer = target.peer, .service = target.service, .lends = true});
    const auto reply = client->next(interrupts.fd());
    if (!reply) return exit_interrupted;
    if (const auto* raw = std::get_if<control::Raw>(&*reply)) {
      carried = carry_connection(call.state_dir, client->take_stream(), *raw, std::move(connection),
                                 interrupts.fd());
    } else {
      const auto* failed = std::get_if<control::Failed>(&*reply);
      carried.problem = failed ? failed->sentence : "the node's answer makes no sense";
    }
  }
  if (carried.stopped) return exit_interrupted;
  json::object line{{"ended", from}};
  tell_carried(line, carried);
  call.tell(line, carried_in_words(what, carried));
  return carried.problem.empty() ? exit_done : exit_failed;
}

int serve(const Call& call, const Target& target, const UniqueFd& listener,
          const Interrupts& interrupts) {
  Children<std::string> children;
  while (true) {
    children.reap([](const std::string&, int) {});
    // A child that has ended makes room within the second.
    const bool has_room = children.count() < max_connections;
    std::array<pollfd, 2> polled{
        {{has_room ? listener.get() : -1, POLLIN, 0}, {interrupts.fd(), POLLIN, 0}}};
    poll(polled.data(), polled.size(), children.any() ? 1000 : -1);
    if (polled[1].revents != 0) {
      children.end_all();
      return exit_done;
    }
    if (polled[0].revents == 0) continue;
    UniqueFd connection{accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (!connection.is_open()) continue;  // its maker thought better of it
    const std::string from = remote_of(connection.get());
    call.tell({{"accepted", from}}, "a connection from " + from);
    const bool started = children.start(from, [&] {
      close(listener.get());
      return carry_one(call, target, std::move(connection), from, interrupts);
    });
    if (!started)
      call.err << "the connection from " << from << " was lost: " << strerrordesc_np(errno)
               << std::endl;
  }
}

int forward(Call& call) {
  const std::string &here = call.words[0], &there = call.words[1];
  const auto at = parse_tcp(here);
  if (!at) return call.usage(here + " is no TCP address: write PORT or HOST:PORT");
  const auto target = parse_target(there);
  if (!target) return call.usage(there + " is no service of a peer: write PEER:SERVICE");

  // A slip of the pen is told now, not to whoever connects later.
  if (const int code = ask(call, control::Whois{target->peer}, [](const std::string&) {}))
    return code;
  std::string problem;
  const UniqueFd listener = listen_tcp(*at, problem);
  if (!listener.is_open())
    return call.fail(at->text() + " cannot be listened on: " + problem +
                     "; choose another address or port (0: any)");
  const Interrupts interrupts;
  const std::string bound = local_of(listener.get());
  call.tell({{"forwarding", bound}, {"peer", target->peer}, {"service", target->service}},
            "forwarding " + bound + " to " + printable(target->service) + " of " +
                printable(target->peer));
  return serve(call, *target, listener, interrupts);
}

}  // namespace

Command forward_command() {
  return {.name = "forward",
          .synopsis = "[HOST:]PORT PEER:SERVICE [--json]",
          .summary = "let a TCP port here lead to a peer's service",
          .details =
              "Every connection to PORT (of 127.0.0.1, where no host is given; 0: any) becomes\n"
              "a stream to the service, which the peer offers with `byway listen SERVICE --to\n"
              "PORT`. Goes on until interrupted.\n\n"
              "  bob$ byway listen ssh --to 22 --allow ana\n"
              "  ana$ byway forward 2222 bob:ssh\n"
              "  ana$ ssh -p 2222 127.0.0.1\n",
          .describe = {},
          .least_words = 2,
          .most_words = 2,
          .run = forward};
}

}  // namespace byway::cli
