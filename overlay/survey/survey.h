// The asking side of a survey: what a diagnosis tool wants to know of supernodes, until it is
// answered or given up.
//
// A tool is a guest: it links with a supernode without registering, asks, and goes. Every question
// ends in exactly one Done, with an answer or with a reason.
//
//   asked --is there a link?--> dialling --linked--> sent --answer--> done
//              '--- yes -------------------------> ^ |'--a second--'
//                                     '------------+--no link, or never an answer--> done (why)
//
// A proof of reachability is a question like the others, with a nonce for a number; whoever dials
// back gets his echo from here, and the answer tells who that was.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "overlay/core/events.h"
#include "overlay/core/io.h"
#include "overlay/core/timers.h"
#include "protocol/survey_message.h"

namespace byway {

class Survey {
 public:
  // --- facts ---
  // `nonce`: newly drawn; nobody else can answer who has not read the question. The number that its
  // SurveyDone will carry. A question beyond the limit is done at once.
  std::uint64_t ask(TimePoint now, const NodeId& whom, const Endpoint& where,
                    SurveyQuestion question, const ProofNonce& nonce);
  // `observed`: where it sees us.
  void on_linked(TimePoint now, const NodeId& whom, const Endpoint& observed,
                 std::optional<Duration> handshake_rtt);
  void on_unreachable(TimePoint now, const NodeId& whom, const std::string& why);
  // False: nobody waits for it.
  bool on_answer(TimePoint now, const NodeId& from, const SurveyAnswer& answer);
  // True: it is for a proof of ours; its echo is ready to be sent.
  bool on_dialback(TimePoint now, const Datagram& datagram);
  void on_timeout(TimePoint now);

  // --- decisions; drain after every input ---
  struct Dial {
    NodeId whom;
    Endpoint where;
  };
  std::optional<Dial> poll_dial();
  struct Letter {
    NodeId to;
    SurveyQuestion question;
  };
  std::optional<Letter> poll_letter(TimePoint now);
  std::optional<Transmit> poll_transmit();
  std::optional<SurveyDone> poll_done();
  std::optional<TimePoint> next_timeout() const;

  bool idle() const { return asked_.empty() && done_.empty() && transmits_.empty(); }
  bool awaits(const NodeId& whom) const;

 private:
  struct Asked {
    NodeId whom;
    SurveyQuestion question;
    TimePoint deadline;
    std::optional<TimePoint> send_at;  // none: not linked yet, or sent for the last time
    TimePoint sent_at{};
    int sent = 0;
    ProofNonce nonce{};
    Endpoint dialled_from;  // whoever dialled back
  };
  struct Supernode {
    Endpoint where;
    bool linked = false;
    bool dialled = false;
    Endpoint observed;
    std::optional<Duration> handshake_rtt;
  };
  using Questions = std::map<std::uint64_t, Asked>;
  void finish(TimePoint now, Questions::iterator asked, std::optional<SurveyAnswer> answer,
              const std::string& why);
  void schedule(const Questions::value_type& asked);

  std::map<NodeId, Supernode> supernodes_;
  Questions asked_;
  Timers<std::uint64_t> timers_;
  std::deque<Dial> dials_;
  std::deque<Transmit> transmits_;
  std::deque<SurveyDone> done_;
  std::deque<std::uint64_t> due_;
};

}  // namespace byway
