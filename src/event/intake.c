/* SPDX-License-Identifier: Apache-2.0 */
/* intake.c - events on their way into the queue. What one caller hands in is one task: all of its events are in one transaction.
 *
 * Which endpoints an event goes to is read in the transaction that accepts it, from their version (one look a transaction) and under its lock: so an endpoint that
 * was made, here or on another node, gets everything that is accepted from then on. */
#include "event/intake.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* The endpoints in force, in an arena of their own that goes with them. */
struct routes {
    struct ls_arena mem;
    int64_t version;
    size_t count;
    struct ls_endpoint *endpoints;
    int64_t *numbers; /* room for those that want an event */
};

struct ls_intake {
    struct ls_queue *queue;
    struct routes *routes; /* the queue's thread's; NULL: none */
    pthread_mutex_t lock;  /* of both below */
    ls_intake_fn *heard;
    void *heard_ctx;
};

static void free_routes(struct routes *routes)
{
    if (!routes)
        return;
    ls_arena_done(&routes->mem);
    free(routes);
}

enum ls_code ls_intake_open(struct ls_queue *queue, struct ls_intake **ret, struct ls_error *err)
{
    struct ls_intake *in = calloc(1, sizeof *in);

    if (!in)
        return ls_error_nomem(err);
    in->queue = queue;
    (void)pthread_mutex_init(&in->lock, NULL);
    *ret = in;
    return LS_OK;
}

void ls_intake_close(struct ls_intake *in)
{
    if (!in)
        return;
    free_routes(in->routes);
    (void)pthread_mutex_destroy(&in->lock);
    free(in);
}

void ls_intake_listen(struct ls_intake *in, ls_intake_fn *fn, void *ctx)
{
    (void)pthread_mutex_lock(&in->lock);
    in->heard = fn;
    in->heard_ctx = ctx;
    (void)pthread_mutex_unlock(&in->lock);
}

struct ls_queue *ls_intake_queue(struct ls_intake *in)
{
    return in->queue;
}

/* ---- endpoints ---- */

/* Those that get a copy of what is accepted; one of messages gets only messages that bring their own destination. */
static enum ls_code read_routes(struct ls_state *state, struct routes *routes, struct ls_error *err)
{
    struct ls_endpoint_row *rows = NULL;
    size_t count = 0;
    enum ls_code rc = ls_endpoint_rows(state, &routes->mem, &count, &rows, err);

    if (rc != LS_OK)
        return rc;
    routes->endpoints = ls_arena_array(&routes->mem, count, sizeof *routes->endpoints);
    routes->numbers = ls_arena_array(&routes->mem, count, sizeof *routes->numbers);
    if (!routes->endpoints || !routes->numbers)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        if (strcmp(rows[i].origin, LS_ENDPOINT_OF_MESSAGES) != 0)
            rc = ls_endpoint_from_row(&rows[i], NULL, &routes->mem,
                                      &routes->endpoints[routes->count++], err);
    return rc;
}

/* What is read in a transaction that changes endpoints itself may be rolled back, and is read again. */
static enum ls_code look_at_endpoints(struct ls_intake *in, struct ls_queue_tx *tx,
                                      struct ls_error *err)
{
    struct routes *routes;
    int64_t version = 0;
    enum ls_code rc = ls_endpoints_version(tx, &version, err);

    if (rc != LS_OK || (in->routes && in->routes->version == version))
        return rc;
    routes = calloc(1, sizeof *routes);
    if (!routes)
        return ls_error_nomem(err);
    ls_arena_init(&routes->mem, 0);
    routes->version = tx->moved ? -1 : version;
    rc = read_routes(tx->state, routes, err);
    free_routes(rc == LS_OK ? in->routes : routes);
    if (rc == LS_OK)
        in->routes = routes;
    return rc;
}

/* ---- events ---- */

struct batch {
    struct ls_queue_task task;
    struct ls_intake *intake;
    struct ls_arena mem;
    struct ls_accepted accepted;
    bool hasten;
    ls_accepted_fn *done;
};

static size_t route(const struct routes *routes, const char *type)
{
    size_t n = 0;

    for (size_t i = 0; i < routes->count; i++)
        if (ls_endpoint_wants(&routes->endpoints[i], type))
            routes->numbers[n++] = routes->endpoints[i].number;
    return n;
}

static enum ls_code accept_batch(struct ls_queue_task *task, struct ls_queue_tx *tx,
                                 struct ls_error *err)
{
    struct batch *b = (struct batch *)task;
    enum ls_code rc = ls_queue_lock(tx, err); /* or an endpoint may go after it was seen */
    const struct routes *routes;
    size_t taken = 0;

    if (rc == LS_OK)
        rc = look_at_endpoints(b->intake, tx, err);
    routes = b->intake->routes;

    for (size_t i = 0; i < b->accepted.count && rc == LS_OK; i++) {
        struct ls_event *e = &b->accepted.events[i];

        rc = ls_queue_accept(tx, e, routes->numbers, route(routes, e->type), 0,
                             &b->accepted.known[i], err);
        if (rc == LS_OK && b->hasten)
            rc = ls_queue_hasten(tx, e, err);
        taken += !b->accepted.known[i];
    }
    if (task->deed)
        task->deed->events = taken;
    return rc;
}

static void free_batch(struct batch *b)
{
    ls_arena_done(&b->mem);
    free(b);
}

static void tell(struct ls_queue_task *task, enum ls_code rc, const struct ls_error *err)
{
    struct batch *b = (struct batch *)task;

    (void)pthread_mutex_lock(&b->intake->lock);
    if (rc == LS_OK && b->intake->heard)
        b->intake->heard(b->intake->heard_ctx, &b->accepted);
    (void)pthread_mutex_unlock(&b->intake->lock);
    b->done(&b->accepted, rc, err);
    free_batch(b);
}

enum ls_code ls_intake_read(struct ls_intake *in, const char *text, size_t size, bool lines,
                            bool hasten, const struct ls_event_rules *rules,
                            struct ls_audit_deed *deed, ls_accepted_fn *done, void *ctx,
                            struct ls_error *err)
{
    struct batch *b = calloc(1, sizeof *b);
    enum ls_code rc;

    if (!b)
        return ls_error_nomem(err);
    *b = (struct batch){.task = {.run = accept_batch, .done = tell, .adds = true, .deed = deed},
                        .intake = in,
                        .accepted = {.ctx = ctx},
                        .hasten = hasten,
                        .done = done};
    ls_arena_init(&b->mem, 0);
    rc = ls_events_read(text, size, lines, rules, ls_clock_now_us(), &b->mem, &b->accepted.count,
                        &b->accepted.events, err);
    if (rc == LS_OK && !(b->accepted.known =
                             ls_arena_array(&b->mem, b->accepted.count, sizeof *b->accepted.known)))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        ls_queue_submit(in->queue, &b->task);
    else
        free_batch(b);
    return rc;
}
