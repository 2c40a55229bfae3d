/* SPDX-License-Identifier: Apache-2.0 */
/* caller.c - roles, and from the credentials of a request to one of them.
 *
 * Fail closed. Who somebody is gets written into a struct that begins as nobody, by the one branch that has proved it; what is handed out
 * with anything but LS_OK has no role, whatever the branch left there (identify, at its end). There is no default account: without configuration,
 * users and tokens everything but the public routes is closed.
 *
 * One kind of credentials in a request. Two that disagree would have to be ranked, and the ranking would be somebody's way in; so they are
 * refused. Cookies are left out of that count: a browser sends them to every port of a host, unasked.
 *
 * Secrets that we know (LOCKSTEP_TOKEN, CRON_SECRET, a project's keys) are compared as hashes with a key of this process, without a branch: the time says neither where
 * the first wrong byte is nor how long the right one is.
 *
 * Cookies and other people's pages. A request with a cookie that changes something has to come from a page of ours: browsers say so in Sec-Fetch-Site
 * and Origin, which no page can set. Where neither is said, it is refused. A session of ours needs X-CSRF-Token as well, so that no single
 * mistake of a browser or a proxy opens it. A GET that starts something counts as a change here. */
#include "server/caller.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/callers.h"
#include "api/config.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "event/sign.h"
#include "server/jwks.h"
#include "server/limits.h"
#include "server/login.h"
#include "server/nextauth.h"
#include "server/register.h"
#include "server/role.h"
#include "server/route.h"

#define SECOND INT64_C(1000000)
#define NAME_MOST 100 /* bytes of a name that a token brings along */

/* ---- roles ---- */

const char *ls_role_word(enum ls_role role)
{
#define X(name, word) word,
    static const char *const words[] = {LS_ROLES(X)};
#undef X

    return role < LS_ROLE_COUNT ? words[role] : words[LS_ROLE_UNSET];
}

#define MAY(role) (1u << LS_ROLE_##role)

bool ls_role_may(enum ls_role have, enum ls_role need)
{
    static const unsigned who_may[LS_ROLE_COUNT] = {
        [LS_ROLE_NONE] = MAY(NONE) | MAY(USER) | MAY(VIEWER) | MAY(OPERATOR) | MAY(ADMIN) |
                         MAY(SERVICE) | MAY(CRON),
        [LS_ROLE_USER] = MAY(USER) | MAY(ADMIN) | MAY(SERVICE),
        [LS_ROLE_VIEWER] = MAY(VIEWER) | MAY(OPERATOR) | MAY(ADMIN) | MAY(SERVICE),
        [LS_ROLE_OPERATOR] = MAY(OPERATOR) | MAY(ADMIN) | MAY(SERVICE),
        [LS_ROLE_ADMIN] = MAY(ADMIN),
        [LS_ROLE_SERVICE] = MAY(ADMIN) | MAY(SERVICE),
        [LS_ROLE_CRON] = MAY(CRON) | MAY(OPERATOR) | MAY(ADMIN) | MAY(SERVICE),
        [LS_ROLE_KNOWN] =
            MAY(USER) | MAY(VIEWER) | MAY(OPERATOR) | MAY(ADMIN) | MAY(SERVICE) | MAY(CRON),
    };

    return have < LS_ROLE_COUNT && need < LS_ROLE_COUNT && (who_may[need] >> have & 1u);
}

/* A role that can be given to somebody; LS_ROLE_UNSET: it is none. */
static enum ls_role role_of_word(const char *word)
{
    for (size_t i = 0; i < LS_API_ROLES; i++)
        if (strcmp(ls_api_roles[i], word) == 0)
            for (enum ls_role r = LS_ROLE_NONE; r < LS_ROLE_COUNT; r++)
                if (strcmp(ls_role_word(r), word) == 0)
                    return r;
    return LS_ROLE_UNSET;
}

/* ---- what is configured ---- */

/* A secret that we know. */
struct known_secret {
    bool set;
    unsigned char hash[crypto_generichash_BYTES];
};
static_assert(crypto_generichash_BYTES == LS_SECRET_HASH, "a pass holds either hash");

/* The keys of an issuer, which a reload that leaves them alone keeps. */
struct issuer {
    unsigned holders; /* under the callers' lock */
    char *url, *secret;
    struct ls_jwks *jwks;
};

/* Made once and never changed. */
struct rules {
    unsigned holders; /* under the callers' lock */
    uint64_t number;  /* which rules of this process */
    struct ls_arena mem;
    struct ls_auth_config auth;
    struct ls_jwt_rules jwt;
    struct issuer *issuer;        /* NULL: no JWT is known */
    struct ls_nextauth *nextauth; /* NULL: likewise */
    struct known_secret cron, admin, service, anon;
    struct ls_secret qstash[2];
    size_t qstash_count;
};

struct ls_callers {
    pthread_mutex_t lock; /* of rules and of who holds what */
    struct rules *rules;
    struct ls_register *reg;
    struct ls_limits *limits;
    unsigned char key[crypto_generichash_KEYBYTES];
};

static void hash_secret(const struct ls_callers *callers, const char *text, size_t length,
                        unsigned char out[crypto_generichash_BYTES])
{
    (void)crypto_generichash(out, crypto_generichash_BYTES, (const unsigned char *)text, length,
                             callers->key, sizeof callers->key);
}

static void know(const struct ls_callers *callers, struct known_secret *secret, const char *text)
{
    if (!text || !*text)
        return;
    hash_secret(callers, text, strlen(text), secret->hash);
    secret->set = true;
}

static bool is_secret(const struct known_secret *secret,
                      const unsigned char hash[crypto_generichash_BYTES])
{
    return secret->set && sodium_memcmp(secret->hash, hash, sizeof secret->hash) == 0;
}

static void close_issuer(struct issuer *issuer)
{
    if (!issuer)
        return;
    ls_jwks_close(issuer->jwks);
    if (issuer->secret)
        ls_secret_wipe(issuer->secret, strlen(issuer->secret));
    free(issuer->secret);
    free(issuer->url);
    free(issuer);
}

/* Lets go of rules; the last holder frees them, outside of the lock: an issuer's thread may take a moment to end. */
static void release(struct ls_callers *callers, struct rules *rules)
{
    struct issuer *issuer = NULL;
    bool last;

    if (!rules)
        return;
    pthread_mutex_lock(&callers->lock);
    last = --rules->holders == 0;
    if (last && rules->issuer && --rules->issuer->holders == 0)
        issuer = rules->issuer;
    pthread_mutex_unlock(&callers->lock);
    if (!last)
        return;
    close_issuer(issuer);
    ls_nextauth_close(rules->nextauth);
    ls_arena_done(&rules->mem);
    ls_secret_wipe(rules, sizeof *rules);
    free(rules);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static enum ls_code open_issuer(struct ls_callers *callers, struct rules *rules,
                                struct ls_error *err)
{
    const struct ls_jwks_options options = {.url = rules->auth.jwks,
                                            .secret = rules->auth.jwt_secret};
    struct issuer *issuer = callers->rules ? callers->rules->issuer : NULL;
    enum ls_code rc;

    if (!options.url && !options.secret)
        return LS_OK;
    if (issuer && same_text(issuer->url, options.url) &&
        same_text(issuer->secret, options.secret)) {
        pthread_mutex_lock(&callers->lock);
        issuer->holders++;
        pthread_mutex_unlock(&callers->lock);
        rules->issuer = issuer;
        return LS_OK;
    }
    rules->issuer = issuer = calloc(1, sizeof *issuer);
    if (!issuer)
        return ls_error_nomem(err);
    issuer->holders = 1;
    issuer->url = options.url ? strdup(options.url) : NULL;
    issuer->secret = options.secret ? strdup(options.secret) : NULL;
    rc = (options.url && !issuer->url) || (options.secret && !issuer->secret)
             ? ls_error_nomem(err)
             : ls_jwks_open(&options, &issuer->jwks, err);
    return rc;
}

static enum ls_code read_qstash_keys(struct rules *rules, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < 2 && rc == LS_OK; i++)
        if (rules->auth.qstash_keys[i]) {
            rc = ls_secret_read(rules->auth.qstash_keys[i], LS_SIGN_QSTASH, &rules->mem,
                                &rules->qstash[rules->qstash_count], err);
            rules->qstash_count += rc == LS_OK;
        }
    return rc;
}

/* The configuration's texts would go with it: rules have their own. */
static enum ls_code copy_texts(const char *const *from, size_t count, struct ls_arena *mem,
                               const char *const **ret, struct ls_error *err)
{
    const char **list = ls_arena_array(mem, count, sizeof *list);

    if (!list)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        if (!(list[i] = ls_arena_text(mem, from[i])))
            return ls_error_nomem(err);
    *ret = list;
    return LS_OK;
}

static enum ls_code own_texts(struct rules *rules, struct ls_error *err)
{
    struct ls_auth_config *a = &rules->auth;
    const char **texts[] = {&a->jwt_secret,      &a->jwks,        &a->role_claim,
                            &a->nextauth_secret, &a->cron_secret, &a->qstash_keys[0],
                            &a->qstash_keys[1],  &a->public_url,  &a->admin_token,
                            &a->service_key,     &a->anon_key};
    enum ls_code rc = copy_texts(a->issuers, a->issuer_count, &rules->mem, &a->issuers, err);

    if (rc == LS_OK)
        rc = copy_texts(a->audiences, a->audience_count, &rules->mem, &a->audiences, err);
    if (rc == LS_OK)
        rc = copy_texts(a->origins, a->origin_count, &rules->mem, &a->origins, err);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && rc == LS_OK; i++)
        if (*texts[i] && !(*texts[i] = ls_arena_text(&rules->mem, *texts[i])))
            rc = ls_error_nomem(err);
    rules->jwt =
        (struct ls_jwt_rules){a->issuer_count, a->audience_count, a->issuers, a->audiences};
    return rc;
}

static enum ls_code make_rules(struct ls_callers *callers, const struct ls_config *config,
                               struct rules **ret, struct ls_error *err)
{
    struct rules *rules = calloc(1, sizeof *rules);
    enum ls_code rc;

    if (!rules)
        return ls_error_nomem(err);
    rules->holders = 1;
    rules->number = callers->rules ? callers->rules->number + 1 : 1;
    ls_arena_init(&rules->mem, 0);
    rc = ls_config_auth_with_environment(config, &rules->mem, &rules->auth, err);
    if (rc == LS_OK)
        rc = own_texts(rules, err);
    if (rc == LS_OK)
        rc = read_qstash_keys(rules, err);
    if (rc == LS_OK && rules->auth.nextauth_secret)
        rc = ls_nextauth_open(rules->auth.nextauth_secret, &rules->nextauth, err);
    if (rc == LS_OK)
        rc = open_issuer(callers, rules, err);
    know(callers, &rules->cron, rules->auth.cron_secret);
    know(callers, &rules->admin, rules->auth.admin_token);
    know(callers, &rules->service, rules->auth.service_key);
    know(callers, &rules->anon, rules->auth.anon_key);
    if (rc == LS_OK)
        *ret = rules;
    else
        release(callers, rules);
    return rc;
}

static struct rules *hold(struct ls_callers *callers)
{
    struct rules *rules;

    pthread_mutex_lock(&callers->lock);
    rules = callers->rules;
    rules->holders++;
    pthread_mutex_unlock(&callers->lock);
    return rules;
}

/* ---- open and close ---- */

enum ls_code ls_callers_open(const struct ls_config *config, const char *state_url,
                             struct ls_callers **ret, struct ls_error *err)
{
    const struct ls_register_options options = {.state_url = state_url ? state_url
                                                             : config  ? config->state_url
                                                                       : NULL};
    struct ls_callers *callers = calloc(1, sizeof *callers);
    enum ls_code rc;

    if (!callers)
        return ls_error_nomem(err);
    pthread_mutex_init(&callers->lock, NULL);
    rc = sodium_init() < 0 ? ls_error_set(err, LS_INTERNAL, "libsodium does not start") : LS_OK;
    if (rc == LS_OK) {
        ls_random_bytes(callers->key, sizeof callers->key);
        rc = make_rules(callers, config, &callers->rules, err);
    }
    if (rc == LS_OK)
        rc = ls_limits_open(callers->rules->auth.rate, &callers->limits, err);
    if (rc == LS_OK)
        rc = ls_register_open(&options, &callers->reg, err);
    if (rc == LS_OK)
        *ret = callers;
    else
        ls_callers_close(callers);
    return rc;
}

enum ls_code ls_callers_reload(struct ls_callers *callers, const struct ls_config *config,
                               struct ls_error *err)
{
    struct rules *next = NULL, *before;
    const enum ls_code rc = make_rules(callers, config, &next, err);

    if (rc != LS_OK)
        return rc;
    ls_limits_rate(callers->limits, next->auth.rate);
    pthread_mutex_lock(&callers->lock);
    before = callers->rules;
    callers->rules = next;
    pthread_mutex_unlock(&callers->lock);
    release(callers, before);
    return LS_OK;
}

void ls_callers_close(struct ls_callers *callers)
{
    if (!callers)
        return;
    ls_register_close(callers->reg);
    ls_limits_close(callers->limits);
    release(callers, callers->rules);
    pthread_mutex_destroy(&callers->lock);
    ls_secret_wipe(callers->key, sizeof callers->key);
    free(callers);
}

void ls_callers_forget(struct ls_callers *callers)
{
    ls_register_forget(callers->reg);
}

void ls_callers_sessions(struct ls_callers *callers, int64_t *ret_idle_us, int64_t *ret_absolute_us)
{
    struct rules *rules = hold(callers);

    *ret_idle_us = rules->auth.session_idle_s * SECOND;
    *ret_absolute_us = rules->auth.session_absolute_s * SECOND;
    release(callers, rules);
}

bool ls_callers_have_token(struct ls_callers *callers)
{
    struct rules *rules = hold(callers);
    const bool ret = rules->admin.set;

    release(callers, rules);
    return ret;
}

/* ---- one request ---- */

/* What is worked with while a request is looked at. */
struct look {
    struct ls_callers *callers;
    const struct rules *rules;
    const struct ls_request *request;
    struct ls_caller *ret;
    struct ls_error *err;
};

/* Which explicit credentials there are. NULL: none of that kind. */
struct sent {
    const char *authorization, *cron, *signature, *apikey;
    const char *token; /* of the query, where there is no Authorization */
    const char *twice; /* the name of one that stands there more than once */
};

static void collect(const struct ls_request *request, struct sent *ret)
{
    const struct {
        const char *name, **value;
    } headers[] = {{"Authorization", &ret->authorization},
                   {"x-cron-secret", &ret->cron},
                   {"Upstash-Signature", &ret->signature},
                   {"apikey", &ret->apikey}};

    *ret = (struct sent){0};
    for (size_t h = 0; h < request->header_count; h++)
        for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
            if (strcasecmp(request->headers[h].name, headers[i].name) == 0) {
                if (*headers[i].value)
                    ret->twice = headers[i].name;
                *headers[i].value = request->headers[h].value ? request->headers[h].value : "";
            }
    if (ret->authorization || !request->token) /* beside a header it is the destination's own */
        return;
    ret->token = request->token;
    if (request->token_twice)
        ret->twice = "qstash_token";
}

static enum ls_code refuse(struct look *l, int status, const char *why)
{
    l->ret->status = status;
    return ls_error_set(l->err, LS_PERMISSION, "%s", why);
}

/* The proof is there. name: foreign text, cut and cleaned; user may be NULL. */
static enum ls_code accept(struct look *l, enum ls_role role, const char *kind, const char *name,
                           const char *user)
{
    const size_t length = ls_utf8_cut(name, strnlen(name, NAME_MOST));
    struct ls_buf shown;
    const char *copy;

    ls_buf_init(&shown, 4 * NAME_MOST + 1);
    ls_text_printable(&shown, name, length);
    copy = shown.failed ? NULL : ls_arena_text(l->request->mem, ls_buf_str(&shown));
    ls_buf_done(&shown);
    if (user && *user) {
        l->ret->user = ls_arena_text(l->request->mem, user);
        if (!l->ret->user)
            return ls_error_nomem(l->err);
    }
    if (!copy)
        return ls_error_nomem(l->err);
    l->ret->kind = kind;
    l->ret->name = copy;
    l->ret->role = role;
    return LS_OK;
}

static enum ls_code too_many(struct look *l, int64_t wait_us, const char *what)
{
    l->ret->retry_after_s = (int)(wait_us / SECOND) + 1;
    return ls_error_set(l->err, LS_BUSY, "too many %s. Try again in %d seconds", what,
                        l->ret->retry_after_s);
}

/* ---- tokens and sessions of ours ---- */

static enum ls_code find(struct look *l, enum ls_register_kind kind, const char *text,
                         size_t length, struct ls_known *ret, bool *ret_found)
{
    unsigned char hash[LS_SECRET_HASH];
    int64_t wait_us = 0;

    ls_secret_hash(text, length, hash);
    if (!ls_register_has(l->callers->reg, kind, hash) &&
        !ls_limits_use(l->callers->limits, LS_LIMIT_LOOKUP, "address", l->request->peer,
                       ls_clock_monotonic_us(), &wait_us))
        return too_many(l, wait_us, "different tokens from this address");
    l->ret->pass.kind = kind == LS_REGISTER_TOKEN ? LS_PASS_TOKEN : LS_PASS_SESSION;
    memcpy(l->ret->pass.hash, hash, sizeof hash);
    return ls_register_find(l->callers->reg, kind, hash, ret, ret_found, l->err);
}

static enum ls_code accept_known(struct look *l, const char *kind, const struct ls_known *known)
{
    const enum ls_role role = role_of_word(known->role);

    if (role == LS_ROLE_UNSET)
        return ls_error_set(
            l->err, LS_CORRUPT,
            "who is calling cannot be told: the state has a role that there is not");
    l->ret->pass.expires_us = known->expires_us;
    return accept(l, role, kind, known->name, known->user);
}

static enum ls_code by_token(struct look *l, const char *text, size_t length)
{
    struct ls_known known;
    bool found = false;
    enum ls_code rc = LS_OK;

    l->ret->kind = "token";
    if (ls_secret_is(LS_SECRET_API, text, length))
        rc = find(l, LS_REGISTER_TOKEN, text, length, &known, &found);
    if (rc == LS_OK && !found)
        return refuse(l, 0, "the token is not valid");
    return rc == LS_OK ? accept_known(l, "token", &known) : rc;
}

/* ---- tokens of others ---- */

static const char *text_claim(const json_t *claims, const char *name)
{
    const char *text = json_string_value(json_object_get(claims, name));

    return text && *text ? text : NULL;
}

static enum ls_code accept_claims(struct look *l, const char *kind, enum ls_role_source source,
                                  const struct ls_jwt *jwt)
{
    const enum ls_role role = ls_role_of_claims(jwt->claims, l->rules->auth.role_claim, source);
    const char *email = text_claim(jwt->claims, "email"), *name = text_claim(jwt->claims, "name");

    l->ret->pass = (struct ls_pass){.kind = LS_PASS_CLAIMS,
                                    .expires_us = (jwt->expires_s + LS_JWT_LEEWAY_S) * SECOND,
                                    .rules = l->rules->number};
    if (role == LS_ROLE_NONE)
        return accept(l, role, kind, "anon", NULL);
    if (source == LS_ROLE_FROM_SESSION && !jwt->subject && !email)
        return refuse(l, 0, "the session says of nobody whose it is: it has no sub and no email");
    if (!name || source == LS_ROLE_FROM_TOKEN)
        name = jwt->subject ? jwt->subject : ls_role_word(role);
    return accept(l, role, kind, email ? email : name,
                  jwt->subject                     ? jwt->subject
                  : source == LS_ROLE_FROM_SESSION ? email
                                                   : NULL);
}

static enum ls_code refuse_jwt(struct look *l, enum ls_jose_fault fault, bool soon)
{
    if (soon)
        return ls_error_set(l->err, LS_CONNECT,
                            "the token cannot be checked now: its issuer's keys are being fetched");
    if (fault == LS_JOSE_MEMORY)
        return ls_error_nomem(l->err);
    l->ret->fault = (int)fault;
    return refuse(l, 0, ls_jose_fault_text(fault));
}

static enum ls_code by_jwt(struct look *l, const char *text, size_t length)
{
    struct ls_jwt jwt;
    enum ls_jose_fault fault;
    enum ls_code rc;
    bool soon = false;

    l->ret->kind = "jwt";
    if (!l->rules->issuer)
        return refuse(l, 0, "tokens of this kind are not known here");
    fault = ls_jwks_verify(l->rules->issuer->jwks, &l->rules->jwt, text, length,
                           ls_clock_now_us() / SECOND, &jwt, &soon);
    rc = fault == LS_JOSE_NONE ? accept_claims(l, "jwt", LS_ROLE_FROM_TOKEN, &jwt)
                               : refuse_jwt(l, fault, soon);
    ls_jwt_done(&jwt);
    return rc;
}

/* ---- secrets that we know ---- */

/* Whose they are. */
struct known_caller {
    size_t secret; /* offset in rules */
    enum ls_role role;
    const char *kind, *name;
};
static const struct known_caller known_callers[] = {
    {offsetof(struct rules, admin), LS_ROLE_ADMIN, "token", "environment"},
    {offsetof(struct rules, cron), LS_ROLE_CRON, "cron", ""},
    {offsetof(struct rules, service), LS_ROLE_SERVICE, "key", "service_role"},
    {offsetof(struct rules, anon), LS_ROLE_NONE, "key", "anon"},
};

/* NULL: nobody's. */
static const struct known_caller *caller_of_secret(const struct rules *rules,
                                                   const unsigned char hash[LS_SECRET_HASH])
{
    for (size_t i = 0; i < sizeof known_callers / sizeof *known_callers; i++)
        if (is_secret((const struct known_secret *)((const char *)rules + known_callers[i].secret),
                      hash))
            return &known_callers[i];
    return NULL;
}

/* Anything that stands behind Bearer, or in apikey. */
static enum ls_code by_bearer(struct look *l, const char *text)
{
    const size_t length = strlen(text);
    const struct known_caller *known;

    l->ret->kind = "token";
    if (length == 0 || length > LS_JWT_MOST)
        return refuse(l, 0, "the token is not valid");
    l->ret->pass.kind = LS_PASS_SECRET;
    hash_secret(l->callers, text, length, l->ret->pass.hash);
    known = caller_of_secret(l->rules, l->ret->pass.hash);
    if (known)
        return accept(l, known->role, known->kind, known->name, NULL);
    if (ls_text_starts(text, LS_SECRET_API))
        return by_token(l, text, length);
    if (strchr(text, '.'))
        return by_jwt(l, text, length);
    return refuse(l, 0, "the token is not valid");
}

static enum ls_code by_authorization(struct look *l, const char *value)
{
    if (strncasecmp(value, "Bearer", 6) != 0 || (value[6] != ' ' && value[6] != '\t'))
        return refuse(l, 0,
                      "this kind of credentials is not known here: send Authorization: "
                      "Bearer and a token");
    value += 6;
    return by_bearer(l, value + strspn(value, " \t"));
}

/* ---- what drives schedules ---- */

static bool is_cron(const struct look *l, const char *text)
{
    unsigned char hash[crypto_generichash_BYTES];

    hash_secret(l->callers, text, strlen(text), hash);
    return is_secret(&l->rules->cron, hash);
}

static enum ls_code by_cron(struct look *l, const char *text)
{
    l->ret->kind = "cron";
    if (!is_cron(l, text))
        return refuse(l, 0,
                      l->rules->cron.set ? "the cron secret is not valid"
                                         : "no cron secret is configured here");
    return accept(l, LS_ROLE_CRON, "cron", "", NULL);
}

/* How QStash knows the place that it calls: the configured address, or what it seems to be. */
static const char *url_of(const struct look *l)
{
    const struct ls_request *request = l->request;
    const char *base = l->rules->auth.public_url, *host = ls_request_header(request, "Host");
    size_t length = base ? strlen(base) : 0;

    while (length && base[length - 1] == '/')
        length--;
    if (base)
        return ls_arena_printf(request->mem, "%.*s%s", (int)length, base, request->target);
    return ls_arena_printf(request->mem, "%s://%s%s", request->tls ? "https" : "http",
                           host ? host : "", request->target);
}

static enum ls_code by_signature(struct look *l, const struct sent *sent)
{
    const struct ls_header header = {"Upstash-Signature", sent->signature};
    const struct ls_sign_message message = {&header, 1, l->request->body, l->request->body_size};
    struct ls_sign_rule rule = {.scheme = LS_SIGN_QSTASH,
                                .secrets = l->rules->qstash,
                                .secret_count = l->rules->qstash_count};
    struct ls_sign_finding finding;

    l->ret->kind = "qstash";
    rule.url = url_of(l);
    if (!rule.url)
        return ls_error_nomem(l->err);
    if (!ls_sign_verify(&rule, &message, ls_clock_now_us() / SECOND, &finding))
        return refuse(l, 0, "the signature of QStash is not valid for this address, body and time");
    /* It forwards the cron secret of whoever set it up; whatever else is there beside it was not forwarded. */
    if ((sent->cron && !is_cron(l, sent->cron)) ||
        (sent->authorization && (strncasecmp(sent->authorization, "Bearer ", 7) != 0 ||
                                 !is_cron(l, sent->authorization + 7))))
        return refuse(l, 400, "several kinds of credentials at once: send one");
    return accept(l, LS_ROLE_CRON, "qstash", "", NULL);
}

/* ---- cookies ---- */

static bool changes_something(const struct ls_request *request)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS"};

    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        if (strcmp(request->method, safe[i]) == 0)
            return request->route &&
                   (request->route->flags & (LS_ROUTE_CHANGES | LS_ROUTE_AUDITS)) != 0;
    return true;
}

/* host and port of "https://host:port"; false: it is no such thing ("null"). */
static bool split_origin(const char *origin, bool *ret_tls, const char **ret_host)
{
    *ret_tls = ls_text_starts(origin, "https://");
    if (!*ret_tls && !ls_text_starts(origin, "http://"))
        return false;
    *ret_host = strchr(origin, ':') + 3;
    return **ret_host != '\0';
}

static bool is_listed(const struct look *l, const char *origin)
{
    for (size_t i = 0; origin && i < l->rules->auth.origin_count; i++)
        if (ls_text_equal_nocase(l->rules->auth.origins[i], origin))
            return true;
    return false;
}

/* Whether the request comes from a page of ours, by what the browser says. */
static bool is_from_us(const struct look *l)
{
    const char *site = ls_request_header(l->request, "Sec-Fetch-Site");
    const char *origin = ls_request_header(l->request, "Origin");
    const char *host = ls_request_header(l->request, "Host"), *theirs = NULL;
    bool tls = false;

    if (is_listed(l, origin))
        return true;
    if (site) /* "none": of the person and not of a page; but a link in a mail is that too, and is a GET */
        return strcmp(site, "same-origin") == 0 ||
               (strcmp(site, "none") == 0 && strcmp(l->request->method, "GET") != 0);
    if (!origin || !host || !split_origin(origin, &tls, &theirs))
        return false;
    return ls_text_equal_nocase(theirs, host) && (tls || !l->request->tls);
}

bool ls_caller_from_elsewhere(struct ls_callers *callers, const struct ls_request *request)
{
    struct rules *rules = hold(callers);
    const struct look l = {.callers = callers, .rules = rules, .request = request};
    const bool said =
        ls_request_header(request, "Sec-Fetch-Site") || ls_request_header(request, "Origin");
    const bool ret = said && !is_from_us(&l);

    release(callers, rules);
    return ret;
}

static enum ls_code check_page(struct look *l)
{
    if (!changes_something(l->request) || is_from_us(l))
        return LS_OK;
    return refuse(l, 403,
                  "a call with a cookie that changes something has to come from a page of this "
                  "server, or of auth.origins (Sec-Fetch-Site, Origin). Programs use a token");
}

static enum ls_code check_csrf(struct look *l, const char *secret)
{
    const char *given = ls_request_header(l->request, "X-CSRF-Token");
    char csrf[LS_CSRF_TEXT];
    bool same;

    if (!changes_something(l->request))
        return LS_OK;
    ls_login_csrf(secret, csrf);
    same = given && ls_secret_equal(given, strlen(given), csrf, strlen(csrf));
    ls_secret_wipe(csrf, sizeof csrf);
    return same ? LS_OK : refuse(l, 403, "the header X-CSRF-Token of this session is needed");
}

/* *ret_sent: there is a cookie of ours, valid or not. */
static enum ls_code by_session(struct look *l, bool *ret_sent, bool *ret_found)
{
    char secret[LS_SECRET_TEXT];
    struct ls_known known;
    enum ls_code rc;

    *ret_sent = ls_login_secret(l->request, secret);
    if (!*ret_sent)
        return LS_OK;
    rc = find(l, LS_REGISTER_SESSION, secret, strlen(secret), &known, ret_found);
    if (rc == LS_OK && *ret_found) {
        l->ret->kind = "session";
        rc = check_page(l);
        if (rc == LS_OK)
            rc = check_csrf(l, secret);
        if (rc == LS_OK)
            rc = accept_known(l, "session", &known);
    }
    ls_secret_wipe(secret, sizeof secret);
    return rc;
}

static enum ls_code by_nextauth(struct look *l, bool *ret_sent)
{
    struct ls_jwt jwt;
    enum ls_jose_fault fault;
    enum ls_code rc;

    if (!l->rules->nextauth)
        return LS_OK;
    fault = ls_nextauth_session(l->rules->nextauth, l->request, ls_clock_now_us() / SECOND, &jwt,
                                ret_sent);
    if (!*ret_sent) {
        ls_jwt_done(&jwt);
        return LS_OK;
    }
    l->ret->kind = "nextauth";
    rc = fault == LS_JOSE_NONE     ? check_page(l)
         : fault == LS_JOSE_MEMORY ? ls_error_nomem(l->err)
                                   : refuse(l, 0, "the session has ended. Log in again");
    if (rc == LS_OK)
        rc = accept_claims(l, "nextauth", LS_ROLE_FROM_SESSION, &jwt);
    ls_jwt_done(&jwt);
    return rc;
}

static enum ls_code by_cookie(struct look *l)
{
    bool sent = false, found = false, others = false;
    enum ls_code rc = by_session(l, &sent, &found);

    if (rc != LS_OK || found)
        return rc;
    rc = by_nextauth(l, &others);
    if (rc == LS_OK && !others && sent) {
        l->ret->kind = "session";
        return refuse(l, 0, "the session has ended. Log in again");
    }
    return rc;
}

/* ---- all of them ---- */

static enum ls_code by_what_was_sent(struct look *l)
{
    struct sent sent;
    bool signature;

    collect(l->request, &sent);
    signature = sent.signature && l->rules->qstash_count > 0;
    if (sent.twice)
        return refuse(l, 400, "credentials that stand there more than once are not believed");
    if ((sent.token || sent.apikey) && (sent.cron || signature))
        return refuse(l, 400, "several kinds of credentials at once: send one");
    if (signature)
        return by_signature(l, &sent);
    if (sent.authorization && sent.cron)
        return refuse(l, 400, "several kinds of credentials at once: send one");
    if (sent.authorization)
        return by_authorization(l, sent.authorization);
    if (sent.token)
        return by_bearer(l, sent.token);
    if (sent.cron)
        return by_cron(l, sent.cron);
    if (sent.apikey)
        return by_bearer(l, sent.apikey);
    if (sent.signature)
        return refuse(l, 0, "no signing keys of QStash are configured here");
    return by_cookie(l);
}

/* Wrong credentials are counted by address; when there were too many, the answer is that. */
static enum ls_code count_failure(struct look *l)
{
    int64_t wait_us = 0;

    if (l->ret->status == 403 || ls_limits_use(l->callers->limits, LS_LIMIT_FAILURE, "address",
                                               l->request->peer, ls_clock_monotonic_us(), &wait_us))
        return LS_PERMISSION;
    l->ret->status = 0;
    return too_many(l, wait_us, "wrong credentials from this address");
}

static enum ls_code count_request(struct look *l)
{
    const char *subject = l->ret->user ? l->ret->user : l->ret->name;
    int64_t wait_us = 0;

    if (l->ret->role == LS_ROLE_NONE ||
        ls_limits_use(l->callers->limits, LS_LIMIT_CALLER, l->ret->kind, subject,
                      ls_clock_monotonic_us(), &wait_us))
        return LS_OK;
    return too_many(l, wait_us, "requests of this caller");
}

enum ls_code ls_caller_identify(struct ls_callers *callers, const struct ls_request *request,
                                struct ls_caller *ret, struct ls_error *err)
{
    struct rules *rules = hold(callers);
    struct ls_caller caller = {.role = LS_ROLE_NONE, .kind = "anonymous", .name = ""};
    struct look l = {callers, rules, request, &caller, err};
    enum ls_code rc = by_what_was_sent(&l);

    if (rc == LS_PERMISSION)
        rc = count_failure(&l);
    else if (rc == LS_OK)
        rc = count_request(&l);
    if (rc != LS_OK) {
        caller.role = LS_ROLE_NONE;
        caller.user = NULL;
        caller.pass = (struct ls_pass){0};
    }
    *ret = caller;
    release(callers, rules);
    return rc;
}

/* ---- again ---- */

static enum ls_code look_up_again(struct ls_callers *callers, const struct ls_pass *pass,
                                  enum ls_role *ret, struct ls_error *err)
{
    const enum ls_register_kind kind =
        pass->kind == LS_PASS_TOKEN ? LS_REGISTER_TOKEN : LS_REGISTER_SESSION;
    struct ls_known known = {0};
    bool found = false;
    const enum ls_code rc = ls_register_look(callers->reg, kind, pass->hash, &known, &found, err);

    *ret = rc == LS_OK && found ? role_of_word(known.role) : LS_ROLE_UNSET;
    return rc;
}

static enum ls_code look_again(struct ls_callers *callers, const struct rules *rules,
                               const struct ls_pass *pass, bool *ret_still, struct ls_error *err)
{
    const struct known_caller *secret;
    enum ls_role role = LS_ROLE_UNSET;
    enum ls_code rc = LS_OK;

    switch (pass->kind) {
    case LS_PASS_NONE:
        break;
    case LS_PASS_SECRET:
        secret = caller_of_secret(rules, pass->hash);
        role = secret ? secret->role : LS_ROLE_UNSET;
        break;
    case LS_PASS_CLAIMS: /* what they say does not change */
        *ret_still = pass->rules == rules->number;
        return LS_OK;
    case LS_PASS_TOKEN:
    case LS_PASS_SESSION:
        rc = look_up_again(callers, pass, &role, err);
        break;
    }
    *ret_still = ls_role_may(role, pass->need);
    return rc;
}

enum ls_code ls_caller_still(struct ls_callers *callers, const struct ls_pass *pass,
                             bool *ret_still, struct ls_error *err)
{
    struct rules *rules;
    enum ls_code rc;

    *ret_still = false;
    if (pass->expires_us && pass->expires_us <= ls_clock_now_us())
        return LS_OK;
    rules = hold(callers);
    rc = look_again(callers, rules, pass, ret_still, err);
    release(callers, rules);
    return rc;
}
