// What the wrappers of one loaded object share: whether it is still open, and what closing it must end.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>

#include "failure.hpp"
#include "object.hpp"

namespace retina {

class LinkState;
class Port;

using LinkSet = std::unordered_set<std::shared_ptr<LinkState>>;

struct ObjectState {
  std::shared_ptr<BpfObject> object;  // empty once closed
  std::string name;
  std::shared_ptr<LinkSet> links = std::make_shared<LinkSet>();
  std::unordered_set<std::shared_ptr<Port>> ports{};

  const std::shared_ptr<BpfObject>& open() const {
    if (!object) throw Failure("RETINA_CLOSED", "the object '" + name + "' was closed", {.next = "load it again"});
    return object;
  }
};

}  // namespace retina
