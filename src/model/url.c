/* SPDX-License-Identifier: Apache-2.0 */
/* url.c - store URLs and collection names, taken apart.
 *
 * Two rules decide everything here. What a person wrote is taken exactly: no percent decoding of paths or collections,
 * nothing folded but the scheme. And no password is ever shown: `shown` of a PostgreSQL URL is host, port and database
 * only (the query can hold a password too), and a message about a PostgreSQL URL quotes none of it, because what is
 * wrong with it is often that a password was written with a raw @, # or /, and then every part may be the password.
 * Such URLs are refused: libpq would read them as something else, and might send the rest of the password to a name server.
 *
 * A # in a path cannot be written, since it begins the collection. */
#include "model/url.h"

#include <string.h>

#include "base/buf.h"
#include "base/text.h"

#define FORMS                                                                               \
    "Forms: sqlite:FILE#TABLE, postgres://USER@HOST/DATABASE#SCHEMA.TABLE, file:FILE.csv, " \
    "memory:NAME#TABLE."

struct scheme {
    const char *name, *canonical;
    bool is_path;
};
static const struct scheme schemes[] = {
    {"sqlite", "sqlite", true}, {"postgres", "postgres", false}, {"postgresql", "postgres", false},
    {"file", "file", true},     {"memory", "memory", false},
};
#define SCHEME_COUNT (sizeof schemes / sizeof schemes[0])

static size_t scheme_length(const char *text)
{
    size_t n = 0;

    while ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= 'A' && text[n] <= 'Z') ||
           (n > 0 && ((text[n] >= '0' && text[n] <= '9') || (text[n] && strchr("+.-", text[n])))))
        n++;
    return text[n] == ':' && n > 1 ? n : 0;
}

bool ls_url_looks_like(const char *text)
{
    return scheme_length(text) > 0;
}

static enum ls_code unknown_scheme(const char *name, struct ls_error *err)
{
    const char *names[SCHEME_COUNT], *nearest;

    for (size_t i = 0; i < SCHEME_COUNT; i++)
        names[i] = schemes[i].name;
    nearest = ls_text_nearest(name, names, SCHEME_COUNT);
    if (nearest)
        return ls_error_set(err, LS_USAGE, "store URL: unknown scheme \"%s\". Did you mean %s? %s",
                            name, nearest, FORMS);
    return ls_error_set(err, LS_USAGE, "store URL: unknown scheme \"%s\". %s", name, FORMS);
}

static enum ls_code find_scheme(const char *text, size_t length, struct ls_arena *mem,
                                const struct scheme **ret, struct ls_error *err)
{
    const char *name = ls_arena_text_n(mem, text, length);

    if (!name)
        return ls_error_nomem(err);
    for (size_t i = 0; i < SCHEME_COUNT; i++)
        if (ls_text_equal_nocase(schemes[i].name, name)) {
            *ret = &schemes[i];
            return LS_OK;
        }
    return unknown_scheme(name, err);
}

static enum ls_code check_bytes(const char *text, struct ls_error *err)
{
    const size_t size = strlen(text);

    if (ls_utf8_check(text, size) != size)
        return ls_error_set(err, LS_USAGE, "store URL: it is not UTF-8");
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return ls_error_set(err, LS_USAGE, "store URL: control character at byte %zu",
                                (size_t)(c - text) + 1);
    return LS_OK;
}

/* What stands behind the colon of sqlite: and file: as a path. */
static enum ls_code read_path(const struct scheme *scheme, struct ls_url *url, struct ls_error *err)
{
    if (ls_text_starts(url->location, "///"))
        url->location += 2; /* file:///tmp/a.csv */
    else if (ls_text_starts(url->location, "//"))
        return ls_error_set(
            err, LS_USAGE,
            "store URL: %s:%s names a host, but files are on this machine. A path is written "
            "%s:relative/path or %s:/absolute/path.",
            scheme->name, url->location, scheme->name, scheme->name);
    if (strcmp(url->location, ":memory:") == 0)
        return ls_error_set(err, LS_USAGE,
                            "store URL: sqlite::memory: would be gone at once. A store in memory "
                            "is memory:NAME#TABLE.");
    return LS_OK;
}

/* PostgreSQL: scheme://[user[:password]@][host[:port],...][/database][?options]. */
struct authority {
    const char *host;
    size_t host_length, path_length; /* path from host + host_length: "/database" or nothing */
    const char *query;               /* behind the path: "" or ?... */
};

static enum ls_code bad_postgres(struct ls_error *err, const char *what)
{
    return ls_error_set(
        err, LS_USAGE,
        "store URL: postgres://... %s. In user and password write @ as %%40, # as %%23, / as "
        "%%2F, : as %%3A, ? as %%3F.",
        what);
}

/* The ports of host:port,host:port are numbers. */
static bool ports_valid(const char *host, size_t length)
{
    const char *end = host + length;

    for (const char *c = host; c < end; c++) {
        uint64_t port = 0;
        size_t digits = 0;

        if (*c == '[') { /* IPv6 */
            c = memchr(c, ']', (size_t)(end - c));
            if (!c)
                return false;
        }
        if (*c != ':')
            continue;
        while (c + 1 + digits < end && c[1 + digits] != ',')
            digits++;
        if (digits > 0 && (!ls_text_to_u64(c + 1, digits, &port) || port == 0 || port > 65535))
            return false;
        c += digits;
    }
    return true;
}

/* Each option is name=value. */
static bool query_valid(const char *query)
{
    while (*query == '?' || *query == '&') {
        const size_t length = strcspn(query + 1, "&");

        if (length > 0 && !memchr(query + 1, '=', length))
            return false;
        query += 1 + length;
    }
    return true;
}

static enum ls_code read_authority(const char *rest, struct authority *ret, struct ls_error *err)
{
    const size_t length = strcspn(rest, "/?");
    const char *at = memchr(rest, '@', length);

    ret->host = at ? at + 1 : rest;
    ret->host_length = length - (size_t)(ret->host - rest);
    ret->path_length = strcspn(rest + length, "?");
    ret->query = rest + length + ret->path_length;
    if (memchr(ret->host, '@', ret->host_length + ret->path_length))
        return bad_postgres(err, "has an @ in the wrong place");
    if (!ports_valid(ret->host, ret->host_length))
        return bad_postgres(err, "has a port that is no number from 1 to 65535");
    if (!query_valid(ret->query))
        return bad_postgres(err, "has an option that is not NAME=VALUE");
    return LS_OK;
}

static enum ls_code read_postgres(struct ls_url *url, struct ls_arena *mem, struct ls_error *err)
{
    struct authority authority;
    const char *rest = url->location;
    enum ls_code rc;

    if (!ls_text_starts(rest, "//"))
        return bad_postgres(err, "has no // behind the scheme");
    /* The # fell into user and password when an @ is still to come and no path has begun. */
    if (url->collection && !strpbrk(rest + 2, "/?@") && strchr(url->collection, '@'))
        return bad_postgres(err, "has a # before the host");
    rc = read_authority(rest + 2, &authority, err);
    if (rc != LS_OK)
        return rc;
    url->location = ls_arena_printf(mem, "postgres:%s", rest);
    url->shown =
        ls_arena_printf(mem, "postgres://%.*s",
                        (int)(authority.host_length + authority.path_length), authority.host);
    return url->location && url->shown ? LS_OK : ls_error_nomem(err);
}

/* Splits TEXT behind the scheme at the first #. */
static enum ls_code split_fragment(const char *rest, struct ls_arena *mem, struct ls_url *url,
                                   struct ls_error *err)
{
    const size_t length = strcspn(rest, "#");

    url->location = ls_arena_text_n(mem, rest, length);
    if (!url->location)
        return ls_error_nomem(err);
    if (rest[length] == '\0')
        return LS_OK;
    if (rest[length + 1] == '\0')
        return ls_error_set(err, LS_USAGE, "store URL: no collection behind the #. %s", FORMS);
    url->collection = ls_arena_text(mem, rest + length + 1);
    return url->collection ? LS_OK : ls_error_nomem(err);
}

enum ls_code ls_url_parse(const char *text, struct ls_arena *mem, struct ls_url *ret,
                          struct ls_error *err)
{
    const size_t length = scheme_length(text);
    const struct scheme *scheme = NULL;
    struct ls_url url = {NULL, NULL, NULL, NULL};
    enum ls_code rc = check_bytes(text, err);

    if (rc == LS_OK && length == 0)
        rc = ls_error_set(err, LS_USAGE, "store URL: no scheme. %s", FORMS);
    if (rc == LS_OK)
        rc = find_scheme(text, length, mem, &scheme, err);
    if (rc == LS_OK)
        rc = split_fragment(text + length + 1, mem, &url, err);
    if (rc != LS_OK)
        return rc;
    url.scheme = scheme->canonical;
    if (scheme->is_path)
        rc = read_path(scheme, &url, err);
    else if (strcmp(url.scheme, "postgres") == 0)
        rc = read_postgres(&url, mem, err);
    if (rc == LS_OK && *url.location == '\0')
        rc = ls_error_set(err, LS_USAGE, "store URL: nothing behind %s:. %s", url.scheme, FORMS);
    if (rc != LS_OK)
        return rc;
    if (!url.shown)
        url.shown = ls_arena_printf(mem, "%s:%s", url.scheme, url.location);
    if (!url.shown)
        return ls_error_nomem(err);
    *ret = url;
    return LS_OK;
}

static enum ls_code bad_name(const char *name, const char *why, struct ls_error *err)
{
    return ls_error_set(
        err, LS_USAGE,
        "collection \"%s\": %s. It is TABLE or SCHEMA.TABLE; a part with a dot or a double "
        "quote in it stands in double quotes, inner ones doubled.",
        name, why);
}

/* One part, quoted or bare, from *at; *at moves behind it. */
static enum ls_code read_part(const char *name, const char **at, struct ls_arena *mem,
                              const char **ret, struct ls_error *err)
{
    const char *from = *at;
    const bool quoted = *from == '"';
    bool closed = !quoted;
    char *part = ls_arena_alloc(mem, strlen(from) + 1);
    size_t n = 0;

    if (!part)
        return ls_error_nomem(err);
    from += quoted;
    for (; *from && (quoted || (*from != '.' && *from != '"')); from++) {
        if (quoted && *from == '"' && *++from != '"') {
            closed = true;
            break;
        }
        part[n++] = *from;
    }
    if (!closed)
        return bad_name(name, "a double quote is not closed", err);
    if (!quoted && *from == '"')
        return bad_name(name, "a double quote in a bare part", err);
    if (n == 0)
        return bad_name(name, "a part is empty", err);
    *at = from;
    *ret = part;
    return LS_OK;
}

enum ls_code ls_collection_split(const char *name, struct ls_arena *mem, const char **ret_schema,
                                 const char **ret_table, struct ls_error *err)
{
    const char *at = name, *first = NULL, *second = NULL;
    enum ls_code rc = read_part(name, &at, mem, &first, err);

    if (rc == LS_OK && *at == '.') {
        at++;
        rc = read_part(name, &at, mem, &second, err);
    }
    if (rc == LS_OK && *at == '.')
        rc = bad_name(name, "more than two parts", err);
    else if (rc == LS_OK && *at)
        rc = bad_name(name, "something stands behind a closing quote", err);
    if (rc != LS_OK)
        return rc;
    *ret_schema = second ? first : NULL;
    *ret_table = second ? second : first;
    return LS_OK;
}

static void join_part(struct ls_buf *out, const char *part)
{
    if (strpbrk(part, ".\""))
        ls_text_ident(out, part);
    else
        ls_buf_text(out, part);
}

char *ls_collection_join(struct ls_arena *mem, const char *schema, const char *table)
{
    struct ls_buf name;
    char *joined = NULL;

    ls_buf_init(&name, 0);
    if (schema) {
        join_part(&name, schema);
        ls_buf_char(&name, '.');
    }
    join_part(&name, table);
    if (!name.failed)
        joined = ls_arena_text_n(mem, ls_buf_str(&name), name.size);
    ls_buf_done(&name);
    return joined;
}

enum ls_code ls_collection_quote(const char *name, struct ls_arena *mem, const char **ret,
                                 struct ls_error *err)
{
    const char *schema = NULL, *table = NULL;
    struct ls_buf out;
    const enum ls_code rc = ls_collection_split(name, mem, &schema, &table, err);

    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_text_table(&out, schema, table);
    *ret = out.failed ? NULL : ls_arena_text(mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return *ret ? LS_OK : ls_error_nomem(err);
}
