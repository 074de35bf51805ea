#include "link.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>

#include "capabilities.hpp"
#include "environment.hpp"
#include "features.hpp"
#include "js.hpp"
#include "program.hpp"
#include "wrap.hpp"

namespace retina {

// Numbers of the kernel's ABI, spelled out because older headers lack the names.
constexpr int kTcxIngress = 46;
constexpr int kTcxEgress = 47;
constexpr uint32_t kBefore = 1u << 3;  // BPF_F_BEFORE; without an anchor: first of all

std::shared_ptr<LinkState> LinkState::tracing(bpf_link* link) {
  auto state = std::make_shared<LinkState>();
  state->link_ = link;
  return state;
}

static Failure tcx_failure(uint32_t ifindex, bool egress, int error) {
  const auto missing = error == EPERM ? missing_capabilities({"BPF", "NET_ADMIN"}) : std::vector<std::string>{};
  if (!missing.empty()) {
    return Failure("RETINA_CAPABILITY_MISSING", "programs cannot be attached without " + capability_list(missing),
                   {.found = errno_text(error),
                    .needed = "CAP_BPF and CAP_NET_ADMIN",
                    .next = "run as root, or grant " + capability_list(missing)});
  }
  return Failure("RETINA_ATTACH_FAILED",
                 std::string("attaching to the ") + (egress ? "egress" : "ingress") + " hook of interface " +
                     std::to_string(ifindex) + " failed",
                 {.found = errno_text(error),
                  .next = error == ENODEV ? "the interface is gone: nothing" : "see what else is there: bpftool net",
                  .retryable = error == EBUSY || error == EAGAIN});
}

std::shared_ptr<LinkState> LinkState::tap(int program_fd, const std::string& program, uint32_t ifindex, bool egress,
                                          const std::string& mode) {
  auto state = std::make_shared<LinkState>();
  state->ifindex = ifindex;
  state->egress = egress;
  if (mode == "clsact" || (mode == "auto" && !kernel_has_tcx())) {
    state->kind = LinkKind::clsact;
    state->filter_ = tc_attach(ifindex, egress, program_fd, program);
    return state;
  }
  if (!kernel_has_tcx()) {
    throw Failure("RETINA_KERNEL_UNSUPPORTED", "this kernel has no tcx links",
                  {.needed = "Linux 6.6 or later", .next = "use the mode 'auto' or 'clsact'"});
  }
  state->kind = LinkKind::tcx;
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = kBefore);
  const int fd = bpf_link_create(program_fd, static_cast<int>(ifindex),
                                 static_cast<bpf_attach_type>(egress ? kTcxEgress : kTcxIngress), &options);
  if (fd < 0) throw tcx_failure(ifindex, egress, errno);
  state->tcx_ = Descriptor(fd);
  return state;
}

void LinkState::update(int program_fd, const std::string& program) {
  if (kind == LinkKind::clsact && filter_.ifindex) return tc_replace(filter_, program_fd, program);
  if (kind != LinkKind::tcx || !tcx_) throw Failure("RETINA_CLOSED", "the tap was detached");
  if (bpf_link_update(tcx_.get(), program_fd, nullptr) != 0) throw tcx_failure(ifindex, egress, errno);
}

void LinkState::close() {
  if (link_) bpf_link__destroy(std::exchange(link_, nullptr));
  tcx_.reset();
  if (filter_.ifindex) {
    const TcFilter filter = std::exchange(filter_, TcFilter{});
    try {
      tc_remove(filter);
    } catch (const Failure&) {  // what is left is found by tc_remove_stale() at the next start
    }
  }
}

Napi::Object adopt_link(Napi::Env env, const std::shared_ptr<LinkSet>& owner, std::shared_ptr<LinkState> link) {
  owner->insert(link);
  return wrap(env, Environment::of(env).link, LinkHandle{std::move(link), owner});
}

Napi::Function Link::define(Napi::Env env) {
  return DefineClass(env, "TapLink",
                     {
                         InstanceAccessor<&Link::ifindex>("ifindex"),
                         InstanceAccessor<&Link::direction>("direction"),
                         InstanceAccessor<&Link::mode>("mode"),
                         InstanceMethod<&Link::update>("update"),
                         InstanceMethod<&Link::close>(Napi::Symbol::WellKnown(env, "dispose")),
                     });
}

Link::Link(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Link>(info), handle_(unwrap_state<LinkHandle>(info)) {}

Napi::Value Link::ifindex(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), handle_.link->ifindex);
}
Napi::Value Link::direction(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), handle_.link->egress ? "egress" : "ingress");
}
Napi::Value Link::mode(const Napi::CallbackInfo& info) {
  const auto kind = handle_.link->kind;
  return Napi::String::New(info.Env(), kind == LinkKind::tcx ? "tcx" : kind == LinkKind::clsact ? "clsact" : "tracing");
}

Napi::Value Link::update(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Program& program = program_argument(info, 0);
    if (handle_.owner.expired()) throw Failure("RETINA_CLOSED", "the tap was detached");
    handle_.link->update(program.fd(), program.name());
    return info.Env().Undefined();
  });
}

Napi::Value Link::close(const Napi::CallbackInfo& info) {
  const auto owner = handle_.owner.lock();
  handle_.owner.reset();
  if (owner && owner->erase(handle_.link)) {
    Environment::of(info.Env()).closer.add([link = handle_.link] { link->close(); });
  }
  return info.Env().Undefined();
}

}  // namespace retina
