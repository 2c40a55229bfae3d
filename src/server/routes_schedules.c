/* SPDX-License-Identifier: Apache-2.0 */
/* routes_schedules.c - schedules over HTTP: made, changed, paused, asked for; what became of each time; and what a cron expression means.
 *
 * The tag of a schedule is that of its settings: it stays while the schedule fires, so that whoever edits one is in nobody's way but another editor's. A list is
 * ordered by name, and its cursor is the name that a page ended with. */
#include <stdlib.h>
#include <string.h>

#include "api/schedules.h"
#include "base/clock.h"
#include "server/handler.h"

#define NEXT_MAX 100

static const char *id_of(const struct ls_call *call)
{
    return ls_request_param(call->request, "schedule");
}

static void changed(struct ls_call *call)
{
    struct ls_server *server = call->server;

    if (server->options.schedules)
        server->options.schedules(server->options.ctx);
}

/* ---- entity tags ---- */

/* ctx: the tag that the caller has seen; NULL: any. */
static enum ls_code fits(void *ctx, const struct ls_schedule *now, struct ls_error *err)
{
    const char *const seen = *(const char *const *)ctx;
    char tag[LS_SCHEDULE_TAG];

    ls_api_schedule_tag(now, tag);
    if (!seen || strcmp(seen, tag) == 0)
        return LS_OK;
    return ls_error_set(err, LS_CHANGED,
                        "schedule %s was changed since. Read it again, and change that", now->id);
}

/* ---- looking ---- */

static enum ls_code write_schedule(struct ls_call *call, const struct ls_schedule *s,
                                   struct ls_buf *out, struct ls_error *err)
{
    struct ls_firing *last = NULL;
    size_t count = 0;
    enum ls_code rc = ls_state_firings(call->ls->state, s->id, 0, 1, call->mem, &count, &last, err);

    if (rc == LS_OK)
        ls_api_schedule_write(out, s, count ? last : NULL);
    return rc;
}

/* One as the answer. */
static enum ls_code show(struct ls_call *call, const struct ls_schedule *s, struct ls_response *ret,
                         struct ls_error *err)
{
    char tag[LS_SCHEDULE_TAG];
    struct ls_buf out;
    enum ls_code rc;

    ls_buf_init(&out, 0);
    rc = write_schedule(call, s, &out, err);
    if (rc != LS_OK) {
        ls_buf_done(&out);
        return rc;
    }
    ls_api_schedule_tag(s, tag);
    ls_response_version(call, tag, ret);
    return ls_answer(call, &out, ret, err);
}

static enum ls_code get_schedules(struct ls_call *call, struct ls_response *ret,
                                  struct ls_error *err)
{
    struct ls_schedule *list = NULL;
    struct ls_page_by_name page;
    struct ls_buf out;
    size_t count = 0, at = 0, shown = 0;
    enum ls_code rc = ls_page_by_name_read(call, &page, err);

    if (rc == LS_OK)
        rc = ls_api_state(call->ls, true, err);
    if (rc == LS_OK)
        rc = ls_state_schedules(call->ls->state, call->mem, &count, &list, err);
    if (rc != LS_OK)
        return rc;
    if (count)
        qsort(list, count, sizeof *list, ls_api_schedule_by_id);
    while (page.after && at < count && strcmp(list[at].id, page.after) <= 0)
        at++;
    ls_buf_init(&out, 0);
    ls_buf_text(&out, "{\"items\":[");
    for (; at < count && shown < page.limit && rc == LS_OK; at++, shown++) {
        ls_buf_text(&out, shown ? "," : "");
        rc = write_schedule(call, &list[at], &out, err);
    }
    if (rc != LS_OK) {
        ls_buf_done(&out);
        return rc;
    }
    ls_page_by_name_end(call, &out, at < count, shown ? list[at - 1].id : "", ret);
    return ls_answer(call, &out, ret, err);
}

static enum ls_code find(struct ls_call *call, struct ls_schedule *ret, struct ls_error *err)
{
    enum ls_code rc = ls_api_state(call->ls, true, err);

    return rc == LS_OK ? ls_state_schedule_find(call->ls->state, id_of(call), call->mem, ret, err)
                       : rc;
}

static enum ls_code get_schedule(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    struct ls_schedule s;
    enum ls_code rc = find(call, &s, err);

    return rc == LS_OK ? show(call, &s, ret, err) : rc;
}

static enum ls_code get_history(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_firing *list = NULL;
    struct ls_schedule s;
    struct ls_page page;
    struct ls_buf out;
    size_t count = 0;
    int64_t last = 0;
    enum ls_code rc = ls_page_read(call, &page, err);

    if (rc == LS_OK)
        rc = find(call, &s, err);
    if (rc == LS_OK)
        rc = ls_state_firings(call->ls->state, s.id, page.after, page.limit + 1, call->mem, &count,
                              &list, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_buf_text(&out, "{\"items\":[");
    for (size_t i = 0; i < count && i < page.limit; i++) {
        ls_buf_text(&out, i ? "," : "");
        ls_api_firing_write(&out, &list[i]);
        last = list[i].nominal_us;
    }
    ls_page_end(call, &out, count > page.limit, last, ret);
    return ls_answer(call, &out, ret, err);
}

static enum ls_code show_times(struct ls_call *call, const char *cron, const char *zone,
                               const char *hours, struct ls_response *ret, struct ls_error *err)
{
    const char *words = NULL;
    int64_t *times = NULL;
    struct ls_page page;
    struct ls_buf out;
    size_t count = 0;
    enum ls_code rc = ls_page_read(call, &page, err);

    if (rc == LS_OK && page.limit > NEXT_MAX)
        rc = ls_error_set(err, LS_USAGE, "limit is a number from 1 to %d", NEXT_MAX);
    if (rc == LS_OK)
        rc = ls_api_schedule_preview(cron, zone, hours, ls_clock_now_us(), page.limit, call->mem,
                                     &words, &count, &times, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_text(&out, "words", words);
    ls_write_open(&out, "next", '[');
    for (size_t i = 0; i < count; i++)
        ls_write_time(&out, NULL, times[i]);
    ls_write_close(&out, ']');
    ls_write_close(&out, '}');
    return ls_answer(call, &out, ret, err);
}

static enum ls_code get_next(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_schedule s;
    enum ls_code rc = find(call, &s, err);

    return rc == LS_OK ? show_times(call, s.cron, s.zone, s.hours, ret, err) : rc;
}

static enum ls_code get_cron(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const struct ls_request *request = call->request;
    const char *cron = ls_request_query(request, "cron");

    if (!cron)
        return ls_error_set(err, LS_USAGE, "cron is missing: an expression such as 0 * * * *");
    return show_times(call, cron, ls_request_query(request, "zone"),
                      ls_request_query(request, "hours"), ret, err);
}

/* ---- changing ---- */

static enum ls_code post_schedule(struct ls_call *call, struct ls_response *ret,
                                  struct ls_error *err)
{
    const struct ls_request *request = call->request;
    struct ls_schedule s;
    enum ls_code rc = ls_api_schedule_create(call->ls, request->body, request->body_size, "api",
                                             false, call->mem, &s, err);

    if (rc != LS_OK)
        return rc;
    changed(call);
    ls_response_header(ret, "Location", ls_arena_printf(call->mem, "/api/v1/schedules/%s", s.id));
    return show(call, &s, ret, err);
}

static enum ls_code change_schedule(struct ls_call *call, const char *seen, struct ls_response *ret,
                                    struct ls_error *err)
{
    const struct ls_request *request = call->request;
    const struct ls_schedule_fits question = {fits, &seen};
    struct ls_schedule s;
    enum ls_code rc = ls_api_schedule_change(call->ls, id_of(call), request->body,
                                             request->body_size, &question, call->mem, &s, err);

    if (rc != LS_OK)
        return rc;
    changed(call);
    return show(call, &s, ret, err);
}

static enum ls_code patch_schedule(struct ls_call *call, struct ls_response *ret,
                                   struct ls_error *err)
{
    return ls_change_version(call, change_schedule, ret, err);
}

static enum ls_code remove_schedule(struct ls_call *call, const char *seen, struct ls_response *ret,
                                    struct ls_error *err)
{
    const struct ls_schedule_fits question = {fits, &seen};

    (void)ret;
    return ls_api_schedule_delete(call->ls, id_of(call), &question, call->mem, err);
}

static enum ls_code delete_schedule(struct ls_call *call, struct ls_response *ret,
                                    struct ls_error *err)
{
    return ls_change_version(call, remove_schedule, ret, err);
}

static enum ls_code pause_or_resume(struct ls_call *call, bool pause, struct ls_error *err)
{
    const enum ls_code rc = ls_api_schedule_pause(call->ls, id_of(call), pause, err);

    if (rc == LS_OK)
        changed(call);
    return rc;
}

static enum ls_code post_pause(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    (void)ret;
    return pause_or_resume(call, true, err);
}

static enum ls_code post_resume(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    (void)ret;
    return pause_or_resume(call, false, err);
}

static enum ls_code post_trigger(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    char firing[37];
    bool served = false;
    enum ls_code rc = ls_api_schedule_trigger(call->ls, id_of(call), firing, &served, err);

    if (rc != LS_OK)
        return rc;
    changed(call);
    ls_response_header(ret, "Location",
                       ls_arena_printf(call->mem, "/api/v1/schedules/%s/history", id_of(call)));
    ret->body = ls_arena_printf(call->mem, "{\"firing\":\"%s\"}", firing);
    ret->body_size = ret->body ? strlen(ret->body) : 0;
    return ret->body ? LS_OK : ls_error_nomem(err);
}

/* A body may hold a secret: the library writes the audit log, without it. */
#define CHANGES (LS_ROUTE_DESK | LS_ROUTE_AUDITS)

static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/api/v1/schedules", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_schedules, .query = "limit cursor", .response = "ScheduleList",
             .summary = "List schedules by name, each with the newest entry of its history"),
    LS_ROUTE("POST", "/api/v1/schedules", LS_ROLE_ADMIN, .flags = CHANGES, .handle = post_schedule,
             .request = "ScheduleNew", .response = "Schedule", .status = 201,
             .summary = "Make a schedule: of a sync, of the queue, or of an HTTP call"),
    LS_ROUTE("GET", "/api/v1/schedules/{schedule}", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_schedule, .response = "Schedule",
             .summary = "Show a schedule; ETag is that of its settings"),
    LS_ROUTE("PATCH", "/api/v1/schedules/{schedule}", LS_ROLE_ADMIN, .flags = CHANGES,
             .handle = patch_schedule, .request = "ScheduleChange", .response = "Schedule",
             .summary = "Change settings of a schedule; If-Match: only when it is still that one"),
    LS_ROUTE("DELETE", "/api/v1/schedules/{schedule}", LS_ROLE_ADMIN, .flags = CHANGES,
             .handle = delete_schedule, .status = 204,
             .summary = "Remove a schedule and its history"),
    LS_ROUTE("POST", "/api/v1/schedules/{schedule}/pause", LS_ROLE_OPERATOR, .flags = CHANGES,
             .handle = post_pause, .status = 204,
             .summary = "Pause a schedule; times that pass are skipped"),
    LS_ROUTE("POST", "/api/v1/schedules/{schedule}/resume", LS_ROLE_OPERATOR, .flags = CHANGES,
             .handle = post_resume, .status = 204, .summary = "Go on with a schedule"),
    LS_ROUTE("POST", "/api/v1/schedules/{schedule}/trigger", LS_ROLE_OPERATOR, .flags = CHANGES,
             .handle = post_trigger, .response = "FiringAccepted", .status = 202,
             .summary = "Ask for a schedule now, whatever its times, also when it is paused"),
    LS_ROUTE("GET", "/api/v1/schedules/{schedule}/history", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_history, .query = "limit cursor", .response = "FiringList",
             .summary =
                 "List what became of a schedule's times: fired, skipped or missed, and why"),
    LS_ROUTE("GET", "/api/v1/schedules/{schedule}/next", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_next, .query = "limit", .response = "CronTimes",
             .summary = "List the next times of a schedule"),
    LS_ROUTE("GET", "/api/v1/cron", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK, .handle = get_cron,
             .query = "cron zone hours limit", .response = "CronTimes",
             .summary = "Say what a cron expression means, and list its next times"),
};

const struct ls_route_table ls_routes_schedules =
    LS_ROUTE_TABLE("schedules", "What runs by itself, when, and what became of each time.", routes);
