#include "kernel_symbols.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <vector>

namespace retina {

struct Symbol {
  uint64_t address;
  uint32_t name;  // position in the text
};

struct SymbolTable {
  std::mutex mutex;
  bool read = false;
  std::string text;  // names, each ended by a zero
  std::vector<Symbol> symbols;
};

/** Never destroyed: threads may still look while the process ends. */
static SymbolTable& table() {
  static auto* const instance = new SymbolTable();
  return *instance;
}

/** Lines of address, kind and name; what is none of them is passed over. */
static void read_symbols(FILE* file, SymbolTable& symbols) {
  char line[1024];
  while (fgets(line, sizeof(line), file)) {
    char* at = nullptr;
    const uint64_t address = strtoull(line, &at, 16);
    const int kind = at[0] == ' ' ? at[1] | 0x20 : 0;
    if (address == 0 || (kind != 't' && kind != 'w') || at[2] != ' ') continue;  // functions only
    const char* name = at + 3;
    size_t length = 0;
    while (name[length] && name[length] != '\t' && name[length] != '\n' && name[length] != ' ') length++;
    symbols.symbols.push_back({address, static_cast<uint32_t>(symbols.text.size())});
    symbols.text.append(name, length).push_back('\0');
  }
  std::stable_sort(symbols.symbols.begin(), symbols.symbols.end(),
                   [](const Symbol& a, const Symbol& b) { return a.address < b.address; });
  symbols.symbols.shrink_to_fit();
  symbols.text.shrink_to_fit();
}

static void read(SymbolTable& symbols) {
  symbols.read = true;
  FILE* file = fopen("/proc/kallsyms", "re");
  if (!file) return;
  read_symbols(file, symbols);
  fclose(file);
}

/** The name of the last symbol at or below `address`; empty if there is none. */
static std::string find_symbol(const SymbolTable& symbols, uint64_t address) {
  auto after = std::upper_bound(symbols.symbols.begin(), symbols.symbols.end(), address,
                                [](uint64_t a, const Symbol& symbol) { return a < symbol.address; });
  if (after == symbols.symbols.begin()) return "";
  const uint64_t start = std::prev(after)->address;
  // Of aliases the first is the one the source names.
  const auto first = std::lower_bound(symbols.symbols.begin(), after, start,
                                      [](const Symbol& symbol, uint64_t a) { return symbol.address < a; });
  return symbols.text.c_str() + first->name;
}

bool read_kernel_symbols() {
  auto& symbols = table();
  std::lock_guard lock(symbols.mutex);
  if (!symbols.read) read(symbols);
  return !symbols.symbols.empty();
}

std::string find_kernel_symbol(uint64_t address) {
  auto& symbols = table();
  std::lock_guard lock(symbols.mutex);
  if (!symbols.read) read(symbols);
  return find_symbol(symbols, address);
}

}  // namespace retina
