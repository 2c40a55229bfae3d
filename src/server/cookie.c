/* SPDX-License-Identifier: Apache-2.0 */
/* cookie.c - the cookies of a request, and the one that we set.
 *
 * Names are compared byte by byte: browsers that protect __Host- do so for that spelling. */
#include "server/cookie.h"

#include <string.h>
#include <strings.h>

/* The next Cookie header; NULL at the end. */
static const char *next_header(const struct ls_request *request, struct ls_cookie_walk *walk)
{
    while (walk->header < request->header_count) {
        const struct ls_pair *header = &request->headers[walk->header++];

        if (strcasecmp(header->name, "Cookie") == 0 && header->value)
            return header->value;
    }
    return NULL;
}

static void trim(const char **text, size_t *length)
{
    while (*length && (**text == ' ' || **text == '\t')) {
        ++*text;
        --*length;
    }
    while (*length && ((*text)[*length - 1] == ' ' || (*text)[*length - 1] == '\t'))
        --*length;
}

static bool read_pair(const char *text, size_t length, struct ls_cookie *ret)
{
    const char *equals = memchr(text, '=', length);

    if (!equals)
        return false;
    *ret = (struct ls_cookie){text, equals + 1, (size_t)(equals - text),
                              length - (size_t)(equals + 1 - text)};
    trim(&ret->name, &ret->name_length);
    trim(&ret->value, &ret->value_length);
    if (ret->value_length >= 2 && ret->value[0] == '"' &&
        ret->value[ret->value_length - 1] == '"') {
        ret->value++;
        ret->value_length -= 2;
    }
    return ret->name_length > 0;
}

bool ls_cookie_next(const struct ls_request *request, struct ls_cookie_walk *walk,
                    struct ls_cookie *ret)
{
    for (;;) {
        const char *at = walk->at;
        size_t length;

        if (!at || !*at) {
            walk->at = next_header(request, walk);
            if (!walk->at)
                return false;
            continue;
        }
        length = strcspn(at, ";");
        walk->at = at + length + (at[length] == ';');
        if (read_pair(at, length, ret))
            return true;
    }
}

bool ls_cookie_find(const struct ls_request *request, const char *name, struct ls_cookie *ret,
                    size_t *ret_count)
{
    const size_t length = strlen(name);
    struct ls_cookie_walk walk = {0};
    struct ls_cookie cookie;

    *ret_count = 0;
    while (ls_cookie_next(request, &walk, &cookie))
        if (cookie.name_length == length && memcmp(cookie.name, name, length) == 0) {
            *ret = cookie;
            ++*ret_count;
        }
    return *ret_count > 0;
}

const char *ls_cookie_session_name(bool tls)
{
    return tls ? "__Host-lockstep" : "lockstep-local";
}

const char *ls_cookie_session(struct ls_arena *mem, bool tls, const char *value)
{
    return ls_arena_printf(mem, "%s=%s; Path=/; HttpOnly; SameSite=Strict%s%s",
                           ls_cookie_session_name(tls), value ? value : "", tls ? "; Secure" : "",
                           value ? "" : "; Max-Age=0");
}
