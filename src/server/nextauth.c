/* SPDX-License-Identifier: Apache-2.0 */
/* nextauth.c - reads the session cookies of NextAuth 4 and Auth.js 5.
 *
 * A session is a JWE in compact form, `dir`: the key is derived from the secret, no key is sent along.
 *
 *   NextAuth 4: A256GCM, key = HKDF-SHA256(secret, salt "", "NextAuth.js Generated Encryption Key", 32)
 *   Auth.js 5:  A256CBC-HS512, key = HKDF-SHA256(secret, salt = name of the cookie,
 *               "Auth.js Generated Encryption Key (NAME)", 64); A256GCM with 32 bytes likewise
 *
 * Which of these it is says `enc`, and each enc has one length of key: there is nothing to choose wrongly. Tag and nonce must
 * have their full length, or a forger would have to guess few bits (CVE-2023-37464 of cjose). A tag is compared before anything is
 * decrypted.
 *
 * Browsers keep about 4 KiB a cookie, so a larger session comes in chunks NAME.0, NAME.1... A browser may hold old ones beside new ones, and
 * cookies of several applications on one host: what there is is tried in turn, and the first that opens and is valid is the session.
 *
 * That one opens proves that the application made it, not that a page of it sent the request: caller.c looks at where it came from. */
#include "server/nextauth.h"

#include <assert.h>
#include <endian.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "server/cookie.h"

#define GCM_KEY 32
#define CBC_KEY 64 /* 32 to authenticate, 32 to encrypt */
#define TAG_MOST 32

static const char *const names[] = {
    "__Secure-next-auth.session-token",
    "next-auth.session-token",
    "__Secure-authjs.session-token",
    "authjs.session-token",
};
#define NAMES (sizeof names / sizeof *names)

struct ls_nextauth {
    unsigned char four[GCM_KEY]; /* NextAuth 4: the same for each name */
    struct {
        unsigned char gcm[GCM_KEY], cbc[CBC_KEY];
    } five[NAMES]; /* Auth.js 5 */
};

/* ---- keys ---- */

/* RFC 5869, with SHA-256. */
static void hkdf(const char *secret, const char *salt, const char *info, unsigned char *out,
                 size_t size)
{
    static const unsigned char none[crypto_auth_hmacsha256_BYTES];
    unsigned char extracted[crypto_auth_hmacsha256_BYTES], block[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    unsigned char count = 0;

    (void)crypto_auth_hmacsha256_init(&state, *salt ? (const unsigned char *)salt : none,
                                      *salt ? strlen(salt) : sizeof none);
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)secret, strlen(secret));
    (void)crypto_auth_hmacsha256_final(&state, extracted);
    while (size) {
        const size_t n = size < sizeof block ? size : sizeof block;

        (void)crypto_auth_hmacsha256_init(&state, extracted, sizeof extracted);
        if (count)
            (void)crypto_auth_hmacsha256_update(&state, block, sizeof block);
        (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)info, strlen(info));
        count++;
        (void)crypto_auth_hmacsha256_update(&state, &count, 1);
        (void)crypto_auth_hmacsha256_final(&state, block);
        memcpy(out, block, n);
        out += n;
        size -= n;
    }
    sodium_memzero(extracted, sizeof extracted);
    sodium_memzero(block, sizeof block);
    sodium_memzero(&state, sizeof state);
}

enum ls_code ls_nextauth_open(const char *secret, struct ls_nextauth **ret, struct ls_error *err)
{
    struct ls_nextauth *n;
    char info[100];

    if (strlen(secret) < LS_NEXTAUTH_SECRET_LEAST)
        return ls_error_set(err, LS_CONFIG,
                            "the secret of NextAuth has to have at least %d bytes, this one has "
                            "%zu. A good one is made by: openssl rand -base64 32",
                            LS_NEXTAUTH_SECRET_LEAST, strlen(secret));
    n = calloc(1, sizeof *n);
    if (!n)
        return ls_error_nomem(err);
    hkdf(secret, "", "NextAuth.js Generated Encryption Key", n->four, sizeof n->four);
    for (size_t i = 0; i < NAMES; i++) {
        snprintf(info, sizeof info, "Auth.js Generated Encryption Key (%s)", names[i]);
        hkdf(secret, names[i], info, n->five[i].gcm, sizeof n->five[i].gcm);
        hkdf(secret, names[i], info, n->five[i].cbc, sizeof n->five[i].cbc);
    }
    *ret = n;
    return LS_OK;
}

void ls_nextauth_close(struct ls_nextauth *nextauth)
{
    if (!nextauth)
        return;
    ls_secret_wipe(nextauth, sizeof *nextauth);
    free(nextauth);
}

/* ---- opening ---- */

/* The parts of a token, decoded (struct ls_jose). */
enum { HEADER, KEY, NONCE, TEXT, TAG };

/* Decrypts with what was set up; out has room for the text and a block. */
static bool decrypt(EVP_CIPHER_CTX *ctx, const struct ls_buf *text, unsigned char *out, size_t *ret)
{
    int some = 0, last = 0;

    if (EVP_DecryptUpdate(ctx, out, &some, (const unsigned char *)ls_buf_str(text),
                          (int)text->size) != 1 ||
        EVP_DecryptFinal_ex(ctx, out + some, &last) != 1)
        return false;
    *ret = (size_t)some + (size_t)last;
    return true;
}

static bool open_gcm(const struct ls_jose *jose, const unsigned char key[GCM_KEY],
                     unsigned char *out, size_t *ret)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int ignored = 0;
    bool ok = ctx && jose->part[NONCE].size == 12 && jose->part[TAG].size == 16;

    ok = ok &&
         EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key,
                            (const unsigned char *)jose->part[NONCE].data) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, jose->part[TAG].data) == 1 &&
         EVP_DecryptUpdate(ctx, NULL, &ignored, (const unsigned char *)jose->text,
                           (int)jose->header_length) == 1 &&
         decrypt(ctx, &jose->part[TEXT], out, ret);
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

/* RFC 7518, 5.2.2: HMAC-SHA512 over header, nonce, text and the header's length in bits; its first half is the tag. */
static bool tag_fits(const struct ls_jose *jose, const unsigned char *key)
{
    const uint64_t bits = htobe64((uint64_t)jose->header_length * 8);
    unsigned char mac[crypto_auth_hmacsha512_BYTES];
    crypto_auth_hmacsha512_state state;
    bool fits;

    (void)crypto_auth_hmacsha512_init(&state, key, CBC_KEY / 2);
    (void)crypto_auth_hmacsha512_update(&state, (const unsigned char *)jose->text,
                                        jose->header_length);
    (void)crypto_auth_hmacsha512_update(&state, (const unsigned char *)jose->part[NONCE].data,
                                        jose->part[NONCE].size);
    (void)crypto_auth_hmacsha512_update(
        &state, (const unsigned char *)ls_buf_str(&jose->part[TEXT]), jose->part[TEXT].size);
    (void)crypto_auth_hmacsha512_update(&state, (const unsigned char *)&bits, sizeof bits);
    (void)crypto_auth_hmacsha512_final(&state, mac);
    fits = sodium_memcmp(mac, jose->part[TAG].data, TAG_MOST) == 0;
    sodium_memzero(mac, sizeof mac);
    sodium_memzero(&state, sizeof state);
    return fits;
}

static bool open_cbc(const struct ls_jose *jose, const unsigned char key[CBC_KEY],
                     unsigned char *out, size_t *ret)
{
    EVP_CIPHER_CTX *ctx;
    bool ok;

    if (jose->part[NONCE].size != 16 || jose->part[TAG].size != TAG_MOST || !tag_fits(jose, key))
        return false;
    ctx = EVP_CIPHER_CTX_new();
    ok = ctx &&
         EVP_DecryptInit_ex(ctx, EVP_aes_256_cbc(), NULL, key + CBC_KEY / 2,
                            (const unsigned char *)jose->part[NONCE].data) == 1 &&
         decrypt(ctx, &jose->part[TEXT], out, ret);
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

/* Opens with the keys that this enc and name leave. */
static enum ls_jose_fault open_token(const struct ls_nextauth *n, size_t name,
                                     const struct ls_jose *jose, unsigned char *out, size_t *ret)
{
    const char *alg = json_string_value(json_object_get(jose->header, "alg"));
    enum ls_jose_fault fault;
    const char *enc = ls_jose_header(jose, "enc", &fault);
    bool ok;

    if (fault != LS_JOSE_NONE || !enc)
        return LS_JOSE_HEADER;
    if (strcmp(alg, "dir") != 0 || jose->part[KEY].size != 0)
        return LS_JOSE_ALGORITHM;
    if (strcmp(enc, "A256GCM") == 0)
        ok = open_gcm(jose, n->four, out, ret) || open_gcm(jose, n->five[name].gcm, out, ret);
    else if (strcmp(enc, "A256CBC-HS512") == 0)
        ok = open_cbc(jose, n->five[name].cbc, out, ret);
    else
        return LS_JOSE_ALGORITHM;
    ERR_clear_error();
    return ok ? LS_JOSE_NONE : LS_JOSE_SIGNATURE;
}

static enum ls_jose_fault read_token(const struct ls_nextauth *n, size_t name, const char *value,
                                     size_t length, int64_t now_s, struct ls_jwt *ret)
{
    static const struct ls_jwt_rules rules;
    struct ls_jose jose;
    unsigned char *text = NULL;
    size_t size = 0;
    enum ls_jose_fault fault = ls_jose_read(value, length, 5, LS_NEXTAUTH_MOST, &jose);

    *ret = (struct ls_jwt){0};
    if (fault == LS_JOSE_NONE && !(text = malloc(jose.part[TEXT].size + 64)))
        fault = LS_JOSE_MEMORY;
    if (fault == LS_JOSE_NONE)
        fault = open_token(n, name, &jose, text, &size);
    if (fault == LS_JOSE_NONE)
        ret->claims = ls_jose_object(text, size, &fault);
    if (fault == LS_JOSE_NONE)
        fault = ls_jwt_claims_check(ret->claims, &rules, now_s, ret);
    if (fault != LS_JOSE_NONE)
        ls_jwt_done(ret);
    ls_secret_wipe(text, size);
    free(text);
    ls_jose_done(&jose);
    return fault;
}

enum ls_jose_fault ls_nextauth_read(const struct ls_nextauth *nextauth, const char *cookie,
                                    const char *value, size_t length, int64_t now_s,
                                    struct ls_jwt *ret)
{
    for (size_t i = 0; i < NAMES; i++)
        if (strcmp(names[i], cookie) == 0)
            return read_token(nextauth, i, value, length, now_s, ret);
    *ret = (struct ls_jwt){0};
    return LS_JOSE_KEY;
}

/* ---- the cookies of a request ---- */

/* NAME.0, NAME.1, ... together; false: there is no NAME.0, or one of them twice. */
static bool join_chunks(const struct ls_request *request, const char *name, struct ls_buf *out)
{
    struct ls_cookie cookie;
    char chunk[64];
    size_t count = 0;

    for (int i = 0; i < LS_NEXTAUTH_CHUNKS; i++) {
        snprintf(chunk, sizeof chunk, "%s.%d", name, i);
        if (!ls_cookie_find(request, chunk, &cookie, &count))
            return i > 0;
        if (count > 1)
            return false;
        ls_buf_add(out, cookie.value, cookie.value_length);
    }
    return true;
}

/* What is wrong with the cookies of one name; NONE: *ret is a session. *found stays when there are none. */
static enum ls_jose_fault read_name(const struct ls_nextauth *n, size_t name,
                                    const struct ls_request *request, int64_t now_s,
                                    struct ls_jwt *ret, bool *found)
{
    enum ls_jose_fault fault = LS_JOSE_KEY;
    struct ls_cookie cookie;
    struct ls_buf joined;
    size_t count = 0;

    if (ls_cookie_find(request, names[name], &cookie, &count)) {
        *found = true;
        fault = count == 1 ? read_token(n, name, cookie.value, cookie.value_length, now_s, ret)
                           : LS_JOSE_PARTS_FAULT;
        if (fault == LS_JOSE_NONE)
            return fault;
    }
    ls_buf_init(&joined, LS_NEXTAUTH_MOST + 1);
    if (join_chunks(request, names[name], &joined)) {
        *found = true;
        fault = joined.failed ? LS_JOSE_SIZE
                              : read_token(n, name, ls_buf_str(&joined), joined.size, now_s, ret);
    }
    ls_buf_done(&joined);
    return fault;
}

enum ls_jose_fault ls_nextauth_session(const struct ls_nextauth *nextauth,
                                       const struct ls_request *request, int64_t now_s,
                                       struct ls_jwt *ret, bool *ret_found)
{
    enum ls_jose_fault worst = LS_JOSE_KEY; /* never NONE without a session */

    *ret = (struct ls_jwt){0};
    *ret_found = false;
    for (size_t i = 0; i < NAMES; i++) {
        bool found = false;
        const enum ls_jose_fault fault = read_name(nextauth, i, request, now_s, ret, &found);

        *ret_found |= found;
        if (found && fault == LS_JOSE_NONE)
            return fault;
        if (found && worst != LS_JOSE_MEMORY)
            worst = fault;
    }
    return worst;
}
