/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite.c - the conformance suite over SQLite files in write-ahead mode.
 *
 * sqlite_rollback.c runs it over files in rollback-journal mode, which are read in slices. */
#include "conformance.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/testdir.h"

#ifndef JOURNAL_MODE
#define JOURNAL_MODE "wal"
#define NO_SNAPSHOTS false
#endif

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;

    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, message ? message : sqlite3_errmsg(db));
        exit(1);
    }
    sqlite3_close(db);
}

static char *make(void)
{
    char *folder = testdir_new(), *url = NULL;

    if (asprintf(&url, "sqlite:%s/data.db", folder) < 0)
        exit(1);
    run_sql(url + 7, "PRAGMA journal_mode = " JOURNAL_MODE "; CREATE TABLE x (a); DROP TABLE x");
    free(folder);
    return url;
}

static void unique(const char *url, const char *collection, const char *field)
{
    char *sql = sqlite3_mprintf("CREATE UNIQUE INDEX \"%w by %w\" ON \"%w\" (\"%w\")", collection,
                                field, collection, field);

    run_sql(url + 7, sql);
    sqlite3_free(sql);
}

int main(int argc, char **argv)
{
    static const struct conformance_kind kind = {
        .name = "sqlite", .make = make, .unique = unique, .no_snapshots = NO_SNAPSHOTS};

    /* Nothing here has to survive a loss of power. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    return conformance_run(&kind, argc, argv);
}
