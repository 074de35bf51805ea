// Between C++ and JavaScript: errors, arguments, work off the event loop.
#pragma once

#include <napi.h>

#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "failure.hpp"

namespace retina {

/** The SDK's RetinaError, made of a Failure. */
Napi::Error js_error(Napi::Env env, const Failure& failure);

/** Runs `body` and turns a Failure into a JavaScript exception. Every native method is one of these. */
template <typename Body>
auto guarded(Napi::Env env, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Failure& failure) {
    throw js_error(env, failure);
  }
}

std::string string_argument(const Napi::CallbackInfo& info, size_t index, const char* name);
/** A whole number from 0 to 2^32 - 1. */
uint32_t number_argument(const Napi::CallbackInfo& info, size_t index, const char* name);
Napi::Uint8Array bytes_argument(const Napi::CallbackInfo& info, size_t index, const char* name);
Napi::Function function_argument(const Napi::CallbackInfo& info, size_t index, const char* name);
Napi::Uint8Array bytes_value(Napi::Env env, const void* data, size_t size);
Napi::Array strings_value(Napi::Env env, const std::vector<std::string>& texts);

template <typename Work, typename Finish>
class AsyncJob : public Napi::AsyncWorker {
 public:
  using Result = std::invoke_result_t<Work>;

  AsyncJob(Napi::Env env, Work work, Finish finish)
      : Napi::AsyncWorker(env, "retina"), work_(std::move(work)), finish_(std::move(finish)), deferred_(env) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      result_.emplace(work_());
    } catch (const Failure& failure) {
      failure_.emplace(failure);
    }
  }

  void OnOK() override {
    try {
      if (failure_) return deferred_.Reject(js_error(Env(), *failure_).Value());
      deferred_.Resolve(guarded(Env(), [&]() -> Napi::Value { return finish_(Env(), std::move(*result_)); }));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Work work_;
  Finish finish_;
  Napi::Promise::Deferred deferred_;
  std::optional<Result> result_{};
  std::optional<Failure> failure_{};
};

/** Runs `work` on a pool thread, then `finish(env, result)` on the JavaScript thread; its value resolves the promise.
 */
template <typename Work, typename Finish>
Napi::Promise run_async(Napi::Env env, Work work, Finish finish) {
  auto* job = new AsyncJob<Work, Finish>(env, std::move(work), std::move(finish));
  const Napi::Promise promise = job->promise();
  job->Queue();
  return promise;
}

}  // namespace retina
