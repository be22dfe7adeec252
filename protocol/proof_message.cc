#include "protocol/proof_message.h"

#include "protocol/attestation.h"
#include "protocol/packing.h"
#include "protocol/proof.capnp.h"

namespace byway {
namespace {

using packing::array_of;
using packing::enum_of;
using packing::require;
using packing::to_data;

constexpr std::size_t max_proof_padding = 1000;

// --- out ---------------------------------------------------------------------------------------

void put(wire::ProofMessage::Builder to, const ProveRequest& request) {
  auto out = to.initRequest();
  out.setNonce(to_data(request.nonce));
  packing::put_endpoint(out.initEndpoint(), request.endpoint);
  out.setProto(static_cast<wire::Proto>(request.proto));
  if (request.padding > 0) packing::pad(out.initPadding(request.padding));
  if (request.met.empty()) return;
  auto met = out.initMet(static_cast<unsigned>(request.met.size()));
  for (unsigned i = 0; i < met.size(); ++i) met.set(i, request.met[i]);
}
void put(wire::ProofMessage::Builder to, const DialOrder& order) {
  auto out = to.initOrder();
  out.setAsker(to_data(order.asker.key()));
  out.setNonce(to_data(order.nonce));
  packing::put_endpoint(out.initEndpoint(), order.endpoint);
  out.setProto(static_cast<wire::Proto>(order.proto));
}
void put(wire::ProofMessage::Builder to, const DialResult& result) {
  auto out = to.initDialled();
  out.setNonce(to_data(result.nonce));
  out.setOutcome(static_cast<wire::ProofOutcome>(result.outcome));
  out.setAttestation(to_data(result.attestation));
}
void put(wire::ProofMessage::Builder to, const ProveResult& result) {
  auto out = to.initResult();
  out.setNonce(to_data(result.nonce));
  out.setOutcome(static_cast<wire::ProofOutcome>(result.outcome));
  out.setAttestation(to_data(result.attestation));
  out.setRetryS(result.retry_s);
}

// --- in ----------------------------------------------------------------------------------------

ProofMessage get(wire::ProveRequest::Reader from) {
  const std::size_t padding = from.getPadding().size();
  require(padding <= max_proof_padding && from.getMet().size() <= max_met);
  ProveRequest request{array_of<16>(from.getNonce()),
                       packing::get_endpoint(from.getEndpoint()),
                       enum_of(from.getProto(), Proto::tcp),
                       static_cast<std::uint16_t>(padding),
                       {}};
  for (const std::uint64_t id : from.getMet()) request.met.push_back(id);
  return request;
}
ProofMessage get(wire::DialOrder::Reader from) {
  return DialOrder{packing::get_id(from.getAsker()), array_of<16>(from.getNonce()),
                   packing::get_endpoint(from.getEndpoint()), enum_of(from.getProto(), Proto::tcp)};
}
ProofMessage get(wire::DialResult::Reader from) {
  return DialResult{array_of<16>(from.getNonce()),
                    enum_of(from.getOutcome(), ProofOutcome::timed_out),
                    packing::bounded(from.getAttestation(), max_attestation_size)};
}
ProofMessage get(wire::ProveResult::Reader from) {
  return ProveResult{
      array_of<16>(from.getNonce()), enum_of(from.getOutcome(), ProofOutcome::timed_out),
      packing::bounded(from.getAttestation(), max_attestation_size), from.getRetryS()};
}
ProofMessage get(wire::ProofMessage::Reader from) {
  switch (from.which()) {
    case wire::ProofMessage::REQUEST:
      return get(from.getRequest());
    case wire::ProofMessage::ORDER:
      return get(from.getOrder());
    case wire::ProofMessage::DIALLED:
      return get(from.getDialled());
    case wire::ProofMessage::RESULT:
      return get(from.getResult());
  }
  throw packing::Refused{Error::malformed};
}

}  // namespace

std::string_view to_string(ProofOutcome outcome) {
  switch (outcome) {
    case ProofOutcome::proved:
      return "proved";
    case ProofOutcome::no_dialler:
      return "nobody to dial";
    case ProofOutcome::refused:
      return "refused";
    case ProofOutcome::timed_out:
      return "timed out";
  }
  return "unknown";
}

std::string_view name_of(const ProofMessage& message) {
  constexpr std::string_view names[] = {"prove-request", "dial-order", "dial-result",
                                        "prove-result"};
  static_assert(std::size(names) == std::variant_size_v<ProofMessage>);
  return names[message.index()];
}

Bytes encode(const ProofMessage& message) {
  return packing::pack<wire::ProofMessage>([&](wire::ProofMessage::Builder to) {
    std::visit([&](const auto& kind) { put(to, kind); }, message);
  });
}

Result<ProofMessage> decode_proof(ByteView bytes) {
  return packing::unpack<wire::ProofMessage>(
      bytes, [](wire::ProofMessage::Reader from) { return get(from); });
}

}  // namespace byway
