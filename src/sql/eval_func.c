/* SPDX-License-Identifier: Apache-2.0 */
/* eval_func.c - the functions by which SQLite compares and computes what it has no types for.
 *
 * Decimals, times and UUIDs reach SQLite as texts. Each function here brings its arguments to one type, which is part of
 * the function's name (ls_cmp: decimal; ls_cmp_date: date) and of its context, and then does what SQL says the operator
 * does, NULL included:
 *   cmp same in between nullif min max   for every exact type
 *   add sub mul abs round real           decimals only: exact, but `real`, which gives the nearest double
 *   cast                                 exact types, bool and json; refuses what is no such value
 *   grown                                tells an empty result of printf from one that was too large
 *   field                                its argument, as something that varies from record to record
 *   moment                               lets a time function's argument through unless it is 'now' or names the machine's zone
 *
 * A value that cannot be brought to the type (the text 'n/a' in a dynamic column of dates) is not an error in a
 * comparison: it differs from every value that can and comes after them, numbers before texts before blobs, as in
 * ls_value_order(). In arithmetic and casts it is an error, because any result would be an invention.
 *
 * All but `field` are deterministic and all see nothing but their arguments. Limits: arithmetic takes operands of at most MAX_DIGITS
 * bytes, since multiplying is quadratic in them, and exponents that do not blow up into that many zeros. */
#include "sql/eval_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "model/decimal.h"
#include "model/expr.h"

#define MAX_DIGITS 10000
#define WIDE 1000 /* what a format needs more than to come near the limit on length */
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* An argument brought to the type of the call. */
struct operand {
    bool fits;
    int rank;          /* of what does not fit: number, text, blob */
    struct ls_value v; /* in the type if it fits, else the bytes */
};

static struct ls_eval_context *context_of(sqlite3_context *call)
{
    return sqlite3_user_data(call);
}

static bool is_null(sqlite3_value *v)
{
    return sqlite3_value_type(v) == SQLITE_NULL;
}

static bool any_null(sqlite3_value **args, int count)
{
    for (int i = 0; i < count; i++)
        if (is_null(args[i]))
            return true;
    return false;
}

/* The argument's text, without blanks around it. */
static const char *text_of(sqlite3_value *arg, size_t *ret_size)
{
    const char *text = (const char *)sqlite3_value_text(arg);
    size_t size = (size_t)sqlite3_value_bytes(arg);

    if (!text)
        size = 0;
    for (; size > 0 && text[0] == ' '; size--)
        text++;
    while (size > 0 && text[size - 1] == ' ')
        size--;
    *ret_size = size;
    return text;
}

static bool decimal_of(struct ls_arena *mem, sqlite3_value *arg, struct ls_value *ret)
{
    struct ls_buf number;
    const char *text;
    size_t size;

    switch (sqlite3_value_type(arg)) {
    case SQLITE_FLOAT:
        ls_buf_init(&number, 2048);
        ls_decimal_from_double(&number, sqlite3_value_double(arg), 53);
        text = number.failed ? NULL : ls_arena_text_n(mem, ls_buf_str(&number), number.size);
        size = number.size;
        ls_buf_done(&number);
        break;
    case SQLITE_INTEGER:
    case SQLITE_TEXT:
        text = text_of(arg, &size);
        break;
    default:
        return false;
    }
    if (!text || !ls_decimal_valid(text, size))
        return false;
    *ret = ls_value_data(LS_T_DECIMAL, text, size);
    return true;
}

static bool bring(const struct ls_eval_context *ctx, sqlite3_value *arg, struct ls_value *ret)
{
    const char *text;
    size_t size;

    if (ctx->type == LS_T_DECIMAL)
        return decimal_of(ctx->scratch, arg, ret);
    if (sqlite3_value_type(arg) != SQLITE_TEXT)
        return false;
    text = text_of(arg, &size);
    return text && ls_expr_read(ctx->type, text, size, ctx->scratch, ret);
}

static struct operand operand_of(const struct ls_eval_context *ctx, sqlite3_value *arg)
{
    struct operand o = {.rank = 0};
    const int type = sqlite3_value_type(arg);
    const void *data;

    o.fits = bring(ctx, arg, &o.v);
    if (o.fits)
        return o;
    o.rank = type == SQLITE_BLOB ? 2 : type == SQLITE_TEXT;
    data = type == SQLITE_BLOB ? sqlite3_value_blob(arg) : sqlite3_value_text(arg);
    o.v = ls_value_data(LS_T_BYTES, data ? data : "", data ? (size_t)sqlite3_value_bytes(arg) : 0);
    return o;
}

static int order(const struct ls_eval_context *ctx, const struct operand *a,
                 const struct operand *b)
{
    const struct ls_as as = {.type = a->fits ? ctx->type : LS_T_BYTES, .fraction = 6, .bits = 53};

    if (a->fits != b->fits)
        return a->fits ? -1 : 1;
    if (!a->fits && a->rank != b->rank)
        return a->rank - b->rank;
    return ls_value_order(&a->v, &b->v, &as);
}

static int compare(const struct ls_eval_context *ctx, sqlite3_value *a, sqlite3_value *b)
{
    const struct operand left = operand_of(ctx, a), right = operand_of(ctx, b);

    return order(ctx, &left, &right);
}

static void fn_cmp(sqlite3_context *call, int count, sqlite3_value **args)
{
    if (!any_null(args, count))
        sqlite3_result_int(call, compare(context_of(call), args[0], args[1]));
}

/* a IS b */
static void fn_same(sqlite3_context *call, int count, sqlite3_value **args)
{
    if (any_null(args, count))
        sqlite3_result_int(call, is_null(args[0]) && is_null(args[1]));
    else
        sqlite3_result_int(call, compare(context_of(call), args[0], args[1]) == 0);
}

static void fn_in(sqlite3_context *call, int count, sqlite3_value **args)
{
    struct operand x;

    if (is_null(args[0]))
        return;
    x = operand_of(context_of(call), args[0]);
    for (int i = 1; i < count; i++) {
        const struct operand y = operand_of(context_of(call), args[i]);

        if (!is_null(args[i]) && order(context_of(call), &x, &y) == 0) {
            sqlite3_result_int(call, 1);
            return;
        }
    }
    if (!any_null(args, count))
        sqlite3_result_int(call, 0);
}

/* x BETWEEN low AND high: false as soon as one side is, whatever the other is. */
static void fn_between(sqlite3_context *call, int count, sqlite3_value **args)
{
    struct operand x, bound;
    bool inside = true;

    if (is_null(args[0]))
        return;
    x = operand_of(context_of(call), args[0]);
    for (int i = 1; i < 3; i++) {
        int side;

        if (is_null(args[i]))
            continue;
        bound = operand_of(context_of(call), args[i]);
        side = order(context_of(call), &x, &bound);
        inside = inside && (i == 1 ? side >= 0 : side <= 0);
    }
    if (!inside || !any_null(args, count))
        sqlite3_result_int(call, inside);
}

static void fn_nullif(sqlite3_context *call, int count, sqlite3_value **args)
{
    if (any_null(args, count) || compare(context_of(call), args[0], args[1]) != 0)
        sqlite3_result_value(call, args[0]);
}

static void extreme(sqlite3_context *call, int count, sqlite3_value **args, int sign)
{
    struct operand best;
    int at = 0;

    if (any_null(args, count))
        return;
    best = operand_of(context_of(call), args[0]);
    for (int i = 1; i < count; i++) {
        const struct operand x = operand_of(context_of(call), args[i]);

        if (order(context_of(call), &x, &best) * sign > 0) {
            best = x;
            at = i;
        }
    }
    sqlite3_result_value(call, args[at]);
}

static void fn_min(sqlite3_context *call, int count, sqlite3_value **args)
{
    extreme(call, count, args, -1);
}

static void fn_max(sqlite3_context *call, int count, sqlite3_value **args)
{
    extreme(call, count, args, 1);
}

static void result_buf(sqlite3_context *call, struct ls_buf *out)
{
    if (out->failed)
        sqlite3_result_error(call, "a number with too many digits", -1);
    else
        sqlite3_result_text(call, ls_buf_str(out), (int)out->size, SQLITE_TRANSIENT);
}

/* An exponent far from 0 stands for as many zeros. */
static bool is_small(const struct ls_value *v)
{
    const char *e = v->data;
    size_t left = v->size;

    if (v->size > MAX_DIGITS)
        return false;
    while (left > 0 && *e != 'e' && *e != 'E') {
        e++;
        left--;
    }
    return left == 0 || *v->data == 'I' ||
           (left < 8 && labs(strtol(e + 1, NULL, 10)) <= MAX_DIGITS);
}

static bool number_of(sqlite3_context *call, sqlite3_value *arg, struct ls_value *ret)
{
    char *copy;

    if (!decimal_of(context_of(call)->scratch, arg, ret)) {
        sqlite3_result_error(call, "decimal arithmetic with a value that is no number", -1);
        return false;
    }
    copy = ls_arena_text_n(context_of(call)->scratch, ret->data,
                           ret->size); /* ended, and not moved by SQLite */
    if (!copy) {
        sqlite3_result_error_nomem(call);
        return false;
    }
    ret->data = copy;
    if (!is_small(ret)) {
        sqlite3_result_error(call, "a number with too many digits", -1);
        return false;
    }
    return true;
}

typedef void arithmetic_fn(struct ls_buf *out, const char *a, size_t a_size, const char *b,
                           size_t b_size);

/* args[0] op args[1] op args[2]... */
static void fold(sqlite3_context *call, int count, sqlite3_value **args, arithmetic_fn *op)
{
    struct ls_buf sum, next;
    struct ls_value x;

    if (any_null(args, count))
        return;
    ls_buf_init(&sum, MAX_DIGITS * 3);
    ls_buf_init(&next, MAX_DIGITS * 3);
    for (int i = 0; i < count && !sum.failed && sum.size <= MAX_DIGITS; i++) {
        struct ls_buf swap = sum;

        if (!number_of(call, args[i], &x))
            goto done;
        ls_buf_reset(&next);
        if (i == 0)
            ls_decimal_canon(&next, x.data, x.size);
        else
            op(&next, ls_buf_str(&sum), sum.size, x.data, x.size);
        sum = next;
        next = swap;
    }
    sum.failed = sum.failed || sum.size > MAX_DIGITS;
    result_buf(call, &sum);
done:
    ls_buf_done(&next);
    ls_buf_done(&sum);
}

static void fn_add(sqlite3_context *call, int count, sqlite3_value **args)
{
    fold(call, count, args, ls_decimal_add);
}

static void fn_sub(sqlite3_context *call, int count, sqlite3_value **args)
{
    fold(call, count, args, ls_decimal_sub);
}

static void fn_mul(sqlite3_context *call, int count, sqlite3_value **args)
{
    fold(call, count, args, ls_decimal_mul);
}

static void fn_abs(sqlite3_context *call, int count, sqlite3_value **args)
{
    struct ls_value x;
    size_t skip;

    (void)count;
    if (is_null(args[0]) || !number_of(call, args[0], &x))
        return;
    skip = x.size > 0 && x.data[0] == '-';
    sqlite3_result_text(call, x.data + skip, (int)(x.size - skip), SQLITE_TRANSIENT);
}

/* To `digits` digits behind the point, halves away from zero. plain: canonical, without exponent. */
static void round_plain(struct ls_buf *out, const char *plain, size_t size, size_t digits)
{
    const char *point = memchr(plain, '.', size);
    const size_t keep = point ? (size_t)(point - plain) + 1 + digits : size;
    struct ls_buf step;

    if (!point || keep >= size) {
        ls_buf_add(out, plain, size);
        return;
    }
    if (plain[keep] < '5') {
        ls_decimal_canon(out, plain, digits ? keep : keep - 1);
        return;
    }
    ls_buf_init(&step, 0);
    ls_buf_printf(&step, "%s1e-%zu", plain[0] == '-' ? "-" : "", digits);
    ls_decimal_add(out, plain, digits ? keep : keep - 1, ls_buf_str(&step), step.size);
    out->failed = out->failed || step.failed;
    ls_buf_done(&step);
}

static void fn_round(sqlite3_context *call, int count, sqlite3_value **args)
{
    struct ls_buf plain, out;
    struct ls_value x;
    int64_t digits = count > 1 ? sqlite3_value_int64(args[1]) : 0;

    if (any_null(args, count) || !number_of(call, args[0], &x))
        return;
    digits = digits < 0 ? 0 : digits > MAX_DIGITS ? MAX_DIGITS : digits;
    ls_buf_init(&plain, MAX_DIGITS * 3);
    ls_buf_init(&out, MAX_DIGITS * 3);
    ls_decimal_canon(&plain, x.data, x.size);
    round_plain(&out, ls_buf_str(&plain) ? plain.data : "0", plain.size, (size_t)digits);
    out.failed = out.failed || plain.failed;
    result_buf(call, &out);
    ls_buf_done(&out);
    ls_buf_done(&plain);
}

/* The nearest double; what is no number as SQLite reads it. */
static void fn_real(sqlite3_context *call, int count, sqlite3_value **args)
{
    struct ls_value x;

    (void)count;
    if (is_null(args[0]))
        return;
    if (decimal_of(context_of(call)->scratch, args[0], &x))
        sqlite3_result_double(call, ls_decimal_to_double(x.data, x.size)); /* NaN becomes NULL */
    else
        sqlite3_result_double(call, sqlite3_value_double(args[0]));
}

static void bad_cast(sqlite3_context *call)
{
    char message[80];

    snprintf(message, sizeof message, "CAST of a value that is no %s",
             ls_type_word(context_of(call)->type));
    sqlite3_result_error(call, message, -1);
}

/* A moment's day. */
static bool day_of(sqlite3_value *arg, struct ls_arena *mem, struct ls_value *ret)
{
    size_t size;
    const char *text = text_of(arg, &size);
    const int64_t day_us = INT64_C(86400000000);

    if (!text || !ls_expr_read(LS_T_TIMESTAMPTZ, text, size, mem, ret))
        return false;
    ret->type = LS_T_DATE;
    if (ret->i != LS_TIME_INFINITY && ret->i != LS_TIME_MINUS_INFINITY)
        ret->i = ret->i / day_us - (ret->i % day_us < 0);
    return true;
}

static void cast_bool(sqlite3_context *call, sqlite3_value *arg)
{
    struct ls_value v;

    if (sqlite3_value_type(arg) == SQLITE_INTEGER || sqlite3_value_type(arg) == SQLITE_FLOAT)
        sqlite3_result_int(call, sqlite3_value_double(arg) != 0.0);
    else if (bring(context_of(call), arg, &v))
        sqlite3_result_int(call, v.b);
    else
        bad_cast(call);
}

static void fn_cast(sqlite3_context *call, int count, sqlite3_value **args)
{
    struct ls_eval_context *ctx = context_of(call);
    struct ls_value v;
    struct ls_buf out;

    (void)count;
    if (is_null(args[0]))
        return;
    if (ctx->type == LS_T_BOOL) {
        cast_bool(call, args[0]);
        return;
    }
    if (!bring(ctx, args[0], &v) &&
        !(ctx->type == LS_T_DATE && sqlite3_value_type(args[0]) == SQLITE_TEXT &&
          day_of(args[0], ctx->scratch, &v))) {
        bad_cast(call);
        return;
    }
    ls_buf_init(&out, 0);
    ls_expr_write(&out, &v);
    result_buf(call, &out);
    ls_buf_done(&out);
}

static void fn_moment(sqlite3_context *call, int count, sqlite3_value **args)
{
    static const char *const words[] = {"now", "localtime", "utc", "subsec", "subsecond"};
    const char *text = NULL;
    size_t size = 0;

    (void)count;
    if (sqlite3_value_type(args[0]) == SQLITE_TEXT)
        text = text_of(args[0], &size);
    for (size_t i = 0; text && i < COUNT(words); i++)
        if (size == strlen(words[i]) && strncasecmp(text, words[i], size) == 0) {
            sqlite3_result_error(call, "a time that depends on the clock or the machine's zone",
                                 -1);
            return;
        }
    sqlite3_result_value(call, args[0]);
}

/* The largest number written in a format: a width or a precision. */
static int64_t largest_number(const char *format)
{
    int64_t largest = 0, n = 0;

    for (const char *c = format; *c; c++) {
        n = *c >= '0' && *c <= '9' ? n * 10 + (*c - '0') : 0;
        if (n > WIDE)
            return n;
        if (n > largest)
            largest = n;
    }
    return largest;
}

/* printf(format, ...), format, ...: printf gives NULL where its result passes the limit, and where it is empty. What is
 * empty had no wide field and no long argument. */
static void fn_grown(sqlite3_context *call, int count, sqlite3_value **args)
{
    const char *format = count > 1 ? (const char *)sqlite3_value_text(args[1]) : NULL;
    int64_t bytes = 0, width;

    if (!is_null(args[0]) || !format) {
        sqlite3_result_value(call, args[0]);
        return;
    }
    width = largest_number(format);
    for (int i = 1; i < count; i++) {
        const int64_t n = strchr(format, '*') ? sqlite3_value_int64(args[i]) : 0;

        if (n > WIDE || n < -WIDE)
            width = WIDE + 1;
        bytes += sqlite3_value_bytes(args[i]);
    }
    if (width > WIDE || bytes > WIDE)
        sqlite3_result_error_toobig(call);
}

static void fn_field(sqlite3_context *call, int count, sqlite3_value **args)
{
    (void)count;
    sqlite3_result_value(call, args[0]);
}

typedef void sql_fn(sqlite3_context *call, int count, sqlite3_value **args);

#define TYPES_EXACT                                                                  \
    (1U << LS_T_DECIMAL | 1U << LS_T_DATE | 1U << LS_T_TIME | 1U << LS_T_TIMESTAMP | \
     1U << LS_T_TIMESTAMPTZ | 1U << LS_T_UUID)
#define TYPES_DECIMAL (1U << LS_T_DECIMAL)
/* The type stands behind the name (ls_cmp_date) but for decimals where that is the plain one. */
static const struct {
    const char *name;
    int args;
    unsigned types;
    bool always_typed;
    sql_fn *fn;
} functions[] = {
    {"cmp", 2, TYPES_EXACT, false, fn_cmp},
    {"same", 2, TYPES_EXACT, false, fn_same},
    {"in", -1, TYPES_EXACT, false, fn_in},
    {"between", 3, TYPES_EXACT, false, fn_between},
    {"nullif", 2, TYPES_EXACT, false, fn_nullif},
    {"min", -1, TYPES_EXACT, false, fn_min},
    {"max", -1, TYPES_EXACT, false, fn_max},
    {"add", -1, TYPES_DECIMAL, false, fn_add},
    {"sub", -1, TYPES_DECIMAL, false, fn_sub},
    {"mul", -1, TYPES_DECIMAL, false, fn_mul},
    {"abs", 1, TYPES_DECIMAL, false, fn_abs},
    {"round", -1, TYPES_DECIMAL, false, fn_round},
    {"real", 1, TYPES_DECIMAL, false, fn_real},
    {"field", 1, TYPES_DECIMAL, false, fn_field},
    {"moment", 1, TYPES_DECIMAL, false, fn_moment},
    {"grown", -1, TYPES_DECIMAL, false, fn_grown},
    {"cast", 1, TYPES_EXACT | 1U << LS_T_BOOL | 1U << LS_T_JSON, true, fn_cast},
};

static int register_one(sqlite3 *db, size_t i, struct ls_eval_context *ctx)
{
    const bool typed = functions[i].always_typed || ctx->type != LS_T_DECIMAL;
    const int same = functions[i].fn == fn_field ? 0 : SQLITE_DETERMINISTIC;
    char name[64];

    snprintf(name, sizeof name, "ls_%s%s%s", functions[i].name, typed ? "_" : "",
             typed ? ls_type_word(ctx->type) : "");
    return sqlite3_create_function_v2(db, name, functions[i].args,
                                      SQLITE_UTF8 | SQLITE_INNOCUOUS | same, ctx, functions[i].fn,
                                      NULL, NULL, NULL);
}

int ls_eval_register(sqlite3 *db, struct ls_eval_context *contexts)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; rc == SQLITE_OK && i < COUNT(functions); i++)
        for (unsigned type = 0; rc == SQLITE_OK && type < LS_TYPE_COUNT; type++)
            if (functions[i].types & 1U << type)
                rc = register_one(db, i, &contexts[type]);
    return rc;
}
