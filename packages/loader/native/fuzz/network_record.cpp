// Fuzzer: messages about interfaces, addresses, routes, namespaces and tc filters. One message per run, of the type its
// first byte chooses, in memory of exactly its size.
#include "../network_record.hpp"

#include <linux/pkt_sched.h>

#include <cstring>
#include <vector>

#include "../tc.cpp"

using namespace retina;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint16_t kTypes[] = {RTM_NEWLINK,  RTM_DELLINK,    RTM_NEWADDR,  RTM_DELADDR,
                                 RTM_NEWROUTE, RTM_NEWTFILTER, RTM_NEWQDISC, RTM_NEWNSID};
  if (size == 0) return 0;
  std::vector<uint8_t> bytes(NLMSG_HDRLEN + size - 1);
  auto& message = *reinterpret_cast<nlmsghdr*>(bytes.data());
  message.nlmsg_len = static_cast<uint32_t>(bytes.size());
  message.nlmsg_type = kTypes[data[0] % std::size(kTypes)];
  memcpy(bytes.data() + NLMSG_HDRLEN, data + 1, size - 1);
  NetworkRecord record;
  interface_record(message, record);
  address_record(message, record);
  default_routes_of(message);
  TcFilter filter{};
  bool made = false;
  is_stale(message, filter, made);
  return 0;
}
