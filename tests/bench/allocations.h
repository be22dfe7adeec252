// How often this program has asked the heap for memory through operator new.
#pragma once

#include <cstdint>

std::uint64_t allocations();
