// A whole node: the core on real sockets, its apps, and the socket its commands come in by.
// Everything is wired here by hand and lives on one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

#include "node/apps/replies.h"
#include "node/config.h"
#include "node/control_codec.h"
#include "node/outcome.h"
#include "node/seed_lookup.h"
#include "node/state_dir.h"

namespace byway {

// In the foreground, until SIGTERM, SIGINT or a `stop` command. Prints
// `ready id=… listen=…` on stdout once it can be used. The exit code: 0 left gracefully,
// 1 could not run (one sentence on stderr).
int run_node(const RunConfig& config);

class Node {
 public:
  static Outcome<std::unique_ptr<Node>> start(boost::asio::io_context& io, const RunConfig& config,
                                              SeedLookup::Resolve resolve = resolve_host);
  ~Node();

  const NodeId& id() const;
  // Where the main socket is bound.
  Endpoint listen() const;
  bool ready() const;
  void when_ready(std::function<void()> tell);
  // Says goodbye and then calls `left`.
  void leave(std::function<void()> left);
  // What a `stop` command does.
  void on_stop(std::function<void()> stop) { stop_ = std::move(stop); }
  // What to do when there is nobody to join by: no seed's name exists. With a sentence.
  void on_hopeless(std::function<void(const std::string&)> tell) { hopeless_ = std::move(tell); }
  // What the control socket does with a request; settle() is to follow.
  void handle(const control::ControlRequest& request, std::shared_ptr<Replies> replies);
  void settle();

 private:
  struct Parts;
  explicit Node(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
  std::function<void()> stop_;
  std::function<void(const std::string&)> hopeless_;
};

}  // namespace byway
