/* SPDX-License-Identifier: Apache-2.0 */
/* schedules.c - schedules that people make, change, pause and ask for.
 *
 * They stand in the state, beside those of the configuration, and every daemon on that state fires them; a schedule that runs a sync belongs to the
 * configuration that has the sync, and is fired by a daemon that has it too. What the configuration made is changed there: here it can be paused and asked for,
 * but not changed or deleted, for the next start would bring it back. */
#include "api/schedules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/events.h"
#include "base/clock.h"
#include "base/text.h"
#include "schedule/decide.h"
#include "schedule/manage.h"
#include "schedule/scheduler.h"
#include "schedule/sealed.h"

#define LIMIT 50
#define TRIES 20 /* of a change that a firing is ahead of */

/* What is wrong with a schedule is wrong with what was asked for, not with the configuration. */
static enum ls_code as_usage(enum ls_code rc, struct ls_error *err)
{
    if (rc != LS_CONFIG)
        return rc;
    return err->code = LS_USAGE;
}

int ls_api_schedule_by_id(const void *a, const void *b)
{
    return strcmp(((const struct ls_schedule *)a)->id, ((const struct ls_schedule *)b)->id);
}

void ls_api_schedule_tag(const struct ls_schedule *s, char out[LS_SCHEDULE_TAG])
{
    snprintf(out, LS_SCHEDULE_TAG, "%016" PRIx64 "%s", (uint64_t)s->changed_us,
             s->paused ? "-paused" : "");
}

static enum ls_code audit(struct lockstep *ls, const char *id, const char *what,
                          struct ls_error *err)
{
    char detail[60];

    snprintf(detail, sizeof detail, "{\"did\":\"%s\"}", what);
    return ls_api_audit(ls, "schedule", id, detail, err);
}

/* Who fires it: whoever has the configuration that has its sync. */
static enum ls_code find_project(const struct lockstep *ls, struct ls_arena *mem,
                                 struct ls_schedule *s, struct ls_error *err)
{
    char *real;

    s->project = "";
    if (s->action != LS_ACTION_SYNC)
        return LS_OK;
    real = realpath(ls->config->path, NULL);
    if (!real)
        return ls_error_set(err, LS_USAGE, "%s cannot be found any more", ls->config->path);
    s->project = ls_arena_text(mem, real);
    free(real);
    return s->project ? LS_OK : ls_error_nomem(err);
}

static enum ls_code is_ours(const struct ls_schedule *s, struct ls_error *err)
{
    if (strcmp(s->origin, "config") != 0)
        return LS_OK;
    return ls_error_set(err, LS_CONFLICT,
                        "schedule %s is the configuration's (%s): change it there. It can be "
                        "paused here",
                        s->id, s->project);
}

/* Of what it does now: who fires it, and for a call whether it may go there; what is no URL at all is told first. */
static enum ls_code check_target(const struct lockstep *ls, struct ls_arena *mem,
                                 struct ls_schedule *s, struct ls_error *err)
{
    enum ls_code rc = find_project(ls, mem, s, err);

    if (rc != LS_OK || s->action != LS_ACTION_POST)
        return rc;
    rc = as_usage(ls_schedule_check(s, err), err);
    return rc == LS_OK ? ls_api_destination(ls, s->target, mem, err) : rc;
}

enum ls_code ls_api_schedule_create(struct lockstep *ls, const char *json, size_t size,
                                    const char *origin, bool replace, struct ls_arena *mem,
                                    struct ls_schedule *ret, struct ls_error *err)
{
    struct ls_schedule s = {.origin = origin}, old;
    enum ls_code rc = ls_api_schedule_read(ls, json, size, mem, &s, err);

    if (rc == LS_OK)
        rc = check_target(ls, mem, &s, err);
    if (rc == LS_OK)
        rc = ls_api_state(ls, true, err);
    if (rc == LS_OK && replace && ls_schedule_id_fits(s.id) &&
        ls_state_schedule_find(ls->state, s.id, mem, &old, err) == LS_OK)
        rc = is_ours(&old, err);
    if (rc == LS_OK)
        rc = as_usage(ls_schedule_make(ls->state, &s, replace, ls_clock_now_us(), err), err);
    if (rc == LS_OK)
        rc = audit(ls, s.id, "create", err);
    return rc == LS_OK ? ls_state_schedule_find(ls->state, s.id, mem, ret, err) : rc;
}

/* One try of a change; *ret_done false when it was fired just then. */
static enum ls_code change(struct lockstep *ls, const char *id, const char *json, size_t size,
                           const struct ls_schedule_fits *fits, struct ls_arena *mem,
                           bool *ret_done, struct ls_error *err)
{
    struct ls_schedule as_read, s;
    enum ls_code rc = ls_state_schedule_find(ls->state, id, mem, &as_read, err);

    if (rc == LS_OK && fits)
        rc = fits->fits(fits->ctx, &as_read, err);
    if (rc == LS_OK)
        rc = is_ours(&as_read, err);
    if (rc == LS_OK)
        rc = ls_schedule_unseal(ls->state, &as_read, mem, err);
    if (rc != LS_OK)
        return rc;
    s = as_read;
    rc = ls_api_schedule_read(ls, json, size, mem, &s, err);
    if (rc == LS_OK && s.paused != as_read.paused)
        rc = ls_error_set(err, LS_USAGE, "a schedule is paused and resumed by calls of their own");
    if (rc == LS_OK && s.action != LS_ACTION_POST && s.action != LS_ACTION_MESSAGE) {
        s.method = s.headers = s.body = "";
        s.body_size = 0;
    }
    if (rc == LS_OK && (s.action != as_read.action || strcmp(s.target, as_read.target) != 0))
        rc = check_target(ls, mem, &s, err);
    return rc == LS_OK ? as_usage(ls_schedule_change(ls->state, &s, &as_read, ls_clock_now_us(),
                                                     ret_done, err),
                                  err)
                       : rc;
}

enum ls_code ls_api_schedule_change(struct lockstep *ls, const char *id, const char *json,
                                    size_t size, const struct ls_schedule_fits *fits,
                                    struct ls_arena *mem, struct ls_schedule *ret,
                                    struct ls_error *err)
{
    bool done = false;
    enum ls_code rc = ls_api_state(ls, true, err);

    for (int i = 0; i < TRIES && rc == LS_OK && !done; i++)
        rc = change(ls, id, json, size, fits, mem, &done, err);
    if (rc == LS_OK && !done)
        rc = ls_error_set(err, LS_BUSY, "schedule %s changes all the time. Try again", id);
    if (rc == LS_OK)
        rc = audit(ls, id, "change", err);
    return rc == LS_OK ? ls_state_schedule_find(ls->state, id, mem, ret, err) : rc;
}

enum ls_code ls_api_schedule_delete(struct lockstep *ls, const char *id,
                                    const struct ls_schedule_fits *fits, struct ls_arena *mem,
                                    struct ls_error *err)
{
    struct ls_schedule s;
    enum ls_code rc = ls_api_state(ls, true, err);

    if (rc == LS_OK)
        rc = ls_state_schedule_find(ls->state, id, mem, &s, err);
    if (rc == LS_OK && fits)
        rc = fits->fits(fits->ctx, &s, err);
    if (rc == LS_OK &&
        ls->config) { /* one that another configuration made, or that is gone, may go */
        char *real = realpath(ls->config->path, NULL);

        if (real && strcmp(real, s.project) == 0)
            rc = is_ours(&s, err);
        free(real);
    }
    if (rc == LS_OK)
        rc = ls_state_schedule_drop(ls->state, id, err);
    return rc == LS_OK ? audit(ls, id, "delete", err) : rc;
}

enum ls_code ls_api_schedule_pause(struct lockstep *ls, const char *id, bool pause,
                                   struct ls_error *err)
{
    bool changed = false;
    enum ls_code rc = ls_api_state(ls, true, err);

    if (rc == LS_OK)
        rc = as_usage(ls_schedule_pause(ls->state, id, pause, ls_clock_now_us(), &changed, err),
                      err);
    return rc == LS_OK && changed ? audit(ls, id, pause ? "pause" : "resume", err) : rc;
}

enum ls_code ls_api_schedule_trigger(struct lockstep *ls, const char *id, char ret_firing[37],
                                     bool *ret_served, struct ls_error *err)
{
    enum ls_code rc = ls_api_state(ls, true, err);

    if (rc == LS_OK)
        rc = ls_state_firing_ask(ls->state, id, ls_clock_now_us(), ret_firing, err);
    if (rc != LS_OK)
        return rc;
    *ret_served = ls_state_at_work(ls->state, LS_SCHEDULER_LOCK);
    return audit(ls, id, "trigger", err);
}

static const char *describe(const struct ls_timetable *t, struct ls_arena *mem)
{
    const char *words;
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_cron_describe(&t->cron, ls_zone_name(t->zone), &out);
    words = out.failed ? NULL : ls_arena_text(mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return words;
}

enum ls_code ls_api_schedule_preview(const char *cron, const char *zone, const char *hours,
                                     int64_t after_us, size_t max, struct ls_arena *mem,
                                     const char **ret_words, size_t *ret_count, int64_t **ret,
                                     struct ls_error *err)
{
    const struct ls_schedule s = {.id = "", .cron = cron, .zone = zone, .hours = hours};
    int64_t *times = ls_arena_array(mem, max, sizeof *times), us = after_us;
    struct ls_timetable t;
    enum ls_code rc = as_usage(ls_timetable_open(&s, &t, err), err);

    *ret_count = 0;
    *ret_words = rc == LS_OK ? describe(&t, mem) : NULL;
    if (rc == LS_OK && (!times || !*ret_words))
        rc = ls_error_nomem(err);
    while (rc == LS_OK && *ret_count < max && (us = ls_timetable_next(&t, us)) != LS_CRON_NEVER)
        times[(*ret_count)++] = us;
    *ret = times;
    ls_timetable_close(&t);
    return rc;
}

/* ---- the public calls ---- */

static enum ls_code tell(struct lockstep *ls, const struct ls_schedule *s, lockstep_schedule_fn *fn,
                         void *ctx, struct ls_arena *mem, struct ls_error *err)
{
    struct ls_firing *last = NULL;
    struct ls_timetable t;
    struct ls_buf json;
    size_t count = 0;
    enum ls_code rc = ls_state_firings(ls->state, s->id, 0, 1, mem, &count, &last, err);
    struct lockstep_schedule out = {
        .id = s->id,
        .cron = s->cron,
        .action = ls_action_words[s->action],
        .target = s->target,
        .origin = s->origin,
        .paused = s->paused,
        .next_us = s->paused || s->next_us == LS_CRON_NEVER ? 0 : s->next_us,
        .last_us = count ? last->until_us : 0,
        .last_state = count ? ls_firing_state_word(last->state) : "",
        .last_reason = count ? last->reason : "",
        .words = "", /* where its zone is gone from this machine */
        .zone = s->zone,
    };

    if (rc != LS_OK || !fn)
        return rc;
    if (ls_timetable_open(s, &t, err) == LS_OK) {
        out.words = describe(&t, mem);
        out.zone = ls_arena_text(mem, ls_zone_name(t.zone));
    }
    ls_timetable_close(&t);
    ls_buf_init(&json, 0);
    ls_api_schedule_write(&json, s, count ? last : NULL);
    out.json = json.failed ? NULL : ls_buf_str(&json);
    if (out.json && out.words && out.zone)
        fn(ctx, &out);
    else
        rc = ls_error_nomem(err);
    ls_buf_done(&json);
    return rc;
}

int lockstep_schedules(struct lockstep *ls, lockstep_schedule_fn *fn, void *ctx,
                       struct lockstep_error *error)
{
    struct ls_schedule *list = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc = ls_api_state(ls, false, &err);

    ls_arena_init(&mem, 0);
    if (rc == LS_OK)
        rc = ls_state_schedules(ls->state, &mem, &count, &list, &err);
    else if (rc == LS_NOT_FOUND)
        rc = LS_OK; /* no state yet: no schedules yet */
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = tell(ls, &list[i], fn, ctx, &mem, &err);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

int lockstep_schedule_create(struct lockstep *ls, const char *json, size_t size, bool replace,
                             lockstep_schedule_fn *fn, void *ctx, struct lockstep_error *error)
{
    struct ls_error err = {0};
    struct ls_schedule s;
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_schedule_create(ls, json, size, "command", replace, &mem, &s, &err);
    if (rc == LS_OK)
        rc = tell(ls, &s, fn, ctx, &mem, &err);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

int lockstep_schedule_delete(struct lockstep *ls, const char *id, struct lockstep_error *error)
{
    struct ls_error err = {0};
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_schedule_delete(ls, id, NULL, &mem, &err);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

int lockstep_schedule_pause(struct lockstep *ls, const char *id, bool paused,
                            struct lockstep_error *error)
{
    struct ls_error err = {0};
    const enum ls_code rc = ls_api_schedule_pause(ls, id, paused, &err);

    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

int lockstep_schedule_trigger(struct lockstep *ls, const char *id, char ret_firing[37],
                              bool *ret_served, struct lockstep_error *error)
{
    struct ls_error err = {0};
    const enum ls_code rc = ls_api_schedule_trigger(ls, id, ret_firing, ret_served, &err);

    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

/* A schedule by its name; anything with a blank or an @ is an expression. */
static bool is_expression(const char *which)
{
    return strpbrk(which, " \t@") != NULL;
}

int lockstep_schedule_next(struct lockstep *ls, const char *which, const char *zone,
                           const char *hours, size_t limit, char **ret_words, lockstep_time_fn *fn,
                           void *ctx, struct lockstep_error *error)
{
    struct ls_schedule s = {.cron = which, .zone = zone, .hours = hours};
    struct ls_error err = {0};
    struct ls_arena mem;
    const char *words = NULL;
    int64_t *times = NULL;
    size_t count = 0;
    enum ls_code rc = LS_OK;

    ls_arena_init(&mem, 0);
    if (!is_expression(which)) {
        rc = ls_api_state(ls, true, &err);
        if (rc == LS_OK)
            rc = ls_state_schedule_find(ls->state, which, &mem, &s, &err);
    }
    if (rc == LS_OK)
        rc = ls_api_schedule_preview(s.cron, s.zone, s.hours, ls_clock_now_us(), limit ? limit : 5,
                                     &mem, &words, &count, &times, &err);
    if (rc == LS_OK && ret_words && !(*ret_words = strdup(words)))
        rc = ls_error_nomem(&err);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        fn(ctx, times[i]);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

static enum ls_code tell_firing(const struct ls_firing *f, lockstep_firing_fn *fn, void *ctx,
                                struct ls_error *err)
{
    struct ls_buf json;
    struct lockstep_firing out = {
        .id = f->id,
        .schedule = f->schedule,
        .kind = ls_firing_kind_word(f->kind),
        .state = ls_firing_state_word(f->state),
        .nominal_us = f->nominal_us,
        .until_us = f->until_us,
        .times = f->times,
        .attempts = f->attempt,
        .run = f->run,
        .late = f->late,
        .reason = f->reason,
    };
    enum ls_code rc = LS_OK;

    ls_buf_init(&json, 0);
    ls_api_firing_write(&json, f);
    out.json = json.failed ? NULL : ls_buf_str(&json);
    if (out.json)
        fn(ctx, &out);
    else
        rc = ls_error_nomem(err);
    ls_buf_done(&json);
    return rc;
}

int lockstep_schedule_history(struct lockstep *ls, const char *id, size_t limit,
                              lockstep_firing_fn *fn, void *ctx, struct lockstep_error *error)
{
    struct ls_firing *list = NULL;
    struct ls_schedule s;
    struct ls_error err = {0};
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc = ls_api_state(ls, id != NULL, &err);

    ls_arena_init(&mem, 0);
    if (rc == LS_OK && id)
        rc = ls_state_schedule_find(ls->state, id, &mem, &s, &err);
    if (rc == LS_OK)
        rc = ls_state_firings(ls->state, id, 0, limit ? limit : LIMIT, &mem, &count, &list, &err);
    else if (rc == LS_NOT_FOUND && !id)
        rc = LS_OK; /* no state yet */
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = tell_firing(&list[i], fn, ctx, &err);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}
