/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - what the files of the file store share; nobody else includes it. */
#ifndef LS_STORE_FILE_FILE_H
#define LS_STORE_FILE_FILE_H

#include "base/file.h"
#include "store/file/format.h"
#include "store/file/work.h"
#include "store/store.h"

struct file_store {
    struct ls_store base;
    struct ls_arena mem;
    const struct file_format *format;
    const char *path, *identity, *name; /* name: of the collection, the file's without its ending */
    const char *lock_path;
    int lock_timeout_ms;
    struct ls_file_lock locks[4]; /* run locks */
    size_t lock_count;
    struct ls_file_lock writing; /* held from begin to commit or rollback */
    struct ls_file_swap swap;    /* open from the mark on */
    struct file_work *work;      /* of the transaction; NULL until its first fetch or write */
    struct stat loaded;          /* the file as it went into work */
    struct file_style style;     /* of that file */
    bool changed;
};

static inline struct file_store *file_of(struct ls_store *store)
{
    return (struct file_store *)(void *)store;
}

/* scan.c: of the vtable. */
LS_MUST_CHECK enum ls_code file_scan(struct ls_store *store, const struct ls_scan *scan,
                                     struct ls_cursor **ret, struct ls_error *err);
LS_MUST_CHECK enum ls_code file_next(struct ls_cursor *cursor, struct ls_arena *mem,
                                     struct ls_rows *ret, struct ls_error *err);
void file_end(struct ls_cursor *cursor);

/* fetch.c: of the vtable. */
LS_MUST_CHECK enum ls_code file_fetch(struct ls_store *store, const struct ls_scan *what,
                                      size_t key_count, const struct ls_value *keys,
                                      bool for_update, struct ls_arena *mem, struct ls_rows *ret,
                                      struct ls_error *err);

/* write.c */
/* The schema indexes of a key given as positions in fields. In mem; NULL when out of memory. */
size_t *file_key_indexes(const size_t *fields, size_t count, const size_t *key,
                         struct ls_arena *mem);
/* Loads the file into a work database that finds records by this key (schema indexes). */
LS_MUST_CHECK enum ls_code file_load(struct file_store *s, const struct ls_schema *schema,
                                     size_t key_count, const size_t *key, struct file_work **ret,
                                     struct ls_error *err);
/* s->work has the records, by this key (schema indexes): loads them, if it is the first time in the transaction. */
LS_MUST_CHECK enum ls_code file_need_work(struct file_store *s, const struct ls_schema *schema,
                                          size_t key_count, const size_t *key,
                                          struct ls_error *err);
/* Of the vtable. */
LS_MUST_CHECK enum ls_code file_write(struct ls_store *store, const struct ls_write *w,
                                      struct ls_error *err);

/* transaction.c */
/* Ends what is open, whatever became of it, and lets others write. */
void file_drop_transaction(struct file_store *s);
/* Of the vtable. */
LS_MUST_CHECK enum ls_code file_begin(struct ls_store *store, struct ls_error *err);
LS_MUST_CHECK enum ls_code file_mark(struct ls_store *store, const char *tag, struct ls_arena *mem,
                                     const char **ret_marker, struct ls_error *err);
LS_MUST_CHECK enum ls_code file_commit(struct ls_store *store, struct ls_error *err);
void file_rollback(struct ls_store *store);
LS_MUST_CHECK enum ls_code file_settle(struct ls_store *store, const struct ls_schema *schema,
                                       const char *marker, enum ls_outcome *ret,
                                       struct ls_error *err);
void file_forget(struct ls_store *store, const char *tag);

/* create.c: of the vtable. */
LS_MUST_CHECK enum ls_code file_create(struct ls_store *store, const char *collection,
                                       const struct ls_schema *like, size_t key_count,
                                       const size_t *key, struct ls_error *err);

#endif
