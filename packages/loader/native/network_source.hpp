#pragma once

#include <memory>

#include "source.hpp"

namespace retina {

/** Batches of NetworkRecord. Subscribes at once, so nothing that happens after this call is missed. Throws
 * RETINA_NETLINK_FAILED. */
std::unique_ptr<Source> make_network_source();

}  // namespace retina
