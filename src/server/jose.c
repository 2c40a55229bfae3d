/* SPDX-License-Identifier: Apache-2.0 */
/* jose.c - reads the outside of JSON Web Tokens (RFC 7515, 7516, compact form).
 *
 * cjose, which reads such tokens too, is not used: where memory runs out it crashes (at 9 of 46 allocations in the
 * check of an ES256 token, version 0.6.2.1), it takes a header with a name twice, and knows no Ed25519. What is secret
 * work is OpenSSL's and libsodium's; what is here is splitting, decoding and refusing, after RFC 8725.
 *
 * The signature is over the text as it came, so nothing is ever written anew and compared. */
#include "server/jose.h"

#include <string.h>

#include "base/text.h"
#include "model/jsonload.h"

const char *ls_jose_fault_text(enum ls_jose_fault fault)
{
#define X(name, text) text,
    static const char *const texts[] = {LS_JOSE_FAULTS(X)};
#undef X

    return fault < LS_JOSE_FAULT_COUNT ? texts[fault] : texts[LS_JOSE_MEMORY];
}

json_t *ls_jose_object(const void *data, size_t size, enum ls_jose_fault *ret_fault)
{
    json_t *json = NULL;

    *ret_fault = LS_JOSE_NONE;
    if (ls_json_load(data, size, JSON_REJECT_DUPLICATES, &json, NULL) != LS_OK)
        *ret_fault = LS_JOSE_MEMORY;
    else if (!json_is_object(json))
        *ret_fault = LS_JOSE_CLAIMS;
    if (*ret_fault == LS_JOSE_NONE)
        return json;
    json_decref(json);
    return NULL;
}

/* Where the parts are: between them is one dot each. */
static enum ls_jose_fault split(struct ls_jose *jose, size_t parts)
{
    const char *at = jose->text, *end = jose->text + jose->length;

    for (size_t i = 0; i < parts; i++) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        const char *stop = dot ? dot : end;

        if ((i + 1 == parts) != (dot == NULL))
            return LS_JOSE_PARTS_FAULT;
        if (!ls_text_unbase64url(&jose->part[i], at, (size_t)(stop - at)))
            return LS_JOSE_ENCODING;
        if (jose->part[i].failed)
            return LS_JOSE_MEMORY;
        if (i < 2)
            jose->signed_length = (size_t)(stop - jose->text);
        if (i == 0)
            jose->header_length = (size_t)(stop - jose->text);
        at = stop + 1;
    }
    return LS_JOSE_NONE;
}

/* What would change how the token is to be read, or bring along the key that it is checked with. */
static bool asks_for_more(const json_t *header)
{
    static const char *const names[] = {"crit", "b64", "zip", "jwk", "jku", "x5u", "x5c"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (json_object_get(header, names[i]))
            return true;
    return false;
}

enum ls_jose_fault ls_jose_read(const char *text, size_t length, size_t parts, size_t most,
                                struct ls_jose *ret)
{
    enum ls_jose_fault fault;

    *ret = (struct ls_jose){.text = text, .length = length};
    for (size_t i = 0; i < LS_JOSE_PARTS; i++)
        ls_buf_init(&ret->part[i], most + 1);
    if (length > most)
        return LS_JOSE_SIZE;
    fault = split(ret, parts);
    if (fault != LS_JOSE_NONE)
        return fault;
    ret->header = ls_jose_object(ls_buf_str(&ret->part[0]), ret->part[0].size, &fault);
    if (!ret->header)
        return fault == LS_JOSE_MEMORY ? fault : LS_JOSE_HEADER;
    if (asks_for_more(ret->header))
        return LS_JOSE_EXTENSION;
    if (!json_is_string(json_object_get(ret->header, "alg")))
        return LS_JOSE_HEADER;
    return LS_JOSE_NONE;
}

void ls_jose_done(struct ls_jose *jose)
{
    for (size_t i = 0; i < LS_JOSE_PARTS; i++)
        ls_buf_done(&jose->part[i]);
    json_decref(jose->header);
    jose->header = NULL;
}

const char *ls_jose_header(const struct ls_jose *jose, const char *name,
                           enum ls_jose_fault *ret_fault)
{
    const json_t *member = json_object_get(jose->header, name);

    *ret_fault = member && !json_is_string(member) ? LS_JOSE_HEADER : LS_JOSE_NONE;
    return json_string_value(member);
}
