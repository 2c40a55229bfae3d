/* SPDX-License-Identifier: Apache-2.0 */
/* routes_qstash_queues.c - queues and flow-control keys: both are lanes (publish.h), and what is said of them is said of their endpoint. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "event/deliver.h"
#include "server/qstash.h"
#include "server/qstash_filter.h"
#include "state/messages.h"

#define PARALLELISM_MAX 1000
#define RATE_MAX 1000000

/* ---- changing a lane ---- */

struct change {
    struct ls_queue_task task;
    struct ls_arena *mem;
    const char *name; /* of the endpoint */
    bool make;        /* where there is none */
    bool found;
    /* NULL: it is removed. */
    enum ls_code (*change)(const struct change *c, struct ls_endpoint *lane, struct ls_error *err);
    int64_t parallelism, rate, period_s; /* 0: not said */
    bool paused;
    unsigned pins;
};

static enum ls_code run_change(struct ls_queue_task *task, struct ls_queue_tx *tx,
                               struct ls_error *err)
{
    struct change *c = (struct change *)(void *)task;
    struct ls_endpoint lane;
    enum ls_code rc = ls_lane_read(tx->state, c->name, c->mem, &lane, &c->found, err);

    if (rc != LS_OK || (!c->found && !c->make))
        return rc;
    if (!c->found && ls_lane_new(c->name, c->mem, &lane) != LS_OK)
        return ls_error_nomem(err);
    if (!c->change) {
        tx->woken = UINT64_MAX;
        return ls_endpoint_remove(tx, lane.number, err);
    }
    rc = c->change(c, &lane, err);
    return rc == LS_OK ? ls_lane_write(tx, &lane, c->mem, err) : rc;
}

static enum ls_code do_change(struct ls_call *call, struct change *c, enum ls_lane_kind kind,
                              const char *name, struct ls_response *ret, struct ls_error *err)
{
    static const char *const words[] = {"queue", "flow-control key"};
    struct ls_queue *queue = NULL;
    enum ls_code rc = ls_qstash_queue(call, &queue, ret, err);

    if (rc == LS_OK && !ls_letter_name_fits(name))
        rc =
            ls_error_set(err, LS_USAGE,
                         "\"%.100s\" is no name of a %s: 1 to %d letters, digits, dots, dashes and "
                         "underscores",
                         name, words[kind], LS_MESSAGE_NAME_MAX);
    c->task.run = run_change;
    c->mem = call->mem;
    c->name = rc == LS_OK ? ls_lane_name(kind, name, call->mem) : NULL;
    if (rc == LS_OK && !c->name)
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_queue_do(queue, &c->task, err);
    if (rc == LS_OK && !c->found && !c->make)
        rc = ls_error_set(err, LS_NOT_FOUND, "there is no %s %.100s", words[kind], name);
    return rc;
}

static enum ls_code pause_it(const struct change *c, struct ls_endpoint *lane, struct ls_error *err)
{
    (void)err;
    lane->paused = c->paused;
    return LS_OK;
}

static enum ls_code set_paused(struct ls_call *call, enum ls_lane_kind kind, const char *param,
                               bool paused, struct ls_response *ret, struct ls_error *err)
{
    struct change c = {.change = pause_it, .paused = paused, .make = kind == LS_LANE_FLOW};

    return do_change(call, &c, kind, ls_request_param(call->request, param), ret, err);
}

/* ---- queues ---- */

static enum ls_code set_queue(const struct change *c, struct ls_endpoint *lane,
                              struct ls_error *err)
{
    (void)err;
    lane->concurrency = c->parallelism;
    lane->paused = c->paused;
    return LS_OK;
}

struct upsert {
    const char *name;
    int64_t parallelism;
    bool paused;
};

static enum ls_code post_queue(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    static const struct ls_member members[] = {
        {"queueName", LS_MEMBER_TEXT, offsetof(struct upsert, name), true},
        {"parallelism", LS_MEMBER_COUNT, offsetof(struct upsert, parallelism), false},
        {"paused", LS_MEMBER_BOOL, offsetof(struct upsert, paused), false}};
    struct upsert wish = {.parallelism = 1};
    struct change c = {.change = set_queue, .make = true};
    enum ls_code rc = ls_body_read(call, members, sizeof members / sizeof *members, &wish, err);

    if (rc == LS_OK && (wish.parallelism < 1 || wish.parallelism > PARALLELISM_MAX))
        rc = ls_error_set(err, LS_USAGE, "parallelism is a number from 1 to %d", PARALLELISM_MAX);
    c.parallelism = wish.parallelism;
    c.paused = wish.paused;
    return rc == LS_OK ? do_change(call, &c, LS_LANE_QUEUE, wish.name, ret, err) : rc;
}

static enum ls_code delete_queue(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    struct change c = {.change = NULL};

    return do_change(call, &c, LS_LANE_QUEUE, ls_request_param(call->request, "queue"), ret, err);
}

static enum ls_code post_queue_pause(struct ls_call *call, struct ls_response *ret,
                                     struct ls_error *err)
{
    return set_paused(call, LS_LANE_QUEUE, "queue", true, ret, err);
}

static enum ls_code post_queue_resume(struct ls_call *call, struct ls_response *ret,
                                      struct ls_error *err)
{
    return set_paused(call, LS_LANE_QUEUE, "queue", false, ret, err);
}

/* What is on its way by it. */
static enum ls_code stats_of(struct ls_call *call, const struct ls_endpoint *lane,
                             struct ls_queue_stats *ret, struct ls_error *err)
{
    return ls_queue_stats(call->ls->state, lane->number, ret, err);
}

static enum ls_code write_queue(struct ls_call *call, const struct ls_endpoint_row *row,
                                struct ls_buf *out, struct ls_error *err)
{
    static const struct ls_seal_key none;
    struct ls_queue_stats s = {0};
    struct ls_endpoint lane;
    enum ls_code rc = ls_endpoint_from_row(row, &none, call->mem, &lane, err);

    if (rc == LS_OK)
        rc = stats_of(call, &lane, &s, err);
    ls_write_open(out, NULL, '{');
    ls_write_text(out, "name", strchr(row->name, ':') + 1);
    ls_write_i64(out, "createdAt", row->created_us / 1000);
    ls_write_i64(out, "updatedAt", row->updated_us / 1000);
    ls_write_i64(out, "parallelism", lane.concurrency);
    ls_write_i64(out, "lag", s.pending + s.failed + s.waiting);
    ls_write_bool(out, "paused", row->paused);
    ls_write_close(out, '}');
    return rc;
}

static enum ls_code get_queues(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_endpoint_row *rows = NULL;
    struct ls_buf out;
    size_t count = 0;
    enum ls_code rc = ls_api_state(call->ls, true, err);

    if (rc == LS_OK)
        rc = ls_endpoint_rows(call->ls->state, call->mem, &count, &rows, err);
    ls_buf_init(&out, 0);
    ls_buf_char(&out, '[');
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        if (strcmp(rows[i].origin, LS_ENDPOINT_OF_MESSAGES) != 0 ||
            !ls_text_starts(rows[i].name, "queue:"))
            continue;
        rc = write_queue(call, &rows[i], &out, err);
    }
    ls_buf_char(&out, ']');
    if (rc == LS_OK)
        return ls_answer(call, &out, ret, err);
    ls_buf_done(&out);
    return rc;
}

static enum ls_code find_lane(struct ls_call *call, enum ls_lane_kind kind, const char *name,
                              struct ls_endpoint_row *ret, bool *ret_found, struct ls_error *err)
{
    const char *full = ls_lane_name(kind, name, call->mem);
    enum ls_code rc = full ? ls_api_state(call->ls, true, err) : ls_error_nomem(err);

    if (rc == LS_OK)
        rc = ls_endpoint_row_named(call->ls->state, full, call->mem, ret, ret_found, err);
    return rc;
}

typedef enum ls_code write_lane(struct ls_call *call, const struct ls_endpoint_row *row,
                                struct ls_buf *out, struct ls_error *err);

/* One queue or key, as write has it. what: the word for it. */
static enum ls_code answer_lane(struct ls_call *call, enum ls_lane_kind kind, const char *what,
                                const char *name, write_lane *write, struct ls_response *ret,
                                struct ls_error *err)
{
    struct ls_endpoint_row row;
    struct ls_buf out;
    bool found = false;
    enum ls_code rc = find_lane(call, kind, name, &row, &found, err);

    if (rc == LS_OK && !found)
        rc = ls_error_set(err, LS_NOT_FOUND, "there is no %s %.100s", what, name);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    rc = write(call, &row, &out, err);
    if (rc == LS_OK)
        return ls_answer(call, &out, ret, err);
    ls_buf_done(&out);
    return rc;
}

static enum ls_code get_queue(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    return answer_lane(call, LS_LANE_QUEUE, "queue", ls_request_param(call->request, "queue"),
                       write_queue, ret, err);
}

/* ---- flow control ---- */

static enum ls_code write_flow(struct ls_call *call, const struct ls_endpoint_row *row,
                               struct ls_buf *out, struct ls_error *err)
{
    static const struct ls_seal_key none;
    struct ls_queue_stats s = {0};
    struct ls_endpoint lane;
    enum ls_code rc = ls_endpoint_from_row(row, &none, call->mem, &lane, err);

    if (rc == LS_OK)
        rc = stats_of(call, &lane, &s, err);
    ls_write_open(out, NULL, '{');
    ls_write_text(out, "flowControlKey", strchr(row->name, ':') + 1);
    ls_write_i64(out, "waitListSize", s.pending + s.failed + s.waiting);
    ls_write_i64(out, "parallelismMax", lane.concurrency == LS_LANE_ROOM ? 0 : lane.concurrency);
    ls_write_i64(out, "parallelismCount", s.processing);
    ls_write_i64(out, "rateMax", (int64_t)lane.rate);
    ls_write_i64(out, "rateCount", 0);
    ls_write_i64(out, "ratePeriod", lane.period_s);
    ls_write_i64(out, "ratePeriodStart", 0);
    ls_write_bool(out, "isPaused", row->paused);
    ls_write_bool(out, "isPinnedParallelism", lane.pinned & LS_PINNED_PARALLELISM);
    ls_write_bool(out, "isPinnedRate", lane.pinned & LS_PINNED_RATE);
    ls_write_close(out, '}');
    return rc;
}

static enum ls_code get_flow(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    return answer_lane(call, LS_LANE_FLOW, "flow-control key",
                       ls_request_param(call->request, "key"), write_flow, ret, err);
}

static enum ls_code get_global(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_queue_stats s = {0};
    struct ls_buf out;
    enum ls_code rc = ls_api_state(call->ls, true, err);

    if (rc == LS_OK)
        rc = ls_queue_stats(call->ls->state, 0, &s, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_buf_printf(&out, "{\"parallelismMax\":%d,\"parallelismCount\":%" PRId64 "}",
                  LS_DELIVER_IN_HAND, s.processing);
    return ls_answer(call, &out, ret, err);
}

static enum ls_code pin(const struct change *c, struct ls_endpoint *lane, struct ls_error *err)
{
    (void)err;
    if (c->parallelism) {
        lane->concurrency = c->parallelism;
        lane->pinned |= LS_PINNED_PARALLELISM;
    }
    if (c->rate) {
        lane->rate = (double)c->rate;
        lane->period_s = c->period_s ? c->period_s : 1;
        lane->pinned |= LS_PINNED_RATE;
    }
    return LS_OK;
}

static enum ls_code unpin(const struct change *c, struct ls_endpoint *lane, struct ls_error *err)
{
    (void)err;
    lane->pinned &= ~c->pins;
    return LS_OK;
}

static enum ls_code reset_rate(const struct change *c, struct ls_endpoint *lane,
                               struct ls_error *err)
{
    (void)c;
    (void)err;
    lane->rate_resets++;
    return LS_OK;
}

static enum ls_code query_number(const struct ls_call *call, const char *name, int64_t max,
                                 int64_t *ret, struct ls_error *err)
{
    const char *text = ls_request_query(call->request, name);

    if (text && (!ls_text_to_i64(text, strlen(text), ret) || *ret < 1 || *ret > max))
        return ls_error_set(err, LS_USAGE, "%s is a number from 1 to %" PRId64, name, max);
    return LS_OK;
}

static enum ls_code post_pin(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *period = ls_request_query(call->request, "period");
    struct change c = {.change = pin, .make = true};
    enum ls_code rc = query_number(call, "parallelism", PARALLELISM_MAX, &c.parallelism, err);

    if (rc == LS_OK)
        rc = query_number(call, "rate", RATE_MAX, &c.rate, err);
    if (rc == LS_OK && period) {
        c.period_s = ls_letter_duration_s(period, LS_ENDPOINT_PERIOD_MAX_S);
        if (c.period_s < 1)
            rc = ls_error_set(err, LS_USAGE, "period is a duration such as 1m, at most 7d");
    }
    if (rc == LS_OK && !c.parallelism && !c.rate)
        rc = ls_error_set(err, LS_USAGE, "what is to be pinned? Say parallelism, rate or both");
    return rc == LS_OK
               ? do_change(call, &c, LS_LANE_FLOW, ls_request_param(call->request, "key"), ret, err)
               : rc;
}

static bool said(const struct ls_call *call, const char *name)
{
    const char *text = ls_request_query(call->request, name);

    return text && strcmp(text, "true") == 0;
}

static enum ls_code post_unpin(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct change c = {.change = unpin,
                       .pins = (said(call, "parallelism") ? LS_PINNED_PARALLELISM : 0u) |
                               (said(call, "rate") ? LS_PINNED_RATE : 0u)};

    return do_change(call, &c, LS_LANE_FLOW, ls_request_param(call->request, "key"), ret, err);
}

static enum ls_code post_reset(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct change c = {.change = reset_rate};

    return do_change(call, &c, LS_LANE_FLOW, ls_request_param(call->request, "key"), ret, err);
}

static enum ls_code post_flow_pause(struct ls_call *call, struct ls_response *ret,
                                    struct ls_error *err)
{
    return set_paused(call, LS_LANE_FLOW, "key", true, ret, err);
}

static enum ls_code post_flow_resume(struct ls_call *call, struct ls_response *ret,
                                     struct ls_error *err)
{
    return set_paused(call, LS_LANE_FLOW, "key", false, ret, err);
}

#define READS (LS_ROUTE_DESK | LS_ROUTE_ERROR)
#define CHANGES (READS | LS_ROUTE_CHANGES | LS_ROUTE_ANY_TYPE)
#define CHANGE(path_, handle_, summary_, ...)                                        \
    LS_ROUTE("POST", path_, LS_ROLE_OPERATOR, .flags = CHANGES, .handle = (handle_), \
             .request = "Nothing", .summary = (summary_), __VA_ARGS__)

static const struct ls_route routes[] = {
    LS_ROUTE("POST", "/v2/queues", LS_ROLE_OPERATOR, .flags = CHANGES, .handle = post_queue,
             .request = "QstashQueueWish", .summary = "Make a queue, or change it"),
    LS_ROUTE("GET", "/v2/queues", LS_ROLE_VIEWER, .flags = READS, .handle = get_queues,
             .response = "QstashQueues", .summary = "List the queues of messages"),
    LS_ROUTE("GET", "/v2/queues/{queue}", LS_ROLE_VIEWER, .flags = READS, .handle = get_queue,
             .response = "QstashQueue", .summary = "Show a queue of messages"),
    LS_ROUTE("DELETE", "/v2/queues/{queue}", LS_ROLE_OPERATOR, .flags = CHANGES,
             .handle = delete_queue, .summary = "Remove a queue; its messages are discarded"),
    CHANGE("/v2/queues/{queue}/pause", post_queue_pause, "Pause a queue; its messages wait", ),
    CHANGE("/v2/queues/{queue}/resume", post_queue_resume, "Go on with a queue", ),
    LS_ROUTE("GET", "/v2/flowControl/{key}", LS_ROLE_VIEWER, .flags = READS, .handle = get_flow,
             .response = "QstashFlow", .summary = "Show a flow-control key"),
    LS_ROUTE("GET", "/v2/globalParallelism", LS_ROLE_VIEWER, .flags = READS, .handle = get_global,
             .response = "QstashParallelism",
             .summary = "Show how many deliveries there are at once, and may be"),
    CHANGE("/v2/flowControl/{key}/pause", post_flow_pause, "Pause a flow-control key", ),
    CHANGE("/v2/flowControl/{key}/resume", post_flow_resume, "Go on with a flow-control key", ),
    CHANGE("/v2/flowControl/{key}/pin", post_pin,
           "Set parallelism and rate of a key, whatever its messages say",
           .query = "parallelism rate period"),
    CHANGE("/v2/flowControl/{key}/unpin", post_unpin, "Let messages say parallelism and rate again",
           .query = "parallelism rate"),
    CHANGE("/v2/flowControl/{key}/resetRate", post_reset, "Begin to count the rate anew", ),
};

const struct ls_route_table ls_routes_qstash_queues =
    LS_ROUTE_TABLE("qstash queues", "Queues and flow control of messages.", routes);
