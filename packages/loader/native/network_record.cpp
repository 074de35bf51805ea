#include "network_record.hpp"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <sys/socket.h>

#include <cstring>
#include <map>

#include "failure.hpp"

namespace retina {

static void copy_text(char (&to)[16], const std::string& text) {
  memcpy(to, text.data(), std::min<size_t>(text.size(), sizeof(to) - 1));
}

bool interface_record(const nlmsghdr& message, NetworkRecord& record) {
  const auto* known = header_of<ifinfomsg>(message);
  if (!known || (message.nlmsg_type != RTM_NEWLINK && message.nlmsg_type != RTM_DELLINK)) return false;
  const auto& header = *known;
  if (header.ifi_family != AF_UNSPEC) return false;
  record = NetworkRecord{};
  record.type = NetworkRecordType::interface;
  record.ifindex = static_cast<uint32_t>(header.ifi_index);
  record.up = (header.ifi_flags & IFF_UP) != 0;
  record.loopback = (header.ifi_flags & IFF_LOOPBACK) != 0;
  record.link_netnsid = -1;
  attributes_of<ifinfomsg>(message, [&](const rtattr& attribute) {
    switch (attribute.rta_type & NLA_TYPE_MASK) {
      case IFLA_IFNAME: copy_text(record.name, attribute_text(attribute)); break;
      case IFLA_MTU: record.mtu = attribute_u32(attribute); break;
      case IFLA_LINK: record.link = attribute_u32(attribute); break;
      case IFLA_LINK_NETNSID: record.link_netnsid = static_cast<int32_t>(attribute_u32(attribute)); break;
      case IFLA_MASTER: record.master = attribute_u32(attribute); break;
      case IFLA_ADDRESS:
        if (RTA_PAYLOAD(&attribute) != sizeof(record.mac)) break;
        record.mac_length = sizeof(record.mac);
        memcpy(record.mac, RTA_DATA(&attribute), sizeof(record.mac));
        break;
      case IFLA_LINKINFO:
        each_attribute(RTA_DATA(&attribute), RTA_PAYLOAD(&attribute), [&](const rtattr& inner) {
          if (inner.rta_type == IFLA_INFO_KIND) copy_text(record.kind, attribute_text(inner));
        });
        break;
      default: break;
    }
  });
  // A device that is its own lower device has none.
  if (record.link == record.ifindex && record.link_netnsid < 0) record.link = 0;
  return true;
}

bool address_record(const nlmsghdr& message, NetworkRecord& record) {
  const auto* known = header_of<ifaddrmsg>(message);
  if (!known || (message.nlmsg_type != RTM_NEWADDR && message.nlmsg_type != RTM_DELADDR)) return false;
  const auto& header = *known;
  if (header.ifa_family != AF_INET && header.ifa_family != AF_INET6) return false;
  record = NetworkRecord{};
  record.type = NetworkRecordType::address;
  record.ifindex = header.ifa_index;
  record.prefix_length = header.ifa_prefixlen;
  bool local = false;
  attributes_of<ifaddrmsg>(message, [&](const rtattr& attribute) {
    // IFA_LOCAL is ours; on point-to-point links IFA_ADDRESS is the peer's.
    if (attribute.rta_type != IFA_LOCAL && (attribute.rta_type != IFA_ADDRESS || local)) return;
    local = attribute.rta_type == IFA_LOCAL;
    if (header.ifa_family == AF_INET6 && RTA_PAYLOAD(&attribute) == 16) {
      memcpy(record.address, RTA_DATA(&attribute), 16);
    } else if (RTA_PAYLOAD(&attribute) == 4) {
      record.address[10] = record.address[11] = 0xff;
      memcpy(record.address + 12, RTA_DATA(&attribute), 4);
    }
  });
  return true;
}

std::vector<DefaultRoute> default_routes_of(const nlmsghdr& message) {
  std::vector<DefaultRoute> interfaces;
  const auto* known = header_of<rtmsg>(message);
  if (!known || (message.nlmsg_type != RTM_NEWROUTE && message.nlmsg_type != RTM_DELROUTE)) return interfaces;
  const auto& header = *known;
  if (header.rtm_dst_len != 0 || header.rtm_type != RTN_UNICAST || (header.rtm_flags & RTM_F_CLONED)) return interfaces;
  uint32_t table = header.rtm_table;
  attributes_of<rtmsg>(message, [&](const rtattr& attribute) {
    const uint16_t type = attribute.rta_type & NLA_TYPE_MASK;
    if (type == RTA_TABLE) table = attribute_u32(attribute);
    if (type == RTA_OIF) interfaces.push_back({attribute_u32(attribute), false});
    if (type != RTA_MULTIPATH) return;
    auto length = static_cast<int>(RTA_PAYLOAD(&attribute));
    auto* hop = static_cast<const rtnexthop*>(RTA_DATA(&attribute));
    while (length >= static_cast<int>(sizeof(*hop)) && RTNH_OK(hop, length)) {
      interfaces.push_back({static_cast<uint32_t>(hop->rtnh_ifindex), false});
      length -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len));
      hop = RTNH_NEXT(hop);
    }
  });
  for (auto& one : interfaces) one.main = table == RT_TABLE_MAIN;
  return interfaces;
}

static Failure failed(const char* what, int error) {
  return Failure("RETINA_NETLINK_FAILED", std::string(what) + " cannot be listed",
                 {.found = errno_text(error), .retryable = true});
}

std::vector<NetworkRecord> read_interfaces() {
  NetlinkSocket socket;
  NetlinkMessage message(RTM_GETLINK, 0);
  message.header<ifinfomsg>().ifi_family = AF_UNSPEC;
  message.attribute_u32(IFLA_EXT_MASK, 1 << 3);  // RTEXT_FILTER_SKIP_STATS
  std::vector<NetworkRecord> records;
  const auto each = [&](const nlmsghdr& reply) {
    NetworkRecord record;
    if (interface_record(reply, record)) records.push_back(record);
  };
  if (const int error = socket.dump(message, each, [&] { records.clear(); })) throw failed("interfaces", error);
  return records;
}

std::vector<NetworkRecord> read_addresses() {
  NetlinkSocket socket;
  NetlinkMessage message(RTM_GETADDR, 0);
  message.header<ifaddrmsg>().ifa_family = AF_UNSPEC;
  std::vector<NetworkRecord> records;
  const auto each = [&](const nlmsghdr& reply) {
    NetworkRecord record;
    if (address_record(reply, record)) records.push_back(record);
  };
  if (const int error = socket.dump(message, each, [&] { records.clear(); })) throw failed("addresses", error);
  return records;
}

std::vector<DefaultRoute> read_default_routes() {
  NetlinkSocket socket;
  std::map<uint32_t, bool> interfaces;
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    std::vector<DefaultRoute> found;
    NetlinkMessage message(RTM_GETROUTE, 0);
    message.header<rtmsg>().rtm_family = family;
    const auto each = [&](const nlmsghdr& reply) {
      const auto these = default_routes_of(reply);
      found.insert(found.end(), these.begin(), these.end());
    };
    const int error = socket.dump(message, each, [&] { found.clear(); });
    if (error && error != ENOENT && error != EAFNOSUPPORT && error != EOPNOTSUPP) throw failed("routes", error);
    for (const auto& [ifindex, main] : found) interfaces[ifindex] |= main;
  }
  std::vector<DefaultRoute> routes;
  for (const auto& [ifindex, main] : interfaces) routes.push_back({ifindex, main});
  return routes;
}

}  // namespace retina
