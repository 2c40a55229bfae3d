/* SPDX-License-Identifier: Apache-2.0 */
/* batch.c - the records of one batch while its transaction is open.
 *
 * The whole records are locked and read, not only the fields that are written: the journal needs all of them, and what the step expects
 * is checked on what nobody can change any more. After the write they are read again, because triggers, defaults and rounding
 * have their say in what a record is then, and undo has to know it again.
 *
 * A batch of new records is written without looking first, where the target itself refuses a record whose key is there: a first
 * copy would ask for every record in vain. When it does refuse, the records are looked at and judged like any others.
 *
 * All records are written at once. When the target refuses that, it does not say which record it was: the records are cut
 * in two until the refused ones stand alone. Records that hand unique values round stay together (waits.c), and one whose value
 * is still held by a refused record is not even tried. What waits.c cannot see (references among the records, for one) is why
 * the cut moves from round to round.
 *
 * A record that another session has locked is refused like any other: the store says so after a short wait (LS_HELD), and the
 * transaction goes on. How often a run cuts because of locks is limited (waits); then it refuses the rest of a part as it is.
 *
 * In a first pass only some records are refused alone (patience); then the rest of a refused part is set
 * aside as it is. A table whose every record waits for one of a later batch would cost two statements a
 * record otherwise, and then succeed at once when it is tried from the other end.
 *
 * Steps that take a run back are carried out byte by byte: nothing is converted, and "already done" means the very same bytes,
 * not equal values. */
#include "engine/batch.h"

#include <stdlib.h>
#include <string.h>

#include "engine/mapping.h"
#include "engine/waits.h"
#include "model/convert.h"

/* ---- reading ---- */

static int order_by_key(const void *a, const void *b, void *ctx)
{
    const struct ls_layout *layout = ctx;

    return ls_values_order((*(const struct ls_item *const *)a)->key,
                           (*(const struct ls_item *const *)b)->key, layout->key_as,
                           layout->key_count);
}

/* The item of a key among those sorted by key, or NULL. */
static struct ls_item *find_item(const struct ls_layout *layout, struct ls_item **sorted,
                                 size_t count, const struct ls_value *key)
{
    size_t low = 0, high = count;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        const int c = ls_values_order(sorted[mid]->key, key, layout->key_as, layout->key_count);

        if (c == 0)
            return sorted[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static void got_before(struct ls_item *item, const struct ls_value *record)
{
    item->before = record;
}

static void got_left(struct ls_item *item, const struct ls_value *record)
{
    item->left = record;
}

/* Reads the whole records of these items, sorted by key, and gives each to `got`. */
static enum ls_code fetch(const struct ls_batch *b, struct ls_item **sorted, size_t count,
                          bool for_update,
                          void (*got)(struct ls_item *item, const struct ls_value *record),
                          struct ls_error *err)
{
    const struct ls_writing *w = b->writing;
    const struct ls_layout *layout = &w->job->layout;
    const size_t width = layout->key_count;
    struct ls_value *keys = ls_arena_array(b->mem, count * width, sizeof *keys);
    struct ls_value *key = ls_arena_array(b->mem, width, sizeof *key);
    struct ls_rows rows = {0};
    enum ls_code rc;

    if (!keys || !key)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        memcpy(keys + i * width, sorted[i]->key, width * sizeof *keys);
    rc = ls_store_fetch(w->writer, &w->scan, count, keys, for_update, b->mem, &rows, err);
    for (size_t r = 0; r < rows.count && rc == LS_OK; r++) {
        struct ls_item *item;

        for (size_t k = 0; k < width; k++)
            key[k] = ls_row(&rows, r)[w->whole->key[k]];
        item = find_item(layout, sorted, count, key);
        if (item)
            got(item, ls_row(&rows, r));
    }
    return rc;
}

/* ---- checking ---- */

static bool same_hash(struct ls_hash128 a, struct ls_hash128 b)
{
    return a.high == b.high && a.low == b.low;
}

/* Do the layout's fields of a whole record have these values? */
static bool has_values(const struct ls_writing *w, const struct ls_value *whole,
                       const struct ls_value *values)
{
    const struct ls_layout *layout = &w->job->layout;

    for (size_t i = 0; i < layout->field_count; i++)
        if (!ls_value_equal(&whole[w->layout_in_whole[i]], &values[i], &layout->as[i]))
            return false;
    return true;
}

static bool is_expected(struct ls_writing *w, const struct ls_item *item)
{
    if (item->step->expect == LS_EXPECT_NONE || !item->before)
        return item->step->expect == LS_EXPECT_NONE && !item->before;
    if (item->step->expect == LS_EXPECT_VALUES)
        return has_values(w, item->before, item->step->expected);
    return same_hash(ls_whole_hash(w->whole, item->before, &w->scratch), item->step->left);
}

/* Are the values to be written there already? An exact writing writes whole records, so that all their bytes can be compared. */
static bool has_record(struct ls_writing *w, const struct ls_item *item)
{
    const struct ls_value *record = item->step->record;

    if (w->fields->exact)
        return same_hash(ls_whole_hash(w->whole, item->before, &w->scratch),
                         ls_whole_hash(w->whole, record, &w->scratch));
    for (size_t i = 0; i < w->fields->count; i++) {
        const size_t at = w->fields_in_whole[i];

        if (!ls_value_equal(&item->before[at], &record[i], &w->whole->as[at]))
            return false;
    }
    return true;
}

/* Is the record what the step would make of it (a run that is repeated)? */
static bool is_done(struct ls_writing *w, const struct ls_item *item)
{
    if (item->step->kind == LS_DELETE)
        return !item->before;
    return item->before && has_record(w, item);
}

/* Why a record is left alone, by whether a run is taken back. */
static const char *const gone[] = {"the record is gone since it was compared",
                                   "the record is gone since the run"};
static const char *const changed[] = {
    "the record changed since it was compared, and was left alone",
    "the record changed since the run, and was left alone"};
static const char *const come[] = {
    "a record with this key has come since it was compared, or target_where leaves it out; it was "
    "left alone",
    "a record with this key has come since the run, and was left alone"};

static void judge(struct ls_writing *w, struct ls_item *item)
{
    const char *const *why = item->step->expect == LS_EXPECT_NONE ? come
                             : item->before                       ? changed
                                                                  : gone;

    if (is_done(w, item)) {
        item->state = LS_ITEM_DONE;
        return;
    }
    if (is_expected(w, item)) {
        item->state = LS_ITEM_WRITE;
        return;
    }
    item->state = LS_ITEM_CONFLICT;
    item->code = LS_CONFLICT;
    item->why = why[w->fields->exact];
}

/* ---- what is written ---- */

/* Whether a field takes a value as the source has it, of whatever type: where the values of both fields have types of their
 * own (SQLite) and nothing is computed. A blob in a text column stays a blob. */
static bool as_it_is(const struct ls_job *job, size_t at, const struct ls_value *v)
{
    const struct ls_map_field *map = &job->mapping->fields[at];
    const bool stored = v->type == LS_T_INT || v->type == LS_T_DOUBLE || v->type == LS_T_TEXT ||
                        v->type == LS_T_BYTES;

    return stored && !map->expr && !map->fixed && !map->converts &&
           (job->source.schema->fields[map->source].flags & LS_FIELD_DYNAMIC) &&
           (job->layout.fields[at].flags & LS_FIELD_DYNAMIC);
}

/* A value in the type of the target's field at a position of the layout. One that does not fit refuses this record alone. */
static enum ls_code convert(const struct ls_batch *b, struct ls_item *item, size_t at,
                            const struct ls_value *v, struct ls_value *ret, struct ls_error *err)
{
    const struct ls_job *job = b->writing->job;
    const struct ls_field *f = &job->target.schema->fields[job->target_fields[at]];
    struct ls_error why = {0};
    enum ls_code rc = LS_OK;

    if (as_it_is(job, at, v))
        *ret = *v;
    else
        rc = ls_value_convert(v, f, job->target.zone, b->mem, ret, &why);
    if (rc == LS_NOMEM)
        return ls_error_nomem(err);
    if (rc != LS_OK) {
        item->state = LS_ITEM_REFUSED;
        item->final = true;
        item->code = rc;
        item->why = ls_arena_printf(b->mem, "field %s: %s", f->name, why.text);
        if (!item->why)
            return ls_error_nomem(err);
    }
    return LS_OK;
}

/* A record under another key than the source's would neither be found again nor be told from one that has that key: char(n) keeps no
 * blanks at the end. */
static enum ls_code check_key(const struct ls_batch *b, struct ls_item *item, size_t k,
                              const struct ls_value *key, struct ls_error *err)
{
    const struct ls_job *job = b->writing->job;
    const struct ls_field *f = &job->target.schema->fields[job->target_fields[job->layout.key[k]]];

    if (item->state == LS_ITEM_REFUSED ||
        ls_value_equal(&item->step->key[k], key, &job->layout.key_as[k]))
        return LS_OK;
    item->state = LS_ITEM_REFUSED;
    item->final = true;
    item->code = LS_TYPE;
    item->why = ls_arena_printf(
        b->mem, "key field %s: %s would keep another key than the source's%s", f->name, f->native,
        f->flags & LS_FIELD_PADDED ? ": it keeps no blanks at the end, and this key has some" : "");
    return item->why ? LS_OK : ls_error_nomem(err);
}

/* The key of a record that is there is the target's own, and stays byte by byte what it is. */
static enum ls_code make_key(const struct ls_batch *b, struct ls_item *item, struct ls_error *err)
{
    const struct ls_writing *w = b->writing;
    const struct ls_layout *layout = &w->job->layout;
    struct ls_value *key;
    enum ls_code rc = LS_OK;

    item->key = item->step->key;
    if (w->fields->exact || item->step->expect != LS_EXPECT_NONE)
        return LS_OK;
    key = ls_arena_array(b->mem, layout->key_count, sizeof *key);
    if (!key)
        return ls_error_nomem(err);
    for (size_t k = 0; k < layout->key_count && rc == LS_OK; k++) {
        rc = convert(b, item, layout->key[k], &item->step->key[k], &key[k], err);
        if (rc == LS_OK)
            rc = check_key(b, item, k, &key[k], err);
    }
    item->key = key;
    return rc;
}

static enum ls_code make_record(const struct ls_batch *b, struct ls_item *item,
                                struct ls_error *err)
{
    const struct ls_steps_fields *fields = b->writing->fields;
    struct ls_value *record;
    enum ls_code rc = LS_OK;

    item->record = item->step->record;
    if (!item->record || fields->exact)
        return LS_OK;
    record = ls_arena_array(b->mem, fields->count, sizeof *record);
    if (!record)
        return ls_error_nomem(err);
    for (size_t i = 0; i < fields->count && rc == LS_OK; i++)
        rc = convert(b, item, i, &item->step->record[i], &record[i], err); /* fields: the layout */
    item->record = record;
    return rc;
}

/* ---- writing ---- */

struct ls_item **ls_batch_items(const struct ls_batch *b, enum ls_item_state state,
                                size_t *ret_count)
{
    struct ls_item **items = ls_arena_array(b->mem, b->count, sizeof *items);
    size_t n = 0;

    for (size_t i = 0; items && i < b->count; i++)
        if (b->items[i].state == state)
            items[n++] = &b->items[i];
    *ret_count = n;
    return items;
}

/* The whole record that the write is to leave; fields that it does not set are NULL in a new one. */
static const struct ls_value *make_after(const struct ls_batch *b, const struct ls_item *item)
{
    const struct ls_writing *w = b->writing;
    const size_t width = w->whole->field_count;
    struct ls_value *after = ls_arena_array(b->mem, width, sizeof *after);

    if (after && item->before)
        memcpy(after, item->before, width * sizeof *after);
    for (size_t i = 0; after && i < w->fields->count; i++)
        after[w->fields_in_whole[i]] = item->record[i];
    return after;
}

static int order_by_group(const void *a, const void *b)
{
    const struct ls_item *l = *(const struct ls_item *const *)a;
    const struct ls_item *r = *(const struct ls_item *const *)b;

    if (l->group != r->group)
        return l->group < r->group ? -1 : 1;
    return (l > r) - (l < r); /* both in one array */
}

/* What these items are as a write; the ops are in the batch's memory. */
static enum ls_code make_write(const struct ls_batch *b, struct ls_item *const *items, size_t count,
                               struct ls_write *ret, struct ls_error *err)
{
    const struct ls_writing *w = b->writing;
    struct ls_write_op *ops = ls_arena_array(b->mem, count, sizeof *ops);

    if (!ops)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        ops[i] = (struct ls_write_op){items[i]->step->kind, items[i]->key, items[i]->record};
    *ret = (struct ls_write){
        .schema = w->job->target.schema,
        .field_count = w->fields->count,
        .fields = w->fields->fields,
        .key_count = w->job->layout.key_count,
        .key = w->fields->key,
        .count = count,
        .ops = ops,
    };
    return LS_OK;
}

/* What the target knows of who waits for whom; after a refused commit in a transaction for that alone. */
static enum ls_code ask_target(const struct ls_batch *b, struct ls_item *const *items, size_t count,
                               size_t *ret_count, const struct ls_wait **ret, struct ls_error *err)
{
    struct ls_store *writer = b->writing->writer;
    const bool own = !writer->in_transaction;
    struct ls_write write;
    enum ls_code rc = make_write(b, items, count, &write, err);

    if (rc == LS_OK && own)
        rc = ls_store_begin(writer, err);
    if (rc == LS_OK)
        rc = ls_store_waits(writer, &write, b->mem, ret_count, ret, err);
    if (own)
        ls_store_rollback(writer);
    return rc;
}

enum ls_code ls_batch_order(const struct ls_batch *b, struct ls_item **items, size_t count,
                            struct ls_error *err)
{
    struct ls_waits_record *records = ls_arena_array(b->mem, count, sizeof *records);
    const struct ls_wait *told = NULL;
    struct ls_item **givers;
    struct ls_waits waits;
    size_t told_count = 0;
    enum ls_code rc;

    if (!records)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        records[i].before = items[i]->before;
        records[i].after = items[i]->record ? make_after(b, items[i]) : NULL;
        if (items[i]->record && !records[i].after)
            return ls_error_nomem(err);
    }
    rc = ask_target(b, items, count, &told_count, &told, err);
    if (rc == LS_OK)
        rc =
            ls_waits_find(b->writing->whole, count, records, told_count, told, b->mem, &waits, err);
    if (rc != LS_OK)
        return rc;
    givers = ls_arena_array(b->mem, waits.first[count], sizeof *givers);
    if (!givers)
        return ls_error_nomem(err);
    for (size_t i = 0; i < waits.first[count]; i++)
        givers[i] = items[waits.giver[i]];
    for (size_t i = 0; i < count; i++) {
        items[i]->group = waits.group[i];
        items[i]->giver_count = waits.first[i + 1] - waits.first[i];
        items[i]->givers = givers + waits.first[i];
    }
    qsort(items, count, sizeof *items, order_by_group);
    return LS_OK;
}

/* At the end of a group, as near as one is to where the cut would be; a group that was refused as a whole is cut anywhere. */
size_t ls_batch_cut(const struct ls_writing *w, struct ls_item *const *items, size_t count)
{
    const size_t wanted = count * (w->cut + 1) / (w->cut + 2);
    const size_t cut = wanted == 0 ? 1 : wanted >= count ? count - 1 : wanted;

    for (size_t away = 0; away < count; away++) {
        if (cut > away && items[cut - away - 1]->group != items[cut - away]->group)
            return cut - away;
        if (cut + away < count && items[cut + away - 1]->group != items[cut + away]->group)
            return cut + away;
    }
    return cut;
}

static void refuse(struct ls_item *item, enum ls_code code, const char *why, bool final)
{
    item->state = LS_ITEM_REFUSED;
    item->code = code;
    item->why = why;
    item->final = final;
}

static bool waits_in_vain(const struct ls_item *item)
{
    for (size_t k = 0; k < item->giver_count; k++)
        if (item->givers[k]->state == LS_ITEM_REFUSED)
            return true;
    return false;
}

/* Takes out those whose unique value is held by a record that was refused; gives how many are left. */
static size_t drop_waiting(struct ls_item **items, size_t count)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        if (waits_in_vain(items[i]))
            refuse(items[i], LS_CONSTRAINT,
                   "a value that it takes is held by another record, which was itself refused",
                   false);
        else
            items[n++] = items[i];
    }
    return n;
}

static enum ls_code write_at_once(const struct ls_batch *b, struct ls_item **items, size_t count,
                                  struct ls_error *err)
{
    struct ls_write write;
    enum ls_code rc = make_write(b, items, count, &write, err);

    return rc == LS_OK ? ls_store_write(b->writing->writer, &write, err) : rc;
}

/* Whether a refused part may be cut. Each cut because of a lock may mean to wait for one twice more. */
static bool may_cut(struct ls_writing *w, enum ls_code rc)
{
    if (rc != LS_HELD)
        return true;
    w->waits -= w->waits > 0;
    return w->waits > 0;
}

/* Writes of these what the target takes. ordered: ls_batch_order() was done. */
static enum ls_code write_items(const struct ls_batch *b, struct ls_item **items, size_t count,
                                bool ordered, struct ls_error *err)
{
    struct ls_writing *w = b->writing;
    struct ls_error why = {0};
    const char *text;
    size_t cut;
    enum ls_code rc;

    count = drop_waiting(items, count);
    if (count == 0)
        return LS_OK;
    rc = write_at_once(b, items, count, &why);
    if (!ls_code_refusal(rc)) {
        if (rc != LS_OK && err)
            *err = why;
        return rc;
    }
    if (count > 1 && w->patience > 0 && may_cut(w, rc)) {
        rc = ordered ? LS_OK : ls_batch_order(b, items, count, err);
        cut = ls_batch_cut(w, items, count);
        if (rc == LS_OK)
            rc = write_items(b, items, cut, true, err);
        return rc == LS_OK ? write_items(b, items + cut, count - cut, true, err) : rc;
    }
    text = ls_arena_text(b->mem, why.text);
    if (!text)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        refuse(items[i], rc, text, count == 1 && rc == LS_TYPE);
    w->patience -= w->patience > 0;
    return LS_OK;
}

/* ---- all of it ---- */

/* Locks and reads these, sorted by key. Those that another session has locked are refused, and set aside
 * like any other refused record. */
static enum ls_code lock_items(const struct ls_batch *b, struct ls_item **sorted, size_t count,
                               struct ls_error *err)
{
    struct ls_error why = {0};
    const char *text;
    enum ls_code rc = fetch(b, sorted, count, true, got_before, &why);

    if (rc != LS_HELD) {
        if (rc != LS_OK && err)
            *err = why;
        return rc;
    }
    if (count > 1 && may_cut(b->writing, rc)) {
        rc = lock_items(b, sorted, count / 2, err);
        return rc == LS_OK ? lock_items(b, sorted + count / 2, count - count / 2, err) : rc;
    }
    text = count == 1 ? ls_arena_text(b->mem, why.text)
                      : ls_arena_printf(b->mem, "one of %zu records written together: %s", count,
                                        why.text);
    if (!text)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        refuse(sorted[i], LS_HELD, text, false);
    return LS_OK;
}

/* Fills sorted with the items whose key the target can hold, by key. */
static enum ls_code make_keys(const struct ls_batch *b, struct ls_item **sorted, size_t *ret_count,
                              struct ls_error *err)
{
    size_t n = 0;
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < b->count && rc == LS_OK; i++) {
        rc = make_key(b, &b->items[i], err);
        if (b->items[i].state != LS_ITEM_REFUSED)
            sorted[n++] = &b->items[i];
    }
    qsort_r(sorted, n, sizeof(struct ls_item *), order_by_key, &b->writing->job->layout);
    *ret_count = n;
    return rc;
}

/* Whether the target itself tells when a record is there that no step expects. */
static bool all_new(const struct ls_batch *b)
{
    if (!b->writing->keeps_unique)
        return false;
    for (size_t i = 0; i < b->count; i++)
        if (b->items[i].step->kind != LS_INSERT || b->items[i].step->expect != LS_EXPECT_NONE)
            return false;
    return true;
}

/* Writes new records without looking first; *ret_done false: the target refused, and nothing was written. */
static enum ls_code write_new(const struct ls_batch *b, struct ls_item **sorted, size_t count,
                              bool *ret_done, struct ls_error *err)
{
    struct ls_item **some;
    size_t n = 0;
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        sorted[i]->state = LS_ITEM_WRITE;
        rc = make_record(b, sorted[i], err);
    }
    if (rc != LS_OK)
        return rc;
    some = ls_batch_items(b, LS_ITEM_WRITE, &n);
    if (!some)
        return ls_error_nomem(err);
    rc = n ? write_at_once(b, some, n, err) : LS_OK;
    *ret_done = rc == LS_OK;
    return ls_code_refusal(rc) ? LS_OK : rc;
}

/* Locks, reads and judges what was not refused yet, and writes what is as it is expected. */
static enum ls_code look_and_write(const struct ls_batch *b, struct ls_item **sorted, size_t count,
                                   struct ls_error *err)
{
    struct ls_writing *w = b->writing;
    struct ls_item **some;
    size_t n = 0;
    enum ls_code rc = lock_items(b, sorted, count, err);

    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        if (sorted[i]->state == LS_ITEM_REFUSED)
            continue;
        judge(w, sorted[i]);
        if (sorted[i]->state == LS_ITEM_WRITE)
            rc = make_record(b, sorted[i], err);
    }
    if (rc != LS_OK || w->scratch.failed)
        return rc == LS_OK ? ls_error_nomem(err) : rc;
    some = ls_batch_items(b, LS_ITEM_WRITE, &n);
    return some ? write_items(b, some, n, false, err) : ls_error_nomem(err);
}

/* Makes the items and, in *ret_sorted, those whose key the target can hold. */
static enum ls_code begin_batch(struct ls_writing *w, const struct ls_step *list, size_t count,
                                struct ls_arena *mem, struct ls_batch *ret,
                                struct ls_item ***ret_sorted, size_t *ret_count,
                                struct ls_error *err)
{
    *ret = (struct ls_batch){w, mem, count, ls_arena_array(mem, count, sizeof *ret->items)};
    *ret_sorted = ls_arena_array(mem, count, sizeof **ret_sorted);
    if (!ret->items || !*ret_sorted)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        ret->items[i].step = &list[i];
    return make_keys(ret, *ret_sorted, ret_count, err);
}

/* What the written records are now. */
static enum ls_code read_back(const struct ls_batch *b, struct ls_error *err)
{
    size_t n = 0;
    struct ls_item **some = ls_batch_items(b, LS_ITEM_WRITE, &n);

    if (!some)
        return ls_error_nomem(err);
    qsort_r(some, n, sizeof(struct ls_item *), order_by_key, &b->writing->job->layout);
    return fetch(b, some, n, false, got_left, err);
}

enum ls_code ls_batch_write(struct ls_writing *w, const struct ls_step *list, size_t count,
                            struct ls_arena *mem, struct ls_batch *ret, struct ls_error *err)
{
    struct ls_batch b;
    struct ls_item **some = NULL;
    size_t n = 0;
    bool done = false;
    enum ls_code rc = begin_batch(w, list, count, mem, &b, &some, &n, err);

    if (rc == LS_OK && all_new(&b))
        rc = write_new(&b, some, n, &done, err);
    if (rc == LS_OK && !done)
        rc = look_and_write(&b, some, n, err);
    if (rc == LS_OK)
        rc = read_back(&b, err);
    if (rc == LS_OK)
        *ret = b;
    return rc;
}

/* Is every record written? One that its own field cannot hold was left out. */
static bool all_written(const struct ls_batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->items[i].state != LS_ITEM_WRITE)
            return false;
    return true;
}

enum ls_code ls_batch_write_new(struct ls_writing *w, const struct ls_step *list, size_t count,
                                struct ls_arena *mem, struct ls_batch *ret, bool *ret_done,
                                struct ls_error *err)
{
    struct ls_item **some = NULL;
    size_t n = 0;
    bool done = false;
    enum ls_code rc = begin_batch(w, list, count, mem, ret, &some, &n, err);

    *ret_done = false;
    if (rc == LS_OK && n == count && all_new(ret))
        rc = write_new(ret, some, n, &done, err);
    if (rc != LS_OK || !done || !all_written(ret))
        return rc;
    rc = read_back(ret, err);
    *ret_done = rc == LS_OK;
    return rc;
}
