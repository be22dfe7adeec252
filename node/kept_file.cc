#include "node/kept_file.h"

#include <fstream>
#include <iterator>

#include "node/log.h"
#include "node/state_dir.h"

namespace byway {
namespace {

constexpr std::size_t max_size = 1 << 20;  // ten times what a peer book can be
constexpr Duration first_look = 5s;
constexpr Duration look_again = 60s;

}  // namespace

Outcome<Bytes> read_kept_file(const std::string& path, const std::string& what) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Bytes{};
  Bytes bytes;
  for (auto byte = std::istreambuf_iterator<char>(file);
       byte != std::istreambuf_iterator<char>() && bytes.size() <= max_size; ++byte)
    bytes.push_back(static_cast<std::uint8_t>(*byte));
  if (file.bad() || bytes.size() > max_size)
    return Problem{"the " + what + " " + path + " cannot be read; remove it to start without"};
  return bytes;
}

KeptFile::KeptFile(Runtime& runtime, std::string path, std::string what, Content content,
                   Version version)
    : runtime_(runtime),
      path_(std::move(path)),
      what_(std::move(what)),
      content_(content),
      version_(version),
      timer_(runtime) {}

void KeptFile::start() {
  timer_.after(first_look, [this] { look(); });
}

void KeptFile::look() {
  save();
  timer_.after(look_again, [this] { look(); });
}

void KeptFile::save() {
  const Overlay& overlay = runtime_.overlay();
  const std::uint64_t version = (overlay.*version_)();
  if (version == saved_version_) return;
  const auto written = write_private_file(path_, (overlay.*content_)());
  if (written) {
    saved_version_ = version;
    complained_ = false;
    log_debug("event=saved what=" + quoted(what_));
  } else if (!std::exchange(complained_, true)) {
    log_warn("event=not-saved what=" + quoted(what_) + " why=" + quoted(written.error().sentence));
  }
}

}  // namespace byway
