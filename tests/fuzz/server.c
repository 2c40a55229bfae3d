/* SPDX-License-Identifier: Apache-2.0 */
/* server.c - the promises that hold for any bytes: what comes in by HTTP.
 *
 * target     a path that is taken has no control bytes, no dot segments and no empty ones, and finds a route or none of the real tables
 * head       a head that is let in can be read in one way only
 * bearer     a token is never valid without the key, nor without what it has to say
 * jwks       a set of keys is taken or refused; none of its keys verifies what it did not sign */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "server/jwt.h"
#include "server/jwt_keys.h"
#include "server/route.h"
#include "server/syntax.h"
#include "targets.h"

#define NOW INT64_C(1700000000)
#define SECRET "a secret that is shared by the two, 42 bytes"
#define HEADERS 40

static void promise(int kept)
{
    if (!kept)
        abort();
}

static char *text_of(const uint8_t *data, size_t size)
{
    const size_t length = strnlen((const char *)data, size);
    char *text = malloc(length + 1);

    promise(text != NULL);
    memcpy(text, data, length);
    text[length] = '\0';
    return text;
}

/* ---- target ---- */

static bool clean(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static void find_route(struct ls_request *request)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "get"};
    struct ls_router *router = NULL;
    const char *allow;

    promise(ls_router_open(ls_route_tables, ls_route_table_count, &router, NULL) == LS_OK);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        const struct ls_route *route;

        request->method = methods[i];
        request->param_count = 0;
        allow = NULL;
        route = ls_router_find(router, request, &allow);
        promise(!route || strcmp(route->method, methods[i]) == 0 ||
                (strcmp(methods[i], "HEAD") == 0 && strcmp(route->method, "GET") == 0));
        for (size_t p = 0; route && p < request->param_count; p++)
            promise(*request->params[p].value != '\0');
    }
    ls_router_close(router);
}

static void run_target(const uint8_t *data, size_t size)
{
    struct ls_arena mem;
    struct ls_request request = {.mem = &mem, .target = text_of(data, size)};
    const char *why;

    ls_arena_init(&mem, 0);
    why = ls_syntax_target(&request);
    promise(!why || *why);
    if (!why) {
        promise(*request.path == '/' && clean(request.path));
        for (size_t i = 0; i < request.segment_count; i++)
            promise(*request.segments[i] && strcmp(request.segments[i], ".") != 0 &&
                    strcmp(request.segments[i], "..") != 0);
        for (size_t i = 0; i < request.query_count; i++)
            promise(clean(request.query[i].name) && clean(request.query[i].value));
        if (size % 8 == 0) /* a router is made for each */
            find_route(&request);
    }
    free((char *)(uintptr_t)request.target);
    ls_arena_done(&mem);
}

/* ---- head ---- */

static const struct ls_raw_header *only(const struct ls_raw_header *headers, size_t count,
                                        const char *name)
{
    const struct ls_raw_header *found = NULL;

    for (size_t i = 0; i < count; i++) {
        if (headers[i].name_size != strlen(name) ||
            strncasecmp(headers[i].name, name, headers[i].name_size) != 0)
            continue;
        promise(!found);
        found = &headers[i];
    }
    return found;
}

/* "Name: value" lines; bytes of a value may be anything. */
static void run_head(const uint8_t *data, size_t size)
{
    struct ls_raw_header headers[HEADERS] = {0};
    const char *at = (const char *)data, *const end = at + size;
    size_t count = 0;
    int status = 0;

    while (at < end && count < HEADERS) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        const size_t length = (size_t)((line ? line : end) - at);
        const char *colon = memchr(at, ':', length);
        const size_t name = colon ? (size_t)(colon - at) : length;

        headers[count++] =
            (struct ls_raw_header){at, colon ? colon + 1 : at, name, colon ? length - name - 1 : 0};
        at += length + (line != NULL);
    }
    if (ls_syntax_head("POST", "HTTP/1.1", headers, count, &status)) {
        promise(status == 400 || status == 431 || status == 505);
        return;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t n = 0; n < headers[i].value_size; n++)
            promise(headers[i].value[n] == '\t' || (unsigned char)headers[i].value[n] >= 0x20);
    promise(only(headers, count, "Host") != NULL);
    promise(!only(headers, count, "Content-Length") || !only(headers, count, "Transfer-Encoding"));
}

/* ---- tokens ---- */

static void base64url(struct ls_buf *out, const void *data, size_t size)
{
    const size_t room = sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *text = malloc(room);

    promise(text != NULL);
    sodium_bin2base64(text, room, data, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    ls_buf_text(out, text);
    free(text);
}

/* The bytes as a token, and as header and claims (split at a NUL) of one that is signed. */
static void run_bearer(const uint8_t *data, size_t size)
{
    const uint8_t *split = memchr(data, 0, size);
    const size_t head = split ? (size_t)(split - data) : size, rest = split ? size - head - 1 : 0;
    const struct ls_jwt_rules rules = {0};
    struct ls_jwt_keys *keys = NULL;
    crypto_auth_hmacsha256_state h;
    unsigned char mac[32];
    struct ls_jwt jwt = {0};
    struct ls_buf token;

    ls_buf_init(&token, 0);
    promise(ls_jwt_keys_new(&keys, NULL) == LS_OK &&
            ls_jwt_keys_secret(keys, SECRET, strlen(SECRET), NULL) == LS_OK);
    promise(ls_jwt_verify(keys, &rules, (const char *)data, size, NOW, &jwt) != LS_JOSE_NONE);
    base64url(&token, data, head);
    ls_buf_char(&token, '.');
    base64url(&token, split ? split + 1 : data, rest);
    crypto_auth_hmacsha256_init(&h, (const unsigned char *)SECRET, strlen(SECRET));
    crypto_auth_hmacsha256_update(&h, (const unsigned char *)token.data, token.size);
    crypto_auth_hmacsha256_final(&h, mac);
    ls_buf_char(&token, '.');
    base64url(&token, mac, sizeof mac);
    if (ls_jwt_verify(keys, &rules, token.data, token.size, NOW, &jwt) == LS_JOSE_NONE) {
        char *const bent = (char *)token.data + token.size - 5;

        promise(jwt.expires_s > NOW - 600 && jwt.claims != NULL);
        promise(memmem(data, head, "HS256", 5) != NULL);
        ls_jwt_done(&jwt);
        *bent = *bent == 'A' ? 'B' : 'A';
        promise(ls_jwt_verify(keys, &rules, token.data, token.size, NOW, &jwt) != LS_JOSE_NONE);
    }
    ls_jwt_keys_free(keys);
    ls_buf_done(&token);
}

static void run_jwks(const uint8_t *data, size_t size)
{
    static const unsigned char garbage[512] = {1, 2, 3};
    struct ls_jwt_keys *keys = NULL;
    size_t usable = 0;
    enum ls_code rc;

    promise(ls_jwt_keys_new(&keys, NULL) == LS_OK);
    rc = ls_jwt_keys_set(keys, (const char *)data, size, &usable, NULL);
    promise(rc == LS_OK || rc == LS_DATA);
    promise(usable == ls_jwt_keys_count(keys));
    for (size_t i = 0; i < LS_JWT_ALGORITHM_COUNT; i++) {
        const struct ls_jwt_key *key = ls_jwt_keys_find(keys, NULL, (enum ls_jwt_algorithm)i);

        promise(!key || ls_jwt_key_algorithm(key) == (enum ls_jwt_algorithm)i);
        promise(!key || i != LS_JWT_HS256); /* a set holds no secrets */
        for (size_t n = 0; key && n <= sizeof garbage; n += 32)
            promise(!ls_jwt_key_verifies(key, data, size, garbage, n));
    }
    ls_jwt_keys_free(keys);
}

static const char *const target_seeds[] = {"/api/v1/events/a%2Fb?limit=10&cursor=5&type=order.*",
                                           "/api/v1/runs/7/undo?dry_run=true",
                                           "/v2/publish/https://host.example/a//b?c=d",
                                           "/v2/dlq/x",
                                           "/metrics?",
                                           "/%e3%80%82/%00/..",
                                           NULL};
static const char *const head_seeds[] = {
    "Host: a.example\nContent-Length: 10\nContent-Type: application/json",
    "Host: a.example\nTransfer-Encoding: chunked\nCookie: a=b; c=d",
    "Host: a\nHost: b\nContent-Length: 1\nContent-Length: 1",
    "Host: a\nContent-Length: +5\nTransfer-Encoding: identity, chunked\n folded: x", NULL};
static const char *const bearer_seeds[] = {
    "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
    "{\"sub\":\"a\",\"exp\":1700000300,\"nbf\":1699999999,\"iat\":1699999999,\"aud\":[\"x\"],"
    "\"iss\":\"y\"}",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhIiwiZXhwIjoxNzAwMDAwMzAwfQ."
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", NULL};
static const char *const jwks_seeds[] = {
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"1\",\"use\":\"sig\",\"alg\":\"ES256\","
    "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}",
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"e\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
    "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\",\"e\":\"AQAB\",\"n\":"
    "\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"
    "4qPCJrcS2mJPMEzP1Pt0Bm4d4"
    "QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"
    "bSf63kpaSHSXndS5z5rexMdbB"
    "YUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-"
    "DWNm"
    "oudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"}]}",
    NULL};

const struct fuzz_target fuzz_targets[] = {
    {"target", run_target, target_seeds},
    {"head", run_head, head_seeds},
    {"bearer", run_bearer, bearer_seeds},
    {"jwks", run_jwks, jwks_seeds},
};
const size_t fuzz_target_count = sizeof(fuzz_targets) / sizeof(fuzz_targets[0]);
