/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - what would not work, found before it is needed: syncs, endpoints, receivers.
 *
 * Changes nothing, sends nothing; hosts of endpoints are looked up. It goes on after an error: people mend several things at once. */
#include "api/api.h"
#include "api/events.h"

struct checker {
    struct lockstep *ls;
    lockstep_finding_fn *fn;
    void *ctx;
    int worst; /* public code of the worst error */
    struct ls_error why;
};

static void find(struct checker *c, int level, const char *sync, const char *what, const char *text)
{
    c->fn(c->ctx, &(struct lockstep_finding){level, sync, what, text});
}

/* Keeps the first of the worst errors. */
static void keep_worst(struct checker *c, const struct ls_error *err)
{
    const int code = ls_code_exit_status(err->code);

    if (code <= c->worst)
        return;
    c->worst = code;
    c->why = *err;
}

static void find_error(struct checker *c, const char *sync, const char *what,
                       const struct ls_error *err)
{
    find(c, 3, sync, what, err->text);
    keep_worst(c, err);
}

static void check_sync(struct checker *c, const struct ls_sync_config *config)
{
    const char *name = config->name ? config->name : "";
    const struct ls_finding *findings = NULL;
    struct ls_job *job = NULL;
    struct ls_arena mem;
    struct ls_error err = {0};
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_job(c->ls, config, false, &mem, &job, &err);
    if (rc == LS_OK) {
        find(c, 0, name, "source", job->source.place);
        find(c, 0, name, "target", job->target.place);
        rc = ls_job_check(job, &mem, &count, &findings, &err);
    }
    for (size_t i = 0; i < count; i++) {
        find(c, (int)findings[i].level, name, findings[i].what, findings[i].text);
        if (findings[i].level == LS_FINDING_ERROR) {
            struct ls_error one = {0};

            ls_error_set(&one, LS_CONFIG, "%s: %s", findings[i].what, findings[i].text);
            keep_worst(c, &one);
        }
    }
    if (rc != LS_OK)
        find_error(c, name, "sync", &err);
    ls_job_close(job);
    ls_arena_done(&mem);
}

static void check_state(struct checker *c)
{
    struct ls_error err = {0};
    const enum ls_code rc = ls_api_state(c->ls, false, &err);

    if (rc == LS_OK)
        find(c, 0, "", "state", ls_state_where(c->ls->state));
    else if (rc == LS_NOT_FOUND)
        find(c, 1, "", "state", "there is none yet; the first sync makes it");
    else
        find_error(c, "", "state", &err);
}

/* ---- endpoints ---- */

/* A host that cannot be looked up at the moment may be there when an event is. */
static void check_endpoint(struct checker *c, const struct ls_endpoint *e, struct ls_arena *mem)
{
    const char *what = ls_arena_printf(mem, "endpoint %s", e->name);
    struct ls_error err = {0};
    enum ls_code rc = what ? ls_api_destination(c->ls, e->url, mem, &err) : ls_error_nomem(&err);

    if (rc == LS_OK)
        find(c, 0, "", what, e->url);
    else if (rc == LS_CONNECT)
        find(c, 2, "", what, err.text);
    else
        find_error(c, "", what ? what : "endpoint", &err);
}

static size_t check_endpoints(struct checker *c, struct ls_arena *mem)
{
    const struct ls_config *config = c->ls->config;
    struct ls_endpoint *more = NULL;
    struct ls_error err = {0};
    size_t count = config ? config->events.endpoint_count : 0, more_count = 0;

    for (size_t i = 0; i < count; i++)
        check_endpoint(c, &config->events.endpoints[i], mem);
    if (ls_config_environment_endpoints(mem, &more_count, &more, &err) != LS_OK)
        find_error(c, "", "environment", &err);
    for (size_t i = 0; i < more_count; i++)
        check_endpoint(c, &more[i], mem);
    return count + more_count;
}

/* ---- receivers ---- */

static void check_receiver(struct checker *c, const struct ls_receiver *r, struct ls_arena *mem)
{
    const char *what = ls_arena_printf(mem, "receiver %s", r->name);
    struct ls_error err = {0};

    if (!what)
        return;
    if (r->sync)
        find(c, 0, "", what, ls_arena_printf(mem, "runs the sync %s", r->sync));
    for (size_t i = 0; i < r->target_count; i++) {
        const char *place = NULL;

        if (ls_receiver_target_check(&r->targets[i], mem, &place, &err) == LS_OK)
            find(c, 0, "", what, place);
        else
            find_error(c, "", what, &err);
    }
    if (r->target_count)
        find(
            c, 1, "", what,
            "the target keeps two tables of lockstep's own, inbox and versions, by which a message "
            "takes effect once; the first message makes them");
}

/* ---- all of it ---- */

static void check_all(struct checker *c, struct ls_arena *mem)
{
    const struct ls_config *config = c->ls->config;
    struct ls_error err = {0};
    size_t found = check_endpoints(c, mem);

    for (size_t i = 0; config && i < config->receiver_count; i++)
        check_receiver(c, &config->receivers[i], mem);
    for (size_t i = 0; config && i < config->sync_count; i++)
        check_sync(c, &config->syncs[i]);
    if (config)
        found += config->sync_count + config->receiver_count;
    if (found > 0)
        return;
    if (config)
        ls_error_set(&err, LS_CONFIG, "%s has no syncs, no endpoints and no receivers",
                     config->path);
    else
        ls_error_set(&err, LS_CONFIG,
                     "there is none here (lockstep.yaml). Write one with `lockstep init SOURCE "
                     "TARGET`, or give two store URLs");
    find_error(c, "", "configuration", &err);
}

int lockstep_check(struct lockstep *ls, const struct lockstep_select *select,
                   lockstep_finding_fn *fn, void *ctx, struct lockstep_error *error)
{
    struct checker c = {.ls = ls, .fn = fn, .ctx = ctx};
    struct ls_sync_config config;
    struct ls_arena mem;
    struct ls_error err = {0};

    ls_arena_init(&mem, 0);
    check_state(&c);
    if (select && (select->sync || select->source)) {
        if (ls_api_select(ls, select, NULL, &mem, &config, &err) == LS_OK)
            check_sync(&c, &config);
        else
            find_error(&c, "", "sync", &err);
    } else {
        check_all(&c, &mem);
    }
    ls_arena_done(&mem);
    if (c.worst != LOCKSTEP_OK)
        ls_api_fail(&c.why, error);
    return c.worst;
}
