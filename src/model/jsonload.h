/* SPDX-License-Identifier: Apache-2.0 */
/* jsonload.h - reading JSON documents that must be right to the last character.
 *
 * jansson (2.14 and before) ignores it when a string that it reads finds no more memory, and leaves characters out. So allocations that fail
 * while it reads are noticed here. Any thread. */
#ifndef LS_MODEL_JSONLOAD_H
#define LS_MODEL_JSONLOAD_H

#include <jansson.h>

#include "base/error.h"

/* Like json_loadb(): *ret is NULL when the text is no JSON, which is the caller's to say; LS_NOMEM when memory was short. */
LS_MUST_CHECK enum ls_code ls_json_load(const char *text, size_t size, size_t flags, json_t **ret,
                                        struct ls_error *err);

/* What is wrong with a text that json_loads() and the like refused, in words that do not speak of the library. Borrowed from why, or static. */
const char *ls_json_why(const json_error_t *why);

#endif
