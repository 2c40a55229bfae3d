/* SPDX-License-Identifier: Apache-2.0 */
/* state_priv.h - what the files of src/state share: the handle, statements, write transactions, checksums.
 *
 * SQL texts are static strings with `?` placeholders and {schema} before every table; they are
 * expanded for the dialect when prepared. Public functions end with ls_state_result(). */
#ifndef LS_STATE_STATE_PRIV_H
#define LS_STATE_STATE_PRIV_H

#include "base/digest.h"
#include "sql/sql.h"
#include "state/state.h"

#define LS_STATE_APPLICATION 0x6c6b7374 /* "lkst": application_id of an SQLite state */
#define LS_STATE_STATEMENTS 48

struct ls_state_lines;  /* lines.c: log lines and errors that wait for the next commit */
struct ls_state_writer; /* journal.c: the batch being written, and batches to be closed */

struct ls_state {
    struct ls_sql *db;
    struct ls_arena mem; /* url and path */
    struct ls_url url;
    const char *path; /* the SQLite file, links resolved; NULL on PostgreSQL */
    struct ls_state_kept {
        const char *sql; /* known by its address */
        struct ls_sql_stmt *stmt;
        bool lent; /* its rows are being read */
    } prepared[LS_STATE_STATEMENTS];
    size_t prepared_count;
    struct ls_state_lines *lines;   /* NULL until there is one */
    struct ls_state_writer *writer; /* NULL until a journal is written */
    const char *about;              /* of audit entries: ls_state_audit_about() */
    bool wrote;
    uint64_t changes; /* records changed so far */
};

/* ---- state.c ---- */

/* Sets LS_CORRUPT with what is wrong; ls_state_result() adds where and what to do. */
enum ls_code ls_state_damaged(struct ls_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The last line of each public function: gives rc, and completes the text of LS_CORRUPT. */
enum ls_code ls_state_result(const struct ls_state *state, enum ls_code rc, struct ls_error *err);

/* text with its tokens replaced for the dialect. */
void ls_state_expand(const struct ls_state *state, const char *text, struct ls_buf *out);
/* Prepares and runs a query; rows by ls_sql_step(), to be finished by the caller. */
LS_MUST_CHECK enum ls_code ls_state_query(struct ls_state *state, const char *sql,
                                          const struct ls_value *params, size_t count,
                                          struct ls_sql_stmt **ret, struct ls_error *err);
/* The same without parameters, row by row: for long lists, inside a transaction. */
LS_MUST_CHECK enum ls_code ls_state_query_stream(struct ls_state *state, const char *sql,
                                                 struct ls_sql_stmt **ret, struct ls_error *err);
/* The first row of a query: *ret NULL when there is none; to be finished by the caller. */
LS_MUST_CHECK enum ls_code ls_state_row(struct ls_state *state, const char *sql,
                                        const struct ls_value *params, size_t count,
                                        struct ls_sql_stmt **ret, struct ls_error *err);
/* One number; `fallback` when there is no row or it is NULL. */
LS_MUST_CHECK enum ls_code ls_state_number(struct ls_state *state, const char *sql,
                                           const struct ls_value *params, size_t count,
                                           int64_t fallback, int64_t *ret, struct ls_error *err);
/* Runs a query that is kept prepared, for those asked all the time: sql must be a static text. Rows by ls_sql_step(), then
 * ls_state_give_back(). One at a time: whoever reads its rows does not run it again. */
LS_MUST_CHECK enum ls_code ls_state_lend(struct ls_state *state, const char *sql,
                                         const struct ls_value *params, size_t count,
                                         struct ls_sql_stmt **ret, struct ls_error *err);
void ls_state_give_back(struct ls_state *state, struct ls_sql_stmt *stmt);
/* Changes records. The statement is kept prepared: sql must be a static text. expected: how many
 * records must have changed, or it is damage; -1 for any number. */
LS_MUST_CHECK enum ls_code ls_state_change(struct ls_state *state, const char *sql,
                                           const struct ls_value *params, size_t count,
                                           int64_t expected, struct ls_error *err);
/* The same, for what may find nothing to change. *ret: how many records have changed. */
LS_MUST_CHECK enum ls_code ls_state_count_change(struct ls_state *state, const char *sql,
                                                 const struct ls_value *params, size_t count,
                                                 int64_t *ret, struct ls_error *err);

/* Begins a write transaction and writes what waited for one (lines, ends of batches). */
LS_MUST_CHECK enum ls_code ls_state_begin(struct ls_state *state, struct ls_error *err);
/* Commits when rc is LS_OK, else rolls back and gives rc. */
LS_MUST_CHECK enum ls_code ls_state_end(struct ls_state *state, enum ls_code rc,
                                        struct ls_error *err);
/* Writes what waits, if anything does. */
LS_MUST_CHECK enum ls_code ls_state_flush(struct ls_state *state, struct ls_error *err);

/* Checksums of rows: XXH3-128 as 16 big-endian bytes. `encoded` is freed. */
struct ls_sum {
    unsigned char bytes[16];
};
LS_MUST_CHECK enum ls_code ls_state_sum(struct ls_buf *encoded, struct ls_sum *ret,
                                        struct ls_error *err);
/* A parameter that borrows sum. */
struct ls_value ls_state_sum_value(const struct ls_sum *sum);
bool ls_state_sum_fits(struct ls_sql_stmt *stmt, int col, const struct ls_sum *sum);
void ls_state_encode_text(struct ls_buf *out, const char *text);
/* A column's text, in mem; NULL when out of memory. A NULL column is damage that checksums find: "". */
const char *ls_state_text(struct ls_sql_stmt *stmt, int col, struct ls_arena *mem);
/* A list in mem with room for one more; *room is 0 at first. NULL when out of memory. */
void *ls_state_grow(struct ls_arena *mem, void *list, size_t count, size_t *room, size_t size);

/* ---- place.c ---- */

/* Which store a state URL means. *ret_path: for SQLite the file, else NULL. */
LS_MUST_CHECK enum ls_code ls_state_place(const char *url, bool create, struct ls_arena *mem,
                                          struct ls_url *ret, const char **ret_path,
                                          struct ls_error *err);
/* Makes sure that the file is a state of ours, or makes it. */
LS_MUST_CHECK enum ls_code ls_state_file(const char *path, bool create, struct ls_error *err);

/* ---- migrate.c ---- */

/* Brings the schema to this program's version and looks whether all of it is there. */
LS_MUST_CHECK enum ls_code ls_state_migrate(struct ls_state *state, bool create,
                                            struct ls_error *err);

/* ---- schema.c ---- */

/* SQLite, inside a transaction. Whether no table begins where another does; asked before anything else is read. */
LS_MUST_CHECK enum ls_code ls_state_roots(struct ls_state *state, struct ls_error *err);
/* Whether tables and indexes are those that the first `version` migrations make. */
LS_MUST_CHECK enum ls_code ls_state_schema(struct ls_state *state, size_t version,
                                           struct ls_error *err);

/* ---- watch.c ---- */

/* Inside a write transaction: its commit is told to those who watch (PostgreSQL; else nothing). */
LS_MUST_CHECK enum ls_code ls_state_tell(struct ls_state *state, struct ls_error *err);

/* ---- chain.c ---- */

/* Hash of the entry before the first one. */
#define LS_CHAIN_START "0000000000000000000000000000000000000000000000000000000000000000"
struct ls_head {
    int64_t seq;
    char hash[LS_SHA256_HEX];
};
/* Reads a head. lock: inside a write transaction, so that nobody else moves it until its end. */
LS_MUST_CHECK enum ls_code ls_state_head(struct ls_state *state, const char *name, bool lock,
                                         struct ls_head *ret, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_state_head_save(struct ls_state *state, const char *name,
                                              const struct ls_head *head, struct ls_error *err);
/* Writes a new one at 0. */
LS_MUST_CHECK enum ls_code ls_state_head_new(struct ls_state *state, const char *name,
                                             struct ls_error *err);
/* SHA-256 of the hash before (64 digits) and the entry's bytes. */
void ls_chain_hash(const char *prev, const void *data, size_t size, char out[LS_SHA256_HEX]);

/* A walk along a chain: each entry in turn, then the end. */
struct ls_chain {
    const char *what; /* "audit entry" */
    struct ls_head at;
};
void ls_chain_begin(struct ls_chain *chain, const char *what);
/* data: what was hashed with prev. */
LS_MUST_CHECK enum ls_code ls_chain_step(struct ls_chain *chain, int64_t seq, const char *prev,
                                         const char *hash, const void *data, size_t size,
                                         struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_chain_end(const struct ls_chain *chain, const struct ls_head *head,
                                        struct ls_error *err);
/* Walks all receipts; adds them to *count. Inside a transaction. */
LS_MUST_CHECK enum ls_code ls_state_verify_receipts(struct ls_state *state, uint64_t *count,
                                                    struct ls_error *err);

/* ---- audit.c ---- */

/* An entry of the audit log, inside the write transaction of what it tells. */
LS_MUST_CHECK enum ls_code ls_state_audit_append(struct ls_state *state, const char *actor,
                                                 const char *action, const char *subject,
                                                 const char *detail_json, struct ls_error *err);

/* ---- runs.c, lines.c ---- */

/* The number of a run known by its UUID; LS_NOT_FOUND. */
LS_MUST_CHECK enum ls_code ls_state_run_number(struct ls_state *state, const char *run_id,
                                               int64_t *ret, struct ls_error *err);
/* Adds what a batch counts for to a run that has ended; inside a write transaction. */
LS_MUST_CHECK enum ls_code ls_state_run_add(struct ls_state *state, int64_t run,
                                            const struct ls_batch_counts *counts,
                                            struct ls_error *err);
/* LS_LOCKED: which run of the sync is at work, since when and where. */
enum ls_code ls_state_locked(struct ls_state *state, const char *sync, struct ls_error *err);
/* How many failed records and conflicts were noted of a run (of its first ones, see lines.c). */
LS_MUST_CHECK enum ls_code ls_state_lines_count(struct ls_state *state, int64_t run,
                                                uint64_t *ret_failed, uint64_t *ret_conflicts,
                                                struct ls_error *err);
/* Lines that wait for a commit: whether there are any, writing them inside one, and that it went well. */
bool ls_state_lines_waiting(const struct ls_state *state);
LS_MUST_CHECK enum ls_code ls_state_lines_write(struct ls_state *state, struct ls_error *err);
void ls_state_lines_written(struct ls_state *state);
void ls_state_lines_free(struct ls_state_lines *lines);

/* ---- journal.c, undo.c ---- */

#define LS_JOURNAL_CHUNK ((size_t)1 << 20) /* bytes of a blob before compression, at most */
/* A piece that does not fit into a blob is split into parts of this size (the last one smaller): less than a
 * blob, so that there are always two at least. */
#define LS_JOURNAL_PART (LS_JOURNAL_CHUNK / 2)
enum ls_batch_state { LS_BATCH_OPEN, LS_BATCH_COMMITTED, LS_BATCH_ABORTED };

/* The empty journal of a new run; inside a write transaction. */
LS_MUST_CHECK enum ls_code ls_state_journal_new(struct ls_state *state, int64_t run,
                                                struct ls_error *err);
/* The same for ends of batches. */
bool ls_state_closes_waiting(const struct ls_state *state);
LS_MUST_CHECK enum ls_code ls_state_closes_write(struct ls_state *state, struct ls_error *err);
void ls_state_closes_written(struct ls_state *state);
void ls_state_writer_free(struct ls_state_writer *writer);

/* The checksums of journal rows. */
LS_MUST_CHECK enum ls_code ls_journal_sum_head(int64_t run, int64_t last_batch, bool kept,
                                               struct ls_sum *ret, struct ls_error *err);
struct ls_batch_row {
    int64_t run, batch, prev, blobs, state;
    const char *marker;
    struct ls_batch_counts counts;
};
LS_MUST_CHECK enum ls_code ls_journal_sum_batch(const struct ls_batch_row *row, struct ls_sum *ret,
                                                struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_journal_sum_state(int64_t run, int64_t batch, int64_t batch_state,
                                                struct ls_sum *ret, struct ls_error *err);
struct ls_blob_row {
    int64_t run, batch, seq, part, parts, raw_bytes;
};
LS_MUST_CHECK enum ls_code ls_journal_sum_blob(const struct ls_blob_row *row, const void *data,
                                               size_t size, struct ls_sum *ret,
                                               struct ls_error *err);
/* What the committed batches of a run count for, together. */
LS_MUST_CHECK enum ls_code ls_journal_counts(struct ls_state *state, int64_t run,
                                             struct ls_batch_counts *ret, struct ls_error *err);
/* The head of a run's journal. LS_NOT_FOUND when pruned. */
LS_MUST_CHECK enum ls_code ls_journal_head(struct ls_state *state, int64_t run,
                                           int64_t *ret_last_batch, struct ls_error *err);
/* Sets the end of a batch; inside a write transaction. Blobs of an aborted one go. */
LS_MUST_CHECK enum ls_code ls_journal_close(struct ls_state *state, int64_t run, int64_t batch,
                                            bool committed, struct ls_error *err);

/* ---- schedules.c, firings.c ---- */

struct ls_schedule;
struct ls_firing;
/* Which of some words a text is; false: none. */
bool ls_state_word(const char *text, const char *const *words, size_t count, size_t *ret);
/* Inside a write transaction: the schedule, which nobody else changes until its end. LS_NOT_FOUND. */
LS_MUST_CHECK enum ls_code ls_state_schedule_lock(struct ls_state *state, const char *id,
                                                  struct ls_arena *mem, struct ls_schedule *ret,
                                                  struct ls_error *err);
/* LS_NOT_FOUND, with the nearest id. */
enum ls_code ls_state_no_schedule(struct ls_state *state, const char *id, struct ls_error *err);
/* Notes that firings before that time are forgotten; inside a write transaction. */
LS_MUST_CHECK enum ls_code ls_state_schedule_pruned(struct ls_state *state, const char *id,
                                                    int64_t before_us, struct ls_error *err);
/* Writes a new one; inside a write transaction that has the schedule locked. Sets its id. */
LS_MUST_CHECK enum ls_code ls_state_firing_add(struct ls_state *state, struct ls_firing *f,
                                               struct ls_error *err);

#endif
