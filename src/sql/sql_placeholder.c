/* SPDX-License-Identifier: Apache-2.0 */
/* sql_placeholder.c - question marks become $1, $2... for PostgreSQL.
 *
 * One statement text serves both databases, so it is written with `?`, which SQLite takes as it
 * is. PostgreSQL has operators with question marks (jsonb `?`, `?|`, `?&`): those are written
 * `??`, as in JDBC. What must be skipped is what the server's own scanner skips: '...' (with
 * backslashes when an E stands before it), "...", $tag$...$tag$, -- to the end of the line, and
 * nested comments. Nothing is checked: where a literal has no end, the rest is copied and the
 * server says what is wrong.
 *
 * Pure. standard_conforming_strings is on in every session, so a backslash in '...' is a
 * character. */
#include <string.h>

#include "sql/sql_driver.h"

static bool is_ident(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

static bool is_ident_start(char c)
{
    return is_ident(c) && c != '$' && !(c >= '0' && c <= '9');
}

/* Each of the following gives the length of the token that begins at s. */

static size_t quoted(const char *s, bool backslashes)
{
    size_t i = 1;

    while (s[i]) {
        if (s[i] == '\\' && backslashes && s[i + 1])
            i += 2;
        else if (s[i] == s[0] && s[i + 1] == s[0])
            i += 2;
        else if (s[i++] == s[0])
            break;
    }
    return i;
}

static size_t line_comment(const char *s)
{
    return strcspn(s, "\n");
}

static size_t block_comment(const char *s)
{
    size_t i = 2, depth = 1;

    while (s[i] && depth) {
        bool opens = s[i] == '/' && s[i + 1] == '*', closes = s[i] == '*' && s[i + 1] == '/';

        depth += opens;
        depth -= closes;
        i += opens || closes ? 2 : 1;
    }
    return i;
}

/* 1 for a dollar sign that opens no quote. */
static size_t dollar_quote(const char *s)
{
    size_t tag = 1, end;

    if (is_ident_start(s[1]))
        while (is_ident(s[tag]) && s[tag] != '$')
            tag++;
    if (s[tag] != '$')
        return 1;
    tag++;
    for (end = tag; s[end]; end++)
        if (strncmp(s + end, s, tag) == 0)
            return end + tag;
    return end;
}

/* The token at sql[at] that has to be copied as it is. */
static size_t skip(const char *sql, size_t at)
{
    const char *s = sql + at;
    bool after_ident = at > 0 && is_ident(sql[at - 1]);

    if (s[0] == '\'')
        return quoted(s, after_ident && (sql[at - 1] == 'e' || sql[at - 1] == 'E') &&
                             !(at > 1 && is_ident(sql[at - 2])));
    if (s[0] == '"')
        return quoted(s, false);
    if (s[0] == '-' && s[1] == '-')
        return line_comment(s);
    if (s[0] == '/' && s[1] == '*')
        return block_comment(s);
    if (s[0] == '$' && !after_ident)
        return dollar_quote(s);
    return 1;
}

void ls_sql_placeholders(const char *sql, struct ls_buf *out, size_t *ret_count)
{
    size_t count = 0, at = 0;

    while (sql[at]) {
        size_t n = 1;

        if (sql[at] != '?') {
            n = skip(sql, at);
            ls_buf_add(out, sql + at, n);
        } else if (sql[at + 1] == '?') {
            n = 2;
            ls_buf_char(out, '?');
        } else {
            ls_buf_printf(out, "$%zu", ++count);
        }
        at += n;
    }
    *ret_count = count;
}
