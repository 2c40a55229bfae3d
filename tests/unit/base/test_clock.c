/* SPDX-License-Identifier: Apache-2.0 */
/* test_clock.c - times as text, and identities. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "base/clock.h"

static void a_time_is_written_in_utc_with_milliseconds(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {INT64_C(1709210096789999), "2024-02-29T12:34:56.789Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_C(-62167219200000000), "0000-01-01T00:00:00.000Z"},
        {INT64_C(253402300799999999), "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[25];

        ls_clock_iso(cases[i].us, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void the_clock_agrees_with_the_system(void **state)
{
    int64_t before = (int64_t)time(NULL), now = ls_clock_now_us(), after;
    (void)state;

    after = (int64_t)time(NULL);
    /* time() may lag by a tick */
    assert_true(now / 1000000 >= before && now / 1000000 <= after + 1);
}

static void the_monotonic_clock_never_goes_back(void **state)
{
    int64_t last = ls_clock_monotonic_us();
    (void)state;

    for (int i = 0; i < 1000; i++) {
        int64_t now = ls_clock_monotonic_us();

        assert_true(now >= last);
        last = now;
    }
}

static void random_bytes_fill_all_of_a_large_buffer(void **state)
{
    unsigned char bytes[4096] = {0};
    size_t seen[256] = {0};
    (void)state;

    ls_random_bytes(bytes, 0);
    assert_int_equal(bytes[0], 0);
    ls_random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        seen[bytes[i]]++;
    for (size_t i = 0; i < sizeof(bytes); i += 256) { /* no part was left out */
        static const unsigned char zeros[256];

        assert_memory_not_equal(bytes + i, zeros, sizeof(zeros));
    }
    for (size_t i = 0; i < 256; i++)
        assert_in_range(seen[i], 0, 60); /* 16 expected; 60 is 11 deviations off */
}

static void random_numbers_differ(void **state)
{
    (void)state;
    assert_true(ls_random_u64() != ls_random_u64());
}

static void a_uuid_has_version_and_variant_in_place(void **state)
{
    char a[37], b[37];
    (void)state;

    ls_uuid_new(a);
    ls_uuid_new(b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 36);
    assert_int_equal(strspn(a, "0123456789abcdef-"), 36);
    for (size_t i = 0; i < 36; i++)
        assert_int_equal(a[i] == '-', i == 8 || i == 13 || i == 18 || i == 23);
    for (int i = 0; i < 100; i++) {
        ls_uuid_new(a);
        assert_int_equal(a[14], '4');
        assert_non_null(strchr("89ab", a[19]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_written_in_utc_with_milliseconds),
        cmocka_unit_test(the_clock_agrees_with_the_system),
        cmocka_unit_test(the_monotonic_clock_never_goes_back),
        cmocka_unit_test(random_bytes_fill_all_of_a_large_buffer),
        cmocka_unit_test(random_numbers_differ),
        cmocka_unit_test(a_uuid_has_version_and_variant_in_place),
    };
    return cmocka_run_group_tests_name("base/clock", tests, NULL, NULL);
}
