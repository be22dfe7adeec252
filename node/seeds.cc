#include "node/seeds.h"

#include <charconv>
#include <fstream>
#include <optional>

namespace byway {
namespace {

constexpr std::size_t max_seeds_file = 1 << 20;

Problem problem(const std::string& option, const std::string& sentence) {
  return {"--" + option + ": " + sentence};
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

}  // namespace

Outcome<SeedAddress> parse_seed_address(std::string_view text, const std::string& option) {
  const auto wrong = [&](const std::string& why) {
    return problem(option, "'" + std::string(text) + "' " + why);
  };
  const auto at = text.find('@');
  if (at == std::string_view::npos)
    return wrong("names no id; write it as ID@HOST:PORT, with what `byway id` prints there");
  const auto id = NodeId::parse(text.substr(0, at));
  if (!id) return wrong("does not begin with a node's id; copy what `byway id` prints there");

  const std::string_view place = text.substr(at + 1);
  const auto colon = place.rfind(':');
  if (colon == std::string_view::npos) return wrong("has no port; write it as ID@HOST:PORT");
  const auto port = parse_port(place.substr(colon + 1));
  if (!port) return wrong("has no port between 1 and 65535 at its end");

  std::string_view host = place.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos)
    return wrong("holds a bare IPv6 address; put it in brackets, as ID@[2001:db8::1]:7000");
  if (host.empty() || host.size() > 253) return wrong("names no host; write it as ID@HOST:PORT");
  return SeedAddress{*id, std::string(host), *port};
}

Outcome<std::vector<SeedAddress>> read_seeds_file(const std::string& path) {
  std::ifstream file(path);
  if (!file || file.peek() == std::ifstream::traits_type::eof())
    return problem("seeds",
                   path + " cannot be read or is empty; name a file with an ID@HOST:PORT a line");
  std::vector<SeedAddress> seeds;
  std::size_t number = 0;
  std::size_t size = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    size += line.size() + 1;
    if (size > max_seeds_file)
      return problem("seeds", path + " is larger than 1 MiB; is it a list of seeds?");
    const std::string_view word = trimmed(std::string_view(line).substr(0, line.find('#')));
    if (word.empty()) continue;
    auto seed = parse_seed_address(word, "seeds");
    if (!seed)
      return Problem{seed.error().sentence + " (" + path + ", line " + std::to_string(number) +
                     ")"};
    if (seeds.size() == max_seeds)
      return problem("seeds", path + " has more than " + std::to_string(max_seeds) +
                                  " seeds; a few that last are enough, leave some out");
    seeds.push_back(std::move(*seed));
  }
  if (seeds.empty())
    return problem("seeds", path + " holds no seed; write an ID@HOST:PORT a line into it");
  return seeds;
}

Outcome<Invite> parse_join_line(std::string_view line) {
  constexpr std::string_view copy = "copy the whole line that `byway invite` printed";
  const auto wrong = [&](const std::string& why) {
    return problem("join", why + "; " + std::string(copy));
  };
  const auto invite = Invite::parse(line);
  if (!invite) {
    if (invite.error() == Error::unexpected)
      return problem("join", "this invitation was made by a newer byway; install that version");
    if (invite.error() == Error::malformed)
      return wrong("'" + std::string(line.substr(0, 40)) + "' is no invitation");
    return wrong("the invitation is cut short or mistyped");
  }
  if (invite->supernodes.empty()) return wrong("the invitation names no supernode");
  return *invite;
}

std::vector<SeedAddress> seeds_of(const Invite& invite) {
  std::vector<SeedAddress> seeds;
  for (const Invite::Supernode& supernode : invite.supernodes)
    seeds.push_back(
        {supernode.id, supernode.endpoint.address.to_string(), supernode.endpoint.port});
  return seeds;
}

}  // namespace byway
