/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - lockstep.yaml, read and checked.
 *
 * Each level of the file is a table of names with the function that reads the value, so that an unknown
 * name, its nearest neighbour, the message and the documentation come from the same place. Nothing is
 * guessed: a value of the wrong kind is an error with its line, for a sync that silently does
 * something else destroys data.
 *
 * Names that belong to a later part of lockstep (schedules, streams) are refused by name rather than ignored. */
#include "api/config.h"

#include <stdlib.h>
#include <string.h>

#include "api/yaml.h"
#include "base/text.h"
#include "model/decimal.h"

struct store {
    const char *name, *url, *zone;
};

/* What the readers work on. */
struct loader {
    const char *path;
    struct ls_arena *mem;
    struct ls_config *config;
    struct store *stores;
    size_t store_count;
    struct ls_sync_config *sync; /* the one being read */
    struct store *store;         /* likewise */
};

typedef enum ls_code read_fn(struct loader *l, const struct yaml_node *node, struct ls_error *err);

struct entry {
    const char *name;
    read_fn *read;
};

/* ---- ${VAR} ---- */

static const char *variable(const char *name, size_t length)
{
    char text[256];

    if (length == 0 || length >= sizeof text)
        return NULL;
    memcpy(text, name, length);
    text[length] = '\0';
    return getenv(text);
}

static bool is_variable_name(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const char c = name[i];

        if (!(c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (i && c >= '0' && c <= '9')))
            return false;
    }
    return length > 0;
}

/* One ${...}; at stands behind the brace. */
static enum ls_code expand_one(struct ls_buf *out, const char *at, const char *end,
                               struct ls_error *err)
{
    const size_t name_length = strcspn(at, ":}");
    const char *rest = at + name_length, *value;

    if (!is_variable_name(at, name_length) || (*rest == ':' && rest[1] != '-'))
        return ls_error_set(err, LS_CONFIG,
                            "what stands between ${ and } is not NAME or NAME:-default. The text "
                            "${ itself is written $${");
    if (*rest == ':' && memmem(rest, (size_t)(end - rest), "${", 2))
        return ls_error_set(err, LS_CONFIG,
                            "the default of ${%.*s} holds another ${: one is enough",
                            (int)name_length, at);
    value = variable(at, name_length);
    if (*rest == ':' && (!value || !*value))
        ls_buf_add(out, rest + 2, (size_t)(end - rest - 2));
    else if (value)
        ls_buf_text(out, value);
    else
        return ls_error_set(
            err, LS_CONFIG,
            "the environment variable %.*s is not set. Set it, or give a default: ${%.*s:-...}",
            (int)name_length, at, (int)name_length, at);
    return LS_OK;
}

enum ls_code ls_config_expand(const char *text, struct ls_arena *mem, const char **ret,
                              struct ls_error *err)
{
    struct ls_buf out;
    enum ls_code rc = LS_OK;

    ls_buf_init(&out, YAML_MAX_BYTES);
    for (const char *p; rc == LS_OK && (p = strstr(text, "${")) != NULL;) {
        const char *end = strchr(p, '}');

        if (p > text && p[-1] == '$') { /* $${ is the text ${ */
            ls_buf_add(&out, text, (size_t)(p - text - 1));
            ls_buf_text(&out, "${");
            text = p + 2;
            continue;
        }
        ls_buf_add(&out, text, (size_t)(p - text));
        if (!end)
            rc = ls_error_set(err, LS_CONFIG, "a ${ has no }. The text ${ itself is written $${");
        else
            rc = expand_one(&out, p + 2, end, err);
        text = end ? end + 1 : text;
    }
    ls_buf_text(&out, text);
    if (rc == LS_OK) {
        *ret = out.failed ? NULL : ls_arena_text(mem, ls_buf_str(&out));
        if (!*ret)
            rc = ls_error_nomem(err);
    }
    ls_buf_done(&out);
    return rc;
}

/* ---- kinds of values ---- */

static enum ls_code need_text(struct loader *l, const struct yaml_node *node, const char **ret,
                              struct ls_error *err)
{
    if (node->kind != YAML_TEXT)
        return ls_yaml_error(err, l->path, node, "a text is expected here, not a %s",
                             node->kind == YAML_LIST ? "list" : "map");
    if (!*node->text)
        return ls_yaml_error(err, l->path, node, "a text is expected here, and this is empty");
    *ret = node->text;
    return LS_OK;
}

static enum ls_code need_bool(struct loader *l, const struct yaml_node *node, bool *ret,
                              struct ls_error *err)
{
    const bool is_true = node->kind == YAML_TEXT && strcmp(node->text, "true") == 0;

    if (!is_true && (node->kind != YAML_TEXT || strcmp(node->text, "false") != 0))
        return ls_yaml_error(err, l->path, node, "true or false is expected here");
    *ret = is_true;
    return LS_OK;
}

/* One of a few words. */
static enum ls_code need_word(struct loader *l, const struct yaml_node *node,
                              const char *const *words, size_t count, size_t *ret,
                              struct ls_error *err)
{
    struct ls_buf all;
    enum ls_code rc;

    for (size_t i = 0; node->kind == YAML_TEXT && i < count; i++)
        if (strcmp(node->text, words[i]) == 0) {
            *ret = i;
            return LS_OK;
        }
    ls_buf_init(&all, 1000);
    for (size_t i = 0; i < count; i++)
        ls_buf_printf(&all, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", words[i]);
    rc = ls_yaml_error(err, l->path, node, "%s is expected here", ls_buf_str(&all));
    ls_buf_done(&all);
    return rc;
}

/* "20%", "20 %" or "0.2"; "off" is 1. */
static enum ls_code need_share(struct loader *l, const struct yaml_node *node, double *ret,
                               struct ls_error *err)
{
    const char *text = node->kind == YAML_TEXT ? node->text : "";
    const size_t digits = strspn(text, "0123456789.");
    const char *end = text + digits + strspn(text + digits, " ");
    double share;

    if (strcmp(text, "off") == 0) {
        *ret = 1;
        return LS_OK;
    }
    share = ls_decimal_to_double(text, digits); /* NaN when it is no number */
    if (*end == '%') {
        share /= 100;
        end++;
    }
    if (*end || !(share > 0 && share <= 1))
        return ls_yaml_error(err, l->path, node, "a share is expected here: 20%%, 0.2 or off");
    *ret = share;
    return LS_OK;
}

/* A whole number from 1 to max; of: what it counts. */
static enum ls_code need_count(struct loader *l, const struct yaml_node *node, const char *of,
                               int64_t max, int64_t *ret, struct ls_error *err)
{
    int64_t count = 0;

    if (node->kind != YAML_TEXT || !ls_text_to_i64(node->text, strlen(node->text), &count) ||
        count < 1 || count > max)
        return ls_yaml_error(err, l->path, node, "a number of %s from 1 to %lld is expected here",
                             of, (long long)max);
    *ret = count;
    return LS_OK;
}

static enum ls_code need_map(struct loader *l, const struct yaml_node *node, const char *of,
                             struct ls_error *err)
{
    if (node->kind == YAML_MAP)
        return LS_OK;
    return ls_yaml_error(err, l->path, node, "%s is expected here, as `name: value` lines", of);
}

/* Reads a map by a table. */
static enum ls_code read_map(struct loader *l, const struct yaml_node *map,
                             const struct entry *entries, size_t count, const char *what,
                             struct ls_error *err)
{
    enum ls_code rc = need_map(l, map, what, err);

    for (size_t i = 0; i < map->count && rc == LS_OK; i++) {
        const struct yaml_node *name = map->items[2 * i];
        const char *known[32], *near;
        size_t e = 0;

        while (e < count && strcmp(entries[e].name, name->text) != 0)
            e++;
        if (e < count) {
            rc = entries[e].read(l, map->items[2 * i + 1], err);
            continue;
        }
        for (size_t k = 0; k < count; k++)
            known[k] = entries[k].name;
        near = ls_text_nearest(name->text, known, count);
        rc = ls_yaml_error(err, l->path, name, "%s has no setting \"%s\"%s%s%s", what, name->text,
                           near ? ". Did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    }
    return rc;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define READ_MAP(l, map, entries, what, err) read_map(l, map, entries, COUNT(entries), what, err)

static enum ls_code read_later(struct loader *l, const struct yaml_node *node, struct ls_error *err)
{
    return ls_yaml_error(
        err, l->path, node,
        "this setting is known but this version of lockstep cannot do it yet. Take the line out");
}

/* ---- stores ---- */

static enum ls_code read_store_url(struct loader *l, const struct yaml_node *node,
                                   struct ls_error *err)
{
    enum ls_code rc = need_text(l, node, &l->store->url, err);

    if (rc == LS_OK && !ls_url_looks_like(l->store->url))
        rc = ls_yaml_error(err, l->path, node,
                           "a store URL is expected here, such as sqlite:shop.db or "
                           "postgres://user@host/database");
    return rc;
}

static enum ls_code read_store_zone(struct loader *l, const struct yaml_node *node,
                                    struct ls_error *err)
{
    return need_text(l, node, &l->store->zone, err);
}

static const struct entry store_entries[] = {
    {"url", read_store_url},
    {"timezone", read_store_zone},
    {"max_connections", read_later},
};

static enum ls_code read_store(struct loader *l, const struct yaml_node *name,
                               const struct yaml_node *node, struct ls_error *err)
{
    enum ls_code rc;

    l->store = &l->stores[l->store_count++];
    l->store->name = name->text;
    if (strchr(name->text, '.') || strchr(name->text, ':'))
        return ls_yaml_error(err, l->path, name, "the name of a store has no dot and no colon");
    if (node->kind == YAML_TEXT)
        return read_store_url(l, node, err);
    rc = READ_MAP(l, node, store_entries, "a store", err);
    if (rc == LS_OK && !l->store->url)
        rc = ls_yaml_error(err, l->path, name, "store %s has no url", name->text);
    return rc;
}

static enum ls_code read_stores(struct loader *l, const struct yaml_node *map, struct ls_error *err)
{
    enum ls_code rc = need_map(l, map, "a list of stores", err);

    l->stores = ls_arena_array(l->mem, map->count, sizeof *l->stores);
    if (!l->stores)
        return ls_error_nomem(err);
    for (size_t i = 0; i < map->count && rc == LS_OK; i++)
        rc = read_store(l, map->items[2 * i], map->items[2 * i + 1], err);
    return rc;
}

/* ---- syncs ---- */

/* STORE.COLLECTION, STORE, or a URL. */
static enum ls_code read_side(struct loader *l, const struct yaml_node *node,
                              struct ls_side_config *side, struct ls_error *err)
{
    const char *text = NULL, *names[64], *near;
    size_t length, n = 0;
    enum ls_code rc = need_text(l, node, &text, err);

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
                                        store->zone};
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

static enum ls_code read_source(struct loader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return read_side(l, node, &l->sync->source, err);
}

static enum ls_code read_target(struct loader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return read_side(l, node, &l->sync->target, err);
}

static enum ls_code read_key(struct loader *l, const struct yaml_node *node, struct ls_error *err)
{
    const size_t count = node->kind == YAML_LIST ? node->count : 1;
    const char **key = ls_arena_array(l->mem, count, sizeof *key);
    enum ls_code rc = LS_OK;

    if (!key)
        return ls_error_nomem(err);
    if (count == 0)
        return ls_yaml_error(err, l->path, node, "a key has at least one field");
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = need_text(l, node->kind == YAML_LIST ? node->items[i] : node, &key[i], err);
    l->sync->key = key;
    l->sync->key_count = count;
    return rc;
}

static enum ls_code read_pairs(struct loader *l, const struct yaml_node *map, const char *what,
                               const struct ls_field_config **ret, size_t *ret_count,
                               struct ls_error *err)
{
    struct ls_field_config *fields = ls_arena_array(l->mem, map->count, sizeof *fields);
    enum ls_code rc = need_map(l, map, what, err);

    if (!fields)
        return ls_error_nomem(err);
    for (size_t i = 0; i < map->count && rc == LS_OK; i++) {
        fields[i].target = map->items[2 * i]->text;
        rc = need_text(l, map->items[2 * i + 1], &fields[i].expression, err);
    }
    *ret = fields;
    *ret_count = map->count;
    return rc;
}

static enum ls_code read_fields(struct loader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    if (node->kind == YAML_MAP && node->count == 0)
        return ls_yaml_error(err, l->path, node,
                             "fields is empty; leave it out for all fields of the same name");
    return read_pairs(l, node, "fields (target: expression)", &l->sync->fields,
                      &l->sync->field_count, err);
}

static enum ls_code read_where(struct loader *l, const struct yaml_node *node, struct ls_error *err)
{
    return need_text(l, node, &l->sync->where, err);
}

static enum ls_code read_target_where(struct loader *l, const struct yaml_node *node,
                                      struct ls_error *err)
{
    return need_text(l, node, &l->sync->target_where, err);
}

static enum ls_code read_soft(struct loader *l, const struct yaml_node *node, struct ls_error *err)
{
    l->sync->deletes = LS_DELETES_SOFT;
    if (node->kind == YAML_MAP && node->count == 0)
        return ls_yaml_error(err, l->path, node,
                             "soft deletes set at least one field: soft: { deleted_at: now }");
    return read_pairs(l, node, "soft (field: now, or an expression)", &l->sync->soft,
                      &l->sync->soft_count, err);
}

static enum ls_code read_deletes(struct loader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    enum word { REMOVE, KEEP, SOFT };
    static const char *const words[] = {[REMOVE] = "remove", [KEEP] = "keep", [SOFT] = "soft"};
    static const struct entry entries[] = {{"soft", read_soft}};
    size_t word = 0;
    enum ls_code rc;

    if (node->kind == YAML_MAP)
        return READ_MAP(l, node, entries, "deletes", err);
    rc = need_word(l, node, words, COUNT(words), &word, err);
    if (rc == LS_OK && word == SOFT)
        rc = ls_yaml_error(
            err, l->path, node,
            "soft deletes say which field they set: deletes: { soft: { deleted_at: now } }");
    l->sync->deletes = word == KEEP ? LS_DELETES_KEEP : LS_DELETES_REMOVE;
    return rc;
}

static enum ls_code read_brake_deletes(struct loader *l, const struct yaml_node *node,
                                       struct ls_error *err)
{
    return need_share(l, node, &l->sync->brake_deletes, err);
}

static enum ls_code read_brake_changes(struct loader *l, const struct yaml_node *node,
                                       struct ls_error *err)
{
    return need_share(l, node, &l->sync->brake_changes, err);
}

static enum ls_code read_brakes(struct loader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    static const struct entry entries[] = {{"deletes", read_brake_deletes},
                                           {"changes", read_brake_changes}};

    return READ_MAP(l, node, entries, "brakes", err);
}

static enum ls_code read_atomic(struct loader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return need_bool(l, node, &l->sync->atomic, err);
}

static enum ls_code read_cascades(struct loader *l, const struct yaml_node *node,
                                  struct ls_error *err)
{
    static const char *const words[] = {"refuse", "accept"};
    size_t word = 0;
    const enum ls_code rc = need_word(l, node, words, COUNT(words), &word, err);

    l->sync->cascades_accept = word == 1;
    return rc;
}

static enum ls_code read_batch(struct loader *l, const struct yaml_node *node, struct ls_error *err)
{
    int64_t rows = 0;
    const enum ls_code rc = need_count(l, node, "records", 100000, &rows, err);

    l->sync->batch_rows = (size_t)rows;
    return rc;
}

static enum ls_code read_writers(struct loader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    int64_t writers = 0;
    const enum ls_code rc = need_count(l, node, "writers", LS_WRITERS_MAX, &writers, err);

    l->sync->writers = (size_t)writers;
    return rc;
}

/* A setting of which this version can do the first word only. */
static enum ls_code read_only_first(struct loader *l, const struct yaml_node *node,
                                    const char *const *words, size_t count, struct ls_error *err)
{
    size_t word = 0;
    const enum ls_code rc = need_word(l, node, words, count, &word, err);

    return rc == LS_OK && word > 0 ? read_later(l, node, err) : rc;
}

static enum ls_code read_mode(struct loader *l, const struct yaml_node *node, struct ls_error *err)
{
    static const char *const words[] = {"full", "delta", "stream"};

    return read_only_first(l, node, words, COUNT(words), err);
}

static enum ls_code read_direction(struct loader *l, const struct yaml_node *node,
                                   struct ls_error *err)
{
    static const char *const words[] = {"one-way", "two-way"};

    return read_only_first(l, node, words, COUNT(words), err);
}

static enum ls_code read_conflicts(struct loader *l, const struct yaml_node *node,
                                   struct ls_error *err)
{
    static const char *const words[] = {"source", "target", "newest", "field", "manual"};

    return read_only_first(l, node, words, COUNT(words), err);
}

static const struct entry sync_entries[] = {
    {"source", read_source},     {"target", read_target},       {"key", read_key},
    {"fields", read_fields},     {"where", read_where},         {"target_where", read_target_where},
    {"mode", read_mode},         {"direction", read_direction}, {"conflicts", read_conflicts},
    {"deletes", read_deletes},   {"brakes", read_brakes},       {"atomic", read_atomic},
    {"cascades", read_cascades}, {"batch", read_batch},         {"cursor", read_later},
    {"schedule", read_later},    {"freshness", read_later},     {"keep_base", read_later},
    {"writers", read_writers},
};

static enum ls_code read_sync(struct loader *l, const struct yaml_node *name,
                              const struct yaml_node *node, struct ls_error *err)
{
    enum ls_code rc;

    l->sync->name = name->text;
    if (!*name->text || ls_url_looks_like(name->text))
        return ls_yaml_error(err, l->path, name,
                             "the name of a sync is a word, not empty and not a URL");
    rc = READ_MAP(l, node, sync_entries, "a sync", err);
    if (rc == LS_OK && (!l->sync->source.url || !l->sync->target.url))
        rc = ls_yaml_error(err, l->path, name, "sync %s has no %s", name->text,
                           l->sync->source.url ? "target" : "source");
    return rc;
}

static enum ls_code read_syncs(struct loader *l, const struct yaml_node *map, struct ls_error *err)
{
    enum ls_code rc = need_map(l, map, "a list of syncs", err);
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

/* ---- the file ---- */

static enum ls_code read_state(struct loader *l, const struct yaml_node *node, struct ls_error *err)
{
    return need_text(l, node, &l->config->state_url, err);
}

static enum ls_code read_keep_days(struct loader *l, const struct yaml_node *node,
                                   struct ls_error *err)
{
    int64_t days = 0;
    const enum ls_code rc = need_count(l, node, "days", 36500, &days, err);

    l->config->journal_keep_days = (int)days;
    return rc;
}

/* "10 GiB", "500MiB", "1000000". */
static enum ls_code read_keep_size(struct loader *l, const struct yaml_node *node,
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

static enum ls_code read_journal_keep(struct loader *l, const struct yaml_node *node,
                                      struct ls_error *err)
{
    static const struct entry entries[] = {{"days", read_keep_days}, {"size", read_keep_size}};

    return READ_MAP(l, node, entries, "journal_keep", err);
}

/* Stores are read before syncs, wherever they stand. */
static enum ls_code skip(struct loader *l, const struct yaml_node *node, struct ls_error *err)
{
    (void)l;
    (void)node;
    (void)err;
    return LS_OK;
}

static const struct entry file_entries[] = {
    {"state", read_state},
    {"stores", skip},
    {"syncs", read_syncs},
    {"journal_keep", read_journal_keep},
};

enum ls_code ls_config_read(const char *path, struct ls_config **ret, struct ls_error *err)
{
    struct ls_config *config = calloc(1, sizeof *config);
    struct loader l = {.path = path, .config = config};
    struct yaml_node *root = NULL;
    const struct yaml_node *stores;
    enum ls_code rc;

    if (!config)
        return ls_error_nomem(err);
    ls_arena_init(&config->mem, 0);
    l.mem = &config->mem;
    config->path = ls_arena_text(&config->mem, path);
    rc = ls_yaml_read(path, &config->mem, &root, err);
    if (rc == LS_OK && (stores = ls_yaml_get(root, "stores")) != NULL)
        rc = read_stores(&l, stores, err);
    if (rc == LS_OK)
        rc = READ_MAP(&l, root, file_entries, "a configuration", err);
    if (rc == LS_OK)
        *ret = config;
    else
        ls_config_free(config);
    return rc;
}

void ls_config_free(struct ls_config *config)
{
    if (!config)
        return;
    ls_arena_done(&config->mem);
    free(config);
}
