#pragma once

#include <napi.h>

#include <memory>

#include "object.hpp"

namespace retina {

class ObjectSpec : public Napi::ObjectWrap<ObjectSpec> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ObjectSpec(const Napi::CallbackInfo& info);

 private:
  const std::shared_ptr<const ObjectFile>& file() const;
  Napi::Value programs(const Napi::CallbackInfo& info);
  Napi::Value maps(const Napi::CallbackInfo& info);
  Napi::Value constants(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  std::shared_ptr<const ObjectFile> file_;
};

}  // namespace retina
