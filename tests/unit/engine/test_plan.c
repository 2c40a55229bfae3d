/* SPDX-License-Identifier: Apache-2.0 */
/* test_plan.c - plan files: every value there and back, and what must not be applied is not. */
#include "engine/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "engine/sync_config.h"
#include "lib/testdir.h"
#include "model/json.h"
#include "runs.h"
#include "tables.h"

static int done(void **state)
{
    (void)state;
    fixture_done();
    return 0;
}

static const struct ls_compare_options quick = {.no_recheck = true};

/* Makes the plan as a file; the path is to be freed. */
static char *make_plan(struct ls_job *job, struct ls_plan_counts *counts)
{
    char *path = testdir_path("test.plan");
    struct ls_plan_counts own;
    struct ls_compare_result compared;
    struct ls_error err = {0};

    assert_ok(ls_plan_save(job, &quick, NULL, path, counts ? counts : &own, &compared, &err), &err);
    return path;
}

static enum ls_code open_plan(struct ls_job *job, const char *path, struct ls_plan **ret,
                              struct ls_error *err)
{
    FILE *f = fopen(path, "re");

    assert_non_null(f);
    return ls_plan_open(job, f, path, ret, err);
}

static char *read_file(const char *path, size_t *ret_size)
{
    FILE *f = fopen(path, "re");
    char *data = malloc(1 << 20);

    assert_non_null(f);
    assert_non_null(data);
    *ret_size = fread(data, 1, (1 << 20) - 1, f);
    data[*ret_size] = '\0';
    fclose(f);
    return data;
}

static void write_file(const char *path, const char *data, size_t size)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(size == 0 || fwrite(data, size, 1, f) == 1);
    assert_int_equal(fclose(f), 0);
}

/* ---- there and back ---- */

/* What the compare said, as bytes. */
struct expected {
    struct ls_job *job;
    struct ls_buf bytes;
    size_t count;
};

static void add_change(struct ls_buf *out, const struct ls_layout *layout, enum ls_change_kind kind,
                       const struct ls_value *key, const struct ls_value *before,
                       const struct ls_value *after)
{
    ls_buf_u8(out, (uint8_t)kind);
    ls_values_encode(out, key, layout->key_count);
    if (before)
        ls_values_encode(out, before, layout->field_count);
    if (after)
        ls_values_encode(out, after, layout->field_count);
}

static enum ls_code expect(void *ctx, const struct ls_difference *d, struct ls_error *err)
{
    struct expected *e = ctx;
    const enum ls_change_kind kind = !d->target ? LS_INSERT : !d->source ? LS_DELETE : LS_UPDATE;

    (void)err;
    add_change(&e->bytes, &e->job->layout, kind, d->key, d->target, d->source);
    e->count++;
    return LS_OK;
}

/* Reads a plan to its end, and closes it. */
static void assert_holds(struct ls_plan *plan, const struct expected *expected, size_t at_once)
{
    const struct ls_plan_counts *counts = ls_plan_counts(plan);
    struct ls_error err = {0};
    struct ls_change *changes = NULL;
    struct ls_arena mem;
    struct ls_buf got;
    size_t count = 1, total = 0;

    ls_arena_init(&mem, 0);
    ls_buf_init(&got, 0);
    while (count) {
        assert_ok(ls_plan_next(plan, at_once, 0, &mem, &changes, &count, &err), &err);
        assert_true(count <= at_once);
        for (size_t i = 0; i < count; i++)
            add_change(&got, &expected->job->layout, changes[i].kind, changes[i].key,
                       changes[i].before, changes[i].after);
        total += count;
        ls_arena_reset(&mem);
    }
    assert_int_equal(total, expected->count);
    assert_int_equal(total, counts->inserts + counts->updates + counts->deletes);
    assert_int_equal(got.size, expected->bytes.size);
    assert_true(!got.size || memcmp(got.data, expected->bytes.data, got.size) == 0);
    ls_plan_close(plan);
    ls_buf_done(&got);
    ls_arena_done(&mem);
}

/* As a file and as a sync keeps it for itself. */
static void assert_plan_is_what_was_compared(const char *source, const char *target, size_t at_once)
{
    struct ls_job *job = fixture_job(source, target, NULL);
    struct expected expected = {.job = job};
    struct ls_compare_result compared;
    struct ls_plan_counts counts;
    struct ls_plan *plan = NULL, *own = NULL;
    struct ls_error err = {0};
    char *path = make_plan(job, &counts);

    ls_buf_init(&expected.bytes, 0);
    assert_ok(ls_compare(job, &quick, NULL, expect, &expected, &compared, &err), &err);
    assert_ok(open_plan(job, path, &plan, &err), &err);
    assert_memory_equal(ls_plan_counts(plan), &counts, sizeof counts);
    assert_ok(ls_plan_make(job, &quick, NULL, &own, &compared, &err), &err);
    assert_memory_equal(ls_plan_counts(own), &counts, sizeof counts);
    assert_holds(plan, &expected, at_once);
    assert_holds(own, &expected, at_once);
    ls_buf_done(&expected.bytes);
    ls_job_close(job);
    free(path);
}

static void every_type_comes_back_byte_by_byte(void **state)
{
    static const enum ls_type types[] = {LS_T_INT,  LS_T_BOOL,      LS_T_DECIMAL,     LS_T_DOUBLE,
                                         LS_T_TEXT, LS_T_BYTES,     LS_T_DATE,        LS_T_TIME,
                                         LS_T_UUID, LS_T_TIMESTAMP, LS_T_TIMESTAMPTZ, LS_T_JSON};
    enum { WIDTH = COUNT_OF(types), ROWS = 80 };
    struct rng rng = {fixture_seed()};

    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        const char *stores[2];
        struct ls_field fields[WIDTH];
        struct ls_value a[ROWS * WIDTH], b[ROWS * WIDTH];
        struct ls_arena mem;
        size_t in_a = 0, in_b = 0;

        for (int i = 0; i < 2; i++)
            stores[i] = kind == 0   ? fixture_memory()
                        : kind == 1 ? fixture_sqlite()
                                    : fixture_postgres();
        ls_arena_init(&mem, 0);
        for (size_t f = 0; f < WIDTH; f++)
            fields[f] = fixture_field(ls_type_word(types[f]), types[f]);
        for (int64_t r = 0; r < ROWS; r++) {
            const size_t fate = rng_below(&rng, 3);

            for (size_t f = 0; f < WIDTH; f++) {
                struct ls_value *l = &a[in_a * WIDTH + f], *m = &b[in_b * WIDTH + f];

                *l = f == 0 ? ls_value_int(r) : rng_value(&rng, types[f], &mem);
                *m = f == 0 ? *l : rng_other(&rng, types[f], l, &mem);
            }
            in_a += fate != 0;
            in_b += fate != 1;
        }
        fixture_create(stores[0], "a", WIDTH, fields, 1, (const size_t[]){0});
        fixture_create(stores[1], "b", WIDTH, fields, 1, (const size_t[]){0});
        fixture_insert(stores[0], "a", in_a, a);
        fixture_insert(stores[1], "b", in_b, b);
        assert_plan_is_what_was_compared(fixture_url(stores[0], "a"), fixture_url(stores[1], "b"),
                                         7);
        ls_arena_done(&mem);
    }
}

static void values_of_foreign_types_come_back_too(void **state)
{
    static const char ddl[] =
        "CREATE TABLE t(id BLOB PRIMARY KEY NOT NULL, n INTEGER, x TEXT, d DATE, j JSON, "
        "v DECIMAL(10,2), r REAL) WITHOUT ROWID;";
    char sql[900];
    const char *a, *b;

    (void)state;
    snprintf(
        sql, sizeof sql,
        "%sINSERT INTO t VALUES ('a','no "
        "int',x'00ff',17,5,'abc','x'),(2,1.5,'','z',x'7b',1.1,9007199254740993),"
        "(x'03',9223372036854775807,'a' || char(0) || char(10) || 'é\"\\',NULL,'{',1e300,-0.0),"
        "(4.5,NULL,NULL,'2001-02-03',NULL,NULL,1e-300)",
        ddl);
    a = runs_table("sqlite", sql);
    snprintf(sql, sizeof sql,
             "%sINSERT INTO t VALUES "
             "('a',1,1,1,1,1,1),(2,2,2,2,2,2,2),('b',x'',x'',x'',x'',x'',x''),(1e300,"
             "9e999,-9e999,'1','null','NaN','Infinity')",
             ddl);
    b = runs_table("sqlite", sql);
    assert_plan_is_what_was_compared(a, b, 100);
    assert_plan_is_what_was_compared(b, a, 1);
}

static void native_types_and_infinities_come_back_too(void **state)
{
    static const char ddl[] =
        "CREATE TABLE t(id bigint PRIMARY KEY, a int[], r int4range, i interval, n inet, ts "
        "timestamptz, d date, f float8, v numeric, p point, e bytea, j jsonb);";
    char sql[900];
    const char *a, *b;

    (void)state;
    snprintf(
        sql, sizeof sql,
        "%sINSERT INTO t VALUES (1,'{1,NULL,3}','[1,5)','1 mon 2 days','10.0.0.1/8','infinity',"
        "'-infinity','NaN','NaN','(1,2)','\\x00ff','{\"a\": "
        "1.50}'),(2,NULL,'empty',NULL,NULL,'0044-03-15 BC',"
        "'5000-01-01','-Infinity',123456789012345678901234567890.123456789,NULL,'','[1e400]')",
        ddl);
    a = runs_table("postgres", sql);
    snprintf(sql, sizeof sql, "%sINSERT INTO t(id, a) VALUES (1,'{}'),(3,'{{1},{2}}')", ddl);
    b = runs_table("postgres", sql);
    assert_plan_is_what_was_compared(a, b, 100);
    assert_plan_is_what_was_compared(b, a, 100);
}

static void names_that_look_like_the_format_do_no_harm(void **state)
{
    const char *a = table_in(fixture_memory(), "t",
                             "end:int* op:text key:text sha256:text\n1|x|y|z\n2|x|y|z\n");
    const char *b =
        table_in(fixture_memory(), "t",
                 "end:int* op:text key:text sha256:text\n1|{\"end\":|\"}\\n\"|\"\\\"\"\n");

    (void)state;
    assert_plan_is_what_was_compared(a, b, 10);
}

static void a_long_plan_is_read_in_pieces(void **state)
{
    enum { ROWS = 2500 };
    const char *a = table_in(fixture_memory(), "t", "id:int* n:int\n");
    const char *b = table_in(fixture_memory(), "t", "id:int* n:int\n");
    struct ls_value records[ROWS * 2];
    char *store = strndup(a, strcspn(a, "#"));

    (void)state;
    for (int64_t i = 0; i < ROWS; i++)
        records[i * 2] = records[i * 2 + 1] = ls_value_int(i);
    fixture_insert(store, "t", ROWS, records);
    free(store);
    assert_plan_is_what_was_compared(a, b, 1000);
}

static void a_plan_without_changes_is_a_plan(void **state)
{
    const char *a = table_in(fixture_memory(), "t", "id:int* n:int\n");
    const char *b = table_in(fixture_memory(), "t", "id:int* n:int\n");

    (void)state;
    assert_plan_is_what_was_compared(a, b, 10);
}

/* ---- the file ---- */

static struct ls_job *small_job(void)
{
    const char *a = table_in(fixture_memory(), "t", "id:int* n:text\n1|one\n2|two\n4|same\n");
    const char *b = table_in(fixture_memory(), "t", "id:int* n:text\n2|zwei\n3|three\n4|same\n");

    return fixture_job(a, b, NULL);
}

static void people_can_read_and_check_it(void **state)
{
    struct ls_job *job = small_job();
    char *path = make_plan(job, NULL), *data, *last;
    char digest[LS_SHA256_HEX];
    struct ls_sha256 sha;
    struct stat st;
    json_t *header, *end;
    size_t size = 0;

    (void)state;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    data = read_file(path, &size);
    header = json_loads(data, JSON_DISABLE_EOF_CHECK, NULL);
    assert_string_equal(json_string_value(json_object_get(header, "lockstep")), "plan");
    assert_int_equal(json_integer_value(json_object_get(header, "format")), 1);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(header, "counts"), "updates")), 1);
    assert_non_null(strstr(json_string_value(json_object_get(header, "source")), "#t"));
    assert_non_null(strstr(
        data,
        "\n{\"op\":\"insert\",\"key\":{\"id\":\"1\"},\"after\":{\"id\":\"1\",\"n\":\"one\"}}\n"
        "{\"op\":\"update\",\"key\":{\"id\":\"2\"},\"before\":{\"id\":\"2\",\"n\":\"zwei\"},"
        "\"after\":{\"id\":\"2\",\"n\":\"two\"}}\n"
        "{\"op\":\"delete\",\"key\":{\"id\":\"3\"},\"before\":{\"id\":\"3\",\"n\":\"three\"}}\n"));
    last = strstr(data, "{\"end\":3,");
    assert_non_null(last);
    end = json_loads(last, 0, NULL);
    ls_sha256_init(&sha);
    ls_sha256_add(&sha, data, (size_t)(last - data));
    ls_sha256_hex(&sha, digest);
    assert_string_equal(json_string_value(json_object_get(end, "sha256")), digest);
    json_decref(end);
    json_decref(header);
    free(data);
    free(path);
    ls_job_close(job);
}

static void a_header_is_read_without_a_job(void **state)
{
    const struct ls_sync_config config = {
        .name = "x", .source.url = "postgres://ann:secret@h/d#t", .target.url = "memory:b"};
    struct ls_job *job = small_job();
    struct ls_plan_header header;
    struct ls_error err = {0};
    struct ls_arena mem;
    char *path;
    FILE *f;

    (void)state;
    ls_arena_init(&mem, 0);
    job->config_json = ls_sync_config_to_json(&config, &mem);
    path = make_plan(job, NULL);
    f = fopen(path, "re");
    assert_ok(ls_plan_read_header(f, path, &mem, &header, &err), &err);
    fclose(f);
    assert_string_equal(header.sync, job->name);
    assert_string_equal(header.job, job->digest);
    assert_int_equal(header.counts.inserts, 1);
    assert_int_equal(header.counts.deletes, 1);
    assert_int_equal(header.counts.unchanged, 1);
    assert_int_equal(header.counts.source_count, 3);
    assert_int_equal(header.counts.target_count, 3);
    assert_non_null(strstr(header.made_at, "T"));
    assert_non_null(strstr(header.config_json, "postgres://ann@h/d#t"));
    assert_null(strstr(header.config_json, "secret"));
    free(path);
    ls_arena_done(&mem);
    ls_job_close(job);
}

static void deletes_are_planned_by_their_policy(void **state)
{
    static const struct ls_field_config soft = {"n", "'gone'"};
    static const struct {
        struct ls_sync_config config;
        struct ls_plan_counts counts;
    } cases[] = {
        {{.deletes = LS_DELETES_REMOVE},
         {.deletes = 2, .unchanged = 1, .source_count = 1, .target_count = 3}},
        {{.deletes = LS_DELETES_KEEP},
         {.kept = 2, .unchanged = 1, .source_count = 1, .target_count = 3}},
        {{.deletes = LS_DELETES_SOFT, .soft_count = 1, .soft = &soft},
         {.updates = 1, .soft = 1, .unchanged = 2, .source_count = 1, .target_count = 3}},
        {{.where = "id < 100"}, {.kept = 2, .unchanged = 1, .source_count = 1, .target_count = 3}},
        {{.where = "id < 100", .target_where = "id < 3"},
         {.deletes = 1, .unchanged = 1, .source_count = 1, .target_count = 2}},
    };
    const char *a = table_in(fixture_memory(), "t", "id:int* n:text\n1|x\n");
    const char *b = table_in(fixture_memory(), "t", "id:int* n:text\n1|x\n2|y\n3|gone\n");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ls_job *job = fixture_job(a, b, &cases[i].config);
        struct ls_plan_counts counts;

        free(make_plan(job, &counts));
        assert_memory_equal(&counts, &cases[i].counts, sizeof counts);
        ls_job_close(job);
    }
}

/* The source's fetch, with two records changed before the first one: exactly between the two looks. */
static struct {
    const struct ls_store_ops *real;
    struct ls_store_ops ops;
    const char *source, *target;
    size_t calls;
} between;

static void change_two(void)
{
    const struct ls_value first[] = {ls_value_int(2)}, second[] = {ls_value_int(4)};
    const struct ls_value again[] = {ls_value_int(2), ls_value_text("later")};
    const struct ls_value more[] = {ls_value_int(4), ls_value_text("later")};

    fixture_delete(between.source, "t", 1, first);
    fixture_insert(between.source, "t", 1, again);
    fixture_delete(between.target, "t", 1, second);
    fixture_insert(between.target, "t", 1, more);
}

static enum ls_code fetch_between(struct ls_store *store, const struct ls_scan *what,
                                  size_t key_count, const struct ls_value *keys, bool for_update,
                                  struct ls_arena *mem, struct ls_rows *ret, struct ls_error *err)
{
    if (between.calls++ == 0)
        change_two();
    return between.real->fetch(store, what, key_count, keys, for_update, mem, ret, err);
}

static struct ls_job *moving_job(void)
{
    const char *a = table_in(fixture_memory(), "t", "id:int* n:text\n1|x\n2|x\n3|x\n");
    const char *b = table_in(fixture_memory(), "t", "id:int* n:text\n1|y\n2|y\n4|y\n");
    struct ls_job *job = fixture_job(a, b, NULL);

    between.real = job->source.store->ops;
    between.ops = *between.real;
    between.ops.fetch = fetch_between;
    between.source = a;
    between.target = b;
    between.calls = 0;
    job->source.store->ops = &between.ops;
    return job;
}

/* The keys of a plan's changes: 1 and 3 of moving_job(), which stayed as they were. */
static void assert_leaves_out_what_moves(struct ls_plan *plan)
{
    const struct ls_plan_counts expected = {
        .inserts = 1, .updates = 1, .moving = 2, .source_count = 3, .target_count = 3};
    struct ls_change *changes = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    size_t count = 0;

    ls_arena_init(&mem, 0);
    assert_memory_equal(ls_plan_counts(plan), &expected, sizeof expected);
    assert_ok(ls_plan_next(plan, 10, 0, &mem, &changes, &count, &err), &err);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(changes[i].key[0].i, changes[i].kind == LS_INSERT ? 3 : 1);
        assert_int_equal(changes[i].kind == LS_INSERT || changes[i].kind == LS_UPDATE, true);
    }
    ls_plan_close(plan);
    ls_arena_done(&mem);
}

static void what_moves_is_left_out_of_a_plan(void **state)
{
    static const struct ls_compare_options looks = {.recheck_max = 100};
    struct ls_compare_result compared;
    struct ls_plan_counts counts;
    struct ls_plan *plan = NULL;
    struct ls_error err = {0};
    char *path = testdir_path("moving.plan");
    struct ls_job *job = moving_job();

    (void)state;
    assert_ok(ls_plan_save(job, &looks, NULL, path, &counts, &compared, &err), &err);
    assert_ok(open_plan(job, path, &plan, &err), &err);
    assert_leaves_out_what_moves(plan);
    ls_job_close(job);
    job = moving_job();
    assert_ok(ls_plan_make(job, &looks, NULL, &plan, &compared, &err), &err);
    assert_leaves_out_what_moves(plan);
    ls_job_close(job);
    free(path);
}

static void a_file_that_cannot_be_written_is_named(void **state)
{
    struct ls_job *job = small_job();
    struct ls_plan_counts counts;
    struct ls_compare_result compared;
    struct ls_error err = {0};

    (void)state;
    assert_error(ls_plan_save(job, &quick, NULL, "/nowhere/at/all.plan", &counts, &compared, &err),
                 &err, LS_NOT_FOUND, "/nowhere/at/");
    assert_error(ls_plan_save(job, &quick, NULL, "/dev/full/x", &counts, &compared, &err), &err,
                 LS_IO, "/dev/full/");
    ls_job_close(job);
}

/* ---- what is not applied ---- */

static void refuse(struct ls_job *job, const char *path, enum ls_code code, const char *word)
{
    struct ls_plan *plan = NULL;
    struct ls_error err = {0};

    assert_error(open_plan(job, path, &plan, &err), &err, code, path, word);
    assert_null(plan);
}

static void a_plan_that_was_cut_is_refused(void **state)
{
    struct ls_job *job = small_job();
    char *path = make_plan(job, NULL), *data;
    size_t size = 0;

    (void)state;
    data = read_file(path, &size);
    for (size_t cut = 0; cut < size; cut++) {
        write_file(path, data, cut);
        refuse(job, path, LS_CORRUPT, "plan");
    }
    free(data);
    free(path);
    ls_job_close(job);
}

static void a_plan_that_was_edited_is_refused(void **state)
{
    struct ls_job *job = small_job();
    char *path = make_plan(job, NULL), *data;
    struct rng rng = {fixture_seed()};
    size_t size = 0;

    (void)state;
    data = read_file(path, &size);
    for (size_t at = 0; at < size; at++) {
        const char before = data[at];
        struct ls_plan *plan = NULL;
        struct ls_error err = {0};
        enum ls_code rc;

        data[at] = (char)(data[at] ^ (1 << rng_below(&rng, 8)));
        write_file(path, data, size);
        rc = open_plan(job, path, &plan, &err);
        if (rc ==
            LS_OK) { /* only what does not matter: case of the closing line's hex digits aside */
            struct ls_change *changes = NULL;
            struct ls_arena mem;
            size_t count = 0;

            ls_arena_init(&mem, 0);
            rc = ls_plan_next(plan, 100, 0, &mem, &changes, &count, &err);
            ls_arena_done(&mem);
            ls_plan_close(plan);
        }
        if (rc != LS_CORRUPT && rc != LS_VERSION)
            print_error("byte %zu of %zu: %s\n", at, size, ls_code_name(rc));
        assert_true(rc == LS_CORRUPT || rc == LS_VERSION);
        data[at] = before;
    }
    free(data);
    free(path);
    ls_job_close(job);
}

static void lines_that_were_added_or_taken_out_are_noticed(void **state)
{
    struct ls_job *job = small_job();
    char *path = make_plan(job, NULL), *data, *line, *next;
    size_t size = 0;

    (void)state;
    data = read_file(path, &size);
    data = realloc(data, size + 20);
    memcpy(data + size, "\n", 1);
    write_file(path, data, size + 1);
    refuse(job, path, LS_CORRUPT, "was cut");
    memcpy(data + size, "{}\n", 3);
    write_file(path, data, size + 3);
    refuse(job, path, LS_CORRUPT, "was cut");
    data[size] = '\0';
    line = strstr(data, "{\"op\":\"update\"");
    next = strchr(line, '\n') + 1;
    memmove(line, next, strlen(next) + 1);
    write_file(path, data, strlen(data));
    refuse(job, path, LS_CORRUPT, "it was changed after it was made");
    free(data);
    free(path);
    ls_job_close(job);
}

static void a_newer_plan_is_left_to_a_newer_version(void **state)
{
    struct ls_job *job = small_job();
    char *path = make_plan(job, NULL), *data;
    size_t size = 0;

    (void)state;
    data = read_file(path, &size);
    strstr(data, "\"format\":1")[9] = '2';
    write_file(path, data, size);
    refuse(job, path, LS_VERSION, "newer lockstep");
    free(data);
    free(path);
    ls_job_close(job);
}

static void files_of_others_are_no_plans(void **state)
{
    static const char *const foreign[] = {"",
                                          "\n",
                                          "{}",
                                          "{\"lockstep\":\"plan\"}",
                                          "id,name\n1,x\n",
                                          "\x7f"
                                          "ELF\x02",
                                          "[{\"lockstep\":\"plan\",\"format\":1}]"};
    struct ls_job *job = small_job();
    char *path = testdir_path("foreign");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(foreign); i++) {
        write_file(path, foreign[i], strlen(foreign[i]));
        refuse(job, path, LS_CORRUPT, "is not a plan file");
    }
    refuse(job, "/dev/zero", LS_CORRUPT, "is not a plan file"); /* and it has no end */
    free(path);
    ls_job_close(job);
}

static void a_plan_is_for_its_own_sync(void **state)
{
    const char *store = fixture_memory(), *other = fixture_memory();
    static const char table[] = "id:int* n:text m:text\n1|x|y\n";
    const char *a = table_in(store, "a", table), *b = table_in(store, "b", table),
               *c = table_in(store, "c", table), *elsewhere = table_in(other, "a", table);
    static const struct ls_field_config fields[] = {{"id", "id"}, {"n", "m"}};
    const struct {
        const char *what, *source, *target;
        struct ls_sync_config config;
        const char *word; /* NULL: fits */
    } cases[] = {
        {"the same", a, b, {0}, NULL},
        {"another collection as target", a, c, {0}, "made for the target"},
        {"another collection as source", c, b, {0}, "made for the source"},
        {"another store", elsewhere, b, {0}, "made for the source"},
        {"other fields", a, b, {.field_count = 2, .fields = fields}, "no longer fits"},
        {"a filter", a, b, {.where = "id > 0"}, "no longer fits"},
        {"another zone", a, b, {.source.zone = "Europe/Vienna"}, "no longer fits"},
        {"smaller batches", a, b, {.batch_rows = 2}, NULL},
    };
    struct ls_job *job = fixture_job(a, b, NULL);
    char *path = make_plan(job, NULL);

    (void)state;
    ls_job_close(job);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ls_plan *plan = NULL;
        struct ls_error err = {0};

        print_message("%s\n", cases[i].what);
        job = fixture_job(cases[i].source, cases[i].target, &cases[i].config);
        if (cases[i].word) {
            refuse(job, path, LS_CHANGED, cases[i].word);
        } else {
            assert_ok(open_plan(job, path, &plan, &err), &err);
            ls_plan_close(plan);
        }
        ls_job_close(job);
    }
    free(path);
}

static void a_table_that_changed_since_is_noticed(void **state)
{
    const char *a = table_in(fixture_memory(), "t", "id:int* n:text\n1|x\n");
    const char *b = runs_table("sqlite", "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, n TEXT)");
    struct ls_job *job = fixture_job(a, b, NULL);
    char *path = make_plan(job, NULL);

    (void)state;
    ls_job_close(job);
    runs_sql(b, "ALTER TABLE t ADD COLUMN m TEXT");
    job = fixture_job(a, b, NULL);
    refuse(job, path, LS_CHANGED, "no longer fits");
    ls_job_close(job);
    free(path);
}

/* In SQLite only the fields tell; in PostgreSQL also a table of the same fields is another one. */
static void a_table_made_anew_since_is_noticed(void **state)
{
    static const struct {
        const char *kind, *anew;
    } cases[] = {
        {"sqlite", "CREATE TABLE t(id integer PRIMARY KEY NOT NULL, n varchar(9), m text)"},
        {"postgres", "CREATE TABLE t(id integer PRIMARY KEY NOT NULL, n text, m varchar(9))"},
        {"postgres", "CREATE TABLE t(id integer PRIMARY KEY NOT NULL, n text, m text)"},
    };
    const char *a = table_in(fixture_memory(), "t", "id:int* n:text m:text\n1|x|x\n");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *b = runs_table(
            cases[i].kind, "CREATE TABLE t(id integer PRIMARY KEY NOT NULL, n text, m text)");
        struct ls_job *job = fixture_job(a, b, NULL);
        char *path = make_plan(job, NULL);

        ls_job_close(job);
        runs_sql(b, "DROP TABLE t");
        runs_sql(b, cases[i].anew);
        job = fixture_job(a, b, NULL);
        refuse(job, path, LS_CHANGED, "no longer fits");
        ls_job_close(job);
        free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_type_comes_back_byte_by_byte, done),
        cmocka_unit_test_teardown(values_of_foreign_types_come_back_too, done),
        cmocka_unit_test_teardown(native_types_and_infinities_come_back_too, done),
        cmocka_unit_test_teardown(names_that_look_like_the_format_do_no_harm, done),
        cmocka_unit_test_teardown(a_long_plan_is_read_in_pieces, done),
        cmocka_unit_test_teardown(a_plan_without_changes_is_a_plan, done),
        cmocka_unit_test_teardown(people_can_read_and_check_it, done),
        cmocka_unit_test_teardown(a_header_is_read_without_a_job, done),
        cmocka_unit_test_teardown(deletes_are_planned_by_their_policy, done),
        cmocka_unit_test_teardown(what_moves_is_left_out_of_a_plan, done),
        cmocka_unit_test_teardown(a_file_that_cannot_be_written_is_named, done),
        cmocka_unit_test_teardown(a_plan_that_was_cut_is_refused, done),
        cmocka_unit_test_teardown(a_plan_that_was_edited_is_refused, done),
        cmocka_unit_test_teardown(lines_that_were_added_or_taken_out_are_noticed, done),
        cmocka_unit_test_teardown(a_newer_plan_is_left_to_a_newer_version, done),
        cmocka_unit_test_teardown(files_of_others_are_no_plans, done),
        cmocka_unit_test_teardown(a_plan_is_for_its_own_sync, done),
        cmocka_unit_test_teardown(a_table_that_changed_since_is_noticed, done),
        cmocka_unit_test_teardown(a_table_made_anew_since_is_noticed, done),
    };

    return cmocka_run_group_tests_name("engine/plan", tests, NULL, NULL);
}
