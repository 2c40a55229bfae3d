/* SPDX-License-Identifier: Apache-2.0 */
/* init_yaml.c - YAML as init writes it: scalars that mean the same to every reader, comments of even width. */
#include <string.h>

#include "api/init_priv.h"
#include "base/text.h"

/* Bytes of a character that libyaml would refuse or take for a line break: C1 controls, U+2028, U+2029, U+FEFF, U+FFFE and
 * U+FFFF; *ret_code is its number. 0: it is none. */
static size_t awkward(const unsigned char *c, unsigned *ret_code)
{
    if (c[0] == 0xc2 && c[1] < 0xa1)
        *ret_code = c[1];
    else if (c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9))
        *ret_code = 0x2028u + c[2] - 0xa8u;
    else if (c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf)
        *ret_code = 0xfeff;
    else if (c[0] == 0xef && c[1] == 0xbf && c[2] >= 0xbe)
        *ret_code = 0xff00u + c[2] + 0x40u;
    else
        return 0;
    return c[0] == 0xc2 ? 2 : 3;
}

void ls_init_quoted(struct ls_buf *out, const char *text)
{
    ls_buf_char(out, '"');
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        unsigned code = *c;
        const size_t size = awkward(c, &code);

        if (size > 0 || *c < 0x20 || *c == 0x7f)
            ls_buf_printf(out, "\\u%04x", code);
        else if (c[0] == '$' && c[1] == '{')
            ls_buf_text(out, "$$"); /* or it would name a variable */
        else if (*c == '"' || *c == '\\')
            ls_buf_printf(out, "\\%c", *c);
        else
            ls_buf_char(out, (char)*c);
        c += size ? size : 1;
    }
    ls_buf_char(out, '"');
}

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ls_text_equal_nocase(words[i], text))
            return true;
    return false;
}

/* Letters, digits and _, not a digit first; `more` may stand in it too. */
static bool is_word(const char *text, char more)
{
    for (const char *c = text; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_' ||
              (c > text && ((*c >= '0' && *c <= '9') || *c == more))))
            return false;
    return *text != '\0';
}

/* Names such as a, a_1 and a.b, which are the same text in every YAML. */
static bool is_plain(const char *text)
{
    static const char *const words[] = {"y",   "n",    "yes",   "no",  "on",
                                        "off", "true", "false", "null"};

    return is_word(text, '.') && !is_one_of(text, words, sizeof words / sizeof *words);
}

/* A scalar: as it is where it can be, in double quotes otherwise. */
void ls_init_scalar(struct ls_buf *out, const char *text)
{
    if (is_plain(text))
        ls_buf_text(out, text);
    else
        ls_init_quoted(out, text);
}

/* Blanks up to a column of the line being written. */
void ls_init_pad(struct ls_buf *out, size_t from, size_t column)
{
    while (out->size < from + column)
        ls_buf_char(out, ' ');
}

#define COMMENT_WIDTH 100

/* Words as comment lines; each begins with `lead`. */
void ls_init_comment(struct ls_buf *out, const char *lead, const char *text)
{
    size_t at = 0;

    while (*text) {
        const size_t length = strcspn(text, " \n");

        if (at == 0 || at + 1 + length > COMMENT_WIDTH) {
            ls_buf_printf(out, "%s%s", at ? "\n" : "", lead);
            at = strlen(lead);
        }
        ls_buf_char(out, ' ');
        ls_buf_add(out, text, length);
        at += 1 + length;
        text += length + (text[length] != '\0');
    }
    ls_buf_char(out, '\n');
}

/* The expression that is a field: in double quotes where the bare word would mean something else. */
void ls_init_expression(struct ls_buf *out, const char *name)
{
    static const char *const words[] = {
        "and",    "as",      "between", "case", "cast",   "collate", "distinct", "else", "end",
        "escape", "false",   "from",    "glob", "in",     "is",      "isnull",   "like", "match",
        "not",    "notnull", "null",    "or",   "regexp", "then",    "true",     "when",
    };
    struct ls_buf text;

    ls_buf_init(&text, 0);
    if (is_word(name, '_') && !is_one_of(name, words, sizeof words / sizeof *words))
        ls_buf_text(&text, name);
    else
        ls_text_ident(&text, name);
    ls_init_scalar(out, ls_buf_str(&text));
    ls_buf_done(&text);
}
