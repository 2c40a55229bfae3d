/* SPDX-License-Identifier: Apache-2.0 */
/* test_convert.c - values as fields of other stores hold them, and what is said of it beforehand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/convert.h"
#include "unit/model/values.h"

static struct ls_arena mem;
static struct ls_zone *vienna, *utc;

static int open_all(void **state)
{
    (void)state;
    ls_arena_init(&mem, 0);
    return ls_zone_open("Europe/Vienna", &vienna, NULL) != LS_OK ||
           ls_zone_open("UTC", &utc, NULL) != LS_OK;
}

static int close_all(void **state)
{
    (void)state;
    ls_zone_close(vienna);
    ls_zone_close(utc);
    ls_arena_done(&mem);
    return 0;
}

static struct ls_field field_of(enum ls_type type)
{
    return (struct ls_field){.name = "f",
                             .type = type,
                             .native = ls_type_word(type),
                             .engine = "",
                             .precision = -1,
                             .scale = -1};
}

static struct ls_field postgres(enum ls_type type, const char *native, int precision, int scale)
{
    return (struct ls_field){.name = "f",
                             .type = type,
                             .native = native,
                             .engine = "postgres",
                             .precision = precision,
                             .scale = scale};
}

static struct ls_field sqlite(enum ls_type type, const char *native)
{
    return (struct ls_field){.name = "f",
                             .type = type,
                             .native = native,
                             .engine = "sqlite",
                             .precision = -1,
                             .scale = -1,
                             .flags = LS_FIELD_DYNAMIC};
}

static struct ls_value convert(struct ls_value v, struct ls_field to, const struct ls_zone *zone)
{
    struct ls_value ret = ls_value_null();
    struct ls_error err = {0};

    if (ls_value_convert(&v, &to, zone, &mem, &ret, &err) != LS_OK)
        fail_msg("%s", err.text);
    return ret;
}

/* Becomes a value of the field's type with this text. */
static void becomes(struct ls_value v, struct ls_field to, const char *text)
{
    struct ls_value ret = convert(v, to, NULL);
    struct ls_buf out = {0};

    assert_string_equal(ls_type_word(ret.type), ls_type_word(to.type));
    ls_value_to_text(&out, &ret);
    assert_string_equal(ls_buf_str(&out), text);
    ls_buf_done(&out);
}

/* Stays exactly what it is. */
static void stays(struct ls_value v, struct ls_field to)
{
    struct ls_value ret = convert(v, to, NULL);
    struct ls_as as = {.type = v.type, .fraction = 6, .bits = 53};

    assert_string_equal(ls_type_word(ret.type), ls_type_word(v.type));
    assert_true(ls_value_equal(&v, &ret, &as));
}

static void refused_in(struct ls_value v, struct ls_field to, const struct ls_zone *zone,
                       const char *why)
{
    struct ls_value ret = ls_value_int(7);
    struct ls_error err = {0};

    if (ls_value_convert(&v, &to, zone, &mem, &ret, &err) != LS_TYPE)
        fail_msg("%s was taken for %s", ls_type_word(v.type), to.native);
    assert_int_equal(ret.i, 7);
    assert_non_null(strstr(err.text, ls_type_word(v.type)));
    assert_non_null(strstr(err.text, to.native));
    if (!strstr(err.text, why))
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static void refused(struct ls_value v, struct ls_field to, const char *why)
{
    refused_in(v, to, NULL, why);
}

static void null_and_the_same_type_pass(void **state)
{
    (void)state;
    for (int type = 0; type < LS_TYPE_COUNT; type++)
        stays(ls_value_null(), field_of((enum ls_type)type));
    stays(TEXT("x"), field_of(LS_T_TEXT));
    stays(INT(5), field_of(LS_T_NULL));
    stays(DATA(NATIVE, "{1}"), field_of(LS_T_NATIVE));
    stays(DATA(JSON, "{ }"), field_of(LS_T_JSON));
}

static void numbers_pass_when_they_are_the_same_number(void **state)
{
    (void)state;
    becomes(BOOL(true), field_of(LS_T_INT), "1");
    becomes(INT(1), field_of(LS_T_BOOL), "true");
    becomes(DATA(DECIMAL, "0.00"), field_of(LS_T_BOOL), "false");
    refused(INT(2), field_of(LS_T_BOOL), "only 0 and 1");
    becomes(DATA(DECIMAL, "12.00"), field_of(LS_T_INT), "12");
    refused(DATA(DECIMAL, "12.5"), field_of(LS_T_INT), "whole number");
    refused(DATA(DECIMAL, "9223372036854775808"), field_of(LS_T_INT), "64 bits");
    becomes(DOUBLE(1e15), field_of(LS_T_INT), "1000000000000000");
    refused(DOUBLE(0.5), field_of(LS_T_INT), "whole number");
    refused(DOUBLE(0x1p63), field_of(LS_T_INT), "64 bits");
    refused(DOUBLE((double)NAN), field_of(LS_T_INT), "whole number");
    becomes(INT(-5), field_of(LS_T_DECIMAL), "-5");
    becomes(DOUBLE(0.1), field_of(LS_T_DECIMAL), "0.1");
    becomes(DOUBLE(1e20), field_of(LS_T_DECIMAL), "100000000000000000000");
    becomes(DOUBLE((double)NAN), field_of(LS_T_DECIMAL), "NaN");
    becomes(BOOL(true), field_of(LS_T_DECIMAL), "1");
    becomes(DATA(DECIMAL, "0.10"), field_of(LS_T_DOUBLE), "0.1");
    refused(DATA(DECIMAL, "0.12345678901234567890"), field_of(LS_T_DOUBLE), "more digits");
    refused(DATA(DECIMAL, "0.10000000000000001"), field_of(LS_T_DOUBLE), "more digits");
    becomes(INT(9007199254740992), field_of(LS_T_DOUBLE), "9.007199254740992e+15");
    refused(INT(9007199254740993), field_of(LS_T_DOUBLE), "more digits");
    refused(INT(INT64_MAX), field_of(LS_T_DOUBLE), "more digits");
    becomes(BOOL(true), field_of(LS_T_DOUBLE), "1");
}

static void integers_keep_to_the_range_of_the_type(void **state)
{
    (void)state;
    becomes(INT(32767), postgres(LS_T_INT, "smallint", -1, -1), "32767");
    refused(INT(32768), postgres(LS_T_INT, "smallint", -1, -1), "out of range");
    refused(TEXT("-2147483649"), postgres(LS_T_INT, "integer", -1, -1), "out of range");
    becomes(INT(INT64_MAX), postgres(LS_T_INT, "bigint", -1, -1), "9223372036854775807");
    becomes(INT(40000), sqlite(LS_T_INT, "smallint"), "40000");
}

static void decimals_keep_to_precision_and_scale(void **state)
{
    struct ls_field money = postgres(LS_T_DECIMAL, "numeric(5,2)", 5, 2);
    (void)state;

    becomes(DATA(DECIMAL, "999.99"), money, "999.99");
    becomes(DATA(DECIMAL, "1.5000"), money, "1.5000");
    refused(DATA(DECIMAL, "1.005"), money, "digits behind the point");
    refused(DATA(DECIMAL, "1000"), money, "digits before the point");
    refused(INT(1000), money, "digits before the point");
    refused(TEXT("1e9"), money, "digits before the point");
    becomes(DATA(DECIMAL, "0.00"), money, "0.00");
    becomes(DATA(DECIMAL, "NaN"), money, "NaN");
    refused(DATA(DECIMAL, "Infinity"), money, "infinity");
    becomes(DATA(DECIMAL, "Infinity"), postgres(LS_T_DECIMAL, "numeric", -1, -1), "Infinity");
    becomes(DATA(DECIMAL, "12300"), postgres(LS_T_DECIMAL, "numeric(3,-2)", 3, -2), "12300");
    refused(DATA(DECIMAL, "12310"), postgres(LS_T_DECIMAL, "numeric(3,-2)", 3, -2),
            "would be lost");
    becomes(DATA(DECIMAL, "0.00012"), postgres(LS_T_DECIMAL, "numeric(2,5)", 2, 5), "0.00012");
    refused(DATA(DECIMAL, "0.01"), postgres(LS_T_DECIMAL, "numeric(2,5)", 2, 5), "more digits");
    becomes(INT(0), postgres(LS_T_DECIMAL, "numeric(2,5)", 2, 5), "0");
}

static void doubles_are_brought_to_their_width(void **state)
{
    struct ls_field real = postgres(LS_T_DOUBLE, "real", 24, -1);
    (void)state;

    assert_true(convert(DOUBLE(0.1), real, NULL).d == 0.1);
    assert_true(convert(DOUBLE((double)0.1f), real, NULL).d == 0.1);
    assert_true(convert(DOUBLE(0.123456789), real, NULL).d == 0.12345679);
    assert_true(convert(DATA(DECIMAL, "0.1"), real, NULL).d == 0.1);
    assert_true(isinf(convert(DOUBLE((double)INFINITY), real, NULL).d));
    refused(DOUBLE(1e300), real, "too large");
    refused(DATA(DECIMAL, "0.123456789"), real, "more digits");
    becomes(INT(16777216), real, "16777216");
    becomes(INT(1073741824), real, "1073741824");
    refused(INT(16777217), real, "more digits");
}

static void text_is_read_as_the_type_or_refused(void **state)
{
    (void)state;
    becomes(TEXT("yes"), field_of(LS_T_BOOL), "true");
    becomes(TEXT("42"), field_of(LS_T_INT), "42");
    becomes(TEXT("1.50"), field_of(LS_T_DECIMAL), "1.50");
    becomes(TEXT("0.30000000000000004441"), field_of(LS_T_DOUBLE), "0.30000000000000004");
    becomes(TEXT("\\x00FF"), field_of(LS_T_BYTES), "\\x00ff");
    becomes(TEXT("2024-02-29"), field_of(LS_T_DATE), "2024-02-29");
    becomes(TEXT("08:15"), field_of(LS_T_TIME), "08:15:00");
    becomes(TEXT("2024-02-29T08:15"), field_of(LS_T_TIMESTAMP), "2024-02-29 08:15:00");
    becomes(TEXT("2024-02-29 08:15+01"), field_of(LS_T_TIMESTAMPTZ), "2024-02-29 07:15:00+00");
    becomes(TEXT("61626364656667686970717273747576"), field_of(LS_T_UUID),
            "61626364-6566-6768-6970-717273747576");
    becomes(TEXT("[1]"), field_of(LS_T_JSON), "[1]");
    becomes(TEXT("red"), field_of(LS_T_NATIVE), "red");
    becomes(DATA(NATIVE, "5"), field_of(LS_T_INT), "5");
    refused(TEXT("x"), field_of(LS_T_INT), "no int");
    refused(TEXT("2024-02-30"), field_of(LS_T_DATE), "no date");
    refused(TEXT("x"), field_of(LS_T_JSON), "no json");
    refused(TEXT("0000-00-00"), field_of(LS_T_DATE), "no date");
}

static void every_type_has_a_text(void **state)
{
    (void)state;
    becomes(BOOL(true), field_of(LS_T_TEXT), "true");
    becomes(INT(5), field_of(LS_T_TEXT), "5");
    becomes(DATA(DECIMAL, "1.50"), field_of(LS_T_TEXT), "1.50");
    becomes(DOUBLE(0.1), field_of(LS_T_TEXT), "0.1");
    becomes(DATA(BYTES, "a"), field_of(LS_T_TEXT), "\\x61");
    becomes(TIME(DATE, 0), field_of(LS_T_TEXT), "1970-01-01");
    becomes(TIME(TIMESTAMPTZ, 0), field_of(LS_T_TEXT), "1970-01-01 00:00:00+00");
    becomes(DATA(UUID, "abcdefghijklmnop"), field_of(LS_T_TEXT),
            "61626364-6566-6768-696a-6b6c6d6e6f70");
    becomes(DATA(JSON, "{ }"), field_of(LS_T_TEXT), "{ }");
    becomes(DATA(NATIVE, "{1,2}"), field_of(LS_T_TEXT), "{1,2}");
}

static void text_keeps_to_its_length_in_characters(void **state)
{
    struct ls_field three = postgres(LS_T_TEXT, "character varying(3)", 3, -1);
    (void)state;

    becomes(TEXT("\xc3\xa4\xc3\xb6\xc3\xbc"), three, "\xc3\xa4\xc3\xb6\xc3\xbc");
    refused(TEXT("abcd"), three, "too long");
    refused(INT(1000), three, "too long");
    refused(TEXT("abc "), three, "too long");
}

static void char_is_without_its_padding(void **state)
{
    struct ls_field padded = postgres(LS_T_TEXT, "character(3)", 3, -1);
    (void)state;

    padded.flags = LS_FIELD_PADDED;
    becomes(TEXT("a"), padded, "a");
    becomes(TEXT("abc"), padded, "abc");
    becomes(TEXT("ab    "), padded, "ab");
    becomes(TEXT("  "), padded, "");
    refused(TEXT("abcd"), padded, "too long");
}

static void postgresql_gets_no_nul_and_no_broken_utf8(void **state)
{
    struct ls_field text = postgres(LS_T_TEXT, "text", -1, -1);
    (void)state;

    refused(ls_value_data(LS_T_TEXT, "a\0b", 3), text, "NUL");
    refused(TEXT("\xff"), text, "UTF-8");
    stays(ls_value_data(LS_T_TEXT, "a\0b", 3), sqlite(LS_T_TEXT, "TEXT"));
    stays(TEXT("\xff"), field_of(LS_T_TEXT));
    refused(DATA(JSON, "\"\\u0000\""), postgres(LS_T_JSON, "jsonb", -1, -1), "\\u0000");
    stays(DATA(JSON, "\"\\u0000\""), postgres(LS_T_JSON, "json", -1, -1));
}

static void times_are_cut_to_the_fields_digits(void **state)
{
    (void)state;
    becomes(TIME(TIMESTAMP, 1999999), postgres(LS_T_TIMESTAMP, "timestamp(3)", -1, 3),
            "1970-01-01 00:00:01.999");
    becomes(TIME(TIMESTAMPTZ, -1), postgres(LS_T_TIMESTAMPTZ, "timestamptz(0)", -1, 0),
            "1969-12-31 23:59:59+00");
    becomes(TIME(TIME, 1999999), postgres(LS_T_TIME, "time(0)", -1, 0), "00:00:01");
    becomes(TIME(TIMESTAMP, LS_TIME_INFINITY), postgres(LS_T_TIMESTAMP, "timestamp(0)", -1, 0),
            "infinity");
}

static void dates_and_midnights_are_the_same(void **state)
{
    (void)state;
    becomes(TIME(DATE, 1), field_of(LS_T_TIMESTAMP), "1970-01-02 00:00:00");
    becomes(TIME(TIMESTAMP, 86400000000), field_of(LS_T_DATE), "1970-01-02");
    refused(TIME(TIMESTAMP, 1), field_of(LS_T_DATE), "time of day");
    becomes(TIME(DATE, LS_TIME_INFINITY), field_of(LS_T_TIMESTAMPTZ), "infinity");
    becomes(TIME(TIMESTAMPTZ, LS_TIME_MINUS_INFINITY), field_of(LS_T_DATE), "-infinity");
    refused(TEXT("5874897-12-31"), field_of(LS_T_TIMESTAMP), "no timestamp");
    refused(TIME(DATE, INT64_C(2145042905)), field_of(LS_T_TIMESTAMP), "year");
}

static void zone_less_meets_absolute_by_a_zone_only(void **state)
{
    struct ls_field tz = field_of(LS_T_TIMESTAMPTZ), local = field_of(LS_T_TIMESTAMP),
                    date = field_of(LS_T_DATE);
    struct ls_value v;
    (void)state;

    refused(TIME(TIMESTAMP, 0), tz, "timezone:");
    refused(TIME(TIMESTAMPTZ, 0), local, "timezone:");
    refused(TIME(DATE, 0), tz, "timezone:");
    refused(TEXT("1970-01-01 00:00:00"), tz, "timezone:");
    refused(TEXT("1970-01-01 00:00:00Z"), local, "timezone:");
    v = convert(TIME(TIMESTAMP, 3600000000), tz, vienna); /* +01 in winter */
    assert_int_equal(v.i, 0);
    assert_int_equal(v.type, LS_T_TIMESTAMPTZ);
    assert_int_equal(convert(TIME(TIMESTAMPTZ, 0), local, vienna).i, 3600000000);
    assert_int_equal(convert(TEXT("1970-01-01 01:00:00"), tz, vienna).i, 0);
    assert_int_equal(convert(TEXT("1970-01-01 00:00:00Z"), local, vienna).i, 3600000000);
    assert_int_equal(convert(TIME(DATE, 0), tz, vienna).i, -3600000000);
    assert_int_equal(convert(TIME(TIMESTAMPTZ, -3600000000), date, vienna).i, 0);
    refused_in(TIME(TIMESTAMPTZ, 0), date, vienna, "time of day");
    assert_int_equal(convert(TIME(TIMESTAMP, LS_TIME_INFINITY), tz, NULL).i, LS_TIME_INFINITY);
}

static void times_beyond_64_bits_pass_as_postgresqls_text(void **state)
{
    struct ls_field stamp = postgres(LS_T_TIMESTAMP, "timestamp without time zone", -1, 6);
    struct ls_field tz = postgres(LS_T_TIMESTAMPTZ, "timestamp with time zone", -1, 6);
    (void)state;

    stays(DATA(NATIVE, "294276-12-31 23:59:59.999999"), stamp);
    stays(DATA(NATIVE, "294276-12-31 23:59:59+00"), tz);
    refused(DATA(NATIVE, "294276-12-31 23:59:59+00"), stamp, "no timestamp");
    refused(DATA(NATIVE, "red"), stamp, "no timestamp");
    refused(DATA(NATIVE, "294276-12-31 23:59:59"), field_of(LS_T_TIMESTAMP), "no timestamp");
}

static void uuids_and_bytes_are_exchanged(void **state)
{
    (void)state;
    becomes(DATA(UUID, "abcdefghijklmnop"), field_of(LS_T_BYTES),
            "\\x6162636465666768696a6b6c6d6e6f70");
    becomes(DATA(BYTES, "abcdefghijklmnop"), field_of(LS_T_UUID),
            "61626364-6566-6768-696a-6b6c6d6e6f70");
    refused(DATA(BYTES, "abc"), field_of(LS_T_UUID), "16 bytes");
}

static void json_takes_scalars_and_gives_them(void **state)
{
    (void)state;
    becomes(BOOL(true), field_of(LS_T_JSON), "true");
    becomes(INT(INT64_MAX), field_of(LS_T_JSON), "9223372036854775807");
    becomes(DATA(DECIMAL, "1.50"), field_of(LS_T_JSON), "1.50");
    becomes(DATA(JSON, "1.50"), field_of(LS_T_DECIMAL), "1.50");
    becomes(DATA(JSON, "true"), field_of(LS_T_BOOL), "true");
    refused(DATA(DECIMAL, "NaN"), field_of(LS_T_JSON), "NaN");
    refused(DOUBLE((double)INFINITY), field_of(LS_T_JSON), "infinities");
    refused(DATA(JSON, "\"5\""), field_of(LS_T_INT), "no int");
    refused(TIME(DATE, 0), field_of(LS_T_JSON), "no conversion");
}

static void a_dynamic_field_keeps_what_does_not_convert(void **state)
{
    struct ls_field varchar = sqlite(LS_T_TEXT, "VARCHAR(3)"); /* SQLite looks at no length */
    (void)state;

    varchar.precision = 3;
    becomes(TEXT("5"), sqlite(LS_T_INT, "INTEGER"), "5");
    stays(TEXT("x"), sqlite(LS_T_INT, "INTEGER"));
    stays(DOUBLE(1.5), sqlite(LS_T_INT, "INTEGER"));
    stays(DATA(BYTES, "x"), sqlite(LS_T_INT, "INTEGER"));
    becomes(TEXT("true"), sqlite(LS_T_BOOL, "BOOLEAN"), "true");
    stays(INT(2), sqlite(LS_T_BOOL, "BOOLEAN"));
    becomes(TEXT("1.50"), sqlite(LS_T_DECIMAL, "DECIMAL(3,1)"), "1.50");
    becomes(INT(5), sqlite(LS_T_TEXT, "TEXT"), "5");
    stays(TEXT("abcd"), varchar);
    becomes(INT(12345), varchar, "12345");
    refused(DATA(DECIMAL, "1.5"), sqlite(LS_T_INT, "INTEGER"), "whole number");
    refused(TIME(TIME, 0), sqlite(LS_T_INT, "INTEGER"), "no conversion");
}

static void a_dynamic_field_keeps_the_spelling_of_texts(void **state)
{
    (void)state;
    stays(TEXT("2024-01-05T10:00"), sqlite(LS_T_TIMESTAMP, "DATETIME"));
    stays(TEXT("2024-01-05T10:00Z"), sqlite(LS_T_TIMESTAMP, "DATETIME"));
    stays(TEXT("61626364656667686970717273747576"), sqlite(LS_T_UUID, "UUID"));
    stays(TEXT("{ }"), sqlite(LS_T_JSON, "JSON"));
    becomes(TIME(DATE, 0), sqlite(LS_T_TIMESTAMP, "DATETIME"), "1970-01-01 00:00:00");
}

static void a_value_can_be_converted_in_place(void **state)
{
    struct ls_value v = TEXT("42");
    struct ls_field to = field_of(LS_T_INT);
    (void)state;

    assert_int_equal(ls_value_convert(&v, &to, NULL, &mem, &v, NULL), LS_OK);
    assert_int_equal(v.i, 42);
}

/* ---- what is said beforehand ---- */

static void says(struct ls_field from, struct ls_field to, const struct ls_zone *zone, bool is_key,
                 enum ls_round_trip trip, const char *why)
{
    const char *said = NULL;
    enum ls_round_trip got = ls_convert_check(&from, &to, zone, is_key, &mem, &said);

    if (got != trip || (*why ? !strstr(said, why) : *said != '\0'))
        fail_msg("%s to %s: %d \"%s\", not %d \"%s\"", from.native, to.native, (int)got, said,
                 (int)trip, why);
}

static void the_same_fields_make_the_round_trip(void **state)
{
    (void)state;
    for (int type = 0; type < LS_TYPE_COUNT; type++) {
        struct ls_field f = postgres((enum ls_type)type, ls_type_word((enum ls_type)type), -1, -1);

        says(f, f, NULL, false, LS_TRIP_EXACT, "");
        f = sqlite((enum ls_type)type, "TEXT");
        says(f, f, NULL, false, LS_TRIP_EXACT, "");
    }
}

static void check_names_what_cannot_make_the_round_trip(void **state)
{
    const struct ls_field text = postgres(LS_T_TEXT, "text", -1, -1),
                          big = postgres(LS_T_INT, "bigint", -1, -1);
    const struct ls_field numeric = postgres(LS_T_DECIMAL, "numeric", -1, -1);
    const struct ls_field wide = postgres(LS_T_DOUBLE, "double precision", 53, -1);
    const struct ls_field real = postgres(LS_T_DOUBLE, "real", 24, -1);
    const struct ls_field stamp = postgres(LS_T_TIMESTAMP, "timestamp without time zone", -1, 6);
    const struct ls_field tz = postgres(LS_T_TIMESTAMPTZ, "timestamp with time zone", -1, 6);
    struct ls_field folds = postgres(LS_T_TEXT, "citext", -1, -1),
                    padded = postgres(LS_T_TEXT, "character(3)", 3, -1);
    struct ls_field identity = big, mixed = {.name = "f", .type = LS_T_TEXT, .engine = ""};
    (void)state;

    mixed.native = ""; /* of a JSON Lines file */
    mixed.flags = LS_FIELD_DYNAMIC;
    says(mixed, stamp, NULL, false, LS_TRIP_CHECKED, "The values of this field are of any type");
    folds.flags = LS_FIELD_FOLDS;
    padded.flags = LS_FIELD_PADDED;
    identity.flags = LS_FIELD_IDENTITY;
    says(wide, real, NULL, false, LS_TRIP_LOSSY, "single precision");
    says(real, wide, NULL, false, LS_TRIP_EXACT, "");
    says(numeric, wide, NULL, false, LS_TRIP_CHECKED, "floating point");
    says(big, wide, NULL, false, LS_TRIP_CHECKED, "2^53");
    says(big, postgres(LS_T_INT, "integer", -1, -1), NULL, false, LS_TRIP_CHECKED,
         "outside the range of integer");
    says(numeric, postgres(LS_T_DECIMAL, "numeric(10,2)", 10, 2), NULL, false, LS_TRIP_CHECKED,
         "not rounded");
    says(postgres(LS_T_DECIMAL, "numeric(8,2)", 8, 2),
         postgres(LS_T_DECIMAL, "numeric(10,2)", 10, 2), NULL, false, LS_TRIP_EXACT, "");
    says(numeric, sqlite(LS_T_DECIMAL, "DECIMAL(10,2)"), NULL, false, LS_TRIP_CHECKED,
         "DECIMAL_TEXT");
    says(numeric, sqlite(LS_T_DECIMAL, "DECIMAL_TEXT"), NULL, false, LS_TRIP_EXACT, "");
    says(stamp, postgres(LS_T_TIMESTAMP, "timestamp(3)", -1, 3), NULL, false, LS_TRIP_LOSSY,
         "3 digits");
    says(stamp, tz, NULL, false, LS_TRIP_NEVER, "timezone:");
    says(tz, stamp, NULL, false, LS_TRIP_NEVER, "timezone:");
    says(tz, stamp, utc, false, LS_TRIP_EXACT, "");
    says(tz, stamp, vienna, false, LS_TRIP_LOSSY, "Europe/Vienna");
    says(sqlite(LS_T_DATE, "DATE"), postgres(LS_T_DATE, "date", -1, -1), NULL, false,
         LS_TRIP_CHECKED, "0000-00-00");
    says(wide, sqlite(LS_T_DOUBLE, "REAL"), NULL, false, LS_TRIP_CHECKED, "NaN");
    says(wide, postgres(LS_T_JSON, "jsonb", -1, -1), NULL, false, LS_TRIP_CHECKED, "no jsonb");
    says(text, folds, NULL, true, LS_TRIP_CHECKED, "folds case");
    says(text, folds, NULL, false, LS_TRIP_EXACT, "");
    says(text, padded, NULL, true, LS_TRIP_LOSSY, "keys that have some are refused");
    says(text, padded, NULL, false, LS_TRIP_LOSSY, "become the same");
    says(padded, text, NULL, false, LS_TRIP_EXACT, "");
    says(wide, wide, NULL, true, LS_TRIP_CHECKED, "floating point");
    says(big, identity, NULL, true, LS_TRIP_EXACT, "counter");
    says(text, postgres(LS_T_NATIVE, "mood", -1, -1), NULL, false, LS_TRIP_CHECKED, "mood");
    says(postgres(LS_T_NATIVE, "mood", -1, -1), postgres(LS_T_NATIVE, "temper", -1, -1), NULL,
         false, LS_TRIP_CHECKED, "text of temper");
    says(postgres(LS_T_NATIVE, "inet", -1, -1), sqlite(LS_T_TEXT, "TEXT"), NULL, false,
         LS_TRIP_EXACT, "its text");
    says(big, postgres(LS_T_JSON, "json", -1, -1), NULL, false, LS_TRIP_EXACT, "2^53");
    says(sqlite(LS_T_TEXT, "TEXT"), text, NULL, false, LS_TRIP_CHECKED, "of any type");
    says(field_of(LS_T_TEXT), text, NULL, false, LS_TRIP_CHECKED, "NUL");
    says(text, postgres(LS_T_TEXT, "character varying(3)", 3, -1), NULL, false, LS_TRIP_CHECKED,
         "3 characters");
    says(postgres(LS_T_BYTES, "bytea", -1, -1), postgres(LS_T_INT, "bigint", -1, -1), NULL, false,
         LS_TRIP_NEVER, "no conversion");
    says(postgres(LS_T_BYTES, "bytea", -1, -1), text, NULL, false, LS_TRIP_EXACT, "hex");
}

/* A value of the type as a store would give it. */
static struct ls_value sound_value(uint64_t *seed, enum ls_type type)
{
    struct ls_value v, read;
    struct ls_error err;

    do
        v = random_value(seed);
    while (v.type != type);
    if (ls_type_has_data(type) && type != LS_T_BYTES && type != LS_T_UUID &&
        ls_value_from_text(type, v.data, v.size, &mem, &read, &err) != LS_OK)
        return ls_value_null();
    if (type == LS_T_DECIMAL)
        return read;
    if (type == LS_T_DATE || type == LS_T_TIMESTAMP || type == LS_T_TIMESTAMPTZ)
        v.i = v.i == INT64_MAX || v.i == INT64_MIN ? v.i : v.i % 2000000;
    return v;
}

/* Whether a value and what it was converted to are compared as one type: not text against anything, and
 * not where only the zone makes them equal. */
static bool comparable(const struct ls_field *from, const struct ls_field *to,
                       const struct ls_zone *zone)
{
    struct ls_as as = ls_as_of(from, to);

    if (as.fold_zone || as.type == LS_T_TEXT || to->type == LS_T_NULL)
        return false;
    return !zone || (to->type != LS_T_TIMESTAMP && to->type != LS_T_TIMESTAMPTZ) ||
           from->type == to->type;
}

/* What check says in general and what convert does to single values are two pieces of code. */
static void check_and_convert_agree(void **state)
{
    uint64_t seed = test_seed();
    (void)state;

    for (int i = 0; i < 40000; i++) {
        struct ls_field from = field_of((enum ls_type)random_below(&seed, LS_TYPE_COUNT));
        struct ls_field to = field_of((enum ls_type)random_below(&seed, LS_TYPE_COUNT));
        const struct ls_zone *zone = random_below(&seed, 2) ? vienna : NULL;
        struct ls_value v = sound_value(&seed, from.type), made, again;
        struct ls_as as = ls_as_of(&from, &to);
        struct ls_error err;
        const char *why;
        enum ls_round_trip trip = ls_convert_check(&from, &to, zone, false, &mem, &why);
        enum ls_code rc = ls_value_convert(&v, &to, zone, &mem, &made, &err);

        if (v.type == LS_T_NULL || v.i == LS_TIME_INFINITY || v.i == LS_TIME_MINUS_INFINITY)
            continue;
        if (trip == LS_TRIP_EXACT && rc != LS_OK)
            fail_msg("check lets all %s be %s: %s", from.native, to.native, err.text);
        if (trip == LS_TRIP_NEVER && rc == LS_OK)
            fail_msg("check refuses %s as %s, and one passed", from.native, to.native);
        if (rc == LS_OK && comparable(&from, &to, zone) && !ls_value_equal(&v, &made, &as))
            fail_msg("%s as %s is another value", from.native, to.native);
        if (rc == LS_OK && ls_value_convert(&made, &to, zone, &mem, &again, &err) != LS_OK)
            fail_msg("%s as %s does not fit a second time: %s", from.native, to.native, err.text);
        ls_arena_reset(&mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_and_the_same_type_pass),
        cmocka_unit_test(numbers_pass_when_they_are_the_same_number),
        cmocka_unit_test(integers_keep_to_the_range_of_the_type),
        cmocka_unit_test(decimals_keep_to_precision_and_scale),
        cmocka_unit_test(doubles_are_brought_to_their_width),
        cmocka_unit_test(text_is_read_as_the_type_or_refused),
        cmocka_unit_test(every_type_has_a_text),
        cmocka_unit_test(text_keeps_to_its_length_in_characters),
        cmocka_unit_test(char_is_without_its_padding),
        cmocka_unit_test(postgresql_gets_no_nul_and_no_broken_utf8),
        cmocka_unit_test(times_are_cut_to_the_fields_digits),
        cmocka_unit_test(dates_and_midnights_are_the_same),
        cmocka_unit_test(zone_less_meets_absolute_by_a_zone_only),
        cmocka_unit_test(times_beyond_64_bits_pass_as_postgresqls_text),
        cmocka_unit_test(uuids_and_bytes_are_exchanged),
        cmocka_unit_test(json_takes_scalars_and_gives_them),
        cmocka_unit_test(a_dynamic_field_keeps_what_does_not_convert),
        cmocka_unit_test(a_dynamic_field_keeps_the_spelling_of_texts),
        cmocka_unit_test(a_value_can_be_converted_in_place),
        cmocka_unit_test(the_same_fields_make_the_round_trip),
        cmocka_unit_test(check_names_what_cannot_make_the_round_trip),
        cmocka_unit_test(check_and_convert_agree),
    };
    return cmocka_run_group_tests_name("model/convert", tests, open_all, close_all);
}
