/* SPDX-License-Identifier: Apache-2.0 */
/* taken.c - which entries of a run's journal were taken back by earlier undos.
 *
 * An undo leaves alone what somebody changed since the run, and can be made again for that. The hash of what the run left
 * would not do to tell what is left: a record that was taken back, and later synced to the same values again, looks like one that never
 * was. So each entry of an undo's journal says which entry it takes back, and a bit for each is kept here. The journal is committed
 * with its batch, so an undo that was killed counts for what it did, no more and no less.
 *
 * A bit an entry: 10 million records take 1.2 MB. */
#include "engine/taken.h"

#include "engine/journal.h"

void ls_taken_init(struct ls_taken *taken)
{
    ls_buf_init(&taken->bits, 0);
}

void ls_taken_done(struct ls_taken *taken)
{
    ls_buf_done(&taken->bits);
}

bool ls_taken_has(const struct ls_taken *taken, uint64_t number)
{
    const uint64_t at = number - 1;

    return taken && at / 8 < taken->bits.size &&
           ((unsigned)(unsigned char)taken->bits.data[at / 8] >> (at % 8) & 1u);
}

static void set(struct ls_taken *taken, uint64_t number)
{
    const uint64_t at = number - 1;

    while (taken->bits.size <= at / 8 && !taken->bits.failed)
        ls_buf_u8(&taken->bits, 0);
    if (!taken->bits.failed)
        taken->bits.data[at / 8] =
            (char)((unsigned char)taken->bits.data[at / 8] | (unsigned char)(1u << (at % 8)));
}

enum ls_code ls_taken_add(struct ls_taken *taken, const struct ls_job *job,
                          const struct ls_journal_source *undo, const struct ls_taken *gone,
                          struct ls_error *err)
{
    struct ls_arena fixed, mem;
    const struct ls_whole *whole;
    uint64_t number = 0;
    enum ls_code rc = LS_OK;

    ls_arena_init(&fixed, 0);
    ls_arena_init(&mem, 0);
    whole = ls_whole_of(job, &fixed);
    if (!whole)
        rc = ls_error_nomem(err);
    while (rc == LS_OK) {
        struct ls_journal_entry *entries = NULL;
        const void *blob = NULL;
        size_t size = 0, count = 0;

        ls_arena_reset(&mem);
        rc = undo->next(undo->ctx, &mem, &blob, &size, err);
        if (rc != LS_OK || !blob)
            break;
        rc = ls_journal_decode(blob, size, whole, &mem, &entries, &count, err);
        for (size_t i = 0; i < count && rc == LS_OK; i++)
            if (!ls_taken_has(gone, ++number) && entries[i].takes_back)
                set(taken, entries[i].takes_back);
        if (rc == LS_OK && taken->bits.failed)
            rc = ls_error_nomem(err);
    }
    ls_arena_done(&mem);
    ls_arena_done(&fixed);
    return rc;
}
