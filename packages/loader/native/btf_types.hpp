// Questions to type information. It may come from a file, so nothing in it is trusted: ids may lead nowhere, names may
// be missing.
#pragma once

#include <bpf/btf.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace retina {

/** Arguments of a tracepoint's typedef btf_trace_NAME, without the context; -1 if there is none. */
int tracepoint_arguments_in(const btf* types, const std::string& name);
/** Adds value → name of the first enum of that name with an id from `first` on. False if there is none. */
bool add_enum_names(const btf* types, const std::string& name, uint32_t first, std::map<int64_t, std::string>& names);

/** Where a constant lies: a variable of 1, 2, 4 or 8 bytes in a read-only data section. */
struct ConstantPlace {
  std::string name;
  std::string section;
  uint32_t offset;
  uint32_t size;
  /** Whether it lies within a section of so many bytes. */
  bool inside(size_t bytes) const { return size <= bytes && offset <= bytes - size; }
};
std::vector<ConstantPlace> constant_places(const btf* types);

}  // namespace retina
