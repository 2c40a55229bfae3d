/* SPDX-License-Identifier: Apache-2.0 */
/* waits.h - which records of a batch wait for each other, because of unique values that move.
 *
 * A record that takes a unique value waits for the one that gives it up; records that hand values round in a circle
 * can only be written together. Pure. */
#ifndef LS_ENGINE_WAITS_H
#define LS_ENGINE_WAITS_H

#include "engine/journal.h"
#include "store/store.h"

/* Whole records (values by struct ls_whole); NULL: none before (an insert), none after (a delete). */
struct ls_waits_record {
    const struct ls_value *before, *after;
};

struct ls_waits {
    /* The records that have to give up a value before record i can take it: giver[first[i]] to giver[first[i + 1] - 1]. */
    const size_t *first; /* count + 1 */
    const size_t *giver;
    /* count: records that only go together have one number; by ascending numbers values are given up before they are taken. */
    const size_t *group;
};

/* In mem. Looks at the unique keys that the store enforces; a key with a NULL waits for nobody. told: what else is known of who
 * waits for whom, from ls_store_waits(). */
LS_MUST_CHECK enum ls_code ls_waits_find(const struct ls_whole *whole, size_t count,
                                         const struct ls_waits_record *records, size_t told_count,
                                         const struct ls_wait *told, struct ls_arena *mem,
                                         struct ls_waits *ret, struct ls_error *err);

#endif
