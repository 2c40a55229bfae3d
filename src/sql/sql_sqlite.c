/* SPDX-License-Identifier: Apache-2.0 */
/* sql_sqlite.c - SQLite connections: opening, the guard lock, transactions, errors.
 *
 * Two kinds of files go through here. A user's file is a guest's house: its journal mode stays
 * what it is, nothing is checkpointed but by SQLite's own rules, and a missing file is made
 * only when asked for. Our own state is opened `guarded`, because SQLite before 3.51.3 can
 * damage a WAL database when two connections write and checkpoint at the same moment: every
 * write transaction and every checkpoint happens under an exclusive lock on PATH-lock, and the
 * checkpoints that SQLite would do by itself, after a commit and at close, are off.
 * synchronous=FULL makes a commit durable before it returns.
 *
 * The guard is a lock of its own and not SQLite's, which it only precedes. It is polled for and
 * not waited for in the kernel: so that it has the busy timeout and ls_sql_cancel() ends it.
 *
 * The database file is never opened here but by SQLite: closing any descriptor of a file drops
 * all POSIX locks that the process has on it, those of other connections too. That is why a
 * missing file is made with mknod(), which opens nothing, and why its permissions are asked for
 * by name.
 *
 * A transaction that SQLite ended by itself (a full disk, an interrupt) stays "begun" until the
 * caller has rolled back: statements in between would otherwise commit one by one. After a
 * failed fsync the connection is dead for good: the kernel may have dropped the pages, and a
 * second fsync that succeeds would prove nothing. */
#include "sql/sql_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define LONGEST_NAP_MS 20

static struct ls_sqlite3 *of(struct ls_sql *base)
{
    return (struct ls_sqlite3 *)base;
}

static const struct ls_sqlite3 *of_const(const struct ls_sql *base)
{
    return (const struct ls_sqlite3 *)base;
}

static void nap(int count)
{
    long ms = count < 5 ? 1L << count : LONGEST_NAP_MS;
    struct timespec time = {.tv_nsec = (ms < LONGEST_NAP_MS ? ms : LONGEST_NAP_MS) * 1000000};

    nanosleep(&time, NULL);
}

/* Whether to try once more; count is how often it was tried. */
static bool wait_more(struct ls_sqlite3 *db, int count)
{
    int64_t now = ls_clock_monotonic_us();

    if (count == 0)
        db->wait_since_us = now;
    if (atomic_load(&db->cancelled) ||
        now - db->wait_since_us >= (int64_t)db->busy_timeout_ms * 1000)
        return false;
    nap(count);
    return true;
}

static int on_busy(void *ctx, int count)
{
    struct ls_sqlite3 *db = ctx;

    return !db->no_wait && wait_more(db, count);
}

static int errno_of(sqlite3_file *file)
{
    int errnum = 0;

    if (file && file->pMethods)
        (void)file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &errnum);
    return errnum;
}

/* Why input or output failed. sqlite3_system_errno() is whatever failed last, which after the
 * rollback that follows is something else: so the files are asked, the journal or WAL last. */
static int last_errno(sqlite3 *handle)
{
    sqlite3_file *file = NULL, *journal = NULL;
    int errnum;

    (void)sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    (void)sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &journal);
    errnum = errno_of(file);
    if (!errnum)
        errnum = errno_of(journal);
    return errnum ? errnum : sqlite3_system_errno(handle);
}

/* SQLite says "SQL logic error" (1) for much that has a meaning; its texts are fixed English. */
static struct ls_sql_meaning meaning_of(struct ls_sqlite3 *db, int rc, const char *text)
{
    struct ls_sql_meaning m = ls_sql_meaning_of_sqlite(rc, db->handle ? last_errno(db->handle) : 0);

    if (rc == SQLITE_ERROR && (strstr(text, "no such table") || strstr(text, "no such column") ||
                               strstr(text, "has no column named")))
        m.code = LS_NOT_FOUND;
    if (m.code == LS_BUSY && atomic_load(&db->cancelled))
        m = ls_sql_meaning_of_sqlite(SQLITE_INTERRUPT, 0);
    return m;
}

enum ls_code ls_sqlite3_error(struct ls_sqlite3 *db, int rc, struct ls_error *err)
{
    const char *text = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
    struct ls_sql_meaning m = meaning_of(db, rc, text);

    if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
        db->dead = true;
    if (ls_sql_about_record(m.code))
        ls_error_set(err, m.code, "%s", text);
    else
        ls_error_set(err, m.code, "%s: %s%s%s", db->base.shown, text, m.hint ? ". " : "",
                     m.hint ? m.hint : "");
    if (err)
        snprintf(err->native, sizeof(err->native), "%s", m.name);
    return m.code;
}

enum ls_code ls_sqlite3_ready(struct ls_sqlite3 *db, struct ls_error *err)
{
    if (db->dead)
        return ls_error_set(err, LS_IO,
                            "%s: the disk failed to take what was written before, so nothing more "
                            "is done on this connection. Check the disk and start again",
                            db->base.shown);
    if (db->began && sqlite3_get_autocommit(db->handle))
        return ls_error_set(err, LS_INTERNAL,
                            "%s: the transaction was rolled back by an error before this statement",
                            db->base.shown);
    atomic_store(&db->cancelled, false);
    return LS_OK;
}

static enum ls_code guard_busy(struct ls_sqlite3 *db, struct ls_error *err)
{
    if (atomic_load(&db->cancelled))
        return ls_error_set(err, LS_CANCELLED, "%s: cancelled while waiting for its lock",
                            db->base.shown);
    return ls_error_set(err, LS_BUSY,
                        "%s: another process kept writing to it (lock=%s, waited_ms=%d). Try again "
                        "when it is done",
                        db->base.shown, db->lock_path, db->busy_timeout_ms);
}

/* The lock's file is opened for each write, so it is the first to tell. */
static enum ls_code tell_read_only(const struct ls_sqlite3 *db, enum ls_code rc,
                                   struct ls_error *err)
{
    const struct ls_sql_meaning m = ls_sql_meaning_of_sqlite(SQLITE_IOERR_WRITE, EROFS);

    if (rc == LS_OK || !err || strcmp(err->native, m.name) != 0)
        return rc;
    ls_error_set(err, rc, "%s: %s. %s", db->base.shown, strerror(EROFS), m.hint);
    snprintf(err->native, sizeof(err->native), "%s", m.name);
    return rc;
}

enum ls_code ls_sqlite3_guard_enter(struct ls_sqlite3 *db, struct ls_error *err)
{
    enum ls_code rc;
    int count = 0;

    if (!db->guarded || db->guard.fd >= 0)
        return LS_OK;
    for (;;) {
        rc = ls_file_lock(&db->guard, db->lock_path, 0, false, err);
        if (rc != LS_BUSY)
            return tell_read_only(db, rc, err);
        if (!wait_more(db, count++)) /* native: it is the system that has no room, not the lock */
            return err && *err->native ? rc : guard_busy(db, err);
    }
}

void ls_sqlite3_guard_leave(struct ls_sqlite3 *db)
{
    if (db->guard.fd >= 0 && !db->began && db->writers == 0 && sqlite3_get_autocommit(db->handle))
        ls_file_unlock(&db->guard);
}

static enum ls_code simple(struct ls_sqlite3 *db, const char *sql, struct ls_error *err)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? LS_OK
                           : ls_sqlite3_error(db, sqlite3_extended_errcode(db->handle), err);
}

static enum ls_code begin(struct ls_sql *base, bool write, struct ls_error *err)
{
    struct ls_sqlite3 *db = of(base);
    enum ls_code rc = ls_sqlite3_ready(db, err);

    if (rc == LS_OK && write)
        rc = ls_sqlite3_guard_enter(db, err);
    if (rc == LS_OK)
        rc = simple(db, write ? "BEGIN IMMEDIATE" : "BEGIN", err);
    if (rc == LS_OK)
        db->began = true;
    else
        ls_sqlite3_guard_leave(db);
    return rc;
}

/* After an error the transaction may still be open (BUSY): the caller rolls back, or tries
 * again. */
static enum ls_code commit(struct ls_sql *base, struct ls_error *err)
{
    struct ls_sqlite3 *db = of(base);
    enum ls_code rc = ls_sqlite3_ready(db, err);

    if (rc == LS_OK)
        rc = simple(db, "COMMIT", err);
    if (rc == LS_OK) {
        db->began = false;
        ls_sqlite3_guard_leave(db);
    }
    return rc;
}

static void rollback(struct ls_sql *base)
{
    struct ls_sqlite3 *db = of(base);

    /* Fails only where SQLite has rolled back by itself already. */
    if (!sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    db->began = false;
    ls_sqlite3_guard_leave(db);
}

static bool in_transaction(const struct ls_sql *base)
{
    const struct ls_sqlite3 *db = of_const(base);

    return db->began || !sqlite3_get_autocommit(db->handle);
}

/* After each commit: how much is in the WAL, that of others too. */
static int on_commit(void *ctx, sqlite3 *handle, const char *name, int pages)
{
    struct ls_sqlite3 *db = ctx;

    (void)handle;
    (void)name;
    db->wal_pages = pages;
    return SQLITE_OK;
}

/* Of the file, whose pages may be moved already. */
static int64_t wal_bytes(const struct ls_sqlite3 *db)
{
    const char *wal = sqlite3_filename_wal(sqlite3_db_filename(db->handle, "main"));
    struct stat st;

    return wal && stat(wal, &st) == 0 ? st.st_size : 0;
}

/* Readers are not waited for: what they still need stays in the WAL until the next time. */
static enum ls_code checkpoint_now(struct ls_sqlite3 *db, int mode, struct ls_error *err)
{
    enum ls_code code = ls_sqlite3_guard_enter(db, err);
    int rc;

    if (code != LS_OK)
        return code;
    db->no_wait = true;
    rc = sqlite3_wal_checkpoint_v2(db->handle, "main", mode, NULL, NULL);
    db->no_wait = false;
    db->wal_pages = 0;
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
        code = ls_sqlite3_error(db, sqlite3_extended_errcode(db->handle), err);
    ls_sqlite3_guard_leave(db);
    return code;
}

/* With a limit the WAL keeps its file, which is then written from its beginning: one that is cut is given new blocks with every
 * commit, which costs more than the pages. One that has grown far past the limit is cut all the same. */
static enum ls_code checkpoint(struct ls_sql *base, int64_t limit_bytes, struct ls_error *err)
{
    struct ls_sqlite3 *db = of(base);
    enum ls_code rc = ls_sqlite3_ready(db, err);

    if (rc != LS_OK || !db->guarded)
        return rc;
    if (in_transaction(base))
        return ls_error_set(err, LS_INTERNAL, "%s: no checkpoint inside a transaction",
                            db->base.shown);
    if (limit_bytes && (int64_t)db->wal_pages * db->page_bytes <= limit_bytes)
        return LS_OK;
    if (wal_bytes(db) > limit_bytes * 2)
        return checkpoint_now(db, SQLITE_CHECKPOINT_TRUNCATE, err);
    return limit_bytes ? checkpoint_now(db, SQLITE_CHECKPOINT_PASSIVE, err) : LS_OK;
}

/* SQLite does not tell when the fsync of a directory fails, so a new file's is done here. */
static enum ls_code sync_folder_of(const char *path, struct ls_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = strndup(path, slash && slash > path ? (size_t)(slash - path) : 1);
    enum ls_code rc = LS_OK;
    int fd;

    if (!folder)
        return ls_error_nomem(err);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd))
        rc = ls_error_errno(err, errno, "cannot make a new file in %s durable", folder);
    if (fd >= 0)
        close(fd);
    free(folder);
    return rc;
}

static enum ls_code make_file(const char *path, const char *shown, struct ls_error *err)
{
    if (mknod(path, S_IFREG | 0600, 0) && errno != EEXIST)
        return ls_error_errno(err, errno, "cannot make %s", shown);
    return sync_folder_of(path, err);
}

/* The real path of a file that need not be there yet, its folder has to; NULL and errno. */
static char *real_path_of_new(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *folder, *real, *ret = NULL;

    if (!*name) {
        errno = EISDIR;
        return NULL;
    }
    folder = slash ? strndup(path, (size_t)(name - path)) : strdup(".");
    real = folder ? realpath(folder, NULL) : NULL;
    if (real && asprintf(&ret, "%s/%s", real[1] ? real : "", name) < 0)
        ret = NULL;
    free(real);
    free(folder);
    return ret;
}

static enum ls_code find_file(const char *location, const struct ls_sql_options *o,
                              const char *shown, char **ret_path, struct ls_error *err)
{
    char *path = realpath(location, NULL);
    bool made = false;
    enum ls_code rc;

    if (!path && errno == ENOENT && o->create) {
        path = real_path_of_new(location);
        made = path != NULL;
    }
    if (!path) {
        if (errno == ENOENT && !o->create)
            return ls_error_set(err, LS_NOT_FOUND,
                                "%s: there is no such file. Check the path; relative ones start at "
                                "the current folder",
                                shown);
        return ls_error_errno(err, errno, "cannot open %s", shown);
    }
    rc = made ? make_file(path, shown, err) : LS_OK;
    if (rc == LS_OK)
        *ret_path = path;
    else
        free(path);
    return rc;
}

/* What SQLite would tell less clearly, or, for a file that may only be read, not at all. */
static enum ls_code check_file(const char *path, bool read_only, const char *shown,
                               struct ls_error *err)
{
    struct stat st;

    if (stat(path, &st))
        return ls_error_errno(err, errno, "cannot open %s", shown);
    if (!S_ISREG(st.st_mode))
        return ls_error_set(err, LS_NOT_FOUND,
                            "%s: this is no file but a folder or a device. Give the path of an "
                            "SQLite file",
                            shown);
    if (eaccess(path, read_only ? R_OK : R_OK | W_OK))
        return ls_error_errno(err, errno, "no right to %s %s", read_only ? "read" : "write", shown);
    return LS_OK;
}

/* *ret_path: what SQLite opens; the caller's also after an error. */
static enum ls_code find_place(const struct ls_url *url, const struct ls_sql_options *o,
                               char **ret_path, struct ls_error *err)
{
    enum ls_code rc;

    if (o->memory) {
        *ret_path = strdup(":memory:");
        return *ret_path ? LS_OK : ls_error_nomem(err);
    }
    rc = find_file(url->location, o, url->shown, ret_path, err);
    return rc == LS_OK ? check_file(*ret_path, o->read_only, url->shown, err) : rc;
}

/* Reads one pragma's text into out ("" when it gives none). */
static enum ls_code pragma(struct ls_sqlite3 *db, const char *sql, char out[32],
                           struct ls_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum ls_code code = LS_OK;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);

    out[0] = '\0';
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(stmt, 0);

        snprintf(out, 32, "%s", text ? (const char *)text : "");
    } else if (rc != SQLITE_DONE) {
        code = ls_sqlite3_error(db, sqlite3_extended_errcode(db->handle), err);
    }
    sqlite3_finalize(stmt);
    return code;
}

/* Under the guard: another connection may be doing the same. */
static enum ls_code to_wal(struct ls_sqlite3 *db, struct ls_error *err)
{
    char mode[32];
    enum ls_code rc = ls_sqlite3_guard_enter(db, err);

    if (rc == LS_OK)
        rc = pragma(db, "PRAGMA journal_mode=WAL", mode, err);
    if (rc == LS_OK && strcmp(mode, "wal") != 0)
        rc = ls_error_set(err, LS_UNSUPPORTED,
                          "%s: its file system cannot hold a write-ahead log (journal_mode=%s). "
                          "Put it on a local disk",
                          db->base.shown, mode);
    if (rc == LS_OK)
        rc = sync_folder_of(db->path, err);
    ls_sqlite3_guard_leave(db);
    return rc;
}

static enum ls_code set_guarded(struct ls_sqlite3 *db, bool read_only, struct ls_error *err)
{
    char mode[32], page[32] = "";
    enum ls_code rc;

    if (asprintf(&db->lock_path, "%s-lock", db->path) < 0) {
        db->lock_path = NULL;
        return ls_error_nomem(err);
    }
    db->guarded = true;
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    /* in place of SQLite's own, which would checkpoint */
    sqlite3_wal_hook(db->handle, on_commit, db);
    rc = simple(db, "PRAGMA synchronous=FULL", err);
    /* We may write the file, check_file() saw it; SQLite may not where the file says that a later one made it. */
    if (rc == LS_OK && !read_only && sqlite3_db_readonly(db->handle, "main") == 1)
        rc = ls_error_set(err, LS_CORRUPT, "%s: its header says that it may only be read",
                          db->base.shown);
    if (rc == LS_OK)
        rc = pragma(db, "PRAGMA journal_mode", mode, err);
    if (rc == LS_OK && !read_only && strcmp(mode, "wal") != 0)
        rc = to_wal(db, err);
    if (rc == LS_OK)
        rc = pragma(db, "PRAGMA page_size", page, err);
    db->page_bytes = strtol(page, NULL, 10);
    return rc;
}

/* Reading the schema's version is what first reads the file. Where that fails for a file that
 * could be opened, it is in WAL mode and the files beside it cannot be made. */
static enum ls_code probe(struct ls_sqlite3 *db, struct ls_error *err)
{
    char version[32], native[sizeof(err->native)];
    enum ls_code rc = pragma(db, "PRAGMA schema_version", version, err);
    int code = sqlite3_extended_errcode(db->handle);

    if (rc == LS_OK || !err ||
        (code != SQLITE_READONLY_DIRECTORY && (code & 0xff) != SQLITE_CANTOPEN))
        return rc;
    snprintf(native, sizeof(native), "%s", err->native);
    rc = ls_error_set(err, LS_PERMISSION,
                      "%s: cannot make the files that belong beside it (%s-wal, %s-shm). An SQLite "
                      "file in WAL mode needs them: give write permission to its folder, or use a "
                      "copy",
                      db->base.shown, db->path, db->path);
    snprintf(err->native, sizeof(err->native), "%s", native);
    return rc;
}

static enum ls_code set_up(struct ls_sqlite3 *db, const struct ls_sql_options *o,
                           struct ls_error *err)
{
    const int added = ls_sqlite3_add_json(db->handle);
    enum ls_code rc;

    if (added != SQLITE_OK)
        return ls_sqlite3_error(db, added, err);
    sqlite3_busy_handler(db->handle, on_busy, db);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    rc = probe(db, err);
    if (rc == LS_OK && o->guarded)
        rc = set_guarded(db, o->read_only, err);
    return rc;
}

static void close_db(struct ls_sql *base)
{
    struct ls_sqlite3 *db = of(base);

    if (db->handle)
        rollback(base);
    /* _v2: statements that the caller has not finished keep it until they are. */
    sqlite3_close_v2(db->handle);
    ls_file_unlock(&db->guard);
    ls_sql_base_done(&db->base);
    free(db->lock_path);
    free(db->path);
    free(db);
}

static void cancel(struct ls_sql *base)
{
    struct ls_sqlite3 *db = of(base);

    atomic_store(&db->cancelled, true);
    sqlite3_interrupt(db->handle);
}

static bool alive(const struct ls_sql *base)
{
    return !of_const(base)->dead;
}

static const struct ls_sql_driver driver = {
    .dialect = LS_SQLITE,
    .close = close_db,
    .cancel = cancel,
    .alive = alive,
    .exec = ls_sqlite3_exec,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .in_transaction = in_transaction,
    .checkpoint = checkpoint,
    .prepare = ls_sqlite3_prepare,
    .finish = ls_sqlite3_finish,
    .reset = ls_sqlite3_reset,
    .run = ls_sqlite3_run,
    .step = ls_sqlite3_step,
    .change = ls_sqlite3_change,
    .columns = ls_sqlite3_columns,
    .column_name = ls_sqlite3_column_name,
    .has_row = ls_sqlite3_has_row,
    .is_null = ls_sqlite3_is_null,
    .i64 = ls_sqlite3_i64,
    .dbl = ls_sqlite3_double,
    .text = ls_sqlite3_text,
    .bytes = ls_sqlite3_bytes,
    .values = ls_sqlite3_values,
};

void ls_sql_uncounted(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum ls_code ls_sql_open_sqlite(const struct ls_url *url, const struct ls_sql_options *options,
                                struct ls_sql **ret, struct ls_error *err)
{
    int flags = SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                (options->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    struct ls_sqlite3 *db = calloc(1, sizeof(*db));
    enum ls_code rc;
    int opened;

    if (!db)
        return ls_error_nomem(err);
    db->base = (struct ls_sql){
        .driver = &driver, .version = sqlite3_libversion_number(), .unseen = options->memory};
    db->guard = LS_FILE_UNLOCKED;
    db->busy_timeout_ms = options->busy_timeout_ms;
    db->base.shown = strdup(url->shown);
    rc = db->base.shown ? find_place(url, options, &db->path, err) : ls_error_nomem(err);
    if (rc == LS_OK && asprintf(&db->base.identity, "sqlite:%s", db->path) < 0) {
        db->base.identity = NULL;
        rc = ls_error_nomem(err);
    }
    if (rc == LS_OK) {
        opened = sqlite3_open_v2(db->path, &db->handle, flags, NULL);
        rc = opened == SQLITE_OK ? set_up(db, options, err) : ls_sqlite3_error(db, opened, err);
    }
    if (rc == LS_OK)
        *ret = &db->base;
    else
        close_db(&db->base);
    return rc;
}
