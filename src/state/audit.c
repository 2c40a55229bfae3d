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

enum ls_code ls_state_audit_add(struct ls_state *state, const char *actor, const char *action,
                                const char *subject, const char *detail_json, struct ls_error *err)
{
    struct ls_audit entry = {0, ls_clock_now_us(), actor, action, subject, detail_json};
    enum ls_code rc;

    if (!is_text(actor) || !is_text(action) || !is_text(subject) || !is_text(detail_json))
        return ls_error_set(err, LS_DATA, "audit log: an entry is not UTF-8 (action=%s)", action);
    rc = ls_state_begin(state, err);
    if (rc == LS_OK)
        rc = ls_state_end(state, append(state, &entry, err), err);
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

/* entries are newest first: the chain is walked from the other end, to the head. */
static enum ls_code verify_newest(const struct entry *entries, size_t count, bool all,
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
    return rc == LS_OK ? ls_chain_end(&chain, head, err) : rc;
}

static enum ls_code list_newest(struct ls_state *state, size_t max, struct ls_arena *mem,
                                size_t *ret_count, struct entry **ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(max > INT_MAX ? INT_MAX : (int64_t)max)};
    struct ls_sql_stmt *stmt = NULL;
    struct entry *entries = NULL;
    size_t count = 0, room = 0;
    bool more = true;
    enum ls_code rc =
        ls_state_query(state, "SELECT " COLUMNS " FROM {schema}audit ORDER BY seq DESC LIMIT ?",
                       params, 1, &stmt, err);

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

enum ls_code ls_state_audit_list(struct ls_state *state, size_t max, struct ls_arena *mem,
                                 size_t *ret_count, struct ls_audit **ret, struct ls_error *err)
{
    struct entry *entries = NULL;
    struct ls_audit *list = NULL;
    struct ls_head head;
    size_t count = 0;
    enum ls_code rc = ls_sql_begin(state->db, false, err); /* list and head as of one moment */

    if (rc == LS_OK)
        rc = ls_state_head(state, "audit", false, &head, err);
    if (rc == LS_OK)
        rc = list_newest(state, max, mem, &count, &entries, err);
    ls_sql_rollback(state->db);
    if (rc == LS_OK && max > 0)
        rc = verify_newest(entries, count, count < max, &head, err);
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
