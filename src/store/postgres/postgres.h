/* SPDX-License-Identifier: Apache-2.0 */
/* postgres.h - what the files of the PostgreSQL store share; nobody else includes it.
 *
 *   session.c  open, transactions, marks, locks, the table of functions
 *   catalog.c  names and descriptions of tables        types.c   what each type is, as one table
 *   select.c   text of the queries                     binary.c  COPY's binary format
 *   condition.c  field op literal, and what is sought
 *   scan.c     reading records                         digest.c  checksums on the server
 *   bounds.c   where to cut a table into segments      write.c   a set of changes
 *   park.c     unique values that change places        held.c    records that others have locked
 *   waits.c    changes that wait for others            create.c  a missing table
 *   rights.c   what the role may not do */
#ifndef LS_STORE_POSTGRES_POSTGRES_H
#define LS_STORE_POSTGRES_POSTGRES_H

#include "sql/sql.h"
#include "store/store.h"

#define LS_PGS_KEYS_A_CALL ((size_t)10000) /* of one fetch statement: some 400 KB of text */

/* Blocks of pg_class row r as it is now, and about how many records they hold: as many a block as the last ANALYZE
 * saw, or what the widths of the columns let expect, as the planner has it. */
#define LS_PGS_BLOCKS "pg_relation_size(r.oid) / current_setting('block_size')::float8"
#define LS_PGS_ROWS                                                                        \
    LS_PGS_BLOCKS " * CASE WHEN r.reltuples >= 0 AND r.relpages > 0"                       \
                  " THEN r.reltuples / r.relpages ELSE 8168 / (28 + (SELECT sum(CASE WHEN" \
                  " a.attlen > 0 THEN a.attlen ELSE 32 END) FROM pg_attribute a"           \
                  " WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped)) END"

/* How one built-in type is read, compared and hashed. In the templates @ is the column and $ the seed. */
struct ls_pgs_type {
    unsigned oid; /* 0 in the last row: every type that is not listed */
    enum ls_type type;
    const char *literal;  /* the type that literals of it are cast to; NULL: the column's own */
    const char *read;     /* the expression that is read */
    const char *family;   /* what the digest family calls it; NULL: by the name of the type */
    const char *element;  /* the element (or two) of the hashed record, PostgreSQL 14 and later */
    const char *text;     /* the same bytes for equal values: what md5 and hashtextextended() see */
    const char *key_hash; /* 64 bits of one key field, seeded; never NULL for a value */
};

/* A column's own notes, in the order of the schema's fields. */
struct ls_pgs_column {
    const struct ls_pgs_type *type;
    const char *ident;     /* quoted */
    const char *base;      /* the type below all domains, without modifiers, as a cast takes it */
    const char *full;      /* the same with modifiers: numeric(10,2) */
    const char *collation; /* quoted, as COLLATE takes it; NULL for types without */
    bool catalog;          /* the base type is a built-in one */
    bool always;           /* GENERATED ALWAYS AS IDENTITY */
    bool nullable, folds;
};

/* A unique index of any kind, also those that cannot serve as a key: its values may have to change places. */
struct ls_pgs_unique {
    const char *name;
    int64_t index; /* its OID */
    size_t field_count;
    const size_t *fields; /* every column it looks at, in expressions and predicates too */
    bool immediate;
    bool excludes;   /* an EXCLUDE constraint: not only equal values are in each other's way */
    bool one_null;   /* NULLS NOT DISTINCT */
    bool referenced; /* a foreign key points at it */
    bool unseen;     /* the schema's keys do not tell which records are in each other's way */
};

/* ls_schema.native of a table of ours. */
struct ls_pgs_table {
    const char *ident; /* "schema"."table", quoted */
    int64_t oid;
    char kind; /* pg_class.relkind */
    bool row_security, rules, triggers;
    const struct ls_pgs_column *columns;
    size_t unique_count;
    const struct ls_pgs_unique *uniques;
};

struct ls_pgs {
    struct ls_store base;
    struct ls_sql *db;
    int version, lock_timeout_ms;
    int wait_ms;         /* for the next lock: less after one that was not to be had */
    bool md5;            /* digests by md5: servers before 14, or forced */
    struct ls_arena mem; /* as long as the session */
    const char *encoding;
    const char *server;    /* "system id/timeline/time of start", or "" */
    const char *system_id; /* "" when this role may not see it */
    const char *database_oid;
    const char
        *path; /* the role's own search_path, as current_schemas() gives it: an array's text */
    const char *probe;       /* what this server's hash functions make of a fixed record */
    struct ls_schema *again; /* the last schema that came without our notes, described again */
    char *temp_for;          /* which columns the temporary table is for; NULL: there is none */
    bool temp_committed;     /* it outlives a rollback */
    bool temp_dirty;         /* this transaction has filled it */
    bool locked;             /* holds an advisory lock */
    const char *origin, *happened; /* of what is written; NULL */
};

static inline struct ls_pgs *ls_pgs_of(struct ls_store *store)
{
    return (struct ls_pgs *)store;
}

/* types.c */
/* The row for a base type's OID; never NULL. citext counts as text. */
const struct ls_pgs_type *ls_pgs_type_find(unsigned oid, const char *name);
/* Appends a template with @ and $ filled in. */
void ls_pgs_expand(struct ls_buf *out, const char *form, const char *column, const char *seed);
/* How a column is ordered when compared `as` (NULL: as its own type): *ret_form is a template and *ret_literal the
 * type its literals have. false: the server cannot order as ls_value_order() does. */
bool ls_pgs_order(const struct ls_pgs_column *col, const struct ls_as *as, const char **ret_form,
                  const char **ret_literal);
/* The row by which a column is hashed when compared `as`, and the template around the column. NULL: it would not be
 * the same hash for equal values. */
const struct ls_pgs_type *ls_pgs_hashed_as(const struct ls_pgs_column *col,
                                           const struct ls_field *field, const struct ls_as *as,
                                           const char **ret_around);

/* binary.c */
/* Reads the header of a binary COPY. false: it is none, or one of a kind we do not know. */
bool ls_pgs_header(struct ls_reader *in);
/* Reads one record of `width` values into values; *ret_row false at the trailer. Data of the values is borrowed from what
 * `in` reads, decimals live in mem. LS_DATA when the bytes are not what the types promise. */
LS_MUST_CHECK enum ls_code ls_pgs_record(struct ls_reader *in, const enum ls_type *types,
                                         size_t width, struct ls_arena *mem,
                                         struct ls_value *values, bool *ret_row,
                                         struct ls_error *err);

/* catalog.c */
LS_MUST_CHECK enum ls_code ls_pgs_list(struct ls_store *store, struct ls_arena *mem,
                                       size_t *ret_count, const char *const **ret,
                                       struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_pgs_describe(struct ls_store *store, const char *collection,
                                           struct ls_arena *mem, struct ls_schema **ret,
                                           struct ls_error *err);
/* Our notes on a schema; describes it again when it came without (a copy). */
LS_MUST_CHECK enum ls_code ls_pgs_table(struct ls_pgs *pg, const struct ls_schema *schema,
                                        const struct ls_pgs_table **ret, struct ls_error *err);
/* Splits a collection's name and finds its schema, the role's own search_path deciding where none is named. In mem. */
LS_MUST_CHECK enum ls_code ls_pgs_locate(struct ls_pgs *pg, const char *collection,
                                         struct ls_arena *mem, const char **ret_schema,
                                         const char **ret_table, struct ls_error *err);

/* rights.c */
LS_MUST_CHECK enum ls_code ls_pgs_lacking(struct ls_store *store, const struct ls_schema *schema,
                                          size_t field_count, const size_t *fields, bool writes,
                                          struct ls_arena *mem, const char **ret,
                                          struct ls_error *err);

/* select.c: they append to `sql`, whose failure sticks; a code is returned where a value may be impossible. */
void ls_pgs_column_ref(struct ls_buf *sql, const struct ls_pgs_table *table,
                       size_t field);               /* t."name" */
void ls_pgs_i64(struct ls_buf *sql, uint64_t bits); /* '-1'::int8 */
LS_MUST_CHECK enum ls_code ls_pgs_literal(struct ls_buf *sql, const struct ls_value *v,
                                          const char *type, struct ls_error *err);
/* '{"a","b"}'::type[] of every step-th value. */
LS_MUST_CHECK enum ls_code ls_pgs_array(struct ls_buf *sql, const struct ls_value *values,
                                        size_t count, size_t step, const char *type,
                                        struct ls_error *err);
void ls_pgs_select_list(struct ls_buf *sql, const struct ls_pgs_table *table,
                        const struct ls_scan *scan);
/* " WHERE ..." of the filter, what is sought and the wanted segments, or nothing. */
LS_MUST_CHECK enum ls_code ls_pgs_where(struct ls_buf *sql, const struct ls_pgs *pg,
                                        const struct ls_pgs_table *table,
                                        const struct ls_scan *scan, struct ls_error *err);
/* A 64-bit hash of the whole key. */
void ls_pgs_key_hash(struct ls_buf *sql, const struct ls_pgs_table *table,
                     const struct ls_scan *scan, uint64_t seed);
/* The number of a record's segment, 0.. */
LS_MUST_CHECK enum ls_code ls_pgs_segment(struct ls_buf *sql, const struct ls_pgs_table *table,
                                          const struct ls_scan *scan, struct ls_error *err);
/* `LEFT = RIGHT` for a key column: by its own equality, so that an index serves, and exactly where that folds. right: of
 * the column's base type. */
void ls_pgs_match(struct ls_buf *sql, const struct ls_pgs_column *col, const char *left,
                  const char *right);
LS_MUST_CHECK enum ls_code ls_pgs_built(const struct ls_buf *sql, struct ls_error *err);

/* scan.c */
struct ls_pgs_reader; /* a binary COPY out, record by record */
LS_MUST_CHECK enum ls_code ls_pgs_read_open(struct ls_pgs *pg, const char *query,
                                            const enum ls_type *types, size_t width,
                                            struct ls_pgs_reader **ret, struct ls_error *err);
/* The next record; *ret_row false at the end. *ret_bytes grows by what it holds. The values live in mem. */
LS_MUST_CHECK enum ls_code ls_pgs_read(struct ls_pgs_reader *reader, struct ls_arena *mem,
                                       struct ls_value *values, bool *ret_row, size_t *ret_bytes,
                                       struct ls_error *err);
void ls_pgs_read_close(struct ls_pgs_reader *reader); /* NULL is fine */
LS_MUST_CHECK enum ls_code ls_pgs_scan(struct ls_store *store, const struct ls_scan *scan,
                                       struct ls_cursor **ret, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_pgs_next(struct ls_cursor *base, struct ls_arena *mem,
                                       struct ls_rows *ret, struct ls_error *err);
void ls_pgs_end(struct ls_cursor *base);
LS_MUST_CHECK enum ls_code ls_pgs_fetch(struct ls_store *store, const struct ls_scan *what,
                                        size_t key_count, const struct ls_value *keys,
                                        bool for_update, struct ls_arena *mem, struct ls_rows *ret,
                                        struct ls_error *err);
bool ls_pgs_orders(struct ls_store *store, const struct ls_scan *scan);

/* condition.c */
/* Appends the condition as the server is asked it. */
LS_MUST_CHECK enum ls_code ls_pgs_condition(struct ls_buf *sql, const struct ls_pgs_table *table,
                                            const struct ls_condition *c, struct ls_error *err);
/* Whether this may be asked: nothing that the model takes is missing from the answer, and it fails no query. */
bool ls_pgs_can_seek(const struct ls_pgs *pg, const struct ls_pgs_table *table,
                     const struct ls_sought *sought);
bool ls_pgs_seeks(struct ls_store *store, const struct ls_schema *schema,
                  const struct ls_sought *sought);

/* digest.c */
const char *ls_pgs_digest_family(struct ls_store *store, const struct ls_scan *scan,
                                 struct ls_arena *mem, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_pgs_digest(struct ls_store *store, const struct ls_scan *scan,
                                         const uint64_t seeds[2], struct ls_segment *ret,
                                         struct ls_error *err);
/* The query that ls_pgs_digest() runs: segment, count, sum. */
LS_MUST_CHECK enum ls_code ls_pgs_digest_query(struct ls_pgs *pg, const struct ls_scan *scan,
                                               const uint64_t seeds[2], struct ls_buf *sql,
                                               struct ls_error *err);
#define LS_PGS_DIGEST_SETTINGS                                                       \
    "SET LOCAL enable_sort = off; SET LOCAL jit = off; SET LOCAL work_mem = '48MB';" \
    " SET LOCAL parallel_tuple_cost = 0"

/* bounds.c */
LS_MUST_CHECK enum ls_code ls_pgs_bounds(struct ls_store *store, const struct ls_scan *scan,
                                         size_t wanted, struct ls_arena *mem, size_t *ret_count,
                                         struct ls_value **ret, struct ls_error *err);

/* write.c */
LS_MUST_CHECK enum ls_code ls_pgs_write(struct ls_store *store, const struct ls_write *write,
                                        struct ls_error *err);
/* What the temporary table calls a field of the write (position) and a key field of its old key. */
void ls_pgs_temp_field(char out[24], size_t position);
void ls_pgs_temp_key(char out[24], size_t position);
#define LS_PGS_TEMP "pg_temp.lockstep_write"
/* Has the changes in the temporary table, to be looked at, until ls_pgs_unstage(), which is called whatever came of it. false:
 * the session is of no use any more. */
LS_MUST_CHECK enum ls_code ls_pgs_stage(struct ls_pgs *pg, const struct ls_pgs_table *table,
                                        const struct ls_write *write, struct ls_error *err);
bool ls_pgs_unstage(struct ls_pgs *pg);
/* "t.key = w.key AND ..." */
void ls_pgs_temp_match(struct ls_buf *sql, const struct ls_pgs_table *table,
                       const struct ls_write *write);
/* Whether an update sets this field (position): neither key nor GENERATED ALWAYS. */
bool ls_pgs_is_set(const struct ls_pgs_table *table, const struct ls_write *write, size_t position);
/* park.c: whether the table has unique values that may have to change places in such a write. */
bool ls_pgs_may_park(const struct ls_pgs_table *table, const struct ls_write *write);
/* Of the unique indexes, marks in `parked` (a flag for each of them) the one that the server's message names, or all when it
 * names none of them. false: it was marked before. */
bool ls_pgs_park_named(const struct ls_pgs_table *table, const char *why, bool *parked);
/* Gives the fields of the marked indexes, in the records to update, values that nothing else has, so that the update that
 * follows meets only what would be in its way for good. */
LS_MUST_CHECK enum ls_code ls_pgs_park(struct ls_pgs *pg, const struct ls_pgs_table *table,
                                       const struct ls_write *write, const bool *parked,
                                       struct ls_error *err);

/* waits.c */
LS_MUST_CHECK enum ls_code ls_pgs_waits(struct ls_store *store, const struct ls_write *write,
                                        struct ls_arena *mem, size_t *ret_count,
                                        const struct ls_wait **ret, struct ls_error *err);

/* held.c: locks that were not to be had in time. */
bool ls_pgs_is_held(enum ls_code rc, const struct ls_error *err);
/* After a rollback to a savepoint: LS_HELD, or LS_BUSY when the whole table is locked, with who holds it; the session waits
 * less from now on. */
LS_MUST_CHECK enum ls_code ls_pgs_held(struct ls_pgs *pg, const struct ls_pgs_table *table,
                                       const char *collection, struct ls_error *err);
/* Tells a transaction that has begun how long the session waits for locks. */
LS_MUST_CHECK enum ls_code ls_pgs_wait_less(struct ls_pgs *pg, struct ls_error *err);

/* create.c */
LS_MUST_CHECK enum ls_code ls_pgs_create(struct ls_store *store, const char *collection,
                                         const struct ls_schema *like, size_t key_count,
                                         const size_t *key, struct ls_error *err);

/* session.c */
/* One text value of one row, in mem; NULL is "". */
LS_MUST_CHECK enum ls_code ls_pgs_ask(struct ls_pgs *pg, const char *sql,
                                      const struct ls_value *params, size_t count,
                                      struct ls_arena *mem, const char **ret, struct ls_error *err);

#endif
