// Datagrams from the kernel, judged message by message. Nothing in them is trusted: lengths may lie, and messages may
// belong to somebody else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace retina {

enum class AnswerEnd : uint8_t { none, complete, refused, malformed };

/** What a datagram held. */
struct Answer {
  size_t bytes = 0;       // of the messages worth handing over, moved together at its start, each aligned to 4 bytes
  uint32_t messages = 0;  // … and their number
  bool interrupted = false;
  AnswerEnd end = AnswerEnd::none;
  int error = 0;     // refused: a positive errno
  std::string text;  // … and what the kernel says about it, if anything
};

/**
 * Judges a datagram in place. `sequence`: the request whose answer it is; messages of other requests are left out, and
 * what ends the answer is not handed over. 0: a subscription, whose messages have no end.
 */
Answer judge_datagram(uint8_t* data, size_t size, uint32_t sequence);

}  // namespace retina
