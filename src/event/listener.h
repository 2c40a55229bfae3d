/* SPDX-License-Identifier: Apache-2.0 */
/* listener.h - the thread that hears, on PostgreSQL, what other processes have committed to the queue. */
#ifndef LS_EVENT_LISTENER_H
#define LS_EVENT_LISTENER_H

#include "state/queue.h"

struct ls_listener;
struct ls_listener_options {
    /* A commit of the handle with this ls_state_writer(). Called on the listener's thread, as the next. */
    void (*heard)(void *ctx, int writer);
    /* It hears from now on (what was committed before has to be looked for), or no longer: it tries to hear again by itself. */
    void (*hears)(void *ctx, bool whether);
    void *ctx;
};

/* Starts the thread; *ret NULL where nothing can be heard (a state on SQLite). Free with ls_listener_close(). */
LS_MUST_CHECK enum ls_code ls_listener_open(const char *state_url,
                                            const struct ls_listener_options *options,
                                            struct ls_listener **ret, struct ls_error *err);
/* Ends the thread. NULL is fine. */
void ls_listener_close(struct ls_listener *listener);

#endif
