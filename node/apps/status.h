// What `byway status` tells: the node as it is at this moment.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "node/apps/context.h"
#include "overlay/reach/nat_behaviour.h"

namespace byway {

boost::json::object status_json(const AppContext& context, const std::string& name,
                                TimePoint started);
// One protocol's part of "nat": what is not known is "unknown" or null.
boost::json::object nat_json(const NatBehaviour& nat);
// Resident memory of this process; 0 where it cannot be told.
std::uint64_t resident_bytes();

}  // namespace byway
