#pragma once

#include <cstdint>
#include <string>

namespace retina {

/** Reads /proc/kallsyms once per process (some 100 ms, about 5 MB). false: it shows no addresses (CAP_SYSLOG). */
bool read_kernel_symbols();
/** The function that covers an address; empty if unknown. Reads the symbols when that has not been done. */
std::string find_kernel_symbol(uint64_t address);

}  // namespace retina
