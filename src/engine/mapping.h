/* SPDX-License-Identifier: Apache-2.0 */
/* mapping.h - from a record as a side's scan has it to a record of the job's layout.
 *
 * A mapping belongs to the job and never changes after it was opened; a mapper is one thread's use of it for
 * one side: it owns the evaluator. */
#ifndef LS_ENGINE_MAPPING_H
#define LS_ENGINE_MAPPING_H

#include "engine/job.h"

enum ls_side_name { LS_SIDE_SOURCE, LS_SIDE_TARGET };
const char *ls_side_word(enum ls_side_name side); /* source, target */
static inline const struct ls_side *ls_job_side(const struct ls_job *job, enum ls_side_name side)
{
    return side == LS_SIDE_SOURCE ? &job->source : &job->target;
}

/* Where the source's value of a layout field comes from: the first of these that is there. */
struct ls_map_field {
    const char *text;             /* as configured, for messages and the job's digest */
    const struct ls_expr *expr;   /* computed */
    const struct ls_value *fixed; /* an unmapped soft-delete field: its value in a live record */
    size_t position;              /* else this field of the source's scan, as it is */
    size_t source;                /* its schema index */
    bool converts;                /* the types differ: values go through ls_value_convert() */
    bool trims; /* so do texts, for a char(n), which does not keep blanks at the end */
    const struct ls_zone *zone; /* in which zone-less times are meant, or NULL */
};

/* What a soft delete puts into a field of the target: one of these. */
struct ls_soft_mark {
    bool now;                     /* the time of the run; marked when it is not NULL */
    const struct ls_value *fixed; /* a constant; marked when it is equal */
    const struct ls_expr *expr; /* computed from mapped fields; tells nothing about being marked */
};

struct ls_mapping {
    size_t field_count; /* of the layout */
    const struct ls_map_field *fields;
    bool identity;                  /* the source's scan gives layout records: nothing to do */
    bool computed;                  /* a field has an expression */
    const struct ls_expr *where[2]; /* by side: what the store does not filter itself, or NULL */
    struct ls_filter only;          /* over layout positions, evaluated here on both sides */
    struct ls_filter pairs;         /* likewise, but a pair takes part when either side meets it */
    const struct ls_soft_mark *marks; /* soft_count: how a deleted record is marked, and known */
};

struct ls_mapper;
LS_MUST_CHECK enum ls_code ls_mapper_open(const struct ls_job *job, enum ls_side_name side,
                                          struct ls_mapper **ret, struct ls_error *err);
void ls_mapper_close(struct ls_mapper *mapper);
/* The records of a scan over the side's fields as layout records, in mem (or `in` itself, where nothing is to be done); those that the filters
 * leave out are gone. Values that the target's field cannot hold stay as they are, and so differ from
 * all that it can hold. LS_DATA when an expression fails. */
LS_MUST_CHECK enum ls_code ls_mapper_rows(struct ls_mapper *mapper, const struct ls_rows *in,
                                          struct ls_arena *mem, struct ls_rows *ret,
                                          struct ls_error *err);

/* Whether a pair (layout records; NULL: not there) is among those that --only names. */
bool ls_job_wants_pair(const struct ls_job *job, const struct ls_value *source,
                       const struct ls_value *target);
/* Whether a record of the target (in the layout) carries the marks of a soft delete. */
bool ls_job_soft_deleted(const struct ls_job *job, const struct ls_value *record);

/* Appends `id=7, tenant=a` with the side's own field names: for messages. Long values are cut. */
void ls_job_key_text(struct ls_buf *out, const struct ls_job *job, enum ls_side_name side,
                     const struct ls_value *key);

#endif
