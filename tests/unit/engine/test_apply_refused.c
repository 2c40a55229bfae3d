/* SPDX-License-Identifier: Apache-2.0 */
/* test_apply_refused.c - what a target refuses, and values that move between records. */
#include "apply_help.h"

/* ---- refusals ---- */

static void a_refused_record_does_not_take_its_batch_with_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(databases); i++) {
        const char *a =
            in_memory("id:int* code:text n:int\n1|a|1\n2|b|200\n3|c|3\n4|d|4\n5|e|500\n");
        const char *b =
            runs_table(databases[i], CHECKED "INSERT INTO t VALUES (5,'x',0),(6,'y',0)");
        struct ls_job *job = job_of(a, b, 0);
        struct run *run = runs_sync(job, NULL);

        assert_run(run, "3 created, 0 updated, 1 deleted, 2 failed, 0 conflicts");
        assert_int_equal(run->verified_different, 0);
        assert_non_null(strstr(ls_buf_str(&run->failures), "{\"id\":\"2\"} constraint: "));
        assert_non_null(strstr(ls_buf_str(&run->failures), "{\"id\":\"5\"} constraint: "));
        assert_sync_is(job, 2);
        run_free(run);
        ls_job_close(job);
    }
}

/* More refusals than a first pass has patience for: each is still reported by itself, and every record between them is written. */
static void among_many_refused_records_the_good_ones_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(databases); i++) {
        const char *a = in_memory("id:int* code:text n:int\n");
        const char *b = runs_table(databases[i], CHECKED);
        struct ls_value records[300 * 3];

        for (int64_t r = 0; r < 300; r++) {
            records[r * 3] = ls_value_int(r);
            records[r * 3 + 1] = ls_value_null();
            records[r * 3 + 2] = ls_value_int(r % 3 == 0 ? 1 : 100 + r);
        }
        fill(a, 300, records);
        sync_expecting(a, b, 250, "100 created, 0 updated, 0 deleted, 200 failed, 0 conflicts",
                       200);
    }
}

static void a_value_that_the_target_cannot_hold_is_reported_at_once(void **state)
{
    const char *a = in_memory("id:int* n:int\n1|1\n2|99999\n3|3\n");
    const char *b = runs_table("postgres", "CREATE TABLE t(id bigint PRIMARY KEY, n smallint)");
    struct ls_job *job = job_of(a, b, 0);
    struct shim shim = {0};
    struct run *run = runs_sync(job, &(struct run_options){.prepare = runs_shim, .ctx = &shim});

    (void)state;
    assert_run(run, "2 created, 0 updated, 0 deleted, 1 failed, 0 conflicts");
    assert_non_null(strstr(ls_buf_str(&run->failures), "{\"id\":\"2\"} type: field n: "));
    assert_int_equal(shim.begins, 1); /* no other record can help it: not tried again */
    run_free(run);
    ls_job_close(job);
}

static void an_error_that_is_no_refusal_ends_the_run_and_its_batch(void **state)
{
    const char *a = in_memory("id:int* n:int\n1|1\n2|2\n3|3\n");
    const char *b = in_sqlite("id:int* n:int\n");
    struct ls_job *job = job_of(a, b, 1);
    struct fake_journal *j = fake_journal_new();
    struct shim shim = {.fail_write = 2, .code = LS_IO, .log = &j->log};
    struct run *run = runs_sync(
        job, &(struct run_options){.journal = &j->journal, .prepare = runs_shim, .ctx = &shim});

    (void)state;
    assert_int_equal(run->rc, LS_IO);
    assert_int_equal(run->result.created, 1);
    assert_string_equal(ls_buf_str(&j->log), "BEGIN open WRITE add sync COMMIT close+ "
                                             "BEGIN open WRITE ROLLBACK close- ");
    assert_dump(b, "1 integer, 1 integer, \n");
    run_free(run);
    fake_journal_free(j);
    ls_job_close(job);
}

static void a_batch_that_does_not_begin_says_nothing_of_the_one_before(void **state)
{
    const char *a = in_memory("id:int* n:int\n1|1\n2|2\n");
    const char *b = in_sqlite("id:int* n:int\n");
    struct ls_job *job = job_of(a, b, 1);
    struct fake_journal *j = fake_journal_new();
    struct shim shim = {.fail_begin = 2, .code = LS_BUSY, .log = &j->log};
    struct run *run = runs_sync(
        job, &(struct run_options){.journal = &j->journal, .prepare = runs_shim, .ctx = &shim});

    (void)state;
    assert_int_equal(run->rc, LS_BUSY);
    assert_string_equal(ls_buf_str(&j->log), "BEGIN open WRITE add sync COMMIT close+ BEGIN ");
    assert_int_equal(j->batches[0].state, FAKE_COMMITTED);
    run_free(run);
    fake_journal_free(j);
    ls_job_close(job);
}

static void the_victim_of_a_deadlock_tries_again(void **state)
{
    static const struct {
        unsigned fail_write, fail_commit, times;
        enum ls_code rc;
    } cases[] = {{1, 0, 1, LS_OK}, {1, 0, 99, LS_BUSY}, {0, 1, 1, LS_OK}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *a = in_memory("id:int* n:int\n1|1\n2|2\n");
        const char *b = in_sqlite("id:int* n:int\n2|0\n");
        char *before = runs_dump(b);
        struct ls_job *job = job_of(a, b, 0);
        struct fake_journal *j = fake_journal_new();
        struct shim shim = {.fail_write = cases[i].fail_write,
                            .fail_commit = cases[i].fail_commit,
                            .times = cases[i].times,
                            .code = LS_BUSY};
        struct run *run = runs_sync(
            job, &(struct run_options){.journal = &j->journal, .prepare = runs_shim, .ctx = &shim});

        assert_int_equal(run->rc, cases[i].rc);
        if (run->rc == LS_OK)
            assert_run(run, "1 created, 1 updated, 0 deleted, 0 failed, 0 conflicts");
        else
            assert_int_equal(shim.writes, 3);
        run_free(run);
        run_free(runs_undo(b, NULL, j, NULL));
        assert_dump(b, before);
        free(before);
        fake_journal_free(j);
        ls_job_close(job);
    }
}

/* ---- values that move ---- */

static void unique_values_change_places(void **state)
{
    static const struct {
        const char *what, *source, *target;
        size_t batch_rows;
        const char *counts;
        uint64_t different;
    } cases[] = {
        {"two in one batch", "1|a|1\n2|b|2\n", "(1,'b',1),(2,'a',2)", 0,
         "0 created, 2 updated, 0 deleted, 0 failed, 0 conflicts", 0},
        {"two in two batches", "1|a|1\n2|b|2\n", "(1,'b',1),(2,'a',2)", 1,
         "0 created, 2 updated, 0 deleted, 0 failed, 0 conflicts", 0},
        {"three in three batches", "1|a|1\n2|b|2\n3|c|3\n", "(1,'b',1),(2,'c',2),(3,'a',3)", 1,
         "0 created, 3 updated, 0 deleted, 0 failed, 0 conflicts", 0},
        {"three in batches of two", "1|a|1\n2|b|2\n3|c|3\n4|d|4\n",
         "(1,'b',1),(2,'c',2),(3,'a',3),(4,'x',4)", 2,
         "0 created, 4 updated, 0 deleted, 0 failed, 0 conflicts", 0},
        {"refused records between those that change places",
         "1|a|1\n2|r|200\n3|b|3\n4|s|400\n5|c|5\n6|t|600\n",
         "(1,'b',1),(2,'u',2),(3,'c',3),(4,'v',4),(5,'a',5),(6,'w',6)", 0,
         "0 created, 3 updated, 0 deleted, 3 failed, 0 conflicts", 3},
        {"the same in batches of one", "1|a|1\n2|r|200\n3|b|3\n4|s|400\n5|c|5\n6|t|600\n",
         "(1,'b',1),(2,'u',2),(3,'c',3),(4,'v',4),(5,'a',5),(6,'w',6)", 1,
         "0 created, 3 updated, 0 deleted, 3 failed, 0 conflicts", 3},
        {"one of the circle is refused for good", "1|a|1\n2|b|200\n3|c|3\n",
         "(1,'b',1),(2,'c',2),(3,'a',3)", 0,
         "0 created, 0 updated, 0 deleted, 3 failed, 0 conflicts", 3},
        {"the giver is deleted in a later batch", "1|a|1\n", "(9,'a',9)", 1,
         "1 created, 0 updated, 1 deleted, 0 failed, 0 conflicts", 0},
        {"the giver is refused", "1|a|1\n2|b|200\n3|c|3\n", "(2,'a',2)", 0,
         "1 created, 0 updated, 0 deleted, 2 failed, 0 conflicts", 2},
        {"two circles and a chain", "1|a|1\n2|b|2\n3|c|3\n4|d|4\n5|e|5\n6|f|6\n",
         "(1,'b',1),(2,'a',2),(3,'d',3),(4,'c',4),(5,'x',5),(6,'e',6)", 1,
         "0 created, 6 updated, 0 deleted, 0 failed, 0 conflicts", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t d = 0; d < COUNT_OF(databases); d++) {
            char text[400], sql[600];

            print_message("%s: %s\n", databases[d], cases[i].what);
            snprintf(text, sizeof text, "id:int* code:text n:int\n%s", cases[i].source);
            snprintf(sql, sizeof sql, CHECKED "INSERT INTO t VALUES %s", cases[i].target);
            sync_expecting(in_memory(text), runs_table(databases[d], sql), cases[i].batch_rows,
                           cases[i].counts, cases[i].different);
        }
}

/* Each record takes the value of its neighbour, in many batches: whichever way the chain points, it does not cost
 * a statement a record. */
static void a_long_chain_of_values_dissolves_in_few_writes(void **state)
{
    enum { RECORDS = 400, BATCH = 20 };

    (void)state;
    for (int64_t shift = -1; shift <= 1; shift += 2)
        for (size_t d = 0; d < COUNT_OF(databases); d++) {
            const char *a = in_memory("id:int* pos:int\n");
            const char *b = runs_table(
                databases[d], "CREATE TABLE t(id bigint PRIMARY KEY NOT NULL, pos bigint UNIQUE)");
            struct ls_value left[RECORDS * 2], right[RECORDS * 2];
            struct shim shim = {0};
            struct ls_job *job;
            struct run *run;

            for (int64_t i = 0; i < RECORDS; i++) {
                left[i * 2] = right[i * 2] = ls_value_int(i);
                left[i * 2 + 1] = ls_value_int(1000 + i + shift);
                right[i * 2 + 1] = ls_value_int(1000 + i);
            }
            fill(a, RECORDS, left);
            fill(b, RECORDS, right);
            job = job_of(a, b, BATCH);
            run = runs_sync(job, &(struct run_options){.prepare = runs_shim, .ctx = &shim});
            assert_run(run, "0 created, 400 updated, 0 deleted, 0 failed, 0 conflicts");
            assert_int_equal(run->verified_different, 0);
            print_message("%s, shift %d: %u writes in %u transactions\n", databases[d], (int)shift,
                          shim.writes, shim.begins);
            assert_true(shim.writes < RECORDS);
            assert_true(shim.begins <= RECORDS / BATCH + 3);
            run_free(run);
            ls_job_close(job);
        }
}

/* Too much to be tried at once: the chain has to be taken from its end. */
static void a_chain_that_is_long_in_bytes_is_taken_from_its_end(void **state)
{
    enum { RECORDS = 48, BYTES = 300000, BATCH = 4 };
    char *text = malloc(BYTES + 1);

    (void)state;
    memset(text, 'x', BYTES);
    text[BYTES] = '\0';
    for (int64_t shift = -1; shift <= 1; shift += 2) {
        const char *a = in_memory("id:int* pos:int text:text\n");
        const char *b = runs_table("sqlite", "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, "
                                             "pos INTEGER UNIQUE, text TEXT)");
        struct ls_value left[RECORDS * 3], right[RECORDS * 3];
        struct shim shim = {0};
        struct ls_job *job;
        struct run *run;

        for (int64_t i = 0; i < RECORDS; i++) {
            left[i * 3] = right[i * 3] = ls_value_int(i);
            left[i * 3 + 1] = ls_value_int(1000 + i + shift);
            right[i * 3 + 1] = ls_value_int(1000 + i);
            left[i * 3 + 2] = right[i * 3 + 2] = ls_value_text(text);
        }
        fill(a, RECORDS, left);
        fill(b, RECORDS, right);
        job = job_of(a, b, BATCH);
        run = runs_sync(job, &(struct run_options){.prepare = runs_shim, .ctx = &shim});
        assert_run(run, "0 created, 48 updated, 0 deleted, 0 failed, 0 conflicts");
        assert_true(shim.begins <= RECORDS / BATCH + 8);
        run_free(run);
        ls_job_close(job);
    }
    free(text);
}

/* Whole batches of children whose parents come later: few of them are tried alone. */
static void batches_that_are_refused_as_a_whole_cost_little(void **state)
{
    enum { CHILDREN = 200, BATCH = 50 };
    const char *a = in_memory("id:int* parent:int\n");
    const char *b = runs_table("sqlite", "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, parent "
                                         "INTEGER REFERENCES t(id))");
    struct ls_value records[2 * CHILDREN * 2];
    struct shim shim = {0};
    struct ls_job *job;
    struct run *run;

    (void)state;
    for (int64_t i = 0; i < 2 * CHILDREN; i++) {
        records[i * 2] = ls_value_int(i);
        records[i * 2 + 1] = i < CHILDREN ? ls_value_int(i + CHILDREN) : ls_value_null();
    }
    fill(a, 2 * CHILDREN, records);
    job = job_of(a, b, BATCH);
    run = runs_sync(job, &(struct run_options){.prepare = runs_shim, .ctx = &shim});
    assert_run(run, "400 created, 0 updated, 0 deleted, 0 failed, 0 conflicts");
    print_message("%u writes\n", shim.writes);
    assert_true(shim.writes < CHILDREN);
    run_free(run);
    ls_job_close(job);
}

#define TREE                                                                         \
    "CREATE TABLE t(id bigint PRIMARY KEY NOT NULL, parent bigint REFERENCES t(id)," \
    " n bigint CHECK (n < 100));"

static void records_that_reference_each_other_come_in_any_order(void **state)
{
    static const struct {
        const char *what, *source, *target;
        size_t batch_rows;
        const char *counts;
        uint64_t different;
    } cases[] = {
        {"children before their parents", "1|2|0\n2|3|0\n3|4|0\n4|NULL|0\n", "(9,NULL,0)", 1,
         "4 created, 0 updated, 1 deleted, 0 failed, 0 conflicts", 0},
        {"parents are deleted before their children", "9|NULL|0\n",
         "(1,NULL,0),(2,1,0),(3,2,0),(4,3,0)", 1,
         "1 created, 0 updated, 4 deleted, 0 failed, 0 conflicts", 0},
        {"two that reference each other, in two batches", "1|2|0\n2|1|0\n", "(9,NULL,0)", 1,
         "2 created, 0 updated, 1 deleted, 0 failed, 0 conflicts", 0},
        {"a child of a parent that is refused", "1|NULL|500\n2|1|0\n3|NULL|0\n", "(9,NULL,0)", 1,
         "1 created, 0 updated, 1 deleted, 2 failed, 0 conflicts", 2},
        {"the parent moves", "1|NULL|0\n2|NULL|0\n3|2|0\n", "(1,NULL,0),(3,1,0)", 1,
         "1 created, 1 updated, 0 deleted, 0 failed, 0 conflicts", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t d = 0; d < COUNT_OF(databases); d++) {
            char text[400], sql[600];

            print_message("%s: %s\n", databases[d], cases[i].what);
            snprintf(text, sizeof text, "id:int* parent:int n:int\n%s", cases[i].source);
            snprintf(sql, sizeof sql, TREE "INSERT INTO t VALUES %s", cases[i].target);
            sync_expecting(in_memory(text), runs_table(databases[d], sql), cases[i].batch_rows,
                           cases[i].counts, cases[i].different);
        }
}

static void a_commit_that_is_refused_is_cut_like_a_write(void **state)
{
    static const struct {
        const char *what, *ddl, *source, *target;
        size_t batch_rows;
        const char *counts;
        uint64_t different;
    } cases[] = {
        {"deferred unique values change places across batches",
         "CREATE TABLE t(id bigint PRIMARY KEY, code text UNIQUE DEFERRABLE INITIALLY DEFERRED);",
         "id:int* code:text\n1|a\n2|b\n3|c\n", "(1,'b'),(2,'c'),(3,'a')", 1,
         "0 created, 3 updated, 0 deleted, 0 failed, 0 conflicts", 0},
        {"a deferred unique value that another record keeps",
         "CREATE TABLE t(id bigint PRIMARY KEY, code text, org bigint DEFAULT 1,"
         " UNIQUE (org, code) DEFERRABLE INITIALLY DEFERRED);"
         "INSERT INTO t VALUES (100, 'x');",
         "id:int* code:text\n1|a\n2|x\n3|c\n4|d\n5|e\n100|x\n", "(50,'y')", 0,
         "4 created, 0 updated, 1 deleted, 1 failed, 0 conflicts", 1},
        {"a deferred reference to a record that is not there",
         "CREATE TABLE t(id bigint PRIMARY KEY, code bigint REFERENCES t"
         " DEFERRABLE INITIALLY DEFERRED);",
         "id:int* code:int\n1|2\n2|1\n3|77\n4|3\n5|NULL\n6|5\n", "(50,NULL)", 0,
         "4 created, 0 updated, 1 deleted, 2 failed, 0 conflicts", 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char sql[600];

        print_message("%s\n", cases[i].what);
        snprintf(sql, sizeof sql, "%sINSERT INTO t VALUES %s", cases[i].ddl, cases[i].target);
        sync_expecting(in_memory(cases[i].source), runs_table("postgres", sql), cases[i].batch_rows,
                       cases[i].counts, cases[i].different);
    }
}

/* 'Anna' and 'anna' are two keys to us and one to the target. */
static void keys_that_the_target_folds_are_deleted_before_they_are_inserted(void **state)
{
    (void)state;
    for (size_t batch = 0; batch <= 1; batch++) {
        const char *a = in_memory("name:text* n:int\nAnna|1\nBen|2\nzoe|3\n");
        const char *b =
            runs_table("sqlite", "CREATE TABLE t(name TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, "
                                 "n INTEGER) WITHOUT ROWID;"
                                 "INSERT INTO t VALUES ('anna',1),('BEN',2),('Zoe',3)");

        sync_expecting(a, b, batch, "3 created, 0 updated, 3 deleted, 0 failed, 0 conflicts", 0);
    }
}

static void keys_that_the_target_folds_are_refused_when_nothing_is_deleted(void **state)
{
    const struct ls_sync_config more = {.deletes = LS_DELETES_KEEP};
    const char *a = in_memory("name:text* n:int\nAnna|1\nCleo|2\n");
    const char *b = runs_table("sqlite", "CREATE TABLE t(name TEXT COLLATE NOCASE PRIMARY KEY NOT "
                                         "NULL, n INTEGER) WITHOUT ROWID;"
                                         "INSERT INTO t VALUES ('anna',5)");
    struct ls_job *job = fixture_job(a, b, &more);
    struct run *run = runs_sync(job, NULL);

    (void)state;
    assert_run(run, "1 created, 0 updated, 0 deleted, 1 failed, 0 conflicts");
    assert_dump(b, "'Cleo' text, 2 integer, \n'anna' text, 5 integer, \n");
    run_free(run);
    ls_job_close(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_refused_record_does_not_take_its_batch_with_it, apply_done),
        cmocka_unit_test_teardown(among_many_refused_records_the_good_ones_are_found, apply_done),
        cmocka_unit_test_teardown(a_value_that_the_target_cannot_hold_is_reported_at_once,
                                  apply_done),
        cmocka_unit_test_teardown(an_error_that_is_no_refusal_ends_the_run_and_its_batch,
                                  apply_done),
        cmocka_unit_test_teardown(a_batch_that_does_not_begin_says_nothing_of_the_one_before,
                                  apply_done),
        cmocka_unit_test_teardown(the_victim_of_a_deadlock_tries_again, apply_done),
        cmocka_unit_test_teardown(unique_values_change_places, apply_done),
        cmocka_unit_test_teardown(a_long_chain_of_values_dissolves_in_few_writes, apply_done),
        cmocka_unit_test_teardown(a_chain_that_is_long_in_bytes_is_taken_from_its_end, apply_done),
        cmocka_unit_test_teardown(batches_that_are_refused_as_a_whole_cost_little, apply_done),
        cmocka_unit_test_teardown(records_that_reference_each_other_come_in_any_order, apply_done),
        cmocka_unit_test_teardown(a_commit_that_is_refused_is_cut_like_a_write, apply_done),
        cmocka_unit_test_teardown(keys_that_the_target_folds_are_deleted_before_they_are_inserted,
                                  apply_done),
        cmocka_unit_test_teardown(keys_that_the_target_folds_are_refused_when_nothing_is_deleted,
                                  apply_done),
    };

    return cmocka_run_group_tests_name("engine/apply_refused", tests, NULL, NULL);
}
