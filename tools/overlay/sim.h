// `byway overlay sim`: a network of thousands of nodes in this process, and what became of it.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

namespace byway::tools {

// Its own words, without "overlay" and "sim". 0: everything promised held; 1: something did not; 2:
// the words make no sense.
int overlay_sim(std::span<const std::string> words, std::ostream& out, std::ostream& err);

}  // namespace byway::tools
