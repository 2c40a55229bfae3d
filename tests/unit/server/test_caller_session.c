/* SPDX-License-Identifier: Apache-2.0 */
/* test_caller_session.c - who a request comes from by cookie; limits by address and caller; a reload while many ask. */
#include "caller_help.h"

#include "api/config.h"
#include "base/thread.h"
#include "server/limits.h"

/* ---- cookies ---- */

struct page {
    const char *site, *origin, *csrf;
    bool works;
};

static enum ls_code post_with(struct ls_caller *ret, const char *method, bool tls,
                              const char *cookie, const struct page *page)
{
    struct ls_pair headers[6] = {{"Host", "sync.example.com"}, {"Cookie", cookie}};
    size_t count = 2;
    struct ls_request request;

    if (page->site)
        headers[count++] = (struct ls_pair){"Sec-Fetch-Site", page->site};
    if (page->origin)
        headers[count++] = (struct ls_pair){"Origin", page->origin};
    if (page->csrf)
        headers[count++] = (struct ls_pair){"x-csrf-token", page->csrf};
    request = request_of(method, headers, count);
    request.tls = tls;
    return identify(&request, ret);
}

static void a_session_changes_something_only_from_a_page_of_ours(void **state)
{
    struct ls_login login, other;
    struct ls_caller c;
    const char *cookie;
    (void)state;

    made_user("ann", "admin");
    made_user("eve", "admin");
    login = logged_in("ann");
    other = logged_in("eve");
    cookie = forge_text("__Host-lockstep=%s", login.secret);
    {
        const struct page pages[] = {
            {"same-origin", APP, login.csrf, true},
            {"same-origin", NULL, login.csrf, true},
            {NULL, APP, login.csrf, true},
            {NULL, "https://SYNC.example.com", login.csrf, true},
            {"same-origin", APP, NULL, false},
            {"same-origin", APP, "", false},
            {"same-origin", APP, "x", false},
            {"same-origin", APP, other.csrf, false},
            {"same-origin", APP, login.secret, false},
            {"cross-site", "https://evil.example", login.csrf, false},
            {"cross-site", APP, login.csrf, false},
            {"same-site", "https://other.example.com", login.csrf, false},
            {NULL, NULL, login.csrf, false},
            {NULL, "null", login.csrf, false},
            {NULL, "", login.csrf, false},
            {NULL, "https://", login.csrf, false},
            {NULL, "https://sync.example.com.evil.example", login.csrf, false},
            {NULL, "https://evil.example", login.csrf, false},
            {NULL, "https://sync.example.com:8443", login.csrf, false},
            {NULL, "http://sync.example.com", login.csrf, false}, /* we are https */
            {NULL, "ftp://sync.example.com", login.csrf, false},
            {"Same-Origin", APP, login.csrf, false},
        };

        for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
            const enum ls_code rc = post_with(&c, "POST", true, cookie, &pages[i]);

            if ((rc == LS_OK) != pages[i].works)
                fail_msg("page %zu: %s", i, rc == LS_OK ? "let in" : err.text);
            if (rc == LS_OK)
                assert_caller(&c, LS_ROLE_ADMIN, "session", "ann", "ann");
            else
                assert_int_equal(c.status, 403);
            assert_int_equal(post_with(&c, "GET", true, cookie, &pages[i]), LS_OK);
        }
    }
}

static void the_name_of_the_cookie_says_how_it_came(void **state)
{
    const struct page page = {0};
    struct ls_login login;
    struct ls_caller c;
    (void)state;

    made_user("ann", "admin");
    login = logged_in("ann");
    assert_int_equal(
        post_with(&c, "GET", false, forge_text("lockstep-local=%s", login.secret), &page), LS_OK);
    assert_int_equal(c.role, LS_ROLE_ADMIN);
    assert_int_equal(
        post_with(&c, "GET", true, forge_text("lockstep-local=%s", login.secret), &page), LS_OK);
    assert_int_equal(c.role, LS_ROLE_NONE); /* anybody on the network could have set that one */
    assert_int_equal(
        post_with(&c, "GET", false, forge_text("__Host-lockstep=%s", login.secret), &page), LS_OK);
    assert_int_equal(c.role, LS_ROLE_NONE);
    assert_int_equal(
        post_with(&c, "GET", true,
                  forge_text("__Host-lockstep=%s; __Host-lockstep=%s", login.secret, login.secret),
                  &page),
        LS_OK);
    assert_int_equal(c.role, LS_ROLE_NONE); /* two: somebody put one there */
}

static void an_ended_session_is_refused(void **state)
{
    struct ls_login login;
    struct ls_caller c;
    const struct page page = {0};
    struct ls_pair headers[2];
    struct ls_request request;
    (void)state;

    made_user("ann", "admin");
    login = logged_in("ann");
    headers[0] = (struct ls_pair){"Host", "x"};
    headers[1] = (struct ls_pair){"Cookie", forge_text("lockstep-local=%s", login.secret)};
    request = request_of("POST", headers, 2);
    assert_int_equal(ls_logout(state_, &request, &err), LS_OK);
    ls_callers_forget(callers);
    assert_refused(post_with(&c, "GET", false, headers[1].value, &page), &c, 0,
                   "session has ended");
}

#define NEXTAUTH_COOKIE                                                                           \
    "next-auth.session-token="                                                                    \
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..e3-YRxI07I4Fzv0B.nV6UEG-nMUuNyhbB8Sg5ZP-"           \
    "QpAtOTkhnEcs1ztPV3-oWNEa76RiAbJ9BiCuDB-snkIYE8re9PMDQ6X7Vt-nXgNFJgIbZ81cwJp2VndL3ZOrm8HAdFV" \
    "P0JOp9KBAW_kpUU4ti1dIbcfi72xTXOAO-ga0KQl-dvbDO4Np6RSzKFauTdE-sbVCg-xjWy9ycHjD-lQ."           \
    "PrP5yHM9aQHmltssb1MPIw" /* ann@example.org, u1, admin; see test_nextauth.c */

static void a_nextauth_session_is_the_applications_user(void **state)
{
    static const struct ls_route trigger = {.flags = LS_ROUTE_CHANGES};
    const struct page ours = {"same-origin", APP, NULL, true},
                      theirs = {"cross-site", NULL, NULL, false};
    struct ls_pair headers[] = {
        {"Host", "x"}, {"Cookie", NEXTAUTH_COOKIE}, {"Sec-Fetch-Site", "cross-site"}};
    struct ls_request request = request_of("GET", headers, 3);
    struct ls_caller c;
    (void)state;

    assert_int_equal(get(&c, "Cookie", NEXTAUTH_COOKIE, NULL, NULL), LS_OK);
    assert_caller(&c, LS_ROLE_ADMIN, "nextauth", "ann@example.org", "u1");
    assert_int_equal(post_with(&c, "POST", true, NEXTAUTH_COOKIE, &ours), LS_OK);
    assert_int_equal(c.role, LS_ROLE_ADMIN);
    assert_refused(post_with(&c, "POST", true, NEXTAUTH_COOKIE, &theirs), &c, 403, "page of this");
    assert_refused(post_with(&c, "DELETE", true, NEXTAUTH_COOKIE, &(struct page){0}), &c, 403,
                   "page of this");
    assert_int_equal(identify(&request, &c), LS_OK);
    request.route = &trigger; /* a GET that starts something: a link in a mail must not do that */
    assert_refused(identify(&request, &c), &c, 403, "page of this");
    headers[2].value = "none"; /* what a program for mails opens is of no page either */
    assert_refused(identify(&request, &c), &c, 403, "page of this");
    headers[2].value = "same-origin";
    assert_int_equal(identify(&request, &c), LS_OK);
    assert_refused(get(&c, "Cookie", "next-auth.session-token=x.y.z", NULL, NULL), &c, 0,
                   "session has ended");
}

static void our_session_comes_before_the_applications(void **state)
{
    struct ls_login login;
    struct ls_caller c;
    (void)state;

    made_user("bob", "viewer");
    login = logged_in("bob");
    assert_int_equal(get(&c, "Cookie",
                         forge_text("%s; lockstep-local=%s", NEXTAUTH_COOKIE, login.secret), NULL,
                         NULL),
                     LS_OK);
    assert_caller(&c, LS_ROLE_VIEWER, "session", "bob", "bob");
}

static void listed_origins_may_act_too(void **state)
{
    const struct page app = {"same-site", "https://app.example.com", NULL, true};
    struct ls_config *config = NULL;
    struct ls_caller c;
    char *path = testdir_file("origins.yaml", "auth: { origins: https://app.example.com }\n", 43);
    (void)state;

    assert_refused(post_with(&c, "POST", true, NEXTAUTH_COOKIE, &app), &c, 403, "page of this");
    assert_int_equal(ls_config_read(path, &config, &err), LS_OK);
    assert_int_equal(ls_callers_reload(callers, config, &err), LS_OK);
    ls_config_free(config); /* nothing of it is needed any more */
    assert_int_equal(post_with(&c, "POST", true, NEXTAUTH_COOKIE, &app), LS_OK);
    free(path);
}

/* ---- limits ---- */

static void too_many_wrong_credentials_are_slowed_down_by_address(void **state)
{
    const char *token = made_token("ci", "admin", NULL, 0);
    struct ls_pair headers[] = {{"Authorization", "Bearer wrong"}};
    struct ls_request request = request_of("GET", headers, 1);
    struct ls_caller c;
    int wrong = 0;
    (void)state;

    while (identify(&request, &c) == LS_PERMISSION)
        wrong++;
    assert_in_range(wrong, 30, 35); /* some come back while we count */
    assert_int_equal(identify(&request, &c), LS_BUSY);
    assert_true(c.retry_after_s > 0 && c.retry_after_s <= 60);
    assert_non_null(strstr(err.text, "Try again"));
    assert_int_equal(bearer(token, &c), LS_OK); /* what is right still is, from there too */
    request.peer = "203.0.113.8";
    assert_int_equal(identify(&request, &c), LS_PERMISSION); /* and others are not slowed down */
}

static void one_network_of_ipv6_is_one_address(void **state)
{
    struct ls_pair headers[] = {{"Authorization", "Bearer wrong"}};
    struct ls_request request = request_of("GET", headers, 1);
    struct ls_caller c;
    int wrong = 0;
    (void)state;

    do {
        request.peer = forge_text("2001:db8:1:2::%x", wrong + 1);
    } while (identify(&request, &c) == LS_PERMISSION && ++wrong < 100);
    assert_in_range(wrong, 30, 35);
    request.peer = "2001:db8:1:3::1";
    assert_int_equal(identify(&request, &c), LS_PERMISSION);
}

static void a_caller_has_a_rate(void **state)
{
    struct ls_config *config = NULL;
    char *path = testdir_file("rate.yaml", "auth: { rate: 5 }\n", 18);
    const char *one = made_token("one", "viewer", NULL, 0),
               *two = made_token("two", "viewer", NULL, 0);
    struct ls_caller c;
    int calls = 0;
    (void)state;

    assert_int_equal(ls_config_read(path, &config, &err), LS_OK);
    assert_int_equal(ls_callers_reload(callers, config, &err), LS_OK);
    ls_config_free(config);
    while (bearer(one, &c) == LS_OK && calls < 1000)
        calls++;
    assert_true(calls >= 10 && calls < 1000);
    assert_non_null(strstr(err.text, "too many requests of this caller"));
    assert_int_equal(c.retry_after_s, 1);
    assert_int_equal(bearer(two, &c), LS_OK);
    free(path);
}

static void the_table_of_limits_does_not_grow(void **state)
{
    struct ls_limits *limits = NULL;
    char peer[30];
    int64_t wait_us = 0;
    (void)state;

    assert_int_equal(ls_limits_open(10, &limits, &err), LS_OK);
    for (int i = 0; i < 100000; i++) {
        snprintf(peer, sizeof peer, "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        assert_true(ls_limits_use(limits, LS_LIMIT_FAILURE, "address", peer, i, &wait_us));
    }
    for (int i = 0; i < 30; i++)
        assert_true(
            ls_limits_use(limits, LS_LIMIT_FAILURE, "address", "10.9.9.9", 100000, &wait_us));
    assert_false(ls_limits_room(limits, LS_LIMIT_FAILURE, "address", "10.9.9.9", 100000, &wait_us));
    assert_true(wait_us > 1900000 && wait_us <= 2000000);
    assert_true(ls_limits_room(limits, LS_LIMIT_FAILURE, "token", "10.9.9.9", 100000, &wait_us));
    assert_true(ls_limits_room(limits, LS_LIMIT_LOOKUP, "address", "10.9.9.9", 100000, &wait_us));
    ls_limits_close(limits);
}

/* ---- reload ---- */

static void a_reload_changes_who_may_and_a_bad_one_nothing(void **state)
{
    struct ls_caller c;
    (void)state;

    assert_int_equal(bearer(CRON, &c), LS_OK);
    setenv("CRON_SECRET", "short", 1);
    assert_int_equal(ls_callers_reload(callers, NULL, &err), LS_CONFIG);
    assert_int_equal(bearer(CRON, &c), LS_OK);
    setenv("CRON_SECRET", "another secret of the crons", 1);
    assert_int_equal(ls_callers_reload(callers, NULL, &err), LS_OK);
    assert_int_equal(bearer(CRON, &c), LS_PERMISSION);
    assert_int_equal(bearer("another secret of the crons", &c), LS_OK);
    unsetenv("SUPABASE_JWT_SECRET");
    assert_int_equal(ls_callers_reload(callers, NULL, &err), LS_OK);
    assert_int_equal(bearer(jwt_of("\"sub\":\"u1\"", SIGN_HS), &c), LS_PERMISSION);
}

/* ---- those who stay ---- */

/* Whether what they were let in by still does, to what needs that role. */
static bool still(const struct ls_caller *c, enum ls_role need)
{
    struct ls_pass pass = c->pass;
    bool ret = false;

    pass.need = need;
    ls_callers_forget(callers);
    if (ls_caller_still(callers, &pass, &ret, &err) != LS_OK)
        fail_msg("%s", err.text);
    return ret;
}

static void a_pass_ends_with_its_token(void **state)
{
    const char *plain, *ann;
    struct ls_caller c, d;
    struct ls_token gone;
    (void)state;

    made_user("ann", "operator");
    plain = made_token("plain", "operator", NULL, ls_clock_now_us() + DAY);
    ann = made_token("hers", "operator", "ann", 0);
    assert_int_equal(bearer(plain, &c), LS_OK);
    assert_int_equal(bearer(ann, &d), LS_OK);
    assert_true(still(&c, LS_ROLE_VIEWER) && still(&c, LS_ROLE_OPERATOR));
    assert_false(still(&c, LS_ROLE_ADMIN) || still(&c, LS_ROLE_UNSET));
    assert_true(c.pass.expires_us > 0);
    assert_int_equal(ls_state_token_revoke(state_, "test", "plain", &mem, &gone, &err), LS_OK);
    assert_false(still(&c, LS_ROLE_VIEWER));
    assert_true(still(&d, LS_ROLE_VIEWER));
    d.pass.expires_us = ls_clock_now_us() - 1;
    assert_false(still(&d, LS_ROLE_VIEWER));
    d.pass.expires_us = 0;
    assert_int_equal(ls_state_user_remove(state_, "test", "ann", false, &err), LS_OK);
    assert_false(still(&d, LS_ROLE_VIEWER));
}

static void a_pass_ends_with_its_session(void **state)
{
    const struct ls_user_change change = {.role = "user"};
    struct ls_login login;
    struct ls_caller c;
    (void)state;

    made_user("bob", "viewer");
    login = logged_in("bob");
    assert_int_equal(get(&c, "Cookie", forge_text("lockstep-local=%s", login.secret), NULL, NULL),
                     LS_OK);
    assert_true(still(&c, LS_ROLE_VIEWER));
    assert_int_equal(ls_state_user_change(state_, "test", "bob", &change, &err), LS_OK);
    assert_false(still(&c, LS_ROLE_VIEWER));
}

/* Looking is no use: it does not keep a session that nobody uses. */
static void a_session_that_is_only_looked_at_rests(void **state)
{
    const int64_t long_ago = ls_clock_now_us() - INT64_C(3600000000);
    struct ls_caller c = {.pass.kind = LS_PASS_SESSION};
    struct ls_session session;
    struct ls_login login;
    bool found = false;
    int wait_s = 0;
    (void)state;

    made_user("bob", "viewer");
    assert_int_equal(ls_login(state_, "bob", "correct horse battery", "203.0.113.7", long_ago, DAY,
                              DAY, &login, &wait_s, &err),
                     LS_OK);
    ls_secret_hash(login.secret, strlen(login.secret), c.pass.hash);
    assert_true(still(&c, LS_ROLE_VIEWER));
    assert_true(still(&c, LS_ROLE_VIEWER)); /* what the first one notes is noted by now */
    assert_int_equal(
        ls_state_session_find(state_, c.pass.hash, ls_clock_now_us(), &mem, &session, &found, &err),
        LS_OK);
    assert_true(found);
    assert_int_equal(session.used_us, long_ago);
}

static void a_pass_by_a_secret_or_claims_ends_with_their_configuration(void **state)
{
    struct ls_caller admin, service, jwt, app, nobody, early;
    (void)state;

    assert_int_equal(bearer(TOKEN, &admin), LS_OK);
    assert_int_equal(bearer(SERVICE_KEY, &service), LS_OK);
    assert_int_equal(bearer(jwt_of("\"role\":\"service_role\"", SIGN_HS), &jwt), LS_OK);
    assert_int_equal(get(&app, "Cookie", NEXTAUTH_COOKIE, NULL, NULL), LS_OK);
    assert_int_equal(get(&nobody, "X", "y", NULL, NULL), LS_OK);
    assert_true(jwt.pass.expires_us > ls_clock_now_us() && app.pass.expires_us);
    assert_true(still(&admin, LS_ROLE_ADMIN) && still(&service, LS_ROLE_VIEWER) &&
                still(&jwt, LS_ROLE_VIEWER) && still(&app, LS_ROLE_VIEWER));
    assert_false(still(&service, LS_ROLE_ADMIN) || still(&nobody, LS_ROLE_VIEWER));
    early = jwt;
    early.pass.expires_us = 1;
    assert_false(still(&early, LS_ROLE_VIEWER));
    assert_int_equal(bearer("wrong", &nobody), LS_PERMISSION);
    assert_false(still(&nobody, LS_ROLE_VIEWER));
    setenv("LOCKSTEP_TOKEN", "another token of the environment", 1);
    assert_int_equal(ls_callers_reload(callers, NULL, &err), LS_OK);
    assert_false(still(&admin, LS_ROLE_VIEWER) || still(&jwt, LS_ROLE_VIEWER) ||
                 still(&app, LS_ROLE_VIEWER));
    assert_true(still(&service, LS_ROLE_VIEWER));
}

/* It cannot be told: that is no answer. */
static void a_pass_is_not_judged_without_the_state(void **state)
{
    struct ls_callers *away = NULL;
    struct ls_caller c;
    bool ret = true;
    (void)state;

    assert_int_equal(bearer(made_token("ci", "viewer", NULL, 0), &c), LS_OK);
    c.pass.need = LS_ROLE_VIEWER;
    assert_int_equal(ls_callers_open(NULL, "postgres://nobody@127.0.0.1:1/nothing", &away, &err),
                     LS_OK);
    assert_int_not_equal(ls_caller_still(away, &c.pass, &ret, &err), LS_OK);
    assert_false(ret);
    ls_callers_close(away);
}

struct user_thread {
    struct ls_thread thread;
    const char *token;
    int wrong;
};

static void call_often(void *arg)
{
    struct user_thread *u = arg;
    struct ls_pair headers[] = {{"Authorization", u->token}};
    struct ls_arena own;

    ls_arena_init(&own, 0);
    for (int i = 0; i < 300; i++) {
        struct ls_request request = request_of("GET", headers, 1);
        struct ls_caller c;
        struct ls_error why;

        ls_arena_reset(&own);
        request.mem = &own;
        if (ls_caller_identify(callers, &request, &c, &why) != LS_OK || c.role != LS_ROLE_OPERATOR)
            u->wrong++;
    }
    ls_arena_done(&own);
}

static void many_threads_ask_while_it_is_reloaded_and_forgotten(void **state)
{
    struct user_thread users[4] = {0};
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        users[i].token =
            forge_text("Bearer %s", made_token(forge_text("t%zu", i), "operator", NULL, 0));
        assert_int_equal(ls_thread_start(&users[i].thread, call_often, &users[i], &err), LS_OK);
    }
    for (int i = 0; i < 50; i++) {
        assert_int_equal(ls_callers_reload(callers, NULL, &err), LS_OK);
        ls_callers_forget(callers);
    }
    for (size_t i = 0; i < 4; i++) {
        ls_thread_join(&users[i].thread);
        assert_int_equal(users[i].wrong, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(a_session_changes_something_only_from_a_page_of_ours),
        WITH(the_name_of_the_cookie_says_how_it_came),
        WITH(an_ended_session_is_refused),
        WITH(a_nextauth_session_is_the_applications_user),
        WITH(our_session_comes_before_the_applications),
        WITH(listed_origins_may_act_too),
        WITH(too_many_wrong_credentials_are_slowed_down_by_address),
        WITH(one_network_of_ipv6_is_one_address),
        WITH(a_caller_has_a_rate),
        cmocka_unit_test(the_table_of_limits_does_not_grow),
        WITH(a_reload_changes_who_may_and_a_bad_one_nothing),
        WITH(a_pass_ends_with_its_token),
        WITH(a_pass_ends_with_its_session),
        WITH(a_session_that_is_only_looked_at_rests),
        WITH(a_pass_by_a_secret_or_claims_ends_with_their_configuration),
        WITH(a_pass_is_not_judged_without_the_state),
        WITH(many_threads_ask_while_it_is_reloaded_and_forgotten),
    };

    return cmocka_run_group_tests_name("server/caller_session", tests, caller_begin, caller_end);
}
