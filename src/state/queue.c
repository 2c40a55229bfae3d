/* SPDX-License-Identifier: Apache-2.0 */
/* queue.c - accepted events on their way to endpoints: accept, claim, complete, replay, discard, prune.
 *
 * One index serves every claim: (endpoint, due_us, event) over what is pending or processing. A claimed delivery stays in it and
 * is due again when its lease ends, so that nobody has to look for the claims of a dead process; and what has ended or
 * waits is not in it, so that a claim costs the same however much there is. Of two processes that claim at once each gets other rows: on
 * PostgreSQL by SKIP LOCKED, on SQLite because one of them writes at a time.
 *
 * The token counts the claims. A completion that shows an older one comes from a process whose lease has ended; the
 * delivery is somebody else's by now, and is left alone.
 *
 * Order. Of the events of one resource only the oldest one on its way to an endpoint can be claimed; the others wait, outside of
 * that index, and each end of one lets the next one go. An event that ended dead lets the next one go too: a receiver that
 * refuses one event must not be cut off from all later ones.
 *
 * Locks. On PostgreSQL the heads `events` and `endpoints` are rows that a transaction holds until its end, and they are taken in this
 * order: whoever locks the endpoints has locked the events before (ls_endpoints_lock() sees to it). An accept, the end of a delivery that has a resource,
 * replay, discard, prune, and whatever makes or removes an endpoint take the head of the events first, and only then look at what they
 * decide by: so two nodes decide one after the other. Claims take no head. A transaction with several tasks may still hold rows when it comes to a
 * head; where the server finds that two wait for each other it ends one of them, which the queue's thread does again task by task.
 *
 * An event's checksum is XXH3 over its columns, each hashed with the hash of those before it as the seed. */
#include "state/queue.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "state/queue_priv.h"

#define HEAD "events"

const char *ls_delivery_state_word(enum ls_delivery_state state)
{
    static const char *const words[] = {
#define X(name, word) word,
        LS_DELIVERY_STATES(X)
#undef X
    };

    return words[state];
}

static uint64_t add_text(uint64_t hash, const char *text)
{
    return ls_hash64(text, strlen(text), hash);
}

int64_t ls_queue_checksum(const struct ls_event *e)
{
    const uint64_t numbers[3] = {htobe64((uint64_t)e->seq), htobe64((uint64_t)e->at_us),
                                 htobe64((uint64_t)e->accepted_us)};
    uint64_t hash = ls_hash64(numbers, sizeof numbers, 0);

    hash = add_text(hash, e->id);
    hash = add_text(hash, e->type);
    hash = add_text(hash, e->resource_type);
    hash = add_text(hash, e->resource_id);
    hash = add_text(hash, e->options);
    return (int64_t)ls_hash64(e->data, e->data_size, hash);
}

int64_t ls_queue_resource(const char *type, const char *id)
{
    const int64_t hash = (int64_t)add_text(add_text(0, type), id);

    return !*id ? 0 : hash ? hash : 1;
}

static int64_t resource_of(const struct ls_event *e)
{
    return ls_queue_resource(e->resource_type, e->resource_id);
}

/* ---- transactions ---- */

enum ls_code ls_queue_begin(struct ls_state *state, int64_t now_us, struct ls_queue_tx *tx,
                            struct ls_error *err)
{
    *tx = (struct ls_queue_tx){.state = state, .now_us = now_us};
    return ls_state_result(state, ls_state_begin(state, err), err);
}

enum ls_code ls_queue_end(struct ls_queue_tx *tx, enum ls_code rc, struct ls_error *err)
{
    if (rc == LS_OK && tx->accepted) {
        const struct ls_head head = {tx->seq, LS_CHAIN_START};

        rc = ls_state_head_save(tx->state, HEAD, &head, err);
    }
    if (rc == LS_OK && (tx->news || tx->moved))
        rc = ls_state_tell(tx->state, err);
    return ls_state_result(tx->state, ls_state_end(tx->state, rc, err), err);
}

/* What was noted of the transaction goes with what was written. */
static enum ls_code take_part_back(struct ls_queue_tx *tx, const struct ls_queue_tx *before,
                                   struct ls_error *err)
{
    *tx = *before;
    return ls_sql_exec(tx->state->db, "ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part", err);
}

enum ls_code ls_queue_part(struct ls_queue_tx *tx,
                           enum ls_code (*run)(struct ls_queue_tx *tx, void *ctx,
                                               struct ls_error *err),
                           void *ctx, struct ls_error *err)
{
    const struct ls_queue_tx before = *tx;
    enum ls_code rc = ls_sql_exec(tx->state->db, "SAVEPOINT part", err), back;
    struct ls_error why = {0};

    if (rc != LS_OK)
        return ls_state_result(tx->state, rc, err);
    rc = run(tx, ctx, err);
    if (rc == LS_OK)
        return ls_state_result(tx->state, ls_sql_exec(tx->state->db, "RELEASE SAVEPOINT part", err),
                               err);
    back = take_part_back(tx, &before, &why);
    if (back != LS_OK && err)
        *err = why;
    return back == LS_OK ? rc : ls_state_result(tx->state, back, err);
}

enum ls_code ls_queue_audit(struct ls_queue_tx *tx, const char *actor, const char *action,
                            const char *subject, const char *detail_json, struct ls_error *err)
{
    return ls_state_result(
        tx->state, ls_state_audit_append(tx->state, actor, action, subject, detail_json, err), err);
}

/* The number of the newest event; on PostgreSQL others wait here until this transaction ends. What was known of the endpoints may be old
 * by then. */
static enum ls_code need_seq(struct ls_queue_tx *tx, struct ls_error *err)
{
    struct ls_head head;
    enum ls_code rc;

    if (tx->accepted)
        return LS_OK;
    rc = ls_state_head(tx->state, HEAD, true, &head, err);
    if (rc == LS_OK) {
        tx->seq = head.seq;
        tx->accepted = true;
        tx->endpoints = 0;
    }
    return rc;
}

enum ls_code ls_queue_lock(struct ls_queue_tx *tx, struct ls_error *err)
{
    return ls_state_result(tx->state, need_seq(tx, err), err);
}

static void wake(struct ls_queue_tx *tx, int64_t endpoint)
{
    tx->woken |= (uint64_t)1 << (endpoint & 63);
}

/* ---- accept ---- */

static enum ls_code insert_event(struct ls_queue_tx *tx, const struct ls_event *e,
                                 int64_t *ret_inserted, struct ls_error *err)
{
    const struct ls_value params[] = {
        ls_value_int(e->seq),
        ls_value_text(e->id),
        ls_value_text(e->type),
        ls_value_text(e->resource_type),
        ls_value_text(e->resource_id),
        ls_value_int(e->at_us),
        ls_value_int(e->accepted_us),
        ls_value_data(LS_T_BYTES, e->data ? e->data : "", e->data_size),
        ls_value_text(e->options),
        ls_value_int(ls_queue_checksum(e)),
    };

    return ls_state_count_change(
        tx->state,
        "INSERT INTO {schema}events (seq, id, type, resource_type, resource_id, at_us, "
        "accepted_us, data, options, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO NOTHING",
        params, 10, ret_inserted, err);
}

/* Behind an earlier one of its resource it waits. */
static enum ls_code insert_delivery(struct ls_queue_tx *tx, int64_t event, int64_t endpoint,
                                    int64_t resource, int64_t due_us, struct ls_error *err)
{
    const struct ls_value params[] = {
        ls_value_int(event),    ls_value_int(endpoint), ls_value_int(endpoint),
        ls_value_int(resource), ls_value_int(due_us),   ls_value_int(resource),
    };
    const struct ls_value plain[] = {ls_value_int(event), ls_value_int(endpoint),
                                     ls_value_int(due_us)};

    wake(tx, endpoint);
    if (resource == 0)
        return ls_state_change(tx->state,
                               "INSERT INTO {schema}deliveries (event, endpoint, state, due_us, "
                               "resource, token, attempts, done_us, reason) "
                               "VALUES (?, ?, 0, ?, 0, 0, 0, 0, '')",
                               plain, 3, 1, err);
    return ls_state_change(
        tx->state,
        "INSERT INTO {schema}deliveries (event, endpoint, state, due_us, resource, token, "
        "attempts, done_us, reason) VALUES (?, ?, CASE WHEN EXISTS (SELECT 1 FROM "
        "{schema}deliveries WHERE endpoint = ? AND resource = ? AND resource <> 0 AND state < 3) "
        "THEN 2 ELSE 0 END, ?, ?, 0, 0, 0, '')",
        params, 6, 1, err);
}

static enum ls_code known_event(struct ls_queue_tx *tx, struct ls_event *event,
                                struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(event->id)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc =
        ls_state_row(tx->state, "SELECT seq, accepted_us FROM {schema}events WHERE id = ?", params,
                     1, &stmt, err);

    if (rc == LS_OK && !stmt)
        rc = ls_state_damaged(err, "event %s is in an index and not in its table", event->id);
    if (rc == LS_OK) {
        event->seq = ls_sql_i64(stmt, 0);
        event->accepted_us = ls_sql_i64(stmt, 1);
    }
    ls_sql_finish(stmt);
    return rc;
}

enum ls_code ls_queue_accept(struct ls_queue_tx *tx, struct ls_event *event,
                             const int64_t *endpoints, size_t count, int64_t due_us,
                             bool *ret_known, struct ls_error *err)
{
    int64_t inserted = 0;
    enum ls_code rc = need_seq(tx, err);

    if (rc != LS_OK)
        return ls_state_result(tx->state, rc, err);
    event->seq = tx->seq + 1;
    event->accepted_us = tx->now_us;
    rc = insert_event(tx, event, &inserted, err);
    *ret_known = rc == LS_OK && inserted == 0;
    if (*ret_known)
        return ls_state_result(tx->state, known_event(tx, event, err), err);
    if (rc == LS_OK) {
        tx->seq = event->seq;
        tx->news = true;
    }
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = insert_delivery(tx, event->seq, endpoints[i], resource_of(event),
                             due_us > tx->now_us ? due_us : tx->now_us, err);
    return ls_state_result(tx->state, rc, err);
}

/* ---- hasten ---- */

static enum ls_code hasten_one(struct ls_queue_tx *tx, int64_t endpoint, int64_t resource,
                               struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(tx->now_us), ls_value_int(endpoint),
                                      ls_value_int(resource), ls_value_int(tx->now_us)};

    wake(tx, endpoint);
    return ls_state_change(tx->state,
                           "UPDATE {schema}deliveries SET due_us = ? WHERE endpoint = ? AND "
                           "resource = ? AND resource <> 0 AND state < 3 AND state = 0 AND "
                           "due_us > ?",
                           params, 4, -1, err);
}

/* state < 3 is the condition of the index of what is on its way. */
enum ls_code ls_queue_hasten(struct ls_queue_tx *tx, const struct ls_event *event,
                             struct ls_error *err)
{
    struct ls_delivery_row *rows = NULL;
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_queue_deliveries(tx->state, event->seq, &mem, &count, &rows, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        if (rows[i].state == LS_DELIVERY_PENDING || rows[i].state == LS_DELIVERY_WAITING)
            rc = hasten_one(tx, rows[i].endpoint, resource_of(event), err);
    ls_arena_done(&mem);
    return ls_state_result(tx->state, rc, err);
}

/* ---- claim ---- */

#define CLAIM_COLUMNS                                                                  \
    "d.event, d.token, d.attempts, d.resource, e.seq, e.id, e.type, e.resource_type, " \
    "e.resource_id, e.at_us, e.accepted_us, e.data, e.options, e.checksum"
#define CLAIM_EVENT 4 /* where the event's columns begin */

static enum ls_code select_due(struct ls_queue_tx *tx, int64_t endpoint, size_t max,
                               struct ls_arena *mem, size_t *ret_count, struct ls_delivery *ret,
                               struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(endpoint), ls_value_int(tx->now_us),
                                      ls_value_int((int64_t)max)};
    struct ls_sql_stmt *stmt = NULL;
    bool more = true;
    enum ls_code rc = ls_state_lend(
        tx->state,
        "SELECT " CLAIM_COLUMNS " FROM {schema}deliveries d JOIN {schema}events e ON e.seq = "
        "d.event WHERE d.endpoint = ? AND d.state < 2 AND d.due_us <= ? "
        "ORDER BY d.due_us, d.event LIMIT ? {skip_locked}",
        params, 3, &stmt, err);

    *ret_count = 0;
    while (rc == LS_OK && *ret_count < max && (rc = ls_sql_step(stmt, &more, err)) == LS_OK &&
           more) {
        struct ls_delivery *d = &ret[*ret_count];

        *d = (struct ls_delivery){
            .event = ls_sql_i64(stmt, 0),
            .endpoint = endpoint,
            .token = ls_sql_i64(stmt, 1) + 1,
            .attempts = ls_sql_i64(stmt, 2),
            .resource = ls_sql_i64(stmt, 3),
        };
        rc = ls_queue_get_event(stmt, CLAIM_EVENT, mem, &d->e, err);
        ++*ret_count;
    }
    ls_state_give_back(tx->state, stmt);
    return rc;
}

static enum ls_code take(struct ls_queue_tx *tx, const struct ls_delivery *d, int64_t lease_us,
                         struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(tx->now_us + lease_us), ls_value_int(d->token),
                                      ls_value_int(d->event), ls_value_int(d->endpoint)};

    return ls_state_change(tx->state,
                           "UPDATE {schema}deliveries SET state = 1, due_us = ?, token = ? "
                           "WHERE event = ? AND endpoint = ?",
                           params, 4, 1, err);
}

static enum ls_code next_due(struct ls_queue_tx *tx, int64_t endpoint, int64_t *ret,
                             struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(endpoint)};
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    enum ls_code rc = ls_state_lend(
        tx->state, "SELECT min(due_us) FROM {schema}deliveries WHERE endpoint = ? AND state < 2",
        params, 1, &stmt, err);

    if (rc == LS_OK)
        rc = ls_sql_step(stmt, &row, err);
    if (rc == LS_OK)
        *ret = row && !ls_sql_is_null(stmt, 0) ? ls_sql_i64(stmt, 0) : INT64_MAX;
    ls_state_give_back(tx->state, stmt);
    return rc;
}

enum ls_code ls_queue_claim(struct ls_queue_tx *tx, int64_t endpoint, size_t max, int64_t lease_us,
                            struct ls_arena *mem, size_t *ret_count, struct ls_delivery **ret,
                            int64_t *ret_next_us, struct ls_error *err)
{
    struct ls_delivery *found = ls_arena_array(mem, max, sizeof *found);
    enum ls_code rc =
        found ? select_due(tx, endpoint, max, mem, ret_count, found, err) : ls_error_nomem(err);

    for (size_t i = 0; rc == LS_OK && i < *ret_count; i++)
        rc = take(tx, &found[i], lease_us, err);
    if (rc == LS_OK)
        rc = next_due(tx, endpoint, ret_next_us, err);
    *ret = found;
    return ls_state_result(tx->state, rc, err);
}

/* state < 2 is what the index of due deliveries has as its own condition: without it all deliveries are read, those of weeks. */
enum ls_code ls_queue_take_back(struct ls_queue_tx *tx, int64_t *ret_count, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(tx->now_us)};
    const enum ls_code rc = ls_state_count_change(
        tx->state,
        "UPDATE {schema}deliveries SET state = 0, due_us = ? WHERE state < 2 AND state = 1", params,
        1, ret_count, err);

    tx->woken = UINT64_MAX;
    return ls_state_result(tx->state, rc, err);
}

static enum ls_code behind_newest(struct ls_queue_tx *tx, int64_t *ret_us, struct ls_error *err)
{
    int64_t newest_us = 0;
    const enum ls_code rc = ls_state_number(
        tx->state, "SELECT accepted_us FROM {schema}events ORDER BY seq DESC LIMIT 1", NULL, 0, 0,
        &newest_us, err);

    *ret_us = newest_us > tx->now_us ? newest_us - tx->now_us : 0;
    return rc;
}

/* A delivery that was never claimed and is due after its event was accepted is one that its sender asked to be late. state < 3 is the
 * condition of the index of what is on its way. */
enum ls_code ls_queue_clock_back(struct ls_queue_tx *tx, int64_t by_us, int64_t *ret_count,
                                 struct ls_error *err)
{
    enum ls_code rc = by_us ? LS_OK : behind_newest(tx, &by_us, err);

    *ret_count = 0;
    if (rc == LS_OK && by_us) {
        const struct ls_value params[] = {ls_value_int(by_us), ls_value_int(tx->now_us)};

        rc = ls_state_count_change(
            tx->state,
            "UPDATE {schema}deliveries SET due_us = due_us - ? WHERE state < 3 AND state <> 1 AND "
            "due_us > ? AND (token > 0 OR due_us <= (SELECT e.accepted_us FROM {schema}events e "
            "WHERE e.seq = event))",
            params, 2, ret_count, err);
    }
    if (*ret_count)
        tx->woken = UINT64_MAX;
    return ls_state_result(tx->state, rc, err);
}

/* ---- complete ---- */

/* The oldest one of the resource that is on its way is let go if it waits, and none of them is under way: one that was started again
 * waits behind a newer one. state < 3 is the condition of the index. */
static enum ls_code let_go(struct ls_queue_tx *tx, int64_t endpoint, int64_t resource,
                           struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(endpoint), ls_value_int(endpoint),
                                      ls_value_int(resource), ls_value_int(endpoint),
                                      ls_value_int(resource)};

    if (resource == 0)
        return LS_OK;
    wake(tx, endpoint);
    return ls_state_change(
        tx->state,
        "UPDATE {schema}deliveries SET state = 0 WHERE endpoint = ? AND state = 2 AND event = "
        "(SELECT min(event) FROM {schema}deliveries WHERE endpoint = ? AND resource = ? AND "
        "resource <> 0 AND state < 3) AND NOT EXISTS (SELECT 1 FROM {schema}deliveries o WHERE "
        "o.endpoint = ? AND o.resource = ? AND o.resource <> 0 AND o.state < 3 AND o.state < 2)",
        params, 5, -1, err);
}

static enum ls_code insert_attempt(struct ls_queue_tx *tx, const struct ls_delivery_end *o,
                                   struct ls_error *err)
{
    const struct ls_attempt *a = &o->attempt;
    const struct ls_value params[] = {
        ls_value_int(o->event),
        ls_value_int(o->endpoint),
        ls_value_int(o->token),
        ls_value_int(a->at_us),
        ls_value_int(a->duration_us),
        ls_value_int(a->status),
        ls_value_text(a->address ? a->address : ""),
        ls_value_text(a->error ? a->error : ""),
        ls_value_data(LS_T_BYTES, a->answer ? a->answer : "", a->answer_size),
        ls_value_text(a->head ? a->head : ""),
    };

    return ls_state_change(tx->state,
                           "INSERT INTO {schema}attempts (event, endpoint, number, at_us, "
                           "duration_us, status, address, error, answer, head) "
                           "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                           params, 10, 1, err);
}

enum ls_code ls_queue_complete(struct ls_queue_tx *tx, const struct ls_delivery_end *o,
                               bool *ret_late, struct ls_error *err)
{
    const bool tried = o->attempt.at_us != 0, over = o->next >= LS_DELIVERY_DELIVERED;
    const struct ls_value params[] = {
        ls_value_int(o->next),
        ls_value_int(over ? 0 : o->due_us),
        ls_value_int(tried),
        ls_value_int(over ? tx->now_us : 0),
        ls_value_text(o->reason ? o->reason : ""),
        ls_value_int(o->event),
        ls_value_int(o->endpoint),
        ls_value_int(o->token),
    };
    int64_t changed = 0;
    /* An accept that goes on at this moment sees this end, or is seen here. */
    enum ls_code rc = over && o->resource != 0 ? need_seq(tx, err) : LS_OK;

    if (rc == LS_OK)
        rc = ls_state_count_change(
            tx->state,
            "UPDATE {schema}deliveries SET state = ?, due_us = ?, attempts = attempts + ?, "
            "done_us = ?, reason = ? WHERE event = ? AND endpoint = ? AND token = ? AND state = 1",
            params, 8, &changed, err);

    *ret_late = changed == 0;
    if (rc == LS_OK && changed && tried)
        rc = insert_attempt(tx, o, err);
    if (rc == LS_OK && changed && over)
        rc = let_go(tx, o->endpoint, o->resource, err);
    return ls_state_result(tx->state, rc, err);
}

/* ---- replay and discard ---- */

struct picked {
    int64_t event, endpoint, resource;
};

static enum ls_code pick(struct ls_queue_tx *tx, const struct ls_queue_filter *f, unsigned states,
                         const char *tail, size_t max, struct ls_arena *mem, size_t *ret_count,
                         struct picked **ret, struct ls_error *err)
{
    struct ls_queue_filter filter = *f;
    struct ls_queue_condition c;
    struct ls_sql_stmt *stmt = NULL;
    struct picked *found = ls_arena_array(mem, max, sizeof *found);
    bool more = true;
    enum ls_code rc = found ? LS_OK : ls_error_nomem(err);

    filter.states = f->states ? f->states & states : states;
    ls_queue_condition(&c, "SELECT d.event, d.endpoint, d.resource FROM {schema}deliveries d JOIN "
                           "{schema}events e ON e.seq = d.event");
    ls_queue_where(&c, &filter, true);
    if (rc == LS_OK)
        rc = ls_queue_select(tx->state, &c, tail, max, &stmt, err);
    *ret_count = 0;
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more)
        found[(*ret_count)++] =
            (struct picked){ls_sql_i64(stmt, 0), ls_sql_i64(stmt, 1), ls_sql_i64(stmt, 2)};
    ls_sql_finish(stmt);
    *ret = found;
    return rc;
}

/* Behind one of its resource that is on its way it waits. */
static enum ls_code start_again(struct ls_queue_tx *tx, const struct picked *p, int64_t due_us,
                                struct ls_error *err)
{
    const struct ls_value params[] = {
        ls_value_int(p->endpoint), ls_value_int(p->resource), ls_value_int(due_us),
        ls_value_int(p->event),    ls_value_int(p->endpoint),
    };

    wake(tx, p->endpoint);
    return ls_state_change(
        tx->state,
        "UPDATE {schema}deliveries SET state = CASE WHEN EXISTS (SELECT 1 FROM "
        "{schema}deliveries o WHERE o.endpoint = ? AND o.resource = ? AND o.resource <> 0 AND "
        "o.state < 3) THEN 2 ELSE 0 END, due_us = ?, attempts = 0, done_us = 0, reason = '' "
        "WHERE event = ? AND endpoint = ?",
        params, 5, 1, err);
}

#define ENDED (1u << LS_DELIVERY_DELIVERED | 1u << LS_DELIVERY_DEAD | 1u << LS_DELIVERY_DISCARDED)
#define ON_ITS_WAY \
    (1u << LS_DELIVERY_PENDING | 1u << LS_DELIVERY_PROCESSING | 1u << LS_DELIVERY_WAITING)

#define IN_ORDER " ORDER BY d.event, d.endpoint LIMIT ?"
#define OF_ENDPOINTS " EXISTS (SELECT 1 FROM {schema}endpoints p WHERE p.number = d.endpoint)"

/* Nothing fits that could be sent: is that because its endpoint is gone? */
static enum ls_code look_for_gone(struct ls_queue_tx *tx, const struct ls_queue_filter *f,
                                  struct ls_arena *mem, struct ls_error *err)
{
    struct picked *gone = NULL;
    size_t count = 0;
    enum ls_code rc =
        pick(tx, f, ENDED, " AND NOT" OF_ENDPOINTS IN_ORDER, 1, mem, &count, &gone, err);

    if (rc == LS_OK && count)
        rc = ls_error_set(err, LS_NOT_FOUND,
                          "nothing can be sent again: the endpoint that event %" PRId64
                          " went to is gone. Make an endpoint and send the event anew",
                          gone[0].event);
    return rc;
}

enum ls_code ls_queue_replay(struct ls_queue_tx *tx, const struct ls_queue_filter *f, size_t max,
                             int64_t every_us, int64_t *ret_count, struct ls_error *err)
{
    struct ls_arena mem;
    struct picked *found = NULL;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = need_seq(tx, err);
    if (rc == LS_OK)
        rc = pick(tx, f, ENDED, " AND" OF_ENDPOINTS IN_ORDER, max, &mem, &count, &found, err);
    if (rc == LS_OK && !count)
        rc = look_for_gone(tx, f, &mem, err);
    if (rc == LS_OK && count)
        rc = ls_endpoints_lock(tx, err); /* so that a daemon elsewhere looks at them */
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = start_again(tx, &found[i], tx->now_us + (int64_t)i * every_us, err);
    ls_arena_done(&mem);
    *ret_count = (int64_t)count;
    return ls_state_result(tx->state, rc, err);
}

static enum ls_code discard(struct ls_queue_tx *tx, const struct picked *p, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(tx->now_us), ls_value_int(p->event),
                                      ls_value_int(p->endpoint)};
    enum ls_code rc =
        ls_state_change(tx->state,
                        "UPDATE {schema}deliveries SET state = 5, due_us = 0, done_us = ?, token "
                        "= token + 1 WHERE event = ? AND endpoint = ?",
                        params, 3, 1, err);

    return rc == LS_OK ? let_go(tx, p->endpoint, p->resource, err) : rc;
}

enum ls_code ls_queue_discard(struct ls_queue_tx *tx, const struct ls_queue_filter *f, size_t max,
                              int64_t *ret_count, struct ls_error *err)
{
    struct ls_arena mem;
    struct picked *found = NULL;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = need_seq(tx, err);
    if (rc == LS_OK)
        rc = pick(tx, f, ON_ITS_WAY | 1u << LS_DELIVERY_DEAD, IN_ORDER, max, &mem, &count, &found,
                  err);
    if (rc == LS_OK && count)
        rc = ls_endpoints_lock(tx, err); /* so that a daemon elsewhere looks what was let go */
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = discard(tx, &found[i], err);
    ls_arena_done(&mem);
    *ret_count = (int64_t)count;
    return ls_state_result(tx->state, rc, err);
}

/* ---- prune ---- */

/* Events up to number `last` that were accepted before before_us. */
static enum ls_code pick_old(struct ls_queue_tx *tx, int64_t before_us, int64_t last,
                             int64_t dead_us, size_t max, struct ls_arena *mem, size_t *ret_count,
                             int64_t **ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(before_us), ls_value_int(last),
                                      ls_value_int(dead_us), ls_value_int((int64_t)max)};
    struct ls_sql_stmt *stmt = NULL;
    int64_t *found = ls_arena_array(mem, max, sizeof *found);
    bool more = true;
    enum ls_code rc =
        !found ? ls_error_nomem(err)
               : ls_state_query(
                     tx->state,
                     "SELECT e.seq FROM {schema}events e WHERE e.accepted_us < ? AND e.seq <= ? "
                     "AND NOT EXISTS (SELECT 1 FROM {schema}deliveries d WHERE d.event = e.seq AND "
                     "(d.state < 3 OR (d.state = 4 AND d.done_us >= ?))) ORDER BY e.seq LIMIT ?",
                     params, 4, &stmt, err);

    *ret_count = 0;
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more)
        found[(*ret_count)++] = ls_sql_i64(stmt, 0);
    ls_sql_finish(stmt);
    *ret = found;
    return rc;
}

/* *removed counts it, unless somebody else has removed it. */
static enum ls_code remove_event(struct ls_queue_tx *tx, int64_t seq, int64_t *removed,
                                 struct ls_error *err)
{
    int64_t changed = 0;
    const struct ls_value params[] = {ls_value_int(seq)};
    enum ls_code rc = ls_state_change(tx->state, "DELETE FROM {schema}attempts WHERE event = ?",
                                      params, 1, -1, err);

    if (rc == LS_OK)
        rc = ls_state_change(tx->state, "DELETE FROM {schema}deliveries WHERE event = ?", params, 1,
                             -1, err);
    if (rc == LS_OK)
        rc = ls_state_count_change(tx->state, "DELETE FROM {schema}events WHERE seq = ?", params, 1,
                                   &changed, err);
    *removed += changed;
    return rc;
}

static enum ls_code prune(struct ls_queue_tx *tx, int64_t before_us, int64_t last, int64_t dead_us,
                          size_t max, int64_t *ret_count, struct ls_error *err)
{
    struct ls_arena mem;
    int64_t *found = NULL;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    *ret_count = 0;
    rc = need_seq(tx, err); /* what is started again meanwhile stays */
    if (rc == LS_OK)
        rc = pick_old(tx, before_us, last, dead_us, max, &mem, &count, &found, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = remove_event(tx, found[i], ret_count, err);
    ls_arena_done(&mem);
    return ls_state_result(tx->state, rc, err);
}

enum ls_code ls_queue_prune(struct ls_queue_tx *tx, int64_t before_us, int64_t dead_us, size_t max,
                            int64_t *ret_count, struct ls_error *err)
{
    return prune(tx, before_us, INT64_MAX, dead_us, max, ret_count, err);
}

enum ls_code ls_queue_prune_over(struct ls_queue_tx *tx, int64_t keep, int64_t since_us, size_t max,
                                 int64_t *ret_count, struct ls_error *err)
{
    struct ls_head head = {0};
    enum ls_code rc = ls_state_head(tx->state, HEAD, false, &head, err);

    *ret_count = 0;
    if (rc != LS_OK)
        return ls_state_result(tx->state, rc, err);
    return prune(tx, since_us, head.seq - keep, INT64_MIN, max, ret_count, err);
}
