/* SPDX-License-Identifier: Apache-2.0 */
/* jwt_keys.c - keys from a shared secret or a JWK set, and what they verify.
 *
 * The classic break of JWT is that the token chooses how it is checked: "none", or HS256 with an RSA key's public text for
 * a secret. Here a key knows one algorithm from the moment it is loaded, its OpenSSL or libsodium object fits no other, and the signature's
 * length is checked before anything else.
 *
 * A set that is fetched is published for everybody: a symmetric key in it is known to the world, and one with a
 * private part too. Both are ignored, not used "because they are there". Symmetric keys come from the configuration alone.
 *
 * HMAC is libsodium's (no allocation, constant time), the rest OpenSSL's EVP interface. Only EVP_DigestVerify() == 1 counts as valid. */
#include "server/jwt_keys.h"

#include <assert.h>
#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "server/jose.h"

#define RSA_LEAST_BITS 2048
#define RSA_MOST_BITS 8192 /* a larger one makes each check slow, whoever sends it */
#define KID_MOST 256       /* bytes */
#define COORDINATE_MOST 66 /* of P-521 */

static const struct {
    const char *name, *type, *curve;
    size_t bytes;
} algorithms[] = {
#define X(name, type, curve, bytes) {#name, type, curve, bytes},
    LS_JWT_ALGORITHMS(X)
#undef X
};

static const struct {
    const char *name, *group; /* group: as OpenSSL calls it */
    size_t bytes;             /* of a coordinate */
} curves[] = {{"P-256", "P-256", 32}, {"P-384", "P-384", 48}, {"P-521", "P-521", 66}};

struct ls_jwt_key {
    enum ls_jwt_algorithm algorithm;
    char *kid;      /* NULL: it has none */
    EVP_PKEY *pkey; /* NULL for HS256 */
    size_t secret_size, signature_size;
    unsigned char *secret;
};

struct ls_jwt_keys {
    size_t count;
    struct ls_jwt_key keys[LS_JWT_KEYS_MOST + 1]; /* and the secret */
};

const char *ls_jwt_algorithm_name(enum ls_jwt_algorithm algorithm)
{
    return algorithm < LS_JWT_ALGORITHM_COUNT ? algorithms[algorithm].name : "none";
}

enum ls_jwt_algorithm ls_jwt_algorithm_of(const char *name)
{
    enum ls_jwt_algorithm a = 0;

    while (a < LS_JWT_ALGORITHM_COUNT && strcmp(algorithms[a].name, name) != 0)
        a++;
    return a;
}

/* ---- the set ---- */

enum ls_code ls_jwt_keys_new(struct ls_jwt_keys **ret, struct ls_error *err)
{
    struct ls_jwt_keys *keys = calloc(1, sizeof *keys);

    if (!keys)
        return ls_error_nomem(err);
    *ret = keys;
    return LS_OK;
}

static void key_done(struct ls_jwt_key *key)
{
    ls_secret_wipe(key->secret, key->secret_size);
    free(key->secret);
    free(key->kid);
    EVP_PKEY_free(key->pkey);
    *key = (struct ls_jwt_key){0};
}

void ls_jwt_keys_free(struct ls_jwt_keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->count; i++)
        key_done(&keys->keys[i]);
    free(keys);
}

size_t ls_jwt_keys_count(const struct ls_jwt_keys *keys)
{
    return keys->count;
}

static const struct ls_jwt_key *find_kid(const struct ls_jwt_keys *keys, const char *kid)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->keys[i].kid && strcmp(keys->keys[i].kid, kid) == 0)
            return &keys->keys[i];
    return NULL;
}

/* The only one of its algorithm; NULL when there are none or several. */
static const struct ls_jwt_key *find_single(const struct ls_jwt_keys *keys,
                                            enum ls_jwt_algorithm algorithm)
{
    const struct ls_jwt_key *found = NULL;

    for (size_t i = 0; i < keys->count; i++)
        if (keys->keys[i].algorithm == algorithm) {
            if (found)
                return NULL;
            found = &keys->keys[i];
        }
    return found;
}

const struct ls_jwt_key *ls_jwt_keys_find(const struct ls_jwt_keys *keys, const char *kid,
                                          enum ls_jwt_algorithm claimed)
{
    const struct ls_jwt_key *key = kid ? find_kid(keys, kid) : NULL;

    if (!key &&
        (!kid || claimed == LS_JWT_HS256)) /* issuers name secrets, and we do not know how */
        key = find_single(keys, claimed);
    return key;
}

enum ls_jwt_algorithm ls_jwt_key_algorithm(const struct ls_jwt_key *key)
{
    return key->algorithm;
}

enum ls_code ls_jwt_keys_secret(struct ls_jwt_keys *keys, const void *secret, size_t size,
                                struct ls_error *err)
{
    struct ls_jwt_key *key = &keys->keys[keys->count];

    if (size < LS_JWT_SECRET_LEAST)
        return ls_error_set(err, LS_CONFIG,
                            "the secret of HS256 tokens has to have at least %d bytes, this one "
                            "has %zu",
                            LS_JWT_SECRET_LEAST, size);
    if (find_single(keys, LS_JWT_HS256) || keys->count > LS_JWT_KEYS_MOST)
        return ls_error_set(err, LS_INTERNAL, "a set of keys has one secret");
    *key = (struct ls_jwt_key){.algorithm = LS_JWT_HS256,
                               .signature_size = algorithms[LS_JWT_HS256].bytes};
    key->secret = malloc(size);
    if (!key->secret)
        return ls_error_nomem(err);
    memcpy(key->secret, secret, size);
    key->secret_size = size;
    keys->count++;
    return LS_OK;
}

/* ---- a key of a JWK set ---- */

/* A member that is a text, or NULL. */
static const char *text_of(const json_t *jwk, const char *name)
{
    return json_string_value(json_object_get(jwk, name));
}

/* The bytes of a base64url member; false when it is none. */
static bool bytes_of(const json_t *jwk, const char *name, struct ls_buf *out)
{
    const json_t *member = json_object_get(jwk, name);

    ls_buf_init(out, 4096);
    return json_is_string(member) &&
           ls_text_unbase64url(out, json_string_value(member), json_string_length(member)) &&
           !out->failed && out->size > 0;
}

static EVP_PKEY *pkey_from(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL), *check = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY *pkey = NULL;

    if (ctx && params && EVP_PKEY_fromdata_init(ctx) == 1 &&
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1)
        check = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    if (!check || EVP_PKEY_public_check(check) != 1) { /* on the curve; an odd modulus */
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(check);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

static const char *rsa_key(const json_t *jwk, struct ls_jwt_key *key)
{
    const char *why = "its modulus or exponent is not valid";
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *n = NULL, *e = NULL;
    struct ls_buf modulus = {0}, exponent = {0};
    const bool read = bytes_of(jwk, "n", &modulus) && bytes_of(jwk, "e", &exponent);

    if (read) {
        n = BN_bin2bn((const unsigned char *)modulus.data, (int)modulus.size, NULL);
        e = BN_bin2bn((const unsigned char *)exponent.data, (int)exponent.size, NULL);
    }
    if (n && e && (BN_num_bits(n) < RSA_LEAST_BITS || BN_num_bits(n) > RSA_MOST_BITS)) {
        why = "its modulus has not 2048 to 8192 bits";
    } else if (n && e && BN_is_odd(n) && BN_is_odd(e) && BN_num_bits(e) >= 2 &&
               BN_num_bits(e) <= 33 && build &&
               OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
               OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        key->pkey = pkey_from("RSA", build);
        if (key->pkey) {
            key->signature_size = (size_t)EVP_PKEY_get_size(key->pkey);
            why = NULL;
        }
    }
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(e);
    ls_buf_done(&modulus);
    ls_buf_done(&exponent);
    return why;
}

/* Both coordinates have all their bytes (RFC 7518, 6.2.1.2). */
static const char *ec_key(const json_t *jwk, struct ls_jwt_key *key)
{
    const char *why = "its point is not on its curve", *curve = algorithms[key->algorithm].curve;
    unsigned char point[1 + 2 * COORDINATE_MOST] = {POINT_CONVERSION_UNCOMPRESSED};
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    struct ls_buf x = {0}, y = {0};
    const bool read = bytes_of(jwk, "x", &x) && bytes_of(jwk, "y", &y);
    size_t i = 0;

    while (i + 1 < sizeof curves / sizeof *curves && strcmp(curves[i].name, curve) != 0)
        i++;
    if (!read || x.size != curves[i].bytes || y.size != curves[i].bytes) {
        why = "its coordinates do not have the length of its curve";
    } else {
        memcpy(point + 1, x.data, x.size);
        memcpy(point + 1 + x.size, y.data, y.size);
        if (build &&
            OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curves[i].group,
                                            0) == 1 &&
            OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point,
                                             1 + 2 * x.size) == 1)
            key->pkey = pkey_from("EC", build);
        if (key->pkey)
            why = NULL;
    }
    OSSL_PARAM_BLD_free(build);
    ls_buf_done(&x);
    ls_buf_done(&y);
    return why;
}

static const char *okp_key(const json_t *jwk, struct ls_jwt_key *key)
{
    const char *why = "its point does not have 32 bytes";
    struct ls_buf x;

    if (bytes_of(jwk, "x", &x) && x.size == crypto_sign_PUBLICKEYBYTES) {
        key->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
                                                (const unsigned char *)x.data, x.size);
        why = key->pkey ? NULL : "its point is not valid";
    }
    ls_buf_done(&x);
    return why;
}

/* Which algorithm a key is for: its alg, which has to fit its type and curve; without one, what they leave. */
static const char *bind(const json_t *jwk, struct ls_jwt_key *key)
{
    const json_t *alg = json_object_get(jwk, "alg");
    const char *type = text_of(jwk, "kty"), *curve = text_of(jwk, "crv");
    enum ls_jwt_algorithm a = LS_JWT_HS256 + 1;

    if (!type)
        return "it has no type";
    if (strcmp(type, "oct") == 0)
        return "a secret that is published is none";
    if (alg) {
        a = json_is_string(alg) ? ls_jwt_algorithm_of(json_string_value(alg))
                                : LS_JWT_ALGORITHM_COUNT;
        if (a == LS_JWT_HS256 || a == LS_JWT_ALGORITHM_COUNT)
            return "its algorithm is not known here";
    } else { /* the first of its type is the one without a choice, RS256 for RSA */
        while (a < LS_JWT_ALGORITHM_COUNT &&
               (strcmp(algorithms[a].type, type) != 0 ||
                (algorithms[a].curve && (!curve || strcmp(algorithms[a].curve, curve) != 0))))
            a++;
        if (a == LS_JWT_ALGORITHM_COUNT)
            return "its type or curve is not known here";
    }
    if (strcmp(algorithms[a].type, type) != 0)
        return "its type is not the one of its algorithm";
    if (algorithms[a].curve && (!curve || strcmp(algorithms[a].curve, curve) != 0))
        return "its curve is not the one of its algorithm";
    key->algorithm = a;
    key->signature_size = algorithms[a].bytes;
    return NULL;
}

static const char *purpose(const json_t *jwk)
{
    static const char *const private[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
    const json_t *use = json_object_get(jwk, "use"), *ops = json_object_get(jwk, "key_ops");
    bool verifies = !ops;

    for (size_t i = 0; i < sizeof private / sizeof *private; i++)
        if (json_object_get(jwk, private[i]))
            return "it has a private part, which is known to everybody now";
    if (use && (!json_is_string(use) || strcmp(json_string_value(use), "sig") != 0))
        return "it is not for signatures";
    for (size_t i = 0; i < json_array_size(ops); i++) {
        const char *op = json_string_value(json_array_get(ops, i));

        verifies |= op && strcmp(op, "verify") == 0;
    }
    return verifies ? NULL : "it is not for verifying";
}

/* Why a key cannot be used; NULL: it is in *key, which is then the caller's. */
static const char *load(const struct ls_jwt_keys *keys, const json_t *jwk, struct ls_jwt_key *key)
{
    const json_t *kid = json_object_get(jwk, "kid");
    const char *why = json_is_object(jwk) ? bind(jwk, key) : "it is no object";

    if (!why)
        why = purpose(jwk);
    if (!why && kid && (!json_is_string(kid) || json_string_length(kid) > KID_MOST))
        why = "its kid is not a text, or too long";
    if (!why && kid && find_kid(keys, json_string_value(kid)))
        why = "there is one with its kid already";
    if (!why && kid && !(key->kid = strdup(json_string_value(kid))))
        why = "out of memory";
    if (!why && strcmp(algorithms[key->algorithm].type, "RSA") == 0)
        why = rsa_key(jwk, key);
    else if (!why && strcmp(algorithms[key->algorithm].type, "EC") == 0)
        why = ec_key(jwk, key);
    else if (!why)
        why = okp_key(jwk, key);
    ERR_clear_error();
    return why;
}

static void add(struct ls_jwt_keys *keys, const json_t *jwk, size_t *usable)
{
    struct ls_jwt_key key = {0};
    const char *why = keys->count < LS_JWT_KEYS_MOST ? load(keys, jwk, &key) : "there are too many";
    const char *kid = text_of(jwk, "kid");

    if (why) {
        key_done(&key);
        ls_log(LS_LOG_WARN, "a key for tokens is ignored: %s (kid=%.100s)", why, kid ? kid : "");
        return;
    }
    keys->keys[keys->count++] = key;
    ++*usable;
}

enum ls_code ls_jwt_keys_set(struct ls_jwt_keys *keys, const char *json, size_t size,
                             size_t *ret_usable, struct ls_error *err)
{
    enum ls_jose_fault fault = LS_JOSE_CLAIMS;
    json_t *set = size <= LS_JWT_SET_MOST ? ls_jose_object(json, size, &fault) : NULL;
    const json_t *list = json_object_get(set, "keys");

    *ret_usable = 0;
    if (!json_is_array(list)) {
        json_decref(set);
        return fault == LS_JOSE_MEMORY
                   ? ls_error_nomem(err)
                   : ls_error_set(err, LS_DATA,
                                  "it is not a JSON object with an array named keys (RFC 7517)");
    }
    for (size_t i = 0; i < json_array_size(list); i++)
        add(keys, json_array_get(list, i), ret_usable);
    json_decref(set);
    return LS_OK;
}

/* ---- verifying ---- */

static bool hmac_verifies(const struct ls_jwt_key *key, const void *data, size_t size,
                          const void *signature)
{
    crypto_auth_hmacsha256_state state;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    bool same;

    (void)crypto_auth_hmacsha256_init(&state, key->secret, key->secret_size);
    (void)crypto_auth_hmacsha256_update(&state, data, size);
    (void)crypto_auth_hmacsha256_final(&state, mac);
    same = sodium_memcmp(mac, signature, sizeof mac) == 0;
    sodium_memzero(mac, sizeof mac);
    sodium_memzero(&state, sizeof state);
    return same;
}

/* OpenSSL takes two numbers as DER, JWS has them one behind the other. *ret is to be freed with OPENSSL_free(). */
static int ecdsa_der(const unsigned char *signature, size_t size, unsigned char **ret)
{
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, (int)(size / 2), NULL);
    BIGNUM *s = BN_bin2bn(signature + size / 2, (int)(size / 2), NULL);
    int length = -1;

    if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL; /* the pair's now */
        length = i2d_ECDSA_SIG(pair, ret);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return length;
}

static const EVP_MD *digest_of(enum ls_jwt_algorithm algorithm)
{
    const char *name = algorithms[algorithm].name;

    if (algorithm == LS_JWT_EdDSA)
        return NULL; /* has its own inside */
    return strcmp(name + 2, "256") == 0   ? EVP_sha256()
           : strcmp(name + 2, "384") == 0 ? EVP_sha384()
                                          : EVP_sha512();
}

static bool pkey_verifies(const struct ls_jwt_key *key, const void *data, size_t size,
                          const unsigned char *signature, size_t signature_size)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *inner = NULL; /* the ctx's own */
    bool ready =
        ctx && EVP_DigestVerifyInit(ctx, &inner, digest_of(key->algorithm), NULL, key->pkey) == 1;

    if (ready && algorithms[key->algorithm].name[0] == 'P')
        ready = EVP_PKEY_CTX_set_rsa_padding(inner, RSA_PKCS1_PSS_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_pss_saltlen(inner, RSA_PSS_SALTLEN_DIGEST) == 1;
    ready = ready && EVP_DigestVerify(ctx, signature, signature_size, data, size) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error(); /* a queue that a thread keeps for ever */
    return ready;
}

bool ls_jwt_key_verifies(const struct ls_jwt_key *key, const void *data, size_t size,
                         const void *signature, size_t signature_size)
{
    unsigned char *der = NULL;
    int length;
    bool valid;

    if (signature_size != key->signature_size)
        return false;
    if (key->algorithm == LS_JWT_HS256)
        return key->secret && hmac_verifies(key, data, size, signature);
    if (!key->pkey)
        return false;
    if (strcmp(algorithms[key->algorithm].type, "EC") != 0)
        return pkey_verifies(key, data, size, signature, signature_size);
    length = ecdsa_der(signature, signature_size, &der);
    valid = length > 0 && pkey_verifies(key, data, size, der, (size_t)length);
    OPENSSL_free(der);
    ERR_clear_error();
    return valid;
}
