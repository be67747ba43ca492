/* Memory that vectors are read from and written to. */
#ifndef NDCONV_MEMORY_H
#define NDCONV_MEMORY_H

#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

enum { CACHE_LINE = 64, HUGE_PAGE = 2 << 20, MAPPED_ANEW = 32 << 20 };

/* Memory that begins at a cache line, for free(), or NULL. So much that glibc's allocator never keeps it for the next
 * call lies on huge pages where Linux has them to give: ordinary ones would be mapped one by one, each time. */
static inline void *allocate(size_t size) {
    void *memory;
    int is_large = size >= MAPPED_ANEW;
    if (posix_memalign(&memory, is_large ? HUGE_PAGE : CACHE_LINE, size))
        return NULL;
#if defined(MADV_HUGEPAGE)
    if (is_large)
        (void)madvise(memory, size, MADV_HUGEPAGE);
#endif
    return memory;
}

#endif
