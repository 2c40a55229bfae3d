/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler.h - fires what is due: the clock that drives decide.h over the schedules of a state.
 *
 * One thread owns it: either ls_scheduler_run(), or whoever calls ls_scheduler_tick() with a clock of its own (the tests do). What it fires is started
 * by the hooks; how that ends is told by ls_scheduler_ended() from any thread. Several of them, in one process or on several machines, may
 * share a state: a nominal time is fired by one of them. */
#ifndef LS_SCHEDULE_SCHEDULER_H
#define LS_SCHEDULE_SCHEDULER_H

#include "schedule/decide.h"

/* The lock by whose name ls_state_at_work() tells whether anybody fires on a state. */
#define LS_SCHEDULER_LOCK "scheduler"

struct ls_scheduler;

enum ls_end_kind {
    LS_END_OK,
    LS_END_FAILED, /* tried again, as often as the schedule says */
    LS_END_FINAL,  /* failed, and another attempt would not help: a brake, wrong settings */
    LS_END_BUSY, /* the sync is at work already: skipped, or tried again, as the schedule's overlap says */
};
/* How an attempt ended. */
struct ls_schedule_end {
    char firing[37]; /* its id and attempt, as they were given to start() */
    int64_t attempt;
    enum ls_end_kind kind;
    int64_t run;      /* its number; 0: none */
    int64_t after_us; /* another attempt is not to come before so long; 0: as always */
    char reason[400]; /* "" when it is well */
};

/* What the daemon does for it. Called on the scheduler's thread, never inside a transaction of the state; they may call ls_scheduler_ended(). */
struct ls_schedule_hooks {
    void *ctx;
    /* Starts an attempt and returns soon; both structs are borrowed for the call. LS_OK: its end will be told. LS_BUSY: there is no room now; it is
     * asked again in a moment, and nothing is counted. LS_LOCKED is LS_END_BUSY, LS_USAGE and LS_CONFIG are LS_END_FINAL, every other code is LS_END_FAILED: then
     * nothing will be told. firing->late and ->nominal_us are for the receiver; ->attempt counts from 1. */
    enum ls_code (*start)(void *ctx, const struct ls_schedule *schedule,
                          const struct ls_firing *firing, struct ls_error *err);
    /* A firing was written: it began, ended, was skipped or missed. For whoever shows or counts them; may be NULL. */
    void (*changed)(void *ctx, const struct ls_schedule *schedule, const struct ls_firing *firing);
    /* Before each look of ls_scheduler_run(), so every few seconds at least: for what the daemon has to see to itself. May be NULL. */
    void (*looked)(void *ctx);
};

struct ls_scheduler_options {
    const char *state_url; /* NULL: the default */
    const char *project;   /* the configuration's real path; "" or NULL: only schedules of none */
    struct ls_schedule_hooks hooks; /* copied */
};
/* Opens nothing yet: a state that cannot be reached is tried again by ticks. */
LS_MUST_CHECK enum ls_code ls_scheduler_new(const struct ls_scheduler_options *options,
                                            struct ls_scheduler **ret, struct ls_error *err);
/* After its thread has ended. Writes the ends that were told and not written yet; what is still at work is found as lost by the next one. NULL is fine. */
void ls_scheduler_free(struct ls_scheduler *s);

/* Fires until ls_scheduler_stop(). Sleeps by the monotonic clock, a few seconds at most, and looks at the wall clock then: a clock that is set, by hand or after
 * a sleep of the machine, is noticed within that time. */
void ls_scheduler_run(struct ls_scheduler *s);
/* Any thread. wake: something was changed in the state (a schedule made, a firing asked for) and is to be seen now, not in a few seconds. */
void ls_scheduler_stop(struct ls_scheduler *s);
void ls_scheduler_wake(struct ls_scheduler *s);
/* Any thread, once for each attempt that start() took on. */
void ls_scheduler_ended(struct ls_scheduler *s, const struct ls_schedule_end *end);

/* One look at everything: now_us is the wall clock, monotonic_us the other one. *ret_wake_us: by the wall clock, when there is something to do next. An error
 * means that the state could not be read or written; what was told is kept, and the next tick goes on. */
LS_MUST_CHECK enum ls_code ls_scheduler_tick(struct ls_scheduler *s, int64_t now_us,
                                             int64_t monotonic_us, int64_t *ret_wake_us,
                                             struct ls_error *err);

/* Since the start. Any thread. */
struct ls_scheduler_figures {
    uint64_t fired, succeeded, failed, skipped, missed, lost; /* nominal times; failed: for good */
    uint64_t running;
    int64_t lag_us;       /* how late the last one was started that was on time */
    int64_t last_good_us; /* wall clock of the last tick that reached the state; 0: none yet */
};
void ls_scheduler_figures(struct ls_scheduler *s, struct ls_scheduler_figures *ret);
/* Whether its state can be reached; why is for people, "" when it can. Any thread. */
bool ls_scheduler_healthy(struct ls_scheduler *s, char why[200]);

#endif
