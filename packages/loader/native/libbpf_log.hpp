// What libbpf prints, per thread: each operation gets its own text, whichever threads work at the same time.
#pragma once

#include <string>

namespace retina {

/** Collects what libbpf prints on this thread while it exists. May be nested; the innermost collects. */
class LibbpfLog {
 public:
  LibbpfLog();
  ~LibbpfLog();
  LibbpfLog(const LibbpfLog&) = delete;
  LibbpfLog& operator=(const LibbpfLog&) = delete;

  const std::string& text() const { return text_; }
  /** The last line that is not empty, without libbpf's prefix. */
  std::string last_line() const;

 private:
  friend struct LibbpfPrinter;
  std::string text_;
  LibbpfLog* outer_;
};

}  // namespace retina
