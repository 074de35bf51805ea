// Closing off the event loop. Detaching a tcx link or a tracepoint waits for the kernel's running programs (4-28 ms
// each).
#pragma once

#include <napi.h>

#include <functional>
#include <mutex>
#include <vector>

namespace retina {

class Closer {
 public:
  explicit Closer(Napi::Env env) : env_(env) {}

  /** Runs `task` soon on a pool thread, in the order of calls. It keeps the process's event loop alive until it is
   * done. */
  void add(std::function<void()> task);
  /** Calls `done` on the JavaScript thread when everything added so far has run. */
  void when_idle(std::function<void()> done);

 private:
  class Job;
  void start();
  Napi::Env env_;
  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;
  std::vector<std::function<void()>> waiting_;
  bool running_ = false;
};

}  // namespace retina
