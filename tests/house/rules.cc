#include "tests/house/rules.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <optional>
#include <regex>
#include <sstream>
#include <utility>

namespace byway::house {
namespace {

constexpr std::array<std::string_view, 4> layers{"protocol/", "overlay/", "node/", "tools/"};

std::optional<std::size_t> layer_of(std::string_view path) {
  for (std::size_t i = 0; i < layers.size(); ++i)
    if (path.starts_with(layers[i])) return i;
  return std::nullopt;
}

bool is_code(std::string_view path) {
  return path.ends_with(".h") || path.ends_with(".cc");
}

bool is_core(std::string_view path) {
  return is_code(path) && (path.starts_with("protocol/") || path.starts_with("overlay/"));
}

bool any_prefix(std::string_view text, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view p) { return text.starts_with(p); });
}

// Headers that bring time, threads, sockets, files or chance with them.
bool is_impure(std::string_view header) {
  constexpr std::string_view whole[] = {
      "thread",     "mutex",       "shared_mutex", "condition_variable",
      "future",     "semaphore",   "latch",        "barrier",
      "stop_token", "ctime",       "time.h",       "pthread.h",
      "unistd.h",   "fcntl.h",     "poll.h",       "netdb.h",
      "fstream",    "filesystem",  "iostream",     "sys/socket.h",
      "sys/time.h", "sys/epoll.h", "sys/un.h"};
  return std::find(std::begin(whole), std::end(whole), header) != std::end(whole) ||
         any_prefix(header, {"boost/asio", "boost/beast", "boost/thread", "netinet/", "arpa/",
                             "net/", "linux/", "spdlog/", "sqlite3"});
}

// Text addresses are read and written with inet_pton and inet_ntop, which touch no network;
// and ngtcp2's paths are made of sockaddr_in, a mere type there.
bool may_include(std::string_view path, std::string_view header) {
  if (path == "protocol/endpoint.cc") return header == "arpa/inet.h";
  if (path.starts_with("overlay/stream/"))
    return header == "netinet/in.h" || header == "sys/socket.h";
  return false;
}

struct Ban {
  const char* pattern;
  const char* why;
};

const std::vector<std::pair<std::regex, std::string>>& impure_calls() {
  static const auto compiled = [] {
    constexpr Ban bans[] = {
        {R"(::now\s*\()", "reads a clock"},
        {R"(\b(clock_gettime|gettimeofday|timespec_get)\s*\()", "reads a clock"},
        {R"(\b(std::)?time\s*\(\s*(nullptr|NULL|0|&\w+)\s*\))", "reads a clock"},
        {R"(\b(system|steady|high_resolution)_clock\b)", "names a clock that can be read"},
        {R"(\brandom_device\b)", "draws chance from the machine"},
        {R"(\b(std::)?s?rand\s*\()", "draws chance from the machine"},
        {R"(\b(getrandom|getentropy|arc4random\w*|randombytes\w*)\s*\()",
         "draws chance from the machine"},
        {R"(\b(mt19937(_64)?|default_random_engine)\b)", "has a generator of its own"},
        {R"(\bstd::(jthread|thread|mutex|async|atomic|this_thread)\b)", "knows threads"},
        {R"(\bthread_local\b)", "knows threads"},
        {R"(\b(sleep_for|sleep_until|usleep|nanosleep)\s*\()", "sleeps"},
        {R"((^|[^\w.>:])(::)?(socket|sendto|recvfrom|sendmsg|recvmsg|sendmmsg|recvmmsg|setsockopt)\s*\()",
         "uses a socket"},
        {R"(\b(boost::)?asio::)", "uses Asio"},
        {R"(\b(getenv|fopen)\s*\()", "looks at the machine"},
    };
    std::vector<std::pair<std::regex, std::string>> out;
    for (const Ban& ban : bans) out.emplace_back(std::regex(ban.pattern), ban.why);
    return out;
  }();
  return compiled;
}

// "overlay/link/punch.h" -> "link"; empty when the path is not in a folder of overlay/.
std::string_view room_of(std::string_view path) {
  constexpr std::string_view overlay = "overlay/";
  if (!path.starts_with(overlay)) return {};
  path.remove_prefix(overlay.size());
  const auto slash = path.find('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

bool is_machine(std::string_view room) {
  return room == "reach" || room == "mesh" || room == "directory" || room == "link";
}

bool is_codec(std::string_view path) {
  static const std::regex codec(
      R"((protocol|node)/(\w+/)*(\w+_)?codec\.cc|protocol/(record|\w+_message)\.cc|protocol/packing\.h)");
  return std::regex_match(path.begin(), path.end(), codec);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
    return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : char(c);
  });
  return out;
}

// Where the comment, string or character that begins at `i` ends; `i` itself if none does.
std::size_t end_of_comment(std::string_view text, std::size_t i) {
  if (text.substr(i, 2) == "//") return std::min(text.find('\n', i), text.size());
  if (text.substr(i, 2) != "/*") return i;
  const auto end = text.find("*/", i + 2);
  return end == std::string_view::npos ? text.size() : end + 2;
}

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
}

std::size_t end_of_literal(std::string_view text, std::size_t i) {
  if (text.substr(i, 2) == "R\"" && (i == 0 || !is_word(text[i - 1]))) {
    const auto open = text.find('(', i);
    if (open == std::string_view::npos) return i;
    const std::string close = ")" + std::string(text.substr(i + 2, open - i - 2)) + "\"";
    const auto end = text.find(close, open);
    return end == std::string_view::npos ? text.size() : end + close.size();
  }
  const char quote = text[i];
  if (quote != '"' && quote != '\'') return i;
  if (quote == '\'' && i > 0 && is_word(text[i - 1])) return i;  // 1'000
  for (std::size_t at = i + 1; at < text.size() && text[at] != '\n'; ++at) {
    if (text[at] == '\\')
      ++at;
    else if (text[at] == quote)
      return at + 1;
  }
  return i;  // never closed on its line: not a literal
}

// The text without its comments and, unless they are kept, without what stands in literals.
std::string strip(std::string_view text, bool keep_literals) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (const auto end = end_of_comment(text, i); end != i) {
      out.append(static_cast<std::size_t>(std::count(text.begin() + i, text.begin() + end, '\n')),
                 '\n');
      out += ' ';
      i = end;
    } else if (const auto close = end_of_literal(text, i); close != i) {
      if (keep_literals)
        out += text.substr(i, close - i);
      else
        out += "\"\"";
      i = close;
    } else {
      out += text[i++];
    }
  }
  return out;
}

}  // namespace

std::string without_comments(std::string_view text) {
  return strip(text, true);
}
std::string without_strings(std::string_view code) {
  return strip(code, false);
}

std::vector<std::string> includes(std::string_view text) {
  static const std::regex line(R"re((?:^|\n)[ \t]*#[ \t]*include[ \t]*[<"]([^>"\n]+)[>"])re");
  const std::string code = without_comments(text);
  std::vector<std::string> out;
  for (std::sregex_iterator it(code.begin(), code.end(), line), end; it != end; ++it)
    out.push_back((*it)[1]);
  return out;
}

Findings dependencies_point_one_way(const Source& file) {
  Findings out;
  const auto own = layer_of(file.path);
  if (!own || !is_code(file.path)) return out;
  for (const std::string& header : includes(file.text)) {
    const auto other = layer_of(header);
    if (other && *other > *own)
      out.push_back(file.path + " includes " + header + ", which lies above it");
    if (header.starts_with("tests/")) out.push_back(file.path + " includes a test: " + header);
    if (header.find("../") != std::string::npos)
      out.push_back(file.path + " includes " + header + ", not from the project root");
  }
  return out;
}

Findings core_is_sans_io(const Source& file) {
  Findings out;
  if (!is_core(file.path)) return out;
  for (const std::string& header : includes(file.text))
    if (is_impure(header) && !may_include(file.path, header))
      out.push_back(file.path + " includes <" + header + ">");

  const std::string code = without_strings(file.text);
  for (const auto& [pattern, why] : impure_calls()) {
    std::smatch found;
    if (!std::regex_search(code, found, pattern)) continue;
    // A callback of ngtcp2's that carries no context finds its session this way.
    if (found.str() == "thread_local" && file.path.starts_with("overlay/stream/")) continue;
    out.push_back(file.path + " " + why + ": " + found.str());
  }
  return out;
}

Findings machines_form_a_star(const Source& file) {
  Findings out;
  const auto own = room_of(file.path);
  if (!is_machine(own) || !is_code(file.path)) return out;
  for (const std::string& header : includes(file.text)) {
    const auto other = room_of(header);
    if (is_machine(other) && other != own)
      out.push_back(file.path + " includes another machine: " + header);
    if (header == "overlay/overlay.h") out.push_back(file.path + " includes the conductor");
  }
  return out;
}

Findings header_opens_with_its_purpose(const Source& file) {
  if (!file.path.ends_with(".h") || !layer_of(file.path)) return {};
  static const std::regex word(R"([A-Za-z']{2,})");
  std::string_view text = file.text;
  std::string opening;
  while (text.starts_with("//")) {
    const auto end = std::min(text.find('\n'), text.size());
    opening += text.substr(2, end - 2);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto words = std::distance(std::sregex_iterator(opening.begin(), opening.end(), word), {});
  if (words < 5) return {file.path + " does not open with a comment telling what it is for"};
  if (lower(opening).find("copyright") != std::string::npos)
    return {file.path + " opens with a licence, not with what it is for"};
  return {};
}

Findings names_are_defined_once(const std::vector<Source>& files) {
  static const std::regex opens(R"(^namespace ([\w:]+) \{)");
  static const std::regex defines(
      R"(^(?:class|struct|enum|enum class) (\w+)(?: final)?(?: :.*)? ?\{)");
  Findings findings;
  std::map<std::string, std::string> defined_in;
  for (const Source& file : files) {
    if (!file.path.ends_with(".h") || !layer_of(file.path)) continue;
    std::vector<std::string> spaces;
    std::istringstream lines(file.text);
    for (std::string line; std::getline(lines, line);) {
      std::smatch match;
      if (std::regex_search(line, match, opens)) spaces.push_back(match[1]);
      if (line.starts_with("}  // namespace") && !spaces.empty()) spaces.pop_back();
      if (!std::regex_search(line, match, defines)) continue;
      std::string name;
      for (const std::string& space : spaces) name += space + "::";
      name += match[1];
      const auto [first, is_new] = defined_in.emplace(name, file.path);
      if (!is_new && first->second != file.path)
        findings.push_back(name + " is defined in " + first->second + " and in " + file.path);
    }
  }
  return findings;
}

Findings foreign_libraries_stay_home(const Source& file) {
  Findings out;
  if (!is_code(file.path) || !layer_of(file.path)) return out;
  for (const std::string& header : includes(file.text)) {
    const bool quic = any_prefix(header, {"ngtcp2/", "gnutls/"});
    const bool capnp = any_prefix(header, {"capnp/", "kj/"}) || header.ends_with(".capnp.h");
    const bool sodium = any_prefix(header, {"sodium.h", "sodium/"});
    if (quic && !file.path.starts_with("overlay/stream/"))
      out.push_back(file.path + " includes " + header + ": QUIC and TLS stay in overlay/stream");
    if (capnp && !is_codec(file.path))
      out.push_back(file.path + " includes " + header + ": Cap'n Proto stays in the codecs");
    // node/ draws seeds from the operating system and wipes key files with it.
    if (sodium && !any_prefix(file.path, {"protocol/", "node/"}))
      out.push_back(file.path + " includes " + header + ": machines decide, protocol/ encrypts");
  }
  return out;
}

Findings names_no_private_place(const Source& file) {
  // In two halves each, so that this file keeps its own rule.
  static const std::array<std::string, 11> forbidden{
      std::string("/wo") + "rk/",           std::string("/ho") + "me/",
      std::string("/ro") + "ot/",           std::string("py") + "pi.org",
      std::string("python") + "hosted.org", std::string("npm") + "js.",
      std::string("crates") + ".io",        std::string("proxy.go") + "lang.org",
      std::string("ruby") + "gems.org",     std::string("deb.debian") + ".org",
      std::string("conan") + ".io"};
  Findings out;
  const std::string text = lower(file.text);
  for (const std::string& word : forbidden)
    if (text.find(word) != std::string::npos) out.push_back(file.path + " names " + word);
  return out;
}

}  // namespace byway::house
