/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver_help.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/thread.h"
#include "lib/testdir.h"

static _Atomic(struct ls_deliver *) current; /* one world at a time */

static void woken(void *ctx, uint64_t endpoints)
{
    struct ls_deliver *d = current;

    (void)ctx;
    if (d)
        ls_deliver_wake(d, endpoints);
}

static void attempted(void *ctx, const struct ls_deliver_report *r)
{
    struct world *w = ctx;
    struct seen *s;

    pthread_mutex_lock(&w->lock);
    s = &w->seen[w->seen_count < WORLD_REPORTS ? w->seen_count++ : 0];
    *s = (struct seen){.attempt = r->attempt,
                       .due_us = r->due_us,
                       .status = r->status,
                       .next = r->next,
                       .change = r->change};
    snprintf(s->endpoint, sizeof(s->endpoint), "%.31s", r->endpoint_name);
    snprintf(s->event, sizeof(s->event), "%.39s", r->event_id);
    snprintf(s->error, sizeof(s->error), "%s", r->error);
    snprintf(s->disabled, sizeof(s->disabled), "%.99s", r->disabled);
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void world_open(struct world *w, const char *allowed)
{
    static const char *const loopback = "127.0.0.0/8";
    const struct ls_queue_options options = {.woken = woken};
    struct ls_error err;

    memset(w, 0, sizeof(*w));
    w->dir = testdir_new();
    snprintf(w->path, sizeof(w->path), "%s/state.db", w->dir);
    memset(w->key.bytes, 7, sizeof(w->key.bytes));
    ls_arena_init(&w->mem, 0);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    if (!allowed)
        allowed = loopback;
    assert_int_equal(ls_guard_read(&allowed, *allowed != '\0', &w->mem, &w->guard, &err), LS_OK);
    if (ls_queue_open(w->path, &options, &w->queue, &err) != LS_OK)
        fail_msg("%s", err.text);
    assert_int_equal(ls_state_open(w->path, false, &w->state, &err), LS_OK);
    w->r = receiver_start(NULL, NULL);
    w->options = (struct ls_deliver_options){
        .queue = w->queue, .key = &w->key, .guard = &w->guard, .attempted = attempted, .ctx = w};
}

void world_deliver(struct world *w)
{
    struct ls_error err;

    if (ls_deliver_open(&w->options, &w->d, &err) != LS_OK)
        fail_msg("%s", err.text);
    current = w->d;
}

void world_rest(struct world *w, int64_t grace_ms)
{
    current = NULL;
    ls_deliver_close(w->d, grace_ms); /* NULL when it rests already */
    w->d = NULL;
}

void world_close(struct world *w)
{
    receiver_release(w->r);
    world_rest(w, 10000);
    receiver_stop(w->r);
    ls_state_close(w->state);
    ls_queue_close(w->queue);
    ls_arena_done(&w->mem);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w->dir);
}

/* --- endpoints */

struct save {
    struct ls_queue_task task;
    struct ls_endpoint_row row;
};

static enum ls_code run_save(struct ls_queue_task *task, struct ls_queue_tx *tx,
                             struct ls_error *err)
{
    return ls_endpoint_save(tx, &((struct save *)task)->row, err);
}

static int64_t save(struct world *w, struct ls_endpoint *e)
{
    struct save s = {.task.run = run_save};
    struct ls_error err;

    if (ls_endpoint_check(e, &err) != LS_OK ||
        ls_endpoint_to_row(e, &w->key, &w->mem, &s.row, &err) != LS_OK ||
        ls_queue_do(w->queue, &s.task, &err) != LS_OK)
        fail_msg("%s", err.text);
    if (w->d)
        ls_deliver_reload(w->d);
    return s.row.number;
}

int64_t world_endpoint(struct world *w, const char *name, const char *path,
                       const struct ls_endpoint *e)
{
    struct ls_endpoint made = e ? *e : (struct ls_endpoint){0};

    made.name = name;
    if (!made.origin)
        made.origin = "config";
    made.url = strstr(path, "://")
                   ? path
                   : ls_arena_printf(&w->mem, "http://127.0.0.1:%u%s", receiver_port(w->r), path);
    return save(w, &made);
}

struct ls_endpoint world_kept(struct world *w, int64_t number)
{
    struct ls_endpoint *all = NULL;
    struct ls_error err;
    size_t count = 0;

    if (ls_endpoints_read(w->state, &w->key, &w->mem, &count, &all, &err) != LS_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < count; i++) {
        if (all[i].number == number)
            return all[i];
    }
    fail_msg("there is no endpoint %d", (int)number);
    return (struct ls_endpoint){0};
}

void world_change(struct world *w, int64_t number, void (*change)(struct ls_endpoint *e))
{
    struct ls_endpoint e = world_kept(w, number);

    change(&e);
    save(w, &e);
}

/* --- events */

struct accept {
    struct ls_queue_task task;
    struct ls_event e;
    int64_t to;
};

static enum ls_code run_accept(struct ls_queue_task *task, struct ls_queue_tx *tx,
                               struct ls_error *err)
{
    struct accept *a = (struct accept *)task;
    bool known;

    return ls_queue_accept(tx, &a->e, &a->to, 1, 0, &known, err);
}

void world_accept(struct world *w, int64_t endpoint, const char *id, const char *resource,
                  const char *options)
{
    struct accept a = {.task.run = run_accept,
                       .to = endpoint,
                       .e = {.id = id,
                             .type = "enrollment.created",
                             .resource_type = "enrollment",
                             .resource_id = resource,
                             .at_us = INT64_C(1700000000123456),
                             .data = "{\"a\": 1.50}",
                             .data_size = 11,
                             .options = options}};
    struct ls_error err;

    if (ls_queue_do(w->queue, &a.task, &err) != LS_OK)
        fail_msg("%s", err.text);
}

void world_idle(struct world *w)
{
    if (!ls_deliver_wait_idle(w->d, 60000))
        fail_msg("it does not come to rest");
}

void world_wait(struct world *w, size_t n)
{
    int64_t until_us = ls_clock_monotonic_us() + 60 * 1000000;
    bool in_time = true;
    size_t count;

    pthread_mutex_lock(&w->lock);
    while (w->seen_count < n && in_time)
        in_time = ls_cond_wait(&w->changed, &w->lock, until_us);
    count = w->seen_count;
    pthread_mutex_unlock(&w->lock);
    if (count < n)
        fail_msg("only %zu of %zu attempts were reported", count, n);
}

struct ls_delivery_row world_delivery(struct world *w, const char *id)
{
    struct ls_delivery_row *rows = NULL;
    struct ls_event e;
    struct ls_error err;
    size_t count = 0;

    if (ls_queue_event(w->state, id, &w->mem, &e, &err) != LS_OK ||
        ls_queue_deliveries(w->state, e.seq, &w->mem, &count, &rows, &err) != LS_OK)
        fail_msg("%s", err.text);
    assert_int_equal(count, 1);
    return rows[0];
}

size_t world_attempts(struct world *w, const char *id, struct ls_attempt **ret)
{
    struct ls_delivery_row row = world_delivery(w, id);
    struct ls_error err;
    size_t count = 0;

    if (ls_queue_attempts(w->state, row.event, row.endpoint, &w->mem, &count, ret, &err) != LS_OK)
        fail_msg("%s", err.text);
    return count;
}

const struct seen *world_seen(struct world *w, const char *event, int64_t attempt)
{
    const struct seen *found = NULL;

    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->seen_count; i++) {
        if (strcmp(w->seen[i].event, event) == 0 && w->seen[i].attempt == attempt)
            found = &w->seen[i];
    }
    pthread_mutex_unlock(&w->lock);
    if (!found)
        fail_msg("attempt %d of %s was not reported", (int)attempt, event);
    return found;
}
