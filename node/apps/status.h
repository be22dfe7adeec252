// What `byway status` tells: the node as it is at this moment.
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "node/apps/context.h"
#include "overlay/reach/nat_behaviour.h"

namespace byway {

// By which protocol the router was asked for a mapped address.
using MappedBy = std::map<std::pair<Proto, Endpoint>, std::string_view>;

boost::json::object status_json(const AppContext& context, const std::string& name,
                                TimePoint started, const MappedBy& mapped_by);
// One protocol's part of "nat": what is not known is "unknown" or null.
boost::json::object nat_json(const NatBehaviour& nat);
// Resident memory of this process; 0 where it cannot be told.
std::uint64_t resident_bytes();

}  // namespace byway
