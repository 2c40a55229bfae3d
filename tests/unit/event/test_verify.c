/* SPDX-License-Identifier: Apache-2.0 */
/* test_verify.c - messages of every scheme: the valid one, and all that is nearly valid. */
#include <stdio.h>
#include <string.h>

#include "sign_help.h"

#define NOW INT64_C(1700000000)
#define GITHUB_HEX "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
#define STRIPE_HEX "0c8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd"
#define STRIPE_BODY "{\"id\":\"evt_1\",\"object\":\"event\"}"
#define SHOPIFY_64 "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="
#define STANDARD_64 "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define STANDARD_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define STANDARD_ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define STANDARD_AT INT64_C(1614265330)
#define STANDARD_BODY "{\"test\": 2432232314}"

/* Published vectors, or made by another implementation. Header values in the order of the names. */
static const struct sample {
    enum ls_sign_scheme scheme;
    const char *secret, *body;
    int64_t now_s;
    const char *names[4], *values[4];
    const char *id;
} samples[] = {
    {LS_SIGN_DOCUMENTED,
     "It's a Secret to Everybody",
     "Hello, World!",
     NOW,
     {"X-Webhook-Signature"},
     {GITHUB_HEX},
     NULL},
    {LS_SIGN_GITHUB,
     "It's a Secret to Everybody",
     "Hello, World!",
     NOW,
     {"x-hub-signature-256", "x-github-delivery"},
     {"sha256=" GITHUB_HEX, "72d3162e-cc78-11e3-81ab-4c9367dc0958"},
     "72d3162e-cc78-11e3-81ab-4c9367dc0958"},
    {LS_SIGN_STRIPE,
     "whsec_test_secret",
     STRIPE_BODY,
     NOW,
     {"Stripe-Signature"},
     {"t=1700000000,v1=" STRIPE_HEX ",v0=ab"},
     NULL},
    {LS_SIGN_SHOPIFY,
     "hush",
     "{\"id\":1}",
     NOW,
     {"X-Shopify-Hmac-SHA256", "X-Shopify-Webhook-Id"},
     {SHOPIFY_64, "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"},
     "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"},
    {LS_SIGN_SHOPIFY,
     "hush",
     "{\"id\":1}",
     NOW,
     {"Shopify-Hmac-Sha256", "Shopify-Webhook-Id"},
     {SHOPIFY_64, "w2"},
     "w2"},
    {LS_SIGN_STANDARD,
     STANDARD_SECRET,
     STANDARD_BODY,
     STANDARD_AT,
     {"webhook-id", "webhook-timestamp", "webhook-signature"},
     {STANDARD_ID, "1614265330", "v1," STANDARD_64},
     STANDARD_ID},
    {LS_SIGN_STANDARD,
     STANDARD_SECRET,
     STANDARD_BODY,
     STANDARD_AT,
     {"Svix-Id", "Svix-Timestamp", "Svix-Signature"},
     {STANDARD_ID, "1614265330", "v1a,xyz v1,broken v1," STANDARD_64 " v2,abc"},
     STANDARD_ID},
    {LS_SIGN_SUPABASE,
     "v1," STANDARD_SECRET,
     STANDARD_BODY,
     STANDARD_AT,
     {"webhook-id", "webhook-timestamp", "webhook-signature"},
     {STANDARD_ID, "1614265330",
      "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=, v1," STANDARD_64},
     STANDARD_ID},
    {LS_SIGN_HEADER, "s3cret", "anything", NOW, {"X-Cron-Secret"}, {"s3cret"}, NULL},
    {LS_SIGN_HEADER, "s3cret", "", NOW, {"Authorization"}, {"Bearer s3cret"}, NULL},
    {LS_SIGN_HEADER, "s3cret", "", NOW, {"Authorization"}, {"s3cret"}, NULL},
};
#define SAMPLE_COUNT (sizeof(samples) / sizeof(samples[0]))

static struct sign_case begin(const struct sample *s)
{
    struct sign_case c = {.rule.scheme = s->scheme};

    sign_case_secret(&c, s->secret);
    sign_case_body(&c, s->body);
    for (size_t i = 0; i < 4 && s->names[i]; i++)
        sign_case_header(&c, s->names[i], s->values[i]);
    if (s->scheme == LS_SIGN_HEADER)
        c.rule.header = s->names[0];
    return c;
}

static const struct sample *sample_of(enum ls_sign_scheme scheme)
{
    size_t i = 0;

    while (samples[i].scheme != scheme)
        i++;
    return &samples[i];
}

static void a_valid_message_of_each_scheme_is_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct sign_case c = begin(&samples[i]);
        struct ls_sign_finding finding = sign_case_verify(&c, samples[i].now_s);

        assert_int_equal(finding.fault, LS_SIGN_VALID);
        if (samples[i].id)
            assert_string_equal(finding.id, samples[i].id);
        else
            assert_null(finding.id);
        sign_case_done(&c);
    }
}

/* Tries the message with one thing changed, for every bit of the body and every character of every header that is signed. */
static void a_single_bit_makes_it_invalid(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct sign_case c = begin(&samples[i]);
        size_t size = strlen(samples[i].body);
        char *body = ls_arena_text(&c.mem, samples[i].body);

        c.message.body = body;
        for (size_t bit = 0; bit < size * 8 && samples[i].scheme != LS_SIGN_HEADER; bit++) {
            body[bit / 8] = (char)(body[bit / 8] ^ 1 << bit % 8);
            assert_int_equal(sign_case_fault(&c, samples[i].now_s), LS_SIGN_WRONG);
            body[bit / 8] = (char)(body[bit / 8] ^ 1 << bit % 8);
        }
        if (size) { /* a byte less */
            c.message.size--;
            if (samples[i].scheme != LS_SIGN_HEADER)
                assert_int_equal(sign_case_fault(&c, samples[i].now_s), LS_SIGN_WRONG);
            c.message.size++;
        }
        assert_int_equal(sign_case_fault(&c, samples[i].now_s), LS_SIGN_VALID);
        sign_case_done(&c);
    }
}

static void a_header_of_another_secret_is_refused_and_so_is_no_secret(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct sign_case c = begin(&samples[i]);
        struct sign_case other = {.rule.scheme = samples[i].scheme};

        sign_case_secret(&other, "whsec_b3RoZXIgc2VjcmV0");
        other.rule.header = c.rule.header;
        other.message = c.message;
        memcpy(other.headers, c.headers, sizeof(c.headers));
        assert_int_equal(sign_case_fault(&other, samples[i].now_s), LS_SIGN_WRONG);
        other.rule.secret_count = 0;
        assert_int_equal(sign_case_fault(&other, samples[i].now_s), LS_SIGN_NO_SECRET);
        sign_case_done(&other);
        sign_case_done(&c);
    }
}

static void any_of_several_secrets_may_have_signed(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct sign_case c = {.rule.scheme = samples[i].scheme};
        struct ls_sign_finding finding;
        struct sign_case one = begin(&samples[i]);

        sign_case_secret(&c, "an older one");
        sign_case_secret(&c, samples[i].secret);
        sign_case_secret(&c, "whsec_b3RoZXIgc2VjcmV0");
        c.rule.header = one.rule.header;
        c.message = one.message;
        memcpy(c.headers, one.headers, sizeof(c.headers));
        finding = sign_case_verify(&c, samples[i].now_s);
        assert_int_equal(finding.fault, LS_SIGN_VALID);
        assert_int_equal(finding.secret, 1);
        sign_case_done(&one);
        sign_case_done(&c);
    }
}

static void a_missing_or_doubled_header_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        for (size_t h = 0; h < 4 && samples[i].names[h]; h++) {
            struct sign_case c = begin(&samples[i]);
            struct ls_sign_finding finding;
            bool needed = h == 0 || samples[i].scheme == LS_SIGN_STANDARD ||
                          samples[i].scheme == LS_SIGN_SUPABASE;

            if (!needed) {
                sign_case_done(&c);
                continue;
            }
            c.headers[c.message.header_count++] = c.headers[h];
            finding = sign_case_verify(&c, samples[i].now_s);
            assert_int_equal(finding.fault, LS_SIGN_REPEATED);
            c.message.header_count--;
            c.headers[h].name = "x-other";
            finding = sign_case_verify(&c, samples[i].now_s);
            assert_int_equal(finding.fault, LS_SIGN_NO_HEADER);
            assert_non_null(finding.header);
            sign_case_done(&c);
        }
    }
}

/* Which value of the scheme's first header that has the signature is what. */
static const struct {
    enum ls_sign_scheme scheme;
    const char *value;
    enum ls_sign_fault fault;
} values[] = {
    {LS_SIGN_DOCUMENTED, "sha256=" GITHUB_HEX, LS_SIGN_VALID},
    {LS_SIGN_DOCUMENTED, "757107EA0EB2509FC211221CCE984B8A37570B6D7586C22C46F4379C8B043E17",
     LS_SIGN_VALID},
    {LS_SIGN_DOCUMENTED, "SHA256=" GITHUB_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_DOCUMENTED, "sha512=" GITHUB_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_DOCUMENTED, "", LS_SIGN_MALFORMED},
    {LS_SIGN_DOCUMENTED, "sha256=", LS_SIGN_MALFORMED},
    {LS_SIGN_DOCUMENTED, GITHUB_HEX "0", LS_SIGN_MALFORMED},
    {LS_SIGN_DOCUMENTED, GITHUB_HEX "00", LS_SIGN_MALFORMED},
    {LS_SIGN_DOCUMENTED, " " GITHUB_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_DOCUMENTED, GITHUB_HEX "," GITHUB_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_DOCUMENTED, "g57107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
     LS_SIGN_MALFORMED},
    {LS_SIGN_DOCUMENTED, "857107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
     LS_SIGN_WRONG},
    {LS_SIGN_DOCUMENTED, "0000000000000000000000000000000000000000000000000000000000000000",
     LS_SIGN_WRONG},
    {LS_SIGN_GITHUB, GITHUB_HEX, LS_SIGN_MALFORMED}, /* octokit refuses it too */
    {LS_SIGN_GITHUB, "sha1=" GITHUB_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_GITHUB, "sha256=" GITHUB_HEX " ", LS_SIGN_MALFORMED},
    {LS_SIGN_STRIPE, "t=1700000000,v1=" STRIPE_HEX, LS_SIGN_VALID},
    {LS_SIGN_STRIPE, "v1=" STRIPE_HEX ",t=1700000000", LS_SIGN_VALID},
    {LS_SIGN_STRIPE, "t=1700000000,v1=" GITHUB_HEX ",v1=" STRIPE_HEX, LS_SIGN_VALID},
    {LS_SIGN_STRIPE, "t=1700000000, v1=" STRIPE_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_STRIPE, "t=1700000001,v1=" STRIPE_HEX, LS_SIGN_WRONG},
    {LS_SIGN_STRIPE, "t=1700000000,v0=" STRIPE_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_STRIPE, "v1=" STRIPE_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_STRIPE, "t=,v1=" STRIPE_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_STRIPE, "t=1700000000,t=1700000000,v1=" STRIPE_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_STRIPE, "t=+1700000000,v1=" STRIPE_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_STRIPE, "t=-1,v1=" STRIPE_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_STRIPE, "t=1700000000.0,v1=" STRIPE_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_STRIPE, "t=9999999999999999,v1=" STRIPE_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_STRIPE, "t=999999999999999,v1=" STRIPE_HEX, LS_SIGN_TOO_NEW},
    {LS_SIGN_STRIPE, "t=1700000000,v1=", LS_SIGN_MALFORMED},
    {LS_SIGN_STRIPE, ",,,", LS_SIGN_MALFORMED},
    {LS_SIGN_STRIPE, "", LS_SIGN_MALFORMED},
    {LS_SIGN_SHOPIFY, "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY", LS_SIGN_MALFORMED},
    {LS_SIGN_SHOPIFY, "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1_GSeY=", LS_SIGN_MALFORMED},
    {LS_SIGN_SHOPIFY, "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeZ=", LS_SIGN_MALFORMED},
    {LS_SIGN_SHOPIFY, "WnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=", LS_SIGN_WRONG},
    {LS_SIGN_SHOPIFY,
     "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1\xff"
     "GSeY=",
     LS_SIGN_MALFORMED},
    {LS_SIGN_SHOPIFY, "aGVsbG8=", LS_SIGN_MALFORMED},
    {LS_SIGN_SHOPIFY, "", LS_SIGN_MALFORMED},
    {LS_SIGN_STANDARD, STANDARD_64, LS_SIGN_MALFORMED},
    {LS_SIGN_STANDARD, "v1a," STANDARD_64, LS_SIGN_MALFORMED},
    {LS_SIGN_STANDARD, "v2," STANDARD_64, LS_SIGN_MALFORMED},
    {LS_SIGN_STANDARD, "V1," STANDARD_64, LS_SIGN_MALFORMED},
    {LS_SIGN_STANDARD, "v1=" STANDARD_64, LS_SIGN_MALFORMED},
    {LS_SIGN_STANDARD, "v1, " STANDARD_64, LS_SIGN_MALFORMED},
    {LS_SIGN_STANDARD, "v1,", LS_SIGN_MALFORMED},
    {LS_SIGN_STANDARD, " ", LS_SIGN_MALFORMED},
    {LS_SIGN_STANDARD, "v1," GITHUB_HEX, LS_SIGN_MALFORMED},
    {LS_SIGN_STANDARD, "v1," STANDARD_64 ",v1," STANDARD_64, LS_SIGN_MALFORMED},
    {LS_SIGN_STANDARD, "  v1," STANDARD_64 "  ", LS_SIGN_VALID},
    {LS_SIGN_STANDARD, "v1,broken v1," STANDARD_64, LS_SIGN_VALID},
    {LS_SIGN_STANDARD, "v1," SHOPIFY_64 " v1," STANDARD_64, LS_SIGN_VALID},
    {LS_SIGN_STANDARD, "v1," SHOPIFY_64, LS_SIGN_WRONG},
    {LS_SIGN_SUPABASE, "v1," STANDARD_64 ",v1," SHOPIFY_64, LS_SIGN_VALID},
    {LS_SIGN_SUPABASE, "v1," STANDARD_64 " v1," SHOPIFY_64, LS_SIGN_VALID},
    {LS_SIGN_SUPABASE, "v1," SHOPIFY_64 ", v1," SHOPIFY_64, LS_SIGN_WRONG},
    {LS_SIGN_HEADER, "S3cret", LS_SIGN_WRONG},
    {LS_SIGN_HEADER, "s3cret ", LS_SIGN_WRONG},
    {LS_SIGN_HEADER, "s3cre", LS_SIGN_WRONG},
    {LS_SIGN_HEADER, "Bearer s3cret", LS_SIGN_WRONG}, /* a matter of Authorization alone */
    {LS_SIGN_HEADER, "", LS_SIGN_WRONG},
};

static void the_value_of_the_header_is_read_as_its_makers_write_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        const struct sample *s = sample_of(values[i].scheme);
        bool three = s->scheme == LS_SIGN_STANDARD || s->scheme == LS_SIGN_SUPABASE;
        struct sign_case c = begin(s);

        sign_case_header(&c, s->names[three ? 2 : 0], values[i].value);
        if (sign_case_fault(&c, s->now_s) != values[i].fault)
            fail_msg("%s: %s", ls_sign_scheme_word(s->scheme), values[i].value);
        sign_case_done(&c);
    }
}

static void id_and_time_are_part_of_what_is_signed(void **state)
{
    static const struct {
        const char *name, *value;
        enum ls_sign_fault fault;
    } changed[] = {
        {"webhook-id", "msg_q5jXN8AQM9LWM0D4loKWxJek", LS_SIGN_WRONG},
        {"webhook-id", "", LS_SIGN_MALFORMED},
        {"webhook-id", STANDARD_ID ".1614265330", LS_SIGN_MALFORMED},
        {"webhook-timestamp", "1614265331", LS_SIGN_WRONG},
        {"webhook-timestamp", "01614265330", LS_SIGN_WRONG},
        {"webhook-timestamp", "", LS_SIGN_MALFORMED},
        {"webhook-timestamp", "now", LS_SIGN_MALFORMED},
        {"webhook-timestamp", "1614265330 ", LS_SIGN_MALFORMED},
        {"webhook-timestamp", "1614265330.5", LS_SIGN_MALFORMED},
        {"webhook-timestamp", "-1614265330", LS_SIGN_MALFORMED},
        {"webhook-timestamp", "1614265330000", LS_SIGN_TOO_NEW},
        {"webhook-timestamp", "0", LS_SIGN_TOO_OLD},
        {"webhook-timestamp", "99999999999999999999999999", LS_SIGN_MALFORMED},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
        struct sign_case c = begin(sample_of(LS_SIGN_STANDARD));

        sign_case_header(&c, changed[i].name, changed[i].value);
        assert_int_equal(sign_case_fault(&c, STANDARD_AT), changed[i].fault);
        sign_case_done(&c);
    }
}

static void a_message_is_valid_for_five_minutes_both_ways(void **state)
{
    static const enum ls_sign_scheme timed[] = {LS_SIGN_STANDARD, LS_SIGN_STRIPE, LS_SIGN_SUPABASE};
    static const struct {
        int64_t off_s, window_s;
        enum ls_sign_fault fault;
    } offs[] = {
        {299, 0, LS_SIGN_VALID},     {300, 0, LS_SIGN_VALID},     {301, 0, LS_SIGN_TOO_OLD},
        {-299, 0, LS_SIGN_VALID},    {-300, 0, LS_SIGN_VALID},    {-301, 0, LS_SIGN_TOO_NEW},
        {10, 10, LS_SIGN_VALID},     {11, 10, LS_SIGN_TOO_OLD},   {-11, 10, LS_SIGN_TOO_NEW},
        {86400, 0, LS_SIGN_TOO_OLD}, {-86400, 0, LS_SIGN_TOO_NEW}};
    (void)state;

    for (size_t i = 0; i < sizeof(timed) / sizeof(timed[0]); i++) {
        const struct sample *s = sample_of(timed[i]);
        struct sign_case c = begin(s);
        struct ls_sign_finding finding;

        for (size_t k = 0; k < sizeof(offs) / sizeof(offs[0]); k++) {
            int64_t off_s = offs[k].off_s;

            c.rule.window_s = offs[k].window_s;
            finding = sign_case_verify(&c, s->now_s + off_s);
            assert_int_equal(finding.fault, offs[k].fault);
            assert_int_equal(finding.timestamp_s, s->now_s);
            if (finding.fault != LS_SIGN_VALID)
                assert_int_equal(finding.off_s, off_s < 0 ? -off_s : off_s);
        }
        sign_case_done(&c);
    }
}

static void a_header_holds_thirty_two_signatures_at_most(void **state)
{
    struct sign_case c = begin(sample_of(LS_SIGN_STANDARD));
    struct ls_buf value;
    (void)state;

    ls_buf_init(&value, 0);
    for (int i = 0; i < 31; i++)
        ls_buf_text(&value, "v1," SHOPIFY_64 " ");
    ls_buf_text(&value, "v1," STANDARD_64);
    sign_case_header(&c, "webhook-signature", ls_buf_str(&value));
    assert_int_equal(sign_case_fault(&c, STANDARD_AT), LS_SIGN_VALID);
    ls_buf_text(&value, " v1," STANDARD_64);
    sign_case_header(&c, "webhook-signature", ls_buf_str(&value));
    assert_int_equal(sign_case_fault(&c, STANDARD_AT), LS_SIGN_MALFORMED);
    ls_buf_done(&value);
    sign_case_done(&c);
}

static void a_rule_may_name_another_header(void **state)
{
    struct sign_case c = begin(sample_of(LS_SIGN_DOCUMENTED));
    (void)state;

    c.rule.header = "X-Signature";
    assert_int_equal(sign_case_fault(&c, NOW), LS_SIGN_NO_HEADER);
    sign_case_header(&c, "x-signature", GITHUB_HEX);
    assert_int_equal(sign_case_fault(&c, NOW), LS_SIGN_VALID);
    sign_case_done(&c);
}

static void every_scheme_has_a_word_and_is_found_by_it(void **state)
{
    (void)state;
    for (enum ls_sign_scheme s = 0; s < LS_SIGN_SCHEME_COUNT; s++) {
        assert_int_equal(ls_sign_scheme_find(ls_sign_scheme_word(s)), s);
        assert_true(strlen(ls_sign_scheme_who(s)) > 0);
        assert_int_equal(ls_sign_scheme_header(s) == NULL, s == LS_SIGN_HEADER);
    }
    for (enum ls_sign_fault f = 0; f < LS_SIGN_FAULT_COUNT; f++)
        assert_true(strlen(ls_sign_fault_text(f)) > 0);
    assert_int_equal(ls_sign_scheme_find("none"), LS_SIGN_SCHEME_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_message_of_each_scheme_is_taken),
        cmocka_unit_test(a_single_bit_makes_it_invalid),
        cmocka_unit_test(a_header_of_another_secret_is_refused_and_so_is_no_secret),
        cmocka_unit_test(any_of_several_secrets_may_have_signed),
        cmocka_unit_test(a_missing_or_doubled_header_is_named),
        cmocka_unit_test(the_value_of_the_header_is_read_as_its_makers_write_it),
        cmocka_unit_test(id_and_time_are_part_of_what_is_signed),
        cmocka_unit_test(a_message_is_valid_for_five_minutes_both_ways),
        cmocka_unit_test(a_header_holds_thirty_two_signatures_at_most),
        cmocka_unit_test(a_rule_may_name_another_header),
        cmocka_unit_test(every_scheme_has_a_word_and_is_found_by_it),
    };
    return cmocka_run_group_tests_name("event/verify", tests, NULL, NULL);
}
