/* SPDX-License-Identifier: Apache-2.0 */
/* test_apply.c - a plan is carried out: the plain way, records that are not what the plan saw, one transaction, files, soft deletes. */
#include "apply_help.h"

#include "lib/testdir.h"

/* ---- the plain way ---- */

/* An insert has no before-image, however large its record is. */
static void a_first_copy_journals_keys_and_hashes_alone(void **state)
{
    char long_text[2001];
    struct ls_value records[200][2];
    const struct ls_field fields[] = {fixture_field("id", LS_T_INT), fixture_field("v", LS_T_TEXT)};
    const size_t key[] = {0};
    const char *a = fixture_memory(), *b = in_sqlite("id:int* v:text\n");
    struct fake_journal *j = fake_journal_new();
    struct ls_job *job;
    struct run *run;
    size_t bytes = 0;

    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    for (size_t i = 0; i < COUNT_OF(records); i++) {
        records[i][0] = ls_value_int((int64_t)i);
        records[i][1] = ls_value_text(long_text);
    }
    fixture_create(a, "t", 2, fields, 1, key);
    fixture_insert(a, "t", COUNT_OF(records), records[0]);
    job = job_of(fixture_url(a, "t"), b, 0);
    run = runs_sync(job, &(struct run_options){.journal = &j->journal});
    assert_run(run, "200 created, 0 updated, 0 deleted, 0 failed, 0 conflicts");
    for (size_t i = 0; i < j->count; i++)
        for (size_t k = 0; k < j->batches[i].blob_count; k++)
            bytes += j->batches[i].blobs[k].size;
    assert_in_range(bytes, 200 * (16 + 1), 200 * 64); /* a hash has 16 bytes, a record 2,000 */
    run_free(run);
    fake_journal_free(j);
    ls_job_close(job);
}

static void a_plan_makes_the_target_match(void **state)
{
    const char *a = in_memory("id:int* name:text\n1|one\n2|two\n3|three\n");
    const char *b = in_sqlite("id:int* name:text note:text\n2|zwei|x\n3|three|y\n4|four|z\n");
    struct ls_job *job = job_of(a, b, 0);
    struct run *run = runs_sync(job, NULL);

    (void)state;
    assert_run(run, "1 created, 1 updated, 1 deleted, 0 failed, 0 conflicts");
    assert_int_equal(run->verified_different, 0);
    assert_int_equal(run->result.batches, 1);
    assert_dump(b, "1 integer, 'one' text, NULL null, \n2 integer, 'two' text, 'x' text, \n"
                   "3 integer, 'three' text, 'y' text, \n");
    assert_sync_is(job, 0);
    run_free(run);
    ls_job_close(job);
}

static void nothing_is_committed_before_the_journal_is_durable(void **state)
{
    const char *a = in_memory("id:int* n:int\n1|1\n2|2\n3|3\n");
    const char *b = in_sqlite("id:int* n:int\n");
    struct ls_job *job = job_of(a, b, 2);
    struct fake_journal *j = fake_journal_new();
    struct shim shim = {.log = &j->log};
    struct run *run = runs_sync(
        job, &(struct run_options){.journal = &j->journal, .prepare = runs_shim, .ctx = &shim});

    (void)state;
    assert_run(run, "3 created, 0 updated, 0 deleted, 0 failed, 0 conflicts");
    assert_string_equal(ls_buf_str(&j->log), "BEGIN open WRITE add sync COMMIT close+ "
                                             "BEGIN open WRITE add sync COMMIT close+ ");
    run_free(run);
    fake_journal_free(j);
    ls_job_close(job);
}

static void a_batch_in_which_nothing_was_to_be_written_is_not_committed(void **state)
{
    const char *a = in_memory("id:int* n:int\n1|1\n");
    const char *b = in_sqlite("id:int* n:int\n");
    struct ls_job *job = job_of(a, b, 0);
    struct fake_journal *j = fake_journal_new();
    struct ls_compare_result compared;
    struct ls_plan *plan = NULL;
    struct ls_error err = {0};
    struct run *run;

    (void)state;
    assert_ok(ls_plan_make(job, NULL, NULL, &plan, &compared, &err), &err);
    run_free(runs_sync(job, NULL));
    run = runs_apply(job, plan, &(struct run_options){.journal = &j->journal}); /* once more */
    assert_run(run, "0 created, 0 updated, 0 deleted, 0 failed, 0 conflicts");
    assert_int_equal(run->result.batches, 0);
    assert_string_equal(ls_buf_str(&j->log), "open close- ");
    run_free(run);
    fake_journal_free(j);
    ls_job_close(job);
}

/* ---- records that are not what the plan saw ---- */

static struct ls_plan *plan_of(struct ls_job *job)
{
    const struct ls_compare_options options = {.no_recheck = true};
    struct ls_compare_result compared;
    struct ls_plan *plan = NULL;
    struct ls_error err = {0};

    assert_ok(ls_plan_make(job, &options, NULL, &plan, &compared, &err), &err);
    return plan;
}

static void records_that_changed_since_the_plan_are_left_alone(void **state)
{
    const char *a = in_memory("id:int* n:int\n1|1\n2|2\n3|3\n4|4\n5|5\n6|6\n");
    const char *b = runs_table(
        "sqlite", "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, n INTEGER, note TEXT);"
                  "INSERT INTO t VALUES (2,0,''),(3,0,''),(4,0,''),(7,0,''),(8,0,''),(9,0,'')");
    struct ls_job *job = job_of(a, b, 0);
    struct ls_plan *plan = plan_of(job);
    struct run *run;

    (void)state;
    runs_sql(b,
             "INSERT INTO t VALUES (1,11,'came');"      /* to be inserted, and another is there */
             "UPDATE t SET n = 22 WHERE id = 2;"        /* to be updated, changed */
             "DELETE FROM t WHERE id = 3;"              /* to be updated, gone */
             "UPDATE t SET note = 'mine' WHERE id = 4;" /* changed where the sync does not look */
             "UPDATE t SET n = 77 WHERE id = 7;"        /* to be deleted, changed */
             "DELETE FROM t WHERE id = 8");             /* to be deleted, gone: nothing to do */
    run = runs_apply(job, plan, NULL);
    assert_run(run, "2 created, 1 updated, 1 deleted, 0 failed, 4 conflicts");
    assert_string_equal(
        ls_buf_str(&run->failures),
        "{\"id\":\"1\"} conflict: a record with this key has come since it was compared, or "
        "target_where leaves it out; it was left alone\n"
        "{\"id\":\"2\"} conflict: the record changed since it was compared, and was left alone\n"
        "{\"id\":\"3\"} conflict: the record is gone since it was compared\n"
        "{\"id\":\"7\"} conflict: the record changed since it was compared, and was left alone\n");
    assert_dump(b, "1 integer, 11 integer, 'came' text, \n2 integer, 22 integer, '' text, \n"
                   "4 integer, 4 integer, 'mine' text, \n5 integer, 5 integer, NULL null, \n"
                   "6 integer, 6 integer, NULL null, \n7 integer, 77 integer, '' text, \n");
    run_free(run);
    ls_job_close(job);
}

static size_t line_count(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* New records are written without looking first, where the target keeps their key unique; where it does not, or only at the
 * commit, they are looked at. */
static void a_record_that_came_since_is_never_written_over(void **state)
{
    static const struct {
        const char *kind, *ddl;
    } targets[] = {
        {"sqlite", "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, n bigint);"},
        {"sqlite", "CREATE TABLE t(id bigint NOT NULL, n bigint);"},
        {"postgres", "CREATE TABLE t(id bigint PRIMARY KEY, n bigint)"},
        {"postgres", "CREATE TABLE t(id bigint NOT NULL, n bigint)"},
        {"postgres",
         "CREATE TABLE t(id bigint PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, n bigint)"},
    };
    static const char *const key[] = {"id"};
    const struct ls_sync_config more = {.key_count = 1, .key = key};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        const char *a = in_memory("id:int* n:int\n1|1\n2|2\n3|3\n4|4\n5|5\n6|6\n");
        const char *b = runs_table(targets[i].kind, targets[i].ddl);
        struct ls_job *job = fixture_job(a, b, &more);
        struct ls_plan *plan = plan_of(job);
        struct fake_journal *j = fake_journal_new();
        struct run *run;
        char *left;

        runs_sql(b, "INSERT INTO t VALUES (2,22),(5,5)"); /* another one, and the very same */
        run = runs_apply(job, plan, &(struct run_options){.journal = &j->journal});
        assert_run(run, "4 created, 0 updated, 0 deleted, 0 failed, 1 conflicts");
        assert_non_null(strstr(ls_buf_str(&run->failures), "{\"id\":\"2\"} conflict: "));
        left = runs_dump(b);
        assert_non_null(strstr(left, "22"));
        assert_int_equal(line_count(left), 6);
        free(left);
        run_free(run);
        fake_journal_free(j);
        ls_job_close(job);
    }
}

static void a_run_that_is_repeated_finds_its_work_done(void **state)
{
    const char *a = in_memory("id:int* n:int\n1|1\n2|2\n3|3\n");
    const char *b = in_sqlite("id:int* n:int\n2|0\n9|9\n");
    struct ls_job *job = job_of(a, b, 0);
    struct ls_plan *first = plan_of(job), *second = plan_of(job);
    struct run *run = runs_apply(job, first, NULL);

    (void)state;
    assert_run(run, "2 created, 1 updated, 1 deleted, 0 failed, 0 conflicts");
    run_free(run);
    run = runs_apply(job, second, NULL);
    assert_run(run, "0 created, 0 updated, 0 deleted, 0 failed, 0 conflicts");
    run_free(run);
    ls_job_close(job);
}

/* A column without a type holds what it is given; the text '\x61' must not be looked for as the byte 0x61. */
static void a_key_of_the_target_is_asked_for_as_the_target_has_it(void **state)
{
    static const char ddl[] =
        "CREATE TABLE t(id BLOB PRIMARY KEY NOT NULL, n INTEGER) WITHOUT ROWID;";
    char sql[300];
    const char *a, *b;

    (void)state;
    snprintf(sql, sizeof sql, "%sINSERT INTO t VALUES ('\\x61',1),(2,2),(x'03',3)", ddl);
    a = runs_table("sqlite", sql);
    snprintf(sql, sizeof sql, "%sINSERT INTO t VALUES ('\\x61',0),(2,0),('\\x62',0),(4,0),(5.5,0)",
             ddl);
    b = runs_table("sqlite", sql);
    sync_expecting(a, b, 0, "1 created, 2 updated, 3 deleted, 0 failed, 0 conflicts", 0);
}

/* ---- one transaction ---- */

static void an_atomic_run_changes_all_or_nothing(void **state)
{
    const struct ls_sync_config more = {.atomic = true, .batch_rows = 1};

    (void)state;
    for (size_t d = 0; d < COUNT_OF(databases); d++) {
        /* 1 and 3 change places across batches, which must not be taken for the reason; 2 is refused */
        const char *a = in_memory("id:int* code:text n:int\n1|a|1\n2|b|200\n3|c|3\n");
        const char *b =
            runs_table(databases[d], CHECKED "INSERT INTO t VALUES (1,'c',1),(2,'b',2),(3,'a',3)");
        char *before = runs_dump(b);
        struct ls_job *job = fixture_job(a, b, &more);
        struct fake_journal *j = fake_journal_new();
        struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

        assert_int_equal(run->rc, LS_CONSTRAINT);
        assert_non_null(strstr(run->err.text, "atomic"));
        assert_null(strstr(run->err.text, "code"));
        assert_int_equal(run->result.updated, 0);
        assert_int_equal(run->result.failed, 1);
        assert_int_equal(run->result.batches, 0);
        assert_dump(b, before);
        assert_int_equal(j->count, 1);
        assert_int_equal(j->batches[0].state, FAKE_ABORTED);
        run_free(run);
        fake_journal_free(j);
        ls_job_close(job);
        free(before);
    }
}

static void an_atomic_run_is_one_batch(void **state)
{
    const struct ls_sync_config more = {.atomic = true, .batch_rows = 1};
    const char *a = in_memory("id:int* code:text n:int\n1|a|1\n2|b|2\n3|c|3\n");
    const char *b = runs_table("sqlite", CHECKED
                               "INSERT INTO t VALUES (1,'c',1),(2,'x',2),(3,'a',3),(4,'d',4)");
    char *before = runs_dump(b);
    struct ls_job *job = fixture_job(a, b, &more);
    struct fake_journal *j = fake_journal_new();
    struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

    (void)state;
    assert_run(run, "0 created, 3 updated, 1 deleted, 0 failed, 0 conflicts");
    assert_int_equal(run->result.batches, 1);
    assert_int_equal(j->count, 1);
    assert_sync_is(job, 0);
    run_free(run);
    run_free(runs_undo(b, NULL, j, NULL));
    assert_dump(b, before);
    free(before);
    fake_journal_free(j);
    ls_job_close(job);
}

static void an_atomic_run_does_not_bear_a_conflict(void **state)
{
    const struct ls_sync_config more = {.atomic = true};
    const char *a = in_memory("id:int* n:int\n1|1\n2|2\n");
    const char *b = in_sqlite("id:int* n:int\n1|0\n");
    struct ls_job *job = fixture_job(a, b, &more);
    struct ls_plan *plan = plan_of(job);
    struct run *run;

    (void)state;
    runs_sql(b, "UPDATE t SET n = 7");
    run = runs_apply(job, plan, NULL);
    assert_int_equal(run->rc, LS_CONFLICT);
    assert_int_equal(run->result.conflicts, 1);
    assert_dump(b, "1 integer, 7 integer, \n");
    run_free(run);
    ls_job_close(job);
}

static void a_commit_that_refuses_an_atomic_run_says_that_nothing_changed(void **state)
{
    const struct ls_sync_config more = {.atomic = true};
    const char *a = in_memory("id:int* code:int\n1|2\n2|77\n");
    const char *b = runs_table("postgres", "CREATE TABLE t(id bigint PRIMARY KEY, code bigint "
                                           "REFERENCES t DEFERRABLE INITIALLY DEFERRED)");
    struct ls_job *job = fixture_job(a, b, &more);
    struct fake_journal *j = fake_journal_new();
    struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

    (void)state;
    assert_error(run->rc, &run->err, LS_CONSTRAINT, "nothing was changed");
    assert_int_equal(j->batches[0].state, FAKE_ABORTED);
    assert_dump(b, "");
    run_free(run);
    fake_journal_free(j);
    ls_job_close(job);
}

/* ---- files ---- */

/* A CSV file in the test's folder; the URL is to be freed. */
static char *in_csv(const char *name, const char *text)
{
    char *path = testdir_file(name, text, strlen(text)), *url;

    assert_true(asprintf(&url, "file:%s", path) > 0);
    free(path);
    return url;
}

static void a_file_is_written_in_one_go(void **state)
{
    const struct ls_sync_config more = {
        .batch_rows = 1, .key_count = 1, .key = (const char *const[]){"id", NULL}};
    const char *a = in_memory("id:text* n:text\n1|1\n2|2\n3|3\n");
    char *b = in_csv("target.csv", "id,n,note\n2,0,x\n9,9,y\n");
    char *before = runs_dump(b);
    struct ls_job *job = fixture_job(a, b, &more);
    struct fake_journal *j = fake_journal_new();
    struct shim shim = {.log = &j->log};
    struct run *run = runs_sync(
        job, &(struct run_options){.journal = &j->journal, .prepare = runs_shim, .ctx = &shim});

    (void)state;
    assert_run(run, "2 created, 1 updated, 1 deleted, 0 failed, 0 conflicts");
    assert_int_equal(run->verified_different, 0);
    assert_int_equal(shim.commits, 1);
    assert_int_equal(j->count, 1);
    assert_sync_is(job, 0);
    run_free(run);
    run = runs_undo(b, more.key, j, NULL);
    assert_run(run, "1 created, 1 updated, 2 deleted, 0 failed, 0 conflicts");
    assert_int_equal(run->verified_different, 0);
    assert_dump(b, before);
    run_free(run);
    free(before);
    fake_journal_free(j);
    ls_job_close(job);
    free(b);
}

/* ---- soft deletes ---- */

static void soft_deletes_mark_what_the_source_no_longer_has(void **state)
{
    static const struct {
        const char *ddl, *source, *rows;
        struct ls_field_config soft;
        const char *counts, *left;
    } cases[] = {
        {"n INTEGER, gone BOOLEAN NOT NULL",
         "id:int* n:int\n1|1\n",
         "(1,1,0),(2,2,0),(3,3,1)",
         {"gone", "true"},
         "0 created, 1 updated, 0 deleted, 0 failed, 0 conflicts",
         "1 integer, 1 integer, 0 integer, \n2 integer, 2 integer, 1 integer, \n"
         "3 integer, 3 integer, 1 integer, \n"},
        {"n INTEGER, status TEXT",
         "id:int* n:int status:text\n1|1|active\n",
         "(1,1,'active'),(2,2,'active'),(3,3,'deleted')",
         {"status", "'deleted'"},
         "0 created, 1 updated, 0 deleted, 0 failed, 0 conflicts",
         "1 integer, 1 integer, 'active' text, \n2 integer, 2 integer, 'deleted' text, \n"
         "3 integer, 3 integer, 'deleted' text, \n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct ls_sync_config more = {
            .deletes = LS_DELETES_SOFT, .soft_count = 1, .soft = &cases[i].soft};
        char sql[400];
        const char *b;
        struct ls_job *job;
        struct run *run;

        snprintf(sql, sizeof sql,
                 "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, %s); INSERT INTO t VALUES %s",
                 cases[i].ddl, cases[i].rows);
        b = runs_table("sqlite", sql);
        job = fixture_job(in_memory(cases[i].source), b, &more);
        run = runs_sync(job, NULL);
        assert_run(run, cases[i].counts);
        assert_dump(b, cases[i].left);
        assert_sync_is(job, 0);
        run_free(run);
        run = runs_sync(job, NULL); /* marked is marked */
        assert_run(run, "0 created, 0 updated, 0 deleted, 0 failed, 0 conflicts");
        run_free(run);
        ls_job_close(job);
    }
}

static void a_time_of_deletion_is_set_once_and_goes_when_the_record_comes_back(void **state)
{
    static const struct ls_field_config soft = {"gone", "now"};
    const struct ls_sync_config more = {
        .deletes = LS_DELETES_SOFT, .soft_count = 1, .soft = &soft, .target = {.zone = "UTC"}};
    const char *b = runs_table(
        "sqlite", "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, n INTEGER, gone TIMESTAMP);"
                  "INSERT INTO t VALUES (1,1,NULL),(2,2,NULL),"
                  "(3,3,'2001-02-03 04:05:06'),(4,4,'2001-02-03 04:05:06')");
    struct ls_job *job = fixture_job(in_memory("id:int* n:int\n1|1\n3|3\n"), b, &more);
    struct run *run = runs_sync(job, NULL);
    char *gone;

    (void)state;
    assert_run(run, "0 created, 2 updated, 0 deleted, 0 failed, 0 conflicts");
    gone = runs_values(
        b, "SELECT id || coalesce(' ' || (substr(gone, 1, 4) > '2020'), '') FROM t ORDER BY id");
    assert_string_equal(gone, "1\n2 1\n3\n4 0\n");
    free(gone);
    run_free(run);
    ls_job_close(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_first_copy_journals_keys_and_hashes_alone, apply_done),
        cmocka_unit_test_teardown(a_plan_makes_the_target_match, apply_done),
        cmocka_unit_test_teardown(nothing_is_committed_before_the_journal_is_durable, apply_done),
        cmocka_unit_test_teardown(a_batch_in_which_nothing_was_to_be_written_is_not_committed,
                                  apply_done),
        cmocka_unit_test_teardown(records_that_changed_since_the_plan_are_left_alone, apply_done),
        cmocka_unit_test_teardown(a_record_that_came_since_is_never_written_over, apply_done),
        cmocka_unit_test_teardown(a_run_that_is_repeated_finds_its_work_done, apply_done),
        cmocka_unit_test_teardown(a_key_of_the_target_is_asked_for_as_the_target_has_it,
                                  apply_done),
        cmocka_unit_test_teardown(an_atomic_run_changes_all_or_nothing, apply_done),
        cmocka_unit_test_teardown(an_atomic_run_is_one_batch, apply_done),
        cmocka_unit_test_teardown(an_atomic_run_does_not_bear_a_conflict, apply_done),
        cmocka_unit_test_teardown(a_commit_that_refuses_an_atomic_run_says_that_nothing_changed,
                                  apply_done),
        cmocka_unit_test_teardown(a_file_is_written_in_one_go, apply_done),
        cmocka_unit_test_teardown(
            a_time_of_deletion_is_set_once_and_goes_when_the_record_comes_back, apply_done),
        cmocka_unit_test_teardown(soft_deletes_mark_what_the_source_no_longer_has, apply_done),
    };

    return cmocka_run_group_tests_name("engine/apply", tests, NULL, NULL);
}
