/* SPDX-License-Identifier: Apache-2.0 */
/* Callers who hand in events, in the audit log: the first call with its events, the rest as sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "event/queue.h"
#include "lib/testdir.h"

#define MINUTE_US (60 * INT64_C(1000000))

struct fixture {
    char path[200];
    struct ls_state *state;
    struct ls_ledger *ledger;
    struct ls_queue_tx tx;
    int64_t now_us;
    char *dir;
};

static void open_ledger(struct fixture *f, size_t room)
{
    struct ls_error err;

    *f = (struct fixture){.dir = testdir_new(), .now_us = 1000};
    snprintf(f->path, sizeof f->path, "%s/state.db", f->dir);
    assert_int_equal(ls_state_open(f->path, true, &f->state, &err), LS_OK);
    assert_int_equal(ls_ledger_new(room, 0, &f->ledger, &err), LS_OK);
}

static void close_ledger(struct fixture *f)
{
    ls_ledger_free(f->ledger);
    ls_state_close(f->state);
    free(f->dir);
}

static void begin(struct fixture *f)
{
    struct ls_error err;

    f->tx = (struct ls_queue_tx){0};
    assert_int_equal(ls_queue_begin(f->state, 1, &f->tx, &err), LS_OK);
}

static void note(struct fixture *f, const char *actor, const char *address, size_t events)
{
    const struct ls_audit_deed deed = {.actor = actor,
                                       .role = "operator",
                                       .address = address,
                                       .action = "POST /api/v1/events",
                                       .subject = "/api/v1/events",
                                       .request = "abc",
                                       .events = events};
    struct ls_error err;

    assert_int_equal(ls_ledger_note(f->ledger, &f->tx, &deed, &err), LS_OK);
}

static void end(struct fixture *f, enum ls_code rc)
{
    struct ls_error err;

    if (rc == LS_OK)
        assert_int_equal(ls_ledger_write(f->ledger, &f->tx, &err), LS_OK);
    assert_int_equal(ls_queue_end(&f->tx, rc, &err), rc);
    ls_ledger_end(f->ledger, rc == LS_OK, f->now_us);
}

static void flush(struct fixture *f)
{
    struct ls_error err;

    begin(f);
    assert_int_equal(ls_queue_end(&f->tx, ls_ledger_flush(f->ledger, &f->tx, &err), &err), LS_OK);
    ls_ledger_flushed(f->ledger);
}

/* Oldest first, a line each; the caller frees it. The chain has to fit. */
static char *entries_of(const char *path)
{
    struct ls_state *state = NULL;
    struct ls_audit *list = NULL;
    struct ls_error err;
    struct ls_arena mem;
    struct ls_buf out;
    size_t count = 0;
    uint64_t verified = 0;
    char *ret;

    ls_arena_init(&mem, 0);
    ls_buf_init(&out, 0);
    assert_int_equal(ls_state_open(path, false, &state, &err), LS_OK);
    assert_int_equal(ls_state_audit_list(state, 1000, &mem, &count, &list, &err), LS_OK);
    assert_int_equal(ls_state_audit_verify(state, &verified, &err), LS_OK);
    assert_int_equal(verified, count);
    while (count--)
        ls_buf_printf(&out, "%s %s\n", list[count].actor, list[count].detail_json);
    ls_state_close(state);
    ls_arena_done(&mem);
    ret = strdup(ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}

static void assert_entries(const char *path, const char *expected)
{
    char *entries = entries_of(path);

    assert_string_equal(entries, expected);
    free(entries);
}

#define ENTRY(actor, calls, events, address)                                                      \
    actor " {\"outcome\":\"done\",\"role\":\"operator\",\"calls\":" #calls ",\"events\":" #events \
          ",\"address\":\"" address "\""
#define FIRST ",\"request\":\"abc\"}\n"
#define SUM "}\n"

static void the_first_call_is_written_with_its_events_and_the_rest_as_one(void **state)
{
    struct fixture f;

    (void)state;
    open_ledger(&f, 0);
    begin(&f);
    note(&f, "token:ci", "::1", 3);
    end(&f, LS_OK);
    assert_entries(f.path, ENTRY("token:ci", 1, 3, "::1") FIRST);
    for (int i = 0; i < 5; i++) {
        begin(&f);
        note(&f, "token:ci", "::1", 2);
        note(&f, "token:ci", "::1", 1);
        end(&f, LS_OK);
    }
    assert_entries(f.path, ENTRY("token:ci", 1, 3, "::1") FIRST);
    assert_int_equal(ls_ledger_waiting(f.ledger), 10);
    assert_false(ls_ledger_due(f.ledger, f.now_us + MINUTE_US - 1));
    assert_true(ls_ledger_due(f.ledger, f.now_us + MINUTE_US));
    flush(&f);
    assert_false(ls_ledger_due(f.ledger, f.now_us + 10 * MINUTE_US));
    assert_int_equal(ls_ledger_waiting(f.ledger), 0);
    begin(&f);
    note(&f, "token:ci", "::1", 1);
    end(&f, LS_OK);
    assert_entries(f.path, ENTRY("token:ci", 1, 3, "::1") FIRST ENTRY("token:ci", 10, 15, "::1")
                               SUM ENTRY("token:ci", 1, 1, "::1") FIRST);
    close_ledger(&f);
}

static void callers_addresses_and_outcomes_are_counted_apart(void **state)
{
    const struct ls_audit_deed failed = {.actor = "token:a",
                                         .role = "operator",
                                         .address = "::1",
                                         .action = "POST /api/v1/events",
                                         .request = "abc",
                                         .failed = true};
    struct ls_error err;
    struct fixture f;
    char *entries;

    (void)state;
    open_ledger(&f, 0);
    begin(&f);
    note(&f, "token:a", "::1", 1);
    note(&f, "token:b", "::1", 1);
    note(&f, "token:a", "::2", 1);
    assert_int_equal(ls_ledger_note(f.ledger, &f.tx, &failed, &err), LS_OK);
    end(&f, LS_OK);
    entries = entries_of(f.path);
    assert_non_null(strstr(entries, ENTRY("token:a", 1, 1, "::1") FIRST));
    assert_non_null(strstr(entries, ENTRY("token:b", 1, 1, "::1") FIRST));
    assert_non_null(strstr(entries, ENTRY("token:a", 1, 1, "::2") FIRST));
    assert_non_null(strstr(entries, "token:a {\"outcome\":\"failed\""));
    free(entries);
    close_ledger(&f);
}

static void what_is_rolled_back_is_not_counted(void **state)
{
    struct fixture f;

    (void)state;
    open_ledger(&f, 0);
    begin(&f);
    note(&f, "token:ci", "::1", 3);
    end(&f, LS_BUSY);
    assert_entries(f.path, "");
    begin(&f);
    note(&f, "token:ci", "::1", 4); /* still its first */
    end(&f, LS_OK);
    begin(&f);
    note(&f, "token:ci", "::1", 5);
    end(&f, LS_BUSY);
    assert_int_equal(ls_ledger_waiting(f.ledger), 0);
    flush(&f);
    assert_entries(f.path, ENTRY("token:ci", 1, 4, "::1") FIRST);
    close_ledger(&f);
}

static void callers_without_room_are_written_at_once(void **state)
{
    struct fixture f;
    char actor[20];
    uint64_t lines = 0;
    char *entries;

    (void)state;
    open_ledger(&f, 4);
    begin(&f);
    for (int i = 0; i < 10; i++) {
        snprintf(actor, sizeof actor, "token:%d", i);
        note(&f, actor, "::1", 1);
    }
    end(&f, LS_OK);
    assert_true(ls_ledger_due(f.ledger, f.now_us));
    entries = entries_of(f.path);
    for (const char *at = entries; (at = strchr(at, '\n')); at++)
        lines++;
    free(entries);
    assert_int_equal(lines, 10);
    flush(&f);
    assert_false(ls_ledger_due(f.ledger, f.now_us));
    close_ledger(&f);
}

/* ---- by the queue ---- */

static enum ls_code run_nothing(struct ls_queue_task *task, struct ls_queue_tx *tx,
                                struct ls_error *err)
{
    (void)tx;
    task->deed->events++;
    return task->deed->failed ? ls_error_set(err, LS_DATA, "no") : LS_OK;
}

static void do_call(struct ls_queue *queue, bool fails)
{
    struct ls_audit_deed deed = {.actor = "token:ci",
                                 .role = "operator",
                                 .address = "::1",
                                 .action = "POST /api/v1/events",
                                 .request = "abc",
                                 .failed = fails};
    struct ls_queue_task task = {.run = run_nothing, .deed = &deed};
    struct ls_error err;

    assert_int_equal(ls_queue_do(queue, &task, &err), fails ? LS_DATA : LS_OK);
}

static void the_queue_writes_the_sums_before_it_ends(void **state)
{
    struct fixture f;
    struct ls_queue *queue = NULL;
    struct ls_error err;

    (void)state;
    open_ledger(&f, 0);
    assert_int_equal(ls_queue_open(f.path, NULL, &queue, &err), LS_OK);
    for (int i = 0; i < 4; i++)
        do_call(queue, i == 2);
    assert_entries(f.path, ENTRY("token:ci", 1, 1, "::1") FIRST);
    ls_queue_close(queue);
    assert_entries(f.path, ENTRY("token:ci", 1, 1, "::1") FIRST ENTRY("token:ci", 2, 2, "::1") SUM);
    close_ledger(&f);
}

static void the_queue_writes_the_sums_when_they_are_due(void **state)
{
    const struct ls_queue_options options = {.audit_us = 1};
    struct fixture f;
    struct ls_queue *queue = NULL;
    struct ls_error err;

    (void)state;
    open_ledger(&f, 0);
    assert_int_equal(ls_queue_open(f.path, &options, &queue, &err), LS_OK);
    do_call(queue, false);
    do_call(queue, false); /* a first one again, or counted: then it is due behind it */
    for (bool there = false; !there;) {
        char *entries = entries_of(f.path);

        there = strchr(strchr(entries, '\n') + 1, '\n') != NULL;
        free(entries);
        if (!there)
            usleep(10000);
    }
    ls_queue_close(queue);
    close_ledger(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_call_is_written_with_its_events_and_the_rest_as_one),
        cmocka_unit_test(callers_addresses_and_outcomes_are_counted_apart),
        cmocka_unit_test(what_is_rolled_back_is_not_counted),
        cmocka_unit_test(callers_without_room_are_written_at_once),
        cmocka_unit_test(the_queue_writes_the_sums_before_it_ends),
        cmocka_unit_test(the_queue_writes_the_sums_when_they_are_due),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
