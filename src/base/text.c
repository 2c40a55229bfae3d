/* SPDX-License-Identifier: Apache-2.0 */
/* text.c - small things about text that C lacks or does badly.
 *
 * Nothing here asks the locale: what a program accepts and writes must not depend on
 * who runs it. So digits, case and control characters are those of ASCII, and UTF-8 is
 * decoded by the table of RFC 3629, section 4.
 *
 * Hex and base64 are libsodium's, called piece by piece through a small buffer so that
 * they can append to a growing one. Its decoder is strict: no other alphabet, padding
 * complete, unused bits zero, so that one value has one text. But it takes every byte from 0x80 on for the
 * last digit (as of 1.0.18), which is_ascii() keeps from it.
 *
 * Escaping for people (ls_text_printable) and for JSON share what a control character
 * is: C0, DEL, and C1 too, since terminals take U+009B for ESC [. Characters that only
 * turn the direction of writing are left alone; names in Hebrew or Arabic need them. */
#include "base/text.h"

#include <sodium.h>
#include <string.h>

#define WORD_MAX 64 /* of ls_text_nearest(): options, keys and commands are shorter */
/* Bytes coded at once; a multiple of 3, so that base64 has no padding inside. */
#define PIECE ((size_t)192)

static bool continues(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

/* What the lead byte announces: 1 to 4, or 0 when it can start no character. */
static size_t announced(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2) /* continuations, and overlong forms of ASCII */
        return 0;
    if (lead < 0xe0)
        return 2;
    if (lead < 0xf0)
        return 3;
    return lead < 0xf5 ? 4 : 0;
}

/* The length of the valid character at p, or 0. Only the second byte has limits that
 * depend on the first: they keep out overlong forms, surrogates and what is too high. */
static size_t character(const uint8_t *p, size_t left)
{
    size_t n = announced(p[0]);
    uint8_t low = 0x80, high = 0xbf;

    if (n <= 1)
        return n;
    if (n > left)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if (!continues(p[i]))
            return 0;
    }
    return n;
}

/* Most data is ASCII: eight bytes at once while it is. */
static size_t skip_ascii(const uint8_t *p, size_t at, size_t size)
{
    uint64_t word;

    while (size - at >= sizeof(word)) {
        memcpy(&word, p + at, sizeof(word));
        if (word & UINT64_C(0x8080808080808080))
            break;
        at += sizeof(word);
    }
    return at;
}

size_t ls_utf8_check(const void *data, size_t size)
{
    const uint8_t *p = data;
    size_t at = 0;

    while (at < size) {
        size_t n;

        at = skip_ascii(p, at, size);
        if (at == size)
            break;
        n = character(p + at, size - at);
        if (n == 0)
            return at;
        at += n;
    }
    return size;
}

size_t ls_utf8_cut(const char *text, size_t size)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t lead = size;

    while (lead > 0 && size - lead < 3 && continues(p[lead - 1]))
        lead--;
    if (lead > 0 && announced(p[lead - 1]) > size - (lead - 1))
        return lead - 1;
    return size;
}

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c | 0x20);
    return c;
}

bool ls_text_equal_nocase(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

bool ls_text_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edit distance with swaps of neighbours ("optimal string alignment"), three rows of
 * the table at a time. Both at most WORD_MAX long. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];

    for (size_t j = 0; j <= b_length; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *spare = before;

        now[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            now[j] = smaller(last[j], now[j - 1]) + 1;
            now[j] = smaller(now[j], last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = smaller(now[j], before[j - 2] + 1);
        }
        before = last;
        last = now;
        now = spare;
    }
    return last[b_length];
}

const char *ls_text_nearest(const char *word, const char *const *candidates, size_t count)
{
    size_t length = strlen(word), best_distance = WORD_MAX;
    const char *best = NULL;

    if (length > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t other = strlen(candidates[i]), d;

        if (other > WORD_MAX)
            continue;
        d = ls_text_equal_nocase(word, candidates[i])
                ? 0
                : distance(word, length, candidates[i], other);
        if (d * 3 <= (length > other ? length : other) && d < best_distance) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}

/* Digits only, at least one, at most `max`. */
static bool digits(const char *text, size_t length, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;

    if (length == 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        uint64_t digit;

        if (text[i] < '0' || text[i] > '9')
            return false;
        digit = (uint64_t)(text[i] - '0');
        if (v > (max - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *ret = v;
    return true;
}

bool ls_text_to_i64(const char *text, size_t length, int64_t *ret)
{
    bool minus = length > 0 && text[0] == '-';
    bool sign = minus || (length > 0 && text[0] == '+');
    uint64_t v;

    if (!digits(text + sign, length - sign, (uint64_t)INT64_MAX + minus, &v))
        return false;
    if (!minus)
        *ret = (int64_t)v;
    else /* -v without leaving the range on the way */
        *ret = v ? -(int64_t)(v - 1) - 1 : 0;
    return true;
}

bool ls_text_to_u64(const char *text, size_t length, uint64_t *ret)
{
    bool sign = length > 0 && text[0] == '+';

    return digits(text + sign, length - sign, UINT64_MAX, ret);
}

void ls_text_hex(struct ls_buf *out, const void *data, size_t size)
{
    const uint8_t *p = data;
    char piece[PIECE * 2 + 1];

    while (size) {
        size_t n = smaller(size, PIECE);

        sodium_bin2hex(piece, sizeof(piece), p, n);
        ls_buf_add(out, piece, n * 2);
        p += n;
        size -= n;
    }
}

static void base64(struct ls_buf *out, const void *data, size_t size, int variant)
{
    const uint8_t *p = data;
    char piece[PIECE / 3 * 4 + 1];

    while (size) {
        size_t n = smaller(size, PIECE);

        sodium_bin2base64(piece, sizeof(piece), p, n, variant);
        ls_buf_text(out, piece);
        p += n;
        size -= n;
    }
}

void ls_text_base64(struct ls_buf *out, const void *data, size_t size)
{
    base64(out, data, size, sodium_base64_VARIANT_ORIGINAL);
}

void ls_text_base64url(struct ls_buf *out, const void *data, size_t size)
{
    base64(out, data, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

bool ls_text_unhex(struct ls_buf *out, const char *text, size_t length)
{
    size_t before = out->size;
    uint8_t piece[PIECE];

    while (length) {
        size_t n = smaller(length, PIECE * 2), size;

        if (sodium_hex2bin(piece, sizeof(piece), text, n, NULL, &size, NULL) != 0) {
            ls_buf_cut(out, before);
            return false;
        }
        ls_buf_add(out, piece, size);
        text += n;
        length -= n;
    }
    return true;
}

static bool is_ascii(const char *text, size_t length)
{
    unsigned char all = 0;

    for (size_t i = 0; i < length; i++)
        all |= (unsigned char)text[i];
    return all < 0x80;
}

/* A piece in the middle that gives fewer bytes had padding inside. */
static bool unbase64(struct ls_buf *out, const char *text, size_t length, int variant)
{
    size_t before = out->size;
    uint8_t piece[PIECE];

    if (!is_ascii(text, length))
        return false;
    while (length) {
        size_t n = smaller(length, PIECE / 3 * 4), size;

        if (sodium_base642bin(piece, sizeof(piece), text, n, NULL, &size, NULL, variant) != 0 ||
            (n < length && size != PIECE)) {
            ls_buf_cut(out, before);
            return false;
        }
        ls_buf_add(out, piece, size);
        text += n;
        length -= n;
    }
    return true;
}

bool ls_text_unbase64(struct ls_buf *out, const char *text, size_t length)
{
    return unbase64(out, text, length, sodium_base64_VARIANT_ORIGINAL);
}

bool ls_text_unbase64url(struct ls_buf *out, const char *text, size_t length)
{
    return unbase64(out, text, length, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* Of a valid character of n bytes. */
static bool is_control(const uint8_t *p, size_t n)
{
    if (n == 1)
        return p[0] < 0x20 || p[0] == 0x7f;
    return n == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

/* Appends the JSON escape of a control character, quote or backslash. */
static void json_escape(struct ls_buf *out, uint8_t c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *found = c ? strchr(from, c) : NULL;

    if (found)
        ls_buf_printf(out, "\\%c", to[found - from]);
    else
        ls_buf_printf(out, "\\u%04x", c);
}

/* What needs no escape is gathered and appended in one go: text[start..at). */
void ls_text_json(struct ls_buf *out, const char *text, size_t length)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t start = 0, at = 0;

    ls_buf_char(out, '"');
    while (at < length) {
        size_t n = character(p + at, length - at);
        bool control = n && is_control(p + at, n);

        if (n && !control && p[at] != '"' && p[at] != '\\') {
            at += n;
            continue;
        }
        ls_buf_add(out, text + start, at - start);
        if (n == 0)
            ls_buf_text(out, "\xef\xbf\xbd"); /* U+FFFD */
        else
            json_escape(out, p[at + n - 1]); /* of U+0080 to U+009F the last byte is the number */
        at += n ? n : 1;
        start = at;
    }
    ls_buf_add(out, text + start, at - start);
    ls_buf_char(out, '"');
}

/* Appends text between two `quote`s, inner ones doubled. */
static void quoted(struct ls_buf *out, const char *text, char quote)
{
    ls_buf_char(out, quote);
    for (;;) {
        const char *end = strchr(text, quote);

        if (!end)
            break;
        ls_buf_add(out, text, (size_t)(end - text) + 1);
        ls_buf_char(out, quote);
        text = end + 1;
    }
    ls_buf_text(out, text);
    ls_buf_char(out, quote);
}

void ls_text_ident(struct ls_buf *out, const char *name)
{
    quoted(out, name, '"');
}

void ls_text_table(struct ls_buf *out, const char *schema, const char *table)
{
    if (schema) {
        ls_text_ident(out, schema);
        ls_buf_char(out, '.');
    }
    ls_text_ident(out, table);
}

void ls_text_literal(struct ls_buf *out, const char *text)
{
    quoted(out, text, '\'');
}

size_t ls_text_escape(char *out, const char *text, size_t length)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *p = (const uint8_t *)text;
    char *to = out;

    for (size_t at = 0; at < length;) {
        size_t n = character(p + at, length - at), end = at + (n ? n : 1);

        if (n && !is_control(p + at, n)) {
            memcpy(to, p + at, n);
            to += n;
            at = end;
        }
        for (; at < end; at++) {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = hex[p[at] >> 4];
            *to++ = hex[p[at] & 0x0f];
        }
    }
    return (size_t)(to - out);
}

void ls_text_printable(struct ls_buf *out, const char *text, size_t length)
{
    char piece[4 * PIECE];

    while (length) {
        size_t n = length <= PIECE ? length : ls_utf8_cut(text, PIECE);

        ls_buf_add(out, piece, ls_text_escape(piece, text, n));
        text += n;
        length -= n;
    }
}
