// What `byway status` tells: the node as it is at this moment.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "node/apps/context.h"

namespace byway {

boost::json::object status_json(const AppContext& context, const std::string& name,
                                TimePoint started);
// Resident memory of this process; 0 where it cannot be told.
std::uint64_t resident_bytes();

}  // namespace byway
