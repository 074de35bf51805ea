#include "map.hpp"

#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>

#include "capabilities.hpp"
#include "environment.hpp"
#include "js.hpp"
#include "map_access.hpp"
#include "program.hpp"
#include "wrap.hpp"

namespace retina {

Napi::Function Map::define(Napi::Env env) {
  return DefineClass(env, "BpfMap",
                     {
                         InstanceAccessor<&Map::name>("name"),
                         InstanceAccessor<&Map::fd_value>("fd"),
                         InstanceAccessor<&Map::key_size>("keySize"),
                         InstanceAccessor<&Map::value_size>("valueSize"),
                         InstanceAccessor<&Map::max_entries>("maxEntries"),
                         InstanceMethod<&Map::lookup>("lookup"),
                         InstanceMethod<&Map::update>("update"),
                         InstanceMethod<&Map::remove>("remove"),
                         InstanceMethod<&Map::entries>("entries"),
                         InstanceMethod<&Map::set_program>("setProgram"),
                         InstanceMethod<&Map::close>(Napi::Symbol::WellKnown(env, "dispose")),
                     });
}

Map::Map(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Map>(info), state_(unwrap_state<MapState>(info)) {}
Map::~Map() { release(); }

void Map::release() {
  if (!state_.owner && state_.info.fd >= 0) ::close(state_.info.fd);
  state_.owner.reset();
  state_.info.fd = -1;
}

int Map::fd() const {
  if (state_.info.fd < 0) throw Failure("RETINA_CLOSED", "the map '" + state_.info.name + "' was closed");
  if (state_.owner) state_.owner->open();
  return state_.info.fd;
}

Napi::Value Map::create(const Napi::CallbackInfo& info) {
  const Napi::Object spec = info[0].IsObject() ? info[0].As<Napi::Object>() : Napi::Object::New(info.Env());
  const auto number = [&](const char* name) {
    const Napi::Value value = spec.Get(name);
    return value.IsNumber() ? value.As<Napi::Number>().Uint32Value() : 0;
  };
  return guarded(info.Env(), [&] {
    const std::string type = spec.Get("type").ToString();
    MapState state;
    state.info = {spec.Get("name").ToString(), 0, number("keySize"), number("valueSize"), number("maxEntries"), -1};
    if (type == "prog_array") state.info.type = BPF_MAP_TYPE_PROG_ARRAY;
    else if (type == "array") state.info.type = BPF_MAP_TYPE_ARRAY;
    else if (type == "percpu_array") state.info.type = BPF_MAP_TYPE_PERCPU_ARRAY;
    else if (type == "hash") state.info.type = BPF_MAP_TYPE_HASH;
    else
      throw Napi::TypeError::New(info.Env(),
                                 "expected prog_array, array, percpu_array or hash for type, received '" + type + "'");
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = number("flags"));
    const std::string kernel_name = state.info.name.substr(0, BPF_OBJ_NAME_LEN - 1);
    state.info.fd = bpf_map_create(static_cast<bpf_map_type>(state.info.type), kernel_name.c_str(), state.info.key_size,
                                   state.info.value_size, state.info.max_entries, &options);
    if (state.info.fd < 0) {
      const int error = errno;
      const auto missing = error == EPERM ? missing_capabilities({"BPF"}) : std::vector<std::string>{};
      throw Failure(missing.empty() ? "RETINA_MAP_FAILED" : "RETINA_CAPABILITY_MISSING",
                    "the map '" + state.info.name + "' cannot be created",
                    {.found = errno_text(error),
                     .needed = missing.empty() ? "" : capability_list(missing),
                     .next = missing.empty() ? "" : "run as root, or grant " + capability_list(missing)});
    }
    return wrap(info.Env(), Environment::of(info.Env()).map, std::move(state));
  });
}

Napi::Value Map::name(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), state_.info.name); }
Napi::Value Map::key_size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), state_.info.key_size);
}
Napi::Value Map::value_size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), state_.info.value_size);
}
Napi::Value Map::max_entries(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), state_.info.max_entries);
}
Napi::Value Map::fd_value(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), fd()); });
}

Napi::Uint8Array Map::sized(const Napi::CallbackInfo& info, size_t index, const char* name, size_t size) const {
  const Napi::Uint8Array bytes = bytes_argument(info, index, name);
  if (bytes.ByteLength() != size) {
    throw Napi::RangeError::New(info.Env(), std::string("expected ") + std::to_string(size) + " bytes for the " + name +
                                                " of map '" + state_.info.name + "', received " +
                                                std::to_string(bytes.ByteLength()));
  }
  return bytes;
}

static Failure operation_failed(const std::string& map, const char* what, int error) {
  return Failure("RETINA_MAP_FAILED", std::string(what) + " map '" + map + "' failed",
                 {.found = errno_text(error), .next = error == E2BIG ? "raise the map's maxEntries" : ""});
}

Napi::Value Map::lookup(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const int descriptor = fd();
    const Napi::Uint8Array key = sized(info, 0, "key", state_.info.key_size);
    Napi::Uint8Array value = Napi::Uint8Array::New(info.Env(), value_bytes(state_.info));
    if (bpf_map_lookup_elem(descriptor, key.Data(), value.Data()) == 0) return value;
    if (errno == ENOENT) return info.Env().Undefined();
    throw operation_failed(state_.info.name, "a look-up in", errno);
  });
}

Napi::Value Map::update(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const int descriptor = fd();
    const Napi::Uint8Array key = sized(info, 0, "key", state_.info.key_size);
    const Napi::Uint8Array value = sized(info, 1, "value", value_bytes(state_.info));
    if (bpf_map_update_elem(descriptor, key.Data(), value.Data(), BPF_ANY) != 0)
      throw operation_failed(state_.info.name, "an update of", errno);
    return info.Env().Undefined();
  });
}

Napi::Value Map::remove(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const int descriptor = fd();
    const Napi::Uint8Array key = sized(info, 0, "key", state_.info.key_size);
    const bool removed = bpf_map_delete_elem(descriptor, key.Data()) == 0;
    if (!removed && errno != ENOENT) throw operation_failed(state_.info.name, "a removal from", errno);
    return Napi::Boolean::New(info.Env(), removed);
  });
}

Napi::Value Map::entries(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    MapInfo map = state_.info;
    map.fd = fd();
    Napi::Array list = Napi::Array::New(info.Env());
    each_entry_of(map, [&](const uint8_t* key, const uint8_t* value) {
      Napi::Array pair = Napi::Array::New(info.Env(), 2);
      pair.Set(0u, bytes_value(info.Env(), key, map.key_size));
      pair.Set(1u, bytes_value(info.Env(), value, value_bytes(map)));
      list.Set(list.Length(), pair);
    });
    return list;
  });
}

Napi::Value Map::set_program(const Napi::CallbackInfo& info) {
  const uint32_t slot = number_argument(info, 0, "slot");
  return guarded(info.Env(), [&] {
    const int descriptor = fd();
    if (info[1].IsUndefined() || info[1].IsNull()) {
      if (bpf_map_delete_elem(descriptor, &slot) != 0 && errno != ENOENT)
        throw operation_failed(state_.info.name, "emptying a slot of", errno);
      return info.Env().Undefined();
    }
    const Program& program = program_argument(info, 1);
    const int program_fd = program.fd();
    if (bpf_map_update_elem(descriptor, &slot, &program_fd, BPF_ANY) != 0) {
      const int error = errno;
      throw Failure("RETINA_MAP_FAILED",
                    "program '" + program.name() + "' cannot be put into slot " + std::to_string(slot) + " of '" +
                        state_.info.name + "'",
                    {.found = errno_text(error),
                     .needed = "a slot below " + std::to_string(state_.info.max_entries) +
                               " and a program of the type the array has already"});
    }
    return info.Env().Undefined();
  });
}

Napi::Value Map::close(const Napi::CallbackInfo& info) {
  release();
  return info.Env().Undefined();
}

Map& map_of(Napi::Env env, const Napi::Value& value) {
  const auto& constructor = Environment::of(env).map;
  if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(constructor.Value())) {
    throw Napi::TypeError::New(env, "expected a BpfMap of this loader");
  }
  return *Map::Unwrap(value.As<Napi::Object>());
}

}  // namespace retina
