#include "node/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace byway::cli {

bool is_terminal(int fd) {
  return isatty(fd) == 1;
}

bool wants_colour(int fd) {
  const char* declined = std::getenv("NO_COLOR");
  if (declined && *declined) return false;
  const char* term = std::getenv("TERM");
  return is_terminal(fd) && term && std::string_view{term} != "dumb";
}

std::size_t columns_of(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

RawTerminal::RawTerminal(int fd) : fd_{fd} {
  if (tcgetattr(fd_, &before_) != 0) return;
  termios raw = before_;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
  raw.c_iflag &= ~static_cast<tcflag_t>(IXON | ICRNL | INLCR | BRKINT);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  changed_ = tcsetattr(fd_, TCSADRAIN, &raw) == 0;
}

RawTerminal::~RawTerminal() {
  if (changed_) tcsetattr(fd_, TCSADRAIN, &before_);
}

}  // namespace byway::cli
