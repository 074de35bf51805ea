#include "failure.hpp"

#include <cstdlib>
#include <cstring>
#include <system_error>

namespace retina {

std::string errno_text(int error) {
  error = std::abs(error);
  std::string text = std::generic_category().message(error);
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 32)
  if (const char* name = strerrorname_np(error)) return text + " (" + name + ")";
#endif
#endif
  return text + " (errno " + std::to_string(error) + ")";
}

}  // namespace retina
