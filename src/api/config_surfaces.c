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

/* ---- events ---- */

static bool has_outbox(const char *url)
{
    return ls_text_starts(url, "postgres:") || ls_text_starts(url, "postgresql:") ||
           ls_text_starts(url, "sqlite:");
}

/* STORE.COLLECTION; by name, since its outbox is emptied by the name of the store. */
static enum ls_code read_collection(struct ls_config_reader *l, const struct yaml_node *node,
                                    struct ls_error *err)
{
    struct ls_resource *r = l->resource;
    const size_t length = node->kind == YAML_TEXT ? strcspn(node->text, ".") : 0;
    enum ls_code rc = ls_config_side(l, node, &r->side, err);

    if (rc != LS_OK)
        return rc;
    if (!r->side.collection || !ls_config_store(l->config, node->text, length))
        return ls_yaml_error(err, l->path, node,
                             "a collection of a store under stores is expected here: "
                             "STORE.COLLECTION");
    r->store = ls_arena_text_n(l->mem, node->text, length);
    if (!r->store)
        return ls_error_nomem(err);
    if (!has_outbox(r->side.url))
        return ls_yaml_error(err, l->path, node,
                             "%s: a write and its event are one transaction of a PostgreSQL or "
                             "SQLite database",
                             r->store);
    return LS_OK;
}

static enum ls_code read_resource_key(struct ls_config_reader *l, const struct yaml_node *node,
                                      struct ls_error *err)
{
    return ls_config_texts(l, node, &l->resource->key, &l->resource->key_count, err);
}

static enum ls_code read_resource_user(struct ls_config_reader *l, const struct yaml_node *node,
                                       struct ls_error *err)
{
    return ls_config_text(l, node, &l->resource->user, err);
}

static enum ls_code read_resource_writes(struct ls_config_reader *l, const struct yaml_node *node,
                                         struct ls_error *err)
{
    return ls_config_texts(l, node, &l->resource->writes, &l->resource->write_count, err);
}

/* Its outbox is emptied without being named under events as well. */
static enum ls_code empty_outbox(struct ls_config_reader *l, struct ls_error *err)
{
    struct ls_events_config *e = &l->config->events;
    const char **names = ls_arena_array(l->mem, e->outbox_count + 1, sizeof *names);

    if (!names)
        return ls_error_nomem(err);
    for (size_t i = 0; i < e->outbox_count; i++) {
        names[i] = e->outboxes[i];
        if (strcmp(names[i], l->resource->store) == 0)
            return LS_OK;
    }
    names[e->outbox_count++] = l->resource->store;
    e->outboxes = names;
    return LS_OK;
}

static enum ls_code read_resource(struct ls_config_reader *l, const struct yaml_node *node,
                                  enum ls_resource_kind kind, struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {{"collection", read_collection},
                                                     {"key", read_resource_key},
                                                     {"user", read_resource_user},
                                                     {"user_writes", read_resource_writes}};
    const char *word = ls_resource_words(kind)->setting;
    enum ls_code rc;

    l->resource = &surfaces(l)->resources[kind];
    l->resource->kind = kind;
    rc = node->kind == YAML_TEXT ? read_collection(l, node, err)
                                 : LS_CONFIG_MAP(l, node, entries, word, err);
    if (rc == LS_OK && !l->resource->store)
        rc = ls_yaml_error(err, l->path, node, "%s needs collection: STORE.COLLECTION", word);
    return rc == LS_OK ? empty_outbox(l, err) : rc;
}

#define RESOURCE(kind, read)                                                           \
    static enum ls_code read(struct ls_config_reader *l, const struct yaml_node *node, \
                             struct ls_error *err)                                     \
    {                                                                                  \
        return read_resource(l, node, LS_RESOURCE_##kind, err);                        \
    }
RESOURCE(ENROLLMENTS, read_enrollments)
RESOURCE(PROFILE, read_profile)
RESOURCE(PROGRESS, read_progress)
RESOURCE(STUDENTS, read_students)
#undef RESOURCE

static enum ls_code read_events(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {{"enrollments", read_enrollments},
                                                     {"profile", read_profile},
                                                     {"progress", read_progress},
                                                     {"students", read_students}};

    return LS_CONFIG_MAP(l, node, entries, "events", err);
}

enum ls_code ls_config_surfaces(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {
        {"users", read_users}, {"events", read_events}, {"replica", read_replica}};

    return LS_CONFIG_MAP(l, node, entries, "surfaces", err);
}
