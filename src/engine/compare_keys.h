/* SPDX-License-Identifier: Apache-2.0 */
/* compare_keys.h - comparing some records, asked for by their keys. */
#ifndef LS_ENGINE_COMPARE_KEYS_H
#define LS_ENGINE_COMPARE_KEYS_H

#include "engine/compare.h"
#include "engine/merge.h"
#include "engine/spool.h"

/* ls_compare_keys() without its preparations: ret has its seeds, and zeros for what is counted. sifts: pairs that --only
 * does not name are left out; false for what was written, which need not meet it any more. every: fn gets what is in sync as well. */
LS_MUST_CHECK enum ls_code ls_compare_some_keys(const struct ls_job *job, size_t key_count,
                                                const struct ls_value *keys, bool sifts, bool every,
                                                const struct ls_hooks *hooks, ls_difference_fn *fn,
                                                void *ctx, struct ls_compare_result *ret,
                                                struct ls_error *err);

/* Keys of pairs, in order, each once. Zeroed but for job and most. */
struct ls_kept_keys {
    const struct ls_job *job;
    uint64_t most; /* keys */
    bool full;
    struct ls_spool spool;
    struct ls_buf blob;
};
/* Keeps the key of a pair: a ls_pair_fn whose ctx is the kept keys. LS_FULL, and full is set, when there are more. */
LS_MUST_CHECK enum ls_code ls_compare_keep_key(void *kept, enum ls_status status,
                                               const struct ls_reader_record *source,
                                               const struct ls_reader_record *target,
                                               struct ls_error *err);
/* Fetches the pairs of these keys from both sides; fn gets the differences among those that --only names. totals are added to. */
LS_MUST_CHECK enum ls_code ls_compare_kept_keys(struct ls_kept_keys *kept, const uint64_t seeds[2],
                                                const struct ls_hooks *hooks, ls_pair_fn *fn,
                                                void *ctx, struct ls_merge_totals *totals,
                                                struct ls_error *err);
void ls_kept_keys_done(struct ls_kept_keys *kept);

#endif
