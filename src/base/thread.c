/* SPDX-License-Identifier: Apache-2.0 */
/* thread.c - a thread that is joined, and the flag by which runs are cancelled.
 *
 * Threads start with signals blocked, so that SIGINT and SIGTERM are always taken by
 * the main thread and no system call of a reader or writer is interrupted. Signals
 * that a thread causes by its own fault stay open: blocked, they would end the process
 * without the report of whoever installed a handler.
 *
 * There is no detach and no kill: a thread ends by returning, and looks at its flag
 * often enough. */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct start {
    ls_thread_fn *fn;
    void *arg;
};

static void *run(void *arg)
{
    struct start start = *(struct start *)arg;

    free(arg);
    start.fn(start.arg);
    return NULL;
}

static void signals_to_block(sigset_t *set)
{
    static const int own_faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};

    sigfillset(set);
    for (size_t i = 0; i < sizeof(own_faults) / sizeof(own_faults[0]); i++)
        sigdelset(set, own_faults[i]);
}

/* A new thread inherits the mask of the one that makes it: block, make, put back. */
static int create_blocked(pthread_t *id, struct start *start)
{
    sigset_t block, before;
    int errnum;

    signals_to_block(&block);
    errnum = pthread_sigmask(SIG_SETMASK, &block, &before);
    if (errnum)
        return errnum;
    errnum = pthread_create(id, NULL, run, start);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return errnum;
}

enum ls_code ls_thread_start(struct ls_thread *t, ls_thread_fn *fn, void *arg, struct ls_error *err)
{
    struct start *start = malloc(sizeof(*start));
    int errnum;

    t->running = false;
    if (!start)
        return ls_error_nomem(err);
    *start = (struct start){.fn = fn, .arg = arg};
    errnum = create_blocked(&t->id, start);
    if (errnum) {
        free(start);
        return ls_error_errno(err, errnum, "cannot start a thread");
    }
    t->running = true;
    return LS_OK;
}

void ls_thread_join(struct ls_thread *t)
{
    if (!t->running)
        return;
    (void)pthread_join(t->id, NULL);
    t->running = false;
}

/* By the monotonic clock, so that setting the time of day neither ends a wait nor prolongs it. */
bool ls_cond_wait(pthread_cond_t *changed, pthread_mutex_t *lock, int64_t until_us)
{
    const struct timespec until = {.tv_sec = until_us / 1000000,
                                   .tv_nsec = until_us % 1000000 * 1000};

    return pthread_cond_clockwait(changed, lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT;
}

bool ls_cancel_wanted(const struct ls_cancel *cancel)
{
    return cancel && atomic_load_explicit(&cancel->wanted, memory_order_relaxed);
}
