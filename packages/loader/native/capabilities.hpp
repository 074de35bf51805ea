// The rights of this process.
#pragma once

#include <string>
#include <vector>

namespace retina {

/** Effective capabilities of the calling thread without the CAP_ prefix. */
std::vector<std::string> effective_capabilities();

/** Those of `needed` that are missing. SYS_ADMIN stands in for BPF and PERFMON, as in the kernel. */
std::vector<std::string> missing_capabilities(const std::vector<std::string>& needed);

/** "CAP_BPF and CAP_PERFMON" */
std::string capability_list(const std::vector<std::string>& names);

}  // namespace retina
