/* SPDX-License-Identifier: Apache-2.0 */
/* config_sync.c - lockstep.yaml: stores and syncs. */
#include <string.h>

#include "api/config_read.h"
#include "base/text.h"

/* ---- stores ---- */

static enum ls_code read_store_url(struct ls_config_reader *l, const struct yaml_node *node,
                                   struct ls_error *err)
{
    enum ls_code rc = ls_config_text(l, node, &l->store->url, err);

    if (rc == LS_OK && !ls_url_looks_like(l->store->url))
        rc = ls_yaml_error(err, l->path, node,
                           "a store URL is expected here, such as sqlite:shop.db or "
                           "postgres://user@host/database");
    return rc;
}

static enum ls_code read_store_zone(struct ls_config_reader *l, const struct yaml_node *node,
                                    struct ls_error *err)
{
    return ls_config_text(l, node, &l->store->zone, err);
}

static enum ls_code read_lock_timeout(struct ls_config_reader *l, const struct yaml_node *node,
                                      struct ls_error *err)
{
    int64_t ms = 0;
    const enum ls_code rc =
        ls_config_duration(l, node, LS_LOCK_TIMEOUT_MIN_MS, LS_LOCK_TIMEOUT_MAX_MS, &ms, err);

    l->store->lock_timeout_ms = (int)ms;
    return rc;
}

static const struct ls_config_entry store_entries[] = {
    {"lock_timeout", read_lock_timeout},
    {"url", read_store_url},
    {"timezone", read_store_zone},
    {"max_connections", ls_config_later},
};

static enum ls_code read_store(struct ls_config_reader *l, const struct yaml_node *name,
                               const struct yaml_node *node, struct ls_error *err)
{
    enum ls_code rc;

    l->store = &l->stores[l->store_count++];
    l->store->name = name->text;
    if (strchr(name->text, '.') || strchr(name->text, ':'))
        return ls_yaml_error(err, l->path, name, "the name of a store has no dot and no colon");
    if (node->kind == YAML_TEXT)
        return read_store_url(l, node, err);
    rc = LS_CONFIG_MAP(l, node, store_entries, "a store", err);
    if (rc == LS_OK && !l->store->url)
        rc = ls_yaml_error(err, l->path, name, "store %s has no url", name->text);
    return rc;
}

/* For whoever names a store later on. */
static enum ls_code keep_stores(struct ls_config_reader *l, struct ls_error *err)
{
    struct ls_store_config *stores = ls_arena_array(l->mem, l->store_count, sizeof *stores);

    if (!stores)
        return ls_error_nomem(err);
    for (size_t i = 0; i < l->store_count; i++)
        stores[i] = (struct ls_store_config){l->stores[i].name, l->stores[i].url};
    l->config->stores = stores;
    l->config->store_count = l->store_count;
    return LS_OK;
}

const char *ls_config_store(const struct ls_config *config, const char *name, size_t length)
{
    for (size_t i = 0; config && i < config->store_count; i++)
        if (strlen(config->stores[i].name) == length &&
            strncmp(config->stores[i].name, name, length) == 0)
            return config->stores[i].url;
    return NULL;
}

enum ls_code ls_config_stores(struct ls_config_reader *l, const struct yaml_node *map,
                              struct ls_error *err)
{
    enum ls_code rc = ls_config_is_map(l, map, "a list of stores", err);

    l->stores = ls_arena_array(l->mem, map->count, sizeof *l->stores);
    if (!l->stores)
        return ls_error_nomem(err);
    for (size_t i = 0; i < map->count && rc == LS_OK; i++)
        rc = read_store(l, map->items[2 * i], map->items[2 * i + 1], err);
    return rc == LS_OK ? keep_stores(l, err) : rc;
}

/* ---- syncs ---- */

enum ls_code ls_config_side(struct ls_config_reader *l, const struct yaml_node *node,
                            struct ls_side_config *side, struct ls_error *err)
{
    const char *text = NULL, *names[64], *near;
    size_t length, n = 0;
    enum ls_code rc = ls_config_text(l, node, &text, err);

    if (rc != LS_OK)
        return rc;
    length = strcspn(text, ".");
    for (size_t i = 0; i < l->store_count; i++) {
        const struct store *store = &l->stores[i];

        if (n < COUNT(names))
            names[n++] = store->name;
        if (strlen(store->name) != length || strncmp(store->name, text, length) != 0)
            continue;
        *side = (struct ls_side_config){store->url, text[length] ? text + length + 1 : NULL,
                                        store->zone, store->lock_timeout_ms};
        return LS_OK;
    }
    if (ls_url_looks_like(text)) {
        side->url = text;
        return LS_OK;
    }
    if (strpbrk(text, "@/")) /* a URL gone wrong may hold a password */
        return ls_yaml_error(err, l->path, node,
                             "STORE.COLLECTION or a store URL is expected here, such as "
                             "postgres://user@host/database#schema.table");
    near = ls_text_nearest(ls_arena_text_n(l->mem, text, length), names, n);
    return ls_yaml_error(err, l->path, node, "there is no store named \"%.*s\" under stores%s%s%s",
                         (int)length, text, near ? ". Did you mean \"" : "", near ? near : "",
                         near ? "\"?" : "");
}

static enum ls_code read_source(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return ls_config_side(l, node, &l->sync->source, err);
}

static enum ls_code read_target(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return ls_config_side(l, node, &l->sync->target, err);
}

static enum ls_code read_key(struct ls_config_reader *l, const struct yaml_node *node,
                             struct ls_error *err)
{
    const size_t count = node->kind == YAML_LIST ? node->count : 1;
    const char **key = ls_arena_array(l->mem, count, sizeof *key);
    enum ls_code rc = LS_OK;

    if (!key)
        return ls_error_nomem(err);
    if (count == 0)
        return ls_yaml_error(err, l->path, node, "a key has at least one field");
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = ls_config_text(l, node->kind == YAML_LIST ? node->items[i] : node, &key[i], err);
    l->sync->key = key;
    l->sync->key_count = count;
    return rc;
}

enum ls_code ls_config_pairs(struct ls_config_reader *l, const struct yaml_node *map,
                             const char *what, const struct ls_field_config **ret,
                             size_t *ret_count, struct ls_error *err)
{
    struct ls_field_config *fields = ls_arena_array(l->mem, map->count, sizeof *fields);
    enum ls_code rc = ls_config_is_map(l, map, what, err);

    if (!fields)
        return ls_error_nomem(err);
    for (size_t i = 0; i < map->count && rc == LS_OK; i++) {
        fields[i].target = map->items[2 * i]->text;
        rc = ls_config_text(l, map->items[2 * i + 1], &fields[i].expression, err);
    }
    *ret = fields;
    *ret_count = map->count;
    return rc;
}

static enum ls_code read_fields(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    if (node->kind == YAML_MAP && node->count == 0)
        return ls_yaml_error(err, l->path, node,
                             "fields is empty; leave it out for all fields of the same name");
    return ls_config_pairs(l, node, "fields (target: expression)", &l->sync->fields,
                           &l->sync->field_count, err);
}

static enum ls_code read_where(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    return ls_config_text(l, node, &l->sync->where, err);
}

static enum ls_code read_target_where(struct ls_config_reader *l, const struct yaml_node *node,
                                      struct ls_error *err)
{
    return ls_config_text(l, node, &l->sync->target_where, err);
}

static enum ls_code read_soft(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    l->sync->deletes = LS_DELETES_SOFT;
    if (node->kind == YAML_MAP && node->count == 0)
        return ls_yaml_error(err, l->path, node,
                             "soft deletes set at least one field: soft: { deleted_at: now }");
    return ls_config_pairs(l, node, "soft (field: now, or an expression)", &l->sync->soft,
                           &l->sync->soft_count, err);
}

static enum ls_code read_deletes(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    enum word { REMOVE, KEEP, SOFT };
    static const char *const words[] = {[REMOVE] = "remove", [KEEP] = "keep", [SOFT] = "soft"};
    static const struct ls_config_entry entries[] = {{"soft", read_soft}};
    size_t word = 0;
    enum ls_code rc;

    if (node->kind == YAML_MAP)
        return LS_CONFIG_MAP(l, node, entries, "deletes", err);
    rc = ls_config_word(l, node, words, COUNT(words), &word, err);
    if (rc == LS_OK && word == SOFT)
        rc = ls_yaml_error(
            err, l->path, node,
            "soft deletes say which field they set: deletes: { soft: { deleted_at: now } }");
    l->sync->deletes = word == KEEP ? LS_DELETES_KEEP : LS_DELETES_REMOVE;
    return rc;
}

static enum ls_code read_brake_deletes(struct ls_config_reader *l, const struct yaml_node *node,
                                       struct ls_error *err)
{
    return ls_config_share(l, node, &l->sync->brake_deletes, err);
}

static enum ls_code read_brake_changes(struct ls_config_reader *l, const struct yaml_node *node,
                                       struct ls_error *err)
{
    return ls_config_share(l, node, &l->sync->brake_changes, err);
}

static enum ls_code read_brakes(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {{"deletes", read_brake_deletes},
                                                     {"changes", read_brake_changes}};

    return LS_CONFIG_MAP(l, node, entries, "brakes", err);
}

static enum ls_code read_atomic(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return ls_config_bool(l, node, &l->sync->atomic, err);
}

static enum ls_code read_cascades(struct ls_config_reader *l, const struct yaml_node *node,
                                  struct ls_error *err)
{
    static const char *const words[] = {"refuse", "accept"};
    size_t word = 0;
    const enum ls_code rc = ls_config_word(l, node, words, COUNT(words), &word, err);

    l->sync->cascades_accept = word == 1;
    return rc;
}

static enum ls_code read_forward(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    bool forward = true;
    const enum ls_code rc = ls_config_bool(l, node, &forward, err);

    l->sync->silent = !forward;
    return rc;
}

static enum ls_code read_batch(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    int64_t rows = 0;
    const enum ls_code rc = ls_config_count(l, node, "records", 100000, &rows, err);

    l->sync->batch_rows = (size_t)rows;
    return rc;
}

static enum ls_code read_writers(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    int64_t writers = 0;
    const enum ls_code rc = ls_config_count(l, node, "writers", LS_WRITERS_MAX, &writers, err);

    l->sync->writers = (size_t)writers;
    return rc;
}

/* A setting of which this version can do the first word only. */
static enum ls_code read_only_first(struct ls_config_reader *l, const struct yaml_node *node,
                                    const char *const *words, size_t count, struct ls_error *err)
{
    size_t word = 0;
    const enum ls_code rc = ls_config_word(l, node, words, count, &word, err);

    return rc == LS_OK && word > 0 ? ls_config_later(l, node, err) : rc;
}

static enum ls_code read_mode(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    static const char *const words[] = {"full", "delta", "stream"};

    return read_only_first(l, node, words, COUNT(words), err);
}

static enum ls_code read_direction(struct ls_config_reader *l, const struct yaml_node *node,
                                   struct ls_error *err)
{
    static const char *const words[] = {"one-way", "two-way"};

    return read_only_first(l, node, words, COUNT(words), err);
}

static enum ls_code read_conflicts(struct ls_config_reader *l, const struct yaml_node *node,
                                   struct ls_error *err)
{
    static const char *const words[] = {"source", "target", "newest", "field", "manual"};

    return read_only_first(l, node, words, COUNT(words), err);
}

static const struct ls_config_entry sync_entries[] = {
    {"source", read_source},
    {"target", read_target},
    {"key", read_key},
    {"fields", read_fields},
    {"where", read_where},
    {"target_where", read_target_where},
    {"mode", read_mode},
    {"direction", read_direction},
    {"conflicts", read_conflicts},
    {"deletes", read_deletes},
    {"brakes", read_brakes},
    {"atomic", read_atomic},
    {"cascades", read_cascades},
    {"forward", read_forward},
    {"batch", read_batch},
    {"cursor", ls_config_later},
    {"schedule", ls_config_later},
    {"freshness", ls_config_later},
    {"keep_base", ls_config_later},
    {"writers", read_writers},
};

static enum ls_code read_sync(struct ls_config_reader *l, const struct yaml_node *name,
                              const struct yaml_node *node, struct ls_error *err)
{
    enum ls_code rc;

    l->sync->name = name->text;
    if (!*name->text || ls_url_looks_like(name->text))
        return ls_yaml_error(err, l->path, name,
                             "the name of a sync is a word, not empty and not a URL");
    rc = LS_CONFIG_MAP(l, node, sync_entries, "a sync", err);
    if (rc == LS_OK && (!l->sync->source.url || !l->sync->target.url))
        rc = ls_yaml_error(err, l->path, name, "sync %s has no %s", name->text,
                           l->sync->source.url ? "target" : "source");
    return rc;
}

enum ls_code ls_config_syncs(struct ls_config_reader *l, const struct yaml_node *map,
                             struct ls_error *err)
{
    enum ls_code rc = ls_config_is_map(l, map, "a list of syncs", err);
    struct ls_sync_config *syncs = ls_arena_array(l->mem, map->count, sizeof *syncs);
    const char **names = ls_arena_array(l->mem, map->count, sizeof *names);

    if (!syncs || !names)
        return ls_error_nomem(err);
    for (size_t i = 0; i < map->count && rc == LS_OK; i++) {
        l->sync = &syncs[i];
        rc = read_sync(l, map->items[2 * i], map->items[2 * i + 1], err);
        names[i] = map->items[2 * i]->text;
    }
    l->config->syncs = syncs;
    l->config->names = names;
    l->config->sync_count = map->count;
    return rc;
}
