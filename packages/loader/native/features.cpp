#include "features.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "btf_types.hpp"
#include "capabilities.hpp"
#include "js.hpp"
#include "libbpf_log.hpp"
#include "load_failure.hpp"
#include "map_access.hpp"

namespace retina {

using Btf = std::shared_ptr<btf>;

static Btf parse(const std::string& path, btf* base) {
  LibbpfLog quiet;
  btf* types = base ? btf__parse_split(path.c_str(), base) : btf__parse(path.c_str(), nullptr);
  return types ? Btf(types, &btf__free) : Btf();
}

struct KernelTypes {
  std::mutex mutex;
  std::string path;
  Btf types;
};

/** Never destroyed: other threads may ask while the process ends. */
static KernelTypes& kernel_types() {
  static auto* const types = new KernelTypes();
  return *types;
}

/** Parsing takes some 10 ms, so what one question parsed serves the next ones, until release_types(). */
static Btf kernel_btf() {
  KernelTypes& kernel = kernel_types();
  std::lock_guard lock(kernel.mutex);
  const std::string path = kernel_btf_path();
  if (!kernel.types || kernel.path != path) kernel.types = parse(path, nullptr);
  kernel.path = path;
  return kernel.types;
}

void release_types() {
  std::lock_guard lock(kernel_types().mutex);
  kernel_types().types.reset();
}

static void kernel_version(unsigned& major, unsigned& minor) {
  utsname name{};
  uname(&name);
  sscanf(name.release, "%u.%u", &major, &minor);
}

bool kernel_has_tcx() {
  static const bool has = [] {
    unsigned major = 0, minor = 0;
    kernel_version(major, minor);
    const auto types = enum_names("bpf_attach_type");
    if (types.empty()) return major > 6 || (major == 6 && minor >= 6);  // no type information to ask
    for (const auto& [value, name] : types) {
      if (name == "BPF_TCX_INGRESS") return true;
    }
    return false;
  }();
  return has;
}

bool kernel_has_ring_buffer() {
  static const bool has = [] {
    const auto types = enum_names("bpf_map_type");
    for (const auto& [value, name] : types) {
      if (name == "BPF_MAP_TYPE_RINGBUF") return true;
    }
    if (!types.empty()) return false;
    const int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "retina_probe", 0, 0, 4096, nullptr);
    if (fd >= 0) close(fd);
    return fd >= 0;
  }();
  return has;
}

int tracepoint_arguments(const std::string& name) {
  const Btf types = kernel_btf();
  return types ? tracepoint_arguments_in(types.get(), name) : -1;
}

std::map<int64_t, std::string> enum_names(const std::string& name) {
  std::map<int64_t, std::string> names;
  const Btf base = kernel_btf();
  if (!base || add_enum_names(base.get(), name, 1, names)) return names;
  // Modules publish what they add to vmlinux, one file each.
  const std::string folder = "/sys/kernel/btf";
  DIR* modules = opendir(folder.c_str());
  if (!modules) return names;
  for (const dirent* entry = readdir(modules); entry && names.empty(); entry = readdir(modules)) {
    if (entry->d_name[0] == '.' || strcmp(entry->d_name, "vmlinux") == 0) continue;
    const Btf module = parse(folder + "/" + entry->d_name, base.get());
    if (module) add_enum_names(module.get(), name, btf__type_cnt(base.get()), names);
  }
  closedir(modules);
  return names;
}

static Napi::Value features(const Napi::CallbackInfo& info) {
  utsname name{};
  uname(&name);
  unsigned major = 0, minor = 0;
  kernel_version(major, minor);
  Napi::Env env = info.Env();
  Napi::Object result = Napi::Object::New(env);
  Napi::Array version = Napi::Array::New(env, 2);
  version.Set(0u, major);
  version.Set(1u, minor);
  result.Set("release", name.release);
  result.Set("version", version);
  result.Set("architecture", name.machine);
  result.Set("btf", kernel_btf_readable());
  result.Set("tcx", kernel_has_tcx());
  result.Set("ringBuffer", kernel_has_ring_buffer());
  result.Set("capabilities", strings_value(env, effective_capabilities()));
  result.Set("preemptRt", strstr(name.version, "PREEMPT_RT") != nullptr || access("/sys/kernel/realtime", F_OK) == 0);
  result.Set("possibleCpus", possible_cpus());
  return result;
}

void define_features(Napi::Env env, Napi::Object exports) {
  exports.Set("releaseTypes", Napi::Function::New(env, [](const Napi::CallbackInfo&) { release_types(); }));
  exports.Set("features", Napi::Function::New<&features>(env, "features"));
  exports.Set("tracepointArguments", Napi::Function::New(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
                return Napi::Number::New(info.Env(), tracepoint_arguments(string_argument(info, 0, "name")));
              }));
  exports.Set("enumNames", Napi::Function::New(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
                const auto names = enum_names(string_argument(info, 0, "name"));
                Napi::Array pairs = Napi::Array::New(info.Env(), names.size() * 2);
                uint32_t at = 0;
                for (const auto& [value, name] : names) {
                  pairs.Set(at++, static_cast<double>(value));
                  pairs.Set(at++, name);
                }
                return pairs;
              }));
}

}  // namespace retina
