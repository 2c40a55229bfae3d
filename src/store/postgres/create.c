/* SPDX-License-Identifier: Apache-2.0 */
/* create.c - makes a missing table for the records of another store.
 *
 * Columns get the nearest type: the same one between two PostgreSQL databases when this one knows it by that name, else by what
 * the values are. A type that only the other database has (an enum, a domain, an extension's) becomes what its values are, or text.
 * Computed columns are left out, because nothing would write them; identity and defaults too: records come with
 * their values. Indexes, foreign keys, grants are not copied; a schema that is missing is not made. */
#include "store/postgres/postgres.h"

#include "base/text.h"

#include <string.h>

static void plain_type(struct ls_buf *sql, const struct ls_field *f)
{
    static const char *const names[LS_TYPE_COUNT] = {
        [LS_T_NULL] = "text",
        [LS_T_BOOL] = "boolean",
        [LS_T_INT] = "bigint",
        [LS_T_DECIMAL] = "numeric",
        [LS_T_DOUBLE] = "double precision",
        [LS_T_TEXT] = "text",
        [LS_T_BYTES] = "bytea",
        [LS_T_DATE] = "date",
        [LS_T_TIME] = "time",
        [LS_T_TIMESTAMP] = "timestamp",
        [LS_T_TIMESTAMPTZ] = "timestamptz",
        [LS_T_UUID] = "uuid",
        [LS_T_JSON] = "json",
        [LS_T_NATIVE] = "text",
    };
    bool time = f->type == LS_T_TIME || f->type == LS_T_TIMESTAMP || f->type == LS_T_TIMESTAMPTZ;

    if (f->type == LS_T_DOUBLE && f->precision == 24)
        ls_buf_text(sql, "real");
    else
        ls_buf_text(sql, names[f->type]);
    if (f->type == LS_T_DECIMAL && f->precision > 0 && f->precision <= 1000 && f->scale >= 0 &&
        f->scale <= f->precision)
        ls_buf_printf(sql, "(%d,%d)", f->precision, f->scale);
    else if (time && f->scale >= 0 && f->scale < 6)
        ls_buf_printf(sql, "(%d)", f->scale);
}

/* Whether this server reads the name as one of its types. to_regtype() takes nothing but a type's name, so what it knows
 * is safe to put into a statement. */
static enum ls_code knows_type(struct ls_pgs *pg, const char *name, struct ls_arena *mem, bool *ret,
                               struct ls_error *err)
{
    const struct ls_value param = ls_value_text(name);
    const char *answer = "";
    struct ls_error why = {0};
    enum ls_code rc =
        ls_pgs_ask(pg, "SELECT to_regtype(?) IS NOT NULL", &param, 1, mem, &answer, &why);

    *ret = rc == LS_OK && *answer == 't';
    if (rc != LS_OK && ls_sql_alive(pg->db) && why.code != LS_CANCELLED && why.code != LS_NOMEM)
        return LS_OK; /* before version 16 a name that is no type at all was an error */
    if (rc != LS_OK && err)
        *err = why;
    return rc;
}

static bool in_key(size_t field, size_t key_count, const size_t *key)
{
    for (size_t i = 0; i < key_count; i++)
        if (key[i] == field)
            return true;
    return false;
}

static enum ls_code column(struct ls_pgs *pg, struct ls_buf *sql, const struct ls_field *f,
                           bool key, struct ls_arena *mem, struct ls_error *err)
{
    bool same = false;
    enum ls_code rc = LS_OK;

    if (strcmp(f->engine, "postgres") == 0)
        rc = knows_type(pg, f->native, mem, &same, err);
    if (rc != LS_OK)
        return rc;
    ls_text_ident(sql, f->name);
    ls_buf_char(sql, ' ');
    if (same)
        ls_buf_text(sql, f->native);
    else
        plain_type(sql, f);
    if (key || f->flags & LS_FIELD_NOT_NULL)
        ls_buf_text(sql, " NOT NULL");
    return LS_OK;
}

static enum ls_code statement(struct ls_pgs *pg, const char *schema, const char *table,
                              const struct ls_schema *like, size_t key_count, const size_t *key,
                              struct ls_arena *mem, struct ls_buf *sql, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    ls_buf_text(sql, "CREATE TABLE ");
    ls_text_table(sql, schema, table);
    ls_buf_text(sql, " (");
    for (size_t i = 0; i < like->field_count && rc == LS_OK; i++) {
        if (like->fields[i].flags & LS_FIELD_GENERATED)
            continue;
        rc = column(pg, sql, &like->fields[i], in_key(i, key_count, key), mem, err);
        ls_buf_text(sql, ", ");
    }
    ls_buf_text(sql, "PRIMARY KEY (");
    for (size_t i = 0; i < key_count; i++) {
        ls_buf_text(sql, i ? ", " : "");
        ls_text_ident(sql, like->fields[key[i]].name);
    }
    ls_buf_text(sql, "))");
    return rc == LS_OK ? ls_pgs_built(sql, err) : rc;
}

enum ls_code ls_pgs_create(struct ls_store *store, const char *collection,
                           const struct ls_schema *like, size_t key_count, const size_t *key,
                           struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    const char *schema, *table;
    struct ls_error own = {0};
    struct ls_arena mem;
    struct ls_buf sql;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    ls_buf_init(&sql, 0);
    rc = ls_pgs_locate(pg, collection, &mem, &schema, &table, &own);
    if (rc == LS_OK)
        rc = statement(pg, schema, table, like, key_count, key, &mem, &sql, &own);
    if (rc == LS_OK)
        rc = ls_sql_exec(pg->db, ls_buf_str(&sql), &own);
    if (rc != LS_OK && strcmp(own.native, "42P07") == 0)
        rc = ls_error_set(&own, LS_CONFLICT, "cannot create %s: it exists already (store=%s)",
                          collection, ls_sql_identity(pg->db));
    else if (rc != LS_OK && strcmp(own.native, "3F000") == 0)
        rc = ls_error_set(&own, LS_NOT_FOUND,
                          "cannot create %s: there is no schema \"%s\" (store=%s). Create it "
                          "first: CREATE SCHEMA",
                          collection, schema, ls_sql_identity(pg->db));
    if (rc != LS_OK && err)
        *err = own;
    ls_buf_done(&sql);
    ls_arena_done(&mem);
    return rc;
}
