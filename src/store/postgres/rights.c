/* SPDX-License-Identifier: Apache-2.0 */
/* rights.c - which rights the role lacks on a table, as the statements that grant them.
 *
 * A description is read from the catalog, which everybody may read: that a role may not read the table itself shows when the first record
 * is asked for. Here the server is asked at once, by its own functions, which know of inheritance, PUBLIC and superusers.
 *
 * A right to read or write the columns in question is as good as one to the table. Rows that a policy hides are no matter of rights (catalog.c). */
#include "base/text.h"
#include "store/postgres/postgres.h"

/* The table, whether it is written, and the names of its columns in question as a JSON array. */
static const char lacking_sql[] =
    "WITH t AS (SELECT c.oid, c.relname, n.oid AS schema, n.nspname FROM pg_class c"
    "  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ?::int8::oid),"
    " lacks AS (SELECT string_agg(r.name, ', ' ORDER BY r.place) AS names FROM t,"
    "  unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) WITH ORDINALITY AS r(name, place)"
    "  WHERE (r.place = 1 OR ?::int8 = 1) AND NOT has_table_privilege(t.oid, r.name)"
    "   AND (r.name = 'DELETE' OR EXISTS (SELECT FROM jsonb_array_elements_text(?::jsonb) AS "
    "f(name)"
    "    WHERE NOT has_column_privilege(t.oid, f.name, r.name))))"
    " SELECT concat_ws('; ',"
    "  CASE WHEN ?::int8 = 1 AND NOT has_database_privilege(current_database(), 'TEMPORARY')"
    "   THEN format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), current_user) END,"
    "  CASE WHEN NOT has_schema_privilege(t.schema, 'USAGE')"
    "   THEN format('GRANT USAGE ON SCHEMA %I TO %I', t.nspname, current_user) END,"
    "  CASE WHEN lacks.names IS NOT NULL"
    "   THEN format('GRANT %s ON %I.%I TO %I', lacks.names, t.nspname, t.relname, current_user)"
    "   END) FROM t, lacks";

static void list_names(struct ls_buf *out, const struct ls_schema *schema, size_t field_count,
                       const size_t *fields)
{
    ls_buf_char(out, '[');
    for (size_t i = 0; i < field_count; i++) {
        const char *name = schema->fields[fields[i]].name;

        if (i)
            ls_buf_char(out, ',');
        ls_text_json(out, name, strlen(name));
    }
    ls_buf_char(out, ']');
}

enum ls_code ls_pgs_lacking(struct ls_store *store, const struct ls_schema *schema,
                            size_t field_count, const size_t *fields, bool writes,
                            struct ls_arena *mem, const char **ret, struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    const struct ls_pgs_table *table = NULL;
    struct ls_buf names;
    enum ls_code rc = ls_pgs_table(pg, schema, &table, err);

    if (rc != LS_OK)
        return rc;
    ls_buf_init(&names, 0);
    list_names(&names, schema, field_count, fields);
    if (names.failed) {
        rc = ls_error_nomem(err);
    } else {
        const struct ls_value params[] = {ls_value_int(table->oid), ls_value_int(writes),
                                          ls_value_text(ls_buf_str(&names)), ls_value_int(writes)};

        rc = ls_pgs_ask(pg, lacking_sql, params, 4, mem, ret, err);
    }
    ls_buf_done(&names);
    return rc;
}
