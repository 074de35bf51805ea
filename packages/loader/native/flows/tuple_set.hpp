// Which connections are known, whatever tap saw them: a set of 64-bit hashes.
#pragma once

#include <cstdint>
#include <memory>
#include <new>

namespace retina::flows {

/** Used for gauges only: two connections with one hash (2^-64 each) would be counted as one. 0 cannot be a member. */
class TupleSet {
 public:
  TupleSet() : items_(new uint64_t[64]()), mask_(63) {}

  /** True if it was not in the set before. Without memory to grow: false. */
  bool insert(uint64_t item) {
    if ((size_ + 1) * 16 > (mask_ + 1) * 13 && !resize((mask_ + 1) * 2)) return false;
    uint64_t at = item & mask_;
    for (; items_[at] != 0; at = (at + 1) & mask_) {
      if (items_[at] == item) return false;
    }
    items_[at] = item;
    size_++;
    return true;
  }

  void erase(uint64_t item) {
    uint64_t hole = item & mask_;
    while (items_[hole] != item) {
      if (items_[hole] == 0) return;
      hole = (hole + 1) & mask_;
    }
    for (uint64_t at = (hole + 1) & mask_; items_[at] != 0; at = (at + 1) & mask_) {
      if (((at - items_[at]) & mask_) >= ((at - hole) & mask_)) {
        items_[hole] = items_[at];
        hole = at;
      }
    }
    items_[hole] = 0;
    size_--;
  }

  void trim() {
    if (mask_ > 1023 && size_ < mask_ / 8) resize((mask_ + 1) / 2);
  }

  uint64_t size() const { return size_; }
  size_t bytes() const { return (mask_ + 1) * sizeof(uint64_t); }

 private:
  bool resize(uint64_t capacity) {
    std::unique_ptr<uint64_t[]> larger(new (std::nothrow) uint64_t[capacity]());
    if (!larger) return false;
    const uint64_t mask = capacity - 1;
    for (uint64_t i = 0; i <= mask_; i++) {
      if (items_[i] == 0) continue;
      uint64_t at = items_[i] & mask;
      while (larger[at] != 0) at = (at + 1) & mask;
      larger[at] = items_[i];
    }
    items_ = std::move(larger);
    mask_ = mask;
    return true;
  }

  std::unique_ptr<uint64_t[]> items_;
  uint64_t mask_;
  uint64_t size_ = 0;
};

}  // namespace retina::flows
