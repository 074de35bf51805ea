// What the user-space part of a record costs: ns per record at 1, 1 000 and 100 000 flows, and memory per flow.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "check.hpp"
#include "fake_kernel.hpp"

using namespace retina::flows;

namespace {
constexpr uint32_t kUnits = 1u << 16;

uint64_t cpu_nanos() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

struct Result {
  double read;      // ns per record: read and merged
  double reported;  // ns per row
  double memory;    // bytes per flow
};

Result measure(uint32_t flows, bool v6, uint8_t protocol) {
  FakeKernel kernel(1, kUnits);
  RowSink sink(4096);
  Engine engine(kernel, {.interval_ms = 1000, .max_flows = 262144}, sink);
  for (int i = 0; i < 3; i++) {
    kernel.nanos += 60'000'000;
    engine.begin();
  }
  std::mt19937_64 random(1);
  const auto drain = [&] {
    kernel.nanos += 50'000'000;
    if (engine.begin()) engine.drain();
    sink.rows.clear();
  };
  const auto packet = [&](uint32_t flow) {
    return Packet{.source = 0x0a000000 + flow,
                  .destination = 0x0b000001,
                  .sport = static_cast<uint16_t>(flow),
                  .protocol = protocol,
                  .flags = protocol == kTcp ? kAck : uint16_t{0},
                  .v6 = v6,
                  .bytes = 64};
  };
  const uint32_t batch = v6 ? kUnits / 2 - 2 : kUnits - 2;
  for (uint32_t sent = 0; sent < flows;) {  // every flow is known before the clock starts
    for (uint32_t n = 0; n < batch && sent < flows; n++) kernel.send(0, packet(sent++), false);
    drain();
  }
  const double memory = static_cast<double>(engine.stats().memory) / flows;
  for (int i = 0; i < 25; i++) drain();
  std::vector<double> read, reported;
  for (int round = 0; round < 15; round++) {
    for (uint32_t n = 0; n < batch; n++) kernel.send(0, packet(static_cast<uint32_t>(random() % flows)), false);
    const uint64_t records = engine.stats().drain.records;
    // Reading alone: the phase does not move while no time passes.
    const uint64_t start = cpu_nanos();
    if (engine.begin()) engine.drain();
    read.push_back(static_cast<double>(cpu_nanos() - start) /
                   static_cast<double>(engine.stats().drain.records - records));
    sink.rows.clear();
    sink.rows.reserve(flows + 1);
    bool done = false;
    engine.flush([&] { done = true; });
    const uint64_t flush = cpu_nanos();
    engine.begin();
    engine.drain();
    const double rows = static_cast<double>(std::max<size_t>(sink.rows.size(), 1));
    reported.push_back(static_cast<double>(cpu_nanos() - flush) / rows);
    sink.rows.clear();
  }
  const auto median = [](std::vector<double>& values) {
    std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
    return values[values.size() / 2];
  };
  return {median(read), median(reported), memory};
}
}  // namespace

int main() {
  std::printf("%-8s %-5s %12s %12s %14s\n", "flows", "kind", "ns/record", "ns/row", "bytes/flow");
  for (const auto& [name, v6, protocol] :
       {std::tuple{"udp", false, kUdp}, std::tuple{"tcp", false, kTcp}, std::tuple{"udp6", true, kUdp}}) {
    for (const uint32_t flows : {1u, 1000u, 100'000u, 262'144u}) {
      const Result result = measure(flows, v6, protocol);
      std::printf("%-8u %-5s %12.1f %12.1f %14.0f\n", flows, name, result.read, result.reported, result.memory);
    }
  }
}
