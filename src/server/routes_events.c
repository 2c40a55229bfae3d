/* SPDX-License-Identifier: Apache-2.0 */
/* routes_events.c - events: accepting them, looking at them, and what is done about their deliveries. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/events.h"
#include "api/fate.h"
#include "base/clock.h"
#include "base/text.h"
#include "event/intake.h"
#include "lockstep.h"
#include "server/problem.h"
#include "server/server_priv.h"
#include "server/waits.h"
#include "server/write.h"

#define ITEMS_MAX 1000
#define ITEMS 50

/* The answer is what out holds; out is freed. */
static enum ls_code answer(struct ls_call *call, struct ls_buf *out, struct ls_response *ret,
                           struct ls_error *err)
{
    ret->body = out->failed ? NULL : ls_arena_copy(call->mem, ls_buf_str(out), out->size);
    ret->body_size = out->size;
    ls_buf_done(out);
    return ret->body ? LS_OK : ls_error_nomem(err);
}

/* What the library has refused. */
static enum ls_code refused(const struct lockstep_error *error, struct ls_response *ret,
                            struct ls_error *err)
{
    static const struct {
        const char *name;
        int status;
        enum ls_code code;
    } known[] = {
        {"not_found", 404, LS_NOT_FOUND}, {"usage", 400, LS_USAGE}, {"data", 400, LS_DATA},
        {"full", 507, LS_FULL},           {"busy", 503, LS_BUSY},   {"connect", 503, LS_CONNECT},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(error->name, known[i].name) == 0)
            return ls_refuse(ret, known[i].status, err, known[i].code, "%s", error->text);
    return ls_refuse(ret, 500, err, LS_INTERNAL, "%s", error->text);
}

static enum ls_code read_number(const struct ls_call *call, const char *name, int64_t most,
                                int64_t fallback, int64_t *ret, struct ls_response *response,
                                struct ls_error *err)
{
    const char *text = ls_request_query(call->request, name);

    *ret = fallback;
    if (text && (!ls_text_to_i64(text, strlen(text), ret) || *ret < 1 || *ret > most))
        return ls_refuse(response, 400, err, LS_USAGE, "%s is a number from 1 to %" PRId64, name,
                         most);
    return LS_OK;
}

/* ---- accepting ---- */

/* Who sent events, and what for. In the request's arena. */
struct emission {
    struct ls_server *server;
    struct ls_request *request;
    int64_t wait_us; /* until they have arrived; 0: until they are on disk */
};

static void write_accepted(struct ls_buf *out, const struct ls_accepted *accepted, bool arrived)
{
    ls_buf_text(out, "{\"accepted\":[");
    for (size_t i = 0; i < accepted->count; i++) {
        const struct ls_event *e = &accepted->events[i];

        ls_buf_text(out, i ? ",{\"seq\":" : "{\"seq\":");
        ls_buf_i64(out, e->seq);
        ls_json_member(out, "id", e->id);
        ls_buf_text(out, accepted->known[i] ? ",\"known\":true}" : ",\"known\":false}");
    }
    ls_buf_text(out, arrived ? "],\"delivered\":true}" : "]}");
}

/* What is answered when all went well; NULL: no memory. */
static const char *accepted_body(const struct emission *e, const struct ls_accepted *accepted,
                                 size_t *ret_size)
{
    const char *body;
    struct ls_buf out;

    ls_buf_init(&out, 0);
    write_accepted(&out, accepted, e->wait_us > 0);
    *ret_size = out.size;
    body = out.failed ? NULL : ls_arena_text(e->request->mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return body;
}

/* On the queue's thread. */
static void accepted(const struct ls_accepted *accepted, enum ls_code rc,
                     const struct ls_error *err)
{
    struct emission *e = accepted->ctx;
    struct ls_request *request = e->request;
    struct ls_server *server = e->server;
    const bool waits = e->wait_us > 0;
    struct ls_response response = {.status = 202};
    struct ls_error nomem = {0};

    if (rc == LS_OK) {
        response.body = accepted_body(e, accepted, &response.body_size);
        if (!response.body)
            rc = ls_error_nomem(&nomem);
    }
    if (rc == LS_OK && waits)
        rc = ls_waits_add(server->waits, request, accepted->events, accepted->count, e->wait_us,
                          response.body, &nomem);
    if (rc == LS_OK && waits)
        return; /* the request is theirs, and may be gone */
    if (waits)
        ls_waits_leave(server->waits);
    if (rc != LS_OK) {
        response.status = rc == LS_FULL ? 507 : 503;
        ls_response_header(&response, "Retry-After", "5");
        ls_problem(request, response.status, ls_code_name(rc),
                   rc == LS_NOMEM ? "out of memory" : err->text, &response);
    }
    ls_request_answer(request, &response);
}

/* wait=SECONDS of the query; *ret_us 0: there is none. */
static enum ls_code read_wait(struct ls_call *call, int64_t *ret_us, struct ls_response *ret,
                              struct ls_error *err)
{
    int64_t seconds = 0;
    enum ls_code rc = read_number(call, "wait", LS_FATE_WAIT_MAX_S, 0, &seconds, ret, err);

    *ret_us = seconds * 1000000;
    return rc;
}

static bool is_lines(const struct ls_request *request)
{
    const char *type = ls_request_header(request, "Content-Type");

    return type && (strncasecmp(type, "application/x-ndjson", 20) == 0 ||
                    strncasecmp(type, "application/jsonl", 17) == 0 ||
                    strncasecmp(type, "application/x-jsonlines", 23) == 0);
}

/* Hands them to the queue's thread, which answers. */
static enum ls_code take_events(struct ls_call *call, struct emission *e, struct ls_response *ret,
                                struct ls_error *err)
{
    struct ls_request *request = call->request;
    struct ls_audit_deed *deed = ls_audit_deed(call);
    struct ls_config *config = ls_setup_config(
        call->server->setup); /* as it is now: a reload may have brought other types */
    const struct ls_event_rules rules = {.types = config ? config->events.types : NULL,
                                         .type_count = config ? config->events.type_count : 0};
    enum ls_code rc;

    if (!deed) {
        ls_config_free(config);
        return ls_error_nomem(err);
    }
    ret->later = true;
    rc = ls_intake_read(call->server->options.intake, request->body, request->body_size,
                        is_lines(request), e->wait_us > 0, &rules, deed, accepted, e, err);
    ls_config_free(config);
    if (rc == LS_OK)
        return LS_OK; /* the request may be answered already */
    ret->later = false;
    ret->status = rc == LS_DATA ? 400 : 503;
    return rc;
}

static enum ls_code post_events(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_server *server = call->server;
    struct emission *e = ls_arena_alloc(call->mem, sizeof *e);
    enum ls_code rc;

    if (!e)
        return ls_error_nomem(err);
    if (!server->options.intake)
        return ls_refuse(ret, 503, err, LS_UNSUPPORTED, "events are not taken here");
    *e = (struct emission){.server = server, .request = call->request};
    rc = read_wait(call, &e->wait_us, ret, err);
    if (rc != LS_OK)
        return rc;
    if (e->wait_us > 0 && !ls_waits_enter(server->waits))
        return ls_refuse(ret, 503, err, LS_BUSY,
                         "too many callers wait for their events to arrive. Send them without "
                         "waiting, or try again later");
    rc = take_events(call, e, ret, err);
    if (rc != LS_OK && e->wait_us > 0)
        ls_waits_leave(server->waits);
    return rc;
}

/* ---- looking ---- */

struct page {
    struct ls_buf out;
    size_t count, limit;
    int64_t last;
};

static void add_event(void *ctx, const struct lockstep_event *event)
{
    struct page *page = ctx;

    if (page->count++ == page->limit)
        return; /* one more than asked for: there is a next page */
    if (page->count > 1)
        ls_buf_char(&page->out, ',');
    ls_buf_text(&page->out, event->json);
    page->last = event->seq;
}

static struct lockstep_event_filter filter_of(const struct ls_call *call)
{
    const struct ls_request *request = call->request;

    return (struct lockstep_event_filter){
        .id = ls_request_param(request, "event"),
        .type = ls_request_query(request, "type"),
        .resource = ls_request_query(request, "resource"),
        .state = ls_request_query(request, "status"),
        .endpoint = ls_request_query(request, "endpoint"),
        .since = ls_request_query(request, "since"),
        .until = ls_request_query(request, "until"),
    };
}

static enum ls_code get_events(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_event_filter filter = filter_of(call);
    struct page page = {0};
    struct lockstep_error error = {0};
    int64_t limit = ITEMS, cursor = 0;
    enum ls_code rc = read_number(call, "limit", ITEMS_MAX, ITEMS, &limit, ret, err);

    if (rc == LS_OK)
        rc = read_number(call, "cursor", INT64_MAX, 0, &cursor, ret, err);
    if (rc != LS_OK)
        return rc;
    page.limit = (size_t)limit;
    filter.limit = page.limit + 1;
    filter.before_seq = cursor;
    ls_buf_init(&page.out, 0);
    ls_buf_text(&page.out, "{\"items\":[");
    if (lockstep_events(call->ls, &filter, add_event, &page, &error) != LOCKSTEP_OK) {
        ls_buf_done(&page.out);
        return refused(&error, ret, err);
    }
    if (page.count > page.limit)
        ls_buf_printf(&page.out, "],\"next\":\"%" PRId64 "\"}", page.last);
    else
        ls_buf_text(&page.out, "],\"next\":null}");
    return answer(call, &page.out, ret, err);
}

static enum ls_code get_event(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_error error = {0};
    char *json = NULL;

    if (lockstep_event_show(call->ls, ls_request_param(call->request, "event"), &json, &error) !=
        LOCKSTEP_OK)
        return refused(&error, ret, err);
    ret->body = ls_arena_text(call->mem, json);
    ret->body_size = strlen(json);
    lockstep_free(json);
    return ret->body ? LS_OK : ls_error_nomem(err);
}

static enum ls_code get_queue(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_queue_stats s;
    struct lockstep_error error = {0};
    struct ls_buf out;

    if (lockstep_queue_stats(call->ls, &s, &error) != LOCKSTEP_OK)
        return refused(&error, ret, err);
    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_i64(&out, "pending", (int64_t)s.pending);
    ls_write_i64(&out, "processing", (int64_t)s.processing);
    ls_write_i64(&out, "waiting", (int64_t)s.waiting);
    ls_write_i64(&out, "failed", (int64_t)s.failed);
    ls_write_i64(&out, "dead", (int64_t)s.dead);
    ls_write_time(&out, "oldest_at", s.oldest_us);
    ls_write_close(&out, '}');
    return answer(call, &out, ret, err);
}

/* ---- changing ---- */

static enum ls_code tell_count(struct ls_call *call, uint64_t count, struct ls_response *ret,
                               struct ls_error *err)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_buf_printf(&out, "{\"deliveries\":%" PRIu64 "}", count);
    return answer(call, &out, ret, err);
}

static enum ls_code post_replay(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const struct lockstep_event_filter filter = filter_of(call);
    struct lockstep_error error = {0};
    uint64_t count = 0;
    int64_t rate = 0;
    enum ls_code rc = read_number(call, "rate", 1000000, 0, &rate, ret, err);

    if (rc != LS_OK)
        return rc;
    if (lockstep_events_replay(call->ls, &filter, (double)rate, &count, &error) != LOCKSTEP_OK)
        return refused(&error, ret, err);
    return tell_count(call, count, ret, err);
}

static enum ls_code post_discard(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    const struct lockstep_event_filter filter = filter_of(call);
    struct lockstep_error error = {0};
    uint64_t count = 0;

    if (lockstep_events_discard(call->ls, &filter, &count, &error) != LOCKSTEP_OK)
        return refused(&error, ret, err);
    return tell_count(call, count, ret, err);
}

#define FILTER "type resource status endpoint since until"

static const struct ls_route routes[] = {
    LS_ROUTE(
        "POST", "/api/v1/events", LS_ROLE_OPERATOR, .flags = LS_ROUTE_QUEUES | LS_ROUTE_ANY_TYPE,
        .handle = post_events, .query = "wait", .request = "Events", .response = "Accepted",
        .status = 202, .body_max = (size_t)16 << 20,
        .summary = "Accept events: one, an array, or JSON Lines; they are on disk when this is "
                   "answered"),
    LS_ROUTE("GET", "/api/v1/events", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK, .handle = get_events,
             .query = "limit cursor " FILTER, .response = "EventPage",
             .summary = "List events, newest first"),
    LS_ROUTE("POST", "/api/v1/events/replay", LS_ROLE_OPERATOR,
             .flags = LS_ROUTE_DESK | LS_ROUTE_AUDITS, .handle = post_replay,
             .query = "rate " FILTER, .response = "Deliveries",
             .summary = "Send dead deliveries again, all that fit"),
    LS_ROUTE("POST", "/api/v1/events/discard", LS_ROLE_ADMIN,
             .flags = LS_ROUTE_DESK | LS_ROUTE_AUDITS, .handle = post_discard, .query = FILTER,
             .response = "Deliveries", .summary = "Give up dead deliveries, all that fit"),
    LS_ROUTE("GET", "/api/v1/events/{event}", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_event, .response = "Event",
             .summary = "Show an event with its data, its deliveries and every try"),
    LS_ROUTE("POST", "/api/v1/events/{event}/replay", LS_ROLE_OPERATOR,
             .flags = LS_ROUTE_DESK | LS_ROUTE_AUDITS, .handle = post_replay,
             .query = "status endpoint", .response = "Deliveries",
             .summary = "Send the dead deliveries of an event again"),
    LS_ROUTE("POST", "/api/v1/events/{event}/discard", LS_ROLE_ADMIN,
             .flags = LS_ROUTE_DESK | LS_ROUTE_AUDITS, .handle = post_discard,
             .query = "status endpoint", .response = "Deliveries",
             .summary = "Give up the dead deliveries of an event"),
    LS_ROUTE("GET", "/api/v1/queue", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK, .handle = get_queue,
             .response = "Queue", .summary = "Count deliveries by where they are"),
};

const struct ls_route_table ls_routes_events =
    LS_ROUTE_TABLE("events", "Events and their deliveries.", routes);
