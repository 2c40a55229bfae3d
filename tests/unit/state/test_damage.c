/* SPDX-License-Identifier: Apache-2.0 */
/* A state file with flipped bits: what is read is right, or it is an error.
 *
 * One state is made and kept as bytes; then, a few hundred times, some bits of a copy are flipped
 * (chosen by a seed that a failure prints) and everything is read that can be. In the pages that have
 * SQLite's header and the schema one bit is flipped at a time, and whatever fails then has to
 * say that the state is damaged. LOCKSTEP_TEST_ROUNDS makes it more; 32768 a page flips each bit of them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "state_fixture.h"

#define ROUNDS 300
#define PAGE 4096
#define SCHEMA_PAGES 32 /* at most */
#define RUNS 4
#define BATCHES 6

struct world {
    struct fixture *f;
    struct ls_run runs[RUNS];
    const char *receipts[RUNS];
    struct ls_audit *audit;
    size_t audit_count;
};

/* What batch b of run r journaled: long enough that blobs take several pages. */
static size_t piece(char *out, size_t room, int64_t run, int batch)
{
    size_t size = 0;

    for (int line = 0; line < 120 + 40 * batch; line++)
        size += (size_t)snprintf(out + size, room - size, "%" PRId64 ":%d:%d:%d\n", run, batch,
                                 line, line * line * 7919 % 10007);
    return size;
}

static char *image_of(struct fixture *f, size_t *ret_size)
{
    FILE *file = fopen(f->url, "rb");
    char *data = ls_arena_alloc(&f->mem, 4 << 20);

    assert_true(file && data);
    *ret_size = fread(data, 1, 4 << 20, file);
    assert_int_equal(fclose(file), 0);
    return data;
}

static void make_world(struct fixture *f, struct world *w)
{
    char text[16000];

    struct ls_state_lock *lock = NULL;

    *w = (struct world){.f = f};
    assert_ok(f, ls_state_lock(f->state, "s", &lock, &f->err)); /* as each run does */
    ls_state_unlock(lock);
    for (int r = 0; r < RUNS; r++) {
        struct ls_run *run = &w->runs[r];
        struct ls_journal j;

        *run = begun(f, "s");
        assert_ok(f, ls_state_journal(f->state, run->id, &f->mem, &j, &f->err));
        for (int b = 1; b <= BATCHES; b++) {
            const size_t size = piece(text, sizeof text, run->number, b);

            assert_ok(f, j.open(j.ctx, (uint64_t)b, "marker", &f->err));
            assert_ok(f, j.add(j.ctx, (uint64_t)b, text, size, &f->err));
            assert_ok(f, j.sync(j.ctx, (uint64_t)b, ONE_OF_EACH, &f->err));
            assert_ok(f, j.close(j.ctx, (uint64_t)b, b != 3, &f->err)); /* 3 was aborted */
        }
        ended(f, run, LS_RUN_COMPLETED);
        assert_ok(f, ls_state_receipt_add(f->state, run->id,
                                          ls_arena_printf(&f->mem, "{\"id\":\"%s\"}", run->id),
                                          &f->err));
        assert_ok(f, ls_state_receipt_get(f->state, run->id, &f->mem, &w->receipts[r], &f->err));
        for (int i = 0; i < 5; i++)
            assert_ok(f, ls_state_audit_add(f->state, "me", "sync", "s", "{}", &f->err));
    }
    assert_ok(f, ls_state_audit_list(f->state, 1000, &f->mem, &w->audit_count, &w->audit, &f->err));
    ls_state_close(f->state);
    f->state = NULL;
}

/* ---- everything is read; what is read must be right ---- */

static enum ls_code read_journal(struct ls_state *state, const struct ls_run *run,
                                 struct ls_arena *mem, struct ls_error *err)
{
    static char text[16000];
    struct ls_journal_source s;
    enum ls_code rc = ls_state_journal_source(state, run->id, mem, &s, err);

    for (int b = BATCHES; rc == LS_OK && b >= 0; b--) {
        const void *blob = NULL;
        size_t size = 0;

        if (b == 3)
            continue;
        rc = s.next(s.ctx, mem, &blob, &size, err);
        if (rc != LS_OK)
            break;
        if (b == 0) {
            assert_null(blob);
            break;
        }
        assert_non_null(blob);
        assert_int_equal(size, piece(text, sizeof text, run->number, b));
        assert_memory_equal(blob, text, size);
    }
    return rc;
}

static enum ls_code read_audit(struct ls_state *state, const struct world *w, struct ls_arena *mem,
                               struct ls_error *err)
{
    struct ls_audit *list = NULL;
    size_t count = 0;
    enum ls_code rc = ls_state_audit_list(state, 1000, mem, &count, &list, err);

    if (rc != LS_OK)
        return rc;
    assert_int_equal(count, w->audit_count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(list[i].seq, w->audit[i].seq);
        assert_int_equal(list[i].at_us, w->audit[i].at_us);
        assert_string_equal(list[i].actor, w->audit[i].actor);
        assert_string_equal(list[i].action, w->audit[i].action);
        assert_string_equal(list[i].subject, w->audit[i].subject);
        assert_string_equal(list[i].detail_json, w->audit[i].detail_json);
    }
    return rc;
}

static enum ls_code read_receipt(struct ls_state *state, const struct world *w, int r,
                                 struct ls_arena *mem, struct ls_error *err)
{
    const char *json = NULL;
    enum ls_code rc = ls_state_receipt_get(state, w->runs[r].id, mem, &json, err);

    if (rc == LS_OK)
        assert_string_equal(json, w->receipts[r]);
    return rc;
}

/* How many of the reads failed. */
static unsigned read_everything(const struct world *w, struct ls_state *state)
{
    struct ls_arena mem;
    struct ls_error err;
    uint64_t count = 0;
    unsigned failed = 0;

    ls_arena_init(&mem, 0);
    for (int r = 0; r < RUNS; r++) {
        failed += read_journal(state, &w->runs[r], &mem, &err) != LS_OK;
        failed += read_receipt(state, w, r, &mem, &err) != LS_OK;
    }
    failed += read_audit(state, w, &mem, &err) != LS_OK;
    failed += ls_state_audit_verify(state, &count, &err) != LS_OK;
    ls_arena_done(&mem);
    return failed;
}

static void flip(char *data, size_t size, uint64_t seed)
{
    unsigned bits = 1 + (unsigned)(seed % 4);

    while (bits--) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        data[(seed >> 20) % size] ^= (char)(1u << (seed >> 60 & 7));
    }
}

static void put_in_place(const char *path, const char *data, size_t size)
{
    char beside[600];
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    snprintf(beside, sizeof beside, "%s-wal", path);
    unlink(beside);
    snprintf(beside, sizeof beside, "%s-shm", path);
    unlink(beside);
}

static unsigned round_of(const struct world *w, char *data, size_t size)
{
    const char *path = w->f->url;
    struct ls_state *state = NULL;
    struct ls_error err;
    unsigned failed = 1;

    put_in_place(path, data, size);
    if (ls_state_open(path, false, &state, &err) == LS_OK)
        failed = read_everything(w, state);
    ls_state_close(state);
    return failed;
}

static unsigned long at_seed; /* 0: not in a round */

static int after_rounds(void **state)
{
    if (at_seed)
        print_error("the seed was %lu\n", at_seed);
    return after(state);
}

static unsigned long rounds_wanted(unsigned long fallback)
{
    const char *wanted = getenv("LOCKSTEP_TEST_ROUNDS");

    return wanted ? strtoul(wanted, NULL, 10) : fallback;
}

static void flipped_bits_never_give_wrong_data(void **state)
{
    struct fixture *f = *state;
    const unsigned long rounds = rounds_wanted(ROUNDS);
    unsigned noticed = 0;
    struct world w;
    size_t size;
    char *image, *copy;

    make_world(f, &w);
    image = image_of(f, &size);
    copy = ls_arena_alloc(&f->mem, size);
    assert_non_null(copy);
    assert_int_equal(round_of(&w, image, size), 0); /* as it is, all of it can be read */
    for (unsigned long seed = 1; seed <= rounds; seed++) {
        memcpy(copy, image, size);
        flip(copy, size, seed);
        at_seed = seed;
        noticed += round_of(&w, copy, size) > 0;
    }
    at_seed = 0;
    print_message("%lu rounds, %u with errors\n", rounds, noticed);
    assert_true(noticed >=
                rounds / 8); /* else the flips hit nothing, and this test shows nothing */
}

/* ---- the schema ---- */

static enum ls_code read_all(struct ls_state *state, const struct world *w, struct ls_arena *mem,
                             struct ls_error *err)
{
    struct ls_run_line *lines = NULL;
    struct ls_run *runs = NULL;
    uint64_t checked = 0;
    size_t count = 0;
    enum ls_code rc = LS_OK;

    for (int r = 0; r < RUNS && rc == LS_OK; r++) {
        rc = read_journal(state, &w->runs[r], mem, err);
        if (rc == LS_OK)
            rc = read_receipt(state, w, r, mem, err);
    }
    if (rc == LS_OK)
        rc = read_audit(state, w, mem, err);
    if (rc == LS_OK)
        rc = ls_state_audit_verify(state, &checked, err);
    if (rc == LS_OK)
        rc = ls_state_run_lines(state, w->runs[0].id, true, 0, 10, mem, &count, &lines, err);
    if (rc == LS_OK) {
        assert_int_equal(count, 0);
        rc = ls_state_runs(state, "s", 100, mem, &count, &runs, err);
    }
    if (rc == LS_OK)
        assert_int_equal(count, RUNS);
    return rc;
}

/* A run as a sync makes it. */
static enum ls_code write_all(struct ls_state *state, struct ls_arena *mem, struct ls_error *err)
{
    struct ls_run run = new_run("s");
    struct ls_journal j;
    enum ls_code rc = ls_state_run_begin(state, &run, err);

    if (rc == LS_OK)
        rc = ls_state_run_log(state, run.id, "a line", err);
    if (rc == LS_OK)
        rc = ls_state_journal(state, run.id, mem, &j, err);
    if (rc == LS_OK)
        rc = j.open(j.ctx, 1, "marker", err);
    if (rc == LS_OK)
        rc = j.add(j.ctx, 1, "piece", 5, err);
    if (rc == LS_OK)
        rc = j.sync(j.ctx, 1, ONE_OF_EACH, err);
    if (rc == LS_OK)
        rc = j.close(j.ctx, 1, true, err);
    run.status = LS_RUN_COMPLETED;
    if (rc == LS_OK)
        rc = ls_state_run_save(state, &run, err);
    if (rc == LS_OK)
        rc = ls_state_receipt_add(state, run.id, ls_arena_printf(mem, "{\"id\":\"%s\"}", run.id),
                                  err);
    return rc == LS_OK ? ls_state_audit_add(state, "me", "sync", "s", "{}", err) : rc;
}

/* false: as if nothing were damaged. */
static bool told_as_damage(const struct world *w, const char *data, size_t size)
{
    struct fixture *f = w->f;
    struct ls_state *state = NULL;
    struct ls_arena mem;
    enum ls_code rc;

    put_in_place(f->url, data, size);
    ls_arena_init(&mem, 0);
    rc = ls_state_open(f->url, true, &state, &f->err);
    if (rc == LS_OK)
        rc = read_all(state, w, &mem, &f->err);
    if (rc == LS_OK)
        rc = write_all(state, &mem, &f->err);
    ls_state_close(state);
    ls_arena_done(&mem);
    if (rc == LS_OK)
        return false;
    assert_code(f, LS_CORRUPT, rc);
    assert_said(f, "the state is damaged: ");
    assert_said(f, "Restore a copy of it, or move it away");
    return true;
}

/* Where the pages begin that have the header or texts of the schema. */
static size_t schema_pages(const char *image, size_t size, size_t ret[SCHEMA_PAGES])
{
    size_t count = 0;

    for (size_t at = 0; at + PAGE <= size; at += PAGE)
        if (at == 0 || memmem(image + at, PAGE, "CREATE ", 7)) {
            assert_true(count < SCHEMA_PAGES);
            ret[count++] = at;
        }
    return count;
}

static void a_flipped_bit_of_the_schema_is_told_as_damage(void **state)
{
    struct fixture *f = *state;
    const unsigned long rounds = rounds_wanted(2 * ROUNDS);
    unsigned told = 0;
    struct world w;
    size_t pages[SCHEMA_PAGES], count, size;
    char *image;

    make_world(f, &w);
    image = image_of(f, &size);
    count = schema_pages(image, size, pages);
    assert_false(told_as_damage(&w, image, size));
    for (unsigned long seed = 1; seed <= rounds; seed++) {
        /* an odd factor: each bit comes once before one comes again */
        const size_t nth = seed * 2654435761u % (count * PAGE * 8);
        const size_t bit = pages[nth / (PAGE * 8)] * 8 + nth % (PAGE * 8);

        at_seed = seed;
        image[bit / 8] ^= (char)(1u << bit % 8);
        told += told_as_damage(&w, image, size);
        image[bit / 8] ^= (char)(1u << bit % 8);
    }
    at_seed = 0;
    print_message("%lu rounds over %zu pages, %u told\n", rounds, count, told);
    assert_true(told >= rounds / 2); /* the schema takes most of its pages */
}

/* ---- rows ---- */

/* Rows that somebody, or a disk, has changed behind our back: each is told, and the others are not touched by it. */
static void a_changed_row_is_told_as_damage(void **state)
{
    static const struct {
        const char *sql;
        int run;  /* of which something was changed */
        bool row; /* its own row; else its journal */
    } changes[] = {
        {"UPDATE {schema}runs SET created = created + 1 WHERE number = 1", 0, true},
        {"UPDATE {schema}journal_batches SET state = 2 WHERE run = 2 AND batch = 2", 1, false},
        {"UPDATE {schema}journal_batches SET marker = 'another' WHERE run = 3 AND batch = 6", 2,
         false},
    };
    struct fixture *f = *state;
    struct world w;

    make_world(f, &w);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        behind(f, changes[i].sql);
    assert_ok(f, ls_state_open(f->url, false, &f->state, &f->err));
    for (int r = 0; r < RUNS; r++) {
        enum ls_code row = LS_OK, journal = LS_OK;
        struct ls_run run;

        for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
            if (changes[i].run == r)
                *(changes[i].row ? &row : &journal) = LS_CORRUPT;
        assert_code(f, row, ls_state_run_find(f->state, w.runs[r].id, &f->mem, &run, &f->err));
        if (row == LS_OK)
            assert_code(f, journal, read_journal(f->state, &w.runs[r], &f->mem, &f->err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"flipped_bits_never_give_wrong_data", flipped_bits_never_give_wrong_data, on_sqlite,
         after_rounds, NULL},
        {"a_flipped_bit_of_the_schema_is_told_as_damage",
         a_flipped_bit_of_the_schema_is_told_as_damage, on_sqlite, after_rounds, NULL},
        ON_BOTH(a_changed_row_is_told_as_damage),
    };

    return cmocka_run_group_tests_name("state/damage", tests, NULL, NULL);
}
