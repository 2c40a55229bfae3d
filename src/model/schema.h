/* SPDX-License-Identifier: Apache-2.0 */
/* schema.h - what a collection looks like: its fields and the keys that could name a record. */
#ifndef LS_MODEL_SCHEMA_H
#define LS_MODEL_SCHEMA_H

#include "model/value.h"

enum ls_field_flags {
    LS_FIELD_NOT_NULL = 1 << 0,
    LS_FIELD_GENERATED = 1 << 1, /* computed by the store: neither compared nor written */
    LS_FIELD_IDENTITY = 1 << 2,  /* numbers itself; ALWAYS is written with OVERRIDING */
    LS_FIELD_DEFAULT = 1 << 3,   /* has a default */
    LS_FIELD_FOLDS = 1 << 4,   /* a collation that folds case or accents, or is not deterministic */
    LS_FIELD_PADDED = 1 << 5,  /* char(n) */
    LS_FIELD_DYNAMIC = 1 << 6, /* SQLite: any record may hold another type */
};

struct ls_field {
    const char *name;   /* exactly as the store has it */
    enum ls_type type;  /* what values of it are, mostly (see LS_FIELD_DYNAMIC) */
    const char *native; /* the store's own name of the type: "numeric(10,2)"; never NULL */
    const char
        *engine;   /* whose types `native` speaks of: "postgres", "sqlite", ""; equal engines and
                           natives pass NATIVE values exactly */
    int precision; /* DECIMAL: digits; TEXT: most characters; DOUBLE: bits (24, 53); -1: none */
    int scale;     /* DECIMAL: digits behind the point; times: digits of a second; -1: none */
    unsigned flags;
};

struct ls_key {
    const char *name; /* of the constraint or index; "" when it has none */
    size_t field_count;
    const size_t *fields; /* indexes into ls_schema.fields */
    bool primary;
    bool not_null; /* every field is */
    bool deferred; /* checked when a transaction ends, or may be */
};

enum ls_schema_flags {
    LS_SCHEMA_VIEW = 1 << 0,        /* nothing to lock, no row versions */
    LS_SCHEMA_CASCADES = 1 << 1,    /* deletes or key updates reach other tables */
    LS_SCHEMA_TRIGGERS = 1 << 2,    /* user triggers fire on writes */
    LS_SCHEMA_SELF_REF = 1 << 3,    /* a foreign key to itself */
    LS_SCHEMA_READ_ONLY = 1 << 4,   /* this session may not write it */
    LS_SCHEMA_CONSTRAINTS = 1 << 5, /* the store enforces keys; a file does not */
    LS_SCHEMA_ROWID_KEY = 1 << 6,   /* SQLite: the primary key is the rowid */
};

struct ls_schema {
    const char *collection; /* canonical name, as messages and URLs show it: public.customers */
    size_t field_count;
    const struct ls_field *fields;
    size_t
        key_count; /* unique constraints, the primary one first; those with not_null can serve as key */
    const struct ls_key *keys;
    int64_t rows_estimate; /* -1: unknown */
    const char *
        fingerprint; /* changes when the collection is another one: "system id/database/table OID"; "" : none */
    unsigned flags;
    const void *native; /* the store's own notes, in the same arena; NULL for most */
};

/* The index of a field by exact name, or -1. */
int ls_schema_find(const struct ls_schema *schema, const char *name);
/* Like it; LS_NOT_FOUND names the collection, the field and the nearest name there is. */
LS_MUST_CHECK enum ls_code ls_schema_need(const struct ls_schema *schema, const char *name,
                                          size_t *ret, struct ls_error *err);
/* Whether the store itself refuses, at once, a second record with the same values of fields[key[0]], fields[key[1]]... */
bool ls_schema_keeps_unique(const struct ls_schema *schema, const size_t *fields, size_t key_count,
                            const size_t *key);
/* A deep copy in mem (without native); NULL when out of memory. */
struct ls_schema *ls_schema_copy(struct ls_arena *mem, const struct ls_schema *schema);
/* SHA-256 over fields (name, type, native, flags) and keys, as hex: what a plan remembers. */
void ls_schema_digest(const struct ls_schema *schema, char out[65]);

/* How the values of two fields are compared. */
struct ls_as ls_as_of(const struct ls_field *a, const struct ls_field *b);

#endif
