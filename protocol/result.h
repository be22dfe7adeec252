// Errors are values with a home. A stranger's bad datagram becomes one of these and then a
// counter; our own mistake stops at ensure().
#pragma once

#include <boost/assert/source_location.hpp>  // clang 14 lacks the standard one
#include <boost/system/result.hpp>
#include <system_error>

namespace byway {

enum class Error {
  truncated = 1,    // shorter than its own header says
  malformed,        // not what the format allows
  too_large,        // over a limit of ours
  bad_signature,    // signature does not match
  bad_key,          // not a canonical or usable key
  bad_mac,          // mac1 or mac2 does not match
  unauthentic,      // AEAD refused it
  replayed,         // seen before, or older than the window
  stale,            // its stamp is too old or too far ahead
  wrong_recipient,  // not meant for us
  unknown_session,  // no such receiver index
  unexpected,       // valid, but not now
  not_found,
  busy,
  refused,
};

const boost::system::error_category& error_category();
inline boost::system::error_code make_error_code(Error e) {
  return {static_cast<int>(e), error_category()};
}

template <typename T>
using Result = boost::system::result<T>;

// An invariant of ours. Prints where it was broken and aborts: going on would be worse.
void ensure(bool holds, boost::source_location where = BOOST_CURRENT_LOCATION);

}  // namespace byway

template <>
struct boost::system::is_error_code_enum<byway::Error> : std::true_type {};
