/* SPDX-License-Identifier: Apache-2.0 */
/* test_caller.c - who a request comes from by what it carries besides cookies: secrets, tokens, JWTs, QStash; what each role may. */
#include "caller_help.h"

#include "server/jose.h"

/* ---- set-up ---- */

static int caller_before_bare(void **state)
{
    (void)state;
    return open_all(false);
}

/* ---- nobody ---- */

static void without_credentials_it_is_nobody(void **state)
{
    struct ls_caller c;
    (void)state;

    assert_int_equal(get(&c, NULL, NULL, NULL, NULL), LS_OK);
    assert_caller(&c, LS_ROLE_NONE, "anonymous", "", NULL);
    assert_int_equal(get(&c, "Cookie", "a=b; theme=dark", NULL, NULL), LS_OK);
    assert_caller(&c, LS_ROLE_NONE, "anonymous", "", NULL);
}

static void where_nothing_is_configured_nothing_opens(void **state)
{
    static const char *const tries[] = {
        "",      " ",  "x",      "admin",       "null",       "undefined", "Bearer",
        TOKEN,   CRON, ANON_KEY, SERVICE_KEY,   "lst_",       "lst_AAAA",  "lss_x",
        "a.b.c", "..", ".",      "environment", "Basic YTpi", "\xff\xfe",  "lst_\n",
    };
    struct ls_caller c;
    (void)state;

    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        const enum ls_code wanted = i < 15 ? LS_PERMISSION : LS_BUSY; /* 30 were wrong */

        assert_int_equal(bearer(tries[i], &c), wanted);
        assert_int_equal(get(&c, "x-cron-secret", tries[i], NULL, NULL), wanted);
    }
}

static void every_algorithm_is_closed_without_a_key(void **state)
{
    static const enum forge_signer signers[] = {SIGN_HS, SIGN_NOT, SIGN_EMPTY_HS, SIGN_OTHER_HS};
    struct ls_caller c;
    (void)state;

    for (size_t i = 0; i < 4; i++)
        assert_refused(bearer(jwt_of("\"role\":\"service_role\"", signers[i]), &c), &c, 0,
                       "not known here");
    assert_refused(get(&c, "Upstash-Signature", "a.b.c", NULL, NULL), &c, 0, "no signing keys");
    assert_int_equal(get(&c, "Cookie", "next-auth.session-token=x", NULL, NULL), LS_OK);
    assert_int_equal(c.role, LS_ROLE_NONE);
}

/* ---- secrets of the environment ---- */

static void known_secrets_open_what_they_are_for(void **state)
{
    struct ls_caller c;
    (void)state;

    assert_int_equal(bearer(TOKEN, &c), LS_OK);
    assert_caller(&c, LS_ROLE_ADMIN, "token", "environment", NULL);
    assert_int_equal(bearer(CRON, &c), LS_OK);
    assert_caller(&c, LS_ROLE_CRON, "cron", "", NULL);
    assert_int_equal(get(&c, "X-Cron-Secret", CRON, NULL, NULL), LS_OK);
    assert_caller(&c, LS_ROLE_CRON, "cron", "", NULL);
    assert_int_equal(bearer(SERVICE_KEY, &c), LS_OK);
    assert_caller(&c, LS_ROLE_SERVICE, "key", "service_role", NULL);
    assert_int_equal(bearer(ANON_KEY, &c), LS_OK);
    assert_caller(&c, LS_ROLE_NONE, "key", "anon", NULL);
    assert_int_equal(get(&c, "authorization", "bEARER \t  " TOKEN, NULL, NULL), LS_OK);
    assert_int_equal(c.role, LS_ROLE_ADMIN);
}

static void nearly_right_is_wrong(void **state)
{
    char text[64];
    struct ls_caller c;
    int tries = 0;
    (void)state;

    for (size_t i = 0; i < strlen(CRON); i += 3, tries++) {
        snprintf(text, sizeof text, "%s", CRON);
        text[i] ^= 1;
        assert_int_equal(get(&c, "x-cron-secret", text, NULL, NULL), LS_PERMISSION);
        text[i] = '\0';
        assert_int_equal(get(&c, "x-cron-secret", text, NULL, NULL), LS_PERMISSION);
    }
    assert_int_equal(get(&c, "x-cron-secret", CRON "x", NULL, NULL), LS_PERMISSION);
    assert_int_equal(get(&c, "x-cron-secret", " " CRON, NULL, NULL), LS_PERMISSION);
    assert_int_equal(get(&c, "x-cron-secret", TOKEN, NULL, NULL), LS_PERMISSION);
    assert_int_equal(get(&c, "authorization", "Bearer" TOKEN, NULL, NULL), LS_PERMISSION);
    assert_int_equal(get(&c, "authorization", TOKEN, NULL, NULL), LS_PERMISSION);
    assert_refused(get(&c, "authorization", "Basic dXNlcjpwYXNz", NULL, NULL), &c, 0,
                   "Authorization: Bearer");
    assert_int_equal(get(&c, "authorization", "", NULL, NULL), LS_PERMISSION);
}

/* ---- tokens ---- */

static void a_token_has_the_role_and_owner_that_it_was_made_with(void **state)
{
    static const char *const roles[] = {"viewer", "operator", "admin", "service", "user"};
    struct ls_caller c;
    (void)state;

    made_user("ann", "admin");
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(bearer(made_token(roles[i], roles[i], i == 4 ? "ann" : NULL, 0), &c),
                         LS_OK);
        assert_string_equal(ls_role_word(c.role), roles[i]);
        assert_string_equal(c.kind, "token");
        assert_string_equal(c.name, roles[i]);
        if (i == 4)
            assert_string_equal(c.user, "ann");
        else
            assert_null(c.user);
    }
}

static void a_revoked_or_expired_token_is_refused(void **state)
{
    const char *token = made_token("ci", "admin", NULL, 0);
    struct ls_token gone;
    struct ls_caller c;
    (void)state;

    assert_int_equal(bearer(token, &c), LS_OK);
    assert_int_equal(ls_state_token_revoke(state_, "test", "ci", &mem, &gone, &err), LS_OK);
    ls_callers_forget(callers);
    assert_refused(bearer(token, &c), &c, 0, "not valid");
    assert_refused(bearer(token, &c), &c, 0, "not valid"); /* now that this is remembered, too */
    assert_caller(&c, LS_ROLE_NONE, "token", "", NULL);
    token = made_token("late", "admin", NULL, ls_clock_now_us() + 50000);
    while (bearer(token, &c) != LS_PERMISSION) { /* it is also told to slow down */
    }
    assert_refused(bearer(token, &c), &c, 0, "not valid");
}

static void a_disabled_user_loses_tokens_and_sessions_at_once(void **state)
{
    const bool yes = true;
    struct ls_caller c;
    struct ls_login login;
    const char *token;
    (void)state;

    made_user("ann", "operator");
    token = made_token("anns", "operator", "ann", 0);
    login = logged_in("ann");
    assert_int_equal(bearer(token, &c), LS_OK);
    assert_int_equal(get(&c, "Cookie", forge_text("lockstep-local=%s", login.secret), NULL, NULL),
                     LS_OK);
    assert_caller(&c, LS_ROLE_OPERATOR, "session", "ann", "ann");
    assert_int_equal(ls_state_user_change(state_, "test", "ann",
                                          &(struct ls_user_change){.disabled = &yes}, &err),
                     LS_OK);
    ls_callers_forget(callers);
    assert_int_equal(bearer(token, &c), LS_PERMISSION);
    assert_refused(get(&c, "Cookie", forge_text("lockstep-local=%s", login.secret), NULL, NULL), &c,
                   0, "session has ended");
}

static void a_role_in_the_state_that_there_is_not_lets_nobody_in(void **state)
{
    static const char *const roles[] = {"unset", "none", "cron",         "root",
                                        "Admin", "",     "administrator"};
    struct ls_caller c;
    (void)state;

    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        unsigned char hash[LS_SECRET_HASH];
        char secret[LS_SECRET_TEXT];
        struct ls_token token = {.name = forge_text("t%zu", i), .role = roles[i], .owner = ""};

        ls_secret_new(LS_SECRET_API, secret);
        ls_secret_hash(secret, strlen(secret), hash);
        assert_int_equal(ls_state_token_add(state_, "test", hash, &token, &err), LS_OK);
        assert_int_equal(bearer(secret, &c), LS_CORRUPT);
    }
}

static void without_a_state_tokens_are_refused_and_not_an_error(void **state)
{
    struct ls_callers *before_state = NULL;
    const char *token = made_token("ci", "admin", NULL, 0);
    struct ls_caller c;
    (void)state;

    assert_int_equal(ls_callers_open(NULL, forge_text("%s-none", state_path), &before_state, &err),
                     LS_OK);
    ls_callers_close(callers);
    callers = before_state;
    assert_int_equal(bearer(token, &c), LS_PERMISSION);
    assert_int_equal(bearer(TOKEN, &c), LS_OK); /* what needs no state works */
}

static void a_state_that_cannot_be_reached_is_no_answer(void **state)
{
    struct ls_callers *others = NULL;
    const char *token = made_token("ci", "admin", NULL, 0);
    struct ls_caller c;
    (void)state;

    assert_int_equal(ls_callers_open(NULL, "postgres://nobody@127.0.0.1:1/none", &others, &err),
                     LS_OK);
    ls_callers_close(callers);
    callers = others;
    assert_int_equal(bearer(token, &c), LS_CONNECT);
    assert_non_null(strstr(err.text, "cannot be told now"));
    assert_int_equal(bearer(TOKEN, &c), LS_OK);
}

/* ---- JWT ---- */

static void a_jwt_has_the_role_of_its_claims(void **state)
{
    struct ls_caller c;
    (void)state;

    assert_int_equal(
        bearer(jwt_of("\"role\":\"authenticated\",\"sub\":\"u1\",\"email\":\"ann@example.org\"",
                      SIGN_HS),
               &c),
        LS_OK);
    assert_caller(&c, LS_ROLE_USER, "jwt", "ann@example.org", "u1");
    assert_int_equal(bearer(jwt_of("\"role\":\"service_role\",\"iss\":\"supabase\"", SIGN_HS), &c),
                     LS_OK);
    assert_caller(&c, LS_ROLE_SERVICE, "jwt", "service", NULL);
    assert_int_equal(bearer(jwt_of("\"role\":\"anon\"", SIGN_HS), &c), LS_OK);
    assert_caller(&c, LS_ROLE_NONE, "jwt", "anon", NULL);
    assert_int_equal(bearer(jwt_of("\"role\":\"authenticated\",\"sub\":\"u2\",\"app_metadata\":"
                                   "{\"role\":\"admin\"}",
                                   SIGN_HS),
                            &c),
                     LS_OK);
    assert_caller(&c, LS_ROLE_ADMIN, "jwt", "u2", "u2");
    assert_int_equal(bearer(jwt_of("\"role\":\"authenticated\",\"sub\":\"u3\",\"user_metadata\":"
                                   "{\"role\":\"admin\"}",
                                   SIGN_HS),
                            &c),
                     LS_OK);
    assert_caller(&c, LS_ROLE_USER, "jwt", "u3", "u3"); /* users write that themselves */
}

static void a_forged_jwt_says_why_and_opens_nothing(void **state)
{
    struct ls_caller c;
    (void)state;

    assert_refused(bearer(jwt_of("\"role\":\"service_role\"", SIGN_OTHER_HS), &c), &c, 0,
                   "signature");
    assert_int_equal(c.fault, LS_JOSE_SIGNATURE);
    assert_refused(
        bearer(forge_token("{\"alg\":\"HS256\"}", "{\"role\":\"service_role\",\"exp\":1}", SIGN_HS),
               &c),
        &c, 0, "expired");
    assert_int_equal(c.fault, LS_JOSE_EXPIRED);
    assert_refused(
        bearer(forge_token("{\"alg\":\"none\"}", "{\"role\":\"service_role\"}", SIGN_NOT), &c), &c,
        0, "algorithm");
    assert_refused(bearer("YQ.YQ", &c), &c, 0, "parts");
}

static void names_from_tokens_are_cut_and_cleaned(void **state)
{
    struct ls_caller c;
    (void)state;

    assert_int_equal(
        bearer(jwt_of("\"sub\":\"u\\n1\",\"email\":\"a\\u001b[31m\\r\\nx: y\"", SIGN_HS), &c),
        LS_OK);
    assert_string_equal(c.name, "a\\x1b[31m\\x0d\\x0ax: y");
    assert_string_equal(c.user, "u\n1"); /* what is compared stays what it is */
    assert_int_equal(bearer(jwt_of(forge_text("\"sub\":\"%0200d\"", 7), SIGN_HS), &c), LS_OK);
    assert_int_equal(strlen(c.name), 100);
    assert_int_equal(strlen(c.user), 200);
}

/* ---- several at once ---- */

static void two_kinds_at_once_are_refused(void **state)
{
    const char *token = made_token("ci", "admin", NULL, 0);
    struct ls_pair twice[] = {{"Authorization", "Bearer " TOKEN},
                              {"authorization", "Bearer " TOKEN}};
    struct ls_request request = request_of("GET", twice, 2);
    struct ls_caller c;
    (void)state;

    assert_refused(get(&c, "Authorization", forge_text("Bearer %s", token), "x-cron-secret", CRON),
                   &c, 400, "several kinds");
    assert_refused(get(&c, "Authorization", "Bearer " CRON, "x-cron-secret", CRON), &c, 400,
                   "several kinds");
    assert_refused(get(&c, "apikey", token, "x-cron-secret", CRON), &c, 400, "several kinds");
    assert_refused(identify(&request, &c), &c, 400, "more than once");
    twice[0].name = twice[1].name = "x-cron-secret";
    twice[0].value = twice[1].value = CRON;
    assert_refused(identify(&request, &c), &c, 400, "more than once");
}

/* Of a call under /v2. What stands in the URL of somebody's receiver must not count for more than the caller's own header. */
static void a_token_in_the_query_counts_where_there_is_no_header(void **state)
{
    const char *token = made_token("ci", "operator", NULL, 0);
    struct ls_pair header = {"Authorization", "Bearer wrong"};
    struct ls_request request = request_of("GET", &header, 0);
    struct ls_caller c;
    (void)state;

    request.token = token;
    assert_int_equal(identify(&request, &c), LS_OK);
    assert_caller(&c, LS_ROLE_OPERATOR, "token", "ci", NULL);
    request.header_count = 1;
    assert_int_equal(identify(&request, &c), LS_PERMISSION);
    header.value = forge_text("Bearer %s", made_token("v", "viewer", NULL, 0));
    request.token_twice = true;
    assert_int_equal(identify(&request, &c), LS_OK);
    assert_caller(&c, LS_ROLE_VIEWER, "token", "v", NULL);
    request.header_count = 0;
    assert_refused(identify(&request, &c), &c, 400, "more than once");
    request.token_twice = false;
    request.token = "wrong";
    assert_int_equal(identify(&request, &c), LS_PERMISSION);
    request.token = token;
    request.header_count = 1;
    header = (struct ls_pair){"x-cron-secret", CRON};
    assert_refused(identify(&request, &c), &c, 400, "several kinds");
    header = (struct ls_pair){"Upstash-Signature", "a.b.c"};
    assert_refused(identify(&request, &c), &c, 400, "several kinds");
    header = (struct ls_pair){"apikey", SERVICE_KEY};
    assert_int_equal(identify(&request, &c), LS_OK);
    assert_int_equal(c.role, LS_ROLE_OPERATOR);
}

static void cookies_beside_a_token_do_not_count(void **state)
{
    struct ls_caller c;
    struct ls_login login;
    (void)state;

    made_user("ann", "admin");
    login = logged_in("ann");
    assert_int_equal(get(&c, "Authorization",
                         forge_text("Bearer %s", made_token("v", "viewer", NULL, 0)), "Cookie",
                         forge_text("lockstep-local=%s", login.secret)),
                     LS_OK);
    assert_caller(&c, LS_ROLE_VIEWER, "token", "v", NULL);
    assert_int_equal(get(&c, "Authorization", "Bearer wrong", "Cookie",
                         forge_text("lockstep-local=%s", login.secret)),
                     LS_PERMISSION); /* and it does not step in for a wrong one */
}

/* supabase-js sends both; "a service key in apikey with a user's token is that user". */
static void apikey_counts_only_where_there_is_nothing_else(void **state)
{
    const char *user = jwt_of("\"role\":\"authenticated\",\"sub\":\"u1\"", SIGN_HS);
    struct ls_caller c;
    (void)state;

    assert_int_equal(get(&c, "apikey", SERVICE_KEY, "Authorization", forge_text("Bearer %s", user)),
                     LS_OK);
    assert_caller(&c, LS_ROLE_USER, "jwt", "u1", "u1");
    assert_int_equal(get(&c, "apikey", SERVICE_KEY, "Authorization", "Bearer wrong"),
                     LS_PERMISSION);
    assert_int_equal(get(&c, "apikey", SERVICE_KEY, NULL, NULL), LS_OK);
    assert_caller(&c, LS_ROLE_SERVICE, "key", "service_role", NULL);
    assert_int_equal(get(&c, "apikey", made_token("ci", "viewer", NULL, 0), NULL, NULL), LS_OK);
    assert_caller(&c, LS_ROLE_VIEWER, "token", "ci", NULL);
    assert_int_equal(get(&c, "apikey", "wrong", NULL, NULL), LS_PERMISSION);
}

/* ---- QStash ---- */

static const char *signed_by(const char *key, const char *url)
{
    struct ls_secret secret;
    struct ls_buf out;
    char *text;

    assert_int_equal(ls_secret_read(key, LS_SIGN_QSTASH, &mem, &secret, &err), LS_OK);
    ls_buf_init(&out, 0);
    ls_sign_qstash(&out, &secret, url, "jwt_1", (int64_t)time(NULL), "{\"a\":1}", 7);
    text = forge_text("%s", ls_buf_str(&out));
    ls_buf_done(&out);
    return text;
}

static void qstash_signs_for_the_address_and_body(void **state)
{
    const char *good = signed_by(SIGNING, APP "/api/x?y=1");
    struct ls_caller c;
    (void)state;

    assert_int_equal(get(&c, "upstash-signature", good, NULL, NULL), LS_OK);
    assert_caller(&c, LS_ROLE_CRON, "qstash", "", NULL);
    assert_int_equal(
        get(&c, "upstash-signature", signed_by(NEXT_SIGNING, APP "/api/x?y=1"), NULL, NULL), LS_OK);
    assert_refused(get(&c, "upstash-signature", signed_by(SIGNING, APP "/api/y"), NULL, NULL), &c,
                   0, "signature of QStash");
    assert_refused(get(&c, "upstash-signature",
                       signed_by("sig_another_key_of_somebody", APP "/api/x?y=1"), NULL, NULL),
                   &c, 0, "signature of QStash");
    assert_int_equal(get(&c, "upstash-signature", "", NULL, NULL), LS_PERMISSION);
}

static void qstash_forwards_the_cron_secret_and_nothing_else(void **state)
{
    const char *good = signed_by(SIGNING, APP "/api/x?y=1");
    struct ls_caller c;
    (void)state;

    assert_int_equal(get(&c, "upstash-signature", good, "x-cron-secret", CRON), LS_OK);
    assert_caller(&c, LS_ROLE_CRON, "qstash", "", NULL);
    assert_int_equal(get(&c, "upstash-signature", good, "Authorization", "Bearer " CRON), LS_OK);
    assert_refused(get(&c, "upstash-signature", good, "x-cron-secret", "wrong"), &c, 400,
                   "several");
    assert_refused(get(&c, "upstash-signature", good, "Authorization", "Bearer " TOKEN), &c, 400,
                   "several");
    assert_int_equal(get(&c, "upstash-signature", "wrong", "x-cron-secret", CRON), LS_PERMISSION);
}

static void another_body_than_was_signed_is_refused(void **state)
{
    struct ls_pair headers[] = {{"Host", "x"},
                                {"Upstash-Signature", signed_by(SIGNING, APP "/api/x?y=1")}};
    struct ls_request request = request_of("POST", headers, 2);
    struct ls_caller c;
    (void)state;

    assert_int_equal(identify(&request, &c), LS_OK);
    request.body = "{\"a\":2}";
    assert_int_equal(identify(&request, &c), LS_PERMISSION);
    request.body_size = 0;
    assert_int_equal(identify(&request, &c), LS_PERMISSION);
}

/* ---- roles ---- */

static void who_may_do_what(void **state)
{
    /*                           none user view oper admin serv cron known: what the route needs */
    static const char *const may[] = {
        [LS_ROLE_NONE] = "yes no no no no no no no",
        [LS_ROLE_USER] = "yes yes no no no no no yes",
        [LS_ROLE_VIEWER] = "yes no yes no no no no yes",
        [LS_ROLE_OPERATOR] = "yes no yes yes no no yes yes",
        [LS_ROLE_ADMIN] = "yes yes yes yes yes yes yes yes",
        [LS_ROLE_SERVICE] = "yes yes yes yes no yes yes yes",
        [LS_ROLE_CRON] = "yes no no no no no yes yes",
        [LS_ROLE_KNOWN] = "no no no no no no no no", /* nobody has it: routes need it */
    };
    (void)state;

    for (enum ls_role have = LS_ROLE_NONE; have < LS_ROLE_COUNT; have++) {
        const char *at = may[have];

        for (enum ls_role need = LS_ROLE_NONE; need < LS_ROLE_COUNT; need++) {
            assert_int_equal(ls_role_may(have, need), *at == 'y');
            at += strcspn(at, " ");
            at += *at == ' ';
        }
    }
    for (enum ls_role role = 0; role <= LS_ROLE_COUNT; role++) {
        assert_false(ls_role_may(LS_ROLE_UNSET, role));
        assert_false(ls_role_may(role, LS_ROLE_UNSET));
        assert_false(ls_role_may(LS_ROLE_COUNT, role));
        assert_false(ls_role_may(role, LS_ROLE_COUNT));
    }
}

/* The words that tokens are made with are roles of ours. */
static void each_role_that_can_be_given_exists(void **state)
{
    (void)state;

    for (size_t i = 0; i < LS_API_ROLES; i++) {
        bool found = false;

        for (enum ls_role r = LS_ROLE_USER; r < LS_ROLE_COUNT; r++)
            found |= strcmp(ls_role_word(r), ls_api_roles[i]) == 0;
        assert_true(found);
    }
}

static void claims_give_roles(void **state)
{
    static const struct {
        const char *claims, *claim;
        enum ls_role_source source;
        enum ls_role role;
    } cases[] = {
        {"{}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_NONE},
        {"{\"sub\":\"u\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_USER},
        {"{\"sub\":\"u\",\"role\":\"anon\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_NONE},
        {"{\"role\":\"service_role\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_SERVICE},
        {"{\"role\":\"supabase_admin\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_SERVICE},
        {"{\"role\":\"Service_Role\",\"sub\":\"u\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_USER},
        {"{\"role\":\"admin\",\"sub\":\"u\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_USER},
        {"{\"role\":[\"service_role\"],\"sub\":\"u\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_USER},
        {"{\"sub\":\"u\",\"app_metadata\":{\"role\":\"ADMIN\"}}", NULL, LS_ROLE_FROM_TOKEN,
         LS_ROLE_ADMIN},
        {"{\"sub\":\"u\",\"app_metadata\":{\"role\":\"operator\"}}", NULL, LS_ROLE_FROM_TOKEN,
         LS_ROLE_OPERATOR},
        {"{\"sub\":\"u\",\"app_metadata\":{\"role\":[\"x\",\"viewer\"]}}", NULL, LS_ROLE_FROM_TOKEN,
         LS_ROLE_VIEWER},
        {"{\"sub\":\"u\",\"app_metadata\":{\"role\":\"service\"}}", NULL, LS_ROLE_FROM_TOKEN,
         LS_ROLE_USER},
        {"{\"sub\":\"u\",\"app_metadata\":{\"role\":\"owner\"}}", NULL, LS_ROLE_FROM_TOKEN,
         LS_ROLE_USER},
        {"{\"sub\":\"u\",\"app_metadata\":\"admin\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_USER},
        {"{\"sub\":\"u\",\"user_metadata\":{\"role\":\"admin\"}}", NULL, LS_ROLE_FROM_TOKEN,
         LS_ROLE_USER},
        {"{\"sub\":\"u\",\"app_metadata\":{\"role\":\"cron\"}}", NULL, LS_ROLE_FROM_TOKEN,
         LS_ROLE_USER},
        {"{\"sub\":\"u\",\"groups\":[\"viewer\",\"admin\",\"x\"]}", "groups", LS_ROLE_FROM_TOKEN,
         LS_ROLE_ADMIN},
        {"{\"sub\":\"u\",\"groups\":[\"viewer\",\"service\"]}", "groups", LS_ROLE_FROM_TOKEN,
         LS_ROLE_VIEWER},
        {"{\"sub\":\"u\",\"groups\":[\"service\"]}", "groups", LS_ROLE_FROM_TOKEN, LS_ROLE_SERVICE},
        {"{\"sub\":\"u\",\"https://example.com/role\":\"admin\"}", "https://example.com/role",
         LS_ROLE_FROM_TOKEN, LS_ROLE_ADMIN},
        {"{\"sub\":\"u\",\"a\":{\"b\":{\"c\":\"operator\"}}}", "a.b.c", LS_ROLE_FROM_TOKEN,
         LS_ROLE_OPERATOR},
        {"{\"sub\":\"u\",\"a\":{\"b\":\"admin\"}}", "a.b.c", LS_ROLE_FROM_TOKEN, LS_ROLE_USER},
        {"{\"sub\":\"u\",\"role\":\"service_role\"}", "groups", LS_ROLE_FROM_TOKEN, LS_ROLE_USER},
        {"{\"groups\":[\"nobody\"]}", "groups", LS_ROLE_FROM_TOKEN, LS_ROLE_NONE},
        {"{\"sub\":\"u\",\"role\":\"ADMIN\"}", NULL, LS_ROLE_FROM_SESSION, LS_ROLE_ADMIN},
        {"{\"sub\":\"u\",\"role\":\"editor\"}", NULL, LS_ROLE_FROM_SESSION, LS_ROLE_USER},
        {"{\"sub\":\"u\",\"role\":\"service\"}", NULL, LS_ROLE_FROM_SESSION, LS_ROLE_USER},
        {"{\"email\":\"a@b\"}", NULL, LS_ROLE_FROM_SESSION, LS_ROLE_USER},
        {"{\"sub\":\"u\",\"isAdmin\":\"admin\"}", "isAdmin", LS_ROLE_FROM_SESSION, LS_ROLE_ADMIN},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *claims = json_loads(cases[i].claims, 0, NULL);
        const enum ls_role role = ls_role_of_claims(claims, cases[i].claim, cases[i].source);

        if (role != cases[i].role)
            fail_msg("%s by %s: %s, not %s", cases[i].claims, cases[i].claim ? cases[i].claim : "-",
                     ls_role_word(role), ls_role_word(cases[i].role));
        json_decref(claims);
    }
}

#define BARE(test) cmocka_unit_test_setup_teardown(test, caller_before_bare, caller_after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(without_credentials_it_is_nobody),
        BARE(where_nothing_is_configured_nothing_opens),
        BARE(every_algorithm_is_closed_without_a_key),
        WITH(known_secrets_open_what_they_are_for),
        WITH(nearly_right_is_wrong),
        WITH(a_token_has_the_role_and_owner_that_it_was_made_with),
        WITH(a_revoked_or_expired_token_is_refused),
        WITH(a_disabled_user_loses_tokens_and_sessions_at_once),
        WITH(a_role_in_the_state_that_there_is_not_lets_nobody_in),
        WITH(without_a_state_tokens_are_refused_and_not_an_error),
        WITH(a_state_that_cannot_be_reached_is_no_answer),
        WITH(a_jwt_has_the_role_of_its_claims),
        WITH(a_forged_jwt_says_why_and_opens_nothing),
        WITH(names_from_tokens_are_cut_and_cleaned),
        WITH(two_kinds_at_once_are_refused),
        WITH(a_token_in_the_query_counts_where_there_is_no_header),
        WITH(cookies_beside_a_token_do_not_count),
        WITH(apikey_counts_only_where_there_is_nothing_else),
        WITH(qstash_signs_for_the_address_and_body),
        WITH(qstash_forwards_the_cron_secret_and_nothing_else),
        WITH(another_body_than_was_signed_is_refused),
        cmocka_unit_test(who_may_do_what),
        cmocka_unit_test(each_role_that_can_be_given_exists),
        cmocka_unit_test(claims_give_roles),
    };

    return cmocka_run_group_tests_name("server/caller", tests, caller_begin, caller_end);
}
