// An overlay's event as a line of the story.
#pragma once

#include <functional>
#include <string>

#include "overlay/core/events.h"

namespace byway::sim {

// `name` turns a node's id into what the story calls it.
std::string in_words(const Event& event, const std::function<std::string(const NodeId&)>& name);

}  // namespace byway::sim
