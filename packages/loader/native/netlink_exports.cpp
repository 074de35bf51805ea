#include "netlink_exports.hpp"

#include "device_statistics.hpp"
#include "environment.hpp"
#include "js.hpp"
#include "netlink_source.hpp"
#include "source_handle.hpp"

namespace retina {

static uint16_t short_argument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  const uint32_t value = number_argument(info, index, name);
  if (value > UINT16_MAX) throw Napi::RangeError::New(info.Env(), std::string(name) + " has 16 bits");
  return static_cast<uint16_t>(value);
}

static int family_argument(const Napi::CallbackInfo& info) {
  return static_cast<int>(std::min(number_argument(info, 0, "family"), uint32_t{INT32_MAX}));
}

/** (family, type, flags, payload, onBatch) */
static Napi::Value netlink_request(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array payload = bytes_argument(info, 3, "payload");
  NetlinkAsk ask{.family = family_argument(info),
                 .type = short_argument(info, 1, "type"),
                 .flags = short_argument(info, 2, "flags"),
                 .payload = std::vector<uint8_t>(payload.Data(), payload.Data() + payload.ByteLength())};
  const Napi::Function on_batch = function_argument(info, 4, "handler");
  return guarded(info.Env(), [&] {
    // Two slabs: the kernel fills one while JavaScript reads the other.
    return open_source_on(info.Env(), Environment::of(info.Env()).netlink_reactor(info.Env()),
                          make_netlink_request(std::move(ask)), SlabPlan{.slabs = 2}, on_batch);
  });
}

/** (family, groups: Uint32Array, filter: Uint32Array of header, attribute and mask, or empty, onBatch) */
static Napi::Value netlink_subscribe(const Napi::CallbackInfo& info) {
  const int family = family_argument(info);
  const auto numbers = [&](size_t index, const char* name) {
    if (!info[index].IsTypedArray() || info[index].As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array)
      throw Napi::TypeError::New(info.Env(), std::string("expected a Uint32Array for ") + name);
    const auto array = info[index].As<Napi::Uint32Array>();
    return std::vector<uint32_t>(array.Data(), array.Data() + array.ElementLength());
  };
  const auto groups = numbers(1, "groups");
  const auto parts = numbers(2, "filter");
  const Napi::Function on_batch = function_argument(info, 3, "handler");
  std::optional<NetlinkFilter> filter;
  if (parts.size() == 3) filter = NetlinkFilter{.header = parts[0], .attribute = parts[1], .mask = parts[2]};
  return guarded(info.Env(), [&] {
    return open_source_on(info.Env(), Environment::of(info.Env()).netlink_reactor(info.Env()),
                          make_netlink_subscription(family, groups, filter), SlabPlan{}, on_batch);
  });
}

/** [name, value, …], or undefined */
static Napi::Value device_statistics(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [name = string_argument(info, 0, "interfaceName")] { return read_device_statistics(name); },
      [](Napi::Env env, const std::optional<std::vector<DeviceCounter>>& counters) -> Napi::Value {
        if (!counters) return env.Undefined();
        Napi::Array list = Napi::Array::New(env, counters->size() * 2);
        uint32_t at = 0;
        for (const auto& counter : *counters) {
          list.Set(at++, counter.name);
          list.Set(at++, static_cast<double>(counter.value));
        }
        return list;
      });
}

void define_netlink(Napi::Env env, Napi::Object exports) {
  exports.Set("netlinkRequest", Napi::Function::New<&netlink_request>(env, "netlinkRequest"));
  exports.Set("netlinkSubscribe", Napi::Function::New<&netlink_subscribe>(env, "netlinkSubscribe"));
  exports.Set("deviceStatistics", Napi::Function::New<&device_statistics>(env, "deviceStatistics"));
}

}  // namespace retina
