/* SPDX-License-Identifier: Apache-2.0 */
/* work.h - the records of a file while it is being changed: an SQLite database in TMPDIR. */
#ifndef LS_STORE_FILE_WORK_H
#define LS_STORE_FILE_WORK_H

#include <stdio.h>

#include "store/file/format.h"
#include "store/store.h"

struct file_work;

/* An empty one for records of schema, found by these fields (schema indexes, copied). */
LS_MUST_CHECK enum ls_code file_work_open(const struct ls_schema *schema, size_t key_count,
                                          const size_t *key, struct file_work **ret,
                                          struct ls_error *err);
void file_work_close(struct file_work *work);
bool file_work_has_key(const struct file_work *work, size_t key_count, const size_t *key);
/* Adds a record at the end (schema->field_count values). */
LS_MUST_CHECK enum ls_code file_work_add(struct file_work *work, const struct ls_value *record,
                                         struct ls_error *err);
/* What the file held is there: from here on records are found by key. */
LS_MUST_CHECK enum ls_code file_work_loaded(struct file_work *work, struct ls_error *err);
/* The record with this key, in mem; *ret NULL when there is none. LS_DATA when there are several. */
LS_MUST_CHECK enum ls_code file_work_find(struct file_work *work, const struct ls_value *key,
                                          struct ls_arena *mem, struct ls_value **ret,
                                          struct ls_error *err);
/* The record with this key is replaced, or removed (record NULL). */
LS_MUST_CHECK enum ls_code file_work_put(struct file_work *work, const struct ls_value *key,
                                         const struct ls_value *record, struct ls_error *err);
/* A point to come back to. One at a time. */
LS_MUST_CHECK enum ls_code file_work_save(struct file_work *work, struct ls_error *err);
LS_MUST_CHECK enum ls_code file_work_keep(struct file_work *work, bool keep, struct ls_error *err);
/* Writes all records in their order. */
LS_MUST_CHECK enum ls_code file_work_write(struct file_work *work, const struct file_format *format,
                                           const struct file_style *style, FILE *f,
                                           struct ls_error *err);

#endif
