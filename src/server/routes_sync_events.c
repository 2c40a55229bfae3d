/* SPDX-License-Identifier: Apache-2.0 */
/* routes_sync_events.c - the surface of events and signed webhooks: the queue, its health, and what a cron job calls.
 *
 * A delivery that waits for its turn or for its next try is pending here, and failed is one that was given up: a dead letter. The daemon delivers by
 * itself; a call of /api/sync/process has it look at once and answers what is left.
 *
 * Health is told of the last hour: how many of the events accepted in it have a dead delivery. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "server/surface.h"

#define RECENT "1h"
#define SICK_PERCENT 10     /* of the recent events failed: more is not healthy */
#define RECENT_EVENTS 10000 /* looked at, at most */
#define FAILURES_SHOWN 50
#define FAILURES_COUNTED 1000

/* ---- statistics ---- */

static enum ls_code read_stats(struct ls_call *call, struct lockstep_queue_stats *ret,
                               struct ls_error *err)
{
    struct lockstep_error error = {0};

    return lockstep_queue_stats(call->ls, ret, &error) == LOCKSTEP_OK ? LS_OK
                                                                      : ls_call_failed(&error, err);
}

static void write_numbers(struct ls_buf *out, const struct lockstep_queue_stats *s)
{
    const int64_t pending = (int64_t)(s->pending + s->waiting + s->failed);

    ls_write_i64(out, "total", pending + (int64_t)(s->processing + s->dead));
    ls_write_i64(out, "processing", (int64_t)s->processing);
    ls_write_i64(out, "pending", pending);
    ls_write_i64(out, "failed", (int64_t)s->dead);
}

static enum ls_code answer_stats(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    struct lockstep_queue_stats s = {0};
    struct ls_buf out;
    enum ls_code rc = read_stats(call, &s, err);

    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_surface_data_begin(&out);
    write_numbers(&out, &s);
    ls_write_open(&out, "stats", '{');
    write_numbers(&out, &s);
    ls_write_close(&out, '}');
    ls_surface_data_end(&out);
    return ls_answer(call, &out, ret, err);
}

static enum ls_code get_status(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    return answer_stats(call, ret, err);
}

static enum ls_code process(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const struct ls_server_options *options = &call->server->options;

    if (!options->deliver_now)
        return ls_refuse(ret, 503, err, LS_UNSUPPORTED, "events are not delivered here");
    options->deliver_now(options->events);
    return answer_stats(call, ret, err);
}

/* ---- health ---- */

/* How many of something there were, by its name. */
struct tally {
    char name[80];
    int64_t count;
};
struct failures {
    struct ls_call *call;
    struct ls_buf shown;
    int64_t total, retries;
    struct tally types[40], resources[40];
    struct lockstep_error error; /* the first one */
    bool failed;
};

static void add_to(struct tally *list, size_t room, const char *name)
{
    for (size_t i = 0; i < room; i++)
        if (list[i].count == 0 || strcmp(list[i].name, name) == 0 || i == room - 1) {
            if (list[i].count++ == 0)
                snprintf(list[i].name, sizeof list[i].name, "%.79s", i == room - 1 ? "*" : name);
            return;
        }
}

static void write_tally(struct ls_buf *out, const char *name, const struct tally *list, size_t room)
{
    ls_write_open(out, name, '{');
    for (size_t i = 0; i < room && list[i].count; i++)
        ls_write_i64(out, list[i].name, list[i].count);
    ls_write_close(out, '}');
}

/* Tries after the first, of the delivery that was tried most; why one was given up goes into *ret_why, in mem. */
static int64_t retries_of(const json_t *event, struct ls_arena *mem, const char **ret_why)
{
    int64_t most = 0;
    size_t i;
    const json_t *delivery;

    json_array_foreach(json_object_get(event, "to"), i, delivery)
    {
        const int64_t tries = json_integer_value(json_object_get(delivery, "attempts"));
        const char *why = json_string_value(json_object_get(delivery, "reason"));

        if (tries - 1 > most)
            most = tries - 1;
        if (why && *why)
            *ret_why = ls_arena_text(mem, why);
    }
    return most;
}

static void add_failure(void *ctx, const struct lockstep_event *event)
{
    struct failures *f = ctx;
    struct ls_arena *mem = f->call->mem;
    struct lockstep_error error = {0};
    const char *why = NULL;
    char *json = NULL;
    int64_t retries = 0;

    if (f->total++ < FAILURES_SHOWN) {
        if (lockstep_event_show(f->call->ls, event->id, &json, &error) == LOCKSTEP_OK) {
            json_t *all = json_loads(json, 0, NULL);

            retries = retries_of(all, mem, &why);
            json_decref(all);
            lockstep_free(json);
        }
        ls_write_open(&f->shown, NULL, '{');
        ls_write_text(&f->shown, "eventId", event->id);
        ls_write_text(&f->shown, "eventType", event->type);
        ls_write_text(&f->shown, "resourceType", event->resource_type);
        ls_write_text(&f->shown, "resourceId", event->resource);
        ls_write_text(&f->shown, "error", why);
        ls_write_i64(&f->shown, "retryCount", retries);
        ls_write_time(&f->shown, "timestamp", event->accepted_us);
        ls_write_close(&f->shown, '}');
        f->retries += retries;
    }
    add_to(f->types, sizeof f->types / sizeof *f->types, event->type);
    add_to(f->resources, sizeof f->resources / sizeof *f->resources, event->resource_type);
}

struct recent {
    int64_t events, failed;
};

static void count_recent(void *ctx, const struct lockstep_event *event)
{
    struct recent *r = ctx;

    r->events++;
    r->failed += strcmp(event->status, "dead") == 0;
}

/* part / of with four digits; 0 of nothing. */
static void write_ratio(struct ls_buf *out, const char *name, int64_t part, int64_t of)
{
    const int64_t ratio = of ? part * 10000 / of : 0;
    char text[40];

    snprintf(text, sizeof text, "%" PRId64 ".%04" PRId64, ratio / 10000, ratio % 10000);
    ls_write_json(out, name, text);
}

static void write_health(struct ls_buf *out, const struct recent *r)
{
    ls_write_bool(out, "healthy", r->failed * 100 <= r->events * SICK_PERCENT);
    write_ratio(out, "failureRate", r->failed, r->events);
}

static const char *message_of(const struct recent *r, char out[160])
{
    if (r->failed == 0)
        snprintf(out, 160, "Sync system is healthy");
    else
        snprintf(out, 160, "%lld of the last hour's %lld events could not be delivered",
                 (long long)r->failed, (long long)r->events);
    return out;
}

static void write_failures(struct ls_buf *out, struct failures *f)
{
    const int64_t shown = f->total < FAILURES_SHOWN ? f->total : FAILURES_SHOWN;

    ls_write_open(out, "failures", '[');
    ls_buf_add(out, ls_buf_str(&f->shown), f->shown.size);
    ls_write_close(out, ']');
    ls_write_open(out, "failureStats", '{');
    ls_write_i64(out, "totalFailures", f->total);
    write_tally(out, "failuresByType", f->types, sizeof f->types / sizeof *f->types);
    write_tally(out, "failuresByResource", f->resources,
                sizeof f->resources / sizeof *f->resources);
    write_ratio(out, "averageRetries", f->retries, shown);
    ls_write_close(out, '}');
}

static enum ls_code gather(struct ls_call *call, struct recent *r, struct failures *f,
                           struct lockstep_queue_stats *s, struct ls_error *err)
{
    const struct lockstep_event_filter lately = {.since = RECENT, .limit = RECENT_EVENTS};
    const struct lockstep_event_filter dead = {.state = "dead", .limit = FAILURES_COUNTED};
    struct lockstep_error error = {0};

    if (lockstep_events(call->ls, &lately, count_recent, r, &error) != LOCKSTEP_OK ||
        lockstep_events(call->ls, &dead, add_failure, f, &error) != LOCKSTEP_OK)
        return ls_call_failed(&error, err);
    return read_stats(call, s, err);
}

static enum ls_code get_health(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_queue_stats s = {0};
    struct recent r = {0};
    struct failures f = {.call = call};
    char message[160];
    struct ls_buf out;
    enum ls_code rc;

    ls_buf_init(&f.shown, 0);
    rc = gather(call, &r, &f, &s, err);
    if (rc == LS_OK) {
        ls_buf_init(&out, 0);
        ls_surface_data_begin(&out);
        write_health(&out, &r);
        ls_write_i64(&out, "recentFailures", r.failed);
        ls_write_text(&out, "message", message_of(&r, message));
        ls_write_open(&out, "queue", '{');
        write_numbers(&out, &s);
        ls_write_close(&out, '}');
        write_failures(&out, &f);
        ls_surface_data_end(&out);
        rc = ls_answer(call, &out, ret, err);
    }
    ls_buf_done(&f.shown);
    return rc;
}

static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/api/sync/status", LS_ROLE_ADMIN, .flags = LS_ROUTE_DESK | LS_ROUTE_DATA,
             .handle = get_status, .response = "SyncQueueStatus",
             .summary = "Count the events of the queue by where they are"),
    LS_ROUTE("POST", "/api/sync/process", LS_ROLE_CRON,
             .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES | LS_ROUTE_DATA | LS_ROUTE_ANY_TYPE,
             .handle = process, .request = "AnyBody", .response = "SyncQueueStatus",
             .summary = "Process the queue now, for a cron job; answer what is left"),
    LS_ROUTE("GET", "/api/sync/process", LS_ROLE_CRON,
             .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES | LS_ROUTE_DATA, .handle = process,
             .response = "SyncQueueStatus",
             .summary = "The same, for cron jobs that send a GET with a bearer token"),
    LS_ROUTE("GET", "/api/sync/health", LS_ROLE_ADMIN, .flags = LS_ROUTE_DESK | LS_ROUTE_DATA,
             .handle = get_health, .response = "SyncHealth",
             .summary = "Tell whether deliveries go well, and which failed"),
};

const struct ls_route_table ls_routes_sync_events = LS_ROUTE_TABLE(
    "sync", "The queue of events, as an application and its admin panel know it.", routes);
