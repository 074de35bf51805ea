#include "memory.hpp"

#include <malloc.h>
#include <sys/mman.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace retina {

namespace {

struct Mapping {
  uint64_t start = 0, end = 0;
  bool droppable = false;
};

/** A line that begins a mapping in smaps, as /proc/PID/maps has it. */
bool begins(const char* line, Mapping& out) {
  uint64_t start = 0, end = 0;
  char permissions[5] = {};
  char path[8] = {};
  const int fields = sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %7s", &start, &end, permissions, path);
  if (fields < 3) return false;
  out = {start, end, fields == 4 && path[0] == '/' && permissions[1] == '-' && permissions[3] == 'p'};
  return true;
}

}  // namespace

void return_freed() {
#ifdef __GLIBC__
  constexpr int kThreshold = 128 * 1024;  // set at all, it no longer grows with what was freed
  mallopt(M_MMAP_THRESHOLD, kThreshold);
  mallopt(M_TRIM_THRESHOLD, kThreshold);
  mallopt(M_ARENA_MAX, 2);
  malloc_trim(0);
#endif
}

void unmap_clean_pages() {
  FILE* smaps = fopen("/proc/self/smaps", "re");
  if (!smaps) return;
  Mapping mapping;
  for (char line[512]; fgets(line, sizeof line, smaps);) {
    if (begins(line, mapping)) continue;
    uint64_t kib = 0;
    // The last word on a mapping: pages that differ from the file would be lost.
    if (sscanf(line, "Anonymous: %" SCNu64, &kib) != 1) continue;
    if (mapping.droppable && kib == 0) {
      madvise(reinterpret_cast<void*>(mapping.start), mapping.end - mapping.start, MADV_DONTNEED);
    }
    mapping.droppable = false;
  }
  fclose(smaps);
}

}  // namespace retina
