/* SPDX-License-Identifier: Apache-2.0 */
/* waits.c - requests that are answered once their events have arrived.
 *
 * One thread looks after all of them, with a connection of its own to the state. Each request is looked at again after pauses that grow from 20 ms to 250 ms, so that who waits
 * briefly is answered at once and many who wait long cost little: the deliveries may be made by this daemon or by another one on the same state, which is why the state
 * is asked and not the delivery thread. A state that is away is waited for as well.
 *
 * A caller that hangs up is looked after to the end; its answer goes nowhere. */
#include "server/waits.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/fate.h"
#include "base/clock.h"
#include "base/thread.h"
#include "server/problem.h"
#include "server/server_priv.h"

struct wait {
    struct wait *next;
    struct ls_request *request;
    const char *body;
    size_t count, arrived; /* the first `arrived` have */
    struct ls_event *events;
    int64_t began_us, until_us; /* monotonic, as all here */
    int64_t pace_us, look_us;
};

struct ls_waits {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct ls_thread thread;
    struct ls_setup *setup;
    struct lockstep *ls; /* the thread's */
    struct wait *first;
    size_t count, most;
    bool stopping;
};

/* ---- answers ---- */

static void answer(struct wait *w, enum ls_code rc, const struct ls_error *err)
{
    struct ls_response response = {.status = 200, .body = w->body};

    if (rc == LS_OK) {
        response.body_size = strlen(w->body);
    } else {
        response = (struct ls_response){0};
        ls_problem_of(w->request, err, &response);
    }
    ls_server_answer(w->request, &response);
    free(w);
}

/* ---- looking ---- */

static enum ls_code open_state(struct ls_waits *all, struct ls_error *err)
{
    static const struct lockstep_listener listener;
    struct ls_config *config;
    enum ls_code rc = LS_OK;

    if (all->ls) {
        ls_api_refresh(all->ls);
    } else {
        config = ls_setup_config(all->setup);
        rc = ls_api_open(config, ls_setup_state(all->setup), "daemon", &listener, &all->ls, err);
        ls_config_free(config);
    }
    return rc == LS_OK ? ls_api_state(all->ls, false, err) : rc;
}

/* LS_BUSY: not yet. */
static enum ls_code look(struct ls_waits *all, struct wait *w, struct ls_error *err)
{
    enum ls_code rc = open_state(all, err);

    while (rc == LS_OK && w->arrived < w->count) {
        rc = ls_api_fate(all->ls->state, &w->events[w->arrived], err);
        w->arrived += rc == LS_OK;
    }
    return ls_code_retryable(rc) ? LS_BUSY : rc;
}

/* true: it is over, and answered. */
static bool look_after(struct ls_waits *all, struct wait *w, bool stopping)
{
    struct ls_error err = {0};
    enum ls_code rc = look(all, w, &err);
    const int64_t now_us = ls_clock_monotonic_us();

    if (rc == LS_BUSY && !stopping && now_us < w->until_us) {
        w->pace_us = ls_api_fate_pace(w->pace_us);
        w->look_us = now_us + w->pace_us;
        if (w->look_us > w->until_us)
            w->look_us = w->until_us;
        return false;
    }
    if (rc == LS_BUSY)
        rc = ls_api_fate_late(&err, now_us - w->began_us);
    answer(w, rc, &err);
    return true;
}

/* Takes out what is to be looked at by now; *ret_next_us: when the next one is. The lock is held. */
static struct wait *take_due(struct ls_waits *all, int64_t now_us, int64_t *ret_next_us)
{
    *ret_next_us = INT64_MAX;
    for (struct wait **at = &all->first; *at; at = &(*at)->next) {
        struct wait *w = *at;

        if (all->stopping || w->look_us <= now_us) {
            *at = w->next;
            return w;
        }
        if (w->look_us < *ret_next_us)
            *ret_next_us = w->look_us;
    }
    return NULL;
}

static void sleep_until(struct ls_waits *all, int64_t until_us)
{
    if (until_us == INT64_MAX)
        (void)pthread_cond_wait(&all->changed, &all->lock);
    else
        (void)ls_cond_wait(&all->changed, &all->lock, until_us);
}

static void look_after_all(void *arg)
{
    struct ls_waits *all = arg;
    int64_t next_us;

    (void)pthread_setname_np(pthread_self(), "waits");
    (void)pthread_mutex_lock(&all->lock);
    for (;;) {
        struct wait *w = take_due(all, ls_clock_monotonic_us(), &next_us);
        bool over, stopping = all->stopping;

        if (!w && stopping && all->count == 0)
            break; /* whoever has a place comes, or gives it back */
        if (!w) {
            sleep_until(all, next_us);
            continue;
        }
        (void)pthread_mutex_unlock(&all->lock);
        over = look_after(all, w, stopping);
        (void)pthread_mutex_lock(&all->lock);
        if (over) {
            all->count--;
            continue;
        }
        w->next = all->first;
        all->first = w;
    }
    (void)pthread_mutex_unlock(&all->lock);
    lockstep_close(all->ls);
}

/* ---- coming and going ---- */

bool ls_waits_enter(struct ls_waits *all)
{
    bool room;

    (void)pthread_mutex_lock(&all->lock);
    room = !all->stopping && all->count < all->most;
    all->count += room;
    (void)pthread_mutex_unlock(&all->lock);
    return room;
}

void ls_waits_leave(struct ls_waits *all)
{
    (void)pthread_mutex_lock(&all->lock);
    all->count--;
    (void)pthread_cond_signal(&all->changed);
    (void)pthread_mutex_unlock(&all->lock);
}

static bool copy_events(struct ls_arena *mem, const struct ls_event *events, size_t count,
                        struct ls_event *ret)
{
    for (size_t i = 0; i < count; i++) {
        ret[i] = (struct ls_event){.seq = events[i].seq,
                                   .id = ls_arena_text(mem, events[i].id),
                                   .type = ls_arena_text(mem, events[i].type)};
        if (!ret[i].id || !ret[i].type)
            return false;
    }
    return true;
}

enum ls_code ls_waits_add(struct ls_waits *all, struct ls_request *request,
                          const struct ls_event *events, size_t count, int64_t wait_us,
                          const char *body, struct ls_error *err)
{
    struct wait *w = malloc(sizeof *w);
    struct ls_event *copies = ls_arena_array(request->mem, count, sizeof *copies);
    const int64_t now_us = ls_clock_monotonic_us();

    if (!w || !copies || !copy_events(request->mem, events, count, copies)) {
        free(w);
        return ls_error_nomem(err);
    }
    *w = (struct wait){.request = request,
                       .body = body,
                       .count = count,
                       .events = copies,
                       .began_us = now_us,
                       .until_us = now_us + wait_us,
                       .look_us = now_us};
    (void)pthread_mutex_lock(&all->lock);
    w->next = all->first;
    all->first = w;
    (void)pthread_cond_signal(&all->changed);
    (void)pthread_mutex_unlock(&all->lock);
    return LS_OK;
}

/* ---- open and close ---- */

enum ls_code ls_waits_open(struct ls_setup *setup, size_t most, struct ls_waits **ret,
                           struct ls_error *err)
{
    struct ls_waits *all = calloc(1, sizeof *all);
    enum ls_code rc;

    if (!all)
        return ls_error_nomem(err);
    all->setup = setup;
    all->most = most;
    (void)pthread_mutex_init(&all->lock, NULL);
    (void)pthread_cond_init(&all->changed, NULL);
    rc = ls_thread_start(&all->thread, look_after_all, all, err);
    if (rc == LS_OK)
        *ret = all;
    else
        ls_waits_close(all);
    return rc;
}

void ls_waits_stop(struct ls_waits *all)
{
    (void)pthread_mutex_lock(&all->lock);
    all->stopping = true;
    (void)pthread_cond_signal(&all->changed);
    (void)pthread_mutex_unlock(&all->lock);
}

void ls_waits_close(struct ls_waits *all)
{
    if (!all)
        return;
    ls_waits_stop(all);
    ls_thread_join(&all->thread);
    (void)pthread_cond_destroy(&all->changed);
    (void)pthread_mutex_destroy(&all->lock);
    free(all);
}
