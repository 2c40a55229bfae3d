/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - what the tables of an SQLite file are like: listing, describing, creating.
 *
 * Everything comes from the pragma functions (table_list, table_xinfo, index_list, index_xinfo,
 * foreign_key_list) and sqlite_schema; the text of CREATE TABLE is never parsed. Names are compared
 * exactly, although SQLite itself would take any case.
 *
 * Collations of columns are in none of the pragmas. A query tells: what a column is compared by
 * goes through a compound select whose first part is the column (and gives no rows), so 'a' = 'A' there says
 * whether the column folds.
 *
 * Keys. The primary key of an ordinary table allows NULL (an old mistake that SQLite keeps), except
 * when it is the rowid, in WITHOUT ROWID and STRICT tables, or when the columns say NOT NULL; then alone it can serve as a
 * key. Partial indexes and indexes on expressions are no keys.
 *
 * Tables of ours (lockstep_*) and SQLite's own are neither listed nor found; nor are shadow tables of virtual ones. */
#include "store/sqlite/sqlite.h"

#include <string.h>

#include "base/text.h"

struct column {
    const char *name, *declared;
    bool not_null, has_default, folds;
    int pk, hidden;
};

/* Prepares and runs; rows follow by ls_sql_step(). */
static enum ls_code query(struct ls_sqlite *s, const char *sql, const struct ls_value *params,
                          size_t count, struct ls_sql_stmt **ret, struct ls_error *err)
{
    enum ls_code rc = ls_sql_prepare(s->db, sql, ret, err);

    return rc == LS_OK ? ls_sql_run(*ret, params, count, true, err) : rc;
}

enum ls_code ls_sqlite_list(struct ls_store *store, struct ls_arena *mem, size_t *ret_count,
                            const char *const **ret, struct ls_error *err)
{
    static const char sql[] =
        "SELECT name FROM pragma_table_list WHERE schema = 'main'"
        " AND type IN ('table', 'view', 'virtual') AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
        " AND name NOT LIKE 'lockstep~_%' ESCAPE '~' ORDER BY name";
    struct ls_sql_stmt *stmt = NULL;
    const char **names = NULL;
    size_t count = 0, capacity = 0;
    bool row = false;
    enum ls_code rc = query((struct ls_sqlite *)store, sql, NULL, 0, &stmt, err);

    while (rc == LS_OK && (rc = ls_sql_step(stmt, &row, err)) == LS_OK && row) {
        if (count == capacity) {
            const char **more = ls_arena_array(mem, capacity = 2 * capacity + 16, sizeof(*more));

            if (more && count)
                memcpy(more, names, count * sizeof(*more));
            names = more;
        }
        if (names)
            names[count] = ls_collection_join(mem, NULL, ls_sql_text(stmt, 0, NULL));
        if (!names || !names[count++])
            rc = ls_error_nomem(err);
    }
    ls_sql_finish(stmt);
    if (rc != LS_OK)
        return rc;
    *ret_count = count;
    *ret = names;
    return LS_OK;
}

static enum ls_code not_found(struct ls_sqlite *s, const char *collection, struct ls_arena *mem,
                              struct ls_error *err)
{
    const char *const *names = NULL;
    size_t count = 0;
    enum ls_code rc = ls_sqlite_list(&s->base, mem, &count, &names, err);

    return rc == LS_OK ? ls_store_no_collection(&s->base, collection, count, names, err) : rc;
}

static bool is_ours(const char *name)
{
    return strncasecmp(name, "lockstep_", 9) == 0 || strncasecmp(name, "sqlite_", 7) == 0;
}

/* Whether there is a table or view of exactly this name, and what it is. */
static enum ls_code look_up(struct ls_sqlite *s, const char *name, struct ls_sqlite_table *ret,
                            bool *ret_found, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(name), ls_value_text(name)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc;

    *ret_found = false;
    if (!*name || is_ours(name))
        return LS_OK;
    rc = ls_sql_one(
        s->db,
        "SELECT type, wr, strict FROM pragma_table_list(?) WHERE schema = 'main' AND name = ?"
        " AND type <> 'shadow'",
        params, 2, &stmt, ret_found, err);
    if (rc == LS_OK && *ret_found) {
        const char *type = ls_sql_text(stmt, 0, NULL);

        ret->view = strcmp(type, "view") == 0;
        ret->is_virtual = strcmp(type, "virtual") == 0;
        ret->without_rowid = ls_sql_i64(stmt, 1) != 0;
        ret->strict = ls_sql_i64(stmt, 2) != 0;
        ret->rowid = strcmp(type, "table") == 0 && !ret->without_rowid ? "rowid" : NULL;
    }
    ls_sql_finish(stmt);
    return rc;
}

/* The table's name in a collection's: exactly as written first, then without quotes and the schema main. */
static enum ls_code find_name(struct ls_sqlite *s, const char *collection, struct ls_arena *mem,
                              struct ls_sqlite_table *ret, bool *ret_found, struct ls_error *err)
{
    const char *schema = NULL, *table = NULL;
    struct ls_error ignored;
    enum ls_code rc = look_up(s, collection, ret, ret_found, err);

    ret->name = collection;
    if (rc != LS_OK || *ret_found)
        return rc;
    if (ls_collection_split(collection, mem, &schema, &table, &ignored) != LS_OK)
        return LS_OK;
    if (schema && strcmp(schema, "main") != 0)
        return LS_OK;
    ret->name = table;
    return look_up(s, table, ret, ret_found, err);
}

static const char *quote(struct ls_arena *mem, const char *name)
{
    struct ls_buf text;
    const char *ret;

    ls_buf_init(&text, 0);
    ls_text_ident(&text, name);
    ret = text.failed ? NULL : ls_arena_text(mem, ls_buf_str(&text));
    ls_buf_done(&text);
    return ret;
}

static enum ls_code read_columns(struct ls_sqlite *s, const char *table, struct ls_arena *mem,
                                 size_t *ret_count, struct column **ret, struct ls_error *err)
{
    static const char sql[] = "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden,"
                              " count(*) OVER () FROM pragma_table_xinfo(?, 'main')";
    const struct ls_value name = ls_value_text(table);
    struct ls_sql_stmt *stmt = NULL;
    struct column *columns = NULL;
    size_t count = 0;
    bool row = false;
    enum ls_code rc = query(s, sql, &name, 1, &stmt, err);

    while (rc == LS_OK && (rc = ls_sql_step(stmt, &row, err)) == LS_OK && row) {
        struct column *c;

        if (!columns)
            columns = ls_arena_array(mem, (size_t)ls_sql_i64(stmt, 6), sizeof(*columns));
        if (!columns) {
            rc = ls_error_nomem(err);
            break;
        }
        c = &columns[count++];
        c->name = ls_arena_text(mem, ls_sql_text(stmt, 0, NULL));
        c->declared =
            ls_arena_text(mem, ls_sql_text(stmt, 1, NULL) ? ls_sql_text(stmt, 1, NULL) : "");
        c->not_null = ls_sql_i64(stmt, 2) != 0;
        c->has_default = ls_sql_i64(stmt, 3) != 0;
        c->pk = (int)ls_sql_i64(stmt, 4);
        c->hidden = (int)ls_sql_i64(stmt, 5);
        if (!c->name || !c->declared)
            rc = ls_error_nomem(err);
    }
    ls_sql_finish(stmt);
    *ret_count = count;
    *ret = columns;
    return rc;
}

static bool has_column(const struct column *columns, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(columns[i].name, name) == 0)
            return true;
    return false;
}

/* The column that is the rowid: the only key column, declared INTEGER, without an index for the key (which INTEGER PRIMARY
 * KEY DESC has). */
static enum ls_code find_alias(struct ls_sqlite *s, struct ls_sqlite_table *t,
                               const struct column *columns, size_t count, struct ls_error *err)
{
    const struct ls_value name = ls_value_text(t->name);
    const struct column *only = NULL;
    struct ls_sql_stmt *stmt = NULL;
    bool has_index = false;
    enum ls_code rc;

    for (size_t i = 0; i < count; i++) {
        if (columns[i].pk > 1)
            return LS_OK;
        if (columns[i].pk)
            only = &columns[i];
    }
    if (!t->rowid || !only || strcasecmp(only->declared, "INTEGER") != 0)
        return LS_OK;
    rc = ls_sql_one(s->db, "SELECT 1 FROM pragma_index_list(?, 'main') WHERE origin = 'pk'", &name,
                    1, &stmt, &has_index, err);
    ls_sql_finish(stmt);
    if (rc == LS_OK && !has_index)
        t->alias = only->name;
    return rc;
}

/* The names of a WITHOUT ROWID table's key, when its tree is in their plain order. */
static enum ls_code read_tree_key(struct ls_sqlite *s, struct ls_sqlite_table *t,
                                  struct ls_arena *mem, size_t columns, struct ls_error *err)
{
    static const char sql[] =
        "SELECT x.name, x.\"desc\" FROM pragma_index_list(?, 'main') AS l,"
        " pragma_index_xinfo(l.name, 'main') AS x WHERE l.origin = 'pk' AND x.key"
        " ORDER BY x.seqno";
    const struct ls_value name = ls_value_text(t->name);
    struct ls_sql_stmt *stmt = NULL;
    bool row = false, plain = true;
    enum ls_code rc = query(s, sql, &name, 1, &stmt, err);

    t->pk = ls_arena_array(mem, columns, sizeof(*t->pk));
    if (rc == LS_OK && !t->pk)
        rc = ls_error_nomem(err);
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &row, err)) == LS_OK && row &&
           t->pk_count < columns) {
        plain &= ls_sql_i64(stmt, 1) == 0;
        t->pk[t->pk_count] = ls_arena_text(mem, ls_sql_text(stmt, 0, NULL));
        if (!t->pk[t->pk_count++])
            rc = ls_error_nomem(err);
    }
    ls_sql_finish(stmt);
    if (!plain)
        t->pk_count = 0;
    return rc;
}

static enum ls_code find_table(struct ls_sqlite *s, const char *collection, struct ls_arena *mem,
                               struct ls_sqlite_table *ret, size_t *ret_count,
                               struct column **ret_columns, struct ls_error *err)
{
    static const char *const rowid_names[] = {"rowid", "_rowid_", "oid"};
    bool found = false;
    const char *quoted;
    enum ls_code rc;

    *ret = (struct ls_sqlite_table){0};
    rc = find_name(s, collection ? collection : "", mem, ret, &found, err);
    if (rc == LS_OK && !found)
        rc = not_found(s, collection ? collection : "", mem, err);
    if (rc == LS_OK)
        rc = read_columns(s, ret->name, mem, ret_count, ret_columns, err);
    if (rc == LS_OK)
        rc = find_alias(s, ret, *ret_columns, *ret_count, err);
    if (rc == LS_OK && ret->without_rowid)
        rc = read_tree_key(s, ret, mem, *ret_count, err);
    if (rc != LS_OK)
        return rc;
    if (ret->rowid) {
        ret->rowid = NULL;
        for (size_t i = 0; i < 3 && !ret->rowid; i++)
            if (!has_column(*ret_columns, *ret_count, rowid_names[i]))
                ret->rowid = rowid_names[i];
        if (ret->alias)
            ret->rowid = quote(mem, ret->alias);
    }
    quoted = quote(mem, ret->name);
    ret->name = ls_arena_text(mem, ret->name);
    ret->quoted = quoted ? ls_arena_printf(mem, "main.%s", quoted) : NULL;
    return ret->quoted && ret->name ? LS_OK : ls_error_nomem(err);
}

enum ls_code ls_sqlite_find(struct ls_sqlite *s, const char *collection, struct ls_arena *mem,
                            struct ls_sqlite_table *ret, struct ls_error *err)
{
    struct column *columns;
    size_t count;

    return find_table(s, collection, mem, ret, &count, &columns, err);
}

/* SELECT q."a" = 'A' OR q."a" = 'a ', ... FROM (SELECT "a", ... FROM t WHERE 0 UNION ALL SELECT 'a', ...) AS q */
static void probe_sql(struct ls_buf *sql, const struct ls_sqlite_table *t,
                      const struct column *columns, size_t count)
{
    ls_buf_text(sql, "SELECT ");
    for (size_t i = 0; i < count; i++)
        ls_buf_printf(sql, "%sq.c%zu = 'A' OR q.c%zu = 'a '", i ? ", " : "", i, i);
    ls_buf_text(sql, " FROM (SELECT ");
    for (size_t i = 0; i < count; i++) {
        ls_buf_text(sql, i ? ", " : "");
        ls_text_ident(sql, columns[i].name);
        ls_buf_printf(sql, " AS c%zu", i);
    }
    ls_buf_printf(sql, " FROM %s WHERE 0 UNION ALL SELECT 'a'", t->quoted);
    for (size_t i = 1; i < count; i++)
        ls_buf_text(sql, ", 'a'");
    ls_buf_text(sql, ") AS q");
}

/* Which columns fold. A collation that this library does not have makes it an SQL error: then any may. */
static enum ls_code probe_collations(struct ls_sqlite *s, const struct ls_sqlite_table *t,
                                     struct column *columns, size_t count, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_buf sql;
    bool row = false;
    enum ls_code rc;

    ls_buf_init(&sql, 0);
    probe_sql(&sql, t, columns, count);
    rc = sql.failed ? ls_error_nomem(err)
                    : ls_sql_one(s->db, ls_buf_str(&sql), NULL, 0, &stmt, &row, err);
    if (rc == LS_INTERNAL) {
        row = false;
        rc = LS_OK;
    }
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        columns[i].folds = row ? ls_sql_i64(stmt, (int)i) != 0
                               : ls_sqlite_affinity(columns[i].declared) == LS_AFF_TEXT;
    ls_sql_finish(stmt);
    ls_buf_done(&sql);
    return rc;
}

static unsigned field_flags(const struct ls_sqlite_table *t, const struct column *c)
{
    bool alias = t->alias && !strcmp(t->alias, c->name);
    unsigned flags = 0;

    if (c->not_null || alias)
        flags |= LS_FIELD_NOT_NULL;
    if (c->hidden > 1)
        flags |= LS_FIELD_GENERATED;
    if (c->has_default)
        flags |= LS_FIELD_DEFAULT;
    if (c->folds)
        flags |= LS_FIELD_FOLDS;
    if (!alias && (!t->strict || strcasecmp(c->declared, "ANY") == 0))
        flags |= LS_FIELD_DYNAMIC;
    return flags;
}

static bool make_fields(struct ls_schema *schema, const struct ls_sqlite_table *t,
                        const struct column *columns, size_t count, struct ls_arena *mem)
{
    struct ls_field *fields = ls_arena_array(mem, count, sizeof(*fields));
    size_t n = 0;

    for (size_t i = 0; fields && i < count; i++) {
        if (columns[i].hidden == 1)
            continue;
        fields[n++] = (struct ls_field){.name = columns[i].name,
                                        .type = ls_sqlite_type(columns[i].declared),
                                        .native = columns[i].declared,
                                        .engine = "sqlite",
                                        .precision = -1,
                                        .scale = -1,
                                        .flags = field_flags(t, &columns[i])};
    }
    schema->fields = fields;
    schema->field_count = n;
    return fields;
}

/* Adds a key over these fields; `name` borrowed. */
static bool add_key(struct ls_schema *schema, struct ls_key *keys, const char *name, bool primary,
                    const size_t *fields, size_t count, struct ls_arena *mem)
{
    struct ls_key *key = &keys[schema->key_count++];

    *key = (struct ls_key){.name = name,
                           .field_count = count,
                           .fields = ls_arena_copy(mem, fields, count * sizeof(*fields)),
                           .primary = primary,
                           .not_null = true};
    for (size_t i = 0; i < count; i++)
        key->not_null &= (schema->fields[fields[i]].flags & LS_FIELD_NOT_NULL) != 0;
    return key->fields && name;
}

static bool add_primary(struct ls_schema *schema, struct ls_key *keys, const struct column *columns,
                        size_t count, struct ls_arena *mem)
{
    size_t *fields = ls_arena_array(mem, count, sizeof(*fields)), n = 0;

    if (!fields)
        return false;
    for (int place = 1; place <= (int)count; place++)
        for (size_t i = 0; i < count; i++)
            if (columns[i].pk == place) {
                int at = ls_schema_find(schema, columns[i].name);

                if (at >= 0)
                    fields[n++] = (size_t)at;
            }
    return !n || add_key(schema, keys, "", true, fields, n, mem);
}

/* Unique indexes: the fields of each, until one is an expression. */
static enum ls_code add_unique(struct ls_sqlite *s, struct ls_schema *schema, struct ls_key *keys,
                               const char *table, struct ls_arena *mem, struct ls_error *err)
{
    static const char sql[] =
        "SELECT l.name, l.origin, x.name, x.cid, max(x.seqno) OVER (PARTITION BY l.name), x.seqno"
        " FROM pragma_index_list(?, 'main') AS l, pragma_index_xinfo(l.name, 'main') AS x"
        " WHERE l.\"unique\" AND NOT l.partial AND l.origin <> 'pk' AND x.key ORDER BY l.seq DESC, "
        "x.seqno";
    const struct ls_value name = ls_value_text(table);
    size_t *fields = ls_arena_array(mem, schema->field_count, sizeof(*fields)), n = 0;
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    enum ls_code rc = fields ? query(s, sql, &name, 1, &stmt, err) : ls_error_nomem(err);

    while (rc == LS_OK && (rc = ls_sql_step(stmt, &row, err)) == LS_OK && row) {
        bool constraint = *ls_sql_text(stmt, 1, NULL) == 'u';
        int64_t last = ls_sql_i64(stmt, 4), seqno = ls_sql_i64(stmt, 5);
        int at = ls_sql_i64(stmt, 3) < 0 ? -1 : ls_schema_find(schema, ls_sql_text(stmt, 2, NULL));

        if (!seqno)
            n = 0;
        if (at >= 0 && n < schema->field_count)
            fields[n++] = (size_t)at;
        if (seqno == last && n == (size_t)last + 1 &&
            !add_key(schema, keys, constraint ? "" : ls_arena_text(mem, ls_sql_text(stmt, 0, NULL)),
                     false, fields, n, mem))
            rc = ls_error_nomem(err);
    }
    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code one_number(struct ls_sqlite *s, const char *sql, const struct ls_value *params,
                               size_t count, int64_t *ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    enum ls_code rc = ls_sql_one(s->db, sql, params, count, &stmt, &row, err);

    if (rc == LS_OK)
        *ret = row && !ls_sql_is_null(stmt, 0) ? ls_sql_i64(stmt, 0) : -1;
    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code make_keys(struct ls_sqlite *s, struct ls_schema *schema, const char *table,
                              const struct column *columns, size_t count, struct ls_arena *mem,
                              struct ls_error *err)
{
    const struct ls_value name = ls_value_text(table);
    struct ls_key *keys;
    int64_t indexes = 0;
    enum ls_code rc =
        one_number(s, "SELECT count(*) FROM pragma_index_list(?, 'main')", &name, 1, &indexes, err);

    if (rc != LS_OK)
        return rc;
    keys = ls_arena_array(mem, (size_t)indexes + 1, sizeof(*keys));
    if (!keys || !add_primary(schema, keys, columns, count, mem))
        return ls_error_nomem(err);
    schema->keys = keys;
    return add_unique(s, schema, keys, table, mem, err);
}

/* Foreign keys of all tables that point here: 1 for an action on delete or update, 2 for one from the table itself. */
static enum ls_code foreign_flags(struct ls_sqlite *s, struct ls_schema *schema, const char *table,
                                  struct ls_error *err)
{
    static const char sql[] =
        "SELECT coalesce(max(f.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT')"
        " OR f.on_update IN ('CASCADE', 'SET NULL', 'SET DEFAULT')), 0),"
        " coalesce(max(m.name = ? COLLATE NOCASE), 0),"
        " (SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE "
        "NOCASE)"
        " FROM sqlite_schema AS m, pragma_foreign_key_list(m.name, 'main') AS f"
        " WHERE m.type = 'table' AND f.\"table\" = ? COLLATE NOCASE";
    const struct ls_value params[] = {ls_value_text(table), ls_value_text(table),
                                      ls_value_text(table)};
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    enum ls_code rc = ls_sql_one(s->db, sql, params, 3, &stmt, &row, err);

    if (rc == LS_OK && row) {
        schema->flags |= ls_sql_i64(stmt, 0) ? LS_SCHEMA_CASCADES : 0;
        schema->flags |= ls_sql_i64(stmt, 1) ? LS_SCHEMA_SELF_REF : 0;
        schema->flags |= ls_sql_i64(stmt, 2) ? LS_SCHEMA_TRIGGERS : 0;
    }
    ls_sql_finish(stmt);
    return rc;
}

/* ANALYZE's count where there is one; else the span of the rowids, no more than the file has room for. */
static enum ls_code estimate_rows(struct ls_sqlite *s, struct ls_schema *schema,
                                  const struct ls_sqlite_table *t, struct ls_arena *mem,
                                  struct ls_error *err)
{
    const struct ls_value name = ls_value_text(t->name);
    struct ls_error ignored;
    int64_t span = -1, room = -1;
    const char *sql;
    enum ls_code rc;

    if (one_number(s, "SELECT CAST(stat AS INTEGER) FROM sqlite_stat1 WHERE tbl = ? AND stat > 0",
                   &name, 1, &schema->rows_estimate, &ignored) == LS_OK &&
        schema->rows_estimate >= 0)
        return LS_OK;
    schema->rows_estimate = -1;
    if (!t->rowid)
        return LS_OK;
    sql = ls_arena_printf(
        mem,
        "SELECT CASE WHEN a IS NULL THEN 0 WHEN CAST(b AS REAL) - a > 1e15 THEN 1e15 ELSE b - a + "
        "1 END"
        " FROM (SELECT (SELECT min(%s) FROM %s) AS a, (SELECT max(%s) FROM %s) AS b)",
        t->rowid, t->quoted, t->rowid, t->quoted);
    rc = sql ? one_number(s, sql, NULL, 0, &span, err) : ls_error_nomem(err);
    if (rc == LS_OK)
        rc = one_number(
            s, "SELECT page_count * page_size / 16 FROM pragma_page_count, pragma_page_size", NULL,
            0, &room, err);
    if (rc == LS_OK)
        schema->rows_estimate = span < room ? span : room;
    return rc;
}

enum ls_code ls_sqlite_describe(struct ls_store *store, const char *collection,
                                struct ls_arena *mem, struct ls_schema **ret, struct ls_error *err)
{
    struct ls_sqlite *s = (struct ls_sqlite *)store;
    struct ls_schema *schema = ls_arena_alloc(mem, sizeof(*schema));
    struct ls_sqlite_table t;
    struct column *columns;
    size_t count;
    enum ls_code rc = find_table(s, collection, mem, &t, &count, &columns, err);

    if (rc == LS_OK && !schema)
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = probe_collations(s, &t, columns, count, err);
    if (rc != LS_OK)
        return rc;
    schema->collection = ls_collection_join(mem, NULL, t.name);
    schema->fingerprint = ""; /* nothing in a file tells a table from another one of its name */
    schema->flags = t.view ? LS_SCHEMA_VIEW | LS_SCHEMA_READ_ONLY : LS_SCHEMA_CONSTRAINTS;
    schema->flags |= store->writable ? 0 : LS_SCHEMA_READ_ONLY;
    schema->flags |= t.alias ? LS_SCHEMA_ROWID_KEY : 0;
    if (!schema->collection || !make_fields(schema, &t, columns, count, mem))
        return ls_error_nomem(err);
    rc = make_keys(s, schema, t.name, columns, count, mem, err);
    if (rc == LS_OK)
        rc = foreign_flags(s, schema, t.name, err);
    if (rc == LS_OK)
        rc = estimate_rows(s, schema, &t, mem, err);
    if (rc == LS_OK)
        *ret = schema;
    return rc;
}

static void create_sql(struct ls_buf *sql, const char *table, const struct ls_schema *like,
                       size_t key_count, const size_t *key)
{
    bool rowid_key = key_count == 1 && like->fields[key[0]].type == LS_T_INT, first = true;

    ls_buf_text(sql, "CREATE TABLE main.");
    ls_text_ident(sql, table);
    ls_buf_text(sql, " (");
    for (size_t i = 0; i < like->field_count; i++) {
        const struct ls_field *f = &like->fields[i];
        bool is_key = false;

        if (f->flags & LS_FIELD_GENERATED)
            continue;
        for (size_t k = 0; k < key_count; k++)
            is_key |= key[k] == i;
        ls_buf_text(sql, first ? "" : ", ");
        first = false;
        ls_text_ident(sql, f->name);
        ls_buf_char(sql, ' ');
        ls_sqlite_declare(sql, f);
        ls_buf_text(sql, is_key || (f->flags & LS_FIELD_NOT_NULL) ? " NOT NULL" : "");
        ls_buf_text(sql, is_key && rowid_key ? " PRIMARY KEY" : "");
    }
    for (size_t k = 0; k < key_count && !rowid_key; k++) {
        ls_buf_text(sql, k ? ", " : ", PRIMARY KEY (");
        ls_text_ident(sql, like->fields[key[k]].name);
    }
    ls_buf_text(sql, rowid_key ? ")" : "))");
}

static enum ls_code new_name(struct ls_sqlite *s, const char *collection, struct ls_arena *mem,
                             const char **ret, struct ls_error *err)
{
    const char *schema = NULL;
    enum ls_code rc = ls_collection_split(collection ? collection : "", mem, &schema, ret, err);

    if (rc != LS_OK)
        return rc;
    if (schema && strcmp(schema, "main") != 0)
        return ls_error_set(err, LS_USAGE,
                            "cannot create %s: SQLite has no schemas (store=%s). Give the table's "
                            "name alone, or the "
                            "whole name in double quotes",
                            collection, ls_sql_identity(s->db));
    if (!**ret || is_ours(*ret))
        return ls_error_set(err, LS_USAGE,
                            "cannot create %s: a name may not be empty nor begin with sqlite_ or "
                            "lockstep_ (store=%s)",
                            collection ? collection : "a collection", ls_sql_identity(s->db));
    return LS_OK;
}

enum ls_code ls_sqlite_create(struct ls_store *store, const char *collection,
                              const struct ls_schema *like, size_t key_count, const size_t *key,
                              struct ls_error *err)
{
    struct ls_sqlite *s = (struct ls_sqlite *)store;
    const char *name = NULL;
    struct ls_value param;
    struct ls_arena mem;
    struct ls_buf sql;
    int64_t there = -1;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    ls_buf_init(&sql, 0);
    rc = new_name(s, collection, &mem, &name, err);
    if (rc != LS_OK)
        goto done;
    param = ls_value_text(name);
    rc = one_number(
        s,
        "SELECT 1 FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE",
        &param, 1, &there, err);
    if (rc == LS_OK && there == 1)
        rc = ls_error_set(err, LS_CONFLICT,
                          "cannot create %s: there is a table of that name (store=%s)", collection,
                          ls_sql_identity(s->db));
    if (rc != LS_OK)
        goto done;
    create_sql(&sql, name, like, key_count, key);
    rc = sql.failed ? ls_error_nomem(err) : ls_sql_exec(s->db, ls_buf_str(&sql), err);
done:
    ls_buf_done(&sql);
    ls_arena_done(&mem);
    return rc;
}
