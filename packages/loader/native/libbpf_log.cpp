#include "libbpf_log.hpp"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <mutex>

namespace retina {

static thread_local LibbpfLog* innermost = nullptr;

struct LibbpfPrinter {
  static int print(enum libbpf_print_level level, const char* format, va_list arguments) {
    if (!innermost || level == LIBBPF_DEBUG) return 0;
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(nullptr, 0, format, again);
    va_end(again);
    if (length <= 0) return 0;
    std::string& text = innermost->text_;
    const size_t at = text.size();
    text.resize(at + static_cast<size_t>(length) + 1);
    vsnprintf(text.data() + at, static_cast<size_t>(length) + 1, format, arguments);
    text.resize(at + static_cast<size_t>(length));
    return length;
  }
};

LibbpfLog::LibbpfLog() : outer_(innermost) {
  static std::once_flag once;
  std::call_once(once, [] { libbpf_set_print(&LibbpfPrinter::print); });
  innermost = this;
}

LibbpfLog::~LibbpfLog() { innermost = outer_; }

std::string LibbpfLog::last_line() const {
  size_t end = text_.find_last_not_of(" \n");
  if (end == std::string::npos) return "";
  size_t start = text_.rfind('\n', end);
  start = start == std::string::npos ? 0 : start + 1;
  std::string line = text_.substr(start, end - start + 1);
  const std::string prefix = "libbpf: ";
  return line.starts_with(prefix) ? line.substr(prefix.size()) : line;
}

}  // namespace retina
