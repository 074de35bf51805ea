// One open source: its slabs, its timers, and its JavaScript handler.
#pragma once

#include <napi.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "source.hpp"

namespace retina {

class Reactor;

class Port : public SourceHost, public std::enable_shared_from_this<Port> {
 public:
  Port(Reactor& reactor, uint32_t id, std::unique_ptr<Source> source);

  // SourceHost, on the native thread
  void watch(int fd) override { add(fd, false); }
  void watch_wakes(int fd) override { add(fd, true); }
  void unwatch(int fd) override;
  void every(uint32_t ms) override;
  void once(uint32_t ms) override;
  void soon() override { soon_ = true; }
  Slab* slab() override;
  void submit(size_t rows, uint64_t lost) override;
  void after(std::function<void(Napi::Env)> task) override;

  // JavaScript thread
  /** Makes the slabs and remembers the handler. */
  void prepare(Napi::Env env, const SlabPlan& plan, Napi::Function on_batch);
  /** Lets go of everything that belongs to JavaScript. The native thread must not touch the slabs any more. */
  void drop_js();
  Napi::Value slabs_value(Napi::Env env) const;
  Napi::Promise flush(Napi::Env env);
  /** Rejects what waits for a flush. */
  void abandon_flushes(Napi::Env env);
  void send(std::vector<uint8_t> message);
  /** Source::stats; undefined when the native thread has let go of it. */
  Napi::Value stats(Napi::Env env);

  Reactor& reactor() const { return reactor_; }

  // for Reactor
  const uint32_t id;
  std::atomic<bool> closed{false};

 private:
  friend class Reactor;
  struct Watched {
    int fd;
    bool wakes;
  };
  void add(int fd, bool wakes);
  void give_back(int index);
  /** Native thread: Source::ready. */
  void ready(int fd);
  /** Native thread: reads the starved flag that JavaScript cleared the cause of. */
  bool resumed();
  bool due(int64_t now) const;
  int64_t next_due() const;
  void mark_served(int64_t now);
  void detach();

  Reactor& reactor_;
  std::mutex mutex_;  // guards what follows, up to the next comment
  std::shared_ptr<Source> source_;
  std::vector<int> free_;
  bool starved_ = false;

  // native thread
  std::vector<Slab> slabs_;
  int current_ = -1;
  bool ready_ = false;  // in Source::ready
  bool muted_ = false;
  std::vector<Watched> fds_;
  int64_t interval_ = 0;
  int64_t timer_ = 0;
  int64_t once_ = 0;
  bool soon_ = false;

  // JavaScript thread
  Napi::FunctionReference on_batch_;
  std::vector<Napi::Reference<Napi::ArrayBuffer>> buffers_;
  std::map<uint32_t, Napi::Promise::Deferred> flushes_;
  uint32_t next_flush_ = 1;
};

/** One call into JavaScript. */
struct Delivery {
  std::shared_ptr<Port> port{};
  int slab = -1;
  size_t rows = 0;
  uint64_t lost = 0;
  bool batch = false;
  bool gone = false;  // the native thread has let go of the port
  std::function<void(Napi::Env)> task{};
};

using Deliveries = std::vector<std::unique_ptr<Delivery>>;

}  // namespace retina
