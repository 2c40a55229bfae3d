/* SPDX-License-Identifier: Apache-2.0 */
/* resolve_filter.c - which records belong to the sync, and who decides that.
 *
 * What a store can decide as we would is pushed down to it; when anything is left, the whole expression is
 * evaluated here on what came.
 *
 * --only conditions on a key field, which both sides of a pair share, go to the target as they are and to the source where
 * the field is plain and of the same type; else to the mapped record. On other fields a pair takes part when either side
 * meets them, so that they are decided when the pair is met: a side alone would make a record that differs
 * in such a field look as if the other side did not have it, and a sync would delete it. When the conditions name whole keys,
 * the keys are kept: fetching them is cheaper than any scan. */
#include "engine/resolve_priv.h"

static enum ls_code filter_of(struct ls_resolver *r, const char *text,
                              const struct ls_schema *schema, struct ls_side *side,
                              const struct ls_expr **ret_rest, struct ls_error *err)
{
    struct ls_expr *expr = NULL;
    bool whole = true;
    enum ls_code rc = LS_OK;

    side->where_id = -1;
    if (!text)
        return LS_OK;
    rc = ls_expr_parse(text, schema, r->mem, &expr, err);
    if (rc == LS_OK)
        rc = ls_expr_pushdown(expr, schema, r->mem, &side->pushed, &whole, err);
    if (rc == LS_OK && !whole)
        *ret_rest = expr;
    return rc;
}

/* The types on which every store agrees with us what equal means. */
static bool pushable(enum ls_type type)
{
    return type == LS_T_BOOL || type == LS_T_INT || type == LS_T_DECIMAL || type == LS_T_TEXT ||
           type == LS_T_DATE || type == LS_T_TIME || type == LS_T_TIMESTAMP ||
           type == LS_T_TIMESTAMPTZ || type == LS_T_UUID;
}

static enum ls_code push(struct ls_resolver *r, struct ls_filter *filter, struct ls_condition extra,
                         struct ls_error *err)
{
    struct ls_condition *all = ls_arena_array(r->mem, filter->count + 1, sizeof *all);

    if (!all)
        return ls_error_nomem(err);
    for (size_t i = 0; i < filter->count; i++)
        all[i] = filter->conditions[i];
    all[filter->count++] = extra;
    filter->conditions = all;
    return LS_OK;
}

static bool is_key(const struct ls_resolver *r, size_t draft)
{
    for (size_t k = 0; k < r->key_count; k++)
        if (r->key[k] == draft)
            return true;
    return false;
}

/* One --only condition (over the target's schema) to wherever it can be decided. */
static enum ls_code only_condition(struct ls_resolver *r, struct ls_mapping *mapping,
                                   struct ls_condition c, struct ls_error *err)
{
    const struct ls_field *to = &r->target->fields[c.field];
    const int at = ls_draft_of_target(r, c.field);
    bool here = !pushable(to->type) || (to->flags & LS_FIELD_DYNAMIC);
    const struct ls_draft *d;
    enum ls_code rc = LS_OK;

    if (at < 0)
        return ls_error_set(err, LS_CONFIG, "--only: %s is not a field of this sync", to->name);
    if (!is_key(r, (size_t)at)) {
        c.field = (size_t)at;
        return push(r, &mapping->pairs, c, err);
    }
    d = &r->drafts[at];
    if (!pushable(to->type)) {
        c.field = (size_t)at;
        return push(r, &mapping->only, c, err);
    }
    rc = push(r, &r->job->target.pushed, c, err);
    if (d->plain && r->source->fields[d->source].type == to->type) {
        c.field = d->source;
        if (rc == LS_OK)
            rc = push(r, &r->job->source.pushed, c, err);
    } else {
        here = true;
    }
    if (here && rc == LS_OK) {
        c.field = (size_t)at;
        rc = push(r, &mapping->only, c, err);
    }
    return rc;
}

/* When the conditions name whole keys, these are the keys. */
static enum ls_code only_keys(struct ls_resolver *r, const struct ls_filter *only,
                              struct ls_error *err)
{
    struct ls_value *keys;
    size_t count = 1;

    if (r->key_count == 1) {
        for (size_t i = 0; i < only->count; i++) {
            const struct ls_condition *c = &only->conditions[i];

            if (c->field == r->drafts[r->key[0]].target &&
                (c->op == LS_OP_EQ || c->op == LS_OP_IN)) {
                r->job->only_key_count = c->value_count;
                r->job->only_keys = c->values;
                return LS_OK;
            }
        }
        return LS_OK;
    }
    keys = ls_arena_array(r->mem, r->key_count, sizeof *keys);
    if (!keys)
        return ls_error_nomem(err);
    for (size_t k = 0; k < r->key_count && count; k++) {
        count = 0;
        for (size_t i = 0; i < only->count && !count; i++) {
            const struct ls_condition *c = &only->conditions[i];

            if (c->field == r->drafts[r->key[k]].target && c->op == LS_OP_EQ) {
                keys[k] = c->values[0];
                count = 1;
            }
        }
    }
    r->job->only_key_count = count;
    r->job->only_keys = keys;
    return LS_OK;
}

enum ls_code ls_resolve_filters(struct ls_resolver *r, struct ls_mapping *mapping,
                                struct ls_error *err)
{
    struct ls_filter only = {0};
    struct ls_job *job = r->job;
    enum ls_code rc;

    rc = filter_of(r, r->config->where, r->source, &job->source, &mapping->where[LS_SIDE_SOURCE],
                   err);
    if (rc != LS_OK)
        return ls_error_wrap(err, "where, over source %s", r->source->collection);
    rc = filter_of(r, r->config->target_where, r->target, &job->target,
                   &mapping->where[LS_SIDE_TARGET], err);
    if (rc != LS_OK)
        return ls_error_wrap(err, "target_where, over target %s", r->target->collection);
    if (!r->config->only_count)
        return LS_OK;
    rc = ls_filter_only(r->config->only, r->config->only_count, r->target, r->mem, &only, err);
    for (size_t i = 0; i < only.count && rc == LS_OK; i++)
        rc = only_condition(r, mapping, only.conditions[i], err);
    return rc == LS_OK ? only_keys(r, &only, err) : rc;
}
