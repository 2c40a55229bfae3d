/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - what a store is to the rest of lockstep.
 *
 * A store kind is one const vtable (struct ls_store_ops) and one line in store.c.
 * The engine asks for capabilities, never for a kind, and calls the ls_store_*
 * functions below, which check arguments once. To add a kind: copy memory/, add its line, pass
 * tests/conformance. A handle is one session and belongs to one thread; open a store
 * again for another thread. */
#ifndef LS_STORE_STORE_H
#define LS_STORE_STORE_H

#include "base/thread.h"
#include "model/expr.h"
#include "model/record.h"
#include "model/url.h"

enum ls_caps {
    LS_CAP_ORDER = 1 << 0,  /* scans can come in key order (ls_value_order) */
    LS_CAP_DIGEST = 1 << 1, /* digests segments itself */
    LS_CAP_WRITE = 1 << 2,
    LS_CAP_CREATE = 1 << 3, /* makes a missing collection */
    LS_CAP_LOCK = 1 << 4,   /* a run lock inside the store, held by the session */
    LS_CAP_FETCH =
        1 << 5, /* fetching by key is cheap outside of a transaction too (not in a CSV file) */
    LS_CAP_BATCHES = 1 << 6, /* transactions are cheap: a run may be many of them; else it is one */
    LS_CAP_WRITERS =
        1 << 7, /* several sessions may have a transaction that writes at once, and it pays */
    LS_CAP_INBOX = 1 << 8, /* notes messages in the transaction of what they change */
};

struct ls_store; /* a session with a store */
struct ls_cursor;

/* What may be set as the lock timeout: not less than locks after the first are waited for (postgres/held.c), nor what looks like a hang. */
#define LS_LOCK_TIMEOUT_MIN_MS 10
#define LS_LOCK_TIMEOUT_MAX_MS (60 * 60 * 1000)

/* How to open. Zeroed is fine. */
struct ls_store_options {
    bool writable;       /* else the session cannot write: sources are opened so */
    bool create;         /* make a missing database file */
    int lock_timeout_ms; /* how long a statement waits for a lock of others; 0: the kind's default */
    int connect_timeout_s; /* likewise */
    /* For the outbox of a database; both outlive the session. Who writes: of that no events are made; NULL: they are. Or when what is written happened, as
     * YYYY-MM-DDTHH:MM:SS.mmmZ: its events say so; NULL: when it is written. */
    const char *origin, *happened;
};

/* Segments: how the records of a collection are cut into groups whose digests are compared. */
struct ls_partition {
    bool by_range; /* by bounds of the first key field; else by hash of the whole key */
    size_t count;  /* of segments, 1..65536; by hash a power of two */
    const struct ls_value *
        bounds; /* by range: count - 1 ascending values; segment i is [bounds[i-1], bounds[i]), ends open */
    uint64_t seed; /* by hash */
    const uint8_t
        *wanted; /* bitmap of count bits: records of other segments are left out; NULL: all */
};
struct ls_segment {
    uint64_t count, sum; /* records, and the wrapping sum of their hashes */
};

/* What whoever scans looks for: records that do not meet it may be left out, and need not be. */
struct ls_sought {
    struct ls_condition condition; /* = or IN, as ls_filter_match() has it */
    bool converts; /* a value of another type counts as what it converts to: it must come then */
};

struct ls_scan {
    const struct ls_schema *schema;
    size_t field_count;
    const size_t *fields; /* what each record has, in this order: indexes into schema->fields */
    size_t key_count;
    const size_t *key; /* positions in `fields` */
    const struct ls_as
        *as; /* field_count: how values are compared (order, digest); NULL: as their own types */
    bool ordered; /* by key, ascending; needs LS_CAP_ORDER and ls_store_orders() */
    const struct ls_filter *filter; /* NULL: all; its fields are schema indexes */
    size_t sought_count;            /* joined by AND */
    const struct ls_sought *sought; /* the caller looks himself at what comes: ls_store_seeks() */
    const struct ls_partition *partition; /* NULL: all; else only wanted segments */
    size_t batch_rows;                    /* at most; 0: 1000. A batch also ends at about 1 MiB */
};

/* The records of a write. Record values come in the order of `fields`. */
struct ls_write {
    const struct ls_schema *schema;
    size_t field_count;
    const size_t *fields; /* indexes into schema->fields; none generated */
    size_t key_count;
    const size_t *key; /* positions in fields */
    size_t count;
    const struct ls_write_op {
        enum ls_change_kind kind;
        const struct ls_value *key;    /* key_count values, as the target has them */
        const struct ls_value *record; /* field_count values; NULL for a delete */
    } * ops;
};

/* A change of a write that meets what another record of it is now: it can only be made with or after that one's change. */
struct ls_wait {
    size_t taker, giver; /* indexes into ls_write.ops */
};

/* A message from elsewhere, and the records that it is about. */
struct ls_note {
    const char *receiver, *id; /* together they tell a repetition */
    int64_t at_us;             /* when what it tells happened */
    size_t record_count;
    const char *const *records; /* a text that names each, in an order that is always the same */
};

/* A change of a record that comes from elsewhere. */
struct ls_news {
    const struct ls_schema *schema;
    size_t
        key_count; /* the primary key of the collection, in its order: indexes into schema->fields, */
    const size_t *key;
    const struct ls_value *values; /* and what they are */
    int64_t at_us;                 /* when it happened */
    const char *id;                /* of the message that tells of it */
};

/* What became of a transaction whose end nobody saw. */
enum ls_outcome { LS_OUTCOME_COMMITTED, LS_OUTCOME_ABORTED, LS_OUTCOME_UNKNOWN };

struct ls_store_ops {
    const char *scheme;  /* the URL's: "postgres" */
    const char *summary; /* a sentence for docs/stores.md */
    const char *example; /* "postgres://user@host/db#schema.table" */
    unsigned caps;       /* LS_CAP_*: what the engine may rely on */
    const char
        *leaves; /* what a run puts into the store besides records, as a sentence; NULL: nothing */

    enum ls_code (*open)(const struct ls_url *url, const struct ls_store_options *options,
                         struct ls_store **ret, struct ls_error *err);
    void (*close)(struct ls_store *store);
    /* Canonical identity without credentials; borrowed. */
    const char *(*identity)(struct ls_store *store);
    /* The names of its collections, as describe takes them. */
    enum ls_code (*list)(struct ls_store *store, struct ls_arena *mem, size_t *ret_count,
                         const char *const **ret, struct ls_error *err);
    enum ls_code (*describe)(struct ls_store *store, const char *collection, struct ls_arena *mem,
                             struct ls_schema **ret, struct ls_error *err);
    /* NULL: it has no rights of its own. */
    enum ls_code (*lacking)(struct ls_store *store, const struct ls_schema *schema,
                            size_t field_count, const size_t *fields, bool writes,
                            struct ls_arena *mem, const char **ret, struct ls_error *err);
    enum ls_code (*scan)(struct ls_store *store, const struct ls_scan *scan, struct ls_cursor **ret,
                         struct ls_error *err);
    enum ls_code (*next)(struct ls_cursor *cursor, struct ls_arena *mem, struct ls_rows *ret,
                         struct ls_error *err);
    void (*end)(struct ls_cursor *cursor);
    /* Records by key, in any order; those that exist. In a transaction for_update locks them. */
    enum ls_code (*fetch)(struct ls_store *store, const struct ls_scan *what, size_t key_count,
                          const struct ls_value *keys, bool for_update, struct ls_arena *mem,
                          struct ls_rows *ret, struct ls_error *err);
    /* Stops what the session is doing, from any thread; NULL when nothing blocks. */
    void (*cancel)(struct ls_store *store);

    /* LS_CAP_ORDER: whether this scan can come in key order as ls_value_order() has it. NULL: always. */
    bool (*orders)(struct ls_store *store, const struct ls_scan *scan);

    /* Whether a scan leaves out (nearly) all that does not meet this. NULL: never. */
    bool (*seeks)(struct ls_store *store, const struct ls_schema *schema,
                  const struct ls_sought *sought);

    /* Where the store stands, as text for people and receipts. NULL: it has no such thing. */
    enum ls_code (*position)(struct ls_store *store, struct ls_arena *mem, const char **ret,
                             struct ls_error *err);

    /* LS_CAP_WRITE */
    enum ls_code (*begin)(struct ls_store *store, struct ls_error *err);
    enum ls_code (*write)(struct ls_store *store, const struct ls_write *write,
                          struct ls_error *err);
    /* By rules that the schema's keys do not tell. NULL: there are none. */
    enum ls_code (*waits)(struct ls_store *store, const struct ls_write *write,
                          struct ls_arena *mem, size_t *ret_count, const struct ls_wait **ret,
                          struct ls_error *err);
    enum ls_code (*mark)(struct ls_store *store, const char *tag, struct ls_arena *mem,
                         const char **ret_marker, struct ls_error *err);
    enum ls_code (*commit)(struct ls_store *store, struct ls_error *err);
    void (*rollback)(struct ls_store *store);
    enum ls_code (*settle)(struct ls_store *store, const struct ls_schema *schema,
                           const char *marker, enum ls_outcome *ret, struct ls_error *err);
    void (*forget)(struct ls_store *store,
                   const char *tag); /* markers of a run that is settled; NULL: none are left */

    /* LS_CAP_DIGEST */
    const char *(*digest_family)(struct ls_store *store, const struct ls_scan *scan,
                                 struct ls_arena *mem, struct ls_error *err);
    enum ls_code (*digest)(struct ls_store *store, const struct ls_scan *scan,
                           const uint64_t seeds[2], struct ls_segment *ret, struct ls_error *err);
    enum ls_code (*bounds)(struct ls_store *store, const struct ls_scan *scan, size_t wanted,
                           struct ls_arena *mem, size_t *ret_count, struct ls_value **ret,
                           struct ls_error *err);

    /* LS_CAP_CREATE */
    enum ls_code (*create)(struct ls_store *store, const char *collection,
                           const struct ls_schema *like, size_t key_count, const size_t *key,
                           struct ls_error *err);
    /* LS_CAP_LOCK */
    enum ls_code (*lock)(struct ls_store *store, const char *name, struct ls_error *err);
    /* LS_CAP_INBOX */
    enum ls_code (*note)(struct ls_store *store, const struct ls_note *note, struct ls_arena *mem,
                         const char **ret_known, bool *ret_stale, struct ls_error *err);
    enum ls_code (*outcome)(struct ls_store *store, const struct ls_note *note, const char *outcome,
                            struct ls_error *err);
    enum ls_code (*newer)(struct ls_store *store, const struct ls_news *change,
                          struct ls_arena *mem, bool *ret, struct ls_error *err);
    enum ls_code (*took)(struct ls_store *store, const struct ls_news *change, struct ls_arena *mem,
                         struct ls_error *err);
    enum ls_code (*forget_notes)(struct ls_store *store, int64_t before_us, struct ls_error *err);
    /* LS_CAP_WRITERS: false once the other side has ended the session. Asks nobody. */
    bool (*alive)(struct ls_store *store);
};

/* Every kind there is, in the order help shows them; ends with NULL. */
extern const struct ls_store_ops *const ls_store_kinds[];

/* Base of every session; a kind puts it first in its own struct. */
struct ls_store {
    const struct ls_store_ops *ops;
    bool writable, in_transaction, scanning; /* kept by store.c */
};
struct ls_cursor {
    struct ls_store *store;
};

/* Opens by URL. LS_USAGE for an unknown scheme names those there are. */
LS_MUST_CHECK enum ls_code ls_store_open(const struct ls_url *url,
                                         const struct ls_store_options *options,
                                         struct ls_store **ret, struct ls_error *err);
void ls_store_close(struct ls_store *store);
bool ls_store_can(const struct ls_store *store, enum ls_caps cap);
/* Canonical identity without credentials: postgres://host:5432/db, sqlite:/real/path, file:/real/path. Borrowed. */
const char *ls_store_identity(struct ls_store *store);
LS_MUST_CHECK enum ls_code ls_store_list(struct ls_store *store, struct ls_arena *mem,
                                         size_t *ret_count, const char *const **ret,
                                         struct ls_error *err);
/* A collection by its exact name (`schema.table`, `table`; files have one, whose name may be NULL). LS_NOT_FOUND names the store
 * and the nearest collection. Everything is in mem. Generated fields are listed with their flag. */
LS_MUST_CHECK enum ls_code ls_store_describe(struct ls_store *store, const char *collection,
                                             struct ls_arena *mem, struct ls_schema **ret,
                                             struct ls_error *err);
/* Which rights this session's role lacks to read those fields (indexes into schema->fields), and to write them and delete when it shall: the
 * statements that grant them, "" when it lacks none. Reads no record. In mem. */
LS_MUST_CHECK enum ls_code ls_store_lacking(struct ls_store *store, const struct ls_schema *schema,
                                            size_t field_count, const size_t *fields, bool writes,
                                            struct ls_arena *mem, const char **ret,
                                            struct ls_error *err);
/* Reads records. One snapshot a scan where the store has snapshots. One cursor a session at a time, and no other
 * call on the session while it is open. The scan struct and what it points to must outlive the cursor. */
LS_MUST_CHECK enum ls_code ls_store_scan(struct ls_store *store, const struct ls_scan *scan,
                                         struct ls_cursor **ret, struct ls_error *err);
/* The next batch, in mem; ret->count 0 at the end. */
LS_MUST_CHECK enum ls_code ls_cursor_next(struct ls_cursor *cursor, struct ls_arena *mem,
                                          struct ls_rows *ret, struct ls_error *err);
void ls_cursor_end(struct ls_cursor *cursor); /* NULL is fine */
/* Records by key: key_count keys of what->key_count values each. what->filter and partition are not used. */
LS_MUST_CHECK enum ls_code ls_store_fetch(struct ls_store *store, const struct ls_scan *what,
                                          size_t key_count, const struct ls_value *keys,
                                          bool for_update, struct ls_arena *mem,
                                          struct ls_rows *ret, struct ls_error *err);
void ls_store_cancel(struct ls_store *store);
bool ls_store_orders(struct ls_store *store, const struct ls_scan *scan);
/* Whether the store looks for this by itself, so that few other records come. Where it says no a scan takes no notice of it. */
bool ls_store_seeks(struct ls_store *store, const struct ls_schema *schema,
                    const struct ls_sought *sought);
/* Where the store stands: everything committed up to there is seen by a scan that begins after this call. On PostgreSQL
 * "lsn=0/1A2B3C4, snapshot=730:735:731"; "" for a kind that keeps no such position. In mem. */
LS_MUST_CHECK enum ls_code ls_store_position(struct ls_store *store, struct ls_arena *mem,
                                             const char **ret, struct ls_error *err);

/* A batch is one transaction: begin, mark, fetch for update, write, fetch again, commit. write() is all or nothing and may be called
 * several times in one transaction; after LS_CONSTRAINT, LS_TYPE, LS_CONFLICT or LS_HELD it has changed nothing and the transaction
 * goes on (a savepoint inside), after any other error the caller rolls back and begins again. write() It deletes, then updates (all of `fields` but the key), then
 * inserts, set-wise; LS_CONFLICT when a record to update or delete is not there or one to insert is;
 * LS_HELD: another session has locked a record for longer than the store waits; a fetch for update says so too, and goes on likewise;
 * unique values that change places among the records of one write are written in two steps. LS_CONSTRAINT, LS_TYPE: a record is refused. */
LS_MUST_CHECK enum ls_code ls_store_begin(struct ls_store *store, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_store_write(struct ls_store *store, const struct ls_write *write,
                                          struct ls_error *err);
/* Which changes of a refused write wait for others of it, by rules that the schema's keys do not tell (EXCLUDE constraints, partial
 * unique indexes). Advice: some may be missing. Writes nothing; in a transaction, which goes on. In mem. */
LS_MUST_CHECK enum ls_code ls_store_waits(struct ls_store *store, const struct ls_write *write,
                                          struct ls_arena *mem, size_t *ret_count,
                                          const struct ls_wait **ret, struct ls_error *err);
/* The id by which ls_store_settle() knows later, after a kill and from another session, whether this transaction committed:
 * its xid on PostgreSQL, a row in a table of ours on SQLite, the name of a temporary file. tag: unique for each batch, letters, digits and -. */
LS_MUST_CHECK enum ls_code ls_store_mark(struct ls_store *store, const char *tag,
                                         struct ls_arena *mem, const char **ret_marker,
                                         struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_store_commit(struct ls_store *store, struct ls_error *err);
void ls_store_rollback(struct ls_store *store);
/* Waits for a transaction still in progress to end (at most the lock timeout, then LS_BUSY). schema: of the collection it wrote. */
LS_MUST_CHECK enum ls_code ls_store_settle(struct ls_store *store, const struct ls_schema *schema,
                                           const char *marker, enum ls_outcome *ret,
                                           struct ls_error *err);
/* Removes the marks whose tag starts with `tag`: every batch of that run is settled in the journal. Never fails. */
void ls_store_forget(struct ls_store *store, const char *tag);

/* What the hash of a record depends on, as text: two stores whose families are the same text hash the same
 * records alike. NULL (err tells why) when this scan cannot be digested here. */
const char *ls_store_digest_family(struct ls_store *store, const struct ls_scan *scan,
                                   struct ls_arena *mem, struct ls_error *err);
/* Digests of all wanted segments of scan->partition into ret[partition->count]; those not wanted get zeros. Fields hashed:
 * all of scan->fields. Hashes are seeded with both seeds (never 0 or 1). LS_DATA: a record in them has a NULL in its key
 * (ls_store_null_key()): the sums would not tell how many have. */
LS_MUST_CHECK enum ls_code ls_store_digest(struct ls_store *store, const struct ls_scan *scan,
                                           const uint64_t seeds[2], struct ls_segment *ret,
                                           struct ls_error *err);
/* Up to `wanted` ascending values of the first key field that cut the wanted segments of scan->partition (NULL: everything)
 * into parts of about the same count; *ret_count 0: cut by hash instead. */
LS_MUST_CHECK enum ls_code ls_store_bounds(struct ls_store *store, const struct ls_scan *scan,
                                           size_t wanted, struct ls_arena *mem, size_t *ret_count,
                                           struct ls_value **ret, struct ls_error *err);
/* Makes a collection with the nearest types and this key (indexes into like->fields) as its primary key. LS_CONFLICT when it exists. */
LS_MUST_CHECK enum ls_code ls_store_create(struct ls_store *store, const char *collection,
                                           const struct ls_schema *like, size_t key_count,
                                           const size_t *key, struct ls_error *err);
/* An exclusive lock by name that the session holds until it closes; LS_LOCKED at once when another holds it. */
LS_MUST_CHECK enum ls_code ls_store_lock(struct ls_store *store, const char *name,
                                         struct ls_error *err);
/* In a transaction, before records are fetched and written: notes a message. *ret_known: what became of it when it was noted before (in mem), and then
 * nothing has changed; NULL: it is new, and takes part in the transaction. ret_stale[i], of each record: a message about something later was noted
 * for it, and it is to be left alone. Sessions with the same message or record wait here for each other. */
LS_MUST_CHECK enum ls_code ls_store_note(struct ls_store *store, const struct ls_note *note,
                                         struct ls_arena *mem, const char **ret_known,
                                         bool *ret_stale, struct ls_error *err);
/* In the same transaction: what became of it. */
LS_MUST_CHECK enum ls_code ls_store_outcome(struct ls_store *store, const struct ls_note *note,
                                            const char *outcome, struct ls_error *err);
/* In a transaction, of a record that it has locked: whether the application itself has changed it since, as far as an outbox of the database notes that. */
LS_MUST_CHECK enum ls_code ls_store_newer(struct ls_store *store, const struct ls_news *change,
                                          struct ls_arena *mem, bool *ret, struct ls_error *err);
/* In the same transaction, when everything is written: the application's next change of that record is later than this one. */
LS_MUST_CHECK enum ls_code ls_store_took(struct ls_store *store, const struct ls_news *change,
                                         struct ls_arena *mem, struct ls_error *err);
/* Outside of a transaction: forgets messages that were noted before that time; records stay guarded. */
LS_MUST_CHECK enum ls_code ls_store_forget_notes(struct ls_store *store, int64_t before_us,
                                                 struct ls_error *err);
/* false: the session has ended, and its locks with it, as far as can be told without asking. For a session at rest. */
bool ls_store_alive(struct ls_store *store);

/* Helpers that several kinds share (scan_util.c). */
/* Which segment a key belongs to; the in-process definition for by_range and by hash of the canonical key. */
size_t ls_partition_of(const struct ls_partition *p, const struct ls_value *key,
                       const struct ls_as *as, size_t key_count, struct ls_buf *scratch);
static inline bool ls_partition_wants(const struct ls_partition *p, size_t segment)
{
    return !p->wanted || (p->wanted[segment / 8] >> (segment % 8) & 1);
}
/* How the values of scan->fields are compared: scan->as, or their own types; in mem. NULL when out of memory. */
const struct ls_as *ls_scan_as(const struct ls_scan *scan, struct ls_arena *mem);
/* Likewise of the key: key_count of them. */
const struct ls_as *ls_scan_key_as(const struct ls_scan *scan, struct ls_arena *mem);

/* Decides in process which records a scan takes: filter, then partition. */
struct ls_sieve {
    const struct ls_scan *scan;
    const struct ls_as *key_as;
    struct ls_value *key;
    struct ls_buf scratch;
};
/* Prepares it in mem (false: out of memory); done gives back what is not in mem. A zeroed one may be done. */
bool ls_sieve_init(struct ls_sieve *sieve, const struct ls_scan *scan, struct ls_arena *mem);
void ls_sieve_done(struct ls_sieve *sieve);
/* record: values by schema index (only the fields that the scan and its filter name are looked at).
 * ret_segment, when not NULL, gets the record's segment (0 without a partition). */
bool ls_sieve_takes(struct ls_sieve *sieve, const struct ls_value *record, size_t *ret_segment);

/* The hash of a record in process, from the canonical form of its fields. */
uint64_t ls_record_hash(const void *canon, size_t size, const uint64_t seeds[2]);
/* Digests by scanning unordered and hashing canonical forms in process: for kinds without a pushed-down digest. Its
 * family is "lockstep-xxh3/1" plus the `as` of every field. */
LS_MUST_CHECK enum ls_code ls_store_digest_by_scan(struct ls_store *store,
                                                   const struct ls_scan *scan,
                                                   const uint64_t seeds[2], struct ls_segment *ret,
                                                   struct ls_error *err);
const char *ls_store_scan_family(const struct ls_scan *scan, struct ls_arena *mem);
/* bounds() by reading the first key field of every record and keeping an even sample of at most 64 Ki. */
LS_MUST_CHECK enum ls_code ls_store_bounds_by_scan(struct ls_store *store,
                                                   const struct ls_scan *scan, size_t wanted,
                                                   struct ls_arena *mem, size_t *ret_count,
                                                   struct ls_value **ret, struct ls_error *err);
/* LS_DATA: a record of the collection has a NULL in this field of its key. */
LS_MUST_CHECK enum ls_code ls_store_null_key(const char *collection, const char *field,
                                             struct ls_error *err);
/* LS_NOT_FOUND that names the store and the nearest of these collections. */
LS_MUST_CHECK enum ls_code ls_store_no_collection(struct ls_store *store, const char *collection,
                                                  size_t count, const char *const *names,
                                                  struct ls_error *err);

#endif
