/* SPDX-License-Identifier: Apache-2.0 */
/* test_apply_faults.c - a run that is cancelled, fails or dies: what was written is known, and undone exactly. */
#include "apply_help.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_cancelled_run_ends_after_its_batch, apply_done),
        cmocka_unit_test_teardown(a_cancelled_run_tries_nothing_again, apply_done),
        cmocka_unit_test_teardown(a_cancelled_atomic_run_changes_nothing, apply_done),
        cmocka_unit_test_teardown(a_piece_of_the_journal_stays_small, apply_done),
        cmocka_unit_test_teardown(whatever_call_fails_undo_is_exact, apply_done),
        cmocka_unit_test_teardown(a_commit_without_an_answer_stays_open_and_is_settled, apply_done),
        cmocka_unit_test_teardown(a_batch_taken_for_committed_does_no_harm, apply_done),
    };

    return cmocka_run_group_tests_name("engine/apply_faults", tests, NULL, NULL);
}
