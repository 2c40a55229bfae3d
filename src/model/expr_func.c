/* SPDX-License-Identifier: Apache-2.0 */
/* expr_func.c - the functions an expression may call.
 *
 * An allow list: a function is here only if it gives the same result for the same arguments on every machine, sees
 * nothing but its arguments, and cannot be made to use much more memory than its arguments have. What a reader of
 * SQL would miss has a line in the second table, which says why, or what to write instead. docs/expressions.md lists
 * the same names; a test holds the two against each other.
 *
 * Left out on purpose: math functions (a build option of SQLite), soundex (the same), likely() and its kind (only
 * hints), zeroblob (nothing but size), everything with chance, a clock, the file system or the connection in it. */
#include "model/expr_priv.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

static const struct ls_expr_function functions[] = {
    {"abs", 1, 1, LS_T_NULL, LS_FN_EXACT},
    {"char", 0, -1, LS_T_TEXT, 0},
    {"coalesce", 2, -1, LS_T_NULL, LS_FN_UNIFY},
    {"date", 1, -1, LS_T_TEXT, LS_FN_MOMENT},
    {"datetime", 1, -1, LS_T_TEXT, LS_FN_MOMENT},
    {"format", 1, -1, LS_T_TEXT, LS_FN_GROWS},
    {"glob", 2, 2, LS_T_INT, 0},
    {"hex", 1, 1, LS_T_TEXT, 0},
    {"ifnull", 2, 2, LS_T_NULL, LS_FN_UNIFY},
    {"iif", 3, 3, LS_T_NULL, LS_FN_UNIFY | LS_FN_IIF},
    {"instr", 2, 2, LS_T_INT, 0},
    {"json", 1, 1, LS_T_JSON, 0},
    {"json_array", 0, -1, LS_T_JSON, 0},
    {"json_array_length", 1, 2, LS_T_INT, 0},
    {"json_extract", 2, -1, LS_T_NULL, 0},
    {"json_insert", 1, -1, LS_T_JSON, 0},
    {"json_object", 0, -1, LS_T_JSON, 0},
    {"json_patch", 2, 2, LS_T_JSON, 0},
    {"json_quote", 1, 1, LS_T_JSON, 0},
    {"json_remove", 1, -1, LS_T_NULL, 0},
    {"json_replace", 1, -1, LS_T_JSON, 0},
    {"json_set", 1, -1, LS_T_JSON, 0},
    {"json_type", 1, 2, LS_T_TEXT, 0},
    {"json_valid", 1, 1, LS_T_INT, 0},
    {"julianday", 1, -1, LS_T_DOUBLE, LS_FN_MOMENT},
    {"length", 1, 1, LS_T_INT, 0},
    {"like", 2, 3, LS_T_INT, 0},
    {"lower", 1, 1, LS_T_TEXT, 0},
    {"ltrim", 1, 2, LS_T_TEXT, 0},
    {"max", 2, -1, LS_T_NULL, LS_FN_EXTREME},
    {"min", 2, -1, LS_T_NULL, LS_FN_EXTREME},
    {"nullif", 2, 2, LS_T_NULL, LS_FN_NULLIF},
    {"printf", 1, -1, LS_T_TEXT, LS_FN_GROWS},
    {"quote", 1, 1, LS_T_TEXT, 0},
    {"replace", 3, 3, LS_T_TEXT, 0},
    {"round", 1, 2, LS_T_DOUBLE, LS_FN_EXACT},
    {"rtrim", 1, 2, LS_T_TEXT, 0},
    {"sign", 1, 1, LS_T_INT, 0},
    {"strftime", 2, -1, LS_T_TEXT, LS_FN_MOMENT | LS_FN_FORMAT},
    {"substr", 2, 3, LS_T_NULL, 0}, /* of a blob it is one */
    {"substring", 2, 3, LS_T_NULL, 0},
    {"time", 1, -1, LS_T_TEXT, LS_FN_MOMENT},
    {"trim", 1, 2, LS_T_TEXT, 0},
    {"typeof", 1, 1, LS_T_TEXT, 0},
    {"unicode", 1, 1, LS_T_INT, 0},
    {"unixepoch", 1, -1, LS_T_INT, LS_FN_MOMENT},
    {"upper", 1, 1, LS_T_TEXT, 0},
};

#define AGGREGATE "It adds up many records; an expression sees one."
#define CHANCE "Its result would be another one each time."
#define OUTSIDE "It sees more than the record."
#define CLOCK "Its result would depend on when it is asked; write the time."
static const struct {
    const char *name, *why;
} refused[] = {
    {"avg", AGGREGATE},
    {"changes", OUTSIDE},
    {"concat", "Write a || b."},
    {"concat_ws", "Write a || ', ' || b."},
    {"count", AGGREGATE},
    {"current_date", CLOCK},
    {"current_time", CLOCK},
    {"current_timestamp", CLOCK},
    {"group_concat", AGGREGATE},
    {"if", "Write iif(condition, then, else) or CASE."},
    {"json_each", "Write json_extract(data, '$.path')."},
    {"json_group_array", AGGREGATE},
    {"json_group_object", AGGREGATE},
    {"last_insert_rowid", OUTSIDE},
    {"left", "Write substr(text, 1, n)."},
    {"load_extension", OUTSIDE},
    {"now", CLOCK},
    {"random", CHANCE},
    {"randomblob", CHANCE},
    {"right", "Write substr(text, -n)."},
    {"sqlite_version", OUTSIDE},
    {"string_agg", AGGREGATE},
    {"sum", AGGREGATE},
    {"to_char", "Write strftime(format, time) or printf(format, number)."},
    {"total", AGGREGATE},
    {"total_changes", OUTSIDE},
    {"zeroblob", "Write a blob as x'00'."},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

const struct ls_expr_function *ls_expr_function_find(const char *name)
{
    for (size_t i = 0; i < COUNT(functions); i++)
        if (strcasecmp(functions[i].name, name) == 0)
            return &functions[i];
    return NULL;
}

const char *ls_expr_function_refused(const char *name)
{
    for (size_t i = 0; i < COUNT(refused); i++)
        if (strcasecmp(refused[i].name, name) == 0)
            return refused[i].why;
    return NULL;
}

const char *ls_expr_function_nearest(const char *name)
{
    const char *names[COUNT(functions)];

    for (size_t i = 0; i < COUNT(functions); i++)
        names[i] = functions[i].name;
    return ls_text_nearest(name, names, COUNT(functions));
}

bool ls_expr_may_call(const char *name)
{
    return ls_text_starts(name, "ls_") || ls_expr_function_find(name) || strcmp(name, "->") == 0 ||
           strcmp(name, "->>") == 0;
}

const char *ls_expr_function_name(size_t i)
{
    return i < COUNT(functions) ? functions[i].name : NULL;
}
