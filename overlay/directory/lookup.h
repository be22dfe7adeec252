// As a home: where is Bo? Finds the newest record of a node, and which of its homes has it now.
//
//   asking holders --three agree, or all were heard--> asking homes --here--> found
//     |      ^                                          |
//     |      '-----nobody has it: once more, afresh-----|--again nobody--> offline
//     '--all eight: unknown or silent--> unknown
//
// Three of the eight holders are asked at once. A record is believed for its signature, and of
// several the one with the highest sequence. Silence brings in one more holder; disagreement, or
// nobody knowing the target, all of them: "unknown" is believed only when all eight have answered
// or had their time. Then the record's homes are asked in order; one that does not have the leaf
// says "not here", and the next is asked. Where none has it the record may have been old, so
// everything is done once more; then the leaf is offline.
//
// While holders are late, dead perhaps, the homes of the best record so far are asked already: one
// that says "here" ends the search whatever the rest would have said.
//
// A Locate is answered from the home's list of leaves. Where the question to the home is an
// introduction anyway, that may be sent in its stead, and its outcome told as on_located().
// Messages to ourselves come out of here as well: hand them to our own store and list of leaves.
//
// Everybody who asks for the same target shares one search. What was found is remembered for ten
// seconds, or until its home is lost; that nothing was found for a few. Each result tells who said
// what and when.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "overlay/core/timers.h"
#include "overlay/directory/placement.h"
#include "overlay/directory/store.h"
#include "protocol/directory_message.h"
#include "protocol/random.h"

namespace byway {

class Lookup {
 public:
  // busy: too many searches at once; nothing is known either way.
  enum class Outcome : std::uint8_t { found, offline, unknown, busy };
  // What one node said, for people who want to know who is wrong.
  struct Testimony {
    enum class Says : std::uint8_t { nothing, record, unknown, busy, nonsense, here, not_here };
    NodeId by;
    bool as_home = false;
    Says says = Says::nothing;
    std::uint64_t sequence = 0;  // of the record
    TimePoint asked{};
    TimePoint answered{};
  };
  struct Finding {
    NodeId target;
    Outcome outcome = Outcome::busy;
    RecordPtr record;  // when found or offline
    NodeId home;       // when found
    std::vector<Testimony> testimonies;
    bool remembered = false;  // from an earlier search
  };
  struct Outgoing {
    NodeId to;
    DirectoryMessage message;
  };

  // `placement` outlives the look-up.
  Lookup(const Placement& placement, RecordSource source, Random random)
      : placement_(placement), source_(std::move(source)), random_(std::move(random)) {}

  // The finding comes out of poll_finding(). `afresh`: what is remembered has proved wrong.
  void find(TimePoint now, const NodeId& target, bool afresh = false);
  // Nobody waits for it any more.
  void give_up(const NodeId& target);

  void on_found(TimePoint now, const NodeId& from, const Found& found);
  void on_located(TimePoint now, const NodeId& from, const Located& located);
  // A supernode is gone: whoever was found there is looked for anew.
  void on_left(const NodeId& supernode);
  // A message from poll_message() could not be delivered at all: no use waiting for the answer.
  void on_unsent(TimePoint now, const DirectoryMessage& message);
  void on_timeout(TimePoint now);

  std::optional<Outgoing> poll_message();
  std::optional<Finding> poll_finding();
  std::optional<TimePoint> next_timeout() const { return deadlines_.next(); }

  std::size_t searches() const { return searches_.size(); }
  std::size_t remembered() const { return memories_.size(); }
  Duration patience() const;  // how long an answer may take now

 private:
  using Number = std::uint64_t;
  struct Question {
    Number number = 0;
    Testimony testimony;
    int sends = 0;
    bool waiting = true;  // neither answered nor out of time
    bool is_late() const { return sends > 1 || !waiting; }
  };
  struct Search {
    std::vector<NodeId> holders;
    std::vector<Question> asked_holders;  // in the order of `holders`
    std::vector<Question> asked_homes;    // in the order of the best record
    std::vector<Testimony> earlier;       // from the first attempt
    RecordPtr best;
    std::optional<std::uint64_t> nobody_home_at;  // sequence of the first attempt's record
    bool at_homes = false;
  };
  struct Memory {
    Finding finding;
    TimePoint until;
  };
  using Searches = std::map<NodeId, Search>;

  bool recall(TimePoint now, const NodeId& target);
  void remember(TimePoint now, const Finding& finding);
  void begin(const NodeId& target, Search& search);
  void ask(TimePoint now, const NodeId& target, const NodeId& whom, std::vector<Question>& among,
           bool as_home);
  void send(TimePoint now, const NodeId& target, Question& question);
  std::pair<Searches::iterator, Question*> question(Number number);
  Question* answered(TimePoint now, const NodeId& from, Number number, bool as_home,
                     Searches::iterator& search);
  void proceed(TimePoint now, Searches::iterator search);
  void weigh_holders(TimePoint now, Searches::iterator search);
  void weigh_homes(TimePoint now, Searches::iterator search);
  bool ask_next_home(TimePoint now, Searches::iterator search);
  void put_aside(Search& search, std::vector<Question>& questions);
  void finish(TimePoint now, Searches::iterator search, Outcome outcome, const NodeId& home);
  void close(Searches::iterator search);
  void measure(Duration rtt);

  const Placement& placement_;
  RecordSource source_;
  Random random_;
  Searches searches_;
  std::map<Number, NodeId> targets_;  // whose search a question belongs to
  Timers<Number> deadlines_;
  std::deque<Outgoing> outgoing_;
  std::deque<Finding> findings_;
  std::map<NodeId, Memory> memories_;
  std::deque<std::pair<TimePoint, NodeId>> memory_ages_;  // the oldest first
  std::optional<Duration> srtt_;
  Duration rtt_variance_{};
};

std::string_view to_string(Lookup::Outcome outcome);
std::string_view to_string(Lookup::Testimony::Says says);

}  // namespace byway
