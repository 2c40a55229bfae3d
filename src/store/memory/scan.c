/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c - reading a version: scans and fetches. Whoever reads holds the version, so it stays as it is. */
#include <stdlib.h>
#include <string.h>

#include "store/memory/memory.h"

#define BATCH_BYTES ((size_t)1 << 20)

struct cursor {
    struct ls_cursor base;
    const struct ls_scan *scan;
    struct ls_arena mem;
    struct ls_mem_version *version;
    struct ls_mem_row **rows; /* the version's, or sorted ones in mem */
    struct ls_sieve sieve;
    size_t at;
};

void ls_mem_end(struct ls_cursor *base)
{
    struct cursor *c = (struct cursor *)base;

    ls_sieve_done(&c->sieve);
    ls_mem_version_free(c->version);
    ls_arena_done(&c->mem);
    free(c);
}

enum ls_code ls_mem_scan(struct ls_store *store, const struct ls_scan *scan, struct ls_cursor **ret,
                         struct ls_error *err)
{
    struct ls_mem_table *table;
    struct cursor *c;
    struct ls_mem_order order;
    enum ls_code rc = ls_mem_need_table(store, scan->schema->collection, &table, err);

    if (rc != LS_OK)
        return rc;
    c = calloc(1, sizeof(*c));
    if (!c)
        return ls_error_nomem(err);
    ls_arena_init(&c->mem, 0);
    c->scan = scan;
    c->version = ls_mem_see(ls_mem_of(store), table);
    c->rows = c->version->rows;
    if (scan->ordered)
        c->rows = ls_mem_key_order(scan, &c->mem, &order)
                      ? ls_mem_sorted_rows(table, c->version, &order, &c->mem)
                      : NULL;
    if (!c->rows || !ls_sieve_init(&c->sieve, scan, &c->mem)) {
        ls_mem_end(&c->base);
        return ls_error_nomem(err);
    }
    *ret = &c->base;
    return LS_OK;
}

bool ls_mem_seeks(struct ls_store *store, const struct ls_schema *schema,
                  const struct ls_sought *sought)
{
    (void)store;
    (void)schema;
    return !sought->converts; /* a table of this kind has no values of other types */
}

static bool is_sought(const struct ls_scan *scan, const struct ls_value *values)
{
    for (size_t i = 0; i < scan->sought_count; i++) {
        const struct ls_filter one = {1, &scan->sought[i].condition};

        if (!scan->sought[i].converts && !ls_filter_match(&one, scan->schema, values))
            return false;
    }
    return true;
}

/* Copies the asked fields of a row; *bytes grows by what its data took. false: out of memory. */
static bool copy_row(const struct ls_scan *scan, const struct ls_mem_row *row, struct ls_arena *mem,
                     struct ls_value *to, size_t *bytes)
{
    for (size_t i = 0; i < scan->field_count; i++) {
        const struct ls_value *v = &row->values[scan->fields[i]];

        if (!ls_value_copy(mem, v, &to[i]))
            return false;
        *bytes += ls_mem_value_bytes(v);
    }
    return true;
}

enum ls_code ls_mem_next(struct ls_cursor *base, struct ls_arena *mem, struct ls_rows *ret,
                         struct ls_error *err)
{
    struct cursor *c = (struct cursor *)base;
    const struct ls_scan *scan = c->scan;
    size_t most = scan->batch_rows ? scan->batch_rows : 1000, bytes = 0;
    struct ls_rows rows = {.width = scan->field_count};

    if (most > c->version->count - c->at)
        most = c->version->count - c->at;
    rows.values = ls_arena_array(mem, most * rows.width, sizeof(*rows.values));
    if (!rows.values)
        return ls_error_nomem(err);
    while (rows.count < most && c->at < c->version->count && bytes < BATCH_BYTES) {
        const struct ls_mem_row *row = c->rows[c->at++];

        if (!is_sought(scan, row->values) || !ls_sieve_takes(&c->sieve, row->values, NULL))
            continue;
        if (!copy_row(scan, row, mem, ls_row(&rows, rows.count), &bytes))
            return ls_error_nomem(err);
        rows.count++;
    }
    *ret = rows;
    return LS_OK;
}

enum ls_code ls_mem_fetch(struct ls_store *store, const struct ls_scan *what, size_t key_count,
                          const struct ls_value *keys, bool for_update, struct ls_arena *mem,
                          struct ls_rows *ret, struct ls_error *err)
{
    struct ls_mem_table *table;
    struct ls_mem_version *v;
    struct ls_mem_row **rows;
    struct ls_mem_order order;
    struct ls_rows out = {.width = what->field_count};
    size_t bytes = 0;
    enum ls_code rc = ls_mem_need_table(store, what->schema->collection, &table, err);

    (void)for_update; /* the transaction has the database for itself */
    if (rc != LS_OK)
        return rc;
    v = ls_mem_see(ls_mem_of(store), table);
    rows = ls_mem_key_order(what, mem, &order) ? ls_mem_sorted_rows(table, v, &order, mem) : NULL;
    out.values = ls_arena_array(mem, key_count * out.width, sizeof(*out.values));
    if (!rows || !out.values)
        rc = ls_error_nomem(err);
    for (size_t i = 0; i < key_count && rc == LS_OK; i++) {
        struct ls_mem_row **at =
            ls_mem_find_row(rows, v->count, keys + i * what->key_count, &order);

        if (at && !copy_row(what, *at, mem, ls_row(&out, out.count++), &bytes))
            rc = ls_error_nomem(err);
    }
    ls_mem_version_free(v);
    if (rc == LS_OK)
        *ret = out;
    return rc;
}
