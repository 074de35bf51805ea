// From the kernel's 16-bit jiffy stamps to Unix time.
#pragma once

#include <cstdint>

namespace retina::flows {

/**
 * Jiffies tick at HZ, which nothing tells an unprivileged reader: it is measured from pairs of (jiffies, boot time)
 * that the kernel side reads together. All jiffies here are the low 32 bits, compared by their signed difference.
 */
class Clock {
 public:
  /** A pair as the kernel read it. The first two, at least kMeasureNanos apart, give HZ; later ones keep the phase. */
  void sample(uint64_t jiffies, uint64_t boot_nanos);
  /** No pair can be had: every stamp becomes "now". */
  void give_up() { hz_ = kGivenUp; }
  bool ready() const { return hz_ != 0; }
  uint32_t hz() const { return hz_ == kGivenUp ? 0 : hz_; }

  /** Sets what the next calls take for "now": boot time in ns, and the Unix time in ms of the same moment. */
  void now(uint64_t boot_nanos, double unix_ms);
  uint32_t now_jiffies() const { return now_jiffies_; }
  double now_unix_ms() const { return now_unix_ms_; }

  /** The moment of a stamp: the latest one not after now. A stamp slightly after now, of an imprecise clock, is now. */
  uint32_t widen(uint16_t stamp) const {
    if (hz_ == kGivenUp) return now_jiffies_;
    const uint16_t age = static_cast<uint16_t>(static_cast<uint16_t>(now_jiffies_) - stamp);
    return age > kFuture ? now_jiffies_ : now_jiffies_ - age;
  }

  double unix_ms(uint32_t jiffies) const {
    return now_unix_ms_ - static_cast<int32_t>(now_jiffies_ - jiffies) * ms_per_jiffy();
  }
  /** Jiffies in so many seconds, rounded up. */
  uint32_t seconds(uint32_t count) const { return count * (hz() != 0 ? hz() : 1000); }

  static constexpr uint64_t kMeasureNanos = 60'000'000;

 private:
  static constexpr uint32_t kGivenUp = ~0u;
  static constexpr uint16_t kFuture = 0xf000;

  double ms_per_jiffy() const { return 1000.0 / (hz() != 0 ? hz() : 1000); }
  uint64_t nanos_per_jiffy() const { return 1'000'000'000 / (hz() != 0 ? hz() : 1000); }

  uint32_t hz_ = 0;
  bool sampled_ = false;
  uint64_t first_jiffies_ = 0;
  uint64_t first_boot_ = 0;
  int64_t base_ = 0;  // boot time of jiffy 0, at most one jiffy late
  uint32_t now_jiffies_ = 0;
  double now_unix_ms_ = 0;
};

}  // namespace retina::flows
