/* SPDX-License-Identifier: Apache-2.0 */
/* compare_keys.h - comparing some records, asked for by their keys. */
#ifndef LS_ENGINE_COMPARE_KEYS_H
#define LS_ENGINE_COMPARE_KEYS_H

#include "engine/compare.h"

/* ls_compare_keys() without its preparations: ret has its seeds, and zeros for what is counted. sifts: pairs that --only
 * does not name are left out; false for what was written, which need not meet it any more. */
LS_MUST_CHECK enum ls_code ls_compare_some_keys(const struct ls_job *job, size_t key_count,
                                                const struct ls_value *keys, bool sifts,
                                                const struct ls_hooks *hooks, ls_difference_fn *fn,
                                                void *ctx, struct ls_compare_result *ret,
                                                struct ls_error *err);

#endif
