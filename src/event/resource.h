/* SPDX-License-Identifier: Apache-2.0 */
/* resource.h - records of an application's collection, read and written one by one; each write is one transaction with its event.
 *
 * What a record looks like in answers: the members of its event's data, and the times that every record of these carries. */
#ifndef LS_EVENT_RESOURCE_H
#define LS_EVENT_RESOURCE_H

#include <jansson.h>

#include "engine/job.h"

/*    name, setting, one, several, resourceType of its events */
#define LS_RESOURCES(X)                                                      \
    X(ENROLLMENTS, "enrollments", "enrollment", "enrollments", "enrollment") \
    X(PROFILE, "profile", "profile", "profiles", "profile")                  \
    X(PROGRESS, "progress", "progress", "progress", "progress")              \
    X(STUDENTS, "students", "student", "students", "user")
#define X(name, setting, one, several, type) LS_RESOURCE_##name,
enum ls_resource_kind { LS_RESOURCES(X) LS_RESOURCE_COUNT };
#undef X
struct ls_resource_words {
    const char *setting, *one, *several, *type;
};
const struct ls_resource_words *ls_resource_words(enum ls_resource_kind kind);

/* As configured. */
struct ls_resource {
    enum ls_resource_kind kind;
    const char *store; /* NULL: there is none of this kind */
    struct ls_side_config side;
    size_t key_count; /* 0: the primary key */
    const char *const *key;
    const char
        *user; /* the field that names whose record it is; NULL: user_id, where there is one */
    size_t write_count;
    const char *const *writes; /* fields that users may set of their own records */
    bool no_event;             /* a write needs none: somebody else tells of it */
};

/* Fields that have values: which record is meant, which are looked for, what is written. */
struct ls_terms {
    size_t count;
    struct ls_term {
        size_t field; /* index into the schema's */
        struct ls_value value;
    } * terms; /* room for every field of the schema */
};

struct ls_records; /* the collection of a resource, opened */
/* In mem. LS_NO_KEY, LS_CONFIG: the configuration does not fit the collection. */
LS_MUST_CHECK enum ls_code ls_records_open(const struct ls_resource *resource, struct ls_arena *mem,
                                           struct ls_records **ret, struct ls_error *err);
void ls_records_close(struct ls_records *records);
/* Whether records say whose they are. */
bool ls_records_have_user(const struct ls_records *records);

/* ---- terms (resource_terms.c); all in the arena of the records. LS_USAGE says what is wrong with what was given. ---- */

LS_MUST_CHECK enum ls_code ls_terms_new(struct ls_records *records, struct ls_terms *ret,
                                        struct ls_error *err);
const struct ls_term *ls_terms_find(const struct ls_terms *terms, size_t field);
/* Adds those of `more` that are not there. */
void ls_terms_add(struct ls_terms *terms, const struct ls_terms *more);
/* The key, as a path has it: of several fields the values with commas between. */
LS_MUST_CHECK enum ls_code ls_terms_key(struct ls_records *records, const char *id,
                                        struct ls_terms *ret, struct ls_error *err);
/* The key out of these terms; count 0: it is not whole. */
LS_MUST_CHECK enum ls_code ls_terms_key_of(struct ls_records *records, const struct ls_terms *from,
                                           struct ls_terms *ret, struct ls_error *err);
/* Records of this user. LS_NOT_FOUND: no record can be theirs. */
LS_MUST_CHECK enum ls_code ls_terms_user(struct ls_records *records, const char *user,
                                         struct ls_terms *ret, struct ls_error *err);
/* Adds a field by its name, or by the name without its underscores in any case (courseId), with a value as text. userId is the field of users, whatever its name. */
LS_MUST_CHECK enum ls_code ls_terms_filter(struct ls_records *records, const char *name,
                                           const char *text, struct ls_terms *ret,
                                           struct ls_error *err);
/* The members of an object. */
LS_MUST_CHECK enum ls_code ls_terms_body(struct ls_records *records, json_t *object,
                                         struct ls_terms *ret, struct ls_error *err);
/* Whether fields that both have, have the same values in both. */
bool ls_terms_agree(const struct ls_records *records, const struct ls_terms *a,
                    const struct ls_terms *b);
/* NULL: each of these fields is one that users may set, or has the value that `own` has. Else the name of one that is not. */
const char *ls_terms_forbidden(const struct ls_records *records, const struct ls_terms *body,
                               const struct ls_terms *own);

/* ---- reading ---- */

struct ls_record {
    const char *id;       /* its key, as paths have it */
    const char *json;     /* an object */
    const char *event_id; /* resourceId of its events */
};
/* Whether the collection has these of its own, in the record's JSON; else whoever answers knows better. */
bool ls_records_have_synced(const struct ls_records *records);      /* last_synced_at */
bool ls_records_have_sync_status(const struct ls_records *records); /* sync_status */
/* Whether each of these has an event that waits in the outbox. */
LS_MUST_CHECK enum ls_code ls_records_wait(struct ls_records *records, size_t count,
                                           const struct ls_record *list, bool *ret,
                                           struct ls_error *err);

struct ls_records_query {
    const struct ls_terms *where;
    size_t limit;
    size_t skip;       /* before the first; 0 with after */
    const char *after; /* the cursor of the page before; NULL */
};
/* In key order. *ret_next: the cursor of the page behind; NULL: there is none. LS_USAGE: the cursor is none. */
LS_MUST_CHECK enum ls_code ls_records_list(struct ls_records *records,
                                           const struct ls_records_query *query, size_t *ret_count,
                                           struct ls_record **ret, const char **ret_next,
                                           struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_records_count(struct ls_records *records,
                                            const struct ls_terms *where, int64_t *ret,
                                            struct ls_error *err);
/* The one record. LS_NOT_FOUND, LS_CONFLICT: there are several. */
LS_MUST_CHECK enum ls_code ls_records_get(struct ls_records *records, const struct ls_terms *where,
                                          struct ls_record *ret, struct ls_error *err);

/* ---- writing (resource_write.c) ---- */

enum ls_records_verb {
    LS_RECORDS_CREATE, /* it must not be there: LS_CONSTRAINT */
    LS_RECORDS_CHANGE, /* it must be there: LS_NOT_FOUND */
    LS_RECORDS_SAVE,   /* either */
    LS_RECORDS_DELETE,
};
struct ls_records_write {
    enum ls_records_verb verb;
    const struct ls_terms *where;  /* which one; CREATE: not looked at */
    const struct ls_terms *values; /* fields to be set; others keep theirs */
};
struct ls_written {
    struct ls_record record;             /* as it is now; of a deletion, as it was */
    bool changed;                        /* not: it had these values, and there is no event */
    const char *event, *type, *resource; /* NULL: none */
};
/* The record and its event are written in one transaction: where no event would be written nothing is (LS_CONFIG: no outbox, LS_UNSUPPORTED: none for this). */
LS_MUST_CHECK enum ls_code ls_records_write(struct ls_records *records,
                                            const struct ls_records_write *write,
                                            struct ls_written *ret, struct ls_error *err);

#endif
