/* SPDX-License-Identifier: Apache-2.0 */
/* compare.h - which records differ between the two sides of a job.
 *
 * Three paths, chosen by what the sides can do, never by what they are:
 *   digest  both sides hash alike (equal families): segment digests first, only segments that differ are read
 *   merge   both sides read in key order at the same time, each in its own thread
 *   merge with sort  a side without order is sorted externally in TMPDIR before
 *   keys    some records alone (--only), by their keys, which are given or which a store finds by other fields
 * Differences are looked at a second time after a moment; what changed meanwhile is `moving`. */
#ifndef LS_ENGINE_COMPARE_H
#define LS_ENGINE_COMPARE_H

#include "engine/job.h"

struct ls_compare_options {
    bool force_merge;     /* neither digest nor look anything up (--full, tests) */
    bool no_recheck;      /* do not look again */
    bool every;           /* hand out what is in sync too, in key order; reads all of both sides */
    int recheck_delay_ms; /* 0: 300 */
    uint64_t recheck_max; /* differences looked at again at most; 0: 100 000 */
    uint64_t found_max;   /* records of --only fetched one by one at most; 0: by the sides' size */
    uint64_t seeds[2];    /* of hashes; 0: random */
};

/* One difference. Records are layout values, borrowed until the callback returns. */
struct ls_difference {
    enum ls_status status; /* IN_SYNC (every), SOURCE_ONLY, TARGET_ONLY, INCONSISTENT, MOVING */
    const struct ls_value *key;
    const struct ls_value *source, *target; /* NULL when that side has none */
    const uint8_t *differs; /* field_count flags; NULL unless INCONSISTENT or MOVING with both */
};
/* In key order on the merge path; in segments on the digest path. Anything but LS_OK ends the compare with it. */
typedef enum ls_code ls_difference_fn(void *ctx, const struct ls_difference *difference,
                                      struct ls_error *err);

struct ls_compare_result {
    uint64_t source_count, target_count; /* records looked at (filters applied) */
    uint64_t count[LS_STATUS_COUNT];     /* distinct keys by status */
    uint64_t total;                      /* distinct keys of both sides */
    /* Order-free sums over all records looked at; the same algorithm on both sides. */
    uint64_t source_digest, target_digest;
    uint64_t seeds[2];
    /* "digest", "merge", or "keys": --only names whole keys, or what a store finds, and both sides fetch by key. */
    const char *path;
    char family[200];                         /* how records were hashed: digest family */
    char explain[1000];                       /* sentences: which path and why */
    int64_t source_as_of_us, target_as_of_us; /* when each side's reading began */
    /* Where each store stood then (ls_store_position()): a log position and a snapshot; "" where the kind has none. */
    char source_position[128], target_position[128];
};

/* Compares. fn may be NULL (status: only counts; the digest path still finds out which records differ, to count them).
 * Errors: of the stores; LS_DATA for duplicate keys or a NULL in a key, naming side and key field; LS_CANCELLED. */
LS_MUST_CHECK enum ls_code ls_compare(struct ls_job *job, const struct ls_compare_options *options,
                                      const struct ls_hooks *hooks, ls_difference_fn *fn, void *ctx,
                                      struct ls_compare_result *ret, struct ls_error *err);

/* Which path a compare would take and why, without reading. In result->path and ->explain. */
LS_MUST_CHECK enum ls_code ls_compare_explain(struct ls_job *job,
                                              const struct ls_compare_options *options,
                                              struct ls_compare_result *ret, struct ls_error *err);

/* Whether ls_compare_keys() works for this job; else *ret_why (may be NULL) says why not. */
bool ls_compare_can_fetch(const struct ls_job *job, const char **ret_why);

/* Reads the records of these keys (key_count keys of layout->key_count values, as the target has them) on both sides and compares
 * them: for verify and for looking again. Filters apply. fn gets every difference, in key order. result: counts and digests over these keys
 * alone. Seeds that are set in *ret are used, so that sums of several calls add up (0: random).
 * A key given twice counts once. LS_UNSUPPORTED where ls_compare_can_fetch() is false. */
LS_MUST_CHECK enum ls_code ls_compare_keys(struct ls_job *job, size_t key_count,
                                           const struct ls_value *keys,
                                           const struct ls_hooks *hooks, ls_difference_fn *fn,
                                           void *ctx, struct ls_compare_result *ret,
                                           struct ls_error *err);

#endif
