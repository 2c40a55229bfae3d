/* SPDX-License-Identifier: Apache-2.0 */
/* test_postgres_binary.c - PostgreSQL's binary COPY format, from good hands and from hostile ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/postgres/postgres.h"

#define SIGNATURE "PGCOPY\n\377\r\n\0"

/* Decodes one field of these bytes; gives the value in *ret. */
static enum ls_code one(struct ls_arena *mem, enum ls_type type, const void *bytes, size_t size,
                        struct ls_value *ret)
{
    struct ls_error err = {0};
    struct ls_reader in;
    struct ls_buf buf;
    bool row = false;
    enum ls_code rc;
    char *copy;

    ls_buf_init(&buf, 0);
    ls_buf_u16(&buf, 1);
    ls_buf_bytes(&buf, bytes, size);
    copy = ls_arena_copy(mem, buf.data, buf.size);
    ls_reader_init(&in, copy, buf.size);
    ls_buf_done(&buf);
    rc = ls_pgs_record(&in, &type, 1, mem, ret, &row, &err);
    assert_true(rc == err.code);
    assert_true(row == (rc == LS_OK));
    return rc;
}

static void expect_int(enum ls_type type, const char *bytes, size_t size, int64_t want)
{
    struct ls_arena mem;
    struct ls_value v;

    ls_arena_init(&mem, 0);
    assert_int_equal(one(&mem, type, bytes, size, &v), LS_OK);
    assert_int_equal(v.type, type);
    assert_true(v.i == want);
    ls_arena_done(&mem);
}

static void expect_text(enum ls_type type, enum ls_type got, const char *bytes, size_t size,
                        const char *want)
{
    struct ls_arena mem;
    struct ls_value v;

    ls_arena_init(&mem, 0);
    assert_int_equal(one(&mem, type, bytes, size, &v), LS_OK);
    assert_int_equal(v.type, got);
    assert_int_equal(v.size, strlen(want));
    assert_memory_equal(v.data, want, v.size);
    ls_arena_done(&mem);
}

static void expect_refused(enum ls_type type, const char *bytes, size_t size)
{
    struct ls_arena mem;
    struct ls_value v;

    ls_arena_init(&mem, 0);
    assert_int_equal(one(&mem, type, bytes, size, &v), LS_DATA);
    ls_arena_done(&mem);
}
#define INT(type, bytes, want) expect_int(type, bytes, sizeof(bytes) - 1, want)
#define TEXT(type, got, bytes, want) expect_text(type, got, bytes, sizeof(bytes) - 1, want)
#define REFUSED(type, bytes) expect_refused(type, bytes, sizeof(bytes) - 1)

static void integers_of_each_width_keep_their_sign(void **state)
{
    (void)state;
    INT(LS_T_INT, "\x7f\xff", 32767);
    INT(LS_T_INT, "\xff\xfe", -2);
    INT(LS_T_INT, "\x80\0\0\0", INT32_MIN);
    INT(LS_T_INT, "\0\0\0\x2a", 42);
    INT(LS_T_INT, "\x80\0\0\0\0\0\0\0", INT64_MIN);
    INT(LS_T_INT, "\x7f\xff\xff\xff\xff\xff\xff\xff", INT64_MAX);
    REFUSED(LS_T_INT, "");
    REFUSED(LS_T_INT, "\0\0\1");
    REFUSED(LS_T_INT, "\0\0\0\0\0\0\0\0\0");
}

static void booleans_are_zero_or_one(void **state)
{
    struct ls_arena mem;
    struct ls_value v;

    (void)state;
    ls_arena_init(&mem, 0);
    assert_int_equal(one(&mem, LS_T_BOOL, "\1", 1, &v), LS_OK);
    assert_true(v.b);
    assert_int_equal(one(&mem, LS_T_BOOL, "\0", 1, &v), LS_OK);
    assert_false(v.b);
    ls_arena_done(&mem);
    REFUSED(LS_T_BOOL, "\2");
    REFUSED(LS_T_BOOL, "");
}

static void doubles_come_bit_by_bit(void **state)
{
    struct ls_arena mem;
    struct ls_value v;

    (void)state;
    ls_arena_init(&mem, 0);
    assert_int_equal(one(&mem, LS_T_DOUBLE, "\x80\0\0\0\0\0\0\0", 8, &v), LS_OK);
    assert_true(v.d == 0 && signbit(v.d));
    assert_int_equal(one(&mem, LS_T_DOUBLE, "\x3f\xb9\x99\x99\x99\x99\x99\x9a", 8, &v), LS_OK);
    assert_true(v.d == 0.1);
    assert_int_equal(one(&mem, LS_T_DOUBLE, "\x7f\xc0\0\0", 4, &v), LS_OK);
    assert_true(isnan(v.d));
    ls_arena_done(&mem);
    REFUSED(LS_T_DOUBLE, "\0\0\0\0\0");
}

/* Whatever stands in a real comes out as the double that is written the same, and goes in again bit for bit. */
static void singles_come_as_they_are_written(void **state)
{
    static const struct {
        float single;
        const char *text;
    } cases[] = {{0.1f, "0.1"},          {-0.1f, "-0.1"},         {0.7f, "0.7"},
                 {16777216, "16777216"}, {1e20f, "1e+20"},        {1.17549435e-38f, NULL},
                 {1e-45f, NULL},         {3.40282347e+38f, NULL}, {0, "0"},
                 {-0.0f, "-0"},          {1e-5f, "1e-05"},        {0.3333333432674408f, NULL},
                 {INFINITY, "Infinity"}, {-INFINITY, "-Infinity"}};
    struct ls_arena mem;
    struct ls_value v;
    struct ls_buf text;

    (void)state;
    ls_arena_init(&mem, 0);
    ls_buf_init(&text, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint8_t bytes[4];
        uint32_t bits;
        float back;

        memcpy(&bits, &cases[i].single, 4);
        for (int b = 0; b < 4; b++)
            bytes[b] = (uint8_t)(bits >> (24 - 8 * b));
        assert_int_equal(one(&mem, LS_T_DOUBLE, bytes, 4, &v), LS_OK);
        back = (float)v.d;
        assert_memory_equal(&back, &cases[i].single, 4);
        ls_buf_reset(&text);
        ls_value_to_text(&text, &v);
        if (cases[i].text)
            assert_string_equal(ls_buf_str(&text), cases[i].text);
    }
    ls_buf_done(&text);
    ls_arena_done(&mem);
}

static void numerics_keep_their_scale(void **state)
{
    (void)state;
    /* count, weight, sign, scale, digits */
    TEXT(LS_T_DECIMAL, LS_T_DECIMAL, "\0\0\0\0\0\0\0\0", "0");
    TEXT(LS_T_DECIMAL, LS_T_DECIMAL, "\0\0\0\0\0\0\0\3", "0.000");
    TEXT(LS_T_DECIMAL, LS_T_DECIMAL, "\0\2\0\0\0\0\0\2\0\x0c\x0d\x7a", "12.34");
    TEXT(LS_T_DECIMAL, LS_T_DECIMAL, "\0\2\0\0\x40\0\0\4\0\x0c\x0d\x7a", "-12.3450");
    TEXT(LS_T_DECIMAL, LS_T_DECIMAL, "\0\1\0\1\0\0\0\0\0\1", "10000");
    TEXT(LS_T_DECIMAL, LS_T_DECIMAL, "\0\1\0\2\0\0\0\1\0\x7b", "12300000000.0");
    TEXT(LS_T_DECIMAL, LS_T_DECIMAL, "\0\1\xff\xff\0\0\0\4\0\1", "0.0001");
    TEXT(LS_T_DECIMAL, LS_T_DECIMAL, "\0\1\xff\xfe\0\0\0\x0a\0\x64", "0.0000010000");
    TEXT(LS_T_DECIMAL, LS_T_DECIMAL, "\0\1\xff\xfe\0\0\0\5\0\x64", "0.00000");
    TEXT(LS_T_DECIMAL, LS_T_DECIMAL, "\0\3\0\1\0\0\0\0\x27\x0f\0\0\0\1", "99990000");
}

static void numerics_that_are_no_numbers_have_names(void **state)
{
    (void)state;
    TEXT(LS_T_DECIMAL, LS_T_DECIMAL, "\0\0\0\0\xc0\0\0\0", "NaN");
    TEXT(LS_T_DECIMAL, LS_T_DECIMAL, "\0\0\0\0\xd0\0\0\x20", "Infinity");
    TEXT(LS_T_DECIMAL, LS_T_DECIMAL, "\0\0\0\0\xf0\0\0\x20", "-Infinity");
}

static void numerics_that_cannot_be_are_refused(void **state)
{
    (void)state;
    REFUSED(LS_T_DECIMAL, "\0\0\0\0\0\0\0");           /* short */
    REFUSED(LS_T_DECIMAL, "\0\1\0\0\0\0\0\0");         /* a digit is missing */
    REFUSED(LS_T_DECIMAL, "\0\1\0\0\0\0\0\0\0\1\0\1"); /* one too many */
    REFUSED(LS_T_DECIMAL, "\0\1\0\0\0\0\0\0\x27\x10"); /* the digit 10000 */
    REFUSED(LS_T_DECIMAL, "\0\1\0\0\0\0\0\0\xff\xff");
    REFUSED(LS_T_DECIMAL, "\0\0\0\0\0\1\0\0");   /* no such sign */
    REFUSED(LS_T_DECIMAL, "\0\0\0\0\0\0\x40\0"); /* more digits than it may show */
    REFUSED(LS_T_DECIMAL, "\xff\xff\0\0\0\0\0\0");
}

static void dates_count_from_1970(void **state)
{
    (void)state;
    INT(LS_T_DATE, "\0\0\0\0", 10957);
    INT(LS_T_DATE, "\xff\xff\xd5\x33", 0);
    INT(LS_T_DATE, "\x7f\xff\xff\xff", LS_TIME_INFINITY);
    INT(LS_T_DATE, "\x80\0\0\0", LS_TIME_MINUS_INFINITY);
    REFUSED(LS_T_DATE, "\0\0\0");
}

static void times_end_at_midnight(void **state)
{
    (void)state;
    INT(LS_T_TIME, "\0\0\0\0\0\0\0\0", 0);
    INT(LS_T_TIME, "\0\0\0\x14\x1d\xd7\x60\0", INT64_C(86400000000));
    REFUSED(LS_T_TIME, "\0\0\0\x14\x1d\xd7\x60\1");
    REFUSED(LS_T_TIME, "\xff\xff\xff\xff\xff\xff\xff\xff");
}

static void timestamps_count_from_1970_and_know_infinity(void **state)
{
    (void)state;
    INT(LS_T_TIMESTAMP, "\0\0\0\0\0\0\0\0", INT64_C(946684800000000));
    INT(LS_T_TIMESTAMPTZ, "\xff\xfc\xa2\xfe\xc4\xc8\x20\0", 0);
    INT(LS_T_TIMESTAMPTZ, "\x7f\xff\xff\xff\xff\xff\xff\xff", LS_TIME_INFINITY);
    INT(LS_T_TIMESTAMP, "\x80\0\0\0\0\0\0\0", LS_TIME_MINUS_INFINITY);
}

/* 64 bits of microseconds since 1970 end there; the last timestamps PostgreSQL has lie behind. */
static void times_after_the_year_294246_come_as_their_own_text(void **state)
{
    (void)state;
    TEXT(LS_T_TIMESTAMP, LS_T_NATIVE, "\x7f\xff\xff\x5b\xb3\xb2\x9f\xff",
         "294276-12-31 23:59:59.999999");
    TEXT(LS_T_TIMESTAMPTZ, LS_T_NATIVE, "\x7f\xff\xff\x5b\xb3\xa3\x5d\xc0",
         "294276-12-31 23:59:59+00");
}

static void nulls_have_no_type(void **state)
{
    static const char bytes[] = "\0\2\xff\xff\xff\xff\0\0\0\0";
    const enum ls_type types[] = {LS_T_UUID, LS_T_TEXT};
    struct ls_value values[2];
    struct ls_error err = {0};
    struct ls_reader in;
    struct ls_arena mem;
    bool row = false;

    (void)state;
    ls_arena_init(&mem, 0);
    ls_reader_init(&in, bytes, sizeof(bytes) - 1);
    assert_int_equal(ls_pgs_record(&in, types, 2, &mem, values, &row, &err), LS_OK);
    assert_true(row);
    assert_int_equal(values[0].type, LS_T_NULL);
    assert_int_equal(values[1].type, LS_T_TEXT);
    assert_int_equal(values[1].size, 0);
    ls_arena_done(&mem);
}

static void a_uuid_has_sixteen_bytes(void **state)
{
    (void)state;
    REFUSED(LS_T_UUID, "123456789012345");
    REFUSED(LS_T_UUID, "12345678901234567");
}

static void a_header_says_what_follows(void **state)
{
    static const struct {
        const char *bytes;
        size_t size, left;
        bool fine;
    } cases[] = {
        {SIGNATURE "\0\0\0\0\0\0\0\0", 19, 0, true},
        {SIGNATURE "\0\0\0\0\0\0\0\2xx\xff\xff", 23, 2, true}, /* an extension is skipped */
        {SIGNATURE "\0\1\0\0\0\0\0\0", 19, 0, false}, /* critical flags change the format */
        {SIGNATURE "\0\0\0\0\0\0\0\3xx", 21, 0, false},
        {SIGNATURE "\0\0\0\0\xff\xff\xff\xff", 19, 0, false},
        {SIGNATURE "\0\0\0\0\0\0\0", 18, 0, false},
        {"PGCOPY\n\377\r\n", 10, 0, false},
        {"PGCOPY\r\n\377\n\0\0\0\0\0\0\0\0\0", 19, 0, false},
        {"", 0, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *exact = malloc(cases[i].size + 1); /* so that a read past the end is seen */
        struct ls_reader in;

        memcpy(exact, cases[i].bytes, cases[i].size);
        ls_reader_init(&in, exact, cases[i].size);
        assert_int_equal(ls_pgs_header(&in), cases[i].fine);
        if (cases[i].fine)
            assert_int_equal(in.size - in.at, cases[i].left);
        free(exact);
    }
}

static const enum ls_type wide[] = {LS_T_INT,  LS_T_DECIMAL, LS_T_TEXT, LS_T_TIMESTAMP,
                                    LS_T_BOOL, LS_T_DOUBLE,  LS_T_UUID, LS_T_DATE};
#define WIDE (sizeof(wide) / sizeof(wide[0]))

static void build(struct ls_buf *out)
{
    ls_buf_u16(out, WIDE);
    ls_buf_bytes(out, "\0\0\0\1", 4);
    ls_buf_bytes(out, "\0\2\0\0\0\0\0\2\0\x0c\x0d\x7a", 12);
    ls_buf_bytes(out, "text", 4);
    ls_buf_bytes(out, "\0\0\0\0\0\0\0\0", 8);
    ls_buf_bytes(out, "\1", 1);
    ls_buf_bytes(out, "\0\0\0\0\0\0\0\0", 8);
    ls_buf_bytes(out, "0123456789abcdef", 16);
    ls_buf_bytes(out, "\0\0\0\0", 4);
}

static enum ls_code decode_exact(const char *bytes, size_t size)
{
    char *exact = malloc(size ? size : 1);
    struct ls_value values[WIDE];
    struct ls_error err = {0};
    struct ls_reader in;
    struct ls_arena mem;
    bool row;
    enum ls_code rc;

    memcpy(exact, bytes, size);
    ls_arena_init(&mem, 0);
    ls_reader_init(&in, exact, size);
    rc = ls_pgs_record(&in, wide, WIDE, &mem, values, &row, &err);
    ls_arena_done(&mem);
    free(exact);
    return rc;
}

static void a_record_cut_anywhere_is_refused(void **state)
{
    struct ls_buf buf;

    (void)state;
    ls_buf_init(&buf, 0);
    build(&buf);
    assert_int_equal(decode_exact(buf.data, buf.size), LS_OK);
    for (size_t size = 0; size < buf.size; size++)
        assert_int_equal(decode_exact(buf.data, size), LS_DATA);
    ls_buf_done(&buf);
}

static void a_record_of_other_fields_is_refused(void **state)
{
    struct ls_buf buf;

    (void)state;
    ls_buf_init(&buf, 0);
    build(&buf);
    buf.data[1] = WIDE + 1;
    assert_int_equal(decode_exact(buf.data, buf.size), LS_DATA);
    buf.data[1] = WIDE - 1;
    assert_int_equal(decode_exact(buf.data, buf.size), LS_DATA);
    ls_buf_done(&buf);
}

/* Each is read to its end or refused; the sanitizers say the rest. */
static void damaged_records_never_read_past_their_end(void **state)
{
    struct ls_buf buf;
    uint64_t seed = 88172645463325252u;

    (void)state;
    ls_buf_init(&buf, 0);
    for (int round = 0; round < 20000; round++) {
        enum ls_code rc;

        ls_buf_reset(&buf);
        build(&buf);
        for (int hits = 0; hits < 3; hits++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            buf.data[seed % buf.size] = (char)(seed >> 32);
        }
        rc = decode_exact(buf.data, buf.size);
        assert_true(rc == LS_OK || rc == LS_DATA);
    }
    ls_buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_each_width_keep_their_sign),
        cmocka_unit_test(booleans_are_zero_or_one),
        cmocka_unit_test(doubles_come_bit_by_bit),
        cmocka_unit_test(singles_come_as_they_are_written),
        cmocka_unit_test(numerics_keep_their_scale),
        cmocka_unit_test(numerics_that_are_no_numbers_have_names),
        cmocka_unit_test(numerics_that_cannot_be_are_refused),
        cmocka_unit_test(dates_count_from_1970),
        cmocka_unit_test(times_end_at_midnight),
        cmocka_unit_test(timestamps_count_from_1970_and_know_infinity),
        cmocka_unit_test(times_after_the_year_294246_come_as_their_own_text),
        cmocka_unit_test(nulls_have_no_type),
        cmocka_unit_test(a_uuid_has_sixteen_bytes),
        cmocka_unit_test(a_header_says_what_follows),
        cmocka_unit_test(a_record_cut_anywhere_is_refused),
        cmocka_unit_test(a_record_of_other_fields_is_refused),
        cmocka_unit_test(damaged_records_never_read_past_their_end),
    };

    return cmocka_run_group_tests_name("store/postgres_binary", tests, NULL, NULL);
}
