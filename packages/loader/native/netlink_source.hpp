// Netlink for whoever asks: one request and its answer, or a subscription. A batch holds whole messages one behind the
// other, each aligned to 4 bytes; its "rows" are bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "source.hpp"

namespace retina {

struct NetlinkAsk {
  int family = 0;
  uint16_t type = 0;
  uint16_t flags = 0;
  std::vector<uint8_t> payload{};
};

/** NetlinkFilter of the SDK. */
struct NetlinkFilter {
  uint32_t header = 0;
  uint32_t attribute = 0;
  uint32_t mask = 0;
};

/** Asks when it starts. flush() is done when the answer has ended; stats() then says {messages, interrupted}. */
std::unique_ptr<Source> make_netlink_request(NetlinkAsk ask);
/** Lost: how often the kernel had no room in the socket. Throws RETINA_NETLINK_FAILED. */
std::unique_ptr<Source> make_netlink_subscription(int family, const std::vector<uint32_t>& groups,
                                                  const std::optional<NetlinkFilter>& filter);

}  // namespace retina
