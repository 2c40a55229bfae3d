/* SPDX-License-Identifier: Apache-2.0 */
/* outbox.c - the service that empties the outboxes of an application's stores into the queue.
 *
 * One thread looks at every store of events.outbox in turn, twice a second: two indexed statements on a table that is empty most of the time. Rows are handed to the
 * queue and removed once it has them on disk; a row whose event the queue refuses is kept with the reason, so that it holds up nobody else. A store that cannot be
 * reached is tried again after a while, and the others go on. Of several daemons one empties a PostgreSQL outbox. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "daemon/service.h"
#include "event/intake.h"
#include "event/outbox.h"

#define LOOK_US INT64_C(500000)
#define AGAIN_US INT64_C(5000000) /* after a failure */
#define ROWS 200                  /* handed in together */

struct source {
    const char *name, *url; /* of the configuration that is held */
    struct ls_sql *db;      /* NULL: not connected */
    bool ours;              /* this session empties it */
    int64_t next_us;        /* monotonic; when to look again after a failure */
    char why[200];          /* it does not work; "" */
};

struct outbox {
    struct ls_intake *intake;
    struct ls_thread thread;
    bool started;
    struct ls_config *config; /* held by the thread */
    size_t count;
    struct source *sources;

    pthread_mutex_t lock; /* of all below, and of each source's why */
    pthread_cond_t changed;
    bool stop;
    struct ls_config *newer; /* to be taken over; held */
    bool answered;           /* the queue has answered */
    enum ls_code answer;
    struct ls_error why;
};

/* ---- handing in ---- */

static void on_accepted(const struct ls_accepted *accepted, enum ls_code rc,
                        const struct ls_error *err)
{
    struct outbox *o = accepted->ctx;

    pthread_mutex_lock(&o->lock);
    o->answered = true;
    o->answer = rc;
    if (rc != LS_OK)
        o->why = *err;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
}

/* Hands events in, as an array, and waits until they are on disk. */
static enum ls_code hand_in(struct outbox *o, const struct ls_outbox_row *rows, size_t count,
                            struct ls_error *err)
{
    const struct ls_event_rules rules = {.types = o->config->events.types,
                                         .type_count = o->config->events.type_count};
    struct ls_buf text;
    enum ls_code rc;

    ls_buf_init(&text, 0);
    for (size_t i = 0; i < count; i++) {
        ls_buf_char(&text, i ? ',' : '[');
        ls_buf_add(&text, rows[i].json, rows[i].size);
    }
    ls_buf_char(&text, ']');
    pthread_mutex_lock(&o->lock);
    o->answered = false;
    pthread_mutex_unlock(&o->lock);
    rc = text.failed ? ls_error_nomem(err)
                     : ls_intake_read(o->intake, text.data, text.size, false, false, &rules, NULL,
                                      on_accepted, o, err);
    ls_buf_done(&text);
    if (rc != LS_OK)
        return rc;
    pthread_mutex_lock(&o->lock);
    while (!o->answered)
        pthread_cond_wait(&o->changed, &o->lock);
    rc = o->answer;
    if (rc != LS_OK)
        *err = o->why;
    pthread_mutex_unlock(&o->lock);
    return rc;
}

/* What the queue does not take together is handed in one by one: whoever is wrong is found, and kept. */
static enum ls_code one_by_one(struct outbox *o, struct source *s, const struct ls_outbox_row *rows,
                               size_t count, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        rc = hand_in(o, &rows[i], 1, err);
        if (rc == LS_OK) {
            rc = ls_outbox_done(s->db, &rows[i], 1, err);
        } else if (rc == LS_DATA) {
            ls_log(LS_LOG_ERROR, "outbox of %s: row %lld is no event and is kept there: %s",
                   s->name, (long long)rows[i].seq, err->text);
            rc = ls_outbox_refuse(s->db, rows[i].seq, err->text, err);
        }
    }
    return rc;
}

static enum ls_code empty_some(struct outbox *o, struct source *s, struct ls_arena *mem,
                               size_t *ret_count, struct ls_error *err)
{
    struct ls_outbox_row *rows = NULL;
    enum ls_code rc = ls_outbox_read(s->db, ROWS, mem, ret_count, &rows, err);

    if (rc != LS_OK || *ret_count == 0)
        return rc;
    rc = hand_in(o, rows, *ret_count, err);
    if (rc == LS_OK)
        return ls_outbox_done(s->db, rows, *ret_count, err);
    return rc == LS_DATA ? one_by_one(o, s, rows, *ret_count, err) : rc;
}

/* ---- a store ---- */

static bool is_stopping(struct outbox *o)
{
    bool stop;

    pthread_mutex_lock(&o->lock);
    stop = o->stop || o->newer;
    pthread_mutex_unlock(&o->lock);
    return stop;
}

static enum ls_code connect_to(struct source *s, struct ls_arena *mem, struct ls_error *err)
{
    struct ls_url url;
    enum ls_code rc = ls_url_parse(s->url, mem, &url, err);

    if (rc == LS_OK && !s->db)
        rc = ls_sql_open(&url, NULL, &s->db, err);
    if (rc == LS_OK && !s->ours)
        rc = ls_outbox_claim(s->db, &s->ours, err);
    return rc;
}

static enum ls_code look(struct outbox *o, struct source *s, struct ls_error *err)
{
    struct ls_arena mem;
    bool there = false;
    size_t count = ROWS;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = connect_to(s, &mem, err);
    if (rc == LS_OK && s->ours)
        rc = ls_outbox_exists(s->db, &there, err);
    while (rc == LS_OK && there && count == ROWS && !is_stopping(o)) {
        ls_arena_reset(&mem);
        rc = empty_some(o, s, &mem, &count, err);
    }
    ls_arena_done(&mem);
    return rc;
}

static void let_go(struct source *s)
{
    ls_sql_close(s->db);
    s->db = NULL;
    s->ours = false;
}

static void look_at(struct outbox *o, struct source *s)
{
    struct ls_error err = {0};
    enum ls_code rc;

    if (ls_clock_monotonic_us() < s->next_us)
        return;
    rc = look(o, s, &err);
    if (rc != LS_OK) {
        if (!*s->why)
            ls_log(LS_LOG_ERROR, "outbox of %s: %s", s->name, err.text);
        let_go(s);
        s->next_us = ls_clock_monotonic_us() + AGAIN_US;
    } else if (*s->why) {
        ls_log(LS_LOG_INFO, "outbox of %s: it goes on", s->name);
    }
    pthread_mutex_lock(&o->lock);
    snprintf(s->why, sizeof s->why, "%.199s", rc == LS_OK ? "" : err.text);
    pthread_mutex_unlock(&o->lock);
}

/* ---- the thread ---- */

static void drop_sources(struct outbox *o)
{
    for (size_t i = 0; i < o->count; i++)
        let_go(&o->sources[i]);
    pthread_mutex_lock(&o->lock);
    free(o->sources);
    o->sources = NULL;
    o->count = 0;
    pthread_mutex_unlock(&o->lock);
    ls_config_free(o->config);
    o->config = NULL;
}

/* Takes over a configuration; what is out of memory is seen as none. */
static void take_over(struct outbox *o, struct ls_config *config)
{
    const struct ls_events_config *events = config ? &config->events : NULL;
    const size_t count = events ? events->outbox_count : 0;
    struct source *sources = count ? calloc(count, sizeof *sources) : NULL;

    drop_sources(o);
    o->config = config;
    for (size_t i = 0; sources && i < count; i++) {
        sources[i].name = events->outboxes[i];
        sources[i].url = ls_config_store(config, sources[i].name, strlen(sources[i].name));
    }
    pthread_mutex_lock(&o->lock);
    o->sources = sources;
    o->count = sources ? count : 0;
    pthread_mutex_unlock(&o->lock);
}

/* Until it is time, or there is something else to do; false: the end. */
static bool rest(struct outbox *o, struct ls_config **ret_newer)
{
    const int64_t until = ls_clock_monotonic_us() + LOOK_US;
    bool stop;

    pthread_mutex_lock(&o->lock);
    while (!o->stop && !o->newer && ls_cond_wait(&o->changed, &o->lock, until))
        ;
    *ret_newer = o->newer;
    o->newer = NULL;
    stop = o->stop;
    pthread_mutex_unlock(&o->lock);
    return !stop;
}

static void keep_emptying(void *arg)
{
    struct outbox *o = arg;
    struct ls_config *newer = NULL;

    do {
        if (newer)
            take_over(o, newer);
        for (size_t i = 0; i < o->count; i++)
            look_at(o, &o->sources[i]);
    } while (rest(o, &newer));
    ls_config_free(newer);
}

/* ---- the service ---- */

static void quiesce(void *service)
{
    struct outbox *o = service;

    pthread_mutex_lock(&o->lock);
    o->stop = true;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
}

static void stop(void *service)
{
    struct outbox *o = service;

    quiesce(o);
    if (o->started)
        ls_thread_join(&o->thread);
    drop_sources(o);
    ls_config_free(o->newer);
    pthread_cond_destroy(&o->changed);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

static enum ls_code start(struct ls_daemon *daemon, void **ret, struct ls_error *err)
{
    struct outbox *o = calloc(1, sizeof *o);
    enum ls_code rc;

    if (!o)
        return ls_error_nomem(err);
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->changed, NULL);
    o->intake = daemon->intake;
    o->newer = ls_config_hold(daemon->config);
    if (o->newer)
        take_over(o, o->newer);
    o->newer = NULL;
    rc = ls_thread_start(&o->thread, keep_emptying, o, err);
    o->started = rc == LS_OK;
    if (rc == LS_OK)
        *ret = o;
    else
        stop(o);
    return rc;
}

static enum ls_code reload(void *service, struct ls_daemon *daemon, struct ls_error *err)
{
    struct outbox *o = service;

    (void)err;
    pthread_mutex_lock(&o->lock);
    ls_config_free(o->newer);
    o->newer = ls_config_hold(daemon->config);
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
    return LS_OK;
}

static bool healthy(void *service, char why[200])
{
    struct outbox *o = service;

    pthread_mutex_lock(&o->lock);
    for (size_t i = 0; i < o->count && !*why; i++)
        snprintf(why, 200, "%s", o->sources[i].why);
    pthread_mutex_unlock(&o->lock);
    return *why == '\0';
}

const struct ls_service ls_service_outbox = {.name = "outbox",
                                             .after_server = true,
                                             .start = start,
                                             .reload = reload,
                                             .quiesce = quiesce,
                                             .stop = stop,
                                             .healthy = healthy};
