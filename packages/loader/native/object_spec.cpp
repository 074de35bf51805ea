// ObjectSpec: an object file, parsed; and the way to load it.
#include "object_spec.hpp"

#include "environment.hpp"
#include "js.hpp"
#include "loaded_object.hpp"
#include "map.hpp"
#include "wrap.hpp"

namespace retina {

Napi::Function ObjectSpec::define(Napi::Env env) {
  return DefineClass(env, "ObjectSpec",
                     {
                         InstanceAccessor<&ObjectSpec::programs>("programs"),
                         InstanceAccessor<&ObjectSpec::maps>("maps"),
                         InstanceAccessor<&ObjectSpec::constants>("constants"),
                         InstanceMethod<&ObjectSpec::load>("load"),
                         InstanceMethod<&ObjectSpec::close>("close"),
                     });
}

ObjectSpec::ObjectSpec(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ObjectSpec>(info), file_(unwrap_state<std::shared_ptr<const ObjectFile>>(info)) {}

const std::shared_ptr<const ObjectFile>& ObjectSpec::file() const {
  if (!file_) throw Failure("RETINA_CLOSED", "the object file was closed", {.next = "open it again"});
  return file_;
}

Napi::Value ObjectSpec::programs(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    Napi::Array list = Napi::Array::New(info.Env());
    for (const auto& program : file()->programs) {
      Napi::Object item = Napi::Object::New(info.Env());
      item.Set("name", program.name);
      item.Set("section", program.section);
      list.Set(list.Length(), item);
    }
    return list;
  });
}

Napi::Value ObjectSpec::maps(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    Napi::Array list = Napi::Array::New(info.Env());
    for (const auto& map : file()->maps) {
      Napi::Object item = Napi::Object::New(info.Env());
      item.Set("name", map.name);
      item.Set("type", map.type);
      item.Set("keySize", map.key_size);
      item.Set("valueSize", map.value_size);
      item.Set("maxEntries", map.max_entries);
      list.Set(list.Length(), item);
    }
    return list;
  });
}

Napi::Value ObjectSpec::constants(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    Napi::Array list = Napi::Array::New(info.Env());
    for (const auto& constant : file()->constants) {
      Napi::Object item = Napi::Object::New(info.Env());
      item.Set("name", constant.name);
      item.Set("size", constant.size);
      item.Set("value", Napi::BigInt::New(info.Env(), constant.value));
      list.Set(list.Length(), item);
    }
    return list;
  });
}

template <typename Each>
static void each_entry(const Napi::Object& options, const char* name, Each each) {
  const Napi::Value value = options.Get(name);
  if (!value.IsObject()) return;
  for (const auto& [key, entry] : value.As<Napi::Object>())
    each(key.ToString().Utf8Value(), static_cast<Napi::Value>(entry));
}

static int64_t constant_value(const std::string& name, const Napi::Value& value) {
  if (value.IsBigInt()) {
    bool lossless;
    const uint64_t bits = value.As<Napi::BigInt>().Uint64Value(&lossless);
    if (lossless) return static_cast<int64_t>(bits);
    return value.As<Napi::BigInt>().Int64Value(&lossless);
  }
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value();
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (static_cast<double>(static_cast<int64_t>(number)) == number) return static_cast<int64_t>(number);
  }
  throw Napi::TypeError::New(value.Env(), "expected a whole number or a bigint for constant '" + name + "'");
}

static LoadSettings settings_of(const Napi::CallbackInfo& info) {
  LoadSettings settings;
  if (!info[0].IsObject()) return settings;
  const Napi::Object options = info[0].As<Napi::Object>();
  each_entry(options, "constants", [&](const std::string& name, const Napi::Value& value) {
    settings.constants[name] = constant_value(name, value);
  });
  each_entry(options, "maxEntries", [&](const std::string& name, const Napi::Value& value) {
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
    if (!(number >= 1 && number <= 4294967295.0))
      throw Napi::TypeError::New(info.Env(), "expected a positive number of entries for map '" + name + "'");
    settings.max_entries[name] = static_cast<uint32_t>(number);
  });
  each_entry(options, "reuseMaps", [&](const std::string& name, const Napi::Value& value) {
    settings.reuse_maps[name] = std::make_shared<Descriptor>(Descriptor::copy_of(map_of(info.Env(), value).fd()));
  });
  const Napi::Value skip = options.Get("skipPrograms");
  if (skip.IsArray()) {
    const Napi::Array names = skip.As<Napi::Array>();
    for (uint32_t i = 0; i < names.Length(); i++) settings.skip_programs.push_back(names.Get(i).ToString().Utf8Value());
  }
  return settings;
}

Napi::Value ObjectSpec::load(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto work = [file = file(), settings = settings_of(info)] { return BpfObject::load(*file, settings); };
    auto finish = [](Napi::Env env, std::shared_ptr<BpfObject> object) -> Napi::Value {
      auto state = std::make_shared<ObjectState>(ObjectState{object, object->name()});
      return wrap(env, Environment::of(env).loaded_object, std::move(state));
    };
    return run_async(info.Env(), std::move(work), std::move(finish));
  });
}

Napi::Value ObjectSpec::close(const Napi::CallbackInfo& info) {
  file_.reset();
  return info.Env().Undefined();
}

}  // namespace retina
