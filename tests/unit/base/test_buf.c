/* SPDX-License-Identifier: Apache-2.0 */
/* test_buf.c - growing runs of bytes and their reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

static void an_empty_buffer_reads_as_empty_text(void **state)
{
    struct ls_buf buf;
    (void)state;

    ls_buf_init(&buf, 0);
    assert_string_equal(ls_buf_str(&buf), "");
    ls_buf_add(&buf, NULL, 0);
    assert_string_equal(ls_buf_str(&buf), "");
    ls_buf_done(&buf);
}

static void appends_follow_each_other_and_end_in_nul(void **state)
{
    struct ls_buf buf;
    (void)state;

    ls_buf_init(&buf, 0);
    ls_buf_text(&buf, "ab");
    ls_buf_char(&buf, 'c');
    ls_buf_add(&buf, "d\0e", 3);
    ls_buf_printf(&buf, "%d%s", 12, "f");
    assert_int_equal(buf.size, 9);
    assert_memory_equal(buf.data, "abcd\0e12f", 10);
    ls_buf_done(&buf);
}

static void growth_keeps_every_byte(void **state)
{
    struct ls_buf buf;
    (void)state;

    ls_buf_init(&buf, 0);
    for (int i = 0; i < 10000; i++)
        ls_buf_char(&buf, (char)(i % 127));
    assert_int_equal(buf.size, 10000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(buf.data[i], i % 127);
    ls_buf_done(&buf);
}

static void formatting_grows_the_buffer_as_needed(void **state)
{
    struct ls_buf buf;
    (void)state;

    for (int n = 60; n < 70; n++) { /* around the first capacity */
        ls_buf_init(&buf, 0);
        ls_buf_printf(&buf, "%0*d", n, 1);
        assert_int_equal(buf.size, n);
        assert_int_equal(strlen(buf.data), n);
        ls_buf_done(&buf);
    }
}

static void the_maximum_is_reached_and_not_passed(void **state)
{
    struct ls_buf buf;
    (void)state;

    ls_buf_init(&buf, 100);
    for (int i = 0; i < 100; i++)
        ls_buf_char(&buf, 'x');
    assert_false(buf.failed);
    ls_buf_char(&buf, 'y');
    assert_true(buf.failed);
    assert_null(ls_buf_str(&buf));
    assert_int_equal(buf.size, 100);
    ls_buf_done(&buf);
}

static void failure_sticks_until_the_reset(void **state)
{
    struct ls_buf buf;
    (void)state;

    ls_buf_init(&buf, 4);
    ls_buf_text(&buf, "ab");
    ls_buf_printf(&buf, "%s", "cde");
    assert_true(buf.failed);
    assert_string_equal(buf.data, "ab");
    ls_buf_char(&buf, 'c');
    assert_int_equal(buf.size, 2);
    ls_buf_reset(&buf);
    ls_buf_text(&buf, "abcd");
    assert_string_equal(ls_buf_str(&buf), "abcd");
    ls_buf_done(&buf);
}

static void a_huge_append_fails_and_does_not_overflow(void **state)
{
    struct ls_buf buf;
    (void)state;

    ls_buf_init(&buf, SIZE_MAX);
    ls_buf_char(&buf, 'a');
    ls_buf_add(&buf, "x", SIZE_MAX);
    assert_true(buf.failed);
    ls_buf_reset(&buf);
    ls_buf_bytes(&buf, "x", (size_t)UINT32_MAX + 1);
    assert_true(buf.failed);
    ls_buf_done(&buf);
}

static void a_length_is_never_written_without_its_bytes(void **state)
{
    struct ls_buf buf;
    (void)state;

    ls_buf_init(&buf, 6);
    ls_buf_bytes(&buf, "abc", 3);
    assert_true(buf.failed);
    assert_int_equal(buf.size, 0);
    ls_buf_done(&buf);
}

static void cutting_takes_back_and_never_lengthens(void **state)
{
    struct ls_buf buf;
    (void)state;

    ls_buf_init(&buf, 0);
    ls_buf_cut(&buf, 5);
    ls_buf_text(&buf, "abcdef");
    ls_buf_cut(&buf, 9);
    assert_string_equal(ls_buf_str(&buf), "abcdef");
    ls_buf_cut(&buf, 2);
    assert_string_equal(ls_buf_str(&buf), "ab");
    ls_buf_done(&buf);
    ls_buf_done(NULL);
}

static void integers_are_big_endian(void **state)
{
    struct ls_buf buf;
    (void)state;

    ls_buf_init(&buf, 0);
    ls_buf_u8(&buf, 0x01);
    ls_buf_u16(&buf, 0x0203);
    ls_buf_u32(&buf, 0x04050607);
    ls_buf_u64(&buf, UINT64_C(0x08090a0b0c0d0e0f));
    assert_int_equal(buf.size, 15);
    for (int i = 0; i < 15; i++)
        assert_int_equal(buf.data[i], i + 1);
    ls_buf_done(&buf);
}

static void whole_numbers_are_written_in_digits(void **state)
{
    static const int64_t numbers[] = {0, 7, -7, 10, -1000, INT64_MAX, INT64_MIN};
    struct ls_buf buf = {0};
    char expected[24];
    (void)state;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        ls_buf_reset(&buf);
        ls_buf_i64(&buf, numbers[i]);
        snprintf(expected, sizeof expected, "%" PRId64, numbers[i]);
        assert_string_equal(ls_buf_str(&buf), expected);
    }
    ls_buf_done(&buf);
}

static void what_was_written_is_read_back(void **state)
{
    struct ls_reader rd;
    struct ls_buf buf;
    const void *bytes;
    size_t size;
    (void)state;

    ls_buf_init(&buf, 0);
    ls_buf_u8(&buf, UINT8_MAX);
    ls_buf_bytes(&buf, "a\0b", 3);
    ls_buf_u64(&buf, UINT64_MAX - 1);
    ls_buf_bytes(&buf, NULL, 0);
    ls_buf_u32(&buf, UINT32_MAX - 2);
    ls_buf_u16(&buf, UINT16_MAX - 3);
    ls_reader_init(&rd, buf.data, buf.size);
    assert_int_equal(ls_reader_u8(&rd), UINT8_MAX);
    bytes = ls_reader_bytes(&rd, &size);
    assert_int_equal(size, 3);
    assert_memory_equal(bytes, "a\0b", 3);
    assert_true(ls_reader_u64(&rd) == UINT64_MAX - 1);
    assert_non_null(ls_reader_bytes(&rd, &size));
    assert_int_equal(size, 0);
    assert_int_equal(ls_reader_u32(&rd), UINT32_MAX - 2);
    assert_int_equal(ls_reader_u16(&rd), UINT16_MAX - 3);
    assert_false(rd.failed);
    assert_int_equal(rd.at, rd.size);
    ls_buf_done(&buf);
}

static void reading_past_the_end_fails_for_good(void **state)
{
    static const uint8_t data[] = {1, 2, 3};
    struct ls_reader rd;
    (void)state;

    ls_reader_init(&rd, data, sizeof(data));
    assert_int_equal(ls_reader_u32(&rd), 0);
    assert_true(rd.failed);
    assert_int_equal(ls_reader_u8(&rd), 0); /* though there are three bytes */
}

static void a_length_past_the_end_gives_nothing(void **state)
{
    static const uint8_t data[] = {0xff, 0xff, 0xff, 0xff, 'x'};
    struct ls_reader rd;
    size_t size = 9;
    (void)state;

    ls_reader_init(&rd, data, sizeof(data));
    assert_non_null(ls_reader_bytes(&rd, &size));
    assert_int_equal(size, 0);
    assert_true(rd.failed);
    ls_reader_init(&rd, NULL, 0);
    assert_int_equal(ls_reader_u8(&rd), 0);
    assert_true(rd.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_reads_as_empty_text),
        cmocka_unit_test(appends_follow_each_other_and_end_in_nul),
        cmocka_unit_test(growth_keeps_every_byte),
        cmocka_unit_test(formatting_grows_the_buffer_as_needed),
        cmocka_unit_test(the_maximum_is_reached_and_not_passed),
        cmocka_unit_test(failure_sticks_until_the_reset),
        cmocka_unit_test(a_huge_append_fails_and_does_not_overflow),
        cmocka_unit_test(a_length_is_never_written_without_its_bytes),
        cmocka_unit_test(cutting_takes_back_and_never_lengthens),
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(whole_numbers_are_written_in_digits),
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(reading_past_the_end_fails_for_good),
        cmocka_unit_test(a_length_past_the_end_gives_nothing),
    };
    return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
