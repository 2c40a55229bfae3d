/* SPDX-License-Identifier: Apache-2.0 */
/* fate.c - what becomes of accepted events.
 *
 * The state is asked, again and again, with growing pauses: who delivers may be another process, on another machine, and a delivery may also be given up by a
 * person. What can only be changed by a person or by another event is told at once; what may go well by itself (a failed try that will be repeated, an open breaker, an
 * earlier event of the same resource) is waited for. */
#include "api/fate.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "event/breaker.h"

static const struct ls_endpoint_row nowhere = {
    .name = "an endpoint that was removed", .disabled = "", .breaker = ""};

static const struct ls_endpoint_row *endpoint_of(const struct ls_endpoint_row *rows, size_t count,
                                                 int64_t number)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].number == number)
            return &rows[i];
    return &nowhere;
}

static bool breaker_open(const struct ls_endpoint_row *e)
{
    struct ls_breaker b = {0};

    return *e->breaker && ls_breaker_read(e->breaker, &ls_breaker_default, ls_clock_now_us(), &b) &&
           b.state != LS_BREAKER_CLOSED;
}

/* "3 tries, the last one answered 503" */
static const char *tried(struct ls_state *state, const struct ls_delivery_row *d,
                         struct ls_arena *mem)
{
    struct ls_attempt *tries = NULL;
    struct ls_error err;
    size_t count = 0;
    const struct ls_attempt *last;

    if (ls_queue_attempts(state, d->event, d->endpoint, mem, &count, &tries, &err) != LS_OK ||
        count == 0)
        return "not tried yet";
    last = &tries[count - 1];
    if (*last->error)
        return ls_arena_printf(mem, "%zu %s, the last one failed (status %d): %.400s", count,
                               count == 1 ? "try" : "tries", last->status, last->error);
    return ls_arena_printf(mem, "%zu %s, the last one answered with status %d", count,
                           count == 1 ? "try" : "tries", last->status);
}

/* Why an endpoint has not got the event. */
static enum ls_code tell(const struct ls_event *event, const struct ls_delivery_row *d,
                         const struct ls_endpoint_row *e, const char *tries, struct ls_error *err)
{
    const char *id = event->id;

    tries = tries ? tries : "out of memory";
    if (d->state == LS_DELIVERY_DEAD)
        return ls_error_set(err, LS_UNDELIVERED, "%s will not get event %s: %s%s%s", e->name, id,
                            d->reason, *d->reason ? "; " : "", tries);
    if (d->state == LS_DELIVERY_DISCARDED)
        return ls_error_set(err, LS_UNDELIVERED,
                            "%s will not get event %s: its delivery was given up by a person, or "
                            "with the endpoint",
                            e->name, id);
    if (*e->disabled)
        return ls_error_set(err, LS_UNDELIVERED,
                            "%s has not got event %s, and gets nothing any more: %s. The event is "
                            "kept; resume the endpoint to have it sent",
                            e->name, id, e->disabled);
    if (e->paused)
        return ls_error_set(err, LS_UNDELIVERED,
                            "%s has not got event %s: the endpoint is paused. The event is kept; "
                            "resume the endpoint to have it sent",
                            e->name, id);
    if (d->state == LS_DELIVERY_WAITING)
        return ls_error_set(err, LS_BUSY,
                            "%s has not got event %s: an earlier event of the same resource is on "
                            "its way%s",
                            e->name, id, breaker_open(e) ? ", and its breaker is open" : "");
    return ls_error_set(err, LS_BUSY, "%s has not got event %s: %s%s", e->name, id, tries,
                        breaker_open(e) ? ". Its breaker is open" : "");
}

/* What is worse comes first: a delivery that will not be made, then one that is on its way. */
static enum ls_code look(struct ls_state *state, const struct ls_event *event, struct ls_arena *mem,
                         struct ls_error *err)
{
    struct ls_delivery_row *rows = NULL;
    struct ls_endpoint_row *endpoints = NULL;
    size_t count = 0, endpoint_count = 0;
    enum ls_code rc = ls_queue_deliveries(state, event->seq, mem, &count, &rows, err);

    if (rc == LS_OK && count == 0)
        return ls_error_set(
            err, LS_UNDELIVERED,
            "nobody gets event %s: no endpoint wants events of type %s, or those that "
            "do are disabled. `lockstep endpoints list` shows them",
            event->id, event->type);
    if (rc == LS_OK)
        rc = ls_endpoint_rows(state, mem, &endpoint_count, &endpoints, err);
    if (rc != LS_OK)
        return rc;
    for (size_t i = 0; i < count && rc != LS_UNDELIVERED; i++) {
        const struct ls_endpoint_row *e = endpoint_of(endpoints, endpoint_count, rows[i].endpoint);
        struct ls_error why;
        enum ls_code code;

        if (rows[i].state == LS_DELIVERY_DELIVERED)
            continue;
        code = tell(event, &rows[i], e, tried(state, &rows[i], mem), &why);
        if (rc == LS_OK || code == LS_UNDELIVERED) {
            rc = code;
            *err = why;
        }
    }
    return rc;
}

enum ls_code ls_api_fate(struct ls_state *state, const struct ls_event *event, struct ls_error *err)
{
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = look(state, event, &mem, err);
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_api_fate_late(struct ls_error *err, int64_t waited_us)
{
    char text[sizeof err->text];

    memcpy(text, err->text, sizeof text);
    return ls_error_set(err, LS_TIMEOUT,
                        "after %" PRId64 ".%" PRId64
                        " seconds %.800s. It is kept, and lockstep goes on trying",
                        waited_us / 1000000, waited_us / 100000 % 10, text);
}

int64_t ls_api_fate_pace(int64_t pace_us)
{
    const int64_t next = pace_us ? pace_us + pace_us / 2 : LS_FATE_PACE_US;

    return next < LS_FATE_PACE_MAX_US ? next : LS_FATE_PACE_MAX_US;
}
