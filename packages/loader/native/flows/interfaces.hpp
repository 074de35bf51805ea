// What user space knows of the interfaces that flows are seen at.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "key.hpp"

namespace retina::flows {

/** Roles of a tap, as the message that sets them numbers them. An extra one is seen from the host, as an uplink is. */
enum class Role : uint8_t { kEndpoint, kUplink, kExtra };

struct Interface {
  Role role = Role::kEndpoint;
  uint32_t netns = 0;
  bool told = false;  // by user space, not just seen in a record
  bool gone = false;
  uint32_t gone_at = 0;  // jiffies
  uint32_t flows = 0;    // in the table
};

class Interfaces {
 public:
  /** Made where missing: an interface nobody spoke of is an endpoint of an unknown namespace. */
  Interface& at(uint32_t ifindex) {
    if (ifindex != last_ || !last_found_) {
      last_ = ifindex;
      last_found_ = &all_[ifindex];
    }
    return *last_found_;
  }

  /** Forgets those without flows that have been gone for longer than `jiffies`, or were never spoken of. */
  void sweep(uint32_t now, uint32_t jiffies) {
    last_found_ = nullptr;
    for (auto at = all_.begin(); at != all_.end();) {
      const Interface& one = at->second;
      const bool old = one.flows == 0 && (one.gone ? now - one.gone_at > jiffies : !one.told);
      at = old ? all_.erase(at) : std::next(at);
    }
  }

  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  size_t size() const { return all_.size(); }

 private:
  std::unordered_map<uint32_t, Interface> all_;  // its nodes do not move
  uint32_t last_ = 0;
  Interface* last_found_ = nullptr;
};

}  // namespace retina::flows
