/* SPDX-License-Identifier: Apache-2.0 */
/* test_jwks.c - sets of keys fetched from a server that is not always friendly.
 *
 * The server is ours (server/http.h), on loopback; what it answers is set by each test, and it counts. */
#include "forge.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "server/http.h"
#include "server/jwks.h"

#define GOOD "{\"sub\":\"u1\",\"exp\":1800003600}"
#define HS "{\"alg\":\"HS256\"}"
#define RS "{\"alg\":\"RS256\",\"kid\":\"rsa\"}"
#define UNKNOWN "{\"alg\":\"RS256\",\"kid\":\"gone\"}"
#define FOREVER (INT64_C(3600) * 1000000) /* longer than any test */
#define MOMENT 1                          /* a microsecond: over at once */

static struct {
    struct ls_http *http;
    int fd;
    char url[LS_LISTEN_URL];
    _Atomic unsigned calls;
    int status; /* what it answers */
    const char *type, *body, *location;
    bool never;
    pthread_mutex_t lock;
    struct ls_request *unanswered[8]; /* because of never; answered at the end */
    size_t unanswered_count;
} site = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct ls_jwks *jwks;
static const struct ls_jwt_rules no_rules;

static bool on_head(void *ctx, struct ls_request *request, size_t *ret_body_max,
                    struct ls_response *early)
{
    (void)ctx, (void)request, (void)early;
    *ret_body_max = 0;
    return true;
}

static void on_call(void *ctx, struct ls_request *request, struct ls_response *ret)
{
    (void)ctx;
    atomic_fetch_add(&site.calls, 1);
    pthread_mutex_lock(&site.lock);
    ret->later = site.never;
    if (site.never)
        site.unanswered[site.unanswered_count++] = request;
    pthread_mutex_unlock(&site.lock);
    if (ret->later)
        return;
    ret->status = site.status;
    ret->type = site.type;
    ret->body = site.body;
    ret->body_size = strlen(site.body);
    ls_response_header(ret, "Location", site.location);
}

static void on_done(void *ctx, const struct ls_request *request, int status)
{
    (void)ctx, (void)request, (void)status;
}

static void on_refuse(void *ctx, struct ls_request *request, int status, const char *why,
                      struct ls_response *ret)
{
    (void)ctx, (void)request, (void)why;
    ret->status = status;
}

static void start_site(const char *cert, const char *key)
{
    const struct ls_http_owner owner = {NULL, on_head, on_call, on_done, on_refuse};
    struct ls_http_options options = {.cert = cert, .key = key};
    struct ls_error err = {0};
    bool loopback;

    assert_int_equal(
        ls_http_listen("127.0.0.1:0", cert != NULL, &site.fd, &loopback, site.url, &err), LS_OK);
    options.listen_fd = site.fd;
    if (ls_http_open(&options, &owner, &site.http, &err) != LS_OK)
        fail_msg("%s", err.text);
    site.calls = 0;
    site.status = 200;
    site.type = "application/json";
    site.body = forge_set();
    site.location = NULL;
    site.never = false;
}

static void stop_site(void)
{
    const struct ls_response gone = {.status = 503, .body = ""};

    pthread_mutex_lock(&site.lock);
    site.never = false;
    for (size_t i = 0; i < site.unanswered_count; i++)
        ls_request_answer(site.unanswered[i], &gone);
    site.unanswered_count = 0;
    pthread_mutex_unlock(&site.lock);
    ls_http_quiesce(site.http);
    ls_http_abandon(site.http);
    ls_http_close(site.http);
    close(site.fd);
    site.http = NULL;
}

static void opened(struct ls_jwks_options options)
{
    struct ls_error err = {0};

    if (!options.url)
        options.url = forge_text("%s/keys.json", site.url);
    if (ls_jwks_open(&options, &jwks, &err) != LS_OK)
        fail_msg("%s", err.text);
}

static struct ls_jwks_figures settled(void)
{
    struct ls_jwks_figures figures;

    ls_jwks_settle(jwks, ls_clock_monotonic_us() + 30 * 1000000);
    ls_jwks_figures(jwks, &figures);
    return figures;
}

static enum ls_jose_fault verify(const char *header, enum forge_signer signer, bool *ret_soon)
{
    const char *token = forge_token(header, GOOD, signer);
    struct ls_jwt jwt;
    const enum ls_jose_fault fault =
        ls_jwks_verify(jwks, &no_rules, token, strlen(token), FORGE_NOW, &jwt, ret_soon);

    ls_jwt_done(&jwt);
    return fault;
}

/* ---- as it should be ---- */

static void keys_are_fetched_and_used(void **state)
{
    bool soon = true;
    (void)state;

    opened((struct ls_jwks_options){.secret = FORGE_SECRET});
    assert_int_equal(settled().keys, 5);
    assert_int_equal(verify(RS, SIGN_RS, &soon), LS_JOSE_NONE);
    assert_int_equal(verify(HS, SIGN_HS, &soon), LS_JOSE_NONE);
    assert_int_equal(verify(RS, SIGN_OTHER_RS, &soon), LS_JOSE_SIGNATURE);
    assert_false(soon);
    assert_int_equal(site.calls, 1);
}

static void until_the_first_fetch_an_unknown_key_may_come_and_the_secret_works(void **state)
{
    bool soon = false;
    (void)state;

    site.never = true;
    opened((struct ls_jwks_options){.secret = FORGE_SECRET});
    assert_int_equal(verify(RS, SIGN_RS, &soon), LS_JOSE_KEY);
    assert_true(soon);
    assert_int_equal(verify(HS, SIGN_HS, &soon), LS_JOSE_NONE);
    assert_int_equal(verify("{\"alg\":\"none\"}", SIGN_NOT, &soon), LS_JOSE_ALGORITHM);
    assert_false(soon); /* only what a key could change */
}

static void unknown_keys_bring_about_one_fetch_in_a_pause(void **state)
{
    bool soon = true;
    (void)state;

    opened((struct ls_jwks_options){0});
    settled();
    for (int i = 0; i < 200; i++) {
        assert_int_equal(verify(UNKNOWN, SIGN_RS, &soon), LS_JOSE_KEY);
        assert_false(soon); /* it was just fetched: refused for good */
    }
    assert_int_equal(settled().fetches, 1);
    assert_int_equal(site.calls, 1);
}

static void a_new_key_is_fetched_when_a_token_names_it(void **state)
{
    bool soon = false;
    (void)state;

    site.body = "{\"keys\":[]}";
    opened((struct ls_jwks_options){.pause_us = MOMENT});
    assert_int_equal(settled().keys, 0);
    site.body = forge_set();
    assert_int_equal(verify(RS, SIGN_RS, &soon), LS_JOSE_KEY);
    assert_true(soon);
    assert_int_equal(settled().fetches, 2);
    assert_int_equal(verify(RS, SIGN_RS, &soon), LS_JOSE_NONE);
}

static void a_key_that_its_issuer_took_out_is_out(void **state)
{
    bool soon = false;
    (void)state;

    opened((struct ls_jwks_options){.pause_us = MOMENT});
    settled();
    assert_int_equal(verify(RS, SIGN_RS, &soon), LS_JOSE_NONE);
    site.body = "{\"keys\":[]}";
    assert_int_equal(verify(UNKNOWN, SIGN_RS, &soon), LS_JOSE_KEY);
    settled();
    assert_int_equal(verify(RS, SIGN_RS, &soon), LS_JOSE_KEY);
}

static void while_fetching_fails_the_old_keys_are_used(void **state)
{
    struct ls_jwks_figures figures;
    bool soon = false;
    (void)state;

    opened((struct ls_jwks_options){.pause_us = MOMENT});
    settled();
    site.status = 503;
    assert_int_equal(verify(UNKNOWN, SIGN_RS, &soon), LS_JOSE_KEY);
    ls_jwks_close(jwks); /* a failure is tried again at once here: there is no settling */
    opened((struct ls_jwks_options){.pause_us = FOREVER});
    figures = settled();
    assert_int_equal(figures.failures, 1);
    assert_int_equal(figures.keys, 0);
    assert_int_equal(verify(RS, SIGN_RS, &soon), LS_JOSE_KEY);
    assert_true(soon); /* nobody knows whether there is such a key */
}

static void keys_that_could_not_be_fetched_for_too_long_are_not_used(void **state)
{
    bool soon = false;
    (void)state;

    opened((struct ls_jwks_options){.secret = FORGE_SECRET, .stale_us = MOMENT});
    assert_int_equal(settled().failures, 0);
    assert_int_equal(verify(RS, SIGN_RS, &soon), LS_JOSE_KEY);
    assert_int_equal(verify(HS, SIGN_HS, &soon), LS_JOSE_NONE);
}

/* ---- a server that is not friendly ---- */

static void assert_fails(const char *why)
{
    struct ls_jwks_figures figures;
    bool soon;

    opened((struct ls_jwks_options){.timeout_ms = site.never ? 50 : 0});
    figures = settled();
    if (figures.failures != 1 || !strstr(figures.reason, why))
        fail_msg("\"%s\" is not in \"%s\"", why, figures.reason);
    assert_int_equal(figures.keys, 0);
    assert_int_equal(verify(RS, SIGN_RS, &soon), LS_JOSE_KEY);
    ls_jwks_close(jwks);
    jwks = NULL;
}

static void an_answer_that_is_no_set_is_not_taken(void **state)
{
    (void)state;

    site.status = 404;
    assert_fails("status 404");
    site.status = 204;
    assert_fails("status 204");
    site.status = 200;
    site.type = "text/html";
    assert_fails("type text/html");
    site.type = "application/jsonp";
    assert_fails("type application/jsonp");
    site.type = "application/json; charset=utf-8";
    site.body = "<html>";
    assert_fails("keys (RFC 7517)");
    site.body = " ";
    assert_fails("keys (RFC 7517)");
}

static void a_redirect_is_not_followed(void **state)
{
    (void)state;

    site.status = 302;
    site.location = forge_text("%s/others.json", site.url);
    assert_fails("status 302");
    assert_int_equal(site.calls, 1);
}

static void an_answer_without_end_is_cut(void **state)
{
    char *huge = malloc(LS_JWT_SET_MOST + 100);
    (void)state;

    memset(huge, ' ', LS_JWT_SET_MOST + 100);
    huge[LS_JWT_SET_MOST + 99] = '\0';
    memcpy(huge, "{\"keys\":[]}", 11);
    site.body = huge;
    assert_fails("longer than 256 KiB");
    stop_site(); /* before what it answers goes */
    free(huge);
}

static void a_server_that_does_not_answer_is_given_up(void **state)
{
    (void)state;

    site.never = true;
    assert_fails("imed out");
}

static void a_server_that_is_not_there_is_said_so(void **state)
{
    (void)state;

    stop_site();
    assert_fails("onnect");
}

static void closing_does_not_wait_for_the_server(void **state)
{
    const int64_t began = ls_clock_monotonic_us();
    (void)state;

    site.never = true;
    opened((struct ls_jwks_options){.timeout_ms = 600000});
    ls_jwks_close(jwks);
    jwks = NULL;
    assert_true(ls_clock_monotonic_us() - began < INT64_C(300) * 1000000);
}

/* ---- TLS ---- */

static char *pem_of(BIO *bio)
{
    char *data = NULL;
    const long length = BIO_get_mem_data(bio, &data);
    char *text = forge_text("%.*s", (int)length, data);

    BIO_free(bio);
    return text;
}

/* A certificate for 127.0.0.1 that nobody vouches for. */
static void self_signed(char **ret_cert, char **ret_key)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    X509_EXTENSION *san =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    X509_add_ext(cert, san, -1);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    PEM_write_bio_X509(cert_bio, cert);
    PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL);
    *ret_cert = pem_of(cert_bio);
    *ret_key = pem_of(key_bio);
    X509_EXTENSION_free(san);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void a_certificate_that_nobody_vouches_for_is_refused(void **state)
{
    char *cert, *key;
    (void)state;

    stop_site();
    self_signed(&cert, &key);
    start_site(cert, key);
    assert_true(strncmp(site.url, "https:", 6) == 0);
    assert_fails("ertificate");
    assert_int_equal(site.calls, 0);
}

/* ---- configuration ---- */

static void addresses_that_somebody_between_could_change_are_refused(void **state)
{
    static const char *const urls[] = {
        "http://auth.example.com/keys",
        "http://10.0.0.1/keys",
        "http://127.0.0.1.example.com/keys",
        "http://localhost.example.com/keys",
        "ftp://127.0.0.1/keys",
        "file:///etc/passwd",
        "https://user:pw@auth.example.com/keys",
        "keys.json",
        "",
    };
    struct ls_error err;
    (void)state;

    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        const struct ls_jwks_options options = {.url = urls[i]};

        assert_int_equal(ls_jwks_open(&options, &jwks, &err), LS_CONFIG);
        assert_null(strstr(err.text, "pw@"));
    }
    assert_int_equal(ls_jwks_open(&(struct ls_jwks_options){.secret = "short"}, &jwks, &err),
                     LS_CONFIG);
    jwks = NULL;
}

static void without_an_address_there_is_the_secret_alone(void **state)
{
    struct ls_error err;
    bool soon = true;
    (void)state;

    assert_int_equal(ls_jwks_open(&(struct ls_jwks_options){.secret = FORGE_SECRET}, &jwks, &err),
                     LS_OK);
    settled();
    assert_int_equal(verify(HS, SIGN_HS, &soon), LS_JOSE_NONE);
    assert_int_equal(verify(RS, SIGN_RS, &soon), LS_JOSE_KEY);
    assert_false(soon);
    ls_jwks_close(jwks);
    assert_int_equal(ls_jwks_open(&(struct ls_jwks_options){0}, &jwks, &err), LS_OK);
    assert_int_equal(verify(HS, SIGN_HS, &soon), LS_JOSE_KEY);
    assert_int_equal(verify(HS, SIGN_EMPTY_HS, &soon), LS_JOSE_KEY);
}

/* ---- many threads ---- */

struct user {
    struct ls_thread thread;
    const char *good, *bad;
    int wrong;
};

static void use(void *arg)
{
    struct user *u = arg;

    for (int i = 0; i < 300; i++) {
        struct ls_jwt jwt;
        bool soon;

        if (ls_jwks_verify(jwks, &no_rules, u->good, strlen(u->good), FORGE_NOW, &jwt, &soon) !=
            LS_JOSE_NONE)
            u->wrong++;
        ls_jwt_done(&jwt);
        if (ls_jwks_verify(jwks, &no_rules, u->bad, strlen(u->bad), FORGE_NOW, &jwt, &soon) ==
            LS_JOSE_NONE)
            u->wrong++;
        ls_jwt_done(&jwt);
    }
}

/* Unknown kids make the set be replaced all the time while others use it. */
static void keys_are_replaced_while_they_are_used(void **state)
{
    struct user users[4] = {0};
    struct ls_error err;
    (void)state;

    opened((struct ls_jwks_options){.pause_us = MOMENT});
    settled();
    for (size_t i = 0; i < 4; i++) {
        users[i].good = forge_token(i % 2 ? RS : "{\"alg\":\"ES256\",\"kid\":\"ec\"}", GOOD,
                                    i % 2 ? SIGN_RS : SIGN_ES);
        users[i].bad = forge_token(UNKNOWN, GOOD, SIGN_RS);
        assert_int_equal(ls_thread_start(&users[i].thread, use, &users[i], &err), LS_OK);
    }
    for (size_t i = 0; i < 4; i++) {
        ls_thread_join(&users[i].thread);
        assert_int_equal(users[i].wrong, 0);
    }
    assert_true(settled().fetches > 1);
}

/* ---- set-up ---- */

static int before(void **state)
{
    (void)state;
    jwks = NULL;
    start_site(NULL, NULL);
    return 0;
}

static int after(void **state)
{
    (void)state;
    ls_jwks_close(jwks);
    if (site.http)
        stop_site();
    return 0;
}

static int begin(void **state)
{
    (void)state;
    forge_begin();
    return 0;
}

static int end(void **state)
{
    (void)state;
    forge_done();
    return 0;
}

#define WITH_SITE(test) cmocka_unit_test_setup_teardown(test, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SITE(keys_are_fetched_and_used),
        WITH_SITE(until_the_first_fetch_an_unknown_key_may_come_and_the_secret_works),
        WITH_SITE(unknown_keys_bring_about_one_fetch_in_a_pause),
        WITH_SITE(a_new_key_is_fetched_when_a_token_names_it),
        WITH_SITE(a_key_that_its_issuer_took_out_is_out),
        WITH_SITE(while_fetching_fails_the_old_keys_are_used),
        WITH_SITE(keys_that_could_not_be_fetched_for_too_long_are_not_used),
        WITH_SITE(an_answer_that_is_no_set_is_not_taken),
        WITH_SITE(a_redirect_is_not_followed),
        WITH_SITE(an_answer_without_end_is_cut),
        WITH_SITE(a_server_that_does_not_answer_is_given_up),
        WITH_SITE(a_server_that_is_not_there_is_said_so),
        WITH_SITE(closing_does_not_wait_for_the_server),
        WITH_SITE(a_certificate_that_nobody_vouches_for_is_refused),
        WITH_SITE(addresses_that_somebody_between_could_change_are_refused),
        WITH_SITE(without_an_address_there_is_the_secret_alone),
        WITH_SITE(keys_are_replaced_while_they_are_used),
    };

    return cmocka_run_group_tests_name("server/jwks", tests, begin, end);
}
