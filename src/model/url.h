/* SPDX-License-Identifier: Apache-2.0 */
/* url.h - how a store and a collection in it are named.
 *
 *   sqlite:shop.db#customers             postgres://user@host:5432/db?options#public.customers
 *   file:customers.csv                   memory:NAME#customers   (inside one process, for tests)
 *
 * What follows # is taken exactly as written (no percent decoding): case, blanks, Unicode. */
#ifndef LS_MODEL_URL_H
#define LS_MODEL_URL_H

#include "base/arena.h"
#include "base/error.h"

struct ls_url {
    const char *scheme; /* lower case: sqlite, postgres (also for postgresql), file, memory */
    const char
        *location; /* for the store: without the fragment; postgres: the whole URL that libpq takes,
                               password included; others: the path or name behind the colon */
    const char *collection; /* behind #, or NULL */
    const char *shown;      /* without fragment, user and password: fit for messages */
};

/* LS_USAGE says what is wrong and shows the forms; never shows a password. */
LS_MUST_CHECK enum ls_code ls_url_parse(const char *text, struct ls_arena *mem, struct ls_url *ret,
                                        struct ls_error *err);
/* Whether text looks like a store URL (scheme:...) rather than the name of a sync. */
bool ls_url_looks_like(const char *text);

/* Splits a collection's name at its dot: `schema.table`, or `table` (then *ret_schema is NULL). A part that
 * holds a dot or a double quote stands in double quotes (inner ones doubled): "a.b".t */
LS_MUST_CHECK enum ls_code ls_collection_split(const char *name, struct ls_arena *mem,
                                               const char **ret_schema, const char **ret_table,
                                               struct ls_error *err);
/* The inverse: quotes a part only where it must. schema may be NULL. */
char *ls_collection_join(struct ls_arena *mem, const char *schema, const char *table);
/* A collection's name as SQL takes it: each part quoted. *ret is in mem. */
LS_MUST_CHECK enum ls_code ls_collection_quote(const char *name, struct ls_arena *mem,
                                               const char **ret, struct ls_error *err);

#endif
