// Ctrl-C and SIGTERM as something to poll for, so that a command can finish its sentence (ping's
// summary, a terminal to be put right, children to be ended) and no handler runs in between.
#pragma once

namespace byway::cli {

class Interrupts {
 public:
  Interrupts();   // from here on the signals wait in fd()
  ~Interrupts();  // as before
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  int fd() const { return fd_; }  // readable once interrupted; stays so
  bool happened() const;

  // For a child between fork and exec: signals mean there what they always do. A child that goes on
  // with this program is interrupted by fd() as well.
  static void restore_in_child();

 private:
  int fd_;
};

}  // namespace byway::cli
