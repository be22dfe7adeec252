#include "node/cli/text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <vector>

namespace byway::cli {
namespace {

struct Range {
  char32_t first, last;
};

bool within(std::span<const Range> ranges, char32_t code) {
  return std::ranges::any_of(ranges,
                             [&](const Range& r) { return code >= r.first && code <= r.last; });
}

// Marks that sit on the character before them, and characters nobody sees.
constexpr std::array<Range, 9> zero_width{{{0x0300, 0x036f},
                                           {0x0483, 0x0489},
                                           {0x0591, 0x05bd},
                                           {0x064b, 0x065f},
                                           {0x1ab0, 0x1aff},
                                           {0x200b, 0x200d},
                                           {0x20d0, 0x20ff},
                                           {0xfe00, 0xfe0f},
                                           {0xfe20, 0xfe2f}}};
// East Asian wide and full-width blocks, and the pictographs.
constexpr std::array<Range, 8> double_width{{{0x1100, 0x115f},
                                             {0x2e80, 0xa4cf},
                                             {0xac00, 0xd7a3},
                                             {0xf900, 0xfaff},
                                             {0xfe30, 0xfe6f},
                                             {0xff00, 0xff60},
                                             {0x1f300, 0x1faff},
                                             {0x20000, 0x3fffd}}};
// C0, DEL and C1; the separators that break lines; what reorders the text around it.
constexpr std::array<Range, 6> dangerous{{{0x00, 0x1f},
                                          {0x7f, 0x9f},
                                          {0x061c, 0x061c},
                                          {0x200e, 0x200f},
                                          {0x2028, 0x202e},
                                          {0x2066, 0x2069}}};

std::string formatted_time(std::int64_t unix_ms, const char* format) {
  const std::time_t seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm local{};
  if (!localtime_r(&seconds, &local)) return "?";
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &local)};
}

// Edits that turn one word into the other: a letter more, a letter less, another letter, or two
// neighbours exchanged.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> edits(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      std::size_t& least = edits[i][j];
      if (i == 0 || j == 0) {
        least = i + j;
        continue;
      }
      const bool same = a[i - 1] == b[j - 1];
      least = std::min({edits[i - 1][j] + 1, edits[i][j - 1] + 1, edits[i - 1][j - 1] + !same});
      const bool exchanged = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (exchanged) least = std::min(least, edits[i - 2][j - 2] + 1);
    }
  }
  return edits[a.size()][b.size()];
}

}  // namespace

Utf8Char first_char(std::string_view text) {
  if (text.empty()) return {};
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};

  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
  char32_t code = lead & (0xffu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) != 0x80) return {};
    code = (code << 6) | (byte & 0x3f);
  }
  constexpr std::array<char32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < smallest[size] || code > 0x10ffff || surrogate) return {};
  return {code, size};
}

std::size_t width_of(char32_t code) {
  if (within(zero_width, code)) return 0;
  return within(double_width, code) ? 2 : 1;
}

std::size_t width_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const Utf8Char c = first_char(text);
    columns += c.size == 0 ? 1 : width_of(c.code);
    text.remove_prefix(std::max<std::size_t>(c.size, 1));
  }
  return columns;
}

std::string printable(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    const Utf8Char c = first_char(text);
    if (c.code == '\n' || c.code == '\t')
      safe += ' ';
    else if (c.size == 0 || within(dangerous, c.code))
      safe += "\u00b7";
    else
      safe += text.substr(0, c.size);
    text.remove_prefix(std::max<std::size_t>(c.size, 1));
  }
  return safe;
}

std::string padded(std::string_view text, std::size_t columns) {
  const std::size_t width = width_of(text);
  std::string result{text};
  if (width < columns) result.append(columns - width, ' ');
  return result;
}

std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent) {
  std::string rows;
  std::size_t used = 0;  // columns of the last row
  bool begun = false;    // whether it has a word
  while (!text.empty()) {
    const std::size_t word_end = std::min(text.find(' ', text.find_first_not_of(' ')), text.size());
    std::string_view word = text.substr(0, word_end);  // with the blanks before it
    text.remove_prefix(word_end);
    if (begun && used + width_of(word) > columns) {
      word.remove_prefix(std::min(word.find_first_not_of(' '), word.size()));
      rows += "\n" + std::string(indent, ' ');
      used = indent;
    }
    rows += word;
    used += width_of(word);
    begun = true;
  }
  return rows;
}

std::string short_id(std::string_view id) {
  if (id.size() <= 10) return printable(id);
  return printable(id.substr(0, 8)) + "\u2026";
}

std::string clock_of(std::int64_t unix_ms) {
  return formatted_time(unix_ms, "%H:%M");
}
std::string date_of(std::int64_t unix_ms) {
  return formatted_time(unix_ms, "%Y-%m-%d %H:%M");
}

std::string decimal(double value, int digits) {
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return {text.data(), std::min<std::size_t>(static_cast<std::size_t>(size), text.size() - 1)};
}

std::string milliseconds(double ms) {
  return decimal(ms, ms < 1 ? 2 : ms < 10 ? 1 : 0) + " ms";
}

std::string bytes_in_words(double n) {
  if (n < 1000) return decimal(n, 0) + " bytes";
  constexpr std::array<const char*, 4> units{"kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  for (n /= 1000; n >= 1000 && unit + 1 < units.size(); ++unit) n /= 1000;
  return decimal(n, n < 10 ? 1 : 0) + " " + units[unit];
}

std::string seconds_in_words(double s) {
  const auto whole = static_cast<std::int64_t>(std::max(0.0, s));
  const auto pair = [](std::int64_t big, const std::string& first, std::int64_t small,
                       const char* second) {
    std::string text = std::to_string(big) + first;
    if (small > 0) text += " " + std::to_string(small) + second;
    return text;
  };
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min";
  if (whole < 86400) return pair(whole / 3600, " h", whole % 3600 / 60, " min");
  const std::int64_t days = whole / 86400;
  return pair(days, days == 1 ? " day" : " days", whole % 86400 / 3600, " h");
}

std::string counted(std::int64_t n, std::string_view noun) {
  return std::to_string(n) + " " + std::string{noun} + (n == 1 ? "" : "s");
}

std::string nearest(std::string_view word, std::span<const std::string> words) {
  constexpr std::size_t longest = 64;  // nobody mistypes a word into a page
  if (word.size() > longest) return {};
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : words) {
    const std::size_t d = distance(word, candidate);
    if (d >= best_distance) continue;
    best_distance = d;
    best = candidate;
  }
  if (!best.empty()) return best;
  // Or a beginning that can mean only one of them.
  for (const std::string& candidate : words) {
    if (word.empty() || !candidate.starts_with(word)) continue;
    if (!best.empty()) return {};
    best = candidate;
  }
  return best;
}

}  // namespace byway::cli
