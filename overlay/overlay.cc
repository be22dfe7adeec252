#include "overlay/overlay.h"

#include "overlay/conductor.h"

namespace byway {

std::string_view to_string(Role role) {
  return role == Role::leaf ? "leaf" : "supernode";
}

Overlay::Overlay(OverlayConfig config, const Identity& identity, const Crypto& crypto,
                 Random random, TimePoint now, WallTime wall)
    : conductor_(std::make_unique<Conductor>(std::move(config), identity, crypto, std::move(random),
                                             now, wall)) {}
Overlay::~Overlay() = default;

void Overlay::on_datagram(TimePoint now, const Datagram& datagram) {
  conductor_->on_datagrams(now, {&datagram, 1});
  conductor_->release_input();
}
void Overlay::on_datagrams(TimePoint now, std::span<const Datagram> datagrams) {
  conductor_->on_datagrams(now, datagrams);
}
void Overlay::release_input() {
  conductor_->release_input();
}
void Overlay::on_timeout(TimePoint now) {
  conductor_->on_timeout(now);
}
void Overlay::on_local_endpoints(TimePoint now, std::vector<Endpoint> endpoints) {
  conductor_->on_local_endpoints(now, std::move(endpoints));
}
void Overlay::on_mapped(TimePoint now, Proto proto, const Endpoint& outside) {
  conductor_->on_mapped(now, proto, outside);
}
void Overlay::on_unmapped(TimePoint now, Proto proto, bool v6) {
  conductor_->on_unmapped(now, proto, v6);
}
void Overlay::on_network_change(TimePoint now) {
  conductor_->on_network_change(now);
}
void Overlay::on_local_tcp_endpoints(TimePoint now, std::vector<Endpoint> endpoints) {
  conductor_->on_local_tcp_endpoints(now, std::move(endpoints));
}
void Overlay::on_tcp_open(TimePoint now, TcpId id, const Endpoint& local) {
  conductor_->on_tcp_open(now, id, local);
}
TcpId Overlay::on_tcp_accepted(TimePoint now, const Endpoint& local, const Endpoint& remote) {
  return conductor_->on_tcp_accepted(now, local, remote);
}
void Overlay::on_tcp_closed(TimePoint now, TcpId id, TcpEnd why) {
  conductor_->on_tcp_closed(now, id, why);
}
void Overlay::add_seed(TimePoint now, const Seed& seed) {
  conductor_->add_seed(now, seed);
}
void Overlay::on_socket_opened(TimePoint now, SocketId id, const Endpoint& bound) {
  conductor_->on_socket_opened(now, id, bound);
}
void Overlay::on_socket_failed(TimePoint now, SocketId id) {
  conductor_->on_socket_failed(now, id);
}
void Overlay::publish_lanes(bool wanted) {
  conductor_->publish_lanes(wanted);
}
void Overlay::on_forwarded(TimePoint now, const Forwarded& forwarded) {
  conductor_->on_forwarded(now, forwarded);
}
void Overlay::on_wall_clock(TimePoint now, WallTime wall) {
  conductor_->on_wall_clock(now, wall);
}

void Overlay::connect(TimePoint now, const NodeId& peer) {
  conductor_->connect(now, peer);
}
Result<StreamId> Overlay::open_stream(TimePoint now, const NodeId& peer,
                                      const StreamHeader& header) {
  return conductor_->open_stream(now, peer, header);
}
std::size_t Overlay::write(TimePoint now, StreamId stream, ByteView bytes) {
  return conductor_->write(now, stream, bytes);
}
std::size_t Overlay::fill(TimePoint now, StreamId stream, std::size_t most,
                          const StreamSource& source) {
  return conductor_->fill(now, stream, most, source);
}
void Overlay::finish(TimePoint now, StreamId stream) {
  conductor_->finish(now, stream);
}
void Overlay::reset(TimePoint now, StreamId stream) {
  conductor_->reset(now, stream);
}
void Overlay::stop_reading(TimePoint now, StreamId stream) {
  conductor_->stop_reading(now, stream);
}
Overlay::Read Overlay::read(TimePoint now, StreamId stream, std::size_t max, Bytes spent) {
  return conductor_->read(now, stream, max, std::move(spent));
}
std::uint64_t Overlay::survey(TimePoint now, const Seed& supernode, SurveyQuestion question) {
  return conductor_->survey(now, supernode, std::move(question));
}
void Overlay::leave(TimePoint now) {
  conductor_->leave(now);
}

std::optional<SocketOrder> Overlay::poll_socket() {
  return conductor_->poll_socket();
}
void Overlay::reuse(Bytes spent) {
  conductor_->reuse(std::move(spent));
}
void Overlay::look_up(TimePoint now, const NodeId& target) {
  conductor_->look_up(now, target);
}

void Overlay::adopt(TimePoint now, const View& view, const Placement& placement) {
  conductor_->adopt(now, view, placement);
}
void Overlay::foresee(int round, TimePoint at, ByteView datagram, const Peer*& whom) const {
  conductor_->foresee(round, at, datagram, whom);
}
RecordPtr Overlay::own_record() const {
  return conductor_->own_record();
}
bool Overlay::admits(const NodeId& supernode) const {
  return conductor_->view().is_admitted(supernode);
}
bool Overlay::has_registered(const NodeId& leaf) const {
  return conductor_->registrar().has(leaf);
}
RecordPtr Overlay::registered_record(const NodeId& leaf) const {
  return conductor_->registrar().record_of(leaf);
}
std::size_t Overlay::leaves() const {
  return conductor_->registrar().size();
}
const View& Overlay::view() const {
  return conductor_->view();
}

std::optional<Transmit> Overlay::poll_data(TimePoint now) {
  return conductor_->poll_data(now);
}
std::optional<Transmit> Overlay::poll_transmit(TimePoint now) {
  return conductor_->poll_transmit(now);
}
std::optional<TcpOrder> Overlay::poll_tcp() {
  return conductor_->poll_tcp();
}
std::optional<Event> Overlay::poll_event() {
  return conductor_->poll_event();
}
std::optional<LaneChange> Overlay::poll_lane_change() {
  return conductor_->poll_lane_change();
}
std::optional<TimePoint> Overlay::next_timeout() const {
  return conductor_->next_timeout();
}

const NodeId& Overlay::id() const {
  return conductor_->id();
}
const Counters& Overlay::counters() const {
  return conductor_->counters();
}
OverlayStatus Overlay::status(TimePoint now) const {
  return conductor_->status(now);
}
std::optional<PeerStatus> Overlay::peer(const NodeId& peer) const {
  return conductor_->peer(peer);
}
const Story* Overlay::story(const NodeId& peer) const {
  return conductor_->story(peer);
}
std::vector<Seed> Overlay::supernodes(std::size_t most) const {
  return conductor_->supernodes(most);
}

Bytes Overlay::peer_book() const {
  return conductor_->peer_book();
}
std::uint64_t Overlay::peer_book_version() const {
  return conductor_->peer_book_version();
}
Bytes Overlay::kept_proof() const {
  return conductor_->kept_proof();
}
std::uint64_t Overlay::kept_proof_version() const {
  return conductor_->kept_proof_version();
}
Bytes Overlay::relay_month() const {
  return conductor_->relay_month();
}
std::uint64_t Overlay::relay_month_version() const {
  return conductor_->relay_month_version();
}
std::size_t Overlay::supernodes_remembered() const {
  return conductor_->supernodes_remembered();
}

}  // namespace byway
