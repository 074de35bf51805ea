// The kernel's side of the ring in plain memory, doing what the tap programs do, and a sink that collects rows.
#pragma once

#include <array>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "../engine.hpp"

namespace retina::flows {

constexpr uint16_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16;

/** One packet, or several alike. Addresses are IPv4 numbers, or the last word of an IPv6 address. */
struct Packet {
  uint32_t source = 0x0a000001;
  uint32_t destination = 0x0a000002;
  uint16_t sport = 40000;
  uint16_t dport = 80;
  uint8_t protocol = kTcp;
  uint16_t flags = 0;
  uint32_t ifindex = 5;
  bool egress = false;
  bool v6 = false;
  uint32_t packets = 1;
  uint64_t bytes = 100;

  /** The same conversation the other way, with other flags. */
  Packet back(uint16_t other_flags = 0) const {
    Packet out = *this;
    std::swap(out.source, out.destination);
    std::swap(out.sport, out.dport);
    out.egress = !egress;
    out.flags = other_flags;
    return out;
  }
  Packet with(uint16_t other_flags) const {
    Packet out = *this;
    out.flags = other_flags;
    return out;
  }
};

inline rt_spill_key spill_key_of(const Packet& packet) {
  rt_spill_key key{};
  const auto put = [&](rt_u8* out, uint32_t address) {
    const uint32_t network = __builtin_bswap32(address);
    if (packet.v6) {
      out[0] = 0xfd;
    } else {
      out[10] = out[11] = 0xff;
    }
    std::memcpy(out + 12, &network, 4);
  };
  put(key.saddr, packet.source);
  put(key.daddr, packet.destination);
  key.ifindex = packet.ifindex;
  key.sport = __builtin_bswap16(packet.sport);
  key.dport = __builtin_bswap16(packet.dport);
  key.kind = packet.v6 ? RT_WIDE_IPV6 : 0;
  key.tcp_flags = packet.flags;
  key.protocol = packet.protocol;
  key.egress = packet.egress;
  return key;
}

class FakeKernel : public Kernel {
 public:
  FakeKernel(uint32_t cpus, uint32_t ring_units, size_t spill_entries = 1u << 20) : spill_entries_(spill_entries) {
    units = ring_units;
    regions = lines = cpus;
    memory = std::vector<rt_u8>(size_t{cpus} * ring_units * RT_UNIT_BYTES);
    lines_memory = std::vector<rt_ring_cpu>(cpus);
    ring = memory.data();
    this->cpus = lines_memory.data();
    control = &control_memory;
  }

  /** What the program on `cpu` does with a packet; `merge`: whether its index remembers the flow. */
  void send(uint32_t cpu, const Packet& packet, bool merge = true) {
    sent.add(packet.packets, packet.bytes);
    const rt_spill_key key = spill_key_of(packet);
    const auto stamp = static_cast<rt_u16>(jiffies());
    rt_ring_head& line = cpus[cpu].head;
    const auto remembered = merge ? index_.find({cpu, bytes_of(key)}) : index_.end();
    if (remembered != index_.end() && line.head - remembered->second - 1 < line.head - line.seal) {
      rt_counts& counts = *counts_at(cpu, remembered->second);
      counts.packets_word = ((counts.packets_word + packet.packets) & ~(0xffffull << RT_COUNT_LAST_SHIFT)) |
                            (rt_u64{stamp} << RT_COUNT_LAST_SHIFT);
      counts.bytes_word += packet.bytes;
      return;
    }
    const bool wide = packet.v6 || (packet.protocol != kTcp && packet.protocol != kUdp);
    if (!append(cpu, packet, key, stamp, wide)) spill(cpu, packet, key, stamp);
  }

  bool run_clock() override {
    control->clock_jiffies = jiffies();
    control->clock_boot_ns = nanos;
    return clock_works;
  }
  void drain_spill(unsigned half, const SpillReader& each) override {
    std::vector<rt_spill_key> keys;
    std::vector<rt_spill_value> values;
    for (const auto& [bytes, value] : spill_[half]) {
      rt_spill_key key;
      std::memcpy(&key, bytes.data(), sizeof key);
      keys.push_back(key);
      values.push_back(value);
    }
    spill_[half].clear();
    each(keys.data(), values.data(), keys.size());
  }
  rt_overflow_value overflow() override { return overflowed; }
  void totals(rt_flow_total (&out)[RT_TOTAL_COUNT]) override { std::memcpy(out, totals_memory, sizeof out); }
  uint64_t boot_nanos() override { return nanos; }
  double unix_ms() override { return 1.7e12 + static_cast<double>(nanos) / 1e6; }

  uint64_t jiffies() const { return 4294892296ull + nanos / (1'000'000'000 / hz); }

  std::vector<rt_u8> memory;
  std::vector<rt_ring_cpu> lines_memory;
  rt_flow_control control_memory{};
  rt_overflow_value overflowed{};
  rt_flow_total totals_memory[RT_TOTAL_COUNT]{};
  Counts sent;
  uint64_t nanos = 1'000'000'000;
  uint64_t hz = 250;
  bool clock_works = true;

 private:
  using Bytes = std::array<rt_u8, sizeof(rt_spill_key)>;
  static Bytes bytes_of(const rt_spill_key& key) {
    Bytes bytes;
    std::memcpy(bytes.data(), &key, sizeof key);
    return bytes;
  }
  rt_u8* unit(uint32_t cpu, uint32_t position) {
    return &memory[(size_t{cpu} * units + (position & (units - 1))) * RT_UNIT_BYTES];
  }
  rt_counts* counts_at(uint32_t cpu, uint32_t position) {
    return reinterpret_cast<rt_counts*>(unit(cpu, position) + 16);
  }

  bool append(uint32_t cpu, const Packet& packet, const rt_spill_key& key, rt_u16 stamp, bool wide) {
    rt_ring_head& line = cpus[cpu].head;
    const uint32_t used = line.head - line.tail;
    if (wide ? used + 2 >= units : used >= units) return false;
    uint32_t head = line.head;
    uint32_t meta = (uint32_t{packet.protocol} << RT_META_PROTOCOL_SHIFT) | (packet.egress ? RT_META_EGRESS : 0);
    if (wide) {
      if ((head & (units - 1)) == units - 1) {
        std::memset(unit(cpu, head), 0, RT_UNIT_BYTES);
        head++;
      }
      rt_wide record{};
      record.ifindex = packet.ifindex;
      record.sport = key.sport;
      record.dport = key.dport;
      record.kind = key.kind;
      record.meta = meta | RT_META_WIDE;
      std::memcpy(record.saddr, key.saddr, 32);
      std::memcpy(unit(cpu, head), &record, sizeof record);
    } else {
      rt_narrow record{};
      std::memcpy(&record.saddr, key.saddr + 12, 4);
      std::memcpy(&record.daddr, key.daddr + 12, 4);
      record.sport = key.sport;
      record.dport = key.dport;
      record.meta = meta | packet.ifindex;
      std::memcpy(unit(cpu, head), &record, sizeof record);
    }
    rt_counts& counts = *counts_at(cpu, head);
    counts.packets_word =
        packet.packets | (rt_u64{stamp} << RT_COUNT_LAST_SHIFT) | (rt_u64{packet.flags} << RT_COUNT_FLAGS_SHIFT);
    counts.bytes_word = packet.bytes | (rt_u64{stamp} << RT_COUNT_FIRST_SHIFT);
    index_[{cpu, bytes_of(key)}] = head;
    line.head = head + (wide ? 2 : 1);
    return true;
  }

  void spill(uint32_t cpu, const Packet& packet, const rt_spill_key& key, rt_u16 stamp) {
    auto& half = spill_[control->spill_generation & 1];
    const Bytes bytes = bytes_of(key);
    if (half.size() >= spill_entries_ && half.count(bytes) == 0) {
      overflowed.packets += packet.packets;
      overflowed.bytes += packet.bytes;
      return;
    }
    const auto [entry, fresh] = half.try_emplace(bytes);
    if (fresh) entry->second.first = stamp;
    entry->second.last = stamp;
    entry->second.packets += packet.packets;
    entry->second.bytes += packet.bytes;
    cpus[cpu].head.spilled += packet.packets;
  }

  size_t spill_entries_;
  std::map<Bytes, rt_spill_value> spill_[2];
  std::map<std::pair<uint32_t, Bytes>, uint32_t> index_;
};

class RowSink : public BatchSink {
 public:
  explicit RowSink(size_t rows_per_slab = 64) : slab(rows_per_slab) {}
  Row* acquire(size_t& capacity) override {
    if (free == 0) return nullptr;
    capacity = slab.size();
    return slab.data();
  }
  void submit(size_t count) override {
    must_hold(count > 0 && count <= slab.size());
    rows.insert(rows.end(), slab.begin(), slab.begin() + static_cast<ptrdiff_t>(count));
    free--;
  }
  /** Rows so far, taken. */
  std::vector<Row> take() { return std::exchange(rows, {}); }

  std::vector<Row> slab;
  std::vector<Row> rows;
  size_t free = SIZE_MAX;  // slabs JavaScript does not hold

 private:
  static void must_hold(bool ok) {
    if (!ok) std::abort();
  }
};

/** An engine on a fake kernel, driven by hand. */
struct World {
  explicit World(Options options = {}, uint32_t cpus = 2, uint32_t units = 256, size_t spill_entries = 1u << 20)
      : kernel(cpus, units, spill_entries), engine(kernel, options, sink) {
    pass(60);
    while (!tick() && engine.stats().drains == 0 && kernel.nanos < 1'200'000'000) pass(10);
  }
  void pass(uint64_t ms) { kernel.nanos += ms * 1'000'000; }
  /** One turn of the timer; whether something was drained. */
  bool tick() {
    if (!engine.begin()) return false;
    engine.drain();
    return true;
  }
  void run(uint64_t ms, uint64_t step = 50) {
    for (uint64_t done = 0; done < ms; done += step) {
      pass(step);
      tick();
    }
  }
  /** Drains and takes the rows of everything that changed. */
  std::vector<Row> all() {
    bool done = false;
    engine.flush([&] { done = true; });
    pass(1);
    for (int i = 0; i < 5 && !done; i++) tick();
    if (!done) std::abort();
    return sink.take();
  }

  FakeKernel kernel;
  RowSink sink;
  Engine engine;
};

}  // namespace retina::flows
