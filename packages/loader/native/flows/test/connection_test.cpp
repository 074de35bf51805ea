// The life of a connection, told packet by packet.
#include <algorithm>
#include <optional>

#include "check.hpp"
#include "fake_kernel.hpp"

using namespace retina::flows;

namespace {
constexpr auto kNo = kReplyNo, kYes = kReplyYes, kUnknown = kReplyUnknown;
const Packet kClient{};                 // 10.0.0.1:40000 -> 10.0.0.2:80, ingress hook
const Packet kServer = kClient.back();  // the other way
const Packet kQuery{.sport = 40000, .dport = 53, .protocol = kUdp};

bool is_from(const Row& row, const Packet& packet) {
  const rt_spill_key key = spill_key_of(packet);
  return std::memcmp(row.source_address, key.saddr, 32) == 0 && row.ifindex == packet.ifindex &&
         row.protocol == packet.protocol &&
         (is_icmp(packet.protocol) ? row.icmp_type == packet.sport : row.source_port == packet.sport);
}
/** The rows of one flow, added up: identity and state of the last one. */
std::optional<Row> sum_of(const std::vector<Row>& rows, const Packet& packet) {
  std::optional<Row> out;
  for (const Row& row : rows) {
    if (!is_from(row, packet)) continue;
    const Row before = out.value_or(Row{});
    out = row;
    out->packets += before.packets;
    out->bytes += before.bytes;
    out->fresh |= before.fresh;
    out->retransmits += before.retransmits;
    for (int i = 0; i < kFlagCount; i++) out->flag_counts[i] += before.flag_counts[i];
  }
  return out;
}
size_t events(const std::vector<Row>& rows, Event event) {
  return static_cast<size_t>(std::count_if(rows.begin(), rows.end(),
                                           [&](const Row& row) { return row.event == static_cast<uint8_t>(event); }));
}
const Row* first(const std::vector<Row>& rows, Event event) {
  const auto at =
      std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return row.event == static_cast<uint8_t>(event); });
  return at == rows.end() ? nullptr : &*at;
}

/** Every packet of a short TCP connection; the client's come on CPU `client`. */
void converse(FakeKernel& kernel, const Packet& from_client, uint32_t client, uint32_t server) {
  const Packet from_server = from_client.back();
  kernel.send(client, from_client.with(kSyn));
  kernel.send(server, from_server.with(kSyn | kAck));
  kernel.send(client, from_client.with(kAck));
  kernel.send(client, from_client.with(kPsh | kAck));
  kernel.send(server, from_server.with(kPsh | kAck));
  kernel.send(client, from_client.with(kFin | kAck));
  kernel.send(server, from_server.with(kFin | kAck));
  kernel.send(client, from_client.with(kAck));
}
}  // namespace

TEST(tcp_connection_whatever_ring_is_read_first) {
  for (const uint32_t client : {0u, 1u}) {
    World world;
    converse(world.kernel, kClient, client, 1 - client);
    world.run(50);
    const auto rows = world.sink.take();
    CHECK_EQ(events(rows, Event::kStart), 1u);
    CHECK_EQ(events(rows, Event::kEnd), 1u);
    CHECK(first(rows, Event::kStart) && is_from(*first(rows, Event::kStart), kClient));
    const auto forward = sum_of(rows, kClient), reply = sum_of(rows, kServer);
    CHECK(forward && reply);
    if (!forward || !reply) continue;
    CHECK_EQ(forward->is_reply, kNo);
    CHECK_EQ(reply->is_reply, kYes);
    CHECK_EQ(forward->packets, 5.0);
    CHECK_EQ(reply->bytes, 300.0);
    CHECK_EQ(forward->connection_id, reply->connection_id);
    CHECK(forward->flow_id != reply->flow_id);
    CHECK_EQ(forward->first_seen, reply->first_seen);
    // Packets per flag; SYN+ACK on its own.
    const uint32_t sent[kFlagCount] = {1, 1, 0, 1, 4, 0, 0, 0, 0, 0}, got[kFlagCount] = {1, 0, 0, 1, 2, 0, 0, 0, 0, 1};
    CHECK(std::equal(sent, sent + kFlagCount, forward->flag_counts));
    CHECK(std::equal(got, got + kFlagCount, reply->flag_counts));
    // Endpoint tap: what comes out of the endpoint is the ingress hook's.
    CHECK_EQ(forward->direction, kDirectionEgress);
    CHECK_EQ(forward->observation, kFromEndpoint);
    CHECK_EQ(reply->direction, kDirectionIngress);
    CHECK_EQ(reply->observation, kToEndpoint);
    CHECK_EQ(world.engine.stats().table.forward.packets, 5u);
    CHECK_EQ(world.engine.stats().table.reply.packets, 3u);
  }
}

TEST(refused_connection_is_reset_by_the_reply) {
  for (const uint32_t client : {0u, 1u}) {
    World world;
    world.kernel.send(client, kClient.with(kSyn));
    world.kernel.send(1 - client, kServer.with(kRst | kAck));
    const auto rows = world.all();
    CHECK_EQ(events(rows, Event::kStart), 1u);
    CHECK_EQ(events(rows, Event::kReset), 1u);
    CHECK_EQ(rows.size(), 2u);
    CHECK(first(rows, Event::kReset) && is_from(*first(rows, Event::kReset), kServer) &&
          first(rows, Event::kReset)->is_reply == kYes);
    CHECK_EQ(world.engine.stats().table.connections, 1u);
  }
}

TEST(ports_are_used_again) {
  World world;
  converse(world.kernel, kClient, 0, 1);
  const auto before = world.all();
  world.pass(1000);
  converse(world.kernel, kClient, 1, 0);
  const auto after = world.all();
  CHECK_EQ(events(after, Event::kStart), 1u);
  CHECK_EQ(events(after, Event::kEnd), 1u);
  const auto old_one = sum_of(before, kClient), new_one = sum_of(after, kClient);
  CHECK(new_one && new_one->fresh == 1 && new_one->packets == 5 && new_one->first_seen > old_one->first_seen + 900);
  CHECK(sum_of(after, kServer)->fresh == 1);
  CHECK_EQ(world.engine.stats().flows, 2u);
  // Within one jiffy, but in the next drain; and from the other end, which was not heard of before.
  World quick;
  converse(quick.kernel, kClient, 0, 1);
  quick.all();
  quick.kernel.send(0, kClient.with(kSyn));
  CHECK_EQ(events(quick.all(), Event::kStart), 1u);
  CHECK_EQ(quick.engine.stats().table.connections, 1u);
  World other;
  other.kernel.send(0, kServer.with(kRst));
  other.all();
  other.pass(1000);
  other.kernel.send(0, kClient.with(kSyn));
  CHECK_EQ(events(other.all(), Event::kStart), 1u);
  CHECK_EQ(other.engine.stats().table.connections, 1u);
  CHECK_EQ(other.engine.stats().table.forward.packets, 1u);
  // A SYN sent again into a living connection is no new one.
  World quiet;
  quiet.kernel.send(0, kClient.with(kSyn));
  quiet.all();
  quiet.pass(1000);
  quiet.kernel.send(0, kClient.with(kSyn));
  const auto again = quiet.all();
  CHECK_EQ(again.size(), 1u);
  CHECK_EQ(again[0].fresh, 0);
  CHECK_EQ(again[0].event, static_cast<uint8_t>(Event::kUpdate));
}

TEST(midstream_tcp_is_unknown_until_it_is_known) {
  World world;
  world.kernel.send(0, kServer.with(kAck));
  world.kernel.send(0, kClient.with(kAck));
  auto rows = world.all();
  CHECK_EQ(events(rows, Event::kStart), 0u);
  CHECK_EQ(sum_of(rows, kClient)->is_reply, kUnknown);
  CHECK_EQ(sum_of(rows, kServer)->is_reply, kUnknown);
  // For the gauges the lower port is the responder's.
  CHECK_EQ(world.engine.stats().table.forward.packets, 1u);
  world.kernel.send(0, kClient.with(kAck));
  CHECK_EQ(world.all().size(), 1u);
  CHECK_EQ(world.engine.stats().table.forward.packets, 2u);

  // The answer alone tells who began, also when the ports would say otherwise.
  World odd;
  const Packet backwards{.sport = 80, .dport = 40000};
  odd.kernel.send(0, backwards.with(kAck));
  odd.all();
  odd.kernel.send(0, backwards.back(kSyn | kAck));
  rows = odd.all();
  CHECK_EQ(sum_of(rows, backwards.back())->is_reply, kYes);
  CHECK_EQ(odd.engine.stats().table.forward.packets, 1u);
  CHECK_EQ(odd.engine.stats().table.reply.packets, 1u);
}

TEST(udp_is_initiated_by_the_first_packet) {
  for (const uint32_t client : {0u, 1u}) {
    World world;
    world.kernel.send(client, kQuery);  // within one jiffy: the port tells
    world.kernel.send(1 - client, kQuery.back());
    auto rows = world.all();
    CHECK_EQ(sum_of(rows, kQuery)->is_reply, kNo);
    CHECK_EQ(sum_of(rows, kQuery.back())->is_reply, kYes);
    CHECK_EQ(events(rows, Event::kStart), 1u);
    CHECK(is_from(*first(rows, Event::kStart), kQuery));
    // A jiffy apart the stamps tell, against the ports.
    const Packet odd{.sport = 53, .dport = 40001, .protocol = kUdp};
    world.kernel.send(client, odd);
    world.pass(8);
    world.kernel.send(1 - client, odd.back());
    rows = world.all();
    CHECK_EQ(sum_of(rows, odd)->is_reply, kNo);
    CHECK(is_from(*first(rows, Event::kStart), odd));
    CHECK_EQ(world.engine.stats().table.connections, 2u);
    CHECK_EQ(world.engine.stats().table.forward.packets, 2u);
  }
}

TEST(icmp_pairs_echoes_and_leaves_errors_alone) {
  World world;
  const Packet echo{.sport = 8, .dport = 0, .protocol = kIcmp};
  Packet answer = echo.back();
  answer.sport = answer.dport = 0;
  Packet error = echo.back();
  error.sport = 3;
  error.dport = 1;
  world.kernel.send(1, echo);
  world.kernel.send(0, answer);
  world.kernel.send(0, error);
  const Packet solicitation{.sport = 135, .dport = 0, .protocol = kIcmpV6};
  world.kernel.send(0, solicitation);
  const auto rows = world.all();
  CHECK_EQ(sum_of(rows, echo)->is_reply, kNo);
  CHECK_EQ(sum_of(rows, echo)->icmp_type, 8);
  CHECK_EQ(sum_of(rows, echo)->source_port, 0);
  CHECK_EQ(sum_of(rows, answer)->is_reply, kYes);
  CHECK_EQ(sum_of(rows, answer)->connection_id, sum_of(rows, echo)->connection_id);
  CHECK_EQ(sum_of(rows, error)->is_reply, kUnknown);
  CHECK_EQ(sum_of(rows, error)->icmp_code, 1);
  CHECK_EQ(sum_of(rows, solicitation)->is_reply, kNo);
  CHECK_EQ(world.engine.stats().table.connections, 1u);
  CHECK_EQ(world.engine.stats().table.forward.packets, 1u);
}

TEST(connection_seen_at_two_taps_is_one_in_the_gauges) {
  World world;
  Packet elsewhere = kQuery;
  elsewhere.ifindex = 9;
  elsewhere.egress = true;
  for (const Packet& packet : {kQuery, elsewhere}) {
    world.kernel.send(0, packet);
    world.kernel.send(0, packet.back());
  }
  CHECK_EQ(world.all().size(), 4u);
  CHECK_EQ(world.engine.stats().table.connections, 1u);
  CHECK_EQ(world.engine.stats().table.forward.packets, 1u);
  CHECK_EQ(world.engine.stats().table.reply.bytes, 100u);
}

TEST(flows_expire_once_nothing_is_heard_in_both_directions) {
  World world({.timeouts = {.tcp_s = 20, .other_s = 6, .closed_s = 3}});
  converse(world.kernel, kClient, 0, 1);
  world.kernel.send(0, Packet{.sport = 41000}.with(kSyn));
  world.kernel.send(0, kQuery);
  world.kernel.send(0, kQuery.back());
  world.all();
  CHECK_EQ(world.engine.stats().flows, 5u);
  world.run(4000);
  CHECK_EQ(world.engine.stats().flows, 3u);  // the closed one ended before: nothing to say
  CHECK(world.sink.take().empty());
  world.kernel.send(0, kQuery.back());  // keeps both
  world.run(5500);
  CHECK_EQ(world.engine.stats().flows, 3u);
  CHECK_EQ(world.sink.take().size(), 1u);
  world.run(2500);
  auto rows = world.sink.take();
  CHECK_EQ(rows.size(), 1u);
  CHECK(first(rows, Event::kExpired) && is_from(*first(rows, Event::kExpired), kQuery));
  world.run(12000);
  rows = world.sink.take();
  CHECK_EQ(rows.size(), 1u);
  CHECK_EQ(world.engine.stats().flows, 0u);
  CHECK_EQ(world.engine.stats().table.connections, 0u);
  CHECK_EQ(world.engine.stats().table.forward.bytes, 0u);
  CHECK_EQ(world.engine.stats().table.reply.bytes, 0u);
}
