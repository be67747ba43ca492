/* Jobs of random sizes from several callers at once; each task must be done exactly once, by a worker whose number
 * nobody else has, and all of them before the call returns. With calls from within tasks, and forks, on request.
 *
 *     crew_harness JOBS CALLERS [nested] [forks]
 *
 * Built with FAKE_CPUS it has so many helpers, pinned nowhere, instead of those of this machine.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpus.h"
#include "crew.h"

#if defined(FAKE_CPUS)
int usable_cpus(CpuSet *set) {
    memset(set, 0, sizeof *set);
    for (int cpu = 0; cpu < FAKE_CPUS; cpu++)
        add_cpu(set, cpu);
    return FAKE_CPUS;
}
int current_cpu(void) { return 0; }
bool can_pin(void) { return false; }
bool pin_to(int cpu) { return (void)cpu, false; }
void cpus_before_fork(void) {}
void cpus_after_fork(void) {}
const int16_t *nearest_cpus(int cpu, int *count) {
    static const int16_t order[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    (void)cpu;
    *count = FAKE_CPUS - 1;
    return order;
}
#endif

enum { MOST_TASKS = 200, MOST_WORKERS = 8 };

typedef struct {
    int counts[MOST_TASKS]; /* not atomic: whoever does a task alone may write it, and the caller reads it afterwards */
    int by[MOST_WORKERS];
    atomic_int inside[MOST_WORKERS];
    atomic_int wrong;
    int workers, nested;
    unsigned seed;
} Job;

static atomic_long wrong;
static long jobs_each;
static int nested, forks;

static unsigned next_random(unsigned *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void one_job(unsigned *seed, int depth);

static void task(void *shared, ptrdiff_t number, int worker) {
    Job *job = shared;
    if (worker < 0 || worker >= job->workers || atomic_fetch_add(&job->inside[worker], 1) != 0) {
        atomic_fetch_add(&job->wrong, 1);
        return;
    }
    job->counts[number]++;
    job->by[worker]++;
    volatile unsigned work = job->seed + (unsigned)number;
    for (unsigned i = work % 400; i > 0; i--)
        work = work * 3 + 1;
    if (job->nested && number % 50 == 7) {
        unsigned seed = job->seed + (unsigned)number;
        one_job(&seed, 1);
    }
    atomic_fetch_sub(&job->inside[worker], 1);
}

static void one_job(unsigned *seed, int depth) {
    Job job;
    int n = next_random(seed) % 10 == 0 ? next_random(seed) % MOST_TASKS : next_random(seed) % 12, total = 0;
    memset(&job, 0, sizeof job);
    job.workers = 1 + next_random(seed) % MOST_WORKERS;
    job.nested = nested && depth == 0;
    job.seed = *seed;
    crew_run(task, &job, n, 1 + next_random(seed) % 5, job.workers);
    for (int i = 0; i < MOST_TASKS; i++)
        if (job.counts[i] != (i < n))
            job.wrong++;
    for (int i = 0; i < MOST_WORKERS; i++)
        total += job.by[i];
    if (job.wrong || total != n)
        atomic_fetch_add(&wrong, 1);
}

static void *caller(void *number) {
    unsigned seed = 12345u + 777u * (unsigned)(size_t)number;
    for (long i = 0; i < jobs_each; i++) {
        one_job(&seed, 0);
        if (next_random(&seed) % 2000 == 0)
            usleep(200); /* long enough for helpers to fall asleep */
    }
    return NULL;
}

static void fork_now_and_then(void) {
    for (int i = 0; i < forks; i++) {
        pid_t child = fork();
        int status = 0;
        if (child == 0) {
            unsigned seed = 99u + (unsigned)i;
            for (int k = 0; k < 300; k++)
                one_job(&seed, 0);
            CpuSet cpus;
            _exit(atomic_load(&wrong) != 0 || (usable_cpus(&cpus) > 1 && crew_helpers() == 0));
        }
        if (waitpid(child, &status, 0) != child || status != 0)
            atomic_fetch_add(&wrong, 1);
        usleep(i < forks / 2 ? 100 : 2000);
    }
}

int main(int argc, char **argv) {
    int callers = atoi(argv[2]);
    pthread_t threads[64];
    jobs_each = atol(argv[1]) / callers;
    for (int i = 3; i < argc; i++) {
        nested |= strcmp(argv[i], "nested") == 0;
        if (strcmp(argv[i], "forks") == 0)
            forks = 50;
    }
    crew_begin(20);
    crew_begin(20); /* as when the package is imported again */
    for (int i = 0; i < callers; i++)
        pthread_create(&threads[i], NULL, caller, (void *)(size_t)i);
    fork_now_and_then();
    for (int i = 0; i < callers; i++)
        pthread_join(threads[i], NULL);
    printf("%ld jobs, %d callers, %d helpers, %ld wrong\n", jobs_each * callers, callers, crew_helpers(), wrong);
    return wrong != 0;
}
