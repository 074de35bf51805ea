// Reading a BPF object file: no privileges, nothing reaches the kernel.
#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "failure.hpp"
#include "libbpf_log.hpp"
#include "object.hpp"
#include "object_image.hpp"

namespace retina {

static Failure invalid(const std::string& path, std::string found) {
  return Failure("RETINA_OBJECT_INVALID", "'" + path + "' is no BPF object that can be opened",
                 {.found = std::move(found),
                  .needed = "an ELF object compiled by clang -target bpf, with type information",
                  .next = "build the plugin's objects again and check the path"});
}

static std::string machine_name(uint16_t machine) {
  switch (machine) {
    case EM_X86_64: return "an ELF file for x86-64";
    case EM_AARCH64: return "an ELF file for AArch64";
    case EM_386: return "an ELF file for i386";
    default: return "an ELF file for machine " + std::to_string(machine);
  }
}

static std::vector<uint8_t> read_image(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) throw invalid(path, errno_text(errno));
  std::vector<uint8_t> bytes;
  for (;;) {
    const size_t at = bytes.size();
    bytes.resize(at + 64 * 1024);
    const ssize_t size = read(file.get(), bytes.data() + at, 64 * 1024);
    if (size < 0) throw invalid(path, errno_text(errno));
    bytes.resize(at + static_cast<size_t>(size));
    if (size == 0) break;
  }
  if (bytes.empty()) throw invalid(path, "an empty file");
  Elf64_Ehdr header{};
  if (bytes.size() < sizeof(header)) throw invalid(path, "a file of " + std::to_string(bytes.size()) + " bytes");
  memcpy(&header, bytes.data(), sizeof(header));
  if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    char start[32];
    snprintf(start, sizeof(start), "%02x %02x %02x %02x", bytes[0], bytes[1], bytes[2], bytes[3]);
    throw invalid(path, std::string("a file that starts with ") + start + ", which is no ELF file");
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_BPF) {
    throw invalid(path, machine_name(header.e_machine));
  }
  return bytes;
}

bpf_object* open_image(const ObjectFile& file) {
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = file.name.c_str());
  const char* btf = getenv("RETINA_BTF_PATH");
  if (btf && *btf) options.btf_custom_path = btf;
  LibbpfLog log;
  bpf_object* object = bpf_object__open_mem(file.bytes.data(), file.bytes.size(), &options);
  if (!object) {
    const int error = errno;
    const std::string line = log.last_line();
    throw invalid(file.path, line.empty() ? errno_text(error) : line);
  }
  return object;
}

bpf_map* constants_map(bpf_object* object, const std::string& section) {
  bpf_map* map;
  bpf_object__for_each_map(map, object) {
    if (bpf_map__is_internal(map) && std::string(bpf_map__name(map)).ends_with(section)) return map;
  }
  return nullptr;
}

std::shared_ptr<const ObjectFile> open_object_file(const std::string& path) {
  auto file = std::make_shared<ObjectFile>();
  file->path = path;
  const size_t slash = path.rfind('/');
  const std::string base = slash == std::string::npos ? path : path.substr(slash + 1);
  file->name = base.substr(0, base.find('.'));
  if (file->name.empty()) file->name = "object";
  file->bytes = read_image(path);

  std::unique_ptr<bpf_object, decltype(&bpf_object__close)> object(open_image(*file), &bpf_object__close);
  bpf_program* program;
  bpf_object__for_each_program(program, object.get()) {
    file->programs.push_back({bpf_program__name(program), bpf_program__section_name(program)});
  }
  bpf_map* map;
  bpf_object__for_each_map(map, object.get()) {
    if (bpf_map__is_internal(map)) continue;
    file->maps.push_back({bpf_map__name(map), static_cast<uint32_t>(bpf_map__type(map)), bpf_map__key_size(map),
                          bpf_map__value_size(map), bpf_map__max_entries(map), -1});
  }
  for (const auto& place : constant_places(bpf_object__btf(object.get()))) {
    bpf_map* values = constants_map(object.get(), place.section);
    size_t size = 0;
    const auto* bytes = values ? static_cast<const uint8_t*>(bpf_map__initial_value(values, &size)) : nullptr;
    if (!bytes || !place.inside(size)) continue;
    ConstantInfo constant{place.name, place.size, 0};
    memcpy(&constant.value, bytes + place.offset, place.size);
    file->constants.push_back(constant);
  }
  return file;
}

}  // namespace retina
