/* SPDX-License-Identifier: Apache-2.0 */
/* memory.h - what the files of the memory store share; nobody else includes it. */
#ifndef LS_STORE_MEMORY_MEMORY_H
#define LS_STORE_MEMORY_MEMORY_H

#include "store/store.h"

struct ls_mem_row {
    atomic_size_t refs;
    struct ls_value values[]; /* their data stands behind them */
};

struct ls_mem_version {
    atomic_size_t refs;
    size_t count;
    struct ls_mem_row **rows;
};

struct ls_mem_table {
    struct ls_mem_table *next;
    struct ls_arena mem;
    struct ls_schema *schema;
    struct ls_as *as; /* of each field by its own type */
    struct ls_mem_version *now;
};

struct ls_mem_name { /* a mark, or a lock that a session holds */
    struct ls_mem_name *next;
    const struct ls_mem_session *owner;
    char text[];
};

struct ls_mem_db {
    struct ls_mem_db *next;
    char *name;
    size_t sessions;
    struct ls_mem_session *writer;
    struct ls_mem_table *tables;
    struct ls_mem_name *marks, *locks;
};

struct ls_mem_draft { /* what a collection will be after the commit */
    struct ls_mem_draft *next;
    struct ls_mem_table *table;
    struct ls_mem_version *version;
};

struct ls_mem_session {
    struct ls_store base;
    struct ls_mem_db *db;
    char *identity;
    int lock_timeout_ms;
    struct ls_mem_draft *drafts;
    struct ls_mem_name *marks;
};

/* An order of rows: by some fields (schema indexes). */
struct ls_mem_order {
    size_t count;
    const size_t *fields;
    const struct ls_as *as; /* count of them */
};

/* memory.c: the mutex over what several sessions share. */
void ls_mem_enter(void);
void ls_mem_leave(void);
static inline struct ls_mem_session *ls_mem_of(struct ls_store *store)
{
    return (struct ls_mem_session *)store;
}

/* rows.c: rows and versions are counted; NULL where there is no memory. */
/* Bytes at a value's data; 0 where it has none. */
size_t ls_mem_value_bytes(const struct ls_value *v);
/* A copy of the values. */
struct ls_mem_row *ls_mem_row_new(const struct ls_value *values, size_t width);
void ls_mem_row_free(struct ls_mem_row *row);
/* An empty one with room for `capacity` rows. */
struct ls_mem_version *ls_mem_version_new(size_t capacity);
struct ls_mem_version *ls_mem_version_hold(struct ls_mem_version *v);
void ls_mem_version_free(struct ls_mem_version *v);
/* <0, 0, >0; the second one is for qsort_r() over pointers to rows. */
int ls_mem_compare_rows(const struct ls_mem_row *a, const struct ls_mem_row *b,
                        const struct ls_mem_order *o);
int ls_mem_compare_pointers(const void *a, const void *b, void *order);
/* Whether it is the order of the primary key, in which versions are. */
bool ls_mem_same_order(const struct ls_mem_order *o, const struct ls_mem_table *table);
/* The rows of a version in this order: its own array, or a sorted copy in mem. */
struct ls_mem_row **ls_mem_sorted_rows(const struct ls_mem_table *table, struct ls_mem_version *v,
                                       struct ls_mem_order *o, struct ls_arena *mem);
/* The order of a scan's key, in mem. */
bool ls_mem_key_order(const struct ls_scan *scan, struct ls_arena *mem, struct ls_mem_order *ret);
/* Where the row of this key stands in rows that are in that order, or NULL. */
struct ls_mem_row **ls_mem_find_row(struct ls_mem_row **rows, size_t count,
                                    const struct ls_value *key, const struct ls_mem_order *o);

/* table.c */
void ls_mem_table_free(struct ls_mem_table *table);
/* A collection by name; LS_NOT_FOUND. It stays while the session is open. */
LS_MUST_CHECK enum ls_code ls_mem_need_table(struct ls_store *store, const char *name,
                                             struct ls_mem_table **ret, struct ls_error *err);
/* What the session sees of a collection: its own draft, or the present. To be freed. */
struct ls_mem_version *ls_mem_see(struct ls_mem_session *s, struct ls_mem_table *table);
/* Of the vtable. */
LS_MUST_CHECK enum ls_code ls_mem_list(struct ls_store *store, struct ls_arena *mem,
                                       size_t *ret_count, const char *const **ret,
                                       struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_mem_describe(struct ls_store *store, const char *collection,
                                           struct ls_arena *mem, struct ls_schema **ret,
                                           struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_mem_create(struct ls_store *store, const char *collection,
                                         const struct ls_schema *like, size_t key_count,
                                         const size_t *key, struct ls_error *err);

/* scan.c and write.c: of the vtable. */
LS_MUST_CHECK enum ls_code ls_mem_scan(struct ls_store *store, const struct ls_scan *scan,
                                       struct ls_cursor **ret, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_mem_next(struct ls_cursor *base, struct ls_arena *mem,
                                       struct ls_rows *ret, struct ls_error *err);
void ls_mem_end(struct ls_cursor *base);
LS_MUST_CHECK enum ls_code ls_mem_fetch(struct ls_store *store, const struct ls_scan *what,
                                        size_t key_count, const struct ls_value *keys,
                                        bool for_update, struct ls_arena *mem, struct ls_rows *ret,
                                        struct ls_error *err);
bool ls_mem_seeks(struct ls_store *store, const struct ls_schema *schema,
                  const struct ls_sought *sought);
LS_MUST_CHECK enum ls_code ls_mem_write(struct ls_store *store, const struct ls_write *write,
                                        struct ls_error *err);

#endif
