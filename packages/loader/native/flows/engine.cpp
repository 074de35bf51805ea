#include "engine.hpp"

#include <time.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

namespace retina::flows {

namespace {
constexpr uint64_t kSecond = 1'000'000'000;

struct Secrets {
  uint64_t word[4];
  Secrets() {
    std::random_device random;
    for (auto& each : word) each = (uint64_t{random()} << 32) | random();
  }
};

uint64_t thread_nanos() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecond + static_cast<uint64_t>(now.tv_nsec);
}

/** Adds the CPU time of a scope. */
class Stopwatch {
 public:
  explicit Stopwatch(uint64_t& total) : total_(total), start_(thread_nanos()) {}
  ~Stopwatch() { total_ += thread_nanos() - start_; }

 private:
  uint64_t& total_;
  uint64_t start_;
};

/** Parts of an interval: one per drain, but not so many that empty lists cost memory. */
uint32_t phases_of(const Options& options) {
  return std::clamp(options.interval_ms / std::max(1u, options.drain_ms), 1u, 1024u);
}

uint32_t shortest(const Timeouts& timeouts) { return std::min({timeouts.tcp_s, timeouts.other_s, timeouts.closed_s}); }
}  // namespace

Engine::Engine(Kernel& kernel, const Options& options, BatchSink& sink)
    : kernel_(kernel),
      options_(options),
      schedule_(phases_of(options)),
      table_(options.max_flows, options.timeouts, Secrets().word, clock_, schedule_),
      output_(table_, schedule_, clock_, sink),
      drain_(kernel) {
  phase_ns_ = std::max(1u, options.interval_ms) * 1'000'000ull / schedule_.phases();
  started_ns_ = swept_ns_ = kernel.boot_nanos();
  stats_.max_flows = table_.store().most();
  read_clock();
}

void Engine::read_clock() {
  clock_read_ns_ = kernel_.boot_nanos();
  if (kernel_.run_clock()) {
    clock_.sample(kernel_.control->clock_jiffies, kernel_.control->clock_boot_ns);
  } else if (++clock_failures_ >= 3 && !clock_.ready()) {
    clock_.give_up();
  }
}

void Engine::tell_time() { clock_.now(kernel_.boot_nanos(), kernel_.unix_ms()); }

bool Engine::begin() {
  const Stopwatch watch(stats_.drain_nanos);
  if (!clock_.ready() || kernel_.boot_nanos() - clock_read_ns_ > 10 * kSecond) read_clock();
  if (!clock_.ready()) return false;  // for the first 60 ms: what is in the rings stays there
  if (drain_.seal(!flushes_.empty())) return true;
  finish(false);
  return false;
}

void Engine::drain() {
  const Stopwatch watch(stats_.drain_nanos);
  if (!drain_.sealed()) return;
  // After the barrier, so that no stamp is younger than now.
  tell_time();
  table_.next_drain();
  output_.set_sampling(kernel_.control->sampling);
  const uint64_t spilled = drain_.totals().spilled;
  drain_.collect([this](const Record* records, size_t count) { table_.add(records, count); });
  stats_.drains++;
  for (auto& each : flushes_) flushing_.push_back(std::move(each));
  flushes_.clear();
  if (!flushing_.empty()) schedule_.advance(schedule_.phases());
  finish(!flushing_.empty() || drain_.totals().spilled != spilled);
}

void Engine::finish(bool overflowed) {
  tell_time();
  const uint64_t now = kernel_.boot_nanos();
  const uint64_t phase = (now - started_ns_) / phase_ns_;
  schedule_.advance(phase - phase_);
  phase_ = phase;

  // Once around in 5 s, faster where a time-out is shorter than that.
  const double around = std::clamp(shortest(options_.timeouts) * 0.25, 0.25, 5.0);
  table_.sweep(static_cast<double>(now - swept_ns_) / kSecond / around);
  swept_ns_ = now;

  output_.run(false);

  if (overflowed || now - totals_read_ns_ >= kSecond) {
    totals_read_ns_ = now;
    stats_.kernel_overflow = kernel_.overflow();
    kernel_.totals(stats_.unparsed);
  }
  stats_.drain = drain_.totals();
  stats_.table = table_.totals();
  stats_.deferred = output_.deferred();
  stats_.flows = table_.store().size();
  stats_.memory = table_.bytes() + schedule_.bytes();
  settle_flushes();
}

void Engine::resume() {
  const Stopwatch watch(stats_.drain_nanos);
  output_.run(true);
  stats_.flows = table_.store().size();
  settle_flushes();
}

void Engine::flush(std::function<void()> done) { flushes_.push_back(std::move(done)); }

void Engine::settle_flushes() {
  if (flushing_.empty() || !schedule_.idle()) return;
  for (auto& each : std::exchange(flushing_, {})) each();
}

bool Engine::annotate(const uint8_t* source, const uint8_t* destination, uint16_t source_port,
                      uint16_t destination_port, uint8_t protocol, const Told& told) {
  Key key{};
  std::memcpy(key.source, source, 16);
  std::memcpy(key.destination, destination, 16);
  key.source_port = source_port;
  key.destination_port = destination_port;
  key.protocol = protocol;
  constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::memcmp(source, kMapped, sizeof kMapped) != 0) key.bits |= kIpV6;
  return table_.annotate(key, told);
}

}  // namespace retina::flows
