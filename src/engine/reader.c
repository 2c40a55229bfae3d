/* SPDX-License-Identifier: Apache-2.0 */
/* reader.c - one side's records in key order, read ahead by a thread of its own.
 *
 * Both sides are read at the same time, each by a thread that does all the work that belongs to one record: decoding (in
 * the store), filter, mapping, canonical form, hash. What is left for the controlling thread is
 * to walk along both and compare. Between the two stand three batches: one that is being filled, one
 * that waits, one that is being looked at. Each has its own arena, which is reset when its batch has
 * been handed back; so memory is three batches a side, whatever the size of the table.
 *
 * A store that cannot give the order we need (a file, another collation, a key whose conversion does not keep the order) is read as it comes and
 * sorted here; the batches are the same.
 *
 * Keys are checked here, once for every path: a NULL in a key, the same key twice, and (which would be a fault of a
 * store) a key out of order. A compare over wrong order would report differences that do not exist, and a plan made of them would
 * write, so this check is never left out.
 *
 * Ending. The thread ends at the end, at an error, or when `stop` is set, which close does; a store that is
 * waiting for its server is told to give up. An error is handed over behind the batches before it, and the
 * thread never waits for room once stop is set, so close always joins. */
#include "engine/reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/sort.h"

#define BATCHES 3
#define CANCEL_POLL_MS 100 /* how long a wait for a batch goes on before cancel is looked at */
#define SORTED_BATCH_ROWS 1000
#define SORTED_BATCH_BYTES ((size_t)1 << 20)

struct batch {
    struct ls_arena mem;
    struct ls_rows rows;
    uint64_t *hashes;
};

struct ls_side_reader {
    const struct ls_job *job;
    enum ls_side_name name;
    struct ls_reader_options options;
    struct ls_arena mem; /* of the scan */
    struct ls_scan scan;
    bool sorts;

    /* The thread's own. */
    struct ls_mapper *mapper;
    struct ls_sorter *sorter;
    struct ls_buf canon;
    struct ls_value *key;      /* scratch */
    struct ls_value *last_key; /* of the batch before; NULL at first */
    struct ls_arena last_mem;  /* of last_key */

    /* Shared, under the lock. */
    struct ls_thread thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct batch batches[BATCHES];
    size_t filled, taken; /* batches ever put in and taken out; filled - taken <= BATCHES */
    bool ended, stop, in_store;
    enum ls_code rc;
    struct ls_error err;

    /* The consumer's own. */
    struct batch *current;
    size_t at;
};

/* ---- what is scanned ---- */

/* A key whose conversion does not keep its order: wall-clock time goes back once a year. */
static bool key_reorders(const struct ls_job *job, enum ls_side_name side)
{
    if (side == LS_SIDE_TARGET)
        return false;
    for (size_t i = 0; i < job->layout.key_count; i++) {
        const size_t at = job->layout.key[i];
        const struct ls_map_field *map = &job->mapping->fields[at];

        if (map->converts && map->zone)
            return true;
    }
    return false;
}

bool ls_side_sorts(const struct ls_job *job, enum ls_side_name name, const char **ret_why)
{
    const struct ls_side *side = ls_job_side(job, name);
    const char *why = NULL;
    struct ls_arena mem;
    struct ls_scan scan;

    ls_arena_init(&mem, 0);
    if (key_reorders(job, name))
        why = "its key is converted between times of a zone and absolute times";
    else if (!ls_store_can(side->store, LS_CAP_ORDER))
        why = "it has no order";
    else if (ls_side_scan(job, name, &mem, &scan, NULL) != LS_OK ||
             !ls_store_orders(side->store, &scan))
        why = "it does not give the order of this key";
    ls_arena_done(&mem);
    if (ret_why)
        *ret_why = why ? why : "";
    return why != NULL;
}

enum ls_code ls_side_scan(const struct ls_job *job, enum ls_side_name name, struct ls_arena *mem,
                          struct ls_scan *ret, struct ls_error *err)
{
    const struct ls_side *side = ls_job_side(job, name);
    struct ls_as *as = ls_arena_array(mem, side->field_count, sizeof *as);

    if (!as)
        return ls_error_nomem(err);
    for (size_t i = 0; i < side->field_count; i++) {
        const struct ls_field *field = &side->schema->fields[side->fields[i]];

        as[i] = ls_as_of(field, field);
    }
    /* What both sides have is compared in the same way on both. */
    for (size_t i = 0; i < job->layout.field_count; i++) {
        const struct ls_map_field *map = &job->mapping->fields[i];

        if (name == LS_SIDE_TARGET)
            as[i] = job->layout.as[i];
        else if (!map->expr && !map->fixed)
            as[map->position] = job->layout.as[i];
    }
    /* A source field may be mapped twice; then the key's way is the one that counts. */
    for (size_t i = 0; i < side->key_count; i++)
        as[side->key[i]] = job->layout.key_as[i];
    *ret = (struct ls_scan){.schema = side->schema,
                            .field_count = side->field_count,
                            .fields = side->fields,
                            .key_count = side->key_count,
                            .key = side->key,
                            .as = as,
                            .ordered = true,
                            .filter = side->pushed.count ? &side->pushed : NULL};
    return LS_OK;
}

/* ---- keys ---- */

static enum ls_code bad_key(const struct ls_job *job, enum ls_side_name side,
                            const struct ls_value *key, const char *fmt, struct ls_error *err)
{
    struct ls_buf text;
    enum ls_code rc;

    ls_buf_init(&text, 0);
    ls_job_key_text(&text, job, side, key);
    rc = ls_error_set(err, LS_DATA, "%s of %s: %s", fmt, ls_job_side(job, side)->schema->collection,
                      text.data && !text.failed ? text.data : "?");
    ls_buf_done(&text);
    return rc;
}

static enum ls_code null_key(const struct ls_job *job, enum ls_side_name side, size_t i,
                             struct ls_error *err)
{
    const size_t at = job->layout.key[i];
    const char *name = side == LS_SIDE_SOURCE && job->source.schema
                           ? job->source.schema->fields[job->mapping->fields[at].source].name
                           : job->layout.fields[at].name;

    return ls_store_null_key(ls_job_side(job, side)->schema->collection, name, err);
}

enum ls_code ls_job_check_key(const struct ls_job *job, enum ls_side_name side,
                              const struct ls_value *before, const struct ls_value *key,
                              struct ls_error *err)
{
    int order;

    for (size_t i = 0; i < job->layout.key_count; i++) {
        if (key[i].type == LS_T_NULL)
            return null_key(job, side, i, err);
    }
    if (!before)
        return LS_OK;
    order = ls_values_order(before, key, job->layout.key_as, job->layout.key_count);
    if (order < 0)
        return LS_OK;
    if (order > 0)
        return bad_key(job, side, key,
                       "records come out of order, which is a fault of the program: a key", err);
    return bad_key(job, side, key,
                   "two records have the same key. Remove one, or name a longer key: a key", err);
}

static bool keep_last_key(struct ls_side_reader *r, const struct ls_value *record)
{
    const struct ls_layout *layout = &r->job->layout;

    ls_layout_key(layout, record, r->key);
    ls_arena_reset(&r->last_mem);
    r->last_key = ls_arena_array(&r->last_mem, layout->key_count, sizeof *r->last_key);
    for (size_t i = 0; r->last_key && i < layout->key_count; i++) {
        if (!ls_value_copy(&r->last_mem, &r->key[i], &r->last_key[i]))
            return false;
    }
    return r->last_key != NULL;
}

static enum ls_code check_keys(struct ls_side_reader *r, const struct ls_rows *rows,
                               struct ls_arena *mem, struct ls_error *err)
{
    const struct ls_layout *layout = &r->job->layout;
    struct ls_value *two = ls_arena_array(mem, 2 * layout->key_count, sizeof *two);
    const struct ls_value *before = r->last_key;
    enum ls_code rc = LS_OK;

    if (!two)
        return ls_error_nomem(err);
    for (size_t i = 0; i < rows->count && rc == LS_OK; i++) {
        struct ls_value *key = two + (i % 2) * layout->key_count;

        ls_layout_key(layout, ls_row(rows, i), key);
        rc = ls_job_check_key(r->job, r->name, before, key, err);
        before = key;
    }
    if (rc == LS_OK && rows->count && !keep_last_key(r, ls_row(rows, rows->count - 1)))
        rc = ls_error_nomem(err);
    return rc;
}

/* ---- the thread ---- */

static bool stopped(struct ls_side_reader *r)
{
    bool stop;

    pthread_mutex_lock(&r->lock);
    stop = r->stop;
    pthread_mutex_unlock(&r->lock);
    return stop || ls_cancel_wanted(r->options.cancel);
}

static enum ls_code cancelled(struct ls_error *err)
{
    return ls_error_set(err, LS_CANCELLED, "cancelled");
}

/* Waits for an empty batch. NULL when the reader shall stop. */
static struct batch *empty_batch(struct ls_side_reader *r)
{
    struct batch *ret = NULL;

    pthread_mutex_lock(&r->lock);
    while (!r->stop && r->filled - r->taken == BATCHES)
        pthread_cond_wait(&r->changed, &r->lock);
    if (!r->stop)
        ret = &r->batches[r->filled % BATCHES];
    pthread_mutex_unlock(&r->lock);
    return ret;
}

static void hand_over(struct ls_side_reader *r)
{
    pthread_mutex_lock(&r->lock);
    r->filled++;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void mark_in_store(struct ls_side_reader *r, bool in_store)
{
    pthread_mutex_lock(&r->lock);
    r->in_store = in_store;
    pthread_mutex_unlock(&r->lock);
}

static enum ls_code hash_rows(struct ls_side_reader *r, struct batch *batch, struct ls_error *err)
{
    const struct ls_layout *layout = &r->job->layout;

    batch->hashes = ls_arena_array(&batch->mem, batch->rows.count, sizeof *batch->hashes);
    if (!batch->hashes)
        return ls_error_nomem(err);
    for (size_t i = 0; i < batch->rows.count; i++) {
        ls_buf_reset(&r->canon);
        ls_values_canon(&r->canon, ls_row(&batch->rows, i), layout->as, layout->field_count);
        if (r->canon.failed)
            return ls_error_nomem(err);
        batch->hashes[i] = ls_record_hash(r->canon.data, r->canon.size, r->options.seeds);
    }
    return LS_OK;
}

/* The next records of the scan as layout records with their hashes; *ret_end at the scan's end (the batch is empty then). */
static enum ls_code read_batch(struct ls_side_reader *r, struct ls_cursor *cursor,
                               struct batch *batch, bool *ret_end, struct ls_error *err)
{
    struct ls_rows raw = {0};
    enum ls_code rc;

    ls_arena_reset(&batch->mem);
    batch->rows.count = 0;
    mark_in_store(r, true);
    rc = ls_cursor_next(cursor, &batch->mem, &raw, err);
    mark_in_store(r, false);
    if (rc != LS_OK)
        return rc;
    *ret_end = raw.count == 0;
    if (*ret_end)
        return LS_OK;
    rc = ls_mapper_rows(r->mapper, &raw, &batch->mem, &batch->rows, err);
    return rc == LS_OK ? hash_rows(r, batch, err) : rc;
}

static enum ls_code pass_on(struct ls_side_reader *r, struct ls_cursor *cursor,
                            struct ls_error *err)
{
    for (;;) {
        struct batch *batch = empty_batch(r);
        bool end = false;
        enum ls_code rc;

        if (!batch || ls_cancel_wanted(r->options.cancel))
            return cancelled(err);
        rc = read_batch(r, cursor, batch, &end, err);
        if (rc != LS_OK || end)
            return rc;
        if (!batch->rows.count)
            continue; /* the filter left nothing of it */
        rc = check_keys(r, &batch->rows, &batch->mem, err);
        if (rc != LS_OK)
            return rc;
        hand_over(r);
    }
}

/* Reads everything into the sorter, with a batch that nobody waits for yet. */
static enum ls_code collect(struct ls_side_reader *r, struct ls_cursor *cursor,
                            struct ls_error *err)
{
    struct batch *batch = &r->batches[0];

    for (;;) {
        bool end = false;
        enum ls_code rc;

        if (stopped(r))
            return cancelled(err);
        rc = read_batch(r, cursor, batch, &end, err);
        for (size_t i = 0; rc == LS_OK && i < batch->rows.count; i++)
            rc = ls_sorter_add(r->sorter, ls_row(&batch->rows, i), batch->hashes[i], err);
        if (rc != LS_OK || end)
            return rc;
    }
}

static enum ls_code sorted_batch(struct ls_side_reader *r, struct batch *batch,
                                 struct ls_error *err)
{
    const size_t width = r->job->layout.field_count;
    bool any = true;
    enum ls_code rc = LS_OK;

    ls_arena_reset(&batch->mem);
    batch->rows = (struct ls_rows){.width = width};
    batch->rows.values =
        ls_arena_array(&batch->mem, SORTED_BATCH_ROWS * width, sizeof *batch->rows.values);
    batch->hashes = ls_arena_array(&batch->mem, SORTED_BATCH_ROWS, sizeof *batch->hashes);
    if (!batch->rows.values || !batch->hashes)
        return ls_error_nomem(err);
    while (rc == LS_OK && any && batch->rows.count < SORTED_BATCH_ROWS &&
           batch->mem.used_bytes <
               SORTED_BATCH_BYTES + SORTED_BATCH_ROWS * width * sizeof(struct ls_value)) {
        const size_t i = batch->rows.count;

        rc = ls_sorter_next(r->sorter, &batch->mem, ls_row(&batch->rows, i), &batch->hashes[i],
                            &any, err);
        batch->rows.count += rc == LS_OK && any;
    }
    return rc;
}

static enum ls_code pass_sorted(struct ls_side_reader *r, struct ls_error *err)
{
    enum ls_code rc = ls_sorter_finish(r->sorter, err);

    while (rc == LS_OK) {
        struct batch *batch = empty_batch(r);

        if (!batch || ls_cancel_wanted(r->options.cancel))
            return cancelled(err);
        rc = sorted_batch(r, batch, err);
        if (rc == LS_OK && !batch->rows.count)
            break;
        if (rc == LS_OK)
            rc = check_keys(r, &batch->rows, &batch->mem, err);
        if (rc == LS_OK)
            hand_over(r);
    }
    return rc;
}

static enum ls_code read_all(struct ls_side_reader *r, struct ls_error *err)
{
    struct ls_store *store = ls_job_side(r->job, r->name)->store;
    struct ls_cursor *cursor = NULL;
    enum ls_code rc;

    mark_in_store(r, true);
    rc = ls_store_scan(store, &r->scan, &cursor, err);
    mark_in_store(r, false);
    if (rc != LS_OK)
        return rc;
    rc = r->sorts ? collect(r, cursor, err) : pass_on(r, cursor, err);
    ls_cursor_end(cursor);
    if (r->sorts && rc == LS_OK)
        rc = pass_sorted(r, err);
    return rc;
}

static void run(void *arg)
{
    struct ls_side_reader *r = arg;
    struct ls_error err = {0};
    const enum ls_code rc = read_all(r, &err);

    pthread_mutex_lock(&r->lock);
    r->rc = rc;
    r->err = err;
    r->ended = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* ---- the consumer ---- */

static enum ls_code prepare(struct ls_side_reader *r, struct ls_error *err)
{
    enum ls_code rc = ls_side_scan(r->job, r->name, &r->mem, &r->scan, err);

    if (rc != LS_OK)
        return rc;
    r->sorts = r->options.order == LS_READER_SORTED ||
               (r->options.order == LS_READER_ASK && ls_side_sorts(r->job, r->name, NULL));
    r->scan.ordered = !r->sorts;
    r->scan.partition = r->options.partition;
    r->scan.sought_count = r->options.sought_count;
    r->scan.sought = r->options.sought;
    r->key = ls_arena_array(&r->mem, r->job->layout.key_count, sizeof *r->key);
    if (!r->key)
        return ls_error_nomem(err);
    rc = ls_mapper_open(r->job, r->name, &r->mapper, err);
    if (rc == LS_OK && r->sorts)
        rc = ls_sorter_open(&r->job->layout,
                            &(struct ls_sort_limits){.budget_bytes = r->options.sort_budget_bytes},
                            &r->sorter, err);
    return rc;
}

enum ls_code ls_side_reader_open(const struct ls_job *job, enum ls_side_name side,
                                 const struct ls_reader_options *options,
                                 struct ls_side_reader **ret, struct ls_error *err)
{
    struct ls_side_reader *r = calloc(1, sizeof *r);
    enum ls_code rc;

    if (!r)
        return ls_error_nomem(err);
    r->job = job;
    r->name = side;
    r->options = *options;
    ls_arena_init(&r->mem, 0);
    ls_arena_init(&r->last_mem, 0);
    ls_buf_init(&r->canon, 0);
    for (size_t i = 0; i < BATCHES; i++)
        ls_arena_init(&r->batches[i].mem, 0);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    rc = prepare(r, err);
    if (rc == LS_OK)
        rc = ls_thread_start(&r->thread, run, r, err);
    if (rc != LS_OK) {
        ls_side_reader_close(r);
        return ls_error_wrap(err, "%s", ls_side_word(side));
    }
    *ret = r;
    return LS_OK;
}

/* Waits a moment, with the lock held; then tells the store to give up if it shall. Again and again: a store that is told
 * just before its statement begins has nothing to give up yet. */
static void await_change(struct ls_side_reader *r)
{
    const int64_t until = ls_clock_monotonic_us() + CANCEL_POLL_MS * INT64_C(1000);

    if (!ls_cond_wait(&r->changed, &r->lock, until) && r->in_store &&
        (r->stop || ls_cancel_wanted(r->options.cancel)))
        ls_store_cancel(ls_job_side(r->job, r->name)->store);
}

/* Takes the next batch; current is NULL at the end. */
static enum ls_code take_batch(struct ls_side_reader *r, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    pthread_mutex_lock(&r->lock);
    if (r->current) { /* handed back: the thread may fill it again */
        r->current = NULL;
        r->taken++;
        pthread_cond_broadcast(&r->changed);
    }
    while (r->filled == r->taken && !r->ended)
        await_change(r);
    if (r->filled > r->taken) {
        r->current = &r->batches[r->taken % BATCHES];
        r->at = 0;
    } else if (r->rc != LS_OK) {
        rc = r->rc;
        if (err)
            *err = r->err;
    }
    pthread_mutex_unlock(&r->lock);
    if (rc == LS_OK)
        return LS_OK;
    if (ls_cancel_wanted(r->options.cancel))
        return cancelled(err);
    (void)ls_error_wrap(err, "%s", ls_side_word(r->name));
    return rc;
}

enum ls_code ls_side_reader_next(struct ls_side_reader *reader, struct ls_reader_record *ret,
                                 struct ls_error *err)
{
    struct ls_side_reader *r = reader;

    if (!r->current || r->at == r->current->rows.count) {
        enum ls_code rc = take_batch(r, err);

        if (rc != LS_OK)
            return rc;
    }
    if (!r->current) {
        *ret = (struct ls_reader_record){0};
        return LS_OK;
    }
    ret->values = ls_row(&r->current->rows, r->at);
    ret->hash = r->current->hashes[r->at];
    r->at++;
    return LS_OK;
}

void ls_side_reader_close(struct ls_side_reader *reader)
{
    struct ls_side_reader *r = reader;

    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->changed);
    if (r->thread.running && !r->ended && r->in_store)
        ls_store_cancel(ls_job_side(r->job, r->name)->store);
    while (r->thread.running && !r->ended)
        await_change(r);
    pthread_mutex_unlock(&r->lock);
    ls_thread_join(&r->thread);
    ls_mapper_close(r->mapper);
    ls_sorter_close(r->sorter);
    for (size_t i = 0; i < BATCHES; i++)
        ls_arena_done(&r->batches[i].mem);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    ls_buf_done(&r->canon);
    ls_arena_done(&r->last_mem);
    ls_arena_done(&r->mem);
    free(r);
}
