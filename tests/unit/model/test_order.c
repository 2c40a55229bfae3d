/* SPDX-License-Identifier: Apache-2.0 */
/* test_order.c - equality, order and canonical form: the sentences of docs/types.md, and that the three agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/schema.h"
#include "unit/model/values.h"

/* Checks all three definitions at once, both ways round. */
static void check(struct ls_value a, struct ls_value b, const struct ls_as *as, bool equal)
{
    struct ls_buf l = {0}, r = {0};
    int order = ls_value_order(&a, &b, as), back = ls_value_order(&b, &a, as);

    ls_value_canon(&l, &a, as);
    ls_value_canon(&r, &b, as);
    assert_int_equal(ls_value_equal(&a, &b, as), equal);
    assert_int_equal(ls_value_equal(&b, &a, as), equal);
    assert_int_equal(order == 0, equal);
    assert_int_equal((order > 0) - (order < 0), (back < 0) - (back > 0));
    assert_int_equal(l.size == r.size && memcmp(l.data, r.data, l.size) == 0, equal);
    ls_buf_done(&l);
    ls_buf_done(&r);
}

static void same(struct ls_value a, struct ls_value b, const struct ls_as *as)
{
    check(a, b, as, true);
}

static void differ(struct ls_value a, struct ls_value b, const struct ls_as *as)
{
    check(a, b, as, false);
}

static void below(struct ls_value a, struct ls_value b, const struct ls_as *as)
{
    differ(a, b, as);
    assert_true(ls_value_order(&a, &b, as) < 0);
}

static void null_equals_null_and_nothing_else(void **state)
{
    (void)state;
    for (int type = 0; type < LS_TYPE_COUNT; type++) {
        const struct ls_as *as = AS((enum ls_type)type);

        same(ls_value_null(), ls_value_null(), as);
        below(ls_value_null(), TEXT(""), as);
        below(ls_value_null(), INT(0), as);
        below(ls_value_null(), BOOL(false), as);
        below(ls_value_null(), TIME(TIMESTAMP, LS_TIME_MINUS_INFINITY), as);
    }
}

static void numbers_are_equal_by_value_not_by_spelling(void **state)
{
    const struct ls_as *as = AS(LS_T_DECIMAL);
    (void)state;

    same(DATA(DECIMAL, "1.0"), DATA(DECIMAL, "1.00"), as);
    same(DATA(DECIMAL, "-0"), DATA(DECIMAL, "0.000"), as);
    same(DATA(DECIMAL, "100"), TEXT("1e2"), as);
    differ(DATA(DECIMAL, "0.1"), DATA(DECIMAL, "0.10000000000000000001"), as);
    below(DATA(DECIMAL, "-2"), DATA(DECIMAL, "-1.5"), as);
    below(DATA(DECIMAL, "9"), DATA(DECIMAL, "10"), as);
}

static void nan_equals_nan_and_is_above_every_number(void **state)
{
    (void)state;
    same(DOUBLE((double)NAN), DOUBLE(-(double)NAN), AS(LS_T_DOUBLE));
    below(DOUBLE((double)INFINITY), DOUBLE((double)NAN), AS(LS_T_DOUBLE));
    same(DATA(DECIMAL, "NaN"), DOUBLE((double)NAN), AS(LS_T_DECIMAL));
    below(DATA(DECIMAL, "Infinity"), DATA(DECIMAL, "NaN"), AS(LS_T_DECIMAL));
    below(DATA(DECIMAL, "1e99999"), DATA(DECIMAL, "Infinity"), AS(LS_T_DECIMAL));
    below(DATA(DECIMAL, "-Infinity"), DATA(DECIMAL, "-1e99999"), AS(LS_T_DECIMAL));
}

static void zero_has_no_sign(void **state)
{
    (void)state;
    same(DOUBLE(0.0), DOUBLE(-0.0), AS(LS_T_DOUBLE));
    same(DOUBLE(-0.0), INT(0), AS(LS_T_DECIMAL));
}

static void an_integer_and_a_decimal_are_compared_exactly(void **state)
{
    const struct ls_as *as = AS(LS_T_DECIMAL);
    (void)state;

    same(INT(INT64_MAX), DATA(DECIMAL, "9223372036854775807.0"), as);
    differ(INT(INT64_MAX), DATA(DECIMAL, "9223372036854775808"), as);
    differ(INT(INT64_MAX), DATA(DECIMAL, "9223372036854775807.0000000000000000001"), as);
    same(INT(INT64_MIN), DATA(DECIMAL, "-9223372036854775808"), as);
}

static void anything_against_a_double_is_compared_as_a_double(void **state)
{
    const struct ls_as *as = AS(LS_T_DOUBLE);
    (void)state;

    same(DATA(DECIMAL, "0.1"), DOUBLE(0.1), as);
    same(DATA(DECIMAL, "0.1000000000000000055511151231257827"), DOUBLE(0.1), as);
    same(INT(9007199254740993), DOUBLE(9007199254740992.0), as);
    differ(INT(9007199254740994), DOUBLE(9007199254740992.0), as);
    same(TEXT("1e3"), DOUBLE(1000), as);
    differ(DATA(DECIMAL, "1e400"), DOUBLE((double)INFINITY), as);
}

static void against_single_precision_numbers_are_rounded_first(void **state)
{
    const struct ls_as *single = AS_OF(LS_T_DOUBLE, 6, 24);
    (void)state;

    same(DOUBLE(0.1), DOUBLE((double)0.1f), single);
    differ(DOUBLE(0.1), DOUBLE((double)0.1f), AS(LS_T_DOUBLE));
    same(INT(16777217), DOUBLE(16777216), single);
    differ(DOUBLE(1e300), DOUBLE((double)INFINITY), single);
    differ(DOUBLE(1e300), DOUBLE(1e301), single);
}

static void booleans_are_the_integers_0_and_1(void **state)
{
    (void)state;
    same(BOOL(true), INT(1), AS(LS_T_INT));
    same(BOOL(false), INT(0), AS(LS_T_INT));
    same(BOOL(true), INT(1), AS(LS_T_BOOL));
    differ(BOOL(true), INT(2), AS(LS_T_BOOL));
    differ(INT(2), DATA(DECIMAL, "2"), AS(LS_T_BOOL)); /* both stay what they are */
    same(BOOL(true), TEXT("yes"), AS(LS_T_BOOL));
    same(BOOL(true), DATA(DECIMAL, "1.0"), AS(LS_T_DECIMAL));
    below(BOOL(false), BOOL(true), AS(LS_T_BOOL));
}

static void texts_are_equal_byte_by_byte(void **state)
{
    const struct ls_as *as = AS(LS_T_TEXT);
    (void)state;

    same(TEXT("a"), TEXT("a"), as);
    differ(TEXT("a"), TEXT("A"), as);
    differ(TEXT("a"), TEXT("a "), as);
    differ(TEXT("\xc3\xa4"), TEXT("a\xcc\x88"), as); /* composed, decomposed */
    differ(ls_value_data(LS_T_TEXT, "a\0b", 3), ls_value_data(LS_T_TEXT, "a\0c", 3), as);
    below(TEXT("a"), TEXT("ab"), as);
    below(TEXT("z"), TEXT("\xc3\xa4"), as);
}

static void a_blob_is_no_text(void **state)
{
    (void)state;
    differ(DATA(BYTES, "a"), TEXT("a"), AS(LS_T_TEXT));
    below(TEXT("zzz"), DATA(BYTES, "a"), AS(LS_T_TEXT));
    same(DATA(BYTES, "a"), TEXT("\\x61"), AS(LS_T_BYTES));
    same(DATA(BYTES, "\xff"), TEXT("\\xFF"), AS(LS_T_BYTES));
    differ(DATA(BYTES, "a"), TEXT("a"), AS(LS_T_BYTES));
    below(TEXT("\\x6161"), DATA(BYTES, "ab"), AS(LS_T_BYTES));
}

static void native_values_are_equal_byte_by_byte(void **state)
{
    (void)state;
    same(DATA(NATIVE, "{1,2}"), DATA(NATIVE, "{1,2}"), AS(LS_T_NATIVE));
    differ(DATA(NATIVE, "{1,2}"), DATA(NATIVE, "{1, 2}"), AS(LS_T_NATIVE));
    same(DATA(NATIVE, "red"), TEXT("red"), AS(LS_T_TEXT));
}

static void times_are_cut_to_the_coarser_precision(void **state)
{
    const struct ls_as *ms = AS_OF(LS_T_TIMESTAMP, 3, 53);
    (void)state;

    same(TIME(TIMESTAMP, 123999), TIME(TIMESTAMP, 123000), ms);
    differ(TIME(TIMESTAMP, 123999), TIME(TIMESTAMP, 124000), ms);
    same(TIME(TIMESTAMP, -1), TIME(TIMESTAMP, -1000),
         ms); /* before 1970 too: .999999 is cut to .999 */
    differ(TIME(TIMESTAMP, -1), TIME(TIMESTAMP, 0), ms);
    same(TIME(TIMESTAMP, 999999), TEXT("1970-01-01 00:00:00"), AS_OF(LS_T_TIMESTAMP, 0, 53));
    same(TIME(TIME, 1999999), TIME(TIME, 1000000), AS_OF(LS_T_TIME, 0, 53));
    same(TIME(TIMESTAMPTZ, 1999999), TIME(TIMESTAMPTZ, 1900000), AS_OF(LS_T_TIMESTAMPTZ, 1, 53));
}

static void infinite_times_equal_themselves_and_stand_at_the_ends(void **state)
{
    const struct ls_as *as = AS_OF(LS_T_TIMESTAMP, 0, 53);
    (void)state;

    same(TIME(TIMESTAMP, LS_TIME_INFINITY), TEXT("infinity"), as);
    same(TIME(DATE, LS_TIME_MINUS_INFINITY), TIME(TIMESTAMP, LS_TIME_MINUS_INFINITY), as);
    below(TIME(TIMESTAMP, 0), TIME(TIMESTAMP, LS_TIME_INFINITY), as);
    below(TIME(TIMESTAMP, LS_TIME_MINUS_INFINITY), TEXT("0044-03-15 BC"), as);
    same(TIME(DATE, LS_TIME_INFINITY), TEXT("infinity"), AS(LS_T_DATE));
}

/* PostgreSQL keeps times that 64 bits of microseconds do not reach; they come as its text. */
static void times_beyond_reach_stand_below_infinity(void **state)
{
    static const char *const far[] = {
        "294247-01-10 04:00:54.775807+00", "294247-01-10 04:00:55+00", "294247-01-10 04:00:55.5+00",
        "294247-01-10 04:00:55.55+00",     "294250-01-01 00:00:00+00", "294276-12-31 23:59:59+00",
        "294276-12-31 23:59:59.999999+00",
    };
    const struct ls_as *as = AS_OF(LS_T_TIMESTAMPTZ, 6, 53);
    (void)state;

    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        const struct ls_value v = DATA(NATIVE, far[i]);

        same(v, v, as);
        below(TIME(TIMESTAMPTZ, LS_TIME_INFINITY - 1), v, as);
        below(v, TIME(TIMESTAMPTZ, LS_TIME_INFINITY), as);
        below(v, TEXT("infinity"), as);
        if (i > 0)
            below(DATA(NATIVE, far[i - 1]), v, as);
    }
}

static void a_date_is_the_timestamp_of_its_midnight(void **state)
{
    (void)state;
    same(TIME(DATE, 1), TIME(TIMESTAMP, 86400000000), AS(LS_T_TIMESTAMP));
    differ(TIME(DATE, 1), TIME(TIMESTAMP, 86400000001), AS(LS_T_TIMESTAMP));
    same(TIME(DATE, -1), TEXT("1969-12-31"), AS(LS_T_DATE));
    same(TIME(DATE, -1), TIME(TIMESTAMP, -86400000000), AS(LS_T_DATE));
    differ(TIME(DATE, 0), TIME(TIMESTAMP, 1), AS(LS_T_DATE));
}

static void a_time_without_zone_never_equals_an_absolute_one(void **state)
{
    const struct ls_as *as = AS(LS_T_TIMESTAMPTZ);
    (void)state;

    differ(TIME(TIMESTAMP, 0), TIME(TIMESTAMPTZ, 0), as);
    differ(TIME(TIMESTAMPTZ, 0), TEXT("1970-01-01 00:00:00"), as);
    same(TIME(TIMESTAMPTZ, 0), TEXT("1970-01-01 02:00:00+02"), as);
    differ(TIME(TIMESTAMP, 0), TEXT("1970-01-01 00:00:00Z"), AS(LS_T_TIMESTAMP));
    same(TIME(TIMESTAMP, 5), TIME(TIMESTAMP, 5), as); /* both converted to a target without zone */
    below(TIME(TIMESTAMP, 5), TIME(TIMESTAMP, 6), as);
}

static void json_is_equal_by_content(void **state)
{
    const struct ls_as *as = AS(LS_T_JSON);
    (void)state;

    same(DATA(JSON, "{\"a\":1,\"b\":[true,null]}"),
         DATA(JSON, " {\"b\": [true , null], \"a\": 1.0} "), as);
    same(DATA(JSON, "\"\\u0061\\/\""), DATA(JSON, "\"a/\""), as);
    same(DATA(JSON, "1e2"), DATA(JSON, "100"), as);
    same(DATA(JSON, "{\"a\":1,\"a\":2}"), DATA(JSON, "{\"a\":2}"), as);
    differ(DATA(JSON, "[1,2]"), DATA(JSON, "[2,1]"), as);
    differ(DATA(JSON, "1"), DATA(JSON, "\"1\""), as);
    differ(DATA(JSON, "{\"a\":null}"), DATA(JSON, "{}"), as);
    differ(DATA(JSON, "null"), ls_value_null(), as);
    differ(DATA(JSON, "\"a\\u0000b\""), DATA(JSON, "\"a\\u0000c\""), as);
    same(TEXT("[1]"), DATA(JSON, "[1.0]"), as);
    same(INT(5), DATA(JSON, "5.0"), as);
}

static void json_numbers_are_compared_exactly(void **state)
{
    const struct ls_as *as = AS(LS_T_JSON);
    (void)state;

    differ(DATA(JSON, "9007199254740993"), DATA(JSON, "9007199254740992"), as);
    differ(DATA(JSON, "0.1"), DATA(JSON, "0.10000000000000001"), as);
    same(DATA(JSON, "1e999999999"), DATA(JSON, "10e999999998"), as); /* and takes no memory */
    same(DATA(JSON, "-0"), DATA(JSON, "0"), as);
}

static void what_is_no_json_is_compared_as_it_is(void **state)
{
    const struct ls_as *as = AS(LS_T_JSON);
    (void)state;

    same(DATA(JSON, "{broken"), DATA(JSON, "{broken"), as);
    differ(DATA(JSON, "{broken"), DATA(JSON, "{broken "), as);
    differ(DATA(JSON, "\"\\ud800\""), DATA(JSON, "\"?\""), as);
    differ(DATA(JSON, "\"\\ud800\""), DATA(JSON, "\"\\ud801\""), as);
    same(DATA(JSON, "\"\\ud83d\\ude00\""), DATA(JSON, "\"\xf0\x9f\x98\x80\""), as);
}

static void deep_json_is_compared_as_it_is(void **state)
{
    enum { DEPTH = 100000 };
    static char deep[2][2 * DEPTH + 2];
    const struct ls_as *as = AS(LS_T_JSON);
    (void)state;

    memset(deep[0], '[', DEPTH);
    memset(deep[0] + DEPTH, ']', DEPTH);
    memcpy(deep[1], deep[0], 2 * DEPTH);
    deep[1][2 * DEPTH] = ' ';
    same(DATA(JSON, deep[0]), DATA(JSON, deep[0]), as);
    differ(DATA(JSON, deep[0]), DATA(JSON, deep[1]), as);
}

static void text_against_a_typed_field_is_read_as_that_type(void **state)
{
    (void)state;
    same(TEXT("1"), INT(1), AS(LS_T_INT));
    same(TEXT("1.0"), INT(1), AS(LS_T_INT));
    same(TEXT("1.50"), DATA(DECIMAL, "1.5"), AS(LS_T_DECIMAL));
    same(TEXT("2024-02-29"), TIME(DATE, 19782), AS(LS_T_DATE));
    same(TEXT("12:00"), TIME(TIME, 43200000000), AS(LS_T_TIME));
    same(TEXT("61626364-6566-6768-696A-6B6C6D6E6F70"), DATA(UUID, "abcdefghijklmnop"),
         AS(LS_T_UUID));
}

static void what_cannot_be_brought_differs_from_every_value_of_the_type(void **state)
{
    const struct ls_as *as = AS(LS_T_INT);
    (void)state;

    below(INT(INT64_MAX), TEXT("x"), as);
    below(INT(0), TEXT(""), as);
    differ(INT(1), TEXT(" 1"), as);
    differ(INT(1), DOUBLE(1.5), as);
    same(INT(1), DOUBLE(1.0), as);
    same(TEXT("x"), TEXT("x"), as);
    differ(TEXT("x"), TEXT("y"), as);
    same(DOUBLE(1.5), DOUBLE(1.5), as);
    differ(DATA(BYTES, "x"), TEXT("x"), as);
    below(DOUBLE(1.5), TEXT("x"), as); /* by type */
}

static void a_uuid_equals_its_16_bytes(void **state)
{
    (void)state;
    same(DATA(UUID, "abcdefghijklmnop"), DATA(BYTES, "abcdefghijklmnop"), AS(LS_T_UUID));
    differ(DATA(UUID, "abcdefghijklmnop"), DATA(BYTES, "abcdefghijklmno"), AS(LS_T_UUID));
}

static void rows_are_ordered_by_their_first_difference(void **state)
{
    const struct ls_as as[2] = {{.type = LS_T_INT, .fraction = 6, .bits = 53},
                                {.type = LS_T_TEXT, .fraction = 6, .bits = 53}};
    struct ls_value a[2], b[2];
    struct ls_buf l = {0}, r = {0};
    (void)state;

    a[0] = INT(1), a[1] = TEXT("z");
    b[0] = INT(2), b[1] = TEXT("a");
    assert_true(ls_values_order(a, b, as, 2) < 0);
    b[0] = INT(1);
    assert_true(ls_values_order(a, b, as, 2) > 0);
    assert_false(ls_values_equal(a, b, as, 2));
    b[1] = TEXT("z");
    assert_true(ls_values_equal(a, b, as, 2));
    assert_int_equal(ls_values_order(a, b, as, 2), 0);
    ls_values_canon(&l, a, as, 2);
    ls_values_canon(&r, b, as, 2);
    assert_int_equal(l.size, r.size);
    assert_memory_equal(l.data, r.data, l.size);
    ls_buf_done(&l);
    ls_buf_done(&r);
}

/* 'ab','c' and 'a','bc' must not become the same bytes. */
static void the_canonical_form_delimits_itself(void **state)
{
    const struct ls_as as[2] = {{.type = LS_T_TEXT}, {.type = LS_T_TEXT}};
    struct ls_value a[2], b[2];
    struct ls_buf l = {0}, r = {0};
    (void)state;

    a[0] = TEXT("ab"), a[1] = TEXT("c");
    b[0] = TEXT("a"), b[1] = TEXT("bc");
    ls_values_canon(&l, a, as, 2);
    ls_values_canon(&r, b, as, 2);
    assert_false(l.size == r.size && memcmp(l.data, r.data, l.size) == 0);
    ls_buf_done(&l);
    ls_buf_done(&r);
}

enum { POOL = 90 };

static void check_pool(const struct ls_value *v, const struct ls_as *as)
{
    static int order[POOL][POOL];
    static struct ls_buf canon[POOL];

    for (int i = 0; i < POOL; i++) {
        ls_buf_init(&canon[i], 0);
        ls_value_canon(&canon[i], &v[i], as);
        assert_false(canon[i].failed);
    }
    for (int i = 0; i < POOL; i++)
        for (int k = 0; k < POOL; k++) {
            bool equal = ls_value_equal(&v[i], &v[k], as);
            bool bytes = canon[i].size == canon[k].size &&
                         memcmp(canon[i].data, canon[k].data, canon[i].size) == 0;
            int o = ls_value_order(&v[i], &v[k], as);

            order[i][k] = (o > 0) - (o < 0);
            if (equal != (o == 0) || equal != bytes || (i == k && !equal))
                fail_msg("as %s: %s against %s: equal %d, order %d, same bytes %d",
                         ls_type_word(as->type), ls_type_word(v[i].type), ls_type_word(v[k].type),
                         equal, o, bytes);
        }
    for (int i = 0; i < POOL; i++)
        for (int k = 0; k < POOL; k++) {
            assert_int_equal(order[i][k], -order[k][i]);
            for (int m = 0; m < POOL; m++)
                if (order[i][k] <= 0 && order[k][m] <= 0)
                    assert_true(order[i][m] <= 0 &&
                                (order[i][m] < 0 || (order[i][k] == 0 && order[k][m] == 0)));
        }
    for (int i = 0; i < POOL; i++)
        ls_buf_done(&canon[i]);
}

static void equality_order_and_canonical_form_agree_on_random_values(void **state)
{
    uint64_t seed = test_seed();
    struct ls_value pool[POOL];
    (void)state;

    for (int round = 0; round < 4; round++)
        for (int type = 0; type < LS_TYPE_COUNT; type++) {
            const struct ls_as *as = AS_OF((enum ls_type)type, (uint8_t)random_below(&seed, 7),
                                           random_below(&seed, 2) ? 24 : 53);

            for (int i = 0; i < POOL; i++)
                pool[i] = random_value(&seed);
            check_pool(pool, as);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_equals_null_and_nothing_else),
        cmocka_unit_test(numbers_are_equal_by_value_not_by_spelling),
        cmocka_unit_test(nan_equals_nan_and_is_above_every_number),
        cmocka_unit_test(zero_has_no_sign),
        cmocka_unit_test(an_integer_and_a_decimal_are_compared_exactly),
        cmocka_unit_test(anything_against_a_double_is_compared_as_a_double),
        cmocka_unit_test(against_single_precision_numbers_are_rounded_first),
        cmocka_unit_test(booleans_are_the_integers_0_and_1),
        cmocka_unit_test(texts_are_equal_byte_by_byte),
        cmocka_unit_test(a_blob_is_no_text),
        cmocka_unit_test(native_values_are_equal_byte_by_byte),
        cmocka_unit_test(times_are_cut_to_the_coarser_precision),
        cmocka_unit_test(infinite_times_equal_themselves_and_stand_at_the_ends),
        cmocka_unit_test(times_beyond_reach_stand_below_infinity),
        cmocka_unit_test(a_date_is_the_timestamp_of_its_midnight),
        cmocka_unit_test(a_time_without_zone_never_equals_an_absolute_one),
        cmocka_unit_test(json_is_equal_by_content),
        cmocka_unit_test(json_numbers_are_compared_exactly),
        cmocka_unit_test(what_is_no_json_is_compared_as_it_is),
        cmocka_unit_test(deep_json_is_compared_as_it_is),
        cmocka_unit_test(text_against_a_typed_field_is_read_as_that_type),
        cmocka_unit_test(what_cannot_be_brought_differs_from_every_value_of_the_type),
        cmocka_unit_test(a_uuid_equals_its_16_bytes),
        cmocka_unit_test(rows_are_ordered_by_their_first_difference),
        cmocka_unit_test(the_canonical_form_delimits_itself),
        cmocka_unit_test(equality_order_and_canonical_form_agree_on_random_values),
    };
    return cmocka_run_group_tests_name("model/order", tests, NULL, NULL);
}
