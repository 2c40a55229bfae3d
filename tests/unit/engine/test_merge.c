/* SPDX-License-Identifier: Apache-2.0 */
/* test_merge.c - reading both sides in key order, and walking along them. */
#include "engine/merge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static const size_t first_field[] = {0};

/* id INT (the store's key), code TEXT, n INT */
static void make(const char *url)
{
    struct ls_field fields[] = {fixture_field("id", LS_T_INT), fixture_field("code", LS_T_TEXT),
                                fixture_field("n", LS_T_INT)};

    fixture_create(url, "t", 3, fields, 1, first_field);
}

static void put(const char *url, int64_t id, const char *code, int64_t n)
{
    const struct ls_value record[] = {
        ls_value_int(id), code ? ls_value_text(code) : ls_value_null(), ls_value_int(n)};

    fixture_insert(url, "t", 1, record);
}

/* Many records, codes c000000, c000001... */
static void put_many(const char *url, size_t count)
{
    struct ls_value *records = calloc(count * 3, sizeof *records);
    char(*codes)[16] = calloc(count, sizeof *codes);

    for (size_t i = 0; i < count; i++) {
        (void)snprintf(codes[i], sizeof codes[i], "c%06zu", i);
        records[i * 3] = ls_value_int((int64_t)(count - i));
        records[i * 3 + 1] = ls_value_text(codes[i]);
        records[i * 3 + 2] = ls_value_int(1);
    }
    fixture_insert(url, "t", count, records);
    free(codes);
    free(records);
}

struct seen {
    char text[4000];
    size_t calls;
    enum ls_code answer;
};

static enum ls_code note(void *ctx, enum ls_status status, const struct ls_reader_record *source,
                         const struct ls_reader_record *target, struct ls_error *err)
{
    static const char letters[] = {
        [LS_SOURCE_ONLY] = 's', [LS_TARGET_ONLY] = 't', [LS_INCONSISTENT] = 'i'};
    const struct ls_value *record = source->values ? source->values : target->values;
    struct seen *seen = ctx;
    const size_t used = strlen(seen->text);

    assert_int_equal(source->values != NULL, status != LS_TARGET_ONLY);
    assert_int_equal(target->values != NULL, status != LS_SOURCE_ONLY);
    seen->calls++;
    (void)snprintf(seen->text + used, sizeof seen->text - used, "%c%" PRId64 " ", letters[status],
                   record[0].i);
    if (seen->answer != LS_OK)
        return ls_error_set(err, seen->answer, "stop here");
    return LS_OK;
}

static enum ls_code merge(struct ls_job *job, struct ls_reader_options options,
                          const struct ls_hooks *hooks, struct seen *seen,
                          struct ls_merge_totals *totals, struct ls_error *err)
{
    struct ls_side_reader *source = NULL, *target = NULL;
    enum ls_code rc;

    if (!options.seeds[0])
        options.seeds[0] = 77;
    options.seeds[1] = 78;
    rc = ls_side_reader_open(job, LS_SIDE_SOURCE, &options, &source, err);
    if (rc == LS_OK)
        rc = ls_side_reader_open(job, LS_SIDE_TARGET, &options, &target, err);
    if (rc == LS_OK)
        rc = ls_merge(job, source, target, 0, hooks, note, seen, totals, err);
    ls_side_reader_close(target);
    ls_side_reader_close(source);
    return rc;
}

struct sides {
    const char *a, *b;
    struct ls_job *job;
};

static struct sides two_sides(void)
{
    struct sides s = {fixture_memory(), fixture_memory(), NULL};

    make(s.a);
    make(s.b);
    return s;
}

static void open_job(struct sides *s, const struct ls_sync_config *more)
{
    s->job = fixture_job(fixture_url(s->a, "t"), fixture_url(s->b, "t"), more);
}

static void done(struct sides *s)
{
    ls_job_close(s->job);
    fixture_done();
}

static void each_difference_is_told_once_in_key_order(void **state)
{
    struct sides s = two_sides();
    struct seen seen = {0};
    struct ls_merge_totals totals = {0};
    struct ls_error err = {0};

    (void)state;
    put(s.a, 5, "e", 1);
    put(s.a, 1, "a", 1);
    put(s.a, 3, "c", 1);
    put(s.a, 4, "d", 1);
    put(s.b, 2, "b", 1);
    put(s.b, 3, "c", 2);
    put(s.b, 4, "d", 1);
    put(s.b, 9, "z", 1);
    open_job(&s, NULL);
    assert_ok(merge(s.job, (struct ls_reader_options){0}, NULL, &seen, &totals, &err), &err);
    assert_string_equal(seen.text, "s1 t2 i3 s5 t9 ");
    assert_int_equal(totals.count[0], 4);
    assert_int_equal(totals.count[1], 4);
    assert_int_equal(totals.in_sync, 1);
    done(&s);
}

static void sorting_here_gives_the_same(void **state)
{
    struct sides s = two_sides();
    struct seen seen = {0}, sorted = {0};
    struct ls_merge_totals a = {0}, b = {0};
    struct ls_error err = {0};

    (void)state;
    put_many(s.a, 3000);
    put_many(s.b, 2500);
    open_job(&s, NULL);
    assert_ok(merge(s.job, (struct ls_reader_options){0}, NULL, &seen, &a, &err), &err);
    assert_ok(
        merge(s.job,
              (struct ls_reader_options){.order = LS_READER_SORTED, .sort_budget_bytes = 50000},
              NULL, &sorted, &b, &err),
        &err);
    assert_int_equal(seen.calls, 3000);
    assert_string_equal(seen.text, sorted.text);
    assert_memory_equal(&a, &b, sizeof a);
    done(&s);
}

/* The trap of a sum of hashes that is linear in the fields: two records that swap a value. */
static void swapped_values_do_not_cancel_in_the_sum(void **state)
{
    struct sides s = two_sides();
    struct seen seen = {0};
    struct ls_merge_totals totals = {0};
    struct ls_error err = {0};

    (void)state;
    put(s.a, 1, "x", 10);
    put(s.a, 2, "x", 20);
    put(s.b, 1, "x", 20);
    put(s.b, 2, "x", 10);
    open_job(&s, NULL);
    assert_ok(merge(s.job, (struct ls_reader_options){0}, NULL, &seen, &totals, &err), &err);
    assert_string_equal(seen.text, "i1 i2 ");
    assert_true(totals.digest[0] != totals.digest[1]);
    done(&s);
}

static void other_seeds_give_other_sums(void **state)
{
    struct sides s = two_sides();
    struct seen seen = {0};
    struct ls_merge_totals a = {0}, b = {0};
    struct ls_error err = {0};

    (void)state;
    put_many(s.a, 10);
    put_many(s.b, 10);
    open_job(&s, NULL);
    assert_ok(merge(s.job, (struct ls_reader_options){.seeds = {5}}, NULL, &seen, &a, &err), &err);
    assert_ok(merge(s.job, (struct ls_reader_options){.seeds = {6}}, NULL, &seen, &b, &err), &err);
    assert_int_equal(a.digest[0], a.digest[1]);
    assert_int_equal(b.digest[0], b.digest[1]);
    assert_true(a.digest[0] != b.digest[0]);
    done(&s);
}

static const char *const code_key[] = {"code"};
static const struct ls_sync_config by_code = {.key_count = 1, .key = code_key};

static void a_key_that_occurs_twice_names_side_and_key(void **state)
{
    struct sides s = two_sides();
    struct seen seen = {0};
    struct ls_merge_totals totals = {0};
    struct ls_error err = {0};

    (void)state;
    put(s.a, 1, "a", 1);
    put(s.b, 1, "a", 1);
    put(s.b, 2, "twin", 1);
    put(s.b, 3, "twin", 1);
    open_job(&s, &by_code);
    assert_error(merge(s.job, (struct ls_reader_options){0}, NULL, &seen, &totals, &err), &err,
                 LS_DATA, "target: ", "same key", "t", "code=twin");
    done(&s);
}

/* The two meet where one batch of 1000 ends and the next begins, ordered by the store and sorted here. */
static void a_key_that_occurs_in_two_batches_is_found(void **state)
{
    for (size_t at = 998; at <= 1001; at++) {
        struct sides s = two_sides();
        struct ls_error err = {0};
        char code[16];

        (void)state;
        (void)snprintf(code, sizeof code, "c%06zu", at);
        put_many(s.a, 2500);
        put(s.a, 99999, code, 1);
        open_job(&s, &by_code);
        for (int sort = 0; sort < 2; sort++) {
            struct seen seen = {0};
            struct ls_merge_totals totals = {0};

            assert_error(
                merge(s.job,
                      (struct ls_reader_options){.order = sort ? LS_READER_SORTED : LS_READER_ASK},
                      NULL, &seen, &totals, &err),
                &err, LS_DATA, "source: ", "same key", code);
        }
        done(&s);
    }
}

static void a_null_in_a_key_names_side_and_field(void **state)
{
    struct sides s = two_sides();
    struct seen seen = {0};
    struct ls_merge_totals totals = {0};
    struct ls_error err = {0};

    (void)state;
    put(s.a, 1, "a", 1);
    put(s.a, 2, NULL, 1);
    open_job(&s, &by_code);
    assert_error(merge(s.job, (struct ls_reader_options){0}, NULL, &seen, &totals, &err), &err,
                 LS_DATA, "source: ", "key field code of t is NULL");
    done(&s);
}

static void an_error_of_the_callback_ends_the_walk(void **state)
{
    struct sides s = two_sides();
    struct seen seen = {.answer = LS_FULL};
    struct ls_merge_totals totals = {0};
    struct ls_error err = {0};

    (void)state;
    put_many(s.a,
             20000); /* more than the batches hold: the reader is waiting for room when it ends */
    open_job(&s, NULL);
    assert_error(merge(s.job, (struct ls_reader_options){0}, NULL, &seen, &totals, &err), &err,
                 LS_FULL, "stop here");
    assert_int_equal(seen.calls, 1);
    done(&s);
}

static void a_wanted_cancel_ends_the_walk(void **state)
{
    struct sides s = two_sides();
    struct seen seen = {0};
    struct ls_merge_totals totals = {0};
    struct ls_cancel cancel;
    struct ls_hooks hooks = {.cancel = &cancel};
    struct ls_error err = {0};

    (void)state;
    cancel.wanted = true;
    put_many(s.a, 20000);
    open_job(&s, NULL);
    assert_error(
        merge(s.job, (struct ls_reader_options){.cancel = &cancel}, &hooks, &seen, &totals, &err),
        &err, LS_CANCELLED, "cancelled");
    done(&s);
}

/* ---- a store that fails, or never answers ---- */

struct fake {
    struct ls_store base;
    struct ls_cursor cursor;
    bool blocks;
    unsigned deaf; /* so many calls of cancel come too early to be heard */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool asked, cancelled;
};

static enum ls_code fake_scan(struct ls_store *store, const struct ls_scan *scan,
                              struct ls_cursor **ret, struct ls_error *err)
{
    struct fake *f = (struct fake *)store;

    (void)scan;
    (void)err;
    f->cursor.store = store;
    *ret = &f->cursor;
    return LS_OK;
}

static enum ls_code fake_next(struct ls_cursor *cursor, struct ls_arena *mem, struct ls_rows *ret,
                              struct ls_error *err)
{
    struct fake *f = (struct fake *)cursor->store;

    (void)mem;
    (void)ret;
    if (!f->blocks)
        return ls_error_set(err, LS_CONNECT, "the server went away");
    pthread_mutex_lock(&f->lock);
    f->asked = true;
    pthread_cond_broadcast(&f->changed);
    while (!f->cancelled)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    return ls_error_set(err, LS_CANCELLED, "cancelled by request");
}

static void fake_end(struct ls_cursor *cursor)
{
    (void)cursor;
}

static void fake_cancel(struct ls_store *store)
{
    struct fake *f = (struct fake *)store;

    pthread_mutex_lock(&f->lock);
    f->cancelled = f->deaf == 0;
    f->deaf -= f->deaf > 0;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static const char *fake_identity(struct ls_store *store)
{
    (void)store;
    return "fake:";
}

static const struct ls_store_ops fake_ops = {.scheme = "fake",
                                             .caps = LS_CAP_ORDER,
                                             .identity = fake_identity,
                                             .scan = fake_scan,
                                             .next = fake_next,
                                             .end = fake_end,
                                             .cancel = fake_cancel};

static struct ls_store *replace_store(struct ls_side *side, struct fake *fake, bool blocks)
{
    struct ls_store *before = side->store;

    *fake = (struct fake){.base = {.ops = &fake_ops},
                          .blocks = blocks,
                          .deaf = blocks ? 2 : 0,
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .changed = PTHREAD_COND_INITIALIZER};
    side->store = &fake->base;
    return before;
}

static void a_side_that_fails_does_not_hang_the_other(void **state)
{
    for (int side = 0; side < 2; side++) {
        struct sides s = two_sides();
        struct seen seen = {0};
        struct ls_merge_totals totals = {0};
        struct ls_error err = {0};
        struct ls_side *failing;
        struct ls_store *before;
        struct fake fake;

        (void)state;
        put_many(side ? s.a : s.b, 20000);
        open_job(&s, NULL);
        failing = side ? &s.job->target : &s.job->source;
        before = replace_store(failing, &fake, false);
        assert_error(merge(s.job, (struct ls_reader_options){0}, NULL, &seen, &totals, &err), &err,
                     LS_CONNECT, side ? "target: " : "source: ", "went away");
        failing->store = before;
        done(&s);
    }
}

struct canceller {
    struct fake *fake;
    struct ls_cancel *cancel;
};

static void cancel_once_asked(void *arg)
{
    struct canceller *c = arg;

    pthread_mutex_lock(&c->fake->lock);
    while (!c->fake->asked)
        pthread_cond_wait(&c->fake->changed, &c->fake->lock);
    pthread_mutex_unlock(&c->fake->lock);
    c->cancel->wanted = true;
}

static void a_store_that_never_answers_is_told_to_give_up(void **state)
{
    struct sides s = two_sides();
    struct seen seen = {0};
    struct ls_merge_totals totals = {0};
    struct ls_cancel cancel;
    struct ls_hooks hooks = {.cancel = &cancel};
    struct ls_error err = {0};
    struct ls_thread thread = {0};
    struct ls_store *before;
    struct fake fake;
    struct canceller canceller = {&fake, &cancel};

    (void)state;
    cancel.wanted = false;
    open_job(&s, NULL);
    before = replace_store(&s.job->target, &fake, true);
    assert_ok(ls_thread_start(&thread, cancel_once_asked, &canceller, &err), &err);
    assert_error(
        merge(s.job, (struct ls_reader_options){.cancel = &cancel}, &hooks, &seen, &totals, &err),
        &err, LS_CANCELLED, "cancelled");
    ls_thread_join(&thread);
    s.job->target.store = before;
    done(&s);
}

static void closing_a_reader_that_waits_for_its_store_ends_it(void **state)
{
    struct sides s = two_sides();
    struct ls_reader_options options = {.seeds = {3, 4}};
    struct ls_side_reader *reader = NULL;
    struct ls_error err = {0};
    struct ls_store *before;
    struct fake fake;

    (void)state;
    open_job(&s, NULL);
    before = replace_store(&s.job->source, &fake, true);
    assert_ok(ls_side_reader_open(s.job, LS_SIDE_SOURCE, &options, &reader, &err), &err);
    pthread_mutex_lock(&fake.lock);
    while (!fake.asked)
        pthread_cond_wait(&fake.changed, &fake.lock);
    pthread_mutex_unlock(&fake.lock);
    ls_side_reader_close(reader);
    s.job->source.store = before;
    done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_difference_is_told_once_in_key_order),
        cmocka_unit_test(sorting_here_gives_the_same),
        cmocka_unit_test(swapped_values_do_not_cancel_in_the_sum),
        cmocka_unit_test(other_seeds_give_other_sums),
        cmocka_unit_test(a_key_that_occurs_twice_names_side_and_key),
        cmocka_unit_test(a_key_that_occurs_in_two_batches_is_found),
        cmocka_unit_test(a_null_in_a_key_names_side_and_field),
        cmocka_unit_test(an_error_of_the_callback_ends_the_walk),
        cmocka_unit_test(a_wanted_cancel_ends_the_walk),
        cmocka_unit_test(a_side_that_fails_does_not_hang_the_other),
        cmocka_unit_test(a_store_that_never_answers_is_told_to_give_up),
        cmocka_unit_test(closing_a_reader_that_waits_for_its_store_ends_it),
    };
    return cmocka_run_group_tests_name("engine/merge", tests, NULL, NULL);
}
