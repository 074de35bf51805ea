// Waiting for running BPF programs: after wait() returns, every program that was running when it was called has ended.
#pragma once

namespace retina {

class Barrier {
 public:
  Barrier() = default;
  ~Barrier();
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;

  /**
   * Updates a slot of a map of maps: the kernel promises user space that no program uses the old inner map afterwards.
   * Typically 4-28 ms, asleep. Neither a plain map update nor membarrier(2) waits for programs. Throws
   * RETINA_MAP_FAILED.
   */
  void wait();

 private:
  int inner_ = -1;
  int outer_ = -1;
};

}  // namespace retina
