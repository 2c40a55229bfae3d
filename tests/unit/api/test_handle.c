/* SPDX-License-Identifier: Apache-2.0 */
/* test_handle.c - handles: which sync a call is about, brakes by name, cancel, state, and what is recorded. */
#include "api/api.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api_fixture.h"

#define TABLE "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);"

static int teardown(void **state)
{
    (void)state;
    api_done();
    return 0;
}

static void brakes_are_forced_by_name(void **state)
{
    static const struct {
        const char *force;
        unsigned forced;
    } cases[] = {
        {NULL, 0},
        {"", ~0u},
        {"deletes", 1u << LS_BRAKE_DELETES},
        {"changes", 1u << LS_BRAKE_CHANGES},
        {"empty-source", 1u << LS_BRAKE_EMPTY},
        {"config", 1u << LS_BRAKE_CONFIG},
        {"identity", 1u << LS_BRAKE_IDENTITY},
        {"deletes,identity", 1u << LS_BRAKE_DELETES | 1u << LS_BRAKE_IDENTITY},
        {"deletes,", 1u << LS_BRAKE_DELETES},
    };
    static const char *const wrong[] = {"delete", "deletes,x", "DELETES", "deletes changes", ","};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ls_error err = {0};
        unsigned forced = 77;

        assert_int_equal(ls_api_forced(cases[i].force, &forced, &err), LS_OK);
        assert_int_equal(forced, cases[i].forced);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct ls_error err = {0};
        unsigned forced;

        assert_int_equal(ls_api_forced(wrong[i], &forced, &err), LS_USAGE);
        assert_says(err.text, "no such brake", "empty-source", "identity");
    }
}

/* A pair of stores with one record that differs. */
struct pair {
    const char *source, *target;
    struct lockstep_select select;
};

static struct pair two_stores(void)
{
    const char *a = api_sqlite(TABLE "INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    const char *b = api_sqlite(TABLE "INSERT INTO t VALUES (1, 'a'), (2, 'c')");
    struct pair p = {a, b, {0}};

    p.select.source = api_text("%s#t", a);
    p.select.target = api_text("%s#t", b);
    return p;
}

static void a_sync_is_named_or_given_by_two_urls(void **state)
{
    const struct pair p = two_stores();
    struct lockstep *ls =
        api_handle(api_text("syncs:\n  orders: { source: \"%s\", target: \"%s\" }\n",
                            p.select.source, p.select.target));
    const struct lockstep_select named = {.sync = "orders"}, wrong = {.sync = "odrers"},
                                 half = {.source = p.select.source};
    struct lockstep_status status;
    struct lockstep_error error;
    const char *const *names = NULL;

    (void)state;
    assert_int_equal(lockstep_syncs(ls, &names), 1);
    assert_string_equal(names[0], "orders");
    assert_code(lockstep_status(ls, &named, NULL, &status, &error), LOCKSTEP_DIFFERENT, &error);
    assert_string_equal(status.sync, "orders");
    assert_int_equal(status.inconsistent, 1);
    lockstep_status_done(&status);
    assert_code(lockstep_status(ls, &p.select, NULL, &status, &error), LOCKSTEP_DIFFERENT, &error);
    assert_says(status.sync, " -> ", "#t");
    lockstep_status_done(&status);
    assert_code(lockstep_status(ls, &wrong, NULL, &status, &error), LOCKSTEP_USAGE, &error);
    assert_says(error.text, "odrers", "did you mean \"orders\"");
    assert_string_equal(error.name, "usage");
    assert_code(lockstep_status(ls, &half, NULL, &status, &error), LOCKSTEP_USAGE, &error);
    assert_says(error.text, "SOURCE TARGET");
    lockstep_close(ls);
}

static void without_a_configuration_there_are_no_names(void **state)
{
    struct lockstep *ls = api_handle(NULL);
    const struct lockstep_select named = {.sync = "orders"};
    struct lockstep_status status;
    struct lockstep_error error;
    const char *const *names;

    (void)state;
    assert_int_equal(lockstep_syncs(ls, &names), 0);
    assert_code(lockstep_status(ls, &named, NULL, &status, &error), LOCKSTEP_USAGE, &error);
    assert_says(error.text, "orders", "lockstep init");
    lockstep_close(ls);
}

static void variables_in_urls_are_replaced(void **state)
{
    const struct pair p = two_stores();
    struct lockstep *ls = api_handle(NULL);
    const struct lockstep_select select = {.source = "sqlite:${LS_TEST_STORE}#t",
                                           .target = p.select.target};
    struct lockstep_status status;
    struct lockstep_error error;

    (void)state;
    setenv("LS_TEST_STORE", p.source + strlen("sqlite:"), 1);
    assert_code(lockstep_status(ls, &select, NULL, &status, &error), LOCKSTEP_DIFFERENT, &error);
    lockstep_status_done(&status);
    unsetenv("LS_TEST_STORE");
    assert_code(lockstep_status(ls, &select, NULL, &status, &error), LOCKSTEP_USAGE, &error);
    assert_says(error.text, "LS_TEST_STORE");
    lockstep_close(ls);
}

static void looking_makes_no_state(void **state)
{
    const struct pair p = two_stores();
    const char *where = api_sqlite(NULL);
    const struct lockstep_options options = {.state_url = where};
    const struct lockstep_run_options dry = {.dry_run = true};
    struct lockstep *ls = NULL;
    struct lockstep_status status;
    struct lockstep_run **runs = NULL, *run = NULL;
    struct lockstep_error error;
    size_t count = 9;
    uint64_t entries = 9, removed = 9;
    int64_t bytes = 9;

    (void)state;
    assert_code(lockstep_open(&options, &ls, &error), LOCKSTEP_OK, &error);
    assert_code(lockstep_status(ls, &p.select, NULL, &status, &error), LOCKSTEP_DIFFERENT, &error);
    assert_int_equal(status.run, 0);
    lockstep_status_done(&status);
    assert_code(lockstep_sync(ls, &p.select, &dry, &run, &error), LOCKSTEP_DIFFERENT, &error);
    assert_int_equal(run->number, 0);
    assert_int_equal(run->updated, 1);
    lockstep_run_free(run);
    assert_code(lockstep_history(ls, NULL, 0, &count, &runs, &error), LOCKSTEP_OK, &error);
    assert_int_equal(count, 0);
    lockstep_runs_free(runs, count);
    assert_code(lockstep_audit_verify(ls, &entries, &error), LOCKSTEP_OK, &error);
    assert_int_equal(entries, 0);
    assert_code(lockstep_prune(ls, 0, 0, &removed, &bytes, &error), LOCKSTEP_OK, &error);
    assert_int_equal(removed, 0);
    assert_int_equal(bytes, 0);
    assert_int_not_equal(access(where + strlen("sqlite:"), F_OK), 0);
    lockstep_close(ls);
}

static void a_state_cannot_be_a_store(void **state)
{
    const struct pair p = two_stores();
    const char *where = api_sqlite(NULL);
    const struct lockstep_options options = {.state_url = where};
    const struct lockstep_select select = {.source = p.select.source,
                                           .target = api_text("%s#runs", where)};
    struct lockstep *ls = NULL;
    struct lockstep_run *run = NULL;
    struct lockstep_error error;

    (void)state;
    assert_code(lockstep_open(&options, &ls, &error), LOCKSTEP_OK, &error);
    assert_code(lockstep_sync(ls, &p.select, NULL, &run, &error), LOCKSTEP_OK, &error);
    lockstep_run_free(run);
    assert_code(lockstep_sync(ls, &select, NULL, &run, &error), LOCKSTEP_USAGE, &error);
    assert_null(run);
    assert_says(error.text, "lockstep's own state", "--state");
    lockstep_close(ls);
}

/* A cancel that comes between two calls ends the next one, and that one alone. */
static void a_cancel_is_used_up_by_the_call_it_ends(void **state)
{
    const struct pair p = two_stores();
    struct lockstep *ls = api_handle(NULL);
    struct lockstep_run *run = NULL;
    struct lockstep_error error;

    (void)state;
    lockstep_cancel(ls);
    assert_code(lockstep_sync(ls, &p.select, NULL, &run, &error), LOCKSTEP_CANCELLED, &error);
    assert_non_null(run);
    assert_string_equal(run->status, "cancelled");
    assert_string_equal(api_value(p.target, "SELECT v FROM t WHERE id = 2"), "c");
    lockstep_run_free(run);
    assert_code(lockstep_sync(ls, &p.select, NULL, &run, &error), LOCKSTEP_OK, &error);
    assert_int_equal(run->updated, 1);
    lockstep_run_free(run);
    lockstep_close(ls);
}

static bool stop_at_once(void *ctx, const struct lockstep_difference *difference)
{
    (void)difference;
    ++*(int *)ctx;
    return false;
}

static void a_reader_may_end_a_diff(void **state)
{
    const struct pair p = two_stores();
    struct lockstep *ls = api_handle(NULL);
    struct lockstep_status status;
    struct lockstep_error error;
    int seen = 0;

    (void)state;
    api_exec(p.source, "INSERT INTO t VALUES (7, 'x'), (8, 'y')");
    for (int i = 1; i <= 2; i++) {
        assert_code(lockstep_diff(ls, &p.select, NULL, stop_at_once, &seen, &status, &error),
                    LOCKSTEP_CANCELLED, &error);
        assert_int_equal(seen, i);
    }
    lockstep_close(ls);
}

static void verify_names_its_run_and_history_finds_it(void **state)
{
    const struct pair p = two_stores();
    struct lockstep *ls = api_handle(NULL);
    const struct lockstep_select nobody = {.sync = "nobody"};
    struct lockstep_status status;
    struct lockstep_run **runs = NULL;
    struct lockstep_error error;
    char *receipt = NULL;
    size_t count = 0;

    (void)state;
    assert_code(lockstep_verify(ls, &p.select, NULL, &status, &error), LOCKSTEP_DIFFERENT, &error);
    assert_int_equal(status.run, 1);
    lockstep_status_done(&status);
    assert_code(lockstep_receipt(ls, "1", &receipt, &error), LOCKSTEP_OK, &error);
    assert_says(receipt, "\"kind\":\"verify\"", "\"verified\":false", "\"scope\":\"all\"");
    lockstep_free(receipt);
    assert_code(lockstep_history(ls, &p.select, 0, &count, &runs, &error), LOCKSTEP_OK, &error);
    assert_int_equal(count, 1);
    assert_string_equal(runs[0]->kind, "verify");
    lockstep_runs_free(runs, count);
    assert_code(lockstep_history(ls, &nobody, 0, &count, &runs, &error), LOCKSTEP_USAGE, &error);
    assert_says(error.text, "nobody");
    lockstep_close(ls);
}

/* A value that the store itself cannot make has the same code as one that a target refuses. */
static void a_source_that_cannot_be_read_is_no_difference(void **state)
{
    const char *a = api_sqlite("CREATE VIEW t AS SELECT 1 AS id, zeroblob(2000000000) AS v"),
               *b = api_sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)");
    const char *const key[] = {"id"};
    const struct lockstep_select select = {
        .source = api_text("%s#t", a),
        .target = api_text("%s#t", b),
        .key = key,
        .key_count = 1,
    };
    struct lockstep *ls = api_handle(NULL);
    struct lockstep_status status = {.total = 77};
    struct lockstep_plan_info info;
    struct lockstep_run *run = NULL;
    struct lockstep_error error;

    (void)state;
    assert_code(lockstep_status(ls, &select, NULL, &status, &error), LOCKSTEP_FAILED, &error);
    assert_string_equal(error.name, "type");
    assert_int_equal(error.code, LOCKSTEP_FAILED);
    assert_code(lockstep_verify(ls, &select, NULL, &status, &error), LOCKSTEP_FAILED, &error);
    assert_int_equal(status.total, 77);
    assert_code(lockstep_plan(ls, &select, NULL, api_file(""), &info, &error), LOCKSTEP_FAILED,
                &error);
    assert_code(lockstep_sync(ls, &select, NULL, &run, &error), LOCKSTEP_FAILED, &error);
    assert_string_equal(run->status, "failed");
    lockstep_run_free(run);
    lockstep_close(ls);
}

static void a_verify_without_a_receipt_gives_no_status(void **state)
{
    const struct pair p = two_stores();
    const char *where = api_sqlite(NULL);
    struct lockstep *ls = NULL;
    struct lockstep_status status = {.total = 77};
    struct lockstep_error error;

    (void)state;
    assert_int_equal(lockstep_open(&(struct lockstep_options){.state_url = where}, &ls, &error), 0);
    assert_code(lockstep_verify(ls, &p.select, NULL, &status, &error), LOCKSTEP_DIFFERENT, &error);
    lockstep_status_done(&status);
    api_exec(where, "CREATE TRIGGER no_more BEFORE INSERT ON receipts BEGIN SELECT RAISE(ABORT, "
                    "'no more receipts'); END");
    status.total = 77;
    assert_code(lockstep_verify(ls, &p.select, NULL, &status, &error), LOCKSTEP_FAILED, &error);
    assert_says(error.text, "no more receipts");
    assert_int_equal(status.total, 77);
    assert_null(status.sync);
    lockstep_close(ls);
}

static void a_dry_run_tells_what_a_brake_would_say(void **state)
{
    const char *a = api_sqlite(TABLE);
    const char *b =
        api_sqlite(TABLE "WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i "
                         "WHERE x < 30) INSERT INTO t SELECT x, x FROM i");
    const struct lockstep_select select = {.source = api_text("%s#t", a),
                                           .target = api_text("%s#t", b)};
    const struct lockstep_run_options dry = {.dry_run = true},
                                      forced = {.dry_run = true, .force = ""};
    struct lockstep *ls = api_handle(NULL);
    struct lockstep_run *run = NULL;
    struct lockstep_error error;

    (void)state;
    assert_code(lockstep_sync(ls, &select, &dry, &run, &error), LOCKSTEP_DIFFERENT, &error);
    assert_says(run->reason, "the source is empty", "--force=empty-source");
    lockstep_run_free(run);
    assert_code(lockstep_sync(ls, &select, &forced, &run, &error), LOCKSTEP_DIFFERENT, &error);
    assert_string_equal(run->reason, "");
    lockstep_run_free(run);
    lockstep_close(ls);
}

/* Relative paths are recorded as what they meant. */
static void an_undo_finds_its_target_from_another_folder(void **state)
{
    const struct pair p = two_stores();
    struct lockstep *ls = api_handle(NULL);
    char *here = getcwd(NULL, 0), *folder = strdup(p.source + strlen("sqlite:"));
    struct lockstep_select select = {0};
    struct lockstep_run *run = NULL;
    struct lockstep_error error;

    (void)state;
    *strrchr(folder, '/') = '\0';
    assert_int_equal(chdir(folder), 0);
    select.source = api_text("sqlite:.%s#t", strrchr(p.source, '/'));
    select.target = api_text("sqlite:.%s#t", strrchr(p.target, '/'));
    assert_code(lockstep_sync(ls, &select, NULL, &run, &error), LOCKSTEP_OK, &error);
    lockstep_run_free(run);
    assert_int_equal(chdir(here), 0);
    assert_code(lockstep_undo(ls, "1", NULL, NULL, &run, &error), LOCKSTEP_OK, &error);
    assert_int_equal(run->undoes, 1);
    lockstep_run_free(run);
    assert_string_equal(api_value(p.target, "SELECT v FROM t WHERE id = 2"), "c");
    free(here);
    free(folder);
    lockstep_close(ls);
}

static void count_errors(void *ctx, const struct lockstep_finding *f)
{
    if (f->level == 3)
        ++*(int *)ctx;
}

static void checking_nothing_is_a_mistake(void **state)
{
    struct lockstep *ls = api_handle(NULL);
    struct lockstep_error error;
    int errors = 0;

    (void)state;
    assert_code(lockstep_check(ls, NULL, count_errors, &errors, &error), LOCKSTEP_USAGE, &error);
    assert_int_equal(errors, 1);
    assert_says(error.text, "lockstep init");
    lockstep_close(ls);
    ls = api_handle("stores: {}\n");
    assert_code(lockstep_check(ls, NULL, count_errors, &errors, &error), LOCKSTEP_USAGE, &error);
    assert_int_equal(errors, 2);
    assert_says(error.text, "has no syncs");
    lockstep_close(ls);
}

static void check_ends_with_the_worst_of_its_errors(void **state)
{
    const char *strict = api_sqlite(TABLE),
               *wrong = api_sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, "
                                   "w TEXT NOT NULL)");
    struct lockstep *ls = api_handle(
        api_text("syncs:\n  a: { source: \"%s#t\", target: \"%s#t\" }\n"
                 "  b: { source: \"sqlite:%s#t\", target: \"%s#t\" }\n",
                 strict, wrong, api_file("this is no database, however long it may be"), strict));
    struct lockstep_error error;
    int errors = 0;

    (void)state;
    assert_code(lockstep_check(ls, NULL, count_errors, &errors, &error), LOCKSTEP_FAILED, &error);
    assert_int_equal(errors, 2);
    assert_int_equal(error.code, LOCKSTEP_FAILED);
    assert_says(error.text, "not a database");
    lockstep_close(ls);
}

/* Destructors take what was never made. */
static void nothing_can_be_freed(void **state)
{
    struct lockstep_error error;

    (void)state;
    lockstep_close(NULL);
    lockstep_cancel(NULL);
    lockstep_free(NULL);
    lockstep_run_free(NULL);
    lockstep_runs_free(NULL, 0);
    lockstep_status_done(NULL);
    assert_int_equal(lockstep_open(&(struct lockstep_options){.config_path = "no-such.yaml"},
                                   &(struct lockstep *){NULL}, &error),
                     LOCKSTEP_USAGE);
    assert_int_equal(lockstep_open(&(struct lockstep_options){.config_path = "no-such.yaml"},
                                   &(struct lockstep *){NULL}, NULL),
                     LOCKSTEP_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(brakes_are_forced_by_name, teardown),
        cmocka_unit_test_teardown(a_sync_is_named_or_given_by_two_urls, teardown),
        cmocka_unit_test_teardown(without_a_configuration_there_are_no_names, teardown),
        cmocka_unit_test_teardown(variables_in_urls_are_replaced, teardown),
        cmocka_unit_test_teardown(looking_makes_no_state, teardown),
        cmocka_unit_test_teardown(a_state_cannot_be_a_store, teardown),
        cmocka_unit_test_teardown(a_cancel_is_used_up_by_the_call_it_ends, teardown),
        cmocka_unit_test_teardown(a_reader_may_end_a_diff, teardown),
        cmocka_unit_test_teardown(verify_names_its_run_and_history_finds_it, teardown),
        cmocka_unit_test_teardown(a_source_that_cannot_be_read_is_no_difference, teardown),
        cmocka_unit_test_teardown(a_verify_without_a_receipt_gives_no_status, teardown),
        cmocka_unit_test_teardown(a_dry_run_tells_what_a_brake_would_say, teardown),
        cmocka_unit_test_teardown(an_undo_finds_its_target_from_another_folder, teardown),
        cmocka_unit_test_teardown(check_ends_with_the_worst_of_its_errors, teardown),
        cmocka_unit_test_teardown(checking_nothing_is_a_mistake, teardown),
        cmocka_unit_test_teardown(nothing_can_be_freed, teardown),
    };

    return cmocka_run_group_tests_name("api/handle", tests, NULL, NULL);
}
