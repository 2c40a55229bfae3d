/* SPDX-License-Identifier: Apache-2.0 */
/* problem.c - answers that say what went wrong.
 *
 * One table says which status each error of the library has. A store that cannot be reached is 503, since trying again may help and nothing is wrong
 * with the request; one that refuses our credentials is 502. A configuration that does not fit its stores is 500: the caller can do nothing about it.
 *
 * Where even the body finds no memory the status goes out alone. */
#include "server/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "server/write.h"

static const int statuses[LS_CODE_COUNT] = {
    [LS_OK] = 200,          [LS_NOMEM] = 503,   [LS_USAGE] = 400,       [LS_CONFIG] = 500,
    [LS_NOT_FOUND] = 404,   [LS_NO_KEY] = 422,  [LS_UNSUPPORTED] = 422, [LS_CONNECT] = 503,
    [LS_PERMISSION] = 502,  [LS_IO] = 500,      [LS_FULL] = 507,        [LS_BUSY] = 503,
    [LS_LOCKED] = 409,      [LS_DATA] = 422,    [LS_CONSTRAINT] = 409,  [LS_TYPE] = 422,
    [LS_CONFLICT] = 409,    [LS_HELD] = 409,    [LS_CORRUPT] = 500,     [LS_VERSION] = 500,
    [LS_CHANGED] = 409,     [LS_BRAKE] = 409,   [LS_CANCELLED] = 409,   [LS_INTERNAL] = 500,
    [LS_UNDELIVERED] = 502, [LS_TIMEOUT] = 504, [LS_LIMIT] = 507,
};

int ls_problem_status(enum ls_code code)
{
    return code < LS_CODE_COUNT && statuses[code] ? statuses[code] : 500;
}

const char *ls_problem_title(int status)
{
    static const struct {
        int status;
        const char *title;
    } titles[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Error";
}

static void write_problem(struct ls_buf *out, const struct ls_request *request, int status,
                          const char *code, const char *detail)
{
    ls_write_open(out, NULL, '{');
    ls_buf_printf(out, "\"type\":\"urn:lockstep:problem:%s\"", code);
    ls_write_text(out, "title", ls_problem_title(status));
    ls_write_i64(out, "status", status);
    ls_write_text(out, "code", code);
    ls_write_text(out, "detail", detail);
    if (*request->path)
        ls_write_text(out, "instance", request->path);
    ls_write_text(out, "request", request->id);
    ls_write_close(out, '}');
}

static void write_data(struct ls_buf *out, const char *code, const char *detail)
{
    ls_buf_text(out, "{\"data\":{\"success\":false,\"error\":{");
    ls_buf_printf(out, "\"code\":\"%s\"", code);
    ls_write_text(out, "message", detail);
    ls_buf_text(out, "}},\"metadata\":{");
    ls_write_time(out, "timestamp", ls_clock_now_us());
    ls_write_text(out, "version", "1.0");
    ls_buf_text(out, "}}");
}

static void write_error(struct ls_buf *out, const char *detail)
{
    ls_write_open(out, NULL, '{');
    ls_write_text(out, "error", detail);
    ls_write_close(out, '}');
}

static void write_success(struct ls_buf *out, const char *code, const char *detail)
{
    ls_buf_text(out, "{\"success\":false");
    ls_write_text(out, "message", detail);
    ls_write_text(out, "error", code);
    ls_write_time(out, "timestamp", ls_clock_now_us());
    ls_buf_char(out, '}');
}

/* What is at no route under /v2 was meant for QStash, whose clients read its errors. */
static unsigned flags_of(const struct ls_request *request)
{
    if (request->route)
        return request->route->flags;
    return request->target && strncmp(request->target, "/v2/", 4) == 0 ? LS_ROUTE_ERROR : 0;
}

void ls_problem(struct ls_request *request, int status, const char *code, const char *detail,
                struct ls_response *ret)
{
    const unsigned flags = flags_of(request);
    const bool plain = (flags & (LS_ROUTE_DATA | LS_ROUTE_ERROR | LS_ROUTE_SUCCESS)) != 0;
    struct ls_buf out;

    ls_buf_init(&out, 0);
    if (flags & LS_ROUTE_DATA)
        write_data(&out, code, detail);
    else if (flags & LS_ROUTE_ERROR)
        write_error(&out, detail);
    else if (flags & LS_ROUTE_SUCCESS)
        write_success(&out, code, detail);
    else
        write_problem(&out, request, status, code, detail);
    ret->status = status;
    ret->type = plain ? "application/json" : "application/problem+json";
    ret->body = out.failed ? NULL : ls_arena_copy(request->mem, out.data, out.size);
    ret->body_size = ret->body ? out.size : 0;
    ls_buf_done(&out);
}

void ls_problem_of(struct ls_request *request, const struct ls_error *err, struct ls_response *ret)
{
    const int status = ret->status >= 400 ? ret->status : ls_problem_status(err->code);

    if (status == 503 && !ls_response_has(ret, "Retry-After"))
        ls_response_header(ret, "Retry-After", "5");
    ls_problem(request, status, ls_code_name(err->code), err->text, ret);
}

enum ls_code ls_refuse(struct ls_response *ret, int status, struct ls_error *err, enum ls_code code,
                       const char *fmt, ...)
{
    char text[900];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    ret->status = status;
    return ls_error_set(err, code, "%s", text);
}
