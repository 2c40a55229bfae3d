/* SPDX-License-Identifier: Apache-2.0 */
/* turn.c - what one tick of the scheduler does: fires, begins, ends, and cleans up after others.
 *
 * Each step is a transaction of the state, and none holds one while an action is started. The order is what makes a kill harmless:
 *
 *   a process dies                            what is found
 *   before the step of a schedule commits     nothing was fired; the time is still due
 *   between that and the start of the action  a firing that runs on a dead node: a failed attempt, tried again as often as the schedule says
 *   while the action runs                     the same; a sync's second run meets the first one's work done, or its lock
 *   before its end is written                 the same
 *
 * So an attempt is begun at most once, a firing at least once unless the schedule has no retries, and whatever was lost is seen.
 *
 * A schedule that cannot be read any more (its zone is gone from this machine) is looked at again in a minute, with a line in the log; it
 * holds up no other. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "schedule/scheduler_priv.h"
#include "schedule/sealed.h"

#define S_US INT64_C(1000000)
#define BATCH 100             /* schedules that are read at once */
#define BUSY_US (10 * S_US)   /* when one that found its sync at work tries again */
#define NO_ROOM_US (2 * S_US) /* when one for which there was no worker does */
#define UNREADABLE_US (60 * S_US)
#define AHEAD_US \
    (INT64_C(25) * 3600 * S_US) /* no attempt is put off so long: the clock went back */
#define DEAD "its process ended before it did"

/* ---- an attempt begins ---- */

static bool is_final(enum ls_code code)
{
    return code == LS_USAGE || code == LS_CONFIG;
}

/* Tells the hook. One that could not start has its end in the mailbox like all others: to look at its schedule from here could go round and round. */
static enum ls_code start(struct ls_scheduler *s, const struct ls_schedule *schedule,
                          const struct ls_firing *f, struct ls_error *err)
{
    struct ls_schedule_end end = {.attempt = f->attempt};
    struct ls_schedule open = *schedule;
    struct ls_error why = {0};
    struct ls_arena mem;
    enum ls_code rc = ls_mine_add(s, f, err);

    if (rc != LS_OK)
        return rc;
    ls_scheduler_note(s, schedule, f);
    ls_arena_init(&mem, 0);
    rc = ls_schedule_unseal(s->state, &open, &mem, &why);
    if (rc == LS_OK)
        rc = s->hooks.start(s->hooks.ctx, &open, f, &why);
    ls_arena_done(&mem);
    if (rc == LS_OK)
        return LS_OK;
    memcpy(end.firing, f->id, sizeof end.firing);
    end.kind = rc == LS_LOCKED || rc == LS_BUSY ? LS_END_BUSY
               : is_final(rc)                   ? LS_END_FINAL
                                                : LS_END_FAILED;
    end.after_us = rc == LS_BUSY ? NO_ROOM_US : 0;
    snprintf(end.reason, sizeof end.reason, "%.399s", why.text);
    ls_scheduler_ended(s, &end);
    return LS_OK;
}

/* ---- an attempt ends ---- */

/* What becomes of a firing whose attempt ended so. */
static void judge(const struct ls_schedule *schedule, const struct ls_schedule_end *end,
                  int64_t now_us, struct ls_firing *f)
{
    const bool no_room = end->kind == LS_END_BUSY && end->after_us > 0;
    int64_t after_us = end->after_us;

    f->ended_us = now_us;
    f->again_us = 0;
    f->run = end->run;
    f->reason = end->reason;
    switch (end->kind) {
    case LS_END_OK:
        f->state = LS_FIRING_SUCCEEDED;
        return;
    case LS_END_FINAL:
        f->failures++;
        f->state = LS_FIRING_FAILED;
        return;
    case LS_END_BUSY:
        if (!no_room && schedule->overlap == LS_OVERLAP_SKIP && f->kind == LS_FIRING_DUE &&
            !f->late) {
            f->state = LS_FIRING_SKIPPED;
            return;
        }
        after_us = no_room ? after_us : BUSY_US;
        break;
    case LS_END_FAILED:
        f->failures++;
        if (f->failures > schedule->retries) {
            f->state = LS_FIRING_FAILED;
            return;
        }
        if (after_us < ls_retry_after_us(f->failures))
            after_us = ls_retry_after_us(f->failures);
        break;
    }
    f->state = LS_FIRING_WAITING;
    f->again_us = now_us + after_us;
    f->ended_us = 0;
}

/* Looks at one schedule now, whatever its due time says. */
static enum ls_code consider(struct ls_scheduler *s, const struct ls_schedule *schedule,
                             int64_t now_us, struct ls_error *err);

/* The schedule and the firing; *ret_found false when one of them is gone. */
static enum ls_code find_both(struct ls_scheduler *s, const char *firing, struct ls_arena *mem,
                              struct ls_schedule *schedule, struct ls_firing *f, bool *ret_found,
                              struct ls_error *err)
{
    enum ls_code rc = ls_state_firing_find(s->state, firing, mem, f, err);

    if (rc == LS_OK)
        rc = ls_state_schedule_find(s->state, f->schedule, mem, schedule, err);
    *ret_found = rc == LS_OK;
    return rc == LS_NOT_FOUND ? LS_OK : rc;
}

enum ls_code ls_turn_end(struct ls_scheduler *s, const struct ls_schedule_end *end, int64_t now_us,
                         struct ls_error *err)
{
    struct ls_schedule schedule;
    struct ls_firing f;
    struct ls_arena mem;
    bool found = false, done = false;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = find_both(s, end->firing, &mem, &schedule, &f, &found, err);
    if (rc == LS_OK && found && f.state == LS_FIRING_RUNNING && f.attempt == end->attempt) {
        f.node = s->node;
        judge(&schedule, end, now_us, &f);
        rc = ls_state_firing_end(s->state, &f, &done, err);
    }
    if (rc == LS_OK)
        ls_mine_remove(s, end->firing, end->attempt);
    if (rc == LS_OK && done) {
        ls_scheduler_note(s, &schedule, &f);
        if (!schedule.paused) /* a time may have waited for this */
            rc = consider(s, &schedule, now_us, err);
    }
    ls_arena_done(&mem);
    return rc;
}

/* ---- firings without a process ---- */

/* One that says it runs, and does not. begun: somebody began it and died; else it never was. */
static enum ls_code give_back(struct ls_scheduler *s, struct ls_firing *f, bool begun,
                              int64_t now_us, struct ls_arena *mem, struct ls_error *err)
{
    struct ls_schedule schedule;
    bool done = false;
    enum ls_code rc = ls_state_schedule_find(s->state, f->schedule, mem, &schedule, err);

    if (rc != LS_OK)
        return rc == LS_NOT_FOUND ? LS_OK : rc;
    f->failures += begun;
    f->state = begun && f->failures > schedule.retries ? LS_FIRING_LOST : LS_FIRING_WAITING;
    f->again_us = f->state == LS_FIRING_WAITING ? now_us : 0;
    f->ended_us = f->state == LS_FIRING_WAITING ? 0 : now_us;
    f->reason = begun ? DEAD : "";
    rc = ls_state_firing_end(s->state, f, &done, err);
    if (rc == LS_OK && done)
        ls_scheduler_note(s, &schedule, f);
    return rc;
}

static bool lives(struct ls_scheduler *s, const char *node)
{
    char name[60];

    snprintf(name, sizeof name, "scheduler %.40s", node);
    return ls_state_at_work(s->state, name);
}

enum ls_code ls_turn_sweep(struct ls_scheduler *s, int64_t now_us, struct ls_error *err)
{
    struct ls_firing *open = NULL;
    const char *alive = s->node, *dead = "";
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_state_firings_open(s->state, NULL, &mem, &count, &open, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        const bool own = strcmp(open[i].node, s->node) == 0;

        if (open[i].state != LS_FIRING_RUNNING ||
            (own && ls_mine_has(s, open[i].id, open[i].attempt)))
            continue;
        if (!own && strcmp(open[i].node, dead) != 0) {
            if (strcmp(open[i].node, alive) == 0 || lives(s, open[i].node)) {
                alive = open[i].node;
                continue;
            }
            dead = open[i].node;
        }
        rc = give_back(s, &open[i], !own, now_us, &mem, err);
    }
    ls_arena_done(&mem);
    return rc;
}

/* ---- the clock went back ---- */

static enum ls_code rewind_one(struct ls_scheduler *s, const struct ls_schedule *schedule,
                               int64_t now_us, struct ls_error *err)
{
    struct ls_timetable t;
    struct ls_decision d;
    struct ls_error unreadable;
    bool done = false;
    enum ls_code rc = LS_OK;

    if (ls_timetable_open(schedule, &t, &unreadable) == LS_OK &&
        ls_decide_rewind(&t, schedule, now_us, &d)) {
        const struct ls_schedule_step step = {schedule->id, schedule->version, false, d.last_us,
                                              d.next_us,    d.due_us,          0,     NULL};

        rc = ls_state_schedule_step(s->state, &step, &done, err);
    }
    ls_timetable_close(&t);
    return rc;
}

/* Where several nodes share the state, their clocks may differ: the server's is asked too, and the later one counts. */
enum ls_code ls_turn_rewind(struct ls_scheduler *s, int64_t now_us, struct ls_error *err)
{
    struct ls_schedule *list = NULL;
    struct ls_arena mem;
    size_t count = 0;
    int64_t shared_us = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_state_clock(s->state, &shared_us, err);
    if (shared_us > now_us)
        now_us = shared_us;
    if (rc == LS_OK)
        rc = ls_state_schedules(s->state, &mem, &count, &list, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        if (!list[i].paused && (!*list[i].project || strcmp(list[i].project, s->project) == 0))
            rc = rewind_one(s, &list[i], now_us, err);
    ls_arena_done(&mem);
    return rc;
}

/* ---- what is due ---- */

static struct ls_firing passed(const struct ls_schedule *schedule, const struct ls_span *span,
                               enum ls_firing_state state, const char *reason, int64_t now_us)
{
    return (struct ls_firing){.schedule = schedule->id,
                              .kind = LS_FIRING_PASSED,
                              .state = state,
                              .nominal_us = span->first_us,
                              .until_us = span->last_us,
                              .times = span->count,
                              .made_us = now_us,
                              .ended_us = now_us,
                              .reason = reason};
}

static struct ls_firing turned(struct ls_scheduler *s, const struct ls_schedule *schedule,
                               const struct ls_decision *d, int64_t now_us)
{
    static const enum ls_firing_state states[] = {[LS_TURN_WAIT] = LS_FIRING_WAITING,
                                                  [LS_TURN_FIRE] = LS_FIRING_RUNNING,
                                                  [LS_TURN_QUEUE] = LS_FIRING_WAITING,
                                                  [LS_TURN_SKIP] = LS_FIRING_SKIPPED};
    const bool fire = d->turn == LS_TURN_FIRE;

    return (struct ls_firing){
        .schedule = schedule->id,
        .kind = LS_FIRING_DUE,
        .state = states[d->turn],
        .nominal_us = d->nominal_us,
        .late = d->late,
        .made_us = now_us,
        .attempt = fire,
        .started_us = fire ? now_us : 0,
        .ended_us = d->turn == LS_TURN_SKIP ? now_us : 0,
        .again_us = d->turn == LS_TURN_QUEUE ? now_us : 0,
        .node = fire ? s->node : "",
        .reason = d->turn == LS_TURN_QUEUE ? "the one before is still at work" : d->why,
    };
}

/* The rows of a decision, without those that the history has: times that come again after the clock went back. */
static enum ls_code rows_of(struct ls_scheduler *s, const struct ls_schedule *schedule,
                            const struct ls_decision *d, int64_t now_us, struct ls_firing rows[3],
                            size_t *ret_count, struct ls_error *err)
{
    bool known = false;
    size_t count = 0;
    enum ls_code rc = LS_OK;

    if (d->missed.count)
        rows[count++] = passed(schedule, &d->missed, LS_FIRING_MISSED,
                               "nobody was there to fire it: no daemon ran, or the clock was set "
                               "forward",
                               now_us);
    if (d->outside.count)
        rows[count++] =
            passed(schedule, &d->outside, LS_FIRING_SKIPPED, "outside of the hours", now_us);
    for (size_t i = 0; i < count && rc == LS_OK;) {
        rc = ls_state_firing_known(s->state, &rows[i], &known, err);
        if (known)
            rows[i] = rows[--count];
        else
            i++;
    }
    if (rc == LS_OK && d->turn != LS_TURN_WAIT) {
        rows[count] = turned(s, schedule, d, now_us);
        rc = ls_state_firing_known(s->state, &rows[count], &known, err);
        count += !known;
    }
    *ret_count = count;
    return rc;
}

/* Those that wait for their next attempt make way for a new one. */
static enum ls_code give_up_waiting(struct ls_scheduler *s, const struct ls_schedule *schedule,
                                    struct ls_firing *open, size_t count, const char *why,
                                    int64_t now_us, struct ls_error *err)
{
    enum ls_code rc = LS_OK;
    char reason[600];

    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        struct ls_firing *f = &open[i];
        bool done = false;

        if (f->state != LS_FIRING_WAITING || (f->failures == 0 && f->kind != LS_FIRING_DUE))
            continue;
        snprintf(reason, sizeof reason, "%.450s%s%s", f->reason, *f->reason ? "; " : "", why);
        f->reason = reason;
        f->state = f->failures ? LS_FIRING_FAILED : LS_FIRING_SKIPPED;
        f->ended_us = now_us;
        f->again_us = 0;
        rc = ls_state_firing_give_up(s->state, f, &done, err);
        if (rc == LS_OK && done)
            ls_scheduler_note(s, schedule, f);
    }
    return rc;
}

static bool is_move(const struct ls_schedule *schedule, const struct ls_decision *d)
{
    return d->last_us != schedule->last_us || d->next_us != schedule->next_us ||
           d->due_us != schedule->due_us;
}

static void note_lag(struct ls_scheduler *s, const struct ls_schedule *schedule,
                     const struct ls_firing *f, int64_t now_us)
{
    if (f->late)
        return;
    pthread_mutex_lock(&s->lock);
    s->figures.lag_us = now_us - schedule->due_us;
    pthread_mutex_unlock(&s->lock);
}

/* Carries a decision out. */
static enum ls_code carry_out(struct ls_scheduler *s, const struct ls_schedule *schedule,
                              const struct ls_decision *d, int64_t now_us, struct ls_error *err)
{
    struct ls_firing rows[3];
    struct ls_schedule_step step = {schedule->id, schedule->version, false, d->last_us,
                                    d->next_us,   d->due_us,         0,     rows};
    bool done = false;
    enum ls_code rc = rows_of(s, schedule, d, now_us, rows, &step.firing_count, err);

    if (rc == LS_OK && (step.firing_count || is_move(schedule, d)))
        rc = ls_state_schedule_step(s->state, &step, &done, err);
    for (size_t i = 0; i < step.firing_count && rc == LS_OK && done; i++)
        if (rows[i].state == LS_FIRING_RUNNING) {
            note_lag(s, schedule, &rows[i], now_us);
            rc = start(s, schedule, &rows[i], err);
        } else
            ls_scheduler_note(s, schedule, &rows[i]);
    return rc;
}

/* It is moved on to be looked at again, and nothing else. */
static enum ls_code put_off(struct ls_scheduler *s, const struct ls_schedule *schedule,
                            const struct ls_error *why, int64_t now_us, struct ls_error *err)
{
    const struct ls_schedule_step step = {.id = schedule->id,
                                          .version = schedule->version,
                                          .last_us = schedule->last_us,
                                          .next_us = schedule->next_us,
                                          .due_us = now_us + UNREADABLE_US};
    bool done = false;

    ls_log(LS_LOG_ERROR, "schedule %s cannot be fired: %s", schedule->id, why->text);
    return ls_state_schedule_step(s->state, &step, &done, err);
}

static enum ls_code consider(struct ls_scheduler *s, const struct ls_schedule *schedule,
                             int64_t now_us, struct ls_error *err)
{
    struct ls_firing *open = NULL;
    struct ls_timetable t;
    struct ls_decision d;
    struct ls_error why;
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc = ls_timetable_open(schedule, &t, &why);

    ls_arena_init(&mem, 0);
    if (rc == LS_CONFIG) {
        rc = put_off(s, schedule, &why, now_us, err);
        goto done;
    }
    if (rc != LS_OK) {
        *err = why;
        goto done;
    }
    rc = ls_state_firings_open(s->state, schedule->id, &mem, &count, &open, err);
    if (rc != LS_OK)
        goto done;
    ls_decide(&t, schedule, open, count, now_us, &d);
    if (d.supersede)
        rc =
            give_up_waiting(s, schedule, open, count, "given up: the next one is due", now_us, err);
    if (rc == LS_OK)
        rc = carry_out(s, schedule, &d, now_us, err);
done:
    ls_timetable_close(&t);
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_turn_due(struct ls_scheduler *s, int64_t now_us, bool *ret_more,
                         struct ls_error *err)
{
    struct ls_schedule *due = NULL;
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_state_schedules_due(s->state, s->project, now_us, BATCH, &mem, &count, &due, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = consider(s, &due[i], now_us, err);
    *ret_more = count > 0;
    ls_arena_done(&mem);
    return rc;
}

/* ---- what waits ---- */

/* One of a schedule at a time, but for calls that may overlap. */
static bool is_blocked(const struct ls_schedule *schedule, const struct ls_firing *open,
                       size_t count)
{
    for (size_t i = 0; i < count && schedule->overlap != LS_OVERLAP_ALLOW; i++)
        if (open[i].state == LS_FIRING_RUNNING && strcmp(open[i].schedule, schedule->id) == 0)
            return true;
    return false;
}

static enum ls_code begin_waiting(struct ls_scheduler *s, const struct ls_schedule *schedule,
                                  struct ls_firing *f, int64_t now_us, struct ls_error *err)
{
    bool done = false;
    enum ls_code rc;

    if (schedule->paused && f->kind == LS_FIRING_DUE)
        return give_up_waiting(s, schedule, f, 1, "given up: the schedule was paused", now_us, err);
    rc = ls_state_firing_begin(s->state, s->node, now_us, f, &done, err);
    return rc == LS_OK && done ? start(s, schedule, f, err) : rc;
}

enum ls_code ls_turn_waiting(struct ls_scheduler *s, int64_t now_us, int64_t *ret_again_us,
                             struct ls_error *err)
{
    struct ls_firing *open = NULL;
    struct ls_schedule schedule;
    struct ls_arena mem;
    size_t count = 0;
    int64_t again_us = INT64_MAX;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_state_firings_open(s->state, NULL, &mem, &count, &open, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        if (open[i].state != LS_FIRING_WAITING)
            continue;
        rc = ls_state_schedule_find(s->state, open[i].schedule, &mem, &schedule, err);
        if (rc == LS_NOT_FOUND ||
            (rc == LS_OK && *schedule.project && strcmp(schedule.project, s->project) != 0)) {
            rc = LS_OK;
            continue;
        }
        if (rc != LS_OK || is_blocked(&schedule, open, count))
            continue; /* the end of what runs wakes us */
        if (open[i].again_us > now_us && open[i].again_us - now_us < AHEAD_US)
            again_us = open[i].again_us < again_us ? open[i].again_us : again_us;
        else
            rc = begin_waiting(s, &schedule, &open[i], now_us, err);
    }
    *ret_again_us = again_us;
    ls_arena_done(&mem);
    return rc;
}
