// `byway overlay nat`: what does the NAT of this network do? Asked of the node that runs here, or,
// with --seed or where none runs, found out by a node of its own that lives for seconds.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

namespace byway {

// `words`: what follows `nat` on the command line; --json and --state-dir may be among them.
// The exit code: 0 told, 1 it could not be found out (one sentence on `err`), 2 usage.
int overlay_nat(std::span<const std::string> words, std::ostream& out, std::ostream& err);

}  // namespace byway
