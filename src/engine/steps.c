/* SPDX-License-Identifier: Apache-2.0 */
/* steps.c - writes steps to the target in batches.
 *
 * A batch is one transaction: begin; mark it, so that a kill leaves no doubt whether it committed; lock, read,
 * check, write and read back the records (batch.c); make the journal durable; commit; note in the journal that it is
 * committed. A process that dies anywhere in between leaves a batch that ls_store_settle() can judge from its mark.
 *
 * When a commit fails the target may yet have done it: the answer was lost, or a disk failed after the fact. Only a refusal (a
 * deferred constraint) is a sure no. In every other case the batch stays open in the journal, to be settled like that of a
 * dead process: an open batch that never was costs a question, a committed one without its journal cannot be undone.
 *
 * A record that the target refuses must not take its batch with it: batch.c finds out which ones it is, and
 * a batch whose commit is refused is cut in two here. Refused steps are set aside (aside.c) and tried again at the end,
 * as long as that makes headway: a unique value that a later batch gives up, or a parent record that comes later, is no
 * error. Rounds go from the end and from the beginning by turns, so that long chains of records that wait for each other
 * dissolve in one round, whichever way they point. When neither way helps any more, what is left is reported. What no other
 * record can help (a value that its field cannot hold) is reported at once.
 *
 * A transaction that the target gave up in favour of another one (a deadlock, a lock that was not to be had) is
 * tried again some times: on a live table that is everyday life.
 *
 * Several writers (crew.c) take batches of new records from here, where the caller has spread the writing: each has one, in a
 * session and a transaction of its own, and the journal has as many open. Here each of them is journaled once it is written, told to
 * commit once the journal is durable, and noted once it is committed. A batch that comes back because something in it was refused is
 * written by our own session, as above, when no other one is at work: then nothing that it waits for can be waiting for us.
 * Before each commit is told, the session that holds the lock inside the target has to be there still.
 *
 * A target without cheap transactions (a file), or `atomic: true`, makes the whole run one transaction; the journal
 * then has one batch.
 *
 * Invariants. Every written record is in the durable journal before it is committed. A batch is closed in the journal only
 * when its outcome is known. A run's counts hold committed records only. Steps of one call have distinct keys.
 *
 * Limits. Records that only go together must be among those that are tried together (RETRY_ROWS, RETRY_BYTES). */
#include "engine/steps.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/aside.h"
#include "engine/batch.h"
#include "engine/crew.h"
#include "engine/touched.h"
#include "model/json.h"

#define IDLE_ROUNDS 3     /* from the end, from the beginning, from the end; cut at 1/2, 2/3, 3/4 */
#define FIRST_REFUSALS 16 /* in a first pass: more in one batch have a common reason */
#define BUSY_TRIES 3
#define CREW_REFUSALS 8 /* batches that come back from several writers: then there is but one */
#define LOCK_CUTS 1000  /* of a run: at 10 ms or so each */
#define RETRY_ROWS 10000u
#define RETRY_BYTES ((size_t)4 << 20)
#define BLOB_BYTES ((size_t)1 << 20) /* a piece of the journal ends at about this size */

struct ls_steps {
    struct ls_writing writing;
    const char *run;
    const struct ls_journal *journal;
    const struct ls_hooks *hooks;
    struct ls_touched *touched;
    struct ls_apply_result *result;

    struct ls_arena mem;            /* of the whole writing */
    bool one;                       /* the whole run is one transaction */
    bool retrying;                  /* what was set aside is tried again */
    bool journaled;                 /* the open transaction is open in the journal too */
    uint64_t batch;                 /* number of the open or last batch */
    struct ls_apply_result pending; /* created, updated, deleted in the open transaction */
    struct ls_crew *crew;           /* NULL: our session writes everything */
    size_t back, came_back;         /* batches of the crew to be written here; and how many ever */
    struct ls_aside aside;
    struct ls_error refused; /* the first that was reported, for atomic runs */
    struct ls_buf scratch, blob;
};

static bool cancelled(const struct ls_steps *s)
{
    return s->result->interrupted || (s->hooks && ls_cancel_wanted(s->hooks->cancel));
}

/* ---- telling ---- */

static void report(struct ls_steps *s, const struct ls_value *key, enum ls_code code,
                   const char *why)
{
    const struct ls_layout *layout = &s->writing.job->layout;

    if (s->refused.code == LS_OK)
        ls_error_set(&s->refused, code, "%s", why);
    if (!s->hooks || !s->hooks->failed)
        return;
    ls_buf_reset(&s->scratch);
    ls_record_to_json(&s->scratch, layout->fields, layout->key, key, layout->key_count);
    s->hooks->failed(s->hooks->ctx, s->scratch.failed ? "{}" : ls_buf_str(&s->scratch), code, why);
}

/* A step that the target refused: kept for another try, or reported when there is no help. */
static enum ls_code give_up(struct ls_steps *s, const struct ls_step *step, enum ls_code code,
                            const char *why, bool final, struct ls_error *err)
{
    if (!final)
        return ls_aside_add(&s->aside, step, code, why, err);
    s->result->failed++;
    report(s, step->key, code, why);
    return LS_OK;
}

/* ---- one transaction ---- */

static enum ls_code begin(struct ls_steps *s, struct ls_arena *mem, struct ls_error *err)
{
    char tag[64];
    const char *marker = NULL;
    enum ls_code rc;

    s->batch++;
    s->pending = (struct ls_apply_result){0};
    snprintf(tag, sizeof tag, "%s-%" PRIu64, s->run, s->batch);
    rc = ls_store_begin(s->writing.writer, err);
    if (rc == LS_OK)
        rc = ls_store_mark(s->writing.writer, tag, mem, &marker, err);
    if (rc == LS_OK && s->journal) {
        rc = s->journal->open(s->journal->ctx, s->batch, marker, err);
        s->journaled = rc == LS_OK;
    }
    return rc;
}

/* Rolls back; the journal learns that nothing came of the batch. When it cannot be told, the batch is settled later. */
static void abandon(struct ls_steps *s)
{
    struct ls_error ignored;

    ls_store_rollback(s->writing.writer);
    if (s->journaled)
        (void)!s->journal->close(s->journal->ctx, s->batch, false, &ignored);
    s->journaled = false;
    s->pending = (struct ls_apply_result){0}; /* or what came to nothing would count as headway */
}

static void take_pending(struct ls_steps *s)
{
    s->result->batches++;
    s->result->created += s->pending.created;
    s->result->updated += s->pending.updated;
    s->result->deleted += s->pending.deleted;
    s->pending = (struct ls_apply_result){0};
}

/* *ret_refused: the target said no to the commit itself. */
static enum ls_code commit(struct ls_steps *s, bool *ret_refused, struct ls_error *err)
{
    const struct ls_batch_counts counts = {s->pending.created, s->pending.updated,
                                           s->pending.deleted};
    enum ls_code rc =
        s->journaled ? s->journal->sync(s->journal->ctx, s->batch, &counts, err) : LS_OK;

    *ret_refused = false;
    if (rc != LS_OK) {
        abandon(s);
        return rc;
    }
    rc = ls_store_commit(s->writing.writer, err);
    if (rc != LS_OK) {
        *ret_refused = ls_code_refusal(rc);
        if (!*ret_refused)
            s->journaled = false; /* stays open: nobody knows yet */
        abandon(s);
        return rc;
    }
    take_pending(s);
    if (!s->journaled)
        return LS_OK;
    s->journaled = false;
    return s->journal->close(s->journal->ctx, s->batch, true, err);
}

/* ---- what was written ---- */

static enum ls_code flush_journal(struct ls_steps *s, const struct ls_journal_entry *entries,
                                  size_t count, struct ls_error *err)
{
    ls_buf_reset(&s->blob);
    ls_journal_encode(&s->blob, s->writing.whole, entries, count);
    if (s->blob.failed || s->scratch.failed)
        return ls_error_nomem(err);
    return s->journal->add(s->journal->ctx, s->batch, s->blob.data, s->blob.size, err);
}

static enum ls_code journal_items(struct ls_steps *s, const struct ls_batch *batch,
                                  struct ls_item *const *written, size_t count,
                                  struct ls_error *err)
{
    const struct ls_whole *whole = s->writing.whole;
    struct ls_journal_entry *entries = ls_arena_array(batch->mem, count, sizeof *entries);
    size_t from = 0, bytes = 0;
    enum ls_code rc = LS_OK;

    if (!entries)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        const struct ls_item *item = written[i];

        entries[i] = (struct ls_journal_entry){
            item->step->kind, item->key, item->before, {0, 0}, item->step->takes_back};
        if (item->left)
            entries[i].left = ls_whole_hash(whole, item->left, &s->scratch);
        for (size_t f = 0; item->before && f < whole->field_count; f++)
            bytes += ls_type_has_data(item->before[f].type) ? item->before[f].size : 0;
        if (bytes < BLOB_BYTES)
            continue;
        rc = flush_journal(s, entries + from, i + 1 - from, err);
        from = i + 1;
        bytes = 0;
    }
    return rc == LS_OK && from < count ? flush_journal(s, entries + from, count - from, err) : rc;
}

static void count_written(struct ls_steps *s, struct ls_item *const *written, size_t count)
{
    uint64_t *const counter[] = {
        [LS_INSERT] = &s->pending.created,
        [LS_UPDATE] = &s->pending.updated,
        [LS_DELETE] = &s->pending.deleted,
    };

    for (size_t i = 0; i < count; i++)
        ++*counter[written[i]->step->kind];
}

/* Everything between begin and commit. */
static enum ls_code write_steps(struct ls_steps *s, const struct ls_step *list, size_t count,
                                struct ls_arena *mem, struct ls_batch *ret, struct ls_error *err)
{
    struct ls_item **written;
    size_t n = 0;
    enum ls_code rc = ls_batch_write(&s->writing, list, count, mem, ret, err);

    if (rc != LS_OK)
        return rc;
    written = ls_batch_items(ret, LS_ITEM_WRITE, &n);
    if (!written)
        return ls_error_nomem(err);
    count_written(s, written, n);
    return s->journaled && n ? journal_items(s, ret, written, n, err) : LS_OK;
}

/* After the commit: remembers what was written, and deals with what was not. */
static enum ls_code note_rest(struct ls_steps *s, const struct ls_batch *batch, bool committed,
                              struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < batch->count && rc == LS_OK; i++) {
        const struct ls_item *item = &batch->items[i];

        if (item->state == LS_ITEM_WRITE && committed && s->touched) {
            rc = ls_touched_add(s->touched, item->key, err);
        } else if (item->state == LS_ITEM_CONFLICT) {
            s->result->conflicts++;
            report(s, item->step->key, item->code, item->why);
        } else if (item->state == LS_ITEM_REFUSED) {
            rc = give_up(s, item->step, item->code, item->why, item->final, err);
        }
    }
    return rc;
}

/* ---- a batch of its own ---- */

static enum ls_code write_batch(struct ls_steps *s, const struct ls_step *list, size_t count,
                                struct ls_error *err);

/* The target refused the commit (a deferred constraint): the written steps, in two halves. */
static enum ls_code split_batch(struct ls_steps *s, const struct ls_batch *batch,
                                const struct ls_error *why, struct ls_error *err)
{
    struct ls_writing *w = &s->writing;
    size_t n = 0, cut;
    struct ls_item **written = ls_batch_items(batch, LS_ITEM_WRITE, &n);
    struct ls_step *list = ls_arena_array(batch->mem, n, sizeof *list);
    enum ls_code rc = LS_OK;

    if (!written || !list)
        return ls_error_nomem(err);
    if (n == 1 || w->patience == 0) {
        for (size_t i = 0; i < n && rc == LS_OK; i++)
            rc = give_up(s, written[i]->step, why->code, why->text, false, err);
        w->patience -= w->patience > 0;
        return rc;
    }
    rc = ls_batch_order(batch, written, n, err);
    for (size_t i = 0; i < n; i++)
        list[i] = *written[i]->step;
    cut = ls_batch_cut(w, written, n);
    if (rc == LS_OK)
        rc = write_batch(s, list, cut, err);
    return rc == LS_OK ? write_batch(s, list + cut, n - cut, err) : rc;
}

static enum ls_code try_batch(struct ls_steps *s, const struct ls_step *list, size_t count,
                              struct ls_arena *mem, struct ls_batch *ret, bool *ret_begun,
                              bool *ret_refused, struct ls_error *err)
{
    enum ls_code rc = begin(s, mem, err);

    *ret_refused = false;
    *ret_begun = rc == LS_OK;
    if (rc == LS_OK)
        rc = write_steps(s, list, count, mem, ret, err);
    if (rc == LS_OK && s->pending.created + s->pending.updated + s->pending.deleted > 0)
        return commit(s, ret_refused, err);
    abandon(s); /* failed, or nothing was to be written */
    return rc;
}

static enum ls_code write_batch(struct ls_steps *s, const struct ls_step *list, size_t count,
                                struct ls_error *err)
{
    struct ls_arena mem;
    struct ls_batch batch = {0};
    struct ls_error why = {0};
    bool begun = false, refused = false;
    unsigned tries = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    do {
        ls_arena_reset(&mem);
        rc = try_batch(s, list, count, &mem, &batch, &begun, &refused, &why);
    } while (rc == LS_BUSY && begun && ++tries < BUSY_TRIES && !cancelled(s));
    if (rc == LS_OK || refused) {
        const struct ls_error reason = why;

        rc = note_rest(s, &batch, !refused, &why);
        if (rc == LS_OK && refused)
            rc = split_batch(s, &batch, &reason, &why);
    }
    if (rc != LS_OK && err)
        *err = why;
    ls_arena_done(&mem);
    return rc;
}

/* ---- a part of the one transaction ---- */

static enum ls_code write_part(struct ls_steps *s, const struct ls_step *list, size_t count,
                               struct ls_error *err)
{
    struct ls_arena mem;
    struct ls_batch batch = {0};
    enum ls_code rc = LS_OK;

    ls_arena_init(&mem, 0);
    if (s->batch == 0)
        rc = begin(s, &s->mem, err);
    if (rc == LS_OK)
        rc = write_steps(s, list, count, &mem, &batch, err);
    if (rc == LS_OK)
        rc = note_rest(s, &batch, true, err);
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_steps_write(struct ls_steps *s, const struct ls_step *list, size_t count,
                            struct ls_error *err)
{
    s->writing.patience = s->retrying ? SIZE_MAX : FIRST_REFUSALS;
    return s->one ? write_part(s, list, count, err) : write_batch(s, list, count, err);
}

/* ---- several writers ---- */

static enum ls_code journal_hand(struct ls_steps *s, struct ls_hand *hand, struct ls_error *err)
{
    const struct ls_journal *j = s->journal;
    const struct ls_batch_counts counts = {.created = hand->count};
    const uint64_t batch = ++s->batch;
    enum ls_code rc;

    if (!j)
        return LS_OK;
    rc = j->open(j->ctx, batch, hand->marker, err);
    if (rc != LS_OK)
        return rc;
    hand->number = batch;
    rc = j->add(j->ctx, batch, hand->entries.data, hand->entries.size, err);
    return rc == LS_OK ? j->sync(j->ctx, batch, &counts, err) : rc;
}

static enum ls_code close_hand(struct ls_steps *s, struct ls_hand *hand, bool committed,
                               struct ls_error *err)
{
    const uint64_t batch = hand->number;

    hand->number = 0;
    return batch ? s->journal->close(s->journal->ctx, batch, committed, err) : LS_OK;
}

/* Who holds the lock inside the target is alone with it. When that session is gone, nothing more may be committed. */
static enum ls_code check_lock(const struct ls_steps *s, struct ls_error *err)
{
    if (ls_store_alive(s->writing.writer))
        return LS_OK;
    return ls_error_set(err, LS_CONNECT,
                        "the target has ended the session that holds the run's lock. What was "
                        "written stays, and the next sync goes on from there");
}

static enum ls_code let_commit(struct ls_steps *s, struct ls_hand *hand, struct ls_error *err)
{
    struct ls_error ignored;
    enum ls_code rc = check_lock(s, err);

    if (rc == LS_OK)
        rc = journal_hand(s, hand, err);
    if (rc == LS_OK) {
        ls_crew_commit(s->crew, hand);
        return LS_OK;
    }
    ls_crew_drop(s->crew, hand);
    (void)!close_hand(s, hand, false, &ignored);
    return rc;
}

static enum ls_code note_hand(struct ls_steps *s, struct ls_hand *hand, struct ls_error *err)
{
    enum ls_code rc = close_hand(s, hand, true, err);

    s->result->batches++;
    s->result->created += hand->count;
    for (size_t i = 0; i < hand->count && s->touched && rc == LS_OK; i++)
        rc = ls_touched_add(s->touched, hand->batch.items[i].key, err);
    ls_crew_release(s->crew, hand);
    return rc;
}

/* Deals with what a writer has come to. */
static enum ls_code attend(struct ls_steps *s, struct ls_hand *hand, struct ls_error *err)
{
    enum ls_code rc;

    if (hand->state == LS_HAND_WRITTEN)
        return let_commit(s, hand, err);
    if (hand->state == LS_HAND_COMMITTED)
        return note_hand(s, hand, err);
    if (hand->state == LS_HAND_REFUSED) {
        s->back++;
        s->came_back++;
        if (hand->rc == LS_BUSY)
            hand->number = 0; /* as in commit(): stays open until it is settled */
        return close_hand(s, hand, false, err);
    }
    rc = hand->rc; /* failed; what was journaled stays open: nobody knows yet */
    if (err)
        *err = hand->err;
    ls_crew_release(s->crew, hand);
    return rc;
}

static void dismiss_crew(struct ls_steps *s)
{
    s->result->writers = s->crew ? ls_crew_size(s->crew) : s->result->writers;
    ls_crew_close(s->crew);
    s->crew = NULL;
}

/* Writes here what came back. No writer is at work. */
static enum ls_code write_back(struct ls_steps *s, struct ls_error *err)
{
    struct ls_hand *hand;
    size_t at = 0;
    enum ls_code rc = LS_OK;

    while (rc == LS_OK && (hand = ls_crew_each(s->crew, LS_HAND_REFUSED, &at)) != NULL) {
        if (!cancelled(s))
            rc = ls_steps_write(s, hand->list, hand->count, err);
        ls_crew_release(s->crew, hand);
    }
    s->back = 0;
    if (s->came_back > CREW_REFUSALS)
        dismiss_crew(s);
    return rc;
}

/* Attends to the writers until none is at work, and writes what came back. */
static enum ls_code gather(struct ls_steps *s, struct ls_error *err)
{
    struct ls_hand *hand;
    enum ls_code rc = LS_OK;

    while (rc == LS_OK && (hand = ls_crew_next(s->crew, true)) != NULL)
        rc = attend(s, hand, err);
    return rc == LS_OK ? write_back(s, err) : rc;
}

/* After an error: what was told to commit is noted, what was not is dropped. */
static void give_crew_up(struct ls_steps *s)
{
    struct ls_error ignored;
    struct ls_hand *hand;

    while (s->crew && (hand = ls_crew_next(s->crew, true)) != NULL)
        if (hand->state == LS_HAND_WRITTEN)
            ls_crew_drop(s->crew, hand);
        else
            (void)!attend(s, hand, &ignored);
    dismiss_crew(s);
}

enum ls_code ls_steps_spread(struct ls_steps *s, size_t most, struct ls_error *err)
{
    if (s->one || most < 2)
        return LS_OK;
    /* Our own session is one of what the target gives: without another one it does the work alone. */
    if (ls_crew_open(&s->writing, s->run, most, &s->crew, err) == LS_NOMEM)
        return LS_NOMEM;
    return LS_OK;
}

enum ls_code ls_steps_give(struct ls_steps *s, struct ls_arena *mem, const struct ls_step *list,
                           size_t count, struct ls_error *err)
{
    struct ls_hand *hand = NULL, *come;
    enum ls_code rc = LS_OK;

    while (rc == LS_OK && s->crew && !hand) {
        come = ls_crew_next(s->crew, false);
        if (!come && s->back == 0)
            hand = ls_crew_free(s->crew);
        if (!come && !hand && s->back == 0)
            come = ls_crew_next(s->crew, true);
        if (come)
            rc = attend(s, come, err);
        else if (!hand)
            rc = gather(s, err);
    }
    if (rc != LS_OK)
        return rc;
    if (hand) {
        ls_crew_give(s->crew, hand, mem, list, count);
        return LS_OK;
    }
    rc = ls_steps_write(s, list, count, err);
    ls_arena_reset(mem);
    return rc;
}

/* ---- the end ---- */

static uint64_t done_so_far(const struct ls_steps *s)
{
    return s->result->created + s->result->updated + s->result->deleted + s->pending.created +
           s->pending.updated + s->pending.deleted;
}

/* The next steps to try together, in mem. */
static enum ls_code take_some(struct ls_aside *from, struct ls_arena *mem, struct ls_step **ret,
                              size_t *ret_count, struct ls_error *err)
{
    struct ls_step *list = ls_arena_array(
        mem, from->spool.left < RETRY_ROWS ? from->spool.left : RETRY_ROWS, sizeof *list);
    size_t n = 0, bytes = 0;
    bool any = true;
    enum ls_code rc = LS_OK;

    if (!list)
        return ls_error_nomem(err);
    while (rc == LS_OK && n < RETRY_ROWS && bytes < RETRY_BYTES) {
        struct ls_aside_step one;

        rc = ls_aside_next(from, mem, &one, &any, err);
        if (rc != LS_OK || !any)
            break;
        list[n++] = one.step;
        bytes += one.bytes;
    }
    *ret = list;
    *ret_count = n;
    return rc;
}

/* One more try of everything that was set aside; what is refused again is set aside again. */
static enum ls_code try_again(struct ls_steps *s, bool backwards, struct ls_error *err)
{
    struct ls_aside from = s->aside;
    struct ls_arena mem;
    enum ls_code rc;

    ls_aside_init(&s->aside, &from.shape);
    ls_arena_init(&mem, 0);
    rc = ls_aside_rewind(&from, backwards, err);
    while (rc == LS_OK && !cancelled(s)) {
        struct ls_step *list = NULL;
        size_t n = 0;

        rc = take_some(&from, &mem, &list, &n, err);
        if (rc != LS_OK || n == 0)
            break;
        rc = ls_steps_write(s, list, n, err);
        ls_arena_reset(&mem);
    }
    ls_arena_done(&mem);
    ls_aside_done(&from);
    return rc;
}

static enum ls_code settle_aside(struct ls_steps *s, struct ls_error *err)
{
    bool backwards = true;
    enum ls_code rc = LS_OK;

    s->retrying = true;
    for (s->writing.cut = 0;
         rc == LS_OK && s->aside.spool.count > 0 && s->writing.cut < IDLE_ROUNDS && !cancelled(s);
         backwards = !backwards) {
        const uint64_t before = done_so_far(s);

        rc = try_again(s, backwards, err);
        s->writing.cut = done_so_far(s) > before ? 0 : s->writing.cut + 1;
    }
    return rc;
}

static enum ls_code report_aside(struct ls_steps *s, struct ls_error *err)
{
    struct ls_arena mem;
    bool any = true;
    enum ls_code rc = ls_aside_rewind(&s->aside, false, err);

    ls_arena_init(&mem, 0);
    while (rc == LS_OK && any) {
        struct ls_aside_step one;

        ls_arena_reset(&mem);
        rc = ls_aside_next(&s->aside, &mem, &one, &any, err);
        if (rc == LS_OK && any)
            rc = give_up(s, &one.step, one.code, one.why, true, err);
    }
    ls_arena_done(&mem);
    return rc;
}

static enum ls_code finish_one(struct ls_steps *s, struct ls_error *err)
{
    bool refused;
    enum ls_code rc;

    if (s->writing.job->atomic && s->result->failed + s->result->conflicts > 0) {
        abandon(s);
        return ls_error_set(err, s->refused.code,
                            "the run is atomic and a record was refused, so nothing was "
                            "changed: %s",
                            s->refused.text);
    }
    rc = commit(s, &refused, err);
    if (refused)
        ls_error_wrap(err, "the run is one transaction and the target refused it, so nothing was "
                           "changed");
    return rc;
}

enum ls_code ls_steps_finish(struct ls_steps *s, struct ls_error *err)
{
    enum ls_code rc = s->crew ? gather(s, err) : LS_OK;

    if (rc == LS_OK)
        dismiss_crew(s); /* what is set aside is written by one, which waits for nobody */
    if (rc == LS_OK)
        rc = settle_aside(s, err);
    if (rc != LS_OK)
        return rc;
    s->result->interrupted = cancelled(s);
    if (!s->result->interrupted)
        rc = report_aside(s, err);
    else if (s->writing.job->atomic)
        return LS_OK; /* and closing rolls back */
    return rc == LS_OK && s->one && s->batch > 0 ? finish_one(s, err) : rc;
}

/* ---- life ---- */

static size_t position_in(const struct ls_whole *whole, size_t field)
{
    size_t at = 0;

    while (whole->fields[at] != field)
        at++;
    return at;
}

static enum ls_code prepare(struct ls_steps *s, struct ls_error *err)
{
    struct ls_writing *w = &s->writing;
    const struct ls_job *job = w->job;
    size_t *layout = ls_arena_array(&s->mem, job->layout.field_count, sizeof *layout);
    size_t *fields = ls_arena_array(&s->mem, w->fields->count, sizeof *fields);

    w->whole = ls_whole_of(job, &s->mem);
    if (!w->whole || !layout || !fields)
        return ls_error_nomem(err);
    for (size_t i = 0; i < job->layout.field_count; i++)
        layout[i] = position_in(w->whole, job->target_fields[i]);
    for (size_t i = 0; i < w->fields->count; i++)
        fields[i] = position_in(w->whole, w->fields->fields[i]);
    w->layout_in_whole = layout;
    w->fields_in_whole = fields;
    w->scan = ls_whole_scan(w->whole);
    w->keeps_unique = ls_schema_keeps_unique(job->target.schema, w->fields->fields,
                                             job->layout.key_count, w->fields->key);
    return LS_OK;
}

enum ls_code ls_steps_open(struct ls_job *job, struct ls_store *writer, const char *run,
                           const struct ls_steps_fields *fields, const struct ls_journal *journal,
                           const struct ls_hooks *hooks, struct ls_touched *touched,
                           struct ls_apply_result *result, struct ls_steps **ret,
                           struct ls_error *err)
{
    const struct ls_aside_shape shape = {job->layout.key_count, job->layout.field_count,
                                         fields->count};
    struct ls_steps *s = calloc(1, sizeof *s);
    enum ls_code rc;

    if (!s)
        return ls_error_nomem(err);
    s->writing =
        (struct ls_writing){.job = job, .writer = writer, .fields = fields, .waits = LOCK_CUTS};
    s->run = run;
    s->journal = journal;
    s->hooks = hooks;
    s->touched = touched;
    s->result = result;
    s->one = job->atomic || !ls_store_can(writer, LS_CAP_BATCHES);
    ls_arena_init(&s->mem, 0);
    ls_buf_init(&s->writing.scratch, 0);
    ls_buf_init(&s->scratch, 0);
    ls_buf_init(&s->blob, 0);
    ls_aside_init(&s->aside, &shape);
    rc = prepare(s, err);
    if (rc == LS_OK)
        *ret = s;
    else
        ls_steps_close(s);
    return rc;
}

void ls_steps_close(struct ls_steps *s)
{
    if (!s)
        return;
    give_crew_up(s);
    if (s->writing.writer->in_transaction)
        abandon(s);
    ls_aside_done(&s->aside);
    ls_buf_done(&s->blob);
    ls_buf_done(&s->scratch);
    ls_buf_done(&s->writing.scratch);
    ls_arena_done(&s->mem);
    free(s);
}
