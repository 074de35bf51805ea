// BpfProgram: a loaded program.
#pragma once

#include <napi.h>

#include <memory>

#include "object_state.hpp"

namespace retina {

struct ProgramState {
  std::shared_ptr<ObjectState> owner;
  std::string name;
};

class Program : public Napi::ObjectWrap<Program> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit Program(const Napi::CallbackInfo& info);
  /** Throws RETINA_CLOSED when the object was closed. */
  int fd() const;
  const std::string& name() const { return state_.name; }

 private:
  Napi::Value name_value(const Napi::CallbackInfo& info);
  Napi::Value fd_value(const Napi::CallbackInfo& info);
  Napi::Value id_value(const Napi::CallbackInfo& info);
  Napi::Value test_run(const Napi::CallbackInfo& info);
  Napi::Value verified(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  ProgramState state_;
};

/** The program behind a JavaScript value; throws a TypeError if it is none. */
Program& program_argument(const Napi::CallbackInfo& info, size_t index);

}  // namespace retina
