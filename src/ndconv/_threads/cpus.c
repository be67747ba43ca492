#define _GNU_SOURCE
#include "cpus.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#endif

/* One more than the largest number that a CPU of this machine may have: not how many there are, nor how many a container
 * or a C library says there are. */
static int possible_cpus(void) {
    char line[1024];
    long last = MOST_CPUS - 1;
    FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
    if (file) {
        if (fgets(line, sizeof line, file)) {
            char *at = line + strlen(line);
            while (at > line && (at[-1] == '\n' || (at[-1] >= '0' && at[-1] <= '9')))
                at--;
            last = strtol(at, NULL, 10);
        }
        fclose(file);
    }
#if !defined(__linux__)
    last = sysconf(_SC_NPROCESSORS_CONF) - 1;
#endif
    return last < 0 ? 1 : last >= MOST_CPUS ? MOST_CPUS : (int)last + 1;
}

#if defined(__linux__)

int usable_cpus(CpuSet *set) {
    int count = 0;
    memset(set, 0, sizeof *set);
    /* The system call, unlike the C library's function, writes no more than the kernel knows, into any size. */
    if (syscall(SYS_sched_getaffinity, 0, sizeof *set, set) < 0) {
        add_cpu(set, current_cpu());
        return 1;
    }
    for (int word = 0; word < MOST_CPUS / 64; word++)
        count += __builtin_popcountll(set->words[word]);
    return count;
}

int current_cpu(void) {
    int cpu = sched_getcpu();
    return cpu < 0 || cpu >= MOST_CPUS ? 0 : cpu;
}

bool can_pin(void) {
    return true;
}

bool pin_to(int cpu) {
    CpuSet set;
    memset(&set, 0, sizeof set);
    add_cpu(&set, cpu);
    return syscall(SYS_sched_setaffinity, 0, sizeof set, &set) == 0;
}

#else

int usable_cpus(CpuSet *set) {
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    int count = online < 1 ? 1 : online > MOST_CPUS ? MOST_CPUS : (int)online;
    memset(set, 0, sizeof *set);
    for (int cpu = 0; cpu < count; cpu++)
        add_cpu(set, cpu);
    return count;
}

int current_cpu(void) {
    return 0;
}

bool can_pin(void) {
    return false;
}

bool pin_to(int cpu) {
    (void)cpu;
    return false;
}

#endif

/* --- The order of neighbours ------------------------------------------------------------------------------------- */

static pthread_mutex_t topology_lock = PTHREAD_MUTEX_INITIALIZER;
static int n_cpus;
static int16_t core_of[MOST_CPUS];           /* the least CPU of the same core */
static int16_t cache_of[MOST_CPUS];          /* the least CPU of those that share the last cache */
static const int16_t *_Atomic orders[MOST_CPUS];

/* Reads a list such as "0-3,8" and writes `least` for each CPU of it; false if there is none. */
static bool read_list(const char *path, int cpu, int16_t *least) {
    char line[1024];
    FILE *file = fopen(path, "re");
    bool found = file && fgets(line, sizeof line, file);
    if (file)
        fclose(file);
    for (char *at = line; found && *at >= '0' && *at <= '9';) {
        long first = strtol(at, &at, 10), last = first;
        if (*at == '-')
            last = strtol(at + 1, &at, 10);
        for (long other = first; other <= last && other < n_cpus; other++)
            least[other] = (int16_t)cpu;
        at += *at == ',';
    }
    return found;
}

static void read_topology(void) {
    char path[128];
    n_cpus = possible_cpus();
    for (int cpu = 0; cpu < n_cpus; cpu++)
        core_of[cpu] = cache_of[cpu] = -1;
    if (access("/sys/devices/system/cpu/cpu0", F_OK) != 0) {
        for (int cpu = 0; cpu < n_cpus; cpu++)
            core_of[cpu] = (int16_t)cpu, cache_of[cpu] = 0;
        return;
    }
    for (int cpu = 0; cpu < n_cpus; cpu++) {
        if (core_of[cpu] < 0) {
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
            read_list(path, cpu, core_of);
            core_of[cpu] = (int16_t)cpu;
        }
        if (cache_of[cpu] < 0) {
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cache/index3/shared_cpu_list", cpu);
            read_list(path, cpu, cache_of);
            cache_of[cpu] = (int16_t)cpu;
        }
    }
}

typedef struct {
    int thread, far, distance;
    int16_t cpu;
} Neighbour;

static int by_nearness(const void *left, const void *right) {
    const Neighbour *a = left, *b = right;
    return a->thread != b->thread ? a->thread - b->thread : a->far != b->far ? a->far - b->far : a->distance - b->distance;
}

static const int16_t *make_order(int cpu) {
    Neighbour *all = malloc(n_cpus * sizeof *all);
    int16_t *order = malloc(n_cpus * sizeof *order);
    int count = 0;
    for (int other = 0; all && order && other < n_cpus; other++) {
        if (other == cpu)
            continue;
        Neighbour *it = &all[count++];
        it->cpu = (int16_t)other;
        it->far = cache_of[other] != cache_of[cpu];
        it->distance = (other - cpu + n_cpus) % n_cpus;
        /* Of its core, the caller has the first thread, whichever that is. */
        it->thread = core_of[other] == core_of[cpu];
        for (int before = core_of[other]; before < other; before++)
            it->thread += core_of[before] == core_of[other] && before != cpu;
    }
    if (all && order) {
        qsort(all, count, sizeof *all, by_nearness);
        for (int i = 0; i < count; i++)
            order[i] = all[i].cpu;
    }
    else {
        free(order);
        order = NULL;
    }
    free(all);
    return order;
}

const int16_t *nearest_cpus(int cpu, int *count) {
    const int16_t *order = orders[cpu];
    if (!order) {
        pthread_mutex_lock(&topology_lock);
        if (!n_cpus)
            read_topology();
        order = orders[cpu];
        if (!order && cpu < n_cpus)
            order = orders[cpu] = make_order(cpu);
        pthread_mutex_unlock(&topology_lock);
    }
    *count = order ? n_cpus - 1 : 0;
    return order;
}

void cpus_before_fork(void) {
    pthread_mutex_lock(&topology_lock);
}

void cpus_after_fork(void) {
    pthread_mutex_unlock(&topology_lock);
}
