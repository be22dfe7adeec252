// The rules of the house, as functions: one source file in, what is wrong with it out.
//
// Compilers and reviewers do not see these: which way dependencies point, that the core has
// no clock of its own, that a foreign library stays behind the one folder that knows it. Each
// rule looks at a single file (one at all of them), so each can be shown a bad snippet and must
// object to it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace byway::house {

// A file of the tree: its path from the project root ("overlay/link/punch.cc") and its text.
struct Source {
  std::string path;
  std::string text;
};

// A sentence a finding; none when the file keeps the rule.
using Findings = std::vector<std::string>;

// protocol <- overlay <- node <- tools: a folder includes itself and those before it.
Findings dependencies_point_one_way(const Source& file);

// protocol/ and overlay/ have no clock, thread, socket, file, Asio or chance of their own.
Findings core_is_sans_io(const Source& file);

// reach, mesh, directory and link know overlay/core and themselves, never one another.
Findings machines_form_a_star(const Source& file);

// A header opens with a comment that tells what it is for.
Findings header_opens_with_its_purpose(const Source& file);

// QUIC and TLS stay in overlay/stream, Cap'n Proto in the codecs, libsodium out of
// overlay/ and tools/.
Findings foreign_libraries_stay_home(const Source& file);

// No path of somebody's machine, no address of a package registry.
Findings names_no_private_place(const Source& file);

// No two headers define a class or enumeration of one name in one namespace: the linker would take
// one's functions for the other's, and say nothing.
Findings names_are_defined_once(const std::vector<Source>& files);

// The text without comments; and without comments and what stands between quotes. Line breaks
// outside literals stay.
std::string without_comments(std::string_view text);
std::string without_strings(std::string_view code);

// What a file includes, without brackets or quotes, in order.
std::vector<std::string> includes(std::string_view text);

}  // namespace byway::house
