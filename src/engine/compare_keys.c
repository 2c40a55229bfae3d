/* SPDX-License-Identifier: Apache-2.0 */
/* compare_keys.c - comparing some records, asked for by their keys.
 *
 * The keys are in order, each once, and fetched from both sides in parts. What neither side has is not
 * counted: it has no status. Of keys that are given nothing is looked at a second time: whoever asks for single records
 * asks about this moment.
 *
 * Keys of which nobody knows how many there will be (those that --only leads to) wait in a temporary file. */
#include "engine/compare_keys.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/lookup.h"
#include "engine/merge.h"
#include "engine/recheck.h"
#include "model/json.h"

struct by_keys {
    const struct ls_job *job;
    const struct ls_hooks *hooks;
    ls_pair_fn *fn;
    void *ctx;
    struct ls_merge_totals *totals;
    struct ls_lookup *lookups[2];
    bool sifts;                /* leaves out pairs that --only does not name */
    struct ls_arena mem, part; /* of keys, and of the records of some */
};

static enum ls_code open_keys(struct by_keys *b, const uint64_t seeds[2], struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    ls_arena_init(&b->mem, 0);
    ls_arena_init(&b->part, 0);
    for (unsigned side = 0; side < 2 && rc == LS_OK; side++)
        rc = ls_lookup_open(b->job, (enum ls_side_name)side, seeds, &b->lookups[side], err);
    return rc;
}

static void close_keys(struct by_keys *b)
{
    ls_lookup_close(b->lookups[LS_SIDE_TARGET]);
    ls_lookup_close(b->lookups[LS_SIDE_SOURCE]);
    ls_arena_done(&b->part);
    ls_arena_done(&b->mem);
}

static int order_keys(const void *a, const void *b, void *ctx)
{
    const struct ls_layout *layout = ctx;
    const struct ls_value *const *x = a, *const *y = b;

    return ls_values_order(*x, *y, layout->key_as, layout->key_count);
}

/* The keys in order, each once, one after the other. */
static enum ls_code sort_keys(struct by_keys *b, size_t count, const struct ls_value *keys,
                              struct ls_value **ret, size_t *ret_count, struct ls_error *err)
{
    struct ls_layout layout = b->job->layout;
    const struct ls_value **refs = ls_arena_array(&b->mem, count, sizeof *refs);
    struct ls_value *out = ls_arena_array(&b->mem, count * layout.key_count, sizeof *out);
    size_t kept = 0;

    if (!refs || !out)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        refs[i] = keys + i * layout.key_count;
    if (count > 1)
        qsort_r(refs, count, sizeof *refs, order_keys, &layout);
    for (size_t i = 0; i < count; i++) {
        if (i && order_keys(&refs[i - 1], &refs[i], &layout) == 0)
            continue;
        memcpy(out + kept * layout.key_count, refs[i], layout.key_count * sizeof *out);
        kept++;
    }
    *ret = out;
    *ret_count = kept;
    return LS_OK;
}

static void count(struct by_keys *b, enum ls_side_name side, const struct ls_reader_record *record)
{
    if (!record->values)
        return;
    b->totals->count[side]++;
    b->totals->digest[side] += record->hash;
}

static enum ls_code compare_found(struct by_keys *b, const struct ls_reader_record *source,
                                  const struct ls_reader_record *target, struct ls_error *err)
{
    const struct ls_reader_record none = {0};
    const struct ls_reader_record *s = source ? source : &none, *t = target ? target : &none;
    enum ls_status status;

    if ((!source && !target) || (b->sifts && !ls_job_wants_pair(b->job, s->values, t->values)))
        return LS_OK;
    count(b, LS_SIDE_SOURCE, s);
    count(b, LS_SIDE_TARGET, t);
    status = ls_pair_status(b->job, s->values, t->values);
    b->totals->in_sync += status == LS_IN_SYNC;
    return status != LS_IN_SYNC || b->totals->every ? b->fn(b->ctx, status, s, t, err) : LS_OK;
}

static enum ls_code compare_part(struct by_keys *b, size_t count, const struct ls_value *keys,
                                 struct ls_error *err)
{
    const struct ls_layout *layout = &b->job->layout;
    struct ls_reader_record *found[2] = {NULL, NULL};
    size_t found_count[2] = {0, 0};
    enum ls_code rc = LS_OK;

    if (b->hooks && ls_cancel_wanted(b->hooks->cancel))
        return ls_error_set(err, LS_CANCELLED, "cancelled");
    ls_arena_reset(&b->part);
    for (size_t side = 0; side < 2 && rc == LS_OK; side++)
        rc = ls_lookup_keys(b->lookups[side], count, keys, &b->part, &found[side],
                            &found_count[side], err);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        const struct ls_value *key = keys + i * layout->key_count;

        rc = compare_found(b, ls_lookup_find(layout, found[0], found_count[0], key),
                           ls_lookup_find(layout, found[1], found_count[1], key), err);
    }
    return rc;
}

/* Where differences go without being looked at a second time. */
struct report {
    const struct ls_job *job;
    ls_difference_fn *fn;
    void *ctx;
    uint64_t *count;
};

static enum ls_code report_pair(void *ctx, enum ls_status status,
                                const struct ls_reader_record *source,
                                const struct ls_reader_record *target, struct ls_error *err)
{
    const struct report *r = ctx;

    return ls_report_difference(r->job, status, source->values, target->values, r->fn, r->ctx,
                                r->count, err);
}

enum ls_code ls_compare_some_keys(const struct ls_job *job, size_t key_count,
                                  const struct ls_value *keys, bool sifts, bool every,
                                  const struct ls_hooks *hooks, ls_difference_fn *fn, void *ctx,
                                  struct ls_compare_result *ret, struct ls_error *err)
{
    struct ls_merge_totals totals = {.every = every};
    struct report report = {.job = job, .fn = fn, .ctx = ctx, .count = ret->count};
    struct by_keys b = {.job = job,
                        .hooks = hooks,
                        .fn = report_pair,
                        .ctx = &report,
                        .totals = &totals,
                        .sifts = sifts};
    struct ls_value *sorted = NULL;
    size_t count = 0;
    enum ls_code rc = open_keys(&b, ret->seeds, err);

    if (rc == LS_OK)
        rc = sort_keys(&b, key_count, keys, &sorted, &count, err);
    for (size_t at = 0; at < count && rc == LS_OK; at += LS_LOOKUP_KEYS) {
        const size_t some = count - at < LS_LOOKUP_KEYS ? count - at : LS_LOOKUP_KEYS;

        rc = compare_part(&b, some, sorted + at * job->layout.key_count, err);
    }
    close_keys(&b);
    ret->source_count = totals.count[LS_SIDE_SOURCE];
    ret->target_count = totals.count[LS_SIDE_TARGET];
    ret->source_digest = totals.digest[LS_SIDE_SOURCE];
    ret->target_digest = totals.digest[LS_SIDE_TARGET];
    ret->count[LS_IN_SYNC] = totals.in_sync;
    for (size_t i = 0; i < LS_STATUS_COUNT; i++)
        ret->total += ret->count[i];
    return rc;
}

/* ---- keys that wait in a file ---- */

enum ls_code ls_compare_keep_key(void *kept, enum ls_status status,
                                 const struct ls_reader_record *source,
                                 const struct ls_reader_record *target, struct ls_error *err)
{
    struct ls_kept_keys *k = kept;
    const struct ls_layout *layout = &k->job->layout;
    const struct ls_value *values = target->values ? target->values : source->values;

    (void)status;
    k->full = k->spool.count >= k->most;
    if (k->full)
        return ls_error_set(err, LS_FULL, "more than %" PRIu64 " keys", k->most);
    ls_buf_reset(&k->blob);
    for (size_t i = 0; i < layout->key_count; i++)
        ls_values_encode(&k->blob, &values[layout->key[i]], 1);
    return ls_spool_add(&k->spool, &k->blob, err);
}

void ls_kept_keys_done(struct ls_kept_keys *kept)
{
    ls_spool_done(&kept->spool);
    ls_buf_done(&kept->blob);
}

/* The next keys, in b->mem; *ret_count 0 at the end. */
static enum ls_code next_keys(struct by_keys *b, struct ls_kept_keys *kept, struct ls_value **ret,
                              size_t *ret_count, struct ls_error *err)
{
    const size_t width = b->job->layout.key_count;
    struct ls_value *keys;
    enum ls_code rc = LS_OK;
    size_t count = 0;

    ls_arena_reset(&b->mem);
    keys = ls_arena_array(&b->mem, LS_LOOKUP_KEYS * width, sizeof *keys);
    if (!keys)
        return ls_error_nomem(err);
    while (count < LS_LOOKUP_KEYS) {
        struct ls_reader in;
        void *blob = NULL;
        size_t size = 0;

        rc = ls_spool_next(&kept->spool, &b->mem, &blob, &size, err);
        if (rc != LS_OK || !blob)
            break;
        ls_reader_init(&in, blob, size);
        for (size_t i = 0; i < width; i++)
            if (!ls_values_decode(&in, &b->mem, &keys[count * width + i], 1))
                return ls_error_nomem(err);
        count++;
    }
    *ret = keys;
    *ret_count = count;
    return rc;
}

enum ls_code ls_compare_kept_keys(struct ls_kept_keys *kept, const uint64_t seeds[2],
                                  const struct ls_hooks *hooks, ls_pair_fn *fn, void *ctx,
                                  struct ls_merge_totals *totals, struct ls_error *err)
{
    struct by_keys b = {
        .job = kept->job, .hooks = hooks, .fn = fn, .ctx = ctx, .totals = totals, .sifts = true};
    struct ls_value *keys = NULL;
    size_t count = 1;
    enum ls_code rc;

    if (!kept->spool.count)
        return LS_OK;
    rc = open_keys(&b, seeds, err);
    if (rc == LS_OK)
        rc = ls_spool_rewind(&kept->spool, err);
    while (rc == LS_OK && count) {
        rc = next_keys(&b, kept, &keys, &count, err);
        if (rc == LS_OK && count)
            rc = compare_part(&b, count, keys, err);
    }
    close_keys(&b);
    return rc;
}
