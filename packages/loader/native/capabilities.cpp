#include "capabilities.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>

namespace retina {

// In the order of linux/capability.h.
static const char* const kNames[] = {
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
};

std::vector<std::string> effective_capabilities() {
  std::ifstream status("/proc/thread-self/status");
  std::string line;
  uint64_t bits = 0;
  while (std::getline(status, line)) {
    if (line.starts_with("CapEff:")) bits = std::stoull(line.substr(7), nullptr, 16);
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < std::size(kNames); i++) {
    if (bits & (1ull << i)) names.emplace_back(kNames[i]);
  }
  return names;
}

std::vector<std::string> missing_capabilities(const std::vector<std::string>& needed) {
  const auto have = effective_capabilities();
  const auto has = [&](const std::string& name) { return std::find(have.begin(), have.end(), name) != have.end(); };
  const bool admin = has("SYS_ADMIN");
  std::vector<std::string> missing;
  for (const auto& name : needed) {
    if (!has(name) && !(admin && (name == "BPF" || name == "PERFMON"))) missing.push_back(name);
  }
  return missing;
}

std::string capability_list(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size(); i++) {
    if (i) text += i + 1 == names.size() ? " and " : ", ";
    text += "CAP_" + names[i];
  }
  return text;
}

}  // namespace retina
