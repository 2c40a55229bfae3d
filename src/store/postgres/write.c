/* SPDX-License-Identifier: Apache-2.0 */
/* write.c - a set of changes, written as sets.
 *
 * The changes are copied into a temporary table and then carried out by three statements: DELETE ... USING, UPDATE ... FROM,
 * INSERT ... SELECT, in this order, so that a unique value that a deleted record gives up can be taken. Each must
 * reach exactly as many records as there are changes of its kind, or the write is refused as a conflict. When all
 * changes are inserts they are copied straight into the table: the way a first copy goes, and twice as fast.
 *
 * The temporary table has the target's base types (a domain's checks are for the target itself), lives as long as
 * the session and is emptied by each commit: making one for every batch would leave thousands of dead
 * rows in pg_catalog. It is made anew when other columns are written.
 *
 * All is inside a savepoint: a write that is refused leaves the transaction as it found it, fit for a part of the same changes. Values that
 * change places in a unique index are parked (park.c) after the plain update has failed, never before: it is rare. Records
 * are never deleted and inserted again to make room, because deletes cascade. */
#include "store/postgres/postgres.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES ((size_t)64 << 10) /* handed to the server at once */

void ls_pgs_temp_field(char out[24], size_t position)
{
    snprintf(out, 24, "w.f%zu", position);
}

void ls_pgs_temp_key(char out[24], size_t position)
{
    snprintf(out, 24, "w.k%zu", position);
}

static const struct ls_pgs_column *column_of(const struct ls_pgs_table *table,
                                             const struct ls_write *write, size_t position)
{
    return &table->columns[write->fields[position]];
}

static bool is_key(const struct ls_write *write, size_t position)
{
    for (size_t i = 0; i < write->key_count; i++)
        if (write->key[i] == position)
            return true;
    return false;
}

bool ls_pgs_is_set(const struct ls_pgs_table *table, const struct ls_write *write, size_t position)
{
    return !is_key(write, position) && !column_of(table, write, position)->always;
}

void ls_pgs_temp_match(struct ls_buf *sql, const struct ls_pgs_table *table,
                       const struct ls_write *write)
{
    char right[24];
    struct ls_buf left;

    ls_buf_init(&left, 0);
    for (size_t i = 0; i < write->key_count; i++) {
        ls_buf_reset(&left);
        ls_pgs_column_ref(&left, table, write->fields[write->key[i]]);
        ls_pgs_temp_key(right, i);
        ls_buf_text(sql, i ? " AND " : "");
        ls_pgs_match(sql, column_of(table, write, write->key[i]),
                     left.failed ? "" : ls_buf_str(&left), right);
    }
    sql->failed |= left.failed;
    ls_buf_done(&left);
}

/* ---- the temporary table ---- */

static void define(struct ls_buf *sql, const struct ls_pgs_column *col, char letter, size_t number)
{
    ls_buf_printf(sql, ", %c%zu %s", letter, number, col->full);
    if (col->collation)
        ls_buf_printf(sql, " COLLATE %s", col->collation);
}

/* Has the table ready and empty, and sets the savepoint. */
static enum ls_code prepare(struct ls_pgs *pg, const struct ls_pgs_table *table,
                            const struct ls_write *write, struct ls_error *err)
{
    struct ls_buf sql;
    enum ls_code rc;

    ls_buf_init(&sql, 0);
    ls_buf_text(&sql, "op \"char\" NOT NULL, n int4 NOT NULL");
    for (size_t i = 0; i < write->field_count; i++)
        define(&sql, column_of(table, write, i), 'f', i);
    for (size_t i = 0; i < write->key_count; i++)
        define(&sql, column_of(table, write, write->key[i]), 'k', i);
    rc = ls_pgs_built(&sql, err);
    if (rc == LS_OK && pg->temp_for && strcmp(pg->temp_for, ls_buf_str(&sql)) == 0) {
        rc = ls_sql_exec(pg->db,
                         pg->temp_dirty ? "TRUNCATE " LS_PGS_TEMP "; SAVEPOINT lockstep_write"
                                        : "SAVEPOINT lockstep_write",
                         err);
    } else if (rc == LS_OK) {
        free(pg->temp_for);
        pg->temp_for = NULL;
        pg->temp_committed = false;
        rc = ls_sql_execf(pg->db, err,
                          "DROP TABLE IF EXISTS " LS_PGS_TEMP
                          "; CREATE TEMPORARY TABLE lockstep_write (%s)"
                          " ON COMMIT DELETE ROWS; SAVEPOINT lockstep_write",
                          ls_buf_str(&sql));
        if (rc == LS_OK && !(pg->temp_for = strdup(ls_buf_str(&sql))))
            rc = ls_error_nomem(err);
    }
    pg->temp_dirty = true;
    ls_buf_done(&sql);
    return rc;
}

/* ---- COPY's text format ---- */

static bool escape(struct ls_buf *out, const char *text, size_t size)
{
    static const char letters[256] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r',
                                      ['\t'] = 't', ['\v'] = 'v', ['\\'] = '\\'};
    size_t plain = 0;

    for (size_t i = 0; i < size; i++) {
        char letter = letters[(unsigned char)text[i]];

        if (text[i] == '\0')
            return false;
        if (!letter)
            continue;
        ls_buf_add(out, text + plain, i - plain);
        ls_buf_char(out, '\\');
        ls_buf_char(out, letter);
        plain = i + 1;
    }
    ls_buf_add(out, text + plain, size - plain);
    return true;
}

struct copier {
    struct ls_sql_copy *copy;
    struct ls_buf line, text;
    const struct ls_write *write;
};

static enum ls_code put(struct copier *c, const struct ls_value *v, size_t position, bool first,
                        struct ls_error *err)
{
    const struct ls_schema *schema = c->write->schema;

    if (!first)
        ls_buf_char(&c->line, '\t');
    if (!v || v->type == LS_T_NULL) {
        ls_buf_text(&c->line, "\\N");
        return LS_OK;
    }
    ls_buf_reset(&c->text);
    ls_value_to_text(&c->text, v);
    if (c->text.failed)
        return ls_error_nomem(err);
    if (!escape(&c->line, c->text.data, c->text.size))
        return ls_error_set(
            err, LS_TYPE,
            "cannot write %s: PostgreSQL's text has no NUL byte, and this value has one "
            "(field=%s)",
            schema->collection, schema->fields[c->write->fields[position]].name);
    return LS_OK;
}

static enum ls_code flush(struct copier *c, size_t least, struct ls_error *err)
{
    enum ls_code rc;

    if (c->line.failed)
        return ls_error_nomem(err);
    if (c->line.size < least || c->line.size == 0)
        return LS_OK;
    rc = ls_sql_copy_write(c->copy, c->line.data, c->line.size, err);
    ls_buf_reset(&c->line);
    return rc;
}

/* One record of the target itself. */
static enum ls_code put_record(struct copier *c, size_t i, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t f = 0; f < c->write->field_count && rc == LS_OK; f++)
        rc = put(c, &c->write->ops[i].record[f], f, f == 0, err);
    ls_buf_char(&c->line, '\n');
    return rc;
}

/* One change, as the temporary table holds it. */
static enum ls_code put_change(struct copier *c, size_t i, struct ls_error *err)
{
    static const char letters[] = {[LS_INSERT] = 'i', [LS_UPDATE] = 'u', [LS_DELETE] = 'd'};
    const struct ls_write_op *op = &c->write->ops[i];
    enum ls_code rc = LS_OK;

    ls_buf_printf(&c->line, "%c\t%zu", letters[op->kind], i);
    for (size_t f = 0; f < c->write->field_count && rc == LS_OK; f++)
        rc = put(c, op->kind == LS_DELETE ? NULL : &op->record[f], f, false, err);
    for (size_t k = 0; k < c->write->key_count && rc == LS_OK; k++)
        rc = put(c, op->kind == LS_INSERT ? NULL : &op->key[k], c->write->key[k], false, err);
    ls_buf_char(&c->line, '\n');
    return rc;
}

static enum ls_code copy_in(struct ls_pgs *pg, const char *sql, const struct ls_write *write,
                            enum ls_code (*each)(struct copier *c, size_t i, struct ls_error *err),
                            struct ls_error *err)
{
    struct copier c = {.write = write};
    enum ls_code rc = ls_sql_copy_in(pg->db, sql, &c.copy, err);

    ls_buf_init(&c.line, 0);
    ls_buf_init(&c.text, 0);
    for (size_t i = 0; i < write->count && rc == LS_OK; i++) {
        rc = each(&c, i, err);
        if (rc == LS_OK)
            rc = flush(&c, PIECE_BYTES, err);
    }
    if (rc == LS_OK)
        rc = flush(&c, 0, err);
    if (rc == LS_OK)
        rc = ls_sql_copy_end(c.copy, err);
    ls_sql_copy_close(c.copy);
    ls_buf_done(&c.text);
    ls_buf_done(&c.line);
    return rc;
}

/* ---- the statements ---- */

static size_t count_kind(const struct ls_write *write, enum ls_change_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < write->count; i++)
        n += write->ops[i].kind == kind;
    return n;
}

/* Runs a statement that must reach exactly `expected` records. */
static enum ls_code reach(struct ls_pgs *pg, const struct ls_buf *sql, const struct ls_write *write,
                          const char *what, size_t expected, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    int64_t changes = 0;
    enum ls_code rc = ls_pgs_built(sql, err);

    if (rc == LS_OK)
        rc = ls_sql_prepare(pg->db, ls_buf_str(sql), &stmt, err);
    if (rc == LS_OK)
        rc = ls_sql_change(stmt, NULL, 0, &changes, err);
    ls_sql_finish(stmt);
    if (rc != LS_OK || changes == (int64_t)expected)
        return rc;
    return ls_error_set(err, LS_CONFLICT,
                        "%s: %zu records were to be %s, and the statement reached %" PRId64
                        ". They changed since, or a trigger or rule of the table stepped in",
                        write->schema->collection, expected, what, changes);
}

static enum ls_code delete_all(struct ls_pgs *pg, const struct ls_pgs_table *table,
                               const struct ls_write *write, size_t expected, struct ls_error *err)
{
    struct ls_buf sql;
    enum ls_code rc;

    ls_buf_init(&sql, 0);
    ls_buf_printf(&sql, "DELETE FROM %s AS t USING " LS_PGS_TEMP " AS w WHERE w.op = 'd' AND ",
                  table->ident);
    ls_pgs_temp_match(&sql, table, write);
    rc = reach(pg, &sql, write, "deleted", expected, err);
    ls_buf_done(&sql);
    return rc;
}

/* Records to update are there, for fields that no statement may set. differs: "t.x IS DISTINCT FROM w.f", or NULL. */
static enum ls_code count_matches(struct ls_pgs *pg, const struct ls_pgs_table *table,
                                  const struct ls_write *write, const char *differs, int64_t *ret,
                                  struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_buf sql;
    bool row = false;
    enum ls_code rc;

    ls_buf_init(&sql, 0);
    ls_buf_printf(&sql, "SELECT count(*) FROM %s AS t JOIN " LS_PGS_TEMP " AS w ON w.op = 'u' AND ",
                  table->ident);
    ls_pgs_temp_match(&sql, table, write);
    if (differs)
        ls_buf_printf(&sql, " AND %s", differs);
    rc = ls_pgs_built(&sql, err);
    if (rc == LS_OK)
        rc = ls_sql_one(pg->db, ls_buf_str(&sql), NULL, 0, &stmt, &row, err);
    if (rc == LS_OK && row)
        *ret = ls_sql_i64(stmt, 0);
    ls_sql_finish(stmt);
    ls_buf_done(&sql);
    return rc;
}

/* GENERATED ALWAYS columns cannot be set by an update: fine as long as they need not change. */
static enum ls_code check_always(struct ls_pgs *pg, const struct ls_pgs_table *table,
                                 const struct ls_write *write, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < write->field_count && rc == LS_OK; i++) {
        struct ls_buf differs;
        int64_t n = 0;

        if (is_key(write, i) || ls_pgs_is_set(table, write, i))
            continue;
        ls_buf_init(&differs, 0);
        ls_pgs_column_ref(&differs, table, write->fields[i]);
        ls_buf_printf(&differs, " IS DISTINCT FROM w.f%zu", i);
        rc = ls_pgs_built(&differs, err);
        if (rc == LS_OK)
            rc = count_matches(pg, table, write, ls_buf_str(&differs), &n, err);
        ls_buf_done(&differs);
        if (rc == LS_OK && n)
            rc = ls_error_set(err, LS_CONSTRAINT,
                              "%s: the column \"%s\" is GENERATED ALWAYS AS IDENTITY and cannot be "
                              "updated. Leave "
                              "it out of the fields, or make it GENERATED BY DEFAULT",
                              write->schema->collection,
                              write->schema->fields[write->fields[i]].name);
    }
    return rc;
}

static enum ls_code update_once(struct ls_pgs *pg, const struct ls_pgs_table *table,
                                const struct ls_write *write, size_t expected, struct ls_error *err)
{
    struct ls_buf sql;
    size_t set = 0;
    int64_t there = 0;
    enum ls_code rc;

    ls_buf_init(&sql, 0);
    ls_buf_printf(&sql, "UPDATE %s AS t SET ", table->ident);
    for (size_t i = 0; i < write->field_count; i++)
        if (ls_pgs_is_set(table, write, i)) {
            ls_buf_text(&sql, set++ ? ", " : "");
            ls_buf_printf(&sql, "%s = w.f%zu", column_of(table, write, i)->ident, i);
        }
    ls_buf_text(&sql, " FROM " LS_PGS_TEMP " AS w WHERE w.op = 'u' AND ");
    ls_pgs_temp_match(&sql, table, write);
    if (set) {
        rc = reach(pg, &sql, write, "updated", expected, err);
    } else {
        rc = count_matches(pg, table, write, NULL, &there, err);
        if (rc == LS_OK && there != (int64_t)expected)
            rc = ls_error_set(err, LS_CONFLICT, "%s: a record to update is not there",
                              write->schema->collection);
    }
    ls_buf_done(&sql);
    return rc;
}

static bool is_duplicate(enum ls_code rc, const struct ls_error *err)
{
    return rc == LS_CONSTRAINT && strcmp(err->native, "23505") == 0;
}

/* Values that another record has, or that an EXCLUDE constraint keeps out. */
static bool may_change_places(enum ls_code rc, const struct ls_error *err)
{
    return is_duplicate(rc, err) || (rc == LS_CONSTRAINT && strcmp(err->native, "23P01") == 0);
}

static enum ls_code update_all(struct ls_pgs *pg, const struct ls_pgs_table *table,
                               const struct ls_write *write, size_t expected, struct ls_error *err)
{
    const bool may_park = expected > 1 && ls_pgs_may_park(table, write);
    bool *parked = calloc(table->unique_count + 1, sizeof(*parked));
    struct ls_error own = {0};
    enum ls_code rc = check_always(pg, table, write, err);

    if (!parked)
        rc = ls_error_nomem(err);
    if (rc == LS_OK && may_park)
        rc = ls_sql_exec(pg->db, "SAVEPOINT lockstep_update", err);
    while (rc == LS_OK) {
        rc = ls_pgs_park(pg, table, write, parked, err);
        if (rc != LS_OK)
            break;
        rc = update_once(pg, table, write, expected, &own);
        if (rc != LS_OK && err)
            *err = own;
        if (rc == LS_OK || !may_park || !may_change_places(rc, &own) ||
            !ls_pgs_park_named(table, own.text, parked))
            break;
        rc = ls_sql_exec(pg->db, "ROLLBACK TO SAVEPOINT lockstep_update", err);
    }
    free(parked);
    return rc;
}

static void column_names(struct ls_buf *sql, const struct ls_pgs_table *table,
                         const struct ls_write *write)
{
    for (size_t i = 0; i < write->field_count; i++)
        ls_buf_printf(sql, i ? ", %s" : "%s", column_of(table, write, i)->ident);
}

static bool has_identity(const struct ls_write *write)
{
    for (size_t i = 0; i < write->field_count; i++)
        if (write->schema->fields[write->fields[i]].flags & LS_FIELD_IDENTITY)
            return true;
    return false;
}

static enum ls_code insert_all(struct ls_pgs *pg, const struct ls_pgs_table *table,
                               const struct ls_write *write, size_t expected, struct ls_error *err)
{
    struct ls_buf sql;
    enum ls_code rc;

    ls_buf_init(&sql, 0);
    ls_buf_printf(&sql, "INSERT INTO %s (", table->ident);
    column_names(&sql, table, write);
    ls_buf_printf(&sql, ")%s SELECT ", has_identity(write) ? " OVERRIDING SYSTEM VALUE" : "");
    for (size_t i = 0; i < write->field_count; i++)
        ls_buf_printf(&sql, i ? ", w.f%zu" : "w.f%zu", i);
    ls_buf_text(&sql, " FROM " LS_PGS_TEMP " AS w WHERE w.op = 'i' ORDER BY w.n");
    rc = reach(pg, &sql, write, "inserted", expected, err);
    ls_buf_done(&sql);
    return rc;
}

/* ---- records that are there already ---- */

/* Whether the table itself refuses a record whose key is there. */
static bool key_enforced(const struct ls_write *write)
{
    return ls_schema_keeps_unique(write->schema, write->fields, write->key_count, write->key);
}

/* LS_CONFLICT when a record to insert is there. */
static enum ls_code check_absent(struct ls_pgs *pg, const struct ls_write *write,
                                 struct ls_error *err)
{
    const size_t width = write->key_count;
    struct ls_scan what = {.schema = write->schema, .field_count = width, .key_count = width};
    size_t *fields, *positions;
    struct ls_value *keys;
    struct ls_rows rows = {0};
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc = LS_OK;

    ls_arena_init(&mem, 0);
    keys = ls_arena_array(&mem, write->count * width, sizeof(*keys));
    fields = ls_arena_array(&mem, width, sizeof(*fields));
    positions = ls_arena_array(&mem, width, sizeof(*positions));
    if (!keys || !fields || !positions)
        rc = ls_error_nomem(err);
    for (size_t i = 0; rc == LS_OK && i < width; i++) {
        fields[i] = write->fields[write->key[i]];
        positions[i] = i;
    }
    what.fields = fields;
    what.key = positions;
    for (size_t i = 0; rc == LS_OK && i < write->count; i++)
        if (write->ops[i].kind == LS_INSERT)
            memcpy(keys + width * count++, write->ops[i].key, width * sizeof(*keys));
    if (rc == LS_OK && count)
        rc = ls_pgs_fetch(&pg->base, &what, count, keys, false, &mem, &rows, err);
    if (rc == LS_OK && rows.count)
        rc = ls_error_set(err, LS_CONFLICT,
                          "%s: %zu records to be inserted are there already. They were added since",
                          write->schema->collection, rows.count);
    ls_arena_done(&mem);
    return rc;
}

static enum ls_code write_direct(struct ls_pgs *pg, const struct ls_pgs_table *table,
                                 const struct ls_write *write, struct ls_error *err)
{
    struct ls_buf sql;
    enum ls_code rc;

    ls_buf_init(&sql, 0);
    ls_buf_printf(&sql, "COPY %s (", table->ident);
    column_names(&sql, table, write);
    ls_buf_text(&sql, ") FROM STDIN");
    rc = ls_pgs_built(&sql, err);
    if (rc == LS_OK)
        rc = copy_in(pg, ls_buf_str(&sql), write, put_record, err);
    ls_buf_done(&sql);
    return rc;
}

static enum ls_code insert_absent(struct ls_pgs *pg, const struct ls_pgs_table *table,
                                  const struct ls_write *write, size_t expected,
                                  struct ls_error *err)
{
    enum ls_code rc = key_enforced(write) ? LS_OK : check_absent(pg, write, err);

    return rc == LS_OK ? insert_all(pg, table, write, expected, err) : rc;
}

typedef enum ls_code step_fn(struct ls_pgs *pg, const struct ls_pgs_table *table,
                             const struct ls_write *write, size_t expected, struct ls_error *err);

struct step {
    enum ls_change_kind kind;
    step_fn *run;
};

static enum ls_code run_steps(struct ls_pgs *pg, const struct ls_pgs_table *table,
                              const struct ls_write *write, const struct step steps[3],
                              struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < 3 && rc == LS_OK; i++) {
        size_t count = count_kind(write, steps[i].kind);

        if (count)
            rc = steps[i].run(pg, table, write, count, err);
    }
    return rc;
}

/* A foreign key is checked at the end of each statement. In a table that refers to itself, an update may point at a record
 * yet to be inserted, or let go of one that is deleted: then the other order does. */
static enum ls_code write_sets(struct ls_pgs *pg, const struct ls_pgs_table *table,
                               const struct ls_write *write, struct ls_error *err)
{
    static const struct step usual[] = {
        {LS_DELETE, delete_all}, {LS_UPDATE, update_all}, {LS_INSERT, insert_absent}};
    static const struct step other[] = {
        {LS_INSERT, insert_absent}, {LS_UPDATE, update_all}, {LS_DELETE, delete_all}};
    const bool again = write->schema->flags & LS_SCHEMA_SELF_REF && count_kind(write, LS_UPDATE) &&
                       count_kind(write, LS_UPDATE) != write->count;
    enum ls_code rc = copy_in(pg, "COPY " LS_PGS_TEMP " FROM STDIN", write, put_change, err);

    if (rc == LS_OK && again)
        rc = ls_sql_exec(pg->db, "SAVEPOINT lockstep_order", err);
    if (rc != LS_OK)
        return rc;
    rc = run_steps(pg, table, write, usual, err);
    if (!again || rc != LS_CONSTRAINT || strcmp(err->native, "23503") != 0)
        return rc;
    rc = ls_sql_exec(pg->db, "ROLLBACK TO SAVEPOINT lockstep_order", err);
    return rc == LS_OK ? run_steps(pg, table, write, other, err) : rc;
}

/* Back to where the write began, if the session still can. */
static bool go_back(struct ls_pgs *pg)
{
    struct ls_error ignored;

    return ls_sql_alive(pg->db) &&
           ls_sql_exec(pg->db,
                       "ROLLBACK TO SAVEPOINT lockstep_write; RELEASE SAVEPOINT lockstep_write",
                       &ignored) == LS_OK;
}

/* COPY knows no rules and no row security, and does not say how many records a trigger dropped. */
static bool goes_direct(const struct ls_pgs_table *table, const struct ls_write *write)
{
    return !table->triggers && !table->rules && !table->row_security &&
           count_kind(write, LS_INSERT) == write->count;
}

enum ls_code ls_pgs_stage(struct ls_pgs *pg, const struct ls_pgs_table *table,
                          const struct ls_write *write, struct ls_error *err)
{
    enum ls_code rc = prepare(pg, table, write, err);

    return rc == LS_OK ? copy_in(pg, "COPY " LS_PGS_TEMP " FROM STDIN", write, put_change, err)
                       : rc;
}

bool ls_pgs_unstage(struct ls_pgs *pg)
{
    return go_back(pg);
}

enum ls_code ls_pgs_write(struct ls_store *store, const struct ls_write *write,
                          struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    const struct ls_pgs_table *table;
    struct ls_error own = {0}, absent = {0};
    bool direct;
    enum ls_code rc = ls_pgs_table(pg, write->schema, &table, err);

    if (rc != LS_OK)
        return rc;
    direct = goes_direct(table, write);
    rc = direct ? ls_sql_exec(pg->db, "SAVEPOINT lockstep_write", err)
                : prepare(pg, table, write, err);
    if (rc != LS_OK)
        return rc;
    if (direct && !key_enforced(write))
        rc = check_absent(pg, write, &own);
    if (rc == LS_OK)
        rc = direct ? write_direct(pg, table, write, &own) : write_sets(pg, table, write, &own);
    if (rc == LS_OK)
        return ls_sql_exec(pg->db, "RELEASE SAVEPOINT lockstep_write", err);
    if (go_back(pg)) {
        if (ls_pgs_is_held(rc, &own)) {
            rc = ls_pgs_held(pg, table, write->schema->collection, &own);
        } else if (is_duplicate(rc, &own) && check_absent(pg, write, &absent) == LS_CONFLICT) {
            own = absent;
            rc = LS_CONFLICT;
        }
    }
    if (err)
        *err = own;
    return rc;
}
