#pragma once

#include <memory>

#include "source.hpp"

namespace retina {

/** A ring buffer of records of `stride` bytes, with NAME_lost if there is one; read when a record arrives or, if not 0,
 * every `ms`. Throws RETINA_OBJECT_INVALID. */
std::unique_ptr<Source> make_stream_source(std::shared_ptr<const BpfObject> object, const std::string& map,
                                           size_t stride, uint32_t ms);

/** A pair of hashes with a generation (RT_TABLE), drained every `ms`. A record is the key followed by the value. Throws
 * RETINA_OBJECT_INVALID. */
std::unique_ptr<Source> make_table_source(std::shared_ptr<const BpfObject> object, const std::string& table,
                                          size_t stride, uint32_t ms);

}  // namespace retina
