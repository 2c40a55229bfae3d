/* SPDX-License-Identifier: Apache-2.0 */
/* sought.c - what --only names in fields that are no key, as each side's store may look for it.
 *
 * A pair takes part when either side meets the conditions, so neither store can decide it; but a record that
 * does not meet them says nothing about its pair that the other side's does not say. So each store may leave out what it is sure
 * of, and what either gives leads to the pairs. All that is needed of a store is that nothing is missing: whether a
 * pair takes part is decided here, on the records as the layout has them.
 *
 * The conditions are over the layout, whose values of the target are the stored ones. Those of the source went through the
 * mapping, so a condition can be turned back only where that is plain: the field of the same type, and whole numbers
 * against decimals. Where a source may hold values of other types (SQLite) that are converted on the way, the store is told,
 * since it knows whether there are any that would become the value. Expressions are not turned round, nor is a cut of blanks.
 *
 * One condition of several is enough: fewer of them give more records, never fewer. */
#include "engine/sought.h"

#include "model/decimal.h"
#include <string.h>

static const char computed_there[] = "it is computed there";
static const char other_type[] = "it is of another type there";
static const char trimmed[] = "blanks at its end do not count there";
static const char compared_otherwise[] = "the store does not compare it as lockstep does";

static bool turn_value(const struct ls_value *v, enum ls_type to, struct ls_arena *mem,
                       struct ls_value *ret)
{
    struct ls_buf text;
    const char *copy;

    if (to == LS_T_INT) {
        *ret = ls_value_int(0);
        return ls_decimal_to_i64(v->data, v->size, &ret->i);
    }
    ls_buf_init(&text, 0);
    ls_buf_i64(&text, v->i);
    copy = text.failed ? NULL : ls_arena_text(mem, ls_buf_str(&text));
    ls_buf_done(&text);
    if (copy)
        *ret = ls_value_data(LS_T_DECIMAL, copy, strlen(copy));
    return copy;
}

/* Whole numbers for decimals, and the other way. A fraction is left alone: a whole number is none, but what else SQLite
 * has in the column may be one. */
static bool turn_numbers(struct ls_condition *c, enum ls_type from, enum ls_type to,
                         struct ls_arena *mem)
{
    struct ls_value *values;

    if (!(from == LS_T_INT && to == LS_T_DECIMAL) && !(from == LS_T_DECIMAL && to == LS_T_INT))
        return false;
    values = ls_arena_array(mem, c->value_count, sizeof *values);
    for (size_t i = 0; values && i < c->value_count; i++)
        if (c->values[i].type != from || !turn_value(&c->values[i], to, mem, &values[i]))
            return false;
    c->values = values;
    return values;
}

/* Turns a condition over the layout into one over the source; NULL, or why that cannot be done. */
static const char *turn_back(const struct ls_job *job, struct ls_sought *sought,
                             struct ls_arena *mem)
{
    struct ls_condition *c = &sought->condition;
    const struct ls_map_field *map = &job->mapping->fields[c->field];
    const struct ls_field *to = &job->layout.fields[c->field], *from;

    if (map->expr || map->fixed)
        return computed_there;
    if (map->trims)
        return trimmed;
    from = &job->source.schema->fields[map->source];
    if (from->type != to->type && !turn_numbers(c, to->type, from->type, mem))
        return other_type;
    c->field = map->source;
    sought->converts = map->converts && (from->flags & LS_FIELD_DYNAMIC);
    return NULL;
}

void ls_find_sought(const struct ls_job *job, enum ls_side_name side, struct ls_arena *mem,
                    struct ls_side_sought *ret)
{
    const struct ls_filter *pairs = &job->mapping->pairs;
    const struct ls_side *of = ls_job_side(job, side);
    struct ls_sought *found = ls_arena_array(mem, pairs->count, sizeof *found);

    *ret = (struct ls_side_sought){.sought = found};
    for (size_t i = 0; found && i < pairs->count; i++) {
        struct ls_sought sought = {.condition = pairs->conditions[i]};
        const char *why = NULL;

        if (side == LS_SIDE_SOURCE)
            why = turn_back(job, &sought, mem);
        else
            sought.condition.field = job->target_fields[sought.condition.field];
        if (!why && !ls_store_seeks(of->store, of->schema, &sought))
            why = compared_otherwise;
        if (!why) {
            found[ret->count++] = sought;
        } else if (!ret->why) {
            ret->why = why;
            ret->field = job->layout.fields[pairs->conditions[i].field].name;
        }
    }
}
