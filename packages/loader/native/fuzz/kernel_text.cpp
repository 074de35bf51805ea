// Fuzzer: text of the kernel and of libbpf: the list of symbols, a verifier's log.
#include <cstdlib>
#include <cstring>

#include "../kernel_symbols.cpp"
#include "../load_failure.hpp"

using namespace retina;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 9) return 0;
  SymbolTable symbols;
  FILE* file = fmemopen(const_cast<uint8_t*>(data) + 8, size - 8, "r");
  read_symbols(file, symbols);
  fclose(file);
  uint64_t address;
  memcpy(&address, data, sizeof(address));
  find_symbol(symbols, address);
  for (const auto& symbol : symbols.symbols) {
    if (find_symbol(symbols, symbol.address).size() > 1024) std::abort();
  }
  const std::string log(reinterpret_cast<const char*>(data) + 8, size - 8);
  const ObjectFile object{.path = "", .name = "object", .bytes = {}, .programs = {}, .maps = {}, .constants = {}};
  for (const int error : {EINVAL, EPERM, ENOMEM})
    load_failure({.file = object, .error = error, .log = log, .needed = {}});
  return 0;
}
