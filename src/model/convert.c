/* SPDX-License-Identifier: Apache-2.0 */
/* convert.c - a value as a field of another store holds it.
 *
 * Two steps: the value is brought to the field's type, then held against the field's limits. One small function
 * for each type, so that what may become a date stands in one place. Text is the bridge: what has no direct
 * way goes by its exact text, and is refused when the text is no value of the type.
 *
 * Exact or refused. The two exceptions are said beforehand by ls_convert_check() and change nothing that equality
 * looks at: digits of a second behind those that the field keeps, and the width of a double.
 *
 * A text becomes the nearest double, because that is what writing 0.1 means; a decimal only becomes a double that
 * is written the same, because it was exact before.
 *
 * Reasons are fixed texts. Values never stand in messages. */
#include "model/convert.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "model/decimal.h"
#include "model/jsontext.h"
#include "model/scan.h"

struct conversion {
    const struct ls_value *v;
    const struct ls_field *to;
    const struct ls_zone *zone;
    struct ls_arena *mem;
    struct ls_value *ret;
    struct ls_error *err;
};

static enum ls_code refuse(const struct conversion *c, const char *why)
{
    const char *native =
        c->to->native && *c->to->native ? c->to->native : ls_type_word(c->to->type);

    return ls_error_set(c->err, LS_TYPE, "%s does not fit %s: %s (field=%s)",
                        ls_type_word(c->v->type), native, why, c->to->name);
}

static enum ls_code give(const struct conversion *c, struct ls_value v)
{
    *c->ret = v;
    return LS_OK;
}

static enum ls_code give_whole(const struct conversion *c, int64_t i)
{
    return give(c, (struct ls_value){.type = c->to->type, .i = i});
}

/* The bytes as they are, as the field's type. */
static enum ls_code give_data(const struct conversion *c, const char *data, size_t size)
{
    return give(c, ls_value_data(c->to->type, data, size));
}

/* Takes over a buffer as data of the field's type, and frees it. */
static enum ls_code give_buf(const struct conversion *c, struct ls_buf *buf)
{
    const char *data = buf->failed ? NULL : ls_arena_text_n(c->mem, ls_buf_str(buf), buf->size);
    size_t size = buf->size;

    ls_buf_done(buf);
    if (!data)
        return ls_error_nomem(c->err);
    return give_data(c, data, size);
}

static bool is_text(enum ls_type type)
{
    return type == LS_T_TEXT || type == LS_T_NATIVE;
}

/* Reads the text as the field's type. */
static enum ls_code by_text(const struct conversion *c, const char *text, size_t size)
{
    struct ls_error why;
    enum ls_code rc = ls_value_from_text(c->to->type, text, size, c->mem, c->ret, &why);

    if (rc == LS_TYPE)
        return refuse(c, why.text);
    if (rc != LS_OK && c->err)
        *c->err = why;
    return rc;
}

/* Text, and JSON that is a number or true or false, as the field's type; others have no way. */
static enum ls_code scalar_by_text(const struct conversion *c)
{
    if (is_text(c->v->type) || c->v->type == LS_T_JSON)
        return by_text(c, c->v->data, c->v->size);
    return refuse(c, "there is no conversion between these types");
}

static enum ls_code by_text_only(const struct conversion *c)
{
    if (is_text(c->v->type))
        return by_text(c, c->v->data, c->v->size);
    return refuse(c, "there is no conversion between these types");
}

static enum ls_code print(const struct conversion *c)
{
    struct ls_buf text;

    ls_buf_init(&text, 0);
    ls_value_to_text(&text, c->v);
    return give_buf(c, &text);
}

/* A number as a whole one; false when it has a fraction or is out of range. */
static bool whole_of(const struct ls_value *v, int64_t *ret)
{
    if (v->type == LS_T_BOOL)
        *ret = v->b;
    else if (v->type == LS_T_INT)
        *ret = v->i;
    else if (v->type == LS_T_DECIMAL)
        return ls_decimal_to_i64(v->data, v->size, ret);
    else if (v->type == LS_T_DOUBLE && v->d >= -0x1p63 && v->d < 0x1p63 && v->d == floor(v->d))
        *ret = (int64_t)v->d;
    else
        return false;
    return true;
}

static bool is_number(enum ls_type type)
{
    return type == LS_T_BOOL || type == LS_T_INT || type == LS_T_DECIMAL || type == LS_T_DOUBLE;
}

static enum ls_code to_bool(const struct conversion *c)
{
    int64_t i;

    if (!is_number(c->v->type))
        return scalar_by_text(c);
    if (!whole_of(c->v, &i) || (i != 0 && i != 1))
        return refuse(c, "only 0 and 1 are booleans");
    return give(c, (struct ls_value){.type = LS_T_BOOL, .b = i == 1});
}

static enum ls_code to_int(const struct conversion *c)
{
    int64_t i;

    if (!is_number(c->v->type))
        return scalar_by_text(c);
    if (!whole_of(c->v, &i))
        return refuse(c, "it is not a whole number of 64 bits");
    return give_whole(c, i);
}

static enum ls_code to_decimal(const struct conversion *c)
{
    struct ls_buf shortest, plain;

    if (c->v->type == LS_T_BOOL)
        return give_data(c, c->v->b ? "1" : "0", 1);
    if (c->v->type == LS_T_INT)
        return print(c);
    if (c->v->type != LS_T_DOUBLE)
        return scalar_by_text(c);
    ls_buf_init(&shortest, 0);
    ls_buf_init(&plain, 0);
    ls_decimal_from_double(&shortest, c->v->d, 53);
    if (!shortest.failed)
        ls_decimal_plain(&plain, ls_buf_str(&shortest), shortest.size);
    plain.failed = plain.failed || shortest.failed;
    ls_buf_done(&shortest);
    return give_buf(c, &plain);
}

static int bits_of(const struct ls_field *field)
{
    return field->precision == 24 ? 24 : 53;
}

/* Whether the double, written as short as it reads back, is the decimal. */
static bool same_number(const struct ls_value *decimal, double d, int bits)
{
    struct ls_buf text;
    bool same;

    ls_buf_init(&text, 0);
    ls_decimal_from_double(&text, d, bits);
    same = !text.failed &&
           ls_decimal_order(decimal->data, decimal->size, ls_buf_str(&text), text.size) == 0;
    ls_buf_done(&text);
    return same;
}

static enum ls_code to_double(const struct conversion *c)
{
    int bits = bits_of(c->to);
    struct ls_value d = {.type = LS_T_DOUBLE};

    if (!is_number(c->v->type))
        return scalar_by_text(c);
    if (c->v->type == LS_T_BOOL) {
        d.d = c->v->b;
    } else if (c->v->type == LS_T_INT) {
        int64_t back;

        d.d = bits == 24 ? (double)(float)c->v->i : (double)c->v->i;
        if (!whole_of(&d, &back) || back != c->v->i)
            return refuse(c, "the integer has more digits than floating point keeps");
    } else {
        d.d = ls_decimal_to_double(c->v->data, c->v->size);
        if (!same_number(c->v, d.d, bits))
            return refuse(c, "the decimal has more digits than floating point keeps");
    }
    return give(c, d);
}

static enum ls_code to_text(const struct conversion *c)
{
    if (ls_type_has_data(c->v->type) && c->v->type != LS_T_BYTES && c->v->type != LS_T_UUID)
        return give_data(c, c->v->data, c->v->size);
    return print(c);
}

static enum ls_code to_bytes(const struct conversion *c)
{
    if (c->v->type == LS_T_UUID)
        return give_data(c, c->v->data, c->v->size);
    return by_text_only(c);
}

static enum ls_code to_uuid(const struct conversion *c)
{
    if (c->v->type != LS_T_BYTES)
        return by_text_only(c);
    if (c->v->size != 16)
        return refuse(c, "a UUID has 16 bytes");
    return give_data(c, c->v->data, c->v->size);
}

static enum ls_code to_json(const struct conversion *c)
{
    if (c->v->type == LS_T_DECIMAL) {
        int64_t high, low;

        if (!ls_decimal_span(c->v->data, c->v->size, &high, &low))
            return refuse(c, "JSON has no NaN and no infinities");
        return give_data(c, c->v->data, c->v->size);
    }
    if (c->v->type == LS_T_DOUBLE && !isfinite(c->v->d))
        return refuse(c, "JSON has no NaN and no infinities");
    if (is_number(c->v->type))
        return print(c);
    return by_text_only(c);
}

static bool infinite(int64_t i)
{
    return i == LS_TIME_INFINITY || i == LS_TIME_MINUS_INFINITY;
}

static enum ls_code refuse_zone(const struct conversion *c)
{
    return refuse(
        c, "a time without zone meets an absolute one. Set timezone: of the store whose times "
           "have no zone");
}

/* A time between the clock on the wall and UTC, as the field has it. `absolute`: what it is now. */
static enum ls_code give_time(const struct conversion *c, int64_t us, bool absolute)
{
    bool wanted = c->to->type == LS_T_TIMESTAMPTZ;

    if (!infinite(us) && absolute != wanted) {
        if (!c->zone)
            return refuse_zone(c);
        us = wanted ? ls_zone_to_utc(c->zone, us) : ls_zone_to_local(c->zone, us);
    }
    if (c->to->type != LS_T_DATE)
        return give_whole(c, us);
    if (infinite(us))
        return give_whole(c, us);
    if (us % LS_DAY_US != 0)
        return refuse(c, "the time of day would be lost");
    return give_whole(c, us / LS_DAY_US);
}

static enum ls_code give_day(const struct conversion *c, int64_t days)
{
    int64_t us = days;

    if (!infinite(days) && __builtin_mul_overflow(days, LS_DAY_US, &us))
        return refuse(c, "the year is out of range");
    return give_time(c, us, false);
}

/* TIMESTAMP and TIMESTAMPTZ; a text tells itself whether it has a zone. */
static enum ls_code to_timestamp(const struct conversion *c)
{
    bool absolute = c->to->type == LS_T_TIMESTAMPTZ;
    int64_t us;

    if (c->v->type == LS_T_DATE)
        return give_day(c, c->v->i);
    if (c->v->type == LS_T_TIMESTAMP || c->v->type == LS_T_TIMESTAMPTZ)
        return give_time(c, c->v->i, c->v->type == LS_T_TIMESTAMPTZ);
    if (is_text(c->v->type) && ls_scan_timestamp(c->v->data, c->v->size, &us, &absolute))
        return give_time(c, us, absolute);
    return by_text_only(c);
}

static enum ls_code to_date(const struct conversion *c)
{
    if (c->v->type == LS_T_TIMESTAMP || c->v->type == LS_T_TIMESTAMPTZ)
        return give_time(c, c->v->i, c->v->type == LS_T_TIMESTAMPTZ);
    return by_text_only(c);
}

typedef enum ls_code convert_fn(const struct conversion *c);
static convert_fn *const convert_to[LS_TYPE_COUNT] = {
    [LS_T_BOOL] = to_bool,           [LS_T_INT] = to_int,
    [LS_T_DECIMAL] = to_decimal,     [LS_T_DOUBLE] = to_double,
    [LS_T_TEXT] = to_text,           [LS_T_BYTES] = to_bytes,
    [LS_T_DATE] = to_date,           [LS_T_TIME] = by_text_only,
    [LS_T_TIMESTAMP] = to_timestamp, [LS_T_TIMESTAMPTZ] = to_timestamp,
    [LS_T_UUID] = to_uuid,           [LS_T_JSON] = to_json,
    [LS_T_NATIVE] = to_text,
};

static bool is_postgres(const struct ls_field *field)
{
    return field->engine && strcmp(field->engine, "postgres") == 0;
}

static enum ls_code fit_int(const struct conversion *c)
{
    static const struct {
        const char *native;
        int64_t min, max;
    } ranges[] = {{"smallint", INT16_MIN, INT16_MAX},
                  {"integer", INT32_MIN, INT32_MAX},
                  {"oid", 0, UINT32_MAX}};

    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (is_postgres(c->to) && strcmp(c->to->native, ranges[i].native) == 0 &&
            (c->ret->i < ranges[i].min || c->ret->i > ranges[i].max))
            return refuse(c, "the integer is out of range");
    return LS_OK;
}

/* precision and scale as PostgreSQL means them: numeric(4,-2) holds 123400 and nothing finer than hundreds. */
static enum ls_code fit_decimal(const struct conversion *c)
{
    const struct ls_field *to = c->to;
    bool limited = to->precision >= 0;
    int64_t high, low, scale = limited || to->scale > 0 ? to->scale : INT64_MAX / 2;

    if (!ls_decimal_span(c->ret->data, c->ret->size, &high, &low)) {
        if (limited && ls_decimal_order(c->ret->data, c->ret->size, "NaN", 3) != 0)
            return refuse(c, "infinity has more digits than the type keeps");
        return LS_OK;
    }
    if (-low > scale)
        return refuse(c, "digits behind the point would be lost");
    if (limited && high > to->precision - scale && high != low)
        return refuse(c, "it has more digits before the point than the type keeps");
    return LS_OK;
}

static enum ls_code fit_double(const struct conversion *c)
{
    double d = c->ret->d;

    if (bits_of(c->to) != 24)
        return LS_OK;
    if (isinf((float)d) && !isinf(d))
        return refuse(c, "the number is too large for single precision");
    /* An integer that passed is exact; of others the text that single precision has is kept. */
    if (c->v->type != LS_T_INT)
        c->ret->d = ls_decimal_from_single((float)d);
    return LS_OK;
}

static size_t count_characters(const char *text, size_t size)
{
    size_t count = 0;

    for (size_t i = 0; i < size; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

static enum ls_code fit_text(const struct conversion *c)
{
    const char *data = c->ret->data;
    size_t size = c->ret->size;

    if (is_postgres(c->to) && size && memchr(data, 0, size))
        return refuse(c, "PostgreSQL keeps no text with a NUL character");
    if (is_postgres(c->to) && ls_utf8_check(data, size) != size)
        return refuse(c, "the text is not valid UTF-8");
    if (c->to->type != LS_T_TEXT || c->to->precision < 0 || (c->to->flags & LS_FIELD_DYNAMIC))
        return LS_OK;
    if (c->to->flags &
        LS_FIELD_PADDED) /* blanks at the end are padding, which stores do not show */
        while (c->ret->size > 0 && data[c->ret->size - 1] == ' ')
            c->ret->size--;
    if (count_characters(data, c->ret->size) > (size_t)c->to->precision)
        return refuse(c, "the text is too long");
    return LS_OK;
}

static enum ls_code fit_json(const struct conversion *c)
{
    if (is_postgres(c->to) && strcmp(c->to->native, "jsonb") == 0 &&
        ls_json_has_nul(c->ret->data, c->ret->size))
        return refuse(c, "jsonb keeps neither \\u0000 nor half a surrogate pair");
    return LS_OK;
}

/* The limits of the field; SQLite enforces none. */
static enum ls_code fit(const struct conversion *c)
{
    switch (c->to->type) {
    case LS_T_INT:
        return fit_int(c);
    case LS_T_DECIMAL:
        return c->to->flags & LS_FIELD_DYNAMIC ? LS_OK : fit_decimal(c);
    case LS_T_DOUBLE:
        return fit_double(c);
    case LS_T_TEXT:
    case LS_T_NATIVE:
        return fit_text(c);
    case LS_T_JSON:
        return fit_json(c);
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
        if (c->to->scale >= 0)
            c->ret->i = ls_time_cut(c->ret->i, c->to->scale);
        return LS_OK;
    case LS_T_NULL:
    case LS_T_BOOL:
    case LS_T_BYTES:
    case LS_T_DATE:
    case LS_T_UUID:
    case LS_TYPE_COUNT:
        break;
    }
    return LS_OK;
}

/* A time of the years 294247 to 294276, which our 64 bits do not hold: PostgreSQL's own text of it. */
static bool is_far_future(const struct conversion *c)
{
    const char *text = c->v->data;
    size_t size = c->v->size;
    bool zoned = c->to->type == LS_T_TIMESTAMPTZ;

    if (c->v->type != LS_T_NATIVE || !is_postgres(c->to) ||
        (c->to->type != LS_T_TIMESTAMP && !zoned))
        return false;
    return size > 20 && memcmp(text, "2942", 4) == 0 && text[6] == '-' &&
           zoned == (memcmp(text + size - 3, "+00", 3) == 0);
}

static enum ls_code convert(const struct conversion *c)
{
    enum ls_code rc = LS_OK;

    if (is_far_future(c))
        return give(c, *c->v);
    if (c->v->type == c->to->type)
        *c->ret = *c->v;
    else
        rc = convert_to[c->to->type](c);
    return rc == LS_OK ? fit(c) : rc;
}

/* Types that SQLite stores as text: there a text keeps its spelling, 2024-01-05T10:00 its T. */
static bool keeps_spelling(enum ls_type type)
{
    return type == LS_T_DATE || type == LS_T_TIME || type == LS_T_TIMESTAMP ||
           type == LS_T_TIMESTAMPTZ || type == LS_T_UUID || type == LS_T_JSON;
}

/* What SQLite can store in any column. */
static bool storable(enum ls_type type)
{
    return type == LS_T_INT || type == LS_T_DOUBLE || type == LS_T_TEXT || type == LS_T_BYTES;
}

enum ls_code ls_value_convert(const struct ls_value *v, const struct ls_field *to,
                              const struct ls_zone *zone, struct ls_arena *mem,
                              struct ls_value *ret, struct ls_error *err)
{
    const struct ls_value from = *v; /* ret may be v */
    struct ls_value made = from;
    struct conversion c = {&from, to, zone, mem, &made, err};
    bool dynamic = (to->flags & LS_FIELD_DYNAMIC) != 0;
    enum ls_code rc = LS_OK;

    if (from.type != LS_T_NULL && to->type != LS_T_NULL && (size_t)to->type < LS_TYPE_COUNT &&
        !(dynamic && from.type == LS_T_TEXT && keeps_spelling(to->type)))
        rc = convert(&c);
    if (rc == LS_TYPE && dynamic && storable(from.type)) {
        made = from;
        rc = LS_OK;
    }
    if (rc == LS_OK)
        *ret = made;
    return rc;
}
