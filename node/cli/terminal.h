// The terminal while a person types into it key by key.
#pragma once

#include <termios.h>

#include <cstddef>

namespace byway::cli {

bool is_terminal(int fd);
// Colour is for a terminal whose owner did not decline it (NO_COLOR, TERM=dumb).
bool wants_colour(int fd);
std::size_t columns_of(int fd);  // 80 when unknown

// Every key at once, unechoed and meaning nothing by itself; as before when it goes out of scope.
class RawTerminal {
 public:
  explicit RawTerminal(int fd);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  int fd_;
  bool changed_ = false;
  termios before_{};
};

}  // namespace byway::cli
