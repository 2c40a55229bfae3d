/* SPDX-License-Identifier: Apache-2.0 */
/* lock.c - one run of a sync at a time.
 *
 * The lock must die with its process, however that dies, and must not be left behind on a disk. So on
 * SQLite it is an OFD lock on one byte of PATH-locks, and on PostgreSQL a session advisory lock on a connection of
 * its own (the one that writes may be in a failed transaction, or gone).
 *
 * Which byte, and which key: 62 bits of a hash of the sync's name. Two syncs would share one only by
 * a collision of XXH3: with a thousand syncs, a chance of about one in ten to the thirteenth; then they would take
 * turns, no more. A file for each sync was not chosen: names of syncs are any text, and files would be left behind.
 *
 * Behind a pooler in transaction mode session locks do not hold: the state needs a direct connection. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "state/state_priv.h"

struct ls_state_lock {
    struct ls_file_lock file;
    struct ls_sql *session; /* PostgreSQL; NULL else */
};

static int64_t lock_key(const char *sync)
{
    return (int64_t)(ls_hash64(sync, strlen(sync), LS_STATE_APPLICATION) >> 2);
}

static enum ls_code lock_file(struct ls_state *state, const char *sync, struct ls_state_lock *lock,
                              struct ls_error *err)
{
    struct ls_arena mem;
    const char *path;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    path = ls_arena_printf(&mem, "%s-locks", state->path);
    rc = path ? ls_file_lock(&lock->file, path, (off_t)lock_key(sync), false, err)
              : ls_error_nomem(err);
    ls_arena_done(&mem);
    return rc == LS_BUSY ? LS_LOCKED : rc;
}

static enum ls_code lock_session(struct ls_state *state, const char *sync,
                                 struct ls_state_lock *lock, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(lock_key(sync))};
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    enum ls_code rc = ls_sql_open(&state->url, NULL, &lock->session, err);

    /* It sits idle for as long as the run takes; the setting is new in PostgreSQL 14. */
    if (rc == LS_OK && ls_sql_version(lock->session) >= 140000)
        rc = ls_sql_exec(lock->session, "SET idle_session_timeout = 0", err);
    if (rc == LS_OK)
        rc = ls_sql_one(lock->session, "SELECT pg_catalog.pg_try_advisory_lock(?)", params, 1,
                        &stmt, &row, err);
    if (rc == LS_OK && (!row || !ls_sql_i64(stmt, 0)))
        rc = LS_LOCKED;
    ls_sql_finish(stmt);
    return rc;
}

enum ls_code ls_state_lock(struct ls_state *state, const char *sync, struct ls_state_lock **ret,
                           struct ls_error *err)
{
    struct ls_state_lock *lock = calloc(1, sizeof *lock);
    struct ls_error busy;
    enum ls_code rc;

    if (!lock)
        return ls_error_nomem(err);
    lock->file = LS_FILE_UNLOCKED;
    rc = state->path ? lock_file(state, sync, lock, &busy) : lock_session(state, sync, lock, &busy);
    if (rc == LS_OK) {
        *ret = lock;
        return LS_OK;
    }
    ls_state_unlock(lock);
    if (rc == LS_LOCKED)
        return ls_state_result(state, ls_state_locked(state, sync, err), err);
    if (err)
        *err = busy;
    return rc;
}

void ls_state_unlock(struct ls_state_lock *lock)
{
    struct ls_error ignored;

    if (!lock)
        return;
    ls_file_unlock(&lock->file);
    /* A server notices a closed connection some time later. Until then the next run would be refused. */
    if (lock->session)
        (void)!ls_sql_exec(lock->session, "SELECT pg_catalog.pg_advisory_unlock_all()", &ignored);
    ls_sql_close(lock->session);
    free(lock);
}

/* ---- daemons ---- */

static enum ls_code other_daemon(struct ls_state *state, const char *path, struct ls_arena *mem,
                                 struct ls_error *err)
{
    struct ls_error ignored;
    char *note = NULL;
    size_t size = 0;

    if (ls_file_read(path, 1000, mem, &note, &size, &ignored) != LS_OK || !size)
        note = NULL;
    return ls_error_set(err, LS_LOCKED,
                        "another `lockstep serve` works on this state%s%.200s%s (state=%s). Stop "
                        "it, or give this one a state of its own with --state",
                        note ? " (" : "", note ? note : "", note ? ")" : "", ls_state_where(state));
}

static enum ls_code lock_daemon(struct ls_state *state, struct ls_state_lock **ret,
                                struct ls_error *err)
{
    struct ls_state_lock *lock = calloc(1, sizeof *lock);
    struct ls_arena mem;
    const char *path;
    enum ls_code rc;

    if (!lock)
        return ls_error_nomem(err);
    lock->file = LS_FILE_UNLOCKED;
    ls_arena_init(&mem, 0);
    path = ls_arena_printf(&mem, "%s-daemon", state->path);
    rc = path ? ls_file_lock(&lock->file, path, 0, false, err) : ls_error_nomem(err);
    if (rc == LS_BUSY)
        rc = other_daemon(state, path, &mem, err);
    ls_arena_done(&mem);
    if (rc == LS_OK)
        *ret = lock;
    else
        ls_state_unlock(lock);
    return rc;
}

enum ls_code ls_state_serve(const char *url, struct ls_state_lock **ret, struct ls_error *err)
{
    struct ls_state *state = NULL;
    struct ls_url place;
    struct ls_arena mem;
    const char *path = NULL;
    enum ls_code rc;

    *ret = NULL;
    ls_arena_init(&mem, 0);
    rc = ls_state_place(url, true, &mem, &place, &path, err);
    if (rc == LS_OK && path) {
        rc = ls_state_open(url, true, &state, err);
        if (rc == LS_OK)
            rc = lock_daemon(state, ret, err);
        ls_state_close(state);
    }
    ls_arena_done(&mem);
    return rc;
}

void ls_state_serve_note(struct ls_state_lock *lock, const char *note)
{
    const size_t size = strlen(note);

    /* a note that could not be written is missed by nobody but the message */
    if (lock && ftruncate(lock->file.fd, 0) == 0)
        (void)!pwrite(lock->file.fd, note, size, 0);
}

bool ls_state_lock_alive(struct ls_state_lock *lock)
{
    struct ls_error ignored;

    if (!lock)
        return false;
    return !lock->session || ls_sql_exec(lock->session, "SELECT 1", &ignored) == LS_OK;
}

static bool session_at_work(struct ls_state *state, const char *sync)
{
    const struct ls_value params[] = {ls_value_int(lock_key(sync))};
    struct ls_sql_stmt *stmt = NULL;
    bool row = true;
    const enum ls_code rc = ls_sql_one(
        state->db,
        "SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND "
        "database = "
        "(SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) AND "
        "(classid::int8 << 32 | objid::int8) = ?",
        params, 1, &stmt, &row, NULL);

    ls_sql_finish(stmt);
    return rc != LS_OK || row;
}

bool ls_state_at_work(struct ls_state *state, const char *sync)
{
    struct ls_arena mem;
    const char *path;
    bool held;

    if (!state->path)
        return session_at_work(state, sync);
    ls_arena_init(&mem, 0);
    path = ls_arena_printf(&mem, "%s-locks", state->path);
    held = !path || ls_file_locked(path, (off_t)lock_key(sync));
    ls_arena_done(&mem);
    return held;
}
