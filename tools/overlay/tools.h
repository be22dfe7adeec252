// `byway overlay`: the diagnosis tools, one function each, as entries of one table (tools.cc). Each
// speaks to supernodes as a guest (guest.h) and needs no node running here; where one runs, it is
// asked whom to begin with.
#pragma once

#include "node/cli/command.h"

namespace byway::tools {

cli::Command overlay_command();  // the family

cli::Command ping_tool();    // ping.cc
cli::Command lookup_tool();  // lookup.cc
cli::Command map_tool();     // map.cc
cli::Command trace_tool();   // trace.cc

}  // namespace byway::tools
