/* SPDX-License-Identifier: Apache-2.0 */
/* config_auth.c - lockstep.yaml: the section `auth`, and the environment variables that do without it.
 *
 * The source documents configure who may call by environment variables alone, so those are enough; what the file says comes first. A variable that is
 * empty counts as one that is not set: an empty secret must never open anything. */
#include <stdlib.h>
#include <string.h>

#include "api/config_read.h"
#include "base/text.h"

#define IDLE_S 1800
#define ABSOLUTE_S 43200
#define RATE 1000

static struct ls_auth_config *auth(struct ls_config_reader *l)
{
    return &l->config->auth;
}

/* ---- values ---- */

/* Not too short to be a secret at all; what it is for may ask for more (ls_callers_open()). */
static enum ls_code read_secret(struct ls_config_reader *l, const struct yaml_node *node,
                                const char **ret, struct ls_error *err)
{
    enum ls_code rc = ls_config_text(l, node, ret, err);

    if (rc == LS_OK && strlen(*ret) < LS_AUTH_SECRET_LEAST)
        rc = ls_yaml_error(err, l->path, node,
                           "a secret has to have at least %d characters. A good one is made by: "
                           "openssl rand -base64 32",
                           LS_AUTH_SECRET_LEAST);
    return rc;
}

/* "https://app.example.com": scheme, host and port. */
static bool is_origin(const char *text)
{
    const char *host = ls_text_starts(text, "https://")  ? text + 8
                       : ls_text_starts(text, "http://") ? text + 7
                                                         : "";

    return *host && host[strcspn(host, "/?#@* \t\\\"")] == '\0';
}

static enum ls_code read_jwt_secret(struct ls_config_reader *l, const struct yaml_node *node,
                                    struct ls_error *err)
{
    return read_secret(l, node, &auth(l)->jwt_secret, err);
}

static enum ls_code read_issuer(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return ls_config_texts(l, node, &auth(l)->issuers, &auth(l)->issuer_count, err);
}

static enum ls_code read_audience(struct ls_config_reader *l, const struct yaml_node *node,
                                  struct ls_error *err)
{
    return ls_config_texts(l, node, &auth(l)->audiences, &auth(l)->audience_count, err);
}

static enum ls_code read_jwks(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    return ls_config_text(l, node, &auth(l)->jwks, err);
}

static enum ls_code read_role_claim(struct ls_config_reader *l, const struct yaml_node *node,
                                    struct ls_error *err)
{
    enum ls_code rc = ls_config_text(l, node, &auth(l)->role_claim, err);

    if (rc == LS_OK && ls_text_starts(auth(l)->role_claim, "user_metadata"))
        rc = ls_yaml_error(err, l->path, node,
                           "user_metadata can be changed by the users themselves: whoever wants "
                           "to be an admin would be one. Put the role into app_metadata");
    return rc;
}

static enum ls_code read_jwt(struct ls_config_reader *l, const struct yaml_node *node,
                             struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {{"secret", read_jwt_secret},
                                                     {"issuer", read_issuer},
                                                     {"audience", read_audience},
                                                     {"jwks", read_jwks},
                                                     {"role_claim", read_role_claim}};
    enum ls_code rc = LS_CONFIG_MAP(l, node, entries, "jwt", err);
    const struct ls_auth_config *a = auth(l);

    if (rc == LS_OK && a->jwks && (a->issuer_count == 0 || a->audience_count == 0))
        rc = ls_yaml_error(err, l->path, node,
                           "jwks needs issuer and audience: an issuer's keys sign for every "
                           "application that it knows, and only these two tell which is meant");
    return rc;
}

static enum ls_code read_nextauth_secret(struct ls_config_reader *l, const struct yaml_node *node,
                                         struct ls_error *err)
{
    return read_secret(l, node, &auth(l)->nextauth_secret, err);
}

static enum ls_code read_cron_secret(struct ls_config_reader *l, const struct yaml_node *node,
                                     struct ls_error *err)
{
    return read_secret(l, node, &auth(l)->cron_secret, err);
}

static enum ls_code read_current_key(struct ls_config_reader *l, const struct yaml_node *node,
                                     struct ls_error *err)
{
    return read_secret(l, node, &auth(l)->qstash_keys[0], err);
}

static enum ls_code read_next_key(struct ls_config_reader *l, const struct yaml_node *node,
                                  struct ls_error *err)
{
    return read_secret(l, node, &auth(l)->qstash_keys[1], err);
}

static enum ls_code read_qstash(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {{"current_signing_key", read_current_key},
                                                     {"next_signing_key", read_next_key}};

    return LS_CONFIG_MAP(l, node, entries, "qstash", err);
}

static enum ls_code read_origins(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    enum ls_code rc = ls_config_texts(l, node, &auth(l)->origins, &auth(l)->origin_count, err);

    for (size_t i = 0; rc == LS_OK && i < auth(l)->origin_count; i++)
        if (!is_origin(auth(l)->origins[i]))
            rc = ls_yaml_error(err, l->path, node,
                               "an origin is expected here, such as https://app.example.com");
    return rc;
}

static enum ls_code read_public_url(struct ls_config_reader *l, const struct yaml_node *node,
                                    struct ls_error *err)
{
    enum ls_code rc = ls_config_text(l, node, &auth(l)->public_url, err);

    if (rc == LS_OK && !ls_text_starts(auth(l)->public_url, "https://") &&
        !ls_text_starts(auth(l)->public_url, "http://"))
        rc = ls_yaml_error(err, l->path, node,
                           "a URL is expected here, such as https://sync.example.com");
    return rc;
}

static enum ls_code read_seconds(struct ls_config_reader *l, const struct yaml_node *node,
                                 int64_t *ret, struct ls_error *err)
{
    int64_t ms = 0;
    const enum ls_code rc =
        ls_config_duration(l, node, 60 * 1000, (int64_t)30 * 86400 * 1000, &ms, err);

    *ret = ms / 1000;
    return rc;
}

static enum ls_code read_idle(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    return read_seconds(l, node, &auth(l)->session_idle_s, err);
}

static enum ls_code read_absolute(struct ls_config_reader *l, const struct yaml_node *node,
                                  struct ls_error *err)
{
    return read_seconds(l, node, &auth(l)->session_absolute_s, err);
}

static enum ls_code read_sessions(struct ls_config_reader *l, const struct yaml_node *node,
                                  struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {{"idle", read_idle},
                                                     {"absolute", read_absolute}};

    return LS_CONFIG_MAP(l, node, entries, "sessions", err);
}

static enum ls_code read_rate(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    return ls_config_count(l, node, "requests a second", 1000000, &auth(l)->rate, err);
}

enum ls_code ls_config_auth(struct ls_config_reader *l, const struct yaml_node *node,
                            struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {
        {"jwt", read_jwt},
        {"nextauth_secret", read_nextauth_secret},
        {"cron_secret", read_cron_secret},
        {"qstash", read_qstash},
        {"public_url", read_public_url},
        {"origins", read_origins},
        {"sessions", read_sessions},
        {"rate", read_rate},
    };

    return LS_CONFIG_MAP(l, node, entries, "auth", err);
}

/* ---- the environment ---- */

/* The first of these variables that is set, in mem. */
static enum ls_code take(const char *const *names, bool secret, struct ls_arena *mem,
                         const char **ret, struct ls_error *err)
{
    for (; *names && !*ret; names++) {
        const char *value = getenv(*names);

        if (!value || !*value)
            continue;
        if (secret && strlen(value) < LS_AUTH_SECRET_LEAST)
            return ls_error_set(err, LS_CONFIG,
                                "the environment variable %s is too short for a secret: at least "
                                "%d characters. A good one is made by: openssl rand -base64 32",
                                *names, LS_AUTH_SECRET_LEAST);
        *ret = ls_arena_text(mem, value);
        if (!*ret)
            return ls_error_nomem(err);
    }
    return LS_OK;
}

/* The URL without slashes at its end, and a path. */
static const char *below(const char *url, const char *path, struct ls_arena *mem)
{
    size_t length = strlen(url);

    while (length && url[length - 1] == '/')
        length--;
    return ls_arena_printf(mem, "%.*s%s", (int)length, url, path);
}

/* A Supabase project signs with keys at a known place, which are its own. Where it has a secret too, tokens come that have no audience (its API
 * keys) or no issuer (made by hand): then whoever has the secret may say what they like. */
static enum ls_code take_supabase(struct ls_auth_config *a, struct ls_arena *mem,
                                  struct ls_error *err)
{
    static const char *const names[] = {"NEXT_PUBLIC_SUPABASE_URL", "SUPABASE_URL", NULL};
    static const char *const audiences[] = {"authenticated"};
    const char *url = NULL, **issuers;
    enum ls_code rc = take(names, false, mem, &url, err);

    if (rc != LS_OK || !url || a->jwks || a->issuer_count || a->audience_count)
        return rc;
    a->jwks = below(url, "/auth/v1/.well-known/jwks.json", mem);
    issuers = ls_arena_array(mem, 1, sizeof *issuers);
    if (!a->jwks || !issuers || !(issuers[0] = below(url, "/auth/v1", mem)))
        return ls_error_nomem(err);
    if (a->jwt_secret)
        return LS_OK;
    a->issuers = issuers;
    a->audiences = audiences;
    a->issuer_count = a->audience_count = 1;
    return LS_OK;
}

enum ls_code ls_config_auth_with_environment(const struct ls_config *config, struct ls_arena *mem,
                                             struct ls_auth_config *ret, struct ls_error *err)
{
    struct ls_auth_config a = config ? config->auth : (struct ls_auth_config){0};
    const struct {
        const char *const names[4];
        bool secret;
        const char **value;
    } variables[] = {
        {{"SUPABASE_JWT_SECRET"}, true, &a.jwt_secret},
        {{"NEXTAUTH_SECRET", "AUTH_SECRET"}, true, &a.nextauth_secret},
        {{"CRON_SECRET"}, true, &a.cron_secret},
        {{"QSTASH_CURRENT_SIGNING_KEY"}, true, &a.qstash_keys[0]},
        {{"QSTASH_NEXT_SIGNING_KEY"}, true, &a.qstash_keys[1]},
        {{"LOCKSTEP_TOKEN"}, true, &a.admin_token},
        {{"SUPABASE_SERVICE_ROLE_KEY"}, true, &a.service_key},
        {{"NEXT_PUBLIC_SUPABASE_ANON_KEY", "SUPABASE_ANON_KEY"}, true, &a.anon_key},
        {{"NEXT_PUBLIC_APP_URL"}, false, &a.public_url},
    };
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < COUNT(variables) && rc == LS_OK; i++)
        rc = take(variables[i].names, variables[i].secret, mem, variables[i].value, err);
    if (rc == LS_OK)
        rc = take_supabase(&a, mem, err);
    if (!a.session_idle_s)
        a.session_idle_s = IDLE_S;
    if (!a.session_absolute_s)
        a.session_absolute_s = ABSOLUTE_S;
    if (!a.rate)
        a.rate = RATE;
    if (rc == LS_OK)
        *ret = a;
    return rc;
}
