#include "table.hpp"

#include <algorithm>
#include <bit>

namespace retina::flows {

namespace {
constexpr uint16_t kFin = 1;
constexpr uint16_t kSyn = 2;
constexpr uint16_t kRst = 4;
constexpr uint16_t kAck = 16;

constexpr bool before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }
constexpr bool first_packet_decides(uint8_t protocol) { return protocol != kTcp && !is_icmp(protocol); }
}  // namespace

void Table::add(const Record* records, size_t count) {
  uint64_t hashes[kGroup];
  uint32_t hints[kGroup];
  // Three passes, so that the cache misses of a group overlap.
  for (size_t i = 0; i < count; i++) {
    hashes[i] = hasher_(records[i].key);
    index_.prefetch(hashes[i]);
  }
  for (size_t i = 0; i < count; i++) {
    hints[i] = index_.candidate(hashes[i]);
    if (hints[i] != kNone) store_.prefetch(hints[i]);
  }
  for (size_t i = 0; i < count; i++) apply(records[i], hashes[i], hints[i]);
}

uint32_t Table::find(const Key& key, uint64_t hash) const {
  return index_.find(hash, [&](uint32_t slot) { return store_.hot(slot).key == key; });
}

void Table::apply(const Record& record, uint64_t hash, uint32_t hint) {
  uint32_t slot = hint;
  if (slot == kNone || !(store_.hot(slot).state & kLive) || !(store_.hot(slot).key == record.key)) {
    slot = find(record.key, hash);
  }
  const uint16_t events = record.key.protocol == kTcp ? record.tcp_flags & (kFin | kSyn | kRst) : 0;
  if (slot != kNone && (events & kSyn) && reopens(store_.hot(slot), record)) {
    retire(slot, false);
    slot = kNone;
  }
  if (slot == kNone && (slot = create(record, hash)) == kNone) {
    totals_.full.add(record.packets, record.bytes);
    return;
  }

  Hot& flow = store_.hot(slot);
  const uint32_t first = clock_.widen(record.first), last = clock_.widen(record.last);
  if (flow.packets == 0 || before(first, flow.start)) flow.start = first;
  if (before(flow.last, last)) flow.last = last;
  flow.packets += record.packets;
  flow.bytes += record.bytes;
  totals_.attributed.add(record.packets, record.bytes);
  if (flow.state & kPrimary) gauge(flow).add(record.packets, record.bytes);
  if (record.key.protocol == kTcp) {
    uint32_t flags = record.tcp_flags & 0x1ffu;
    if ((flags & (kSyn | kAck)) == (kSyn | kAck)) flags = (flags & ~uint32_t{kSyn | kAck}) | (1u << kSynAckFlag);
    for (; flags != 0; flags &= flags - 1)
      flow.flag_counts[std::countr_zero(flags)] += static_cast<uint32_t>(record.packets);
    if (events != 0) transition(slot, record);
  }
  schedule_.touch(slot, flow);
}

uint32_t Table::create(const Record& record, uint64_t hash) {
  Key other;
  uint32_t older = kNone;
  if (reverse(record.key, other)) older = find(other, hasher_(other));
  if (older != kNone && record.key.protocol == kTcp && (record.tcp_flags & kSyn) &&
      reopens(store_.hot(older), record)) {
    retire(older, false);
    older = kNone;
  }

  const uint32_t slot = store_.take();
  if (slot == kNone) return kNone;
  if (!index_.insert(hash, slot)) {
    store_.give(slot);
    return kNone;
  }
  Interface& interface = interfaces_.at(record.key.ifindex);
  interface.flows++;
  Hot& flow = store_.hot(slot);
  flow = Hot{};
  flow.key = record.key;
  flow.netns = interface.netns;
  flow.role = interface.role == Role::kEndpoint ? 0 : kHostTap;
  flow.pair = kNone;
  flow.state = kLive | kFresh;
  flow.start = clock_.widen(record.first);
  flow.last = clock_.widen(record.last);
  flow.drain = drain_;
  flow.cpu = record.cpu;
  store_.cold(slot) = Cold{.first_seen = clock_.unix_ms(flow.start), .packets = 0, .bytes = 0};

  if (older != kNone && older != slot) {
    link(slot, older, record);
  } else {
    flow.state |= kOrigin;
    first_orientation(flow, record);
    if (is_connection(record.key) && tuples_.insert(hasher_.connection(record.key))) {
      flow.state |= kPrimary;
      totals_.connections++;
    }
    if (record.key.protocol != kTcp) start(slot);
  }
  return slot;
}

void Table::first_orientation(Hot& flow, const Record& record) const {
  const Key& key = record.key;
  if (is_icmp(key.protocol)) {
    if (!icmp_is_reply(key.protocol, key.source_port)) flow.role |= kForward;
    if (!icmp_is_error(key.protocol, key.source_port)) flow.role |= kKnown;
  } else if (key.protocol != kTcp) {
    flow.role |= kForward | kKnown;
  } else {
    // In the middle of a connection: the lower port is taken for the responder's, and the record says "unknown". What
    // opens a connection is oriented by transition().
    if (key.destination_port <= key.source_port) flow.role |= kForward;
  }
}

void Table::link(uint32_t slot, uint32_t older, const Record& record) {
  Hot& flow = store_.hot(slot);
  Hot& first = store_.hot(older);
  flow.pair = older;
  first.pair = slot;
  flow.role = static_cast<uint8_t>((flow.role & kHostTap) | ((first.role ^ kForward) & (kForward | kKnown)));
  flow.state |= first.state & kPrimary;
  flow.life = first.life & (kClosed | kStarted);
  flow.closed_at = first.closed_at;
  Cold& cold = store_.cold(slot);
  Cold& first_cold = store_.cold(older);
  cold.first_seen = first_cold.first_seen = std::min(cold.first_seen, first_cold.first_seen);
  if (const Told* told = store_.told(older)) tell(slot, *told, false);
  if (record.key.protocol == kTcp) {
    flow.drain = first.drain;
    return;
  }
  // Rings are read one CPU after the other: what came first within one drain is said by the stamps, and within one
  // jiffy by the ports.
  const bool order_unknown = first.drain == drain_ && (first.cpu != record.cpu || record.cpu == kNoCpu);
  if (!first_packet_decides(record.key.protocol) || !order_unknown) return;
  const bool earlier =
      flow.start == first.start ? flow.key.destination_port < flow.key.source_port : before(flow.start, first.start);
  if (earlier) {
    orient(slot, true);
    start(slot);
  }
}

bool Table::reopens(const Hot& flow, const Record& record) const {
  // Closed by an earlier drain: anything that opens is new. By this one: another CPU's ring may have been read first,
  // so only what came after the close is.
  return (flow.life & kClosed) && (flow.drain != drain_ || before(flow.closed_at, clock_.widen(record.first)));
}

void Table::transition(uint32_t slot, const Record& record) {
  Hot& flow = store_.hot(slot);
  if (record.tcp_flags & kSyn) {
    if (!(flow.role & kKnown)) orient(slot, !(record.tcp_flags & kAck));
    start(slot);
  }
  if (record.tcp_flags & kFin) {
    flow.life |= kFinSeen;
    const bool both = flow.pair != kNone && (store_.hot(flow.pair).life & kFinSeen);
    if (both && !(flow.life & kClosed)) close(slot, kEndEvent, clock_.widen(record.last));
  }
  if ((record.tcp_flags & kRst) && !(flow.life & kClosed)) close(slot, kResetEvent, clock_.widen(record.last));
}

void Table::orient(uint32_t slot, bool forward) {
  Hot& flow = store_.hot(slot);
  const bool turned = ((flow.role & kForward) != 0) != forward;
  for (uint32_t each = slot, n = 0; n < 2 && each != kNone; each = flow.pair, n++) {
    Hot& one = store_.hot(each);
    if (turned && (one.state & kPrimary)) {
      const Cold& cold = store_.cold(each);
      Counts& from = gauge(one);
      from.packets -= cold.packets + one.packets;
      from.bytes -= cold.bytes + one.bytes;
      one.role ^= kForward;
      gauge(one).add(cold.packets + one.packets, cold.bytes + one.bytes);
    } else if (turned) {
      one.role ^= kForward;
    }
    one.role |= kKnown;
  }
}

void Table::start(uint32_t slot) {
  Hot& flow = store_.hot(slot);
  Hot* pair = flow.pair == kNone ? nullptr : &store_.hot(flow.pair);
  if (flow.life & kStarted) {
    // The answer was read first: the start belongs to the initiator's flow.
    if (pair && (flow.role & kForward) && (pair->events & kStartEvent)) {
      pair->events &= static_cast<uint8_t>(~kStartEvent);
      flow.events |= kStartEvent;
      schedule_.urge(slot, flow);
    }
    return;
  }
  flow.life |= kStarted;
  if (pair) pair->life |= kStarted;
  const bool own = !pair || (flow.role & kForward);
  (own ? flow : *pair).events |= kStartEvent;
  schedule_.urge(own ? slot : flow.pair, own ? flow : *pair);
}

void Table::close(uint32_t slot, uint8_t event, uint32_t at) {
  Hot& flow = store_.hot(slot);
  flow.events |= event;
  for (uint32_t each = slot, n = 0; n < 2 && each != kNone; each = flow.pair, n++) {
    Hot& one = store_.hot(each);
    one.life |= kClosed;
    one.closed_at = at;
    one.drain = drain_;
    schedule_.urge(each, one);
  }
}

void Table::retire(uint32_t slot, bool expired) {
  Hot& flow = store_.hot(slot);
  const uint32_t pair = flow.pair;
  if (flow.state & kPrimary) {
    tuples_.erase(hasher_.connection(flow.key));
    totals_.connections--;
  }
  if (expired && !(flow.life & kClosed)) {
    Hot& teller = pair == kNone || (flow.role & kForward) ? flow : store_.hot(pair);
    teller.events |= kExpiredEvent;
  }
  retire_one(slot);
  if (pair != kNone) retire_one(pair);
}

void Table::retire_one(uint32_t slot) {
  Hot& flow = store_.hot(slot);
  index_.erase(hasher_(flow.key), slot);
  if (flow.state & kPrimary) {
    Counts& shown = gauge(flow);
    shown.packets -= store_.cold(slot).packets + flow.packets;
    shown.bytes -= store_.cold(slot).bytes + flow.bytes;
  }
  flow.state &= static_cast<uint8_t>(~kLive);
  schedule_.urge(slot, flow);
}

bool Table::idle(const Hot& flow) const {
  uint32_t seconds = flow.key.protocol == kTcp ? timeouts_.tcp_s : timeouts_.other_s;
  if ((flow.life & kClosed) || ((flow.life & kFinSeen) && flow.pair == kNone)) seconds = timeouts_.closed_s;
  return before(flow.last + clock_.seconds(seconds), clock_.now_jiffies());
}

void Table::sweep(double share) {
  owed_ += std::min(share, 1.0) * store_.most();
  uint32_t steps = static_cast<uint32_t>(owed_);
  owed_ -= steps;
  while (steps > 0) {
    const uint32_t end = std::min(store_.most(), swept_ + steps);
    for (uint32_t slot = store_.next_used(swept_); slot < end; slot = store_.next_used(slot + 1)) {
      const Hot& flow = store_.hot(slot);
      if (!(flow.state & kLive) || !idle(flow)) continue;
      if (flow.pair != kNone && !idle(store_.hot(flow.pair))) continue;
      retire(slot, true);
    }
    steps -= end - swept_;
    swept_ = end;
    if (swept_ == store_.most()) {
      swept_ = 0;
      store_.trim();
      index_.trim();
      tuples_.trim();
      schedule_.trim();
      interfaces_.sweep(clock_.now_jiffies(), clock_.seconds(60));
    }
  }
}

void Table::tell(uint32_t slot, const Told& told, bool own_end) {
  Told* known = store_.make_told(slot);
  if (!known) return;
  // With both ends on this node each measures times of its own. A record has those of one end, never of both.
  const bool measured = told.rtt_micros != 0 || told.min_rtt_micros != 0;
  if (measured && own_end && !known->own_end) {
    known->rtt_micros = known->min_rtt_micros = 0;
    known->own_end = true;
  }
  if (own_end == known->own_end) {
    if (told.rtt_micros != 0) known->rtt_micros = told.rtt_micros;
    if (told.min_rtt_micros != 0) known->min_rtt_micros = told.min_rtt_micros;
  }
  if (told.setup_micros != 0) known->setup_micros = told.setup_micros;
}

bool Table::annotate(Key key, const Told& told) {
  bool found = false;
  for (const auto& [ifindex, interface] : interfaces_) {
    if (interface.flows == 0) continue;
    for (const uint8_t hook : {uint8_t{0}, kEgressHook}) {
      key.ifindex = ifindex;
      key.bits = static_cast<uint8_t>((key.bits & ~kEgressHook) | hook);
      const uint32_t slot = find(key, hasher_(key));
      if (slot == kNone) continue;
      found = true;
      Hot& flow = store_.hot(slot);
      flow.state |= kAnnotated;
      tell(slot, told, true);
      if (flow.pair != kNone) tell(flow.pair, told, false);
      if (Told* known = store_.told(slot)) known->retransmits += told.retransmits;
      schedule_.touch(slot, flow);
    }
  }
  return found;
}

void Table::set_interface(uint32_t ifindex, Role role, uint32_t netns) {
  Interface& interface = interfaces_.at(ifindex);
  const bool another = interface.told && (interface.gone || interface.netns != netns);
  const bool late = !interface.told || interface.role != role;
  if ((another || late) && interface.flows > 0) {
    for (uint32_t slot = store_.next_used(0); slot != kNone; slot = store_.next_used(slot + 1)) {
      Hot& flow = store_.hot(slot);
      if (!(flow.state & kLive) || flow.key.ifindex != ifindex) continue;
      if (another) {
        retire(slot, true);  // what it still has to report bears the old interface's role and namespace
      } else {
        flow.netns = netns;
        flow.role = static_cast<uint8_t>((flow.role & ~kHostTap) | (role == Role::kEndpoint ? 0 : kHostTap));
      }
    }
  }
  interface.role = role;
  interface.netns = netns;
  interface.told = true;
  interface.gone = false;
}

void Table::forget_interface(uint32_t ifindex) {
  Interface& interface = interfaces_.at(ifindex);
  interface.gone = true;
  interface.gone_at = clock_.now_jiffies();
  if (interface.flows == 0) return;
  for (uint32_t slot = store_.next_used(0); slot != kNone; slot = store_.next_used(slot + 1)) {
    Hot& flow = store_.hot(slot);
    if ((flow.state & kLive) && flow.key.ifindex == ifindex && flow.packets > 0) schedule_.urge(slot, flow);
  }
}

}  // namespace retina::flows
