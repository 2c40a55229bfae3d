/* SPDX-License-Identifier: Apache-2.0 */
/* role.c - which role somebody has by what a token or session of another program says.
 *
 *   a token, no claim configured (Supabase)      role
 *   role: service_role, supabase_admin           service
 *   app_metadata.role: admin, operator, viewer   that
 *   role: anon                                   nobody in particular
 *   anything else with a subject                 user
 *
 * Only an issuer can write `role` and app_metadata; user_metadata is written by the users themselves and is never looked at. A
 * service is made by `role` alone where no claim is configured: an app_metadata.role of "service" may mean a department.
 *
 * The words are those of our roles. One that is not known gives nothing: an application may have twenty roles of its own. */
#include "server/role.h"

#include <string.h>
#include <strings.h>

static const struct word {
    const char *word;
    enum ls_role role;
} words[] = {
    {"user", LS_ROLE_USER},
    {"authenticated", LS_ROLE_USER},
    {"viewer", LS_ROLE_VIEWER},
    {"operator", LS_ROLE_OPERATOR},
    {"admin", LS_ROLE_ADMIN},
    {"service", LS_ROLE_SERVICE},
    {"service_role", LS_ROLE_SERVICE},
};

static enum ls_role role_of_word(const char *word)
{
    for (size_t i = 0; word && i < sizeof words / sizeof *words; i++)
        if (strcasecmp(words[i].word, word) == 0)
            return words[i].role;
    return LS_ROLE_NONE;
}

/* The highest of several. A service is not above an admin nor below: it is taken only where it is the only one. */
static enum ls_role higher(enum ls_role a, enum ls_role b)
{
    if (a == LS_ROLE_SERVICE || b == LS_ROLE_SERVICE) {
        const enum ls_role other = a == LS_ROLE_SERVICE ? b : a;

        return other == LS_ROLE_NONE ? LS_ROLE_SERVICE : other;
    }
    return a > b ? a : b;
}

/* A word, or a list of them. */
static enum ls_role role_of_value(const json_t *value)
{
    enum ls_role role = role_of_word(json_string_value(value));

    for (size_t i = 0; i < json_array_size(value); i++)
        role = higher(role, role_of_word(json_string_value(json_array_get(value, i))));
    return role;
}

/* A claim of that whole name (they may have dots: https://example.com/role), or the path. */
static const json_t *find(const json_t *claims, const char *claim)
{
    const json_t *at = json_object_get(claims, claim);

    if (at)
        return at;
    for (at = claims; at && *claim;) {
        const size_t length = strcspn(claim, ".");

        at = json_object_getn(at, claim, length);
        claim += length + (claim[length] == '.');
    }
    return at;
}

static enum ls_role supabase(const json_t *claims)
{
    const char *role = json_string_value(json_object_get(claims, "role"));
    enum ls_role own;

    if (role && (strcmp(role, "service_role") == 0 || strcmp(role, "supabase_admin") == 0))
        return LS_ROLE_SERVICE;
    own = role_of_value(json_object_get(json_object_get(claims, "app_metadata"), "role"));
    return own == LS_ROLE_SERVICE ? LS_ROLE_NONE : own;
}

enum ls_role ls_role_of_claims(const json_t *claims, const char *claim, enum ls_role_source source)
{
    const char *word = json_string_value(json_object_get(claims, "role"));
    const char *subject = json_string_value(json_object_get(claims, "sub"));
    enum ls_role role;

    if (source == LS_ROLE_FROM_TOKEN && word && strcmp(word, "anon") == 0)
        return LS_ROLE_NONE;
    if (claim)
        role = role_of_value(find(claims, claim));
    else if (source == LS_ROLE_FROM_TOKEN)
        role = supabase(claims);
    else
        role = role_of_value(json_object_get(claims, "role"));
    if (source == LS_ROLE_FROM_SESSION && role == LS_ROLE_SERVICE)
        role = LS_ROLE_USER; /* programs have no sessions */
    if (role == LS_ROLE_NONE && (subject || source == LS_ROLE_FROM_SESSION))
        role = LS_ROLE_USER;
    return role;
}
