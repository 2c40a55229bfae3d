/* SPDX-License-Identifier: Apache-2.0 */
/* sign.c - secrets, and the signatures of what goes out.
 *
 * Three signatures go out at once where a delivery has them all, since they do not clash: the documented header, which
 * any program can check in a line; Standard Webhooks, which also covers id and time and so stops replays; and the JWT that the
 * receivers of QStash want. Each is made anew for each attempt: two of them carry the time of the attempt.
 *
 * A secret is kept twice, as the text that was given and as the bytes behind whsec_. Most schemes take the text as it
 * stands (Stripe too, whose secrets begin with whsec_ and are no base64 to it); Standard Webhooks decodes. Whoever mixes the two up
 * gets signatures that never fit, so explain.c tries both.
 *
 * No key is too short for us but the empty one: what a partner gives out is not ours to refuse.
 * Not done: ed25519 (v1a), which Standard Webhooks has for receivers that must not be able to sign. */
#include "event/sign.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "base/text.h"
#include "event/sign_priv.h"

#define JWT_BEFORE_S 60 /* receivers of QStash allow their clock no lag */
#define JWT_LIFE_S 300  /* as QStash's own */
#define MAC_BASE64 sodium_base64_ENCODED_LEN(LS_SIGN_MAC_BYTES, sodium_base64_VARIANT_ORIGINAL)

static const struct {
    const char *prefix, *word;
} forms[] = {
    [LS_SECRET_RAW] = {"", "raw"},
    [LS_SECRET_WHSEC] = {"whsec_", "whsec_"},
    [LS_SECRET_V1WHSEC] = {"v1,whsec_", "v1,whsec_"},
};

const char *ls_secret_form_word(enum ls_secret_form form)
{
    return (size_t)form < sizeof(forms) / sizeof(forms[0]) ? forms[form].word : "unknown";
}

/* The library's decoder takes any byte from 0x80 on for the last digit of its alphabet (as of 1.0.18). */
bool ls_sign_base64(unsigned char *out, size_t max, const char *text, size_t length, int variant,
                    size_t *ret_size)
{
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] >= 0x80)
            return false;
    }
    return sodium_base642bin(out, max, text, length, NULL, ret_size, NULL, variant) == 0;
}

bool ls_sign_unbase64(unsigned char *out, size_t max, const char *text, size_t length, int variant,
                      size_t *ret_size)
{
    int bare = variant == sodium_base64_VARIANT_URLSAFE ? sodium_base64_VARIANT_URLSAFE_NO_PADDING
                                                        : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;

    return ls_sign_base64(out, max, text, length, variant, ret_size) ||
           ls_sign_base64(out, max, text, length, bare, ret_size);
}

static enum ls_secret_form form_of(const char *text)
{
    if (ls_text_starts(text, forms[LS_SECRET_V1WHSEC].prefix))
        return LS_SECRET_V1WHSEC;
    return ls_text_starts(text, forms[LS_SECRET_WHSEC].prefix) ? LS_SECRET_WHSEC : LS_SECRET_RAW;
}

static bool is_half_of_a_pair(const char *text)
{
    return ls_text_starts(text, "whsk_") || ls_text_starts(text, "whpk_") ||
           ls_text_starts(text, "v1a,");
}

static bool decode(struct ls_secret *secret, unsigned char *key)
{
    const char *coded = secret->text + strlen(forms[secret->form].prefix);

    if (secret->form == LS_SECRET_RAW) {
        memcpy(key, secret->text, secret->text_size);
        secret->key_size = secret->text_size;
        return true;
    }
    return ls_sign_unbase64(key, secret->text_size, coded, strlen(coded),
                            sodium_base64_VARIANT_ORIGINAL, &secret->key_size) &&
           secret->key_size > 0;
}

enum ls_code ls_secret_read(const char *text, enum ls_sign_scheme scheme, struct ls_arena *mem,
                            struct ls_secret *ret, struct ls_error *err)
{
    struct ls_secret secret = {.form = form_of(text), .text_size = strlen(text)};
    unsigned char *key;

    if (secret.text_size == 0)
        return ls_error_set(err, LS_CONFIG, "a secret is empty: anybody could sign with it");
    if (ls_sign_decodes(scheme) && is_half_of_a_pair(text))
        return ls_error_set(err, LS_CONFIG,
                            "a secret is half of a key pair (ed25519), which is not supported: "
                            "take a shared secret, whsec_...");
    secret.text = ls_arena_text(mem, text);
    key = ls_arena_alloc(mem, secret.text_size);
    if (!secret.text || !key)
        return ls_error_nomem(err);
    secret.key = key;
    if (!decode(&secret, key)) {
        if (ls_sign_decodes(scheme))
            return ls_error_set(err, LS_CONFIG, "what follows %s in a secret is not base64",
                                forms[secret.form].prefix);
        secret.key_size = 0;
    }
    *ret = secret;
    return LS_OK;
}

/* The library's functions return 0, always. */
void ls_sign_mac(const void *key, size_t key_size, const struct ls_piece *pieces, size_t count,
                 unsigned char out[LS_SIGN_MAC_BYTES])
{
    crypto_auth_hmacsha256_state h;

    (void)crypto_auth_hmacsha256_init(&h, key, key_size);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].size) /* data may be NULL then */
            (void)crypto_auth_hmacsha256_update(&h, pieces[i].data, pieces[i].size);
    }
    (void)crypto_auth_hmacsha256_final(&h, out);
    sodium_memzero(&h, sizeof(h));
}

void ls_sign_documented(struct ls_buf *out, const struct ls_secret *secret, const void *body,
                        size_t size)
{
    struct ls_piece piece = {body, size};
    unsigned char mac[LS_SIGN_MAC_BYTES];

    ls_sign_mac(secret->text, secret->text_size, &piece, 1, mac);
    ls_text_hex(out, mac, sizeof(mac));
}

void ls_sign_standard(struct ls_buf *out, const struct ls_secret *secrets, size_t count,
                      const char *id, int64_t unix_s, const void *body, size_t size)
{
    struct ls_buf before;

    ls_buf_init(&before, 0);
    ls_buf_printf(&before, "%s.%" PRId64 ".", id, unix_s);
    for (size_t i = 0; i < count && !before.failed; i++) {
        struct ls_piece pieces[] = {{before.data, before.size}, {body, size}};
        unsigned char mac[LS_SIGN_MAC_BYTES];

        ls_sign_mac(secrets[i].key, secrets[i].key_size, pieces, 2, mac);
        ls_buf_text(out, i ? " v1," : "v1,");
        ls_text_base64(out, mac, sizeof(mac));
    }
    out->failed = out->failed || before.failed;
    ls_buf_done(&before);
}

/* Appends base64url without padding, as JWTs are written. size: 3072 at most. */
static void base64url(struct ls_buf *out, const void *data, size_t size)
{
    size_t room = sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);

    if (!ls_buf_reserve(out, room))
        return;
    sodium_bin2base64(out->data + out->size, room, data, size,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    out->size += room - 1; /* its NUL is ours */
}

/* {"iss":...}: written here and not by jansson, in the order of QStash's own tokens. */
static void jwt_claims(struct ls_buf *out, const char *url, const char *jti, int64_t unix_s,
                       const void *body, size_t size)
{
    unsigned char hash[crypto_hash_sha256_BYTES];

    (void)crypto_hash_sha256(hash, body, size);
    ls_buf_text(out, "{\"iss\":\"Upstash\",\"sub\":");
    ls_text_json(out, url, strlen(url));
    ls_buf_printf(out, ",\"exp\":%" PRId64 ",\"nbf\":%" PRId64 ",\"iat\":%" PRId64 ",\"jti\":",
                  unix_s + JWT_LIFE_S, unix_s - JWT_BEFORE_S, unix_s - JWT_BEFORE_S);
    ls_text_json(out, jti, strlen(jti));
    ls_buf_text(out, ",\"body\":\"");
    base64url(out, hash, sizeof(hash));
    ls_buf_text(out, "\"}");
}

void ls_sign_qstash(struct ls_buf *out, const struct ls_secret *secret, const char *url,
                    const char *jti, int64_t unix_s, const void *body, size_t size)
{
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    size_t start = out->size;
    unsigned char mac[LS_SIGN_MAC_BYTES];
    struct ls_buf claims;

    ls_buf_init(&claims, 0);
    jwt_claims(&claims, url, jti, unix_s, body, size);
    base64url(out, header, sizeof(header) - 1);
    ls_buf_char(out, '.');
    if (!claims.failed)
        base64url(out, claims.data, claims.size);
    if (!out->failed) {
        struct ls_piece piece = {out->data + start, out->size - start};

        ls_sign_mac(secret->text, secret->text_size, &piece, 1, mac);
        ls_buf_char(out, '.');
        base64url(out, mac, sizeof(mac));
    }
    out->failed = out->failed || claims.failed;
    ls_buf_done(&claims);
}
