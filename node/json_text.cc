#include "node/json_text.h"

#include <array>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <utility>

namespace byway {
namespace {

namespace json = boost::json;

constexpr int usual_digits = 3, most_digits = 12;
constexpr double largest_plain = 1e15;  // from here on a double no longer tells every integer

int digits_for(double size) {
  int digits = usual_digits;
  for (double small = 0.1; size < small && digits < most_digits; small /= 10) ++digits;
  return digits;
}

std::string number_text(double number) {
  if (!std::isfinite(number)) return "null";
  if (std::abs(number) >= largest_plain) return json::serialize(json::value(number));
  std::array<char, 64> text;
  const int digits = number == 0 ? 0 : digits_for(std::abs(number));
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number,
                                          std::chars_format::fixed, digits);
  std::string plain(text.data(), error == std::errc{} ? end : text.data());
  if (plain.find('.') != std::string::npos) {
    plain.erase(plain.find_last_not_of('0') + 1);
    if (plain.ends_with('.')) plain.pop_back();
  }
  return plain == "-0" ? "0" : plain;
}

void write(std::string& to, const json::value& value);

void write(std::string& to, const json::object& object) {
  to += '{';
  bool first = true;
  for (const auto& [key, value] : object) {
    if (!std::exchange(first, false)) to += ',';
    to += json::serialize(json::string(key));
    to += ':';
    write(to, value);
  }
  to += '}';
}

void write(std::string& to, const json::array& array) {
  to += '[';
  bool first = true;
  for (const json::value& value : array) {
    if (!std::exchange(first, false)) to += ',';
    write(to, value);
  }
  to += ']';
}

void write(std::string& to, const json::value& value) {
  if (const auto* object = value.if_object()) return write(to, *object);
  if (const auto* array = value.if_array()) return write(to, *array);
  if (const auto* number = value.if_double()) {
    to += number_text(*number);
    return;
  }
  to += json::serialize(value);
}

}  // namespace

std::string json_text(const json::value& value) {
  std::string text;
  write(text, value);
  return text;
}

}  // namespace byway
