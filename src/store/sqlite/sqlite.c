/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite.c - the SQLite store: sessions, transactions, marks, locks.
 *
 * A session is one connection. Those that only read open the file read-only. The page cache is
 * held at 2 MiB (16 for a writer) and no file is mapped, so that memory does not grow with the tables; the
 * journal mode of the file is never changed.
 *
 * Marks are rows of the table lockstep_batches, made in the target file when the first batch needs it and
 * within that batch's transaction: a row is there exactly when its batch committed. The table goes with its
 * last row, when the journal knows every batch. A transaction of a
 * killed process is none any more (SQLite rolls it back when the file is next opened), and one that is
 * still at work holds the file's write lock, so settle() takes that lock before it looks.
 *
 * Run locks are OFD locks beside the file, in `.NAME.lockstep-lock`, at an offset made of the lock's name: a lock
 * inside the database would keep the application from writing for as long as a run lasts.
 * The file is empty, made on first use, and may be removed when no run is going on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/text.h"
#include "store/changed.h"
#include "store/inbox.h"
#include "store/kinds.h"
#include "store/origin.h"
#include "store/sqlite/sqlite.h"

/* A reader passes over the pages once; a writer comes back to those of its indexes, all over them. In KiB. */
#define READER_PRAGMAS "PRAGMA cache_size = -2048; PRAGMA mmap_size = 0"
#define WRITER_PRAGMAS "PRAGMA cache_size = -16384; PRAGMA mmap_size = 0"

#define HAS_MARKS \
    "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = '" LS_SQLITE_MARKS "'"

static struct ls_sqlite *session_of(struct ls_store *store)
{
    return (struct ls_sqlite *)store;
}

static void sqlite_close(struct ls_store *store)
{
    struct ls_sqlite *s = session_of(store);

    ls_sql_close(s->db);
    while (s->locks) {
        struct ls_sqlite_lock *lock = s->locks;

        s->locks = lock->next;
        ls_file_unlock(&lock->file);
        free(lock);
    }
    free(s);
}

static enum ls_code sqlite_open(const struct ls_url *url, const struct ls_store_options *options,
                                struct ls_store **ret, struct ls_error *err)
{
    const struct ls_sql_options sql = {.read_only = !options->writable,
                                       .create = options->create && options->writable,
                                       .busy_timeout_ms = options->lock_timeout_ms};
    struct ls_sqlite *s = calloc(1, sizeof(*s));
    enum ls_code rc;

    if (!s)
        return ls_error_nomem(err);
    s->origin = options->origin;
    s->happened = options->happened;
    rc = ls_sql_open(url, &sql, &s->db, err);
    if (rc == LS_OK)
        rc = ls_sql_exec(s->db, options->writable ? WRITER_PRAGMAS : READER_PRAGMAS, err);
    if (rc != LS_OK) {
        sqlite_close(&s->base);
        return rc;
    }
    *ret = &s->base;
    return LS_OK;
}

static const char *sqlite_identity(struct ls_store *store)
{
    return ls_sql_identity(session_of(store)->db);
}

static void sqlite_cancel(struct ls_store *store)
{
    ls_sql_cancel(session_of(store)->db);
}

static enum ls_code sqlite_begin(struct ls_store *store, struct ls_error *err)
{
    const struct ls_sqlite *s = session_of(store);
    enum ls_code rc = ls_sql_begin(s->db, true, err);

    if (rc == LS_OK)
        rc = ls_origin_set(s->db, s->origin, s->happened, err);
    if (rc != LS_OK)
        ls_sql_rollback(s->db);
    return rc;
}

static enum ls_code sqlite_commit(struct ls_store *store, struct ls_error *err)
{
    const struct ls_sqlite *s = session_of(store);
    const enum ls_code rc = s->origin || s->happened ? ls_origin_unset(s->db, err) : LS_OK;

    return rc == LS_OK ? ls_sql_commit(s->db, err) : rc;
}

static void sqlite_rollback(struct ls_store *store)
{
    ls_sql_rollback(session_of(store)->db);
}

static enum ls_code sqlite_mark(struct ls_store *store, const char *tag, struct ls_arena *mem,
                                const char **ret_marker, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(tag), ls_value_int(ls_clock_now_us())};
    struct ls_sql *db = session_of(store)->db;
    const char *marker = ls_arena_text(mem, tag);
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc;

    if (!marker)
        return ls_error_nomem(err);
    rc = ls_sql_exec(db,
                     "CREATE TABLE IF NOT EXISTS main." LS_SQLITE_MARKS
                     " (tag TEXT NOT NULL PRIMARY KEY, made_at INTEGER NOT NULL) WITHOUT ROWID",
                     err);
    if (rc == LS_OK)
        rc = ls_sql_prepare(db, "INSERT INTO main." LS_SQLITE_MARKS " (tag, made_at) VALUES (?, ?)",
                            &stmt, err);
    if (rc == LS_OK)
        rc = ls_sql_change(stmt, params, 2, NULL, err);
    ls_sql_finish(stmt);
    if (rc == LS_OK)
        *ret_marker = marker;
    return rc;
}

/* Whether a query gives a row. */
static enum ls_code has_row(struct ls_sql *db, const char *sql, bool *ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_sql_one(db, sql, NULL, 0, &stmt, ret, err);

    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code has_mark(struct ls_sql *db, const char *tag, bool *ret, struct ls_error *err)
{
    const struct ls_value name = ls_value_text(tag);
    struct ls_sql_stmt *stmt = NULL;
    bool made = false;
    enum ls_code rc = has_row(db, HAS_MARKS, &made, err);

    *ret = false;
    if (rc != LS_OK || !made)
        return rc;
    rc = ls_sql_one(db, "SELECT 1 FROM main." LS_SQLITE_MARKS " WHERE tag = ?", &name, 1, &stmt,
                    ret, err);
    ls_sql_finish(stmt);
    return rc;
}

/* A read-only session cannot take the write lock: it sees what is committed. */
static enum ls_code sqlite_settle(struct ls_store *store, const struct ls_schema *schema,
                                  const char *marker, enum ls_outcome *ret, struct ls_error *err)
{
    struct ls_sql *db = session_of(store)->db;
    bool committed = false;
    enum ls_code rc;

    (void)schema;
    rc = has_mark(db, marker, &committed, err);
    if (rc == LS_OK && !committed && store->writable) {
        rc = ls_sql_begin(db, true, err);
        if (rc == LS_OK)
            rc = has_mark(db, marker, &committed, err);
        ls_sql_rollback(db);
    }
    if (rc == LS_OK)
        *ret = committed ? LS_OUTCOME_COMMITTED : LS_OUTCOME_ABORTED;
    return rc;
}

/* Removes the marks, and with the last one the table. */
static enum ls_code drop_marks(struct ls_sql *db, const char *tag, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(tag), ls_value_text(tag)};
    struct ls_sql_stmt *stmt = NULL;
    bool left = true;
    enum ls_code rc;

    rc = ls_sql_prepare(
        db, "DELETE FROM main." LS_SQLITE_MARKS " WHERE substr(tag, 1, length(?)) = ?", &stmt, err);
    if (rc == LS_OK)
        rc = ls_sql_change(stmt, params, 2, NULL, err);
    ls_sql_finish(stmt);
    if (rc == LS_OK)
        rc = has_row(db, "SELECT 1 FROM main." LS_SQLITE_MARKS " LIMIT 1", &left, err);
    if (rc == LS_OK && !left)
        rc = ls_sql_exec(db, "DROP TABLE main." LS_SQLITE_MARKS, err);
    return rc;
}

/* Marks that cannot be removed now stay and do no harm. */
static void sqlite_forget(struct ls_store *store, const char *tag)
{
    struct ls_sql *db = session_of(store)->db;
    struct ls_error ignored;
    bool made = false;

    if (has_row(db, HAS_MARKS, &made, &ignored) != LS_OK || !made ||
        ls_sql_begin(db, true, &ignored) != LS_OK)
        return;
    if (drop_marks(db, tag, &ignored) != LS_OK || ls_sql_commit(db, &ignored) != LS_OK)
        ls_sql_rollback(db);
}

static const char *sqlite_digest_family(struct ls_store *store, const struct ls_scan *scan,
                                        struct ls_arena *mem, struct ls_error *err)
{
    const char *family = ls_store_scan_family(scan, mem);

    (void)store;
    if (!family)
        ls_error_nomem(err);
    return family;
}

/* /real/.shop.db.lockstep-lock for sqlite:/real/shop.db; to be freed. */
static char *lock_path(struct ls_sqlite *s)
{
    const char *path = strchr(ls_sql_identity(s->db), ':') + 1, *name = strrchr(path, '/');
    char *ret;

    name = name ? name + 1 : path;
    return asprintf(&ret, "%.*s.%s.lockstep-lock", (int)(name - path), path, name) < 0 ? NULL : ret;
}

static bool holds(const struct ls_sqlite *s, const char *name)
{
    for (const struct ls_sqlite_lock *lock = s->locks; lock; lock = lock->next)
        if (!strcmp(lock->name, name))
            return true;
    return false;
}

static enum ls_code sqlite_lock(struct ls_store *store, const char *name, struct ls_error *err)
{
    struct ls_sqlite *s = session_of(store);
    struct ls_sqlite_lock *lock;
    char *path;
    enum ls_code rc;

    if (holds(s, name))
        return LS_OK;
    path = lock_path(s);
    lock = malloc(sizeof(*lock) + strlen(name) + 1);
    if (!path || !lock) {
        free(path);
        free(lock);
        return ls_error_nomem(err);
    }
    lock->file = LS_FILE_UNLOCKED;
    memcpy(lock->name, name, strlen(name) + 1);
    rc =
        ls_file_lock(&lock->file, path, (off_t)(ls_hash64(name, strlen(name), 0) >> 2), false, err);
    free(path);
    if (rc == LS_OK) {
        lock->next = s->locks;
        s->locks = lock;
        return LS_OK;
    }
    free(lock);
    if (rc == LS_BUSY)
        rc = ls_error_set(err, LS_LOCKED,
                          "another run holds the lock %s (store=%s). Wait for its end", name,
                          ls_sql_identity(s->db));
    return rc;
}

static enum ls_code sqlite_note(struct ls_store *store, const struct ls_note *note,
                                struct ls_arena *mem, const char **ret_known, bool *ret_stale,
                                struct ls_error *err)
{
    return ls_inbox_note(session_of(store)->db, note, mem, ret_known, ret_stale, err);
}

static enum ls_code sqlite_outcome(struct ls_store *store, const struct ls_note *note,
                                   const char *outcome, struct ls_error *err)
{
    return ls_inbox_outcome(session_of(store)->db, note, outcome, err);
}

static enum ls_code sqlite_newer(struct ls_store *store, const struct ls_news *change,
                                 struct ls_arena *mem, bool *ret, struct ls_error *err)
{
    return ls_changed_newer(session_of(store)->db, change, mem, ret, err);
}

static enum ls_code sqlite_took(struct ls_store *store, const struct ls_news *change,
                                struct ls_arena *mem, struct ls_error *err)
{
    return ls_changed_took(session_of(store)->db, change, mem, err);
}

static enum ls_code sqlite_forget_notes(struct ls_store *store, int64_t before_us,
                                        struct ls_error *err)
{
    return ls_inbox_forget(session_of(store)->db, before_us, err);
}

const struct ls_store_ops ls_sqlite_ops = {
    .scheme = "sqlite",
    .summary =
        "Tables and views of an SQLite file, in any journal mode; sources are opened read-only.",
    .example = "sqlite:shop.db#customers",
    .caps = LS_CAP_ORDER | LS_CAP_DIGEST | LS_CAP_WRITE | LS_CAP_CREATE | LS_CAP_LOCK |
            LS_CAP_FETCH | LS_CAP_BATCHES | LS_CAP_INBOX,
    .leaves = "A run keeps marks of its batches in a table lockstep_batches, by which they are "
              "known as committed after a "
              "kill; the table goes with its last mark. A file .NAME.lockstep-lock beside the "
              "database holds the lock.",
    .open = sqlite_open,
    .close = sqlite_close,
    .identity = sqlite_identity,
    .list = ls_sqlite_list,
    .describe = ls_sqlite_describe,
    .scan = ls_sqlite_scan,
    .next = ls_sqlite_next,
    .end = ls_sqlite_end,
    .fetch = ls_sqlite_fetch,
    .cancel = sqlite_cancel,
    .orders = ls_sqlite_orders,
    .seeks = ls_sqlite_seeks,
    .begin = sqlite_begin,
    .write = ls_sqlite_write,
    .mark = sqlite_mark,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .settle = sqlite_settle,
    .forget = sqlite_forget,
    .digest_family = sqlite_digest_family,
    .digest = ls_sqlite_digest,
    .bounds = ls_sqlite_bounds,
    .create = ls_sqlite_create,
    .lock = sqlite_lock,
    .note = sqlite_note,
    .outcome = sqlite_outcome,
    .newer = sqlite_newer,
    .took = sqlite_took,
    .forget_notes = sqlite_forget_notes,
};
