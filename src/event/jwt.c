/* SPDX-License-Identifier: Apache-2.0 */
/* jwt.c - the token in Upstash-Signature: a JWT that names address, times and body.
 *
 * One algorithm is known here, HS256, and what the token's own header wants is asked only after the signature fits: so there is
 * nothing to be talked into (none, RS256 with a public key for a secret, HS512), and JSON is parsed only when it comes from who has
 * the secret. What may be said beyond that is refused where it would mean something (crit, another typ), and
 * passed over where it would not (kid: every key is tried; there are two).
 *
 * Strict where QStash's receivers differ from each other: all of iss, sub, exp, nbf and body must be there, times are whole
 * numbers, a name stands once in an object. The clock is allowed LS_SIGN_JWT_LEEWAY_S both ways, where those
 * receivers allow none: a valid token from a clock that is two seconds ahead is better taken than lost.
 *
 * Not done: keys in files or at URLs, other issuers. Callers of the API with tokens are the server's business. */
#include <jansson.h>
#include <sodium.h>
#include <string.h>

#include "base/text.h"
#include "event/sign_priv.h"

#define ISSUER "Upstash"
#define LIFE_MAX_S INT64_C(86400) /* QStash gives five minutes; a day is no token but a key */
#define TIME_MAX INT64_C(9007199254740991)

static bool malformed(struct ls_sign_finding *finding, const char *detail)
{
    finding->fault = LS_SIGN_MALFORMED;
    finding->detail = detail;
    return false;
}

static bool refuse(struct ls_sign_finding *finding, const char *detail)
{
    finding->fault = LS_SIGN_CLAIM;
    finding->detail = detail;
    return false;
}

bool ls_sign_jwt_read(const char *token, struct ls_sign_claim *claim,
                      struct ls_sign_finding *finding)
{
    size_t length = strnlen(token, LS_SIGN_JWT_MAX + 1), size;
    const char *second = strchr(token, '.'), *third = second ? strchr(second + 1, '.') : NULL;

    if (length > LS_SIGN_JWT_MAX)
        return malformed(finding, "a token of this length is not accepted");
    if (!third || strchr(third + 1, '.'))
        return malformed(finding, "three parts, separated by dots, are expected");
    if (!ls_sign_base64(claim->macs[0], LS_SIGN_MAC_BYTES, third + 1, strlen(third + 1),
                        sodium_base64_VARIANT_URLSAFE_NO_PADDING, &size) ||
        size != LS_SIGN_MAC_BYTES)
        return malformed(finding, "the third part is not a signature of HS256: 32 bytes in "
                                  "base64url without padding");
    claim->mac_count = 1;
    claim->token = token;
    claim->before[claim->before_count++] = (struct ls_piece){token, (size_t)(third - token)};
    return true;
}

/* Part 0 or 1 of a token as a JSON object; NULL when it is none. */
static json_t *parse(const char *token, int part)
{
    const char *at = part == 0 ? token : strchr(token, '.') + 1;
    unsigned char text[LS_SIGN_JWT_MAX];
    json_t *object;
    size_t size;

    if (!ls_sign_base64(text, sizeof(text), at, strcspn(at, "."),
                        sodium_base64_VARIANT_URLSAFE_NO_PADDING, &size))
        return NULL;
    object = json_loadb((const char *)text, size, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

static bool is_text(const json_t *object, const char *member, const char *wanted)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text && strcmp(text, wanted) == 0;
}

static bool check_header(const char *token, struct ls_sign_finding *finding)
{
    json_t *header = parse(token, 0);
    bool fine;

    if (!header)
        return refuse(finding, "its header is not a JSON object");
    if (!is_text(header, "alg", "HS256"))
        fine = refuse(finding, "its algorithm (alg) is not HS256");
    else if (json_object_get(header, "typ") && !is_text(header, "typ", "JWT"))
        fine = refuse(finding, "its type (typ) is not JWT");
    else if (json_object_get(header, "crit"))
        fine = refuse(finding, "it demands extensions (crit)");
    else
        fine = true;
    json_decref(header);
    return fine;
}

/* false also for numbers that no clock shows. */
static bool time_claim(const json_t *claims, const char *member, int64_t *ret)
{
    const json_t *value = json_object_get(claims, member);

    if (!json_is_integer(value))
        return false;
    *ret = json_integer_value(value);
    return *ret >= 0 && *ret <= TIME_MAX;
}

static bool check_times(const json_t *claims, int64_t now_s, struct ls_sign_finding *finding)
{
    int64_t exp, nbf, iat;

    if (!time_claim(claims, "exp", &exp) || !time_claim(claims, "nbf", &nbf))
        return refuse(finding, "its times (exp, nbf) are not whole numbers");
    if (json_object_get(claims, "iat") && !time_claim(claims, "iat", &iat))
        return refuse(finding, "its time (iat) is not a whole number");
    finding->timestamp_s = nbf;
    if (now_s > exp + LS_SIGN_JWT_LEEWAY_S) {
        finding->fault = LS_SIGN_TOO_OLD;
        finding->off_s = now_s - exp;
        return false;
    }
    if (now_s < nbf - LS_SIGN_JWT_LEEWAY_S) {
        finding->fault = LS_SIGN_TOO_NEW;
        finding->off_s = nbf - now_s;
        return false;
    }
    if (exp - nbf > LIFE_MAX_S)
        return refuse(finding, "it is valid for more than a day");
    return true;
}

/* base64url of SHA-256, padded or not. */
static bool check_body(const json_t *claims, struct ls_piece body, struct ls_sign_finding *finding)
{
    const char *text = json_string_value(json_object_get(claims, "body"));
    unsigned char said[crypto_hash_sha256_BYTES], hash[crypto_hash_sha256_BYTES];
    size_t size;

    if (!text ||
        !ls_sign_unbase64(said, sizeof(said), text, strlen(text), sodium_base64_VARIANT_URLSAFE,
                          &size) ||
        size != sizeof(said))
        return refuse(finding, "its hash of the body (body) is not 32 bytes in base64url");
    (void)crypto_hash_sha256(hash, body.data, body.size);
    if (sodium_memcmp(said, hash, sizeof(hash)) == 0)
        return true;
    finding->fault = LS_SIGN_BODY;
    return false;
}

static bool check_claims(const struct ls_sign_rule *rule, const json_t *claims,
                         struct ls_piece body, int64_t now_s, struct ls_sign_finding *finding)
{
    const json_t *jti = json_object_get(claims, "jti");

    if (!is_text(claims, "iss", ISSUER))
        return refuse(finding, "its issuer (iss) is not " ISSUER);
    if (!json_is_string(json_object_get(claims, "sub")))
        return refuse(finding, "its subject (sub) is missing");
    if (rule->url && !is_text(claims, "sub", rule->url))
        return refuse(finding, "its subject (sub) is another address");
    if (jti && !json_is_string(jti))
        return refuse(finding, "its id (jti) is not a text");
    return check_times(claims, now_s, finding) && check_body(claims, body, finding);
}

bool ls_sign_jwt_check(const struct ls_sign_rule *rule, const struct ls_sign_claim *claim,
                       struct ls_piece body, int64_t now_s, struct ls_sign_finding *finding)
{
    json_t *claims;
    bool fine;

    if (!check_header(claim->token, finding))
        return false;
    claims = parse(claim->token, 1);
    if (!claims)
        return refuse(finding, "what it says is not a JSON object");
    fine = check_claims(rule, claims, body, now_s, finding);
    json_decref(claims);
    return fine;
}

void ls_sign_jwt_show(struct ls_buf *out, const char *token, int part, const char *member)
{
    json_t *object = parse(token, part);
    const char *text = json_string_value(json_object_get(object, member));

    if (text)
        ls_text_printable(out, text, strlen(text));
    json_decref(object);
}
