// The directory that is a node's life between runs: its key, its contacts, its inbox, and the
// Unix socket by which commands find it. Only its owner may look inside (0700).
//
//   identity.key   the secret seed, 64 hex digits (0600); written once, atomically
//   byway.db       contacts and inbox (SQLite)
//   peers          supernodes remembered (node/kept_file.h)
//   proof          who reached us at our own address, and whether we served there (likewise)
//   control        the socket of the running node
//   lock           held while a node runs, so that two never share one identity
#pragma once

#include <optional>
#include <string>

#include "node/outcome.h"
#include "protocol/identity.h"

namespace byway {

// $XDG_STATE_HOME/byway, else ~/.local/state/byway.
std::string default_state_dir();

std::string control_socket_path(const std::string& state_dir);

class StateDir {
 public:
  // Makes the directory where there is none.
  static Outcome<StateDir> open(const std::string& path);
  StateDir(StateDir&& other) noexcept;
  StateDir& operator=(StateDir&& other) noexcept;
  ~StateDir();

  const std::string& path() const { return path_; }
  std::string key_path() const { return path_ + "/identity.key"; }
  std::string database_path() const { return path_ + "/byway.db"; }
  std::string peer_book_path() const { return path_ + "/peers"; }
  std::string kept_proof_path() const { return path_ + "/proof"; }
  std::string relay_month_path() const { return path_ + "/relayed"; }

  // The node's identity; the first call ever makes it. Two processes that do so at once end
  // with the same one.
  Outcome<Identity> identity() const;
  // For as long as this object lives. Fails when another node runs here.
  Outcome<bool> lock();

 private:
  explicit StateDir(std::string path) : path_(std::move(path)) {}

  std::string path_;
  int lock_ = -1;
};

// Replaces a file's content: afterwards it is the old one or the new one, also after a power cut.
// Readable for its owner only.
Outcome<bool> write_private_file(const std::string& path, ByteView content);

// What `byway id` prints, making the key where there is none.
Outcome<NodeId> make_or_load_identity(const std::string& state_dir);

}  // namespace byway
