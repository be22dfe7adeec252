#include "node/state_dir.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "protocol/random.h"

namespace byway {
namespace {

constexpr std::size_t key_text_size = 64;  // hex digits

std::string reason(int error) {
  return std::strerror(error);
}

Problem cannot(const std::string& what, int error) {
  return {what + ": " + reason(error)};
}

// An open file, closed at the end of its scope.
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::optional<Key> key_from_text(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  if (text.size() != key_text_size) return std::nullopt;
  Key key;
  std::size_t length = 0;
  if (sodium_hex2bin(key.data(), key.size(), text.data(), text.size(), nullptr, &length, nullptr))
    return std::nullopt;
  if (length != key.size()) return std::nullopt;
  return key;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

void sync_directory(const std::string& path) {
  const File directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory) ::fsync(directory.fd());
}

// The key's text appears under its name complete or not at all. link() instead of rename(): of
// two processes making a key at once, the second must not replace the first one's.
Outcome<bool> write_key(const std::string& dir, const std::string& path, const Key& seed) {
  std::string temporary = path + ".XXXXXX";
  const File file(::mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (!file) return cannot("cannot write a key to " + dir, errno);

  std::string text = to_hex(seed) + "\n";
  const bool written = write_all(file.fd(), text) && ::fsync(file.fd()) == 0;
  const int write_error = errno;
  sodium_memzero(text.data(), text.size());
  if (!written) {
    ::unlink(temporary.c_str());
    return cannot("cannot write a key to " + dir, write_error);
  }
  const bool linked = ::link(temporary.c_str(), path.c_str()) == 0 || errno == EEXIST;
  const int link_error = errno;
  ::unlink(temporary.c_str());
  if (!linked) return cannot("cannot write a key to " + dir, link_error);
  sync_directory(dir);
  return true;
}

}  // namespace

Outcome<bool> write_private_file(const std::string& path, ByteView content) {
  std::string temporary = path + ".XXXXXX";
  const File file(::mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (!file) return cannot("cannot write " + path, errno);
  const bool written = write_all(file.fd(), text_of(content)) && ::fsync(file.fd()) == 0 &&
                       ::rename(temporary.c_str(), path.c_str()) == 0;
  const int write_error = errno;
  if (!written) {
    ::unlink(temporary.c_str());
    return cannot("cannot write " + path, write_error);
  }
  sync_directory(path.substr(0, path.rfind('/')));
  return true;
}

std::string default_state_dir() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && state[0] == '/')
    return std::string(state) + "/byway";
  if (const char* home = std::getenv("HOME"); home && home[0] != '\0')
    return std::string(home) + "/.local/state/byway";
  return "/var/lib/byway";
}

std::string control_socket_path(const std::string& state_dir) {
  return state_dir + "/control";
}

Outcome<StateDir> StateDir::open(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  if (error) return Problem{"--state-dir: " + path + ": " + error.message()};

  // Directories on the way get the usual mode; the last one is private.
  if (absolute.has_parent_path())
    std::filesystem::create_directories(absolute.parent_path(), error);
  if (::mkdir(absolute.c_str(), 0700) != 0 && errno != EEXIST)
    return cannot("--state-dir: cannot make " + absolute.string(), errno);

  struct stat info {};
  if (::stat(absolute.c_str(), &info) != 0)
    return cannot("--state-dir: cannot use " + absolute.string(), errno);
  if (!S_ISDIR(info.st_mode))
    return Problem{"--state-dir: " + absolute.string() + " is not a directory; name another"};
  if (info.st_uid != ::geteuid())
    return Problem{"--state-dir: " + absolute.string() +
                   " belongs to another user; name a directory of your own"};
  if ((info.st_mode & 0077) != 0 && ::chmod(absolute.c_str(), 0700) != 0)
    return cannot("--state-dir: cannot make " + absolute.string() + " private", errno);
  return StateDir(absolute.string());
}

StateDir::StateDir(StateDir&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

StateDir& StateDir::operator=(StateDir&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  return *this;
}

StateDir::~StateDir() {
  if (lock_ >= 0) ::close(lock_);
}

Outcome<Identity> StateDir::identity() const {
  const std::string path = key_path();
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
    Random::Seed chance;
    sodium_crypto();  // initialises libsodium
    randombytes_buf(chance.data(), chance.size());
    Random random(chance);
    const auto written = write_key(path_, path, Identity::generate(random).seed());
    if (!written) return written.error();
  }

  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return cannot("cannot read the key " + path, errno);
  struct stat info {};
  if (::fstat(file.fd(), &info) != 0) return cannot("cannot read the key " + path, errno);
  if (!S_ISREG(info.st_mode))
    return Problem{"the key " + path + " is no file; put it away, and a copy of the key there"};
  if ((info.st_mode & 0077) != 0)
    return Problem{"the key " + path + " is open to others; make it yours alone: chmod 600 " +
                   path};

  ByteArray<256> text;
  const ssize_t size = ::read(file.fd(), text.data(), text.size());
  if (size < 0) return cannot("cannot read the key " + path, errno);
  auto seed = key_from_text(text_of({text.data(), static_cast<std::size_t>(size)}));
  sodium_memzero(text.data(), text.size());
  if (!seed)
    return Problem{"the key " + path +
                   " is damaged (it should be 64 hex digits); put a copy back, or remove it to "
                   "become a new node"};
  auto identity = Identity::from_seed(*seed);
  sodium_memzero(seed->data(), seed->size());
  return identity;
}

Outcome<bool> StateDir::lock() {
  const std::string path = path_ + "/lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return cannot("cannot open " + path, errno);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return Problem{"a node is running in " + path_ +
                   " already; stop it, or choose another --state-dir"};
  }
  lock_ = fd;
  return true;
}

Outcome<NodeId> make_or_load_identity(const std::string& state_dir) {
  auto dir = StateDir::open(state_dir);
  if (!dir) return dir.error();
  auto identity = dir->identity();
  if (!identity) return identity.error();
  return identity->id();
}

}  // namespace byway
