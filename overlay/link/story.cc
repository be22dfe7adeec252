#include "overlay/link/story.h"

#include <algorithm>

#include "overlay/core/limits.h"

namespace byway {

void Story::add(TimePoint now, StepKind kind, std::string text) {
  if (text.size() > limits::story_text) text.resize(limits::story_text);
  StoryStep step{now - begun_, kind, std::move(text)};
  if (beginning_.size() < limits::story_beginning) return beginning_.push_back(std::move(step));
  if (latest_.size() >= limits::story_latest) {
    latest_.pop_front();
    ++left_out_;
  }
  latest_.push_back(std::move(step));
}

std::vector<StoryStep> Story::steps() const {
  std::vector<StoryStep> all = beginning_;
  all.insert(all.end(), latest_.begin(), latest_.end());
  return all;
}

void StoryBook::begin(TimePoint now, const NodeId& peer) {
  std::erase_if(stories_, [&](const Entry& entry) { return entry.peer == peer; });
  if (stories_.size() >= limits::stories) stories_.pop_front();
  stories_.push_back({peer, Story(now)});
}

void StoryBook::add(TimePoint now, const NodeId& peer, StepKind kind, const std::string& text) {
  const auto found = std::find_if(stories_.begin(), stories_.end(),
                                  [&](const Entry& entry) { return entry.peer == peer; });
  if (found != stories_.end()) found->story.add(now, kind, text);
}

const Story* StoryBook::find(const NodeId& peer) const {
  const auto found = std::find_if(stories_.begin(), stories_.end(),
                                  [&](const Entry& entry) { return entry.peer == peer; });
  return found == stories_.end() ? nullptr : &found->story;
}

}  // namespace byway
