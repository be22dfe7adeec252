#include "overlay/link/link.h"

#include <algorithm>

#include "overlay/core/limits.h"
#include "overlay/core/timers.h"

namespace byway {
namespace {

// More than this many at once means somebody with the right key is playing with us.
constexpr std::size_t max_sessions = 4;

}  // namespace

Result<Bytes> Link::dial(TimePoint now, IndexTable::Index index, ByteView hello, Random& random) {
  auto initiator = Initiator::make(*crypto_, *self_, *peer_, index.value(), random);
  if (!initiator) return initiator.error();
  Bytes datagram = initiator->start(hello);
  dial_ = std::make_unique<Dial>(Dial{.initiator = std::move(*initiator),
                                      .index = std::move(index),
                                      .cookie = {},
                                      .sent_at = now,
                                      .resend_at = now + limits::handshake_resend,
                                      .gap = limits::handshake_resend});
  return datagram;
}

bool Link::dial_awaits(std::uint32_t index) const {
  return dial_ && dial_->index.value() == index;
}

Bytes Link::dial_datagram() const {
  ensure(dial_ != nullptr);
  return dial_->cookie ? dial_->initiator.with_cookie(*dial_->cookie) : dial_->initiator.datagram();
}

std::optional<Bytes> Link::poll_resend(TimePoint now) {
  if (!dial_ || now < dial_->resend_at || dial_->sends >= limits::handshake_sends) return {};
  ++dial_->sends;
  dial_->gap *= 2;
  dial_->sent_at = now;
  dial_->resend_at = now + dial_->gap;
  return dial_datagram();
}

bool Link::dial_failed(TimePoint now) const {
  return dial_ && dial_->sends >= limits::handshake_sends && now >= dial_->resend_at;
}

Result<Bytes> Link::on_handshake2(TimePoint now, ByteView datagram) {
  if (!dial_) return Error::unexpected;
  auto finished = dial_->initiator.finish(datagram);
  if (!finished) return finished.error();

  if (dial_->sends == 1) handshake_rtt_ = now - dial_->sent_at;
  sessions_.push_back(
      {Seal(*crypto_, finished->keys), std::move(dial_->index), true, true, now, {}});
  dial_.reset();
  retire_all_but(sender(), now);
  return std::move(finished->payload);
}

void Link::discard_refused() {
  if (sessions_.empty()) return;
  sessions_.pop_back();
  for (Session& session : sessions_)
    if (session.confirmed) session.gone_at.reset();
}

Result<Bytes> Link::on_cookie(TimePoint now, ByteView datagram) {
  if (!dial_) return Error::unexpected;
  auto cookie = dial_->initiator.open_cookie(datagram);
  if (!cookie) return cookie.error();
  if (dial_->cookie == *cookie) return Error::unexpected;  // it had its chance: wait for the timer
  dial_->cookie = *cookie;
  dial_->sent_at = now;
  return dial_datagram();
}

void Link::on_answered(TimePoint now, IndexTable::Index index, const SessionKeys& keys) {
  // Of unconfirmed sessions only the newest is worth keeping: its initiator is the live one.
  std::erase_if(sessions_, [](const Session& s) { return !s.confirmed; });
  if (sessions_.size() >= max_sessions) sessions_.erase(sessions_.begin());
  sessions_.push_back({Seal(*crypto_, keys), std::move(index), false, false, now,
                       now + limits::unconfirmed_lifetime});
}

std::optional<Bytes> Link::seal(ByteView plaintext) {
  Session* session = sender();
  if (!session) return {};
  return session->seal.seal(plaintext);
}

Result<Link::Opened> Link::open(TimePoint now, ByteView datagram) {
  const auto index = receiver_index(datagram);
  if (!index) return index.error();
  const auto session = std::find_if(sessions_.begin(), sessions_.end(),
                                    [&](const Session& s) { return s.index.value() == *index; });
  if (session == sessions_.end()) return Error::unknown_session;
  auto plaintext = session->seal.open(datagram);
  if (!plaintext) return plaintext.error();

  const bool confirms = !session->confirmed;
  if (confirms) {
    session->confirmed = true;
    session->gone_at.reset();
    handshake_rtt_ = now - session->born;
    retire_all_but(sender(), now);
  }
  return Opened{std::move(*plaintext), confirms};
}

bool Link::confirmed() const {
  return std::any_of(sessions_.begin(), sessions_.end(),
                     [](const Session& s) { return s.confirmed; });
}

bool Link::preferred(const Session& a, const Session& b) const {
  if (a.confirmed != b.confirmed) return a.confirmed;
  const Duration apart = a.born > b.born ? a.born - b.born : b.born - a.born;
  if (a.initiated != b.initiated && apart < limits::old_keys_kept)
    return a.initiated == (self_->id() < *peer_);
  return a.born > b.born;
}

Link::Session* Link::sender() {
  const auto best =
      std::min_element(sessions_.begin(), sessions_.end(),
                       [this](const Session& a, const Session& b) { return preferred(a, b); });
  return best == sessions_.end() ? nullptr : &*best;
}

void Link::retire_all_but(const Session* kept, TimePoint now) {
  for (Session& session : sessions_)
    if (&session != kept && !session.gone_at) session.gone_at = now + limits::old_keys_kept;
}

std::optional<TimePoint> Link::rekey_at() const {
  const Session* session = sender();
  if (!session || !session->confirmed || dial_) return {};
  // Whoever began renews; the other only if that does not happen.
  const TimePoint due = session->born + limits::rekey_after + (session->initiated ? 0s : 60s);
  return std::max(due, rekey_not_before_);
}

bool Link::wants_rekey(TimePoint now) const {
  const auto at = rekey_at();
  return at && (now >= *at || sender()->seal.sent() >= limits::rekey_after_messages);
}

void Link::on_timeout(TimePoint now) {
  std::erase_if(sessions_, [&](const Session& s) { return s.gone_at && now >= *s.gone_at; });
}

std::optional<TimePoint> Link::next_timeout() const {
  std::optional<TimePoint> next = rekey_at();
  if (dial_) next = earlier(next, dial_->resend_at);
  for (const Session& session : sessions_) next = earlier(next, session.gone_at);
  return next;
}

}  // namespace byway
