/* SPDX-License-Identifier: Apache-2.0 */
/* expr_lex.c - an expression's text as tokens, and how a fault in it is told.
 *
 * The lexer is where everything that is no expression ends: comments, semicolons, bind parameters, brackets and
 * backticks around names, control bytes, text that is not UTF-8. It knows SQLite's spelling of numbers (hex, no
 * underscores), strings ('' inside) and blobs (x'00ff'), and no keywords: a bare word is a name until the parser
 * asks whether it stands where a keyword may stand.
 *
 * The first fault sticks in the parser; the message carries the column (in characters, from 1) and the text around
 * it with a ^ in front of the place. Invariant: pos never passes size, and text[size] is NUL. */
#include "model/expr_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define X(name, sql, level) {sql, level},
static const struct {
    const char *sql;
    int level;
} ops[] = {LS_EXPR_OPS(X)};
#undef X

const char *ls_expr_op_sql(enum ls_expr_op op)
{
    return ops[op].sql;
}

int ls_expr_op_level(enum ls_expr_op op)
{
    return ops[op].level;
}

/* How much of the text is shown on each side of a fault: enough to find it, short enough for one line. */
#define EXCERPT_BYTES 28

static size_t column_of(const char *text, size_t at)
{
    size_t column = 1;

    for (size_t i = 0; i < at; i++)
        column += ((unsigned char)text[i] & 0xc0) != 0x80;
    return column;
}

static void excerpt(const struct ls_expr_parser *p, size_t at, struct ls_buf *out)
{
    size_t from = at > EXCERPT_BYTES ? at - EXCERPT_BYTES : 0;
    size_t length = p->size - at;

    while (from < at && ((unsigned char)p->text[from] & 0xc0) == 0x80)
        from++;
    if (from > 0)
        ls_buf_text(out, "...");
    ls_text_printable(out, p->text + from, at - from);
    ls_buf_char(out, '^');
    if (length > EXCERPT_BYTES)
        length = ls_utf8_cut(p->text + at, EXCERPT_BYTES);
    ls_text_printable(out, p->text + at, length);
    if (at + length < p->size)
        ls_buf_text(out, "...");
}

void *ls_expr_fail(struct ls_expr_parser *p, size_t at, const char *hint, const char *fmt, ...)
{
    struct ls_buf where;
    char what[512];
    va_list args;

    if (p->rc != LS_OK)
        return NULL;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    what[ls_utf8_cut(what, strlen(what))] = '\0';
    ls_buf_init(&where, 1024);
    excerpt(p, at, &where);
    p->rc = ls_error_set(p->err, LS_CONFIG, "expression: %s at column %zu: %s%s%s", what,
                         column_of(p->text, at), where.failed ? "^" : ls_buf_str(&where),
                         *hint ? ". " : "", hint);
    ls_buf_done(&where);
    return NULL;
}

void *ls_expr_nomem(struct ls_expr_parser *p)
{
    if (p->rc == LS_OK)
        p->rc = ls_error_nomem(p->err);
    return NULL;
}

bool ls_expr_word(const struct ls_expr_token *tok, const char *word)
{
    return tok->kind == LS_TOK_NAME && strcasecmp(tok->text, word) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_name(char c)
{
    return is_name_start(c) || is_digit(c) || c == '$';
}

/* Ends the token at p->pos with a copy of its text. */
static bool finish(struct ls_expr_parser *p, enum ls_expr_token_kind kind, const char *text,
                   size_t size)
{
    p->tok.kind = kind;
    p->tok.text = ls_arena_text_n(p->mem, text, size);
    p->tok.size = size;
    if (!p->tok.text)
        ls_expr_nomem(p);
    return p->tok.text != NULL;
}

static bool lex_name(struct ls_expr_parser *p)
{
    const size_t from = p->pos;

    while (is_name(p->text[p->pos]))
        p->pos++;
    return finish(p, LS_TOK_NAME, p->text + from, p->pos - from);
}

/* What stands between quotes; the quote doubled is one of it. */
static bool lex_quoted(struct ls_expr_parser *p, enum ls_expr_token_kind kind)
{
    const size_t from = p->pos;
    const char quote = p->text[p->pos++];
    char *text;
    size_t length = 0;

    for (;; p->pos++) {
        if (p->pos >= p->size)
            return ls_expr_fail(p, from, "", "%s that does not end",
                                quote == '"' ? "a quoted name" : "a text") != NULL;
        if (p->text[p->pos] == quote) {
            if (p->text[p->pos + 1] != quote)
                break;
            p->pos++;
        }
        length++;
    }
    p->pos++;
    text = ls_arena_alloc(p->mem, length + 1);
    if (!text)
        return ls_expr_nomem(p) != NULL;
    for (size_t i = from + 1, n = 0; n < length; i++, n++) {
        text[n] = p->text[i];
        i += text[n] == quote;
    }
    p->tok.kind = kind;
    p->tok.text = text;
    p->tok.size = length;
    return true;
}

static bool lex_blob(struct ls_expr_parser *p)
{
    const size_t from = p->pos;
    size_t digits = 0;

    p->pos += 2;
    while (is_hex(p->text[p->pos + digits]))
        digits++;
    if (digits % 2 != 0 || p->text[p->pos + digits] != '\'')
        return ls_expr_fail(p, from, "A blob is x'0a1b', two hex digits a byte.",
                            "a blob that is not pairs of hex digits") != NULL;
    p->pos += digits + 1;
    return finish(p, LS_TOK_BLOB, p->text + p->pos - digits - 1, digits);
}

static bool number_ends(struct ls_expr_parser *p, size_t from)
{
    if (!is_name(p->text[p->pos]))
        return true;
    return ls_expr_fail(p, from, "A name that begins with a digit stands in double quotes.",
                        "a malformed number") != NULL;
}

static bool lex_hex(struct ls_expr_parser *p)
{
    const size_t from = p->pos;
    size_t first;

    for (p->pos += 2; p->text[p->pos] == '0'; p->pos++)
        ;
    first = p->pos;
    while (is_hex(p->text[p->pos]))
        p->pos++;
    if (!number_ends(p, from))
        return false;
    if (p->pos - first > 16)
        return ls_expr_fail(p, from, "", "a hex number of more than 64 bits") != NULL;
    return finish(p, LS_TOK_HEX, p->text + from, p->pos - from);
}

static bool lex_number(struct ls_expr_parser *p)
{
    const size_t from = p->pos;
    enum ls_expr_token_kind kind = LS_TOK_INT;
    size_t exponent;

    if (p->text[from] == '0' && (p->text[from + 1] | 0x20) == 'x' && is_hex(p->text[from + 2]))
        return lex_hex(p);
    while (is_digit(p->text[p->pos]))
        p->pos++;
    if (p->text[p->pos] == '.') {
        kind = LS_TOK_FLOAT;
        for (p->pos++; is_digit(p->text[p->pos]);)
            p->pos++;
    }
    if ((p->text[p->pos] | 0x20) == 'e') {
        exponent = p->pos + 1;
        if (p->text[exponent] == '+' || p->text[exponent] == '-')
            exponent++;
        if (is_digit(p->text[exponent])) {
            kind = LS_TOK_FLOAT;
            for (p->pos = exponent; is_digit(p->text[p->pos]);)
                p->pos++;
        }
    }
    return number_ends(p, from) && finish(p, kind, p->text + from, p->pos - from);
}

/* Longest first. */
static const struct sign {
    const char *text;
    enum ls_expr_token_kind kind;
    enum ls_expr_op op;
} signs[] = {
    {"->>", LS_TOK_OP, LS_EXPR_ARROW_TEXT}, {"->", LS_TOK_OP, LS_EXPR_ARROW},
    {"||", LS_TOK_OP, LS_EXPR_CONCAT},      {"<>", LS_TOK_OP, LS_EXPR_NE},
    {"!=", LS_TOK_OP, LS_EXPR_NE},          {"<=", LS_TOK_OP, LS_EXPR_LE},
    {">=", LS_TOK_OP, LS_EXPR_GE},          {"<<", LS_TOK_OP, LS_EXPR_SHIFT_LEFT},
    {">>", LS_TOK_OP, LS_EXPR_SHIFT_RIGHT}, {"==", LS_TOK_OP, LS_EXPR_EQ},
    {"=", LS_TOK_OP, LS_EXPR_EQ},           {"<", LS_TOK_OP, LS_EXPR_LT},
    {">", LS_TOK_OP, LS_EXPR_GT},           {"+", LS_TOK_OP, LS_EXPR_ADD},
    {"-", LS_TOK_OP, LS_EXPR_SUB},          {"*", LS_TOK_OP, LS_EXPR_MUL},
    {"/", LS_TOK_OP, LS_EXPR_DIV},          {"%", LS_TOK_OP, LS_EXPR_MOD},
    {"&", LS_TOK_OP, LS_EXPR_BIT_AND},      {"|", LS_TOK_OP, LS_EXPR_BIT_OR},
    {"~", LS_TOK_OP, LS_EXPR_BIT_NOT},      {"(", LS_TOK_OPEN, LS_EXPR_NONE},
    {")", LS_TOK_CLOSE, LS_EXPR_NONE},      {",", LS_TOK_COMMA, LS_EXPR_NONE},
};

/* What people write that is no part of an expression: beginning, what it is, what to do. */
static const struct {
    const char *text, *what, *hint;
} refused[] = {
    {"--", "a comment", "An expression holds no comments; between two minus signs stands a blank."},
    {"/*", "a comment", "An expression holds no comments."},
    {";", "a semicolon", "It is exactly one expression."},
    {"?", "a parameter", "Values are written into the expression."},
    {":", "a parameter or cast", "A cast is CAST(x AS type)."},
    {"@", "a parameter", "Values are written into the expression."},
    {"$", "a parameter", "A name that begins with $ stands in double quotes."},
    {"#", "an unknown sign", "There is nothing like it in an expression."},
    {"[", "a name in brackets", "Names with special characters stand in double quotes."},
    {"`", "a name in backticks", "Names with special characters stand in double quotes."},
    {".", "a dot",
     "A field stands alone, without its table; a name with a dot in it stands in double quotes."},
};

static bool lex_sign(struct ls_expr_parser *p)
{
    const char *at = p->text + p->pos;

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (ls_text_starts(at, refused[i].text))
            return ls_expr_fail(p, p->pos, refused[i].hint, "%s", refused[i].what) != NULL;
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (!ls_text_starts(at, signs[i].text))
            continue;
        p->tok.kind = signs[i].kind;
        p->tok.op = signs[i].op;
        p->tok.text = signs[i].text;
        p->tok.size = strlen(signs[i].text);
        p->pos += p->tok.size;
        return true;
    }
    return ls_expr_fail(p, p->pos, "", "an unknown sign") != NULL;
}

bool ls_expr_next(struct ls_expr_parser *p)
{
    char c;

    if (p->rc != LS_OK)
        return false;
    while (is_blank(p->text[p->pos]))
        p->pos++;
    c = p->text[p->pos];
    p->tok = (struct ls_expr_token){.kind = LS_TOK_END, .at = p->pos, .text = ""};
    if (p->pos >= p->size)
        return true;
    if ((c == 'x' || c == 'X') && p->text[p->pos + 1] == '\'')
        return lex_blob(p);
    if (is_name_start(c))
        return lex_name(p);
    if (is_digit(c) || (c == '.' && is_digit(p->text[p->pos + 1])))
        return lex_number(p);
    if (c == '\'')
        return lex_quoted(p, LS_TOK_STRING);
    if (c == '"')
        return lex_quoted(p, LS_TOK_QUOTED);
    return lex_sign(p);
}
