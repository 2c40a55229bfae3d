/* SPDX-License-Identifier: Apache-2.0 */
/* write.c - records by key, and a write: deletes, updates, inserts, one statement each.
 *
 * A write is a savepoint, so that a refused one leaves the transaction as it was. Each statement must change
 * exactly one record; none means that it is not what the plan saw (LS_CONFLICT). The statements say OR
 * ABORT, because a table may carry ON CONFLICT REPLACE, which would delete other records in silence.
 *
 * Unique values that move among the records of a write. SQLite checks each statement, so 1->2, 2->1
 * cannot be written as they come. An update that a constraint refuses is put aside and tried again after
 * the others, as long as that helps: chains end so. What then remains goes round in circles (or is really refused): the
 * unique fields of these records are parked - NULL where they may be, else a random value of their kind -
 * and written again. Inside the transaction nobody sees the parked values.
 *
 * Keys are compared with `=`, which uses the index, and where the column folds case or blanks once more
 * in BINARY, so that 'A' never stands for 'a'.
 *
 * Foreign keys to the table itself are checked at the commit, because records of one write may refer to each
 * other in any order. */
#include "store/sqlite/sqlite.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"

struct statement {
    struct ls_sql_stmt *stmt;
    size_t count;   /* parameters */
    size_t *source; /* of each: a position in write->fields, or key_flag | position in write->key */
};
#define KEY_FLAG ((size_t)1 << 60)

struct work {
    struct ls_sqlite *s;
    const struct ls_schema *schema;
    size_t field_count, key_count;
    const size_t *fields, *key;
    struct ls_arena mem;
    struct ls_sqlite_table table;
    struct ls_sqlite_codec *codecs, *key_codecs; /* field_count, key_count */
    struct ls_value *params;
};

static const struct ls_field *field_at(const struct work *w, size_t i)
{
    return &w->schema->fields[w->fields[i]];
}

static enum ls_code prepare_work(struct work *w, struct ls_sqlite *s,
                                 const struct ls_schema *schema, size_t field_count,
                                 const size_t *fields, size_t key_count, const size_t *key,
                                 struct ls_error *err)
{
    enum ls_code rc;

    *w = (struct work){.s = s,
                       .schema = schema,
                       .field_count = field_count,
                       .fields = fields,
                       .key_count = key_count,
                       .key = key};
    ls_arena_init(&w->mem, 0);
    rc = ls_sqlite_find(s, schema->collection, &w->mem, &w->table, err);
    if (rc != LS_OK)
        return rc;
    w->codecs = ls_arena_array(&w->mem, field_count, sizeof(*w->codecs));
    w->key_codecs = ls_arena_array(&w->mem, key_count, sizeof(*w->key_codecs));
    w->params = ls_arena_array(&w->mem, field_count + 2 * key_count, sizeof(*w->params));
    if (!w->codecs || !w->key_codecs || !w->params) {
        w->codecs = NULL;
        return ls_error_nomem(err);
    }
    for (size_t i = 0; i < field_count; i++)
        ls_sqlite_codec_init(&w->codecs[i], field_at(w, i));
    for (size_t i = 0; i < key_count; i++)
        ls_sqlite_codec_init(&w->key_codecs[i], field_at(w, key[i]));
    return LS_OK;
}

static void work_done(struct work *w)
{
    for (size_t i = 0; w->codecs && i < w->field_count; i++)
        ls_sqlite_codec_done(&w->codecs[i]);
    for (size_t i = 0; w->codecs && i < w->key_count; i++)
        ls_sqlite_codec_done(&w->key_codecs[i]);
    ls_arena_done(&w->mem);
}

static bool is_key(const struct work *w, size_t position)
{
    for (size_t i = 0; i < w->key_count; i++)
        if (w->key[i] == position)
            return true;
    return false;
}

static void add_source(struct statement *st, size_t source)
{
    st->source[st->count++] = source;
}

/* Appends WHERE key = ?, which names one record exactly. */
static void where_key(const struct work *w, struct ls_buf *sql, struct statement *st)
{
    for (size_t i = 0; i < w->key_count; i++) {
        const struct ls_field *f = field_at(w, w->key[i]);

        ls_buf_text(sql, i ? " AND " : " WHERE ");
        ls_text_ident(sql, f->name);
        ls_buf_text(sql, " = ?");
        add_source(st, KEY_FLAG | i);
        if (!(f->flags & LS_FIELD_FOLDS))
            continue;
        ls_buf_text(sql, " AND +");
        ls_text_ident(sql, f->name);
        ls_buf_text(sql, " = ? COLLATE BINARY");
        add_source(st, KEY_FLAG | i);
    }
}

static void delete_sql(const struct work *w, struct ls_buf *sql, struct statement *st)
{
    ls_buf_printf(sql, "DELETE FROM %s", w->table.quoted);
    where_key(w, sql, st);
}

/* Without a field to set it only counts the record. */
static void update_sql(const struct work *w, struct ls_buf *sql, struct statement *st)
{
    size_t set = 0;

    ls_buf_printf(sql, "UPDATE OR ABORT %s SET ", w->table.quoted);
    for (size_t i = 0; i < w->field_count; i++) {
        if (is_key(w, i))
            continue;
        ls_buf_text(sql, set++ ? ", " : "");
        ls_text_ident(sql, field_at(w, i)->name);
        ls_buf_text(sql, " = ?");
        add_source(st, i);
    }
    for (size_t i = 0; i < w->key_count && !set; i++) {
        ls_buf_text(sql, i ? ", " : "");
        ls_text_ident(sql, field_at(w, w->key[i])->name);
        ls_buf_text(sql, " = ");
        ls_text_ident(sql, field_at(w, w->key[i])->name);
    }
    where_key(w, sql, st);
}

static void insert_sql(const struct work *w, struct ls_buf *sql, struct statement *st)
{
    ls_buf_printf(sql, "INSERT OR ABORT INTO %s (", w->table.quoted);
    for (size_t i = 0; i < w->field_count; i++) {
        ls_buf_text(sql, i ? ", " : "");
        ls_text_ident(sql, field_at(w, i)->name);
        add_source(st, i);
    }
    ls_buf_text(sql, ") VALUES (");
    for (size_t i = 0; i < w->field_count; i++)
        ls_buf_text(sql, i ? ", ?" : "?");
    ls_buf_char(sql, ')');
}

static void select_sql(const struct work *w, struct ls_buf *sql, struct statement *st)
{
    ls_buf_text(sql, "SELECT ");
    for (size_t i = 0; i < w->field_count; i++) {
        ls_buf_text(sql, i ? ", " : "");
        ls_text_ident(sql, field_at(w, i)->name);
    }
    ls_buf_printf(sql, " FROM %s", w->table.quoted);
    where_key(w, sql, st);
}

typedef void sql_fn(const struct work *w, struct ls_buf *sql, struct statement *st);

static enum ls_code prepare(struct work *w, sql_fn *write_sql, struct statement *st,
                            struct ls_error *err)
{
    struct ls_buf sql;
    enum ls_code rc;

    ls_buf_init(&sql, 0);
    *st = (struct statement){
        .source = ls_arena_array(&w->mem, w->field_count + 2 * w->key_count, sizeof(size_t))};
    if (st->source)
        write_sql(w, &sql, st);
    rc = st->source && !sql.failed ? ls_sql_prepare(w->s->db, ls_buf_str(&sql), &st->stmt, err)
                                   : ls_error_nomem(err);
    ls_buf_done(&sql);
    return rc;
}

/* Encodes what the statement needs into w->params. */
static enum ls_code bind(struct work *w, const struct statement *st, const struct ls_value *key,
                         const struct ls_value *record, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < st->count && rc == LS_OK; i++) {
        size_t at = st->source[i] & ~KEY_FLAG;

        if (st->source[i] & KEY_FLAG)
            rc = ls_sqlite_encode(&w->key_codecs[at], &key[at], field_at(w, w->key[at]),
                                  &w->params[i], err);
        else
            rc = ls_sqlite_encode(&w->codecs[at], &record[at], field_at(w, at), &w->params[i], err);
    }
    return rc;
}

static enum ls_code read_record(struct work *w, struct statement *st, struct ls_arena *mem,
                                struct ls_value *to, bool *ret_row, struct ls_error *err)
{
    bool failed = false;
    enum ls_code rc = ls_sql_run(st->stmt, w->params, st->count, true, err);

    if (rc == LS_OK)
        rc = ls_sql_step(st->stmt, ret_row, err);
    if (rc != LS_OK || !*ret_row)
        return rc;
    ls_sql_values(st->stmt, 0, w->field_count, to);
    for (size_t i = 0; i < w->field_count; i++) {
        to[i] = ls_sqlite_decode(&w->codecs[i], &to[i]);
        failed |= w->codecs[i].text.failed;
    }
    return !failed && ls_values_copy(mem, to, w->field_count, to, NULL) ? LS_OK
                                                                        : ls_error_nomem(err);
}

/* A key that SQLite cannot hold names no record. Outside of a transaction each key would lock and unlock the file,
 * which takes longer than finding the record. */
enum ls_code ls_sqlite_fetch(struct ls_store *store, const struct ls_scan *what, size_t key_count,
                             const struct ls_value *keys, bool for_update, struct ls_arena *mem,
                             struct ls_rows *ret, struct ls_error *err)
{
    struct ls_rows rows = {.width = what->field_count};
    struct statement st = {0};
    struct work w;
    struct ls_sql *db = ((struct ls_sqlite *)store)->db;
    const bool begins = !ls_sql_in_transaction(db);
    enum ls_code rc = begins ? ls_sql_begin(db, false, err) : LS_OK;

    if (rc != LS_OK)
        return rc;
    rc = prepare_work(&w, (struct ls_sqlite *)store, what->schema, what->field_count, what->fields,
                      what->key_count, what->key, err);
    (void)for_update; /* a write transaction has the file for itself from its beginning */
    rows.values = ls_arena_array(mem, key_count * rows.width, sizeof(*rows.values));
    if (rc == LS_OK && !rows.values)
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = prepare(&w, select_sql, &st, err);
    for (size_t i = 0; i < key_count && rc == LS_OK; i++) {
        bool row = false;

        rc = bind(&w, &st, keys + i * what->key_count, NULL, err);
        if (rc == LS_TYPE) {
            rc = LS_OK;
            continue;
        }
        if (rc == LS_OK)
            rc = read_record(&w, &st, mem, ls_row(&rows, rows.count), &row, err);
        rows.count += row;
    }
    ls_sql_finish(st.stmt);
    work_done(&w);
    if (begins)
        ls_sql_rollback(db);
    if (rc == LS_OK)
        *ret = rows;
    return rc;
}

static enum ls_code conflict(const struct work *w, const char *why, struct ls_error *err)
{
    return ls_error_set(err, LS_CONFLICT, "a record changed since it was read: %s (collection=%s)",
                        why, w->schema->collection);
}

/* Runs a statement that must change one record. */
static enum ls_code change(struct work *w, struct statement *st, const struct ls_write_op *op,
                           struct ls_error *err)
{
    int64_t changed = 0;
    enum ls_code rc = bind(w, st, op->key, op->record, err);

    if (rc == LS_OK)
        rc = ls_sql_change(st->stmt, w->params, st->count, &changed, err);
    if (rc == LS_OK && changed != 1)
        rc = conflict(w, "it is not there any more", err);
    return rc;
}

static enum ls_code run_deletes(struct work *w, const struct ls_write *write, struct ls_error *err)
{
    struct statement st = {0};
    enum ls_code rc = prepare(w, delete_sql, &st, err);

    for (size_t i = 0; i < write->count && rc == LS_OK; i++)
        if (write->ops[i].kind == LS_DELETE)
            rc = change(w, &st, &write->ops[i], err);
    ls_sql_finish(st.stmt);
    return rc;
}

/* A refused insert is a conflict when a record of its key is there, whatever SQLite complained about first. */
static enum ls_code explain_insert(struct work *w, const struct ls_write_op *op,
                                   struct ls_error *err)
{
    const struct ls_error refused = err ? *err : (struct ls_error){.code = LS_CONSTRAINT};
    struct statement st = {0};
    struct ls_value *there = ls_arena_array(&w->mem, w->field_count, sizeof(*there));
    bool row = false;
    enum ls_code rc = there ? prepare(w, select_sql, &st, err) : ls_error_nomem(err);

    if (rc == LS_OK)
        rc = bind(w, &st, op->key, NULL, err);
    if (rc == LS_OK)
        rc = read_record(w, &st, &w->mem, there, &row, err);
    ls_sql_finish(st.stmt);
    if (rc != LS_OK)
        return rc;
    if (row)
        return conflict(w, "one with its key is there already", err);
    if (err)
        *err = refused;
    return LS_CONSTRAINT;
}

static enum ls_code run_inserts(struct work *w, const struct ls_write *write, struct ls_error *err)
{
    struct statement st = {0};
    enum ls_code rc = prepare(w, insert_sql, &st, err);

    for (size_t i = 0; i < write->count && rc == LS_OK; i++) {
        if (write->ops[i].kind != LS_INSERT)
            continue;
        rc = change(w, &st, &write->ops[i], err);
        if (rc == LS_CONSTRAINT)
            rc = explain_insert(w, &write->ops[i], err);
    }
    ls_sql_finish(st.stmt);
    return rc;
}

/* Updates that are not done yet. */
struct pending {
    size_t count;
    const struct ls_write_op **ops;
};

/* Tries each; keeps those that a constraint refuses. The last refusal stays in err. */
static enum ls_code try_updates(struct work *w, struct statement *st, struct pending *p,
                                struct ls_error *err)
{
    size_t kept = 0;
    enum ls_code rc;

    for (size_t i = 0; i < p->count; i++) {
        rc = change(w, st, p->ops[i], err);
        if (rc == LS_CONSTRAINT)
            p->ops[kept++] = p->ops[i];
        else if (rc != LS_OK)
            return rc;
    }
    p->count = kept;
    return LS_OK;
}

static enum ls_code try_while_it_helps(struct work *w, struct statement *st, struct pending *p,
                                       struct ls_error *err)
{
    size_t before;
    enum ls_code rc;

    do {
        before = p->count;
        rc = try_updates(w, st, p, err);
    } while (rc == LS_OK && p->count && p->count < before);
    return rc;
}

/* The written fields that some unique index is over; of the rowid too. Positions in fields. */
static enum ls_code unique_fields(struct work *w, size_t *ret_count, size_t *ret,
                                  struct ls_error *err)
{
    static const char sql[] =
        "SELECT DISTINCT x.name FROM pragma_index_list(?, 'main') AS l,"
        " pragma_index_xinfo(l.name, 'main') AS x WHERE l.\"unique\" AND x.key AND x.cid >= 0"
        " UNION SELECT ?";
    const struct ls_value params[] = {ls_value_text(w->table.name),
                                      w->table.alias ? ls_value_text(w->table.alias)
                                                     : ls_value_null()};
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    size_t count = 0;
    enum ls_code rc = ls_sql_prepare(w->s->db, sql, &stmt, err);

    if (rc == LS_OK)
        rc = ls_sql_run(stmt, params, 2, true, err);
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &row, err)) == LS_OK && row) {
        const char *name = ls_sql_text(stmt, 0, NULL);

        for (size_t i = 0; name && i < w->field_count; i++)
            if (!is_key(w, i) && !strcmp(field_at(w, i)->name, name))
                ret[count++] = i;
    }
    ls_sql_finish(stmt);
    *ret_count = count;
    return rc;
}

/* A value that surely nobody has. */
static struct ls_value parked_value(const struct work *w, size_t position, char text[64])
{
    const struct ls_field *f = field_at(w, position);
    uint64_t chance = ls_random_u64() >> 2;
    char id[37];

    if (!(f->flags & LS_FIELD_NOT_NULL))
        return ls_value_null();
    switch (ls_sqlite_affinity(f->native)) {
    case LS_AFF_INTEGER:
    case LS_AFF_NUMERIC:
        return ls_value_int(-(int64_t)chance - 1);
    case LS_AFF_REAL:
        return (struct ls_value){.type = LS_T_DOUBLE, .d = -1e100 - (double)chance * 1e90};
    case LS_AFF_BLOB:
        ls_random_bytes(text, 32);
        return ls_value_data(LS_T_BYTES, text, 32);
    case LS_AFF_TEXT:
        break;
    }
    ls_uuid_new(id);
    memcpy(text, "lockstep ", 9);
    memcpy(text + 9, id, 36);
    return ls_value_data(LS_T_TEXT, text, 45);
}

/* UPDATE t SET u1 = ?, u2 = ? WHERE key for every pending record. */
static enum ls_code park(struct work *w, const struct pending *p, size_t count,
                         const size_t *unique, struct ls_error *err)
{
    struct statement where = {.source = ls_arena_array(&w->mem, 2 * w->key_count, sizeof(size_t))};
    char(*texts)[64] = ls_arena_array(&w->mem, count, sizeof(*texts));
    struct ls_value *params = ls_arena_array(&w->mem, count + 2 * w->key_count, sizeof(*params));
    struct ls_sql_stmt *stmt = NULL;
    struct ls_buf sql;
    enum ls_code rc = LS_OK;

    ls_buf_init(&sql, 0);
    if (!where.source || !texts || !params) {
        rc = ls_error_nomem(err);
        goto done;
    }
    ls_buf_printf(&sql, "UPDATE OR ABORT %s SET ", w->table.quoted);
    for (size_t i = 0; i < count; i++) {
        ls_buf_text(&sql, i ? ", " : "");
        ls_text_ident(&sql, field_at(w, unique[i])->name);
        ls_buf_text(&sql, " = ?");
    }
    where_key(w, &sql, &where);
    rc = sql.failed ? ls_error_nomem(err) : ls_sql_prepare(w->s->db, ls_buf_str(&sql), &stmt, err);
    for (size_t r = 0; r < p->count && rc == LS_OK; r++) {
        for (size_t i = 0; i < count; i++)
            params[i] = parked_value(w, unique[i], texts[i]);
        rc = bind(w, &where, p->ops[r]->key, NULL, err);
        if (rc != LS_OK)
            break;
        memcpy(params + count, w->params, where.count * sizeof(*params));
        rc = ls_sql_change(stmt, params, count + where.count, NULL, err);
    }
done:
    ls_sql_finish(stmt);
    ls_buf_done(&sql);
    return rc;
}

/* Where the table refuses the parked values the first refusal stands; what else goes wrong is no record's fault. */
static enum ls_code park_and_try(struct work *w, struct statement *st, struct pending *p,
                                 size_t count, const size_t *unique, struct ls_error *refused)
{
    struct ls_error why = {0};
    enum ls_code rc = park(w, p, count, unique, &why);

    if (rc == LS_OK)
        return try_while_it_helps(w, st, p, refused);
    if (ls_code_refusal(rc))
        return LS_OK;
    *refused = why;
    return rc;
}

static enum ls_code run_updates(struct work *w, const struct ls_write *write, struct ls_error *err)
{
    struct pending p = {
        .ops = ls_arena_array(&w->mem, write->count, sizeof(const struct ls_write_op *))};
    size_t *unique = ls_arena_array(&w->mem, w->field_count, sizeof(*unique)), unique_count = 0;
    struct ls_error refused = {0};
    struct statement st = {0};
    enum ls_code rc = p.ops && unique ? prepare(w, update_sql, &st, err) : ls_error_nomem(err);

    if (rc != LS_OK)
        goto done;
    for (size_t i = 0; i < write->count; i++)
        if (write->ops[i].kind == LS_UPDATE)
            p.ops[p.count++] = &write->ops[i];
    rc = try_while_it_helps(w, &st, &p, &refused);
    if (rc == LS_OK && p.count) {
        rc = unique_fields(w, &unique_count, unique, &refused);
        if (rc == LS_OK && unique_count)
            rc = park_and_try(w, &st, &p, unique_count, unique, &refused);
        if (rc == LS_OK && p.count)
            rc = LS_CONSTRAINT;
    }
    if (rc != LS_OK && err)
        *err = refused;
done:
    ls_sql_finish(st.stmt);
    return rc;
}

static enum ls_code run_all(struct work *w, const struct ls_write *write, struct ls_error *err)
{
    enum ls_code rc = run_deletes(w, write, err);

    if (rc == LS_OK)
        rc = run_updates(w, write, err);
    if (rc == LS_OK)
        rc = run_inserts(w, write, err);
    return rc;
}

enum ls_code ls_sqlite_write(struct ls_store *store, const struct ls_write *write,
                             struct ls_error *err)
{
    struct ls_sqlite *s = (struct ls_sqlite *)store;
    struct ls_error ignored;
    struct work w;
    enum ls_code rc = prepare_work(&w, s, write->schema, write->field_count, write->fields,
                                   write->key_count, write->key, err);

    if (rc == LS_OK && (write->schema->flags & LS_SCHEMA_SELF_REF))
        rc = ls_sql_exec(s->db, "PRAGMA defer_foreign_keys = ON", err);
    if (rc == LS_OK)
        rc = ls_sql_exec(s->db, "SAVEPOINT lockstep_write", err);
    if (rc == LS_OK) {
        rc = run_all(&w, write, err);
        if (rc == LS_OK)
            rc = ls_sql_exec(s->db, "RELEASE lockstep_write", err);
        else if (ls_sql_exec(s->db, "ROLLBACK TO lockstep_write; RELEASE lockstep_write",
                             &ignored) != LS_OK)
            rc = err ? err->code
                     : rc; /* the transaction is gone as a whole: the caller rolls back anyway */
    }
    work_done(&w);
    return rc;
}
