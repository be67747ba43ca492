/* A word in memory that a thread can sleep on until another rings. Nobody rings for a word that nobody sleeps on. */
#ifndef NDCONV_BELL_H
#define NDCONV_BELL_H

#include <limits.h>
#include <stdatomic.h>

#if defined(__linux__)

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
    _Atomic unsigned word;
} Bell;

static inline void bell_init(Bell *bell, unsigned value) {
    atomic_init(&bell->word, value);
}

/* Sleeps if the word has this value, until somebody rings; now and then for no reason. */
static inline void bell_sleep(Bell *bell, unsigned value) {
    syscall(SYS_futex, &bell->word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

/* Wakes who sleeps, after the word was changed. */
static inline void bell_ring(Bell *bell) {
    syscall(SYS_futex, &bell->word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

#else

#include <pthread.h>

typedef struct {
    _Atomic unsigned word;
    pthread_mutex_t lock;
    pthread_cond_t rung;
} Bell;

static inline void bell_init(Bell *bell, unsigned value) {
    atomic_init(&bell->word, value);
    pthread_mutex_init(&bell->lock, NULL);
    pthread_cond_init(&bell->rung, NULL);
}

static inline void bell_sleep(Bell *bell, unsigned value) {
    pthread_mutex_lock(&bell->lock);
    if (atomic_load(&bell->word) == value)
        pthread_cond_wait(&bell->rung, &bell->lock);
    pthread_mutex_unlock(&bell->lock);
}

static inline void bell_ring(Bell *bell) {
    pthread_mutex_lock(&bell->lock);
    pthread_mutex_unlock(&bell->lock);
    pthread_cond_broadcast(&bell->rung);
}

#endif
#endif
