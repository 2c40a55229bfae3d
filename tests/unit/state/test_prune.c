/* SPDX-License-Identifier: Apache-2.0 */
/* Pruning: which journals go, and that the file gets smaller. */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "state_fixture.h"

#define DAY ((int64_t)86400 * 1000000)

/* A finished run of `sync` with one batch of `size` bytes that do not compress, finished at that time. */
static struct ls_run run_of(struct fixture *f, const char *sync, int64_t finished_us, size_t size)
{
    struct ls_run run = begun(f, sync);
    struct ls_journal j;
    uint64_t seed = (uint64_t)run.number;
    char *data = ls_arena_alloc(&f->mem, size);

    assert_non_null(data);
    for (size_t i = 0; i < size; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        data[i] = (char)(seed >> 56);
    }
    assert_ok(f, ls_state_journal(f->state, run.id, &f->mem, &j, &f->err));
    assert_ok(f, j.open(j.ctx, 1, "m", &f->err));
    assert_ok(f, j.add(j.ctx, 1, data, size, &f->err));
    assert_ok(f, j.sync(j.ctx, 1, ONE_OF_EACH, &f->err));
    assert_ok(f, j.close(j.ctx, 1, true, &f->err));
    run.status = LS_RUN_COMPLETED;
    run.finished_us = finished_us;
    assert_ok(f, ls_state_run_save(f->state, &run, &f->err));
    return run;
}

static bool kept(struct fixture *f, const struct ls_run *run)
{
    struct ls_journal_source s;
    const enum ls_code rc = ls_state_journal_source(f->state, run->id, &f->mem, &s, &f->err);

    if (rc == LS_OK)
        return true;
    assert_code(f, LS_NOT_FOUND, rc);
    assert_said(f, "pruned");
    return false;
}

static uint64_t prune(struct fixture *f, int days, int64_t bytes, int64_t now_us,
                      int64_t *ret_bytes)
{
    uint64_t runs = 99;

    assert_ok(f, ls_state_prune(f->state, days, bytes, now_us, &runs, ret_bytes, &f->err));
    return runs;
}

static void journals_go_when_they_are_old(void **state)
{
    struct fixture *f = *state;
    const int64_t now = 1000 * DAY;
    const struct ls_run old = run_of(f, "a", now - 31 * DAY, 1000);
    const struct ls_run young = run_of(f, "a", now - 29 * DAY, 1000);
    struct ls_run found;
    int64_t bytes = 0;

    assert_int_equal(prune(f, 0, 0, now, &bytes), 1); /* the default is 30 days */
    assert_true(bytes >= 1000 && bytes < 1100);
    assert_false(kept(f, &old));
    assert_true(kept(f, &young));
    assert_int_equal(prune(f, 0, 0, now, &bytes), 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(prune(f, 28, 0, now, &bytes), 1);
    assert_false(kept(f, &young));
    assert_ok(f, ls_state_run_find(f->state, "1", &f->mem, &found, &f->err));
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}journal_batches"), 0);
}

static void more_days_than_there_have_been_keep_every_journal(void **state)
{
    struct fixture *f = *state;
    const int64_t now = 1000 * DAY;
    const struct ls_run old = run_of(f, "a", now - 999 * DAY, 1000);
    int64_t bytes = 0;

    assert_int_equal(prune(f, INT_MAX, 0, now, &bytes), 0);
    assert_true(kept(f, &old));
}

static void the_oldest_journals_go_until_the_rest_fits(void **state)
{
    struct fixture *f = *state;
    const int64_t now = 1000 * DAY;
    struct ls_run runs[4];
    int64_t bytes = 0;

    for (int i = 0; i < 4; i++)
        runs[i] = run_of(f, i % 2 ? "a" : "b", now - 4 + i, 100000);
    assert_int_equal(prune(f, 0, 250000, now, &bytes), 2);
    assert_true(bytes >= 200000 && bytes < 201000);
    for (int i = 0; i < 4; i++)
        assert_int_equal(kept(f, &runs[i]), i >= 2);
}

static void what_may_still_be_needed_stays(void **state)
{
    struct fixture *f = *state;
    struct ls_state *other = another(f);
    struct ls_state_lock *lock = NULL;
    const struct ls_run at_work = run_of(f, "locked", 1, 1000), open = run_of(f, "open", 1, 1000);
    struct ls_run running = begun(f, "running");
    struct ls_journal j;
    int64_t bytes = 0;

    assert_ok(f, ls_state_journal(f->state, running.id, &f->mem, &j, &f->err));
    assert_ok(f, j.open(j.ctx, 1, "m", &f->err));
    assert_ok(f, j.add(j.ctx, 1, "a", 1, &f->err));
    assert_ok(f, j.sync(j.ctx, 1, ONE_OF_EACH, &f->err));
    assert_ok(f, j.close(j.ctx, 1, true, &f->err));
    behind(f, "UPDATE {schema}journal_batches SET state = 0 WHERE run = 2");
    assert_ok(f, ls_state_lock(other, "locked", &lock, &f->err));
    assert_int_equal(prune(f, 1, 1, 1000 * DAY, &bytes), 0);
    assert_true(kept(f, &at_work) && kept(f, &open) && kept(f, &running));
    ls_state_unlock(lock);
    ls_state_close(other);
    assert_int_equal(prune(f, 1, 1, 1000 * DAY, &bytes), 1);
    assert_false(kept(f, &at_work));
}

static void a_source_says_when_its_journal_was_pruned_meanwhile(void **state)
{
    struct fixture *f = *state;
    const struct ls_run run = run_of(f, "a", 1, 1000);
    struct ls_journal_source s;
    const void *blob;
    size_t size;
    int64_t bytes = 0;

    assert_ok(f, ls_state_journal_source(f->state, run.id, &f->mem, &s, &f->err));
    assert_int_equal(prune(f, 0, 0, 1000 * DAY, &bytes), 1);
    assert_code(f, LS_NOT_FOUND, s.next(s.ctx, &f->mem, &blob, &size, &f->err));
    assert_said(f, "pruned");
}

static void the_file_gets_smaller(void **state)
{
    struct fixture *f = *state;
    struct stat before, now;
    int64_t bytes = 0;

    for (int i = 0; i < 8; i++)
        (void)run_of(f, "a", 1, 1 << 20);
    reopen(f); /* moves the WAL into the file */
    assert_int_equal(stat(f->url, &before), 0);
    assert_true(before.st_size > 8 << 20);
    assert_int_equal(prune(f, 0, 0, 1000 * DAY, &bytes), 8);
    assert_int_equal(stat(f->url, &now), 0);
    assert_true(now.st_size < 1 << 20);
}

static void a_file_that_cannot_shrink_is_pruned_all_the_same(void **state)
{
    struct fixture *f = *state;
    const struct ls_run run = run_of(f, "a", 1, 1 << 20);
    int64_t bytes = 0;

    ls_state_close(f->state);
    behind(f, "PRAGMA auto_vacuum = NONE; VACUUM");
    f->state = another(f);
    assert_int_equal(prune(f, 0, 0, 1000 * DAY, &bytes), 1);
    assert_false(kept(f, &run));
    assert_true(number_behind(f, "PRAGMA freelist_count") > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(journals_go_when_they_are_old),
        ON_BOTH(more_days_than_there_have_been_keep_every_journal),
        ON_BOTH(the_oldest_journals_go_until_the_rest_fits),
        ON_BOTH(what_may_still_be_needed_stays),
        ON_BOTH(a_source_says_when_its_journal_was_pruned_meanwhile),
        ON_SQLITE(the_file_gets_smaller),
        ON_SQLITE(a_file_that_cannot_shrink_is_pruned_all_the_same),
    };

    return cmocka_run_group_tests_name("state/prune", tests, NULL, NULL);
}
