/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite.h - what the files of the SQLite store share; nobody else includes it. */
#ifndef LS_STORE_SQLITE_SQLITE_H
#define LS_STORE_SQLITE_SQLITE_H

#include "base/file.h"
#include "sql/sql.h"
#include "store/store.h"

#define LS_SQLITE_MARKS "lockstep_batches" /* our one table in a user's file */

struct ls_sqlite_lock {
    struct ls_sqlite_lock *next;
    struct ls_file_lock file;
    char name[];
};

struct ls_sqlite {
    struct ls_store base;
    struct ls_sql *db;
    struct ls_sqlite_lock *locks;
    const char *origin, *happened; /* of what is written; NULL */
};

/* ---- types.c: declared types, and values as they are stored */

enum ls_affinity { LS_AFF_BLOB, LS_AFF_TEXT, LS_AFF_NUMERIC, LS_AFF_INTEGER, LS_AFF_REAL };
/* SQLite's own rules for a declared type ("" for none). */
enum ls_affinity ls_sqlite_affinity(const char *declared);
/* What values of such a column are, mostly. */
enum ls_type ls_sqlite_type(const char *declared);
/* Appends the type of a new column for such a field. */
void ls_sqlite_declare(struct ls_buf *out, const struct ls_field *field);

/* Turns stored values into typed ones and back. Results may borrow from `text` and `bytes` until the next call. */
struct ls_sqlite_codec {
    enum ls_type type;
    enum ls_affinity affinity;
    struct ls_buf text;
    char bytes[64];
};
void ls_sqlite_codec_init(struct ls_sqlite_codec *codec, const struct ls_field *field);
void ls_sqlite_codec_done(struct ls_sqlite_codec *codec);
/* As the field's type where writing that back would store the same again; else as it is stored. Out of memory codec->text.failed is set,
 * and stays set until something is encoded: whoever decodes looks once a record. */
struct ls_value ls_sqlite_decode(struct ls_sqlite_codec *codec, const struct ls_value *stored);
/* NULL, INT, DOUBLE, TEXT or BYTES. LS_TYPE where SQLite would store another value. */
LS_MUST_CHECK enum ls_code ls_sqlite_encode(struct ls_sqlite_codec *codec, const struct ls_value *v,
                                            const struct ls_field *field, struct ls_value *ret,
                                            struct ls_error *err);

/* ---- table.c: what a table is like; describe and create */

struct ls_sqlite_table {
    const char *name;   /* exactly */
    const char *quoted; /* "main"."name" */
    const char *rowid;  /* a name that means the rowid here; NULL: it has none that can be used */
    const char *alias;  /* the column that is the rowid, or NULL */
    bool view, is_virtual, without_rowid, strict;
    size_t pk_count; /* of a WITHOUT ROWID table whose key is in plain ascending order; else 0 */
    const char **pk;
};
/* Looks a collection up, in mem. LS_NOT_FOUND with the nearest name. */
LS_MUST_CHECK enum ls_code ls_sqlite_find(struct ls_sqlite *s, const char *collection,
                                          struct ls_arena *mem, struct ls_sqlite_table *ret,
                                          struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_sqlite_list(struct ls_store *store, struct ls_arena *mem,
                                          size_t *ret_count, const char *const **ret,
                                          struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_sqlite_describe(struct ls_store *store, const char *collection,
                                              struct ls_arena *mem, struct ls_schema **ret,
                                              struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_sqlite_create(struct ls_store *store, const char *collection,
                                            const struct ls_schema *like, size_t key_count,
                                            const size_t *key, struct ls_error *err);

/* ---- scan.c, order.c */
LS_MUST_CHECK enum ls_code ls_sqlite_scan(struct ls_store *store, const struct ls_scan *scan,
                                          struct ls_cursor **ret, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_sqlite_next(struct ls_cursor *cursor, struct ls_arena *mem,
                                          struct ls_rows *ret, struct ls_error *err);
void ls_sqlite_end(struct ls_cursor *base);
LS_MUST_CHECK enum ls_code ls_sqlite_digest(struct ls_store *store, const struct ls_scan *scan,
                                            const uint64_t seeds[2], struct ls_segment *ret,
                                            struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_sqlite_bounds(struct ls_store *store, const struct ls_scan *scan,
                                            size_t wanted, struct ls_arena *mem, size_t *ret_count,
                                            struct ls_value **ret, struct ls_error *err);
bool ls_sqlite_orders(struct ls_store *store, const struct ls_scan *scan);
/* Whether readers here never stand in a writer's way: write-ahead log, or a transaction of our own. */
bool ls_sqlite_snapshots(struct ls_sqlite *s);
/* Whether texts are stored as the UTF-8 that we read. */
bool ls_sqlite_is_utf8(struct ls_sqlite *s);

/* ---- seek.c */
#define LS_SQLITE_SEEK_VALUES 2 /* stored ones for one of ours, at most */
bool ls_sqlite_seeks(struct ls_store *store, const struct ls_schema *schema,
                     const struct ls_sought *sought);
/* The stored values, in mem, of which a record has one that has what is sought: `field IN (...)` gives all of them, and perhaps
 * others. false: no such list tells (or there is no memory for it). */
bool ls_sqlite_seek(struct ls_sqlite *s, const struct ls_sqlite_table *t,
                    const struct ls_schema *schema, const struct ls_sought *sought,
                    struct ls_arena *mem, size_t *ret_count, struct ls_value **ret);

/* ---- write.c */
LS_MUST_CHECK enum ls_code ls_sqlite_fetch(struct ls_store *store, const struct ls_scan *what,
                                           size_t key_count, const struct ls_value *keys,
                                           bool for_update, struct ls_arena *mem,
                                           struct ls_rows *ret, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_sqlite_write(struct ls_store *store, const struct ls_write *write,
                                           struct ls_error *err);

#endif
