/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - lockstep.yaml, read and checked.
 *
 * Each level of the file is a table of names with the function that reads the value, so that an unknown
 * name, its nearest neighbour, the message and the documentation come from the same place. Nothing is
 * guessed: a value of the wrong kind is an error with its line, for a sync that silently does
 * something else destroys data.
 *
 * Names that belong to a later part of lockstep (streams) are refused by name rather than ignored.
 *
 * The kinds of values stand in config_value.c, each section of the file in a file of its own. */
#include "api/config.h"
#include <stdlib.h>
#include <string.h>

#include "api/config_read.h"

static enum ls_code read_state(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    return ls_config_text(l, node, &l->config->state_url, err);
}

static enum ls_code read_keep_days(struct ls_config_reader *l, const struct yaml_node *node,
                                   struct ls_error *err)
{
    int64_t days = 0;
    const enum ls_code rc = ls_config_count(l, node, "days", 36500, &days, err);

    l->config->journal_keep_days = (int)days;
    return rc;
}

/* "10 GiB", "500MiB", "1000000". */
static enum ls_code read_keep_size(struct ls_config_reader *l, const struct yaml_node *node,
                                   struct ls_error *err)
{
    static const struct {
        const char *unit;
        int64_t bytes;
    } units[] = {
        {"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", (int64_t)1 << 40}};
    char *end = NULL;
    const long long n = node->kind == YAML_TEXT ? strtoll(node->text, &end, 10) : 0;

    while (end && *end == ' ')
        end++;
    for (size_t i = 0; end && n > 0 && i < COUNT(units); i++)
        if (strcmp(end, units[i].unit) == 0 && n <= INT64_MAX / units[i].bytes) {
            l->config->journal_keep_bytes = n * units[i].bytes;
            return LS_OK;
        }
    return ls_yaml_error(err, l->path, node, "a size is expected here, such as 10 GiB");
}

static enum ls_code read_journal_keep(struct ls_config_reader *l, const struct yaml_node *node,
                                      struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {{"days", read_keep_days},
                                                     {"size", read_keep_size}};

    return LS_CONFIG_MAP(l, node, entries, "journal_keep", err);
}

/* Stores are read before syncs, and syncs before what names them, wherever they stand. */
static enum ls_code skip(struct ls_config_reader *l, const struct yaml_node *node,
                         struct ls_error *err)
{
    (void)l;
    (void)node;
    (void)err;
    return LS_OK;
}

static const struct ls_config_entry file_entries[] = {
    {"state", read_state},        {"auth", ls_config_auth},     {"stores", skip},
    {"syncs", ls_config_syncs},   {"events", ls_config_events}, {"endpoints", ls_config_endpoints},
    {"receivers", skip},          {"schedules", skip},          {"journal_keep", read_journal_keep},
    {"server", ls_config_server}, {"alerts", ls_config_alerts}, {"surfaces", skip},
};

enum ls_code ls_config_read(const char *path, struct ls_config **ret, struct ls_error *err)
{
    struct ls_config *config = calloc(1, sizeof *config);
    struct ls_config_reader l = {.path = path, .config = config};
    struct yaml_node *root = NULL;
    const struct yaml_node *stores, *receivers, *schedules, *surfaces;
    enum ls_code rc;

    if (!config)
        return ls_error_nomem(err);
    atomic_init(&config->holders, 1);
    ls_arena_init(&config->mem, 0);
    l.mem = &config->mem;
    config->path = ls_arena_text(&config->mem, path);
    rc = ls_yaml_read(path, &config->mem, &root, err);
    if (rc == LS_OK && (stores = ls_yaml_get(root, "stores")) != NULL)
        rc = ls_config_stores(&l, stores, err);
    if (rc == LS_OK)
        rc = LS_CONFIG_MAP(&l, root, file_entries, "a configuration", err);
    if (rc == LS_OK && (receivers = ls_yaml_get(root, "receivers")) != NULL)
        rc = ls_config_receivers(&l, receivers, err);
    if (rc == LS_OK && (schedules = ls_yaml_get(root, "schedules")) != NULL)
        rc = ls_config_schedules(&l, schedules, err);
    if (rc == LS_OK && (surfaces = ls_yaml_get(root, "surfaces")) != NULL)
        rc = ls_config_surfaces(&l, surfaces, err);
    if (rc == LS_OK)
        rc = ls_config_destinations(&l, root, err);
    if (rc == LS_OK)
        *ret = config;
    else
        ls_config_free(config);
    return rc;
}

struct ls_config *ls_config_hold(struct ls_config *config)
{
    if (config)
        atomic_fetch_add(&config->holders, 1);
    return config;
}

void ls_config_free(struct ls_config *config)
{
    if (!config || atomic_fetch_sub(&config->holders, 1) > 1)
        return;
    ls_arena_done(&config->mem);
    free(config);
}
