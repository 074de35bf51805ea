#include "output.hpp"

#include <cstring>
#include <utility>

namespace retina::flows {

bool Output::run(bool more) {
  const bool all = drain(schedule_.urgent(), kUrgent) && drain(schedule_.due(), kQueued);
  hand_over();
  if (!all && !more) deferred_ += schedule_.urgent().size() + schedule_.due().size();
  return all;
}

bool Output::drain(std::vector<uint32_t>& list, uint8_t bit) {
  Store& store = table_.store();
  size_t at = 0;
  for (; at < list.size(); at++) {
    if (at + 8 < list.size() && store.used(list[at + 8])) {
      store.prefetch(list[at + 8]);
      store.prefetch_cold(list[at + 8]);
    }
    const uint32_t slot = list[at];
    if (!store.used(slot)) continue;
    Hot& flow = store.hot(slot);
    if (!(flow.state & bit)) continue;
    const int rows = worth(flow);
    if (rows > 0 && !room(static_cast<size_t>(rows))) break;
    flow.state &= static_cast<uint8_t>(~bit);
    // Counts go with the first row; a start and an end within one drain make two.
    bool counts = true;
    for (const auto& [pending, event] :
         {std::pair{kStartEvent, Event::kStart}, std::pair{kEndEvent, Event::kEnd},
          std::pair{kResetEvent, Event::kReset}, std::pair{kExpiredEvent, Event::kExpired}}) {
      if (!(flow.events & pending)) continue;
      write(slot, event, counts);
      counts = false;
    }
    if (rows > 0 && flow.events == 0) write(slot, Event::kUpdate, true);
    flow.events = 0;
    if (!(flow.state & kLive)) table_.release(slot);
  }
  if (at == list.size()) {
    list.clear();
    return true;
  }
  list.erase(list.begin(), list.begin() + static_cast<ptrdiff_t>(at));
  return false;
}

int Output::worth(const Hot& flow) {
  const int events = __builtin_popcount(flow.events);
  if (events > 0) return events;
  return flow.packets > 0 || (flow.state & kAnnotated) ? 1 : 0;
}

bool Output::room(size_t rows) {
  if (slab_ && used_ + rows <= capacity_) return true;
  hand_over();
  slab_ = sink_.acquire(capacity_);
  if (slab_ && rows > capacity_) slab_ = nullptr;
  return slab_ != nullptr;
}

void Output::hand_over() {
  if (used_ > 0) sink_.submit(used_);
  rows_ += used_;
  used_ = 0;
  slab_ = nullptr;
}

void Output::write(uint32_t slot, Event event, bool counts) {
  Hot& flow = table_.store().hot(slot);
  Cold& cold = table_.store().cold(slot);
  Told* told = table_.store().told(slot);
  const Key& key = flow.key;
  Row& row = slab_[used_++];
  row = Row{};
  std::memcpy(row.source_address, key.source, 32);
  row.first_seen = cold.first_seen;
  row.end = clock_.unix_ms(flow.last);
  row.start = flow.packets > 0 ? clock_.unix_ms(flow.start) : row.end;
  if (counts) {
    row.packets = static_cast<double>(flow.packets * sampling_);
    row.bytes = static_cast<double>(flow.bytes * sampling_);
    for (int i = 0; i < kFlagCount; i++) {
      row.flag_counts[i] = flow.flag_counts[i] * sampling_;
      if (flow.flag_counts[i] != 0) row.tcp_flags |= static_cast<uint16_t>(1u << i);
    }
    if (row.tcp_flags & (1u << kSynAckFlag)) row.tcp_flags |= 1u << 1 | 1u << 4;
    if (told) row.retransmits = std::exchange(told->retransmits, 0);
    cold.packets += flow.packets;
    cold.bytes += flow.bytes;
    flow.packets = flow.bytes = 0;
    std::memset(flow.flag_counts, 0, sizeof flow.flag_counts);
  }
  row.flow_id = slot;
  row.connection_id = flow.state & kOrigin || flow.pair == kNone ? slot : flow.pair;
  row.ifindex = key.ifindex;
  row.netns = flow.netns;
  if (told) {
    row.rtt_micros = told->rtt_micros;
    row.min_rtt_micros = told->min_rtt_micros;
    row.setup_micros = told->setup_micros;
  }
  row.sampling = sampling_;
  if (is_icmp(key.protocol)) {
    row.icmp_type = static_cast<uint8_t>(key.source_port);
    row.icmp_code = static_cast<uint8_t>(key.destination_port);
  } else {
    row.source_port = key.source_port;
    row.destination_port = key.destination_port;
  }
  row.protocol = key.protocol;
  row.family = key.bits & kIpV6 ? 6 : 4;
  const bool egress_hook = key.bits & kEgressHook;
  if (flow.role & kHostTap) {
    row.observation = egress_hook ? kToNetwork : kFromNetwork;
    row.direction = egress_hook ? kDirectionEgress : kDirectionIngress;
  } else {
    row.observation = egress_hook ? kToEndpoint : kFromEndpoint;
    row.direction = egress_hook ? kDirectionIngress : kDirectionEgress;
  }
  row.is_reply = !(flow.role & kKnown) ? kReplyUnknown : flow.role & kForward ? kReplyNo : kReplyYes;
  row.verdict = kForwarded;
  row.event = static_cast<uint8_t>(event);
  row.fresh = flow.state & kFresh ? 1 : 0;
  flow.state &= static_cast<uint8_t>(~(kFresh | kAnnotated));
}

}  // namespace retina::flows
