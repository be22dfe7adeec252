#include "node/port_mapper.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "node/clock.h"
#include "node/log.h"

namespace byway {

// What the thread and the node share. The thread may outlive the mapper: it then finds nobody home.
struct PortMapper::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  PortMapper* mapper = nullptr;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work;
  bool stopping = false;
  bool again = false;

  // Runs on the node's thread, if there still is one.
  void tell(std::function<void(PortMapper&)> what, const std::shared_ptr<Shared>& self) {
    const std::lock_guard lock(mutex);
    if (!mapper) return;
    boost::asio::post(mapper->io_, [self, what = std::move(what)] {
      if (self->mapper) what(*self->mapper);
    });
  }
  bool is_stopping() {
    const std::lock_guard lock(mutex);
    return stopping || !mapper;
  }
};

PortMapper::PortMapper(boost::asio::io_context& io, std::uint16_t port, Controls controls,
                       Times times)
    : io_(io), port_(port), controls_(std::move(controls)), times_(times), slow_(io), end_(io) {}

PortMapper::~PortMapper() {
  if (!shared_) return;
  const std::lock_guard lock(shared_->mutex);
  shared_->mapper = nullptr;
  shared_->stopping = true;
  shared_->work.reset();
  shared_->changed.notify_all();
}

void PortMapper::start(OnMapped mapped, OnUnmapped unmapped) {
  mapped_ = std::move(mapped);
  unmapped_ = std::move(unmapped);
  shared_ = std::make_shared<Shared>();
  shared_->mapper = this;
  std::thread([shared = shared_, controls = controls_, port = port_, times = times_] {
    work(shared, controls, port, times);
  }).detach();
}

void PortMapper::refresh() {
  if (!shared_) return;
  const std::lock_guard lock(shared_->mutex);
  shared_->again = true;
  shared_->changed.notify_all();
}

void PortMapper::stop(std::function<void()> done) {
  if (!shared_) return done();
  done_ = std::move(done);
  slow_.cancel();
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->work.emplace(boost::asio::make_work_guard(io_));
    shared_->stopping = true;
    shared_->changed.notify_all();
  }
  // With nothing mapped there is hardly anything to wait for: perhaps a router is just answering.
  end_.expires_after(known_.empty() ? times_.stop_unmapped : times_.stop);
  end_.async_wait([shared = shared_](const boost::system::error_code& error) {
    if (error || !shared->mapper || !shared->mapper->done_) return;
    if (!shared->mapper->known_.empty())
      log_warn(
          "event=port-mapping-left why=\"the router takes too long\" then=\"it ends with its "
          "lease\"");
    shared->mapper->finish();
  });
}

void PortMapper::finish() {
  end_.cancel();
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->work.reset();
  }
  if (const auto done = std::exchange(done_, nullptr)) done();
}

// --- on the thread -----------------------------------------------------------------------------

void PortMapper::work(const std::shared_ptr<Shared>& shared, const Controls& make_controls,
                      std::uint16_t port, const Times& times) {
  auto controls = make_controls();
  RouterControl* chosen = nullptr;  // who mapped the last time
  std::vector<PortMapping> held;
  Duration rest{};
  const auto stopping = [&] { return shared->is_stopping(); };

  while (!stopping()) {
    shared->tell([](PortMapper& mapper) { mapper.on_asking(); }, shared);
    Report report = round(chosen, controls, port, times, stopping);
    // Whoever noticed it need not be the one that maps now.
    for (const auto& control : controls)
      if (control->take_restart()) report.restarted_by = control->name();
    if (!report.mappings.empty()) held = report.mappings;
    shared->tell([report](PortMapper& mapper) { mapper.on_report(report); }, shared);

    Duration pause = times.renew;
    for (const PortMapping& mapping : report.mappings)
      if (mapping.lease > Duration::zero())
        pause = std::min(pause, std::max(mapping.lease / 2, times.renew_least));
    // Perhaps between two of our questions: what the first of them made may be gone.
    if (!report.restarted_by.empty()) pause = std::min(pause, times.renew_least);
    if (report.mappings.empty())
      pause = rest = std::clamp(rest * 2, times.rest_first, times.rest_last);
    else
      rest = {};
    std::unique_lock lock(shared->mutex);
    shared->changed.wait_for(lock, pause, [&] { return shared->stopping || shared->again; });
    if (std::exchange(shared->again, false)) rest = {};
  }
  // Nobody waits longer than is good for them; the last router asked may at least be told.
  const TimePoint deadline = monotonic_now() + times.stop;
  if (chosen)
    for (const PortMapping& mapping : held)
      chosen->unmap(mapping, [&] { return monotonic_now() >= deadline; });
  shared->tell([](PortMapper& mapper) { mapper.on_report({.stopped = true}); }, shared);
}

PortMapper::Report PortMapper::round(RouterControl*& chosen,
                                     std::vector<std::unique_ptr<RouterControl>>& controls,
                                     std::uint16_t port, const Times& times,
                                     const RouterControl::Cancelled& cancelled) {
  Report report;
  const auto try_one = [&](RouterControl& control) {
    if (cancelled() || !control.find(cancelled)) return false;
    for (const Proto proto : {Proto::udp, Proto::tcp}) {
      if (cancelled()) break;
      auto mapping = control.map(proto, port, port, times.lease, cancelled);
      const std::string what =
          std::string(control.name()) + ", " + std::string(to_string(proto)) + ": ";
      if (!mapping)
        report.problems.push_back(what + mapping.error().sentence);
      else if (mapping->outside.port == 0)
        report.problems.push_back(what + "the router names port 0");
      else if (mapping->outside.address.scope() != Scope::public_net &&
               mapping->outside.address.scope() != Scope::private_net &&
               mapping->outside.address.scope() != Scope::shared)
        report.problems.push_back(what + "the router names " +
                                  mapping->outside.address.to_string() + " as its outside address");
      else
        report.mappings.push_back(*mapping);
    }
    report.by = control.name();
    for (PortMapping& mapping : report.mappings) mapping.by = control.name();
    return !report.mappings.empty();
  };
  // Whoever did it before does it again; another protocol would make a second mapping.
  if (chosen && try_one(*chosen)) return report;
  for (const auto& control : controls)
    if (control.get() != chosen && try_one(*control)) {
      chosen = control.get();
      return report;
    }
  return report;
}

// --- on the node's thread ------------------------------------------------------------------------

void PortMapper::on_asking() {
  slow_.expires_after(times_.slow);
  slow_.async_wait([shared = shared_](const boost::system::error_code& error) {
    if (error || !shared->mapper) return;
    shared->mapper->complain({"a router took a question and does not answer it"});
  });
}

void PortMapper::on_report(const Report& report) {
  slow_.cancel();
  if (report.stopped) return finish();
  if (done_) return;  // leaving: nothing new is told
  if (!report.restarted_by.empty()) log_info("event=router-restarted by=" + report.restarted_by);
  complain(report.problems);
  std::map<Proto, Endpoint> now;
  for (const PortMapping& mapping : report.mappings) {
    now[mapping.proto] = mapping.outside;
    const auto before = known_.find(mapping.proto);
    if (before != known_.end() && before->second == mapping.outside) continue;
    log_info("event=port-mapped proto=" + std::string(to_string(mapping.proto)) + " outside=" +
             mapping.outside.to_string() + " inside=" + std::to_string(mapping.inside) +
             " by=" + report.by + " lease_s=" + std::to_string(mapping.lease / 1s));
    mapped_(mapping);
  }
  for (const auto& [proto, outside] : known_) {
    if (now.contains(proto)) continue;
    log_warn("event=port-unmapped proto=" + std::string(to_string(proto)) +
             " outside=" + outside.to_string());
    unmapped_(proto);
  }
  known_ = std::move(now);
}

void PortMapper::complain(const std::vector<std::string>& problems) {
  if (problems.empty()) return;
  if (problems != told_)
    for (const std::string& problem : problems)
      log_warn("event=port-mapping-refused why=" + quoted(problem));
  told_ = problems;
}

namespace {

bool has(const std::vector<Endpoint>& local, bool v6, Scope wanted) {
  return std::any_of(local.begin(), local.end(), [&](const Endpoint& endpoint) {
    return endpoint.address.is_v6() == v6 && endpoint.address.scope() == wanted;
  });
}

}  // namespace

bool may_need_mapping(const std::vector<Endpoint>& local) {
  return !has(local, false, Scope::public_net) &&
         (has(local, false, Scope::private_net) || has(local, false, Scope::shared));
}

bool may_need_pinhole(const std::vector<Endpoint>& local) {
  return has(local, true, Scope::public_net) && !has(local, false, Scope::public_net);
}

}  // namespace byway
