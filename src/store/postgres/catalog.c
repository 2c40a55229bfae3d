/* SPDX-License-Identifier: Apache-2.0 */
/* catalog.c - names and descriptions of tables, read from pg_catalog.
 *
 * One query each for the relation, its columns and its unique indexes, all with bound parameters. The session's
 * search_path is empty, so that a description never depends on it: format_type() names every type
 * outside of pg_catalog with its schema. A collection named without a schema is looked for where the role's own
 * search_path would find it, which is asked for once a session.
 *
 * A domain is described by the type below it, under its own name: its values are that type's, and its checks
 * are the server's business when records are written.
 *
 * What we need to know later and struct ls_schema has no place for (quoted names, casts, collations, unique indexes that are
 * no keys) goes into struct ls_pgs_table, which hangs from schema->native. A schema that was copied comes without it;
 * then the table is described again. */
#include "store/postgres/postgres.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RELKINDS "c.relkind IN ('r', 'p', 'v', 'm', 'f')"

/* The role's own path: how the session would have been, had we not emptied it. */
static const char own_path[] =
    "SELECT set_config('search_path', coalesce("
    " (SELECT nullif(reset_val, '') FROM pg_settings WHERE name = 'search_path'),"
    " (SELECT substr(c, length('search_path=') + 1) FROM pg_db_role_setting s, unnest(s.setconfig) "
    "c"
    "   WHERE c LIKE 'search\\_path=%'"
    "     AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = "
    "current_database()))"
    "     AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))"
    "   ORDER BY s.setrole <> 0 AND s.setdatabase <> 0 DESC, s.setrole <> 0 DESC LIMIT 1),"
    " '\"$user\", public'), false)";

static enum ls_code find_path(struct ls_pgs *pg, struct ls_error *err)
{
    const char *path = NULL, *set;
    struct ls_error ignored;
    enum ls_code rc;

    if (pg->path)
        return LS_OK;
    rc = ls_pgs_ask(pg, own_path, NULL, 0, &pg->mem, &set, err);
    if (rc != LS_OK)
        return rc;
    /* The path is the role's own while this runs, so every name says where it is from. */
    rc = ls_pgs_ask(pg, "SELECT pg_catalog.current_schemas(false)::pg_catalog.text", NULL, 0,
                    &pg->mem, &path, err);
    if (rc == LS_OK)
        rc = ls_sql_exec(pg->db, "SET search_path = ''", err);
    else /* whatever went wrong, no function of a user's schema may be called from here on */
        (void)!ls_sql_exec(pg->db, "SET search_path = ''", &ignored);
    if (rc == LS_OK)
        pg->path = path;
    return rc;
}

enum ls_code ls_pgs_locate(struct ls_pgs *pg, const char *collection, struct ls_arena *mem,
                           const char **ret_schema, const char **ret_table, struct ls_error *err)
{
    static const char sql[] =
        "SELECT coalesce((SELECT n.nspname FROM unnest(?::text[]) WITH ORDINALITY AS p(name, place)"
        " JOIN pg_namespace n ON n.nspname = p.name"
        " JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = ? AND " RELKINDS
        " ORDER BY p.place LIMIT 1), (?::text[])[1], 'public')::text";
    const char *schema, *table;
    enum ls_code rc = ls_collection_split(collection, mem, &schema, &table, err);

    if (rc == LS_OK && !schema) {
        rc = find_path(pg, err);
        if (rc == LS_OK) {
            const struct ls_value params[] = {ls_value_text(pg->path), ls_value_text(table),
                                              ls_value_text(pg->path)};

            rc = ls_pgs_ask(pg, sql, params, 3, mem, &schema, err);
        }
    }
    if (rc != LS_OK)
        return rc;
    *ret_schema = schema;
    *ret_table = table;
    return LS_OK;
}

enum ls_code ls_pgs_list(struct ls_store *store, struct ls_arena *mem, size_t *ret_count,
                         const char *const **ret, struct ls_error *err)
{
    static const char sql[] =
        "SELECT n.nspname, c.relname, count(*) OVER () FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE " RELKINDS
        " AND NOT c.relispartition AND n.nspname NOT IN ('information_schema', 'lockstep')"
        " AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1, 2";
    struct ls_sql_stmt *stmt = NULL;
    const char **names = NULL;
    size_t count = 0;
    bool row = false;
    enum ls_code rc = ls_sql_prepare(ls_pgs_of(store)->db, sql, &stmt, err);

    if (rc == LS_OK)
        rc = ls_sql_run(stmt, NULL, 0, false, err);
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &row, err)) == LS_OK && row) {
        if (!names)
            names = ls_arena_array(mem, (size_t)ls_sql_i64(stmt, 2), sizeof(*names));
        if (names)
            names[count] =
                ls_collection_join(mem, ls_sql_text(stmt, 0, NULL), ls_sql_text(stmt, 1, NULL));
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

/* What describe() builds. */
struct draft {
    struct ls_pgs *pg;
    struct ls_arena *mem;
    const char *schema_name, *table_name;
    struct ls_schema *schema;
    struct ls_pgs_table *table;
    struct ls_field *fields;
    struct ls_pgs_column *columns;
    int *attnums;
    bool failed; /* out of memory */
};

static const char *keep(struct draft *d, struct ls_sql_stmt *stmt, int col)
{
    const char *text =
        ls_arena_text(d->mem, ls_sql_is_null(stmt, col) ? "" : ls_sql_text(stmt, col, NULL));

    d->failed |= !text;
    return text;
}

static const char *quoted(struct draft *d, const char *first, const char *second)
{
    struct ls_buf buf;
    const char *text;

    ls_buf_init(&buf, 0);
    ls_text_table(&buf, second ? first : NULL, second ? second : first);
    text = buf.failed ? NULL : ls_arena_text(d->mem, ls_buf_str(&buf));
    ls_buf_done(&buf);
    d->failed |= !text;
    return text;
}

/* Runs a query and hands each row to `each`; `start` gets their count before the first (the last column). */
static enum ls_code rows(struct draft *d, const char *sql, const struct ls_value *params,
                         size_t count, void (*start)(struct draft *d, size_t count),
                         void (*each)(struct draft *d, struct ls_sql_stmt *stmt, size_t i),
                         struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    size_t n = 0;
    enum ls_code rc = ls_sql_prepare(d->pg->db, sql, &stmt, err);

    if (rc == LS_OK)
        rc = ls_sql_run(stmt, params, count, false, err);
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &row, err)) == LS_OK && row) {
        if (n == 0 && start)
            start(d, (size_t)ls_sql_i64(stmt, ls_sql_columns(stmt) - 1));
        if (!d->failed)
            each(d, stmt, n++);
        if (d->failed)
            rc = ls_error_nomem(err);
    }
    ls_sql_finish(stmt);
    return rc;
}

/* ? is the relation's OID. Rows of a partitioned table are those of its leaves; triggers count in all of them. */
static const char relation_sql[] =
    "WITH c AS (SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    "  WHERE n.nspname = ? AND c.relname = ? AND " RELKINDS "),"
    " tree AS (SELECT oid FROM c UNION SELECT p.relid FROM c, pg_partition_tree(c.oid) p"
    "  WHERE c.relkind = 'p')"
    " SELECT c.oid, c.relkind, c.relrowsecurity, c.relhasrules,"
    "  (SELECT sum(" LS_PGS_ROWS ")::int8"
    "   FROM pg_class r JOIN tree ON tree.oid = r.oid WHERE r.relkind IN ('r', 'm')),"
    "  has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')"
    "   AND has_table_privilege(c.oid, 'DELETE') AND NOT pg_is_in_recovery()"
    "   AND (c.relkind IN ('r', 'p') OR pg_relation_is_updatable(c.oid, true) & 28 = 28),"
    "  EXISTS (SELECT FROM pg_trigger g JOIN tree ON tree.oid = g.tgrelid"
    "   WHERE NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')),"
    "  EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.confrelid = c.oid"
    "   AND (f.confdeltype IN ('c', 'n', 'd') OR f.confupdtype IN ('c', 'n', 'd'))),"
    "  EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = c.oid"
    "   AND f.confrelid = c.oid)"
    " FROM c";

static void take_relation(struct draft *d, struct ls_sql_stmt *stmt, size_t i)
{
    struct ls_pgs_table *table = d->table;
    unsigned flags = 0;

    (void)i;
    table->oid = ls_sql_i64(stmt, 0);
    table->kind = ls_sql_text(stmt, 1, NULL)[0];
    table->row_security = ls_sql_i64(stmt, 2) != 0;
    table->rules = ls_sql_i64(stmt, 3) != 0;
    table->triggers = ls_sql_i64(stmt, 6) != 0;
    d->schema->rows_estimate = ls_sql_is_null(stmt, 4) ? -1 : ls_sql_i64(stmt, 4);
    flags |= strchr("vmf", table->kind) ? LS_SCHEMA_VIEW : LS_SCHEMA_CONSTRAINTS;
    flags |= ls_sql_i64(stmt, 5) && d->pg->base.writable ? 0 : LS_SCHEMA_READ_ONLY;
    flags |= table->triggers ? LS_SCHEMA_TRIGGERS : 0;
    flags |= ls_sql_i64(stmt, 7) ? LS_SCHEMA_CASCADES : 0;
    flags |= ls_sql_i64(stmt, 8) ? LS_SCHEMA_SELF_REF : 0;
    d->schema->flags = flags;
    d->schema->fingerprint = ls_arena_printf(d->mem, "%s/%s/%lld", d->pg->system_id,
                                             d->pg->database_oid, (long long)table->oid);
    d->failed |= !d->schema->fingerprint;
}

/* A domain's chain of base types, each with the modifier it adds, down to the first that is no domain. */
static const char columns_sql[] =
    "WITH RECURSIVE d(attnum, oid, typmod, required) AS ("
    "  SELECT attnum, atttypid, atttypmod, attnotnull FROM pg_attribute"
    "   WHERE attrelid = ?::oid AND attnum > 0 AND NOT attisdropped"
    "  UNION ALL SELECT d.attnum, t.typbasetype, t.typtypmod, d.required OR t.typnotnull"
    "   FROM d JOIN pg_type t ON t.oid = d.oid WHERE t.typtype = 'd')"
    " SELECT a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), t.oid, d.typmod,"
    "  t.typname, format_type(t.oid, -1), format_type(t.oid, d.typmod),"
    "  t.typnamespace = 'pg_catalog'::regnamespace, d.required, a.attidentity, a.attgenerated,"
    "  a.atthasdef, l.collname, ln.nspname, l.collisdeterministic, count(*) OVER ()"
    " FROM d JOIN pg_type t ON t.oid = d.oid AND t.typtype <> 'd'"
    " JOIN pg_attribute a ON a.attrelid = ?::oid AND a.attnum = d.attnum"
    " LEFT JOIN pg_collation l ON l.oid = a.attcollation"
    " LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace"
    " ORDER BY a.attnum";

static void start_columns(struct draft *d, size_t count)
{
    d->fields = ls_arena_array(d->mem, count, sizeof(*d->fields));
    d->columns = ls_arena_array(d->mem, count, sizeof(*d->columns));
    d->attnums = ls_arena_array(d->mem, count, sizeof(*d->attnums));
    d->failed |= !d->fields || !d->columns || !d->attnums;
}

/* What a type modifier says, as pg_catalog's *typmodout() functions read it. */
static void take_modifier(struct ls_field *field, unsigned oid, int typmod)
{
    field->precision = field->scale = -1;
    switch (field->type) {
    case LS_T_DECIMAL:
        if (typmod >= 4) {
            field->precision = (typmod - 4) >> 16 & 0xffff;
            field->scale =
                (((typmod - 4) & 0x7ff) ^ 1024) - 1024; /* 11 bits with a sign since version 15 */
        }
        break;
    case LS_T_TEXT:
        field->precision = typmod >= 4 ? typmod - 4 : -1;
        break;
    case LS_T_DOUBLE:
        field->precision = oid == 700 ? 24 : 53;
        break;
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
        field->scale = typmod >= 0 ? typmod : 6;
        break;
    case LS_T_NULL:
    case LS_T_BOOL:
    case LS_T_INT:
    case LS_T_BYTES:
    case LS_T_DATE:
    case LS_T_UUID:
    case LS_T_JSON:
    case LS_T_NATIVE:
    case LS_TYPE_COUNT:
        break;
    }
}

static void take_column(struct draft *d, struct ls_sql_stmt *stmt, size_t i)
{
    struct ls_field *field = &d->fields[i];
    struct ls_pgs_column *col = &d->columns[i];
    unsigned oid = (unsigned)ls_sql_i64(stmt, 3);
    bool identity = ls_sql_text(stmt, 10, NULL)[0], generated = ls_sql_text(stmt, 11, NULL)[0];
    bool collated = !ls_sql_is_null(stmt, 13);

    col->type = ls_pgs_type_find(oid, ls_sql_text(stmt, 5, NULL));
    col->base = keep(d, stmt, 6);
    col->full = keep(d, stmt, 7);
    col->catalog = ls_sql_i64(stmt, 8) != 0;
    col->always = ls_sql_text(stmt, 10, NULL)[0] == 'a';
    col->nullable = ls_sql_i64(stmt, 9) == 0;
    col->folds = strcmp(ls_sql_text(stmt, 5, NULL), "citext") == 0 ||
                 (collated && ls_sql_i64(stmt, 15) == 0);
    if (collated)
        col->collation = quoted(d, ls_sql_text(stmt, 14, NULL), ls_sql_text(stmt, 13, NULL));
    field->name = keep(d, stmt, 0);
    field->type = col->type->type;
    field->native = keep(d, stmt, 2);
    field->engine = "postgres";
    take_modifier(field, oid, (int)ls_sql_i64(stmt, 4));
    field->flags = (col->nullable ? 0 : (unsigned)LS_FIELD_NOT_NULL) |
                   (generated ? (unsigned)LS_FIELD_GENERATED : 0) |
                   (identity ? (unsigned)LS_FIELD_IDENTITY : 0) |
                   (ls_sql_i64(stmt, 12) && !generated ? (unsigned)LS_FIELD_DEFAULT : 0) |
                   (col->folds ? (unsigned)LS_FIELD_FOLDS : 0) |
                   (oid == 1042 ? (unsigned)LS_FIELD_PADDED : 0);
    d->attnums[i] = (int)ls_sql_i64(stmt, 1);
    if (!d->failed)
        col->ident = quoted(d, field->name, NULL);
    d->schema->field_count = i + 1;
}

/* Columns of a unique index or an EXCLUDE constraint: those of its key, then all it looks at. %s: NULLS NOT DISTINCT came with version 15. */
static const char uniques_sql[] =
    "SELECT coalesce(k.conname, ic.relname), i.indisprimary,"
    "  i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL, "
    "i.indimmediate, %s,"
    "  EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.confrelid = i.indrelid"
    "   AND f.conindid = i.indexrelid),"
    "  (SELECT string_agg(u.n::text, ' ' ORDER BY u.place)"
    "   FROM unnest(i.indkey) WITH ORDINALITY AS u(n, place) WHERE u.place <= i.indnkeyatts),"
    "  (SELECT string_agg(z.n::text, ' ' ORDER BY z.n) FROM ("
    "   SELECT u.n::int4 FROM unnest(i.indkey) WITH ORDINALITY AS u(n, place) WHERE u.place <= "
    "i.indnkeyatts"
    "   UNION SELECT p.refobjsubid FROM pg_depend p WHERE p.classid = 'pg_class'::regclass"
    "    AND p.objid = i.indexrelid AND p.refclassid = 'pg_class'::regclass"
    "    AND p.refobjid = i.indrelid AND p.refobjsubid > 0) z(n) WHERE z.n > 0),"
    "  i.indisexclusion, i.indexrelid, count(*) OVER ()"
    " FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid"
    " LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')"
    " WHERE i.indrelid = ?::oid AND (i.indisunique OR i.indisexclusion) ORDER BY i.indisprimary "
    "DESC, 1";

static void start_uniques(struct draft *d, size_t count)
{
    d->schema->keys = ls_arena_array(d->mem, count, sizeof(*d->schema->keys));
    d->table->uniques = ls_arena_array(d->mem, count, sizeof(*d->table->uniques));
    d->failed |= !d->schema->keys || !d->table->uniques;
}

/* "2 5" to indexes of fields. */
static size_t *take_list(struct draft *d, const char *list, size_t *ret_count)
{
    size_t *fields = ls_arena_array(d->mem, strlen(list) / 2 + 1, sizeof(*fields)), count = 0;
    char *end;

    d->failed |= !fields;
    for (const char *at = list; fields && *at; at = end) {
        long attnum = strtol(at, &end, 10);

        if (end == at)
            break;
        for (size_t f = 0; f < d->schema->field_count; f++)
            if (d->attnums[f] == attnum)
                fields[count++] = f;
    }
    *ret_count = count;
    return fields;
}

static void take_key(struct draft *d, struct ls_sql_stmt *stmt, const char *name, bool deferred)
{
    /* cast: ours until describe() hands them out */
    struct ls_key *key = (struct ls_key *)(uintptr_t)&d->schema->keys[d->schema->key_count++];

    key->name = name;
    key->primary = ls_sql_i64(stmt, 1) != 0;
    key->fields = take_list(d, ls_sql_text(stmt, 6, NULL), &key->field_count);
    key->not_null = true;
    key->deferred = deferred;
    for (size_t i = 0; !d->failed && i < key->field_count; i++)
        key->not_null &= !d->columns[key->fields[i]].nullable;
}

static void take_unique(struct draft *d, struct ls_sql_stmt *stmt, size_t i)
{
    struct ls_pgs_unique *unique = (struct ls_pgs_unique *)(uintptr_t)&d->table->uniques[i];

    unique->name = keep(d, stmt, 0);
    unique->immediate = ls_sql_i64(stmt, 3) != 0;
    unique->one_null = ls_sql_i64(stmt, 4) != 0;
    unique->referenced = ls_sql_i64(stmt, 5) != 0;
    unique->excludes = ls_sql_i64(stmt, 8) != 0;
    unique->index = ls_sql_i64(stmt, 9);
    unique->fields = take_list(d, ls_sql_is_null(stmt, 7) ? "" : ls_sql_text(stmt, 7, NULL),
                               &unique->field_count);
    d->table->unique_count = i + 1;
    unique->unseen = !ls_sql_i64(stmt, 2);
    for (size_t f = 0; !d->failed && f < unique->field_count; f++)
        unique->unseen |= d->columns[unique->fields[f]].folds;
    if (ls_sql_i64(stmt, 2))
        take_key(d, stmt, unique->name, !unique->immediate);
}

static enum ls_code no_such_table(struct ls_store *store, const char *collection,
                                  struct ls_error *err)
{
    struct ls_arena mem;
    const char *const *names = NULL;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_pgs_list(store, &mem, &count, &names, err);
    if (rc == LS_OK)
        rc = ls_store_no_collection(store, collection, count, names, err);
    ls_arena_done(&mem);
    return rc;
}

static enum ls_code read_table(struct draft *d, struct ls_error *err)
{
    const struct ls_value names[] = {ls_value_text(d->schema_name), ls_value_text(d->table_name)};
    struct ls_value oid[2];
    char uniques[sizeof(uniques_sql) + 32];
    enum ls_code rc = rows(d, relation_sql, names, 2, NULL, take_relation, err);

    if (rc != LS_OK || !d->table->kind)
        return rc;
    oid[0] = oid[1] = ls_value_int(d->table->oid);
    rc = rows(d, columns_sql, oid, 2, start_columns, take_column, err);
    d->schema->fields = d->fields;
    d->table->columns = d->columns;
    if (rc != LS_OK)
        return rc;
    snprintf(uniques, sizeof(uniques), uniques_sql,
             d->pg->version >= 150000 ? "i.indnullsnotdistinct" : "false");
    return rows(d, uniques, oid, 1, start_uniques, take_unique, err);
}

enum ls_code ls_pgs_describe(struct ls_store *store, const char *collection, struct ls_arena *mem,
                             struct ls_schema **ret, struct ls_error *err)
{
    struct draft d = {.pg = ls_pgs_of(store), .mem = mem};
    enum ls_code rc;

    if (!collection)
        return ls_error_set(
            err, LS_USAGE,
            "no table is named (store=%s). Put it behind a #: postgres://host/db#schema.table",
            ls_sql_identity(d.pg->db));
    if (!*collection)
        return no_such_table(store, collection, err);
    rc = ls_pgs_locate(d.pg, collection, mem, &d.schema_name, &d.table_name, err);
    if (rc != LS_OK)
        return rc;
    d.schema = ls_arena_alloc(mem, sizeof(*d.schema));
    d.table = ls_arena_alloc(mem, sizeof(*d.table));
    if (!d.schema || !d.table)
        return ls_error_nomem(err);
    d.schema->collection = ls_collection_join(mem, d.schema_name, d.table_name);
    d.table->ident = quoted(&d, d.schema_name, d.table_name);
    d.schema->native = d.table;
    if (!d.schema->collection || d.failed)
        return ls_error_nomem(err);
    rc = read_table(&d, err);
    if (rc != LS_OK)
        return rc;
    if (!d.table->kind)
        return no_such_table(store, collection, err);
    *ret = d.schema;
    return LS_OK;
}

static bool same_fields(const struct ls_schema *a, const struct ls_schema *b)
{
    if (a->field_count != b->field_count)
        return false;
    for (size_t i = 0; i < a->field_count; i++)
        if (strcmp(a->fields[i].name, b->fields[i].name) != 0 ||
            a->fields[i].type != b->fields[i].type)
            return false;
    return true;
}

enum ls_code ls_pgs_table(struct ls_pgs *pg, const struct ls_schema *schema,
                          const struct ls_pgs_table **ret, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    if (schema->native) {
        *ret = schema->native;
        return LS_OK;
    }
    if (!pg->again || strcmp(pg->again->collection, schema->collection) != 0)
        rc = ls_pgs_describe(&pg->base, schema->collection, &pg->mem, &pg->again, err);
    if (rc != LS_OK)
        return rc;
    if (!same_fields(pg->again, schema))
        return ls_error_set(err, LS_CHANGED,
                            "the columns of \"%s\" changed since it was described. Start again",
                            schema->collection);
    *ret = pg->again->native;
    return LS_OK;
}
