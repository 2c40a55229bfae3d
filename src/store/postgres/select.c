/* SPDX-License-Identifier: Apache-2.0 */
/* select.c - the text of the queries: names, literals, segments; conditions are in condition.c.
 *
 * COPY takes no parameters, so values stand in the text as literals. All of them are written by the two functions here: the
 * value's text form in a standard string literal (no backslash has a meaning in it; sessions run with
 * standard_conforming_strings) with the type it is compared as. Names are always quoted. The empty search_path means
 * that functions and operators are pg_catalog's, whatever a schema of the user holds.
 *
 * Segments. By range of the first key field: half-open, ends open, so that a key outside of the sampled bounds has a
 * segment too. A few wanted ones become ranges, which an index serves; many become one width_bucket() a record, a binary search,
 * because hundreds of ORed ranges cost each record hundreds of comparisons. By hash: 64 bits of the key's text, seeded. That is not what
 * ls_partition_of() computes, and need not be: numbers of segments are only held against those of a store of the
 * same digest family, which names this function. */
#include "store/postgres/postgres.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

/* So many ORed ranges cost less than a binary search over all bounds. */
#define MOST_RANGES 64

void ls_pgs_column_ref(struct ls_buf *sql, const struct ls_pgs_table *table, size_t field)
{
    ls_buf_text(sql, "t.");
    ls_buf_text(sql, table->columns[field].ident);
}

void ls_pgs_i64(struct ls_buf *sql, uint64_t bits)
{
    ls_buf_printf(sql, "'%" PRId64 "'::int8", (int64_t)bits);
}

enum ls_code ls_pgs_built(const struct ls_buf *sql, struct ls_error *err)
{
    return sql->failed ? ls_error_nomem(err) : LS_OK;
}

/* The text form, which must not hold a NUL: the server's text cannot. */
static enum ls_code text_form(struct ls_buf *out, const struct ls_value *v, struct ls_error *err)
{
    ls_value_to_text(out, v);
    if (out->failed)
        return ls_error_nomem(err);
    if (out->size && memchr(out->data, 0, out->size))
        return ls_error_set(
            err, LS_TYPE,
            "cannot hand a value to PostgreSQL: its text has no NUL byte, this one has");
    return LS_OK;
}

enum ls_code ls_pgs_literal(struct ls_buf *sql, const struct ls_value *v, const char *type,
                            struct ls_error *err)
{
    struct ls_buf text;
    enum ls_code rc = LS_OK;

    ls_buf_init(&text, 0);
    if (v->type == LS_T_NULL) {
        ls_buf_text(sql, "NULL");
    } else {
        rc = text_form(&text, v, err);
        if (rc == LS_OK)
            ls_text_literal(sql, ls_buf_str(&text));
    }
    ls_buf_printf(sql, "::%s", type);
    ls_buf_done(&text);
    return rc;
}

static void array_element(struct ls_buf *out, const char *text, size_t size)
{
    ls_buf_char(out, '"');
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"' || text[i] == '\\')
            ls_buf_char(out, '\\');
        ls_buf_char(out, text[i]);
    }
    ls_buf_char(out, '"');
}

enum ls_code ls_pgs_array(struct ls_buf *sql, const struct ls_value *values, size_t count,
                          size_t step, const char *type, struct ls_error *err)
{
    struct ls_buf list, text;
    enum ls_code rc = LS_OK;

    ls_buf_init(&list, 0);
    ls_buf_init(&text, 0);
    ls_buf_char(&list, '{');
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        const struct ls_value *v = &values[i * step];

        if (i)
            ls_buf_char(&list, ',');
        if (v->type == LS_T_NULL) {
            ls_buf_text(&list, "NULL");
            continue;
        }
        ls_buf_reset(&text);
        rc = text_form(&text, v, err);
        if (rc == LS_OK)
            array_element(&list, text.data, text.size);
    }
    ls_buf_char(&list, '}');
    if (rc == LS_OK)
        rc = ls_pgs_built(&list, err);
    if (rc == LS_OK) {
        ls_text_literal(sql, ls_buf_str(&list));
        ls_buf_printf(sql, "::%s[]", type);
    }
    ls_buf_done(&text);
    ls_buf_done(&list);
    return rc;
}

/* t."name" in a buffer of its own, for templates. */
static const char *column_text(struct ls_buf *out, const struct ls_pgs_table *table, size_t field)
{
    ls_buf_reset(out);
    ls_pgs_column_ref(out, table, field);
    return out->failed ? "" : ls_buf_str(out);
}

void ls_pgs_select_list(struct ls_buf *sql, const struct ls_pgs_table *table,
                        const struct ls_scan *scan)
{
    struct ls_buf name;

    ls_buf_init(&name, 0);
    for (size_t i = 0; i < scan->field_count; i++) {
        const char *column = column_text(&name, table, scan->fields[i]);

        if (i)
            ls_buf_text(sql, ", ");
        ls_pgs_expand(sql, table->columns[scan->fields[i]].type->read, column, "");
    }
    sql->failed |= name.failed;
    ls_buf_done(&name);
}

void ls_pgs_match(struct ls_buf *sql, const struct ls_pgs_column *col, const char *left,
                  const char *right)
{
    bool own = col->type->type != LS_T_NATIVE || col->catalog;

    if (own)
        ls_buf_printf(sql, "%s = %s", left, right);
    /* Equal to an index may still be another text: 'A' and 'a', '1 mon' and '30 days'. */
    if (own && !col->folds && col->type->type != LS_T_NATIVE)
        return;
    ls_buf_printf(sql, "%s(%s)::text COLLATE \"C\" = (%s)::text COLLATE \"C\"", own ? " AND " : "",
                  left, right);
}

/* The first key field as it is compared: its expression, and the type of literals beside it. */
static enum ls_code first_key(struct ls_buf *out, const struct ls_pgs_table *table,
                              const struct ls_scan *scan, const char **ret_literal,
                              struct ls_error *err)
{
    size_t at = scan->key[0];
    const struct ls_pgs_column *col = &table->columns[scan->fields[at]];
    const char *form;
    struct ls_buf name;

    if (!ls_pgs_order(col, scan->as ? &scan->as[at] : NULL, &form, ret_literal))
        return ls_error_set(
            err, LS_UNSUPPORTED,
            "cannot cut \"%s\" into ranges: the server does not order its key as it is "
            "compared here",
            scan->schema->collection);
    ls_buf_init(&name, 0);
    ls_pgs_expand(out, form, column_text(&name, table, scan->fields[at]), "");
    out->failed |= name.failed;
    ls_buf_done(&name);
    return LS_OK;
}

static bool nullable_key(const struct ls_pgs_table *table, const struct ls_scan *scan)
{
    return table->columns[scan->fields[scan->key[0]]].nullable;
}

void ls_pgs_key_hash(struct ls_buf *sql, const struct ls_pgs_table *table,
                     const struct ls_scan *scan, uint64_t seed)
{
    struct ls_buf name, chain, next;

    ls_buf_init(&name, 0);
    ls_buf_init(&chain, 0);
    ls_buf_init(&next, 0);
    ls_pgs_i64(&chain, seed);
    for (size_t i = 0; i < scan->key_count; i++) {
        size_t at = scan->key[i], field = scan->fields[at];
        const char *around = "@";
        const struct ls_pgs_type *type =
            ls_pgs_hashed_as(&table->columns[field], &scan->schema->fields[field],
                             scan->as ? &scan->as[at] : NULL, &around);
        struct ls_buf column;

        if (!type)
            type = table->columns[field].type;
        ls_buf_init(&column, 0);
        ls_pgs_expand(&column, around, column_text(&name, table, field), "");
        ls_buf_reset(&next);
        ls_buf_text(&next, table->columns[field].nullable ? "coalesce(" : "(");
        ls_pgs_expand(&next, type->key_hash, column.failed ? "" : ls_buf_str(&column),
                      chain.failed ? "" : ls_buf_str(&chain));
        ls_buf_text(&next, table->columns[field].nullable ? ", 2)" : ")");
        ls_buf_reset(&chain);
        if (!next.failed)
            ls_buf_add(&chain, next.data, next.size);
        sql->failed |= column.failed;
        ls_buf_done(&column);
    }
    sql->failed |= name.failed | chain.failed | next.failed;
    if (!sql->failed)
        ls_buf_text(sql, ls_buf_str(&chain));
    ls_buf_done(&next);
    ls_buf_done(&chain);
    ls_buf_done(&name);
}

enum ls_code ls_pgs_segment(struct ls_buf *sql, const struct ls_pgs_table *table,
                            const struct ls_scan *scan, struct ls_error *err)
{
    const struct ls_partition *p = scan->partition;
    const char *literal;
    enum ls_code rc;

    if (!p || p->count <= 1) {
        ls_buf_text(sql, "'0'::int8");
        return LS_OK;
    }
    if (!p->by_range) {
        ls_buf_char(sql, '(');
        ls_pgs_key_hash(sql, table, scan, p->seed);
        ls_buf_text(sql, " & ");
        ls_pgs_i64(sql, p->count - 1);
        ls_buf_char(sql, ')');
        return LS_OK;
    }
    ls_buf_text(sql, "coalesce(width_bucket((");
    rc = first_key(sql, table, scan, &literal, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_printf(sql, ")::%s, ", literal);
    rc = ls_pgs_array(sql, p->bounds, p->count - 1, 1, literal, err);
    ls_buf_text(sql, "), 0)::int8"); /* NULL is below everything */
    return rc;
}

/* Runs of neighbouring wanted segments. Starts at `from`; false when there is none. */
static bool next_run(const struct ls_partition *p, size_t from, size_t *lo, size_t *hi)
{
    while (from < p->count && !ls_partition_wants(p, from))
        from++;
    *lo = from;
    while (from < p->count && ls_partition_wants(p, from))
        from++;
    *hi = from;
    return *lo < *hi;
}

static enum ls_code range(struct ls_buf *sql, const struct ls_partition *p, size_t lo, size_t hi,
                          const char *key, const char *literal, bool nullable, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    ls_buf_char(sql, '(');
    if (lo > 0) {
        ls_buf_printf(sql, "%s >= ", key);
        rc = ls_pgs_literal(sql, &p->bounds[lo - 1], literal, err);
    }
    if (rc == LS_OK && lo > 0 && hi < p->count)
        ls_buf_text(sql, " AND ");
    if (rc == LS_OK && hi < p->count) {
        ls_buf_printf(sql, "%s < ", key);
        rc = ls_pgs_literal(sql, &p->bounds[hi - 1], literal, err);
        if (lo == 0 && nullable)
            ls_buf_printf(sql, " OR %s IS NULL", key);
    }
    if (lo == 0 && hi == p->count)
        ls_buf_text(sql, "true");
    ls_buf_char(sql, ')');
    return rc;
}

static enum ls_code ranges(struct ls_buf *sql, const struct ls_pgs_table *table,
                           const struct ls_scan *scan, size_t runs, struct ls_error *err)
{
    const struct ls_partition *p = scan->partition;
    const char *literal = NULL;
    struct ls_buf key;
    size_t lo, hi = 0, first = 0;
    enum ls_code rc;

    ls_buf_init(&key, 0);
    rc = first_key(&key, table, scan, &literal, err);
    if (rc == LS_OK)
        rc = ls_pgs_built(&key, err);
    if (rc != LS_OK)
        goto done;
    ls_buf_char(sql, '(');
    if (runs > MOST_RANGES) { /* what surrounds them all; the segment's number decides the rest */
        (void)next_run(p, 0, &first, &hi);
        for (hi = p->count; !ls_partition_wants(p, hi - 1); hi--)
            ;
        rc = range(sql, p, first, hi, ls_buf_str(&key), literal, nullable_key(table, scan), err);
    } else {
        for (size_t i = 0; i < runs && rc == LS_OK; i++) {
            (void)next_run(p, hi, &lo, &hi);
            if (i)
                ls_buf_text(sql, " OR ");
            rc = range(sql, p, lo, hi, ls_buf_str(&key), literal, nullable_key(table, scan), err);
        }
    }
    ls_buf_char(sql, ')');
done:
    ls_buf_done(&key);
    return rc;
}

static enum ls_code numbered(struct ls_buf *sql, const struct ls_pgs_table *table,
                             const struct ls_scan *scan, struct ls_error *err)
{
    const struct ls_partition *p = scan->partition;
    enum ls_code rc = ls_pgs_segment(sql, table, scan, err);
    bool any = false;

    ls_buf_text(sql, " = ANY ('{");
    for (size_t i = 0; i < p->count; i++)
        if (ls_partition_wants(p, i)) {
            ls_buf_printf(sql, any ? ",%zu" : "%zu", i);
            any = true;
        }
    ls_buf_text(sql, "}'::int8[])");
    return rc;
}

static enum ls_code wanted(struct ls_buf *sql, const struct ls_pgs_table *table,
                           const struct ls_scan *scan, struct ls_error *err)
{
    const struct ls_partition *p = scan->partition;
    size_t runs = 0, lo, hi = 0;
    enum ls_code rc = LS_OK;

    while (next_run(p, hi, &lo, &hi))
        runs++;
    if (runs == 0) {
        ls_buf_text(sql, "false");
        return LS_OK;
    }
    if (p->by_range)
        rc = ranges(sql, table, scan, runs, err);
    if (rc == LS_OK && p->by_range && runs > MOST_RANGES)
        ls_buf_text(sql, " AND ");
    if (rc == LS_OK && (!p->by_range || runs > MOST_RANGES))
        rc = numbered(sql, table, scan, err);
    return rc;
}

static bool all_wanted(const struct ls_partition *p)
{
    size_t lo, hi;

    return !p || !p->wanted || (next_run(p, 0, &lo, &hi) && lo == 0 && hi == p->count);
}

enum ls_code ls_pgs_where(struct ls_buf *sql, const struct ls_pgs *pg,
                          const struct ls_pgs_table *table, const struct ls_scan *scan,
                          struct ls_error *err)
{
    const char *glue = " WHERE ";
    enum ls_code rc = LS_OK;

    for (size_t i = 0; scan->filter && i < scan->filter->count && rc == LS_OK; i++) {
        ls_buf_text(sql, glue);
        rc = ls_pgs_condition(sql, table, &scan->filter->conditions[i], err);
        glue = " AND ";
    }
    for (size_t i = 0; i < scan->sought_count && rc == LS_OK; i++) {
        if (!ls_pgs_can_seek(pg, table, &scan->sought[i]))
            continue;
        ls_buf_text(sql, glue);
        rc = ls_pgs_condition(sql, table, &scan->sought[i].condition, err);
        glue = " AND ";
    }
    if (rc == LS_OK && !all_wanted(scan->partition)) {
        ls_buf_text(sql, glue);
        rc = wanted(sql, table, scan, err);
    }
    return rc == LS_OK ? ls_pgs_built(sql, err) : rc;
}
