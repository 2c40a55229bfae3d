/* SPDX-License-Identifier: Apache-2.0 */
/* routes_login.c - people: the first one, logging in and out, who one is, another password.
 *
 * A login is open to all, so nothing has asked yet where the request comes from: a page of somebody else's could log its visitor in as somebody
 * they are not. Browsers say where a page is from, and those are refused; that the body has to be JSON keeps plain forms out as well.
 *
 * Name and password that are not right are answered alike, whichever it was, after the same time. How often may be tried is login.c's matter. Passwords are wiped where
 * they lie in the request; what the parser of JSON held is freed as it was. */
#include <string.h>

#include "api/callers.h"
#include "base/clock.h"
#include "lockstep.h"
#include "server/cookie.h"
#include "server/handler.h"
#include "server/login.h"
#include "server/setup_page.h"

#define SECOND INT64_C(1000000)
#define IDLE_US (1800 * SECOND)
#define ABSOLUTE_US (43200 * SECOND)

/* ---- what they share ---- */

/* The password has been used: what of it is in the request's memory goes. It is all the request's own, and nobody reads it again. */
static void forget(struct ls_call *call, const char *text)
{
    ls_secret_wipe((void *)(uintptr_t)call->request->body, call->request->body_size);
    if (text)
        ls_secret_wipe((char *)(uintptr_t)text, strlen(text));
}

static enum ls_code from_our_page(struct ls_call *call, struct ls_response *ret,
                                  struct ls_error *err)
{
    struct ls_callers *callers = call->server->options.callers;

    if (!callers || !ls_caller_from_elsewhere(callers, call->request))
        return LS_OK;
    return ls_refuse(ret, 403, err, LS_PERMISSION,
                     "this has to come from a page of this server, or of auth.origins "
                     "(Sec-Fetch-Site, Origin)");
}

static enum ls_code set_cookie(struct ls_call *call, const char *secret, struct ls_response *ret,
                               struct ls_error *err)
{
    const char *cookie = ls_cookie_session(call->mem, call->request->tls, secret);

    ls_response_header(ret, "Set-Cookie", cookie);
    return cookie ? LS_OK : ls_error_nomem(err);
}

/* A try, taken and judged. status: of a password that is not right. */
static enum ls_code try_login(struct ls_call *call, const char *name, const char *password,
                              int status, struct ls_login *login, struct ls_response *ret,
                              struct ls_error *err)
{
    int64_t idle_us = IDLE_US, absolute_us = ABSOLUTE_US;
    int wait_s = 0;
    enum ls_code rc = ls_api_state(call->ls, true, err);

    if (call->server->options.callers)
        ls_callers_sessions(call->server->options.callers, &idle_us, &absolute_us);
    if (rc == LS_OK)
        rc = ls_login(call->ls->state, name, password, call->request->peer, ls_clock_now_us(),
                      idle_us, absolute_us, login, &wait_s, err);
    if (rc == LS_PERMISSION)
        ret->status = status;
    if (rc == LS_BUSY && wait_s > 0) {
        ret->status = 429;
        ls_response_header(ret, "Retry-After", ls_arena_printf(call->mem, "%d", wait_s));
    }
    return rc;
}

static enum ls_code end_session(struct ls_call *call, const char *secret, struct ls_error *err)
{
    unsigned char hash[LS_SECRET_HASH];

    ls_secret_hash(secret, strlen(secret), hash);
    return ls_state_session_end(call->ls->state, hash, err);
}

/* ---- who one is ---- */

static enum ls_code get_me(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const struct ls_caller *caller = call->caller;
    char secret[LS_SECRET_TEXT], csrf[LS_CSRF_TEXT];
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_text(&out, "kind", caller->kind);
    ls_write_text(&out, "name", caller->name);
    ls_write_text(&out, "role", ls_role_word(caller->role));
    ls_write_text(&out, "user", caller->user);
    if (strcmp(caller->kind, "session") == 0 && ls_login_secret(call->request, secret)) {
        ls_login_csrf(secret, csrf);
        ls_write_text(&out, "csrf_token", csrf);
        ls_secret_wipe(secret, sizeof secret);
    }
    ls_write_close(&out, '}');
    return ls_answer(call, &out, ret, err);
}

/* ---- logging in and out ---- */

struct credentials {
    const char *name, *password;
};
static const struct ls_member credentials[] = {
    {"name", LS_MEMBER_TEXT, offsetof(struct credentials, name), true},
    {"password", LS_MEMBER_TEXT, offsetof(struct credentials, password), true},
};

/* The entry of the audit log, without which there is no session. */
static enum ls_code note_login(struct ls_call *call, const char *name, const struct ls_login *login,
                               struct ls_error *err)
{
    const char *actor = ls_arena_printf(call->mem, "session:%s", name);
    struct ls_error other = {0};
    enum ls_code rc;

    if (!actor)
        return ls_error_nomem(err);
    ls_api_act_as(call->ls, actor, call->ls->about);
    rc = ls_api_audit(call->ls, "login", name, "{}", err);
    if (rc != LS_OK && end_session(call, login->secret, &other) != LS_OK)
        return rc; /* it rests, unknown to all, until its time is over */
    return rc;
}

static enum ls_code answer_login(struct ls_call *call, const char *name,
                                 const struct ls_login *login, struct ls_response *ret,
                                 struct ls_error *err)
{
    struct ls_buf out;
    enum ls_code rc = set_cookie(call, login->secret, ret, err);

    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_text(&out, "name", name);
    ls_write_text(&out, "csrf_token", login->csrf);
    ls_write_close(&out, '}');
    return ls_answer(call, &out, ret, err);
}

static enum ls_code post_login(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct credentials wish = {0};
    struct ls_login login = {0};
    enum ls_code rc = from_our_page(call, ret, err);

    if (rc == LS_OK)
        rc = ls_body_read(call, credentials, 2, &wish, err);
    if (rc == LS_OK)
        rc = try_login(call, wish.name, wish.password, 401, &login, ret, err);
    forget(call, wish.password);
    if (rc == LS_OK)
        rc = note_login(call, wish.name, &login, err);
    if (rc == LS_OK)
        rc = answer_login(call, wish.name, &login, ret, err);
    ls_secret_wipe(&login, sizeof login);
    return rc;
}

static enum ls_code post_logout(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    enum ls_code rc = ls_api_state(call->ls, true, err);

    if (rc == LS_OK)
        rc = ls_logout(call->ls->state, call->request, err);
    if (rc == LS_OK)
        ls_server_forget_callers(call->server);
    return rc == LS_OK ? set_cookie(call, NULL, ret, err) : rc;
}

/* ---- another password ---- */

struct passwords {
    const char *current, *password;
};
static const struct ls_member passwords[] = {
    {"current", LS_MEMBER_TEXT, offsetof(struct passwords, current), true},
    {"password", LS_MEMBER_TEXT, offsetof(struct passwords, password), true},
};

/* Whoever found a browser open must not be able to lock its owner out: the password is asked for again, by a login. All sessions end with the
 * change, that one too. */
static enum ls_code put_password(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    struct lockstep_error error = {0};
    struct passwords wish = {0};
    struct ls_login login = {0};
    enum ls_code rc = LS_OK;

    if (strcmp(call->caller->kind, "session") != 0)
        return ls_refuse(ret, 409, err, LS_UNSUPPORTED,
                         "this is for those who have logged in with a password");
    rc = ls_body_read(call, passwords, 2, &wish, err);
    if (rc == LS_OK)
        rc = ls_password_fit(wish.password, strlen(wish.password), call->caller->name, err);
    if (rc == LS_OK)
        rc = try_login(call, call->caller->name, wish.current, 403, &login, ret, err);
    if (rc == LS_OK &&
        lockstep_user_password(call->ls, call->caller->name, wish.password, &error) != LOCKSTEP_OK)
        rc = ls_call_failed(&error, err);
    if (rc != LS_OK && *login.secret) {
        struct ls_error other = {0};

        (void)!end_session(call, login.secret, &other);
    }
    forget(call, wish.current);
    forget(call, wish.password);
    ls_secret_wipe(&login, sizeof login);
    if (rc == LS_OK)
        ls_server_forget_callers(call->server);
    return rc == LS_OK ? set_cookie(call, NULL, ret, err) : rc;
}

/* ---- the first one ---- */

struct first {
    const char *secret, *name, *password;
};
static const struct ls_member first[] = {
    {"secret", LS_MEMBER_TEXT, offsetof(struct first, secret), true},
    {"name", LS_MEMBER_TEXT, offsetof(struct first, name), true},
    {"password", LS_MEMBER_TEXT, offsetof(struct first, password), true},
};

static enum ls_code post_setup(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct first wish = {0};
    enum ls_code rc = from_our_page(call, ret, err);

    if (rc == LS_OK)
        rc = ls_body_read(call, first, 3, &wish, err);
    if (rc == LS_OK)
        rc = ls_api_state(call->ls, true, err);
    if (rc == LS_OK) {
        rc = ls_setup_finish(call->ls->state, wish.secret, wish.name, wish.password,
                             ls_clock_now_us(), err);
        ret->status = rc == LS_PERMISSION ? 403 : 0;
    }
    forget(call, wish.password);
    return rc;
}

static enum ls_code give(struct ls_response *ret, const char *text)
{
    ls_response_header(ret, "Content-Security-Policy", LS_SETUP_POLICY);
    ls_response_header(ret, "Referrer-Policy", "no-referrer");
    ret->body = text;
    ret->body_size = strlen(text);
    return LS_OK;
}

static enum ls_code get_setup(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    (void)call;
    (void)err;
    return give(ret, ls_setup_page);
}

static enum ls_code get_setup_script(struct ls_call *call, struct ls_response *ret,
                                     struct ls_error *err)
{
    (void)call;
    (void)err;
    return give(ret, ls_setup_script);
}

static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/api/v1/me", LS_ROLE_KNOWN, .handle = get_me, .response = "Me",
             .summary = "Say who is calling, and in which role"),
    LS_ROUTE("PUT", "/api/v1/me/password", LS_ROLE_KNOWN, .flags = LS_ROUTE_DESK | LS_ROUTE_AUDITS,
             .handle = put_password, .request = "Passwords", .status = 204,
             .summary = "Change one's own password; all of one's sessions end"),
    LS_ROUTE("POST", "/api/v1/login", LS_ROLE_NONE, .flags = LS_ROUTE_DESK | LS_ROUTE_AUDITS,
             .handle = post_login, .request = "Credentials", .response = "Login",
             .summary = "Log in with a password; the session is in the cookie"),
    LS_ROUTE("POST", "/api/v1/logout", LS_ROLE_KNOWN, .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES,
             .handle = post_logout, .status = 204, .summary = "End one's session"),
    LS_ROUTE("POST", "/api/v1/setup", LS_ROLE_NONE, .flags = LS_ROUTE_DESK | LS_ROUTE_AUDITS,
             .handle = post_setup, .request = "Setup", .status = 201,
             .summary = "Make the first admin, by the link that the first start prints"),
    LS_ROUTE("GET", "/setup", LS_ROLE_NONE, .handle = get_setup, .type = "text/html; charset=utf-8",
             .summary = "Show the page behind that link"),
    LS_ROUTE("GET", "/setup.js", LS_ROLE_NONE, .handle = get_setup_script,
             .type = "text/javascript; charset=utf-8", .summary = "Give what that page does"),
};

const struct ls_route_table ls_routes_login =
    LS_ROUTE_TABLE("login", "Logging in, and who one is.", routes);
