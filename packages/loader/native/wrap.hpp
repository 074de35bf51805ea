// Native objects as JavaScript objects. They are made by the loader only, never by `new` from JavaScript.
#pragma once

#include <napi.h>

#include <utility>

namespace retina {

/** Makes an object of a class whose constructor takes its state through an External. */
template <typename State>
Napi::Object wrap(Napi::Env env, const Napi::FunctionReference& constructor, State state) {
  return constructor.New({Napi::External<State>::New(env, &state)});
}

/** The state given to wrap(). Throws a TypeError when JavaScript called the constructor itself. */
template <typename State>
State unwrap_state(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal())
    throw Napi::TypeError::New(info.Env(), "objects of the loader cannot be constructed; open or load one");
  return std::move(*info[0].As<Napi::External<State>>().Data());
}

}  // namespace retina
