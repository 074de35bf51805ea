// A kernel that lies: random bytes in rings, heads and control, and heads that jump while the reader is at work.
#include <cstdlib>

#include "check.hpp"
#include "fake_kernel.hpp"

using namespace retina::flows;

namespace {
/** Bytes of a script, read in order; zeros when it has ended. */
class Script {
 public:
  Script(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint8_t byte() { return at_ < size_ ? data_[at_++] : 0; }
  uint32_t word() { return byte() | byte() << 8 | byte() << 16 | static_cast<uint32_t>(byte()) << 24; }
  bool more() const { return at_ < size_; }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

void lie(FakeKernel& kernel, Script& script) {
  const uint32_t cpu = script.byte() % kernel.regions;
  rt_ring_head& line = kernel.cpus[cpu].head;
  switch (script.byte() % 8) {
    case 0: line.head = script.word(); break;
    case 1: line.head += script.byte(); break;
    case 2: line.tail = script.word(); break;
    case 3: line.seal = script.word(); break;
    case 4: line.spilled = script.word(); break;
    case 5: kernel.control->spill_generation = script.word(); break;
    case 6: kernel.control->sampling = script.word(); break;
    default:
      for (uint8_t n = script.byte() % 64; n > 0; n--) {
        kernel.memory[script.word() % kernel.memory.size()] = script.byte();
      }
  }
}
}  // namespace

/** The entry of a fuzzer; also run on random scripts by the test below. */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Script script(data, size);
  World world({.interval_ms = 100, .max_flows = 100, .timeouts = {.tcp_s = 2, .other_s = 1, .closed_s = 1}}, 3, 64, 16);
  uint64_t attributed = 0;
  double in_rows = 0;
  bool scaled = false;
  while (script.more()) {
    switch (script.byte() % 5) {
      case 0: lie(world.kernel, script); break;
      case 1: {
        Packet packet{.sport = script.byte(),
                      .dport = 80,
                      .protocol = script.byte(),
                      .flags = static_cast<uint16_t>(script.byte()),
                      .ifindex = script.byte() % 4u,
                      .egress = (script.byte() & 1) != 0,
                      .v6 = (script.byte() & 1) != 0};
        // The kernel's side is honest about its own region; a head that lies must not make the fake write elsewhere.
        world.kernel.send(script.byte() % 3, packet);
        break;
      }
      case 2:
        world.pass(script.byte() * 4u);
        if (!world.engine.begin()) break;
        if (script.byte() & 1) lie(world.kernel, script);
        world.engine.drain();
        break;
      case 3: {
        const rt_spill_key key = spill_key_of(Packet{.v6 = (script.byte() & 1) != 0});
        world.engine.annotate(
            key.saddr, key.daddr, script.byte(), 80, script.byte(),
            {.rtt_micros = script.byte(), .setup_micros = script.byte(), .retransmits = script.byte()});
        break;
      }
      default:
        if (script.byte() & 1) {
          world.engine.forget_interface(script.byte() % 4u);
        } else {
          world.engine.set_interface(script.byte() % 4u, static_cast<Role>(script.byte() % 3), script.byte());
        }
    }
    scaled |= world.kernel.control->sampling > 1;
    world.sink.free = script.byte() % 4;
    world.engine.resume();
    for (const Row& row : world.sink.take()) in_rows += row.packets;
  }
  world.kernel.control->sampling = 0;
  world.sink.free = SIZE_MAX;
  bool done = false;
  world.engine.flush([&] { done = true; });
  for (int i = 0; i < 10 && !done; i++) {
    world.pass(50);
    world.tick();
  }
  if (!done) std::abort();
  for (const Row& row : world.sink.take()) in_rows += row.packets;
  // Whatever was read, the rows say what the table says.
  attributed = world.engine.stats().table.attributed.packets;
  if (!scaled && static_cast<double>(attributed) != in_rows) std::abort();
  if (world.engine.stats().flows > 100) std::abort();
  return 0;
}

#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
TEST(lying_memory_ends_in_counts) {
  auto random = check::random(7);
  for (int round = 0; round < 400; round++) {
    std::vector<uint8_t> script(random() % 3000);
    for (auto& byte : script) byte = static_cast<uint8_t>(random());
    LLVMFuzzerTestOneInput(script.data(), script.size());
  }
}

TEST(random_ring_contents_are_read_to_the_end) {
  auto random = check::random(8);
  for (int round = 0; round < 200; round++) {
    World world({.max_flows = 1000}, 2, 256);
    for (auto& byte : world.kernel.memory) byte = static_cast<rt_u8>(random());
    world.kernel.cpus[1].head.head = 100;
    world.all();
    world.kernel.cpus[1].head.head = 356;  // full of nonsense, across the end of the memory
    world.kernel.cpus[0].head.head = static_cast<rt_u32>(random()) | 512;  // and far away
    world.all();
    const Stats& stats = world.engine.stats();
    CHECK(stats.drain.records + stats.drain.senseless > 100);
    CHECK(stats.drain.senseless >= 1);
    // The reader has caught up, and an honest packet is counted again.
    CHECK_EQ(world.kernel.cpus[0].head.tail, world.kernel.cpus[0].head.head);
    const uint64_t before = stats.table.attributed.packets + stats.table.full.packets;
    world.kernel.send(0, Packet{.protocol = kUdp}, false);
    world.all();
    CHECK_EQ(stats.table.attributed.packets + stats.table.full.packets, before + 1);
  }
}
#endif
