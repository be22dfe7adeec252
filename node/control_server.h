// The Unix socket in the state directory: what `byway status` and its kin talk to.
//
//   accepted --request--> answering --done, failed--> closed
//                             '-------raw----------> handed over
//
// One request per connection. Only the owner can open the socket (0600 in a 0700 directory), yet
// a command may be slow or broken: frames, waiting output and the number of clients are bounded.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <functional>
#include <memory>
#include <string>

#include "node/apps/replies.h"
#include "node/control_codec.h"
#include "node/outcome.h"

namespace byway {

class ControlServer {
 public:
  using Handle = std::function<void(const control::ControlRequest&, std::shared_ptr<Replies>)>;

  // `settle` is called after everything that a client caused. The problem names --state-dir.
  static Outcome<std::unique_ptr<ControlServer>> open(boost::asio::io_context& io,
                                                      const std::string& path, Handle handle,
                                                      std::function<void()> settle);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // The node leaves: every command that still waits sums up, or fails with the sentence.
  void dismiss(const std::string& sentence);

 private:
  class Connection;
  struct Shared;

  ControlServer(boost::asio::io_context& io, std::string path, std::shared_ptr<Shared> shared);
  void accept();

  boost::asio::local::stream_protocol::acceptor acceptor_;
  std::string path_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace byway
