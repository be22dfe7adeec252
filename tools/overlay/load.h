// `byway overlay load`: synthetic leaves that fill a supernode, to see what it carries.
//
// Every leaf has a key and a link of its own, and the supernode cannot tell it from a real one; but
// it is no node. It keeps its link's keys and nothing else, and many share a socket, so one machine
// holds a hundred thousand. One thing is done at a time, each by asking again as soon as there is
// an answer, with a bounded number of questions on their way:
//
//   register      every leaf once, its keys and messages made beforehand
//   keepalives    pings round all leaves, for some seconds
//   look-ups      introductions to leaves that do not exist: what is measured is the no
//   lanes         opened between neighbours, then filled with relay frames, for some seconds
//
// What a question costs the asker is about what it costs the supernode, so on one machine each
// needs a core of its own, and the supernode's own processor time says more than the rate.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

namespace byway {

// The words after `byway overlay load`. 0 done, 1 failed (one sentence on `err`), 2 usage.
//
// --json prints an object for each phase as it ends ({"phase","count","lost","seconds",
// "per_second"}), and one more at the end: leaves, registered, refused, unanswered,
// registrations_s, keepalives, keepalives_lost, keepalives_s, lookups, lookups_s, lanes, relayed,
// relay_lost, relayed_s (datagrams), and of this process cpu_s (its own processor time).
int overlay_load(std::span<const std::string> words, std::ostream& out, std::ostream& err);

}  // namespace byway
