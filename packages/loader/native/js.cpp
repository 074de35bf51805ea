#include "js.hpp"

#include <cmath>

#include "environment.hpp"

namespace retina {

Napi::Error js_error(Napi::Env env, const Failure& failure) {
  const FailureParts& parts = failure.parts();
  Napi::Object options = Napi::Object::New(env);
  const auto set = [&](const char* name, const std::string& text) {
    if (!text.empty()) options.Set(name, text);
  };
  set("found", parts.found);
  set("needed", parts.needed);
  set("next", parts.next);
  set("detail", parts.detail);
  options.Set("retryable", parts.retryable);
  const auto& constructor = Environment::of(env).retina_error;
  return Napi::Error(env, constructor.New({Napi::String::New(env, failure.code()),
                                           Napi::String::New(env, failure.summary()), options}));
}

static Napi::TypeError expected(const Napi::CallbackInfo& info, size_t index, const char* name, const char* what) {
  static const char* const kTypes[] = {"undefined", "null",      "a boolean",  "a number",    "a string",
                                       "a symbol",  "an object", "a function", "an external", "a bigint"};
  const auto type = static_cast<size_t>(info[index].Type());
  const char* seen = type < std::size(kTypes) ? kTypes[type] : "something else";
  return Napi::TypeError::New(info.Env(), std::string("expected ") + what + " for " + name + ", received " + seen);
}

std::string string_argument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsString()) throw expected(info, index, name, "a string");
  return info[index].As<Napi::String>().Utf8Value();
}

uint32_t number_argument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  const double value = info[index].IsNumber() ? info[index].As<Napi::Number>().DoubleValue() : -1;
  if (!(value >= 0 && value <= 4294967295.0) || std::floor(value) != value) {
    throw expected(info, index, name, "a whole number from 0 to 4294967295");
  }
  return static_cast<uint32_t>(value);
}

Napi::Uint8Array bytes_argument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsTypedArray() || info[index].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw expected(info, index, name, "a Uint8Array");
  }
  return info[index].As<Napi::Uint8Array>();
}

Napi::Function function_argument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsFunction()) throw expected(info, index, name, "a function");
  return info[index].As<Napi::Function>();
}

Napi::Uint8Array bytes_value(Napi::Env env, const void* data, size_t size) {
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, size);
  if (size) memcpy(bytes.Data(), data, size);
  return bytes;
}

Napi::Array strings_value(Napi::Env env, const std::vector<std::string>& texts) {
  Napi::Array array = Napi::Array::New(env, texts.size());
  for (uint32_t i = 0; i < texts.size(); i++) array.Set(i, texts[i]);
  return array;
}

}  // namespace retina
