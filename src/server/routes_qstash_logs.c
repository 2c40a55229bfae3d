/* SPDX-License-Identifier: Apache-2.0 */
/* routes_qstash_logs.c - what happened to messages, as QStash's logs tell it.
 *
 * Nothing is written for them: they are told from the message, its delivery and its attempts. So they come by message, the newest message first, and
 * within one the newest entry first; the cursor stands between messages. They last as long as the events do. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "server/qstash.h"
#include "server/qstash_filter.h"

#define COUNT 100
#define STEP 100
#define LOOK_MAX 5000
#define ENTRIES_MAX 2100 /* of a message: two for each attempt, and its beginning and end */

struct entry {
    const char *state;
    int64_t at_us, next_us; /* next_us: of the next attempt; 0 */
    const struct ls_attempt *attempt;
};

struct history {
    struct entry *entries;
    size_t count;
};

static void add(struct history *h, const char *state, int64_t at_us,
                const struct ls_attempt *attempt)
{
    if (h->count < ENTRIES_MAX)
        h->entries[h->count++] = (struct entry){.state = state, .at_us = at_us, .attempt = attempt};
}

static bool is_good(const struct ls_attempt *a)
{
    return a->status >= 200 && a->status < 300;
}

/* In the order of time. */
static void tell(struct history *h, const struct ls_parcel *p, const struct ls_attempt *attempts,
                 size_t count)
{
    const struct ls_delivery_row *d = &p->delivery;

    h->count = 0;
    add(h, "CREATED", p->event->accepted_us, NULL);
    for (size_t i = 0; i < count; i++) {
        const struct ls_attempt *a = &attempts[i];
        const int64_t end_us = a->at_us + a->duration_us;

        add(h, "ACTIVE", a->at_us, NULL);
        if (is_good(a)) {
            add(h, "DELIVERED", end_us, a);
            continue;
        }
        add(h, "ERROR", end_us, a);
        if (i + 1 < count || d->state < LS_DELIVERY_DELIVERED)
            add(h, "RETRY", end_us, a);
        if (i + 1 == count && d->state == LS_DELIVERY_PENDING && h->count)
            h->entries[h->count - 1].next_us = d->due_us;
    }
    if (d->state == LS_DELIVERY_PROCESSING)
        add(h, "ACTIVE", d->due_us > p->event->accepted_us ? p->event->accepted_us : d->due_us,
            NULL);
    if (d->state == LS_DELIVERY_DEAD)
        add(h, "FAILED", d->done_us, p->last);
    if (d->state == LS_DELIVERY_DISCARDED)
        add(h, "CANCELED", d->done_us, NULL);
}

static bool state_fits(const struct ls_request *request, const char *state)
{
    bool any = false;

    for (size_t i = 0; i < request->query_count; i++) {
        if (strcmp(request->query[i].name, "state") != 0)
            continue;
        if (ls_text_equal_nocase(request->query[i].value, state))
            return true;
        any = true;
    }
    return !any;
}

static void write_entry(struct ls_buf *out, const struct ls_parcel *p, const struct entry *e)
{
    ls_write_open(out, NULL, '{');
    ls_write_i64(out, "time", e->at_us / 1000);
    ls_write_text(out, "state", e->state);
    ls_qstash_write(out, p);
    if (e->next_us)
        ls_write_i64(out, "nextDeliveryTime", e->next_us / 1000);
    if (e->attempt) {
        if (*e->attempt->error)
            ls_write_text(out, "error", e->attempt->error);
        ls_qstash_write_answer(out, e->attempt);
    }
    ls_write_close(out, '}');
}

struct walk {
    struct ls_buf *out;
    struct history history;
    size_t count, room, looked;
    int64_t last;
    bool more;
};

static enum ls_code look_at(struct ls_call *call, const struct ls_event *event,
                            struct ls_arena *mem, struct walk *w, struct ls_error *err)
{
    struct ls_attempt *attempts = NULL;
    struct ls_parcel parcel;
    size_t count = 0;
    enum ls_code rc = ls_qstash_parcel(call->ls->state, event, mem, &parcel, err);

    if (rc == LS_OK)
        rc = ls_queue_attempts(call->ls->state, event->seq, parcel.delivery.endpoint, mem, &count,
                               &attempts, err);
    if (rc != LS_OK)
        return rc == LS_NOT_FOUND || rc == LS_DATA ? LS_OK : rc;
    tell(&w->history, &parcel, attempts, count);
    for (size_t i = w->history.count; i-- > 0;) {
        const struct entry *e = &w->history.entries[i];

        if (!state_fits(call->request, e->state) ||
            !ls_qstash_fits(call->request, &parcel, e->at_us))
            continue;
        write_entry(w->out, &parcel, e);
        w->count++;
    }
    return LS_OK;
}

static enum ls_code page(struct ls_call *call, struct walk *w, struct ls_error *err)
{
    const struct ls_queue_filter filter = {.type = LS_MESSAGE_TYPE, .before_seq = w->last};
    struct ls_event *events = NULL;
    struct ls_arena mem;
    size_t count = 0, i = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_queue_events(call->ls->state, &filter, STEP, &mem, &count, &events, err);
    for (; i < count && w->count < w->room && rc == LS_OK; i++) {
        rc = look_at(call, &events[i], &mem, w, err);
        w->last = events[i].seq;
    }
    w->more = i < count || count == STEP;
    w->looked += count;
    ls_arena_done(&mem);
    return rc;
}

/* Of those that are named. */
static enum ls_code named(struct ls_call *call, const struct ls_texts *ids, struct walk *w,
                          struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < ids->count && rc == LS_OK; i++) {
        struct ls_event event;

        rc = ls_queue_event(call->ls->state, ids->texts[i], call->mem, &event, err);
        if (rc == LS_OK)
            rc = look_at(call, &event, call->mem, w, err);
        rc = rc == LS_NOT_FOUND ? LS_OK : rc;
    }
    return rc;
}

static enum ls_code write_all(struct ls_call *call, const struct ls_texts *ids, struct walk *w,
                              struct ls_error *err)
{
    enum ls_code rc = ls_qstash_filter_check(call->request, err);

    if (rc == LS_OK)
        rc = ls_qstash_count(call, COUNT, &w->room, err);
    if (rc == LS_OK)
        rc = ls_qstash_cursor(call, &w->last, err);
    if (rc == LS_OK &&
        !(w->history.entries = ls_arena_array(call->mem, ENTRIES_MAX, sizeof *w->history.entries)))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_api_state(call->ls, true, err);
    if (rc == LS_OK && ids->count)
        return named(call, ids, w, err);
    w->more = true;
    while (rc == LS_OK && w->more && w->count < w->room && w->looked < LOOK_MAX)
        rc = page(call, w, err);
    return rc;
}

static enum ls_code answer_logs(struct ls_call *call, const char *name, struct ls_response *ret,
                                struct ls_error *err)
{
    struct ls_texts ids = {0};
    struct ls_buf out;
    struct walk w = {.out = &out};
    char cursor[24];
    enum ls_code rc = ls_qstash_texts(call, "messageIds", &ids, err);

    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_open(&out, name, '[');
    if (rc == LS_OK)
        rc = write_all(call, &ids, &w, err);
    ls_write_close(&out, ']');
    (void)snprintf(cursor, sizeof cursor, "%" PRId64, w.last);
    if (w.more)
        ls_write_text(&out, "cursor", cursor);
    ls_write_close(&out, '}');
    if (rc == LS_OK)
        return ls_answer(call, &out, ret, err);
    ls_buf_done(&out);
    return rc;
}

static enum ls_code get_events(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    return answer_logs(call, "events", ret, err);
}

static enum ls_code get_logs(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    return answer_logs(call, "logs", ret, err);
}

#define READS (LS_ROUTE_DESK | LS_ROUTE_ERROR)
#define FILTERS "count cursor state messageId messageIds " LS_QSTASH_FILTERS

static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/v2/events", LS_ROLE_VIEWER, .flags = READS, .handle = get_events,
             .query = FILTERS, .response = "QstashEvents",
             .summary = "Tell what happened to messages, newest message first"),
    LS_ROUTE("GET", "/v2/logs", LS_ROLE_VIEWER, .flags = READS, .handle = get_logs,
             .query = FILTERS, .response = "QstashLogs",
             .summary = "The same under its newer name"),
};

const struct ls_route_table ls_routes_qstash_logs =
    LS_ROUTE_TABLE("qstash logs", "What happened to messages.", routes);
