// The node's log: lines of `key=value` on stderr. At info a connection tells its story in a few
// lines; every step of it is at debug.
#pragma once

#include <string>
#include <string_view>

#include "overlay/core/events.h"

namespace byway {

// trace, debug, info, warn, error or off; false: no such level.
bool is_log_level(std::string_view level);
void start_logging(const std::string& level);

void log_info(std::string_view line);
void log_warn(std::string_view line);
void log_debug(std::string_view line);

// `text` as the value of a key: quoted when it holds blanks, with control characters escaped, so
// that nobody else's words can forge a line.
std::string quoted(std::string_view text);

void log_event(const Event& event);

}  // namespace byway
