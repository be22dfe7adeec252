// `byway`, the command line: finds the command, reads its options, tells help and mistakes.
//
// --state-dir, --json and --help may stand anywhere before a lone "--". The streams are arguments,
// so that a test can hear what a person would read.
#pragma once

#include <iosfwd>

namespace byway::cli {

constexpr const char* version = "0.1.0";

// The process's exit code (see command.h). Throws nothing.
int run_cli(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace byway::cli
