#include "source_handle.hpp"

#include "environment.hpp"
#include "js.hpp"
#include "wrap.hpp"

namespace retina {

Napi::Function SourceHandle::define(Napi::Env env) {
  return DefineClass(env, "Source",
                     {
                         InstanceAccessor<&SourceHandle::slabs>("slabs"),
                         InstanceMethod<&SourceHandle::flush>("flush"),
                         InstanceMethod<&SourceHandle::stats>("stats"),
                         InstanceMethod<&SourceHandle::send>("send"),
                         InstanceMethod<&SourceHandle::close>("close"),
                     });
}

SourceHandle::SourceHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SourceHandle>(info), state_(unwrap_state<SourceState>(info)) {}

Port& SourceHandle::open() const {
  if (!state_.port || state_.port->closed) throw Failure("RETINA_CLOSED", "the source was closed");
  return *state_.port;
}

Napi::Value SourceHandle::slabs(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return open().slabs_value(info.Env()); });
}

Napi::Value SourceHandle::flush(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return open().flush(info.Env()); });
}

Napi::Value SourceHandle::stats(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return open().stats(info.Env()); });
}

Napi::Value SourceHandle::send(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array bytes = bytes_argument(info, 0, "message");
  return guarded(info.Env(), [&] {
    open().send(std::vector<uint8_t>(bytes.Data(), bytes.Data() + bytes.ByteLength()));
    return info.Env().Undefined();
  });
}

Napi::Value SourceHandle::close(const Napi::CallbackInfo& info) {
  if (!state_.port) return info.Env().Undefined();
  if (const auto owner = state_.owner.lock()) owner->ports.erase(state_.port);
  state_.port->reactor().close(state_.port);
  state_.port.reset();
  return info.Env().Undefined();
}

Napi::Object open_source(Napi::Env env, const std::shared_ptr<ObjectState>& owner, std::unique_ptr<Source> source,
                         const SlabPlan& plan, Napi::Function on_batch) {
  auto& environment = Environment::of(env);
  const auto port = environment.reactor(env).open(std::move(source), plan, on_batch);
  if (owner) owner->ports.insert(port);
  return wrap(env, environment.source, SourceState{port, owner});
}

Napi::Object open_source_on(Napi::Env env, Reactor& reactor, std::unique_ptr<Source> source, const SlabPlan& plan,
                            Napi::Function on_batch) {
  return wrap(env, Environment::of(env).source, SourceState{reactor.open(std::move(source), plan, on_batch), {}});
}

}  // namespace retina
