/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_edit.c - endpoints made, changed and removed by people and programs.
 *
 * A change reads the endpoint, checks that it is the one its caller has seen, and writes it, all under one lock: of two who change it at
 * the same time the second is told. What stands in the configuration is changed there, for it would be back with
 * the next start; pausing is the exception, since it is what one does at night.
 *
 * Deliveries follow by themselves: endpoints have a version (state/queue.h), and whoever delivers or accepts reads them again when it moves on. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "api/events.h"
#include "base/clock.h"
#include "base/text.h"
#include "event/sign.h"

#define SECRET_BYTES 32
#define KEEP_MAX_S (int64_t)(30 * 86400)

/* A change in the making. */
struct edit {
    struct lockstep *ls;
    struct ls_arena mem;
    struct ls_seal_key key;
    struct ls_queue_tx tx;
    bool begun;
    struct ls_endpoint *seen; /* all, as they were before the lock */
    size_t seen_count;
    struct ls_endpoint *e; /* as it is; what is changed in it is saved */
};

static enum ls_code begin(struct edit *x, struct lockstep *ls, struct ls_error *err)
{
    enum ls_code rc;

    *x = (struct edit){.ls = ls};
    ls_arena_init(&x->mem, 0);
    rc = ls_api_endpoints(ls, &x->mem, &x->seen_count, &x->seen, err);
    if (rc == LS_OK)
        rc = ls_seal_key(ls_state_where(ls->state), &x->key, err);
    return rc;
}

static enum ls_code lock(struct edit *x, struct ls_error *err)
{
    enum ls_code rc = ls_queue_begin(x->ls->state, ls_clock_now_us(), &x->tx, err);

    x->begun = rc == LS_OK;
    return rc == LS_OK ? ls_endpoints_lock(&x->tx, err) : rc;
}

static enum ls_code find_locked(struct edit *x, const char *name, struct ls_error *err)
{
    struct ls_endpoint *endpoints = NULL;
    size_t count = 0;
    enum ls_code rc = lock(x, err);

    if (rc == LS_OK)
        rc = ls_endpoints_read(x->ls->state, &x->key, &x->mem, &count, &endpoints, err);
    return rc == LS_OK ? ls_api_endpoint_find(endpoints, count, name, &x->mem, &x->e, err) : rc;
}

static enum ls_code save(struct edit *x, struct ls_error *err)
{
    struct ls_endpoint_row row;
    enum ls_code rc = ls_endpoint_to_row(x->e, &x->key, &x->mem, &row, err);

    if (rc == LS_OK)
        rc = ls_endpoint_save(&x->tx, &row, err);
    if (rc == LS_OK) {
        x->e->number = row.number;
        x->e->updated_us = row.updated_us;
        x->e->created_us = x->e->created_us ? x->e->created_us : row.created_us;
    }
    return rc;
}

/* Commits what was done together with its entry of the audit log: both are there, or neither. */
static enum ls_code commit(struct edit *x, enum ls_code rc, const char *done, struct ls_error *err)
{
    if (!x->begun)
        return rc;
    if (rc == LS_OK)
        rc = ls_queue_audit(&x->tx, ls_api_actor(x->ls), "endpoint", x->e->name, done, err);
    x->begun = false;
    return ls_queue_end(&x->tx, rc, err);
}

static int end(struct edit *x, enum ls_code rc, struct ls_error *err, struct lockstep_error *error)
{
    ls_seal_key_wipe(&x->key);
    ls_arena_done(&x->mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(err, error);
}

/* ---- may it be changed ---- */

static enum ls_code check_owner(const struct edit *x, struct ls_error *err)
{
    if (strcmp(x->e->origin, "config") != 0 || ls_endpoint_is_dropped(x->e))
        return LS_OK;
    return ls_error_set(err, LS_CONFIG,
                        "endpoint %s stands in the configuration (or in SYNC_WEBHOOK_URLS): change "
                        "it there and reload. It can be paused and resumed here",
                        x->e->name);
}

static enum ls_code check_version(struct edit *x, const char *seen, struct ls_error *err)
{
    const char *now = ls_api_endpoint_version(x->e, &x->mem);

    if (!now)
        return ls_error_nomem(err);
    if (!seen || strcmp(seen, now) == 0)
        return LS_OK;
    return ls_error_set(err, LS_CHANGED,
                        "endpoint %s was changed by somebody else in between: look at it again",
                        x->e->name);
}

/* ---- secrets ---- */

/* whsec_ and 256 random bits in base64, as Standard Webhooks has them. In the arena; NULL when out of memory. */
static const char *make_secret(struct ls_arena *mem)
{
    unsigned char bytes[SECRET_BYTES];
    const char *secret = NULL;
    struct ls_buf out;

    randombytes_buf(bytes, sizeof bytes);
    ls_buf_init(&out, 0);
    ls_buf_text(&out, "whsec_");
    ls_text_base64(&out, bytes, sizeof bytes);
    if (!out.failed)
        secret = ls_arena_text(mem, ls_buf_str(&out));
    sodium_memzero(bytes, sizeof bytes);
    ls_buf_done(&out);
    return secret;
}

static enum ls_code check_secret(const char *secret, struct ls_arena *mem, struct ls_error *err)
{
    struct ls_secret read;

    if (strchr(secret, '\n'))
        return ls_error_set(err, LS_USAGE, "a secret is one line");
    if (ls_secret_read(secret, LS_SIGN_STANDARD, mem, &read, err) == LS_OK)
        return LS_OK;
    return err->code == LS_NOMEM ? LS_NOMEM : ls_error_set(err, LS_USAGE, "%s", err->text);
}

/* secret: what was given; NULL: *ret_made is made up. The newest stands first; `keep` of those before stay. */
static enum ls_code put_secret(struct edit *x, const char *secret, size_t keep,
                               const char **ret_made, struct ls_error *err)
{
    const char **secrets = ls_arena_array(&x->mem, 1 + keep, sizeof *secrets);

    *ret_made = secret ? NULL : make_secret(&x->mem);
    if (!secrets || (!secret && !*ret_made))
        return ls_error_nomem(err);
    secrets[0] = secret ? secret : *ret_made;
    for (size_t i = 0; i < keep; i++)
        secrets[1 + i] = x->e->secrets[i];
    x->e->secrets = secrets;
    x->e->secret_count = 1 + keep;
    return check_secret(secrets[0], &x->mem, err);
}

/* ---- the changes ---- */

int lockstep_endpoint_create(struct lockstep *ls, const char *json, size_t size,
                             lockstep_endpoint_fn *fn, void *ctx, struct lockstep_error *error)
{
    struct ls_endpoint e = {.origin = "api"};
    struct ls_error err = {0};
    const char *made = NULL;
    struct edit x;
    enum ls_code rc = begin(&x, ls, &err);

    x.e = &e;
    if (rc == LS_OK)
        rc = ls_api_endpoint_read(json, size, &x.mem, &e, &err);
    if (rc == LS_OK)
        rc = put_secret(&x, e.secret_count ? e.secrets[0] : NULL, 0, &made, &err);
    if (rc == LS_OK)
        rc = ls_api_destination(ls, e.url, &x.mem, &err);
    if (rc == LS_OK)
        rc = lock(&x, &err);
    if (rc == LS_OK)
        rc = save(&x, &err);
    rc = commit(&x, rc, "{\"created\":true}", &err);
    if (rc == LS_OK)
        rc = ls_api_endpoint_tell(ls, &e, made, fn, ctx, &x.mem, &err);
    return end(&x, rc, &err, error);
}

/* Before the lock, for a host may take its time to be looked up. */
static enum ls_code check_change(struct edit *x, const char *name, const char *json, size_t size,
                                 struct ls_error *err)
{
    struct ls_endpoint *seen = NULL, changed;
    enum ls_code rc = ls_api_endpoint_find(x->seen, x->seen_count, name, &x->mem, &seen, err);

    if (rc != LS_OK)
        return rc;
    changed = *seen;
    rc = ls_api_endpoint_read(json, size, &x->mem, &changed, err);
    if (rc == LS_OK && strcmp(changed.url, seen->url) != 0)
        rc = ls_api_destination(x->ls, changed.url, &x->mem, err);
    return rc;
}

int lockstep_endpoint_change(struct lockstep *ls, const char *name, const char *json, size_t size,
                             const char *version, lockstep_endpoint_fn *fn, void *ctx,
                             struct lockstep_error *error)
{
    struct ls_error err = {0};
    struct edit x;
    const char *url = NULL;
    enum ls_code rc = begin(&x, ls, &err);

    if (rc == LS_OK)
        rc = check_change(&x, name, json, size, &err);
    if (rc == LS_OK)
        rc = find_locked(&x, name, &err);
    if (rc == LS_OK)
        rc = check_owner(&x, &err);
    if (rc == LS_OK)
        rc = check_version(&x, version, &err);
    if (rc == LS_OK) {
        url = x.e->url;
        rc = ls_api_endpoint_read(json, size, &x.mem, x.e, &err);
    }
    if (rc == LS_OK && strcmp(url, x.e->url) != 0)
        x.e->disabled = ""; /* it was the old place that got nothing any more */
    if (rc == LS_OK)
        rc = save(&x, &err);
    rc = commit(&x, rc, "{\"changed\":true}", &err);
    if (rc == LS_OK)
        rc = ls_api_endpoint_tell(ls, x.e, NULL, fn, ctx, &x.mem, &err);
    return end(&x, rc, &err, error);
}

int lockstep_endpoint_remove(struct lockstep *ls, const char *name, const char *version,
                             struct lockstep_error *error)
{
    struct ls_error err = {0};
    struct edit x;
    enum ls_code rc = begin(&x, ls, &err);

    if (rc == LS_OK)
        rc = find_locked(&x, name, &err);
    if (rc == LS_OK)
        rc = check_owner(&x, &err);
    if (rc == LS_OK)
        rc = check_version(&x, version, &err);
    if (rc == LS_OK)
        rc = ls_endpoint_remove(&x.tx, x.e->number, &err);
    rc = commit(&x, rc, "{\"removed\":true}", &err);
    return end(&x, rc, &err, error);
}

int lockstep_endpoint_rotate(struct lockstep *ls, const char *name, const char *secret,
                             int64_t keep_s, lockstep_endpoint_fn *fn, void *ctx,
                             struct lockstep_error *error)
{
    struct ls_error err = {0};
    const char *made = NULL;
    struct edit x;
    enum ls_code rc = begin(&x, ls, &err);

    if (rc == LS_OK && (keep_s < 0 || keep_s > KEEP_MAX_S))
        rc = ls_error_set(&err, LS_USAGE, "the secret before is kept for 0 to %lld seconds",
                          (long long)KEEP_MAX_S);
    if (rc == LS_OK)
        rc = find_locked(&x, name, &err);
    if (rc == LS_OK)
        rc = check_owner(&x, &err);
    if (rc == LS_OK)
        rc = put_secret(&x, secret, keep_s && x.e->secret_count ? 1 : 0, &made, &err);
    if (rc == LS_OK) {
        x.e->retire_us = x.e->secret_count > 1 ? x.tx.now_us + keep_s * 1000000 : 0;
        rc = save(&x, &err);
    }
    rc = commit(&x, rc, "{\"rotated\":true}", &err);
    if (rc == LS_OK)
        rc = ls_api_endpoint_tell(ls, x.e, made, fn, ctx, &x.mem, &err);
    return end(&x, rc, &err, error);
}

int lockstep_endpoint_pause(struct lockstep *ls, const char *name, bool paused,
                            struct lockstep_error *error)
{
    struct ls_error err = {0};
    struct edit x;
    enum ls_code rc = begin(&x, ls, &err);

    if (rc == LS_OK)
        rc = find_locked(&x, name, &err);
    if (rc == LS_OK && !paused && ls_endpoint_is_dropped(x.e))
        rc = ls_error_set(&err, LS_CONFIG,
                          "endpoint %s stands in no configuration any more: name it there again "
                          "and reload, or remove it with what waits for it",
                          x.e->name);
    if (rc == LS_OK) {
        x.e->paused = paused;
        if (!paused)
            x.e->disabled = "";
        rc = save(&x, &err);
    }
    rc = commit(&x, rc, paused ? "{\"paused\":true}" : "{\"paused\":false}", &err);
    return end(&x, rc, &err, error);
}

/* ---- a test ---- */

static enum ls_code accept_test(struct edit *x, const char *id, struct ls_error *err)
{
    const char *data = ls_arena_printf(&x->mem, "{\"test\":true,\"endpoint\":\"%s\"}", x->e->name);
    struct ls_event event = {.id = id,
                             .type = "lockstep.test",
                             .resource_type = "",
                             .resource_id = "",
                             .at_us = x->tx.now_us,
                             .data = data,
                             .data_size = data ? strlen(data) : 0,
                             .options = ""};
    bool known = false;

    if (!data)
        return ls_error_nomem(err);
    if (x->e->paused || *x->e->disabled)
        return ls_error_set(err, LS_CONFLICT,
                            "endpoint %s is %s, and a test would wait: resume it "
                            "first",
                            x->e->name, x->e->paused ? "paused" : "disabled");
    return ls_queue_accept(&x->tx, &event, &x->e->number, 1, 0, &known, err);
}

int lockstep_endpoint_test(struct lockstep *ls, const char *name, char ret_id[37],
                           struct lockstep_error *error)
{
    struct ls_error err = {0};
    struct edit x;
    char id[37];
    int code;
    enum ls_code rc = begin(&x, ls, &err);

    ls_uuid_new(id);
    if (rc == LS_OK)
        rc = find_locked(&x, name, &err);
    if (rc == LS_OK)
        rc = accept_test(&x, id, &err);
    rc = commit(&x, rc, "{\"tested\":true}", &err);
    code = end(&x, rc, &err, error);
    if (code == LOCKSTEP_OK)
        snprintf(ret_id, 37, "%s", id);
    return code;
}
