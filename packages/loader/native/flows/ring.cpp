#include "ring.hpp"

#include <cstring>

namespace retina::flows {

namespace {
constexpr uint16_t host(uint16_t network) { return __builtin_bswap16(network); }

void counts_of(const rt_counts& counts, Record& out) {
  out.packets = static_cast<uint32_t>(counts.packets_word);
  out.last = static_cast<uint16_t>(counts.packets_word >> RT_COUNT_LAST_SHIFT);
  out.tcp_flags = static_cast<uint16_t>(counts.packets_word >> RT_COUNT_FLAGS_SHIFT) & 0x1ff;
  out.bytes = counts.bytes_word & RT_COUNT_BYTES_MASK;
  out.first = static_cast<uint16_t>(counts.bytes_word >> RT_COUNT_FIRST_SHIFT);
}
}  // namespace

size_t RegionReader::next(Record* out, size_t most) {
  size_t count = 0;
  while (count < most && at_ != end_) {
    // Copied once, then judged: nothing read twice can have changed in between.
    rt_narrow narrow;
    std::memcpy(&narrow, unit(at_), sizeof narrow);
    __builtin_prefetch(unit(at_ + 16));
    if (narrow.meta == 0) {
      at_++;
      continue;
    }
    Record& record = out[count];
    record.cpu = region_.cpu;
    record.key.unused = 0;
    record.key.protocol = static_cast<uint8_t>(narrow.meta >> RT_META_PROTOCOL_SHIFT);
    record.key.bits = narrow.meta & RT_META_EGRESS ? kEgressHook : 0;
    if (!(narrow.meta & RT_META_WIDE)) {
      counts_of(narrow.counts, record);
      map_address(record.key.source, narrow.saddr);
      map_address(record.key.destination, narrow.daddr);
      record.key.source_port = host(narrow.sport);
      record.key.destination_port = host(narrow.dport);
      record.key.ifindex = narrow.meta & RT_META_IFINDEX_MASK;
      at_++;
    } else {
      const bool wraps = (at_ & (region_.size - 1)) == region_.size - 1;
      if (wraps || end_ - at_ < 2) {
        senseless_++;
        at_++;
        continue;
      }
      rt_wide wide;
      std::memcpy(&wide, unit(at_), sizeof wide);
      counts_of(wide.counts, record);
      std::memcpy(record.key.source, wide.saddr, 16);
      std::memcpy(record.key.destination, wide.daddr, 16);
      record.key.source_port = host(wide.sport);
      record.key.destination_port = host(wide.dport);
      record.key.ifindex = wide.ifindex;
      if (wide.kind & RT_WIDE_IPV6) record.key.bits |= kIpV6;
      at_ += 2;
    }
    if (record.packets == 0) {
      senseless_++;
      continue;
    }
    count++;
  }
  return count;
}

Record record_of(const rt_spill_key& key, const rt_spill_value& value) {
  Record record{};
  std::memcpy(record.key.source, key.saddr, 16);
  std::memcpy(record.key.destination, key.daddr, 16);
  record.key.source_port = host(key.sport);
  record.key.destination_port = host(key.dport);
  record.key.ifindex = key.ifindex;
  record.key.protocol = key.protocol;
  record.key.bits = static_cast<uint8_t>((key.egress ? kEgressHook : 0) | (key.kind & RT_WIDE_IPV6 ? kIpV6 : 0));
  record.packets = value.packets;
  record.bytes = value.bytes;
  record.first = value.first;
  record.last = value.last;
  record.tcp_flags = key.tcp_flags & 0x1ff;
  record.cpu = kNoCpu;
  return record;
}

}  // namespace retina::flows
