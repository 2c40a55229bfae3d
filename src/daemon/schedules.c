/* SPDX-License-Identifier: Apache-2.0 */
/* schedules.c - the service of schedules: the scheduler's thread, and what it starts.
 *
 * The configuration's schedules are settled in the state at the start and at each reload; those that people made stay. A sync becomes a run of the
 * server's, under its limits and seen like any other (its actor is schedule:NAME); processing the queue is a task of the queue's thread; a call goes
 * to the thread of calls.c; a message goes into the queue. How it ended is told to the scheduler, which writes the history and tries again.
 *
 * The end. From quiesce on nothing is begun: what is due by then is asked for again by the next daemon. What runs is waited for; what the end of the drain
 * time cut off (or what still waited for a worker) is no failure of the schedule's either, and waits in the state for the next daemon. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/schedules.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "daemon/calls.h"
#include "daemon/service.h"
#include "event/publish.h"
#include "lockstep.h"
#include "schedule/manage.h"
#include "schedule/scheduler.h"
#include "schedule/sealed.h"
#include "server/metrics.h"
#include "server/runs.h"

#define AT_ONCE_US INT64_C(1000000) /* when an attempt that we cut off ourselves may come again */

struct schedules {
    struct ls_daemon *daemon;
    struct ls_config *config; /* held; changed under the lock. NULL: none */
    char *project;            /* the configuration's real path; "": none */
    struct ls_scheduler *scheduler;
    struct ls_calls *calls;
    struct ls_thread thread;
    bool running;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct attempt *first; /* at work */
    bool quiet;
    bool unsettled; /* the configuration waits for the state */
};

/* One attempt of a firing. */
struct attempt {
    struct ls_queue_task task; /* of the queue: first */
    struct ls_call_out call;   /* of a call */
    struct ls_posting posting; /* of a message */
    struct ls_arena mem;       /* likewise */
    struct ls_mail mail;
    char message[LS_MESSAGE_ID];
    struct attempt *next;
    struct schedules *of;
    char firing[37], run[37];
    char schedule[LS_SCHEDULE_ID_MAX + 1];
    int64_t number;
    int64_t deadline_us; /* of a run, monotonic; 0: none */
    bool timed_out;
    struct ls_queue_stats stats;
};

#define TIME_OVER "its time was over"

/* ---- attempts ---- */

static struct attempt *begin(struct schedules *s, const struct ls_schedule *schedule,
                             const struct ls_firing *firing, struct ls_error *err)
{
    struct attempt *a = calloc(1, sizeof *a);

    if (!a) {
        ls_error_nomem(err);
        return NULL;
    }
    ls_arena_init(&a->mem, 0);
    a->of = s;
    a->number = firing->attempt;
    memcpy(a->firing, firing->id, sizeof a->firing);
    snprintf(a->schedule, sizeof a->schedule, "%s", schedule->id);
    ls_uuid_new(a->run);
    pthread_mutex_lock(&s->lock);
    a->next = s->first;
    s->first = a;
    pthread_mutex_unlock(&s->lock);
    return a;
}

/* It is over, or never began. */
static void end(struct attempt *a)
{
    struct schedules *s = a->of;
    struct attempt **at = &s->first;

    pthread_mutex_lock(&s->lock);
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    ls_call_out_done(&a->call);
    ls_arena_done(&a->mem);
    free(a);
}

static void tell(struct attempt *a, const struct ls_schedule_end *how)
{
    struct ls_schedule_end e = *how;

    memcpy(e.firing, a->firing, sizeof e.firing);
    e.attempt = a->number;
    ls_scheduler_ended(a->of->scheduler, &e);
    end(a);
}

static bool is_quiet(struct schedules *s)
{
    bool quiet;

    pthread_mutex_lock(&s->lock);
    quiet = s->quiet;
    pthread_mutex_unlock(&s->lock);
    return quiet;
}

/* ---- a sync ---- */

static void say_counts(const struct lockstep_run *run, char *out, size_t size)
{
    snprintf(out, size, "%llu records failed, %llu changed meanwhile and were left alone%s",
             (unsigned long long)run->failed, (unsigned long long)run->conflicts,
             run->verified ? "" : "; not verified");
}

static enum ls_end_kind kind_of(const struct attempt *a, const struct ls_run_end *end, bool quiet)
{
    const char *name = end->error ? end->error->name : "";

    if (end->code == LOCKSTEP_OK)
        return LS_END_OK;
    if (strcmp(name, "locked") == 0)
        return LS_END_BUSY;
    if (a->timed_out)
        return LS_END_FAILED;
    if (quiet && (end->code == LOCKSTEP_CANCELLED || !end->run))
        return LS_END_BUSY;
    return end->code == LOCKSTEP_USAGE || end->code == LOCKSTEP_BRAKE ||
                   end->code == LOCKSTEP_CANCELLED
               ? LS_END_FINAL
               : LS_END_FAILED;
}

static void on_run_end(void *ctx, const struct ls_run_end *ended)
{
    struct attempt *a = ctx;
    const bool quiet = is_quiet(a->of);
    struct ls_schedule_end e = {.kind = kind_of(a, ended, quiet),
                                .run = ended->run ? ended->run->number : 0};

    if (quiet && e.kind == LS_END_BUSY)
        e.after_us = AT_ONCE_US;
    if (a->timed_out && e.kind == LS_END_FAILED)
        snprintf(e.reason, sizeof e.reason, TIME_OVER ": it ended after its batch");
    else if (e.kind == LS_END_BUSY && quiet)
        snprintf(e.reason, sizeof e.reason, "the daemon was stopped");
    else if (ended->error)
        snprintf(e.reason, sizeof e.reason, "%.399s", ended->error->text);
    if (!*e.reason && e.kind != LS_END_OK && ended->run)
        say_counts(ended->run, e.reason, sizeof e.reason);
    tell(a, &e);
}

static enum ls_code start_sync(struct attempt *a, const struct ls_schedule *schedule,
                               struct ls_error *err)
{
    char actor[LS_SCHEDULE_ID_MAX + 20], id[37];
    const struct ls_run_wish wish = {.kind = "sync",
                                     .sync = schedule->target,
                                     .actor = actor,
                                     .id = a->run,
                                     .done = on_run_end,
                                     .ctx = a};

    snprintf(actor, sizeof actor, "schedule:%s", schedule->id);
    if (schedule->timeout_ms)
        a->deadline_us = ls_clock_monotonic_us() + schedule->timeout_ms * 1000;
    return ls_runs_start(ls_server_runs(a->of->daemon->server), &wish, id, err);
}

/* Cancels the runs whose time is over. The lock of runs.c is taken without ours: its `done` takes ours. */
static void end_overdue(struct schedules *s)
{
    const int64_t now_us = ls_clock_monotonic_us();
    char run[37] = "";

    do {
        struct ls_error ignored;

        *run = '\0';
        pthread_mutex_lock(&s->lock);
        for (struct attempt *a = s->first; a && !*run; a = a->next)
            if (a->deadline_us && a->deadline_us <= now_us) {
                a->deadline_us = 0;
                a->timed_out = true;
                memcpy(run, a->run, sizeof run);
            }
        pthread_mutex_unlock(&s->lock);
        if (*run)
            (void)!ls_runs_cancel(ls_server_runs(s->daemon->server), run, TIME_OVER, &ignored);
    } while (*run);
}

/* ---- the queue ---- */

static enum ls_code look_at_queue(struct ls_queue_task *task, struct ls_queue_tx *tx,
                                  struct ls_error *err)
{
    struct attempt *a = (struct attempt *)task;

    return ls_queue_stats(tx->state, 0, &a->stats, err);
}

static void on_queue_seen(struct ls_queue_task *task, enum ls_code rc, const struct ls_error *err)
{
    struct attempt *a = (struct attempt *)task;
    struct ls_schedule_end e = {.kind = rc == LS_OK ? LS_END_OK : LS_END_FAILED};

    if (rc == LS_OK)
        ls_log(LS_LOG_INFO,
               "schedule %s: the queue is worked off: %lld pending, %lld processing, %lld waiting, "
               "%lld dead",
               a->schedule, (long long)a->stats.pending, (long long)a->stats.processing,
               (long long)a->stats.waiting, (long long)a->stats.dead);
    else
        snprintf(e.reason, sizeof e.reason, "%.399s", err->text);
    tell(a, &e);
}

static void start_queue(struct attempt *a)
{
    struct ls_daemon *daemon = a->of->daemon;

    a->task.run = look_at_queue;
    a->task.done = on_queue_seen;
    daemon->deliver_now(daemon->events);
    ls_queue_submit(daemon->queue, &a->task);
}

/* ---- a call ---- */

static void on_call_end(struct ls_call_out *call, const struct ls_schedule_end *how)
{
    tell(call->ctx, how);
}

static enum ls_code start_call(struct attempt *a, const struct ls_schedule *schedule,
                               const struct ls_firing *firing, struct ls_error *err)
{
    a->call.done = on_call_end;
    a->call.ctx = a;
    return ls_calls_start(a->of->calls, &a->call, schedule, firing, err);
}

/* ---- a message ---- */

static void on_posted(struct ls_posting *posting, enum ls_code rc, const struct ls_error *err)
{
    struct ls_schedule_end e = {.kind = rc == LS_OK                            ? LS_END_OK
                                        : rc == LS_NOT_FOUND || rc == LS_USAGE ? LS_END_FINAL
                                                                               : LS_END_FAILED};

    if (rc != LS_OK)
        snprintf(e.reason, sizeof e.reason, "%.399s", err->text);
    tell(posting->ctx, &e);
}

/* The message's id is the firing's: an attempt that is made again after a crash finds it there. */
static enum ls_code start_message(struct attempt *a, const struct ls_schedule *schedule,
                                  struct ls_error *err)
{
    struct ls_letter letter = {.destination = ls_arena_text(&a->mem, schedule->target),
                               .body = ls_arena_copy(&a->mem, schedule->body, schedule->body_size),
                               .body_size = schedule->body_size,
                               .schedule = a->schedule,
                               .id = a->message};
    enum ls_code rc = ls_letter_read_headers(schedule->extra, &a->mem, &letter, err);

    if (rc == LS_OK && (!letter.destination || !letter.body))
        rc = ls_error_nomem(err);
    ls_message_id_of_firing(a->firing, a->message);
    if (rc == LS_OK)
        rc = ls_letter_read(&letter, NULL, &a->mem, &a->mail, err);
    if (rc != LS_OK)
        return rc == LS_DATA ? LS_CONFIG : rc;
    a->posting = (struct ls_posting){
        .mem = &a->mem, .count = 1, .mail = &a->mail, .done = on_posted, .ctx = a};
    ls_posting_submit(a->of->daemon->queue, &a->posting);
    return LS_OK;
}

/* ---- the scheduler's hooks ---- */

static enum ls_code start_attempt(void *ctx, const struct ls_schedule *schedule,
                                  const struct ls_firing *firing, struct ls_error *err)
{
    struct schedules *s = ctx;
    struct attempt *a;
    enum ls_code rc = LS_OK;

    if (is_quiet(s))
        return ls_error_set(err, LS_BUSY, "the daemon is being stopped");
    a = begin(s, schedule, firing, err);
    if (!a)
        return err->code;
    switch (schedule->action) {
    case LS_ACTION_SYNC:
        rc = start_sync(a, schedule, err);
        break;
    case LS_ACTION_QUEUE:
        start_queue(a);
        break;
    case LS_ACTION_POST:
        rc = start_call(a, schedule, firing, err);
        break;
    case LS_ACTION_MESSAGE:
        rc = start_message(a, schedule, err);
        break;
    case LS_ACTION_COUNT:
        rc = ls_error_set(err, LS_CONFIG, "there is no such action");
        break;
    }
    if (rc != LS_OK)
        end(a);
    return rc;
}

/* Who listens live hears of it. */
static void on_change(void *ctx, const struct ls_schedule *schedule, const struct ls_firing *firing)
{
    struct schedules *s = ctx;
    char event[40];
    struct ls_buf json;

    snprintf(event, sizeof event, "schedule.%s", ls_firing_state_word(firing->state));
    ls_buf_init(&json, 0);
    ls_api_firing_write(&json, firing);
    if (!json.failed)
        ls_server_tell(s->daemon->server, event, schedule->id, ls_buf_str(&json));
    ls_buf_done(&json);
}

/* ---- the configuration ---- */

static enum ls_code settle(struct schedules *s, struct ls_error *err)
{
    const struct ls_config *config = s->config;
    struct ls_state *state = NULL;
    struct ls_settled settled = {0};
    enum ls_code rc = ls_state_open(s->daemon->state_url, true, &state, err);

    if (rc == LS_OK)
        rc = ls_schedules_seal(state, err);
    if (rc == LS_OK && config)
        rc = ls_schedule_settle(state, config->schedules, config->schedule_count, s->project,
                                ls_clock_now_us(), &settled, err);
    ls_state_close(state);
    if (settled.made + settled.changed + settled.dropped)
        ls_log(LS_LOG_INFO, "schedules of the configuration: %zu made, %zu changed, %zu removed",
               settled.made, settled.changed, settled.dropped);
    return rc;
}

/* The state was out of reach when they were to be settled. */
static void settle_late(struct schedules *s)
{
    struct ls_error err = {0};
    bool unsettled;
    enum ls_code rc = LS_OK;

    pthread_mutex_lock(&s->lock); /* a reload waits until this is done, and settles its own then */
    unsettled = s->unsettled;
    if (unsettled)
        rc = settle(s, &err);
    s->unsettled = rc == LS_CONNECT;
    pthread_mutex_unlock(&s->lock);
    if (rc != LS_OK && rc != LS_CONNECT)
        ls_log(LS_LOG_ERROR, "schedules go on as they are in the state: %s", err.text);
}

static void on_look(void *ctx)
{
    end_overdue(ctx);
    settle_late(ctx);
}

/* ---- the service ---- */

static void quiesce(void *service)
{
    struct schedules *s = service;

    pthread_mutex_lock(&s->lock);
    s->quiet = true;
    pthread_mutex_unlock(&s->lock);
    if (s->scheduler)
        ls_scheduler_stop(s->scheduler);
}

static void stop(void *service)
{
    struct schedules *s = service;

    quiesce(s);
    if (s->running)
        ls_thread_join(&s->thread);
    ls_calls_stop(s->calls);
    pthread_mutex_lock(&s->lock);
    while (s->first)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    ls_calls_close(s->calls);
    ls_scheduler_free(s->scheduler);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    ls_config_free(s->config);
    free(s->project);
    free(s);
}

static void run(void *arg)
{
    struct schedules *s = arg;

    ls_scheduler_run(s->scheduler);
}

static enum ls_code open_scheduler(struct schedules *s, struct ls_error *err)
{
    const struct ls_scheduler_options options = {
        .state_url = s->daemon->state_url,
        .project = s->project,
        .hooks = {.ctx = s, .start = start_attempt, .changed = on_change, .looked = on_look}};
    enum ls_code rc = ls_scheduler_new(&options, &s->scheduler, err);

    if (rc == LS_OK)
        rc = ls_thread_start(&s->thread, run, s, err);
    s->running = rc == LS_OK;
    return rc;
}

static enum ls_code start(struct ls_daemon *daemon, void **ret, struct ls_error *err)
{
    struct schedules *s = calloc(1, sizeof *s);
    enum ls_code rc;

    if (!s)
        return ls_error_nomem(err);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->daemon = daemon;
    s->config = ls_config_hold(daemon->config);
    s->project = daemon->config ? realpath(daemon->config->path, NULL) : strdup("");
    rc = s->project ? settle(s, err)
                    : ls_error_set(err, LS_CONFIG, "%s cannot be found any more",
                                   daemon->config ? daemon->config->path : "");
    s->unsettled = rc == LS_CONNECT;
    if (rc == LS_CONNECT) {
        ls_log(LS_LOG_WARN, "schedules: those of the configuration are settled later: %s",
               err->text);
        rc = LS_OK;
    }
    if (rc == LS_OK)
        rc = ls_calls_open(daemon->config, &s->calls, err);
    if (rc == LS_OK)
        rc = open_scheduler(s, err);
    if (rc == LS_OK)
        *ret = s;
    else
        stop(s);
    return rc;
}

static enum ls_code reload(void *service, struct ls_daemon *daemon, struct ls_error *err)
{
    struct schedules *s = service;
    enum ls_code rc;

    pthread_mutex_lock(&s->lock);
    ls_config_free(s->config);
    s->config = ls_config_hold(daemon->config);
    rc = settle(s, err);
    s->unsettled = rc == LS_CONNECT;
    pthread_mutex_unlock(&s->lock);
    ls_calls_change(s->calls, daemon->config);
    ls_scheduler_wake(s->scheduler);
    return rc;
}

static bool healthy(void *service, char why[200])
{
    struct schedules *s = service;

    return ls_scheduler_healthy(s->scheduler, why);
}

static void changed(void *service)
{
    struct schedules *s = service;

    ls_scheduler_wake(s->scheduler);
}

static void figures(void *service, struct ls_buf *out)
{
    static const struct {
        const char *name, *type, *help;
        size_t offset;
    } table[] = {
        {"lockstep_schedule_fired_total", "counter", "Nominal times that were fired.",
         offsetof(struct ls_scheduler_figures, fired)},
        {"lockstep_schedule_succeeded_total", "counter", "Firings that succeeded.",
         offsetof(struct ls_scheduler_figures, succeeded)},
        {"lockstep_schedule_failed_total", "counter", "Firings that failed for good.",
         offsetof(struct ls_scheduler_figures, failed)},
        {"lockstep_schedule_lost_total", "counter", "Firings whose process ended before they did.",
         offsetof(struct ls_scheduler_figures, lost)},
        {"lockstep_schedule_skipped_total", "counter",
         "Nominal times that were skipped on purpose.",
         offsetof(struct ls_scheduler_figures, skipped)},
        {"lockstep_schedule_missed_total", "counter",
         "Nominal times that passed while nobody was there to fire them.",
         offsetof(struct ls_scheduler_figures, missed)},
        {"lockstep_schedule_running", "gauge", "Attempts that run now.",
         offsetof(struct ls_scheduler_figures, running)},
    };
    struct schedules *s = service;
    struct ls_scheduler_figures f;
    uint64_t value;

    ls_scheduler_figures(s->scheduler, &f);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        memcpy(&value, (const char *)&f + table[i].offset, sizeof value);
        ls_metric_one(out, table[i].name, table[i].type, table[i].help, (double)value);
    }
    ls_metric_one(out, "lockstep_schedule_lag_seconds", "gauge",
                  "How late the last firing began that was on time.", (double)f.lag_us / 1e6);
}

const struct ls_service ls_service_schedules = {.name = "schedules",
                                                .after_server = true,
                                                .start = start,
                                                .reload = reload,
                                                .quiesce = quiesce,
                                                .stop = stop,
                                                .healthy = healthy,
                                                .figures = figures,
                                                .changed = changed};
