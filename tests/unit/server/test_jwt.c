/* SPDX-License-Identifier: Apache-2.0 */
/* test_jwt.c - tokens that are valid, and everything that is not.
 *
 * The table of forgeries says for each which reason it is refused for: one that is refused for another reason is no
 * test of what it was made for. The random changes print their seed (LOCKSTEP_TEST_SEED=N draws them again). */
#include "forge.h"

#include <cjose/cjose.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "server/jwt.h"

#define ISSUER "https://auth.example.com/auth/v1"
#define CLAIMS \
    "\"iss\":\"" ISSUER "\",\"aud\":\"authenticated\",\"sub\":\"u1\",\"role\":\"authenticated\""
#define TIMES ",\"iat\":1799999990,\"exp\":1800003600"
#define GOOD "{" CLAIMS TIMES "}"
#define HS "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define RS "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"rsa\"}"
#define PS "{\"alg\":\"PS256\",\"typ\":\"JWT\",\"kid\":\"pss\"}"
#define ES "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"ec\"}"
#define ED "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"ed\"}"

static const char *const issuers[] = {"https://other.example.com", ISSUER};
static const char *const audiences[] = {"authenticated", "admins"};
static const struct ls_jwt_rules rules = {2, 2, issuers, audiences};
static struct ls_jwt_keys *keys;
static char warnings[4000];

static enum ls_jose_fault verify(const char *token, size_t length, struct ls_jwt *ret)
{
    return ls_jwt_verify(keys, &rules, token, length, FORGE_NOW, ret);
}

static enum ls_jose_fault fault_of(const char *token, size_t length)
{
    struct ls_jwt jwt;
    const enum ls_jose_fault fault = verify(token, length, &jwt);

    if (fault != LS_JOSE_NONE)
        assert_true(!jwt.claims && !jwt.subject && !jwt.expires_s);
    ls_jwt_done(&jwt);
    return fault;
}

/* ---- what is valid ---- */

static const struct {
    const char *name, *header, *payload;
    enum forge_signer signer;
} valid[] = {
    {"HS256", HS, GOOD, SIGN_HS},
    {"HS256 with a kid that is the issuer's", "{\"alg\":\"HS256\",\"kid\":\"wXy7\"}", GOOD,
     SIGN_HS},
    {"RS256", RS, GOOD, SIGN_RS},
    {"PS256", PS, GOOD, SIGN_PS},
    {"ES256", ES, GOOD, SIGN_ES},
    {"EdDSA", ED, GOOD, SIGN_ED},
    {"ES256 without kid: there is one such key", "{\"alg\":\"ES256\"}", GOOD, SIGN_ES},
    {"no type", "{\"alg\":\"HS256\"}", GOOD, SIGN_HS},
    {"type in lower case", "{\"alg\":\"HS256\",\"typ\":\"jwt\"}", GOOD, SIGN_HS},
    {"an access token", "{\"alg\":\"HS256\",\"typ\":\"application/at+jwt\"}", GOOD, SIGN_HS},
    {"thumbprints of certificates", "{\"alg\":\"HS256\",\"x5t\":\"abc\",\"x5t#S256\":\"abc\"}",
     GOOD, SIGN_HS},
    {"another issuer of the list", HS,
     "{\"iss\":\"https://other.example.com\",\"aud\":\"admins\"" TIMES "}", SIGN_HS},
    {"several audiences", HS, "{\"iss\":\"" ISSUER "\",\"aud\":[\"x\",\"admins\"]" TIMES "}",
     SIGN_HS},
    {"no subject", HS, "{\"iss\":\"" ISSUER "\",\"aud\":\"admins\"" TIMES "}", SIGN_HS},
    {"broken seconds", HS, "{" CLAIMS ",\"iat\":1799999990.25,\"exp\":1800003600.75}", SIGN_HS},
    {"expired within what clocks may differ", HS, "{" CLAIMS ",\"exp\":1799999971}", SIGN_HS},
    {"begins within what clocks may differ", HS,
     "{" CLAIMS ",\"nbf\":1800000030,\"iat\":1800000030,\"exp\":1800003600}", SIGN_HS},
    {"for ten years", HS, "{" CLAIMS ",\"exp\":2100000000}", SIGN_HS},
    {"blanks in the JSON", " { \"alg\" : \"HS256\" }\n", " " GOOD " ", SIGN_HS},
    {"a letter of another language", HS, "{" CLAIMS ",\"name\":\"Zo\xc3\xab\"" TIMES "}", SIGN_HS},
};

static void a_valid_token_is_taken(void **state)
{
    (void)state;

    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        const char *token = forge_token(valid[i].header, valid[i].payload, valid[i].signer);
        const enum ls_jose_fault fault = fault_of(token, strlen(token));

        if (fault != LS_JOSE_NONE)
            fail_msg("%s: %s", valid[i].name, ls_jose_fault_text(fault));
    }
}

static void what_a_token_says_is_handed_out(void **state)
{
    const char *token = forge_token(ES, GOOD, SIGN_ES);
    struct ls_jwt jwt;
    (void)state;

    assert_int_equal(verify(token, strlen(token), &jwt), LS_JOSE_NONE);
    assert_string_equal(jwt.subject, "u1");
    assert_true(jwt.expires_s == 1800003600);
    assert_string_equal(json_string_value(json_object_get(jwt.claims, "role")), "authenticated");
    ls_jwt_done(&jwt);
    ls_jwt_done(&jwt);
}

static void without_rules_any_issuer_and_audience_will_do(void **state)
{
    const struct ls_jwt_rules none = {0};
    const char *token = forge_token(HS, "{\"iss\":\"me\",\"exp\":1800000001}", SIGN_HS);
    struct ls_jwt jwt;
    (void)state;

    assert_int_equal(ls_jwt_verify(keys, &none, token, strlen(token), FORGE_NOW, &jwt),
                     LS_JOSE_NONE);
    ls_jwt_done(&jwt);
    assert_int_equal(fault_of(token, strlen(token)), LS_JOSE_ISSUER);
}

/* ---- forgeries by header, content and signature ---- */

#define X16 "xxxxxxxxxxxxxxxx"
#define X256 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16

static const struct forgery {
    const char *name, *header, *payload;
    enum forge_signer signer;
    enum ls_jose_fault fault;
} forgeries[] = {
    /* the algorithm */
    {"none", "{\"alg\":\"none\",\"typ\":\"JWT\"}", GOOD, SIGN_NOT, LS_JOSE_ALGORITHM},
    {"None", "{\"alg\":\"None\"}", GOOD, SIGN_NOT, LS_JOSE_ALGORITHM},
    {"NONE", "{\"alg\":\"NONE\"}", GOOD, SIGN_NOT, LS_JOSE_ALGORITHM},
    {"nOnE", "{\"alg\":\"nOnE\"}", GOOD, SIGN_NOT, LS_JOSE_ALGORITHM},
    {"none, but signed", "{\"alg\":\"none\"}", GOOD, SIGN_HS, LS_JOSE_ALGORITHM},
    {"an empty algorithm", "{\"alg\":\"\"}", GOOD, SIGN_HS, LS_JOSE_ALGORITHM},
    {"no algorithm", "{\"typ\":\"JWT\"}", GOOD, SIGN_HS, LS_JOSE_HEADER},
    {"a number for an algorithm", "{\"alg\":256}", GOOD, SIGN_HS, LS_JOSE_HEADER},
    {"null for an algorithm", "{\"alg\":null}", GOOD, SIGN_HS, LS_JOSE_HEADER},
    {"a list for an algorithm", "{\"alg\":[\"HS256\"]}", GOOD, SIGN_HS, LS_JOSE_HEADER},
    {"an algorithm with a blank", "{\"alg\":\"HS256 \"}", GOOD, SIGN_HS, LS_JOSE_ALGORITHM},
    {"an algorithm in lower case", "{\"alg\":\"hs256\"}", GOOD, SIGN_HS, LS_JOSE_ALGORITHM},
    {"another hash with the secret", "{\"alg\":\"HS384\"}", GOOD, SIGN_HS384, LS_JOSE_ALGORITHM},
    {"a longer hash with the secret", "{\"alg\":\"HS512\"}", GOOD, SIGN_HS512, LS_JOSE_ALGORITHM},
    {"an algorithm for encryption", "{\"alg\":\"dir\",\"enc\":\"A256GCM\"}", GOOD, SIGN_HS,
     LS_JOSE_ALGORITHM},
    {"a curve that is not known", "{\"alg\":\"ES256K\",\"kid\":\"ec\"}", GOOD, SIGN_ES,
     LS_JOSE_ALGORITHM},
    /* the secret */
    {"no signature", HS, GOOD, SIGN_NOT, LS_JOSE_SIGNATURE},
    {"another secret", HS, GOOD, SIGN_OTHER_HS, LS_JOSE_SIGNATURE},
    {"an empty secret", HS, GOOD, SIGN_EMPTY_HS, LS_JOSE_SIGNATURE},
    {"the public key as PEM for a secret", HS, GOOD, SIGN_PEM_HS, LS_JOSE_SIGNATURE},
    {"the public key as DER for a secret", HS, GOOD, SIGN_DER_HS, LS_JOSE_SIGNATURE},
    {"the modulus for a secret", HS, GOOD, SIGN_MODULUS_HS, LS_JOSE_SIGNATURE},
    {"the set of keys for a secret", HS, GOOD, SIGN_SET_HS, LS_JOSE_SIGNATURE},
    {"a secret that was published", "{\"alg\":\"HS256\",\"kid\":\"secret\"}", GOOD, SIGN_POSTED_HS,
     LS_JOSE_SIGNATURE},
    {"the longer hash under the name of the shorter", HS, GOOD, SIGN_HS512, LS_JOSE_SIGNATURE},
    /* one key's name with another algorithm */
    {"HS256 with the name of the RSA key", "{\"alg\":\"HS256\",\"kid\":\"rsa\"}", GOOD, SIGN_PEM_HS,
     LS_JOSE_ALGORITHM},
    {"the same, signed with the secret", "{\"alg\":\"HS256\",\"kid\":\"rsa\"}", GOOD, SIGN_HS,
     LS_JOSE_ALGORITHM},
    {"RS256 signed with the secret", RS, GOOD, SIGN_HS, LS_JOSE_SIGNATURE},
    {"RS256 with the name of the EC key", "{\"alg\":\"RS256\",\"kid\":\"ec\"}", GOOD, SIGN_RS,
     LS_JOSE_ALGORITHM},
    {"ES256 with the name of the RSA key", "{\"alg\":\"ES256\",\"kid\":\"rsa\"}", GOOD, SIGN_ES,
     LS_JOSE_ALGORITHM},
    {"PS256 with the name of the RS256 key", "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", GOOD, SIGN_PS,
     LS_JOSE_ALGORITHM},
    {"RS256 with the name of the PS256 key", "{\"alg\":\"RS256\",\"kid\":\"pss\"}", GOOD, SIGN_RS,
     LS_JOSE_ALGORITHM},
    {"ES512 with the name of the P-256 key", "{\"alg\":\"ES512\",\"kid\":\"ec\"}", GOOD, SIGN_ES,
     LS_JOSE_ALGORITHM},
    {"EdDSA with the name of the EC key", "{\"alg\":\"EdDSA\",\"kid\":\"ec\"}", GOOD, SIGN_ED,
     LS_JOSE_ALGORITHM},
    /* kid */
    {"a kid that nobody has", "{\"alg\":\"RS256\",\"kid\":\"gone\"}", GOOD, SIGN_RS, LS_JOSE_KEY},
    {"an empty kid", "{\"alg\":\"RS256\",\"kid\":\"\"}", GOOD, SIGN_RS, LS_JOSE_KEY},
    {"a kid that begins right", "{\"alg\":\"RS256\",\"kid\":\"rsa2\"}", GOOD, SIGN_RS, LS_JOSE_KEY},
    {"a kid in capitals", "{\"alg\":\"RS256\",\"kid\":\"RSA\"}", GOOD, SIGN_RS, LS_JOSE_KEY},
    {"a path for a kid", "{\"alg\":\"HS256\",\"kid\":\"../../../../dev/null\"}", GOOD,
     SIGN_EMPTY_HS, LS_JOSE_SIGNATURE},
    {"SQL for a kid", "{\"alg\":\"HS256\",\"kid\":\"x' UNION SELECT 'another'--\"}", GOOD,
     SIGN_OTHER_HS, LS_JOSE_SIGNATURE},
    {"a URL for a kid", "{\"alg\":\"RS256\",\"kid\":\"https://evil.example/k\"}", GOOD,
     SIGN_OTHER_RS, LS_JOSE_KEY},
    {"a kid with a NUL", "{\"alg\":\"RS256\",\"kid\":\"rsa\\u0000x\"}", GOOD, SIGN_RS,
     LS_JOSE_HEADER},
    {"a number for a kid", "{\"alg\":\"RS256\",\"kid\":1}", GOOD, SIGN_RS, LS_JOSE_HEADER},
    {"null for a kid", "{\"alg\":\"RS256\",\"kid\":null}", GOOD, SIGN_RS, LS_JOSE_HEADER},
    {"an object for a kid", "{\"alg\":\"RS256\",\"kid\":{\"kid\":\"rsa\"}}", GOOD, SIGN_RS,
     LS_JOSE_HEADER},
    {"a key for encryption", "{\"alg\":\"RS256\",\"kid\":\"enc\"}", GOOD, SIGN_RS, LS_JOSE_KEY},
    {"a key that lost its private part", "{\"alg\":\"ES256\",\"kid\":\"private\"}", GOOD, SIGN_ES,
     LS_JOSE_KEY},
    {"a key off its curve", "{\"alg\":\"ES256\",\"kid\":\"bent\"}", GOOD, SIGN_ES, LS_JOSE_KEY},
    {"a key of 1024 bits", "{\"alg\":\"RS256\",\"kid\":\"weak\"}", GOOD, SIGN_RS, LS_JOSE_KEY},
    /* headers that want more */
    {"a key that comes along", "{\"alg\":\"RS256\",\"jwk\":{\"kty\":\"RSA\"}}", GOOD, SIGN_OTHER_RS,
     LS_JOSE_EXTENSION},
    {"the place of a key", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jku\":\"https://evil.example/\"}",
     GOOD, SIGN_RS, LS_JOSE_EXTENSION},
    {"the place of a certificate", "{\"alg\":\"RS256\",\"x5u\":\"https://evil.example/\"}", GOOD,
     SIGN_OTHER_RS, LS_JOSE_EXTENSION},
    {"a certificate", "{\"alg\":\"RS256\",\"x5c\":[\"MII\"]}", GOOD, SIGN_OTHER_RS,
     LS_JOSE_EXTENSION},
    {"an extension", "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", GOOD, SIGN_HS,
     LS_JOSE_EXTENSION},
    {"no extension, said so", "{\"alg\":\"HS256\",\"crit\":[]}", GOOD, SIGN_HS, LS_JOSE_EXTENSION},
    {"content that is not encoded", "{\"alg\":\"HS256\",\"b64\":false}", GOOD, SIGN_HS,
     LS_JOSE_EXTENSION},
    {"content that is compressed", "{\"alg\":\"HS256\",\"zip\":\"DEF\"}", GOOD, SIGN_HS,
     LS_JOSE_EXTENSION},
    {"another type", "{\"alg\":\"HS256\",\"typ\":\"JWE\"}", GOOD, SIGN_HS, LS_JOSE_TYPE},
    {"a logout token", "{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}", GOOD, SIGN_HS, LS_JOSE_TYPE},
    {"a proof of possession", "{\"alg\":\"HS256\",\"typ\":\"dpop+jwt\"}", GOOD, SIGN_HS,
     LS_JOSE_TYPE},
    {"an empty type", "{\"alg\":\"HS256\",\"typ\":\"\"}", GOOD, SIGN_HS, LS_JOSE_TYPE},
    {"a number for a type", "{\"alg\":\"HS256\",\"typ\":1}", GOOD, SIGN_HS, LS_JOSE_HEADER},
    {"a token in a token", "{\"alg\":\"HS256\",\"cty\":\"JWT\"}", GOOD, SIGN_HS, LS_JOSE_TYPE},
    /* headers that are none */
    {"two algorithms, none first", "{\"alg\":\"none\",\"alg\":\"HS256\"}", GOOD, SIGN_HS,
     LS_JOSE_HEADER},
    {"two algorithms, none last", "{\"alg\":\"HS256\",\"alg\":\"none\"}", GOOD, SIGN_HS,
     LS_JOSE_HEADER},
    {"two kids", "{\"alg\":\"RS256\",\"kid\":\"gone\",\"kid\":\"rsa\"}", GOOD, SIGN_RS,
     LS_JOSE_HEADER},
    {"two algorithms, one in escapes", "{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}", GOOD, SIGN_HS,
     LS_JOSE_HEADER},
    {"a header that is a list", "[\"HS256\"]", GOOD, SIGN_HS, LS_JOSE_HEADER},
    {"a header that is a text", "\"HS256\"", GOOD, SIGN_HS, LS_JOSE_HEADER},
    {"an empty header", "", GOOD, SIGN_HS, LS_JOSE_HEADER},
    {"a header with something behind it", HS "x", GOOD, SIGN_HS, LS_JOSE_HEADER},
    {"a second header behind it", HS HS, GOOD, SIGN_HS, LS_JOSE_HEADER},
    {"a header with a byte order mark", "\xef\xbb\xbf" HS, GOOD, SIGN_HS, LS_JOSE_HEADER},
    {"a header that is no UTF-8", "{\"alg\":\"HS256\",\"x\":\"\xff\"}", GOOD, SIGN_HS,
     LS_JOSE_HEADER},
    {"a header in other quotes", "{'alg':'HS256'}", GOOD, SIGN_HS, LS_JOSE_HEADER},
    {"a header that is cut", "{\"alg\":\"HS256\"", GOOD, SIGN_HS, LS_JOSE_HEADER},
    /* signatures of RSA */
    {"another RSA key", RS, GOOD, SIGN_OTHER_RS, LS_JOSE_SIGNATURE},
    {"an RSA signature of zeros", RS, GOOD, SIGN_ZERO_RS, LS_JOSE_SIGNATURE},
    {"an RSA signature of one", RS, GOOD, SIGN_ONE_RS, LS_JOSE_SIGNATURE},
    {"an RSA signature over another hash", RS, GOOD, SIGN_RS384, LS_JOSE_SIGNATURE},
    {"PSS where PKCS #1 is meant", RS, GOOD, SIGN_PS, LS_JOSE_SIGNATURE},
    {"PKCS #1 where PSS is meant", PS, GOOD, SIGN_RS, LS_JOSE_SIGNATURE},
    {"two RS256 keys would do, and none is named", "{\"alg\":\"PS384\"}", GOOD, SIGN_PS,
     LS_JOSE_KEY},
    /* signatures of curves */
    {"another EC key", ES, GOOD, SIGN_OTHER_ES, LS_JOSE_SIGNATURE},
    {"an EC signature of zeros", ES, GOOD, SIGN_ZERO_ES, LS_JOSE_SIGNATURE},
    {"r is zero", ES, GOOD, SIGN_ZERO_R_ES, LS_JOSE_SIGNATURE},
    {"s is zero", ES, GOOD, SIGN_ZERO_S_ES, LS_JOSE_SIGNATURE},
    {"r and s are the order", ES, GOOD, SIGN_ORDER_ES, LS_JOSE_SIGNATURE},
    {"an EC signature as DER", ES, GOOD, SIGN_DER_ES, LS_JOSE_SIGNATURE},
    {"s before r", ES, GOOD, SIGN_SWAPPED_ES, LS_JOSE_SIGNATURE},
    {"an EC token without signature", ES, GOOD, SIGN_NOT, LS_JOSE_SIGNATURE},
    {"another Ed25519 key", ED, GOOD, SIGN_OTHER_ED, LS_JOSE_SIGNATURE},
    {"an Ed25519 signature of zeros", ED, GOOD, SIGN_ZERO_ED, LS_JOSE_SIGNATURE},
    {"an Ed25519 signature with s beyond the order", ED, GOOD, SIGN_BENT_ED, LS_JOSE_SIGNATURE},
    {"an EC signature for Ed25519", ED, GOOD, SIGN_ES, LS_JOSE_SIGNATURE},
    /* times */
    {"no expiry", HS, "{" CLAIMS "}", SIGN_HS, LS_JOSE_TIME},
    {"expired", HS, "{" CLAIMS ",\"exp\":1799999000}", SIGN_HS, LS_JOSE_EXPIRED},
    {"expired just now", HS, "{" CLAIMS ",\"exp\":1799999970}", SIGN_HS, LS_JOSE_EXPIRED},
    {"an expiry as text", HS, "{" CLAIMS ",\"exp\":\"1800003600\"}", SIGN_HS, LS_JOSE_TIME},
    {"an expiry of null", HS, "{" CLAIMS ",\"exp\":null}", SIGN_HS, LS_JOSE_TIME},
    {"an expiry of true", HS, "{" CLAIMS ",\"exp\":true}", SIGN_HS, LS_JOSE_TIME},
    {"an expiry in a list", HS, "{" CLAIMS ",\"exp\":[1800003600]}", SIGN_HS, LS_JOSE_TIME},
    {"an expiry before time", HS, "{" CLAIMS ",\"exp\":-1}", SIGN_HS, LS_JOSE_TIME},
    {"an expiry of 1e300", HS, "{" CLAIMS ",\"exp\":1e300}", SIGN_HS, LS_JOSE_TIME},
    {"an expiry of 1e999", HS, "{" CLAIMS ",\"exp\":1e999}", SIGN_HS, LS_JOSE_CLAIMS},
    {"an expiry beyond 64 bits", HS, "{" CLAIMS ",\"exp\":99999999999999999999}", SIGN_HS,
     LS_JOSE_CLAIMS},
    {"an expiry at the end of 64 bits", HS, "{" CLAIMS ",\"exp\":9223372036854775807}", SIGN_HS,
     LS_JOSE_TIME},
    {"an expiry of NaN", HS, "{" CLAIMS ",\"exp\":NaN}", SIGN_HS, LS_JOSE_CLAIMS},
    {"an expiry in milliseconds", HS, "{" CLAIMS ",\"exp\":1800003600000}", SIGN_HS, LS_JOSE_TIME},
    {"two expiries", HS, "{" CLAIMS ",\"exp\":1,\"exp\":1800003600}", SIGN_HS, LS_JOSE_CLAIMS},
    {"not yet", HS, "{" CLAIMS ",\"nbf\":1800000031,\"exp\":1800003600}", SIGN_HS, LS_JOSE_EARLY},
    {"a beginning as text", HS, "{" CLAIMS ",\"nbf\":\"0\",\"exp\":1800003600}", SIGN_HS,
     LS_JOSE_TIME},
    {"issued in the future", HS, "{" CLAIMS ",\"iat\":1800000100,\"exp\":1800003600}", SIGN_HS,
     LS_JOSE_EARLY},
    {"issued at a text", HS, "{" CLAIMS ",\"iat\":\"now\",\"exp\":1800003600}", SIGN_HS,
     LS_JOSE_TIME},
    /* issuer, audience, subject */
    {"another issuer", HS, "{\"iss\":\"https://evil.example\",\"aud\":\"admins\"" TIMES "}",
     SIGN_HS, LS_JOSE_ISSUER},
    {"no issuer", HS, "{\"aud\":\"admins\"" TIMES "}", SIGN_HS, LS_JOSE_ISSUER},
    {"an issuer with a slash more", HS, "{\"iss\":\"" ISSUER "/\",\"aud\":\"admins\"" TIMES "}",
     SIGN_HS, LS_JOSE_ISSUER},
    {"the issuer in a list", HS, "{\"iss\":[\"" ISSUER "\"],\"aud\":\"admins\"" TIMES "}", SIGN_HS,
     LS_JOSE_ISSUER},
    {"an issuer with a NUL", HS, "{\"iss\":\"" ISSUER "\\u0000\",\"aud\":\"admins\"" TIMES "}",
     SIGN_HS, LS_JOSE_CLAIMS},
    {"another audience", HS, "{\"iss\":\"" ISSUER "\",\"aud\":\"others\"" TIMES "}", SIGN_HS,
     LS_JOSE_AUDIENCE},
    {"no audience", HS, "{\"iss\":\"" ISSUER "\"" TIMES "}", SIGN_HS, LS_JOSE_AUDIENCE},
    {"a part of the audience", HS, "{\"iss\":\"" ISSUER "\",\"aud\":\"admin\"" TIMES "}", SIGN_HS,
     LS_JOSE_AUDIENCE},
    {"no audience in a list", HS, "{\"iss\":\"" ISSUER "\",\"aud\":[]" TIMES "}", SIGN_HS,
     LS_JOSE_AUDIENCE},
    {"audiences of which one is no text", HS,
     "{\"iss\":\"" ISSUER "\",\"aud\":[\"admins\",1]" TIMES "}", SIGN_HS, LS_JOSE_AUDIENCE},
    {"the audience in an object", HS, "{\"iss\":\"" ISSUER "\",\"aud\":{\"admins\":1}" TIMES "}",
     SIGN_HS, LS_JOSE_AUDIENCE},
    {"a number for a subject", HS, "{\"iss\":\"" ISSUER "\",\"aud\":\"admins\",\"sub\":1" TIMES "}",
     SIGN_HS, LS_JOSE_SUBJECT},
    {"an empty subject", HS, "{\"iss\":\"" ISSUER "\",\"aud\":\"admins\",\"sub\":\"\"" TIMES "}",
     SIGN_HS, LS_JOSE_SUBJECT},
    {"a subject without end", HS,
     "{\"iss\":\"" ISSUER "\",\"aud\":\"admins\",\"sub\":\"" X256 "\"" TIMES "}", SIGN_HS,
     LS_JOSE_SUBJECT},
    /* content that is none */
    {"two roles", HS, "{" CLAIMS ",\"role\":\"service_role\"" TIMES "}", SIGN_HS, LS_JOSE_CLAIMS},
    {"content that is a list", HS, "[" GOOD "]", SIGN_HS, LS_JOSE_CLAIMS},
    {"content that is a text", HS, "\"admin\"", SIGN_HS, LS_JOSE_CLAIMS},
    {"no content", HS, "", SIGN_HS, LS_JOSE_CLAIMS},
    {"content with something behind it", HS, GOOD "}", SIGN_HS, LS_JOSE_CLAIMS},
    {"content that is no UTF-8", HS, "{" CLAIMS ",\"name\":\"\xc0\xaf\"" TIMES "}", SIGN_HS,
     LS_JOSE_CLAIMS},
};

static void every_forgery_is_refused_for_its_reason(void **state)
{
    const size_t count = sizeof forgeries / sizeof *forgeries;
    int wrong = 0;
    (void)state;

    assert_true(count >= 120);
    for (size_t i = 0; i < count; i++) {
        const struct forgery *f = &forgeries[i];
        const char *token = forge_token(f->header, f->payload, f->signer);
        const enum ls_jose_fault fault = fault_of(token, strlen(token));

        if (fault == f->fault)
            continue;
        print_error("%s: \"%s\" instead of \"%s\"\n", f->name, ls_jose_fault_text(fault),
                    ls_jose_fault_text(f->fault));
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

/* ---- forgeries by the text itself ---- */

static char *part(const char *token, int n)
{
    char text[2000] = "";
    size_t length;

    while (n-- > 0)
        token += strcspn(token, ".") + 1;
    length = strcspn(token, ".");
    assert_true(length < sizeof text);
    memcpy(text, token, length);
    return forge_text("%s", text);
}

static void a_text_that_is_not_three_canonical_parts_is_refused(void **state)
{
    const char *good = forge_token(HS, GOOD, SIGN_HS), *other = forge_token(RS, GOOD, SIGN_RS);
    const char *h = part(good, 0), *p = part(good, 1), *s = part(good, 2);
    const size_t last = strlen(s) - 1;
    const struct {
        const char *name, *text;
        enum ls_jose_fault fault;
    } texts[] = {
        {"nothing", "", LS_JOSE_PARTS_FAULT},
        {"a word", "admin", LS_JOSE_ENCODING},
        {"a dot", ".", LS_JOSE_PARTS_FAULT},
        {"two dots", "..", LS_JOSE_HEADER},
        {"four dots", "....", LS_JOSE_PARTS_FAULT},
        {"one part", h, LS_JOSE_PARTS_FAULT},
        {"two parts", forge_text("%s.%s", h, p), LS_JOSE_PARTS_FAULT},
        {"two parts and a dot", forge_text("%s.%s.", h, p), LS_JOSE_SIGNATURE},
        {"four parts", forge_text("%s.%s.%s.%s", h, p, s, s), LS_JOSE_PARTS_FAULT},
        {"a dot behind", forge_text("%s.", good), LS_JOSE_PARTS_FAULT},
        {"a dot before", forge_text(".%s", good), LS_JOSE_PARTS_FAULT},
        {"five parts, as if encrypted", forge_text("%s.%s.%s.%s.%s", h, s, p, p, s),
         LS_JOSE_PARTS_FAULT},
        {"no header", forge_text(".%s.%s", p, s), LS_JOSE_HEADER},
        {"no content", forge_text("%s..%s", h, s), LS_JOSE_SIGNATURE},
        {"padding", forge_text("%s.%s.%s=", h, p, s), LS_JOSE_ENCODING},
        {"padding in the middle", forge_text("%s==.%s.%s", h, p, s), LS_JOSE_ENCODING},
        {"the other alphabet", forge_text("%s.%s.%.*s+", h, p, (int)last, s), LS_JOSE_ENCODING},
        {"a slash", forge_text("%s.%s.%.*s/", h, p, (int)last, s), LS_JOSE_ENCODING},
        {"a line break at the end", forge_text("%s\n", good), LS_JOSE_ENCODING},
        {"a blank before", forge_text(" %s", good), LS_JOSE_ENCODING},
        {"a blank inside", forge_text("%s. %s.%s", h, p, s), LS_JOSE_ENCODING},
        {"the scheme before it", forge_text("Bearer %s", good), LS_JOSE_ENCODING},
        {"quotes around it", forge_text("\"%s\"", good), LS_JOSE_ENCODING},
        {"percent signs", forge_text("%s%%2E%s.%s", h, p, s), LS_JOSE_PARTS_FAULT},
        {"a byte beyond ASCII for the last digit", forge_text("%s.%s.%.*s\xff", h, p, (int)last, s),
         LS_JOSE_ENCODING},
        {"a letter of another script", forge_text("%s.%s.%.*s\xd0\x90", h, p, (int)last - 1, s),
         LS_JOSE_ENCODING},
        {"a signature that is cut", forge_text("%s.%s.%.*s", h, p, 40, s), LS_JOSE_SIGNATURE},
        {"a signature with more behind it", forge_text("%s.%s.%sAAAA", h, p, s), LS_JOSE_SIGNATURE},
        {"bits beyond the last byte",
         forge_text("%s.%s.%.*s%c", h, p, (int)last, s, s[last] == 'B' ? 'C' : 'B'),
         LS_JOSE_ENCODING},
        {"another's signature", forge_text("%s.%s.%s", h, p, part(other, 2)), LS_JOSE_SIGNATURE},
        {"another's header", forge_text("%s.%s.%s", part(other, 0), p, s), LS_JOSE_SIGNATURE},
        {"another's content",
         forge_text("%s.%s.%s", h, forge_base64url("{\"exp\":1800003600}", 18), s),
         LS_JOSE_SIGNATURE},
        {"in capitals", forge_text("%s.%s.%s", h, p, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
         LS_JOSE_SIGNATURE},
        {"as JSON",
         forge_text("{\"protected\":\"%s\",\"payload\":\"%s\",\"signature\":\"%s\"}", h, p, s),
         LS_JOSE_ENCODING},
    };
    int wrong = 0;
    (void)state;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const enum ls_jose_fault fault = fault_of(texts[i].text, strlen(texts[i].text));
        /* Not a reason of its own: whether the digits or the parts are counted first. */
        const bool form =
            (fault == LS_JOSE_PARTS_FAULT || fault == LS_JOSE_ENCODING) &&
            (texts[i].fault == LS_JOSE_PARTS_FAULT || texts[i].fault == LS_JOSE_ENCODING);

        if (fault == texts[i].fault || form)
            continue;
        print_error("%s: \"%s\" instead of \"%s\"\n", texts[i].name, ls_jose_fault_text(fault),
                    ls_jose_fault_text(texts[i].fault));
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void a_nul_in_the_text_ends_nothing(void **state)
{
    const char *good = forge_token(HS, GOOD, SIGN_HS);
    const size_t length = strlen(good);
    char *text = forge_text("%s%s", good, good);
    (void)state;

    assert_int_equal(fault_of(good, length), LS_JOSE_NONE);
    assert_int_equal(fault_of(good, length + 1), LS_JOSE_ENCODING);
    text[length] = '\0';
    assert_int_not_equal(fault_of(text, 2 * length), LS_JOSE_NONE);
    for (size_t n = 0; n < length; n++) /* every cut */
        assert_int_not_equal(fault_of(good, n), LS_JOSE_NONE);
}

static void the_longest_token_is_8_kib(void **state)
{
    struct ls_jwt jwt;
    const char *token;
    size_t pad = 5800;
    (void)state;

    do /* base64 grows by one or two digits a byte */
        token = forge_token(HS, forge_text("{" CLAIMS ",\"x\":\"%*s\"" TIMES "}", (int)pad++, ""),
                            SIGN_HS);
    while (strlen(token) < LS_JWT_MOST);
    if (strlen(token) == LS_JWT_MOST)
        assert_int_equal(fault_of(token, strlen(token)), LS_JOSE_NONE);
    else
        assert_int_equal(fault_of(token, strlen(token)), LS_JOSE_SIZE);
    token = forge_token(HS, forge_text("{" CLAIMS ",\"x\":\"%*s\"" TIMES "}", (int)pad - 3, ""),
                        SIGN_HS);
    assert_true(strlen(token) < LS_JWT_MOST);
    assert_int_equal(fault_of(token, strlen(token)), LS_JOSE_NONE);
    assert_int_equal(verify(token, LS_JWT_MOST * 1000, &jwt), LS_JOSE_SIZE); /* before it is read */
}

/* ---- random changes ---- */

static uint64_t draws;

static unsigned drawn(unsigned below)
{
    draws = draws * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(draws >> 33) % below;
}

static void seed(void)
{
    const char *given = getenv("LOCKSTEP_TEST_SEED");

    draws = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("# LOCKSTEP_TEST_SEED=%llu\n", (unsigned long long)draws);
}

/* One change somewhere: a byte, a bit, a cut, a copy, a piece of another text. Never longer than room. */
static size_t change(char *text, size_t length, size_t room, const char *other)
{
    static const char digits[] = "ABCXYZabcxyz0189-_.=+/ \n{}\":,\\";
    const size_t at = drawn((unsigned)length + 1), n = 1 + drawn(8);

    switch (drawn(6)) {
    case 0:
        if (at < length)
            text[at] = digits[drawn(sizeof digits - 1)];
        return length;
    case 1:
        if (at < length)
            text[at] = (char)(text[at] ^ (1 << drawn(8)));
        return length;
    case 2: /* cut out */
        if (at + n > length)
            return at;
        memmove(text + at, text + at + n, length - at - n);
        return length - n;
    case 3: /* put in */
        if (length + n > room)
            return length;
        memmove(text + at + n, text + at, length - at);
        for (size_t i = 0; i < n; i++)
            text[at + i] = digits[drawn(sizeof digits - 1)];
        return length + n;
    case 4: /* from the other one */
        for (size_t i = at; i < length && i < strlen(other); i++)
            text[i] = other[i];
        return length;
    default: /* twice */
        if (length + n > room || at + n > length)
            return length;
        memmove(text + at + n, text + at, length - at);
        return length + n;
    }
}

static void no_changed_token_is_taken(void **state)
{
    const char *tokens[] = {forge_token(HS, GOOD, SIGN_HS), forge_token(RS, GOOD, SIGN_RS),
                            forge_token(PS, GOOD, SIGN_PS), forge_token(ES, GOOD, SIGN_ES),
                            forge_token(ED, GOOD, SIGN_ED)};
    const int rounds = getenv("LOCKSTEP_DEEP") ? 400000 : 10000;
    static char text[4096];
    (void)state;

    seed();
    for (int i = 0; i < rounds; i++) {
        const char *token = tokens[drawn(5)];
        size_t length = strlen(token);

        memcpy(text, token, length);
        for (unsigned n = 1 + drawn(3); n > 0; n--)
            length = change(text, length, sizeof text, tokens[drawn(5)]);
        if (fault_of(text, length) != LS_JOSE_NONE)
            continue;
        for (size_t k = 0; k < 5; k++) /* what is taken is one of them, unchanged */
            if (strlen(tokens[k]) == length && memcmp(tokens[k], text, length) == 0)
                length = 0;
        if (length)
            fail_msg("taken: %.*s", (int)length, text);
    }
}

/* ---- sets of keys ---- */

static size_t usable(const char *json, size_t size, enum ls_code expected)
{
    struct ls_jwt_keys *set = NULL;
    struct ls_error err;
    size_t count = 99;

    assert_int_equal(ls_jwt_keys_new(&set, &err), LS_OK);
    assert_int_equal(ls_jwt_keys_set(set, json, size, &count, &err), expected);
    assert_int_equal(count, ls_jwt_keys_count(set));
    ls_jwt_keys_free(set);
    return count;
}

static void keys_that_must_not_be_used_are_ignored_and_named(void **state)
{
    (void)state;

    *warnings = '\0';
    assert_int_equal(usable(forge_set(), strlen(forge_set()), LS_OK), 4);
    assert_non_null(strstr(warnings, "a secret that is published is none (kid=secret)"));
    assert_non_null(
        strstr(warnings, "private part, which is known to everybody now (kid=private)"));
    assert_non_null(strstr(warnings, "it is not for signatures (kid=enc)"));
    assert_non_null(strstr(warnings, "2048 to 8192 bits (kid=weak)"));
    assert_non_null(strstr(warnings, "not on its curve (kid=bent)"));
}

static void a_key_is_ignored_for_each_of_these_reasons(void **state)
{
    static const struct {
        const char *jwk, *why;
    } keys_[] = {
        {"1", "no object"},
        {"{}", "no type"},
        {"{\"kty\":1}", "no type"},
        {"{\"kty\":\"LEA\"}", "type or curve is not known"},
        {"{\"kty\":\"RSA\",\"alg\":\"none\"}", "algorithm is not known"},
        {"{\"kty\":\"RSA\",\"alg\":\"HS256\"}", "algorithm is not known"},
        {"{\"kty\":\"RSA\",\"alg\":1}", "algorithm is not known"},
        {"{\"kty\":\"RSA\",\"alg\":\"ES256\"}", "type is not the one"},
        {"{\"kty\":\"EC\",\"alg\":\"RS256\",\"crv\":\"P-256\"}", "type is not the one"},
        {"{\"kty\":\"EC\",\"alg\":\"ES256\",\"crv\":\"P-384\"}", "curve is not the one"},
        {"{\"kty\":\"EC\",\"alg\":\"ES256\"}", "curve is not the one"},
        {"{\"kty\":\"EC\",\"crv\":\"secp256k1\"}", "type or curve is not known"},
        {"{\"kty\":\"OKP\",\"crv\":\"X25519\"}", "type or curve is not known"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", "32 bytes"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", "32 bytes"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}", "coordinates"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":1,\"y\":2}", "coordinates"},
        {"{\"kty\":\"RSA\"}", "modulus"},
        {"{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"\"}", "modulus"},
        {"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", "2048"},
        {"{\"kty\":\"RSA\",\"n\":\"!\",\"e\":\"AQAB\"}", "modulus"},
        {"{\"kty\":\"RSA\",\"use\":1}", "not for signatures"},
        {"{\"kty\":\"RSA\",\"key_ops\":[]}", "not for verifying"},
        {"{\"kty\":\"RSA\",\"key_ops\":[\"sign\",1]}", "not for verifying"},
        {"{\"kty\":\"RSA\",\"kid\":1}", "kid is not a text"},
        {"{\"kty\":\"RSA\",\"kid\":\"" X256 "x\"}", "too long"},
        {"{\"kty\":\"RSA\",\"k\":\"AAAA\"}", "private part"},
        {"{\"kty\":\"oct\",\"k\":\"AAAA\"}", "published"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof keys_ / sizeof *keys_; i++) {
        const char *json = forge_text("{\"keys\":[%s]}", keys_[i].jwk);

        *warnings = '\0';
        assert_int_equal(usable(json, strlen(json), LS_OK), 0);
        if (!strstr(warnings, keys_[i].why))
            fail_msg("%s: %s", keys_[i].jwk, warnings);
    }
}

static void a_kid_is_one_keys(void **state)
{
    const char *json = forge_text("{\"keys\":[%s,%s]}", "{\"kty\":\"RSA\",\"kid\":\"a\"}",
                                  "{\"kty\":\"RSA\",\"kid\":\"a\"}");
    const char *first = strstr(forge_set(), "{\"kty\":\"RSA\"");
    const int length = (int)(strchr(first, '}') - first + 1);
    (void)state;

    assert_int_equal(usable(json, strlen(json), LS_OK), 0);
    json = forge_text("{\"keys\":[%.*s,%.*s]}", length, first, length, first);
    *warnings = '\0';
    assert_int_equal(usable(json, strlen(json), LS_OK), 1);
    assert_non_null(strstr(warnings, "one with its kid already (kid=rsa)"));
}

static void what_is_no_set_is_refused(void **state)
{
    static const char *const texts[] = {"",          "null",          "[]",
                                        "{}",        "{\"keys\":{}}", "{\"keys\":1}",
                                        "{\"keys\"", "<html>",        "{\"keys\":[],\"keys\":[]}"};
    char *huge = calloc(1, LS_JWT_SET_MOST + 2);
    (void)state;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        usable(texts[i], strlen(texts[i]), LS_DATA);
    assert_int_equal(usable("{\"keys\":[]}", 11, LS_OK), 0);
    memset(huge, ' ', LS_JWT_SET_MOST + 1);
    memcpy(huge, "{\"keys\":[]}", 11);
    usable(huge, LS_JWT_SET_MOST, LS_OK);
    usable(huge, LS_JWT_SET_MOST + 1, LS_DATA);
    free(huge);
}

static void a_set_has_a_hundred_keys_at_most(void **state)
{
    struct ls_buf json;
    (void)state;

    ls_buf_init(&json, 0);
    ls_buf_text(&json, "{\"keys\":[");
    for (int i = 0; i < LS_JWT_KEYS_MOST + 20; i++)
        ls_buf_printf(&json,
                      "%s{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"%d\",\"x\":"
                      "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
                      i ? "," : "", i);
    ls_buf_text(&json, "]}");
    assert_int_equal(usable(json.data, json.size, LS_OK), LS_JWT_KEYS_MOST);
    ls_buf_done(&json);
}

static void a_short_secret_is_refused(void **state)
{
    struct ls_jwt_keys *set = NULL;
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_jwt_keys_new(&set, &err), LS_OK);
    assert_int_equal(ls_jwt_keys_secret(set, "", 0, &err), LS_CONFIG);
    assert_int_equal(ls_jwt_keys_secret(set, "thirty-one bytes are not enough", 31, &err),
                     LS_CONFIG);
    assert_null(strstr(err.text, "thirty"));
    assert_int_equal(ls_jwt_keys_count(set), 0);
    assert_int_equal(ls_jwt_keys_secret(set, "thirty-two bytes are just enough", 32, &err), LS_OK);
    assert_int_equal(ls_jwt_keys_secret(set, "thirty-two bytes are just enough", 32, &err),
                     LS_INTERNAL);
    ls_jwt_keys_free(set);
}

/* Without the secret, HS256 is no algorithm at all here, whatever the set has. */
static void without_a_secret_no_hmac_is_valid(void **state)
{
    static const enum forge_signer signers[] = {SIGN_HS,     SIGN_EMPTY_HS,   SIGN_PEM_HS,
                                                SIGN_DER_HS, SIGN_MODULUS_HS, SIGN_POSTED_HS,
                                                SIGN_SET_HS};
    static const char *const headers[] = {HS, "{\"alg\":\"HS256\",\"kid\":\"secret\"}",
                                          "{\"alg\":\"HS256\",\"kid\":\"rsa\"}",
                                          "{\"alg\":\"HS256\",\"kid\":\"enc\"}"};
    struct ls_jwt_keys *set = NULL;
    struct ls_error err;
    struct ls_jwt jwt;
    size_t count;
    (void)state;

    assert_int_equal(ls_jwt_keys_new(&set, &err), LS_OK);
    assert_int_equal(ls_jwt_keys_set(set, forge_set(), strlen(forge_set()), &count, &err), LS_OK);
    for (size_t s = 0; s < sizeof signers / sizeof *signers; s++)
        for (size_t h = 0; h < sizeof headers / sizeof *headers; h++) {
            const char *token = forge_token(headers[h], GOOD, signers[s]);

            assert_int_not_equal(ls_jwt_verify(set, &rules, token, strlen(token), FORGE_NOW, &jwt),
                                 LS_JOSE_NONE);
            assert_null(jwt.claims);
        }
    ls_jwt_keys_free(set);
}

static void no_changed_set_does_harm(void **state)
{
    const int rounds = getenv("LOCKSTEP_DEEP") ? 20000 : 1000;
    const size_t room = 16384;
    char *text = malloc(room);
    (void)state;

    seed();
    for (int i = 0; i < rounds; i++) {
        struct ls_jwt_keys *set = NULL;
        struct ls_error err;
        size_t length = strlen(forge_set()), count = 0;

        assert_true(length < room);
        memcpy(text, forge_set(), length);
        for (unsigned n = 1 + drawn(4); n > 0; n--)
            length = change(text, length, room, forge_set());
        assert_int_equal(ls_jwt_keys_new(&set, &err), LS_OK);
        if (ls_jwt_keys_set(set, text, length, &count, &err) == LS_OK)
            assert_true(count == ls_jwt_keys_count(set) && count <= LS_JWT_KEYS_MOST);
        ls_jwt_keys_free(set);
    }
    free(text);
}

/* ---- what another program signs ---- */

static void what_cjose_signs_is_valid(void **state)
{
    static const struct {
        const char *alg;
        int curve; /* 0: RSA */
    } algorithms[] = {{"RS256", 0},
                      {"RS384", 0},
                      {"RS512", 0},
                      {"PS256", 0},
                      {"PS384", 0},
                      {"PS512", 0},
                      {"ES256", CJOSE_JWK_EC_P_256},
                      {"ES384", CJOSE_JWK_EC_P_384},
                      {"ES512", CJOSE_JWK_EC_P_521}};
    cjose_err error;
    (void)state;

    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        cjose_jwk_t *jwk =
            algorithms[i].curve
                ? cjose_jwk_create_EC_random((cjose_jwk_ec_curve)algorithms[i].curve, &error)
                : cjose_jwk_create_RSA_random(2048, NULL, 0, &error);
        char *json = cjose_jwk_to_json(jwk, false, &error);
        const char *set =
            forge_text("{\"keys\":[{\"alg\":\"%s\",%s]}", algorithms[i].alg, json + 1);
        cjose_header_t *header = cjose_header_new(&error);
        struct ls_jwt_keys *known = NULL;
        const char *token = NULL;
        struct ls_error err;
        struct ls_jwt jwt;
        cjose_jws_t *jws;
        size_t count = 0;

        cjose_header_set(header, "alg", algorithms[i].alg, &error);
        jws = cjose_jws_sign(jwk, header, (const uint8_t *)GOOD, strlen(GOOD), &error);
        assert_true(cjose_jws_export(jws, &token, &error));
        assert_int_equal(ls_jwt_keys_new(&known, &err), LS_OK);
        assert_int_equal(ls_jwt_keys_set(known, set, strlen(set), &count, &err), LS_OK);
        assert_int_equal(count, 1);
        if (ls_jwt_verify(known, &rules, token, strlen(token), FORGE_NOW, &jwt) != LS_JOSE_NONE)
            fail_msg("%s", algorithms[i].alg);
        ls_jwt_done(&jwt);
        ls_jwt_keys_free(known);
        free(json);
        cjose_jws_release(jws);
        cjose_header_release(header);
        cjose_jwk_release(jwk);
    }
}

/* RFC 7515, A.1 and A.3; RFC 8037, A.4: the signatures alone, for their content is no token of today. */
static void the_signatures_of_the_rfcs_are_valid(void **state)
{
    static const char set[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"ec\","
                              "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                              "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
                              "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\","
                              "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
    static const struct {
        const char *kid, *text, *signature;
    } cases[] = {
        {"ec",
         "eyJhbGciOiJFUzI1NiJ9."
         "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLm"
         "NvbS9pc19yb290Ijp0cnVlfQ",
         "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
        {"ed", "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
         "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_"
         "MuM0KAg"},
    };
    struct ls_jwt_keys *known = NULL;
    struct ls_error err;
    size_t count = 0;
    (void)state;

    assert_int_equal(ls_jwt_keys_new(&known, &err), LS_OK);
    assert_int_equal(ls_jwt_keys_set(known, set, strlen(set), &count, &err), LS_OK);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ls_jwt_key *key =
            ls_jwt_keys_find(known, cases[i].kid, LS_JWT_ALGORITHM_COUNT);
        struct ls_buf signature;

        ls_buf_init(&signature, 0);
        assert_true(
            ls_text_unbase64url(&signature, cases[i].signature, strlen(cases[i].signature)));
        assert_true(ls_jwt_key_verifies(key, cases[i].text, strlen(cases[i].text), signature.data,
                                        signature.size));
        signature.data[5] ^= 1;
        assert_false(ls_jwt_key_verifies(key, cases[i].text, strlen(cases[i].text), signature.data,
                                         signature.size));
        ls_buf_done(&signature);
    }
    ls_jwt_keys_free(known);
}

/* ---- set-up ---- */

static void keep_warning(void *ctx, enum ls_log_level level, const char *line)
{
    const size_t used = strlen(warnings);

    (void)ctx;
    (void)level;
    snprintf(warnings + used, sizeof warnings - used, "%s\n", line);
}

static int begin(void **state)
{
    struct ls_error err;
    size_t count = 0;
    (void)state;

    forge_begin();
    ls_log_to(keep_warning, NULL, LS_LOG_WARN);
    assert_int_equal(ls_jwt_keys_new(&keys, &err), LS_OK);
    assert_int_equal(ls_jwt_keys_secret(keys, FORGE_SECRET, strlen(FORGE_SECRET), &err), LS_OK);
    assert_int_equal(ls_jwt_keys_set(keys, forge_set(), strlen(forge_set()), &count, &err), LS_OK);
    assert_int_equal(count, 4);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ls_jwt_keys_free(keys);
    forge_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_token_is_taken),
        cmocka_unit_test(what_a_token_says_is_handed_out),
        cmocka_unit_test(without_rules_any_issuer_and_audience_will_do),
        cmocka_unit_test(every_forgery_is_refused_for_its_reason),
        cmocka_unit_test(a_text_that_is_not_three_canonical_parts_is_refused),
        cmocka_unit_test(a_nul_in_the_text_ends_nothing),
        cmocka_unit_test(the_longest_token_is_8_kib),
        cmocka_unit_test(no_changed_token_is_taken),
        cmocka_unit_test(keys_that_must_not_be_used_are_ignored_and_named),
        cmocka_unit_test(a_key_is_ignored_for_each_of_these_reasons),
        cmocka_unit_test(a_kid_is_one_keys),
        cmocka_unit_test(what_is_no_set_is_refused),
        cmocka_unit_test(a_set_has_a_hundred_keys_at_most),
        cmocka_unit_test(a_short_secret_is_refused),
        cmocka_unit_test(without_a_secret_no_hmac_is_valid),
        cmocka_unit_test(no_changed_set_does_harm),
        cmocka_unit_test(what_cjose_signs_is_valid),
        cmocka_unit_test(the_signatures_of_the_rfcs_are_valid),
    };

    return cmocka_run_group_tests_name("server/jwt", tests, begin, end);
}
