/* SPDX-License-Identifier: Apache-2.0 */
/* crew.h - several writers: threads that have a session with the target each, and write batches of new records.
 *
 * A hand is one of them as the controlling thread sees it. Except for its state it belongs to its writer while it is at work, and
 * to the controlling thread while it is not; giving and waiting are where it changes hands. All functions are the controlling
 * thread's. */
#ifndef LS_ENGINE_CREW_H
#define LS_ENGINE_CREW_H

#include "engine/batch.h"

enum ls_hand_state {
    LS_HAND_FREE,
    LS_HAND_WRITTEN, /* its transaction is open and holds all of the steps: to be committed or dropped */
    LS_HAND_COMMITTED, /* to be noted */
    LS_HAND_REFUSED, /* rolled back; to be written where refusals are dealt with. rc LS_BUSY: what became of a commit the target tells later */
    LS_HAND_FAILED,  /* see rc and err; what became of a commit is not known */
    /* at work */
    LS_HAND_WRITING,
    LS_HAND_COMMITTING,
    LS_HAND_DROPPING, /* rolls back and is free again */
    LS_HAND_LEAVING,  /* the thread ends */
};

struct ls_hand {
    enum ls_hand_state state; /* under the crew's lock */
    bool noted;               /* ls_crew_wait() gave it in this state */

    struct ls_arena mem; /* of the steps */
    const struct ls_step *list;
    size_t count;

    const char *marker;    /* ls_store_mark()'s */
    struct ls_batch batch; /* its items were all written */
    struct ls_buf entries; /* for the journal */
    uint64_t number; /* of the batch in the journal; 0: not in it. Set by whoever journals it */
    enum ls_code rc;
    struct ls_error err;

    struct ls_writer *writer; /* its thread's own */
};

struct ls_crew;

/* Up to `most` writers that write as `like` does, of the run of this UUID. The first session is opened now, each other one when it
 * is needed; when the target gives no more of them those that there are have to do. All borrowed until close. */
LS_MUST_CHECK enum ls_code ls_crew_open(const struct ls_writing *like, const char *run, size_t most,
                                        struct ls_crew **ret, struct ls_error *err);
/* Rolls back what is not committed. NULL is fine. */
void ls_crew_close(struct ls_crew *crew);
/* How many sessions were opened. */
size_t ls_crew_size(const struct ls_crew *crew);

/* One that may be given steps; NULL: all are at work, or have something to be dealt with. */
struct ls_hand *ls_crew_free(struct ls_crew *crew);
/* Has steps written. mem, where they are, is taken and an empty one left. */
void ls_crew_give(struct ls_crew *crew, struct ls_hand *hand, struct ls_arena *mem,
                  const struct ls_step *list, size_t count);
/* One that has come to something (WRITTEN, COMMITTED, REFUSED, FAILED), each time once. wait: until there is one. NULL: there is none, with
 * `wait` because none is at work. */
struct ls_hand *ls_crew_next(struct ls_crew *crew, bool wait);
/* Of one that is WRITTEN. */
void ls_crew_commit(struct ls_crew *crew, struct ls_hand *hand);
void ls_crew_drop(struct ls_crew *crew, struct ls_hand *hand);
/* One that is not at work is free again, and its steps are gone. */
void ls_crew_release(struct ls_crew *crew, struct ls_hand *hand);
/* The next one that is in this state, from *at on, which begins as 0; NULL: no more. */
struct ls_hand *ls_crew_each(struct ls_crew *crew, enum ls_hand_state state, size_t *at);

#endif
