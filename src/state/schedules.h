/* SPDX-License-Identifier: Apache-2.0 */
/* schedules.h - what the state remembers of schedules: what runs when, and what became of each time.
 *
 * The state keeps and moves; what is due, missed or skipped is decided above (schedule/plan.h). A nominal time is fired once, however many
 * processes look: the firing is made in the transaction that moves the schedule on, under a version that only one of them can have. Times
 * are microseconds since 1970 in UTC; 0: none. Strings live in the arena that was handed in, or are borrowed when written; NULL
 * is "". One thread a handle. */
#ifndef LS_STATE_SCHEDULES_H
#define LS_STATE_SCHEDULES_H

#include "state/state.h"

#define LS_SCHEDULE_ID_MAX 200 /* bytes of an id: A-Z a-z 0-9 . _ - */

/* What is done. sync: runs the sync of that name; queue: works the event queue off; post: an HTTP call; message: a message is put into the
 * queue, whose headers stand in extra (made over /v2 alone). */
#define LS_SCHEDULE_ACTIONS(X) \
    X(SYNC, "sync")            \
    X(QUEUE, "queue")          \
    X(POST, "post")            \
    X(MESSAGE, "message")
/* When one is due while one before it is not at its end. */
#define LS_OVERLAPS(X)                                  \
    X(SKIP, "skip")                                     \
    X(QUEUE, "queue") /* one waits, more are skipped */ \
    X(ALLOW, "allow") /* calls and messages only */
/* What becomes of times that passed while nobody could fire them. */
#define LS_CATCH_UPS(X) \
    X(NONE, "none")     \
    X(LAST, "last")     \
    X(ALL, "all") /* those within the window, one after the other */
#define LS_FIRING_KINDS(X) \
    X(DUE, "due")          \
    X(MANUAL, "manual")    \
    X(PASSED, "passed") /* several times that were not fired, in one row */
/*    name, word, open */
#define LS_FIRING_STATES(X)                                                         \
    X(WAITING, "waiting", 1)                                                        \
    X(RUNNING, "running", 1)                                                        \
    X(SUCCEEDED, "succeeded", 0)                                                    \
    X(FAILED, "failed", 0)                                                          \
    X(LOST, "lost", 0)       /* its process ended before it did */                  \
    X(SKIPPED, "skipped", 0) /* on purpose: overlap, pause, outside of the hours */ \
    X(MISSED, "missed", 0)   /* nobody was there to fire it */

#define X(name, word) LS_ACTION_##name,
enum ls_schedule_action { LS_SCHEDULE_ACTIONS(X) LS_ACTION_COUNT };
#undef X
#define X(name, word) LS_OVERLAP_##name,
enum ls_overlap { LS_OVERLAPS(X) LS_OVERLAP_COUNT };
#undef X
#define X(name, word) LS_CATCH_UP_##name,
enum ls_catch_up { LS_CATCH_UPS(X) LS_CATCH_UP_COUNT };
#undef X
#define X(name, word) LS_FIRING_##name,
enum ls_firing_kind { LS_FIRING_KINDS(X) LS_FIRING_KIND_COUNT };
#undef X
#define X(name, word, open) LS_FIRING_##name,
enum ls_firing_state { LS_FIRING_STATES(X) LS_FIRING_STATE_COUNT };
#undef X

/* The words; lists of them for messages and settings have the enum's order. */
extern const char *const ls_action_words[LS_ACTION_COUNT];
extern const char *const ls_overlap_words[LS_OVERLAP_COUNT];
extern const char *const ls_catch_up_words[LS_CATCH_UP_COUNT];
const char *ls_firing_kind_word(enum ls_firing_kind kind);
const char *ls_firing_state_word(enum ls_firing_state state);
bool ls_firing_state_open(enum ls_firing_state state);
/* Whether a firing may move from one state to another (a table; the tests walk it). */
bool ls_firing_may_become(enum ls_firing_state from, enum ls_firing_state to);

struct ls_schedule {
    const char *id, *cron;
    const char *zone; /* "": that of the expression, else UTC */
    enum ls_schedule_action action;
    const char *target;  /* the sync's name, or the URL */
    const char *method;  /* of a call: "POST" */
    const char *headers; /* of a call: a JSON object of texts, or ""; sealed (schedule/sealed.h) */
    const char *body;    /* of a call; bytes */
    size_t body_size;
    enum ls_overlap overlap;
    enum ls_catch_up catch_up;
    int64_t catch_up_s; /* how far back; 0: without a limit (last) */
    int64_t jitter_s;   /* fired up to so much later, always by the same for one id */
    const char *hours;  /* business hours, as schedule/hours.h reads them; "": any */
    int64_t timeout_ms; /* of an attempt; 0: none */
    int64_t retries;    /* attempts after the first */
    bool paused;
    const char *origin;  /* config, api, command */
    const char *project; /* the configuration file whose daemon fires it; "": any */
    const char *extra;   /* JSON that the surface that made it wants back, or ""; sealed likewise */
    int64_t created_us, changed_us; /* set when written */
    int64_t last_us, next_us, due_us;
    int64_t pruned_us;
    int64_t version;
};

struct ls_firing {
    const char *schedule;
    char id[37]; /* UUID; set when written */
    enum ls_firing_kind kind;
    enum ls_firing_state state;
    int64_t nominal_us;
    int64_t until_us,
        times;        /* of LS_FIRING_PASSED: the last one, and how many; else nominal_us and 1 */
    bool late;        /* caught up */
    int64_t attempt;  /* the one that runs or ran last; 0: none yet */
    int64_t failures; /* of attempts; one that found its sync at work is none */
    int64_t run;      /* number of the run; 0: none, or not known */
    int64_t made_us, started_us, ended_us;
    int64_t again_us;   /* waiting: not before this */
    const char *node;   /* who runs it */
    const char *reason; /* why it was skipped, missed, failed or waits */
};

/* ---- schedules ---- */

/* Whether this can name a schedule: 1 to LS_SCHEDULE_ID_MAX of the characters A-Z a-z 0-9 . _ - */
bool ls_schedule_id_fits(const char *id);

/* Writes a schedule with the times that it carries. One that is there is LS_CONFLICT, unless `replace`: then its pause, its history and when it
 * was created stay. */
LS_MUST_CHECK enum ls_code ls_state_schedule_put(struct ls_state *state,
                                                 const struct ls_schedule *s, bool replace,
                                                 struct ls_error *err);
/* The same with what was read at that version; *ret_done false, and nothing, when it has moved on meanwhile or is gone. */
LS_MUST_CHECK enum ls_code ls_state_schedule_swap(struct ls_state *state,
                                                  const struct ls_schedule *s, int64_t version,
                                                  bool *ret_done, struct ls_error *err);
/* LS_NOT_FOUND proposes the nearest id. */
LS_MUST_CHECK enum ls_code ls_state_schedule_find(struct ls_state *state, const char *id,
                                                  struct ls_arena *mem, struct ls_schedule *ret,
                                                  struct ls_error *err);
/* All, by id. */
LS_MUST_CHECK enum ls_code ls_state_schedules(struct ls_state *state, struct ls_arena *mem,
                                              size_t *ret_count, struct ls_schedule **ret,
                                              struct ls_error *err);
/* Those that are not paused and whose due_us has come, the oldest first; at most max. project: that one's, and those of none. */
LS_MUST_CHECK enum ls_code ls_state_schedules_due(struct ls_state *state, const char *project,
                                                  int64_t now_us, size_t max, struct ls_arena *mem,
                                                  size_t *ret_count, struct ls_schedule **ret,
                                                  struct ls_error *err);
/* When the first of those is due that are not due yet; INT64_MAX: none. */
LS_MUST_CHECK enum ls_code ls_state_schedules_next(struct ls_state *state, const char *project,
                                                   int64_t now_us, int64_t *ret_us,
                                                   struct ls_error *err);
/* With its history. LS_NOT_FOUND. */
LS_MUST_CHECK enum ls_code ls_state_schedule_drop(struct ls_state *state, const char *id,
                                                  struct ls_error *err);

/* A schedule moves on: from the version that was read to new times (and pause), together with the firings that this makes. All of it or nothing; *ret_done
 * false, and nothing, when somebody else was first, or one of the nominal times has been fired before. Sets the firings' ids. */
struct ls_schedule_step {
    const char *id;
    int64_t version;
    bool paused;
    int64_t last_us, next_us, due_us;
    size_t firing_count;
    struct ls_firing *firings;
};
LS_MUST_CHECK enum ls_code ls_state_schedule_step(struct ls_state *state,
                                                  const struct ls_schedule_step *step,
                                                  bool *ret_done, struct ls_error *err);

/* ---- firings ---- */

/* Asks for a firing now, whatever the schedule says: LS_FIRING_MANUAL, waiting for a daemon. *ret: its id. LS_NOT_FOUND. */
LS_MUST_CHECK enum ls_code ls_state_firing_ask(struct ls_state *state, const char *schedule,
                                               int64_t now_us, char ret_id[37],
                                               struct ls_error *err);
/* Those that wait or run, the oldest first; schedule NULL: of all. */
LS_MUST_CHECK enum ls_code ls_state_firings_open(struct ls_state *state, const char *schedule,
                                                 struct ls_arena *mem, size_t *ret_count,
                                                 struct ls_firing **ret, struct ls_error *err);
/* A waiting one begins its next attempt; *ret_done false when it waits no more. On done *f is what was written. */
LS_MUST_CHECK enum ls_code ls_state_firing_begin(struct ls_state *state, const char *node,
                                                 int64_t now_us, struct ls_firing *f,
                                                 bool *ret_done, struct ls_error *err);
/* An attempt is at its end: f->state, failures, run, reason, again_us and ended_us are written when it still is that attempt of that node which
 * runs; else *ret_done is false. LS_INTERNAL for a move that the table does not allow. */
LS_MUST_CHECK enum ls_code ls_state_firing_end(struct ls_state *state, const struct ls_firing *f,
                                               bool *ret_done, struct ls_error *err);
/* One that waits is not begun again: it becomes f->state, for f->reason. *ret_done false when it waits no more. */
LS_MUST_CHECK enum ls_code ls_state_firing_give_up(struct ls_state *state,
                                                   const struct ls_firing *f, bool *ret_done,
                                                   struct ls_error *err);
/* One by its UUID. LS_NOT_FOUND. */
LS_MUST_CHECK enum ls_code ls_state_firing_find(struct ls_state *state, const char *id,
                                                struct ls_arena *mem, struct ls_firing *ret,
                                                struct ls_error *err);
/* Whether there is one of its schedule, kind and nominal time. */
LS_MUST_CHECK enum ls_code ls_state_firing_known(struct ls_state *state, const struct ls_firing *f,
                                                 bool *ret, struct ls_error *err);
/* Newest first; schedule NULL: of all. before_us: of earlier nominal times, to go on behind a page; 0: any. */
LS_MUST_CHECK enum ls_code ls_state_firings(struct ls_state *state, const char *schedule,
                                            int64_t before_us, size_t max, struct ls_arena *mem,
                                            size_t *ret_count, struct ls_firing **ret,
                                            struct ls_error *err);
/* Removes what is at its end and older than keep_days, and of each schedule what is older than its newest keep_rows. 0: the defaults (90 days,
 * 1000 rows). *ret_count: how many went. */
LS_MUST_CHECK enum ls_code ls_state_firings_prune(struct ls_state *state, int64_t keep_days,
                                                  int64_t keep_rows, int64_t now_us,
                                                  uint64_t *ret_count, struct ls_error *err);

#endif
