/* SPDX-License-Identifier: Apache-2.0 */
/* routes_qstash_schedules.c - schedules as QStash's clients manage them.
 *
 * A schedule that is made here puts a message into the queue each time it fires. All others (a sync's, an HTTP call's) are shown, paused and
 * resumed as well, so that a program of those clients can manage them; what the configuration made is removed there. */
#include <stdio.h>
#include <string.h>

#include "api/events.h"
#include "base/clock.h"
#include "base/text.h"
#include "schedule/manage.h"
#include "schedule/sealed.h"
#include "server/qstash.h"
#include "server/qstash_filter.h"

#define BODY_MAX ((size_t)1 << 20)
#define ID_SIZE 37 /* scd_, 32 digits, NUL */

/* ---- making ---- */

static const char *header(const struct ls_letter *letter, const char *name)
{
    for (size_t i = 0; i < letter->header_count; i++)
        if (ls_text_equal_nocase(letter->headers[i].name, name))
            return letter->headers[i].value;
    return NULL;
}

static const char *new_id(struct ls_arena *mem)
{
    char uuid[37], id[ID_SIZE] = "scd_";
    size_t n = 4;

    ls_uuid_new(uuid);
    for (size_t i = 0; uuid[i] && n < ID_SIZE - 1; i++)
        if (uuid[i] != '-')
            id[n++] = uuid[i];
    id[n] = '\0';
    return ls_arena_text(mem, id);
}

static const char *trimmed(const char *text, struct ls_arena *mem)
{
    size_t size;

    text += strspn(text, " \t");
    size = strlen(text);
    while (size && strchr(" \t", text[size - 1]))
        size--;
    return ls_arena_text_n(mem, text, size);
}

/* One that is there is replaced, but only one that was made here. */
static enum ls_code may_replace(struct ls_call *call, const char *id, struct ls_error *err)
{
    struct ls_schedule old;
    const enum ls_code rc = ls_state_schedule_find(call->ls->state, id, call->mem, &old, err);

    if (rc == LS_OK && (old.action != LS_ACTION_MESSAGE || strcmp(old.origin, "config") == 0))
        return ls_error_set(err, LS_CONFLICT,
                            "there is a schedule %.100s already that was not made over this API",
                            id);
    return rc == LS_NOT_FOUND ? LS_OK : rc;
}

static enum ls_code fill(struct ls_call *call, const struct ls_letter *letter,
                         struct ls_schedule *s, struct ls_error *err)
{
    const char *cron = header(letter, "upstash-cron"), *id = header(letter, "upstash-schedule-id");
    struct ls_buf extra;

    if (!cron || !*cron)
        return ls_error_set(err, LS_USAGE, "the header Upstash-Cron is missing");
    ls_buf_init(&extra, 0);
    ls_letter_write_headers(&extra, letter);
    *s = (struct ls_schedule){.id = id && *id ? id : new_id(call->mem),
                              .cron = trimmed(cron, call->mem),
                              .target = letter->destination,
                              .body = letter->body,
                              .body_size = letter->body_size,
                              .origin = "api",
                              .extra = extra.failed ? NULL
                                                    : ls_arena_text(call->mem, ls_buf_str(&extra))};
    ls_buf_done(&extra);
    ls_schedule_defaults(s, LS_ACTION_MESSAGE);
    return s->id && s->cron && s->extra ? LS_OK : ls_error_nomem(err);
}

static enum ls_code answer_id(struct ls_call *call, const char *id, struct ls_response *ret,
                              struct ls_error *err)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_text(&out, "scheduleId", id);
    ls_write_close(&out, '}');
    return ls_answer(call, &out, ret, err);
}

static enum ls_code post_schedule(struct ls_call *call, struct ls_response *ret,
                                  struct ls_error *err)
{
    struct ls_letter letter;
    struct ls_guard guard = {0};
    struct ls_schedule s;
    struct ls_mail mail;
    enum ls_code rc = ls_qstash_letter(call, &letter, err);

    if (rc == LS_OK)
        rc = ls_qstash_guard(call, &guard, err);
    if (rc == LS_OK)
        rc = ls_letter_read(&letter, &guard, call->mem, &mail, err);
    if (rc == LS_OK && mail.message.url)
        rc = ls_api_destination(call->ls, mail.message.url, call->mem, err);
    if (rc == LS_OK)
        rc = fill(call, &letter, &s, err);
    if (rc == LS_OK)
        rc = ls_api_state(call->ls, true, err);
    if (rc == LS_OK)
        rc = may_replace(call, s.id, err);
    if (rc == LS_OK)
        rc = ls_schedule_make(call->ls->state, &s, true, ls_clock_now_us(), err);
    if (rc == LS_USAGE || rc == LS_PERMISSION || rc == LS_CONFIG || rc == LS_UNSUPPORTED)
        ret->status = 400;
    return rc == LS_OK ? answer_id(call, s.id, ret, err) : rc;
}

/* ---- showing ---- */

/* How the message of its last firing fares. */
static enum ls_code write_last(struct ls_call *call, const struct ls_schedule *s,
                               struct ls_buf *out, struct ls_error *err)
{
    struct ls_state *state = call->ls->state;
    struct ls_firing *firings = NULL;
    struct ls_delivery_row *rows = NULL;
    struct ls_event event;
    char id[LS_MESSAGE_ID];
    size_t count = 0;
    enum ls_code rc = ls_state_firings(state, s->id, 0, 1, call->mem, &count, &firings, err);

    if (rc != LS_OK || count == 0)
        return rc;
    ls_message_id_of_firing(firings[0].id, id);
    rc = ls_queue_event(state, id, call->mem, &event, err);
    if (rc == LS_OK)
        rc = ls_queue_deliveries(state, event.seq, call->mem, &count, &rows, err);
    if (rc == LS_OK && count) {
        ls_write_open(out, "lastScheduleStates", '{');
        ls_write_text(out, id,
                      rows[0].state < LS_DELIVERY_DELIVERED    ? "IN_PROGRESS"
                      : rows[0].state == LS_DELIVERY_DELIVERED ? "SUCCESS"
                                                               : "FAIL");
        ls_write_close(out, '}');
    }
    return rc == LS_NOT_FOUND ? LS_OK : rc;
}

/* What is said of its message: as if it were taken now. */
static enum ls_code write_message(struct ls_call *call, const struct ls_schedule *sealed,
                                  struct ls_buf *out, struct ls_error *err)
{
    struct ls_schedule open = *sealed;
    const struct ls_schedule *s = &open;
    struct ls_letter letter = {
        .destination = s->target, .body = s->body, .body_size = s->body_size};
    struct ls_event event = {.id = "", .data = s->body ? s->body : "", .data_size = s->body_size};
    struct ls_parcel parcel = {.event = &event};
    struct ls_mail mail;
    const char *options = NULL;
    enum ls_code rc = ls_schedule_unseal(call->ls->state, &open, call->mem, err);

    if (rc == LS_OK)
        rc = ls_letter_read_headers(s->extra, call->mem, &letter, err);
    if (rc == LS_OK)
        rc = ls_letter_read(&letter, NULL, call->mem, &mail, err);
    if (rc == LS_OK && !(options = ls_mail_options(&mail, s->target, NULL, 0, call->mem)))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_kept_read(options, call->mem, &parcel.kept, err);
    if (rc != LS_OK)
        return rc;
    ls_write_i64(out, "retries", mail.message.retries);
    if (mail.delay_us)
        ls_write_i64(out, "delay", mail.delay_us / 1000000);
    ls_qstash_write_sending(out, &parcel);
    return write_last(call, s, out, err);
}

static enum ls_code write_schedule(struct ls_call *call, const struct ls_schedule *s,
                                   struct ls_buf *out, struct ls_error *err)
{
    const bool message = s->action == LS_ACTION_MESSAGE, url = s->action == LS_ACTION_POST;
    enum ls_code rc = LS_OK;

    ls_write_open(out, NULL, '{');
    ls_write_text(out, "scheduleId", s->id);
    ls_write_text(out, "cron", s->cron);
    ls_write_text(out, "destination",
                  message || url
                      ? s->target
                      : ls_arena_printf(call->mem, "lockstep:%s%s%s", ls_action_words[s->action],
                                        *s->target ? "/" : "", s->target));
    ls_write_i64(out, "createdAt", s->created_us / 1000);
    ls_write_bool(out, "isPaused", s->paused);
    if (s->last_us > s->created_us)
        ls_write_i64(out, "lastScheduleTime", s->last_us / 1000);
    if (!s->paused)
        ls_write_i64(out, "nextScheduleTime", s->next_us / 1000);
    if (message) {
        rc = write_message(call, s, out, err);
    } else {
        ls_write_text(out, "method", *s->method ? s->method : "POST");
        ls_write_i64(out, "retries", s->retries);
    }
    ls_write_close(out, '}');
    return rc;
}

static enum ls_code get_schedules(struct ls_call *call, struct ls_response *ret,
                                  struct ls_error *err)
{
    struct ls_schedule *list = NULL;
    struct ls_buf out;
    size_t count = 0;
    enum ls_code rc = ls_api_state(call->ls, true, err);

    if (rc == LS_OK)
        rc = ls_state_schedules(call->ls->state, call->mem, &count, &list, err);
    ls_buf_init(&out, 0);
    ls_buf_char(&out, '[');
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = write_schedule(call, &list[i], &out, err);
    ls_buf_char(&out, ']');
    if (rc == LS_OK)
        return ls_answer(call, &out, ret, err);
    ls_buf_done(&out);
    return rc;
}

static enum ls_code get_schedule(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    struct ls_schedule s;
    struct ls_buf out;
    enum ls_code rc = ls_api_state(call->ls, true, err);

    if (rc == LS_OK)
        rc = ls_state_schedule_find(call->ls->state, ls_request_param(call->request, "schedule"),
                                    call->mem, &s, err);
    ls_buf_init(&out, 0);
    if (rc == LS_OK)
        rc = write_schedule(call, &s, &out, err);
    if (rc == LS_OK)
        return ls_answer(call, &out, ret, err);
    ls_buf_done(&out);
    return rc;
}

/* ---- changing ---- */

static enum ls_code set_paused(struct ls_call *call, bool paused, struct ls_error *err)
{
    bool changed;
    enum ls_code rc = ls_api_state(call->ls, true, err);

    if (rc == LS_OK)
        rc = ls_schedule_pause(call->ls->state, ls_request_param(call->request, "schedule"), paused,
                               ls_clock_now_us(), &changed, err);
    return rc;
}

static enum ls_code post_pause(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    (void)ret;
    return set_paused(call, true, err);
}

static enum ls_code post_resume(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    (void)ret;
    return set_paused(call, false, err);
}

/* What /api/v1 lets admins remove, admins remove here. */
static enum ls_code may_remove(const struct ls_call *call, const struct ls_schedule *s,
                               struct ls_error *err)
{
    if (strcmp(s->origin, "config") == 0)
        return ls_error_set(err, LS_CONFLICT,
                            "the schedule %.100s stands in the configuration: remove it there, or "
                            "pause it",
                            s->id);
    if (s->action != LS_ACTION_MESSAGE && !ls_role_may(call->caller->role, LS_ROLE_ADMIN))
        return ls_error_set(err, LS_CONFLICT,
                            "the schedule %.100s was not made over this API: an admin removes it",
                            s->id);
    return LS_OK;
}

static enum ls_code delete_schedule(struct ls_call *call, struct ls_response *ret,
                                    struct ls_error *err)
{
    const char *id = ls_request_param(call->request, "schedule");
    struct ls_schedule s;
    enum ls_code rc = ls_api_state(call->ls, true, err);

    (void)ret;
    if (rc == LS_OK)
        rc = ls_state_schedule_find(call->ls->state, id, call->mem, &s, err);
    if (rc == LS_OK)
        rc = may_remove(call, &s, err);
    return rc == LS_OK ? ls_state_schedule_drop(call->ls->state, id, err) : rc;
}

static enum ls_code post_trigger(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    char firing[37], id[LS_MESSAGE_ID];
    struct ls_buf out;
    enum ls_code rc = ls_api_state(call->ls, true, err);

    if (rc == LS_OK)
        rc = ls_state_firing_ask(call->ls->state, ls_request_param(call->request, "schedule"),
                                 ls_clock_now_us(), firing, err);
    if (rc != LS_OK)
        return rc;
    ls_message_id_of_firing(firing, id);
    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_text(&out, "messageId", id);
    ls_write_close(&out, '}');
    return ls_answer(call, &out, ret, err);
}

#define READS (LS_ROUTE_DESK | LS_ROUTE_ERROR)
#define CHANGES (READS | LS_ROUTE_CHANGES | LS_ROUTE_ANY_TYPE)
#define CREATE(path_)                                                                     \
    LS_ROUTE("POST", path_, LS_ROLE_OPERATOR, .flags = CHANGES | LS_ROUTE_ANY_QUERY,      \
             .handle = post_schedule, .request = "Bytes", .response = "QstashScheduleId", \
             .body_max = BODY_MAX,                                                        \
             .summary = "Make or replace a schedule that sends a message to a URL or a URL group")
#define GET(path_)                                                                 \
    LS_ROUTE("GET", path_, LS_ROLE_VIEWER, .flags = READS, .handle = get_schedule, \
             .response = "QstashSchedule", .summary = "Show a schedule")
#define SWITCH(method_, word_, handle_, summary_)                                            \
    LS_ROUTE(method_, "/v2/schedules/{schedule}/" word_, LS_ROLE_OPERATOR, .flags = CHANGES, \
             .handle = (handle_), .request = "Nothing", .summary = (summary_))

static const struct ls_route routes[] = {
    CREATE("/v2/schedules/{schedule}"),
    CREATE("/v2/Schedules/{schedule}"), /* as the client for Go writes it */
    LS_ROUTE("GET", "/v2/schedules", LS_ROLE_VIEWER, .flags = READS, .handle = get_schedules,
             .response = "QstashSchedules", .summary = "List all schedules"),
    GET("/v2/schedules/{schedule}"),
    GET("/v2/Schedules/{schedule}"),
    LS_ROUTE("DELETE", "/v2/schedules/{schedule}", LS_ROLE_OPERATOR, .flags = CHANGES,
             .handle = delete_schedule, .summary = "Remove a schedule"),
    SWITCH("PATCH", "pause", post_pause, "Pause a schedule"),
    SWITCH("POST", "pause", post_pause, "Pause a schedule"),
    SWITCH("PATCH", "resume", post_resume, "Go on with a schedule"),
    SWITCH("POST", "resume", post_resume, "Go on with a schedule"),
    LS_ROUTE("POST", "/v2/schedules/{schedule}/trigger", LS_ROLE_OPERATOR, .flags = CHANGES,
             .handle = post_trigger, .request = "Nothing", .response = "QstashPosted",
             .summary = "Fire a schedule now, whatever its times say"),
};

const struct ls_route_table ls_routes_qstash_schedules =
    LS_ROUTE_TABLE("qstash schedules", "Schedules, as QStash's clients manage them.", routes);
