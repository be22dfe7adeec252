// Every number of the protocol, beside the sentence that chose it.
#pragma once

#include <array>
#include <cstddef>

#include "protocol/time.h"

namespace byway::limits {

// --- handshakes ---

// A lost handshake message is sent again after 400 ms, 800 ms, 1.6 s …: late enough for a slow
// path's round trip, early enough that one loss is not felt as a failure.
inline constexpr Duration handshake_resend = 400ms;
inline constexpr int handshake_sends = 5;
// Message 1 is made at least this long (its payload), so that the answer to it never is longer.
inline constexpr std::size_t hello_size = 240;
// The initiator's clock may be a day off; beyond that its message is refused with our time.
inline constexpr auto handshake_clock_skew = 24h;
// Handshakes answered but not yet confirmed by a first sealed packet. Each costs about 1 kB, so
// strangers can bind about 1 MB here, and the oldest makes room.
inline constexpr std::size_t unconfirmed_links = 1024;
inline constexpr Duration unconfirmed_lifetime = 10s;
// The last accepted stamp of this many keys is remembered, so that none is accepted twice.
inline constexpr std::size_t remembered_stamps = 4096;
// Above this rate a cookie is asked for before any X25519: a quarter of what one core can answer.
inline constexpr double handshakes_per_second = 1200;
inline constexpr double handshake_burst = 2400;
// One costs a quarter of a millisecond to answer, and whatever is relayed waits behind it. So many
// are answered in a turn; the others wait, and more than are answered within a resend need not.
inline constexpr int handshakes_in_a_turn = 4;
inline constexpr std::size_t handshakes_waiting = 1024;
// Keys are renewed hourly, and long before a counter could come near its end.
inline constexpr Duration rekey_after = 1h;
inline constexpr std::uint64_t rekey_after_messages = 1ull << 40;
inline constexpr Duration rekey_retry = 60s;
inline constexpr Duration old_keys_kept = 10s;

// --- paths ---

// A path in use is pinged every second, so that its end is noticed; an idle one only to keep the
// NATs' bindings alive (the shortest common UDP lifetime is 30 s, RFC 4787 asks for 120 s).
inline constexpr Duration ping_in_use = 1s;
inline constexpr Duration in_use_for = 2s;
inline constexpr Duration keepalive = 20s;
// Once a ping is late, more follow this quickly, and the path is left when none was answered for
// path_patience: with 20 % loss each way seven of them all fail once in 1,300 times. Together
// with the second until the first ping that is 4 s, below the 6.5 s that are promised.
inline constexpr Duration ping_retry = 500ms;
inline constexpr Duration path_patience = 3s;
inline constexpr Duration late_floor = 200ms;  // an answer is not late before this
inline constexpr std::size_t paths_per_peer = 16;
// Within a tier a path has to be this much quicker to be preferred.
inline constexpr Duration path_hysteresis = 5ms;
// Packet sizes: what every path is expected to carry, and what is tried once it is proved.
inline constexpr std::size_t packet_size = 1200;
inline constexpr std::size_t probe_packet_size = 1400;
// Over IPv4 on plain Ethernet 1,472 bytes pass; a probe is up to 16 bytes longer than what it
// proves. IPv6's header takes 20 bytes more.
inline constexpr std::size_t largest_packet_size = 1456;
inline constexpr std::size_t ipv6_takes_more = 20;
// A size is tried so often, a second apart; what did not pass is tried again after the time that
// RFC 8899 proposes (section 5.1.1).
inline constexpr int size_probes = 3;
inline constexpr Duration size_probe_gap = 1s;
inline constexpr Duration size_probe_again = 600s;
// So many pings in a row as large as data are lost, and the small ones after them answered: large
// packets have ceased to pass (RFC 8899, section 4.3).
inline constexpr int large_pings_lost = 2;
// A ping is padded so that the pong, which names an address, is never larger.
inline constexpr std::size_t ping_padding = 28;

// --- punching ---

// A knock that is lost is repeated; both sides' repeats overlap for half a second.
inline constexpr std::array<Duration, 5> knock_times{0ms, 50ms, 100ms, 200ms, 400ms};
inline constexpr int private_knocks = 3;
inline constexpr Duration punch_patience = 1200ms;  // from the first knock until it is given up
// Rounds after the first, counted from the introduction; then with back-off.
inline constexpr std::array<Duration, 2> punch_rounds{1500ms, 4s};
inline constexpr Duration punch_idle_first = 60s;  // while a pair stays relayed
inline constexpr Duration punch_idle_last = 10min;
// While it has a direct path by TCP, and both sides' UDP passes: the punch may only have been
// unlucky, and UDP is the better way. After 2, 8 and 32 s, then every minute.
inline constexpr Duration punch_beside_tcp_first = 2s;
inline constexpr int punch_beside_tcp_growth = 4;
inline constexpr Duration punch_beside_tcp_last = 60s;
inline constexpr Duration punch_retry_first = 1s;  // after a direct path was lost
inline constexpr Duration punch_retry_last = 60s;
// Who has moved tells its peers at once, and again for every home that sees it elsewhere; but no
// peer more often than this.
inline constexpr Duration reach_anew_gap = 500ms;
// What homes say about it is acted upon so often: three homes that notice one move, and then one
// every five seconds.
inline constexpr double moves_per_second = 0.2;
inline constexpr double moves_burst = 4;
// Introductions must not be a weapon: to an address that has not answered.
inline constexpr int knocks_per_introduction = 16;
inline constexpr int knocks_per_minute = 64;
inline constexpr std::size_t max_public_candidates = 8;
inline constexpr std::size_t max_private_candidates = 2;

// Sockets beside the main one, at once: two birthdays of 256 each, and probes of the NAT.
inline constexpr std::size_t spare_sockets = 600;

// --- the local network ---

// A question is repeated, for wireless networks lose multicast; then it is given up.
inline constexpr std::array<Duration, 3> lan_ask_times{100ms, 300ms, 600ms};  // until the next
inline constexpr std::size_t lan_seeks = 64;  // peers looked for at once; the oldest makes room
inline constexpr int lan_answers_taken = 4;   // of one question: some hosts have several networks
inline constexpr double lan_asks_per_second = 16;
inline constexpr double lan_asks_burst = 64;
inline constexpr double lan_answers_per_second = 32;
inline constexpr double lan_answers_to_one = 4;
inline constexpr double lan_answers_to_one_burst = 8;
inline constexpr std::size_t lan_askers = 256;

// --- introductions ---

inline constexpr Duration home_stagger = 150ms;  // between asking one home and the next
// Asked again after 0.5 s and then every second: with 20 % loss on each of the four ways all eleven
// attempts fail once in 300 times. A peer that is offline is known to be in one round trip.
inline constexpr Duration introduce_resend = 500ms;
inline constexpr Duration introduce_resend_last = 1s;
inline constexpr Duration call_patience = 10s;
inline constexpr std::size_t lanes_per_talk = 8;  // two callers, three homes each, and some
inline constexpr Duration call_retry_first = 1s;
inline constexpr Duration call_retry_last = 60s;
inline constexpr Duration conversation_idle = 5min;  // without streams: the conversation ends
inline constexpr std::size_t conversations = 4096;   // at once; strangers beyond are told BUSY
// What one caller may ask of a home, and what a leaf accepts: per home, and per caller's address.
inline constexpr double introductions_per_caller = 5;  // a second
inline constexpr double introductions_burst = 20;
inline constexpr double introductions_per_home = 64;
inline constexpr double introductions_per_address = 2;
inline constexpr double introductions_address_burst = 16;

// --- homes ---

inline constexpr std::size_t homes_per_leaf = 3;
inline constexpr std::size_t known_supernodes = 64;  // a leaf keeps in mind to choose homes from
inline constexpr std::size_t samples = 16;           // supernodes a home tells its leaves of
// Until it is known how long the NAT remembers, one home or another is asked so often: that is how
// long it takes to notice that all of them died. Afterwards a third of a keepalive is.
inline constexpr Duration home_watch = 5s;
// A leaf not heard of for this long is forgotten: the longest keepalive, jitter included, and half
// as long again.
inline constexpr Duration lease = 150s;
// Who says goodbye as our leaf may have stepped up, and asks us the next moment to be its sponsor.
inline constexpr Duration heard_after_goodbye = 5s;
// A home that does not say that it has our newest record gets it again, after a pause that doubles,
// three minutes long: where a third of all packets is lost, not one in a thousand lacks it by then.
inline constexpr Duration announce_pause = 3s;
inline constexpr int announce_repeats = 6;
// A home whose death another one tells of is asked within this, and no more often than that: a home
// may have thousands of leaves in common with the dead, and must not have us knock at anybody.
inline constexpr Duration home_gone_spread = 2s;
inline constexpr Duration home_gone_pause = 5s;
inline constexpr std::size_t warned_at_once = 4096;
// And told once more, where it still names that home: the first word may have been lost. By then
// whoever heard it has asked, and waited for an answer.
inline constexpr Duration warned_again = 8s;
inline constexpr std::size_t warnings_repeated = 64;
inline constexpr Duration home_retry_first = 1s;
inline constexpr Duration home_retry_last = 5min;
// Without any sound home one more is dialled every home_stagger, to so many at once.
inline constexpr std::size_t dials_at_once = 8;
// Two homes lost within this were lost to one cause, which others saw too: then everybody's return
// is spread over half a minute, in which a supernode takes its share of handshakes at leisure.
inline constexpr Duration lost_together = 10s;
inline constexpr Duration herd_spread = 30s;
// Before a reserved stranger is dialled for want of anybody else.
inline constexpr Duration reserve_patience = 2s;

// Moves for balance: a supernode that is half full at least, and one and a half eighths fuller than
// those around it in the mean (loads are told in whole ones), asks leaves to move, at a pace at
// which the difference would be gone in three minutes. A leaf does so once in ten minutes at most.
inline constexpr int relief_from = 4;      // eighths of its limit
inline constexpr double relief_gap = 1.5;  // the same
inline constexpr Duration relief_time = 3min;
inline constexpr std::size_t relief_at_once = 64;
inline constexpr Duration move_pause = 10min;

// --- among supernodes ---

inline constexpr Duration mesh_link_idle = 10min;  // an unused link costs only its memory
// Whoever was not heard for so long is pinged with what it is sent.
inline constexpr Duration mesh_link_silence = 10s;
inline constexpr Duration assess_every = 1s;         // how loaded our part of the mesh is
inline constexpr std::size_t guests_kept = 4096;     // linked with us, and neither leaf nor peer
inline constexpr double new_records_per_second = 1;  // of one leaf
inline constexpr double new_records_burst = 8;
inline constexpr Duration rejoin = 10s;    // after nobody answered
inline constexpr std::size_t outbox = 16;  // messages that wait for one link
inline constexpr std::size_t waiting_targets = 4096;
inline constexpr std::size_t waiting_per_target = 16;
inline constexpr double introductions_per_forwarder = 200;  // a second, from one supernode

// How often a leaf is told of other supernodes, with its keepalives: while it has too few homes,
// and once it has enough.
inline constexpr Duration samples_soon = 10s;
inline constexpr Duration samples_rarely = 6h;

// --- relay ---

inline constexpr Duration lane_idle = 60s;
inline constexpr Duration lane_keepalive = 25s;
inline constexpr std::size_t max_lanes = 65'536;
inline constexpr std::size_t lanes_per_node = 64;   // one caller's
inline constexpr std::size_t lanes_to_node = 1024;  // towards one target
inline constexpr std::size_t relay_accounts_shown = 16;
inline constexpr Duration bucket_depth = 100ms;  // how much of a rate may be used at once

// --- strangers ---

inline constexpr double stun_per_prefix = 20;  // a second, per /24 or /48
inline constexpr std::size_t tracked_strangers = 4096;

// --- streams ---

inline constexpr std::size_t sessions_per_peer = 4;
inline constexpr std::size_t stream_send_buffer = 1 << 20;
inline constexpr std::uint64_t stream_window = 1 << 20;
inline constexpr std::uint64_t session_window = 4 << 20;
inline constexpr Duration session_drain = 10s;
// A session without any way out stands still for so long, which is its idle timeout.
inline constexpr Duration stranded_at_most = 180s;
inline constexpr std::size_t packets_per_poll = 40;
inline constexpr Duration default_rtt = 100ms;

// --- stories ---

// What is remembered of how conversations came about (overlay/link/story.h): enough for the first
// minute of a hard one and the last changes.
inline constexpr std::size_t stories = 64;
inline constexpr std::size_t story_beginning = 24;
inline constexpr std::size_t story_latest = 24;
inline constexpr std::size_t story_text = 240;

}  // namespace byway::limits
