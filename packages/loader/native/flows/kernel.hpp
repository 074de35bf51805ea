// The kernel as the drain sees it: mapped memory and a few calls. The real one is in bpf_kernel.cpp, tests have their
// own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "retina/flow_ring.h"

namespace retina::flows {

class Kernel {
 public:
  virtual ~Kernel() = default;

  /** Units per region, a power of two; regions lie one behind the other, one per CPU. */
  uint32_t units = 0;
  uint32_t regions = 0;
  const rt_u8* ring = nullptr;
  /** At least as many lines as regions: a CPU without a region still counts what it spills. */
  rt_ring_cpu* cpus = nullptr;
  uint32_t lines = 0;
  rt_flow_control* control = nullptr;

  /** Fills control's clock pair; false if the kernel refuses. */
  virtual bool run_clock() = 0;
  /** Takes everything out of a spill half nobody writes to, in parts. `each` must not keep the pointers. */
  using SpillReader = std::function<void(const rt_spill_key* keys, const rt_spill_value* values, size_t count)>;
  virtual void drain_spill(unsigned half, const SpillReader& each) = 0;
  /** Sum of rt_overflow over interfaces and CPUs, since load. */
  virtual rt_overflow_value overflow() = 0;
  /** Sums of rt_flow_totals over CPUs, since load. */
  virtual void totals(rt_flow_total (&out)[RT_TOTAL_COUNT]) = 0;

  virtual uint64_t boot_nanos() = 0;
  virtual double unix_ms() = 0;
};

}  // namespace retina::flows
