/* SPDX-License-Identifier: Apache-2.0 */
/* config_surfaces.c - lockstep.yaml: the section `surfaces`, which says what the documented paths are about. */
#include <string.h>

#include "api/config_read.h"
#include "base/text.h"

static struct ls_surfaces_config *surfaces(struct ls_config_reader *l)
{
    return &l->config->surfaces;
}

static enum ls_code check_sync(struct ls_config_reader *l, const struct yaml_node *node,
                               const char *name, struct ls_error *err)
{
    const struct ls_config *c = l->config;
    const char *near;

    for (size_t i = 0; i < c->sync_count; i++)
        if (strcmp(c->names[i], name) == 0)
            return LS_OK;
    near = ls_text_nearest(name, c->names, c->sync_count);
    return ls_yaml_error(err, l->path, node, "there is no sync named \"%s\" under syncs%s%s%s",
                         name, near ? ". Did you mean \"" : "", near ? near : "",
                         near ? "\"?" : "");
}

/* ---- users ---- */

static enum ls_code read_users_sync(struct ls_config_reader *l, const struct yaml_node *node,
                                    struct ls_error *err)
{
    enum ls_code rc = ls_config_text(l, node, &surfaces(l)->users, err);

    return rc == LS_OK ? check_sync(l, node, surfaces(l)->users, err) : rc;
}

static enum ls_code read_users_local(struct ls_config_reader *l, const struct yaml_node *node,
                                     struct ls_error *err)
{
    static const char *const words[] = {"source", "target"};
    size_t which = 0;
    const enum ls_code rc = ls_config_word(l, node, words, COUNT(words), &which, err);

    surfaces(l)->users_are_target = which == 1;
    return rc;
}

/* A sync, or { sync: NAME, local: source | target }. */
static enum ls_code read_users(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {{"sync", read_users_sync},
                                                     {"local", read_users_local}};
    enum ls_code rc;

    if (node->kind != YAML_MAP)
        return read_users_sync(l, node, err);
    rc = LS_CONFIG_MAP(l, node, entries, "users", err);
    if (rc == LS_OK && !surfaces(l)->users)
        rc = ls_yaml_error(err, l->path, node, "users needs sync");
    return rc;
}

/* ---- replica ---- */

static enum ls_code read_replica(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    struct ls_surfaces_config *s = surfaces(l);
    enum ls_code rc = ls_config_texts(l, node, &s->replica, &s->replica_count, err);

    for (size_t i = 0; i < s->replica_count && rc == LS_OK; i++)
        rc = check_sync(l, node, s->replica[i], err);
    return rc;
}

enum ls_code ls_config_surfaces(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {{"users", read_users},
                                                     {"replica", read_replica}};

    return LS_CONFIG_MAP(l, node, entries, "surfaces", err);
}
