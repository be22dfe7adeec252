// Echo: sends back what comes, and measures with it. `byway ping` goes over a QUIC stream like
// any other app's data, so it shows what that data would see: how soon the first byte was
// through, what path carried each echo, and when a direct path was found. Each echo has two times:
// the network's, by the kernel as ping(8) has it, and an app's, with all that our node does.
#pragma once

#include <memory>

#include "node/apps/context.h"

namespace byway {

class Echo {
 public:
  explicit Echo(AppContext context);  // serves "echo"
  void handle(const control::Ping& request, std::shared_ptr<Replies> replies);

 private:
  AppContext context_;
  std::shared_ptr<std::size_t> served_ = std::make_shared<std::size_t>(0);
};

}  // namespace byway
