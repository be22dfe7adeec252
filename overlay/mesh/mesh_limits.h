// Every number of the mesh, beside the sentence that chose it.
#pragma once

#include <cstddef>

#include "protocol/time.h"

namespace byway::limits {

// --- who is admitted ---

// Per /24 (IPv6: /48) two, per netgroup eight or a fiftieth of all, whichever is more: renting one
// more address block buys little, and a network of friends in one city still works.
inline constexpr int pair_bits_v4 = 24;
inline constexpr int pair_bits_v6 = 48;
inline constexpr std::size_t members_per_pair = 2;
inline constexpr std::size_t members_per_netgroup = 8;
inline constexpr std::size_t netgroup_fraction = 50;
// Two vouchers of different netgroups are needed as soon as four netgroups hold a node that has
// two; before that one will do. Below four netgroups whoever owns two of them could vouch for
// anybody anyway, and a network's second and third node must get in.
inline constexpr std::size_t mature_netgroups = 4;
// The eight nearest (four on each side of the ring) examine a newcomer, each at a time of its own:
// the inner four within 1.5 s, the outer ones a while later where that has not been enough.
// Vouchers are most of what is told in the mesh, and told to everybody: so whoever gives one tells
// the other seven at once, and whoever has not begun by the second voucher need not. More come
// where two were given at the same time; four are kept.
inline constexpr std::size_t neighbours_each_side = 4;
inline constexpr std::size_t vouchers_wanted = 2;
inline constexpr std::size_t vouchers_kept = 4;
inline constexpr Duration examine_spread = 1500ms;
inline constexpr Duration examine_turn = 2000ms;
inline constexpr Duration examine_patience = 15s;
inline constexpr Duration examine_recheck = 2s;  // may not vouch yet: not a member itself
// Whom others vouched for, but nobody whom we know, we look at ourselves after a while; one at a
// time, for whoever we take in may be the one who vouched for the rest.
inline constexpr Duration look_after = 15s;
inline constexpr Duration look_every = 4s;
// An address is examined twice a minute at most, so that naming a stranger's does him no harm;
// where nobody answers it is left alone for longer each time.
inline constexpr double examinations_per_address = 1.0 / 60;
inline constexpr double examinations_burst = 2;
inline constexpr Duration examine_back_off_first = 1min;
inline constexpr Duration examine_back_off_last = 1h;
inline constexpr std::size_t addresses_remembered = 4096;
// Known but not vouched for: a few per /24 or /48, and about 3 MB in all.
inline constexpr std::size_t candidates = 4096;
inline constexpr std::size_t candidates_per_pair = 8;
inline constexpr Duration candidate_lifetime = 10min;
// Six times what the simulator must hold; about 64 MB with everybody's record and vouchers.
inline constexpr std::size_t members_known = 65'536;

// --- how news spreads ---

// Partners: the eight neighbours and four others, of which one is exchanged every minute. So a node
// makes one new link a minute when nothing happens, and the graph still mixes like a random one.
inline constexpr std::size_t wandering_partners = 4;
inline constexpr Duration wander = 60s;
inline constexpr std::size_t guests = 8;  // whose partner we are, without them being ours
inline constexpr Duration guest_lifetime = 60s;
// Fresh news goes to four partners, once, gathered for up to 150 ms (the vouchers of one newcomer
// come together) and in a large network, where there is always news, for a second: then more of it
// travels in one datagram. So nine of ten hear of it within seconds.
inline constexpr std::size_t pushed_to = 4;
inline constexpr Duration push_spread = 150ms;
inline constexpr Duration push_pause = 1s;
// The others find it named in what they are told next, and ask: what changed two seconds ago has
// reached whomever it reaches as a rumour, and after eight everybody has been told its name a few
// times. A name is 16 bytes, and a piece of news 120 to 300.
inline constexpr Duration change_settled = 2s;
inline constexpr Duration change_named_for = 8s;
inline constexpr std::size_t changes_named = 32;
// What we have asked for in the last second is not asked for again: so much of one node, so much in
// all.
inline constexpr Duration missed_again = 1s;
inline constexpr std::size_t missed_of_one = 32;
inline constexpr std::size_t missed = 256;
inline constexpr std::size_t rumours = 1024;  // what falls out, those who ask for it bring
// A newcomer that nobody vouched for says again that it is here.
inline constexpr Duration announce_every = 3s;
// What a supernode passes on for strangers who announce themselves: each costs eight datagrams.
inline constexpr double announcements_per_second = 5;
inline constexpr double announcements_burst = 20;
inline constexpr double announcements_per_node = 0.5;
inline constexpr double announcements_per_node_burst = 2;

// --- anti-entropy ---

// Roots that differ are looked into once the tree has been still for 3 s, or at the latest after
// 40 s: while news spreads roots differ all the time, and that is none of anti-entropy's business.
inline constexpr Duration sync_quiet = 3s;
inline constexpr Duration sync_latest = 40s;
inline constexpr Duration sync_pause = 1s;
// A newcomer pulls everybody, in answers of 32 datagrams with one or two members each: 10,000
// supernodes in about two minutes where every twentieth datagram is lost.
inline constexpr std::size_t pages_per_pull = 32;
// A walk tells of so many datagrams of differences at once: about one in each answer is enough to
// keep up, a few mend a split network sooner.
inline constexpr std::size_t pages_per_walk = 4;
inline constexpr Duration page_overdue = 100ms;  // when later ones have come
inline constexpr Duration pull_patience = 700ms;
inline constexpr int pull_tries = 5;
inline constexpr int mute_pull_tries = 2;  // for who has not said anything, where others can
// What others may ask of us, each alone: walks are four datagrams a second, pulls as above.
inline constexpr double requests_per_node = 20;
inline constexpr double requests_burst = 60;
inline constexpr std::size_t tracked_neighbours = 1024;

// --- who is still there ---

inline constexpr Duration probe_period = 2s;
inline constexpr Duration probe_patience = 1s;  // a lost ping is repeated once, half-way
inline constexpr Duration ask_patience = 1s;
inline constexpr std::size_t probe_helpers = 3;
inline constexpr Duration suspicion = 8s;
inline constexpr Duration suspect_ping = 1s;
inline constexpr std::size_t suspects = 256;
// Lifeguard: how much slower and more careful a node becomes that misses answers itself.
inline constexpr int worst_health = 8;
// Above this it does not put its name to anybody's end.
inline constexpr int unfit_to_judge = 5;
// Who may sign "gone": the four nearest, two on each side. Their views may differ a little from
// ours, and after a mass failure the nearest are those still alive: up to eight a side is believed.
inline constexpr std::size_t judges_each_side = 2;
inline constexpr std::size_t believed_each_side = 8;
inline constexpr std::size_t gones_needed = 2;
// A node that hears nobody for a minute is alone, whoever's fault that is.
inline constexpr Duration lost_touch = 60s;
// The gone are remembered for an hour, so that old news does not bring them back, and one of them
// is tried every 30 s: after a split of the network the halves find each other again.
inline constexpr Duration departed_remembered = 1h;
inline constexpr std::size_t departed = 4096;
inline constexpr Duration feeler = 30s;
// Accusations are heard many times, and by all nodes of a simulation: so many found true are kept.
inline constexpr std::size_t true_gones = 1024;
// An accusation is passed on to whom it concerns at most this often.
inline constexpr Duration told_again = 10s;
inline constexpr Duration renew_pause = 1s;

}  // namespace byway::limits
