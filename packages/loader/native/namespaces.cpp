// Other network namespaces: their names, ids and addresses.
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/net_namespace.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <exception>
#include <thread>

#include "failure.hpp"
#include "network_record.hpp"

namespace retina {

static int32_t netnsid_of(NetlinkSocket& socket, int fd) {
  NetlinkMessage message(RTM_GETNSID, 0);
  message.header<rtgenmsg>().rtgen_family = AF_UNSPEC;
  message.attribute_u32(NETNSA_FD, static_cast<uint32_t>(fd));
  int32_t id = -1;
  socket.request(message, [&](const nlmsghdr& reply) {
    if (reply.nlmsg_type != RTM_NEWNSID) return;
    attributes_of<rtgenmsg>(reply, [&](const rtattr& attribute) {
      if (attribute.rta_type == NETNSA_NSID) id = static_cast<int32_t>(attribute_u32(attribute));
    });
  });
  return id;
}

std::vector<NamedNamespace> read_named_namespaces() {
  std::vector<NamedNamespace> found;
  DIR* folder = opendir("/run/netns");
  if (!folder) return found;
  NetlinkSocket socket;
  for (const dirent* entry = readdir(folder); entry; entry = readdir(folder)) {
    if (entry->d_name[0] == '.') continue;
    const Descriptor file(openat(dirfd(folder), entry->d_name, O_RDONLY | O_CLOEXEC));
    struct stat status {};
    struct statfs filesystem {};
    // A plain file is a name whose namespace is gone, or not yet there.
    if (!file || fstat(file.get(), &status) != 0 || fstatfs(file.get(), &filesystem) != 0 ||
        filesystem.f_type != NSFS_MAGIC)
      continue;
    found.push_back({entry->d_name, status.st_ino, netnsid_of(socket, file.get())});
  }
  closedir(folder);
  return found;
}

std::vector<NetworkRecord> read_addresses_in(const std::string& path) {
  const Descriptor space(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!space)
    throw Failure("RETINA_NETLINK_FAILED", "the network namespace '" + path + "' cannot be opened",
                  {.found = errno_text(errno)});
  std::vector<NetworkRecord> records;
  int entered = 0;
  std::exception_ptr thrown;
  // A thread of its own that ends here: a thread that changed its namespace must never be used for anything else.
  std::thread([&] {
    if (setns(space.get(), CLONE_NEWNET) != 0) {
      entered = errno;
      return;
    }
    try {
      records = read_addresses();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (entered == EPERM || entered == EACCES) {
    throw Failure("RETINA_CAPABILITY_MISSING",
                  "the network namespace '" + path + "' cannot be entered without CAP_SYS_ADMIN",
                  {.found = errno_text(entered),
                   .needed = "CAP_SYS_ADMIN",
                   .next = "run as root, or do without names for that namespace's addresses"});
  }
  if (entered)
    throw Failure("RETINA_NETLINK_FAILED", "the network namespace '" + path + "' cannot be entered",
                  {.found = errno_text(entered)});
  if (thrown) std::rethrow_exception(thrown);
  return records;
}

}  // namespace retina
