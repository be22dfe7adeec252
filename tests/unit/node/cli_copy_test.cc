// The copying between this process's ends and a stream, with sockets in place of both.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <future>
#include <string>

#include "node/cli/copy.h"
#include "node/unique_fd.h"

namespace byway::cli::cli_copy_test {
namespace {

using testing::HasSubstr;

struct Pair {
  UniqueFd ours, theirs;
};

Pair stream_pair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
  return {UniqueFd{fds[0]}, UniqueFd{fds[1]}};
}

// ours: the reading end.
Pair pipe_pair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(pipe(fds.data()), 0);
  return {UniqueFd{fds[0]}, UniqueFd{fds[1]}};
}

std::string read_all(int fd) {
  std::string all;
  std::array<char, 65536> chunk;
  for (ssize_t n = 0; (n = read(fd, chunk.data(), chunk.size())) > 0;)
    all.append(chunk.data(), static_cast<std::size_t>(n));
  return all;
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    ASSERT_GT(n, 0);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string film(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
  return bytes;
}

class Copy : public testing::Test {
 protected:
  Copy() { signal(SIGPIPE, SIG_IGN); }

  void start(int stop = -1) { start_with({.stop = stop}); }
  // `how`: all but the descriptors.
  void start_with(CopyEnds how) {
    how.in = input.ours.get();
    how.out = output.theirs.get();
    how.stream = stream.ours.get();
    result = std::async(std::launch::async, [how] { return copy_both_ways(how); });
  }

  Pair input = pipe_pair();
  Pair output = pipe_pair();
  Pair stream = stream_pair();
  std::future<CopyResult> result;
};

TEST_F(Copy, TheEndOfInputReachesThePeerAndItsAnswerStillComesBack) {
  start();
  write_all(input.theirs.get(), "question");
  input.theirs.reset();
  EXPECT_EQ(read_all(stream.theirs.get()), "question");  // to its end: that was told

  write_all(stream.theirs.get(), "a late answer");
  stream.theirs.reset();
  const CopyResult copied = result.get();
  output.theirs.reset();
  EXPECT_EQ(read_all(output.ours.get()), "a late answer");
  EXPECT_EQ(copied.broken, "");
  EXPECT_EQ(copied.sent, 8u);
  EXPECT_EQ(copied.received, 13u);
}

TEST_F(Copy, MegabytesCrossBothWaysAtOnceThroughSmallPipes) {
  const std::string up = film(5'000'003);
  const std::string down = film(4'000'001);
  start();
  auto peer_reads = std::async(std::launch::async, [&] { return read_all(stream.theirs.get()); });
  auto peer_writes = std::async(std::launch::async, [&] {
    write_all(stream.theirs.get(), down);
    shutdown(stream.theirs.get(), SHUT_WR);
  });
  auto reads = std::async(std::launch::async, [&] { return read_all(output.ours.get()); });
  write_all(input.theirs.get(), up);
  input.theirs.reset();

  const CopyResult copied = result.get();
  output.theirs.reset();
  EXPECT_TRUE(peer_reads.get() == up);
  EXPECT_TRUE(reads.get() == down);
  EXPECT_EQ(copied.broken, "");
}

TEST_F(Copy, ThePeersEndDoesNotStopWhatWeStillSend) {
  start();
  shutdown(stream.theirs.get(), SHUT_WR);
  write_all(input.theirs.get(), "one ");
  write_all(input.theirs.get(), "two");
  input.theirs.reset();
  EXPECT_EQ(read_all(stream.theirs.get()), "one two");
  EXPECT_EQ(result.get().broken, "");
}

TEST_F(Copy, APeerThatIsDoneBothWaysIsNotKeptWaitingForOurKeyboard) {
  start();
  write_all(stream.theirs.get(), "bye");
  stream.theirs.reset();  // and nothing ever comes from input
  EXPECT_EQ(result.get().broken, "");
}

TEST_F(Copy, SomebodyAtAKeyboardIsLetGoWhenThePeerHasEnded) {
  start_with({.until_peers_end = true});
  write_all(stream.theirs.get(), "that is all");
  shutdown(stream.theirs.get(), SHUT_WR);  // it would still listen
  EXPECT_EQ(result.get().received, 11u);
  EXPECT_EQ(read_all(stream.theirs.get()), "");  // and was told that nothing will come
}

TEST_F(Copy, APeerThatStopsTakingBreaksWhatWasNotTaken) {
  start();
  stream.theirs.reset();
  // What is in the pipe when the stream is gone may be refused at once; more than it ever holds is.
  std::string refused = film(300'000);
  while (!refused.empty()) {
    // The copy may end while the pipe is full, and then nobody makes room any more.
    pollfd writable{input.theirs.get(), POLLOUT, 0};
    const int ready = poll(&writable, 1, 20);
    if (writable.revents & POLLERR) break;
    if (result.wait_for(std::chrono::seconds{0}) == std::future_status::ready) break;
    if (ready == 0) continue;
    const ssize_t n =
        write(input.theirs.get(), refused.data(), std::min<std::size_t>(refused.size(), 4096));
    if (n <= 0) break;
    refused.erase(0, static_cast<std::size_t>(n));
  }
  // Either it was noticed with bytes in hand, or before any were taken: never a success with loss.
  const CopyResult copied = result.get();
  EXPECT_TRUE(copied.sent == 0 || !copied.broken.empty());
}

TEST_F(Copy, AStreamThatIsResetIsToldAsBroken) {
  write_all(input.theirs.get(), "unread");
  start();
  std::array<char, 1> first;
  ASSERT_EQ(recv(stream.theirs.get(), first.data(), 1, 0), 1);
  stream.theirs.reset();  // with bytes of ours unread: the kernel makes it a reset
  EXPECT_THAT(result.get().broken, HasSubstr("the stream broke off"));
}

TEST_F(Copy, AReaderThatLeftEndsTheCopyWithAReason) {
  output.ours.reset();
  start();
  write_all(stream.theirs.get(), "for nobody");
  EXPECT_THAT(result.get().broken, HasSubstr("nobody reads standard output"));
}

TEST_F(Copy, NoInputAtAllIsJustAnEarlyEnd) {
  input.ours = UniqueFd{open("/dev/null", O_RDONLY)};
  start();
  EXPECT_EQ(read_all(stream.theirs.get()), "");
  write_all(stream.theirs.get(), "all the same");
  stream.theirs.reset();
  EXPECT_EQ(result.get().broken, "");
  output.theirs.reset();
  EXPECT_EQ(read_all(output.ours.get()), "all the same");
}

TEST_F(Copy, InputThatWasNeverOpenIsJustAnEarlyEnd) {
  const int closed = input.ours.get();
  UniqueFd kept{dup(closed)};
  close(closed);
  result = std::async(std::launch::async, [this, closed] {
    return copy_both_ways({.in = closed, .out = output.theirs.get(), .stream = stream.ours.get()});
  });
  EXPECT_EQ(read_all(stream.theirs.get()), "");
  stream.theirs.reset();
  EXPECT_EQ(result.get().broken, "");
  dup2(kept.get(), closed);  // for its owner to close
}

TEST_F(Copy, WhatTheNodeWasLentIsLeftAloneUntilItHangsUp) {
  start_with({.in_lent = true, .out_lent = true});
  write_all(input.theirs.get(), "for the node");
  shutdown(stream.theirs.get(), SHUT_WR);  // the peer has ended; the input goes on
  EXPECT_EQ(result.wait_for(std::chrono::milliseconds{50}), std::future_status::timeout);
  stream.theirs.reset();
  const CopyResult copied = result.get();
  EXPECT_EQ(copied.broken, "");
  EXPECT_EQ(copied.sent, 0u);
  input.theirs.reset();
  EXPECT_EQ(read_all(input.ours.get()), "for the node");
}

TEST_F(Copy, OneEndIsLentAndTheOtherCopied) {
  start_with({.out_lent = true});
  write_all(input.theirs.get(), "question");
  input.theirs.reset();
  EXPECT_EQ(read_all(stream.theirs.get()), "question");
  stream.theirs.reset();
  EXPECT_EQ(result.get().sent, 8u);
}

TEST_F(Copy, TheNodeTellsThatNobodyReadsWhatItWrites) {
  start_with({.in_lent = true, .out_lent = true});
  write_all(stream.theirs.get(), "x");
  const CopyResult copied = result.get();
  EXPECT_TRUE(copied.our_fault);
  EXPECT_TRUE(copied.told);
  EXPECT_THAT(copied.broken, HasSubstr("nobody reads standard output"));
}

TEST_F(Copy, AnInterruptEndsTheWait) {
  Pair stop = pipe_pair();
  start(stop.ours.get());
  write_all(stop.theirs.get(), "x");
  EXPECT_TRUE(result.get().stopped);
}

}  // namespace
}  // namespace byway::cli::cli_copy_test
