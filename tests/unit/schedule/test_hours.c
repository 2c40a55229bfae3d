/* SPDX-License-Identifier: Apache-2.0 */
/* test_hours.c - business hours: how they are written, what is inside, and where they begin and end, minute by minute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "schedule/hours.h"
#include "unit/schedule/seed.h"

#define MINUTE (INT64_C(60) * 1000000)

static struct ls_hours parsed(const char *text)
{
    struct ls_hours hours;
    struct ls_error err;

    if (ls_hours_parse(text, &hours, &err) != LS_OK)
        fail_msg("%s: %s", text, err.text);
    return hours;
}

static struct ls_zone *zone_of(const char *name)
{
    struct ls_zone *zone = NULL;

    assert_int_equal(ls_zone_open(name, &zone, NULL), LS_OK);
    return zone;
}

static int64_t at(const char *iso)
{
    struct tm tm = {0};

    assert_int_equal(sscanf(iso, "%d-%d-%d %d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                            &tm.tm_hour, &tm.tm_min),
                     5);
    tm.tm_year -= 1900;
    tm.tm_mon--;
    return (int64_t)timegm(&tm) * 1000000;
}

static void what_is_inside_is_inside(void **state)
{
    static const struct {
        const char *hours, *zone, *when;
        bool inside;
    } cases[] = {
        {"", "UTC", "2026-01-03 03:00", true},
        {"mon-fri 08:00-18:00", "UTC", "2026-01-02 08:00", true}, /* a Friday */
        {"mon-fri 08:00-18:00", "UTC", "2026-01-02 07:59", false},
        {"mon-fri 08:00-18:00", "UTC", "2026-01-02 17:59", true},
        {"mon-fri 08:00-18:00", "UTC", "2026-01-02 18:00", false},
        {"mon-fri 08:00-18:00", "UTC", "2026-01-03 12:00", false},
        {"MON,sat 08:00-18:00", "UTC", "2026-01-03 12:00", true},
        {"08:00-18:00", "UTC", "2026-01-03 12:00", true},
        {"00:00-24:00", "UTC", "2026-01-03 23:59", true},
        {"fri 22:00-06:00", "UTC", "2026-01-02 23:00", true},
        {"fri 22:00-06:00", "UTC", "2026-01-03 05:59", true},
        {"fri 22:00-06:00", "UTC", "2026-01-03 06:00", false},
        {"fri 22:00-06:00", "UTC", "2026-01-02 05:00", false},
        {"sat 22:00-06:00", "UTC", "2026-01-04 00:00", true}, /* into Sunday */
        {"sun 22:00-06:00", "UTC", "2026-01-05 00:00", true},
        {"mon-thu 08:00-18:00; fri 08:00-14:00", "UTC", "2026-01-02 15:00", false},
        {"mon-thu 08:00-18:00 ;fri 08:00-14:00;", "UTC", "2026-01-01 15:00", true},
        {"0,6 10:00-12:00", "UTC", "2026-01-04 11:00", true},
        {"mon-fri 08:00-18:00", "America/New_York", "2026-01-02 22:59", true},
        {"mon-fri 08:00-18:00", "America/New_York", "2026-07-03 22:00", false},
        {"mon-fri 08:00-18:00", "Asia/Kathmandu", "2026-01-02 02:15", true},
        {"mon-fri 08:00-18:00", "Asia/Kathmandu", "2026-01-02 02:14", false},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ls_hours hours = parsed(cases[i].hours);
        struct ls_zone *zone = zone_of(cases[i].zone);

        if (ls_hours_contain(&hours, zone, at(cases[i].when)) != cases[i].inside)
            fail_msg("%s in %s at %s", cases[i].hours, cases[i].zone, cases[i].when);
        ls_zone_close(zone);
    }
}

static void what_is_wrong_is_told(void **state)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"mon-fri", "two times of the day are expected"},
        {"mon-fri 8:00-18:00", "two times"},
        {"mon-fri 08:00", "two times"},
        {"mon-fri 08:00-25:00", "two times"},
        {"mon-fri 08:60-18:00", "two times"},
        {"mon-fri 24:01-18:00", "two times"},
        {"mon-fri 08:00 - 18:00", "two times"},
        {"mon-fri 08:00-08:00", "is empty"},
        {"24:00-08:00", "is empty"},
        {"mox 08:00-18:00", "day of week \"mox\" is no number and no name"},
        {"mon-fri 08:00-18:00 sat", "semicolon"},
        {"; 08:00-18:00", "day of week"},
        {"1 00:00-01:00;1 00:00-01:00;1 00:00-01:00;1 00:00-01:00;1 00:00-01:00;1 00:00-01:00;1 "
         "00:00-01:00;1 00:00-01:00;1 00:00-01:00",
         "more than eight"},
    };
    char text[400];
    struct ls_hours hours;
    struct ls_error err = {0};
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (ls_hours_parse(cases[i].text, &hours, &err) != LS_CONFIG ||
            !strstr(err.text, cases[i].part))
            fail_msg("%s: %s", cases[i].text, err.text);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(ls_hours_parse(text, &hours, &err), LS_CONFIG);
    assert_non_null(strstr(err.text, "too long"));
    assert_int_equal(ls_hours_parse("\x1b\xff 08:00-18:00", &hours, &err), LS_CONFIG);
    assert_int_equal(ls_utf8_check(err.text, strlen(err.text)), strlen(err.text));
    assert_null(strchr(err.text, '\x1b'));
}

/* The edges are where a walk finds them; also on the days on which clocks change. */
static void a_walk_minute_by_minute_agrees(void **state)
{
    static const char *const zones[] = {"Europe/Vienna", "Australia/Lord_Howe", "UTC",
                                        "America/New_York"};
    static const char *const starts[] = {"2026-03-25 00:00", "2026-10-20 00:00", "2026-10-01 00:00",
                                         "2026-03-30 00:00", "2026-03-05 00:00"};
    enum { DAYS = 16, WALK = DAYS * 1440 };
    uint64_t seed = new_seed();
    (void)state;

    for (int round = 0; round < 60; round++) {
        struct ls_zone *zone = zone_of(zones[below(&seed, 4)]);
        const int64_t start = at(starts[below(&seed, 5)]);
        static bool inside[WALK];
        int64_t after = -1, before = -1;
        struct ls_hours hours;
        char text[100];

        /* one window of days, and one at night, where the clocks change */
        snprintf(text, sizeof text, "%u-%u %02u:%02u-%02u:30; %u 0%u:%s0-0%u:15", below(&seed, 3),
                 3 + below(&seed, 4), 8 + below(&seed, 3), below(&seed, 60), 11 + below(&seed, 8),
                 below(&seed, 7), 1 + below(&seed, 2), below(&seed, 2) ? "3" : "0",
                 3 + below(&seed, 2));
        hours = parsed(text);
        for (int i = 0; i < WALK; i++)
            inside[i] = ls_hours_contain(&hours, zone, start + i * MINUTE);
        for (int i = WALK - 1; i >= 0; i--) {
            if (inside[i])
                after = i;
            if (after >= 0 && i % 7 == 0 &&
                ls_hours_after(&hours, zone, start + i * MINUTE) != start + after * MINUTE)
                fail_msg("%s in %s, after minute %d of %" PRId64, text, ls_zone_name(zone), i,
                         start);
        }
        for (int i = 0; i < WALK; i++) {
            const int64_t now = start + i * MINUTE;

            if (inside[i])
                before = i;
            if (before >= 0 && i % 7 == 0 &&
                ls_hours_before(&hours, zone, now) !=
                    (before == i ? now : start + (before + 1) * MINUTE - 1))
                fail_msg("%s in %s, before minute %d of %" PRId64, text, ls_zone_name(zone), i,
                         start);
        }
        ls_zone_close(zone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_inside_is_inside),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(a_walk_minute_by_minute_agrees),
    };
    return cmocka_run_group_tests_name("schedule/hours", tests, NULL, NULL);
}
