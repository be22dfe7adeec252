#include "tools/sim/story.h"

#include <algorithm>
#include <cstdio>

#include "tools/sim/tcp.h"

namespace byway::sim {
namespace {

std::string time_of(Duration since_start) {
  char text[32];
  std::snprintf(text, sizeof(text), "%10.4f s", std::chrono::duration<double>(since_start).count());
  return text;
}

std::string milliseconds(Duration duration) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f ms", to_ms(duration));
  return text;
}

std::string flags_in_words(std::uint8_t flags) {
  std::string text;
  if (flags & TcpStack::syn) text += " SYN";
  if (flags & TcpStack::ack) text += " ACK";
  if (flags & TcpStack::fin) text += " FIN";
  if (flags & TcpStack::rst) text += " RST";
  return text;
}

}  // namespace

std::string_view to_string(Fate fate) {
  switch (fate) {
    case Fate::delivered:
      return "delivered";
    case Fate::lost:
      return "lost";
    case Fate::cut:
      return "cut off";
    case Fate::no_mapping:
      return "no mapping";
    case Fate::filtered:
      return "filtered";
    case Fate::no_hairpin:
      return "not turned round";
    case Fate::blocked:
      return "blocked";
    case Fate::no_such_host:
      return "no such host";
    case Fate::not_listening:
      return "nobody listens";
    case Fate::expired:
      return "TTL ran out";
    case Fate::too_big:
      return "too big";
    case Fate::unplugged:
      return "unplugged";
  }
  return "?";
}

void Story::name(StationId station, std::string name) {
  if (names_.size() <= station) names_.resize(station + 1);
  names_[station] = std::move(name);
}

void Story::packet(const PacketLine& line) {
  if (!is_told()) return;
  mix(static_cast<std::uint64_t>(line.sent.time_since_epoch().count()));
  mix(static_cast<std::uint64_t>(line.decided.time_since_epoch().count()));
  mix((std::uint64_t{line.origin} << 32) | line.at);
  mix(line.from);
  mix(line.seen_as);
  mix(line.to);
  mix(static_cast<std::uint64_t>(line.kind));
  mix(line.relayed ? static_cast<std::uint64_t>(*line.relayed) : 0);
  mix(line.size);
  mix(static_cast<std::uint64_t>(line.fate) * 2 + (line.copy ? 1 : 0));
  if (line.tcp) mix(std::uint64_t{0x100} + *line.tcp);
  keep(line);
}

void Story::note(TimePoint now, StationId station, std::string text) {
  if (!is_told()) return;
  mix(static_cast<std::uint64_t>(now.time_since_epoch().count()));
  mix(station);
  mix(text);
  keep(Note{now, station, std::move(text)});
}

void Story::keep(Line line) {
  ++told_;
  lines_.push_back(std::move(line));
  if (lines_.size() > size_) lines_.pop_front();
}

std::string Story::text(std::size_t lines) const {
  const std::size_t shown = std::min(lines, lines_.size());
  std::string text;
  if (told_ > shown) text += "      (" + std::to_string(told_ - shown) + " earlier lines)\n";
  for (std::size_t i = lines_.size() - shown; i < lines_.size(); ++i) {
    if (const auto* packet = std::get_if<PacketLine>(&lines_[i])) {
      text += in_words(*packet) + "\n";
      continue;
    }
    const Note& note = std::get<Note>(lines_[i]);
    text += time_of(note.at - start_) + "  " + name_of(note.station) + ": " + note.text + "\n";
  }
  return text;
}

std::string Story::in_words(const PacketLine& line) const {
  std::string text =
      time_of(line.sent - start_) + "  " + name_of(line.origin) + " " + line.from.to_string();
  if (line.seen_as != line.from) text += " as " + line.seen_as.to_string();
  text += " -> ";
  if (line.fate == Fate::delivered) text += name_of(line.at) + " ";
  text += line.to.to_string() + "  ";
  text += line.tcp ? "tcp" + flags_in_words(*line.tcp) : std::string(to_string(line.kind));
  if (line.relayed) text += "(" + std::string(to_string(*line.relayed)) + ")";
  text += "  " + std::to_string(line.size) + " B  ";
  text += to_string(line.fate);
  if (line.fate == Fate::delivered)
    text += " after " + milliseconds(line.decided - line.sent);
  else
    text += " at " + name_of(line.at);
  if (line.copy) text += " (second copy)";
  return text;
}

void Story::mix(std::uint64_t value) {
  for (int i = 0; i < 8; ++i, value >>= 8) hash_ = (hash_ ^ (value & 0xff)) * 0x100000001b3u;
}

void Story::mix(std::string_view text) {
  for (const char c : text) hash_ = (hash_ ^ static_cast<std::uint8_t>(c)) * 0x100000001b3u;
}

void Story::mix(const Endpoint& endpoint) {
  mix(std::string_view(reinterpret_cast<const char*>(endpoint.address.mapped().data()), 16));
  mix(endpoint.port);
}

}  // namespace byway::sim
