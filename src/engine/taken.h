/* SPDX-License-Identifier: Apache-2.0 */
/* taken.h - which entries of a run's journal were taken back by earlier undos.
 *
 * An entry is known by its number: 1 for the first one of the first piece that a journal source gives, and so on. An undo notes with
 * each of its own entries the number of the one it takes back. */
#ifndef LS_ENGINE_TAKEN_H
#define LS_ENGINE_TAKEN_H

#include "engine/hooks.h"
#include "engine/job.h"

struct ls_taken {
    struct ls_buf bits;
};
void ls_taken_init(struct ls_taken *taken);
void ls_taken_done(struct ls_taken *taken);
/* NULL: nothing was taken back. */
bool ls_taken_has(const struct ls_taken *taken, uint64_t number);
/* Adds what an undo took back, by its own journal; gone: entries of that one which were taken back in turn. */
LS_MUST_CHECK enum ls_code ls_taken_add(struct ls_taken *taken, const struct ls_job *job,
                                        const struct ls_journal_source *undo,
                                        const struct ls_taken *gone, struct ls_error *err);

#endif
