// tc filters of our own on clsact, for kernels without tcx. They outlive the process, so they carry who made them.
#pragma once

#include <cstdint>
#include <string>

namespace retina {

/** Handles of our filters: this prefix and a number. Nobody else's filters have it. */
constexpr uint32_t kTcHandlePrefix = 0x52540000;
/** Our priority: first, since a filter that ends the chain would hide packets from those behind it. Ours let the chain
 * go on. */
constexpr uint16_t kTcPriority = 1;

struct TcFilter {
  uint32_t ifindex = 0;  // 0: none
  bool egress = false;
  uint32_t handle = 0;
  uint16_t priority = kTcPriority;
};

/** Makes the clsact qdisc if there is none, and a filter on it. Blocks. Throws RETINA_ATTACH_FAILED, also for the
 * egress hook where an ingress qdisc is. */
TcFilter tc_attach(uint32_t ifindex, bool egress, int program_fd, const std::string& program);
/** Replaces the filter's program atomically. */
void tc_replace(const TcFilter& filter, int program_fd, const std::string& program);
/** Removes the filter, and with the last filter on it the qdisc if this process made it. Already gone is fine. */
void tc_remove(const TcFilter& filter);
/** Removes filters whose maker is no process any more, on every interface, and qdiscs it had made if they hold nothing
 * else. Returns how many filters. */
uint32_t tc_remove_stale();

}  // namespace retina
