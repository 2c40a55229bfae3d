/* SPDX-License-Identifier: Apache-2.0 */
/* syntax.c - which request heads are let in.
 *
 * Two programs that read one request differently are what smuggling lives on: a proxy in front sees one request, the
 * server behind it two. So whatever two readers could understand differently is refused, and the connection closed with it: two lengths,
 * a length beside Transfer-Encoding, a transfer coding other than chunked, two Hosts, names with blanks, control bytes anywhere.
 * What our HTTP library has joined or trimmed before we see it cannot be told here: bare LF at the end of a line, and lines
 * that go on in the next one.
 *
 * The target is matched by its segments, each decoded by itself, so that %2F is part of a name and never a separator. Dot segments
 * are refused rather than resolved: no client that means well sends them. */
#include "server/syntax.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

/* ---- headers ---- */

/* RFC 9110: token characters. */
static bool is_token(const char *text, size_t size)
{
    static const char special[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        const bool alnum =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!alnum && (c == '\0' || !strchr(special, c)))
            return false;
    }
    return size > 0;
}

/* No control bytes but tabs; bytes of other alphabets are let in, and are judged by who reads the value. */
static bool is_value(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)text[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_named(const struct ls_raw_header *h, const char *name)
{
    return h->name_size == strlen(name) && strncasecmp(h->name, name, h->name_size) == 0;
}

static bool is_digits(const struct ls_raw_header *h)
{
    for (size_t i = 0; i < h->value_size; i++)
        if (h->value[i] < '0' || h->value[i] > '9')
            return false;
    return h->value_size > 0;
}

/* A host and perhaps a port: nothing that could be read as a path, a user or a second host. */
static bool is_host(const struct ls_raw_header *h)
{
    for (size_t i = 0; i < h->value_size; i++)
        if (h->value[i] <= ' ' || strchr("/?#@\\,;\"<>{}|^`", h->value[i]))
            return false;
    return h->value_size > 0 && h->value_size <= 260;
}

static const char *check_lines(const struct ls_raw_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_token(headers[i].name, headers[i].name_size))
            return "a header's name has bytes that no name may have";
        if (!is_value(headers[i].value, headers[i].value_size))
            return "a header's value has control bytes";
    }
    return NULL;
}

/* How long the body is, for whom and from whom: one reading only. */
static const char *check_framing(const char *version, const struct ls_raw_header *headers,
                                 size_t count)
{
    size_t lengths = 0, codings = 0, hosts = 0, credentials = 0;

    for (size_t i = 0; i < count; i++) {
        if (is_named(&headers[i], "Content-Length")) {
            lengths++;
            if (!is_digits(&headers[i]))
                return "Content-Length is no number";
        } else if (is_named(&headers[i], "Transfer-Encoding")) {
            codings++;
            if (headers[i].value_size != strlen("chunked") ||
                strncasecmp(headers[i].value, "chunked", headers[i].value_size) != 0)
                return "a Transfer-Encoding other than chunked is not known here";
        } else if (is_named(&headers[i], "Host")) {
            hosts++;
            if (!is_host(&headers[i]))
                return "Host is no host";
        } else if (is_named(&headers[i], "Authorization")) {
            credentials++;
        }
    }
    if (lengths > 1)
        return "Content-Length stands there more than once";
    if (codings > 1)
        return "Transfer-Encoding stands there more than once";
    if (lengths && codings)
        return "Content-Length and Transfer-Encoding exclude each other";
    if (codings && strcmp(version, "HTTP/1.1") != 0)
        return "HTTP/1.0 has no Transfer-Encoding";
    if (credentials > 1)
        return "Authorization stands there more than once";
    if (hosts > 1)
        return "Host stands there more than once";
    if (hosts == 0 && strcmp(version, "HTTP/1.1") == 0)
        return "Host is missing";
    return NULL;
}

const char *ls_syntax_head(const char *method, const char *version,
                           const struct ls_raw_header *headers, size_t count, int *ret_status)
{
    const char *why;
    size_t bytes = 0;

    *ret_status = 431;
    if (count > LS_HEADERS_MAX)
        return "there are too many headers";
    for (size_t i = 0; i < count; i++)
        bytes += headers[i].name_size + headers[i].value_size + 4;
    if (bytes > LS_HEAD_BYTES)
        return "the headers are too long";
    *ret_status = 505;
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return "this version of HTTP is not spoken here";
    *ret_status = 400;
    if (!is_token(method, strlen(method)) || strlen(method) > 20)
        return "the method is none";
    why = check_lines(headers, count);
    return why ? why : check_framing(version, headers, count);
}

/* ---- target ---- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decodes into mem. *ret NULL: not well-formed, no UTF-8, or control characters in it. false: out of memory. */
static bool decode(const char *text, size_t size, bool plus, struct ls_arena *mem, const char **ret)
{
    char *out = ls_arena_room(mem, size + 1);
    size_t n = 0;

    *ret = NULL;
    if (!out)
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];

        if (c == '%') {
            const int high = i + 2 < size ? hex(text[i + 1]) : -1;
            const int low = i + 2 < size ? hex(text[i + 2]) : -1;

            if (high < 0 || low < 0)
                return true;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        out[n++] = c;
    }
    out[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
            return true;
    if (ls_utf8_check(out, n) == n)
        *ret = out;
    return true;
}

static bool is_under_v2(const char *const *segments, size_t count)
{
    return count >= 1 && strcmp(segments[0], "v2") == 0;
}

/* Under /v2/ a URL may be the last part of a path (`/v2/publish/https://host/a//b`): it is one segment, as it stands there, and the
 * query behind it is its own. */
static bool is_url(const char *const *segments, size_t count, const char *rest)
{
    return count >= 2 && is_under_v2(segments, count) &&
           (strncasecmp(rest, "http://", 7) == 0 || strncasecmp(rest, "https://", 8) == 0);
}

static const char *split_path(struct ls_request *request, const char *path, size_t size)
{
    const char **segments = ls_arena_array(request->mem, LS_SEGMENTS_MAX, sizeof *segments);
    struct ls_buf joined;
    size_t count = 0;

    if (!segments)
        return "";
    for (size_t at = 1; at < size;) {
        const char *end = memchr(path + at, '/', size - at);
        const size_t length = end ? (size_t)(end - path) - at : size - at;

        if (count == LS_SEGMENTS_MAX)
            return "the path has too many segments";
        if (is_url(segments, count, path + at)) {
            segments[count++] = ls_arena_text_n(request->mem, path + at, size - at);
            if (!segments[count - 1])
                return "";
            request->url_last = true;
            break;
        }
        if (length == 0)
            return "the path has an empty segment";
        if (!decode(path + at, length, false, request->mem, &segments[count]))
            return "";
        if (!segments[count])
            return "the path is not well-formed UTF-8 in percent encoding";
        if (strcmp(segments[count], ".") == 0 || strcmp(segments[count], "..") == 0)
            return "the path has dot segments";
        count++;
        at += length + 1;
        if (end && at == size)
            return "the path has an empty segment";
    }
    ls_buf_init(&joined, 0);
    for (size_t i = 0; i < count; i++) {
        ls_buf_char(&joined, '/');
        /* a URL may hold a password, and this goes into logs */
        ls_buf_text(&joined, request->url_last && i + 1 == count ? "URL" : segments[i]);
    }
    request->path = ls_arena_text(request->mem, count ? ls_buf_str(&joined) : "/");
    ls_buf_done(&joined);
    request->segment_count = count;
    request->segments = segments;
    return request->path ? NULL : "";
}

/* It is no parameter of the call, so that none can be mistaken for a filter, or shown. */
static void note_token(struct ls_request *request, const char *value)
{
    request->token_twice = request->token_twice || request->token;
    request->token = value;
}

/* In the query of a destination, which is not taken apart otherwise. What cannot be decoded is no token, and opens nothing. */
static const char *find_token(struct ls_request *request, const char *query)
{
    const size_t name = strlen(LS_TOKEN_PARAM);

    while (*query) {
        const size_t length = strcspn(query, "&");
        const char *value = NULL;

        if (length > name && strncmp(query, LS_TOKEN_PARAM "=", name + 1) == 0) {
            if (!decode(query + name + 1, length - name - 1, true, request->mem, &value))
                return "";
            note_token(request, value ? value : "");
        }
        query += length + (query[length] == '&');
    }
    return NULL;
}

static const char *split_query(struct ls_request *request, const char *query)
{
    struct ls_pair *pairs;
    size_t count = 0;

    if (!*query)
        return NULL;
    pairs = ls_arena_array(request->mem, LS_QUERY_MAX, sizeof *pairs);
    if (!pairs)
        return "";
    while (*query) {
        const size_t length = strcspn(query, "&");
        const char *equals = memchr(query, '=', length);
        const size_t name = equals ? (size_t)(equals - query) : length;
        const size_t value = equals ? length - name - 1 : 0;

        if (count == LS_QUERY_MAX)
            return "the query has too many parameters";
        if (length &&
            (!decode(query, name, true, request->mem, &pairs[count].name) ||
             !decode(query + length - value, value, true, request->mem, &pairs[count].value)))
            return "";
        if (length && (!pairs[count].name || !pairs[count].value))
            return "the query is not well-formed UTF-8 in percent encoding";
        if (length && is_under_v2(request->segments, request->segment_count) &&
            strcmp(pairs[count].name, LS_TOKEN_PARAM) == 0)
            note_token(request, pairs[count].value);
        else
            count += length > 0;
        query += length + (query[length] == '&');
    }
    request->query = pairs;
    request->query_count = count;
    return NULL;
}

const char *ls_syntax_target(struct ls_request *request)
{
    const char *target = request->target;
    const size_t size = strcspn(target, "?");
    const char *why;

    for (const char *p = target; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '#')
            return "the target has bytes that no target may have";
    if (strcmp(target, "*") == 0 && strcmp(request->method, "OPTIONS") == 0) {
        request->path = "*";
        return NULL;
    }
    if (*target != '/')
        return "the target is no path. This is not a proxy";
    why = split_path(request, target, size);
    if (why)
        return why;
    target += size + (target[size] == '?');
    return request->url_last ? find_token(request, target) : split_query(request, target);
}
