/* SPDX-License-Identifier: Apache-2.0 */
/* park.c - unique values that change places.
 *
 * Two records swap their codes, or three hand them round. Each state is allowed, but not a single step between them: a
 * unique index is checked record by record. So the records to update first get values that nothing else has, and
 * then their own. Both in one transaction; nobody sees the first.
 *
 * What a record is parked at: NULL where the column takes it, because NULLs are never equal in an index; else a free value
 * of the type, past the greatest (or before the least) one there is, or made at random. NULL is not used where a foreign key
 * points at the column: with ON UPDATE CASCADE the referring records would lose their reference for good, where a
 * value that changes twice takes them along.
 *
 * An EXCLUDE constraint is parked like an index: NULL is in nobody's way there either, and a range may be empty.
 *
 * Only the index that was violated is parked, and with it the next one that turns out to be, so that no other constraint
 * is met without need. One column an index is enough, and it may be one of its expression or predicate: a record whose predicate is no longer true
 * is out of the index. Limits: a CHECK that no free value meets, a foreign key without CASCADE, a type without free
 * values (bool, enums): then the server's error stands, and the record is refused. Deferrable constraints never come here: they
 * wait for the end of the statement. */
#include "store/postgres/postgres.h"

#include <inttypes.h>
#include <string.h>

/* @ is the column's name, % the table's; w.n tells the records apart. (Infinity is no numeric before version 14.) */
static const struct {
    enum ls_type type;
    const char *value;
} free_values[] = {
    {LS_T_DECIMAL, "(SELECT coalesce(max(@), 0) + 1 FROM % WHERE @ < 1e1000) + w.n"},
    {LS_T_DOUBLE, "1e12 * random() + w.n"},
    {LS_T_TEXT, "md5(w.n || ' ' || random())"},
    {LS_T_BYTES, "decode(md5(w.n || ' ' || random()), 'hex')"},
    {LS_T_DATE, "(SELECT coalesce(max(@), current_date) + 1 FROM % WHERE isfinite(@)) + w.n"},
    {LS_T_TIMESTAMP, "(SELECT coalesce(max(@), localtimestamp) FROM % WHERE isfinite(@)) + (1 + "
                     "w.n) * interval '1 second'"},
    {LS_T_TIMESTAMPTZ,
     "(SELECT coalesce(max(@), now()) FROM % WHERE isfinite(@)) + (1 + w.n) * interval '1 second'"},
    {LS_T_UUID, "md5(w.n || ' ' || random())::uuid"},
};

static const char *free_value(enum ls_type type)
{
    for (size_t i = 0; i < sizeof(free_values) / sizeof(free_values[0]); i++)
        if (free_values[i].type == type)
            return free_values[i].value;
    return NULL;
}

/* The empty range overlaps nothing, and may be there many times. */
static bool parks_empty(const struct ls_pgs_column *col, enum ls_type type,
                        const struct ls_pgs_unique *unique)
{
    return unique->excludes && type == LS_T_NATIVE && col->catalog && strstr(col->base, "range");
}

static int64_t greatest(const struct ls_pgs_column *col)
{
    return col->type->oid == 21 ? INT16_MAX : col->type->oid == 23 ? INT32_MAX : INT64_MAX;
}

/* The expression a column is parked at. */
static void parked(struct ls_buf *sql, const struct ls_pgs_table *table,
                   const struct ls_pgs_column *col, const struct ls_field *field,
                   const struct ls_pgs_unique *unique, size_t count)
{
    const char *form = free_value(field->type);

    if (col->nullable && !unique->one_null && !unique->referenced) {
        ls_buf_text(sql, "NULL");
        return;
    }
    if (parks_empty(col, field->type, unique)) {
        ls_buf_printf(sql, "'empty'::%s", col->base);
        return;
    }
    if (field->type ==
        LS_T_INT) { /* behind the greatest when there is room, else before the least */
        ls_buf_printf(sql,
                      "((SELECT CASE WHEN coalesce(max(%s), 0) < %" PRId64
                      " THEN coalesce(max(%s), 0)::int8"
                      " ELSE min(%s)::int8 - %zu END FROM %s) + 1 + w.n)::%s",
                      col->ident, greatest(col) - (int64_t)count - 1, col->ident, col->ident,
                      count + 1, table->ident, col->base);
        return;
    }
    if (field->type == LS_T_TEXT && field->precision >= 0)
        ls_buf_text(sql, "left(");
    for (; form && *form; form++) {
        if (*form == '@')
            ls_buf_text(sql, col->ident);
        else if (*form == '%')
            ls_buf_text(sql, table->ident);
        else
            ls_buf_char(sql, *form);
    }
    if (field->type == LS_T_TEXT && field->precision >= 0)
        ls_buf_printf(sql, ", %d)", field->precision);
}

/* The position in write->fields of the column of this index that can be parked best, or -1. */
static int choose(const struct ls_pgs_table *table, const struct ls_write *write,
                  const struct ls_pgs_unique *unique)
{
    int best = -1;

    for (size_t u = 0; u < unique->field_count; u++)
        for (size_t i = 0; i < write->field_count; i++) {
            const struct ls_pgs_column *col = &table->columns[write->fields[i]];
            enum ls_type type = write->schema->fields[write->fields[i]].type;
            bool null = col->nullable && !unique->one_null && !unique->referenced;

            if (write->fields[i] != unique->fields[u] || !ls_pgs_is_set(table, write, i))
                continue;
            if (null)
                return (int)i;
            if (best < 0 &&
                (type == LS_T_INT || free_value(type) || parks_empty(col, type, unique)))
                best = (int)i;
        }
    return best;
}

bool ls_pgs_may_park(const struct ls_pgs_table *table, const struct ls_write *write)
{
    for (size_t u = 0; u < table->unique_count; u++)
        if (table->uniques[u].immediate && choose(table, write, &table->uniques[u]) >= 0)
            return true;
    return false;
}

/* "(t.a, t.b) are not what they shall be", over the index's columns that are written. */
static void changes(struct ls_buf *sql, const struct ls_pgs_table *table,
                    const struct ls_write *write, const struct ls_pgs_unique *unique)
{
    const char *glue = " AND (";

    for (size_t u = 0; u < unique->field_count; u++)
        for (size_t i = 0; i < write->field_count; i++) {
            const struct ls_pgs_column *col = &table->columns[write->fields[i]];
            const char *cast = col->type->literal ? "" : "::text"; /* json has no equality */

            if (write->fields[i] != unique->fields[u] || !ls_pgs_is_set(table, write, i))
                continue;
            ls_buf_printf(sql, "%st.%s%s IS DISTINCT FROM w.f%zu%s", glue, col->ident, cast, i,
                          cast);
            glue = " OR ";
        }
    ls_buf_char(sql, ')');
}

static enum ls_code park_one(struct ls_pgs *pg, const struct ls_pgs_table *table,
                             const struct ls_write *write, const struct ls_pgs_unique *unique,
                             struct ls_error *err)
{
    int at = choose(table, write, unique);
    struct ls_buf sql;
    size_t field;
    enum ls_code rc;

    if (at < 0)
        return LS_OK;
    field = write->fields[at];
    ls_buf_init(&sql, 0);
    ls_buf_printf(&sql, "UPDATE %s AS t SET %s = ", table->ident, table->columns[field].ident);
    parked(&sql, table, &table->columns[field], &write->schema->fields[field], unique,
           write->count);
    ls_buf_text(&sql, " FROM " LS_PGS_TEMP " AS w WHERE w.op = 'u' AND ");
    ls_pgs_temp_match(&sql, table, write);
    changes(&sql, table, write, unique);
    rc = ls_pgs_built(&sql, err);
    if (rc == LS_OK)
        rc = ls_sql_exec(pg->db, ls_buf_str(&sql), err);
    ls_buf_done(&sql);
    return rc;
}

/* A partition's index has a name of its own, and messages may be translated: then all are parked. */
bool ls_pgs_park_named(const struct ls_pgs_table *table, const char *why, bool *parked)
{
    bool named = false, fresh = false;

    for (size_t u = 0; u < table->unique_count; u++)
        named |= strstr(why, table->uniques[u].name) != NULL;
    for (size_t u = 0; u < table->unique_count; u++)
        if (!parked[u] && (!named || strstr(why, table->uniques[u].name)))
            parked[u] = fresh = true;
    return fresh;
}

enum ls_code ls_pgs_park(struct ls_pgs *pg, const struct ls_pgs_table *table,
                         const struct ls_write *write, const bool *parked, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t u = 0; u < table->unique_count && rc == LS_OK; u++)
        if (parked[u] && table->uniques[u].immediate)
            rc = park_one(pg, table, write, &table->uniques[u], err);
    return rc;
}
