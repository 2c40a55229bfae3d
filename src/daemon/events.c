/* SPDX-License-Identifier: Apache-2.0 */
/* events.c - the service of events: the queue's thread, the way into it, deliveries, and what is removed when it is old.
 *
 * What a process before this one had claimed is due at once: only one daemon uses an SQLite state. On PostgreSQL, where several do, leases end by
 * themselves. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "api/events.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"
#include "daemon/service.h"
#include "event/callback.h"
#include "event/deliver.h"
#include "event/intake.h"
#include "event/publish.h"
#include "event/seal.h"
#include "server/metrics.h"
#include "state/messages.h"
#include "state/reserve.h"

#define PRUNE_EVERY_US (60 * (int64_t)1000000)
#define GRACE_MS 5000                      /* for deliveries that are being sent, at the end */
#define SETTLE_EVERY_US ((int64_t)1000000) /* while the state cannot be reached */
#define PRUNE_STEP 500                     /* events of a transaction */
#define DAY_US (86400 * (int64_t)1000000)
#define KEEP_DAYS 7
#define KEEP_DEAD_DAYS 30
#define KEEP_IDS_DAYS 3 /* an id is known at least so long, whatever the number of events */

struct events {
    struct ls_daemon *daemon;
    struct ls_queue *queue;
    struct ls_intake *intake;
    struct ls_arena mem; /* of guard; begun anew with each thread of deliveries */
    struct ls_guard guard;
    struct ls_config *config; /* whose allow list the guard has; held */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct ls_deliver *deliver; /* the queue's thread wakes it */
    int64_t keep_days, keep_count, keep_dead_days;
    bool stop;
    bool unsettled; /* the pruner's: the endpoints wait for the state */
    struct ls_thread pruner;
};

/* ---- endpoints ---- */

/* Settles the configuration's endpoints in the state: whoever needs them reads them there. */
static enum ls_code settle(struct events *e, struct ls_error *err)
{
    static const struct lockstep_listener listener;
    struct lockstep *ls = NULL;
    enum ls_code rc =
        ls_api_open(e->daemon->config, e->daemon->state_url, "daemon", &listener, &ls, err);

    if (rc != LS_OK)
        return rc;
    rc = ls_api_endpoints_settle(ls, err);
    lockstep_close(ls);
    return rc;
}

/* ---- deliveries ---- */

static void on_woken(void *ctx, uint64_t endpoints)
{
    struct events *e = ctx;

    pthread_mutex_lock(&e->lock);
    if (e->deliver)
        ls_deliver_wake(e->deliver, endpoints);
    pthread_mutex_unlock(&e->lock);
}

static void deliver_now(void *ctx)
{
    on_woken(ctx, UINT64_MAX);
}

static void on_attempt(void *ctx, const struct ls_deliver_report *r)
{
    (void)ctx;
    if (*r->disabled)
        ls_log(LS_LOG_ERROR, "delivery: endpoint %s gets nothing any more: %s", r->endpoint_name,
               r->disabled);
    if (r->next == LS_DELIVERY_DEAD)
        ls_log(LS_LOG_ERROR, "delivery: event %s is dead for %s (attempt=%lld status=%d)%s%s",
               r->event_id, r->endpoint_name, (long long)r->attempt, r->status,
               *r->error ? ": " : "", r->error);
    else if (r->next == LS_DELIVERY_PENDING && r->attempt)
        ls_log(LS_LOG_WARN, "delivery: event %s failed for %s (attempt=%lld status=%d)%s%s",
               r->event_id, r->endpoint_name, (long long)r->attempt, r->status,
               *r->error ? ": " : "", r->error);
}

static enum ls_code open_deliver(struct events *e, struct ls_error *err)
{
    const struct ls_events_config *events = e->config ? &e->config->events : NULL;
    struct ls_deliver *deliver = NULL;
    struct ls_seal_key key;
    const struct ls_deliver_options options = {.queue = e->queue,
                                               .key = &key,
                                               .guard = &e->guard,
                                               .attempted = on_attempt,
                                               .recorded = ls_callback_recorded,
                                               .ctx = e};
    enum ls_code rc = ls_seal_key(ls_queue_state(e->queue), &key, err);

    ls_arena_reset(&e->mem);
    if (rc == LS_OK)
        rc = ls_guard_read(events ? events->allow : NULL, events ? events->allow_count : 0, &e->mem,
                           &e->guard, err);
    if (rc == LS_OK)
        rc = ls_deliver_open(&options, &deliver, err);
    ls_seal_key_wipe(&key);
    pthread_mutex_lock(&e->lock);
    e->deliver = deliver;
    pthread_mutex_unlock(&e->lock);
    return rc;
}

static void close_deliver(struct events *e, int64_t grace_ms)
{
    struct ls_deliver *deliver;

    pthread_mutex_lock(&e->lock);
    deliver = e->deliver;
    e->deliver = NULL;
    pthread_mutex_unlock(&e->lock);
    ls_deliver_close(deliver, grace_ms);
}

static bool same_allow(const struct ls_config *a, const struct ls_config *b)
{
    const size_t count = a ? a->events.allow_count : 0;

    if (count != (b ? b->events.allow_count : 0))
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(a->events.allow[i], b->events.allow[i]) != 0)
            return false;
    return true;
}

static void read_keep(struct events *e)
{
    const struct ls_config *config = e->daemon->config;

    pthread_mutex_lock(&e->lock);
    e->keep_days = config && config->events.keep_days ? config->events.keep_days : KEEP_DAYS;
    e->keep_count = config ? config->events.keep_count : 0;
    e->keep_dead_days =
        config && config->events.keep_dead_days ? config->events.keep_dead_days : KEEP_DEAD_DAYS;
    pthread_mutex_unlock(&e->lock);
}

/* ---- what is old ---- */

struct prune {
    struct ls_queue_task task;
    int64_t days, count, dead_days, removed;
};

static enum ls_code run_prune(struct ls_queue_task *task, struct ls_queue_tx *tx,
                              struct ls_error *err)
{
    struct prune *p = (struct prune *)task;
    int64_t more = 0, forgotten = 0;
    enum ls_code rc =
        ls_queue_prune(tx, tx->now_us - p->days * DAY_US, tx->now_us - p->dead_days * DAY_US,
                       PRUNE_STEP, &p->removed, err);

    if (rc == LS_OK && p->count)
        rc = ls_queue_prune_over(tx, p->count, tx->now_us - KEEP_IDS_DAYS * DAY_US, PRUNE_STEP,
                                 &more, err);
    if (rc == LS_OK)
        rc = ls_message_ids_prune(tx, err);
    if (rc == LS_OK)
        rc = ls_lanes_prune(tx, &forgotten, err);
    p->removed = p->removed > more ? p->removed : more;
    return rc;
}

static void prune_all(struct events *e)
{
    struct prune p = {.task = {.run = run_prune}};
    struct ls_error err;
    bool stop = false;

    do {
        pthread_mutex_lock(&e->lock);
        p.days = e->keep_days;
        p.count = e->keep_count;
        p.dead_days = e->keep_dead_days;
        stop = e->stop;
        pthread_mutex_unlock(&e->lock);
        if (stop || ls_queue_do(e->queue, &p.task, &err) != LS_OK)
            return; /* the queue has said why; in a minute again */
    } while (p.removed == PRUNE_STEP);
}

static void settle_late(struct events *e)
{
    struct ls_error err;

    if (settle(e, &err) != LS_OK)
        return;
    e->unsettled = false;
    pthread_mutex_lock(&e->lock);
    if (e->deliver)
        ls_deliver_reload(e->deliver);
    pthread_mutex_unlock(&e->lock);
}

static void keep_pruning(void *arg)
{
    struct events *e = arg;
    bool stop = false;

    while (!stop) {
        const int64_t until =
            ls_clock_monotonic_us() + (e->unsettled ? SETTLE_EVERY_US : PRUNE_EVERY_US);

        pthread_mutex_lock(&e->lock);
        while (!e->stop && ls_cond_wait(&e->changed, &e->lock, until)) {
        }
        stop = e->stop;
        pthread_mutex_unlock(&e->lock);
        if (!stop && e->unsettled)
            settle_late(e);
        else if (!stop)
            prune_all(e);
        ls_memory_trim(); /* what the last minute held and this one does not need */
    }
}

/* ---- the service ---- */

static void on_fatal(void *ctx, const struct ls_error *err)
{
    struct events *e = ctx;

    e->daemon->fatal(e->daemon, err);
}

static void stop(void *service)
{
    struct events *e = service;

    pthread_mutex_lock(&e->lock);
    e->stop = true;
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
    ls_thread_join(&e->pruner);
    close_deliver(e, GRACE_MS);
    ls_queue_close(e->queue);
    ls_intake_close(e->intake);
    pthread_cond_destroy(&e->changed);
    pthread_mutex_destroy(&e->lock);
    ls_config_free(e->config);
    ls_arena_done(&e->mem);
    free(e);
}

static enum ls_code run_take_back(struct ls_queue_task *task, struct ls_queue_tx *tx,
                                  struct ls_error *err)
{
    int64_t count = 0;

    (void)task;
    return ls_queue_take_back(tx, &count, err);
}

static bool shared(const struct ls_daemon *daemon)
{
    return daemon->state_url && ls_text_starts(daemon->state_url, "postgres");
}

static enum ls_code start(struct ls_daemon *daemon, void **ret, struct ls_error *err)
{
    struct events *e = calloc(1, sizeof *e);
    const struct ls_queue_options options = {
        .woken = on_woken, .fatal = on_fatal, .ctx = e, .reserve = true};
    struct ls_queue_task take_back = {.run = run_take_back};
    enum ls_code rc;

    if (!e)
        return ls_error_nomem(err);
    e->daemon = daemon;
    e->config = ls_config_hold(daemon->config);
    ls_arena_init(&e->mem, 0);
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->changed, NULL);
    read_keep(e);
    rc = ls_queue_open(daemon->state_url, &options, &e->queue, err);
    if (rc == LS_OK)
        rc = ls_intake_open(e->queue, &e->intake, err);
    if (rc == LS_OK)
        rc = settle(e, err);
    e->unsettled = rc == LS_CONNECT;
    if (rc == LS_CONNECT) {
        ls_log(LS_LOG_WARN, "events: the endpoints are settled later: %s", err->text);
        rc = LS_OK;
    }
    if (rc == LS_OK && !shared(daemon))
        rc = ls_queue_do(e->queue, &take_back, err);
    if (rc == LS_OK)
        rc = open_deliver(e, err);
    if (rc == LS_OK)
        rc = ls_thread_start(&e->pruner, keep_pruning, e, err);
    if (rc == LS_OK) {
        daemon->intake = e->intake;
        daemon->queue = e->queue;
        daemon->deliver_now = deliver_now;
        daemon->events = e;
        *ret = e;
    } else {
        stop(e);
    }
    return rc;
}

static enum ls_code reload(void *service, struct ls_daemon *daemon, struct ls_error *err)
{
    struct events *e = service;

    const bool same = same_allow(e->config, daemon->config);
    enum ls_code rc;

    e->daemon = daemon;
    ls_config_free(e->config);
    e->config = ls_config_hold(daemon->config);
    read_keep(e);
    rc = settle(e, err);
    if (rc == LS_OK && same) {
        ls_deliver_reload(e->deliver);
    } else if (rc == LS_OK) {
        close_deliver(e, GRACE_MS);
        rc = open_deliver(e, err);
    }
    return rc;
}

static bool healthy(void *service, char why[200])
{
    const struct events *e = service;

    return ls_queue_healthy(e->queue, why);
}

/* ---- figures ---- */

static void counted(struct events *e, struct ls_buf *out)
{
    static const struct {
        const char *name, *type, *help;
        size_t offset;
    } table[] = {
        {"lockstep_delivery_attempts_total", "counter", "Tries of deliveries.",
         offsetof(struct ls_deliver_counts, attempts)},
        {"lockstep_delivery_failures_total", "counter", "Tries that failed.",
         offsetof(struct ls_deliver_counts, failed)},
        {"lockstep_delivery_faults_total", "counter",
         "Tries that came to nothing on our side, and were not counted.",
         offsetof(struct ls_deliver_counts, faults)},
        {"lockstep_deliveries_delivered_total", "counter", "Deliveries that arrived.",
         offsetof(struct ls_deliver_counts, delivered)},
        {"lockstep_deliveries_dead_total", "counter", "Deliveries that became dead letters.",
         offsetof(struct ls_deliver_counts, dead)},
        {"lockstep_deliveries_in_hand", "gauge", "Deliveries that are being sent or recorded.",
         offsetof(struct ls_deliver_counts, in_hand)},
    };
    const struct ls_queue_counts queue = ls_queue_counts(e->queue);
    struct ls_deliver_counts counts = {0};

    pthread_mutex_lock(&e->lock); /* between two configurations there is none */
    if (e->deliver)
        counts = ls_deliver_counts(e->deliver);
    pthread_mutex_unlock(&e->lock);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint64_t value;

        memcpy(&value, (const char *)&counts + table[i].offset, sizeof value);
        ls_metric_one(out, table[i].name, table[i].type, table[i].help, (double)value);
    }
    ls_metric_one(out, "lockstep_queue_tasks_total", "counter",
                  "What was handed to the thread that writes the queue.", (double)queue.tasks);
    ls_metric_one(out, "lockstep_queue_commits_total", "counter",
                  "Transactions of that thread; tasks of the same moment share one.",
                  (double)queue.commits);
}

static void looked_up(struct ls_state *state, struct ls_arena *mem, struct ls_buf *out)
{
    const int64_t now_us = ls_clock_now_us();
    struct ls_endpoint_row *rows = NULL;
    struct ls_queue_stats s = {0};
    struct ls_error err;
    size_t count = 0;

    if (ls_queue_stats(state, 0, &s, &err) == LS_OK) {
        const struct {
            const char *state;
            int64_t count;
        } states[] = {{"pending", s.pending},
                      {"processing", s.processing},
                      {"waiting", s.waiting},
                      {"failed", s.failed},
                      {"dead", s.dead}};

        ls_metric_family(out, "lockstep_queue_deliveries", "gauge",
                         "Deliveries by where they are.");
        for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
            const char *labels[] = {"state", states[i].state, NULL};

            ls_metric_sample(out, "lockstep_queue_deliveries", "", labels, (double)states[i].count);
        }
        ls_metric_one(out, "lockstep_queue_oldest_seconds", "gauge",
                      "How long the oldest event on its way has waited.",
                      s.oldest_us ? (double)(now_us - s.oldest_us) / 1e6 : 0);
    }
    if (ls_endpoint_rows(state, mem, &count, &rows, &err) != LS_OK)
        return;
    ls_metric_family(out, "lockstep_endpoint_held", "gauge",
                     "1 while deliveries to an endpoint are held back: its breaker is open, or it "
                     "was disabled.");
    for (size_t i = 0; i < count; i++) {
        const char *labels[] = {"endpoint", rows[i].name, NULL};
        struct ls_breaker breaker = {0};

        if (strcmp(rows[i].origin, LS_ENDPOINT_OF_MESSAGES) == 0)
            continue; /* as many as there are destinations */
        if (*rows[i].breaker)
            (void)ls_breaker_read(rows[i].breaker, &ls_breaker_default, now_us, &breaker);
        ls_metric_sample(out, "lockstep_endpoint_held", "", labels,
                         *rows[i].disabled || breaker.state != LS_BREAKER_CLOSED);
    }
}

static void disk(const struct ls_state *state, struct ls_buf *out)
{
    const int64_t bytes = ls_state_free_bytes(state);
    struct ls_error err;

    if (bytes < 0)
        return;
    ls_metric_one(out, "lockstep_state_free_bytes", "gauge", "Room on the disk of an SQLite state.",
                  (double)bytes);
    ls_metric_one(out, "lockstep_state_full", "gauge",
                  "1 while that disk is full and nothing new is taken on.",
                  ls_state_room(state, &err) == LS_FULL);
}

/* On a worker: with a connection of its own to the state, so that the queue does not wait for it. A state that is away has no figures. */
static void figures(void *service, struct ls_buf *out)
{
    struct events *e = service;
    struct ls_state *state = NULL;
    struct ls_arena mem;
    struct ls_error err;

    counted(e, out);
    if (ls_state_open(e->daemon->state_url, false, &state, &err) != LS_OK)
        return;
    ls_arena_init(&mem, 0);
    disk(state, out);
    looked_up(state, &mem, out);
    ls_arena_done(&mem);
    ls_state_close(state);
}

const struct ls_service ls_service_events = {.name = "events",
                                             .start = start,
                                             .reload = reload,
                                             .stop = stop,
                                             .healthy = healthy,
                                             .figures = figures};
