/* Which CPUs there are, which of them the calling thread may use, and which are near to each other. */
#ifndef NDCONV_CPUS_H
#define NDCONV_CPUS_H

#include <stdbool.h>
#include <stdint.h>

enum { MOST_CPUS = 4096 };

typedef struct {
    uint64_t words[MOST_CPUS / 64];
} CpuSet;

static inline bool has_cpu(const CpuSet *set, int cpu) {
    return set->words[cpu / 64] >> cpu % 64 & 1;
}

static inline void add_cpu(CpuSet *set, int cpu) {
    set->words[cpu / 64] |= (uint64_t)1 << cpu % 64;
}

/* Fills in the CPUs that the calling thread may run on, and returns how many they are: its affinity, where the system
 * tells it, else all CPUs that are online, by the numbers 0, 1, ... */
int usable_cpus(CpuSet *set);

/* The CPU that the calling thread is on; 0 where the system does not tell. */
int current_cpu(void);

/* Whether threads can be told which CPU to run on. */
bool can_pin(void);

/* Makes the calling thread stay on a CPU; false where it may not. */
bool pin_to(int cpu);

/* The other CPUs of the machine in the order in which a thread on `cpu` asks for their help: those of other physical
 * cores before the second threads of a core, those that share its last cache before others, and from its own number
 * upwards, so that processes on different CPUs ask different ones. NULL if there is no memory; `*count` is how many. */
const int16_t *nearest_cpus(int cpu, int *count);

/* What a fork must do before, and after it in the parent and in the child. */
void cpus_before_fork(void);
void cpus_after_fork(void);

#endif
