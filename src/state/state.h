/* SPDX-License-Identifier: Apache-2.0 */
/* state.h - what lockstep remembers: runs, journals, receipts, errors, the audit log.
 *
 * Embedded SQLite by default (guarded, see sql/sql.h), or PostgreSQL (schema `lockstep`). Migrations
 * are numbered SQL files with one text for both; an older binary refuses a newer schema (LS_VERSION). Journal,
 * receipt and audit rows carry checksums that are verified when read (LS_CORRUPT names the row). One thread a handle. */
#ifndef LS_STATE_STATE_H
#define LS_STATE_STATE_H

#include "engine/brake.h"
#include "engine/hooks.h"
#include "model/url.h"

struct ls_state;

/* url NULL: $LOCKSTEP_STATE, then ${XDG_STATE_HOME:-~/.local/state}/lockstep/state.db (folders made). Accepts sqlite:PATH,
 * a bare path, postgres://... create false: a missing state is LS_NOT_FOUND (for commands that only read an empty history this is turned into "no runs" above).
 * LS_CORRUPT for truncated or damaged files, with what to do. */
LS_MUST_CHECK enum ls_code ls_state_open(const char *url, bool create, struct ls_state **ret,
                                         struct ls_error *err);
void ls_state_close(struct ls_state *state);
/* false once its connection was lost, or can be trusted no more: close it and open it again. */
bool ls_state_alive(const struct ls_state *state);
/* How many records this handle has changed. */
uint64_t ls_state_changes(const struct ls_state *state);
/* Asks it something small: whether it can be reached now. */
LS_MUST_CHECK enum ls_code ls_state_ping(struct ls_state *state, struct ls_error *err);
/* The clock that all who share this state have: the server's, in Unix time; for an SQLite state this machine's. */
LS_MUST_CHECK enum ls_code ls_state_clock(struct ls_state *state, int64_t *ret_us,
                                          struct ls_error *err);
const char *ls_state_where(const struct ls_state *state); /* its identity, without credentials */

/*    name, word, is an end */
#define LS_RUN_STATUSES(X)                                                         \
    X(RUNNING, "running", 0)                                                       \
    X(COMPLETED, "completed", 1)                                                   \
    X(PARTIAL, "partial_success", 1) /* some records failed or were conflicts */   \
    X(FAILED, "failed", 1)                                                         \
    X(INTERRUPTED, "interrupted", 1) /* the process died; found by the next one */ \
    X(CANCELLED, "cancelled", 1)                                                   \
    X(STOPPED, "stopped", 1) /* by a brake */
#define X(name, word, end) LS_RUN_##name,
enum ls_run_status { LS_RUN_STATUSES(X) LS_RUN_STATUS_COUNT };
#undef X
const char *ls_run_status_word(enum ls_run_status status);
/* Whether a run may move from one status to another (a table; the tests walk it). */
bool ls_run_may_become(enum ls_run_status from, enum ls_run_status to);

#define LS_RUN_MODE_ONLY "only" /* of some records alone (--only) */

/* A run as remembered. Strings live in the arena it was read into, or are borrowed when written. */
struct ls_run {
    int64_t number; /* 1, 2, ...; 0 before ls_state_run_begin() */
    char id[37];
    const char *sync, *kind;     /* kind: sync, apply, undo */
    const char *mode;            /* full, only; later delta, stream */
    const char *source, *target; /* identities with collection */
    const char *project;         /* the configuration file; "": none */
    const char
        *config_json; /* what opens the job again: URLs without passwords, collections, key, ... */
    const char *digest, *fingerprint; /* of the job */
    enum ls_run_status status;
    int64_t started_us, finished_us; /* finished 0: not yet */
    uint64_t created, updated, deleted, unchanged, failed, conflicts;
    uint64_t source_count, target_count;
    bool verified;
    int64_t undoes, undone_by; /* run numbers; 0: none. The last undo that took back some of it */
    const char *error;         /* why it failed or stopped; "" */
};

/* The run lock of a sync: one run at a time. Dies with the process. LS_LOCKED names the running run (number, since when, process). */
struct ls_state_lock;
LS_MUST_CHECK enum ls_code ls_state_lock(struct ls_state *state, const char *sync,
                                         struct ls_state_lock **ret, struct ls_error *err);
void ls_state_unlock(struct ls_state_lock *lock);
/* false when it was lost with its connection (PostgreSQL): give it up and take it anew. NULL: false. */
bool ls_state_lock_alive(struct ls_state_lock *lock);
/* Whether a process holds the lock of this sync; it is not taken. true also where that cannot be told. */
bool ls_state_at_work(struct ls_state *state, const char *sync);

/* One daemon for an SQLite state (made when missing): its lock dies with the process too. PostgreSQL serves any number: *ret is NULL. LS_LOCKED
 * says what the other one noted about itself. */
LS_MUST_CHECK enum ls_code ls_state_serve(const char *url, struct ls_state_lock **ret,
                                          struct ls_error *err);
/* Notes about a daemon, for who comes second: "pid 12, http://127.0.0.1:7380". NULL lock is fine. */
void ls_state_serve_note(struct ls_state_lock *lock, const char *note);

/* Writes a new run with status running; sets number, and id unless it has one. Holding the sync's lock. */
LS_MUST_CHECK enum ls_code ls_state_run_begin(struct ls_state *state, struct ls_run *run,
                                              struct ls_error *err);
/* Writes counts, status, times, error. LS_INTERNAL for a move that the table does not allow. */
LS_MUST_CHECK enum ls_code ls_state_run_save(struct ls_state *state, const struct ls_run *run,
                                             struct ls_error *err);
/* Counts what a run that died did, by what it left: its committed batches and the records it reported. Batches that are
 * still open count once they are settled. */
LS_MUST_CHECK enum ls_code ls_state_run_count(struct ls_state *state, struct ls_run *run,
                                              struct ls_error *err);
/* A line of the run's log: phase words, counts, verdicts (U1, U15). At most 10 000 a run. */
LS_MUST_CHECK enum ls_code ls_state_run_log(struct ls_state *state, const char *run_id,
                                            const char *text, struct ls_error *err);
/* A failed record. The first 10 000 of a run are kept. */
LS_MUST_CHECK enum ls_code ls_state_run_error(struct ls_state *state, const char *run_id,
                                              const char *key_json, enum ls_code code,
                                              const char *text, struct ls_error *err);
struct ls_run_line {
    int64_t seq, at_us;
    const char *key_json; /* errors only */
    const char *code;     /* errors only */
    const char *text;
};
/* In the order written; after: those that follow the seq of an earlier page, 0: from the first. */
LS_MUST_CHECK enum ls_code ls_state_run_lines(struct ls_state *state, const char *run_id,
                                              bool errors, int64_t after, size_t max,
                                              struct ls_arena *mem, size_t *ret_count,
                                              struct ls_run_line **ret, struct ls_error *err);
/* By number ("12") or UUID (or its first 8 digits). LS_NOT_FOUND says how many runs there are. */
LS_MUST_CHECK enum ls_code ls_state_run_find(struct ls_state *state, const char *which,
                                             struct ls_arena *mem, struct ls_run *ret,
                                             struct ls_error *err);
/* Newest first; sync NULL: of all. */
LS_MUST_CHECK enum ls_code ls_state_runs(struct ls_state *state, const char *sync, size_t max,
                                         struct ls_arena *mem, size_t *ret_count,
                                         struct ls_run **ret, struct ls_error *err);
/* The same by more than the sync; NULL and 0: any. before: of a lower number, to go on behind a page. */
struct ls_run_filter {
    const char *sync, *kind;
    const char *status; /* its word */
    int64_t before;
};
LS_MUST_CHECK enum ls_code ls_state_runs_page(struct ls_state *state,
                                              const struct ls_run_filter *filter, size_t max,
                                              struct ls_arena *mem, size_t *ret_count,
                                              struct ls_run **ret, struct ls_error *err);
/* The runs that took this one back, or some of it: newest first. */
LS_MUST_CHECK enum ls_code ls_state_undos(struct ls_state *state, const struct ls_run *run,
                                          struct ls_arena *mem, size_t *ret_count,
                                          struct ls_run **ret, struct ls_error *err);
/* What the brakes remember of the last finished run of this sync that looked at all of it. run: its name, places and project. */
LS_MUST_CHECK enum ls_code ls_state_last(struct ls_state *state, const struct ls_run *run,
                                         struct ls_arena *mem, struct ls_brake_memory *ret,
                                         struct ls_error *err);

/* Journal of a run: zstd blobs of at most 1 MiB with a checksum each. The structs borrow state and mem. One journal is
 * written through a handle at a time; another run's may be read meanwhile. A batch's end rides with the next commit of anything
 * and is durable at the latest when ls_state_run_save() returns. A source gives LS_NOT_FOUND when the journal was pruned, LS_INTERNAL
 * when it meets a batch that was not settled. */
LS_MUST_CHECK enum ls_code ls_state_journal(struct ls_state *state, const char *run_id,
                                            struct ls_arena *mem, struct ls_journal *ret,
                                            struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_state_journal_source(struct ls_state *state, const char *run_id,
                                                   struct ls_arena *mem,
                                                   struct ls_journal_source *ret,
                                                   struct ls_error *err);
/* Batches that were opened and not closed, of runs of this sync: to be settled under the sync's lock before anything else. target: where
 * (struct ls_run), for only that place can tell; NULL: anywhere. */
struct ls_open_batch {
    char run_id[37];
    uint64_t batch;
    const char *marker;
};
LS_MUST_CHECK enum ls_code ls_state_open_batches(struct ls_state *state, const char *sync,
                                                 const char *target, struct ls_arena *mem,
                                                 size_t *ret_count, struct ls_open_batch **ret,
                                                 struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_state_batch_settle(struct ls_state *state, const char *run_id,
                                                 uint64_t batch, bool committed,
                                                 struct ls_error *err);
/* Runs of this sync that are `running` although the caller holds their lock become `interrupted`. Their numbers in mem. */
LS_MUST_CHECK enum ls_code ls_state_interrupt_dead(struct ls_state *state, const char *sync,
                                                   struct ls_arena *mem, size_t *ret_count,
                                                   int64_t **ret, struct ls_error *err);

/* Receipts: body is canonical JSON without prev and hash, and holds the run's UUID (else LS_INTERNAL); each is chained to the one
 * before by SHA-256 of (prev hash, body). */
LS_MUST_CHECK enum ls_code ls_state_receipt_add(struct ls_state *state, const char *run_id,
                                                const char *body_json, struct ls_error *err);
/* The receipt as one JSON object with "prev" and "hash"; LS_CORRUPT when its chain does not fit. */
LS_MUST_CHECK enum ls_code ls_state_receipt_get(struct ls_state *state, const char *run_id,
                                                struct ls_arena *mem, const char **ret_json,
                                                struct ls_error *err);

/* Audit log: append-only, hash-chained. */
struct ls_audit {
    int64_t seq, at_us;
    const char *actor, *action, *subject,
        *detail_json; /* actor: cli:root@host, later token and user names */
};
/* What every entry from here on tells behind its own detail: JSON members ("address":"::1"), borrowed until it is set again; NULL: nothing. */
void ls_state_audit_about(struct ls_state *state, const char *members);
LS_MUST_CHECK enum ls_code ls_state_audit_add(struct ls_state *state, const char *actor,
                                              const char *action, const char *subject,
                                              const char *detail_json, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_state_audit_list(struct ls_state *state, size_t max,
                                               struct ls_arena *mem, size_t *ret_count,
                                               struct ls_audit **ret, struct ls_error *err);
/* Newest first, those of a lower seq than `before` (0: all) and, where not NULL, of this actor and action. Each entry is checked by its own hash, and
 * without actor and action by its place in the chain too. */
LS_MUST_CHECK enum ls_code ls_state_audit_page(struct ls_state *state, int64_t before,
                                               const char *actor, const char *action, size_t max,
                                               struct ls_arena *mem, size_t *ret_count,
                                               struct ls_audit **ret, struct ls_error *err);
/* Walks both chains (audit and receipts). LS_CORRUPT names the first bad entry. *ret_count: entries that were checked. */
LS_MUST_CHECK enum ls_code ls_state_audit_verify(struct ls_state *state, uint64_t *ret_count,
                                                 struct ls_error *err);

/* Drops journals of finished runs older than keep_days, and the oldest ones until all together take at most keep_bytes. Runs, receipts and
 * audit stay. 0: the defaults (30 days, 10 GiB). */
LS_MUST_CHECK enum ls_code ls_state_prune(struct ls_state *state, int keep_days, int64_t keep_bytes,
                                          int64_t now_us, uint64_t *ret_runs, int64_t *ret_bytes,
                                          struct ls_error *err);

#endif
