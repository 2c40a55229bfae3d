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
    const char *status; /* source_only, target_only, inconsistent, moving, conflict */
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
 * NULL: every configured sync. Goes on after an error; code and error are those of the worst. */
LOCKSTEP_API int lockstep_check(struct lockstep *ls, const struct lockstep_select *select,
                                lockstep_finding_fn *fn, void *ctx, struct lockstep_error *error);

/* Writes a commented configuration for the tables that two stores have in common (URLs with a #collection: for that pair). Refuses to replace a file
 * unless `replace`. *ret_syncs: how many it found. Needs no handle. */
LOCKSTEP_API int lockstep_init(const char *source_url, const char *target_url, const char *path,
                               bool replace, size_t *ret_syncs, struct lockstep_error *error);

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

#ifdef __cplusplus
}
#endif
#endif
