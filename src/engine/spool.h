/* SPDX-License-Identifier: Apache-2.0 */
/* spool.h - blobs in an unnamed temporary file, written once, then read in the order they came, or backwards.
 *
 * What must not grow in memory with the tables goes through here: keys a run wrote, changes set
 * aside. One thread. */
#ifndef LS_ENGINE_SPOOL_H
#define LS_ENGINE_SPOOL_H

#include <stdio.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct ls_spool {
    FILE *f; /* NULL until the first add */
    uint64_t count, bytes;
    uint64_t left; /* to be read */
    bool backwards;
    off_t at; /* of the next blob's end, when read backwards */
};

/* Adds a blob. LS_FULL names TMPDIR. Not once reading has begun. */
LS_MUST_CHECK enum ls_code ls_spool_add(struct ls_spool *spool, const struct ls_buf *blob,
                                        struct ls_error *err);
/* Begins reading at the first blob. */
LS_MUST_CHECK enum ls_code ls_spool_rewind(struct ls_spool *spool, struct ls_error *err);
/* Begins reading at the last blob, going back. */
LS_MUST_CHECK enum ls_code ls_spool_rewind_back(struct ls_spool *spool, struct ls_error *err);
/* The next blob, in mem; *ret NULL at the end. LS_IO when the file is not as it was written. */
LS_MUST_CHECK enum ls_code ls_spool_next(struct ls_spool *spool, struct ls_arena *mem, void **ret,
                                         size_t *ret_size, struct ls_error *err);
void ls_spool_done(struct ls_spool *spool); /* a zeroed one is fine, and is empty again after */

#endif
