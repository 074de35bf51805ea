// BpfMap: a map of a loaded object, or one made by createMap.
#pragma once

#include <napi.h>

#include <memory>

#include "object_state.hpp"

namespace retina {

struct MapState {
  MapInfo info{};                        // info.fd is the descriptor
  std::shared_ptr<ObjectState> owner{};  // empty: the descriptor is our own
};

class Map : public Napi::ObjectWrap<Map> {
 public:
  static Napi::Function define(Napi::Env env);
  /** createMap(spec) */
  static Napi::Value create(const Napi::CallbackInfo& info);
  explicit Map(const Napi::CallbackInfo& info);
  ~Map();
  /** Throws RETINA_CLOSED. */
  int fd() const;

 private:
  Napi::Value name(const Napi::CallbackInfo& info);
  Napi::Value fd_value(const Napi::CallbackInfo& info);
  Napi::Value key_size(const Napi::CallbackInfo& info);
  Napi::Value value_size(const Napi::CallbackInfo& info);
  Napi::Value max_entries(const Napi::CallbackInfo& info);
  Napi::Value lookup(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value remove(const Napi::CallbackInfo& info);
  Napi::Value entries(const Napi::CallbackInfo& info);
  Napi::Value set_program(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  void release();
  Napi::Uint8Array sized(const Napi::CallbackInfo& info, size_t index, const char* name, size_t size) const;
  MapState state_;
};

/** The map behind a JavaScript value; throws a TypeError if it is none. */
Map& map_of(Napi::Env env, const Napi::Value& value);

}  // namespace retina
