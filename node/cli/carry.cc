#include "node/cli/carry.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>

#include <boost/json/parse.hpp>

#include "node/cli/control_client.h"
#include "node/cli/copy.h"
#include "node/cli/text.h"
#include "node/cli/words.h"

namespace byway::cli {
namespace {

namespace json = boost::json;

struct End {
  std::string sentence;                  // empty: the peer has everything
  std::optional<double> sent, received;  // bytes, of lent ends
};

// Waits until the peer has everything. Nothing: interrupted.
std::optional<End> end_of(const std::string& state_dir, std::uint64_t token, int stop) {
  End end;
  auto client = ControlClient::connect(state_dir, end.sentence);
  if (!client) return end;
  client->send(control::Outcome{token});
  while (const auto reply = client->next(stop)) {
    const auto* line = std::get_if<control::Line>(&*reply);
    if (!line) {
      const auto* failed = std::get_if<control::Failed>(&*reply);
      if (failed) end.sentence = failed->sentence;
      return end;
    }
    json::error_code error;
    const json::value said = json::parse(line->json, error);
    if (error || !said.is_object()) continue;
    end.sent = number_at(said.get_object(), "sent");
    end.received = number_at(said.get_object(), "received");
  }
  return {};
}

}  // namespace

std::string Carried::moved() const {
  if (!sent || !received) return {};
  return " (" + bytes_in_words(*sent) + " sent, " + bytes_in_words(*received) + " received)";
}

void tell_carried(json::object& line, const Carried& carried) {
  const auto number = [](const std::optional<double>& n) {
    return n ? json::value(static_cast<std::uint64_t>(*n)) : json::value(nullptr);
  };
  line["sent"] = number(carried.sent);
  line["received"] = number(carried.received);
  line["why"] = carried.problem.empty() ? json::value(nullptr) : json::value(carried.problem);
}

std::string carried_in_words(const std::string& what, const Carried& carried) {
  return (carried.problem.empty() ? what + " ended" : what + ": " + printable(carried.problem)) +
         carried.moved();
}

Carried carry(const std::string& state_dir, UniqueFd stream, const control::Raw& raw,
              CarryEnds ends, const std::string& what) {
  signal(SIGPIPE, SIG_IGN);
  const bool in_lent = raw.borrows && ends.lent.in.is_open();
  const bool out_lent = raw.borrows && ends.lent.out.is_open();
  if (raw.borrows) lend(stream.get(), ends.lent);  // a node that is gone shows itself below
  ends.lent = {};
  const CopyResult copied = copy_both_ways({.in = ends.in,
                                            .out = ends.out,
                                            .stream = stream.get(),
                                            .stop = ends.stop,
                                            .in_lent = in_lent,
                                            .out_lent = out_lent,
                                            .until_peers_end = ends.until_peers_end,
                                            .in_name = ends.in_name,
                                            .out_name = ends.out_name});
  Carried carried;
  carried.stopped = copied.stopped;
  if (copied.stopped) return carried;
  stream.reset();
  std::optional<End> end{End{}};
  if (!copied.our_fault || copied.told) end = end_of(state_dir, raw.token, ends.stop);
  if (!end) {
    carried.stopped = true;
    return carried;
  }
  carried.sent = in_lent ? end->sent : static_cast<double>(copied.sent);
  carried.received = out_lent ? end->received : static_cast<double>(copied.received);
  if (copied.our_fault)
    carried.problem = what + " ended: " + copied.broken;
  else if (!end->sentence.empty())
    carried.problem = end->sentence;
  else if (!copied.broken.empty())
    carried.problem = what + " broke: " + copied.broken;
  return carried;
}

Carried carry_connection(const std::string& state_dir, UniqueFd stream, const control::Raw& raw,
                         UniqueFd connection, int stop) {
  const int at_once = 1;  // a keystroke does not wait for the next one
  setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  Carried carried;
  if (raw.borrows)
    carried = carry(state_dir, std::move(stream), raw,
                    {.in = connection.get(),
                     .out = connection.get(),
                     .lent = lendable_connection(connection.get()),
                     .stop = stop,
                     .in_name = "the connection",
                     .out_name = "the connection"},
                    "it");
  else
    carried.problem = "the node is of an older version than this program: start it again";
  const linger reset{1, 0};
  if (!carried.problem.empty() || carried.stopped)
    setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  return carried;
}

}  // namespace byway::cli
