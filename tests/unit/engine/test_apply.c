/* SPDX-License-Identifier: Apache-2.0 */
/* test_apply.c - carrying out plans: batches, refusals, values that change places, faults at every step. */
#include "engine/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/testpg.h"
#include "runs.h"
#include "tables.h"

static int done(void **state)
{
    (void)state;
    fixture_done();
    return 0;
}

/* A table of its own for each test: a file, or a name in the one database. */
static const char *in_sqlite(const char *text)
{
    return table_in(fixture_sqlite(), "t", text);
}

static const char *in_memory(const char *text)
{
    return table_in(fixture_memory(), "t", text);
}

static const char *in_postgres(const char *text)
{
    static unsigned made;
    char name[20];

    snprintf(name, sizeof name, "t%u", ++made);
    return table_in(fixture_postgres(), name, text);
}

static struct ls_job *job_of(const char *source, const char *target, size_t batch_rows)
{
    const struct ls_sync_config more = {.batch_rows = batch_rows};

    return fixture_job(source, target, &more);
}

static void a_plan_makes_the_target_match(void **state)
{
    const char *a = in_memory("id:int* name:text\n1|one\n2|two\n3|three\n");
    const char *b = in_sqlite("id:int* name:text note:text\n2|zwei|x\n3|three|y\n4|four|z\n");
    struct ls_job *job = job_of(a, b, 0);
    struct fake_journal *j = fake_journal_new();
    struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

    (void)state;
    assert_run(run, "1 created, 1 updated, 1 deleted, 0 failed, 0 conflicts");
    assert_int_equal(run->verified_different, 0);
    assert_int_equal(run->result.batches, 1);
    assert_string_equal(ls_buf_str(&j->log), "open add sync close+ ");
    assert_dump(b, "1 integer, 'one' text, NULL null, \n2 integer, 'two' text, 'x' text, \n"
                   "3 integer, 'three' text, 'y' text, \n");
    assert_sync_is(job, 0);
    run_free(run);
    fake_journal_free(j);
    ls_job_close(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_plan_makes_the_target_match, done),
    };

    return cmocka_run_group_tests_name("engine/apply", tests, NULL, NULL);
}
