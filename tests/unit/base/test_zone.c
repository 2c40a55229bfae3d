/* SPDX-License-Identifier: Apache-2.0 */
/* test_zone.c - time zones: real ones from the system, broken ones made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/zone.h"
#include "lib/testdir.h"

#define S INT64_C(1000000)

/* Microseconds of a wall clock or UTC time. */
static int64_t at(int year, int month, int day, int hour, int minute)
{
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute};

    return (int64_t)timegm(&tm) * S;
}

static struct ls_zone *open_zone(const char *name)
{
    struct ls_zone *zone = NULL;
    struct ls_error err;

    if (ls_zone_open(name, &zone, &err) != LS_OK)
        fail_msg("%s", err.text);
    return zone;
}

static void utc_needs_no_file_and_moves_nothing(void **state)
{
    struct ls_zone *zone;
    (void)state;

    assert_int_equal(setenv("TZDIR", "/nonexistent", 1), 0);
    zone = open_zone("UTC");
    assert_int_equal(unsetenv("TZDIR"), 0);
    assert_string_equal(ls_zone_name(zone), "UTC");
    assert_int_equal(ls_zone_to_utc(zone, 123456789), 123456789);
    assert_int_equal(ls_zone_to_local(zone, -1), -1);
    ls_zone_close(zone);
    ls_zone_close(NULL);
}

static void summer_and_winter_have_their_offsets(void **state)
{
    struct ls_zone *zone = open_zone("Europe/Vienna");
    (void)state;

    assert_string_equal(ls_zone_name(zone), "Europe/Vienna");
    assert_int_equal(ls_zone_to_utc(zone, at(2024, 1, 15, 12, 0)), at(2024, 1, 15, 11, 0));
    assert_int_equal(ls_zone_to_utc(zone, at(2024, 7, 15, 12, 0)), at(2024, 7, 15, 10, 0));
    assert_int_equal(ls_zone_to_local(zone, at(2024, 7, 15, 10, 0) + 1),
                     at(2024, 7, 15, 12, 0) + 1);
    ls_zone_close(zone);
}

static void a_time_that_happens_twice_means_the_first(void **state)
{
    struct ls_zone *zone = open_zone("Europe/Vienna");
    (void)state;

    assert_int_equal(ls_zone_to_utc(zone, at(2024, 10, 27, 2, 30)), at(2024, 10, 27, 0, 30));
    assert_int_equal(ls_zone_to_utc(zone, at(2024, 10, 27, 3, 0)), at(2024, 10, 27, 2, 0));
    ls_zone_close(zone);
}

static void a_time_that_is_skipped_takes_the_offset_before(void **state)
{
    struct ls_zone *zone = open_zone("Europe/Vienna");
    (void)state;

    assert_int_equal(ls_zone_to_utc(zone, at(2024, 3, 31, 2, 30)), at(2024, 3, 31, 1, 30));
    assert_int_equal(ls_zone_to_utc(zone, at(2024, 3, 31, 3, 0)), at(2024, 3, 31, 1, 0));
    assert_int_equal(ls_zone_to_utc(zone, at(2024, 3, 31, 1, 59)), at(2024, 3, 31, 0, 59));
    ls_zone_close(zone);
}

static void a_day_that_was_skipped_is_taken_too(void **state)
{
    struct ls_zone *zone = open_zone("Pacific/Apia"); /* no 2011-12-30 there */
    (void)state;

    assert_int_equal(ls_zone_to_utc(zone, at(2011, 12, 30, 12, 0)), at(2011, 12, 30, 22, 0));
    assert_int_equal(ls_zone_to_local(zone, at(2011, 12, 30, 9, 59)), at(2011, 12, 29, 23, 59));
    assert_int_equal(ls_zone_to_local(zone, at(2011, 12, 30, 10, 0)), at(2011, 12, 31, 0, 0));
    ls_zone_close(zone);
}

static void the_rule_holds_after_the_last_entry_of_the_file(void **state)
{
    struct ls_zone *north = open_zone("Europe/Vienna"), *south = open_zone("Australia/Sydney");
    (void)state;

    assert_int_equal(ls_zone_to_local(north, at(2150, 7, 1, 10, 0)), at(2150, 7, 1, 12, 0));
    assert_int_equal(ls_zone_to_local(north, at(2150, 1, 1, 10, 0)), at(2150, 1, 1, 11, 0));
    assert_int_equal(ls_zone_to_local(south, at(2150, 7, 1, 10, 0)), at(2150, 7, 1, 20, 0));
    assert_int_equal(ls_zone_to_local(south, at(2150, 1, 1, 10, 0)), at(2150, 1, 1, 21, 0));
    ls_zone_close(north);
    ls_zone_close(south);
}

/* The C library reads the same files with other code. */
static void all_days_of_two_centuries_agree_with_the_c_library(void **state)
{
    static const char *const names[] = {"America/New_York",    "Africa/Casablanca",
                                        "Australia/Lord_Howe", "Asia/Kathmandu",
                                        "America/Santiago",    "Europe/Dublin"};
    (void)state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct ls_zone *zone = open_zone(names[i]);

        assert_int_equal(setenv("TZ", names[i], 1), 0);
        tzset();
        for (int64_t t = at(1900, 1, 1, 5, 0) / S; t < at(2100, 1, 1, 0, 0) / S; t += 86400 + 600) {
            time_t utc = (time_t)t;
            struct tm tm;

            assert_non_null(localtime_r(&utc, &tm));
            if (ls_zone_to_local(zone, t * S) != (t + tm.tm_gmtoff) * S)
                fail_msg("%s at %lld", names[i], (long long)t);
        }
        ls_zone_close(zone);
    }
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

/* Walked from one to the next they cover all time, and the offset is their own from end to end. */
static void stretches_follow_each_other_without_a_gap(void **state)
{
    static const char *const names[] = {"Europe/Vienna",  "Africa/Casablanca", "America/Santiago",
                                        "Asia/Kathmandu", "Europe/Dublin",     "UTC"};
    (void)state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct ls_zone *zone = open_zone(names[i]);
        struct ls_zone_stretch s = ls_zone_stretch(zone, INT64_MIN);
        size_t count = 1;

        assert_true(s.from_us == INT64_MIN);
        while (s.to_us != INT64_MAX && s.to_us < at(2200, 1, 1, 0, 0)) {
            const struct ls_zone_stretch next = ls_zone_stretch(zone, s.to_us);

            assert_true(next.from_us == s.to_us && next.to_us > next.from_us);
            for (int64_t t = next.from_us; t < next.to_us && t < at(2200, 1, 1, 0, 0);
                 t += 7 * S * 86400)
                assert_true(ls_zone_to_local(zone, t) - t == next.offset_us);
            if (next.to_us != INT64_MAX)
                assert_true(ls_zone_to_local(zone, next.to_us - 1) - next.to_us + 1 ==
                            next.offset_us);
            s = next;
            count++;
        }
        assert_true(strcmp(names[i], "UTC") == 0 ? count == 1 : count > 2);
        ls_zone_close(zone);
    }
}

static void a_stretch_begins_and_ends_with_the_clock_changes(void **state)
{
    struct ls_zone *zone = open_zone("Australia/Lord_Howe"); /* half an hour of summer time */
    struct ls_zone_stretch s = ls_zone_stretch(zone, at(2150, 6, 1, 0, 0));
    (void)state;

    assert_int_equal(s.offset_us, 630 * 60 * S);
    assert_int_equal(s.from_us, at(2150, 4, 4, 15, 0)); /* Sunday the 5th, 02:00 at +11 */
    assert_int_equal(s.to_us, at(2150, 10, 3, 15, 30));
    s = ls_zone_stretch(zone, at(2024, 4, 6, 15, 0) - 1);
    assert_int_equal(s.offset_us, 660 * 60 * S);
    assert_int_equal(s.to_us, at(2024, 4, 6, 15, 0));
    ls_zone_close(zone);
}

static void an_unknown_zone_is_told_its_nearest_neighbour(void **state)
{
    static const struct {
        const char *wrong, *meant;
    } cases[] = {
        {"europe/vienna", "\"Europe/Vienna\"?"},
        {"Vienna", "\"Europe/Vienna\"?"},
        {"Europe/Viena", "\"Europe/Vienna\"?"},
        {"salta", "\"America/Argentina/Salta\"?"},
        {"America/NewYork", "\"America/New_York\"?"},
        {"utc", "\"UTC\"?"},
        {"Xyzzy/Plugh", "tzdata"},
    };
    struct ls_zone *zone = NULL;
    struct ls_error err;
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(ls_zone_open(cases[i].wrong, &zone, &err), LS_CONFIG);
        if (!strstr(err.text, cases[i].wrong) || !strstr(err.text, cases[i].meant))
            fail_msg("%s: %s", cases[i].wrong, err.text);
    }
}

static void the_ends_of_time_do_not_overflow(void **state)
{
    struct ls_zone *zone = open_zone("Australia/Sydney");
    (void)state;

    assert_true(ls_zone_to_local(zone, INT64_MAX) == INT64_MAX);
    assert_true(ls_zone_to_utc(zone, INT64_MIN) == INT64_MIN);
    assert_true(ls_zone_to_utc(zone, INT64_MAX) < INT64_MAX);
    ls_zone_close(zone);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
    static const char *const bad[] = {"",       "/etc/passwd",    "../../../etc/passwd",
                                      "Europe", "Europe/Nowhere", "Europe/../UTC",
                                      "a b",    "Europe/Vienna\n"};
    struct ls_zone *zone = NULL;
    struct ls_error err;
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(ls_zone_open(bad[i], &zone, &err), LS_CONFIG);
        assert_non_null(strstr(err.text, bad[i]));
    }
    assert_int_equal(ls_zone_open("/Europe/Vienna", &zone, &err), LS_CONFIG); /* TZDIR + this is */
    assert_null(zone);
}

/* The counts of a version 2 file without a list, twice, and its rule. */
static void add_header(struct ls_buf *file, char version, uint32_t leaps, uint32_t times,
                       uint32_t types)
{
    static const char unused[15];

    ls_buf_text(file, "TZif");
    ls_buf_char(file, version);
    ls_buf_add(file, unused, sizeof(unused));
    ls_buf_u32(file, 0);
    ls_buf_u32(file, 0);
    ls_buf_u32(file, leaps);
    ls_buf_u32(file, times);
    ls_buf_u32(file, types);
    ls_buf_u32(file, 4);
}

static void add_type(struct ls_buf *file, int32_t offset)
{
    ls_buf_u32(file, (uint32_t)offset);
    ls_buf_u16(file, 0);
}

static void make_rule_file(struct ls_buf *file, const char *rule)
{
    for (int part = 0; part < 2; part++) {
        add_header(file, '2', 0, 0, 1);
        add_type(file, 0);
        ls_buf_add(file, "LMT", 4);
    }
    ls_buf_printf(file, "\n%s\n", rule);
}

/* Opens what stands in the file, by a name in a folder of our own. */
static enum ls_code open_made(const struct ls_buf *file, struct ls_zone **ret, struct ls_error *err)
{
    char *path = testdir_file("Made", file->data, file->size);
    enum ls_code rc;

    assert_int_equal(setenv("TZDIR", testdir(), 1), 0);
    rc = ls_zone_open("Made", ret, err);
    assert_int_equal(unsetenv("TZDIR"), 0);
    free(path);
    return rc;
}

static enum ls_code open_rule(const char *rule, struct ls_zone **ret)
{
    struct ls_buf file;
    enum ls_code rc;

    ls_buf_init(&file, 0);
    make_rule_file(&file, rule);
    rc = open_made(&file, ret, NULL);
    ls_buf_done(&file);
    return rc;
}

static void rules_of_every_form_are_understood(void **state)
{
    static const struct {
        const char *rule;
        int month, day, hour, minutes; /* the offset at that UTC time of 2024, a leap year */
    } cases[] = {
        {"<+0530>-5:30", 6, 1, 0, 330},
        {"AAA3BBB,J60,J300", 2, 29, 23, -180}, /* J60 is March 1 in every year */
        {"AAA3BBB,J60,J300", 3, 1, 6, -120},
        {"AAA3BBB,59,300", 2, 29, 6, -120}, /* 59 counts from 0 and knows February 29 */
        {"AAA3BBB,59,300", 2, 29, 4, -180},
        {"AAA0BBB-2,M3.2.0,M11.1.0", 3, 10, 2, 120}, /* the second Sunday */
        {"AAA0BBB-2,M3.2.0,M11.1.0", 3, 10, 1, 0},
        {"AAA0BBB-2,M3.2.0,M11.1.0", 11, 2, 23, 120},
        {"AAA0BBB-2,M3.2.0,M11.1.0", 11, 3, 0, 0},
        {"AAA0BBB,M2.5.4/24,M11.1.0", 2, 29, 23, 0}, /* the last Thursday, at its end */
        {"AAA0BBB,M2.5.4/24,M11.1.0", 3, 1, 0, 60},
        {"AAA0BBB,M3.5.0/-1,M11.1.0", 3, 30, 23, 60},
        {"AAA0BBB,M3.5.0/-1,M11.1.0", 3, 30, 22, 0},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t utc = at(2024, cases[i].month, cases[i].day, cases[i].hour, 0);
        struct ls_zone *zone = NULL;

        assert_int_equal(open_rule(cases[i].rule, &zone), LS_OK);
        if (ls_zone_to_local(zone, utc) - utc != cases[i].minutes * 60 * S)
            fail_msg("case %zu: %s", i, cases[i].rule);
        ls_zone_close(zone);
    }
}

static void rules_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {"CET",
                                      "1",
                                      "<CET-1",
                                      "CET-1x",
                                      "CET-25",
                                      "CET-1CEST",
                                      "CET-1CEST,M3.5.0",
                                      "CET-1CEST,M13.5.0,M10.5.0",
                                      "CET-1CEST,M0.5.0,M10.5.0",
                                      "CET-1CEST,M3.6.0,M10.5.0",
                                      "CET-1CEST,M3.0.0,M10.5.0",
                                      "CET-1CEST,M3.5.7,M10.5.0",
                                      "CET-1CEST,J0,M10.5.0",
                                      "CET-1CEST,366,M10.5.0",
                                      "CET-1CEST,M3.5.0/,M10.5.0",
                                      "CET-1CEST,M3.5.0,M10.5.0 ",
                                      "CET-1:60"};
    struct ls_zone *zone = NULL;
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (open_rule(bad[i], &zone) != LS_CONFIG)
            fail_msg("taken: %s", bad[i]);
    }
}

/* Offset 0 until time 1000, then an hour; in the form of version 1. */
static void make_list_file(struct ls_buf *file, int32_t first_time, uint8_t last_type)
{
    add_header(file, '\0', 0, 2, 2);
    ls_buf_u32(file, (uint32_t)first_time);
    ls_buf_u32(file, 1000);
    ls_buf_u8(file, 0);
    ls_buf_u8(file, last_type);
    add_type(file, 0);
    add_type(file, 3600);
    ls_buf_add(file, "LMT", 4);
}

static void a_file_of_the_first_version_is_read(void **state)
{
    struct ls_zone *zone = NULL;
    struct ls_buf file;
    (void)state;

    ls_buf_init(&file, 0);
    make_list_file(&file, -500, 1);
    assert_int_equal(open_made(&file, &zone, NULL), LS_OK);
    assert_int_equal(ls_zone_to_local(zone, 1000 * S - 1), 1000 * S - 1);
    assert_int_equal(ls_zone_to_local(zone, 1000 * S), 4600 * S);
    assert_int_equal(ls_zone_to_local(zone, at(2100, 1, 1, 0, 0)), at(2100, 1, 1, 1, 0));
    ls_zone_close(zone);
    ls_buf_done(&file);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    struct ls_zone *zone = NULL;
    struct ls_buf file;
    struct ls_error err;
    (void)state;

    ls_buf_init(&file, 0);
    make_list_file(&file, -500, 1);
    for (size_t size = file.size; size-- > 0;) {
        ls_buf_cut(&file, size);
        assert_int_equal(open_made(&file, &zone, &err), LS_CONFIG);
    }
    make_rule_file(&file, "CET-1");
    for (size_t size = file.size; size-- > 0;) {
        ls_buf_cut(&file, size);
        assert_int_equal(open_made(&file, &zone, &err), LS_CONFIG);
    }
    assert_non_null(strstr(err.text, "Made"));
    ls_buf_done(&file);
}

/* Whatever a byte is changed to, nothing is read outside (the sanitizers watch). */
static void a_damaged_file_is_refused_or_read_but_never_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < 200; i++) {
        struct ls_zone *zone = NULL;
        struct ls_buf file;

        ls_buf_init(&file, 0);
        make_list_file(&file, -500, 1);
        if (i / 2 < file.size)
            file.data[i / 2] = (char)(i % 2 ? 0xff : 0x80);
        if (open_made(&file, &zone, NULL) == LS_OK)
            (void)ls_zone_to_utc(zone, at(2024, 1, 1, 0, 0));
        ls_zone_close(zone);
        ls_buf_done(&file);
    }
}

static void lists_out_of_order_or_range_are_refused(void **state)
{
    static const struct {
        int32_t first_time;
        uint8_t last_type;
        enum ls_code code;
    } cases[] = {{999, 1, LS_OK}, {1000, 1, LS_CONFIG}, {1001, 1, LS_CONFIG}, {999, 2, LS_CONFIG}};
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ls_zone *zone = NULL;
        struct ls_buf file;

        ls_buf_init(&file, 0);
        make_list_file(&file, cases[i].first_time, cases[i].last_type);
        assert_int_equal(open_made(&file, &zone, NULL), cases[i].code);
        ls_zone_close(zone);
        ls_buf_done(&file);
    }
}

static void a_file_that_counts_leap_seconds_is_refused(void **state)
{
    struct ls_zone *zone = NULL;
    struct ls_buf file;
    (void)state;

    ls_buf_init(&file, 0);
    add_header(&file, '\0', 1, 0, 1);
    add_type(&file, 0);
    ls_buf_add(&file, "LMT", 4);
    ls_buf_u64(&file, 1);
    assert_int_equal(open_made(&file, &zone, NULL), LS_CONFIG);
    ls_buf_done(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utc_needs_no_file_and_moves_nothing),
        cmocka_unit_test(summer_and_winter_have_their_offsets),
        cmocka_unit_test(a_time_that_happens_twice_means_the_first),
        cmocka_unit_test(a_time_that_is_skipped_takes_the_offset_before),
        cmocka_unit_test(a_day_that_was_skipped_is_taken_too),
        cmocka_unit_test(the_rule_holds_after_the_last_entry_of_the_file),
        cmocka_unit_test(all_days_of_two_centuries_agree_with_the_c_library),
        cmocka_unit_test(stretches_follow_each_other_without_a_gap),
        cmocka_unit_test(a_stretch_begins_and_ends_with_the_clock_changes),
        cmocka_unit_test(an_unknown_zone_is_told_its_nearest_neighbour),
        cmocka_unit_test(the_ends_of_time_do_not_overflow),
        cmocka_unit_test(names_that_lead_elsewhere_are_refused),
        cmocka_unit_test(rules_of_every_form_are_understood),
        cmocka_unit_test(rules_that_are_none_are_refused),
        cmocka_unit_test(a_file_of_the_first_version_is_read),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_damaged_file_is_refused_or_read_but_never_left),
        cmocka_unit_test(lists_out_of_order_or_range_are_refused),
        cmocka_unit_test(a_file_that_counts_leap_seconds_is_refused),
    };
    return cmocka_run_group_tests_name("base/zone", tests, NULL, NULL);
}
