// The commands, one function each: what it is called, what it takes, what it does.
#pragma once

#include "node/cli/command.h"

namespace byway::cli {

Command run_command();      // run.cc
Command id_command();       // id.cc
Command status_command();   // status.cc
Command ping_command();     // ping.cc
Command chat_command();     // chat.cc
Command say_command();      // say.cc
Command inbox_command();    // inbox.cc
Command listen_command();   // listen.cc
Command pipe_command();     // pipe.cc
Command forward_command();  // forward.cc
Command contact_command();  // contact.cc
Command bench_command();    // bench.cc
Command invite_command();   // invite.cc

}  // namespace byway::cli
