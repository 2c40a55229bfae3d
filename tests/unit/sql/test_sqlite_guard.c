/* SPDX-License-Identifier: Apache-2.0 */
/* test_sqlite_guard.c - SQLite sessions beside each other and on a disk that fails: cancelling, the guard, checkpoints, kills. */
#include "sqlite_help.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/file.h"

static struct ls_sql *open_guarded(const char *path)
{
    return open_with(path, (struct ls_sql_options){.create = true, .guarded = true});
}

/* ---- cancelling ---- */

static void *cancel_when_running(void *arg)
{
    struct ls_sql *db = arg;

    /* A cancel that comes too early does nothing, so it is repeated until it hits. */
    for (int i = 0; i < 2000; i++) {
        ls_sql_cancel(db);
        usleep(1000);
        pthread_testcancel();
    }
    return NULL;
}

static void a_running_statement_is_cancelled(void **state)
{
    char *path = testdir_path("cancel.db");
    struct ls_sql *db = create(path);
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_running, db), 0);
    assert_int_equal(ls_sql_exec(db,
                                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) "
                                 "SELECT count(*) FROM n",
                                 &err),
                     LS_CANCELLED);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    assert_int_equal(number(db, "SELECT 7"), 7);
    ls_sql_close(db);
    free(path);
}

static void waiting_for_a_lock_is_cancelled(void **state)
{
    char *path = testdir_path("cancelwait.db");
    struct ls_sql *a = open_guarded(path);
    struct ls_sql *b =
        open_with(path, (struct ls_sql_options){.guarded = true, .busy_timeout_ms = 200000});
    struct ls_sql *c = open_with(path, (struct ls_sql_options){.busy_timeout_ms = 200000});
    pthread_t thread;

    (void)state;
    OK(ls_sql_begin(a, true, &err));
    for (int i = 0; i < 2; i++) {
        struct ls_sql *waiting = i ? c : b; /* for the guard; for SQLite's own lock */

        assert_int_equal(pthread_create(&thread, NULL, cancel_when_running, waiting), 0);
        assert_int_equal(ls_sql_begin(waiting, true, &err), LS_CANCELLED);
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    ls_sql_rollback(a);
    ls_sql_close(c);
    ls_sql_close(b);
    ls_sql_close(a);
    free(path);
}

/* ---- the guard ---- */

static bool lock_is_free(const char *path)
{
    char *lock_path = beside(path, "-lock");
    struct ls_file_lock lock = LS_FILE_UNLOCKED;
    enum ls_code rc = ls_file_lock(&lock, lock_path, 0, false, &err);

    ls_file_unlock(&lock);
    free(lock_path);
    assert_true(rc == LS_OK || rc == LS_BUSY);
    return rc == LS_OK;
}

static void our_own_file_is_durable_and_never_checkpointed_by_itself(void **state)
{
    char *path = testdir_path("own.db");
    struct ls_sql *db = open_guarded(path);

    (void)state;
    assert_word(db, "PRAGMA journal_mode", "wal");
    assert_int_equal(number(db, "PRAGMA synchronous"), 2);
    assert_int_equal(number(db, "PRAGMA wal_autocheckpoint"), 0);
    OK(ls_sql_exec(db, "CREATE TABLE t (a); INSERT INTO t VALUES (1)", &err));
    ls_sql_close(db);
    assert_true(size_of(path, "-wal") > 0); /* closing moved nothing */
    db = open_guarded(path);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 1);
    ls_sql_close(db);
    free(path);
}

static void the_guard_is_held_exactly_while_writing(void **state)
{
    char *path = testdir_path("guard.db");
    struct ls_sql *db = open_guarded(path);
    struct ls_sql_stmt *stmt = NULL;
    bool row;

    (void)state;
    assert_true(lock_is_free(path));
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    assert_true(lock_is_free(path));

    OK(ls_sql_begin(db, false, &err));
    number(db, "SELECT count(*) FROM t");
    assert_true(lock_is_free(path)); /* readers need none */
    OK(ls_sql_commit(db, &err));

    OK(ls_sql_begin(db, true, &err));
    assert_false(lock_is_free(path));
    OK(ls_sql_exec(db, "INSERT INTO t VALUES (1)", &err));
    assert_false(lock_is_free(path));
    OK(ls_sql_commit(db, &err));
    assert_true(lock_is_free(path));

    OK(ls_sql_begin(db, true, &err));
    ls_sql_rollback(db);
    assert_true(lock_is_free(path));

    /* A statement that writes and gives rows, outside of a transaction, until its end. */
    OK(ls_sql_prepare(db, "INSERT INTO t VALUES (2), (3) RETURNING a", &stmt, &err));
    OK(ls_sql_run(stmt, NULL, 0, true, &err));
    assert_int_equal(number(db, "SELECT 1"), 1); /* another statement in between */
    assert_false(lock_is_free(path));
    do
        OK(ls_sql_step(stmt, &row, &err));
    while (row);
    assert_true(lock_is_free(path));
    OK(ls_sql_run(stmt, NULL, 0, true, &err));
    ls_sql_finish(stmt); /* broken off */
    assert_true(lock_is_free(path));

    /* A transaction by hand. */
    OK(ls_sql_exec(db, "BEGIN; INSERT INTO t VALUES (4)", &err));
    assert_false(lock_is_free(path));
    OK(ls_sql_exec(db, "COMMIT", &err));
    assert_true(lock_is_free(path));

    /* A statement that fails. */
    assert_int_equal(ls_sql_exec(db, "INSERT INTO t VALUES (abs(-9223372036854775807 - 1))", &err),
                     LS_INTERNAL);
    assert_true(lock_is_free(path));

    OK(ls_sql_begin(db, true, &err));
    ls_sql_close(db);
    assert_true(lock_is_free(path));
    free(path);
}

static void who_holds_the_guard_keeps_others_from_writing(void **state)
{
    char *path = testdir_path("held.db"), *lock_path = beside(path, "-lock");
    struct ls_sql *db = open_guarded(path);
    struct ls_sql *other =
        open_with(path, (struct ls_sql_options){.guarded = true, .busy_timeout_ms = 30});
    struct ls_file_lock lock = LS_FILE_UNLOCKED;

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    OK(ls_file_lock(&lock, lock_path, 0, false, &err));
    assert_int_equal(ls_sql_begin(other, true, &err), LS_BUSY);
    assert_says("-lock");
    assert_int_equal(ls_sql_exec(other, "INSERT INTO t VALUES (1)", &err), LS_BUSY);
    assert_int_equal(ls_sql_checkpoint(other, 0, &err), LS_BUSY);
    assert_int_equal(number(other, "SELECT count(*) FROM t"), 0);
    ls_file_unlock(&lock);
    OK(ls_sql_exec(other, "INSERT INTO t VALUES (1)", &err));
    ls_sql_close(other);
    ls_sql_close(db);
    free(lock_path);
    free(path);
}

static void a_checkpoint_waits_for_its_limit(void **state)
{
    char *path = testdir_path("checkpoint.db");
    struct ls_sql *db = open_guarded(path);
    int64_t before;

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100000))", &err));
    before = size_of(path, "-wal");
    assert_true(before > 100000);
    OK(ls_sql_checkpoint(db, 1000000, &err));
    assert_int_equal(size_of(path, "-wal"), before);
    OK(ls_sql_begin(db, true, &err));
    assert_int_equal(ls_sql_checkpoint(db, 0, &err), LS_INTERNAL);
    ls_sql_rollback(db);
    assert_true(size_of(path, "") < 100000);
    OK(ls_sql_checkpoint(db, 100000, &err));
    assert_true(size_of(path, "") > 100000);
    assert_true(lock_is_free(path));
    OK(ls_sql_checkpoint(db, 0, &err));
    assert_int_equal(size_of(path, "-wal"), 0);
    ls_sql_close(db);
    free(path);
}

/* A WAL that is cut would be given new blocks each time. */
static void a_wal_that_was_moved_is_written_again_from_its_beginning(void **state)
{
    char *path = testdir_path("again.db");
    struct ls_sql *db = open_guarded(path);
    int64_t size;

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100000))", &err));
    size = size_of(path, "-wal");
    for (int i = 0; i < 10; i++) {
        OK(ls_sql_checkpoint(db, 60000, &err));
        assert_int_equal(size_of(path, "-wal"), size);
        OK(ls_sql_exec(db, "INSERT INTO t VALUES (zeroblob(70000))", &err));
    }
    OK(ls_sql_exec(db, "INSERT INTO t VALUES (zeroblob(200000))", &err));
    assert_true(size_of(path, "-wal") > 200000);
    OK(ls_sql_checkpoint(db, 60000, &err)); /* much more than that is not kept */
    assert_int_equal(size_of(path, "-wal"), 0);
    ls_sql_close(db);
    free(path);
}

static void a_reader_does_not_hold_up_a_checkpoint(void **state)
{
    char *path = testdir_path("reader.db");
    struct ls_sql *db, *reader;

    (void)state;
    /* If it waited, it would be for ever. */
    db = open_with(path, (struct ls_sql_options){
                             .create = true, .guarded = true, .busy_timeout_ms = 1000000000});
    OK(ls_sql_exec(db, "CREATE TABLE t (a); INSERT INTO t VALUES (1)", &err));
    reader = open_with(path, (struct ls_sql_options){.guarded = true, .read_only = true});
    OK(ls_sql_begin(reader, false, &err));
    assert_int_equal(number(reader, "SELECT count(*) FROM t"), 1);
    OK(ls_sql_exec(db, "INSERT INTO t VALUES (2)", &err));
    OK(ls_sql_checkpoint(db, 0, &err));
    assert_true(size_of(path, "-wal") > 0);
    assert_int_equal(number(reader, "SELECT count(*) FROM t"), 1);
    ls_sql_rollback(reader);
    OK(ls_sql_checkpoint(db, 0, &err));
    assert_int_equal(size_of(path, "-wal"), 0);
    ls_sql_close(reader);
    ls_sql_close(db);
    free(path);
}

static void die_in_a_transaction(const char *path)
{
    struct ls_sql *db;

    CHILD(try_open(path, (struct ls_sql_options){.guarded = true}, &db) == LS_OK);
    CHILD(ls_sql_exec(db, "INSERT INTO t VALUES (1)", &err) == LS_OK);
    CHILD(ls_sql_begin(db, true, &err) == LS_OK);
    CHILD(ls_sql_exec(db, "INSERT INTO t VALUES (2)", &err) == LS_OK);
    kill(getpid(), SIGKILL);
}

static void a_killed_writer_leaves_its_commits_and_no_lock(void **state)
{
    char *path = testdir_path("killed.db");
    struct ls_sql *db = open_guarded(path);

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    ls_sql_close(db);
    assert_int_equal(in_child(die_in_a_transaction, path), 128 + SIGKILL);
    assert_true(lock_is_free(path));
    db = open_guarded(path);
    assert_int_equal(number(db, "SELECT sum(a) FROM t"), 1);
    ls_sql_close(db);
    free(path);
}

static void write_many(const char *path)
{
    struct ls_sql *db;

    CHILD(try_open(path, (struct ls_sql_options){.guarded = true, .busy_timeout_ms = 60000}, &db) ==
          LS_OK);
    for (int i = 0; i < 50; i++) {
        CHILD(ls_sql_begin(db, true, &err) == LS_OK);
        CHILD(ls_sql_exec(db, "UPDATE t SET a = a + 1", &err) == LS_OK);
        CHILD(ls_sql_commit(db, &err) == LS_OK);
        if (i % 10 == 9)
            CHILD(ls_sql_checkpoint(db, 0, &err) == LS_OK);
    }
    ls_sql_close(db);
}

static void two_processes_write_and_checkpoint_without_loss(void **state)
{
    char *path = testdir_path("two.db");
    struct ls_sql *db = open_guarded(path);
    int status;
    pid_t pid;

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a); INSERT INTO t VALUES (0)", &err));
    ls_sql_close(db);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        write_many(path);
        _exit(0);
    }
    assert_int_equal(in_child(write_many, path), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    db = open_guarded(path);
    assert_int_equal(number(db, "SELECT a FROM t"), 100);
    assert_word(db, "PRAGMA integrity_check", "ok");
    ls_sql_close(db);
    free(path);
}

/* ---- failing disks ---- */

/* A VFS that is the default one but for the fsync of a WAL, which fails while told to. */
static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    sqlite3_io_methods methods;
    const sqlite3_io_methods *real_methods;
    bool failing;
} shim;

static int shim_sync(sqlite3_file *file, int flags)
{
    return shim.failing ? SQLITE_IOERR_FSYNC : shim.real_methods->xSync(file, flags);
}

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    int rc = shim.real->xOpen(vfs, name, file, flags, out);

    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_WAL)) {
        shim.real_methods = file->pMethods;
        shim.methods = *file->pMethods;
        shim.methods.xSync = shim_sync;
        file->pMethods = &shim.methods;
    }
    return rc;
}

static void a_failed_fsync_ends_the_connection(void **state)
{
    char *path = testdir_path("fsync.db");
    struct ls_sql *db;

    (void)state;
    shim.real = sqlite3_vfs_find(NULL);
    shim.vfs = *shim.real;
    shim.vfs.pNext = NULL;
    shim.vfs.zName = "shim";
    shim.vfs.xOpen = shim_open;
    assert_int_equal(sqlite3_vfs_register(&shim.vfs, 1), SQLITE_OK);
    db = open_guarded(path);
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    OK(ls_sql_begin(db, true, &err));
    OK(ls_sql_exec(db, "INSERT INTO t VALUES (1)", &err));
    shim.failing = true;
    assert_int_equal(ls_sql_commit(db, &err), LS_IO);
    assert_string_equal(err.native, "IOERR_FSYNC");
    assert_says("Check the disk");
    shim.failing = false;
    assert_false(ls_sql_alive(db));
    ls_sql_rollback(db);
    assert_int_equal(ls_sql_exec(db, "SELECT 1", &err), LS_IO);
    assert_int_equal(ls_sql_begin(db, true, &err), LS_IO);
    assert_int_equal(ls_sql_checkpoint(db, 0, &err), LS_IO);
    ls_sql_close(db);
    sqlite3_vfs_unregister(&shim.vfs);
    assert_true(lock_is_free(path));
    free(path);
}

static void fill_the_disk(const char *path)
{
    struct rlimit limit = {.rlim_cur = 200000, .rlim_max = 200000};
    struct ls_sql *db;

    signal(SIGXFSZ, SIG_IGN);
    CHILD(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHILD(try_open(path, (struct ls_sql_options){0}, &db) == LS_OK);
    CHILD(ls_sql_begin(db, true, &err) == LS_OK);
    CHILD(ls_sql_exec(db, "INSERT INTO t VALUES (zeroblob(1000000))", &err) == LS_OK);
    CHILD(ls_sql_commit(db, &err) == LS_FULL);
    ls_sql_rollback(db);
    ls_sql_close(db);
}

static void a_full_disk_is_told_and_nothing_is_lost(void **state)
{
    char *path = testdir_path("disk.db");
    struct ls_sql *db = create(path);

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a); INSERT INTO t VALUES (1)", &err));
    ls_sql_close(db);
    assert_int_equal(in_child(fill_the_disk, path), 0);
    db = open_with(path, (struct ls_sql_options){0});
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 1);
    assert_word(db, "PRAGMA integrity_check", "ok");
    ls_sql_close(db);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_statement_is_cancelled),
        cmocka_unit_test(waiting_for_a_lock_is_cancelled),
        cmocka_unit_test(our_own_file_is_durable_and_never_checkpointed_by_itself),
        cmocka_unit_test(the_guard_is_held_exactly_while_writing),
        cmocka_unit_test(who_holds_the_guard_keeps_others_from_writing),
        cmocka_unit_test(a_checkpoint_waits_for_its_limit),
        cmocka_unit_test(a_wal_that_was_moved_is_written_again_from_its_beginning),
        cmocka_unit_test(a_reader_does_not_hold_up_a_checkpoint),
        cmocka_unit_test(a_killed_writer_leaves_its_commits_and_no_lock),
        cmocka_unit_test(two_processes_write_and_checkpoint_without_loss),
        cmocka_unit_test(a_failed_fsync_ends_the_connection),
        cmocka_unit_test(a_full_disk_is_told_and_nothing_is_lost),
    };

    return cmocka_run_group_tests_name("sql/sqlite_guard", tests, NULL, NULL);
}
