// What supernodes say to one another about who is in the mesh, as plain structs. The wire form of
// each is in mesh.capnp. Every message fits one datagram (1,150 bytes encoded); who builds one
// counts with the bounds below.
//
//   Gossip      the heartbeat between partners: the root of the sender's hash tree, its load, news
//               that are spreading, and the names of what it heard a while ago
//   Compare     finds the difference of two hash trees, a level at a time (hash_tree.h)
//
//   Want, Page  asks for and tells of those that differ
//
//   Pull, Page  a newcomer takes in everybody, in the order of their positions
//
//   ProbeFor, ProbeFound, Suspect
//               is somebody still there? (failure_detector.h)
#pragma once

#include <array>
#include <variant>
#include <vector>

#include "protocol/voucher.h"

namespace byway {

// Room for what a datagram carries beside a seal, and what of it news may fill.
inline constexpr std::size_t max_mesh_message = 1150;
// A supernode's record has 8 endpoints at most: 664 bytes, and room for fields of later versions.
inline constexpr std::size_t max_mesh_record = 900;
inline constexpr std::size_t max_news_vouchers = 8;
inline constexpr std::size_t max_news_gones = 8;
inline constexpr std::size_t max_news = 32;
inline constexpr std::size_t max_compared = 64;  // parts of a tree in one message
inline constexpr std::size_t max_listed = 64;    // positions in one message
inline constexpr std::uint8_t max_load = 7;

struct News {
  NodeId subject;
  Bytes record;  // exact bytes, or empty
  std::vector<Voucher> vouchers;
  std::vector<Gone> gones;
  bool operator==(const News&) const = default;
};

struct BucketItem {
  std::uint64_t position = 0;
  std::uint64_t digest = 0;
  bool operator==(const BucketItem&) const = default;
};

struct Gossip {
  std::uint64_t root = 0;
  std::uint8_t load = 0;
  std::vector<News> news;
  std::vector<BucketItem> recent;  // changed a while ago; digest 0: departed
  bool operator==(const Gossip&) const = default;
};

struct Sums {
  std::uint8_t level = 0;
  std::uint16_t prefix = 0;
  std::array<std::uint64_t, 16> parts{};
  bool operator==(const Sums&) const = default;
};
struct Bucket {
  std::uint16_t prefix = 0;
  std::vector<BucketItem> items;
  bool operator==(const Bucket&) const = default;
};
struct Compare {
  std::uint32_t members = 0;
  std::vector<Sums> sums;
  std::vector<Bucket> buckets;
  bool operator==(const Compare&) const = default;
};

struct Want {
  std::vector<std::uint64_t> positions;
  bool operator==(const Want&) const = default;
};
struct Pull {
  std::uint64_t from = 0;
  std::uint64_t to = ~std::uint64_t{0};
  bool operator==(const Pull&) const = default;
};
struct Page {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  bool end = false;
  std::vector<News> news;
  bool operator==(const Page&) const = default;
};

struct ProbeFor {
  NodeId target;
  bool operator==(const ProbeFor&) const = default;
};
struct ProbeFound {
  NodeId target;
  bool alive = false;
  bool operator==(const ProbeFound&) const = default;
};
struct Suspect {
  NodeId subject;
  std::uint64_t sequence = 0;
  bool operator==(const Suspect&) const = default;
};

using MeshMessage = std::variant<Gossip, Compare, Want, Pull, Page, ProbeFor, ProbeFound, Suspect>;
std::string_view name_of(const MeshMessage& message);

Bytes encode(const MeshMessage& message);
// malformed: garbage, or over one of the bounds above. Signatures are not looked at.
Result<MeshMessage> decode_mesh(ByteView bytes);

// How long a piece may become in packed encoding: never too little. A message without any is
// bounded by `empty_mesh_message`.
inline constexpr std::size_t empty_mesh_message = 48;
inline constexpr std::size_t packed_bound(std::size_t raw) {
  return raw + raw / 16 + 12;
}
inline constexpr std::size_t sums_bound = packed_bound(16 * 8) + 24;
inline constexpr std::size_t recent_bound(std::size_t items) {
  return items == 0 ? 0 : 2 * packed_bound(8 * items);
}
inline constexpr std::size_t bucket_bound(std::size_t items) {
  return 28 + 2 * packed_bound(8 * items);
}
inline constexpr std::size_t news_bound(std::size_t record, std::size_t vouchers,
                                        std::size_t gones) {
  return 24 + packed_bound(32) + (record > 0 ? packed_bound(record) : 0) +
         vouchers * packed_bound(Voucher::size) + gones * packed_bound(Gone::size);
}

}  // namespace byway
