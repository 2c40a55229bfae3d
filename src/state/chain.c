/* SPDX-License-Identifier: Apache-2.0 */
/* chain.c - lists of which nothing can be taken away unseen.
 *
 * Each entry holds the SHA-256 of the hash before it and of its own bytes, so a change anywhere
 * breaks the chain at that entry. What a chain alone cannot show is that its end was cut off: so the number and hash of the last
 * entry stand in the table heads too. Numbers have no gaps, so a missing entry has a number.
 *
 * A head is read and moved inside one write transaction, locked by an update that changes
 * nothing: two processes that append at once wait for one another, on SQLite at BEGIN, on
 * PostgreSQL at that row.
 *
 * This guards against accidents and edits by somebody who does not know lockstep. Whoever can write the
 * database and computes the rest of the chain anew cannot be noticed from inside it: keep the hash of a receipt elsewhere for that. */
#include <inttypes.h>
#include <string.h>

#include "state/state_priv.h"

static enum ls_code head_sum(const char *name, const struct ls_head *head, struct ls_sum *ret,
                             struct ls_error *err)
{
    struct ls_buf row;

    ls_buf_init(&row, 0);
    ls_state_encode_text(&row, name);
    ls_buf_u64(&row, (uint64_t)head->seq);
    ls_state_encode_text(&row, head->hash);
    return ls_state_sum(&row, ret, err);
}

static enum ls_code read_head(const char *name, struct ls_sql_stmt *stmt, struct ls_head *ret,
                              struct ls_error *err)
{
    struct ls_sum sum;
    const char *hash;
    size_t size = 0;
    bool found = false;
    enum ls_code rc = ls_sql_step(stmt, &found, err);

    if (rc != LS_OK)
        return rc;
    if (!found)
        return ls_state_damaged(err, "the head of %s is missing", name);
    hash = ls_sql_text(stmt, 1, &size);
    if (!hash || size >= sizeof ret->hash)
        return ls_state_damaged(err, "the head of %s is not what was written", name);
    ret->seq = ls_sql_i64(stmt, 0);
    memcpy(ret->hash, hash, size);
    ret->hash[size] = '\0';
    rc = head_sum(name, ret, &sum, err);
    if (rc == LS_OK && !ls_state_sum_fits(stmt, 2, &sum))
        return ls_state_damaged(err, "the head of %s is not what was written", name);
    return rc;
}

enum ls_code ls_state_head(struct ls_state *state, const char *name, bool lock, struct ls_head *ret,
                           struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(name)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = LS_OK;

    if (lock)
        rc = ls_state_change(state, "UPDATE {schema}heads SET seq = seq WHERE name = ?", params, 1,
                             1, err);
    if (rc == LS_OK)
        rc = ls_state_lend(state, "SELECT seq, hash, checksum FROM {schema}heads WHERE name = ?",
                           params, 1, &stmt, err);
    if (rc == LS_OK)
        rc = read_head(name, stmt, ret, err);
    ls_state_give_back(state, stmt);
    return rc;
}

enum ls_code ls_state_head_save(struct ls_state *state, const char *name,
                                const struct ls_head *head, struct ls_error *err)
{
    struct ls_sum sum;
    enum ls_code rc = head_sum(name, head, &sum, err);

    if (rc == LS_OK) {
        const struct ls_value params[] = {ls_value_int(head->seq), ls_value_text(head->hash),
                                          ls_state_sum_value(&sum), ls_value_text(name)};

        rc = ls_state_change(state,
                             "UPDATE {schema}heads SET seq = ?, hash = ?, checksum = ? "
                             "WHERE name = ?",
                             params, 4, 1, err);
    }
    return rc;
}

enum ls_code ls_state_head_new(struct ls_state *state, const char *name, struct ls_error *err)
{
    const struct ls_head head = {0, LS_CHAIN_START};
    struct ls_sum sum;
    enum ls_code rc = head_sum(name, &head, &sum, err);

    if (rc == LS_OK) {
        const struct ls_value params[] = {ls_value_text(name), ls_value_int(0),
                                          ls_value_text(head.hash), ls_state_sum_value(&sum)};

        rc = ls_state_change(state,
                             "INSERT INTO {schema}heads (name, seq, hash, checksum) "
                             "VALUES (?, ?, ?, ?)",
                             params, 4, 1, err);
    }
    return rc;
}

void ls_chain_hash(const char *prev, const void *data, size_t size, char out[LS_SHA256_HEX])
{
    struct ls_sha256 h;

    ls_sha256_init(&h);
    ls_sha256_add(&h, prev, strlen(prev));
    ls_sha256_add(&h, data, size);
    ls_sha256_hex(&h, out);
}

void ls_chain_begin(struct ls_chain *chain, const char *what)
{
    *chain = (struct ls_chain){what, {0, LS_CHAIN_START}};
}

enum ls_code ls_chain_step(struct ls_chain *chain, int64_t seq, const char *prev, const char *hash,
                           const void *data, size_t size, struct ls_error *err)
{
    const int64_t expected = chain->at.seq + 1;
    char computed[LS_SHA256_HEX];

    if (seq != expected)
        return ls_state_damaged(err, "%s %" PRId64 " is %s", chain->what,
                                seq < expected ? seq : expected,
                                seq < expected ? "out of its place" : "missing");
    ls_chain_hash(prev, data, size, computed);
    if (strcmp(hash, computed) != 0)
        return ls_state_damaged(err, "%s %" PRId64 " is not what was written", chain->what, seq);
    if (strcmp(prev, chain->at.hash) != 0)
        return ls_state_damaged(err, "%s %" PRId64 " does not follow the one before it",
                                chain->what, seq);
    chain->at.seq = seq;
    memcpy(chain->at.hash, computed, sizeof computed);
    return LS_OK;
}

enum ls_code ls_chain_end(const struct ls_chain *chain, const struct ls_head *head,
                          struct ls_error *err)
{
    if (chain->at.seq < head->seq)
        return ls_state_damaged(err, "%s %" PRId64 " is missing: the list ends before its head",
                                chain->what, chain->at.seq + 1);
    if (chain->at.seq > head->seq)
        return ls_state_damaged(err, "%s %" PRId64 " stands behind the end of the list",
                                chain->what, head->seq + 1);
    if (strcmp(chain->at.hash, head->hash) != 0)
        return ls_state_damaged(err, "%s %" PRId64 " is not the last one that was written",
                                chain->what, head->seq);
    return LS_OK;
}
