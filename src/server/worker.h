/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - a few threads, each with a handle of the library of its own, for what may take long.
 *
 * The queue has a maximum: work that would have to wait too long is refused at once, by whoever gives it, and not forgotten in a line. */
#ifndef LS_SERVER_WORKER_H
#define LS_SERVER_WORKER_H

#include "api/api.h"

/* What handles are made of: the configuration as it is now, and where the state is. Any thread. */
struct ls_setup;
/* Takes over config, which may be NULL. NULL: out of memory. */
struct ls_setup *ls_setup_new(struct ls_config *config, const char *state_url);
void ls_setup_free(struct ls_setup *setup);
/* A new configuration, taken over: workers that are at work go on with the old one, their next work has this one. */
void ls_setup_change(struct ls_setup *setup, struct ls_config *config);
/* The configuration as it is now, held for the caller: ls_config_free(). NULL: there is none. */
struct ls_config *ls_setup_config(struct ls_setup *setup);
/* Where the state is, as the handles are told; NULL: the default. Borrowed from the setup. */
const char *ls_setup_state(const struct ls_setup *setup);

/* To be embedded in what belongs to it. */
struct ls_work {
    /* Does it, on a worker's thread, and may free it. ls NULL: it cannot be done, and err says why (no memory, the end of the workers); what waits for it
     * has to be told all the same. */
    void (*run)(struct ls_work *work, struct lockstep *ls, const struct ls_error *err);
    /* How far its call of the library is; on the same thread. NULL: nobody wants to know. Who wants it stays until run() is back. */
    void (*progress)(struct ls_work *work, const char *phase, uint64_t done, uint64_t total);
    /* Its log lines, likewise; they go to the log in any case. NULL: nobody else wants them. */
    void (*log)(struct ls_work *work, int level, const char *line);
    struct ls_work *next; /* the workers' */
};

struct ls_workers;
/* name: of the threads, at most 15 bytes. most: how many works may wait. */
LS_MUST_CHECK enum ls_code ls_workers_open(const char *name, size_t threads, size_t most,
                                           struct ls_setup *setup, struct ls_workers **ret,
                                           struct ls_error *err);
/* Hands in work; false when too much is waiting, or the workers are about to end. Any thread. */
LS_MUST_CHECK bool ls_workers_give(struct ls_workers *all, struct ls_work *work);
/* No more work is taken, and what waits is run with ls NULL; what runs goes on. */
void ls_workers_stop(struct ls_workers *all);
/* Stops, waits for what runs, and frees. NULL is fine. */
void ls_workers_close(struct ls_workers *all);

struct ls_workers_figures {
    uint64_t threads, waiting, running;
    uint64_t done, refused; /* since the start */
};
/* How they are doing. Any thread. */
void ls_workers_figures(struct ls_workers *all, struct ls_workers_figures *ret);

#endif
