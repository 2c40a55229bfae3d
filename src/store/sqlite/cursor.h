/* SPDX-License-Identifier: Apache-2.0 */
/* cursor.h - a scan of an SQLite table: what order.c and plan.c decide, and scan.c does. */
#ifndef LS_STORE_SQLITE_CURSOR_H
#define LS_STORE_SQLITE_CURSOR_H

#include "store/sqlite/sqlite.h"

#define LS_SQLITE_NO_LIMIT (-1)

struct ls_sqlite_range {
    int64_t first, last; /* both belong to it */
};

struct ls_sqlite_cursor {
    struct ls_cursor base;
    struct ls_sqlite *s;
    const struct ls_scan *scan;
    struct ls_arena mem;
    struct ls_sqlite_table table;
    struct ls_sieve sieve;
    size_t
        column_count; /* what is selected: the scan's fields, then those that only the filter reads */
    size_t *columns; /* schema indexes */
    struct ls_sqlite_codec *codecs;
    struct ls_value *stored; /* by column */
    struct ls_value *record; /* by schema index */

    const char *sql,
        *sql_next;      /* sql_next: behind the last key, for slices of a WITHOUT ROWID table */
    size_t param_count; /* of the filter, before those for rowids or keys */
    struct ls_value *params;
    bool by_rowid, sliced, began; /* began: this scan opened a transaction for its snapshot */
    size_t lead; /* columns selected before the fields: the rowid or the tree's key */
    struct ls_sqlite_range *ranges;
    size_t range_count, range_at;

    struct ls_sql_stmt *stmt;
    bool running, stmt_is_next, ended;
    int64_t limit, got; /* of the statement that runs */
    int64_t last_rowid;
    bool have_last;
    struct ls_value *last_key; /* lead values, in key_mem */
    struct ls_arena key_mem;
};

static inline const struct ls_field *ls_sqlite_key_field(const struct ls_scan *scan, size_t i)
{
    return &scan->schema->fields[scan->fields[scan->key[i]]];
}
/* Whether the scan's key is the rowid, compared as a number. */
bool ls_sqlite_key_is_rowid(const struct ls_scan *scan, const struct ls_sqlite_table *t);
/* Whether it is the key that a WITHOUT ROWID table is a tree of, in byte order. */
bool ls_sqlite_key_is_tree(const struct ls_scan *scan, const struct ls_sqlite_table *t);
/* Chooses how to read and writes the statements; table and scan are set. */
LS_MUST_CHECK enum ls_code ls_sqlite_plan(struct ls_sqlite_cursor *c, struct ls_error *err);

#endif
