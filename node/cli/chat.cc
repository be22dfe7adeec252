// `byway chat`: several conversations on one screen, or lines through a pipe.
//
// The node sends messages and news of paths over one connection as they happen. Every line typed is
// a `say` of its own, one at a time for each peer, so that lines arrive in the order they were
// typed and each is known to have arrived. A slow ping to each peer opened keeps its path and time
// in the prompt true and its link warm.
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <ostream>

#include "node/apps/app_codec.h"
#include "node/cli/chat_room.h"
#include "node/cli/commands.h"
#include "node/cli/control_client.h"
#include "node/cli/interrupts.h"
#include "node/cli/line_editor.h"
#include "node/cli/names.h"
#include "node/cli/terminal.h"
#include "node/cli/text.h"
#include "node/cli/words.h"
#include "node/json_text.h"

namespace byway::cli {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t max_waiting = 64;  // lines; more are read when these have gone
constexpr std::size_t max_line = apps::max_chat_text;
constexpr std::size_t longest_character = 4;
constexpr std::uint32_t echo_interval_ms = 10'000;
constexpr auto try_again_after = 30s;

std::optional<json::object> object_in(const std::string& line) {
  json::error_code error;
  json::value parsed = json::parse(line, error);
  if (error || !parsed.is_object()) return {};
  return std::move(parsed.get_object());
}

// Lines on their way, in order for each peer.
class Outbox {
 public:
  struct Outcome {
    std::string peer, text;
    json::object answer;
    std::string failed;  // empty: delivered
  };

  explicit Outbox(const std::string& state_dir) : state_dir_{state_dir} {}

  void add(const std::string& peer, const std::string& text) {
    queues_[peer].push_back(text);
    ++waiting_;
  }
  bool full() const { return waiting_ >= max_waiting; }
  bool empty() const { return waiting_ == 0; }

  void watch(std::vector<pollfd>& polled) const {
    for (const auto& [peer, client] : busy_) polled.push_back({client.fd(), POLLIN, 0});
  }

  // Sends what may go, and tells what became of what was sent.
  std::vector<Outcome> progress() {
    std::vector<Outcome> outcomes;
    for (auto queue = queues_.begin(); queue != queues_.end();) {
      while (!queue->second.empty() && step(queue->first, queue->second, outcomes)) continue;
      queue = queue->second.empty() ? queues_.erase(queue) : std::next(queue);
    }
    return outcomes;
  }

 private:
  // True: the first line's fate is known, go on with the next.
  bool step(const std::string& peer, std::deque<std::string>& queue,
            std::vector<Outcome>& outcomes) {
    Outcome outcome{.peer = peer, .text = queue.front(), .answer = {}, .failed = {}};
    if (!busy_.contains(peer)) {
      auto client = ControlClient::connect(state_dir_, outcome.failed);
      if (client) {
        client->send(control::Say{.peer = peer, .text = queue.front()});
        busy_.emplace(peer, std::move(*client));
        answers_.erase(peer);
      }
    }
    if (outcome.failed.empty()) {
      const auto reply = busy_.at(peer).next_if_there();
      if (!reply) return false;
      if (const auto* line = std::get_if<control::Line>(&*reply)) {
        if (auto answer = object_in(line->json)) answers_[peer] = std::move(*answer);
        return step(peer, queue, outcomes);
      }
      if (const auto* failed = std::get_if<control::Failed>(&*reply))
        outcome.failed = failed->sentence;
    }
    outcome.answer = answers_[peer];
    answers_.erase(peer);
    busy_.erase(peer);
    queue.pop_front();
    --waiting_;
    outcomes.push_back(std::move(outcome));
    return true;
  }

  std::string state_dir_;
  std::map<std::string, std::deque<std::string>> queues_;
  std::map<std::string, ControlClient> busy_;
  std::map<std::string, json::object> answers_;
  std::size_t waiting_ = 0;
};

// --- through a pipe
// -------------------------------------------------------------------------------

// Lines of standard input go to one peer, messages to standard output; ends when the input has
// ended and all of it has arrived.
int chat_by_lines(const Call& call, ControlClient node, const Interrupts& interrupts) {
  if (call.words.empty())
    return call.usage(
        "standard input is no terminal: name the peer its lines go to, `byway chat PEER`");
  const std::string& peer = call.words[0];
  Outbox outbox{call.state_dir};
  std::string partial;
  std::string first_failure;
  bool ended = false;
  ChatRoom room;

  const auto take_line = [&](std::string line) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) outbox.add(peer, line);
  };
  while (true) {
    for (const Outbox::Outcome& outcome : outbox.progress()) {
      if (!outcome.failed.empty() && first_failure.empty()) first_failure = outcome.failed;
      if (call.json && outcome.failed.empty()) call.print(json_text(outcome.answer));
    }
    while (const auto reply = node.next_if_there()) {
      const auto* line = std::get_if<control::Line>(&*reply);
      const auto* failed = std::get_if<control::Failed>(&*reply);
      if (!line) return call.fail(failed ? failed->sentence : "the node ended the chat");
      if (call.json) {
        call.print(line->json);
        continue;
      }
      const auto event = object_in(line->json);
      if (!event || text_at(*event, "event") != "message") continue;
      for (const Shown& shown : room.on_event(*event))
        if (shown.kind == Shown::Kind::message) call.print(shown.text);
    }
    if (ended && outbox.empty()) break;

    std::vector<pollfd> polled{{node.fd(), POLLIN, 0},
                               {interrupts.fd(), POLLIN, 0},
                               {ended || outbox.full() ? -1 : STDIN_FILENO, POLLIN, 0}};
    outbox.watch(polled);
    poll(polled.data(), polled.size(), -1);
    if (polled[1].revents != 0) {
      if (outbox.empty()) return exit_done;
      return call.fail("interrupted before every line had arrived");
    }
    if (polled[2].revents == 0) continue;

    std::array<char, 4096> chunk;
    const ssize_t n = read(STDIN_FILENO, chunk.data(), chunk.size());
    if (n <= 0) {
      ended = true;
      take_line(std::exchange(partial, {}));
      continue;
    }
    for (const char byte : std::string_view{chunk.data(), static_cast<std::size_t>(n)}) {
      // A line too long for one text becomes several, cut between two characters.
      const bool begins = (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
      const bool full =
          partial.size() >= max_line || (begins && partial.size() + longest_character > max_line);
      if (byte == '\n' || full) take_line(std::exchange(partial, {}));
      if (byte != '\n') partial += byte;
    }
  }
  return first_failure.empty() ? exit_done : call.fail(first_failure);
}

// --- on a terminal
// --------------------------------------------------------------------------------

class Screen {
 public:
  explicit Screen(const Call& call)
      : call_{call}, raw_{STDIN_FILENO}, colour_{wants_colour(STDOUT_FILENO)} {}
  ~Screen() { call_.out << LineEditor::clear_row() << std::flush; }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void show(const ShownLines& lines) {
    if (lines.empty()) return;
    call_.out << LineEditor::clear_row();
    // One column is left free: a row that fills the last one makes some terminals skip a line.
    const std::size_t columns = std::max<std::size_t>(columns_of(STDOUT_FILENO), 21) - 1;
    for (const Shown& line : lines) call_.out << painted(line, columns) << "\n";
  }
  void draw(const LineEditor& editor, const std::string& prompt) {
    call_.out << editor.render(prompt, columns_of(STDOUT_FILENO)) << std::flush;
  }
  void clear() { call_.out << "\x1b[H\x1b[2J"; }

 private:
  std::string painted(const Shown& line, std::size_t columns) const {
    const bool news = line.kind == Shown::Kind::notice || line.kind == Shown::Kind::trouble;
    const std::string text = wrapped((news ? "* " : "") + line.text, columns, 2);
    if (!colour_) return text;
    const char* colour = line.kind == Shown::Kind::message   ? "\x1b[36m"
                         : line.kind == Shown::Kind::notice  ? "\x1b[2m"
                         : line.kind == Shown::Kind::trouble ? "\x1b[33m"
                                                             : "";
    return colour + text + "\x1b[0m";
  }

  const Call& call_;
  RawTerminal raw_;
  bool colour_;
};

class Conversation {
 public:
  Conversation(const Call& call, ControlClient node, const Interrupts& interrupts)
      : call_{call},
        node_{std::move(node)},
        interrupts_{interrupts},
        outbox_{call.state_dir},
        screen_{call} {}

  // Empty: the person left.
  std::string run() {
    learn_contacts();
    if (call_.words.empty())
      screen_.show({{Shown::Kind::notice, "write /to PEER to begin, /help for help"}});
    else
      open(call_.words[0]);

    while (!left_) {
      const std::string trouble = take_news();
      if (!trouble.empty()) return trouble;
      if (left_) break;
      screen_.draw(editor_, room_.prompt());
      wait();
    }
    return {};
  }

 private:
  void learn_contacts() {
    names_.forget();
    for (const auto& [id, name] : names_.by_id()) room_.learn_contact(name, id);
  }

  // News of a path, with the relay's name.
  ShownLines on_path(const std::string& key, json::object facts) {
    names_.name_relay(facts);
    return room_.on_path(key, facts);
  }

  void open(const std::string& peer) {
    learn_contacts();
    watch_path(room_.open(peer));
  }

  void watch_path(const std::string& key) {
    retry_at_.erase(key);
    if (pings_.contains(key)) return;
    std::string problem;
    auto client = ControlClient::connect(call_.state_dir, problem);
    if (!client) return;
    client->send(control::Ping{.peer = key, .count = 0, .interval_ms = echo_interval_ms});
    pings_.emplace(key, std::move(*client));
  }

  // Everything that has come meanwhile. A sentence when the node is gone.
  std::string take_news() {
    while (const auto reply = node_.next_if_there()) {
      const auto* line = std::get_if<control::Line>(&*reply);
      const auto* failed = std::get_if<control::Failed>(&*reply);
      if (!line) return failed ? failed->sentence : "the node ended the chat";
      if (auto event = object_in(line->json)) {
        names_.name_relay(*event);
        screen_.show(room_.on_event(*event));
      }
    }
    for (const Outbox::Outcome& outcome : outbox_.progress()) {
      if (outcome.failed.empty()) {
        screen_.show(on_path(outcome.peer, outcome.answer));
        watch_path(outcome.peer);
      } else {
        screen_.show(room_.on_undelivered(outcome.peer, outcome.text, outcome.failed));
      }
    }
    for (auto ping = pings_.begin(); ping != pings_.end();)
      ping = take_echoes(ping->first, ping->second) ? std::next(ping) : pings_.erase(ping);
    const auto due = std::exchange(retry_at_, {});
    for (const auto& [key, when] : due)
      if (when <= Clock::now())
        watch_path(key);
      else
        retry_at_[key] = when;
    return {};
  }

  // False: this ping has ended, and is to be tried again later.
  bool take_echoes(const std::string& key, ControlClient& ping) {
    while (const auto reply = ping.next_if_there()) {
      if (const auto* line = std::get_if<control::Line>(&*reply)) {
        const auto echo = object_in(line->json);
        if (echo && number_at(*echo, "rtt_ms") >= 0) screen_.show(on_path(key, *echo));
        continue;
      }
      if (const auto* failed = std::get_if<control::Failed>(&*reply))
        screen_.show(room_.on_unreachable(key, failed->sentence));
      retry_at_[key] = Clock::now() + try_again_after;
      return false;
    }
    return true;
  }

  void wait() {
    std::vector<pollfd> polled{{node_.fd(), POLLIN, 0},
                               {interrupts_.fd(), POLLIN, 0},
                               {outbox_.full() ? -1 : STDIN_FILENO, POLLIN, 0}};
    outbox_.watch(polled);
    for (const auto& [key, ping] : pings_) polled.push_back({ping.fd(), POLLIN, 0});
    poll(polled.data(), polled.size(), retry_at_.empty() ? -1 : 5000);
    if (polled[1].revents != 0) left_ = true;
    if (polled[2].revents != 0) read_keys();
  }

  void read_keys() {
    std::array<char, 4096> keys;
    const ssize_t n = read(STDIN_FILENO, keys.data(), keys.size());
    if (n <= 0) {
      left_ = true;  // the terminal went away
      return;
    }
    for (const auto& outcome : editor_.feed({keys.data(), static_cast<std::size_t>(n)})) {
      if (const auto* submitted = std::get_if<LineEditor::Submitted>(&outcome))
        on_typed(submitted->line);
      else if (std::holds_alternative<LineEditor::ClearScreen>(outcome))
        screen_.clear();
      else
        left_ = true;
    }
  }

  void on_typed(const std::string& line) {
    const auto [wish, shown] = room_.on_typed(line);
    screen_.show(shown);
    if (std::holds_alternative<ChatRoom::Quit>(wish)) left_ = true;
    if (const auto* wanted = std::get_if<ChatRoom::Open>(&wish)) open(wanted->peer);
    const auto* send = std::get_if<ChatRoom::Send>(&wish);
    if (!send) return;

    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    screen_.show(
        {{Shown::Kind::own, "[" + clock_of(now.count()) + "] to " + room_.label_of(send->peer) +
                                ": " + printable(send->text)}});
    outbox_.add(send->peer, send->text);
  }

  const Call& call_;
  ControlClient node_;
  const Interrupts& interrupts_;
  Outbox outbox_;
  ChatRoom room_;
  Names names_{call_.state_dir};
  LineEditor editor_;
  std::map<std::string, ControlClient> pings_;
  std::map<std::string, Clock::time_point> retry_at_;
  bool left_ = false;
  Screen screen_;  // last: put right before anything else goes
};

int chat(Call& call) {
  std::string problem;
  auto node = ControlClient::connect(call.state_dir, problem);
  if (!node) return call.fail(problem);
  const Interrupts interrupts;
  node->send(control::Chat{});
  if (call.json || !is_terminal(STDIN_FILENO) || !is_terminal(STDOUT_FILENO))
    return chat_by_lines(call, std::move(*node), interrupts);

  const std::string trouble = Conversation{call, std::move(*node), interrupts}.run();
  return trouble.empty() ? exit_done : call.fail(trouble);
}

}  // namespace

Command chat_command() {
  return {.name = "chat",
          .synopsis = "[PEER] [--json]",
          .summary = "talk with peers, line by line",
          .details =
              "On a terminal: what you type goes to the peer in the prompt, which also tells how\n"
              "it is connected; messages from everybody appear as they come. /to PEER changes\n"
              "the peer, /peers lists them, /help tells more, /quit or Ctrl-D leaves.\n"
              "Otherwise each line of standard input is sent to PEER and messages are printed;\n"
              "it ends when the input has ended and every line has arrived.\n",
          .describe = {},
          .least_words = 0,
          .most_words = 1,
          .run = chat};
}

}  // namespace byway::cli
