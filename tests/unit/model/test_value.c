/* SPDX-License-Identifier: Apache-2.0 */
/* test_value.c - values to text and back, exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/model/values.h"

static struct ls_arena mem;

static int open_arena(void **state)
{
    (void)state;
    ls_arena_init(&mem, 0);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    ls_arena_done(&mem);
    return 0;
}

static void prints(struct ls_value v, const char *expected)
{
    struct ls_buf out = {0};

    ls_value_to_text(&out, &v);
    assert_string_equal(ls_buf_str(&out), expected);
    ls_buf_done(&out);
}

static struct ls_value reads(enum ls_type type, const char *text)
{
    struct ls_value v = ls_value_null();
    struct ls_error err = {0};

    if (ls_value_from_text(type, text, strlen(text), &mem, &v, &err) != LS_OK)
        fail_msg("%s is no %s: %s", text, ls_type_word(type), err.text);
    assert_int_equal(v.type, type);
    return v;
}

static void refuses(enum ls_type type, const char *text)
{
    struct ls_value v = ls_value_int(7);
    struct ls_error err = {0};

    if (ls_value_from_text(type, text, strlen(text), &mem, &v, &err) != LS_TYPE)
        fail_msg("\"%s\" was read as %s", text, ls_type_word(type));
    assert_int_equal(v.i, 7);
    assert_non_null(strstr(err.text, ls_type_word(type)));
    if (strlen(text) > 8)
        assert_null(strstr(err.text, text));
}

/* The text is the text form: it reads and prints as itself. */
static void keeps(enum ls_type type, const char *text)
{
    prints(reads(type, text), text);
}

static void types_have_words(void **state)
{
    enum ls_type type = LS_T_NULL;
    (void)state;

    for (int i = 0; i < LS_TYPE_COUNT; i++) {
        assert_true(ls_type_from_word(ls_type_word((enum ls_type)i), &type));
        assert_int_equal(type, i);
    }
    assert_false(ls_type_from_word("varchar", &type));
    assert_string_equal(ls_type_word(LS_TYPE_COUNT), "unknown");
}

static void a_copy_outlives_what_it_was_made_of(void **state)
{
    char text[] = "abc";
    struct ls_value v = TEXT(text), copy, empty = TEXT("");
    (void)state;

    assert_true(ls_value_copy(&mem, &v, &copy));
    text[0] = 'x';
    prints(copy, "abc");
    assert_true(ls_value_copy(&mem, &empty, &copy));
    assert_int_equal(copy.size, 0);
    v = ls_value_int(5);
    assert_true(ls_value_copy(&mem, &v, &copy));
    assert_int_equal(copy.i, 5);
}

static void booleans_have_many_spellings(void **state)
{
    static const char *const yes[] = {"t", "true", "TRUE", "y", "Yes", "on", "1"};
    static const char *const no[] = {"f", "false", "False", "n", "no", "OFF", "0"};
    (void)state;

    for (size_t i = 0; i < 7; i++) {
        assert_true(reads(LS_T_BOOL, yes[i]).b);
        assert_false(reads(LS_T_BOOL, no[i]).b);
    }
    keeps(LS_T_BOOL, "true");
    keeps(LS_T_BOOL, "false");
    refuses(LS_T_BOOL, "2");
    refuses(LS_T_BOOL, "");
    refuses(LS_T_BOOL, "tr");
}

static void integers_reach_both_ends_of_64_bits(void **state)
{
    (void)state;
    keeps(LS_T_INT, "9223372036854775807");
    keeps(LS_T_INT, "-9223372036854775808");
    assert_int_equal(reads(LS_T_INT, "1e3").i, 1000);
    assert_int_equal(reads(LS_T_INT, "+7.00").i, 7);
    refuses(LS_T_INT, "9223372036854775808");
    refuses(LS_T_INT, "-9223372036854775809");
    refuses(LS_T_INT, "1.5");
    refuses(LS_T_INT, "");
    refuses(LS_T_INT, " 1");
    refuses(LS_T_INT, "0x10");
    refuses(LS_T_INT, "NaN");
}

static void decimals_keep_their_digits(void **state)
{
    (void)state;
    keeps(LS_T_DECIMAL, "1.50");
    keeps(LS_T_DECIMAL, "0.000");
    keeps(LS_T_DECIMAL, "-123456789012345678901234567890.0987654321000");
    keeps(LS_T_DECIMAL, "NaN");
    keeps(LS_T_DECIMAL, "-Infinity");
    prints(reads(LS_T_DECIMAL, "1.50e1"), "15.0");
    prints(reads(LS_T_DECIMAL, "1.5e-3"), "0.0015");
    prints(reads(LS_T_DECIMAL, "+.5"), "0.5");
    prints(reads(LS_T_DECIMAL, "5."), "5");
    prints(reads(LS_T_DECIMAL, "007"), "7");
    prints(reads(LS_T_DECIMAL, "nan"), "NaN");
    refuses(LS_T_DECIMAL, "1e999999999");
    refuses(LS_T_DECIMAL, "1e-999999999");
    refuses(LS_T_DECIMAL, "1,5");
    refuses(LS_T_DECIMAL, "-");
    refuses(LS_T_DECIMAL, "1e");
}

static void doubles_are_written_as_short_as_they_read_back(void **state)
{
    uint64_t seed = test_seed();
    (void)state;

    keeps(LS_T_DOUBLE, "0.1");
    keeps(LS_T_DOUBLE, "-0");
    keeps(LS_T_DOUBLE, "1e+15");
    keeps(LS_T_DOUBLE, "100000000000000");
    keeps(LS_T_DOUBLE, "0.0001");
    keeps(LS_T_DOUBLE, "1e-05");
    keeps(LS_T_DOUBLE, "1.7976931348623157e+308");
    keeps(LS_T_DOUBLE, "5e-324");
    keeps(LS_T_DOUBLE, "0.30000000000000004");
    keeps(LS_T_DOUBLE, "5.684341886080802e-14"); /* 2^-44: the neighbours are not equally far */
    keeps(LS_T_DOUBLE, "NaN");
    keeps(LS_T_DOUBLE, "-Infinity");
    refuses(LS_T_DOUBLE, "1e400");
    refuses(LS_T_DOUBLE, "0x1p3");
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = random_next(&seed);
        struct ls_value v = DOUBLE(0), back;
        struct ls_buf text = {0};

        memcpy(&v.d, &bits, sizeof bits);
        if (isnan(v.d))
            continue;
        ls_value_to_text(&text, &v);
        back = reads(LS_T_DOUBLE, ls_buf_str(&text));
        assert_memory_equal(&back.d, &v.d, sizeof v.d);
        assert_true(text.size <= 24);
        ls_buf_done(&text);
    }
}

static void bytes_are_hex(void **state)
{
    (void)state;
    keeps(LS_T_BYTES, "\\x00ff10");
    keeps(LS_T_BYTES, "\\x");
    prints(reads(LS_T_BYTES, "\\xABcd"), "\\xabcd");
    refuses(LS_T_BYTES, "abc");
    refuses(LS_T_BYTES, "\\xabc");
    refuses(LS_T_BYTES, "\\xzz");
}

static void dates_reach_as_far_as_postgresql_goes(void **state)
{
    (void)state;
    keeps(LS_T_DATE, "1970-01-01");
    keeps(LS_T_DATE, "0001-01-01");
    keeps(LS_T_DATE, "0001-12-31 BC");
    keeps(LS_T_DATE, "0044-03-15 BC");
    keeps(LS_T_DATE, "4714-11-24 BC");
    keeps(LS_T_DATE, "5874897-12-31");
    keeps(LS_T_DATE, "infinity");
    keeps(LS_T_DATE, "-infinity");
    assert_int_equal(reads(LS_T_DATE, "1970-01-02").i, 1);
    assert_int_equal(reads(LS_T_DATE, "0044-03-15 BC").i, -735160);
    assert_int_equal(reads(LS_T_DATE, "2000-03-01").i, 11017);
    assert_int_equal(reads(LS_T_DATE, "2024-02-29 00:00:00").i, 19782);
    keeps(LS_T_DATE, "0005-02-29 BC"); /* the year -4 is a leap year */
    refuses(LS_T_DATE, "0004-02-29 BC");
    refuses(LS_T_DATE, "4714-11-23 BC");
    refuses(LS_T_DATE, "5874898-01-01");
    refuses(LS_T_DATE, "2023-02-29");
    refuses(LS_T_DATE, "1900-02-29");
    refuses(LS_T_DATE, "0000-00-00");
    refuses(LS_T_DATE, "0000-01-01");
    refuses(LS_T_DATE, "2024-13-01");
    refuses(LS_T_DATE, "2024-1-1");
    refuses(LS_T_DATE, "2024-02-29 00:00:01");
    refuses(LS_T_DATE, "20240229");
    refuses(LS_T_DATE, "now");
}

static void every_day_is_itself_again(void **state)
{
    uint64_t seed = test_seed();
    (void)state;

    for (int i = 0; i < 20000; i++) {
        struct ls_value v = TIME(DATE, (int64_t)random_below(&seed, 4880000) - 2440588);
        struct ls_buf text = {0};

        ls_value_to_text(&text, &v);
        assert_int_equal(reads(LS_T_DATE, ls_buf_str(&text)).i, v.i);
        ls_buf_done(&text);
    }
}

static void times_keep_their_microseconds(void **state)
{
    (void)state;
    keeps(LS_T_TIME, "00:00:00");
    keeps(LS_T_TIME, "23:59:59.999999");
    keeps(LS_T_TIME, "12:30:00.5");
    keeps(LS_T_TIME, "24:00:00");
    assert_int_equal(reads(LS_T_TIME, "00:01").i, 60000000);
    assert_int_equal(reads(LS_T_TIME, "00:00:00.1000000000").i, 100000);
    refuses(LS_T_TIME, "24:00:01");
    refuses(LS_T_TIME, "12:60:00");
    refuses(LS_T_TIME, "00:00:00.1234567");
    refuses(LS_T_TIME, "00:00:00.");
    refuses(LS_T_TIME, "1:00");
    refuses(LS_T_TIME, "12:00:00+01");
}

static void timestamps_have_no_zone(void **state)
{
    (void)state;
    keeps(LS_T_TIMESTAMP, "1970-01-01 00:00:00.000001");
    keeps(LS_T_TIMESTAMP, "1969-12-31 23:59:59.999999");
    keeps(LS_T_TIMESTAMP, "0044-03-15 12:00:00 BC");
    keeps(LS_T_TIMESTAMP, "4714-11-24 00:00:00 BC");
    keeps(LS_T_TIMESTAMP, "294246-12-31 23:59:59.999999");
    keeps(LS_T_TIMESTAMP, "infinity");
    assert_int_equal(reads(LS_T_TIMESTAMP, "1969-12-31 23:59:59.999999").i, -1);
    assert_int_equal(reads(LS_T_TIMESTAMP, "1970-01-02T00:00").i, 86400000000);
    assert_int_equal(reads(LS_T_TIMESTAMP, "1970-01-02").i, 86400000000);
    prints(reads(LS_T_TIMESTAMP, "2024-12-31 24:00:00"), "2025-01-01 00:00:00");
    refuses(LS_T_TIMESTAMP, "1970-01-01 00:00:00+00");
    refuses(LS_T_TIMESTAMP, "1970-01-01 00:00:00Z");
    refuses(LS_T_TIMESTAMP, "294276-12-31 23:59:59.999999");
    refuses(LS_T_TIMESTAMP, "1970-01-01 00:00:00x");
    refuses(LS_T_TIMESTAMP, "1970-01-01x00:00:00");
    refuses(LS_T_TIMESTAMP, "1970-01-01 ");
}

static void absolute_times_need_their_zone(void **state)
{
    (void)state;
    keeps(LS_T_TIMESTAMPTZ, "2024-02-29 12:00:00.5+00");
    keeps(LS_T_TIMESTAMPTZ, "0044-03-15 00:00:00+00 BC");
    keeps(LS_T_TIMESTAMPTZ, "-infinity");
    assert_int_equal(reads(LS_T_TIMESTAMPTZ, "1970-01-01T01:00:00+01:00").i, 0);
    assert_int_equal(reads(LS_T_TIMESTAMPTZ, "1969-12-31 18:30:00-0530").i, 0);
    assert_int_equal(reads(LS_T_TIMESTAMPTZ, "1970-01-01 00:00:00 Z").i, 0);
    assert_int_equal(reads(LS_T_TIMESTAMPTZ, "1970-01-01 00:00:00-00:00:01").i, 1000000);
    refuses(LS_T_TIMESTAMPTZ, "1970-01-01 00:00:00");
    refuses(LS_T_TIMESTAMPTZ, "1970-01-01");
    refuses(LS_T_TIMESTAMPTZ, "1970-01-01 00:00:00+1");
    refuses(LS_T_TIMESTAMPTZ, "1970-01-01 00:00:00+16");
    refuses(LS_T_TIMESTAMPTZ, "1970-01-01 00:00:00 UTC");
}

static void random_times_are_themselves_again(void **state)
{
    uint64_t seed = test_seed();
    (void)state;

    for (int i = 0; i < 20000; i++) {
        int64_t us = (int64_t)(random_next(&seed) % 400000000000000000u) - 200000000000000000;
        struct ls_value v = i % 2 ? TIME(TIMESTAMP, us) : TIME(TIMESTAMPTZ, us);
        struct ls_buf text = {0};

        ls_value_to_text(&text, &v);
        assert_int_equal(reads(v.type, ls_buf_str(&text)).i, us);
        ls_buf_done(&text);
    }
}

static void out_of_range_times_do_no_harm(void **state)
{
    (void)state;
    prints(TIME(DATE, INT64_MAX - 1), "5874897-12-31");
    prints(TIME(DATE, INT64_MIN + 1), "4714-11-24 BC");
    prints(TIME(TIMESTAMP, INT64_MIN + 1), "4714-11-24 00:00:00 BC");
    prints(TIME(TIME, -1), "00:00:00");
}

static void uuids_are_read_in_every_usual_form(void **state)
{
    (void)state;
    keeps(LS_T_UUID, "01234567-89ab-cdef-0123-456789abcdef");
    prints(reads(LS_T_UUID, "0123456789ABCDEF0123456789abcdef"),
           "01234567-89ab-cdef-0123-456789abcdef");
    refuses(LS_T_UUID, "01234567-89ab-cdef-0123-456789abcde");
    refuses(LS_T_UUID, "01234567089ab-cdef-0123-456789abcdef");
    refuses(LS_T_UUID, "g1234567-89ab-cdef-0123-456789abcdef");
}

static void texts_are_utf8_and_json_is_json(void **state)
{
    (void)state;
    keeps(LS_T_TEXT, "");
    keeps(LS_T_TEXT, "gr\xc3\xbc\xc3\x9f");
    keeps(LS_T_NATIVE, "{1,2}");
    keeps(LS_T_JSON, " {\"a\" : 1.0} ");
    refuses(LS_T_TEXT, "\xff");
    refuses(LS_T_JSON, "{a:1}");
    refuses(LS_T_JSON, "");
    refuses(LS_T_JSON, "1 2");
    refuses(LS_T_JSON, "[1,]");
    refuses(LS_T_JSON, "\"\\ud800\"");
    refuses(LS_T_NULL, "x");
    prints(reads(LS_T_NULL, ""), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_words),
        cmocka_unit_test(a_copy_outlives_what_it_was_made_of),
        cmocka_unit_test(booleans_have_many_spellings),
        cmocka_unit_test(integers_reach_both_ends_of_64_bits),
        cmocka_unit_test(decimals_keep_their_digits),
        cmocka_unit_test(doubles_are_written_as_short_as_they_read_back),
        cmocka_unit_test(bytes_are_hex),
        cmocka_unit_test(dates_reach_as_far_as_postgresql_goes),
        cmocka_unit_test(every_day_is_itself_again),
        cmocka_unit_test(times_keep_their_microseconds),
        cmocka_unit_test(timestamps_have_no_zone),
        cmocka_unit_test(absolute_times_need_their_zone),
        cmocka_unit_test(random_times_are_themselves_again),
        cmocka_unit_test(out_of_range_times_do_no_harm),
        cmocka_unit_test(uuids_are_read_in_every_usual_form),
        cmocka_unit_test(texts_are_utf8_and_json_is_json),
    };
    return cmocka_run_group_tests_name("model/value", tests, open_arena, close_arena);
}
