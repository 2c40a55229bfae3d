/* SPDX-License-Identifier: Apache-2.0 */
/* head.c - what the values of headers say.
 *
 * The Host is checked because a name that somebody else controls can be made to point at 127.0.0.1: a page in the browser of someone who runs
 * lockstep would then talk to it as if it were its own server. */
#include "server/head.h"

#include <string.h>
#include <strings.h>

static bool same(const char *a, size_t a_size, const char *b)
{
    return strlen(b) == a_size && strncasecmp(a, b, a_size) == 0;
}

bool ls_head_host(const char *value, const char *const *hosts, size_t count, bool loopback)
{
    static const char *const own[] = {"localhost", "127.0.0.1", "[::1]"};
    size_t size = *value == '[' ? strcspn(value, "]") + 1 : strcspn(value, ":");

    if (size > strlen(value))
        return false;
    if (size > 1 && value[size - 1] == '.') /* the root of all names, which is left out as a rule */
        size--;
    for (size_t i = 0; i < count; i++)
        if (same(value, size, hosts[i]))
            return true;
    for (size_t i = 0; loopback && i < sizeof own / sizeof *own; i++)
        if (same(value, size, own[i]))
            return true;
    return !loopback && count == 0;
}

static const char *skip(const char *at, const char *bytes)
{
    return at + strspn(at, bytes);
}

/* "q=0", "q=0.0": none of this. */
static bool refuses(const char *params, size_t size)
{
    for (const char *at = params; at < params + size;) {
        const char *end = memchr(at, ';', (size_t)(params + size - at));

        at = skip(at, " \t;");
        if (strncasecmp(at, "q=0", 3) == 0) {
            at += 3 + (at[3] == '.');
            at = skip(at, "0");
            return at >= params + size || strchr(" \t;,", *at) != NULL;
        }
        at = end ? end + 1 : params + size;
    }
    return false;
}

bool ls_head_accepts(const char *value, const char *type)
{
    const size_t size = strcspn(type, ";"), kind = strcspn(type, "/");
    bool any = false;

    for (const char *at = skip(value, " \t,"); *at; at = skip(at, " \t,")) {
        const size_t item = strcspn(at, ","), name = strcspn(at, ";, \t");
        const bool exact = name == size && strncasecmp(at, type, size) == 0;
        const bool family =
            name == kind + 2 && strncasecmp(at, type, kind + 1) == 0 && at[kind + 1] == '*';
        const bool all = name == 3 && strncmp(at, "*/*", 3) == 0;

        if (exact || family || all) {
            const bool no = refuses(at + name, item - name);

            if (exact)
                return !no; /* the most exact word counts */
            any = any || !no;
        }
        at += item;
    }
    return any || !*skip(value, " \t,");
}

bool ls_head_is_json(const char *value)
{
    const size_t size = strcspn(value, "; \t");
    const char *charset = strcasestr(value, "charset=");

    if (!same(value, size, "application/json") &&
        !(size > 5 && strncasecmp(value, "application/", 12) == 0 &&
          strncasecmp(value + size - 5, "+json", 5) == 0))
        return false;
    return !charset || strncasecmp(charset + 8, "utf-8", 5) == 0 ||
           strncasecmp(charset + 8, "\"utf-8\"", 7) == 0;
}

bool ls_head_lists(const char *value, const char *etag)
{
    const size_t size = strlen(etag);

    for (const char *at = skip(value, " \t,"); *at; at = skip(at, " \t,")) {
        const size_t item = strcspn(at, ", \t");
        const size_t weak = strncmp(at, "W/", 2) == 0 ? 2 : 0;

        if ((item == 1 && *at == '*') ||
            (item - weak == size && strncmp(at + weak, etag, size) == 0))
            return true;
        at += item;
    }
    return false;
}
