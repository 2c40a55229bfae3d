/* SPDX-License-Identifier: Apache-2.0 */
/* routes_qstash_messages.c - messages that are on their way: shown, and cancelled. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "server/qstash.h"
#include "server/qstash_filter.h"

#define STEP 200 /* messages of a transaction, and that are looked at together */
#define ON_ITS_WAY \
    (1u << LS_DELIVERY_PENDING | 1u << LS_DELIVERY_PROCESSING | 1u << LS_DELIVERY_WAITING)

static enum ls_code no_message(const char *id, struct ls_error *err)
{
    return ls_error_set(err, LS_NOT_FOUND, "there is no message %.100s on its way", id);
}

/* ---- one ---- */

static enum ls_code get_message(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *id = ls_request_param(call->request, "message");
    struct ls_parcel parcel;
    struct ls_event event;
    struct ls_buf out;
    enum ls_code rc = ls_api_state(call->ls, true, err);

    if (rc == LS_OK)
        rc = ls_queue_event(call->ls->state, id, call->mem, &event, err);
    if (rc == LS_OK)
        rc = ls_qstash_parcel(call->ls->state, &event, call->mem, &parcel, err);
    if (rc == LS_NOT_FOUND || (rc == LS_OK && parcel.delivery.state >= LS_DELIVERY_DELIVERED))
        return no_message(id, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_qstash_write(&out, &parcel);
    ls_write_close(&out, '}');
    return ls_answer(call, &out, ret, err);
}

/* ---- cancelling ---- */

struct cancel {
    struct ls_queue_task task;
    size_t count;
    int64_t *events; /* numbers */
    int64_t cancelled;
};

static enum ls_code run_cancel(struct ls_queue_task *task, struct ls_queue_tx *tx,
                               struct ls_error *err)
{
    struct cancel *c = (struct cancel *)(void *)task;
    enum ls_code rc = LS_OK;

    c->cancelled = 0;
    for (size_t i = 0; i < c->count && rc == LS_OK; i++) {
        const struct ls_queue_filter filter = {.event = c->events[i], .states = ON_ITS_WAY};
        int64_t count = 0;

        rc = ls_queue_discard(tx, &filter, 1, &count, err);
        c->cancelled += count;
    }
    return rc;
}

static enum ls_code answer_cancelled(struct ls_call *call, int64_t count, struct ls_response *ret,
                                     struct ls_error *err)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_buf_printf(&out, "{\"cancelled\":%" PRId64 "}", count);
    return ls_answer(call, &out, ret, err);
}

/* Their numbers; those that are not there, or are no messages, are left out. */
static enum ls_code find_numbers(struct ls_call *call, const char *const *ids, size_t count,
                                 struct cancel *c, struct ls_error *err)
{
    enum ls_code rc = ls_api_state(call->ls, true, err);

    c->events = ls_arena_array(call->mem, count, sizeof *c->events);
    if (!c->events)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        struct ls_event event;

        rc = ls_queue_event(call->ls->state, ids[i], call->mem, &event, err);
        if (rc == LS_OK && strcmp(event.type, LS_MESSAGE_TYPE) == 0)
            c->events[c->count++] = event.seq;
        rc = rc == LS_NOT_FOUND ? LS_OK : rc;
    }
    return rc;
}

static enum ls_code cancel_ids(struct ls_call *call, const char *const *ids, size_t count,
                               int64_t *ret_cancelled, struct ls_response *ret,
                               struct ls_error *err)
{
    struct cancel c = {.task.run = run_cancel};
    struct ls_queue *queue = NULL;
    enum ls_code rc = ls_qstash_queue(call, &queue, ret, err);

    if (rc == LS_OK)
        rc = find_numbers(call, ids, count, &c, err);
    if (rc == LS_OK && c.count)
        rc = ls_queue_do(queue, &c.task, err);
    *ret_cancelled = c.cancelled;
    return rc;
}

static enum ls_code delete_message(struct ls_call *call, struct ls_response *ret,
                                   struct ls_error *err)
{
    const char *id = ls_request_param(call->request, "message");
    int64_t cancelled = 0;
    enum ls_code rc = cancel_ids(call, &id, 1, &cancelled, ret, err);

    if (rc == LS_OK && cancelled == 0)
        rc = no_message(id, err);
    return rc == LS_OK ? answer_cancelled(call, cancelled, ret, err) : rc;
}

/* Looks at the next messages, from *last on, for those that fit. */
static enum ls_code look(struct ls_call *call, struct cancel *c, int64_t *last, bool *ret_more,
                         struct ls_error *err)
{
    const struct ls_queue_filter filter = {
        .type = LS_MESSAGE_TYPE, .states = ON_ITS_WAY, .before_seq = *last};
    struct ls_event *events = NULL;
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_queue_events(call->ls->state, &filter, STEP, &mem, &count, &events, err);
    c->count = 0;
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        struct ls_parcel parcel;

        rc = ls_qstash_parcel(call->ls->state, &events[i], &mem, &parcel, err);
        if (rc == LS_OK && ls_qstash_fits(call->request, &parcel, events[i].accepted_us))
            c->events[c->count++] = events[i].seq;
        rc = rc == LS_NOT_FOUND || rc == LS_DATA ? LS_OK : rc;
        *last = events[i].seq;
    }
    *ret_more = count == STEP;
    ls_arena_done(&mem);
    return rc;
}

static enum ls_code cancel_fitting(struct ls_call *call, int64_t *ret_cancelled,
                                   struct ls_response *ret, struct ls_error *err)
{
    struct cancel c = {.task.run = run_cancel,
                       .events = ls_arena_array(call->mem, STEP, sizeof *c.events)};
    struct ls_queue *queue = NULL;
    int64_t last = 0;
    bool more = true;
    enum ls_code rc = c.events ? ls_qstash_queue(call, &queue, ret, err) : ls_error_nomem(err);

    *ret_cancelled = 0;
    if (rc == LS_OK)
        rc = ls_api_state(call->ls, true, err);
    while (rc == LS_OK && more) {
        rc = look(call, &c, &last, &more, err);
        if (rc == LS_OK && c.count)
            rc = ls_queue_do(queue, &c.task, err);
        *ret_cancelled += rc == LS_OK && c.count ? c.cancelled : 0;
    }
    return rc;
}

/* Older clients name them in the body. Without anything that says which, all are meant only where that is said by count. */
static enum ls_code delete_messages(struct ls_call *call, struct ls_response *ret,
                                    struct ls_error *err)
{
    static const struct ls_member members[] = {{"messageIds", LS_MEMBER_TEXTS, 0, false}};
    const struct ls_request *request = call->request;
    struct ls_texts ids = {0};
    int64_t cancelled = 0;
    enum ls_code rc = ls_qstash_filter_check(request, err);

    if (rc == LS_OK)
        rc = ls_qstash_texts(call, "messageIds", &ids, err);
    if (rc == LS_OK && request->body_size)
        rc = ls_body_read(call, members, 1, &ids, err);
    if (rc == LS_OK && !ids.count && request->query_count == 0)
        rc = ls_error_set(err, LS_USAGE,
                          "which messages? Say messageIds, a filter, or count for all of them");
    if (rc == LS_OK && ids.count)
        rc = cancel_ids(call, ids.texts, ids.count, &cancelled, ret, err);
    else if (rc == LS_OK)
        rc = cancel_fitting(call, &cancelled, ret, err);
    return rc == LS_OK ? answer_cancelled(call, cancelled, ret, err) : rc;
}

#define READS (LS_ROUTE_DESK | LS_ROUTE_ERROR)
#define CHANGES (READS | LS_ROUTE_CHANGES)

static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/v2/messages/{message}", LS_ROLE_VIEWER, .flags = READS, .handle = get_message,
             .response = "QstashMessage", .summary = "Show a message that is on its way"),
    LS_ROUTE("DELETE", "/v2/messages/{message}", LS_ROLE_OPERATOR, .flags = CHANGES,
             .handle = delete_message, .response = "QstashCancelled",
             .summary = "Cancel a message that is on its way"),
    LS_ROUTE("DELETE", "/v2/messages", LS_ROLE_OPERATOR, .flags = CHANGES,
             .handle = delete_messages, .query = "count cursor messageIds " LS_QSTASH_FILTERS,
             .request = "QstashMessageIds", .response = "QstashCancelled",
             .summary = "Cancel messages that are on their way, all that fit"),
};

const struct ls_route_table ls_routes_qstash_messages =
    LS_ROUTE_TABLE("qstash messages", "Messages that are on their way.", routes);
