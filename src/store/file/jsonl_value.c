/* SPDX-License-Identifier: Apache-2.0 */
/* jsonl_value.c - a value as a member of a JSON Lines object, and back.
 *
 * JSON has four kinds of scalars, lockstep fourteen types. Booleans and numbers are written as such, JSON values as they are; all
 * else is a string that holds the value's text form, as in a CSV file: `2024-02-29 12:00:00+00`, a UUID, `\x00ff` for
 * bytes, `NaN` and `Infinity` for what JSON has no number for. The text form and not base64 or the T and Z of RFC 3339, because
 * then a file whose types nobody knows any more still compares as equal with the columns it came from.
 *
 * Reading undoes it by the type of the field. A number is taken for a DOUBLE only when the double nearest to it is written the same, so
 * that reading and writing a file never rounds.
 *
 * Refused: JSON's null as a JSON value, which would be no value at all when it is read; texts that are not UTF-8; JSON that is none. */
#include "store/file/jsonl_value.h"

#include <string.h>

#include "base/text.h"
#include "model/decimal.h"
#include "model/jsontext.h"

static bool keep(struct ls_arena *mem, enum ls_type type, const struct ls_buf *text,
                 struct ls_value *ret)
{
    const void *copy = text->failed ? NULL : ls_arena_copy(mem, ls_buf_str(text), text->size);

    if (copy)
        *ret = ls_value_data(type, copy, text->size);
    return copy != NULL;
}

/* The member as JSON text. */
static bool read_json(const struct ls_value *member, struct ls_arena *mem, struct ls_value *ret)
{
    struct ls_buf text;
    bool ok;

    ls_buf_init(&text, 0);
    if (member->type == LS_T_TEXT)
        ls_text_json(&text, member->data, member->size);
    else
        ls_value_to_text(&text, member);
    ok = keep(mem, LS_T_JSON, &text, ret);
    ls_buf_done(&text);
    return ok;
}

static bool read_decimal(int64_t i, struct ls_arena *mem, struct ls_value *ret)
{
    const struct ls_value number = ls_value_int(i);
    struct ls_buf text;
    bool ok;

    ls_buf_init(&text, 0);
    ls_value_to_text(&text, &number);
    ok = keep(mem, LS_T_DECIMAL, &text, ret);
    ls_buf_done(&text);
    return ok;
}

static bool read_double(const struct ls_value *member, struct ls_value *ret, bool *ret_fits)
{
    struct ls_buf text, again;
    double d;
    bool ok;

    ls_buf_init(&text, 0);
    ls_buf_init(&again, 0);
    ls_value_to_text(&text, member);
    ok = !text.failed;
    if (ok) {
        d = ls_decimal_to_double(text.data, text.size);
        ls_decimal_from_double(&again, d, 53);
        ok = !again.failed;
        *ret_fits = ok && ls_decimal_order(text.data, text.size, again.data, again.size) == 0;
        if (*ret_fits)
            *ret = (struct ls_value){.type = LS_T_DOUBLE, .d = d};
    }
    ls_buf_done(&text);
    ls_buf_done(&again);
    return ok;
}

bool jsonl_value_read(const struct ls_value *member, const struct ls_field *field,
                      struct ls_arena *mem, struct ls_value *ret, bool *ret_fits)
{
    const enum ls_type from = member->type, to = field->type;
    struct ls_error err;

    *ret = *member;
    *ret_fits = from == LS_T_NULL || from == to || (field->flags & LS_FIELD_DYNAMIC);
    if (*ret_fits)
        return true;
    if (to == LS_T_JSON) {
        *ret_fits = true;
        return read_json(member, mem, ret);
    }
    if (to == LS_T_DECIMAL && from == LS_T_INT) {
        *ret_fits = true;
        return read_decimal(member->i, mem, ret);
    }
    if (to == LS_T_DOUBLE && (from == LS_T_INT || from == LS_T_DECIMAL))
        return read_double(member, ret, ret_fits);
    if (from == LS_T_TEXT && to != LS_T_BOOL && to != LS_T_INT) {
        const enum ls_code rc = ls_value_from_text(to, member->data, member->size, mem, ret, &err);

        *ret_fits = rc == LS_OK;
        if (rc != LS_OK)
            *ret = *member;
        return rc != LS_NOMEM;
    }
    return true;
}

/* Line ends between the tokens would end the line; inside of strings JSON has them escaped. */
static void write_json(struct ls_buf *out, const struct ls_value *v)
{
    const size_t from = out->size;

    ls_buf_add(out, v->data, v->size);
    for (size_t i = from; i < out->size; i++)
        if (out->data[i] == '\n' || out->data[i] == '\r')
            out->data[i] = ' ';
}

static bool is_number(const struct ls_value *v)
{
    return v->type == LS_T_INT ||
           (v->type == LS_T_DOUBLE && v->d - v->d == 0) || /* neither NaN nor infinite */
           (v->type == LS_T_DECIMAL && v->size && strchr(".0123456789", v->data[v->size - 1]) &&
            v->data[v->size - 1]);
}

void jsonl_value_write(struct ls_buf *out, const struct ls_value *v)
{
    struct ls_buf text;

    if (v->type == LS_T_NULL) {
        ls_buf_text(out, "null");
    } else if (v->type == LS_T_JSON) {
        write_json(out, v);
    } else if (v->type == LS_T_TEXT || v->type == LS_T_NATIVE) {
        ls_text_json(out, v->data, v->size);
    } else if (v->type == LS_T_DECIMAL && is_number(v)) {
        ls_decimal_plain(out, v->data, v->size);
    } else if (v->type == LS_T_BOOL || is_number(v)) {
        ls_value_to_text(out, v);
    } else {
        ls_buf_init(&text, 0);
        ls_value_to_text(&text, v);
        out->failed = out->failed || text.failed;
        if (!text.failed)
            ls_text_json(out, ls_buf_str(&text), text.size);
        ls_buf_done(&text);
    }
}

static bool is_json_null(const struct ls_value *v)
{
    const char *p = v->data, *end = v->data + v->size;

    while (p < end && strchr(" \t\r\n", *p))
        p++;
    return end - p >= 4 &&
           memcmp(p, "null", 4) == 0; /* it is valid, so nothing but blanks follows */
}

const char *jsonl_value_refuses(const struct ls_value *v)
{
    if (v->type == LS_T_JSON && !ls_json_valid(v->data, v->size))
        return "the JSON is not valid, holds half a surrogate pair or has over 1,000 levels";
    if (v->type == LS_T_JSON && is_json_null(v))
        return "JSON's null would be no value at all in a JSON Lines file";
    if ((v->type == LS_T_TEXT || v->type == LS_T_NATIVE) && v->size &&
        ls_utf8_check(v->data, v->size) != v->size)
        return "the text is not valid UTF-8";
    return NULL;
}
