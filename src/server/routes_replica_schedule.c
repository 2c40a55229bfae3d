/* SPDX-License-Identifier: Apache-2.0 */
/* routes_replica_schedule.c - the schedule of the replica's surface: made, paused, resumed, deleted and triggered by its application.
 *
 * lockstep's own scheduler fires it; no outside service is needed. A schedule is of one sync, so several syncs have one each: slave-to-prod.NAME. For the
 * application they are one, slave-to-prod, and what is done to it is done to all of them. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "schedule/manage.h"
#include "server/replica.h"
#include "server/surface.h"

#define GROUP "slave-to-prod"
#define CRON "0 */6 * * *"
#define RETRIES 2

struct schedule_wish {
    const char *action, *id, *cron;
};

/* ---- which schedules ---- */

static bool is_of_group(const char *id, const char *group)
{
    const size_t length = strlen(group);

    return strncmp(id, group, length) == 0 && (id[length] == '\0' || id[length] == '.');
}

static bool is_replica_sync(const struct ls_call *call, const struct ls_schedule *s)
{
    const struct ls_surfaces_config *c = &call->ls->config->surfaces;

    for (size_t i = 0; i < c->replica_count && s->action == LS_ACTION_SYNC; i++)
        if (strcmp(c->replica[i], s->target) == 0)
            return true;
    return false;
}

static enum ls_code read_all(struct ls_call *call, size_t *ret_count, struct ls_schedule **ret,
                             struct ls_error *err)
{
    enum ls_code rc = ls_api_state(call->ls, true, err);

    return rc == LS_OK ? ls_state_schedules(call->ls->state, call->mem, ret_count, ret, err) : rc;
}

/* slave-to-prod, or slave-to-prod.NAME where there are several; what an id cannot have is _. */
static const char *id_of(struct ls_call *call, const char *sync)
{
    char *id;

    if (call->ls->config->surfaces.replica_count == 1)
        return GROUP;
    id = (char *)(uintptr_t)ls_arena_printf(call->mem, "%s.%.150s", GROUP, sync);
    for (char *c = id; c && *c; c++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", *c))
            *c = '_';
    return id;
}

/* ---- showing ---- */

static void write_schedule(struct ls_buf *out, const char *id, const struct ls_schedule *s,
                           const struct ls_firing *last)
{
    ls_write_text(out, "scheduleId", id);
    ls_write_text(out, "cron", s->cron);
    ls_write_text(out, "timezone", *s->zone ? s->zone : "UTC");
    ls_write_text(out, "destination", LS_REPLICA_PATH);
    ls_write_bool(out, "isPaused", s->paused);
    ls_write_text(out, "status", s->paused ? "paused" : "active");
    ls_write_i64(out, "retries", s->retries);
    ls_write_time(out, "createdAt", s->created_us);
    ls_write_time(out, "lastRun", last ? last->started_us : 0);
    ls_write_text(out, "lastStatus", last ? ls_firing_state_word(last->state) : NULL);
    ls_write_text(out, "lastError", last && *last->reason ? last->reason : NULL);
    ls_write_time(out, "nextRun", s->paused ? 0 : s->next_us);
}

static enum ls_code last_firing(struct ls_call *call, const struct ls_schedule *s,
                                const struct ls_firing **ret, struct ls_error *err)
{
    struct ls_firing *firings = NULL;
    size_t count = 0;
    const enum ls_code rc =
        ls_state_firings(call->ls->state, s->id, 0, 1, call->mem, &count, &firings, err);

    *ret = count ? &firings[0] : NULL;
    return rc;
}

static enum ls_code list(struct ls_call *call, struct ls_buf *out, struct ls_error *err)
{
    struct ls_schedule *all = NULL;
    size_t count = 0;
    int64_t shown = 0;
    bool group_shown = false;
    enum ls_code rc = read_all(call, &count, &all, err);

    ls_write_open(out, "schedules", '[');
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        const bool group = is_of_group(all[i].id, GROUP);
        const struct ls_firing *last = NULL;

        if (!is_replica_sync(call, &all[i]) || (group && group_shown))
            continue;
        group_shown = group_shown || group;
        rc = last_firing(call, &all[i], &last, err);
        ls_write_open(out, NULL, '{');
        write_schedule(out, group ? GROUP : all[i].id, &all[i], last);
        ls_write_close(out, '}');
        shown++;
    }
    ls_write_close(out, ']');
    ls_write_i64(out, "count", shown);
    return rc;
}

static enum ls_code get_schedules(struct ls_call *call, struct ls_response *ret,
                                  struct ls_error *err)
{
    struct ls_buf out;
    enum ls_code rc = ls_replica_configured(call, ret, err);

    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_surface_begin(&out, true);
    rc = list(call, &out, err);
    ls_surface_end(&out);
    if (rc == LS_OK)
        return ls_answer(call, &out, ret, err);
    ls_buf_done(&out);
    return rc;
}

/* ---- managing ---- */

static enum ls_code say(struct ls_call *call, const char *message, const char *id,
                        struct ls_response *ret, struct ls_error *err)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_surface_begin(&out, true);
    ls_write_text(&out, "message", message);
    ls_write_text(&out, "scheduleId", id);
    ls_surface_end(&out);
    return ls_answer(call, &out, ret, err);
}

static enum ls_code create(struct ls_call *call, const struct schedule_wish *w,
                           struct ls_response *ret, struct ls_error *err)
{
    const struct ls_config *config = call->ls->config;
    char *project = realpath(config->path, NULL);
    enum ls_code rc = ls_api_state(call->ls, true, err);

    for (size_t i = 0; i < config->surfaces.replica_count && rc == LS_OK; i++) {
        struct ls_schedule s = {0};

        ls_schedule_defaults(&s, LS_ACTION_SYNC);
        s.id = id_of(call, config->surfaces.replica[i]);
        s.cron = w->cron ? w->cron : CRON;
        s.target = config->surfaces.replica[i];
        s.retries = RETRIES;
        s.origin = "api";
        s.project = project ? project : "";
        rc = s.id ? ls_schedule_make(call->ls->state, &s, true, ls_clock_now_us(), err)
                  : ls_error_nomem(err);
    }
    free(project);
    if (rc == LS_CONFIG)
        ret->status = 400;
    return rc == LS_OK ? say(call, "Schedule created successfully", GROUP, ret, err) : rc;
}

enum what { PAUSE, RESUME, REMOVE };

static enum ls_code change_one(struct ls_call *call, enum what what, const char *id,
                               struct ls_error *err)
{
    bool changed = false;

    if (what == REMOVE)
        return ls_state_schedule_drop(call->ls->state, id, err);
    return ls_schedule_pause(call->ls->state, id, what == PAUSE, ls_clock_now_us(), &changed, err);
}

static enum ls_code change(struct ls_call *call, enum what what, const char *id,
                           struct ls_response *ret, struct ls_error *err)
{
    static const char *const said[] = {[PAUSE] = "Schedule paused successfully",
                                       [RESUME] = "Schedule resumed successfully",
                                       [REMOVE] = "Schedule deleted successfully"};
    struct ls_schedule *all = NULL;
    size_t count = 0, done = 0;
    enum ls_code rc;

    if (!id || !*id)
        return ls_error_set(err, LS_USAGE, "scheduleId is missing");
    rc = read_all(call, &count, &all, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        if (is_replica_sync(call, &all[i]) && is_of_group(all[i].id, id)) {
            rc = change_one(call, what, all[i].id, err);
            done++;
        }
    if (rc == LS_OK && done == 0)
        rc = ls_refuse(ret, 404, err, LS_NOT_FOUND, "there is no schedule %.100s", id);
    return rc == LS_OK ? say(call, said[what], id, ret, err) : rc;
}

static enum ls_code post_schedule(struct ls_call *call, struct ls_response *ret,
                                  struct ls_error *err)
{
    static const struct ls_member members[] = {
        {"action", LS_MEMBER_TEXT, offsetof(struct schedule_wish, action), true},
        {"scheduleId", LS_MEMBER_TEXT, offsetof(struct schedule_wish, id), false},
        {"cron", LS_MEMBER_TEXT, offsetof(struct schedule_wish, cron), false},
    };
    static const struct {
        const char *action;
        enum what what;
    } changes[] = {{"pause", PAUSE}, {"resume", RESUME}, {"delete", REMOVE}};
    struct schedule_wish w = {0};
    enum ls_code rc = ls_body_read(call, members, sizeof members / sizeof *members, &w, err);

    if (rc == LS_OK)
        rc = ls_replica_configured(call, ret, err);
    if (rc != LS_OK)
        return rc;
    for (size_t i = 0; w.action && i < sizeof changes / sizeof *changes; i++)
        if (strcmp(changes[i].action, w.action) == 0)
            return change(call, changes[i].what, w.id, ret, err);
    if (w.action && strcmp(w.action, "create") == 0)
        return create(call, &w, ret, err);
    if (w.action && strcmp(w.action, "trigger-manual") == 0)
        return ls_replica_run(call, "manual", ret, err);
    return ls_error_set(err, LS_USAGE, "action is create, delete, pause, resume or trigger-manual");
}

static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/api/background/sync/schedule", LS_ROLE_ADMIN,
             .flags = LS_ROUTE_DESK | LS_ROUTE_SUCCESS, .handle = get_schedules,
             .response = "ReplicaSchedules", .summary = "List the schedules of the replica's sync"),
    LS_ROUTE("POST", "/api/background/sync/schedule", LS_ROLE_ADMIN,
             .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES | LS_ROUTE_SUCCESS, .handle = post_schedule,
             .request = "ReplicaScheduleRequest", .response = "ReplicaScheduled",
             .summary = "Create, delete, pause or resume the schedule, or sync now"),
};

const struct ls_route_table ls_routes_replica_schedule =
    LS_ROUTE_TABLE("replica-schedule", "When a replica is copied into production.", routes);
