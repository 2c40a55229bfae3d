/* SPDX-License-Identifier: Apache-2.0 */
/* thread.h - a thread that is joined, and the flag by which runs are cancelled. */
#ifndef LS_BASE_THREAD_H
#define LS_BASE_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct ls_thread {
    pthread_t id;
    bool running;
};
typedef void ls_thread_fn(void *arg);

/* Starts fn(arg) with signals blocked (the main thread takes them), except those that a
 * thread brings on itself, such as SIGSEGV. */
LS_MUST_CHECK enum ls_code ls_thread_start(struct ls_thread *t, ls_thread_fn *fn, void *arg,
                                           struct ls_error *err);
/* Waits for its end. Fine on one that was never started (zeroed). */
void ls_thread_join(struct ls_thread *t);

/* Waits until `changed` is signalled or the monotonic clock (ls_clock_monotonic_us()) stands at until_us; `lock` is held
 * before and after. false when the time is over. Like every wait it may also return early: look at what is waited for. */
bool ls_cond_wait(pthread_cond_t *changed, pthread_mutex_t *lock, int64_t until_us);

/* Set from any thread or a signal handler (`cancel->wanted = true`); looked at between batches. */
struct ls_cancel {
    atomic_bool wanted;
};
bool ls_cancel_wanted(const struct ls_cancel *cancel); /* NULL: never */

#endif
