/* SPDX-License-Identifier: Apache-2.0 */
/* config_server.c - lockstep.yaml: the section `server`, which `lockstep serve` reads. */
#include "api/config_read.h"

static struct ls_server_config *server(struct ls_config_reader *l)
{
    return &l->config->server;
}

static enum ls_code read_listen(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return ls_config_text(l, node, &server(l)->listen, err);
}

static enum ls_code read_certificate(struct ls_config_reader *l, const struct yaml_node *node,
                                     struct ls_error *err)
{
    return ls_config_text(l, node, &server(l)->certificate, err);
}

static enum ls_code read_key(struct ls_config_reader *l, const struct yaml_node *node,
                             struct ls_error *err)
{
    return ls_config_text(l, node, &server(l)->key, err);
}

static enum ls_code read_tls(struct ls_config_reader *l, const struct yaml_node *node,
                             struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {{"certificate", read_certificate},
                                                     {"key", read_key}};
    enum ls_code rc = LS_CONFIG_MAP(l, node, entries, "tls", err);

    if (rc == LS_OK && (!server(l)->certificate || !server(l)->key))
        rc = ls_yaml_error(err, l->path, node, "tls needs certificate and key");
    return rc;
}

static enum ls_code read_plain(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    return ls_config_bool(l, node, &server(l)->plain, err);
}

static enum ls_code read_user(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    return ls_config_text(l, node, &server(l)->user, err);
}

static enum ls_code read_log(struct ls_config_reader *l, const struct yaml_node *node,
                             struct ls_error *err)
{
    static const char *const words[] = {"text", "json"};
    size_t which = 0;
    const enum ls_code rc = ls_config_word(l, node, words, COUNT(words), &which, err);

    server(l)->log = words[which];
    return rc;
}

static enum ls_code read_metrics(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    static const char *const words[] = {"viewer", "public"};
    size_t which = 0;
    const enum ls_code rc = ls_config_word(l, node, words, COUNT(words), &which, err);

    server(l)->metrics_public = which == 1;
    return rc;
}

static enum ls_code read_hosts(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    return ls_config_texts(l, node, &server(l)->hosts, &server(l)->host_count, err);
}

static enum ls_code read_proxies(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    return ls_config_texts(l, node, &server(l)->proxies, &server(l)->proxy_count, err);
}

static enum ls_code read_drain(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    return ls_config_duration(l, node, 1, 3600000, &server(l)->drain_ms, err);
}

static enum ls_code read_connections(struct ls_config_reader *l, const struct yaml_node *node,
                                     struct ls_error *err)
{
    return ls_config_count(l, node, "connections", 100000, &server(l)->connections, err);
}

static enum ls_code read_per_address(struct ls_config_reader *l, const struct yaml_node *node,
                                     struct ls_error *err)
{
    return ls_config_count(l, node, "connections", 100000, &server(l)->per_address, err);
}

static enum ls_code read_runs(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    return ls_config_count(l, node, "runs at once", 64, &server(l)->runs, err);
}

static enum ls_code read_queue(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    return ls_config_count(l, node, "requests that wait", 100000, &server(l)->queue, err);
}

static enum ls_code read_limits(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {{"connections", read_connections},
                                                     {"per_address", read_per_address},
                                                     {"runs", read_runs},
                                                     {"queue", read_queue}};

    return LS_CONFIG_MAP(l, node, entries, "limits", err);
}

enum ls_code ls_config_server(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {
        {"listen", read_listen}, {"tls", read_tls},         {"plain", read_plain},
        {"user", read_user},     {"log", read_log},         {"metrics", read_metrics},
        {"hosts", read_hosts},   {"proxies", read_proxies}, {"drain", read_drain},
        {"limits", read_limits},
    };

    return LS_CONFIG_MAP(l, node, entries, "server", err);
}
