/* SPDX-License-Identifier: Apache-2.0 */
/* request.c - looking things up in a request, and building its answer. Lists are short: they are walked. */
#include "server/request.h"

#include <string.h>

#include "base/text.h"

const char *ls_request_header(const struct ls_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (ls_text_equal_nocase(request->headers[i].name, name))
            return request->headers[i].value;
    return NULL;
}

static const char *find(const struct ls_pair *pairs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(pairs[i].name, name) == 0)
            return pairs[i].value;
    return NULL;
}

const char *ls_request_param(const struct ls_request *request, const char *name)
{
    return find(request->params, request->param_count, name);
}

const char *ls_request_query(const struct ls_request *request, const char *name)
{
    return find(request->query, request->query_count, name);
}

bool ls_response_has(const struct ls_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (strcmp(response->headers[i].name, name) == 0)
            return true;
    return false;
}

void ls_response_header(struct ls_response *response, const char *name, const char *value)
{
    if (value && response->header_count < LS_RESPONSE_HEADERS)
        response->headers[response->header_count++] = (struct ls_pair){name, value};
}
