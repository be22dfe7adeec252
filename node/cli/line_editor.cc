#include "node/cli/line_editor.h"

#include <utility>

#include "node/cli/text.h"

namespace byway::cli {
namespace {

constexpr char ctrl(char letter) {
  return static_cast<char>(letter & 0x1f);
}
constexpr char escape = '\x1b';
constexpr char rubout = '\x7f';

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

std::size_t expected_size(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  if (byte >= 0xf0) return 4;
  return byte >= 0xe0 ? 3 : 2;
}

}  // namespace

std::vector<LineEditor::Outcome> LineEditor::feed(std::string_view bytes) {
  std::vector<Outcome> outcomes;
  for (const char byte : bytes) on_byte(byte, outcomes);
  return outcomes;
}

void LineEditor::on_byte(char byte, std::vector<Outcome>& outcomes) {
  if (!sequence_.empty()) return on_sequence_byte(byte);

  if (is_continuation(byte)) {
    if (character_.empty()) return;
    character_ += byte;
    if (character_.size() < expected_size(character_[0])) return;
    const std::string whole = std::exchange(character_, {});
    if (first_char(whole).size == whole.size()) insert(whole);
    return;
  }
  character_.clear();  // whatever was begun is not going to be completed

  if (byte == escape) {
    sequence_ = byte;
  } else if (static_cast<unsigned char>(byte) >= 0x80) {
    character_ = byte;
  } else if (static_cast<unsigned char>(byte) < 0x20 || byte == rubout) {
    on_control(byte, outcomes);
  } else {
    insert({&byte, 1});
  }
}

void LineEditor::on_control(char byte, std::vector<Outcome>& outcomes) {
  switch (byte) {
    case '\r':
    case '\n':
      return submit(outcomes);
    case rubout:
    case ctrl('H'):
      return erase(before(cursor_), cursor_);
    case ctrl('A'):
      return move_to(0);
    case ctrl('E'):
      return move_to(line_.size());
    case ctrl('B'):
      return move_to(before(cursor_));
    case ctrl('F'):
      return move_to(after(cursor_));
    case ctrl('K'):
      return erase(cursor_, line_.size());
    case ctrl('U'):
      return erase(0, cursor_);
    case ctrl('W'):
      return erase(word_before(cursor_), cursor_);
    case ctrl('P'):
      return recall(-1);
    case ctrl('N'):
      return recall(+1);
    case ctrl('L'):
      outcomes.emplace_back(ClearScreen{});
      return;
    case ctrl('C'):
      if (line_.empty()) outcomes.emplace_back(Interrupted{});
      return erase(0, line_.size());
    case ctrl('D'):
      if (line_.empty()) outcomes.emplace_back(EndOfInput{});
      return erase(cursor_, after(cursor_));
    default:
      return;
  }
}

// ESC [ parameters final, ESC O final, or ESC and one key held with Alt.
void LineEditor::on_sequence_byte(char byte) {
  if (byte == escape) {
    sequence_ = byte;
    return;
  }
  sequence_ += byte;
  const bool introduced = sequence_[1] == '[' || sequence_[1] == 'O';
  const bool final_byte = sequence_.size() > 2 && byte >= 0x40 && byte <= 0x7e;
  if (introduced && !final_byte && sequence_.size() < max_sequence) return;
  on_sequence(std::exchange(sequence_, {}));
}

void LineEditor::on_sequence(std::string_view sequence) {
  const std::string_view key = sequence.substr(1);
  const bool with_ctrl = key == "[1;5D" || key == "[1;5C";
  if (key == "b" || (with_ctrl && key.back() == 'D')) return move_to(word_before(cursor_));
  if (key == "f" || (with_ctrl && key.back() == 'C')) return move_to(word_after(cursor_));
  if (key == "d") return erase(cursor_, word_after(cursor_));
  if (key == "[D" || key == "OD") return move_to(before(cursor_));
  if (key == "[C" || key == "OC") return move_to(after(cursor_));
  if (key == "[A" || key == "OA") return recall(-1);
  if (key == "[B" || key == "OB") return recall(+1);
  if (key == "[H" || key == "OH" || key == "[1~" || key == "[7~") return move_to(0);
  if (key == "[F" || key == "OF" || key == "[4~" || key == "[8~") return move_to(line_.size());
  if (key == "[3~") return erase(cursor_, after(cursor_));
}

void LineEditor::insert(std::string_view character) {
  if (line_.size() + character.size() > max_line) return;
  line_.insert(cursor_, character);
  cursor_ += character.size();
}

void LineEditor::submit(std::vector<Outcome>& outcomes) {
  if (!line_.empty() && (history_.empty() || history_.back() != line_)) {
    history_.push_back(line_);
    if (history_.size() > max_history) history_.pop_front();
  }
  recalled_ = history_.size();
  draft_.clear();
  cursor_ = 0;
  outcomes.emplace_back(Submitted{std::exchange(line_, {})});
}

void LineEditor::erase(std::size_t from, std::size_t to) {
  line_.erase(from, to - from);
  cursor_ = from;
}

std::size_t LineEditor::before(std::size_t position) const {
  while (position > 0 && is_continuation(line_[--position])) continue;
  return position;
}

std::size_t LineEditor::after(std::size_t position) const {
  if (position < line_.size()) ++position;
  while (position < line_.size() && is_continuation(line_[position])) ++position;
  return position;
}

std::size_t LineEditor::word_before(std::size_t position) const {
  while (position > 0 && line_[position - 1] == ' ') --position;
  while (position > 0 && line_[position - 1] != ' ') --position;
  return position;
}

std::size_t LineEditor::word_after(std::size_t position) const {
  while (position < line_.size() && line_[position] == ' ') ++position;
  while (position < line_.size() && line_[position] != ' ') ++position;
  return position;
}

void LineEditor::recall(int step) {
  if (step < 0 && recalled_ == 0) return;
  if (step > 0 && recalled_ == history_.size()) return;
  if (recalled_ == history_.size()) draft_ = line_;
  recalled_ = step < 0 ? recalled_ - 1 : recalled_ + 1;
  line_ = recalled_ == history_.size() ? draft_ : history_[recalled_];
  cursor_ = line_.size();
}

std::string LineEditor::render(std::string_view prompt, std::size_t columns) const {
  const std::size_t prompt_width = width_of(prompt);
  // One column stays free: a terminal wraps when the last one is written.
  const std::size_t room = columns > prompt_width + 9 ? columns - prompt_width - 1 : 8;

  // Begin far enough to the right that the cursor is inside the room.
  std::size_t begin = 0;
  while (width_of(std::string_view{line_}.substr(begin, cursor_ - begin)) >= room)
    begin = after(begin);
  std::size_t end = begin;
  std::size_t used = 0;
  while (end < line_.size()) {
    const Utf8Char c = first_char(std::string_view{line_}.substr(end));
    if (used + width_of(c.code) > room) break;
    used += width_of(c.code);
    end += c.size;
  }

  std::string painted{clear_row()};
  painted += prompt;
  painted += std::string_view{line_}.substr(begin, end - begin);
  painted += '\r';
  const std::size_t column =
      prompt_width + width_of(std::string_view{line_}.substr(begin, cursor_ - begin));
  if (column > 0) painted += "\x1b[" + std::to_string(column) + "C";
  return painted;
}

}  // namespace byway::cli
