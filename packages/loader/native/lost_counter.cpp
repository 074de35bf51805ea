#include "lost_counter.hpp"

#include "map_access.hpp"

namespace retina {

LostCounter::LostCounter(const BpfObject& object, const std::string& name) {
  const MapInfo* map = object.find_map(name + "_lost");
  if (!map) return;
  map_ = *map;
  present_ = true;
}

uint64_t LostCounter::since_last() {
  if (!present_) return 0;
  const uint64_t now = summed(map_).front();  // the first number is the records; more may follow
  const uint64_t more = now - before_;
  before_ = now;
  return more;
}

}  // namespace retina
