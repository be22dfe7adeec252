// Finds the addresses behind the host names of seeds, while the node already runs.
//
//   asked ──found────────────────────────► told to the node, done
//     ▲ '──no answer, or no such name──► warned once ──pause──┐
//     '────────────────────────────────────────────────────────┘
//
// The system's resolver blocks for as long as it likes, so every look happens on a thread of its
// own that nothing waits for; what it finds is posted to the node's. A machine that has just
// started may have no network yet, and a name may be entered later: both are asked for again,
// ever more slowly. Only one thing ends the node: at the start every seed is a name, and the
// name service says of all of them that they do not exist. That is a slip of the pen.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "node/config.h"

namespace byway {

// What the name service says of one host.
struct HostAnswer {
  std::vector<IpAddress> addresses;
  bool no_such_name = false;  // and that is certain; otherwise no addresses means: not now
  std::string why;
};
// Asks the system, and blocks meanwhile.
HostAnswer resolve_host(const std::string& host);

class SeedLookup {
 public:
  // Called on a thread of its own, several at a time.
  using Resolve = std::function<HostAnswer(const std::string& host)>;
  struct Pauses {
    Duration first = std::chrono::seconds{1};
    Duration longest = std::chrono::seconds{30};
  };

  // Seeds given by address are `given`; only the others are looked up.
  SeedLookup(boost::asio::io_context& io, const std::vector<SeedAddress>& seeds, Resolve resolve);
  SeedLookup(boost::asio::io_context& io, const std::vector<SeedAddress>& seeds, Resolve resolve,
             Pauses pauses);
  ~SeedLookup();
  SeedLookup(const SeedLookup&) = delete;
  SeedLookup& operator=(const SeedLookup&) = delete;

  const std::vector<Seed>& given() const { return given_; }
  // `found` for each address, as it becomes known; `hopeless` at most once, with a sentence.
  void start(std::function<void(const Seed&)> found,
             std::function<void(const std::string&)> hopeless);

 private:
  struct Name;
  struct Home;

  void ask(std::size_t index);
  void on_answer(std::size_t index, const HostAnswer& answer);
  void ask_later(std::size_t index);
  void warn(const Name& name, const std::string& why);
  std::string sentence() const;

  boost::asio::io_context& io_;
  Resolve resolve_;
  Pauses pauses_;
  std::vector<Seed> given_;
  std::vector<std::unique_ptr<Name>> names_;
  std::function<void(const Seed&)> found_;
  std::function<void(const std::string&)> hopeless_;
  std::size_t unanswered_ = 0;         // names of which nothing has been heard
  bool hope_ = false;                  // a seed can be used, or may be later
  std::vector<std::string> warnings_;  // kept back while there is none: one sentence says it all
  std::shared_ptr<Home> home_;
};

}  // namespace byway
