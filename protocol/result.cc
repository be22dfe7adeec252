#include "protocol/result.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace byway {
namespace {

// Boost keeps the base's destructor non-virtual so that it may be constexpr; nothing is ever
// deleted through it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class Category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "byway"; }
  std::string message(int code) const override {
    switch (static_cast<Error>(code)) {
      case Error::truncated:
        return "truncated";
      case Error::malformed:
        return "malformed";
      case Error::too_large:
        return "too large";
      case Error::bad_signature:
        return "bad signature";
      case Error::bad_key:
        return "bad key";
      case Error::bad_mac:
        return "bad mac";
      case Error::unauthentic:
        return "not authentic";
      case Error::replayed:
        return "replayed";
      case Error::stale:
        return "stale";
      case Error::wrong_recipient:
        return "meant for another node";
      case Error::unknown_session:
        return "unknown session";
      case Error::unexpected:
        return "unexpected";
      case Error::not_found:
        return "not found";
      case Error::busy:
        return "busy";
      case Error::refused:
        return "refused";
    }
    return "unknown error";
  }
};
#pragma GCC diagnostic pop

}  // namespace

const boost::system::error_category& error_category() {
  static const Category category;
  return category;
}

void ensure(bool holds, boost::source_location where) {
  if (holds) return;
  std::fprintf(stderr, "byway: invariant broken at %s:%u in %s\n", where.file_name(), where.line(),
               where.function_name());
  std::abort();
}

}  // namespace byway
