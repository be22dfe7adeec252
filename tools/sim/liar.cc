#include "tools/sim/liar.h"

#include <algorithm>
#include <optional>

#include "protocol/directory_message.h"
#include "protocol/mesh_message.h"
#include "protocol/message.h"

namespace byway::sim {
namespace {

// What it says instead; none where the truth will do.
std::optional<Bytes> lie_for(Area area, ByteView body) {
  if (area == Area::directory) {
    const auto message = decode_directory(body);
    if (!message) return std::nullopt;
    if (const auto* found = std::get_if<Found>(&*message);
        found && found->outcome == FindOutcome::known)
      return encode(DirectoryMessage(Found{found->number, FindOutcome::unknown, {}}));
    if (const auto* located = std::get_if<Located>(&*message); located && located->here)
      return encode(DirectoryMessage(Located{located->number, false}));
  }
  if (area == Area::mesh) {
    const auto message = decode_mesh(body);
    if (!message) return std::nullopt;
    if (const auto* found = std::get_if<ProbeFound>(&*message); found && found->alive)
      return encode(MeshMessage(ProbeFound{found->target, false}));
  }
  return std::nullopt;
}

}  // namespace

// A lie is never longer than the truth; what is left of the datagram nobody reads.
void Liar::seal(const Key& key, std::uint64_t nonce, ByteView ad, ByteView plaintext,
                MutableBytes out) const {
  if (!plaintext.empty()) {
    const auto lie = lie_for(static_cast<Area>(plaintext[0]), plaintext.subspan(1));
    if (lie && lie->size() < plaintext.size()) {
      Bytes said(plaintext.size(), 0);
      said[0] = plaintext[0];
      std::copy(lie->begin(), lie->end(), said.begin() + 1);
      ++lies_;
      return StandInCrypto::seal(key, nonce, ad, said, out);
    }
  }
  StandInCrypto::seal(key, nonce, ad, plaintext, out);
}

}  // namespace byway::sim
