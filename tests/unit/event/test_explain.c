/* SPDX-License-Identifier: Apache-2.0 */
/* test_explain.c - why a message is not valid, as it is said to the person who looks for the reason. */
#include <string.h>

#include "base/text.h"
#include "sign_help.h"

#define NOW INT64_C(1700000000)

/* Signs one body with one secret, shows another body to a rule with another secret. */
static const struct {
    enum ls_sign_scheme scheme;
    const char *signer, *sent, *secret, *came, *words;
} mistakes[] = {
    {LS_SIGN_DOCUMENTED, "s", "{}", "s", "{}", "valid, with secret 1 of 1"},
    {LS_SIGN_DOCUMENTED, "s", "{}", "t", "{}", "none of the 1 secrets"},
    /* the body */
    {LS_SIGN_DOCUMENTED, "s", "{}", "s", "{}\n", "without the end of line"},
    {LS_SIGN_DOCUMENTED, "s", "{}", "s", "{} \r\n", "without the end of line"},
    {LS_SIGN_DOCUMENTED, "s", "{}\n", "s", "{}", "with an end of line behind it"},
    {LS_SIGN_DOCUMENTED, "s", "{}\r\n", "s", "{}", "with CR LF behind it"},
    {LS_SIGN_DOCUMENTED, "s", "{}", "s", "\xef\xbb\xbf{}", "before its first character"},
    {LS_SIGN_DOCUMENTED, "s", "{}", "s", " {}\n", "before its first character"},
    {LS_SIGN_DOCUMENTED, "s", "a\nb", "s", "a\r\nb", "with LF for each CR LF"},
    {LS_SIGN_DOCUMENTED, "s", "a\r\nb", "s", "a\nb", "with CR LF for each LF"},
    {LS_SIGN_DOCUMENTED, "s", "", "s", "{\"a\":1}", "of no bytes"},
    {LS_SIGN_DOCUMENTED, "s", "{\"a\":[1,2],\"b\":\"x, y: \\\"z\"}", "s",
     "{ \"a\" : [1, 2],\n \"b\": \"x, y: \\\"z\" }", "as JSON without blanks"},
    {LS_SIGN_DOCUMENTED, "s", "{\"a\": [1, 2], \"b\": {}}", "s", "{\"a\":[1,2],\"b\":{}}",
     "as JSON with a blank behind each comma"},
    {LS_SIGN_DOCUMENTED, "s", "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": []\n}",
     "s", "{\"a\":[1,2],\"b\":{},\"c\":[]}", "indented by two blanks"},
    {LS_SIGN_DOCUMENTED, "s", "{\n    \"a\": {\n        \"b\": 1.50\n    }\n}", "s",
     "{\"a\":{\"b\":1.50}}", "indented by four blanks"},
    {LS_SIGN_STANDARD, "whsec_c2VjcmV0", "{\"a\":1}", "whsec_c2VjcmV0", "{\"a\": 1}",
     "the secret is right, but the signature is of the body as JSON without blanks"},
    {LS_SIGN_QSTASH, "sig_1", "{\"a\":1}", "sig_1", "{\"a\": 1}",
     "the token is right, but it was made for the body as JSON without blanks"},
    {LS_SIGN_QSTASH, "sig_1", "{\"a\":1}", "sig_1", "{\"a\":2}",
     "the token is right, but it was made for another body (7 bytes came)"},
    /* the secret */
    {LS_SIGN_DOCUMENTED, "s", "{}", "s\n", "{}", "without the blanks or end of line around it"},
    {LS_SIGN_DOCUMENTED, "s\n", "{}", "s", "{}", "the sender read it from a file"},
    {LS_SIGN_STANDARD, "whsec_c2VjcmV0", "{}", "c2VjcmV0", "{}", "decoded from base64"},
    {LS_SIGN_STANDARD, "c2VjcmV0", "{}", "whsec_c2VjcmV0", "{}", "as the text behind whsec_"},
    {LS_SIGN_STANDARD, "secret", "{}", "736563726574", "{}", "decoded from hexadecimal digits"},
    {LS_SIGN_DOCUMENTED, "c2VjcmV0", "{}", "whsec_c2VjcmV0", "{}", "as the text behind whsec_"},
    {LS_SIGN_DOCUMENTED, "secret", "{}", "whsec_c2VjcmV0", "{}", "decoded from base64"},
    {LS_SIGN_DOCUMENTED, "whsec_c2VjcmV0", "{}", "v1,whsec_c2VjcmV0", "{}",
     "without v1, before it"},
    {LS_SIGN_QSTASH, "sig_1", "{}", "sig_1 ", "{}", "without the blanks or end of line around it"},
    {LS_SIGN_QSTASH, "sig_2", "{}", "sig_1", "{}", "the token says alg HS256"},
};

static void sign(struct sign_case *c, enum ls_sign_scheme scheme, const char *secret,
                 const char *body, int64_t at)
{
    struct sign_case signer = {0};
    struct ls_buf value;

    ls_buf_init(&value, 0);
    sign_case_secret(&signer, secret);
    sign_case_header(c, "webhook-id", "e1");
    ls_buf_i64(&value, at);
    sign_case_header(c, "webhook-timestamp", ls_buf_str(&value));
    ls_buf_reset(&value);
    if (scheme == LS_SIGN_DOCUMENTED)
        ls_sign_documented(&value, signer.secrets, body, strlen(body));
    else if (scheme == LS_SIGN_STANDARD)
        ls_sign_standard(&value, signer.secrets, 1, "e1", at, body, strlen(body));
    else
        ls_sign_qstash(&value, signer.secrets, "https://a.example/", "j", at, body, strlen(body));
    sign_case_header(c, ls_sign_scheme_header(scheme), ls_buf_str(&value));
    ls_buf_done(&value);
    sign_case_done(&signer);
}

static void a_common_mistake_is_recognised(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        struct sign_case c = {.rule.scheme = mistakes[i].scheme};

        sign_case_secret(&c, mistakes[i].secret);
        sign(&c, mistakes[i].scheme, mistakes[i].signer, mistakes[i].sent, NOW);
        sign_case_body(&c, mistakes[i].came);
        sign_case_says(&c, NOW, mistakes[i].words);
        sign_case_done(&c);
    }
}

static const struct {
    enum ls_sign_scheme scheme;
    const char *name, *value, *words;
} headers[] = {
    {LS_SIGN_DOCUMENTED, "x-hub-signature-256", "sha256=00",
     "x-webhook-signature is missing; there is X-Hub-Signature-256, which the scheme `github` has"},
    {LS_SIGN_GITHUB, "content-type", "text/plain", "the header X-Hub-Signature-256 is missing"},
    {LS_SIGN_DOCUMENTED, "x-webhook-signature",
     "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=", "it is 32 bytes in base64"},
    {LS_SIGN_DOCUMENTED, "x-webhook-signature", "t=1,v1=00", "scheme `stripe`"},
    {LS_SIGN_DOCUMENTED, "x-webhook-signature", "v1,xyz", "scheme `standard`"},
    {LS_SIGN_DOCUMENTED, "x-webhook-signature", "xyz", "64 hexadecimal digits are expected"},
    {LS_SIGN_GITHUB, "X-Hub-Signature-256", "sha1=00", "SHA-1, which is not accepted"},
    {LS_SIGN_GITHUB, "X-Hub-Signature-256",
     "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
     "it has to begin with sha256=; it is 64 hexadecimal digits"},
    {LS_SIGN_HEADER, "x-cron-secret", "wrong", "not made with any of the secrets"},
};

static void a_header_that_is_missing_or_of_another_form_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct sign_case c = {.rule.scheme = headers[i].scheme};

        if (headers[i].scheme == LS_SIGN_HEADER)
            c.rule.header = "x-cron-secret";
        sign_case_secret(&c, "s");
        sign_case_header(&c, headers[i].name, headers[i].value);
        sign_case_says(&c, NOW, headers[i].words);
        sign_case_done(&c);
    }
}

static void a_time_that_is_off_is_told_in_seconds(void **state)
{
    struct sign_case c = {.rule.scheme = LS_SIGN_STANDARD};
    (void)state;

    sign_case_secret(&c, "whsec_c2VjcmV0");
    sign_case_body(&c, "{}");
    sign(&c, LS_SIGN_STANDARD, "whsec_c2VjcmV0", "{}", NOW);
    sign_case_says(&c, NOW + 301,
                   "it was signed 301 s ago; 300 s are allowed; the signature itself is right");
    sign_case_says(&c, NOW - 4000, "it was signed 4000 s in the future");
    sign_case_body(&c, "{ }");
    sign_case_says(&c, NOW + 301, "the signature itself is wrong");
    sign(&c, LS_SIGN_STANDARD, "whsec_c2VjcmV0", "{}", NOW * 1000);
    sign_case_says(&c, NOW, "the timestamp 1700000000000 is in milliseconds");
    sign_case_header(&c, "webhook-signature", "v1,a=,v1,b=");
    sign(&c, LS_SIGN_STANDARD, "whsec_c2VjcmV0", "{}", NOW);
    sign_case_header(&c, "webhook-signature", "v1,a=,v1,b=");
    sign_case_says(&c, NOW, "joined by commas, which the scheme `supabase` takes");
    c.headers[c.message.header_count++] = c.headers[0];
    sign_case_says(&c, NOW, "the header webhook-id is there more than once");
    sign_case_done(&c);
}

static void a_token_is_told_apart_by_what_it_says(void **state)
{
    struct sign_case c = {.rule = {.scheme = LS_SIGN_QSTASH, .url = "https://a.example/x"}};
    (void)state;

    sign_case_says(&c, NOW, "no secret is configured");
    sign_case_secret(&c, "sig_1");
    sign_case_body(&c, "{}");
    sign(&c, LS_SIGN_QSTASH, "sig_1", "{}", NOW);
    sign_case_says(&c, NOW,
                   "its subject (sub) is another address: it was made for https://a.example/, and "
                   "https://a.example/x is expected");
    c.rule.url = NULL;
    sign_case_says(&c, NOW + 311, "the token expired 11 s ago");
    sign_case_says(&c, NOW - 71, "the token is valid only in 11 s");
    sign_case_header(&c, "Upstash-Signature",
                     sign_case_token(&c, "{\"alg\":\"none\"}", "{}", NULL));
    sign_case_says(&c, NOW, "is not a signature of HS256");
    sign_case_header(&c, "Upstash-Signature",
                     sign_case_token(&c, "{\"alg\":\"none\"}", "{}", "sig_1"));
    sign_case_says(&c, NOW, "signed with the right key, but its algorithm (alg) is not HS256");
    sign_case_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_common_mistake_is_recognised),
        cmocka_unit_test(a_header_that_is_missing_or_of_another_form_is_named),
        cmocka_unit_test(a_time_that_is_off_is_told_in_seconds),
        cmocka_unit_test(a_token_is_told_apart_by_what_it_says),
    };
    return cmocka_run_group_tests_name("event/explain", tests, NULL, NULL);
}
