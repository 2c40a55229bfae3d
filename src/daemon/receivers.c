/* SPDX-License-Identifier: Apache-2.0 */
/* receivers.c - the service of receivers: messages that wait are taken up again, old ones forgotten.
 *
 * What waits was left by a process that died, or could not be done when it came. A message stays somebody's for two minutes; those of a
 * process before this one are free at once where only one daemon uses the state. */
#include <stdlib.h>

#include "api/receivers.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"
#include "daemon/service.h"

#define LOOK_EVERY_US (2 * (int64_t)1000000)
#define FORGET_EVERY_US (3600 * (int64_t)1000000)
#define KEEP_US (7 * 86400 * (int64_t)1000000) /* longer than any known sender tries again */
#define AT_ONCE 100

struct receivers {
    const char *state_url;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct ls_config *config; /* held */
    bool renewed, stop;
    struct ls_thread thread;
};

static void on_log(void *ctx, int level, const char *line)
{
    (void)ctx;
    ls_log(level >= 2 ? LS_LOG_WARN : LS_LOG_DEBUG, "%s", line);
}

/* A handle over the configuration as it is now. NULL after a message. */
static struct lockstep *open_handle(struct receivers *r)
{
    static const struct lockstep_listener listener = {.log = on_log};
    struct lockstep *ls = NULL;
    struct ls_error err = {0};

    pthread_mutex_lock(&r->lock);
    r->renewed = false;
    if (ls_api_open(r->config, r->state_url, "daemon", &listener, &ls, &err) != LS_OK)
        ls_log(LS_LOG_ERROR, "receivers: %s", err.text);
    pthread_mutex_unlock(&r->lock);
    return ls;
}

static void work_off(struct lockstep *ls, int64_t *forgot_us)
{
    const int64_t now_us = ls_clock_monotonic_us();
    struct ls_error err = {0};
    size_t count = AT_ONCE;

    while (count == AT_ONCE)
        if (ls_api_receive_waiting(ls, AT_ONCE, &count, &err) != LS_OK) {
            ls_log(LS_LOG_WARN, "receivers: what waits is not taken up: %s", err.text);
            return;
        }
    if (*forgot_us && now_us - *forgot_us < FORGET_EVERY_US)
        return;
    *forgot_us = now_us;
    if (ls_api_receive_forget(ls, ls_clock_now_us() - KEEP_US, &err) != LS_OK)
        ls_log(LS_LOG_WARN, "receivers: old messages are not forgotten: %s", err.text);
}

static void keep_looking(void *arg)
{
    struct receivers *r = arg;
    struct lockstep *ls = NULL;
    int64_t forgot_us = 0;
    bool stop = false, renewed = true;

    while (!stop) {
        const int64_t until = ls_clock_monotonic_us() + LOOK_EVERY_US;

        if (renewed) {
            lockstep_close(ls);
            ls = open_handle(r);
        }
        if (ls) {
            ls_api_refresh(ls);
            work_off(ls, &forgot_us);
        }
        pthread_mutex_lock(&r->lock);
        while (!r->stop && !r->renewed && ls_cond_wait(&r->changed, &r->lock, until)) {
        }
        stop = r->stop;
        renewed = r->renewed || !ls;
        pthread_mutex_unlock(&r->lock);
    }
    lockstep_close(ls);
}

static void stop(void *service)
{
    struct receivers *r = service;

    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
    ls_thread_join(&r->thread);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    ls_config_free(r->config);
    free(r);
}

/* Only one daemon uses an SQLite state: who was at work on something is no more. */
static void free_what_was_begun(struct ls_daemon *daemon)
{
    static const struct lockstep_listener listener = {.log = on_log};
    struct lockstep *ls = NULL;
    struct ls_error err = {0};
    enum ls_code rc;

    if (daemon->state_url && ls_text_starts(daemon->state_url, "postgres"))
        return;
    rc = ls_api_open(daemon->config, daemon->state_url, "daemon", &listener, &ls, &err);
    if (rc == LS_OK)
        rc = ls_api_receive_free(ls, &err);
    lockstep_close(ls);
    if (rc != LS_OK)
        ls_log(LS_LOG_WARN, "receivers: %s", err.text);
}

static enum ls_code start(struct ls_daemon *daemon, void **ret, struct ls_error *err)
{
    struct receivers *r = calloc(1, sizeof *r);
    enum ls_code rc;

    if (!r)
        return ls_error_nomem(err);
    r->state_url = daemon->state_url;
    r->config = ls_config_hold(daemon->config);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    free_what_was_begun(daemon);
    rc = ls_thread_start(&r->thread, keep_looking, r, err);
    if (rc == LS_OK)
        *ret = r;
    else
        stop(r);
    return rc;
}

static enum ls_code reload(void *service, struct ls_daemon *daemon, struct ls_error *err)
{
    struct receivers *r = service;

    (void)err;
    pthread_mutex_lock(&r->lock);
    ls_config_free(r->config);
    r->config = ls_config_hold(daemon->config);
    r->renewed = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return LS_OK;
}

const struct ls_service ls_service_receivers = {
    .name = "receivers", .start = start, .reload = reload, .stop = stop};
