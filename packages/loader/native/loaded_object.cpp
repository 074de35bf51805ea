#include "loaded_object.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>

#include "environment.hpp"
#include "flows/flow_source.hpp"
#include "js.hpp"
#include "libbpf_log.hpp"
#include "link.hpp"
#include "map.hpp"
#include "map_access.hpp"
#include "program.hpp"
#include "source_handle.hpp"
#include "stream_source.hpp"
#include "wrap.hpp"

namespace retina {

Napi::Function LoadedObject::define(Napi::Env env) {
  return DefineClass(env, "LoadedObject",
                     {
                         InstanceAccessor<&LoadedObject::programs>("programs"),
                         InstanceAccessor<&LoadedObject::maps>("maps"),
                         InstanceMethod<&LoadedObject::program>("program"),
                         InstanceMethod<&LoadedObject::map>("map"),
                         InstanceMethod<&LoadedObject::attach>("attach"),
                         InstanceMethod<&LoadedObject::attach_tap>("attachTap"),
                         InstanceMethod<&LoadedObject::counters>("counters"),
                         InstanceMethod<&LoadedObject::missed>("missed"),
                         InstanceMethod<&LoadedObject::open_stream>("openStream"),
                         InstanceMethod<&LoadedObject::open_table>("openTable"),
                         InstanceMethod<&LoadedObject::open_flows>("openFlows"),
                         InstanceMethod<&LoadedObject::close>("close"),
                     });
}

LoadedObject::LoadedObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<LoadedObject>(info), state_(unwrap_state<std::shared_ptr<ObjectState>>(info)) {}

template <typename Items>
static Napi::Array names_value(Napi::Env env, const Items& items) {
  Napi::Array names = Napi::Array::New(env);
  for (const auto& item : items) names.Set(names.Length(), item.name);
  return names;
}

Napi::Value LoadedObject::programs(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return names_value(info.Env(), state_->open()->programs()); });
}

Napi::Value LoadedObject::maps(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return names_value(info.Env(), state_->open()->maps()); });
}

static bpf_program& loaded_program(const BpfObject& object, const std::string& name) {
  if (bpf_program* program = object.find_program(name)) return *program;
  std::string known;
  for (const auto& program : object.programs()) known += (known.empty() ? "" : ", ") + program.name;
  throw Failure("RETINA_OBJECT_INVALID", "'" + object.name() + "' has no loaded program '" + name + "'",
                {.found = "programs: " + (known.empty() ? "none" : known)});
}

Napi::Value LoadedObject::program(const Napi::CallbackInfo& info) {
  const std::string name = string_argument(info, 0, "program");
  return guarded(info.Env(), [&] {
    loaded_program(*state_->open(), name);
    return wrap(info.Env(), Environment::of(info.Env()).program, ProgramState{state_, name});
  });
}

Napi::Value LoadedObject::map(const Napi::CallbackInfo& info) {
  const std::string name = string_argument(info, 0, "map");
  return guarded(info.Env(), [&] {
    return wrap(info.Env(), Environment::of(info.Env()).map, MapState{state_->open()->map(name), state_});
  });
}

Napi::Value LoadedObject::attach(const Napi::CallbackInfo& info) {
  const std::string name = string_argument(info, 0, "program");
  return guarded(info.Env(), [&] {
    bpf_program& program = loaded_program(*state_->open(), name);
    const std::string section = bpf_program__section_name(&program);
    if (bpf_program__type(&program) == BPF_PROG_TYPE_SCHED_CLS) {
      throw Failure("RETINA_ATTACH_FAILED", "program '" + name + "' belongs to an interface",
                    {.found = "section '" + section + "'", .next = "use attachTap"});
    }
    LibbpfLog log;
    bpf_link* link = bpf_program__attach(&program);
    if (!link) {
      const int error = errno;
      const std::string line = log.last_line();
      throw Failure("RETINA_ATTACH_FAILED", "program '" + name + "' cannot be attached (section '" + section + "')",
                    {.found = line.empty() ? errno_text(error) : line,
                     .next = error == ENOENT ? "this kernel has no such hook: skip the program" : "",
                     .detail = log.text()});
    }
    return adopt_link(info.Env(), state_->links, LinkState::tracing(link));
  });
}

Napi::Value LoadedObject::attach_tap(const Napi::CallbackInfo& info) {
  const std::string name = string_argument(info, 0, "program");
  const uint32_t ifindex = number_argument(info, 1, "ifindex");
  const std::string direction = string_argument(info, 2, "direction");
  const std::string mode = info[3].IsUndefined() ? "auto" : string_argument(info, 3, "mode");
  if (direction != "ingress" && direction != "egress")
    throw Napi::TypeError::New(info.Env(),
                               "expected 'ingress' or 'egress' for direction, received '" + direction + "'");
  if (mode != "auto" && mode != "tcx" && mode != "clsact")
    throw Napi::TypeError::New(info.Env(), "expected 'auto', 'tcx' or 'clsact' for mode, received '" + mode + "'");
  return guarded(info.Env(), [&] {
    const auto object = state_->open();
    bpf_program& program = loaded_program(*object, name);
    if (bpf_program__type(&program) != BPF_PROG_TYPE_SCHED_CLS) {
      throw Failure(
          "RETINA_ATTACH_FAILED", "program '" + name + "' is no tap",
          {.found = std::string("section '") + bpf_program__section_name(&program) + "'", .needed = "section 'tc'"});
    }
    auto work = [object, name, ifindex, egress = direction == "egress", mode] {
      return LinkState::tap(object->program_fd(name), name, ifindex, egress, mode);
    };
    auto finish = [](Napi::Env env, std::shared_ptr<LinkState> link) -> Napi::Value {
      return adopt_link(env, Environment::of(env).taps, std::move(link));
    };
    return run_async(info.Env(), std::move(work), std::move(finish));
  });
}

Napi::Value LoadedObject::counters(const Napi::CallbackInfo& info) {
  const std::string name = string_argument(info, 0, "map");
  return guarded(info.Env(), [&] {
    const auto sums = summed(state_->open()->map(name));
    Napi::Float64Array values = Napi::Float64Array::New(info.Env(), sums.size());
    for (size_t i = 0; i < sums.size(); i++) values[i] = static_cast<double>(sums[i]);
    return values;
  });
}

Napi::Value LoadedObject::missed(const Napi::CallbackInfo& info) {
  const std::string name = string_argument(info, 0, "program");
  return guarded(info.Env(), [&] {
    bpf_prog_info program{};
    uint32_t length = sizeof(program);
    if (bpf_obj_get_info_by_fd(bpf_program__fd(&loaded_program(*state_->open(), name)), &program, &length) != 0) {
      throw Failure("RETINA_LOAD_FAILED", "the kernel tells nothing about program '" + name + "'",
                    {.found = errno_text(errno)});
    }
    return Napi::Number::New(info.Env(), static_cast<double>(program.recursion_misses));
  });
}

Napi::Value LoadedObject::open_stream(const Napi::CallbackInfo& info) {
  const std::string name = string_argument(info, 0, "map");
  const uint32_t stride = number_argument(info, 1, "stride");
  const uint32_t ms = number_argument(info, 2, "interval");
  const Napi::Function on_batch = function_argument(info, 3, "handler");
  return guarded(info.Env(), [&] {
    return open_source(info.Env(), state_, make_stream_source(state_->open(), name, stride, ms), SlabPlan{}, on_batch);
  });
}

Napi::Value LoadedObject::open_table(const Napi::CallbackInfo& info) {
  const std::string name = string_argument(info, 0, "map");
  const uint32_t stride = number_argument(info, 1, "stride");
  const uint32_t ms = number_argument(info, 2, "interval");
  const Napi::Function on_batch = function_argument(info, 3, "handler");
  return guarded(info.Env(), [&] {
    return open_source(info.Env(), state_, make_table_source(state_->open(), name, stride, ms), SlabPlan{}, on_batch);
  });
}

Napi::Value LoadedObject::open_flows(const Napi::CallbackInfo& info) {
  const Napi::Object given = info[0].IsObject() ? info[0].As<Napi::Object>() : Napi::Object::New(info.Env());
  const Napi::Function on_batch = function_argument(info, 1, "handler");
  FlowOptions options;
  const auto read = [&](const char* name, uint32_t& value) {
    const Napi::Value number = given.Get(name);
    if (number.IsUndefined()) return;
    const double wanted = number.IsNumber() ? number.As<Napi::Number>().DoubleValue() : 0;
    if (!(wanted >= 1 && wanted <= 4294967295.0))
      throw Napi::TypeError::New(info.Env(), std::string("expected a positive number for ") + name);
    value = static_cast<uint32_t>(wanted);
  };
  read("intervalMs", options.interval_ms);
  read("drainMs", options.drain_ms);
  read("maxFlows", options.max_flows);
  read("tcpTimeoutSeconds", options.tcp_timeout_s);
  read("otherTimeoutSeconds", options.other_timeout_s);
  read("closedTimeoutSeconds", options.closed_timeout_s);
  return guarded(info.Env(), [&] {
    return open_source(info.Env(), state_, make_flow_source(state_->open(), options), flow_slabs(), on_batch);
  });
}

Napi::Value LoadedObject::close(const Napi::CallbackInfo& info) {
  if (!state_->object) return info.Env().Undefined();
  auto& environment = Environment::of(info.Env());
  for (const auto& port : std::exchange(state_->ports, {})) environment.reactor(info.Env()).close(port);
  // Links first, then the object: a hook never points at a program that lost its maps' last reader. Both off the event
  // loop.
  environment.closer.add(
      [links = std::exchange(*state_->links, {}), object = std::exchange(state_->object, nullptr)]() mutable {
        for (const auto& link : links) link->close();
        object.reset();
      });
  return info.Env().Undefined();
}

}  // namespace retina
