/* SPDX-License-Identifier: Apache-2.0 */
/* resolve.c - which fields are compared, by which key, under which filters.
 *
 * Works on drafts: one a mapped field, in the layout's order. Fields come first (configured, or all that have the
 * same name on both sides), then the key among them, then what a soft delete needs; only then is the layout made, because its
 * order is final once positions are handed out.
 *
 * The key. A name given is taken, whether the stores enforce it or not: where they do not, reading checks it. Left out, it
 * must be a key that the target enforces (its primary key first) and whose fields are plain fields of the
 * source; a source that enforces keys at all must enforce this one too. A target that enforces nothing (a file, a view) takes
 * the source's key. Guessing any further would make two records out of one, or one of two; so beyond that the answer is a list of
 * columns that could serve. Computed fields are never keys: a record is fetched by its key on both sides.
 *
 * Filters. What the store can decide as we would is pushed down; when anything is left, the whole expression is
 * evaluated here on what came. --only conditions go to the target as they are and to the source where the field is
 * plain and of the same type; else to the mapped record.
 *
 * A soft-delete field that is not mapped needs a value in live records, or a record that comes back
 * to the source would stay deleted: NULL for `now`, the opposite of a constant true, false, 0 or 1. Other constants are refused
 * until the field is mapped as well. */
#include "engine/resolve.h"

#include <string.h>

#include "model/convert.h"

#define SHOWN_CANDIDATES 8 /* columns named in a message; more would not be read */

struct draft {
    size_t target; /* schema index */
    const char *text;
    struct ls_expr *expr; /* NULL for a plain field */
    bool plain;
    size_t source; /* schema index, when plain */
    const struct ls_value *fixed;
};

struct resolver {
    struct ls_job *job;
    const struct ls_sync_config *config;
    struct ls_arena *mem;
    const struct ls_schema *source, *target;
    size_t count;
    struct draft *drafts; /* room for every field of the target */
    size_t key_count;
    size_t *key; /* positions in drafts */
};

/* ---- sets of fields ---- */

static bool has(const size_t *set, size_t count, size_t field)
{
    for (size_t i = 0; i < count; i++) {
        if (set[i] == field)
            return true;
    }
    return false;
}

bool ls_schema_enforces(const struct ls_schema *schema, const size_t *fields, size_t count,
                        bool strict)
{
    for (size_t i = 0; i < schema->key_count; i++) {
        const struct ls_key *key = &schema->keys[i];
        bool within = key->field_count > 0 && (key->not_null || (!strict && key->primary));

        for (size_t j = 0; j < key->field_count && within; j++)
            within = has(fields, count, key->fields[j]);
        if (within)
            return true;
    }
    return false;
}

static bool constrained(const struct ls_schema *schema)
{
    return (schema->flags & LS_SCHEMA_CONSTRAINTS) && !(schema->flags & LS_SCHEMA_VIEW);
}

static const struct ls_field *target_field(const struct resolver *r, const struct draft *d)
{
    return &r->target->fields[d->target];
}

static int draft_of_target(const struct resolver *r, size_t target)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->drafts[i].target == target)
            return (int)i;
    }
    return -1;
}

static int draft_of_source(const struct resolver *r, size_t source)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->drafts[i].plain && r->drafts[i].source == source)
            return (int)i;
    }
    return -1;
}

static bool generated(const struct ls_schema *schema, size_t field)
{
    return schema->fields[field].flags & LS_FIELD_GENERATED;
}

/* ---- fields ---- */

static void default_fields(struct resolver *r)
{
    for (size_t i = 0; i < r->target->field_count; i++) {
        const char *name = r->target->fields[i].name;
        const int source = ls_schema_find(r->source, name);

        if (source < 0 || generated(r->target, i) || generated(r->source, (size_t)source))
            continue;
        r->drafts[r->count++] =
            (struct draft){.target = i, .text = name, .plain = true, .source = (size_t)source};
    }
}

/* A field's own name is always the field, whatever it would mean as an expression. */
static enum ls_code read_expression(const struct ls_schema *source, const char *text,
                                    struct ls_arena *mem, struct draft *d, struct ls_error *err)
{
    int field = ls_schema_find(source, text);
    enum ls_code rc = LS_OK;

    if (field < 0) {
        rc = ls_expr_parse(text, source, mem, &d->expr, err);
        if (rc != LS_OK)
            return rc;
        field = ls_expr_field(d->expr);
    }
    if (field >= 0) {
        d->plain = true;
        d->source = (size_t)field;
        d->expr = NULL;
    }
    return LS_OK;
}

static enum ls_code configured_field(struct resolver *r, const struct ls_field_config *field,
                                     struct ls_error *err)
{
    struct draft d = {.text = field->expression ? field->expression : field->target};
    enum ls_code rc;

    rc = ls_schema_need(r->target, field->target, &d.target, err);
    if (rc != LS_OK)
        return ls_error_wrap(err, "fields: target");
    if (draft_of_target(r, d.target) >= 0)
        return ls_error_set(err, LS_CONFIG, "fields: %s is mapped twice. Leave one of them",
                            field->target);
    if (generated(r->target, d.target))
        return ls_error_set(err, LS_CONFIG,
                            "fields: %s of target %s is generated by the store and cannot be "
                            "written. Leave it out",
                            field->target, r->target->collection);
    rc = read_expression(r->source, d.text, r->mem, &d, err);
    if (rc != LS_OK)
        return ls_error_wrap(err, "fields: %s, over source %s", field->target,
                             r->source->collection);
    r->drafts[r->count++] = d;
    return LS_OK;
}

/* Puts a field of the key that the configuration left out in front of the others, where both sides have
 * it by the same name. */
static void add_key_field(struct resolver *r, size_t target)
{
    const int source = ls_schema_find(r->source, r->target->fields[target].name);

    if (source < 0 || draft_of_target(r, target) >= 0 || generated(r->target, target) ||
        generated(r->source, (size_t)source))
        return;
    memmove(r->drafts + 1, r->drafts, r->count * sizeof *r->drafts);
    r->drafts[0] = (struct draft){.target = target,
                                  .text = r->target->fields[target].name,
                                  .plain = true,
                                  .source = (size_t)source};
    r->count++;
}

static void add_key_fields(struct resolver *r)
{
    for (size_t i = r->config->key_count; i-- > 0;) {
        const int target = ls_schema_find(r->target, r->config->key[i]);

        if (target >= 0)
            add_key_field(r, (size_t)target);
    }
    if (r->config->key_count || !r->target->key_count || !r->target->keys[0].primary)
        return;
    for (size_t i = r->target->keys[0].field_count; i-- > 0;)
        add_key_field(r, r->target->keys[0].fields[i]);
}

static enum ls_code resolve_fields(struct resolver *r, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    r->drafts = ls_arena_array(r->mem, r->target->field_count + 1, sizeof *r->drafts);
    if (!r->drafts)
        return ls_error_nomem(err);
    if (!r->config->field_count)
        default_fields(r);
    for (size_t i = 0; i < r->config->field_count && rc == LS_OK; i++)
        rc = configured_field(r, &r->config->fields[i], err);
    if (rc != LS_OK)
        return rc;
    if (r->config->field_count)
        add_key_fields(r);
    if (!r->count)
        return ls_error_set(err, LS_CONFIG,
                            "source %s and target %s have no field of the same name. Map them "
                            "with fields:",
                            r->source->collection, r->target->collection);
    return LS_OK;
}

/* ---- the key ---- */

static enum ls_code named_key(struct resolver *r, struct ls_error *err)
{
    r->key = ls_arena_array(r->mem, r->config->key_count, sizeof *r->key);
    if (!r->key)
        return ls_error_nomem(err);
    for (size_t i = 0; i < r->config->key_count; i++) {
        const char *name = r->config->key[i];
        size_t target = 0;
        int at;
        enum ls_code rc = ls_schema_need(r->target, name, &target, err);

        if (rc != LS_OK)
            return ls_error_wrap(err, "key: target");
        if (generated(r->target, target))
            return ls_error_set(err, LS_CONFIG,
                                "key: %s of target %s is generated by the store. Name fields that "
                                "can be written",
                                name, r->target->collection);
        at = draft_of_target(r, target);
        if (at < 0)
            return ls_error_set(err, LS_CONFIG,
                                "key: %s is not among the mapped fields, and source %s has no "
                                "field of that name. Map it with fields:",
                                name, r->source->collection);
        if (!r->drafts[at].plain)
            return ls_error_set(err, LS_CONFIG,
                                "key: %s is computed (%s). A key field may be renamed, not "
                                "computed",
                                name, r->drafts[at].text);
        if (has(r->key, i, (size_t)at))
            return ls_error_set(err, LS_CONFIG, "key: %s is named twice", name);
        r->key[r->key_count++] = (size_t)at;
    }
    return LS_OK;
}

/* The schema indexes of the key on one side, in an array with room for them. */
static void key_fields(const struct resolver *r, bool of_source, size_t *ret)
{
    for (size_t i = 0; i < r->key_count; i++) {
        const struct draft *d = &r->drafts[r->key[i]];

        ret[i] = of_source ? d->source : d->target;
    }
}

/* Takes a key of one side when all its fields are plain fields of the other and the other side does not
 * contradict it. */
static bool take_key(struct resolver *r, const struct ls_key *key, bool of_source, size_t *scratch)
{
    const struct ls_schema *other = of_source ? r->target : r->source;

    r->key_count = 0;
    if (!key->field_count || !(key->not_null || key->primary))
        return false;
    for (size_t i = 0; i < key->field_count; i++) {
        const int at =
            of_source ? draft_of_source(r, key->fields[i]) : draft_of_target(r, key->fields[i]);

        if (at < 0 || !r->drafts[at].plain)
            return false;
        r->key[i] = (size_t)at;
    }
    r->key_count = key->field_count;
    key_fields(r, !of_source, scratch);
    if (!constrained(other) || ls_schema_enforces(other, scratch, r->key_count, false))
        return true;
    r->key_count = 0;
    return false;
}

/* Names columns that could serve: those some unique index names, else all plain ones. */
static void candidates(const struct resolver *r, struct ls_buf *out)
{
    size_t shown = 0;
    const struct ls_schema *sides[] = {r->target, r->source};

    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < sides[s]->key_count && shown < SHOWN_CANDIDATES; i++) {
            const struct ls_key *key = &sides[s]->keys[i];

            ls_buf_printf(out, "%s", shown++ ? "; " : "");
            for (size_t j = 0; j < key->field_count; j++)
                ls_buf_printf(out, "%s%s", j ? "," : "", sides[s]->fields[key->fields[j]].name);
            ls_buf_printf(out, " (%s of the %s%s)", key->primary ? "primary key" : "unique",
                          s ? "source" : "target", key->not_null ? "" : ", may be NULL");
        }
    }
    if (shown)
        return;
    for (size_t i = 0; i < r->count && shown < SHOWN_CANDIDATES; i++) {
        if (r->drafts[i].plain)
            ls_buf_printf(out, "%s%s", shown++ ? ", " : "", target_field(r, &r->drafts[i])->name);
    }
}

static enum ls_code no_key(const struct resolver *r, struct ls_error *err)
{
    struct ls_buf text;
    enum ls_code rc;

    ls_buf_init(&text, 600);
    candidates(r, &text);
    rc = ls_error_set(err, LS_NO_KEY,
                      "source %s and target %s share no primary key or unique not-null key. Name "
                      "the fields of one with --key FIELDS (or key:); these could serve: %s",
                      r->source->collection, r->target->collection, text.data ? text.data : "none");
    ls_buf_done(&text);
    return rc;
}

static enum ls_code shared_key(struct resolver *r, struct ls_error *err)
{
    const size_t room = r->target->field_count + r->source->field_count + 1;
    size_t *scratch = ls_arena_array(r->mem, room, sizeof *scratch);

    r->key = ls_arena_array(r->mem, room, sizeof *r->key);
    if (!scratch || !r->key)
        return ls_error_nomem(err);
    for (size_t i = 0; i < r->target->key_count; i++) {
        if (take_key(r, &r->target->keys[i], false, scratch))
            return LS_OK;
    }
    for (size_t i = 0; i < r->source->key_count && !constrained(r->target); i++) {
        if (take_key(r, &r->source->keys[i], true, scratch))
            return LS_OK;
    }
    return no_key(r, err);
}

static enum ls_code resolve_key(struct resolver *r, struct ls_error *err)
{
    enum ls_code rc = r->config->key_count ? named_key(r, err) : shared_key(r, err);
    size_t *scratch;

    if (rc != LS_OK)
        return rc;
    scratch = ls_arena_array(r->mem, r->key_count, sizeof *scratch);
    if (!scratch)
        return ls_error_nomem(err);
    key_fields(r, true, scratch);
    r->job->key_enforced =
        constrained(r->source) && ls_schema_enforces(r->source, scratch, r->key_count, true);
    key_fields(r, false, scratch);
    r->job->key_enforced = r->job->key_enforced && constrained(r->target) &&
                           ls_schema_enforces(r->target, scratch, r->key_count, true);
    return LS_OK;
}

/* ---- soft deletes ---- */

static bool is_now(const char *expression)
{
    return strcmp(expression, "now") == 0;
}

static enum ls_code evaluate_constant(const struct ls_expr *expr, struct ls_arena *mem,
                                      struct ls_value *ret, struct ls_error *err)
{
    struct ls_eval *eval = NULL;
    int id = 0;
    enum ls_code rc = ls_eval_open(&eval, err);

    if (rc == LS_OK)
        rc = ls_eval_add(eval, expr, &id, err);
    if (rc == LS_OK)
        rc = ls_eval_value(eval, id, NULL, mem, ret, err);
    ls_eval_close(eval);
    return rc;
}

/* An expression over the target: its value when it reads no field, else itself. */
static enum ls_code read_mark(struct resolver *r, const struct ls_field_config *soft,
                              const struct ls_field *field, struct ls_soft_mark *mark,
                              struct ls_error *err)
{
    struct ls_expr *expr = NULL;
    struct ls_value computed, *fixed = ls_arena_alloc(r->mem, sizeof *fixed);
    const size_t *reads;
    size_t count = 0;
    enum ls_code rc;

    if (!fixed)
        return ls_error_nomem(err);
    rc = ls_expr_parse(soft->expression, r->target, r->mem, &expr, err);
    if (rc != LS_OK)
        return rc;
    reads = ls_expr_fields(expr, &count);
    for (size_t i = 0; i < count; i++) {
        if (draft_of_target(r, reads[i]) < 0)
            return ls_error_set(err, LS_CONFIG, "%s is not a mapped field. Map it with fields:",
                                r->target->fields[reads[i]].name);
    }
    if (count) {
        mark->expr = expr;
        return LS_OK;
    }
    rc = evaluate_constant(expr, r->mem, &computed, err);
    if (rc == LS_OK)
        rc = ls_value_convert(&computed, field, r->job->target.zone, r->mem, fixed, err);
    mark->fixed = fixed;
    return rc;
}

/* What an unmapped soft-delete field has in a live record. */
static enum ls_code live_value(struct resolver *r, const struct ls_field_config *soft,
                               const struct ls_value *mark, const struct ls_value **ret,
                               struct ls_error *err)
{
    struct ls_value *live = ls_arena_alloc(r->mem, sizeof *live);

    if (!live)
        return ls_error_nomem(err);
    *ret = live;
    if (is_now(soft->expression))
        return LS_OK; /* zeroed: NULL */
    if (mark && mark->type == LS_T_BOOL) {
        *live = *mark;
        live->b = !mark->b;
        return LS_OK;
    }
    if (mark && mark->type == LS_T_INT && (mark->i == 0 || mark->i == 1)) {
        *live = ls_value_int(1 - mark->i);
        return LS_OK;
    }
    return ls_error_set(err, LS_CONFIG,
                        "deletes: the value of soft-delete field %s in a live record is not known "
                        "(%s). Map it with fields: as well",
                        soft->target, soft->expression);
}

static enum ls_code soft_field(struct resolver *r, const struct ls_field_config *soft,
                               struct ls_soft *ret, struct ls_soft_mark *mark, struct ls_error *err)
{
    struct draft d = {.text = soft->expression};
    int at;
    enum ls_code rc = ls_schema_need(r->target, soft->target, &d.target, err);

    if (rc != LS_OK)
        return ls_error_wrap(err, "deletes: soft");
    if (generated(r->target, d.target))
        return ls_error_set(err, LS_CONFIG,
                            "deletes: soft-delete field %s is generated by the store. Name one "
                            "that can be written",
                            soft->target);
    mark->now = is_now(soft->expression);
    if (!mark->now) {
        rc = read_mark(r, soft, target_field(r, &d), mark, err);
        if (rc != LS_OK)
            return ls_error_wrap(err, "deletes: soft-delete field %s", soft->target);
    }
    ret->expression = soft->expression;
    at = draft_of_target(r, d.target);
    if (at < 0) {
        rc = live_value(r, soft, mark->fixed, &d.fixed, err);
        if (rc != LS_OK)
            return rc;
        at = (int)r->count;
        r->drafts[r->count++] = d;
    }
    if (has(r->key, r->key_count, (size_t)at))
        return ls_error_set(err, LS_CONFIG, "deletes: soft-delete field %s is part of the key",
                            soft->target);
    ret->position = (size_t)at;
    return LS_OK;
}

static enum ls_code resolve_soft(struct resolver *r, struct ls_mapping *mapping,
                                 struct ls_error *err)
{
    const size_t count = r->job->deletes == LS_DELETES_SOFT ? r->config->soft_count : 0;
    struct ls_soft *soft = ls_arena_array(r->mem, count, sizeof *soft);
    struct ls_soft_mark *marks = ls_arena_array(r->mem, count, sizeof *marks);
    bool known = false;
    enum ls_code rc = LS_OK;

    if (!soft || !marks)
        return ls_error_nomem(err);
    if (r->job->deletes == LS_DELETES_SOFT && !count)
        return ls_error_set(err, LS_CONFIG,
                            "deletes: soft needs a field to mark, as in soft: { deleted_at: now }");
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        rc = soft_field(r, &r->config->soft[i], &soft[i], &marks[i], err);
        known = known || marks[i].now || marks[i].fixed;
    }
    if (rc == LS_OK && count && !known)
        rc = ls_error_set(err, LS_CONFIG,
                          "deletes: soft needs a field that is set to now or to a constant, by "
                          "which a deleted record is known");
    r->job->soft_count = count;
    r->job->soft = soft;
    mapping->marks = marks;
    return rc;
}

/* ---- the layout ---- */

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

static void map_draft(const struct resolver *r, const struct draft *d, struct ls_map_field *map)
{
    const struct ls_field *to = target_field(r, d);
    const struct ls_field *from = d->plain ? &r->source->fields[d->source] : NULL;
    const struct ls_job *job = r->job;

    map->text = d->text;
    map->expr = d->expr;
    map->fixed = d->fixed;
    map->source = d->source;
    map->zone = from && zone_less(from->type) ? job->source.zone : job->target.zone;
    map->converts = !from || from->type != to->type ||
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

static enum ls_code make_layout(struct resolver *r, struct ls_mapping *mapping,
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
        const struct draft *d = &r->drafts[i];

        fields[i] = *target_field(r, d);
        targets[i] = d->target;
        as[i] = as_of(d->plain ? &r->source->fields[d->source] : NULL, &fields[i]);
        map_draft(r, d, &maps[i]);
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
static enum ls_code make_source_fields(struct resolver *r, struct ls_mapping *mapping,
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

static enum ls_code make_target_fields(struct resolver *r, const struct ls_mapping *mapping,
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

/* ---- filters ---- */

static enum ls_code filter_of(struct resolver *r, const char *text, const struct ls_schema *schema,
                              struct ls_side *side, const struct ls_expr **ret_rest,
                              struct ls_error *err)
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

static enum ls_code push(struct resolver *r, struct ls_filter *filter, struct ls_condition extra,
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

/* One --only condition (over the target's schema) to wherever it can be decided. */
static enum ls_code only_condition(struct resolver *r, struct ls_mapping *mapping,
                                   struct ls_condition c, struct ls_error *err)
{
    const struct ls_field *to = &r->target->fields[c.field];
    const int at = draft_of_target(r, c.field);
    bool here = !pushable(to->type) || (to->flags & LS_FIELD_DYNAMIC);
    const struct draft *d;
    enum ls_code rc = LS_OK;

    if (at < 0)
        return ls_error_set(err, LS_CONFIG, "--only: %s is not a field of this sync", to->name);
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
static enum ls_code only_keys(struct resolver *r, const struct ls_filter *only,
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

static enum ls_code resolve_filters(struct resolver *r, struct ls_mapping *mapping,
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

/* The number of expressions that a mapper adds before the where of a side. */
static int expressions(const struct ls_mapping *mapping)
{
    int count = 0;

    for (size_t i = 0; i < mapping->field_count; i++)
        count += mapping->fields[i].expr != NULL;
    return count;
}

static enum ls_code finish(struct resolver *r, struct ls_mapping *mapping, struct ls_error *err)
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
    struct resolver r = {.job = job,
                         .config = config,
                         .mem = &job->mem,
                         .source = job->source.schema,
                         .target = job->target.schema};
    struct ls_mapping *mapping = ls_arena_alloc(&job->mem, sizeof *mapping);
    enum ls_code rc;

    if (!mapping)
        return ls_error_nomem(err);
    rc = resolve_fields(&r, err);
    if (rc == LS_OK)
        rc = resolve_key(&r, err);
    if (rc == LS_OK)
        rc = resolve_soft(&r, mapping, err);
    if (rc == LS_OK)
        rc = resolve_filters(&r, mapping, err);
    return rc == LS_OK ? finish(&r, mapping, err) : rc;
}

/* ---- the target alone, and a target to be ---- */

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

/* The field that would hold the values of an expression. */
static struct ls_field field_like(const struct ls_schema *source, const struct draft *d,
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
                                struct ls_arena *mem, struct ls_field *fields, struct draft *drafts,
                                size_t *count, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < source->field_count && !config->field_count; i++) {
        if (generated(source, i))
            continue;
        drafts[*count] = (struct draft){.plain = true, .source = i};
        fields[*count] = field_like(source, &drafts[*count], source->fields[i].name);
        (*count)++;
    }
    for (size_t i = 0; i < config->field_count && rc == LS_OK; i++) {
        const struct ls_field_config *f = &config->fields[i];

        rc = read_expression(source, f->expression ? f->expression : f->target, mem,
                             &drafts[*count], err);
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
        const enum ls_type type = is_now(s->expression) ? LS_T_TIMESTAMPTZ : LS_T_BOOL;
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

static enum ls_code like_named_key(const struct ls_schema *like, const struct draft *drafts,
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
static size_t like_source_key(const struct ls_schema *source, const struct draft *drafts,
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
    struct draft *drafts = ls_arena_array(mem, room, sizeof *drafts);
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
