/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: where the state is, what is refused, what is brought up to date. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/testdir.h"
#include "lib/testpg.h"
#include "sql/sql.h"
#include "state/migration_files.h"
#include "state/state_priv.h"
#include "state_fixture.h"

/* A state of no fixture: opened, closed, its code. The message is left in f->err. */
static enum ls_code try(struct fixture *f, const char *url, bool create)
{
    struct ls_state *state = NULL;
    enum ls_code rc = ls_state_open(url, create, &state, &f->err);

    ls_state_close(state);
    return rc;
}

static const char *beside(struct fixture *f, const char *suffix)
{
    return ls_arena_printf(&f->mem, "%s%s", f->url, suffix);
}

static char *bytes_of(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    char *data = malloc(10 << 20);

    assert_non_null(file);
    assert_non_null(data);
    *ret_size = fread(data, 1, 10 << 20, file);
    fclose(file);
    return data;
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

/* ---- where ---- */

static void the_default_place_is_made_for_its_owner_alone(void **state)
{
    struct fixture *f = *state;
    char *home = testdir_new();
    const char *path = ls_arena_printf(&f->mem, "%s/deep/lockstep/state.db", home);

    unsetenv("LOCKSTEP_STATE");
    setenv("XDG_STATE_HOME", ls_arena_printf(&f->mem, "%s/deep", home), 1);
    assert_code(f, LS_NOT_FOUND, try(f, NULL, false));
    assert_int_equal(access(ls_arena_printf(&f->mem, "%s/deep", home), F_OK), -1);
    assert_ok(f, try(f, NULL, true));
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(mode_of(ls_arena_printf(&f->mem, "%s/deep/lockstep", home)), 0700);
    assert_int_equal(mode_of(ls_arena_printf(&f->mem, "%s/deep", home)), 0700);
    unsetenv("XDG_STATE_HOME");
    free(home);
}

static void without_xdg_the_default_is_below_home(void **state)
{
    struct fixture *f = *state;
    char *home = testdir_new(), *before = strdup(getenv("HOME") ? getenv("HOME") : "");

    unsetenv("LOCKSTEP_STATE");
    setenv("XDG_STATE_HOME", "not/absolute", 1);
    setenv("HOME", home, 1);
    assert_ok(f, try(f, NULL, true));
    assert_int_equal(
        access(ls_arena_printf(&f->mem, "%s/.local/state/lockstep/state.db", home), F_OK), 0);
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", before, 1);
    free(before);
    free(home);
}

static void the_environment_names_the_state(void **state)
{
    struct fixture *f = *state;
    const char *path = beside(f, "-by-environment");

    setenv("LOCKSTEP_STATE", path, 1);
    assert_ok(f, try(f, NULL, true));
    unsetenv("LOCKSTEP_STATE");
    assert_int_equal(access(path, F_OK), 0);
}

static void a_path_may_hold_any_character(void **state)
{
    struct fixture *f = *state;
    const char *path = beside(f, "-odd #1?x=%20 '\"\xc3\xa4");

    assert_ok(f, try(f, path, true));
    assert_int_equal(access(path, F_OK), 0);
    assert_ok(f, try(f, path, false));
}

static void a_url_that_is_no_state_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_code(f, LS_USAGE, try(f, "file:state.csv", true));
    assert_code(f, LS_USAGE, try(f, "memory:x", true));
    assert_code(f, LS_USAGE, try(f, "sqlite:state.db#runs", true));
    assert_code(f, LS_USAGE, try(f, "nosuch:state.db", true));
    assert_said(f, "the state");
}

static void a_missing_state_is_not_found_and_not_made(void **state)
{
    struct fixture *f = *state;

    ls_state_close(f->state);
    f->state = NULL;
    if (f->postgres)
        behind(f, "DROP SCHEMA lockstep CASCADE");
    else
        assert_int_equal(unlink(f->url), 0);
    assert_code(f, LS_NOT_FOUND, try(f, f->url, false));
    assert_said(f, "there is no state");
    if (f->postgres)
        assert_int_equal(
            number_behind(f, "SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'"), 0);
    else
        assert_int_equal(access(f->url, F_OK), -1);
    assert_ok(f, try(f, f->url, true));
}

static void where_it_is_shows_no_password(void **state)
{
    struct fixture *f = *state;
    char *url;
    struct ls_state *opened = NULL;

    testpg_exec(f->url, "SET client_min_messages = warning; DROP SCHEMA lockstep CASCADE; DROP "
                        "ROLE IF EXISTS ls_state_keeper; CREATE "
                        "ROLE ls_state_keeper LOGIN PASSWORD 'hunter2x'; CREATE SCHEMA lockstep "
                        "AUTHORIZATION ls_state_keeper");
    url = testpg_url_with(f->url, "ls_state_keeper", "hunter2x", NULL);
    assert_ok(f, ls_state_open(url, true, &opened, &f->err)); /* no right to make a schema needed */
    assert_null(strstr(ls_state_where(opened), "hunter2x"));
    assert_null(strstr(ls_state_where(opened), "keeper"));
    ls_state_close(opened);
    free(url);
    url = testpg_url_with(f->url, "ls_state_keeper", "wrong7x", NULL);
    assert_code(f, LS_PERMISSION, try(f, url, true));
    assert_null(strstr(f->err.text, "wrong7x"));
    free(url);
    testpg_exec(f->url, "SET client_min_messages = warning; DROP OWNED BY ls_state_keeper CASCADE; "
                        "DROP ROLE ls_state_keeper");
}

static void a_folder_that_is_not_there_is_named(void **state)
{
    struct fixture *f = *state;

    assert_code(f, LS_NOT_FOUND, try(f, beside(f, "-no/state.db"), true));
    assert_said(f, "folder does not exist");
    assert_said(f, "--state");
}

/* In a child, since root may write anywhere. */
static void a_folder_without_write_permission_is_named(void **state)
{
    struct fixture *f = *state;
    char *dir = testdir_new();
    const char *path = ls_arena_printf(&f->mem, "%s/state.db", dir);
    int status = 1;

    assert_int_equal(chmod(dir, 0500), 0);
    if (fork() == 0) {
        const bool ready = geteuid() != 0 || setuid(65534) == 0;
        const bool refused = ready && try(f, path, true) == LS_PERMISSION &&
                             strstr(f->err.text, path) && strstr(f->err.text, "ermission denied");

        if (!refused)
            fprintf(stderr, "%s\n", f->err.text);
        _exit(!refused);
    }
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
    free(dir);
}

/* ---- what is not ours ---- */

static void somebody_elses_database_is_left_alone(void **state)
{
    struct fixture *f = *state;
    const char *path = beside(f, "-shop");
    const struct ls_url url = {.scheme = "sqlite", .location = path, .shown = path};
    const struct ls_sql_options options = {.create = true};
    struct ls_sql *db = NULL;
    char *before, *now;
    size_t size, size_now;

    assert_ok(f, ls_sql_open(&url, &options, &db, &f->err));
    assert_ok(f, ls_sql_exec(db, "CREATE TABLE customers (id INTEGER PRIMARY KEY)", &f->err));
    ls_sql_close(db);
    before = bytes_of(path, &size);
    assert_code(f, LS_USAGE, try(f, path, true));
    assert_said(f, "--state");
    now = bytes_of(path, &size_now);
    assert_int_equal(size, size_now);
    assert_memory_equal(before, now, size);
    free(before);
    free(now);
}

static void a_file_that_is_no_database_is_left_alone(void **state)
{
    static const char text[] = "id,name\n1,Ann\n";
    struct fixture *f = *state;
    const char *path = beside(f, ".csv");
    char *now;
    size_t size;

    write_file(path, text, sizeof text);
    assert_code(f, LS_CORRUPT, try(f, path, true));
    now = bytes_of(path, &size);
    assert_int_equal(size, sizeof text);
    assert_memory_equal(now, text, size);
    free(now);
    assert_code(f, LS_USAGE, try(f, testdir(), true));
}

static void a_table_of_somebody_else_in_the_state_is_refused(void **state)
{
    struct fixture *f = *state;

    behind(f, "CREATE TABLE customers (id INTEGER PRIMARY KEY)");
    assert_code(f, LS_USAGE, try(f, f->url, true));
}

static void an_empty_file_becomes_a_state(void **state)
{
    struct fixture *f = *state;
    const char *path = beside(f, "-empty");

    write_file(path, "", 0);
    assert_code(f, LS_NOT_FOUND, try(f, path, false));
    assert_ok(f, try(f, path, true));
    assert_ok(f, try(f, path, false));
}

static void what_a_dead_maker_left_is_cleared_away(void **state)
{
    struct fixture *f = *state;
    const char *path = beside(f, "-second");

    write_file(beside(f, "-second-new"), "half of a page", 14);
    write_file(beside(f, "-second-new-journal"), "more", 4);
    assert_ok(f, try(f, path, true));
    assert_int_equal(access(beside(f, "-second-new"), F_OK), -1);
}

/* ---- versions ---- */

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;

    behind(f, "INSERT INTO {schema}schema_version SELECT max(number) + 1, 'future', 0 "
              "FROM {schema}schema_version");
    assert_code(f, LS_VERSION, try(f, f->url, true));
    assert_said(f, "newer lockstep");
}

static void an_older_schema_is_brought_up_to_date(void **state)
{
    struct fixture *f = *state;

    static const char *const since[] = {
        "receipts",         "audit",    "events",       "endpoints",   "deliveries", "attempts",
        "tokens",           "users",    "sessions",     "setup_links", "throttles",  "schedules",
        "schedule_firings", "received", "signing_keys", "message_ids", "url_groups", "alerts"};

    for (size_t i = 0; i < sizeof since / sizeof *since; i++)
        behind(f, ls_arena_printf(&f->mem, "DROP TABLE {schema}%s", since[i]));
    behind(f, "DELETE FROM {schema}heads WHERE name NOT IN ('runs', 'receipts', 'audit')");
    for (size_t i = 0; i < 4; i++)
        behind(f, (const char *const[]){"ALTER TABLE {schema}journal_batches DROP COLUMN created",
                                        "ALTER TABLE {schema}journal_batches DROP COLUMN updated",
                                        "ALTER TABLE {schema}journal_batches DROP COLUMN deleted",
                                        "ALTER TABLE {schema}runs DROP COLUMN project"}[i]);
    behind(f, "DELETE FROM {schema}schema_version WHERE number > 2");
    reopen(f);
    assert_int_equal(number_behind(f, "SELECT max(number) FROM {schema}schema_version"),
                     ls_migration_files[ls_migration_file_count - 1].number);
    assert_ok(f, ls_state_audit_add(f->state, "me", "test", "", "{}", &f->err));
}

static const char numbers[] = "SELECT number FROM {schema}schema_version ORDER BY number";

static int64_t first_number(struct fixture *f, struct ls_sql_stmt **stmt)
{
    bool row = false;

    assert_ok(f, ls_state_lend(f->state, numbers, NULL, 0, stmt, &f->err));
    assert_ok(f, ls_sql_step(*stmt, &row, &f->err));
    assert_true(row);
    return ls_sql_i64(*stmt, 0);
}

static void a_query_that_is_kept_holds_nothing_once_it_is_given_back(void **state)
{
    struct fixture *f = *state;
    struct ls_sql_stmt *stmt = NULL;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(first_number(f, &stmt), 1 - i); /* sees what was written since */
        ls_state_give_back(f->state, stmt);
        behind(f, i ? "UPDATE {schema}schema_version SET number = -1 WHERE number = 0"
                    : "UPDATE {schema}schema_version SET number = 0 WHERE number = 1");
        if (f->postgres)
            continue;
        behind(f, "PRAGMA wal_checkpoint(TRUNCATE)"); /* nobody's snapshot stands in the way */
        assert_int_equal(number_behind(f, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
    }
    ls_state_give_back(f->state, NULL);
}

static void a_query_that_is_being_read_is_neither_run_again_nor_let_go(void **state)
{
    enum { MORE = LS_STATE_STATEMENTS + 5 };
    struct fixture *f = *state;
    struct ls_sql_stmt *stmt = NULL, *again = NULL;
    bool row = false;

    assert_int_equal(first_number(f, &stmt), 1);
    assert_code(f, LS_INTERNAL, ls_state_lend(f->state, numbers, NULL, 0, &again, &f->err));
    for (int i = 0; i < MORE; i++) {
        const char *other = ls_arena_printf(&f->mem, "SELECT %d", i);

        assert_ok(f, ls_state_lend(f->state, other, NULL, 0, &again, &f->err));
        ls_state_give_back(f->state, again);
    }
    assert_ok(f, ls_sql_step(stmt, &row, &f->err));
    assert_int_equal(ls_sql_i64(stmt, 0), 2);
    ls_state_give_back(f->state, stmt);
    assert_int_equal(first_number(f, &stmt), 1);
    ls_state_give_back(f->state, stmt);
}

static void programs_that_make_the_state_at_once_agree(void **state)
{
    struct fixture *f = *state;
    int status;

    ls_state_close(f->state);
    f->state = NULL;
    for (int round = 0; round < 5; round++) {
        char *next = strdup(f->postgres ? f->url : beside(f, "x"));

        assert_non_null(next);
        free(f->url);
        f->url = next;
        if (f->postgres)
            behind(f, "DROP SCHEMA IF EXISTS lockstep CASCADE");
        for (int i = 0; i < 4; i++)
            if (fork() == 0) {
                enum ls_code rc = try(f, f->url, true);

                if (rc != LS_OK)
                    fprintf(stderr, "%s\n", f->err.text);
                _exit(rc != LS_OK);
            }
        for (int i = 0; i < 4; i++) {
            assert_true(wait(&status) > 0);
            assert_int_equal(status, 0);
        }
        assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}heads"), 6);
        assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}schema_version"),
                         (int64_t)ls_migration_file_count);
    }
}

/* ---- damage ---- */

static void a_missing_table_is_damage(void **state)
{
    struct fixture *f = *state;

    behind(f, "DROP TABLE {schema}run_lines");
    assert_code(f, LS_CORRUPT, try(f, f->url, true));
    assert_said(f, "run_lines");
    assert_said(f, "Restore a copy");
}

/* Behind SQLite's own back: the file's schema as something else might leave it. */
static void damage_schema(struct fixture *f, const char *change)
{
    behind(f, ls_arena_printf(&f->mem, "PRAGMA writable_schema = 1; UPDATE sqlite_master SET %s",
                              change));
}

static void a_changed_schema_is_damage(void **state)
{
    static const struct {
        const char *change, *said;
    } changes[] = {
        {"sql = replace(sql, 'marker', 'narker')",
         "its table journal_batches is not what was made"},
        {"sql = replace(sql, 'DEFAULT ''''', 'DEFAULT ''x''') WHERE name = 'runs'",
         "its table runs is not what"},
        {"sql = replace(sql, 'state = 0', 'state = 1')", "its index journal_open_batches is not"},
        {"name = 'ruos', tbl_name = 'ruos' WHERE name = 'runs'", "ruos"},
        {"name = 'schema_versioo' WHERE name = 'schema_version'", "schema_versioo"},
        {"rootpage = 2 WHERE name = 'audit'", "where its tables begin"},
        {"rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'audit') "
         "WHERE name = 'schema_version'",
         "where its tables begin"},
    };
    struct fixture *f = *state;
    char *sound;
    size_t size;

    ls_state_close(f->state);
    f->state = NULL;
    sound = bytes_of(f->url, &size);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        write_file(f->url, sound, size);
        damage_schema(f, changes[i].change);
        assert_code(f, LS_CORRUPT, try(f, f->url, true));
        assert_said(f, "the state is damaged: ");
        assert_said(f, changes[i].said);
        assert_said(f, "Restore a copy");
    }
    free(sound);
}

static void a_version_that_is_not_what_was_written_is_damage(void **state)
{
    static const char *const changes[] = {
        "DELETE FROM {schema}schema_version",
        "DELETE FROM {schema}schema_version WHERE number = 3",
        "UPDATE {schema}schema_version SET number = 1000 WHERE number = 5",
        "UPDATE {schema}schema_version SET number = -5 WHERE number = 5",
    };
    struct fixture *f = *state;

    behind(f, "CREATE TABLE {schema}kept AS SELECT * FROM {schema}schema_version");
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        behind(f, changes[i]);
        assert_code(f, LS_CORRUPT, try(f, f->url, true));
        assert_said(f, "the version of its tables");
        behind(f, "DELETE FROM {schema}schema_version");
        behind(f, "INSERT INTO {schema}schema_version SELECT * FROM {schema}kept");
    }
}

/* What SQLite may not write it opens all the same, and refuses each write with advice that would not help. */
static void a_header_of_a_later_format_is_damage(void **state)
{
    static const struct {
        size_t at;
        char value;
    } bytes[] = {{18, 3}, {44 + 3, 5}}; /* the format for writing; the schema's */
    struct fixture *f = *state;
    char *data;
    size_t size;

    ls_state_close(f->state);
    f->state = NULL;
    data = bytes_of(f->url, &size);
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        const char before = data[bytes[i].at];

        data[bytes[i].at] = bytes[i].value;
        write_file(f->url, data, size);
        assert_code(f, LS_CORRUPT, try(f, f->url, true));
        assert_said(f, "Restore a copy");
        data[bytes[i].at] = before;
    }
    free(data);
}

static void a_schema_of_another_version_is_damage(void **state)
{
    struct fixture *f = *state;

    behind(f, "DELETE FROM schema_version WHERE number >= 5");
    assert_code(f, LS_CORRUPT, try(f, f->url, true));
    assert_said(f, "its table runs is not what was made");
}

static void what_a_user_may_do_to_the_file_is_no_damage(void **state)
{
    static const char *const doings[] = {
        "VACUUM",
        "ANALYZE",
        "CREATE INDEX of_mine ON runs (started_us)",
        "CREATE VIEW seen AS SELECT number, status FROM runs",
        "PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM",
        "PRAGMA page_size = 512; VACUUM",
    };
    struct fixture *f = *state;

    ls_state_close(f->state);
    f->state = NULL;
    for (size_t i = 0; i < sizeof doings / sizeof doings[0]; i++) {
        behind(f, doings[i]);
        assert_ok(f, try(f, f->url, true));
    }
}

static void a_changed_head_is_damage(void **state)
{
    struct fixture *f = *state;

    behind(f, "UPDATE {schema}heads SET seq = 3 WHERE name = 'audit'");
    assert_code(f, LS_CORRUPT, try(f, f->url, true));
    assert_said(f, "Restore a copy");
}

static void a_state_that_lost_its_content_is_damage(void **state)
{
    struct fixture *f = *state;
    struct ls_state_lock *lock = NULL;

    assert_ok(f, ls_state_lock(f->state, "s", &lock, &f->err));
    ls_state_unlock(lock);
    ls_state_close(f->state);
    f->state = NULL;
    assert_int_equal(truncate(f->url, 0), 0);
    assert_code(f, LS_CORRUPT, try(f, f->url, true));
    assert_said(f, "empty");
    assert_said(f, "-wal");
    assert_int_equal(unlink(f->url), 0); /* as the message says: then it begins anew */
    unlink(beside(f, "-wal"));
    unlink(beside(f, "-shm"));
    assert_ok(f, try(f, f->url, true));
}

static void a_truncated_file_is_damage(void **state)
{
    struct fixture *f = *state;
    char *data;
    size_t size;

    for (int i = 0; i < 50; i++)
        assert_ok(f, ls_state_audit_add(f->state, "me", "test", "subject", "{}", &f->err));
    ls_state_close(f->state);
    f->state = NULL;
    data = bytes_of(f->url, &size);
    for (size_t cut = 1; cut < size; cut += cut < 200 ? 13 : 2039) {
        struct ls_state *opened = NULL;
        uint64_t count = 0;
        enum ls_code rc;

        write_file(f->url, data, cut);
        unlink(beside(f, "-wal"));
        unlink(beside(f, "-shm"));
        rc = ls_state_open(f->url, true, &opened, &f->err);
        if (rc == LS_OK)
            rc = ls_state_audit_verify(opened, &count, &f->err);
        assert_code(f, LS_CORRUPT, rc);
        assert_said(f, "Restore a copy");
        ls_state_close(opened);
    }
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_SQLITE(the_default_place_is_made_for_its_owner_alone),
        ON_SQLITE(without_xdg_the_default_is_below_home),
        ON_SQLITE(the_environment_names_the_state),
        ON_SQLITE(a_path_may_hold_any_character),
        ON_SQLITE(a_url_that_is_no_state_is_refused),
        ON_BOTH(a_missing_state_is_not_found_and_not_made),
        ON_POSTGRES(where_it_is_shows_no_password),
        ON_SQLITE(a_folder_that_is_not_there_is_named),
        ON_SQLITE(a_folder_without_write_permission_is_named),
        ON_SQLITE(somebody_elses_database_is_left_alone),
        ON_SQLITE(a_file_that_is_no_database_is_left_alone),
        ON_SQLITE(a_table_of_somebody_else_in_the_state_is_refused),
        ON_SQLITE(an_empty_file_becomes_a_state),
        ON_SQLITE(what_a_dead_maker_left_is_cleared_away),
        ON_BOTH(a_newer_schema_is_refused),
        ON_BOTH(an_older_schema_is_brought_up_to_date),
        ON_BOTH(a_query_that_is_kept_holds_nothing_once_it_is_given_back),
        ON_BOTH(a_query_that_is_being_read_is_neither_run_again_nor_let_go),
        ON_BOTH(programs_that_make_the_state_at_once_agree),
        ON_BOTH(a_missing_table_is_damage),
        ON_SQLITE(a_changed_schema_is_damage),
        ON_BOTH(a_version_that_is_not_what_was_written_is_damage),
        ON_SQLITE(a_header_of_a_later_format_is_damage),
        ON_SQLITE(a_schema_of_another_version_is_damage),
        ON_SQLITE(what_a_user_may_do_to_the_file_is_no_damage),
        ON_BOTH(a_changed_head_is_damage),
        ON_SQLITE(a_state_that_lost_its_content_is_damage),
        ON_SQLITE(a_truncated_file_is_damage),
    };

    return cmocka_run_group_tests_name("state/open", tests, NULL, NULL);
}
