#include "load_failure.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "capabilities.hpp"

namespace retina {

std::string kernel_btf_path() {
  const char* path = getenv("RETINA_BTF_PATH");
  return path && *path ? path : "/sys/kernel/btf/vmlinux";
}

bool kernel_btf_readable() { return access(kernel_btf_path().c_str(), R_OK) == 0; }

static std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  size_t start = 0;
  while (start < text.size()) {
    size_t end = text.find('\n', start);
    if (end == std::string::npos) end = text.size();
    std::string line = text.substr(start, end - start);
    if (line.starts_with("libbpf: ")) line = line.substr(8);
    lines.push_back(std::move(line));
    start = end + 1;
  }
  return lines;
}

std::string last_meaningful_line(const std::string& verifier_log) {
  std::string found;
  for (const auto& line : lines_of(verifier_log)) {
    if (line.find_first_not_of(" \t") == std::string::npos || line.starts_with(";") || line.starts_with("--") ||
        line.starts_with("processed ") || line.starts_with("verification time") || line.starts_with("stack depth") ||
        line.starts_with("max_states") || line.starts_with("BPF program load failed")) {
      continue;
    }
    found = line;
  }
  return found;
}

/** "prog 'NAME': BPF program load failed" names the program the kernel refused. */
static std::string refused_program(const std::string& log) {
  const size_t end = log.find("': BPF program load failed");
  if (end == std::string::npos) return "";
  const size_t start = log.rfind("prog '", end);
  return start == std::string::npos ? "" : log.substr(start + 6, end - start - 6);
}

static std::string verifier_log(const std::string& log) {
  const std::string begin = "-- BEGIN PROG LOAD LOG --\n";
  const std::string finish = "-- END PROG LOAD LOG --";
  const size_t start = log.find(begin);
  const size_t end = log.rfind(finish);
  if (start == std::string::npos || end == std::string::npos || end < start) return "";
  return log.substr(start + begin.size(), end - start - begin.size());
}

static Failure capability_failure(const LoadAttempt& attempt, const std::vector<std::string>& missing) {
  const std::string list = capability_list(missing);
  return Failure(
      "RETINA_CAPABILITY_MISSING", "'" + attempt.file.name + "' cannot be loaded without " + list,
      {.found = errno_text(attempt.error),
       .needed = capability_list(attempt.needed),
       .next = "run as root, or grant " + list + " (setcap, systemd's AmbientCapabilities=, the pod's securityContext)",
       .detail = attempt.log});
}

Failure load_failure(const LoadAttempt& attempt) {
  const std::string verifier = verifier_log(attempt.log);
  const std::string program = refused_program(attempt.log);
  const auto missing = missing_capabilities(attempt.needed);
  const bool denied = attempt.error == EPERM || attempt.error == EACCES;
  if (denied && !missing.empty()) return capability_failure(attempt, missing);
  if (!kernel_btf_readable() && attempt.log.find("BTF") != std::string::npos && verifier.empty()) {
    return Failure(
        "RETINA_BTF_MISSING", "'" + attempt.file.name + "' needs the kernel's type information",
        {.found = "nothing readable at " + kernel_btf_path(),
         .needed = "a kernel built with CONFIG_DEBUG_INFO_BTF",
         .next =
             "use a distribution kernel that has it (Debian 11, Ubuntu 20.10, RHEL 8.2 and later do), or mount /sys",
         .detail = attempt.log});
  }
  if (!verifier.empty()) {
    const std::string reason = last_meaningful_line(verifier);
    return Failure("RETINA_VERIFIER_REJECTED",
                   (reason.empty() ? errno_text(attempt.error) : reason) + " (the kernel's verifier, on program '" +
                       program + "' of '" + attempt.file.name + "')",
                   {.found = errno_text(attempt.error),
                    .next = "read the whole log in the error's detail; skip the program if this kernel cannot run it",
                    .detail = verifier});
  }
  if (attempt.error == EPERM && attempt.log.find("RLIMIT_MEMLOCK") != std::string::npos) {
    const auto resource = missing_capabilities({"SYS_RESOURCE"});
    if (!resource.empty()) return capability_failure(attempt, resource);
  }
  const auto lines = lines_of(attempt.log);
  std::string found;
  for (const auto& line : lines) {
    if (line.starts_with("failed to load object") || line.empty()) continue;
    if (!found.empty()) found += "; ";
    found += line;
  }
  const std::string what =
      program.empty() ? "'" + attempt.file.name + "'" : "program '" + program + "' of '" + attempt.file.name + "'";
  return Failure(
      "RETINA_LOAD_FAILED", "the kernel refused to load " + what,
      {.found = found.empty() ? errno_text(attempt.error) : found,
       .next = attempt.error == ENOMEM ? "lower the maps' sizes, or raise the memory limit" : "see the error's detail",
       .detail = attempt.log,
       .retryable = attempt.error == ENOMEM || attempt.error == EAGAIN});
}

}  // namespace retina
