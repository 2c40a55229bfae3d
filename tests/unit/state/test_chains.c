/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts and the audit log: what is changed, taken away or put in is found, and the first of it is named. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "state_fixture.h"

#define ENTRIES 6

static void add_entries(struct fixture *f, int count)
{
    char subject[20];

    for (int i = 1; i <= count; i++) {
        snprintf(subject, sizeof subject, "sync %d", i);
        assert_ok(f, ls_state_audit_add(f->state, "cli:me@host", "sync", subject, "{\"run\":1}",
                                        &f->err));
    }
}

/* Runs with receipts; the last one's is returned. */
static struct ls_run add_receipts(struct fixture *f, int count)
{
    struct ls_run run = {0};

    for (int i = 0; i < count; i++) {
        run = begun(f, "s");
        ended(f, &run, LS_RUN_COMPLETED);
        assert_ok(f, ls_state_receipt_add(f->state, run.id,
                                          ls_arena_printf(&f->mem, "{\"run\":%d,\"id\":\"%s\"}",
                                                          (int)run.number, run.id),
                                          &f->err));
    }
    return run;
}

static uint64_t verified(struct fixture *f)
{
    uint64_t count = 0;

    assert_ok(f, ls_state_audit_verify(f->state, &count, &f->err));
    return count;
}

static const char *receipt(struct fixture *f, const char *which)
{
    struct ls_run run;
    const char *json = NULL;

    assert_ok(f, ls_state_run_find(f->state, which, &f->mem, &run, &f->err));
    assert_ok(f, ls_state_receipt_get(f->state, run.id, &f->mem, &json, &f->err));
    return json;
}

/* ---- as it should be ---- */

static void the_audit_log_lists_the_newest_first(void **state)
{
    struct fixture *f = *state;
    struct ls_audit *list = NULL;
    size_t count = 9;

    assert_ok(f, ls_state_audit_list(f->state, 10, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 0);
    assert_int_equal(verified(f), 0);
    add_entries(f, ENTRIES);
    assert_ok(f, ls_state_audit_list(f->state, 100, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, ENTRIES);
    assert_int_equal(list[0].seq, ENTRIES);
    assert_int_equal(list[5].seq, 1);
    assert_string_equal(list[0].subject, "sync 6");
    assert_string_equal(list[0].actor, "cli:me@host");
    assert_string_equal(list[0].action, "sync");
    assert_string_equal(list[0].detail_json, "{\"run\":1}");
    assert_true(list[0].at_us >= list[5].at_us && list[5].at_us > 0);
    assert_ok(f, ls_state_audit_list(f->state, 2, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 2);
    assert_int_equal(list[1].seq, 5);
    assert_int_equal(verified(f), ENTRIES);
}

static void the_audit_log_can_be_paged_and_searched(void **state)
{
    struct fixture *f = *state;
    struct ls_audit *list = NULL;
    size_t count = 9;

    add_entries(f, ENTRIES);
    assert_ok(f, ls_state_audit_add(f->state, "token:ci", "undo", "x", "{}", &f->err));
    assert_ok(f, ls_state_audit_page(f->state, 5, NULL, NULL, 3, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 3);
    assert_int_equal(list[0].seq, 4);
    assert_int_equal(list[2].seq, 2);
    assert_ok(f, ls_state_audit_page(f->state, 2, NULL, NULL, 3, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 1);
    assert_ok(f, ls_state_audit_page(f->state, 1, NULL, NULL, 3, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 0);
    assert_ok(f,
              ls_state_audit_page(f->state, 1000, NULL, NULL, 9, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, ENTRIES + 1);
    assert_ok(
        f, ls_state_audit_page(f->state, 0, "token:ci", NULL, 9, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 1);
    assert_ok(f, ls_state_audit_page(f->state, 4, "cli:me@host", "sync", 9, &f->mem, &count, &list,
                                     &f->err));
    assert_int_equal(count, 3);
    assert_ok(f, ls_state_audit_page(f->state, 0, "cli:me@host", "undo", 9, &f->mem, &count, &list,
                                     &f->err));
    assert_int_equal(count, 0);

    /* what was changed is noticed on the page that it is on, and what is missing too */
    behind(f, "UPDATE {schema}audit SET subject = 'nothing' WHERE seq = 3");
    assert_ok(f, ls_state_audit_page(f->state, 0, NULL, NULL, 3, &f->mem, &count, &list, &f->err));
    assert_code(f, LS_CORRUPT,
                ls_state_audit_page(f->state, 5, NULL, NULL, 3, &f->mem, &count, &list, &f->err));
    assert_said(f, "audit entry 3");
    assert_code(
        f, LS_CORRUPT,
        ls_state_audit_page(f->state, 0, "cli:me@host", NULL, 9, &f->mem, &count, &list, &f->err));
    behind(f, "DELETE FROM {schema}audit WHERE seq = 3");
    assert_code(f, LS_CORRUPT,
                ls_state_audit_page(f->state, 4, NULL, NULL, 1, &f->mem, &count, &list, &f->err));
    assert_said(f, "audit entry 3 is missing");
}

static void a_receipt_can_be_checked_with_sha256_alone(void **state)
{
    struct fixture *f = *state;
    const char *first, *second;
    char prev[65], hash[65], body[200];
    struct ls_sha256 h;

    add_receipts(f, 2);
    first = receipt(f, "1");
    second = receipt(f, "2");
    assert_true(first && second);
    assert_non_null(strstr(first, ",\"prev\":\"000000000000"));
    snprintf(prev, sizeof prev, "%.64s", strstr(first, "\"hash\":\"") + 8);
    assert_memory_equal(strstr(second, "\"prev\":\"") + 8, prev, 64);
    memset(body, 0, sizeof body);
    memcpy(body, second, (size_t)(strstr(second, ",\"prev\"") - second));
    body[strlen(body)] = '}';
    ls_sha256_init(&h);
    ls_sha256_add(&h, prev, 64);
    ls_sha256_add(&h, body, strlen(body));
    ls_sha256_hex(&h, hash);
    assert_memory_equal(strstr(second, "\"hash\":\"") + 8, hash, 64);
    assert_int_equal(verified(f), 2);
}

static void a_run_without_a_receipt_says_so(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = begun(f, "s");
    const char *json;

    assert_code(f, LS_NOT_FOUND, ls_state_receipt_get(f->state, run.id, &f->mem, &json, &f->err));
    assert_said(f, "no receipt");
    assert_code(f, LS_INTERNAL, ls_state_receipt_add(f->state, run.id, "{}", &f->err));
    assert_code(f, LS_INTERNAL, ls_state_receipt_add(f->state, run.id, "", &f->err));
}

static void a_run_has_one_receipt(void **state)
{
    struct fixture *f = *state;
    const struct ls_run run = add_receipts(f, 1);
    const char *body = ls_arena_printf(&f->mem, "{\"id\":\"%s\"}", run.id);

    assert_int_not_equal(ls_state_receipt_add(f->state, run.id, body, &f->err), LS_OK);
    assert_int_equal(verified(f), 1);
}

static void an_entry_that_is_not_text_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_code(f, LS_DATA, ls_state_audit_add(f->state, "a", "b", "\xff", "{}", &f->err));
    assert_int_equal(verified(f), 0);
}

/* ---- damage ---- */

struct damage {
    const char *sql, *said;
};

/* In a list of six. */
static const struct damage audit_damage[] = {
    {"UPDATE {schema}audit SET subject = 'nothing' WHERE seq = 3", "audit entry 3 is not what"},
    {"UPDATE {schema}audit SET actor = 'x' WHERE seq = 1", "audit entry 1 is not what"},
    {"UPDATE {schema}audit SET at_us = at_us + 1 WHERE seq = 6", "audit entry 6 is not what"},
    {"UPDATE {schema}audit SET action = detail, detail = action WHERE seq = 2", "audit entry 2"},
    {"DELETE FROM {schema}audit WHERE seq = 1", "audit entry 1 is missing"},
    {"DELETE FROM {schema}audit WHERE seq = 4", "audit entry 4 is missing"},
    {"DELETE FROM {schema}audit WHERE seq = 6", "audit entry 6 is missing"},
    {"DELETE FROM {schema}audit WHERE seq >= 4", "audit entry 4 is missing"},
    {"DELETE FROM {schema}audit", "audit entry 1 is missing"},
    {"INSERT INTO {schema}audit SELECT 7, at_us, actor, action, subject, detail, prev, hash FROM "
     "{schema}audit WHERE seq = 6",
     "audit entry 7"},
    {"INSERT INTO {schema}audit SELECT 0, at_us, actor, action, subject, detail, prev, hash FROM "
     "{schema}audit WHERE seq = 1",
     "audit entry 0"},
    {"UPDATE {schema}audit SET seq = -2 WHERE seq = 2; UPDATE {schema}audit SET seq = 2 WHERE "
     "seq = 5; UPDATE {schema}audit SET seq = 5 WHERE seq = -2",
     "audit entry 2"},
    {"UPDATE {schema}audit SET prev = (SELECT hash FROM {schema}audit WHERE seq = 1), hash = "
     "(SELECT hash FROM {schema}audit WHERE seq = 2) WHERE seq = 5",
     "audit entry 5"},
    {"UPDATE {schema}heads SET seq = 5 WHERE name = 'audit'", "the head of audit"},
    {"UPDATE {schema}heads SET hash = (SELECT hash FROM {schema}audit WHERE seq = 5) WHERE name = "
     "'audit'",
     "the head of audit"},
    {"DELETE FROM {schema}heads WHERE name = 'audit'", "the head of audit"},
};

static void restore(struct fixture *f)
{
    static const char *const tables[] = {"audit", "receipts", "runs", "journals", "heads"};

    for (size_t i = 0; i < 5; i++) {
        behind(f, ls_arena_printf(&f->mem, "DELETE FROM {schema}%s", tables[i]));
        behind(f, ls_arena_printf(&f->mem, "INSERT INTO {schema}%s SELECT * FROM {schema}keep_%s",
                                  tables[i], tables[i]));
    }
}

static void keep(struct fixture *f)
{
    static const char *const tables[] = {"audit", "receipts", "runs", "journals", "heads"};

    for (size_t i = 0; i < 5; i++)
        behind(f,
               ls_arena_printf(&f->mem, "CREATE TABLE {schema}keep_%s AS SELECT * FROM {schema}%s",
                               tables[i], tables[i]));
}

static void every_change_to_the_audit_log_is_named(void **state)
{
    struct fixture *f = *state;

    add_entries(f, ENTRIES);
    keep(f);
    for (size_t i = 0; i < sizeof audit_damage / sizeof audit_damage[0]; i++) {
        struct ls_audit *list = NULL;
        size_t listed = 0;
        uint64_t count = 0;

        behind(f, audit_damage[i].sql);
        if (ls_state_audit_verify(f->state, &count, &f->err) != LS_CORRUPT ||
            !strstr(f->err.text, audit_damage[i].said) || !strstr(f->err.text, "Restore a copy")) {
            print_error("%s: %s\n", audit_damage[i].sql, f->err.text);
            fail();
        }
        assert_code(f, LS_CORRUPT,
                    ls_state_audit_list(f->state, 100, &f->mem, &listed, &list, &f->err));
        restore(f);
    }
    assert_int_equal(verified(f), ENTRIES);
}

static void a_list_shows_nothing_of_what_was_changed(void **state)
{
    struct fixture *f = *state;
    struct ls_audit *list = NULL;
    size_t count = 0;

    add_entries(f, ENTRIES);
    behind(f, "UPDATE {schema}audit SET subject = 'x' WHERE seq = 2");
    assert_ok(f, ls_state_audit_list(f->state, 4, &f->mem, &count, &list, &f->err));
    assert_code(f, LS_CORRUPT, ls_state_audit_list(f->state, 5, &f->mem, &count, &list, &f->err));
}

/* In a list of five, looked at from the receipt of run 3. */
static const struct damage receipt_damage[] = {
    {"UPDATE {schema}receipts SET body = replace(body, '3', '4') WHERE seq = 3", "receipt 3"},
    {"UPDATE {schema}receipts SET hash = prev WHERE seq = 3", "receipt 3"},
    {"UPDATE {schema}receipts SET run = 9 WHERE seq = 3", "receipt"},
    {"UPDATE {schema}receipts SET prev = hash WHERE seq = 3", "receipt 3"},
    {"DELETE FROM {schema}receipts WHERE seq = 2", "receipt 2 is missing"},
    {"DELETE FROM {schema}receipts WHERE seq = 4", "receipt 4 is missing"},
    {"DELETE FROM {schema}receipts WHERE seq >= 4", "receipt 4 is missing"},
    {"UPDATE {schema}receipts SET hash = prev WHERE seq = 2", "receipt"},
    {"UPDATE {schema}receipts SET prev = hash WHERE seq = 4", "receipt 4"},
    {"UPDATE {schema}heads SET seq = 3 WHERE name = 'receipts'", "the head of receipts"},
};

static void every_change_around_a_receipt_is_named(void **state)
{
    struct fixture *f = *state;
    struct ls_run run;

    add_receipts(f, 5);
    keep(f);
    assert_ok(f, ls_state_run_find(f->state, "3", &f->mem, &run, &f->err));
    for (size_t i = 0; i < sizeof receipt_damage / sizeof receipt_damage[0]; i++) {
        const char *json = NULL;
        uint64_t count = 0;
        enum ls_code rc;

        behind(f, receipt_damage[i].sql);
        rc = ls_state_receipt_get(f->state, run.id, &f->mem, &json, &f->err);
        if (rc == LS_OK || (rc != LS_CORRUPT && rc != LS_NOT_FOUND)) {
            print_error("get: %s: %s\n", receipt_damage[i].sql, f->err.text);
            fail();
        }
        rc = ls_state_audit_verify(f->state, &count, &f->err);
        if (rc != LS_CORRUPT || !strstr(f->err.text, receipt_damage[i].said)) {
            print_error("verify: %s: %s\n", receipt_damage[i].sql, f->err.text);
            fail();
        }
        restore(f);
    }
    assert_int_equal(verified(f), 5);
}

/* The checksum that the row of receipt 1 would have at run 2, as the literal of a blob. */
static const char *checksum_at_run_2(struct fixture *f, const struct ls_run *first)
{
    const char *body = ls_arena_printf(&f->mem, "{\"run\":1,\"id\":\"%s\"}", first->id);
    char prev[65], hash[65];
    const char *const texts[] = {first->id, body, prev, hash};
    struct ls_hash128 sum;
    struct ls_sha256 h;
    struct ls_buf row;

    memset(prev, '0', 64);
    prev[64] = '\0';
    ls_sha256_init(&h);
    ls_sha256_add(&h, prev, 64);
    ls_sha256_add(&h, body, strlen(body));
    ls_sha256_hex(&h, hash);
    ls_buf_init(&row, 0);
    ls_buf_u64(&row, 1);
    ls_buf_u64(&row, 2);
    for (size_t i = 0; i < 4; i++)
        ls_buf_bytes(&row, texts[i], strlen(texts[i]));
    sum = ls_hash128(row.data, row.size, 0);
    ls_buf_done(&row);
    return ls_arena_printf(&f->mem, "%s%016" PRIx64 "%016" PRIx64 "'", f->postgres ? "'\\x" : "x'",
                           sum.high, sum.low);
}

/* Checksum and hash are as they should be: somebody put another run's receipt in place of this one's. */
static void a_receipt_does_not_pass_for_another_runs(void **state)
{
    struct fixture *f = *state;
    struct ls_run first, second;
    const char *json = NULL;

    add_receipts(f, 2);
    assert_ok(f, ls_state_run_find(f->state, "1", &f->mem, &first, &f->err));
    assert_ok(f, ls_state_run_find(f->state, "2", &f->mem, &second, &f->err));
    behind(f, "DELETE FROM {schema}receipts WHERE seq = 2");
    behind(f, ls_arena_printf(&f->mem, "UPDATE {schema}receipts SET run = 2, checksum = %s",
                              checksum_at_run_2(f, &first)));
    assert_code(f, LS_CORRUPT, ls_state_receipt_get(f->state, second.id, &f->mem, &json, &f->err));
    assert_said(f, "stands at another run");
    assert_code(f, LS_NOT_FOUND, ls_state_receipt_get(f->state, first.id, &f->mem, &json, &f->err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(the_audit_log_lists_the_newest_first),
        ON_BOTH(the_audit_log_can_be_paged_and_searched),
        ON_BOTH(a_receipt_can_be_checked_with_sha256_alone),
        ON_BOTH(a_run_without_a_receipt_says_so),
        ON_BOTH(a_run_has_one_receipt),
        ON_BOTH(an_entry_that_is_not_text_is_refused),
        ON_BOTH(every_change_to_the_audit_log_is_named),
        ON_BOTH(a_list_shows_nothing_of_what_was_changed),
        ON_BOTH(every_change_around_a_receipt_is_named),
        ON_BOTH(a_receipt_does_not_pass_for_another_runs),
    };

    return cmocka_run_group_tests_name("state/chains", tests, NULL, NULL);
}
