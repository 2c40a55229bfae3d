/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c - reading records: whole tables, wanted segments, and by key.
 *
 * Everything is read by COPY (SELECT ...) TO STDOUT in binary: one statement, so one snapshot; a stream that the
 * server fills while we decode; and no memory of ours beyond the batch, which libpq's row-wise results need for every row.
 * A scan in key order sorts text by COLLATE "C", because bytes are what ls_value_order() goes by; where
 * an index in that collation exists the server uses it, else it sorts, in its own work_mem and on its own disk.
 *
 * fetch() joins the table with the keys, which travel as one array a key field: up to 10,000 keys
 * a statement cost one plan and one round trip, where = ANY () knows no keys of two fields. The arrays stand in subqueries, so
 * that the planner does not see how long they are: for a thousand keys it would read all of a table that it has no
 * statistics of, and a table that is being filled has none. Integer keys that stand close together, as in a first copy, come with
 * their bounds instead: one stretch of the index, read in a third of the time of a thousand lookups. A key that the column
 * could not hold (the text 'x' for an integer, a text with a NUL) names no record and is left out here: the server would refuse
 * the whole statement. */
#include "store/postgres/postgres.h"

#include "base/text.h"
#include "model/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_UTF8 "22021" /* character_not_in_repertoire */
#define BATCH_BYTES ((size_t)1 << 20)
#define BATCH_ROWS ((size_t)1000)
/* Room for values is made before their number is known; wide tables get fewer rows of it. */
#define BATCH_VALUES ((size_t)1 << 17)

struct ls_pgs_reader {
    struct ls_pgs *pg;
    struct ls_sql_copy *copy;
    const enum ls_type *types; /* borrowed */
    size_t width;
    bool begun, ended; /* the header, the trailer were seen */
};

enum ls_code ls_pgs_read_open(struct ls_pgs *pg, const char *query, const enum ls_type *types,
                              size_t width, struct ls_pgs_reader **ret, struct ls_error *err)
{
    struct ls_pgs_reader *reader = calloc(1, sizeof(*reader));
    struct ls_buf sql;
    enum ls_code rc;

    if (!reader)
        return ls_error_nomem(err);
    reader->pg = pg;
    reader->types = types;
    reader->width = width;
    ls_buf_init(&sql, 0);
    ls_buf_text(&sql, "COPY (");
    ls_buf_text(&sql, query);
    ls_buf_text(&sql, ") TO STDOUT (FORMAT binary)");
    rc = ls_pgs_built(&sql, err);
    if (rc == LS_OK)
        rc = ls_sql_copy_out(pg->db, ls_buf_str(&sql), &reader->copy, err);
    ls_buf_done(&sql);
    if (rc != LS_OK) {
        free(reader);
        return rc;
    }
    *ret = reader;
    return LS_OK;
}

void ls_pgs_read_close(struct ls_pgs_reader *reader)
{
    if (!reader)
        return;
    ls_sql_copy_close(reader->copy);
    free(reader);
}

static enum ls_code damaged(struct ls_error *err)
{
    return ls_error_set(
        err, LS_DATA,
        "cannot read the server's answer: it is no binary COPY. A proxy between may have "
        "damaged it");
}

/* Text leaves the server as UTF-8 or not at all, also from a database in SQL_ASCII, which holds whatever bytes it was
 * given. The server's own words do not say what to do about it. */
static enum ls_code not_utf8(const struct ls_pgs_reader *reader, struct ls_error *err)
{
    enum ls_code rc = ls_error_set(
        err, LS_DATA,
        "a text is not valid UTF-8 (store=%s). The database's encoding is %s: repair the text, or "
        "leave the field out",
        ls_sql_identity(reader->pg->db), reader->pg->encoding);

    snprintf(err->native, sizeof(err->native), NOT_UTF8);
    return rc;
}

enum ls_code ls_pgs_read(struct ls_pgs_reader *reader, struct ls_arena *mem,
                         struct ls_value *values, bool *ret_row, size_t *ret_bytes,
                         struct ls_error *err)
{
    const char *data;
    size_t size;
    struct ls_reader in;
    enum ls_code rc;

    for (;;) {
        rc = ls_sql_copy_read(reader->copy, &data, &size, err);
        if (rc != LS_OK)
            return err && strcmp(err->native, NOT_UTF8) == 0 ? not_utf8(reader, err) : rc;
        if (!data) {
            *ret_row = false;
            return reader->ended ? LS_OK : damaged(err);
        }
        data = ls_arena_copy(mem, data, size);
        if (!data)
            return ls_error_nomem(err);
        ls_reader_init(&in, data, size);
        if (!reader->begun && !ls_pgs_header(&in))
            return damaged(err);
        reader->begun = true;
        if (in.at == in.size)
            continue;
        if (reader->ended)
            return damaged(err);
        rc = ls_pgs_record(&in, reader->types, reader->width, mem, values, ret_row, err);
        if (rc != LS_OK)
            return rc;
        if (in.at != in.size)
            return damaged(err); /* a message is a record */
        if (*ret_row) {
            *ret_bytes += size;
            return LS_OK;
        }
        reader->ended = true;
    }
}

static enum ls_type *field_types(const struct ls_pgs_table *table, const struct ls_scan *scan,
                                 struct ls_arena *mem)
{
    enum ls_type *types = ls_arena_array(mem, scan->field_count, sizeof(*types));

    for (size_t i = 0; types && i < scan->field_count; i++)
        types[i] = table->columns[scan->fields[i]].type->type;
    return types;
}

struct cursor {
    struct ls_cursor base;
    struct ls_pgs_reader *reader;
    struct ls_arena mem;
    size_t width, rows;
};

static const struct ls_as *as_of(const struct ls_scan *scan, size_t position)
{
    return scan->as ? &scan->as[position] : NULL;
}

bool ls_pgs_orders(struct ls_store *store, const struct ls_scan *scan)
{
    const struct ls_pgs_table *table;
    const char *form, *literal;
    struct ls_error ignored;

    if (ls_pgs_table(ls_pgs_of(store), scan->schema, &table, &ignored) != LS_OK)
        return false;
    for (size_t i = 0; i < scan->key_count; i++)
        if (!ls_pgs_order(&table->columns[scan->fields[scan->key[i]]], as_of(scan, scan->key[i]),
                          &form, &literal))
            return false;
    return true;
}

static enum ls_code order_by(struct ls_buf *sql, const struct ls_pgs_table *table,
                             const struct ls_scan *scan, struct ls_error *err)
{
    const char *form, *literal;
    struct ls_buf name;

    ls_buf_init(&name, 0);
    for (size_t i = 0; i < scan->key_count; i++) {
        size_t field = scan->fields[scan->key[i]];

        if (!ls_pgs_order(&table->columns[field], as_of(scan, scan->key[i]), &form, &literal)) {
            ls_buf_done(&name);
            return ls_error_set(
                err, LS_UNSUPPORTED,
                "cannot read \"%s\" in key order: the server does not order \"%s\" as it is "
                "compared here",
                scan->schema->collection, scan->schema->fields[field].name);
        }
        ls_buf_reset(&name);
        ls_pgs_column_ref(&name, table, field);
        ls_buf_text(sql, i ? ", " : " ORDER BY ");
        ls_pgs_expand(sql, form, name.failed ? "" : ls_buf_str(&name), "");
        if (table->columns[field].nullable)
            ls_buf_text(sql, " NULLS FIRST");
    }
    sql->failed |= name.failed;
    ls_buf_done(&name);
    return LS_OK;
}

static enum ls_code scan_query(struct ls_buf *sql, const struct ls_pgs *pg,
                               const struct ls_pgs_table *table, const struct ls_scan *scan,
                               struct ls_error *err)
{
    enum ls_code rc;

    ls_buf_text(sql, "SELECT ");
    ls_pgs_select_list(sql, table, scan);
    ls_buf_printf(sql, " FROM %s AS t", table->ident);
    rc = ls_pgs_where(sql, pg, table, scan, err);
    if (rc == LS_OK && scan->ordered)
        rc = order_by(sql, table, scan, err);
    return rc == LS_OK ? ls_pgs_built(sql, err) : rc;
}

static size_t rows_a_batch(const struct ls_scan *scan)
{
    size_t rows = scan->batch_rows ? scan->batch_rows : BATCH_ROWS,
           room = BATCH_VALUES / scan->field_count;

    if (room < 16)
        room = 16;
    return rows < room ? rows : room;
}

void ls_pgs_end(struct ls_cursor *base)
{
    struct cursor *cursor = (struct cursor *)base;

    ls_pgs_read_close(cursor->reader);
    ls_arena_done(&cursor->mem);
    free(cursor);
}

enum ls_code ls_pgs_scan(struct ls_store *store, const struct ls_scan *scan, struct ls_cursor **ret,
                         struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    const struct ls_pgs_table *table;
    struct cursor *cursor = NULL;
    enum ls_type *types = NULL;
    struct ls_buf sql;
    enum ls_code rc = ls_pgs_table(pg, scan->schema, &table, err);

    ls_buf_init(&sql, 0);
    if (rc != LS_OK)
        goto done;
    cursor = calloc(1, sizeof(*cursor));
    if (cursor) {
        ls_arena_init(&cursor->mem, 0);
        types = field_types(table, scan, &cursor->mem);
    }
    if (!types) {
        rc = ls_error_nomem(err);
        goto done;
    }
    cursor->width = scan->field_count;
    cursor->rows = rows_a_batch(scan);
    rc = scan_query(&sql, pg, table, scan, err);
    if (rc == LS_OK)
        rc = ls_pgs_read_open(pg, ls_buf_str(&sql), types, cursor->width, &cursor->reader, err);
done:
    ls_buf_done(&sql);
    if (rc == LS_OK)
        *ret = &cursor->base;
    else if (cursor)
        ls_pgs_end(&cursor->base);
    return rc;
}

enum ls_code ls_pgs_next(struct ls_cursor *base, struct ls_arena *mem, struct ls_rows *ret,
                         struct ls_error *err)
{
    struct cursor *cursor = (struct cursor *)base;
    struct ls_rows rows = {.width = cursor->width};
    size_t bytes = 0;
    bool row = true;
    enum ls_code rc;

    rows.values = ls_arena_array(mem, cursor->rows * cursor->width, sizeof(*rows.values));
    if (!rows.values)
        return ls_error_nomem(err);
    while (rows.count < cursor->rows && bytes < BATCH_BYTES) {
        rc = ls_pgs_read(cursor->reader, mem, ls_row(&rows, rows.count), &row, &bytes, err);
        if (rc != LS_OK)
            return rc;
        if (!row)
            break;
        rows.count++;
    }
    *ret = rows;
    return LS_OK;
}

static bool has_nul(const struct ls_value *v)
{
    return (v->type == LS_T_TEXT || v->type == LS_T_JSON || v->type == LS_T_NATIVE) && v->size &&
           memchr(v->data, '\0', v->size);
}

/* To char(n) 'a' and 'a ' are one, but no record's key is the second. */
static bool loses_blanks(const struct ls_field *field, const struct ls_value *v)
{
    return (field->flags & LS_FIELD_PADDED) && v->type == LS_T_TEXT && v->size &&
           v->data[v->size - 1] == ' ';
}

/* The keys that columns of these types can hold at all, as the columns' types: count is cut to their number. */
static enum ls_code usable_keys(const struct ls_scan *what, const struct ls_value *keys,
                                size_t *count, struct ls_arena *mem, struct ls_value **ret,
                                struct ls_error *err)
{
    size_t width = what->key_count, kept = 0;
    struct ls_value *values = ls_arena_array(mem, *count * width, sizeof(*values));
    struct ls_error why;

    if (!values)
        return ls_error_nomem(err);
    for (size_t i = 0; i < *count; i++) {
        bool fits = true;

        for (size_t k = 0; k < width && fits; k++) {
            const struct ls_value *v = &keys[i * width + k];
            const struct ls_field *field = &what->schema->fields[what->fields[what->key[k]]];
            enum ls_code rc = LS_OK;

            if (v->type == field->type || v->type == LS_T_NATIVE)
                values[kept * width + k] = *v;
            else
                rc = ls_value_convert(v, field, NULL, mem, &values[kept * width + k], &why);
            if (rc == LS_NOMEM)
                return ls_error_nomem(err);
            fits = rc == LS_OK && v->type != LS_T_NULL && !loses_blanks(field, v) &&
                   !has_nul(&values[kept * width + k]);
        }
        kept += fits;
    }
    *count = kept;
    *ret = values;
    return LS_OK;
}

/* Whether integer keys fill at least half of what lies between the least and the greatest. */
static bool close_together(const struct ls_value *keys, size_t count, int64_t *ret_least,
                           int64_t *ret_greatest)
{
    int64_t least = INT64_MAX, greatest = INT64_MIN, span;

    for (size_t i = 0; i < count; i++) {
        if (keys[i].type != LS_T_INT)
            return false;
        least = keys[i].i < least ? keys[i].i : least;
        greatest = keys[i].i > greatest ? keys[i].i : greatest;
    }
    *ret_least = least;
    *ret_greatest = greatest;
    return !__builtin_sub_overflow(greatest, least, &span) && span >= 0 &&
           (uint64_t)span < 2 * (uint64_t)count;
}

static enum ls_code fetch_query(struct ls_buf *sql, const struct ls_pgs_table *table,
                                const struct ls_scan *what, size_t count,
                                const struct ls_value *keys, bool for_update, struct ls_error *err)
{
    const bool is_int = table->columns[what->fields[what->key[0]]].type->type == LS_T_INT;
    struct ls_buf left;
    int64_t least = 0, greatest = 0;
    const bool close =
        what->key_count == 1 && is_int && close_together(keys, count, &least, &greatest);
    enum ls_code rc = LS_OK;

    ls_buf_init(&left, 0);
    ls_buf_text(sql, "SELECT ");
    ls_pgs_select_list(sql, table, what);
    ls_buf_printf(sql, " FROM %s AS t JOIN unnest(", table->ident);
    for (size_t k = 0; k < what->key_count && rc == LS_OK; k++) {
        ls_buf_text(sql, k ? ", " : "");
        ls_buf_text(sql, close ? "" : "(SELECT ");
        rc = ls_pgs_array(sql, keys + k, count, what->key_count, "text", err);
        ls_buf_text(sql, close ? "" : ")");
    }
    ls_buf_text(sql, ") AS u(");
    for (size_t k = 0; k < what->key_count; k++)
        ls_buf_printf(sql, k ? ", k%zu" : "k%zu", k);
    ls_buf_text(sql, ") ON ");
    for (size_t k = 0; k < what->key_count; k++) {
        const struct ls_pgs_column *col = &table->columns[what->fields[what->key[k]]];
        char right[320];

        /* Integers of any width meet any integer column, and its index serves. */
        snprintf(right, sizeof(right), "u.k%zu::%s", k,
                 col->type->type == LS_T_INT                       ? "int8"
                 : col->type->type == LS_T_NATIVE && !col->catalog ? "text"
                                                                   : col->base);
        ls_buf_reset(&left);
        ls_pgs_column_ref(&left, table, what->fields[what->key[k]]);
        ls_buf_text(sql, k ? " AND " : "");
        ls_pgs_match(sql, col, left.failed ? "" : ls_buf_str(&left), right);
    }
    if (close && !left.failed) {
        ls_buf_printf(sql, " AND %s BETWEEN ", ls_buf_str(&left));
        ls_pgs_i64(sql, (uint64_t)least);
        ls_buf_text(sql, " AND ");
        ls_pgs_i64(sql, (uint64_t)greatest);
    }
    if (for_update && !(what->schema->flags & LS_SCHEMA_VIEW))
        ls_buf_text(sql, " FOR UPDATE OF t");
    sql->failed |= left.failed;
    ls_buf_done(&left);
    return rc == LS_OK ? ls_pgs_built(sql, err) : rc;
}

static bool room_for_one_more(struct ls_rows *rows, size_t *capacity, struct ls_arena *mem)
{
    struct ls_value *grown;

    if (rows->count < *capacity)
        return true;
    grown = ls_arena_array(mem, *capacity * 2 * rows->width, sizeof(*grown));
    if (!grown)
        return false;
    memcpy(grown, rows->values, rows->count * rows->width * sizeof(*grown));
    rows->values = grown;
    *capacity *= 2;
    return true;
}

static enum ls_code fetch_some(struct ls_pgs *pg, const struct ls_pgs_table *table,
                               const struct ls_scan *what, size_t count,
                               const struct ls_value *keys, bool for_update, struct ls_arena *mem,
                               struct ls_rows *rows, size_t *capacity, struct ls_error *err)
{
    const enum ls_type *types = field_types(table, what, mem);
    struct ls_pgs_reader *reader = NULL;
    struct ls_value *usable = NULL;
    struct ls_buf sql;
    size_t bytes = 0;
    bool row = true;
    enum ls_code rc =
        types ? usable_keys(what, keys, &count, mem, &usable, err) : ls_error_nomem(err);

    ls_buf_init(&sql, 0);
    if (rc != LS_OK || count == 0)
        goto done;
    rc = fetch_query(&sql, table, what, count, usable, for_update, err);
    if (rc == LS_OK)
        rc = ls_pgs_read_open(pg, ls_buf_str(&sql), types, what->field_count, &reader, err);
    while (rc == LS_OK) {
        if (!room_for_one_more(rows, capacity, mem))
            rc = ls_error_nomem(err);
        else
            rc = ls_pgs_read(reader, mem, ls_row(rows, rows->count), &row, &bytes, err);
        if (rc != LS_OK || !row)
            break;
        rows->count++;
    }
done:
    ls_pgs_read_close(reader);
    ls_buf_done(&sql);
    return rc;
}

enum ls_code ls_pgs_fetch(struct ls_store *store, const struct ls_scan *what, size_t key_count,
                          const struct ls_value *keys, bool for_update, struct ls_arena *mem,
                          struct ls_rows *ret, struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    struct ls_rows rows = {.width = what->field_count};
    const bool locks = for_update && store->in_transaction;
    const struct ls_pgs_table *table;
    struct ls_error own = {0};
    size_t capacity = key_count + 1, some;
    enum ls_code rc = ls_pgs_table(pg, what->schema, &table, err);

    if (rc != LS_OK)
        return rc;
    rows.values = ls_arena_array(mem, capacity * rows.width, sizeof(*rows.values));
    if (!rows.values)
        return ls_error_nomem(err);
    if (locks)
        rc = ls_sql_exec(pg->db, "SAVEPOINT lockstep_lock", &own);
    for (size_t done = 0; done < key_count && rc == LS_OK; done += some) {
        some = key_count - done < LS_PGS_KEYS_A_CALL ? key_count - done : LS_PGS_KEYS_A_CALL;
        rc = fetch_some(pg, table, what, some, keys + done * what->key_count, for_update, mem,
                        &rows, &capacity, &own);
    }
    if (rc == LS_OK && locks)
        rc = ls_sql_exec(pg->db, "RELEASE SAVEPOINT lockstep_lock", &own);
    else if (locks && ls_pgs_is_held(rc, &own) && ls_sql_alive(pg->db) &&
             ls_sql_exec(pg->db,
                         "ROLLBACK TO SAVEPOINT lockstep_lock; RELEASE SAVEPOINT lockstep_lock",
                         &own) == LS_OK)
        rc = ls_pgs_held(pg, table, what->schema->collection, &own);
    if (rc == LS_OK)
        *ret = rows;
    else if (err)
        *err = own;
    return rc;
}
