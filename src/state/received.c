/* SPDX-License-Identifier: Apache-2.0 */
/* received.c - messages that came to receivers: taken up, ended, counted, removed.
 *
 * The unique pair of receiver and id tells a repetition, whatever races. A message that was refused may be taken up again when its sender sends it again:
 * what it was refused for may have been put right since. */
#include "state/received.h"

#include <stdio.h>
#include <string.h>

#include "state/state_priv.h"

#define HEAD "received"

static const char *const words[] = {
#define X(name, word) word,
    LS_RECEIVED_STATES(X)
#undef X
};

const char *ls_received_word(enum ls_received_state state)
{
    return state < LS_RECEIVED_STATE_COUNT ? words[state] : "unknown";
}

/* ---- taking up ---- */

static enum ls_code insert(struct ls_state *state, struct ls_received *m, int64_t now_us,
                           int64_t busy_us, bool *ret_inserted, struct ls_error *err)
{
    struct ls_head head;
    int64_t inserted = 0;
    enum ls_code rc = ls_state_head(state, HEAD, true, &head, err);
    const struct ls_value params[] = {
        ls_value_int(head.seq + 1),
        ls_value_text(m->receiver),
        ls_value_text(m->id),
        ls_value_text(m->type),
        ls_value_text(m->resource),
        ls_value_int(m->at_us),
        ls_value_int(now_us),
        ls_value_int(now_us + busy_us),
        ls_value_text(m->headers),
        ls_value_data(LS_T_BYTES, m->body_size ? m->body : "", m->body_size),
    };

    if (rc == LS_OK)
        rc = ls_state_count_change(
            state,
            "INSERT INTO {schema}received (seq, receiver, id, type, resource, at_us, received_us, "
            "state, busy_us, token, done_us, outcome, headers, body) VALUES (?, ?, ?, ?, ?, ?, ?, "
            "0, ?, 1, 0, '', ?, ?) ON CONFLICT (receiver, id) DO NOTHING",
            params, 10, &inserted, err);
    *ret_inserted = inserted == 1;
    if (rc != LS_OK || !inserted)
        return rc;
    m->seq = ++head.seq;
    m->token = 1;
    m->received_us = now_us;
    return ls_state_head_save(state, HEAD, &head, err);
}

/* Reads what is there; *ret_busy_us: until when somebody is at work on it. */
static enum ls_code find(struct ls_state *state, struct ls_received *m, struct ls_arena *mem,
                         int64_t *ret_busy_us, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(m->receiver), ls_value_text(m->id)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_row(state,
                                   "SELECT seq, token, state, busy_us, received_us, outcome FROM "
                                   "{schema}received WHERE receiver = ? AND id = ?",
                                   params, 2, &stmt, err);

    if (rc == LS_OK && !stmt)
        return ls_error_set(err, LS_BUSY, "a message was removed while it came again");
    if (rc == LS_OK) {
        m->seq = ls_sql_i64(stmt, 0);
        m->token = ls_sql_i64(stmt, 1);
        m->state = (enum ls_received_state)ls_sql_i64(stmt, 2);
        *ret_busy_us = ls_sql_i64(stmt, 3);
        m->received_us = ls_sql_i64(stmt, 4);
        m->outcome = ls_state_text(stmt, 5, mem);
        if (!m->outcome)
            rc = ls_error_nomem(err);
    }
    ls_sql_finish(stmt);
    return rc;
}

/* Two that take it up at once: the second finds another token. */
static enum ls_code take_again(struct ls_state *state, struct ls_received *m, int64_t until_us,
                               bool *ret_mine, struct ls_error *err)
{
    const struct ls_value params[] = {
        ls_value_int(until_us),
        ls_value_text(m->headers),
        ls_value_data(LS_T_BYTES, m->body_size ? m->body : "", m->body_size),
        ls_value_int(m->seq),
        ls_value_int(m->token),
    };
    int64_t changed = 0;
    enum ls_code rc = ls_state_count_change(state,
                                            "UPDATE {schema}received SET state = 0, busy_us = ?, "
                                            "token = token + 1, headers = ?, body = "
                                            "? WHERE seq = ? AND token = ?",
                                            params, 5, &changed, err);

    *ret_mine = changed == 1;
    m->token += *ret_mine;
    return rc;
}

static enum ls_code take(struct ls_state *state, struct ls_received *m, int64_t now_us,
                         int64_t busy_us, struct ls_arena *mem, enum ls_taken *ret,
                         struct ls_error *err)
{
    int64_t until_us = 0;
    bool mine = false;
    enum ls_code rc = insert(state, m, now_us, busy_us, &mine, err);

    if (rc == LS_OK && !mine) {
        rc = find(state, m, mem, &until_us, err);
        *ret = m->state == LS_RECEIVED_WAITING || m->state == LS_RECEIVED_REFUSED ? LS_TAKEN_BUSY
                                                                                  : LS_TAKEN_KNOWN;
        if (rc == LS_OK && *ret == LS_TAKEN_BUSY && until_us <= now_us)
            rc = take_again(state, m, now_us + busy_us, &mine, err);
    }
    if (mine) {
        m->state = LS_RECEIVED_WAITING;
        m->outcome = "";
        *ret = LS_TAKEN;
    }
    return rc;
}

enum ls_code ls_received_take(struct ls_state *state, struct ls_received *m, int64_t now_us,
                              int64_t busy_us, struct ls_arena *mem, enum ls_taken *ret,
                              struct ls_error *err)
{
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(state, take(state, m, now_us, busy_us, mem, ret, err), err);
    return ls_state_result(state, rc, err);
}

/* ---- the end ---- */

static enum ls_code note_end(struct ls_state *state, const struct ls_received *m, int64_t now_us,
                             bool *ret_late, struct ls_error *err)
{
    const bool waits = m->state == LS_RECEIVED_WAITING,
               keeps = waits || m->state == LS_RECEIVED_REFUSED;
    const struct ls_value params[] = {
        ls_value_int((int64_t)m->state),
        ls_value_int(now_us),
        ls_value_int(waits ? 0 : now_us),
        ls_value_text(m->outcome),
        ls_value_int(keeps),
        ls_value_int(keeps),
        ls_value_int(m->seq),
        ls_value_int(m->token),
    };
    int64_t changed = 0;
    enum ls_code rc = ls_state_count_change(
        state,
        "UPDATE {schema}received SET state = ?, busy_us = ?, done_us = ?, outcome = ?, headers = "
        "CASE WHEN ? = 1 THEN headers ELSE '' END, body = CASE WHEN ? = 1 THEN body ELSE "
        "substr(body, 1, 0) END WHERE seq = ? AND token = ? AND state = 0",
        params, 8, &changed, err);
    struct ls_buf subject;

    *ret_late = changed == 0;
    if (rc != LS_OK || *ret_late || waits)
        return rc;
    ls_buf_init(&subject, 0);
    ls_buf_printf(&subject, "%s %s %s", m->type, m->resource, m->id);
    rc = ls_buf_str(&subject) ? LS_OK : ls_error_nomem(err);
    if (rc == LS_OK) {
        char actor[300];

        snprintf(actor, sizeof actor, "receiver:%.200s", m->receiver);
        rc = ls_state_audit_append(state, actor, "message", ls_buf_str(&subject), m->outcome, err);
    }
    ls_buf_done(&subject);
    return rc;
}

enum ls_code ls_received_end(struct ls_state *state, const struct ls_received *m, int64_t now_us,
                             bool *ret_late, struct ls_error *err)
{
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(state, note_end(state, m, now_us, ret_late, err), err);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_received_free(struct ls_state *state, struct ls_error *err)
{
    int64_t count = 0;
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(
            state,
            ls_state_count_change(state, "UPDATE {schema}received SET busy_us = 0 WHERE state = 0",
                                  NULL, 0, &count, err),
            err);
    return ls_state_result(state, rc, err);
}

/* ---- reading ---- */

static enum ls_code get_row(struct ls_sql_stmt *stmt, struct ls_arena *mem, struct ls_received *ret,
                            struct ls_error *err)
{
    size_t size = 0;
    const void *body = ls_sql_bytes(stmt, 8, &size);

    *ret = (struct ls_received){
        .seq = ls_sql_i64(stmt, 0),
        .receiver = ls_state_text(stmt, 1, mem),
        .id = ls_state_text(stmt, 2, mem),
        .type = ls_state_text(stmt, 3, mem),
        .resource = ls_state_text(stmt, 4, mem),
        .at_us = ls_sql_i64(stmt, 5),
        .received_us = ls_sql_i64(stmt, 6),
        .headers = ls_state_text(stmt, 7, mem),
        .body = ls_arena_copy(mem, body ? body : "", size),
        .body_size = size,
        .outcome = "",
    };
    return ret->receiver && ret->id && ret->type && ret->resource && ret->headers && ret->body
               ? LS_OK
               : ls_error_nomem(err);
}

enum ls_code ls_received_waiting(struct ls_state *state, int64_t now_us, size_t max,
                                 struct ls_arena *mem, size_t *ret_count, struct ls_received **ret,
                                 struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(now_us), ls_value_int((int64_t)max)};
    struct ls_sql_stmt *stmt = NULL;
    bool more = true;
    enum ls_code rc = LS_OK;

    *ret_count = 0;
    *ret = ls_arena_array(mem, max, sizeof **ret);
    if (!*ret)
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_state_query(state,
                            "SELECT seq, receiver, id, type, resource, at_us, received_us, "
                            "headers, body FROM {schema}received WHERE state = 0 AND busy_us <= ? "
                            "ORDER BY busy_us, seq LIMIT ?",
                            params, 2, &stmt, err);
    while (rc == LS_OK && *ret_count < max && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more)
        rc = get_row(stmt, mem, &(*ret)[(*ret_count)++], err);
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_received_count(struct ls_state *state, const char *receiver,
                               struct ls_received_counts *ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(receiver)};
    struct ls_sql_stmt *stmt = NULL;
    bool more = true;
    enum ls_code rc = ls_state_query(state,
                                     "SELECT state, count(*), max(received_us) FROM "
                                     "{schema}received WHERE receiver = ? GROUP BY state",
                                     params, 1, &stmt, err);

    *ret = (struct ls_received_counts){0};
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        const int64_t which = ls_sql_i64(stmt, 0), last_us = ls_sql_i64(stmt, 2);

        if (which >= 0 && which < LS_RECEIVED_STATE_COUNT)
            ret->count[which] = ls_sql_i64(stmt, 1);
        if (last_us > ret->last_us)
            ret->last_us = last_us;
    }
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_received_prune(struct ls_state *state, int64_t before_us, int64_t *ret_count,
                               struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(before_us)};
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(state,
                          ls_state_count_change(
                              state,
                              "DELETE FROM {schema}received WHERE state <> 0 AND received_us < ?",
                              params, 1, ret_count, err),
                          err);
    return ls_state_result(state, rc, err);
}
