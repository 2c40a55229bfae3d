/* SPDX-License-Identifier: Apache-2.0 */
/* fields.h - the fields of a JSON Lines file: what was declared when it was made, and what its records show. */
#ifndef LS_STORE_FILE_FIELDS_H
#define LS_STORE_FILE_FIELDS_H

#include "model/schema.h"

struct fields {
    struct ls_arena *mem;
    struct field_seen {
        struct ls_field field; /* type: what the values so far have in common; NULL: none yet */
        enum ls_type declared; /* NULL: not declared, or a value was no such */
    } * list;
    size_t count, next; /* next: where the next member is looked for first */
};

/* Begins with the fields declared beside the file at path; none when nothing is. LS_DATA: what stands there is no list of fields. */
LS_MUST_CHECK enum ls_code fields_load(struct fields *fields, const char *path,
                                       struct ls_error *err);
/* A member of a record. false: out of memory, or more than FILE_FIELDS_MAX fields. */
bool fields_note(struct fields *fields, const char *name, const struct ls_value *value,
                 struct ls_arena *scratch);
/* The fields as all records leave them, in fields->mem. */
LS_MUST_CHECK enum ls_code fields_settle(struct fields *fields, size_t *ret_count,
                                         struct ls_field **ret, struct ls_error *err);

/* Declares the fields of a file that is about to be made; takes that back. */
enum ls_code fields_save(const char *path, const struct ls_schema *schema, struct ls_error *err);
void fields_remove(const char *path);

#endif
