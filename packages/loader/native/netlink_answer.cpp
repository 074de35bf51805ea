#include "netlink_answer.hpp"

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace retina {

/** The kernel's explanation, an attribute behind what else the message holds from `at` on. */
static std::string explanation(const uint8_t* message, size_t length, size_t at) {
  while (at + sizeof(nlattr) <= length) {
    nlattr attribute;
    memcpy(&attribute, message + at, sizeof(attribute));
    if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > length - at) break;
    if ((attribute.nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG) {
      const auto* text = reinterpret_cast<const char*>(message + at + sizeof(attribute));
      return std::string(text, strnlen(text, attribute.nla_len - sizeof(attribute)));
    }
    at += NLA_ALIGN(attribute.nla_len);
  }
  return {};
}

/** NLMSG_ERROR and NLMSG_DONE: both begin with an error number, 0 or negative. */
static void take_end(const nlmsghdr& header, const uint8_t* message, Answer& answer) {
  int error = 0;
  size_t behind = NLMSG_HDRLEN + sizeof(error);
  if (header.nlmsg_len >= behind) memcpy(&error, message + NLMSG_HDRLEN, sizeof(error));
  if (header.nlmsg_type == NLMSG_ERROR) {
    nlmsghdr request{};
    behind += sizeof(request);
    if (header.nlmsg_len < behind) {
      answer.end = AnswerEnd::malformed;
      return;
    }
    memcpy(&request, message + behind - sizeof(request), sizeof(request));
    if (!(header.nlmsg_flags & NLM_F_CAPPED) && request.nlmsg_len > NLMSG_HDRLEN)
      behind += NLMSG_ALIGN(size_t{request.nlmsg_len} - NLMSG_HDRLEN);
  }
  if (error == 0) {
    answer.end = AnswerEnd::complete;
    return;
  }
  answer.end = AnswerEnd::refused;
  answer.error = error < 0 && error > -4096 ? -error : EPROTO;
  if (header.nlmsg_flags & NLM_F_ACK_TLVS) answer.text = explanation(message, header.nlmsg_len, behind);
}

Answer judge_datagram(uint8_t* data, size_t size, uint32_t sequence) {
  Answer answer;
  for (size_t at = 0; at < size && answer.end == AnswerEnd::none;) {
    nlmsghdr header;
    if (size - at < sizeof(header)) {
      answer.end = AnswerEnd::malformed;
      break;
    }
    memcpy(&header, data + at, sizeof(header));
    if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > size - at) {
      answer.end = AnswerEnd::malformed;
      break;
    }
    const size_t step = std::min<size_t>(NLMSG_ALIGN(size_t{header.nlmsg_len}), size - at);
    if (sequence == 0 || header.nlmsg_seq == sequence) {
      if (header.nlmsg_flags & NLM_F_DUMP_INTR) answer.interrupted = true;
      if (header.nlmsg_type >= NLMSG_MIN_TYPE) {
        if (answer.bytes != at) memmove(data + answer.bytes, data + at, step);
        answer.bytes += step;
        answer.messages++;
      } else if (sequence != 0 && (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE)) {
        take_end(header, data + at, answer);
      }
    }
    at += step;
  }
  return answer;
}

}  // namespace retina
