# The memory that a call's workers work in, and how it is divided among them.

cdef struct WorkerMemory:
    # A share for each worker, and after the last one's what is common to all.
    char* start
    Py_ssize_t size        # of a share


cdef inline Py_ssize_t aligned(Py_ssize_t size) noexcept nogil:
    """A size in bytes, up to the end of a cache line."""
    return ceil_div(size, 64) * 64


cdef int reserve(WorkerMemory* memory, int workers, Py_ssize_t size, Py_ssize_t shared) except -1:
    """Allocates so many bytes for each worker and for all together, to be freed by free(memory.start)."""
    memory.size = aligned(size)
    memory.start = <char*> allocate(workers * memory.size + aligned(shared))
    if memory.start == NULL:
        raise MemoryError(f"ndconv needs {workers * memory.size + shared} bytes of scratch memory")
    return 0


cdef inline char* memory_of(const WorkerMemory* memory, int worker) noexcept nogil:
    """A worker's share; after the last one's number, what all share."""
    return memory.start + worker * memory.size


cdef inline char* after(const WorkerMemory* memory, int worker, Py_ssize_t size) noexcept nogil:
    """A worker's share, after the struct of so many bytes with which it begins."""
    return memory_of(memory, worker) + aligned(size)


cdef inline char* take(char** at, Py_ssize_t size) noexcept nogil:
    """So many bytes of what is left of a share, which begins at `at`."""
    cdef char* taken = at[0]
    at[0] += aligned(size)
    return taken
