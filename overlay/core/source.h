// What is to travel on a stream, from whoever has it straight to where it is to lie.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "protocol/bytes.h"

namespace byway {

// Puts bytes into the pieces of memory offered, in their order, and tells how many; fewer than
// there is room for: it has no more at present.
using StreamSource = std::function<std::size_t(std::span<const MutableBytes> rooms)>;

}  // namespace byway
