#include "device_statistics.hpp"

#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "descriptor.hpp"
#include "failure.hpp"

namespace retina {

namespace {

constexpr uint32_t kMostCounters = 65536;
constexpr int kAttempts = 3;

/**
 * Memory that ends where the process's ends: drivers change the number of their counters at any time, and the kernel
 * writes as many as there are now, whatever room it was told of. Beyond the end it fails with EFAULT instead.
 */
class GuardedMemory {
 public:
  explicit GuardedMemory(size_t bytes) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    usable_ = (bytes + page - 1) / page * page;
    void* at = mmap(nullptr, usable_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(static_cast<uint8_t*>(at) + usable_, page, PROT_NONE) != 0)
      throw Failure("RETINA_NETLINK_FAILED", "there is no memory for a device's statistics",
                    {.found = errno_text(errno)});
    at_ = static_cast<uint8_t*>(at);
    mapped_ = usable_ + page;
  }
  ~GuardedMemory() { munmap(at_, mapped_); }
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;

  uint8_t* data() const { return at_; }
  template <typename Header>
  Header& header() const {
    return *reinterpret_cast<Header*>(at_);
  }

 private:
  uint8_t* at_ = nullptr;
  size_t usable_ = 0;
  size_t mapped_ = 0;
};

class EthtoolSocket {
 public:
  explicit EthtoolSocket(const std::string& name) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    memcpy(request_.ifr_name, name.data(), std::min(name.size(), sizeof(request_.ifr_name) - 1));
  }
  /** 0 or an errno. */
  int ask(void* data) {
    request_.ifr_data = static_cast<char*>(data);
    return ioctl(socket_.get(), SIOCETHTOOL, &request_) == 0 ? 0 : errno;
  }

 private:
  Descriptor socket_;
  ifreq request_{};
};

Failure failed(const std::string& name, int error) {
  return Failure("RETINA_NETLINK_FAILED", "the statistics of interface '" + name + "' cannot be read",
                 {.found = errno_text(error), .retryable = error != ENODEV});
}

/** How many counters the driver has; 0: none, or it does not say. */
uint32_t count_of(EthtoolSocket& socket, const std::string& name) {
  alignas(ethtool_sset_info) uint8_t memory[sizeof(ethtool_sset_info) + sizeof(uint32_t)] = {};
  auto& sets = *reinterpret_cast<ethtool_sset_info*>(memory);
  sets.cmd = ETHTOOL_GSSET_INFO;
  sets.sset_mask = 1ull << ETH_SS_STATS;
  const int error = socket.ask(memory);
  if (error == EOPNOTSUPP) return 0;
  if (error) throw failed(name, error);
  uint32_t count = 0;
  memcpy(&count, memory + sizeof(sets), sizeof(count));
  return sets.sset_mask ? count : 0;
}

}  // namespace

std::optional<std::vector<DeviceCounter>> read_device_statistics(const std::string& name) {
  if (name.size() >= IFNAMSIZ || name.find('\0') != std::string::npos) throw failed(name, ENODEV);
  EthtoolSocket socket(name);
  for (int attempt = 0;; attempt++) {
    const uint32_t count = count_of(socket, name);
    if (count == 0) return std::nullopt;
    if (count > kMostCounters) throw failed(name, EOVERFLOW);
    const GuardedMemory names(sizeof(ethtool_gstrings) + size_t{count} * ETH_GSTRING_LEN);
    const GuardedMemory values(sizeof(ethtool_stats) + size_t{count} * sizeof(uint64_t));
    auto& strings = names.header<ethtool_gstrings>();
    strings.cmd = ETHTOOL_GSTRINGS;
    strings.string_set = ETH_SS_STATS;
    strings.len = count;
    auto& stats = values.header<ethtool_stats>();
    stats.cmd = ETHTOOL_GSTATS;
    stats.n_stats = count;
    int error = socket.ask(&strings);
    if (!error) error = socket.ask(&stats);
    if (error == EOPNOTSUPP) return std::nullopt;
    // Counters came or went between the questions: names and values would not belong together.
    const bool moved = error == EFAULT || (!error && (strings.len != count || stats.n_stats != count));
    if (moved && attempt < kAttempts) continue;
    if (error || moved) throw failed(name, error ? error : EAGAIN);
    std::vector<DeviceCounter> counters(count);
    for (uint32_t i = 0; i < count; i++) {
      const auto* text = reinterpret_cast<const char*>(strings.data) + size_t{i} * ETH_GSTRING_LEN;
      counters[i].name.assign(text, strnlen(text, ETH_GSTRING_LEN));
      memcpy(&counters[i].value, values.data() + sizeof(ethtool_stats) + size_t{i} * sizeof(uint64_t),
             sizeof(uint64_t));
    }
    return counters;
  }
}

}  // namespace retina
