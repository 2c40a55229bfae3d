/* SPDX-License-Identifier: Apache-2.0 */
/* syntax.h - which request heads are let in. Pure; what the HTTP library lets through and we do not stands here. */
#ifndef LS_SERVER_SYNTAX_H
#define LS_SERVER_SYNTAX_H

#include "server/request.h"

#define LS_TOKEN_PARAM "qstash_token" /* of a query under /v2: a credential */
#define LS_HEADERS_MAX 64             /* lines of a head */
#define LS_HEAD_BYTES 10240           /* target and headers of a request together */
#define LS_QUERY_MAX 64               /* parameters of a query */
#define LS_SEGMENTS_MAX 32            /* of a path */

/* A header as it was parsed, with sizes: a NUL inside is seen. */
struct ls_raw_header {
    const char *name, *value;
    size_t name_size, value_size;
};

/* Whether the headers are those of an honest request. NULL: they are; else why not, a static text. *ret_status: 400, 431 or 505. */
const char *ls_syntax_head(const char *method, const char *version,
                           const struct ls_raw_header *headers, size_t count, int *ret_status);

/* Takes a target apart: fills path, segments and query of request, whose mem and target are set. NULL: done; else why not, a static
 * text; "" when out of memory. */
const char *ls_syntax_target(struct ls_request *request);

#endif
