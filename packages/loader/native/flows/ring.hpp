// Reading one CPU's region of the ring. The memory is not trusted: any contents end in counts, never in a crash or a
// loop.
#pragma once

#include <cstdint>

#include "key.hpp"
#include "retina/flow_ring.h"

namespace retina::flows {

/** One CPU's units. */
struct Region {
  const rt_u8* units;
  uint32_t size;  // units, a power of two
  uint16_t cpu;
};

/** Reads the records of [from, to) in order, a group at a time. */
class RegionReader {
 public:
  /** `to - from` must be at most `size`. */
  RegionReader(const Region& region, uint32_t from, uint32_t to) : region_(region), at_(from), end_(to) {}

  /** Fills up to `most` records; 0 at the end. */
  size_t next(Record* out, size_t most);
  /** Units skipped so far because they cannot be records. */
  uint64_t senseless() const { return senseless_; }

 private:
  const rt_u8* unit(uint32_t position) const {
    return region_.units + size_t{position & (region_.size - 1)} * RT_UNIT_BYTES;
  }

  Region region_;
  uint32_t at_;
  uint32_t end_;
  uint64_t senseless_ = 0;
};

/** The record a spilled counter stands for. */
Record record_of(const rt_spill_key& key, const rt_spill_value& value);

}  // namespace retina::flows
