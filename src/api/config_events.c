/* SPDX-License-Identifier: Apache-2.0 */
/* config_events.c - lockstep.yaml: events and endpoints; and the endpoints that the environment names. */
#include <stdlib.h>
#include <string.h>

#include "api/config_read.h"
#include "base/text.h"
#include "event/event.h"
#include "event/guard.h"
#include "event/retry.h"
#include "model/decimal.h"

/* ---- events ---- */

static enum ls_code read_types(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    return ls_config_texts(l, node, &l->config->events.types, &l->config->events.type_count, err);
}

static enum ls_code read_allow(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    return ls_config_texts(l, node, &l->config->events.allow, &l->config->events.allow_count, err);
}

static enum ls_code read_outbox(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    struct ls_events_config *e = &l->config->events;
    enum ls_code rc = ls_config_texts(l, node, &e->outboxes, &e->outbox_count, err);

    for (size_t i = 0; i < e->outbox_count && rc == LS_OK; i++)
        if (!ls_config_store(l->config, e->outboxes[i], strlen(e->outboxes[i])))
            rc = ls_yaml_error(err, l->path, node, "there is no store named \"%s\" under stores",
                               e->outboxes[i]);
    return rc;
}

static enum ls_code read_keep_days(struct ls_config_reader *l, const struct yaml_node *node,
                                   struct ls_error *err)
{
    return ls_config_count(l, node, "days", 36500, &l->config->events.keep_days, err);
}

static enum ls_code read_keep_count(struct ls_config_reader *l, const struct yaml_node *node,
                                    struct ls_error *err)
{
    return ls_config_count(l, node, "events", INT64_MAX / 2, &l->config->events.keep_count, err);
}

static enum ls_code read_keep_dead(struct ls_config_reader *l, const struct yaml_node *node,
                                   struct ls_error *err)
{
    return ls_config_count(l, node, "days", 36500, &l->config->events.keep_dead_days, err);
}

static enum ls_code read_keep(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {
        {"days", read_keep_days}, {"count", read_keep_count}, {"dead_days", read_keep_dead}};

    return LS_CONFIG_MAP(l, node, entries, "keep", err);
}

enum ls_code ls_config_events(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {
        {"types", read_types}, {"keep", read_keep}, {"allow", read_allow}, {"outbox", read_outbox}};

    return LS_CONFIG_MAP(l, node, entries, "events", err);
}

/* ---- endpoints ---- */

static enum ls_code read_url(struct ls_config_reader *l, const struct yaml_node *node,
                             struct ls_error *err)
{
    return ls_config_text(l, node, &l->endpoint->url, err);
}

static enum ls_code read_endpoint_types(struct ls_config_reader *l, const struct yaml_node *node,
                                        struct ls_error *err)
{
    return ls_config_texts(l, node, &l->endpoint->types, &l->endpoint->type_count, err);
}

static enum ls_code read_secrets(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    return ls_config_texts(l, node, &l->endpoint->secrets, &l->endpoint->secret_count, err);
}

static enum ls_code read_policy(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    struct ls_retry policy;
    struct ls_error why;
    enum ls_code rc = LS_OK;

    if (node->kind == YAML_LIST)
        return ls_yaml_error(err, l->path, node, "a name of a policy is expected here, or a map");
    if (node->kind == YAML_TEXT)
        rc = ls_retry_read(node->text, &policy, &why);
    else
        ls_retry_begin(&policy);
    for (size_t i = 0; node->kind == YAML_MAP && i < node->count && rc == LS_OK; i++) {
        const struct yaml_node *name = node->items[2 * i], *value = node->items[2 * i + 1];
        const char *text = "";

        rc = ls_config_text(l, value, &text, err);
        if (rc != LS_OK)
            return rc;
        if (ls_retry_set(&policy, name->text, text, &why) != LS_OK)
            return ls_yaml_error(err, l->path, name, "%s", why.text);
    }
    if (rc == LS_OK && node->kind == YAML_MAP)
        rc = ls_retry_end(&policy, &why);
    if (rc != LS_OK)
        return ls_yaml_error(err, l->path, node, "%s", why.text);
    l->endpoint->policy = ls_retry_text(&policy, l->mem);
    return l->endpoint->policy ? LS_OK : ls_error_nomem(err);
}

static enum ls_code read_rate(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    const char *text = node->kind == YAML_TEXT ? node->text : "";

    l->endpoint->rate = ls_decimal_to_double(text, strlen(text)); /* NaN when it is no number */
    if (!(l->endpoint->rate > 0))
        return ls_yaml_error(err, l->path, node,
                             "a number of deliveries a second is expected here");
    return LS_OK;
}

static enum ls_code read_concurrency(struct ls_config_reader *l, const struct yaml_node *node,
                                     struct ls_error *err)
{
    return ls_config_count(l, node, "deliveries at once", 1000, &l->endpoint->concurrency, err);
}

static enum ls_code read_timeout(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    return ls_config_duration(l, node, 100, 120000, &l->endpoint->timeout_ms, err);
}

static enum ls_code read_headers(struct ls_config_reader *l, const struct yaml_node *map,
                                 struct ls_error *err)
{
    struct ls_endpoint_header *headers = ls_arena_array(l->mem, map->count, sizeof *headers);
    enum ls_code rc = ls_config_is_map(l, map, "headers", err);

    if (!headers)
        return ls_error_nomem(err);
    for (size_t i = 0; i < map->count && rc == LS_OK; i++) {
        headers[i].name = map->items[2 * i]->text;
        rc = ls_config_text(l, map->items[2 * i + 1], &headers[i].value, err);
    }
    l->endpoint->headers = headers;
    l->endpoint->header_count = map->count;
    return rc;
}

static enum ls_code read_paused(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return ls_config_bool(l, node, &l->endpoint->paused, err);
}

static const struct ls_config_entry endpoint_entries[] = {
    {"url", read_url},         {"types", read_endpoint_types},    {"secret", read_secrets},
    {"secrets", read_secrets}, {"policy", read_policy},           {"rate", read_rate},
    {"timeout", read_timeout}, {"concurrency", read_concurrency}, {"headers", read_headers},
    {"paused", read_paused},
};

static enum ls_code read_endpoint(struct ls_config_reader *l, const struct yaml_node *name,
                                  const struct yaml_node *node, struct ls_error *err)
{
    struct ls_error why;
    enum ls_code rc;

    *l->endpoint = (struct ls_endpoint){.name = name->text, .origin = "config"};
    rc = LS_CONFIG_MAP(l, node, endpoint_entries, "an endpoint", err);
    if (rc == LS_OK && !l->endpoint->url)
        return ls_yaml_error(err, l->path, name, "endpoint %s has no url", name->text);
    if (rc == LS_OK && l->endpoint->secret_count == 0)
        return ls_yaml_error(err, l->path, name,
                             "endpoint %s has no secret: deliveries are signed. `openssl rand -hex "
                             "32` makes one; write it as ${NAME} and keep it in the environment",
                             name->text);
    if (rc == LS_OK && ls_endpoint_check(l->endpoint, &why) != LS_OK)
        return ls_yaml_error(err, l->path, name, "%s", why.text);
    return rc;
}

enum ls_code ls_config_endpoints(struct ls_config_reader *l, const struct yaml_node *map,
                                 struct ls_error *err)
{
    enum ls_code rc = ls_config_is_map(l, map, "a list of endpoints", err);
    struct ls_endpoint *endpoints = ls_arena_array(l->mem, map->count, sizeof *endpoints);

    if (!endpoints)
        return ls_error_nomem(err);
    for (size_t i = 0; i < map->count && rc == LS_OK; i++) {
        l->endpoint = &endpoints[i];
        rc = read_endpoint(l, map->items[2 * i], map->items[2 * i + 1], err);
    }
    l->config->events.endpoints = endpoints;
    l->config->events.endpoint_count = map->count;
    return rc;
}

/* The key of Sentry stands in its URL; a webhook has its secret, PagerDuty its key. */
static enum ls_code check_alerts(struct ls_config_reader *l, const struct yaml_node *node,
                                 const struct ls_guard *guard, struct ls_error *err)
{
    const struct ls_alerts_config *a = &l->config->alerts;
    const struct {
        const char *name, *url;
    } ways[] = {{"webhook", a->webhook}, {"sentry", a->sentry}, {"pagerduty", a->pagerduty_url}};
    struct ls_error why;

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (ways[i].url &&
            ls_guard_own(guard, ways[i].url, ways[i].url == a->sentry, l->mem, &why) != LS_OK)
            return ls_yaml_error(err, l->path, ls_yaml_get(node, ways[i].name), "alerts to %s: %s",
                                 ways[i].name, why.text);
    return LS_OK;
}

static enum ls_code check_place(const struct ls_config_reader *l, const struct ls_guard *guard,
                                const char *what, const struct yaml_node *name, const char *url,
                                struct ls_error *err)
{
    struct ls_guard_target target;
    struct ls_error why;

    if (ls_guard_url(guard, url, l->mem, &target, &why) == LS_OK)
        return LS_OK;
    return ls_yaml_error(err, l->path, name, "%s %s: %s (events.allow)", what, name->text,
                         why.text);
}

/* What events.allow says is known only when the whole file has been read. No host is looked up: a name server that is down keeps no
 * daemon from its start, and each delivery and call looks at the address that it connects to. */
enum ls_code ls_config_destinations(struct ls_config_reader *l, const struct yaml_node *root,
                                    struct ls_error *err)
{
    const struct ls_config *c = l->config;
    const struct ls_events_config *events = &c->events;
    const struct yaml_node *endpoints = ls_yaml_get(root, "endpoints"),
                           *schedules = ls_yaml_get(root, "schedules");
    struct ls_guard guard;
    struct ls_error why;
    enum ls_code rc = LS_OK;

    if (ls_guard_read(events->allow, events->allow_count, l->mem, &guard, &why) != LS_OK)
        return ls_yaml_error(err, l->path, ls_yaml_get(root, "events"), "%s", why.text);
    for (size_t i = 0; endpoints && i < events->endpoint_count && rc == LS_OK; i++)
        rc = check_place(l, &guard, "endpoint", endpoints->items[2 * i], events->endpoints[i].url,
                         err);
    for (size_t i = 0; schedules && i < c->schedule_count && rc == LS_OK; i++)
        if (c->schedules[i].action == LS_ACTION_POST)
            rc = check_place(l, &guard, "schedule", schedules->items[2 * i], c->schedules[i].target,
                             err);
    return rc == LS_OK ? check_alerts(l, ls_yaml_get(root, "alerts"), &guard, err) : rc;
}

/* ---- the environment ---- */

static enum ls_code one_of_environment(const char *url, size_t length, size_t number,
                                       const char *const *secret, struct ls_arena *mem,
                                       struct ls_endpoint *ret, struct ls_error *err)
{
    struct ls_error why;

    *ret = (struct ls_endpoint){.name = ls_arena_printf(mem, "webhook-%zu", number),
                                .origin = "config",
                                .url = ls_arena_text_n(mem, url, length),
                                .policy = "documented",
                                .secret_count = 1,
                                .secrets = secret};
    if (!ret->name || !ret->url)
        return ls_error_nomem(err);
    return ls_endpoint_check(ret, &why) == LS_OK && ls_guard_text(ret->url, &why) == LS_OK
               ? LS_OK
               : ls_error_set(err, LS_CONFIG, "SYNC_WEBHOOK_URLS, number %zu: %s", number,
                              why.text);
}

enum ls_code ls_config_environment_endpoints(struct ls_arena *mem, size_t *ret_count,
                                             struct ls_endpoint **ret, struct ls_error *err)
{
    const char *urls = getenv("SYNC_WEBHOOK_URLS"), *given = getenv("WEBHOOK_SECRET");
    const char **secret = ls_arena_array(mem, 1, sizeof *secret);
    size_t most = 1;
    enum ls_code rc = LS_OK;

    *ret_count = 0;
    *ret = NULL;
    if (!urls || !urls[strspn(urls, " ,")])
        return LS_OK;
    if (!given || !*given)
        return ls_error_set(err, LS_CONFIG,
                            "SYNC_WEBHOOK_URLS is set but WEBHOOK_SECRET is not: deliveries are "
                            "signed with it. Set it to what the receivers know");
    for (const char *c = urls; *c; c++)
        most += *c == ',';
    *ret = ls_arena_array(mem, most, sizeof **ret);
    if (!secret || !*ret || !(*secret = ls_arena_text(mem, given)))
        return ls_error_nomem(err);
    for (const char *at = urls; *at && rc == LS_OK;) {
        size_t length;

        at += strspn(at, " ,\t\n");
        length = strcspn(at, ",");
        while (length && strchr(" \t\n", at[length - 1]))
            length--;
        if (length)
            rc = one_of_environment(at, length, *ret_count + 1, secret, mem, &(*ret)[*ret_count],
                                    err);
        *ret_count += length > 0;
        at += strcspn(at, ",");
    }
    return rc;
}
