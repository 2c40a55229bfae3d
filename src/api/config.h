/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - lockstep.yaml, read and checked. */
#ifndef LS_API_CONFIG_H
#define LS_API_CONFIG_H

#include <stdatomic.h>

#include "engine/job.h"
#include "event/endpoint.h"
#include "event/receiver.h"
#include "event/resource.h"
#include "state/schedules.h"

/* A named store. */
struct ls_store_config {
    const char *name, *url;
};

/* What the file says of events; 0 and NULL are defaults. */
struct ls_events_config {
    size_t type_count; /* besides the documents' */
    const char *const *types;
    int64_t keep_days, keep_count, keep_dead_days;
    size_t allow_count; /* networks and hosts that deliveries may reach though they are private */
    const char *const *allow;
    size_t endpoint_count;
    const struct ls_endpoint *endpoints;
    size_t outbox_count; /* stores whose outbox is emptied into the queue, by name */
    const char *const *outboxes;
};

/* The section `server`: how `lockstep serve` is reached and what it takes on. Zeroed members are defaults. */
struct ls_server_config {
    const char *listen;            /* NULL: loopback (serve.c) */
    const char *certificate, *key; /* files; NULL: plain HTTP */
    bool plain;                    /* plain HTTP is fine on other addresses than loopback */
    const char *user;              /* to become after the start as root; NULL: stay */
    const char *log;               /* "text", "json"; NULL: text */
    bool metrics_public;           /* /metrics needs no credentials */
    size_t host_count, proxy_count;
    const char *const *hosts;   /* names that requests may be for */
    const char *const *proxies; /* networks whose X-Forwarded-For is believed */
    int64_t drain_ms;           /* how long the end may take */
    int64_t connections, per_address, runs, queue;
};

/* What alerts are about. */
/*    name, word in the configuration and in messages */
#define LS_ALERT_KINDS(X)           \
    X(RUNS, "runs")                 \
    X(DEAD_LETTERS, "dead_letters") \
    X(BREAKER, "breaker")           \
    X(LAG, "lag")                   \
    X(STATE, "state")
#define X(name, word) LS_ALERT_##name,
enum ls_alert_kind { LS_ALERT_KINDS(X) LS_ALERT_KIND_COUNT };
#undef X
const char *ls_alert_kind_word(enum ls_alert_kind kind);

/* The section `alerts`: who is told of what goes wrong. NULL and 0: not set, or the default. */
struct ls_alerts_config {
    unsigned on; /* bits 1 << LS_ALERT_...; 0: all */
    int64_t lag_ms, repeat_ms, every_ms;
    const char *webhook, *webhook_secret;
    const char *sentry; /* a DSN, which is a secret */
    const char *pagerduty_key, *pagerduty_url;
    size_t command_count; /* a program and its arguments */
    const char *const *command;
};

#define LS_AUTH_SECRET_LEAST 16 /* characters of any secret that lets somebody in */

/* The section `auth`: who may call besides the tokens and users in the state. NULL and 0: not set. */
struct ls_auth_config {
    const char *jwt_secret; /* of HS256 tokens */
    const char *jwks;       /* where an issuer's public keys are */
    size_t issuer_count, audience_count;
    const char *const *issuers, *const *audiences;
    const char *role_claim; /* NULL: as Supabase has it (server/role.h) */
    const char *nextauth_secret, *cron_secret;
    const char *qstash_keys[2]; /* current, next */
    const char *public_url;     /* how the outside reaches us: what QStash signs for */
    size_t origin_count;        /* pages besides our own that may act for whoever is logged in */
    const char *const *origins;
    int64_t session_idle_s, session_absolute_s;
    int64_t rate; /* requests a second of one caller */
    /* From the environment alone: */
    const char *admin_token;            /* LOCKSTEP_TOKEN */
    const char *service_key, *anon_key; /* a Supabase project's own keys */
};

/* The section `surfaces`: which syncs the documented paths are about. NULL and 0: not set. */
struct ls_surfaces_config {
    const char *users;     /* the sync of users */
    bool users_are_target; /* the local database is its target */
    size_t replica_count;
    const char *const *replica; /* syncs that copy a replica into production, in this order */
    struct ls_resource resources[LS_RESOURCE_COUNT]; /* of the surface `events`, by kind */
};

/* Read once and never changed, so any number of threads may hold the same one. */
struct ls_config {
    atomic_uint holders;
    struct ls_arena mem;
    const char *path;
    const char *state_url; /* NULL: not set */
    int journal_keep_days; /* 0: default */
    int64_t journal_keep_bytes;
    size_t store_count;
    const struct ls_store_config *stores;
    size_t sync_count;
    const struct ls_sync_config *syncs; /* in the order of the file; every one has a name */
    const char *const *names;
    struct ls_events_config events;
    size_t receiver_count;
    const struct ls_receiver *receivers;
    size_t schedule_count;
    const struct ls_schedule *schedules; /* checked; their syncs are there */
    struct ls_server_config server;
    struct ls_surfaces_config surfaces;
    struct ls_alerts_config alerts;
    struct ls_auth_config auth; /* as in the file; see ls_config_auth_with_environment() */
};

/* Reads path (YAML 1.1 by libyaml; UTF-8; at most 1 MiB, no aliases or anchors, 20 levels), replaces ${VAR} and ${VAR:-default} from the
 * environment inside scalars. LS_CONFIG with file, line, column and the nearest known name for: unknown keys, wrong types, values outside their set, stores that are
 * not there, duplicate keys, unset variables. LS_NOT_FOUND when there is no such file. Passwords never appear in messages. */
LS_MUST_CHECK enum ls_code ls_config_read(const char *path, struct ls_config **ret,
                                          struct ls_error *err);
/* One more holder; gives config, which may be NULL. */
struct ls_config *ls_config_hold(struct ls_config *config);
/* Lets go of it; the last holder frees it. NULL is fine. */
void ls_config_free(struct ls_config *config);

/* The endpoints of SYNC_WEBHOOK_URLS, signed with WEBHOOK_SECRET, named webhook-1, webhook-2... In mem. */
LS_MUST_CHECK enum ls_code ls_config_environment_endpoints(struct ls_arena *mem, size_t *ret_count,
                                                           struct ls_endpoint **ret,
                                                           struct ls_error *err);

/* The section `auth` of a configuration (NULL: none), completed from the environment and by the defaults: LOCKSTEP_TOKEN, CRON_SECRET,
 * NEXTAUTH_SECRET or AUTH_SECRET, QSTASH_CURRENT_SIGNING_KEY, QSTASH_NEXT_SIGNING_KEY, NEXT_PUBLIC_APP_URL, SUPABASE_JWT_SECRET,
 * SUPABASE_SERVICE_ROLE_KEY, NEXT_PUBLIC_SUPABASE_URL or SUPABASE_URL, NEXT_PUBLIC_SUPABASE_ANON_KEY or SUPABASE_ANON_KEY. Texts are borrowed from config or in
 * mem. LS_CONFIG: a secret is too short. */
LS_MUST_CHECK enum ls_code ls_config_auth_with_environment(const struct ls_config *config,
                                                           struct ls_arena *mem,
                                                           struct ls_auth_config *ret,
                                                           struct ls_error *err);

/* "${VAR}" and "${VAR:-default}" replaced from the environment, "$${" by "${"; LS_CONFIG names a variable that is not set. */
LS_MUST_CHECK enum ls_code ls_config_expand(const char *text, struct ls_arena *mem,
                                            const char **ret, struct ls_error *err);

/* The URL of a store that is named, or NULL. config NULL: there is none. */
const char *ls_config_store(const struct ls_config *config, const char *name, size_t length);

#endif
