/* SPDX-License-Identifier: Apache-2.0 */
/* openapi.h - the tables of routes as an OpenAPI 3.1 document. Pure. */
#ifndef LS_SERVER_OPENAPI_H
#define LS_SERVER_OPENAPI_H

#include "base/buf.h"
#include "server/route.h"

/* Writes the document; a failure sticks to the buffer. */
void ls_openapi_write(struct ls_buf *out, const struct ls_route_table *const *tables, size_t count);

/* A schema by its name, in the notation of schemas.c; or LS_SCHEMA_ANYTHING and why no more is said. */
#define LS_SCHEMA_ANYTHING "a: "
struct ls_schema_text {
    const char *name, *text;
};
extern const struct ls_schema_text ls_schemas[];
extern const size_t ls_schema_count;
/* Writes a text in that notation as JSON Schema; false where the text is not well-formed. */
bool ls_schema_write(struct ls_buf *out, const char *text);

#endif
