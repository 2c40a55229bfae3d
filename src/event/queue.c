/* SPDX-License-Identifier: Apache-2.0 */
/* queue.c - the thread that writes the queue: takes all tasks that wait, runs them in one transaction, commits, tells everybody.
 *
 * While it commits, the next tasks gather: so the busier it is, the more tasks share a commit, and an idle
 * queue answers after exactly one. A transaction holds at most BATCH_MAX tasks, so that the first one in it does not wait for
 * thousands of others.
 *
 * Other processes (the command line, other nodes) write to the same state; what they accepted is noticed by a number that changes
 * (ls_queue_version()). On PostgreSQL each such commit is heard (listener.c) and the number looked at then, and now and then all the same, as a
 * connection that is silently dead hears nothing; where nothing is heard it is looked at a few times a second. A connection that was lost is opened again, with growing pauses; tasks fail meanwhile with
 * what the state said, and whoever handed them in decides.
 *
 * A commit that finds no room on the disk is the moment of the reserve. It is given back, SQLite's log is moved into its file and cut, and what was to be
 * committed is tried again without what is new. While room is short the log is kept short as well: it may grow to the size of the reserve else.
 *
 * Who handed in what is noted in the ledger: first calls in the transaction of their tasks, sums of the rest once a minute and at the end. */
#include "event/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"
#include "event/listener.h"
#include "state/reserve.h"

#define BATCH_MAX 2048
#define POLL_US 250000                     /* between looks for what others have accepted */
#define HEARD_POLL_US 10000000             /* the same while their commits are heard */
#define REOPEN_MAX_US 5000000              /* between tries to open a lost state */
#define SHORT_LOG_BYTES ((int64_t)1 << 20) /* of SQLite's log, while room is short */
#define TROUBLE_US ((int64_t)60 * 1000000) /* so long a write that failed is told */

struct ls_queue {
    struct ls_queue_options options;
    char *url, *where;
    struct ls_state *state;     /* the thread's; NULL while it is lost */
    struct ls_reserve *reserve; /* the thread's; NULL: there is none */
    struct ls_ledger *ledger;   /* the thread's */
    int64_t sum_us;             /* monotonic; when its sums may be tried again */
    int64_t version;
    int64_t reopen_us, pause_us; /* monotonic; when to try again */
    bool fatal;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct ls_queue_task *first, **end;
    struct ls_queue_counts counts;
    char trouble[200];  /* why the last write failed; "" */
    int64_t trouble_us; /* and when; monotonic */
    int writer;         /* by which the listener knows our own commits */
    bool look;          /* others have committed */
    bool hears;
    bool stop;
    struct ls_thread thread;
    struct ls_listener *listener; /* NULL: nothing can be heard */
};

/* ---- what is heard ---- */

static void look_soon(struct ls_queue *q)
{
    q->look = true;
    pthread_cond_signal(&q->changed);
}

static void on_heard(void *ctx, int writer)
{
    struct ls_queue *q = ctx;

    pthread_mutex_lock(&q->lock);
    if (writer != q->writer)
        look_soon(q);
    pthread_mutex_unlock(&q->lock);
}

static void on_hears(void *ctx, bool whether)
{
    struct ls_queue *q = ctx;

    pthread_mutex_lock(&q->lock);
    q->hears = whether;
    look_soon(q);
    pthread_mutex_unlock(&q->lock);
}

/* Until the next look. The lock is held. */
static int64_t poll_us(const struct ls_queue *q)
{
    if (!q->state)
        return POLL_US;
    if (q->options.poll_us)
        return q->options.poll_us;
    return q->hears ? HEARD_POLL_US : POLL_US;
}

/* ---- the state ---- */

static enum ls_code open_state(struct ls_queue *q, struct ls_error *err)
{
    enum ls_code rc = ls_state_open(q->url, true, &q->state, err);

    if (rc == LS_OK) {
        pthread_mutex_lock(&q->lock);
        q->writer = ls_state_writer(q->state);
        pthread_mutex_unlock(&q->lock);
    }
    return rc;
}

static void look_at_failure(struct ls_queue *q, enum ls_code rc, const struct ls_error *err)
{
    if ((rc == LS_IO || rc == LS_CORRUPT) && !q->fatal) {
        q->fatal = true;
        if (q->options.fatal)
            q->options.fatal(q->options.ctx, err);
    }
    if (rc != LS_CONNECT)
        return;
    ls_log(LS_LOG_WARN, "queue: the state is lost: %s", err->text);
    ls_state_close(q->state);
    q->state = NULL;
    q->pause_us = POLL_US;
    q->reopen_us = ls_clock_monotonic_us() + q->pause_us;
}

static enum ls_code need_state(struct ls_queue *q, struct ls_error *err)
{
    enum ls_code rc;

    if (q->state)
        return LS_OK;
    rc = open_state(q, err);
    if (rc == LS_OK) {
        ls_log(LS_LOG_INFO, "queue: the state is back");
        return LS_OK;
    }
    q->pause_us = q->pause_us * 2 > REOPEN_MAX_US ? REOPEN_MAX_US : q->pause_us * 2;
    q->reopen_us = ls_clock_monotonic_us() + q->pause_us;
    return rc;
}

/* What others have accepted wakes every endpoint. */
static void look_around(struct ls_queue *q)
{
    struct ls_error err;
    int64_t version = q->version;
    enum ls_code rc;

    ls_reserve_look(q->reserve, ls_clock_monotonic_us());
    if (!q->state && (ls_clock_monotonic_us() < q->reopen_us || need_state(q, &err) != LS_OK))
        return;
    rc = ls_queue_version(q->state, &version, &err);
    if (rc != LS_OK) {
        look_at_failure(q, rc, &err);
        return;
    }
    if (version != q->version && q->options.woken)
        q->options.woken(q->options.ctx, UINT64_MAX);
    q->version = version;
}

/* ---- room ---- */

/* Whether it is worth another try. */
static bool find_room(struct ls_queue *q, const struct ls_error *why)
{
    if (!ls_reserve_give(q->reserve, why))
        return false;
    if (q->state)
        ls_state_shrink(q->state, 0);
    return true;
}

static enum ls_code refuse(struct ls_queue *q, struct ls_error *err)
{
    enum ls_code rc = q->state ? ls_state_room(q->state, err) : LS_OK;

    if (rc == LS_OK) /* there is room, and the reserve is about to be made again */
        rc = ls_error_set(err, LS_FULL,
                          "the disk of the state was full a moment ago: nothing new is taken on. "
                          "Try again in a second");
    return rc;
}

static bool is_unwanted(const struct ls_queue *q, const struct ls_queue_task *task)
{
    return task->adds && ls_reserve_short(q->reserve);
}

/* ---- tasks ---- */

/* Its place is told beside it, and would leave no room for what to do. */
static const char *without_place(const struct ls_queue *q, const char *text)
{
    const size_t size = strlen(q->where);

    return ls_text_starts(text, q->where) && strncmp(text + size, ": ", 2) == 0 ? text + size + 2
                                                                                : text;
}

/* What a look at the health is told. A task's own failure is none of the state's, and who has changed nothing has proved nothing. */
static void note_outcome(struct ls_queue *q, enum ls_code rc, bool changed,
                         const struct ls_error *err)
{
    const bool failed = (rc == LS_IO || rc == LS_PERMISSION || rc == LS_FULL) && *err->native;

    if (!failed && (rc != LS_OK || !changed))
        return;
    pthread_mutex_lock(&q->lock);
    snprintf(q->trouble, sizeof q->trouble, "%.199s", failed ? without_place(q, err->text) : "");
    q->trouble_us = ls_clock_monotonic_us();
    pthread_mutex_unlock(&q->lock);
}

static enum ls_code run_task(struct ls_queue *q, struct ls_queue_task *t, struct ls_queue_tx *tx,
                             struct ls_error *err)
{
    const enum ls_code rc = t->run(t, tx, err);

    return rc == LS_OK && t->deed ? ls_ledger_note(q->ledger, tx, t->deed, err) : rc;
}

/* Runs tasks from `first` up to and without `end` in one transaction. */
static enum ls_code attempt(struct ls_queue *q, struct ls_queue_task *first,
                            const struct ls_queue_task *end, struct ls_error *err)
{
    struct ls_queue_tx tx = {0};
    const int64_t now_us = q->options.now_us ? q->options.now_us() : ls_clock_now_us();
    uint64_t changes = 0;
    enum ls_code rc = need_state(q, err);

    if (rc == LS_OK)
        changes = ls_state_changes(q->state);
    if (rc == LS_OK)
        rc = ls_queue_begin(q->state, now_us, &tx, err);
    if (rc == LS_OK) {
        for (struct ls_queue_task *t = first; t != end && rc == LS_OK; t = t->next)
            rc = run_task(q, t, &tx, err);
        if (rc == LS_OK)
            rc = ls_ledger_write(q->ledger, &tx, err);
        rc = ls_queue_end(&tx, rc, err);
        ls_ledger_end(q->ledger, rc == LS_OK, ls_clock_monotonic_us());
    }
    note_outcome(q, rc, rc == LS_OK && ls_state_changes(q->state) != changes, err);
    if (rc == LS_OK && ls_reserve_short(q->reserve))
        ls_state_shrink(q->state, SHORT_LOG_BYTES);
    if (rc == LS_OK && tx.woken && q->options.woken)
        q->options.woken(q->options.ctx, tx.woken);
    if (rc != LS_OK)
        look_at_failure(q, rc, err);
    return rc;
}

/* done() may free its task. */
static void tell(struct ls_queue_task *first, const struct ls_queue_task *end, enum ls_code rc,
                 const struct ls_error *err)
{
    for (struct ls_queue_task *t = first, *next; t != end; t = next) {
        next = t->next;
        t->done(t, rc, rc == LS_OK ? NULL : err);
    }
}

/* Tells those that are unwanted, and takes them off the list. */
static struct ls_queue_task *turn_away(struct ls_queue *q, struct ls_queue_task *first,
                                       struct ls_queue_counts *more)
{
    struct ls_queue_task *kept = NULL, **end = &kept;
    struct ls_error err;

    for (struct ls_queue_task *t = first, *next; t; t = next) {
        next = t->next;
        if (is_unwanted(q, t)) {
            t->next = NULL;
            tell(t, NULL, refuse(q, &err), &err);
            more->failed++;
        } else {
            *end = t;
            end = &t->next;
        }
    }
    *end = NULL;
    return kept;
}

static void run_one_by_one(struct ls_queue *q, struct ls_queue_task *first,
                           struct ls_queue_counts *more)
{
    for (struct ls_queue_task *t = first, *next; t; t = next) {
        struct ls_error err;
        enum ls_code rc;

        next = t->next;
        rc = is_unwanted(q, t) ? refuse(q, &err) : attempt(q, t, next, &err);
        more->commits += rc == LS_OK;
        more->failed += rc != LS_OK;
        tell(t, next, rc, &err);
    }
}

static void run_tasks(struct ls_queue *q, struct ls_queue_task *first, size_t count)
{
    struct ls_error err;
    struct ls_queue_counts more = {.tasks = count};
    enum ls_code rc = LS_OK;

    first = turn_away(q, first, &more);
    if (first)
        rc = attempt(q, first, NULL, &err);
    if (rc == LS_FULL && find_room(q, &err)) {
        first = turn_away(q, first, &more);
        if (first)
            rc = attempt(q, first, NULL, &err);
    }
    if (first && rc != LS_OK && first->next) {
        run_one_by_one(q, first, &more);
    } else if (first) {
        more.commits += rc == LS_OK;
        more.failed += rc != LS_OK;
        tell(first, NULL, rc, &err);
    }
    pthread_mutex_lock(&q->lock);
    q->counts.tasks += more.tasks;
    q->counts.commits += more.commits;
    q->counts.failed += more.failed;
    pthread_mutex_unlock(&q->lock);
}

/* Calls that were counted become entries. What cannot be written now is tried again. */
static enum ls_code flush(struct ls_queue *q, struct ls_error *err)
{
    struct ls_queue_tx tx = {0};
    enum ls_code rc = need_state(q, err);

    if (rc == LS_OK && ls_ledger_waiting(q->ledger)) {
        rc = ls_queue_begin(q->state, q->options.now_us ? q->options.now_us() : ls_clock_now_us(),
                            &tx, err);
        if (rc == LS_OK)
            rc = ls_queue_end(&tx, ls_ledger_flush(q->ledger, &tx, err), err);
    }
    if (rc == LS_OK)
        ls_ledger_flushed(q->ledger);
    else
        look_at_failure(q, rc, err);
    q->sum_us = rc == LS_OK ? 0 : ls_clock_monotonic_us() + REOPEN_MAX_US;
    return rc;
}

static void flush_due(struct ls_queue *q)
{
    const int64_t now_us = ls_clock_monotonic_us();
    struct ls_error err;

    if (q->state && now_us >= q->sum_us && ls_ledger_due(q->ledger, now_us))
        (void)flush(q, &err);
}

static void flush_last(struct ls_queue *q)
{
    struct ls_error err = {0};
    const uint64_t calls = ls_ledger_waiting(q->ledger);

    if (calls && flush(q, &err) != LS_OK)
        ls_log(LS_LOG_ERROR,
               "queue: %llu calls whose events were taken are not in the audit log, their callers' "
               "first ones are: %s",
               (unsigned long long)calls, err.text);
}

/* Cuts the first BATCH_MAX tasks off. The lock is held. */
static struct ls_queue_task *take_batch(struct ls_queue *q, size_t *ret_count)
{
    struct ls_queue_task *first = q->first, *last = first;
    size_t count = first ? 1 : 0;

    while (last && last->next && count < BATCH_MAX) {
        last = last->next;
        count++;
    }
    *ret_count = count;
    if (!last)
        return NULL;
    q->first = last->next;
    if (!q->first)
        q->end = &q->first;
    last->next = NULL;
    return first;
}

static void work(void *arg)
{
    struct ls_queue *q = arg;
    int64_t looked_us = ls_clock_monotonic_us();
    bool stop = false;

    while (!stop) {
        struct ls_queue_task *first;
        size_t count = 0;
        bool look;

        pthread_mutex_lock(&q->lock);
        while (!q->first && !q->stop && !q->look &&
               ls_cond_wait(&q->changed, &q->lock, looked_us + poll_us(q))) {
        }
        first = take_batch(q, &count);
        stop = q->stop && !first;
        look = q->look || ls_clock_monotonic_us() >= looked_us + poll_us(q);
        q->look = false;
        pthread_mutex_unlock(&q->lock);
        if (first)
            run_tasks(q, first, count);
        flush_due(q);
        if (look) {
            look_around(q);
            looked_us = ls_clock_monotonic_us();
        }
    }
    flush_last(q);
}

void ls_queue_submit(struct ls_queue *q, struct ls_queue_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&q->lock);
    *q->end = task;
    q->end = &task->next;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

/* ---- waiting for a task ---- */

struct waiter {
    struct ls_queue_task task;
    struct ls_queue_task *of;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool over;
    enum ls_code rc;
    struct ls_error err;
};

static enum ls_code run_waited(struct ls_queue_task *task, struct ls_queue_tx *tx,
                               struct ls_error *err)
{
    struct ls_queue_task *of = ((struct waiter *)task)->of;

    return of->run(of, tx, err);
}

static void end_waiting(struct ls_queue_task *task, enum ls_code rc, const struct ls_error *err)
{
    struct waiter *w = (struct waiter *)task;

    pthread_mutex_lock(&w->lock);
    w->rc = rc;
    if (rc != LS_OK)
        w->err = *err;
    w->over = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

enum ls_code ls_queue_do(struct ls_queue *q, struct ls_queue_task *task, struct ls_error *err)
{
    struct waiter w = {.task = {.run = run_waited, .done = end_waiting, .deed = task->deed},
                       .of = task,
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .changed = PTHREAD_COND_INITIALIZER};

    ls_queue_submit(q, &w.task);
    pthread_mutex_lock(&w.lock);
    while (!w.over)
        pthread_cond_wait(&w.changed, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
    if (w.rc != LS_OK && err)
        *err = w.err;
    return w.rc;
}

/* ---- open and close ---- */

enum ls_code ls_queue_open(const char *state_url, const struct ls_queue_options *options,
                           struct ls_queue **ret, struct ls_error *err)
{
    struct ls_queue *q = calloc(1, sizeof *q);
    enum ls_code rc;

    if (!q)
        return ls_error_nomem(err);
    if (options)
        q->options = *options;
    q->end = &q->first;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    q->url = state_url ? strdup(state_url) : NULL;
    rc = state_url && !q->url ? ls_error_nomem(err)
                              : ls_ledger_new(0, q->options.audit_us, &q->ledger, err);
    if (rc == LS_OK)
        rc = open_state(q, err);
    if (rc == LS_OK)
        rc = ls_queue_version(q->state, &q->version, err);
    if (rc == LS_OK && q->options.reserve)
        rc = ls_reserve_open(q->state, &q->reserve, err);
    if (rc == LS_CONNECT) { /* it is tried again */
        ls_log(LS_LOG_WARN, "queue: the state cannot be reached: %s", err->text);
        q->pause_us = POLL_US;
        rc = LS_OK;
    }
    if (rc == LS_OK && !(q->where = strdup(q->state ? ls_state_where(q->state) : "postgres:")))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_thread_start(&q->thread, work, q, err);
    if (rc == LS_OK)
        rc = ls_listener_open(
            q->url, &(struct ls_listener_options){.heard = on_heard, .hears = on_hears, .ctx = q},
            &q->listener, err);
    if (rc == LS_OK)
        *ret = q;
    else
        ls_queue_close(q);
    return rc;
}

void ls_queue_close(struct ls_queue *q)
{
    if (!q)
        return;
    ls_listener_close(q->listener);
    pthread_mutex_lock(&q->lock);
    q->stop = true;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
    ls_thread_join(&q->thread);
    ls_reserve_close(q->reserve);
    ls_state_close(q->state);
    ls_ledger_free(q->ledger);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    free(q->url);
    free(q->where);
    free(q);
}

const char *ls_queue_state(const struct ls_queue *q)
{
    return q->where;
}

struct ls_queue_counts ls_queue_counts(struct ls_queue *q)
{
    struct ls_queue_counts counts;

    pthread_mutex_lock(&q->lock);
    counts = q->counts;
    pthread_mutex_unlock(&q->lock);
    return counts;
}

bool ls_queue_healthy(struct ls_queue *q, char why[200])
{
    bool well;

    pthread_mutex_lock(&q->lock);
    well = !*q->trouble || ls_clock_monotonic_us() - q->trouble_us > TROUBLE_US;
    snprintf(why, 200, "%s", well ? "" : q->trouble);
    pthread_mutex_unlock(&q->lock);
    return well;
}
