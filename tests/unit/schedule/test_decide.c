/* SPDX-License-Identifier: Apache-2.0 */
/* test_decide.c - what is fired, skipped and missed: known cases, and a long life simulated with a clock of its own.
 *
 * The simulation knows nothing of how decisions are made. It lets time pass, stops and starts the daemon, pauses, sets the clock forward
 * and back, and afterwards holds what was done against the list of all nominal times: each is dealt with, none is fired twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "schedule/decide.h"
#include "unit/schedule/seed.h"

#define S INT64_C(1000000)
#define MINUTE (60 * S)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static int64_t at(const char *iso)
{
    struct tm tm = {0};
    const int n = sscanf(iso, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                         &tm.tm_hour, &tm.tm_min, &tm.tm_sec);

    assert_true(n >= 5);
    tm.tm_year -= 1900;
    tm.tm_mon--;
    return (int64_t)timegm(&tm) * S;
}

static struct ls_schedule hourly(void)
{
    return (struct ls_schedule){.id = "a",
                                .cron = "0 * * * *",
                                .zone = "",
                                .target = "customers",
                                .hours = "",
                                .last_us = at("2026-01-05 05:30")}; /* a Monday */
}

/* One decision, with the schedule's times moved on. */
static struct ls_decision decided(struct ls_schedule *s, const struct ls_firing *open, size_t count,
                                  const char *now)
{
    struct ls_timetable t;
    struct ls_decision d;
    struct ls_error err;

    if (ls_timetable_open(s, &t, &err) != LS_OK)
        fail_msg("%s", err.text);
    ls_decide(&t, s, open, count, at(now), &d);
    ls_timetable_close(&t);
    s->last_us = d.last_us;
    s->next_us = d.next_us;
    s->due_us = d.due_us;
    return d;
}

static void a_time_is_fired_when_it_comes(void **state)
{
    struct ls_schedule s = hourly();
    struct ls_decision d = decided(&s, NULL, 0, "2026-01-05 05:59:59");
    (void)state;

    assert_int_equal(d.turn, LS_TURN_WAIT);
    assert_true(d.due_us == at("2026-01-05 06:00"));
    d = decided(&s, NULL, 0, "2026-01-05 06:00");
    assert_int_equal(d.turn, LS_TURN_FIRE);
    assert_true(d.nominal_us == at("2026-01-05 06:00"));
    assert_false(d.late);
    assert_int_equal(d.missed.count, 0);
    assert_true(d.next_us == at("2026-01-05 07:00"));
    d = decided(&s, NULL, 0, "2026-01-05 06:00");
    assert_int_equal(d.turn, LS_TURN_WAIT);
    d = decided(&s, NULL, 0, "2026-01-05 07:00:59"); /* a slow machine */
    assert_int_equal(d.turn, LS_TURN_FIRE);
    assert_false(d.late);
}

static void times_that_passed_are_caught_up_as_it_is_set(void **state)
{
    struct ls_schedule none = hourly(), last = hourly(), all = hourly();
    struct ls_decision d;
    (void)state;

    none.catch_up = LS_CATCH_UP_NONE;
    d = decided(&none, NULL, 0, "2026-01-05 10:20");
    assert_int_equal(d.turn, LS_TURN_WAIT);
    assert_int_equal(d.missed.count, 5);
    assert_true(d.missed.first_us == at("2026-01-05 06:00"));
    assert_true(d.missed.last_us == at("2026-01-05 10:00"));
    assert_true(d.due_us == at("2026-01-05 11:00"));

    none = hourly();
    none.catch_up = LS_CATCH_UP_NONE; /* the last one is on time */
    d = decided(&none, NULL, 0, "2026-01-05 10:00:30");
    assert_int_equal(d.turn, LS_TURN_FIRE);
    assert_false(d.late);
    assert_int_equal(d.missed.count, 4);

    last.catch_up = LS_CATCH_UP_LAST;
    d = decided(&last, NULL, 0, "2026-01-05 10:20");
    assert_int_equal(d.turn, LS_TURN_FIRE);
    assert_true(d.nominal_us == at("2026-01-05 10:00"));
    assert_true(d.late);
    assert_int_equal(d.missed.count, 4);
    assert_true(d.missed.last_us == at("2026-01-05 09:00"));

    last = hourly();
    last.catch_up = LS_CATCH_UP_LAST;
    last.catch_up_s = 600; /* ten minutes: too old */
    d = decided(&last, NULL, 0, "2026-01-05 10:20");
    assert_int_equal(d.turn, LS_TURN_WAIT);
    assert_int_equal(d.missed.count, 5);

    all.catch_up = LS_CATCH_UP_ALL;
    all.catch_up_s = 3 * 3600;
    d = decided(&all, NULL, 0, "2026-01-05 10:20");
    assert_int_equal(d.missed.count, 2); /* 06:00 and 07:00 are over three hours old */
    for (int hour = 8; hour <= 10; hour++) {
        if (hour > 8)
            d = decided(&all, NULL, 0, "2026-01-05 10:20");
        assert_int_equal(d.turn, LS_TURN_FIRE);
        assert_true(d.late);
        assert_true(d.nominal_us == at("2026-01-05 00:00") + hour * HOUR);
    }
    assert_true(d.due_us == at("2026-01-05 11:00"));
    assert_int_equal(d.missed.count, 0);

    all.catch_up_s = 0; /* a day */
    d = decided(&all, NULL, 0, "2026-01-15 00:30");
    assert_true(d.nominal_us == at("2026-01-14 01:00"));
    assert_true(d.missed.last_us == at("2026-01-14 00:00"));
}

static void all_come_one_after_the_other(void **state)
{
    struct ls_schedule s = hourly();
    struct ls_firing open = {.state = LS_FIRING_RUNNING};
    struct ls_decision d;
    (void)state;

    s.catch_up = LS_CATCH_UP_ALL;
    s.action = LS_ACTION_POST;
    s.overlap = LS_OVERLAP_ALLOW;
    d = decided(&s, NULL, 0, "2026-01-05 10:20");
    assert_true(d.nominal_us == at("2026-01-05 06:00"));
    open.nominal_us = d.nominal_us;
    d = decided(&s, &open, 1, "2026-01-05 10:20");
    assert_int_equal(d.turn, LS_TURN_WAIT);
    assert_true(d.next_us == at("2026-01-05 07:00"));
    assert_true(d.due_us > at("2026-01-05 10:20"));
    open.state = LS_FIRING_WAITING; /* for its next attempt: each counts */
    open.failures = 1;
    d = decided(&s, &open, 1, "2026-01-05 10:20:30");
    assert_int_equal(d.turn, LS_TURN_WAIT);
    d = decided(&s, NULL, 0, "2026-01-05 10:21");
    assert_int_equal(d.turn, LS_TURN_FIRE);
    assert_true(d.nominal_us == at("2026-01-05 07:00"));
    assert_int_equal(d.missed.count, 0);
}

static void an_overlap_is_met_as_it_is_set(void **state)
{
    struct ls_firing open[] = {{.state = LS_FIRING_RUNNING, .nominal_us = 1767592800 * S},
                               {.state = LS_FIRING_WAITING, .nominal_us = 1767596400 * S}};
    struct ls_schedule s = hourly();
    struct ls_decision d = decided(&s, open, 1, "2026-01-05 06:00");
    (void)state;

    assert_int_equal(d.turn, LS_TURN_SKIP);
    assert_string_equal(d.why, "the one of 2026-01-05T06:00Z is still at work");
    assert_true(d.nominal_us == at("2026-01-05 06:00"));
    assert_true(d.next_us == at("2026-01-05 07:00"));
    s.overlap = LS_OVERLAP_QUEUE;
    d = decided(&s, open, 1, "2026-01-05 07:00");
    assert_int_equal(d.turn, LS_TURN_QUEUE);
    d = decided(&s, open, 2, "2026-01-05 08:00");
    assert_int_equal(d.turn, LS_TURN_SKIP);
    assert_string_equal(d.why, "the one of 2026-01-05T06:00Z still waits");
    s.overlap = LS_OVERLAP_ALLOW;
    d = decided(&s, open, 2, "2026-01-05 09:00");
    assert_int_equal(d.turn, LS_TURN_FIRE);
    assert_false(d.supersede);
}

static void one_that_waits_for_its_next_attempt_makes_way(void **state)
{
    struct ls_firing open = {.state = LS_FIRING_WAITING, .failures = 1, .attempt = 1};
    struct ls_schedule s = hourly();
    struct ls_decision d = decided(&s, &open, 1, "2026-01-05 06:00");
    (void)state;

    assert_int_equal(d.turn, LS_TURN_FIRE);
    assert_true(d.supersede);
    open.failures = 0; /* it found its sync at work: it has not run yet */
    d = decided(&s, &open, 1, "2026-01-05 07:00");
    assert_int_equal(d.turn, LS_TURN_SKIP);
}

static void outside_of_the_hours_nothing_is_due(void **state)
{
    struct ls_schedule s = hourly();
    struct ls_decision d;
    (void)state;

    s.hours = "mon-fri 08:00-18:00";
    s.zone = "Europe/Vienna"; /* 07:00 to 17:00 UTC */
    d = decided(&s, NULL, 0, "2026-01-05 06:59");
    assert_int_equal(d.turn, LS_TURN_WAIT);
    assert_true(d.due_us == at("2026-01-05 07:00"));
    d = decided(&s, NULL, 0, "2026-01-05 07:00");
    assert_int_equal(d.turn, LS_TURN_FIRE);
    assert_int_equal(d.outside.count, 1);
    assert_true(d.outside.first_us == at("2026-01-05 06:00"));
    s.last_us = at("2026-01-09 16:00"); /* Friday */
    d = decided(&s, NULL, 0, "2026-01-12 07:00");
    assert_int_equal(d.turn, LS_TURN_FIRE);
    assert_int_equal(d.missed.count, 0);
    assert_int_equal(d.outside.count, 62);
    assert_true(d.outside.first_us == at("2026-01-09 17:00"));
    assert_true(d.outside.last_us == at("2026-01-12 06:00"));
}

static void what_is_late_waits_for_the_hours(void **state)
{
    struct ls_schedule s = hourly();
    struct ls_decision d;
    (void)state;

    s.hours = "mon-fri 08:00-18:00";
    s.catch_up = LS_CATCH_UP_LAST;
    s.last_us = at("2026-01-05 10:00");
    d = decided(&s, NULL, 0, "2026-01-05 20:00");
    assert_int_equal(d.turn, LS_TURN_WAIT);
    assert_true(d.due_us == at("2026-01-06 08:00"));
    assert_int_equal(d.missed.count + d.outside.count, 0);
    d = decided(&s, NULL, 0, "2026-01-06 08:00");
    assert_int_equal(d.turn, LS_TURN_FIRE);
    assert_true(d.nominal_us == at("2026-01-06 08:00"));
    assert_int_equal(d.missed.count, 7); /* 11:00 to 17:00 */
    assert_int_equal(d.outside.count, 14);
}

static void jitter_moves_the_firing_and_not_the_name(void **state)
{
    struct ls_schedule s = hourly();
    struct ls_timetable t;
    struct ls_decision d;
    bool differ = false;
    int64_t first = -1;
    char id[20];
    (void)state;

    s.jitter_s = 600;
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof id, "s%d", i);
        s.id = id;
        assert_int_equal(ls_timetable_open(&s, &t, NULL), LS_OK);
        assert_true(t.jitter_us >= 0 && t.jitter_us <= 600 * S);
        differ = differ || (first >= 0 && first != t.jitter_us);
        first = t.jitter_us;
        ls_decide(&t, &s, NULL, 0, at("2026-01-05 06:00") + t.jitter_us - 1000, &d);
        assert_int_equal(d.turn, LS_TURN_WAIT);
        assert_true(d.due_us == at("2026-01-05 06:00") + t.jitter_us);
        ls_decide(&t, &s, NULL, 0, at("2026-01-05 06:00") + t.jitter_us, &d);
        assert_int_equal(d.turn, LS_TURN_FIRE);
        assert_true(d.nominal_us == at("2026-01-05 06:00"));
        assert_false(d.late);
        ls_timetable_close(&t);
    }
    assert_true(differ);
}

static void a_pause_leaves_out_what_passes(void **state)
{
    struct ls_schedule s = hourly();
    struct ls_timetable t;
    struct ls_decision d;
    struct ls_span passed;
    (void)state;

    assert_int_equal(ls_timetable_open(&s, &t, NULL), LS_OK);
    ls_decide_resume(&t, &s, at("2026-01-05 05:59"), &passed, &d);
    assert_int_equal(passed.count, 0);
    assert_true(d.next_us == at("2026-01-05 06:00"));
    ls_decide_resume(&t, &s, at("2026-01-05 09:10"), &passed, &d);
    assert_int_equal(passed.count, 4);
    assert_true(passed.first_us == at("2026-01-05 06:00"));
    assert_true(passed.last_us == at("2026-01-05 09:00"));
    assert_true(d.next_us == at("2026-01-05 10:00"));
    ls_timetable_close(&t);
}

static void a_clock_set_back_lets_times_come_again(void **state)
{
    struct ls_schedule s = hourly();
    struct ls_timetable t;
    struct ls_decision d;
    (void)state;

    assert_int_equal(ls_timetable_open(&s, &t, NULL), LS_OK);
    s.last_us = at("2026-01-15 05:00"); /* ten days ahead of now */
    assert_true(ls_decide_rewind(&t, &s, at("2026-01-05 05:30"), &d));
    assert_true(d.next_us == at("2026-01-05 06:00"));
    assert_false(ls_decide_rewind(&t, &s, at("2026-01-15 05:00"), &d));
    assert_false(ls_decide_rewind(&t, &s, at("2026-01-15 04:59:30"), &d)); /* no more than a tick */
    s.pruned_us = at("2026-01-14 00:30"); /* what was fired before that is forgotten */
    assert_true(ls_decide_rewind(&t, &s, at("2026-01-05 05:30"), &d));
    assert_true(d.next_us == at("2026-01-14 01:00"));
    ls_timetable_close(&t);
}

static void settings_that_cannot_be_are_refused(void **state)
{
    struct ls_error err;
    struct ls_schedule s = hourly();
    (void)state;

#define REFUSED(setting, part)                                    \
    do {                                                          \
        s = hourly();                                             \
        setting;                                                  \
        assert_int_equal(ls_schedule_check(&s, &err), LS_CONFIG); \
        if (!strstr(err.text, part))                              \
            fail_msg("%s", err.text);                             \
    } while (0)
    assert_int_equal(ls_schedule_check(&s, &err), LS_OK);
    REFUSED(s.cron = "0 25 * * *", "hour \"25\"");
    REFUSED(s.zone = "Europe/Viena", "Did you mean");
    REFUSED(s.hours = "mon-fri", "two times");
    REFUSED((s.hours = "08:00-18:00", s.cron = "0 3 * * *"), "no time inside of the hours");
    REFUSED(s.target = "", "which sync");
    REFUSED(s.overlap = LS_OVERLAP_ALLOW, "for calls only");
    REFUSED(s.jitter_s = -1, "jitter in seconds is from 0 to 86400");
    REFUSED(s.jitter_s = 86401, "jitter");
    REFUSED(s.catch_up_s = INT64_MAX, "catch-up");
    REFUSED(s.retries = 21, "retries is from 0 to 20");
    REFUSED(s.timeout_ms = -5, "timeout");
    REFUSED((s.action = LS_ACTION_POST, s.target = "ftp://x"), "begins with https://");
    REFUSED((s.action = LS_ACTION_POST, s.target = "http://x\r\nx: y"), "begins with https://");
    REFUSED((s.action = LS_ACTION_POST, s.target = "http://x"), "a word in capitals");
#define CALL(json) \
    (s.action = LS_ACTION_POST, s.target = "http://x", s.method = "GET", s.headers = (json))
    REFUSED(CALL("[1]"), "a JSON object");
    REFUSED(CALL("{\"a\":1}"), "the header a is not a text");
    REFUSED(CALL("{\"a\":\"1\",\"a\":\"2\"}"), "a JSON object");
    REFUSED(CALL("{\"a b\":\"1\"}"), "cannot set the header");
    REFUSED(CALL("{\"Content-Length\":\"1\"}"), "cannot set the header");
    REFUSED(CALL("{\"a\":\"1\\r\\nb: 2\"}"), "no header can have");
    REFUSED((CALL(""), s.body_size = 2 << 20), "at most 1 MiB");
#undef REFUSED
    s = hourly();
    s.action = LS_ACTION_POST;
    s.target = "https://x.org";
    s.overlap = LS_OVERLAP_ALLOW;
    s.method = "POST";
    s.headers = "{\"X-Cron-Secret\":\"s e\"}";
    assert_int_equal(ls_schedule_check(&s, &err), LS_OK);
}

static void a_new_schedule_begins_with_the_next_time(void **state)
{
    struct ls_schedule s = hourly();
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_schedule_begin(&s, at("2026-01-05 06:00"), &err), LS_OK);
    assert_true(s.next_us == at("2026-01-05 07:00"));
    assert_true(s.last_us == at("2026-01-05 06:00"));
    s.cron = "x";
    assert_int_equal(ls_schedule_begin(&s, at("2026-01-05 06:00"), &err), LS_CONFIG);
}

static void attempts_come_ever_more_slowly(void **state)
{
    (void)state;

    assert_true(ls_retry_after_us(1) == 12 * S);
    assert_true(ls_retry_after_us(2) == 148 * S);
    assert_true(ls_retry_after_us(4) == 22026 * S);
    assert_true(ls_retry_after_us(5) == DAY);
    assert_true(ls_retry_after_us(0) == 12 * S);
    assert_true(ls_retry_after_us(INT64_MAX) == DAY);
}

/* ---- a long life ---- */

#define FATES 60000
enum fate { NONE = 0, FIRED = 1, SKIPPED = 2, MISSED = 4, OUTSIDE = 8, PAUSED = 16 };

struct life {
    uint64_t seed;
    struct ls_schedule s;
    struct ls_timetable t;
    int64_t now, began;
    int64_t nominal[FATES]; /* every time of the expression, hours or not */
    unsigned fates[FATES];  /* what became of it */
    size_t count;
    struct ls_firing open[8];
    int64_t ends[8];
    size_t open_count;
    bool stepped_back; /* once the clock was set back, times come again */
    unsigned fired, late;
};

static char *told(const struct life *l, int64_t us)
{
    static char text[300];
    char iso[25];

    ls_clock_iso(us, iso);
    snprintf(text, sizeof text,
             "\"%s\" %s hours \"%s\" catch-up %d overlap %d jitter %" PRId64 ": %s", l->s.cron,
             l->s.zone, l->s.hours, l->s.catch_up, l->s.overlap, l->s.jitter_s, iso);
    return text;
}

static size_t index_of(const struct life *l, int64_t us)
{
    size_t low = 0, high = l->count;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (l->nominal[middle] < us)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == l->count || l->nominal[low] != us)
        fail_msg("no nominal time: %s", told(l, us));
    return low;
}

static void set_fate(struct life *l, size_t i, enum fate fate)
{
    if (l->fates[i] & FIRED && fate == FIRED)
        fail_msg("fired twice: %s", told(l, l->nominal[i]));
    if (l->fates[i] && !l->stepped_back)
        fail_msg("dealt with twice (%u, %u): %s", l->fates[i], fate, told(l, l->nominal[i]));
    l->fates[i] |= fate;
}

/* The times of a span: those from first to last that are inside of the hours, or those outside. */
static void set_span(struct life *l, const struct ls_span *span, enum fate fate)
{
    int64_t count = 0;

    if (span->count == 0)
        return;
    for (size_t i = index_of(l, span->first_us); i < l->count && l->nominal[i] <= span->last_us;
         i++) {
        if (ls_hours_contain(&l->t.hours, l->t.zone, l->nominal[i]) == (fate == OUTSIDE))
            continue;
        set_fate(l, i, fate);
        count++;
    }
    assert_int_equal(count, span->count);
}

static void adopt(struct life *l, const struct ls_decision *d)
{
    l->s.last_us = d->last_us;
    l->s.next_us = d->next_us;
    l->s.due_us = d->due_us;
}

static void open_one(struct life *l, const struct ls_decision *d, enum ls_firing_state state)
{
    assert_true(l->open_count < 8);
    l->ends[l->open_count] = l->now + (int64_t)below(&l->seed, 1 + below(&l->seed, 3) * 3600) * S;
    l->open[l->open_count++] = (struct ls_firing){.state = state, .nominal_us = d->nominal_us};
}

static void end_some(struct life *l)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->open_count; i++) {
        if (l->open[i].state == LS_FIRING_RUNNING && l->ends[i] <= l->now)
            continue;
        l->open[kept] = l->open[i];
        l->ends[kept++] = l->ends[i];
    }
    l->open_count = kept;
    for (size_t i = 0; i < l->open_count && kept == 1; i++)
        l->open[i].state = LS_FIRING_RUNNING; /* what waited begins */
}

/* One look at the schedule, as the daemon does it. */
static void tick(struct life *l)
{
    struct ls_decision d;

    end_some(l);
    if (l->s.paused || l->s.due_us > l->now)
        return;
    ls_decide(&l->t, &l->s, l->open, l->open_count, l->now, &d);
    if (d.turn != LS_TURN_WAIT && l->stepped_back && l->fates[index_of(l, d.nominal_us)] & FIRED) {
        adopt(l, &d); /* the state has that time: nothing is made of it */
        return;
    }
    set_span(l, &d.missed, MISSED);
    set_span(l, &d.outside, OUTSIDE);
    adopt(l, &d);
    if (d.turn == LS_TURN_WAIT)
        return;
    set_fate(l, index_of(l, d.nominal_us), d.turn == LS_TURN_SKIP ? SKIPPED : FIRED);
    assert_true(ls_hours_contain(&l->t.hours, l->t.zone, d.nominal_us));
    assert_true(d.nominal_us + l->t.jitter_us <= l->now);
    if (d.turn == LS_TURN_SKIP)
        return;
    if (d.late) {
        assert_true(l->s.catch_up != LS_CATCH_UP_NONE);
        assert_true(ls_hours_contain(&l->t.hours, l->t.zone, l->now));
        l->late++;
    }
    assert_int_equal(d.late, l->now - d.nominal_us - l->t.jitter_us > LS_LATE_US);
    if (l->s.overlap == LS_OVERLAP_SKIP)
        assert_int_equal(l->open_count, 0);
    if (l->s.overlap == LS_OVERLAP_QUEUE)
        assert_true(l->open_count <= 1);
    open_one(l, &d, d.turn == LS_TURN_FIRE ? LS_FIRING_RUNNING : LS_FIRING_WAITING);
    l->fired++;
}

static void make_life(struct life *l, uint64_t seed)
{
    static const char *const crons[] = {"*/10 * * * *",  "0 * * * *",       "30 2 * * *",
                                        "0 */6 * * *",   "15,45 1-3 * * *", "0 9 * * 1-5",
                                        "*/7 8-9 * * *", "0 0 1,15 * 3"};
    static const char *const zones[] = {"", "Europe/Vienna", "America/New_York",
                                        "Australia/Lord_Howe"};
    static const char *const hours[] = {"", "", "mon-fri 08:00-18:00",
                                        "22:00-06:00; sat 00:00-24:00"};
    static const char *const starts[] = {"2026-03-20 12:00", "2026-10-18 12:00",
                                         "2026-04-01 00:00", "2026-09-29 00:00",
                                         "2026-03-03 00:00", "2026-10-27 00:00"};
    struct ls_error err;

    memset(l, 0, sizeof *l);
    l->seed = seed;
    l->s = (struct ls_schedule){.id = "sim",
                                .cron = crons[below(&l->seed, 8)],
                                .zone = zones[below(&l->seed, 4)],
                                .hours = hours[below(&l->seed, 4)],
                                .catch_up = (enum ls_catch_up)below(&l->seed, 3),
                                .catch_up_s = below(&l->seed, 3) * 40000,
                                .overlap = (enum ls_overlap)below(&l->seed, 2),
                                .jitter_s = below(&l->seed, 2) ? 0 : below(&l->seed, 900)};
    l->now = l->began = at(starts[below(&l->seed, 6)]) + (int64_t)below(&l->seed, 86400) * S;
    if (ls_schedule_begin(&l->s, l->now, &err) != LS_OK) { /* outside of the hours for ever */
        l->s.hours = "";
        assert_int_equal(ls_schedule_begin(&l->s, l->now, &err), LS_OK);
    }
    assert_int_equal(ls_timetable_open(&l->s, &l->t, &err), LS_OK);
    for (int64_t us = ls_cron_next(&l->t.cron, l->t.zone, l->began);
         l->count < FATES && us < l->began + 200 * DAY;
         us = ls_cron_next(&l->t.cron, l->t.zone, us))
        l->nominal[l->count++] = us;
}

/* The clock goes on to the next thing that happens, or by chance. */
static void pass_time(struct life *l, bool jumps_back)
{
    struct ls_decision d;
    struct ls_span passed;

    switch (below(&l->seed, 40)) {
    case 0: /* the daemon is down, or the machine sleeps */
        l->now += (int64_t)below(&l->seed, 40 * 3600) * S;
        break;
    case 1: /* the clock is set forward */
        l->now += below(&l->seed, 4) ? HOUR : 10 * DAY;
        break;
    case 2:
        l->s.paused = !l->s.paused;
        if (!l->s.paused) {
            ls_decide_resume(&l->t, &l->s, l->now, &passed, &d);
            set_span(l, &passed, PAUSED);
            set_span(l, &d.outside, OUTSIDE);
            adopt(l, &d);
        }
        break;
    case 3:
        if (jumps_back && l->now > l->began + 20 * DAY) {
            l->now -= below(&l->seed, 4) ? HOUR : 10 * DAY;
            l->stepped_back = true;
            if (ls_decide_rewind(&l->t, &l->s, l->now, &d))
                adopt(l, &d);
        }
        break;
    default: /* it sleeps until something is due */
        if (l->s.due_us > l->now && l->s.due_us < l->now + 5 * DAY && !l->s.paused)
            l->now = l->s.due_us;
        else
            l->now += (int64_t)below(&l->seed, 3600) * S;
    }
}

/* Nothing was forgotten: each time up to the last one that was dealt with has a fate. */
static void nothing_is_left_out(const struct life *l)
{
    for (size_t i = 0; i < l->count && l->nominal[i] <= l->s.last_us; i++) {
        if (l->fates[i] == NONE && ls_hours_contain(&l->t.hours, l->t.zone, l->nominal[i]))
            fail_msg("forgotten: %s", told(l, l->nominal[i]));
        if (l->fates[i] & FIRED && !ls_hours_contain(&l->t.hours, l->t.zone, l->nominal[i]))
            fail_msg("outside: %s", told(l, l->nominal[i]));
    }
}

static void live(uint64_t seed, bool jumps_back)
{
    static struct life l;
    unsigned fired;

    make_life(&l, seed);
    while (l.now < l.began + 60 * DAY) {
        pass_time(&l, jumps_back);
        fired = l.fired;
        tick(&l);
        assert_true(l.fired <= fired + 1);
    }
    nothing_is_left_out(&l);
    ls_timetable_close(&l.t);
}

static void each_time_of_a_long_life_is_dealt_with_once(void **state)
{
    uint64_t seed = new_seed();
    const unsigned lives = getenv("LOCKSTEP_DEEP") ? 3000 : 150;
    (void)state;

    for (unsigned i = 0; i < lives; i++)
        live(draw(&seed), false);
}

static void a_clock_that_goes_back_fires_no_time_twice(void **state)
{
    uint64_t seed = new_seed();
    const unsigned lives = getenv("LOCKSTEP_DEEP") ? 3000 : 150;
    (void)state;

    for (unsigned i = 0; i < lives; i++)
        live(draw(&seed), true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_fired_when_it_comes),
        cmocka_unit_test(times_that_passed_are_caught_up_as_it_is_set),
        cmocka_unit_test(all_come_one_after_the_other),
        cmocka_unit_test(an_overlap_is_met_as_it_is_set),
        cmocka_unit_test(one_that_waits_for_its_next_attempt_makes_way),
        cmocka_unit_test(outside_of_the_hours_nothing_is_due),
        cmocka_unit_test(what_is_late_waits_for_the_hours),
        cmocka_unit_test(jitter_moves_the_firing_and_not_the_name),
        cmocka_unit_test(a_pause_leaves_out_what_passes),
        cmocka_unit_test(a_clock_set_back_lets_times_come_again),
        cmocka_unit_test(settings_that_cannot_be_are_refused),
        cmocka_unit_test(a_new_schedule_begins_with_the_next_time),
        cmocka_unit_test(attempts_come_ever_more_slowly),
        cmocka_unit_test(each_time_of_a_long_life_is_dealt_with_once),
        cmocka_unit_test(a_clock_that_goes_back_fires_no_time_twice),
    };
    return cmocka_run_group_tests_name("schedule/decide", tests, NULL, NULL);
}
