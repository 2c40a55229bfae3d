/* SPDX-License-Identifier: Apache-2.0 */
/* test_jwt.c - tokens in Upstash-Signature: what must be taken, and the forgeries that have worked elsewhere. */
#include <stdlib.h>
#include <string.h>

#include "sign_help.h"

#define NOW INT64_C(1700000000)
#define URL "https://app.example/api/sync"
#define BODY "{\"a\":1}"
#define HASH "AVq9f1zFei3ZS3WQ8ErYCEJzkF7jPsXOvq5iJ2qX-GI"
#define GOOD_HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define FRONT "{\"iss\":\"Upstash\",\"sub\":\"" URL "\","
#define TIMES "\"exp\":1700000300,\"nbf\":1700000000,\"iat\":1700000000,"
#define GOOD_CLAIMS FRONT TIMES "\"jti\":\"jwt_1\",\"body\":\"" HASH "\"}"

static struct sign_case begin(void)
{
    struct sign_case c = {.rule = {.scheme = LS_SIGN_QSTASH, .url = URL}};

    sign_case_secret(&c, "sig_current");
    sign_case_secret(&c, "sig_next");
    sign_case_body(&c, BODY);
    return c;
}

static enum ls_sign_fault fault_of(struct sign_case *c, const char *token, int64_t now_s)
{
    sign_case_header(c, "upstash-signature", token);
    return sign_case_fault(c, now_s);
}

/* Signed with the right key, so that only what they say decides. */
static const struct {
    const char *header, *claims;
    enum ls_sign_fault fault;
} said[] = {
    {GOOD_HEADER, GOOD_CLAIMS, LS_SIGN_VALID},
    {"{\"alg\":\"HS256\"}", GOOD_CLAIMS, LS_SIGN_VALID},
    {"{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"../../etc/passwd\"}", GOOD_CLAIMS,
     LS_SIGN_VALID},
    {GOOD_HEADER, FRONT TIMES "\"body\":\"" HASH "\"}", LS_SIGN_VALID},
    {GOOD_HEADER, FRONT TIMES "\"body\":\"" HASH "=\"}", LS_SIGN_VALID},
    {GOOD_HEADER, FRONT "\"exp\":1700000300,\"nbf\":1700000000,\"body\":\"" HASH "\"}",
     LS_SIGN_VALID},
    {GOOD_HEADER, " " GOOD_CLAIMS "\n", LS_SIGN_VALID},
    /* the header */
    {"{\"alg\":\"none\",\"typ\":\"JWT\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"NoNe\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"hs256\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"HS384\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"HS512\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"RS256\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"ES256\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"EdDSA\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":[\"HS256\"]}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":256}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":null}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"HS256 \"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"HS256\\u0000\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"HS256\",\"alg\":\"none\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"none\",\"alg\":\"HS256\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"Alg\":\"HS256\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"typ\":\"JWT\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"[]", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"\"HS256\"", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"HS256\"", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"HS256\"} {}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"HS256\",\"typ\":\"JWE\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"HS256\",\"typ\":1}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"HS256\",\"crit\":null}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"HS256\",\"typ\":null}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":\"A128KW\",\"enc\":\"A128GCM\"}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"{\"alg\":{\"HS256\":1}}", GOOD_CLAIMS, LS_SIGN_CLAIM},
    {"\xef\xbb\xbf" GOOD_HEADER, GOOD_CLAIMS, LS_SIGN_CLAIM},
    /* what is no object */
    {GOOD_HEADER, "", LS_SIGN_CLAIM},
    {GOOD_HEADER, "null", LS_SIGN_CLAIM},
    {GOOD_HEADER, "[" GOOD_CLAIMS "]", LS_SIGN_CLAIM},
    {GOOD_HEADER, "{", LS_SIGN_CLAIM},
    {GOOD_HEADER, GOOD_CLAIMS GOOD_CLAIMS, LS_SIGN_CLAIM},
    {GOOD_HEADER, "{\"x\":\"\xff\"}", LS_SIGN_CLAIM},
    /* iss, sub, jti */
    {GOOD_HEADER, "{\"sub\":\"" URL "\"," TIMES "\"body\":\"" HASH "\"}", LS_SIGN_CLAIM},
    {GOOD_HEADER, "{\"iss\":\"upstash\",\"sub\":\"" URL "\"," TIMES "\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, "{\"iss\":\"Upstash \",\"sub\":\"" URL "\"," TIMES "\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, "{\"iss\":[\"Upstash\"],\"sub\":\"" URL "\"," TIMES "\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER,
     "{\"iss\":\"evil\",\"iss\":\"Upstash\",\"sub\":\"" URL "\"," TIMES "\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, "{\"iss\":\"Upstash\"," TIMES "\"body\":\"" HASH "\"}", LS_SIGN_CLAIM},
    {GOOD_HEADER, "{\"iss\":\"Upstash\",\"sub\":\"" URL "/\"," TIMES "\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER,
     "{\"iss\":\"Upstash\",\"sub\":\"https://evil.example/\"," TIMES "\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER,
     "{\"iss\":\"Upstash\",\"sub\":\"HTTPS://app.example/api/sync\"," TIMES "\"body\":\"" HASH
     "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, "{\"iss\":\"Upstash\",\"sub\":\"" URL "\\u0000\"," TIMES "\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, "{\"iss\":\"Upstash\",\"sub\":null," TIMES "\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT TIMES "\"jti\":7,\"body\":\"" HASH "\"}", LS_SIGN_CLAIM},
    /* times */
    {GOOD_HEADER, FRONT "\"nbf\":1700000000,\"body\":\"" HASH "\"}", LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":1700000300,\"body\":\"" HASH "\"}", LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":\"1700000300\",\"nbf\":1700000000,\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":1700000300.5,\"nbf\":1700000000,\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":1e99,\"nbf\":1700000000,\"body\":\"" HASH "\"}", LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":99999999999999999999,\"nbf\":1700000000,\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":9223372036854775807,\"nbf\":1700000000,\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":9007199254740991,\"nbf\":1700000000,\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":1700086401,\"nbf\":1700000000,\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":1700000300,\"nbf\":-1,\"body\":\"" HASH "\"}", LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":1700000300,\"nbf\":0,\"body\":\"" HASH "\"}", LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":-1,\"nbf\":1700000000,\"body\":\"" HASH "\"}", LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":null,\"nbf\":null,\"body\":\"" HASH "\"}", LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":true,\"nbf\":1700000000,\"body\":\"" HASH "\"}", LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":[1700000300],\"nbf\":1700000000,\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER,
     FRONT "\"exp\":1600000000,\"exp\":1700000300,\"nbf\":1700000000,\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER,
     FRONT "\"exp\":1700000300,\"nbf\":1700000000,\"iat\":\"x\",\"body\":\"" HASH "\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT "\"exp\":1699999989,\"nbf\":1699999900,\"body\":\"" HASH "\"}",
     LS_SIGN_TOO_OLD},
    {GOOD_HEADER, FRONT "\"exp\":1700000300,\"nbf\":1700000011,\"body\":\"" HASH "\"}",
     LS_SIGN_TOO_NEW},
    {GOOD_HEADER, FRONT "\"exp\":0,\"nbf\":0,\"body\":\"" HASH "\"}", LS_SIGN_TOO_OLD},
    /* the body */
    {GOOD_HEADER, FRONT "\"exp\":1700000300,\"nbf\":1700000000}", LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT TIMES "\"body\":null}", LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT TIMES "\"body\":\"\"}", LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT TIMES "\"body\":\"=\"}", LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT TIMES "\"body\":\"AVq9f1zFei3ZS3WQ8ErYCEJzkF7jPsXOvq5iJ2qX+GI=\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT TIMES "\"body\":\"AVq9f1zFei3ZS3WQ8ErYCEJzkF7jPsXOvq5iJ2qX-G\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT TIMES "\"body\":\"" HASH "AAAA\"}", LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT TIMES "\"body\":\"" HASH "\\u0000\"}", LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT TIMES "\"body\":[\"" HASH "\"]}", LS_SIGN_CLAIM},
    {GOOD_HEADER,
     FRONT TIMES "\"body\":\"015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862\"}",
     LS_SIGN_CLAIM},
    {GOOD_HEADER, FRONT TIMES "\"body\":\"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\"}",
     LS_SIGN_BODY},
    {GOOD_HEADER, FRONT TIMES "\"body\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
     LS_SIGN_BODY},
};

static void only_what_says_the_right_thing_is_taken(void **state)
{
    size_t refused = 0;
    (void)state;

    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        struct sign_case c = begin();
        const char *token = sign_case_token(&c, said[i].header, said[i].claims, "sig_current");
        enum ls_sign_fault fault = fault_of(&c, token, NOW);

        if (fault != said[i].fault)
            fail_msg("%s %s: %s", said[i].header, said[i].claims, ls_sign_fault_text(fault));
        refused += fault != LS_SIGN_VALID;
        sign_case_done(&c);
    }
    assert_true(refused >= 80);
}

static void only_the_current_and_the_next_key_sign(void **state)
{
    static const struct {
        const char *key;
        enum ls_sign_fault fault;
    } tried[] = {
        {"sig_current", LS_SIGN_VALID}, {"sig_next", LS_SIGN_VALID},
        {"sig_old", LS_SIGN_WRONG},     {"", LS_SIGN_WRONG},
        {"sig_curren", LS_SIGN_WRONG},  {"sig_current\n", LS_SIGN_WRONG},
        {"current", LS_SIGN_WRONG},     {NULL, LS_SIGN_MALFORMED},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(tried) / sizeof(tried[0]); i++) {
        struct sign_case c = begin();

        assert_int_equal(
            fault_of(&c, sign_case_token(&c, GOOD_HEADER, GOOD_CLAIMS, tried[i].key), NOW),
            tried[i].fault);
        sign_case_done(&c);
    }
}

/* Times of the token are 1700000000 to 1700000300; clocks may be ten seconds off. */
static void a_token_is_valid_between_its_times(void **state)
{
    static const struct {
        int64_t now_s;
        enum ls_sign_fault fault;
        int64_t off_s;
    } times[] = {
        {NOW - 11, LS_SIGN_TOO_NEW, 11}, {NOW - 10, LS_SIGN_VALID, 0},
        {NOW, LS_SIGN_VALID, 0},         {NOW + 299, LS_SIGN_VALID, 0},
        {NOW + 300, LS_SIGN_VALID, 0},   {NOW + 301, LS_SIGN_VALID, 0},
        {NOW + 310, LS_SIGN_VALID, 0},   {NOW + 311, LS_SIGN_TOO_OLD, 11},
    };
    struct sign_case c = begin();
    const char *token = sign_case_token(&c, GOOD_HEADER, GOOD_CLAIMS, "sig_current");
    (void)state;

    sign_case_header(&c, "Upstash-Signature", token);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct ls_sign_finding finding = sign_case_verify(&c, times[i].now_s);

        assert_int_equal(finding.fault, times[i].fault);
        if (times[i].off_s)
            assert_int_equal(finding.off_s, times[i].off_s);
    }
    sign_case_done(&c);
}

static void any_address_will_do_when_none_is_demanded(void **state)
{
    struct sign_case c = begin();
    (void)state;

    c.rule.url = "https://other.example/";
    assert_int_equal(
        fault_of(&c, sign_case_token(&c, GOOD_HEADER, GOOD_CLAIMS, "sig_current"), NOW),
        LS_SIGN_CLAIM);
    c.rule.url = NULL;
    assert_int_equal(sign_case_fault(&c, NOW), LS_SIGN_VALID);
    sign_case_body(&c, BODY " ");
    assert_int_equal(sign_case_fault(&c, NOW), LS_SIGN_BODY);
    sign_case_done(&c);
}

/* A good token with one character changed, cut off or put in, wherever. */
static void a_token_that_was_touched_is_refused(void **state)
{
    struct sign_case c = begin();
    const char *good = sign_case_token(&c, GOOD_HEADER, GOOD_CLAIMS, "sig_current");
    size_t length = strlen(good);
    static const char put_in[] = "A.=\n {";
    char touched[1024];
    (void)state;

    assert_int_equal(fault_of(&c, good, NOW), LS_SIGN_VALID);
    assert_true(length + 2 < sizeof(touched));
    c.headers[0].value = touched;
    for (size_t i = 0; i < length; i++) {
        memcpy(touched, good, length + 1);
        touched[i] = (char)(good[i] ^ 0x80);
        assert_int_not_equal(sign_case_fault(&c, NOW), LS_SIGN_VALID);
        touched[i] = '\xff'; /* libsodium takes it for an underscore */
        assert_int_not_equal(sign_case_fault(&c, NOW), LS_SIGN_VALID);
        touched[i] = good[i] == 'A' ? 'B' : 'A';
        /* of the last character some bits are unused, and have to be zero */
        assert_int_not_equal(sign_case_fault(&c, NOW), LS_SIGN_VALID);
        memmove(touched + i, good + i + 1, length - i); /* one less */
        assert_int_not_equal(sign_case_fault(&c, NOW), LS_SIGN_VALID);
        touched[i] = '\0'; /* cut off */
        assert_int_not_equal(sign_case_fault(&c, NOW), LS_SIGN_VALID);
    }
    for (size_t i = 0; i <= length * strlen(put_in); i++) {
        size_t at = i / strlen(put_in);

        memcpy(touched, good, at);
        touched[at] = put_in[i % strlen(put_in)];
        memcpy(touched + at + 1, good + at, length - at + 1);
        assert_int_not_equal(sign_case_fault(&c, NOW), LS_SIGN_VALID);
    }
    sign_case_done(&c);
}

static void a_token_has_three_parts_and_a_length(void **state)
{
    static const char *const shapes[] = {"",          ".",     "..",       "...",
                                         "a.b",       "a.b.c", "a..c",     "Bearer",
                                         "a.b.c.d.e", "....",  "a.b.\xff", " . . "};
    struct sign_case c = begin();
    struct ls_buf claims;
    (void)state;

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        assert_int_equal(fault_of(&c, shapes[i], NOW), LS_SIGN_MALFORMED);
    /* longer than any token, though well signed: in pieces, as the helper makes short ones only */
    ls_buf_init(&claims, 0);
    while (claims.size <= 8192)
        ls_buf_text(&claims, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    ls_buf_text(&claims, ".e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_int_equal(fault_of(&c, ls_buf_str(&claims), NOW), LS_SIGN_MALFORMED);
    ls_buf_done(&claims);
    sign_case_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_says_the_right_thing_is_taken),
        cmocka_unit_test(only_the_current_and_the_next_key_sign),
        cmocka_unit_test(a_token_is_valid_between_its_times),
        cmocka_unit_test(any_address_will_do_when_none_is_demanded),
        cmocka_unit_test(a_token_that_was_touched_is_refused),
        cmocka_unit_test(a_token_has_three_parts_and_a_length),
    };
    return cmocka_run_group_tests_name("event/jwt", tests, NULL, NULL);
}
