// Interfaces, addresses and events as fixed-size records; TypeScript reads them by these offsets (src/network.ts).
#pragma once

#include <linux/rtnetlink.h>

#include <cstdint>
#include <string>
#include <vector>

#include "netlink.hpp"

namespace retina {

enum class NetworkRecordType : uint8_t { interface, address, routes, resync };
enum class NetworkChange : uint8_t { added, changed, removed };

struct NetworkRecord {
  NetworkRecordType type;
  NetworkChange change;
  uint8_t up;
  uint8_t loopback;
  uint32_t ifindex;
  uint32_t mtu;
  uint32_t link;
  int32_t link_netnsid;
  uint32_t master;
  uint8_t mac_length;  // 0 or 6
  uint8_t prefix_length;
  uint8_t mac[6];
  char name[16];
  char kind[16];
  uint8_t address[16];
};
static_assert(sizeof(NetworkRecord) == 80);

/** From RTM_NEWLINK or RTM_DELLINK; false for messages about something else (a bridge's ports, say). */
bool interface_record(const nlmsghdr& message, NetworkRecord& record);
/** From RTM_NEWADDR or RTM_DELADDR; false for other families than IPv4 and IPv6. */
bool address_record(const nlmsghdr& message, NetworkRecord& record);
struct DefaultRoute {
  uint32_t ifindex;
  bool main;  // in the main table, not in one that rules lead to
  auto operator<=>(const DefaultRoute&) const = default;
};
/** The interfaces of a default route, from RTM_NEWROUTE or RTM_DELROUTE; empty for other routes. */
std::vector<DefaultRoute> default_routes_of(const nlmsghdr& message);

// Each reads everything, on the calling thread and in its network namespace. Throw RETINA_NETLINK_FAILED.
std::vector<NetworkRecord> read_interfaces();
std::vector<NetworkRecord> read_addresses();
/** Each interface once, ascending; of the main table if of several. */
std::vector<DefaultRoute> read_default_routes();
/** read_addresses() in the namespace at `path`. Throws RETINA_CAPABILITY_MISSING without CAP_SYS_ADMIN. */
std::vector<NetworkRecord> read_addresses_in(const std::string& path);

struct NamedNamespace {
  std::string name;
  uint64_t inode;
  int32_t netnsid;
};
std::vector<NamedNamespace> read_named_namespaces();

}  // namespace retina
