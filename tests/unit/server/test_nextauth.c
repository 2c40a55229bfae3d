/* SPDX-License-Identifier: Apache-2.0 */
/* test_nextauth.c - sessions of NextAuth 4 and Auth.js 5: what those packages made, what we make like them, and forgeries.
 *
 * The four constants were made by next-auth 4.24.15 and @auth/core 0.41.3, for ten years; tests/e2e has both make new ones. The rest is
 * encrypted here with OpenSSL, its HKDF included, so that each thing can be wrong by itself. */
#include "forge.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "server/cookie.h"
#include "server/nextauth.h"

#define SECRET "a secret of the application, as long as it should be"
#define FOUR_NAME "next-auth.session-token"
#define FIVE_NAME "authjs.session-token"
#define SECURE_NAME "__Secure-authjs.session-token"

static const char four_token[] =
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..e3-YRxI07I4Fzv0B.nV6UEG-nMUuNyhbB8Sg5ZP-"
    "QpAtOTkhnEcs1ztPV3-oWNEa76RiAbJ9BiCuDB-snkIYE8re9PMDQ6X7Vt-nXgNFJgIbZ81cwJp2VndL3ZOrm8HAdFVP0J"
    "Op9KBAW_kpUU4ti1dIbcfi72xTXOAO-ga0KQl-dvbDO4Np6RSzKFauTdE-sbVCg-xjWy9ycHjD-lQ."
    "PrP5yHM9aQHmltssb1MPIw";
static const char five_token[] =
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwia2lkIjoieEdKRDBuTk1jUzRKbUtLYzZrMGU3RUhZbnRwR"
    "VNVZG1EZDBUMWVRbXduM01NNEMwTUxqSHhuSHRicWthS0VHVHpMTFZQRF9EME5SNmJFWGNmRjF1Q1EifQ.."
    "Ejoc8qTDa7j4iWidaND7Kw."
    "WadRdyiwESwQi0CVdnu3xxFdjOn8b1gtXlh4i9SxYsXUjLpxjmQN_wcfCIrthQEu7aJpZyLn0tumSUbYmoWFBP-"
    "fjiofPi2Z-ifygp-8_otF4bDV3ugWzT6c2ZaIfvy2iWIHVuIDNzs2LtoTxmWciRZPA8HFG-"
    "Lev3QR6bq21VBNGWIohO2CDetbKqs9CM9epFI75cxSQxmYdfFh11TS_g."
    "zK16OC02b6YsW6AFrB7rLhhwXjQvuN1JoPaloeNUmF4";
static const char secure_token[] =
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwia2lkIjoiMktobHdrWV9FNHAySHM0SWxBdDdvNVRjajVmSj"
    "YyeDVtTWtIbVl5V0ZJS0tyTVNfREdneXJQRHlpRU5YRjFLVWNfQjlHQ1FBdjJROTlRZ0p3Y24yTGcifQ.."
    "Vw7KrUskPF81jg-qL6s2og."
    "HAq_elvegP1rZsRtNZkcc35MG8leK6VUmMRlMm4A_jsmOzBmwrWf_"
    "saPjujSXx44fTyjAFCL3UcvDpZo6r4F4SjonCOmUCsaVOhLDrzRgu5PnolxU-"
    "ehhm39dLZgGI1eUS6uzNCYTgyLhPyVYJFrsUmaeX4gqFXt7aVkZiKgQRWNa7xvApAm5t_5Af9DSmzr_"
    "JbI0xIgBhi_WSlRdzLpyw.hTz5fSAwOsewRGFZYnRkolwTR7wb2QyAlGHMtvyrpXw";

#define GOOD "{\"sub\":\"u1\",\"role\":\"admin\",\"iat\":1799990000,\"exp\":1800003600}"
#define GCM "{\"alg\":\"dir\",\"enc\":\"A256GCM\"}"
#define CBC "{\"alg\":\"dir\",\"enc\":\"A256CBC-HS512\"}"

static struct ls_nextauth *nextauth;

/* ---- encrypting ---- */

static void derive(const char *secret, const char *salt, const char *info, unsigned char *out,
                   size_t size)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret,
                                          strlen(secret)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt,
                                          strlen(salt)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info,
                                          strlen(info)),
        OSSL_PARAM_construct_end(),
    };

    assert_int_equal(EVP_KDF_derive(ctx, out, size, params), 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

static void four_key(const char *secret, unsigned char out[32])
{
    derive(secret, "", "NextAuth.js Generated Encryption Key", out, 32);
}

static void five_key(const char *secret, const char *name, unsigned char *out, size_t size)
{
    derive(secret, name, forge_text("Auth.js Generated Encryption Key (%s)", name), out, size);
}

/* What is made otherwise than it should be. */
struct bend {
    const char *key; /* the second part: an encrypted key */
    size_t nonce;    /* bytes; 0: as many as there should be */
    size_t tag;      /* of the tag this many bytes are sent; 0: all; 99: none */
    bool wrong_tag, wrong_header, wrong_text, other_header;
};

static char *assembled(const char *header, const struct bend *bend, const unsigned char *nonce,
                       size_t nonce_size, unsigned char *text, size_t size, unsigned char *tag,
                       size_t tag_size)
{
    if (bend->wrong_tag)
        tag[0] ^= 1;
    if (bend->wrong_text)
        text[3] ^= 1;
    if (bend->tag)
        tag_size = bend->tag == 99 ? 0 : bend->tag;
    return forge_text("%s.%s.%s.%s.%s",
                      bend->other_header ? forge_base64url(GCM " ", sizeof GCM) : header,
                      bend->key ? forge_base64url(bend->key, strlen(bend->key)) : "",
                      forge_base64url(nonce, bend->nonce ? bend->nonce : nonce_size),
                      forge_base64url(text, size), forge_base64url(tag, tag_size));
}

static char *gcm(const char *header, const char *payload, const unsigned char key[32],
                 struct bend bend)
{
    const char *head = forge_base64url(header, strlen(header));
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char nonce[16] = "nonce of twelve", *text = malloc(strlen(payload) + 16),
                  tag[32] = {0};
    int n = 0, size = 0;
    char *token;

    EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, NULL, NULL);
    if (bend.nonce)
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)bend.nonce, NULL);
    assert_int_equal(EVP_EncryptInit_ex(ctx, NULL, NULL, key, nonce), 1);
    EVP_EncryptUpdate(ctx, NULL, &n, (const unsigned char *)head, (int)strlen(head));
    EVP_EncryptUpdate(ctx, text, &size, (const unsigned char *)payload, (int)strlen(payload));
    assert_int_equal(EVP_EncryptFinal_ex(ctx, text + size, &n), 1);
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag);
    EVP_CIPHER_CTX_free(ctx);
    token = assembled(head, &bend, nonce, 12, text, (size_t)size, tag, 16);
    free(text);
    return token;
}

static char *cbc(const char *header, const char *payload, const unsigned char key[64],
                 struct bend bend)
{
    const char *head = forge_base64url(header, strlen(header));
    const size_t head_size = strlen(head), room = head_size + strlen(payload) + 64;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char nonce[16] = "sixteen bytes it", tag[64], *text = malloc(room);
    unsigned char *all = malloc(room);
    unsigned tag_size = 0;
    size_t at;
    int n = 0, size = 0;
    char *token;

    assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_256_cbc(), NULL, key + 32, nonce), 1);
    EVP_EncryptUpdate(ctx, text, &size, (const unsigned char *)payload, (int)strlen(payload));
    assert_int_equal(EVP_EncryptFinal_ex(ctx, text + size, &n), 1);
    size += n;
    EVP_CIPHER_CTX_free(ctx);
    memcpy(all, head, head_size);
    at = head_size;
    memcpy(all + at, nonce, 16);
    memcpy(all + at + 16, text, (size_t)size);
    at += 16 + (size_t)size;
    for (int i = 7; i >= 0; i--)
        all[at++] = (unsigned char)((uint64_t)head_size * 8 >> (8 * i));
    HMAC(EVP_sha512(), key, 32, all, at, tag, &tag_size);
    token = assembled(head, &bend, nonce, 16, text, (size_t)size, tag, 32);
    free(all);
    free(text);
    return token;
}

/* ---- reading ---- */

static enum ls_jose_fault fault_of(const char *name, const char *value)
{
    struct ls_jwt jwt;
    const enum ls_jose_fault fault =
        ls_nextauth_read(nextauth, name, value, strlen(value), FORGE_NOW, &jwt);

    if (fault != LS_JOSE_NONE)
        assert_true(!jwt.claims && !jwt.subject);
    ls_jwt_done(&jwt);
    return fault;
}

static void sessions_of_the_real_packages_are_read(void **state)
{
    static const struct {
        const char *name, *value;
    } sessions[] = {{FOUR_NAME, four_token},
                    {"__Secure-next-auth.session-token", four_token},
                    {FIVE_NAME, five_token},
                    {SECURE_NAME, secure_token}};
    struct ls_jwt jwt;
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(ls_nextauth_read(nextauth, sessions[i].name, sessions[i].value,
                                          strlen(sessions[i].value), FORGE_NOW, &jwt),
                         LS_JOSE_NONE);
        assert_string_equal(jwt.subject, "u1");
        assert_string_equal(json_string_value(json_object_get(jwt.claims, "email")),
                            "ann@example.org");
        ls_jwt_done(&jwt);
    }
}

static void a_session_of_another_cookie_or_secret_is_refused(void **state)
{
    struct ls_nextauth *other = NULL;
    struct ls_error err;
    struct ls_jwt jwt;
    (void)state;

    assert_int_equal(fault_of(SECURE_NAME, five_token), LS_JOSE_SIGNATURE);
    assert_int_equal(fault_of(FOUR_NAME, five_token), LS_JOSE_SIGNATURE);
    assert_int_equal(fault_of("session", four_token), LS_JOSE_KEY);
    assert_int_equal(ls_nextauth_open("another secret of the application", &other, &err), LS_OK);
    assert_int_equal(
        ls_nextauth_read(other, FOUR_NAME, four_token, strlen(four_token), FORGE_NOW, &jwt),
        LS_JOSE_SIGNATURE);
    ls_nextauth_close(other);
}

static void a_short_secret_is_refused(void **state)
{
    struct ls_nextauth *none = NULL;
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_nextauth_open("", &none, &err), LS_CONFIG);
    assert_int_equal(ls_nextauth_open("fifteen letters", &none, &err), LS_CONFIG);
    assert_null(strstr(err.text, "fifteen"));
}

static void every_forgery_is_refused_for_its_reason(void **state)
{
    static const unsigned char zero[64];
    unsigned char four[32], five[32], cbc_key[64], other[64];
    const struct {
        const char *name, *cookie, *token;
        enum ls_jose_fault fault;
    } forgeries[] = {
        {"valid, version 4", FOUR_NAME,
         (four_key(SECRET, four), gcm(GCM, GOOD, four, (struct bend){0})), LS_JOSE_NONE},
        {"valid, version 5", FIVE_NAME,
         (five_key(SECRET, FIVE_NAME, cbc_key, 64), cbc(CBC, GOOD, cbc_key, (struct bend){0})),
         LS_JOSE_NONE},
        {"valid, version 5 with GCM", FIVE_NAME,
         (five_key(SECRET, FIVE_NAME, five, 32), gcm(GCM, GOOD, five, (struct bend){0})),
         LS_JOSE_NONE},
        {"another secret", FOUR_NAME,
         (four_key("another secret of another one", other),
          gcm(GCM, GOOD, other, (struct bend){0})),
         LS_JOSE_SIGNATURE},
        {"a key of zeros", FOUR_NAME, gcm(GCM, GOOD, zero, (struct bend){0}), LS_JOSE_SIGNATURE},
        {"a key of zeros, CBC", FIVE_NAME, cbc(CBC, GOOD, zero, (struct bend){0}),
         LS_JOSE_SIGNATURE},
        {"an empty secret", FOUR_NAME,
         (four_key("", other), gcm(GCM, GOOD, other, (struct bend){0})), LS_JOSE_SIGNATURE},
        {"the key of another cookie", FIVE_NAME,
         (five_key(SECRET, SECURE_NAME, other, 64), cbc(CBC, GOOD, other, (struct bend){0})),
         LS_JOSE_SIGNATURE},
        {"the key of version 4 twice", FIVE_NAME,
         (memcpy(other, four, 32), memcpy(other + 32, four, 32),
          cbc(CBC, GOOD, other, (struct bend){0})),
         LS_JOSE_SIGNATURE},
        {"a tag with a wrong bit", FOUR_NAME,
         gcm(GCM, GOOD, four, (struct bend){.wrong_tag = true}), LS_JOSE_SIGNATURE},
        {"a tag with a wrong bit, CBC", FIVE_NAME,
         cbc(CBC, GOOD, cbc_key, (struct bend){.wrong_tag = true}), LS_JOSE_SIGNATURE},
        {"content with a wrong bit", FOUR_NAME,
         gcm(GCM, GOOD, four, (struct bend){.wrong_text = true}), LS_JOSE_SIGNATURE},
        {"content with a wrong bit, CBC", FIVE_NAME,
         cbc(CBC, GOOD, cbc_key, (struct bend){.wrong_text = true}), LS_JOSE_SIGNATURE},
        {"another header than was sealed", FOUR_NAME,
         gcm(GCM, GOOD, four, (struct bend){.other_header = true}), LS_JOSE_SIGNATURE},
        {"a tag of one byte", FOUR_NAME, gcm(GCM, GOOD, four, (struct bend){.tag = 1}),
         LS_JOSE_SIGNATURE},
        {"a tag of 12 bytes", FOUR_NAME, gcm(GCM, GOOD, four, (struct bend){.tag = 12}),
         LS_JOSE_SIGNATURE},
        {"a tag with more behind it", FOUR_NAME, gcm(GCM, GOOD, four, (struct bend){.tag = 17}),
         LS_JOSE_SIGNATURE},
        {"no tag", FOUR_NAME, gcm(GCM, GOOD, four, (struct bend){.tag = 99}), LS_JOSE_SIGNATURE},
        {"half a tag, CBC", FIVE_NAME, cbc(CBC, GOOD, cbc_key, (struct bend){.tag = 16}),
         LS_JOSE_SIGNATURE},
        {"a whole HMAC for a tag, CBC", FIVE_NAME,
         cbc(CBC, GOOD, cbc_key, (struct bend){.tag = 64}), LS_JOSE_SIGNATURE},
        {"no tag, CBC", FIVE_NAME, cbc(CBC, GOOD, cbc_key, (struct bend){.tag = 99}),
         LS_JOSE_SIGNATURE},
        {"a nonce of 8 bytes", FOUR_NAME, gcm(GCM, GOOD, four, (struct bend){.nonce = 8}),
         LS_JOSE_SIGNATURE},
        {"a nonce of 16 bytes", FOUR_NAME, gcm(GCM, GOOD, four, (struct bend){.nonce = 16}),
         LS_JOSE_SIGNATURE},
        {"a nonce of 8 bytes, CBC", FIVE_NAME, cbc(CBC, GOOD, cbc_key, (struct bend){.nonce = 8}),
         LS_JOSE_SIGNATURE},
        {"a key that comes along", FOUR_NAME, gcm(GCM, GOOD, four, (struct bend){.key = "k"}),
         LS_JOSE_ALGORITHM},
        {"a wrapped key", FOUR_NAME,
         gcm("{\"alg\":\"A256KW\",\"enc\":\"A256GCM\"}", GOOD, four, (struct bend){.key = "k"}),
         LS_JOSE_ALGORITHM},
        {"another way to the key", FOUR_NAME,
         gcm("{\"alg\":\"PBES2-HS256+A128KW\",\"enc\":\"A256GCM\",\"p2c\":1000000000}", GOOD, four,
             (struct bend){0}),
         LS_JOSE_ALGORITHM},
        {"none", FOUR_NAME,
         gcm("{\"alg\":\"none\",\"enc\":\"A256GCM\"}", GOOD, four, (struct bend){0}),
         LS_JOSE_ALGORITHM},
        {"a shorter cipher", FOUR_NAME,
         gcm("{\"alg\":\"dir\",\"enc\":\"A128GCM\"}", GOOD, four, (struct bend){0}),
         LS_JOSE_ALGORITHM},
        {"the cipher's name in lower case", FOUR_NAME,
         gcm("{\"alg\":\"dir\",\"enc\":\"a256gcm\"}", GOOD, four, (struct bend){0}),
         LS_JOSE_ALGORITHM},
        {"no cipher", FOUR_NAME, gcm("{\"alg\":\"dir\"}", GOOD, four, (struct bend){0}),
         LS_JOSE_HEADER},
        {"a number for a cipher", FOUR_NAME,
         gcm("{\"alg\":\"dir\",\"enc\":1}", GOOD, four, (struct bend){0}), LS_JOSE_HEADER},
        {"two ciphers", FOUR_NAME,
         gcm("{\"alg\":\"dir\",\"enc\":\"A256GCM\",\"enc\":\"A256GCM\"}", GOOD, four,
             (struct bend){0}),
         LS_JOSE_HEADER},
        {"compressed", FOUR_NAME,
         gcm("{\"alg\":\"dir\",\"enc\":\"A256GCM\",\"zip\":\"DEF\"}", GOOD, four, (struct bend){0}),
         LS_JOSE_EXTENSION},
        {"an extension", FOUR_NAME,
         gcm("{\"alg\":\"dir\",\"enc\":\"A256GCM\",\"crit\":[\"enc\"]}", GOOD, four,
             (struct bend){0}),
         LS_JOSE_EXTENSION},
        {"GCM under the name of CBC", FIVE_NAME, gcm(CBC, GOOD, four, (struct bend){0}),
         LS_JOSE_SIGNATURE},
        {"expired", FOUR_NAME, gcm(GCM, "{\"exp\":1799990000}", four, (struct bend){0}),
         LS_JOSE_EXPIRED},
        {"no expiry", FOUR_NAME, gcm(GCM, "{\"sub\":\"u1\"}", four, (struct bend){0}),
         LS_JOSE_TIME},
        {"not yet", FOUR_NAME,
         gcm(GCM, "{\"exp\":1800003600,\"nbf\":1800003000}", four, (struct bend){0}),
         LS_JOSE_EARLY},
        {"content that is a token", FOUR_NAME,
         gcm(GCM, "eyJhbGciOiJub25lIn0.e30.", four, (struct bend){0}), LS_JOSE_CLAIMS},
        {"no content", FOUR_NAME, gcm(GCM, "", four, (struct bend){0}), LS_JOSE_CLAIMS},
        {"two roles", FOUR_NAME,
         gcm(GCM, "{\"role\":\"user\",\"role\":\"admin\",\"exp\":1800003600}", four,
             (struct bend){0}),
         LS_JOSE_CLAIMS},
        {"a signed token", FOUR_NAME, forge_token("{\"alg\":\"HS256\"}", GOOD, SIGN_HS),
         LS_JOSE_PARTS_FAULT},
        {"nothing", FOUR_NAME, "", LS_JOSE_PARTS_FAULT},
        {"dots", FOUR_NAME, "....", LS_JOSE_HEADER},
        {"a header alone", FOUR_NAME, forge_text("%s....", forge_base64url(GCM, strlen(GCM))),
         LS_JOSE_SIGNATURE},
        {"padding", FOUR_NAME, forge_text("%s=", four_token), LS_JOSE_ENCODING},
    };
    int wrong = 0;
    (void)state;

    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        const enum ls_jose_fault fault = fault_of(forgeries[i].cookie, forgeries[i].token);

        if (fault == forgeries[i].fault)
            continue;
        print_error("%s: \"%s\" instead of \"%s\"\n", forgeries[i].name, ls_jose_fault_text(fault),
                    ls_jose_fault_text(forgeries[i].fault));
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

/* Bit by bit, for both kinds. */
static void no_changed_session_is_taken(void **state)
{
    static const struct {
        const char *name, *value;
    } sessions[] = {{FOUR_NAME, four_token}, {FIVE_NAME, five_token}};
    char text[1000];
    (void)state;

    for (size_t k = 0; k < 2; k++) {
        const size_t length = strlen(sessions[k].value);

        for (size_t i = 0; i < length; i++)
            for (int bit = 0; bit < 8; bit++) {
                memcpy(text, sessions[k].value, length + 1);
                text[i] = (char)(text[i] ^ (1 << bit));
                if (text[i])
                    assert_int_not_equal(fault_of(sessions[k].name, text), LS_JOSE_NONE);
            }
    }
}

/* ---- cookies ---- */

static struct ls_request request_with(struct ls_pair *headers, size_t count)
{
    return (struct ls_request){.headers = headers, .header_count = count};
}

static enum ls_jose_fault session(const char *cookies, bool *found)
{
    struct ls_pair headers[] = {{"Host", "x"}, {"cookie", cookies}};
    const struct ls_request request = request_with(headers, 2);
    struct ls_jwt jwt;
    const enum ls_jose_fault fault =
        ls_nextauth_session(nextauth, &request, FORGE_NOW, &jwt, found);

    if (fault == LS_JOSE_NONE)
        assert_string_equal(jwt.subject, "u1");
    ls_jwt_done(&jwt);
    return fault;
}

static void a_session_is_found_among_the_cookies(void **state)
{
    const int half = 60;
    bool found = false;
    (void)state;

    assert_int_equal(session(forge_text("a=b; %s=%s; c=d", FOUR_NAME, four_token), &found),
                     LS_JOSE_NONE);
    assert_true(found);
    assert_int_equal(session(forge_text("%s=%s", SECURE_NAME, secure_token), &found), LS_JOSE_NONE);
    assert_int_equal(session(forge_text("%s.0=%.*s; %s.1=%s", FIVE_NAME, half, five_token,
                                        FIVE_NAME, five_token + half),
                             &found),
                     LS_JOSE_NONE);
    assert_int_equal(session(forge_text("%s.1=%s; %s.0=%.*s", FOUR_NAME, four_token + half,
                                        FOUR_NAME, half, four_token),
                             &found),
                     LS_JOSE_NONE); /* in any order */
    assert_true(found);
    assert_int_equal(session("a=b; next-auth.csrf-token=x", &found), LS_JOSE_KEY);
    assert_false(found);
    assert_int_equal(session("", &found), LS_JOSE_KEY);
    assert_false(found);
}

static void an_old_session_beside_a_new_one_does_no_harm(void **state)
{
    bool found = false;
    (void)state;

    assert_int_equal(
        session(forge_text("%s=x.y.z; %s=%s", FOUR_NAME, FIVE_NAME, five_token), &found),
        LS_JOSE_NONE);
    assert_int_equal(session(forge_text("%s=old; %s.0=%.*s; %s.1=%s", FOUR_NAME, FOUR_NAME, 60,
                                        four_token, FOUR_NAME, four_token + 60),
                             &found),
                     LS_JOSE_NONE);
    assert_int_equal(
        session(forge_text("%s=%s; %s.0=old", FOUR_NAME, four_token, FOUR_NAME), &found),
        LS_JOSE_NONE);
}

static void a_session_that_somebody_added_one_to_is_not_believed(void **state)
{
    bool found = false;
    (void)state;

    assert_int_equal(
        session(forge_text("%s=%s; %s=%s", FOUR_NAME, four_token, FOUR_NAME, four_token), &found),
        LS_JOSE_PARTS_FAULT);
    assert_true(found);
    assert_int_not_equal(
        session(forge_text("%s.0=%.*s; %s.0=%.*s; %s.1=%s", FOUR_NAME, 60, four_token, FOUR_NAME,
                           60, four_token, FOUR_NAME, four_token + 60),
                &found),
        LS_JOSE_NONE);
    assert_int_not_equal(session(forge_text("%s.0=%.*s; %s.2=%s", FOUR_NAME, 60, four_token,
                                            FOUR_NAME, four_token + 60),
                                 &found),
                         LS_JOSE_NONE); /* a gap */
    assert_int_not_equal(
        session(forge_text("%s=%s", "Next-Auth.Session-Token", four_token), &found), LS_JOSE_NONE);
    assert_false(found);
}

static void a_session_without_end_is_refused(void **state)
{
    char *chunk = malloc(4000);
    char *cookies = calloc(1, 60000);
    bool found = false;
    (void)state;

    memset(chunk, 'A', 3999);
    chunk[3999] = '\0';
    for (int i = 0; i < 12; i++)
        snprintf(cookies + strlen(cookies), 60000 - strlen(cookies), "%s.%d=%s; ", FOUR_NAME, i,
                 chunk);
    assert_int_equal(session(cookies, &found), LS_JOSE_SIZE);
    assert_true(found);
    free(cookies);
    free(chunk);
}

static void cookies_are_read_as_browsers_send_them(void **state)
{
    struct ls_pair headers[] = {{"Cookie", "a=1;b = 2 ; c=\"3\"; ; =x; d; e=f=g;; h=\t"},
                                {"X", "a=9"},
                                {"COOKIE", "i=4"},
                                {"cookie", ""},
                                {"cookie", ";"}};
    const struct ls_request request = request_with(headers, 5);
    struct ls_cookie_walk walk = {0};
    struct ls_cookie c;
    char seen[200] = "";
    (void)state;

    while (ls_cookie_next(&request, &walk, &c))
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%.*s:%.*s|", (int)c.name_length,
                 c.name, (int)c.value_length, c.value);
    assert_string_equal(seen, "a:1|b:2|c:3|e:f=g|h:|i:4|");
}

static void our_cookie_is_for_one_host_and_no_script(void **state)
{
    struct ls_arena mem;
    (void)state;

    ls_arena_init(&mem, 0);
    assert_string_equal(ls_cookie_session(&mem, true, "lss_x"),
                        "__Host-lockstep=lss_x; Path=/; HttpOnly; SameSite=Strict; Secure");
    assert_string_equal(ls_cookie_session(&mem, true, NULL),
                        "__Host-lockstep=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0");
    assert_string_equal(ls_cookie_session(&mem, false, "lss_x"),
                        "lockstep-local=lss_x; Path=/; HttpOnly; SameSite=Strict");
    ls_arena_done(&mem);
}

static int begin(void **state)
{
    struct ls_error err;
    (void)state;

    forge_begin();
    assert_int_equal(ls_nextauth_open(SECRET, &nextauth, &err), LS_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ls_nextauth_close(nextauth);
    forge_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_of_the_real_packages_are_read),
        cmocka_unit_test(a_session_of_another_cookie_or_secret_is_refused),
        cmocka_unit_test(a_short_secret_is_refused),
        cmocka_unit_test(every_forgery_is_refused_for_its_reason),
        cmocka_unit_test(no_changed_session_is_taken),
        cmocka_unit_test(a_session_is_found_among_the_cookies),
        cmocka_unit_test(an_old_session_beside_a_new_one_does_no_harm),
        cmocka_unit_test(a_session_that_somebody_added_one_to_is_not_believed),
        cmocka_unit_test(a_session_without_end_is_refused),
        cmocka_unit_test(cookies_are_read_as_browsers_send_them),
        cmocka_unit_test(our_cookie_is_for_one_host_and_no_script),
    };

    return cmocka_run_group_tests_name("server/nextauth", tests, begin, end);
}
