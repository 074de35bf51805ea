// What the running kernel can do, found by looking and trying.
#pragma once

#include <napi.h>

#include <cstdint>
#include <map>
#include <string>

namespace retina {

bool kernel_has_tcx();
bool kernel_has_ring_buffer();
/** Arguments of a raw tracepoint without the context; -1 if there is none of that name. */
int tracepoint_arguments(const std::string& name);
/** Values and names of an enum in vmlinux or, failing that, in the types of loaded modules. */
std::map<int64_t, std::string> enum_names(const std::string& name);

/** Frees the parsed types of the kernel, which questions about them leave in memory (5 to 10 MB). */
void release_types();

/** Exports kernelFeatures' native half. */
void define_features(Napi::Env env, Napi::Object exports);

}  // namespace retina
