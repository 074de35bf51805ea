#include "port.hpp"

#include <sys/epoll.h>

#include <algorithm>

#include "js.hpp"
#include "reactor.hpp"

namespace retina {

Port::Port(Reactor& reactor, uint32_t number, std::unique_ptr<Source> source)
    : id(number), reactor_(reactor), source_(std::move(source)) {}

void Port::add(int fd, bool wakes) {
  if (std::any_of(fds_.begin(), fds_.end(), [fd](const Watched& each) { return each.fd == fd; })) return;
  fds_.push_back({fd, wakes});
  if (!muted_) reactor_.watch(*this, fd, wakes);
}

void Port::unwatch(int fd) {
  const auto at = std::find_if(fds_.begin(), fds_.end(), [fd](const Watched& each) { return each.fd == fd; });
  if (at == fds_.end()) return;
  fds_.erase(at);
  if (!muted_) reactor_.unwatch(fd);
}

void Port::every(uint32_t ms) {
  interval_ = int64_t{ms} * 1'000'000;
  timer_ = interval_ ? (monotonic_ns() / interval_ + 1) * interval_ : 0;
}

void Port::once(uint32_t ms) { once_ = monotonic_ns() + int64_t{ms} * 1'000'000; }

int64_t Port::next_due() const {
  if (soon_) return 0;
  int64_t due = INT64_MAX;
  if (timer_) due = std::min(due, timer_);
  if (once_) due = std::min(due, once_);
  return due;
}

bool Port::due(int64_t now) const { return next_due() <= now; }

void Port::mark_served(int64_t now) {
  soon_ = false;
  if (once_ && once_ <= now) once_ = 0;
  if (timer_ && timer_ <= now) timer_ = (now / interval_ + 1) * interval_;
}

Slab* Port::slab() {
  if (current_ >= 0) return &slabs_[static_cast<size_t>(current_)];
  {
    std::lock_guard lock(mutex_);
    if (free_.empty()) {
      starved_ = true;
    } else {
      current_ = free_.back();
      free_.pop_back();
    }
  }
  if (current_ >= 0) return &slabs_[static_cast<size_t>(current_)];
  reactor_.hand_over();  // what it is to give back may be held back
  // Level-triggered descriptors that are not read would spin until JavaScript catches up. A source that asks for no
  // slab in ready() reads them in any case, and its wake-ups go on.
  if (ready_ && !muted_) {
    for (const auto& each : fds_) reactor_.unwatch(each.fd);
    muted_ = true;
  }
  return nullptr;
}

void Port::ready(int fd) {
  ready_ = true;
  source_->ready(fd);
  ready_ = false;
}

void Port::submit(size_t rows, uint64_t lost) {
  auto delivery = std::make_unique<Delivery>();
  delivery->port = shared_from_this();
  delivery->batch = true;
  delivery->rows = rows;
  delivery->lost = lost;
  if (rows > 0) delivery->slab = std::exchange(current_, -1);
  reactor_.deliver(std::move(delivery));
}

void Port::after(std::function<void(Napi::Env)> task) {
  auto delivery = std::make_unique<Delivery>();
  delivery->port = shared_from_this();
  delivery->task = std::move(task);
  reactor_.deliver(std::move(delivery));
}

void Port::give_back(int index) {
  bool wake;
  {
    std::lock_guard lock(mutex_);
    free_.push_back(index);
    wake = starved_;
  }
  if (wake) reactor_.wake();
}

bool Port::resumed() {
  {
    std::lock_guard lock(mutex_);
    if (!starved_ || free_.empty()) return false;
    starved_ = false;
  }
  if (muted_) {
    muted_ = false;
    for (const auto& each : fds_) reactor_.watch(*this, each.fd, each.wakes);
  }
  return true;
}

void Port::detach() {
  if (!muted_) {
    for (const auto& each : fds_) reactor_.unwatch(each.fd);
  }
  fds_.clear();
  std::shared_ptr<Source> last;  // declared first: destroyed when the lock is released
  std::lock_guard lock(mutex_);
  last.swap(source_);
}

Napi::Value Port::stats(Napi::Env env) {
  std::shared_ptr<Source> source;
  {
    std::lock_guard lock(mutex_);
    source = source_;
  }
  return source ? source->stats(env) : env.Undefined();
}

void Port::prepare(Napi::Env env, const SlabPlan& plan, Napi::Function on_batch) {
  on_batch_ = Napi::Persistent(on_batch);
  for (size_t i = 0; i < plan.slabs; i++) {
    // Allocated by JavaScript and lent: works in every runtime, also where external buffers are forbidden.
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, plan.bytes);
    slabs_.push_back({static_cast<uint8_t*>(buffer.Data()), plan.bytes});
    buffers_.push_back(Napi::Reference<Napi::ArrayBuffer>::New(buffer, 1));
    free_.push_back(static_cast<int>(plan.slabs - 1 - i));
  }
}

void Port::drop_js() {
  on_batch_.Reset();
  buffers_.clear();
}

Napi::Value Port::slabs_value(Napi::Env env) const {
  Napi::Array array = Napi::Array::New(env, buffers_.size());
  for (uint32_t i = 0; i < buffers_.size(); i++) array.Set(i, buffers_[i].Value());
  return array;
}

Napi::Promise Port::flush(Napi::Env env) {
  const uint32_t number = next_flush_++;
  const auto [entry, inserted] = flushes_.emplace(number, Napi::Promise::Deferred::New(env));
  auto self = shared_from_this();
  reactor_.post([self, number] {
    if (!self->source_) return;
    try {
      self->source_->flush([self, number] {
        self->after([self, number](Napi::Env js) {
          const auto waiting = self->flushes_.find(number);
          if (waiting == self->flushes_.end()) return;
          const auto deferred = waiting->second;
          self->flushes_.erase(waiting);
          deferred.Resolve(js.Undefined());
        });
      });
    } catch (const Failure& failure) {
      self->reactor_.fail(*self, failure);
    }
  });
  return entry->second.Promise();
}

void Port::abandon_flushes(Napi::Env env) {
  for (const auto& [number, deferred] : std::exchange(flushes_, {})) {
    deferred.Reject(js_error(env, Failure("RETINA_CLOSED", "the source was closed before it was flushed")).Value());
  }
}

void Port::send(std::vector<uint8_t> message) {
  auto self = shared_from_this();
  reactor_.post([self, message = std::move(message)] {
    if (!self->source_) return;
    try {
      self->source_->message(message.data(), message.size());
    } catch (const Failure& failure) {
      self->reactor_.fail(*self, failure);
    }
  });
}

}  // namespace retina
