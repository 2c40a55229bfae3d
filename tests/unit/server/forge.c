/* SPDX-License-Identifier: Apache-2.0 */
/* forge.c - keys, tokens signed with them, and tokens that somebody would like to pass. */
#include "forge.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"

#define POSTED "a symmetric key that was published"

static struct {
    struct ls_arena mem;
    EVP_PKEY *rsa, *other_rsa, *weak_rsa, *ec, *other_ec, *ed, *other_ed;
    char *set;
} all;

static EVP_PKEY *drawn(const char *type, size_t bits, const char *curve)
{
    EVP_PKEY *key = curve  ? EVP_PKEY_Q_keygen(NULL, NULL, type, curve)
                    : bits ? EVP_PKEY_Q_keygen(NULL, NULL, type, bits)
                           : EVP_PKEY_Q_keygen(NULL, NULL, type);

    assert_non_null(key);
    return key;
}

char *forge_text(const char *fmt, ...)
{
    va_list args;
    char *text;

    va_start(args, fmt);
    text = ls_arena_vprintf(&all.mem, fmt, args);
    va_end(args);
    assert_non_null(text);
    return text;
}

char *forge_base64url(const void *data, size_t size)
{
    struct ls_buf out;
    char *text;

    ls_buf_init(&out, 0);
    ls_text_base64url(&out, data, size);
    text = forge_text("%s", ls_buf_str(&out));
    ls_buf_done(&out);
    return text;
}

static char *number_of(EVP_PKEY *key, const char *name, int width)
{
    BIGNUM *n = NULL;
    unsigned char bytes[1024];
    int size;

    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &n), 1);
    size = width ? width : BN_num_bytes(n);
    assert_int_equal(BN_bn2binpad(n, bytes, size), size);
    BN_free(n);
    return forge_base64url(bytes, (size_t)size);
}

static char *raw_of(EVP_PKEY *key)
{
    unsigned char bytes[32];
    size_t size = sizeof bytes;

    assert_int_equal(EVP_PKEY_get_raw_public_key(key, bytes, &size), 1);
    return forge_base64url(bytes, size);
}

static char *rsa_jwk(EVP_PKEY *key, const char *more)
{
    return forge_text("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}",
                      number_of(key, OSSL_PKEY_PARAM_RSA_N, 0),
                      number_of(key, OSSL_PKEY_PARAM_RSA_E, 0), more);
}

static char *ec_jwk(EVP_PKEY *key, const char *more)
{
    return forge_text("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"%s}",
                      number_of(key, OSSL_PKEY_PARAM_EC_PUB_X, 32),
                      number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y, 32), more);
}

static void make_set(void)
{
    const char *x = number_of(all.ec, OSSL_PKEY_PARAM_EC_PUB_X, 32);

    all.set = forge_text(
        "{\"keys\":[%s,%s,%s,"
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\",\"kid\":\"ed\",\"alg\":\"EdDSA\"},"
        "{\"kty\":\"oct\",\"k\":\"%s\",\"kid\":\"secret\",\"alg\":\"HS256\"},"
        "%s,%s,%s,"
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\",\"kid\":\"bent\"}]}",
        rsa_jwk(all.rsa, ",\"kid\":\"rsa\",\"use\":\"sig\""),
        rsa_jwk(all.rsa, ",\"kid\":\"pss\",\"alg\":\"PS256\",\"key_ops\":[\"verify\"]"),
        ec_jwk(all.ec, ",\"kid\":\"ec\",\"alg\":\"ES256\""), raw_of(all.ed),
        forge_base64url(POSTED, strlen(POSTED)),
        ec_jwk(all.ec, ",\"kid\":\"private\",\"d\":\"AQAB\""),
        rsa_jwk(all.rsa, ",\"kid\":\"enc\",\"use\":\"enc\""),
        rsa_jwk(all.weak_rsa, ",\"kid\":\"weak\",\"alg\":\"RS256\""), x, x);
}

void forge_begin(void)
{
    assert_true(sodium_init() >= 0);
    ls_arena_init(&all.mem, 0);
    all.rsa = drawn("RSA", 2048, NULL);
    all.other_rsa = drawn("RSA", 2048, NULL);
    all.weak_rsa = drawn("RSA", 1024, NULL);
    all.ec = drawn("EC", 0, "P-256");
    all.other_ec = drawn("EC", 0, "P-256");
    all.ed = drawn("ED25519", 0, NULL);
    all.other_ed = drawn("ED25519", 0, NULL);
    make_set();
}

void forge_done(void)
{
    EVP_PKEY *keys[] = {all.rsa,      all.other_rsa, all.weak_rsa, all.ec,
                        all.other_ec, all.ed,        all.other_ed};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        EVP_PKEY_free(keys[i]);
    ls_arena_done(&all.mem);
}

const char *forge_set(void)
{
    return all.set;
}

/* ---- signatures: each gives its bytes into out and their number ---- */

static size_t hmac(const EVP_MD *md, const void *key, size_t size, const char *text,
                   unsigned char *out)
{
    unsigned length = 0;

    assert_non_null(HMAC(md, size ? key : "", (int)size, (const unsigned char *)text, strlen(text),
                         out, &length));
    return length;
}

static size_t with(EVP_PKEY *key, const EVP_MD *md, bool pss, const char *text, unsigned char *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *inner = NULL;
    size_t size = 1024;

    assert_int_equal(EVP_DigestSignInit(ctx, &inner, md, NULL, key), 1);
    if (pss) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(inner, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(inner, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    assert_int_equal(EVP_DigestSign(ctx, out, &size, (const unsigned char *)text, strlen(text)), 1);
    EVP_MD_CTX_free(ctx);
    return size;
}

static size_t pair(EVP_PKEY *key, const char *text, bool swapped, unsigned char out[64])
{
    unsigned char der[200];
    const unsigned char *at = der;
    const size_t size = with(key, EVP_sha256(), false, text, der);
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)size);

    assert_non_null(sig);
    BN_bn2binpad(ECDSA_SIG_get0_r(sig), out + (swapped ? 32 : 0), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + (swapped ? 0 : 32), 32);
    ECDSA_SIG_free(sig);
    return 64;
}

static size_t pem_hmac(const char *text, bool der, unsigned char *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    size_t size;
    long length;

    assert_int_equal(der ? i2d_PUBKEY_bio(bio, all.rsa) : PEM_write_bio_PUBKEY(bio, all.rsa), 1);
    length = BIO_get_mem_data(bio, &data);
    size = hmac(EVP_sha256(), data, (size_t)length, text, out);
    BIO_free(bio);
    return size;
}

static size_t modulus_hmac(const char *text, unsigned char *out)
{
    unsigned char bytes[256];
    BIGNUM *n = NULL;

    assert_int_equal(EVP_PKEY_get_bn_param(all.rsa, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    BN_bn2binpad(n, bytes, sizeof bytes);
    BN_free(n);
    return hmac(EVP_sha256(), bytes, sizeof bytes, text, out);
}

static size_t curve_order(unsigned char out[64])
{
    BIGNUM *order = NULL;

    assert_int_equal(EVP_PKEY_get_bn_param(all.ec, OSSL_PKEY_PARAM_EC_ORDER, &order), 1);
    BN_bn2binpad(order, out, 32);
    BN_bn2binpad(order, out + 32, 32);
    BN_free(order);
    return 64;
}

/* The signature's second half plus the order of the group, little-endian: the same point for whoever does not check. */
static size_t bent(const char *text, unsigned char out[64])
{
    static const unsigned char order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a,       0x63,
                                            0x12, 0x58, 0xd6, 0x9c, 0xf7,       0xa2,
                                            0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    unsigned carry = 0;

    with(all.ed, NULL, false, text, out);
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)out[32 + i] + order[i];
        out[32 + i] = (unsigned char)carry;
        carry >>= 8;
    }
    return 64;
}

static size_t zeros(size_t size, unsigned char *out)
{
    memset(out, 0, size);
    return size;
}

static size_t sign(enum forge_signer signer, const char *text, unsigned char *out)
{
    size_t size;

    switch (signer) {
    case SIGN_NOT:
        return 0;
    case SIGN_HS:
        return hmac(EVP_sha256(), FORGE_SECRET, strlen(FORGE_SECRET), text, out);
    case SIGN_HS384:
        return hmac(EVP_sha384(), FORGE_SECRET, strlen(FORGE_SECRET), text, out);
    case SIGN_HS512:
        return hmac(EVP_sha512(), FORGE_SECRET, strlen(FORGE_SECRET), text, out);
    case SIGN_OTHER_HS:
        return hmac(EVP_sha256(), "another", 7, text, out);
    case SIGN_EMPTY_HS:
        return hmac(EVP_sha256(), "", 0, text, out);
    case SIGN_PEM_HS:
        return pem_hmac(text, false, out);
    case SIGN_DER_HS:
        return pem_hmac(text, true, out);
    case SIGN_MODULUS_HS:
        return modulus_hmac(text, out);
    case SIGN_SET_HS:
        return hmac(EVP_sha256(), all.set, strlen(all.set), text, out);
    case SIGN_POSTED_HS:
        return hmac(EVP_sha256(), POSTED, strlen(POSTED), text, out);
    case SIGN_RS:
        return with(all.rsa, EVP_sha256(), false, text, out);
    case SIGN_RS384:
        return with(all.rsa, EVP_sha384(), false, text, out);
    case SIGN_PS:
        return with(all.rsa, EVP_sha256(), true, text, out);
    case SIGN_OTHER_RS:
        return with(all.other_rsa, EVP_sha256(), false, text, out);
    case SIGN_ZERO_RS:
        return zeros(256, out);
    case SIGN_ONE_RS:
        size = zeros(256, out);
        out[255] = 1;
        return size;
    case SIGN_ES:
        return pair(all.ec, text, false, out);
    case SIGN_OTHER_ES:
        return pair(all.other_ec, text, false, out);
    case SIGN_DER_ES:
        return with(all.ec, EVP_sha256(), false, text, out);
    case SIGN_SWAPPED_ES:
        return pair(all.ec, text, true, out);
    case SIGN_ZERO_ES:
        return zeros(64, out);
    case SIGN_ZERO_R_ES:
        size = pair(all.ec, text, false, out);
        memset(out, 0, 32);
        return size;
    case SIGN_ZERO_S_ES:
        size = pair(all.ec, text, false, out);
        memset(out + 32, 0, 32);
        return size;
    case SIGN_ORDER_ES:
        return curve_order(out);
    case SIGN_ED:
        return with(all.ed, NULL, false, text, out);
    case SIGN_OTHER_ED:
        return with(all.other_ed, NULL, false, text, out);
    case SIGN_ZERO_ED:
        return zeros(64, out);
    case SIGN_BENT_ED:
        return bent(text, out);
    default:
        return 0;
    }
}

char *forge_bytes(const void *header, size_t header_size, const void *payload, size_t payload_size,
                  enum forge_signer signer)
{
    unsigned char signature[1024];
    char *text = forge_text("%s.%s", forge_base64url(header, header_size),
                            forge_base64url(payload, payload_size));
    const size_t size = sign(signer, text, signature);

    return forge_text("%s.%s", text, forge_base64url(signature, size));
}

char *forge_token(const char *header, const char *payload, enum forge_signer signer)
{
    return forge_bytes(header, strlen(header), payload, strlen(payload), signer);
}
