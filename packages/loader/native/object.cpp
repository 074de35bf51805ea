// Loading an object: edits, the kernel's part, and what is known of it afterwards.
#include "object.hpp"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "libbpf_log.hpp"
#include "load_failure.hpp"
#include "object_image.hpp"

namespace retina {

template <typename T>
static std::string names_of(const std::vector<T>& items) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : ", ") + item.name;
  return text.empty() ? "none" : text;
}

static Failure unknown(const ObjectFile& file, const std::string& kind, const std::string& name,
                       const std::string& known) {
  return Failure(
      "RETINA_OBJECT_INVALID", "'" + file.name + "' has no " + kind + " '" + name + "'",
      {.found = kind + "s: " + known, .needed = "one of them", .next = "correct the name, or build the object again"});
}

static void set_constants(bpf_object* object, const ObjectFile& file, const LoadSettings& settings) {
  const auto places = constant_places(bpf_object__btf(object));
  for (const auto& [name, value] : settings.constants) {
    const auto place = std::find_if(places.begin(), places.end(), [&](const auto& p) { return p.name == name; });
    bpf_map* map = place == places.end() ? nullptr : constants_map(object, place->section);
    size_t size = 0;
    auto* bytes =
        map ? static_cast<uint8_t*>(const_cast<void*>(static_cast<const void*>(bpf_map__initial_value(map, &size))))
            : nullptr;
    if (!bytes || !place->inside(size)) throw unknown(file, "constant", name, names_of(file.constants));
    const uint32_t bits = place->size * 8;
    const bool fits = bits == 64 || (value < (int64_t{1} << bits) && value >= -(int64_t{1} << (bits - 1)));
    if (!fits) {
      throw Failure("RETINA_OBJECT_INVALID", "the constant '" + name + "' cannot hold " + std::to_string(value),
                    {.needed = "a value of " + std::to_string(bits) + " bits"});
    }
    memcpy(bytes + place->offset, &value, place->size);  // little endian, as the target is
  }
}

static bpf_map* declared_map(bpf_object* object, const ObjectFile& file, const std::string& name) {
  bpf_map* map = bpf_object__find_map_by_name(object, name.c_str());
  if (!map) throw unknown(file, "map", name, names_of(file.maps));
  return map;
}

static void reuse_map(bpf_map* map, int fd) {
  bpf_map_info info{};
  uint32_t length = sizeof(info);
  const std::string name = bpf_map__name(map);
  if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0) {
    throw Failure("RETINA_MAP_FAILED", "the map given for '" + name + "' cannot be used", {.found = errno_text(errno)});
  }
  if (info.type != static_cast<uint32_t>(bpf_map__type(map)) || info.key_size != bpf_map__key_size(map) ||
      info.value_size != bpf_map__value_size(map)) {
    const auto shape = [](uint32_t type, uint32_t key, uint32_t value) {
      return "type " + std::to_string(type) + ", key " + std::to_string(key) + ", value " + std::to_string(value) +
             " bytes";
    };
    throw Failure("RETINA_OBJECT_INVALID", "the map given for '" + name + "' has another shape",
                  {.found = shape(info.type, info.key_size, info.value_size),
                   .needed = shape(bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map))});
  }
  if (const int error = bpf_map__reuse_fd(map, fd)) {
    throw Failure("RETINA_MAP_FAILED", "the map given for '" + name + "' cannot be used", {.found = errno_text(error)});
  }
}

/** Applies the settings; returns the capabilities that loading will need. */
static std::vector<std::string> edit(bpf_object* object, const ObjectFile& file, const LoadSettings& settings) {
  set_constants(object, file, settings);
  for (const auto& [name, entries] : settings.max_entries) {
    if (const int error = bpf_map__set_max_entries(declared_map(object, file, name), entries)) {
      throw Failure("RETINA_OBJECT_INVALID",
                    "the map '" + name + "' cannot have " + std::to_string(entries) + " entries",
                    {.found = errno_text(error)});
    }
  }
  for (const auto& [name, fd] : settings.reuse_maps) reuse_map(declared_map(object, file, name), fd->get());
  for (const auto& name : settings.skip_programs) {
    bpf_program* program = bpf_object__find_program_by_name(object, name.c_str());
    if (!program) throw unknown(file, "program", name, names_of(file.programs));
    bpf_program__set_autoload(program, false);
  }
  std::vector<std::string> needed = {"BPF"};
  const auto need = [&](const char* name) {
    if (std::find(needed.begin(), needed.end(), name) == needed.end()) needed.emplace_back(name);
  };
  bpf_program* program;
  bpf_object__for_each_program(program, object) {
    if (!bpf_program__autoload(program)) continue;
    const auto type = bpf_program__type(program);
    if (type == BPF_PROG_TYPE_SOCKET_FILTER || type == BPF_PROG_TYPE_SYSCALL) continue;
    need("PERFMON");  // pointer arithmetic in packets counts as well
    if (type == BPF_PROG_TYPE_SCHED_CLS || type == BPF_PROG_TYPE_SCHED_ACT || type == BPF_PROG_TYPE_XDP)
      need("NET_ADMIN");
    // Kernels before 6.6 do not know the tcx types, and a program array takes one type only: tc programs have none.
    if (type == BPF_PROG_TYPE_SCHED_CLS)
      bpf_program__set_expected_attach_type(program, static_cast<bpf_attach_type>(0));
  }
  return needed;
}

std::shared_ptr<BpfObject> BpfObject::load(const ObjectFile& file, const LoadSettings& settings) {
  std::shared_ptr<BpfObject> loaded(new BpfObject());
  loaded->name_ = file.name;
  loaded->object_ = open_image(file);
  bpf_object* object = loaded->object_;
  const auto needed = edit(object, file, settings);
  loaded->constants_ = file.constants;
  for (auto& constant : loaded->constants_) {
    const auto set = settings.constants.find(constant.name);
    if (set == settings.constants.end()) continue;
    constant.value = static_cast<uint64_t>(set->second);
    if (constant.size < 8) constant.value &= (uint64_t{1} << (constant.size * 8)) - 1;
  }
  {
    // libbpf raises RLIMIT_MEMLOCK where the kernel counts maps against it (below 5.11), and tries a refused program
    // again with a log that grows until it holds everything the verifier says.
    LibbpfLog log;
    const int error = bpf_object__load(object);
    if (error) throw load_failure({file, -error, log.text(), needed});
  }
  bpf_map* map;
  bpf_object__for_each_map(map, object) {
    loaded->maps_.push_back({bpf_map__name(map), static_cast<uint32_t>(bpf_map__type(map)), bpf_map__key_size(map),
                             bpf_map__value_size(map), bpf_map__max_entries(map), bpf_map__fd(map)});
  }
  bpf_program* program;
  bpf_object__for_each_program(program, object) {
    if (bpf_program__fd(program) >= 0)
      loaded->programs_.push_back({bpf_program__name(program), bpf_program__section_name(program)});
  }
  return loaded;
}

BpfObject::~BpfObject() { bpf_object__close(object_); }

const MapInfo* BpfObject::find_map(const std::string& name) const {
  const auto found = std::find_if(maps_.begin(), maps_.end(), [&](const auto& map) { return map.name == name; });
  return found == maps_.end() ? nullptr : &*found;
}

const MapInfo& BpfObject::map(const std::string& name) const {
  if (const MapInfo* found = find_map(name)) return *found;
  throw Failure("RETINA_OBJECT_INVALID", "'" + name_ + "' has no map '" + name + "'",
                {.found = "maps: " + names_of(maps_)});
}

bpf_program* BpfObject::find_program(const std::string& name) const {
  bpf_program* program = bpf_object__find_program_by_name(object_, name.c_str());
  return program && bpf_program__fd(program) >= 0 ? program : nullptr;
}

int BpfObject::program_fd(const std::string& name) const {
  bpf_program* program = find_program(name);
  return program ? bpf_program__fd(program) : -1;
}

uint64_t BpfObject::constant(const std::string& name, uint64_t otherwise) const {
  for (const auto& constant : constants_) {
    if (constant.name == name) return constant.value;
  }
  return otherwise;
}

}  // namespace retina
