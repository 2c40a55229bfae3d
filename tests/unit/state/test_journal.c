/* SPDX-License-Identifier: Apache-2.0 */
/* Journals: what goes in comes out, newest first, or not at all. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "state_fixture.h"

static struct ls_journal journal_of(struct fixture *f, const struct ls_run *run)
{
    struct ls_journal j;

    assert_ok(f, ls_state_journal(f->state, run->id, &f->mem, &j, &f->err));
    return j;
}

static void add(struct fixture *f, const struct ls_journal *j, uint64_t batch, const char *text)
{
    assert_ok(f, j->add(j->ctx, batch, text, strlen(text), &f->err));
}

/* A batch with these pieces, to its end. */
static void batch_of(struct fixture *f, const struct ls_journal *j, uint64_t batch, bool committed,
                     const char *const *pieces)
{
    char marker[32];

    snprintf(marker, sizeof marker, "tx%d", (int)batch);
    assert_ok(f, j->open(j->ctx, batch, marker, &f->err));
    for (; *pieces; pieces++)
        add(f, j, batch, *pieces);
    assert_ok(f, j->sync(j->ctx, batch, ONE_OF_EACH, &f->err));
    assert_ok(f, j->close(j->ctx, batch, committed, &f->err));
}
#define BATCH(f, j, n, committed, ...) \
    batch_of(f, j, n, committed, (const char *const[]){__VA_ARGS__, NULL})

static struct ls_journal_source source_of(struct fixture *f, const struct ls_run *run)
{
    struct ls_journal_source s;

    assert_ok(f, ls_state_journal_source(f->state, run->id, &f->mem, &s, &f->err));
    return s;
}

static void assert_next(struct fixture *f, const struct ls_journal_source *s, const char *text)
{
    const void *blob = NULL;
    size_t size = 0;

    assert_ok(f, s->next(s->ctx, &f->mem, &blob, &size, &f->err));
    if (!text) {
        assert_null(blob);
        return;
    }
    assert_non_null(blob);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(blob, text, size);
}

static void committed_batches_come_back_newest_first(void **state)
{
    struct fixture *f = *state;
    const struct ls_run run = begun(f, "s");
    const struct ls_journal j = journal_of(f, &run);
    struct ls_journal_source s;

    BATCH(f, &j, 1, true, "a", "b");
    BATCH(f, &j, 2, true, "c", "", "d");
    s = source_of(f, &run);
    assert_next(f, &s, "d");
    assert_next(f, &s, "");
    assert_next(f, &s, "c");
    assert_next(f, &s, "b");
    assert_next(f, &s, "a");
    assert_next(f, &s, NULL);
    assert_next(f, &s, NULL);
}

static void a_source_can_be_begun_again(void **state)
{
    struct fixture *f = *state;
    const struct ls_run run = begun(f, "s");
    const struct ls_journal j = journal_of(f, &run);
    struct ls_journal_source s;

    BATCH(f, &j, 1, true, "a", "b");
    s = source_of(f, &run);
    assert_next(f, &s, "b");
    s = source_of(f, &run);
    assert_next(f, &s, "b");
    assert_next(f, &s, "a");
    assert_next(f, &s, NULL);
}

static void an_empty_journal_ends_at_once(void **state)
{
    struct fixture *f = *state;
    const struct ls_run run = begun(f, "s");
    const struct ls_journal_source s = source_of(f, &run);

    assert_next(f, &s, NULL);
}

static void aborted_batches_leave_nothing_to_undo(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = begun(f, "s");
    const struct ls_journal j = journal_of(f, &run);
    struct ls_journal_source s;

    BATCH(f, &j, 1, true, "a");
    BATCH(f, &j, 2, false, "b");
    BATCH(f, &j, 3, true, "c");
    assert_ok(f, j.open(j.ctx, 4, "m", &f->err));
    add(f, &j, 4, "given up before it was synced");
    assert_ok(f, j.close(j.ctx, 4, false, &f->err));
    BATCH(f, &j, 5, true, "d");
    ended(f, &run, LS_RUN_COMPLETED);
    s = source_of(f, &run);
    assert_next(f, &s, "d");
    assert_next(f, &s, "c");
    assert_next(f, &s, "a");
    assert_next(f, &s, NULL);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}journal_blobs"), 3);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}journals WHERE stored_bytes = "
                                      "(SELECT sum(length(data)) FROM {schema}journal_blobs)"),
                     1);
}

static void a_batch_that_journals_nothing_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    const struct ls_run run = begun(f, "s");
    const struct ls_journal j = journal_of(f, &run);

    assert_ok(f, j.open(j.ctx, 1, "m", &f->err));
    assert_ok(f, j.sync(j.ctx, 1, ONE_OF_EACH, &f->err));
    assert_ok(f, j.close(j.ctx, 1, true, &f->err));
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}journal_batches"), 0);
}

/* Bytes that do not compress, the same for the same seed. */
static char *noise(struct ls_arena *mem, size_t size, uint64_t seed)
{
    char *ret = ls_arena_alloc(mem, size + 1);

    assert_non_null(ret);
    for (size_t i = 0; i < size; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        ret[i] = (char)(seed >> 56);
    }
    return ret;
}

static void pieces_of_any_size_come_back_whole(void **state)
{
    static const size_t sizes[] = {0,       1,       (1 << 20) - 5, (1 << 20) - 4, (1 << 20) - 3,
                                   1 << 20, 1000000, (1 << 20) + 1, 3 << 20,       9000001};
    const size_t count = sizeof sizes / sizeof sizes[0];
    struct fixture *f = *state;
    struct ls_run run = begun(f, "s");
    const struct ls_journal j = journal_of(f, &run);
    struct ls_journal_source s;
    char *data = noise(&f->mem, 9000001, 7);

    assert_ok(f, j.open(j.ctx, 1, "m", &f->err));
    for (size_t i = 0; i < count; i++) {
        assert_ok(f, j.add(j.ctx, 1, data + i, sizes[i] > i ? sizes[i] - i : 0, &f->err));
        assert_ok(f, j.add(j.ctx, 1, "small", 5, &f->err));
    }
    assert_ok(f, j.sync(j.ctx, 1, ONE_OF_EACH, &f->err));
    assert_ok(f, j.close(j.ctx, 1, true, &f->err));
    assert_true(number_behind(f, "SELECT max(raw_bytes) FROM {schema}journal_blobs") <= 1 << 20);
    s = source_of(f, &run);
    for (size_t i = count; i-- > 0;) {
        const void *blob = NULL;
        size_t size = 0;

        assert_next(f, &s, "small");
        assert_ok(f, s.next(s.ctx, &f->mem, &blob, &size, &f->err));
        assert_non_null(blob);
        assert_int_equal(size, sizes[i] > i ? sizes[i] - i : 0);
        assert_true(size == 0 || memcmp(blob, data + i, size) == 0);
    }
    assert_next(f, &s, NULL);
}

static void what_is_synced_survives_the_handle(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = begun(f, "s");
    struct ls_journal j = journal_of(f, &run);
    struct ls_journal_source s;

    BATCH(f, &j, 1, true, "a");
    reopen(f);
    j = journal_of(f, &run);
    BATCH(f, &j, 2, true, "b");
    reopen(f);
    s = source_of(f, &run);
    assert_next(f, &s, "b");
    assert_next(f, &s, "a");
    assert_next(f, &s, NULL);
}

static void an_undo_reads_one_journal_and_writes_another(void **state)
{
    struct fixture *f = *state;
    struct ls_run old = begun(f, "s"), run;
    struct ls_journal j = journal_of(f, &old);
    struct ls_journal_source s;
    char text[16];

    for (unsigned i = 1; i <= 20; i++) {
        snprintf(text, sizeof text, "old %u", i);
        BATCH(f, &j, i, true, text);
    }
    ended(f, &old, LS_RUN_COMPLETED);
    run = begun(f, "s");
    j = journal_of(f, &run);
    s = source_of(f, &old);
    for (unsigned i = 20; i >= 1; i--) {
        snprintf(text, sizeof text, "old %u", i);
        assert_next(f, &s, text);
        snprintf(text, sizeof text, "undo %u", i);
        BATCH(f, &j, 21 - i, true, text);
    }
    assert_next(f, &s, NULL);
    s = source_of(f, &run);
    for (unsigned i = 1; i <= 20; i++) {
        snprintf(text, sizeof text, "undo %u", i);
        assert_next(f, &s, text);
    }
    assert_next(f, &s, NULL);
}

/* ---- open batches ---- */

static struct ls_open_batch *open_batches(struct fixture *f, const char *sync, size_t expected)
{
    struct ls_open_batch *open = NULL;
    size_t count = 99;

    assert_ok(f, ls_state_open_batches(f->state, sync, NULL, &f->mem, &count, &open, &f->err));
    assert_int_equal(count, expected);
    return open;
}

static void a_batch_that_was_not_closed_is_found_and_settled(void **state)
{
    struct fixture *f = *state;
    const struct ls_run run = begun(f, "s");
    const struct ls_journal j = journal_of(f, &run);
    struct ls_open_batch *open;
    struct ls_journal_source s;
    const void *blob;
    size_t size;

    BATCH(f, &j, 1, true, "a");
    for (uint64_t batch = 2; batch <= 3; batch++) {
        assert_ok(f, j.open(j.ctx, batch, batch == 2 ? "mark two" : "mark three", &f->err));
        add(f, &j, batch, batch == 2 ? "b" : "c");
        assert_ok(f, j.sync(j.ctx, batch, ONE_OF_EACH, &f->err));
    }
    reopen(f);
    open_batches(f, "another", 0);
    open = open_batches(f, "s", 2);
    assert_string_equal(open[0].run_id, run.id);
    assert_string_equal(open[0].marker, "mark two");
    assert_int_equal(open[0].batch, 2);
    assert_string_equal(open[1].marker, "mark three");
    s = source_of(f, &run);
    assert_code(f, LS_INTERNAL, s.next(s.ctx, &f->mem, &blob, &size, &f->err));
    assert_ok(f, ls_state_batch_settle(f->state, run.id, 2, true, &f->err));
    assert_ok(f, ls_state_batch_settle(f->state, run.id, 3, false, &f->err));
    assert_ok(f, ls_state_batch_settle(f->state, run.id, 3, false, &f->err));
    assert_code(f, LS_INTERNAL, ls_state_batch_settle(f->state, run.id, 3, true, &f->err));
    open_batches(f, "s", 0);
    s = source_of(f, &run);
    assert_next(f, &s, "b");
    assert_next(f, &s, "a");
    assert_next(f, &s, NULL);
}

static void synced(struct fixture *f, const struct ls_journal *j, uint64_t batch, const char *text)
{
    assert_ok(f, j->open(j->ctx, batch, text, &f->err));
    add(f, j, batch, text);
    assert_ok(f, j->sync(j->ctx, batch, ONE_OF_EACH, &f->err));
}

/* As several writers have them. */
static void several_batches_may_be_open_and_end_in_any_order(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = begun(f, "s");
    const struct ls_journal j = journal_of(f, &run);
    struct ls_journal_source s;

    for (uint64_t batch = 1; batch <= 5; batch++)
        synced(f, &j, batch, (const char *const[]){"", "a", "b", "c", "d", "e"}[batch]);
    assert_ok(f, j.close(j.ctx, 2, true, &f->err));
    assert_ok(f, j.close(j.ctx, 5, true, &f->err)); /* the one at hand */
    assert_ok(f, j.close(j.ctx, 1, true, &f->err));
    assert_ok(f, j.close(j.ctx, 3, false, &f->err));
    assert_code(f, LS_INTERNAL, j.close(j.ctx, 3, false, &f->err));
    synced(f, &j, 6, "f");
    assert_ok(f, j.close(j.ctx, 4, true, &f->err));
    ended(f, &run, LS_RUN_INTERRUPTED);
    assert_string_equal(open_batches(f, "s", 1)->marker, "f");
    assert_ok(f, ls_state_batch_settle(f->state, run.id, 6, true, &f->err));
    s = source_of(f, &run);
    for (size_t i = 0; i < 5; i++)
        assert_next(f, &s, (const char *const[]){"f", "e", "d", "b", "a"}[i]);
    assert_next(f, &s, NULL);
}

static void saving_the_run_closes_its_last_batch_durably(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = begun(f, "s");
    const struct ls_journal j = journal_of(f, &run);

    BATCH(f, &j, 1, true, "a");
    assert_int_equal(
        number_behind(f, "SELECT count(*) FROM {schema}journal_batches WHERE state = 0"), 1);
    ended(f, &run, LS_RUN_COMPLETED);
    assert_int_equal(
        number_behind(f, "SELECT count(*) FROM {schema}journal_batches WHERE state = 0"), 0);
}

static void the_blobs_are_on_disk_when_sync_returns(void **state)
{
    struct fixture *f = *state;
    const struct ls_run run = begun(f, "s");
    const struct ls_journal j = journal_of(f, &run);

    assert_ok(f, j.open(j.ctx, 1, "m", &f->err));
    add(f, &j, 1, "a");
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}journal_blobs"), 0);
    assert_ok(f, j.sync(j.ctx, 1, ONE_OF_EACH, &f->err));
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}journal_blobs"), 1);
}

static void calls_for_a_batch_that_is_not_open_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct ls_run run = begun(f, "s");
    const struct ls_journal j = journal_of(f, &run);

    assert_code(f, LS_INTERNAL, j.add(j.ctx, 1, "a", 1, &f->err));
    assert_code(f, LS_INTERNAL, j.sync(j.ctx, 1, ONE_OF_EACH, &f->err));
    assert_code(f, LS_INTERNAL, j.close(j.ctx, 1, true, &f->err));
    assert_ok(f, j.open(j.ctx, 2, "m", &f->err));
    assert_code(f, LS_INTERNAL, j.add(j.ctx, 1, "a", 1, &f->err));
}

static void a_large_batch_is_written_as_it_grows_and_can_be_taken_back(void **state)
{
    struct fixture *f = *state;
    const struct ls_run run = begun(f, "s");
    const struct ls_journal j = journal_of(f, &run);
    const size_t size = 1 << 20;
    char *data = noise(&f->mem, size, 3);
    struct ls_journal_source s;

    BATCH(f, &j, 1, true, "a");
    assert_ok(f, j.open(j.ctx, 2, "m", &f->err));
    for (int i = 0; i < 7; i++)
        assert_ok(f, j.add(j.ctx, 2, data, size, &f->err));
    assert_true(number_behind(f, "SELECT count(*) FROM {schema}journal_blobs WHERE batch = 2") > 0);
    reopen(f);
    open_batches(f, "s", 1);
    assert_ok(f, ls_state_batch_settle(f->state, run.id, 2, false, &f->err));
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}journal_blobs WHERE batch = 2"),
                     0);
    s = source_of(f, &run);
    assert_next(f, &s, "a");
    assert_next(f, &s, NULL);
}

static void a_full_disk_is_said_and_loses_nothing(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = begun(f, "s");
    const struct ls_journal j = journal_of(f, &run);
    struct rlimit before, small;
    struct ls_journal_source s;
    char *data = noise(&f->mem, 3 << 20, 3);

    BATCH(f, &j, 1, true, "a");
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_ok(f, j.open(j.ctx, 2, "m", &f->err));
    assert_ok(f, j.add(j.ctx, 2, data, 3 << 20, &f->err));
    assert_code(f, LS_FULL, j.sync(j.ctx, 2, ONE_OF_EACH, &f->err));
    assert_ok(f, j.close(j.ctx, 2, false, &f->err));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    BATCH(f, &j, 3, true, "b");
    ended(f, &run, LS_RUN_PARTIAL);
    reopen(f);
    s = source_of(f, &run);
    assert_next(f, &s, "b");
    assert_next(f, &s, "a");
    assert_next(f, &s, NULL);
}

/* ---- any history ---- */

struct model {
    struct {
        uint64_t seed;
        size_t size;
    } pieces[400];
    size_t count, at_open; /* pieces before the batch at hand */
};

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % below;
}

static void add_pieces(struct fixture *f, const struct ls_journal *j, uint64_t batch,
                       struct model *m, uint64_t *seed)
{
    const uint64_t pieces = draw(seed, 6);

    for (uint64_t i = 0; i < pieces; i++) {
        const size_t size = (size_t)draw(seed, draw(seed, 20) ? 3000 : 2500000);
        const uint64_t of = draw(seed, 1000000);
        struct ls_arena mem;

        ls_arena_init(&mem, 0);
        assert_ok(f, j->add(j->ctx, batch, noise(&mem, size, of), size, &f->err));
        ls_arena_done(&mem);
        m->pieces[m->count].seed = of;
        m->pieces[m->count++].size = size;
    }
}

/* One batch with a random end: committed, aborted before or after its sync, or lost with the process. */
static void random_batch(struct fixture *f, struct ls_run *run, struct ls_journal *j,
                         uint64_t batch, struct model *m, uint64_t *seed)
{
    const uint64_t end = draw(seed, 5);
    struct ls_open_batch *open = NULL;
    size_t count = 0;
    bool committed = end < 3;

    m->at_open = m->count;
    assert_ok(f, j->open(j->ctx, batch, "m", &f->err));
    add_pieces(f, j, batch, m, seed);
    if (end != 3)
        assert_ok(f, j->sync(j->ctx, batch, ONE_OF_EACH, &f->err));
    if (end != 4) {
        assert_ok(f, j->close(j->ctx, batch, committed, &f->err));
    } else {
        reopen(f);
        *j = journal_of(f, run);
        assert_ok(f, ls_state_open_batches(f->state, "s", NULL, &f->mem, &count, &open, &f->err));
        assert_int_equal(count, m->count > m->at_open);
        committed = draw(seed, 2);
        if (count)
            assert_ok(f,
                      ls_state_batch_settle(f->state, run->id, open[0].batch, committed, &f->err));
    }
    if (!committed)
        m->count = m->at_open;
}

static void assert_reads_as(struct fixture *f, const struct ls_run *run, const struct model *m)
{
    const struct ls_journal_source s = source_of(f, run);

    for (size_t i = m->count; i-- > 0;) {
        struct ls_arena mem;
        const void *blob = NULL;
        size_t size = 0;

        ls_arena_init(&mem, 0);
        assert_ok(f, s.next(s.ctx, &mem, &blob, &size, &f->err));
        assert_non_null(blob);
        assert_int_equal(size, m->pieces[i].size);
        assert_true(size == 0 || memcmp(blob, noise(&mem, size, m->pieces[i].seed), size) == 0);
        ls_arena_done(&mem);
    }
    assert_next(f, &s, NULL);
}

static void any_history_reads_back_as_it_was(void **state)
{
    struct fixture *f = *state;

    for (uint64_t seed = 1; seed <= 5; seed++) {
        static struct model m;
        struct ls_run run = begun(f, "s");
        struct ls_journal j = journal_of(f, &run);
        uint64_t rng = seed;

        m.count = 0;
        for (uint64_t batch = 1; batch <= 25; batch++)
            random_batch(f, &run, &j, batch, &m, &rng);
        assert_reads_as(f, &run, &m);
        ended(f, &run, LS_RUN_COMPLETED);
        assert_reads_as(f, &run, &m);
    }
}

/* ---- damage ---- */

/* Each breaks what a journal of two batches needs. */
static const char *const damage[] = {
    "UPDATE {schema}journal_blobs SET data = (SELECT data FROM {schema}journal_blobs WHERE batch = "
    "1) WHERE batch = 2",
    "UPDATE {schema}journal_blobs SET raw_bytes = raw_bytes + 1 WHERE batch = 2",
    "UPDATE {schema}journal_blobs SET seq = 1 WHERE batch = 2",
    "DELETE FROM {schema}journal_blobs WHERE batch = 1",
    "DELETE FROM {schema}journal_batches WHERE batch = 2",
    "DELETE FROM {schema}journal_batches WHERE batch = 1",
    "DELETE FROM {schema}journals",
    "UPDATE {schema}journals SET last_batch = 1",
    "UPDATE {schema}journals SET kept = 0",
    "UPDATE {schema}journal_batches SET state = 2 WHERE batch = 1",
    "UPDATE {schema}journal_batches SET blobs = 0 WHERE batch = 1",
    "UPDATE {schema}journal_batches SET prev = 0 WHERE batch = 2",
    "UPDATE {schema}journal_batches SET marker = 'x' WHERE batch = 2",
    "UPDATE {schema}journal_batches SET created = 0, updated = 0, deleted = 0 WHERE batch = 2",
    "UPDATE {schema}journal_batches SET updated = 5 WHERE batch = 1",
    "UPDATE {schema}runs SET number = 7",
    "UPDATE {schema}runs SET digest = 'x'",
};

static enum ls_code read_all(struct fixture *f, const struct ls_run *run)
{
    struct ls_journal_source s;
    const void *blob = NULL;
    size_t size;
    enum ls_code rc = ls_state_journal_source(f->state, run->id, &f->mem, &s, &f->err);

    do {
        if (rc == LS_OK)
            rc = s.next(s.ctx, &f->mem, &blob, &size, &f->err);
    } while (rc == LS_OK && blob);
    return rc;
}

static void every_change_to_a_journal_is_noticed(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        struct ls_run run = begun(f, "s");
        struct ls_journal j = journal_of(f, &run);

        BATCH(f, &j, 1, true, "a");
        BATCH(f, &j, 2, true, "b");
        ended(f, &run, LS_RUN_COMPLETED);
        assert_ok(f, read_all(f, &run));
        behind(f, damage[i]);
        if (read_all(f, &run) != LS_CORRUPT) {
            print_error("not noticed: %s (%s)\n", damage[i], f->err.text);
            fail();
        }
        assert_said(f, "Restore a copy");
        behind(f, "DELETE FROM {schema}journal_blobs");
        behind(f, "DELETE FROM {schema}journal_batches");
        behind(f, "DELETE FROM {schema}journals");
        behind(f, "DELETE FROM {schema}runs");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(committed_batches_come_back_newest_first),
        ON_BOTH(a_source_can_be_begun_again),
        ON_BOTH(an_empty_journal_ends_at_once),
        ON_BOTH(aborted_batches_leave_nothing_to_undo),
        ON_BOTH(a_batch_that_journals_nothing_leaves_no_trace),
        ON_BOTH(pieces_of_any_size_come_back_whole),
        ON_BOTH(what_is_synced_survives_the_handle),
        ON_BOTH(an_undo_reads_one_journal_and_writes_another),
        ON_BOTH(a_batch_that_was_not_closed_is_found_and_settled),
        ON_BOTH(several_batches_may_be_open_and_end_in_any_order),
        ON_BOTH(saving_the_run_closes_its_last_batch_durably),
        ON_BOTH(the_blobs_are_on_disk_when_sync_returns),
        ON_BOTH(calls_for_a_batch_that_is_not_open_are_refused),
        ON_BOTH(a_large_batch_is_written_as_it_grows_and_can_be_taken_back),
        ON_SQLITE(a_full_disk_is_said_and_loses_nothing),
        ON_BOTH(any_history_reads_back_as_it_was),
        ON_BOTH(every_change_to_a_journal_is_noticed),
    };

    return cmocka_run_group_tests_name("state/journal", tests, NULL, NULL);
}
