// What holds a program to its hook, and its JavaScript side (Disposable, TapLink).
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>

#include "descriptor.hpp"
#include "object_state.hpp"
#include "tc.hpp"

struct bpf_link;

namespace retina {

enum class LinkKind { tracing, tcx, clsact };

/** An attachment. close() may wait for running programs: run it through the Closer. */
class LinkState {
 public:
  /** Takes the link over. */
  static std::shared_ptr<LinkState> tracing(bpf_link* link);
  /** Blocks. `mode`: auto, tcx or clsact. Throws RETINA_ATTACH_FAILED or RETINA_KERNEL_UNSUPPORTED. */
  static std::shared_ptr<LinkState> tap(int program_fd, const std::string& program, uint32_t ifindex, bool egress,
                                        const std::string& mode);
  ~LinkState() { close(); }

  /** Replaces the program; nobody sees a moment without one. Throws RETINA_ATTACH_FAILED. */
  void update(int program_fd, const std::string& program);
  void close();

  LinkKind kind = LinkKind::tracing;
  uint32_t ifindex = 0;
  bool egress = false;

 private:
  bpf_link* link_ = nullptr;
  Descriptor tcx_;
  TcFilter filter_{};
};

struct LinkHandle {
  std::shared_ptr<LinkState> link;
  std::weak_ptr<LinkSet> owner;  // what keeps it attached; empty once detached
};

/** Hands a link to `owner`, which keeps it attached whether or not JavaScript still refers to it. */
Napi::Object adopt_link(Napi::Env env, const std::shared_ptr<LinkSet>& owner, std::shared_ptr<LinkState> link);

class Link : public Napi::ObjectWrap<Link> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit Link(const Napi::CallbackInfo& info);

 private:
  Napi::Value ifindex(const Napi::CallbackInfo& info);
  Napi::Value direction(const Napi::CallbackInfo& info);
  Napi::Value mode(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  LinkHandle handle_;
};

}  // namespace retina
