// The flow table: every flow seen at every tap, paired into connections.
#pragma once

#include <cstdint>

#include "clock.hpp"
#include "index.hpp"
#include "interfaces.hpp"
#include "key.hpp"
#include "schedule.hpp"
#include "store.hpp"
#include "tuple_set.hpp"

namespace retina::flows {

struct Timeouts {
  uint32_t tcp_s = 360;
  uint32_t other_s = 60;
  uint32_t closed_s = 30;
};

struct Counts {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  void add(uint64_t more_packets, uint64_t more_bytes) {
    packets += more_packets;
    bytes += more_bytes;
  }
};

/** Totals since start, but for the gauges. attributed + full = everything given to add(). */
struct TableTotals {
  Counts attributed;
  Counts full;               // came when no slot was free
  uint64_t connections = 0;  // gauges: live connections, each counted at one tap
  Counts reply;
  Counts forward;
};

class Table {
 public:
  Table(uint32_t max_flows, const Timeouts& timeouts, const uint64_t (&secrets)[4], const Clock& clock,
        Schedule& schedule)
      : store_(max_flows), hasher_(secrets), timeouts_(timeouts), clock_(clock), schedule_(schedule) {}

  /** Starts a drain: what is closed in it and what was closed before are told apart. */
  void next_drain() { drain_++; }

  static constexpr size_t kGroup = 32;
  /** Counts up to kGroup records, in order. */
  void add(const Record* records, size_t count);

  /** Ends flows nothing was heard of: looks at as many slots as `share` (0 to 1) of the table is. */
  void sweep(double share);

  /** Sets what is known (not 0) of a connection and adds retransmits to one direction, at every tap that sees it. */
  bool annotate(Key key, const Told& told);

  /** Tells what an interface is. Flows of an earlier interface with the same index end. */
  void set_interface(uint32_t ifindex, Role role, uint32_t netns);
  /** The interface has gone: what is not yet reported goes out at once, the flows stay until they expire. */
  void forget_interface(uint32_t ifindex);

  /** Called by the way out when a flow that is no longer live has been reported. */
  void release(uint32_t slot) {
    interfaces_.at(store_.hot(slot).key.ifindex).flows--;
    store_.give(slot);
  }

  Store& store() { return store_; }
  const Store& store() const { return store_; }
  Interfaces& interfaces() { return interfaces_; }
  const TableTotals& totals() const { return totals_; }
  /** Memory in use. */
  size_t bytes() const { return store_.bytes() + index_.bytes() + tuples_.bytes(); }

 private:
  void apply(const Record& record, uint64_t hash, uint32_t hint);
  uint32_t find(const Key& key, uint64_t hash) const;
  uint32_t create(const Record& record, uint64_t hash);
  void link(uint32_t slot, uint32_t older, const Record& record);
  void first_orientation(Hot& flow, const Record& record) const;
  /** SYN, FIN and RST. */
  void transition(uint32_t slot, const Record& record);
  void orient(uint32_t slot, bool forward);
  void start(uint32_t slot);
  void close(uint32_t slot, uint8_t event, uint32_t at);
  /** Whether an opening record begins a new connection on the closed one `flow` belongs to. */
  bool reopens(const Hot& flow, const Record& record) const;
  /** Takes both flows of a connection out of the index; they go once they are reported. */
  void retire(uint32_t slot, bool expired);
  void retire_one(uint32_t slot);
  /** Takes over what is known of the connection; retransmits are the direction's own. */
  /** `own_end`: whether the end this direction comes from says it. */
  void tell(uint32_t slot, const Told& told, bool own_end);
  bool idle(const Hot& flow) const;
  Counts& gauge(const Hot& flow) { return flow.role & kForward ? totals_.forward : totals_.reply; }

  Store store_;
  Index index_;
  TupleSet tuples_;
  Hasher hasher_;
  Timeouts timeouts_;
  const Clock& clock_;
  Schedule& schedule_;
  Interfaces interfaces_;
  TableTotals totals_;
  uint16_t drain_ = 0;
  uint32_t swept_ = 0;  // next slot to look at
  double owed_ = 0;     // slots to look at, fractions kept
};

}  // namespace retina::flows
