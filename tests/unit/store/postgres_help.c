/* SPDX-License-Identifier: Apache-2.0 */
#include "postgres_help.h"

void check(enum ls_code want, enum ls_code got, const struct ls_error *err, const char *file,
           int line)
{
    if (want == got)
        return;
    print_error("%s instead of %s: %s\n", ls_code_name(got), ls_code_name(want),
                got == LS_OK ? "" : err->text);
    _fail(file, line);
}

struct ls_store *open_url(struct world *w, const char *url, bool writable)
{
    const struct ls_store_options options = {.writable = writable, .lock_timeout_ms = 300};
    struct ls_error err = {0};
    struct ls_store *store = NULL;
    struct ls_url parsed;

    assert_ls(ls_url_parse(url, &w->mem, &parsed, &err));
    assert_ls(ls_store_open(&parsed, &options, &store, &err));
    assert_true(w->open_count < COUNT(w->open));
    w->open[w->open_count++] = store;
    return store;
}

struct ls_store *open_store(struct world *w)
{
    return open_url(w, w->url, true);
}

int setup(void **state)
{
    struct world *w = *state;

    ls_arena_init(&w->mem, 0);
    w->open_count = 0;
    testpg_exec(
        w->url,
        "SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
        " DROP SCHEMA IF EXISTS other CASCADE");
    return 0;
}

int teardown(void **state)
{
    struct world *w = *state;

    while (w->open_count)
        ls_store_close(w->open[--w->open_count]);
    ls_arena_done(&w->mem);
    return 0;
}

struct ls_schema *describe(struct world *w, struct ls_store *store, const char *name)
{
    struct ls_schema *schema = NULL;
    struct ls_error err = {0};

    assert_ls(ls_store_describe(store, name, &w->mem, &schema, &err));
    return schema;
}

const struct ls_field *field(const struct ls_schema *schema, const char *name)
{
    int i = ls_schema_find(schema, name);

    if (i < 0)
        fail_msg("no field %s", name);
    return &schema->fields[i];
}

static size_t some_fields[1600];

/* All fields; the first `keys` are the key. */
struct ls_scan scan_of(const struct ls_schema *schema, size_t keys)
{
    for (size_t i = 0; i < COUNT(some_fields); i++)
        some_fields[i] = i;
    return (struct ls_scan){.schema = schema,
                            .field_count = schema->field_count,
                            .fields = some_fields,
                            .key_count = keys,
                            .key = some_fields};
}

struct ls_rows read_all(struct world *w, struct ls_store *store, const struct ls_scan *scan)
{
    struct ls_rows all = {.width = scan->field_count}, batch;
    struct ls_cursor *cursor = NULL;
    struct ls_error err = {0};
    size_t room = 0;

    assert_ls(ls_store_scan(store, scan, &cursor, &err));
    for (;;) {
        assert_ls(ls_cursor_next(cursor, &w->mem, &batch, &err));
        if (!batch.count)
            break;
        if (all.count + batch.count > room) {
            struct ls_value *more =
                ls_arena_array(&w->mem, 2 * (all.count + batch.count) * all.width, sizeof(*more));

            room = 2 * (all.count + batch.count);
            if (all.count)
                memcpy(more, all.values, all.count * all.width * sizeof(*more));
            all.values = more;
        }
        memcpy(all.values + all.count * all.width, batch.values,
               batch.count * all.width * sizeof(*all.values));
        all.count += batch.count;
    }
    ls_cursor_end(cursor);
    return all;
}

void expect_sql(const char *url, const char *sql, const char *want)
{
    char *got = testpg_value(url, sql);

    assert_string_equal(got ? got : "NULL", want);
    free(got);
}

/* A write of ops given as text: "i|u|d", then the values of all fields ("NULL" for none). */
struct ls_write text_write(struct world *w, struct ls_store *store, const char *table, size_t keys,
                           size_t count, const char *const *texts)
{
    const struct ls_schema *schema = describe(w, store, table);
    const struct ls_scan scan = scan_of(schema, keys);
    struct ls_write_op *ops = ls_arena_array(&w->mem, count, sizeof(*ops));
    struct ls_write write = {.schema = schema,
                             .fields = scan.fields,
                             .key_count = keys,
                             .key = scan.key,
                             .count = count,
                             .ops = ops};
    size_t width = 0;

    while (width < schema->field_count && !(schema->fields[width].flags & LS_FIELD_GENERATED))
        width++;
    write.field_count = width;
    for (size_t i = 0; i < count; i++) {
        const char *const *from = texts + i * (width + 1);
        struct ls_value *record = ls_arena_array(&w->mem, width, sizeof(*record));

        for (size_t f = 0; f < width; f++)
            record[f] =
                strcmp(from[f + 1], "NULL") == 0 ? ls_value_null() : ls_value_text(from[f + 1]);
        ops[i] = (struct ls_write_op){*from[0] == 'i'   ? LS_INSERT
                                      : *from[0] == 'u' ? LS_UPDATE
                                                        : LS_DELETE,
                                      record, *from[0] == 'd' ? NULL : record};
    }
    return write;
}

/* Writes it; rolls back on an error. */
enum ls_code write_text(struct world *w, struct ls_store *store, const char *table, size_t keys,
                        size_t count, const char *const *texts, struct ls_error *err)
{
    const struct ls_write write = text_write(w, store, table, keys, count, texts);
    enum ls_code rc = ls_store_begin(store, err);

    if (rc == LS_OK)
        rc = ls_store_write(store, &write, err);
    if (rc == LS_OK)
        rc = ls_store_commit(store, err);
    if (rc != LS_OK)
        ls_store_rollback(store);
    return rc;
}

size_t width_of(struct world *w, struct ls_store *store, const char *table)
{
    const struct ls_schema *schema = describe(w, store, table);
    size_t width = 0;

    while (width < schema->field_count && !(schema->fields[width].flags & LS_FIELD_GENERATED))
        width++;
    return width;
}

const uint64_t seeds[2] = {UINT64_C(0x9E3779B97F4A7C15), UINT64_C(0xC2B2AE3D27D4EB4F)};

struct ls_segment whole(struct world *w, struct ls_store *store, const char *table)
{
    const struct ls_partition p = {.count = 1};
    struct ls_scan scan = scan_of(describe(w, store, table), 1);
    struct ls_segment segment = {0};
    struct ls_error err = {0};

    scan.partition = &p;
    assert_ls(ls_store_digest(store, &scan, seeds, &segment, &err));
    return segment;
}

int run_in_database(const char *name, struct world *world, const struct CMUnitTest *tests,
                    size_t count)
{
    int failed;

    world->url = testpg_database("store");
    failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    free(world->url);
    return failed;
}
