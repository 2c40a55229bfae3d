/* SPDX-License-Identifier: Apache-2.0 */
/* test_cron_next.c - when expressions are due: known times, and a walk minute by minute that knows nothing of the code.
 *
 * The walk takes its local times from the C library and its sets from the generator of the expressions, so neither cron.c, cron_next.c
 * nor zone.c can make it agree with a mistake of theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "schedule/cron.h"
#include "unit/schedule/seed.h"

#define S INT64_C(1000000)
#define MINUTE (60 * S)

static int64_t at(const char *iso)
{
    struct tm tm = {0};

    if (sscanf(iso, "%d-%d-%d %d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min) != 5)
        fail_msg("not a time: %s", iso);
    tm.tm_year -= 1900;
    tm.tm_mon--;
    return (int64_t)timegm(&tm) * S;
}

static void open_cron(const char *text, const char *zone, struct ls_cron *cron,
                      struct ls_zone **ret)
{
    struct ls_error err;

    if (ls_cron_parse(text, cron, &err) != LS_OK || ls_cron_zone(cron, zone, ret, &err) != LS_OK)
        fail_msg("%s: %s", text, err.text);
}

static const char *shown(int64_t us, char out[25])
{
    if (us == LS_CRON_NEVER)
        return "never";
    ls_clock_iso(us, out);
    return out;
}

static void known_times_come_out(void **state)
{
    static const struct {
        const char *text, *zone, *after;
        const char *due[5];
    } cases[] = {
        {"0 */6 * * *",
         "UTC",
         "2026-03-01 00:00",
         {"2026-03-01 06:00", "2026-03-01 12:00", "2026-03-01 18:00", "2026-03-02 00:00"}},
        {"* * * * *", "UTC", "2025-12-31 23:59", {"2026-01-01 00:00", "2026-01-01 00:01"}},
        {"59 23 31 12 *", "UTC", "2026-01-01 00:00", {"2026-12-31 23:59", "2027-12-31 23:59"}},
        {"0 0 29 2 *", "UTC", "2096-03-01 00:00", {"2104-02-29 00:00", "2108-02-29 00:00"}},
        {"0 0 29 2 */7", "UTC", "2024-03-01 00:00", {"2032-02-29 00:00", "2060-02-29 00:00"}},
        {"0 0 13 * 5",
         "UTC",
         "2026-02-01 00:00",
         {"2026-02-06 00:00", "2026-02-13 00:00", "2026-02-20 00:00", "2026-02-27 00:00",
          "2026-03-06 00:00"}},
        {"0 0 13 */1 */5",
         "UTC",
         "2026-02-01 00:00",
         {"2026-02-13 00:00", "2026-03-13 00:00", "2026-09-13 00:00", "2026-11-13 00:00"}},
        {"0 0 */15 * *",
         "UTC",
         "2026-02-01 00:00",
         {"2026-02-16 00:00", "2026-03-01 00:00", "2026-03-16 00:00", "2026-03-31 00:00"}},
        {"0 0 31 * *",
         "UTC",
         "2026-01-31 00:00",
         {"2026-03-31 00:00", "2026-05-31 00:00", "2026-07-31 00:00"}},
        /* far zones */
        {"0 9 * * *",
         "Asia/Kathmandu",
         "2026-01-01 00:00",
         {"2026-01-01 03:15", "2026-01-02 03:15"}},
        {"30 0 1 1 *", "Pacific/Kiritimati", "2026-01-01 00:00", {"2026-12-31 10:30"}},
        {"0 9 * * mon",
         "America/New_York",
         "2026-03-07 00:00",
         {"2026-03-09 13:00", "2026-03-16 13:00"}},
        /* 2026-03-29 02:00 to 03:00 is no time in Vienna: 01:00 UTC is 03:00 */
        {"30 2 * * *",
         "Europe/Vienna",
         "2026-03-27 12:00",
         {"2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30"}},
        {"0 2 * * *",
         "Europe/Vienna",
         "2026-03-28 12:00",
         {"2026-03-29 01:00", "2026-03-30 00:00"}},
        {"0,15,30,45 2 * * *",
         "Europe/Vienna",
         "2026-03-28 12:00",
         {"2026-03-29 01:00", "2026-03-30 00:00"}},
        {"30 2,3 * * *",
         "Europe/Vienna",
         "2026-03-28 12:00",
         {"2026-03-29 01:00", "2026-03-29 01:30", "2026-03-30 00:30"}},
        {"0 2,3 * * *",
         "Europe/Vienna",
         "2026-03-28 12:00",
         {"2026-03-29 01:00", "2026-03-30 00:00", "2026-03-30 01:00"}},
        {"30 2 29 3 *",
         "Europe/Vienna",
         "2026-03-01 00:00",
         {"2026-03-29 01:00", "2027-03-29 00:30"}},
        {"0 */2 * * *",
         "Europe/Vienna",
         "2026-03-28 23:00",
         {"2026-03-29 01:00", "2026-03-29 02:00", "2026-03-29 04:00"}},
        {"30 * * * *",
         "Europe/Vienna",
         "2026-03-29 00:00",
         {"2026-03-29 00:30", "2026-03-29 01:30", "2026-03-29 02:30"}},
        {"*/20 * * * *",
         "Europe/Vienna",
         "2026-03-29 00:30",
         {"2026-03-29 00:40", "2026-03-29 01:00", "2026-03-29 01:20"}},
        /* 2026-10-25 02:00 to 03:00 comes twice: at 00:00 and at 01:00 UTC */
        {"30 2 * * *",
         "Europe/Vienna",
         "2026-10-24 12:00",
         {"2026-10-25 00:30", "2026-10-26 01:30"}},
        {"30 2 * * *", "Europe/Vienna", "2026-10-25 00:30", {"2026-10-26 01:30"}},
        {"30 2 * * *", "Europe/Vienna", "2026-10-25 01:10", {"2026-10-26 01:30"}},
        {"59 2 * * *",
         "Europe/Vienna",
         "2026-10-25 00:00",
         {"2026-10-25 00:59", "2026-10-26 01:59"}},
        {"0 3 * * *", "Europe/Vienna", "2026-10-25 00:00", {"2026-10-25 02:00"}},
        {"0 */2 * * *",
         "Europe/Vienna",
         "2026-10-24 23:00",
         {"2026-10-25 00:00", "2026-10-25 03:00"}},
        {"0 * * * *",
         "Europe/Vienna",
         "2026-10-24 23:30",
         {"2026-10-25 00:00", "2026-10-25 01:00", "2026-10-25 02:00"}},
        {"*/30 * * * *",
         "Europe/Vienna",
         "2026-10-25 00:10",
         {"2026-10-25 00:30", "2026-10-25 01:00", "2026-10-25 01:30", "2026-10-25 02:00"}},
        /* half an hour: 2026-10-04 02:00 becomes 02:30, 2026-04-05 02:00 becomes 01:30 */
        {"15 2 * * *",
         "Australia/Lord_Howe",
         "2026-10-03 12:00",
         {"2026-10-03 15:30", "2026-10-04 15:15"}},
        {"45 1 * * *",
         "Australia/Lord_Howe",
         "2026-04-04 12:00",
         {"2026-04-04 14:45", "2026-04-05 15:15"}},
        {"15 1 * * *",
         "Australia/Lord_Howe",
         "2026-04-04 12:00",
         {"2026-04-04 14:15", "2026-04-05 14:45"}},
        /* midnight itself is skipped */
        {"0 0 * * *",
         "America/Santiago",
         "2026-09-05 12:00",
         {"2026-09-06 04:00", "2026-09-07 03:00"}},
        /* a whole day is skipped: no 2011-12-30 in Samoa */
        {"0 12 30 12 *",
         "Pacific/Apia",
         "2011-12-29 00:00",
         {"2011-12-30 10:00", "2012-12-29 22:00"}},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ls_cron cron;
        struct ls_zone *zone = NULL;
        int64_t t = at(cases[i].after);
        char a[25], b[25];

        open_cron(cases[i].text, cases[i].zone, &cron, &zone);
        for (size_t n = 0; n < 5 && cases[i].due[n]; n++) {
            t = ls_cron_next(&cron, zone, t);
            if (t != at(cases[i].due[n]))
                fail_msg("%s in %s after %s, number %zu: %s instead of %s", cases[i].text,
                         cases[i].zone, cases[i].after, n, shown(t, a),
                         shown(at(cases[i].due[n]), b));
            assert_true(ls_cron_last(&cron, zone, t) == t);
        }
        ls_zone_close(zone);
    }
}

static void the_moment_itself_is_not_after_itself(void **state)
{
    struct ls_cron cron;
    struct ls_zone *zone = NULL;
    (void)state;

    open_cron("0 * * * *", "UTC", &cron, &zone);
    assert_true(ls_cron_next(&cron, zone, at("2026-01-01 10:00")) == at("2026-01-01 11:00"));
    assert_true(ls_cron_next(&cron, zone, at("2026-01-01 10:00") - 1) == at("2026-01-01 10:00"));
    assert_true(ls_cron_last(&cron, zone, at("2026-01-01 10:00") - 1) == at("2026-01-01 09:00"));
    ls_zone_close(zone);
}

static void the_ends_of_time_are_ends(void **state)
{
    struct ls_cron cron;
    struct ls_zone *zone = NULL;
    (void)state;

    open_cron("0 0 29 2 *", "America/New_York", &cron, &zone);
    assert_true(ls_cron_next(&cron, zone, INT64_MAX) == LS_CRON_NEVER);
    assert_true(ls_cron_next(&cron, zone, at("9999-03-01 00:00")) == LS_CRON_NEVER);
    assert_true(ls_cron_next(&cron, zone, at("9995-03-01 00:00")) == at("9996-02-29 05:00"));
    assert_true(ls_cron_next(&cron, zone, INT64_MIN) < at("0005-01-01 00:00"));
    assert_true(ls_cron_last(&cron, zone, INT64_MAX) == at("9996-02-29 05:00"));
    assert_true(ls_cron_last(&cron, zone, 0) == -LS_CRON_NEVER);
    assert_true(ls_cron_last(&cron, zone, at("1972-02-28 00:00")) == -LS_CRON_NEVER);
    assert_true(ls_cron_last(&cron, zone, at("1973-02-28 00:00")) == at("1972-02-29 05:00"));
    ls_zone_close(zone);
}

/* ---- the walk ---- */

/* What an expression means, made together with its text. */
struct made {
    char text[300];
    bool in[5][60];
    bool star[5];
};

static void add(struct made *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct made *m, const char *fmt, ...)
{
    const size_t size = strlen(m->text);
    va_list args;

    va_start(args, fmt);
    vsnprintf(m->text + size, sizeof m->text - size, fmt, args);
    va_end(args);
}

static void make_field(struct made *m, unsigned f, uint64_t *seed)
{
    static const unsigned lows[] = {0, 0, 1, 1, 0}, highs[] = {59, 23, 31, 12, 6};
    const unsigned low = lows[f], high = highs[f];
    const unsigned items = below(seed, 3) ? 1 : 1 + below(seed, 4);

    add(m, "%s", f ? " " : "");
    for (unsigned i = 0; i < items; i++) {
        unsigned from = low + below(seed, high - low + 1), to = from, step = 1;

        add(m, "%s", i ? "," : "");
        switch (below(seed, i ? 3 : 5)) {
        case 0:
            add(m, "%u", from);
            break;
        case 1:
            to = from + below(seed, high - from + 1);
            add(m, "%u-%u", from, to);
            break;
        case 2:
            to = from + below(seed, high - from + 1);
            step = 1 + below(seed, 8 < high ? 8 : high);
            add(m, "%u-%u/%u", from, to, step);
            break;
        case 3:
            from = low;
            to = high;
            step = 1 + below(seed, high);
            add(m, "*/%u", step);
            m->star[f] = i == 0;
            break;
        default:
            from = low;
            to = high;
            add(m, "*");
            m->star[f] = i == 0;
        }
        for (; from <= to; from += step)
            m->in[f][from] = true;
    }
}

static void make_all(struct made *m, unsigned f)
{
    add(m, " *");
    m->star[f] = true;
    memset(m->in[f], true, sizeof m->in[f]);
}

/* Half of them are due on every day, most of these at an hour at which clocks change. */
static void make(struct made *m, uint64_t *seed)
{
    const bool daily = below(seed, 2), by_night = daily && below(seed, 3);
    const unsigned hour = below(seed, 4);

    make_field(m, 0, seed);
    if (by_night && hour == 0)
        make_all(m, 1);
    else if (by_night) {
        add(m, " %u", hour);
        m->in[1][hour] = true;
    } else
        make_field(m, 1, seed);
    for (unsigned f = 2; f < 5; f++)
        if (daily)
            make_all(m, f);
        else
            make_field(m, f, seed);
}

struct minute {
    int64_t local; /* minutes of the wall clock since 1970 */
    uint8_t minute, hour, day, month, weekday;
};
#define WALK 540000 /* a year and some days of minutes */

static bool fits(const struct made *m, const struct minute *t)
{
    const bool day = m->in[2][t->day], weekday = m->in[4][t->weekday];

    return m->in[0][t->minute] && m->in[1][t->hour] && m->in[3][t->month] &&
           (m->star[2] || m->star[4] ? day && weekday : day || weekday);
}

static void minute_at(int64_t local, struct minute *ret)
{
    const time_t s = (time_t)(local * 60);
    struct tm tm;

    assert_non_null(gmtime_r(&s, &tm));
    *ret = (struct minute){local,
                           (uint8_t)tm.tm_min,
                           (uint8_t)tm.tm_hour,
                           (uint8_t)tm.tm_mday,
                           (uint8_t)(tm.tm_mon + 1),
                           (uint8_t)tm.tm_wday};
}

static void read_clock(const char *zone, int64_t from_us, struct minute *minutes)
{
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
    for (int64_t i = 0; i < WALK; i++) {
        const time_t s = (time_t)(from_us / S + i * 60);
        struct tm tm;

        assert_non_null(localtime_r(&s, &tm));
        minute_at((s + tm.tm_gmtoff) / 60, &minutes[i]);
    }
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

/* Is it due at the i-th minute? highest: of the wall clock before it. */
static bool is_due(const struct made *m, const struct minute *minutes, int64_t i, int64_t highest)
{
    bool every_hour = true;

    for (unsigned h = 0; h < 24; h++)
        every_hour = every_hour && m->in[1][h];
    if (every_hour)
        return fits(m, &minutes[i]);
    for (int64_t skipped = highest + 1; skipped < minutes[i].local; skipped++) {
        struct minute t;

        minute_at(skipped, &t);
        if (fits(m, &t))
            return true;
    }
    return minutes[i].local > highest && fits(m, &minutes[i]);
}

static void walk(const struct made *m, const char *name, int64_t from_us,
                 const struct minute *minutes, uint64_t *seed)
{
    struct ls_cron cron;
    struct ls_zone *zone = NULL;
    int64_t highest = minutes[0].local, due, last = from_us;
    char a[25], b[25];

    open_cron(m->text, name, &cron, &zone);
    due = ls_cron_next(&cron, zone, from_us);
    for (int64_t i = 1; i < WALK; i++) {
        const int64_t now = from_us + i * MINUTE;
        const bool expected = is_due(m, minutes, i, highest);

        if (expected != (due == now))
            fail_msg("%s in %s: %s at %s, next is %s", m->text, name, expected ? "not due" : "due",
                     shown(now, a), shown(due, b));
        if (expected) {
            last = due;
            due = ls_cron_next(&cron, zone, due + (int64_t)below(seed, (unsigned)MINUTE));
        }
        if (last > from_us && below(seed, 5000) == 0 && ls_cron_last(&cron, zone, now) != last)
            fail_msg("%s in %s: the last at %s is %s", m->text, name, shown(now, a),
                     shown(ls_cron_last(&cron, zone, now), b));
        if (minutes[i].local > highest)
            highest = minutes[i].local;
    }
    ls_zone_close(zone);
}

static void a_walk_minute_by_minute_agrees(void **state)
{
    static const char *const zones[] = {
        "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
        "UTC",           "Africa/Casablanca"};
    static const char *const years[] = {"1997-01-01 00:00", "2019-07-01 00:00", "2026-01-01 00:00",
                                        "2038-01-01 00:00", "2052-01-01 00:00"};
    const unsigned rounds = getenv("LOCKSTEP_DEEP") ? 200 : 12;
    struct minute *minutes = calloc(WALK, sizeof *minutes);
    uint64_t seed = new_seed();
    (void)state;

    assert_non_null(minutes);
    for (size_t z = 0; z < sizeof zones / sizeof *zones; z++) {
        const int64_t from_us = at(years[below(&seed, sizeof years / sizeof *years)]);

        read_clock(zones[z], from_us, minutes);
        for (unsigned round = 0; round < rounds; round++) {
            struct made m = {0};
            struct ls_cron cron;

            make(&m, &seed);
            if (ls_cron_parse(m.text, &cron, NULL) == LS_OK) /* or it is never due */
                walk(&m, zones[z], from_us, minutes, &seed);
        }
    }
    free(minutes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_times_come_out),
        cmocka_unit_test(the_moment_itself_is_not_after_itself),
        cmocka_unit_test(the_ends_of_time_are_ends),
        cmocka_unit_test(a_walk_minute_by_minute_agrees),
    };
    return cmocka_run_group_tests_name("schedule/cron_next", tests, NULL, NULL);
}
