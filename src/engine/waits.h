/* SPDX-License-Identifier: Apache-2.0 */
/* waits.h - which records of a batch wait for each other, because of unique values that move.
 *
 * A record that takes a unique value waits for the one that gives it up; records that hand values round in a circle
 * can only be written together. Pure. */
#ifndef LS_ENGINE_WAITS_H
#define LS_ENGINE_WAITS_H

#include "engine/journal.h"

#define LS_WAITS_NONE ((size_t)-1)

/* Whole records (values by struct ls_whole); NULL: none before (an insert), none after (a delete). */
struct ls_waits_record {
    const struct ls_value *before, *after;
};

struct ls_waits {
    size_t width; /* unique keys that were looked at */
    const size_t
        *giver; /* count * width: the record that has to give up a value first, or LS_WAITS_NONE */
    /* count: records that only go together have one number; by ascending numbers values are given up before they are taken. */
    const size_t *group;
};

/* In mem. Looks at the unique keys that the store enforces; a key with a NULL waits for nobody. */
LS_MUST_CHECK enum ls_code ls_waits_find(const struct ls_whole *whole, size_t count,
                                         const struct ls_waits_record *records,
                                         struct ls_arena *mem, struct ls_waits *ret,
                                         struct ls_error *err);

#endif
