#include "tools/sim/event_words.h"

namespace byway::sim {
namespace {

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

std::string because(const std::string& why) {
  return why.empty() ? "" : ": " + why;
}

}  // namespace

std::string in_words(const Event& event, const std::function<std::string(const NodeId&)>& name) {
  const auto stream = [](StreamId id) { return "stream " + std::to_string(id); };
  return std::visit(
      Overloaded{
          [&](const HomeGained& e) {
            return "home " + name(e.id) + " at " + e.endpoint.to_string() + " sees us as " +
                   e.observed.to_string();
          },
          [&](const HomeLost& e) { return "home " + name(e.id) + " lost" + because(e.why); },
          [&](const HomeUnreachable& e) {
            return "no home at " + e.endpoint.to_string() + because(e.why);
          },
          [](const Ready&) { return std::string("ready"); },
          [&](const PathChanged& e) {
            std::string text = "path to " + name(e.peer) + " is " + std::string(to_string(e.kind)) +
                               " (" + std::string(to_string(e.method)) + ") at " +
                               e.endpoint.to_string();
            if (!e.via.is_nobody()) text += " via " + name(e.via);
            return text + because(e.why);
          },
          [&](const PeerConnected& e) { return "connected to " + name(e.peer); },
          [&](const PeerLost& e) { return "lost " + name(e.peer) + because(e.why); },
          [&](const PeerUnreachable& e) { return "cannot reach " + name(e.peer) + because(e.why); },
          [&](const StreamOpened& e) {
            return stream(e.stream) + " opened by " + name(e.peer) + " for " + e.header.service;
          },
          [&](const StreamReadable& e) { return stream(e.stream) + " readable"; },
          [&](const StreamWritable& e) { return stream(e.stream) + " writable"; },
          [&](const StreamUnread& e) { return stream(e.stream) + " unread"; },
          [&](const StreamClosed& e) { return stream(e.stream) + " closed" + because(e.why); },
          [&](const RoleChanged& e) { return "is a " + e.role + ": " + e.why; },
          [&](const SupernodeGained& e) { return name(e.id) + " is a member of the mesh"; },
          [&](const SupernodeLost& e) {
            return name(e.id) + " is no member any more" + because(std::string(e.why));
          },
          [&](const LookedUp& e) {
            return "looked up " + name(e.target) + ": " + std::string(e.outcome) +
                   (e.home.is_nobody() ? "" : " at " + name(e.home));
          },
          [](const Moved& e) {
            return "moved from " + e.before.to_string() + " to " + e.now.to_string();
          },
          [](const MappingDoubted& e) {
            return "the router names " + e.outside.to_string() + ", but supernodes see " +
                   e.seen.to_string();
          },
          [&](const SurveyDone& e) {
            return "asked " + name(e.whom) + (e.answer ? ": answered" : because(e.why));
          },
          [&](const Step& e) {
            return (e.peer.is_nobody() ? "" : "[" + name(e.peer) + "] ") + e.text;
          },
      },
      event);
}

}  // namespace byway::sim
