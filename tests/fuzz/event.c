/* SPDX-License-Identifier: Apache-2.0 */
/* event.c - the promises that hold for any bytes: what comes and goes with events.
 *
 * signature  a message with any header is valid only when it carries what we would have signed; explaining it always ends
 * jwt        a token is never valid without the key; what a signed token says is read without harm
 * url        a URL that is taken leads, where its host is an address to the resolver, to an open one
 * retry      a wait is between nothing and a day; a formula too
 * events     what is taken as events is written as it was read, and its data is JSON
 * json       a text is valid exactly when its content can be told; told again from the same text it is the same
 * message    options that are taken hold no header that could begin another one, and read back as they were written */
#include "targets.h"

#include <netdb.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "event/event.h"
#include "event/guard.h"
#include "event/message.h"
#include "event/retry.h"
#include "event/sign.h"
#include "model/jsontext.h"

#define NOW INT64_C(1700000000)
#define KEY "whsec_c2VjcmV0IGtleQ=="

static void promise(int kept)
{
    if (!kept)
        abort();
}

/* The bytes as a text that ends at their first NUL, in memory of exactly that size. */
static char *text_of(const uint8_t *data, size_t size)
{
    size_t length = strnlen((const char *)data, size);
    char *text = malloc(length + 1);

    promise(text != NULL);
    memcpy(text, data, length);
    text[length] = '\0';
    return text;
}

static void judge(const struct ls_sign_rule *rule, const struct ls_sign_message *message,
                  const char *signature)
{
    struct ls_sign_finding finding;
    struct ls_buf words;

    if (ls_sign_verify(rule, message, NOW, &finding))
        promise(signature && strstr(message->headers[0].value, signature) != NULL);
    ls_buf_init(&words, 0);
    ls_sign_explain(&words, rule, message, NOW);
    promise(!words.failed && words.size > 0);
    ls_buf_done(&words);
}

/* The first byte picks the scheme; then the header up to a NUL, and the body. */
static void run_signature(const uint8_t *data, size_t size)
{
    enum ls_sign_scheme scheme = size ? data[0] % LS_SIGN_SCHEME_COUNT : 0;
    char *value = size ? text_of(data + 1, size - 1) : text_of(data, 0);
    size_t skip = 1 + strlen(value) + 1;
    struct ls_header headers[] = {{ls_sign_scheme_header(scheme), value},
                                  {"webhook-id", "e1"},
                                  {"webhook-timestamp", "1700000000"}};
    struct ls_sign_message message = {headers, 3, size > skip ? data + skip : data,
                                      size > skip ? size - skip : 0};
    struct ls_sign_rule rule = {.scheme = scheme, .secret_count = 1};
    unsigned char mac[32];
    struct ls_secret secret;
    struct ls_arena mem;
    struct ls_buf right;

    if (scheme == LS_SIGN_HEADER)
        headers[0].name = rule.header = "x-secret";
    ls_arena_init(&mem, 0);
    ls_buf_init(&right, 0);
    promise(ls_secret_read(KEY, scheme, &mem, &secret, NULL) == LS_OK);
    rule.secrets = &secret;
    crypto_auth_hmacsha256_state h;
    crypto_auth_hmacsha256_init(&h, (const unsigned char *)secret.text, secret.text_size);
    crypto_auth_hmacsha256_update(&h, message.body, message.size);
    crypto_auth_hmacsha256_final(&h, mac);
    if (scheme == LS_SIGN_STANDARD || scheme == LS_SIGN_SUPABASE)
        ls_sign_standard(&right, &secret, 1, "e1", NOW, message.body, message.size);
    else if (scheme == LS_SIGN_SHOPIFY)
        ls_text_base64(&right, mac, sizeof(mac));
    else if (scheme == LS_SIGN_HEADER)
        ls_buf_text(&right, KEY);
    else
        ls_sign_documented(&right, &secret, message.body, message.size);
    for (char *c = value; scheme == LS_SIGN_DOCUMENTED && *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'F' ? *c | 0x20 : *c); /* upper case is taken too */
    judge(&rule, &message,
          scheme == LS_SIGN_STRIPE || scheme == LS_SIGN_QSTASH ? NULL : ls_buf_str(&right));
    ls_buf_done(&right);
    ls_arena_done(&mem);
    free(value);
}

static void base64url(struct ls_buf *out, const void *data, size_t size)
{
    size_t room = sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *text = malloc(room);

    promise(text != NULL);
    sodium_bin2base64(text, room, data, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    ls_buf_text(out, text);
    free(text);
}

/* The bytes as a whole token, and as header and claims (split at a NUL) of one that is signed. */
static void run_jwt(const uint8_t *data, size_t size)
{
    const uint8_t *split = memchr(data, 0, size);
    size_t head = split ? (size_t)(split - data) : size, rest = split ? size - head - 1 : 0;
    char *whole = text_of(data, size);
    struct ls_header header = {"Upstash-Signature", whole};
    struct ls_sign_message message = {&header, 1, "{}", 2};
    struct ls_sign_rule rule = {.scheme = LS_SIGN_QSTASH, .secret_count = 1, .url = "https://a.b/"};
    crypto_auth_hmacsha256_state h;
    struct ls_secret secret;
    struct ls_sign_finding finding;
    struct ls_arena mem;
    struct ls_buf token;
    unsigned char mac[32];

    ls_arena_init(&mem, 0);
    ls_buf_init(&token, 0);
    promise(ls_secret_read("sig_key", LS_SIGN_QSTASH, &mem, &secret, NULL) == LS_OK);
    rule.secrets = &secret;
    judge(&rule, &message, NULL);
    base64url(&token, data, head);
    ls_buf_char(&token, '.');
    base64url(&token, split ? split + 1 : data, rest);
    crypto_auth_hmacsha256_init(&h, (const unsigned char *)"sig_key", 7);
    crypto_auth_hmacsha256_update(&h, (const unsigned char *)token.data, token.size);
    crypto_auth_hmacsha256_final(&h, mac);
    ls_buf_char(&token, '.');
    base64url(&token, mac, sizeof(mac));
    header.value = ls_buf_str(&token);
    if (ls_sign_verify(&rule, &message, NOW, &finding)) /* it says all that has to be said */
        promise(memmem(data, size, "Upstash", 7) && memmem(data, size, "HS256", 5));
    ls_buf_done(&token);
    ls_arena_done(&mem);
    free(whole);
}

static void run_url(const uint8_t *data, size_t size)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    const struct ls_guard none = {.plain_http = true};
    char *url = text_of(data, size);
    struct ls_guard_target target;
    struct addrinfo *found;
    struct ls_arena mem;

    ls_arena_init(&mem, 0);
    if (ls_guard_url(&none, url, &mem, &target, NULL) == LS_OK) {
        promise(target.port > 0 && target.port < 65536 && !target.named);
        if (getaddrinfo(target.host, NULL, &hints, &found) == 0) {
            promise(ls_guard_kind(found->ai_addr) == LS_GUARD_PUBLIC);
            freeaddrinfo(found);
        }
        promise(strcmp(target.host, "localhost") != 0);
    }
    ls_arena_done(&mem);
    free(url);
}

static void run_retry(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size);
    int64_t ms = ls_retry_asked_value_ms(text, size % 2, NOW * 1000);
    enum ls_code rc = ls_retry_expression_check(text, NULL);

    promise(ms >= -1 && ms <= LS_RETRY_DAY_MS);
    for (unsigned retried = 0; retried < 5; retried++) {
        ms = ls_retry_expression_ms(text, retried * 7);
        promise(ms >= -1 && ms <= LS_RETRY_DAY_MS);
        promise(rc == LS_OK || ms == -1);
    }
    free(text);
}

static void run_message(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size);
    struct ls_message m, back;
    struct ls_arena mem;
    struct ls_buf out;

    ls_arena_init(&mem, 0);
    ls_buf_init(&out, 0);
    if (ls_message_read(text, &mem, &m, NULL) == LS_OK) {
        for (size_t i = 0; i < m.header_count; i++)
            promise(!strpbrk(m.headers[i].name, ": \r\n") && !strpbrk(m.headers[i].value, "\r\n"));
        ls_buf_char(&out, '{');
        ls_message_write(&out, &m);
        ls_buf_char(&out, '}');
        promise(ls_message_read(ls_buf_str(&out), &mem, &back, NULL) == LS_OK);
        promise(strcmp(m.url, back.url) == 0 && strcmp(m.method, back.method) == 0 &&
                m.header_count == back.header_count && m.retries == back.retries &&
                m.timeout_ms == back.timeout_ms && m.qstash == back.qstash);
    }
    ls_buf_done(&out);
    ls_arena_done(&mem);
    free(text);
}

static bool same_event(const struct ls_event *a, const struct ls_event *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->type, b->type) == 0 &&
           strcmp(a->resource_id, b->resource_id) == 0 &&
           strcmp(a->resource_type, b->resource_type) == 0 && a->data_size == b->data_size &&
           memcmp(a->data, b->data, a->data_size) == 0;
}

static void run_events(const uint8_t *data, size_t size)
{
    const struct ls_event_rules rules = {.any = true};
    struct ls_event *events = NULL, *back = NULL;
    size_t count = 0, one = 0;
    char *text = malloc(size + 1); /* a NUL stands behind it, as behind a body */
    struct ls_arena mem;

    promise(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    ls_arena_init(&mem, 0);
    if (ls_events_read(text, size, size % 2, &rules, NOW * 1000000, &mem, &count, &events, NULL) ==
        LS_OK) {
        /* an object is one event */
        promise(size % 2 || text[strspn(text, " \t\r\n")] == '[' || count == 1);
        for (size_t i = 0; i < count; i++) {
            struct ls_buf out;

            /* half a surrogate pair is kept as it was escaped */
            promise(ls_json_valid(events[i].data, events[i].data_size) ||
                    memmem(events[i].data, events[i].data_size, "\\u", 2) ||
                    memmem(events[i].data, events[i].data_size, "\\U", 2));
            ls_buf_init(&out, 0);
            ls_event_write(&out, &events[i], 0, "pending");
            promise(ls_events_read(out.data, out.size, false, &rules, NOW * 1000000, &mem, &one,
                                   &back, NULL) == LS_OK);
            promise(one == 1 && same_event(&events[i], back));
            ls_buf_done(&out);
        }
    }
    ls_arena_done(&mem);
    free(text);
}

static void run_json(const uint8_t *data, size_t size)
{
    struct ls_buf first, again;

    ls_buf_init(&first, 0);
    ls_buf_init(&again, 0);
    promise(ls_json_content(&first, (const char *)data, size) ==
            ls_json_valid((const char *)data, size));
    (void)ls_json_content(&again, (const char *)data, size);
    promise(first.size == again.size &&
            memcmp(ls_buf_str(&first), ls_buf_str(&again), first.size) == 0);
    (void)ls_json_has_nul((const char *)data, size);
    ls_buf_done(&first);
    ls_buf_done(&again);
}

static const char *const signature_seeds[] = {
    "\x08sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    "\x09v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,abc",
    "\x02sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    "\x03t=1700000000,v1=0c8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd,v0=ab",
    "\x04VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=",
    "\x05v1,VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=, v1,abc=",
    "\x06" KEY,
    "\x07"
    "eyJhbGciOiJIUzI1NiJ9.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    NULL};
static const char *const jwt_seeds[] = {
    "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJVcHN0YXNoIn0."
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "{\"iss\":\"Upstash\",\"sub\":\"https://a.b/\",\"exp\":1700000300,\"nbf\":1699999999,\"body\":"
    "\"RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o\"}",
    NULL};
static const char *const url_seeds[] = {"https://user:pass@example.com:8443/a?b#c",
                                        "http://0x7f.1/",
                                        "https://017700000001/",
                                        "https://[::ffff:127.0.0.1]/",
                                        "https://[fe80::1%25eth0]/",
                                        "https://localhost./",
                                        "http://2852039166/",
                                        "https://127.0.0.1%2eexample.com/",
                                        "https://1.2.3.4.5/",
                                        NULL};
static const char *const retry_seeds[] = {"120",
                                          "1m30s",
                                          "2.0",
                                          "Tue, 14 Nov 2023 22:14:20 GMT",
                                          "1700000060",
                                          "pow(2, retried) * 1000",
                                          "min(60000, max(1000, exp(retried) / 2 - -3 % 4))",
                                          "(((1)))",
                                          NULL};
static const char *const message_seeds[] = {
    "{\"url\":\"https://a.b/\",\"method\":\"PUT\",\"headers\":[[\"X\",\"y\"]],\"retries\":3,"
    "\"retry_delay\":\"1000 * retried\",\"timeout_ms\":5,\"qstash\":true}",
    NULL};

static const char *const events_seeds[] = {
    "{\"id\":\"a\",\"type\":\"order.paid\",\"resourceId\":\"7\",\"data\":{\"n\":[1,2.50e3,null]},"
    "\"timestamp\":\"2026-01-31T12:00:00.000Z\",\"retryCount\":0,\"status\":\"pending\"}",
    "[{\"type\":\"a.b\",\"resourceId\":\"\\u00e9\\ud83d\\ude00\"}, "
    "{\"type\":\"c\",\"resourceId\":\"1\"}]",
    "{\"type\":\"a\",\"resourceId\":\"1\"}\n\n{\"type\":\"b\",\"resourceId\":\"2\",\"data\":\"x\"}"
    "\n",
    "{\"type\":\"a.b\",\"resourceId\":\"1\",\"retryCount\":{},\"status\":[],\"data\":{\"type\":"
    "\"c\","
    "\"resourceId\":\"2\"}}",
    "{\"type\":\".b\",\"resourceId\":\"1\"}", /* whose kind of resource would be empty */
    NULL};
static const char *const json_seeds[] = {
    "{\"b\":[1,1.0,-0.5e-7,true,false,null],\"a\":\"\\u0000\\ud83d\\ude00\",\"b\":{}}",
    "[[[[[[[[[[1]]]]]]]]]]", "123456789012345678901234567890.00000000001", NULL};

const struct fuzz_target fuzz_targets[] = {
    {"signature", run_signature, signature_seeds},
    {"jwt", run_jwt, jwt_seeds},
    {"url", run_url, url_seeds},
    {"retry", run_retry, retry_seeds},
    {"message", run_message, message_seeds},
    {"events", run_events, events_seeds},
    {"json", run_json, json_seeds},
};
const size_t fuzz_target_count = sizeof(fuzz_targets) / sizeof(fuzz_targets[0]);
