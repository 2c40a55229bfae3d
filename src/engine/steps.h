/* SPDX-License-Identifier: Apache-2.0 */
/* steps.h - writes steps to the target in batches: the part that apply and undo share.
 *
 * A step is a change with what must be true of the record before it. */
#ifndef LS_ENGINE_STEPS_H
#define LS_ENGINE_STEPS_H

#include "engine/apply.h"
#include "engine/journal.h"

enum ls_expect {
    LS_EXPECT_NONE,
    LS_EXPECT_VALUES,
    LS_EXPECT_HASH
}; /* no record; these layout values; this hash */

struct ls_step {
    enum ls_change_kind kind;
    enum ls_expect expect;
    const struct ls_value *key;      /* layout->key_count */
    const struct ls_value *expected; /* layout values, for LS_EXPECT_VALUES */
    struct ls_hash128 left;          /* of the whole record, for LS_EXPECT_HASH */
    const struct ls_value *record;   /* values of the writer's fields; NULL for a delete */
    uint64_t takes_back;             /* for the journal, see there */
};

/* Which fields a step's record has. */
struct ls_steps_fields {
    size_t count;
    const size_t *fields; /* target schema indexes */
    const size_t *key;    /* positions of the key in them */
    /* Nothing is converted, and records are the same only byte by byte: for undo. Then fields are those of struct ls_whole. */
    bool exact;
};

struct ls_steps; /* a writing in progress */

/* All borrowed until ls_steps_close(). journal and touched may be NULL. */
LS_MUST_CHECK enum ls_code ls_steps_open(struct ls_job *job, struct ls_store *writer,
                                         const char *run, const struct ls_steps_fields *fields,
                                         const struct ls_journal *journal,
                                         const struct ls_hooks *hooks, struct ls_touched *touched,
                                         struct ls_apply_result *result, struct ls_steps **ret,
                                         struct ls_error *err);
/* Writes these steps (a batch of its own, unless the run is one transaction). Steps the target refuses are set aside. */
LS_MUST_CHECK enum ls_code ls_steps_write(struct ls_steps *steps, const struct ls_step *list,
                                          size_t count, struct ls_error *err);
/* From now on ls_steps_give() has up to `most` writers, where the target gives more than one session. */
LS_MUST_CHECK enum ls_code ls_steps_spread(struct ls_steps *steps, size_t most,
                                           struct ls_error *err);
/* Likewise for steps that are in mem, which is taken and left empty. With several writers they are written by one that is free, and
 * on return may be only begun; an error may be that of an earlier call. */
LS_MUST_CHECK enum ls_code ls_steps_give(struct ls_steps *steps, struct ls_arena *mem,
                                         const struct ls_step *list, size_t count,
                                         struct ls_error *err);
/* Tries what was set aside again, reports what stays, and commits a run that is one transaction. A run that was
 * cancelled (result->interrupted, or hooks->cancel) tries and reports nothing any more, and is not committed when the job is atomic. */
LS_MUST_CHECK enum ls_code ls_steps_finish(struct ls_steps *steps, struct ls_error *err);
/* Rolls back what is not committed. */
void ls_steps_close(struct ls_steps *steps);

#endif
