// A driver's own counters: what `ethtool -S` shows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace retina {

struct DeviceCounter {
  std::string name;
  uint64_t value;
};

/** Empty optional: the driver has none. Throws RETINA_NETLINK_FAILED if there is no such interface. */
std::optional<std::vector<DeviceCounter>> read_device_statistics(const std::string& interface_name);

}  // namespace retina
