/* SPDX-License-Identifier: Apache-2.0 */
/* test_roles.c - every route of the tables, called by every role, by nobody and with a wrong token: the answer, and what of it is in the audit log.
 *
 * Made from the tables: a new route is in it without a line here. Callers are real ones, with tokens in the state. A path's parameters are
 * filled with the name of something that is not there and a body is {}, so no call gets far, but each gets past the question who may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/route.h"
#include "server_fixture.h"

#define ABSENT "absent"
#define CHANGING (LS_ROUTE_CHANGES | LS_ROUTE_AUDITS)

/* Who calls. */
static const struct caller {
    const char *role; /* as server_ask() takes it; NULL: nobody */
    enum ls_role is;  /* LS_ROLE_UNSET: credentials that are wrong */
    const char *actor;
} callers[] = {
    {NULL, LS_ROLE_NONE, "anonymous|"},
    {"user", LS_ROLE_USER, "token:user|"},
    {"viewer", LS_ROLE_VIEWER, "token:viewer|"},
    {"operator", LS_ROLE_OPERATOR, "token:operator|"},
    {"admin", LS_ROLE_ADMIN, "token:admin|"},
    {"service", LS_ROLE_SERVICE, "token:service|"},
    {"cron", LS_ROLE_CRON, "cron|"},
    {"not-a-token", LS_ROLE_UNSET, "token|"},
};

/* Who may, by what a route needs, as docs/callers.md has it: written down a second time, so that a slip in the table of caller.c shows. */
static const char *const may_call[LS_ROLE_COUNT] = {
    [LS_ROLE_USER] = "user admin service",
    [LS_ROLE_VIEWER] = "viewer operator admin service",
    [LS_ROLE_OPERATOR] = "operator admin service",
    [LS_ROLE_ADMIN] = "admin",
    [LS_ROLE_SERVICE] = "admin service",
    [LS_ROLE_CRON] = "cron operator admin service",
    [LS_ROLE_KNOWN] = "user viewer operator admin service cron",
};

/* A call and what is known of it. */
struct shot {
    const struct ls_route *route;
    const struct caller *caller;
    char what[300]; /* METHOD and path */
    struct client_answer answer;
    char *entries; /* that it added to the audit log */
};

static void fill_path(struct shot *s)
{
    size_t n = (size_t)snprintf(s->what, sizeof s->what, "%s ", s->route->method);

    for (const char *at = s->route->path; *at; at++) {
        if (*at == '{') {
            n += (size_t)snprintf(s->what + n, sizeof s->what - n, ABSENT);
            at = strchr(at, '}');
        } else {
            s->what[n++] = *at;
        }
    }
    s->what[n] = '\0';
}

/* Streams have no end, so of what is read nothing but the head is waited for; a refusal's body is read. */
static void call(struct server_fixture *f, size_t known, struct shot *s)
{
    char request[1000];
    int n, fd = client_connect(f->url);

    n = snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: localhost\r\n", s->what);
    if (s->caller->role)
        n += server_credentials(f, s->caller->role, request + n, sizeof request - (size_t)n);
    snprintf(request + n, sizeof request - (size_t)n, "%s",
             s->route->request ? "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                               : "\r\n");
    assert_true(client_say(fd, request));
    client_read(fd, true, &s->answer);
    if (s->answer.status >= 400)
        client_read_rest(fd, &s->answer);
    close(fd);
    s->entries = server_audit_since(f, known);
}

static void wrong(const struct shot *s, const char *why)
{
    fail_msg("%s %s as %s: %s. Status %d: %s\naudit log:\n%s", s->route->method, s->route->path,
             s->caller->role ? s->caller->role : "nobody", why, s->answer.status,
             s->answer.body ? s->answer.body : "", s->entries);
}

static bool has_entry(const struct shot *s, const char *outcome)
{
    /* what is open to all is not asked who calls */
    const char *actor = s->route->role == LS_ROLE_NONE ? "anonymous|" : s->caller->actor;
    char begin[300], end[60];

    snprintf(begin, sizeof begin, "%s%s %s|%s|", actor, s->route->method, s->route->path,
             s->what + strlen(s->route->method) + 1);
    snprintf(end, sizeof end, "\"outcome\":\"%s\"", outcome);
    for (const char *at = s->entries; *at; at = strchr(at, '\n') + 1) {
        const char *stop = strchr(at, '\n'), *found = strstr(at, end);

        if (strncmp(at, begin, strlen(begin)) == 0 && found && found < stop &&
            (found = strstr(at, "\"address\":\"127.0.0.1\"")) && found < stop)
            return true;
    }
    return false;
}

static size_t lines(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void check_refused(const struct shot *s, int status)
{
    const char *needs = strstr(s->answer.body ? s->answer.body : "", "this call needs ");

    if (s->answer.status != status)
        wrong(s, "it has to be refused");
    if (s->caller->is != LS_ROLE_UNSET && !needs)
        wrong(s, "it has to be refused for its role");
    if (status == 401 && !*client_header(&s->answer, "WWW-Authenticate"))
        wrong(s, "WWW-Authenticate is missing");
    if (!(s->route->flags & (CHANGING | LS_ROUTE_QUEUES))) {
        if (*s->entries)
            wrong(s, "what only reads is not in the audit log");
        return;
    }
    if (lines(s->entries) != 1 || !has_entry(s, "refused"))
        wrong(s, "one entry has to say that it was refused, and whom");
}

static void check_allowed(const struct shot *s)
{
    const char *needs = strstr(s->answer.body ? s->answer.body : "", "this call needs ");
    const unsigned flags = s->route->flags;

    if (s->answer.status == 0 || needs)
        wrong(s, "this role may call it");
    if (!(flags & (CHANGING | LS_ROUTE_QUEUES)) && *s->entries)
        wrong(s, "what only reads is not in the audit log");
    if ((flags & LS_ROUTE_CHANGES) && !has_entry(s, "allowed"))
        wrong(s, "an entry has to say that it was allowed, and whom");
    if ((flags & CHANGING) && s->answer.status >= 400 && !has_entry(s, "failed"))
        wrong(s, "an entry has to say that it failed");
    if ((flags & CHANGING) && s->answer.status < 400 && !(flags & LS_ROUTE_CHANGES) &&
        !strstr(s->entries, "\"outcome\":\"done\",\"address\":\"127.0.0.1\""))
        wrong(s, "an entry has to say that it was done");
}

/* entries: how many the audit log has. */
static void shoot(struct server_fixture *f, const struct ls_route *route,
                  const struct caller *caller, size_t *entries)
{
    struct shot s = {.route = route, .caller = caller};
    const bool may = route->role == LS_ROLE_NONE ||
                     (caller->is > LS_ROLE_NONE && strstr(may_call[route->role], caller->role));

    fill_path(&s);
    call(f, *entries, &s);
    *entries += lines(s.entries);
    if (may)
        check_allowed(&s);
    else
        check_refused(&s, caller->is == LS_ROLE_NONE || caller->is == LS_ROLE_UNSET ? 401 : 403);
    client_free(&s.answer);
    free(s.entries);
}

/* What a server counts (refusals that are written down, wrong tokens) must not run out: now and then there is a new one. */
static void every_route_lets_in_the_roles_of_its_line_and_nobody_else(void **state)
{
    struct server_fixture f;
    size_t routes = 0, entries;
    (void)state;

    server_start_earnest(&f, NULL, (struct ls_server_options){0});
    entries = server_audit_count(&f);
    for (size_t t = 0; t < ls_route_table_count; t++)
        for (size_t i = 0; i < ls_route_tables[t]->count; i++, routes++) {
            if (routes % 20 == 19)
                server_restart(&f, (struct ls_server_options){0});
            for (size_t c = 0; c < sizeof callers / sizeof *callers; c++)
                shoot(&f, &ls_route_tables[t]->routes[i], &callers[c], &entries);
        }
    server_stop(&f);
    assert_true(routes > 40);
}

static void every_role_is_called_with(void **state)
{
    (void)state;
    for (enum ls_role r = LS_ROLE_NONE; r < LS_ROLE_KNOWN; r++) {
        bool found = false;

        for (size_t c = 0; c < sizeof callers / sizeof *callers; c++)
            found = found || callers[c].is == r;
        assert_true(found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_role_is_called_with),
        cmocka_unit_test(every_route_lets_in_the_roles_of_its_line_and_nobody_else),
    };

    return cmocka_run_group_tests_name("server/roles", tests, NULL, NULL);
}
