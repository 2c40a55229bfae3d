/* SPDX-License-Identifier: Apache-2.0 */
/* receipts.c - what proves a run, each chained to the one before.
 *
 * hash = SHA-256 of the 64 digits of the hash before (64 zeros for the first) and the body's bytes, so that anybody with
 * `sha256sum` can check a chain of exported receipts. The body says itself whose it is: it holds the run's UUID, and
 * a receipt that stands at another run is damage. The row's other columns have a checksum. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "state/state_priv.h"

struct receipt {
    int64_t seq, run;
    const char *run_id, *body, *prev, *hash;
};

static enum ls_code row_sum(const struct receipt *r, struct ls_sum *ret, struct ls_error *err)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_buf_u64(&out, (uint64_t)r->seq);
    ls_buf_u64(&out, (uint64_t)r->run);
    ls_state_encode_text(&out, r->run_id);
    ls_state_encode_text(&out, r->body);
    ls_state_encode_text(&out, r->prev);
    ls_state_encode_text(&out, r->hash);
    return ls_state_sum(&out, ret, err);
}

static bool is_of(const char *body, const char *run_id)
{
    const size_t size = strlen(body);

    return size > 2 && body[0] == '{' && body[size - 1] == '}' && strstr(body, run_id);
}

static enum ls_code append(struct ls_state *state, const char *run_id, const char *body,
                           struct ls_error *err)
{
    struct receipt r = {.run_id = run_id, .body = body};
    struct ls_head head;
    struct ls_sum sum;
    char prev[LS_SHA256_HEX];
    enum ls_code rc = ls_state_run_number(state, run_id, &r.run, err);

    if (rc == LS_OK)
        rc = ls_state_head(state, "receipts", true, &head, err);
    if (rc != LS_OK)
        return rc;
    memcpy(prev, head.hash, sizeof prev);
    ls_chain_hash(prev, body, strlen(body), head.hash);
    r.seq = ++head.seq;
    r.prev = prev;
    r.hash = head.hash;
    rc = row_sum(&r, &sum, err);
    if (rc == LS_OK) {
        const struct ls_value params[] = {
            ls_value_int(r.seq),      ls_value_int(r.run),   ls_value_text(r.run_id),
            ls_value_text(r.body),    ls_value_text(r.prev), ls_value_text(r.hash),
            ls_state_sum_value(&sum),
        };

        rc = ls_state_change(state,
                             "INSERT INTO {schema}receipts (seq, run, run_id, body, prev, hash, "
                             "checksum) VALUES (?, ?, ?, ?, ?, ?, ?)",
                             params, 7, 1, err);
    }
    return rc == LS_OK ? ls_state_head_save(state, "receipts", &head, err) : rc;
}

enum ls_code ls_state_receipt_add(struct ls_state *state, const char *run_id, const char *body_json,
                                  struct ls_error *err)
{
    enum ls_code rc;

    if (!is_of(body_json, run_id) ||
        ls_utf8_check(body_json, strlen(body_json)) != strlen(body_json))
        return ls_error_set(err, LS_INTERNAL,
                            "the receipt of run %s is no JSON object that holds the run's id",
                            run_id);
    rc = ls_state_begin(state, err);
    if (rc == LS_OK)
        rc = ls_state_end(state, append(state, run_id, body_json, err), err);
    return ls_state_result(state, rc, err);
}

/* ---- reading ---- */

#define COLUMNS "seq, run, run_id, body, prev, hash, checksum"

static enum ls_code get_row(struct ls_sql_stmt *stmt, struct ls_arena *mem, struct receipt *r,
                            struct ls_error *err)
{
    struct ls_sum sum;
    enum ls_code rc;

    *r = (struct receipt){ls_sql_i64(stmt, 0),         ls_sql_i64(stmt, 1),
                          ls_state_text(stmt, 2, mem), ls_state_text(stmt, 3, mem),
                          ls_state_text(stmt, 4, mem), ls_state_text(stmt, 5, mem)};
    if (!r->run_id || !r->body || !r->prev || !r->hash)
        return ls_error_nomem(err);
    rc = row_sum(r, &sum, err);
    if (rc == LS_OK && (!ls_state_sum_fits(stmt, 6, &sum) || !is_of(r->body, r->run_id)))
        return ls_state_damaged(err, "receipt %" PRId64 " is not what was written", r->seq);
    return rc;
}

static enum ls_code step(struct ls_chain *chain, const struct receipt *r, struct ls_error *err)
{
    return ls_chain_step(chain, r->seq, r->prev, r->hash, r->body, strlen(r->body), err);
}

/* The hash that the list has at seq: of the entry before the first, of an entry, of the head. */
static enum ls_code hash_at(struct ls_state *state, int64_t seq, char out[LS_SHA256_HEX],
                            struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(seq)};
    struct ls_sql_stmt *stmt = NULL;
    const char *hash;
    size_t size = 0;
    enum ls_code rc;

    memcpy(out, LS_CHAIN_START, sizeof LS_CHAIN_START);
    if (seq == 0)
        return LS_OK;
    rc = ls_state_row(state, "SELECT hash FROM {schema}receipts WHERE seq = ?", params, 1, &stmt,
                      err);
    if (rc != LS_OK)
        return rc;
    hash = stmt ? ls_sql_text(stmt, 0, &size) : NULL;
    if (!hash || size >= LS_SHA256_HEX)
        rc = ls_state_damaged(err, "receipt %" PRId64 " is %s", seq,
                              stmt ? "not what was written" : "missing");
    else
        memcpy(out, hash, size + 1);
    ls_sql_finish(stmt);
    return rc;
}

/* Its own hash, the entry before, and the one after it or the head. */
static enum ls_code verify_one(struct ls_state *state, const struct receipt *r,
                               struct ls_error *err)
{
    struct ls_chain chain;
    struct ls_head head;
    struct ls_sql_stmt *stmt = NULL;
    const struct ls_value next[] = {ls_value_int(r->seq + 1)};
    const char *prev;
    enum ls_code rc = ls_state_head(state, "receipts", false, &head, err);

    ls_chain_begin(&chain, "receipt");
    chain.at.seq = r->seq - 1;
    if (rc == LS_OK)
        rc = hash_at(state, r->seq - 1, chain.at.hash, err);
    if (rc == LS_OK)
        rc = step(&chain, r, err);
    if (rc != LS_OK || r->seq >= head.seq)
        return rc == LS_OK ? ls_chain_end(&chain, &head, err) : rc;
    rc =
        ls_state_row(state, "SELECT prev FROM {schema}receipts WHERE seq = ?", next, 1, &stmt, err);
    if (rc == LS_OK && !stmt)
        rc = ls_state_damaged(err, "receipt %" PRId64 " is missing", r->seq + 1);
    prev = stmt ? ls_sql_text(stmt, 0, NULL) : NULL;
    if (rc == LS_OK && (!prev || strcmp(prev, r->hash) != 0))
        rc = ls_state_damaged(err, "receipt %" PRId64 " does not follow the one before it",
                              r->seq + 1);
    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code find(struct ls_state *state, const char *run_id, struct ls_arena *mem,
                         struct receipt *ret, struct ls_error *err)
{
    struct ls_value params[1];
    struct ls_sql_stmt *stmt = NULL;
    int64_t run = 0;
    enum ls_code rc = ls_state_run_number(state, run_id, &run, err);

    params[0] = ls_value_int(run);
    if (rc == LS_OK)
        rc = ls_state_row(state, "SELECT " COLUMNS " FROM {schema}receipts WHERE run = ?", params,
                          1, &stmt, err);
    if (rc == LS_OK && !stmt)
        return ls_error_set(err, LS_NOT_FOUND,
                            "run %" PRId64 " has no receipt: it was stopped, interrupted, or is "
                            "still at work",
                            run);
    if (rc == LS_OK)
        rc = get_row(stmt, mem, ret, err);
    ls_sql_finish(stmt);
    if (rc == LS_OK && (ret->run != run || strcmp(ret->run_id, run_id) != 0))
        rc = ls_state_damaged(err, "receipt %" PRId64 " stands at another run", ret->seq);
    return rc;
}

enum ls_code ls_state_receipt_get(struct ls_state *state, const char *run_id, struct ls_arena *mem,
                                  const char **ret_json, struct ls_error *err)
{
    struct receipt r;
    const char *json = NULL;
    enum ls_code rc = ls_sql_begin(state->db, false, err);

    if (rc == LS_OK)
        rc = find(state, run_id, mem, &r, err);
    if (rc == LS_OK)
        rc = verify_one(state, &r, err);
    ls_sql_rollback(state->db);
    if (rc == LS_OK) {
        json = ls_arena_printf(mem, "%.*s,\"prev\":\"%s\",\"hash\":\"%s\"}",
                               (int)strlen(r.body) - 1, r.body, r.prev, r.hash);
        rc = json ? LS_OK : ls_error_nomem(err);
    }
    if (rc == LS_OK)
        *ret_json = json;
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_verify_receipts(struct ls_state *state, uint64_t *count, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_chain chain;
    struct ls_head head;
    struct ls_arena mem;
    bool more = true;
    enum ls_code rc = ls_state_head(state, "receipts", false, &head, err);

    ls_arena_init(&mem, 0);
    ls_chain_begin(&chain, "receipt");
    if (rc == LS_OK)
        rc = ls_state_query_stream(state, "SELECT " COLUMNS " FROM {schema}receipts ORDER BY seq",
                                   &stmt, err);
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        struct receipt r;

        ls_arena_reset(&mem);
        rc = get_row(stmt, &mem, &r, err);
        if (rc == LS_OK)
            rc = step(&chain, &r, err);
        if (rc == LS_OK)
            ++*count;
    }
    ls_sql_finish(stmt);
    ls_arena_done(&mem);
    return rc == LS_OK ? ls_chain_end(&chain, &head, err) : rc;
}
