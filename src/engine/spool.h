/* SPDX-License-Identifier: Apache-2.0 */
/* spool.h - blobs in an unnamed temporary file, written once, then read in the order they came.
 *
 * What must not grow in memory with the tables goes through here: keys a run wrote, changes set
 * aside. One thread. */
#ifndef LS_ENGINE_SPOOL_H
#define LS_ENGINE_SPOOL_H

#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct ls_spool {
    FILE *f; /* NULL until the first add */
    uint64_t count;
};

/* Adds a blob. LS_FULL names TMPDIR. */
LS_MUST_CHECK enum ls_code ls_spool_add(struct ls_spool *spool, const struct ls_buf *blob,
                                        struct ls_error *err);
/* Back to the first. */
LS_MUST_CHECK enum ls_code ls_spool_rewind(struct ls_spool *spool, struct ls_error *err);
/* The next blob, in mem; *ret NULL at the end. */
LS_MUST_CHECK enum ls_code ls_spool_next(struct ls_spool *spool, struct ls_arena *mem, void **ret,
                                         size_t *ret_size, struct ls_error *err);
void ls_spool_done(struct ls_spool *spool); /* a zeroed one is fine, and is empty again after */

#endif
