/* SPDX-License-Identifier: Apache-2.0 */
/* waits.c - which changes of a write meet the present values of others, by rules that the schema's keys do not tell.
 *
 * An EXCLUDE constraint keeps out what overlaps, a partial or functional index what its expression makes equal, a folding collation what
 * it takes for the same. Only the server can tell what that is, so it is asked: the changes are copied into the temporary table as for a
 * write, and joined with the table by the index's own expressions and operators, as the catalogue has them. Where an index can
 * be used for that it is the constraint's own.
 *
 * The expressions name columns without a table, so each is put into a subselect in which the table is the only one. Our own names
 * in there hold a blank, which a column may too but none does.
 *
 * Asked only after a write was refused, and an answer is no more than advice on what to try together: whatever the
 * server does not like about the question leaves those out that it would have found.
 *
 * Limits. Columns that are not written are taken to be NULL in a new record, whatever their default is. */
#include "store/postgres/postgres.h"

#include <string.h>

#define PAIRS_A_CHANGE ((size_t)16) /* a range may overlap thousands; fewer tell as much */
#define MOST_PARTS 32               /* of an index, as PostgreSQL has it */

/* An index as SQL: its predicate ("" for none), and an expression and operator for each of its parts. */
struct rule {
    const char *predicate;
    size_t count;
    const char *parts[MOST_PARTS], *operators[MOST_PARTS];
};

static const char rule_sql[] =
    "SELECT pg_get_indexdef(i.indexrelid, u.place, true),"
    "  format('OPERATOR(%I.%s)', n.nspname, o.oprname),"
    "  coalesce(pg_get_expr(i.indpred, i.indrelid), '')"
    " FROM pg_index i CROSS JOIN generate_series(1, i.indnkeyatts::int4) AS u(place)"
    " JOIN pg_opclass c ON c.oid = i.indclass[u.place - 1]"
    " LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype = 'x'"
    " JOIN pg_operator o ON o.oid = coalesce(k.conexclop[u.place], (SELECT a.amopopr FROM pg_amop a"
    "   WHERE a.amopfamily = c.opcfamily AND a.amoplefttype = c.opcintype"
    "   AND a.amoprighttype = c.opcintype AND a.amopstrategy = 3))" /* = of a btree */
    " JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE i.indexrelid = ?::oid ORDER BY u.place";

static enum ls_code read_rule(struct ls_pgs *pg, int64_t index, struct ls_arena *mem,
                              struct rule *ret, struct ls_error *err)
{
    const struct ls_value param = ls_value_int(index);
    struct ls_sql_stmt *stmt = NULL;
    bool row = true;
    enum ls_code rc = ls_sql_prepare(pg->db, rule_sql, &stmt, err);

    *ret = (struct rule){.predicate = ""};
    if (rc == LS_OK)
        rc = ls_sql_run(stmt, &param, 1, false, err);
    while (rc == LS_OK && ret->count < MOST_PARTS) {
        rc = ls_sql_step(stmt, &row, err);
        if (rc != LS_OK || !row)
            break;
        ret->parts[ret->count] = ls_arena_text(mem, ls_sql_text(stmt, 0, NULL));
        ret->operators[ret->count] = ls_arena_text(mem, ls_sql_text(stmt, 1, NULL));
        ret->predicate = ls_arena_text(mem, ls_sql_text(stmt, 2, NULL));
        if (!ret->parts[ret->count] || !ret->operators[ret->count] || !ret->predicate)
            rc = ls_error_nomem(err);
        ret->count++;
    }
    ls_sql_finish(stmt);
    return rc;
}

/* What the column will hold in a record that is inserted or updated: in w the change, in t the record as it is. */
static void after(struct ls_buf *sql, const struct ls_pgs_table *table,
                  const struct ls_write *write, size_t field)
{
    const char *ident = table->columns[field].ident;
    size_t at = 0;

    while (at < write->field_count && write->fields[at] != field)
        at++;
    if (at == write->field_count)
        ls_buf_printf(sql, ", t.%s", ident);
    else if (ls_pgs_is_set(table, write, at))
        ls_buf_printf(sql, ", w.f%zu AS %s", at, ident);
    else
        ls_buf_printf(sql, ", CASE WHEN w.op = 'u' THEN t.%s ELSE w.f%zu END AS %s", ident, at,
                      ident);
}

static void parts(struct ls_buf *sql, const struct rule *rule)
{
    for (size_t i = 0; i < rule->count; i++)
        ls_buf_printf(sql, ", (%s) AS \"lockstep %zu\"", rule->parts[i], i);
}

static void predicate(struct ls_buf *sql, const struct rule *rule)
{
    if (*rule->predicate)
        ls_buf_printf(sql, " WHERE (%s)", rule->predicate);
}

/* a: what the changes will be; t: what the records are; w: the change of such a record. */
static void question(struct ls_buf *sql, const struct ls_pgs_table *table,
                     const struct ls_write *write, const struct ls_pgs_unique *unique,
                     const struct rule *rule)
{
    ls_buf_text(sql,
                "SELECT DISTINCT a.\"lockstep n\"::int8, w.n::int8 FROM (SELECT \"lockstep n\"");
    parts(sql, rule);
    ls_buf_text(sql, " FROM (SELECT w.n AS \"lockstep n\"");
    for (size_t i = 0; i < unique->field_count; i++)
        after(sql, table, write, unique->fields[i]);
    ls_buf_printf(sql, " FROM " LS_PGS_TEMP " AS w LEFT JOIN %s AS t ON w.op = 'u' AND ",
                  table->ident);
    ls_pgs_temp_match(sql, table, write);
    ls_buf_text(sql, " WHERE w.op <> 'd') AS t");
    predicate(sql, rule);
    ls_buf_text(sql, ") AS a JOIN (SELECT t.*");
    parts(sql, rule);
    ls_buf_printf(sql, " FROM %s AS t", table->ident);
    predicate(sql, rule);
    ls_buf_text(sql, ") AS t ON ");
    for (size_t i = 0; i < rule->count; i++)
        ls_buf_printf(sql, "%sa.\"lockstep %zu\" %s t.\"lockstep %zu\"", i ? " AND " : "", i,
                      rule->operators[i], i);
    ls_buf_text(sql, " JOIN " LS_PGS_TEMP " AS w ON w.op <> 'i' AND ");
    ls_pgs_temp_match(sql, table, write);
    ls_buf_printf(sql, " WHERE w.n <> a.\"lockstep n\" LIMIT %zu", PAIRS_A_CHANGE * write->count);
}

struct answer {
    size_t count, capacity;
    struct ls_wait *waits;
};

static enum ls_code take(struct answer *a, const struct ls_write *write,
                         const struct ls_value pair[2], struct ls_arena *mem, struct ls_error *err)
{
    const struct ls_wait wait = {(size_t)pair[0].i, (size_t)pair[1].i};

    if (wait.taker >= write->count || wait.giver >= write->count)
        return ls_error_set(err, LS_INTERNAL, "a change is numbered past the end");
    if (a->count == a->capacity) {
        const size_t capacity = a->capacity ? 2 * a->capacity : 64;
        struct ls_wait *grown = ls_arena_array(mem, capacity, sizeof(*grown));

        if (!grown)
            return ls_error_nomem(err);
        if (a->count)
            memcpy(grown, a->waits, a->count * sizeof(*grown));
        a->waits = grown;
        a->capacity = capacity;
    }
    a->waits[a->count++] = wait;
    return LS_OK;
}

static enum ls_code ask(struct ls_pgs *pg, const struct ls_pgs_table *table,
                        const struct ls_write *write, const struct ls_pgs_unique *unique,
                        struct answer *a, struct ls_arena *mem, struct ls_error *err)
{
    static const enum ls_type types[] = {LS_T_INT, LS_T_INT};
    struct ls_pgs_reader *reader = NULL;
    struct ls_value pair[2];
    struct ls_buf sql;
    struct rule rule;
    size_t bytes = 0;
    bool row = true;
    enum ls_code rc = read_rule(pg, unique->index, mem, &rule, err);

    if (rc != LS_OK || !rule.count)
        return rc;
    ls_buf_init(&sql, 0);
    question(&sql, table, write, unique, &rule);
    rc = ls_pgs_built(&sql, err);
    if (rc == LS_OK)
        rc = ls_pgs_read_open(pg, ls_buf_str(&sql), types, 2, &reader, err);
    while (rc == LS_OK) {
        rc = ls_pgs_read(reader, mem, pair, &row, &bytes, err);
        if (rc != LS_OK || !row)
            break;
        rc = take(a, write, pair, mem, err);
    }
    ls_pgs_read_close(reader);
    ls_buf_done(&sql);
    return rc;
}

enum ls_code ls_pgs_waits(struct ls_store *store, const struct ls_write *write,
                          struct ls_arena *mem, size_t *ret_count, const struct ls_wait **ret,
                          struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    const struct ls_pgs_table *table;
    struct answer a = {0};
    size_t unseen = 0;
    enum ls_code rc = ls_pgs_table(pg, write->schema, &table, err);

    if (rc != LS_OK)
        return rc;
    for (size_t u = 0; u < table->unique_count; u++)
        unseen += table->uniques[u].unseen;
    if (unseen) {
        rc = ls_pgs_stage(pg, table, write, err);
        for (size_t u = 0; u < table->unique_count && rc == LS_OK; u++)
            if (table->uniques[u].unseen)
                rc = ask(pg, table, write, &table->uniques[u], &a, mem, err);
        if (!ls_pgs_unstage(pg) || rc == LS_NOMEM || rc == LS_CANCELLED)
            return rc == LS_OK ? ls_error_set(err, LS_CONNECT, "the connection was lost") : rc;
    }
    *ret_count = a.count;
    *ret = a.waits;
    return LS_OK;
}
