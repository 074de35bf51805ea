// The module: what it exports, and its state per environment.
#include <napi.h>

#include "environment.hpp"
#include "features.hpp"
#include "flows/flow_source.hpp"
#include "js.hpp"
#include "link.hpp"
#include "loaded_object.hpp"
#include "map.hpp"
#include "memory.hpp"
#include "netlink_exports.hpp"
#include "network.hpp"
#include "object_spec.hpp"
#include "program.hpp"
#include "source_handle.hpp"
#include "wrap.hpp"

namespace retina {

static Napi::Value open_object(const Napi::CallbackInfo& info) {
  const std::string path = string_argument(info, 0, "file");
  return guarded(info.Env(),
                 [&] { return wrap(info.Env(), Environment::of(info.Env()).object_spec, open_object_file(path)); });
}

/** Resolves when everything closed so far is out of the kernel. */
static Napi::Value settled(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& environment = Environment::of(env);
  const auto deferred = Napi::Promise::Deferred::New(env);
  const auto after_sources = [&environment, deferred](Napi::Env js) {
    environment.closer.when_idle([js, deferred] {
      Napi::HandleScope scope(js);
      deferred.Resolve(js.Undefined());
    });
  };
  const auto after_netlink = [&environment, after_sources](Napi::Env js) {
    if (Reactor* reactor = environment.reactor_if_any()) reactor->when_idle(after_sources);
    else after_sources(js);
  };
  if (Reactor* reactor = environment.netlink_reactor_if_any()) reactor->when_idle(after_netlink);
  else after_netlink(env);
  return deferred.Promise();
}

static Napi::Value remove_stale_filters(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [] { return tc_remove_stale(); },
      [](Napi::Env env, uint32_t count) -> Napi::Value { return Napi::Number::New(env, count); });
}

/** Memory that starting took and running does not need. */
static Napi::Value return_memory(const Napi::CallbackInfo& info) {
  return_freed();
  unmap_clean_pages();
  return info.Env().Undefined();
}

/** The flow record's layout as the native side writes it: {stride, offsets}. */
static Napi::Value flow_layout(Napi::Env env) {
  Napi::Object offsets = Napi::Object::New(env);
  for (const auto& field : flow_fields()) offsets.Set(field.name, static_cast<double>(field.offset));
  Napi::Object layout = Napi::Object::New(env);
  layout.Set("stride", static_cast<double>(flow_stride()));
  layout.Set("offsets", offsets);
  return layout;
}

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment(env);
  env.SetInstanceData<Environment>(environment);
  const auto define = [](Napi::FunctionReference& reference, const Napi::Function& constructor) {
    reference = Napi::Persistent(constructor);
  };
  define(environment->object_spec, ObjectSpec::define(env));
  define(environment->loaded_object, LoadedObject::define(env));
  define(environment->program, Program::define(env));
  define(environment->map, Map::define(env));
  define(environment->link, Link::define(env));
  define(environment->source, SourceHandle::define(env));
  exports.Set("initialize", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                Environment::of(info.Env()).retina_error = Napi::Persistent(function_argument(info, 0, "RetinaError"));
              }));
  exports.Set("openObject", Napi::Function::New<&open_object>(env, "openObject"));
  exports.Set("createMap", Napi::Function::New<&Map::create>(env, "createMap"));
  exports.Set("settled", Napi::Function::New<&settled>(env, "settled"));
  exports.Set("returnMemory", Napi::Function::New<&return_memory>(env, "returnMemory"));
  exports.Set("removeStaleFilters", Napi::Function::New<&remove_stale_filters>(env, "removeStaleFilters"));
  exports.Set("flowLayout", flow_layout(env));
  define_features(env, exports);
  define_network(env, exports);
  define_netlink(env, exports);
  return exports;
}

NODE_API_MODULE(retina_loader, init)

}  // namespace retina
