/* SPDX-License-Identifier: Apache-2.0 */
/* format.h - what a file format is to the file store: how to read a record and how to write one. */
#ifndef LS_STORE_FILE_FORMAT_H
#define LS_STORE_FILE_FORMAT_H

#include <sys/stat.h>

#include "model/schema.h"

#define FILE_RECORD_MAX ((size_t)64 << 20) /* bytes of a field (CSV) or line (JSON Lines) */
#define FILE_FIELDS_MAX 10000

/* How a file is written, apart from its content: kept when it is written anew. */
struct file_style {
    bool mark; /* begins with a byte order mark */
    bool lf;   /* CSV: the first line ends in LF and not in CRLF */
};

/* A file being read: a window [at, end) of it, followed by a NUL. shown: its path. */
struct file_input {
    int fd;
    const char *shown;
    uint64_t line; /* of the record read last, from 1 */
    char *data;
    size_t at, end, room;
    bool eof; /* the window reaches to the end of the file */
    struct stat seen;
    struct file_style style;
};

/* Opens and skips a byte order mark. LS_USAGE for what is no regular file. After an error there is nothing to close. */
LS_MUST_CHECK enum ls_code file_input_open(struct file_input *in, const char *path,
                                           struct ls_error *err);
void file_input_close(struct file_input *in);
/* Reads more behind the window, whose bytes may move, or sets eof. LS_DATA when the window would pass FILE_RECORD_MAX;
 * LS_CHANGED at the end of a file that somebody wrote to since it was opened. */
LS_MUST_CHECK enum ls_code file_input_more(struct file_input *in, struct ls_error *err);
/* Whether nobody wrote to a file between two looks at it: same size, same time of the last change. */
bool file_unwritten(const struct stat *before, const struct stat *now);

struct file_format {
    const char *name;
    const char *const *endings; /* of file names, with dot; ends with NULL */
    /* The fields, in mem; reads as much as it needs: the header, or everything. */
    enum ls_code (*describe)(struct file_input *in, struct ls_arena *mem, size_t *ret_count,
                             struct ls_field **ret, struct ls_error *err);
    /* Skips what stands before the first record. LS_CHANGED when that is not what schema was made from. */
    enum ls_code (*begin)(struct file_input *in, const struct ls_schema *schema,
                          struct ls_error *err);
    /* The next record: schema->field_count values, data in mem. *ret_record false at the end. LS_DATA names file and line. */
    enum ls_code (*read)(struct file_input *in, const struct ls_schema *schema,
                         struct ls_arena *mem, struct ls_value *values, bool *ret_record,
                         struct ls_error *err);
    /* Why a value cannot be written so that it reads back the same; NULL: it can. */
    const char *(*refuses)(const struct ls_value *value);
    /* Append what stands before the records, and a record. */
    void (*write_head)(struct ls_buf *out, const struct ls_schema *schema,
                       const struct file_style *style);
    void (*write)(struct ls_buf *out, const struct ls_schema *schema, const struct ls_value *values,
                  const struct file_style *style);
    /* Leaves beside a new file what the file itself does not say of its fields, or takes it away again. NULL: nothing. */
    enum ls_code (*note)(const char *path, const struct ls_schema *schema, struct ls_error *err);
    void (*unnote)(const char *path);
};

extern const struct file_format file_csv, file_jsonl;

/* "FILE line N: text"; LS_DATA. */
enum ls_code file_data_error(struct ls_error *err, const struct file_input *in, const char *fmt,
                             ...) __attribute__((format(printf, 3, 4)));

#endif
