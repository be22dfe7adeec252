#include "node/seed_lookup.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <thread>

#include "node/log.h"
#include "node/socket_address.h"

namespace byway {
HostAnswer resolve_host(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (error != 0) {
    const bool certain = error == EAI_NONAME || error == EAI_NODATA;
    return {{}, certain, error == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(error)};
  }
  HostAnswer answer;
  for (const addrinfo* one = list; one; one = one->ai_next) {
    const auto address = address_of(one->ai_addr);
    if (address && std::ranges::find(answer.addresses, *address) == answer.addresses.end())
      answer.addresses.push_back(*address);
  }
  ::freeaddrinfo(list);
  if (answer.addresses.empty()) answer.why = "no usable address";
  return answer;
}

struct SeedLookup::Name {
  Name(boost::asio::io_context& io, SeedAddress its_seed) : seed(std::move(its_seed)), timer(io) {}
  SeedAddress seed;
  boost::asio::steady_timer timer;
  Duration pause{};
  bool answered = false;
  bool warned = false;
};

// Where a thread brings what it has found. It may come long after everybody has left.
struct SeedLookup::Home {
  explicit Home(SeedLookup& its_lookup)
      : lookup(&its_lookup), work(boost::asio::make_work_guard(its_lookup.io_)) {}
  std::mutex mutex;
  SeedLookup* lookup;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work;
};

SeedLookup::SeedLookup(boost::asio::io_context& io, const std::vector<SeedAddress>& seeds,
                       Resolve resolve)
    : SeedLookup(io, seeds, std::move(resolve), Pauses{}) {}

SeedLookup::SeedLookup(boost::asio::io_context& io, const std::vector<SeedAddress>& seeds,
                       Resolve resolve, Pauses pauses)
    : io_(io), resolve_(std::move(resolve)), pauses_(pauses) {
  for (const SeedAddress& seed : seeds)
    if (const auto address = IpAddress::parse(seed.host))
      given_.push_back({seed.id, {*address, seed.port}});
    else
      names_.push_back(std::make_unique<Name>(io, seed));
  unanswered_ = names_.size();
  hope_ = !given_.empty() || names_.empty();
}

SeedLookup::~SeedLookup() {
  if (!home_) return;
  const std::lock_guard lock(home_->mutex);
  home_->lookup = nullptr;
  home_->work.reset();
}

void SeedLookup::start(std::function<void(const Seed&)> found,
                       std::function<void(const std::string&)> hopeless) {
  found_ = std::move(found);
  hopeless_ = std::move(hopeless);
  if (names_.empty()) return;
  home_ = std::make_shared<Home>(*this);
  for (std::size_t i = 0; i < names_.size(); ++i) ask(i);
}

void SeedLookup::ask(std::size_t index) {
  std::thread([home = home_, index, resolve = resolve_, host = names_[index]->seed.host] {
    const HostAnswer answer = resolve(host);
    const std::lock_guard lock(home->mutex);
    if (!home->lookup) return;
    boost::asio::post(home->lookup->io_, [home, index, answer] {
      if (home->lookup) home->lookup->on_answer(index, answer);
    });
  }).detach();
}

void SeedLookup::on_answer(std::size_t index, const HostAnswer& answer) {
  Name& name = *names_[index];
  if (!std::exchange(name.answered, true)) --unanswered_;
  if (!answer.addresses.empty() || !answer.no_such_name) hope_ = true;

  if (!answer.addresses.empty()) {
    if (name.warned) log_info("event=seed-known host=" + quoted(name.seed.host));
    for (const IpAddress& address : answer.addresses)
      found_({name.seed.id, {address, name.seed.port}});
  } else {
    warn(name, answer.why);
    name.warned = true;
    ask_later(index);
  }
  if (hope_) {
    for (const std::string& warning : std::exchange(warnings_, {})) log_warn(warning);
  } else if (unanswered_ == 0) {
    hopeless_(sentence());
  }
}

void SeedLookup::ask_later(std::size_t index) {
  Name& name = *names_[index];
  name.pause = std::clamp(2 * name.pause, pauses_.first, pauses_.longest);
  name.timer.expires_after(name.pause);
  name.timer.async_wait([home = home_, index](const boost::system::error_code& error) {
    if (!error && home->lookup) home->lookup->ask(index);
  });
}

void SeedLookup::warn(const Name& name, const std::string& why) {
  if (name.warned) return;
  warnings_.push_back("event=seed-unknown host=" + quoted(name.seed.host) + " why=" + quoted(why) +
                      " then=\"asking again\"");
}

std::string SeedLookup::sentence() const {
  if (names_.size() == 1)
    return "--seed: there is no host '" + names_[0]->seed.host + "'; check how it is written";
  std::string hosts;
  for (const auto& name : names_) hosts += (hosts.empty() ? "'" : ", '") + name->seed.host + "'";
  return "--seed: none of the hosts " + hosts + " exists; check how they are written";
}

}  // namespace byway
