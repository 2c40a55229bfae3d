/* SPDX-License-Identifier: Apache-2.0 */
/* server_fixture.c - a server over a state and a configuration in a folder of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/callers.h"
#include "api/config.h"
#include "lib/testdir.h"
#include "server_fixture.h"
#include "state/state.h"

#define CRON_SECRET "the secret of the crons"

static enum ls_code by_header(struct ls_callers *callers, const struct ls_request *request,
                              struct ls_caller *ret, struct ls_error *err)
{
    const char *role = ls_request_header(request, "X-Role");

    (void)callers;
    *ret = (struct ls_caller){.role = LS_ROLE_NONE, .kind = "anonymous", .name = ""};
    if (!role)
        return LS_OK;
    ret->kind = "token";
    for (enum ls_role r = LS_ROLE_NONE; r < LS_ROLE_COUNT; r++)
        if (strcmp(role, ls_role_word(r)) == 0) {
            ret->role = r;
            ret->name = ls_role_word(r);
            return LS_OK;
        }
    if (strcmp(role, "throttled") == 0) {
        ret->retry_after_s = 7;
        return ls_error_set(err, LS_BUSY, "too many tries");
    }
    if (strcmp(role, "unknown") == 0)
        return ls_error_set(err, LS_CONNECT, "it cannot be told");
    return ls_error_set(err, LS_PERMISSION, "the token is not valid");
}

static void write_config(struct server_fixture *f, const char *yaml)
{
    char path[500], text[8000];
    struct ls_error err = {0};
    FILE *file;

    if (!yaml)
        return;
    snprintf(path, sizeof path, "%s/lockstep.yaml", f->folder);
    /* every %s is the folder */
    snprintf(text, sizeof text, "%s", "");
    for (const char *at = yaml; *at;) {
        const size_t plain = strstr(at, "%s") ? (size_t)(strstr(at, "%s") - at) : strlen(at);

        snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s%s", (int)plain, at,
                 at[plain] ? f->folder : "");
        at += plain + (at[plain] ? 2 : 0);
    }
    file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    if (ls_config_read(path, &f->config, &err) != LS_OK)
        fail_msg("%s", err.text);
}

static void begin(struct server_fixture *f, const char *yaml)
{
    memset(f, 0, sizeof *f);
    f->folder = testdir_new();
    assert_true(asprintf(&f->state, "%s/state.db", f->folder) > 0);
    write_config(f, yaml);
}

static void open_server(struct server_fixture *f, struct ls_server_options options)
{
    struct ls_error err = {0};

    assert_int_equal(
        ls_http_listen("127.0.0.1:0", false, &f->listen_fd, &options.loopback, f->url, &err),
        LS_OK);
    options.http.listen_fd = f->listen_fd;
    options.url = f->url;
    options.config = f->config;
    options.state_url = options.state_url ? options.state_url : f->state;
    options.callers = f->callers;
    options.identify = f->callers ? NULL : by_header;
    if (ls_server_open(&options, &f->server, &err) != LS_OK)
        fail_msg("%s", err.text);
}

void server_start(struct server_fixture *f, const char *yaml, struct ls_server_options options)
{
    begin(f, yaml);
    open_server(f, options);
}

/* ---- callers in earnest ---- */

static void make_tokens(struct server_fixture *f)
{
    struct ls_state *state = NULL;
    struct ls_error err = {0};

    if (ls_state_open(f->state, true, &state, &err) != LS_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < LS_API_ROLES; i++) {
        struct ls_token token;
        enum ls_role role = LS_ROLE_NONE;

        while (strcmp(ls_role_word(role), ls_api_roles[i]) != 0)
            role++;
        if (ls_api_token_create(state, "test", NULL, ls_api_roles[i], ls_api_roles[i], 0,
                                f->tokens[role], &token, &err) != LS_OK)
            fail_msg("%s", err.text);
    }
    ls_state_close(state);
}

static void open_callers(struct server_fixture *f)
{
    struct ls_error err = {0};

    setenv("CRON_SECRET", CRON_SECRET, 1);
    if (ls_callers_open(f->config, f->state, &f->callers, &err) != LS_OK)
        fail_msg("%s", err.text);
    unsetenv("CRON_SECRET");
}

void server_start_earnest(struct server_fixture *f, const char *yaml,
                          struct ls_server_options options)
{
    begin(f, yaml);
    make_tokens(f);
    open_callers(f);
    open_server(f, options);
}

static void close_server(struct server_fixture *f)
{
    ls_server_close(f->server);
    ls_callers_close(f->callers);
    close(f->listen_fd);
}

void server_restart(struct server_fixture *f, struct ls_server_options options)
{
    close_server(f);
    open_callers(f);
    open_server(f, options);
}

int server_credentials(const struct server_fixture *f, const char *role, char *out, size_t size)
{
    if (!f->callers)
        return snprintf(out, size, "X-Role: %s\r\n", role);
    if (strcmp(role, "cron") == 0)
        return snprintf(out, size, "x-cron-secret: " CRON_SECRET "\r\n");
    for (enum ls_role r = LS_ROLE_NONE; r < LS_ROLE_COUNT; r++)
        if (strcmp(role, ls_role_word(r)) == 0)
            return snprintf(out, size, "Authorization: Bearer %s\r\n", f->tokens[r]);
    return snprintf(out, size, "Authorization: Bearer %s\r\n", role);
}

void server_stop(struct server_fixture *f)
{
    close_server(f);
    ls_config_free(f->config);
    free(f->folder);
    free(f->state);
}

void server_ask(struct server_fixture *f, const char *role, const char *what, const char *body,
                struct client_answer *ret)
{
    char request[20000];
    int n = snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: localhost\r\n", what);

    if (role)
        n += server_credentials(f, role, request + n, sizeof request - (size_t)n);
    if (body)
        n += snprintf(request + n, sizeof request - (size_t)n,
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    n += snprintf(request + n, sizeof request - (size_t)n, "\r\n%s", body ? body : "");
    assert_true((size_t)n < sizeof request);
    client_ask(f->url, request, ret);
}

void server_expect(struct server_fixture *f, const char *role, const char *what, const char *body,
                   int status, struct client_answer *ret)
{
    server_ask(f, role, what, body, ret);
    if (ret->status != status)
        fail_msg("%s as %s: %d, not %d: %s", what, role ? role : "nobody", ret->status, status,
                 ret->body ? ret->body : "");
}

static size_t read_audit(struct server_fixture *f, size_t most, char *newest, size_t size)
{
    struct ls_state *state = NULL;
    struct ls_audit *list = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    size_t count = 0;

    ls_arena_init(&mem, 0);
    if (ls_state_open(f->state, true, &state, &err) != LS_OK ||
        ls_state_audit_list(state, most, &mem, &count, &list, &err) != LS_OK)
        fail_msg("%s", err.text);
    if (newest)
        newest[0] = '\0';
    if (newest && count)
        snprintf(newest, size, "%s|%s|%s|%s", list[0].actor, list[0].action, list[0].subject,
                 list[0].detail_json);
    ls_state_close(state);
    ls_arena_done(&mem);
    return count;
}

const char *server_audit(struct server_fixture *f)
{
    static char newest[1000];

    read_audit(f, 1, newest, sizeof newest);
    return newest;
}

size_t server_audit_count(struct server_fixture *f)
{
    return read_audit(f, 100000, NULL, 0);
}

char *server_audit_since(struct server_fixture *f, size_t known)
{
    struct ls_state *state = NULL;
    struct ls_audit *list = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    size_t count = 0, size = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);

    ls_arena_init(&mem, 0);
    assert_non_null(out);
    if (ls_state_open(f->state, true, &state, &err) != LS_OK ||
        ls_state_audit_list(state, 100000, &mem, &count, &list, &err) != LS_OK)
        fail_msg("%s", err.text);
    for (size_t i = count - known; i-- > 0;)
        fprintf(out, "%s|%s|%s|%s\n", list[i].actor, list[i].action, list[i].subject,
                list[i].detail_json);
    fclose(out);
    ls_state_close(state);
    ls_arena_done(&mem);
    return text;
}
