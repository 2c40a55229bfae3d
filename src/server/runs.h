/* SPDX-License-Identifier: Apache-2.0 */
/* runs.h - runs that the server carries out: queued, at work, told as they go on, cancelled.
 *
 * A run has its UUID from the moment it is asked for. Once it has begun it is in the state, where it stays; what is here is what the state
 * cannot know: that it waits, how far it is, and why it never began. Any thread. */
#ifndef LS_SERVER_RUNS_H
#define LS_SERVER_RUNS_H

#include "server/hub.h"
#include "server/metrics.h"
#include "server/worker.h"

struct ls_runs;
/* hub: borrowed. threads: runs at once; most: how many may wait. */
LS_MUST_CHECK enum ls_code ls_runs_open(struct ls_setup *setup, struct ls_hub *hub, size_t threads,
                                        size_t most, struct ls_runs **ret, struct ls_error *err);
/* Nothing new is taken on; what waits is given up. */
void ls_runs_quiesce(struct ls_runs *runs);
/* Cancels what runs: it ends after its batch. */
void ls_runs_cancel_all(struct ls_runs *runs);
/* Quiesces, cancels, waits and frees. NULL is fine. */
void ls_runs_close(struct ls_runs *runs);

/* What came of a run. */
struct ls_run_end {
    const char *id;
    int code;                           /* enum lockstep_code */
    const struct lockstep_run *run;     /* NULL: it never began */
    const struct lockstep_error *error; /* when code says that there is none */
};

/* What is asked for; everything is copied. */
struct ls_run_wish {
    const char *kind;  /* sync, verify, apply, undo */
    const char *sync;  /* its name; of apply and undo too: runs of one sync do not overlap */
    const char *run;   /* undo: which */
    const char *plan;  /* apply: the file */
    const char *force; /* as in lockstep_run_options */
    bool full, create, dry_run;
    size_t only_count;
    const char *const *only;
    const char *actor, *about; /* for the audit log: ls_api_act_as() */
    const char *id;            /* a UUID to have; NULL: a new one */
    /* Called once at the end, on the worker's thread, also when the server ends before it began. NULL: nobody waits. */
    void (*done)(void *ctx, const struct ls_run_end *end);
    void *ctx;
};
/* Queues it. LS_LOCKED: a run of this sync is under way here, and err names it. LS_BUSY: too much is waiting. LS_CONFLICT: that id is taken. */
LS_MUST_CHECK enum ls_code ls_runs_start(struct ls_runs *runs, const struct ls_run_wish *wish,
                                         char ret_id[37], struct ls_error *err);

/* Waits along for the run of a whole sync that waits or is at work here: done as in a wish. false: there is none, or no memory. */
bool ls_runs_join(struct ls_runs *runs, const char *sync,
                  void (*done)(void *ctx, const struct ls_run_end *end), void *ctx);

/* which: a UUID, or the number of one that has begun. why: what its reason begins with, a text that lives for ever; NULL: somebody wanted it. LS_NOT_FOUND: it is
 * not under way here. */
LS_MUST_CHECK enum ls_code ls_runs_cancel(struct ls_runs *runs, const char *which, const char *why,
                                          struct ls_error *err);

/* What is known here of a run, as JSON in mem: of one that is at work {"phase","done","total"}, to be put beside what the state has (*ret_begun true); of one
 * that waits or never began the whole of it (false). NULL: nothing. */
const char *ls_runs_show(struct ls_runs *runs, const char *which, struct ls_arena *mem,
                         bool *ret_begun);
/* Those that wait or run, oldest first, as items of an array. sync NULL: of all. */
void ls_runs_write(struct ls_runs *runs, const char *sync, struct ls_buf *out);
/* Listens to a run that is under way; NULL when it is not (*ret_full false) or too many listen. after, pass: as in hub.h. */
struct ls_stream *ls_runs_listen(struct ls_runs *runs, const char *which, int64_t after,
                                 const struct ls_pass *pass, bool *ret_full);

/* Figures since the start. */
void ls_runs_metrics(struct ls_runs *runs, struct ls_buf *out);
/* The workers that carry them out, for figures. */
struct ls_workers *ls_runs_workers(struct ls_runs *runs);

#endif
