// A flow source without its surroundings: the kernel's rings in, rows out. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "clock.hpp"
#include "drain.hpp"
#include "kernel.hpp"
#include "output.hpp"
#include "schedule.hpp"
#include "table.hpp"

namespace retina::flows {

struct Options {
  uint32_t interval_ms = 1000;
  uint32_t drain_ms = 80;
  uint32_t max_flows = 262144;
  Timeouts timeouts{};
};

/** FlowSourceStats of the SDK. Totals since start, but for the gauges. */
struct Stats {
  DrainTotals drain;
  TableTotals table;
  rt_overflow_value kernel_overflow{};
  rt_flow_total unparsed[RT_TOTAL_COUNT]{};
  uint64_t deferred = 0;
  uint32_t flows = 0;
  uint32_t max_flows = 0;
  uint64_t memory = 0;  // bytes of tables and lists
  uint64_t drains = 0;
  uint64_t drain_nanos = 0;  // CPU time of the thread
};

class Engine {
 public:
  Engine(Kernel& kernel, const Options& options, BatchSink& sink);

  /** The timer is due. True: call drain() once every program that runs now has ended. */
  bool begin();
  void drain();
  /** The sink has room again. */
  void resume();
  /** Drains and hands over every changed flow, then calls `done`. Needs begin() and drain() soon. */
  void flush(std::function<void()> done);

  /** Addresses of 16 bytes, ports in host order. False if no tap sees the connection. */
  bool annotate(const uint8_t* source, const uint8_t* destination, uint16_t source_port, uint16_t destination_port,
                uint8_t protocol, const Told& told);
  void set_interface(uint32_t ifindex, Role role, uint32_t netns) { table_.set_interface(ifindex, role, netns); }
  void forget_interface(uint32_t ifindex) { table_.forget_interface(ifindex); }

  /** As of the last drain; overflow and unparsed totals as of at most a second before it. */
  const Stats& stats() const { return stats_; }

 private:
  void read_clock();
  void tell_time();
  /** What every turn ends with: expiry, rows, figures. */
  void finish(bool overflowed);
  void settle_flushes();

  Kernel& kernel_;
  Options options_;
  Clock clock_;
  Schedule schedule_;
  Table table_;
  Output output_;
  Drain drain_;
  Stats stats_;
  std::vector<std::function<void()>> flushes_;   // waiting for their drain
  std::vector<std::function<void()>> flushing_;  // drained, waiting for JavaScript to take everything
  uint64_t started_ns_ = 0;
  uint64_t phase_ns_ = 0;  // what part of the interval a list of the schedule stands for
  uint64_t phase_ = 0;     // … how many of those since start
  uint64_t swept_ns_ = 0;
  uint64_t clock_read_ns_ = 0;
  uint64_t totals_read_ns_ = 0;
  uint32_t clock_failures_ = 0;
};

}  // namespace retina::flows
