/* SPDX-License-Identifier: Apache-2.0 */
/* bounds.c - where to cut a table into segments of about the same count.
 *
 * A sample of the first key field, sorted; every n-th of it is a bound. Sampled by blocks (TABLESAMPLE SYSTEM) and then by record:
 * neighbours in a block have neighbouring keys where records came in key order, so a few whole blocks would give
 * bounds in clusters, with segments of 20 records beside segments of 7,000. Many blocks with a record or two of each cost little
 * and spread well. A small table, and what is left of a table that was cut before, is read whole.
 *
 * Only for types of fixed width and whose order is the server's: width_bucket() searches those by halves and walks through all others.
 * Other keys are cut by hash; a bound would buy them nothing. */
#include "store/postgres/postgres.h"

#include "model/decimal.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLE_A_PART 32 /* sampled keys for each part: their sizes differ by some 20 % then */
#define BLOCKS_A_PART 16 /* of 8 KiB: read no more than that */
#define MOST_KEYS \
    ((size_t)4 << 20) /* a guard against statistics that are far off: 64 MiB of values */

static bool can_cut(const struct ls_pgs_table *table, const struct ls_scan *scan)
{
    const struct ls_as *as = scan->as ? &scan->as[scan->key[0]] : NULL;
    enum ls_type type = table->columns[scan->fields[scan->key[0]]].type->type;

    if (as && as->type != type)
        return false;
    return type == LS_T_INT || type == LS_T_UUID || type == LS_T_DATE || type == LS_T_TIMESTAMP ||
           type == LS_T_TIMESTAMPTZ;
}

/* How the sample is drawn: percent of blocks, and the part of their records. */
struct draw {
    double blocks_percent, part;
};

static double wanted_part(const struct ls_partition *p)
{
    size_t n = 0;

    for (size_t i = 0; p && i < p->count; i++)
        n += ls_partition_wants(p, i);
    return p ? (double)n / (double)p->count : 1;
}

/* Blocks and records as the server has them now, not when the table was described. */
static enum ls_code size_up(struct ls_pgs *pg, const struct ls_pgs_table *table, double *blocks,
                            double *rows, struct ls_error *err)
{
    static const char sql[] =
        "SELECT coalesce(sum(" LS_PGS_BLOCKS "), 0)::float8, coalesce(sum(" LS_PGS_ROWS
        "), 0)::float8"
        " FROM pg_class r WHERE r.relkind IN ('r', 'm')"
        " AND r.oid IN (SELECT ?::oid UNION SELECT relid FROM pg_partition_tree(?::oid))";
    const struct ls_value params[] = {ls_value_int(table->oid), ls_value_int(table->oid)};
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    enum ls_code rc = ls_sql_one(pg->db, sql, params, 2, &stmt, &row, err);

    if (rc == LS_OK && row) {
        *blocks = ls_sql_double(stmt, 0);
        *rows = ls_sql_double(stmt, 1);
    }
    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code plan_draw(struct ls_pgs *pg, const struct ls_pgs_table *table,
                              const struct ls_scan *scan, size_t wanted, struct draw *ret,
                              struct ls_error *err)
{
    const bool filtered = scan->filter && scan->filter->count > 0;
    double blocks = 0, rows = 0, most = (double)wanted * BLOCKS_A_PART;
    enum ls_code rc = size_up(pg, table, &blocks, &rows, err);

    *ret = (struct draw){100, 1};
    if (rc != LS_OK || filtered || !strchr("rpm", table->kind))
        return rc; /* how many records a filter leaves is not known */
    if (wanted_part(scan->partition) >= 1 && blocks > most)
        ret->blocks_percent = 100 * most / blocks;
    rows *= ret->blocks_percent / 100 * wanted_part(scan->partition);
    if (rows > (double)wanted * SAMPLE_A_PART)
        ret->part = (double)wanted * SAMPLE_A_PART / rows;
    return LS_OK;
}

/* Not by printf(), which writes a comma where the program's locale has one. */
static void number(struct ls_buf *sql, const char *before, double d, const char *after)
{
    ls_buf_text(sql, before);
    ls_decimal_from_double(sql, d, 53);
    ls_buf_text(sql, after);
}

static enum ls_code sample_query(struct ls_buf *sql, const struct ls_pgs *pg,
                                 const struct ls_pgs_table *table, const struct ls_scan *scan,
                                 const struct draw *draw, struct ls_error *err)
{
    enum ls_code rc;

    ls_buf_text(sql, "SELECT k FROM (SELECT ");
    ls_pgs_column_ref(sql, table, scan->fields[scan->key[0]]);
    ls_buf_printf(sql, " AS k FROM %s AS t", table->ident);
    if (draw->blocks_percent < 100)
        number(sql, " TABLESAMPLE SYSTEM (", draw->blocks_percent, ")");
    rc = ls_pgs_where(sql, pg, table, scan, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_text(sql, ") AS s WHERE k IS NOT NULL");
    if (draw->part < 1)
        number(sql, " AND random() < ", draw->part, "");
    ls_buf_text(sql, " ORDER BY k");
    return ls_pgs_built(sql, err);
}

/* The sorted sample, in mem. */
static enum ls_code sample(struct ls_pgs *pg, const char *query, enum ls_type type,
                           struct ls_arena *mem, size_t *ret_count, struct ls_value **ret,
                           struct ls_error *err)
{
    struct ls_pgs_reader *reader = NULL;
    struct ls_value *values = NULL, *grown, one;
    size_t count = 0, capacity = 0, bytes = 0;
    bool row = true;
    enum ls_code rc = ls_pgs_read_open(pg, query, &type, 1, &reader, err);

    while (rc == LS_OK && count < MOST_KEYS) {
        rc = ls_pgs_read(reader, mem, &one, &row, &bytes, err);
        if (rc != LS_OK || !row)
            break;
        if (count == capacity) {
            capacity = capacity ? capacity * 2 : 1024;
            grown = ls_arena_array(mem, capacity, sizeof(*grown));
            if (!grown) {
                rc = ls_error_nomem(err);
                break;
            }
            if (count)
                memcpy(grown, values, count * sizeof(*grown));
            values = grown;
        }
        values[count++] = one;
    }
    ls_pgs_read_close(reader);
    *ret_count = count;
    *ret = values;
    return rc;
}

/* Every n-th value, each once. */
static enum ls_code pick(const struct ls_value *values, size_t count, size_t wanted,
                         struct ls_arena *mem, size_t *ret_count, struct ls_value **ret,
                         struct ls_error *err)
{
    struct ls_value *bounds = ls_arena_array(mem, wanted, sizeof(*bounds));
    struct ls_as as = {.type = count ? values[0].type : LS_T_INT, .fraction = 6, .bits = 53};
    size_t n = 0;

    if (!bounds)
        return ls_error_nomem(err);
    for (size_t i = 1; i <= wanted && count; i++) {
        const struct ls_value *v = &values[i * count / (wanted + 1)];

        if (v->type != as.type || (n && ls_value_order(&bounds[n - 1], v, &as) >= 0))
            continue;
        if (!ls_value_copy(mem, v, &bounds[n]))
            return ls_error_nomem(err);
        n++;
    }
    *ret_count = n;
    *ret = bounds;
    return LS_OK;
}

enum ls_code ls_pgs_bounds(struct ls_store *store, const struct ls_scan *scan, size_t wanted,
                           struct ls_arena *mem, size_t *ret_count, struct ls_value **ret,
                           struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    const struct ls_pgs_table *table;
    struct ls_value *values = NULL;
    struct ls_arena work;
    struct ls_buf sql;
    struct draw draw;
    size_t count = 0;
    enum ls_code rc = ls_pgs_table(pg, scan->schema, &table, err);

    ls_arena_init(&work, 0);
    ls_buf_init(&sql, 0);
    if (rc != LS_OK)
        goto done;
    if (!wanted || !can_cut(table, scan) || (scan->partition && !scan->partition->by_range)) {
        *ret_count = 0;
        *ret = NULL;
        goto done;
    }
    rc = plan_draw(pg, table, scan, wanted, &draw, err);
    if (rc == LS_OK)
        rc = sample_query(&sql, pg, table, scan, &draw, err);
    if (rc == LS_OK)
        rc = sample(pg, ls_buf_str(&sql), table->columns[scan->fields[scan->key[0]]].type->type,
                    &work, &count, &values, err);
    if (rc == LS_OK)
        rc = pick(values, count, wanted, mem, ret_count, ret, err);
done:
    ls_buf_done(&sql);
    ls_arena_done(&work);
    return rc;
}
