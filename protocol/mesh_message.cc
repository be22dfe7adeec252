#include "protocol/mesh_message.h"

#include "protocol/mesh.capnp.h"
#include "protocol/packing.h"

namespace byway {
namespace {

using packing::get_id;
using packing::require;
using packing::to_data;

// --- out ---------------------------------------------------------------------------------------

template <class Statement>
void put_all(capnp::List<capnp::Data>::Builder to, const std::vector<Statement>& statements) {
  for (unsigned i = 0; i < to.size(); ++i) to.set(i, to_data(statements[i].bytes()));
}
unsigned count(const auto& list) {
  return static_cast<unsigned>(list.size());
}

void put(wire::News::Builder to, const News& news) {
  to.setSubject(to_data(news.subject.key()));
  if (!news.record.empty()) to.setRecord(to_data(news.record));
  if (!news.vouchers.empty()) put_all(to.initVouchers(count(news.vouchers)), news.vouchers);
  if (!news.gones.empty()) put_all(to.initGones(count(news.gones)), news.gones);
}
void put(capnp::List<wire::News>::Builder to, const std::vector<News>& news) {
  for (unsigned i = 0; i < to.size(); ++i) put(to[i], news[i]);
}

using Numbers = capnp::List<std::uint64_t>;
void put(Numbers::Builder positions, Numbers::Builder digests,
         const std::vector<BucketItem>& items) {
  for (unsigned i = 0; i < positions.size(); ++i) {
    positions.set(i, items[i].position);
    digests.set(i, items[i].digest);
  }
}
void put(wire::MeshMessage::Builder to, const Gossip& gossip) {
  auto out = to.initGossip();
  out.setRoot(gossip.root);
  out.setLoad(gossip.load);
  if (!gossip.news.empty()) put(out.initNews(count(gossip.news)), gossip.news);
  if (!gossip.recent.empty())
    put(out.initPositions(count(gossip.recent)), out.initDigests(count(gossip.recent)),
        gossip.recent);
}
void put(wire::MeshMessage::Builder to, const Compare& compare) {
  auto out = to.initCompare();
  out.setMembers(compare.members);
  auto sums = out.initSums(count(compare.sums));
  for (unsigned i = 0; i < sums.size(); ++i) {
    const Sums& from = compare.sums[i];
    sums[i].setLevel(from.level);
    sums[i].setPrefix(from.prefix);
    auto parts = sums[i].initParts(count(from.parts));
    for (unsigned p = 0; p < parts.size(); ++p) parts.set(p, from.parts[p]);
  }
  auto buckets = out.initBuckets(count(compare.buckets));
  for (unsigned i = 0; i < buckets.size(); ++i) {
    const Bucket& from = compare.buckets[i];
    buckets[i].setPrefix(from.prefix);
    put(buckets[i].initPositions(count(from.items)), buckets[i].initDigests(count(from.items)),
        from.items);
  }
}
void put(wire::MeshMessage::Builder to, const Want& want) {
  auto positions = to.initWant().initPositions(count(want.positions));
  for (unsigned i = 0; i < positions.size(); ++i) positions.set(i, want.positions[i]);
}
void put(wire::MeshMessage::Builder to, const Pull& pull) {
  auto out = to.initPull();
  out.setFrom(pull.from);
  out.setTo(pull.to);
}
void put(wire::MeshMessage::Builder to, const Page& page) {
  auto out = to.initPage();
  out.setFrom(page.from);
  out.setTo(page.to);
  out.setEnd(page.end);
  put(out.initNews(count(page.news)), page.news);
}
void put(wire::MeshMessage::Builder to, const ProbeFor& ask) {
  to.initProbeFor().setTarget(to_data(ask.target.key()));
}
void put(wire::MeshMessage::Builder to, const ProbeFound& found) {
  auto out = to.initProbeFound();
  out.setTarget(to_data(found.target.key()));
  out.setAlive(found.alive);
}
void put(wire::MeshMessage::Builder to, const Suspect& suspect) {
  auto out = to.initSuspect();
  out.setSubject(to_data(suspect.subject.key()));
  out.setSequence(suspect.sequence);
}

// --- in ----------------------------------------------------------------------------------------

template <class Statement>
std::vector<Statement> get_all(capnp::List<capnp::Data>::Reader from, std::size_t limit) {
  require(from.size() <= limit);
  std::vector<Statement> all;
  for (const auto raw : from)
    all.push_back(packing::value_or_refuse(Statement::from_bytes(packing::view(raw))));
  return all;
}

News get(wire::News::Reader from) {
  return {get_id(from.getSubject()), packing::bounded(from.getRecord(), max_mesh_record),
          get_all<Voucher>(from.getVouchers(), max_news_vouchers),
          get_all<Gone>(from.getGones(), max_news_gones)};
}
std::vector<News> get(capnp::List<wire::News>::Reader from) {
  require(from.size() <= max_news);
  std::vector<News> all;
  for (const auto news : from) all.push_back(get(news));
  return all;
}

std::vector<BucketItem> get(Numbers::Reader positions, Numbers::Reader digests) {
  require(positions.size() <= max_listed && digests.size() == positions.size());
  std::vector<BucketItem> items;
  items.reserve(positions.size());
  for (unsigned i = 0; i < positions.size(); ++i) items.push_back({positions[i], digests[i]});
  return items;
}

MeshMessage get(wire::Gossip::Reader from) {
  require(from.getLoad() <= max_load);
  return Gossip{from.getRoot(), from.getLoad(), get(from.getNews()),
                get(from.getPositions(), from.getDigests())};
}

Sums get(wire::Sums::Reader from) {
  Sums sums{from.getLevel(), from.getPrefix(), {}};
  require(sums.level < 3 && sums.prefix >> (4 * sums.level) == 0);
  const auto parts = from.getParts();
  require(parts.size() == sums.parts.size());
  for (unsigned i = 0; i < parts.size(); ++i) sums.parts[i] = parts[i];
  return sums;
}
Bucket get(wire::Bucket::Reader from) {
  Bucket bucket{from.getPrefix(), get(from.getPositions(), from.getDigests())};
  require(bucket.prefix >> 12 == 0);
  for (const BucketItem& item : bucket.items) require(item.position >> 52 == bucket.prefix);
  return bucket;
}
MeshMessage get(wire::Compare::Reader from) {
  Compare compare{from.getMembers(), {}, {}};
  const auto sums = from.getSums();
  const auto buckets = from.getBuckets();
  require(sums.size() + buckets.size() <= max_compared);
  for (const auto part : sums) compare.sums.push_back(get(part));
  for (const auto bucket : buckets) compare.buckets.push_back(get(bucket));
  return compare;
}
MeshMessage get(wire::Want::Reader from) {
  const auto positions = from.getPositions();
  require(positions.size() <= max_listed);
  Want want;
  for (const std::uint64_t position : positions) want.positions.push_back(position);
  return want;
}
MeshMessage get(wire::Page::Reader from) {
  require(from.getFrom() <= from.getTo());
  return Page{from.getFrom(), from.getTo(), from.getEnd(), get(from.getNews())};
}

MeshMessage get(wire::MeshMessage::Reader from) {
  switch (from.which()) {
    case wire::MeshMessage::GOSSIP:
      return get(from.getGossip());
    case wire::MeshMessage::COMPARE:
      return get(from.getCompare());
    case wire::MeshMessage::WANT:
      return get(from.getWant());
    case wire::MeshMessage::PULL:
      return Pull{from.getPull().getFrom(), from.getPull().getTo()};
    case wire::MeshMessage::PAGE:
      return get(from.getPage());
    case wire::MeshMessage::PROBE_FOR:
      return ProbeFor{get_id(from.getProbeFor().getTarget())};
    case wire::MeshMessage::PROBE_FOUND:
      return ProbeFound{get_id(from.getProbeFound().getTarget()), from.getProbeFound().getAlive()};
    case wire::MeshMessage::SUSPECT:
      return Suspect{get_id(from.getSuspect().getSubject()), from.getSuspect().getSequence()};
  }
  throw packing::Refused{Error::malformed};
}

}  // namespace

std::string_view name_of(const MeshMessage& message) {
  constexpr std::string_view names[] = {"gossip", "compare",   "want",        "pull",
                                        "page",   "probe-for", "probe-found", "suspect"};
  static_assert(std::size(names) == std::variant_size_v<MeshMessage>);
  return names[message.index()];
}

Bytes encode(const MeshMessage& message) {
  return packing::pack<wire::MeshMessage>([&](wire::MeshMessage::Builder to) {
    std::visit([&](const auto& kind) { put(to, kind); }, message);
  });
}

Result<MeshMessage> decode_mesh(ByteView bytes) {
  return packing::unpack<wire::MeshMessage>(
      bytes, [](wire::MeshMessage::Reader from) { return get(from); });
}

}  // namespace byway
