// What makes two packets belong to one flow, and its hash.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "retina/flow_ring.h"

namespace retina::flows {

static_assert(std::endian::native == std::endian::little, "the ring's words are read as little endian");

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kIcmp = 1;
constexpr uint8_t kIcmpV6 = 58;

/** Key::bits */
constexpr uint8_t kEgressHook = 1;
constexpr uint8_t kIpV6 = 2;

/** One direction of one connection at one tap. Compared and hashed as a whole: every byte counts, unused ones are 0. */
struct Key {
  uint8_t source[16];  // as in the packet, IPv4 as ::ffff:a.b.c.d
  uint8_t destination[16];
  uint16_t source_port;       // host order; ICMP: type
  uint16_t destination_port;  // host order; ICMP: code
  uint32_t ifindex;
  uint8_t protocol;
  uint8_t bits;
  uint16_t unused;

  /** Source (0, 1), destination (2, 3), ports and interface (4). Each is loaded by itself: a copy of the whole would
   * stall. */
  uint64_t word(int at) const {
    uint64_t out;
    std::memcpy(&out, reinterpret_cast<const uint8_t*>(this) + at * 8, 8);
    return out;
  }
  uint32_t rest() const {
    uint32_t out;
    std::memcpy(&out, &protocol, 4);
    return out;
  }

  bool operator==(const Key& other) const {
    return ((word(0) ^ other.word(0)) | (word(1) ^ other.word(1)) | (word(2) ^ other.word(2)) |
            (word(3) ^ other.word(3)) | (word(4) ^ other.word(4)) | (rest() ^ other.rest())) == 0;
  }
};
static_assert(sizeof(Key) == 44);

/** What a kernel record says: a key and what was counted. */
struct Record {
  Key key;
  uint64_t packets;
  uint64_t bytes;
  uint16_t first;  // stamps, low 16 bits of jiffies
  uint16_t last;
  uint16_t tcp_flags;  // bits FIN..CWR, NS
  uint16_t cpu;        // kNoCpu: from the spill, order unknown
};
constexpr uint16_t kNoCpu = 0xffff;

constexpr bool is_icmp(uint8_t protocol) { return protocol == kIcmp || protocol == kIcmpV6; }

/** Writes ::ffff:a.b.c.d; `address` as in the packet. */
inline void map_address(uint8_t* out, uint32_t address) {
  const uint64_t words[2] = {0, 0xffff0000ull | (uint64_t{address} << 32)};
  std::memcpy(out, words, 16);
}

/** The ICMP type that answers `type` (echo, timestamp, …), or -1: an error or a message without an answer. */
int icmp_counterpart(uint8_t protocol, uint16_t type);
/** Whether an ICMP type is an answer. */
bool icmp_is_reply(uint8_t protocol, uint16_t type);
/** Whether an ICMP type reports an error of another flow. */
bool icmp_is_error(uint8_t protocol, uint16_t type);

/** Whether flows of this key are connections, as conntrack has it: no ICMP errors, group memberships or neighbour
 * discovery. */
bool is_connection(const Key& key);

/** The key of packets going the other way: other hook of the same interface. False if there can be none (ICMP errors).
 */
bool reverse(const Key& key, Key& out);

/** Keyed with secrets of this process, so that nobody outside can make flows collide. */
class Hasher {
 public:
  explicit Hasher(const uint64_t (&secrets)[4]) { std::memcpy(secrets_, secrets, sizeof secrets_); }

  uint64_t operator()(const Key& key) const {
    uint64_t h;
    if (key.bits & kIpV6) {
      h = fold(key.word(0) ^ secrets_[0], key.word(1) ^ secrets_[1]);
      h = fold(h ^ key.word(2) ^ secrets_[2], key.word(3) ^ secrets_[3]);
      h = fold(h ^ secrets_[0], key.word(4) ^ secrets_[1]);
    } else {
      const uint64_t addresses = (key.word(1) >> 32) | (key.word(3) & 0xffffffff00000000ull);
      h = fold(addresses ^ secrets_[0], key.word(4) ^ secrets_[1]);
    }
    return fold(h ^ secrets_[2], key.rest() ^ secrets_[3]);
  }

  /** The same for both directions and at every tap: says whether two taps see one connection. Never 0. */
  uint64_t connection(const Key& key) const;

 private:
  static uint64_t fold(uint64_t a, uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{a} * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
  uint64_t secrets_[4];
};

}  // namespace retina::flows
