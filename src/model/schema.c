/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c - looking up fields, copies, the digest of a schema, and the common type of two fields.
 *
 * The common type is a table of pairs. Where it has no entry the values are compared as text: better a
 * difference that a person can see than a guess. */
#include "model/schema.h"

#include <string.h>

#include "base/digest.h"
#include "base/text.h"

int ls_schema_find(const struct ls_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* The nearest name in the schema, or NULL. One that differs in case only is the nearest. */
static const char *nearest_name(const struct ls_schema *schema, const char *name)
{
    const char *names[128]; /* more fields than that are not looked through for a proposal */
    size_t count = 0;

    for (size_t i = 0; i < schema->field_count; i++) {
        if (ls_text_equal_nocase(schema->fields[i].name, name))
            return schema->fields[i].name;
        if (count < sizeof names / sizeof *names)
            names[count++] = schema->fields[i].name;
    }
    return ls_text_nearest(name, names, count);
}

enum ls_code ls_schema_need(const struct ls_schema *schema, const char *name, size_t *ret,
                            struct ls_error *err)
{
    int found = ls_schema_find(schema, name);
    const char *near;

    if (found >= 0) {
        *ret = (size_t)found;
        return LS_OK;
    }
    near = nearest_name(schema, name);
    return ls_error_set(err, LS_NOT_FOUND, "%s has no field \"%s\"%s%s%s", schema->collection, name,
                        near ? ". The nearest is \"" : "", near ? near : "", near ? "\"" : "");
}

static bool copy_text(struct ls_arena *mem, const char **text)
{
    if (*text)
        *text = ls_arena_text(mem, *text);
    else
        *text = "";
    return *text != NULL;
}

static bool copy_fields(struct ls_arena *mem, struct ls_schema *s)
{
    struct ls_field *fields = ls_arena_array(mem, s->field_count, sizeof *fields);

    if (!fields)
        return false;
    for (size_t i = 0; i < s->field_count; i++) {
        fields[i] = s->fields[i];
        if (!copy_text(mem, &fields[i].name) || !copy_text(mem, &fields[i].native) ||
            !copy_text(mem, &fields[i].engine))
            return false;
    }
    s->fields = fields;
    return true;
}

static bool is_in_key(const size_t *fields, size_t key_count, const size_t *key, size_t field)
{
    for (size_t i = 0; i < key_count; i++)
        if (fields[key[i]] == field)
            return true;
    return false;
}

bool ls_schema_keeps_unique(const struct ls_schema *schema, const size_t *fields, size_t key_count,
                            const size_t *key)
{
    for (size_t k = 0; k < schema->key_count; k++) {
        const struct ls_key *kept = &schema->keys[k];
        size_t found = 0;

        while (found < kept->field_count && is_in_key(fields, key_count, key, kept->fields[found]))
            found++;
        if (kept->field_count && found == kept->field_count && !kept->deferred)
            return true;
    }
    return false;
}

static bool copy_keys(struct ls_arena *mem, struct ls_schema *s)
{
    struct ls_key *keys = ls_arena_array(mem, s->key_count, sizeof *keys);

    if (!keys)
        return false;
    for (size_t i = 0; i < s->key_count; i++) {
        size_t count = s->keys[i].field_count;
        size_t *fields = ls_arena_array(mem, count, sizeof *fields);

        if (!fields)
            return false;
        for (size_t k = 0; k < count; k++)
            fields[k] = s->keys[i].fields[k];
        keys[i] = s->keys[i];
        keys[i].fields = fields;
        if (!copy_text(mem, &keys[i].name))
            return false;
    }
    s->keys = keys;
    return true;
}

struct ls_schema *ls_schema_copy(struct ls_arena *mem, const struct ls_schema *schema)
{
    struct ls_schema *copy = ls_arena_alloc(mem, sizeof *copy);

    if (!copy)
        return NULL;
    *copy = *schema;
    copy->native = NULL;
    if (!copy_text(mem, &copy->collection) || !copy_text(mem, &copy->fingerprint) ||
        !copy_fields(mem, copy) || !copy_keys(mem, copy))
        return NULL;
    return copy;
}

static void add_number(struct ls_sha256 *h, uint64_t v)
{
    unsigned char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(v >> (56 - 8 * i));
    ls_sha256_add(h, bytes, sizeof bytes);
}

static void add_text(struct ls_sha256 *h, const char *text)
{
    size_t size = text ? strlen(text) : 0;

    add_number(h, size);
    ls_sha256_add(h, text ? text : "", size);
}

void ls_schema_digest(const struct ls_schema *schema, char out[65])
{
    struct ls_sha256 h;

    ls_sha256_init(&h);
    add_number(&h, schema->field_count);
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct ls_field *f = &schema->fields[i];

        add_text(&h, f->name);
        add_text(&h, ls_type_word(f->type));
        add_text(&h, f->native);
        add_number(&h, f->flags);
    }
    add_number(&h, schema->key_count);
    for (size_t i = 0; i < schema->key_count; i++) {
        const struct ls_key *k = &schema->keys[i];

        add_text(&h, k->name);
        add_number(&h, (uint64_t)k->primary << 1 | (uint64_t)k->not_null);
        add_number(&h, k->field_count);
        for (size_t n = 0; n < k->field_count; n++)
            add_number(&h, k->fields[n]);
    }
    ls_sha256_hex(&h, out);
}

/* Pairs of types that are compared as one; either order. The same type twice is itself, NULL (no type
 * declared) takes the other one's, TEXT takes any other one's but NATIVE. */
static const struct {
    enum ls_type a, b, common;
} pairs[] = {
    {LS_T_BOOL, LS_T_INT, LS_T_INT},
    {LS_T_BOOL, LS_T_DECIMAL, LS_T_DECIMAL},
    {LS_T_BOOL, LS_T_DOUBLE, LS_T_DOUBLE},
    {LS_T_INT, LS_T_DECIMAL, LS_T_DECIMAL},
    {LS_T_INT, LS_T_DOUBLE, LS_T_DOUBLE},
    {LS_T_DECIMAL, LS_T_DOUBLE, LS_T_DOUBLE},
    {LS_T_DATE, LS_T_TIMESTAMP, LS_T_TIMESTAMP},
    {LS_T_DATE, LS_T_TIMESTAMPTZ, LS_T_TIMESTAMPTZ},
    {LS_T_TIMESTAMP, LS_T_TIMESTAMPTZ, LS_T_TIMESTAMPTZ},
    {LS_T_BYTES, LS_T_UUID, LS_T_UUID},
};

static bool same_native(const struct ls_field *a, const struct ls_field *b)
{
    return strcmp(a->engine, b->engine) == 0 && strcmp(a->native, b->native) == 0;
}

static enum ls_type common_type(const struct ls_field *a, const struct ls_field *b)
{
    if (a->type == LS_T_NATIVE && b->type == LS_T_NATIVE)
        return same_native(a, b) ? LS_T_NATIVE : LS_T_TEXT;
    if (a->type == LS_T_NATIVE || b->type == LS_T_NATIVE)
        return LS_T_TEXT;
    if (a->type == b->type || b->type == LS_T_NULL)
        return a->type;
    if (a->type == LS_T_NULL || a->type == LS_T_TEXT)
        return b->type;
    if (b->type == LS_T_TEXT)
        return a->type;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if ((pairs[i].a == a->type && pairs[i].b == b->type) ||
            (pairs[i].a == b->type && pairs[i].b == a->type))
            return pairs[i].common;
    return LS_T_TEXT;
}

static bool is_clock(enum ls_type type)
{
    return type == LS_T_TIME || type == LS_T_TIMESTAMP || type == LS_T_TIMESTAMPTZ;
}

/* Digits of a second that a field keeps. */
static uint8_t fraction_of(const struct ls_field *f)
{
    return is_clock(f->type) && f->scale >= 0 && f->scale < 6 ? (uint8_t)f->scale : 6;
}

static bool is_single(const struct ls_field *f)
{
    return f->type == LS_T_DOUBLE && f->precision == 24;
}

struct ls_as ls_as_of(const struct ls_field *a, const struct ls_field *b)
{
    struct ls_as as = {.type = common_type(a, b), .fraction = 6, .bits = 53};

    if (as.type == LS_T_DOUBLE && (is_single(a) || is_single(b)))
        as.bits = 24;
    if (is_clock(as.type))
        as.fraction = fraction_of(a) < fraction_of(b) ? fraction_of(a) : fraction_of(b);
    as.fold_zone = as.type == LS_T_TIMESTAMPTZ && a->type != b->type &&
                   (a->type == LS_T_TIMESTAMP || b->type == LS_T_TIMESTAMP ||
                    a->type == LS_T_DATE || b->type == LS_T_DATE);
    return as;
}
