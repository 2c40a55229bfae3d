/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.h - one side's records by key, as the layout has them, filters applied.
 *
 * Uses the side's own session; the thread that calls. */
#ifndef LS_ENGINE_LOOKUP_H
#define LS_ENGINE_LOOKUP_H

#include "engine/reader.h"

#define LS_LOOKUP_KEYS 500 /* keys asked for at once */

struct ls_lookup;

LS_MUST_CHECK enum ls_code ls_lookup_open(const struct ls_job *job, enum ls_side_name side,
                                          const uint64_t seeds[2], struct ls_lookup **ret,
                                          struct ls_error *err);
void ls_lookup_close(struct ls_lookup *lookup);
/* The records that exist and meet the side's filters, sorted by key, in mem. keys: layout key values one after
 * the other, as the target has them. LS_DATA when two records have one key. */
LS_MUST_CHECK enum ls_code ls_lookup_keys(struct ls_lookup *lookup, size_t key_count,
                                          const struct ls_value *keys, struct ls_arena *mem,
                                          struct ls_reader_record **ret, size_t *ret_count,
                                          struct ls_error *err);
/* The record with this key, or NULL. */
const struct ls_reader_record *ls_lookup_find(const struct ls_layout *layout,
                                              const struct ls_reader_record *records, size_t count,
                                              const struct ls_value *key);

#endif
