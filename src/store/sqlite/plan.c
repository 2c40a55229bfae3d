/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c - how a scan is read: which statement, which rowids, in slices or at once.
 *
 * Filters and partitions are decided in process, record by record, as the model has them. Only what can not
 * change the answer goes into the SQL as well, to read less: equality where seek.c says so, and the ranges of
 * rowids that the wanted segments cover. The reasons for slices and orders stand in scan.c. */
#include <string.h>

#include "base/text.h"
#include "store/sqlite/cursor.h"

static void add_name(struct ls_buf *sql, const char *separator, const char *prefix,
                     const char *name, const char *suffix)
{
    ls_buf_text(sql, separator);
    ls_buf_text(sql, prefix);
    ls_text_ident(sql, name);
    ls_buf_text(sql, suffix);
}

/* Adds `field IN (...)` and its parameters, where SQLite can tell. */
static void push_one(struct ls_sqlite_cursor *c, const struct ls_sought *sought,
                     struct ls_buf *where)
{
    const struct ls_schema *schema = c->scan->schema;
    struct ls_value *values = NULL;
    size_t count = 0;

    if (!ls_sqlite_seek(c->s, &c->table, schema, sought, &c->mem, &count, &values))
        return;
    add_name(where, where->size ? " AND " : "", "", schema->fields[sought->condition.field].name,
             " IN (");
    for (size_t i = 0; i < count; i++) {
        ls_buf_text(where, i ? ", ?" : "?");
        c->params[c->param_count++] = values[i];
    }
    ls_buf_char(where, ')');
}

/* Appends the conditions of the filter and of what is sought that SQLite can look up, and gathers their parameters. */
static bool push_filter(struct ls_sqlite_cursor *c, struct ls_buf *where)
{
    const struct ls_scan *scan = c->scan;
    const struct ls_filter *filter = scan->filter;
    size_t most = 0;

    for (size_t i = 0; filter && i < filter->count; i++)
        most += filter->conditions[i].value_count;
    for (size_t i = 0; i < scan->sought_count; i++)
        most += scan->sought[i].condition.value_count;
    c->params = ls_arena_array(&c->mem, LS_SQLITE_SEEK_VALUES * most + 3 + c->table.pk_count,
                               sizeof(*c->params));
    for (size_t i = 0; c->params && filter && i < filter->count; i++) {
        const struct ls_sought sought = {.condition = filter->conditions[i]};

        push_one(c, &sought, where);
    }
    for (size_t i = 0; c->params && i < scan->sought_count; i++)
        push_one(c, &scan->sought[i], where);
    return c->params && !where->failed;
}

/* The rowids of wanted segment i; false when it can hold none. */
static bool segment_range(const struct ls_partition *p, size_t i, struct ls_sqlite_range *ret)
{
    *ret = (struct ls_sqlite_range){INT64_MIN, INT64_MAX};
    if (i > 0)
        ret->first = p->bounds[i - 1].i;
    if (i + 1 < p->count) {
        if (p->bounds[i].i == INT64_MIN)
            return false;
        ret->last = p->bounds[i].i - 1;
    }
    return ret->first <= ret->last;
}

static bool bounds_are_rowids(const struct ls_sqlite_cursor *c)
{
    const struct ls_partition *p = c->scan->partition;

    if (!p || !p->by_range || !c->by_rowid || !c->table.alias || !c->scan->key_count ||
        strcmp(ls_sqlite_key_field(c->scan, 0)->name, c->table.alias) != 0)
        return false;
    for (size_t i = 0; i + 1 < p->count; i++)
        if (p->bounds[i].type != LS_T_INT)
            return false;
    return true;
}

/* Which rowids are read: neighbouring wanted segments are one range. */
static bool find_ranges(struct ls_sqlite_cursor *c)
{
    const struct ls_partition *p = c->scan->partition;
    size_t count = 0;

    c->ranges = ls_arena_array(&c->mem, p ? p->count : 1, sizeof(*c->ranges));
    if (!c->ranges)
        return false;
    if (!bounds_are_rowids(c)) {
        c->ranges[0] = (struct ls_sqlite_range){INT64_MIN, INT64_MAX};
        c->range_count = 1;
        return true;
    }
    for (size_t i = 0; i < p->count; i++) {
        struct ls_sqlite_range r;

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

static bool reads_everything(const struct ls_sqlite_cursor *c)
{
    return c->range_count == 1 && c->ranges[0].first == INT64_MIN && c->ranges[0].last == INT64_MAX;
}

/* The fields to select: those of the scan, then those that only the filter needs. */
static bool choose_columns(struct ls_sqlite_cursor *c)
{
    const struct ls_scan *scan = c->scan;
    const struct ls_filter *filter = scan->filter;
    const size_t most = scan->field_count + (filter ? filter->count : 0);

    c->columns = ls_arena_array(&c->mem, most, sizeof(*c->columns));
    c->stored = ls_arena_array(&c->mem, most, sizeof(*c->stored));
    c->record = ls_arena_array(&c->mem, scan->schema->field_count, sizeof(*c->record));
    if (!c->columns || !c->record || !c->stored)
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

static void select_list(const struct ls_sqlite_cursor *c, struct ls_buf *sql)
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

static void order_by_key(const struct ls_sqlite_cursor *c, struct ls_buf *sql)
{
    const char *prefix = ls_sqlite_key_is_tree(c->scan, &c->table) ? "" : "+";

    for (size_t i = 0; i < c->scan->key_count; i++)
        add_name(sql, i ? ", " : " ORDER BY ", prefix, ls_sqlite_key_field(c->scan, i)->name,
                 " COLLATE BINARY");
}

/* (k1, k2) > (?, ?) and ORDER BY k1, k2, in the tree's own collations */
static void after_key(const struct ls_sqlite_cursor *c, struct ls_buf *sql)
{
    for (size_t i = 0; i < c->table.pk_count; i++)
        add_name(sql, i ? ", " : "(", "", c->table.pk[i], "");
    ls_buf_text(sql, ") > (");
    for (size_t i = 0; i < c->table.pk_count; i++)
        ls_buf_text(sql, i ? ", ?" : "?");
    ls_buf_char(sql, ')');
}

/* Puts select list, conditions and order together; `more` is a condition on the place to start. */
static const char *build(struct ls_sqlite_cursor *c, const char *filter, bool from_rowid,
                         bool after)
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
enum ls_code ls_sqlite_plan(struct ls_sqlite_cursor *c, struct ls_error *err)
{
    bool snapshots = ls_sqlite_snapshots(c->s), from_rowid;
    struct ls_buf filter;
    enum ls_code rc = LS_OK;

    ls_buf_init(&filter, 0);
    c->by_rowid =
        c->table.rowid && (!c->scan->ordered || ls_sqlite_key_is_rowid(c->scan, &c->table));
    c->sliced = !snapshots &&
                (c->by_rowid || (c->table.pk_count &&
                                 (!c->scan->ordered || ls_sqlite_key_is_tree(c->scan, &c->table))));
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
