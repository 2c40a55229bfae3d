/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of sqlite/types.c: declared names, and stored values as typed ones and back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/sqlite/sqlite.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void declared_names_say_what_people_mean(void **state)
{
    static const struct {
        const char *declared;
        enum ls_type type;
        enum ls_affinity affinity;
    } cases[] = {
        {"INTEGER", LS_T_INT, LS_AFF_INTEGER},
        {"bigint", LS_T_INT, LS_AFF_INTEGER},
        {"UNSIGNED BIG INT", LS_T_INT, LS_AFF_INTEGER},
        {"tinyint(1)", LS_T_INT, LS_AFF_INTEGER},
        {"BOOLEAN", LS_T_BOOL, LS_AFF_NUMERIC},
        {"bool", LS_T_BOOL, LS_AFF_NUMERIC},
        {"DECIMAL(10,2)", LS_T_DECIMAL, LS_AFF_NUMERIC},
        {"numeric", LS_T_DECIMAL, LS_AFF_NUMERIC},
        {"DECIMAL_TEXT(10,2)", LS_T_DECIMAL, LS_AFF_TEXT},
        {"REAL", LS_T_DOUBLE, LS_AFF_REAL},
        {"DOUBLE PRECISION", LS_T_DOUBLE, LS_AFF_REAL},
        {"float", LS_T_DOUBLE, LS_AFF_REAL},
        {"TEXT", LS_T_TEXT, LS_AFF_TEXT},
        {"varchar(20)", LS_T_TEXT, LS_AFF_TEXT},
        {"NVARCHAR(100)", LS_T_TEXT, LS_AFF_TEXT},
        {"CLOB", LS_T_TEXT, LS_AFF_TEXT},
        {"BLOB", LS_T_BYTES, LS_AFF_BLOB},
        {"DATE", LS_T_DATE, LS_AFF_NUMERIC},
        {"date_text", LS_T_DATE, LS_AFF_TEXT},
        {"TIME", LS_T_TIME, LS_AFF_NUMERIC},
        {"DATETIME", LS_T_TIMESTAMP, LS_AFF_NUMERIC},
        {"TIMESTAMP", LS_T_TIMESTAMP, LS_AFF_NUMERIC},
        {"TIMESTAMP(3)", LS_T_TIMESTAMP, LS_AFF_NUMERIC},
        {"timestamp without time zone", LS_T_TIMESTAMP, LS_AFF_NUMERIC},
        {"timestamp with time zone", LS_T_TIMESTAMPTZ, LS_AFF_NUMERIC},
        {"TIMESTAMPTZ", LS_T_TIMESTAMPTZ, LS_AFF_NUMERIC},
        {"TIMESTAMPTZ_TEXT", LS_T_TIMESTAMPTZ, LS_AFF_TEXT},
        {"UUID", LS_T_UUID, LS_AFF_NUMERIC},
        {"JSON", LS_T_JSON, LS_AFF_NUMERIC},
        {"JSON_TEXT", LS_T_JSON, LS_AFF_TEXT},
        {"", LS_T_TEXT, LS_AFF_BLOB},
        {"STRING", LS_T_TEXT, LS_AFF_NUMERIC},
        {"updated", LS_T_TEXT, LS_AFF_NUMERIC},
        {"TIMESPAN", LS_T_TEXT, LS_AFF_NUMERIC},
        {"POINT", LS_T_INT, LS_AFF_INTEGER},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (ls_sqlite_type(cases[i].declared) != cases[i].type ||
            ls_sqlite_affinity(cases[i].declared) != cases[i].affinity)
            fail_msg("%s is %s", cases[i].declared,
                     ls_type_word(ls_sqlite_type(cases[i].declared)));
    }
}

static void what_is_declared_is_read_back_as_the_same_type(void **state)
{
    (void)state;
    for (int t = LS_T_BOOL; t < LS_T_NATIVE; t++) {
        const struct ls_field field = {
            .name = "x", .type = (enum ls_type)t, .native = "", .precision = 10, .scale = 2};
        struct ls_buf declared;

        ls_buf_init(&declared, 0);
        ls_sqlite_declare(&declared, &field);
        assert_int_equal(ls_sqlite_type(ls_buf_str(&declared)), t);
        ls_buf_done(&declared);
    }
}

static struct ls_value text_value(const char *text)
{
    return ls_value_text(text);
}

static struct ls_value double_value(double d)
{
    return (struct ls_value){.type = LS_T_DOUBLE, .d = d};
}

/* Decodes a stored value and checks that encoding gives the stored one again. */
static enum ls_type decoded_type(const char *declared, struct ls_value stored)
{
    const struct ls_field field = {
        .name = "x", .type = ls_sqlite_type(declared), .native = declared, .engine = "sqlite"};
    struct ls_sqlite_codec there, back;
    struct ls_value v, again = ls_value_null();
    struct ls_error err;
    enum ls_type type;

    ls_sqlite_codec_init(&there, &field);
    ls_sqlite_codec_init(&back, &field);
    v = ls_sqlite_decode(&there, &stored);
    type = v.type;
    if (ls_sqlite_encode(&back, &v, &field, &again, &err) != LS_OK)
        fail_msg("%s: %s", declared, err.text);
    assert_int_equal(again.type, stored.type);
    if (ls_type_has_data(stored.type)) {
        assert_int_equal(again.size, stored.size);
        assert_memory_equal(again.data, stored.data, stored.size);
    } else if (stored.type == LS_T_DOUBLE) {
        assert_true(again.d == stored.d);
    } else if (stored.type == LS_T_INT) {
        assert_true(again.i == stored.i);
    }
    ls_sqlite_codec_done(&there);
    ls_sqlite_codec_done(&back);
    return type;
}

static void a_stored_value_is_typed_only_where_it_would_be_stored_again_alike(void **state)
{
    static const struct {
        const char *declared, *stored;
        enum ls_type type;
    } cases[] = {
        {"DATE", "2024-02-29", LS_T_DATE},
        {"DATE", "2023-02-29", LS_T_TEXT},
        {"DATE", "29.2.2024", LS_T_TEXT},
        {"DATE", "2024-2-9", LS_T_TEXT},
        {"DATE", "2024-02-29 00:00:00", LS_T_TEXT},
        {"DATE", "infinity", LS_T_DATE},
        {"DATE", "0000-01-01", LS_T_TEXT},
        {"DATE", "", LS_T_TEXT},
        {"TIME", "12:34:56", LS_T_TIME},
        {"TIME", "12:34:56.5", LS_T_TIME},
        {"TIME", "12:34:56.50", LS_T_TEXT},
        {"TIME", "12:34", LS_T_TEXT},
        {"TIME", "12:34:60", LS_T_TEXT},
        {"DATETIME", "2024-02-29 12:34:56", LS_T_TIMESTAMP},
        {"DATETIME", "2024-02-29 12:34:56.123456", LS_T_TIMESTAMP},
        {"DATETIME", "2024-02-29 12:34:56.1234567", LS_T_TEXT},
        {"DATETIME", "2024-02-29 12:34:56.120", LS_T_TEXT},
        {"DATETIME", "2024-02-29T12:34:56", LS_T_TEXT},
        {"DATETIME", "2024-02-29 12:34:56Z", LS_T_TEXT},
        {"DATETIME", "2024-02-29 24:00:00", LS_T_TEXT},
        {"DATETIME", "2024-02-29 12:34:60", LS_T_TEXT},
        {"DATETIME", "2024-02-29", LS_T_TEXT},
        {"TIMESTAMPTZ", "2024-02-29 12:34:56+00", LS_T_TIMESTAMPTZ},
        {"TIMESTAMPTZ", "2024-02-29 12:34:56.5+00", LS_T_TIMESTAMPTZ},
        {"TIMESTAMPTZ", "2024-02-29 12:34:56+02", LS_T_TEXT},
        {"TIMESTAMPTZ", "2024-02-29 12:34:56", LS_T_TEXT},
        {"TIMESTAMPTZ", "2024-02-29T12:34:56Z", LS_T_TEXT},
        {"UUID", "123e4567-e89b-12d3-a456-426614174000", LS_T_UUID},
        {"UUID", "123E4567-e89b-12d3-a456-426614174000", LS_T_TEXT},
        {"UUID", "123e4567e89b12d3a456426614174000", LS_T_TEXT},
        {"UUID", "no", LS_T_TEXT},
        {"DECIMAL_TEXT", "1.50", LS_T_DECIMAL},
        {"DECIMAL_TEXT", "123456789012345678901234567890.12", LS_T_DECIMAL},
        {"DECIMAL_TEXT", "1e5", LS_T_TEXT},
        {"DECIMAL_TEXT", "+1", LS_T_TEXT},
        {"DECIMAL_TEXT", "NaN", LS_T_DECIMAL},
        {"DECIMAL_TEXT", "1,50", LS_T_TEXT},
        {"DECIMAL", "abc", LS_T_TEXT},
        {"BOOLEAN", "true", LS_T_TEXT},
        {"INTEGER", "abc", LS_T_TEXT},
        {"REAL", "abc", LS_T_TEXT},
        {"BLOB", "abc", LS_T_TEXT},
        {"TEXT", "abc", LS_T_TEXT},
        {"", "abc", LS_T_TEXT},
        {"JSON_TEXT", "{\"a\": 1}", LS_T_JSON},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum ls_type type = decoded_type(cases[i].declared, text_value(cases[i].stored));

        if (type != cases[i].type)
            fail_msg("%s '%s' became %s", cases[i].declared, cases[i].stored, ls_type_word(type));
    }
}

static void numbers_keep_their_value_whatever_the_column_is_called(void **state)
{
    static const double doubles[] = {0.1,           1.5, -2.25, 1e300, 5e-324, 0.30000000000000004,
                                     123456789.125, 1e21};
    static const char *const declared[] = {"DECIMAL(10,2)", "REAL", "INTEGER", "TEXT x",
                                           "DATE",          "",     "UUID"};

    (void)state;
    for (size_t i = 0; i < COUNT(doubles); i++)
        for (size_t k = 0; k < COUNT(declared); k++)
            if (ls_sqlite_affinity(declared[k]) != LS_AFF_TEXT) /* text columns hold no numbers */
                decoded_type(declared[k], double_value(doubles[i]));
    assert_int_equal(decoded_type("DECIMAL(10,2)", double_value(1.5)), LS_T_DECIMAL);
    assert_int_equal(decoded_type("DECIMAL(10,2)", ls_value_int(INT64_MIN)), LS_T_DECIMAL);
    assert_int_equal(decoded_type("DECIMAL(10,2)", double_value(INFINITY)), LS_T_DOUBLE);
    assert_int_equal(decoded_type("INTEGER", double_value(1.5)), LS_T_DOUBLE);
    assert_int_equal(decoded_type("BOOLEAN", ls_value_int(1)), LS_T_BOOL);
    assert_int_equal(decoded_type("BOOLEAN", ls_value_int(2)), LS_T_INT);
    assert_int_equal(decoded_type("DATE", ls_value_int(20240229)), LS_T_INT);
    assert_int_equal(decoded_type("JSON", ls_value_int(5)), LS_T_JSON);
    assert_int_equal(decoded_type("UUID", ls_value_data(LS_T_BYTES, "0123456789abcdef", 16)),
                     LS_T_BYTES);
}

static enum ls_code encoded(const char *declared, struct ls_value v)
{
    const struct ls_field field = {
        .name = "x", .type = ls_sqlite_type(declared), .native = declared, .engine = "sqlite"};
    struct ls_sqlite_codec codec;
    struct ls_value ret;
    struct ls_error err;
    enum ls_code rc;

    ls_sqlite_codec_init(&codec, &field);
    rc = ls_sqlite_encode(&codec, &v, &field, &ret, &err);
    ls_sqlite_codec_done(&codec);
    return rc;
}

static void what_sqlite_would_change_is_refused(void **state)
{
    static const struct {
        const char *declared, *text;
        enum ls_type type;
        enum ls_code want;
    } cases[] = {
        {"DECIMAL(30,5)", "12345678901234567890.12345", LS_T_DECIMAL, LS_TYPE},
        {"DECIMAL(30,5)", "9007199254740993.5", LS_T_DECIMAL, LS_TYPE},
        {"DECIMAL(30,5)", "9007199254740993", LS_T_DECIMAL, LS_OK},
        {"DECIMAL(30,5)", "99999999999999999999", LS_T_DECIMAL, LS_TYPE},
        {"DECIMAL(30,5)", "10.25", LS_T_DECIMAL, LS_OK},
        {"DECIMAL(30,5)", "10.10", LS_T_DECIMAL, LS_OK},
        {"DECIMAL(30,5)", "NaN", LS_T_DECIMAL, LS_OK},
        {"DECIMAL_TEXT", "12345678901234567890.12345", LS_T_DECIMAL, LS_OK},
        {"STRING", "007", LS_T_TEXT, LS_TYPE},
        {"STRING", "7", LS_T_TEXT, LS_OK},
        {"STRING", " 7", LS_T_TEXT, LS_TYPE},
        {"STRING", "1.50", LS_T_TEXT, LS_TYPE},
        {"STRING", "1.5", LS_T_TEXT, LS_OK},
        {"STRING", "1e5", LS_T_TEXT, LS_TYPE},
        {"STRING", "seven", LS_T_TEXT, LS_OK},
        {"STRING", "", LS_T_TEXT, LS_OK},
        {"STRING", "-", LS_T_TEXT, LS_OK},
        {"TEXT", "007", LS_T_TEXT, LS_OK},
        {"", "007", LS_T_TEXT, LS_OK},
        {"JSON", "12345678901234567890.123", LS_T_JSON, LS_TYPE},
        {"JSON", "1.50", LS_T_JSON, LS_OK},
        {"JSON", "[1.50]", LS_T_JSON, LS_OK},
        {"JSON_TEXT", "12345678901234567890.123", LS_T_JSON, LS_OK},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum ls_code rc = encoded(
            cases[i].declared, ls_value_data(cases[i].type, cases[i].text, strlen(cases[i].text)));

        if (rc != cases[i].want)
            fail_msg("%s '%s': %s", cases[i].declared, cases[i].text, ls_code_name(rc));
    }
    assert_int_equal(encoded("REAL", double_value(NAN)), LS_TYPE);
    assert_int_equal(encoded("REAL", double_value(-INFINITY)), LS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declared_names_say_what_people_mean),
        cmocka_unit_test(what_is_declared_is_read_back_as_the_same_type),
        cmocka_unit_test(a_stored_value_is_typed_only_where_it_would_be_stored_again_alike),
        cmocka_unit_test(numbers_keep_their_value_whatever_the_column_is_called),
        cmocka_unit_test(what_sqlite_would_change_is_refused),
    };
    return cmocka_run_group_tests_name("store/sqlite_types", tests, NULL, NULL);
}
