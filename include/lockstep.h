/* SPDX-License-Identifier: Apache-2.0 */
/* lockstep.h - keeps two places that hold the same data in step.
 *
 * Compare two stores, plan what would make the target match the source, apply, verify, and take it back. A
 * store is named by a URL:
 *
 *   postgres://user@host/db#schema.table     sqlite:shop.db#customers
 *   file:customers.csv    file:customers.jsonl
 *
 * Threads: a handle is used by one thread at a time, different handles by different ones; any thread, and a signal handler, may
 * lockstep_cancel() it. Callbacks run on the thread that called in, unless said otherwise, and may not call in again.
 *
 * Memory: strings and structs handed in are borrowed for the call. What a function gives through ret is the caller's and is freed with
 * the function named beside it; ret is set on success only, unless said otherwise. What a callback gets is gone when it returns.
 *
 * Errors: a call returns an enum lockstep_code. LOCKSTEP_OK and LOCKSTEP_DIFFERENT are both an answer; every other code says that there is
 * none, and fills error (which may be NULL). Structs that are handed in start as {0}: a member's zero is its default, and so
 * is NULL for a whole lockstep_run_options. All text is UTF-8. Times are microseconds since 1970 in UTC. */
#ifndef LOCKSTEP_H
#define LOCKSTEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LOCKSTEP_API __attribute__((visibility("default")))
#define LOCKSTEP_VERSION "0.1.0"

/* How a call ended: the exit statuses of the command line. */
enum lockstep_code {
    LOCKSTEP_OK = 0, /* done, or in sync */
    /* Differences, conflicts, failed records, a failed verify: the result is there. error is filled as well
     * when records that the target refused made an atomic run fail. */
    LOCKSTEP_DIFFERENT = 1,
    LOCKSTEP_USAGE = 2,      /* wrong usage or configuration */
    LOCKSTEP_FAILED = 3,     /* could not: connection, permission, state */
    LOCKSTEP_BRAKE = 4,      /* stopped by a brake: nothing was changed */
    LOCKSTEP_CANCELLED = 130 /* ended by lockstep_cancel() after a batch */
};

struct lockstep_error {
    int code;        /* enum lockstep_code */
    char name[24];   /* finer: "not_found", "permission", "corrupt", ... */
    char text[1000]; /* what failed, where, and what to do; never a password */
};

struct lockstep; /* a handle: a configuration and a state */

/* What the library tells while it works. All may be NULL; called on the thread that called in. */
struct lockstep_listener {
    void *ctx;
    /* phase: validation, detection, repair, verification; total 0: not known. A few times a second. */
    void (*progress)(void *ctx, const char *phase, uint64_t done, uint64_t total);
    /* Log lines for people. level 0 debug, 1 info, 2 warning, 3 error. */
    void (*log)(void *ctx, int level, const char *line);
};

struct lockstep_options {
    const char *config_path; /* YAML; NULL: none */
    /* Where runs are remembered. NULL: the configuration's, then LOCKSTEP_STATE, then the user's default. */
    const char *state_url;
    struct lockstep_listener listener;
    /* SQL statements as log lines of level 0, one at a time but from any thread. One handle of a process may ask for it. */
    bool trace_sql;
    const char *actor; /* for the audit log; NULL: cli:USER@HOST */
};

/* Reads the configuration; opens no store and no state yet. Free with lockstep_close(). LOCKSTEP_USAGE: the configuration is
 * not there or wrong. */
LOCKSTEP_API int lockstep_open(const struct lockstep_options *options, struct lockstep **ret,
                               struct lockstep_error *error);
/* Frees the handle and what was borrowed from it. No call may be running. NULL is fine. */
LOCKSTEP_API void lockstep_close(struct lockstep *ls);
/* Ends the running call after its batch, or the next one when none is running; that call returns LOCKSTEP_CANCELLED and the
 * one after it runs again. Any thread, signal handlers too. NULL is fine. */
LOCKSTEP_API void lockstep_cancel(struct lockstep *ls);
/* Frees a text that a function gave: JSON, a log. NULL is fine. */
LOCKSTEP_API void lockstep_free(char *text);

/* How many syncs the configuration has; their names, in its order, are (*ret_names)[i]. Borrowed until lockstep_close(). */
LOCKSTEP_API size_t lockstep_syncs(struct lockstep *ls, const char *const **ret_names);

/* Which sync a call is about: a configured name, or two URLs with what else a configuration would say. */
struct lockstep_select {
    const char *sync;            /* or NULL */
    const char *source, *target; /* store URLs with #collection */
    const char *const *key;      /* field names; 0: found */
    size_t key_count;
    const char *const *only; /* FIELD=VALUE: these records alone */
    size_t only_count;
};

/* How a call goes about it; members that a call does not know are ignored. */
struct lockstep_run_options {
    bool full;         /* compare and verify everything, trust nothing remembered */
    bool dry_run;      /* sync: plan only */
    bool create;       /* make a missing target */
    const char *force; /* NULL: brakes hold; "": go past all; "deletes,changes": past these */
    bool explain;      /* status: fill `explain` */
    uint64_t limit;    /* diff: most differences handed out; 0: all */
    bool every;        /* diff: hand out records in sync as well; reads all of both sides */
};

/* ---- looking ---------------------------------------------------------------------------------------------------------------- */

/* How two places compare: each key of either side is in one of the counts, and total is their sum. */
struct lockstep_status {
    char *sync, *source, *target; /* names for people: identities with collection */
    uint64_t total, in_sync;
    uint64_t source_only, target_only; /* one side has it */
    uint64_t inconsistent;             /* both have it, some fields differ */
    uint64_t moving;                   /* it changed while it was being looked at */
    uint64_t conflict;                 /* 0: comparing two sides finds none */
    uint64_t source_count, target_count;
    int64_t duration_ms;
    char *path;    /* "digest" or "merge" */
    char *explain; /* why; "" unless asked for */
    int64_t run;   /* lockstep_verify(): the run that has the receipt; else 0 */
};
/* Compares, changes nothing and remembers nothing. LOCKSTEP_OK in sync, LOCKSTEP_DIFFERENT not: both fill *ret, to be emptied with
 * lockstep_status_done(). Moving records do not count as different. */
LOCKSTEP_API int lockstep_status(struct lockstep *ls, const struct lockstep_select *select,
                                 const struct lockstep_run_options *options,
                                 struct lockstep_status *ret, struct lockstep_error *error);
LOCKSTEP_API void lockstep_status_done(struct lockstep_status *status);
/* One JSON object, documented in docs/json.md. Free with lockstep_free(). NULL: out of memory, as for every function that ends in
 * _json. */
LOCKSTEP_API char *lockstep_status_json(const struct lockstep_status *status);

/* A field of a record that differs; name: as the target calls it. */
struct lockstep_field {
    const char *name;
    const char *source, *target; /* text for people; NULL: null, or no record on that side */
    bool differs, is_key;
};
struct lockstep_difference {
    const char *status; /* source_only, target_only, inconsistent, moving, conflict; in_sync */
    const char *key;    /* "id=7", or "tenant=1, id=7" */
    const char *json;   /* the documented line */
    size_t field_count;
    const struct lockstep_field *fields;
};
/* Borrowed until it returns; false ends the diff, which then returns LOCKSTEP_CANCELLED and leaves *ret alone. */
typedef bool lockstep_difference_fn(void *ctx, const struct lockstep_difference *difference);
/* Like lockstep_status(), and hands every record that is not in sync to fn. options->limit bounds how many are handed out,
 * not what is counted. */
LOCKSTEP_API int lockstep_diff(struct lockstep *ls, const struct lockstep_select *select,
                               const struct lockstep_run_options *options,
                               lockstep_difference_fn *fn, void *ctx, struct lockstep_status *ret,
                               struct lockstep_error *error);

/* A remark of check: level 0 fine, 1 note, 2 warning, 3 error. */
struct lockstep_finding {
    int level;
    const char *sync, *what, *text;
};
typedef void lockstep_finding_fn(void *ctx, const struct lockstep_finding *finding);
/* Says what it finds about configuration, state, connections, keys, types, and what lockstep puts where; changes nothing. select
 * NULL: every configured sync, and where events go to and come from. Goes on after an error; code and error are those of the worst. */
LOCKSTEP_API int lockstep_check(struct lockstep *ls, const struct lockstep_select *select,
                                lockstep_finding_fn *fn, void *ctx, struct lockstep_error *error);

/* Writes a commented configuration for the tables that two stores have in common (URLs with a #collection: for that pair). Refuses to replace a file
 * unless `replace`. *ret_syncs: how many it found. Needs no handle. */
LOCKSTEP_API int lockstep_init(const char *source_url, const char *target_url, const char *path,
                               bool replace, size_t *ret_syncs, struct lockstep_error *error);

/* The same from the variables of a known system: preset "users", "events" or "replica" (docs/surfaces.md). The URLs may be NULL: then those of the
 * environment. *ret_syncs may be 0. */
LOCKSTEP_API int lockstep_init_preset(const char *preset, const char *source_url,
                                      const char *target_url, const char *path, bool replace,
                                      size_t *ret_syncs, struct lockstep_error *error);

/* Checks all that surfaces: of the configuration needs: variables, the Supabase project and its key, databases, tables and rights. Then, unless check_only, makes the
 * schedule by which a replica is copied and runs it once. fn gets what was found and done, one after the other; error is the first thing that is wrong, and nothing is made then. */
LOCKSTEP_API int lockstep_setup(struct lockstep *ls, bool check_only, lockstep_finding_fn *fn,
                                void *ctx, struct lockstep_error *error);

/* ---- changing --------------------------------------------------------------------------------------------------------------- */

/* What a plan would do. kept: records of the target alone that are not to be deleted. */
struct lockstep_plan_info {
    uint64_t inserts, updates, deletes, unchanged, moving, kept;
};
/* Compares and writes the changes that would make the target match into the file path (docs/plan-format.md). The target is not
 * touched. LOCKSTEP_DIFFERENT when there are changes; *ret is filled then too. */
LOCKSTEP_API int lockstep_plan(struct lockstep *ls, const struct lockstep_select *select,
                               const struct lockstep_run_options *options, const char *path,
                               struct lockstep_plan_info *ret, struct lockstep_error *error);

/* A record that failed or was a conflict. */
struct lockstep_run_error {
    char *key, *error; /* key: JSON object */
};
/* What a run did. No text is NULL; kind, mode and status are the words of docs/json.md. */
struct lockstep_run {
    int64_t number; /* 0: a dry run */
    char id[37];    /* UUID */
    char *sync, *kind, *mode, *source, *target, *status;
    uint64_t created, updated, deleted, unchanged;
    uint64_t failed;    /* refused by the target */
    uint64_t conflicts; /* changed since the comparison, and left alone */
    bool verified;      /* what it wrote was read back and is the same on both sides */
    int64_t duration_ms;
    int64_t started_us, finished_us; /* Unix time; finished 0: not yet */
    int64_t undoes;                  /* the run that this one took back; 0: none */
    int64_t undone_by;               /* the last run that took back some of this one; 0: none */
    bool undone_in_part;             /* some of it is left, and can be undone again */
    char *reason;                    /* why it failed or stopped; "" */
    size_t error_count;              /* in errors: at most 100 */
    struct lockstep_run_error *errors;
    uint64_t errors_total;
};
/* Compare, plan, apply, verify, receipt. LOCKSTEP_OK or LOCKSTEP_DIFFERENT (records failed, conflicts, not verified). *ret is also set when a run was
 * begun and then failed, was stopped or cancelled; else NULL. Free with lockstep_run_free(). */
LOCKSTEP_API int lockstep_sync(struct lockstep *ls, const struct lockstep_select *select,
                               const struct lockstep_run_options *options,
                               struct lockstep_run **ret, struct lockstep_error *error);
/* Carries out a plan file; brakes, verification, receipt and *ret are as for lockstep_sync(). A plan that was changed, or does not
 * fit its stores any more, is refused. select: NULL, or the two URLs again (passwords) or the sync's name. */
LOCKSTEP_API int lockstep_apply(struct lockstep *ls, const char *plan_path,
                                const struct lockstep_select *select,
                                const struct lockstep_run_options *options,
                                struct lockstep_run **ret, struct lockstep_error *error);
/* run: number or UUID. Takes back what no undo of that run has taken back yet; what changed since is a conflict and left alone. */
LOCKSTEP_API int lockstep_undo(struct lockstep *ls, const char *run,
                               const struct lockstep_select *select,
                               const struct lockstep_run_options *options,
                               struct lockstep_run **ret, struct lockstep_error *error);
/* NULL is fine. */
LOCKSTEP_API void lockstep_run_free(struct lockstep_run *run);
/* One JSON object. Free with lockstep_free(). */
LOCKSTEP_API char *lockstep_run_json(const struct lockstep_run *run);

/* Compares without changing and writes a receipt of it (status with proof): every record read on both sides when full. Returns
 * and fills *ret like lockstep_status(). */
LOCKSTEP_API int lockstep_verify(struct lockstep *ls, const struct lockstep_select *select,
                                 const struct lockstep_run_options *options,
                                 struct lockstep_status *ret, struct lockstep_error *error);

/* ---- remembering ------------------------------------------------------------------------------------------------------------ */

/* Newest first; select NULL: of all syncs; limit 0: 50. Two URLs are opened to know their names. Free with lockstep_runs_free(). A
 * name that neither the configuration nor any run has is LOCKSTEP_USAGE. */
LOCKSTEP_API int lockstep_history(struct lockstep *ls, const struct lockstep_select *select,
                                  size_t limit, size_t *ret_count, struct lockstep_run ***ret,
                                  struct lockstep_error *error);
LOCKSTEP_API void lockstep_runs_free(struct lockstep_run **runs, size_t count);
/* The documented history entry. */
LOCKSTEP_API char *lockstep_history_json(const struct lockstep_run *run);
/* One run, by number or UUID; free with lockstep_run_free(). *ret_log gets its log, one entry a line; free with lockstep_free().
 * ret_log may be NULL. */
LOCKSTEP_API int lockstep_show(struct lockstep *ls, const char *run, struct lockstep_run **ret,
                               char **ret_log, struct lockstep_error *error);
/* The receipt as JSON, chain checked. Free with lockstep_free(). */
LOCKSTEP_API int lockstep_receipt(struct lockstep *ls, const char *run, char **ret_json,
                                  struct lockstep_error *error);
/* Removes journals of finished runs older than keep_days, then the oldest until at most keep_bytes are left; 0: as configured, or 30 days
 * and 10 GiB. */
LOCKSTEP_API int lockstep_prune(struct lockstep *ls, int keep_days, int64_t keep_bytes,
                                uint64_t *ret_runs, int64_t *ret_bytes,
                                struct lockstep_error *error);
/* What was done, by whom, to what. json: the documented line. */
struct lockstep_audit_entry {
    int64_t seq, at_us;
    const char *actor, *action, *subject, *detail_json, *json;
};
typedef void lockstep_audit_fn(void *ctx, const struct lockstep_audit_entry *entry);
/* Newest first; limit 0: 50. None when there is no state yet. */
LOCKSTEP_API int lockstep_audit_list(struct lockstep *ls, size_t limit, lockstep_audit_fn *fn,
                                     void *ctx, struct lockstep_error *error);
/* Checks the chain of hashes over the audit log; *ret_count: how many entries were checked. */
LOCKSTEP_API int lockstep_audit_verify(struct lockstep *ls, uint64_t *ret_count,
                                       struct lockstep_error *error);

/* ---- events ------------------------------------------------------------------------------------------------------------------ */

/* Events are kept in the state and delivered by `lockstep serve` to the endpoints that want them. */

/* An accepted event. known: its id was accepted before, and nothing was added. endpoints: how many it goes to; of a known one 0. */
struct lockstep_accepted {
    const char *id;
    int64_t seq;
    bool known;
    size_t endpoints;
};
typedef void lockstep_accepted_fn(void *ctx, const struct lockstep_accepted *accepted);
/* Accepts a JSON object, an array of them, or with `lines` JSON Lines: {"type","resourceId","data",...} (docs/events.md). All or none. When it
 * returns they are on disk; then fn (may be NULL) is called for each in turn. */
LOCKSTEP_API int lockstep_emit(struct lockstep *ls, const char *json, size_t size, bool lines,
                               lockstep_accepted_fn *fn, void *ctx, struct lockstep_error *error);
/* The same, and waits until the other side has them: every endpoint that gets them has answered 2xx. What earlier events of the same resources wait for after a failed try is over
 * at once. Where no `lockstep serve` is at work on the state, this call delivers by itself. wait_ms: how long at most; 0: 30 s. fn is called before it waits. LOCKSTEP_FAILED with
 * name "undelivered" says which endpoint will not get one, and why; "timeout": not yet, and why. The events are kept either way, and what can be delivered later is. */
LOCKSTEP_API int lockstep_emit_now(struct lockstep *ls, const char *json, size_t size, bool lines,
                                   int64_t wait_ms, lockstep_accepted_fn *fn, void *ctx,
                                   struct lockstep_error *error);

/* Which events, or which deliveries of them: every member that is set has to fit. */
struct lockstep_event_filter {
    const char *id, *type, *resource; /* type: a * at its end stands for anything */
    const char *
        state; /* of a delivery: pending, processing, waiting, failed, delivered, dead, discarded */
    const char *endpoint; /* its name */
    /* Accepted at or after, and before: a time such as 2026-01-31T12:00:00Z, or one ago such as 90s, 15m, 2h, 7d. */
    const char *since, *until;
    int64_t before_seq; /* events before this one: to page on */
    size_t limit;       /* 0: 50, and all for what changes */
};
/* An event with what became of it. status: dead when a delivery is, else processing, failed (it will be tried again), pending, delivered. */
struct lockstep_event {
    int64_t seq, at_us, accepted_us;
    const char *id, *type, *resource_type, *resource, *status;
    size_t deliveries, delivered;
    const char *json; /* the documented line */
};
typedef void lockstep_event_fn(void *ctx, const struct lockstep_event *event);
/* Newest first. None when there is no state yet. filter may be NULL. */
LOCKSTEP_API int lockstep_events(struct lockstep *ls, const struct lockstep_event_filter *filter,
                                 lockstep_event_fn *fn, void *ctx, struct lockstep_error *error);
/* One event as JSON, with its data, its deliveries and all tries. Free with lockstep_free(). */
LOCKSTEP_API int lockstep_event_show(struct lockstep *ls, const char *id, char **ret_json,
                                     struct lockstep_error *error);
/* Sends what has ended again: dead deliveries unless the filter names another state. rate: so many a second; 0: at once. */
LOCKSTEP_API int lockstep_events_replay(struct lockstep *ls,
                                        const struct lockstep_event_filter *filter, double rate,
                                        uint64_t *ret_count, struct lockstep_error *error);
/* Gives up deliveries: dead ones unless the filter names another state. */
LOCKSTEP_API int lockstep_events_discard(struct lockstep *ls,
                                         const struct lockstep_event_filter *filter,
                                         uint64_t *ret_count, struct lockstep_error *error);
/* Deliveries by where they are. failed: they will be tried again. oldest_us: when the oldest one on its way was accepted; 0: none. */
struct lockstep_queue_stats {
    uint64_t pending, processing, waiting, failed, dead;
    int64_t oldest_us;
};
LOCKSTEP_API int lockstep_queue_stats(struct lockstep *ls, struct lockstep_queue_stats *ret,
                                      struct lockstep_error *error);
/* Delivers what is due now, and counts what is left. Where `lockstep serve` is at work on the state it delivers by itself, and this only counts. wait_ms: begins nothing new after
 * so long; 0: 30 s. */
LOCKSTEP_API int lockstep_process_queue(struct lockstep *ls, int64_t wait_ms,
                                        struct lockstep_queue_stats *ret,
                                        struct lockstep_error *error);

/* Where deliveries go. json: the documented line, without secrets. */
struct lockstep_endpoint {
    const char *name, *url, *origin, *policy;
    const char *types; /* separated by blanks; "*": all */
    bool paused;
    const char *disabled; /* why it gets nothing any more; "" */
    uint64_t pending, dead;
    const char *version; /* another one with each change of it */
    const char *secret;  /* when lockstep has made it up just now, and never again; else NULL */
    const char *json;
};
typedef void lockstep_endpoint_fn(void *ctx, const struct lockstep_endpoint *endpoint);
/* Those of the configuration, of SYNC_WEBHOOK_URLS and those made otherwise, by name. */
LOCKSTEP_API int lockstep_endpoints(struct lockstep *ls, lockstep_endpoint_fn *fn, void *ctx,
                                    struct lockstep_error *error);
/* One of them. LOCKSTEP_USAGE, with the nearest name, when there is none. */
LOCKSTEP_API int lockstep_endpoint(struct lockstep *ls, const char *name, lockstep_endpoint_fn *fn,
                                   void *ctx, struct lockstep_error *error);
/* Makes an endpoint of a JSON object: {"name","url"} and what docs/events.md names. Without "secret" lockstep makes one up. A URL that leads where
 * requests may not go is refused, also when its host only resolves to such an address. It gets what is accepted from now on. fn, which may be
 * NULL, gets it, here and below. */
LOCKSTEP_API int lockstep_endpoint_create(struct lockstep *ls, const char *json, size_t size,
                                          lockstep_endpoint_fn *fn, void *ctx,
                                          struct lockstep_error *error);
/* Changes the members that the JSON object has; null is a member's default. version: the one that the caller has seen, or NULL; another one by now
 * is "changed". Endpoints of the configuration are changed there: "config", here and below. */
LOCKSTEP_API int lockstep_endpoint_change(struct lockstep *ls, const char *name, const char *json,
                                          size_t size, const char *version,
                                          lockstep_endpoint_fn *fn, void *ctx,
                                          struct lockstep_error *error);
/* Removes it; what is on its way to it is discarded. */
LOCKSTEP_API int lockstep_endpoint_remove(struct lockstep *ls, const char *name,
                                          const char *version, struct lockstep_error *error);
/* Gives it another secret, by which deliveries are signed from now on; NULL: lockstep makes one up. The one before signs beside it for keep_s
 * seconds. */
LOCKSTEP_API int lockstep_endpoint_rotate(struct lockstep *ls, const char *name, const char *secret,
                                          int64_t keep_s, lockstep_endpoint_fn *fn, void *ctx,
                                          struct lockstep_error *error);
/* Accepts an event of type lockstep.test for this endpoint alone; ret_id: its id, by which lockstep_event_show() tells what became of it. */
LOCKSTEP_API int lockstep_endpoint_test(struct lockstep *ls, const char *name, char ret_id[37],
                                        struct lockstep_error *error);
/* A try of a delivery. position: to page on. json: the documented line. */
struct lockstep_attempt {
    int64_t position, at_us, duration_us;
    const char *event, *type;
    int number, status; /* status 0: no answer */
    const char *address, *error;
    const char *json;
};
typedef void lockstep_attempt_fn(void *ctx, const struct lockstep_attempt *attempt);
/* Those of an endpoint, newest event first; before: a position, 0 for the newest; limit 0: 50. */
LOCKSTEP_API int lockstep_endpoint_attempts(struct lockstep *ls, const char *name, int64_t before,
                                            size_t limit, lockstep_attempt_fn *fn, void *ctx,
                                            struct lockstep_error *error);
/* Stops or goes on with deliveries to it; what is accepted meanwhile waits. An endpoint that was disabled goes on too. */
LOCKSTEP_API int lockstep_endpoint_pause(struct lockstep *ls, const char *name, bool paused,
                                         struct lockstep_error *error);

/* An outbox: a table in a store into which triggers write an event for each record that changes, in the transaction that changes it. `lockstep serve` empties
 * it into the queue where events.outbox names the store. */
struct lockstep_outbox {
    const char *store;
    int64_t waiting, refused; /* refused: what was no event */
    const char *oldest;       /* when the first that waits was written; NULL: none waits */
    size_t table_count;
    const char *const *tables;
    bool drained; /* events.outbox names the store */
    const char *json;
    size_t
        outdated; /* tables with triggers of an earlier version: installed again they are as they should be */
};
typedef void lockstep_outbox_fn(void *ctx, const struct lockstep_outbox *outbox);
/* where: STORE.TABLE, or a store's URL with #table; resource: of the events ("enrollment"), NULL: by the table's name. fn gets how the outbox is then; it may be
 * NULL. */
LOCKSTEP_API int lockstep_outbox_install(struct lockstep *ls, const char *where,
                                         const char *resource, lockstep_outbox_fn *fn, void *ctx,
                                         struct lockstep_error *error);
/* The table's triggers go; the outbox goes with the last of them when it is empty. */
LOCKSTEP_API int lockstep_outbox_remove(struct lockstep *ls, const char *where,
                                        lockstep_outbox_fn *fn, void *ctx,
                                        struct lockstep_error *error);
/* store: a name or a URL; NULL: all of events.outbox. */
LOCKSTEP_API int lockstep_outbox_status(struct lockstep *ls, const char *store,
                                        lockstep_outbox_fn *fn, void *ctx,
                                        struct lockstep_error *error);

/* Where others send their messages, and what came. json: the documented line. */
struct lockstep_receiver {
    const char *name, *scheme;
    const char *to; /* "public.users, public.profiles", "sync users" */
    uint64_t applied, stale, ignored, refused, waiting; /* messages that are remembered */
    int64_t last_us;                                    /* when the last one came; 0: never */
    const char *json;
};
typedef void lockstep_receiver_fn(void *ctx, const struct lockstep_receiver *receiver);
/* Those of the configuration, in its order. */
LOCKSTEP_API int lockstep_receivers(struct lockstep *ls, lockstep_receiver_fn *fn, void *ctx,
                                    struct lockstep_error *error);

/* A signed message as it came. secrets: any of them may have signed. */
struct lockstep_message {
    const char
        *scheme; /* documented, standard, github, stripe, shopify, supabase, header, qstash */
    const char
        *header; /* that carries the signature, instead of the scheme's own; "header" needs it */
    const char *const *secrets;
    size_t secret_count;
    const char *const *headers; /* "Name: value" */
    size_t header_count;
    const void *body;
    size_t size;
};
/* Whether one of the secrets signed it: LOCKSTEP_OK, or LOCKSTEP_DIFFERENT when not; both set *ret_words, which says why, for whoever has message and
 * secrets: never for the sender. Needs no handle. Free with lockstep_free(). */
LOCKSTEP_API int lockstep_signature(const struct lockstep_message *message, char **ret_words,
                                    struct lockstep_error *error);

/* ---- schedules -------------------------------------------------------------------------------------------------------------- */

/* Schedules are kept in the state and fired by `lockstep serve`: those of the configuration, and those made here or over HTTP. */

/* A schedule with its last firing. Texts are borrowed until the callback returns; none is NULL. */
struct lockstep_schedule {
    const char *id, *cron, *zone;
    const char *words;  /* what cron and zone mean */
    const char *action; /* sync, queue, post */
    const char *target; /* the sync, or the URL; "" */
    const char *origin; /* config, command, api */
    bool paused;
    int64_t next_us;        /* the next nominal time; 0: none, or paused */
    int64_t last_us;        /* of the newest entry of its history; 0: none */
    const char *last_state; /* waiting, running, succeeded, failed, lost, skipped, missed; "" */
    const char *last_reason;
    const char *json; /* the documented line */
};
typedef void lockstep_schedule_fn(void *ctx, const struct lockstep_schedule *schedule);
/* By name. None when there is no state yet. */
LOCKSTEP_API int lockstep_schedules(struct lockstep *ls, lockstep_schedule_fn *fn, void *ctx,
                                    struct lockstep_error *error);
/* Makes one from JSON: {"id","cron","sync" or "queue" or "post",...} (docs/schedules.md). replace: over one that is there. fn, which may be NULL, gets
 * what was made. */
LOCKSTEP_API int lockstep_schedule_create(struct lockstep *ls, const char *json, size_t size,
                                          bool replace, lockstep_schedule_fn *fn, void *ctx,
                                          struct lockstep_error *error);
/* With its history. One that the configuration makes is LOCKSTEP_FAILED: it would come back. */
LOCKSTEP_API int lockstep_schedule_delete(struct lockstep *ls, const char *id,
                                          struct lockstep_error *error);
/* Times that pass while it is paused are skipped. */
LOCKSTEP_API int lockstep_schedule_pause(struct lockstep *ls, const char *id, bool paused,
                                         struct lockstep_error *error);
/* Asks for it now, also of a paused one. ret_firing: a UUID, as in the history. *ret_served: whether a daemon is there to do it at once; else the next one does. */
LOCKSTEP_API int lockstep_schedule_trigger(struct lockstep *ls, const char *id, char ret_firing[37],
                                           bool *ret_served, struct lockstep_error *error);
/* The next nominal times of a schedule, by its id, or of a cron expression (with zone and hours, which may be NULL); limit 0: 5. *ret_words (may be NULL): what
 * it means; free with lockstep_free(). */
typedef void lockstep_time_fn(void *ctx, int64_t unix_us);
LOCKSTEP_API int lockstep_schedule_next(struct lockstep *ls, const char *which, const char *zone,
                                        const char *hours, size_t limit, char **ret_words,
                                        lockstep_time_fn *fn, void *ctx,
                                        struct lockstep_error *error);

/* What became of a nominal time, or of several that passed. */
struct lockstep_firing {
    const char *id, *schedule;
    const char *kind;  /* due, manual, passed */
    const char *state; /* as in lockstep_schedule */
    int64_t nominal_us;
    int64_t until_us, times; /* of passed ones: the last of them, and how many */
    int64_t attempts;
    int64_t run; /* its number; 0: none */
    bool late;   /* caught up */
    const char *reason;
    const char *json;
};
typedef void lockstep_firing_fn(void *ctx, const struct lockstep_firing *firing);
/* Newest first; id NULL: of all schedules; limit 0: 50. */
LOCKSTEP_API int lockstep_schedule_history(struct lockstep *ls, const char *id, size_t limit,
                                           lockstep_firing_fn *fn, void *ctx,
                                           struct lockstep_error *error);

/* ---- callers ---------------------------------------------------------------------------------------------------------------- */

/* A token by which a program calls the daemon. Texts are borrowed until the callback returns; none is NULL but secret. Times: 0 is none. */
struct lockstep_token {
    const char *id, *name, *role;
    const char *owner;   /* the user with whom it ends; "" */
    const char *made_by; /* as in the audit log */
    int64_t created_us, expires_us, revoked_us;
    int64_t used_us;    /* last, to some minutes */
    const char *status; /* valid, expired, revoked */
    const char *secret; /* the token itself, when it is made; never again */
    const char *json;   /* the documented line */
};
typedef void lockstep_token_fn(void *ctx, const struct lockstep_token *token);
/* Makes a token with a role (user, viewer, operator, admin, service); expires_us 0: never. fn gets it with its secret, of which lockstep keeps
 * a hash only. */
LOCKSTEP_API int lockstep_token_create(struct lockstep *ls, const char *name, const char *role,
                                       int64_t expires_us, lockstep_token_fn *fn, void *ctx,
                                       struct lockstep_error *error);
/* All of them, valid ones first. None when there is no state yet. */
LOCKSTEP_API int lockstep_tokens(struct lockstep *ls, lockstep_token_fn *fn, void *ctx,
                                 struct lockstep_error *error);
/* Ends a token, by name or id. fn, which may be NULL, gets what it was. */
LOCKSTEP_API int lockstep_token_revoke(struct lockstep *ls, const char *which,
                                       lockstep_token_fn *fn, void *ctx,
                                       struct lockstep_error *error);

/* A person who logs in with a password. Borrowed likewise. */
struct lockstep_user {
    const char *name, *role;
    int64_t created_us, changed_us, login_us, disabled_us;
    const char *json;
};
typedef void lockstep_user_fn(void *ctx, const struct lockstep_user *user);
/* Makes a user: user, viewer, operator or admin. The password has at least 12 characters; an argon2id hash is kept of it. */
LOCKSTEP_API int lockstep_user_add(struct lockstep *ls, const char *name, const char *role,
                                   const char *password, struct lockstep_error *error);
/* By name. None when there is no state yet. */
LOCKSTEP_API int lockstep_users(struct lockstep *ls, lockstep_user_fn *fn, void *ctx,
                                struct lockstep_error *error);
/* These end all sessions of the user; another role and a removal also end the user's tokens, which rest while the user is disabled. */
LOCKSTEP_API int lockstep_user_password(struct lockstep *ls, const char *name, const char *password,
                                        struct lockstep_error *error);
/* These three fail with the name "conflict", and nothing is changed, when it is the last admin and neither an admin token nor LOCKSTEP_TOKEN is there. */
LOCKSTEP_API int lockstep_user_role(struct lockstep *ls, const char *name, const char *role,
                                    struct lockstep_error *error);
LOCKSTEP_API int lockstep_user_disable(struct lockstep *ls, const char *name, bool disabled,
                                       struct lockstep_error *error);
LOCKSTEP_API int lockstep_user_remove(struct lockstep *ls, const char *name,
                                      struct lockstep_error *error);

/* ---- serving ---------------------------------------------------------------------------------------------------------------- */

struct lockstep_serve_options {
    const char *config_path; /* YAML; NULL: none, and no sync can be run */
    const char *state_url;   /* NULL: as for lockstep_open() */
    const char *listen; /* HOST:PORT; port 0: a free one. NULL: the configuration's, or loopback */
    const char
        *log; /* "text" or "json", lines on standard error; NULL: the configuration's, or text */
    bool verbose; /* log lines of level 0 too */
    /* Called once when requests are served; url: where ("http://127.0.0.1:7380"). */
    void (*ready)(void *ctx, const char *url);
    void *ctx;
    /* Called once, after ready, when nobody can log in or call yet (no users, no tokens, no LOCKSTEP_TOKEN): the link by which the first admin is made, once, within a
     * day. It is a secret, for a person's eyes. NULL: no link is made. */
    void (*first)(void *ctx, const char *link);
};
/* Serves the HTTP API until SIGTERM or SIGINT comes; SIGHUP reads the configuration again. Takes these signals and SIGPIPE for itself
 * and, as root, becomes the configured user for good. One at a time in a process. LOCKSTEP_OK after an orderly end. */
LOCKSTEP_API int lockstep_serve(const struct lockstep_serve_options *options,
                                struct lockstep_error *error);

/* The HTTP API as an OpenAPI 3.1 document in JSON, as /api/v1/openapi.json gives it. Free with lockstep_free(); NULL when out of memory. */
LOCKSTEP_API char *lockstep_openapi(void);

#ifdef __cplusplus
}
#endif
#endif
