// A BPF object in the kernel, owned. Shared by the JavaScript wrapper and by the sources that read its maps.
#pragma once

#include <bpf/libbpf.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "descriptor.hpp"

namespace retina {

struct ProgramInfo {
  std::string name;
  std::string section;
};

struct MapInfo {
  std::string name;
  uint32_t type = 0;
  uint32_t key_size = 0;
  uint32_t value_size = 0;
  uint32_t max_entries = 0;
  int fd = -1;  // -1 before loading; borrowed from the object
};

struct ConstantInfo {
  std::string name;
  uint32_t size = 0;   // bytes: 1, 2, 4 or 8
  uint64_t value = 0;  // zero-extended
};

/** The bytes of an object file and what they declare. Immutable; needs no privileges. */
struct ObjectFile {
  std::string path;
  std::string name;
  std::vector<uint8_t> bytes;
  std::vector<ProgramInfo> programs;
  std::vector<MapInfo> maps;
  std::vector<ConstantInfo> constants;
};

/** Reads and parses a file. Throws RETINA_OBJECT_INVALID naming what it found. */
std::shared_ptr<const ObjectFile> open_object_file(const std::string& path);

struct LoadSettings {
  std::map<std::string, int64_t> constants{};
  std::map<std::string, uint32_t> max_entries{};
  std::vector<std::string> skip_programs{};
  std::map<std::string, std::shared_ptr<Descriptor>> reuse_maps{};
};

/** Programs and maps in the kernel. They live as long as somebody holds this; every accessor is safe from any thread.
 */
class BpfObject {
 public:
  /** Blocks for as long as the verifier takes. Throws RETINA_VERIFIER_REJECTED, RETINA_LOAD_FAILED, … */
  static std::shared_ptr<BpfObject> load(const ObjectFile& file, const LoadSettings& settings);
  ~BpfObject();
  BpfObject(const BpfObject&) = delete;
  BpfObject& operator=(const BpfObject&) = delete;

  const std::string& name() const { return name_; }
  /** The map with its descriptor; nullptr if the object declares none of that name. Lives as long as the object. */
  const MapInfo* find_map(const std::string& name) const;
  /** The same; throws RETINA_OBJECT_INVALID. */
  const MapInfo& map(const std::string& name) const;
  const std::vector<MapInfo>& maps() const { return maps_; }
  /** Descriptor of a loaded program; -1 if it was skipped or does not exist. */
  int program_fd(const std::string& name) const;
  bpf_program* find_program(const std::string& name) const;
  /** Programs that are loaded. */
  const std::vector<ProgramInfo>& programs() const { return programs_; }
  /** The value a constant was loaded with; `otherwise` if the object has none of that name. */
  uint64_t constant(const std::string& name, uint64_t otherwise) const;

 private:
  BpfObject() = default;
  std::string name_;
  bpf_object* object_ = nullptr;
  std::vector<MapInfo> maps_;
  std::vector<ProgramInfo> programs_;
  std::vector<ConstantInfo> constants_;
};

}  // namespace retina
