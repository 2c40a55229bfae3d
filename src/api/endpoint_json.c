/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_json.c - endpoints that come as JSON: read member by member, and held against where requests may go.
 *
 * A host is looked up when an endpoint is made, so that a mistake is told to whoever makes it; what decides is the address that is connected to,
 * at each delivery (event/guard.h). */
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/events.h"
#include "base/text.h"
#include "event/guard.h"
#include "event/retry.h"
#include "event/sign.h"
#include "model/jsonload.h"

/* What a reader works on. value NULL: the default is wanted. */
struct reader {
    struct ls_arena *mem;
    struct ls_endpoint *e;
    const char *name; /* of the member */
};
typedef enum ls_code read_fn(struct reader *r, json_t *value, struct ls_error *err);

static enum ls_code expected(const struct reader *r, const char *what, struct ls_error *err)
{
    return ls_error_set(err, LS_USAGE, "%s: %s is expected", r->name, what);
}

static enum ls_code copy_text(struct reader *r, json_t *value, const char **ret,
                              struct ls_error *err)
{
    if (!json_is_string(value))
        return expected(r, "a text", err);
    *ret = ls_arena_text(r->mem, json_string_value(value));
    return *ret ? LS_OK : ls_error_nomem(err);
}

static enum ls_code read_name(struct reader *r, json_t *value, struct ls_error *err)
{
    const char *name = NULL;
    enum ls_code rc = copy_text(r, value, &name, err);

    if (rc == LS_OK && r->e->name && strcmp(r->e->name, name) != 0)
        return ls_error_set(err, LS_USAGE,
                            "an endpoint keeps its name: make another one and remove this");
    r->e->name = name;
    return rc;
}

static enum ls_code read_url(struct reader *r, json_t *value, struct ls_error *err)
{
    return copy_text(r, value, &r->e->url, err);
}

static enum ls_code read_types(struct reader *r, json_t *value, struct ls_error *err)
{
    const size_t count = json_is_array(value) ? json_array_size(value) : value != NULL;
    const char **types = ls_arena_array(r->mem, count, sizeof *types);
    enum ls_code rc = types ? LS_OK : ls_error_nomem(err);

    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = copy_text(r, json_is_array(value) ? json_array_get(value, i) : value, &types[i], err);
    r->e->types = types;
    r->e->type_count = count;
    return rc;
}

/* A policy by its numbers: {"attempts":5,"delay":"2s"}. */
static enum ls_code read_settings(json_t *object, struct ls_retry *ret, struct ls_error *err)
{
    const char *name;
    json_t *value;
    enum ls_code rc = LS_OK;

    ls_retry_begin(ret);
    json_object_foreach(object, name, value)
    {
        char *number = json_is_number(value)
                           ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))
                           : NULL;
        const char *text = number ? number : json_string_value(value);

        rc = text ? ls_retry_set(ret, name, text, err)
                  : ls_error_set(err, LS_CONFIG, "policy: %.40s is no number and no text", name);
        free(number);
        if (rc != LS_OK)
            return rc;
    }
    return ls_retry_end(ret, err);
}

static enum ls_code read_policy(struct reader *r, json_t *value, struct ls_error *err)
{
    struct ls_retry policy;
    enum ls_code rc;

    r->e->policy = NULL;
    if (!value)
        return LS_OK;
    if (!json_is_string(value) && !json_is_object(value))
        return expected(r, "the name of a policy, or an object of its settings", err);
    rc = json_is_string(value) ? ls_retry_read(json_string_value(value), &policy, err)
                               : read_settings(value, &policy, err);
    if (rc == LS_OK)
        r->e->policy = ls_retry_text(&policy, r->mem);
    if (rc == LS_OK && !r->e->policy)
        return ls_error_nomem(err);
    return rc == LS_CONFIG ? ls_error_set(err, LS_USAGE, "%s", err->text) : rc;
}

static enum ls_code read_rate(struct reader *r, json_t *value, struct ls_error *err)
{
    if (value && !json_is_number(value))
        return expected(r, "a number of deliveries a second", err);
    r->e->rate = json_number_value(value);
    return LS_OK;
}

/* 0 is the default, and so nothing that can be asked for. */
static enum ls_code read_count(struct reader *r, json_t *value, int64_t *ret, struct ls_error *err)
{
    if (value && (!json_is_integer(value) || json_integer_value(value) < 1))
        return expected(r, "a whole number from 1", err);
    *ret = json_integer_value(value);
    return LS_OK;
}

static enum ls_code read_concurrency(struct reader *r, json_t *value, struct ls_error *err)
{
    return read_count(r, value, &r->e->concurrency, err);
}

static enum ls_code read_timeout(struct reader *r, json_t *value, struct ls_error *err)
{
    return read_count(r, value, &r->e->timeout_ms, err);
}

static enum ls_code read_headers(struct reader *r, json_t *value, struct ls_error *err)
{
    struct ls_endpoint_header *headers =
        ls_arena_array(r->mem, json_object_size(value), sizeof *headers);
    size_t n = 0;
    enum ls_code rc = headers ? LS_OK : ls_error_nomem(err);

    if (value && !json_is_object(value))
        return expected(r, "an object of names and values", err);
    for (void *at = json_object_iter(value); at && rc == LS_OK;
         at = json_object_iter_next(value, at)) {
        headers[n].name = ls_arena_text(r->mem, json_object_iter_key(at));
        rc = headers[n].name ? copy_text(r, json_object_iter_value(at), &headers[n].value, err)
                             : ls_error_nomem(err);
        n++;
    }
    r->e->headers = headers;
    r->e->header_count = n;
    return rc;
}

static enum ls_code read_secret(struct reader *r, json_t *value, struct ls_error *err)
{
    const char **secrets = ls_arena_array(r->mem, 1, sizeof *secrets);

    if (!secrets)
        return ls_error_nomem(err);
    r->e->secrets = secrets;
    r->e->secret_count = 1;
    return copy_text(r, value, &secrets[0], err);
}

static enum ls_code read_paused(struct reader *r, json_t *value, struct ls_error *err)
{
    if (value && !json_is_boolean(value))
        return expected(r, "true or false", err);
    r->e->paused = json_is_true(value);
    return LS_OK;
}

static const struct {
    const char *name;
    read_fn *read;
    bool first; /* only when the endpoint is made */
} members[] = {
    {"name", read_name, false},          {"url", read_url, false},
    {"types", read_types, false},        {"policy", read_policy, false},
    {"rate", read_rate, false},          {"concurrency", read_concurrency, false},
    {"timeout_ms", read_timeout, false}, {"headers", read_headers, false},
    {"secret", read_secret, true},       {"paused", read_paused, false},
};
#define MEMBERS (sizeof members / sizeof *members)

static enum ls_code read_member(struct reader *r, json_t *value, struct ls_error *err)
{
    const char *names[MEMBERS], *near;

    for (size_t i = 0; i < MEMBERS; i++) {
        names[i] = members[i].name;
        if (strcmp(r->name, members[i].name) != 0)
            continue;
        if (members[i].first && r->e->number)
            return ls_error_set(err, LS_USAGE,
                                "%s: it is not changed here but rotated, so that the "
                                "one before signs for a while",
                                r->name);
        return members[i].read(r, json_is_null(value) ? NULL : value, err);
    }
    near = ls_text_nearest(r->name, names, MEMBERS);
    return ls_error_set(err, LS_USAGE, "an endpoint has no \"%.60s\"%s%s%s", r->name,
                        near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

enum ls_code ls_api_endpoint_read(const char *json, size_t size, struct ls_arena *mem,
                                  struct ls_endpoint *e, struct ls_error *err)
{
    struct reader r = {.mem = mem, .e = e};
    json_t *object = NULL;
    enum ls_code rc = ls_json_load(json, size, JSON_REJECT_DUPLICATES, &object, err);

    if (rc == LS_OK && !json_is_object(object))
        rc = ls_error_set(err, LS_USAGE,
                          "an endpoint is a JSON object such as "
                          "{\"name\":\"crm\",\"url\":\"https://crm.example/hook\"}");
    for (void *at = json_object_iter(object); at && rc == LS_OK;
         at = json_object_iter_next(object, at)) {
        r.name = json_object_iter_key(at);
        rc = read_member(&r, json_object_iter_value(at), err);
    }
    json_decref(object);
    if (rc == LS_OK && (!e->name || !e->url))
        rc = ls_error_set(err, LS_USAGE, "an endpoint needs a %s", e->name ? "url" : "name");
    if (rc == LS_OK && ls_endpoint_check(e, err) != LS_OK)
        rc = ls_error_set(err, LS_USAGE, "%s", err->text);
    return rc;
}

/* ---- where requests may go ---- */

static enum ls_code look_up(const struct ls_guard *guard, const char *host, struct ls_error *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    enum ls_guard_kind kind;
    enum ls_code rc = LS_OK;
    const int found = getaddrinfo(host, NULL, &hints, &list);

    if (found == EAI_NONAME || found == EAI_NODATA)
        return ls_error_set(err, LS_UNSUPPORTED, "there is no host named %s", host);
    if (found == EAI_MEMORY)
        return ls_error_nomem(err);
    if (found != 0)
        return ls_error_set(err, LS_CONNECT, "the host %s cannot be looked up now: %s", host,
                            gai_strerror(found));
    for (const struct addrinfo *at = list; at && rc == LS_OK; at = at->ai_next)
        if (!ls_guard_address(guard, false, at->ai_addr, &kind))
            rc = ls_error_set(err, LS_UNSUPPORTED,
                              "%s has the address of %s: requests go to public addresses only. Put "
                              "it on the list of allowed hosts (events.allow) if they shall go "
                              "there",
                              host, ls_guard_kind_word(kind));
    freeaddrinfo(list);
    return rc;
}

enum ls_code ls_api_destination(const struct lockstep *ls, const char *url, struct ls_arena *mem,
                                struct ls_error *err)
{
    const struct ls_events_config *events = ls->config ? &ls->config->events : NULL;
    struct ls_guard_target target = {0};
    struct ls_guard guard;
    enum ls_code rc = ls_guard_read(events ? events->allow : NULL, events ? events->allow_count : 0,
                                    mem, &guard, err);

    if (rc == LS_OK)
        rc = ls_guard_url(&guard, url, mem, &target, err);
    if (rc == LS_PERMISSION)
        rc = ls_error_set(err, LS_UNSUPPORTED, "%s", err->text);
    return rc == LS_OK && !target.named ? look_up(&guard, target.host, err) : rc;
}
