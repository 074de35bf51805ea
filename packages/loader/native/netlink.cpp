#include "netlink.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "failure.hpp"
#include "netlink_answer.hpp"

namespace retina {

NetlinkMessage::NetlinkMessage(uint16_t type, uint16_t flags) {
  auto* header = static_cast<nlmsghdr*>(grow(sizeof(nlmsghdr)));
  header->nlmsg_type = type;
  header->nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST);
}

void* NetlinkMessage::grow(size_t size) {
  const size_t at = bytes_.size();
  bytes_.resize(at + NLMSG_ALIGN(size));
  return bytes_.data() + at;
}

void NetlinkMessage::attribute(uint16_t type, const void* data, size_t size) {
  auto* attribute = static_cast<rtattr*>(grow(RTA_LENGTH(size)));
  attribute->rta_type = type;
  attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
  if (size) memcpy(RTA_DATA(attribute), data, size);
}

size_t NetlinkMessage::begin_nest(uint16_t type) {
  const size_t position = bytes_.size();
  attribute(type, nullptr, 0);
  return position;
}

void NetlinkMessage::end_nest(size_t position) {
  reinterpret_cast<rtattr*>(bytes_.data() + position)->rta_len = static_cast<uint16_t>(bytes_.size() - position);
}

nlmsghdr& NetlinkMessage::finish(uint32_t sequence) {
  auto& header = *reinterpret_cast<nlmsghdr*>(bytes_.data());
  header.nlmsg_len = static_cast<uint32_t>(bytes_.size());
  header.nlmsg_seq = sequence;
  return header;
}

void each_attribute(const void* first, size_t size, const std::function<void(const rtattr&)>& each) {
  auto length = static_cast<int>(size);
  for (auto* at = static_cast<const rtattr*>(first); RTA_OK(at, length); at = RTA_NEXT(at, length)) each(*at);
}

void each_message(const uint8_t* first, size_t size, const std::function<void(const nlmsghdr&)>& each) {
  for (size_t at = 0; at < size && size - at >= sizeof(nlmsghdr);) {
    const auto& message = *reinterpret_cast<const nlmsghdr*>(first + at);
    if (message.nlmsg_len < sizeof(nlmsghdr) || message.nlmsg_len > size - at) return;
    each(message);
    at += NLMSG_ALIGN(size_t{message.nlmsg_len});  // NLMSG_NEXT would wrap behind a last message without padding
  }
}

uint32_t attribute_u32(const rtattr& attribute) {
  uint32_t value = 0;
  if (RTA_PAYLOAD(&attribute) >= sizeof(value)) memcpy(&value, RTA_DATA(&attribute), sizeof(value));
  return value;
}

std::string attribute_text(const rtattr& attribute) {
  const auto* text = static_cast<const char*>(RTA_DATA(&attribute));
  return std::string(text, strnlen(text, RTA_PAYLOAD(&attribute)));
}

static Failure failed(const char* what) {
  return Failure("RETINA_NETLINK_FAILED", std::string("a netlink socket cannot be ") + what,
                 {.found = errno_text(errno)});
}

NetlinkSocket::NetlinkSocket(uint32_t groups) : buffer_(64 * 1024) {
  socket_ = Descriptor(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0), NETLINK_ROUTE));
  if (!socket_) throw failed("opened");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (bind(fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) throw failed("bound");
  const int on = 1;
  setsockopt(fd(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
  if (!groups) setsockopt(fd(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
}

int NetlinkSocket::receive(uint32_t sequence, const std::function<void(const nlmsghdr&)>& each, bool& interrupted) {
  for (;;) {
    const ssize_t size = recv(fd(), buffer_.data(), buffer_.size(), 0);
    if (size < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    const Answer answer = judge_datagram(buffer_.data(), static_cast<size_t>(size), sequence);
    if (answer.interrupted) interrupted = true;
    if (each) each_message(buffer_.data(), answer.bytes, each);
    switch (answer.end) {
      case AnswerEnd::none: break;
      case AnswerEnd::complete: return 0;
      case AnswerEnd::refused: return answer.error;
      case AnswerEnd::malformed: return EBADMSG;
    }
  }
}

static int send_message(int fd, const nlmsghdr& header) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  return sendto(fd, &header, header.nlmsg_len, 0, reinterpret_cast<sockaddr*>(&kernel), sizeof(kernel)) < 0 ? errno : 0;
}

int NetlinkSocket::request(NetlinkMessage& message, const std::function<void(const nlmsghdr&)>& reply) {
  auto& header = message.finish(++sequence_);
  header.nlmsg_flags |= NLM_F_ACK;
  if (const int error = send_message(fd(), header)) return error;
  bool interrupted = false;
  return receive(sequence_, reply, interrupted);
}

int NetlinkSocket::dump(NetlinkMessage& message, const std::function<void(const nlmsghdr&)>& each,
                        const std::function<void()>& restart) {
  for (int attempt = 0;; attempt++) {
    auto& header = message.finish(++sequence_);
    header.nlmsg_flags |= NLM_F_DUMP;
    if (const int error = send_message(fd(), header)) return error;
    bool interrupted = false;
    const int error = receive(sequence_, each, interrupted);
    if (error || !interrupted || !restart || attempt == 10) return error;
    restart();
  }
}

}  // namespace retina
