/* SPDX-License-Identifier: Apache-2.0 */
/* jsontext.h - what a JSON text says, apart from how it is written. Pure. Any thread. */
#ifndef LS_MODEL_JSONTEXT_H
#define LS_MODEL_JSONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define LS_JSON_MAX_DEPTH 1000

/* Whether text is one JSON value (RFC 8259) of at most LS_JSON_MAX_DEPTH levels without lone surrogates. */
bool ls_json_valid(const char *text, size_t size);
/* Appends a form that is the same exactly for equal content: members sorted by name, of several with
 * one name the last, numbers by value. Self-delimiting. false, and out as before, when text is not valid. (Out
 * of memory is out's.) */
bool ls_json_content(struct ls_buf *out, const char *text, size_t size);
/* Whether a string in it holds U+0000, which PostgreSQL's jsonb refuses. */
bool ls_json_has_nul(const char *text, size_t size);

#endif
