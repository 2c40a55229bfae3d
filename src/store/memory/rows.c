/* SPDX-License-Identifier: Apache-2.0 */
/* rows.c - rows, versions of a collection, and the orders they are sorted in.
 *
 * A row is one piece of memory: its values, then their data. Neither rows nor versions change once
 * others may see them; both are freed with their last reference, by whichever thread drops it. */
#include <stdlib.h>
#include <string.h>

#include "store/memory/memory.h"

size_t ls_mem_value_bytes(const struct ls_value *v)
{
    return ls_type_has_data(v->type) ? v->size : 0;
}

struct ls_mem_row *ls_mem_row_new(const struct ls_value *values, size_t width)
{
    size_t bytes = 0;
    struct ls_mem_row *row;
    char *data;

    for (size_t i = 0; i < width; i++)
        bytes += ls_mem_value_bytes(&values[i]);
    row = malloc(sizeof(*row) + width * sizeof(*values) + bytes);
    if (!row)
        return NULL;
    atomic_init(&row->refs, 1);
    data = (char *)(row->values + width);
    for (size_t i = 0; i < width; i++) {
        row->values[i] = values[i];
        if (!ls_type_has_data(values[i].type))
            continue;
        if (values[i].size)
            memcpy(data, values[i].data, values[i].size);
        row->values[i].data = data;
        data += values[i].size;
    }
    return row;
}

void ls_mem_row_free(struct ls_mem_row *row)
{
    if (row && atomic_fetch_sub(&row->refs, 1) == 1)
        free(row);
}

/* Room for count rows; count is set to 0. */
struct ls_mem_version *ls_mem_version_new(size_t capacity)
{
    struct ls_mem_version *v = calloc(1, sizeof(*v));

    if (!v)
        return NULL;
    atomic_init(&v->refs, 1);
    v->rows = calloc(capacity ? capacity : 1, sizeof(struct ls_mem_row *));
    if (v->rows)
        return v;
    free(v);
    return NULL;
}

struct ls_mem_version *ls_mem_version_hold(struct ls_mem_version *v)
{
    atomic_fetch_add(&v->refs, 1);
    return v;
}

void ls_mem_version_free(struct ls_mem_version *v)
{
    if (!v || atomic_fetch_sub(&v->refs, 1) != 1)
        return;
    for (size_t i = 0; i < v->count; i++)
        ls_mem_row_free(v->rows[i]);
    free(v->rows);
    free(v);
}

int ls_mem_compare_rows(const struct ls_mem_row *a, const struct ls_mem_row *b,
                        const struct ls_mem_order *o)
{
    for (size_t i = 0; i < o->count; i++) {
        int c = ls_value_order(&a->values[o->fields[i]], &b->values[o->fields[i]], &o->as[i]);

        if (c)
            return c;
    }
    return 0;
}

int ls_mem_compare_pointers(const void *a, const void *b, void *order)
{
    return ls_mem_compare_rows(*(struct ls_mem_row *const *)a, *(struct ls_mem_row *const *)b,
                               order);
}

static int compare_key(const struct ls_mem_row *row, const struct ls_value *key,
                       const struct ls_mem_order *o)
{
    for (size_t i = 0; i < o->count; i++) {
        int c = ls_value_order(&row->values[o->fields[i]], &key[i], &o->as[i]);

        if (c)
            return c;
    }
    return 0;
}

static bool same_as(const struct ls_as *a, const struct ls_as *b)
{
    return a->type == b->type && a->fraction == b->fraction && a->bits == b->bits &&
           a->fold_zone == b->fold_zone;
}

bool ls_mem_same_order(const struct ls_mem_order *o, const struct ls_mem_table *table)
{
    const struct ls_key *primary = &table->schema->keys[0];

    if (o->count != primary->field_count)
        return false;
    for (size_t i = 0; i < o->count; i++)
        if (o->fields[i] != primary->fields[i] || !same_as(&o->as[i], &table->as[o->fields[i]]))
            return false;
    return true;
}

/* The rows of a version in this order: its own array, or a sorted copy in mem. */
struct ls_mem_row **ls_mem_sorted_rows(const struct ls_mem_table *table, struct ls_mem_version *v,
                                       struct ls_mem_order *o, struct ls_arena *mem)
{
    struct ls_mem_row **rows;

    if (ls_mem_same_order(o, table))
        return v->rows;
    rows = ls_arena_array(mem, v->count, sizeof(*rows));
    if (!rows)
        return NULL;
    if (v->count)
        memcpy(rows, v->rows, v->count * sizeof(struct ls_mem_row *));
    qsort_r(rows, v->count, sizeof(*rows), ls_mem_compare_pointers, o);
    return rows;
}

/* The order of a scan's key, in mem. */
bool ls_mem_key_order(const struct ls_scan *scan, struct ls_arena *mem, struct ls_mem_order *ret)
{
    size_t *fields = ls_arena_array(mem, scan->key_count, sizeof(*fields));

    for (size_t i = 0; fields && i < scan->key_count; i++)
        fields[i] = scan->fields[scan->key[i]];
    *ret = (struct ls_mem_order){scan->key_count, fields, ls_scan_key_as(scan, mem)};
    return fields && ret->as;
}

struct ls_mem_row **ls_mem_find_row(struct ls_mem_row **rows, size_t count,
                                    const struct ls_value *key, const struct ls_mem_order *o)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare_key(rows[middle], key, o);

        if (!c)
            return &rows[middle];
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
