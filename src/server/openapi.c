/* SPDX-License-Identifier: Apache-2.0 */
/* openapi.c - the tables of routes as an OpenAPI 3.1 document.
 *
 * What a route's line does not have is not in the document, and nothing is in it that the line does not say: the dispatch reads the same line. Answers that
 * every route can have (too many requests, a state that is down) stand with each of them, by reference. */
#include "server/openapi.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep.h"
#include "server/write.h"

/* ---- schemas ---- */

/* Where a text in the notation of schemas.c is read. */
struct reader {
    const char *at;
    struct ls_buf *out;
    bool wrong;
};

static void skip_blanks(struct reader *r)
{
    while (*r->at == ' ')
        r->at++;
}

static bool take(struct reader *r, char c)
{
    if (*r->at != c)
        return false;
    r->at++;
    return true;
}

/* A name's letters; 0 where there is none. */
static size_t word_length(const char *at)
{
    size_t n = 0;

    while (isalnum((unsigned char)at[n]) || at[n] == '_')
        n++;
    return n;
}

static void write_schema(struct reader *r);

static void write_basic(struct reader *r, bool null)
{
    static const struct {
        char letter;
        const char *type, *more;
    } basics[] = {
        {'s', "string", ""},  {'i', "integer", ""}, {'n', "number", ""},
        {'b', "boolean", ""}, {'o', "object", ""},  {'t', "string", ",\"format\":\"date-time\""},
    };

    for (size_t i = 0; i < sizeof basics / sizeof *basics; i++)
        if (basics[i].letter == r->at[-1]) {
            ls_buf_printf(r->out, null ? "{\"type\":[\"%s\",\"null\"]%s}" : "{\"type\":\"%s\"%s}",
                          basics[i].type, basics[i].more);
            return;
        }
    r->wrong = true;
}

/* Behind a bracket: (one two), with null among them where it may be. */
static void write_words(struct reader *r)
{
    const char *close = strchr(r->at, ')');

    if (!close) {
        r->wrong = true;
        return;
    }
    ls_buf_text(r->out, "{\"enum\":[");
    for (const char *sep = ""; r->at < close; sep = ",") {
        const size_t n = word_length(r->at);

        if (!n) {
            r->wrong = true;
            return;
        }
        ls_buf_printf(r->out, "%s\"%.*s\"", sep, (int)n, r->at);
        r->at += n;
        skip_blanks(r);
    }
    r->at = close + 1;
    ls_buf_text(r->out, take(r, '|') ? ",null]}" : "]}");
}

static void write_member(struct reader *r, struct ls_buf *needed)
{
    const size_t n = word_length(r->at);
    const char *name = r->at;

    r->at += n;
    if (!take(r, '?'))
        ls_buf_printf(needed, "%s\"%.*s\"", needed->size ? "," : "", (int)n, name);
    if (!n || !take(r, ':')) {
        r->wrong = true;
        return;
    }
    ls_buf_printf(r->out, "\"%.*s\":", (int)n, name);
    write_schema(r);
    skip_blanks(r);
}

static void write_object(struct reader *r, bool closed)
{
    struct ls_buf needed;

    ls_buf_init(&needed, 0);
    ls_buf_text(r->out, "{\"type\":\"object\",\"properties\":{");
    for (const char *sep = ""; !r->wrong && *r->at && *r->at != '}'; sep = ",") {
        ls_buf_text(r->out, sep);
        write_member(r, &needed);
    }
    r->wrong = r->wrong || !take(r, '}');
    ls_buf_printf(r->out, "},\"required\":[%s]%s}", ls_buf_str(&needed),
                  closed ? ",\"additionalProperties\":false" : "");
    r->wrong = r->wrong || needed.failed;
    ls_buf_done(&needed);
}

/* Behind a bracket: <X Y>, one of them. */
static void write_choice(struct reader *r)
{
    ls_buf_text(r->out, "{\"anyOf\":[");
    for (const char *sep = ""; !r->wrong && *r->at && *r->at != '>'; sep = ",") {
        ls_buf_text(r->out, sep);
        write_schema(r);
        skip_blanks(r);
    }
    r->wrong = r->wrong || !take(r, '>');
    ls_buf_text(r->out, "]}");
}

static void write_schema(struct reader *r)
{
    const bool closed = take(r, '!');

    if (take(r, '{')) {
        write_object(r, closed);
    } else if (take(r, '[')) {
        ls_buf_text(r->out, "{\"type\":\"array\",\"items\":");
        write_schema(r);
        r->wrong = r->wrong || !take(r, ']');
        ls_buf_char(r->out, '}');
    } else if (take(r, '*')) {
        ls_buf_text(r->out, "{\"type\":\"object\",\"additionalProperties\":");
        write_schema(r);
        ls_buf_char(r->out, '}');
    } else if (take(r, '<')) {
        write_choice(r);
    } else if (take(r, '(')) {
        write_words(r);
    } else if (take(r, '@')) {
        const size_t n = word_length(r->at);
        const bool null = r->at[n] == '|';

        r->wrong = r->wrong || !n;
        ls_buf_printf(r->out, "%s{\"$ref\":\"#/components/schemas/%.*s\"}%s",
                      null ? "{\"anyOf\":[" : "", (int)n, r->at,
                      null ? ",{\"type\":\"null\"}]}" : "");
        r->at += n + null;
    } else if (take(r, 'a')) {
        ls_buf_text(r->out, "{}");
    } else if (*r->at) {
        r->at++;
        write_basic(r, r->at[0] == '|');
        (void)take(r, '|');
    } else {
        r->wrong = true;
    }
}

bool ls_schema_write(struct ls_buf *out, const char *text)
{
    struct reader r = {.at = text, .out = out};

    write_schema(&r);
    return !r.wrong && !*r.at;
}

/* ---- names ---- */

/* "get_runs_run": method and path, for generators of clients. */
static void write_operation_id(struct ls_buf *out, const struct ls_route *route)
{
    static const char base[] = "/api/v1";
    const char *at = route->path;

    if (strncmp(at, base, strlen(base)) == 0)
        at += strlen(base);
    ls_buf_text(out, ",\"operationId\":\"");
    for (const char *m = route->method; *m; m++)
        ls_buf_char(out, (char)tolower((unsigned char)*m));
    for (; *at; at++)
        if (isalnum((unsigned char)*at))
            ls_buf_char(out, *at);
        else if (*at != '{' && *at != '}')
            ls_buf_char(out, '_');
    ls_buf_char(out, '"');
}

/* ---- one route ---- */

static void write_parameter(struct ls_buf *out, const char *name, size_t length, const char *in,
                            const char *type, const char *text)
{
    ls_write_open(out, NULL, '{');
    ls_buf_text(out, "\"name\":\"");
    ls_buf_add(out, name, length);
    ls_buf_printf(out, "\",\"in\":\"%s\",\"required\":%s,\"schema\":{\"type\":\"%s\"}", in,
                  strcmp(in, "path") == 0 ? "true" : "false", type);
    if (text)
        ls_write_text(out, "description", text);
    ls_write_close(out, '}');
}

static void write_parameters(struct ls_buf *out, const struct ls_route *route)
{
    ls_write_open(out, "parameters", '[');
    for (const char *at = strchr(route->path, '{'); at; at = strchr(at, '{')) {
        at++;
        write_parameter(out, at, strcspn(at, "}"), "path", "string", NULL);
    }
    for (size_t i = 0; i < ls_query_param_count; i++)
        if (ls_route_takes(route, ls_query_params[i].name))
            write_parameter(out, ls_query_params[i].name, strlen(ls_query_params[i].name), "query",
                            ls_query_params[i].type, ls_query_params[i].text);
    ls_write_close(out, ']');
}

/* "content":{TYPE:{"schema":...}} */
static void write_content(struct ls_buf *out, const char *type, const char *schema)
{
    ls_write_open(out, "content", '{');
    ls_buf_printf(out, "\"%.*s\":{\"schema\":", (int)strcspn(type, ";"), type);
    if (schema)
        ls_buf_printf(out, "{\"$ref\":\"#/components/schemas/%s\"}", schema);
    else
        ls_buf_text(out, "{\"type\":\"string\"}");
    ls_buf_text(out, "}}");
}

static void write_body(struct ls_buf *out, const struct ls_route *route)
{
    const bool any = route->flags & LS_ROUTE_ANY_TYPE;

    if (!route->request)
        return;
    ls_write_open(out, "requestBody", '{');
    write_content(out, any ? "*/*" : "application/json", route->request);
    ls_write_close(out, '}');
}

/* ---- answers ---- */

static bool always(const struct ls_route *route)
{
    (void)route;
    return true;
}

static bool asks_who(const struct ls_route *route)
{
    return route->role != LS_ROLE_NONE;
}

/* It names a thing; the surfaces of others need one in the configuration. */
static bool has_place(const struct ls_route *route)
{
    return strchr(route->path, '{') ||
           (route->flags & (LS_ROUTE_DATA | LS_ROUTE_SUCCESS | LS_ROUTE_ERROR));
}

static bool has_body(const struct ls_route *route)
{
    return route->request != NULL;
}

static bool changes(const struct ls_route *route)
{
    return route->flags & (LS_ROUTE_CHANGES | LS_ROUTE_AUDITS);
}

/* Which of the answers that are not the route's own it can have. */
static const struct {
    int status;
    bool (*has)(const struct ls_route *route);
    const char *text;
} errors[] = {
    {400, always, "The request is not what this takes"},
    {401, asks_who, "No credentials, or none that are valid"},
    {403, asks_who, "The role of the caller does not reach"},
    {404, has_place, "There is no such thing"},
    {409, changes, "It does not go together with what there is"},
    {413, has_body, "The body is too long"},
    {415, has_body, "The body is of another type"},
    {429, asks_who, "Too many requests or tries; Retry-After says when to come again"},
    {503, always, "Not now: the state cannot be reached, or too much is waiting"},
};

static const char *error_schema(const struct ls_route *route)
{
    return route->flags & LS_ROUTE_DATA      ? "DataError"
           : route->flags & LS_ROUTE_SUCCESS ? "SuccessError"
           : route->flags & LS_ROUTE_ERROR   ? "PlainError"
                                             : "Problem";
}

static void write_error(struct ls_buf *out, const char *text, const char *schema)
{
    const bool problem = strcmp(schema, "Problem") == 0;

    ls_write_text(out, "description", text);
    write_content(out, problem ? "application/problem+json" : "application/json", schema);
    ls_write_close(out, '}');
}

static void write_responses(struct ls_buf *out, const struct ls_route *route)
{
    const int status = route->status ? route->status : 200;
    const char *schema = error_schema(route);

    ls_write_open(out, "responses", '{');
    ls_buf_printf(out, "\"%d\":{\"description\":\"%s\"", status,
                  status == 202   ? "Accepted"
                  : status == 201 ? "Made"
                                  : "Done");
    if (route->response || route->type)
        write_content(out, route->type ? route->type : "application/json",
                      route->type && strncmp(route->type, "text/", 5) == 0 ? NULL
                                                                           : route->response);
    ls_write_close(out, '}');
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (!errors[i].has(route))
            continue;
        ls_buf_printf(out, ",\"%d\":{", errors[i].status);
        write_error(out, errors[i].text, schema);
    }
    ls_write_open(out, "default", '{');
    write_error(out, "Another error", schema);
    ls_write_close(out, '}');
}

/* Who may, for those who read and for the machine. */
static void write_security(struct ls_buf *out, const struct ls_route *route)
{
    ls_write_text(out, "x-role", ls_role_word(route->role));
    if (route->role == LS_ROLE_NONE)
        ls_write_json(out, "security", "[]");
    else if (route->role == LS_ROLE_CRON)
        ls_write_json(out, "security",
                      "[{\"bearer\":[]},{\"cron\":[]},{\"qstash\":[]},{\"session\":[]}]");
}

static void write_operation(struct ls_buf *out, const struct ls_route *route, const char *tag)
{
    ls_buf_char(out, '"');
    for (const char *m = route->method; *m; m++)
        ls_buf_char(out, (char)tolower((unsigned char)*m));
    ls_buf_text(out, "\":{");
    ls_write_open(out, "tags", '[');
    ls_write_text(out, NULL, tag);
    ls_write_close(out, ']');
    ls_write_text(out, "summary", route->summary);
    write_operation_id(out, route);
    write_security(out, route);
    write_parameters(out, route);
    write_body(out, route);
    write_responses(out, route);
    ls_write_close(out, '}');
}

/* ---- the document ---- */

struct tables {
    const struct ls_route_table *const *list;
    size_t count;
};

/* The route with this running number; NULL behind the last. *ret_tag: of its table. */
static const struct ls_route *nth(const struct tables *all, size_t n, const char **ret_tag)
{
    for (size_t t = 0; t < all->count; t++) {
        *ret_tag = all->list[t]->tag;
        if (n < all->list[t]->count)
            return &all->list[t]->routes[n];
        n -= all->list[t]->count;
    }
    return NULL;
}

static bool is_first(const struct tables *all, size_t n, const char *path)
{
    const struct ls_route *other;
    const char *tag;

    for (size_t i = 0; i < n && (other = nth(all, i, &tag)); i++)
        if (strcmp(other->path, path) == 0)
            return false;
    return true;
}

static void write_path(struct ls_buf *out, const struct tables *all, const char *path)
{
    const struct ls_route *route;
    const char *tag, *sep = "";

    ls_write_open(out, path, '{');
    for (size_t i = 0; (route = nth(all, i, &tag)); i++)
        if (strcmp(route->path, path) == 0) {
            ls_buf_text(out, sep);
            write_operation(out, route, tag);
            sep = ",";
        }
    ls_write_close(out, '}');
}

static void write_tags(struct ls_buf *out, const struct tables *all)
{
    ls_write_open(out, "tags", '[');
    for (size_t t = 0; t < all->count; t++) {
        ls_write_open(out, NULL, '{');
        ls_write_text(out, "name", all->list[t]->tag);
        ls_write_text(out, "description", all->list[t]->text);
        ls_write_close(out, '}');
    }
    ls_write_close(out, ']');
}

static void write_described(struct ls_buf *out, const struct ls_schema_text *schema)
{
    const size_t anything = strlen(LS_SCHEMA_ANYTHING);

    if (strncmp(schema->text, LS_SCHEMA_ANYTHING, anything) == 0) {
        ls_write_open(out, schema->name, '{');
        ls_write_text(out, "description", schema->text + anything);
        ls_write_close(out, '}');
        return;
    }
    ls_write_json(out, schema->name, "");
    if (!ls_schema_write(out, schema->text))
        out->failed = true;
}

static void write_components(struct ls_buf *out)
{
    ls_write_open(out, "components", '{');
    ls_write_json(
        out, "securitySchemes",
        "{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\",\"description\":\"An API token or a "
        "JWT\"},\"session\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"__Host-lockstep\","
        "\"description\":\"What changes something needs X-CSRF-Token too\"},\"cron\":{\"type\":"
        "\"apiKey\",\"in\":\"header\",\"name\":\"x-cron-secret\"},\"qstash\":{\"type\":\"apiKey\","
        "\"in\":\"header\",\"name\":\"Upstash-Signature\"}}");
    ls_write_open(out, "schemas", '{');
    for (size_t i = 0; i < ls_schema_count; i++)
        write_described(out, &ls_schemas[i]);
    ls_write_close(out, '}');
    ls_write_close(out, '}');
}

void ls_openapi_write(struct ls_buf *out, const struct ls_route_table *const *tables, size_t count)
{
    const struct tables all = {tables, count};
    const struct ls_route *route;
    const char *tag;

    ls_write_open(out, NULL, '{');
    ls_write_text(out, "openapi", "3.1.0");
    ls_write_json(out, "info",
                  "{\"title\":\"lockstep\",\"version\":\"" LOCKSTEP_VERSION
                  "\",\"summary\":\"Compare two places that hold the same data, and make one match "
                  "the other\",\"license\":{\"name\":\"Apache License 2.0\",\"identifier\":"
                  "\"Apache-2.0\"}}");
    ls_write_json(out, "servers", "[{\"url\":\"/\"}]");
    ls_write_json(out, "security", "[{\"bearer\":[]},{\"session\":[]}]");
    write_tags(out, &all);
    ls_write_open(out, "paths", '{');
    for (size_t i = 0; (route = nth(&all, i, &tag)); i++)
        if (is_first(&all, i, route->path))
            write_path(out, &all, route->path);
    ls_write_close(out, '}');
    write_components(out);
    ls_write_close(out, '}');
}

char *lockstep_openapi(void)
{
    struct ls_buf out;
    char *ret;

    ls_buf_init(&out, 0);
    ls_openapi_write(&out, ls_route_tables, ls_route_table_count);
    ret = out.failed ? NULL : strdup(ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}
