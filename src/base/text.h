/* SPDX-License-Identifier: Apache-2.0 */
/* text.h - small things about text that C lacks or does badly. Pure functions. */
#ifndef LS_BASE_TEXT_H
#define LS_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The offset of the first byte that is not valid UTF-8 (RFC 3629: no surrogates,
 * no overlong forms, nothing over U+10FFFF), or size when all is valid. */
size_t ls_utf8_check(const void *data, size_t size);

/* The longest length up to `size` at which text (of at least size bytes) can be cut
 * without splitting a character. Bytes that begin no character are kept. */
size_t ls_utf8_cut(const char *text, size_t size);

bool ls_text_equal_nocase(const char *a, const char *b); /* ASCII only */
bool ls_text_starts(const char *text, const char *prefix);

/* The candidate nearest to `word` by edit distance (two neighbours swapped count once),
 * the first of several; NULL when none is near enough to be worth proposing (distance
 * over a third of the longer one). Words over 64 bytes are never proposed. */
const char *ls_text_nearest(const char *word, const char *const *candidates, size_t count);

/* Whole decimal integers, one leading sign allowed ("-" not for u64); false on anything
 * else (blanks, sign only, overflow, tail). ret is written on success only. */
bool ls_text_to_i64(const char *text, size_t length, int64_t *ret);
bool ls_text_to_u64(const char *text, size_t length, uint64_t *ret);

/* Appends lower-case hex, or base64 with padding (RFC 4648). */
void ls_text_hex(struct ls_buf *out, const void *data, size_t size);
void ls_text_base64(struct ls_buf *out, const void *data, size_t size);
/* Decode; hex in either case, base64 with its padding and nothing between. out grows by
 * the decoded bytes; false, and out as before, on bad input. (Out of memory is out's.) */
bool ls_text_unhex(struct ls_buf *out, const char *text, size_t length);
bool ls_text_unbase64(struct ls_buf *out, const char *text, size_t length);
/* The same with the alphabet for URLs and without padding (RFC 4648, 5), as JWTs have it. */
void ls_text_base64url(struct ls_buf *out, const void *data, size_t size);
bool ls_text_unbase64url(struct ls_buf *out, const char *text, size_t length);

/* Appends text as a JSON string with quotes. Control characters are escaped (U+007F to
 * U+009F too, which terminals obey); each byte that is not UTF-8 becomes U+FFFD. */
void ls_text_json(struct ls_buf *out, const char *text, size_t length);
/* Appends an SQL identifier in double quotes, inner ones doubled. */
void ls_text_ident(struct ls_buf *out, const char *name);
/* A table so, behind its schema and a dot where schema is not NULL. */
void ls_text_table(struct ls_buf *out, const char *schema, const char *table);
/* Appends a standard SQL string literal in single quotes. The caller has checked
 * that text holds no NUL and is UTF-8. */
void ls_text_literal(struct ls_buf *out, const char *text);
/* Appends the text with control characters (U+0080 to U+009F too) and bytes that are not
 * UTF-8 shown as \xNN, for terminals and messages. For people: it cannot be turned back. */
void ls_text_printable(struct ls_buf *out, const char *text, size_t length);
/* The same without memory: out has room for 4 * length bytes; returns how many were
 * written, no NUL. */
size_t ls_text_escape(char *out, const char *text, size_t length);

#endif
