// Through whom this host reaches everybody: the kernel's default routes, read from proc(5).
#pragma once

#include <string>
#include <vector>

#include "protocol/endpoint.h"

namespace byway {

struct DefaultRoute {
  std::string interface;
  IpAddress gateway;  // unspecified where there is none, as on a point-to-point link
  std::uint32_t metric = 0;
};

// Those of one family, the one that is used first of all in front. Not found: empty.
std::vector<DefaultRoute> default_routes(bool v6);

}  // namespace byway
