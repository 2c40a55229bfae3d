/* SPDX-License-Identifier: Apache-2.0 */
/* order.c - whether SQLite can give records in the model's order.
 *
 * orders() has to promise the order of ls_value_order(), and SQLite's differs where a column holds
 * values of several classes or spellings. So the types that sort alike are a table with the condition each
 * stored value must meet, and the condition is checked on all records first: a pass over an index or
 * the table, cheap beside the sort it saves. Rowids need no check.
 *
 * Sorting inside SQLite keeps a read transaction open for as long as the merge takes; in a file that is not in
 * write-ahead mode that would keep the application from committing, so there the answer is no,
 * except for tables that are trees in the key's order and can be read in slices. */
#include <string.h>

#include "base/text.h"
#include "store/sqlite/cursor.h"

/* What a stored value of each type must look like for SQLite's order to be the model's; NULL: never. */
static const char *const sorts_alike[LS_TYPE_COUNT] = {
    [LS_T_INT] = "typeof(%1$s) = 'integer'",
    [LS_T_DOUBLE] = "typeof(%1$s) = 'real'",
    [LS_T_TEXT] = "typeof(%1$s) = 'text'",
    [LS_T_BYTES] = "typeof(%1$s) = 'blob'",
    [LS_T_UUID] = "typeof(%1$s) = 'text' AND length(%1$s) = 36 AND %1$s NOT GLOB '*[^0-9a-f-]*'"
                  " AND substr(%1$s, 9, 1) || substr(%1$s, 14, 1) || substr(%1$s, 19, 1)"
                  " || substr(%1$s, 24, 1) = '----' AND length(replace(%1$s, '-', '')) = 32",
    [LS_T_DATE] = "typeof(%1$s) = 'text' AND %1$s IS date(julianday(%1$s)) AND %1$s >= '0001'",
};

bool ls_sqlite_key_is_rowid(const struct ls_scan *scan, const struct ls_sqlite_table *t)
{
    return t->alias && scan->key_count == 1 &&
           !strcmp(ls_sqlite_key_field(scan, 0)->name, t->alias) &&
           (!scan->as || scan->as[scan->key[0]].type == LS_T_INT);
}

bool ls_sqlite_key_is_tree(const struct ls_scan *scan, const struct ls_sqlite_table *t)
{
    if (!t->pk_count || t->pk_count != scan->key_count)
        return false;
    for (size_t i = 0; i < t->pk_count; i++)
        if (strcmp(ls_sqlite_key_field(scan, i)->name, t->pk[i]) != 0 ||
            (ls_sqlite_key_field(scan, i)->flags & LS_FIELD_FOLDS))
            return false;
    return true;
}

bool ls_sqlite_snapshots(struct ls_sqlite *s)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_error ignored;
    bool row = false, wal;

    if (s->base.in_transaction)
        return true;
    wal = ls_sql_one(s->db, "PRAGMA main.journal_mode", NULL, 0, &stmt, &row, &ignored) == LS_OK &&
          row && !strcmp(ls_sql_text(stmt, 0, NULL), "wal");
    ls_sql_finish(stmt);
    return wal;
}

bool ls_sqlite_is_utf8(struct ls_sqlite *s)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_error ignored;
    bool row = false, yes;

    yes = ls_sql_one(s->db, "PRAGMA main.encoding", NULL, 0, &stmt, &row, &ignored) == LS_OK &&
          row && !strcmp(ls_sql_text(stmt, 0, NULL), "UTF-8");
    ls_sql_finish(stmt);
    return yes;
}

/* SELECT 1 FROM t WHERE NOT ((...) AND (...)) LIMIT 1; false when a field's type never sorts alike. */
static bool odd_value_sql(struct ls_buf *sql, const struct ls_scan *scan,
                          const struct ls_sqlite_table *t)
{
    struct ls_buf name;

    ls_buf_init(&name, 0);
    ls_buf_printf(sql, "SELECT 1 FROM %s WHERE NOT (", t->quoted);
    for (size_t i = 0; i < scan->key_count; i++) {
        const struct ls_field *f = ls_sqlite_key_field(scan, i);
        const char *condition = sorts_alike[f->type];
        struct ls_as own = ls_as_of(f, f);
        enum ls_type as = scan->as ? scan->as[scan->key[i]].type : own.type;

        if (!condition || as != f->type)
            break;
        ls_buf_reset(&name);
        ls_text_ident(&name, f->name);
        ls_buf_text(sql, i ? " AND " : "");
        for (const char *p = condition; *p; p++) { /* %1$s stands for the column */
            if (*p != '%') {
                ls_buf_char(sql, *p);
                continue;
            }
            ls_buf_text(sql, ls_buf_str(&name));
            p += 3;
        }
        if (i + 1 == scan->key_count) {
            ls_buf_text(sql, ") LIMIT 1");
            ls_buf_done(&name);
            return !sql->failed;
        }
    }
    ls_buf_done(&name);
    return false;
}

static bool values_sort_alike(struct ls_sqlite *s, const struct ls_scan *scan,
                              const struct ls_sqlite_table *t)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_error ignored;
    struct ls_buf sql;
    bool odd = true;

    ls_buf_init(&sql, 0);
    if (odd_value_sql(&sql, scan, t) &&
        ls_sql_one(s->db, ls_buf_str(&sql), NULL, 0, &stmt, &odd, &ignored) != LS_OK)
        odd = true;
    ls_sql_finish(stmt);
    ls_buf_done(&sql);
    return !odd;
}

bool ls_sqlite_orders(struct ls_store *store, const struct ls_scan *scan)
{
    struct ls_sqlite *s = (struct ls_sqlite *)store;
    struct ls_sqlite_table t;
    struct ls_error ignored;
    struct ls_arena mem;
    bool yes = false;

    ls_arena_init(&mem, 0);
    if (ls_sqlite_find(s, scan->schema->collection, &mem, &t, &ignored) == LS_OK)
        yes = ls_sqlite_key_is_rowid(scan, &t) ||
              ((ls_sqlite_key_is_tree(scan, &t) || ls_sqlite_snapshots(s)) &&
               ls_sqlite_is_utf8(s) && values_sort_alike(s, scan, &t));
    ls_arena_done(&mem);
    return yes;
}
