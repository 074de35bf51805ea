// LoadedObject: programs and maps in the kernel, their links and sources.
#pragma once

#include <napi.h>

#include <memory>

#include "object_state.hpp"

namespace retina {

class LoadedObject : public Napi::ObjectWrap<LoadedObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit LoadedObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value programs(const Napi::CallbackInfo& info);
  Napi::Value maps(const Napi::CallbackInfo& info);
  Napi::Value program(const Napi::CallbackInfo& info);
  Napi::Value map(const Napi::CallbackInfo& info);
  Napi::Value attach(const Napi::CallbackInfo& info);
  Napi::Value attach_tap(const Napi::CallbackInfo& info);
  Napi::Value counters(const Napi::CallbackInfo& info);
  Napi::Value missed(const Napi::CallbackInfo& info);
  Napi::Value open_stream(const Napi::CallbackInfo& info);
  Napi::Value open_table(const Napi::CallbackInfo& info);
  Napi::Value open_flows(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  std::shared_ptr<ObjectState> state_;
};

}  // namespace retina
