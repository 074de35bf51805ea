#include "tc.hpp"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <arpa/inet.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>
#include <vector>

#include "capabilities.hpp"
#include "failure.hpp"
#include "netlink.hpp"

namespace retina {

static const std::string kMark = "retina:";
/** Stands before the program's name when the filter's maker made the qdisc, too. */
constexpr char kMadeQdisc = '+';

/** One change at a time, so that nobody attaches to a qdisc that is being removed. */
static std::mutex changing;
/** Interfaces whose qdisc this process made. Never destroyed: a pool thread may attach while the process exits. */
static std::set<uint32_t>& made_qdisc = *new std::set<uint32_t>;

/** Start time of a process in ticks since boot; empty if there is none of that id. Tells a process from a later one
 * with its id. */
static std::string start_time(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string line;
  std::getline(file, line);
  const size_t behind_name = line.rfind(')');
  if (behind_name == std::string::npos) return "";
  std::istringstream fields(line.substr(behind_name + 1));
  std::string field;
  for (int i = 0; i < 20 && fields >> field; i++) {
  }
  return field;
}

/** retina:PID:START:PROGRAM, or retina:PID:START:+PROGRAM */
static std::string filter_name(uint32_t ifindex, const std::string& program) {
  static const std::string self = [] {
    const std::string pid = std::to_string(getpid());
    return kMark + pid + ":" + start_time(pid) + ":";
  }();
  return made_qdisc.contains(ifindex) ? self + kMadeQdisc + program : self + program;
}

static bool maker_made_qdisc(const std::string& name) {
  size_t at = kMark.size();
  for (int i = 0; i < 2 && at != std::string::npos; i++) at = name.find(':', at + 1);
  return at != std::string::npos && at + 1 < name.size() && name[at + 1] == kMadeQdisc;
}

static bool maker_lives(const std::string& name) {
  const size_t pid_end = name.find(':', kMark.size());
  if (pid_end == std::string::npos) return false;
  const size_t start_end = name.find(':', pid_end + 1);
  if (start_end == std::string::npos) return false;
  const std::string pid = name.substr(kMark.size(), pid_end - kMark.size());
  if (pid.find_first_not_of("0123456789") != std::string::npos) return false;  // it becomes part of a path
  return start_time(pid) == name.substr(pid_end + 1, start_end - pid_end - 1);
}

static uint32_t parent_of(bool egress) { return TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS); }

static NetlinkMessage filter_message(uint16_t type, uint16_t flags, const TcFilter& filter) {
  NetlinkMessage message(type, flags);
  auto& header = message.header<tcmsg>();
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = static_cast<int>(filter.ifindex);
  header.tcm_parent = parent_of(filter.egress);
  header.tcm_handle = filter.handle;
  header.tcm_info = TC_H_MAKE(static_cast<uint32_t>(filter.priority) << 16, htons(ETH_P_ALL));
  message.attribute_text(TCA_KIND, "bpf");
  return message;
}

static int put_filter(NetlinkSocket& socket, uint16_t flags, const TcFilter& filter, int program_fd,
                      const std::string& program) {
  auto message = filter_message(RTM_NEWTFILTER, flags, filter);
  const size_t options = message.begin_nest(TCA_OPTIONS);
  message.attribute_u32(TCA_BPF_FD, static_cast<uint32_t>(program_fd));
  message.attribute_text(TCA_BPF_NAME, filter_name(filter.ifindex, program));
  message.attribute_u32(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
  message.end_nest(options);
  return socket.request(message);
}

static NetlinkMessage qdisc_message(uint16_t type, uint16_t flags, uint32_t ifindex) {
  NetlinkMessage message(type, flags);
  auto& header = message.header<tcmsg>();
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = static_cast<int>(ifindex);
  header.tcm_handle = type == RTM_NEWQDISC ? TC_H_MAKE(TC_H_CLSACT, 0) : 0;
  header.tcm_parent = TC_H_CLSACT;
  return message;
}

static int make_qdisc(NetlinkSocket& socket, uint32_t ifindex) {
  auto message = qdisc_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifindex);
  message.attribute_text(TCA_KIND, "clsact");
  return socket.request(message);
}

/** Kind of the qdisc that holds the hooks of an interface, "clsact" or "ingress"; empty if there is none. */
static std::string qdisc_kind(NetlinkSocket& socket, uint32_t ifindex) {
  auto message = qdisc_message(RTM_GETQDISC, NLM_F_ECHO, ifindex);  // before 6.3 only an echo is answered
  std::string kind;
  socket.request(message, [&](const nlmsghdr& reply) {
    if (reply.nlmsg_type != RTM_NEWQDISC) return;
    attributes_of<tcmsg>(reply, [&](const rtattr& attribute) {
      if (attribute.rta_type == TCA_KIND) kind = attribute_text(attribute);
    });
  });
  return kind;
}

/** Calls `each` for every filter on a hook. Returns 0 or a positive errno. */
static int each_filter(NetlinkSocket& socket, uint32_t ifindex, bool egress,
                       const std::function<void(const nlmsghdr&)>& each) {
  NetlinkMessage filters(RTM_GETTFILTER, 0);
  auto& header = filters.header<tcmsg>();
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = static_cast<int>(ifindex);
  header.tcm_parent = parent_of(egress);
  return socket.dump(filters, [&](const nlmsghdr& reply) {
    if (reply.nlmsg_type == RTM_NEWTFILTER) each(reply);
  });
}

/**
 * Removes the clsact qdisc unless a filter is left on it. The kernel has no way to do both at once: somebody who found
 * the qdisc and has not yet put the first filter on it would have to make it anew.
 */
static void remove_unused_qdisc(NetlinkSocket& socket, uint32_t ifindex) {
  size_t filters = 0;
  for (const bool egress : {false, true}) {
    if (each_filter(socket, ifindex, egress, [&](const nlmsghdr&) { filters++; }) != 0) return;
  }
  if (filters > 0) return;
  auto message = qdisc_message(RTM_DELQDISC, 0, ifindex);
  message.attribute_text(TCA_KIND, "clsact");  // refused if it is another kind by now
  socket.request(message);
}

static Failure attach_failure(const char* what, const TcFilter& filter, int error) {
  const auto missing = error == EPERM ? missing_capabilities({"NET_ADMIN"}) : std::vector<std::string>{};
  if (!missing.empty()) {
    return Failure("RETINA_CAPABILITY_MISSING", "tc filters cannot be changed without CAP_NET_ADMIN",
                   {.found = errno_text(error), .needed = "CAP_NET_ADMIN", .next = "run as root, or grant it"});
  }
  return Failure("RETINA_ATTACH_FAILED",
                 std::string(what) + " on the " + (filter.egress ? "egress" : "ingress") + " hook of interface " +
                     std::to_string(filter.ifindex) + " failed",
                 {.found = errno_text(error),
                  .next = error == ENODEV ? "the interface is gone: nothing"
                                          : "see what else is there: tc filter show dev NAME ingress|egress",
                  .retryable = error == EBUSY || error == EAGAIN});
}

TcFilter tc_attach(uint32_t ifindex, bool egress, int program_fd, const std::string& program) {
  static std::atomic<uint32_t> counter{0};
  const std::lock_guard lock(changing);
  NetlinkSocket socket;
  TcFilter filter{ifindex, egress, 0, kTcPriority};
  const int made = make_qdisc(socket, ifindex);
  if (made == 0) made_qdisc.insert(ifindex);
  if (made && made != EEXIST) throw attach_failure("making the clsact qdisc", filter, made);
  // An ingress qdisc has the same handle and serves the ingress hook as well; a filter for its egress hook would,
  // without an error, see the packets of the ingress hook.
  if (made == EEXIST && egress) {
    const std::string kind = qdisc_kind(socket, ifindex);
    if (kind != "clsact") {
      throw Failure("RETINA_ATTACH_FAILED",
                    "the egress hook of interface " + std::to_string(ifindex) + " cannot be attached to",
                    {.found = "a qdisc of the kind '" + kind + "', which has no egress hook",
                     .needed = "a clsact qdisc, or none, so that one can be made",
                     .next = "have its owner use clsact: tc qdisc show dev NAME",
                     .retryable = true});
    }
  }
  int error = EEXIST;
  for (int attempt = 0; attempt < 65536 && error == EEXIST; attempt++) {
    filter.handle = kTcHandlePrefix | (++counter & 0xffff);
    error = put_filter(socket, NLM_F_CREATE | NLM_F_EXCL, filter, program_fd, program);
    while (error == EINVAL && filter.priority < 16) {  // this priority may belong to another kind of filter
      filter.priority++;
      error = put_filter(socket, NLM_F_CREATE | NLM_F_EXCL, filter, program_fd, program);
    }
  }
  if (error) {
    if (made == 0) {
      remove_unused_qdisc(socket, ifindex);
      made_qdisc.erase(ifindex);
    }
    throw attach_failure("attaching a clsact filter", filter, error);
  }
  return filter;
}

void tc_replace(const TcFilter& filter, int program_fd, const std::string& program) {
  const std::lock_guard lock(changing);
  NetlinkSocket socket;
  if (const int error = put_filter(socket, NLM_F_CREATE | NLM_F_REPLACE, filter, program_fd, program)) {
    throw attach_failure("replacing a clsact filter", filter, error);
  }
}

void tc_remove(const TcFilter& filter) {
  const std::lock_guard lock(changing);
  NetlinkSocket socket;
  auto message = filter_message(RTM_DELTFILTER, 0, filter);
  const int error = socket.request(message);
  if (made_qdisc.contains(filter.ifindex)) {
    if (error != ENODEV) remove_unused_qdisc(socket, filter.ifindex);
    if (qdisc_kind(socket, filter.ifindex).empty()) made_qdisc.erase(filter.ifindex);
  }
  if (error && error != ENOENT && error != ENODEV && error != EINVAL)
    throw attach_failure("removing a clsact filter", filter, error);
}

static bool is_stale(const nlmsghdr& reply, TcFilter& filter, bool& made) {
  const auto* header = header_of<tcmsg>(reply);
  if (!header) return false;
  filter.handle = header->tcm_handle;
  filter.priority = static_cast<uint16_t>(TC_H_MAJ(header->tcm_info) >> 16);
  if ((filter.handle & 0xffff0000) != kTcHandlePrefix) return false;
  std::string kind, name;
  attributes_of<tcmsg>(reply, [&](const rtattr& attribute) {
    if (attribute.rta_type == TCA_KIND) kind = attribute_text(attribute);
    if ((attribute.rta_type & NLA_TYPE_MASK) != TCA_OPTIONS) return;
    each_attribute(RTA_DATA(&attribute), RTA_PAYLOAD(&attribute), [&](const rtattr& option) {
      if (option.rta_type == TCA_BPF_NAME) name = attribute_text(option);
    });
  });
  if (kind != "bpf" || !name.starts_with(kMark) || maker_lives(name)) return false;
  made = made || maker_made_qdisc(name);
  return true;
}

uint32_t tc_remove_stale() {
  const std::lock_guard lock(changing);
  NetlinkSocket socket;
  std::vector<uint32_t> interfaces;
  NetlinkMessage qdiscs(RTM_GETQDISC, 0);
  qdiscs.header<tcmsg>().tcm_family = AF_UNSPEC;
  const int error = socket.dump(qdiscs, [&](const nlmsghdr& reply) {
    const auto* header = header_of<tcmsg>(reply);
    if (header && reply.nlmsg_type == RTM_NEWQDISC && header->tcm_parent == TC_H_CLSACT)
      interfaces.push_back(static_cast<uint32_t>(header->tcm_ifindex));
  });
  if (error)
    throw Failure("RETINA_NETLINK_FAILED", "the queueing disciplines cannot be listed", {.found = errno_text(error)});
  uint32_t removed = 0;
  for (const uint32_t ifindex : interfaces) {
    bool made = false;
    for (const bool egress : {false, true}) {
      std::vector<TcFilter> stale;
      each_filter(socket, ifindex, egress, [&](const nlmsghdr& reply) {
        TcFilter filter{ifindex, egress, 0, 0};
        if (is_stale(reply, filter, made)) stale.push_back(filter);
      });
      for (const auto& filter : stale) {
        auto message = filter_message(RTM_DELTFILTER, 0, filter);
        if (socket.request(message) == 0) removed++;
      }
    }
    if (made) remove_unused_qdisc(socket, ifindex);
  }
  return removed;
}

}  // namespace retina
