/* SPDX-License-Identifier: Apache-2.0 */
/* expr_emit.c - a tree as SQL for the evaluator.
 *
 * The SQL is written from the tree, never copied from the text, so that what SQLite parses is what we parsed: all
 * operators in brackets (but a chain, which is the same without), literals quoted anew, fields as parameters.
 *
 * Fields. SQLite takes a parameter for a constant, and may compute what is made of constants beforehand, also in a
 * branch of a CASE that is there to keep it from being computed. So a field is ls_field(?1), which gives its argument back and
 * is not said to be deterministic.
 *
 * Affinity. A parameter has none, a column has: `id = '5'` is true for an integer column. So a field is written
 * CAST(ls_field(?1) AS NUMERIC) or AS TEXT after its type, which changes no value of that type and gives SQLite's
 * own rules of comparison. A dynamic field can hold a value that the cast would change; for those records there is the
 * loose form without it.
 *
 * Comparisons that SQLite would get wrong (expr_type.c marks them) become calls, all registered by src/sql/eval_func.c:
 *   a op b          ls_cmp(a, b) op 0          a IS b             ls_same(a, b)
 *   a IN (b, c)     ls_in(a, b, c)             a BETWEEN b AND c  ls_between(a, b, c)
 *   nullif min max  ls_nullif ls_min ls_max    + - *              ls_add ls_sub ls_mul
 * each with the type behind its name unless it is decimal: ls_cmp_date, ls_in_uuid.
 *
 * SQLite's parser has a stack of 100 entries, and only that bounds how deep its expressions nest. What the SQL needs
 * of it is counted while it is written (an upper bound a construct), so that too deep a text is refused here, with a
 * reason. The size is bounded too: a typed CASE repeats its base for each WHEN. */
#include "model/expr_priv.h"

#include <string.h>

#include "base/text.h"

#define MAX_SQL_BYTES ((size_t)256 << 10)
#define MAX_STACK 85      /* of SQLite's 100; SELECT and a CAST at the end take the rest */
#define MAX_ARGUMENTS 100 /* of SQLite's 127 */

struct emit {
    struct ls_buf out;
    struct ls_expr_parser *p;
    const struct ls_expr *expr;
    bool loose;
    unsigned stack;
};

static void value(struct emit *em, const struct ls_expr_node *node, unsigned pending);

static void put(struct emit *em, const char *text)
{
    ls_buf_text(&em->out, text);
}

/* ls_NAME( or ls_NAME_TYPE( */
static void open_call(struct emit *em, const char *name, enum ls_type as)
{
    if (as == LS_T_DECIMAL)
        ls_buf_printf(&em->out, "ls_%s(", name);
    else
        ls_buf_printf(&em->out, "ls_%s_%s(", name, ls_type_word(as));
}

static void arguments(struct emit *em, struct ls_expr_node *const *kids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            put(em, ", ");
        value(em, kids[i], i > 0 ? 5 : 3); /* name ( DISTINCT? list , */
    }
}

static void call(struct emit *em, const char *name, enum ls_type as,
                 struct ls_expr_node *const *kids, size_t count)
{
    open_call(em, name, as);
    arguments(em, kids, count);
    put(em, ")");
}

static void literal(struct emit *em, const struct ls_expr_node *node)
{
    switch (node->literal) {
    case LS_LITERAL_NULL:
        put(em, "NULL");
        break;
    case LS_LITERAL_TEXT:
    case LS_LITERAL_EXACT:
        ls_text_literal(&em->out, node->text);
        break;
    case LS_LITERAL_BLOB:
        ls_buf_printf(&em->out, "x'%s'", node->text);
        break;
    case LS_LITERAL_BOOL:
    case LS_LITERAL_INT:
    case LS_LITERAL_HEX:
    case LS_LITERAL_FLOAT:
        ls_buf_printf(&em->out, node->text[0] == '-' ? "(%s)" : "%s", node->text);
        break;
    }
}

/* The affinity that a column of this type would have. */
static const char *affinity(enum ls_type type)
{
    switch (type) {
    case LS_T_BOOL:
    case LS_T_INT:
    case LS_T_DOUBLE:
        return "NUMERIC";
    case LS_T_TEXT:
    case LS_T_UUID:
    case LS_T_JSON:
    case LS_T_NATIVE:
    case LS_T_DATE:
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
        return "TEXT";
    case LS_T_NULL:
    case LS_T_DECIMAL: /* a text that is none: always compared by us */
    case LS_T_BYTES:
    case LS_TYPE_COUNT:
        break;
    }
    return NULL;
}

static void field(struct emit *em, const struct ls_expr_node *node)
{
    const struct ls_expr *expr = em->expr;
    const char *as = affinity(node->type);
    size_t slot = 0;

    while (expr->fields[slot] != node->field)
        slot++;
    if (!as || (em->loose && expr->slots[slot].dynamic))
        ls_buf_printf(&em->out, "ls_field(?%zu)", slot + 1);
    else
        ls_buf_printf(&em->out, "CAST(ls_field(?%zu) AS %s)", slot + 1, as);
}

static void unary(struct emit *em, const struct ls_expr_node *node)
{
    if (node->as == LS_T_DECIMAL) {
        put(em, "ls_sub('0', ");
        value(em, node->kids[0], 5);
        put(em, ")");
        return;
    }
    ls_buf_printf(&em->out, "(%s ", ls_expr_op_sql(node->op));
    value(em, node->kids[0], 2);
    put(em, ")");
}

/* Without brackets where the left operand is a chain of the same strength: a + b - c. */
static void chain(struct emit *em, const struct ls_expr_node *node)
{
    const struct ls_expr_node *left = node->kids[0];

    if (left->kind == LS_NODE_BINARY && left->as == LS_T_NULL &&
        ls_expr_op_level(left->op) == ls_expr_op_level(node->op))
        chain(em, left);
    else
        value(em, left, 1);
    ls_buf_printf(&em->out, " %s ", ls_expr_op_sql(node->op));
    value(em, node->kids[1], 3);
}

/* A chain of one exact operator as one call: ls_add(a, b, c). */
static size_t exact_chain(const struct ls_expr_node *node,
                          const struct ls_expr_node *kids[MAX_ARGUMENTS])
{
    const enum ls_expr_op op = node->op;
    size_t count = 0;

    for (;; node = node->kids[0]) {
        kids[count++] = node->kids[1];
        if (node->kids[0]->kind != LS_NODE_BINARY || node->kids[0]->op != op ||
            node->kids[0]->as != LS_T_DECIMAL || count == MAX_ARGUMENTS - 1)
            break;
    }
    kids[count++] = node->kids[0];
    return count;
}

static void exact_arithmetic(struct emit *em, const struct ls_expr_node *node)
{
    static const char *const names[LS_EXPR_OP_COUNT] = {
        [LS_EXPR_ADD] = "ls_add(", [LS_EXPR_SUB] = "ls_sub(", [LS_EXPR_MUL] = "ls_mul("};
    const struct ls_expr_node *kids[MAX_ARGUMENTS];
    size_t count;

    if (node->op == LS_EXPR_DIV) {
        put(em, "(ls_real(");
        value(em, node->kids[0], 4);
        put(em, ") / ls_real(");
        value(em, node->kids[1], 6);
        put(em, "))");
        return;
    }
    count = exact_chain(node, kids);
    put(em, names[node->op]);
    for (size_t i = count; i-- > 0;) {
        value(em, kids[i], i + 1 < count ? 5 : 3);
        put(em, i > 0 ? ", " : ")");
    }
}

static void compare(struct emit *em, const struct ls_expr_node *node)
{
    if (node->as != LS_T_NULL) {
        const bool same = node->op == LS_EXPR_IS || node->op == LS_EXPR_IS_NOT;

        put(em, node->op == LS_EXPR_IS_NOT ? "(NOT " : "(");
        call(em, same ? "same" : "cmp", node->as, node->kids, 2);
        if (!same)
            ls_buf_printf(&em->out, " %s 0", ls_expr_op_sql(node->op));
        put(em, ")");
        return;
    }
    put(em, "(");
    value(em, node->kids[0], 1);
    ls_buf_printf(&em->out, " %s ", ls_expr_op_sql(node->op));
    value(em, node->kids[1], 4);
    put(em, ")");
}

/* A long list as several calls, for SQLite's limit on arguments. */
static void exact_in(struct emit *em, const struct ls_expr_node *node)
{
    const size_t most = MAX_ARGUMENTS - 1;

    em->stack += node->negated ? 3 : 1;
    put(em, node->negated ? "(NOT (" : "(");
    for (size_t i = 1; i < node->kid_count; i++) {
        const unsigned pending = i > most ? 2 : 0; /* expression OR */

        if (i % most == 1) {
            put(em, i > 1 ? ") OR " : "");
            open_call(em, "in", node->as);
            value(em, node->kids[0], 3 + pending);
        }
        put(em, ", ");
        value(em, node->kids[i], 5 + pending);
    }
    put(em, node->negated ? ")))" : "))");
    em->stack -= node->negated ? 3 : 1;
}

static void in(struct emit *em, const struct ls_expr_node *node)
{
    if (node->as != LS_T_NULL && node->kid_count > 1) {
        exact_in(em, node);
        return;
    }
    put(em, "(");
    value(em, node->kids[0], 1);
    put(em, node->negated ? " NOT IN (" : " IN (");
    em->stack += 2;
    arguments(em, node->kids + 1, node->kid_count - 1);
    em->stack -= 2;
    put(em, "))");
}

static void between(struct emit *em, const struct ls_expr_node *node)
{
    if (node->as != LS_T_NULL) {
        put(em, node->negated ? "(NOT " : "(");
        em->stack += 2;
        call(em, "between", node->as, node->kids, 3);
        em->stack -= 2;
        put(em, ")");
        return;
    }
    put(em, "(");
    value(em, node->kids[0], 1);
    put(em, node->negated ? " NOT BETWEEN " : " BETWEEN ");
    value(em, node->kids[1], 4);
    put(em, " AND ");
    value(em, node->kids[2], 6);
    put(em, ")");
}

static void like(struct emit *em, const struct ls_expr_node *node)
{
    put(em, "(");
    value(em, node->kids[0], 1);
    ls_buf_printf(&em->out, "%s %s ", node->negated ? " NOT" : "", node->word);
    value(em, node->kids[1], 4);
    if (node->kid_count > 2) {
        put(em, " ESCAPE ");
        value(em, node->kids[2], 6);
    }
    put(em, ")");
}

static void case_of(struct emit *em, const struct ls_expr_node *node)
{
    const bool exact = node->as != LS_T_NULL;
    const size_t end = node->kid_count - node->has_else;
    size_t i = node->has_base;

    put(em, "CASE");
    if (node->has_base && !exact) {
        put(em, " ");
        value(em, node->kids[0], 2);
    }
    for (; i < end; i += 2) {
        put(em, " WHEN ");
        if (exact) {
            struct ls_expr_node *const pair[] = {node->kids[0], node->kids[i]};

            em->stack += 5;
            call(em, "cmp", node->as, pair, 2);
            em->stack -= 5;
            put(em, " = 0");
        } else {
            value(em, node->kids[i], 5);
        }
        put(em, " THEN ");
        value(em, node->kids[i + 1], 7);
    }
    if (node->has_else) {
        put(em, " ELSE ");
        value(em, node->kids[node->kid_count - 1], 5);
    }
    put(em, " END");
}

static void cast(struct emit *em, const struct ls_expr_node *node)
{
    const bool from_decimal = node->kids[0]->type == LS_T_DECIMAL;

    if (!node->word)
        ls_buf_printf(&em->out, "ls_cast_%s(", ls_type_word(node->type));
    else if (from_decimal && node->type == LS_T_DOUBLE)
        put(em, "ls_real(");
    else
        put(em, "CAST(");
    value(em, node->kids[0], 3);
    if (node->word && !(from_decimal && node->type == LS_T_DOUBLE))
        ls_buf_printf(&em->out, " AS %s", node->word);
    put(em, ")");
}

/* ls_grown(printf(format, ...), format, ...) tells an empty result from one that was too large: both are NULL. */
static void guarded_call(struct emit *em, const struct ls_expr_node *node)
{
    ls_buf_printf(&em->out, "ls_grown(%s(", node->function->name);
    em->stack += 3;
    arguments(em, node->kids, node->kid_count);
    em->stack -= 3;
    put(em, ")");
    for (size_t i = 0; i < node->kid_count; i++) {
        put(em, ", ");
        value(em, node->kids[i], 5);
    }
    put(em, ")");
}

/* Times in arguments that are only known when there is a record must not be 'now' either. */
static void moment_call(struct emit *em, const struct ls_expr_node *node)
{
    const size_t format = (node->function->flags & LS_FN_FORMAT) != 0;

    ls_buf_printf(&em->out, "%s(", node->function->name);
    for (size_t i = 0; i < node->kid_count; i++) {
        const bool open = node->kids[i]->kind != LS_NODE_LITERAL && i >= format;

        put(em, i > 0 ? ", " : "");
        put(em, open ? "ls_moment(" : "");
        value(em, node->kids[i], open ? 8 : 5);
        put(em, open ? ")" : "");
    }
    put(em, ")");
}

static void function(struct emit *em, const struct ls_expr_node *node)
{
    if (node->as != LS_T_NULL) {
        call(em, node->function->name, node->as, node->kids, node->kid_count);
    } else if (node->function->flags & LS_FN_MOMENT) {
        moment_call(em, node);
    } else if (node->function->flags & LS_FN_GROWS) {
        guarded_call(em, node);
    } else {
        ls_buf_printf(&em->out, "%s(", node->function->name);
        arguments(em, node->kids, node->kid_count);
        put(em, ")");
    }
}

static void emit_node(struct emit *em, const struct ls_expr_node *node)
{
    switch (node->kind) {
    case LS_NODE_LITERAL:
        literal(em, node);
        break;
    case LS_NODE_FIELD:
        field(em, node);
        break;
    case LS_NODE_UNARY:
        unary(em, node);
        break;
    case LS_NODE_BINARY:
        if (node->as != LS_T_NULL) {
            exact_arithmetic(em, node);
            break;
        }
        put(em, "(");
        chain(em, node);
        put(em, ")");
        break;
    case LS_NODE_COMPARE:
        compare(em, node);
        break;
    case LS_NODE_NULLTEST:
        put(em, "(");
        value(em, node->kids[0], 1);
        put(em, node->negated ? " IS NOT NULL)" : " IS NULL)");
        break;
    case LS_NODE_IN:
        in(em, node);
        break;
    case LS_NODE_BETWEEN:
        between(em, node);
        break;
    case LS_NODE_LIKE:
        like(em, node);
        break;
    case LS_NODE_CASE:
        case_of(em, node);
        break;
    case LS_NODE_CAST:
        cast(em, node);
        break;
    case LS_NODE_COLLATE:
        put(em, "(");
        value(em, node->kids[0], 1);
        ls_buf_printf(&em->out, " COLLATE %s)", node->word);
        break;
    case LS_NODE_CALL:
        function(em, node);
        break;
    }
}

/* Writes a node behind `pending` entries of the parser's stack. */
static void value(struct emit *em, const struct ls_expr_node *node, unsigned pending)
{
    if (em->p->rc != LS_OK || em->out.failed)
        return;
    em->stack += pending;
    if (em->stack > MAX_STACK)
        ls_expr_fail(em->p, node->at, "Eight levels are always fine.", "nested too deeply");
    else
        emit_node(em, node);
    em->stack -= pending;
}

const char *ls_expr_emit(struct ls_expr_parser *p, const struct ls_expr *expr, bool loose)
{
    struct emit em = {.p = p, .expr = expr, .loose = loose};
    const char *sql = NULL;

    ls_buf_init(&em.out, MAX_SQL_BYTES);
    value(&em, expr->root, 1);
    if (p->rc == LS_OK && em.out.failed && em.out.size < MAX_SQL_BYTES / 2)
        ls_expr_nomem(p);
    else if (p->rc == LS_OK && em.out.failed)
        ls_expr_fail(p, 0, "", "an expression too long when written out");
    if (p->rc == LS_OK)
        sql = ls_arena_text_n(p->mem, ls_buf_str(&em.out), em.out.size);
    if (p->rc == LS_OK && !sql)
        ls_expr_nomem(p);
    ls_buf_done(&em.out);
    return sql;
}
