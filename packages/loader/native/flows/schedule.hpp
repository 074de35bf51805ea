// Which flows are to be reported, and when.
#pragma once

#include <cstdint>
#include <vector>

#include "store.hpp"

namespace retina::flows {

/**
 * A changed flow goes on the list of its phase, one of the parts the interval is cut into, or on the urgent list. Lists
 * may hold a slot whose flow has gone or has been reported meanwhile: the flow's own bits decide.
 */
class Schedule {
 public:
  explicit Schedule(uint32_t phases) : phases_(phases == 0 ? 1 : phases) {}

  /** Once per interval. */
  void touch(uint32_t slot, Hot& flow) {
    if (flow.state & (kQueued | kUrgent)) return;
    flow.state |= kQueued;
    phases_[slot % phases_.size()].push_back(slot);
  }

  /** At the end of this drain. */
  void urge(uint32_t slot, Hot& flow) {
    if (flow.state & kUrgent) return;
    flow.state |= kUrgent;
    urgent_.push_back(slot);
  }

  /** Makes the next `count` phases due. */
  void advance(uint64_t count) {
    if (count > phases_.size()) count = phases_.size();
    for (; count > 0; count--) {
      auto& phase = phases_[next_];
      next_ = (next_ + 1) % phases_.size();
      if (due_.empty()) {
        due_.swap(phase);  // keeps both capacities
      } else {
        due_.insert(due_.end(), phase.begin(), phase.end());
      }
      phase.clear();
    }
  }

  std::vector<uint32_t>& urgent() { return urgent_; }
  std::vector<uint32_t>& due() { return due_; }
  size_t phases() const { return phases_.size(); }
  bool idle() const { return urgent_.empty() && due_.empty(); }

  size_t bytes() const {
    size_t total = (urgent_.capacity() + due_.capacity()) * 4;
    for (const auto& phase : phases_) total += phase.capacity() * 4;
    return total;
  }
  /** Gives back what a peak left behind. */
  void trim() {
    if (urgent_.empty() && urgent_.capacity() > 4096) urgent_.shrink_to_fit();
    if (due_.empty() && due_.capacity() > 4096) due_.shrink_to_fit();
    for (auto& phase : phases_) {
      if (phase.empty() && phase.capacity() > 4096) phase.shrink_to_fit();
    }
  }

 private:
  std::vector<uint32_t> urgent_;
  std::vector<uint32_t> due_;
  std::vector<std::vector<uint32_t>> phases_;
  size_t next_ = 0;
};

}  // namespace retina::flows
