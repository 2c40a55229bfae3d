/* SPDX-License-Identifier: Apache-2.0 */
/* expr.h - field expressions and filters: SQL expressions over one record, parsed by us.
 *
 * `lower(email)`, `first || ' ' || last`, `data ->> '$.name'`, `price >= 10 AND status IN ('a','b')`.
 * The grammar is SQLite's expression grammar without subqueries, aggregates, windows, bind parameters, RAISE,
 * MATCH/REGEXP and double-quoted strings ("x" is always a field). Names are fields, looked up by exact case.
 * Functions come from an allow list of deterministic ones. The parse is ours, so that nothing but one
 * expression can ever reach the evaluator (src/sql/eval.h). Pure. */
#ifndef LS_MODEL_EXPR_H
#define LS_MODEL_EXPR_H

#include "model/schema.h"

#define LS_EXPR_MAX_BYTES 4096
#define LS_EXPR_MAX_DEPTH 64

struct ls_expr; /* a parsed expression, immutable, in the arena it was parsed into */

/* Parses `text` over the fields of `schema`. LS_CONFIG with the column of the fault, what was expected or which name
 * or function is not known or not allowed, and the nearest one that is. */
LS_MUST_CHECK enum ls_code ls_expr_parse(const char *text, const struct ls_schema *schema,
                                         struct ls_arena *mem, struct ls_expr **ret,
                                         struct ls_error *err);

/* The field when the expression is nothing but one (then values pass untouched), else -1. */
int ls_expr_field(const struct ls_expr *expr);
/* The fields it reads: indexes into the schema, ascending, each once. Borrowed. */
const size_t *ls_expr_fields(const struct ls_expr *expr, size_t *ret_count);
/* What its values are, as far as can be told: the type of a cast, a comparison (INT 0/1/NULL), a field; else NULL-type. */
enum ls_type ls_expr_type(const struct ls_expr *expr);
/* The text it was parsed from, for messages. */
const char *ls_expr_text(const struct ls_expr *expr);
/* The SQL for the evaluator: fields as ls_field(?1), ls_field(?2)... (positions in ls_expr_fields) with the affinity of their type, every
 * comparison in which a decimal takes part as a call of ls_cmp(a, b), every + - * of them as ls_add, ls_sub, ls_mul;
 * comparisons of times and UUIDs as ls_cmp_date, ls_cmp_timestamptz and so on (docs/expressions.md). */
const char *ls_expr_sql(const struct ls_expr *expr);
/* Fields with LS_FIELD_DYNAMIC may hold values of another kind than their type says, which an affinity would change.
 * For a record of which ls_expr_holds() is false, this SQL is the right one; it is ls_expr_sql() itself where there are no such fields. */
const char *ls_expr_loose_sql(const struct ls_expr *expr);
bool ls_expr_holds(const struct ls_expr *expr, const struct ls_value *record);
/* How the evaluator sees a value that is a text to it, and back: like ls_value_to_text() and _from_text(), but a timestamptz is written
 * with Z, which SQLite's time functions read; a date is a timestamp at midnight (UTC); a text with a zone is no timestamp.
 * false when the text is no such value. data lives in mem. */
void ls_expr_write(struct ls_buf *out, const struct ls_value *v);
bool ls_expr_read(enum ls_type type, const char *text, size_t size, struct ls_arena *mem,
                  struct ls_value *ret);
/* Whether an expression's SQL may call a function of this name: the evaluator's authorizer asks. */
bool ls_expr_may_call(const char *name);

/* One condition that means the same in every store: field op literal. */
enum ls_op {
    LS_OP_EQ,
    LS_OP_NE,
    LS_OP_LT,
    LS_OP_LE,
    LS_OP_GT,
    LS_OP_GE,
    LS_OP_IN,
    LS_OP_IS_NULL,
    LS_OP_NOT_NULL
};
struct ls_condition {
    size_t field; /* index into the schema */
    enum ls_op op;
    size_t value_count;            /* IN: many; IS [NOT] NULL: 0; else 1 */
    const struct ls_value *values; /* converted to the field's type */
};
struct ls_filter { /* joined by AND */
    size_t count;
    const struct ls_condition *conditions;
};
/* The part of the expression that may be pushed down to a store (plain `field op literal` joined by AND whose
 * literal fits the field's type, on INT, DECIMAL, BOOL, UUID, DATE and times, and = <> IN on TEXT); *ret_whole: the rest is
 * empty and need not be evaluated here. An expression of which nothing can be pushed gives count 0. */
LS_MUST_CHECK enum ls_code ls_expr_pushdown(const struct ls_expr *expr,
                                            const struct ls_schema *schema, struct ls_arena *mem,
                                            struct ls_filter *ret, bool *ret_whole,
                                            struct ls_error *err);
/* Whether a record (values by schema index) meets all conditions; for stores that filter in process. */
bool ls_filter_match(const struct ls_filter *filter, const struct ls_schema *schema,
                     const struct ls_value *values);

/* Builds a filter from FIELD=VALUE pairs (`--only`), values read as the field's type. */
LS_MUST_CHECK enum ls_code ls_filter_only(const char *const *pairs, size_t count,
                                          const struct ls_schema *schema, struct ls_arena *mem,
                                          struct ls_filter *ret, struct ls_error *err);
#endif
