#pragma once

#include <napi.h>

namespace retina {

/** netlinkRequest, netlinkSubscribe, deviceStatistics */
void define_netlink(Napi::Env env, Napi::Object exports);

}  // namespace retina
