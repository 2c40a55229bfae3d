/* SPDX-License-Identifier: Apache-2.0 */
/* expr_priv.h - what the files of the expression parser share: tokens, the tree, the steps.
 *
 * text -> expr_lex.c (tokens) -> expr_parse.c (tree) -> expr_type.c (static types, literals read as what they
 * are compared with; called for each node as it is made) -> expr_emit.c (SQL for the evaluator) and
 * expr_filter.c (the part a store can filter by). expr_func.c is the table of functions. Not for others. */
#ifndef LS_MODEL_EXPR_PRIV_H
#define LS_MODEL_EXPR_PRIV_H

#include "model/expr.h"

/* How high a tree may grow: a chain `a OR b OR c` has no brackets, but is as high as it is long, and SQLite takes at
 * most 1 000, of which our calls need some. */
#define LS_EXPR_MAX_HEIGHT 700

/* Operators written with signs or with AND, OR, NOT, IS: id, SQL, binding strength (SQLite's; 0: prefix only). */
#define LS_EXPR_OPS(X)       \
    X(NONE, "", 0)           \
    X(OR, "OR", 1)           \
    X(AND, "AND", 2)         \
    X(EQ, "=", 4)            \
    X(NE, "<>", 4)           \
    X(IS, "IS", 4)           \
    X(IS_NOT, "IS NOT", 4)   \
    X(LT, "<", 5)            \
    X(LE, "<=", 5)           \
    X(GT, ">", 5)            \
    X(GE, ">=", 5)           \
    X(BIT_AND, "&", 7)       \
    X(BIT_OR, "|", 7)        \
    X(SHIFT_LEFT, "<<", 7)   \
    X(SHIFT_RIGHT, ">>", 7)  \
    X(ADD, "+", 8)           \
    X(SUB, "-", 8)           \
    X(MUL, "*", 9)           \
    X(DIV, "/", 9)           \
    X(MOD, "%", 9)           \
    X(CONCAT, "||", 10)      \
    X(ARROW, "->", 10)       \
    X(ARROW_TEXT, "->>", 10) \
    X(BIT_NOT, "~", 0)       \
    X(NOT, "NOT", 0)
#define X(name, sql, level) LS_EXPR_##name,
enum ls_expr_op { LS_EXPR_OPS(X) LS_EXPR_OP_COUNT };
#undef X
enum { /* binding strengths that are not in the table */
       LS_LEVEL_LOWEST = 1,
       LS_LEVEL_NOT = 3,
       LS_LEVEL_EQUALITY = 4,
       LS_LEVEL_COLLATE = 11,
       LS_LEVEL_UNARY = 12
};
const char *ls_expr_op_sql(enum ls_expr_op op);
int ls_expr_op_level(enum ls_expr_op op);

enum ls_expr_token_kind {
    LS_TOK_END,
    LS_TOK_NAME,   /* bare: keyword, field or function */
    LS_TOK_QUOTED, /* "field" */
    LS_TOK_STRING,
    LS_TOK_BLOB,
    LS_TOK_INT,
    LS_TOK_HEX,
    LS_TOK_FLOAT,
    LS_TOK_OP,
    LS_TOK_OPEN,
    LS_TOK_CLOSE,
    LS_TOK_COMMA
};
struct ls_expr_token {
    enum ls_expr_token_kind kind;
    enum ls_expr_op op; /* LS_TOK_OP */
    size_t at;          /* offset in the text */
    const char *text;   /* NUL-ended: names and strings without their quotes, others as written */
    size_t size;
};

struct ls_expr_parser {
    const char *text;
    size_t size, pos;
    struct ls_expr_token tok; /* the one that is looked at */
    const struct ls_schema *schema;
    struct ls_arena *mem;
    struct ls_error *err;
    enum ls_code rc; /* the first fault; everything returns NULL or false after it */
    unsigned depth;
};

/* Moves to the next token. false after a fault. */
bool ls_expr_next(struct ls_expr_parser *p);
/* The token is this bare word, in any case. */
bool ls_expr_word(const struct ls_expr_token *tok, const char *word);
/* Records a fault at an offset: "WHAT at column 7: excerpt (hint behind it)". hint may be "". Always NULL. */
void *ls_expr_fail(struct ls_expr_parser *p, size_t at, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void *ls_expr_nomem(struct ls_expr_parser *p);

enum ls_expr_kind {
    LS_NODE_LITERAL,
    LS_NODE_FIELD,
    LS_NODE_UNARY,    /* op: NOT, SUB, ADD, BIT_NOT */
    LS_NODE_BINARY,   /* op: AND OR, arithmetic, bits, || -> ->> */
    LS_NODE_COMPARE,  /* op: = <> < <= > >= IS IS_NOT */
    LS_NODE_NULLTEST, /* IS NULL; negated: IS NOT NULL */
    LS_NODE_IN,       /* kids: x, then the list */
    LS_NODE_BETWEEN,  /* kids: x, low, high */
    LS_NODE_LIKE,     /* kids: x, pattern[, escape]; word: LIKE or GLOB */
    LS_NODE_CASE,     /* kids: [base,] when, then, when, then... [, else] */
    LS_NODE_CAST,     /* word: SQLite's type, or NULL when it is done by ours */
    LS_NODE_COLLATE,  /* word: the collation */
    LS_NODE_CALL
};
enum ls_expr_literal {
    LS_LITERAL_NULL,
    LS_LITERAL_BOOL,
    LS_LITERAL_INT,
    LS_LITERAL_HEX,
    LS_LITERAL_FLOAT,
    LS_LITERAL_TEXT,
    LS_LITERAL_BLOB,
    LS_LITERAL_EXACT /* read as the type of what it meets: text of `type` */
};

struct ls_expr_function;
struct ls_expr_node {
    enum ls_expr_kind kind;
    enum ls_expr_op op;
    enum ls_expr_literal literal;
    enum ls_type type; /* of its values, as far as can be told; else NULL */
    enum ls_type
        as; /* how its operands are compared or computed by our functions; NULL: by SQLite itself */
    bool negated, has_base, has_else;
    const char *word;
    const char *text; /* literal: digits, decoded text, hex digits */
    size_t size;
    size_t field; /* index into the schema */
    const struct ls_expr_function *function;
    size_t at;
    unsigned height;
    size_t kid_count;
    struct ls_expr_node **kids;
};

enum ls_expr_function_flags {
    LS_FN_UNIFY = 1 << 0, /* one of its arguments is the result: coalesce; iif from the second on */
    LS_FN_EXTREME = 1 << 1, /* min, max: compares its arguments */
    LS_FN_NULLIF = 1 << 2,
    LS_FN_EXACT = 1 << 3,  /* abs, round: has a twin for decimals, ls_NAME */
    LS_FN_MOMENT = 1 << 4, /* reads a time: 'now' and the machine's zone are kept out */
    LS_FN_FORMAT = 1 << 5, /* its first argument is a format, not a time: strftime */
    LS_FN_IIF = 1 << 6,
    LS_FN_GROWS = 1 << 7 /* printf: gives NULL where its result would be too large */
};
struct ls_expr_function {
    const char *name;
    int args_min, args_max; /* max -1: any number */
    enum ls_type type;      /* of its results, NULL: depends */
    unsigned flags;
};
/* By name in any case; NULL when it is not on the list. */
const struct ls_expr_function *ls_expr_function_find(const char *name);
/* A sentence that says why this function is not, and what to write instead; NULL when there is nothing to say. */
const char *ls_expr_function_refused(const char *name);
/* The nearest name on the list, or NULL. */
const char *ls_expr_function_nearest(const char *name);
/* The names on the list, by number; NULL behind the last. */
const char *ls_expr_function_name(size_t i);

/* Works out type and as of a node whose kids are done, and reads literals as the type they meet. false after a fault. */
bool ls_expr_type_node(struct ls_expr_parser *p, struct ls_expr_node *node);
/* A type that only our functions compare right. */
bool ls_expr_exact_type(enum ls_type type);

/* Parses the whole text; NULL after a fault. */
struct ls_expr_node *ls_expr_parse_all(struct ls_expr_parser *p);

struct ls_expr_slot { /* a field that the expression reads */
    enum ls_type type;
    bool dynamic;
};
struct ls_expr {
    const char *text;
    struct ls_expr_node *root;
    size_t field_count;
    size_t *fields; /* ascending */
    struct ls_expr_slot *slots;
    const char *sql, *loose_sql;
};
/* Writes the SQL. loose: dynamic fields without the affinity of their declared type. NULL after a fault. */
const char *ls_expr_emit(struct ls_expr_parser *p, const struct ls_expr *expr, bool loose);

#endif
