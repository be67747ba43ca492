# What compiled code that is cut into tasks goes through.

cdef extern from *:
    """
    /* For tasks that tell the caller something: any of them may do so at any time. */
    static inline void raise_flag(int *flag) {
        __atomic_store_n(flag, 1, __ATOMIC_RELAXED);
    }
    """
    void raise_flag(int* flag) noexcept nogil

ctypedef void (*Task)(void* job, Py_ssize_t task, int worker) noexcept nogil

cdef void run_tasks(Task run, void* job, Py_ssize_t n_tasks, Py_ssize_t chunk, int workers) noexcept nogil
