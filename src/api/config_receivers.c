/* SPDX-License-Identifier: Apache-2.0 */
/* config_receivers.c - lockstep.yaml: receivers, where others send their messages.
 *
 * Three names are those of the documents and know more by themselves: their secret is WEBHOOK_SECRET, and which types they take is said there. */
#include <stdlib.h>
#include <string.h>

#include "api/config_read.h"
#include "base/text.h"

#define WINDOW_MIN_MS 1000
#define WINDOW_MAX_MS (INT64_C(7) * 86400000)

static const struct {
    const char *name;
    size_t type_count;
    const char *const types[3];
} documented[] = {
    {"enrollment-changed", 1, {"enrollment.*"}},
    {"profile-updated", 2, {"profile.*", "user.*"}},
    {"sync", 0, {NULL}},
};

/* ---- how it is signed ---- */

static enum ls_code read_scheme(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    const char *words[LS_SIGN_QSTASH];
    size_t word = 0;
    enum ls_code rc;

    for (enum ls_sign_scheme s = 0; s < LS_SIGN_QSTASH; s++) /* QStash has paths of its own */
        words[s] = ls_sign_scheme_word(s);
    rc = ls_config_word(l, node, words, COUNT(words), &word, err);
    l->receiver->scheme = (enum ls_sign_scheme)word;
    return rc;
}

static enum ls_code read_header(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return ls_config_text(l, node, &l->receiver->header, err);
}

static enum ls_code read_secrets(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    return ls_config_texts(l, node, &l->receiver->secrets, &l->receiver->secret_count, err);
}

static enum ls_code read_window(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    int64_t ms = 0;
    const enum ls_code rc = ls_config_duration(l, node, WINDOW_MIN_MS, WINDOW_MAX_MS, &ms, err);

    l->receiver->window_s = ms / 1000;
    return rc;
}

static enum ls_code read_size(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    int64_t bytes = 0;
    const enum ls_code rc =
        ls_config_count(l, node, "bytes", (int64_t)LS_RECEIVER_BODY_MAX, &bytes, err);

    l->receiver->body_max = (size_t)bytes;
    return rc;
}

/* ---- what it says ---- */

static enum ls_code read_types(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    return ls_config_texts(l, node, &l->receiver->types, &l->receiver->type_count, err);
}

#define PART(part, read)                                                               \
    static enum ls_code read(struct ls_config_reader *l, const struct yaml_node *node, \
                             struct ls_error *err)                                     \
    {                                                                                  \
        return ls_config_text(l, node, &l->receiver->parts[part], err);                \
    }
PART(LS_SAID_DATA, read_data)
PART(LS_SAID_TYPE, read_type)
PART(LS_SAID_ID, read_id)
PART(LS_SAID_RESOURCE, read_resource)
PART(LS_SAID_AT, read_at)
PART(LS_SAID_DELETE, read_delete)
#undef PART

/* ---- what is done ---- */

static enum ls_code read_target(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return ls_config_side(l, node, &l->target->side, err);
}

static enum ls_code read_key(struct ls_config_reader *l, const struct yaml_node *node,
                             struct ls_error *err)
{
    return ls_config_texts(l, node, &l->target->key, &l->target->key_count, err);
}

static enum ls_code read_fields(struct ls_config_reader *l, const struct yaml_node *node,
                                struct ls_error *err)
{
    return ls_config_pairs(l, node, "fields (target: expression)", &l->target->fields,
                           &l->target->field_count, err);
}

static bool can_note(const char *url)
{
    for (size_t i = 0; ls_store_kinds[i]; i++) {
        const size_t length = strlen(ls_store_kinds[i]->scheme);

        if ((ls_store_kinds[i]->caps & LS_CAP_INBOX) &&
            strncmp(url, ls_store_kinds[i]->scheme, length) == 0)
            return true; /* postgresql: is postgres too */
    }
    return false;
}

static enum ls_code read_one_target(struct ls_config_reader *l, const struct yaml_node *node,
                                    struct ls_error *err)
{
    static const struct ls_config_entry entries[] = {
        {"target", read_target}, {"key", read_key}, {"fields", read_fields}};
    enum ls_code rc = node->kind == YAML_TEXT ? read_target(l, node, err)
                                              : LS_CONFIG_MAP(l, node, entries, "apply", err);

    if (rc == LS_OK && !l->target->side.url)
        return ls_yaml_error(err, l->path, node, "apply needs a target: STORE.COLLECTION");
    if (rc == LS_OK && !can_note(l->target->side.url))
        return ls_yaml_error(err, l->path, node,
                             "messages can be applied to SQLite and PostgreSQL, which note them "
                             "in the same transaction. For another store, run a sync: sync: NAME");
    return rc;
}

static enum ls_code read_apply(struct ls_config_reader *l, const struct yaml_node *node,
                               struct ls_error *err)
{
    const size_t count = node->kind == YAML_LIST ? node->count : 1;
    struct ls_receiver_target *targets = ls_arena_array(l->mem, count, sizeof *targets);
    enum ls_code rc = LS_OK;

    if (!targets)
        return ls_error_nomem(err);
    if (!count)
        return ls_yaml_error(err, l->path, node, "apply names at least one target");
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        l->target = &targets[i];
        rc = read_one_target(l, node->kind == YAML_LIST ? node->items[i] : node, err);
        if (rc == LS_OK && strcmp(targets[i].side.url, targets[0].side.url) != 0)
            rc = ls_yaml_error(err, l->path, node->items[i],
                               "all targets of a receiver are in one store: they are written in "
                               "one transaction");
    }
    l->receiver->targets = targets;
    l->receiver->target_count = count;
    return rc;
}

static enum ls_code read_sync(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    const char *near;
    enum ls_code rc = ls_config_text(l, node, &l->receiver->sync, err);

    for (size_t i = 0; rc == LS_OK && i < l->config->sync_count; i++)
        if (strcmp(l->config->names[i], node->text) == 0)
            return LS_OK;
    if (rc != LS_OK)
        return rc;
    near = ls_text_nearest(node->text, l->config->names, l->config->sync_count);
    return ls_yaml_error(err, l->path, node, "there is no sync named \"%s\" under syncs%s%s%s",
                         node->text, near ? ". Did you mean \"" : "", near ? near : "",
                         near ? "\"?" : "");
}

static enum ls_code read_only(struct ls_config_reader *l, const struct yaml_node *node,
                              struct ls_error *err)
{
    return ls_config_pairs(l, node, "only (field of the target: expression)", &l->receiver->only,
                           &l->receiver->only_count, err);
}

static enum ls_code read_conflicts(struct ls_config_reader *l, const struct yaml_node *node,
                                   struct ls_error *err)
{
    static const char *const words[] = {"newest", "message"};
    size_t word = 0;
    const enum ls_code rc = ls_config_word(l, node, words, COUNT(words), &word, err);

    l->receiver->conflicts = word ? LS_CONFLICTS_MESSAGE : LS_CONFLICTS_NEWEST;
    return rc;
}

static enum ls_code read_forward(struct ls_config_reader *l, const struct yaml_node *node,
                                 struct ls_error *err)
{
    return ls_config_bool(l, node, &l->receiver->forward, err);
}

static const struct ls_config_entry receiver_entries[] = {
    {"scheme", read_scheme},   {"header", read_header},     {"secret", read_secrets},
    {"secrets", read_secrets}, {"window", read_window},     {"body_bytes", read_size},
    {"types", read_types},     {"data", read_data},         {"type", read_type},
    {"id", read_id},           {"resource", read_resource}, {"at", read_at},
    {"delete", read_delete},   {"apply", read_apply},       {"sync", read_sync},
    {"only", read_only},       {"forward", read_forward},   {"conflicts", read_conflicts},
};

/* ---- all of it ---- */

static enum ls_code complete(struct ls_config_reader *l, struct ls_error *err)
{
    struct ls_receiver *r = l->receiver;
    const char *given = getenv("WEBHOOK_SECRET");
    size_t i = 0;

    while (i < COUNT(documented) && strcmp(documented[i].name, r->name) != 0)
        i++;
    if (i == COUNT(documented) || r->scheme != LS_SIGN_DOCUMENTED)
        return LS_OK;
    if (!r->type_count) {
        r->types = documented[i].types;
        r->type_count = documented[i].type_count;
    }
    if (!r->secret_count && given && *given) {
        const char **secret = ls_arena_array(l->mem, 1, sizeof *secret);

        if (!secret || !(*secret = ls_arena_text(l->mem, given)))
            return ls_error_nomem(err);
        r->secrets = secret;
        r->secret_count = 1;
    }
    return LS_OK;
}

static bool name_fits(const char *name)
{
    const size_t length = strlen(name);

    return length > 0 && length <= 100 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
               length;
}

static enum ls_code read_receiver(struct ls_config_reader *l, const struct yaml_node *name,
                                  const struct yaml_node *node, struct ls_error *err)
{
    struct ls_receiver *r = l->receiver;
    struct ls_error why;
    enum ls_code rc;

    r->name = name->text;
    if (!name_fits(r->name))
        return ls_yaml_error(
            err, l->path, name,
            "the name of a receiver is part of its path: letters, digits, - and _");
    rc = LS_CONFIG_MAP(l, node, receiver_entries, "a receiver", err);
    if (rc == LS_OK)
        rc = complete(l, err);
    if (rc != LS_OK)
        return rc;
    if (r->scheme == LS_SIGN_HEADER && !r->header)
        return ls_yaml_error(err, l->path, name,
                             "receiver %s does not say which header has the secret", r->name);
    if (!r->secret_count)
        return ls_yaml_error(err, l->path, name,
                             "receiver %s has no secret: what comes has to be signed. Write it as "
                             "${NAME} and keep it in the environment",
                             r->name);
    if (!r->sync == !r->target_count)
        return ls_yaml_error(err, l->path, name,
                             "receiver %s has to say what to do: apply: or sync:, one of them",
                             r->name);
    if (r->only_count && !r->sync)
        return ls_yaml_error(err, l->path, name, "only: belongs to sync:");
    if (ls_receiver_check(r, &why) != LS_OK)
        return ls_yaml_error(err, l->path, name, "receiver %s: %s", r->name, why.text);
    return LS_OK;
}

enum ls_code ls_config_receivers(struct ls_config_reader *l, const struct yaml_node *map,
                                 struct ls_error *err)
{
    enum ls_code rc = ls_config_is_map(l, map, "a list of receivers", err);
    struct ls_receiver *receivers = ls_arena_array(l->mem, map->count, sizeof *receivers);

    if (!receivers)
        return ls_error_nomem(err);
    for (size_t i = 0; i < map->count && rc == LS_OK; i++) {
        l->receiver = &receivers[i];
        rc = read_receiver(l, map->items[2 * i], map->items[2 * i + 1], err);
    }
    l->config->receivers = receivers;
    l->config->receiver_count = map->count;
    return rc;
}
