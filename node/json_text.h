// A JSON value as the text that `--json` prints: one line, with numbers written as a person would
// write them. Boost.JSON prints every double with an exponent (1.978 as 1.978E0), which is JSON
// but neither pleasant to read nor understood by every small tool that reads our lines.
#pragma once

#include <boost/json/value.hpp>
#include <string>

namespace byway {

// Doubles: plain decimal, at most 3 digits behind the point, and below 0.1 as many as it takes
// for 3 that count (a slow path's 0.000213 Gbit/s is not nothing). What JSON has no number for is
// null.
std::string json_text(const boost::json::value& value);

}  // namespace byway
