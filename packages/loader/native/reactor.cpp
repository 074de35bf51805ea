#include "reactor.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "js.hpp"

namespace retina {

int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

Reactor::Reactor(Napi::Env env, const char* name) : env_(env) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  if (epoll_ < 0 || event_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, event_, &event) != 0) {
    const int error = errno;
    if (event_ >= 0) ::close(event_);
    if (epoll_ >= 0) ::close(epoll_);
    throw Failure("RETINA_LOAD_FAILED", "the loader's thread cannot be set up",
                  {.found = errno_text(error), .next = "raise the limit of open files"});
  }
  napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "retina"), 0, 1, nullptr, nullptr, this,
                                  &Reactor::call_js, &channel_);
  napi_unref_threadsafe_function(env, channel_);
  // Added after the channel's own hook, so it runs before it: the thread has ended when the channel closes.
  napi_add_env_cleanup_hook(
      env, [](void* self) { static_cast<Reactor*>(self)->stop(); }, this);
  sigset_t all, before;  // signals are JavaScript's business
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), name);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Reactor::~Reactor() {
  stop();
  ::close(event_);
  ::close(epoll_);
}

void Reactor::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  wake();
  thread_.join();
  napi_release_threadsafe_function(channel_, napi_tsfn_abort);
  for (const auto& port : open_) {
    port->closed = true;
    port->source_.reset();
    port->drop_js();
  }
  open_.clear();
  ports_.clear();
}

// ---- JavaScript thread

void Reactor::hold() {
  if (holds_++ == 0) napi_ref_threadsafe_function(env_, channel_);
}

void Reactor::release_hold() {
  if (--holds_ == 0) napi_unref_threadsafe_function(env_, channel_);
}

std::shared_ptr<Port> Reactor::open(std::unique_ptr<Source> source, const SlabPlan& plan, Napi::Function on_batch) {
  auto port = std::make_shared<Port>(*this, next_id_++, std::move(source));
  port->prepare(env_, plan, on_batch);
  open_.insert(port);
  hold();
  post([this, port] {
    ports_.emplace(port->id, port);
    try {
      port->source_->start(*port);
    } catch (const Failure& failure) {
      fail(*port, failure);
    }
  });
  return port;
}

void Reactor::close(const std::shared_ptr<Port>& port) {
  if (port->closed.exchange(true)) return;
  release_hold();
  port->abandon_flushes(env_);
  post([this, port] { forget(port->id); });
}

void Reactor::when_idle(std::function<void(Napi::Env)> done) {
  hold();
  post([this, done] {
    auto delivery = std::make_unique<Delivery>();
    delivery->task = [this, done](Napi::Env env) {
      release_hold();
      done(env);
    };
    deliver(std::move(delivery));
  });
}

void Reactor::call_js(napi_env raw, napi_value, void*, void* data) {
  std::unique_ptr<Deliveries> deliveries(static_cast<Deliveries*>(data));
  if (!raw) return;  // the environment is going down
  for (const auto& delivery : *deliveries) hand_to_js(raw, *delivery);
}

void Reactor::hand_to_js(napi_env raw, Delivery& delivery) {
  Napi::Env env(raw);
  Napi::HandleScope scope(env);
  const auto& port = delivery.port;
  try {
    if (delivery.gone) {
      port->drop_js();
      port->reactor_.open_.erase(port);
      return;
    }
    if (delivery.task && (!port || !port->closed)) guarded(env, [&] { delivery.task(env); });
    if (delivery.batch && !port->closed) {
      port->on_batch_.Call({Napi::Number::New(env, delivery.slab),
                            Napi::Number::New(env, static_cast<double>(delivery.rows)),
                            Napi::Number::New(env, static_cast<double>(delivery.lost))});
    }
  } catch (const Napi::Error& error) {
    // A handler that throws is an uncaught exception, as with any event handler.
    napi_fatal_exception(raw, error.Value());
  }
  if (delivery.slab >= 0) port->give_back(delivery.slab);
}

// ---- any thread

void Reactor::wake() {
  const uint64_t one = 1;
  if (write(event_, &one, sizeof(one)) < 0) return;  // a full counter wakes as well
}

void Reactor::post(std::function<void()> task) {
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake();
}

// ---- native thread

void Reactor::deliver(std::unique_ptr<Delivery> delivery) {
  held_.push_back(std::move(delivery));
  if (!holding_) hand_over();
}

void Reactor::hand_over() {
  holding_ = false;
  if (!held_.empty()) call(std::exchange(held_, {}));
}

void Reactor::call(Deliveries deliveries) {
  auto data = std::make_unique<Deliveries>(std::move(deliveries));
  if (napi_call_threadsafe_function(channel_, data.get(), napi_tsfn_nonblocking) == napi_ok) data.release();
}

void Reactor::unwatch(int fd) { epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr); }

void Reactor::watch(Port& port, int fd, bool wakes) {
  epoll_event event{};
  event.events = EPOLLIN | (wakes ? static_cast<uint32_t>(EPOLLET) : 0);
  event.data.u64 = uint64_t{port.id} << 32 | static_cast<uint32_t>(fd);
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
    throw Failure("RETINA_LOAD_FAILED", "a source's descriptor cannot be watched", {.found = errno_text(errno)});
  }
}

void Reactor::forget(uint32_t id) {
  const auto entry = ports_.find(id);
  if (entry == ports_.end()) return;
  const auto port = entry->second;
  ports_.erase(entry);
  port->detach();
  auto delivery = std::make_unique<Delivery>();
  delivery->port = port;
  delivery->gone = true;
  deliver(std::move(delivery));
}

void Reactor::fail(Port& port, const Failure& failure) {
  auto delivery = std::make_unique<Delivery>();
  delivery->port = port.shared_from_this();
  delivery->task = [failure, reactor = this, weak = port.weak_from_this()](Napi::Env env) {
    const auto failed = weak.lock();
    if (!failed) return;
    reactor->close(failed);
    failed->on_batch_.Call({Napi::Number::New(env, -1), Napi::Number::New(env, 0), Napi::Number::New(env, 0),
                            js_error(env, failure).Value()});
  };
  deliver(std::move(delivery));
  const uint32_t id = port.id;
  post([this, id] { forget(id); });
}

void Reactor::take_tasks() {
  uint64_t count;
  if (read(event_, &count, sizeof(count)) < 0) count = 0;
  std::vector<std::function<void()>> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) task();
}

int64_t Reactor::timeout_ms(int64_t now) const {
  int64_t due = INT64_MAX;
  for (const auto& [id, port] : ports_) due = std::min(due, port->next_due());
  if (due == INT64_MAX) return -1;
  return due <= now ? 0 : std::min<int64_t>((due - now + 999'999) / 1'000'000, 60'000);
}

void Reactor::serve_returned() {
  for (const auto& [id, port] : ports_) {
    if (port->closed || !port->resumed()) continue;
    try {
      port->source_->slab_free();
    } catch (const Failure& failure) {
      fail(*port, failure);
    }
  }
}

void Reactor::serve_due(int64_t now) {
  // JavaScript's thread finds its caches cold each time it wakes: one wake-up for all, and those that wait for no
  // running program do not go first.
  holding_ = true;
  begin_and_drain(now);
  hand_over();
}

void Reactor::begin_and_drain(int64_t now) {
  std::vector<std::shared_ptr<Port>> behind_barrier;
  for (const auto& [id, port] : ports_) {
    if (port->closed || !port->due(now)) continue;
    port->mark_served(now);
    try {
      if (port->source_->begin()) behind_barrier.push_back(port);
    } catch (const Failure& failure) {
      fail(*port, failure);
    }
  }
  if (behind_barrier.empty()) return;
  try {
    barrier_.wait();
  } catch (const Failure& failure) {
    for (const auto& port : behind_barrier) fail(*port, failure);
    return;
  }
  for (const auto& port : behind_barrier) {
    try {
      port->source_->drain();
    } catch (const Failure& failure) {
      fail(*port, failure);
    }
  }
}

void Reactor::run() {
  epoll_event events[32];
  while (!stopping_) {
    const int count = epoll_wait(epoll_, events, 32, static_cast<int>(timeout_ms(monotonic_ns())));
    if (stopping_) break;
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == 0) {
        take_tasks();
        continue;
      }
      const auto entry = ports_.find(static_cast<uint32_t>(events[i].data.u64 >> 32));
      if (entry == ports_.end() || entry->second->closed) continue;
      const auto port = entry->second;
      try {
        port->ready(static_cast<int>(static_cast<uint32_t>(events[i].data.u64)));
      } catch (const Failure& failure) {
        fail(*port, failure);
      }
    }
    serve_returned();
    serve_due(monotonic_ns());
  }
}

}  // namespace retina
