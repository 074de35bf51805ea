// What reading and loading an object file share.
#pragma once

#include "btf_types.hpp"
#include "object.hpp"

namespace retina {

/** Parses the bytes anew. RETINA_BTF_PATH replaces the kernel's type information for relocations. Owned by the caller.
 */
bpf_object* open_image(const ObjectFile& file);
/** The map libbpf makes of a read-only data section; nullptr if there is none. */
bpf_map* constants_map(bpf_object* object, const std::string& section);

}  // namespace retina
