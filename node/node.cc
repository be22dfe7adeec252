#include "node/node.h"

#include <algorithm>
#include <array>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <iostream>

#include "node/apps/bench.h"
#include "node/apps/chat.h"
#include "node/apps/context.h"
#include "node/apps/echo.h"
#include "node/apps/pipe.h"
#include "node/apps/status.h"
#include "node/apps/trace.h"
#include "node/control_server.h"
#include "node/kept_file.h"
#include "node/log.h"
#include "node/port_mapper.h"
#include "node/router_news.h"
#include "node/version.h"

namespace byway {
namespace {

constexpr Duration drain_for = 200ms;  // goodbyes leave at once; answers to them need not be heard

constexpr const char* peer_book = "peer book";
constexpr const char* kept_proof = "proof of this node's address";
constexpr const char* relay_month = "account of what was relayed this month";

constexpr const char* node_leaves = "the node has stopped; start it again with `byway run`";

OverlayConfig overlay_config(const RunConfig& config, std::vector<Seed> seeds) {
  OverlayConfig overlay;
  overlay.role = config.role;
  overlay.promote_after = config.promote_after;
  overlay.seeds = std::move(seeds);
  overlay.netgroup_bits_v4 = config.netgroup_bits_v4;
  overlay.netgroup_bits_v6 = config.netgroup_bits_v6;
  overlay.max_leaves = config.max_leaves;
  overlay.relay = config.relay;
  overlay.relay_rate = config.relay_rate;
  overlay.lane_rate = config.lane_rate;
  overlay.node_rate = config.node_rate;
  overlay.relay_monthly_cap = config.relay_monthly_cap;
  overlay.cubic = config.cubic;
  overlay.lan = config.lan;
  overlay.agent = std::string("byway ") + version;
  return overlay;
}

}  // namespace

// In the order in which they depend on one another; they end in reverse.
struct Node::Parts {
  Parts(StateDir its_dir, Identity its_identity, Database its_store)
      : dir(std::move(its_dir)),
        identity(std::move(its_identity)),
        store(std::move(its_store)),
        contacts(store, identity.id()) {}

  void wire() {
    streams.emplace(*runtime);
    const AppContext context{*runtime, *streams, contacts, store};
    echo.emplace(context);
    chat.emplace(context);
    pipes.emplace(context);
    bench.emplace(context);
    book.emplace(*runtime, dir.peer_book_path(), peer_book, &Overlay::peer_book,
                 &Overlay::peer_book_version);
    proof.emplace(*runtime, dir.kept_proof_path(), kept_proof, &Overlay::kept_proof,
                  &Overlay::kept_proof_version);
    relayed.emplace(*runtime, dir.relay_month_path(), relay_month, &Overlay::relay_month,
                    &Overlay::relay_month_version);
    end.emplace(*runtime);
    runtime->subscribe([this](const Event& event) { on_event(event); });
  }

  void on_event(const Event& event) {
    if (std::holds_alternative<Ready>(event)) {
      ready = true;
      if (const auto tell = std::exchange(tell_ready, nullptr)) tell();
    }
    if (std::holds_alternative<Moved>(event)) ask_routers_again();
    if (std::holds_alternative<RoleChanged>(event)) proof->save();
    streams->on_event(event);
    chat->on_event(event);
  }

  // Asks the router, where there can be one; again whenever the network is another.
  void map_ports() {
    if (!may_map || leaving) return;
    ask_routers_again();
    if (may_need_mapping(runtime->local())) map_port(false);
    if (may_need_pinhole(runtime->local())) map_port(true);
  }

  void map_port(bool v6) {
    auto& mapper = mappers[v6];
    const auto bound = runtime->bound();
    const auto main = std::find_if(bound.begin(), bound.end(), [v6](const Endpoint& one) {
      return one.address.is_v6() == v6 && one.address.scope() != Scope::loopback;
    });
    if (mapper || main == bound.end()) return;
    if (!news) {
      news.emplace(runtime->io(), [this] { ask_routers_again(); });
      news->start();
    }
    mapper = std::make_unique<PortMapper>(runtime->io(), *main);
    mapper->start(
        [this, v6](const PortMapping& mapping) {
          forget_mapped(mapping.proto, v6);
          mapped_by[{mapping.proto, mapping.outside}] = mapping.by;
          runtime->overlay().on_mapped(runtime->now(), mapping.proto, mapping.outside);
          runtime->settle();
        },
        [this, v6](Proto proto) {
          forget_mapped(proto, v6);
          runtime->overlay().on_unmapped(runtime->now(), proto, v6);
          runtime->settle();
        });
  }

  void forget_mapped(Proto proto, bool v6) {
    std::erase_if(mapped_by, [&](const auto& entry) {
      const auto& [of, outside] = entry.first;
      return of == proto && outside.address.is_v6() == v6;
    });
  }

  void ask_routers_again() {
    for (const auto& mapper : mappers)
      if (mapper) mapper->refresh();
  }

  // Goodbyes have left, and the router has been told.
  void one_thing_less() {
    if (--left_to_do > 0) return;
    for (const auto& tell : std::exchange(tell_left, {})) tell();
  }

  StateDir dir;
  Identity identity;
  Database store;
  Contacts contacts;
  std::string name;
  TimePoint started = monotonic_now();
  std::unique_ptr<Runtime> runtime;
  std::optional<Streams> streams;
  std::optional<Echo> echo;
  std::optional<Chat> chat;
  std::optional<Pipes> pipes;
  std::optional<Bench> bench;
  std::optional<KeptFile> book, proof, relayed;
  std::optional<Timer> end;
  bool may_map = true;
  std::array<std::unique_ptr<PortMapper>, 2> mappers;  // IPv4, IPv6
  std::optional<RouterNews> news;
  MappedBy mapped_by;
  int left_to_do = 0;
  std::unique_ptr<SeedLookup> seeds;
  std::unique_ptr<ControlServer> control;
  bool ready = false;
  bool leaving = false;
  std::function<void()> tell_ready;
  std::vector<std::function<void()>> tell_left;
};

Node::Node(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Node::~Node() {
  parts_->control.reset();
  parts_->seeds.reset();
  parts_->news.reset();
  for (auto& mapper : parts_->mappers) mapper.reset();
  if (!parts_->runtime) return;
  parts_->runtime->on_network_change(nullptr);
  parts_->runtime->subscribe(nullptr);
  parts_->runtime->close();
}

Outcome<std::unique_ptr<Node>> Node::start(boost::asio::io_context& io, const RunConfig& config,
                                           SeedLookup::Resolve resolve) {
  auto dir = StateDir::open(config.state_dir);
  if (!dir) return dir.error();
  const auto locked = dir->lock();
  if (!locked) return locked.error();
  auto identity = dir->identity();
  if (!identity) return identity.error();
  auto store = Database::open(dir->database_path());
  if (!store) return store.error();

  std::unique_ptr<Node> node(
      new Node(std::make_unique<Parts>(std::move(*dir), std::move(*identity), std::move(*store))));
  Parts& parts = *node->parts_;
  parts.name = config.name;
  parts.seeds = std::make_unique<SeedLookup>(io, config.seeds, std::move(resolve));
  auto book = read_kept_file(parts.dir.peer_book_path(), peer_book);
  if (!book) return book.error();
  auto proof = read_kept_file(parts.dir.kept_proof_path(), kept_proof);
  if (!proof) return proof.error();
  auto relayed = read_kept_file(parts.dir.relay_month_path(), relay_month);
  if (!relayed) return relayed.error();
  const bool had_book = !book->empty();
  OverlayConfig overlay = overlay_config(config, parts.seeds->given());
  overlay.peer_book = std::move(*book);
  overlay.kept_proof = std::move(*proof);
  overlay.relay_month = std::move(*relayed);
  auto runtime =
      Runtime::open(io, std::move(overlay), config.listen, parts.identity, config.threads);
  if (!runtime) return runtime.error();
  parts.runtime = std::move(*runtime);
  const std::size_t remembered = parts.runtime->overlay().supernodes_remembered();
  if (had_book) log_info("event=peer-book supernodes=" + std::to_string(remembered));
  parts.wire();

  auto control = ControlServer::open(
      io, control_socket_path(parts.dir.path()),
      [self = node.get()](const control::ControlRequest& request,
                          std::shared_ptr<Replies> replies) {
        self->handle(request, std::move(replies));
      },
      [self = node.get()] { self->parts_->runtime->settle(); });
  if (!control) return control.error();
  parts.control = std::move(*control);
  if (config.role != Role::supernode && config.seeds.empty() && remembered == 0)
    return Problem{
        "--seed: a node that knows no supernode finds nobody and is found by nobody; name one as "
        "ID@HOST:PORT, or begin a network with --role supernode"};
  if (config.invited_by)
    log_info("event=invited by=" + config.invited_by->to_string() +
             " hint=\"byway contact add NAME " + config.invited_by->to_string() + "\"");
  parts.runtime->start();
  parts.book->start();
  parts.proof->start();
  parts.relayed->start();
  parts.may_map = config.port_mapping;
  parts.runtime->on_network_change([&parts] { parts.map_ports(); });
  parts.map_ports();
  parts.seeds->start(
      [&runtime = *parts.runtime](const Seed& seed) {
        runtime.overlay().add_seed(runtime.now(), seed);
        runtime.settle();
      },
      [self = node.get(), remembered](const std::string& sentence) {
        if (self->hopeless_ && remembered == 0) self->hopeless_(sentence);
      });
  return node;
}

const NodeId& Node::id() const {
  return parts_->identity.id();
}
Endpoint Node::listen() const {
  return parts_->runtime->bound().front();
}
bool Node::ready() const {
  return parts_->ready;
}

void Node::when_ready(std::function<void()> tell) {
  if (parts_->ready) return tell();
  parts_->tell_ready = std::move(tell);
}

void Node::leave(std::function<void()> left) {
  parts_->tell_left.push_back(std::move(left));
  if (parts_->leaving) return;
  parts_->leaving = true;
  log_info("event=leaving");
  parts_->control->dismiss(node_leaves);
  parts_->book->save();
  parts_->proof->save();
  parts_->relayed->save();
  parts_->runtime->leave();
  parts_->left_to_do = 1 + static_cast<int>(parts_->mappers.size());
  parts_->end->after(drain_for, [parts = parts_.get()] { parts->one_thing_less(); });
  const auto unmapped = [parts = parts_.get()] { parts->one_thing_less(); };
  for (const auto& mapper : parts_->mappers) mapper ? mapper->stop(unmapped) : unmapped();
}

void Node::handle(const control::ControlRequest& request, std::shared_ptr<Replies> replies) {
  Parts& parts = *parts_;
  if (parts.leaving && !std::holds_alternative<control::Status>(request))
    return replies->fail(node_leaves);
  const AppContext context{*parts.runtime, *parts.streams, parts.contacts, parts.store};
  if (std::holds_alternative<control::Status>(request)) {
    replies->line(status_json(context, parts.name, parts.started, parts.mapped_by));
    return replies->done();
  }
  if (const auto* r = std::get_if<control::Supernodes>(&request)) {
    for (const Seed& seed : parts.runtime->overlay().supernodes(r->most))
      replies->line({{"id", seed.id.to_string()}, {"endpoint", seed.endpoint.to_string()}});
    return replies->done();
  }
  if (const auto* r = std::get_if<control::Trace>(&request))
    return tell_trace(context, *r, *replies);
  if (std::holds_alternative<control::Stop>(request)) {
    replies->done();
    if (stop_) stop_();
    return;
  }
  if (const auto* r = std::get_if<control::Ping>(&request)) return parts.echo->handle(*r, replies);
  if (const auto* r = std::get_if<control::Say>(&request)) return parts.chat->handle(*r, replies);
  if (const auto* r = std::get_if<control::Inbox>(&request)) return parts.chat->handle(*r, replies);
  if (const auto* r = std::get_if<control::Chat>(&request)) return parts.chat->handle(*r, replies);
  if (const auto* r = std::get_if<control::ContactAdd>(&request))
    return parts.contacts.handle(*r, *replies);
  if (const auto* r = std::get_if<control::Whois>(&request))
    return parts.contacts.handle(*r, *replies);
  if (const auto* r = std::get_if<control::ContactList>(&request))
    return parts.contacts.handle(*r, *replies);
  if (const auto* r = std::get_if<control::ContactRemove>(&request))
    return parts.contacts.handle(*r, *replies);
  if (const auto* r = std::get_if<control::Listen>(&request))
    return parts.pipes->handle(*r, replies);
  if (const auto* r = std::get_if<control::Accept>(&request))
    return parts.pipes->handle(*r, replies);
  if (const auto* r = std::get_if<control::Pipe>(&request)) return parts.pipes->handle(*r, replies);
  if (const auto* r = std::get_if<control::Outcome>(&request))
    return parts.pipes->handle(*r, replies);
  if (const auto* r = std::get_if<control::Bench>(&request))
    return parts.bench->handle(*r, replies);
}

void Node::settle() {
  parts_->runtime->settle();
}

int run_node(const RunConfig& config) {
  start_logging(config.log_level);
  ::signal(SIGPIPE, SIG_IGN);  // a reader of our output that goes away is no reason to end
  boost::asio::io_context io(1);
  auto started = Node::start(io, config);
  if (!started) {
    std::cerr << "byway: " << started.error().sentence << '\n';
    return 1;
  }
  Node& node = **started;
  const auto leave = [&] { node.leave([&io] { io.stop(); }); };
  node.on_stop(leave);
  int code = 0;
  node.on_hopeless([&](const std::string& sentence) {
    std::cerr << "byway: " << sentence << '\n';
    code = 1;
    io.stop();
  });

  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (error) return;
    // A second signal ends it the hard way.
    signals.cancel();
    signals.clear();
    leave();
  });
  node.when_ready([&] {
    std::cout << "ready id=" << node.id().to_string() << " listen=" << node.listen().to_string()
              << std::endl;
  });
  io.run();
  return code;
}

}  // namespace byway
