// How fast: streams filled for some seconds, one way or the other, and what it cost both ends.
//
//   asker ──► BenchStart in the header       accepter: accepted
//   whoever sends ──► blocks … ──► an empty block
//   accepter ──► BenchReport
//
// A block is a 32-bit length and that many bytes; they mean nothing. Bytes are counted where they
// arrive. Anyone may ask, but few at a time and not for long: strangers less than contacts.
#pragma once

#include <memory>

#include "node/apps/context.h"

namespace byway {

class Bench {
 public:
  explicit Bench(AppContext context);  // serves "bench"
  void handle(const control::Bench& request, std::shared_ptr<Replies> replies);

 private:
  AppContext context_;
  std::shared_ptr<std::size_t> served_ = std::make_shared<std::size_t>(0);
};

}  // namespace byway
