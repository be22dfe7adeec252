// Raw streams between commands: `byway listen SERVICE` here, `byway pipe PEER SERVICE` there.
//
//   opener    pipe ──► stream "pipe" ──► accepted ──► raw
//   accepter  stream ──► allowed? ──► {"accept":TOKEN} ──► accept TOKEN ──► accepted, raw
//
// Refused unless allowed: whoever is not on a service's list hears the same as if there were no
// such service. In between sits a Bridge, which copies both ways with bounded buffers: a side
// that does not read makes the other wait, through the stream's flow control to the far end.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "node/apps/bridge.h"
#include "node/apps/context.h"

namespace byway {

// How raw streams ended, for the command that asks when its socket is at its end.
class PipeOutcomes {
 public:
  std::uint64_t begin();
  void end(std::uint64_t token, const Bridge::Ended& ended);
  void ask(std::uint64_t token, std::shared_ptr<Replies> replies);

 private:
  struct Entry {
    std::optional<Bridge::Ended> ended;
    std::shared_ptr<Replies> asker;
  };
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Entry> entries_;
  std::deque<std::uint64_t> ended_;  // the oldest are forgotten
};

class Pipes {
 public:
  explicit Pipes(AppContext context);  // serves "pipe"

  void handle(const control::Listen& request, std::shared_ptr<Replies> replies);
  void handle(const control::Accept& request, std::shared_ptr<Replies> replies);
  void handle(const control::Pipe& request, std::shared_ptr<Replies> replies);
  void handle(const control::Outcome& request, std::shared_ptr<Replies> replies);

 private:
  class Offer;
  struct Listener {
    std::set<NodeId> allowed;  // empty: every contact
    std::shared_ptr<Replies> replies;
    std::set<std::uint64_t> offers;
  };

  void on_opened(const StreamOpened& opened);
  void on_listener_gone(const std::string& service);
  void forget_offer(std::uint64_t token);

  AppContext context_;
  std::shared_ptr<PipeOutcomes> outcomes_ = std::make_shared<PipeOutcomes>();
  std::map<std::string, Listener> listeners_;
  std::map<std::uint64_t, std::shared_ptr<Offer>> offers_;
  std::uint64_t last_offer_ = 0;
  // Gone with us, for what may still call back.
  std::shared_ptr<Pipes*> self_ = std::make_shared<Pipes*>(this);
};

}  // namespace byway
