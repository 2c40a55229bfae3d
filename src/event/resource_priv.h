/* SPDX-License-Identifier: Apache-2.0 */
/* resource_priv.h - what the files of resource.h share. */
#ifndef LS_EVENT_RESOURCE_PRIV_H
#define LS_EVENT_RESOURCE_PRIV_H

#include "event/resource.h"
#include "sql/sql.h"

#define LS_NO_FIELD SIZE_MAX

/* Times that records carry, whatever the collection calls them. */
enum ls_stamp {
    LS_STAMP_UPDATED,
    LS_STAMP_SYNCED,
    LS_STAMP_ENROLLED,
    LS_STAMP_ACCESSED,
    LS_STAMP_COUNT
};

struct ls_records {
    const struct ls_resource *resource;
    struct ls_arena *mem;
    struct ls_sql *db;
    struct ls_schema *schema;
    const char *table; /* quoted */
    struct ls_zone *zone;
    size_t key_count;
    const size_t *key; /* fields; those of the path */
    const struct ls_key *primary;
    size_t user;                   /* LS_NO_FIELD: none */
    size_t stamps[LS_STAMP_COUNT]; /* likewise */
};

/* A statement and its parameters, while they are put together. */
struct ls_statement {
    struct ls_buf sql;
    struct ls_value *params;
    size_t count;
};
LS_MUST_CHECK enum ls_code ls_statement_begin(struct ls_records *records,
                                              struct ls_statement *statement, struct ls_error *err);
void ls_statement_done(struct ls_statement *statement);
void ls_statement_bind(struct ls_statement *statement, const struct ls_value *value);
/* Appends t."field". */
void ls_statement_field(struct ls_records *records, struct ls_statement *statement, size_t field);
/* Appends " WHERE a = ? AND b = ?" of the record t; nothing for no terms. */
void ls_statement_where(struct ls_records *records, struct ls_statement *statement,
                        const struct ls_terms *where);

/* A record as it is read inside of a transaction. */
struct ls_found {
    struct ls_record record;
    struct ls_terms key;
};
/* Reads at most max of them; for_update: under a lock. */
LS_MUST_CHECK enum ls_code ls_records_find(struct ls_records *records, const struct ls_terms *where,
                                           bool for_update, size_t max, struct ls_found *ret,
                                           size_t *ret_count, struct ls_error *err);
/* Appends the key as texts, for ls_found_key(). row: "t." or "". */
void ls_records_key_texts(struct ls_records *records, struct ls_buf *sql, const char *row);
/* The key of the row that stmt stands on, from this column on. */
LS_MUST_CHECK enum ls_code ls_records_read_key(struct ls_records *records, struct ls_sql_stmt *stmt,
                                               int column, struct ls_terms *ret,
                                               struct ls_error *err);
/* A text as a value of a field, as it is bound. LS_USAGE. */
LS_MUST_CHECK enum ls_code ls_records_value(struct ls_records *records, size_t field,
                                            const char *text, size_t size, struct ls_value *ret,
                                            struct ls_error *err);
/* The field of that name in any spelling (userId, user_id); LS_NO_FIELD. */
size_t ls_records_field(const struct ls_records *records, const char *name);

#endif
