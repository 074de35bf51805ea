// The native thread of one environment and its way into JavaScript. See source.hpp for how a source uses it.
#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "barrier.hpp"
#include "port.hpp"
#include "source.hpp"

namespace retina {

class Reactor {
 public:
  /** `name`: of its thread, at most 15 characters. */
  Reactor(Napi::Env env, const char* name);
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // On the JavaScript thread.

  /** Takes the source over and starts it. `on_batch(slab, rows, lost)` is called for each batch, with an error as the
   * last. */
  std::shared_ptr<Port> open(std::unique_ptr<Source> source, const SlabPlan& plan, Napi::Function on_batch);
  /** No batch arrives after this returns; the native thread lets go of the source soon after. */
  void close(const std::shared_ptr<Port>& port);
  /** Calls `done` on the JavaScript thread when everything closed so far is gone. */
  void when_idle(std::function<void(Napi::Env)> done);
  /** Ends the thread and waits for it. */
  void stop();

  // From any thread.

  /** Runs `task` on the native thread. */
  void post(std::function<void()> task);
  void wake();

  // On the native thread, for Port.

  /** Queues one call into JavaScript; while sources are served by time, one wake-up is for all of theirs. */
  void deliver(std::unique_ptr<Delivery> delivery);
  void watch(Port& port, int fd, bool wakes);
  void unwatch(int fd);
  /** Ends a source that threw: it is removed, and its handler gets the error. */
  void fail(Port& port, const Failure& failure);
  int epoll_fd() const { return epoll_; }
  /** Hands over what is held back until the end of the turn: JavaScript is to go on with it now. */
  void hand_over();

 private:
  void run();
  int64_t timeout_ms(int64_t now) const;
  void take_tasks();
  void serve_returned();
  void serve_due(int64_t now);
  void begin_and_drain(int64_t now);
  void call(Deliveries deliveries);
  static void hand_to_js(napi_env env, Delivery& delivery);
  void forget(uint32_t id);
  static void call_js(napi_env env, napi_value callback, void* context, void* data);
  void hold();
  void release_hold();

  Napi::Env env_;
  napi_threadsafe_function channel_ = nullptr;
  int epoll_ = -1;
  int event_ = -1;
  std::thread thread_;
  std::atomic<bool> stopping_{false};

  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;

  // JavaScript thread
  size_t holds_ = 0;
  uint32_t next_id_ = 1;
  std::unordered_set<std::shared_ptr<Port>> open_;

  // native thread
  std::unordered_map<uint32_t, std::shared_ptr<Port>> ports_;
  Barrier barrier_;
  bool holding_ = false;
  Deliveries held_;
};

/** Monotonic nanoseconds. */
int64_t monotonic_ns();

}  // namespace retina
