/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.c - one side's records by key, as the layout has them.
 *
 * Fetching knows no filter, so what the store would have left out of a scan is left out here: the fields
 * of its filter are fetched as well, and the mapper does the rest. So a record that has left the sync's filter is
 * gone for whoever looks again, as it should be.
 *
 * Keys come as the target has them. They are turned into the source's types, which is exact for every
 * job of which ls_compare_can_fetch() is true; for others nobody calls this. */
#include "engine/lookup.h"

#include <stdlib.h>

#include "model/convert.h"

struct ls_lookup {
    const struct ls_job *job;
    enum ls_side_name name;
    const struct ls_side *side;
    uint64_t seeds[2];
    struct ls_arena mem;
    struct ls_scan scan;     /* the side's fields, and those of its pushed filter */
    struct ls_value *spread; /* by schema index */
    struct ls_mapper *mapper;
    struct ls_buf canon;
};

/* The side's scan with the fields of its filter behind the others. */
static enum ls_code widen(struct ls_lookup *l, struct ls_error *err)
{
    const struct ls_side *side = l->side;
    const size_t room = side->field_count + side->pushed.count;
    size_t *fields = ls_arena_array(&l->mem, room, sizeof *fields);
    struct ls_as *as = ls_arena_array(&l->mem, room, sizeof *as);
    enum ls_code rc = ls_side_scan(l->job, l->name, &l->mem, &l->scan, err);

    if (rc != LS_OK)
        return rc;
    if (!fields || !as)
        return ls_error_nomem(err);
    for (size_t i = 0; i < side->field_count; i++) {
        fields[i] = l->scan.fields[i];
        as[i] = l->scan.as[i];
    }
    for (size_t i = 0; i < side->pushed.count; i++) {
        const size_t field = side->pushed.conditions[i].field;
        bool there = false;

        for (size_t j = 0; j < l->scan.field_count && !there; j++)
            there = fields[j] == field;
        if (there)
            continue;
        as[l->scan.field_count] =
            ls_as_of(&side->schema->fields[field], &side->schema->fields[field]);
        fields[l->scan.field_count++] = field;
    }
    l->scan.fields = fields;
    l->scan.as = as;
    l->scan.ordered = false;
    l->scan.filter = NULL;
    return LS_OK;
}

enum ls_code ls_lookup_open(const struct ls_job *job, enum ls_side_name side,
                            const uint64_t seeds[2], struct ls_lookup **ret, struct ls_error *err)
{
    struct ls_lookup *l = calloc(1, sizeof *l);
    enum ls_code rc;

    if (!l)
        return ls_error_nomem(err);
    l->job = job;
    l->name = side;
    l->side = ls_job_side(job, side);
    l->seeds[0] = seeds[0];
    l->seeds[1] = seeds[1];
    ls_arena_init(&l->mem, 0);
    ls_buf_init(&l->canon, 0);
    rc = widen(l, err);
    l->spread = ls_arena_array(&l->mem, l->side->schema->field_count, sizeof *l->spread);
    if (rc == LS_OK && !l->spread)
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_mapper_open(job, side, &l->mapper, err);
    if (rc != LS_OK)
        ls_lookup_close(l);
    else
        *ret = l;
    return rc;
}

void ls_lookup_close(struct ls_lookup *lookup)
{
    if (!lookup)
        return;
    ls_mapper_close(lookup->mapper);
    ls_buf_done(&lookup->canon);
    ls_arena_done(&lookup->mem);
    free(lookup);
}

/* The keys in the side's own types. */
static enum ls_code own_keys(struct ls_lookup *l, size_t count, const struct ls_value *keys,
                             struct ls_arena *mem, const struct ls_value **ret,
                             struct ls_error *err)
{
    const struct ls_layout *layout = &l->job->layout;
    struct ls_value *own;
    enum ls_code rc = LS_OK;

    *ret = keys;
    if (l->name == LS_SIDE_TARGET)
        return LS_OK;
    own = ls_arena_array(mem, count * layout->key_count, sizeof *own);
    if (!own)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count * layout->key_count && rc == LS_OK; i++) {
        const size_t at = layout->key[i % layout->key_count];
        const struct ls_field *field = &l->side->schema->fields[l->job->mapping->fields[at].source];

        own[i] = keys[i];
        if (keys[i].type != field->type && l->job->mapping->fields[at].converts)
            rc = ls_value_convert(&keys[i], field, NULL, mem, &own[i], err);
        if (rc ==
            LS_TYPE) { /* then the source has no such key: asked for as it is, it finds nothing */
            own[i] = keys[i];
            rc = LS_OK;
        }
    }
    *ret = own;
    return rc;
}

/* Drops what the pushed filter leaves out, and the fields that were fetched for it alone. */
static void sift(struct ls_lookup *l, struct ls_rows *rows)
{
    const struct ls_side *side = l->side;
    size_t kept = 0;

    for (size_t r = 0; r < rows->count; r++) {
        const struct ls_value *row = ls_row(rows, r);

        for (size_t i = 0; i < l->scan.field_count; i++)
            l->spread[l->scan.fields[i]] = row[i];
        if (side->pushed.count && !ls_filter_match(&side->pushed, side->schema, l->spread))
            continue;
        for (size_t i = 0; i < side->field_count; i++)
            rows->values[kept * side->field_count + i] = row[i];
        kept++;
    }
    rows->count = kept;
    rows->width = side->field_count;
}

static int record_order(const void *a, const void *b, void *ctx)
{
    const struct ls_layout *layout = ctx;
    const struct ls_value *x = ((const struct ls_reader_record *)a)->values;
    const struct ls_value *y = ((const struct ls_reader_record *)b)->values;
    int order = 0;

    for (size_t i = 0; i < layout->key_count && order == 0; i++)
        order = ls_value_order(&x[layout->key[i]], &y[layout->key[i]], &layout->key_as[i]);
    return order;
}

static enum ls_code check(const struct ls_lookup *l, const struct ls_reader_record *records,
                          size_t count, struct ls_arena *mem, struct ls_error *err)
{
    const struct ls_layout *layout = &l->job->layout;
    struct ls_value *two = ls_arena_array(mem, 2 * layout->key_count, sizeof *two);
    const struct ls_value *before = NULL;
    enum ls_code rc = LS_OK;

    if (!two)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        struct ls_value *key = two + (i % 2) * layout->key_count;

        ls_layout_key(layout, records[i].values, key);
        rc = ls_job_check_key(l->job, l->name, before, key, err);
        before = key;
    }
    return rc;
}

static enum ls_code make_records(struct ls_lookup *l, const struct ls_rows *rows,
                                 struct ls_arena *mem, struct ls_reader_record **ret,
                                 struct ls_error *err)
{
    struct ls_layout layout = l->job->layout;
    struct ls_reader_record *records = ls_arena_array(mem, rows->count, sizeof *records);

    if (!records)
        return ls_error_nomem(err);
    for (size_t i = 0; i < rows->count; i++) {
        ls_buf_reset(&l->canon);
        ls_values_canon(&l->canon, ls_row(rows, i), layout.as, layout.field_count);
        if (l->canon.failed)
            return ls_error_nomem(err);
        records[i].values = ls_row(rows, i);
        records[i].hash = ls_record_hash(l->canon.data, l->canon.size, l->seeds);
    }
    if (rows->count > 1)
        qsort_r(records, rows->count, sizeof *records, record_order, &layout);
    *ret = records;
    return check(l, records, rows->count, mem, err);
}

enum ls_code ls_lookup_keys(struct ls_lookup *lookup, size_t key_count, const struct ls_value *keys,
                            struct ls_arena *mem, struct ls_reader_record **ret, size_t *ret_count,
                            struct ls_error *err)
{
    struct ls_lookup *l = lookup;
    const struct ls_value *own = NULL;
    struct ls_rows raw = {0}, rows = {0};
    enum ls_code rc = own_keys(l, key_count, keys, mem, &own, err);

    if (rc == LS_OK)
        rc = ls_store_fetch(l->side->store, &l->scan, key_count, own, false, mem, &raw, err);
    if (rc == LS_OK) {
        sift(l, &raw);
        rc = ls_mapper_rows(l->mapper, &raw, mem, &rows, err);
    }
    if (rc == LS_OK)
        rc = make_records(l, &rows, mem, ret, err);
    if (rc != LS_OK)
        return ls_error_wrap(err, "%s", ls_side_word(l->name));
    *ret_count = rows.count;
    return LS_OK;
}

const struct ls_reader_record *ls_lookup_find(const struct ls_layout *layout,
                                              const struct ls_reader_record *records, size_t count,
                                              const struct ls_value *key)
{
    size_t low = 0, high = count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        int order = 0;

        for (size_t i = 0; i < layout->key_count && order == 0; i++)
            order = ls_value_order(&key[i], &records[middle].values[layout->key[i]],
                                   &layout->key_as[i]);
        if (order == 0)
            return &records[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
