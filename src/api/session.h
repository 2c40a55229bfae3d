/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - a run from its lock to its receipt: what sync, apply, undo and verify share. */
#ifndef LS_API_SESSION_H
#define LS_API_SESSION_H

#include "api/api.h"
#include "engine/apply.h"

struct session {
    struct lockstep *ls;
    struct ls_arena mem;
    struct ls_job *job;
    struct ls_store *writer; /* holds the lock inside the target; NULL when nothing is written */
    struct ls_state_lock *lock;
    struct ls_touched *touched;
    struct ls_hooks hooks;
    struct ls_journal journal;
    struct ls_run run;
    int64_t began_us, cpu_us; /* of the steady clock, and of the process, when it began */
    bool begun;               /* the run is in the state */
    bool refused;             /* the target refused the whole repair, as an atomic run asks for */
    struct ls_error kept;     /* a failure to note a failed record */
    struct ls_apply_result applied;
    struct ls_compare_result verified;
    const char *scope; /* of the verification: touched, all; NULL: none was made */
};

void ls_session_init(struct session *s, struct lockstep *ls);
/* The job is open: opens the state, takes the locks, settles what an earlier run left open, and begins the run. kind: sync, apply, undo, verify. */
LS_MUST_CHECK enum ls_code ls_session_begin(struct session *s, const char *kind, bool writes,
                                            struct ls_error *err);
/* Fills what the run is called and where it is: sync, mode, places, project. The job is open. */
void ls_session_describe(struct session *s);
/* Enters a phase: log line, run record. */
void ls_session_phase(struct session *s, enum ls_phase phase, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A line of the run's log. */
void ls_session_log(struct session *s, int level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Ends the run with what became of it (rc, err): status, receipt, audit entry. Gives the public run when it was begun. Returns the
 * public code and fills error. */
int ls_session_end(struct session *s, enum ls_code rc, struct ls_error *err,
                   struct lockstep_run **ret, struct lockstep_error *error);
void ls_session_done(struct session *s);

#endif
