#include "store.hpp"

#include <bit>
#include <new>

namespace retina::flows {

Store::Store(uint32_t most) : most_(most == 0 ? 1 : most) {
  words_.resize((most_ + 63) / 64);
  if (most_ % 64 != 0) words_.back() = ~0ull << (most_ % 64);  // slots that do not exist are taken for ever
  chunks_.resize((most_ + kChunk - 1) / kChunk);
  chunk_used_.resize(chunks_.size());
}

uint32_t Store::take() {
  while (lowest_ < words_.size() && words_[lowest_] == ~0ull) lowest_++;
  if (lowest_ == words_.size()) return kNone;
  const uint32_t slot = lowest_ * 64 + static_cast<uint32_t>(std::countr_one(words_[lowest_]));
  auto& chunk = chunks_[slot / kChunk];
  if (!chunk) chunk.reset(new (std::nothrow) Chunk);
  if (!chunk) return kNone;
  words_[lowest_] |= 1ull << (slot % 64);
  chunk_used_[slot / kChunk]++;
  size_++;
  if (chunk->told) chunk->told[slot % kChunk] = {};
  return slot;
}

Told* Store::make_told(uint32_t slot) {
  auto& told = chunks_[slot / kChunk]->told;
  if (!told) told.reset(new (std::nothrow) Told[kChunk]);
  return told ? &told[slot % kChunk] : nullptr;
}

void Store::give(uint32_t slot) {
  hot(slot).state = 0;
  words_[slot / 64] &= ~(1ull << (slot % 64));
  if (slot / 64 < lowest_) lowest_ = slot / 64;
  chunk_used_[slot / kChunk]--;
  size_--;
}

uint32_t Store::next_used(uint32_t slot) const {
  if (slot >= most_) return kNone;
  uint32_t word = slot / 64;
  uint64_t bits = words_[word] & (~0ull << (slot % 64));
  while (bits == 0) {
    if (++word == words_.size()) return kNone;
    bits = words_[word];
  }
  const uint32_t found = word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
  return found < most_ ? found : kNone;
}

void Store::trim() {
  for (size_t i = 1; i < chunks_.size(); i++) {
    if (chunk_used_[i] == 0) chunks_[i].reset();
  }
}

size_t Store::bytes() const {
  size_t total = words_.size() * 8 + chunks_.size() * 12;
  for (const auto& chunk : chunks_) {
    if (chunk) total += sizeof(Chunk) + (chunk->told ? kChunk * sizeof(Told) : 0);
  }
  return total;
}

}  // namespace retina::flows
