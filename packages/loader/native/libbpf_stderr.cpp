// Distributions compile libbpf.a for executables: it addresses `stderr` directly, which a shared library must not. The
// linker is told to bind those references to this variable instead (--wrap=stderr). Everything else in the archive
// links as it is.
#include <cstdio>

extern "C" {
extern FILE* __real_stderr;
__attribute__((visibility("hidden"))) FILE* __wrap_stderr = nullptr;
}

namespace {
__attribute__((constructor)) void set_stderr() { __wrap_stderr = __real_stderr; }
}  // namespace
