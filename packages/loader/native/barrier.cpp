#include "barrier.hpp"

#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "failure.hpp"

namespace retina {

Barrier::~Barrier() {
  if (outer_ >= 0) close(outer_);
  if (inner_ >= 0) close(inner_);
}

void Barrier::wait() {
  if (outer_ < 0) {
    if (inner_ < 0) inner_ = bpf_map_create(BPF_MAP_TYPE_ARRAY, "retina_inner", 4, 8, 1, nullptr);
    LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = static_cast<uint32_t>(inner_));
    if (inner_ >= 0) outer_ = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "retina_barrier", 4, 4, 1, &options);
    if (outer_ < 0)
      throw Failure("RETINA_MAP_FAILED", "the maps that make the barrier cannot be created",
                    {.found = errno_text(errno)});
  }
  const uint32_t slot = 0;
  if (bpf_map_update_elem(outer_, &slot, &inner_, BPF_ANY) != 0) {
    throw Failure("RETINA_MAP_FAILED", "waiting for running programs failed", {.found = errno_text(errno)});
  }
}

}  // namespace retina
