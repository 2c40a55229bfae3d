/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_help.h"

void check_code(enum ls_code want, enum ls_code got, const struct ls_error *err, const char *call,
                const char *file, int line)
{
    if (want == got)
        return;
    print_error("%s: %s instead of %s: %s\n", call, ls_code_name(got), ls_code_name(want),
                got ? err->text : "");
    _fail(file, line);
}

void run(struct env *env, const char *sql)
{
    char *message = NULL;

    if (sqlite3_exec(env->app, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

const char *ask(struct env *env, const char *sql)
{
    struct ls_buf out;
    sqlite3_stmt *stmt = NULL;
    const char *ret;

    ls_buf_init(&out, 0);
    if (sqlite3_prepare_v2(env->app, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(env->app));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        if (out.size)
            ls_buf_char(&out, ';');
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            const char *text = (const char *)sqlite3_column_text(stmt, i);

            ls_buf_printf(&out, "%s%s", i ? "|" : "", text ? text : "\\N");
        }
    }
    sqlite3_finalize(stmt);
    ret = ls_arena_text(&env->mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}

static struct ls_store *open_sqlite(struct env *env, bool writable)
{
    const struct ls_store_options options = {.writable = writable, .lock_timeout_ms = 100};
    struct ls_error err = {0};
    struct ls_store *store = NULL;
    struct ls_url url;

    assert_ls(
        ls_url_parse(ls_arena_printf(&env->mem, "sqlite:%s", env->path), &env->mem, &url, &err));
    assert_ls(ls_store_open(&url, &options, &store, &err));
    return store;
}

int sqlite_setup(void **state)
{
    struct env *env = calloc(1, sizeof(*env));
    char *folder = testdir_new();

    if (asprintf(&env->path, "%s/data.db", folder) < 0 ||
        sqlite3_open(env->path, &env->app) != SQLITE_OK)
        return -1;
    free(folder);
    ls_arena_init(&env->mem, 0);
    sqlite3_busy_timeout(env->app, 0);
    run(env, "CREATE TABLE first (a); DROP TABLE first");
    *state = env;
    return 0;
}

int sqlite_teardown(void **state)
{
    struct env *env = *state;

    ls_store_close(env->reader);
    ls_store_close(env->writer);
    sqlite3_close(env->app);
    ls_arena_done(&env->mem);
    free(env->path);
    free(env);
    return 0;
}

struct ls_store *reader(struct env *env)
{
    if (!env->reader)
        env->reader = open_sqlite(env, false);
    return env->reader;
}

struct ls_store *writer(struct env *env)
{
    if (!env->writer)
        env->writer = open_sqlite(env, true);
    return env->writer;
}

struct ls_schema *describe_in(struct env *env, const char *name)
{
    struct ls_schema *schema = NULL;
    struct ls_error err = {0};

    assert_ls(
        ls_store_describe(env->writer ? env->writer : reader(env), name, &env->mem, &schema, &err));
    return schema;
}

static struct ls_scan *look_at(struct env *env, const struct ls_schema *schema,
                               const char *const *key, size_t count)
{
    struct look *look = ls_arena_alloc(&env->mem, sizeof(*look));

    look->scan = (struct ls_scan){
        .schema = schema, .fields = look->fields, .key_count = count, .key = look->key};
    for (size_t i = 0; i < schema->field_count; i++)
        if (!(schema->fields[i].flags & LS_FIELD_GENERATED))
            look->fields[look->scan.field_count++] = i;
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < look->scan.field_count; i++)
            if (!strcmp(schema->fields[look->fields[i]].name, key[k]))
                look->key[k] = i;
    return &look->scan;
}

struct ls_scan *look_by(struct env *env, const char *table, const char *key)
{
    return look_at(env, describe_in(env, table), &key, 1);
}

const char *read_text(struct env *env, struct ls_store *store, const struct ls_scan *scan)
{
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows = {0};
    struct ls_error err = {0};
    struct ls_buf out;
    const char *ret;

    ls_buf_init(&out, 0);
    assert_ls(ls_store_scan(store, scan, &cursor, &err));
    do {
        assert_ls(ls_cursor_next(cursor, &env->mem, &rows, &err));
        for (size_t r = 0; r < rows.count; r++) {
            ls_buf_text(&out, out.size ? ";" : "");
            for (size_t i = 0; i < rows.width; i++) {
                const struct ls_value *v = &ls_row(&rows, r)[i];

                ls_buf_text(&out, i ? "|" : "");
                ls_buf_text(&out, v->type == LS_T_NULL ? "\\N" : "");
                if (v->type != LS_T_NULL && v->type != scan->schema->fields[scan->fields[i]].type)
                    ls_buf_printf(&out, "%s:", ls_type_word(v->type));
                ls_value_to_text(&out, v);
            }
        }
    } while (rows.count);
    ls_cursor_end(cursor);
    ret = ls_arena_text(&env->mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}

size_t read_count(struct env *env, struct ls_store *store, const struct ls_scan *scan)
{
    const char *text = read_text(env, store, scan);
    size_t count = *text != 0;

    for (; *text; text++)
        count += *text == ';';
    return count;
}
