/* SPDX-License-Identifier: Apache-2.0 */
/* place.c - where the state is, and whether the file there is one of ours.
 *
 * Opening an SQLite file as a state puts it into WAL mode and writes tables, so we look first, by a
 * connection that only reads: a database that belongs to somebody else is refused and stays as it is. A new
 * state is made beside its place (PATH-new) and renamed, so that PATH is either absent or a complete
 * state, whatever dies when. The making is done under a byte of PATH-lock of its own, which src/sql uses too.
 *
 * auto_vacuum and application_id must be set before the first table and before WAL mode; that is why the making is
 * not left to the migrations.
 *
 * An empty file is taken as a place for a new state (mktemp makes such), unless runs were
 * locked there (PATH-locks): then it was a state once and was cut to nothing. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "state/state_priv.h"

#define SMALLEST_DATABASE 512          /* one page of the smallest size that SQLite knows */
#define MAKING_OFFSET ((off_t)1 << 40) /* far from the bytes that src/sql locks */

/* ---- which place ---- */

static enum ls_code home_folder(struct ls_arena *mem, const char **ret, struct ls_error *err)
{
    const char *home = getenv("HOME");
    struct passwd entry, *found = NULL;
    char buf[4096];

    if (!home || *home != '/') {
        if (getpwuid_r(getuid(), &entry, buf, sizeof buf, &found) != 0 || !found)
            return ls_error_set(err, LS_CONFIG,
                                "no place for the state: HOME is not set. Set it, or name a "
                                "place with --state");
        home = found->pw_dir;
    }
    *ret = ls_arena_text(mem, home);
    return *ret ? LS_OK : ls_error_nomem(err);
}

static enum ls_code default_path(bool create, struct ls_arena *mem, const char **ret,
                                 struct ls_error *err)
{
    const char *base = getenv("XDG_STATE_HOME"), *home = NULL, *folder;
    enum ls_code rc = LS_OK;

    if (base && *base == '/') {
        folder = ls_arena_printf(mem, "%s/lockstep", base);
    } else {
        rc = home_folder(mem, &home, err);
        folder = rc == LS_OK ? ls_arena_printf(mem, "%s/.local/state/lockstep", home) : NULL;
    }
    if (rc != LS_OK)
        return rc;
    *ret = folder ? ls_arena_printf(mem, "%s/state.db", folder) : NULL;
    if (!*ret)
        return ls_error_nomem(err);
    if (!create)
        return LS_OK;
    rc = ls_file_make_dirs(folder, err);
    if (rc != LS_OK)
        ls_error_wrap(err, "the state's folder");
    return rc;
}

/* A path as it is, whatever characters are in it. */
static enum ls_code place_path(const char *path, struct ls_arena *mem, struct ls_url *ret,
                               const char **ret_path, struct ls_error *err)
{
    *ret = (struct ls_url){.scheme = "sqlite",
                           .location = ls_arena_text(mem, path),
                           .shown = ls_arena_printf(mem, "sqlite:%s", path)};
    *ret_path = ret->location;
    return ret->location && ret->shown ? LS_OK : ls_error_nomem(err);
}

enum ls_code ls_state_place(const char *url, bool create, struct ls_arena *mem, struct ls_url *ret,
                            const char **ret_path, struct ls_error *err)
{
    enum ls_code rc;

    *ret_path = NULL;
    if (!url || !*url)
        url = getenv("LOCKSTEP_STATE");
    if (!url || !*url) {
        rc = default_path(create, mem, &url, err);
        return rc == LS_OK ? place_path(url, mem, ret, ret_path, err) : rc;
    }
    if (!ls_url_looks_like(url))
        return place_path(url, mem, ret, ret_path, err);
    rc = ls_url_parse(url, mem, ret, err);
    if (rc != LS_OK) {
        ls_error_wrap(err, "the state");
        return rc;
    }
    if (strcmp(ret->scheme, "sqlite") != 0 && strcmp(ret->scheme, "postgres") != 0)
        return ls_error_set(err, LS_USAGE,
                            "%s cannot be the state: it is kept in an SQLite file or in PostgreSQL "
                            "(--state FILE, sqlite:FILE or postgres://USER@HOST/DATABASE)",
                            ret->shown);
    if (ret->collection)
        return ls_error_set(err, LS_USAGE,
                            "the state is a whole database, not a table of it: leave out what "
                            "stands behind # (state=%s)",
                            ret->shown);
    if (strcmp(ret->scheme, "sqlite") == 0)
        *ret_path = ret->location;
    return LS_OK;
}

/* ---- what the file is ---- */

enum kind { MISSING, EMPTY, OURS };

static bool exists(const char *path, const char *suffix)
{
    char *name = NULL;
    bool found;

    if (asprintf(&name, "%s%s", path, suffix) < 0)
        return false;
    found = access(name, F_OK) == 0;
    free(name);
    return found;
}

/* Once there were runs here, so a file that looks wrong is a damaged state, not a wrong path. */
static bool was_state(const char *path)
{
    return exists(path, "-locks");
}

/* Through SQLite: to open the file ourselves and close it again would drop the locks that another
 * handle of this process has on it. */
static enum ls_code read_application(const char *path, bool read_only, int64_t *ret,
                                     struct ls_error *err)
{
    const struct ls_url url = {.scheme = "sqlite", .location = path, .shown = path};
    const struct ls_sql_options options = {.read_only = read_only};
    struct ls_sql *db = NULL;
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    enum ls_code rc = ls_sql_open(&url, &options, &db, err);

    if (rc == LS_OK)
        rc = ls_sql_one(db, "PRAGMA application_id", NULL, 0, &stmt, &row, err);
    if (rc == LS_OK)
        *ret = row ? ls_sql_i64(stmt, 0) : 0;
    ls_sql_finish(stmt);
    ls_sql_close(db);
    return rc;
}

/* Read-only, so that a file that is not ours stays as it is; but one whose writer was killed has to be
 * recovered first, which needs the right to write. */
static enum ls_code find_application(const char *path, int64_t *ret, struct ls_error *err)
{
    const enum ls_code rc = read_application(path, true, ret, err);

    return rc == LS_PERMISSION ? read_application(path, false, ret, err) : rc;
}

static enum ls_code judge(const char *path, enum kind *ret, struct ls_error *err)
{
    int64_t id = 0;
    enum ls_code rc = find_application(path, &id, err);

    if (rc != LS_OK)
        return rc;
    *ret = OURS;
    if (id == LS_STATE_APPLICATION)
        return LS_OK;
    if (was_state(path))
        return ls_error_set(err, LS_CORRUPT, "the beginning of the file is overwritten");
    return ls_error_set(err, LS_USAGE,
                        "%s is a database, but not lockstep's state: it is left alone. Name "
                        "another place with --state",
                        path);
}

static enum ls_code look(const char *path, enum kind *ret, struct ls_error *err)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        *ret = MISSING;
        return errno == ENOENT ? LS_OK
                               : ls_error_errno(err, errno, "cannot open the state %s", path);
    }
    if (!S_ISREG(st.st_mode))
        return ls_error_set(err, LS_USAGE, "the state %s is no file. Name one with --state", path);
    if (st.st_size >= SMALLEST_DATABASE)
        return judge(path, ret, err);
    if (st.st_size > 0)
        return ls_error_set(err, LS_CORRUPT, "the file is cut off, or was never a database");
    *ret = EMPTY;
    return was_state(path)
               ? ls_error_set(err, LS_CORRUPT, "the file is empty, but runs were kept in it")
               : LS_OK;
}

/* ---- making one ---- */

/* The name of a file reaches the disk with its folder. */
static enum ls_code sync_folder(const char *path, struct ls_arena *mem, struct ls_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *folder = !slash          ? "."
                         : slash == path ? "/"
                                         : ls_arena_text_n(mem, path, (size_t)(slash - path));
    int fd, errnum;

    if (!folder)
        return ls_error_nomem(err);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        errnum = errno;
        if (fd >= 0)
            close(fd);
        return ls_error_errno(err, errnum, "cannot make the folder %s durable", folder);
    }
    close(fd);
    return LS_OK;
}

static enum ls_code make_file(const char *path, struct ls_arena *mem, struct ls_error *err)
{
    const struct ls_sql_options options = {.create = true};
    const char *fresh = ls_arena_printf(mem, "%s-new", path);
    const char *journal = ls_arena_printf(mem, "%s-new-journal", path);
    struct ls_sql *db = NULL;
    struct ls_url url = {.scheme = "sqlite", .location = fresh, .shown = fresh};
    enum ls_code rc;

    if (!fresh || !journal)
        return ls_error_nomem(err);
    (void)unlink(fresh); /* from a process that died while making it: we hold the lock */
    (void)unlink(journal);
    rc = ls_sql_open(&url, &options, &db, err);
    if (rc == LS_OK)
        rc = ls_sql_execf(db, err, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = %d;",
                          LS_STATE_APPLICATION);
    ls_sql_close(db);
    if (rc == LS_OK && rename(fresh, path) != 0)
        rc = ls_error_errno(err, errno, "cannot rename %s to %s", fresh, path);
    if (rc != LS_OK) {
        (void)unlink(fresh);
        return rc;
    }
    return sync_folder(path, mem, err);
}

static enum ls_code make(const char *path, struct ls_error *err)
{
    struct ls_file_lock lock = LS_FILE_UNLOCKED;
    struct ls_arena mem;
    enum kind kind = MISSING;
    const char *lock_path;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    lock_path = ls_arena_printf(&mem, "%s-lock", path);
    rc = lock_path ? ls_file_lock(&lock, lock_path, MAKING_OFFSET, true, err) : ls_error_nomem(err);
    if (rc == LS_OK)
        rc = look(path, &kind, err); /* somebody may have made it while we waited */
    if (rc == LS_OK && kind != OURS)
        rc = make_file(path, &mem, err);
    if (rc == LS_NOT_FOUND)
        ls_error_set(
            err, rc,
            "cannot make the state %s: its folder does not exist. Make the folder, or name "
            "another place with --state",
            path);
    else if (rc != LS_OK && rc != LS_CORRUPT && err)
        ls_error_set(err, rc, "cannot make the state %s: %s. Name another place with --state", path,
                     err->text);
    ls_file_unlock(&lock);
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_state_file(const char *path, bool create, struct ls_error *err)
{
    enum kind kind = MISSING;
    enum ls_code rc = look(path, &kind, err);

    if (rc != LS_OK || kind == OURS)
        return rc;
    if (!create)
        return ls_error_set(err, LS_NOT_FOUND,
                            "there is no state at %s yet: no run has been made with it. If there "
                            "should be one, name its place with --state",
                            path);
    return make(path, err);
}
