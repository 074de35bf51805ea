// Errors inside the native side: thrown as Failure, turned into the SDK's RetinaError where JavaScript is reached.
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace retina {

struct FailureParts {
  std::string found{};
  std::string needed{};
  std::string next{};
  std::string detail{};
  bool retryable = false;
};

/** What a RetinaError holds. `code` is a key of the SDK's ERROR_CODES and has static lifetime. */
class Failure : public std::exception {
 public:
  Failure(const char* code, std::string summary, FailureParts parts = {})
      : code_(code), summary_(std::move(summary)), parts_(std::move(parts)) {}

  const char* what() const noexcept override { return summary_.c_str(); }
  const char* code() const { return code_; }
  const std::string& summary() const { return summary_; }
  const FailureParts& parts() const { return parts_; }

 private:
  const char* code_;
  std::string summary_;
  FailureParts parts_;
};

/** Text of an errno, such as "No such file or directory (ENOENT)". Takes either sign. */
std::string errno_text(int error);

}  // namespace retina
