/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c - reading an SQLite table: in which order, how long at a time, and digests.
 *
 * Where the order comes from. A table with rowids is a tree in rowid order, and reading it that way is
 * some twenty times faster than walking the index of another key, which jumps to another page for each
 * record. So unordered scans and those whose key is the rowid read the tree; ordered ones by another key let
 * SQLite sort (`ORDER BY +"key"`: the plus keeps it from the index), unless the table is itself a
 * tree in the key's order (WITHOUT ROWID).
 *
 * How long at a time. A reader of a file in write-ahead mode stands in nobody's way, so a scan is one
 * statement and one snapshot. In every other journal mode a reader keeps writers from committing, so the tree is read
 * in slices of at most 2,000 records, each a statement of its own that has ended before anything
 * else happens; the next one resumes behind the last key. No slice stays open across a call. What has
 * no tree to resume in (a view, a virtual table, a sort) cannot be sliced: orders() says no, so
 * that the engine sorts by itself, and an unordered scan of a view is one statement.
 *
 * An ordered scan promises the model's order (order.c has checked it). A value that appears between the
 * check and the scan, and breaks the order, ends the scan with LS_CHANGED.
 *
 * A digest is a scan whose values are hashed where SQLite has them: nothing is copied. SQLite keeps a primary key unique but
 * for NULLs, unless its columns say NOT NULL, so a NULL in the key ends the digest: equal ones on both sides would pass unseen. */
#include <stdlib.h>
#include <string.h>

#include "store/sqlite/cursor.h"

#define SLICE_ROWS 2000
#define BATCH_BYTES ((size_t)1 << 20)

static void stop(struct ls_sqlite_cursor *c)
{
    ls_sql_finish(c->stmt);
    c->stmt = NULL;
    c->running = false;
}

void ls_sqlite_end(struct ls_cursor *base)
{
    struct ls_sqlite_cursor *c = (struct ls_sqlite_cursor *)base;

    stop(c);
    if (c->began)
        ls_sql_rollback(c->s->db);
    for (size_t i = 0; c->codecs && i < c->column_count; i++)
        ls_sqlite_codec_done(&c->codecs[i]);
    ls_sieve_done(&c->sieve);
    ls_arena_done(&c->key_mem);
    ls_arena_done(&c->mem);
    free(c);
}

enum ls_code ls_sqlite_scan(struct ls_store *store, const struct ls_scan *scan,
                            struct ls_cursor **ret, struct ls_error *err)
{
    struct ls_sqlite *s = (struct ls_sqlite *)store;
    struct ls_sqlite_cursor *c = calloc(1, sizeof(*c));
    enum ls_code rc;

    if (!c)
        return ls_error_nomem(err);
    c->s = s;
    c->scan = scan;
    ls_arena_init(&c->mem, 0);
    ls_arena_init(&c->key_mem, 0);
    rc = ls_sqlite_find(s, scan->schema->collection, &c->mem, &c->table, err);
    if (rc == LS_OK && !ls_sieve_init(&c->sieve, scan, &c->mem))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_sqlite_plan(c, err);
    if (rc == LS_OK && !c->sliced && c->range_count > 1 && !store->in_transaction) {
        rc = ls_sql_begin(s->db, false, err); /* several statements, one snapshot */
        c->began = rc == LS_OK;
    }
    if (rc != LS_OK) {
        ls_sqlite_end(&c->base);
        return rc;
    }
    *ret = &c->base;
    return LS_OK;
}

/* Starts the statement at the present range, or behind the last record of it. */
static enum ls_code start(struct ls_sqlite_cursor *c, int64_t limit, struct ls_error *err)
{
    const struct ls_sqlite_range *range = &c->ranges[c->range_at];
    bool next = c->have_last && !c->by_rowid && c->sliced;
    size_t n = c->param_count;
    enum ls_code rc = LS_OK;

    if (c->stmt && c->stmt_is_next != next)
        stop(c);
    if (!c->stmt)
        rc = ls_sql_prepare(c->s->db, next ? c->sql_next : c->sql, &c->stmt, err);
    if (rc != LS_OK)
        return rc;
    c->stmt_is_next = next;
    if (c->by_rowid) {
        c->params[n++] = ls_value_int(c->have_last ? c->last_rowid + 1 : range->first);
        c->params[n++] = ls_value_int(range->last);
    }
    for (size_t i = 0; next && i < c->lead; i++)
        c->params[n++] = c->last_key[i];
    c->limit = c->sliced ? limit : LS_SQLITE_NO_LIMIT;
    if (c->by_rowid || c->sliced)
        c->params[n++] = ls_value_int(c->limit);
    c->got = 0;
    c->running = true;
    return ls_sql_run(c->stmt, c->params, n, true, err);
}

/* What there is behind the statement that ended; false: nothing. */
static bool more(struct ls_sqlite_cursor *c)
{
    bool full = c->limit != LS_SQLITE_NO_LIMIT && c->got == c->limit;

    if (full && c->by_rowid && c->last_rowid == c->ranges[c->range_at].last)
        full = false;
    if (full)
        return true;
    c->have_last = false;
    c->range_at++;
    return c->range_at < c->range_count;
}

static enum ls_code keep_place(struct ls_sqlite_cursor *c, struct ls_error *err)
{
    c->have_last = true;
    if (c->by_rowid) {
        if (c->lead)
            c->last_rowid = ls_sql_i64(c->stmt, 0);
        return LS_OK;
    }
    ls_arena_reset(&c->key_mem);
    for (size_t i = 0; i < c->lead; i++) {
        struct ls_value v = ls_sql_value(c->stmt, (int)i);

        if (!ls_value_copy(&c->key_mem, &v, &c->last_key[i]))
            return ls_error_nomem(err);
    }
    return LS_OK;
}

/* Decodes the row the statement stands on into record. An ordered key of another type would be out of place. */
static enum ls_code decode(struct ls_sqlite_cursor *c, struct ls_error *err)
{
    const struct ls_scan *scan = c->scan;
    bool failed = false;

    ls_sql_values(c->stmt, c->lead, c->column_count, c->stored);
    for (size_t i = 0; i < c->column_count; i++) {
        c->record[c->columns[i]] = ls_sqlite_decode(&c->codecs[i], &c->stored[i]);
        failed |= c->codecs[i].text.failed;
    }
    if (failed)
        return ls_error_nomem(err);
    for (size_t i = 0; scan->ordered && i < scan->key_count; i++)
        if (c->record[scan->fields[scan->key[i]]].type != ls_sqlite_key_field(scan, i)->type)
            return ls_error_set(
                err, LS_CHANGED,
                "a key of another type came up while reading in order (collection=%s, field=%s). "
                "Run again",
                scan->schema->collection, ls_sqlite_key_field(scan, i)->name);
    return LS_OK;
}

/* The next record that the scan takes, in c->record; borrowed until the next call. */
static enum ls_code advance(struct ls_sqlite_cursor *c, int64_t limit, bool *ret_row,
                            size_t *ret_segment, struct ls_error *err)
{
    bool row = false;
    enum ls_code rc;

    *ret_row = false;
    if (!c->range_count)
        c->ended = true;
    while (!c->ended) {
        rc = c->running ? LS_OK : start(c, limit, err);
        if (rc == LS_OK)
            rc = ls_sql_step(c->stmt, &row, err);
        if (rc != LS_OK)
            return rc;
        if (!row) {
            c->running = false;
            c->ended = !more(c);
            continue;
        }
        c->got++;
        if (c->sliced)
            rc = keep_place(c, err);
        if (rc == LS_OK)
            rc = decode(c, err);
        if (rc != LS_OK)
            return rc;
        if (ls_sieve_takes(&c->sieve, c->record, ret_segment)) {
            *ret_row = true;
            return LS_OK;
        }
    }
    return LS_OK;
}

/* Leaves no statement open behind a slice: one that gave all its records is stepped to its end, one that
 * was cut short is dropped. */
static enum ls_code let_go(struct ls_sqlite_cursor *c, struct ls_error *err)
{
    bool row = false;
    enum ls_code rc;

    if (!c->sliced || !c->running)
        return LS_OK;
    if (c->got < c->limit) {
        stop(c);
        if (c->by_rowid && c->have_last && c->last_rowid == c->ranges[c->range_at].last)
            c->ended = !more(c);
        return LS_OK;
    }
    rc = ls_sql_step(c->stmt, &row, err);
    c->running = false;
    if (rc == LS_OK)
        c->ended = !more(c);
    return rc;
}

enum ls_code ls_sqlite_next(struct ls_cursor *base, struct ls_arena *mem, struct ls_rows *ret,
                            struct ls_error *err)
{
    struct ls_sqlite_cursor *c = (struct ls_sqlite_cursor *)base;
    const struct ls_scan *scan = c->scan;
    size_t most = scan->batch_rows ? scan->batch_rows : 1000, bytes = 0, width = scan->field_count,
           size;
    int64_t limit = most < SLICE_ROWS ? (int64_t)most : SLICE_ROWS;
    struct ls_rows rows = {.width = width};
    enum ls_code rc = LS_OK;
    bool row = true;

    rows.values = ls_arena_array(mem, most * width, sizeof(*rows.values));
    if (!rows.values)
        return ls_error_nomem(err);
    while (rows.count < most && bytes < BATCH_BYTES) {
        struct ls_value *to = ls_row(&rows, rows.count);

        rc = advance(c, limit, &row, NULL, err);
        if (rc != LS_OK || !row)
            break;
        for (size_t i = 0; i < width; i++)
            to[i] = c->record[scan->fields[i]];
        if (!ls_values_copy(mem, to, width, to, &size)) {
            rc = ls_error_nomem(err);
            break;
        }
        bytes += size;
        rows.count++;
    }
    if (rc == LS_OK)
        rc = let_go(c, err);
    if (rc == LS_OK)
        *ret = rows;
    return rc;
}

/* LS_DATA when the record has a NULL in its key. */
static enum ls_code check_key(const struct ls_scan *scan, const struct ls_value *record,
                              struct ls_error *err)
{
    for (size_t i = 0; i < scan->key_count; i++)
        if (record[scan->fields[scan->key[i]]].type == LS_T_NULL)
            return ls_store_null_key(scan->schema->collection, ls_sqlite_key_field(scan, i)->name,
                                     err);
    return LS_OK;
}

static enum ls_code digest_all(struct ls_sqlite_cursor *c, const struct ls_as *as,
                               const uint64_t seeds[2], struct ls_segment *ret,
                               struct ls_error *err)
{
    const struct ls_scan *scan = c->scan;
    struct ls_buf canon;
    size_t segment = 0;
    enum ls_code rc;
    bool row = true;

    ls_buf_init(&canon, 0);
    while ((rc = advance(c, SLICE_ROWS, &row, &segment, err)) == LS_OK && row) {
        rc = check_key(scan, c->record, err);
        if (rc != LS_OK)
            break;
        ls_buf_reset(&canon);
        for (size_t i = 0; i < scan->field_count; i++)
            ls_value_canon(&canon, &c->record[scan->fields[i]], &as[i]);
        if (canon.failed) {
            rc = ls_error_nomem(err);
            break;
        }
        ret[segment].count++;
        ret[segment].sum += ls_record_hash(canon.data, canon.size, seeds);
    }
    ls_buf_done(&canon);
    return rc;
}

enum ls_code ls_sqlite_digest(struct ls_store *store, const struct ls_scan *scan,
                              const uint64_t seeds[2], struct ls_segment *ret, struct ls_error *err)
{
    struct ls_scan unordered = *scan;
    struct ls_cursor *cursor = NULL;
    const struct ls_as *as;
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    memset(ret, 0, scan->partition->count * sizeof(*ret));
    unordered.ordered = false;
    as = ls_scan_as(scan, &mem);
    rc = as ? ls_sqlite_scan(store, &unordered, &cursor, err) : ls_error_nomem(err);
    if (rc == LS_OK) {
        rc = digest_all((struct ls_sqlite_cursor *)cursor, as, seeds, ret, err);
        ls_sqlite_end(cursor);
    }
    ls_arena_done(&mem);
    return rc;
}

/* Only ranges of rowids can be read alone; for other keys a partition by hash is as good. */
enum ls_code ls_sqlite_bounds(struct ls_store *store, const struct ls_scan *scan, size_t wanted,
                              struct ls_arena *mem, size_t *ret_count, struct ls_value **ret,
                              struct ls_error *err)
{
    struct ls_sqlite *s = (struct ls_sqlite *)store;
    struct ls_sqlite_table t;
    enum ls_code rc = ls_sqlite_find(s, scan->schema->collection, mem, &t, err);

    if (rc != LS_OK)
        return rc;
    if (!ls_sqlite_key_is_rowid(scan, &t)) {
        *ret_count = 0;
        return LS_OK;
    }
    return ls_store_bounds_by_scan(store, scan, wanted, mem, ret_count, ret, err);
}
