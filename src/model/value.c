/* SPDX-License-Identifier: Apache-2.0 */
/* value.c - values: the table of types, making and copying, text and back.
 *
 * The text form is PostgreSQL's (UTC, ISO dates, extra_float_digits 3, bytea as hex), because it is exact
 * for every type, sorts out infinities and years before Christ, and a server takes it as it is. Booleans are
 * written true and false, as a cast to text gives them.
 *
 * Reading is exact or refused: nothing is rounded to what the type can hold. How values are compared
 * stands in order.c. */
#include "model/value.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "model/decimal.h"
#include "model/jsontext.h"
#include "model/scan.h"

#define X(name, word) word,
static const char *const words[] = {LS_TYPES(X)};
#undef X

const char *ls_type_word(enum ls_type type)
{
    return (size_t)type < LS_TYPE_COUNT ? words[type] : "unknown";
}

bool ls_type_from_word(const char *word, enum ls_type *ret)
{
    for (int i = 0; i < LS_TYPE_COUNT; i++)
        if (strcmp(words[i], word) == 0) {
            *ret = (enum ls_type)i;
            return true;
        }
    return false;
}

struct ls_value ls_value_null(void)
{
    return (struct ls_value){.type = LS_T_NULL};
}

struct ls_value ls_value_int(int64_t i)
{
    return (struct ls_value){.type = LS_T_INT, .i = i};
}

struct ls_value ls_value_text(const char *nul_ended)
{
    return ls_value_data(LS_T_TEXT, nul_ended, strlen(nul_ended));
}

struct ls_value ls_value_data(enum ls_type type, const void *p, size_t size)
{
    return (struct ls_value){.type = type, .size = (uint32_t)size, .data = p};
}

bool ls_value_copy(struct ls_arena *mem, const struct ls_value *v, struct ls_value *ret)
{
    struct ls_value copy = *v;

    if (ls_type_has_data(v->type)) {
        copy.data = v->size ? ls_arena_copy(mem, v->data, v->size) : "";
        if (!copy.data)
            return false;
    }
    *ret = copy;
    return true;
}

bool ls_values_copy(struct ls_arena *mem, const struct ls_value *values, size_t count,
                    struct ls_value *ret, size_t *ret_bytes)
{
    size_t bytes = 0;
    char *at = NULL;

    for (size_t i = 0; i < count; i++)
        bytes += ls_type_has_data(values[i].type) ? values[i].size : 0;
    if (bytes && !(at = ls_arena_room(mem, bytes)))
        return false;
    for (size_t i = 0; i < count; i++) {
        ret[i] = values[i];
        if (!ls_type_has_data(values[i].type))
            continue;
        ret[i].data = values[i].size ? memcpy(at, values[i].data, values[i].size) : "";
        at += values[i].size;
    }
    if (ret_bytes)
        *ret_bytes = bytes;
    return true;
}

static void uuid_to_text(struct ls_buf *out, const struct ls_value *v)
{
    char text[37];

    if (v->size == 16) {
        ls_print_uuid(text, v->data);
        ls_buf_text(out, text);
    } else {
        ls_text_hex(out, v->data, v->size);
    }
}

void ls_value_to_text(struct ls_buf *out, const struct ls_value *v)
{
    char text[LS_PRINT_MAX];

    switch (v->type) {
    case LS_T_NULL:
        break;
    case LS_T_BOOL:
        ls_buf_text(out, v->b ? "true" : "false");
        break;
    case LS_T_INT:
        ls_buf_i64(out, v->i);
        break;
    case LS_T_DOUBLE:
        ls_decimal_from_double(out, v->d, 53);
        break;
    case LS_T_BYTES:
        ls_buf_text(out, "\\x");
        ls_text_hex(out, v->data, v->size);
        break;
    case LS_T_DATE:
        ls_print_date(text, v->i);
        ls_buf_text(out, text);
        break;
    case LS_T_TIME:
        ls_print_time(text, v->i);
        ls_buf_text(out, text);
        break;
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
        ls_print_timestamp(text, v->i, ' ', v->type == LS_T_TIMESTAMPTZ ? "+00" : "");
        ls_buf_text(out, text);
        break;
    case LS_T_UUID:
        uuid_to_text(out, v);
        break;
    case LS_T_DECIMAL:
    case LS_T_TEXT:
    case LS_T_JSON:
    case LS_T_NATIVE:
    case LS_TYPE_COUNT:
        ls_buf_add(out, v->data, v->size);
        break;
    }
}

static bool is_infinite(const char *text, size_t size)
{
    int a, b;

    return !ls_decimal_digits(text, size, &a, &b);
}

/* Takes over what buf holds; false when out of memory. */
static bool keep(struct ls_buf *buf, enum ls_type type, struct ls_arena *mem, struct ls_value *ret)
{
    char *data = buf->failed ? NULL : ls_arena_text_n(mem, ls_buf_str(buf), buf->size);

    if (data)
        *ret = ls_value_data(type, data, buf->size);
    return data != NULL;
}

/* What reading a text came to. */
enum reading { READ, NOT_ONE, NO_MEMORY };

static enum reading read_decimal(const char *text, size_t size, struct ls_arena *mem,
                                 struct ls_value *ret)
{
    struct ls_buf plain;
    bool kept;
    int whole, fraction;

    if (!ls_decimal_valid(text, size))
        return NOT_ONE;
    if (ls_decimal_digits(text, size, &whole, &fraction) &&
        (whole > LS_DECIMAL_MAX_DIGITS || fraction > LS_DECIMAL_MAX_DIGITS ||
         whole + fraction > LS_DECIMAL_MAX_DIGITS))
        return NOT_ONE;
    ls_buf_init(&plain, 0);
    ls_decimal_plain(&plain, text, size);
    if (plain.failed) { /* zeros by the million behind the point */
        ls_buf_reset(&plain);
        ls_decimal_canon(&plain, text, size);
    }
    kept = keep(&plain, LS_T_DECIMAL, mem, ret);
    ls_buf_done(&plain);
    return kept ? READ : NO_MEMORY;
}

/* Text that is a number, but above all doubles, is no double. */
static enum reading read_double(const char *text, size_t size, struct ls_value *ret)
{
    double d;

    if (!ls_decimal_valid(text, size))
        return NOT_ONE;
    d = ls_decimal_to_double(text, size);
    if (isinf(d) && !is_infinite(text, size))
        return NOT_ONE;
    if (d == 0 && text[0] == '-')
        d = -0.0;
    *ret = (struct ls_value){.type = LS_T_DOUBLE, .d = d};
    return READ;
}

static enum reading read_bytes(const char *text, size_t size, struct ls_arena *mem,
                               struct ls_value *ret)
{
    struct ls_buf bytes;
    size_t count;
    bool kept;

    if (!ls_scan_hex(text, size, &count))
        return NOT_ONE;
    ls_buf_init(&bytes, 0);
    (void)ls_text_unhex(&bytes, text + 2, size - 2);
    kept = keep(&bytes, LS_T_BYTES, mem, ret);
    ls_buf_done(&bytes);
    return kept ? READ : NO_MEMORY;
}

static enum reading read_uuid(const char *text, size_t size, struct ls_arena *mem,
                              struct ls_value *ret)
{
    uint8_t bytes[16];
    void *data;

    if (!ls_scan_uuid(text, size, bytes))
        return NOT_ONE;
    data = ls_arena_copy(mem, bytes, sizeof bytes);
    if (!data)
        return NO_MEMORY;
    *ret = ls_value_data(LS_T_UUID, data, sizeof bytes);
    return READ;
}

static enum reading read_text(enum ls_type type, const char *text, size_t size,
                              struct ls_arena *mem, struct ls_value *ret)
{
    const struct ls_value v = ls_value_data(type, text, size);

    if (size > UINT32_MAX || ls_utf8_check(text, size) != size)
        return NOT_ONE;
    if (type == LS_T_JSON && !ls_json_valid(text, size))
        return NOT_ONE;
    return ls_value_copy(mem, &v, ret) ? READ : NO_MEMORY;
}

/* The types whose values are numbers of 64 bits. */
static bool read_whole(enum ls_type type, const char *text, size_t size, int64_t *ret)
{
    bool absolute = type == LS_T_TIMESTAMPTZ;

    if (type == LS_T_INT)
        return ls_decimal_valid(text, size) && ls_decimal_to_i64(text, size, ret);
    if (type == LS_T_DATE)
        return ls_scan_date(text, size, ret);
    if (type == LS_T_TIME)
        return ls_scan_time(text, size, ret);
    return ls_scan_timestamp(text, size, ret, &absolute) && absolute == (type == LS_T_TIMESTAMPTZ);
}

static enum reading read_value(enum ls_type type, const char *text, size_t size,
                               struct ls_arena *mem, struct ls_value *ret)
{
    struct ls_value v = {.type = type};

    switch (type) {
    case LS_T_NULL:
        if (size != 0)
            return NOT_ONE;
        break;
    case LS_T_BOOL:
        if (!ls_scan_bool(text, size, &v.b))
            return NOT_ONE;
        break;
    case LS_T_INT:
    case LS_T_DATE:
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
        if (!read_whole(type, text, size, &v.i))
            return NOT_ONE;
        break;
    case LS_T_DECIMAL:
        return read_decimal(text, size, mem, ret);
    case LS_T_DOUBLE:
        return read_double(text, size, ret);
    case LS_T_BYTES:
        return read_bytes(text, size, mem, ret);
    case LS_T_UUID:
        return read_uuid(text, size, mem, ret);
    case LS_T_TEXT:
    case LS_T_JSON:
    case LS_T_NATIVE:
    case LS_TYPE_COUNT:
        return read_text(type, text, size, mem, ret);
    }
    *ret = v;
    return READ;
}

/* What a text of the type looks like, for the message. */
static const char *const forms[] = {
    [LS_T_NULL] = "nothing",
    [LS_T_BOOL] = "true or false",
    [LS_T_INT] = "a whole number of 64 bits",
    [LS_T_DECIMAL] = "a number like -12.50, of at most 147455 digits",
    [LS_T_DOUBLE] = "a number like 1.5e-3 in the range of doubles",
    [LS_T_TEXT] = "valid UTF-8",
    [LS_T_BYTES] = "\\x and hex digits",
    [LS_T_DATE] = "a date like 2024-02-29",
    [LS_T_TIME] = "a time like 23:59:59.999999",
    [LS_T_TIMESTAMP] = "a timestamp like 2024-02-29 23:59:59.999999, without a zone",
    [LS_T_TIMESTAMPTZ] = "a timestamp with its zone, like 2024-02-29 23:59:59+00",
    [LS_T_UUID] = "a UUID of 32 hex digits",
    [LS_T_JSON] = "valid JSON",
    [LS_T_NATIVE] = "valid UTF-8",
};

enum ls_code ls_value_from_text(enum ls_type type, const char *text, size_t size,
                                struct ls_arena *mem, struct ls_value *ret, struct ls_error *err)
{
    enum reading r = read_value(type, text, size, mem, ret);

    if (r == NO_MEMORY)
        return ls_error_nomem(err);
    if (r == NOT_ONE)
        return ls_error_set(err, LS_TYPE, "the text is no %s: expected %s", ls_type_word(type),
                            forms[type]);
    return LS_OK;
}
