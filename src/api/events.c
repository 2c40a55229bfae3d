/* SPDX-License-Identifier: Apache-2.0 */
/* events.c - events for people and programs: accept, look at, replay, discard. */
#include "api/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "model/jsontext.h"
#include "model/value.h"
#include "state/reserve.h"

#define LIMIT_DEFAULT 50
#define CHANGE_STEP 1000 /* deliveries of a transaction, of many */

struct ls_event_rules ls_api_event_rules(const struct lockstep *ls)
{
    struct ls_event_rules rules = {0};

    if (ls->config) {
        rules.types = ls->config->events.types;
        rules.type_count = ls->config->events.type_count;
    }
    return rules;
}

/* ---- accept ---- */

/* Who handed them in, in the commit that takes them. */
static enum ls_code note(struct lockstep *ls, struct ls_queue_tx *tx, const bool *known,
                         size_t count, struct ls_error *err)
{
    char detail[40];
    size_t taken = 0;

    for (size_t i = 0; i < count; i++)
        taken += !known[i];
    snprintf(detail, sizeof detail, "{\"events\":%zu}", taken);
    return ls_queue_audit(tx, ls_api_actor(ls), "emit", "", detail, err);
}

static enum ls_code accept_all(struct lockstep *ls, struct ls_event *events, bool *known,
                               size_t *sent, size_t count, bool hasten, struct ls_arena *mem,
                               struct ls_error *err)
{
    struct ls_endpoint *endpoints = NULL;
    struct ls_queue_tx tx;
    size_t endpoint_count = 0;
    int64_t *to;
    enum ls_code rc = ls_api_endpoints(ls, mem, &endpoint_count, &endpoints, err);

    if (rc != LS_OK)
        return rc;
    to = ls_arena_array(mem, endpoint_count, sizeof *to);
    if (!to)
        return ls_error_nomem(err);
    rc = ls_state_room(ls->state, err);
    if (rc == LS_OK)
        rc = ls_queue_begin(ls->state, ls_clock_now_us(), &tx, err);
    if (rc != LS_OK)
        return rc;
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        const size_t n = ls_route(endpoints, endpoint_count, events[i].type, to);

        rc = ls_queue_accept(&tx, &events[i], to, n, 0, &known[i], err);
        sent[i] = known[i] ? 0 : n;
        if (rc == LS_OK && hasten)
            rc = ls_queue_hasten(&tx, &events[i], err);
    }
    if (rc == LS_OK)
        rc = note(ls, &tx, known, count, err);
    return ls_queue_end(&tx, rc, err);
}

enum ls_code ls_api_emit(struct lockstep *ls, const struct ls_api_emission *e, struct ls_arena *mem,
                         size_t *ret_count, struct ls_event **ret, struct ls_error *err)
{
    const struct ls_event_rules rules = ls_api_event_rules(ls);
    bool *known = NULL;
    size_t *sent = NULL;
    enum ls_code rc = ls_events_read(e->json, e->size, e->lines, &rules, ls_clock_now_us(), mem,
                                     ret_count, ret, err);

    if (rc == LS_OK && (!(known = ls_arena_array(mem, *ret_count, sizeof *known)) ||
                        !(sent = ls_arena_array(mem, *ret_count, sizeof *sent))))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = accept_all(ls, *ret, known, sent, *ret_count, e->hasten, mem, err);
    for (size_t i = 0; rc == LS_OK && i < *ret_count && e->fn; i++)
        e->fn(e->ctx,
              &(const struct lockstep_accepted){(*ret)[i].id, (*ret)[i].seq, known[i], sent[i]});
    return rc;
}

int lockstep_emit(struct lockstep *ls, const char *json, size_t size, bool lines,
                  lockstep_accepted_fn *fn, void *ctx, struct lockstep_error *error)
{
    const struct ls_api_emission e = {json, size, lines, false, fn, ctx};
    struct ls_event *events = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_emit(ls, &e, &mem, &count, &events, &err);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

/* ---- filters ---- */

static const struct {
    const char *word;
    unsigned states;
} state_words[] = {
    {"pending", 1u << LS_DELIVERY_PENDING},     {"processing", 1u << LS_DELIVERY_PROCESSING},
    {"waiting", 1u << LS_DELIVERY_WAITING},     {"failed", 1u << LS_DELIVERY_PENDING},
    {"delivered", 1u << LS_DELIVERY_DELIVERED}, {"dead", 1u << LS_DELIVERY_DEAD},
    {"discarded", 1u << LS_DELIVERY_DISCARDED},
};
#define STATE_WORDS (sizeof state_words / sizeof *state_words)

static enum ls_code filter_state(const char *state, struct ls_queue_filter *ret,
                                 struct ls_error *err)
{
    for (size_t i = 0; i < STATE_WORDS; i++)
        if (strcmp(state_words[i].word, state) == 0) {
            ret->states = state_words[i].states;
            ret->failed = strcmp(state, "failed") == 0;
            return LS_OK;
        }
    return ls_error_set(err, LS_USAGE,
                        "there is no state \"%.60s\" of a delivery: pending, processing, waiting, "
                        "failed, delivered, dead or discarded",
                        state);
}

/* Microseconds of "90s", "15m", "2h", "7d"; 0: it is none of these. */
static int64_t ago_us(const char *text)
{
    static const struct {
        char unit;
        int64_t us;
    } units[] = {{'s', 1000000},
                 {'m', 60 * (int64_t)1000000},
                 {'h', 3600 * (int64_t)1000000},
                 {'d', 86400 * (int64_t)1000000}};
    const size_t digits = strspn(text, "0123456789");
    int64_t n = 0;

    if (digits == 0 || digits > 6 || text[digits + 1 - !text[digits]] ||
        !ls_text_to_i64(text, digits, &n))
        return 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (units[i].unit == text[digits])
            return n * units[i].us;
    return 0;
}

/* text NULL: any time, *ret stays. */
static enum ls_code filter_time(const char *name, const char *text, struct ls_arena *mem,
                                int64_t *ret, struct ls_error *err)
{
    const int64_t ago = text ? ago_us(text) : 0;
    struct ls_value v = {0};

    if (!text)
        return LS_OK;
    if (ago)
        v.i = ls_clock_now_us() - ago;
    else if (ls_value_from_text(LS_T_TIMESTAMPTZ, text, strlen(text), mem, &v, err) != LS_OK ||
             v.i <= 0 || v.i == LS_TIME_INFINITY)
        return ls_error_set(err, LS_USAGE,
                            "%s is a time such as 2026-01-31T12:00:00Z, or one ago such as 2h",
                            name);
    *ret = v.i;
    return LS_OK;
}

/* The state is open. */
static enum ls_code filter_of(struct lockstep *ls, const struct lockstep_event_filter *f,
                              struct ls_arena *mem, struct ls_queue_filter *ret,
                              struct ls_error *err)
{
    struct ls_event event;
    enum ls_code rc = LS_OK;

    *ret = (struct ls_queue_filter){
        .type = f->type, .resource_id = f->resource, .before_seq = f->before_seq};
    if (f->id) {
        rc = ls_queue_event(ls->state, f->id, mem, &event, err);
        ret->event = rc == LS_OK ? event.seq : 0;
    }
    if (rc == LS_OK)
        rc = filter_time("since", f->since, mem, &ret->after_us, err);
    if (rc == LS_OK)
        rc = filter_time("until", f->until, mem, &ret->before_us, err);
    if (rc == LS_OK && f->state)
        rc = filter_state(f->state, ret, err);
    if (rc == LS_OK && f->endpoint)
        rc = ls_api_endpoint_number(ls, f->endpoint, mem, &ret->endpoint, err);
    return rc;
}

/* ---- looking ---- */

/* How a delivery is called outside: a pending one that has been tried is failed. */
static const char *delivery_word(const struct ls_delivery_row *d)
{
    return d->state == LS_DELIVERY_PENDING && d->attempts > 0 ? "failed"
                                                              : ls_delivery_state_word(d->state);
}

/* What an event is called by its deliveries: the first of these that one of them is. One that goes nowhere is delivered. */
static const char *event_status(const struct ls_delivery_row *rows, size_t count)
{
    static const char *const order[] = {"dead",    "processing", "failed",
                                        "pending", "waiting",    "delivered"};

    for (size_t w = 0; w < sizeof order / sizeof *order; w++)
        for (size_t i = 0; i < count; i++)
            if (strcmp(delivery_word(&rows[i]), order[w]) == 0)
                return strcmp(order[w], "waiting") == 0 ? "pending" : order[w];
    return count ? "discarded" : "delivered";
}

static void add_time(struct ls_buf *out, const char *name, int64_t us)
{
    char at[25];

    ls_clock_iso(us, at);
    if (us)
        ls_buf_printf(out, ",\"%s\":\"%s\"", name, at);
    else
        ls_buf_printf(out, ",\"%s\":null", name);
}

/* The event's line, open at its end. */
static void begin_event(struct ls_buf *out, const struct ls_event *e,
                        const struct ls_delivery_row *rows, size_t count)
{
    size_t delivered = 0;

    for (size_t i = 0; i < count; i++)
        delivered += rows[i].state == LS_DELIVERY_DELIVERED;
    ls_buf_printf(out, "{\"seq\":%" PRId64, e->seq);
    ls_json_member(out, "id", e->id);
    ls_json_member(out, "type", e->type);
    ls_json_member(out, "resourceId", e->resource_id);
    ls_json_member(out, "resourceType", e->resource_type);
    add_time(out, "timestamp", e->at_us);
    add_time(out, "accepted_at", e->accepted_us);
    ls_json_member(out, "status", event_status(rows, count));
    ls_buf_printf(out, ",\"deliveries\":%zu,\"delivered\":%zu", count, delivered);
}

static enum ls_code tell_event(struct lockstep *ls, const struct ls_event *e, lockstep_event_fn *fn,
                               void *ctx, struct ls_arena *mem, struct ls_error *err)
{
    struct ls_delivery_row *rows = NULL;
    struct lockstep_event event = {.seq = e->seq,
                                   .at_us = e->at_us,
                                   .accepted_us = e->accepted_us,
                                   .id = e->id,
                                   .type = e->type,
                                   .resource_type = e->resource_type,
                                   .resource = e->resource_id};
    struct ls_buf json;
    enum ls_code rc = ls_queue_deliveries(ls->state, e->seq, mem, &event.deliveries, &rows, err);

    if (rc != LS_OK)
        return rc;
    for (size_t i = 0; i < event.deliveries; i++)
        event.delivered += rows[i].state == LS_DELIVERY_DELIVERED;
    event.status = event_status(rows, event.deliveries);
    ls_buf_init(&json, 0);
    begin_event(&json, e, rows, event.deliveries);
    ls_buf_char(&json, '}');
    event.json = ls_buf_str(&json);
    if (event.json)
        fn(ctx, &event);
    else
        rc = ls_error_nomem(err);
    ls_buf_done(&json);
    return rc;
}

int lockstep_events(struct lockstep *ls, const struct lockstep_event_filter *filter,
                    lockstep_event_fn *fn, void *ctx, struct lockstep_error *error)
{
    static const struct lockstep_event_filter all;
    struct ls_queue_filter f;
    struct ls_event *events = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc = ls_api_state(ls, false, &err);

    if (rc == LS_NOT_FOUND)
        return LOCKSTEP_OK;
    ls_arena_init(&mem, 0);
    filter = filter ? filter : &all;
    if (rc == LS_OK)
        rc = filter_of(ls, filter, &mem, &f, &err);
    if (rc == LS_OK)
        rc = ls_queue_events(ls->state, &f, filter->limit ? filter->limit : LIMIT_DEFAULT, &mem,
                             &count, &events, &err);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = tell_event(ls, &events[i], fn, ctx, &mem, &err);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

static enum ls_code add_tries(struct lockstep *ls, struct ls_buf *out,
                              const struct ls_delivery_row *d, struct ls_arena *mem,
                              struct ls_error *err)
{
    struct ls_attempt *tries = NULL;
    size_t count = 0;
    enum ls_code rc = ls_queue_attempts(ls->state, d->event, d->endpoint, mem, &count, &tries, err);

    ls_buf_text(out, ",\"tries\":[");
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        const struct ls_attempt *t = &tries[i];

        ls_buf_printf(out, "%s{\"number\":%" PRId64, i ? "," : "", t->number);
        add_time(out, "at", t->at_us);
        ls_buf_printf(out, ",\"duration_ms\":%" PRId64 ",\"status\":%d", t->duration_us / 1000,
                      t->status);
        ls_json_member(out, "address", t->address);
        ls_json_member(out, "error", t->error);
        ls_buf_text(out, ",\"answer\":");
        ls_text_json(out, t->answer, t->answer_size);
        ls_buf_char(out, '}');
    }
    ls_buf_char(out, ']');
    return rc;
}

static const char *endpoint_name(const struct ls_endpoint_row *rows, size_t count, int64_t number)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].number == number)
            return rows[i].name;
    return ""; /* removed since */
}

static enum ls_code show_event(struct lockstep *ls, const char *id, struct ls_arena *mem,
                               struct ls_buf *out, struct ls_error *err)
{
    struct ls_event e;
    struct ls_delivery_row *rows = NULL;
    struct ls_endpoint_row *endpoints = NULL;
    size_t count = 0, endpoint_count = 0;
    enum ls_code rc = ls_queue_event(ls->state, id, mem, &e, err);

    if (rc == LS_OK)
        rc = ls_queue_deliveries(ls->state, e.seq, mem, &count, &rows, err);
    if (rc == LS_OK)
        rc = ls_endpoint_rows(ls->state, mem, &endpoint_count, &endpoints, err);
    if (rc != LS_OK)
        return rc;
    begin_event(out, &e, rows, count);
    ls_buf_text(out, ",\"data\":");
    if (ls_json_valid(e.data, e.data_size))
        ls_buf_add(out, e.data, e.data_size);
    else
        ls_text_json(out, e.data, e.data_size);
    ls_buf_text(out, ",\"to\":[");
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        ls_buf_text(out, i ? ",{" : "{");
        ls_buf_text(out, "\"endpoint\":");
        ls_text_json(out, endpoint_name(endpoints, endpoint_count, rows[i].endpoint),
                     strlen(endpoint_name(endpoints, endpoint_count, rows[i].endpoint)));
        ls_json_member(out, "state", delivery_word(&rows[i]));
        ls_buf_printf(out, ",\"attempts\":%" PRId64, rows[i].attempts);
        add_time(out, "due_at", rows[i].due_us);
        add_time(out, "done_at", rows[i].done_us);
        ls_json_member(out, "reason", rows[i].reason);
        rc = add_tries(ls, out, &rows[i], mem, err);
        ls_buf_char(out, '}');
    }
    ls_buf_text(out, "]}");
    return rc;
}

int lockstep_event_show(struct lockstep *ls, const char *id, char **ret_json,
                        struct lockstep_error *error)
{
    struct ls_error err = {0};
    struct ls_arena mem;
    struct ls_buf out;
    enum ls_code rc = ls_api_state(ls, false, &err);

    ls_arena_init(&mem, 0);
    ls_buf_init(&out, 0);
    if (rc == LS_OK)
        rc = show_event(ls, id, &mem, &out, &err);
    if (rc == LS_OK) {
        *ret_json = out.failed ? NULL : strdup(ls_buf_str(&out));
        rc = *ret_json ? LS_OK : ls_error_nomem(&err);
    }
    ls_buf_done(&out);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

int lockstep_queue_stats(struct lockstep *ls, struct lockstep_queue_stats *ret,
                         struct lockstep_error *error)
{
    struct ls_queue_stats stats = {0};
    struct ls_error err = {0};
    enum ls_code rc = ls_api_state(ls, false, &err);

    if (rc == LS_OK)
        rc = ls_queue_stats(ls->state, 0, &stats, &err);
    else if (rc == LS_NOT_FOUND)
        rc = LS_OK;
    *ret = (struct lockstep_queue_stats){(uint64_t)stats.pending, (uint64_t)stats.processing,
                                         (uint64_t)stats.waiting, (uint64_t)stats.failed,
                                         (uint64_t)stats.dead,    stats.oldest_us};
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

/* ---- changing ---- */

typedef enum ls_code change_fn(struct ls_queue_tx *tx, const struct ls_queue_filter *f, size_t max,
                               int64_t every_us, int64_t *ret_count, struct ls_error *err);

static enum ls_code discard(struct ls_queue_tx *tx, const struct ls_queue_filter *f, size_t max,
                            int64_t every_us, int64_t *ret_count, struct ls_error *err)
{
    (void)every_us;
    return ls_queue_discard(tx, f, max, ret_count, err);
}

/* In steps, so that a daemon beside it is not kept from its own commits for long. Each step changes the state of what it took, so that the next
 * one finds others. Due times go on from step to step. */
static enum ls_code in_steps(struct lockstep *ls, const struct ls_queue_filter *f, change_fn *fn,
                             size_t limit, int64_t every_us, uint64_t *ret_count,
                             struct ls_error *err)
{
    const int64_t began_us = ls_clock_now_us();
    int64_t count = CHANGE_STEP;
    enum ls_code rc = LS_OK;

    while (rc == LS_OK && count == CHANGE_STEP && *ret_count < limit) {
        struct ls_queue_tx tx;
        const size_t left = limit - *ret_count;

        rc = ls_queue_begin(ls->state, began_us + (int64_t)*ret_count * every_us, &tx, err);
        if (rc != LS_OK)
            return rc;
        rc = ls_queue_end(
            &tx, fn(&tx, f, left < CHANGE_STEP ? left : CHANGE_STEP, every_us, &count, err), err);
        *ret_count += rc == LS_OK ? (uint64_t)count : 0;
    }
    if (rc == LS_NOT_FOUND && *ret_count) /* what is left is for endpoints that are gone */
        rc = LS_OK;
    return rc;
}

/* What the audit log says it was about. */
static const char *subject_of(const struct lockstep_event_filter *f)
{
    const char *const parts[] = {f->id, f->endpoint, f->resource, f->type};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i])
            return parts[i];
    return "all";
}

static int change(struct lockstep *ls, const struct lockstep_event_filter *filter,
                  const char *action, change_fn *fn, int64_t every_us, uint64_t *ret_count,
                  struct lockstep_error *error)
{
    struct ls_queue_filter f;
    struct ls_error err = {0};
    struct ls_arena mem;
    char detail[60];
    enum ls_code rc = ls_api_state(ls, false, &err);

    *ret_count = 0;
    ls_arena_init(&mem, 0);
    if (rc == LS_OK)
        rc = filter_of(ls, filter, &mem, &f, &err);
    if (rc == LS_OK && !f.states)
        f.states = 1u << LS_DELIVERY_DEAD;
    if (rc == LS_OK)
        f.done_before_us = ls_clock_now_us(); /* what is replayed may end again before all are */
    if (rc == LS_OK)
        rc = in_steps(ls, &f, fn, filter->limit ? filter->limit : SIZE_MAX, every_us, ret_count,
                      &err);
    if (rc == LS_OK) {
        snprintf(detail, sizeof detail, "{\"deliveries\":%" PRIu64 "}", *ret_count);
        rc = ls_api_audit(ls, action, subject_of(filter), detail, &err);
    }
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

int lockstep_events_replay(struct lockstep *ls, const struct lockstep_event_filter *filter,
                           double rate, uint64_t *ret_count, struct lockstep_error *error)
{
    return change(ls, filter, "events replay", ls_queue_replay,
                  rate > 0 ? (int64_t)(1e6 / rate) : 0, ret_count, error);
}

int lockstep_events_discard(struct lockstep *ls, const struct lockstep_event_filter *filter,
                            uint64_t *ret_count, struct lockstep_error *error)
{
    return change(ls, filter, "events discard", discard, 0, ret_count, error);
}
