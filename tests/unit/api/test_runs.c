/* SPDX-License-Identifier: Apache-2.0 */
/* test_runs.c - what is told of a run: its verdict, what undo leaves of it, what the brakes make of it later. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_fixture.h"
#include "lib/testpg.h"
#include "store/store.h"

#define TABLE "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"
#define FIVE TABLE "; INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e')"
/* What stands in the target, in one line. */
#define ALL "SELECT coalesce(group_concat(id || v, ' '), '') FROM (SELECT * FROM t ORDER BY id)"

/* Two tables and a handle. */
struct world {
    const char *source, *target;
    struct lockstep_select select;
    struct lockstep *ls;
    struct lockstep_error error;
};

static struct world *world_of(const char *source, const char *target, const char *settings)
{
    static struct world w;

    w = (struct world){.source = api_sqlite(source), .target = api_sqlite(target)};
    w.select.sync = "s";
    w.ls =
        api_handle(api_text("syncs:\n  s: { source: \"%s#t\", target: \"%s#t\", batch: 2%s%s }\n",
                            w.source, w.target, *settings ? ", " : "", settings));
    return &w;
}

static int teardown(void **state)
{
    (void)state;
    api_done();
    return 0;
}

/* "partial_success 2+ 0~ 1- 1 failed 0 conflicts, verified". */
static const char *told(const struct lockstep_run *run)
{
    return api_text("%s %d+ %d~ %d- %d failed %d conflicts%s", run->status, (int)run->created,
                    (int)run->updated, (int)run->deleted, (int)run->failed, (int)run->conflicts,
                    run->verified ? ", verified" : "");
}

static void end(struct world *w, int code, int wanted, struct lockstep_run *run, const char *text)
{
    assert_code(code, wanted, &w->error);
    assert_non_null(run);
    assert_string_equal(told(run), text);
    lockstep_run_free(run);
}

static void sync(struct world *w, int wanted, const char *text)
{
    struct lockstep_run *run = NULL;
    const int code = lockstep_sync(w->ls, &w->select, NULL, &run, &w->error);

    end(w, code, wanted, run, text);
}

static void undo(struct world *w, const char *which, int wanted, const char *text)
{
    struct lockstep_run *run = NULL;
    const int code = lockstep_undo(w->ls, which, NULL, NULL, &run, &w->error);

    end(w, code, wanted, run, text);
}

static void target_is(const struct world *w, const char *records)
{
    assert_string_equal(api_value(w->target, ALL), records);
}

static void log_says(struct world *w, const char *which, const char *text)
{
    struct lockstep_run *run = NULL;
    char *log = NULL;

    assert_code(lockstep_show(w->ls, which, &run, &log, &w->error), LOCKSTEP_OK, &w->error);
    assert_says(log, text);
    lockstep_run_free(run);
    lockstep_free(log);
}

/* ---- the verdict ---- */

static void a_run_whose_every_record_failed_is_not_verified(void **state)
{
    struct world *w =
        world_of(FIVE, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT CHECK (v > 'x'))", "");

    (void)state;
    sync(w, LOCKSTEP_DIFFERENT, "failed 0+ 0~ 0- 5 failed 0 conflicts");
    log_says(w, "1", "verification: nothing was written");
    lockstep_close(w->ls);
}

static void a_run_of_which_some_records_failed_is_not_verified(void **state)
{
    struct world *w =
        world_of(FIVE, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT CHECK (v <> 'c'))", "");

    (void)state;
    sync(w, LOCKSTEP_DIFFERENT, "partial_success 4+ 0~ 0- 1 failed 0 conflicts");
    log_says(w, "1", "verification: 4 records read back on both sides, all equal");
    sync(w, LOCKSTEP_DIFFERENT, "partial_success 0+ 0~ 0- 1 failed 0 conflicts");
    lockstep_close(w->ls);
}

static void a_run_that_made_all_it_should_is_verified(void **state)
{
    struct world *w = world_of(FIVE, TABLE, "");

    (void)state;
    sync(w, LOCKSTEP_OK, "completed 5+ 0~ 0- 0 failed 0 conflicts, verified");
    sync(w, LOCKSTEP_OK, "completed 0+ 0~ 0- 0 failed 0 conflicts, verified");
    lockstep_close(w->ls);
}

static void what_a_trigger_spoils_is_not_verified(void **state)
{
    struct world *w = world_of(FIVE,
                               TABLE "; CREATE TRIGGER spoil AFTER INSERT ON t WHEN new.id = 3 "
                                     "BEGIN UPDATE t SET v = 'spoilt' WHERE id = 3; END",
                               "cascades: accept");

    (void)state;
    sync(w, LOCKSTEP_DIFFERENT, "completed 5+ 0~ 0- 0 failed 0 conflicts");
    lockstep_close(w->ls);
}

static void a_mark_that_did_not_stay_is_not_verified(void **state)
{
    struct world *w = world_of(
        FIVE,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, gone BOOLEAN); "
        "INSERT INTO t VALUES (1, 'a', 0), (2, 'b', 0), (3, 'c', 0), (4, 'd', 0), (5, 'e', 0), "
        "(6, 'f', 0); CREATE TRIGGER spoil AFTER UPDATE ON t WHEN new.gone "
        "BEGIN UPDATE t SET gone = 0 WHERE id = new.id; END",
        "fields: { id: id, v: v }, deletes: { soft: { gone: 1 } }, cascades: accept");

    (void)state;
    sync(w, LOCKSTEP_DIFFERENT, "completed 0+ 1~ 0- 0 failed 0 conflicts");
    lockstep_close(w->ls);
}

/* ---- undo, and what it leaves ---- */

/* "undone by 2", "undone by 2 in part", "not undone". */
static void history_says(struct world *w, const char *which, const char *text)
{
    struct lockstep_run *run = NULL;

    assert_code(lockstep_show(w->ls, which, &run, NULL, &w->error), LOCKSTEP_OK, &w->error);
    assert_string_equal(run->undone_by ? api_text("undone by %d%s", (int)run->undone_by,
                                                  run->undone_in_part ? " in part" : "")
                                       : "not undone",
                        text);
    lockstep_run_free(run);
}

static void refuses_undo(struct world *w, const char *which, const char *first, const char *then)
{
    struct lockstep_run *run = NULL;

    assert_code(lockstep_undo(w->ls, which, NULL, NULL, &run, &w->error), LOCKSTEP_USAGE,
                &w->error);
    assert_null(run);
    assert_says(w->error.text, first, then);
}

static void an_undo_that_left_a_conflict_can_be_made_again_for_it(void **state)
{
    struct world *w = world_of(FIVE, TABLE, "");

    (void)state;
    sync(w, LOCKSTEP_OK, "completed 5+ 0~ 0- 0 failed 0 conflicts, verified");
    api_exec(w->target, "UPDATE t SET v = 'mine' WHERE id = 3");
    undo(w, "1", LOCKSTEP_DIFFERENT, "partial_success 0+ 0~ 4- 0 failed 1 conflicts");
    target_is(w, "3mine");
    history_says(w, "1", "undone by 2 in part");
    api_exec(w->target, "UPDATE t SET v = 'c' WHERE id = 3");
    undo(w, "1", LOCKSTEP_OK, "completed 0+ 0~ 1- 0 failed 0 conflicts, verified");
    target_is(w, "");
    history_says(w, "1", "undone by 3");
    refuses_undo(w, "1", "run 1 was undone by run 3", "lockstep undo 3, then lockstep undo 2");
    undo(w, "3", LOCKSTEP_OK, "completed 1+ 0~ 0- 0 failed 0 conflicts, verified");
    undo(w, "2", LOCKSTEP_OK, "completed 4+ 0~ 0- 0 failed 0 conflicts, verified");
    target_is(w, "1a 2b 3c 4d 5e");
    lockstep_close(w->ls);
}

/* Also when they are again, or still, what the run left: by a later sync, by hand. */
static void what_was_taken_back_is_not_touched_again(void **state)
{
    struct world *w = world_of(FIVE, TABLE, "");

    (void)state;
    sync(w, LOCKSTEP_OK, "completed 5+ 0~ 0- 0 failed 0 conflicts, verified");
    api_exec(w->target, "UPDATE t SET v = 'mine' WHERE id = 3");
    undo(w, "1", LOCKSTEP_DIFFERENT, "partial_success 0+ 0~ 4- 0 failed 1 conflicts");
    sync(w, LOCKSTEP_OK, "completed 4+ 1~ 0- 0 failed 0 conflicts, verified");
    api_exec(w->target, "UPDATE t SET v = 'other' WHERE id = 5");
    undo(w, "1", LOCKSTEP_OK, "completed 0+ 0~ 1- 0 failed 0 conflicts, verified");
    target_is(w, "1a 2b 4d 5other");
    lockstep_close(w->ls);
}

static void what_an_undo_of_an_undo_brought_again_can_be_taken_back_again(void **state)
{
    struct world *w = world_of(FIVE, TABLE, "");

    (void)state;
    sync(w, LOCKSTEP_OK, "completed 5+ 0~ 0- 0 failed 0 conflicts, verified");
    undo(w, "1", LOCKSTEP_OK, "completed 0+ 0~ 5- 0 failed 0 conflicts, verified");
    undo(w, "2", LOCKSTEP_OK, "completed 5+ 0~ 0- 0 failed 0 conflicts, verified");
    api_exec(w->target, "UPDATE t SET v = 'mine' WHERE id = 3");
    undo(w, "1", LOCKSTEP_DIFFERENT, "partial_success 0+ 0~ 4- 0 failed 1 conflicts");
    api_exec(w->target, "UPDATE t SET v = 'c' WHERE id = 3");
    undo(w, "1", LOCKSTEP_OK, "completed 0+ 0~ 1- 0 failed 0 conflicts, verified");
    target_is(w, "");
    refuses_undo(w, "1", "run 1 was undone by run 5", "lockstep undo 5, then lockstep undo 4");
    lockstep_close(w->ls);
}

/* Somebody may have made by hand what the run had made: a second undo must not take that. */
static void what_was_undone_is_not_undone_a_second_time(void **state)
{
    struct world *w = world_of(FIVE, TABLE "; INSERT INTO t VALUES (3, 'old')", "");

    (void)state;
    sync(w, LOCKSTEP_OK, "completed 4+ 1~ 0- 0 failed 0 conflicts, verified");
    undo(w, "1", LOCKSTEP_OK, "completed 0+ 1~ 4- 0 failed 0 conflicts, verified");
    refuses_undo(w, "1", "run 1 was undone by run 2", "lockstep undo 2");
    target_is(w, "3old");
    api_exec(w->target, "DELETE FROM t; INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    refuses_undo(w, "1", "run 1 was undone by run 2", "lockstep undo 2");
    target_is(w, "1a 2b 3c");
    history_says(w, "1", "undone by 2");
    lockstep_close(w->ls);
}

static void an_undo_that_took_nothing_back_does_not_count(void **state)
{
    struct world *w = world_of(FIVE, TABLE, "");

    (void)state;
    sync(w, LOCKSTEP_OK, "completed 5+ 0~ 0- 0 failed 0 conflicts, verified");
    api_exec(w->target, "UPDATE t SET v = 'mine'");
    undo(w, "1", LOCKSTEP_DIFFERENT, "failed 0+ 0~ 0- 0 failed 5 conflicts");
    history_says(w, "1", "not undone");
    lockstep_close(w->ls);
}

static void no_force_makes_an_undo_go_past_a_conflict(void **state)
{
    struct world *w = world_of(FIVE, TABLE, "");
    const struct lockstep_run_options forced = {.force = ""};
    struct lockstep_run *run = NULL;
    int code;

    (void)state;
    sync(w, LOCKSTEP_OK, "completed 5+ 0~ 0- 0 failed 0 conflicts, verified");
    api_exec(w->target, "UPDATE t SET v = 'mine' WHERE id = 3");
    code = lockstep_undo(w->ls, "1", NULL, &forced, &run, &w->error);
    end(w, code, LOCKSTEP_DIFFERENT, run, "partial_success 0+ 0~ 4- 0 failed 1 conflicts");
    target_is(w, "3mine");
    lockstep_close(w->ls);
}

static void an_undo_elsewhere_is_told_before_its_key_is_looked_for(void **state)
{
    struct world *w = world_of(FIVE, TABLE, "");
    const char *other = api_sqlite("CREATE TABLE u (name TEXT PRIMARY KEY NOT NULL, n INTEGER)");
    const struct lockstep_select select = {.source = api_text("%s#t", w->source),
                                           .target = api_text("%s#u", other)};
    struct lockstep_run *run = NULL;

    (void)state;
    sync(w, LOCKSTEP_OK, "completed 5+ 0~ 0- 0 failed 0 conflicts, verified");
    assert_code(lockstep_undo(w->ls, "1", &select, NULL, &run, &w->error), LOCKSTEP_USAGE,
                &w->error);
    assert_says(w->error.text, "run 1: it changed", "#u is another place");
    lockstep_close(w->ls);
}

/* ---- what the brakes make of earlier runs ---- */

/* A record that the source does not have says nothing about the others. */
static void a_run_of_one_record_does_not_disarm_the_brake_for_an_empty_source(void **state)
{
    struct world *w = world_of(FIVE, TABLE, "");
    const char *const only[] = {"id=5"};
    struct lockstep_run *run = NULL;

    (void)state;
    sync(w, LOCKSTEP_OK, "completed 5+ 0~ 0- 0 failed 0 conflicts, verified");
    api_exec(w->source, "DELETE FROM t WHERE id = 5");
    w->select.only = only;
    w->select.only_count = 1;
    sync(w, LOCKSTEP_OK, "completed 0+ 0~ 1- 0 failed 0 conflicts, verified");
    assert_code(lockstep_show(w->ls, "2", &run, NULL, &w->error), LOCKSTEP_OK, &w->error);
    assert_string_equal(run->mode, "only");
    lockstep_run_free(run);
    w->select.only_count = 0;
    api_exec(w->source, "DELETE FROM t");
    sync(w, LOCKSTEP_BRAKE, "stopped 0+ 0~ 0- 0 failed 0 conflicts");
    assert_says(w->error.text, "the source is empty");
    target_is(w, "1a 2b 3c 4d");
    lockstep_close(w->ls);
}

/* What another lockstep with a state of its own holds while it writes to a PostgreSQL target. */
static void two_states_do_not_write_to_one_target_at_once(void **state)
{
    static const char *const places[] = {"t", "u"}; /* the same table, another one */
    char *database = testpg_database("api_runs");
    const char *source = api_sqlite(FIVE);
    struct lockstep *ls = api_handle(NULL);
    const struct lockstep_select select = {.source = api_text("%s#t", source),
                                           .target = api_text("%s#t", database)};

    (void)state;
    testpg_exec(database, "DROP TABLE IF EXISTS t; CREATE TABLE t (id bigint PRIMARY KEY, v text)");
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        const struct ls_store_options writable = {.writable = true};
        struct ls_store *other = NULL;
        struct lockstep_run *run = NULL;
        struct lockstep_error error;
        struct ls_arena mem;
        struct ls_url url;
        struct ls_error err = {0};
        char *count;

        ls_arena_init(&mem, 0);
        assert_int_equal(ls_url_parse(database, &mem, &url, &err), LS_OK);
        assert_int_equal(ls_store_open(&url, &writable, &other, &err), LS_OK);
        assert_int_equal(ls_store_lock(other, api_text("lockstep public.%s", places[i]), &err),
                         LS_OK);
        assert_code(lockstep_sync(ls, &select, NULL, &run, &error),
                    i == 0 ? LOCKSTEP_FAILED : LOCKSTEP_OK, &error);
        if (i == 0)
            assert_says(error.text, "t");
        count = testpg_value(database, "SELECT count(*) FROM t");
        assert_string_equal(count, i == 0 ? "0" : "5");
        free(count);
        lockstep_run_free(run);
        ls_store_close(other);
        ls_arena_done(&mem);
    }
    lockstep_close(ls);
    free(database);
}

/* Two folders, one state, one name. */
static void a_sync_of_the_same_name_elsewhere_trips_no_brake(void **state)
{
    struct world *w = world_of(FIVE, TABLE, ""), other = *w;
    const char *where = api_sqlite(NULL);
    const char *source = api_sqlite("CREATE TABLE t (k TEXT PRIMARY KEY NOT NULL, n INTEGER); "
                                    "INSERT INTO t VALUES ('a', 1)");
    const char *target = api_sqlite("CREATE TABLE t (k TEXT PRIMARY KEY NOT NULL, n INTEGER)");
    struct lockstep_options options = {.state_url = where, .actor = "test"};

    (void)state;
    lockstep_close(w->ls);
    options.config_path = api_file(
        api_text("syncs:\n  s: { source: \"%s#t\", target: \"%s#t\" }\n", w->source, w->target));
    assert_code(lockstep_open(&options, &w->ls, &w->error), LOCKSTEP_OK, &w->error);
    options.config_path =
        api_file(api_text("syncs:\n  s: { source: \"%s#t\", target: \"%s#t\" }\n", source, target));
    assert_code(lockstep_open(&options, &other.ls, &w->error), LOCKSTEP_OK, &w->error);
    sync(w, LOCKSTEP_OK, "completed 5+ 0~ 0- 0 failed 0 conflicts, verified");
    sync(&other, LOCKSTEP_OK, "completed 1+ 0~ 0- 0 failed 0 conflicts, verified");
    api_exec(w->target, "DELETE FROM t WHERE id = 1");
    sync(w, LOCKSTEP_OK, "completed 1+ 0~ 0- 0 failed 0 conflicts, verified");
    lockstep_close(w->ls);
    lockstep_close(other.ls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_run_whose_every_record_failed_is_not_verified, teardown),
        cmocka_unit_test_teardown(a_run_of_which_some_records_failed_is_not_verified, teardown),
        cmocka_unit_test_teardown(a_run_that_made_all_it_should_is_verified, teardown),
        cmocka_unit_test_teardown(what_a_trigger_spoils_is_not_verified, teardown),
        cmocka_unit_test_teardown(a_mark_that_did_not_stay_is_not_verified, teardown),
        cmocka_unit_test_teardown(an_undo_that_left_a_conflict_can_be_made_again_for_it, teardown),
        cmocka_unit_test_teardown(what_was_taken_back_is_not_touched_again, teardown),
        cmocka_unit_test_teardown(what_an_undo_of_an_undo_brought_again_can_be_taken_back_again,
                                  teardown),
        cmocka_unit_test_teardown(what_was_undone_is_not_undone_a_second_time, teardown),
        cmocka_unit_test_teardown(an_undo_that_took_nothing_back_does_not_count, teardown),
        cmocka_unit_test_teardown(no_force_makes_an_undo_go_past_a_conflict, teardown),
        cmocka_unit_test_teardown(an_undo_elsewhere_is_told_before_its_key_is_looked_for, teardown),
        cmocka_unit_test_teardown(a_run_of_one_record_does_not_disarm_the_brake_for_an_empty_source,
                                  teardown),
        cmocka_unit_test_teardown(two_states_do_not_write_to_one_target_at_once, teardown),
        cmocka_unit_test_teardown(a_sync_of_the_same_name_elsewhere_trips_no_brake, teardown),
    };

    return cmocka_run_group_tests_name("api/runs", tests, NULL, NULL);
}
