#define _GNU_SOURCE
#include "crew.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bell.h"
#include "cpus.h"

enum {
    CACHE_LINE = 64,
    STACK_BYTES = 2 << 20,
    PAUSES = 16, /* between two looks at the clock */
    N_BOARDS = 30,
};

static const int64_t RETRY_NS = 1000000000;

/* A board holds one caller's job. Its `guests` word counts the helpers inside; a job that is not OPEN lets nobody in,
 * and then the caller may be ASLEEP until the last one leaves. Only whoever is inside reads the job. */
enum { BOARD_OPEN = 1u << 31, CALLER_ASLEEP = 1u << 30, GUESTS = CALLER_ASLEEP - 1 };

typedef struct {
    _Alignas(CACHE_LINE) Bell guests;
    Task run;
    void *job;
    ptrdiff_t n_tasks, chunk;
    int workers;
    CpuSet cpus; /* those that the caller may use */
    _Alignas(CACHE_LINE) _Atomic ptrdiff_t next_task;
    _Atomic int next_worker;
} Board;

/* A helper's word: a bit for each board that it is invited to, and whether it serves one or sleeps. */
enum { SERVING = 1u << 31, ASLEEP = 1u << 30, INVITATIONS = (1u << N_BOARDS) - 1 };

typedef struct {
    _Alignas(CACHE_LINE) Bell state;
    int cpu;
} Helper;

static Board boards[N_BOARDS];
static _Atomic unsigned boards_taken;
static Helper *_Atomic helpers[MOST_CPUS];
static _Atomic int n_helpers;
static _Atomic int64_t start_again; /* when: the system had no more threads for this process */
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static int64_t spin_ns;

static inline int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * (int64_t)1000000000 + time.tv_nsec;
}

static inline void pause_cpu(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

/* Waits, awake, until some of the bits of a word are set, or none where `none`; false if that takes too long. */
static bool spin_for(Bell *bell, unsigned bits, bool none) {
    int64_t end = 0;
    for (;;) {
        for (int i = 0; i < PAUSES; i++) {
            if (((atomic_load_explicit(&bell->word, memory_order_acquire) & bits) == 0) == none)
                return true;
            pause_cpu();
        }
        if (end == 0)
            end = now() + spin_ns;
        else if (now() > end)
            return false;
    }
}

/* --- Work ---------------------------------------------------------------------------------------------------------- */

static void take_tasks(Board *board, int worker) {
    Task run = board->run;
    void *job = board->job;
    ptrdiff_t n = board->n_tasks, chunk = board->chunk, task, end;
    while ((task = atomic_fetch_add_explicit(&board->next_task, chunk, memory_order_relaxed)) < n)
        for (end = chunk < n - task ? task + chunk : n; task < end; task++)
            run(job, task, worker);
}

static void visit(Board *board, int cpu) {
    unsigned guests = atomic_load_explicit(&board->guests.word, memory_order_relaxed);
    do {
        if (!(guests & BOARD_OPEN))
            return;
    } while (!atomic_compare_exchange_weak_explicit(
        &board->guests.word, &guests, guests + 1, memory_order_acquire, memory_order_relaxed));
    /* The invitation may have been to an earlier job: this one's caller perhaps wants nobody, or not from here. */
    if (has_cpu(&board->cpus, cpu)) {
        int worker = atomic_fetch_add_explicit(&board->next_worker, 1, memory_order_relaxed);
        if (worker < board->workers)
            take_tasks(board, worker);
    }
    guests = atomic_fetch_sub_explicit(&board->guests.word, 1, memory_order_acq_rel);
    if (guests == (CALLER_ASLEEP | 1))
        bell_ring(&board->guests);
}

static bool is_open(Board *board) {
    return atomic_load_explicit(&board->guests.word, memory_order_relaxed) & BOARD_OPEN;
}

/* Whether a helper is where it belongs. Its affinity may have been changed from outside. */
static bool at_its_place(const Helper *helper) {
    return !can_pin() || current_cpu() == helper->cpu || pin_to(helper->cpu);
}

static void *serve(void *argument) {
    Helper *self = argument;
    _Atomic unsigned *word = &self->state.word;
    unsigned served = 0; /* the board before, so that boards are served in turn */
    for (;;) {
        unsigned state = atomic_load_explicit(word, memory_order_acquire);
        unsigned invited = state & INVITATIONS;
        if (invited) {
            unsigned later = invited & ~((2u << served) - 1);
            served = __builtin_ctz(later ? later : invited);
            if (atomic_compare_exchange_strong(word, &state, (invited & ~(1u << served)) | SERVING)
                && is_open(&boards[served]) && at_its_place(self))
                visit(&boards[served], self->cpu);
            continue;
        }
        atomic_fetch_and(word, ~SERVING);
        if (spin_for(&self->state, INVITATIONS, false))
            continue;
        state = 0;
        if (atomic_compare_exchange_strong(word, &state, ASLEEP))
            while (atomic_load(word) == ASLEEP)
                bell_sleep(&self->state, ASLEEP);
    }
    return NULL;
}

/* --- Helpers ------------------------------------------------------------------------------------------------------- */

static Helper *start_helper(int cpu) {
    Helper *helper = NULL;
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    bool started = false;
    pthread_mutex_lock(&starting);
    helper = atomic_load(&helpers[cpu]);
    if (helper || posix_memalign((void **)&helper, CACHE_LINE, sizeof *helper) != 0)
        goto done;
    bell_init(&helper->state, 0);
    helper->cpu = cpu;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
#if defined(__GLIBC__)
    /* So that it begins there; elsewhere it goes there when it is first invited. */
    cpu_set_t only;
    CPU_ZERO(&only);
    if (can_pin() && cpu < CPU_SETSIZE) {
        CPU_SET(cpu, &only);
        pthread_attr_setaffinity_np(&attributes, sizeof only, &only);
    }
#endif
    /* Signals are for the threads of Python. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_create(&thread, &attributes, serve, helper) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (started) {
#if defined(__GLIBC__)
        pthread_setname_np(thread, "ndconv");
#endif
        atomic_store(&helpers[cpu], helper);
        atomic_fetch_add(&n_helpers, 1);
    }
    else {
        free(helper);
        helper = NULL;
        atomic_store(&start_again, now() + RETRY_NS);
    }
done:
    pthread_mutex_unlock(&starting);
    return helper;
}

/* Asks the helper of a CPU to a board; whether it will come. One that serves another is asked only if `busy`. */
static bool invite(int cpu, unsigned board, bool busy) {
    Helper *helper = atomic_load_explicit(&helpers[cpu], memory_order_acquire);
    if (!helper) {
        if (busy || atomic_load_explicit(&start_again, memory_order_relaxed) > now() || !(helper = start_helper(cpu)))
            return false;
    }
    else {
        unsigned state = atomic_load_explicit(&helper->state.word, memory_order_relaxed);
        bool is_busy = state & (SERVING | INVITATIONS);
        if (is_busy != busy || state & 1u << board)
            return false;
    }
    if (atomic_fetch_or(&helper->state.word, 1u << board) == ASLEEP)
        bell_ring(&helper->state);
    return true;
}

static void gather(Board *board, int cpu, int wanted) {
    int count;
    const int16_t *order = nearest_cpus(cpu, &count);
    for (int busy = 0; busy < 2; busy++)
        for (int i = 0; i < count && wanted > 0; i++)
            if (has_cpu(&board->cpus, order[i]))
                wanted -= invite(order[i], board - boards, busy);
}

/* --- Calls --------------------------------------------------------------------------------------------------------- */

static Board *take_board(void) {
    unsigned taken = atomic_load_explicit(&boards_taken, memory_order_relaxed);
    while (taken != INVITATIONS) {
        unsigned number = __builtin_ctz(~taken);
        if (atomic_compare_exchange_weak_explicit(
                &boards_taken, &taken, taken | 1u << number, memory_order_acquire, memory_order_relaxed))
            return &boards[number];
    }
    return NULL; /* so many calls at once need no helpers */
}

static void wait_for_guests(Board *board) {
    _Atomic unsigned *word = &board->guests.word;
    unsigned guests = atomic_fetch_and(word, ~BOARD_OPEN) & GUESTS;
    if (guests == 0 || spin_for(&board->guests, GUESTS, true))
        return;
    guests = atomic_fetch_or(word, CALLER_ASLEEP) | CALLER_ASLEEP;
    while (guests & GUESTS) {
        bell_sleep(&board->guests, guests);
        guests = atomic_load(word);
    }
    atomic_store(word, 0);
}

void crew_run(Task run, void *job, ptrdiff_t n_tasks, ptrdiff_t chunk, int workers) {
    ptrdiff_t n_chunks = n_tasks / chunk + (n_tasks % chunk != 0);
    Board *board = NULL;
    CpuSet cpus;
    if (n_chunks < workers)
        workers = (int)n_chunks;
    if (workers > 1) {
        int usable = usable_cpus(&cpus);
        if (usable < workers)
            workers = usable;
        board = workers > 1 ? take_board() : NULL;
    }
    if (!board) {
        for (ptrdiff_t task = 0; task < n_tasks; task++)
            run(job, task, 0);
        return;
    }
    board->run = run;
    board->job = job;
    board->n_tasks = n_tasks;
    board->chunk = chunk;
    board->workers = workers;
    board->cpus = cpus;
    atomic_store_explicit(&board->next_task, 0, memory_order_relaxed);
    atomic_store_explicit(&board->next_worker, 1, memory_order_relaxed);
    atomic_store_explicit(&board->guests.word, BOARD_OPEN, memory_order_release);
    gather(board, current_cpu(), workers - 1);
    take_tasks(board, 0);
    wait_for_guests(board);
    atomic_fetch_and_explicit(&boards_taken, ~(1u << (board - boards)), memory_order_release);
}

int crew_helpers(void) {
    return atomic_load(&n_helpers);
}

/* --- Forks --------------------------------------------------------------------------------------------------------- */

static void before_fork(void) {
    pthread_mutex_lock(&starting);
    cpus_before_fork();
}

static void after_fork_in_parent(void) {
    cpus_after_fork();
    pthread_mutex_unlock(&starting);
}

/* Of all threads the child has only the one that forked, which is in no call of ours. */
static void start_anew(void) {
    pthread_mutex_init(&starting, NULL);
    for (int cpu = 0; cpu < MOST_CPUS; cpu++)
        atomic_store(&helpers[cpu], NULL); /* their memory stays: nobody knows what they were doing */
    for (int number = 0; number < N_BOARDS; number++)
        bell_init(&boards[number].guests, 0);
    atomic_store(&boards_taken, 0);
    atomic_store(&n_helpers, 0);
}

static void after_fork_in_child(void) {
    cpus_after_fork();
    start_anew();
}

void crew_begin(int spin) {
    static bool begun;
    spin_ns = (int64_t)spin * 1000;
    if (begun)
        return; /* the package was imported again */
    begun = true;
    start_anew();
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}
