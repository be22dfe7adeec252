// The line a person is typing, and the keys that change it.
//
// It knows nothing of a terminal: bytes go in as the keyboard sent them, in any cut, and what is to
// be written to the screen comes out as text. So a message that arrives in the middle of a word
// costs nothing: clear the row, print the message, render() again.
//
//   cursor left, right, Home, End, Ctrl-A Ctrl-E Ctrl-B Ctrl-F, Alt-B Alt-F    move
//   Backspace, Delete, Ctrl-D, Ctrl-W Ctrl-U Ctrl-K                            delete
//   cursor up, down, Ctrl-P Ctrl-N                                             history
//   Enter    submits         Ctrl-C    gives the line up, on an empty one: interrupted
//   Ctrl-L   clears          Ctrl-D    on an empty line: the end of input
//
// Only whole UTF-8 characters enter the line; sequences it does not know are swallowed whole.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace byway::cli {

class LineEditor {
 public:
  struct Submitted {
    std::string line;
    bool operator==(const Submitted&) const = default;
  };
  struct Interrupted {
    bool operator==(const Interrupted&) const = default;
  };
  struct EndOfInput {
    bool operator==(const EndOfInput&) const = default;
  };
  struct ClearScreen {
    bool operator==(const ClearScreen&) const = default;
  };
  using Outcome = std::variant<Submitted, Interrupted, EndOfInput, ClearScreen>;

  // What the keys amounted to, oldest first. Most keys only change the line.
  std::vector<Outcome> feed(std::string_view bytes);

  const std::string& line() const { return line_; }
  std::size_t cursor() const { return cursor_; }  // in bytes, at a character's beginning

  // Paints prompt and line into one row of `columns` and leaves the cursor where it belongs. A
  // line longer than the row is shown around the cursor.
  std::string render(std::string_view prompt, std::size_t columns) const;
  // Empties the row, to print something else there.
  static std::string_view clear_row() { return "\r\x1b[K"; }

 private:
  static constexpr std::size_t max_line = 8192;
  static constexpr std::size_t max_history = 500;
  static constexpr std::size_t max_sequence = 16;

  void on_byte(char byte, std::vector<Outcome>& outcomes);
  void on_control(char byte, std::vector<Outcome>& outcomes);
  void on_sequence_byte(char byte);
  void on_sequence(std::string_view sequence);
  void insert(std::string_view character);
  void submit(std::vector<Outcome>& outcomes);
  void move_to(std::size_t position) { cursor_ = position; }
  void erase(std::size_t from, std::size_t to);
  std::size_t before(std::size_t position) const;
  std::size_t after(std::size_t position) const;
  std::size_t word_before(std::size_t position) const;
  std::size_t word_after(std::size_t position) const;
  void recall(int step);

  std::string line_;
  std::size_t cursor_ = 0;
  std::string character_;  // the first bytes of a UTF-8 character
  std::string sequence_;   // an escape sequence so far
  std::deque<std::string> history_;
  std::size_t recalled_ = 0;  // index into history_; its size: the line being written
  std::string draft_;         // that line, while another is shown
};

}  // namespace byway::cli
