#include "node/database.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>

namespace byway {
namespace {

constexpr int schema_version = 1;
constexpr const char* schema = R"sql(
  CREATE TABLE contact (name TEXT PRIMARY KEY, id BLOB NOT NULL UNIQUE) WITHOUT ROWID;
  CREATE TABLE inbox (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    sender BLOB NOT NULL,
    id INTEGER NOT NULL,
    text TEXT NOT NULL,
    sent_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    request INTEGER NOT NULL,
    UNIQUE (sender, id)
  );
  CREATE INDEX inbox_requests ON inbox (sender) WHERE request;
)sql";

// One prepared statement, bound and stepped in order.
class Statement {
 public:
  Statement(sqlite3* db, const char* sql) { sqlite3_prepare_v2(db, sql, -1, &handle_, nullptr); }
  ~Statement() { sqlite3_finalize(handle_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(std::string_view text) {
    sqlite3_bind_text(handle_, ++bound_, text.data(), static_cast<int>(text.size()),
                      SQLITE_TRANSIENT);
    return *this;
  }
  Statement& bind(const NodeId& id) {
    sqlite3_bind_blob(handle_, ++bound_, id.key().data(), static_cast<int>(id.key().size()),
                      SQLITE_TRANSIENT);
    return *this;
  }
  Statement& bind(std::uint64_t number) {
    sqlite3_bind_int64(handle_, ++bound_, static_cast<std::int64_t>(number));
    return *this;
  }
  bool row() { return sqlite3_step(handle_) == SQLITE_ROW; }
  bool run() { return sqlite3_step(handle_) == SQLITE_DONE; }

  std::uint64_t number(int column) const {
    return static_cast<std::uint64_t>(sqlite3_column_int64(handle_, column));
  }
  std::string text(int column) const {
    const auto* begin = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
    if (!begin) return {};
    return {begin, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
  }
  // Ids were checked before they were stored.
  NodeId id(int column) const {
    Key key{};
    const void* raw = sqlite3_column_blob(handle_, column);
    if (raw && sqlite3_column_bytes(handle_, column) == static_cast<int>(key.size()))
      std::memcpy(key.data(), raw, key.size());
    return NodeId::trusted(key);
  }

 private:
  sqlite3_stmt* handle_ = nullptr;
  int bound_ = 0;
};

bool execute(sqlite3* db, const char* sql) {
  return sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

std::uint64_t count(Statement& statement) {
  return statement.row() ? statement.number(0) : 0;
}

Problem damaged(const std::string& path, sqlite3* db) {
  return {"the database " + path + " cannot be used (" + sqlite3_errmsg(db) +
          "); put a copy back, or move it away to start with an empty one"};
}

}  // namespace

void Database::Close::operator()(sqlite3* db) const {
  sqlite3_close_v2(db);
}

Outcome<Database> Database::open(const std::string& path) {
  sqlite3* raw = nullptr;
  const int opened =
      sqlite3_open_v2(path.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<sqlite3, Close> db(raw);
  if (opened != SQLITE_OK) return damaged(path, raw);

  sqlite3_busy_timeout(raw, 2000);
  // FULL: an acknowledged text outlives a power cut.
  if (!execute(raw, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"))
    return damaged(path, raw);

  std::uint64_t version = 0;
  {
    Statement statement(raw, "PRAGMA user_version");
    version = count(statement);
  }
  if (version > schema_version)
    return Problem{"the database " + path +
                   " was written by a newer byway; use that one, or another --state-dir"};
  if (version == 0) {
    const std::string make = "BEGIN IMMEDIATE;" + std::string(schema) +
                             "PRAGMA user_version = " + std::to_string(schema_version) + ";COMMIT;";
    if (!execute(raw, make.c_str())) return damaged(path, raw);
  }
  return Database(std::move(db));
}

Outcome<bool> Database::add_contact(const Contact& contact) {
  sqlite3* db = db_.get();
  Statement all(db, "SELECT count(*) FROM contact");
  if (count(all) >= max_contacts)
    return Problem{"there are " + std::to_string(max_contacts) + " contacts already; remove some"};

  const bool done = execute(db, "BEGIN IMMEDIATE") &&
                    Statement(db, "DELETE FROM contact WHERE id = ?").bind(contact.id).run() &&
                    Statement(db, "INSERT OR REPLACE INTO contact (name, id) VALUES (?, ?)")
                        .bind(contact.name)
                        .bind(contact.id)
                        .run() &&
                    // What they wrote as a stranger is no request any more.
                    Statement(db, "UPDATE inbox SET request = 0 WHERE sender = ? AND request")
                        .bind(contact.id)
                        .run() &&
                    execute(db, "COMMIT");
  if (done) return true;
  const std::string why = sqlite3_errmsg(db);
  execute(db, "ROLLBACK");
  return Problem{"the contact could not be saved: " + why};
}

bool Database::remove_contact(const std::string& name) {
  Statement(db_.get(), "DELETE FROM contact WHERE name = ?").bind(name).run();
  return sqlite3_changes(db_.get()) > 0;
}

std::vector<Contact> Database::contacts() const {
  std::vector<Contact> all;
  Statement statement(db_.get(), "SELECT name, id FROM contact ORDER BY name");
  while (statement.row()) all.push_back({statement.text(0), statement.id(1)});
  return all;
}

void Database::begin_batch() {
  execute(db_.get(), "BEGIN IMMEDIATE");
}

bool Database::end_batch() {
  if (execute(db_.get(), "COMMIT")) return true;
  execute(db_.get(), "ROLLBACK");
  return false;
}

std::int64_t Database::last_row() const {
  Statement statement(db_.get(), "SELECT max(row) FROM inbox");
  return static_cast<std::int64_t>(count(statement));
}

Database::Kept Database::keep(InboxText& text) {
  sqlite3* db = db_.get();
  Statement known(db, "SELECT 1 FROM inbox WHERE sender = ? AND id = ?");
  if (known.bind(text.from).bind(text.id).row()) return Kept::already;

  if (text.request) {
    Statement of_sender(db, "SELECT count(*) FROM inbox WHERE request AND sender = ?");
    Statement of_all(db, "SELECT count(*) FROM inbox WHERE request");
    if (count(of_sender.bind(text.from)) >= max_requests_each || count(of_all) >= max_requests)
      return Kept::full;
  }
  const bool done = Statement(db,
                              "INSERT INTO inbox (sender, id, text, sent_ms, received_ms, request) "
                              "VALUES (?, ?, ?, ?, ?, ?)")
                        .bind(text.from)
                        .bind(text.id)
                        .bind(text.text)
                        .bind(text.sent_ms)
                        .bind(text.received_ms)
                        .bind(std::uint64_t{text.request})
                        .run();
  if (!done) return Kept::failed;
  text.row = sqlite3_last_insert_rowid(db);
  // The oldest go when there are too many.
  Statement(db, "DELETE FROM inbox WHERE row <= ?")
      .bind(static_cast<std::uint64_t>(
          std::max<std::int64_t>(0, text.row - static_cast<std::int64_t>(max_texts))))
      .run();
  return Kept::yes;
}

std::vector<InboxText> Database::texts_after(std::int64_t row, std::size_t limit) const {
  std::vector<InboxText> texts;
  Statement statement(db_.get(),
                      "SELECT row, sender, id, text, sent_ms, received_ms, request FROM inbox "
                      "WHERE row > ? ORDER BY row LIMIT ?");
  statement.bind(static_cast<std::uint64_t>(row)).bind(std::uint64_t{limit});
  while (statement.row())
    texts.push_back({static_cast<std::int64_t>(statement.number(0)), statement.id(1),
                     statement.number(2), statement.text(3), statement.number(4),
                     statement.number(5), statement.number(6) != 0});
  return texts;
}

}  // namespace byway
