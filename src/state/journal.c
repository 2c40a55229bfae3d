/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c - before-images on their way to the disk.
 *
 * What a batch adds is packed: small pieces share a blob, a piece larger than a blob is split over several. A blob
 * is at most 1 MiB before compression, so that reading back needs little memory whatever the run was. Nothing is
 * written before sync(): then one transaction holds the batch's row, its blobs, the head of the run's
 * journal, and whatever waited, such as the end of the batch before. One durable commit a batch. Only a batch whose blobs pass
 * HELD_MAX (an `atomic` run is one batch) is written in several transactions, the row first, as open.
 *
 * What a batch counts for stands in its row, so that a run that dies can be told by its batches.
 *
 * The end of a batch is not worth a commit: if it is lost, the batch is found open and the target is asked. It
 * waits in memory and rides along. ls_state_run_save() is a commit too, so after it nothing is open.
 *
 * Several batches may be open at once, when several writers have one each: the one at hand is being journaled, those before it
 * are on disk, as open, until their end is told. Whose end is never told stays open there, and is settled by the next run.
 *
 * Chains. A batch's row names the batch before it, and the head of the run's journal the last one: reading goes along
 * that chain, so that no batch can vanish unnoticed. Numbers alone would not do: batches that were given up before their first
 * blob leave none behind.
 *
 * Format of a blob that is no part of a piece (parts = 1): each piece as its bytes and then their number as a u32, so that
 * it can be read from its end. Of a part of a split piece (parts > 1): the bytes.
 *
 * Limits: one journal is written through a handle at a time. */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "state/state_priv.h"

#define HELD_MAX ((size_t)4 << 20) /* compressed bytes that wait for a commit */
#define BLOCKS_MAX 256
#define CLOSES_MAX 16
#define LEFT_MAX 64 /* more than there are writers; of the rest the oldest are taken to stay open */
#define LEVEL 1     /* a third of the time of level 3, and hardly larger for records */

struct block {
    struct ls_blob_row row;
    size_t at, size; /* in held */
};
struct ending {
    int64_t run, batch;
    bool committed;
};
struct ls_state_writer {
    int64_t run, last_batch; /* last_batch: of the chain on disk, without the batch at hand */
    int64_t batch;           /* at hand; 0: none */
    bool written;            /* its row is on disk */
    struct ls_batch_counts counts;
    struct ls_buf marker, pack, held;
    struct block blocks[BLOCKS_MAX];
    size_t block_count;
    int64_t next_seq;
    struct ending endings[CLOSES_MAX];
    size_t ending_count;
    int64_t left[LEFT_MAX]; /* batches on disk whose end may yet be told, without the one at hand */
    size_t left_count;
    ZSTD_CCtx *zstd;
};

/* What struct ls_journal points to. */
struct journal {
    struct ls_state *state;
    int64_t run;
};

/* ---- checksums ---- */

enum ls_code ls_journal_sum_head(int64_t run, int64_t last_batch, bool kept, struct ls_sum *ret,
                                 struct ls_error *err)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_buf_u64(&out, (uint64_t)run);
    ls_buf_u64(&out, (uint64_t)last_batch);
    ls_buf_u8(&out, kept);
    return ls_state_sum(&out, ret, err);
}

enum ls_code ls_journal_sum_batch(const struct ls_batch_row *row, struct ls_sum *ret,
                                  struct ls_error *err)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_buf_u64(&out, (uint64_t)row->run);
    ls_buf_u64(&out, (uint64_t)row->batch);
    ls_buf_u64(&out, (uint64_t)row->prev);
    ls_buf_u64(&out, (uint64_t)row->blobs);
    ls_state_encode_text(&out, row->marker);
    if (row->counts.created + row->counts.updated + row->counts.deleted > 0) {
        ls_buf_u64(&out, row->counts.created); /* rows from before they were counted have none */
        ls_buf_u64(&out, row->counts.updated);
        ls_buf_u64(&out, row->counts.deleted);
    }
    return ls_state_sum(&out, ret, err);
}

enum ls_code ls_journal_sum_state(int64_t run, int64_t batch, int64_t batch_state,
                                  struct ls_sum *ret, struct ls_error *err)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_buf_u64(&out, (uint64_t)run);
    ls_buf_u64(&out, (uint64_t)batch);
    ls_buf_u64(&out, (uint64_t)batch_state);
    return ls_state_sum(&out, ret, err);
}

/* ---- the head of a run's journal ---- */

enum ls_code ls_state_journal_new(struct ls_state *state, int64_t run, struct ls_error *err)
{
    struct ls_sum sum;
    enum ls_code rc = ls_journal_sum_head(run, 0, true, &sum, err);

    if (rc == LS_OK) {
        const struct ls_value params[] = {ls_value_int(run), ls_state_sum_value(&sum)};

        rc = ls_state_change(state,
                             "INSERT INTO {schema}journals (run, last_batch, kept, stored_bytes, "
                             "checksum) VALUES (?, 0, 1, 0, ?)",
                             params, 2, 1, err);
    }
    return rc;
}

enum ls_code ls_journal_head(struct ls_state *state, int64_t run, int64_t *ret_last_batch,
                             struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(run)};
    struct ls_sql_stmt *stmt = NULL;
    struct ls_sum sum;
    int64_t last = 0;
    bool kept = false;
    enum ls_code rc =
        ls_state_row(state, "SELECT last_batch, kept, checksum FROM {schema}journals WHERE run = ?",
                     params, 1, &stmt, err);

    if (rc == LS_OK && !stmt)
        return ls_state_damaged(err, "the journal of run %lld is missing", (long long)run);
    if (rc == LS_OK) {
        last = ls_sql_i64(stmt, 0);
        kept = ls_sql_i64(stmt, 1) != 0;
        rc = ls_journal_sum_head(run, last, kept, &sum, err);
    }
    if (rc == LS_OK && !ls_state_sum_fits(stmt, 2, &sum))
        rc = ls_state_damaged(err, "the head of the journal of run %lld is not what was written",
                              (long long)run);
    ls_sql_finish(stmt);
    if (rc == LS_OK && !kept)
        rc = ls_error_set(err, LS_NOT_FOUND,
                          "the journal of run %lld was pruned, so it cannot be undone any more. "
                          "How long journals are kept is set by journal_keep",
                          (long long)run);
    if (rc == LS_OK)
        *ret_last_batch = last;
    return rc;
}

/* ---- blobs in memory ---- */

static enum ls_code compress(struct ls_state_writer *w, const void *data, size_t size, int64_t part,
                             int64_t parts, struct ls_error *err)
{
    struct block *b = &w->blocks[w->block_count];
    const size_t bound = ZSTD_compressBound(size), at = w->held.size;
    char *room = malloc(bound);
    size_t packed;

    if (!w->zstd)
        w->zstd = ZSTD_createCCtx();
    if (!w->zstd || !room) {
        free(room);
        return ls_error_nomem(err);
    }
    packed = ZSTD_compressCCtx(w->zstd, room, bound, data, size, LEVEL);
    if (!ZSTD_isError(packed))
        ls_buf_add(&w->held, room, packed);
    free(room);
    if (ZSTD_isError(packed))
        return ls_error_set(err, LS_INTERNAL, "journal: cannot compress: %s",
                            ZSTD_getErrorName(packed));
    if (w->held.failed)
        return ls_error_nomem(err);
    *b = (struct block){{w->run, w->batch, w->next_seq++, part, parts, (int64_t)size}, at, packed};
    w->block_count++;
    return LS_OK;
}

/* ---- to the disk ---- */

static enum ls_code write_row(struct ls_state *state, struct ls_error *err)
{
    const struct ls_state_writer *w = state->writer;
    const struct ls_batch_row row = {w->run,      w->batch,      w->last_batch,
                                     w->next_seq, LS_BATCH_OPEN, ls_buf_str(&w->marker),
                                     w->counts};
    const struct ls_value created = ls_value_int((int64_t)w->counts.created),
                          updated = ls_value_int((int64_t)w->counts.updated),
                          deleted = ls_value_int((int64_t)w->counts.deleted);
    struct ls_sum sum, state_sum;
    enum ls_code rc = ls_journal_sum_batch(&row, &sum, err);

    if (rc == LS_OK)
        rc = ls_journal_sum_state(w->run, w->batch, LS_BATCH_OPEN, &state_sum, err);
    if (rc != LS_OK)
        return rc;
    if (w->written) {
        const struct ls_value params[] = {ls_value_int(row.blobs),
                                          created,
                                          updated,
                                          deleted,
                                          ls_state_sum_value(&sum),
                                          ls_value_int(w->run),
                                          ls_value_int(w->batch)};

        return ls_state_change(state,
                               "UPDATE {schema}journal_batches SET blobs = ?, created = ?, "
                               "updated = ?, deleted = ?, checksum = ? WHERE run = ? AND batch = ?",
                               params, 7, 1, err);
    }
    const struct ls_value params[] = {
        ls_value_int(w->run),
        ls_value_int(w->batch),
        ls_value_int(row.prev),
        ls_value_text(row.marker),
        ls_value_int(row.blobs),
        ls_state_sum_value(&sum),
        ls_value_int(row.state),
        ls_state_sum_value(&state_sum),
        created,
        updated,
        deleted,
    };
    return ls_state_change(state,
                           "INSERT INTO {schema}journal_batches (run, batch, prev, marker, blobs, "
                           "checksum, state, state_checksum, created, updated, deleted) VALUES "
                           "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                           params, 11, 1, err);
}

static enum ls_code write_blob(struct ls_state *state, const struct block *b, struct ls_error *err)
{
    const char *data = state->writer->held.data + b->at;
    struct ls_sum sum;
    enum ls_code rc = ls_journal_sum_blob(&b->row, data, b->size, &sum, err);

    if (rc == LS_OK) {
        const struct ls_value params[] = {
            ls_value_int(b->row.run),
            ls_value_int(b->row.batch),
            ls_value_int(b->row.seq),
            ls_value_int(b->row.part),
            ls_value_int(b->row.parts),
            ls_value_int(b->row.raw_bytes),
            ls_value_data(LS_T_BYTES, data, b->size),
            ls_state_sum_value(&sum),
        };

        rc = ls_state_change(state,
                             "INSERT INTO {schema}journal_blobs (run, batch, seq, part, parts, "
                             "raw_bytes, data, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                             params, 8, 1, err);
    }
    return rc;
}

static enum ls_code write_head(struct ls_state *state, struct ls_error *err)
{
    const struct ls_state_writer *w = state->writer;
    struct ls_sum sum;
    enum ls_code rc = ls_journal_sum_head(w->run, w->batch, true, &sum, err);

    if (rc == LS_OK) {
        const struct ls_value params[] = {ls_value_int(w->batch),
                                          ls_value_int((int64_t)w->held.size),
                                          ls_state_sum_value(&sum), ls_value_int(w->run)};

        rc = ls_state_change(state,
                             "UPDATE {schema}journals SET last_batch = ?, stored_bytes = "
                             "stored_bytes + ?, checksum = ? WHERE run = ? AND kept = 1",
                             params, 4, 1, err);
    }
    return rc;
}

static enum ls_code write_held(struct ls_state *state, struct ls_error *err)
{
    struct ls_state_writer *w = state->writer;
    enum ls_code rc = ls_state_begin(state, err);

    if (rc != LS_OK)
        return rc;
    rc = write_row(state, err);
    for (size_t i = 0; i < w->block_count && rc == LS_OK; i++)
        rc = write_blob(state, &w->blocks[i], err);
    if (rc == LS_OK)
        rc = write_head(state, err);
    rc = ls_state_end(state, rc, err);
    if (rc == LS_OK) {
        w->written = true;
        w->block_count = 0;
        ls_buf_reset(&w->held);
    }
    return rc;
}

/* One more blob; writes what is held when that is much. */
static enum ls_code put(struct ls_state *state, const void *data, size_t size, int64_t part,
                        int64_t parts, struct ls_error *err)
{
    struct ls_state_writer *w = state->writer;
    enum ls_code rc = compress(w, data, size, part, parts, err);

    if (rc == LS_OK && (w->held.size > HELD_MAX || w->block_count == BLOCKS_MAX))
        rc = write_held(state, err);
    return rc;
}

static enum ls_code put_pack(struct ls_state *state, struct ls_error *err)
{
    struct ls_state_writer *w = state->writer;
    enum ls_code rc;

    if (w->pack.size == 0)
        return LS_OK;
    rc = put(state, w->pack.data, w->pack.size, 0, 1, err);
    ls_buf_reset(&w->pack);
    return rc;
}

/* ---- what the engine calls ---- */

static void forget_batch(struct ls_state_writer *w)
{
    w->batch = 0;
    w->written = false;
    w->counts = (struct ls_batch_counts){0};
    w->block_count = 0;
    w->next_seq = 0;
    ls_buf_reset(&w->pack);
    ls_buf_reset(&w->held);
    ls_buf_reset(&w->marker);
}

static enum ls_code not_open(uint64_t batch, struct ls_error *err)
{
    return ls_error_set(err, LS_INTERNAL, "journal: batch %llu is not open",
                        (unsigned long long)batch);
}

static bool at_hand(const struct journal *j, uint64_t batch)
{
    const struct ls_state_writer *w = j->state->writer;

    return w->run == j->run && w->batch != 0 && w->batch == (int64_t)batch;
}

/* The batch at hand is on disk, and makes room for the next one. */
static void leave_batch(struct ls_state_writer *w)
{
    if (w->left_count == LEFT_MAX)
        memmove(w->left, w->left + 1, --w->left_count * sizeof *w->left);
    w->left[w->left_count++] = w->batch;
    w->last_batch = w->batch;
}

/* Whether it was left, and is not any more. */
static bool take_left(struct ls_state_writer *w, int64_t batch)
{
    for (size_t i = 0; i < w->left_count; i++)
        if (w->left[i] == batch) {
            w->left[i] = w->left[--w->left_count];
            return true;
        }
    return false;
}

/* A batch that is still at hand was neither committed nor aborted for all we know: what is on disk stays open. */
static enum ls_code on_open(void *ctx, uint64_t batch, const char *marker, struct ls_error *err)
{
    const struct journal *j = ctx;
    struct ls_state_writer *w = j->state->writer;

    if (w->run != j->run || batch == 0 || batch > (uint64_t)INT64_MAX)
        return ls_error_set(err, LS_INTERNAL, "journal: batch %llu cannot be opened",
                            (unsigned long long)batch);
    if (w->written)
        leave_batch(w);
    forget_batch(w);
    w->batch = (int64_t)batch;
    ls_buf_text(&w->marker, marker ? marker : "");
    return w->marker.failed ? ls_error_nomem(err) : LS_OK;
}

static enum ls_code on_add(void *ctx, uint64_t batch, const void *blob, size_t size,
                           struct ls_error *err)
{
    const struct journal *j = ctx;
    struct ls_state_writer *w = j->state->writer;
    const size_t parts = (size + LS_JOURNAL_PART - 1) / LS_JOURNAL_PART;
    enum ls_code rc = LS_OK;

    if (!at_hand(j, batch))
        return not_open(batch, err);
    if (w->pack.size > 0 && w->pack.size + 4 + size > LS_JOURNAL_CHUNK)
        rc = put_pack(j->state, err);
    if (rc == LS_OK && 4 + size <= LS_JOURNAL_CHUNK) {
        ls_buf_add(&w->pack, blob, size);
        ls_buf_u32(&w->pack, (uint32_t)size);
        if (w->pack.failed)
            rc = ls_error_nomem(err);
    } else {
        for (size_t i = 0, at = 0; i < parts && rc == LS_OK; i++, at += LS_JOURNAL_PART)
            rc = put(j->state, (const char *)blob + at,
                     size - at < LS_JOURNAL_PART ? size - at : LS_JOURNAL_PART, (int64_t)i,
                     (int64_t)parts, err);
    }
    return ls_state_result(j->state, rc, err);
}

/* A batch that journaled nothing changed nothing, and needs no trace. */
static enum ls_code on_sync(void *ctx, uint64_t batch, const struct ls_batch_counts *counts,
                            struct ls_error *err)
{
    const struct journal *j = ctx;
    struct ls_state_writer *w = j->state->writer;
    enum ls_code rc;

    if (!at_hand(j, batch))
        return not_open(batch, err);
    w->counts = *counts;
    rc = put_pack(j->state, err);
    if (rc == LS_OK && (w->block_count > 0 || w->written))
        rc = write_held(j->state, err);
    return ls_state_result(j->state, rc, err);
}

static enum ls_code end_batch(struct ls_state *state, int64_t batch, bool committed,
                              struct ls_error *err)
{
    struct ls_state_writer *w = state->writer;
    enum ls_code rc = w->ending_count == CLOSES_MAX ? ls_state_flush(state, err) : LS_OK;

    if (rc == LS_OK)
        w->endings[w->ending_count++] = (struct ending){w->run, batch, committed};
    return ls_state_result(state, rc, err);
}

static enum ls_code on_close(void *ctx, uint64_t batch, bool committed, struct ls_error *err)
{
    const struct journal *j = ctx;
    struct ls_state_writer *w = j->state->writer;
    enum ls_code rc = LS_OK;

    if (w->run == j->run && take_left(w, (int64_t)batch))
        return end_batch(j->state, (int64_t)batch, committed, err);
    if (!at_hand(j, batch))
        return not_open(batch, err);
    if (w->written) {
        rc = end_batch(j->state, w->batch, committed, err);
        if (rc != LS_OK)
            return rc;
        w->last_batch = w->batch;
    }
    forget_batch(w);
    return LS_OK;
}

enum ls_code ls_state_journal(struct ls_state *state, const char *run_id, struct ls_arena *mem,
                              struct ls_journal *ret, struct ls_error *err)
{
    struct journal *j = ls_arena_alloc(mem, sizeof *j);
    struct ls_state_writer *w = state->writer;
    int64_t run = 0, last_batch = 0;
    enum ls_code rc;

    if (!w) {
        w = state->writer = calloc(1, sizeof *w);
        if (w) {
            ls_buf_init(&w->marker, 0);
            ls_buf_init(&w->pack, LS_JOURNAL_CHUNK);
            ls_buf_init(&w->held, 2 * (HELD_MAX + LS_JOURNAL_CHUNK));
        }
    }
    if (!j || !w)
        return ls_error_nomem(err);
    rc = ls_state_flush(state, err);
    if (rc == LS_OK)
        rc = ls_state_run_number(state, run_id, &run, err);
    if (rc == LS_OK)
        rc = ls_journal_head(state, run, &last_batch, err);
    if (rc != LS_OK)
        return ls_state_result(state, rc, err);
    forget_batch(w);
    w->left_count = 0;
    w->run = run;
    w->last_batch = last_batch;
    *j = (struct journal){state, run};
    *ret = (struct ls_journal){j, on_open, on_add, on_sync, on_close};
    return LS_OK;
}

/* ---- ends of batches ---- */

enum ls_code ls_journal_close(struct ls_state *state, int64_t run, int64_t batch, bool committed,
                              struct ls_error *err)
{
    const int64_t to = committed ? LS_BATCH_COMMITTED : LS_BATCH_ABORTED;
    const struct ls_value which[] = {ls_value_int(run), ls_value_int(batch)};
    struct ls_sum sum;
    enum ls_code rc = ls_journal_sum_state(run, batch, to, &sum, err);

    if (rc == LS_OK) {
        const struct ls_value params[] = {ls_value_int(to), ls_state_sum_value(&sum), which[0],
                                          which[1]};

        rc = ls_state_change(state,
                             "UPDATE {schema}journal_batches SET state = ?, state_checksum = ? "
                             "WHERE run = ? AND batch = ?",
                             params, 4, 1, err);
    }
    if (rc == LS_OK && !committed) {
        const struct ls_value params[] = {which[0], which[1], which[0]};

        rc = ls_state_change(state,
                             "UPDATE {schema}journals SET stored_bytes = stored_bytes - "
                             "(SELECT coalesce(sum(length(data)), 0) FROM {schema}journal_blobs "
                             "WHERE run = ? AND batch = ?) WHERE run = ?",
                             params, 3, 1, err);
    }
    if (rc == LS_OK && !committed)
        rc = ls_state_change(state, "DELETE FROM {schema}journal_blobs WHERE run = ? AND batch = ?",
                             which, 2, -1, err);
    return rc;
}

bool ls_state_closes_waiting(const struct ls_state *state)
{
    return state->writer && state->writer->ending_count > 0;
}

enum ls_code ls_state_closes_write(struct ls_state *state, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; state->writer && i < state->writer->ending_count && rc == LS_OK; i++) {
        const struct ending *e = &state->writer->endings[i];

        rc = ls_journal_close(state, e->run, e->batch, e->committed, err);
    }
    return rc;
}

void ls_state_closes_written(struct ls_state *state)
{
    if (state->writer)
        state->writer->ending_count = 0;
}

void ls_state_writer_free(struct ls_state_writer *writer)
{
    if (!writer)
        return;
    ls_buf_done(&writer->marker);
    ls_buf_done(&writer->pack);
    ls_buf_done(&writer->held);
    ZSTD_freeCCtx(writer->zstd);
    free(writer);
}
