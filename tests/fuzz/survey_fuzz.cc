// Survey messages: as they come, and as a change to something good. Whatever is let through keeps
// the limits, and is heard again as the same when we say it.
#include "protocol/survey_message.h"

#include "protocol/record.h"
#include "tests/fuzz/change.h"

using namespace byway;

namespace {

void hear(ByteView bytes) {
  const auto message = decode_survey(bytes);
  if (!message) return;
  if (const auto* page = std::get_if<MembersPage>(&*message)) {
    ensure(page->members.size() <= max_surveyed_members);
    for (const SurveyedMember& member : page->members)
      ensure(member.record.size() <= max_record_size);
  }
  if (const auto* state = std::get_if<SupernodeState>(&*message))
    ensure(state->agent.size() <= max_survey_agent);
  ensure(*decode_survey(encode(*message)) == *message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Bytes> good{
      encode(SurveyMessage(StateRequest{7})),
      encode(SurveyMessage(SupernodeState{.number = 7, .version = 1, .agent = "byway", .root = 9})),
      encode(SurveyMessage(MembersRequest{7, 1, 2})),
      encode(SurveyMessage(MembersPage{7, 9, {{Bytes(200, 7), true, 3}}, true, 8}))};
  if (size < 1) return 0;
  const ByteView input(data + 1, size - 1);
  hear(input);
  hear(change(good[data[0] % good.size()], input));
  return 0;
}
