/* SPDX-License-Identifier: Apache-2.0 */
/* resource_terms.c - from paths, queries and bodies to fields with values.
 *
 * A body is read strictly: a text is no number and a number no text, so that what was meant for another field is told and not stored. Numbers may stand as
 * texts, which hold digits that JSON readers lose. A field is found by its exact name, else by its name without underscores in any case: applications
 * say userId where their database says user_id. userId is the field that says whose a record is, whatever the configuration calls that one, unless a field
 * has exactly this name.
 *
 * SQLite keeps any value in any column. Here its columns are what their declaration says; times, UUIDs and JSON are checked and kept in the spelling that was
 * sent. What has no form in JSON (a PostgreSQL array, a point) is taken as the database's own text of it. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "event/resource_priv.h"
#include "model/convert.h"

/* ---- names ---- */

/* a_b and aB are the same. */
static bool spells(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "_");
        b += strspn(b, "_");
        if (!*a || !*b)
            return *a == *b;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
    }
}

size_t ls_records_field(const struct ls_records *records, const char *name)
{
    const struct ls_schema *schema = records->schema;
    const int exact = ls_schema_find(schema, name);

    for (size_t i = 0; exact < 0 && i < schema->field_count; i++)
        if (spells(schema->fields[i].name, name))
            return i;
    return exact < 0 ? LS_NO_FIELD : (size_t)exact;
}

/* A field as callers name it: userId is the one that is configured to say whose a record is. */
static size_t called(const struct ls_records *records, const char *name)
{
    const bool user = strcmp(name, "userId") == 0 && records->user != LS_NO_FIELD &&
                      ls_schema_find(records->schema, name) < 0;

    return user ? records->user : ls_records_field(records, name);
}

static enum ls_code need_field(struct ls_records *records, const char *name, size_t *ret,
                               struct ls_error *err)
{
    const struct ls_schema *schema = records->schema;
    const char **names = ls_arena_array(records->mem, schema->field_count + 1, sizeof *names);
    const char *near;

    *ret = called(records, name);
    if (*ret != LS_NO_FIELD)
        return LS_OK;
    if (!names)
        return ls_error_nomem(err);
    for (size_t i = 0; i < schema->field_count; i++)
        names[i] = schema->fields[i].name;
    near = ls_text_nearest(name, names, schema->field_count);
    return ls_error_set(err, LS_USAGE, "%s has no field \"%.60s\"%s%s%s",
                        records->resource->side.collection, name, near ? ". Did you mean \"" : "",
                        near ? near : "", near ? "\"?" : "");
}

/* ---- values ---- */

static enum ls_code wrong(const struct ls_field *field, const char *wanted, struct ls_error *err)
{
    return ls_error_set(err, LS_USAGE, "%s: %s is expected", field->name, wanted);
}

static bool on_sqlite(const struct ls_records *records)
{
    return ls_sql_dialect(records->db) == LS_SQLITE;
}

/* Kept by SQLite as it was written. */
static bool keeps_spelling(enum ls_type type)
{
    return type == LS_T_DATE || type == LS_T_TIME || type == LS_T_TIMESTAMP ||
           type == LS_T_TIMESTAMPTZ || type == LS_T_UUID || type == LS_T_JSON;
}

/* A value of JSON or of a path as the field's database takes it. */
static enum ls_code fit(struct ls_records *records, const struct ls_field *field,
                        const struct ls_value *v, struct ls_value *ret, struct ls_error *err)
{
    struct ls_field strict = *field;
    struct ls_error why = {0};
    enum ls_code rc;

    strict.flags &= ~(unsigned)LS_FIELD_DYNAMIC;
    rc = ls_value_convert(v, &strict, records->zone, records->mem, ret, &why);
    if (rc == LS_NOMEM)
        return ls_error_nomem(err);
    if (rc != LS_OK)
        return ls_error_set(err, LS_USAGE, "%s: %s", field->name, why.text);
    if (on_sqlite(records) && ret->type == LS_T_BOOL)
        *ret = ls_value_int(ret->b);
    else if (on_sqlite(records) && v->type == LS_T_TEXT && keeps_spelling(field->type))
        *ret = *v;
    return LS_OK;
}

/* Hexadecimal digits, as answers have bytes: \x before them on PostgreSQL. */
static enum ls_code read_bytes(struct ls_records *records, const struct ls_field *field,
                               const char *text, size_t size, struct ls_value *ret,
                               struct ls_error *err)
{
    const size_t skip = size >= 2 && text[0] == '\\' && text[1] == 'x' ? 2 : 0;
    struct ls_buf out;
    bool ok;

    ls_buf_init(&out, 0);
    ok = ls_text_unhex(&out, text + skip, size - skip);
    *ret = ls_value_data(LS_T_BYTES, ls_arena_copy(records->mem, ls_buf_str(&out), out.size),
                         out.size);
    ls_buf_done(&out);
    if (!ok)
        return wrong(field, "a text of hexadecimal digits", err);
    return ret->data ? LS_OK : ls_error_nomem(err);
}

enum ls_code ls_records_value(struct ls_records *records, size_t index, const char *text,
                              size_t size, struct ls_value *ret, struct ls_error *err)
{
    const struct ls_field *field = &records->schema->fields[index];
    const struct ls_value v = ls_value_data(LS_T_TEXT, text, size);

    if (field->type == LS_T_BYTES)
        return read_bytes(records, field, text, size, ret, err);
    if (field->type == LS_T_NATIVE && !on_sqlite(records)) {
        *ret = v;
        return LS_OK;
    }
    return fit(records, field, &v, ret, err);
}

static enum ls_code read_json(struct ls_records *records, json_t *json, struct ls_value *ret,
                              struct ls_error *err)
{
    char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
    const char *copy = text ? ls_arena_text(records->mem, text) : NULL;

    *ret = ls_value_data(on_sqlite(records) ? LS_T_TEXT : LS_T_JSON, copy, copy ? strlen(copy) : 0);
    free(text);
    return copy ? LS_OK : ls_error_nomem(err);
}

/* A number by its digits, which a field of decimals keeps. */
static enum ls_code read_number(struct ls_records *records, const struct ls_field *field,
                                const json_t *json, struct ls_value *ret, struct ls_error *err)
{
    const bool whole = json_is_integer(json);
    struct ls_value v = whole ? ls_value_int(json_integer_value(json))
                              : (struct ls_value){.type = LS_T_DOUBLE, .d = json_real_value(json)};

    if (field->type != LS_T_DOUBLE && field->type != LS_T_DECIMAL &&
        (field->type != LS_T_INT || !whole))
        return wrong(field,
                     field->type == LS_T_INT    ? "a whole number"
                     : field->type == LS_T_BOOL ? "true or false"
                                                : "a text",
                     err);
    if (!whole && field->type == LS_T_DECIMAL) {
        struct ls_buf out;
        const char *digits;

        ls_buf_init(&out, 0);
        ls_value_to_text(&out, &v);
        digits = ls_arena_text(records->mem, ls_buf_str(&out));
        ls_buf_done(&out);
        if (!digits)
            return ls_error_nomem(err);
        v = ls_value_text(digits);
    }
    return fit(records, field, &v, ret, err);
}

static enum ls_code read_member(struct ls_records *records, size_t index, json_t *json,
                                struct ls_value *ret, struct ls_error *err)
{
    const struct ls_field *field = &records->schema->fields[index];
    const char *copy;

    if (json_is_null(json)) {
        *ret = ls_value_null();
        return field->flags & LS_FIELD_NOT_NULL
                   ? ls_error_set(err, LS_USAGE, "%s: it cannot be null", field->name)
                   : LS_OK;
    }
    if (field->type == LS_T_JSON)
        return read_json(records, json, ret, err);
    if (json_is_boolean(json)) {
        const struct ls_value v = {.type = LS_T_BOOL, .b = json_is_true(json)};

        return field->type == LS_T_BOOL ? fit(records, field, &v, ret, err)
               : field->type == LS_T_INT || field->type == LS_T_DOUBLE ||
                       field->type == LS_T_DECIMAL
                   ? wrong(field, "a number", err)
                   : wrong(field, "a text", err);
    }
    if (json_is_number(json))
        return read_number(records, field, json, ret, err);
    if (!json_is_string(json))
        return field->type == LS_T_NATIVE
                   ? wrong(field, "the database's own form of it, as a text,", err)
                   : wrong(field, "one value", err);
    if (field->type == LS_T_BOOL)
        return wrong(field, "true or false", err);
    if (strlen(json_string_value(json)) != json_string_length(json))
        return ls_error_set(err, LS_USAGE, "%s: a text has no U+0000", field->name);
    copy = ls_arena_text(records->mem, json_string_value(json));
    return copy ? ls_records_value(records, index, copy, strlen(copy), ret, err)
                : ls_error_nomem(err);
}

/* ---- terms ---- */

enum ls_code ls_terms_new(struct ls_records *records, struct ls_terms *ret, struct ls_error *err)
{
    *ret = (struct ls_terms){
        0, ls_arena_array(records->mem, records->schema->field_count + 1, sizeof *ret->terms)};
    return ret->terms ? LS_OK : ls_error_nomem(err);
}

const struct ls_term *ls_terms_find(const struct ls_terms *terms, size_t field)
{
    for (size_t i = 0; i < terms->count; i++)
        if (terms->terms[i].field == field)
            return &terms->terms[i];
    return NULL;
}

static void add(struct ls_terms *terms, size_t field, const struct ls_value *value)
{
    terms->terms[terms->count++] = (struct ls_term){field, *value};
}

void ls_terms_add(struct ls_terms *terms, const struct ls_terms *more)
{
    for (size_t i = 0; i < more->count; i++)
        if (!ls_terms_find(terms, more->terms[i].field))
            add(terms, more->terms[i].field, &more->terms[i].value);
}

enum ls_code ls_terms_key(struct ls_records *records, const char *id, struct ls_terms *ret,
                          struct ls_error *err)
{
    enum ls_code rc = ls_terms_new(records, ret, err);

    for (size_t i = 0; i < records->key_count && rc == LS_OK; i++) {
        const bool last = i + 1 == records->key_count;
        const size_t length = last ? strlen(id) : strcspn(id, ",");
        struct ls_value v;

        if (!last && !id[length])
            return ls_error_set(err, LS_USAGE,
                                "the key has %zu fields: their values stand there with commas "
                                "between",
                                records->key_count);
        rc = ls_records_value(records, records->key[i], id, length, &v, err);
        if (rc == LS_OK)
            add(ret, records->key[i], &v);
        id += length + !last;
    }
    return rc;
}

enum ls_code ls_terms_key_of(struct ls_records *records, const struct ls_terms *from,
                             struct ls_terms *ret, struct ls_error *err)
{
    enum ls_code rc = ls_terms_new(records, ret, err);

    for (size_t i = 0; i < records->key_count && rc == LS_OK; i++) {
        const struct ls_term *term = ls_terms_find(from, records->key[i]);

        if (!term || term->value.type == LS_T_NULL) {
            ret->count = 0;
            return LS_OK;
        }
        add(ret, term->field, &term->value);
    }
    return rc;
}

enum ls_code ls_terms_user(struct ls_records *records, const char *user, struct ls_terms *ret,
                           struct ls_error *err)
{
    struct ls_value v;
    enum ls_code rc = ls_terms_new(records, ret, err);

    if (rc != LS_OK)
        return rc;
    rc = ls_records_value(records, records->user, user, strlen(user), &v, err);
    if (rc == LS_USAGE)
        return ls_error_set(err, LS_NOT_FOUND, "no record can be of this user");
    if (rc == LS_OK)
        add(ret, records->user, &v);
    return rc;
}

enum ls_code ls_terms_filter(struct ls_records *records, const char *name, const char *text,
                             struct ls_terms *ret, struct ls_error *err)
{
    struct ls_value v;
    size_t field = 0;
    enum ls_code rc = need_field(records, name, &field, err);

    if (rc == LS_OK && ls_terms_find(ret, field))
        rc = ls_error_set(err, LS_USAGE, "%s stands there twice", name);
    if (rc == LS_OK)
        rc = ls_records_value(records, field, text, strlen(text), &v, err);
    if (rc == LS_OK)
        add(ret, field, &v);
    return rc;
}

enum ls_code ls_terms_body(struct ls_records *records, json_t *object, struct ls_terms *ret,
                           struct ls_error *err)
{
    const char *name;
    json_t *member;
    enum ls_code rc = ls_terms_new(records, ret, err);

    if (rc != LS_OK)
        return rc;
    json_object_foreach(object, name, member)
    {
        struct ls_value v;
        size_t field = 0;

        rc = need_field(records, name, &field, err);
        if (rc == LS_OK && ls_terms_find(ret, field))
            rc = ls_error_set(err, LS_USAGE, "%s is given twice",
                              records->schema->fields[field].name);
        if (rc == LS_OK && (records->schema->fields[field].flags & LS_FIELD_GENERATED))
            rc = ls_error_set(err, LS_USAGE, "%s: the database computes it",
                              records->schema->fields[field].name);
        if (rc == LS_OK)
            rc = read_member(records, field, member, &v, err);
        if (rc != LS_OK)
            return rc;
        add(ret, field, &v);
    }
    return LS_OK;
}

static bool same(const struct ls_records *records, const struct ls_term *a, const struct ls_term *b)
{
    const struct ls_field *field = &records->schema->fields[a->field];
    const struct ls_as as = ls_as_of(field, field);

    return ls_value_equal(&a->value, &b->value, &as);
}

bool ls_terms_agree(const struct ls_records *records, const struct ls_terms *a,
                    const struct ls_terms *b)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct ls_term *other = ls_terms_find(b, a->terms[i].field);

        if (other && !same(records, other, &a->terms[i]))
            return false;
    }
    return true;
}

const char *ls_terms_forbidden(const struct ls_records *records, const struct ls_terms *body,
                               const struct ls_terms *own)
{
    const struct ls_resource *r = records->resource;

    for (size_t i = 0; i < body->count; i++) {
        const char *name = records->schema->fields[body->terms[i].field].name;
        const struct ls_term *given = ls_terms_find(own, body->terms[i].field);
        bool may = given && same(records, given, &body->terms[i]);

        for (size_t w = 0; !given && w < r->write_count; w++)
            may = may || strcmp(r->writes[w], name) == 0;
        if (!may)
            return name;
    }
    return NULL;
}
