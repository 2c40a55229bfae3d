/* SPDX-License-Identifier: Apache-2.0 */
/* conformance.c - the runner of the suite and the helpers of its files.
 *
 * Each test gets a store of its own and a session on it that stays open to the end. What a helper
 * gives lives in conf->mem until the test is over. Helpers assert; they do not return errors. */
#include "conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAN_MOST (LS_CAP_WRITE | LS_CAP_CREATE)

void assert_ls_code(enum ls_code want, enum ls_code got, const struct ls_error *err,
                    const char *call, const char *file, int line)
{
    if (want == got)
        return;
    print_error("%s: %s instead of %s%s%s\n", call, ls_code_name(got), ls_code_name(want),
                got == LS_OK ? "" : ": ", got == LS_OK ? "" : err->text);
    _fail(file, line);
}

struct ls_store *open_session(struct conf *conf, const char *url, bool writable)
{
    const struct ls_store_options options = {
        .writable = writable, .create = writable, .lock_timeout_ms = 200};
    struct ls_error err = {0};
    struct ls_store *store = NULL;
    struct ls_url parsed;

    assert_ls(ls_url_parse(url, &conf->mem, &parsed, &err));
    assert_ls(ls_store_open(&parsed, &options, &store, &err));
    assert_true(conf->extra_count < COUNT(conf->extra));
    conf->extra[conf->extra_count++] = store;
    return store;
}

void close_session(struct conf *conf, struct ls_store *store)
{
    for (size_t i = 0; i < conf->extra_count; i++)
        if (conf->extra[i] == store) {
            conf->extra[i] = conf->extra[--conf->extra_count];
            ls_store_close(store);
            return;
        }
    fail_msg("close_session: no such session");
}

static int setup(void **state)
{
    struct conf *conf = *state;

    ls_arena_init(&conf->mem, 0);
    conf->url = conf->kind->make();
    conf->extra_count = 0;
    conf->made = 0;
    conf->writer = open_session(conf, conf->url, true);
    return 0;
}

static int teardown(void **state)
{
    struct conf *conf = *state;

    while (conf->extra_count)
        ls_store_close(conf->extra[--conf->extra_count]);
    ls_arena_done(&conf->mem);
    free(conf->url);
    conf->url = NULL;
    return 0;
}

static struct ls_schema *like_of(struct conf *conf, const struct column *columns, size_t count,
                                 const size_t *key, size_t key_count, int unique)
{
    struct ls_schema *like = ls_arena_alloc(&conf->mem, sizeof(*like));
    struct ls_field *fields = ls_arena_array(&conf->mem, count, sizeof(*fields));
    struct ls_key *keys = ls_arena_array(&conf->mem, 2, sizeof(*keys));
    size_t *other = ls_arena_alloc(&conf->mem, sizeof(*other));

    for (size_t i = 0; i < count; i++)
        fields[i] = (struct ls_field){.name = columns[i].name,
                                      .type = columns[i].type,
                                      .native = ls_type_word(columns[i].type),
                                      .engine = "",
                                      .precision = columns[i].precision,
                                      .scale = columns[i].scale,
                                      .flags = columns[i].flags};
    *like = (struct ls_schema){.collection = "like",
                               .field_count = count,
                               .fields = fields,
                               .key_count = 1,
                               .keys = keys,
                               .rows_estimate = -1,
                               .fingerprint = ""};
    keys[0] = (struct ls_key){"", key_count, key, true, true, false};
    if (unique >= 0) {
        *other = (size_t)unique;
        keys[like->key_count++] = (struct ls_key){"", 1, other, false, false, false};
    }
    return like;
}

struct place *make_named(struct conf *conf, const char *name, const struct column *columns,
                         size_t count, const size_t *key, size_t key_count, int unique)
{
    struct place *place = ls_arena_alloc(&conf->mem, sizeof(*place));
    size_t *kept = ls_arena_copy(&conf->mem, key, key_count * sizeof(*key));
    struct ls_error err = {0};

    place->conf = conf;
    place->url = conf->url;
    place->store = conf->writer;
    place->name = name;
    place->like = like_of(conf, columns, count, kept, key_count, unique);
    if (conf->kind->one_collection && conf->made++) {
        char *url = conf->kind->make();

        place->url = ls_arena_text(&conf->mem, url);
        free(url);
        place->store = open_session(conf, place->url, true);
    }
    assert_ls(ls_store_create(place->store, name, place->like, key_count, kept, &err));
    if (unique >= 0 && conf->kind->unique)
        conf->kind->unique(place->url, name, columns[unique].name);
    assert_ls(ls_store_describe(place->store, name, &conf->mem, &place->schema, &err));
    assert_int_equal(place->schema->field_count, count);
    for (size_t i = 0; i < count; i++)
        place->all[i] = i;
    place->key_count = key_count;
    memcpy(place->key, key, key_count * sizeof(*key));
    return place;
}

struct place *make_place(struct conf *conf, const struct column *columns, size_t count,
                         const size_t *key, size_t key_count, int unique)
{
    const char *name = NULL;

    if (!conf->kind->one_collection)
        name = ls_arena_printf(&conf->mem, "things%u", ++conf->made);
    return make_named(conf, name, columns, count, key, key_count, unique);
}

struct place *make_simple(struct conf *conf)
{
    static const struct column columns[] = {COLUMN("id", INT), COLUMN("name", TEXT),
                                            COLUMN("amount", INT)};
    static const size_t key[] = {0};

    return make_place(conf, columns, COUNT(columns), key, 1, -1);
}

struct ls_value value_for(struct place *place, size_t field, const char *text)
{
    const struct ls_field *like = &place->like->fields[field];
    struct ls_value v = ls_value_null(), ret = ls_value_null();
    struct ls_error err = {0};

    if (!text)
        return v;
    assert_ls(ls_value_from_text(like->type, text, strlen(text), &place->conf->mem, &v, &err));
    assert_ls(
        ls_value_convert(&v, &place->schema->fields[field], NULL, &place->conf->mem, &ret, &err));
    assert_true(ls_value_copy(&place->conf->mem, &ret, &v));
    return v;
}

struct ls_value *record_of(struct place *place, const char *const *texts)
{
    struct ls_value *record =
        ls_arena_array(&place->conf->mem, place->schema->field_count, sizeof(*record));

    for (size_t i = 0; i < place->schema->field_count; i++)
        record[i] = value_for(place, i, texts[i]);
    return record;
}

struct ls_value *key_of(struct place *place, const struct ls_value *record)
{
    struct ls_value *key = ls_arena_array(&place->conf->mem, place->key_count, sizeof(*key));

    for (size_t i = 0; i < place->key_count; i++)
        key[i] = record[place->key[i]];
    return key;
}

static struct ls_write_op op_of(struct place *place, enum ls_change_kind kind,
                                const char *const *texts)
{
    struct ls_value *record = record_of(place, texts);

    return (struct ls_write_op){kind, key_of(place, record), kind == LS_DELETE ? NULL : record};
}

struct ls_write_op insert_op(struct place *place, const char *const *texts)
{
    return op_of(place, LS_INSERT, texts);
}

struct ls_write_op update_op(struct place *place, const char *const *texts)
{
    return op_of(place, LS_UPDATE, texts);
}

struct ls_write_op delete_op(struct place *place, const char *const *texts)
{
    return op_of(place, LS_DELETE, texts);
}

struct ls_write write_of(const struct place *place, const struct ls_write_op *ops, size_t count)
{
    return (struct ls_write){.schema = place->schema,
                             .field_count = place->schema->field_count,
                             .fields = place->all,
                             .key_count = place->key_count,
                             .key = place->key,
                             .count = count,
                             .ops = ops};
}

enum ls_code write_ops(struct place *place, const struct ls_write_op *ops, size_t count,
                       struct ls_error *err)
{
    const struct ls_write write = write_of(place, ops, count);
    enum ls_code rc = ls_store_begin(place->store, err);

    if (rc == LS_OK)
        rc = ls_store_write(place->store, &write, err);
    if (rc == LS_OK)
        rc = ls_store_commit(place->store, err);
    if (rc != LS_OK)
        ls_store_rollback(place->store);
    return rc;
}

void put(struct place *place, size_t count, const char *const *texts)
{
    struct ls_write_op *ops = ls_arena_array(&place->conf->mem, count, sizeof(*ops));
    struct ls_error err = {0};

    for (size_t i = 0; i < count; i++)
        ops[i] = insert_op(place, texts + i * place->schema->field_count);
    assert_ls(write_ops(place, ops, count, &err));
}

void put_many(struct place *place, size_t n)
{
    const char **texts = ls_arena_array(&place->conf->mem, n * 3, sizeof(*texts));
    struct ls_arena *mem = &place->conf->mem;

    for (size_t i = 0; i < n; i++) {
        size_t id = i * 7919 % n + 1; /* n must not be a multiple of this prime */

        texts[i * 3] = ls_arena_printf(mem, "%zu", id);
        texts[i * 3 + 1] = ls_arena_printf(mem, "n%zu", id);
        texts[i * 3 + 2] = id % 10 ? ls_arena_printf(mem, "%zu", id % 10) : NULL;
    }
    put(place, n, texts);
}

struct ls_scan scan_all(const struct place *place)
{
    return (struct ls_scan){.schema = place->schema,
                            .field_count = place->schema->field_count,
                            .fields = place->all,
                            .key_count = place->key_count,
                            .key = place->key};
}

struct ls_rows read_all(struct conf *conf, struct ls_store *store, const struct ls_scan *scan)
{
    struct ls_rows all = {.width = scan->field_count}, batch = {0};
    struct ls_cursor *cursor = NULL;
    struct ls_error err = {0};
    size_t capacity = 0;

    assert_ls(ls_store_scan(store, scan, &cursor, &err));
    for (;;) {
        assert_ls(ls_cursor_next(cursor, &conf->mem, &batch, &err));
        if (!batch.count)
            break;
        assert_int_equal(batch.width, all.width);
        if (all.count + batch.count > capacity) {
            struct ls_value *more;

            capacity = 2 * (all.count + batch.count);
            more = ls_arena_array(&conf->mem, capacity * all.width, sizeof(*more));
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

struct ls_rows read_place(struct place *place)
{
    struct ls_store *reader = open_session(place->conf, place->url, false);
    const struct ls_scan scan = scan_all(place);
    struct ls_rows rows = read_all(place->conf, reader, &scan);

    close_session(place->conf, reader);
    return rows;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *contents(struct place *place)
{
    struct ls_rows rows = read_place(place);
    char **lines = ls_arena_array(&place->conf->mem, rows.count, sizeof(*lines));
    struct ls_buf line;
    const char *ret;

    ls_buf_init(&line, 0);
    for (size_t r = 0; r < rows.count; r++) {
        ls_buf_reset(&line);
        for (size_t i = 0; i < rows.width; i++) {
            const struct ls_value *v = &ls_row(&rows, r)[i];

            ls_buf_text(&line, i ? "|" : "");
            if (v->type == LS_T_NULL)
                ls_buf_text(&line, "\\N");
            ls_value_to_text(&line, v);
        }
        lines[r] = ls_arena_text(&place->conf->mem, ls_buf_str(&line));
    }
    qsort(lines, rows.count, sizeof(*lines), compare_texts);
    ls_buf_reset(&line);
    for (size_t r = 0; r < rows.count; r++)
        ls_buf_printf(&line, "%s%s", r ? ";" : "", lines[r]);
    ret = ls_arena_text(&place->conf->mem, ls_buf_str(&line));
    ls_buf_done(&line);
    return ret;
}

static bool applies(const struct conf_test *test, const struct conformance_kind *kind,
                    unsigned caps)
{
    return (caps & test->caps) == test->caps && !(test->many && kind->one_collection) &&
           !(test->snapshots && kind->no_snapshots);
}

static size_t gather(const struct conf_test *from, struct conf *conf, struct CMUnitTest *to)
{
    size_t count = 0;

    for (; from->name; from++)
        if (applies(from, conf->kind, conf->ops->caps))
            to[count++] = (struct CMUnitTest){from->name, from->run, setup, teardown, conf};
    return count;
}

static const struct ls_store_ops *find_ops(const char *name)
{
    for (size_t i = 0; ls_store_kinds[i]; i++)
        if (!strcmp(ls_store_kinds[i]->scheme, name))
            return ls_store_kinds[i];
    fprintf(stderr, "conformance: there is no kind of store called %s\n", name);
    exit(1);
}

int conformance_run(const struct conformance_kind *kind, int argc, char **argv)
{
    const struct conf_test *const files[] = {conf_schema_tests, conf_read_tests, conf_digest_tests,
                                             conf_write_tests, conf_inbox_tests};
    struct conf conf = {.kind = kind, .ops = find_ops(kind->name)};
    struct CMUnitTest tests[200];
    size_t count = 0;

    if ((conf.ops->caps & CAN_MOST) != CAN_MOST) {
        fprintf(stderr, "conformance: %s cannot create and write, which the tests need\n",
                kind->name);
        return 1;
    }
    for (size_t i = 0; i < COUNT(files); i++)
        count += gather(files[i], &conf, tests + count);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests(kind->name, tests, count, NULL, NULL);
}
