/* SPDX-License-Identifier: Apache-2.0 */
/* compare_path.h - which path a compare takes, and why. */
#ifndef LS_ENGINE_COMPARE_PATH_H
#define LS_ENGINE_COMPARE_PATH_H

#include "engine/compare.h"
#include "engine/sought.h"

enum ls_compare_path {
    LS_PATH_MERGE,
    LS_PATH_DIGEST,
    LS_PATH_KEYS,
    LS_PATH_FOUND, /* like it, of keys that a store finds by other fields */
};

/* How a compare is done, and why. */
struct ls_compare_choice {
    const struct ls_job *job;
    const struct ls_compare_options *options;
    struct ls_arena *mem;
    enum ls_compare_path path;
    bool pushed;                     /* LS_PATH_DIGEST: done by the stores, where the data is */
    bool sorts[2];                   /* LS_PATH_MERGE, _FOUND: the side is sorted here */
    struct ls_side_sought sought[2]; /* LS_PATH_FOUND: what the sides look for */
    const char *unsought;            /* why they were not asked, where --only would like it */
    const char *why_sorted[2];
    const char *why, *family[2];
    struct ls_error refusal; /* of a store that cannot digest this scan */
};

/* Asks the stores what they can do; reads nothing but what a store needs to know whether it can give an order. */
void ls_compare_choose(const struct ls_job *job, const struct ls_compare_options *options,
                       struct ls_arena *mem, struct ls_compare_choice *c);
/* Finding leads to more than is worth fetching: both sides are read after all. */
void ls_compare_choose_merge(struct ls_compare_choice *c);
/* Puts path, family and reason into the result. */
void ls_compare_say_choice(const struct ls_compare_choice *c, struct ls_compare_result *ret);
void ls_compare_set_family(const struct ls_compare_choice *c, struct ls_compare_result *ret);
/* Appends to result->explain, as far as there is room. */
void ls_compare_say(struct ls_compare_result *ret, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
