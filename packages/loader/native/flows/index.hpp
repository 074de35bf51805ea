// From hash to slot: open addressing with linear probing, 8 bytes an entry, no tombstones.
#pragma once

#include <cstdint>
#include <memory>
#include <new>

namespace retina::flows {

constexpr uint32_t kNone = 0xffffffff;

/** Does not know keys: the caller compares what a tag finds. */
class Index {
 public:
  /** Throws bad_alloc only here. */
  explicit Index(uint32_t capacity = 1024) : entries_(new Entry[capacity]), mask_(capacity - 1) { clear(); }

  void prefetch(uint64_t hash) const { __builtin_prefetch(&entries_[tag(hash) & mask_]); }

  /** The first slot whose tag fits, unchecked; kNone if there is none. */
  uint32_t candidate(uint64_t hash) const {
    return find(hash, [](uint32_t) { return true; });
  }

  /** The slot for which `same(slot)` holds among those whose tag fits; kNone if there is none. */
  template <typename Same>
  uint32_t find(uint64_t hash, Same same) const {
    const uint32_t wanted = tag(hash);
    for (uint32_t at = wanted & mask_;; at = (at + 1) & mask_) {
      const Entry& entry = entries_[at];
      if (entry.slot == kNone) return kNone;
      if (entry.tag == wanted && same(entry.slot)) return entry.slot;
    }
  }

  /** False when it would have to grow and there is no memory. The slot must not be in it. */
  bool insert(uint64_t hash, uint32_t slot) {
    if ((uint64_t{size_} + 1) * 16 > (uint64_t{mask_} + 1) * 13 && !resize((mask_ + 1) * 2)) return false;
    place({tag(hash), slot});
    size_++;
    return true;
  }

  void erase(uint64_t hash, uint32_t slot) {
    uint32_t hole = tag(hash) & mask_;
    while (entries_[hole].slot != slot) {
      if (entries_[hole].slot == kNone) return;
      hole = (hole + 1) & mask_;
    }
    // Close the gap: whoever may stand in the hole moves there.
    for (uint32_t at = (hole + 1) & mask_; entries_[at].slot != kNone; at = (at + 1) & mask_) {
      const uint32_t home = entries_[at].tag & mask_;
      if (((at - home) & mask_) >= ((at - hole) & mask_)) {
        entries_[hole] = entries_[at];
        hole = at;
      }
    }
    entries_[hole].slot = kNone;
    size_--;
  }

  /** Gives memory back after a peak. */
  void trim() {
    if (mask_ > 1023 && size_ < mask_ / 8) resize((mask_ + 1) / 2);
  }

  uint32_t size() const { return size_; }
  size_t bytes() const { return (size_t{mask_} + 1) * sizeof(Entry); }

 private:
  struct Entry {
    uint32_t tag;
    uint32_t slot;
  };

  static uint32_t tag(uint64_t hash) { return static_cast<uint32_t>(hash >> 16); }

  void clear() {
    for (uint64_t i = 0; i <= mask_; i++) entries_[i] = {0, kNone};
  }

  void place(Entry entry) {
    uint32_t at = entry.tag & mask_;
    while (entries_[at].slot != kNone) at = (at + 1) & mask_;
    entries_[at] = entry;
  }

  bool resize(uint32_t capacity) {
    std::unique_ptr<Entry[]> larger(new (std::nothrow) Entry[capacity]);
    if (!larger) return false;
    const std::unique_ptr<Entry[]> old = std::move(entries_);
    const uint32_t before = mask_;
    entries_ = std::move(larger);
    mask_ = capacity - 1;
    clear();
    for (uint64_t i = 0; i <= before; i++) {
      if (old[i].slot != kNone) place(old[i]);
    }
    return true;
  }

  std::unique_ptr<Entry[]> entries_;
  uint32_t mask_;
  uint32_t size_ = 0;
};

}  // namespace retina::flows
