/* SPDX-License-Identifier: Apache-2.0 */
/* prune.c - lets go of journals that nobody will undo any more.
 *
 * Two rules: a finished run's journal goes when it is older than keep_days, and then the oldest ones go until all that is left
 * takes at most keep_bytes. The run, its lines, its receipt and the audit log stay; an undo says that the journal was
 * pruned.
 *
 * Each journal goes in a transaction of its own, under its sync's lock, so that none is taken away from an undo at work; where
 * somebody holds the lock the journal stays until the next time. A journal with a batch that was not settled stays as well.
 *
 * The file gets smaller: pages that became free are given back (auto_vacuum is incremental since the state was made), some at a time, then the WAL is
 * moved into the file. PostgreSQL's autovacuum does the like by itself. */
#include <inttypes.h>

#include "state/state_priv.h"

#define DEFAULT_KEEP_DAYS 30
#define DEFAULT_KEEP_BYTES ((int64_t)10 << 30)
#define DAY_US ((int64_t)86400 * 1000000)
#define VACUUM_PAGES 20000 /* 80 MB a transaction: the WAL grows by what moves */

struct candidate {
    int64_t run, finished_us, stored_bytes;
    const char *sync;
};

/* The oldest run behind `after` that has a journal and is at its end; run 0 when there is none. */
static enum ls_code next_candidate(struct ls_state *state, int64_t after, struct ls_arena *mem,
                                   struct candidate *ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(after),
                                      ls_value_text(ls_run_status_word(LS_RUN_RUNNING))};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_row(
        state,
        "SELECT j.run, r.finished_us, j.stored_bytes, r.sync FROM {schema}journals j JOIN "
        "{schema}runs r ON r.number = j.run WHERE j.run > ? AND j.kept = 1 AND j.last_batch > 0 "
        "AND r.status <> ? AND NOT EXISTS (SELECT 1 FROM {schema}journal_batches b WHERE "
        "b.run = j.run AND b.state = 0) ORDER BY j.run LIMIT 1",
        params, 2, &stmt, err);

    *ret = (struct candidate){0};
    if (rc == LS_OK && stmt) {
        *ret = (struct candidate){ls_sql_i64(stmt, 0), ls_sql_i64(stmt, 1), ls_sql_i64(stmt, 2),
                                  ls_state_text(stmt, 3, mem)};
        rc = ret->sync ? LS_OK : ls_error_nomem(err);
    }
    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code drop_locked(struct ls_state *state, int64_t run, struct ls_error *err)
{
    const struct ls_value which[] = {ls_value_int(run)};
    struct ls_sum sum;
    enum ls_code rc = ls_journal_sum_head(run, 0, false, &sum, err);

    if (rc == LS_OK)
        rc = ls_state_change(state, "DELETE FROM {schema}journal_blobs WHERE run = ?", which, 1, -1,
                             err);
    if (rc == LS_OK)
        rc = ls_state_change(state, "DELETE FROM {schema}journal_batches WHERE run = ?", which, 1,
                             -1, err);
    if (rc == LS_OK) {
        const struct ls_value params[] = {ls_state_sum_value(&sum), which[0]};

        rc = ls_state_change(state,
                             "UPDATE {schema}journals SET last_batch = 0, kept = 0, "
                             "stored_bytes = 0, checksum = ? WHERE run = ?",
                             params, 2, 1, err);
    }
    return rc;
}

/* *ret_dropped false where the sync is at work. */
static enum ls_code drop(struct ls_state *state, const struct candidate *c, bool *ret_dropped,
                         struct ls_error *err)
{
    struct ls_state_lock *lock = NULL;
    enum ls_code rc = ls_state_lock(state, c->sync, &lock, err);

    *ret_dropped = false;
    if (rc == LS_LOCKED)
        return LS_OK;
    if (rc == LS_OK)
        rc = ls_state_begin(state, err);
    if (rc == LS_OK)
        rc = ls_state_end(state, drop_locked(state, c->run, err), err);
    ls_state_unlock(lock);
    *ret_dropped = rc == LS_OK;
    return rc;
}

/* A state that was rebuilt by other means may not be able to give pages back: then they stay, for new data. */
static enum ls_code free_pages(struct ls_state *state, struct ls_error *err)
{
    int64_t pages = 0, before = INT64_MAX;
    enum ls_code rc = LS_OK;

    if (!state->path)
        return LS_OK;
    for (;;) {
        rc = ls_state_number(state, "PRAGMA freelist_count", NULL, 0, 0, &pages, err);
        if (rc != LS_OK || pages == 0 || pages >= before)
            break;
        before = pages;
        rc = ls_state_begin(state, err);
        if (rc == LS_OK)
            rc = ls_state_end(
                state, ls_sql_execf(state->db, err, "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES),
                err);
        if (rc != LS_OK)
            break;
    }
    return rc == LS_OK ? ls_sql_checkpoint(state->db, 0, err) : rc;
}

static enum ls_code prune(struct ls_state *state, int64_t before_us, int64_t keep_bytes,
                          struct ls_arena *mem, uint64_t *runs, int64_t *bytes,
                          struct ls_error *err)
{
    struct candidate c = {0};
    int64_t total = 0, after = 0;
    bool dropped = false;
    enum ls_code rc =
        ls_state_number(state, "SELECT CAST(sum(stored_bytes) AS {bigint}) FROM {schema}journals",
                        NULL, 0, 0, &total, err);

    while (rc == LS_OK) {
        ls_arena_reset(mem);
        rc = next_candidate(state, after, mem, &c, err);
        if (rc != LS_OK || c.run == 0)
            break;
        after = c.run;
        if (c.finished_us >= before_us && total <= keep_bytes)
            continue;
        rc = drop(state, &c, &dropped, err);
        if (rc == LS_OK && dropped) {
            total -= c.stored_bytes;
            *bytes += c.stored_bytes;
            ++*runs;
        }
    }
    return rc;
}

enum ls_code ls_state_prune(struct ls_state *state, int keep_days, int64_t keep_bytes,
                            int64_t now_us, uint64_t *ret_runs, int64_t *ret_bytes,
                            struct ls_error *err)
{
    const int64_t days = keep_days > 0 ? keep_days : DEFAULT_KEEP_DAYS;
    const int64_t before_us = days < now_us / DAY_US ? now_us - days * DAY_US : 0;
    struct ls_arena mem;
    uint64_t runs = 0;
    int64_t bytes = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_state_flush(state, err);
    if (rc == LS_OK)
        rc = prune(state, before_us, keep_bytes > 0 ? keep_bytes : DEFAULT_KEEP_BYTES, &mem, &runs,
                   &bytes, err);
    if (rc == LS_OK && runs > 0)
        rc = free_pages(state, err);
    ls_arena_done(&mem);
    *ret_runs = runs;
    *ret_bytes = bytes;
    return ls_state_result(state, rc, err);
}
