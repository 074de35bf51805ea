#pragma once

#include <napi.h>

namespace retina {

/** Exports the native half of everything about interfaces and namespaces. */
void define_network(Napi::Env env, Napi::Object exports);

}  // namespace retina
