/* SPDX-License-Identifier: Apache-2.0 */
/* decimal.c - exact decimal text.
 *
 * Numbers stay what the store wrote: text. A parse makes a view of it, the digits that count and
 * where the point stands among them; order, range checks and conversions work on the view without
 * writing anything. Only arithmetic and printing write.
 *
 * No bignum library: comparing and printing need none, and the sums and products of field
 * expressions are short. No double anywhere between two decimals.
 *
 * Invariants. Exponents are at most nine digits, so positions fit into 64 bits with room to spare, and
 * no function writes more than LS_DECIMAL_MAX_DIGITS digits, whatever the exponent says. No locale: strtod() and
 * printf() are given and asked for digits only, never for a decimal point. */
#include "model/decimal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"

enum kind { MINUS_INFINITY, NUMBER, PLUS_INFINITY, NOT_A_NUMBER }; /* in order */

/* 0.DDD times 10 to the power of `point`, D being `count` digits, the first and the last not zero.
 * They stand in two runs, before and behind the written point. */
struct number {
    enum kind kind;
    bool negative; /* never for zero */
    const char *whole, *frac;
    size_t whole_size, frac_size;
    size_t first, count; /* in the digits of both runs together; count 0 is zero */
    int64_t point;
    int64_t exponent;
};

#define MAX_EXPONENT 999999999

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The digit at position i of both runs. */
static char written(const struct number *n, size_t i)
{
    return i < n->whole_size ? n->whole[i] : n->frac[i - n->whole_size];
}

/* The i-th digit that counts. */
static char digit(const struct number *n, size_t i)
{
    return written(n, n->first + i);
}

static size_t run(const char *text, size_t size, size_t at)
{
    size_t from = at;

    while (at < size && is_digit(text[at]))
        at++;
    return at - from;
}

static bool parse_name(const char *text, size_t size, bool negative, struct number *n)
{
    static const struct {
        const char *word;
        enum kind kind;
    } names[] = {{"nan", NOT_A_NUMBER}, {"infinity", PLUS_INFINITY}, {"inf", PLUS_INFINITY}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i].word) != size || strncasecmp(names[i].word, text, size) != 0)
            continue;
        n->kind = names[i].kind;
        if (negative)
            n->kind = MINUS_INFINITY;
        return !negative || names[i].kind != NOT_A_NUMBER;
    }
    return false;
}

/* e[-+]digits at the end of the text. */
static bool parse_exponent(const char *text, size_t size, int64_t *ret)
{
    bool negative;
    int64_t e = 0;
    size_t at = 1;

    negative = at < size && text[at] == '-';
    if (at < size && (text[at] == '-' || text[at] == '+'))
        at++;
    if (at == size || run(text, size, at) != size - at)
        return false;
    for (; at < size; at++) {
        e = e * 10 + (text[at] - '0');
        if (e > MAX_EXPONENT)
            return false;
    }
    *ret = negative ? -e : e;
    return true;
}

static void trim(struct number *n)
{
    size_t end = n->whole_size + n->frac_size;

    while (n->first < end && written(n, n->first) == '0')
        n->first++;
    while (end > n->first && written(n, end - 1) == '0')
        end--;
    n->count = end - n->first;
    n->point = (int64_t)n->whole_size - (int64_t)n->first + n->exponent;
    if (n->count == 0) {
        n->point = 0;
        n->negative = false;
    }
}

static bool parse(const char *text, size_t size, struct number *n)
{
    size_t at = 0;

    *n = (struct number){.kind = NUMBER, .whole = "", .frac = ""};
    if (size == 0)
        return false;
    n->negative = text[0] == '-';
    if (text[0] == '-' || text[0] == '+')
        at++;
    if (at < size && !is_digit(text[at]) && text[at] != '.')
        return parse_name(text + at, size - at, n->negative, n);
    n->whole = text + at;
    n->whole_size = run(text, size, at);
    at += n->whole_size;
    if (at < size && text[at] == '.') {
        at++;
        n->frac = text + at;
        n->frac_size = run(text, size, at);
        at += n->frac_size;
    }
    if (n->whole_size + n->frac_size == 0)
        return false;
    if (at < size && ((text[at] != 'e' && text[at] != 'E') ||
                      !parse_exponent(text + at, size - at, &n->exponent)))
        return false;
    trim(n);
    return true;
}

/* What is not valid counts as NaN, so that a caller's mistake stays harmless. */
static void view(const char *text, size_t size, struct number *n)
{
    if (!parse(text, size, n))
        *n = (struct number){.kind = NOT_A_NUMBER, .whole = "", .frac = ""};
}

bool ls_decimal_valid(const char *text, size_t size)
{
    struct number n;

    return parse(text, size, &n);
}

static int order_magnitude(const struct number *a, const struct number *b)
{
    size_t common = a->count < b->count ? a->count : b->count;

    if (a->count == 0 || b->count == 0)
        return (a->count > 0) - (b->count > 0);
    if (a->point != b->point)
        return a->point < b->point ? -1 : 1;
    for (size_t i = 0; i < common; i++)
        if (digit(a, i) != digit(b, i))
            return digit(a, i) < digit(b, i) ? -1 : 1;
    return (a->count > b->count) - (a->count < b->count);
}

int ls_decimal_order(const char *a, size_t a_size, const char *b, size_t b_size)
{
    struct number l, r;
    int order;

    view(a, a_size, &l);
    view(b, b_size, &r);
    if (l.kind != r.kind)
        return l.kind < r.kind ? -1 : 1;
    if (l.kind != NUMBER)
        return 0;
    if (l.negative != r.negative)
        return l.negative ? -1 : 1;
    order = order_magnitude(&l, &r);
    return l.negative ? -order : order;
}

static void print_name(struct ls_buf *out, enum kind kind)
{
    static const char *const names[] = {
        [MINUS_INFINITY] = "-Infinity", [PLUS_INFINITY] = "Infinity", [NOT_A_NUMBER] = "NaN"};

    ls_buf_text(out, names[kind]);
}

static void zeros(struct ls_buf *out, int64_t count)
{
    static const char block[] = "0000000000000000000000000000000000000000000000000000000000000000";

    while (count > 0) {
        size_t some = count < (int64_t)sizeof block - 1 ? (size_t)count : sizeof block - 1;

        ls_buf_add(out, block, some);
        count -= (int64_t)some;
    }
}

/* Appends digits [from, to) of those that count, which may begin before the first one and end behind the
 * last one: zeros stand there. */
static void print_digits(struct ls_buf *out, const struct number *n, int64_t from, int64_t to)
{
    int64_t count = (int64_t)n->count, at = from;

    if (at < 0) {
        zeros(out, (to < 0 ? to : 0) - at);
        at = 0;
    }
    for (; at < to && at < count; at++)
        ls_buf_char(out, digit(n, (size_t)at));
    zeros(out, to - at);
}

/* Appends the plain form with `fraction` digits behind the point, which are enough. */
static void print_plain(struct ls_buf *out, const struct number *n, int64_t fraction)
{
    int64_t whole = n->point > 0 ? n->point : 0;

    if (whole + fraction > LS_DECIMAL_MAX_DIGITS) {
        out->failed = true;
        return;
    }
    if (n->negative)
        ls_buf_char(out, '-');
    if (whole == 0)
        ls_buf_char(out, '0');
    print_digits(out, n, 0, whole);
    if (fraction == 0)
        return;
    ls_buf_char(out, '.');
    print_digits(out, n, n->point < 0 ? n->point : whole, n->point + fraction);
}

/* Digits behind the point in the shortest plain form. */
static int64_t fraction_of(const struct number *n)
{
    int64_t f = (int64_t)n->count - n->point;

    return f > 0 && n->count > 0 ? f : 0;
}

void ls_decimal_canon(struct ls_buf *out, const char *text, size_t size)
{
    struct number n;

    view(text, size, &n);
    if (n.kind != NUMBER)
        print_name(out, n.kind);
    else
        print_plain(out, &n, fraction_of(&n));
}

void ls_decimal_plain(struct ls_buf *out, const char *text, size_t size)
{
    struct number n;
    int64_t shown;

    view(text, size, &n);
    if (n.kind != NUMBER) {
        print_name(out, n.kind);
        return;
    }
    shown = (int64_t)n.frac_size - n.exponent;
    if (shown < fraction_of(&n))
        shown = fraction_of(&n);
    print_plain(out, &n, shown > 0 ? shown : 0);
}

void ls_decimal_key(struct ls_buf *out, const char *text, size_t size)
{
    struct number n;

    view(text, size, &n);
    if (n.kind != NUMBER) {
        print_name(out, n.kind);
        return;
    }
    if (n.negative)
        ls_buf_char(out, '-');
    for (size_t i = 0; i < n.count; i++)
        ls_buf_char(out, digit(&n, i));
    ls_buf_char(out, 'e');
    ls_buf_i64(out, n.point);
}

static int clamp_int(int64_t v)
{
    return v > INT32_MAX ? INT32_MAX : (int)v;
}

bool ls_decimal_digits(const char *text, size_t size, int *ret_integer, int *ret_fraction)
{
    struct number n;

    view(text, size, &n);
    if (n.kind != NUMBER)
        return false;
    *ret_integer = clamp_int(n.point > 0 ? n.point : 0);
    *ret_fraction = clamp_int(fraction_of(&n));
    return true;
}

bool ls_decimal_span(const char *text, size_t size, int64_t *ret_high, int64_t *ret_low)
{
    struct number n;

    view(text, size, &n);
    if (n.kind != NUMBER)
        return false;
    *ret_high = n.point;
    *ret_low = n.point - (int64_t)n.count;
    return true;
}

bool ls_decimal_to_i64(const char *text, size_t size, int64_t *ret)
{
    struct number n;
    int64_t v = 0;

    view(text, size, &n);
    if (n.kind != NUMBER || fraction_of(&n) > 0 || n.point > 19)
        return false;
    for (int64_t i = 0; i < n.point; i++) {
        int d = i < (int64_t)n.count ? digit(&n, (size_t)i) - '0' : 0;

        /* downwards, as the negative range is the larger one */
        if (__builtin_mul_overflow(v, (int64_t)10, &v) || __builtin_sub_overflow(v, (int64_t)d, &v))
            return false;
    }
    if (!n.negative && v == INT64_MIN)
        return false;
    *ret = n.negative ? v : -v;
    return true;
}

/* 768 digits decide about the nearest double; of what follows counts only that there is something. */
#define DOUBLE_DIGITS 800

static double nearest(const struct number *n, int bits)
{
    char text[DOUBLE_DIGITS + 40];
    size_t count = n->count < DOUBLE_DIGITS ? n->count : DOUBLE_DIGITS, used = 0;
    double d;

    if (n->negative)
        text[used++] = '-';
    for (size_t i = 0; i < count; i++)
        text[used++] = digit(n, i);
    if (n->count > count) {
        text[used++] = '1';
        count++;
    }
    if (count == 0)
        text[used++] = '0';
    (void)snprintf(text + used, sizeof text - used, "e%lld",
                   (long long)(n->point - (int64_t)count));
    if (bits == 24)
        d = (double)strtof(text, NULL);
    else
        d = strtod(text, NULL);
    return d;
}

double ls_decimal_to_double(const char *text, size_t size)
{
    struct number n;

    view(text, size, &n);
    if (n.kind == NOT_A_NUMBER)
        return NAN;
    if (n.kind != NUMBER)
        return n.kind == PLUS_INFINITY ? INFINITY : -INFINITY;
    return nearest(&n, 53);
}

/* The digits of |d| rounded to `count` of them, and the exponent of the first; count at most 17. */
static int digits_of(double d, int count, char out[20])
{
    char text[64];
    int used = 0, exponent = 0;
    const char *e;

    (void)snprintf(text, sizeof text, "%.*e", count - 1, d);
    for (const char *c = text; *c && *c != 'e' && used < 18; c++)
        if (is_digit(*c)) /* skips the point, whatever the locale makes of it */
            out[used++] = *c;
    out[used] = '\0';
    e = strchr(text, 'e');
    if (e)
        exponent = (int)strtol(e + 1, NULL, 10);
    return exponent;
}

static bool reads_back(double d, const char *digits, int exponent, int bits)
{
    struct number n = {.kind = NUMBER, .whole = digits, .frac = ""};

    n.whole_size = strlen(digits);
    n.count = n.whole_size;
    n.point = exponent + 1;
    return nearest(&n, bits) == d;
}

/* Adds one to the last digit; false when it was a nine (then fewer digits had done). */
static bool next_up(char *digits)
{
    size_t last = strlen(digits) - 1;

    if (digits[last] == '9')
        return false;
    digits[last]++;
    return true;
}

/* The shortest digits that read back as d > 0. The neighbour above is tried too: below a power of
 * two doubles lie closer, so the nearest number of that many digits can miss where the next one hits. */
static int shortest(double d, int bits, char digits[20])
{
    bool few =
        d < (bits == 24 ? (double)FLT_MIN : DBL_MIN); /* subnormal numbers have fewer digits */
    int least = few ? 1 : bits == 24 ? 6 : 15, most = bits == 24 ? 9 : 17, exponent = 0;

    for (int count = least; count <= most; count++) {
        exponent = digits_of(d, count, digits);
        if (reads_back(d, digits, exponent, bits))
            break;
        if (count < most && next_up(digits) && reads_back(d, digits, exponent, bits))
            break;
    }
    for (size_t n = strlen(digits); n > 1 && digits[n - 1] == '0'; n--)
        digits[n - 1] = '\0';
    return exponent;
}

/* Most doubles of the world are cents, counts and the like: a whole number of few digits over a small power of
 * ten. Both are exact as doubles, and so their quotient is the double that the text reads back as; with at most 15 digits no
 * other text of so few does. false: not one of them. */
static bool print_short(struct ls_buf *out, double d)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    char digits[24] = "";
    struct ls_buf text = {.data = digits, .capacity = sizeof digits};
    size_t fraction = 0, whole;
    double n = 0;

    if (d < 1e-4 || d >= 1e15)
        return false;
    for (; fraction < sizeof powers / sizeof *powers; fraction++) {
        n = rint(d * powers[fraction]);
        if (n >= 1e15)
            return false;
        if (n / powers[fraction] == d)
            break;
    }
    if (fraction == sizeof powers / sizeof *powers)
        return false;
    ls_buf_i64(&text, (int64_t)n);
    whole = text.size > fraction ? text.size - fraction : 0;
    if (whole == 0)
        ls_buf_char(out, '0');
    ls_buf_add(out, digits, whole);
    if (fraction == 0)
        return true;
    ls_buf_char(out, '.');
    zeros(out, (int64_t)fraction - (int64_t)(text.size - whole));
    ls_buf_add(out, digits + whole, text.size - whole);
    return true;
}

void ls_decimal_from_double(struct ls_buf *out, double d, int bits)
{
    char digits[20];
    struct number n = {.kind = NUMBER, .whole = digits, .frac = ""};
    int exponent, limit = bits == 24 ? 6 : 15;

    if (isnan(d) || isinf(d)) {
        print_name(out, isnan(d) ? NOT_A_NUMBER : d > 0 ? PLUS_INFINITY : MINUS_INFINITY);
        return;
    }
    if (bits == 24)
        d = (double)(float)d;
    if (signbit(d))
        ls_buf_char(out, '-');
    if (d == 0) {
        ls_buf_char(out, '0');
        return;
    }
    if (bits == 53 && print_short(out, fabs(d)))
        return;
    exponent = shortest(fabs(d), bits, digits);
    n.whole_size = strlen(digits);
    n.count = n.whole_size;
    n.point = exponent + 1;
    if (exponent >= -4 && exponent < limit) {
        print_plain(out, &n, fraction_of(&n));
        return;
    }
    ls_buf_char(out, digits[0]);
    if (digits[1])
        ls_buf_printf(out, ".%s", digits + 1);
    ls_buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

/* Up to six digits no two texts are the same single, so that a short one needs no search. */
static bool few_digits(double d, float single, double *ret)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};

    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
        const double n = rint(d * powers[i]);

        if (fabs(n) >= 1e6)
            return false;
        *ret = n / powers[i];
        if ((float)*ret == single)
            return true;
    }
    return false;
}

double ls_decimal_from_single(float single)
{
    char digits[20];
    struct number n = {.kind = NUMBER, .whole = digits, .frac = ""};
    double d = single, ret;

    if (isnan(d) || isinf(d) || d == 0 || few_digits(d, single, &ret))
        return isnan(d) || isinf(d) || d == 0 ? d : ret;
    n.point = shortest(fabs(d), 24, digits) + 1;
    n.whole_size = strlen(digits);
    n.count = n.whole_size;
    ret = copysign(nearest(&n, 53), d);
    return (float)ret == single ? ret : d; /* rounded twice it may be the neighbour */
}

/* NaN with anything is NaN; infinities as PostgreSQL has them. false: both are numbers. */
static bool add_special(struct ls_buf *out, const struct number *a, const struct number *b)
{
    if (a->kind == NUMBER && b->kind == NUMBER)
        return false;
    if (a->kind == NOT_A_NUMBER || b->kind == NOT_A_NUMBER)
        print_name(out, NOT_A_NUMBER);
    else if (a->kind != NUMBER && b->kind != NUMBER && a->kind != b->kind)
        print_name(out, NOT_A_NUMBER);
    else
        print_name(out, a->kind != NUMBER ? a->kind : b->kind);
    return true;
}

/* The digit of a number at a power of ten. */
static int digit_at(const struct number *n, int64_t power)
{
    int64_t i = n->point - 1 - power;

    return i >= 0 && i < (int64_t)n->count ? digit(n, (size_t)i) - '0' : 0;
}

/* Appends the canonical form of digits times 10 to the power of `low`. */
static void print_result(struct ls_buf *out, const char *digits, size_t size, int64_t low,
                         bool negative)
{
    struct number n = {.kind = NUMBER, .negative = negative, .whole = digits, .frac = ""};

    n.whole_size = size;
    n.exponent = low;
    trim(&n);
    print_plain(out, &n, fraction_of(&n));
}

/* |a| + |b|, or |a| - |b| where |a| >= |b|. */
static void combine(struct ls_buf *out, const struct number *a, const struct number *b, bool minus,
                    bool negative)
{
    int64_t a_low = a->point - (int64_t)a->count, b_low = b->point - (int64_t)b->count;
    int64_t low = a_low < b_low ? a_low : b_low;
    int64_t high = a->point > b->point ? a->point : b->point;
    struct ls_buf sum;
    int carry = 0;

    if (high - low > LS_DECIMAL_MAX_DIGITS) {
        out->failed = true;
        return;
    }
    ls_buf_init(&sum, 0);
    zeros(&sum, high - low + 1);
    for (int64_t p = low; p <= high && !sum.failed; p++) {
        int d = digit_at(a, p) + (minus ? -digit_at(b, p) : digit_at(b, p)) + carry;

        carry = d < 0 ? -1 : d / 10;
        sum.data[high - p] = (char)('0' + d - carry * 10);
    }
    if (sum.failed)
        out->failed = true;
    else
        print_result(out, sum.data, sum.size, low, negative);
    ls_buf_done(&sum);
}

static void add(struct ls_buf *out, const struct number *a, const struct number *b)
{
    if (add_special(out, a, b))
        return;
    if (a->count == 0 || b->count == 0) {
        const struct number *n = a->count == 0 ? b : a;

        print_plain(out, n, fraction_of(n));
    } else if (a->negative == b->negative) {
        combine(out, a, b, false, a->negative);
    } else if (order_magnitude(a, b) >= 0) {
        combine(out, a, b, true, a->negative);
    } else {
        combine(out, b, a, true, b->negative);
    }
}

void ls_decimal_add(struct ls_buf *out, const char *a, size_t a_size, const char *b, size_t b_size)
{
    struct number l, r;

    view(a, a_size, &l);
    view(b, b_size, &r);
    add(out, &l, &r);
}

static void negate(struct number *n)
{
    if (n->kind == PLUS_INFINITY)
        n->kind = MINUS_INFINITY;
    else if (n->kind == MINUS_INFINITY)
        n->kind = PLUS_INFINITY;
    n->negative = n->count > 0 && !n->negative;
}

void ls_decimal_sub(struct ls_buf *out, const char *a, size_t a_size, const char *b, size_t b_size)
{
    struct number l, r;

    view(a, a_size, &l);
    view(b, b_size, &r);
    negate(&r);
    add(out, &l, &r);
}

static int sign(const struct number *n)
{
    if (n->kind != NUMBER)
        return n->kind == PLUS_INFINITY ? 1 : -1;
    return n->count == 0 ? 0 : n->negative ? -1 : 1;
}

static bool mul_special(struct ls_buf *out, const struct number *a, const struct number *b)
{
    int s = sign(a) * sign(b);

    if (a->kind == NUMBER && b->kind == NUMBER)
        return false;
    if (a->kind == NOT_A_NUMBER || b->kind == NOT_A_NUMBER || s == 0)
        print_name(out, NOT_A_NUMBER);
    else
        print_name(out, s > 0 ? PLUS_INFINITY : MINUS_INFINITY);
    return true;
}

/* The digits of n in limbs of nine, the lowest first. */
#define LIMB 1000000000u
static void limbs_of(const struct number *n, uint32_t *limbs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t end = n->count - 9 * i, from = end > 9 ? end - 9 : 0;

        limbs[i] = 0;
        for (size_t k = from; k < end; k++)
            limbs[i] = limbs[i] * 10 + (uint32_t)(digit(n, k) - '0');
    }
}

static void multiply(uint32_t *product, const uint32_t *a, size_t a_count, const uint32_t *b,
                     size_t b_count)
{
    for (size_t i = 0; i < a_count; i++) {
        uint64_t carry = 0;

        for (size_t k = 0; k < b_count; k++) {
            carry += product[i + k] + (uint64_t)a[i] * b[k];
            product[i + k] = (uint32_t)(carry % LIMB);
            carry /= LIMB;
        }
        product[i + b_count] = (uint32_t)carry;
    }
}

static void product_of(struct ls_buf *out, const struct number *a, const struct number *b)
{
    size_t a_count = (a->count + 8) / 9, b_count = (b->count + 8) / 9;
    int64_t low = a->point - (int64_t)a->count + b->point - (int64_t)b->count;
    struct ls_arena mem;
    struct ls_buf digits;
    uint32_t *limbs, *product;

    ls_arena_init(&mem, 0);
    ls_buf_init(&digits, 0);
    limbs = ls_arena_array(&mem, 2 * (a_count + b_count), sizeof *limbs);
    if (!limbs) {
        out->failed = true;
        goto done;
    }
    product = limbs + a_count + b_count;
    limbs_of(a, limbs, a_count);
    limbs_of(b, limbs + a_count, b_count);
    multiply(product, limbs, a_count, limbs + a_count, b_count);
    for (size_t i = a_count + b_count; i-- > 0;)
        ls_buf_printf(&digits, "%09u", product[i]);
    if (digits.failed)
        out->failed = true;
    else
        print_result(out, digits.data, digits.size, low, a->negative != b->negative);
done:
    ls_buf_done(&digits);
    ls_arena_done(&mem);
}

void ls_decimal_mul(struct ls_buf *out, const char *a, size_t a_size, const char *b, size_t b_size)
{
    struct number l, r;

    view(a, a_size, &l);
    view(b, b_size, &r);
    if (mul_special(out, &l, &r))
        return;
    if (l.count == 0 || r.count == 0)
        ls_buf_char(out, '0');
    else if (l.count > LS_DECIMAL_MAX_DIGITS || r.count > LS_DECIMAL_MAX_DIGITS)
        out->failed = true;
    else
        product_of(out, &l, &r);
}
