/* SPDX-License-Identifier: Apache-2.0 */
/* job.h - a sync made ready: both sides open and described, key and fields resolved, expressions compiled.
 *
 * Comes before every other call of the engine. Everything lives in the job's own
 * arena; the stores are its sessions. One thread at a time. */
#ifndef LS_ENGINE_JOB_H
#define LS_ENGINE_JOB_H

#include "base/zone.h"
#include "engine/hooks.h"
#include "sql/eval.h"
#include "store/store.h"

#define LS_WRITERS_MAX 8 /* that a sync may ask for: each holds batches in memory */

enum ls_deletes { LS_DELETES_REMOVE, LS_DELETES_KEEP, LS_DELETES_SOFT };

struct ls_side_config {
    const char *url;        /* of the store, with its password when it has one */
    const char *collection; /* NULL: the URL's fragment */
    const char *zone;       /* timezone: setting, or NULL */
    int lock_timeout_ms;    /* 0: the kind's default */
};

/* A sync as configured; all borrowed during ls_job_open(). Zeroed members are defaults. */
struct ls_sync_config {
    const char *name; /* of the sync; NULL: source + target identity */
    struct ls_side_config source, target;
    size_t key_count;
    const char *const *
        key; /* names of target fields; none: the key both sides share, the target's primary key first */
    size_t field_count; /* 0: all fields with the same name on both sides */
    const struct ls_field_config {
        const char *target, *expression;
    } * fields;
    const char *where, *target_where; /* expressions, or NULL */
    size_t only_count;
    const char *const *only; /* FIELD=VALUE over target fields: these records alone */
    enum ls_deletes deletes;
    size_t soft_count; /* deletes: soft: { field: expression, or the word now } */
    const struct ls_field_config *soft;
    double brake_deletes, brake_changes; /* shares 0..1; 0: 0.20 and 0.50; 1 or more: off */
    bool atomic;                         /* the run is one transaction */
    bool silent;                         /* what it writes is no event of an outbox in the target */
    bool cascades_accept; /* write although deletes reach other tables or triggers fire */
    bool create;          /* make a missing target collection */
    size_t batch_rows;    /* 0: 1000, and 5000 where all are inserts */
    size_t writers; /* at once, where only new records are written; 0: one a core, at most 4 */
};

/* Who writes, for the triggers of an outbox, where the run is silent. */
#define LS_ORIGIN_SYNC "sync"

/* A side of a job. fields: what is read of it, as schema indexes; key and key_as likewise, positions in fields. */
struct ls_side {
    struct ls_url url;
    struct ls_store *store; /* read-only session */
    struct ls_store_options options;
    const struct ls_schema *schema;
    const char *identity;
    const char *place; /* identity#collection, as people, plans and receipts name it */
    size_t field_count;
    const size_t *fields;
    size_t key_count;
    const size_t *key;
    struct ls_filter pushed; /* of where/target_where and --only, done by the store */
    int where_id;            /* in the job's evaluators: the rest of where, or -1 */
    struct ls_zone *zone;    /* or NULL */
};

/* A field that a soft delete sets. */
struct ls_soft {
    /* In the layout; behind the mapped fields when it is not mapped: then a live record has NULL there (now) or the opposite of
     * the constant. */
    size_t position;
    const char *expression; /* over mapped fields of the target; now: the time of the run */
};

struct ls_mapping; /* source record -> layout record; mapping.h */

struct ls_job {
    struct ls_arena mem;
    const char *name; /* the sync's name, or "SOURCE -> TARGET" by identities */
    struct ls_side source, target;
    struct ls_layout layout;     /* what both sides are compared in, by the target's fields */
    const size_t *target_fields; /* layout position -> target schema index */
    struct ls_mapping *mapping;
    enum ls_deletes deletes;
    double brake_deletes, brake_changes;
    bool atomic;
    bool filtered; /* where is set */
    bool partial;  /* --only: some records alone */
    bool owned;    /* target_where is set, or not filtered: records may be deleted */
    bool created;  /* the target was made by this open */
    /* Both sides enforce that no two records have the same key, NULLs apart: digests refuse those. Else reading checks it. */
    bool key_unique;
    bool key_enforced; /* and that it is never NULL */
    /* --only names whole keys: these, layout key values one after the other; else 0. */
    size_t only_key_count;
    const struct ls_value *only_keys;
    size_t batch_rows, insert_rows; /* in a batch; insert_rows: of a plan that only inserts */
    size_t writers;                 /* at most at once */
    size_t soft_count;
    const struct ls_soft *soft;
    /* Of everything that makes a plan or an earlier run comparable: key, fields, filters, zones, schemas; hex. */
    char digest[65];
    const char *fingerprint; /* of both collections */
    /* What opens it again (sync_config.h), set by the caller for plan headers; NULL: {}. */
    const char *config_json;
};

/* A problem or a remark about a sync that `check` lists. */
struct ls_finding {
    enum { LS_FINDING_OK, LS_FINDING_NOTE, LS_FINDING_WARN, LS_FINDING_ERROR } level;
    const char *what; /* "field price", "target public.users" */
    const char *text; /* a sentence, what to do included */
};

/* Opens and resolves. Errors: all of the stores', LS_NO_KEY with the columns that could serve, LS_NOT_FOUND for a field with the
 * nearest name, LS_CONFIG for expressions, generated key fields, a key of NULLs, cascades without `cascades: accept`.
 * writable: the target will be written (checked now, so that permissions fail before anything is read). */
LS_MUST_CHECK enum ls_code ls_job_open(const struct ls_sync_config *config, bool writable,
                                       struct ls_job **ret, struct ls_error *err);
void ls_job_close(struct ls_job *job);

/* A job over the target alone, for undo: the layout is every field of the target that can be written, by its key (names; none: primary).
 * source.store is NULL. place: the identity#collection that the target must have, or LS_USAGE; NULL: any. */
LS_MUST_CHECK enum ls_code ls_job_open_target(const char *name, const struct ls_side_config *target,
                                              const char *place, size_t key_count,
                                              const char *const *key, struct ls_job **ret,
                                              struct ls_error *err);

/* The value that a soft delete gives to a field of a target record (layout values): the expression over the target's
 * fields, or now_us for `now`, converted to the field. In mem. */
LS_MUST_CHECK enum ls_code ls_job_soft_value(const struct ls_job *job, const struct ls_soft *soft,
                                             const struct ls_value *record, int64_t now_us,
                                             struct ls_arena *mem, struct ls_value *ret,
                                             struct ls_error *err);

/* What `lockstep check` says of it: types that cannot make the round trip, keys, triggers, what we put into the databases. In mem. */
LS_MUST_CHECK enum ls_code ls_job_check(struct ls_job *job, struct ls_arena *mem, size_t *ret_count,
                                        const struct ls_finding **ret, struct ls_error *err);

#endif
