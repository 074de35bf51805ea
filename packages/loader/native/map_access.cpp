#include "map_access.hpp"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>

#include "failure.hpp"

namespace retina {

bool is_per_cpu(uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

uint32_t possible_cpus() {
  static const int count = libbpf_num_possible_cpus();
  return count > 0 ? static_cast<uint32_t>(count) : 1;
}

size_t value_bytes(const MapInfo& map) {
  return is_per_cpu(map.type) ? size_t{(map.value_size + 7) & ~7u} * possible_cpus() : map.value_size;
}

static Failure failed(const MapInfo& map, const char* what, int error) {
  return Failure("RETINA_MAP_FAILED", std::string(what) + " of map '" + map.name + "' failed",
                 {.found = errno_text(error)});
}

/** false: the kernel has no batches for this map. */
static bool each_batch(const MapInfo& map, const std::function<void(const uint8_t*, const uint8_t*)>& each) {
  const size_t size = value_bytes(map);
  uint32_t chunk = std::min<uint32_t>(map.max_entries, 1024);
  std::vector<uint8_t> keys(size_t{chunk} * map.key_size), values(chunk * size);
  std::vector<uint8_t> position(std::max<size_t>(map.key_size, 8));
  bool first = true;
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  for (;;) {
    uint32_t count = chunk;
    const int error = -bpf_map_lookup_batch(map.fd, first ? nullptr : position.data(), position.data(), keys.data(),
                                            values.data(), &count, &options);
    if (error == ENOSPC && chunk < map.max_entries) {  // one bucket holds more than fits
      chunk = std::min<uint32_t>(map.max_entries, chunk * 4);
      keys.resize(size_t{chunk} * map.key_size);
      values.resize(chunk * size);
      continue;
    }
    if (error && error != ENOENT) {
      if (first && (error == EINVAL || error == ENOTSUP || error == 524))
        return false;  // 524: the kernel's own ENOTSUPP
      throw failed(map, "a batch read", error);
    }
    for (uint32_t i = 0; i < count; i++) each(&keys[size_t{i} * map.key_size], &values[i * size]);
    if (error == ENOENT) return true;
    first = false;
  }
}

void each_entry_of(const MapInfo& map, const std::function<void(const uint8_t*, const uint8_t*)>& each) {
  if (each_batch(map, each)) return;
  std::vector<uint8_t> key(map.key_size), next(map.key_size), value(value_bytes(map));
  const void* previous = nullptr;
  while (bpf_map_get_next_key(map.fd, previous, next.data()) == 0) {
    key = next;
    previous = key.data();
    if (bpf_map_lookup_elem(map.fd, key.data(), value.data()) == 0) each(key.data(), value.data());
    else if (errno != ENOENT) throw failed(map, "a look-up", errno);
  }
}

std::vector<uint64_t> summed(const MapInfo& map) {
  const bool per_cpu = map.type == BPF_MAP_TYPE_PERCPU_ARRAY;
  if ((!per_cpu && map.type != BPF_MAP_TYPE_ARRAY) || map.value_size % 8 != 0) {
    throw Failure(
        "RETINA_OBJECT_INVALID", "the map '" + map.name + "' holds no counters",
        {.found = "type " + std::to_string(map.type) + ", values of " + std::to_string(map.value_size) + " bytes",
         .needed = "an array or per-CPU array of u64s"});
  }
  const size_t words = map.value_size / 8;
  const size_t cpus = per_cpu ? possible_cpus() : 1;
  std::vector<uint64_t> sums(words * map.max_entries);
  std::vector<uint64_t> value(words * cpus);
  for (uint32_t index = 0; index < map.max_entries; index++) {
    if (bpf_map_lookup_elem(map.fd, &index, value.data()) != 0) throw failed(map, "a look-up", errno);
    for (size_t cpu = 0; cpu < cpus; cpu++) {
      for (size_t word = 0; word < words; word++) sums[index * words + word] += value[cpu * words + word];
    }
  }
  return sums;
}

}  // namespace retina
