/* SPDX-License-Identifier: Apache-2.0 */
/* plan.h - the changes that would make the target match: kept for a sync itself, or as a file.
 *
 * The file is JSON Lines: a header {"lockstep":"plan","format":1,"sync",...,"counts":{...}}, one line for each change
 * {"op":"update","key":{...},"before":{...},"after":{...}}, a closing line {"end":N,"sha256":"..."} over all lines before it.
 * The digest guards against accident, not against a forger. 0600. docs/plan-format.md */
#ifndef LS_ENGINE_PLAN_H
#define LS_ENGINE_PLAN_H

#include <stdio.h>

#include "engine/compare.h"

struct ls_plan_counts {
    uint64_t inserts, updates, deletes;
    uint64_t soft;      /* of the updates: records that are marked as deleted */
    uint64_t kept;      /* deletes that the policy leaves undone */
    uint64_t unchanged; /* in sync */
    uint64_t moving;
    uint64_t source_count, target_count;
};

/* Compares and writes the plan to a file that replaces path in one step (LS_DELETES_* decide about target-only records). */
LS_MUST_CHECK enum ls_code
ls_plan_save(struct ls_job *job, const struct ls_compare_options *options,
             const struct ls_hooks *hooks, const char *path, struct ls_plan_counts *ret_counts,
             struct ls_compare_result *ret_compare, struct ls_error *err);

struct ls_plan; /* an open plan, read from the start; job must outlive it */
/* The same for a sync that applies it at once: the changes wait in an unnamed temporary file. */
LS_MUST_CHECK enum ls_code ls_plan_make(struct ls_job *job,
                                        const struct ls_compare_options *options,
                                        const struct ls_hooks *hooks, struct ls_plan **ret,
                                        struct ls_compare_result *ret_compare,
                                        struct ls_error *err);
/* Opens a file after checking its header and the digest of all of it: LS_CORRUPT (changed or cut), LS_VERSION, LS_CHANGED (the sync,
 * its sides or schemas are no longer what the plan was made for; says which). f is owned from now on. */
LS_MUST_CHECK enum ls_code ls_plan_open(struct ls_job *job, FILE *f, const char *shown_path,
                                        struct ls_plan **ret, struct ls_error *err);
void ls_plan_close(struct ls_plan *plan);
const struct ls_plan_counts *ls_plan_counts(const struct ls_plan *plan);
/* Up to max changes, in mem; *ret_count 0 at the end. max_bytes: of memory at about which it ends earlier; 0: 4 MiB. */
LS_MUST_CHECK enum ls_code ls_plan_next(struct ls_plan *plan, size_t max, size_t max_bytes,
                                        struct ls_arena *mem, struct ls_change **ret,
                                        size_t *ret_count, struct ls_error *err);
/* What the header says of the sync, without a job: for `apply FILE`. Strings in mem. */
struct ls_plan_header {
    const char *sync, *source, *target; /* name, identities with #collection */
    const char *
        config_json; /* what is needed to open the job again: URLs without passwords, collections, key, fields, filters */
    struct ls_plan_counts counts;
    const char *made_at;           /* UTC, RFC 3339 */
    const char *job, *fingerprint; /* ls_job.digest and .fingerprint when it was made */
};
LS_MUST_CHECK enum ls_code ls_plan_read_header(FILE *f, const char *shown_path,
                                               struct ls_arena *mem, struct ls_plan_header *ret,
                                               struct ls_error *err);

#endif
