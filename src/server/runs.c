/* SPDX-License-Identifier: Apache-2.0 */
/* runs.c - runs that the server carries out.
 *
 * An entry is a run on its way: asked for, at work, over. Its lock is the list's; the library's calls are made without it. What listeners are told is
 * published under it too, so that somebody who begins to listen either hears the end or learns that it has been.
 *
 * One run of a sync at a time is the state's rule, kept by its lock over all processes. Here it is looked at before anything is
 * queued, so that the answer comes at once and names the run that is in the way.
 *
 * An entry that is over is forgotten when the state has the run. Those that never began, and dry runs, which the state does not know, are kept for a while:
 * somebody may still ask what became of them. */
#include "server/runs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "server/write.h"

#define OVER_KEPT 200
#define TALLIES_MAX 2000

enum stage { QUEUED, WORKING, OVER };

/* Somebody who joined a run. In its arena. */
struct waiter {
    struct waiter *next;
    void (*done)(void *ctx, const struct ls_run_end *end);
    void *ctx;
};

struct entry {
    struct ls_work work; /* first */
    struct entry *next;
    struct ls_runs *all;
    struct ls_arena mem; /* of the wish */
    struct waiter *waiters;
    struct ls_run_wish wish;
    char id[37];
    enum stage stage;
    bool cancelled;
    const char *why;     /* of the cancel, static; NULL */
    bool ending;         /* over, and its end is being told */
    struct lockstep *ls; /* while a call of it is running: to be cancelled */
    int64_t number;      /* 0: not begun */
    int64_t asked_us, finished_us;
    const char *phase; /* static; NULL: none yet */
    uint64_t done, total;
    char *json; /* of one that is over */
};

/* What came of the runs of a sync, by kind and status. */
struct tally {
    struct tally *next;
    char *sync, *kind, *status;
    uint64_t runs, created, updated, deleted, failed;
    int64_t ms, last_us;
};

struct ls_runs {
    pthread_mutex_t lock;
    struct ls_hub *hub;
    struct ls_workers *workers;
    struct entry *first; /* oldest first */
    bool quiet;
    struct tally *tallies;
    size_t tally_count;
};

/* ---- entries ---- */

static void free_entry(struct entry *e)
{
    if (!e)
        return;
    ls_arena_done(&e->mem);
    lockstep_free(e->json);
    free(e);
}

/* The lock is held. */
static void take_out(struct ls_runs *runs, struct entry *e)
{
    struct entry **at = &runs->first;

    while (*at && *at != e)
        at = &(*at)->next;
    if (*at)
        *at = e->next;
}

static void forget_old(struct ls_runs *runs)
{
    size_t over = 0;

    for (const struct entry *e = runs->first; e; e = e->next)
        over += e->stage == OVER && !e->ending;
    for (struct entry *e = runs->first; e && over > OVER_KEPT;) {
        struct entry *next = e->next;

        if (e->stage == OVER && !e->ending) {
            take_out(runs, e);
            free_entry(e);
            over--;
        }
        e = next;
    }
}

/* By UUID, or by number once it has begun. The lock is held. */
static struct entry *find(struct ls_runs *runs, const char *which)
{
    int64_t number = 0;

    if (!ls_text_to_i64(which, strlen(which), &number))
        number = 0;
    for (struct entry *e = runs->first; e; e = e->next)
        if (strcmp(e->id, which) == 0 || (number > 0 && e->number == number))
            return e;
    return NULL;
}

static const char *copy(struct entry *e, const char *text, bool *ok)
{
    const char *ret = ls_arena_text(&e->mem, text);

    *ok = *ok && (ret || !text);
    return ret;
}

static struct entry *new_entry(struct ls_runs *runs, const struct ls_run_wish *wish)
{
    struct entry *e = calloc(1, sizeof *e);
    const char **only;
    bool ok = true;

    if (!e)
        return NULL;
    ls_arena_init(&e->mem, 0);
    e->all = runs;
    e->wish = *wish;
    e->wish.kind = copy(e, wish->kind, &ok);
    e->wish.sync = copy(e, wish->sync ? wish->sync : "", &ok);
    e->wish.run = copy(e, wish->run, &ok);
    e->wish.plan = copy(e, wish->plan, &ok);
    e->wish.force = copy(e, wish->force, &ok);
    e->wish.actor = copy(e, wish->actor, &ok);
    e->wish.about = copy(e, wish->about, &ok);
    only = ls_arena_array(&e->mem, wish->only_count, sizeof *only);
    for (size_t i = 0; only && i < wish->only_count; i++)
        only[i] = copy(e, wish->only[i], &ok);
    e->wish.only = only;
    e->asked_us = ls_clock_now_us();
    if (wish->id)
        snprintf(e->id, sizeof e->id, "%s", wish->id);
    else
        ls_uuid_new(e->id);
    if (ok && only)
        return e;
    free_entry(e);
    return NULL;
}

/* ---- what is told ---- */

static void begin_event(const struct entry *e, struct ls_buf *out)
{
    ls_buf_init(out, 0);
    ls_write_open(out, NULL, '{');
    ls_write_i64(out, "run", e->number);
    ls_write_text(out, "id", e->id);
    ls_write_text(out, "sync", e->wish.sync);
    ls_write_text(out, "kind", e->wish.kind);
}

static void end_event(const struct entry *e, struct ls_buf *out, const char *event)
{
    ls_write_close(out, '}');
    if (!out->failed)
        ls_hub_publish(e->all->hub, event, e->id, ls_buf_str(out), false);
    ls_buf_done(out);
}

static void tell(const struct entry *e, const char *event)
{
    struct ls_buf out;

    begin_event(e, &out);
    end_event(e, &out, event);
}

static void on_progress(struct ls_work *work, const char *phase, uint64_t done, uint64_t total)
{
    struct entry *e = (struct entry *)work;
    struct ls_buf out;

    (void)pthread_mutex_lock(&e->all->lock);
    e->phase = phase;
    e->done = done;
    e->total = total;
    begin_event(e, &out);
    ls_write_text(&out, "phase", phase);
    ls_write_i64(&out, "done", (int64_t)done);
    ls_write_i64(&out, "total", (int64_t)total);
    end_event(e, &out, "run.progress");
    (void)pthread_mutex_unlock(&e->all->lock);
}

static void on_log(struct ls_work *work, int level, const char *line)
{
    static const char *const words[] = {"debug", "info", "warning", "error"};
    struct entry *e = (struct entry *)work;
    struct ls_buf out;

    if (level < 1 || level > 3)
        return;
    (void)pthread_mutex_lock(&e->all->lock);
    begin_event(e, &out);
    ls_write_text(&out, "level", words[level]);
    ls_write_text(&out, "text", line);
    end_event(e, &out, "run.log");
    (void)pthread_mutex_unlock(&e->all->lock);
}

static void on_begun(void *ctx, int64_t number)
{
    struct entry *e = ctx;

    (void)pthread_mutex_lock(&e->all->lock);
    e->number = number;
    tell(e, "run.started");
    (void)pthread_mutex_unlock(&e->all->lock);
}

/* ---- figures ---- */

static struct tally *find_tally(struct ls_runs *runs, const char *sync, const char *kind,
                                const char *status)
{
    struct tally *t = runs->tallies;

    while (t && (strcmp(t->sync, sync) != 0 || strcmp(t->kind, kind) != 0 ||
                 strcmp(t->status, status) != 0))
        t = t->next;
    if (t || runs->tally_count == TALLIES_MAX || !(t = calloc(1, sizeof *t)))
        return t;
    t->sync = strdup(sync);
    t->kind = strdup(kind);
    t->status = strdup(status);
    if (!t->sync || !t->kind || !t->status) {
        free(t->sync);
        free(t->kind);
        free(t->status);
        free(t);
        return NULL;
    }
    t->next = runs->tallies;
    runs->tallies = t;
    runs->tally_count++;
    return t;
}

static void count(struct ls_runs *runs, const struct entry *e, const struct lockstep_run *run,
                  const char *status)
{
    struct tally *t = find_tally(runs, e->wish.sync, e->wish.kind, status);

    if (!t)
        return; /* figures are not worth a failure */
    t->runs++;
    t->ms += (e->finished_us - e->asked_us) / 1000;
    t->last_us = e->finished_us;
    if (!run)
        return;
    t->created += run->created;
    t->updated += run->updated;
    t->deleted += run->deleted;
    t->failed += run->failed + run->conflicts;
}

/* ---- the end ---- */

static const char *status_of(const struct ls_run_end *end)
{
    if (end->run)
        return end->run->status;
    return end->code == LOCKSTEP_CANCELLED ? "cancelled"
           : end->code == LOCKSTEP_BRAKE   ? "stopped"
                                           : "failed";
}

/* A run that the state does not know, in the shape of those that it does. Texts are only read. */
static char *shape(const struct entry *e, const char *status, const char *reason)
{
    char empty[] = "";
    struct lockstep_run run = {
        .sync = (char *)(uintptr_t)e->wish.sync,
        .kind = (char *)(uintptr_t)e->wish.kind,
        .mode = (char *)(uintptr_t)(e->wish.dry_run ? "dry-run" : ""),
        .source = empty,
        .target = empty,
        .status = (char *)(uintptr_t)status,
        .reason = (char *)(uintptr_t)reason,
        .started_us = e->asked_us,
        .finished_us = e->finished_us,
        .duration_ms = e->finished_us ? (e->finished_us - e->asked_us) / 1000 : 0,
    };

    memcpy(run.id, e->id, sizeof run.id);
    return lockstep_history_json(&run);
}

/* Who asked for it, and who joined; none joins any more. */
static void tell_waiters(struct entry *e, const struct ls_run_end *end)
{
    if (e->wish.done)
        e->wish.done(e->wish.ctx, end);
    for (const struct waiter *w = e->waiters; w; w = w->next)
        w->done(w->ctx, end);
}

/* Tells everybody, and lets go of the entry or keeps what became of it. */
static void finish(struct entry *e, int code, struct lockstep_run *run,
                   const struct lockstep_error *error)
{
    struct ls_runs *runs = e->all;
    const bool answered = code == LOCKSTEP_OK || code == LOCKSTEP_DIFFERENT;
    const struct ls_run_end end = {e->id, code, run, answered ? NULL : error};
    const bool known = run && run->number > 0;
    char *json;

    if (run && !known) /* a dry run has the id that it was asked for by */
        memcpy(run->id, e->id, sizeof run->id);
    (void)pthread_mutex_lock(&runs->lock);
    e->finished_us = ls_clock_now_us();
    e->ls = NULL;
    json = run ? lockstep_history_json(run) : shape(e, status_of(&end), error->text);
    if (!e->wish.dry_run)
        count(runs, e, run, status_of(&end));
    if (json)
        ls_hub_publish(runs->hub, "run.finished", e->id, json, true);
    e->stage = OVER;
    e->ending = true;
    e->json = json;
    if (known)
        take_out(runs, e);
    (void)pthread_mutex_unlock(&runs->lock);
    tell_waiters(e, &end);
    lockstep_run_free(run);
    (void)pthread_mutex_lock(&runs->lock);
    e->ending = false;
    if (known)
        free_entry(e);
    else
        forget_old(runs);
    (void)pthread_mutex_unlock(&runs->lock);
}

/* ---- the work ---- */

static int verify(struct entry *e, struct lockstep *ls, const struct lockstep_select *select,
                  const struct lockstep_run_options *options, struct lockstep_run **ret,
                  struct lockstep_error *error)
{
    struct lockstep_status status = {0};
    const int code = lockstep_verify(ls, select, options, &status, error);

    lockstep_status_done(&status);
    if (e->number > 0)
        (void)lockstep_show(ls, e->id, ret, NULL, NULL);
    return code;
}

static int call(struct entry *e, struct lockstep *ls, struct lockstep_run **ret,
                struct lockstep_error *error)
{
    const struct ls_run_wish *w = &e->wish;
    const struct lockstep_select select = {
        .sync = w->sync, .only = w->only, .only_count = w->only_count};
    const struct lockstep_run_options options = {
        .full = w->full, .dry_run = w->dry_run, .create = w->create, .force = w->force};

    if (strcmp(w->kind, "verify") == 0)
        return verify(e, ls, &select, &options, ret, error);
    if (strcmp(w->kind, "apply") == 0)
        return lockstep_apply(ls, w->plan, NULL, &options, ret, error);
    if (strcmp(w->kind, "undo") == 0)
        return lockstep_undo(ls, w->run, NULL, &options, ret, error);
    return lockstep_sync(ls, &select, &options, ret, error);
}

static void fail(struct lockstep_error *error, const struct ls_error *why)
{
    (void)ls_api_fail(why, error);
}

static void work_on(struct ls_work *work, struct lockstep *ls, const struct ls_error *why)
{
    struct entry *e = (struct entry *)work;
    struct lockstep_run *run = NULL;
    struct lockstep_error error = {.code = LOCKSTEP_FAILED};
    const char *cause;
    bool cancelled;
    int code;

    (void)pthread_mutex_lock(&e->all->lock);
    e->stage = WORKING;
    e->ls = ls;
    cancelled = e->cancelled;
    cause = e->why;
    (void)pthread_mutex_unlock(&e->all->lock);
    if (cancelled) {
        struct ls_error err = {0};

        ls_error_set(&err, LS_CANCELLED, "%s%scancelled before it began", cause ? cause : "",
                     cause ? ": " : "");
        fail(&error, &err);
        code = error.code;
    } else if (!ls) {
        fail(&error, why);
        code = error.code;
    } else {
        ls_api_act_as(ls, e->wish.actor, e->wish.about);
        ls_api_next_run(ls, e->id, on_begun, e);
        code = call(e, ls, &run, &error);
    }
    finish(e, code, run, &error);
}

/* ---- asking ---- */

static enum ls_code under_way(const struct entry *e, struct ls_error *err)
{
    char at[25];

    ls_clock_iso(e->asked_us, at);
    if (e->number)
        return ls_error_set(err, LS_LOCKED,
                            "run %" PRId64 " (%s) of %s is at work, asked for at %s. Two runs of "
                            "one sync never overlap: wait for it, or cancel it",
                            e->number, e->id, e->wish.sync, at);
    return ls_error_set(err, LS_LOCKED,
                        "a %s of %s was asked for at %s and is under way (%s). Two runs of one "
                        "sync never overlap: wait for it, or cancel it",
                        e->wish.kind, e->wish.sync, at, e->id);
}

static enum ls_code may_start(struct ls_runs *runs, const struct entry *wanted,
                              struct ls_error *err)
{
    if (runs->quiet)
        return ls_error_set(err, LS_BUSY, "lockstep is being stopped");
    for (const struct entry *e = runs->first; e; e = e->next) {
        if (strcmp(e->id, wanted->id) == 0)
            return ls_error_set(err, LS_CONFLICT, "there is a run %s already", e->id);
        if (e->stage != OVER && !e->wish.dry_run && !wanted->wish.dry_run &&
            strcmp(e->wish.sync, wanted->wish.sync) == 0)
            return under_way(e, err);
    }
    return LS_OK;
}

enum ls_code ls_runs_start(struct ls_runs *runs, const struct ls_run_wish *wish, char ret_id[37],
                           struct ls_error *err)
{
    struct entry *e = new_entry(runs, wish);
    enum ls_code rc;

    if (!e)
        return ls_error_nomem(err);
    e->work.run = work_on;
    e->work.progress = on_progress;
    e->work.log = on_log;
    (void)pthread_mutex_lock(&runs->lock);
    rc = may_start(runs, e, err);
    if (rc == LS_OK) {
        struct entry **at = &runs->first;

        while (*at)
            at = &(*at)->next;
        *at = e;
        memcpy(ret_id, e->id, sizeof e->id);
        if (ls_workers_give(runs->workers, &e->work)) {
            tell(e, "run.queued"); /* before its worker gets the lock */
        } else {
            take_out(runs, e);
            rc = ls_error_set(err, LS_BUSY, "too many runs are waiting. Try again later");
        }
    }
    (void)pthread_mutex_unlock(&runs->lock);
    if (rc != LS_OK)
        free_entry(e);
    return rc;
}

bool ls_runs_join(struct ls_runs *runs, const char *sync,
                  void (*done)(void *ctx, const struct ls_run_end *end), void *ctx)
{
    struct waiter *w = NULL;

    (void)pthread_mutex_lock(&runs->lock);
    for (struct entry *e = runs->first; e && !w; e = e->next) {
        if (e->stage == OVER || e->wish.dry_run || strcmp(e->wish.sync, sync) != 0 ||
            strcmp(e->wish.kind, "sync") != 0 || e->wish.only_count)
            continue;
        w = ls_arena_array(&e->mem, 1, sizeof *w);
        if (!w)
            break;
        *w = (struct waiter){.next = e->waiters, .done = done, .ctx = ctx};
        e->waiters = w;
    }
    (void)pthread_mutex_unlock(&runs->lock);
    return w != NULL;
}

enum ls_code ls_runs_cancel(struct ls_runs *runs, const char *which, const char *why,
                            struct ls_error *err)
{
    struct entry *e;
    enum ls_code rc = LS_OK;

    (void)pthread_mutex_lock(&runs->lock);
    e = find(runs, which);
    if (e && e->stage != OVER) {
        e->cancelled = true;
        e->why = why;
        ls_api_cancel(e->ls, why);
    } else {
        rc = ls_error_set(err, LS_NOT_FOUND, "no run %.60s is under way here", which);
    }
    (void)pthread_mutex_unlock(&runs->lock);
    return rc;
}

/* ---- looking ---- */

static void write_progress(const struct entry *e, struct ls_buf *out)
{
    ls_write_open(out, NULL, '{');
    ls_write_text(out, "phase", e->phase);
    ls_write_i64(out, "done", (int64_t)e->done);
    ls_write_i64(out, "total", (int64_t)e->total);
    ls_write_bool(out, "cancelling", e->cancelled);
    ls_write_close(out, '}');
}

static void write_entry(const struct entry *e, struct ls_buf *out)
{
    char *made = e->json ? NULL : shape(e, e->stage == QUEUED ? "queued" : "running", "");

    ls_write_json(out, NULL, e->json ? e->json : made);
    lockstep_free(made);
}

const char *ls_runs_show(struct ls_runs *runs, const char *which, struct ls_arena *mem,
                         bool *ret_begun)
{
    const struct entry *e;
    const char *ret = NULL;

    (void)pthread_mutex_lock(&runs->lock);
    e = find(runs, which);
    if (e) {
        struct ls_buf out;

        *ret_begun = e->number > 0;
        ls_buf_init(&out, 0);
        if (*ret_begun)
            write_progress(e, &out);
        else
            write_entry(e, &out);
        ret = out.failed ? NULL : ls_arena_text(mem, ls_buf_str(&out));
        ls_buf_done(&out);
    }
    (void)pthread_mutex_unlock(&runs->lock);
    return ret;
}

void ls_runs_write(struct ls_runs *runs, const char *sync, struct ls_buf *out)
{
    (void)pthread_mutex_lock(&runs->lock);
    for (const struct entry *e = runs->first; e; e = e->next) {
        if (e->stage == OVER || (sync && strcmp(sync, e->wish.sync) != 0))
            continue;
        ls_write_open(out, NULL, '{');
        ls_write_i64(out, "run", e->number);
        ls_write_text(out, "id", e->id);
        ls_write_text(out, "sync", e->wish.sync);
        ls_write_text(out, "kind", e->wish.kind);
        ls_write_text(out, "status", e->stage == QUEUED ? "queued" : "running");
        ls_write_time(out, "asked_at", e->asked_us);
        ls_buf_text(out, ",\"progress\":");
        write_progress(e, out);
        ls_write_close(out, '}');
    }
    (void)pthread_mutex_unlock(&runs->lock);
}

struct ls_stream *ls_runs_listen(struct ls_runs *runs, const char *which, int64_t after,
                                 const struct ls_pass *pass, bool *ret_full)
{
    struct ls_stream *ret = NULL;
    struct ls_buf now;
    const struct entry *e;

    *ret_full = false;
    (void)pthread_mutex_lock(&runs->lock);
    e = find(runs, which);
    if (e && e->stage != OVER) {
        ls_buf_init(&now, 0);
        begin_event(e, &now);
        ls_write_text(&now, "status", e->stage == QUEUED ? "queued" : "running");
        ls_buf_text(&now, ",\"progress\":");
        write_progress(e, &now);
        ls_write_close(&now, '}');
        if (!now.failed)
            ret = ls_hub_join(runs->hub,
                              &(struct ls_hub_wish){.about = e->id,
                                                    .after = after,
                                                    .pass = pass,
                                                    .first = "run",
                                                    .first_json = ls_buf_str(&now)},
                              ret_full);
        ls_buf_done(&now);
        *ret_full = *ret_full || !ret;
    }
    (void)pthread_mutex_unlock(&runs->lock);
    return ret;
}

/* ---- figures for Prometheus ---- */

static void write_tallies(const struct ls_runs *runs, struct ls_buf *out, const char *name,
                          double (*value)(const struct tally *))
{
    for (const struct tally *t = runs->tallies; t; t = t->next) {
        const char *labels[] = {"sync", t->sync, "kind", t->kind, "status", t->status, NULL};

        ls_metric_sample(out, name, "", labels, value(t));
    }
}

static double runs_of(const struct tally *t)
{
    return (double)t->runs;
}

static double seconds_of(const struct tally *t)
{
    return (double)t->ms / 1000;
}

static void write_records(const struct ls_runs *runs, struct ls_buf *out)
{
    for (const struct tally *t = runs->tallies; t; t = t->next) {
        const struct {
            const char *change;
            uint64_t n;
        } all[] = {{"created", t->created},
                   {"updated", t->updated},
                   {"deleted", t->deleted},
                   {"failed", t->failed}};

        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            const char *labels[] = {"sync",    t->sync,  "kind",        t->kind, "status",
                                    t->status, "change", all[i].change, NULL};

            ls_metric_sample(out, "lockstep_run_records_total", "", labels, (double)all[i].n);
        }
    }
}

static void write_last_success(const struct ls_runs *runs, struct ls_buf *out)
{
    for (const struct tally *t = runs->tallies; t; t = t->next) {
        const char *labels[] = {"sync", t->sync, "kind", t->kind, NULL};

        if (strcmp(t->status, "completed") == 0)
            ls_metric_sample(out, "lockstep_run_last_completed_timestamp_seconds", "", labels,
                             (double)t->last_us / 1e6);
    }
}

void ls_runs_metrics(struct ls_runs *runs, struct ls_buf *out)
{
    size_t queued = 0, working = 0;

    (void)pthread_mutex_lock(&runs->lock);
    for (const struct entry *e = runs->first; e; e = e->next) {
        queued += e->stage == QUEUED;
        working += e->stage == WORKING;
    }
    ls_metric_one(out, "lockstep_runs_waiting", "gauge", "Runs that wait for their turn.",
                  (double)queued);
    ls_metric_one(out, "lockstep_runs_active", "gauge", "Runs that are at work.", (double)working);
    ls_metric_family(out, "lockstep_runs_total", "counter",
                     "Runs that ended, by sync, kind and status.");
    write_tallies(runs, out, "lockstep_runs_total", runs_of);
    ls_metric_family(out, "lockstep_run_seconds_total", "counter",
                     "Time that runs took, from the request to the end.");
    write_tallies(runs, out, "lockstep_run_seconds_total", seconds_of);
    ls_metric_family(out, "lockstep_run_records_total", "counter", "What runs did to records.");
    write_records(runs, out);
    ls_metric_family(out, "lockstep_run_last_completed_timestamp_seconds", "gauge",
                     "When a run of this sync and kind was last completed, as Unix time.");
    write_last_success(runs, out);
    (void)pthread_mutex_unlock(&runs->lock);
}

struct ls_workers *ls_runs_workers(struct ls_runs *runs)
{
    return runs->workers;
}

/* ---- open and close ---- */

enum ls_code ls_runs_open(struct ls_setup *setup, struct ls_hub *hub, size_t threads, size_t most,
                          struct ls_runs **ret, struct ls_error *err)
{
    struct ls_runs *runs = calloc(1, sizeof *runs);
    enum ls_code rc;

    if (!runs)
        return ls_error_nomem(err);
    (void)pthread_mutex_init(&runs->lock, NULL);
    runs->hub = hub;
    rc = ls_workers_open("run", threads, most, setup, &runs->workers, err);
    if (rc == LS_OK)
        *ret = runs;
    else
        ls_runs_close(runs);
    return rc;
}

void ls_runs_quiesce(struct ls_runs *runs)
{
    (void)pthread_mutex_lock(&runs->lock);
    runs->quiet = true;
    (void)pthread_mutex_unlock(&runs->lock);
    if (runs->workers)
        ls_workers_stop(runs->workers);
}

void ls_runs_cancel_all(struct ls_runs *runs)
{
    (void)pthread_mutex_lock(&runs->lock);
    for (struct entry *e = runs->first; e; e = e->next)
        if (e->stage != OVER) {
            e->cancelled = true;
            lockstep_cancel(e->ls);
        }
    (void)pthread_mutex_unlock(&runs->lock);
}

void ls_runs_close(struct ls_runs *runs)
{
    if (!runs)
        return;
    ls_runs_quiesce(runs);
    ls_runs_cancel_all(runs);
    ls_workers_close(runs->workers);
    for (struct entry *e = runs->first, *next; e; e = next) {
        next = e->next;
        free_entry(e);
    }
    for (struct tally *t = runs->tallies, *next; t; t = next) {
        next = t->next;
        free(t->sync);
        free(t->kind);
        free(t->status);
        free(t);
    }
    (void)pthread_mutex_destroy(&runs->lock);
    free(runs);
}
