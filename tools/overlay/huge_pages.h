// Memory in large pages, for a program that fills gigabytes and reads them in no order.
#pragma once

namespace byway::tools {

// The C library decides at its start how it asks for memory. So the program starts itself again,
// once, with the settings that ask for pages of 2 MB and keep freed pieces of up to 4 kB, as
// datagrams are, in reach; with the same arguments, as the same process.
// Comes back where that has been done, where GLIBC_TUNABLES says something already, or where it is
// not possible, as with another C library, which takes no notice.
void start_again_with_huge_pages(char** arguments);

}  // namespace byway::tools
