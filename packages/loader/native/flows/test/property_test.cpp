// Random traffic against a model that is a std::map: every packet and byte turns up once, in the right flow or as a
// loss.
#include <map>
#include <tuple>

#include "check.hpp"
#include "fake_kernel.hpp"

using namespace retina::flows;

namespace {

using Addresses = std::array<uint8_t, 32>;
using FlowName = std::tuple<Addresses, uint16_t, uint16_t, uint32_t, uint8_t, bool>;
struct Sum {
  double packets = 0;
  double bytes = 0;
  double flags[kFlagCount] = {};
  bool operator==(const Sum& other) const {
    return packets == other.packets && bytes == other.bytes && std::equal(flags, flags + kFlagCount, other.flags);
  }
};

FlowName name_of(const Packet& packet) {
  const rt_spill_key key = spill_key_of(packet);
  Addresses addresses;
  std::memcpy(addresses.data(), key.saddr, 32);
  return {addresses, packet.sport, packet.dport, packet.ifindex, packet.protocol, packet.egress};
}

/** What JavaScript does with rows: adds up, and relies on flowId, fresh and connectionId. */
struct Reader {
  std::map<FlowName, Sum> sums;
  std::map<uint32_t, FlowName> owners;
  uint64_t starts = 0, fresh = 0, ends = 0;

  void take(const std::vector<Row>& rows, uint32_t max_flows) {
    for (const Row& row : rows) {
      const bool icmp = is_icmp(row.protocol);
      const bool egress = row.observation == kToEndpoint || row.observation == kToNetwork;
      Addresses addresses;
      std::memcpy(addresses.data(), row.source_address, 32);
      const FlowName name{addresses,
                          icmp ? row.icmp_type : row.source_port,
                          icmp ? row.icmp_code : row.destination_port,
                          row.ifindex,
                          row.protocol,
                          egress};
      Sum& sum = sums[name];
      sum.packets += row.packets;
      sum.bytes += row.bytes;
      for (int i = 0; i < kFlagCount; i++) sum.flags[i] += row.flag_counts[i];
      CHECK(row.flow_id < max_flows);
      CHECK(row.connection_id < max_flows);
      CHECK(row.start <= row.end + 1e-3);
      CHECK_EQ(row.verdict, kForwarded);
      CHECK_EQ(row.family, row.source_address[0] == 0xfd ? 6 : 4);
      // A slot has one owner until a fresh record says otherwise.
      if (row.fresh) {
        owners[row.flow_id] = name;
        fresh++;
      } else {
        CHECK(owners.count(row.flow_id) && owners[row.flow_id] == name);
      }
      starts += row.event == static_cast<uint8_t>(Event::kStart);
      ends += row.event >= static_cast<uint8_t>(Event::kEnd);
    }
  }
};

Packet random_packet(std::mt19937_64& random, uint32_t hosts, uint32_t ports) {
  Packet packet;
  packet.source = static_cast<uint32_t>(random() % hosts);
  packet.destination = static_cast<uint32_t>(random() % hosts);
  packet.sport = static_cast<uint16_t>(random() % ports);
  packet.dport = static_cast<uint16_t>(random() % ports);
  packet.ifindex = 1 + static_cast<uint32_t>(random() % 3);
  packet.egress = random() % 2;
  packet.v6 = random() % 4 == 0;
  packet.packets = random() % 8 == 0 ? 1 + static_cast<uint32_t>(random() % 50) : 1;
  packet.bytes = packet.packets * (60 + random() % 1400);
  switch (random() % 8) {
    case 0: packet.protocol = kUdp; break;
    case 1: packet.protocol = 132; break;
    case 2:
      packet.protocol = packet.v6 ? kIcmpV6 : kIcmp;
      packet.sport = packet.v6 ? 127 + random() % 3 : random() % 14;
      packet.dport = 0;
      break;
    default: {
      constexpr uint16_t kFlags[] = {kSyn, kSyn | kAck, kAck, kAck, kPsh | kAck, kFin | kAck, kRst, kRst | kAck, 0x1ff};
      packet.flags = kFlags[random() % 9];
    }
  }
  return packet;
}

struct Scenario {
  const char* name;
  uint32_t max_flows, units, spill, hosts, ports, slabs;
  Timeouts timeouts;
};

void run(const Scenario& scenario, uint64_t salt) {
  auto random = check::random(salt);
  World world({.interval_ms = 200, .max_flows = scenario.max_flows, .timeouts = scenario.timeouts}, 3, scenario.units,
              scenario.spill);
  Reader reader;
  std::map<FlowName, Sum> model;
  for (int step = 0; step < 200; step++) {
    const auto burst = [&] {
      for (uint64_t n = random() % 200; n > 0; n--) {
        const Packet packet = random_packet(random, scenario.hosts, scenario.ports);
        const auto at = static_cast<uint32_t>(random() % 3);
        world.kernel.send(at, packet, random() % 4 != 0);
        Sum& sum = model[name_of(packet)];
        sum.packets += packet.packets;
        sum.bytes += static_cast<double>(packet.bytes);
        for (int i = 0; packet.protocol == kTcp && i < 9; i++) {
          const bool both = (packet.flags & (kSyn | kAck)) == (kSyn | kAck) && (i == 1 || i == 4);
          if ((packet.flags >> i & 1) && !both) sum.flags[i] += packet.packets;
          if (both && i == 1) sum.flags[kSynAckFlag] += packet.packets;
        }
      }
    };
    burst();
    world.pass(random() % 100);
    if (world.engine.begin()) {
      burst();  // between the seal and the reading
      world.engine.drain();
    }
    if (scenario.slabs) world.sink.free = random() % (scenario.slabs + 1);
    if (random() % 4 == 0) world.engine.resume();
    if (random() % 50 == 0) world.engine.set_interface(1 + random() % 3, static_cast<Role>(random() % 3), random() % 3);
    if (random() % 50 == 0) world.engine.forget_interface(1 + random() % 3);
    reader.take(world.sink.take(), scenario.max_flows);
  }
  world.sink.free = SIZE_MAX;
  reader.take(world.all(), scenario.max_flows);

  const Stats& stats = world.engine.stats();
  Sum rows;
  for (const auto& [name, sum] : reader.sums) rows.packets += sum.packets, rows.bytes += sum.bytes;
  CHECK_EQ(rows.packets, static_cast<double>(stats.table.attributed.packets));
  CHECK_EQ(rows.bytes, static_cast<double>(stats.table.attributed.bytes));
  const uint64_t lost = stats.table.full.packets + stats.kernel_overflow.packets;
  CHECK_EQ(stats.table.attributed.packets + lost, world.kernel.sent.packets);
  CHECK_EQ(stats.table.attributed.bytes + stats.table.full.bytes + stats.kernel_overflow.bytes,
           world.kernel.sent.bytes);
  for (const auto& [name, sum] : reader.sums) {
    const Sum& sent = model[name];
    CHECK(lost > 0 ? sum.packets <= sent.packets && sum.bytes <= sent.bytes : sum == sent);
  }
  if (lost == 0) CHECK_EQ(reader.sums.size(), model.size());
  CHECK_EQ(stats.drain.senseless, 0u);

  // When everything has expired nothing is left, in the table or in the gauges.
  world.run(400'000, 500);
  reader.take(world.sink.take(), scenario.max_flows);
  CHECK_EQ(stats.flows, 0u);
  CHECK_EQ(stats.table.connections, 0u);
  CHECK_EQ(stats.table.forward.packets + stats.table.reply.packets, 0u);
  CHECK_EQ(stats.table.forward.bytes + stats.table.reply.bytes, 0u);
  CHECK(reader.fresh >= reader.sums.size());
  if (check::failures > 0) std::cout << "  in scenario " << scenario.name << "\n";
}

}  // namespace

TEST(every_packet_turns_up_once) {
  const Scenario scenarios[] = {
      {"few flows", 100'000, 4096, 10'000, 3, 4, 0, {}},
      {"many flows", 100'000, 4096, 10'000, 1000, 1000, 0, {}},
      {"quick expiry and reuse", 100'000, 1024, 10'000, 4, 6, 0, {.tcp_s = 1, .other_s = 1, .closed_s = 1}},
      {"full spill", 100'000, 32, 20, 100, 10, 0, {}},
      {"full table", 50, 1024, 10'000, 5, 5, 0, {.tcp_s = 2, .other_s = 1, .closed_s = 1}},
      {"busy reader", 100'000, 256, 10'000, 10, 10, 2, {.tcp_s = 3, .other_s = 2, .closed_s = 1}},
      {"everything at once", 200, 16, 10, 20, 10, 1, {.tcp_s = 3, .other_s = 2, .closed_s = 1}},
  };
  uint64_t salt = 100;
  for (const auto& scenario : scenarios) {
    for (int round = 0; round < 2; round++) run(scenario, salt++);
  }
}
