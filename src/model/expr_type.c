/* SPDX-License-Identifier: Apache-2.0 */
/* expr_type.c - what an expression's values are, as far as can be told before there are any.
 *
 * SQLite knows integers, doubles, texts and blobs; a record also has decimals, times and UUIDs, which are texts to
 * SQLite, and texts compare wrongly ('9.5' > '10'; '2026-01-02T00:00Z' > '2026-01-02 00:00:00Z'). So wherever such
 * an exact type meets something in a comparison, the node is marked (`as`), and the emitter calls our functions, which
 * bring both sides to that type first. A literal that meets an exact type is read as that type here, once, so that a
 * wrong date is a fault of the expression and not of each record.
 *
 * What is known is kept where it is safe: + - * of decimals, coalesce, CASE, abs, round, min and max give decimals;
 * || and most functions give text. An exact type sticks where it meets something unknown (coalesce(price, data ->> '$.p')),
 * because comparing a decimal as text is never what is meant.
 *
 * What cannot mean anything is refused with a hint: a time against a number, a zone-less time against an absolute one,
 * arithmetic on times. JSON is its text here: which part is meant is said by -> and ->>. */
#include "model/expr_priv.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "model/scan.h"

bool ls_expr_exact_type(enum ls_type type)
{
    return type == LS_T_DECIMAL || type == LS_T_DATE || type == LS_T_TIME ||
           type == LS_T_TIMESTAMP || type == LS_T_TIMESTAMPTZ || type == LS_T_UUID;
}

static bool is_time(enum ls_type type)
{
    return ls_expr_exact_type(type) && type != LS_T_DECIMAL && type != LS_T_UUID;
}

static bool is_number(enum ls_type type)
{
    return type == LS_T_INT || type == LS_T_DOUBLE || type == LS_T_DECIMAL;
}

bool ls_expr_read(enum ls_type type, const char *text, size_t size, struct ls_arena *mem,
                  struct ls_value *ret)
{
    struct ls_error ignored;
    bool absolute = false;
    int64_t us;

    if (type != LS_T_TIMESTAMP && type != LS_T_TIMESTAMPTZ)
        return ls_value_from_text(type, text, size, mem, ret, &ignored) == LS_OK;
    if (!ls_scan_timestamp(text, size, &us, &absolute) || (absolute && type == LS_T_TIMESTAMP))
        return false;
    *ret = (struct ls_value){.type = type, .i = us};
    return true;
}

/* SQLite's time functions read Z and +00:00, but not the +00 that PostgreSQL writes. */
void ls_expr_write(struct ls_buf *out, const struct ls_value *v)
{
    char text[LS_PRINT_MAX];

    if (v->type != LS_T_TIMESTAMPTZ) {
        ls_value_to_text(out, v);
        return;
    }
    ls_print_timestamp(text, v->i, ' ', "Z");
    ls_buf_text(out, text);
}

static bool is_literal(const struct ls_expr_node *node, enum ls_expr_literal literal)
{
    return node->kind == LS_NODE_LITERAL && node->literal == literal;
}

static bool is_null(const struct ls_expr_node *node)
{
    return is_literal(node, LS_LITERAL_NULL);
}

static bool is_number_literal(const struct ls_expr_node *node)
{
    return is_literal(node, LS_LITERAL_INT) || is_literal(node, LS_LITERAL_FLOAT);
}

/* What a decimal may meet as a literal is kept digit by digit. */
static void keep_digits(struct ls_expr_node *node)
{
    if (is_number_literal(node)) {
        node->literal = LS_LITERAL_EXACT;
        node->type = LS_T_DECIMAL;
    }
}

/* Reads a text literal as `type` and writes it in that type's own form. false when it is no such value. */
static bool read_literal(struct ls_expr_parser *p, struct ls_expr_node *node, enum ls_type type)
{
    struct ls_buf text;
    struct ls_value value;

    if (!ls_expr_read(type, node->text, node->size, p->mem, &value))
        return false;
    ls_buf_init(&text, LS_EXPR_MAX_BYTES * 2);
    ls_expr_write(&text, &value);
    node->text = text.failed ? NULL : ls_arena_text_n(p->mem, ls_buf_str(&text), text.size);
    node->size = text.size;
    ls_buf_done(&text);
    if (!node->text)
        return ls_expr_nomem(p) != NULL;
    node->literal = LS_LITERAL_EXACT;
    node->type = type;
    return true;
}

static const char *type_hint(enum ls_type type)
{
    switch (type) { // NOLINT: the others share the default on purpose
    case LS_T_DATE:
        return "A date is written '2026-01-31'.";
    case LS_T_TIME:
        return "A time of day is written '13:30:00'.";
    case LS_T_TIMESTAMP:
        return "A timestamp without a zone is written '2026-01-31 13:30:00', with neither Z nor an "
               "offset.";
    case LS_T_TIMESTAMPTZ:
        return "A timestamp is written '2026-01-31T13:30:00Z'.";
    case LS_T_UUID:
        return "A UUID is written '01234567-89ab-cdef-0123-456789abcdef'.";
    case LS_T_DECIMAL:
        return "A decimal is written 12.50.";
    case LS_T_BOOL:
        return "A bool is TRUE or FALSE.";
    case LS_T_NULL:
    case LS_T_INT:
    case LS_T_DOUBLE:
    case LS_T_TEXT:
    case LS_T_BYTES:
    case LS_T_JSON:
    case LS_T_NATIVE:
    case LS_TYPE_COUNT:
        break;
    }
    return "";
}

static bool no_match(struct ls_expr_parser *p, const struct ls_expr_node *node, enum ls_type type)
{
    const char *hint =
        is_number(node->type) && is_time(type)
            ? "A number becomes a time with datetime(n, 'unixepoch'), a time a number "
              "with unixepoch(t)."
            : type_hint(type);

    if (is_time(node->type) && is_time(type))
        hint = "Times with and without a zone do not mix, nor do times of day and dates; "
               "datetime(x) gives the UTC "
               "time as text.";
    return ls_expr_fail(p, node->at, hint, "a value of type %s where the other is of type %s,",
                        ls_type_word(node->type), ls_type_word(type)) != NULL;
}

/* The exact type that the operands of one comparison have in common: DATE gives way to TIMESTAMP. */
static bool join_types(struct ls_expr_parser *p, struct ls_expr_node *const *nodes, size_t count,
                       enum ls_type *ret)
{
    enum ls_type as = LS_T_NULL;

    for (size_t i = 0; i < count; i++) {
        const enum ls_type type = nodes[i]->type;

        if (!ls_expr_exact_type(type) || type == as)
            continue;
        if (as == LS_T_NULL || (as == LS_T_DATE && type == LS_T_TIMESTAMP))
            as = type;
        else if (!(as == LS_T_TIMESTAMP && type == LS_T_DATE))
            return no_match(p, nodes[i], as);
    }
    *ret = as;
    return true;
}

/* Whether an operand whose type is not `as` can be brought to it when there is a value. */
static bool may_meet(const struct ls_expr_node *node, enum ls_type as)
{
    const enum ls_type type = node->type;

    if (type == as || type == LS_T_NULL || type == LS_T_TEXT || type == LS_T_JSON ||
        type == LS_T_NATIVE)
        return true;
    if (as == LS_T_DECIMAL)
        return is_number(type) || type == LS_T_BOOL;
    return as == LS_T_TIMESTAMP && type == LS_T_DATE;
}

static bool fit_operand(struct ls_expr_parser *p, struct ls_expr_node *node, enum ls_type *as)
{
    if (is_null(node))
        return true;
    if (is_literal(node, LS_LITERAL_TEXT)) {
        if (read_literal(p, node, *as))
            return true;
        if (*as == LS_T_DATE && read_literal(p, node, LS_T_TIMESTAMP)) {
            *as = LS_T_TIMESTAMP; /* a day against a moment: the day begins at midnight */
            return true;
        }
        return p->rc == LS_OK && ls_expr_fail(p, node->at, type_hint(*as), "a text that is no %s",
                                              ls_type_word(*as)) != NULL;
    }
    if (*as == LS_T_DECIMAL)
        keep_digits(node);
    return may_meet(node, *as) || no_match(p, node, *as);
}

static const struct ls_expr_node *skip_collate(const struct ls_expr_node *node)
{
    while (node->kind == LS_NODE_COLLATE)
        node = node->kids[0];
    return node;
}

/* A bool that comes from the record, however it is wrapped; TRUE alone is only a way to write 1. */
static bool is_bool(const struct ls_expr_node *node)
{
    if (node->type != LS_T_BOOL || node->kind == LS_NODE_LITERAL)
        return false;
    if (node->kind == LS_NODE_FIELD || node->kind == LS_NODE_CAST)
        return true;
    for (size_t i = 0; i < node->kid_count; i++)
        if (is_bool(node->kids[i]))
            return true;
    return false;
}

/* A text literal beside a bool means one: 'true', 'f', 'yes'. */
static bool read_bools(struct ls_expr_parser *p, struct ls_expr_node **nodes, size_t count)
{
    bool any = false;

    for (size_t i = 0; i < count; i++)
        any = any || is_bool(nodes[i]);
    for (size_t i = 0; any && i < count; i++) {
        struct ls_value value;
        struct ls_expr_node *node = nodes[i];

        if (!is_literal(node, LS_LITERAL_TEXT))
            continue;
        if (!ls_expr_read(LS_T_BOOL, node->text, node->size, p->mem, &value))
            return ls_expr_fail(p, node->at, type_hint(LS_T_BOOL), "a text that is no bool") !=
                   NULL;
        node->literal = LS_LITERAL_BOOL;
        node->type = LS_T_BOOL;
        node->text = value.b ? "TRUE" : "FALSE";
        node->size = strlen(node->text);
    }
    return true;
}

/* The nodes are held against each other: how they are compared, with their literals read so. */
static bool type_group(struct ls_expr_parser *p, struct ls_expr_node **nodes, size_t count,
                       enum ls_type *ret_as)
{
    enum ls_type as = LS_T_NULL;

    if (!join_types(p, nodes, count, &as))
        return false;
    *ret_as = as;
    if (as == LS_T_NULL)
        return read_bools(p, nodes, count);
    for (size_t i = 0; i < count; i++)
        if (!fit_operand(p, nodes[i], ret_as))
            return false;
    return true;
}

/* The type of what is one of several values: coalesce, the branches of CASE. */
static enum ls_type unify(struct ls_expr_parser *p, struct ls_expr_node **nodes, size_t count,
                          const bool *skip)
{
    enum ls_type all = LS_T_NULL, exact = LS_T_NULL;
    bool same = true, first = true;

    for (size_t i = 0; i < count; i++) {
        const enum ls_type type = nodes[i]->type;

        if (skip[i] || is_null(nodes[i]))
            continue;
        same = same && (first || type == all);
        if (first)
            all = type;
        first = false;
        if (ls_expr_exact_type(type) && exact == LS_T_NULL)
            exact = type;
        else if (ls_expr_exact_type(type) && type != exact)
            return LS_T_NULL;
    }
    if (same || exact == LS_T_NULL)
        return same && all != LS_T_NATIVE ? all : LS_T_NULL;
    for (size_t i = 0; i < count; i++) {
        if (skip[i] || is_null(nodes[i]))
            continue;
        if (exact == LS_T_DECIMAL)
            keep_digits(nodes[i]);
        else if (is_literal(nodes[i], LS_LITERAL_TEXT) && !read_literal(p, nodes[i], exact))
            return LS_T_NULL; /* coalesce(day, 'never') is a text */
        if (!may_meet(nodes[i], exact))
            return LS_T_NULL;
    }
    return exact;
}

static bool *skips(struct ls_expr_parser *p, size_t count)
{
    bool *skip = ls_arena_array(p->mem, count, sizeof *skip);

    if (!skip)
        ls_expr_nomem(p);
    return skip;
}

static bool type_unary(struct ls_expr_parser *p, struct ls_expr_node *node)
{
    const enum ls_type type = node->kids[0]->type;

    if (node->op == LS_EXPR_NOT || node->op == LS_EXPR_BIT_NOT) {
        node->type = LS_T_INT;
        return true;
    }
    node->type = node->op == LS_EXPR_ADD || is_number(type) ? type : LS_T_NULL;
    if (node->op == LS_EXPR_SUB && ls_expr_exact_type(type) && type != LS_T_DECIMAL)
        return ls_expr_fail(p, node->at, "", "a minus before a value of type %s",
                            ls_type_word(type)) != NULL;
    if (node->op == LS_EXPR_SUB && type == LS_T_DECIMAL)
        node->as = LS_T_DECIMAL;
    return true;
}

static bool type_arithmetic(struct ls_expr_parser *p, struct ls_expr_node *node)
{
    enum ls_type as = LS_T_NULL;
    bool exact = false;

    for (size_t i = 0; i < 2; i++)
        if (ls_expr_exact_type(node->kids[i]->type) && node->kids[i]->type != LS_T_DECIMAL)
            return ls_expr_fail(p, node->at,
                                is_time(node->kids[i]->type)
                                    ? "Times move by datetime(t, '+1 day'); unixepoch(t) makes "
                                      "numbers of them."
                                    : "",
                                "%s with a value of type %s", ls_expr_op_sql(node->op),
                                ls_type_word(node->kids[i]->type)) != NULL;
    for (size_t i = 0; i < 2; i++)
        exact = exact || node->kids[i]->type == LS_T_DECIMAL;
    if (exact && !type_group(p, node->kids, 2, &as))
        return false;
    if (exact && node->op != LS_EXPR_MOD) {
        node->as = as;
        node->type = node->op == LS_EXPR_DIV ? LS_T_DOUBLE : as;
    } else if (node->kids[0]->type == node->kids[1]->type && is_number(node->kids[0]->type)) {
        node->type = node->kids[0]->type == LS_T_INT ? LS_T_INT : LS_T_DOUBLE;
    }
    return true;
}

static bool type_binary(struct ls_expr_parser *p, struct ls_expr_node *node)
{
    switch (ls_expr_op_level(node->op)) {
    case 8: /* + - */
    case 9: /* * / % */
        return type_arithmetic(p, node);
    case 10:
        node->type = node->op == LS_EXPR_CONCAT  ? LS_T_TEXT
                     : node->op == LS_EXPR_ARROW ? LS_T_JSON
                                                 : LS_T_NULL;
        return true;
    default: /* AND OR & | << >> */
        node->type = LS_T_INT;
        return true;
    }
}

static bool type_compare(struct ls_expr_parser *p, struct ls_expr_node *node)
{
    node->type = LS_T_INT;
    /* x IS TRUE asks for truth and compares nothing. */
    if ((node->op == LS_EXPR_IS || node->op == LS_EXPR_IS_NOT) &&
        is_literal(skip_collate(node->kids[1]), LS_LITERAL_BOOL))
        return true;
    return type_group(p, node->kids, 2, &node->as);
}

/* The base against each WHEN, then what THEN and ELSE give. */
static bool type_case(struct ls_expr_parser *p, struct ls_expr_node *node)
{
    const size_t base = node->has_base, end = node->kid_count - node->has_else;
    struct ls_expr_node **compared = NULL;
    bool *skip = skips(p, node->kid_count);

    if (!skip)
        return false;
    for (size_t i = 0; i < end; i++)
        skip[i] = i < base || (i - base) % 2 == 0;
    if (base) {
        size_t count = 0;

        compared = ls_arena_array(p->mem, node->kid_count, sizeof(struct ls_expr_node *));
        if (!compared)
            return ls_expr_nomem(p) != NULL;
        for (size_t i = 0; i < end; i++)
            if (skip[i])
                compared[count++] = node->kids[i];
        if (!type_group(p, compared, count, &node->as))
            return false;
    }
    node->type = unify(p, node->kids, node->kid_count, skip);
    return p->rc == LS_OK;
}

/* What would make a result depend on the moment or the machine, in the arguments of a time function. */
static bool check_moment(struct ls_expr_parser *p, const struct ls_expr_node *arg)
{
    static const char *const words[] = {"now", "localtime", "utc", "subsec", "subsecond"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (is_literal(arg, LS_LITERAL_TEXT) && strcasecmp(arg->text, words[i]) == 0)
            return ls_expr_fail(
                       p, arg->at,
                       "The result would depend on the clock or the machine; times are UTC here.",
                       "'%s' is not allowed", words[i]) != NULL;
    return true;
}

static bool type_call(struct ls_expr_parser *p, struct ls_expr_node *node)
{
    const unsigned flags = node->function->flags;
    bool *skip;

    node->type = node->function->type;
    if (flags & LS_FN_MOMENT)
        for (size_t i = (flags & LS_FN_FORMAT) != 0; i < node->kid_count; i++)
            if (!check_moment(p, node->kids[i]))
                return false;
    if (flags & LS_FN_EXACT && node->kids[0]->type == LS_T_DECIMAL)
        node->type = node->as = LS_T_DECIMAL;
    if (flags & (LS_FN_EXTREME | LS_FN_NULLIF) &&
        !type_group(p, node->kids, node->kid_count, &node->as))
        return false;
    if (flags & LS_FN_NULLIF)
        node->type = node->kids[0]->type;
    if (!(flags & (LS_FN_UNIFY | LS_FN_EXTREME)))
        return true;
    skip = skips(p, node->kid_count);
    if (!skip)
        return false;
    skip[0] = (flags & LS_FN_IIF) != 0;
    node->type = node->as != LS_T_NULL ? node->as : unify(p, node->kids, node->kid_count, skip);
    return p->rc == LS_OK;
}

static bool type_cast(struct ls_expr_parser *p, struct ls_expr_node *node)
{
    const enum ls_type from = node->kids[0]->type, to = node->type;

    if ((from == LS_T_TIMESTAMP && to == LS_T_TIMESTAMPTZ) ||
        (from == LS_T_TIMESTAMPTZ && to == LS_T_TIMESTAMP))
        return ls_expr_fail(
                   p, node->at,
                   "datetime(x) gives the UTC time as text; a sync's `timezone:` setting says "
                   "in which zone times are meant.",
                   "a cast from %s to %s", ls_type_word(from), ls_type_word(to)) != NULL;
    if (is_time(to) && is_number(from))
        return no_match(p, node->kids[0], to);
    if (to == LS_T_DECIMAL)
        keep_digits(node->kids[0]);
    return true;
}

bool ls_expr_type_node(struct ls_expr_parser *p, struct ls_expr_node *node)
{
    switch (node->kind) {
    case LS_NODE_UNARY:
        return type_unary(p, node);
    case LS_NODE_BINARY:
        return type_binary(p, node);
    case LS_NODE_COMPARE:
        return type_compare(p, node);
    case LS_NODE_IN:
    case LS_NODE_BETWEEN:
        node->type = LS_T_INT;
        return type_group(p, node->kids, node->kid_count, &node->as);
    case LS_NODE_NULLTEST:
    case LS_NODE_LIKE:
        node->type = LS_T_INT;
        return true;
    case LS_NODE_CASE:
        return type_case(p, node);
    case LS_NODE_CAST:
        return type_cast(p, node);
    case LS_NODE_COLLATE:
        node->type = node->kids[0]->type;
        return true;
    case LS_NODE_CALL:
        return type_call(p, node);
    case LS_NODE_LITERAL:
    case LS_NODE_FIELD:
        break;
    }
    return true;
}
