// What reading and loading an object file share.
#pragma once

#include "object.hpp"

namespace retina {

/** Where a constant lies: a variable of 1, 2, 4 or 8 bytes in a read-only data section. */
struct ConstantPlace {
  std::string name;
  std::string section;
  uint32_t offset;
  uint32_t size;
};

/** Parses the bytes anew. RETINA_BTF_PATH replaces the kernel's type information for relocations. Owned by the caller.
 */
bpf_object* open_image(const ObjectFile& file);
std::vector<ConstantPlace> constant_places(const bpf_object* object);
/** The map libbpf makes of a read-only data section; nullptr if there is none. */
bpf_map* constants_map(bpf_object* object, const std::string& section);

}  // namespace retina
