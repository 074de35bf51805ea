#include "network.hpp"

#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>

#include "descriptor.hpp"
#include "environment.hpp"
#include "js.hpp"
#include "kernel_symbols.hpp"
#include "network_record.hpp"
#include "network_source.hpp"
#include "source_handle.hpp"

namespace retina {

static Napi::Value records_value(Napi::Env env, const std::vector<NetworkRecord>& records) {
  return bytes_value(env, records.data(), records.size() * sizeof(NetworkRecord));
}

static Napi::Value interfaces(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [] { return read_interfaces(); }, records_value);
}
static Napi::Value addresses(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [] { return read_addresses(); }, records_value);
}

static Napi::Value addresses_in(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [path = string_argument(info, 0, "namespacePath")] { return read_addresses_in(path); },
      records_value);
}

static Napi::Value default_routes(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [] { return read_default_routes(); },
      [](Napi::Env env, const std::vector<DefaultRoute>& found) -> Napi::Value {
        Napi::Array list = Napi::Array::New(env, found.size());
        for (uint32_t i = 0; i < found.size(); i++) {
          Napi::Object route = Napi::Object::New(env);
          route.Set("ifindex", found[i].ifindex);
          route.Set("main", found[i].main);
          list.Set(i, route);
        }
        return list;
      });
}

static Napi::Value named_namespaces(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [] { return read_named_namespaces(); },
      [](Napi::Env env, const std::vector<NamedNamespace>& found) -> Napi::Value {
        Napi::Array list = Napi::Array::New(env, found.size());
        for (uint32_t i = 0; i < found.size(); i++) {
          Napi::Object item = Napi::Object::New(env);
          item.Set("name", found[i].name);
          item.Set("inode", static_cast<double>(found[i].inode));
          item.Set("netnsid", found[i].netnsid);
          list.Set(i, item);
        }
        return list;
      });
}

static Napi::Value watch_network(const Napi::CallbackInfo& info) {
  const Napi::Function on_batch = function_argument(info, 0, "listener");
  return guarded(info.Env(),
                 [&] { return open_source(info.Env(), nullptr, make_network_source(), SlabPlan{}, on_batch); });
}

static Napi::Value own_netns(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    struct stat status {};
    if (stat("/proc/thread-self/ns/net", &status) != 0)
      throw Failure("RETINA_NETLINK_FAILED", "this process's network namespace is unknown",
                    {.found = errno_text(errno)});
    return Napi::Number::New(info.Env(), static_cast<double>(status.st_ino));
  });
}

static Napi::Value netns_cookie(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);
    constexpr int kNetnsCookie = 71;  // SO_NETNS_COOKIE, Linux 5.14
    if (!socket || getsockopt(socket.get(), SOL_SOCKET, kNetnsCookie, &cookie, &size) != 0)
      return info.Env().Undefined();
    return Napi::BigInt::New(info.Env(), cookie);
  });
}

static Napi::Value kernel_symbol(const Napi::CallbackInfo& info) {
  bool lossless = false;
  if (!info[0].IsBigInt()) throw Napi::TypeError::New(info.Env(), "expected a bigint for address");
  const std::string name = find_kernel_symbol(info[0].As<Napi::BigInt>().Uint64Value(&lossless));
  return name.empty() ? info.Env().Undefined() : Napi::Value(Napi::String::New(info.Env(), name));
}

static Napi::Value read_symbols(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [] { return read_kernel_symbols(); },
      [](Napi::Env env, bool any) -> Napi::Value { return Napi::Boolean::New(env, any); });
}

void define_network(Napi::Env env, Napi::Object exports) {
  exports.Set("interfaces", Napi::Function::New<&interfaces>(env, "interfaces"));
  exports.Set("addresses", Napi::Function::New<&addresses>(env, "addresses"));
  exports.Set("addressesIn", Napi::Function::New<&addresses_in>(env, "addressesIn"));
  exports.Set("defaultRoutes", Napi::Function::New<&default_routes>(env, "defaultRoutes"));
  exports.Set("namedNamespaces", Napi::Function::New<&named_namespaces>(env, "namedNamespaces"));
  exports.Set("watchNetwork", Napi::Function::New<&watch_network>(env, "watchNetwork"));
  exports.Set("ownNetns", Napi::Function::New<&own_netns>(env, "ownNetns"));
  exports.Set("netnsCookie", Napi::Function::New<&netns_cookie>(env, "netnsCookie"));
  exports.Set("kernelSymbol", Napi::Function::New<&kernel_symbol>(env, "kernelSymbol"));
  exports.Set("readKernelSymbols", Napi::Function::New<&read_symbols>(env, "readKernelSymbols"));
}

}  // namespace retina
