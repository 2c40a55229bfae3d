/* SPDX-License-Identifier: Apache-2.0 */
/* outbox.h - events that an application's own transactions write: a table in its database, filled by triggers, emptied into the queue.
 *
 * PostgreSQL: lockstep.outbox and the function lockstep.outbox(); SQLite: lockstep_outbox. A connection (ls_sql) belongs to one thread. */
#ifndef LS_EVENT_OUTBOX_H
#define LS_EVENT_OUTBOX_H

#include "sql/sql.h"

/* A table whose changes become events. */
struct ls_outbox_table {
    const char *schema; /* NULL: none (SQLite) */
    const char *table;
    size_t key_count, field_count;
    const char *const *key, *const
                                *fields; /* names of columns; the key's values are the resourceId */
    const char *resource;                /* resourceType */
    const char *types[3];                /* of an insert, an update, a delete; "": no event */
};

/* Makes outbox and triggers; those of this table are made anew. One transaction. */
LS_MUST_CHECK enum ls_code ls_outbox_install(struct ls_sql *db, const struct ls_outbox_table *t,
                                             struct ls_error *err);
/* Takes the triggers of a table away, and the outbox with the last of them when it is empty: *ret_gone. */
LS_MUST_CHECK enum ls_code ls_outbox_remove(struct ls_sql *db, const char *schema,
                                            const char *table, bool *ret_gone,
                                            struct ls_error *err);
/* Appends an expression for a column of `row` as JSON, as events have it. SQLite (PostgreSQL's trigger takes the record as a whole, to the same effect). */
void ls_outbox_sqlite_value(struct ls_buf *sql, const char *row, const char *column);
LS_MUST_CHECK enum ls_code ls_outbox_exists(struct ls_sql *db, bool *ret, struct ls_error *err);

/* Whoever changes a record by itself and wants to be sure of the event. In the transaction, before the change: where the outbox stands. LS_CONFIG: there is none. */
LS_MUST_CHECK enum ls_code ls_outbox_mark(struct ls_sql *db, int64_t *ret, struct ls_error *err);
/* Behind it: the event about that record that this transaction has written since; NULLs: none. In mem. */
struct ls_outbox_event {
    const char *id, *type, *resource; /* resourceType */
};
LS_MUST_CHECK enum ls_code ls_outbox_written(struct ls_sql *db, int64_t mark,
                                             const char *resource_id, struct ls_arena *mem,
                                             struct ls_outbox_event *ret, struct ls_error *err);

/* Which of these resources have events that wait there: ret[count]. */
LS_MUST_CHECK enum ls_code ls_outbox_waits(struct ls_sql *db, const char *resource_type,
                                           size_t count, const char *const *ids,
                                           struct ls_arena *mem, bool *ret, struct ls_error *err);

struct ls_outbox_status {
    int64_t waiting, refused;
    const char *oldest; /* when the first that waits was written; NULL: none waits */
    size_t table_count;
    const char **tables; /* as collections */
    size_t outdated;     /* of these, with triggers of an earlier version */
};
/* Zeros when there is none. In mem. */
LS_MUST_CHECK enum ls_code ls_outbox_status(struct ls_sql *db, struct ls_arena *mem,
                                            struct ls_outbox_status *ret, struct ls_error *err);

/* Whether this session is the one that empties it (PostgreSQL: an advisory lock, which ends with the session). */
LS_MUST_CHECK enum ls_code ls_outbox_claim(struct ls_sql *db, bool *ret, struct ls_error *err);

struct ls_outbox_row {
    int64_t seq;
    const char *json; /* the event, as ls_events_read() takes it; its id is the row's */
    size_t size;
};
/* The oldest rows that were not refused. In mem. */
LS_MUST_CHECK enum ls_code ls_outbox_read(struct ls_sql *db, size_t max, struct ls_arena *mem,
                                          size_t *ret_count, struct ls_outbox_row **ret,
                                          struct ls_error *err);
/* Removes rows whose events are on disk elsewhere. One transaction. */
LS_MUST_CHECK enum ls_code ls_outbox_done(struct ls_sql *db, const struct ls_outbox_row *rows,
                                          size_t count, struct ls_error *err);
/* Keeps a row that is no event, with the reason; it is not read again. */
LS_MUST_CHECK enum ls_code ls_outbox_refuse(struct ls_sql *db, int64_t seq, const char *why,
                                            struct ls_error *err);

#endif
