#include "drain.hpp"

#include <algorithm>
#include <atomic>

#include "table.hpp"

namespace retina::flows {

namespace {
uint32_t load(uint32_t& word) { return std::atomic_ref<uint32_t>(word).load(std::memory_order_acquire); }
uint64_t load(uint64_t& word) { return std::atomic_ref<uint64_t>(word).load(std::memory_order_acquire); }
void store(uint32_t& word, uint32_t value) { std::atomic_ref<uint32_t>(word).store(value, std::memory_order_release); }
}  // namespace

Drain::Drain(Kernel& kernel) : kernel_(kernel), seals_(kernel.regions), tails_(kernel.regions) {
  generation_ = load(kernel.control->spill_generation) & 1;
  // What is there already, of an earlier reader of the same maps, is read by the first drain.
  for (uint32_t cpu = 0; cpu < kernel.regions; cpu++) seals_[cpu] = tails_[cpu] = load(kernel.cpus[cpu].head.tail);
}

uint64_t Drain::spilled() const {
  uint64_t sum = 0;
  for (uint32_t cpu = 0; cpu < kernel_.lines; cpu++) sum += load(kernel_.cpus[cpu].head.spilled);
  return sum;
}

bool Drain::seal(bool force) {
  if (sealed_) return true;
  const uint64_t spilled_now = spilled();
  bool news = force || spilled_now != spilled_before_[generation_];
  for (uint32_t cpu = 0; cpu < kernel_.regions && !news; cpu++) news = load(kernel_.cpus[cpu].head.head) != seals_[cpu];
  if (!news) return false;
  for (uint32_t cpu = 0; cpu < kernel_.regions; cpu++) {
    seals_[cpu] = load(kernel_.cpus[cpu].head.head);
    store(kernel_.cpus[cpu].head.seal, seals_[cpu]);
  }
  generation_ ^= 1;
  spilled_before_[generation_] = spilled_now;
  store(kernel_.control->spill_generation, generation_);
  sealed_ = true;
  return true;
}

void Drain::collect(const Reader& read) {
  if (!sealed_) return;
  sealed_ = false;
  for (uint32_t cpu = 0; cpu < kernel_.regions; cpu++) collect_region(cpu, read);
  const unsigned quiet = generation_ ^ 1;
  if (spilled() == spilled_before_[quiet]) return;
  kernel_.drain_spill(quiet, [&](const rt_spill_key* keys, const rt_spill_value* values, size_t count) {
    Record records[Table::kGroup];
    while (count > 0) {
      const size_t part = std::min(count, Table::kGroup);
      for (size_t i = 0; i < part; i++) records[i] = record_of(keys[i], values[i]);
      read(records, part);
      totals_.records += part;
      totals_.spilled += part;
      keys += part, values += part, count -= part;
    }
  });
}

void Drain::collect_region(uint32_t cpu, const Reader& read) {
  rt_ring_head& head = kernel_.cpus[cpu].head;
  const uint32_t tail = tails_[cpu], seal = seals_[cpu];
  if (seal - tail > kernel_.units) {
    // More than there is room for: the counters lie. Nothing in the region can be believed.
    totals_.senseless++;
  } else {
    totals_.fill = std::max(totals_.fill, static_cast<double>(seal - tail) / kernel_.units);
    const Region region{kernel_.ring + size_t{cpu} * kernel_.units * RT_UNIT_BYTES, kernel_.units,
                        static_cast<uint16_t>(cpu)};
    RegionReader reader(region, tail, seal);
    Record records[Table::kGroup];
    while (const size_t count = reader.next(records, Table::kGroup)) {
      read(records, count);
      totals_.records += count;
    }
    totals_.senseless += reader.senseless();
  }
  tails_[cpu] = seal;
  store(head.tail, seal);
}

}  // namespace retina::flows
