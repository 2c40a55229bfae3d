/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler_priv.h - what scheduler.c (the thread, its mailbox, the order of a tick) and turn.c (what a tick does) share. */
#ifndef LS_SCHEDULE_SCHEDULER_PRIV_H
#define LS_SCHEDULE_SCHEDULER_PRIV_H

#include <pthread.h>

#include "schedule/scheduler.h"

struct told; /* an end in the mailbox */

struct ls_scheduler {
    char *state_url, *project;
    struct ls_schedule_hooks hooks;
    char node[37];
    char lock_name[60];

    /* the thread's own */
    struct ls_state *state;       /* NULL: not open */
    struct ls_state_lock *alive;  /* of this node: others see by it that it lives */
    struct ls_state_lock *served; /* LS_SCHEDULER_LOCK; NULL where another node has it */
    struct ls_schedule_end *mine; /* attempts that run here: firing and attempt */
    size_t mine_count, mine_room;
    int64_t wall_us, monotonic_us; /* of the last tick; 0: there was none */
    bool recheck;                  /* the clock went back, or this is new: times may come again */
    int64_t sweep_us, prune_us;    /* by the monotonic clock, when these are next */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct told *first, **end;
    bool woken, stop;
    struct ls_scheduler_figures figures;
    char trouble[200];
};

/* A figure more, under the lock. */
void ls_scheduler_count(struct ls_scheduler *s, uint64_t *figure, uint64_t more);
/* A firing was written: figures, log, hook. */
void ls_scheduler_note(struct ls_scheduler *s, const struct ls_schedule *schedule,
                       const struct ls_firing *f);

/* What a tick does, each over the open state. */
LS_MUST_CHECK enum ls_code ls_turn_end(struct ls_scheduler *s, const struct ls_schedule_end *end,
                                       int64_t now_us, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_turn_sweep(struct ls_scheduler *s, int64_t now_us,
                                         struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_turn_rewind(struct ls_scheduler *s, int64_t now_us,
                                          struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_turn_due(struct ls_scheduler *s, int64_t now_us, bool *ret_more,
                                       struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_turn_waiting(struct ls_scheduler *s, int64_t now_us,
                                           int64_t *ret_again_us, struct ls_error *err);

/* Attempts that run here. */
LS_MUST_CHECK enum ls_code ls_mine_add(struct ls_scheduler *s, const struct ls_firing *f,
                                       struct ls_error *err);
void ls_mine_remove(struct ls_scheduler *s, const char *firing, int64_t attempt);
bool ls_mine_has(const struct ls_scheduler *s, const char *firing, int64_t attempt);

#endif
