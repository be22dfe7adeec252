// Walks through the mesh: asks the supernodes it is given how they are and whom they know, then
// those, and so on until nobody new is named.
//
//   seeds ──► StateRequest to each ──► its view's root is new? ──► MembersRequests, page by page
//     ▲                                      │ no: the same view                │
//     '───────────── everybody named there who was not asked yet ◄──────────────'
//
// So each supernode is asked one small question, and each different view is read once. A page is
// believed as far as its records are signed; who does not answer at its address is shown silent,
// whatever others say of it. Everything is bounded: questions at once, views, pages, supernodes,
// and the time.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "tools/overlay/chart.h"
#include "tools/overlay/guest.h"

namespace byway::tools {

struct CrawlOptions {
  bool expand = true;  // ask those who are named too; else only the seeds
  std::size_t at_once = 16;
  std::size_t most_supernodes = 20'000;
  std::size_t most_views = 64;
  std::size_t most_pages = 10'000;  // of one view
  Duration time = 30s;
};

class Crawl {
 public:
  Crawl(Guest& guest, CrawlOptions options) : guest_(guest), options_(options) {}

  // `progress` is called now and then, with the chart so far.
  Chart run(const std::vector<Seed>& seeds, const std::function<void(const Chart&)>& progress);

 private:
  // One view being read, in several parts of the ring at once.
  struct Reading {
    std::size_t view;  // index in views_
    NodeId from;
    std::size_t parts = 0;  // under way
    std::size_t pages = 0;
    bool failed = false;
  };
  struct View {
    KnownView known;
    bool read = false;
    std::size_t readers_tried = 0;
  };

  void sight(const NodeId& id, const Endpoint& endpoint);
  void pump();
  void on_state(const NodeId& id, const SurveyDone& done);
  void read_view(std::size_t view, const NodeId& from);
  void read_part(std::shared_ptr<Reading> reading, std::uint64_t from, std::uint64_t last);
  void on_page(const std::shared_ptr<Reading>& reading, std::uint64_t from, std::uint64_t last,
               const SurveyDone& done);
  void end_part(const std::shared_ptr<Reading>& reading);
  Chart finished();

  Guest& guest_;
  CrawlOptions options_;
  Chart chart_;
  std::vector<View> views_;
  std::map<std::uint64_t, std::size_t> view_of_root_;
  std::deque<NodeId> to_ask_;
  std::size_t asking_ = 0;
  std::size_t reading_ = 0;
  bool over_ = false;  // what still comes is too late
};

}  // namespace byway::tools
