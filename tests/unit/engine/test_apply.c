/* SPDX-License-Identifier: Apache-2.0 */
/* test_apply.c - carrying out plans: batches, refusals, unique values that move, faults and kills at every step. */
#include "engine/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/testdir.h"
#include "lib/testpg.h"
#include "runs.h"
#include "tables.h"

static const char *const databases[] = {"sqlite", "postgres"};

static int done(void **state)
{
    (void)state;
    fixture_done();
    return 0;
}

static const char *in_sqlite(const char *text)
{
    return table_in(fixture_sqlite(), "t", text);
}

static const char *in_memory(const char *text)
{
    return table_in(fixture_memory(), "t", text);
}

static struct ls_job *job_of(const char *source, const char *target, size_t batch_rows)
{
    const struct ls_sync_config more = {.batch_rows = batch_rows};

    return fixture_job(source, target, &more);
}

/* Inserts records into a collection by its URL. */
static void fill(const char *url, size_t count, const struct ls_value *records)
{
    char *store = strndup(url, strcspn(url, "#"));

    assert_non_null(store);
    fixture_insert(store, strchr(url, '#') + 1, count, records);
    free(store);
}

/* Syncs once, expects these counts and so many records that differ afterwards. */
static void sync_expecting(const char *source, const char *target, size_t batch_rows,
                           const char *counts, uint64_t different)
{
    struct ls_job *job = job_of(source, target, batch_rows);
    struct fake_journal *j = fake_journal_new();
    char *before = runs_dump(target);
    struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

    assert_run(run, counts);
    assert_int_equal(run->verified_different, 0); /* what was written is the same on both sides */
    assert_int_equal(fake_journal_open_count(j), 0);
    assert_sync_is(job, different);
    run_free(run);
    run = runs_undo(target, NULL, j, NULL);
    assert_int_equal(run->rc, LS_OK);
    assert_int_equal(run->verified_different, 0);
    assert_dump(target, before);
    run_free(run);
    free(before);
    fake_journal_free(j);
    ls_job_close(job);
}

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

/* ---- refusals ---- */

#define CHECKED \
    "CREATE TABLE t(id bigint PRIMARY KEY NOT NULL, code text UNIQUE, n bigint CHECK (n < 100));"

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

/* ---- cancelling ---- */

static void cancel_now(void *ctx, unsigned n)
{
    if (n == 2)
        ((struct ls_cancel *)ctx)->wanted = true;
}

static void a_cancelled_run_ends_after_its_batch(void **state)
{
    const char *a = in_memory("id:int* n:int\n1|1\n2|2\n3|3\n4|4\n");
    const char *b = in_sqlite("id:int* n:int\n");
    struct ls_cancel cancel = {false};
    struct shim shim = {.on_commit = cancel_now, .ctx = &cancel};
    struct ls_job *job = job_of(a, b, 1);
    struct fake_journal *j = fake_journal_new();
    struct run *run = runs_sync(
        job, &(struct run_options){
                 .journal = &j->journal, .cancel = &cancel, .prepare = runs_shim, .ctx = &shim});

    (void)state;
    assert_run(run, "2 created, 0 updated, 0 deleted, 0 failed, 0 conflicts");
    assert_true(run->result.interrupted);
    assert_dump(b, "1 integer, 1 integer, \n2 integer, 2 integer, \n");
    assert_int_equal(fake_journal_open_count(j), 0);
    run_free(run);
    run_free(runs_undo(b, NULL, j, NULL));
    assert_dump(b, "");
    fake_journal_free(j);
    ls_job_close(job);
}

static void a_cancelled_run_tries_nothing_again(void **state)
{
    const char *a = in_memory("id:int* code:text n:int\n1|a|1\n2|b|2\n3|c|3\n4|d|4\n");
    const char *b =
        runs_table("sqlite", CHECKED "INSERT INTO t VALUES (1,'d',1),(4,'a',4),(5,'e',5)");
    struct ls_cancel cancel = {false};
    struct shim shim = {.on_commit = cancel_now, .ctx = &cancel};
    struct ls_job *job = job_of(a, b, 1);
    struct run *run = runs_sync(
        job, &(struct run_options){.cancel = &cancel, .prepare = runs_shim, .ctx = &shim});

    (void)state;
    assert_run(run, "2 created, 0 updated, 0 deleted, 0 failed, 0 conflicts"); /* 2 and 3 */
    assert_true(run->result.interrupted);
    assert_int_equal(shim.begins, 3);
    run_free(run);
    ls_job_close(job);
}

static void a_cancelled_atomic_run_changes_nothing(void **state)
{
    const struct ls_sync_config more = {.atomic = true, .batch_rows = 1};
    const char *a = in_memory("id:int* n:int\n1|1\n2|2\n3|3\n");
    const char *b = in_sqlite("id:int* n:int\n");
    struct ls_cancel cancel = {false};
    struct shim shim = {.on_write = cancel_now, .ctx = &cancel};
    struct ls_job *job = fixture_job(a, b, &more);
    struct run *run = runs_sync(
        job, &(struct run_options){.cancel = &cancel, .prepare = runs_shim, .ctx = &shim});

    (void)state;
    assert_run(run, "0 created, 0 updated, 0 deleted, 0 failed, 0 conflicts");
    assert_true(run->result.interrupted);
    assert_dump(b, "");
    run_free(run);
    ls_job_close(job);
}

/* ---- journals ---- */

static void a_piece_of_the_journal_stays_small(void **state)
{
    enum { RECORDS = 7, BYTES = 600000 };
    const char *a = in_memory("id:int* n:text\n");
    const char *b = in_sqlite("id:int* n:text\n");
    char *text = malloc(BYTES + 1);
    struct ls_value records[RECORDS * 2];
    struct ls_job *job;
    struct fake_journal *j = fake_journal_new();
    char *before;
    struct run *run;

    (void)state;
    memset(text, 'x', BYTES);
    text[BYTES] = '\0';
    for (int64_t i = 0; i < RECORDS; i++) {
        records[i * 2] = ls_value_int(i);
        records[i * 2 + 1] = ls_value_text(text);
    }
    fill(b, RECORDS, records);
    for (int64_t i = 0; i < RECORDS; i++)
        records[i * 2 + 1] = ls_value_text("short");
    fill(a, RECORDS, records);
    before = runs_dump(b);
    job = job_of(a, b, 0);
    run = runs_sync(job, &(struct run_options){.journal = &j->journal});
    assert_run(run, "0 created, 7 updated, 0 deleted, 0 failed, 0 conflicts");
    assert_int_equal(j->batches[0].blob_count, 4); /* two records each */
    for (size_t i = 0; i < 4; i++)
        assert_in_range(j->batches[0].blobs[i].size, BYTES, 2 * BYTES + 1000);
    run_free(run);
    run_free(runs_undo(b, NULL, j, NULL));
    assert_dump(b, before);
    free(before);
    free(text);
    fake_journal_free(j);
    ls_job_close(job);
}

/* ---- faults and kills ---- */

static const char *crash_target(size_t kind)
{
    static const char rows[] = "INSERT INTO t VALUES (2,'two',0),(3,'three',0),(4,'four',4),"
                               "(6,'six',6),(8,'eight',8),(9,'nine',9)";
    char sql[500];

    if (kind == 0)
        return in_memory("id:int* code:text n:int\n2|two|0\n3|three|0\n4|four|4\n6|six|6\n"
                         "8|eight|8\n9|nine|9\n");
    snprintf(sql, sizeof sql, CHECKED "%s", rows);
    return runs_table(databases[kind - 1], sql);
}

static const char *crash_source(void)
{
    return in_memory("id:int* code:text n:int\n1|one|1\n2|three|2\n3|two|3\n4|four|4\n5|five|5\n"
                     "7|seven|7\n9|neun|9\n");
}

/* What a person sees who finds the target after a crash: whatever it holds, undo gives back the first bytes; and the next sync
 * makes it match. */
static void survive(const char *a, const char *b, const char *before, struct fake_journal *j,
                    unsigned *half_written)
{
    struct ls_job *job = job_of(a, b, 2);
    char *found = runs_dump(b);
    struct run *run;

    *half_written += strcmp(found, before) != 0;
    free(found);
    run = runs_undo(b, NULL, j, NULL);
    if (run->rc != LS_OK || run->result.conflicts || run->result.failed)
        print_error("undo: %s\n%s", run->err.text,
                    run->failures.size ? ls_buf_str(&run->failures) : "");
    assert_int_equal(run->rc, LS_OK);
    assert_int_equal(run->result.conflicts + run->result.failed, 0);
    assert_int_equal(run->verified_different, 0);
    assert_dump(b, before);
    run_free(run);
    run = runs_sync(job, NULL);
    assert_int_equal(run->rc, LS_OK);
    assert_sync_is(job, 0);
    run_free(run);
    ls_job_close(job);
}

/* Runs with one fault; false when the run came through without meeting it. */
static bool crash_once(size_t kind, unsigned n, bool dies, unsigned *half_written)
{
    const char *a = crash_source(), *b = crash_target(kind);
    char *before = runs_dump(b);
    struct ls_job *job = job_of(a, b, 2);
    struct fake_journal *j = fake_journal_new();
    struct run *run;
    bool met;

    j->fail_at = dies ? 0 : n;
    j->die_at = dies ? n : 0;
    run = runs_sync(job, &(struct run_options){.journal = &j->journal});
    met = run->rc != LS_OK;
    assert_true(met || j->calls < n);
    ls_job_close(job);
    run_free(run);
    j->fail_at = j->die_at = 0;
    survive(a, b, before, j, half_written);
    fake_journal_free(j);
    free(before);
    return met;
}

/* The journal fails at each of its calls, and the process dies in each. */
static void whatever_call_fails_undo_is_exact(void **state)
{
    (void)state;
    for (size_t kind = 0; kind <= COUNT_OF(databases); kind++)
        for (unsigned dies = 0; dies < 2; dies++) {
            unsigned n = 1, half_written = 0;

            while (crash_once(kind, n, dies, &half_written)) {
                fixture_done();
                n++;
            }
            assert_true(n > 12);           /* four batches with four calls each, about */
            assert_true(half_written > 6); /* or the test proves nothing */
        }
}

static void kill_journal(void *ctx, unsigned n)
{
    if (n == 2)
        ((struct fake_journal *)ctx)->dead = true;
}

/* The process dies in the commit, before or after the target has done it; or lives on, and only the answer is lost. */
static void a_commit_without_an_answer_stays_open_and_is_settled(void **state)
{
    static const enum ls_code codes[] = {LS_CONNECT, LS_IO, LS_FULL};

    (void)state;
    for (size_t kind = 0; kind <= COUNT_OF(databases); kind++)
        for (unsigned i = 0; i < 2 * 2 * 3; i++) {
            const bool after = i & 1, dies = i & 2;
            const char *a = crash_source(), *b = crash_target(kind);
            char *before = runs_dump(b);
            struct ls_job *job = job_of(a, b, 2);
            struct fake_journal *j = fake_journal_new();
            struct shim shim = {.fail_commit = 2, .after = after, .code = codes[i / 4], .ctx = j};
            unsigned half_written = 0;
            struct run *run;

            shim.on_commit = dies ? kill_journal : NULL;
            run = runs_sync(job, &(struct run_options){
                                     .journal = &j->journal, .prepare = runs_shim, .ctx = &shim});
            assert_int_equal(run->rc, codes[i / 4]);
            assert_int_equal(run->result.batches, 1);
            assert_int_equal(fake_journal_open_count(j), 1);
            fake_journal_settle(j, b);
            assert_int_equal(j->batches[1].state, after ? FAKE_COMMITTED : FAKE_ABORTED);
            survive(a, b, before, j, &half_written);
            assert_int_equal(half_written, 1);
            free(before);
            run_free(run);
            fake_journal_free(j);
            ls_job_close(job);
            fixture_done();
        }
}

/* A batch that the target can no longer say anything about counts as committed: undo only touches what it recognises. */
static void a_batch_taken_for_committed_does_no_harm(void **state)
{
    (void)state;
    for (size_t kind = 0; kind <= COUNT_OF(databases); kind++) {
        const char *a = crash_source(), *b = crash_target(kind);
        char *before = runs_dump(b);
        struct ls_job *job = job_of(a, b, 2);
        struct fake_journal *j = fake_journal_new();
        struct shim shim = {.fail_commit = 2, .code = LS_CONNECT};
        unsigned half_written = 0;

        run_free(runs_sync(job, &(struct run_options){
                                    .journal = &j->journal, .prepare = runs_shim, .ctx = &shim}));
        assert_int_equal(j->batches[1].state, FAKE_OPEN);
        j->batches[1].state = FAKE_COMMITTED;
        survive(a, b, before, j, &half_written);
        free(before);
        fake_journal_free(j);
        ls_job_close(job);
        fixture_done();
    }
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
        cmocka_unit_test_teardown(a_first_copy_journals_keys_and_hashes_alone, done),
        cmocka_unit_test_teardown(a_plan_makes_the_target_match, done),
        cmocka_unit_test_teardown(nothing_is_committed_before_the_journal_is_durable, done),
        cmocka_unit_test_teardown(a_batch_in_which_nothing_was_to_be_written_is_not_committed,
                                  done),
        cmocka_unit_test_teardown(records_that_changed_since_the_plan_are_left_alone, done),
        cmocka_unit_test_teardown(a_record_that_came_since_is_never_written_over, done),
        cmocka_unit_test_teardown(a_run_that_is_repeated_finds_its_work_done, done),
        cmocka_unit_test_teardown(a_key_of_the_target_is_asked_for_as_the_target_has_it, done),
        cmocka_unit_test_teardown(a_refused_record_does_not_take_its_batch_with_it, done),
        cmocka_unit_test_teardown(among_many_refused_records_the_good_ones_are_found, done),
        cmocka_unit_test_teardown(a_value_that_the_target_cannot_hold_is_reported_at_once, done),
        cmocka_unit_test_teardown(an_error_that_is_no_refusal_ends_the_run_and_its_batch, done),
        cmocka_unit_test_teardown(a_batch_that_does_not_begin_says_nothing_of_the_one_before, done),
        cmocka_unit_test_teardown(the_victim_of_a_deadlock_tries_again, done),
        cmocka_unit_test_teardown(unique_values_change_places, done),
        cmocka_unit_test_teardown(a_long_chain_of_values_dissolves_in_few_writes, done),
        cmocka_unit_test_teardown(a_chain_that_is_long_in_bytes_is_taken_from_its_end, done),
        cmocka_unit_test_teardown(batches_that_are_refused_as_a_whole_cost_little, done),
        cmocka_unit_test_teardown(records_that_reference_each_other_come_in_any_order, done),
        cmocka_unit_test_teardown(a_commit_that_is_refused_is_cut_like_a_write, done),
        cmocka_unit_test_teardown(keys_that_the_target_folds_are_deleted_before_they_are_inserted,
                                  done),
        cmocka_unit_test_teardown(keys_that_the_target_folds_are_refused_when_nothing_is_deleted,
                                  done),
        cmocka_unit_test_teardown(an_atomic_run_changes_all_or_nothing, done),
        cmocka_unit_test_teardown(an_atomic_run_is_one_batch, done),
        cmocka_unit_test_teardown(an_atomic_run_does_not_bear_a_conflict, done),
        cmocka_unit_test_teardown(a_commit_that_refuses_an_atomic_run_says_that_nothing_changed,
                                  done),
        cmocka_unit_test_teardown(a_file_is_written_in_one_go, done),
        cmocka_unit_test_teardown(a_cancelled_run_ends_after_its_batch, done),
        cmocka_unit_test_teardown(a_cancelled_run_tries_nothing_again, done),
        cmocka_unit_test_teardown(a_cancelled_atomic_run_changes_nothing, done),
        cmocka_unit_test_teardown(a_piece_of_the_journal_stays_small, done),
        cmocka_unit_test_teardown(whatever_call_fails_undo_is_exact, done),
        cmocka_unit_test_teardown(a_commit_without_an_answer_stays_open_and_is_settled, done),
        cmocka_unit_test_teardown(a_batch_taken_for_committed_does_no_harm, done),
        cmocka_unit_test_teardown(
            a_time_of_deletion_is_set_once_and_goes_when_the_record_comes_back, done),
        cmocka_unit_test_teardown(soft_deletes_mark_what_the_source_no_longer_has, done),
    };

    return cmocka_run_group_tests_name("engine/apply", tests, NULL, NULL);
}
