/* SPDX-License-Identifier: Apache-2.0 */
#include "apply_help.h"

const char *const databases[] = {"sqlite", "postgres"};

int apply_done(void **state)
{
    (void)state;
    fixture_done();
    return 0;
}

const char *in_sqlite(const char *text)
{
    return table_in(fixture_sqlite(), "t", text);
}

const char *in_memory(const char *text)
{
    return table_in(fixture_memory(), "t", text);
}

struct ls_job *job_of(const char *source, const char *target, size_t batch_rows)
{
    const struct ls_sync_config more = {.batch_rows = batch_rows};

    return fixture_job(source, target, &more);
}

void fill(const char *url, size_t count, const struct ls_value *records)
{
    char *store = strndup(url, strcspn(url, "#"));

    assert_non_null(store);
    fixture_insert(store, strchr(url, '#') + 1, count, records);
    free(store);
}

void sync_expecting(const char *source, const char *target, size_t batch_rows, const char *counts,
                    uint64_t different)
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
