// From what libbpf printed and the errno to an error that says what to do.
#pragma once

#include "failure.hpp"
#include "object.hpp"

namespace retina {

struct LoadAttempt {
  const ObjectFile& file;
  int error;               // positive errno
  const std::string& log;  // everything libbpf printed, verifier log included
  /** Capabilities the programs and maps need. */
  std::vector<std::string> needed;
};

Failure load_failure(const LoadAttempt& attempt);

/** The last line of a verifier log that says something: not the statistics, not a repetition of source. */
std::string last_meaningful_line(const std::string& verifier_log);

/** Readable type information of the running kernel, or of RETINA_BTF_PATH. */
bool kernel_btf_readable();
/** Where it is looked for. */
std::string kernel_btf_path();

}  // namespace retina
