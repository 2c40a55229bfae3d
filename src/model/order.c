/* SPDX-License-Identifier: Apache-2.0 */
/* order.c - equality, order and canonical form of values, as one definition.
 *
 * A value under a `struct ls_as` has one normal form, and everything is said of the normal form: two values are
 * equal when it is the same, they are ordered as it is, and the canonical bytes write it down. So the three
 * cannot disagree, and equality is transitive even across types, because no pair is ever treated
 * on its own. docs/types.md says the same in words.
 *
 * The normal form has a rank. NULL comes first; then what could be brought to the common type; then what
 * could not and stays what it is: by type, then by value. The last is what SQLite needs, whose columns
 * hold what they like, and text fields that are held against numbers. A time that 64 bits of microseconds do not
 * reach (PostgreSQL's years 294247 to 294276) stays what it is too, and infinity comes behind it, as it does there.
 *
 * Numbers are compared as numbers, not as text, and without writing: a decimal is looked at where it
 * stands, an integer is printed into a small buffer of the normal form. Only JSON needs memory, when the bytes
 * differ. Two values of the common type, the usual case, are compared without a normal form.
 *
 * Not here: collations. Text is ordered by its bytes, so that every machine gives the same order. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/decimal.h"
#include "model/jsontext.h"
#include "model/scan.h"
#include "model/value.h"

enum rank { RANK_NULL, RANK_BROUGHT, RANK_STAYS, RANK_FOREVER };

enum shape {
    SHAPE_WHOLE,   /* i */
    SHAPE_REAL,    /* d, neither -0.0 nor a NaN of its own */
    SHAPE_DECIMAL, /* data: decimal text */
    SHAPE_BYTES,   /* data */
    SHAPE_HEX,     /* data: pairs of hex digits that stand for `size` bytes */
};

struct norm {
    enum rank rank;
    enum ls_type type; /* the common type, or its own when it stays */
    enum shape shape;
    size_t size;
    union {
        int64_t i;
        double d;
        const char *data; /* the value's, or `room`, or what `heap` holds */
    };
    char room[LS_PRINT_MAX];
    struct ls_buf heap;
};

static bool set_whole(struct norm *n, int64_t i)
{
    n->shape = SHAPE_WHOLE;
    n->i = i;
    return true;
}

static bool set_real(struct norm *n, double d, const struct ls_as *as)
{
    double rounded = as->bits == 24 ? (double)(float)d : d;

    if (isinf(rounded) && !isinf(d))
        return false; /* too large for single precision: no infinity */
    n->shape = SHAPE_REAL;
    n->d = isnan(rounded) ? (double)NAN : rounded == 0 ? 0.0 : rounded;
    return true;
}

static bool set_data(struct norm *n, enum shape shape, const char *data, size_t size)
{
    n->shape = shape;
    n->data = data;
    n->size = size;
    return true;
}

static bool set_room(struct norm *n, enum shape shape)
{
    return set_data(n, shape, n->room, strlen(n->room));
}

static bool is_text(const struct ls_value *v)
{
    return v->type == LS_T_TEXT || v->type == LS_T_NATIVE;
}

/* Doubles and integers as decimal text in room; the shortest text of a double is what it is as a decimal. */
static bool print_number(struct norm *n, const struct ls_value *v)
{
    if (v->type == LS_T_DOUBLE) {
        struct ls_buf text;

        ls_buf_init(&text, 0);
        ls_decimal_from_double(&text, v->d, 53);
        (void)snprintf(n->room, sizeof n->room, "%s", text.failed ? "NaN" : ls_buf_str(&text));
        ls_buf_done(&text);
    } else {
        struct ls_buf text = {.data = n->room, .capacity = sizeof n->room};

        ls_buf_i64(&text, v->type == LS_T_BOOL ? v->b : v->i);
    }
    return true;
}

static bool bring_whole(struct norm *n, const struct ls_value *v)
{
    int64_t i;

    if (v->type == LS_T_BOOL)
        return set_whole(n, v->b);
    if (v->type == LS_T_INT)
        return set_whole(n, v->i);
    if (v->type == LS_T_DOUBLE)
        return v->d >= -0x1p63 && v->d < 0x1p63 && v->d == floor(v->d) &&
               set_whole(n, (int64_t)v->d);
    if (!is_text(v) && v->type != LS_T_DECIMAL)
        return false;
    return ls_decimal_valid(v->data, v->size) && ls_decimal_to_i64(v->data, v->size, &i) &&
           set_whole(n, i);
}

static bool to_int(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    (void)as;
    return bring_whole(n, v);
}

static bool to_bool(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    bool b;

    (void)as;
    if (is_text(v))
        return ls_scan_bool(v->data, v->size, &b) && set_whole(n, b);
    return bring_whole(n, v) && (n->i == 0 || n->i == 1);
}

static bool to_decimal(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    (void)as;
    if (v->type == LS_T_BOOL || v->type == LS_T_INT || v->type == LS_T_DOUBLE)
        return print_number(n, v) && set_room(n, SHAPE_DECIMAL);
    if (!is_text(v) && v->type != LS_T_DECIMAL)
        return false;
    return ls_decimal_valid(v->data, v->size) && set_data(n, SHAPE_DECIMAL, v->data, v->size);
}

/* Infinity by name, not because the number was too large. */
static bool names_infinity(const char *text, size_t size)
{
    int whole, fraction;

    return !ls_decimal_digits(text, size, &whole, &fraction);
}

static bool to_double(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    double d;

    if (v->type == LS_T_BOOL)
        return set_real(n, v->b, as);
    if (v->type == LS_T_INT)
        return set_real(n, (double)v->i, as);
    if (v->type == LS_T_DOUBLE)
        return set_real(n, v->d, as);
    if ((!is_text(v) && v->type != LS_T_DECIMAL) || !ls_decimal_valid(v->data, v->size))
        return false;
    d = ls_decimal_to_double(v->data, v->size);
    return (!isinf(d) || names_infinity(v->data, v->size)) && set_real(n, d, as);
}

static bool to_text(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    (void)as;
    switch (v->type) {
    case LS_T_BOOL:
        return set_data(n, SHAPE_BYTES, v->b ? "true" : "false", v->b ? 4 : 5);
    case LS_T_INT:
    case LS_T_DOUBLE:
        return print_number(n, v) && set_room(n, SHAPE_BYTES);
    case LS_T_DATE:
        ls_print_date(n->room, v->i);
        return set_room(n, SHAPE_BYTES);
    case LS_T_TIME:
        ls_print_time(n->room, v->i);
        return set_room(n, SHAPE_BYTES);
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
        ls_print_timestamp(n->room, v->i, ' ', v->type == LS_T_TIMESTAMPTZ ? "+00" : "");
        return set_room(n, SHAPE_BYTES);
    case LS_T_UUID:
        if (v->size != 16)
            return false;
        ls_print_uuid(n->room, v->data);
        return set_room(n, SHAPE_BYTES);
    case LS_T_DECIMAL:
    case LS_T_TEXT:
    case LS_T_JSON:
    case LS_T_NATIVE:
        return set_data(n, SHAPE_BYTES, v->data, v->size);
    case LS_T_NULL:
    case LS_T_BYTES: /* a blob is no text: SQLite tells x'61' from 'a' */
    case LS_TYPE_COUNT:
        break;
    }
    return false;
}

static bool to_bytes(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    size_t size;

    (void)as;
    if (v->type == LS_T_BYTES || v->type == LS_T_UUID)
        return set_data(n, SHAPE_BYTES, v->data, v->size);
    return is_text(v) && ls_scan_hex(v->data, v->size, &size) &&
           set_data(n, SHAPE_HEX, v->data + 2, size);
}

static bool to_date(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    int64_t i;

    (void)as;
    if (v->type == LS_T_DATE)
        return set_whole(n, v->i);
    if (v->type == LS_T_TIMESTAMP) {
        if (v->i == LS_TIME_INFINITY || v->i == LS_TIME_MINUS_INFINITY)
            return set_whole(n, v->i);
        return v->i % LS_DAY_US == 0 && set_whole(n, v->i / LS_DAY_US);
    }
    return is_text(v) && ls_scan_date(v->data, v->size, &i) && set_whole(n, i);
}

static bool to_time(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    int64_t i;

    if (v->type == LS_T_TIME)
        return set_whole(n, ls_time_cut(v->i, as->fraction));
    return is_text(v) && ls_scan_time(v->data, v->size, &i) &&
           set_whole(n, ls_time_cut(i, as->fraction));
}

static bool to_timestamp(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    bool absolute = false;
    int64_t i;

    if (v->type == LS_T_TIMESTAMP)
        return set_whole(n, ls_time_cut(v->i, as->fraction));
    if (v->type == LS_T_DATE) {
        if (v->i == LS_TIME_INFINITY || v->i == LS_TIME_MINUS_INFINITY)
            return set_whole(n, v->i);
        return !__builtin_mul_overflow(v->i, LS_DAY_US, &i) && set_whole(n, i);
    }
    return is_text(v) && ls_scan_timestamp(v->data, v->size, &i, &absolute) && !absolute &&
           set_whole(n, ls_time_cut(i, as->fraction));
}

/* What has no zone is not brought here: only convert.c knows a zone. */
static bool to_timestamptz(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    bool absolute = true;
    int64_t i;

    if (v->type == LS_T_TIMESTAMPTZ)
        return set_whole(n, ls_time_cut(v->i, as->fraction));
    return is_text(v) && ls_scan_timestamp(v->data, v->size, &i, &absolute) && absolute &&
           set_whole(n, ls_time_cut(i, as->fraction));
}

static bool to_uuid(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    uint8_t bytes[16];

    (void)as;
    if (v->type == LS_T_UUID || (v->type == LS_T_BYTES && v->size == 16))
        return set_data(n, SHAPE_BYTES, v->data, v->size);
    if (!is_text(v) || !ls_scan_uuid(v->data, v->size, bytes))
        return false;
    memcpy(n->room, bytes, sizeof bytes);
    return set_data(n, SHAPE_BYTES, n->room, sizeof bytes);
}

static bool to_json(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    const char *text = v->data;
    size_t size = v->size;

    (void)as;
    if (v->type == LS_T_BOOL) {
        text = v->b ? "true" : "false";
        size = strlen(text);
    } else if (v->type == LS_T_INT || v->type == LS_T_DOUBLE) {
        print_number(n, v);
        text = n->room;
        size = strlen(text);
    } else if (!is_text(v) && v->type != LS_T_JSON && v->type != LS_T_DECIMAL) {
        return false;
    }
    ls_buf_init(&n->heap, 0);
    return ls_json_content(&n->heap, text, size) &&
           set_data(n, SHAPE_BYTES, n->heap.failed ? "" : ls_buf_str(&n->heap), n->heap.size);
}

static bool to_native(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    (void)as;
    return is_text(v) && set_data(n, SHAPE_BYTES, v->data, v->size);
}

typedef bool bring_fn(struct norm *n, const struct ls_value *v, const struct ls_as *as);
static bring_fn *const bring_to[LS_TYPE_COUNT] = {
    [LS_T_NULL] = NULL, /* no common type: each stays what it is */
    [LS_T_BOOL] = to_bool,
    [LS_T_INT] = to_int,
    [LS_T_DECIMAL] = to_decimal,
    [LS_T_DOUBLE] = to_double,
    [LS_T_TEXT] = to_text,
    [LS_T_BYTES] = to_bytes,
    [LS_T_DATE] = to_date,
    [LS_T_TIME] = to_time,
    [LS_T_TIMESTAMP] = to_timestamp,
    [LS_T_TIMESTAMPTZ] = to_timestamptz,
    [LS_T_UUID] = to_uuid,
    [LS_T_JSON] = to_json,
    [LS_T_NATIVE] = to_native,
};

static void stay(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    n->rank = RANK_STAYS;
    n->type = v->type;
    switch (v->type) {
    case LS_T_BOOL:
        set_whole(n, v->b);
        break;
    case LS_T_INT:
    case LS_T_DATE:
        set_whole(n, v->i);
        break;
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
        set_whole(n, ls_time_cut(v->i, as->fraction));
        break;
    case LS_T_DOUBLE:
        set_real(n, v->d, &(struct ls_as){.bits = 53});
        break;
    case LS_T_DECIMAL:
        set_data(n, ls_decimal_valid(v->data, v->size) ? SHAPE_DECIMAL : SHAPE_BYTES, v->data,
                 v->size);
        break;
    case LS_T_NULL:
    case LS_T_TEXT:
    case LS_T_BYTES:
    case LS_T_UUID:
    case LS_T_JSON:
    case LS_T_NATIVE:
    case LS_TYPE_COUNT:
        set_data(n, SHAPE_BYTES, v->data, v->size);
        break;
    }
}

static enum rank rank_of_time(int64_t i)
{
    return i == LS_TIME_INFINITY ? RANK_FOREVER : RANK_BROUGHT;
}

static void norm_init(struct norm *n, const struct ls_value *v, const struct ls_as *as)
{
    bring_fn *bring = as->type < LS_TYPE_COUNT ? bring_to[as->type] : NULL;

    n->heap = (struct ls_buf){.data = NULL};
    n->type = as->type;
    if (v->type == LS_T_NULL) {
        n->rank = RANK_NULL;
        set_whole(n, 0);
        return;
    }
    n->rank = RANK_BROUGHT;
    if (!bring || !bring(n, v, as))
        stay(n, v, as);
    else if (as->type == LS_T_TIMESTAMP || as->type == LS_T_TIMESTAMPTZ)
        n->rank = rank_of_time(n->i);
}

static void norm_done(struct norm *n)
{
    ls_buf_done(&n->heap);
}

static int order_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int order_real(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (isnan(a) != 0) - (isnan(b) != 0);
    return (a > b) - (a < b);
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static unsigned char byte_at(const struct norm *n, size_t i)
{
    if (n->shape == SHAPE_BYTES)
        return (unsigned char)n->data[i];
    return (unsigned char)(hex_digit(n->data[2 * i]) << 4 | hex_digit(n->data[2 * i + 1]));
}

static int order_bytes(const struct norm *a, const struct norm *b)
{
    size_t common = a->size < b->size ? a->size : b->size;
    int order = 0;

    if (a->shape == SHAPE_BYTES && b->shape == SHAPE_BYTES)
        order = common ? memcmp(a->data, b->data, common) : 0;
    else
        for (size_t i = 0; i < common && order == 0; i++)
            order = byte_at(a, i) - byte_at(b, i);
    if (order != 0)
        return order;
    return (a->size > b->size) - (a->size < b->size);
}

static int order_norm(const struct norm *a, const struct norm *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    if (a->shape == SHAPE_WHOLE && b->shape == SHAPE_WHOLE)
        return order_i64(a->i, b->i);
    if (a->shape == SHAPE_REAL && b->shape == SHAPE_REAL)
        return order_real(a->d, b->d);
    if (a->shape == SHAPE_DECIMAL && b->shape == SHAPE_DECIMAL)
        return ls_decimal_order(a->data, a->size, b->data, b->size);
    if (a->shape == SHAPE_DECIMAL || b->shape == SHAPE_DECIMAL) /* a damaged decimal comes last */
        return a->shape == SHAPE_DECIMAL ? -1 : 1;
    return order_bytes(a, b);
}

/* The order when both are of the common type and it needs no normal form; false: look closer. */
static bool order_same_type(const struct ls_value *a, const struct ls_value *b,
                            const struct ls_as *as, int *ret)
{
    size_t common;

    if (a->type != b->type || a->type != as->type)
        return false;
    switch (a->type) {
    case LS_T_NULL:
        *ret = 0;
        return true;
    case LS_T_BOOL:
        *ret = (int)a->b - (int)b->b;
        return true;
    case LS_T_INT:
    case LS_T_DATE:
        *ret = order_i64(a->i, b->i);
        return true;
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
        *ret = order_i64(ls_time_cut(a->i, as->fraction), ls_time_cut(b->i, as->fraction));
        return true;
    case LS_T_TEXT:
    case LS_T_BYTES:
    case LS_T_UUID:
    case LS_T_NATIVE:
        common = a->size < b->size ? a->size : b->size;
        *ret = common ? memcmp(a->data, b->data, common) : 0;
        if (*ret == 0)
            *ret = (a->size > b->size) - (a->size < b->size);
        return true;
    case LS_T_DECIMAL:
    case LS_T_DOUBLE:
    case LS_T_JSON:
    case LS_TYPE_COUNT:
        break;
    }
    return false;
}

/* On their own because a normal form is large, and the usual case shall not pay for its place on the stack. */
static __attribute__((noinline)) int order_by_norm(const struct ls_value *a,
                                                   const struct ls_value *b, const struct ls_as *as)
{
    struct norm l, r;
    int order;

    norm_init(&l, a, as);
    norm_init(&r, b, as);
    order = order_norm(&l, &r);
    norm_done(&r);
    norm_done(&l);
    return order;
}

int ls_value_order(const struct ls_value *a, const struct ls_value *b, const struct ls_as *as)
{
    int order;

    return order_same_type(a, b, as, &order) ? order : order_by_norm(a, b, as);
}

static bool same_data(const struct ls_value *a, const struct ls_value *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

bool ls_value_equal(const struct ls_value *a, const struct ls_value *b, const struct ls_as *as)
{
    if ((a->type == LS_T_NULL) != (b->type == LS_T_NULL))
        return false;
    if (a->type == b->type && ls_type_has_data(a->type)) {
        if (same_data(a, b))
            return true; /* the same bytes have the same normal form, whatever it is */
        if (a->type == as->type && as->type != LS_T_DECIMAL && as->type != LS_T_JSON)
            return false;
    }
    return ls_value_order(a, b, as) == 0;
}

static void canon_bytes(struct ls_buf *out, const struct norm *n)
{
    if (n->shape == SHAPE_BYTES) {
        ls_buf_bytes(out, n->data, n->size);
        return;
    }
    ls_buf_u32(out, (uint32_t)n->size);
    for (size_t i = 0; i < n->size; i++)
        ls_buf_u8(out, byte_at(n, i));
}

/* What begins the canonical form of all but NULL: how it stands to the common type, and of which type it is. */
static void canon_head(struct ls_buf *out, enum rank rank, enum ls_type type, bool decimal)
{
    const char head[2] = {(char)rank, (char)(type * 2 + decimal)};

    ls_buf_add(out, head, sizeof head);
}

/* The canonical form of a value that is its own normal form; false: look closer. */
static bool canon_same_type(struct ls_buf *out, const struct ls_value *v, const struct ls_as *as)
{
    if (v->type != as->type)
        return false;
    switch (v->type) {
    case LS_T_INT:
    case LS_T_DATE:
        canon_head(out, RANK_BROUGHT, v->type, false);
        ls_buf_u64(out, (uint64_t)v->i);
        return true;
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
        canon_head(out, rank_of_time(v->i), v->type, false);
        ls_buf_u64(out, (uint64_t)ls_time_cut(v->i, as->fraction));
        return true;
    case LS_T_TEXT:
    case LS_T_BYTES:
    case LS_T_NATIVE:
        canon_head(out, RANK_BROUGHT, v->type, false);
        ls_buf_bytes(out, v->data, v->size);
        return true;
    case LS_T_DECIMAL:
        if (!ls_decimal_valid(v->data, v->size))
            return false;
        canon_head(out, RANK_BROUGHT, v->type, true);
        ls_decimal_key(out, v->data, v->size);
        ls_buf_char(out, ';');
        return true;
    case LS_T_NULL:
    case LS_T_BOOL:
    case LS_T_DOUBLE:
    case LS_T_TIME:
    case LS_T_UUID:
    case LS_T_JSON:
    case LS_TYPE_COUNT:
        break;
    }
    return false;
}

static __attribute__((noinline)) void canon_by_norm(struct ls_buf *out, const struct ls_value *v,
                                                    const struct ls_as *as)
{
    struct norm n;
    uint64_t bits;

    norm_init(&n, v, as);
    if (n.heap.failed)
        out->failed = true;
    canon_head(out, n.rank, n.type, n.shape == SHAPE_DECIMAL);
    switch (n.shape) {
    case SHAPE_WHOLE:
        ls_buf_u64(out, (uint64_t)n.i);
        break;
    case SHAPE_REAL:
        memcpy(&bits, &n.d, sizeof bits);
        ls_buf_u64(out, bits);
        break;
    case SHAPE_DECIMAL:
        ls_decimal_key(out, n.data, n.size);
        ls_buf_char(out, ';');
        break;
    case SHAPE_BYTES:
    case SHAPE_HEX:
        canon_bytes(out, &n);
        break;
    }
    norm_done(&n);
}

void ls_value_canon(struct ls_buf *out, const struct ls_value *v, const struct ls_as *as)
{
    if (v->type == LS_T_NULL)
        ls_buf_u8(out, RANK_NULL);
    else if (!canon_same_type(out, v, as))
        canon_by_norm(out, v, as);
}

bool ls_values_equal(const struct ls_value *a, const struct ls_value *b, const struct ls_as *as,
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!ls_value_equal(&a[i], &b[i], &as[i]))
            return false;
    return true;
}

int ls_values_order(const struct ls_value *a, const struct ls_value *b, const struct ls_as *as,
                    size_t count)
{
    int order = 0;

    for (size_t i = 0; i < count && order == 0; i++)
        order = ls_value_order(&a[i], &b[i], &as[i]);
    return order;
}

void ls_values_canon(struct ls_buf *out, const struct ls_value *v, const struct ls_as *as,
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        ls_value_canon(out, &v[i], &as[i]);
}
