// `byway listen`: offers a service to peers: one stream on standard input and output, or a command
// or a connection for each stream.
#include <poll.h>
#include <unistd.h>

#include <array>
#include <boost/json/parse.hpp>
#include <cerrno>
#include <cstring>
#include <functional>
#include <ostream>

#include "node/cli/carry.h"
#include "node/cli/children.h"
#include "node/cli/commands.h"
#include "node/cli/control_client.h"
#include "node/cli/interrupts.h"
#include "node/cli/stdio_stream.h"
#include "node/cli/tcp.h"
#include "node/cli/text.h"
#include "node/cli/words.h"
#include "node/json_text.h"

namespace byway::cli {
namespace {

namespace json = boost::json;
namespace po = boost::program_options;

struct Offer {
  std::uint64_t token = 0;
  std::string id, name;  // the peer's; name: a contact's, or empty
  std::string peer;      // for people: the name, else the beginning of the id
};

// A stream somebody opened, from a line {"accept":TOKEN,"peer":…}. Other lines are no offer.
std::optional<Offer> offer_in(const std::string& line) {
  json::error_code error;
  const json::value parsed = json::parse(line, error);
  if (error || !parsed.is_object()) return {};
  const json::value* token = parsed.get_object().if_contains("accept");
  if (!token || !token->is_number()) return {};
  json::error_code inexact;
  const auto number = token->to_number<std::uint64_t>(inexact);
  if (inexact) return {};
  const json::object& object = parsed.get_object();
  return Offer{number, text_at(object, "peer"), text_at(object, "name"), who(object, "peer")};
}

struct Taken {
  UniqueFd stream;
  control::Raw raw;
};

// Takes an offered stream. None: the peer thought better of it meanwhile, and `problem` says so.
std::optional<Taken> accept(const Call& call, const Offer& offer, bool lends,
                            std::string& problem) {
  auto client = ControlClient::connect(call.state_dir, problem);
  if (!client) return {};
  client->send(control::Accept{offer.token, lends});
  const auto reply = client->next();
  if (const auto* raw = std::get_if<control::Raw>(&*reply))
    return Taken{client->take_stream(), *raw};
  const auto* failed = std::get_if<control::Failed>(&*reply);
  problem = failed ? failed->sentence : "the stream is gone";
  return {};
}

int serve_one(const Call& call, ControlClient node, const Interrupts& interrupts) {
  while (true) {
    const auto reply = node.next(interrupts.fd());
    if (!reply) return exit_interrupted;
    if (const auto* failed = std::get_if<control::Failed>(&*reply))
      return call.fail(failed->sentence);
    const auto* line = std::get_if<control::Line>(&*reply);
    if (!line) return call.fail("the node stopped listening");
    const auto offer = offer_in(line->json);
    if (!offer) {
      call.err << "listening for one stream to " << printable(call.words[0]) << std::endl;
      continue;
    }
    std::string problem;
    LentEnds lent = lendable_stdio();
    auto taken = accept(call, *offer, lent.any(), problem);
    if (!taken) {
      call.err << "a stream from " << offer->peer << " was lost: " << printable(problem)
               << std::endl;
      continue;
    }
    // One stream was promised: whoever comes next is to be told so by the node, not left waiting.
    node.take_stream().reset();
    return carry_on_stdio(call, std::move(taken->stream), taken->raw, std::move(lent), interrupts,
                          "the stream from " + offer->peer);
  }
}

using Served = Children<Offer>;

// Begins to serve a stream. False: it is lost, and that has been said.
using Begin = std::function<bool(Served&, const Offer&)>;
// A child has ended, so (waitpid).
using Ended = std::function<void(const Offer&, int)>;

int serve_all(const Call& call, ControlClient node, const Interrupts& interrupts,
              const Begin& begin, const Ended& ended) {
  Served children;
  while (true) {
    children.reap(ended);
    while (const auto reply = node.next_if_there()) {
      if (const auto* failed = std::get_if<control::Failed>(&*reply)) {
        children.end_all();
        return call.fail(failed->sentence);
      }
      const auto* line = std::get_if<control::Line>(&*reply);
      if (!line) {
        children.end_all();
        return call.fail("the node stopped listening");
      }
      const auto offer = offer_in(line->json);
      if (call.json) call.print(line->json);
      if (!offer) {
        if (!call.json) call.print("listening for streams to " + printable(call.words[0]));
        continue;
      }
      if (!call.json) call.print("a stream from " + offer->peer);
      begin(children, *offer);
    }
    std::array<pollfd, 2> polled{{{node.fd(), POLLIN, 0}, {interrupts.fd(), POLLIN, 0}}};
    // A child's end is noticed within the second: only its message waits for that.
    poll(polled.data(), polled.size(), children.any() ? 1000 : -1);
    if (polled[1].revents == 0) continue;
    children.end_all();
    return exit_done;
  }
}

bool lost(const Call& call, const Offer& offer, const std::string& problem) {
  call.err << "a stream from " << offer.peer << " was lost: " << printable(problem) << std::endl;
  return false;
}

// Each stream becomes standard input and output of `sh -c command`.
int serve_by_command(const Call& call, ControlClient node, const Interrupts& interrupts,
                     const std::string& command) {
  const auto begin = [&](Served& children, const Offer& offer) {
    std::string problem;
    const auto taken = accept(call, offer, false, problem);
    if (!taken) return lost(call, offer, problem);
    const bool started = children.start(offer, [&] {
      Interrupts::restore_in_child();
      dup2(taken->stream.get(), STDIN_FILENO);
      dup2(taken->stream.get(), STDOUT_FILENO);
      setenv("BYWAY_PEER", offer.id.c_str(), 1);
      setenv("BYWAY_PEER_NAME", offer.name.c_str(), 1);
      execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
      return 127;
    });
    return started || lost(call, offer, strerrordesc_np(errno));
  };
  const auto ended = [&](const Offer& offer, int status) {
    const bool by_signal = WIFSIGNALED(status);
    const int value = by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
    const std::string how = (by_signal ? "signal " : "exit code ") + std::to_string(value);
    call.tell({{"ended", offer.id}, {"name", offer.name}, {by_signal ? "signal" : "exit", value}},
              "ended for " + offer.peer + " with " + how);
  };
  return serve_all(call, std::move(node), interrupts, begin, ended);
}

// Each stream is taken to a connection of its own.
int serve_by_connection(const Call& call, ControlClient node, const Interrupts& interrupts,
                        const TcpAddress& to) {
  // The connection first, but a stream that cannot have one is taken all the same: so its peer
  // hears at once that nobody is there.
  const auto carry_one = [&](const Offer& offer) {
    std::string why, problem;
    UniqueFd connection = connect_tcp(to, interrupts.fd(), why);
    auto taken = accept(call, offer, true, problem);
    if (taken && !connection.is_open()) problem = to.text() + " did not take it: " + why;
    if (!problem.empty()) return lost(call, offer, problem), exit_failed;
    const Carried carried = carry_connection(call.state_dir, std::move(taken->stream), taken->raw,
                                             std::move(connection), interrupts.fd());
    if (carried.stopped) return exit_interrupted;
    json::object line{{"ended", offer.id}, {"name", offer.name}};
    tell_carried(line, carried);
    call.tell(line, carried_in_words("the stream from " + offer.peer, carried));
    return carried.problem.empty() ? exit_done : exit_failed;
  };
  const auto begin = [&, listens = node.fd()](Served& children, const Offer& offer) {
    const bool started = children.start(offer, [&] {
      close(listens);  // whoever listens is gone when the parent is
      return carry_one(offer);
    });
    return started || lost(call, offer, strerrordesc_np(errno));
  };
  return serve_all(call, std::move(node), interrupts, begin, [](const Offer&, int) {});
}

int listen(Call& call) {
  const bool by_command = call.has("exec"), by_connection = call.has("to");
  if (by_command && by_connection)
    return call.usage("--exec and --to cannot both have a stream: leave one of them away");
  if (call.json && !by_command && !by_connection)
    return call.usage(
        "--json cannot go with a stream on standard output: leave it away, or add --exec or --to");
  std::optional<TcpAddress> to;
  if (by_connection) {
    const std::string& text = call.options["to"].as<std::string>();
    to = parse_tcp(text);
    if (!to || to->port == "0")
      return call.usage("--to " + text + " is no TCP address: write PORT or HOST:PORT");
  }

  control::Listen request{.service = call.words[0], .allow = {}};
  if (call.has("allow")) request.allow = call.options["allow"].as<std::vector<std::string>>();
  std::string problem;
  auto node = ControlClient::connect(call.state_dir, problem);
  if (!node) return call.fail(problem);
  const Interrupts interrupts;
  node->send(request);
  if (by_command)
    return serve_by_command(call, std::move(*node), interrupts,
                            call.options["exec"].as<std::string>());
  if (by_connection) return serve_by_connection(call, std::move(*node), interrupts, *to);
  return serve_one(call, std::move(*node), interrupts);
}

}  // namespace

Command listen_command() {
  return {
      .name = "listen",
      .synopsis = "SERVICE [--allow PEER …] [--exec CMD | --to [HOST:]PORT] [--json]",
      .summary = "offer a service to peers: one stream here, or a command or connection for each",
      .details =
          "Without --exec the first stream to SERVICE is connected to standard input and\n"
          "output, and the command ends with it. With --exec every stream gets a CMD of\n"
          "its own, whose standard input and output it is, and BYWAY_PEER says whose it\n"
          "is; with --to every stream is taken to a TCP connection, as for a web or SSH\n"
          "server here. Both go on until interrupted.\n\n"
          "  bob$ byway listen ssh --to 22 --allow ana\n"
          "  ana$ byway forward 2222 bob:ssh\n",
      .describe =
          [](po::options_description& options) {
            options.add_options()  //
                ("allow", po::value<std::vector<std::string>>()->composing()->value_name("PEER"),
                 "only this peer; may be given again (default: every contact)")  //
                ("exec", po::value<std::string>()->value_name("CMD"),
                 "run CMD with the shell for each stream")  //
                ("to", po::value<std::string>()->value_name("[HOST:]PORT"),
                 "connect each stream to this TCP port, of this host where none is given");
          },
      .least_words = 1,
      .most_words = 1,
      .run = listen};
}

}  // namespace byway::cli
