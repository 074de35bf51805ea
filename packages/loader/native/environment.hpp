// What one JavaScript environment (main thread or worker) owns. Nothing here is shared between environments.
#pragma once

#include <napi.h>

#include <memory>

#include "closer.hpp"
#include "object_state.hpp"
#include "reactor.hpp"

namespace retina {

struct Environment {
  explicit Environment(Napi::Env env) : closer(env) {}

  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }
  /** The native thread's owner; made when the first source is opened. */
  Reactor& reactor(Napi::Env env) {
    if (!reactor_) reactor_ = std::make_unique<Reactor>(env, "retina-loader");
    return *reactor_;
  }
  Reactor* reactor_if_any() { return reactor_.get(); }
  /** A thread for what others ask of netlink: the kernel may take long over an answer, and no ring waits meanwhile. */
  Reactor& netlink_reactor(Napi::Env env) {
    if (!netlink_reactor_) netlink_reactor_ = std::make_unique<Reactor>(env, "retina-netlink");
    return *netlink_reactor_;
  }
  Reactor* netlink_reactor_if_any() { return netlink_reactor_.get(); }

  Napi::FunctionReference retina_error;
  Napi::FunctionReference object_spec;
  Napi::FunctionReference loaded_object;
  Napi::FunctionReference program;
  Napi::FunctionReference map;
  Napi::FunctionReference link;
  Napi::FunctionReference source;
  Closer closer;
  /** Tap links: they outlive the object that attached them. */
  std::shared_ptr<LinkSet> taps = std::make_shared<LinkSet>();

 private:
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Reactor> netlink_reactor_;
};

}  // namespace retina
