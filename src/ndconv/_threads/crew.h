/* A crew: threads that help a caller with its tasks, and for which it never waits before they have begun.
 *
 * The caller posts a job, rings for some helpers and begins at once with the first task; whoever comes takes the next
 * ones from the same counter. The caller returns when no task is left and no helper is inside one. A helper that comes
 * later, because its CPU was busy, finds the job closed and touches nothing.
 *
 * Each helper stays on a CPU of its own. A thread that Linux wakes is otherwise put, nearly always, on the CPU of the
 * thread that woke it, where it waits for up to 12 ms. Helpers are started when they are first asked for, sleep when
 * there is nothing to do, know nothing of Python, and are never waited for at exit. A forked child has a new crew.
 */
#ifndef NDCONV_CREW_H
#define NDCONV_CREW_H

#include <stddef.h>

/* Does task number `task` of a job as its worker number `worker`. */
typedef void (*Task)(void *job, ptrdiff_t task, int worker);

/* Does n_tasks tasks, `chunk` consecutive ones at a time, on the calling thread and at most workers - 1 helpers on the
 * other CPUs that the calling thread may use. Workers are numbered from 0, the caller; no two have the same number.
 * Any threads may call at once, also from within a task. */
void crew_run(Task run, void *job, ptrdiff_t n_tasks, ptrdiff_t chunk, int workers);

/* Prepares for forks; to be called once, before anything else. Helpers stay awake for `spin` microseconds after work. */
void crew_begin(int spin);

/* How many helpers there are, awake or asleep. */
int crew_helpers(void);

#endif
