# Memory: what a call's workers work in, divided among them, and what a plan keeps.

cdef struct Workspace:
    # A part for each worker, and after the last one's what all of them share.
    char* memory
    Py_ssize_t size        # of a part


cdef inline Py_ssize_t aligned(Py_ssize_t size) noexcept nogil:
    """A size in bytes, up to the end of a cache line."""
    return parts(size, 64) * 64


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


cdef class Memory:
    """So many samples, at least one, that nobody has written yet, for a typed memoryview; freed with the last view."""

    cdef real* samples
    cdef Py_ssize_t count, step

    def __cinit__(self, Py_ssize_t count):
        self.count, self.step = count, sizeof(real)
        self.samples = <real*> allocate(count * sizeof(real))
        if self.samples == NULL:
            raise MemoryError(f"ndconv needs {count * sizeof(real)} bytes for packed weights")

    def __dealloc__(self):
        free(self.samples)

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        buffer.buf = self.samples
        buffer.obj = self
        buffer.len = self.count * sizeof(real)
        buffer.itemsize = sizeof(real)
        buffer.readonly = False
        buffer.ndim = 1
        # What Cython takes `real` for; it knows no type that is an integer in some builds.
        buffer.format = "f" if sizeof(real) == sizeof(float) else "d"
        buffer.shape = &self.count
        buffer.strides = &self.step
        buffer.suboffsets = NULL
        buffer.internal = NULL
