#include "node/apps/trace.h"

#include "overlay/link/story.h"

namespace byway {

void tell_trace(const AppContext& context, const control::Trace& request, Replies& replies) {
  const auto id = context.contacts.resolve(request.peer);
  if (!id) return replies.fail(id.error().sentence);
  const Story* story = context.runtime.overlay().story(*id);
  if (!story)
    return replies.fail("nothing is remembered of a conversation with " +
                        context.contacts.call(*id) + ": begin one, with `byway ping " +
                        request.peer + "`");
  for (const StoryStep& step : story->steps())
    replies.line({{"ms", json_ms(step.since_begun)},
                  {"kind", std::string(to_string(step.kind))},
                  {"text", step.text}});

  const auto peer = context.peer(*id);
  boost::json::object outcome{{"peer", id->to_string()}, {"name", context.contacts.name_of(*id)}};
  tell_path(outcome, peer);
  outcome["method"] = std::string(to_string(peer ? peer->method : Method::none));
  outcome["rtt_ms"] = peer ? boost::json::value(json_ms(peer->rtt)) : nullptr;
  outcome["why"] = peer && !peer->why.empty() ? boost::json::value(peer->why) : nullptr;
  outcome["left_out"] = story->left_out();
  replies.line(outcome);
  replies.done();
}

}  // namespace byway
