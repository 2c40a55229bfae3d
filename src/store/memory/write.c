/* SPDX-License-Identifier: Apache-2.0 */
/* write.c - a write: the next version of a collection, made beside the present one.
 *
 * Deletes, updates and inserts are noted for each row first, then the survivors and the new rows
 * are merged, and the keys are checked on the result as a whole. So values may change places in
 * any way, and a refused write leaves nothing behind. */
#include <stdlib.h>
#include <string.h>

#include "store/memory/memory.h"

/* A write in the making: the rows as they were, in the order of the write's key, and what becomes of each. */
struct work {
    const struct ls_write *write;
    struct ls_mem_table *table;
    struct ls_mem_order key, primary;
    struct ls_value *values; /* a record by schema index */
    size_t old_count, new_count;
    struct ls_mem_row **old;   /* sorted by key */
    struct ls_mem_row **after; /* what each of old becomes: itself, another row (owned), or NULL */
    struct ls_mem_row **added; /* owned */
    struct ls_arena mem;
};

static enum ls_code refuse(const struct work *w, enum ls_code code, const char *why,
                           const struct ls_field *field, struct ls_error *err)
{
    return ls_error_set(err, code, "a record is refused: %s (collection=%s%s%s)", why,
                        w->table->schema->collection, field ? ", field=" : "",
                        field ? field->name : "");
}

static enum ls_code check_values(const struct work *w, struct ls_error *err)
{
    for (size_t i = 0; i < w->table->schema->field_count; i++) {
        const struct ls_field *field = &w->table->schema->fields[i];
        const struct ls_value *v = &w->values[i];

        if (v->type == LS_T_NULL && (field->flags & LS_FIELD_NOT_NULL))
            return refuse(w, LS_CONSTRAINT, "the field must not be NULL", field, err);
        if (v->type != LS_T_NULL && v->type != field->type && !(field->flags & LS_FIELD_DYNAMIC))
            return refuse(w, LS_TYPE, "the value is of another type", field, err);
    }
    return LS_OK;
}

/* The row that `op` makes of `before` (NULL: of nothing). */
static enum ls_code make_row(struct work *w, const struct ls_write_op *op,
                             const struct ls_mem_row *before, struct ls_mem_row **ret,
                             struct ls_error *err)
{
    size_t width = w->table->schema->field_count;
    enum ls_code rc;

    for (size_t i = 0; i < width; i++)
        w->values[i] = before ? before->values[i] : ls_value_null();
    for (size_t i = 0; i < w->write->field_count; i++)
        w->values[w->write->fields[i]] = op->record[i];
    for (size_t i = 0; before && i < w->key.count; i++)
        w->values[w->key.fields[i]] = before->values[w->key.fields[i]];
    rc = check_values(w, err);
    if (rc != LS_OK)
        return rc;
    *ret = ls_mem_row_new(w->values, width);
    return *ret ? LS_OK : ls_error_nomem(err);
}

static enum ls_code change_one(struct work *w, const struct ls_write_op *op, struct ls_error *err)
{
    struct ls_mem_row **at = ls_mem_find_row(w->old, w->old_count, op->key, &w->key), **after;
    struct ls_mem_row *made = NULL;
    enum ls_code rc;

    after = at ? &w->after[at - w->old] : NULL;
    if (op->kind == LS_INSERT) {
        if (after && *after)
            return refuse(w, LS_CONFLICT, "one with its key is there already", NULL, err);
        rc = make_row(w, op, NULL, &made, err);
        if (rc == LS_OK)
            w->added[w->new_count++] = made;
        return rc;
    }
    if (!after || !*after)
        return refuse(w, LS_CONFLICT, "it is not there any more", NULL, err);
    if (op->kind == LS_UPDATE) {
        rc = make_row(w, op, *after, &made, err);
        if (rc != LS_OK)
            return rc;
    }
    if (*after != *at)
        ls_mem_row_free(*after);
    *after = made;
    return LS_OK;
}

static bool has_null(const struct ls_mem_row *row, const struct ls_mem_order *o)
{
    for (size_t i = 0; i < o->count; i++)
        if (row->values[o->fields[i]].type == LS_T_NULL)
            return true;
    return false;
}

static bool has_twins(struct ls_mem_row **rows, size_t count, const struct ls_mem_order *o)
{
    for (size_t i = 1; i < count; i++)
        if (!ls_mem_compare_rows(rows[i - 1], rows[i], o) && !has_null(rows[i], o))
            return true;
    return false;
}

static bool order_of(const struct ls_mem_table *table, size_t count, const size_t *fields,
                     struct ls_arena *mem, struct ls_mem_order *ret)
{
    struct ls_as *as = ls_arena_array(mem, count, sizeof(*as));

    for (size_t i = 0; as && i < count; i++)
        as[i] = table->as[fields[i]];
    *ret = (struct ls_mem_order){count, fields, as};
    return as;
}

/* Every key of the schema holds in v, whose rows stand in the primary order. */
static enum ls_code check_keys(struct work *w, struct ls_mem_version *v, struct ls_error *err)
{
    const struct ls_schema *schema = w->table->schema;

    for (size_t k = 0; k < schema->key_count; k++) {
        struct ls_mem_order order;
        struct ls_mem_row **rows = NULL;

        if (order_of(w->table, schema->keys[k].field_count, schema->keys[k].fields, &w->mem,
                     &order))
            rows = ls_mem_sorted_rows(w->table, v, &order, &w->mem);
        if (!rows)
            return ls_error_nomem(err);
        if (has_twins(rows, v->count, &order))
            return refuse(w,
                          ls_mem_same_order(&w->key, w->table) && !k ? LS_CONFLICT : LS_CONSTRAINT,
                          "another has the same value in a unique key",
                          &schema->fields[schema->keys[k].fields[0]], err);
    }
    return LS_OK;
}

/* Takes over the references of work: both runs are sorted, then merged. */
static struct ls_mem_version *merge_rows(struct work *w)
{
    struct ls_mem_version *v = ls_mem_version_new(w->old_count + w->new_count);
    size_t kept = 0, a = 0, b = 0;

    if (!v)
        return NULL;
    for (size_t i = 0; i < w->old_count; i++) {
        struct ls_mem_row *row = w->after[i];

        if (row && row == w->old[i])
            atomic_fetch_add(&row->refs, 1);
        if (row)
            w->after[kept++] = row;
    }
    if (!ls_mem_same_order(&w->key, w->table))
        qsort_r(w->after, kept, sizeof(struct ls_mem_row *), ls_mem_compare_pointers, &w->primary);
    qsort_r(w->added, w->new_count, sizeof(struct ls_mem_row *), ls_mem_compare_pointers,
            &w->primary);
    while (a < kept || b < w->new_count) {
        if (b == w->new_count ||
            (a < kept && ls_mem_compare_rows(w->after[a], w->added[b], &w->primary) <= 0))
            v->rows[v->count++] = w->after[a++];
        else
            v->rows[v->count++] = w->added[b++];
    }
    w->old_count = w->new_count = 0;
    return v;
}

static enum ls_code prepare_work(struct work *w, struct ls_mem_version *v, struct ls_error *err)
{
    const struct ls_write *write = w->write;
    size_t *fields = ls_arena_array(&w->mem, write->key_count, sizeof(*fields));
    const struct ls_key *primary = &w->table->schema->keys[0];

    for (size_t i = 0; fields && i < write->key_count; i++)
        fields[i] = write->fields[write->key[i]];
    w->values = ls_arena_array(&w->mem, w->table->schema->field_count, sizeof(*w->values));
    w->added = ls_arena_array(&w->mem, write->count, sizeof(*w->added));
    w->after = ls_arena_array(&w->mem, v->count, sizeof(*w->after));
    if (!fields || !w->values || !w->added || !w->after ||
        !order_of(w->table, write->key_count, fields, &w->mem, &w->key) ||
        !order_of(w->table, primary->field_count, primary->fields, &w->mem, &w->primary))
        return ls_error_nomem(err);
    w->old = ls_mem_sorted_rows(w->table, v, &w->key, &w->mem);
    if (!w->old)
        return ls_error_nomem(err);
    w->old_count = v->count;
    if (v->count)
        memcpy(w->after, w->old, v->count * sizeof(struct ls_mem_row *));
    return LS_OK;
}

static void work_done(struct work *w)
{
    for (size_t i = 0; i < w->old_count; i++)
        if (w->after[i] && w->after[i] != w->old[i])
            ls_mem_row_free(w->after[i]);
    for (size_t i = 0; i < w->new_count; i++)
        ls_mem_row_free(w->added[i]);
    ls_arena_done(&w->mem);
}

/* Puts v in as the session's draft of the collection. */
static enum ls_code keep_draft(struct ls_mem_session *s, struct ls_mem_table *table,
                               struct ls_mem_version *v, struct ls_error *err)
{
    struct ls_mem_draft *d = s->drafts;

    while (d && d->table != table)
        d = d->next;
    if (!d) {
        d = calloc(1, sizeof(*d));
        if (!d)
            return ls_error_nomem(err);
        d->table = table;
        d->next = s->drafts;
        s->drafts = d;
    }
    ls_mem_version_free(d->version);
    d->version = v;
    return LS_OK;
}

/* Deletes, then updates, then inserts, on a copy; the keys are checked on the whole result, so that values may change places. */
enum ls_code ls_mem_write(struct ls_store *store, const struct ls_write *write,
                          struct ls_error *err)
{
    static const enum ls_change_kind steps[] = {LS_DELETE, LS_UPDATE, LS_INSERT};
    struct ls_mem_session *s = ls_mem_of(store);
    struct work w = {.write = write};
    struct ls_mem_version *before, *after = NULL;
    enum ls_code rc = ls_mem_need_table(store, write->schema->collection, &w.table, err);

    if (rc != LS_OK)
        return rc;
    ls_arena_init(&w.mem, 0);
    before = ls_mem_see(s, w.table);
    rc = prepare_work(&w, before, err);
    for (size_t step = 0; step < 3 && rc == LS_OK; step++)
        for (size_t i = 0; i < write->count && rc == LS_OK; i++)
            if (write->ops[i].kind == steps[step])
                rc = change_one(&w, &write->ops[i], err);
    if (rc == LS_OK) {
        after = merge_rows(&w);
        rc = after ? check_keys(&w, after, err) : ls_error_nomem(err);
    }
    if (rc == LS_OK)
        rc = keep_draft(s, w.table, after, err);
    if (rc != LS_OK)
        ls_mem_version_free(after);
    work_done(&w);
    ls_mem_version_free(before);
    return rc;
}
