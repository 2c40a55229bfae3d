/* SPDX-License-Identifier: Apache-2.0 */
/* decide.c - what is to be done about a schedule now.
 *
 * One question: which of the nominal times behind the last one that was dealt with is fired now, if any, and what is said of the
 * others. With base = that last time, and due = those in (base, now - jitter] inside of the hours:
 *
 *   catch-up   fires                                                       of the rest
 *   none       the last one, if it is not late                             missed
 *   last       the last one, however late (or not older than the window)   missed
 *   all        the first one inside of the window, and next time the next  missed: those before the window
 *
 * A time is late a minute after it was due. With `all` the times come one after the other: while one is at work the next waits, and stays
 * uncounted, so that neither many start at once nor a queue of a thousand rows is made in advance.
 *
 * A late one is not fired outside of the business hours: that its time was inside does not help those who are at home now.
 *
 * An overlap is told by the firings that run, or wait to start. One that failed and waits for its next attempt is none: the new one does what
 * it would do, so it is given up. (Not so when catching up on all of them, where each counts.)
 *
 * Jitter is the same for every time of a schedule, from a hash of its id: order is kept, and two nodes agree. */
#include "schedule/decide.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/text.h"
#include "event/guard.h"
#include "schedule/call.h"

#define S_US INT64_C(1000000)
#define DAY_S INT64_C(86400)
#define AGAIN_US (INT64_C(30) * S_US) /* a waiting time is looked at so often at least */
#define WINDOWS_MAX 10000             /* business hours that are tried for a time that fits */

/* ---- times ---- */

static int64_t jitter_of(const struct ls_schedule *s)
{
    if (s->jitter_s <= 0)
        return 0;
    return (int64_t)(ls_hash64(s->id, strlen(s->id), 0x6a69747465720000) %
                     (uint64_t)(s->jitter_s * S_US / 1000 + 1)) *
           1000; /* whole milliseconds */
}

int64_t ls_timetable_next(const struct ls_timetable *t, int64_t after_us)
{
    int64_t due = ls_cron_next(&t->cron, t->zone, after_us);

    for (int i = 0; i < WINDOWS_MAX && due != LS_CRON_NEVER; i++) {
        const int64_t open_us = ls_hours_after(&t->hours, t->zone, due);

        if (open_us == due)
            return due;
        due = ls_cron_next(&t->cron, t->zone, open_us - 1);
    }
    return LS_CRON_NEVER;
}

int64_t ls_timetable_last(const struct ls_timetable *t, int64_t at_us)
{
    int64_t due = ls_cron_last(&t->cron, t->zone, at_us);

    for (int i = 0; i < WINDOWS_MAX && due != -LS_CRON_NEVER; i++) {
        const int64_t open_us = ls_hours_before(&t->hours, t->zone, due);

        if (open_us == due)
            return due;
        due = ls_cron_last(&t->cron, t->zone, open_us);
    }
    return -LS_CRON_NEVER;
}

enum ls_code ls_timetable_open(const struct ls_schedule *s, struct ls_timetable *ret,
                               struct ls_error *err)
{
    enum ls_code rc;

    memset(ret, 0, sizeof *ret);
    rc = ls_cron_parse(s->cron, &ret->cron, err);
    if (rc == LS_OK)
        rc = ls_cron_zone(&ret->cron, s->zone, &ret->zone, err);
    if (rc == LS_OK)
        rc = ls_hours_parse(s->hours ? s->hours : "", &ret->hours, err);
    ret->jitter_us = jitter_of(s);
    if (rc == LS_OK && ls_timetable_next(ret, 0) == LS_CRON_NEVER)
        rc = ls_error_set(err, LS_CONFIG,
                          "schedule %s would never be due: \"%.60s\" has no time inside of the "
                          "hours \"%.60s\"",
                          s->id, s->cron, s->hours);
    return rc;
}

void ls_timetable_close(struct ls_timetable *t)
{
    ls_zone_close(t->zone);
    t->zone = NULL;
}

/* ---- settings ---- */

static enum ls_code out_of_range(const struct ls_schedule *s, const char *what, int64_t max,
                                 struct ls_error *err)
{
    return ls_error_set(err, LS_CONFIG, "schedule %s: %s is from 0 to %" PRId64, s->id, what, max);
}

static enum ls_code check_numbers(const struct ls_schedule *s, struct ls_error *err)
{
    const struct {
        const char *what;
        int64_t value, max;
    } numbers[] = {
        {"jitter in seconds", s->jitter_s, DAY_S},
        {"the window of catch-up in seconds", s->catch_up_s, 366 * DAY_S},
        {"timeout in milliseconds", s->timeout_ms, 7 * DAY_S * 1000},
        {"the number of retries", s->retries, 20},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value < 0 || numbers[i].value > numbers[i].max)
            return out_of_range(s, numbers[i].what, numbers[i].max, err);
    return LS_OK;
}

/* It stands in requests, logs and messages. */
static bool is_http(const char *url)
{
    const size_t length = strlen(url);

    for (size_t i = 0; i < length; i++)
        if ((unsigned char)url[i] <= ' ' || url[i] == 0x7f)
            return false;
    return (ls_text_starts(url, "http://") || ls_text_starts(url, "https://")) && length < 8000 &&
           ls_utf8_check(url, length) == length;
}

/* Where it may lead is for the daemon that makes the call to say. */
static enum ls_code check_url(const struct ls_schedule *s, struct ls_error *err)
{
    struct ls_error why = {0};
    const enum ls_code rc = ls_guard_text(s->target, &why);

    return rc == LS_OK ? LS_OK
                       : ls_error_set(err, rc == LS_USAGE ? LS_CONFIG : rc, "schedule %s: %s",
                                      s->id, why.text);
}

enum ls_code ls_schedule_check(const struct ls_schedule *s, struct ls_error *err)
{
    const char *target = s->target ? s->target : "";
    struct ls_timetable t;
    enum ls_code rc = ls_timetable_open(s, &t, err);

    ls_timetable_close(&t);
    if (rc == LS_OK)
        rc = check_numbers(s, err);
    if (rc == LS_OK && s->action == LS_ACTION_SYNC && !*target)
        rc = ls_error_set(err, LS_CONFIG, "schedule %s: which sync is to run?", s->id);
    if (rc == LS_OK && s->action == LS_ACTION_POST && !is_http(target))
        rc = ls_error_set(err, LS_CONFIG,
                          "schedule %s: a call goes to a URL that begins with https:// or http://",
                          s->id);
    if (rc == LS_OK && s->action == LS_ACTION_POST)
        rc = check_url(s, err);
    if (rc == LS_OK && s->action == LS_ACTION_POST)
        rc = ls_call_check(s, err);
    if (rc == LS_OK && s->action == LS_ACTION_MESSAGE && !*target)
        rc = ls_error_set(err, LS_CONFIG, "schedule %s: where is the message to go?", s->id);
    if (rc == LS_OK && s->action != LS_ACTION_POST && s->action != LS_ACTION_MESSAGE &&
        s->overlap == LS_OVERLAP_ALLOW)
        rc =
            ls_error_set(err, LS_CONFIG,
                         "schedule %s: overlap allow is for calls only: two runs of one sync never "
                         "overlap. There are skip and queue",
                         s->id);
    return rc;
}

static void set_times(const struct ls_timetable *t, int64_t last_us, struct ls_decision *ret)
{
    ret->last_us = last_us;
    ret->next_us = ls_timetable_next(t, last_us);
    ret->due_us = ret->next_us == LS_CRON_NEVER ? LS_CRON_NEVER : ret->next_us + t->jitter_us;
}

enum ls_code ls_schedule_begin(struct ls_schedule *s, int64_t now_us, struct ls_error *err)
{
    struct ls_decision d;
    struct ls_timetable t;
    enum ls_code rc = ls_timetable_open(s, &t, err);

    if (rc == LS_OK) {
        set_times(&t, now_us, &d);
        s->last_us = d.last_us;
        s->next_us = d.next_us;
        s->due_us = d.due_us;
    }
    ls_timetable_close(&t);
    return rc;
}

/* ---- what passed ---- */

static void count_one(struct ls_span *span, int64_t us)
{
    if (span->count == 0)
        span->first_us = us;
    span->last_us = us;
    span->count++;
}

/* The times in (after, before), told apart by the hours. Of very many only the first are walked through; the last one is known all the same. */
static void count(const struct ls_timetable *t, int64_t after_us, int64_t before_us,
                  struct ls_span *inside, struct ls_span *outside)
{
    int64_t us = ls_cron_next(&t->cron, t->zone, after_us), last;

    while (us < before_us && inside->count + outside->count < LS_SPAN_COUNT_MAX) {
        count_one(ls_hours_contain(&t->hours, t->zone, us) ? inside : outside, us);
        us = ls_cron_next(&t->cron, t->zone, us);
    }
    if (us < before_us && inside->count > 0 &&
        (last = ls_timetable_last(t, before_us - 1)) > inside->last_us)
        inside->last_us = last;
}

/* ---- deciding ---- */

/* What stands against one more, now. */
struct at_work {
    bool any, waiting, to_retry;
    int64_t nominal_us; /* of the first that is in the way */
};

static struct at_work look(const struct ls_firing *open, size_t count)
{
    struct at_work w = {0};

    for (size_t i = 0; i < count; i++) {
        if (open[i].state == LS_FIRING_WAITING && open[i].failures > 0) {
            w.to_retry = true;
            continue;
        }
        if (!w.any)
            w.nominal_us = open[i].nominal_us;
        w.any = true;
        w.waiting = w.waiting || open[i].state == LS_FIRING_WAITING;
    }
    return w;
}

static bool is_late(const struct ls_timetable *t, int64_t nominal_us, int64_t now_us)
{
    return nominal_us + t->jitter_us + LS_LATE_US < now_us;
}

/* The time that is to be fired, of those in (base, ref], whose last one is `last`; -LS_CRON_NEVER: none. */
static int64_t candidate(const struct ls_timetable *t, const struct ls_schedule *s, int64_t base_us,
                         int64_t last_us, int64_t now_us)
{
    const int64_t window_s = s->catch_up_s == 0 && s->catch_up == LS_CATCH_UP_ALL
                                 ? LS_CATCH_UP_DEFAULT_S
                                 : s->catch_up_s;
    const int64_t oldest_us = window_s ? now_us - window_s * S_US - t->jitter_us : INT64_MIN;
    int64_t first_us;

    switch (s->catch_up) {
    case LS_CATCH_UP_ALL:
        first_us = ls_timetable_next(t, base_us >= oldest_us ? base_us : oldest_us - 1);
        if (first_us <= last_us)
            return first_us;
        break;
    case LS_CATCH_UP_LAST:
        if (last_us >= oldest_us)
            return last_us;
        break;
    case LS_CATCH_UP_NONE:
    case LS_CATCH_UP_COUNT:
        break;
    }
    return is_late(t, last_us, now_us) ? -LS_CRON_NEVER : last_us;
}

static void say_overlap(const struct at_work *w, struct ls_decision *ret)
{
    char iso[25];

    ls_clock_iso(w->nominal_us, iso);
    snprintf(ret->why, sizeof ret->why, "the one of %.16sZ %s", iso,
             w->waiting ? "still waits" : "is still at work");
}

/* How the candidate meets what is at work. */
static enum ls_turn turn_of(const struct ls_schedule *s, const struct at_work *w,
                            struct ls_decision *ret)
{
    if (s->overlap == LS_OVERLAP_ALLOW)
        return LS_TURN_FIRE;
    if (!w->any) {
        ret->supersede = w->to_retry;
        return LS_TURN_FIRE;
    }
    if (s->overlap == LS_OVERLAP_QUEUE && !w->waiting)
        return LS_TURN_QUEUE;
    say_overlap(w, ret);
    return LS_TURN_SKIP;
}

/* Nothing now; look again at that time. */
static void hold(const struct ls_timetable *t, int64_t again_us, struct ls_decision *ret)
{
    set_times(t, ret->last_us, ret);
    ret->turn = LS_TURN_WAIT;
    ret->due_us = again_us;
}

void ls_decide(const struct ls_timetable *t, const struct ls_schedule *s,
               const struct ls_firing *open, size_t open_count, int64_t now_us,
               struct ls_decision *ret)
{
    const int64_t ref_us = now_us - t->jitter_us, base_us = s->last_us;
    const struct at_work w = look(open, open_count);
    int64_t last_us, fire_us;

    memset(ret, 0, sizeof *ret);
    set_times(t, base_us, ret);
    if (ret->next_us > ref_us)
        return; /* nothing is due */
    last_us = ls_timetable_last(t, ref_us);
    if (last_us < ret->next_us) /* further back than was searched */
        last_us = ret->next_us;
    fire_us = candidate(t, s, base_us, last_us, now_us);
    ret->late = fire_us != -LS_CRON_NEVER && is_late(t, fire_us, now_us);
    if (ret->late && !ls_hours_contain(&t->hours, t->zone, now_us)) {
        hold(t, ls_hours_after(&t->hours, t->zone, now_us), ret);
        return;
    }
    count(t, base_us, fire_us == -LS_CRON_NEVER ? last_us + 1 : fire_us, &ret->missed,
          &ret->outside);
    if (fire_us == -LS_CRON_NEVER) {
        set_times(t, last_us, ret);
        return;
    }
    if (ret->late && s->catch_up == LS_CATCH_UP_ALL && open_count > 0) {
        ret->last_us = fire_us - 1; /* what was missed before it is told; itself it comes later */
        hold(t, now_us + AGAIN_US, ret);
        return;
    }
    ret->nominal_us = fire_us;
    set_times(t, fire_us, ret);
    ret->turn = turn_of(s, &w, ret);
}

void ls_decide_resume(const struct ls_timetable *t, const struct ls_schedule *s, int64_t now_us,
                      struct ls_span *ret_passed, struct ls_decision *ret)
{
    const int64_t ref_us = now_us - t->jitter_us;
    int64_t last_us;

    memset(ret, 0, sizeof *ret);
    memset(ret_passed, 0, sizeof *ret_passed);
    set_times(t, s->last_us, ret);
    if (ret->next_us > ref_us)
        return;
    last_us = ls_timetable_last(t, ref_us);
    count(t, s->last_us, last_us + 1, ret_passed, &ret->outside);
    set_times(t, last_us, ret);
}

bool ls_decide_rewind(const struct ls_timetable *t, const struct ls_schedule *s, int64_t now_us,
                      struct ls_decision *ret)
{
    int64_t from_us = now_us - t->jitter_us;

    if (from_us < s->pruned_us)
        from_us = s->pruned_us;
    memset(ret, 0, sizeof *ret);
    if (s->last_us <= now_us + LS_LATE_US || from_us >= s->last_us)
        return false;
    set_times(t, from_us, ret);
    return ret->next_us <= s->last_us;
}

int64_t ls_retry_after_us(int64_t failures)
{
    static const int64_t after_s[] = {12, 148, 1808, 22026}; /* e^2.5, e^5, ... */

    if (failures < 1)
        failures = 1;
    return (failures <= 4 ? after_s[failures - 1] : DAY_S) * S_US;
}
