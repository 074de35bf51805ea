#pragma once

#include <string>

#include "object.hpp"

namespace retina {

/** Reads NAME_lost, the per-CPU count of records that found no room, if the object declares one. */
class LostCounter {
 public:
  LostCounter(const BpfObject& object, const std::string& name);
  /** How many more than at the last call. */
  uint64_t since_last();

 private:
  MapInfo map_{};
  bool present_ = false;
  uint64_t before_ = 0;
};

}  // namespace retina
