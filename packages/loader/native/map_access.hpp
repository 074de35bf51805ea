// Reading maps: per-CPU values, batches, and the ways around kernels without them.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "object.hpp"

namespace retina {

bool is_per_cpu(uint32_t map_type);
uint32_t possible_cpus();
/** Bytes of one value as user space sees it: for per-CPU maps every CPU's, each padded to 8 bytes. */
size_t value_bytes(const MapInfo& map);

/** Calls `each(key, value)` for every entry; batched where the kernel can. Throws RETINA_MAP_FAILED. */
void each_entry_of(const MapInfo& map, const std::function<void(const uint8_t* key, const uint8_t* value)>& each);

/** u64 sums over CPUs of every element of an array map, element after element. Throws RETINA_OBJECT_INVALID for other
 * types. */
std::vector<uint64_t> summed(const MapInfo& map);

}  // namespace retina
