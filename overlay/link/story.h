// How the conversations with the last few peers came about, step by step: kept as data, so that
// somebody can ask afterwards why a peer is relayed or what took so long (`byway overlay trace`).
//
// A story begins with the conversation and is kept when that ends, until the peer is talked to
// again or 64 others were since. Of a long one the beginning and the latest steps are kept, and how
// many are missing between. At most 48 steps of at most 240 characters each: 1 MiB in all.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "overlay/core/events.h"
#include "protocol/time.h"

namespace byway {

struct StoryStep {
  Duration since_begun{};
  StepKind kind = StepKind::note;
  std::string text;
};

class Story {
 public:
  explicit Story(TimePoint begun) : begun_(begun) {}

  void add(TimePoint now, StepKind kind, std::string text);
  std::size_t left_out() const { return left_out_; }
  // In order; those left out are missing behind the first `story_beginning`.
  std::vector<StoryStep> steps() const;

 private:
  TimePoint begun_;
  std::vector<StoryStep> beginning_;
  std::deque<StoryStep> latest_;
  std::size_t left_out_ = 0;
};

class StoryBook {
 public:
  // Forgets what was told of this peer before.
  void begin(TimePoint now, const NodeId& peer);
  // About somebody else than the peers of the book: nothing is kept.
  void add(TimePoint now, const NodeId& peer, StepKind kind, const std::string& text);
  const Story* find(const NodeId& peer) const;
  std::size_t size() const { return stories_.size(); }

 private:
  struct Entry {
    NodeId peer;
    Story story;
  };
  std::deque<Entry> stories_;  // the oldest first
};

}  // namespace byway
