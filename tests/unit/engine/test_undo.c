/* SPDX-License-Identifier: Apache-2.0 */
/* test_undo.c - taking runs back: the first bytes exactly, conflicts only where somebody was there since.
 *
 * Random tables of every type, random differences, several batches; then undo, undo of the undo, changes in between.
 * LOCKSTEP_TEST_SEED repeats a run. */
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

/* ---- random tables ---- */

#define MAX_FIELDS 6
#define KEYS 60
static const enum ls_type types[] = {LS_T_BOOL, LS_T_INT,       LS_T_DECIMAL, LS_T_DOUBLE,
                                     LS_T_TEXT, LS_T_BYTES,     LS_T_UUID,    LS_T_DATE,
                                     LS_T_TIME, LS_T_TIMESTAMP, LS_T_JSON,    LS_T_TIMESTAMPTZ};

struct pair {
    const char *source, *target;
    size_t field_count, key_count;
    struct ls_field fields[MAX_FIELDS];
};

static const char *store_of(size_t kind)
{
    return kind == 0 ? fixture_memory() : kind == 1 ? fixture_sqlite() : fixture_postgres();
}

/* The target has one field more, which the sync does not know and undo has to give back all the same. */
static struct pair random_pair(size_t kind, struct rng *rng)
{
    static unsigned made;
    struct pair p = {.field_count = 3 + rng_below(rng, MAX_FIELDS - 3),
                     .key_count = 1 + rng_below(rng, 2)};
    const char *source = store_of(rng_below(rng, 2)), *target = store_of(kind);
    static const size_t key[] = {0, 1};
    struct ls_value a[KEYS * MAX_FIELDS], b[KEYS * (MAX_FIELDS + 1)];
    size_t in_a = 0, in_b = 0;
    struct ls_arena mem;
    char name[20];

    ls_arena_init(&mem, 0);
    snprintf(name, sizeof name, "t%u", ++made);
    for (size_t f = 0; f < p.field_count; f++) {
        const char *const names[] = {"a", "b", "c", "d", "e", "f"};

        p.fields[f] =
            fixture_field(names[f], f < 2 ? LS_T_INT : types[rng_below(rng, COUNT_OF(types))]);
    }
    fixture_create(source, name, p.field_count, p.fields, p.key_count, key);
    p.fields[p.field_count] = fixture_field("extra", LS_T_TEXT);
    fixture_create(target, name, p.field_count + 1, p.fields, p.key_count, key);
    for (int64_t k = 0; k < KEYS; k++) {
        struct ls_value *l = a + in_a * p.field_count, *r = b + in_b * (p.field_count + 1);
        const size_t fate = rng_below(rng, 4); /* on the left alone, right alone, same, different */

        for (size_t f = 0; f < p.field_count; f++) {
            l[f] = f < 2 ? ls_value_int(k) : rng_value(rng, p.fields[f].type, &mem);
            if (f >= 2 && rng_below(rng, 6) == 0)
                l[f] = ls_value_null();
            r[f] = l[f];
        }
        if (fate == 3) {
            const size_t f = 2 + rng_below(rng, p.field_count - 2);

            r[f] = rng_other(rng, p.fields[f].type, &r[f], &mem);
        }
        r[p.field_count] = rng_value(rng, LS_T_TEXT, &mem);
        in_a += fate != 1;
        in_b += fate != 0;
    }
    fixture_insert(source, name, in_a, a);
    fixture_insert(target, name, in_b, b);
    p.source = fixture_url(source, name);
    p.target = fixture_url(target, name);
    ls_arena_done(&mem);
    return p;
}

static const char *const *key_names(const struct pair *p)
{
    static const char *const names[][3] = {{"a", NULL}, {"a", "b", NULL}};

    return names[p->key_count - 1];
}

static struct run *undo(const struct pair *p, struct fake_journal *of, struct fake_journal *own)
{
    const struct run_options options = {.journal = own ? &own->journal : NULL};
    struct run *run = runs_undo(p->target, key_names(p), of, &options);

    if (run->rc != LS_OK)
        print_error("%s\n", run->err.text);
    assert_int_equal(run->rc, LS_OK);
    return run;
}

static struct fake_journal *sync_journaled(const struct pair *p, struct rng *rng)
{
    const struct ls_sync_config more = {.batch_rows = 1 + rng_below(rng, 25),
                                        .atomic = rng_below(rng, 4) == 0};
    struct fake_journal *j = fake_journal_new();
    struct ls_job *job = fixture_job(p->source, p->target, &more);
    struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

    if (run->rc != LS_OK)
        print_error("%s\n", run->err.text);
    assert_int_equal(run->rc, LS_OK);
    assert_int_equal(run->result.failed + run->result.conflicts, 0);
    assert_int_equal(run->verified_different, 0);
    run_free(run);
    ls_job_close(job);
    return j;
}

static void undo_gives_back_the_first_bytes(void **state)
{
    struct rng rng = {fixture_seed()};

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        struct pair p = random_pair(round % 3, &rng);
        char *first = runs_dump(p.target), *synced;
        struct fake_journal *run = sync_journaled(&p, &rng), *back = fake_journal_new(),
                            *again = fake_journal_new();
        struct run *u;

        synced = runs_dump(p.target);
        u = undo(&p, run, back);
        assert_int_equal(u->verified_different + u->result.conflicts + u->result.failed, 0);
        run_free(u);
        assert_dump(p.target, first);
        u = undo(&p, back, again); /* undo of the undo */
        assert_int_equal(u->verified_different + u->result.conflicts, 0);
        run_free(u);
        assert_dump(p.target, synced);
        run_free(undo(&p, again, NULL));
        assert_dump(p.target, first);
        run_free(undo(&p, run, NULL)); /* what was taken back is taken back: nothing to do */
        assert_dump(p.target, first);
        fake_journal_free(run);
        fake_journal_free(back);
        fake_journal_free(again);
        free(synced);
        free(first);
        fixture_done();
    }
}

/* ---- somebody was there since ---- */

/* Line by line: each of `now` that is not in `wanted`, and the reverse, is a record that differs. */
static size_t lines_missing(const char *from, const char *in)
{
    size_t missing = 0;

    while (*from) {
        const size_t n = strcspn(from, "\n") + 1;
        char *line = strndup(from, n);

        missing += !strstr(in, line);
        free(line);
        from += n;
    }
    return missing;
}

static void records_that_were_changed_since_are_conflicts_and_no_others(void **state)
{
    struct rng rng = {fixture_seed()};

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        const size_t kind = round % 2;
        const char *const databases[] = {"sqlite", "postgres"};
        const char *a = table_in(fixture_memory(), "t",
                                 "id:int* n:int\n1|1\n2|2\n3|3\n4|4\n5|5\n6|6\n7|7\n8|8\n");
        const char *b = runs_table(
            databases[kind],
            "CREATE TABLE t(id bigint PRIMARY KEY NOT NULL, n bigint, note text);"
            "INSERT INTO t VALUES (1,0,'a'),(2,0,'b'),(3,0,'c'),(4,0,'d'),(11,0,'e'),(12,0,'f'),"
            "(13,0,'g'),(14,0,'h')");
        struct ls_job *job =
            fixture_job(a, b, &(struct ls_sync_config){.batch_rows = 1 + rng_below(&rng, 9)});
        struct fake_journal *j = fake_journal_new();
        char *first = runs_dump(b), *changed, *now;
        size_t touched = 0, conflicts = 0;
        struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

        assert_run(run, "4 created, 4 updated, 4 deleted, 0 failed, 0 conflicts");
        run_free(run);
        /* each kind of record, changed in each way, by chance */
        for (int id = 1; id <= 14; id++) {
            char sql[100];
            const size_t how = rng_below(&rng, 4);
            const bool there = id <= 8;

            if ((id > 8 && id < 11) || how == 0)
                continue;
            if (!there)
                snprintf(sql, sizeof sql, "INSERT INTO t VALUES (%d, 99, 'mine')", id);
            else if (how == 1)
                snprintf(sql, sizeof sql, "UPDATE t SET n = n + 100 WHERE id = %d", id);
            else if (how == 2)
                snprintf(sql, sizeof sql, "UPDATE t SET note = 'mine' WHERE id = %d", id);
            else
                snprintf(sql, sizeof sql, "DELETE FROM t WHERE id = %d", id);
            runs_sql(b, sql);
            touched++;
            /* what the run made and somebody deleted is as it was before the run */
            conflicts += !(how == 3 && id >= 5 && there);
        }
        changed = runs_dump(b);
        run = runs_undo(b, NULL, j, NULL);
        assert_int_equal(run->rc, LS_OK);
        assert_int_equal(run->result.conflicts, conflicts);
        assert_int_equal(run->result.failed, 0);
        assert_int_equal(run->verified_different, conflicts);
        assert_int_equal(run->result.created + run->result.updated + run->result.deleted,
                         12 - touched);
        now = runs_dump(b);
        /* a record is as it was at first, or as somebody left it */
        for (const char *line = now; *line; line += strcspn(line, "\n") + 1) {
            char *one = strndup(line, strcspn(line, "\n") + 1);

            assert_true(strstr(first, one) || strstr(changed, one));
            free(one);
        }
        assert_in_range(lines_missing(first, now), 0, conflicts);
        run_free(run);
        fake_journal_free(j);
        free(first);
        free(changed);
        free(now);
        ls_job_close(job);
        fixture_done();
    }
}

static void put_back_by_hand_is_nothing_to_do(void **state)
{
    const char *a = table_in(fixture_memory(), "t", "id:int* n:int\n1|1\n2|2\n");
    const char *b =
        runs_table("sqlite", "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, n INTEGER);"
                             "INSERT INTO t VALUES (1,0),(3,0)");
    struct ls_job *job = fixture_job(a, b, NULL);
    struct fake_journal *j = fake_journal_new();
    struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

    (void)state;
    run_free(run);
    runs_sql(
        b,
        "UPDATE t SET n = 0 WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (3,0)");
    run = runs_undo(b, NULL, j, NULL);
    assert_run(run, "0 created, 0 updated, 0 deleted, 0 failed, 0 conflicts");
    assert_int_equal(run->verified_different, 0);
    run_free(run);
    fake_journal_free(j);
    ls_job_close(job);
}

/* ---- exactness ---- */

/* 1.0 and 1.00 are equal, but they are not the same: a record that somebody set back to equal values is not what the run found. */
static void equal_is_not_the_same_to_undo(void **state)
{
    const char *a =
        table_in(fixture_memory(), "t", "id:int* n:text price:decimal\n1|new|2\n2|x|1.0\n");
    const char *b = runs_table(
        "postgres", "CREATE TABLE t(id bigint PRIMARY KEY, n text, price numeric, doc json);"
                    "INSERT INTO t VALUES (1,'old',1.00,'{\"a\":  1}'),(2,'x',1.00,NULL)");
    struct ls_job *job = fixture_job(a, b, NULL);
    struct fake_journal *j = fake_journal_new();
    struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});
    char *synced = runs_dump(b);

    (void)state;
    assert_run(run, "0 created, 1 updated, 0 deleted, 0 failed, 0 conflicts"); /* 1.0 = 1.00 */
    run_free(run);
    runs_sql(b, "UPDATE t SET n = 'old', price = 1.0, doc = '{\"a\":1}' WHERE id = 1");
    run = runs_undo(b, NULL, j, NULL);
    assert_run(run, "0 created, 0 updated, 0 deleted, 0 failed, 1 conflicts");
    assert_int_equal(run->verified_different, 1);
    run_free(run);
    runs_sql(b, "UPDATE t SET n = 'new', price = 2, doc = '{\"a\":  1}' WHERE id = 1");
    assert_dump(b, synced);
    run_free(runs_undo(b, NULL, j, NULL));
    assert_dump(b, "(1,old,1.00,\"{\"\"a\"\":  1}\")\n(2,x,1.00,)\n");
    free(synced);
    fake_journal_free(j);
    ls_job_close(job);
}

/* SQLite keeps what it is given where a column has no type; nothing of that may be converted on the way back. */
static void values_of_foreign_types_come_back_as_they_were(void **state)
{
    const char *a = table_in(fixture_memory(), "t", "id:int* n:text\n1|x\n2|y\n3|z\n4|w\n5|v\n");
    const char *b = runs_table(
        "sqlite",
        "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, n TEXT, any_value, b BLOB, i INTEGER, d "
        "DATE, j JSON, dec DECIMAL(10,2), r REAL, bool BOOLEAN);"
        "INSERT INTO t VALUES (1, 'old', 5, 'text', 'no int', 17, 5, 'abc', 'x', 7),"
        "(2, x'00ff', '5', 5, 1.5, 'not a date', 'not json', x'01', x'02', 'maybe'),"
        "(3, NULL, 5.0, 5.5, x'03', 2.5, x'7b7d', 1e300, 9007199254740993, NULL),"
        "(4, 'a' || char(0) || 'b', x'05', NULL, 9223372036854775807, '2001-2-3', '{', '1.50', "
        "-0.0, 1),"
        "(9, 'gone', 'x', 1, 'y', 'z', 1.0, 1.10, 'inf', 'true')");
    struct ls_job *job = fixture_job(a, b, NULL);
    struct fake_journal *j = fake_journal_new();
    char *before = runs_dump(b);
    struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

    (void)state;
    assert_run(run, "1 created, 4 updated, 1 deleted, 0 failed, 0 conflicts");
    run_free(run);
    run = runs_undo(b, NULL, j, NULL);
    assert_run(run, "1 created, 4 updated, 1 deleted, 0 failed, 0 conflicts");
    assert_int_equal(run->verified_different, 0);
    assert_dump(b, before);
    run_free(run);
    free(before);
    fake_journal_free(j);
    ls_job_close(job);
}

static void what_triggers_and_defaults_made_is_known_again(void **state)
{
    const struct ls_sync_config more = {.cascades_accept = true};
    const char *a = table_in(fixture_memory(), "t", "id:int* n:text\n1|x\n2|y\n");
    const char *b = runs_table(
        "postgres",
        "CREATE TABLE t(id bigint PRIMARY KEY, n text, up text GENERATED ALWAYS AS (upper(n)) "
        "STORED,"
        " made timestamptz DEFAULT now(), seq bigint GENERATED ALWAYS AS IDENTITY, len int);"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.len := length(NEW.n) "
        "* 10; "
        "RETURN NEW; END$$;"
        "CREATE TRIGGER tr BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();"
        "INSERT INTO t(id, n) VALUES (1,'longer'),(3,'three')");
    struct ls_job *job = fixture_job(a, b, &more);
    struct fake_journal *j = fake_journal_new();
    char *before = runs_dump(b);
    struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

    (void)state;
    assert_run(run, "1 created, 1 updated, 1 deleted, 0 failed, 0 conflicts");
    run_free(run);
    run = runs_undo(b, NULL, j, NULL);
    assert_run(run, "1 created, 1 updated, 1 deleted, 0 failed, 0 conflicts");
    assert_dump(b, before);
    run_free(run);
    free(before);
    fake_journal_free(j);
    ls_job_close(job);
}

static void a_table_that_changed_since_cannot_be_undone(void **state)
{
    const char *a = table_in(fixture_memory(), "t", "id:int* n:int\n1|1\n");
    const char *b =
        runs_table("sqlite", "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, n INTEGER)");
    const struct ls_side_config side = {.url = b};
    struct ls_job *job = fixture_job(a, b, NULL);
    struct fake_journal *j = fake_journal_new();
    struct ls_error err = {0};
    struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

    (void)state;
    run_free(run);
    ls_job_close(job);
    runs_sql(b, "ALTER TABLE t ADD COLUMN more TEXT");
    fake_journal_settle(j, b);
    {
        struct ls_journal_source source = fake_journal_source(j);
        struct ls_apply_result result;
        struct ls_store *writer = NULL;
        const struct ls_store_options writable = {.writable = true};

        assert_ok(ls_job_open_target("test", &side, NULL, 0, NULL, &job, &err), &err);
        assert_ok(ls_store_open(&job->target.url, &writable, &writer, &err), &err);
        assert_error(ls_undo(job, writer, "run", &source, NULL, NULL, NULL, NULL, &result, &err),
                     &err, LS_CHANGED, "columns or the key of t", "Undo the change of the table");
        ls_store_close(writer);
    }
    ls_job_close(job);
    fake_journal_free(j);
}

/* What a run deleted and inserted in many batches, parents first, has to go back in an order that the target takes. */
static void undo_finds_an_order_for_references_and_unique_values(void **state)
{
    static const char *const databases[] = {"sqlite", "postgres"};

    (void)state;
    for (size_t d = 0; d < COUNT_OF(databases); d++)
        for (size_t batch = 1; batch < 4; batch++) {
            const char *a =
                table_in(fixture_memory(), "t",
                         "id:int* parent:int code:text\n1|NULL|b\n2|1|a\n3|2|c\n10|3|x\n");
            const char *b = runs_table(
                databases[d], "CREATE TABLE t(id bigint PRIMARY KEY NOT NULL, parent bigint "
                              "REFERENCES t(id), code text UNIQUE);"
                              "INSERT INTO t VALUES (1,NULL,'a'),(2,1,'b'),(4,2,'c'),"
                              "(5,4,'x'),(6,5,'y')");
            struct ls_job *job = fixture_job(a, b, &(struct ls_sync_config){.batch_rows = batch});
            struct fake_journal *j = fake_journal_new();
            char *before = runs_dump(b);
            struct run *run = runs_sync(job, &(struct run_options){.journal = &j->journal});

            assert_run(run, "2 created, 2 updated, 3 deleted, 0 failed, 0 conflicts");
            run_free(run);
            run = runs_undo(b, NULL, j, NULL);
            assert_run(run, "3 created, 2 updated, 2 deleted, 0 failed, 0 conflicts");
            assert_dump(b, before);
            run_free(run);
            free(before);
            fake_journal_free(j);
            ls_job_close(job);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(undo_gives_back_the_first_bytes, done),
        cmocka_unit_test_teardown(records_that_were_changed_since_are_conflicts_and_no_others,
                                  done),
        cmocka_unit_test_teardown(put_back_by_hand_is_nothing_to_do, done),
        cmocka_unit_test_teardown(equal_is_not_the_same_to_undo, done),
        cmocka_unit_test_teardown(values_of_foreign_types_come_back_as_they_were, done),
        cmocka_unit_test_teardown(what_triggers_and_defaults_made_is_known_again, done),
        cmocka_unit_test_teardown(a_table_that_changed_since_cannot_be_undone, done),
        cmocka_unit_test_teardown(undo_finds_an_order_for_references_and_unique_values, done),
    };

    return cmocka_run_group_tests_name("engine/undo", tests, NULL, NULL);
}
