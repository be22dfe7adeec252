// What must survive a restart: who our contacts are and what they wrote. SQLite, one file, so
// that a text is acknowledged only when it is on disk.
//
// Strangers may write too, but what they fill is bounded: each has little room, and all of them
// together have a little more. A text that comes again (same sender, same id) is kept once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/outcome.h"
#include "protocol/identity.h"

struct sqlite3;

namespace byway {

struct Contact {
  std::string name;
  NodeId id;
  bool operator==(const Contact&) const = default;
};

struct InboxText {
  std::int64_t row = 0;
  NodeId from;
  std::uint64_t id = 0;  // the sender's
  std::string text;
  std::uint64_t sent_ms = 0;      // the sender's clock
  std::uint64_t received_ms = 0;  // ours
  bool request = false;           // from somebody who was no contact when it came
};

class Database {
 public:
  static constexpr std::size_t max_contacts = 10'000;
  static constexpr std::size_t max_texts = 200'000;
  static constexpr std::size_t max_requests = 1'000;
  static constexpr std::size_t max_requests_each = 50;

  static Outcome<Database> open(const std::string& path);
  Database(Database&&) noexcept = default;
  Database& operator=(Database&&) noexcept = default;

  // A name stands for one id and an id has one name: adding either again replaces it.
  Outcome<bool> add_contact(const Contact& contact);
  bool remove_contact(const std::string& name);  // false: there was none
  std::vector<Contact> contacts() const;         // by name

  // Everything kept between the two reaches the disk together, or not at all.
  void begin_batch();
  bool end_batch();
  enum class Kept { yes, already, full, failed };
  Kept keep(InboxText& text);  // sets its row
  std::int64_t last_row() const;
  // Those after `row`, oldest first, at most `limit`.
  std::vector<InboxText> texts_after(std::int64_t row, std::size_t limit) const;

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  explicit Database(std::unique_ptr<sqlite3, Close> db) : db_(std::move(db)) {}

  std::unique_ptr<sqlite3, Close> db_;
};

}  // namespace byway
