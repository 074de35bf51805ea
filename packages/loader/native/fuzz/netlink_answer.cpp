// Fuzzer: datagrams of netlink sockets, judged for one request and for a subscription, as messages anybody may have
// written.
#include "../netlink_answer.hpp"

#include <cstdlib>
#include <cstring>
#include <vector>

#include "../netlink.hpp"

using namespace retina;

static void must(bool holds) {
  if (!holds) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const uint32_t sequence : {0u, 1u}) {
    std::vector<uint8_t> datagram(data, data + size);  // of exactly this size: a byte beyond it is an error
    const Answer answer = judge_datagram(datagram.data(), datagram.size(), sequence);
    must(answer.bytes <= size);
    must(sequence != 0 || answer.end == AnswerEnd::none || answer.end == AnswerEnd::malformed);
    must((answer.end == AnswerEnd::refused) == (answer.error != 0));
    // What was let pass is read the same way by everybody, to the end.
    uint32_t messages = 0;
    each_message(datagram.data(), answer.bytes, [&](const nlmsghdr& message) {
      messages++;
      must(message.nlmsg_type >= NLMSG_MIN_TYPE && message.nlmsg_len >= NLMSG_HDRLEN);
      must(sequence == 0 || message.nlmsg_seq == sequence);
      std::vector<uint8_t> copy(message.nlmsg_len);
      memcpy(copy.data(), &message, message.nlmsg_len);
    });
    must(messages == answer.messages);
  }
  return 0;
}
