# The memory that a call's workers work in, and how it is divided among them.

cdef struct Workspace:
    # A part for each worker, and after the last one's what all of them share.
    char* memory
    Py_ssize_t size        # of a part


cdef inline Py_ssize_t aligned(Py_ssize_t size) noexcept nogil:
    """A size in bytes, up to the end of a cache line."""
    return ceil_div(size, 64) * 64


cdef int reserve(Workspace* workspace, int workers, Py_ssize_t size, Py_ssize_t shared) except -1:
    """Allocates so many bytes for each worker and for all together, to be freed by free(workspace.memory)."""
    workspace.size = aligned(size)
    workspace.memory = <char*> allocate(workers * workspace.size + aligned(shared))
    if workspace.memory == NULL:
        raise MemoryError(f"ndconv needs {workers * workspace.size + shared} bytes of scratch memory")
    return 0


cdef inline char* part_of(const Workspace* workspace, int worker) noexcept nogil:
    """A worker's part; after the last one's number, what all share."""
    return workspace.memory + worker * workspace.size


cdef inline char* after(const Workspace* workspace, int worker, Py_ssize_t size) noexcept nogil:
    """A worker's part, after the struct of so many bytes with which it begins."""
    return part_of(workspace, worker) + aligned(size)


cdef inline char* take(char** at, Py_ssize_t size) noexcept nogil:
    """So many bytes of what is left of a part, which begins at `at`."""
    cdef char* taken = at[0]
    at[0] += aligned(size)
    return taken
