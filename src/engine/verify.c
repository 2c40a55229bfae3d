/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c - reads back what a run wrote.
 *
 * A run is not done when its writes were accepted but when both sides, read again, are the same. The
 * touched records are enough for that and cost what the run cost; --full reads everything. Where
 * a side cannot fetch by key (a CSV file) everything is read as well: one pass is cheaper than a pass for each batch. After undo
 * such a target is read inside a transaction of its own, which is rolled back: a file is loaded once for it. */
#include <stdlib.h>
#include <string.h>

#include "engine/apply.h"
#include "engine/journal.h"
#include "engine/taken.h"
#include "engine/touched.h"

#define KEYS_AT_ONCE 1000

static void add_counts(struct ls_compare_result *sum, const struct ls_compare_result *part)
{
    sum->source_count += part->source_count;
    sum->target_count += part->target_count;
    sum->total += part->total;
    sum->source_digest += part->source_digest; /* order-free sums */
    sum->target_digest += part->target_digest;
    for (size_t i = 0; i < LS_STATUS_COUNT; i++)
        sum->count[i] += part->count[i];
}

static enum ls_code verify_touched(struct ls_job *job, struct ls_touched *touched,
                                   const struct ls_hooks *hooks, ls_difference_fn *fn, void *ctx,
                                   struct ls_compare_result *ret, struct ls_error *err)
{
    const uint64_t total = ls_touched_count(touched);
    struct ls_arena mem;
    uint64_t done = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    for (rc = ls_touched_rewind(touched, err); rc == LS_OK;) {
        struct ls_compare_result part = {0};
        struct ls_value *keys = NULL;
        size_t count = 0;

        rc = ls_touched_next(touched, KEYS_AT_ONCE, &mem, &keys, &count, err);
        if (rc != LS_OK || count == 0)
            break;
        memcpy(part.seeds, ret->seeds, sizeof part.seeds);
        rc = ls_compare_keys(job, count, keys, hooks, fn, ctx, &part, err);
        if (done == 0)
            *ret = part;
        else
            add_counts(ret, &part);
        done += count;
        if (hooks && hooks->progress)
            hooks->progress(hooks->ctx, LS_PHASE_VERIFICATION, done, total);
        ls_arena_reset(&mem);
    }
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_verify(struct ls_job *job, struct ls_touched *touched, bool all,
                       const struct ls_compare_options *options, const struct ls_hooks *hooks,
                       ls_difference_fn *fn, void *ctx, struct ls_compare_result *ret,
                       const char **ret_scope, struct ls_error *err)
{
    const bool by_key = touched && ls_compare_can_fetch(job, NULL);

    memset(ret, 0, sizeof *ret);
    if (all || !by_key) {
        *ret_scope = "all";
        return ls_compare(job, options, hooks, fn, ctx, ret, err);
    }
    *ret_scope = "touched";
    ret->path = "keys";
    if (options)
        memcpy(ret->seeds, options->seeds, sizeof ret->seeds);
    return verify_touched(job, touched, hooks, fn, ctx, ret, err);
}

/* ---- after undo ---- */

/* Order of whole records by key, for looking them up. */
static int order_records(const void *a, const void *b, void *ctx)
{
    const struct ls_whole *whole = ctx;
    const struct ls_value *l = *(const struct ls_value *const *)a;
    const struct ls_value *r = *(const struct ls_value *const *)b;

    for (size_t k = 0; k < whole->key_count; k++) {
        const size_t at = whole->key[k];
        const int c = ls_value_order(&l[at], &r[at], &whole->as[at]);

        if (c != 0)
            return c;
    }
    return 0;
}

static bool is_again(const struct ls_whole *whole, const struct ls_value *now,
                     const struct ls_value *before, struct ls_buf *scratch)
{
    struct ls_hash128 a, b;

    if (!now || !before)
        return !now && !before;
    a = ls_whole_hash(whole, now, scratch);
    b = ls_whole_hash(whole, before, scratch);
    return a.high == b.high && a.low == b.low;
}

/* Counts the entries whose record is not again what it was before. rows: what is there now. */
static enum ls_code count_different(const struct ls_whole *whole,
                                    const struct ls_journal_entry *entries, size_t count,
                                    const struct ls_rows *rows, struct ls_arena *mem,
                                    uint64_t *different, struct ls_error *err)
{
    const struct ls_value **sorted = ls_arena_array(mem, rows->count, sizeof *sorted);
    struct ls_value *probe = ls_arena_array(mem, whole->field_count, sizeof *probe);
    struct ls_buf scratch;
    struct ls_whole order = *whole;
    bool failed;

    if (!sorted || !probe)
        return ls_error_nomem(err);
    for (size_t r = 0; r < rows->count; r++)
        sorted[r] = ls_row(rows, r);
    qsort_r(sorted, rows->count, sizeof *sorted, order_records, &order);
    ls_buf_init(&scratch, 0);
    for (size_t i = 0; i < count; i++) {
        const struct ls_value *wanted = probe, *lower = NULL;
        size_t low = 0, high = rows->count;

        for (size_t k = 0; k < whole->key_count; k++)
            probe[whole->key[k]] = entries[i].key[k];
        while (low < high) {
            const size_t mid = low + (high - low) / 2;

            if (order_records(&sorted[mid], &wanted, &order) < 0)
                low = mid + 1;
            else
                high = mid;
        }
        if (low < rows->count && order_records(&sorted[low], &wanted, &order) == 0)
            lower = sorted[low];
        *different += !is_again(whole, lower, entries[i].before, &scratch);
    }
    failed = scratch.failed;
    ls_buf_done(&scratch);
    return failed ? ls_error_nomem(err) : LS_OK;
}

static enum ls_code check_entries(struct ls_store *store, const struct ls_whole *whole,
                                  const struct ls_journal_entry *entries, size_t count,
                                  struct ls_arena *mem, uint64_t *different, struct ls_error *err)
{
    const struct ls_scan scan = ls_whole_scan(whole);
    struct ls_value *keys = ls_arena_array(mem, count * whole->key_count, sizeof *keys);
    struct ls_rows rows = {0};
    enum ls_code rc;

    if (!keys)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        memcpy(keys + i * whole->key_count, entries[i].key, whole->key_count * sizeof *keys);
    rc = ls_store_fetch(store, &scan, count, keys, false, mem, &rows, err);
    if (rc == LS_OK)
        rc = count_different(whole, entries, count, &rows, mem, different, err);
    return rc;
}

/* A session for reading by key many times: the job's own, or one with a transaction, in which fetching is cheap. */
static enum ls_code open_fetcher(struct ls_job *job, struct ls_store **ret, struct ls_error *err)
{
    struct ls_store_options options = job->target.options;
    enum ls_code rc;

    *ret = job->target.store;
    if (ls_store_can(job->target.store, LS_CAP_FETCH))
        return LS_OK;
    options.writable = true;
    *ret = NULL;
    rc = ls_store_open(&job->target.url, &options, ret, err);
    return rc == LS_OK ? ls_store_begin(*ret, err) : rc;
}

/* Leaves out the entries that were taken back before; *number goes on by all of them. */
static size_t pass_over(const struct ls_taken *taken, struct ls_journal_entry *entries,
                        size_t count, uint64_t *number)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        if (!ls_taken_has(taken, ++*number))
            entries[n++] = entries[i];
    return n;
}

enum ls_code ls_verify_undo(struct ls_job *job, const struct ls_journal_source *source,
                            const struct ls_taken *taken, const struct ls_hooks *hooks,
                            uint64_t *ret_checked, uint64_t *ret_different, struct ls_error *err)
{
    uint64_t number = 0;
    struct ls_arena fixed, mem;
    struct ls_store *store = NULL;
    struct ls_whole *whole;
    enum ls_code rc;

    *ret_checked = *ret_different = 0;
    ls_arena_init(&fixed, 0);
    ls_arena_init(&mem, 0);
    whole = ls_whole_of(job, &fixed);
    rc = whole ? open_fetcher(job, &store, err) : ls_error_nomem(err);
    while (rc == LS_OK) {
        struct ls_journal_entry *entries = NULL;
        const void *blob = NULL;
        size_t size = 0, count = 0;

        rc = source->next(source->ctx, &mem, &blob, &size, err);
        if (rc != LS_OK || !blob)
            break;
        rc = ls_journal_decode(blob, size, whole, &mem, &entries, &count, err);
        count = rc == LS_OK ? pass_over(taken, entries, count, &number) : 0;
        if (count > 0)
            rc = check_entries(store, whole, entries, count, &mem, ret_different, err);
        *ret_checked += count;
        if (hooks && hooks->progress)
            hooks->progress(hooks->ctx, LS_PHASE_VERIFICATION, *ret_checked, 0);
        ls_arena_reset(&mem);
    }
    if (store != job->target.store)
        ls_store_close(store);
    ls_arena_done(&mem);
    ls_arena_done(&fixed);
    return rc;
}
