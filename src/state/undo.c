/* SPDX-License-Identifier: Apache-2.0 */
/* undo.c - a run's journal read back, newest first; batches whose end is not known.
 *
 * Reading goes from the head of the journal along the chain of batches, and inside a batch from its last blob to its first,
 * by key: one row at a time, no query stays open, so that the journal of the undo itself can be written through the same
 * handle in between. Every row that must be there is looked for by its number and verified; one that is missing
 * or changed is LS_CORRUPT, and nothing of it is given out.
 *
 * Memory: one blob (1 MiB), and one piece, in the caller's arena. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "state/state_priv.h"

struct source {
    struct ls_state *state;
    int64_t run;
    int64_t batch, prev; /* batch: whose blobs are read; 0: the next one is prev */
    int64_t seq;         /* of the next blob, going down; -1: none left in the batch */
    char *pack;          /* LS_JOURNAL_CHUNK bytes */
    size_t left;         /* bytes of the pack whose pieces are still to be given out */
};

/* ---- batches ---- */

static enum ls_code read_batch(struct ls_sql_stmt *stmt, struct ls_arena *mem,
                               struct ls_batch_row *ret, struct ls_error *err)
{
    struct ls_sum sum, state_sum;
    enum ls_code rc;

    *ret = (struct ls_batch_row){ls_sql_i64(stmt, 0),
                                 ls_sql_i64(stmt, 1),
                                 ls_sql_i64(stmt, 2),
                                 ls_sql_i64(stmt, 3),
                                 ls_sql_i64(stmt, 4),
                                 ls_state_text(stmt, 5, mem),
                                 {(uint64_t)ls_sql_i64(stmt, 8), (uint64_t)ls_sql_i64(stmt, 9),
                                  (uint64_t)ls_sql_i64(stmt, 10)}};
    if (!ret->marker)
        return ls_error_nomem(err);
    rc = ls_journal_sum_batch(ret, &sum, err);
    if (rc == LS_OK)
        rc = ls_journal_sum_state(ret->run, ret->batch, ret->state, &state_sum, err);
    if (rc == LS_OK &&
        (!ls_state_sum_fits(stmt, 6, &sum) || !ls_state_sum_fits(stmt, 7, &state_sum)))
        return ls_state_damaged(err, "batch %" PRId64 " of run %" PRId64 " is not what was written",
                                ret->batch, ret->run);
    return rc;
}

#define BATCH_COLUMNS                                                                    \
    "b.run, b.batch, b.prev, b.blobs, b.state, b.marker, b.checksum, b.state_checksum, " \
    "b.created, b.updated, b.deleted"

/* LS_CORRUPT when it is not there. */
static enum ls_code find_batch(struct ls_state *state, int64_t run, int64_t batch,
                               struct ls_arena *mem, struct ls_batch_row *ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(run), ls_value_int(batch)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_row(state,
                                   "SELECT " BATCH_COLUMNS " FROM {schema}journal_batches b WHERE "
                                   "b.run = ? AND b.batch = ?",
                                   params, 2, &stmt, err);

    if (rc == LS_OK && !stmt)
        return ls_state_damaged(err, "batch %" PRId64 " of run %" PRId64 " is missing", batch, run);
    if (rc == LS_OK)
        rc = read_batch(stmt, mem, ret, err);
    ls_sql_finish(stmt);
    if (rc == LS_OK && (ret->run != run || ret->batch != batch))
        return ls_state_damaged(err, "batch %" PRId64 " of run %" PRId64 " is missing", batch, run);
    return rc;
}

enum ls_code ls_journal_counts(struct ls_state *state, int64_t run, struct ls_batch_counts *ret,
                               struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(run), ls_value_int(LS_BATCH_COMMITTED)};
    struct ls_batch_counts sum = {0};
    struct ls_sql_stmt *stmt = NULL;
    struct ls_arena mem;
    bool more = true;
    enum ls_code rc = ls_state_query(state,
                                     "SELECT " BATCH_COLUMNS " FROM {schema}journal_batches b "
                                     "WHERE b.run = ? AND b.state = ?",
                                     params, 2, &stmt, err);

    ls_arena_init(&mem, 0);
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        struct ls_batch_row row;

        ls_arena_reset(&mem);
        rc = read_batch(stmt, &mem, &row, err);
        sum.created += row.counts.created;
        sum.updated += row.counts.updated;
        sum.deleted += row.counts.deleted;
    }
    ls_sql_finish(stmt);
    ls_arena_done(&mem);
    if (rc == LS_OK)
        *ret = sum;
    return rc;
}

/* ---- blobs ---- */

static enum ls_code damaged_blob(const struct source *s, const char *what, struct ls_error *err)
{
    return ls_state_damaged(err,
                            "blob %" PRId64 " of batch %" PRId64 " of run %" PRId64 " in the "
                            "journal %s",
                            s->seq, s->batch, s->run, what);
}

static enum ls_code unpack(const struct source *s, const struct ls_blob_row *row, const void *data,
                           size_t size, struct ls_error *err)
{
    size_t raw;

    if (row->raw_bytes < 0 || row->raw_bytes > (int64_t)LS_JOURNAL_CHUNK || row->parts < 1 ||
        row->part < 0 || row->part >= row->parts)
        return damaged_blob(s, "is not what was written", err);
    raw = ZSTD_decompress(s->pack, LS_JOURNAL_CHUNK, data, size);
    return raw == (size_t)row->raw_bytes ? LS_OK : damaged_blob(s, "cannot be decompressed", err);
}

/* The blob at s->seq into s->pack. */
static enum ls_code read_blob(struct source *s, struct ls_blob_row *ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(s->run), ls_value_int(s->batch),
                                      ls_value_int(s->seq)};
    struct ls_sql_stmt *stmt = NULL;
    struct ls_sum sum;
    const void *data;
    size_t size = 0;
    enum ls_code rc = ls_state_row(s->state,
                                   "SELECT part, parts, raw_bytes, checksum, data FROM "
                                   "{schema}journal_blobs WHERE run = ? AND batch = ? AND seq = ?",
                                   params, 3, &stmt, err);

    if (rc == LS_OK && !stmt)
        return damaged_blob(s, "is missing", err);
    if (rc != LS_OK)
        return rc;
    *ret = (struct ls_blob_row){
        s->run, s->batch, s->seq, ls_sql_i64(stmt, 0), ls_sql_i64(stmt, 1), ls_sql_i64(stmt, 2)};
    data = ls_sql_bytes(stmt, 4, &size);
    rc = ls_journal_sum_blob(ret, data, data ? size : 0, &sum, err);
    if (rc == LS_OK && (!data || !ls_state_sum_fits(stmt, 3, &sum)))
        rc = damaged_blob(s, "is not what was written", err);
    if (rc == LS_OK) /* again: reading the checksum may have moved the bytes */
        rc = unpack(s, ret, ls_sql_bytes(stmt, 4, &size), size, err);
    ls_sql_finish(stmt);
    return rc;
}

/* The last piece of the pack that was not given out yet. */
static enum ls_code take_piece(struct source *s, struct ls_arena *mem, const void **ret_blob,
                               size_t *ret_size, struct ls_error *err)
{
    struct ls_reader rd;
    size_t size;

    if (s->left < 4)
        return damaged_blob(s, "has a piece that is cut off", err);
    s->left -= 4;
    ls_reader_init(&rd, s->pack + s->left, 4);
    size = ls_reader_u32(&rd);
    if (size > s->left)
        return damaged_blob(s, "has a piece that is cut off", err);
    s->left -= size;
    *ret_blob = ls_arena_copy(mem, s->pack + s->left, size);
    *ret_size = size;
    return *ret_blob ? LS_OK : ls_error_nomem(err);
}

/* A piece that is split: its last part is in s->pack, the others are read going down. */
static enum ls_code join_parts(struct source *s, struct ls_blob_row row, struct ls_arena *mem,
                               const void **ret_blob, size_t *ret_size, struct ls_error *err)
{
    const int64_t parts = row.parts;
    const size_t size = (size_t)(parts - 1) * LS_JOURNAL_PART + (size_t)row.raw_bytes;
    char *piece;
    enum ls_code rc = LS_OK;

    if (row.part != parts - 1 || s->seq < parts - 1 || row.raw_bytes > (int64_t)LS_JOURNAL_PART)
        return damaged_blob(s, "lacks parts", err);
    piece = ls_arena_alloc(mem, size);
    if (!piece)
        return ls_error_nomem(err);
    for (int64_t part = parts - 1;; part--) {
        memcpy(piece + (size_t)part * LS_JOURNAL_PART, s->pack, (size_t)row.raw_bytes);
        s->seq--;
        if (part == 0)
            break;
        rc = read_blob(s, &row, err);
        if (rc == LS_OK && (row.part != part - 1 || row.parts != parts ||
                            row.raw_bytes != (int64_t)LS_JOURNAL_PART))
            rc = damaged_blob(s, "lacks parts", err);
        if (rc != LS_OK)
            return rc;
    }
    *ret_blob = piece;
    *ret_size = size;
    return LS_OK;
}

/* ---- the walk ---- */

/* The next committed batch that has blobs; s->batch 0 at the end. */
static enum ls_code next_batch(struct source *s, struct ls_error *err)
{
    struct ls_arena mem;
    enum ls_code rc = LS_OK;

    s->batch = 0;
    ls_arena_init(&mem, 0);
    while (rc == LS_OK && s->prev != 0 && s->batch == 0) {
        struct ls_batch_row row;

        rc = find_batch(s->state, s->run, s->prev, &mem, &row, err);
        if (rc != LS_OK)
            break;
        if (row.state == LS_BATCH_OPEN)
            rc = ls_error_set(err, LS_INTERNAL,
                              "batch %" PRId64 " of run %" PRId64 " was not settled: whether it "
                              "was committed is not known",
                              row.batch, s->run);
        else if (row.prev >= row.batch) /* the chain only goes down, so it ends */
            rc = ls_state_damaged(err, "batch %" PRId64 " of run %" PRId64 " follows itself",
                                  row.batch, s->run);
        if (row.state == LS_BATCH_COMMITTED) {
            s->batch = row.batch;
            s->seq = row.blobs - 1;
        }
        s->prev = row.prev;
    }
    ls_arena_done(&mem);
    return rc;
}

/* What was there when reading began and is gone may have been pruned meanwhile. */
static enum ls_code gone(struct source *s, enum ls_code rc, struct ls_error *err)
{
    struct ls_error pruned;
    int64_t last;

    if (rc == LS_CORRUPT && ls_journal_head(s->state, s->run, &last, &pruned) == LS_NOT_FOUND) {
        if (err)
            *err = pruned;
        return LS_NOT_FOUND;
    }
    return ls_state_result(s->state, rc, err);
}

static enum ls_code next_piece(struct source *s, struct ls_arena *mem, const void **ret_blob,
                               size_t *ret_size, struct ls_error *err)
{
    struct ls_blob_row row;
    enum ls_code rc = LS_OK;

    while (rc == LS_OK && s->left == 0) {
        while (rc == LS_OK && (s->batch == 0 || s->seq < 0)) {
            if (s->prev == 0)
                return LS_OK;
            rc = next_batch(s, err);
            if (rc == LS_OK && s->batch == 0)
                return LS_OK;
        }
        if (rc == LS_OK)
            rc = read_blob(s, &row, err);
        if (rc == LS_OK && row.parts > 1)
            return join_parts(s, row, mem, ret_blob, ret_size, err);
        if (rc == LS_OK) {
            s->left = (size_t)row.raw_bytes;
            s->seq--;
        }
    }
    return rc == LS_OK ? take_piece(s, mem, ret_blob, ret_size, err) : rc;
}

static enum ls_code on_next(void *ctx, struct ls_arena *mem, const void **ret_blob,
                            size_t *ret_size, struct ls_error *err)
{
    struct source *s = ctx;
    const void *blob = NULL;
    size_t size = 0;
    enum ls_code rc = next_piece(s, mem, &blob, &size, err);

    if (rc != LS_OK)
        return gone(s, rc, err);
    *ret_blob = blob;
    *ret_size = size;
    return LS_OK;
}

enum ls_code ls_state_journal_source(struct ls_state *state, const char *run_id,
                                     struct ls_arena *mem, struct ls_journal_source *ret,
                                     struct ls_error *err)
{
    struct source *s = ls_arena_alloc(mem, sizeof *s);
    char *pack = ls_arena_alloc(mem, LS_JOURNAL_CHUNK);
    enum ls_code rc;

    if (!s || !pack)
        return ls_error_nomem(err);
    s->state = state;
    s->pack = pack;
    rc = ls_state_flush(state, err);
    if (rc == LS_OK)
        rc = ls_state_run_number(state, run_id, &s->run, err);
    if (rc == LS_OK)
        rc = ls_journal_head(state, s->run, &s->prev, err);
    if (rc == LS_OK)
        *ret = (struct ls_journal_source){s, on_next};
    return ls_state_result(state, rc, err);
}

/* ---- batches whose end is not known ---- */

enum ls_code ls_state_open_batches(struct ls_state *state, const char *sync, const char *target,
                                   struct ls_arena *mem, size_t *ret_count,
                                   struct ls_open_batch **ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(sync), ls_value_text(target ? target : "")};
    struct ls_sql_stmt *stmt = NULL;
    struct ls_open_batch *open = NULL;
    size_t count = 0, room = 0;
    bool more = true;
    enum ls_code rc = ls_state_flush(state, err);

    if (rc == LS_OK)
        rc = ls_state_query(state,
                            "SELECT " BATCH_COLUMNS ", r.id FROM {schema}journal_batches b JOIN "
                            "{schema}runs r ON r.number = b.run WHERE b.state = 0 AND r.sync = ? "
                            "AND ? IN ('', r.target) ORDER BY b.run, b.batch",
                            params, 2, &stmt, err);
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        struct ls_batch_row row;
        const char *id;

        if (count == room) {
            struct ls_open_batch *grown = ls_arena_array(mem, room ? room * 2 : 4, sizeof *grown);

            if (!grown) {
                rc = ls_error_nomem(err);
                break;
            }
            if (count)
                memcpy(grown, open, count * sizeof *open);
            open = grown;
            room = room ? room * 2 : 4;
        }
        rc = read_batch(stmt, mem, &row, err);
        if (rc != LS_OK)
            break;
        id = ls_sql_text(stmt, 11, NULL);
        open[count].batch = (uint64_t)row.batch;
        open[count].marker = row.marker;
        snprintf(open[count].run_id, sizeof open[count].run_id, "%s", id ? id : "");
        count++;
    }
    ls_sql_finish(stmt);
    if (rc == LS_OK) {
        *ret = open;
        *ret_count = count;
    }
    return ls_state_result(state, rc, err);
}

static enum ls_code settle_locked(struct ls_state *state, int64_t run, int64_t batch,
                                  bool committed, struct ls_arena *mem, struct ls_error *err)
{
    const int64_t to = committed ? LS_BATCH_COMMITTED : LS_BATCH_ABORTED;
    struct ls_batch_row row;
    enum ls_code rc = find_batch(state, run, batch, mem, &row, err);

    if (rc != LS_OK || row.state == to)
        return rc;
    if (row.state != LS_BATCH_OPEN)
        return ls_error_set(err, LS_INTERNAL,
                            "batch %" PRId64 " of run %" PRId64 " was settled otherwise before",
                            batch, run);
    rc = ls_journal_close(state, run, batch, committed, err);
    return rc == LS_OK && committed ? ls_state_run_add(state, run, &row.counts, err) : rc;
}

enum ls_code ls_state_batch_settle(struct ls_state *state, const char *run_id, uint64_t batch,
                                   bool committed, struct ls_error *err)
{
    struct ls_arena mem;
    int64_t run = 0;
    enum ls_code rc = ls_state_run_number(state, run_id, &run, err);

    ls_arena_init(&mem, 0);
    if (rc == LS_OK)
        rc = ls_state_begin(state, err);
    if (rc == LS_OK)
        rc = ls_state_end(state, settle_locked(state, run, (int64_t)batch, committed, &mem, err),
                          err);
    ls_arena_done(&mem);
    return ls_state_result(state, rc, err);
}
