/* SPDX-License-Identifier: Apache-2.0 */
/* sql_error.c - what the databases' error codes mean to us, as tables.
 *
 * Two questions decide where a code goes. Is it about one record (LS_CONSTRAINT, LS_TYPE: the
 * run sets the record aside and goes on) or about the store (the run stops)? And is it worth
 * another try (LS_BUSY, LS_CONNECT)? A wrong answer to the first would either stop a run for one
 * bad record or try every record of a batch against a full disk.
 *
 * SQLSTATEs are looked up whole first, then by class (their first two characters); SQLite's
 * extended codes whole first, then by primary code (the low byte). */
#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "sql/sql_driver.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define AGAIN "Try again"
#define GRANT                                                                                     \
    "Grant the role what is missing (BYPASSRLS, where row-level security is in the way), or use " \
    "another role"

static const struct {
    const char *state; /* 5 characters, or a class of 2 */
    enum ls_code code;
    const char *hint;
} states[] = {
    {"08", LS_CONNECT, NULL},
    {"08P01", LS_DATA, NULL}, /* said about malformed binary values; the connection lives on */
    {"0A", LS_UNSUPPORTED, NULL},
    {"22", LS_TYPE, NULL},
    {"22P04", LS_DATA, NULL}, /* bad COPY file format */
    {"23", LS_CONSTRAINT, NULL},
    {"25006", LS_PERMISSION, "This connection is read-only, or the server is a standby"},
    {"25P02", LS_INTERNAL, NULL}, /* a statement after one that failed in the same transaction */
    {"25P03", LS_CONNECT,
     "The server ended an idle transaction: raise idle_in_transaction_session_timeout"},
    {"25", LS_INTERNAL, NULL},
    {"28", LS_PERMISSION, NULL},
    {"28000", LS_PERMISSION,
     "Check that the role exists and may log in, and that the server's pg_hba.conf lets it in from "
     "here"},
    {"28P01", LS_PERMISSION,
     "Check user and password: in the URL, in PGPASSWORD or in the pass file"},
    {"3D000", LS_NOT_FOUND, "Check the database's name in the URL, or create the database first"},
    {"3F000", LS_NOT_FOUND, "Check the schema's name"},
    {"40", LS_BUSY, AGAIN},
    {"40002", LS_CONSTRAINT, NULL},
    {"40003", LS_CONNECT, NULL}, /* it is not known whether the statement completed */
    {"42", LS_UNSUPPORTED, NULL},
    {"42501", LS_PERMISSION, GRANT},
    {"42601", LS_INTERNAL, NULL},
    {"42703", LS_NOT_FOUND, NULL},
    {"42704", LS_NOT_FOUND, NULL},
    {"42804", LS_TYPE, NULL},
    {"428C9", LS_CONSTRAINT, NULL}, /* a value for a column that is always generated */
    {"42P01", LS_NOT_FOUND, NULL},
    {"44", LS_CONSTRAINT, NULL},
    {"53100", LS_FULL, "Make room on the server's disk"},
    {"53200", LS_NOMEM, NULL},
    {"53300", LS_CONNECT, "Wait, close other connections, or raise the server's max_connections"},
    {"53400", LS_FULL, "Raise the server's temp_file_limit"},
    {"53", LS_BUSY, AGAIN},
    {"54", LS_TYPE, NULL}, /* a row or an index entry too large */
    {"55006", LS_BUSY, AGAIN},
    {"55P03", LS_BUSY, "Someone else holds a lock. Try again, or raise the lock timeout"},
    {"55", LS_UNSUPPORTED, NULL},
    {"57014", LS_CANCELLED, NULL},
    {"57P01", LS_CONNECT, "The server is shutting down or an administrator ended the connection"},
    {"57P02", LS_CONNECT, "The server crashed. See its log"},
    {"57P03", LS_CONNECT, "The server is starting up or shutting down. Try again in a moment"},
    {"57P04", LS_NOT_FOUND, "The database was dropped"},
    {"57P05", LS_CONNECT, "The server ended an idle session: raise idle_session_timeout"},
    {"57", LS_CONNECT, NULL},
    {"58", LS_IO, "See the server's log"},
    {"72", LS_BUSY, AGAIN},         /* snapshot too old */
    {"P0001", LS_CONSTRAINT, NULL}, /* RAISE in a trigger: a rule of the target */
    {"P0004", LS_CONSTRAINT, NULL},
    {"XX001", LS_CORRUPT, "Restore the table on the server from a backup"},
    {"XX002", LS_CORRUPT, "Rebuild the index on the server with REINDEX"},
};

struct ls_sql_meaning ls_sql_meaning_of_sqlstate(const char *sqlstate)
{
    struct ls_sql_meaning ret = {.code = LS_IO};

    for (size_t i = 0; i < COUNT(states); i++) {
        if (strcmp(states[i].state, sqlstate) == 0)
            return (struct ls_sql_meaning){.code = states[i].code, .hint = states[i].hint};
        if (strlen(states[i].state) == 2 && strncmp(states[i].state, sqlstate, 2) == 0)
            ret = (struct ls_sql_meaning){.code = states[i].code, .hint = states[i].hint};
    }
    return ret;
}

#define FSYNC_HINT                                                                                 \
    "The disk did not take the data: what was written last may be lost. Check the disk and start " \
    "again"

static const struct {
    int code;
    struct ls_sql_meaning meaning;
} results[] = {
    {SQLITE_ERROR, {LS_INTERNAL, "ERROR", NULL}},
    {SQLITE_INTERNAL, {LS_INTERNAL, "INTERNAL", NULL}},
    {SQLITE_PERM, {LS_PERMISSION, "PERM", NULL}},
    {SQLITE_ABORT, {LS_INTERNAL, "ABORT", NULL}},
    {SQLITE_ABORT_ROLLBACK, {LS_INTERNAL, "ABORT_ROLLBACK", NULL}},
    {SQLITE_BUSY,
     {LS_BUSY, "BUSY", "Another program is using the file. Try again when it is done"}},
    {SQLITE_LOCKED, {LS_BUSY, "LOCKED", AGAIN}},
    {SQLITE_NOMEM, {LS_NOMEM, "NOMEM", NULL}},
    {SQLITE_READONLY,
     {LS_PERMISSION, "READONLY",
      "Open the file for writing, or give write permission to it and its folder"}},
    {SQLITE_READONLY_DIRECTORY,
     {LS_PERMISSION, "READONLY_DIR",
      "SQLite must put a file beside it: give write permission to its folder"}},
    {SQLITE_READONLY_ROLLBACK,
     {LS_PERMISSION, "READONLY_ROLLB",
      "A program died while writing to the file: open it once with write permission, so that it is "
      "repaired"}},
    {SQLITE_READONLY_CANTINIT,
     {LS_PERMISSION, "READONLY_CANTI",
      "The file is in WAL mode, which needs a -shm file beside it: give write permission to its "
      "folder, or use a copy"}},
    {SQLITE_READONLY_DBMOVED,
     {LS_CHANGED, "DBMOVED", "The file was removed or replaced while in use"}},
    {SQLITE_INTERRUPT, {LS_CANCELLED, "INTERRUPT", NULL}},
    {SQLITE_IOERR, {LS_IO, "IOERR", "Check the disk"}},
    {SQLITE_IOERR_NOMEM, {LS_NOMEM, "IOERR_NOMEM", NULL}},
    {SQLITE_IOERR_FSYNC, {LS_IO, "IOERR_FSYNC", FSYNC_HINT}},
    {SQLITE_IOERR_DIR_FSYNC, {LS_IO, "IOERR_DIR_FSYN", FSYNC_HINT}},
    {SQLITE_IOERR_CORRUPTFS, {LS_CORRUPT, "IOERR_CORRUPTF", "Check the file system"}},
    {SQLITE_CORRUPT,
     {LS_CORRUPT, "CORRUPT",
      "Restore it from a backup, or rescue what is left with `sqlite3 FILE .recover`"}},
    {SQLITE_NOTFOUND, {LS_INTERNAL, "NOTFOUND", NULL}},
    {SQLITE_FULL, {LS_FULL, "FULL", "Make room on the disk"}},
    {SQLITE_CANTOPEN,
     {LS_IO, "CANTOPEN", "Check that the file and its folder can be read and written"}},
    {SQLITE_PROTOCOL, {LS_BUSY, "PROTOCOL", AGAIN}},
    {SQLITE_SCHEMA, {LS_CHANGED, "SCHEMA", NULL}},
    {SQLITE_TOOBIG, {LS_TYPE, "TOOBIG", NULL}},
    {SQLITE_CONSTRAINT, {LS_CONSTRAINT, "CONSTRAINT", NULL}},
    {SQLITE_CONSTRAINT_CHECK, {LS_CONSTRAINT, "CHECK", NULL}},
    {SQLITE_CONSTRAINT_DATATYPE, {LS_TYPE, "DATATYPE", NULL}}, /* a STRICT table */
    {SQLITE_CONSTRAINT_FOREIGNKEY, {LS_CONSTRAINT, "FOREIGNKEY", NULL}},
    {SQLITE_CONSTRAINT_NOTNULL, {LS_CONSTRAINT, "NOTNULL", NULL}},
    {SQLITE_CONSTRAINT_PRIMARYKEY, {LS_CONSTRAINT, "PRIMARYKEY", NULL}},
    {SQLITE_CONSTRAINT_ROWID, {LS_CONSTRAINT, "ROWID", NULL}},
    {SQLITE_CONSTRAINT_TRIGGER, {LS_CONSTRAINT, "TRIGGER", NULL}},
    {SQLITE_CONSTRAINT_UNIQUE, {LS_CONSTRAINT, "UNIQUE", NULL}},
    {SQLITE_MISMATCH, {LS_TYPE, "MISMATCH", NULL}},
    {SQLITE_MISUSE, {LS_INTERNAL, "MISUSE", NULL}},
    {SQLITE_NOLFS, {LS_FULL, "NOLFS", NULL}},
    {SQLITE_AUTH, {LS_PERMISSION, "AUTH", NULL}},
    {SQLITE_FORMAT, {LS_CORRUPT, "FORMAT", NULL}},
    {SQLITE_RANGE, {LS_INTERNAL, "RANGE", NULL}},
    {SQLITE_NOTADB,
     {LS_CORRUPT, "NOTADB",
      "Check the path: the file is no SQLite database, is encrypted, or its beginning is damaged"}},
};

static const struct ls_sql_meaning *find_result(int code)
{
    for (size_t i = 0; i < COUNT(results); i++)
        if (results[i].code == code)
            return &results[i].meaning;
    return NULL;
}

/* Where SQLite says only that a system call failed, its errno says more. */
static const struct {
    int errnum;
    struct ls_sql_meaning meaning; /* no hint: SQLite's code has one */
} errnos[] = {
    {ENOSPC,
     {LS_FULL, "ENOSPC",
      "Make room on the disk, or remove files where it is their number that is full (df -i)"}},
    {EDQUOT, {LS_FULL, "EDQUOT", "Make room, or raise the quota"}},
    {EFBIG, {LS_FULL, "EFBIG", "A file may not grow as large here: raise the limit (ulimit -f)"}},
    {EROFS,
     {LS_PERMISSION, "EROFS",
      "The file system is read-only now, perhaps for an error of its disk (dmesg): mount it for "
      "writing"}},
    {EACCES, {LS_PERMISSION, "EACCES", NULL}},
    {EPERM, {LS_PERMISSION, "EPERM", NULL}},
    {EMFILE, {LS_BUSY, "EMFILE", "Raise the limit of open files (ulimit -n)"}},
    {ENFILE, {LS_BUSY, "ENFILE", "Raise the system's limit of open files (fs.file-max)"}},
};

static void refine_by_errno(struct ls_sql_meaning *m, int errnum)
{
    for (size_t i = 0; i < COUNT(errnos); i++)
        if (errnos[i].errnum == errnum) {
            const char *hint = errnos[i].meaning.hint ? errnos[i].meaning.hint : m->hint;

            *m = errnos[i].meaning;
            m->hint = hint;
        }
}

struct ls_sql_meaning ls_sql_meaning_of_sqlite(int extended_code, int errnum)
{
    const int primary = extended_code & 0xff;
    const struct ls_sql_meaning *general = find_result(primary),
                                *found = find_result(extended_code);
    struct ls_sql_meaning ret = {.code = LS_IO, .name = "UNKNOWN"};

    if (!found)
        found = general;
    if (found)
        ret = *found;
    /* A code of its own says what it is: a failed fsync is one, also where there was no room. */
    if (found == general && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN))
        refine_by_errno(&ret, errnum);
    return ret;
}
