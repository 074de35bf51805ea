// The containers, the clock and the keys, each against a model.
#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "../clock.hpp"
#include "../index.hpp"
#include "../store.hpp"
#include "../tuple_set.hpp"
#include "check.hpp"

using namespace retina::flows;

TEST(index_finds_what_a_map_finds) {
  auto random = check::random(1);
  Index index(16);
  std::map<uint32_t, uint64_t> model;  // slot -> hash
  for (int step = 0; step < 60000; step++) {
    // Few distinct hashes, so that equal tags and long clusters happen; phases of growth and of shrinking.
    const bool grow = (step / 10000) % 2 == 0;
    if (model.empty() || random() % 3 < (grow ? 2u : 1u)) {
      const auto slot = static_cast<uint32_t>(random() % 100000);
      if (model.count(slot)) continue;
      const uint64_t hash = (random() % 3000) << 14 | random() % 4;
      CHECK(index.insert(hash, slot));
      model[slot] = hash;
    } else {
      auto at = model.lower_bound(static_cast<uint32_t>(random() % 100000));
      if (at == model.end()) at = model.begin();
      index.erase(at->second, at->first);
      model.erase(at);
    }
    if (step % 5000 == 0) index.trim();
    if (step % 977 != 0) continue;
    CHECK_EQ(index.size(), model.size());
    for (const auto& [slot, hash] : model)
      CHECK_EQ(index.find(hash, [&, s = slot](uint32_t found) { return found == s; }), slot);
  }
  CHECK_EQ(index.find(1ull << 60, [](uint32_t) { return false; }), kNone);
}

TEST(tuple_set_is_a_set) {
  auto random = check::random(2);
  TupleSet set;
  std::set<uint64_t> model;
  for (int step = 0; step < 100000; step++) {
    const uint64_t item = 1 + (random() % 5000) * 64;
    if (random() % 2) {
      CHECK_EQ(set.insert(item), model.insert(item).second);
    } else {
      set.erase(item);
      model.erase(item);
    }
    CHECK_EQ(set.size(), model.size());
  }
}

TEST(store_gives_the_lowest_slot_and_memory_back) {
  Store store(5000);
  std::vector<uint32_t> taken;
  for (uint32_t i = 0; i < 5000; i++) {
    const uint32_t slot = store.take();
    CHECK_EQ(slot, i);
    store.hot(slot).state = kLive;
  }
  CHECK_EQ(store.take(), kNone);
  const size_t full = store.bytes();
  store.give(4990);
  store.give(17);
  CHECK_EQ(store.take(), 17u);
  CHECK_EQ(store.next_used(4990), 4991u);
  for (uint32_t i = 100; i < 5000; i++) {
    if (i != 4990) store.give(i);
  }
  CHECK_EQ(store.next_used(100), kNone);
  store.trim();
  CHECK(store.bytes() < full / 2);
  CHECK_EQ(store.take(), 100u);
  CHECK_EQ(store.size(), 101u);
}

TEST(clock_measures_hz_and_widens_stamps) {
  auto random = check::random(3);
  for (const uint64_t hz : {100, 250, 300, 1000}) {
    for (int round = 0; round < 50; round++) {
      const uint64_t tick = 1'000'000'000 / hz;
      const uint64_t origin = random() % 1'000'000'000'000;
      const auto jiffies = [&](uint64_t nanos) { return 4294892296ull + (nanos - origin) / tick; };
      Clock clock;
      uint64_t now = origin + random() % 1'000'000'000'000;
      clock.sample(jiffies(now), now);
      CHECK(!clock.ready());
      now += 60'000'000 + random() % 10'000'000;
      clock.sample(jiffies(now), now);
      CHECK_EQ(clock.hz(), hz);
      for (int i = 0; i < 100; i++, now += 10'000'000'000 + random() % 1000000) clock.sample(jiffies(now), now);
      clock.now(now, 5e12);
      for (int i = 0; i < 100; i++) {
        const uint64_t age = random() % (60'000 / (1000 / hz)) * tick;  // ns, up to what 16 bits hold
        const uint64_t then = jiffies(now - std::min<uint64_t>(age, 0xefff * tick));
        const double error = clock.unix_ms(clock.widen(static_cast<uint16_t>(then))) -
                             (5e12 - static_cast<double>(jiffies(now) - then) * 1000 / hz);
        CHECK(error > -2.0 * 1000 / hz && error < 2.0 * 1000 / hz);
      }
      // A stamp one tick ahead of an imprecise clock is now, not 2^16 jiffies ago.
      CHECK_EQ(clock.widen(static_cast<uint16_t>(clock.now_jiffies() + 1)), clock.now_jiffies());
    }
  }
}

TEST(reverse_of_reverse_and_connection_hash) {
  auto random = check::random(4);
  const uint64_t secrets[4] = {random(), random(), random(), random()};
  const Hasher hash(secrets);
  std::set<uint64_t> seen;
  for (int i = 0; i < 20000; i++) {
    Key key{};
    key.bits = random() % 4;
    if (key.bits & kIpV6) {
      for (auto* half : {key.source, key.destination})
        std::generate(half, half + 16, [&] { return static_cast<uint8_t>(random()); });
    } else {
      map_address(key.source, static_cast<uint32_t>(random() % 64));
      map_address(key.destination, static_cast<uint32_t>(random()));
    }
    const uint8_t protocols[] = {kTcp, kUdp, kIcmp, 132};
    key.protocol = protocols[random() % 4];
    const uint16_t types[] = {0, 8, 13, 14};
    key.source_port = key.protocol == kIcmp ? types[random() % 4] : static_cast<uint16_t>(random());
    key.destination_port = key.protocol == kIcmp ? 0 : static_cast<uint16_t>(random());
    key.ifindex = static_cast<uint32_t>(random());
    Key back, again;
    CHECK(reverse(key, back) && reverse(back, again) && again == key);
    CHECK(!(back == key));
    Key elsewhere = back;
    elsewhere.ifindex++;
    CHECK_EQ(hash.connection(key), hash.connection(elsewhere));
    seen.insert(hash(key));
  }
  CHECK_EQ(seen.size(), 20000u);
  Key error{};
  error.protocol = kIcmp;
  error.source_port = 3;
  CHECK(!reverse(error, error));
}
