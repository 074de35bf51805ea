// The running kernel behind an object built on the flow ring.
#pragma once

#include <memory>

#include "../object.hpp"
#include "kernel.hpp"

struct ring_buffer;

namespace retina::flows {

class BpfKernel : public Kernel {
 public:
  /** Maps the object's ring. Throws RETINA_OBJECT_INVALID when it has none, RETINA_MAP_FAILED when it cannot be mapped.
   */
  explicit BpfKernel(std::shared_ptr<const BpfObject> object);
  ~BpfKernel() override;
  BpfKernel(const BpfKernel&) = delete;
  BpfKernel& operator=(const BpfKernel&) = delete;

  bool run_clock() override;
  void drain_spill(unsigned half, const SpillReader& each) override;
  rt_overflow_value overflow() override;
  void totals(rt_flow_total (&out)[RT_TOTAL_COUNT]) override;
  uint64_t boot_nanos() override;
  double unix_ms() override;

  /** Readable when a region is half full; to be emptied by take_wakes(). */
  int wake_fd() const { return wake_fd_; }
  void take_wakes();

 private:
  /** A whole array map in our memory. */
  struct Mapping {
    void* at = nullptr;
    size_t bytes = 0;
  };
  void* map_array(const char* name, uint32_t value_size, bool writable, uint32_t& entries);
  void unmap();
  void take_one_by_one(const MapInfo& map, const SpillReader& each);

  std::shared_ptr<const BpfObject> object_;
  std::vector<Mapping> mappings_;
  int wake_fd_ = -1;
  int clock_fd_ = -1;
  ring_buffer* wakes_ = nullptr;
};

}  // namespace retina::flows
