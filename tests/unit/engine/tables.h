/* SPDX-License-Identifier: Apache-2.0 */
/* tables.h - tables written as text, for tests and scenario files.
 *
 *     id:int*  name:text  code:text!  price:decimal(10,2)
 *     1 | Ann | a | 9.50
 *     2 | "two | \"words\"" | NULL | NULL
 *
 * The first line has the fields: name, type (the word, with digits in brackets where the type has them), * for the
 * key, ! for a unique field. A name with blanks stands in double quotes. Then a line a record. Values are in their text form; NULL is none; blanks around them do not count.
 * In double quotes a value is read as a JSON string, and "NULL" is a text. Lines that are empty or begin with # do not count.
 * docs/scenarios.md */
#ifndef LS_TESTS_ENGINE_TABLES_H
#define LS_TESTS_ENGINE_TABLES_H

#include "fixture.h"

#define TABLE_FIELDS 16

struct table {
    size_t field_count, key_count, count;
    struct ls_field fields[TABLE_FIELDS];
    size_t key[TABLE_FIELDS];
    bool unique[TABLE_FIELDS];
    struct ls_value *records; /* count * field_count */
};

/* Reads it, in mem; ends the test with what is wrong and where. where: for messages, as in "swap.txt: source". */
void table_parse(const char *text, const char *where, struct ls_arena *mem, struct table *ret);
/* A value of a field as its text form, or NULL, or as a JSON string. */
struct ls_value table_value(const char *text, const struct ls_field *field, const char *where,
                            struct ls_arena *mem);
/* Whether some field has to be unique, which memory: and file: cannot. */
bool table_has_unique(const struct table *table);
/* Makes and fills the collection in the store. */
void table_make(const struct table *table, const char *store, const char *collection);
/* All at once; gives the URL with #collection, which fixture_done() frees. */
const char *table_in(const char *store, const char *collection, const char *text);

#endif
