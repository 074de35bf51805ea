// Which flows are to be reported, and when.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "store.hpp"

namespace retina::flows {

/**
 * A changed flow is marked, and due with the other flows of its block of slots in one of the phases the interval is cut
 * into; or it goes on the urgent list. What is due goes out in the order of the slots, so that the memory of the flows,
 * and whatever readers keep by flow id, is walked through and not jumped about in. A mark or a list may name a slot
 * whose flow has gone or has been reported meanwhile: the flow's own bits decide.
 */
class Schedule {
 public:
  explicit Schedule(uint32_t phases) : phases_(phases == 0 ? 1 : phases) {}

  /** Once per interval. */
  void touch(uint32_t slot, Hot& flow) {
    if (flow.state & (kQueued | kUrgent)) return;
    flow.state |= kQueued;
    const size_t word = slot / 64;
    if (word >= marks_.size()) marks_.resize((word / kBlock + 1) * kBlock);
    marks_[word] |= uint64_t{1} << (slot % 64);
  }

  /** At the end of this drain. */
  void urge(uint32_t slot, Hot& flow) {
    if (flow.state & kUrgent) return;
    flow.state |= kUrgent;
    urgent_.push_back(slot);
  }

  /** Makes the next `count` phases due. */
  void advance(uint64_t count) {
    if (count > phases_) count = phases_;
    for (; count > 0; count--) {
      for (size_t block = next_ * kBlock; block < marks_.size(); block += phases_ * kBlock) take(block);
      next_ = (next_ + 1) % phases_;
    }
  }

  std::vector<uint32_t>& urgent() { return urgent_; }
  std::vector<uint32_t>& due() { return due_; }
  size_t phases() const { return phases_; }
  bool idle() const { return urgent_.empty() && due_.empty(); }

  size_t bytes() const { return (urgent_.capacity() + due_.capacity()) * 4 + marks_.capacity() * 8; }
  /** Gives back what a peak left behind. */
  void trim() {
    if (urgent_.empty() && urgent_.capacity() > 4096) urgent_.shrink_to_fit();
    if (due_.empty() && due_.capacity() > 4096) due_.shrink_to_fit();
  }

 private:
  /** Words of 64 marks that are due together: few batches where there are few flows, even ones where there are many. */
  static constexpr size_t kBlock = 4;

  void take(size_t block) {
    for (size_t word = block; word < block + kBlock; word++) {
      for (uint64_t marks = std::exchange(marks_[word], 0); marks != 0; marks &= marks - 1) {
        due_.push_back(static_cast<uint32_t>(word * 64) + static_cast<uint32_t>(__builtin_ctzll(marks)));
      }
    }
  }

  const size_t phases_;
  std::vector<uint32_t> urgent_;
  std::vector<uint32_t> due_;
  std::vector<uint64_t> marks_;  // one bit per slot
  size_t next_ = 0;
};

}  // namespace retina::flows
