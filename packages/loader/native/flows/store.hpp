// Memory of the flows: slots in chunks that never move, the lowest free slot first, chunks given back when empty.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "index.hpp"
#include "key.hpp"

namespace retina::flows {

constexpr int kFlagCount = 10;  // FLOW_OFFSETS.flagCounts: FIN..CWR, NS, SYNACK
constexpr int kSynAckFlag = 9;

/** Hot::state */
constexpr uint8_t kLive = 1;        // can be found
constexpr uint8_t kQueued = 2;      // on its interval's list
constexpr uint8_t kUrgent = 4;      // on the list of what goes out at once
constexpr uint8_t kFresh = 8;       // no record of it has gone out yet
constexpr uint8_t kAnnotated = 16;  // to be reported though no packet came
constexpr uint8_t kPrimary = 32;    // of the tap whose view of the connection the gauges show
constexpr uint8_t kOrigin = 64;     // the older flow of its connection, gives the connection its id

/** Hot::role */
constexpr uint8_t kForward = 1;  // from initiator to responder, as far as known
constexpr uint8_t kKnown = 2;    // … and it is known
constexpr uint8_t kHostTap = 4;  // the tap is seen from the host: an uplink or an extra interface

/** Hot::life */
constexpr uint8_t kFinSeen = 1;
constexpr uint8_t kClosed = 2;   // both FINs, or a reset
constexpr uint8_t kStarted = 4;  // this connection's START is out or pending

/** Hot::events, pending */
constexpr uint8_t kStartEvent = 1;
constexpr uint8_t kEndEvent = 2;
constexpr uint8_t kResetEvent = 4;
constexpr uint8_t kExpiredEvent = 8;

/** What every record touches: two cache lines. */
struct alignas(64) Hot {
  Key key;
  uint32_t netns;  // of the tap's endpoint
  uint32_t pair;   // slot of the other direction or kNone
  uint8_t state;
  uint8_t role;
  uint8_t life;
  uint8_t events;
  uint32_t closed_at;  // jiffies
  uint16_t drain;      // TCP: in which it was closed, others: in which it was created
  uint16_t cpu;        // whose ring it came from first
  uint64_t packets;    // since the last record
  uint64_t bytes;
  uint32_t start;  // jiffies of the first and the last packet since the last record
  uint32_t last;
  uint32_t flag_counts[kFlagCount];
};
static_assert(sizeof(Hot) == 128);

/** What only the way out touches. */
struct Cold {
  double first_seen;  // Unix ms
  uint64_t packets;   // of all records so far
  uint64_t bytes;
};
static_assert(sizeof(Cold) == 24);

/** What others told of a connection, 0 where they did not. */
struct Told {
  uint32_t rtt_micros = 0;
  uint32_t min_rtt_micros = 0;
  uint32_t setup_micros = 0;
  uint32_t retransmits = 0;  // of this direction, since the last record
  bool own_end = false;      // the round-trip times are those of the end this direction comes from
};

class Store {
 public:
  explicit Store(uint32_t most);

  Hot& hot(uint32_t slot) { return chunks_[slot / kChunk]->hot[slot % kChunk]; }
  const Hot& hot(uint32_t slot) const { return chunks_[slot / kChunk]->hot[slot % kChunk]; }
  Cold& cold(uint32_t slot) { return chunks_[slot / kChunk]->cold[slot % kChunk]; }
  /** nullptr: nothing was told of any flow near this one. Only flows that are annotated cost this memory. */
  Told* told(uint32_t slot) {
    const auto& chunk = chunks_[slot / kChunk];
    return chunk->told ? &chunk->told[slot % kChunk] : nullptr;
  }
  /** Made where missing; nullptr without memory. */
  Told* make_told(uint32_t slot);

  void prefetch(uint32_t slot) const {
    const Hot* at = &chunks_[slot / kChunk]->hot[slot % kChunk];
    __builtin_prefetch(at, 1);
    __builtin_prefetch(reinterpret_cast<const char*>(at) + 64, 1);
  }
  void prefetch_cold(uint32_t slot) const { __builtin_prefetch(&chunks_[slot / kChunk]->cold[slot % kChunk], 1); }

  /** The lowest free slot, its contents undefined; kNone when full or without memory. */
  uint32_t take();
  void give(uint32_t slot);
  bool used(uint32_t slot) const { return slot / 64 < words_.size() && (words_[slot / 64] >> (slot % 64)) & 1; }
  /** The first used slot at or after `slot`, kNone if there is none. */
  uint32_t next_used(uint32_t slot) const;
  /** Frees chunks nobody uses, but for the first. No slot of a free chunk may be touched afterwards. */
  void trim();

  uint32_t size() const { return size_; }
  uint32_t most() const { return most_; }
  size_t bytes() const;

 private:
  static constexpr uint32_t kChunk = 2048;
  struct Chunk {
    Hot hot[kChunk];
    Cold cold[kChunk];
    std::unique_ptr<Told[]> told;
  };

  uint32_t most_;
  uint32_t size_ = 0;
  uint32_t lowest_ = 0;          // no word before this one has a free slot
  std::vector<uint64_t> words_;  // one bit per slot
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::vector<uint32_t> chunk_used_;
};

}  // namespace retina::flows
