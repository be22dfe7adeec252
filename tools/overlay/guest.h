// A node of the tool's own, with a key made for the occasion: it never disturbs the node that runs
// on this machine, and nobody who is asked learns whose tool it is.
//
//   guest     asks supernodes (Overlay::survey), registers nowhere
//   visitor   registers at the one supernode it is given, so that it can be called through it
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "node/outcome.h"
#include "node/runtime.h"

namespace byway::tools {

class Guest {
 public:
  using Answered = std::function<void(const SurveyDone&)>;

  // `home`: as a visitor, there.
  static Outcome<std::unique_ptr<Guest>> open(boost::asio::io_context& io,
                                              std::optional<Seed> home = {});
  ~Guest();  // says goodbye
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  // `answered` is called exactly once, later; it may ask more.
  void ask(const Seed& supernode, const SurveyQuestion& question, Answered answered);
  // The same, and waits.
  SurveyDone ask(const Seed& supernode, const SurveyQuestion& question);
  // All at once, and waits for all: the answers in the order of the questions.
  std::vector<SurveyDone> ask_all(const std::vector<std::pair<Seed, SurveyQuestion>>& questions);

  // Of every event that is no answer.
  void hear(std::function<void(const Event&)> hear) { hear_ = std::move(hear); }
  // Runs until it holds (true) or the time is up (false).
  bool run_until(const std::function<bool()>& holds, Duration limit);

  const NodeId& id() const { return identity_.id(); }
  Runtime& runtime() { return *runtime_; }
  Overlay& overlay() { return runtime_->overlay(); }

 private:
  Guest(boost::asio::io_context& io, Identity identity) : io_(io), identity_(std::move(identity)) {}
  void on_event(const Event& event);

  boost::asio::io_context& io_;
  Identity identity_;
  std::unique_ptr<Runtime> runtime_;
  std::map<std::uint64_t, Answered> asked_;
  std::function<void(const Event&)> hear_;
};

}  // namespace byway::tools
