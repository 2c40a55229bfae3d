/* SPDX-License-Identifier: Apache-2.0 */
/* decide.h - what is to be done about a schedule now: fire, skip, wait, and which times were missed. Pure; any thread.
 *
 * Everything goes by nominal times, the times that the expression names, counted on from the last one that was dealt with. The clock only
 * says how far: so a clock that is set forward finds times that passed and treats them as the schedule's catch-up says, and one that is
 * set back finds nothing. */
#ifndef LS_SCHEDULE_DECIDE_H
#define LS_SCHEDULE_DECIDE_H

#include "schedule/cron.h"
#include "schedule/hours.h"
#include "state/schedules.h"

#define LS_LATE_US \
    (INT64_C(60) * 1000000) /* fired so much after it was due it still counts as on time */
#define LS_CATCH_UP_DEFAULT_S INT64_C(86400) /* window of catch-up `all` */
#define LS_SPAN_COUNT_MAX 100000             /* more times than these are not counted */

/* A schedule's times, made ready. */
struct ls_timetable {
    struct ls_cron cron;
    struct ls_zone *zone;
    struct ls_hours hours;
    int64_t jitter_us; /* by how much this one is later than its nominal times */
};
/* Reads expression, zone and hours, and checks that they have a time in common. LS_CONFIG. Close it also after an error. */
LS_MUST_CHECK enum ls_code ls_timetable_open(const struct ls_schedule *s, struct ls_timetable *ret,
                                             struct ls_error *err);
void ls_timetable_close(struct ls_timetable *t);
/* The first nominal time after that moment (LS_CRON_NEVER), the last one at or before it (-LS_CRON_NEVER); inside of the hours. */
int64_t ls_timetable_next(const struct ls_timetable *t, int64_t after_us);
int64_t ls_timetable_last(const struct ls_timetable *t, int64_t at_us);

/* Everything else about a schedule that can be wrong: LS_CONFIG or LS_USAGE. */
LS_MUST_CHECK enum ls_code ls_schedule_check(const struct ls_schedule *s, struct ls_error *err);
/* Sets the times of a new or changed schedule: nothing before now counts. LS_CONFIG as above. */
LS_MUST_CHECK enum ls_code ls_schedule_begin(struct ls_schedule *s, int64_t now_us,
                                             struct ls_error *err);

/* Nominal times that were not fired. */
struct ls_span {
    int64_t first_us, last_us, count; /* count 0: none */
};

enum ls_turn {
    LS_TURN_WAIT,  /* nothing to fire */
    LS_TURN_FIRE,  /* nominal_us, now */
    LS_TURN_QUEUE, /* it waits for the end of the one before */
    LS_TURN_SKIP,  /* it is due and is not fired; why says for what reason */
};
struct ls_decision {
    enum ls_turn turn;
    int64_t nominal_us;
    bool late;      /* caught up */
    bool supersede; /* one that waits for its next attempt is given up for this one */
    char why[120];
    struct ls_span missed;            /* inside of the hours */
    struct ls_span outside;           /* of the hours */
    int64_t last_us, next_us, due_us; /* of the schedule, from here on */
};
/* open: its firings that wait or run. For one that is paused there is nothing to decide. */
void ls_decide(const struct ls_timetable *t, const struct ls_schedule *s,
               const struct ls_firing *open, size_t open_count, int64_t now_us,
               struct ls_decision *ret);
/* A paused one goes on: what passed meanwhile is in *ret_passed, and ret has its new times. */
void ls_decide_resume(const struct ls_timetable *t, const struct ls_schedule *s, int64_t now_us,
                      struct ls_span *ret_passed, struct ls_decision *ret);
/* The clock was set back: the times after now come again, as far as they were not fired. false: nothing is to be done. */
bool ls_decide_rewind(const struct ls_timetable *t, const struct ls_schedule *s, int64_t now_us,
                      struct ls_decision *ret);

/* How long after the failure of the n-th attempt (from 1 on) the next one comes: e^(2.5 n) seconds, at most a day. */
int64_t ls_retry_after_us(int64_t failures);

#endif
