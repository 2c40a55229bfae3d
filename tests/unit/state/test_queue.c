/* SPDX-License-Identifier: Apache-2.0 */
/* The queue: accept, claim, complete, order, replay, discard, prune; and a long random story against a model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "state/queue.h"
#include "state/state_priv.h"
#include "state_fixture.h"

#define S 1000000 /* microseconds of a second */
#define LEASE (30 * (int64_t)S)

static int64_t now = 1000 * (int64_t)S; /* of these tests */

static struct ls_event event(const char *id, const char *resource)
{
    return (struct ls_event){.id = id,
                             .type = "enrollment.created",
                             .resource_type = "enrollment",
                             .resource_id = resource,
                             .at_us = 900 * (int64_t)S,
                             .data = "{\"a\": 1}",
                             .data_size = 8,
                             .options = ""};
}

/* A transaction around one call. */
#define IN_TX(f, call)                                                 \
    do {                                                               \
        struct ls_queue_tx tx;                                         \
        assert_ok(f, ls_queue_begin((f)->state, now, &tx, &(f)->err)); \
        assert_ok(f, ls_queue_end(&tx, (call), &(f)->err));            \
    } while (0)

static int64_t accept(struct fixture *f, const char *id, const char *resource, size_t endpoints)
{
    static const int64_t numbers[] = {1, 2, 3};
    struct ls_event e = event(id, resource);
    bool known = false;

    IN_TX(f, ls_queue_accept(&tx, &e, numbers, endpoints, 0, &known, &f->err));
    assert_false(known);
    return e.seq;
}

static size_t claim(struct fixture *f, int64_t endpoint, size_t max, struct ls_delivery **ret,
                    int64_t *ret_next)
{
    size_t count = 0;

    IN_TX(f, ls_queue_claim(&tx, endpoint, max, LEASE, &f->mem, &count, ret, ret_next, &f->err));
    return count;
}

/* true: it was taken. */
static bool complete(struct fixture *f, const struct ls_delivery *d, enum ls_delivery_state next,
                     int64_t due)
{
    const struct ls_delivery_end end = {
        .event = d->event,
        .endpoint = d->endpoint,
        .token = d->token,
        .resource = d->resource,
        .next = next,
        .due_us = due,
        .attempt =
            {.at_us = now, .duration_us = 5, .status = 200, .answer = "ok", .answer_size = 2},
    };
    bool late = false;

    IN_TX(f, ls_queue_complete(&tx, &end, &late, &f->err));
    return !late;
}

static void hasten(struct fixture *f, const char *id)
{
    struct ls_event e;

    assert_ok(f, ls_queue_event(f->state, id, &f->mem, &e, &f->err));
    IN_TX(f, ls_queue_hasten(&tx, &e, &f->err));
}

static void who_waits_for_an_event_ends_the_pauses_that_hold_it_up(void **state)
{
    struct fixture *f = *state;
    struct ls_delivery *d = NULL;
    int64_t next = 0;

    accept(f, "a", "7", 2);
    assert_int_equal(claim(f, 1, 10, &d, &next), 1);
    assert_true(complete(f, d, LS_DELIVERY_PENDING, now + 60 * S));
    assert_int_equal(claim(f, 2, 10, &d, &next), 1);
    assert_true(complete(f, d, LS_DELIVERY_PENDING, now + 60 * S));
    accept(f, "b", "7", 1);
    accept(f, "c", "8", 1);
    hasten(f, "c"); /* of another resource */
    assert_int_equal(claim(f, 1, 10, &d, &next), 1);
    assert_string_equal(d->e.id, "c");
    hasten(f, "b");
    assert_int_equal(claim(f, 1, 10, &d, &next), 1);
    assert_string_equal(d->e.id, "a");               /* in the order of the resource */
    assert_int_equal(claim(f, 2, 10, &d, &next), 0); /* b is not for this endpoint */
    hasten(f, "a");                                  /* what is being sent stays so */
    assert_int_equal(claim(f, 1, 10, &d, &next), 0);
    assert_int_equal(claim(f, 2, 10, &d, &next), 1);
}

static void an_event_is_kept_as_it_came_and_delivered_once(void **state)
{
    struct fixture *f = *state;
    struct ls_delivery *d = NULL;
    struct ls_event e = {0};
    int64_t next = 0;

    assert_int_equal(accept(f, "a", "r1", 1), 1);
    reopen(f);
    assert_ok(f, ls_queue_event(f->state, "a", &f->mem, &e, &f->err));
    assert_string_equal(e.type, "enrollment.created");
    assert_string_equal(e.resource_id, "r1");
    assert_int_equal(e.at_us, 900 * (int64_t)S);
    assert_int_equal(e.accepted_us, now);
    assert_int_equal(e.data_size, 8);
    assert_memory_equal(e.data, "{\"a\": 1}", 8);
    assert_int_equal(claim(f, 2, 10, &d, &next), 0);
    assert_true(next == INT64_MAX);
    assert_int_equal(claim(f, 1, 10, &d, &next), 1);
    assert_true(next == now + LEASE);
    assert_string_equal(d->e.id, "a");
    assert_int_equal(d->token, 1);
    assert_int_equal(d->attempts, 0);
    assert_int_equal(claim(f, 1, 10, &d, &next), 0);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}deliveries WHERE state = 1"),
                     1);
}

static void how_far_a_resource_is_follows_its_newest_event(void **state)
{
    struct fixture *f = *state;
    struct ls_delivery *d = NULL;
    enum ls_sync_status is = LS_SYNC_FAILED;
    int64_t next = 0, synced = 1, first;

#define LOOK(id) \
    assert_ok(f, ls_queue_sync_status(f->state, "enrollment", id, &is, &synced, &f->err))
    LOOK("r1");
    assert_int_equal(is, LS_SYNC_UNKNOWN);
    assert_int_equal(synced, 0);
    accept(f, "a", "r1", 2);
    accept(f, "other", "r2", 1);
    LOOK("r1");
    assert_int_equal(is, LS_SYNC_PENDING);
    assert_int_equal(claim(f, 1, 1, &d, &next), 1);
    assert_true(complete(f, d, LS_DELIVERY_DELIVERED, 0));
    first = now;
    LOOK("r1"); /* the second endpoint has not got it */
    assert_int_equal(is, LS_SYNC_PENDING);
    assert_int_equal(synced, first);
    assert_int_equal(claim(f, 2, 1, &d, &next), 1);
    assert_true(complete(f, d, LS_DELIVERY_DELIVERED, 0));
    LOOK("r1");
    assert_int_equal(is, LS_SYNC_SYNCED);
    now += S;
    accept(f, "b", "r1", 2);
    assert_int_equal(claim(f, 2, 1, &d, &next), 1);
    assert_true(complete(f, d, LS_DELIVERY_DEAD, 0));
    LOOK("r1");
    assert_int_equal(is, LS_SYNC_PENDING);
    assert_int_equal(claim(f, 1, 2, &d, &next), 2); /* that of r2 as well */
    assert_true(complete(f, &d[1], LS_DELIVERY_DELIVERED, 0));
    LOOK("r1"); /* one of two */
    assert_int_equal(is, LS_SYNC_FAILED);
    assert_int_equal(synced, now);
    accept(f, "c", "r1", 1);
    assert_int_equal(claim(f, 1, 1, &d, &next), 1);
    assert_true(complete(f, d, LS_DELIVERY_DELIVERED, 0));
    LOOK("r1"); /* something newer arrived */
    assert_int_equal(is, LS_SYNC_SYNCED);
    accept(f, "d", "r1", 2);
    for (int i = 0; i < 70;
         i++) { /* the first endpoint goes on, the second is behind by more than is read */
        char id[16];

        assert_int_equal(claim(f, 1, 1, &d, &next), 1);
        assert_true(complete(f, d, LS_DELIVERY_DELIVERED, 0));
        snprintf(id, sizeof id, "e%d", i);
        accept(f, id, "r1", 1);
    }
    assert_int_equal(claim(f, 1, 1, &d, &next), 1);
    assert_true(complete(f, d, LS_DELIVERY_DELIVERED, 0));
    LOOK("r1");
    assert_int_equal(is, LS_SYNC_PENDING);
    assert_int_equal(claim(f, 2, 1, &d, &next), 1);
    assert_true(complete(f, d, LS_DELIVERY_DELIVERED, 0));
    LOOK("r1");
    assert_int_equal(is, LS_SYNC_SYNCED);
#undef LOOK
}

static void the_same_id_again_is_the_same_event(void **state)
{
    struct fixture *f = *state;
    struct ls_event again = event("a", "r2");
    const int64_t to = 1;
    bool known = false;

    assert_int_equal(accept(f, "a", "r1", 1), 1);
    now += S;
    IN_TX(f, ls_queue_accept(&tx, &again, &to, 1, 0, &known, &f->err));
    assert_true(known);
    assert_int_equal(again.seq, 1);
    assert_int_equal(again.accepted_us, now - S);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}deliveries"), 1);
    assert_int_equal(accept(f, "b", "r1", 1), 2); /* no number was lost */
}

static void what_was_rolled_back_never_was(void **state)
{
    struct fixture *f = *state;
    struct ls_event e = event("a", "r1");
    struct ls_queue_tx tx;
    bool known = false;

    assert_ok(f, ls_queue_begin(f->state, now, &tx, &f->err));
    assert_ok(f, ls_queue_accept(&tx, &e, NULL, 0, 0, &known, &f->err));
    assert_code(f, LS_CANCELLED, ls_queue_end(&tx, LS_CANCELLED, &f->err));
    assert_code(f, LS_NOT_FOUND, ls_queue_event(f->state, "a", &f->mem, &e, &f->err));
    assert_int_equal(accept(f, "b", "", 0), 1);
}

/* Accepts one, and what else its name asks for. */
static enum ls_code run_part(struct ls_queue_tx *tx, void *ctx, struct ls_error *err)
{
    const char *id = ctx;
    struct ls_event e = event(id, "");
    bool known = false;
    enum ls_code rc = ls_queue_accept(tx, &e, (const int64_t[]){3}, 1, 0, &known, err);

    if (rc == LS_OK && strcmp(id, "refused") == 0)
        return ls_error_set(err, LS_NOT_FOUND, "no");
    if (rc == LS_OK && strcmp(id, "broken") == 0) /* the server itself refuses it */
        rc = ls_state_change(tx->state,
                             "INSERT INTO {schema}deliveries SELECT * FROM {schema}deliveries",
                             NULL, 0, -1, err);
    return rc;
}

static void a_part_that_fails_leaves_the_rest_of_its_transaction(void **state)
{
    char refused[] = "refused", broken[] = "broken", fine[] = "fine";
    struct fixture *f = *state;
    struct ls_event e = event("first", ""), last = event("last", "");
    struct ls_queue_tx tx;
    bool known = false;

    assert_ok(f, ls_queue_begin(f->state, now, &tx, &f->err));
    assert_int_equal(ls_queue_part(&tx, run_part, refused, &f->err), LS_NOT_FOUND);
    assert_string_equal(f->err.text, "no");
    assert_true(tx.woken == 0); /* nobody has to look for what is not there */
    assert_ok(f, ls_queue_accept(&tx, &e, (const int64_t[]){1}, 1, 0, &known, &f->err));
    assert_int_equal(ls_queue_part(&tx, run_part, broken, &f->err), LS_CONSTRAINT);
    assert_ok(f, ls_queue_part(&tx, run_part, fine, &f->err));
    assert_ok(f, ls_queue_accept(&tx, &last, (const int64_t[]){1}, 1, 0, &known, &f->err));
    assert_ok(f, ls_queue_end(&tx, LS_OK, &f->err));
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}events"), 3);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}events WHERE id IN ('first', "
                                      "'fine', 'last')"),
                     3);
    assert_int_equal(number_behind(f, "SELECT max(seq) FROM {schema}events"), last.seq);
}

static void events_of_a_resource_go_one_after_the_other(void **state)
{
    struct fixture *f = *state;
    struct ls_delivery *d = NULL, *other = NULL;
    int64_t next = 0;

    accept(f, "a", "r1", 2);
    accept(f, "b", "r1", 2);
    accept(f, "c", "r2", 2);
    accept(f, "d", "r1", 2);
    accept(f, "e", "", 1);
    accept(f, "f", "", 1);
    assert_int_equal(claim(f, 1, 10, &d, &next), 4); /* a, c; and e, f, which have no resource */
    assert_string_equal(d[0].e.id, "a");
    assert_string_equal(d[1].e.id, "c");
    assert_true(
        complete(f, &d[0], LS_DELIVERY_PENDING, now + 9 * S)); /* it failed: b goes on waiting */
    assert_int_equal(claim(f, 1, 10, &other, &next), 0);
    assert_true(next == now + 9 * S);
    now += 9 * S;
    assert_int_equal(claim(f, 1, 10, &d, &next), 1);
    assert_string_equal(d->e.id, "a");
    assert_int_equal(d->attempts, 1);
    assert_true(complete(f, d, LS_DELIVERY_DEAD, 0)); /* dead: b all the same */
    assert_int_equal(claim(f, 1, 10, &d, &next), 1);
    assert_string_equal(d->e.id, "b");
    assert_true(complete(f, d, LS_DELIVERY_DELIVERED, 0));
    assert_int_equal(claim(f, 1, 10, &d, &next), 1);
    assert_string_equal(d->e.id, "d");
    assert_int_equal(claim(f, 2, 10, &d, &next), 2); /* another endpoint has its own order */
    assert_string_equal(d[0].e.id, "a");
}

static void a_lease_that_ended_is_claimed_again_and_the_first_one_comes_too_late(void **state)
{
    struct fixture *f = *state;
    struct ls_delivery *first = NULL, *second = NULL;
    int64_t next = 0;

    accept(f, "a", "r1", 1);
    assert_int_equal(claim(f, 1, 1, &first, &next), 1);
    now += LEASE;
    assert_int_equal(claim(f, 1, 1, &second, &next), 1);
    assert_int_equal(second->token, 2);
    assert_false(complete(f, first, LS_DELIVERY_DELIVERED, 0));
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}attempts"), 0);
    assert_true(complete(f, second, LS_DELIVERY_DELIVERED, 0));
    assert_false(complete(f, second, LS_DELIVERY_DELIVERED, 0)); /* twice is once */
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}attempts"), 1);
}

static void what_the_process_before_had_claimed_is_due_at_once(void **state)
{
    struct fixture *f = *state;
    struct ls_delivery *d = NULL;
    int64_t next = 0, count = 0;

    accept(f, "a", "r1", 1);
    accept(f, "b", "r2", 1);
    assert_int_equal(claim(f, 1, 1, &d, &next), 1);
    IN_TX(f, ls_queue_take_back(&tx, &count, &f->err));
    assert_int_equal(count, 1);
    assert_int_equal(claim(f, 1, 9, &d, &next), 2);
    assert_int_equal(d[0].token + d[1].token, 3);
    assert_int_equal(d[0].attempts + d[1].attempts, 0);
}

static void a_clock_that_is_set_back_holds_nothing_up(void **state)
{
    struct fixture *f = *state;
    struct ls_delivery *d = NULL;
    const int64_t hour = (int64_t)3600 * S, before = now;
    const int64_t endpoint = 1;
    struct ls_event asked = {.id = "asked",
                             .type = "t",
                             .resource_type = "",
                             .resource_id = "",
                             .data = "1",
                             .data_size = 1,
                             .options = ""};
    int64_t next = 0, count = 0;
    bool known = true;

    accept(f, "tried", "r1", 1);
    accept(f, "claimed", "r2", 1);
    assert_int_equal(claim(f, 1, 2, &d, &next), 2);
    assert_true(complete(f, d, LS_DELIVERY_PENDING, now + 60 * S));
    accept(f, "new", "r3", 1);
    accept(f, "behind", "r3", 1);
    IN_TX(f, ls_queue_accept(&tx, &asked, &endpoint, 1, now + 20 * S, &known, &f->err));

    now -= hour;
    assert_int_equal(claim(f, 1, 9, &d, &next), 0);
    IN_TX(f, ls_queue_clock_back(&tx, 0, &count, &f->err)); /* finds out itself */
    assert_int_equal(count, 3);
    assert_int_equal(claim(f, 1, 9, &d, &next), 1);
    assert_string_equal(d->e.id, "new");
    assert_true(complete(f, d, LS_DELIVERY_DELIVERED, 0));
    assert_int_equal(claim(f, 1, 9, &d, &next), 1);
    assert_string_equal(d->e.id, "behind");
    assert_true(complete(f, d, LS_DELIVERY_DELIVERED, 0));
    now += 60 * S - 1;
    assert_int_equal(claim(f, 1, 9, &d, &next), 0);
    now += 1;
    assert_int_equal(claim(f, 1, 9, &d, &next), 1);
    assert_string_equal(d->e.id, "tried");
    assert_true(complete(f, d, LS_DELIVERY_DELIVERED, 0));
    /* What was asked for is asked for by the clock, and a claim may be at work still. */
    now = before + 19 * S;
    assert_int_equal(claim(f, 1, 9, &d, &next), 0);
    now = before + 20 * S;
    assert_int_equal(claim(f, 1, 9, &d, &next), 1);
    assert_string_equal(d->e.id, "asked");
    now = before;
    IN_TX(f, ls_queue_clock_back(&tx, 0, &count, &f->err));
    assert_int_equal(count, 0);
}

static void a_parked_delivery_counts_no_attempt(void **state)
{
    struct fixture *f = *state;
    struct ls_delivery *d = NULL;
    struct ls_delivery_end end;
    int64_t next = 0;
    bool late = true;

    accept(f, "a", "r1", 1);
    assert_int_equal(claim(f, 1, 1, &d, &next), 1);
    end = (struct ls_delivery_end){.event = d->event,
                                   .endpoint = 1,
                                   .token = d->token,
                                   .next = LS_DELIVERY_PENDING,
                                   .due_us = now + S};
    IN_TX(f, ls_queue_complete(&tx, &end, &late, &f->err));
    assert_false(late);
    now += S;
    assert_int_equal(claim(f, 1, 1, &d, &next), 1);
    assert_int_equal(d->attempts, 0);
    assert_int_equal(d->token, 2);
}

static void attempts_are_listed_with_what_was_answered(void **state)
{
    struct fixture *f = *state;
    struct ls_delivery *d = NULL;
    struct ls_attempt *a = NULL;
    struct ls_delivery_row *rows = NULL;
    size_t count = 0;
    int64_t next = 0;

    accept(f, "a", "r1", 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(claim(f, 1, 1, &d, &next), 1);
        assert_true(complete(f, d, i < 2 ? LS_DELIVERY_PENDING : LS_DELIVERY_DEAD, now));
    }
    assert_ok(f, ls_queue_attempts(f->state, 1, 1, &f->mem, &count, &a, &f->err));
    assert_int_equal(count, 3);
    assert_int_equal(a[2].number, 3);
    assert_int_equal(a[2].status, 200);
    assert_memory_equal(a[2].answer, "ok", 2);
    assert_ok(f, ls_queue_deliveries(f->state, 1, &f->mem, &count, &rows, &f->err));
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].state, LS_DELIVERY_DEAD);
    assert_int_equal(rows[0].attempts, 3);
    assert_int_equal(rows[0].done_us, now);
    assert_int_equal(rows[1].state, LS_DELIVERY_PENDING);
}

static void counts_tell_what_is_where(void **state)
{
    struct fixture *f = *state;
    struct ls_delivery *d = NULL;
    struct ls_queue_stats stats;
    int64_t next = 0;

    accept(f, "a", "r1", 1);
    accept(f, "b", "r1", 1);
    accept(f, "c", "r2", 1);
    accept(f, "d", "r3", 2);
    assert_int_equal(claim(f, 1, 2, &d, &next), 2);
    assert_true(complete(f, &d[0], LS_DELIVERY_PENDING, now + S));
    assert_ok(f, ls_queue_stats(f->state, 0, &stats, &f->err));
    assert_int_equal(stats.failed, 1);
    assert_int_equal(stats.processing, 1);
    assert_int_equal(stats.waiting, 1);
    assert_int_equal(stats.pending, 2);
    assert_int_equal(stats.dead, 0);
    assert_int_equal(stats.oldest_us, now);
    assert_true(complete(f, &d[1], LS_DELIVERY_DEAD, 0));
    assert_ok(f, ls_queue_stats(f->state, 1, &stats, &f->err));
    assert_int_equal(stats.pending, 1);
    assert_int_equal(stats.dead, 1);
}

static void make_endpoint(struct fixture *f, int64_t number)
{
    struct ls_endpoint_row row = {.origin = "api",
                                  .url = "https://crm.example/",
                                  .settings = "{}",
                                  .secrets = "",
                                  .disabled = "",
                                  .breaker = ""};
    char name[24];

    snprintf(name, sizeof name, "to %d", (int)number);
    row.name = name;
    IN_TX(f, ls_endpoint_save(&tx, &row, &f->err));
    assert_int_equal(row.number, number);
}

static void dead_letters_are_found_replayed_and_discarded(void **state)
{
    struct fixture *f = *state;
    struct ls_queue_filter dead = {.states = 1u << LS_DELIVERY_DEAD};
    struct ls_delivery *d = NULL;
    struct ls_event *events = NULL;
    size_t count = 0;
    int64_t next = 0, n = 0;
    char id[8];

    make_endpoint(f, 1);
    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof id, "e%d", i);
        accept(f, id, id, 1);
    }
    assert_int_equal(claim(f, 1, 6, &d, &next), 6);
    for (int i = 0; i < 6; i++)
        assert_true(complete(f, &d[i], i < 4 ? LS_DELIVERY_DEAD : LS_DELIVERY_DELIVERED, 0));
    assert_ok(f, ls_queue_events(f->state, &dead, 2, &f->mem, &count, &events, &f->err));
    assert_int_equal(count, 2);
    assert_string_equal(events[0].id, "e3");
    dead.before_seq = events[1].seq;
    assert_ok(f, ls_queue_events(f->state, &dead, 9, &f->mem, &count, &events, &f->err));
    assert_int_equal(count, 2);
    assert_string_equal(events[1].id, "e0");
    dead = (struct ls_queue_filter){.states = dead.states, .type = "enrollment.*", .endpoint = 1};
    IN_TX(f, ls_queue_replay(&tx, &dead, 3, S, &n, &f->err));
    assert_int_equal(n, 3);
    assert_int_equal(claim(f, 1, 9, &d, &next), 1); /* one a second */
    assert_string_equal(d->e.id, "e0");
    assert_int_equal(d->attempts, 0);
    assert_true(next == now + S);
    dead.type = "profile.*";
    IN_TX(f, ls_queue_discard(&tx, &dead, 9, &n, &f->err));
    assert_int_equal(n, 0);
    IN_TX(f, ls_queue_discard(&tx, &(struct ls_queue_filter){.event = 4}, 9, &n, &f->err));
    assert_int_equal(n, 1);
    IN_TX(f, ls_queue_discard(&tx, &(struct ls_queue_filter){.event = 1}, 9, &n, &f->err));
    assert_false(complete(f, d, LS_DELIVERY_DELIVERED, 0)); /* fenced off */
}

static void a_replayed_event_waits_for_the_one_of_its_resource_on_its_way(void **state)
{
    struct fixture *f = *state;
    struct ls_delivery *d = NULL;
    int64_t next = 0, n = 0;

    make_endpoint(f, 1);
    accept(f, "a", "r1", 1);
    assert_int_equal(claim(f, 1, 1, &d, &next), 1);
    assert_true(complete(f, d, LS_DELIVERY_DEAD, 0));
    accept(f, "b", "r1", 1);
    assert_int_equal(claim(f, 1, 1, &d, &next), 1);
    IN_TX(f, ls_queue_replay(&tx, &(struct ls_queue_filter){.event = 1}, 9, 0, &n, &f->err));
    assert_int_equal(n, 1);
    assert_true(complete(f, d, LS_DELIVERY_DELIVERED, 0));
    assert_int_equal(claim(f, 1, 1, &d, &next), 1);
    assert_string_equal(d->e.id, "a");
}

static int64_t replay(struct fixture *f, int64_t seq)
{
    int64_t n = 0;

    IN_TX(f, ls_queue_replay(&tx, &(struct ls_queue_filter){.event = seq}, 9, 0, &n, &f->err));
    return n;
}

static int64_t discard(struct fixture *f, int64_t seq)
{
    int64_t n = 0;

    IN_TX(f, ls_queue_discard(&tx, &(struct ls_queue_filter){.event = seq}, 9, &n, &f->err));
    return n;
}

static void end_next(struct fixture *f, enum ls_delivery_state next)
{
    struct ls_delivery *d = NULL;
    int64_t next_us = 0;

    assert_int_equal(claim(f, 1, 1, &d, &next_us), 1);
    assert_true(complete(f, d, next, 0));
}

static void a_discarded_dead_letter_lets_nothing_pass_the_one_on_its_way(void **state)
{
    struct fixture *f = *state;
    struct ls_delivery *d = NULL, *other = NULL;
    int64_t next = 0;

    make_endpoint(f, 1);
    accept(f, "a", "r1", 1);
    end_next(f, LS_DELIVERY_DEAD);
    accept(f, "b", "r1", 1);
    end_next(f, LS_DELIVERY_DEAD);
    accept(f, "c", "r1", 1);
    assert_int_equal(claim(f, 1, 1, &d, &next), 1);
    assert_int_equal(replay(f, 2), 1); /* behind c, though it is older */
    assert_int_equal(discard(f, 1), 1);
    assert_int_equal(claim(f, 1, 1, &other, &next), 0);
    assert_true(complete(f, d, LS_DELIVERY_DELIVERED, 0));
    assert_int_equal(claim(f, 1, 1, &other, &next), 1);
    assert_string_equal(other->e.id, "b");
}

static void what_went_to_an_endpoint_that_is_gone_is_not_started_again(void **state)
{
    struct fixture *f = *state;
    struct ls_delivery *d = NULL;
    struct ls_queue_tx refused;
    int64_t next = 0, n = 0;

    make_endpoint(f, 1);
    make_endpoint(f, 2);
    accept(f, "a", "r1", 1);
    accept(f, "b", "r2", 2);
    end_next(f, LS_DELIVERY_DEAD);
    end_next(f, LS_DELIVERY_DEAD);
    assert_int_equal(claim(f, 2, 1, &d, &next), 1);
    assert_true(complete(f, d, LS_DELIVERY_DEAD, 0));
    IN_TX(f, ls_endpoint_remove(&tx, 1, &f->err));
    assert_ok(f, ls_queue_begin(f->state, now, &refused, &f->err));
    assert_code(f, LS_NOT_FOUND,
                ls_queue_end(&refused,
                             ls_queue_replay(&refused, &(struct ls_queue_filter){.event = 1}, 9, 0,
                                             &n, &f->err),
                             &f->err));
    assert_said(f, "event 1 went to is gone");
    assert_int_equal(replay(f, 0), 1); /* all that can be */
    assert_int_equal(claim(f, 2, 9, &d, &next), 1);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}deliveries WHERE state < 3"),
                     1);
}

/* ---- two nodes ---- */

/* A second node on a thread and a handle of its own, which comes to a lock that the first one holds. */
struct node {
    struct ls_state *state;
    enum ls_code (*run)(struct ls_queue_tx *tx, int64_t *ret, struct ls_error *err);
    struct ls_thread thread;
    enum ls_code rc;
    int64_t result;
    struct ls_error err;
};

static void be_second(void *arg)
{
    struct node *n = arg;
    struct ls_queue_tx tx;

    n->rc = ls_queue_begin(n->state, now, &tx, &n->err);
    if (n->rc == LS_OK)
        n->rc = ls_queue_end(&tx, n->run(&tx, &n->result, &n->err), &n->err);
}

/* Until it waits for a lock, or has ended without one: then what it did is wrong, which the test sees. */
static void start_second(struct fixture *f, struct node *n)
{
    n->state = another(f);
    assert_ok(f, ls_thread_start(&n->thread, be_second, n, &f->err));
    for (int i = 0; i < 500; i++) {
        if (number_behind(f, "SELECT count(*) FROM pg_locks WHERE NOT granted"))
            return;
        (void)usleep(10000);
    }
}

static void end_second(struct fixture *f, struct node *n)
{
    ls_thread_join(&n->thread);
    ls_state_close(n->state);
    f->err = n->err;
    assert_ok(f, n->rc);
}

static enum ls_code prune_all(struct ls_queue_tx *tx, int64_t *ret, struct ls_error *err)
{
    return ls_queue_prune(tx, now + S, now + S, 9, ret, err);
}

static void two_nodes_prune_at_once(void **state)
{
    struct fixture *f = *state;
    struct node second = {.run = prune_all};
    struct ls_queue_tx tx;
    int64_t n = 0;

    accept(f, "a", "", 0);
    accept(f, "b", "", 0);
    assert_ok(f, ls_queue_begin(f->state, now, &tx, &f->err));
    assert_ok(f, prune_all(&tx, &n, &f->err));
    start_second(f, &second);
    assert_ok(f, ls_queue_end(&tx, LS_OK, &f->err));
    end_second(f, &second);
    assert_int_equal(n, 2);
    assert_int_equal(second.result, 0);
}

static enum ls_code replay_first(struct ls_queue_tx *tx, int64_t *ret, struct ls_error *err)
{
    return ls_queue_replay(tx, &(struct ls_queue_filter){.event = 1}, 9, 0, ret, err);
}

static void a_replay_beside_a_completion_elsewhere_waits_for_nobody(void **state)
{
    struct fixture *f = *state;
    struct node second = {.run = replay_first};
    struct ls_delivery *d = NULL;
    struct ls_queue_tx tx;
    int64_t next = 0;
    bool late = false;

    make_endpoint(f, 1);
    accept(f, "a", "r1", 1);
    end_next(f, LS_DELIVERY_DEAD);
    accept(f, "b", "r1", 1);
    assert_int_equal(claim(f, 1, 1, &d, &next), 1);
    assert_ok(f, ls_queue_begin(f->state, now, &tx, &f->err));
    assert_ok(f, ls_queue_complete(&tx,
                                   &(struct ls_delivery_end){.event = d->event,
                                                             .endpoint = 1,
                                                             .token = d->token,
                                                             .resource = d->resource,
                                                             .next = LS_DELIVERY_DELIVERED},
                                   &late, &f->err));
    start_second(f, &second);
    assert_ok(f, ls_queue_end(&tx, LS_OK, &f->err));
    end_second(f, &second);
    assert_int_equal(second.result, 1);
    assert_int_equal(claim(f, 1, 1, &d, &next), 1);
    assert_string_equal(d->e.id, "a");
}

static enum ls_code make_and_accept(struct ls_queue_tx *tx, int64_t *ret, struct ls_error *err)
{
    struct ls_endpoint_row row = {.name = "lane",
                                  .origin = "message",
                                  .url = "",
                                  .settings = "{}",
                                  .secrets = "",
                                  .disabled = "",
                                  .breaker = ""};
    struct ls_event e = event("m", "");
    bool known = false;
    enum ls_code rc = ls_endpoint_save(tx, &row, err);

    *ret = row.number;
    return rc == LS_OK ? ls_queue_accept(tx, &e, &row.number, 1, 0, &known, err) : rc;
}

static void the_locks_of_two_nodes_are_taken_in_one_order(void **state)
{
    struct fixture *f = *state;
    struct node second = {.run = make_and_accept};
    struct ls_event e = event("a", "r1");
    struct ls_queue_tx tx;
    bool known = false;

    make_endpoint(f, 1);
    assert_ok(f, ls_queue_begin(f->state, now, &tx, &f->err));
    assert_ok(f, ls_queue_accept(&tx, &e, (const int64_t[]){1}, 1, 0, &known, &f->err));
    start_second(f, &second);
    assert_ok(f, ls_queue_end(&tx, ls_endpoint_note(&tx, 1, "{}", "gone", &f->err), &f->err));
    end_second(f, &second);
    assert_true(second.result > 1);
}

static void under_the_lock_endpoints_are_what_they_are_now(void **state)
{
    struct fixture *f = *state;
    struct ls_state *mine = f->state;
    int64_t before = 0, after_lock = 0, at = 0, later = 0;
    struct ls_queue_tx first;

    make_endpoint(f, 1);
    accept(f, "a", "r1", 1);
    f->state = another(f);
    assert_ok(f, ls_queue_begin(mine, now, &first, &f->err));
    assert_ok(f, ls_endpoints_version(&first, &before, &f->err));
    assert_ok(f, ls_queue_version(f->state, &at, &f->err));
    assert_int_equal(discard(f, 1), 1);
    assert_ok(f, ls_queue_version(f->state, &later, &f->err));
    assert_true(later > at); /* other nodes look at their lanes: something may have been let go */
    IN_TX(f, ls_endpoint_remove(&tx, 1, &f->err));
    assert_ok(f, ls_queue_lock(&first, &f->err));
    assert_ok(f, ls_endpoints_version(&first, &after_lock, &f->err));
    assert_true(after_lock > before);
    assert_ok(f, ls_queue_end(&first, LS_OK, &f->err));
    ls_state_close(mine);
}

static void pruning_takes_what_is_old_and_over(void **state)
{
    struct fixture *f = *state;
    struct ls_delivery *d = NULL;
    int64_t next = 0, n = 0;

    accept(f, "delivered", "r1", 1);
    accept(f, "dead", "r2", 1);
    accept(f, "pending", "r3", 1);
    accept(f, "nobody wants it", "r4", 0);
    assert_int_equal(claim(f, 1, 2, &d, &next), 2);
    assert_true(complete(f, &d[0], LS_DELIVERY_DELIVERED, 0));
    assert_true(complete(f, &d[1], LS_DELIVERY_DEAD, 0));
    now += 100 * (int64_t)S;
    accept(f, "new", "r5", 0);
    IN_TX(f, ls_queue_prune(&tx, now - 50 * S, now - 200 * (int64_t)S, 9, &n, &f->err));
    assert_int_equal(n, 2);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}attempts"), 1);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}deliveries"), 2);
    IN_TX(f, ls_queue_prune(&tx, now - 50 * S, now, 9, &n, &f->err)); /* the dead one is old too */
    assert_int_equal(n, 1);
    IN_TX(f, ls_queue_prune_over(&tx, 1, now + S, 9, &n,
                                 &f->err)); /* by number: "new" is the newest */
    assert_int_equal(n, 0);                 /* and "pending" on its way */
    accept(f, "newer", "r6", 0);
    IN_TX(f, ls_queue_prune_over(&tx, 1, now + S, 9, &n, &f->err));
    assert_int_equal(n, 1);
    assert_int_equal(accept(f, "last", "r7", 0), 7); /* numbers go on */
}

static void a_damaged_event_is_named(void **state)
{
    struct fixture *f = *state;
    struct ls_event e;

    accept(f, "a", "r1", 1);
    behind(f, "UPDATE {schema}events SET resource_id = 'r2'");
    assert_code(f, LS_CORRUPT, ls_queue_event(f->state, "a", &f->mem, &e, &f->err));
    assert_said(f, "event 1");
    assert_said(f, "the state is damaged");
}

static void endpoints_are_kept_and_removed_with_what_was_on_its_way(void **state)
{
    struct fixture *f = *state;
    struct ls_endpoint_row row = {.name = "crm",
                                  .origin = "config",
                                  .url = "https://crm.example/",
                                  .settings = "{}",
                                  .secrets = "\0s",
                                  .secrets_size = 2,
                                  .disabled = "",
                                  .breaker = ""};
    struct ls_endpoint_row other = row, *rows = NULL;
    struct ls_queue_tx refused;
    size_t count = 0;

    IN_TX(f, ls_endpoint_save(&tx, &row, &f->err));
    assert_int_equal(row.number, 1);
    assert_ok(f, ls_queue_begin(f->state, now, &refused, &f->err));
    assert_code(f, LS_CONSTRAINT,
                ls_queue_end(&refused, ls_endpoint_save(&refused, &other, &f->err), &f->err));
    assert_said(f, "crm");
    row.paused = true;
    row.url = "https://crm.example/2";
    IN_TX(f, ls_endpoint_save(&tx, &row, &f->err));
    reopen(f);
    assert_ok(f, ls_endpoint_rows(f->state, &f->mem, &count, &rows, &f->err));
    assert_int_equal(count, 1);
    assert_true(rows->paused);
    assert_string_equal(rows->url, "https://crm.example/2");
    assert_int_equal(rows->secrets_size, 2);
    assert_memory_equal(rows->secrets, "\0s", 2);
    IN_TX(f, ls_endpoint_note(&tx, 1, "{\"state\":\"open\"}", NULL, &f->err));
    assert_ok(f, ls_endpoint_rows(f->state, &f->mem, &count, &rows, &f->err));
    assert_string_equal(rows->breaker, "{\"state\":\"open\"}");
    assert_string_equal(rows->disabled, "");
    assert_string_equal(rows->url, "https://crm.example/2"); /* and the rest is as it was */
    IN_TX(f, ls_endpoint_note(&tx, 1, "", "gone", &f->err));
    assert_ok(f, ls_endpoint_rows(f->state, &f->mem, &count, &rows, &f->err));
    assert_string_equal(rows->disabled, "gone");
    IN_TX(f, ls_endpoint_note(&tx, 99, "", "nobody", &f->err));
    accept(f, "a", "r1", 2);
    accept(f, "b", "r1", 2);
    IN_TX(f, ls_endpoint_remove(&tx, 1, &f->err));
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}deliveries WHERE state < 3"),
                     2);
    other.name = "crm";
    IN_TX(f, ls_endpoint_save(&tx, &other, &f->err));
    assert_true(other.number > 1); /* never 1 again */
}

static int64_t version_of(struct fixture *f)
{
    int64_t version = 0;

    IN_TX(f, ls_endpoints_version(&tx, &version, &f->err));
    return version;
}

static void the_version_of_the_endpoints_moves_on_with_each_change(void **state)
{
    struct fixture *f = *state;
    struct ls_endpoint_row row = {.name = "crm",
                                  .origin = "api",
                                  .url = "https://crm.example/",
                                  .settings = "{}",
                                  .secrets = "",
                                  .disabled = "",
                                  .breaker = ""};
    int64_t seen = version_of(f), seq = 0, later = 0;

    assert_int_equal(version_of(f), seen);
    assert_ok(f, ls_queue_version(f->state, &seq, &f->err));
    IN_TX(f, ls_endpoint_save(&tx, &row, &f->err));
    assert_true(version_of(f) > seen);
    seen = version_of(f);
    IN_TX(f, ls_endpoint_save(&tx, &row, &f->err));
    assert_true(version_of(f) > seen);
    seen = version_of(f);
    IN_TX(f,
          ls_endpoint_note(&tx, row.number, "{}", NULL, &f->err)); /* how it fares is no change */
    assert_int_equal(version_of(f), seen);
    IN_TX(f, ls_endpoint_note(&tx, row.number, "{}", "gone", &f->err));
    assert_true(version_of(f) > seen);
    seen = version_of(f);
    IN_TX(f, ls_endpoint_remove(&tx, row.number, &f->err));
    assert_true(version_of(f) > seen);
    assert_ok(f, ls_queue_version(f->state, &later, &f->err));
    if (strstr(ls_state_where(f->state), "postgres")) /* and so does what other nodes look at */
        assert_true(later > seq);
}

static void tries_of_an_endpoint_are_paged_newest_first(void **state)
{
    struct fixture *f = *state;
    struct ls_attempt_row *rows = NULL;
    struct ls_delivery *d = NULL;
    size_t count = 0;
    int64_t before = 0, next = 0;
    static const char *const wanted[] = {"b", "a"};

    accept(f, "a", "r1", 2);
    accept(f, "b", "r2", 2);
    for (int64_t endpoint = 1; endpoint <= 2; endpoint++) {
        assert_int_equal(claim(f, endpoint, 10, &d, &next), 2);
        assert_true(complete(f, &d[0], LS_DELIVERY_DELIVERED, 0));
        assert_true(complete(f, &d[1], LS_DELIVERY_DELIVERED, 0));
    }
    for (size_t i = 0; i < 2; i++) {
        assert_ok(
            f, ls_queue_endpoint_attempts(f->state, 1, before, 1, &f->mem, &count, &rows, &f->err));
        assert_int_equal(count, 1);
        assert_string_equal(rows->event, wanted[i]);
        assert_int_equal(rows->attempt.number, 1);
        before = rows->position;
    }
    assert_ok(f,
              ls_queue_endpoint_attempts(f->state, 1, before, 1, &f->mem, &count, &rows, &f->err));
    assert_int_equal(count, 0);
}

/* ---- a long story against a model ---- */

#define EVENTS 120
#define RESOURCES 7

struct model {
    int resource; /* 0: none */
    enum ls_delivery_state state;
    int64_t due, token;
};

static bool may_be_claimed(const struct model *m, size_t i)
{
    if (m[i].state > LS_DELIVERY_WAITING || m[i].due > now)
        return false;
    for (size_t j = 0; j < i && m[i].resource; j++)
        if (m[j].resource == m[i].resource && m[j].state <= LS_DELIVERY_WAITING)
            return false;
    return true;
}

/* Every event is delivered or dead in the end, none of a resource before the one before it, and claims match the model. */
static void a_random_story_goes_as_the_model_says(void **state)
{
    struct fixture *f = *state;
    const char *given = getenv("LOCKSTEP_TEST_SEED");
    const unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)ls_random_u64();
    struct model m[EVENTS];
    size_t count = 0, over = 0;
    unsigned r = seed;

    print_message("seed %u\n", seed);
    for (int step = 0; over < EVENTS && step < 5000; step++) {
        const int what = rand_r(&r) % 4;
        struct ls_delivery *d = NULL;
        int64_t next = 0;

        now += rand_r(&r) % S;
        if (what == 0 && count < EVENTS) {
            char id[16], resource[8] = "";
            const int n = rand_r(&r) % RESOURCES;

            snprintf(id, sizeof id, "e%zu", count);
            if (n)
                snprintf(resource, sizeof resource, "r%d", n);
            assert_int_equal(accept(f, id, resource, 1), (int64_t)count + 1);
            m[count++] = (struct model){n, LS_DELIVERY_PENDING, now, 0};
            continue;
        }
        if (what == 1)
            now += rand_r(&r) % 3 ? 0 : LEASE;
        const size_t claimed = claim(f, 1, 1 + (size_t)rand_r(&r) % 5, &d, &next);
        size_t could = 0;

        for (size_t i = 0; i < count; i++)
            could += may_be_claimed(m, i);
        assert_true(claimed <= could);
        assert_true(claimed > 0 || could == 0);
        for (size_t i = 0; i < claimed; i++) {
            struct model *at = &m[d[i].event - 1];

            assert_true(may_be_claimed(m, (size_t)d[i].event - 1));
            assert_int_equal(d[i].token, at->token + 1);
        }
        for (size_t i = 0; i < claimed; i++) {
            struct model *at = &m[d[i].event - 1];
            const int end = rand_r(&r) % 5;

            at->token++;
            at->state = LS_DELIVERY_PROCESSING;
            at->due = now + LEASE;
            if (end == 0) /* its process died */
                continue;
            at->state = end == 1   ? LS_DELIVERY_PENDING
                        : end == 2 ? LS_DELIVERY_DEAD
                                   : LS_DELIVERY_DELIVERED;
            at->due = now + rand_r(&r) % (3 * S);
            assert_true(complete(f, &d[i], at->state, at->due));
            over += at->state >= LS_DELIVERY_DELIVERED;
        }
        ls_arena_reset(&f->mem);
    }
    assert_int_equal(over, EVENTS);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}deliveries WHERE state < 3"),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(an_event_is_kept_as_it_came_and_delivered_once),
        ON_BOTH(who_waits_for_an_event_ends_the_pauses_that_hold_it_up),
        ON_BOTH(how_far_a_resource_is_follows_its_newest_event),
        ON_BOTH(the_same_id_again_is_the_same_event),
        ON_BOTH(what_was_rolled_back_never_was),
        ON_BOTH(a_part_that_fails_leaves_the_rest_of_its_transaction),
        ON_BOTH(events_of_a_resource_go_one_after_the_other),
        ON_BOTH(a_lease_that_ended_is_claimed_again_and_the_first_one_comes_too_late),
        ON_BOTH(a_clock_that_is_set_back_holds_nothing_up),
        ON_BOTH(what_the_process_before_had_claimed_is_due_at_once),
        ON_BOTH(a_parked_delivery_counts_no_attempt),
        ON_BOTH(attempts_are_listed_with_what_was_answered),
        ON_BOTH(counts_tell_what_is_where),
        ON_BOTH(dead_letters_are_found_replayed_and_discarded),
        ON_BOTH(a_replayed_event_waits_for_the_one_of_its_resource_on_its_way),
        ON_BOTH(a_discarded_dead_letter_lets_nothing_pass_the_one_on_its_way),
        ON_BOTH(what_went_to_an_endpoint_that_is_gone_is_not_started_again),
        ON_POSTGRES(two_nodes_prune_at_once),
        ON_POSTGRES(a_replay_beside_a_completion_elsewhere_waits_for_nobody),
        ON_POSTGRES(the_locks_of_two_nodes_are_taken_in_one_order),
        ON_POSTGRES(under_the_lock_endpoints_are_what_they_are_now),
        ON_BOTH(pruning_takes_what_is_old_and_over),
        ON_BOTH(a_damaged_event_is_named),
        ON_BOTH(endpoints_are_kept_and_removed_with_what_was_on_its_way),
        ON_BOTH(the_version_of_the_endpoints_moves_on_with_each_change),
        ON_BOTH(tries_of_an_endpoint_are_paged_newest_first),
        ON_BOTH(a_random_story_goes_as_the_model_says),
    };

    return cmocka_run_group_tests_name("state/queue", tests, NULL, NULL);
}
