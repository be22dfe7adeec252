#include "tools/overlay/guest.h"

#include "node/log.h"
#include "node/version.h"

namespace byway::tools {

Outcome<std::unique_ptr<Guest>> Guest::open(boost::asio::io_context& io, std::optional<Seed> home) {
  start_logging("off");
  Random random = strong_random();
  std::unique_ptr<Guest> guest(new Guest(io, Identity::generate(random)));
  OverlayConfig config;
  config.agent = std::string("byway ") + version;
  config.visitor = true;
  if (home) config.seeds = {*home};
  config.lan = false;
  auto runtime = Runtime::open(io, config, {Endpoint{}}, guest->identity_);
  if (!runtime) return runtime.error();
  guest->runtime_ = std::move(*runtime);
  guest->runtime_->subscribe([self = guest.get()](const Event& event) { self->on_event(event); });
  guest->runtime_->start();
  return guest;
}

Guest::~Guest() {
  if (!runtime_) return;
  runtime_->subscribe(nullptr);
  runtime_->leave();
  runtime_->close();
}

void Guest::on_event(const Event& event) {
  if (const auto* done = std::get_if<SurveyDone>(&event)) {
    const auto asked = asked_.find(done->number);
    if (asked == asked_.end()) return;
    const Answered answered = std::move(asked->second);
    asked_.erase(asked);
    return answered(*done);
  }
  if (hear_) hear_(event);
}

void Guest::ask(const Seed& supernode, const SurveyQuestion& question, Answered answered) {
  const auto number = overlay().survey(runtime_->now(), supernode, question);
  asked_[number] = std::move(answered);
  runtime_->settle();
}

SurveyDone Guest::ask(const Seed& supernode, const SurveyQuestion& question) {
  return ask_all({{supernode, question}}).front();
}

std::vector<SurveyDone> Guest::ask_all(
    const std::vector<std::pair<Seed, SurveyQuestion>>& questions) {
  std::vector<SurveyDone> answers(questions.size());
  std::size_t left = questions.size();
  for (std::size_t i = 0; i < questions.size(); ++i)
    ask(questions[i].first, questions[i].second, [&, i](const SurveyDone& done) {
      answers[i] = done;
      --left;
    });
  while (left > 0) io_.run_one();  // each of them ends, answered or not
  return answers;
}

bool Guest::run_until(const std::function<bool()>& holds, Duration limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    io_.run_one_until(end);
  }
  return true;
}

}  // namespace byway::tools
