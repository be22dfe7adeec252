// A chart as a picture (SVG) and as a graph for Graphviz (dot). The same chart always makes the
// same bytes, and whatever came from the network is escaped.
//
// The picture: supernodes stand on a ring, netgroup by netgroup; a thin line joins two that know
// one another, a dashed red arrow goes from one that lacks another. A dot is as large as it has
// leaves and as warm as it is loaded; a hollow red one does not answer. It reads on a light and on
// a dark page.
#pragma once

#include <string>
#include <string_view>

#include "tools/overlay/chart.h"

namespace byway::tools {

std::string as_svg(const Chart& chart);
std::string as_dot(const Chart& chart);

// For text and attributes of XML; what XML cannot hold becomes a question mark.
std::string xml_escaped(std::string_view text);
// Between the quotes of a dot string.
std::string dot_escaped(std::string_view text);

}  // namespace byway::tools
