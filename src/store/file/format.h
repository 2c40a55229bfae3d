/* SPDX-License-Identifier: Apache-2.0 */
/* format.h - what a file format is to the file store: how to read a record and how to write one. */
#ifndef LS_STORE_FILE_FORMAT_H
#define LS_STORE_FILE_FORMAT_H

#include <stdio.h>

#include "model/schema.h"

/* A file being read. shown: its path, for messages. */
struct file_input {
    FILE *f;
    const char *shown;
    uint64_t line; /* of the record read last, from 1 */
    struct ls_buf scratch;
    bool quoted; /* CSV: the field in scratch stood in quotes */
};

struct file_format {
    const char *name;
    const char *const *endings; /* of file names, with dot; ends with NULL */
    /* The fields, in mem; f stands at its start and anywhere after. Reads as much as it needs: the header, or everything. */
    enum ls_code (*describe)(struct file_input *in, struct ls_arena *mem, size_t *ret_count,
                             struct ls_field **ret, struct ls_error *err);
    /* Skips what stands before the first record. */
    enum ls_code (*begin)(struct file_input *in, const struct ls_schema *schema,
                          struct ls_error *err);
    /* The next record: schema->field_count values, data in mem. *ret_record false at the end. LS_DATA names file and line. */
    enum ls_code (*read)(struct file_input *in, const struct ls_schema *schema,
                         struct ls_arena *mem, struct ls_value *values, bool *ret_record,
                         struct ls_error *err);
    /* Append what stands before the records, and a record. */
    void (*write_head)(struct ls_buf *out, const struct ls_schema *schema);
    void (*write)(struct ls_buf *out, const struct ls_schema *schema,
                  const struct ls_value *values);
    bool creates; /* can make an empty file that still has fields */
};

extern const struct file_format file_csv, file_jsonl;

/* "FILE line N: text"; LS_DATA. */
enum ls_code file_data_error(struct ls_error *err, const struct file_input *in, const char *fmt,
                             ...) __attribute__((format(printf, 3, 4)));

#endif
