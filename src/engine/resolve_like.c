/* SPDX-License-Identifier: Apache-2.0 */
/* resolve_like.c - what a target that does not exist yet would look like.
 *
 * The mapped fields by the target's names with the source's types, a type for each expression as far as it can be told
 * (text otherwise), the fields that soft deletes need, and the key. Identity, defaults and generation stay behind: the values
 * come from the source. */
#include "engine/resolve_priv.h"

#include <string.h>

/* The field that would hold the values of an expression. */
static struct ls_field field_like(const struct ls_schema *source, const struct ls_draft *d,
                                  const char *name)
{
    const unsigned kept = LS_FIELD_NOT_NULL | LS_FIELD_FOLDS | LS_FIELD_PADDED | LS_FIELD_DYNAMIC;
    struct ls_field f = {
        .name = name, .type = LS_T_TEXT, .engine = "", .precision = -1, .scale = -1};

    if (d->plain) {
        f = source->fields[d->source];
        f.name = name;
        f.flags &= kept;
        return f;
    }
    if (d->expr && ls_expr_type(d->expr) != LS_T_NULL)
        f.type = ls_expr_type(d->expr);
    f.native = ls_type_word(f.type);
    return f;
}

static enum ls_code like_fields(const struct ls_schema *source, const struct ls_sync_config *config,
                                struct ls_arena *mem, struct ls_field *fields,
                                struct ls_draft *drafts, size_t *count, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < source->field_count && !config->field_count; i++) {
        if (ls_field_generated(source, i))
            continue;
        drafts[*count] = (struct ls_draft){.plain = true, .source = i};
        fields[*count] = field_like(source, &drafts[*count], source->fields[i].name);
        (*count)++;
    }
    for (size_t i = 0; i < config->field_count && rc == LS_OK; i++) {
        const struct ls_field_config *f = &config->fields[i];

        rc = ls_draft_read(source, f->expression ? f->expression : f->target, mem, &drafts[*count],
                           err);
        if (rc != LS_OK)
            return ls_error_wrap(err, "fields: %s, over source %s", f->target, source->collection);
        fields[*count] = field_like(source, &drafts[*count], f->target);
        (*count)++;
    }
    return rc;
}

/* Soft-delete fields that are not mapped must be there as well. */
static void like_soft(const struct ls_sync_config *config, struct ls_field *fields, size_t *count)
{
    const size_t soft = config->deletes == LS_DELETES_SOFT ? config->soft_count : 0;

    for (size_t i = 0; i < soft; i++) {
        const struct ls_field_config *s = &config->soft[i];
        const enum ls_type type = ls_soft_is_now(s->expression) ? LS_T_TIMESTAMPTZ : LS_T_BOOL;
        bool there = false;

        for (size_t j = 0; j < *count && !there; j++)
            there = strcmp(fields[j].name, s->target) == 0;
        if (there)
            continue;
        fields[(*count)++] = (struct ls_field){.name = s->target,
                                               .type = type,
                                               .native = ls_type_word(type),
                                               .engine = "",
                                               .precision = -1,
                                               .scale = -1};
    }
}

static enum ls_code like_named_key(const struct ls_schema *like, const struct ls_draft *drafts,
                                   const struct ls_sync_config *config, size_t *key,
                                   struct ls_error *err)
{
    for (size_t i = 0; i < config->key_count; i++) {
        enum ls_code rc = ls_schema_need(like, config->key[i], &key[i], err);

        if (rc != LS_OK)
            return ls_error_wrap(err, "key");
        if (!drafts[key[i]].plain)
            return ls_error_set(err, LS_CONFIG,
                                "key: %s is computed. A key field may be renamed, not computed",
                                config->key[i]);
    }
    return LS_OK;
}

/* The first key of the source whose fields are all there, plain. */
static size_t like_source_key(const struct ls_schema *source, const struct ls_draft *drafts,
                              size_t draft_count, size_t *key)
{
    for (size_t k = 0; k < source->key_count; k++) {
        const struct ls_key *from = &source->keys[k];
        size_t found = 0;

        for (size_t i = 0; i < from->field_count && (from->not_null || from->primary); i++) {
            for (size_t j = 0; j < draft_count; j++) {
                if (drafts[j].plain && drafts[j].source == from->fields[i]) {
                    key[found++] = j;
                    break;
                }
            }
        }
        if (found && found == from->field_count)
            return found;
    }
    return 0;
}

enum ls_code ls_resolve_like(const struct ls_schema *source, const struct ls_sync_config *config,
                             const char *collection, struct ls_arena *mem, struct ls_schema **ret,
                             size_t *ret_key_count, const size_t **ret_key, struct ls_error *err)
{
    const size_t room =
        source->field_count + config->field_count + config->soft_count + config->key_count + 1;
    struct ls_schema *like = ls_arena_alloc(mem, sizeof *like);
    struct ls_field *fields = ls_arena_array(mem, room, sizeof *fields);
    struct ls_draft *drafts = ls_arena_array(mem, room, sizeof *drafts);
    size_t *key = ls_arena_array(mem, room, sizeof *key), count = 0, mapped;
    enum ls_code rc;

    if (!like || !fields || !drafts || !key)
        return ls_error_nomem(err);
    rc = like_fields(source, config, mem, fields, drafts, &count, err);
    if (rc != LS_OK)
        return rc;
    mapped = count;
    like_soft(config, fields, &count);
    *like = (struct ls_schema){.collection = collection,
                               .field_count = count,
                               .fields = fields,
                               .rows_estimate = -1,
                               .fingerprint = ""};
    *ret_key_count = config->key_count;
    if (config->key_count)
        rc = like_named_key(like, drafts, config, key, err);
    else
        *ret_key_count = like_source_key(source, drafts, mapped, key);
    if (rc == LS_OK && !*ret_key_count)
        rc = ls_error_set(err, LS_NO_KEY,
                          "source %s has no primary key among the mapped fields for a target made "
                          "like it. Name key fields with --key FIELDS (or key:)",
                          source->collection);
    for (size_t i = 0; i < *ret_key_count && rc == LS_OK; i++)
        fields[key[i]].flags |= LS_FIELD_NOT_NULL;
    *ret = like;
    *ret_key = key;
    return rc;
}
