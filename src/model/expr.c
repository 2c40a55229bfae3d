/* SPDX-License-Identifier: Apache-2.0 */
/* expr.c - an expression as others see it: parsed once, asked many times.
 *
 * The steps are in the files beside (expr_priv.h names them); here they are put together. An expression keeps nothing
 * of the parser but the tree, its SQL, and of the schema only what it needs of the fields it reads, so it does not
 * depend on the schema's life. Invariant: immutable after ls_expr_parse(), hence any number of threads may use it. */
#include "model/expr.h"

#include <string.h>

#include "base/text.h"
#include "model/expr_priv.h"

static void mark_fields(const struct ls_expr_node *node, bool *used)
{
    if (node->kind == LS_NODE_FIELD)
        used[node->field] = true;
    for (size_t i = 0; i < node->kid_count; i++)
        mark_fields(node->kids[i], used);
}

static bool find_fields(struct ls_expr_parser *p, struct ls_expr *expr)
{
    const size_t all = p->schema->field_count;
    bool *used = ls_arena_array(p->mem, all, sizeof *used);

    expr->fields = ls_arena_array(p->mem, all, sizeof *expr->fields);
    expr->slots = ls_arena_array(p->mem, all, sizeof *expr->slots);
    if (!used || !expr->fields || !expr->slots)
        return ls_expr_nomem(p) != NULL;
    mark_fields(expr->root, used);
    for (size_t i = 0; i < all; i++)
        if (used[i]) {
            expr->slots[expr->field_count].type = p->schema->fields[i].type;
            expr->slots[expr->field_count].dynamic =
                (p->schema->fields[i].flags & LS_FIELD_DYNAMIC) != 0;
            expr->fields[expr->field_count++] = i;
        }
    return true;
}

static bool any_dynamic(const struct ls_expr *expr)
{
    for (size_t i = 0; i < expr->field_count; i++)
        if (expr->slots[i].dynamic)
            return true;
    return false;
}

static void write_sql(struct ls_expr_parser *p, struct ls_expr *expr)
{
    expr->sql = ls_expr_emit(p, expr, false);
    expr->loose_sql = expr->sql;
    if (p->rc == LS_OK && any_dynamic(expr))
        expr->loose_sql = ls_expr_emit(p, expr, true);
}

static bool check_text(struct ls_expr_parser *p)
{
    size_t bad;

    if (p->size > LS_EXPR_MAX_BYTES) {
        p->rc =
            ls_error_set(p->err, LS_CONFIG, "expression: longer than %d bytes", LS_EXPR_MAX_BYTES);
        return false;
    }
    bad = ls_utf8_check(p->text, p->size);
    return bad == p->size || ls_expr_fail(p, bad, "", "text that is not UTF-8") != NULL;
}

enum ls_code ls_expr_parse(const char *text, const struct ls_schema *schema, struct ls_arena *mem,
                           struct ls_expr **ret, struct ls_error *err)
{
    struct ls_expr_parser p = {.schema = schema, .mem = mem, .err = err};
    struct ls_expr *expr = ls_arena_alloc(mem, sizeof *expr);

    p.size = strnlen(text, LS_EXPR_MAX_BYTES + 1);
    p.text = text;
    if (!expr)
        return ls_error_nomem(err);
    if (!check_text(&p))
        return p.rc;
    expr->text = p.text = ls_arena_text_n(mem, text, p.size);
    if (!p.text)
        return ls_error_nomem(err);
    expr->root = ls_expr_parse_all(&p);
    if (expr->root && find_fields(&p, expr))
        write_sql(&p, expr);
    if (p.rc == LS_OK)
        *ret = expr;
    return p.rc;
}

int ls_expr_field(const struct ls_expr *expr)
{
    return expr->root->kind == LS_NODE_FIELD ? (int)expr->root->field : -1;
}

const size_t *ls_expr_fields(const struct ls_expr *expr, size_t *ret_count)
{
    *ret_count = expr->field_count;
    return expr->fields;
}

enum ls_type ls_expr_type(const struct ls_expr *expr)
{
    return expr->root->type;
}

const char *ls_expr_text(const struct ls_expr *expr)
{
    return expr->text;
}

const char *ls_expr_sql(const struct ls_expr *expr)
{
    return expr->sql;
}

const char *ls_expr_loose_sql(const struct ls_expr *expr)
{
    return expr->loose_sql;
}

/* Whether the evaluator sees a value of this type as a number, a text or neither. */
enum kind { KIND_NUMBER, KIND_TEXT, KIND_BYTES };

static enum kind kind_of(enum ls_type type)
{
    if (type == LS_T_BOOL || type == LS_T_INT || type == LS_T_DOUBLE)
        return KIND_NUMBER;
    return type == LS_T_BYTES ? KIND_BYTES : KIND_TEXT;
}

bool ls_expr_holds(const struct ls_expr *expr, const struct ls_value *record)
{
    for (size_t i = 0; i < expr->field_count; i++) {
        const enum ls_type type = record[expr->fields[i]].type;

        if (expr->slots[i].dynamic && type != LS_T_NULL &&
            kind_of(type) != kind_of(expr->slots[i].type))
            return false;
    }
    return true;
}
