// `byway`, the command line: finds the command, reads its options, tells help and mistakes.
//
// --state-dir, --json and --help may stand anywhere before a lone "--". The streams are arguments,
// so that a test can hear what a person would read.
#pragma once

#include <iosfwd>
#include <span>

#include "node/version.h"

namespace byway::cli {

using byway::version;

struct Command;

// The process's exit code (see command.h). Throws nothing. `more`: commands that are built on top
// of the node, shown and found like its own.
int run_cli(int argc, const char* const* argv, std::ostream& out, std::ostream& err,
            std::span<const Command> more = {});

}  // namespace byway::cli
