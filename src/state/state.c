/* SPDX-License-Identifier: Apache-2.0 */
/* state.c - the handle: opening, statements, write transactions, checksums of rows.
 *
 * One text of SQL serves SQLite and PostgreSQL. What differs is a token in braces, replaced when a
 * statement is prepared: {schema} names lockstep's schema on PostgreSQL, where the search path is
 * empty, and nothing on SQLite. Statements that change are kept prepared, known by the address of their text; queries
 * only where they are asked with every transaction (ls_state_lend()), because one that stands open would hold a snapshot.
 *
 * Every write goes through ls_state_begin() and ls_state_end(). Small things that need not be durable at once
 * (log lines, the end of a batch) wait and ride with the next transaction, so that a batch
 * of a run costs one commit, not three.
 *
 * Damage. SQLite notices some of it; each row of what a run's undo or proof depends on carries a
 * checksum besides, and lists are counted or chained, so that a row that vanished is noticed too. A
 * message about damage says what to do, in one place: ls_state_result(). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "state/state_priv.h"

/* The WAL is moved into the file when it has grown past this. */
#define CHECKPOINT_BYTES ((int64_t)16 << 20)

/* ---- errors ---- */

enum ls_code ls_state_damaged(struct ls_error *err, const char *fmt, ...)
{
    char text[600];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return ls_error_set(err, LS_CORRUPT, "%s", text);
}

#define DAMAGED "the state is damaged: "

enum ls_code ls_state_result(const struct ls_state *state, enum ls_code rc, struct ls_error *err)
{
    char why[500]; /* leaves room for what to do */
    size_t length;

    if (rc != LS_CORRUPT || !err || ls_text_starts(err->text, DAMAGED))
        return rc;
    length = strnlen(err->text, sizeof why - 1);
    length = ls_utf8_cut(err->text, length);
    memcpy(why, err->text, length);
    why[length] = '\0';
    return ls_error_set(
        err, LS_CORRUPT,
        DAMAGED "%s (state=%s). Restore a copy of it, or %s: the history of runs and what undo "
                "needs are then lost, the databases are not touched",
        why, ls_state_where(state),
        state->path ? "move it away together with its -wal and -shm files"
                    : "drop its tables in schema lockstep");
}

/* ---- statements ---- */

void ls_state_expand(const struct ls_state *state, const char *text, struct ls_buf *out)
{
    static const struct {
        const char *token, *sqlite, *postgres;
    } tokens[] = {
        {"{schema}", "", "lockstep."},
        {"{bigint}", "INTEGER", "bigint"},
        {"{bytes}", "BLOB", "bytea"},
        {"{strict}", " STRICT", ""},
        {"{keyed}", " STRICT, WITHOUT ROWID", ""}, /* kept in the order of its key */
        {"{skip_locked}", "", "FOR UPDATE OF d SKIP LOCKED"},
    };
    const bool postgres = ls_sql_dialect(state->db) == LS_POSTGRES;

    while (*text) {
        size_t i = 0;

        while (i < sizeof tokens / sizeof tokens[0] && !ls_text_starts(text, tokens[i].token))
            i++;
        if (i == sizeof tokens / sizeof tokens[0]) {
            ls_buf_char(out, *text++);
            continue;
        }
        ls_buf_text(out, postgres ? tokens[i].postgres : tokens[i].sqlite);
        text += strlen(tokens[i].token);
    }
}

static enum ls_code prepare(struct ls_state *state, const char *sql, struct ls_sql_stmt **ret,
                            struct ls_error *err)
{
    struct ls_buf text;
    enum ls_code rc;

    ls_buf_init(&text, 0);
    ls_state_expand(state, sql, &text);
    rc = text.failed ? ls_error_nomem(err) : ls_sql_prepare(state->db, ls_buf_str(&text), ret, err);
    ls_buf_done(&text);
    return rc;
}

static enum ls_code query(struct ls_state *state, const char *sql, const struct ls_value *params,
                          size_t count, bool stream, struct ls_sql_stmt **ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = prepare(state, sql, &stmt, err);

    if (rc == LS_OK)
        rc = ls_sql_run(stmt, params, count, stream, err);
    if (rc == LS_OK)
        *ret = stmt;
    else
        ls_sql_finish(stmt);
    return rc;
}

enum ls_code ls_state_query(struct ls_state *state, const char *sql, const struct ls_value *params,
                            size_t count, struct ls_sql_stmt **ret, struct ls_error *err)
{
    return query(state, sql, params, count, false, ret, err);
}

enum ls_code ls_state_query_stream(struct ls_state *state, const char *sql,
                                   struct ls_sql_stmt **ret, struct ls_error *err)
{
    return query(state, sql, NULL, 0, true, ret, err);
}

enum ls_code ls_state_row(struct ls_state *state, const char *sql, const struct ls_value *params,
                          size_t count, struct ls_sql_stmt **ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_buf text;
    bool row = false;
    enum ls_code rc;

    ls_buf_init(&text, 0);
    ls_state_expand(state, sql, &text);
    rc = text.failed ? ls_error_nomem(err)
                     : ls_sql_one(state->db, ls_buf_str(&text), params, count, &stmt, &row, err);
    ls_buf_done(&text);
    if (rc == LS_OK && !row) {
        ls_sql_finish(stmt);
        stmt = NULL;
    }
    if (rc == LS_OK)
        *ret = stmt;
    return rc;
}

enum ls_code ls_state_number(struct ls_state *state, const char *sql, const struct ls_value *params,
                             size_t count, int64_t fallback, int64_t *ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_row(state, sql, params, count, &stmt, err);

    if (rc == LS_OK)
        *ret = stmt && !ls_sql_is_null(stmt, 0) ? ls_sql_i64(stmt, 0) : fallback;
    ls_sql_finish(stmt);
    return rc;
}

/* Room for a new one: the oldest that is not lent goes. */
static enum ls_code make_room(struct ls_state *state, struct ls_error *err)
{
    struct ls_state_kept *kept = state->prepared;
    size_t i = 0;

    if (state->prepared_count < LS_STATE_STATEMENTS)
        return LS_OK;
    while (i < state->prepared_count && kept[i].lent)
        i++;
    if (i == state->prepared_count)
        return ls_error_set(err, LS_INTERNAL, "%zu queries are being read at once", i);
    ls_sql_finish(kept[i].stmt);
    memmove(&kept[i], &kept[i + 1], (--state->prepared_count - i) * sizeof *kept);
    return LS_OK;
}

static enum ls_code keep(struct ls_state *state, const char *sql, struct ls_state_kept **ret,
                         struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc;

    for (size_t i = 0; i < state->prepared_count; i++)
        if (state->prepared[i].sql == sql) {
            *ret = &state->prepared[i];
            return LS_OK;
        }
    rc = make_room(state, err);
    if (rc == LS_OK)
        rc = prepare(state, sql, &stmt, err);
    if (rc != LS_OK)
        return rc;
    *ret = &state->prepared[state->prepared_count++];
    **ret = (struct ls_state_kept){.sql = sql, .stmt = stmt};
    return LS_OK;
}

enum ls_code ls_state_lend(struct ls_state *state, const char *sql, const struct ls_value *params,
                           size_t count, struct ls_sql_stmt **ret, struct ls_error *err)
{
    struct ls_state_kept *kept = NULL;
    enum ls_code rc = keep(state, sql, &kept, err);

    if (rc == LS_OK && kept->lent)
        rc = ls_error_set(err, LS_INTERNAL, "a query is run whose rows are being read (%.60s...)",
                          sql);
    if (rc == LS_OK)
        rc = ls_sql_run(kept->stmt, params, count, false, err);
    if (rc != LS_OK)
        return rc;
    kept->lent = true;
    *ret = kept->stmt;
    return LS_OK;
}

void ls_state_give_back(struct ls_state *state, struct ls_sql_stmt *stmt)
{
    for (size_t i = 0; stmt && i < state->prepared_count; i++)
        if (state->prepared[i].stmt == stmt) {
            ls_sql_reset(stmt);
            state->prepared[i].lent = false;
        }
}

enum ls_code ls_state_count_change(struct ls_state *state, const char *sql,
                                   const struct ls_value *params, size_t count, int64_t *ret,
                                   struct ls_error *err)
{
    struct ls_state_kept *kept = NULL;
    enum ls_code rc = keep(state, sql, &kept, err);

    if (rc == LS_OK)
        rc = ls_sql_change(kept->stmt, params, count, ret, err);
    if (rc == LS_OK)
        state->changes += (uint64_t)*ret;
    return rc;
}

enum ls_code ls_state_change(struct ls_state *state, const char *sql, const struct ls_value *params,
                             size_t count, int64_t expected, struct ls_error *err)
{
    int64_t changed = 0;
    const enum ls_code rc = ls_state_count_change(state, sql, params, count, &changed, err);

    if (rc == LS_OK && expected >= 0 && changed != expected)
        return ls_state_damaged(err, "a row that must be there is not (%.60s...)", sql);
    return rc;
}

/* ---- write transactions ---- */

enum ls_code ls_state_begin(struct ls_state *state, struct ls_error *err)
{
    enum ls_code rc = ls_sql_begin(state->db, true, err);

    if (rc != LS_OK)
        return rc;
    state->wrote = true;
    rc = ls_state_lines_write(state, err);
    if (rc == LS_OK)
        rc = ls_state_closes_write(state, err);
    if (rc != LS_OK)
        ls_sql_rollback(state->db);
    return rc;
}

enum ls_code ls_state_end(struct ls_state *state, enum ls_code rc, struct ls_error *err)
{
    struct ls_error ignored;

    if (rc != LS_OK) {
        ls_sql_rollback(state->db);
        return rc;
    }
    rc = ls_sql_commit(state->db, err);
    if (rc != LS_OK) {
        ls_sql_rollback(state->db);
        return rc;
    }
    ls_state_lines_written(state);
    ls_state_closes_written(state);
    /* The commit stands, whatever becomes of this. After a failed fsync the connection is dead and says so next time. */
    (void)!ls_sql_checkpoint(state->db, CHECKPOINT_BYTES, &ignored);
    return LS_OK;
}

enum ls_code ls_state_flush(struct ls_state *state, struct ls_error *err)
{
    enum ls_code rc;

    if (!ls_state_lines_waiting(state) && !ls_state_closes_waiting(state))
        return LS_OK;
    rc = ls_state_begin(state, err);
    return rc == LS_OK ? ls_state_end(state, LS_OK, err) : rc;
}

/* ---- checksums ---- */

static struct ls_sum sum_of(const void *data, size_t size, uint64_t seed)
{
    const struct ls_hash128 h = ls_hash128(data, size, seed);
    struct ls_sum sum;

    for (unsigned i = 0; i < 8; i++) {
        sum.bytes[i] = (unsigned char)(h.high >> (56 - 8 * i));
        sum.bytes[8 + i] = (unsigned char)(h.low >> (56 - 8 * i));
    }
    return sum;
}

enum ls_code ls_state_sum(struct ls_buf *encoded, struct ls_sum *ret, struct ls_error *err)
{
    const bool failed = encoded->failed;

    if (!failed)
        *ret = sum_of(ls_buf_str(encoded), encoded->size, 0);
    ls_buf_done(encoded);
    return failed ? ls_error_nomem(err) : LS_OK;
}

/* The data can be large: it is not copied behind the header, whose hash is the seed instead. */
enum ls_code ls_journal_sum_blob(const struct ls_blob_row *row, const void *data, size_t size,
                                 struct ls_sum *ret, struct ls_error *err)
{
    struct ls_buf header;

    ls_buf_init(&header, 0);
    ls_buf_u64(&header, (uint64_t)row->run);
    ls_buf_u64(&header, (uint64_t)row->batch);
    ls_buf_u64(&header, (uint64_t)row->seq);
    ls_buf_u64(&header, (uint64_t)row->part);
    ls_buf_u64(&header, (uint64_t)row->parts);
    ls_buf_u64(&header, (uint64_t)row->raw_bytes);
    if (header.failed) {
        ls_buf_done(&header);
        return ls_error_nomem(err);
    }
    *ret = sum_of(data, size, ls_hash64(header.data, header.size, 0));
    ls_buf_done(&header);
    return LS_OK;
}

struct ls_value ls_state_sum_value(const struct ls_sum *sum)
{
    return ls_value_data(LS_T_BYTES, sum->bytes, sizeof sum->bytes);
}

bool ls_state_sum_fits(struct ls_sql_stmt *stmt, int col, const struct ls_sum *sum)
{
    size_t size = 0;
    const void *bytes = ls_sql_bytes(stmt, col, &size);

    return bytes && size == sizeof sum->bytes && memcmp(bytes, sum->bytes, size) == 0;
}

void ls_state_encode_text(struct ls_buf *out, const char *text)
{
    ls_buf_bytes(out, text, strlen(text));
}

const char *ls_state_text(struct ls_sql_stmt *stmt, int col, struct ls_arena *mem)
{
    size_t size = 0;
    const char *text = ls_sql_text(stmt, col, &size);

    return ls_arena_text_n(mem, text ? text : "", text ? size : 0);
}

void *ls_state_grow(struct ls_arena *mem, void *list, size_t count, size_t *room, size_t size)
{
    const size_t more = *room ? *room * 2 : 16;
    void *grown;

    if (count < *room)
        return list;
    grown = ls_arena_array(mem, more, size);
    if (grown && count)
        memcpy(grown, list, count * size);
    if (grown)
        *room = more;
    return grown;
}

/* ---- open and close ---- */

/* While a state is opened all statements are ours: what SQLite calls an error in one ("no such column",
 * "unsupported file format") is one in the file. */
static enum ls_code error_of_file(enum ls_code rc, struct ls_error *err)
{
    return rc != LS_OK && err && strcmp(err->native, "ERROR") == 0
               ? ls_error_set(err, LS_CORRUPT, "%s", err->text)
               : rc;
}

static enum ls_code open_database(struct ls_state *state, bool create, struct ls_error *err)
{
    const struct ls_sql_options options = {.guarded = true};
    enum ls_code rc = LS_OK;

    if (state->path)
        rc = ls_state_file(state->path, create, err);
    if (rc == LS_OK)
        rc = ls_sql_open(&state->url, &options, &state->db, err);
    if (rc != LS_OK)
        return rc;
    if (state->path)
        state->path = ls_sql_identity(state->db) + strlen("sqlite:");
    return ls_state_migrate(state, create, err);
}

enum ls_code ls_state_open(const char *url, bool create, struct ls_state **ret,
                           struct ls_error *err)
{
    struct ls_state *state = calloc(1, sizeof *state);
    enum ls_code rc;

    if (!state)
        return ls_error_nomem(err);
    ls_arena_init(&state->mem, 0);
    rc = ls_state_place(url, create, &state->mem, &state->url, &state->path, err);
    if (rc == LS_OK) {
        rc = open_database(state, create, err);
        rc = ls_state_result(state, error_of_file(rc, err), err);
    }
    if (rc == LS_OK)
        *ret = state;
    else
        ls_state_close(state);
    return rc;
}

void ls_state_close(struct ls_state *state)
{
    struct ls_error ignored;

    if (!state)
        return;
    if (state->db && ls_sql_alive(state->db)) {
        ls_sql_rollback(state->db);
        /* What still waits is of no account: an open batch is settled with the target. */
        (void)!ls_state_flush(state, &ignored);
    }
    for (size_t i = 0; i < state->prepared_count; i++)
        ls_sql_finish(state->prepared[i].stmt);
    if (state->db && state->wrote && ls_sql_alive(state->db))
        (void)!ls_sql_checkpoint(state->db, 0, &ignored);
    ls_state_lines_free(state->lines);
    ls_state_writer_free(state->writer);
    ls_sql_close(state->db);
    ls_arena_done(&state->mem);
    free(state);
}

uint64_t ls_state_changes(const struct ls_state *state)
{
    return state->changes;
}

bool ls_state_alive(const struct ls_state *state)
{
    return ls_sql_alive(state->db);
}

enum ls_code ls_state_ping(struct ls_state *state, struct ls_error *err)
{
    int64_t version = 0;

    return ls_state_number(state, "SELECT max(number) FROM {schema}schema_version", NULL, 0, 0,
                           &version, err);
}

enum ls_code ls_state_clock(struct ls_state *state, int64_t *ret_us, struct ls_error *err)
{
    if (state->path) {
        *ret_us = ls_clock_now_us();
        return LS_OK;
    }
    return ls_state_number(
        state,
        "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::pg_catalog.int8",
        NULL, 0, 0, ret_us, err);
}

const char *ls_state_where(const struct ls_state *state)
{
    return state->db ? ls_sql_identity(state->db) : state->url.shown;
}
