/* SPDX-License-Identifier: Apache-2.0 */
/* merge.c - walks along both sides in key order and tells where they differ.
 *
 * Two streams, both ascending by the same order and without duplicates (the readers see to both), need
 * one step each: the lesser key is on its own side only, equal keys are compared. Records whose hashes
 * differ are different; equal hashes are not believed, the values decide.
 *
 * Totals count every record met (of --only: that is meant), so that the sums are what a digest over the same
 * records gives.
 *
 * Knows nothing of where records come from, and keeps none. */
#include "engine/merge.h"

#include "base/clock.h"

#define PROGRESS_RECORDS 2048 /* between looks at the clock */
#define PROGRESS_US 250000    /* between calls of the hook */

struct walk {
    const struct ls_job *job;
    struct ls_side_reader *reader[2];
    struct ls_reader_record at[2];
    struct ls_value *key[2];
    struct ls_merge_totals *totals;
    const struct ls_hooks *hooks;
    uint64_t expected, met, since_look;
    int64_t told_us;
};

enum ls_status ls_pair_status(const struct ls_job *job, const struct ls_value *source,
                              const struct ls_value *target)
{
    if (!target)
        return LS_SOURCE_ONLY;
    if (!source)
        return ls_job_soft_deleted(job, target) ? LS_IN_SYNC : LS_TARGET_ONLY;
    return ls_values_equal(source, target, job->layout.as, job->layout.field_count)
               ? LS_IN_SYNC
               : LS_INCONSISTENT;
}

static enum ls_code step(struct walk *w, enum ls_side_name side, struct ls_error *err)
{
    enum ls_code rc = ls_side_reader_next(w->reader[side], &w->at[side], err);

    if (rc != LS_OK || !w->at[side].values)
        return rc;
    w->met++;
    w->since_look++;
    ls_layout_key(&w->job->layout, w->at[side].values, w->key[side]);
    return LS_OK;
}

/* Which side's key comes first: <0 the source's, 0 both have it. */
static int lesser(const struct walk *w)
{
    const struct ls_layout *layout = &w->job->layout;

    if (!w->at[LS_SIDE_SOURCE].values)
        return 1;
    if (!w->at[LS_SIDE_TARGET].values)
        return -1;
    return ls_values_order(w->key[LS_SIDE_SOURCE], w->key[LS_SIDE_TARGET], layout->key_as,
                           layout->key_count);
}

static void count(struct walk *w, enum ls_side_name side, const struct ls_reader_record *record)
{
    if (!record->values)
        return;
    w->totals->count[side]++;
    w->totals->digest[side] += record->hash;
}

static enum ls_code look(struct walk *w, int order, ls_pair_fn *fn, void *ctx, struct ls_error *err)
{
    const struct ls_reader_record none = {0};
    const struct ls_reader_record *source = order <= 0 ? &w->at[LS_SIDE_SOURCE] : &none;
    const struct ls_reader_record *target = order >= 0 ? &w->at[LS_SIDE_TARGET] : &none;
    enum ls_status status = LS_INCONSISTENT;
    bool settled;

    if (!ls_job_wants_pair(w->job, source->values, target->values))
        return LS_OK;
    if (order != 0 || source->hash == target->hash)
        status = ls_pair_status(w->job, source->values, target->values);
    settled = !w->totals->pairs_alone || (order == 0 && status == LS_IN_SYNC);
    if (settled) {
        count(w, LS_SIDE_SOURCE, source);
        count(w, LS_SIDE_TARGET, target);
    }
    if (settled && status == LS_IN_SYNC) {
        w->totals->in_sync++;
        return w->totals->every ? fn(ctx, status, source, target, err) : LS_OK;
    }
    return fn(ctx, status, source, target, err);
}

static enum ls_code tell(struct walk *w, struct ls_error *err)
{
    int64_t now;

    if (w->since_look < PROGRESS_RECORDS || !w->hooks)
        return LS_OK;
    w->since_look = 0;
    if (ls_cancel_wanted(w->hooks->cancel))
        return ls_error_set(err, LS_CANCELLED, "cancelled");
    now = ls_clock_monotonic_us();
    if (w->hooks->progress && now - w->told_us >= PROGRESS_US) {
        w->told_us = now;
        w->hooks->progress(w->hooks->ctx, LS_PHASE_DETECTION, w->met, w->expected);
    }
    return LS_OK;
}

static enum ls_code walk_on(struct walk *w, ls_pair_fn *fn, void *ctx, struct ls_error *err)
{
    enum ls_code rc = step(w, LS_SIDE_SOURCE, err);

    if (rc == LS_OK)
        rc = step(w, LS_SIDE_TARGET, err);
    while (rc == LS_OK && (w->at[LS_SIDE_SOURCE].values || w->at[LS_SIDE_TARGET].values)) {
        const int order = lesser(w);

        rc = look(w, order, fn, ctx, err);
        if (rc == LS_OK)
            rc = tell(w, err);
        if (rc == LS_OK && order <= 0)
            rc = step(w, LS_SIDE_SOURCE, err);
        if (rc == LS_OK && order >= 0)
            rc = step(w, LS_SIDE_TARGET, err);
    }
    return rc;
}

enum ls_code ls_merge(const struct ls_job *job, struct ls_side_reader *source,
                      struct ls_side_reader *target, uint64_t expected,
                      const struct ls_hooks *hooks, ls_pair_fn *fn, void *ctx,
                      struct ls_merge_totals *totals, struct ls_error *err)
{
    struct walk w = {.job = job,
                     .reader = {source, target},
                     .totals = totals,
                     .hooks = hooks,
                     .expected = expected,
                     .met = totals->count[LS_SIDE_SOURCE] + totals->count[LS_SIDE_TARGET]};
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < 2; i++)
        w.key[i] = ls_arena_array(&mem, job->layout.key_count, sizeof **w.key);
    rc = w.key[0] && w.key[1] ? walk_on(&w, fn, ctx, err) : ls_error_nomem(err);
    ls_arena_done(&mem);
    return rc;
}
