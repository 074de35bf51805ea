// A test framework in a few lines: TEST registers, CHECK reports and goes on, main() in main.cpp runs all or those
// named.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <vector>

namespace check {

struct Test {
  std::string name;
  void (*run)();
};
inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}
inline int failures = 0;
inline uint64_t seed = 0;

struct Registration {
  Registration(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

template <typename A, typename B>
void equal(const A& a, const B& b, const char* what, const char* file, int line) {
  if (a == b) return;
  if (++failures <= 40)
    std::cout << "  " << file << ":" << line << ": " << what << ": " << +a << " is not " << +b << "\n";
}
inline void truth(bool ok, const char* what, const char* file, int line) {
  if (ok) return;
  if (++failures <= 40) std::cout << "  " << file << ":" << line << ": " << what << " does not hold\n";
}

/** Seeded per run, printed by main(), set by the environment variable FLOWS_SEED. */
inline std::mt19937_64 random(uint64_t salt) { return std::mt19937_64(seed * 1000003 + salt); }

}  // namespace check

#define TEST(name)                                                      \
  static void test_##name();                                            \
  static const check::Registration register_##name(#name, test_##name); \
  static void test_##name()
#define CHECK(condition) check::truth((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQ(a, b) check::equal((a), (b), #a, __FILE__, __LINE__)
