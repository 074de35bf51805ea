// Memory that is no longer needed. Process-wide: the agent decides.
#pragma once

namespace retina {

/** Makes the C library give freed memory back at once, and keep it in few places. */
void return_freed();

/**
 * Lets go of pages of programs and libraries that were read from their files and never written: what only starting
 * needed is not resident any more, what is needed again comes back from the page cache.
 */
void unmap_clean_pages();

}  // namespace retina
