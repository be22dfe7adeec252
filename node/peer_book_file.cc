#include "node/peer_book_file.h"

#include <fstream>
#include <iterator>

#include "node/log.h"
#include "node/state_dir.h"

namespace byway {
namespace {

constexpr std::size_t max_size = 1 << 20;  // ten times what a book can be
constexpr Duration first_look = 5s;
constexpr Duration look_again = 60s;

}  // namespace

Outcome<Bytes> read_peer_book(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Bytes{};
  Bytes bytes;
  for (auto byte = std::istreambuf_iterator<char>(file);
       byte != std::istreambuf_iterator<char>() && bytes.size() <= max_size; ++byte)
    bytes.push_back(static_cast<std::uint8_t>(*byte));
  if (file.bad() || bytes.size() > max_size)
    return Problem{"the peer book " + path + " cannot be read; remove it to start without"};
  return bytes;
}

PeerBookFile::PeerBookFile(Runtime& runtime, std::string path)
    : runtime_(runtime), path_(std::move(path)), timer_(runtime) {}

void PeerBookFile::start() {
  timer_.after(first_look, [this] { look(); });
}

void PeerBookFile::look() {
  save();
  timer_.after(look_again, [this] { look(); });
}

void PeerBookFile::save() {
  const Overlay& overlay = runtime_.overlay();
  const std::uint64_t version = overlay.peer_book_version();
  if (version == saved_version_) return;
  const auto written = write_private_file(path_, overlay.peer_book());
  if (written) {
    saved_version_ = version;
    complained_ = false;
    log_debug("event=peer-book-saved supernodes=" +
              std::to_string(overlay.supernodes_remembered()));
  } else if (!std::exchange(complained_, true)) {
    log_warn("event=peer-book-not-saved why=" + quoted(written.error().sentence));
  }
}

}  // namespace byway
