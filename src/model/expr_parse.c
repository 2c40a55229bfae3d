/* SPDX-License-Identifier: Apache-2.0 */
/* expr_parse.c - an expression's tokens as a tree.
 *
 * A Pratt parser over SQLite's table of binding strengths (expr_priv.h): each operator knows how tightly it binds, a
 * chain is a loop, and what is nested recurses. We parse ourselves instead of asking SQLite whether a text is fine,
 * because a text that reaches its parser could be anything (a subquery, a second statement), and because only a tree can
 * tell which fields are read, where a decimal is compared and what a store may filter by.
 *
 * What is accepted is a part of what SQLite accepts and means the same, with three exceptions, all for the record's
 * types: casts to types that SQLite does not know, names looked up by exact case, TRUE and FALSE always literals.
 * One deviation is on the strict side: the low bound of BETWEEN may not hold a bare OR.
 *
 * Limits: each call of parse() that is open counts against LS_EXPR_MAX_DEPTH, which bounds the C stack whatever is
 * nested in what; what is chained counts against LS_EXPR_MAX_HEIGHT. */
#include "model/expr_priv.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct ls_expr_node *parse(struct ls_expr_parser *p, int level);

/* Children while their number is not known. */
struct kids {
    struct ls_expr_node **items;
    size_t count, capacity;
};

static bool add_kid(struct ls_expr_parser *p, struct kids *kids, struct ls_expr_node *kid)
{
    if (!kid)
        return false;
    if (kids->count == kids->capacity) {
        const size_t capacity = kids->capacity ? kids->capacity * 2 : 4;
        struct ls_expr_node **items =
            ls_arena_array(p->mem, capacity, sizeof(struct ls_expr_node *));

        if (!items)
            return ls_expr_nomem(p) != NULL;
        if (kids->count)
            memcpy(items, kids->items, kids->count * sizeof(struct ls_expr_node *));
        kids->items = items;
        kids->capacity = capacity;
    }
    kids->items[kids->count++] = kid;
    return true;
}

static struct ls_expr_node *new_node(struct ls_expr_parser *p, enum ls_expr_kind kind, size_t at)
{
    struct ls_expr_node *node = ls_arena_alloc(p->mem, sizeof *node);

    if (!node)
        return ls_expr_nomem(p);
    node->kind = kind;
    node->at = at;
    node->height = 1;
    return node;
}

/* Gives the node its children and its type. */
static struct ls_expr_node *close_node(struct ls_expr_parser *p, struct ls_expr_node *node,
                                       const struct kids *kids)
{
    node->kids = kids->items;
    node->kid_count = kids->count;
    for (size_t i = 0; i < kids->count; i++)
        if (kids->items[i]->height >= node->height)
            node->height = kids->items[i]->height + 1;
    if (node->height > LS_EXPR_MAX_HEIGHT)
        return ls_expr_fail(p, node->at, "A long row of alternatives is shorter as x IN (...).",
                            "more than %d operators in a row", LS_EXPR_MAX_HEIGHT);
    return ls_expr_type_node(p, node) ? node : NULL;
}

static struct ls_expr_node *node_of(struct ls_expr_parser *p, struct ls_expr_node *node,
                                    struct ls_expr_node *a, struct ls_expr_node *b)
{
    struct kids kids = {NULL, 0, 0};

    if (!node || !add_kid(p, &kids, a) || (b && !add_kid(p, &kids, b)))
        return NULL;
    return close_node(p, node, &kids);
}

/* "what was expected, but found this". */
static void *unexpected(struct ls_expr_parser *p, const char *wanted)
{
    if (p->tok.kind == LS_TOK_END)
        return ls_expr_fail(p, p->tok.at, "", "%s expected, but it ends", wanted);
    return ls_expr_fail(p, p->tok.at, "", "%s expected", wanted);
}

static bool accept(struct ls_expr_parser *p, enum ls_expr_token_kind kind)
{
    return p->tok.kind == kind && ls_expr_next(p);
}

static bool accept_word(struct ls_expr_parser *p, const char *word)
{
    return ls_expr_word(&p->tok, word) && ls_expr_next(p);
}

static bool expect(struct ls_expr_parser *p, enum ls_expr_token_kind kind, const char *wanted)
{
    if (p->tok.kind != kind)
        return unexpected(p, wanted) != NULL;
    return ls_expr_next(p);
}

static bool expect_word(struct ls_expr_parser *p, const char *word)
{
    if (!ls_expr_word(&p->tok, word))
        return unexpected(p, word) != NULL;
    return ls_expr_next(p);
}

/* Words that cannot be a bare field: they would be read as something else in some place. */
static const char *const reserved[] = {
    "AND",     "AS",    "BETWEEN", "CASE", "CAST", "COLLATE", "ELSE",  "END",
    "ESCAPE",  "FALSE", "GLOB",    "IN",   "IS",   "ISNULL",  "LIKE",  "NOT",
    "NOTNULL", "NULL",  "OR",      "THEN", "TRUE", "WHEN",    "MATCH", "REGEXP",
};
/* Words that begin what an expression cannot hold. */
static const struct {
    const char *word, *what, *hint;
} closed[] = {
    {"SELECT", "a subquery", "An expression sees one record and nothing else."},
    {"EXISTS", "a subquery", "An expression sees one record and nothing else."},
    {"VALUES", "a subquery", "An expression sees one record and nothing else."},
    {"WITH", "a subquery", "An expression sees one record and nothing else."},
    {"RAISE", "RAISE", "It has a meaning in triggers only."},
    {"CURRENT_DATE", "the clock", "The result would depend on when it is asked; write the time."},
    {"CURRENT_TIME", "the clock", "The result would depend on when it is asked; write the time."},
    {"CURRENT_TIMESTAMP", "the clock",
     "The result would depend on when it is asked; write the time."},
};

static bool is_reserved(const struct ls_expr_token *tok)
{
    for (size_t i = 0; i < COUNT(reserved); i++)
        if (ls_expr_word(tok, reserved[i]))
            return true;
    return false;
}

static struct ls_expr_node *literal(struct ls_expr_parser *p, enum ls_expr_literal kind,
                                    enum ls_type type)
{
    struct ls_expr_node *node = new_node(p, LS_NODE_LITERAL, p->tok.at);

    if (!node)
        return NULL;
    node->literal = kind;
    node->type = type;
    node->text = p->tok.text;
    node->size = p->tok.size;
    return ls_expr_next(p) ? node : NULL;
}

static const char *nearest_field(const struct ls_expr_parser *p, const char *name)
{
    const char *names[256];
    size_t count = 0;

    for (size_t i = 0; i < p->schema->field_count; i++)
        if (ls_text_equal_nocase(p->schema->fields[i].name, name))
            return p->schema->fields[i].name;
    for (size_t i = 0; i < p->schema->field_count && count < COUNT(names); i++)
        names[count++] = p->schema->fields[i].name;
    return ls_text_nearest(name, names, count);
}

static void *unknown_field(struct ls_expr_parser *p)
{
    const char *nearest = nearest_field(p, p->tok.text);
    const char *hint = "";

    if (p->tok.kind == LS_TOK_NAME && p->text[p->pos] == '.')
        hint = "A field stands alone, without its table.";
    else if (nearest)
        hint = ls_arena_printf(p->mem, "Did you mean %s?", nearest);
    else if (p->tok.kind == LS_TOK_QUOTED)
        hint = "In double quotes stands a field's name; a text stands in single quotes.";
    if (!hint)
        return ls_expr_nomem(p);
    return ls_expr_fail(p, p->tok.at, hint, "no field \"%s\" in %s", p->tok.text,
                        p->schema->collection);
}

static struct ls_expr_node *field(struct ls_expr_parser *p)
{
    const int found = ls_schema_find(p->schema, p->tok.text);
    struct ls_expr_node *node;

    if (found < 0)
        return unknown_field(p);
    node = new_node(p, LS_NODE_FIELD, p->tok.at);
    if (!node)
        return NULL;
    node->field = (size_t)found;
    node->type = p->schema->fields[found].type;
    return ls_expr_next(p) ? node : NULL;
}

static void *unknown_function(struct ls_expr_parser *p, const struct ls_expr_token *name)
{
    const char *why = ls_expr_function_refused(name->text);
    const char *nearest = why ? NULL : ls_expr_function_nearest(name->text);

    if (why)
        return ls_expr_fail(p, name->at, why, "function %s is not allowed", name->text);
    why = nearest ? ls_arena_printf(p->mem, "Did you mean %s?", nearest)
                  : "docs/expressions.md lists the functions that may be called.";
    return why ? ls_expr_fail(p, name->at, why, "no function \"%s\"", name->text)
               : ls_expr_nomem(p);
}

static bool check_arguments(struct ls_expr_parser *p, const struct ls_expr_node *node)
{
    const struct ls_expr_function *f = node->function;
    const int count = (int)node->kid_count;

    if (count >= f->args_min && (f->args_max < 0 || count <= f->args_max) && count <= 100)
        return true;
    if (f->flags & LS_FN_EXTREME && count == 1)
        return ls_expr_fail(p, node->at,
                            "Of one value over many records it would be an aggregate; an "
                            "expression sees one record.",
                            "%s needs two or more arguments", f->name) != NULL;
    if (f->args_max == f->args_min)
        return ls_expr_fail(p, node->at, "", "%s takes %d argument%s, not %d,", f->name,
                            f->args_min, f->args_min == 1 ? "" : "s", count) != NULL;
    return ls_expr_fail(p, node->at, "", "%s takes %d to %d arguments, not %d,", f->name,
                        f->args_min, f->args_max < 0 ? 100 : f->args_max, count) != NULL;
}

/* NAME ( arguments ), standing on the bracket. */
static struct ls_expr_node *call(struct ls_expr_parser *p, const struct ls_expr_token *name)
{
    struct kids kids = {NULL, 0, 0};
    struct ls_expr_node *node = new_node(p, LS_NODE_CALL, name->at);

    if (!node)
        return NULL;
    node->function = ls_expr_function_find(name->text);
    if (!node->function)
        return unknown_function(p, name);
    if (!ls_expr_next(p))
        return NULL;
    if (p->tok.kind != LS_TOK_CLOSE) {
        if (ls_expr_word(&p->tok, "DISTINCT") ||
            (p->tok.kind == LS_TOK_OP && p->tok.op == LS_EXPR_MUL))
            return ls_expr_fail(p, p->tok.at, "There are no aggregates.", "an argument expected");
        do {
            if (!add_kid(p, &kids, parse(p, LS_LEVEL_LOWEST)))
                return NULL;
        } while (accept(p, LS_TOK_COMMA));
    }
    if (!expect(p, LS_TOK_CLOSE, ", or )"))
        return NULL;
    if (ls_expr_word(&p->tok, "OVER") || ls_expr_word(&p->tok, "FILTER"))
        return ls_expr_fail(p, p->tok.at, "An expression sees one record.",
                            "a window or filter clause");
    node->kid_count = kids.count;
    return check_arguments(p, node) ? close_node(p, node, &kids) : NULL;
}

/* Names of types in a cast: what SQLite does itself has its name of the type. */
static const struct cast {
    const char *name;
    enum ls_type type;
    const char *sqlite;
} casts[] = {
    {"INTEGER", LS_T_INT, "INTEGER"},   {"INT", LS_T_INT, "INTEGER"},
    {"BIGINT", LS_T_INT, "INTEGER"},    {"REAL", LS_T_DOUBLE, "REAL"},
    {"DOUBLE", LS_T_DOUBLE, "REAL"},    {"FLOAT", LS_T_DOUBLE, "REAL"},
    {"TEXT", LS_T_TEXT, "TEXT"},        {"VARCHAR", LS_T_TEXT, "TEXT"},
    {"BLOB", LS_T_BYTES, "BLOB"},       {"DECIMAL", LS_T_DECIMAL, NULL},
    {"NUMERIC", LS_T_DECIMAL, NULL},    {"BOOLEAN", LS_T_BOOL, NULL},
    {"BOOL", LS_T_BOOL, NULL},          {"DATE", LS_T_DATE, NULL},
    {"TIME", LS_T_TIME, NULL},          {"TIMESTAMP", LS_T_TIMESTAMP, NULL},
    {"DATETIME", LS_T_TIMESTAMP, NULL}, {"TIMESTAMPTZ", LS_T_TIMESTAMPTZ, NULL},
    {"UUID", LS_T_UUID, NULL},          {"JSON", LS_T_JSON, NULL},
};

static bool cast_type(struct ls_expr_parser *p, struct ls_expr_node *node)
{
    for (size_t i = 0; i < COUNT(casts); i++) {
        if (!ls_expr_word(&p->tok, casts[i].name))
            continue;
        node->type = casts[i].type;
        node->word = casts[i].sqlite;
        if (!ls_expr_next(p))
            return false;
        if (p->tok.kind == LS_TOK_OPEN)
            return ls_expr_fail(p, p->tok.at,
                                "A length or precision would cut values in silence; say it with "
                                "substr() or round().",
                                "a type without brackets expected") != NULL;
        return true;
    }
    return ls_expr_fail(
               p, p->tok.at,
               "Types are INTEGER, REAL, TEXT, BLOB, DECIMAL, BOOLEAN, DATE, TIME, TIMESTAMP, "
               "TIMESTAMPTZ, UUID and JSON.",
               "a type expected") != NULL;
}

static struct ls_expr_node *cast(struct ls_expr_parser *p, size_t at)
{
    struct ls_expr_node *node = new_node(p, LS_NODE_CAST, at), *kid;

    if (!node || !expect(p, LS_TOK_OPEN, "( after CAST"))
        return NULL;
    kid = parse(p, LS_LEVEL_LOWEST);
    if (!kid || !expect_word(p, "AS") || !cast_type(p, node) || !expect(p, LS_TOK_CLOSE, ")"))
        return NULL;
    return node_of(p, node, kid, NULL);
}

static struct ls_expr_node *case_of(struct ls_expr_parser *p, size_t at)
{
    struct ls_expr_node *node = new_node(p, LS_NODE_CASE, at);
    struct kids kids = {NULL, 0, 0};

    if (!node)
        return NULL;
    if (!ls_expr_word(&p->tok, "WHEN")) {
        node->has_base = true;
        if (!add_kid(p, &kids, parse(p, LS_LEVEL_LOWEST)))
            return NULL;
    }
    if (!ls_expr_word(&p->tok, "WHEN"))
        return unexpected(p, "WHEN");
    while (accept_word(p, "WHEN"))
        if (!add_kid(p, &kids, parse(p, LS_LEVEL_LOWEST)) || !expect_word(p, "THEN") ||
            !add_kid(p, &kids, parse(p, LS_LEVEL_LOWEST)))
            return NULL;
    if (accept_word(p, "ELSE")) {
        node->has_else = true;
        if (!add_kid(p, &kids, parse(p, LS_LEVEL_LOWEST)))
            return NULL;
    }
    return expect_word(p, "END") ? close_node(p, node, &kids) : NULL;
}

/* A minus before a plain number makes a literal of both, so that -9223372036854775808 is one. */
static bool fold_minus(struct ls_expr_parser *p, struct ls_expr_node *number, size_t at)
{
    if (number->kind != LS_NODE_LITERAL || number->text[0] == '-' ||
        (number->literal != LS_LITERAL_INT && number->literal != LS_LITERAL_FLOAT))
        return false;
    number->text = ls_arena_printf(p->mem, "-%s", number->text);
    number->size++;
    number->at = at;
    if (!number->text)
        ls_expr_nomem(p);
    return true;
}

static struct ls_expr_node *unary(struct ls_expr_parser *p, enum ls_expr_op op, int level,
                                  size_t at)
{
    struct ls_expr_node *kid = parse(p, level), *node;

    if (!kid)
        return NULL;
    if (op == LS_EXPR_SUB && fold_minus(p, kid, at))
        return p->rc == LS_OK ? kid : NULL;
    node = new_node(p, LS_NODE_UNARY, at);
    if (node)
        node->op = op;
    return node_of(p, node, kid, NULL);
}

static struct ls_expr_node *brackets(struct ls_expr_parser *p)
{
    struct ls_expr_node *node = parse(p, LS_LEVEL_LOWEST);

    if (node && p->tok.kind == LS_TOK_COMMA)
        return ls_expr_fail(p, p->tok.at, "Compare one by one: a = 1 AND b = 2.",
                            "a row of values");
    return node && expect(p, LS_TOK_CLOSE, ")") ? node : NULL;
}

/* A bare word where a value is expected. */
static struct ls_expr_node *word(struct ls_expr_parser *p)
{
    const struct ls_expr_token name = p->tok;
    bool calls;

    if (ls_expr_word(&name, "NULL"))
        return literal(p, LS_LITERAL_NULL, LS_T_NULL);
    if (ls_expr_word(&name, "TRUE") || ls_expr_word(&name, "FALSE"))
        return literal(p, LS_LITERAL_BOOL, LS_T_BOOL);
    if (accept_word(p, "NOT"))
        return unary(p, LS_EXPR_NOT, LS_LEVEL_NOT, name.at);
    if (accept_word(p, "CASE"))
        return case_of(p, name.at);
    if (accept_word(p, "CAST"))
        return cast(p, name.at);
    calls = p->text[p->pos + strspn(p->text + p->pos, " \t\r\n\f")] == '(';
    if (is_reserved(&name) && !(calls && ls_expr_function_find(name.text))) /* like(), glob() */
        return ls_expr_fail(p, name.at, "A field of this name stands in double quotes.",
                            "a value expected before %s", name.text);
    if (ls_schema_find(p->schema, name.text) < 0)
        for (size_t i = 0; i < COUNT(closed); i++)
            if (ls_expr_word(&name, closed[i].word))
                return ls_expr_fail(p, name.at, closed[i].hint, "%s is not allowed",
                                    closed[i].what);
    if (calls)
        return ls_expr_next(p) ? call(p, &name) : NULL;
    return field(p);
}

static struct ls_expr_node *sign(struct ls_expr_parser *p)
{
    const struct ls_expr_token tok = p->tok;

    if (tok.op != LS_EXPR_SUB && tok.op != LS_EXPR_ADD && tok.op != LS_EXPR_BIT_NOT)
        return unexpected(p, "a value");
    return ls_expr_next(p) ? unary(p, tok.op, LS_LEVEL_UNARY, tok.at) : NULL;
}

static struct ls_expr_node *prefix(struct ls_expr_parser *p)
{
    switch (p->tok.kind) {
    case LS_TOK_INT:
        return literal(p, LS_LITERAL_INT, LS_T_INT);
    case LS_TOK_HEX:
        return literal(p, LS_LITERAL_HEX, LS_T_INT);
    case LS_TOK_FLOAT:
        return literal(p, LS_LITERAL_FLOAT, LS_T_DOUBLE);
    case LS_TOK_STRING:
        return literal(p, LS_LITERAL_TEXT, LS_T_TEXT);
    case LS_TOK_BLOB:
        return literal(p, LS_LITERAL_BLOB, LS_T_BYTES);
    case LS_TOK_QUOTED:
        return field(p);
    case LS_TOK_NAME:
        return word(p);
    case LS_TOK_OP:
        return sign(p);
    case LS_TOK_OPEN:
        return ls_expr_next(p) ? brackets(p) : NULL;
    case LS_TOK_END:
    case LS_TOK_CLOSE:
    case LS_TOK_COMMA:
        break;
    }
    return unexpected(p, "a value");
}

static struct ls_expr_node *null_test(struct ls_expr_parser *p, struct ls_expr_node *x,
                                      bool negated, size_t at)
{
    struct ls_expr_node *node = new_node(p, LS_NODE_NULLTEST, at);

    if (node)
        node->negated = negated;
    return node_of(p, node, x, NULL);
}

/* IS [NOT] [DISTINCT FROM] y, behind IS. */
static struct ls_expr_node *is_what(struct ls_expr_parser *p, struct ls_expr_node *x, size_t at)
{
    bool negated = accept_word(p, "NOT");
    struct ls_expr_parser before = *p;
    struct ls_expr_node *node, *y;

    if (accept_word(p, "DISTINCT")) {
        if (accept_word(p, "FROM"))
            negated = !negated;
        else if (p->rc == LS_OK)
            *p = before; /* a field of that name */
    }
    y = parse(p, LS_LEVEL_EQUALITY + 1);
    if (!y)
        return NULL;
    if (y->kind == LS_NODE_LITERAL && y->literal == LS_LITERAL_NULL)
        return null_test(p, x, negated, at);
    node = new_node(p, LS_NODE_COMPARE, at);
    if (node)
        node->op = negated ? LS_EXPR_IS_NOT : LS_EXPR_IS;
    return node_of(p, node, x, y);
}

static struct ls_expr_node *in_list(struct ls_expr_parser *p, struct ls_expr_node *x, bool negated,
                                    size_t at)
{
    struct ls_expr_node *node = new_node(p, LS_NODE_IN, at);
    struct kids kids = {NULL, 0, 0};

    if (!node || !add_kid(p, &kids, x) ||
        !expect(p, LS_TOK_OPEN, "( and a list of values after IN"))
        return NULL;
    node->negated = negated;
    if (p->tok.kind != LS_TOK_CLOSE)
        do {
            if (!add_kid(p, &kids, parse(p, LS_LEVEL_LOWEST)))
                return NULL;
        } while (accept(p, LS_TOK_COMMA));
    return expect(p, LS_TOK_CLOSE, ", or )") ? close_node(p, node, &kids) : NULL;
}

static struct ls_expr_node *between(struct ls_expr_parser *p, struct ls_expr_node *x, bool negated,
                                    size_t at)
{
    struct ls_expr_node *node = new_node(p, LS_NODE_BETWEEN, at);
    struct kids kids = {NULL, 0, 0};

    if (!node || !add_kid(p, &kids, x) || !add_kid(p, &kids, parse(p, LS_LEVEL_NOT)) ||
        !expect_word(p, "AND") || !add_kid(p, &kids, parse(p, LS_LEVEL_EQUALITY + 1)))
        return NULL;
    node->negated = negated;
    return close_node(p, node, &kids);
}

static struct ls_expr_node *like(struct ls_expr_parser *p, struct ls_expr_node *x, const char *kind,
                                 bool negated, size_t at)
{
    struct ls_expr_node *node = new_node(p, LS_NODE_LIKE, at);
    struct kids kids = {NULL, 0, 0};

    if (!node || !add_kid(p, &kids, x) || !add_kid(p, &kids, parse(p, LS_LEVEL_EQUALITY + 1)))
        return NULL;
    node->word = kind;
    node->negated = negated;
    if (ls_expr_word(&p->tok, "ESCAPE") && strcmp(kind, "GLOB") == 0)
        return unexpected(p, "an operator, not ESCAPE after GLOB");
    if (accept_word(p, "ESCAPE") && !add_kid(p, &kids, parse(p, LS_LEVEL_EQUALITY + 1)))
        return NULL;
    return p->rc == LS_OK ? close_node(p, node, &kids) : NULL;
}

static struct ls_expr_node *collate(struct ls_expr_parser *p, struct ls_expr_node *x, size_t at)
{
    static const char *const names[] = {"BINARY", "NOCASE", "RTRIM"};
    struct ls_expr_node *node = new_node(p, LS_NODE_COLLATE, at);

    for (size_t i = 0; node && i < COUNT(names); i++)
        if (strcasecmp(p->tok.text, names[i]) == 0 &&
            (p->tok.kind == LS_TOK_NAME || p->tok.kind == LS_TOK_QUOTED)) {
            node->word = names[i];
            return ls_expr_next(p) ? node_of(p, node, x, NULL) : NULL;
        }
    return ls_expr_fail(p, p->tok.at, "", "a collation expected (BINARY, NOCASE or RTRIM)");
}

/* Words that stand behind a value, with their binding strengths. */
static const struct infix_word {
    const char *word;
    int level;
} infix_words[] = {
    {"OR", 1},
    {"AND", 2},
    {"NOT", 4},
    {"IS", 4},
    {"IN", 4},
    {"LIKE", 4},
    {"GLOB", 4},
    {"MATCH", 4},
    {"REGEXP", 4},
    {"BETWEEN", 4},
    {"ISNULL", 4},
    {"NOTNULL", 4},
    {"COLLATE", LS_LEVEL_COLLATE},
};

/* The binding strength of what stands behind a value; 0 when it ends there. */
static int infix_level(const struct ls_expr_token *tok)
{
    if (tok->kind == LS_TOK_OP)
        return ls_expr_op_level(tok->op);
    for (size_t i = 0; i < COUNT(infix_words); i++)
        if (ls_expr_word(tok, infix_words[i].word))
            return infix_words[i].level;
    return 0;
}

static struct ls_expr_node *binary(struct ls_expr_parser *p, struct ls_expr_node *x,
                                   enum ls_expr_op op, size_t at)
{
    const bool compares = op >= LS_EXPR_EQ && op <= LS_EXPR_GE;
    struct ls_expr_node *node, *y = parse(p, ls_expr_op_level(op) + 1);

    node = y ? new_node(p, compares ? LS_NODE_COMPARE : LS_NODE_BINARY, at) : NULL;
    if (node)
        node->op = op;
    return node_of(p, node, x, y);
}

/* The words that may stand behind NOT as well. */
static struct ls_expr_node *test(struct ls_expr_parser *p, struct ls_expr_node *x, bool negated,
                                 size_t at)
{
    if (accept_word(p, "IN"))
        return in_list(p, x, negated, at);
    if (accept_word(p, "LIKE"))
        return like(p, x, "LIKE", negated, at);
    if (accept_word(p, "GLOB"))
        return like(p, x, "GLOB", negated, at);
    if (accept_word(p, "BETWEEN"))
        return between(p, x, negated, at);
    if (ls_expr_word(&p->tok, "MATCH") || ls_expr_word(&p->tok, "REGEXP"))
        return ls_expr_fail(p, p->tok.at, "There are LIKE and GLOB.", "%s is not allowed",
                            p->tok.text);
    if (negated && accept_word(p, "NULL"))
        return null_test(p, x, true, at);
    return unexpected(p, "IN, LIKE, GLOB, BETWEEN or NULL after NOT");
}

static struct ls_expr_node *infix(struct ls_expr_parser *p, struct ls_expr_node *x)
{
    const struct ls_expr_token tok = p->tok;

    if (tok.kind == LS_TOK_OP)
        return ls_expr_next(p) ? binary(p, x, tok.op, tok.at) : NULL;
    if (accept_word(p, "OR"))
        return binary(p, x, LS_EXPR_OR, tok.at);
    if (accept_word(p, "AND"))
        return binary(p, x, LS_EXPR_AND, tok.at);
    if (accept_word(p, "IS"))
        return is_what(p, x, tok.at);
    if (accept_word(p, "ISNULL"))
        return null_test(p, x, false, tok.at);
    if (accept_word(p, "NOTNULL"))
        return null_test(p, x, true, tok.at);
    if (accept_word(p, "COLLATE"))
        return collate(p, x, tok.at);
    if (accept_word(p, "NOT"))
        return test(p, x, true, tok.at);
    return test(p, x, false, tok.at);
}

static struct ls_expr_node *parse(struct ls_expr_parser *p, int level)
{
    struct ls_expr_node *node;

    if (p->rc != LS_OK)
        return NULL;
    if (++p->depth > LS_EXPR_MAX_DEPTH)
        return ls_expr_fail(p, p->tok.at, "", "more than %d levels", LS_EXPR_MAX_DEPTH);
    node = prefix(p);
    while (node && p->rc == LS_OK) {
        const int next = infix_level(&p->tok);

        if (next == 0 || next < level)
            break;
        node = infix(p, node);
    }
    p->depth--;
    return p->rc == LS_OK ? node : NULL;
}

struct ls_expr_node *ls_expr_parse_all(struct ls_expr_parser *p)
{
    struct ls_expr_node *root;

    if (!ls_expr_next(p))
        return NULL;
    if (p->tok.kind == LS_TOK_END)
        return ls_expr_fail(p, 0, "", "nothing");
    root = parse(p, LS_LEVEL_LOWEST);
    if (root && p->tok.kind == LS_TOK_COMMA)
        return ls_expr_fail(p, p->tok.at, "It is exactly one expression.", "a comma");
    if (root && p->tok.kind != LS_TOK_END)
        return unexpected(p, "an operator or the end");
    return root;
}
