/* SPDX-License-Identifier: Apache-2.0 */
/* alerts.c - the service of alerts: looks at the state every now and then, and tells what is wrong there.
 *
 * It looks at what is, not at what happens: so nothing is missed that another process did (a run by cron, a second node), and an alert ends by itself when
 * what it is about is well again. On a state that several daemons share each of them tells; the keys are the same. What was told is kept in the state and read
 * by the first look that reaches it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "daemon/alert.h"
#include "daemon/service.h"
#include "event/breaker.h"
#include "event/queue.h"
#include "state/alerts.h"
#include "state/reserve.h"

#define EVERY_MS 30000
#define REPEAT_MS (INT64_C(4) * 3600000)
#define LAG_MS (INT64_C(15) * 60000)
#define RUNS 200 /* newest ones that are looked at: the last of each sync is among them */

struct alerts {
    struct ls_daemon *daemon;
    struct ls_alert_memory memory; /* the thread's, as the next */
    bool remembers;                /* what the state has is in it */
    char host[256];

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct ls_config *config; /* held; NULL: none */
    bool stop, look_now;
    struct ls_thread thread;
};

/* ---- what is wrong ---- */

/* What a look works on. */
struct look {
    struct alerts *a;
    const struct ls_alerts_config *config;
    struct lockstep *ls;
    struct ls_arena *mem;
    int64_t now_us;
};

static enum ls_code found(struct look *k, struct ls_alert *alert, struct ls_error *err)
{
    const unsigned on = k->config->on ? k->config->on : ~0u;

    return on & 1u << alert->kind ? ls_alert_found(&k->a->memory, alert, k->now_us, err) : LS_OK;
}

static void about_run(const struct ls_run *run, struct ls_alert *alert)
{
    *alert = (struct ls_alert){.kind = LS_ALERT_RUNS};
    snprintf(alert->key, sizeof alert->key, "runs:%.100s", run->sync);
    if (run->failed && run->status != LS_RUN_FAILED)
        snprintf(alert->text, sizeof alert->text,
                 "run %lld of %.100s: %s, %llu records failed. `lockstep show %lld` has why",
                 (long long)run->number, run->sync, ls_run_status_word(run->status),
                 (unsigned long long)run->failed, (long long)run->number);
    else
        snprintf(alert->text, sizeof alert->text,
                 "run %lld of %.100s: %s. `lockstep show %lld` has why", (long long)run->number,
                 run->sync, ls_run_status_word(run->status), (long long)run->number);
}

static bool is_bad(const struct ls_run *run)
{
    return run->status == LS_RUN_FAILED || run->status == LS_RUN_PARTIAL ||
           run->status == LS_RUN_STOPPED || run->status == LS_RUN_INTERRUPTED;
}

/* The last run of a sync that ended says how it is. A verification changes nothing, so it mends nothing either. */
static bool tells(const struct ls_run *run)
{
    return run->finished_us && strcmp(run->kind, "verify") != 0;
}

static enum ls_code look_at_runs(struct look *k, struct ls_error *err)
{
    static const struct ls_run_filter all;
    struct ls_run *runs = NULL;
    size_t count = 0;
    enum ls_code rc = ls_state_runs_page(k->ls->state, &all, RUNS, k->mem, &count, &runs, err);

    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        struct ls_alert alert;
        bool newer = !tells(&runs[i]);

        for (size_t j = 0; j < i && !newer; j++)
            newer = tells(&runs[j]) && strcmp(runs[j].sync, runs[i].sync) == 0;
        if (newer || !is_bad(&runs[i]))
            continue;
        about_run(&runs[i], &alert);
        rc = found(k, &alert, err);
    }
    return rc;
}

static enum ls_code look_at_queue(struct look *k, const struct ls_endpoint_row *e,
                                  struct ls_error *err)
{
    const int64_t lag_us = (k->config->lag_ms ? k->config->lag_ms : LAG_MS) * 1000;
    struct ls_alert alert = {.kind = LS_ALERT_DEAD_LETTERS};
    struct ls_queue_stats stats;
    enum ls_code rc = ls_queue_stats(k->ls->state, e->number, &stats, err);

    if (rc == LS_OK && stats.dead) {
        snprintf(alert.key, sizeof alert.key, "dead_letters:%.100s", e->name);
        snprintf(alert.text, sizeof alert.text,
                 "%lld dead letters for %.100s. `lockstep events list --status dead` shows them",
                 (long long)stats.dead, e->name);
        rc = found(k, &alert, err);
    }
    if (rc == LS_OK && stats.oldest_us && k->now_us - stats.oldest_us > lag_us && !e->paused) {
        alert = (struct ls_alert){.kind = LS_ALERT_LAG};
        snprintf(alert.key, sizeof alert.key, "lag:%.100s", e->name);
        snprintf(alert.text, sizeof alert.text,
                 "the oldest event for %.100s has waited for more than %lld s", e->name,
                 (long long)(lag_us / 1000000));
        rc = found(k, &alert, err);
    }
    return rc;
}

static enum ls_code look_at_breaker(struct look *k, const struct ls_endpoint_row *e,
                                    struct ls_error *err)
{
    struct ls_alert alert = {.kind = LS_ALERT_BREAKER, .critical = *e->disabled != '\0'};
    struct ls_breaker breaker = {0};

    if (*e->breaker)
        (void)ls_breaker_read(e->breaker, &ls_breaker_default, k->now_us, &breaker);
    if (!*e->disabled && breaker.state == LS_BREAKER_CLOSED)
        return LS_OK;
    snprintf(alert.key, sizeof alert.key, "breaker:%.100s", e->name);
    if (*e->disabled)
        snprintf(alert.text, sizeof alert.text,
                 "endpoint %.60s gets nothing any more: %.100s. `lockstep endpoints list` shows it",
                 e->name, e->disabled);
    else
        snprintf(alert.text, sizeof alert.text,
                 "deliveries to %.100s fail: they are held back and tried now and then", e->name);
    return found(k, &alert, err);
}

static enum ls_code look_at_endpoints(struct look *k, struct ls_error *err)
{
    struct ls_endpoint_row *rows = NULL;
    size_t count = 0;
    enum ls_code rc = ls_endpoint_rows(k->ls->state, k->mem, &count, &rows, err);

    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        rc = look_at_queue(k, &rows[i], err);
        if (rc == LS_OK)
            rc = look_at_breaker(k, &rows[i], err);
    }
    return rc;
}

/* What it runs out of is told before it is away. */
static enum ls_code look_at_room(struct look *k, struct ls_error *err)
{
    struct ls_alert alert = {.kind = LS_ALERT_STATE, .critical = true};
    struct ls_error why;
    enum ls_code rc = LS_OK;

    if (ls_state_room(k->ls->state, &why) != LS_OK) {
        snprintf(alert.key, sizeof alert.key, "state_full");
        snprintf(alert.text, sizeof alert.text,
                 "the disk of the state is full: new events, messages and runs are refused until "
                 "there is room again. What was taken on is carried out");
        rc = found(k, &alert, err);
    } else if (k->a->daemon->queue && !ls_queue_healthy(k->a->daemon->queue, why.text)) {
        snprintf(alert.key, sizeof alert.key, "state_unwritten");
        snprintf(alert.text, sizeof alert.text,
                 "the state cannot be written: events and deliveries wait for it. /api/v1/health "
                 "says why");
        rc = found(k, &alert, err);
    }
    return rc;
}

/* ---- what was told, in the state ---- */

/* false: of a newer program's. */
static bool read_row(const struct ls_alert_row *row, struct ls_alert *ret, size_t *ret_channel)
{
    size_t kind = 0;

    *ret_channel = 0;
    while (kind < LS_ALERT_KIND_COUNT &&
           strcmp(ls_alert_kind_word((enum ls_alert_kind)kind), row->kind) != 0)
        kind++;
    while (*ret_channel < LS_ALERT_CHANNEL_COUNT &&
           strcmp(ls_alert_channel_word((enum ls_alert_channel) * ret_channel), row->channel) != 0)
        ++*ret_channel;
    *ret = (struct ls_alert){
        .kind = (enum ls_alert_kind)kind, .critical = row->critical, .since_us = row->since_us};
    snprintf(ret->key, sizeof ret->key, "%s", row->alert);
    snprintf(ret->text, sizeof ret->text, "%s", row->text);
    return kind < LS_ALERT_KIND_COUNT && *ret_channel < LS_ALERT_CHANNEL_COUNT;
}

static enum ls_code remember(struct look *k, struct ls_error *err)
{
    struct ls_alert_row *rows = NULL;
    size_t count = 0;
    enum ls_code rc = ls_state_alerts(k->ls->state, k->mem, &count, &rows, err);

    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        struct ls_alert alert;
        size_t channel;

        if (read_row(&rows[i], &alert, &channel))
            rc = ls_alert_was_told(&k->a->memory, &alert, (enum ls_alert_channel)channel,
                                   rows[i].told_us, k->now_us, err);
    }
    k->a->remembers = rc == LS_OK;
    return rc;
}

/* What is another than the state has it; rows NULL: only counts. */
static size_t news(const struct look *k, struct ls_alert_row *rows)
{
    size_t count = 0;

    for (size_t i = 0; i < k->a->memory.count; i++)
        for (size_t c = 0; c < LS_ALERT_CHANNEL_COUNT; c++) {
            const struct ls_alert *a = &k->a->memory.alerts[i];
            const int64_t keep = ls_alert_to_keep(a, (enum ls_alert_channel)c, k->now_us);

            if (keep == a->kept_us[c])
                continue;
            if (rows)
                rows[count] = (struct ls_alert_row){
                    .alert = a->key,
                    .channel = ls_alert_channel_word((enum ls_alert_channel)c),
                    .kind = ls_alert_kind_word(a->kind),
                    .text = a->text,
                    .critical = a->critical,
                    .since_us = a->since_us,
                    .told_us = keep,
                };
            count++;
        }
    return count;
}

static void are_kept(struct look *k)
{
    for (size_t i = 0; i < k->a->memory.count; i++)
        for (size_t c = 0; c < LS_ALERT_CHANNEL_COUNT; c++)
            k->a->memory.alerts[i].kept_us[c] =
                ls_alert_to_keep(&k->a->memory.alerts[i], (enum ls_alert_channel)c, k->now_us);
}

/* What cannot be written now is written after the next look. */
static void keep(struct look *k)
{
    const size_t count = news(k, NULL);
    struct ls_alert_row *rows = ls_arena_array(k->mem, count, sizeof *rows);
    struct ls_error err;
    enum ls_code rc;

    if (!count)
        return;
    if (!rows) {
        rc = ls_error_nomem(&err);
    } else {
        (void)news(k, rows);
        rc = ls_state_alerts_save(k->ls->state, rows, count, &err);
    }
    if (rc == LS_OK)
        are_kept(k);
    else
        ls_log(LS_LOG_WARN, "alerts: what was told could not be written down: %s", err.text);
}

/* ---- a look ---- */

static enum ls_code look_into(struct look *k, struct ls_config *config, struct ls_error *err)
{
    static const struct lockstep_listener listener;
    enum ls_code rc =
        ls_api_open(config, k->a->daemon->state_url, "daemon", &listener, &k->ls, err);

    if (rc == LS_OK)
        rc = ls_api_state(k->ls, true, err);
    if (rc == LS_OK && !k->a->remembers)
        rc = remember(k, err);
    if (rc == LS_OK)
        rc = look_at_room(k, err);
    if (rc == LS_OK)
        rc = look_at_runs(k, err);
    if (rc == LS_OK)
        rc = look_at_endpoints(k, err);
    return rc;
}

/* What cannot be looked at is not over: alerts of before stay as they were, and this one comes to them. */
static void state_is_away(struct look *k)
{
    struct ls_alert alert = {.kind = LS_ALERT_STATE,
                             .key = "state",
                             .text = "the state cannot be reached: runs and events wait for it",
                             .critical = true};
    struct ls_error err;

    for (size_t i = 0; i < k->a->memory.count; i++)
        if (k->a->memory.alerts[i].gone_us == k->now_us)
            k->a->memory.alerts[i].gone_us = 0;
    (void)found(k, &alert, &err); /* without memory for it, with the next look */
}

static void tell_all(struct look *k)
{
    const int64_t repeat_us = (k->config->repeat_ms ? k->config->repeat_ms : REPEAT_MS) * 1000;
    const struct ls_alert_source source = {k->a->host, k->a->daemon->url, LOCKSTEP_VERSION,
                                           k->now_us};

    for (size_t i = 0; i < k->a->memory.count; i++)
        for (size_t c = 0; c < LS_ALERT_CHANNEL_COUNT; c++) {
            struct ls_alert *alert = &k->a->memory.alerts[i];
            const enum ls_alert_act act =
                ls_alert_due(alert, (enum ls_alert_channel)c, k->now_us, repeat_us);
            struct ls_error err;

            if (!ls_alert_channel_wanted(k->config, (enum ls_alert_channel)c)) {
                alert->told_us[c] = 0;
                continue;
            }
            if (act == LS_ALERT_QUIET)
                continue;
            if (ls_alert_send(k->config, (enum ls_alert_channel)c, act, alert, &source, &err) ==
                LS_OK)
                ls_alert_told(alert, (enum ls_alert_channel)c, act, k->now_us);
            else
                ls_log(LS_LOG_WARN, "alerts: %s was not told of %s: %s",
                       ls_alert_channel_word((enum ls_alert_channel)c), alert->key, err.text);
        }
}

static bool any_channel(const struct ls_alerts_config *config)
{
    for (size_t c = 0; c < LS_ALERT_CHANNEL_COUNT; c++)
        if (ls_alert_channel_wanted(config, (enum ls_alert_channel)c))
            return true;
    return false;
}

static void look(struct alerts *a, struct ls_config *config)
{
    struct ls_arena mem;
    struct ls_error err = {0};
    struct look k = {.a = a, .config = &config->alerts, .mem = &mem, .now_us = ls_clock_now_us()};
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    ls_alert_look(&a->memory, k.now_us);
    rc = look_into(&k, config, &err);
    if (rc != LS_OK)
        state_is_away(&k);
    tell_all(&k);
    if (rc == LS_OK)
        keep(&k);
    ls_alert_forget(&a->memory, k.now_us);
    lockstep_close(k.ls);
    ls_arena_done(&mem);
}

/* ---- the service ---- */

static void work(void *arg)
{
    struct alerts *a = arg;
    struct ls_config *config = NULL;

    pthread_mutex_lock(&a->lock);
    while (!a->stop) {
        const int64_t every_ms =
            a->config && a->config->alerts.every_ms ? a->config->alerts.every_ms : EVERY_MS;
        const int64_t until = ls_clock_monotonic_us() + every_ms * 1000;

        a->look_now = false;
        config = ls_config_hold(a->config);
        pthread_mutex_unlock(&a->lock);
        if (config && any_channel(&config->alerts))
            look(a, config);
        ls_config_free(config);
        pthread_mutex_lock(&a->lock);
        while (!a->stop && !a->look_now && ls_cond_wait(&a->changed, &a->lock, until)) {
        }
    }
    pthread_mutex_unlock(&a->lock);
}

static void stop(void *service)
{
    struct alerts *a = service;

    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
    ls_thread_join(&a->thread);
    ls_alert_memory_done(&a->memory);
    ls_config_free(a->config);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static enum ls_code start(struct ls_daemon *daemon, void **ret, struct ls_error *err)
{
    struct alerts *a = calloc(1, sizeof *a);
    enum ls_code rc;

    if (!a)
        return ls_error_nomem(err);
    a->daemon = daemon;
    a->config = ls_config_hold(daemon->config);
    (void)gethostname(a->host, sizeof a->host - 1);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    rc = ls_thread_start(&a->thread, work, a, err);
    if (rc == LS_OK)
        *ret = a;
    else
        stop(a);
    return rc;
}

static enum ls_code reload(void *service, struct ls_daemon *daemon, struct ls_error *err)
{
    struct alerts *a = service;

    (void)err;
    pthread_mutex_lock(&a->lock);
    ls_config_free(a->config);
    a->config = ls_config_hold(daemon->config);
    a->look_now = true;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
    return LS_OK;
}

const struct ls_service ls_service_alerts = {
    .name = "alerts", .after_server = true, .start = start, .reload = reload, .stop = stop};
