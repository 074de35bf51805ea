// How something that produces batches plugs into the one native thread.
//
// Every environment (main thread or worker) that opens a source has one native thread, a Reactor. It sleeps in epoll
// and serves all sources: ring buffers by their descriptor, tables and flows by time. A source fills a slab (memory of
// a JavaScript ArrayBuffer, lent) and submits it; that is one call into JavaScript per batch. JavaScript gives the slab
// back when its handler returns. When no slab is free the source stops consuming and goes on in slab_free().
//
//   class MySource : public Source {
//     void start(SourceHost& host) override { host.watch(fd_); host.every(100); }
//     bool begin() override { flip(); return true; }              // timer: phase one; true = wait for running programs
//     void drain() override { while (more()) { ... submit ... } } // phase two, behind the barrier
//   };
//
// Threads: unless a comment says otherwise every method of Source and SourceHost runs on the native thread, one at a
// time.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "failure.hpp"
#include "object.hpp"

namespace retina {

class Reactor;

/** Memory to write records into, aligned to 8 bytes. */
struct Slab {
  uint8_t* data = nullptr;
  size_t bytes = 0;
};

/** What the thread offers to one source. */
class SourceHost {
 public:
  virtual ~SourceHost() = default;
  /** Source::ready(fd) is called whenever `fd` is readable (level-triggered). The descriptor stays the source's. */
  virtual void watch(int fd) = 0;
  /** As watch(), but called only when somebody says so: for a ring buffer that is hardly ever empty, when a program
   * forces a wake-up. */
  virtual void watch_wakes(int fd) = 0;
  /** To be called before a watched descriptor is closed. */
  virtual void unwatch(int fd) = 0;
  /** Source::begin() every `ms` milliseconds from now on, on a grid common to all sources so that barriers are shared;
   * 0 stops. */
  virtual void every(uint32_t ms) = 0;
  /** Source::begin() once, in `ms` milliseconds, besides the timer. */
  virtual void once(uint32_t ms) = 0;
  /** Source::begin() once more, in the next turn of the loop, whatever the timer says. */
  virtual void soon() = 0;
  /** The slab to write to: the same one until it is submitted. nullptr: JavaScript has them all; return, slab_free()
   * follows. */
  virtual Slab* slab() = 0;
  /** Hands slab() with `rows` records to JavaScript; `lost`: records lost since the last batch. rows == 0 just reports
   * losses. */
  virtual void submit(size_t rows, uint64_t lost) = 0;
  /** Runs `task` on the JavaScript thread, behind every batch submitted before. Not run any more once the source is
   * closed. */
  virtual void after(std::function<void(Napi::Env)> task) = 0;
};

class Source {
 public:
  /** On the native thread; or on the JavaScript thread when that thread has ended. Nothing of `host` may be used in it.
   */
  virtual ~Source() = default;
  /** First call. `host` outlives the source. A Failure thrown here or later reaches JavaScript as an uncaught error and
   * ends the source. */
  virtual void start(SourceHost& host) = 0;
  /** A watched descriptor is readable. */
  virtual void ready(int fd) { (void)fd; }
  /**
   * The timer is due, or soon() was asked for. Returning true: every program that was running at the moment of return
   * will have ended when drain() is called (one wait, typically 4-28 ms, for all sources that are due). false: no
   * drain() follows.
   */
  virtual bool begin() { return false; }
  virtual void drain() {}
  /** A slab is free again after slab() returned nullptr. */
  virtual void slab_free() {}
  /** Hand over everything there is, then call `done` once, behind the last submit(); may be later, from slab_free() or
   * drain(). */
  virtual void flush(std::function<void()> done) { done(); }
  /** A message from JavaScript, see SourceHandle.send(): bytes whose meaning is the source's own business. */
  virtual void message(const uint8_t* data, size_t bytes) { (void)data, (void)bytes; }
  /** On the JavaScript thread, at any time between creation and destruction: make thread-safe. */
  virtual Napi::Value stats(Napi::Env env) { return env.Undefined(); }
};

/** Size of the slab pool of a source. Memory is slabs × bytes. */
struct SlabPlan {
  size_t slabs = 4;
  size_t bytes = 64 * 1024;
};

/** FlowSourceOptions of the SDK with the defaults filled in. */
struct FlowOptions {
  uint32_t interval_ms = 1000;
  uint32_t drain_ms = 80;
  uint32_t max_flows = 262144;
  uint32_t tcp_timeout_s = 360;
  uint32_t other_timeout_s = 60;
  uint32_t closed_timeout_s = 30;
};

// Written in native/flows (flow_source.hpp declares these; flow_source.cpp implements them):
//
//   std::unique_ptr<Source> make_flow_source(std::shared_ptr<const BpfObject> object, const FlowOptions& options);
//       On the JavaScript thread. Finds its maps by object->map("rt_ring").fd etc. (throws RETINA_OBJECT_INVALID when
//       one is missing), constants by object->constant("rt_ring_units", 0), rt_clock by object->program_fd("rt_clock").
//       Keep `object` as a member: it keeps the maps alive until the source is destroyed.
//   SlabPlan flow_slabs();                       // a batch holds bytes / stride records
//   size_t flow_stride();                        // compared with the SDK's FLOW_STRIDE when the addon is loaded
//   std::vector<FlowField> flow_fields();        // struct FlowField { const char* name; size_t offset; }; names as
//   FLOW_OFFSETS
//
// FlowSource.stats() is Source::stats (an object with the fields of FlowSourceStats), flush() is Source::flush,
// annotate() arrives as message(): struct FlowAnnotation below, little endian, ports in host order, durations in µs; 0
// where something is not known.

struct FlowAnnotation {
  uint8_t source[16];
  uint8_t destination[16];
  uint16_t source_port;
  uint16_t destination_port;
  uint8_t protocol;
  uint8_t pad[3];
  uint32_t rtt_micros;
  uint32_t retransmits;
  uint32_t min_rtt_micros;
  uint32_t setup_micros;
};
static_assert(sizeof(FlowAnnotation) == 56);

}  // namespace retina
