// The way out: from changed flows to rows in JavaScript's memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "clock.hpp"
#include "row.hpp"
#include "schedule.hpp"
#include "table.hpp"

namespace retina::flows {

/** Lends memory for rows. */
class BatchSink {
 public:
  virtual ~BatchSink() = default;
  /** Room for `rows` rows, the same until submit(); nullptr when JavaScript has it all. */
  virtual Row* acquire(size_t& rows) = 0;
  virtual void submit(size_t rows) = 0;
};

class Output {
 public:
  Output(Table& table, Schedule& schedule, const Clock& clock, BatchSink& sink)
      : table_(table), schedule_(schedule), clock_(clock), sink_(sink) {}

  /** Counters in rows are multiplied by it; 0 and 1: every packet is looked at. */
  void set_sampling(uint32_t sampling) { sampling_ = sampling == 0 ? 1 : sampling; }

  /**
   * Writes what is urgent and what is due. False if the sink was full: call again, nothing is lost. `more`: called for
   * what the last call left, not by the clock.
   */
  bool run(bool more);

  /** Records that had to wait for JavaScript, counted once per drain: what comes meanwhile is merged into them. */
  uint64_t deferred() const { return deferred_; }
  uint64_t rows() const { return rows_; }

 private:
  bool drain(std::vector<uint32_t>& list, uint8_t bit);
  /** Rows this flow is worth now: one per pending event, else one if something changed. */
  static int worth(const Hot& flow);
  void write(uint32_t slot, Event event, bool counts);
  bool room(size_t rows);
  void hand_over();

  Table& table_;
  Schedule& schedule_;
  const Clock& clock_;
  BatchSink& sink_;
  uint32_t sampling_ = 1;
  Row* slab_ = nullptr;
  size_t capacity_ = 0;
  size_t used_ = 0;
  uint64_t deferred_ = 0;
  uint64_t rows_ = 0;
};

}  // namespace retina::flows
