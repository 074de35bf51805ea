// Taking what the tap programs wrote: seal, wait for running programs, read, release.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernel.hpp"
#include "ring.hpp"

namespace retina::flows {

struct DrainTotals {
  uint64_t records = 0;    // read from rings and spill
  uint64_t spilled = 0;    // … of them from the spill
  uint64_t senseless = 0;  // units and heads that made no sense and were skipped
  double fill = 0;         // highest fill of a region, 0 to 1
};

class Drain {
 public:
  explicit Drain(Kernel& kernel);

  /**
   * Phase one. True: something new was written; every program running now must end before collect(). The barrier is the
   * caller's. `force`: seal even if nothing seems new.
   */
  bool seal(bool force);

  /** Records in the order of each CPU's ring, CPU after CPU, then spilled ones. */
  using Reader = std::function<void(const Record* records, size_t count)>;
  /** Phase two, behind the barrier. */
  void collect(const Reader& read);

  bool sealed() const { return sealed_; }
  const DrainTotals& totals() const { return totals_; }

 private:
  void collect_region(uint32_t cpu, const Reader& read);
  uint64_t spilled() const;

  Kernel& kernel_;
  // Our own copies: what we wrote into shared memory is not read back.
  std::vector<uint32_t> seals_;
  std::vector<uint32_t> tails_;
  /** The spill counters' sum when a half began to be written to: if it has not moved since, the half is empty. */
  uint64_t spilled_before_[2] = {0, 0};
  uint32_t generation_ = 0;  // the half being written to
  bool sealed_ = false;
  DrainTotals totals_;
};

}  // namespace retina::flows
