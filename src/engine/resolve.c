/* SPDX-License-Identifier: Apache-2.0 */
/* resolve.c - from a configuration and two schemas to a layout and a mapping.
 *
 * Works on drafts, one a mapped field, in the layout's order. Fields come first (resolve_fields.c), then the key
 * among them (resolve_key.c), then what a soft delete needs (resolve_soft.c) and the filters (resolve_filter.c);
 * only then is the layout made, here, because positions are final once they are handed out.
 *
 * A job over the target alone is resolved as one of the target with itself. */
#include "engine/resolve_priv.h"

/* Adds a schema index to a side's list unless it is there; gives its position. */
static size_t read_field(size_t *list, size_t *count, size_t field)
{
    for (size_t i = 0; i < *count; i++) {
        if (list[i] == field)
            return i;
    }
    list[*count] = field;
    return (*count)++;
}

static void read_inputs(size_t *list, size_t *count, const struct ls_expr *expr)
{
    size_t reads = 0;
    const size_t *fields = expr ? ls_expr_fields(expr, &reads) : NULL;

    for (size_t i = 0; i < reads; i++)
        (void)read_field(list, count, fields[i]);
}

static bool zone_less(enum ls_type type)
{
    return type == LS_T_TIMESTAMP || type == LS_T_DATE || type == LS_T_TIME;
}

/* How the values of a layout field are compared. A zone-less source meets absolute time (or the other way) as
 * the target's own type, which it is converted to before. */
static struct ls_as as_of(const struct ls_field *source, const struct ls_field *target)
{
    struct ls_as as;

    if (!source)
        return ls_as_of(target, target);
    as = ls_as_of(source, target);
    if (source->type != target->type &&
        (source->type == LS_T_TIMESTAMPTZ || target->type == LS_T_TIMESTAMPTZ)) {
        const uint8_t fraction = as.fraction;

        as = ls_as_of(target, target);
        if (fraction < as.fraction)
            as.fraction = fraction;
    }
    return as;
}

static bool is_key(const struct ls_resolver *r, size_t i)
{
    for (size_t k = 0; k < r->key_count; k++)
        if (r->key[k] == i)
            return true;
    return false;
}

/* A key is not trimmed: that would change its order, and the source would not know it by that text. */
static void map_draft(const struct ls_resolver *r, size_t i, struct ls_map_field *map)
{
    const struct ls_draft *d = &r->drafts[i];
    const struct ls_field *to = ls_draft_field(r, d);
    const struct ls_field *from = d->plain ? &r->source->fields[d->source] : NULL;
    const struct ls_job *job = r->job;

    map->text = d->text;
    map->expr = d->expr;
    map->fixed = d->fixed;
    map->source = d->source;
    map->zone = from && zone_less(from->type) ? job->source.zone : job->target.zone;
    map->trims = (to->flags & LS_FIELD_PADDED) && !(from && (from->flags & LS_FIELD_PADDED)) &&
                 !is_key(r, i);
    map->converts = map->trims || !from || from->type != to->type ||
                    ((from->flags & LS_FIELD_DYNAMIC) && !(to->flags & LS_FIELD_DYNAMIC));
}

static bool is_identity(const struct ls_mapping *mapping, const struct ls_side *source)
{
    bool same = source->field_count == mapping->field_count;

    for (size_t i = 0; i < mapping->field_count && same; i++) {
        const struct ls_map_field *map = &mapping->fields[i];

        same = !map->expr && !map->fixed && !map->converts && map->position == i;
    }
    return same;
}

static enum ls_code make_layout(struct ls_resolver *r, struct ls_mapping *mapping,
                                struct ls_error *err)
{
    struct ls_job *job = r->job;
    struct ls_field *fields = ls_arena_array(r->mem, r->count, sizeof *fields);
    struct ls_as *as = ls_arena_array(r->mem, r->count, sizeof *as);
    struct ls_as *key_as = ls_arena_array(r->mem, r->key_count, sizeof *key_as);
    size_t *targets = ls_arena_array(r->mem, r->count, sizeof *targets);
    struct ls_map_field *maps = ls_arena_array(r->mem, r->count, sizeof *maps);

    if (!fields || !as || !key_as || !targets || !maps)
        return ls_error_nomem(err);
    for (size_t i = 0; i < r->count; i++) {
        const struct ls_draft *d = &r->drafts[i];

        fields[i] = *ls_draft_field(r, d);
        targets[i] = d->target;
        as[i] = as_of(d->plain ? &r->source->fields[d->source] : NULL, &fields[i]);
        map_draft(r, i, &maps[i]);
        mapping->computed = mapping->computed || d->expr;
    }
    for (size_t i = 0; i < r->key_count; i++)
        key_as[i] = as[r->key[i]];
    job->layout = (struct ls_layout){.field_count = r->count,
                                     .fields = fields,
                                     .as = as,
                                     .key_count = r->key_count,
                                     .key = r->key,
                                     .key_as = key_as};
    job->target_fields = targets;
    mapping->field_count = r->count;
    mapping->fields = maps;
    return LS_OK;
}

/* What is read of each side, and where in it the key is. */
static enum ls_code make_source_fields(struct ls_resolver *r, struct ls_mapping *mapping,
                                       struct ls_map_field *maps, struct ls_error *err)
{
    struct ls_side *side = &r->job->source;
    size_t *list = ls_arena_array(r->mem, r->source->field_count + 1, sizeof *list);
    size_t *key = ls_arena_array(r->mem, r->key_count, sizeof *key), count = 0;

    if (!list || !key)
        return ls_error_nomem(err);
    for (size_t i = 0; i < r->count; i++) {
        if (r->drafts[i].plain)
            maps[i].position = read_field(list, &count, r->drafts[i].source);
    }
    for (size_t i = 0; i < r->count; i++)
        read_inputs(list, &count, r->drafts[i].expr);
    read_inputs(list, &count, mapping->where[LS_SIDE_SOURCE]);
    for (size_t i = 0; i < r->key_count; i++)
        key[i] = maps[r->key[i]].position;
    side->field_count = count;
    side->fields = list;
    side->key_count = r->key_count;
    side->key = key;
    return LS_OK;
}

static enum ls_code make_target_fields(struct ls_resolver *r, const struct ls_mapping *mapping,
                                       struct ls_error *err)
{
    struct ls_side *side = &r->job->target;
    size_t *list = ls_arena_array(r->mem, r->target->field_count + 1, sizeof *list), count = 0;

    if (!list)
        return ls_error_nomem(err);
    for (size_t i = 0; i < r->count; i++)
        (void)read_field(list, &count, r->drafts[i].target);
    read_inputs(list, &count, mapping->where[LS_SIDE_TARGET]);
    side->field_count = count;
    side->fields = list;
    side->key_count = r->key_count;
    side->key = r->key;
    return LS_OK;
}

/* The number of expressions that a mapper adds before the where of a side. */
static int expressions(const struct ls_mapping *mapping)
{
    int count = 0;

    for (size_t i = 0; i < mapping->field_count; i++)
        count += mapping->fields[i].expr != NULL;
    return count;
}

static enum ls_code finish(struct ls_resolver *r, struct ls_mapping *mapping, struct ls_error *err)
{
    struct ls_job *job = r->job;
    struct ls_map_field *maps;
    enum ls_code rc = make_layout(r, mapping, err);

    if (rc != LS_OK)
        return rc;
    maps = ls_arena_copy(r->mem, mapping->fields, r->count * sizeof *maps);
    if (!maps)
        return ls_error_nomem(err);
    rc = make_source_fields(r, mapping, maps, err);
    if (rc == LS_OK)
        rc = make_target_fields(r, mapping, err);
    mapping->fields = maps;
    mapping->identity = rc == LS_OK && is_identity(mapping, &job->source);
    if (mapping->where[LS_SIDE_SOURCE])
        job->source.where_id = expressions(mapping);
    if (mapping->where[LS_SIDE_TARGET])
        job->target.where_id = 0;
    job->mapping = mapping;
    return rc;
}

enum ls_code ls_resolve(struct ls_job *job, const struct ls_sync_config *config,
                        struct ls_error *err)
{
    struct ls_resolver r = {.job = job,
                            .config = config,
                            .mem = &job->mem,
                            .source = job->source.schema,
                            .target = job->target.schema};
    struct ls_mapping *mapping = ls_arena_alloc(&job->mem, sizeof *mapping);
    enum ls_code rc;

    if (!mapping)
        return ls_error_nomem(err);
    rc = ls_resolve_fields(&r, err);
    if (rc == LS_OK)
        rc = ls_resolve_key(&r, err);
    if (rc == LS_OK)
        rc = ls_resolve_soft(&r, mapping, err);
    if (rc == LS_OK)
        rc = ls_resolve_filters(&r, mapping, err);
    return rc == LS_OK ? finish(&r, mapping, err) : rc;
}

/* A job over one side is a job of the side with itself: every field plain, by the same name. */
enum ls_code ls_resolve_target(struct ls_job *job, size_t key_count, const char *const *key,
                               struct ls_error *err)
{
    const struct ls_sync_config config = {.key_count = key_count, .key = key};
    enum ls_code rc;

    job->source.schema = job->target.schema;
    rc = ls_resolve(job, &config, err);
    job->source.schema = NULL;
    job->source.field_count = 0;
    job->source.key_count = 0;
    return rc;
}
