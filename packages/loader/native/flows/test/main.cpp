#include <cstdlib>

#include "check.hpp"

int main(int count, char** words) {
  const char* seed = std::getenv("FLOWS_SEED");
  check::seed = seed ? std::strtoull(seed, nullptr, 10) : std::random_device()();
  int failed = 0, run = 0;
  for (const auto& test : check::tests()) {
    if (count > 1 && test.name.find(words[1]) == std::string::npos) continue;
    check::failures = 0;
    test.run();
    run++;
    failed += check::failures > 0;
    std::cout << (check::failures > 0 ? "FAIL " : "ok   ") << test.name << std::endl;
  }
  std::cout << run - failed << " passed, " << failed << " failed, seed " << check::seed << std::endl;
  return failed > 0 || run == 0 ? 1 : 0;
}
