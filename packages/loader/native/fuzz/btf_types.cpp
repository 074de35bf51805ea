// Fuzzer: type information of an object file or a kernel, as far as libbpf takes it: what is read here must hold for
// everything that libbpf does not refuse. The first byte says which layout the rest is wrapped in: raw, or with a
// header that fits.
#include "../btf_types.hpp"

#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

using namespace retina;

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  libbpf_set_print(nullptr);
  return 0;
}

/** Splits the input into types and texts behind a header that says so. */
static std::vector<uint8_t> wrapped(const uint8_t* data, size_t size) {
  const size_t texts = size == 0 ? 0 : std::min<size_t>(data[0], size - 1);
  const uint8_t* end = data + size;
  std::vector<uint8_t> out(sizeof(btf_header));
  const size_t types = size == 0 ? 0 : size - 1 - texts;
  if (types > 0) out.insert(out.end(), data + 1, data + 1 + types);
  while (out.size() % 4 != 0) out.push_back(0);
  btf_header header{};
  header.magic = BTF_MAGIC;
  header.version = BTF_VERSION;
  header.hdr_len = sizeof(header);
  header.type_len = static_cast<uint32_t>(out.size() - sizeof(header));
  header.str_off = header.type_len;
  out.push_back(0);
  out.insert(out.end(), end - texts, end);
  out.push_back(0);
  header.str_len = static_cast<uint32_t>(out.size() - sizeof(header) - header.type_len);
  memcpy(out.data(), &header, sizeof(header));
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::vector<uint8_t> bytes(data + 1, data + size);
  if (data[0] & 1) bytes = wrapped(data + 1, size - 1);
  if (bytes.empty()) return 0;
  const std::unique_ptr<btf, decltype(&btf__free)> types(btf__new(bytes.data(), static_cast<uint32_t>(bytes.size())),
                                                         &btf__free);
  if (!types) return 0;
  tracepoint_arguments_in(types.get(), "a");
  for (const char* name : {"", "a", "enum"}) {
    std::map<int64_t, std::string> names;
    add_enum_names(types.get(), name, 1, names);
  }
  for (const auto& place : constant_places(types.get())) {
    uint8_t section[64] = {};
    uint64_t value = 0;
    if (place.inside(sizeof(section))) memcpy(&value, section + place.offset, place.size);
  }
  return 0;
}
