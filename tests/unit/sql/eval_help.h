/* SPDX-License-Identifier: Apache-2.0 */
/* eval_help.h - what the tests of the evaluator share: an evaluator, and a record with a field of each type. */
#ifndef LS_TESTS_SQL_EVAL_HELP_H
#define LS_TESTS_SQL_EVAL_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "model/expr_priv.h"
#include "sql/eval.h"
#include "sql_help.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

extern struct ls_arena mem;
extern struct ls_eval *eval;

#define FIELD(n, t, f)                                                                           \
    {                                                                                            \
        .name = (n), .type = LS_T_##t, .native = "", .engine = "", .precision = -1, .scale = -1, \
        .flags = (f)                                                                             \
    }

/* A field of each type, and a record of them. */
extern const struct ls_field fields[23];
extern const struct ls_schema schema;
extern struct ls_value record[COUNT(fields)];
int eval_set_up(void **state);
int eval_tear_down(void **state);
/* "type text", in mem. */
const char *shown(const struct ls_value *value);

#define TEST(name) cmocka_unit_test_setup_teardown(name, eval_set_up, eval_tear_down)

#endif
