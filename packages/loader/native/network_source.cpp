// Changes of interfaces, addresses and default routes, as netlink reports them, within milliseconds.
#include "network_source.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "netlink_answer.hpp"
#include "network_record.hpp"

namespace retina {

static uint32_t group(int number) { return 1u << (number - 1); }

class NetworkSource : public Source {
 public:
  NetworkSource()
      : socket_(group(RTNLGRP_LINK) | group(RTNLGRP_IPV4_IFADDR) | group(RTNLGRP_IPV6_IFADDR) |
                group(RTNLGRP_IPV4_ROUTE) | group(RTNLGRP_IPV6_ROUTE) | group(RTNLGRP_NSID)),
        buffer_(64 * 1024) {
    // Thousands of interfaces may come at once; FORCE needs CAP_NET_ADMIN, and without it the limit of rmem_max holds.
    const int size = 4 << 20;
    if (setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
      setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    // Read after subscribing, so that nothing between is missed.
    for (const auto& record : read_interfaces()) known_[record.ifindex] = record;
    uplinks_ = read_default_routes();
  }

  void start(SourceHost& host) override {
    host_ = &host;
    host.watch(socket_.fd());
  }

  void ready(int) override {
    receive();
    hand_over();
  }

  void slab_free() override {
    hand_over();
    if (pending_.empty()) ready(socket_.fd());
  }

  void flush(std::function<void()> done) override {
    ready(socket_.fd());
    flushed_.push_back(std::move(done));
    hand_over();
  }

 private:
  void receive() {
    bool links_may_differ = false, routes_may_differ = false;
    while (pending_.size() < 4096) {
      const ssize_t size = recv(socket_.fd(), buffer_.data(), buffer_.size(), 0);
      if (size < 0) {
        if (errno == EINTR) continue;
        if (errno == ENOBUFS) resync();
        break;  // EAGAIN: read everything
      }
      const Answer answer = judge_datagram(buffer_.data(), static_cast<size_t>(size), 0);
      each_message(buffer_.data(), answer.bytes, [&](const nlmsghdr& message) {
        if (message.nlmsg_type == RTM_NEWNSID || message.nlmsg_type == RTM_DELNSID) links_may_differ = true;
        routes_may_differ |= take(message);
      });
      if (answer.end == AnswerEnd::malformed) resync();  // whatever else it held
    }
    if (links_may_differ) compare_interfaces();
    if (routes_may_differ) compare_routes();
  }

  /** true: default routes may have changed. */
  bool take(const nlmsghdr& message) {
    NetworkRecord record;
    if (interface_record(message, record)) return message.nlmsg_type == RTM_DELLINK ? removed(record) : present(record);
    if (address_record(message, record)) {
      record.change = message.nlmsg_type == RTM_DELADDR ? NetworkChange::removed : NetworkChange::added;
      pending_.push_back(record);
      return false;
    }
    return !default_routes_of(message).empty();
  }

  bool is_uplink(uint32_t ifindex) const {
    return std::any_of(uplinks_.begin(), uplinks_.end(),
                       [&](const DefaultRoute& one) { return one.ifindex == ifindex; });
  }

  bool removed(NetworkRecord& record) {
    known_.erase(record.ifindex);
    record.change = NetworkChange::removed;
    pending_.push_back(record);
    // The kernel drops the IPv4 routes of a device that goes without saying so.
    return is_uplink(record.ifindex);
  }

  bool present(NetworkRecord& record) {
    const auto before = known_.find(record.ifindex);
    record.change = before == known_.end() ? NetworkChange::added : NetworkChange::changed;
    NetworkRecord compare = record;
    compare.change = NetworkChange::added;
    if (before != known_.end() && memcmp(&before->second, &compare, sizeof(compare)) == 0)
      return false;  // statistics, carrier: nothing we tell
    const bool went_down = before != known_.end() && before->second.up && !record.up;
    known_[record.ifindex] = compare;
    pending_.push_back(record);
    return went_down && is_uplink(record.ifindex);
  }

  /** A namespace got its id or lost it: links to it look different, and no message says so. */
  void compare_interfaces() {
    for (auto& record : read_interfaces()) present(record);
  }

  void compare_routes() {
    auto uplinks = read_default_routes();
    if (uplinks == uplinks_) return;
    uplinks_ = std::move(uplinks);
    NetworkRecord record{};
    record.type = NetworkRecordType::routes;
    pending_.push_back(record);
  }

  void resync() {
    known_.clear();
    for (const auto& record : read_interfaces()) known_[record.ifindex] = record;
    uplinks_ = read_default_routes();
    NetworkRecord record{};
    record.type = NetworkRecordType::resync;
    pending_.push_back(record);
  }

  void hand_over() {
    while (!pending_.empty()) {
      Slab* slab = host_->slab();
      if (!slab) return;
      const size_t rows = std::min(pending_.size(), slab->bytes / sizeof(NetworkRecord));
      for (size_t row = 0; row < rows; row++)
        memcpy(slab->data + row * sizeof(NetworkRecord), &pending_[row], sizeof(NetworkRecord));
      pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(rows));
      host_->submit(rows, 0);
    }
    for (auto& done : std::exchange(flushed_, {})) done();
  }

  NetlinkSocket socket_;
  std::vector<uint8_t> buffer_;
  SourceHost* host_ = nullptr;
  std::map<uint32_t, NetworkRecord> known_;
  std::vector<DefaultRoute> uplinks_;
  std::deque<NetworkRecord> pending_;
  std::vector<std::function<void()>> flushed_;
};

std::unique_ptr<Source> make_network_source() { return std::make_unique<NetworkSource>(); }

}  // namespace retina
