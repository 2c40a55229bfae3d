/* SPDX-License-Identifier: Apache-2.0 */
/* apply.h - carries out a plan, settles what a kill left open, and takes a run back.
 *
 * A batch is one transaction of the target: lock and read the whole records, check them against the plan, write,
 * read back, make the journal durable, commit. A refused batch is halved until the failing records stand alone; they are
 * set aside and tried again at the end as long as that helps (values that wait for each other across batches, records that
 * reference records of a later batch), then reported. */
#ifndef LS_ENGINE_APPLY_H
#define LS_ENGINE_APPLY_H

#include "engine/plan.h"

struct ls_apply_result {
    uint64_t created, updated, deleted, failed, conflicts;
    uint64_t batches; /* committed */
    size_t writers;   /* sessions that wrote at once */
    bool interrupted; /* cancelled between batches: what was committed stays */
};

/* How many writers at most a plan of these counts has: job->writers where it only inserts and nothing stands against it, else 1. *ret_why: what
 * does, where it is worth to be said, or NULL. */
size_t ls_apply_writers(const struct ls_job *job, const struct ls_store *writer,
                        const struct ls_plan_counts *counts, const char **ret_why);

/* Applies every change of the plan, by several writers where ls_apply_writers() says so: then by sessions of their own, and `writer` does what
 * they cannot. writer: a writable session on the target (opened by the caller, so that it can hold the
 * run lock), run: the run's UUID, from which batch tags are made. LS_OK also when records failed (see result). On another error what was
 * committed stays committed and in the journal; *ret tells how much. With job->atomic any failing record rolls everything back
 * and is returned as its error. touched, when not NULL, gets every written key for verify. */
struct ls_touched; /* the keys a run wrote, in a temporary file; touched.h */
LS_MUST_CHECK enum ls_code ls_apply(struct ls_job *job, struct ls_store *writer, const char *run,
                                    struct ls_plan *plan, const struct ls_journal *journal,
                                    const struct ls_hooks *hooks, struct ls_touched *touched,
                                    struct ls_apply_result *ret, struct ls_error *err);

/* Puts back what a run changed, from its journal, newest first: only where the record still is what the run left;
 * others are conflicts. Itself journaled. What earlier undos of the run took back (taken, or NULL) is not looked at. job may be one
 * made by ls_job_open_target(). */
struct ls_taken; /* taken.h */
LS_MUST_CHECK enum ls_code ls_undo(struct ls_job *job, struct ls_store *writer, const char *run,
                                   const struct ls_journal_source *source,
                                   const struct ls_taken *taken, const struct ls_journal *journal,
                                   const struct ls_hooks *hooks, struct ls_touched *touched,
                                   struct ls_apply_result *ret, struct ls_error *err);

/* The keys written: opened by the caller, filled by apply and undo, read by verify. */
LS_MUST_CHECK enum ls_code ls_touched_open(const struct ls_job *job, struct ls_touched **ret,
                                           struct ls_error *err);
void ls_touched_close(struct ls_touched *touched);
uint64_t ls_touched_count(const struct ls_touched *touched);

/* Reads back both sides: the touched records (where both sides fetch by key), or all by ls_compare(). Differences that stay are counted in
 * result->count; *ret_scope is "touched" or "all". */
LS_MUST_CHECK enum ls_code ls_verify(struct ls_job *job, struct ls_touched *touched, bool all,
                                     const struct ls_compare_options *options,
                                     const struct ls_hooks *hooks, ls_difference_fn *fn, void *ctx,
                                     struct ls_compare_result *ret, const char **ret_scope,
                                     struct ls_error *err);

/* After undo: every touched record is again what it was before the run (compared with the journal's before-images by hash), but for
 * those that earlier undos took back. Counts those that are not. */
LS_MUST_CHECK enum ls_code ls_verify_undo(struct ls_job *job,
                                          const struct ls_journal_source *source,
                                          const struct ls_taken *taken,
                                          const struct ls_hooks *hooks, uint64_t *ret_checked,
                                          uint64_t *ret_different, struct ls_error *err);

#endif
