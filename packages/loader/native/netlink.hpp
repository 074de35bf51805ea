// A small rtnetlink client: requests with acknowledgement, dumps, attributes.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "descriptor.hpp"

namespace retina {

/** A request under construction. */
class NetlinkMessage {
 public:
  NetlinkMessage(uint16_t type, uint16_t flags);
  template <typename Header>
  Header& header() {
    return *static_cast<Header*>(grow(sizeof(Header)));
  }
  void attribute(uint16_t type, const void* data, size_t size);
  void attribute_u32(uint16_t type, uint32_t value) { attribute(type, &value, sizeof(value)); }
  void attribute_text(uint16_t type, const std::string& text) { attribute(type, text.c_str(), text.size() + 1); }
  /** Starts a nested attribute; end_nest() with the returned position. */
  size_t begin_nest(uint16_t type);
  void end_nest(size_t position);
  nlmsghdr& finish(uint32_t sequence);

 private:
  void* grow(size_t size);
  std::vector<uint8_t> bytes_;
};

/** Messages that judge_datagram() let pass, one behind the other. */
void each_message(const uint8_t* first, size_t size, const std::function<void(const nlmsghdr&)>& each);
/** Attributes of a received message, walked once; ends at one whose length does not fit. */
void each_attribute(const void* first, size_t size, const std::function<void(const rtattr&)>& each);
/** The family's header of a received message; nullptr if it is too short to have one. */
template <typename Header>
const Header* header_of(const nlmsghdr& message) {
  return message.nlmsg_len < NLMSG_LENGTH(sizeof(Header)) ? nullptr : static_cast<const Header*>(NLMSG_DATA(&message));
}
/** The attributes behind that header. */
template <typename Header>
void attributes_of(const nlmsghdr& message, const std::function<void(const rtattr&)>& each) {
  if (message.nlmsg_len < NLMSG_SPACE(sizeof(Header))) return;
  const auto* start = static_cast<const uint8_t*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(sizeof(Header));
  each_attribute(start, message.nlmsg_len - NLMSG_SPACE(sizeof(Header)), each);
}
uint32_t attribute_u32(const rtattr& attribute);
std::string attribute_text(const rtattr& attribute);

class NetlinkSocket {
 public:
  /** `groups`: bits of RTMGRP_*, for subscriptions. Throws RETINA_NETLINK_FAILED. */
  explicit NetlinkSocket(uint32_t groups = 0);
  int fd() const { return socket_.get(); }
  /** Sends and waits for the acknowledgement; a reply before it goes to `reply`. Returns 0 or a positive errno. */
  int request(NetlinkMessage& message, const std::function<void(const nlmsghdr&)>& reply = {});
  /** Sends a dump request and calls `each` for every message of the answer, again from the start when it was
   * interrupted. Returns 0 or a positive errno. */
  int dump(NetlinkMessage& message, const std::function<void(const nlmsghdr&)>& each,
           const std::function<void()>& restart = {});

 private:
  int receive(uint32_t sequence, const std::function<void(const nlmsghdr&)>& each, bool& interrupted);
  Descriptor socket_;
  uint32_t sequence_ = 0;
  std::vector<uint8_t> buffer_;
};

}  // namespace retina
