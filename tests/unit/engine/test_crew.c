/* SPDX-License-Identifier: Apache-2.0 */
/* test_crew.c - a plan written by several writers: what holds for one batch after the other has to hold for several at once. */
#include "engine/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/testpg.h"
#include "runs.h"
#include "tables.h"

#define ROWS 60
#define BATCH 5
#define PLAIN "CREATE TABLE t(id bigint PRIMARY KEY NOT NULL, code text, n bigint);"

static int done(void **state)
{
    (void)state;
    fixture_done();
    return 0;
}

/* ROWS records, of which every `every`-th has n = 1000; code: a printf format for a number below `codes`. */
static const char *source_of(unsigned every, unsigned codes)
{
    char text[ROWS * 40];
    int n = snprintf(text, sizeof text, "id:int* code:text n:int\n");

    for (unsigned i = 1; i <= ROWS; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%u|c%u|%u\n", i, i % codes,
                      every && i % every == 0 ? 1000 : i);
    return table_in(fixture_memory(), "t", text);
}

static struct ls_job *job_of(const char *source, const char *target, size_t writers)
{
    return fixture_job(source, target,
                       &(struct ls_sync_config){.batch_rows = BATCH, .writers = writers});
}

static int64_t count_in(const char *url, const char *where)
{
    char sql[200], *text;
    int64_t ret;

    snprintf(sql, sizeof sql, "SELECT count(*)::text FROM %s WHERE %s", strchr(url, '#') + 1,
             where);
    text = runs_values(url, sql);
    ret = strtoll(text, NULL, 10);
    free(text);
    return ret;
}

static void assert_undone(const char *url, struct fake_journal *j)
{
    struct run *run = runs_undo(url, NULL, j, NULL);

    assert_int_equal(run->rc, LS_OK);
    assert_int_equal(run->result.conflicts, 0);
    assert_int_equal(run->verified_different, 0);
    assert_dump(url, "");
    run_free(run);
}

/* Syncs with a journal of its own, and takes it back; closes the job. */
static void sync_and_undo(struct ls_job *job, const char *url, const char *expected)
{
    struct fake_journal *j = fake_journal_new();
    struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

    assert_run(run, expected);
    assert_int_equal(fake_journal_open_count(j), 0);
    assert_undone(url, j);
    run_free(run);
    fake_journal_free(j);
    ls_job_close(job);
}

/* ---- a journal that is looked over ---- */

struct watch {
    struct ls_journal journal; /* calls `look`, then the real one */
    struct fake_journal *real;
    void (*look)(struct watch *w, uint64_t batch);
    const char *url;
    struct ls_cancel *cancel;
    uint64_t synced;          /* records of batches that were synced */
    size_t syncs, open, peak; /* peak: of batches synced and not closed */
};

static enum ls_code watch_open(void *ctx, uint64_t batch, const char *marker, struct ls_error *err)
{
    struct watch *w = ctx;

    return w->real->journal.open(w->real, batch, marker, err);
}

static enum ls_code watch_add(void *ctx, uint64_t batch, const void *blob, size_t size,
                              struct ls_error *err)
{
    struct watch *w = ctx;

    return w->real->journal.add(w->real, batch, blob, size, err);
}

static enum ls_code watch_sync(void *ctx, uint64_t batch, const struct ls_batch_counts *counts,
                               struct ls_error *err)
{
    struct watch *w = ctx;

    if (w->look)
        w->look(w, batch);
    w->syncs++;
    w->synced += counts->created;
    w->peak = ++w->open > w->peak ? w->open : w->peak;
    return w->real->journal.sync(w->real, batch, counts, err);
}

static enum ls_code watch_close(void *ctx, uint64_t batch, bool committed, struct ls_error *err)
{
    struct watch *w = ctx;

    w->open--;
    return w->real->journal.close(w->real, batch, committed, err);
}

static void watch_init(struct watch *w, const char *url,
                       void (*look)(struct watch *w, uint64_t batch))
{
    *w = (struct watch){.real = fake_journal_new(), .look = look, .url = url};
    w->journal = (struct ls_journal){w, watch_open, watch_add, watch_sync, watch_close};
}

/* ---- the plain way ---- */

static void several_writers_make_the_target_match_and_undo_takes_it_back(void **state)
{
    const char *b = runs_table("postgres", PLAIN);
    struct ls_job *job = job_of(source_of(0, ROWS), b, 4);
    struct fake_journal *j = fake_journal_new();
    struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

    (void)state;
    assert_run(run, "60 created, 0 updated, 0 deleted, 0 failed, 0 conflicts");
    assert_in_range(run->result.writers, 2, 4);
    assert_int_equal(run->result.batches, ROWS / BATCH);
    assert_int_equal(run->verified_different, 0);
    assert_int_equal(fake_journal_open_count(j), 0);
    assert_sync_is(job, 0);
    assert_undone(b, j);
    run_free(run);
    fake_journal_free(j);
    ls_job_close(job);
}

/* Nobody sees a record whose batch is not in the journal for good. */
static void look_ahead(struct watch *w, uint64_t batch)
{
    (void)batch;
    assert_true((uint64_t)count_in(w->url, "true") <= w->synced);
}

static void nothing_is_committed_before_its_own_journal_is_durable(void **state)
{
    const char *b = runs_table("postgres", PLAIN);
    struct ls_job *job = job_of(source_of(0, ROWS), b, 4);
    struct watch w;
    struct run *run;

    (void)state;
    watch_init(&w, b, look_ahead);
    run = runs_sync(job, &(struct run_options){.journal = &w.journal});
    assert_run(run, "60 created, 0 updated, 0 deleted, 0 failed, 0 conflicts");
    assert_int_equal(w.syncs, ROWS / BATCH);
    assert_int_equal(w.open, 0);
    run_free(run);
    fake_journal_free(w.real);
    ls_job_close(job);
}

/* ---- who has to write alone ---- */

static void what_may_wait_for_itself_is_written_by_one(void **state)
{
    static const struct {
        const char *ddl;
        bool atomic;
        size_t writers;
        const char *why;
    } cases[] = {
        {PLAIN, false, 1, "writers is 1"},
        {PLAIN, true, 4, "the run is atomic"},
        {"CREATE TABLE t(id bigint PRIMARY KEY, code text, n bigint REFERENCES t)", false, 4,
         "the table refers to itself"},
        {PLAIN "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
               "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();",
         false, 4, "triggers fire when it is written"},
        {"CREATE TABLE t(id bigint NOT NULL, code text, n bigint)", false, 4,
         "the table itself does not keep the key unique"},
    };
    static const char *const key[] = {"id"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct ls_sync_config more = {.batch_rows = BATCH,
                                            .writers = cases[i].writers,
                                            .atomic = cases[i].atomic,
                                            .cascades_accept = true,
                                            .key_count = 1,
                                            .key = key};
        const char *b = runs_table("postgres", cases[i].ddl), *why = NULL;
        struct ls_job *job = fixture_job(source_of(0, ROWS), b, &more);
        const struct ls_plan_counts counts = {.inserts = ROWS};
        struct run *run = runs_sync(job, NULL);

        assert_int_equal(ls_apply_writers(job, job->target.store, &counts, &why), 1);
        assert_string_equal(why, cases[i].why);
        assert_run(run, "60 created, 0 updated, 0 deleted, 0 failed, 0 conflicts");
        assert_int_equal(run->result.writers, 1);
        run_free(run);
        ls_job_close(job);
    }
}

static void a_plan_that_does_more_than_insert_is_written_by_one(void **state)
{
    const char *b = runs_table("postgres", PLAIN "INSERT INTO t VALUES (61, 'gone', 1)");
    struct ls_job *job = job_of(source_of(0, ROWS), b, 4);
    struct run *run = runs_sync(job, NULL);

    (void)state;
    assert_run(run, "60 created, 0 updated, 1 deleted, 0 failed, 0 conflicts");
    assert_int_equal(run->result.writers, 1);
    run_free(run);
    ls_job_close(job);
}

/* The job reads by one session and the run holds its lock by another one; what is left is for writers. */
static void a_server_without_room_for_more_sessions_is_written_by_fewer(void **state)
{
    static const struct {
        unsigned limit;
        size_t writers;
    } cases[] = {{2, 1}, {4, 2}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *b = runs_table("postgres", PLAIN);
        char *store = strndup(b, strcspn(b, "#")), *narrow, *url;
        char sql[400];
        struct ls_job *job;
        struct run *run;

        snprintf(sql, sizeof sql,
                 "CREATE ROLE narrow%u LOGIN PASSWORD 'narrow' CONNECTION LIMIT %u;"
                 "GRANT ALL ON SCHEMA %.*s TO narrow%u; GRANT ALL ON %s TO narrow%u",
                 cases[i].limit, cases[i].limit, (int)strcspn(strchr(b, '#') + 1, "."),
                 strchr(b, '#') + 1, cases[i].limit, strchr(b, '#') + 1, cases[i].limit);
        testpg_exec(store, sql);
        snprintf(sql, sizeof sql, "narrow%u", cases[i].limit);
        narrow = testpg_url_with(store, sql, "narrow", NULL);
        url = fixture_url(narrow, strchr(b, '#') + 1);
        job = job_of(source_of(0, ROWS), url, 4);
        run = runs_sync(job, NULL);
        assert_run(run, "60 created, 0 updated, 0 deleted, 0 failed, 0 conflicts");
        assert_int_equal(run->result.writers, cases[i].writers);
        run_free(run);
        ls_job_close(job);
        snprintf(sql, sizeof sql, "DROP OWNED BY narrow%u; DROP ROLE narrow%u", cases[i].limit,
                 cases[i].limit);
        testpg_exec(store, sql);
        free(narrow);
        free(store);
    }
}

/* ---- refusals ---- */

static void a_record_that_is_refused_among_several_writers_fails_alone(void **state)
{
    static const unsigned every[] = {29, 7, 1}; /* two; some in most batches; all */
    static const char *const expected[] = {
        "58 created, 0 updated, 0 deleted, 2 failed, 0 conflicts",
        "52 created, 0 updated, 0 deleted, 8 failed, 0 conflicts",
        "0 created, 0 updated, 0 deleted, 60 failed, 0 conflicts",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(every); i++) {
        const char *b = runs_table("postgres", "CREATE TABLE t(id bigint PRIMARY KEY, code text, "
                                               "n bigint CHECK (n < 1000))");

        sync_and_undo(job_of(source_of(every[i], ROWS), b, 4), b, expected[i]);
    }
}

/* Each value stands in many batches, in changing order: writers wait for each other, and some for each other at once. */
static void a_value_that_batches_want_at_once_is_written_once(void **state)
{
    static const char *const constraints[] = {"UNIQUE (code)",
                                              "UNIQUE (code) DEFERRABLE INITIALLY DEFERRED",
                                              "EXCLUDE USING btree (code WITH =)"};
    char ddl[200];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(constraints); i++) {
        const char *b;

        snprintf(ddl, sizeof ddl, "CREATE TABLE t(id bigint PRIMARY KEY, code text, n bigint, %s)",
                 constraints[i]);
        b = runs_table("postgres", ddl);
        sync_and_undo(job_of(source_of(0, 7), b, 4), b,
                      "7 created, 0 updated, 0 deleted, 53 failed, 0 conflicts");
    }
}

/* Each of two batches has one value in the table before it wants the other's, so that each commit waits for the other one. The record
 * whose n is 1000 waits for its like; the default keeps COPY from gathering records before it inserts them. */
static void two_commits_that_wait_for_each_other_end_no_run(void **state)
{
    const char *b = runs_table(
        "postgres",
        "CREATE SEQUENCE met; CREATE FUNCTION meet(n bigint) RETURNS bool LANGUAGE plpgsql SET "
        "search_path FROM CURRENT AS 'BEGIN IF n = 1000 THEN PERFORM nextval(''met''); WHILE "
        "(SELECT last_value FROM met) < 2 LOOP PERFORM pg_sleep(0.001); END LOOP; END IF; RETURN "
        "true; END';"
        "CREATE TABLE t(id bigint PRIMARY KEY, code text, n bigint CHECK (meet(n)), UNIQUE (code) "
        "DEFERRABLE INITIALLY DEFERRED, d float8 DEFAULT random())");
    const char *a = table_in(fixture_memory(), "t",
                             "id:int* code:text n:int\n"
                             "1|x|1\n2|c2|1\n3|c3|1000\n4|y|1\n5|c5|1\n"
                             "6|y|1\n7|c7|1\n8|c8|1000\n9|x|1\n10|c10|1\n");
    struct ls_job *job = job_of(a, b, 2);
    struct fake_journal *j = fake_journal_new();
    struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

    (void)state;
    assert_run(run, "8 created, 0 updated, 0 deleted, 2 failed, 0 conflicts");
    fake_journal_settle(j, b);
    assert_undone(b, j);
    run_free(run);
    fake_journal_free(j);
    ls_job_close(job);
}

static void a_record_that_came_since_is_a_conflict_for_several_writers_too(void **state)
{
    const char *b = runs_table("postgres", PLAIN);
    struct ls_job *job = job_of(source_of(0, ROWS), b, 4);
    struct ls_compare_result compared;
    struct ls_plan *plan = NULL;
    struct ls_error err = {0};
    struct run *run;

    (void)state;
    assert_ok(ls_plan_make(job, NULL, NULL, &plan, &compared, &err), &err);
    runs_sql(b, "INSERT INTO t VALUES (17, 'mine', 0), (23, 'c23', 23)");
    run = runs_apply(job, plan, NULL);
    assert_run(run, "58 created, 0 updated, 0 deleted, 0 failed, 1 conflicts");
    assert_int_equal(count_in(b, "id = 17 AND n = 0"), 1);
    run_free(run);
    ls_job_close(job);
}

/* ---- ends before the end ---- */

/* Whatever call is the last one: what is open is settled, and then undo is exact. */
static void a_kill_with_several_batches_open_leaves_them_to_be_settled(void **state)
{
    size_t most_open = 0;
    bool died = true;

    (void)state;
    for (unsigned at = 1; died; at++) {
        const char *b = runs_table("postgres", PLAIN);
        struct ls_job *job = job_of(source_of(0, ROWS), b, 4);
        struct fake_journal *j = fake_journal_new();
        struct run *run;

        j->die_at = at;
        run = runs_sync(job, &(struct run_options){.journal = &j->journal});
        died = j->dead;
        assert_int_equal(run->rc == LS_OK, !died);
        if (fake_journal_open_count(j) > most_open)
            most_open = fake_journal_open_count(j);
        fake_journal_settle(j, b);
        j->dead = false;
        j->die_at = 0;
        assert_undone(b, j);
        run_free(run);
        fake_journal_free(j);
        ls_job_close(job);
    }
    assert_true(most_open >= 2);
}

static void a_journal_that_fails_stops_all_writers(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= 12; at++) {
        const char *b = runs_table("postgres", PLAIN);
        struct ls_job *job = job_of(source_of(0, ROWS), b, 4);
        struct fake_journal *j = fake_journal_new();
        struct run *run;

        j->fail_at = at;
        run = runs_sync(job, &(struct run_options){.journal = &j->journal});
        assert_int_equal(run->rc, LS_FULL);
        assert_true(run->result.created < ROWS);
        assert_int_equal(count_in(b, "true"), run->result.created);
        fake_journal_settle(j, b);
        assert_undone(b, j);
        run_free(run);
        fake_journal_free(j);
        ls_job_close(job);
    }
}

static void cancel_at_the_third(struct watch *w, uint64_t batch)
{
    if (batch == 3)
        atomic_store(&w->cancel->wanted, true);
}

static void a_cancelled_run_of_several_writers_keeps_what_they_had_begun(void **state)
{
    const char *b = runs_table("postgres", PLAIN);
    struct ls_job *job = job_of(source_of(0, ROWS), b, 4);
    struct ls_cancel cancel = {false};
    struct watch w;
    struct run *run;

    (void)state;
    watch_init(&w, b, cancel_at_the_third);
    w.cancel = &cancel;
    run = runs_sync(job, &(struct run_options){.journal = &w.journal, .cancel = &cancel});
    assert_int_equal(run->rc, LS_OK);
    assert_true(run->result.interrupted);
    assert_in_range(run->result.created, 3 * BATCH, 8 * BATCH);
    assert_int_equal(count_in(b, "true"), run->result.created);
    assert_int_equal(w.open, 0);
    assert_undone(b, w.real);
    run_free(run);
    fake_journal_free(w.real);
    ls_job_close(job);
}

static void take_lock(struct ls_store *writer, void *ctx)
{
    struct ls_error err = {0};

    (void)ctx;
    assert_ok(ls_store_lock(writer, "the run's", &err), &err);
}

/* Who holds the lock is ended by the server while the writers go on. */
static void end_the_holder(struct watch *w, uint64_t batch)
{
    if (batch == 3)
        free(runs_values(w->url,
                         "SELECT pg_terminate_backend(pid, 10000)::text FROM pg_locks WHERE "
                         "locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE "
                         "datname = current_database())"));
}

static void without_its_lock_a_run_commits_nothing_more(void **state)
{
    const char *b = runs_table("postgres", PLAIN);
    struct ls_job *job = job_of(source_of(0, ROWS), b, 4);
    struct watch w;
    struct run *run;

    (void)state;
    watch_init(&w, b, end_the_holder);
    run = runs_sync(job, &(struct run_options){.journal = &w.journal, .prepare = take_lock});
    assert_error(run->rc, &run->err, LS_CONNECT, "the run's lock");
    assert_int_equal(run->result.created, 3 * BATCH); /* the third was on its way */
    assert_int_equal(count_in(b, "true"), 3 * BATCH);
    assert_int_equal(fake_journal_open_count(w.real), 0);
    assert_undone(b, w.real);
    run_free(run);
    fake_journal_free(w.real);
    ls_job_close(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(several_writers_make_the_target_match_and_undo_takes_it_back,
                                  done),
        cmocka_unit_test_teardown(nothing_is_committed_before_its_own_journal_is_durable, done),
        cmocka_unit_test_teardown(what_may_wait_for_itself_is_written_by_one, done),
        cmocka_unit_test_teardown(a_plan_that_does_more_than_insert_is_written_by_one, done),
        cmocka_unit_test_teardown(a_server_without_room_for_more_sessions_is_written_by_fewer,
                                  done),
        cmocka_unit_test_teardown(a_record_that_is_refused_among_several_writers_fails_alone, done),
        cmocka_unit_test_teardown(a_value_that_batches_want_at_once_is_written_once, done),
        cmocka_unit_test_teardown(two_commits_that_wait_for_each_other_end_no_run, done),
        cmocka_unit_test_teardown(a_record_that_came_since_is_a_conflict_for_several_writers_too,
                                  done),
        cmocka_unit_test_teardown(a_kill_with_several_batches_open_leaves_them_to_be_settled, done),
        cmocka_unit_test_teardown(a_journal_that_fails_stops_all_writers, done),
        cmocka_unit_test_teardown(a_cancelled_run_of_several_writers_keeps_what_they_had_begun,
                                  done),
        cmocka_unit_test_teardown(without_its_lock_a_run_commits_nothing_more, done),
    };

    return cmocka_run_group_tests_name("engine/crew", tests, NULL, NULL);
}
