/* SPDX-License-Identifier: Apache-2.0 */
/* test_sign.c - secrets, and the signatures of what goes out, against vectors that others published or made. */
#include <string.h>

#include "sign_help.h"

static const struct {
    const char *text;
    enum ls_secret_form form;
    const char *key; /* NULL: refused */
} secrets[] = {
    {"It's a Secret to Everybody", LS_SECRET_RAW, "It's a Secret to Everybody"},
    {"whsec_c2VjcmV0IGtleQ==", LS_SECRET_WHSEC, "secret key"},
    {"whsec_c2VjcmV0IGtleQ", LS_SECRET_WHSEC, "secret key"},
    {"v1,whsec_c2VjcmV0IGtleQ==", LS_SECRET_V1WHSEC, "secret key"},
    {"sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r", LS_SECRET_RAW, "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r"},
    {"whse_", LS_SECRET_RAW, "whse_"},
    {"", LS_SECRET_RAW, NULL},
    {"whsec_", LS_SECRET_WHSEC, NULL},
    {"v1,whsec_", LS_SECRET_V1WHSEC, NULL},
    {"whsec_not base64", LS_SECRET_WHSEC, NULL},
    {"whsec_c2VjcmV0IGtleQ==\n", LS_SECRET_WHSEC, NULL},
    {"whsk_c2VjcmV0IGtleQ==", LS_SECRET_RAW, NULL},
    {"whpk_c2VjcmV0IGtleQ==", LS_SECRET_RAW, NULL},
    {"v1a,whpk_c2VjcmV0IGtleQ==", LS_SECRET_RAW, NULL},
};

static void a_secret_is_read_in_each_of_its_forms(void **state)
{
    struct ls_arena mem;
    (void)state;

    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        struct ls_secret secret;
        struct ls_error err = {0};
        enum ls_code rc = ls_secret_read(secrets[i].text, LS_SIGN_STANDARD, &mem, &secret, &err);

        if (!secrets[i].key) {
            assert_int_equal(rc, LS_CONFIG);
            assert_null(strstr(err.text, "c2Vj")); /* a message never shows it */
            continue;
        }
        assert_int_equal(rc, LS_OK);
        assert_int_equal(secret.form, secrets[i].form);
        assert_int_equal(secret.key_size, strlen(secrets[i].key));
        assert_memory_equal(secret.key, secrets[i].key, secret.key_size);
        assert_string_equal(secret.text, secrets[i].text);
    }
    ls_arena_done(&mem);
}

/* Stripe's begin with whsec_ and are not base64. */
static void a_scheme_that_does_not_decode_takes_any_text_but_an_empty_one(void **state)
{
    static const char *const texts[] = {"whsec_test_secret", "whsec_", "whsk_x", "v1a,"};
    struct ls_secret secret;
    struct ls_error err = {0};
    struct ls_arena mem;
    (void)state;

    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(ls_secret_read(texts[i], LS_SIGN_STRIPE, &mem, &secret, &err), LS_OK);
        assert_string_equal(secret.text, texts[i]);
        assert_int_equal(ls_secret_read(texts[i], LS_SIGN_SUPABASE, &mem, &secret, &err),
                         LS_CONFIG);
    }
    assert_int_equal(ls_secret_read("", LS_SIGN_STRIPE, &mem, &secret, &err), LS_CONFIG);
    ls_arena_done(&mem);
}

/* RFC 4231, cases 2 and 6: the documented signature is nothing else. */
static void the_documented_signature_is_hmac_sha256_in_hex(void **state)
{
    static char many_aa[132];
    const struct {
        const char *key, *body, *hex;
    } vectors[] = {
        {"Jefe", "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {many_aa, "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        /* published by GitHub */
        {"It's a Secret to Everybody", "Hello, World!",
         "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
    };
    (void)state;

    memset(many_aa, 0xaa, 131);
    for (size_t i = 0; i < 3; i++) {
        struct sign_case c = {0};
        struct ls_buf out;

        ls_buf_init(&out, 0);
        sign_case_secret(&c, vectors[i].key);
        ls_sign_documented(&out, &c.secrets[0], vectors[i].body, strlen(vectors[i].body));
        assert_string_equal(ls_buf_str(&out), vectors[i].hex);
        ls_buf_done(&out);
        sign_case_done(&c);
    }
}

/* The first is the vector of the Standard Webhooks and Svix libraries. */
static void standard_webhooks_are_signed_once_for_each_secret(void **state)
{
    static const char body[] = "{\"test\": 2432232314}";
    struct sign_case c = {0};
    struct ls_buf out;
    (void)state;

    ls_buf_init(&out, 0);
    sign_case_secret(&c, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    sign_case_secret(&c, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"); /* the same, taken as bytes */
    ls_sign_standard(&out, c.secrets, 1, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body,
                     strlen(body));
    assert_string_equal(ls_buf_str(&out), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    ls_buf_reset(&out);
    ls_sign_standard(&out, c.secrets, 2, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body,
                     strlen(body));
    assert_string_equal(ls_buf_str(&out), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= "
                                          "v1,ELhqG0Ku1gwOc1f4jyKdp3SFGFLAOdJ9bvpWLciCakI=");
    ls_buf_done(&out);
    sign_case_done(&c);
}

/* Made by another implementation (Python's hmac and base64), claim by claim as QStash's own tokens. */
static void a_token_for_receivers_of_qstash_names_address_times_and_body(void **state)
{
    static const char token[] = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
                                "eyJpc3MiOiJVcHN0YXNoIiwic3ViIjoiaHR0cHM6Ly9hcHAuZXhhbXBsZS9hcGkvc3"
                                "luYyIsImV4cCI6MTcwMDAwMDMw"
                                "MCwibmJmIjoxNjk5OTk5OTQwLCJpYXQiOjE2OTk5OTk5NDAsImp0aSI6Imp3dF8xIi"
                                "wiYm9keSI6IkFWcTlmMXpGZWkz"
                                "WlMzV1E4RXJZQ0VKemtGN2pQc1hPdnE1aUoycVgtR0kifQ.K7teML8yDyTnCXan_"
                                "4dAQ-TLlMNNTpA1NZ1Kb7tb9GA";
    struct sign_case c = {0};
    struct ls_buf out;
    (void)state;

    ls_buf_init(&out, 0);
    ls_buf_text(&out, "Bearer "); /* what stands before is no part of it */
    sign_case_secret(&c, "sig_current");
    ls_sign_qstash(&out, &c.secrets[0], "https://app.example/api/sync", "jwt_1", 1700000000,
                   "{\"a\":1}", 7);
    assert_string_equal(ls_buf_str(&out) + 7, token);
    ls_buf_done(&out);
    sign_case_done(&c);
}

static void what_is_signed_is_valid_to_the_other_side(void **state)
{
    static const struct {
        enum ls_sign_scheme scheme;
        const char *secret;
    } schemes[] = {
        {LS_SIGN_DOCUMENTED, "s"},     {LS_SIGN_STANDARD, "whsec_c2VjcmV0IGtleQ=="},
        {LS_SIGN_STANDARD, "raw key"}, {LS_SIGN_SUPABASE, "v1,whsec_c2VjcmV0IGtleQ=="},
        {LS_SIGN_QSTASH, "sig_1"},
    };
    static const char *const bodies[] = {"", "{}", "not json \xff", "{\"a\":\"\xe2\x82\xac\"}"};
    (void)state;

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]) * 4; i++) {
        struct sign_case c = {.rule.scheme = schemes[i / 4].scheme};
        const char *body = bodies[i % 4];
        struct ls_buf out;

        ls_buf_init(&out, 0);
        sign_case_secret(&c, schemes[i / 4].secret);
        sign_case_body(&c, body);
        sign_case_header(&c, "webhook-id", "e1");
        sign_case_header(&c, "webhook-timestamp", "1700000000");
        c.rule.url = "https://a.example/\"quoted\"";
        if (c.rule.scheme == LS_SIGN_DOCUMENTED)
            ls_sign_documented(&out, c.secrets, body, strlen(body));
        else if (c.rule.scheme == LS_SIGN_QSTASH)
            ls_sign_qstash(&out, c.secrets, c.rule.url, "j", 1700000000, body, strlen(body));
        else
            ls_sign_standard(&out, c.secrets, 1, "e1", 1700000000, body, strlen(body));
        sign_case_header(&c, ls_sign_scheme_header(c.rule.scheme), ls_buf_str(&out));
        assert_int_equal(sign_case_fault(&c, 1700000000), LS_SIGN_VALID);
        ls_buf_done(&out);
        sign_case_done(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_read_in_each_of_its_forms),
        cmocka_unit_test(a_scheme_that_does_not_decode_takes_any_text_but_an_empty_one),
        cmocka_unit_test(the_documented_signature_is_hmac_sha256_in_hex),
        cmocka_unit_test(standard_webhooks_are_signed_once_for_each_secret),
        cmocka_unit_test(a_token_for_receivers_of_qstash_names_address_times_and_body),
        cmocka_unit_test(what_is_signed_is_valid_to_the_other_side),
    };
    return cmocka_run_group_tests_name("event/sign", tests, NULL, NULL);
}
