/* SPDX-License-Identifier: Apache-2.0 */
/* recheck.h - differences wait here until they have been looked at a second time. */
#ifndef LS_ENGINE_RECHECK_H
#define LS_ENGINE_RECHECK_H

#include "engine/compare.h"
#include "engine/merge.h"

struct ls_recheck;

/* possible: both sides fetch by key; else every difference goes straight on to fn. count: by status, added to as
 * differences are reported. options: with the defaults filled in. */
LS_MUST_CHECK enum ls_code ls_recheck_open(const struct ls_job *job,
                                           const struct ls_compare_options *options, bool possible,
                                           ls_difference_fn *fn, void *ctx, uint64_t *count,
                                           struct ls_recheck **ret, struct ls_error *err);
void ls_recheck_close(struct ls_recheck *recheck);
/* One difference of the first look: a ls_pair_fn whose ctx is the recheck. */
LS_MUST_CHECK enum ls_code ls_recheck_add(void *recheck, enum ls_status status,
                                          const struct ls_reader_record *source,
                                          const struct ls_reader_record *target,
                                          struct ls_error *err);
/* After the first look: waits, looks again, reports. Nothing waits when nothing differs. */
LS_MUST_CHECK enum ls_code ls_recheck_finish(struct ls_recheck *recheck,
                                             const struct ls_hooks *hooks, struct ls_error *err);
/* What was done, in words, for explain. Static text. */
const char *ls_recheck_outcome(const struct ls_recheck *recheck);

/* Calls fn (may be NULL) with a difference and counts it. */
LS_MUST_CHECK enum ls_code ls_report_difference(const struct ls_job *job, enum ls_status status,
                                                const struct ls_value *source,
                                                const struct ls_value *target, ls_difference_fn *fn,
                                                void *ctx, uint64_t *count, struct ls_error *err);

#endif
