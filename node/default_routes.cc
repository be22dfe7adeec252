#include "node/default_routes.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>

namespace byway {
namespace {

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::optional<std::uint32_t> number_in(std::string_view text, int base) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return number;
}

// The four octets as they lie in memory, printed as one number of this machine.
std::optional<IpAddress> v4_in(const std::string& word) {
  const auto number = number_in(word, 16);
  if (word.size() != 8 || !number) return {};
  ByteArray<4> octets;
  std::memcpy(octets.data(), &*number, octets.size());
  return IpAddress::v4(octets);
}

std::optional<IpAddress> v6_in(const std::string& word) {
  ByteArray<16> octets;
  if (word.size() != 2 * octets.size()) return {};
  for (std::size_t i = 0; i < octets.size(); ++i) {
    const auto number = number_in(std::string_view(word).substr(2 * i, 2), 16);
    if (!number) return {};
    octets[i] = static_cast<std::uint8_t>(*number);
  }
  return IpAddress::v6(octets);
}

// Iface Destination Gateway Flags RefCnt Use Metric Mask …
std::optional<DefaultRoute> v4_route(const std::vector<std::string>& words) {
  if (words.size() < 8 || words[1] != "00000000" || words[7] != "00000000") return {};
  const auto gateway = v4_in(words[2]);
  if (!gateway) return {};
  return DefaultRoute{words[0], *gateway, number_in(words[6], 10).value_or(0)};
}

// destination length source length gateway metric refcount use flags interface
std::optional<DefaultRoute> v6_route(const std::vector<std::string>& words) {
  if (words.size() < 10 || words[1] != "00" || words[9] == "lo") return {};
  if (words[0].find_first_not_of('0') != std::string::npos) return {};
  const auto gateway = v6_in(words[4]);
  if (!gateway) return {};
  return DefaultRoute{words[9], *gateway, number_in(words[5], 16).value_or(0)};
}

}  // namespace

std::vector<DefaultRoute> default_routes(bool v6) {
  std::vector<DefaultRoute> found;
  std::ifstream table(v6 ? "/proc/net/ipv6_route" : "/proc/net/route");
  for (std::string line; std::getline(table, line);) {
    const auto words = words_of(line);
    if (auto route = v6 ? v6_route(words) : v4_route(words)) found.push_back(std::move(*route));
  }
  std::stable_sort(found.begin(), found.end(), [](const DefaultRoute& a, const DefaultRoute& b) {
    return a.metric < b.metric;
  });
  return found;
}

}  // namespace byway
