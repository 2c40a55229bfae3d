/* SPDX-License-Identifier: Apache-2.0 */
/* reader.h - one side's records in key order, read ahead by a thread of its own.
 *
 * The thread uses the side's own session; nobody else may use it between open and close. It scans, filters, maps, hashes and, where
 * the store has no order, sorts; it checks that keys are not NULL and occur once. */
#ifndef LS_ENGINE_READER_H
#define LS_ENGINE_READER_H

#include "engine/mapping.h"

struct ls_side_reader;

/* Where the order comes from. */
enum ls_reader_order {
    LS_READER_ASK,    /* from the store if it can, which asking may cost it a pass over the keys */
    LS_READER_SCAN,   /* from the store: it was asked before */
    LS_READER_SORTED, /* from a sort here, although the store could */
};

struct ls_reader_options {
    const struct ls_partition *partition; /* NULL: all; must outlive the reader */
    enum ls_reader_order order;
    uint64_t seeds[2];   /* of the record hashes */
    size_t sought_count; /* what the store may leave out: ls_scan.sought; must outlive the reader */
    const struct ls_sought *sought;
    const struct ls_cancel *cancel;
    size_t sort_budget_bytes; /* 0: the default */
};

/* One record of the layout; values NULL at the end. */
struct ls_reader_record {
    const struct ls_value *values;
    uint64_t hash;
};

LS_MUST_CHECK enum ls_code ls_side_reader_open(const struct ls_job *job, enum ls_side_name side,
                                               const struct ls_reader_options *options,
                                               struct ls_side_reader **ret, struct ls_error *err);
/* The next record, valid until the next call. Errors of the side, with its name in front: those of the store, LS_DATA for a NULL in a key or a key that
 * occurs twice, LS_CANCELLED. */
LS_MUST_CHECK enum ls_code ls_side_reader_next(struct ls_side_reader *reader,
                                               struct ls_reader_record *ret, struct ls_error *err);
/* Stops the thread, whatever it is doing, and joins it. NULL is fine. */
void ls_side_reader_close(struct ls_side_reader *reader);

/* The scan of a side: all that is read of it, by key, with its filter. as lives in mem. */
LS_MUST_CHECK enum ls_code ls_side_scan(const struct ls_job *job, enum ls_side_name side,
                                        struct ls_arena *mem, struct ls_scan *ret,
                                        struct ls_error *err);
/* Whether records of a side would be sorted here; *ret_why (may be NULL) says why, in words. */
bool ls_side_sorts(const struct ls_job *job, enum ls_side_name side, const char **ret_why);

/* LS_DATA unless `key` is not NULL anywhere and comes behind `before` (NULL: none). */
LS_MUST_CHECK enum ls_code ls_job_check_key(const struct ls_job *job, enum ls_side_name side,
                                            const struct ls_value *before,
                                            const struct ls_value *key, struct ls_error *err);

#endif
