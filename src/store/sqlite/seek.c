/* SPDX-License-Identifier: Apache-2.0 */
/* seek.c - which records SQLite may look up by the value of a field.
 *
 * `field IN (...)` may be asked of SQLite wherever it gives every record that the model takes; that it gives others too
 * does no harm, since whoever asks looks again. So collations that fold case or blanks are fine, and keep their index.
 * What remains is to know as which stored values a value of the model may stand in the column. types.c decodes a
 * stored text as a date, a time or a UUID only when that value is written as exactly this text, so one text is enough.
 * A decimal is stored as an integer or as the nearest double where the column makes numbers of texts. Where it does not
 * (DECIMAL_TEXT), 12.5 may be spelled 12.50, and so no list tells; nor for JSON.
 *
 * What SQLite's comparison would do to our value is asked of the column's affinity: a text affinity makes
 * texts of numbers, a numeric one makes numbers of the texts that are some.
 *
 * Where values of other types count as what they convert to, the column's affinity must have seen to it that none
 * does: an INTEGER column has no text '5' because SQLite has made a 5 of it. That holds for tables, not for what a view or a
 * virtual table hands out. A virtual table may mean anything by =, and is never asked.
 *
 * Texts are compared as they are stored. In a file in UTF-16 two stored texts may be one in UTF-8 when they are
 * broken, so only plain ASCII is looked up there. */
#include "store/sqlite/sqlite.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "model/decimal.h"

#define MOST_VALUES 100 /* of a condition: a longer list is worth reading the table */

/* Whether a numeric affinity may make a number of it. */
static bool may_be_number(const struct ls_value *v)
{
    size_t at = 0;

    while (at < v->size && memchr(" \t\n\v\f\r", v->data[at], 6))
        at++;
    return at < v->size && memchr("0123456789+-.", v->data[at], 13);
}

static bool is_ascii(const struct ls_value *v)
{
    for (size_t i = 0; i < v->size; i++)
        if ((unsigned char)v->data[i] >= 0x80)
            return false;
    return true;
}

static bool is_finite_decimal(const struct ls_value *v)
{
    int64_t high, low;

    return ls_decimal_span(v->data, v->size, &high, &low);
}

/* Bytes stand in a text as \x and their digits. */
static bool reads_as_bytes(const struct ls_value *v)
{
    return v->size >= 2 && memcmp(v->data, "\\x", 2) == 0;
}

static bool seeks_text(const struct ls_value *v, enum ls_affinity affinity, bool converts)
{
    if (affinity == LS_AFF_TEXT)
        return !converts || !reads_as_bytes(v);
    return !converts && (affinity == LS_AFF_BLOB || !may_be_number(v));
}

/* Whether the records that have this value are those with the stored values of store_as(), and perhaps some more. */
static bool seeks_value(const struct ls_sqlite_table *t, const struct ls_field *f,
                        const struct ls_value *v, bool converts)
{
    const enum ls_affinity affinity = ls_sqlite_affinity(f->native);
    const bool table = !t->view && !t->is_virtual;

    if (v->type != f->type || t->is_virtual || (converts && !table))
        return false;
    switch (f->type) {
    case LS_T_INT:
        return affinity == LS_AFF_INTEGER;
    case LS_T_DOUBLE:
        return affinity == LS_AFF_REAL && isfinite(v->d);
    case LS_T_DECIMAL:
        return affinity == LS_AFF_NUMERIC && table && is_finite_decimal(v);
    case LS_T_TEXT:
        return seeks_text(v, affinity, converts);
    case LS_T_BOOL:
        return affinity != LS_AFF_TEXT && !converts;
    case LS_T_BYTES:
        return affinity == LS_AFF_BLOB && !converts;
    case LS_T_DATE:
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
    case LS_T_UUID:
        return !converts;
    case LS_T_NULL:
    case LS_T_JSON:
    case LS_T_NATIVE:
    case LS_TYPE_COUNT:
        break;
    }
    return false;
}

/* Appends what the value is stored as. false: no memory. */
static bool store_as(const struct ls_value *v, struct ls_arena *mem, size_t *count,
                     struct ls_value *ret)
{
    struct ls_buf text;
    const char *copy;
    int64_t i;

    switch (v->type) {
    case LS_T_BOOL:
        ret[(*count)++] = ls_value_int(v->b);
        return true;
    case LS_T_DECIMAL:
        if (ls_decimal_to_i64(v->data, v->size, &i))
            ret[(*count)++] = ls_value_int(i);
        ret[(*count)++] =
            (struct ls_value){.type = LS_T_DOUBLE, .d = ls_decimal_to_double(v->data, v->size)};
        return true;
    case LS_T_DATE:
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
    case LS_T_UUID:
        ls_buf_init(&text, 0);
        ls_value_to_text(&text, v);
        copy = text.failed ? NULL : ls_arena_text(mem, ls_buf_str(&text));
        ls_buf_done(&text);
        if (copy)
            ret[(*count)++] = ls_value_text(copy);
        return copy;
    case LS_T_NULL:
    case LS_T_INT:
    case LS_T_DOUBLE:
    case LS_T_TEXT:
    case LS_T_BYTES:
    case LS_T_JSON:
    case LS_T_NATIVE:
    case LS_TYPE_COUNT:
        break;
    }
    ret[(*count)++] = *v;
    return true;
}

/* Whether SQLite can compare the column at all: its collation may be one that this library does not have. */
static bool compares(struct ls_sqlite *s, const struct ls_sqlite_table *t, const struct ls_field *f)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_error ignored;
    struct ls_buf sql;
    bool yes;

    if (!(f->flags & LS_FIELD_FOLDS))
        return true;
    ls_buf_init(&sql, 0);
    ls_buf_printf(&sql, "SELECT 1 FROM %s WHERE ", t->quoted);
    ls_text_ident(&sql, f->name);
    ls_buf_text(&sql, " IN ('')");
    yes = !sql.failed && ls_sql_prepare(s->db, ls_buf_str(&sql), &stmt, &ignored) == LS_OK;
    ls_sql_finish(stmt);
    ls_buf_done(&sql);
    return yes;
}

bool ls_sqlite_seek(struct ls_sqlite *s, const struct ls_sqlite_table *t,
                    const struct ls_schema *schema, const struct ls_sought *sought,
                    struct ls_arena *mem, size_t *ret_count, struct ls_value **ret)
{
    const struct ls_condition *c = &sought->condition;
    const struct ls_field *f = &schema->fields[c->field];
    struct ls_value *values;
    size_t count = 0;

    if ((c->op != LS_OP_EQ && c->op != LS_OP_IN) || c->value_count == 0 ||
        c->value_count > MOST_VALUES)
        return false;
    for (size_t i = 0; i < c->value_count; i++) {
        const struct ls_value *v = &c->values[i];

        if (!seeks_value(t, f, v, sought->converts) ||
            (v->type == LS_T_TEXT && !is_ascii(v) && !ls_sqlite_is_utf8(s)))
            return false;
    }
    values = ls_arena_array(mem, LS_SQLITE_SEEK_VALUES * c->value_count, sizeof(*values));
    if (!values || !compares(s, t, f))
        return false;
    for (size_t i = 0; i < c->value_count; i++)
        if (!store_as(&c->values[i], mem, &count, values))
            return false;
    *ret_count = count;
    *ret = values;
    return true;
}

bool ls_sqlite_seeks(struct ls_store *store, const struct ls_schema *schema,
                     const struct ls_sought *sought)
{
    struct ls_sqlite *s = (struct ls_sqlite *)store;
    struct ls_value *values = NULL;
    struct ls_sqlite_table t;
    struct ls_error ignored;
    struct ls_arena mem;
    size_t count = 0;
    bool yes;

    ls_arena_init(&mem, 0);
    yes = ls_sqlite_find(s, schema->collection, &mem, &t, &ignored) == LS_OK &&
          ls_sqlite_seek(s, &t, schema, sought, &mem, &count, &values);
    ls_arena_done(&mem);
    return yes;
}
