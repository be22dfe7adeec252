// The ends of pipes on their way from a command to the node.
#include "node/lent_ends.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <string>

namespace byway::lent_ends_test {
namespace {

struct Pair {
  UniqueFd first, second;
};

Pair sockets() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {UniqueFd{fds[0]}, UniqueFd{fds[1]}};
}

// first: the reading end.
Pair pipes() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC), 0);
  return {UniqueFd{fds[0]}, UniqueFd{fds[1]}};
}

std::string read_from(int fd) {
  std::string text(100, '\0');
  const ssize_t n = ::read(fd, text.data(), text.size());
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

// A descriptor beside a byte, as lend() would never send it.
void send_beside(int socket, std::uint8_t byte, int fd) {
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(int))> beside{};
  iovec piece{&byte, 1};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_control = beside.data();
  header.msg_controllen = beside.size();
  cmsghdr* const rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  std::copy_n(reinterpret_cast<const std::uint8_t*>(&fd), sizeof(fd), CMSG_DATA(rights));
  EXPECT_EQ(::sendmsg(socket, &header, 0), 1);
}

TEST(LentEnds, BothPipesArriveAndDoNotBlockThoughTheirOwnersDo) {
  const Pair control = sockets(), in = pipes(), out = pipes();
  const LentEnds lent = lendable(in.first.get(), out.second.get());
  ASSERT_TRUE(lent.in.is_open());
  ASSERT_TRUE(lent.out.is_open());
  ASSERT_TRUE(lend(control.first.get(), lent));

  const auto taken = take_lent(control.second.get());
  ASSERT_TRUE(taken);
  ASSERT_EQ(::write(in.second.get(), "to the node", 11), 11);
  EXPECT_EQ(read_from(taken->in.get()), "to the node");
  ASSERT_EQ(::write(taken->out.get(), "from it", 7), 7);
  EXPECT_EQ(read_from(out.first.get()), "from it");
  char byte;
  EXPECT_EQ(::read(taken->in.get(), &byte, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_FALSE(::fcntl(in.first.get(), F_GETFL) & O_NONBLOCK) << "others read here as well";
  EXPECT_FALSE(::fcntl(out.second.get(), F_GETFL) & O_NONBLOCK);
}

TEST(LentEnds, AConnectionIsLentInBothDirections) {
  const Pair control = sockets(), connection = sockets();
  const LentEnds lent = lendable_connection(connection.first.get());
  ASSERT_TRUE(lent.in.is_open() && lent.out.is_open());
  ASSERT_TRUE(lend(control.first.get(), lent));
  const auto taken = take_lent(control.second.get());
  ASSERT_TRUE(taken && taken->in.is_open() && taken->out.is_open());
  ASSERT_EQ(::write(connection.second.get(), "question", 8), 8);
  EXPECT_EQ(read_from(taken->in.get()), "question");
  ASSERT_EQ(::write(taken->out.get(), "answer", 6), 6);
  EXPECT_EQ(read_from(connection.second.get()), "answer");
  EXPECT_EQ(read_from(taken->in.get()), "") << "it does not block";
  EXPECT_FALSE(lendable_connection(pipes().first.get()).any());
}

TEST(LentEnds, OnlyPipesAreLent) {
  const Pair control = sockets(), out = pipes();
  const UniqueFd nothing{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  const LentEnds lent = lendable(nothing.get(), out.second.get());
  EXPECT_FALSE(lent.in.is_open());
  EXPECT_FALSE(lendable(nothing.get(), control.first.get()).any());
  EXPECT_FALSE(lendable(-1, -1).any());
  ASSERT_TRUE(lend(control.first.get(), lent));
  const auto taken = take_lent(control.second.get());
  ASSERT_TRUE(taken);
  EXPECT_FALSE(taken->in.is_open());
  EXPECT_TRUE(taken->out.is_open());
}

TEST(LentEnds, WhatIsNoSuchByteIsNotTaken) {
  const Pair other = pipes();
  const Pair control = sockets();
  EXPECT_FALSE(take_lent(control.second.get())) << "nothing came";
  ASSERT_EQ(::send(control.first.get(), "\x01", 1, 0), 1);
  EXPECT_FALSE(take_lent(control.second.get())) << "a pipe is named and none is there";
  ASSERT_EQ(::send(control.first.get(), "\x04", 1, 0), 1);
  EXPECT_FALSE(take_lent(control.second.get())) << "who knows what that would be";
  send_beside(control.first.get(), 1, other.first.get());
  EXPECT_FALSE(take_lent(control.second.get())) << "it blocks";
  send_beside(control.first.get(), 0, other.first.get());
  EXPECT_FALSE(take_lent(control.second.get())) << "a pipe is there that nobody named";
  const UniqueFd nothing{::open("/dev/null", O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  send_beside(control.first.get(), 1, nothing.get());
  EXPECT_FALSE(take_lent(control.second.get())) << "no pipe";
}

TEST(LentEnds, ANodeThatIsGoneIsNoticed) {
  Pair control = sockets();
  const Pair out = pipes();
  control.second.reset();
  EXPECT_FALSE(lend(control.first.get(), lendable(-1, out.second.get())));
}

}  // namespace
}  // namespace byway::lent_ends_test
