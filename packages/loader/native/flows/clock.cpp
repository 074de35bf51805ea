#include "clock.hpp"

#include <cmath>

namespace retina::flows {

void Clock::sample(uint64_t jiffies, uint64_t boot_nanos) {
  if (hz_ == kGivenUp) return;
  if (!sampled_) {
    sampled_ = true;
    first_jiffies_ = jiffies;
    first_boot_ = boot_nanos;
    return;
  }
  if (hz_ == 0) {
    if (boot_nanos - first_boot_ < kMeasureNanos) return;
    const double measured =
        static_cast<double>(jiffies - first_jiffies_) * 1e9 / static_cast<double>(boot_nanos - first_boot_);
    constexpr uint32_t kRates[] = {100, 250, 300, 1000};
    hz_ = kRates[0];
    for (const uint32_t rate : kRates) {
      if (std::abs(measured - rate) < std::abs(measured - hz_)) hz_ = rate;
    }
    base_ = static_cast<int64_t>(first_boot_ - first_jiffies_ * nanos_per_jiffy());
  }
  // A reading is up to one tick after its jiffy began, so the earliest base seen is the best. More than a tick off
  // either way means that the clocks went apart (suspend): start again from this one.
  const auto base = static_cast<int64_t>(boot_nanos - jiffies * nanos_per_jiffy());
  const auto tick = static_cast<int64_t>(nanos_per_jiffy());
  if (base < base_ || base > base_ + 2 * tick) base_ = base;
}

void Clock::now(uint64_t boot_nanos, double unix_ms) {
  now_unix_ms_ = unix_ms;
  if (hz_ == 0 || hz_ == kGivenUp) {
    now_jiffies_ = static_cast<uint32_t>(boot_nanos / 1'000'000);
  } else {
    now_jiffies_ =
        static_cast<uint32_t>((static_cast<int64_t>(boot_nanos) - base_) / static_cast<int64_t>(nanos_per_jiffy()));
  }
}

}  // namespace retina::flows
