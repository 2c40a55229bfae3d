/* SPDX-License-Identifier: Apache-2.0 */
/* config_alerts.c - lockstep.yaml: the section `alerts`, who is told of what goes wrong. */
#include <string.h>

#include "api/config_read.h"
#include "base/text.h"

static struct ls_alerts_config *alerts(struct ls_config_reader *l)
{
    return &l->config->alerts;
}

static enum ls_code read_url(struct ls_config_reader *l, const struct yaml_node *node,
                             const char **ret, struct ls_error *err)
{
    const enum ls_code rc = ls_config_text(l, node, ret, err);

    if (rc == LS_OK && !ls_text_starts(*ret, "https://") && !ls_text_starts(*ret, "http://"))
        return ls_yaml_error(err, l->path, node, "a URL is expected here: https://...");
    return rc;
}

/* ---- what about ---- */

static enum ls_code read_on(struct ls_config_reader *l, const struct yaml_node *node,
                            struct ls_error *err)
{
    const char *words[LS_ALERT_KIND_COUNT];
    const size_t count = node->kind == YAML_LIST ? node->count : 1;
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < LS_ALERT_KIND_COUNT; i++)
        words[i] = ls_alert_kind_word((enum ls_alert_kind)i);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        size_t which = 0;

        rc = ls_config_word(l, node->kind == YAML_LIST ? node->items[i] : node, words,
                            LS_ALERT_KIND_COUNT, &which, err);
        alerts(l)->on |= 1u << which;
    }
    return rc;
}

static enum ls_code read_lag(struct ls_config_reader *l, const struct yaml_node *node,
                             struct ls_error *err)
{
    return ls_config_duration(l, node, 1000, INT64_C(30) * 86400000, &alerts(l)->lag_ms, err);
}

static enum ls_code read_repeat(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return ls_config_duration(l, node, 1000, INT64_C(30) * 86400000, &alerts(l)->repeat_ms, err);
}

static enum ls_code read_every(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    return ls_config_duration(l, node, 100, 3600000, &alerts(l)->every_ms, err);
}

/* ---- whom ---- */

static enum ls_code read_webhook_url(struct ls_config_reader *l, const struct yaml_node *node,
                                     struct ls_error *err)
{
    return read_url(l, node, &alerts(l)->webhook, err);
}

static enum ls_code read_webhook_secret(struct ls_config_reader *l, const struct yaml_node *node,
                                        struct ls_error *err)
{
    return ls_config_text(l, node, &alerts(l)->webhook_secret, err);
}

static enum ls_code read_webhook(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {{"url", read_webhook_url},
                                                     {"secret", read_webhook_secret}};
    enum ls_code rc;

    if (node->kind == YAML_TEXT)
        return read_webhook_url(l, node, err);
    rc = LS_CONFIG_MAP(l, node, entries, "webhook", err);
    if (rc == LS_OK && !alerts(l)->webhook)
        return ls_yaml_error(err, l->path, node, "webhook has no url");
    return rc;
}

/* https://KEY@HOST/PROJECT, perhaps with a path before the project. It is a secret: no message shows it. */
static enum ls_code read_sentry(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    const char *dsn = NULL, *at, *project;
    const enum ls_code rc = read_url(l, node, &dsn, err);

    if (rc != LS_OK)
        return rc;
    at = strchr(dsn, '@');
    project = strrchr(dsn, '/');
    if (!at || at == strstr(dsn, "://") + 3 || !project || project < at || project == at + 1 ||
        !project[1] || strspn(project + 1, "0123456789") != strlen(project + 1))
        return ls_yaml_error(err, l->path, node,
                             "the DSN of a Sentry project is expected here: "
                             "https://KEY@HOST/PROJECT, with the number of the project");
    alerts(l)->sentry = dsn;
    return LS_OK;
}

static enum ls_code read_pagerduty_key(struct ls_config_reader *l, const struct yaml_node *node,
                                       struct ls_error *err)
{
    return ls_config_text(l, node, &alerts(l)->pagerduty_key, err);
}

static enum ls_code read_pagerduty_url(struct ls_config_reader *l, const struct yaml_node *node,
                                       struct ls_error *err)
{
    return read_url(l, node, &alerts(l)->pagerduty_url, err);
}

static enum ls_code read_pagerduty(struct ls_config_reader *l, const struct yaml_node *node,
                                   struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {{"key", read_pagerduty_key},
                                                     {"url", read_pagerduty_url}};
    enum ls_code rc;

    if (node->kind == YAML_TEXT)
        return read_pagerduty_key(l, node, err);
    rc = LS_CONFIG_MAP(l, node, entries, "pagerduty", err);
    if (rc == LS_OK && !alerts(l)->pagerduty_key)
        return ls_yaml_error(err, l->path, node,
                             "pagerduty has no key: the integration key of an Events API v2 "
                             "integration");
    return rc;
}

static enum ls_code read_command(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    const enum ls_code rc =
        ls_config_texts(l, node, &alerts(l)->command, &alerts(l)->command_count, err);

    if (rc == LS_OK && (alerts(l)->command_count == 0 || alerts(l)->command[0][0] != '/'))
        return ls_yaml_error(err, l->path, node,
                             "a program and its arguments are expected here, with the program's "
                             "whole path: [/usr/local/bin/tell, us]");
    return rc;
}

enum ls_code ls_config_alerts(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {
        {"on", read_on},
        {"lag", read_lag},
        {"repeat", read_repeat},
        {"every", read_every},
        {"webhook", read_webhook},
        {"sentry", read_sentry},
        {"pagerduty", read_pagerduty},
        {"command", read_command},
    };

    return LS_CONFIG_MAP(l, node, entries, "alerts", err);
}

const char *ls_alert_kind_word(enum ls_alert_kind kind)
{
    static const char *const words[] = {
#define X(name, word) word,
        LS_ALERT_KINDS(X)
#undef X
    };

    return words[kind];
}
