// Our TCP connections: which there are, what each is for, and to whom it has been proved to lead.
// A connection carries datagrams like a socket of its own; paths and links know only its number.
//
//   open()       --> opening --on_open--> open --on_proved--> proved
//   on_accepted  ------------------------^
//
// Whoever connects is a stranger until a path over the connection is proved, which takes keys.
// Strangers are few, few from one address, and gone after 10 s; so a flood of connections binds
// a bounded amount of memory and never costs a proved node its own.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "overlay/core/io.h"
#include "protocol/identity.h"

namespace byway {

class Connections {
 public:
  enum class Purpose : std::uint8_t {
    accepted,  // somebody else's wish
    dial,      // a handshake with a supernode
    look,      // to be told how our TCP looks from outside
    punch,     // a peer who connects to us at the same moment
    proof      // to tell somebody whether strangers reach it by TCP
  };
  struct Connection {
    TcpId id = 0;
    Endpoint remote;
    Endpoint local;
    Purpose purpose = Purpose::accepted;
    NodeId peer;  // for whom it was opened, or to whom it is proved to lead
    bool open = false;
    bool proved = false;
    TimePoint since{};  // asked for, or accepted
  };

  // Asks for a connection. 0: too many.
  TcpId open(TimePoint now, const Endpoint& to, Purpose purpose, const NodeId& peer,
             TcpFrom from = TcpFrom::listening);
  // 0: it is one too many.
  TcpId on_accepted(TimePoint now, const Endpoint& local, const Endpoint& remote);
  // Nothing: it is not waited for any more.
  const Connection* on_open(TimePoint now, TcpId id, const Endpoint& local);
  // What it was; nothing: we had closed it ourselves.
  std::optional<Connection> on_closed(TcpId id);
  void on_proved(TcpId id, const NodeId& peer);
  void close(TcpId id);
  // All that are meant for this node, or only those for this purpose; but not `except`.
  void close_all_of(const NodeId& peer, std::optional<Purpose> purpose = {}, TcpId except = 0);
  // Those for this purpose that do not stand yet: one that does may be the one that the peer keeps.
  void give_up_attempts(const NodeId& peer, Purpose purpose);

  std::optional<TcpOrder> poll_order();
  // One that nobody answered, or where nobody proved who he is: closed just now.
  std::optional<Connection> poll_expired(TimePoint now);
  std::optional<TimePoint> next_timeout() const;

  const Connection* find(TcpId id) const;
  // The one with this node at this endpoint, opening or open; nothing where there is none.
  const Connection* find(const NodeId& peer, const Endpoint& remote) const;
  // We have connected to that address, or are about to.
  bool has_gone_to(const IpAddress& address) const;
  // Attempts to have this node tell how we look.
  std::size_t looking(const NodeId& peer) const;
  std::size_t size() const { return connections_.size(); }
  std::size_t unproved() const { return unproved_.size(); }

 private:
  TimePoint expires(const Connection& connection) const;
  TcpId add(const Connection& connection);
  void erase(TcpId id);
  void belongs_to(Connection& connection, const NodeId& peer);

  TcpId last_ = 0;
  std::map<TcpId, Connection> connections_;
  std::set<TcpId> unproved_;
  std::set<std::pair<NodeId, TcpId>> by_peer_;
  std::map<IpAddress, std::size_t> accepted_from_;
  std::deque<TcpOrder> orders_;
};

}  // namespace byway
