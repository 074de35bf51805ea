// The flow source as the loader's thread runs it. Its protocol is described in source.hpp.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "../source.hpp"

namespace retina {

struct FlowField {
  const char* name;  // a key of the SDK's FLOW_OFFSETS
  size_t offset;
};

/** On the JavaScript thread. Throws RETINA_OBJECT_INVALID if the object is not built on the flow ring. */
std::unique_ptr<Source> make_flow_source(std::shared_ptr<const BpfObject> object, const FlowOptions& options);
/** Memory of the batches on their way to JavaScript. */
SlabPlan flow_slabs();
/** Bytes from one row to the next; checked against the SDK's FLOW_STRIDE. */
size_t flow_stride();
std::vector<FlowField> flow_fields();

/** Tells what an interface is; a message as FlowAnnotation, told apart by its length. */
struct FlowInterface {
  uint32_t ifindex;
  uint32_t role;  // 0 endpoint, 1 uplink, 2 extra
  uint32_t netns;
  uint32_t gone;  // 1: it has gone, the rest says nothing
};
static_assert(sizeof(FlowInterface) == 16);

}  // namespace retina
