/* SPDX-License-Identifier: Apache-2.0 */
/* test_sqlite_traces.c - what the SQLite store leaves in and beside a file: locks, the journal mode, every byte of what is only read, marks. */
#include "sqlite_help.h"

#include "base/digest.h"
#include "base/file.h"

static void a_busy_file_is_said_to_be_busy(void **state)
{
    struct env *env = *state;
    struct ls_error err = {0};

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY); BEGIN IMMEDIATE");
    assert_code(LS_BUSY, ls_store_begin(writer(env), &err));
    run(env, "ROLLBACK");
    assert_ls(ls_store_begin(writer(env), &err));
}

static void reading_leaves_the_journal_mode_and_no_tables(void **state)
{
    static const char *const modes[] = {"delete", "wal", "truncate", "persist"};
    struct env *env = *state;
    struct ls_error err = {0};
    enum ls_outcome outcome = LS_OUTCOME_UNKNOWN;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY)");
    for (size_t i = 0; i < COUNT(modes); i++) {
        assert_string_equal(
            ask(env, ls_arena_printf(&env->mem, "PRAGMA journal_mode = %s", modes[i])), modes[i]);
        read_text(env, reader(env), look_by(env, "t", "id"));
        assert_ls(
            ls_store_settle(reader(env), describe_in(env, "t"), "never-made", &outcome, &err));
        assert_int_equal(outcome, LS_OUTCOME_ABORTED);
        ls_store_close(env->reader);
        env->reader = NULL;
        if (!strcmp(modes[i], "wal")) /* the other modes are a setting of each connection */
            assert_string_equal(ask(env, "PRAGMA journal_mode"), modes[i]);
        assert_string_equal(ask(env, "SELECT name FROM sqlite_schema"), "t");
    }
}

/* The file, or none, into another place; what it is worth is told by its size and bytes. */
static void copy_file(struct env *env, const char *from, const char *to)
{
    struct ls_arena *mem = &env->mem;
    struct ls_error err = {0};
    char *data = NULL;
    size_t size = 0;
    FILE *f;

    if (access(from, F_OK) != 0)
        return;
    assert_ls(ls_file_read(from, 1 << 24, mem, &data, &size, &err));
    f = fopen(to, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* A text of what stands in a file and beside it, byte by byte; the index of a -wal is no content. */
static const char *standing(struct env *env, const char *path)
{
    static const char *const siblings[] = {"", "-wal", "-journal"};
    const char *ret = "";

    for (size_t i = 0; i < COUNT(siblings); i++) {
        const char *name = ls_arena_printf(&env->mem, "%s%s", path, siblings[i]);
        struct ls_error err = {0};
        char *data = NULL;
        size_t size = 0;

        if (access(name, F_OK) != 0)
            continue;
        assert_ls(ls_file_read(name, 1 << 24, &env->mem, &data, &size, &err));
        ret = ls_arena_printf(&env->mem, "%s [%s] %zu %016llx", ret, siblings[i], size,
                              (unsigned long long)ls_hash64(data, size, 0));
    }
    return ret;
}

/* As an application leaves it that was killed: whoever may write would take the -wal in when it closes. */
static void a_reader_leaves_every_byte_as_it_was(void **state)
{
    static const char *const modes[] = {"delete", "wal"};
    struct env *env = *state;
    char *own = env->path;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct ls_error err = {0};
        const char *before;
        char *copy = NULL;

        run(env, ls_arena_printf(&env->mem, "PRAGMA journal_mode = %s", modes[i]));
        run(env, "INSERT INTO t SELECT max(id) + 1 FROM t");
        assert_true(asprintf(&copy, "%s-of-%s", own, modes[i]) > 0);
        copy_file(env, own, copy);
        copy_file(env, ls_arena_printf(&env->mem, "%s-wal", own),
                  ls_arena_printf(&env->mem, "%s-wal", copy));
        before = standing(env, copy);
        env->path = copy;
        assert_int_equal(read_count(env, reader(env), look_by(env, "t", "id")), i + 2);
        assert_int_not_equal(ls_store_begin(env->reader, &err), LS_OK);
        assert_code(LS_PERMISSION, ls_sql_exec(((struct ls_sqlite *)env->reader)->db,
                                               "INSERT INTO t VALUES (9)", &err));
        ls_store_close(env->reader);
        env->reader = NULL;
        env->path = own;
        assert_string_equal(standing(env, copy), before);
        free(copy);
    }
}

static void the_table_of_marks_goes_with_its_last_row(void **state)
{
    struct env *env = *state;
    const char *marker = NULL;
    struct ls_error err = {0};

    for (int i = 0; i < 2; i++) {
        assert_ls(ls_store_begin(writer(env), &err));
        assert_ls(ls_store_mark(writer(env), i ? "b-1" : "a-1", &env->mem, &marker, &err));
        assert_ls(ls_store_commit(writer(env), &err));
    }
    assert_string_equal(ask(env, "SELECT tag FROM lockstep_batches ORDER BY tag"), "a-1;b-1");
    ls_store_forget(writer(env), "a");
    assert_string_equal(ask(env, "SELECT tag FROM lockstep_batches"), "b-1");
    run(env, "BEGIN IMMEDIATE");
    ls_store_forget(writer(env), "b"); /* busy: they stay */
    run(env, "ROLLBACK");
    assert_string_equal(ask(env, "SELECT tag FROM lockstep_batches"), "b-1");
    ls_store_forget(writer(env), "b");
    ls_store_forget(writer(env), "b");
    assert_string_equal(ask(env, "SELECT name FROM sqlite_schema"), "");
    assert_ls(ls_store_begin(writer(env), &err));
}

static void the_run_lock_is_a_file_beside_the_database(void **state)
{
    struct env *env = *state;
    struct ls_error err = {0};
    char *slash;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY)");
    assert_ls(ls_store_lock(writer(env), "sync", &err));
    assert_ls(ls_store_lock(writer(env), "sync", &err));
    slash = strrchr(env->path, '/');
    assert_int_equal(access(ls_arena_printf(&env->mem, "%.*s/.data.db.lockstep-lock",
                                            (int)(slash - env->path), env->path),
                            F_OK),
                     0);
    run(env, "INSERT INTO t VALUES (1)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_busy_file_is_said_to_be_busy),
        T(reading_leaves_the_journal_mode_and_no_tables),
        T(a_reader_leaves_every_byte_as_it_was),
        T(the_table_of_marks_goes_with_its_last_row),
        T(the_run_lock_is_a_file_beside_the_database),
    };
    /* Nothing here has to survive a loss of power. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    return cmocka_run_group_tests_name("store/sqlite_traces", tests, NULL, NULL);
}
