/* SPDX-License-Identifier: Apache-2.0 */
/* schedule_json.c - schedules and their firings as JSON.
 *
 * One vocabulary: a setting has the name and the form that it has in lockstep.yaml ("timeout":"30s"), whether it comes from there, from the command
 * line, which makes JSON of its options, or over HTTP. What is read is the table of settings below; a member that is not in it is refused. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "api/schedules.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/text.h"
#include "model/jsonload.h"
#include "schedule/cron.h"
#include "schedule/manage.h"
#include "schedule/sealed.h"

#define DAY_MS INT64_C(86400000)

struct reader {
    const struct lockstep *ls;
    struct ls_arena *mem;
    struct ls_schedule *s;
};

typedef enum ls_code read_fn(struct reader *r, const char *name, const json_t *value,
                             struct ls_error *err);

/* ---- kinds of values ---- */

static enum ls_code take_text(struct reader *r, const char *name, const json_t *value,
                              const char **ret, struct ls_error *err)
{
    const char *text = json_string_value(value);

    if (!text || !*text)
        return ls_error_set(err, LS_USAGE, "%s is a text", name);
    *ret = ls_arena_text(r->mem, text);
    return *ret ? LS_OK : ls_error_nomem(err);
}

static enum ls_code take_word(const char *name, const json_t *value, const char *const *words,
                              size_t count, size_t *ret, struct ls_error *err)
{
    const char *text = json_string_value(value);
    char all[100] = "";
    size_t used = 0;

    for (size_t i = 0; text && i < count; i++)
        if (strcmp(text, words[i]) == 0) {
            *ret = i;
            return LS_OK;
        }
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s",
                                 i == 0           ? ""
                                 : i + 1 == count ? " or "
                                                  : ", ",
                                 words[i]);
    return ls_error_set(err, LS_USAGE, "%s is %s", name, all);
}

static enum ls_code take_duration(const char *name, const json_t *value, int64_t max_ms,
                                  int64_t *ret_ms, struct ls_error *err)
{
    const char *text = json_string_value(value);
    char expected[160];

    if (json_is_null(value)) {
        *ret_ms = 0;
        return LS_OK;
    }
    if (text && ls_duration_read(text, 1000, max_ms, ret_ms))
        return LS_OK;
    ls_duration_expected(1000, max_ms, expected);
    return ls_error_set(err, LS_USAGE, "%s: %s", name, expected);
}

/* ---- what it does ---- */

/* One that does something else from now on has the defaults of that. */
static void take_action(struct reader *r, enum ls_schedule_action action)
{
    if (!r->s->cron || r->s->action != action || !r->s->method)
        ls_schedule_defaults(r->s, action);
}

static enum ls_code read_sync(struct reader *r, const char *name, const json_t *value,
                              struct ls_error *err)
{
    const struct ls_config *c = r->ls->config;
    const char *near;
    enum ls_code rc;

    take_action(r, LS_ACTION_SYNC);
    rc = take_text(r, name, value, &r->s->target, err);
    if (rc != LS_OK)
        return rc;
    if (!c)
        return ls_error_set(err, LS_USAGE, "there is no configuration, so there is no sync \"%s\"",
                            r->s->target);
    for (size_t i = 0; i < c->sync_count; i++)
        if (strcmp(c->names[i], r->s->target) == 0)
            return LS_OK;
    near = ls_text_nearest(r->s->target, c->names, c->sync_count);
    return ls_error_set(err, LS_USAGE, "the configuration has no sync \"%s\"%s%s%s", r->s->target,
                        near ? ". Did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static enum ls_code read_queue(struct reader *r, const char *name, const json_t *value,
                               struct ls_error *err)
{
    take_action(r, LS_ACTION_QUEUE);
    r->s->target = "";
    return json_is_true(value) ? LS_OK
                               : ls_error_set(err, LS_USAGE, "%s is true, or left out", name);
}

static enum ls_code read_body(struct reader *r, const json_t *value, struct ls_error *err)
{
    char *copy;

    if (!json_is_string(value))
        return ls_error_set(err, LS_USAGE, "the body of a call is a text");
    r->s->body_size = json_string_length(value);
    copy = ls_arena_alloc(r->mem, r->s->body_size + 1);
    if (!copy)
        return ls_error_nomem(err);
    memcpy(copy, json_string_value(value), r->s->body_size + 1);
    r->s->body = copy;
    return LS_OK;
}

/* An object of texts is how the state keeps them. */
static enum ls_code read_headers(struct reader *r, const json_t *value, struct ls_error *err)
{
    char *text = json_is_object(value) ? json_dumps(value, JSON_COMPACT) : NULL;

    if (!json_is_object(value))
        return ls_error_set(err, LS_USAGE, "the headers of a call are an object of texts");
    r->s->headers = text ? ls_arena_text(r->mem, json_object_size(value) ? text : "") : NULL;
    free(text);
    return r->s->headers ? LS_OK : ls_error_nomem(err);
}

static enum ls_code read_call(struct reader *r, json_t *object, struct ls_error *err)
{
    static const char *const names[] = {"url", "method", "headers", "body"};
    enum ls_code rc = LS_OK;
    const char *name, *near;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        if (rc != LS_OK)
            break;
        if (strcmp(name, "url") == 0) {
            rc = take_text(r, name, value, &r->s->target, err);
        } else if (strcmp(name, "method") == 0) {
            rc = take_text(r, name, value, &r->s->method, err);
        } else if (strcmp(name, "headers") == 0) {
            rc = read_headers(r, value, err);
        } else if (strcmp(name, "body") == 0) {
            rc = read_body(r, value, err);
        } else {
            near = ls_text_nearest(name, names, sizeof names / sizeof *names);
            rc = ls_error_set(err, LS_USAGE, "post has no setting \"%.60s\"%s%s%s", name,
                              near ? ". Did you mean \"" : "", near ? near : "", near ? "\"?" : "");
        }
    }
    return rc;
}

static enum ls_code read_post(struct reader *r, const char *name, const json_t *value,
                              struct ls_error *err)
{
    enum ls_code rc;

    take_action(r, LS_ACTION_POST);
    if (json_is_string(value))
        return take_text(r, name, value, &r->s->target, err);
    if (!json_is_object(value))
        return ls_error_set(err, LS_USAGE,
                            "post is a URL, or an object with url, method, headers "
                            "and body");
    rc = read_call(r, (json_t *)(uintptr_t)value, err);
    if (rc == LS_OK && !*(r->s->target ? r->s->target : ""))
        rc = ls_error_set(err, LS_USAGE, "post needs a url");
    return rc;
}

/* ---- how it does it ---- */

static enum ls_code read_cron(struct reader *r, const char *name, const json_t *value,
                              struct ls_error *err)
{
    return take_text(r, name, value, &r->s->cron, err);
}

static enum ls_code read_optional(struct reader *r, const char *name, const json_t *value,
                                  const char **ret, struct ls_error *err)
{
    const char *text = json_string_value(value);

    if (json_is_null(value) || (text && !*text)) {
        *ret = "";
        return LS_OK;
    }
    return take_text(r, name, value, ret, err);
}

static enum ls_code read_zone(struct reader *r, const char *name, const json_t *value,
                              struct ls_error *err)
{
    return read_optional(r, name, value, &r->s->zone, err);
}

static enum ls_code read_hours(struct reader *r, const char *name, const json_t *value,
                               struct ls_error *err)
{
    return read_optional(r, name, value, &r->s->hours, err);
}

static enum ls_code read_overlap(struct reader *r, const char *name, const json_t *value,
                                 struct ls_error *err)
{
    size_t word = r->s->overlap;
    const enum ls_code rc = take_word(name, value, ls_overlap_words, LS_OVERLAP_COUNT, &word, err);

    r->s->overlap = (enum ls_overlap)word;
    return rc;
}

static enum ls_code read_catch_up(struct reader *r, const char *name, const json_t *value,
                                  struct ls_error *err)
{
    size_t word = r->s->catch_up;
    const enum ls_code rc =
        take_word(name, value, ls_catch_up_words, LS_CATCH_UP_COUNT, &word, err);

    r->s->catch_up = (enum ls_catch_up)word;
    return rc;
}

static enum ls_code read_within(struct reader *r, const char *name, const json_t *value,
                                struct ls_error *err)
{
    int64_t ms = r->s->catch_up_s * 1000;
    const enum ls_code rc = take_duration(name, value, 366 * DAY_MS, &ms, err);

    r->s->catch_up_s = ms / 1000;
    return rc;
}

static enum ls_code read_jitter(struct reader *r, const char *name, const json_t *value,
                                struct ls_error *err)
{
    int64_t ms = r->s->jitter_s * 1000;
    const enum ls_code rc = take_duration(name, value, DAY_MS, &ms, err);

    r->s->jitter_s = ms / 1000;
    return rc;
}

static enum ls_code read_timeout(struct reader *r, const char *name, const json_t *value,
                                 struct ls_error *err)
{
    return take_duration(name, value, 7 * DAY_MS, &r->s->timeout_ms, err);
}

static enum ls_code read_retries(struct reader *r, const char *name, const json_t *value,
                                 struct ls_error *err)
{
    const json_int_t n = json_integer_value(value);

    if (!json_is_integer(value) || n < 0 || n > 20)
        return ls_error_set(err, LS_USAGE, "%s is a number from 0 to 20", name);
    r->s->retries = n;
    return LS_OK;
}

static enum ls_code read_paused(struct reader *r, const char *name, const json_t *value,
                                struct ls_error *err)
{
    if (!json_is_boolean(value))
        return ls_error_set(err, LS_USAGE, "%s is true or false", name);
    r->s->paused = json_is_true(value);
    return LS_OK;
}

/* What it does stands first, because defaults hang on it. */
static const struct setting {
    const char *name;
    read_fn *read;
    bool action;
} settings[] = {
    {"sync", read_sync, true},          {"queue", read_queue, true},
    {"post", read_post, true},          {"cron", read_cron, false},
    {"zone", read_zone, false},         {"overlap", read_overlap, false},
    {"catch_up", read_catch_up, false}, {"catch_up_within", read_within, false},
    {"jitter", read_jitter, false},     {"hours", read_hours, false},
    {"timeout", read_timeout, false},   {"retries", read_retries, false},
    {"paused", read_paused, false},
};
#define SETTINGS (sizeof settings / sizeof *settings)

static enum ls_code unknown(const char *name, struct ls_error *err)
{
    const char *names[SETTINGS], *near;

    for (size_t i = 0; i < SETTINGS; i++)
        names[i] = settings[i].name;
    near = ls_text_nearest(name, names, SETTINGS);
    return ls_error_set(err, LS_USAGE, "a schedule has no setting \"%.60s\"%s%s%s", name,
                        near ? ". Did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static enum ls_code read_members(struct reader *r, json_t *object, struct ls_error *err)
{
    const bool fresh = !r->s->cron;
    size_t actions = 0;
    enum ls_code rc = LS_OK;
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        size_t i = 0;

        while (i < SETTINGS && strcmp(settings[i].name, name) != 0)
            i++;
        if (i == SETTINGS && !(fresh && strcmp(name, "id") == 0))
            return unknown(name, err);
        actions += i < SETTINGS && settings[i].action;
    }
    if (fresh && actions == 0)
        return ls_error_set(err, LS_USAGE,
                            "what is to be done? Give the schedule sync (a sync's name), queue "
                            "(true) or post (a URL)");
    if (actions > 1)
        return ls_error_set(err, LS_USAGE, "a schedule does one thing: sync, queue or post");
    if (fresh)
        rc = (value = json_object_get(object, "id")) != NULL
                 ? take_text(r, "id", value, &r->s->id, err)
                 : ls_error_set(err, LS_USAGE, "how is it called? Give the schedule an id");
    for (size_t i = 0; i < SETTINGS && rc == LS_OK; i++)
        if ((value = json_object_get(object, settings[i].name)) != NULL)
            rc = settings[i].read(r, settings[i].name, value, err);
    if (rc == LS_OK && !r->s->cron)
        rc = ls_error_set(err, LS_USAGE,
                          "when is it due? Give the schedule a cron expression, such as \"0 * * * "
                          "*\", every hour");
    return rc;
}

enum ls_code ls_api_schedule_read(const struct lockstep *ls, const char *json, size_t size,
                                  struct ls_arena *mem, struct ls_schedule *s, struct ls_error *err)
{
    struct reader r = {ls, mem, s};
    json_t *object = NULL;
    enum ls_code rc = ls_json_load(json, size, JSON_REJECT_DUPLICATES, &object, err);

    if (rc == LS_OK)
        rc = json_is_object(object) ? read_members(&r, object, err)
                                    : ls_error_set(err, LS_USAGE,
                                                   "a JSON object of settings is "
                                                   "expected");
    json_decref(object);
    return rc;
}

/* ---- writing ---- */

static void write_bool(struct ls_buf *out, const char *name, bool value)
{
    ls_buf_printf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void write_number(struct ls_buf *out, const char *name, int64_t value)
{
    ls_buf_printf(out, ",\"%s\":%" PRId64, name, value);
}

static void write_time(struct ls_buf *out, const char *name, int64_t us)
{
    char iso[25];

    if (us <= 0 || us == LS_CRON_NEVER) {
        ls_buf_printf(out, ",\"%s\":null", name);
        return;
    }
    ls_clock_iso(us, iso);
    ls_buf_printf(out, ",\"%s\":\"%s\"", name, iso);
}

static void write_duration(struct ls_buf *out, const char *name, int64_t ms)
{
    char text[32];

    if (ms == 0) {
        ls_buf_printf(out, ",\"%s\":null", name);
        return;
    }
    ls_duration_write(ms, text);
    ls_buf_printf(out, ",\"%s\":\"%s\"", name, text);
}

static void write_or_null(struct ls_buf *out, const char *name, const char *text)
{
    if (text && *text)
        ls_json_member(out, name, text);
    else
        ls_buf_printf(out, ",\"%s\":null", name);
}

static void write_open_names(struct ls_buf *out, const char *headers)
{
    json_t *object = *headers ? json_loads(headers, 0, NULL) : NULL;
    const char *name, *gap = "";
    json_t *value;

    json_object_foreach(object, name, value)
    {
        ls_buf_text(out, gap);
        ls_text_json(out, name, strlen(name));
        gap = ",";
    }
    json_decref(object);
}

static void write_header_names(struct ls_buf *out, const char *headers)
{
    const char *names = ls_schedule_sealed_names(headers), *gap = "";

    ls_buf_text(out, ",\"headers\":[");
    if (!names)
        write_open_names(out, headers);
    for (size_t length; names && (length = strcspn(names, " ")) > 0; gap = ",") {
        ls_buf_text(out, gap);
        ls_text_json(out, names, length);
        names += length + (names[length] == ' ');
    }
    ls_buf_char(out, ']');
}

static void write_what(struct ls_buf *out, const struct ls_schedule *s)
{
    ls_json_member(out, "action", ls_action_words[s->action]);
    if (s->action == LS_ACTION_SYNC) {
        ls_json_member(out, "sync", s->target);
    } else if (s->action == LS_ACTION_POST) {
        ls_buf_text(out, ",\"post\":{\"url\":");
        ls_text_json(out, s->target, strlen(s->target));
        ls_json_member(out, "method", s->method);
        write_header_names(out, s->headers);
        write_number(out, "body_bytes", (int64_t)s->body_size);
        ls_buf_char(out, '}');
    } else if (s->action == LS_ACTION_MESSAGE) {
        ls_buf_text(out, ",\"message\":{\"to\":");
        ls_text_json(out, s->target, strlen(s->target));
        write_number(out, "body_bytes", (int64_t)s->body_size);
        ls_buf_char(out, '}');
    } else {
        write_bool(out, "queue", true);
    }
}

/* The zone in which it counts, and its expression in words. */
static void write_when(struct ls_buf *out, const struct ls_schedule *s)
{
    struct ls_cron cron;
    struct ls_error ignored;
    const char *zone;
    struct ls_buf words;

    ls_json_member(out, "cron", s->cron);
    if (ls_cron_parse(s->cron, &cron, &ignored) != LS_OK)
        return; /* what is kept was checked */
    zone = *cron.zone ? cron.zone : s->zone && *s->zone ? s->zone : "UTC";
    ls_json_member(out, "zone", zone);
    ls_buf_init(&words, 0);
    ls_cron_describe(&cron, zone, &words);
    if (!words.failed)
        ls_json_member(out, "words", ls_buf_str(&words));
    ls_buf_done(&words);
}

void ls_api_firing_write(struct ls_buf *out, const struct ls_firing *f)
{
    ls_buf_printf(out, "{\"id\":\"%s\"", f->id);
    ls_json_member(out, "schedule", f->schedule);
    ls_json_member(out, "kind", ls_firing_kind_word(f->kind));
    ls_json_member(out, "state", ls_firing_state_word(f->state));
    write_time(out, "nominal_at", f->nominal_us);
    if (f->kind == LS_FIRING_PASSED)
        write_time(out, "until", f->until_us);
    write_number(out, "times", f->times);
    write_bool(out, "late", f->late);
    write_number(out, "attempts", f->attempt);
    write_number(out, "failures", f->failures);
    if (f->run)
        write_number(out, "run", f->run);
    else
        ls_buf_text(out, ",\"run\":null");
    write_time(out, "started_at", f->started_us);
    write_time(out, "ended_at", f->ended_us);
    write_time(out, "again_at", f->again_us);
    ls_json_member(out, "reason", f->reason);
    ls_buf_char(out, '}');
}

void ls_api_schedule_write(struct ls_buf *out, const struct ls_schedule *s,
                           const struct ls_firing *last)
{
    ls_buf_text(out, "{\"id\":");
    ls_text_json(out, s->id, strlen(s->id));
    write_when(out, s);
    write_what(out, s);
    ls_json_member(out, "overlap", ls_overlap_words[s->overlap]);
    ls_json_member(out, "catch_up", ls_catch_up_words[s->catch_up]);
    write_duration(out, "catch_up_within", s->catch_up_s * 1000);
    write_duration(out, "jitter", s->jitter_s * 1000);
    write_or_null(out, "hours", s->hours);
    write_duration(out, "timeout", s->timeout_ms);
    write_number(out, "retries", s->retries);
    write_bool(out, "paused", s->paused);
    ls_json_member(out, "origin", s->origin);
    write_or_null(out, "project", s->project);
    write_time(out, "created_at", s->created_us);
    write_time(out, "changed_at", s->changed_us);
    write_time(out, "next_at", s->paused ? 0 : s->next_us);
    write_time(out, "due_at", s->paused ? 0 : s->due_us);
    ls_buf_text(out, ",\"last\":");
    if (last)
        ls_api_firing_write(out, last);
    else
        ls_buf_text(out, "null");
    ls_buf_char(out, '}');
}
