// Base32 (RFC 4648 §6), lower case and without padding: how a NodeId is shown and typed.
// Unlike base64 it survives being read aloud, and a double click selects the whole of it.
#pragma once

#include <string>
#include <string_view>

#include "protocol/bytes.h"
#include "protocol/result.h"

namespace byway {

std::string to_base32(ByteView bytes);

// Either case. Malformed: other characters, a length no byte string has, or bits left over that
// are not zero (two texts must never mean the same bytes).
Result<Bytes> from_base32(std::string_view text);

}  // namespace byway
