#include "tools/overlay/huge_pages.h"

#include <unistd.h>

#include <cstdlib>

namespace byway::tools {

void start_again_with_huge_pages(char** arguments) {
  constexpr const char* setting = "GLIBC_TUNABLES";
  if (getenv(setting)) return;
  if (setenv(setting,
             "glibc.malloc.hugetlb=1:glibc.malloc.tcache_max=4096:glibc.malloc.tcache_count=4000",
             0) != 0)
    return;
  execv("/proc/self/exe", arguments);
  unsetenv(setting);
}

}  // namespace byway::tools
