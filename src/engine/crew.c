/* SPDX-License-Identifier: Apache-2.0 */
/* crew.c - several writers at once.
 *
 * Where only new records are written, a run waits for its target most of the time: while one session copies records in, reads them
 * back or commits, another one can do the same, and the controlling thread reads the next changes and makes the journal durable. What a
 * writer does by itself is the plain case alone: begin, mark, write, read back, encode for the journal; then it waits with its
 * transaction open until it is told to commit. Whatever else happens (a record is refused, or there already; a deadlock; a
 * lock that was not to be had) it rolls back and says so, and the steps are written by the one session that deals with that.
 *
 * So no writer waits for another one by our doing. In the target they may (the same unique value in two batches): the server makes one
 * of them wait until the other's transaction ends, which it does, because the controlling thread attends to whichever is done
 * first; two that wait for each other are a deadlock, which the server ends.
 *
 * Invariants. A hand's state changes under the lock: to one of those at work by the controlling thread, away from them by the
 * writer; everything else of a hand is touched by whoever's turn that makes it. Nothing is committed that was not told to be. A
 * writer never calls a hook, the journal or the state.
 *
 * Sessions are opened one by one as they are needed, by the controlling thread, which knows what to do when there are no more: a
 * small plan opens few, and a server without room for another session is no error as long as there is one. */
#include "engine/crew.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct ls_writer {
    struct ls_crew *crew;
    struct ls_hand *hand;
    struct ls_thread thread;
    pthread_cond_t told; /* the hand is at work */
    struct ls_writing writing;
    struct ls_store *store;
    struct ls_arena mem; /* of the batch */
    struct ls_buf scratch;
    size_t number;
    uint64_t batches; /* ever begun */
};

struct ls_crew {
    const struct ls_writing *like;
    const char *run;
    size_t most, count;
    pthread_mutex_t lock;
    pthread_cond_t come; /* a hand is not at work any more */
    struct ls_hand *hands;
};

static bool at_work(const struct ls_hand *hand)
{
    return hand->state >= LS_HAND_WRITING;
}

/* ---- the writer's thread ---- */

static enum ls_code encode(struct ls_writer *w, struct ls_hand *hand, struct ls_error *err)
{
    const struct ls_batch *b = &hand->batch;
    struct ls_journal_entry *entries = ls_arena_array(&w->mem, b->count, sizeof *entries);

    if (!entries)
        return ls_error_nomem(err);
    for (size_t i = 0; i < b->count; i++) {
        const struct ls_item *item = &b->items[i];

        entries[i] = (struct ls_journal_entry){.kind = item->step->kind, .key = item->key};
        if (item->left)
            entries[i].left = ls_whole_hash(w->writing.whole, item->left, &w->scratch);
    }
    ls_buf_reset(&hand->entries);
    ls_journal_encode(&hand->entries, w->writing.whole, entries, b->count);
    return hand->entries.failed || w->scratch.failed ? ls_error_nomem(err) : LS_OK;
}

static enum ls_code write_batch(struct ls_writer *w, struct ls_hand *hand, bool *ret_done,
                                struct ls_error *err)
{
    char tag[80];
    enum ls_code rc;

    *ret_done = false;
    snprintf(tag, sizeof tag, "%s-%zu-%" PRIu64, w->crew->run, w->number, ++w->batches);
    rc = ls_store_begin(w->store, err);
    if (rc == LS_OK)
        rc = ls_store_mark(w->store, tag, &w->mem, &hand->marker, err);
    if (rc == LS_OK)
        rc = ls_batch_write_new(&w->writing, hand->list, hand->count, &w->mem, &hand->batch,
                                ret_done, err);
    return rc == LS_OK && *ret_done ? encode(w, hand, err) : rc;
}

/* What a call that did not do all comes to. What the target gave up in favour of another, the commit too, may be tried again by whoever can. */
static enum ls_hand_state not_done(struct ls_writer *w, struct ls_hand *hand)
{
    const enum ls_code rc = hand->rc;

    ls_store_rollback(w->store);
    return rc == LS_OK || rc == LS_BUSY || ls_code_refusal(rc) ? LS_HAND_REFUSED : LS_HAND_FAILED;
}

static enum ls_hand_state write_hand(struct ls_writer *w, struct ls_hand *hand)
{
    bool done;

    hand->rc = write_batch(w, hand, &done, &hand->err);
    return hand->rc == LS_OK && done ? LS_HAND_WRITTEN : not_done(w, hand);
}

static enum ls_hand_state commit_hand(struct ls_writer *w, struct ls_hand *hand)
{
    hand->rc = ls_store_commit(w->store, &hand->err);
    return hand->rc == LS_OK ? LS_HAND_COMMITTED : not_done(w, hand);
}

static enum ls_hand_state drop_hand(struct ls_writer *w, struct ls_hand *hand)
{
    (void)hand;
    ls_store_rollback(w->store);
    return LS_HAND_FREE;
}

static void work(void *arg)
{
    static enum ls_hand_state (*const tasks[])(struct ls_writer * w, struct ls_hand * hand) = {
        [LS_HAND_WRITING] = write_hand,
        [LS_HAND_COMMITTING] = commit_hand,
        [LS_HAND_DROPPING] = drop_hand,
    };
    struct ls_writer *w = arg;
    struct ls_crew *crew = w->crew;
    struct ls_hand *hand = w->hand;
    enum ls_hand_state state;

    pthread_mutex_lock(&crew->lock);
    while (hand->state != LS_HAND_LEAVING) {
        if (!at_work(hand)) {
            pthread_cond_wait(&w->told, &crew->lock);
            continue;
        }
        state = hand->state;
        pthread_mutex_unlock(&crew->lock);
        state = tasks[state](w, hand);
        pthread_mutex_lock(&crew->lock);
        hand->state = state;
        pthread_cond_signal(&crew->come);
    }
    pthread_mutex_unlock(&crew->lock);
}

/* ---- hiring ---- */

static void tell(struct ls_crew *crew, struct ls_hand *hand, enum ls_hand_state state)
{
    pthread_mutex_lock(&crew->lock);
    hand->state = state;
    hand->noted = false;
    if (at_work(hand))
        pthread_cond_signal(&hand->writer->told);
    pthread_mutex_unlock(&crew->lock);
}

static void dismiss(struct ls_hand *hand)
{
    struct ls_writer *w = hand->writer;

    if (!w)
        return;
    ls_thread_join(&w->thread);
    ls_store_close(w->store);
    ls_buf_done(&w->writing.scratch);
    ls_buf_done(&w->scratch);
    ls_arena_done(&w->mem);
    pthread_cond_destroy(&w->told);
    free(w);
    hand->writer = NULL;
    ls_buf_done(&hand->entries);
    ls_arena_done(&hand->mem);
}

static enum ls_code open_session(const struct ls_job *job, struct ls_store **ret,
                                 struct ls_error *err)
{
    struct ls_store_options options = job->target.options;

    options.writable = true;
    return ls_store_open(&job->target.url, &options, ret, err);
}

/* One more hand, behind those that there are. */
static enum ls_code hire(struct ls_crew *crew, struct ls_error *err)
{
    struct ls_hand *hand = &crew->hands[crew->count];
    struct ls_writer *w = calloc(1, sizeof *w);
    enum ls_code rc;

    if (!w)
        return ls_error_nomem(err);
    *hand = (struct ls_hand){.writer = w};
    ls_arena_init(&hand->mem, 0);
    ls_buf_init(&hand->entries, 0);
    w->crew = crew;
    w->hand = hand;
    w->number = crew->count + 1;
    pthread_cond_init(&w->told, NULL);
    ls_arena_init(&w->mem, 0);
    ls_buf_init(&w->scratch, 0);
    w->writing = *crew->like;
    ls_buf_init(&w->writing.scratch, 0);
    rc = open_session(w->writing.job, &w->store, err);
    w->writing.writer = w->store;
    if (rc == LS_OK)
        rc = ls_thread_start(&w->thread, work, w, err);
    if (rc == LS_OK)
        crew->count++;
    else
        dismiss(hand);
    return rc;
}

enum ls_code ls_crew_open(const struct ls_writing *like, const char *run, size_t most,
                          struct ls_crew **ret, struct ls_error *err)
{
    struct ls_crew *crew = calloc(1, sizeof *crew);
    enum ls_code rc;

    if (!crew)
        return ls_error_nomem(err);
    crew->like = like;
    crew->run = run;
    crew->most = most;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->come, NULL);
    crew->hands = calloc(most, sizeof *crew->hands);
    rc = crew->hands ? hire(crew, err) : ls_error_nomem(err);
    if (rc == LS_OK)
        *ret = crew;
    else
        ls_crew_close(crew);
    return rc;
}

/* A writer that is in the middle of something comes to its end first; a session that closes rolls back. */
void ls_crew_close(struct ls_crew *crew)
{
    if (!crew)
        return;
    while (ls_crew_next(crew, true))
        ;
    for (size_t i = 0; i < crew->count; i++)
        tell(crew, &crew->hands[i], LS_HAND_LEAVING);
    for (size_t i = 0; i < crew->count; i++)
        dismiss(&crew->hands[i]);
    pthread_cond_destroy(&crew->come);
    pthread_mutex_destroy(&crew->lock);
    free(crew->hands);
    free(crew);
}

size_t ls_crew_size(const struct ls_crew *crew)
{
    return crew->count;
}

/* ---- giving and waiting ---- */

struct ls_hand *ls_crew_each(struct ls_crew *crew, enum ls_hand_state state, size_t *at)
{
    struct ls_hand *found = NULL;

    pthread_mutex_lock(&crew->lock);
    while (*at < crew->count && !found) {
        struct ls_hand *hand = &crew->hands[(*at)++];

        found = hand->state == state ? hand : NULL;
    }
    pthread_mutex_unlock(&crew->lock);
    return found;
}

struct ls_hand *ls_crew_free(struct ls_crew *crew)
{
    struct ls_error ignored;
    size_t at = 0;
    struct ls_hand *hand = ls_crew_each(crew, LS_HAND_FREE, &at);

    if (hand || crew->count == crew->most)
        return hand;
    if (hire(crew, &ignored) == LS_OK)
        return &crew->hands[crew->count - 1];
    crew->most = crew->count;
    return NULL;
}

void ls_crew_give(struct ls_crew *crew, struct ls_hand *hand, struct ls_arena *mem,
                  const struct ls_step *list, size_t count)
{
    const struct ls_arena taken = *mem;

    *mem = hand->mem;
    hand->mem = taken;
    ls_arena_reset(mem);
    hand->list = list;
    hand->count = count;
    hand->number = 0;
    tell(crew, hand, LS_HAND_WRITING);
}

struct ls_hand *ls_crew_next(struct ls_crew *crew, bool wait)
{
    struct ls_hand *found = NULL;
    bool any = true;

    pthread_mutex_lock(&crew->lock);
    while (any) {
        any = false;
        for (size_t i = 0; i < crew->count && !found; i++) {
            struct ls_hand *hand = &crew->hands[i];

            any = any || at_work(hand);
            if (!at_work(hand) && hand->state != LS_HAND_FREE && !hand->noted)
                found = hand;
        }
        if (found || !wait || !any)
            break;
        pthread_cond_wait(&crew->come, &crew->lock);
    }
    if (found)
        found->noted = true;
    pthread_mutex_unlock(&crew->lock);
    return found;
}

void ls_crew_commit(struct ls_crew *crew, struct ls_hand *hand)
{
    tell(crew, hand, LS_HAND_COMMITTING);
}

void ls_crew_drop(struct ls_crew *crew, struct ls_hand *hand)
{
    tell(crew, hand, LS_HAND_DROPPING);
}

void ls_crew_release(struct ls_crew *crew, struct ls_hand *hand)
{
    ls_arena_reset(&hand->mem);
    ls_arena_reset(&hand->writer->mem);
    tell(crew, hand, LS_HAND_FREE);
}
