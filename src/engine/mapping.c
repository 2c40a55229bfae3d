/* SPDX-License-Identifier: Apache-2.0 */
/* mapping.c - from a record as a side's scan has it to a record of the job's layout.
 *
 * Both sides are brought to the layout before anything is compared: the target by cutting
 * off what was only read for its filter, the source by taking over plain fields, evaluating expressions and converting
 * to the target's types. The common case, plain fields of the same types in the layout's order, costs nothing:
 * the scan's rows are the layout's rows.
 *
 * A value that the target's field cannot hold is no reason to stop comparing: it stays what
 * it is, equals nothing that the target can hold, and so shows as a difference; whoever writes it converts again and gets the error that
 * belongs to this record.
 *
 * Expressions take their fields by schema index, scans give them by position: a mapper keeps one array of
 * schema width into which each record is spread. Only the fields that are read have a
 * meaning there; the others are NULL.
 *
 * One mapper belongs to one thread; the mapping is shared and read-only. */
#include "engine/mapping.h"

#include <stdlib.h>

#include "base/text.h"
#include "model/convert.h"

#define NO_EXPRESSION (-1)
#define SHOWN_VALUE_BYTES 100 /* of a key value in a message: enough to find it by */

struct ls_mapper {
    const struct ls_job *job;
    enum ls_side_name name;
    const struct ls_side *side;
    struct ls_eval *eval;    /* NULL when nothing is evaluated */
    struct ls_value *spread; /* by schema index */
    int *ids;                /* of each layout field's expression */
    int where_id;
    bool passes;             /* rows go through untouched */
    struct ls_schema layout; /* the layout as a schema, for filters over it */
};

const char *ls_side_word(enum ls_side_name side)
{
    return side == LS_SIDE_SOURCE ? "source" : "target";
}

static bool maps(const struct ls_mapper *m)
{
    return m->name == LS_SIDE_SOURCE;
}

static enum ls_code add_expressions(struct ls_mapper *m, struct ls_error *err)
{
    const struct ls_mapping *mapping = m->job->mapping;
    const struct ls_expr *where = mapping->where[m->name];
    enum ls_code rc = LS_OK;

    for (size_t i = 0; maps(m) && i < mapping->field_count && rc == LS_OK; i++) {
        m->ids[i] = NO_EXPRESSION;
        if (mapping->fields[i].expr)
            rc = ls_eval_add(m->eval, mapping->fields[i].expr, &m->ids[i], err);
    }
    if (rc == LS_OK && where)
        rc = ls_eval_add(m->eval, where, &m->where_id, err);
    return rc;
}

static bool evaluates(const struct ls_mapper *m)
{
    return m->job->mapping->where[m->name] || (maps(m) && m->job->mapping->computed);
}

static bool passes(const struct ls_mapper *m)
{
    const struct ls_mapping *mapping = m->job->mapping;

    if (mapping->where[m->name] || mapping->only.count)
        return false;
    return maps(m) ? mapping->identity : m->side->field_count == mapping->field_count;
}

enum ls_code ls_mapper_open(const struct ls_job *job, enum ls_side_name side,
                            struct ls_mapper **ret, struct ls_error *err)
{
    struct ls_mapper *m = calloc(1, sizeof *m);
    enum ls_code rc = LS_OK;

    if (!m)
        return ls_error_nomem(err);
    m->job = job;
    m->name = side;
    m->side = ls_job_side(job, side);
    m->where_id = NO_EXPRESSION;
    m->layout.collection = m->side->schema->collection;
    m->layout.field_count = job->layout.field_count;
    m->layout.fields = job->layout.fields;
    m->passes = passes(m);
    m->spread = calloc(m->side->schema->field_count + 1, sizeof *m->spread);
    m->ids = calloc(job->layout.field_count + 1, sizeof *m->ids);
    if (!m->spread || !m->ids)
        rc = ls_error_nomem(err);
    if (rc == LS_OK && evaluates(m)) {
        rc = ls_eval_open(&m->eval, err);
        if (rc == LS_OK)
            rc = add_expressions(m, err);
    }
    if (rc != LS_OK)
        ls_mapper_close(m);
    else
        *ret = m;
    return rc;
}

void ls_mapper_close(struct ls_mapper *mapper)
{
    if (!mapper)
        return;
    ls_eval_close(mapper->eval);
    free(mapper->spread);
    free(mapper->ids);
    free(mapper);
}

static void spread(struct ls_mapper *m, const struct ls_value *record)
{
    for (size_t i = 0; i < m->side->field_count; i++)
        m->spread[m->side->fields[i]] = record[i];
}

/* The value as the target's field holds it, or as it is. */
static enum ls_code convert(const struct ls_map_field *field, const struct ls_value *v,
                            const struct ls_field *to, struct ls_arena *mem, struct ls_value *ret,
                            struct ls_error *err)
{
    enum ls_code rc;

    *ret = *v;
    if (!field->converts || v->type == LS_T_NULL || (v->type == to->type && !field->trims))
        return LS_OK;
    rc = ls_value_convert(v, to, field->zone, mem, ret, err);
    if (rc == LS_TYPE) {
        *ret = *v;
        rc = LS_OK;
    }
    return rc;
}

static enum ls_code map_field(struct ls_mapper *m, size_t i, const struct ls_value *record,
                              struct ls_arena *mem, struct ls_value *ret, struct ls_error *err)
{
    const struct ls_map_field *field = &m->job->mapping->fields[i];
    const struct ls_field *to = &m->job->layout.fields[i];
    struct ls_value computed;
    enum ls_code rc;

    if (field->expr) {
        rc = ls_eval_value(m->eval, m->ids[i], m->spread, mem, &computed, err);
        if (rc != LS_OK)
            return ls_error_wrap(err, "field %s", to->name);
        return convert(field, &computed, to, mem, ret, err);
    }
    if (field->fixed) {
        *ret = *field->fixed;
        return LS_OK;
    }
    return convert(field, &record[field->position], to, mem, ret, err);
}

/* Whether the rest of the side's filter lets the record through. */
static enum ls_code wanted(struct ls_mapper *m, struct ls_arena *mem, bool *ret,
                           struct ls_error *err)
{
    enum ls_code rc;

    *ret = true;
    if (m->where_id == NO_EXPRESSION)
        return LS_OK;
    rc = ls_eval_true(m->eval, m->where_id, m->spread, mem, ret, err);
    if (rc != LS_OK)
        return ls_error_wrap(err, "%s", maps(m) ? "where" : "target_where");
    return LS_OK;
}

static enum ls_code map_record(struct ls_mapper *m, const struct ls_value *record,
                               struct ls_arena *mem, struct ls_value *ret, bool *ret_keep,
                               struct ls_error *err)
{
    const struct ls_mapping *mapping = m->job->mapping;
    enum ls_code rc;

    if (m->eval)
        spread(m, record);
    rc = wanted(m, mem, ret_keep, err);
    for (size_t i = 0; rc == LS_OK && *ret_keep && i < mapping->field_count; i++) {
        if (maps(m))
            rc = map_field(m, i, record, mem, &ret[i], err);
        else
            ret[i] = record[i];
    }
    if (rc == LS_OK && *ret_keep && mapping->only.count)
        *ret_keep = ls_filter_match(&mapping->only, &m->layout, ret);
    return rc;
}

enum ls_code ls_mapper_rows(struct ls_mapper *mapper, const struct ls_rows *in,
                            struct ls_arena *mem, struct ls_rows *ret, struct ls_error *err)
{
    const size_t width = mapper->job->layout.field_count;
    struct ls_rows out = {.width = width};
    enum ls_code rc = LS_OK;

    if (mapper->passes) {
        *ret = *in;
        return LS_OK;
    }
    out.values = ls_arena_array(mem, in->count * width, sizeof *out.values);
    if (!out.values)
        return ls_error_nomem(err);
    for (size_t i = 0; i < in->count && rc == LS_OK; i++) {
        bool keep = false;

        rc = map_record(mapper, ls_row(in, i), mem, ls_row(&out, out.count), &keep, err);
        out.count += keep;
    }
    if (rc == LS_OK)
        *ret = out;
    return rc;
}

bool ls_job_wants_pair(const struct ls_job *job, const struct ls_value *source,
                       const struct ls_value *target)
{
    const struct ls_filter *pairs = &job->mapping->pairs;
    const struct ls_schema layout = {.collection = job->target.schema->collection,
                                     .field_count = job->layout.field_count,
                                     .fields = job->layout.fields};

    if (pairs->count == 0)
        return true;
    return (source && ls_filter_match(pairs, &layout, source)) ||
           (target && ls_filter_match(pairs, &layout, target));
}

bool ls_job_soft_deleted(const struct ls_job *job, const struct ls_value *record)
{
    const struct ls_mapping *mapping = job->mapping;

    for (size_t i = 0; i < job->soft_count; i++) {
        const size_t at = job->soft[i].position;

        if (mapping->marks[i].now && record[at].type == LS_T_NULL)
            return false;
        if (mapping->marks[i].fixed &&
            !ls_value_equal(mapping->marks[i].fixed, &record[at], &job->layout.as[at]))
            return false;
    }
    return job->soft_count > 0;
}

/* Evaluates a soft-delete expression over the fields that the layout has of the target. */
static enum ls_code compute_mark(const struct ls_job *job, const struct ls_expr *expr,
                                 const struct ls_value *record, struct ls_arena *mem,
                                 struct ls_value *ret, struct ls_error *err)
{
    struct ls_value *spread = ls_arena_array(mem, job->target.schema->field_count, sizeof *spread);
    struct ls_eval *eval = NULL;
    int id = 0;
    enum ls_code rc;

    if (!spread)
        return ls_error_nomem(err);
    for (size_t i = 0; i < job->layout.field_count; i++)
        spread[job->target_fields[i]] = record[i];
    rc = ls_eval_open(&eval, err);
    if (rc == LS_OK)
        rc = ls_eval_add(eval, expr, &id, err);
    if (rc == LS_OK)
        rc = ls_eval_value(eval, id, spread, mem, ret, err);
    ls_eval_close(eval);
    return rc;
}

enum ls_code ls_job_soft_value(const struct ls_job *job, const struct ls_soft *soft,
                               const struct ls_value *record, int64_t now_us, struct ls_arena *mem,
                               struct ls_value *ret, struct ls_error *err)
{
    const struct ls_soft_mark *mark = &job->mapping->marks[soft - job->soft];
    const struct ls_field *field = &job->layout.fields[soft->position];
    struct ls_value v = {.type = LS_T_TIMESTAMPTZ, .i = now_us};
    enum ls_code rc = LS_OK;

    if (mark->fixed) {
        *ret = *mark->fixed;
        return LS_OK;
    }
    if (mark->expr)
        rc = compute_mark(job, mark->expr, record, mem, &v, err);
    if (rc == LS_OK)
        rc = ls_value_convert(&v, field, job->target.zone, mem, ret, err);
    return rc == LS_OK ? rc : ls_error_wrap(err, "soft-delete field %s", field->name);
}

static void append_value(struct ls_buf *out, const struct ls_value *v)
{
    struct ls_buf text;

    ls_buf_init(&text, 0);
    if (v->type == LS_T_NULL)
        ls_buf_text(&text, "NULL");
    else
        ls_value_to_text(&text, v);
    if (!text.failed && text.data)
        ls_text_printable(
            out, text.data,
            ls_utf8_cut(text.data, text.size < SHOWN_VALUE_BYTES ? text.size : SHOWN_VALUE_BYTES));
    if (text.size > SHOWN_VALUE_BYTES)
        ls_buf_text(out, "...");
    ls_buf_done(&text);
}

void ls_job_key_text(struct ls_buf *out, const struct ls_job *job, enum ls_side_name side,
                     const struct ls_value *key)
{
    for (size_t i = 0; i < job->layout.key_count; i++) {
        const size_t at = job->layout.key[i];
        const char *name = side == LS_SIDE_SOURCE && job->source.schema
                               ? job->source.schema->fields[job->mapping->fields[at].source].name
                               : job->layout.fields[at].name;

        ls_buf_printf(out, "%s%s=", i ? ", " : "", name);
        append_value(out, &key[i]);
    }
}
