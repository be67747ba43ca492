# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""Tasks that are compiled, and the two engines that run them: a crew of our own, or OpenMP's team.

Results do not depend on the engine, nor on the number of workers: tasks are cut by the problem alone.
"""
from cython.parallel cimport prange, threadid
from libc.stdint cimport int16_t

cdef extern from "crew.h" nogil:
    void crew_run(Task run, void* job, Py_ssize_t n_tasks, Py_ssize_t chunk, int workers)
    void crew_begin(int spin)
    int crew_helpers()

cdef extern from "cpus.h" nogil:
    ctypedef struct CpuSet:
        pass
    int c_usable_cpus "usable_cpus"(CpuSet* cpus)
    bint c_can_pin "can_pin"()
    int c_current_cpu "current_cpu"()
    bint c_has_cpu "has_cpu"(const CpuSet* cpus, int cpu)
    const int16_t* c_nearest_cpus "nearest_cpus"(int cpu, int* count)
    bint c_pin_to "pin_to"(int cpu)

cdef extern from *:
    """
    #include <stdlib.h>
    #if defined(_OPENMP)
    #include <omp.h>
    enum { OPENMP_VERSION = _OPENMP };
    #else
    enum { OPENMP_VERSION = 0 };
    #define omp_in_parallel() 0
    /* Without OpenMP its environment variables still count, as numbers alone. */
    static int number_in(const char *name) {
        const char *text = getenv(name);
        long number = text ? strtol(text, NULL, 10) : 0;
        return number < 1 || number > 1 << 15 ? 1 << 15 : (int)number;
    }
    static int omp_get_max_threads(void) { return number_in("OMP_NUM_THREADS"); }
    static int omp_get_thread_limit(void) { return number_in("OMP_THREAD_LIMIT"); }
    #endif
    """
    int OPENMP_VERSION
    int omp_get_max_threads() nogil
    bint omp_in_parallel() nogil
    int omp_get_thread_limit() nogil

cdef extern from "Python.h":
    ctypedef struct PyInterpreterState:
        pass
    PyInterpreterState* PyInterpreterState_Get()
    PyInterpreterState* PyInterpreterState_Main()

if PyInterpreterState_Get() != PyInterpreterState_Main():
    raise ImportError("this is not the main interpreter")

openmp_version = OPENMP_VERSION  # 0: built without it

cdef bint by_crew = True
cdef int most_workers = omp_get_thread_limit()  # OMP_THREAD_LIMIT, which OpenMP reads once


def begin(engine, int spin):
    """Choose the engine, "crew" or "openmp"; the crew's helpers stay awake for `spin` microseconds after work."""
    global by_crew
    by_crew = engine == "crew"
    crew_begin(spin)


def engine():
    """Return the name of the engine in use."""
    return "crew" if by_crew else "openmp"


def forget_team():
    """Let the crew do the tasks: in a forked child, an OpenMP runtime would wait for threads that are gone."""
    global by_crew
    by_crew = True


def can_pin():
    """Whether this system lets threads choose their CPU."""
    return c_can_pin()


def helpers():
    """Return how many threads the crew has, awake or asleep."""
    return crew_helpers()


def usable_cpus():
    """Return how many CPUs the calling thread may run on."""
    cdef CpuSet cpus
    return c_usable_cpus(&cpus)


def current_cpu():
    """Return the CPU that the calling thread is on; 0 where the system does not tell."""
    return c_current_cpu()


def nearest_cpus():
    """Return the other CPUs that the calling thread may use, those first whose help it asks for first."""
    cdef CpuSet cpus
    cdef int i, count
    cdef const int16_t* order = c_nearest_cpus(c_current_cpu(), &count)
    c_usable_cpus(&cpus)
    return [order[i] for i in range(count) if c_has_cpu(&cpus, order[i])]


def pin_to(int cpu):
    """Make the calling thread stay on a CPU; False where it may not."""
    return c_pin_to(cpu)


def openmp_threads():
    """Return how many threads OpenMP would use now: 1 within one of its parallel regions."""
    return 1 if omp_in_parallel() else min(omp_get_max_threads(), most_workers)


cdef void run_tasks(Task run, void* job, Py_ssize_t n_tasks, Py_ssize_t chunk, int workers) noexcept nogil:
    """Do tasks 0 to n_tasks - 1 of a job, `chunk` at a time, by at most so many workers; these are numbered from 0."""
    cdef Py_ssize_t task, part, n_parts
    if workers <= 1 or n_tasks <= 1:
        for task in range(n_tasks):
            run(job, task, 0)
    elif by_crew:
        crew_run(run, job, n_tasks, chunk, min(workers, most_workers))
    else:
        n_parts = (n_tasks + chunk - 1) // chunk
        for part in prange(n_parts, num_threads=workers, schedule="dynamic"):
            run_part(run, job, part * chunk, min(part * chunk + chunk, n_tasks), threadid())


cdef void run_part(Task run, void* job, Py_ssize_t first, Py_ssize_t end, int worker) noexcept nogil:
    cdef Py_ssize_t task
    for task in range(first, end):
        run(job, task, worker)
