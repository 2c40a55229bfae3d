/* SPDX-License-Identifier: Apache-2.0 */
/* jwt.c - verifies JSON Web Tokens (RFC 7519), after the advice of RFC 8725.
 *
 * The order is: outside, type, key, signature, content. Nothing of the content is looked at before the signature holds, so what is
 * found wrong in it is said to one who has a signed token, and to nobody else.
 *
 * Times are NumericDates: whole or broken numbers of seconds. exp is required, because a token that is valid for ever cannot be
 * taken back; nbf and iat are checked where they are. A time that is no time in this age (before 1970, after 9999, 1e300) is refused rather than
 * read as "far away". */
#include "server/jwt.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#define LATEST_S 253402300799.0 /* 9999-12-31T23:59:59Z */

/* RFC 7519 5.1, RFC 9068 2.1. What has no type is a JWT; logout tokens, proofs and events say what they are. */
static bool type_fits(const char *type)
{
    static const char *const types[] = {"JWT", "at+jwt"};

    if (!type)
        return true;
    if (strncasecmp(type, "application/", 12) == 0)
        type += 12;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcasecmp(type, types[i]) == 0)
            return true;
    return false;
}

static enum ls_jose_fault time_of(const json_t *claims, const char *name, bool needed,
                                  double fallback, double *ret)
{
    const json_t *claim = json_object_get(claims, name);

    *ret = fallback;
    if (!claim)
        return needed ? LS_JOSE_TIME : LS_JOSE_NONE;
    if (!json_is_number(claim))
        return LS_JOSE_TIME;
    *ret = json_number_value(claim);
    return isfinite(*ret) && *ret >= 0 && *ret <= LATEST_S ? LS_JOSE_NONE : LS_JOSE_TIME;
}

static enum ls_jose_fault check_times(const json_t *claims, int64_t now_s, int64_t *ret_expires_s)
{
    const double now = (double)now_s;
    double expires = 0, from = 0, issued = 0;
    enum ls_jose_fault fault = time_of(claims, "exp", true, 0, &expires);

    if (fault == LS_JOSE_NONE)
        fault = time_of(claims, "nbf", false, now, &from);
    if (fault == LS_JOSE_NONE)
        fault = time_of(claims, "iat", false, now, &issued);
    if (fault != LS_JOSE_NONE)
        return fault;
    *ret_expires_s = (int64_t)expires;
    if (now >= expires + LS_JWT_LEEWAY_S)
        return LS_JOSE_EXPIRED;
    return from > now + LS_JWT_LEEWAY_S || issued > now + LS_JWT_LEEWAY_S ? LS_JOSE_EARLY
                                                                          : LS_JOSE_NONE;
}

/* NULs are refused by jansson, so a text ends where it ends. */
static bool is_one_of(const json_t *text, const char *const *list, size_t count)
{
    const char *value = json_string_value(text);

    for (size_t i = 0; value && i < count; i++)
        if (strcmp(value, list[i]) == 0)
            return true;
    return false;
}

/* A text, or a list of nothing but texts. */
static bool audience_fits(const json_t *aud, const struct ls_jwt_rules *rules)
{
    bool named = false;

    if (json_is_string(aud))
        return is_one_of(aud, rules->audiences, rules->audience_count);
    for (size_t i = 0; i < json_array_size(aud); i++) {
        if (!json_is_string(json_array_get(aud, i)))
            return false;
        named |= is_one_of(json_array_get(aud, i), rules->audiences, rules->audience_count);
    }
    return named;
}

enum ls_jose_fault ls_jwt_claims_check(const json_t *claims, const struct ls_jwt_rules *rules,
                                       int64_t now_s, struct ls_jwt *ret)
{
    const json_t *sub = json_object_get(claims, "sub");
    enum ls_jose_fault fault;

    if (rules->issuer_count > 0 &&
        !is_one_of(json_object_get(claims, "iss"), rules->issuers, rules->issuer_count))
        return LS_JOSE_ISSUER;
    if (rules->audience_count > 0 && !audience_fits(json_object_get(claims, "aud"), rules))
        return LS_JOSE_AUDIENCE;
    fault = check_times(claims, now_s, &ret->expires_s);
    if (fault != LS_JOSE_NONE)
        return fault;
    if (sub && (!json_is_string(sub) || json_string_length(sub) == 0 ||
                json_string_length(sub) > LS_JWT_SUBJECT_MOST))
        return LS_JOSE_SUBJECT;
    ret->subject = json_string_value(sub);
    return LS_JOSE_NONE;
}

/* The key that the token has to be signed with. */
static enum ls_jose_fault find_key(const struct ls_jwt_keys *keys, const struct ls_jose *jose,
                                   const struct ls_jwt_key **ret)
{
    enum ls_jose_fault fault;
    const char *kid = ls_jose_header(jose, "kid", &fault);
    const enum ls_jwt_algorithm claimed =
        ls_jwt_algorithm_of(json_string_value(json_object_get(jose->header, "alg")));

    if (fault != LS_JOSE_NONE)
        return fault;
    if (claimed == LS_JWT_ALGORITHM_COUNT)
        return LS_JOSE_ALGORITHM;
    *ret = ls_jwt_keys_find(keys, kid, claimed);
    if (!*ret)
        return LS_JOSE_KEY;
    return ls_jwt_key_algorithm(*ret) == claimed ? LS_JOSE_NONE : LS_JOSE_ALGORITHM;
}

static enum ls_jose_fault check_type(const struct ls_jose *jose)
{
    enum ls_jose_fault fault, of_content;
    const char *type = ls_jose_header(jose, "typ", &fault);
    const char *content = ls_jose_header(jose, "cty", &of_content);

    if (fault != LS_JOSE_NONE || of_content != LS_JOSE_NONE)
        return LS_JOSE_HEADER;
    return type_fits(type) && !content ? LS_JOSE_NONE : LS_JOSE_TYPE; /* cty: a token in a token */
}

static enum ls_jose_fault check(const struct ls_jwt_keys *keys, const struct ls_jwt_rules *rules,
                                const struct ls_jose *jose, int64_t now_s, struct ls_jwt *ret)
{
    const struct ls_jwt_key *key = NULL;
    enum ls_jose_fault fault = check_type(jose);

    if (fault == LS_JOSE_NONE)
        fault = find_key(keys, jose, &key);
    if (fault != LS_JOSE_NONE)
        return fault;
    if (!ls_jwt_key_verifies(key, jose->text, jose->signed_length, jose->part[2].data,
                             jose->part[2].size))
        return LS_JOSE_SIGNATURE;
    ret->claims = ls_jose_object(ls_buf_str(&jose->part[1]), jose->part[1].size, &fault);
    return ret->claims ? ls_jwt_claims_check(ret->claims, rules, now_s, ret) : fault;
}

enum ls_jose_fault ls_jwt_verify(const struct ls_jwt_keys *keys, const struct ls_jwt_rules *rules,
                                 const char *token, size_t length, int64_t now_s,
                                 struct ls_jwt *ret)
{
    struct ls_jose jose;
    enum ls_jose_fault fault = ls_jose_read(token, length, 3, LS_JWT_MOST, &jose);

    *ret = (struct ls_jwt){0};
    if (fault == LS_JOSE_NONE)
        fault = check(keys, rules, &jose, now_s, ret);
    if (fault != LS_JOSE_NONE)
        ls_jwt_done(ret);
    ls_jose_done(&jose);
    return fault;
}

void ls_jwt_done(struct ls_jwt *jwt)
{
    json_decref(jwt->claims);
    *jwt = (struct ls_jwt){0};
}
