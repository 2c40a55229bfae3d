/* SPDX-License-Identifier: Apache-2.0 */
/* merge.h - walks along both sides in key order and tells where they differ. */
#ifndef LS_ENGINE_MERGE_H
#define LS_ENGINE_MERGE_H

#include "engine/reader.h"

/* What a walk met. Sides are indexed by enum ls_side_name. */
struct ls_merge_totals {
    uint64_t count[2];  /* records */
    uint64_t digest[2]; /* order-free sums of their hashes */
    uint64_t in_sync;   /* keys */
    /* Set by the caller: the sides leave records out, so only a pair that is in sync is settled. fn gets all others, those that
     * one side alone has too, whatever their status, and they are not counted: who looks them up does. */
    bool pairs_alone;
    bool every; /* set by the caller: fn gets what is in sync as well */
};

/* One key on which the sides differ; values NULL where a side has none. Borrowed until the function returns. */
typedef enum ls_code ls_pair_fn(void *ctx, enum ls_status status,
                                const struct ls_reader_record *source,
                                const struct ls_reader_record *target, struct ls_error *err);

/* The status of a key: either may be NULL, not both. A record of the target alone that is marked as deleted is in sync. */
enum ls_status ls_pair_status(const struct ls_job *job, const struct ls_value *source,
                              const struct ls_value *target);

/* Walks to the end of both; fn gets every difference in key order. totals are added to. expected: records of both sides
 * together, for progress (0: not known). */
LS_MUST_CHECK enum ls_code ls_merge(const struct ls_job *job, struct ls_side_reader *source,
                                    struct ls_side_reader *target, uint64_t expected,
                                    const struct ls_hooks *hooks, ls_pair_fn *fn, void *ctx,
                                    struct ls_merge_totals *totals, struct ls_error *err);

#endif
