#include "bpf_kernel.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "../failure.hpp"
#include "../map_access.hpp"

namespace retina::flows {

namespace {
constexpr uint32_t kBatch = 1024;

uint64_t nanos_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

void want_sizes(const MapInfo& map, uint32_t key_size, uint32_t value_size) {
  if (map.key_size == key_size && map.value_size == value_size) return;
  throw Failure(
      "RETINA_OBJECT_INVALID", "map '" + map.name + "' is not what the flow ring has under that name",
      {.found = "key " + std::to_string(map.key_size) + ", value " + std::to_string(map.value_size) + " bytes",
       .needed = "key " + std::to_string(key_size) + ", value " + std::to_string(value_size) + " bytes",
       .next = "build the object with the headers that belong to this loader"});
}
}  // namespace

BpfKernel::BpfKernel(std::shared_ptr<const BpfObject> object) : object_(std::move(object)) {
  for (const char* half : {"rt_spill_0", "rt_spill_1"})
    want_sizes(object_->map(half), sizeof(rt_spill_key), sizeof(rt_spill_value));
  want_sizes(object_->map("rt_overflow"), sizeof(rt_overflow_key), sizeof(rt_overflow_value));
  want_sizes(object_->map("rt_flow_totals"), 4, sizeof(rt_flow_total));
  try {
    uint32_t ring_pairs = 0, controls = 0;
    ring = static_cast<const rt_u8*>(map_array("rt_ring", 2 * RT_UNIT_BYTES, false, ring_pairs));
    cpus = static_cast<rt_ring_cpu*>(map_array("rt_ring_cpu", sizeof(rt_ring_cpu), true, lines));
    control = static_cast<rt_flow_control*>(map_array("rt_control", sizeof(rt_flow_control), true, controls));
    units = static_cast<uint32_t>(object_->constant("rt_ring_units", 0));
    regions = static_cast<uint32_t>(object_->constant("rt_ring_cpus", 0));
    const bool power_of_two = units != 0 && (units & (units - 1)) == 0;
    if (!power_of_two || uint64_t{units} * regions > 2 * uint64_t{ring_pairs} || regions > lines) {
      throw Failure(
          "RETINA_OBJECT_INVALID", "the flow ring's sizes do not fit together",
          {.found = std::to_string(regions) + " regions of " + std::to_string(units) + " units in a ring of " +
                    std::to_string(2 * uint64_t{ring_pairs}) + ", " + std::to_string(lines) + " heads",
           .needed = "rt_ring_units a power of two, rt_ring at least rt_ring_cpus times as large"});
    }
    clock_fd_ = object_->program_fd("rt_clock");
    if (const MapInfo* wake = object_->find_map("rt_wake")) {
      wakes_ = ring_buffer__new(
          wake->fd, [](void*, void*, size_t) { return 0; }, nullptr, nullptr);
      if (wakes_) wake_fd_ = wake->fd;
    }
  } catch (...) {
    unmap();
    throw;
  }
}

BpfKernel::~BpfKernel() {
  ring_buffer__free(wakes_);
  unmap();
}

void BpfKernel::unmap() {
  for (const auto& mapping : mappings_) munmap(mapping.at, mapping.bytes);
  mappings_.clear();
}

void* BpfKernel::map_array(const char* name, uint32_t value_size, bool writable, uint32_t& entries) {
  const MapInfo& map = object_->map(name);
  want_sizes(map, 4, value_size);
  entries = map.max_entries;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t bytes = (size_t{map.max_entries} * value_size + page - 1) / page * page;
  void* at = mmap(nullptr, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, map.fd, 0);
  if (at == MAP_FAILED) {
    throw Failure("RETINA_MAP_FAILED", "map '" + map.name + "' cannot be mapped into memory",
                  {.found = errno_text(errno), .needed = "an array with BPF_F_MMAPABLE (kernel 5.5 or later)"});
  }
  mappings_.push_back({at, bytes});
  return at;
}

bool BpfKernel::run_clock() {
  if (clock_fd_ < 0) return false;
  uint8_t frame[64] = {};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof frame, .repeat = 1);
  return bpf_prog_test_run_opts(clock_fd_, &options) == 0;
}

void BpfKernel::drain_spill(unsigned half, const SpillReader& each) {
  const MapInfo& map = object_->map(half ? "rt_spill_1" : "rt_spill_0");
  std::vector<rt_spill_key> keys(kBatch);
  std::vector<rt_spill_value> values(kBatch);
  uint32_t position = 0;
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  for (bool first = true;; first = false) {
    auto count = static_cast<uint32_t>(keys.size());
    const int error = -bpf_map_lookup_and_delete_batch(map.fd, first ? nullptr : &position, &position, keys.data(),
                                                       values.data(), &count, &options);
    if (error == ENOSPC && keys.size() < map.max_entries) {  // one bucket holds more than fits
      keys.resize(keys.size() * 4);
      values.resize(keys.size());
      first = true;  // what was read is deleted: starting over misses nothing
      continue;
    }
    if (error != 0 && error != ENOENT) return take_one_by_one(map, each);
    if (count > 0) each(keys.data(), values.data(), count);
    if (error == ENOENT) return;
  }
}

void BpfKernel::take_one_by_one(const MapInfo& map, const SpillReader& each) {
  rt_spill_key key;
  rt_spill_value value;
  for (uint32_t n = 0; n <= map.max_entries && bpf_map_get_next_key(map.fd, nullptr, &key) == 0; n++) {
    if (bpf_map_lookup_elem(map.fd, &key, &value) != 0 || bpf_map_delete_elem(map.fd, &key) != 0) return;
    each(&key, &value, 1);
  }
}

rt_overflow_value BpfKernel::overflow() {
  rt_overflow_value sum{};
  each_entry_of(object_->map("rt_overflow"), [&](const uint8_t*, const uint8_t* per_cpu) {
    for (uint32_t cpu = 0; cpu < possible_cpus(); cpu++) {
      rt_overflow_value one;
      std::memcpy(&one, per_cpu + cpu * sizeof one, sizeof one);
      sum.packets += one.packets;
      sum.bytes += one.bytes;
    }
  });
  return sum;
}

void BpfKernel::totals(rt_flow_total (&out)[RT_TOTAL_COUNT]) {
  const std::vector<uint64_t> sums = summed(object_->map("rt_flow_totals"));
  for (size_t id = 0; id < RT_TOTAL_COUNT && id * 2 + 1 < sums.size(); id++) out[id] = {sums[id * 2], sums[id * 2 + 1]};
}

uint64_t BpfKernel::boot_nanos() { return nanos_of(CLOCK_BOOTTIME); }
double BpfKernel::unix_ms() { return static_cast<double>(nanos_of(CLOCK_REALTIME)) / 1e6; }

void BpfKernel::take_wakes() {
  if (wakes_) ring_buffer__consume(wakes_);
}

}  // namespace retina::flows
