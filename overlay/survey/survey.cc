#include "overlay/survey/survey.h"

#include "overlay/survey/survey_limits.h"
#include "protocol/match.h"
#include "protocol/packet.h"

namespace byway {
namespace {

bool is_proof(const SurveyQuestion& question) {
  return std::holds_alternative<ProveRequest>(question);
}

std::uint64_t number_of(const ProofNonce& nonce) {
  return load_be<std::uint64_t>(ByteView(nonce).first(8));
}

std::uint64_t number_of(const SurveyAnswer& answer) {
  return std::visit(Match{[](const ProveResult& result) { return number_of(result.nonce); },
                          [](const auto& other) { return other.number; }},
                    answer);
}

// Whether this is the kind of answer that the question has.
bool fits(const SurveyQuestion& question, const SurveyAnswer& answer) {
  return question.index() == answer.index();
}
static_assert(std::variant_size_v<SurveyQuestion> == std::variant_size_v<SurveyAnswer>);

}  // namespace

// --- facts ---------------------------------------------------------------------------------------

std::uint64_t Survey::ask(TimePoint now, const NodeId& whom, const Endpoint& where,
                          SurveyQuestion question, const ProofNonce& nonce) {
  const std::uint64_t number = number_of(nonce);
  std::visit(Match{[&](ProveRequest& request) { request.nonce = nonce; },
                   [&](auto& other) { other.number = number; }},
             question);
  const auto [asked, is_new] =
      asked_.try_emplace(number, Asked{.whom = whom,
                                       .question = std::move(question),
                                       .deadline = now + limits::survey_dial_patience,
                                       .send_at = {},
                                       .nonce = nonce,
                                       .dialled_from = {}});
  Supernode& supernode = supernodes_.try_emplace(whom, Supernode{.where = where}).first->second;
  if (asked_.size() > limits::survey_questions) {
    finish(now, asked, {}, "too many questions at once");
    return number;
  }
  if (supernode.linked) {
    asked->second.send_at = now;
  } else if (!std::exchange(supernode.dialled, true)) {
    supernode.where = where;
    dials_.push_back({whom, where});
  }
  schedule(*asked);
  return number;
}

void Survey::on_linked(TimePoint now, const NodeId& whom, const Endpoint& observed,
                       std::optional<Duration> handshake_rtt) {
  const auto supernode = supernodes_.find(whom);
  if (supernode == supernodes_.end()) return;
  supernode->second.linked = true;
  supernode->second.dialled = false;
  supernode->second.observed = observed;
  supernode->second.handshake_rtt = handshake_rtt;
  for (auto& asked : asked_) {
    if (asked.second.whom != whom || asked.second.sent > 0) continue;
    asked.second.send_at = now;
    schedule(asked);
  }
}

void Survey::on_unreachable(TimePoint now, const NodeId& whom, const std::string& why) {
  const auto supernode = supernodes_.find(whom);
  if (supernode == supernodes_.end()) return;
  supernode->second.linked = supernode->second.dialled = false;
  for (auto asked = asked_.begin(); asked != asked_.end();) {
    const auto next = std::next(asked);
    if (asked->second.whom == whom) finish(now, asked, {}, why);
    asked = next;
  }
}

bool Survey::on_answer(TimePoint now, const NodeId& from, const SurveyAnswer& answer) {
  const auto asked = asked_.find(number_of(answer));
  if (asked == asked_.end() || asked->second.whom != from || asked->second.sent == 0 ||
      !fits(asked->second.question, answer))
    return false;
  if (const auto* result = std::get_if<ProveResult>(&answer);
      result && result->nonce != asked->second.nonce)
    return false;
  finish(now, asked, answer, {});
  return true;
}

bool Survey::on_dialback(TimePoint, const Datagram& datagram) {
  const auto nonce = parse_dialback(datagram.bytes);
  if (!nonce) return false;
  const auto asked = asked_.find(number_of(*nonce));
  if (asked == asked_.end() || asked->second.nonce != *nonce || asked->second.sent == 0 ||
      !is_proof(asked->second.question))
    return false;
  // A dialler sends it up to three times, each worth an echo; whoever else learnt the nonce gets
  // none.
  if (asked->second.dialled_from.is_set() && asked->second.dialled_from != datagram.from)
    return false;
  asked->second.dialled_from = datagram.from;
  transmits_.push_back({.to = datagram.from,
                        .bytes = make_dialback_echo(*nonce),
                        .socket = datagram.socket,
                        .proto = datagram.proto});
  return true;
}

void Survey::on_timeout(TimePoint now) {
  while (const auto number = timers_.pop_due(now)) {
    const auto asked = asked_.find(*number);
    if (asked == asked_.end()) continue;
    if (asked->second.send_at && now >= *asked->second.send_at) {
      due_.push_back(*number);
    } else if (now >= asked->second.deadline) {
      // Perhaps the supernode has forgotten us: the next question begins with a new handshake.
      if (const auto it = supernodes_.find(asked->second.whom); it != supernodes_.end())
        it->second.linked = it->second.dialled = false;
      finish(now, asked, {},
             asked->second.sent > 0 ? "it is there, but does not answer" : "it did not answer");
    } else {
      schedule(*asked);
    }
  }
}

void Survey::finish(TimePoint now, Questions::iterator asked, std::optional<SurveyAnswer> answer,
                    const std::string& why) {
  SurveyDone done{.whom = asked->second.whom,
                  .number = asked->first,
                  .answer = std::move(answer),
                  .why = why,
                  .rtt = {},
                  .handshake_rtt = {},
                  .observed = {},
                  .dialled_from = asked->second.dialled_from};
  // Asked twice, nobody knows which question the answer is to (Karn).
  if (done.answer && asked->second.sent == 1) done.rtt = now - asked->second.sent_at;
  if (const auto it = supernodes_.find(done.whom); it != supernodes_.end()) {
    done.handshake_rtt = it->second.handshake_rtt;
    done.observed = it->second.observed;
  }
  timers_.set(asked->first, std::nullopt);
  asked_.erase(asked);
  done_.push_back(std::move(done));
}

// --- decisions -----------------------------------------------------------------------------------

void Survey::schedule(const Questions::value_type& asked) {
  timers_.set(asked.first, asked.second.send_at.value_or(asked.second.deadline));
}

std::optional<Survey::Dial> Survey::poll_dial() {
  if (dials_.empty()) return {};
  const Dial dial = dials_.front();
  dials_.pop_front();
  return dial;
}

std::optional<Survey::Letter> Survey::poll_letter(TimePoint now) {
  on_timeout(now);
  while (!due_.empty()) {
    const auto found = asked_.find(due_.front());
    due_.pop_front();
    if (found == asked_.end()) continue;
    Asked& asked = found->second;
    asked.sent_at = now;
    ++asked.sent;
    asked.send_at.reset();
    const bool proof = is_proof(asked.question);
    if (!proof && asked.sent < limits::survey_sends) asked.send_at = now + limits::survey_resend;
    asked.deadline = now + (proof ? limits::survey_proof_patience : limits::survey_resend);
    if (auto* request = std::get_if<ProveRequest>(&asked.question))
      request->endpoint = supernodes_.at(asked.whom).observed;
    schedule(*found);
    return Letter{asked.whom, asked.question};
  }
  return {};
}

std::optional<Transmit> Survey::poll_transmit() {
  if (transmits_.empty()) return {};
  Transmit next = std::move(transmits_.front());
  transmits_.pop_front();
  return next;
}

std::optional<SurveyDone> Survey::poll_done() {
  if (done_.empty()) return {};
  SurveyDone next = std::move(done_.front());
  done_.pop_front();
  return next;
}

std::optional<TimePoint> Survey::next_timeout() const {
  return timers_.next();
}

bool Survey::awaits(const NodeId& whom) const {
  for (const auto& [number, asked] : asked_)
    if (asked.whom == whom) return true;
  return false;
}

}  // namespace byway
