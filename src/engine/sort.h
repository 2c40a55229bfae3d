/* SPDX-License-Identifier: Apache-2.0 */
/* sort.h - brings records of a layout into key order, with bounded memory.
 *
 * Add all, finish, then take them in order. What does not fit the budget waits in an unnamed file in TMPDIR.
 * One thread. */
#ifndef LS_ENGINE_SORT_H
#define LS_ENGINE_SORT_H

#include "model/record.h"

struct ls_sorter;

/* 0: the default of each. */
struct ls_sort_limits {
    size_t budget_bytes; /* of records in memory; 8 MiB */
    size_t fan_in;       /* runs merged at once; 128 */
};

/* layout must outlive the sorter; limits may be NULL. */
LS_MUST_CHECK enum ls_code ls_sorter_open(const struct ls_layout *layout,
                                          const struct ls_sort_limits *limits,
                                          struct ls_sorter **ret, struct ls_error *err);
void ls_sorter_close(struct ls_sorter *sorter);
/* Copies the record and its hash. LS_FULL names TMPDIR. */
LS_MUST_CHECK enum ls_code ls_sorter_add(struct ls_sorter *sorter, const struct ls_value *record,
                                         uint64_t hash, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_sorter_finish(struct ls_sorter *sorter, struct ls_error *err);
/* The next record in key order (equal keys in no order), its data in mem, into record[layout->field_count]; *ret_any false at the end. */
LS_MUST_CHECK enum ls_code ls_sorter_next(struct ls_sorter *sorter, struct ls_arena *mem,
                                          struct ls_value *record, uint64_t *ret_hash,
                                          bool *ret_any, struct ls_error *err);
/* Bytes written to TMPDIR so far. */
uint64_t ls_sorter_spilled_bytes(const struct ls_sorter *sorter);

#endif
