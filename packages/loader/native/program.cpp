#include "program.hpp"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>

#include "environment.hpp"
#include "js.hpp"
#include "wrap.hpp"

namespace retina {

Napi::Function Program::define(Napi::Env env) {
  return DefineClass(env, "BpfProgram",
                     {
                         InstanceAccessor<&Program::name_value>("name"),
                         InstanceAccessor<&Program::fd_value>("fd"),
                         InstanceAccessor<&Program::id_value>("id"),
                         InstanceAccessor<&Program::verified>("verified"),
                         InstanceMethod<&Program::test_run>("testRun"),
                         InstanceMethod<&Program::stats>("stats"),
                     });
}

Program::Program(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Program>(info), state_(unwrap_state<ProgramState>(info)) {}

int Program::fd() const { return state_.owner->open()->program_fd(state_.name); }

static bpf_prog_info info_of(int fd, const std::string& name) {
  bpf_prog_info info{};
  uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0) {
    throw Failure("RETINA_LOAD_FAILED", "the kernel tells nothing about program '" + name + "'",
                  {.found = errno_text(errno)});
  }
  return info;
}

Napi::Value Program::name_value(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), state_.name); }

Napi::Value Program::fd_value(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), fd()); });
}

Napi::Value Program::id_value(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), info_of(fd(), state_.name).id); });
}

Napi::Value Program::verified(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto program = info_of(fd(), state_.name);
    Napi::Object verified = Napi::Object::New(info.Env());
    verified.Set("instructions", static_cast<double>(program.xlated_prog_len / sizeof(bpf_insn)));
    verified.Set("jitedBytes", static_cast<double>(program.jited_prog_len));
    verified.Set("verifiedInstructions", static_cast<double>(program.verified_insns));
    return verified;
  });
}

Napi::Value Program::stats(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto program = info_of(fd(), state_.name);
    Napi::Object stats = Napi::Object::New(info.Env());
    stats.Set("runs", static_cast<double>(program.run_cnt));
    stats.Set("nanos", static_cast<double>(program.run_time_ns));
    return stats;
  });
}

static uint32_t option(const Napi::Object& options, const char* name, uint32_t otherwise) {
  const Napi::Value value = options.Get(name);
  return value.IsNumber() ? value.As<Napi::Number>().Uint32Value() : otherwise;
}

Napi::Value Program::test_run(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array data = bytes_argument(info, 0, "data");
  const Napi::Object options = info[1].IsObject() ? info[1].As<Napi::Object>() : Napi::Object::New(info.Env());
  return guarded(info.Env(), [&] {
    __sk_buff context{};
    context.ifindex = option(options, "ifindex", 0);
    context.gso_segs = option(options, "gsoSegments", 0);
    context.gso_size = option(options, "gsoSize", 0);
    context.mark = option(options, "mark", 0);
    const bool with_context = context.ifindex || context.gso_segs || context.gso_size || context.mark;
    std::vector<uint8_t> out(data.ByteLength() + 256);
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = data.Data(), .data_out = out.data(),
                .data_size_in = static_cast<uint32_t>(data.ByteLength()),
                .data_size_out = static_cast<uint32_t>(out.size()),
                .repeat = static_cast<int>(std::max(1u, option(options, "repeat", 1))));
    if (with_context) {
      run.ctx_in = &context;
      run.ctx_size_in = sizeof(context);
    }
    if (bpf_prog_test_run_opts(fd(), &run) != 0) {
      throw Failure(
          "RETINA_RUN_FAILED",
          "the kernel refused a test run of '" + state_.name + "' on " + std::to_string(data.ByteLength()) + " bytes",
          {.found = errno_text(errno),
           .needed = "a program type that can be run this way, and at least 14 bytes for packets"});
    }
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("retval", static_cast<int32_t>(run.retval));
    result.Set("nanos", run.duration);
    result.Set("data", bytes_value(info.Env(), out.data(), std::min<size_t>(run.data_size_out, out.size())));
    return result;
  });
}

Program& program_argument(const Napi::CallbackInfo& info, size_t index) {
  const auto& constructor = Environment::of(info.Env()).program;
  if (!info[index].IsObject() || !info[index].As<Napi::Object>().InstanceOf(constructor.Value())) {
    throw Napi::TypeError::New(info.Env(), "expected a BpfProgram of this loader for program");
  }
  return *Program::Unwrap(info[index].As<Napi::Object>());
}

}  // namespace retina
