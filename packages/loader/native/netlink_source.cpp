#include "netlink_source.hpp"

#include <linux/filter.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "descriptor.hpp"
#include "netlink_answer.hpp"
#include "reactor.hpp"

namespace retina {

namespace {

constexpr uint32_t kSequence = 1;  // every request has a socket of its own
constexpr uint32_t kSilenceMs = 5000;
constexpr int kReceiveBytes = 4 << 20;

Failure failed(std::string what, int error, const std::string& text = {}) {
  const bool later = error == ENOBUFS || error == EBUSY || error == EAGAIN || error == EINTR || error == ENOMEM;
  std::string next;
  if (error == EPROTONOSUPPORT || error == ECONNREFUSED) next = "load the kernel module that serves the family";
  if (error == EPERM) next = "grant CAP_NET_ADMIN";
  return Failure("RETINA_NETLINK_FAILED", std::move(what),
                 {.found = errno_text(error) + (text.empty() ? "" : ": " + text), .next = next, .retryable = later});
}

std::string family_text(int family) { return "netlink family " + std::to_string(family); }

Descriptor open_socket(int family) {
  Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, family));
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  if (!socket || bind(socket.get(), reinterpret_cast<sockaddr*>(&own), sizeof(own)) != 0) {
    throw failed("a socket of " + family_text(family) + " cannot be opened", errno);
  }
  return socket;
}

/** Reads datagrams into slabs. */
class NetlinkReader : public Source {
 protected:
  /** Reads until the socket is empty, no slab is free or the answer has ended, and hands over what it read. */
  void read(uint32_t sequence) {
    starved_ = false;
    while (answer_.end == AnswerEnd::none) {
      Slab* slab = host_->slab();
      if (!slab) {
        starved_ = true;
        break;
      }
      // How long the next one is: a datagram that does not fit would be cut off.
      const ssize_t next = recv(socket_.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC);
      if (next < 0) {
        if (errno == EINTR) continue;
        if (errno == ENOBUFS) {
          overflowed_++;
          continue;
        }
        if (errno != EAGAIN) error_ = errno;
        break;
      }
      if (static_cast<size_t>(next) > slab->bytes - used_) {
        if (used_ > 0) {
          hand_over();
          continue;
        }
        recv(socket_.get(), nullptr, 0, 0);
        too_long_ = static_cast<size_t>(next);
        overflowed_++;
        continue;
      }
      receive(*slab, sequence);
    }
    hand_over();
  }

  void receive(Slab& slab, uint32_t sequence) {
    sockaddr_nl from{};
    socklen_t length = sizeof(from);
    const ssize_t size =
        recvfrom(socket_.get(), slab.data + used_, slab.bytes - used_, 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (size < 0 && errno == ENOBUFS) overflowed_++;
    if (size <= 0) return;                                                                   // the next look says why
    if (length != sizeof(from) || from.nl_family != AF_NETLINK || from.nl_pid != 0) return;  // not from the kernel
    answer_ = judge_datagram(slab.data + used_, static_cast<size_t>(size), sequence);
    used_ += NLMSG_ALIGN(answer_.bytes);
    messages_ += answer_.messages;
    if (answer_.interrupted) interrupted_ = true;
    if (sequence == 0 && answer_.end == AnswerEnd::malformed) {
      overflowed_++;
      answer_.end = AnswerEnd::none;
    }
  }

  void hand_over() {
    if (overflowed_ > 0) overflows_ = true;
    const uint64_t lost = std::exchange(overflowed_, 0);
    if (used_ > 0 || lost > 0) host_->submit(std::exchange(used_, 0), lost);
  }

  Descriptor socket_;
  SourceHost* host_ = nullptr;
  bool starved_ = false;
  size_t used_ = 0;          // bytes in the slab
  uint64_t overflowed_ = 0;  // since the last batch
  bool overflows_ = false;   // … or before
  size_t too_long_ = 0;      // the length of a datagram no slab holds
  int error_ = 0;
  Answer answer_;  // of the last datagram
  std::atomic<uint64_t> messages_{0};
  std::atomic<bool> interrupted_{false};
};

class NetlinkRequestSource : public NetlinkReader {
 public:
  explicit NetlinkRequestSource(NetlinkAsk ask) : ask_(std::move(ask)) {}

  void start(SourceHost& host) override {
    host_ = &host;
    socket_ = open_socket(ask_.family);
    const int on = 1;
    setsockopt(socket_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
    setsockopt(socket_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
    // What a dump is asked to leave out it leaves out, or says that it cannot.
    setsockopt(socket_.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
    send();
    host.watch(socket_.get());
    heard_ = monotonic_ns();
    host.once(kSilenceMs);
  }

  void ready(int) override {
    read(kSequence);
    heard_ = monotonic_ns();
    if (error_ != 0) throw failed(what() + " broke off", error_);
    if (too_long_ != 0) {
      throw Failure("RETINA_NETLINK_FAILED", what() + " is answered by messages that are too long",
                    {.found = std::to_string(too_long_) + " bytes", .needed = "at most 65536"});
    }
    if (overflows_) throw failed(what() + " was answered faster than it could be read", ENOBUFS);
    switch (answer_.end) {
      case AnswerEnd::none: return;
      case AnswerEnd::complete: break;
      case AnswerEnd::refused: throw failed(what() + " was refused", answer_.error, answer_.text);
      case AnswerEnd::malformed:
        throw Failure("RETINA_NETLINK_FAILED", what() + " is answered by messages that make no sense",
                      {.found = "a length that does not fit"});
    }
    host_->unwatch(socket_.get());
    ended_ = true;
    for (auto& done : std::exchange(flushed_, {})) done();
  }

  void slab_free() override {
    if (!ended_) ready(socket_.get());
  }

  bool begin() override {
    if (ended_) return false;
    if (!starved_ && monotonic_ns() - heard_ >= int64_t{kSilenceMs} * 1'000'000)
      throw failed(what() + " is not answered", ETIMEDOUT);
    host_->once(kSilenceMs);
    return false;
  }

  void flush(std::function<void()> done) override {
    if (ended_) done();
    else flushed_.push_back(std::move(done));
  }

  Napi::Value stats(Napi::Env env) override {
    Napi::Object stats = Napi::Object::New(env);
    stats.Set("messages", static_cast<double>(messages_));
    stats.Set("interrupted", interrupted_.load());
    return stats;
  }

 private:
  std::string what() const {
    return "a request of type " + std::to_string(ask_.type) + " to " + family_text(ask_.family);
  }

  void send() {
    std::vector<uint8_t> bytes(NLMSG_HDRLEN + ask_.payload.size());
    nlmsghdr header{};
    header.nlmsg_len = static_cast<uint32_t>(bytes.size());
    header.nlmsg_type = ask_.type;
    // Always an acknowledgement: it ends an answer that is no dump, and a dump's is suppressed by the kernel.
    header.nlmsg_flags = static_cast<uint16_t>(ask_.flags | NLM_F_REQUEST | NLM_F_ACK);
    header.nlmsg_seq = kSequence;
    memcpy(bytes.data(), &header, sizeof(header));
    if (!ask_.payload.empty()) memcpy(bytes.data() + NLMSG_HDRLEN, ask_.payload.data(), ask_.payload.size());
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    const ssize_t sent =
        sendto(socket_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof(kernel));
    if (sent < 0) throw failed(what() + " cannot be sent", errno);
  }

  NetlinkAsk ask_;
  int64_t heard_ = 0;
  bool ended_ = false;
  std::vector<std::function<void()>> flushed_;
};

class NetlinkSubscription : public NetlinkReader {
 public:
  NetlinkSubscription(int family, const std::vector<uint32_t>& groups, const std::optional<NetlinkFilter>& filter) {
    socket_ = open_socket(family);
    // FORCE needs CAP_NET_ADMIN, and without it the limit of rmem_max holds.
    if (setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBytes, sizeof(kReceiveBytes)) != 0)
      setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBytes, sizeof(kReceiveBytes));
    if (filter) attach(*filter);
    for (const uint32_t group : groups) {
      const int number = static_cast<int>(group);
      if (setsockopt(socket_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &number, sizeof(number)) == 0) continue;
      throw failed("group " + std::to_string(group) + " of " + family_text(family) + " cannot be followed", errno);
    }
  }

  void start(SourceHost& host) override {
    host_ = &host;
    host.watch(socket_.get());
  }

  void ready(int) override {
    read(0);
    if (error_ != 0) throw failed("a netlink subscription broke off", error_);
  }

  void slab_free() override { ready(socket_.get()); }

  void flush(std::function<void()> done) override {
    ready(socket_.get());
    done();
  }

 private:
  /** A socket filter: the kernel finds the attribute and looks at its bits. */
  void attach(const NetlinkFilter& filter) {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_IMM, NLMSG_HDRLEN + NLMSG_ALIGN(filter.header)),
        BPF_STMT(BPF_LDX | BPF_IMM, filter.attribute),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_NLATTR)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_IND, sizeof(nlattr)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, filter.mask, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    const sock_fprog program{.len = std::size(code), .filter = code};
    if (setsockopt(socket_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0)
      throw failed("a netlink subscription cannot be filtered", errno);
  }
};

}  // namespace

std::unique_ptr<Source> make_netlink_request(NetlinkAsk ask) {
  return std::make_unique<NetlinkRequestSource>(std::move(ask));
}

std::unique_ptr<Source> make_netlink_subscription(int family, const std::vector<uint32_t>& groups,
                                                  const std::optional<NetlinkFilter>& filter) {
  return std::make_unique<NetlinkSubscription>(family, groups, filter);
}

}  // namespace retina
