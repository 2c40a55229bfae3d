/* SPDX-License-Identifier: Apache-2.0 */
/* api.h - what the files of the library share behind lockstep.h. */
#ifndef LS_API_API_H
#define LS_API_API_H

#include "api/config.h"
#include "lockstep.h"
#include "state/state.h"

struct lockstep {
    struct ls_arena mem;
    struct ls_config *config; /* NULL: none was given */
    const char *state_url;    /* NULL: the default place */
    struct ls_state *state;   /* opened by the first call that needs it */
    struct lockstep_listener listener;
    const char *actor;
    const char *acting; /* for whom, when not for actor: ls_api_act_as() */
    const char *about;  /* likewise */
    struct ls_cancel cancel;
    _Atomic(const char *) cancel_why; /* static; NULL: somebody wanted it */
    char next_run[37];                /* ls_api_next_run(); "": any */
    void (*begun)(void *ctx, int64_t number);
    void *begun_ctx;
    bool tracing; /* the process's log goes to the listener */
};

/* Fills the public error from an internal one; returns its exit status. */
int ls_api_fail(const struct ls_error *err, struct lockstep_error *error);

/* Likewise, at the end of a call that lockstep_cancel() may have ended: the next call runs again. */
int ls_api_end(struct lockstep *ls, const struct ls_error *err, struct lockstep_error *error);

/* A handle over a configuration that is there already (it is held; NULL: none) and a state (NULL: the configuration's, then the
 * default). actor: for the audit log. Free with lockstep_close(). */
LS_MUST_CHECK enum ls_code ls_api_open(struct ls_config *config, const char *state_url,
                                       const char *actor, const struct lockstep_listener *listener,
                                       struct lockstep **ret, struct ls_error *err);
/* For whom the next calls are, in the audit log, and what their entries tell of the call besides: JSON members ("address":"::1") or NULL. Borrowed until it is set
 * again. NULL: the handle's own actor. */
void ls_api_act_as(struct lockstep *ls, const char *actor, const char *about);
/* Who acts now. */
const char *ls_api_actor(const struct lockstep *ls);
/* Of the next run that is begun: its UUID, and whom to tell once it is in the state (NULL: nobody). Both are forgotten with the first begin. */
void ls_api_next_run(struct lockstep *ls, const char *id, void (*begun)(void *ctx, int64_t number),
                     void *ctx);
/* Makes a handle that was used for one call ready for the next, unrelated one: a cancel that came too late is forgotten, and so is a
 * state whose connection was lost. */
void ls_api_refresh(struct lockstep *ls);

/* lockstep_cancel(), and the run's reason begins with why, a text that lives for ever. ls NULL is fine. Any thread. */
void ls_api_cancel(struct lockstep *ls, const char *why);

/* Opens the state once. create false and no state yet: LS_NOT_FOUND. */
LS_MUST_CHECK enum ls_code ls_api_state(struct lockstep *ls, bool create, struct ls_error *err);

/* The configuration of what select names, with --only and --create put in; strings in mem or borrowed from ls and select. */
LS_MUST_CHECK enum ls_code ls_api_select(struct lockstep *ls, const struct lockstep_select *select,
                                         const struct lockstep_run_options *options,
                                         struct ls_arena *mem, struct ls_sync_config *ret,
                                         struct ls_error *err);

/* For apply and undo: replaces the URLs of a recorded configuration by those given again in select (URLs or a sync's
 * name), or by the configured sync `name` when there is one with the same stores: recorded URLs hold no passwords. Of that sync
 * the lock timeouts are taken too, as they stand now. */
LS_MUST_CHECK enum ls_code ls_api_given_again(struct lockstep *ls, const char *name,
                                              const struct lockstep_select *select,
                                              struct ls_arena *mem, struct ls_sync_config *config,
                                              struct ls_error *err);

/* Opens the job; a store that is the state itself is refused. Sets job->config_json. */
LS_MUST_CHECK enum ls_code ls_api_job(struct lockstep *ls, const struct ls_sync_config *config,
                                      bool writable, struct ls_arena *mem, struct ls_job **ret,
                                      struct ls_error *err);

/* lockstep_sync(); silent: what it writes is no event of an outbox in the target, whatever the sync's configuration says. */
int ls_api_sync(struct lockstep *ls, const struct lockstep_select *select,
                const struct lockstep_run_options *options, bool silent, struct lockstep_run **ret,
                struct lockstep_error *error);

/* Log lines to the listener. */
void ls_api_log(struct lockstep *ls, int level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Hooks that report progress to the listener and take its cancel flag. */
struct ls_hooks ls_api_hooks(struct lockstep *ls);

/* An entry of the audit log; a failure to write it is the operation's failure. */
LS_MUST_CHECK enum ls_code ls_api_audit(struct lockstep *ls, const char *action,
                                        const char *subject, const char *detail_json,
                                        struct ls_error *err);

/* The public form of a remembered run, with its first 100 errors; NULL when out of memory. */
struct lockstep_run *ls_api_run(struct lockstep *ls, const struct ls_run *run);

/* Remembered runs, newest first, as lockstep_history() gives them; none when there is no state yet. Free with lockstep_runs_free(). */
LS_MUST_CHECK enum ls_code ls_api_runs(struct lockstep *ls, const struct ls_run_filter *filter,
                                       size_t max, size_t *ret_count, struct lockstep_run ***ret,
                                       struct ls_error *err);

/* forced brakes as a bitmap. LS_USAGE for an unknown name. */
LS_MUST_CHECK enum ls_code ls_api_forced(const char *force, unsigned *ret, struct ls_error *err);

#endif
