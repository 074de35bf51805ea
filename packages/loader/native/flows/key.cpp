#include "key.hpp"

#include <utility>

namespace retina::flows {

namespace {
struct IcmpPair {
  uint8_t request;
  uint8_t reply;
};
// RFC 792, 950, 4443, 3810 (node information): the types that come in pairs.
constexpr IcmpPair kIcmpPairs[] = {{8, 0}, {13, 14}, {15, 16}, {17, 18}, {42, 43}};
constexpr IcmpPair kIcmpV6Pairs[] = {{128, 129}, {133, 134}, {135, 136}, {139, 140}, {160, 161}};

template <typename Found>
bool pair_of(uint8_t protocol, uint16_t type, Found found) {
  const auto& pairs = protocol == kIcmp ? kIcmpPairs : kIcmpV6Pairs;
  for (const auto& pair : pairs) {
    if (pair.request == type || pair.reply == type) {
      found(pair);
      return true;
    }
  }
  return false;
}
}  // namespace

int icmp_counterpart(uint8_t protocol, uint16_t type) {
  int other = -1;
  pair_of(protocol, type, [&](const IcmpPair& pair) { other = pair.request == type ? pair.reply : pair.request; });
  return other;
}

bool icmp_is_reply(uint8_t protocol, uint16_t type) {
  bool reply = false;
  pair_of(protocol, type, [&](const IcmpPair& pair) { reply = pair.reply == type; });
  return reply;
}

bool icmp_is_error(uint8_t protocol, uint16_t type) {
  if (protocol == kIcmpV6) return type < 128;
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

bool is_connection(const Key& key) {
  if (!is_icmp(key.protocol)) return true;
  const bool discovery = key.protocol == kIcmpV6 && key.source_port >= 133 && key.source_port <= 136;
  return !discovery && icmp_counterpart(key.protocol, key.source_port) >= 0;
}

bool reverse(const Key& key, Key& out) {
  out = key;
  out.bits ^= kEgressHook;
  std::swap(out.source, out.destination);
  if (is_icmp(key.protocol)) {
    const int other = icmp_counterpart(key.protocol, key.source_port);
    if (other < 0) return false;
    out.source_port = static_cast<uint16_t>(other);
    return true;
  }
  std::swap(out.source_port, out.destination_port);
  return true;
}

uint64_t Hasher::connection(const Key& key) const {
  Key one = key, other;
  one.ifindex = 0;
  one.bits &= static_cast<uint8_t>(~kEgressHook);
  const bool paired = reverse(one, other);
  other.bits = one.bits;
  const uint64_t hash = (*this)(!paired || std::memcmp(&one, &other, sizeof one) < 0 ? one : other);
  return hash != 0 ? hash : 1;
}

}  // namespace retina::flows
