// A flow record as JavaScript reads it: FLOW_OFFSETS of the SDK.
#pragma once

#include <cstddef>
#include <cstdint>

#include "store.hpp"

namespace retina::flows {

struct Row {
  uint8_t source_address[16];
  uint8_t destination_address[16];
  double first_seen;
  double start;
  double end;
  double bytes;
  double packets;
  uint32_t flag_counts[kFlagCount];
  uint32_t flow_id;
  uint32_t ifindex;
  uint32_t netns;
  uint32_t rtt_micros;
  uint32_t retransmits;
  uint32_t drop_reason;
  uint32_t drop_location;
  uint32_t source_endpoint;
  uint32_t destination_endpoint;
  uint32_t tap_endpoint;
  uint32_t connection_id;
  uint32_t sampling;
  uint16_t source_port;
  uint16_t destination_port;
  uint16_t tcp_flags;
  uint8_t protocol;
  uint8_t family;
  uint8_t direction;
  uint8_t observation;
  uint8_t is_reply;
  uint8_t verdict;
  uint8_t event;
  uint8_t icmp_type;
  uint8_t icmp_code;
  uint8_t fresh;
  uint32_t min_rtt_micros;
  uint32_t setup_micros;
  uint8_t spare[8];
};
static_assert(sizeof(Row) == 192 && offsetof(Row, flow_id) == 112 && offsetof(Row, source_port) == 160 &&
              offsetof(Row, fresh) == 175 && offsetof(Row, min_rtt_micros) == 176);

/** Values of the SDK's FlowEvent, Direction, Observation, Reply and Verdict. */
enum class Event : uint8_t { kUpdate, kStart, kEnd, kReset, kExpired };
constexpr uint8_t kDirectionIngress = 1, kDirectionEgress = 2;
constexpr uint8_t kFromEndpoint = 0, kToEndpoint = 1, kFromNetwork = 2, kToNetwork = 3;
constexpr uint8_t kReplyNo = 0, kReplyYes = 1, kReplyUnknown = 2;
constexpr uint8_t kForwarded = 1;

}  // namespace retina::flows
