/* SPDX-License-Identifier: Apache-2.0 */
/* eval.h - evaluates parsed field expressions on an SQLite database in memory.
 *
 * The database is empty, defensive and closed by an authorizer that knows only the
 * allow list of functions; a progress limit ends an expression that runs away. One evaluator belongs to one thread. */
#ifndef LS_SQL_EVAL_H
#define LS_SQL_EVAL_H

#include "model/expr.h"

struct ls_eval;

LS_MUST_CHECK enum ls_code ls_eval_open(struct ls_eval **ret, struct ls_error *err);
void ls_eval_close(struct ls_eval *eval);

/* Adds an expression; *ret_id names it in ls_eval_value(). expr must outlive the evaluator. */
LS_MUST_CHECK enum ls_code ls_eval_add(struct ls_eval *eval, const struct ls_expr *expr,
                                       int *ret_id, struct ls_error *err);
/* The expression's value for a record (values by schema index; only the fields it reads are looked at). The result's
 * data lives in mem. Result types: NULL, INT, DOUBLE, TEXT, BYTES, and DECIMAL or the field's own type where known. LS_DATA when evaluation
 * fails (the message has the expression, not the record). */
LS_MUST_CHECK enum ls_code ls_eval_value(struct ls_eval *eval, int id,
                                         const struct ls_value *record, struct ls_arena *mem,
                                         struct ls_value *ret, struct ls_error *err);
/* The expression as a condition: NULL and 0 are false. */
LS_MUST_CHECK enum ls_code ls_eval_true(struct ls_eval *eval, int id, const struct ls_value *record,
                                        struct ls_arena *mem, bool *ret, struct ls_error *err);

#endif
