/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c - a few threads, each with a handle of the library of its own.
 *
 * A handle is used by one thread at a time, and opening one costs a connection to the state; so each worker keeps one, made when it first has work, and
 * makes a new one when the configuration has changed. A lost connection to the state is let go of before the next work, which then tries
 * to open it again: the server goes on while the state is down, and comes back by itself. */
#include "server/worker.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/thread.h"

/* ---- what handles are made of ---- */

struct ls_setup {
    pthread_mutex_t lock;
    struct ls_config *config;
    char *state_url;
    uint64_t generation; /* of the configuration */
};

struct ls_setup *ls_setup_new(struct ls_config *config, const char *state_url)
{
    struct ls_setup *setup = calloc(1, sizeof *setup);
    char *url = state_url ? strdup(state_url) : NULL;

    if (!setup || (state_url && !url)) {
        free(setup);
        free(url);
        return NULL;
    }
    (void)pthread_mutex_init(&setup->lock, NULL);
    setup->config = config;
    setup->state_url = url;
    setup->generation = 1;
    return setup;
}

void ls_setup_free(struct ls_setup *setup)
{
    if (!setup)
        return;
    ls_config_free(setup->config);
    free(setup->state_url);
    (void)pthread_mutex_destroy(&setup->lock);
    free(setup);
}

void ls_setup_change(struct ls_setup *setup, struct ls_config *config)
{
    struct ls_config *old;

    (void)pthread_mutex_lock(&setup->lock);
    old = setup->config;
    setup->config = config;
    setup->generation++;
    (void)pthread_mutex_unlock(&setup->lock);
    ls_config_free(old);
}

static struct ls_config *current(struct ls_setup *setup, uint64_t *ret_generation)
{
    struct ls_config *config;

    (void)pthread_mutex_lock(&setup->lock);
    config = ls_config_hold(setup->config);
    *ret_generation = setup->generation;
    (void)pthread_mutex_unlock(&setup->lock);
    return config;
}

struct ls_config *ls_setup_config(struct ls_setup *setup)
{
    uint64_t generation;

    return current(setup, &generation);
}

const char *ls_setup_state(const struct ls_setup *setup)
{
    return setup->state_url;
}

/* ---- workers ---- */

struct worker {
    struct ls_workers *all;
    struct ls_thread thread;
    struct lockstep *ls;
    uint64_t generation; /* that ls was made of */
    struct ls_work *work;
    /* copied: a work that wants neither may be gone before its run() is back */
    void (*progress)(struct ls_work *work, const char *phase, uint64_t done, uint64_t total);
    void (*log)(struct ls_work *work, int level, const char *line);
};

struct ls_workers {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct ls_setup *setup;
    char name[16];
    struct worker *workers;
    struct ls_work *first, **last;
    bool stopping;
    size_t most;
    struct ls_workers_figures figures;
};

static void on_progress(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    const struct worker *w = ctx;

    if (w->progress)
        w->progress(w->work, phase, done, total);
}

static void on_log(void *ctx, int level, const char *line)
{
    static const enum ls_log_level levels[] = {LS_LOG_DEBUG, LS_LOG_INFO, LS_LOG_WARN,
                                               LS_LOG_ERROR};
    const struct worker *w = ctx;

    if (w->log)
        w->log(w->work, level, line);
    ls_log(levels[level < 0 || level > 3 ? 3 : level], "%s", line);
}

/* A handle that is made of what there is now. */
static enum ls_code ready_handle(struct worker *w, struct ls_error *err)
{
    const struct lockstep_listener listener = {w, on_progress, on_log};
    uint64_t generation = 0;
    struct ls_config *config = current(w->all->setup, &generation);
    enum ls_code rc = LS_OK;

    if (w->ls && w->generation != generation) {
        lockstep_close(w->ls);
        w->ls = NULL;
    }
    if (w->ls)
        ls_api_refresh(w->ls);
    else
        rc = ls_api_open(config, ls_setup_state(w->all->setup), "daemon", &listener, &w->ls, err);
    w->generation = generation;
    ls_config_free(config);
    return rc;
}

static void do_work(struct worker *w, struct ls_work *work, bool stopping)
{
    struct ls_error err = {0};

    if (stopping) {
        ls_error_set(&err, LS_BUSY, "lockstep is being stopped");
        work->run(work, NULL, &err);
        return;
    }
    if (ready_handle(w, &err) != LS_OK) {
        work->run(work, NULL, &err);
        return;
    }
    w->work = work;
    w->progress = work->progress;
    w->log = work->log;
    work->run(work, w->ls, NULL);
    w->progress = NULL;
    w->log = NULL;
    ls_api_act_as(w->ls, NULL, NULL);
}

static struct ls_work *take(struct ls_workers *all)
{
    struct ls_work *work = all->first;

    if (work) {
        all->first = work->next;
        if (!all->first)
            all->last = &all->first;
        all->figures.waiting--;
        all->figures.running++;
    }
    return work;
}

static void work_on(void *arg)
{
    struct worker *w = arg;
    struct ls_workers *all = w->all;

    (void)pthread_setname_np(pthread_self(), all->name);
    (void)pthread_mutex_lock(&all->lock);
    for (;;) {
        struct ls_work *work = take(all);
        const bool stopping = all->stopping;

        if (!work && stopping)
            break;
        if (!work) {
            (void)pthread_cond_wait(&all->changed, &all->lock);
            continue;
        }
        (void)pthread_mutex_unlock(&all->lock);
        do_work(w, work, stopping); /* work is gone from here on */
        (void)pthread_mutex_lock(&all->lock);
        all->figures.running--;
        all->figures.done++;
    }
    (void)pthread_mutex_unlock(&all->lock);
    lockstep_close(w->ls);
}

enum ls_code ls_workers_open(const char *name, size_t threads, size_t most, struct ls_setup *setup,
                             struct ls_workers **ret, struct ls_error *err)
{
    struct ls_workers *all = calloc(1, sizeof *all);
    enum ls_code rc = LS_OK;

    if (all)
        all->workers = calloc(threads, sizeof *all->workers);
    if (!all || !all->workers) {
        free(all);
        return ls_error_nomem(err);
    }
    (void)pthread_mutex_init(&all->lock, NULL);
    (void)pthread_cond_init(&all->changed, NULL);
    strncpy(all->name, name, sizeof all->name - 1);
    all->setup = setup;
    all->most = most;
    all->last = &all->first;
    for (size_t i = 0; i < threads && rc == LS_OK; i++) {
        all->workers[i].all = all;
        rc = ls_thread_start(&all->workers[i].thread, work_on, &all->workers[i], err);
        all->figures.threads += rc == LS_OK;
    }
    if (rc == LS_OK)
        *ret = all;
    else
        ls_workers_close(all);
    return rc;
}

bool ls_workers_give(struct ls_workers *all, struct ls_work *work)
{
    bool taken;

    (void)pthread_mutex_lock(&all->lock);
    /* those that a free thread takes at once do not wait */
    taken = !all->stopping &&
            all->figures.waiting < all->most + (all->figures.threads - all->figures.running);
    if (taken) {
        work->next = NULL;
        *all->last = work;
        all->last = &work->next;
        all->figures.waiting++;
        (void)pthread_cond_signal(&all->changed);
    } else {
        all->figures.refused++;
    }
    (void)pthread_mutex_unlock(&all->lock);
    return taken;
}

void ls_workers_stop(struct ls_workers *all)
{
    (void)pthread_mutex_lock(&all->lock);
    all->stopping = true;
    (void)pthread_cond_broadcast(&all->changed);
    (void)pthread_mutex_unlock(&all->lock);
}

void ls_workers_close(struct ls_workers *all)
{
    if (!all)
        return;
    ls_workers_stop(all);
    for (size_t i = 0; i < all->figures.threads; i++)
        ls_thread_join(&all->workers[i].thread);
    (void)pthread_cond_destroy(&all->changed);
    (void)pthread_mutex_destroy(&all->lock);
    free(all->workers);
    free(all);
}

void ls_workers_figures(struct ls_workers *all, struct ls_workers_figures *ret)
{
    (void)pthread_mutex_lock(&all->lock);
    *ret = all->figures;
    (void)pthread_mutex_unlock(&all->lock);
}
