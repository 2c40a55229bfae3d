/* SPDX-License-Identifier: Apache-2.0 */
/* test_decimal.c - exact decimals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "model/decimal.h"
#include "unit/model/values.h"

typedef void unary_fn(struct ls_buf *out, const char *text, size_t size);
typedef void binary_fn(struct ls_buf *out, const char *a, size_t a_size, const char *b,
                       size_t b_size);

static void gives(unary_fn *fn, const char *text, const char *expected)
{
    struct ls_buf out = {0};

    fn(&out, text, strlen(text));
    assert_string_equal(ls_buf_str(&out), expected);
    ls_buf_done(&out);
}

static void makes(binary_fn *fn, const char *a, const char *b, const char *expected)
{
    struct ls_buf out = {0};

    ls_buf_text(&out, "x"); /* what is there already stays */
    fn(&out, a, strlen(a), b, strlen(b));
    assert_non_null(ls_buf_str(&out));
    assert_string_equal(ls_buf_str(&out) + 1, expected);
    ls_buf_done(&out);
}

static int order(const char *a, const char *b)
{
    int o = ls_decimal_order(a, strlen(a), b, strlen(b));
    int back = ls_decimal_order(b, strlen(b), a, strlen(a));

    assert_int_equal((o > 0) - (o < 0), (back < 0) - (back > 0));
    return (o > 0) - (o < 0);
}

static void only_numbers_are_valid(void **state)
{
    static const char *const good[] = {
        "0",  "-1",  "+1",  "1.5",      ".5",        "5.",        "1e5", "1E-5",       "1.e+5",
        "00", "NaN", "nan", "Infinity", "-infinity", "+Infinity", "inf", "1e999999999"};
    static const char *const bad[] = {
        "",    "-",    ".",  "e5",  "1e",    "1e+",          "1 ",    " 1",   "1.2.3",
        "--1", "-NaN", "1x", "0x1", "infin", "1e1000000000", "1_000", "1e5.0"};
    (void)state;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!ls_decimal_valid(good[i], strlen(good[i])))
            fail_msg("%s is a decimal", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (ls_decimal_valid(bad[i], strlen(bad[i])))
            fail_msg("%s is no decimal", bad[i]);
    assert_false(ls_decimal_valid("1\0", 2));
}

static void order_is_by_value(void **state)
{
    static const char *const rising[] = {"-Infinity",
                                         "-1e999999999",
                                         "-100",
                                         "-99.9",
                                         "-1",
                                         "-0.1",
                                         "-0.01",
                                         "-1e-999999999",
                                         "0",
                                         "1e-999999999",
                                         "0.009",
                                         "0.01",
                                         "0.010000000000000000000001",
                                         "1",
                                         "1.5",
                                         "9",
                                         "10",
                                         "99",
                                         "100",
                                         "1e999999998",
                                         "1e999999999",
                                         "Infinity",
                                         "NaN"};
    (void)state;

    for (size_t i = 0; i < sizeof rising / sizeof *rising; i++)
        for (size_t k = 0; k < sizeof rising / sizeof *rising; k++)
            assert_int_equal(order(rising[i], rising[k]), (i > k) - (i < k));
    assert_int_equal(order("1.0", "1.00"), 0);
    assert_int_equal(order("-0", "0.0"), 0);
    assert_int_equal(order("10e-1", "1"), 0);
    assert_int_equal(order("0012.50", "1.25e1"), 0);
}

static void the_canonical_form_is_the_shortest_plain_one(void **state)
{
    (void)state;
    gives(ls_decimal_canon, "1.500", "1.5");
    gives(ls_decimal_canon, "-0.0", "0");
    gives(ls_decimal_canon, "1e3", "1000");
    gives(ls_decimal_canon, "1200", "1200");
    gives(ls_decimal_canon, "-1.25e-3", "-0.00125");
    gives(ls_decimal_canon, "+007", "7");
    gives(ls_decimal_canon, "0.000e5", "0");
    gives(ls_decimal_canon, "nan", "NaN");
    gives(ls_decimal_canon, "-inf", "-Infinity");
    gives(ls_decimal_plain, "1.500", "1.500");
    gives(ls_decimal_plain, "1.500e1", "15.00");
    gives(ls_decimal_plain, "1.5e3", "1500");
    gives(ls_decimal_plain, "00.50", "0.50");
    gives(ls_decimal_plain, "0.00", "0.00");
    gives(ls_decimal_key, "1200.0", "12e4");
    gives(ls_decimal_key, "1e999999999", "1e1000000000");
    gives(ls_decimal_key, "0.00", "e0");
}

static void a_huge_exponent_fails_the_buffer_not_the_machine(void **state)
{
    static unary_fn *const writers[] = {ls_decimal_canon, ls_decimal_plain};
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        struct ls_buf out = {0};

        writers[i](&out, "1e999999999", 11);
        assert_true(out.failed);
        ls_buf_done(&out);
    }
    for (int i = 0; i < 2; i++) {
        struct ls_buf out = {0};

        (i ? ls_decimal_add : ls_decimal_sub)(&out, "1e999999999", 11, "1", 1);
        assert_true(out.failed);
        ls_buf_done(&out);
    }
}

static void digits_are_counted_in_the_canonical_form(void **state)
{
    static const struct {
        const char *text;
        int whole, fraction;
    } cases[] = {{"0", 0, 0},   {"12.340", 2, 2},  {"0.05", 0, 2},
                 {"1e3", 4, 0}, {"-100.00", 3, 0}, {"1e-3", 0, 3}};
    int whole, fraction;
    int64_t high, low;
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(ls_decimal_digits(cases[i].text, strlen(cases[i].text), &whole, &fraction));
        assert_int_equal(whole, cases[i].whole);
        assert_int_equal(fraction, cases[i].fraction);
    }
    assert_false(ls_decimal_digits("NaN", 3, &whole, &fraction));
    assert_true(ls_decimal_span("1200", 4, &high, &low));
    assert_int_equal(high, 4);
    assert_int_equal(low, 2);
}

static void whole_numbers_become_integers(void **state)
{
    int64_t i = 0;
    (void)state;

    assert_true(ls_decimal_to_i64("9223372036854775807.000", 23, &i) && i == INT64_MAX);
    assert_true(ls_decimal_to_i64("-9223372036854775808", 20, &i) && i == INT64_MIN);
    assert_false(ls_decimal_to_i64("9223372036854775808", 19, &i));
    assert_false(ls_decimal_to_i64("-9223372036854775809", 20, &i));
    assert_false(ls_decimal_to_i64("1e19", 4, &i));
    assert_false(ls_decimal_to_i64("0.5", 3, &i));
    assert_false(ls_decimal_to_i64("NaN", 3, &i));
    assert_true(ls_decimal_to_i64("1.2e1", 5, &i) && i == 12);
}

static void the_nearest_double_is_found(void **state)
{
    char text[1200];
    (void)state;

    assert_true(ls_decimal_to_double("0.1", 3) == 0.1);
    assert_true(ls_decimal_to_double("9007199254740993", 16) ==
                9007199254740992.0); /* half to even */
    assert_true(ls_decimal_to_double("9007199254740993.000000000000000001", 35) ==
                9007199254740994.0);
    /* a digit behind a thousand zeros still decides */
    memset(text, '0', sizeof text);
    memcpy(text, "9007199254740993.", 17);
    assert_true(ls_decimal_to_double(text, sizeof text) == 9007199254740992.0);
    text[sizeof text - 1] = '1';
    assert_true(ls_decimal_to_double(text, sizeof text) == 9007199254740994.0);
    assert_true(isinf(ls_decimal_to_double("1e400", 5)));
    assert_true(ls_decimal_to_double("1e-400", 6) == 0.0);
    assert_true(isnan(ls_decimal_to_double("NaN", 3)));
}

/* Written alike in both widths, and the same single again: over all exponents, and those that are met. */
static void a_single_becomes_the_double_that_is_written_the_same(void **state)
{
    (void)state;
    for (uint32_t step = 0, bits = 0; bits < 0x7f800000; step++, bits += 104729) {
        struct ls_buf narrow, wide;
        uint32_t pattern = bits | (step & 1) << 31;
        float single, back;
        double d;

        memcpy(&single, &pattern, sizeof single);
        d = ls_decimal_from_single(single);
        back = (float)d;
        assert_memory_equal(&back, &single, sizeof back);
        ls_buf_init(&narrow, 0);
        ls_buf_init(&wide, 0);
        ls_decimal_from_double(&narrow, (double)single, 24);
        ls_decimal_from_double(&wide, d, 53);
        if (ls_decimal_order(ls_buf_str(&narrow), narrow.size, ls_buf_str(&wide), wide.size) != 0)
            fail_msg("%s became %s", ls_buf_str(&narrow), ls_buf_str(&wide));
        ls_buf_done(&wide);
        ls_buf_done(&narrow);
    }
    assert_true(ls_decimal_from_single(0.1f) == 0.1);
    assert_true(ls_decimal_from_single(-19.99f) == -19.99);
    assert_true(signbit(ls_decimal_from_single(-0.0f)));
    assert_true(isnan(ls_decimal_from_single(NAN)));
    assert_true(isinf(ls_decimal_from_single(-INFINITY)));
}

static void from_double(double d, int bits, const char *expected)
{
    struct ls_buf out = {0};

    ls_decimal_from_double(&out, d, bits);
    assert_string_equal(ls_buf_str(&out), expected);
    ls_buf_done(&out);
}

static void doubles_are_written_as_postgresql_does(void **state)
{
    (void)state;
    from_double(0.1, 53, "0.1");
    from_double((double)0.1f, 24, "0.1");
    from_double((double)0.1f, 53, "0.10000000149011612");
    from_double(123456789012345, 53, "123456789012345");
    from_double(1e15, 53, "1e+15");
    from_double(1.5e100, 53, "1.5e+100");
    from_double(123456, 24, "123456");
    from_double(1e6, 24, "1e+06");
    from_double(16777216, 24, "1.6777216e+07");
    from_double((double)3.4028235e38f, 24, "3.4028235e+38");
    from_double((double)1e-45f, 24, "1e-45");
    from_double(-1e-7, 53, "-1e-07");
    from_double(5e-324, 53, "5e-324");
    from_double(2.2250738585072014e-308, 53, "2.2250738585072014e-308");
}

/* The shortest by trying: the fewest digits that strtod() reads as d. */
static void is_written_shortest(double d)
{
    struct ls_buf out = {0}, key = {0};
    int64_t high, low;
    char tried[64];
    int digits = 1;

    do
        snprintf(tried, sizeof tried, "%.*e", digits - 1, d);
    while (strtod(tried, NULL) != d && ++digits <= 17);
    ls_decimal_from_double(&out, d, 53);
    assert_true(strtod(ls_buf_str(&out), NULL) == d);
    assert_true(ls_decimal_span(ls_buf_str(&out), out.size, &high, &low));
    if (high - low > digits)
        fail_msg("%.17g was written %s, %s is shorter", d, ls_buf_str(&out), tried);
    ls_decimal_canon(&key, ls_buf_str(&out), out.size);
    if (d > -1e15 && d < 1e15 && (d >= 1e-4 || d <= -1e-4))
        assert_string_equal(ls_buf_str(&out), ls_buf_str(&key)); /* nothing needless */
    ls_buf_done(&key);
    ls_buf_done(&out);
}

static void amounts_are_written_as_short_as_can_be(void **state)
{
    static const double edges[] = {0.0001,
                                   0.00010000000000000002,
                                   0.00009999999999999999,
                                   0.000001,
                                   0.125,
                                   0.05,
                                   1,
                                   1e14,
                                   999999999999999,
                                   1e15,
                                   999999999.999999,
                                   9999999999.999999,
                                   0.30000000000000004,
                                   4503599627370496.5,
                                   1.0000005,
                                   8.1,
                                   1.1500000000000001};
    uint64_t seed = 42;
    (void)state;

    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        is_written_shortest(edges[i]);
        is_written_shortest(-edges[i]);
    }
    for (int i = 0; i < 20000; i++) {
        double whole, power = 1;

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        whole = (double)(seed >> (12 + i % 50));
        for (int k = 0; k < i % 8; k++)
            power *= 10;
        is_written_shortest(whole / power);
        is_written_shortest(-nextafter(whole / power, 0));
    }
}

static void sums_products_and_differences_are_exact(void **state)
{
    (void)state;
    makes(ls_decimal_add, "0.1", "0.2", "0.3");
    makes(ls_decimal_add, "999", "1", "1000");
    makes(ls_decimal_add, "1e20", "1e-5", "100000000000000000000.00001");
    makes(ls_decimal_add, "-1.5", "1.5", "0");
    makes(ls_decimal_add, "-1", "0.25", "-0.75");
    makes(ls_decimal_add, "0", "1.50", "1.5");
    makes(ls_decimal_sub, "1000", "0.001", "999.999");
    makes(ls_decimal_sub, "1", "1000", "-999");
    makes(ls_decimal_sub, "-1", "-1", "0");
    makes(ls_decimal_sub, "0", "5", "-5");
    makes(ls_decimal_mul, "0.1", "0.1", "0.01");
    makes(ls_decimal_mul, "-12", "12.50", "-150");
    makes(ls_decimal_mul, "0", "-5", "0");
    makes(ls_decimal_mul, "123456789012345678901234567890", "987654321098765432109876543210",
          "121932631137021795226185032733622923332237463801111263526900");
    makes(ls_decimal_add, "NaN", "1", "NaN");
    makes(ls_decimal_add, "Infinity", "-5", "Infinity");
    makes(ls_decimal_add, "Infinity", "-Infinity", "NaN");
    makes(ls_decimal_sub, "Infinity", "Infinity", "NaN");
    makes(ls_decimal_sub, "1", "Infinity", "-Infinity");
    makes(ls_decimal_mul, "-2", "Infinity", "-Infinity");
    makes(ls_decimal_mul, "0", "Infinity", "NaN");
}

__extension__ typedef __int128 wide;

static wide parse_wide(const char *text)
{
    bool negative = *text == '-';
    wide v = 0;

    for (text += negative; *text; text++)
        v = v * 10 + (*text - '0');
    return negative ? -v : v;
}

static void arithmetic_agrees_with_128_bits(void **state)
{
    uint64_t seed = test_seed();
    (void)state;

    for (int i = 0; i < 5000; i++) {
        int64_t a = (int64_t)random_next(&seed) >> random_below(&seed, 64);
        int64_t b = (int64_t)random_next(&seed) >> random_below(&seed, 64);
        char l[32], r[32];
        struct ls_buf out = {0};

        (void)snprintf(l, sizeof l, "%lld", (long long)a);
        (void)snprintf(r, sizeof r, "%lld", (long long)b);
        ls_decimal_add(&out, l, strlen(l), r, strlen(r));
        assert_true(parse_wide(out.data) == (wide)a + b);
        ls_buf_reset(&out);
        ls_decimal_sub(&out, l, strlen(l), r, strlen(r));
        assert_true(parse_wide(out.data) == (wide)a - b);
        ls_buf_reset(&out);
        ls_decimal_mul(&out, l, strlen(l), r, strlen(r));
        assert_true(parse_wide(out.data) == (wide)a * b);
        assert_int_equal(order(l, r), (a > b) - (a < b));
        ls_buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_becomes_the_double_that_is_written_the_same),
        cmocka_unit_test(only_numbers_are_valid),
        cmocka_unit_test(order_is_by_value),
        cmocka_unit_test(the_canonical_form_is_the_shortest_plain_one),
        cmocka_unit_test(a_huge_exponent_fails_the_buffer_not_the_machine),
        cmocka_unit_test(digits_are_counted_in_the_canonical_form),
        cmocka_unit_test(whole_numbers_become_integers),
        cmocka_unit_test(the_nearest_double_is_found),
        cmocka_unit_test(doubles_are_written_as_postgresql_does),
        cmocka_unit_test(amounts_are_written_as_short_as_can_be),
        cmocka_unit_test(sums_products_and_differences_are_exact),
        cmocka_unit_test(arithmetic_agrees_with_128_bits),
    };
    return cmocka_run_group_tests_name("model/decimal", tests, NULL, NULL);
}
