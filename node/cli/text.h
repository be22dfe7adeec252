// Small matters of text for a terminal: what may be printed, how wide it is, how it is named.
//
// Names, messages and reasons come from other people's machines. Printed as they are, their escape
// sequences could repaint the reader's terminal or retype his commands; printable() takes their
// teeth out. Every human line made from such text goes through it; --json does not need it, since
// JSON escapes control characters by itself.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace byway::cli {

// `text` with control characters, line breaks, direction overrides and broken UTF-8 replaced.
std::string printable(std::string_view text);

// Columns a terminal needs for it (UTF-8; wide characters take two, combining marks none).
std::size_t width_of(std::string_view text);

// `text` with blanks behind it up to `columns`.
std::string padded(std::string_view text, std::size_t columns);

// `text` in rows of at most `columns`, broken at blanks, all but the first behind `indent` blanks.
// A word longer than a row is left whole, so that an address can still be copied.
std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent);

// The first letters of a 52-character id: enough to recognise it, never enough to trust it.
std::string short_id(std::string_view id);

// "12:31", in the reader's time zone.
std::string clock_of(std::int64_t unix_ms);
// "2026-03-01 12:31".
std::string date_of(std::int64_t unix_ms);

std::string milliseconds(double ms);     // "0.42 ms", "42 ms"
std::string bytes_in_words(double n);    // "640 bytes", "1.2 MB"
std::string seconds_in_words(double s);  // "42 s", "3 min", "5 h 12 min", "2 days 3 h"
std::string decimal(double value, int digits);
// "1 peer", "3 peers".
std::string counted(std::int64_t n, std::string_view noun);

// The word of `words` most like `word`, or empty when none is a likely slip of the finger.
std::string nearest(std::string_view word, std::span<const std::string> words);

// --- UTF-8 -----------------------------------------------------------------------------------

// One character at the front of `text`; size 0: the bytes there are not UTF-8.
struct Utf8Char {
  char32_t code = 0;
  std::size_t size = 0;
};
Utf8Char first_char(std::string_view text);
std::size_t width_of(char32_t code);

}  // namespace byway::cli
