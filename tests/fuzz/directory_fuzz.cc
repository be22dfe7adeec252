// What homes and holders ask one another, and what is said about proofs: as it comes, and as a
// change to something good. What is let through keeps its limits and is heard again as the same.
#include "protocol/directory_message.h"

#include "protocol/attestation.h"
#include "protocol/proof_message.h"
#include "protocol/record.h"
#include "tests/fuzz/change.h"

using namespace byway;

namespace {

const NodeId someone = NodeId::trusted(Key{1});

std::vector<Bytes> good_questions() {
  std::vector<Bytes> good;
  for (const DirectoryMessage& message :
       {DirectoryMessage(Place{7, someone, Bytes(200, 3)}),
        DirectoryMessage(Placed{7, PlaceOutcome::not_mine}), DirectoryMessage(Find{7, someone}),
        DirectoryMessage(Found{7, FindOutcome::known, Bytes(200, 3)}),
        DirectoryMessage(Locate{7, someone}), DirectoryMessage(Located{7, true})})
    good.push_back(encode(message));
  return good;
}

std::vector<Bytes> good_proofs() {
  const Endpoint there = *Endpoint::parse("198.51.100.7:7000");
  std::vector<Bytes> good;
  for (const ProofMessage& message :
       {ProofMessage(ProveRequest{{1}, there, Proto::udp, 192, {1, 2, 3}}),
        ProofMessage(DialOrder{someone, {1}, there, Proto::udp}),
        ProofMessage(DialResult{{1}, ProofOutcome::proved, Bytes(120, 3)}),
        ProofMessage(ProveResult{{1}, ProofOutcome::refused, {}, 61})})
    good.push_back(encode(message));
  return good;
}

void hear_question(ByteView bytes) {
  const auto message = decode_directory(bytes);
  if (!message) return;
  if (const auto* place = std::get_if<Place>(&*message))
    ensure(place->record.size() <= max_record_size);
  if (const auto* found = std::get_if<Found>(&*message))
    ensure(found->record.size() <= max_record_size);
  const Bytes said = encode(*message);
  ensure(said.size() <= 1150);
  ensure(*decode_directory(said) == *message);
}

void hear_proof(ByteView bytes) {
  const auto message = decode_proof(bytes);
  if (!message) return;
  if (const auto* request = std::get_if<ProveRequest>(&*message))
    ensure(request->met.size() <= max_met);
  if (const auto* result = std::get_if<DialResult>(&*message))
    ensure(result->attestation.size() <= max_attestation_size);
  ensure(*decode_proof(encode(*message)) == *message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Bytes> questions = good_questions(), proofs = good_proofs();
  if (size < 1) return 0;
  const ByteView input(data + 1, size - 1);
  hear_question(input);
  hear_proof(input);
  hear_question(change(questions[data[0] % questions.size()], input));
  hear_proof(change(proofs[data[0] % proofs.size()], input));
  return 0;
}
