/* SPDX-License-Identifier: Apache-2.0 */
/* handle.c - the handle: configuration, state, and which sync a call is about.
 *
 * Nothing is opened that a call does not need: `status` between two URLs works without a configuration
 * and without a state; the state is opened by the first call that remembers or recalls something. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/sync_config.h"

int ls_api_fail(const struct ls_error *err, struct lockstep_error *error)
{
    const int status = ls_code_exit_status(err->code);

    if (error) {
        error->code = status;
        snprintf(error->name, sizeof error->name, "%s", ls_code_name(err->code));
        snprintf(error->text, sizeof error->text, "%s", err->text);
    }
    return status;
}

static void forget_cancel(struct lockstep *ls)
{
    atomic_store(&ls->cancel.wanted, false);
    atomic_store(&ls->cancel_why, NULL);
}

int ls_api_end(struct lockstep *ls, const struct ls_error *err, struct lockstep_error *error)
{
    if (err->code == LS_CANCELLED)
        forget_cancel(ls);
    return ls_api_fail(err, error);
}

static const char *default_actor(struct ls_arena *mem)
{
    char host[256] = "localhost";
    const char *user = getenv("USER");

    gethostname(host, sizeof host - 1);
    if (!user || !*user)
        user = geteuid() == 0 ? "root" : "user";
    return ls_arena_printf(mem, "cli:%s@%s", user, host);
}

static void on_trace(void *ctx, enum ls_log_level level, const char *line)
{
    const struct lockstep *ls = ctx;

    (void)level;
    ls->listener.log(ls->listener.ctx, 0, line);
}

static void begin(struct lockstep *ls, const struct lockstep_listener *listener, const char *actor,
                  const char *state_url)
{
    ls_arena_init(&ls->mem, 0);
    ls->listener = *listener;
    ls->actor = actor ? ls_arena_text(&ls->mem, actor) : default_actor(&ls->mem);
    ls->state_url = ls_arena_text(&ls->mem, state_url);
}

enum ls_code ls_api_open(struct ls_config *config, const char *state_url, const char *actor,
                         const struct lockstep_listener *listener, struct lockstep **ret,
                         struct ls_error *err)
{
    struct lockstep *ls = calloc(1, sizeof *ls);

    if (!ls)
        return ls_error_nomem(err);
    begin(ls, listener, actor, state_url);
    if (!ls->actor || (state_url && !ls->state_url)) {
        lockstep_close(ls);
        return ls_error_nomem(err);
    }
    ls->config = ls_config_hold(config);
    if (!ls->state_url && config)
        ls->state_url = config->state_url;
    *ret = ls;
    return LS_OK;
}

void ls_api_act_as(struct lockstep *ls, const char *actor, const char *about)
{
    ls->acting = actor;
    ls->about = about;
    if (ls->state)
        ls_state_audit_about(ls->state, about);
}

const char *ls_api_actor(const struct lockstep *ls)
{
    return ls->acting ? ls->acting : ls->actor;
}

void ls_api_next_run(struct lockstep *ls, const char *id, void (*begun)(void *ctx, int64_t number),
                     void *ctx)
{
    snprintf(ls->next_run, sizeof ls->next_run, "%s", id ? id : "");
    ls->begun = begun;
    ls->begun_ctx = ctx;
}

void ls_api_refresh(struct lockstep *ls)
{
    forget_cancel(ls);
    ls_api_next_run(ls, NULL, NULL, NULL);
    if (ls->state && !ls_state_alive(ls->state)) {
        ls_state_close(ls->state);
        ls->state = NULL;
    }
}

int lockstep_open(const struct lockstep_options *options, struct lockstep **ret,
                  struct lockstep_error *error)
{
    struct lockstep *ls = calloc(1, sizeof *ls);
    struct ls_error err = {0};
    enum ls_code rc = LS_OK;

    if (!ls) {
        ls_error_nomem(&err);
        return ls_api_fail(&err, error);
    }
    begin(ls, &options->listener, options->actor, options->state_url);
    ls->tracing = options->trace_sql && options->listener.log;
    if (ls->tracing)
        ls_log_to(on_trace, ls, LS_LOG_DEBUG);
    if (!ls->actor || (options->state_url && !ls->state_url))
        rc = ls_error_nomem(&err);
    if (rc == LS_OK && options->config_path)
        rc = ls_config_read(options->config_path, &ls->config, &err);
    if (rc == LS_OK) {
        if (!ls->state_url && ls->config)
            ls->state_url = ls->config->state_url;
        *ret = ls;
        return LOCKSTEP_OK;
    }
    lockstep_close(ls);
    return ls_api_fail(&err, error);
}

void lockstep_close(struct lockstep *ls)
{
    if (!ls)
        return;
    if (ls->tracing)
        ls_log_to(NULL, NULL, LS_LOG_OFF);
    ls_state_close(ls->state);
    ls_config_free(ls->config);
    ls_arena_done(&ls->mem);
    free(ls);
}

void lockstep_cancel(struct lockstep *ls)
{
    if (ls)
        atomic_store(&ls->cancel.wanted, true);
}

void ls_api_cancel(struct lockstep *ls, const char *why)
{
    if (ls)
        atomic_store(&ls->cancel_why, why);
    lockstep_cancel(ls);
}

void lockstep_free(char *text)
{
    free(text);
}

size_t lockstep_syncs(struct lockstep *ls, const char *const **ret_names)
{
    *ret_names = ls->config ? ls->config->names : NULL;
    return ls->config ? ls->config->sync_count : 0;
}

enum ls_code ls_api_state(struct lockstep *ls, bool create, struct ls_error *err)
{
    enum ls_code rc;

    if (ls->state)
        return LS_OK;
    rc = ls_state_open(ls->state_url, create, &ls->state, err);
    if (rc == LS_OK)
        ls_state_audit_about(ls->state, ls->about);
    return rc;
}

static enum ls_code named_sync(struct lockstep *ls, const char *name, struct ls_sync_config *ret,
                               struct ls_error *err)
{
    const char *near;

    if (!ls->config)
        return ls_error_set(
            err, LS_USAGE,
            "no configuration, so there is no sync named \"%s\". Write one with `lockstep "
            "init SOURCE TARGET`, name it with -c FILE, or give two store URLs",
            name);
    for (size_t i = 0; i < ls->config->sync_count; i++)
        if (strcmp(ls->config->syncs[i].name, name) == 0) {
            *ret = ls->config->syncs[i];
            return LS_OK;
        }
    near = ls_text_nearest(name, ls->config->names, ls->config->sync_count);
    return ls_error_set(err, LS_USAGE,
                        "%s has no sync named \"%s\"%s%s%s. `lockstep check` lists them",
                        ls->config->path, name, near ? " (did you mean \"" : "", near ? near : "",
                        near ? "\"?)" : "");
}

static enum ls_code pair_of_urls(const struct lockstep_select *select, struct ls_arena *mem,
                                 struct ls_sync_config *ret, struct ls_error *err)
{
    const char *source = NULL, *target = NULL;
    enum ls_code rc;

    if (!select->source || !select->target)
        return ls_error_set(err, LS_USAGE,
                            "a sync's name or two store URLs are needed: SOURCE TARGET");
    rc = ls_config_expand(select->source, mem, &source, err);
    if (rc == LS_OK)
        rc = ls_config_expand(select->target, mem, &target, err);
    if (rc != LS_OK)
        return rc;
    ret->source.url = source;
    ret->target.url = target;
    return LS_OK;
}

enum ls_code ls_api_select(struct lockstep *ls, const struct lockstep_select *select,
                           const struct lockstep_run_options *options, struct ls_arena *mem,
                           struct ls_sync_config *ret, struct ls_error *err)
{
    enum ls_code rc;

    memset(ret, 0, sizeof *ret);
    rc =
        select->sync ? named_sync(ls, select->sync, ret, err) : pair_of_urls(select, mem, ret, err);
    if (rc != LS_OK)
        return rc;
    if (select->key_count) {
        ret->key = select->key;
        ret->key_count = select->key_count;
    }
    if (select->only_count) {
        ret->only = select->only;
        ret->only_count = select->only_count;
    }
    ret->create = options && options->create;
    return LS_OK;
}

/* Do two URLs name the same store, passwords aside? */
static bool same_store(const char *a, const char *b, struct ls_arena *mem)
{
    const char *x = ls_url_without_password(a, mem), *y = ls_url_without_password(b, mem);

    return x && y && strcmp(x, y) == 0;
}

/* What is not recorded, or may have been set anew since: the password, and how long a lock is waited for. */
static void take_known(const struct ls_side_config *known, struct ls_side_config *side,
                       struct ls_arena *mem)
{
    if (same_store(known->url, side->url, mem))
        side->url = known->url;
    side->lock_timeout_ms = known->lock_timeout_ms;
}

enum ls_code ls_api_given_again(struct lockstep *ls, const char *name,
                                const struct lockstep_select *select, struct ls_arena *mem,
                                struct ls_sync_config *config, struct ls_error *err)
{
    struct ls_sync_config given;

    if (select && (select->sync || select->source)) {
        enum ls_code rc = ls_api_select(ls, select, NULL, mem, &given, err);

        if (rc != LS_OK)
            return rc;
        config->source = given.source;
        config->target = given.target;
        return LS_OK;
    }
    for (size_t i = 0; ls->config && name && i < ls->config->sync_count; i++) {
        const struct ls_sync_config *known = &ls->config->syncs[i];

        if (strcmp(known->name, name) != 0)
            continue;
        take_known(&known->source, &config->source, mem);
        take_known(&known->target, &config->target, mem);
    }
    return LS_OK;
}

/* The names of the key that was found, so that a recorded configuration opens with the same one. */
static enum ls_code pin_key(const struct ls_job *job, struct ls_arena *mem,
                            struct ls_sync_config *config, struct ls_error *err)
{
    const char **key = ls_arena_array(mem, job->layout.key_count, sizeof *key);

    if (!key)
        return ls_error_nomem(err);
    for (size_t i = 0; i < job->layout.key_count; i++)
        key[i] = job->layout.fields[job->layout.key[i]].name;
    config->key = key;
    config->key_count = job->layout.key_count;
    return LS_OK;
}

/* Recorded, a path has to mean the same file in every folder. */
static void pin_place(const struct ls_side *side, struct ls_side_config *config)
{
    if (!side->identity || ls_text_starts(side->identity, "postgres:") ||
        !ls_url_looks_like(side->identity))
        return;
    config->url = side->identity;
    config->collection = side->schema->collection;
}

/* A state file that is also a store would be changed under our feet. */
static enum ls_code refuse_state_as_store(struct lockstep *ls, const struct ls_job *job,
                                          struct ls_error *err)
{
    const char *where = ls->state ? ls_state_where(ls->state) : NULL;

    if (!where)
        return LS_OK;
    for (size_t i = 0; i < 2; i++) {
        struct ls_store *store = i ? job->target.store : job->source.store;

        if (store && ls_text_starts(where, "sqlite:") &&
            strcmp(ls_store_identity(store), where) == 0)
            return ls_error_set(
                err, LS_USAGE,
                "%s is lockstep's own state and cannot be synced as well. Give the state "
                "another place with --state",
                where);
    }
    return LS_OK;
}

enum ls_code ls_api_job(struct lockstep *ls, const struct ls_sync_config *config, bool writable,
                        struct ls_arena *mem, struct ls_job **ret, struct ls_error *err)
{
    struct ls_job *job = NULL;
    struct ls_sync_config pinned = *config;
    const char *json;
    enum ls_code rc = ls_job_open(config, writable, &job, err);

    if (rc != LS_OK)
        return rc;
    rc = pin_key(job, mem, &pinned, err);
    pin_place(&job->source, &pinned.source);
    pin_place(&job->target, &pinned.target);
    json = rc == LS_OK ? ls_sync_config_to_json(&pinned, &job->mem) : NULL;
    if (rc == LS_OK && !json)
        rc = ls_error_nomem(err);
    job->config_json = json;
    if (rc == LS_OK)
        rc = refuse_state_as_store(ls, job, err);
    if (rc == LS_OK)
        *ret = job;
    else
        ls_job_close(job);
    return rc;
}

void ls_api_log(struct lockstep *ls, int level, const char *fmt, ...)
{
    char line[2000];
    va_list args;

    if (!ls->listener.log)
        return;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    ls->listener.log(ls->listener.ctx, level, line);
}

static void on_progress(void *ctx, enum ls_phase phase, uint64_t done, uint64_t total)
{
    struct lockstep *ls = ctx;

    if (ls->listener.progress)
        ls->listener.progress(ls->listener.ctx, ls_phase_word(phase), done, total);
}

struct ls_hooks ls_api_hooks(struct lockstep *ls)
{
    return (struct ls_hooks){.ctx = ls, .cancel = &ls->cancel, .progress = on_progress};
}

enum ls_code ls_api_audit(struct lockstep *ls, const char *action, const char *subject,
                          const char *detail_json, struct ls_error *err)
{
    enum ls_code rc = ls_api_state(ls, true, err);

    if (rc == LS_OK)
        rc = ls_state_audit_add(ls->state, ls_api_actor(ls), action, subject,
                                detail_json ? detail_json : "{}", err);
    return rc;
}

enum ls_code ls_api_forced(const char *force, unsigned *ret, struct ls_error *err)
{
    *ret = 0;
    if (!force)
        return LS_OK;
    if (!*force) {
        *ret = ~0u;
        return LS_OK;
    }
    while (*force) {
        const size_t length = strcspn(force, ",");
        enum ls_brake b = 0;

        while (b < LS_BRAKE_COUNT && (strlen(ls_brake_word(b)) != length ||
                                      strncmp(force, ls_brake_word(b), length) != 0))
            b++;
        if (b == LS_BRAKE_COUNT)
            return ls_error_set(
                err, LS_USAGE,
                "--force=%.*s: no such brake. There are deletes, changes, empty-source, "
                "config and identity",
                (int)length, force);
        *ret |= 1u << b;
        force += length + (force[length] == ',');
    }
    return LS_OK;
}
