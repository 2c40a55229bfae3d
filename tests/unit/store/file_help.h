/* SPDX-License-Identifier: Apache-2.0 */
/* file_help.h - what the tests of the file store share: a file in, its records out as text. */
#ifndef LS_TESTS_FILE_HELP_H
#define LS_TESTS_FILE_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/store.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEXT_AND_SIZE(literal) literal, sizeof(literal) - 1

/* A session on a file, described; everything in mem. */
struct opened {
    struct ls_arena mem;
    struct ls_store *store;
    struct ls_schema *schema;
    struct ls_error err;
    struct ls_scan scan; /* all fields; the first one is the key */
    size_t all[64];
};

/* A file of this content in a fresh folder; the caller frees the path. */
char *a_file(const char *name, const void *content, size_t size);
/* The content of a file, NUL-ended; the caller frees it. NULL when it is not there. */
char *content_of(const char *path, size_t *ret_size);
bool is_there(const char *path);
/* Opens; asserts that it works. */
void open_file(struct opened *o, const char *path, bool writable);
enum ls_code describe_file(struct opened *o);
void close_file(struct opened *o);

/* Describes and reads a file to its end. records: "a|b;c|d" with NULL as \N and NUL as \0, in o->mem; NULL after an error. */
enum ls_code read_file(struct opened *o, const char **ret_records);
/* Writes a file of this name and content, reads it and compares. */
void assert_reads(const char *name, const void *content, size_t size, const char *records);
/* LS_DATA with this text in the message. */
void assert_refused(const char *name, const void *content, size_t size, const char *says);

/* One change by the first field: values as texts (NULL: NULL), NULL for a delete. */
enum ls_code change(struct opened *o, enum ls_change_kind kind, const char *const *texts);

#endif
