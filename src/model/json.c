/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - values and records as JSON, and in a compact binary form.
 *
 * The form depends on the field's type and never on the value, so that a reader in any language can rely on it: an
 * integer is a string whether it is 1 or 2^60. What would not survive (other types than the field's, texts that are not
 * UTF-8) is an object that says what it is. Reading is the exact inverse; what is no such form is damage
 * or a hand edit, and named with its field.
 *
 * Written by hand, because jansson would need a tree for each record and prints doubles its own way. */
#include "model/json.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "model/decimal.h"
#include "model/scan.h"

static void quote(struct ls_buf *out, const char *text)
{
    ls_text_json(out, text, strlen(text));
}

static void write_double(struct ls_buf *out, double d)
{
    bool name = isnan(d) || isinf(d);

    if (d == 0 && signbit(d)) { /* readers take -0 for an integer */
        ls_buf_text(out, "-0.0");
        return;
    }
    if (name)
        ls_buf_char(out, '"');
    ls_decimal_from_double(out, d, 53);
    if (name)
        ls_buf_char(out, '"');
}

static void write_base64(struct ls_buf *out, const struct ls_value *v)
{
    ls_buf_char(out, '"');
    ls_text_base64(out, v->data, v->size);
    ls_buf_char(out, '"');
}

static void write_text_form(struct ls_buf *out, const struct ls_value *v)
{
    ls_buf_char(out, '"');
    ls_value_to_text(out, v); /* digits and letters only */
    ls_buf_char(out, '"');
}

static void write_plain(struct ls_buf *out, const struct ls_value *v)
{
    char text[LS_PRINT_MAX];

    switch (v->type) {
    case LS_T_NULL:
        ls_buf_text(out, "null");
        break;
    case LS_T_BOOL:
        ls_buf_text(out, v->b ? "true" : "false");
        break;
    case LS_T_DOUBLE:
        write_double(out, v->d);
        break;
    case LS_T_BYTES:
        write_base64(out, v);
        break;
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
        ls_print_timestamp(text, v->i, 'T', v->type == LS_T_TIMESTAMPTZ ? "Z" : "");
        quote(out, text);
        break;
    case LS_T_INT:
    case LS_T_DATE:
    case LS_T_TIME:
    case LS_T_UUID:
        write_text_form(out, v);
        break;
    case LS_T_DECIMAL:
    case LS_T_TEXT:
    case LS_T_JSON:
    case LS_T_NATIVE:
    case LS_TYPE_COUNT:
        ls_text_json(out, v->data, v->size);
        break;
    }
}

static bool is_text(enum ls_type type)
{
    return type == LS_T_TEXT || type == LS_T_JSON || type == LS_T_NATIVE || type == LS_T_DECIMAL;
}

void ls_value_to_json(struct ls_buf *out, const struct ls_value *v, const struct ls_field *field)
{
    bool broken = is_text(v->type) && ls_utf8_check(v->data, v->size) != v->size;

    if (v->type == LS_T_NULL || (v->type == field->type && !broken)) {
        write_plain(out, v);
        return;
    }
    ls_buf_printf(out, "{\"type\":\"%s\",\"%s\":", ls_type_word(v->type),
                  broken ? "base64" : "value");
    if (broken)
        write_base64(out, v);
    else
        write_plain(out, v);
    ls_buf_char(out, '}');
}

static enum ls_code wrong(const struct ls_field *field, const char *expected, struct ls_error *err)
{
    return ls_error_set(err, LS_DATA, "field \"%s\" is not written as %s", field->name, expected);
}

static enum ls_code read_base64(const json_t *json, enum ls_type type, const struct ls_field *field,
                                struct ls_arena *mem, struct ls_value *ret, struct ls_error *err)
{
    const char *text = json_string_value(json);
    enum ls_code rc = LS_OK;
    struct ls_buf bytes;
    char *data;

    ls_buf_init(&bytes, 0);
    if (!text || !ls_text_unbase64(&bytes, text, json_string_length(json))) {
        rc = wrong(field, "base64", err);
        goto done;
    }
    data = bytes.failed ? NULL : ls_arena_text_n(mem, ls_buf_str(&bytes), bytes.size);
    if (data)
        *ret = ls_value_data(type, data, bytes.size);
    else
        rc = ls_error_nomem(err);
done:
    ls_buf_done(&bytes);
    return rc;
}

/* JSON and native text are taken as they are; the others must be values of their type. */
static enum ls_code read_string(const json_t *json, enum ls_type type, const struct ls_field *field,
                                struct ls_arena *mem, struct ls_value *ret, struct ls_error *err)
{
    struct ls_error why;
    struct ls_value v;
    enum ls_code rc;

    if (!json_is_string(json))
        return wrong(field, "a string", err);
    v = ls_value_data(type, json_string_value(json), json_string_length(json));
    if (is_text(type) && type != LS_T_DECIMAL)
        return ls_value_copy(mem, &v, ret) ? LS_OK : ls_error_nomem(err);
    rc = ls_value_from_text(type, v.data, v.size, mem, ret, &why);
    if (rc == LS_TYPE)
        return ls_error_set(err, LS_DATA, "field \"%s\": %s", field->name, why.text);
    return rc == LS_OK ? LS_OK : ls_error_nomem(err);
}

static enum ls_code read_double(const json_t *json, const struct ls_field *field,
                                struct ls_arena *mem, struct ls_value *ret, struct ls_error *err)
{
    if (json_is_string(json)) {
        enum ls_code rc = read_string(json, LS_T_DOUBLE, field, mem, ret, err);

        return rc != LS_OK || !isfinite(ret->d) ? rc : wrong(field, "a number", err);
    }
    if (!json_is_number(json))
        return wrong(field, "a number", err);
    *ret = (struct ls_value){.type = LS_T_DOUBLE, .d = json_number_value(json)};
    return LS_OK;
}

static enum ls_code read_plain(const json_t *json, enum ls_type type, const struct ls_field *field,
                               struct ls_arena *mem, struct ls_value *ret, struct ls_error *err)
{
    if (type == LS_T_BOOL) {
        if (!json_is_boolean(json))
            return wrong(field, "true or false", err);
        *ret = (struct ls_value){.type = LS_T_BOOL, .b = json_is_true(json)};
        return LS_OK;
    }
    if (type == LS_T_DOUBLE)
        return read_double(json, field, mem, ret, err);
    if (type == LS_T_BYTES)
        return read_base64(json, type, field, mem, ret, err);
    return read_string(json, type, field, mem, ret, err);
}

/* {"type":...,"value":...} or {"type":...,"base64":...} */
static enum ls_code read_typed(const json_t *json, const struct ls_field *field,
                               struct ls_arena *mem, struct ls_value *ret, struct ls_error *err)
{
    const json_t *value = json_object_get(json, "value"), *bytes = json_object_get(json, "base64");
    const char *word = json_string_value(json_object_get(json, "type"));
    enum ls_type type;

    if (!word || !ls_type_from_word(word, &type) || type == LS_T_NULL ||
        json_object_size(json) != 2 || (bytes && !is_text(type)))
        return wrong(field, "a value with its type", err);
    if (bytes)
        return read_base64(bytes, type, field, mem, ret, err);
    return read_plain(value, type, field, mem, ret, err);
}

enum ls_code ls_value_from_json(const json_t *json, const struct ls_field *field,
                                struct ls_arena *mem, struct ls_value *ret, struct ls_error *err)
{
    if (json_is_null(json)) {
        *ret = ls_value_null();
        return LS_OK;
    }
    if (json_is_object(json))
        return read_typed(json, field, mem, ret, err);
    return read_plain(json, field->type, field, mem, ret, err);
}

static const struct ls_field *field_at(const struct ls_field *fields, const size_t *positions,
                                       size_t i)
{
    return &fields[positions ? positions[i] : i];
}

void ls_record_to_json(struct ls_buf *out, const struct ls_field *fields, const size_t *positions,
                       const struct ls_value *values, size_t count)
{
    ls_buf_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        const struct ls_field *field = field_at(fields, positions, i);

        if (i > 0)
            ls_buf_char(out, ',');
        quote(out, field->name);
        ls_buf_char(out, ':');
        ls_value_to_json(out, &values[i], field);
    }
    ls_buf_char(out, '}');
}

/* Names a member that is no field; called when there are too many. */
static enum ls_code unknown_member(const json_t *json, const struct ls_field *fields,
                                   const size_t *positions, size_t count, struct ls_error *err)
{
    json_t *object =
        (json_t *)(uintptr_t)json; /* only iterated; jansson's iterators know no const */
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        bool known = false;

        for (size_t i = 0; i < count && !known; i++)
            known = strcmp(field_at(fields, positions, i)->name, name) == 0;
        if (!known) {
            (void)ls_error_set(err, LS_DATA, "the record has an unknown field \"%s\"", name);
            break;
        }
    }
    return LS_DATA;
}

enum ls_code ls_record_from_json(const json_t *json, const struct ls_field *fields,
                                 const size_t *positions, size_t count, struct ls_arena *mem,
                                 struct ls_value *ret, struct ls_error *err)
{
    if (!json_is_object(json))
        return ls_error_set(err, LS_DATA, "a record is not written as an object");
    for (size_t i = 0; i < count; i++) {
        const struct ls_field *field = field_at(fields, positions, i);
        const json_t *value = json_object_get(json, field->name);
        enum ls_code rc;

        if (!value)
            return ls_error_set(err, LS_DATA, "the record lacks the field \"%s\"", field->name);
        rc = ls_value_from_json(value, field, mem, &ret[i], err);
        if (rc != LS_OK)
            return rc;
    }
    if (json_object_size(json) != count)
        return unknown_member(json, fields, positions, count, err);
    return LS_OK;
}

void ls_values_encode(struct ls_buf *out, const struct ls_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct ls_value *v = &values[i];
        uint64_t bits;

        ls_buf_u8(out, (uint8_t)v->type);
        if (v->type == LS_T_NULL)
            continue;
        if (v->type == LS_T_BOOL) {
            ls_buf_u8(out, v->b);
        } else if (ls_type_has_data(v->type)) {
            ls_buf_bytes(out, v->data, v->size);
        } else {
            bits = (uint64_t)v->i;
            if (v->type == LS_T_DOUBLE)
                memcpy(&bits, &v->d, sizeof bits);
            ls_buf_u64(out, bits);
        }
    }
}

static bool decode_data(struct ls_reader *in, struct ls_arena *mem, enum ls_type type,
                        struct ls_value *ret)
{
    size_t size;
    const void *data = ls_reader_bytes(in, &size);
    const struct ls_value v = ls_value_data(type, data, size);

    in->failed |= type == LS_T_UUID && size != 16;
    if (!mem)
        *ret = v;
    return !in->failed && (!mem || ls_value_copy(mem, &v, ret));
}

static bool decode_value(struct ls_reader *in, struct ls_arena *mem, struct ls_value *ret)
{
    struct ls_value v = {.type = (enum ls_type)ls_reader_u8(in)};
    uint64_t bits;

    in->failed |= v.type >= LS_TYPE_COUNT;
    if (in->failed)
        return false;
    if (ls_type_has_data(v.type))
        return decode_data(in, mem, v.type, ret);
    if (v.type == LS_T_BOOL) {
        uint8_t truth = ls_reader_u8(in);

        in->failed |= truth > 1;
        v.b = truth != 0;
    } else if (v.type != LS_T_NULL) {
        bits = ls_reader_u64(in);
        if (v.type == LS_T_DOUBLE)
            memcpy(&v.d, &bits, sizeof bits);
        else
            v.i = (int64_t)bits;
    }
    *ret = v;
    return !in->failed;
}

bool ls_values_decode(struct ls_reader *in, struct ls_arena *mem, struct ls_value *ret,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!decode_value(in, mem, &ret[i]))
            return false;
    return true;
}
