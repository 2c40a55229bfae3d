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
 * Filters and partitions are decided here, record by record, as the model has them. Only what can not change the
 * answer goes into the SQL as well, to read less: equality on integers and texts, and the ranges of
 * rowids that the wanted segments cover.
 *
 * orders() has to promise the model's order, and SQLite's differs where a column holds values of several
 * classes or spellings. So the types that sort alike are a table with the condition each stored value must
 * meet, and the condition is checked on all records first. A value that appears between the check and the
 * scan, and breaks the order, ends the scan with LS_CHANGED.
 *
 * A digest is a scan whose values are hashed where SQLite has them: nothing is copied. */
#include "store/sqlite/sqlite.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define SLICE_ROWS 2000
#define BATCH_BYTES ((size_t)1 << 20)
#define NO_LIMIT (-1)

struct range {
    int64_t first, last; /* both belong to it */
};

struct cursor {
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
    struct ls_value *record; /* by schema index */

    const char *sql,
        *sql_next;      /* sql_next: behind the last key, for slices of a WITHOUT ROWID table */
    size_t param_count; /* of the filter, before those for rowids or keys */
    struct ls_value *params;
    bool by_rowid, sliced, began; /* began: this scan opened a transaction for its snapshot */
    size_t lead; /* columns selected before the fields: the rowid or the tree's key */
    struct range *ranges;
    size_t range_count, range_at;

    struct ls_sql_stmt *stmt;
    bool running, stmt_is_next, ended;
    int64_t limit, got; /* of the statement that runs */
    int64_t last_rowid;
    bool have_last;
    struct ls_value *last_key; /* lead values, in key_mem */
    struct ls_arena key_mem;
};

/* ---- order */

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

static const struct ls_field *key_field(const struct ls_scan *scan, size_t i)
{
    return &scan->schema->fields[scan->fields[scan->key[i]]];
}

static bool key_is_rowid(const struct ls_scan *scan, const struct ls_sqlite_table *t)
{
    return t->alias && scan->key_count == 1 && !strcmp(key_field(scan, 0)->name, t->alias) &&
           (!scan->as || scan->as[scan->key[0]].type == LS_T_INT);
}

static bool key_is_tree(const struct ls_scan *scan, const struct ls_sqlite_table *t)
{
    if (!t->pk_count || t->pk_count != scan->key_count)
        return false;
    for (size_t i = 0; i < t->pk_count; i++)
        if (strcmp(key_field(scan, i)->name, t->pk[i]) != 0 ||
            (key_field(scan, i)->flags & LS_FIELD_FOLDS))
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

static bool is_utf8(struct ls_sqlite *s)
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
        const struct ls_field *f = key_field(scan, i);
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
        yes = key_is_rowid(scan, &t) || ((key_is_tree(scan, &t) || ls_sqlite_snapshots(s)) &&
                                         is_utf8(s) && values_sort_alike(s, scan, &t));
    ls_arena_done(&mem);
    return yes;
}

/* ---- what is asked of SQLite */

static void add_name(struct ls_buf *sql, const char *separator, const char *prefix,
                     const char *name, const char *suffix)
{
    ls_buf_text(sql, separator);
    ls_buf_text(sql, prefix);
    ls_text_ident(sql, name);
    ls_buf_text(sql, suffix);
}

/* Whether SQLite's answer to the condition has every record in it that the model's has. */
static bool can_push(const struct ls_condition *c, const struct ls_field *f)
{
    enum ls_affinity affinity = ls_sqlite_affinity(f->native);

    if (c->op != LS_OP_EQ && c->op != LS_OP_IN)
        return false;
    if (!(f->type == LS_T_INT && affinity == LS_AFF_INTEGER) &&
        !(f->type == LS_T_TEXT && affinity == LS_AFF_TEXT))
        return false;
    for (size_t i = 0; i < c->value_count; i++)
        if (c->values[i].type != f->type)
            return false;
    return c->value_count > 0 && c->value_count <= 100;
}

/* Appends the pushed conditions and gathers their parameters. */
static bool push_filter(struct cursor *c, struct ls_buf *where)
{
    const struct ls_filter *filter = c->scan->filter;
    size_t most = 0;

    for (size_t i = 0; filter && i < filter->count; i++)
        most += filter->conditions[i].value_count;
    c->params = ls_arena_array(&c->mem, most + 3 + c->table.pk_count, sizeof(*c->params));
    for (size_t i = 0; c->params && filter && i < filter->count; i++) {
        const struct ls_condition *condition = &filter->conditions[i];
        const struct ls_field *f = &c->scan->schema->fields[condition->field];

        if (!can_push(condition, f))
            continue;
        add_name(where, where->size ? " AND " : "", "", f->name, " IN (");
        for (size_t v = 0; v < condition->value_count; v++) {
            ls_buf_text(where, v ? ", ?" : "?");
            c->params[c->param_count++] = condition->values[v];
        }
        ls_buf_char(where, ')');
    }
    return c->params && !where->failed;
}

/* The rowids of wanted segment i; false when it can hold none. */
static bool segment_range(const struct ls_partition *p, size_t i, struct range *ret)
{
    *ret = (struct range){INT64_MIN, INT64_MAX};
    if (i > 0)
        ret->first = p->bounds[i - 1].i;
    if (i + 1 < p->count) {
        if (p->bounds[i].i == INT64_MIN)
            return false;
        ret->last = p->bounds[i].i - 1;
    }
    return ret->first <= ret->last;
}

static bool bounds_are_rowids(const struct cursor *c)
{
    const struct ls_partition *p = c->scan->partition;

    if (!p || !p->by_range || !c->by_rowid || !c->table.alias || !c->scan->key_count ||
        strcmp(key_field(c->scan, 0)->name, c->table.alias) != 0)
        return false;
    for (size_t i = 0; i + 1 < p->count; i++)
        if (p->bounds[i].type != LS_T_INT)
            return false;
    return true;
}

/* Which rowids are read: neighbouring wanted segments are one range. */
static bool find_ranges(struct cursor *c)
{
    const struct ls_partition *p = c->scan->partition;
    size_t count = 0;

    c->ranges = ls_arena_array(&c->mem, p ? p->count : 1, sizeof(*c->ranges));
    if (!c->ranges)
        return false;
    if (!bounds_are_rowids(c)) {
        c->ranges[0] = (struct range){INT64_MIN, INT64_MAX};
        c->range_count = 1;
        return true;
    }
    for (size_t i = 0; i < p->count; i++) {
        struct range r;

        if (!ls_partition_wants(p, i) || !segment_range(p, i, &r))
            continue;
        if (count && c->ranges[count - 1].last == r.first - 1 && r.first != INT64_MIN)
            c->ranges[count - 1].last = r.last;
        else
            c->ranges[count++] = r;
    }
    c->range_count = count;
    return true;
}

static bool reads_everything(const struct cursor *c)
{
    return c->range_count == 1 && c->ranges[0].first == INT64_MIN && c->ranges[0].last == INT64_MAX;
}

/* The fields to select: those of the scan, then those that only the filter needs. */
static bool choose_columns(struct cursor *c)
{
    const struct ls_scan *scan = c->scan;
    const struct ls_filter *filter = scan->filter;

    c->columns =
        ls_arena_array(&c->mem, scan->field_count + (filter ? filter->count : 0), sizeof(size_t));
    c->record = ls_arena_array(&c->mem, scan->schema->field_count, sizeof(*c->record));
    if (!c->columns || !c->record)
        return false;
    for (size_t i = 0; i < scan->field_count; i++)
        c->columns[c->column_count++] = scan->fields[i];
    for (size_t i = 0; filter && i < filter->count; i++)
        c->columns[c->column_count++] = filter->conditions[i].field;
    c->codecs = ls_arena_array(&c->mem, c->column_count, sizeof(*c->codecs));
    for (size_t i = 0; c->codecs && i < c->column_count; i++)
        ls_sqlite_codec_init(&c->codecs[i], &scan->schema->fields[c->columns[i]]);
    return c->codecs;
}

static void select_list(const struct cursor *c, struct ls_buf *sql)
{
    bool first = true;

    ls_buf_text(sql, "SELECT ");
    if (c->by_rowid && c->lead) {
        ls_buf_text(sql, c->table.rowid);
        first = false;
    }
    for (size_t i = 0; !c->by_rowid && i < c->lead; i++, first = false)
        add_name(sql, first ? "" : ", ", "", c->table.pk[i], "");
    for (size_t i = 0; i < c->column_count; i++, first = false)
        add_name(sql, first ? "" : ", ", "", c->scan->schema->fields[c->columns[i]].name, "");
    ls_buf_printf(sql, " FROM %s", c->table.quoted);
}

static void order_by_key(const struct cursor *c, struct ls_buf *sql)
{
    const char *prefix = key_is_tree(c->scan, &c->table) ? "" : "+";

    for (size_t i = 0; i < c->scan->key_count; i++)
        add_name(sql, i ? ", " : " ORDER BY ", prefix, key_field(c->scan, i)->name,
                 " COLLATE BINARY");
}

/* (k1, k2) > (?, ?) and ORDER BY k1, k2, in the tree's own collations */
static void after_key(const struct cursor *c, struct ls_buf *sql)
{
    for (size_t i = 0; i < c->table.pk_count; i++)
        add_name(sql, i ? ", " : "(", "", c->table.pk[i], "");
    ls_buf_text(sql, ") > (");
    for (size_t i = 0; i < c->table.pk_count; i++)
        ls_buf_text(sql, i ? ", ?" : "?");
    ls_buf_char(sql, ')');
}

/* Puts select list, conditions and order together; `more` is a condition on the place to start. */
static const char *build(struct cursor *c, const char *filter, bool from_rowid, bool after)
{
    struct ls_buf sql;
    const char *ret, *word = " WHERE ";

    ls_buf_init(&sql, 0);
    select_list(c, &sql);
    if (*filter) {
        ls_buf_printf(&sql, "%s%s", word, filter);
        word = " AND ";
    }
    if (from_rowid) {
        ls_buf_printf(&sql, "%s%s BETWEEN ? AND ? ORDER BY %s LIMIT ?", word, c->table.rowid,
                      c->table.rowid);
    } else if (c->sliced && !c->by_rowid) {
        if (after) {
            ls_buf_text(&sql, word);
            after_key(c, &sql);
        }
        for (size_t i = 0; i < c->table.pk_count; i++)
            add_name(&sql, i ? ", " : " ORDER BY ", "", c->table.pk[i], "");
        ls_buf_text(&sql, " LIMIT ?");
    } else if (c->scan->ordered) {
        order_by_key(c, &sql);
    }
    ret = sql.failed ? NULL : ls_arena_text(&c->mem, ls_buf_str(&sql));
    ls_buf_done(&sql);
    return ret;
}

/* Chooses how to read, and writes the statements. */
static enum ls_code plan(struct cursor *c, struct ls_error *err)
{
    bool snapshots = ls_sqlite_snapshots(c->s), from_rowid;
    struct ls_buf filter;
    enum ls_code rc = LS_OK;

    ls_buf_init(&filter, 0);
    c->by_rowid = c->table.rowid && (!c->scan->ordered || key_is_rowid(c->scan, &c->table));
    c->sliced = !snapshots &&
                (c->by_rowid ||
                 (c->table.pk_count && (!c->scan->ordered || key_is_tree(c->scan, &c->table))));
    if (!choose_columns(c) || !find_ranges(c) || !push_filter(c, &filter)) {
        rc = ls_error_nomem(err);
        goto done;
    }
    if (c->sliced)
        c->lead = c->by_rowid ? 1 : c->table.pk_count;
    c->last_key = ls_arena_array(&c->mem, c->lead, sizeof(*c->last_key));
    from_rowid = c->by_rowid && (c->sliced || c->scan->ordered || !reads_everything(c));
    if (!from_rowid)
        c->range_count = c->range_count ? 1 : 0;
    c->by_rowid = from_rowid;
    c->sql = build(c, filter.size ? ls_buf_str(&filter) : "", from_rowid, false);
    c->sql_next = c->sliced && !from_rowid
                      ? build(c, filter.size ? ls_buf_str(&filter) : "", false, true)
                      : c->sql;
    if (!c->last_key || !c->sql || !c->sql_next)
        rc = ls_error_nomem(err);
done:
    ls_buf_done(&filter);
    return rc;
}

/* ---- reading */

static void stop(struct cursor *c)
{
    ls_sql_finish(c->stmt);
    c->stmt = NULL;
    c->running = false;
}

void ls_sqlite_end(struct ls_cursor *base)
{
    struct cursor *c = (struct cursor *)base;

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
    struct cursor *c = calloc(1, sizeof(*c));
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
        rc = plan(c, err);
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
static enum ls_code start(struct cursor *c, int64_t limit, struct ls_error *err)
{
    const struct range *range = &c->ranges[c->range_at];
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
    c->limit = c->sliced ? limit : NO_LIMIT;
    if (c->by_rowid || c->sliced)
        c->params[n++] = ls_value_int(c->limit);
    c->got = 0;
    c->running = true;
    return ls_sql_run(c->stmt, c->params, n, true, err);
}

/* What there is behind the statement that ended; false: nothing. */
static bool more(struct cursor *c)
{
    bool full = c->limit != NO_LIMIT && c->got == c->limit;

    if (full && c->by_rowid && c->last_rowid == c->ranges[c->range_at].last)
        full = false;
    if (full)
        return true;
    c->have_last = false;
    c->range_at++;
    return c->range_at < c->range_count;
}

static enum ls_code keep_place(struct cursor *c, struct ls_error *err)
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
static enum ls_code decode(struct cursor *c, struct ls_error *err)
{
    const struct ls_scan *scan = c->scan;

    for (size_t i = 0; i < c->column_count; i++) {
        const struct ls_value stored = ls_sql_value(c->stmt, (int)(i + c->lead));

        c->record[c->columns[i]] = ls_sqlite_decode(&c->codecs[i], &stored);
    }
    for (size_t i = 0; scan->ordered && i < scan->key_count; i++)
        if (c->record[scan->fields[scan->key[i]]].type != key_field(scan, i)->type)
            return ls_error_set(
                err, LS_CHANGED,
                "a key of another type came up while reading in order (collection=%s, field=%s). "
                "Run again",
                scan->schema->collection, key_field(scan, i)->name);
    return LS_OK;
}

/* The next record that the scan takes, in c->record; borrowed until the next call. */
static enum ls_code advance(struct cursor *c, int64_t limit, bool *ret_row, size_t *ret_segment,
                            struct ls_error *err)
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
static enum ls_code pause(struct cursor *c, struct ls_error *err)
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
    struct cursor *c = (struct cursor *)base;
    const struct ls_scan *scan = c->scan;
    size_t most = scan->batch_rows ? scan->batch_rows : 1000, bytes = 0, width = scan->field_count;
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
        for (size_t i = 0; i < width && rc == LS_OK; i++) {
            const struct ls_value *v = &c->record[scan->fields[i]];

            bytes += ls_type_has_data(v->type) ? v->size : 0;
            if (!ls_value_copy(mem, v, &to[i]))
                rc = ls_error_nomem(err);
        }
        if (rc != LS_OK)
            break;
        rows.count++;
    }
    if (rc == LS_OK)
        rc = pause(c, err);
    if (rc == LS_OK)
        *ret = rows;
    return rc;
}

/* ---- digests */

static enum ls_code digest_all(struct cursor *c, const struct ls_as *as, const uint64_t seeds[2],
                               struct ls_segment *ret, struct ls_error *err)
{
    const struct ls_scan *scan = c->scan;
    struct ls_buf canon;
    size_t segment = 0;
    enum ls_code rc;
    bool row = true;

    ls_buf_init(&canon, 0);
    while ((rc = advance(c, SLICE_ROWS, &row, &segment, err)) == LS_OK && row) {
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
        rc = digest_all((struct cursor *)cursor, as, seeds, ret, err);
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
    if (!key_is_rowid(scan, &t)) {
        *ret_count = 0;
        return LS_OK;
    }
    return ls_store_bounds_by_scan(store, scan, wanted, mem, ret_count, ret, err);
}
