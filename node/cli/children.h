// Processes of our own that do something for one stream or connection each.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <utility>

namespace byway::cli {

// `What` tells what a child is there for.
template <typename What>
class Children {
 public:
  // `run` in a child that ends with its exit code; its signals are as they are here. False: the
  // system has no process for us.
  template <typename Run>
  bool start(const What& what, Run&& run) {
    const pid_t pid = fork();
    if (pid < 0) return false;
    if (pid > 0) {
      running_[pid] = what;
      return true;
    }
    _exit(run());
  }

  // Those that ended since, with how (waitpid).
  template <typename Told>
  void reap(Told&& told) {
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      const auto found = running_.find(pid);
      if (found == running_.end()) continue;
      told(found->second, status);
      running_.erase(found);
    }
  }

  void end_all() {
    for (const auto& [pid, what] : running_) kill(pid, SIGTERM);
    for (const auto& [pid, what] : running_) waitpid(pid, nullptr, 0);
    running_.clear();
  }

  bool any() const { return !running_.empty(); }
  std::size_t count() const { return running_.size(); }

 private:
  std::map<pid_t, What> running_;
};

}  // namespace byway::cli
