/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler.c - the scheduler's thread: its sleep, its mailbox, the order of a tick.
 *
 * A tick writes the ends that were told, looks after firings whose process is gone, lets times come again where the clock went back, fires what is due,
 * begins what waits, and says when to come again. All that it knows stands in the state, but for one list: which attempts run here. A firing that
 * the state calls running on this node and that is not in the list was never begun: the commit that made it ended without an answer.
 *
 * Sleep. By the monotonic clock, so that a clock that is set does not shorten or lengthen it, and a few seconds at most, so that one that is set is
 * noticed: due times are the wall clock's. In these seconds nothing is asked of the processor but one comparison, and of the state one
 * small question: another process may have made a schedule or asked for a firing.
 *
 * Alive. Each scheduler holds a lock of the state that dies with its process. Who finds a firing that runs on a node without that lock gives it up
 * for lost. No lease, so no clock that is wrong, no process that was stopped for a while, and no slow disk makes one run twice.
 *
 * Trouble. When the state cannot be reached what was told stays in the mailbox, and the next tick opens it again; the pauses grow to half a minute. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "schedule/scheduler_priv.h"

#define S_US INT64_C(1000000)
#define LOOK_US (INT64_C(5) * S_US)     /* the longest sleep */
#define STEP_US S_US                    /* so much the clock may go back without it being a step */
#define SWEEP_US (INT64_C(30) * S_US)   /* how often others are looked after */
#define PRUNE_US (INT64_C(3600) * S_US) /* and old firings removed */
#define TROUBLE_MAX_US (INT64_C(30) * S_US)
#define ROUNDS_MAX 20 /* of what is due, in one tick: ends are to be written in between */

struct told {
    struct told *next;
    struct ls_schedule_end end;
};

/* ---- new and free ---- */

enum ls_code ls_scheduler_new(const struct ls_scheduler_options *options, struct ls_scheduler **ret,
                              struct ls_error *err)
{
    struct ls_scheduler *s = calloc(1, sizeof *s);

    if (!s)
        return ls_error_nomem(err);
    s->hooks = options->hooks;
    s->project = strdup(options->project ? options->project : "");
    s->state_url = options->state_url ? strdup(options->state_url) : NULL;
    ls_uuid_new(s->node);
    snprintf(s->lock_name, sizeof s->lock_name, "scheduler %s", s->node);
    s->end = &s->first;
    s->recheck = true;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->changed, NULL);
    if (!s->project || (options->state_url && !s->state_url)) {
        ls_scheduler_free(s);
        return ls_error_nomem(err);
    }
    *ret = s;
    return LS_OK;
}

static struct told *take_told(struct ls_scheduler *s)
{
    struct told *t;

    pthread_mutex_lock(&s->lock);
    t = s->first;
    if (t) {
        s->first = t->next;
        if (!s->first)
            s->end = &s->first;
    }
    pthread_mutex_unlock(&s->lock);
    return t;
}

static void give_back(struct ls_scheduler *s, struct told *t)
{
    pthread_mutex_lock(&s->lock);
    t->next = s->first;
    s->first = t;
    if (!t->next)
        s->end = &t->next;
    pthread_mutex_unlock(&s->lock);
}

/* Those that are there now: what they lead to may end at once, and is for the next tick. */
static enum ls_code write_ends(struct ls_scheduler *s, int64_t now_us, struct ls_error *err)
{
    enum ls_code rc = LS_OK;
    struct told *t;
    size_t count = 0;

    pthread_mutex_lock(&s->lock);
    for (t = s->first; t; t = t->next)
        count++;
    pthread_mutex_unlock(&s->lock);
    for (; count > 0 && rc == LS_OK && (t = take_told(s)) != NULL; count--) {
        rc = ls_turn_end(s, &t->end, now_us, err);
        if (rc == LS_OK)
            free(t);
        else
            give_back(s, t);
    }
    return rc;
}

static void close_state(struct ls_scheduler *s)
{
    ls_state_unlock(s->served);
    s->served = NULL;
    ls_state_unlock(s->alive);
    s->alive = NULL;
    ls_state_close(s->state);
    s->state = NULL;
}

void ls_scheduler_free(struct ls_scheduler *s)
{
    struct ls_error ignored;
    struct told *t;

    if (!s)
        return;
    if (s->state && ls_state_alive(s->state))
        (void)!write_ends(s, ls_clock_now_us(), &ignored);
    while ((t = take_told(s)) != NULL)
        free(t);
    close_state(s);
    free(s->mine);
    free(s->state_url);
    free(s->project);
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- from other threads ---- */

static void set_flag(struct ls_scheduler *s, bool *flag)
{
    pthread_mutex_lock(&s->lock);
    *flag = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void ls_scheduler_stop(struct ls_scheduler *s)
{
    set_flag(s, &s->stop);
}

void ls_scheduler_wake(struct ls_scheduler *s)
{
    set_flag(s, &s->woken);
}

void ls_scheduler_ended(struct ls_scheduler *s, const struct ls_schedule_end *end)
{
    struct told *t = calloc(1, sizeof *t);

    if (!t) { /* it is found when this process has ended */
        ls_log(LS_LOG_ERROR, "schedule: the end of firing %s is not noted: out of memory",
               end->firing);
        return;
    }
    t->end = *end;
    pthread_mutex_lock(&s->lock);
    *s->end = t;
    s->end = &t->next;
    s->woken = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void ls_scheduler_figures(struct ls_scheduler *s, struct ls_scheduler_figures *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = s->figures;
    pthread_mutex_unlock(&s->lock);
}

bool ls_scheduler_healthy(struct ls_scheduler *s, char why[200])
{
    pthread_mutex_lock(&s->lock);
    memcpy(why, s->trouble, sizeof s->trouble);
    pthread_mutex_unlock(&s->lock);
    return !*why;
}

void ls_scheduler_count(struct ls_scheduler *s, uint64_t *figure, uint64_t more)
{
    pthread_mutex_lock(&s->lock);
    *figure += more;
    pthread_mutex_unlock(&s->lock);
}

/* ---- what is told of firings ---- */

static void count_firing(struct ls_scheduler *s, const struct ls_firing *f)
{
    struct ls_scheduler_figures *n = &s->figures;
    uint64_t *const figures[LS_FIRING_STATE_COUNT] = {
        [LS_FIRING_SUCCEEDED] = &n->succeeded, [LS_FIRING_FAILED] = &n->failed,
        [LS_FIRING_LOST] = &n->lost,           [LS_FIRING_SKIPPED] = &n->skipped,
        [LS_FIRING_MISSED] = &n->missed,
    };

    if (f->state == LS_FIRING_RUNNING && f->attempt == 1)
        ls_scheduler_count(s, &n->fired, 1);
    if (figures[f->state])
        ls_scheduler_count(s, figures[f->state], (uint64_t)f->times);
}

/* Which level a firing's line has: what people wait for, what they should know, what went wrong. */
static enum ls_log_level level_of(const struct ls_firing *f)
{
    static const enum ls_log_level levels[LS_FIRING_STATE_COUNT] = {
        [LS_FIRING_WAITING] = LS_LOG_DEBUG,  [LS_FIRING_RUNNING] = LS_LOG_INFO,
        [LS_FIRING_SUCCEEDED] = LS_LOG_INFO, [LS_FIRING_FAILED] = LS_LOG_ERROR,
        [LS_FIRING_LOST] = LS_LOG_ERROR,     [LS_FIRING_SKIPPED] = LS_LOG_INFO,
        [LS_FIRING_MISSED] = LS_LOG_WARN,
    };

    return f->state == LS_FIRING_WAITING && f->failures ? LS_LOG_WARN : levels[f->state];
}

void ls_scheduler_note(struct ls_scheduler *s, const struct ls_schedule *schedule,
                       const struct ls_firing *f)
{
    const char *reason = f->reason ? f->reason : "";
    char from[25], until[25];

    ls_clock_iso(f->nominal_us, from);
    ls_clock_iso(f->until_us, until);
    if (f->times > 1)
        ls_log(level_of(f), "schedule %s: %" PRId64 " times from %s to %s %s: %s", schedule->id,
               f->times, from, until, ls_firing_state_word(f->state), reason);
    else
        ls_log(level_of(f), "schedule %s: %s%s of %s %s (attempt=%" PRId64 " firing=%s)%s%s",
               schedule->id, f->late ? "late " : "", ls_firing_kind_word(f->kind), from,
               ls_firing_state_word(f->state), f->attempt, f->id, *reason ? ": " : "", reason);
    count_firing(s, f);
    if (s->hooks.changed)
        s->hooks.changed(s->hooks.ctx, schedule, f);
}

/* ---- attempts that run here ---- */

enum ls_code ls_mine_add(struct ls_scheduler *s, const struct ls_firing *f, struct ls_error *err)
{
    if (s->mine_count == s->mine_room) {
        const size_t room = s->mine_room ? s->mine_room * 2 : 16;
        struct ls_schedule_end *grown = realloc(s->mine, room * sizeof *grown);

        if (!grown)
            return ls_error_nomem(err);
        s->mine = grown;
        s->mine_room = room;
    }
    s->mine[s->mine_count] = (struct ls_schedule_end){.attempt = f->attempt};
    memcpy(s->mine[s->mine_count++].firing, f->id, sizeof f->id);
    return LS_OK;
}

static size_t mine_index(const struct ls_scheduler *s, const char *firing, int64_t attempt)
{
    size_t i = 0;

    while (i < s->mine_count &&
           (s->mine[i].attempt != attempt || strcmp(s->mine[i].firing, firing) != 0))
        i++;
    return i;
}

void ls_mine_remove(struct ls_scheduler *s, const char *firing, int64_t attempt)
{
    const size_t i = mine_index(s, firing, attempt);

    if (i < s->mine_count)
        s->mine[i] = s->mine[--s->mine_count];
}

bool ls_mine_has(const struct ls_scheduler *s, const char *firing, int64_t attempt)
{
    return mine_index(s, firing, attempt) < s->mine_count;
}

/* ---- a tick ---- */

/* The handle and this node's lock. A lock whose connection was lost is taken anew: what others found lost meanwhile stays so. */
static enum ls_code open_state(struct ls_scheduler *s, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    if (s->state && !ls_state_alive(s->state))
        close_state(s);
    if (s->alive && !ls_state_lock_alive(s->alive)) {
        ls_state_unlock(s->alive);
        s->alive = NULL;
    }
    if (!s->state) {
        rc = ls_state_open(s->state_url, true, &s->state, err);
        s->sweep_us = 0;
        s->recheck = true;
    }
    if (rc == LS_OK && !s->alive)
        rc = ls_state_lock(s->state, s->lock_name, &s->alive, err);
    return rc;
}

static enum ls_code prune(struct ls_scheduler *s, int64_t now_us, struct ls_error *err)
{
    uint64_t gone = 0;
    const enum ls_code rc = ls_state_firings_prune(s->state, 0, 0, now_us, &gone, err);

    if (rc == LS_OK && gone)
        ls_log(LS_LOG_INFO, "schedule: removed %" PRIu64 " old firings from the history", gone);
    return rc;
}

/* One of the nodes holds the lock by which people see that there is one. */
static void show_presence(struct ls_scheduler *s)
{
    struct ls_error ignored;

    if (s->served && !ls_state_lock_alive(s->served)) {
        ls_state_unlock(s->served);
        s->served = NULL;
    }
    if (!s->served)
        (void)!ls_state_lock(s->state, LS_SCHEDULER_LOCK, &s->served, &ignored);
}

static enum ls_code look_after(struct ls_scheduler *s, int64_t now_us, int64_t monotonic_us,
                               struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    if (monotonic_us >= s->sweep_us) {
        show_presence(s);
        rc = ls_turn_sweep(s, now_us, err);
        if (rc == LS_OK)
            s->sweep_us = monotonic_us + SWEEP_US;
    }
    if (rc == LS_OK && s->recheck) {
        rc = ls_turn_rewind(s, now_us, err);
        s->recheck = rc != LS_OK;
    }
    if (rc == LS_OK && monotonic_us >= s->prune_us) {
        rc = prune(s, now_us, err);
        s->prune_us = monotonic_us + PRUNE_US;
    }
    return rc;
}

static void look_at_clock(struct ls_scheduler *s, int64_t now_us, int64_t monotonic_us)
{
    const int64_t went_us = now_us - s->wall_us, passed_us = monotonic_us - s->monotonic_us;

    if (s->wall_us && went_us < passed_us - STEP_US) {
        s->recheck = true;
        ls_log(LS_LOG_WARN, "schedule: the clock was set back by %" PRId64 " s",
               (passed_us - went_us) / S_US);
    }
    s->wall_us = now_us;
    s->monotonic_us = monotonic_us;
}

static enum ls_code tick(struct ls_scheduler *s, int64_t now_us, int64_t monotonic_us,
                         int64_t *ret_wake_us, struct ls_error *err)
{
    int64_t again_us = INT64_MAX, due_us = INT64_MAX;
    bool more = true;
    enum ls_code rc = open_state(s, err);

    if (rc == LS_OK)
        rc = write_ends(s, now_us, err);
    if (rc == LS_OK)
        rc = look_after(s, now_us, monotonic_us, err);
    for (int round = 0; round < ROUNDS_MAX && rc == LS_OK && more; round++)
        rc = ls_turn_due(s, now_us, &more, err);
    if (rc == LS_OK)
        rc = ls_turn_waiting(s, now_us, &again_us, err);
    if (rc == LS_OK)
        rc = ls_state_schedules_next(s->state, s->project, now_us, &due_us, err);
    *ret_wake_us = more ? now_us : due_us < again_us ? due_us : again_us;
    return rc;
}

enum ls_code ls_scheduler_tick(struct ls_scheduler *s, int64_t now_us, int64_t monotonic_us,
                               int64_t *ret_wake_us, struct ls_error *err)
{
    struct ls_error why = {0};
    enum ls_code rc;

    look_at_clock(s, now_us, monotonic_us);
    rc = tick(s, now_us, monotonic_us, ret_wake_us, &why);
    pthread_mutex_lock(&s->lock);
    if (rc == LS_OK) {
        s->figures.last_good_us = now_us;
        s->figures.running = s->mine_count;
        *s->trouble = '\0';
        if (s->first) /* told meanwhile */
            *ret_wake_us = now_us;
    } else {
        *ret_wake_us = now_us + S_US;
        snprintf(s->trouble, sizeof s->trouble, "%.199s", why.text);
    }
    pthread_mutex_unlock(&s->lock);
    if (rc != LS_OK && err)
        *err = why;
    return rc;
}

/* Sleeps until that moment of the monotonic clock; false when it is to stop. */
static bool rest(struct ls_scheduler *s, int64_t until_us)
{
    bool stop;

    pthread_mutex_lock(&s->lock);
    while (!s->stop && !s->woken && ls_cond_wait(&s->changed, &s->lock, until_us))
        ;
    s->woken = false;
    stop = s->stop;
    pthread_mutex_unlock(&s->lock);
    return !stop;
}

void ls_scheduler_run(struct ls_scheduler *s)
{
    int64_t sleep_us, trouble_us = 0;

    do {
        struct ls_error err = {0};
        int64_t now_us, wake_us;

        if (s->hooks.looked)
            s->hooks.looked(s->hooks.ctx);
        wake_us = now_us = ls_clock_now_us();
        if (ls_scheduler_tick(s, now_us, ls_clock_monotonic_us(), &wake_us, &err) != LS_OK) {
            if (trouble_us == 0)
                ls_log(LS_LOG_ERROR, "schedule: nothing can be fired: %s", err.text);
            trouble_us = trouble_us ? trouble_us * 2 : S_US;
            sleep_us = trouble_us = trouble_us < TROUBLE_MAX_US ? trouble_us : TROUBLE_MAX_US;
        } else {
            if (trouble_us)
                ls_log(LS_LOG_INFO, "schedule: the state can be reached again");
            trouble_us = 0;
            sleep_us = wake_us - now_us;
            sleep_us = sleep_us < LOOK_US ? sleep_us : LOOK_US;
        }
        if (sleep_us < 0)
            sleep_us = 0;
    } while (rest(s, ls_clock_monotonic_us() + sleep_us));
}
