// Surveys: what a diagnosis tool asks supernodes (overlay/survey/survey.h), and what a supernode
// tells a guest. Strangers may ask, so no answer is larger than its question, each network may ask
// only so often, and nothing is told that an introduction or a dial would not tell as well.
#include <algorithm>

#include "overlay/conductor.h"
#include "overlay/reach/proof_limits.h"
#include "protocol/codec.h"
#include "protocol/match.h"

namespace byway {

// --- as a tool -----------------------------------------------------------------------------------

std::uint64_t Overlay::Conductor::survey(TimePoint now, const Seed& supernode,
                                         SurveyQuestion question) {
  if (auto* proof = std::get_if<ProveRequest>(&question))
    proof->padding = static_cast<std::uint16_t>(limits::proof::request_padding);
  const auto number = survey_.ask(now, supernode.id, supernode.endpoint, std::move(question),
                                  random_.bytes<sizeof(ProofNonce)>());
  settle(now);
  return number;
}

void Overlay::Conductor::pump_survey(TimePoint now) {
  if (survey_.idle()) return;
  while (const auto wish = survey_.poll_dial()) {
    if (wish->whom == id()) {
      survey_.on_unreachable(now, wish->whom, "that is this node itself");
      continue;
    }
    Peer& peer = ensure_peer(wish->whom);
    keep_for_a_while(now, peer);
    if (!peer.link.dialing()) dial(now, peer, Route{.endpoint = wish->where}, Greet{});
  }
  while (const auto letter = survey_.poll_letter(now)) {
    Peer* peer = find(letter->to);
    const Path* path = peer && peer->link.confirmed() ? peer->paths.best() : nullptr;
    if (!path) continue;  // asked again, or given up
    keep_for_a_while(now, *peer);
    std::visit(Match{
                   [&](const ProveRequest& request) {
                     send_body(*peer, path->route, Area::proof, encode(ProofMessage(request)));
                   },
                   [&](const Find& find) {
                     send_body(*peer, path->route, Area::directory, encode(DirectoryMessage(find)));
                   },
                   [&](const Locate& locate) {
                     send_body(*peer, path->route, Area::directory,
                               encode(DirectoryMessage(locate)));
                   },
                   [&](const auto& request) {
                     send_body(*peer, path->route, Area::survey, encode(SurveyMessage(request)));
                   },
               },
               letter->question);
  }
  while (auto echo = survey_.poll_transmit()) transmit_raw(now, std::move(*echo));
  while (auto done = survey_.poll_done()) events_.push_back(std::move(*done));
}

// --- as a supernode ------------------------------------------------------------------------------

bool Overlay::Conductor::may_survey(TimePoint now, const Route& route) {
  const IpAddress& from = route.endpoint.address;
  return survey_rate_.take(now, from.prefix(from.is_v4() ? 24 : 48)) && survey_load_.take(now);
}

Overlay::Conductor::Outcome Overlay::Conductor::on_survey(TimePoint now, Peer& from,
                                                          const Route& route, ByteView body) {
  const auto message = decode_survey(body);
  if (!message) return Drop::undecodable;
  if (route.relayed()) return Drop::unexpected;
  const auto answer = [&](const SurveyMessage& reply) -> Outcome {
    const Bytes bytes = encode(reply);
    if (bytes.size() > body.size()) return Drop::oversize_answer;
    ++counters_.surveys_answered;
    send_body(from, route, Area::survey, bytes);
    return used;
  };
  const auto is_expected = [&](const SurveyAnswer& heard) -> Outcome {
    return survey_.on_answer(now, from.id, heard) ? used : Outcome(Drop::unexpected);
  };
  return std::visit(Match{
                        [&](const StateRequest& request) -> Outcome {
                          if (!is_supernode()) return Drop::unexpected;
                          if (!may_survey(now, route)) return Drop::survey_rate;
                          return answer(survey_state(now, request));
                        },
                        [&](const MembersRequest& request) -> Outcome {
                          if (!is_supernode()) return Drop::unexpected;
                          if (!may_survey(now, route)) return Drop::survey_rate;
                          return answer(survey_members(request, body.size()));
                        },
                        [&](const SupernodeState& state) { return is_expected(state); },
                        [&](const MembersPage& page) { return is_expected(page); },
                    },
                    *message);
}

SupernodeState Overlay::Conductor::survey_state(TimePoint now, const StateRequest& request) const {
  const auto small = [](std::size_t n) {
    return static_cast<std::uint32_t>(std::min<std::size_t>(n, UINT32_MAX));
  };
  const View& view = membership_->view();
  const RecordPtr own = membership_->record_of(id());
  return {.number = request.number,
          .version = protocol_version,
          .netgroup_bits_v4 = static_cast<std::uint8_t>(config_.netgroup_bits_v4),
          .netgroup_bits_v6 = static_cast<std::uint8_t>(config_.netgroup_bits_v6),
          .relays = relays(now),
          .established = membership_->is_established(),
          .handing_over = promotion_.state() == Promotion::State::handing_over,
          .agent = config_.agent.substr(0, max_survey_agent),
          .uptime_s = small(static_cast<std::size_t>((now - started_) / 1s)),
          .leaves = small(registrar_.size()),
          .limit = small(promotion_.admission_limit(now)),
          .lanes = small(relay_.lanes()),
          .relay_rate = config_.relay_rate,
          .relayed_bytes = counters_.relayed_bytes,
          .known = small(view.known()),
          .admitted = small(view.size()),
          .netgroups = small(view.netgroups()),
          .root = view.tree().root(),
          .sequence = own ? own->record().sequence : 0};
}

// As many as fit into what the question was long.
MembersPage Overlay::Conductor::survey_members(const MembersRequest& request,
                                               std::size_t room) const {
  const View& view = membership_->view();
  MembersPage page{.number = request.number,
                   .root = view.tree().root(),
                   .members = {},
                   .more = false,
                   .next = 0};
  view.each(request.from, request.last, [&](const View::Member& member) {
    const auto full = [&] {
      page.more = true;
      page.next = member.position;
      return false;
    };
    if (page.members.size() >= max_surveyed_members) return full();
    page.members.push_back(
        {to_bytes(member.dossier->record->exact_bytes()), member.admitted,
         member.load == View::load_unknown ? surveyed_load_unknown : member.load});
    page.more = true;  // counted in, for it may have to be said
    page.next = ~0ull;
    if (encode(SurveyMessage(page)).size() > room) {
      page.members.pop_back();
      return full();
    }
    page.more = false;
    page.next = 0;
    return true;
  });
  return page;
}

// A guest may ask what a holder knows of a leaf, and a home whether it is there: whoever knows the
// id could ask to be introduced and learn the same. Nothing else of the directory is for guests.
Overlay::Conductor::Outcome Overlay::Conductor::on_guest_directory(TimePoint now, Peer& from,
                                                                   const Route& route,
                                                                   ByteView body) {
  const auto message = decode_directory(body);
  if (!message) return Drop::undecodable;
  // Found is longer than Find: it goes only where the guest is proved to be.
  const Path* path = from.paths.best();
  const auto answer = [&](const DirectoryMessage& reply) -> Outcome {
    ++counters_.surveys_answered;
    send_body(from, path->route, Area::directory, encode(reply));
    return used;
  };
  const auto is_expected = [&](const SurveyAnswer& heard) -> Outcome {
    return survey_.on_answer(now, from.id, heard) ? used : Outcome(Drop::unexpected);
  };
  if (const auto* found = std::get_if<Found>(&*message)) return is_expected(*found);
  if (const auto* located = std::get_if<Located>(&*message)) return is_expected(*located);
  if (!is_supernode() || !path || route.relayed()) return Drop::unexpected;
  if (const auto* find = std::get_if<Find>(&*message)) {
    if (!may_survey(now, route)) return Drop::survey_rate;
    const RecordPtr record = store_->find(find->target);
    if (!record) return answer(Found{find->number, FindOutcome::unknown, {}});
    return answer(Found{find->number, FindOutcome::known, to_bytes(record->exact_bytes())});
  }
  if (const auto* locate = std::get_if<Locate>(&*message)) {
    if (!may_survey(now, route)) return Drop::survey_rate;
    return answer(Located{locate->number, registrar_.has(locate->target)});
  }
  return Drop::unexpected;
}

// --- whom others may join by ---------------------------------------------------------------------

std::vector<Seed> Overlay::Conductor::supernodes(std::size_t most) const {
  std::vector<Seed> found;
  const auto add = [&](const NodeId& supernode, const std::optional<Endpoint>& endpoint) {
    const bool known = std::any_of(found.begin(), found.end(),
                                   [&](const Seed& seed) { return seed.id == supernode; });
    if (endpoint && endpoint->is_set() && !known && found.size() < most)
      found.push_back({supernode, *endpoint});
  };
  if (is_supernode()) {
    const auto own = own_endpoints();
    if (!own.empty()) add(id(), own.front());
    for (const NodeId& other : membership_->nearest(id(), most))
      add(other, supernode_endpoint(other));
  }
  for (const NodeId& home : homes_.ids()) add(home, homes_.endpoint_of(home));
  for (const NodeId& other : homes_.all()) add(other, homes_.endpoint_of(other));
  return found;
}

}  // namespace byway
