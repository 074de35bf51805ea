// An open source as JavaScript sees it.
#pragma once

#include <napi.h>

#include <memory>

#include "object_state.hpp"
#include "port.hpp"

namespace retina {

struct SourceState {
  std::shared_ptr<Port> port;
  std::weak_ptr<ObjectState> owner;  // empty for sources of no object
};

class SourceHandle : public Napi::ObjectWrap<SourceHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit SourceHandle(const Napi::CallbackInfo& info);

 private:
  Napi::Value slabs(const Napi::CallbackInfo& info);
  Napi::Value flush(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  Napi::Value send(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  Port& open() const;
  SourceState state_;
};

/** Starts a source and wraps it. `owner`, if any, closes it when it is closed. */
Napi::Object open_source(Napi::Env env, const std::shared_ptr<ObjectState>& owner, std::unique_ptr<Source> source,
                         const SlabPlan& plan, Napi::Function on_batch);
/** The same for a source of no object, served by another thread than the environment's first. */
Napi::Object open_source_on(Napi::Env env, Reactor& reactor, std::unique_ptr<Source> source, const SlabPlan& plan,
                            Napi::Function on_batch);

}  // namespace retina
