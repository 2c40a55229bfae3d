/* SPDX-License-Identifier: Apache-2.0 */
/* compare_keys.c - comparing some records, asked for by their keys.
 *
 * The keys are brought into order, each once, and fetched from both sides in parts. What neither side has is not
 * counted: it has no status. Nothing is looked at a second time: whoever asks for single records
 * asks about this moment. */
#include "engine/compare_keys.h"

#include <stdlib.h>
#include <string.h>

#include "engine/lookup.h"
#include "engine/merge.h"
#include "engine/recheck.h"

struct by_keys {
    const struct ls_job *job;
    const struct ls_hooks *hooks;
    ls_difference_fn *fn;
    void *ctx;
    struct ls_compare_result *out;
    struct ls_lookup *lookups[2];
    bool sifts;                /* leaves out pairs that --only does not name */
    struct ls_arena mem, part; /* of all keys, and of the records of some */
};

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

static enum ls_code compare_found(struct by_keys *b, const struct ls_reader_record *source,
                                  const struct ls_reader_record *target, struct ls_error *err)
{
    struct ls_compare_result *out = b->out;
    const struct ls_value *s = source ? source->values : NULL, *t = target ? target->values : NULL;
    enum ls_status status;

    if ((!s && !t) || (b->sifts && !ls_job_wants_pair(b->job, s, t)))
        return LS_OK;
    if (s) {
        out->source_count++;
        out->source_digest += source->hash;
    }
    if (t) {
        out->target_count++;
        out->target_digest += target->hash;
    }
    out->total++;
    status = ls_pair_status(b->job, s, t);
    if (status != LS_IN_SYNC)
        return ls_report_difference(b->job, status, s, t, b->fn, b->ctx, out->count, err);
    out->count[LS_IN_SYNC]++;
    return LS_OK;
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

enum ls_code ls_compare_some_keys(const struct ls_job *job, size_t key_count,
                                  const struct ls_value *keys, bool sifts,
                                  const struct ls_hooks *hooks, ls_difference_fn *fn, void *ctx,
                                  struct ls_compare_result *ret, struct ls_error *err)
{
    struct by_keys b = {
        .job = job, .hooks = hooks, .fn = fn, .ctx = ctx, .out = ret, .sifts = sifts};
    struct ls_value *sorted = NULL;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&b.mem, 0);
    ls_arena_init(&b.part, 0);
    rc = sort_keys(&b, key_count, keys, &sorted, &count, err);
    for (unsigned side = 0; side < 2 && rc == LS_OK; side++)
        rc = ls_lookup_open(job, (enum ls_side_name)side, ret->seeds, &b.lookups[side], err);
    for (size_t at = 0; at < count && rc == LS_OK; at += LS_LOOKUP_KEYS) {
        const size_t some = count - at < LS_LOOKUP_KEYS ? count - at : LS_LOOKUP_KEYS;

        rc = compare_part(&b, some, sorted + at * job->layout.key_count, err);
    }
    ls_lookup_close(b.lookups[LS_SIDE_TARGET]);
    ls_lookup_close(b.lookups[LS_SIDE_SOURCE]);
    ls_arena_done(&b.part);
    ls_arena_done(&b.mem);
    return rc;
}
