/* SPDX-License-Identifier: Apache-2.0 */
/* expr_filter.c - the part of an expression that a store can filter by itself.
 *
 * A store's own comparison is used only where it cannot differ from ours: conditions `field op literal` joined by AND,
 * on types that every store orders alike, with a literal that is exactly a value of the field's type. What counts is
 * when a condition is true; NULL and false are the same to a filter, which is why `x IN (1, NULL)` is `x IN (1)` here and
 * why NOT IN, OR and IS NOT stay behind.
 *
 * Not pushed down, each because some store would disagree: order of TEXT (collations), equality of TEXT that folds or
 * pads, DOUBLE (text forms, NaN is NULL to an expression), dynamic fields but for whole numbers and texts, day against moment
 * (which is compared at midnight), numbers against texts. They are evaluated here, which is slower and right. */
#include "model/expr.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/decimal.h"
#include "model/expr_priv.h"

#define EXACT_IN_DOUBLE (INT64_C(1) << 53)

struct pushdown {
    const struct ls_schema *schema;
    struct ls_arena *mem;
    struct ls_condition *conditions;
    size_t count, capacity;
    bool whole, nomem;
};

static void add(struct pushdown *pd, const struct ls_condition *condition)
{
    if (pd->count == pd->capacity) {
        const size_t capacity = pd->capacity ? pd->capacity * 2 : 8;
        struct ls_condition *more = ls_arena_array(pd->mem, capacity, sizeof *more);

        if (!more) {
            pd->nomem = true;
            return;
        }
        if (pd->count)
            memcpy(more, pd->conditions, pd->count * sizeof *more);
        pd->conditions = more;
        pd->capacity = capacity;
    }
    pd->conditions[pd->count++] = *condition;
}

static bool is_equality(enum ls_op op)
{
    return op == LS_OP_EQ || op == LS_OP_NE || op == LS_OP_IN;
}

/* Whether every store means the same by this operator on this field. */
static bool may_push(const struct ls_field *field, enum ls_op op)
{
    const bool dynamic = (field->flags & LS_FIELD_DYNAMIC) != 0;

    switch (field->type) {
    case LS_T_INT:
        return true;
    case LS_T_DECIMAL:
    case LS_T_DATE:
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
    case LS_T_UUID:
        return !dynamic;
    case LS_T_BOOL:
        return !dynamic && is_equality(op);
    case LS_T_TEXT:
        return is_equality(op) && !(field->flags & (LS_FIELD_FOLDS | LS_FIELD_PADDED));
    case LS_T_NULL:
    case LS_T_DOUBLE:
    case LS_T_BYTES:
    case LS_T_JSON:
    case LS_T_NATIVE:
    case LS_TYPE_COUNT:
        break;
    }
    return false;
}

static bool int_literal(const struct ls_field *field, const struct ls_expr_node *node, int64_t *ret)
{
    switch (node->literal) {
    case LS_LITERAL_INT:
        return ls_text_to_i64(node->text, node->size, ret);
    case LS_LITERAL_TEXT: /* by the field's affinity */
        return !(field->flags & LS_FIELD_DYNAMIC) && ls_text_to_i64(node->text, node->size, ret);
    case LS_LITERAL_FLOAT: /* 10.0 */
        return ls_decimal_to_i64(node->text, node->size, ret) && *ret <= EXACT_IN_DOUBLE &&
               *ret >= -EXACT_IN_DOUBLE;
    case LS_LITERAL_BOOL:
        *ret = node->text[0] == 't' || node->text[0] == 'T';
        return true;
    case LS_LITERAL_NULL:
    case LS_LITERAL_HEX:
    case LS_LITERAL_BLOB:
    case LS_LITERAL_EXACT:
        break;
    }
    return false;
}

/* The literal as a value of the field's type; false when it is not exactly one. */
static bool literal_value(struct pushdown *pd, const struct ls_field *field,
                          const struct ls_expr_node *node, struct ls_value *ret)
{
    int64_t i;

    if (node->kind != LS_NODE_LITERAL)
        return false;
    if (field->type == LS_T_TEXT) {
        *ret = ls_value_data(LS_T_TEXT, node->text, node->size);
        return node->literal == LS_LITERAL_TEXT;
    }
    if (ls_expr_exact_type(field->type))
        return node->literal == LS_LITERAL_EXACT && node->type == field->type &&
               ls_expr_read(field->type, node->text, node->size, pd->mem, ret);
    if (!int_literal(field, node, &i) || (field->type == LS_T_BOOL && i != 0 && i != 1))
        return false;
    *ret = ls_value_int(i);
    if (field->type == LS_T_BOOL)
        *ret = (struct ls_value){.type = LS_T_BOOL, .b = i == 1};
    return true;
}

/* Adds `field op literals` (those that are not NULL) if all of it can be pushed. */
static bool push(struct pushdown *pd, const struct ls_expr_node *x, enum ls_op op,
                 struct ls_expr_node *const *literals, size_t count)
{
    struct ls_condition condition = {.field = x->field, .op = op};
    const struct ls_field *field;
    struct ls_value *values;

    if (x->kind != LS_NODE_FIELD || !may_push(&pd->schema->fields[x->field], op))
        return false;
    field = &pd->schema->fields[x->field];
    values = ls_arena_array(pd->mem, count, sizeof *values);
    if (!values) {
        pd->nomem = true;
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (literals[i]->kind == LS_NODE_LITERAL && literals[i]->literal == LS_LITERAL_NULL)
            continue;
        if (!literal_value(pd, field, literals[i], &values[condition.value_count]))
            return false;
        condition.value_count++;
    }
    if (condition.value_count == 0 || (op != LS_OP_IN && condition.value_count != 1))
        return false;
    condition.values = values;
    add(pd, &condition);
    return true;
}

static const struct {
    enum ls_op op, flipped; /* literal op field */
} compare_ops[LS_EXPR_OP_COUNT] = {
    [LS_EXPR_EQ] = {LS_OP_EQ, LS_OP_EQ}, [LS_EXPR_NE] = {LS_OP_NE, LS_OP_NE},
    [LS_EXPR_LT] = {LS_OP_LT, LS_OP_GT}, [LS_EXPR_LE] = {LS_OP_LE, LS_OP_GE},
    [LS_EXPR_GT] = {LS_OP_GT, LS_OP_LT}, [LS_EXPR_GE] = {LS_OP_GE, LS_OP_LE},
    [LS_EXPR_IS] = {LS_OP_EQ, LS_OP_EQ},
};

static bool push_compare(struct pushdown *pd, const struct ls_expr_node *node)
{
    const struct ls_expr_node *x = node->kids[0];

    if (node->op == LS_EXPR_IS_NOT)
        return false;
    /* x IS TRUE asks for truth: of a number that is another question than x = 1. */
    if (node->op == LS_EXPR_IS && node->kids[1]->literal == LS_LITERAL_BOOL && x->type != LS_T_BOOL)
        return false;
    if (x->kind == LS_NODE_FIELD)
        return push(pd, x, compare_ops[node->op].op, &node->kids[1], 1);
    return push(pd, node->kids[1], compare_ops[node->op].flipped, &node->kids[0], 1);
}

static bool push_bool(struct pushdown *pd, const struct ls_expr_node *x, bool wanted)
{
    struct ls_condition condition = {.field = x->field, .op = LS_OP_EQ, .value_count = 1};
    struct ls_value *value;

    if (x->kind != LS_NODE_FIELD || x->type != LS_T_BOOL ||
        !may_push(&pd->schema->fields[x->field], LS_OP_EQ))
        return false;
    value = ls_arena_alloc(pd->mem, sizeof *value);
    if (!value) {
        pd->nomem = true;
        return false;
    }
    *value = (struct ls_value){.type = LS_T_BOOL, .b = wanted};
    condition.values = value;
    add(pd, &condition);
    return true;
}

static bool push_null_test(struct pushdown *pd, const struct ls_expr_node *node)
{
    const struct ls_expr_node *x = node->kids[0];

    if (x->kind != LS_NODE_FIELD ||
        x->type == LS_T_DOUBLE) /* NaN is NULL to an expression, not to a store */
        return false;
    add(pd, &(struct ls_condition){.field = x->field,
                                   .op = node->negated ? LS_OP_NOT_NULL : LS_OP_IS_NULL});
    return true;
}

static bool push_between(struct pushdown *pd, const struct ls_expr_node *node)
{
    const size_t before = pd->count;

    if (node->negated)
        return false;
    if (push(pd, node->kids[0], LS_OP_GE, &node->kids[1], 1) &&
        push(pd, node->kids[0], LS_OP_LE, &node->kids[2], 1))
        return true;
    pd->count = before;
    return false;
}

static bool push_one(struct pushdown *pd, const struct ls_expr_node *node)
{
    switch (node->kind) {
    case LS_NODE_COMPARE:
        return push_compare(pd, node);
    case LS_NODE_IN:
        return !node->negated &&
               push(pd, node->kids[0], LS_OP_IN, node->kids + 1, node->kid_count - 1);
    case LS_NODE_BETWEEN:
        return push_between(pd, node);
    case LS_NODE_NULLTEST:
        return push_null_test(pd, node);
    case LS_NODE_FIELD:
        return push_bool(pd, node, true);
    case LS_NODE_UNARY:
        return node->op == LS_EXPR_NOT && push_bool(pd, node->kids[0], false);
    case LS_NODE_LITERAL:
    case LS_NODE_BINARY:
    case LS_NODE_LIKE:
    case LS_NODE_CASE:
    case LS_NODE_CAST:
    case LS_NODE_COLLATE:
    case LS_NODE_CALL:
        break;
    }
    return false;
}

static void push_all(struct pushdown *pd, const struct ls_expr_node *node)
{
    if (node->kind == LS_NODE_BINARY && node->op == LS_EXPR_AND) {
        push_all(pd, node->kids[0]);
        push_all(pd, node->kids[1]);
    } else if (!push_one(pd, node)) {
        pd->whole = false;
    }
}

enum ls_code ls_expr_pushdown(const struct ls_expr *expr, const struct ls_schema *schema,
                              struct ls_arena *mem, struct ls_filter *ret, bool *ret_whole,
                              struct ls_error *err)
{
    struct pushdown pd = {.schema = schema, .mem = mem, .whole = true};

    push_all(&pd, expr->root);
    if (pd.nomem)
        return ls_error_nomem(err);
    ret->count = pd.count;
    ret->conditions = pd.conditions;
    *ret_whole = pd.whole;
    return LS_OK;
}

/* A number's exact text, for values of different types that meet in a dynamic field. */
static bool number_text(const struct ls_value *v, struct ls_buf *out)
{
    if (v->type == LS_T_INT)
        ls_buf_printf(out, "%lld", (long long)v->i);
    else if (v->type == LS_T_BOOL)
        ls_buf_char(out, v->b ? '1' : '0');
    else if (v->type == LS_T_DOUBLE)
        ls_decimal_from_double(out, v->d, 53);
    else if (v->type == LS_T_DECIMAL)
        ls_buf_add(out, v->data, v->size);
    else
        return false;
    return true;
}

/* Numbers before texts before bytes, as SQLite orders them. */
static int rank(enum ls_type type)
{
    if (type == LS_T_INT || type == LS_T_BOOL || type == LS_T_DOUBLE || type == LS_T_DECIMAL)
        return 0;
    return type == LS_T_BYTES ? 2 : 1;
}

static int mixed_order(const struct ls_value *a, const struct ls_value *b)
{
    struct ls_buf left, right;
    int order = rank(a->type) - rank(b->type);

    ls_buf_init(&left, 0);
    ls_buf_init(&right, 0);
    if (order == 0 && number_text(a, &left) && number_text(b, &right))
        order = ls_decimal_order(ls_buf_str(&left), left.size, ls_buf_str(&right), right.size);
    else if (order == 0)
        order = a->type < b->type ? -1 : 1; /* a uuid is no text, whatever it looks like */
    ls_buf_done(&left);
    ls_buf_done(&right);
    return order;
}

static int order_of(const struct ls_value *v, const struct ls_value *wanted)
{
    const struct ls_as as = {.type = wanted->type, .fraction = 6, .bits = 53};

    return v->type == wanted->type ? ls_value_order(v, wanted, &as) : mixed_order(v, wanted);
}

static bool match_one(const struct ls_condition *c, const struct ls_value *v)
{
    if (v->type == LS_T_NULL)
        return c->op == LS_OP_IS_NULL;
    switch (c->op) {
    case LS_OP_IS_NULL:
        return false;
    case LS_OP_NOT_NULL:
        return true;
    case LS_OP_EQ:
        return order_of(v, c->values) == 0;
    case LS_OP_NE:
        return order_of(v, c->values) != 0;
    case LS_OP_LT:
        return order_of(v, c->values) < 0;
    case LS_OP_LE:
        return order_of(v, c->values) <= 0;
    case LS_OP_GT:
        return order_of(v, c->values) > 0;
    case LS_OP_GE:
        return order_of(v, c->values) >= 0;
    case LS_OP_IN:
        for (size_t i = 0; i < c->value_count; i++)
            if (order_of(v, &c->values[i]) == 0)
                return true;
        return false;
    }
    return false;
}

bool ls_filter_match(const struct ls_filter *filter, const struct ls_schema *schema,
                     const struct ls_value *values)
{
    (void)schema;
    for (size_t i = 0; i < filter->count; i++)
        if (!match_one(&filter->conditions[i], &values[filter->conditions[i].field]))
            return false;
    return true;
}

/* FIELD=VALUE: a field's name may hold an = itself, so the first split that names a field counts. */
static enum ls_code split_pair(const char *pair, const struct ls_schema *schema,
                               struct ls_arena *mem, size_t *ret_field, const char **ret_value,
                               struct ls_error *err)
{
    const char *first = strchr(pair, '=');

    if (!first || first == pair)
        return ls_error_set(err, LS_USAGE, "\"%s\" is no FIELD=VALUE", pair);
    for (const char *at = first; at; at = strchr(at + 1, '=')) {
        const char *name = ls_arena_text_n(mem, pair, (size_t)(at - pair));
        int field;

        if (!name)
            return ls_error_nomem(err);
        field = ls_schema_find(schema, name);
        if (field < 0)
            continue;
        *ret_field = (size_t)field;
        *ret_value = at + 1;
        return LS_OK;
    }
    {
        const char *name = ls_arena_text_n(mem, pair, (size_t)(first - pair));

        return name ? ls_schema_need(schema, name, ret_field, err) : ls_error_nomem(err);
    }
}

/* One more value for the field: alone it is =, with others of the same field IN. */
static enum ls_code add_value(struct pushdown *pd, size_t field, const struct ls_value *value,
                              struct ls_error *err)
{
    struct ls_condition *c = NULL;
    struct ls_value *values;

    for (size_t i = 0; i < pd->count; i++)
        if (pd->conditions[i].field == field)
            c = &pd->conditions[i];
    if (!c) {
        add(pd, &(struct ls_condition){.field = field, .op = LS_OP_EQ});
        c = pd->nomem ? NULL : &pd->conditions[pd->count - 1];
    }
    values = c ? ls_arena_array(pd->mem, c->value_count + 1, sizeof *values) : NULL;
    if (!values)
        return ls_error_nomem(err);
    if (c->value_count)
        memcpy(values, c->values, c->value_count * sizeof *values);
    values[c->value_count++] = *value;
    c->values = values;
    if (c->value_count > 1)
        c->op = LS_OP_IN;
    return LS_OK;
}

enum ls_code ls_filter_only(const char *const *pairs, size_t count, const struct ls_schema *schema,
                            struct ls_arena *mem, struct ls_filter *ret, struct ls_error *err)
{
    struct pushdown pd = {.schema = schema, .mem = mem};

    for (size_t i = 0; i < count; i++) {
        const char *text = NULL;
        struct ls_value value;
        size_t field = 0;
        enum ls_code rc = split_pair(pairs[i], schema, mem, &field, &text, err);

        if (rc != LS_OK)
            return rc;
        rc = ls_value_from_text(schema->fields[field].type, text, strlen(text), mem, &value, err);
        if (rc != LS_OK) {
            ls_error_wrap(err, "%s=...", schema->fields[field].name);
            return ls_error_set(err, LS_USAGE, "%s", err ? err->text : "");
        }
        rc = add_value(&pd, field, &value, err);
        if (rc != LS_OK)
            return rc;
    }
    ret->count = pd.count;
    ret->conditions = pd.conditions;
    return LS_OK;
}
