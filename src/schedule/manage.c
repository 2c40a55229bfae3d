/* SPDX-License-Identifier: Apache-2.0 */
/* manage.c - making, changing and pausing schedules.
 *
 * Nothing here holds a lock between reading and writing: a step is refused when the version has moved meanwhile (a scheduler fired it just
 * then), and then it is done again on the ground of what is there now.
 *
 * A schedule that is replaced and is due at the same times as before goes on from the time that was dealt with last: a daemon that is started with a
 * new timeout after a night's rest still catches up on that night. */
#include "schedule/manage.h"

#include <string.h>

#include "schedule/decide.h"
#include "schedule/sealed.h"

#define TRIES 20 /* of a step that somebody else is ahead of: that is a moment's matter */

#define ORIGIN_CONFIG "config"

#define RETRIES_DEFAULT 2
#define CALL_TIMEOUT_MS 30000

void ls_schedule_defaults(struct ls_schedule *s, enum ls_schedule_action action)
{
    const bool call = action == LS_ACTION_POST;

    s->action = action;
    s->overlap = call || action == LS_ACTION_MESSAGE ? LS_OVERLAP_ALLOW : LS_OVERLAP_SKIP;
    s->catch_up = LS_CATCH_UP_LAST;
    s->retries = RETRIES_DEFAULT;
    s->timeout_ms = call ? CALL_TIMEOUT_MS : 0; /* a sync takes as long as it takes */
    s->method = call ? "POST" : "";
}

static bool same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_times(const struct ls_schedule *a, const struct ls_schedule *b)
{
    return same(a->cron, b->cron) && same(a->zone, b->zone) && same(a->hours, b->hours) &&
           a->jitter_s == b->jitter_s;
}

static bool same_body(const struct ls_schedule *a, const struct ls_schedule *b)
{
    return a->body_size == b->body_size &&
           (a->body_size == 0 || memcmp(a->body, b->body, a->body_size) == 0);
}

static bool same_settings(const struct ls_schedule *a, const struct ls_schedule *b)
{
    return same_times(a, b) && a->action == b->action && same(a->target, b->target) &&
           same(a->method, b->method) && same(a->headers, b->headers) && same_body(a, b) &&
           a->overlap == b->overlap && a->catch_up == b->catch_up &&
           a->catch_up_s == b->catch_up_s && a->timeout_ms == b->timeout_ms &&
           a->retries == b->retries && same(a->extra, b->extra);
}

/* The one of that name; *ret_found false when there is none. */
static enum ls_code find(struct ls_state *state, const char *id, struct ls_arena *mem,
                         struct ls_schedule *ret, bool *ret_found, struct ls_error *err)
{
    const enum ls_code rc = ls_state_schedule_find(state, id, mem, ret, err);

    *ret_found = rc == LS_OK;
    return rc == LS_NOT_FOUND ? LS_OK : rc;
}

/* Checks it and sets its times. */
static enum ls_code make_ready(struct ls_schedule *s, const struct ls_schedule *old, int64_t now_us,
                               struct ls_error *err)
{
    enum ls_code rc = ls_schedule_check(s, err);

    if (rc == LS_OK)
        rc = ls_schedule_begin(s, now_us, err);
    if (rc == LS_OK && old && same_times(s, old)) {
        s->last_us = old->last_us;
        s->next_us = old->next_us;
        s->due_us = old->due_us;
    }
    return rc;
}

static enum ls_code put(struct ls_state *state, struct ls_schedule *s,
                        const struct ls_schedule *old, bool replace, int64_t now_us,
                        struct ls_arena *mem, struct ls_error *err)
{
    struct ls_schedule kept;
    enum ls_code rc = make_ready(s, old, now_us, err);

    kept = *s;
    if (rc == LS_OK)
        rc = ls_schedule_seal(state, &kept, mem, err);
    return rc == LS_OK ? ls_state_schedule_put(state, &kept, replace, err) : rc;
}

enum ls_code ls_schedule_make(struct ls_state *state, struct ls_schedule *s, bool replace,
                              int64_t now_us, struct ls_error *err)
{
    struct ls_schedule old;
    struct ls_arena mem;
    bool found = false;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = find(state, s->id, &mem, &old, &found, err);
    if (rc == LS_OK)
        rc = put(state, s, found ? &old : NULL, replace, now_us, &mem, err);
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_schedule_change(struct ls_state *state, struct ls_schedule *s,
                                const struct ls_schedule *as_read, int64_t now_us, bool *ret_done,
                                struct ls_error *err)
{
    struct ls_schedule kept;
    struct ls_arena mem;
    enum ls_code rc = make_ready(s, as_read, now_us, err);

    *ret_done = false;
    kept = *s;
    ls_arena_init(&mem, 0);
    if (rc == LS_OK)
        rc = ls_schedule_seal(state, &kept, &mem, err);
    if (rc == LS_OK)
        rc = ls_state_schedule_swap(state, &kept, as_read->version, ret_done, err);
    ls_arena_done(&mem);
    return rc;
}

/* ---- pause ---- */

static struct ls_firing left_out(const struct ls_schedule *s, const struct ls_span *span,
                                 const char *reason, int64_t now_us)
{
    return (struct ls_firing){.schedule = s->id,
                              .kind = LS_FIRING_PASSED,
                              .state = LS_FIRING_SKIPPED,
                              .nominal_us = span->first_us,
                              .until_us = span->last_us,
                              .times = span->count,
                              .made_us = now_us,
                              .ended_us = now_us,
                              .reason = reason};
}

/* The rows of a resume that the history has not got yet (the clock may have gone back). */
static enum ls_code rows_of(struct ls_state *state, const struct ls_schedule *s,
                            const struct ls_span *paused, const struct ls_span *outside,
                            int64_t now_us, struct ls_firing rows[2], size_t *ret_count,
                            struct ls_error *err)
{
    enum ls_code rc = LS_OK;
    bool known = false;
    size_t count = 0;

    if (paused->count)
        rows[count++] = left_out(s, paused, "it was paused", now_us);
    if (outside->count)
        rows[count++] = left_out(s, outside, "outside of the hours", now_us);
    for (size_t i = 0; i < count && rc == LS_OK;) {
        rc = ls_state_firing_known(state, &rows[i], &known, err);
        if (known)
            rows[i] = rows[--count];
        else
            i++;
    }
    *ret_count = count;
    return rc;
}

static enum ls_code resume(struct ls_state *state, const struct ls_schedule *s, int64_t now_us,
                           bool *ret_done, struct ls_error *err)
{
    struct ls_firing rows[2];
    struct ls_timetable t;
    struct ls_decision d;
    struct ls_span passed;
    enum ls_code rc = ls_timetable_open(s, &t, err);

    if (rc == LS_OK) {
        struct ls_schedule_step step = {.id = s->id, .version = s->version, .firings = rows};

        ls_decide_resume(&t, s, now_us, &passed, &d);
        step.last_us = d.last_us;
        step.next_us = d.next_us;
        step.due_us = d.due_us;
        rc = rows_of(state, s, &passed, &d.outside, now_us, rows, &step.firing_count, err);
        if (rc == LS_OK)
            rc = ls_state_schedule_step(state, &step, ret_done, err);
    }
    ls_timetable_close(&t);
    return rc;
}

static enum ls_code pause_once(struct ls_state *state, const char *id, bool pause, int64_t now_us,
                               bool *ret_changed, bool *ret_done, struct ls_error *err)
{
    struct ls_schedule s;
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_state_schedule_find(state, id, &mem, &s, err);
    *ret_changed = rc == LS_OK && s.paused != pause;
    *ret_done = !*ret_changed;
    if (*ret_changed && pause) {
        const struct ls_schedule_step step = {s.id,      s.version, true, s.last_us,
                                              s.next_us, s.due_us,  0,    NULL};

        rc = ls_state_schedule_step(state, &step, ret_done, err);
    } else if (*ret_changed) {
        rc = resume(state, &s, now_us, ret_done, err);
    }
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_schedule_pause(struct ls_state *state, const char *id, bool pause, int64_t now_us,
                               bool *ret_changed, struct ls_error *err)
{
    bool done = false;
    enum ls_code rc = LS_OK;

    for (int i = 0; i < TRIES && rc == LS_OK && !done; i++)
        rc = pause_once(state, id, pause, now_us, ret_changed, &done, err);
    if (rc == LS_OK && !done)
        rc = ls_error_set(err, LS_BUSY, "schedule %s changes all the time. Try again", id);
    return rc;
}

/* ---- the configuration ---- */

/* Where the key is another one than it was, what the configuration says is sealed anew. */
static bool is_settled(struct ls_state *state, const struct ls_schedule *wanted,
                       const struct ls_schedule *there, struct ls_arena *mem)
{
    struct ls_schedule old = *there;
    struct ls_error unreadable;

    return ls_schedule_unseal(state, &old, mem, &unreadable) == LS_OK &&
           same_settings(wanted, &old);
}

static enum ls_code settle_one(struct ls_state *state, const struct ls_schedule *wanted,
                               const char *project, int64_t now_us, struct ls_settled *ret,
                               struct ls_error *err)
{
    struct ls_schedule s = *wanted, old;
    struct ls_arena mem;
    bool found = false;
    enum ls_code rc;

    s.origin = ORIGIN_CONFIG;
    s.project = project;
    ls_arena_init(&mem, 0);
    rc = find(state, s.id, &mem, &old, &found, err);
    if (rc == LS_OK && found && (!same(old.origin, ORIGIN_CONFIG) || !same(old.project, project)))
        rc = ls_error_set(
            err, LS_CONFLICT,
            "there is a schedule %s that this configuration did not make (made by %s). "
            "Delete it with `lockstep schedule delete %s`, or give this one another "
            "name",
            s.id, same(old.origin, ORIGIN_CONFIG) ? old.project : old.origin, s.id);
    if (rc == LS_OK && (!found || !is_settled(state, &s, &old, &mem))) {
        rc = put(state, &s, found ? &old : NULL, true, now_us, &mem, err);
        ret->made += rc == LS_OK && !found;
        ret->changed += rc == LS_OK && found;
    }
    ls_arena_done(&mem);
    if (rc == LS_OK && found && wanted->paused)
        rc = ls_schedule_pause(state, s.id, true, now_us, &found, err);
    return rc;
}

static bool is_wanted(const char *id, const struct ls_schedule *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].id, id) == 0)
            return true;
    return false;
}

enum ls_code ls_schedule_settle(struct ls_state *state, const struct ls_schedule *list,
                                size_t count, const char *project, int64_t now_us,
                                struct ls_settled *ret, struct ls_error *err)
{
    struct ls_schedule *there = NULL;
    struct ls_arena mem;
    size_t there_count = 0;
    enum ls_code rc = LS_OK;

    *ret = (struct ls_settled){0};
    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = settle_one(state, &list[i], project, now_us, ret, err);
    if (rc == LS_OK)
        rc = ls_state_schedules(state, &mem, &there_count, &there, err);
    for (size_t i = 0; i < there_count && rc == LS_OK; i++) {
        if (!same(there[i].origin, ORIGIN_CONFIG) || !same(there[i].project, project) ||
            is_wanted(there[i].id, list, count))
            continue;
        rc = ls_state_schedule_drop(state, there[i].id, err);
        ret->dropped += rc == LS_OK;
    }
    ls_arena_done(&mem);
    return rc;
}
