/* SPDX-License-Identifier: Apache-2.0 */
/* retry_expr.c - a pause as a formula: `pow(2, retried) * 1000`.
 *
 * QStash's clients send one in Upstash-Retry-Delay. It comes from whoever may publish, so it is held short: text and depth have a limit, and
 * one pass over the text computes it, without anything that could repeat. It is computed anew each time, which costs less than
 * keeping a compiled form with every delivery would.
 *
 *   sum     = product { (+|-) product }
 *   product = sign { (*|/|%) sign }
 *   sign    = { (+|-) } atom
 *   atom    = NUMBER | retried | NAME ( sum { , sum } ) | ( sum )
 *
 * Arithmetic is that of doubles: what overflows is infinite and becomes the longest pause, and what is no number (0/0) has
 * no value. Numbers are read without the locale. */
#include <math.h>
#include <string.h>

#include "event/retry.h"
#include "model/decimal.h"

#define TEXT_MAX 512
#define DEPTH_MAX 32
#define ARGUMENTS_MAX 2

struct reader {
    const char *text, *at;
    double retried;
    unsigned depth;
    const char *fault; /* NULL: none so far */
};

static double of_pow(const double v[])
{
    return pow(v[0], v[1]);
}
static double of_sqrt(const double v[])
{
    return sqrt(v[0]);
}
static double of_abs(const double v[])
{
    return fabs(v[0]);
}
static double of_exp(const double v[])
{
    return exp(v[0]);
}
static double of_floor(const double v[])
{
    return floor(v[0]);
}
static double of_ceil(const double v[])
{
    return ceil(v[0]);
}
static double of_round(const double v[])
{
    return round(v[0]);
}
static double of_min(const double v[])
{
    return v[0] < v[1] ? v[0] : v[1];
}
static double of_max(const double v[])
{
    return v[0] > v[1] ? v[0] : v[1];
}

static const struct function {
    const char *name;
    unsigned arguments;
    double (*of)(const double v[]);
} functions[] = {
    {"pow", 2, of_pow},     {"sqrt", 1, of_sqrt},   {"abs", 1, of_abs},
    {"exp", 1, of_exp},     {"floor", 1, of_floor}, {"ceil", 1, of_ceil},
    {"round", 1, of_round}, {"min", 2, of_min},     {"max", 2, of_max},
};

static double sum(struct reader *r);

static double fault(struct reader *r, const char *what)
{
    if (!r->fault)
        r->fault = what;
    return 0;
}

static char peek(struct reader *r)
{
    r->at += strspn(r->at, " \t");
    return r->fault ? '\0' : *r->at;
}

static bool take(struct reader *r, char c)
{
    if (peek(r) != c)
        return false;
    r->at++;
    return true;
}

/* Digits with a point among them; no sign, no exponent. */
static double number(struct reader *r)
{
    size_t length = strspn(r->at, "0123456789.");
    const char *start = r->at;

    if (!ls_decimal_valid(start, length))
        return fault(r, "a number is expected");
    r->at += length;
    return ls_decimal_to_double(start, length);
}

static double call(struct reader *r, const struct function *f)
{
    double v[ARGUMENTS_MAX] = {0};

    if (!take(r, '('))
        return fault(r, "( is expected behind the name of a function");
    for (unsigned i = 0; i < f->arguments; i++) {
        if (i && !take(r, ','))
            return fault(r, ", is expected");
        v[i] = sum(r);
    }
    if (!take(r, ')'))
        return fault(r, ") is expected");
    return f->of(v);
}

static double named(struct reader *r)
{
    size_t length = strspn(r->at, "abcdefghijklmnopqrstuvwxyz");
    const char *name = r->at;

    r->at += length;
    if (length == strlen("retried") && strncmp(name, "retried", length) == 0)
        return r->retried;
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (length == strlen(functions[i].name) && strncmp(name, functions[i].name, length) == 0)
            return call(r, &functions[i]);
    }
    r->at = name;
    return fault(r, "a number, `retried` or a function is expected");
}

static double atom(struct reader *r)
{
    char c = peek(r);
    double v;

    if ((c >= '0' && c <= '9') || c == '.')
        return number(r);
    if (c != '(')
        return named(r);
    r->at++;
    v = sum(r);
    return take(r, ')') ? v : fault(r, ") is expected");
}

static double sign(struct reader *r)
{
    double factor = 1;

    for (char c = peek(r); c == '-' || c == '+'; c = peek(r)) {
        if (c == '-')
            factor = -factor;
        r->at++;
    }
    return factor * atom(r);
}

static double product(struct reader *r)
{
    double v = sign(r);

    for (char c = peek(r); c == '*' || c == '/' || c == '%'; c = peek(r)) {
        double w;

        r->at++;
        w = sign(r);
        v = c == '*' ? v * w : c == '/' ? v / w : fmod(v, w);
    }
    return v;
}

static double sum(struct reader *r)
{
    double v;

    if (++r->depth > DEPTH_MAX)
        return fault(r, "it is nested too deeply");
    v = product(r);
    for (char c = peek(r); c == '+' || c == '-'; c = peek(r)) {
        double w;

        r->at++;
        w = product(r);
        v = c == '+' ? v + w : v - w;
    }
    r->depth--;
    return v;
}

static double whole(struct reader *r)
{
    double v;

    if (strnlen(r->text, TEXT_MAX + 1) > TEXT_MAX)
        return fault(r, "it is too long");
    v = sum(r);
    if (!r->fault && peek(r) != '\0')
        return fault(r, "an operator is expected");
    return v;
}

enum ls_code ls_retry_expression_check(const char *text, struct ls_error *err)
{
    struct reader r = {.text = text, .at = text};

    (void)whole(&r);
    if (!r.fault)
        return LS_OK;
    return ls_error_set(err, LS_USAGE, "a pause between attempts, at character %zu: %s",
                        (size_t)(r.at - text) + 1, r.fault);
}

int64_t ls_retry_expression_ms(const char *text, unsigned retried)
{
    struct reader r = {.text = text, .at = text, .retried = retried};
    double v = whole(&r);

    if (r.fault || isnan(v))
        return -1;
    if (v <= 0)
        return 0;
    return v < (double)LS_RETRY_DAY_MS ? (int64_t)v : LS_RETRY_DAY_MS;
}
