/* SPDX-License-Identifier: Apache-2.0 */
/* eval_priv.h - what eval.c and the functions it registers share. Not for others. */
#ifndef LS_SQL_EVAL_PRIV_H
#define LS_SQL_EVAL_PRIV_H

#include <sqlite3.h>

#include "base/arena.h"
#include "model/value.h"

/* What a function of ours works with: one for each type. */
struct ls_eval_context {
    enum ls_type type;
    struct ls_arena *scratch; /* emptied between evaluations */
};

/* Registers every ls_ function that ls_expr_sql() can name; contexts has LS_TYPE_COUNT entries and outlives db. An SQLite code. */
int ls_eval_register(sqlite3 *db, struct ls_eval_context *contexts);

#endif
