#include "node/cli/command.h"

#include <sys/timerfd.h>

#include <charconv>
#include <cmath>
#include <ostream>

#include "node/cli/control_client.h"
#include "node/cli/text.h"
#include "node/json_text.h"

namespace byway::cli {
namespace {

constexpr int last_words_within_s = 2;

// Becomes readable then.
UniqueFd alarm_after(int seconds) {
  UniqueFd fd{::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
  itimerspec when{};
  when.it_value.tv_sec = seconds;
  ::timerfd_settime(fd.get(), 0, &when, nullptr);
  return fd;
}

}  // namespace

int Call::fail(const std::string& sentence) const {
  err << "byway: " << printable(sentence) << std::endl;
  return exit_failed;
}

int Call::usage(const std::string& sentence) const {
  err << "byway " << command << ": " << printable(sentence) << std::endl;
  return exit_usage;
}

void Call::print(const std::string& line) const {
  out << line << std::endl;
}

void Call::tell(const boost::json::object& facts, const std::string& sentence) const {
  print(json ? json_text(facts) : sentence);
}

std::optional<double> Call::number(const char* option, double otherwise, double least,
                                   double most) const {
  if (!has(option)) return otherwise;
  const auto& text = options[option].as<std::string>();
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (whole && std::isfinite(value) && value >= least && value <= most) return value;

  const auto shown = [](double bound) {
    return decimal(bound, bound == std::floor(bound) ? 0 : 2);
  };
  usage("--" + std::string{option} + " " + text + " is not a number from " + shown(least) + " to " +
        shown(most) + ": give one of these");
  return {};
}

int ask(const Call& call, const control::ControlRequest& request,
        const std::function<void(const std::string&)>& on_line, int stop_fd, OnStop on_stop) {
  std::string problem;
  auto client = ControlClient::connect(call.state_dir, problem);
  if (!client) return call.fail(problem);

  client->send(request);
  UniqueFd patience;
  while (true) {
    const auto reply = client->next(stop_fd);
    if (!reply && patience.is_open()) return call.fail("the node did not sum up in time");
    if (!reply && on_stop == OnStop::conclude) {
      client->say_enough();
      patience = alarm_after(last_words_within_s);
      stop_fd = patience.get();
      continue;
    }
    if (!reply || std::holds_alternative<control::Done>(*reply)) return exit_done;
    if (const auto* failed = std::get_if<control::Failed>(&*reply))
      return call.fail(failed->sentence);
    if (const auto* line = std::get_if<control::Line>(&*reply)) on_line(line->json);
    // A raw reply to a question that asked for none: nothing to be done with it.
    if (std::holds_alternative<control::Raw>(*reply))
      return call.fail("the node's answer makes no sense: is it another version of byway?");
  }
}

}  // namespace byway::cli
