/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - who did what, when: an append-only, chained list.
 *
 * An entry's bytes, which are hashed behind the hash before: the text "lockstep audit 1", seq and at_us as big-endian
 * 64-bit numbers, actor, action, subject, detail, each text with its length as 32 bits before it. chain.c says what
 * the chain shows and what it cannot.
 *
 * A list that is read is verified as far as it goes: each entry by its own hash, each pair by their link, the newest by the head. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "state/state_priv.h"

static void encode(struct ls_buf *out, const struct ls_audit *a)
{
    ls_state_encode_text(out, "lockstep audit 1");
    ls_buf_u64(out, (uint64_t)a->seq);
    ls_buf_u64(out, (uint64_t)a->at_us);
    ls_state_encode_text(out, a->actor);
    ls_state_encode_text(out, a->action);
    ls_state_encode_text(out, a->subject);
    ls_state_encode_text(out, a->detail_json);
}

static enum ls_code append(struct ls_state *state, struct ls_audit *a, struct ls_error *err)
{
    struct ls_head head;
    struct ls_buf data;
    char prev[LS_SHA256_HEX];
    enum ls_code rc = ls_state_head(state, "audit", true, &head, err);

    if (rc != LS_OK)
        return rc;
    memcpy(prev, head.hash, sizeof prev);
    a->seq = ++head.seq;
    ls_buf_init(&data, 0);
    encode(&data, a);
    if (data.failed)
        rc = ls_error_nomem(err);
    else
        ls_chain_hash(prev, data.data, data.size, head.hash);
    ls_buf_done(&data);
    if (rc == LS_OK) {
        const struct ls_value params[] = {
            ls_value_int(a->seq),     ls_value_int(a->at_us),    ls_value_text(a->actor),
            ls_value_text(a->action), ls_value_text(a->subject), ls_value_text(a->detail_json),
            ls_value_text(prev),      ls_value_text(head.hash),
        };

        rc = ls_state_change(state,
                             "INSERT INTO {schema}audit (seq, at_us, actor, action, subject, "
                             "detail, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                             params, 8, 1, err);
    }
    return rc == LS_OK ? ls_state_head_save(state, "audit", &head, err) : rc;
}

static bool is_text(const char *text)
{
    return ls_utf8_check(text, strlen(text)) == strlen(text);
}

void ls_state_audit_about(struct ls_state *state, const char *members)
{
    state->about = members;
}

/* An object's text with more members behind its own. */
static void add_members(struct ls_buf *out, const char *object, const char *members)
{
    const size_t length = strlen(object) - 1; /* up to its bracket */

    ls_buf_add(out, object, length);
    ls_buf_printf(out, length > 1 ? ",%s}" : "%s}", members);
}

enum ls_code ls_state_audit_append(struct ls_state *state, const char *actor, const char *action,
                                   const char *subject, const char *detail_json,
                                   struct ls_error *err)
{
    struct ls_audit entry = {0, ls_clock_now_us(), actor, action, subject, detail_json};
    struct ls_buf whole;
    enum ls_code rc;

    ls_buf_init(&whole, 0);
    if (state->about) {
        add_members(&whole, detail_json, state->about);
        entry.detail_json = ls_buf_str(&whole);
    }
    if (whole.failed)
        rc = ls_error_nomem(err);
    else if (!is_text(actor) || !is_text(action) || !is_text(subject) ||
             !is_text(entry.detail_json))
        rc = ls_error_set(err, LS_DATA, "audit log: an entry is not UTF-8 (action=%s)", action);
    else
        rc = append(state, &entry, err);
    ls_buf_done(&whole);
    return rc;
}

enum ls_code ls_state_audit_add(struct ls_state *state, const char *actor, const char *action,
                                const char *subject, const char *detail_json, struct ls_error *err)
{
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(
            state, ls_state_audit_append(state, actor, action, subject, detail_json, err), err);
    return ls_state_result(state, rc, err);
}

/* ---- reading ---- */

#define COLUMNS "seq, at_us, actor, action, subject, detail, prev, hash"

struct entry {
    struct ls_audit audit;
    const char *prev, *hash;
};

static enum ls_code get_entry(struct ls_sql_stmt *stmt, struct ls_arena *mem, struct entry *ret,
                              struct ls_error *err)
{
    *ret = (struct entry){{ls_sql_i64(stmt, 0), ls_sql_i64(stmt, 1), ls_state_text(stmt, 2, mem),
                           ls_state_text(stmt, 3, mem), ls_state_text(stmt, 4, mem),
                           ls_state_text(stmt, 5, mem)},
                          ls_state_text(stmt, 6, mem),
                          ls_state_text(stmt, 7, mem)};
    return ret->audit.actor && ret->audit.action && ret->audit.subject && ret->audit.detail_json &&
                   ret->prev && ret->hash
               ? LS_OK
               : ls_error_nomem(err);
}

static enum ls_code step(struct ls_chain *chain, const struct entry *e, struct ls_error *err)
{
    struct ls_buf data;
    enum ls_code rc;

    ls_buf_init(&data, 0);
    encode(&data, &e->audit);
    rc = data.failed
             ? ls_error_nomem(err)
             : ls_chain_step(chain, e->audit.seq, e->prev, e->hash, data.data, data.size, err);
    ls_buf_done(&data);
    return rc;
}

/* entries are newest first: the chain is walked from the other end, to the head. all: the first one there is is among them. */
static enum ls_code verify_run(const struct entry *entries, size_t count, bool all,
                               const struct ls_head *head, struct ls_error *err)
{
    struct ls_chain chain;
    enum ls_code rc = LS_OK;

    ls_chain_begin(&chain, "audit entry");
    if (!all) { /* begin in the middle */
        chain.at.seq = entries[count - 1].audit.seq - 1;
        if (strlen(entries[count - 1].prev) < sizeof chain.at.hash)
            memcpy(chain.at.hash, entries[count - 1].prev, strlen(entries[count - 1].prev) + 1);
    }
    for (size_t i = count; i-- > 0 && rc == LS_OK;)
        rc = step(&chain, &entries[i], err);
    return rc == LS_OK && head ? ls_chain_end(&chain, head, err) : rc;
}

static enum ls_code verify_each(const struct entry *entries, size_t count, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = verify_run(&entries[i], 1, false, NULL, err);
    return rc;
}

/* Which entries a list is of. */
struct selection {
    int64_t before; /* 0: from the newest */
    const char *actor, *action;
    size_t max;
};

static enum ls_code query_list(struct ls_state *state, const struct selection *which,
                               struct ls_sql_stmt **ret, struct ls_error *err)
{
    struct ls_value params[4];
    struct ls_buf sql;
    size_t count = 0;
    enum ls_code rc;

    ls_buf_init(&sql, 0);
    ls_buf_text(&sql, "SELECT " COLUMNS " FROM {schema}audit WHERE seq < ?");
    params[count++] = ls_value_int(which->before ? which->before : INT64_MAX);
    if (which->actor) {
        ls_buf_text(&sql, " AND actor = ?");
        params[count++] = ls_value_text(which->actor);
    }
    if (which->action) {
        ls_buf_text(&sql, " AND action = ?");
        params[count++] = ls_value_text(which->action);
    }
    ls_buf_text(&sql, " ORDER BY seq DESC LIMIT ?");
    params[count++] = ls_value_int(which->max > INT_MAX ? INT_MAX : (int64_t)which->max);
    rc = sql.failed ? ls_error_nomem(err)
                    : ls_state_query(state, ls_buf_str(&sql), params, count, ret, err);
    ls_buf_done(&sql);
    return rc;
}

static enum ls_code list_entries(struct ls_state *state, const struct selection *which,
                                 struct ls_arena *mem, size_t *ret_count, struct entry **ret,
                                 struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    struct entry *entries = NULL;
    size_t count = 0, room = 0;
    bool more = true;
    enum ls_code rc = query_list(state, which, &stmt, err);

    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        if (count == room) {
            struct entry *grown = ls_arena_array(mem, room ? room * 2 : 32, sizeof *grown);

            if (!grown) {
                rc = ls_error_nomem(err);
                break;
            }
            if (count)
                memcpy(grown, entries, count * sizeof *entries);
            entries = grown;
            room = room ? room * 2 : 32;
        }
        rc = get_entry(stmt, mem, &entries[count], err);
        count++;
    }
    ls_sql_finish(stmt);
    *ret = entries;
    *ret_count = count;
    return rc;
}

/* Where a list that begins below `before` has to end: at the hash that the entry of that number names as the one before it. */
static enum ls_code head_below(struct ls_state *state, int64_t before, struct ls_head *head,
                               struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(before)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_head(state, "audit", false, head, err);

    if (rc != LS_OK || before == 0 || before > head->seq)
        return rc;
    rc = ls_state_row(state, "SELECT prev FROM {schema}audit WHERE seq = ?", params, 1, &stmt, err);
    if (rc == LS_OK && !stmt)
        return ls_state_damaged(err, "audit entry %" PRId64 " is missing", before);
    if (rc == LS_OK) {
        size_t size = 0;
        const char *prev = ls_sql_text(stmt, 0, &size);

        head->seq = before - 1;
        snprintf(head->hash, sizeof head->hash, "%s", prev ? prev : "");
    }
    ls_sql_finish(stmt);
    return rc;
}

enum ls_code ls_state_audit_page(struct ls_state *state, int64_t before, const char *actor,
                                 const char *action, size_t max, struct ls_arena *mem,
                                 size_t *ret_count, struct ls_audit **ret, struct ls_error *err)
{
    const struct selection which = {before, actor, action, max};
    struct entry *entries = NULL;
    struct ls_audit *list = NULL;
    struct ls_head head;
    size_t count = 0;
    enum ls_code rc = ls_sql_begin(state->db, false, err); /* list and head as of one moment */

    if (rc == LS_OK)
        rc = head_below(state, before, &head, err);
    if (rc == LS_OK)
        rc = list_entries(state, &which, mem, &count, &entries, err);
    ls_sql_rollback(state->db);
    if (rc == LS_OK && (actor || action))
        rc = verify_each(entries, count, err);
    else if (rc == LS_OK && max > 0)
        rc = verify_run(entries, count, count < max, &head, err);
    if (rc == LS_OK && !(list = ls_arena_array(mem, count, sizeof *list)))
        rc = ls_error_nomem(err);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        list[i] = entries[i].audit;
    if (rc == LS_OK) {
        *ret = list;
        *ret_count = count;
    }
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_audit_list(struct ls_state *state, size_t max, struct ls_arena *mem,
                                 size_t *ret_count, struct ls_audit **ret, struct ls_error *err)
{
    return ls_state_audit_page(state, 0, NULL, NULL, max, mem, ret_count, ret, err);
}

/* ---- the whole of it ---- */

static enum ls_code verify_entries(struct ls_state *state, uint64_t *count, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_chain chain;
    struct ls_head head;
    struct ls_arena mem;
    bool more = true;
    enum ls_code rc = ls_state_head(state, "audit", false, &head, err);

    ls_arena_init(&mem, 0);
    ls_chain_begin(&chain, "audit entry");
    if (rc == LS_OK)
        rc = ls_state_query_stream(state, "SELECT " COLUMNS " FROM {schema}audit ORDER BY seq",
                                   &stmt, err);
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        struct entry e;

        ls_arena_reset(&mem);
        rc = get_entry(stmt, &mem, &e, err);
        if (rc == LS_OK)
            rc = step(&chain, &e, err);
        if (rc == LS_OK)
            ++*count;
    }
    ls_sql_finish(stmt);
    ls_arena_done(&mem);
    return rc == LS_OK ? ls_chain_end(&chain, &head, err) : rc;
}

enum ls_code ls_state_audit_verify(struct ls_state *state, uint64_t *ret_count,
                                   struct ls_error *err)
{
    uint64_t count = 0;
    enum ls_code rc = ls_sql_begin(state->db, false, err);

    if (rc == LS_OK)
        rc = verify_entries(state, &count, err);
    if (rc == LS_OK)
        rc = ls_state_verify_receipts(state, &count, err);
    ls_sql_rollback(state->db);
    *ret_count = count;
    return ls_state_result(state, rc, err);
}
