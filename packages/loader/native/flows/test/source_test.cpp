// What surrounds the table: intervals, a busy JavaScript, full tables, interfaces, annotations, the kernel's own
// losses.
#include "check.hpp"
#include "fake_kernel.hpp"

using namespace retina::flows;

namespace {
Packet udp(uint16_t port) { return {.sport = port, .dport = 9, .protocol = kUdp}; }
uint8_t event_of(const Row& row) { return row.event; }
}  // namespace

TEST(one_record_per_interval_and_events_at_once) {
  World world({.interval_ms = 1000});
  size_t updates = 0;
  for (int i = 0; i < 100; i++) {
    world.kernel.send(0, udp(1));
    world.run(50);
    const auto rows = world.sink.take();
    if (i == 0) {
      CHECK_EQ(rows.size(), 1u);
      CHECK_EQ(event_of(rows.at(0)), static_cast<uint8_t>(Event::kStart));
    } else {
      updates += rows.size();
    }
  }
  CHECK(updates >= 4 && updates <= 6);
  const size_t drains = world.engine.stats().drains;
  world.all();
  world.run(5000);
  CHECK_EQ(world.engine.stats().drains, drains + 1);  // nothing new: no barrier
}

TEST(records_are_spread_over_the_interval) {
  World world({.interval_ms = 1000}, 1, 16384);
  for (uint16_t port = 0; port < 5000; port++) world.kernel.send(0, udp(port));
  world.run(50);
  CHECK_EQ(world.sink.take().size(), 5000u);  // starts
  for (uint16_t port = 0; port < 5000; port++) world.kernel.send(0, udp(port));
  size_t total = 0, most = 0;
  for (int i = 0; i < 20; i++) {
    world.run(50);
    const auto rows = world.sink.take();
    total += rows.size();
    most = std::max(most, rows.size());
    for (size_t at = 1; at < rows.size(); at++) CHECK(rows[at].flow_id > rows[at - 1].flow_id);
  }
  CHECK_EQ(total, 5000u);
  CHECK(most <= 512);  // two blocks of slots
}

TEST(busy_javascript_loses_nothing) {
  World world({.interval_ms = 100}, 1, 4096);
  world.sink.free = 2;
  for (int round = 0; round < 5; round++) {
    for (uint16_t port = 0; port < 500; port++) world.kernel.send(0, udp(port));
    world.run(50);
  }
  double packets = 0;
  for (const Row& row : world.sink.take()) packets += row.packets;
  CHECK_EQ(packets, 128.0);  // two slabs of starts
  CHECK(world.engine.stats().deferred > 0);
  bool done = false;
  world.engine.flush([&] { done = true; });
  world.pass(50);
  world.tick();
  size_t rows = 0;
  for (int i = 0; i < 100 && !done; i++) {
    world.sink.free = 1;
    world.engine.resume();
    const auto taken = world.sink.take();
    rows += taken.size();
    for (const Row& row : taken) packets += row.packets;
  }
  CHECK(done);
  CHECK_EQ(packets, 2500.0);
  CHECK(rows <= 500);  // merged while they waited
}

TEST(full_tables_count_what_they_cannot_hold) {
  // A ring of 16 units, a spill of 10, a table of 20 flows: every stage overflows.
  World world({.max_flows = 20}, 1, 16, 10);
  for (uint16_t port = 0; port < 50; port++) world.kernel.send(0, udp(port));
  double packets = 0, bytes = 0;
  for (const Row& row : world.all()) packets += row.packets, bytes += row.bytes;
  const Stats& stats = world.engine.stats();
  CHECK_EQ(stats.drain.records, 26u);
  CHECK_EQ(stats.drain.spilled, 10u);
  CHECK_EQ(stats.kernel_overflow.packets, 24u);
  CHECK_EQ(stats.table.full.packets, 6u);
  CHECK_EQ(packets, 20.0);
  CHECK_EQ(bytes, 2000.0);
  CHECK_EQ(stats.drain.fill, 1.0);
  // Once flows expire there is room again.
  world.run(70'000, 500);
  world.sink.take();
  world.kernel.send(0, udp(7));
  CHECK_EQ(world.all().size(), 1u);
}

TEST(spilled_counts_arrive_whichever_half_they_went_to) {
  World world({}, 1, 16, 1000);
  uint64_t seen = 0;
  for (int round = 0; round < 40; round++) {
    for (uint16_t port = 0; port < 30; port++) world.kernel.send(0, udp(port));
    // Packets that come between the flip and the reading, then silence.
    if (world.engine.begin()) {
      for (uint16_t port = 0; port < 5; port++) world.kernel.send(0, udp(static_cast<uint16_t>(port + 100)));
      world.engine.drain();
    }
    world.run(100);
    seen = world.engine.stats().table.attributed.packets;
    CHECK_EQ(seen, world.kernel.sent.packets);
  }
}

TEST(interfaces_come_and_go) {
  World world;
  world.engine.set_interface(5, Role::kEndpoint, 4026532001);
  world.engine.set_interface(6, Role::kUplink, 0);
  Packet uplink = udp(2);
  uplink.ifindex = 6;
  world.kernel.send(0, udp(1));
  world.kernel.send(0, uplink);
  auto rows = world.all();
  CHECK_EQ(rows.at(0).netns, 4026532001u);
  CHECK_EQ(rows.at(0).observation, kFromEndpoint);
  CHECK_EQ(rows.at(1).observation, kFromNetwork);
  CHECK_EQ(rows.at(1).direction, kDirectionIngress);
  // What is not yet reported goes out when the interface goes, with the namespace it had.
  world.kernel.send(0, udp(1));
  world.tick();
  CHECK(world.sink.take().empty());
  world.engine.forget_interface(5);
  world.pass(50);
  world.tick();
  rows = world.sink.take();
  CHECK_EQ(rows.size(), 1u);
  CHECK_EQ(rows.at(0).netns, 4026532001u);
  CHECK_EQ(world.engine.stats().flows, 2u);
  // Packets that were still in the ring belong to it too; an interface that takes over its index starts afresh.
  world.kernel.send(0, udp(1));
  world.tick();
  world.engine.set_interface(5, Role::kEndpoint, 4026532002);
  world.kernel.send(0, udp(1));
  rows = world.all();
  CHECK_EQ(rows.size(), 2u);
  CHECK_EQ(rows.at(0).netns, 4026532001u);
  CHECK_EQ(event_of(rows.at(0)), static_cast<uint8_t>(Event::kExpired));
  CHECK_EQ(rows.at(0).packets, 1.0);
  CHECK_EQ(rows.at(1).netns, 4026532002u);
  CHECK_EQ(rows.at(1).fresh, 1);
  // Told late: the flows that are there already learn of it.
  Packet late = udp(3);
  late.ifindex = 7;
  late.egress = true;
  world.kernel.send(0, late);
  world.tick();
  world.sink.take();
  world.engine.set_interface(7, Role::kUplink, 0);
  world.kernel.send(0, late);
  rows = world.all();
  CHECK_EQ(rows.at(0).observation, kToNetwork);
}

TEST(annotations_reach_every_tap) {
  World world;
  Packet here = Packet{}.with(kSyn), there = here;
  there.ifindex = 8;
  there.egress = true;
  world.kernel.send(0, here);
  world.kernel.send(0, there);
  world.kernel.send(0, here.back(kSyn | kAck));
  world.all();
  const rt_spill_key key = spill_key_of(here);
  const Told told{.rtt_micros = 1500, .min_rtt_micros = 900, .setup_micros = 2000, .retransmits = 2};
  CHECK(world.engine.annotate(key.saddr, key.daddr, 40000, 80, kTcp, told));
  CHECK(!world.engine.annotate(key.saddr, key.daddr, 40001, 80, kTcp, told));
  auto rows = world.all();
  CHECK_EQ(rows.size(), 2u);
  for (const Row& row : rows) {
    CHECK_EQ(row.rtt_micros, 1500u);
    CHECK_EQ(row.retransmits, 2u);
    CHECK_EQ(row.min_rtt_micros, 900u);
    CHECK_EQ(row.setup_micros, 2000u);
    CHECK_EQ(row.packets, 0.0);
    CHECK_EQ(row.start, row.end);
  }
  world.kernel.send(0, here.back(kAck));
  rows = world.all();
  CHECK_EQ(rows.at(0).rtt_micros, 1500u);
  CHECK_EQ(rows.at(0).setup_micros, 2000u);
  CHECK_EQ(rows.at(0).retransmits, 0u);
  // What is left out stays as it was, and a direction that is seen later knows what the connection's other one does.
  CHECK(world.engine.annotate(key.saddr, key.daddr, 40000, 80, kTcp, {.rtt_micros = 1600}));
  world.all();
  world.kernel.send(0, there.back(kAck));
  rows = world.all();
  CHECK_EQ(rows.size(), 1u);
  CHECK_EQ(rows.at(0).rtt_micros, 1600u);
  CHECK_EQ(rows.at(0).min_rtt_micros, 900u);
}

TEST(round_trip_times_of_two_ends_are_not_mixed) {
  World world;
  const Packet there = Packet{}.with(kSyn), back = there.back(kSyn | kAck);
  world.kernel.send(0, there);
  world.kernel.send(0, back);
  world.all();
  const rt_spill_key key = spill_key_of(there);
  const auto times = [&](const Packet& packet) {
    world.kernel.send(0, packet);
    const auto rows = world.all();
    return std::pair{rows.at(0).rtt_micros, rows.at(0).min_rtt_micros};
  };
  // The only end that says anything speaks for both directions,
  CHECK(world.engine.annotate(key.daddr, key.saddr, 80, 40000, kTcp, {.rtt_micros = 57, .min_rtt_micros = 50}));
  world.all();
  CHECK(times(there) == std::pair(57u, 50u));
  // until the other one does, even when it knows less.
  CHECK(world.engine.annotate(key.saddr, key.daddr, 40000, 80, kTcp, {.min_rtt_micros = 1000}));
  CHECK(world.engine.annotate(key.daddr, key.saddr, 80, 40000, kTcp, {.rtt_micros = 58}));
  world.all();
  CHECK(times(there) == std::pair(0u, 1000u));
  CHECK(times(back) == std::pair(58u, 50u));
}

TEST(a_slot_of_an_annotated_flow_is_taken_over_clean) {
  World world({.timeouts = {.tcp_s = 1, .other_s = 1, .closed_s = 1}});
  const Packet first = Packet{}.with(kSyn);
  world.kernel.send(0, first);
  const auto before = world.all();
  const rt_spill_key key = spill_key_of(first);
  CHECK(world.engine.annotate(key.saddr, key.daddr, 40000, 80, kTcp, {.rtt_micros = 7, .retransmits = 3}));
  world.all();
  world.run(9000);
  world.sink.take();
  CHECK_EQ(world.engine.stats().flows, 0u);
  Packet second = first;
  second.sport = 40009;
  world.kernel.send(0, second);
  const auto rows = world.all();
  CHECK_EQ(rows.at(0).flow_id, before.at(0).flow_id);
  CHECK_EQ(rows.at(0).rtt_micros, 0u);
  CHECK_EQ(rows.at(0).retransmits, 0u);
}

TEST(sampling_scales_rows_and_times_are_unix_times) {
  World world;
  world.kernel.control->sampling = 10;
  const double now = world.kernel.unix_ms();
  world.kernel.send(0, udp(1));
  world.pass(20);
  world.kernel.send(0, udp(1));
  const auto rows = world.all();
  CHECK_EQ(rows.at(0).packets, 20.0);
  CHECK_EQ(rows.at(0).sampling, 10u);
  CHECK_EQ(world.engine.stats().table.attributed.packets, 2u);
  CHECK(std::abs(rows.at(0).start - now) < 10);
  CHECK(std::abs(rows.at(0).end - now - 20) < 10);
  // Without the kernel's clock every stamp is the drain's time.
  FakeKernel blind(1, 64);
  blind.clock_works = false;
  RowSink sink;
  Engine engine(blind, {}, sink);
  blind.send(0, udp(1));
  for (int i = 0; i < 4 && !engine.begin(); i++) blind.nanos += 50'000'000;
  engine.drain();
  CHECK_EQ(sink.rows.size(), 1u);
  CHECK(std::abs(sink.rows.at(0).start - blind.unix_ms()) < 2);
}
