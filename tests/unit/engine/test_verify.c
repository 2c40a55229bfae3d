/* SPDX-License-Identifier: Apache-2.0 */
/* test_verify.c - reading back what a run wrote, and what an undo put back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/touched.h"
#include "lib/testdir.h"
#include "runs.h"
#include "tables.h"

static int done(void **state)
{
    (void)state;
    fixture_done();
    return 0;
}

static const struct ls_compare_options quick = {.no_recheck = true};

static struct ls_touched *touch(struct ls_job *job, int64_t first, int64_t count)
{
    struct ls_touched *touched = NULL;
    struct ls_error err = {0};

    assert_ok(ls_touched_open(job, &touched, &err), &err);
    for (int64_t id = first; id < first + count; id++) {
        const struct ls_value key = ls_value_int(id);

        assert_ok(ls_touched_add(touched, &key, &err), &err);
    }
    return touched;
}

static enum ls_code count_calls(void *ctx, const struct ls_difference *d, struct ls_error *err)
{
    (void)d;
    (void)err;
    ++*(unsigned *)ctx;
    return LS_OK;
}

/* The keys 10..19 were touched; 1 and 2 differ as well, but nobody wrote them. */
static void only_what_was_written_is_read_back(void **state)
{
    const char *a = table_in(fixture_memory(), "t", "id:int* n:int\n1|1\n10|1\n11|1\n12|1\n14|1\n");
    const char *b = table_in(fixture_sqlite(), "t", "id:int* n:int\n2|1\n10|1\n11|9\n13|1\n14|1\n");
    struct ls_job *job = fixture_job(a, b, NULL);
    struct ls_touched *touched = touch(job, 10, 10);
    struct ls_compare_result got;
    struct ls_error err = {0};
    const char *scope = NULL;
    unsigned calls = 0;

    (void)state;
    assert_ok(ls_verify(job, touched, false, &quick, NULL, count_calls, &calls, &got, &scope, &err),
              &err);
    assert_string_equal(scope, "touched");
    assert_string_equal(got.path, "keys");
    assert_int_equal(got.count[LS_IN_SYNC], 2);
    assert_int_equal(got.count[LS_INCONSISTENT], 1);
    assert_int_equal(got.count[LS_SOURCE_ONLY], 1);
    assert_int_equal(got.count[LS_TARGET_ONLY], 1);
    assert_int_equal(got.total, 5); /* of ten keys five are on neither side */
    assert_int_equal(calls, 3);
    assert_ok(ls_verify(job, touched, true, &quick, NULL, NULL, NULL, &got, &scope, &err), &err);
    assert_string_equal(scope, "all");
    assert_int_equal(got.total, 7);
    assert_int_equal(got.count[LS_IN_SYNC], 2);
    assert_ok(ls_verify(job, NULL, false, &quick, NULL, NULL, NULL, &got, &scope, &err), &err);
    assert_string_equal(scope, "all");
    ls_touched_close(touched);
    ls_job_close(job);
}

static void nothing_touched_is_nothing_to_read(void **state)
{
    const char *a = table_in(fixture_memory(), "t", "id:int* n:int\n1|1\n");
    const char *b = table_in(fixture_memory(), "t", "id:int* n:int\n");
    struct ls_job *job = fixture_job(a, b, NULL);
    struct ls_touched *touched = touch(job, 0, 0);
    struct ls_compare_result got;
    struct ls_error err = {0};
    const char *scope = NULL;

    (void)state;
    assert_ok(ls_verify(job, touched, false, &quick, NULL, NULL, NULL, &got, &scope, &err), &err);
    assert_int_equal(got.total, 0);
    assert_non_null(got.path); /* a receipt says how */
    ls_touched_close(touched);
    ls_job_close(job);
}

/* Digests of pieces add up: the same seeds all the way, and the same sums as in one piece. */
static void pieces_add_up_to_the_whole(void **state)
{
    enum { ROWS = 2345 };
    const char *a = table_in(fixture_memory(), "t", "id:int* n:int\n");
    const char *b = table_in(fixture_memory(), "t", "id:int* n:int\n");
    const struct ls_compare_options seeded = {
        .no_recheck = true, .force_merge = true, .seeds = {77, 99}};
    struct ls_value records[ROWS * 2];
    char *store[2] = {strndup(a, strcspn(a, "#")), strndup(b, strcspn(b, "#"))};
    struct ls_compare_result pieces, whole;
    struct ls_error err = {0};
    const char *scope = NULL;
    struct ls_touched *touched;
    struct ls_job *job;

    (void)state;
    for (int64_t i = 0; i < ROWS; i++)
        records[i * 2] = records[i * 2 + 1] = ls_value_int(i);
    for (int i = 0; i < 2; i++) {
        fixture_insert(store[i], "t", ROWS, records);
        free(store[i]);
    }
    job = fixture_job(a, b, NULL);
    touched = touch(job, 0, ROWS);
    assert_ok(ls_verify(job, touched, false, &seeded, NULL, NULL, NULL, &pieces, &scope, &err),
              &err);
    assert_ok(ls_verify(job, touched, true, &seeded, NULL, NULL, NULL, &whole, &scope, &err), &err);
    assert_int_equal(pieces.total, ROWS);
    assert_int_equal(pieces.count[LS_IN_SYNC], ROWS);
    assert_int_equal(pieces.source_count, ROWS);
    assert_int_equal(pieces.seeds[0], 77);
    assert_int_equal(pieces.seeds[1], 99);
    assert_true(pieces.source_digest == whole.source_digest);
    assert_true(pieces.target_digest == whole.target_digest);
    assert_true(pieces.source_digest == pieces.target_digest);
    ls_touched_close(touched);
    ls_job_close(job);
}

/* Keys of different types cannot be asked for by key on both sides: then all is read. */
static void where_records_cannot_be_asked_for_all_are_read(void **state)
{
    const char *a = table_in(fixture_memory(), "t", "id:text* n:int\n1|1\n2|2\n");
    const char *b = table_in(fixture_memory(), "t", "id:int* n:int\n1|1\n");
    struct ls_job *job = fixture_job(a, b, NULL);
    struct ls_touched *touched = touch(job, 1, 1);
    struct ls_compare_result got;
    struct ls_error err = {0};
    const char *scope = NULL;

    (void)state;
    assert_ok(ls_verify(job, touched, false, &quick, NULL, NULL, NULL, &got, &scope, &err), &err);
    assert_string_equal(scope, "all");
    assert_int_equal(got.total, 2);
    ls_touched_close(touched);
    ls_job_close(job);
}

/* ---- after undo ---- */

static void check_undo(struct ls_job *job, struct fake_journal *j, uint64_t checked,
                       uint64_t different)
{
    struct ls_journal_source source = fake_journal_source(j);
    uint64_t got_checked = 0, got_different = 0;
    struct ls_error err = {0};

    assert_ok(ls_verify_undo(job, &source, NULL, NULL, &got_checked, &got_different, &err), &err);
    assert_int_equal(got_checked, checked);
    assert_int_equal(got_different, different);
}

static void after_undo_each_record_is_held_against_its_before_image(void **state)
{
    const char *a = table_in(fixture_memory(), "t", "id:int* n:int\n1|1\n2|2\n3|3\n");
    const char *b = runs_table(
        "sqlite", "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, n INTEGER, note TEXT);"
                  "INSERT INTO t VALUES (2,0,'x'),(3,3,'y'),(4,4,'z')");
    struct ls_job *job = fixture_job(a, b, NULL);
    struct fake_journal *j = fake_journal_new();

    (void)state;
    run_free(runs_sync(job, &(struct run_options){.journal = &j->journal}));
    check_undo(job, j, 3, 3); /* nothing is put back yet */
    runs_sql(b, "DELETE FROM t WHERE id = 1");
    check_undo(job, j, 3, 2);
    runs_sql(b, "UPDATE t SET n = 0 WHERE id = 2");
    check_undo(job, j, 3, 1);
    runs_sql(b, "INSERT INTO t VALUES (4,4,'other')");
    check_undo(job, j, 3, 1); /* not the same record */
    runs_sql(b, "UPDATE t SET note = 'z' WHERE id = 4");
    check_undo(job, j, 3, 0);
    runs_sql(b, "UPDATE t SET note = NULL WHERE id = 2");
    check_undo(job, j, 3, 1); /* a field that the sync does not know */
    fake_journal_free(j);
    ls_job_close(job);
}

/* A file is no store to fetch from; it is read in a transaction, which must leave nothing behind. */
static void a_file_is_checked_without_touching_it(void **state)
{
    static const char *const key[] = {"id", NULL};
    static const char text[] = "id,n\n2,0\n9,9\n";
    const struct ls_sync_config more = {.key_count = 1, .key = key};
    const char *a = table_in(fixture_memory(), "t", "id:text* n:text\n1|1\n2|2\n");
    char *path = testdir_file("checked.csv", text, strlen(text)), *url = NULL;
    struct fake_journal *j = fake_journal_new();
    struct ls_job *job;
    char *before, *after;

    (void)state;
    assert_true(asprintf(&url, "file:%s", path) > 0);
    job = fixture_job(a, url, &more);
    run_free(runs_sync(job, &(struct run_options){.journal = &j->journal}));
    before = runs_dump(url);
    check_undo(job, j, 3, 3);
    after = runs_dump(url);
    assert_string_equal(before, after);
    run_free(runs_undo(url, key, j, NULL));
    check_undo(job, j, 3, 0);
    free(before);
    free(after);
    free(path);
    free(url);
    fake_journal_free(j);
    ls_job_close(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(only_what_was_written_is_read_back, done),
        cmocka_unit_test_teardown(nothing_touched_is_nothing_to_read, done),
        cmocka_unit_test_teardown(pieces_add_up_to_the_whole, done),
        cmocka_unit_test_teardown(where_records_cannot_be_asked_for_all_are_read, done),
        cmocka_unit_test_teardown(after_undo_each_record_is_held_against_its_before_image, done),
        cmocka_unit_test_teardown(a_file_is_checked_without_touching_it, done),
    };

    return cmocka_run_group_tests_name("engine/verify", tests, NULL, NULL);
}
