#include "flow_source.hpp"

#include <cstring>
#include <mutex>

#include "bpf_kernel.hpp"
#include "engine.hpp"
#include "row.hpp"

namespace retina {

namespace {

constexpr uint32_t kClockReadyMs = flows::Clock::kMeasureNanos / 1'000'000 + 5;
/** Beyond it the table's memory is gigabytes. */
constexpr uint32_t kMostFlows = 1u << 24;

class FlowSource : public Source, private flows::BatchSink {
 public:
  FlowSource(std::shared_ptr<const BpfObject> object, const FlowOptions& options)
      : kernel_(std::move(object)), options_(options), engine_(kernel_, engine_options(options), *this) {
    publish();
  }

  void start(SourceHost& host) override {
    host_ = &host;
    if (kernel_.wake_fd() >= 0) host.watch(kernel_.wake_fd());
    host.every(options_.drain_ms);
    host.once(kClockReadyMs);  // records wait until the clock is measured, not for a long interval
  }

  void ready(int) override {
    kernel_.take_wakes();
    host_->soon();
  }

  bool begin() override {
    const bool more = engine_.begin();
    publish();
    return more;
  }

  void drain() override {
    engine_.drain();
    publish();
  }

  void slab_free() override {
    engine_.resume();
    publish();
  }

  void flush(std::function<void()> done) override {
    engine_.flush([this, done = std::move(done)] {
      publish();
      done();
    });
    host_->soon();
  }

  void message(const uint8_t* data, size_t bytes) override {
    if (bytes == sizeof(FlowAnnotation)) {
      FlowAnnotation told;
      std::memcpy(&told, data, sizeof told);
      engine_.annotate(told.source, told.destination, told.source_port, told.destination_port, told.protocol,
                       {.rtt_micros = told.rtt_micros,
                        .min_rtt_micros = told.min_rtt_micros,
                        .setup_micros = told.setup_micros,
                        .retransmits = told.retransmits});
    } else if (bytes == sizeof(FlowInterface)) {
      FlowInterface told;
      std::memcpy(&told, data, sizeof told);
      if (told.gone != 0) {
        engine_.forget_interface(told.ifindex);
      } else if (told.role <= static_cast<uint32_t>(flows::Role::kExtra)) {
        engine_.set_interface(told.ifindex, static_cast<flows::Role>(told.role), told.netns);
      }
    }
  }

  Napi::Value stats(Napi::Env env) override {
    flows::Stats stats;
    {
      const std::lock_guard lock(mutex_);
      stats = published_;
    }
    return to_object(env, stats);
  }

 private:
  static flows::Options engine_options(const FlowOptions& options) {
    return {
        .interval_ms = options.interval_ms,
        .drain_ms = options.drain_ms,
        .max_flows = options.max_flows,
        .timeouts = {
            .tcp_s = options.tcp_timeout_s, .other_s = options.other_timeout_s, .closed_s = options.closed_timeout_s}};
  }

  flows::Row* acquire(size_t& rows) override {
    const Slab* slab = host_->slab();
    if (!slab) return nullptr;
    rows = slab->bytes / sizeof(flows::Row);
    return reinterpret_cast<flows::Row*>(slab->data);
  }
  void submit(size_t rows) override { host_->submit(rows, 0); }

  void publish() {
    const std::lock_guard lock(mutex_);
    published_ = engine_.stats();
  }

  static Napi::Object to_object(Napi::Env env, const flows::Stats& stats) {
    Napi::Object out = Napi::Object::New(env);
    const auto put = [&](Napi::Object& object, const char* name, double value) {
      object.Set(name, Napi::Number::New(env, value));
    };
    const auto counts = [&](uint64_t packets, uint64_t bytes) {
      Napi::Object object = Napi::Object::New(env);
      put(object, "packets", static_cast<double>(packets));
      put(object, "bytes", static_cast<double>(bytes));
      return object;
    };
    const rt_flow_total& no_table = stats.unparsed[RT_TOTAL_OVERFLOW];
    const flows::Counts kernel{stats.kernel_overflow.packets + no_table.packets,
                               stats.kernel_overflow.bytes + no_table.bytes};
    const std::pair<const char*, double> numbers[] = {
        {"records", static_cast<double>(stats.drain.records)},
        {"spilled", static_cast<double>(stats.drain.spilled)},
        {"packets", static_cast<double>(stats.table.attributed.packets)},
        {"bytes", static_cast<double>(stats.table.attributed.bytes)},
        {"overflowPackets", static_cast<double>(kernel.packets + stats.table.full.packets)},
        {"overflowBytes", static_cast<double>(kernel.bytes + stats.table.full.bytes)},
        {"deferred", static_cast<double>(stats.deferred)},
        {"skipped", static_cast<double>(stats.drain.senseless)},
        {"flows", stats.flows},
        {"maxFlows", stats.max_flows},
        {"memoryBytes", static_cast<double>(stats.memory)},
        {"ringFill", stats.drain.fill},
        {"drains", static_cast<double>(stats.drains)},
        {"drainNanos", static_cast<double>(stats.drain_nanos)},
        {"connections", static_cast<double>(stats.table.connections)},
        {"forwardPackets", static_cast<double>(stats.table.forward.packets)},
        {"forwardBytes", static_cast<double>(stats.table.forward.bytes)},
        {"replyPackets", static_cast<double>(stats.table.reply.packets)},
        {"replyBytes", static_cast<double>(stats.table.reply.bytes)},
    };
    for (const auto& [name, value] : numbers) put(out, name, value);
    Napi::Object unattributed = Napi::Object::New(env);
    unattributed.Set("kernel_tables", counts(kernel.packets, kernel.bytes));
    unattributed.Set("flow_table", counts(stats.table.full.packets, stats.table.full.bytes));
    out.Set("unattributed", unattributed);
    Napi::Object unparsed = Napi::Object::New(env);
    constexpr std::pair<rt_flow_total_id, const char*> kReasons[] = {{RT_TOTAL_NOT_IP, "not_ip"},
                                                                     {RT_TOTAL_TRUNCATED, "truncated"},
                                                                     {RT_TOTAL_MALFORMED, "malformed"},
                                                                     {RT_TOTAL_HEADER_CHAIN, "header_chain"},
                                                                     {RT_TOTAL_SAMPLED_OUT, "sampled_out"}};
    for (const auto& [id, name] : kReasons)
      unparsed.Set(name, counts(stats.unparsed[id].packets, stats.unparsed[id].bytes));
    out.Set("unparsed", unparsed);
    return out;
  }

  flows::BpfKernel kernel_;
  FlowOptions options_;
  SourceHost* host_ = nullptr;
  flows::Engine engine_;
  std::mutex mutex_;
  flows::Stats published_;
};

}  // namespace

std::unique_ptr<Source> make_flow_source(std::shared_ptr<const BpfObject> object, const FlowOptions& options) {
  if (options.max_flows > kMostFlows) {
    throw Failure("RETINA_CONFIG_INVALID", "maxFlows is out of range",
                  {.found = std::to_string(options.max_flows), .needed = "at most " + std::to_string(kMostFlows)});
  }
  return std::make_unique<FlowSource>(std::move(object), options);
}

// 2 048 rows keep a handler's turn short; six of them bridge a busy event loop for some drains.
SlabPlan flow_slabs() { return {.slabs = 6, .bytes = 2048 * sizeof(flows::Row)}; }

size_t flow_stride() { return sizeof(flows::Row); }

std::vector<FlowField> flow_fields() {
  using flows::Row;
  return {{"sourceAddress", offsetof(Row, source_address)},
          {"destinationAddress", offsetof(Row, destination_address)},
          {"firstSeen", offsetof(Row, first_seen)},
          {"start", offsetof(Row, start)},
          {"end", offsetof(Row, end)},
          {"bytes", offsetof(Row, bytes)},
          {"packets", offsetof(Row, packets)},
          {"flagCounts", offsetof(Row, flag_counts)},
          {"flowId", offsetof(Row, flow_id)},
          {"ifindex", offsetof(Row, ifindex)},
          {"netns", offsetof(Row, netns)},
          {"rttMicros", offsetof(Row, rtt_micros)},
          {"retransmits", offsetof(Row, retransmits)},
          {"dropReason", offsetof(Row, drop_reason)},
          {"dropLocation", offsetof(Row, drop_location)},
          {"sourceEndpoint", offsetof(Row, source_endpoint)},
          {"destinationEndpoint", offsetof(Row, destination_endpoint)},
          {"tapEndpoint", offsetof(Row, tap_endpoint)},
          {"connectionId", offsetof(Row, connection_id)},
          {"sampling", offsetof(Row, sampling)},
          {"sourcePort", offsetof(Row, source_port)},
          {"destinationPort", offsetof(Row, destination_port)},
          {"tcpFlags", offsetof(Row, tcp_flags)},
          {"protocol", offsetof(Row, protocol)},
          {"family", offsetof(Row, family)},
          {"direction", offsetof(Row, direction)},
          {"observation", offsetof(Row, observation)},
          {"isReply", offsetof(Row, is_reply)},
          {"verdict", offsetof(Row, verdict)},
          {"event", offsetof(Row, event)},
          {"icmpType", offsetof(Row, icmp_type)},
          {"icmpCode", offsetof(Row, icmp_code)},
          {"fresh", offsetof(Row, fresh)},
          {"minRttMicros", offsetof(Row, min_rtt_micros)},
          {"setupMicros", offsetof(Row, setup_micros)}};
}

}  // namespace retina
