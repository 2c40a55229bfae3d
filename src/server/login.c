/* SPDX-License-Identifier: Apache-2.0 */
/* login.c - logins with a password, and the link of the first start.
 *
 * How often may be tried (the numbers of `rules`):
 *
 *   an account from one address   5 times, then once a minute, once in two, ... up to a quarter of an hour
 *   an address                    20 times for whatever accounts, then likewise
 *   an account                    10 times from addresses that it is not known from, then with pauses of 10 s up to a minute
 *
 * The third is against many addresses that try one account. It could keep its owner waiting, so it does not count where the account has logged in
 * from within a month; and its pauses are short, for it need not stop a guesser, only make 2^40 guesses take for ever.
 *
 * A try is taken before the password is looked at and given back when it was right (state/throttles.c). A name that nobody has costs as
 * much time as a wrong password, and gives the same answer.
 *
 * The session's secret is new with each login, so one that somebody put into the browser before is worth nothing. */
#include "server/login.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "api/callers.h"
#include "server/cookie.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define DAY (86400 * SECOND)

static const struct ls_throttle_rule rules[] = {
    {.free_tries = 5, .first_us = MINUTE, .most_us = 15 * MINUTE, .keep_us = DAY},
    {.free_tries = 20, .first_us = MINUTE, .most_us = 15 * MINUTE, .keep_us = DAY},
    {.free_tries = 10, .first_us = 10 * SECOND, .most_us = MINUTE, .keep_us = DAY},
};
enum { BOTH, ADDRESS, ACCOUNT, RULES };

/* An IPv6 address counts by its network: one customer has 2^64 of them. */
static void network_of(const char *peer, char out[INET6_ADDRSTRLEN])
{
    unsigned char six[16];

    if (inet_pton(AF_INET6, peer, six) == 1) {
        memset(six + 8, 0, 8);
        (void)inet_ntop(AF_INET6, six, out, INET6_ADDRSTRLEN);
    } else {
        snprintf(out, INET6_ADDRSTRLEN, "%.45s", peer);
    }
}

/* Parts with a NUL behind each, so that no two lists are the same bytes. */
static void subject_of(const char *what, const char *account, const char *network,
                       unsigned char out[LS_SECRET_HASH])
{
    crypto_hash_sha256_state state;
    const char *const parts[] = {"lockstep login", what, account, network};

    (void)crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        (void)crypto_hash_sha256_update(&state, (const unsigned char *)parts[i],
                                        strlen(parts[i]) + 1);
    (void)crypto_hash_sha256_final(&state, out);
}

/* Which rules count for this try; *ret_known gets the subject of "this account has logged in from here". */
static enum ls_code choose_rules(struct ls_state *state, const char *name, const char *peer,
                                 int64_t now_us, struct ls_throttle_rule chosen[RULES],
                                 size_t *ret_count, unsigned char known[LS_SECRET_HASH],
                                 struct ls_error *err)
{
    char network[INET6_ADDRSTRLEN];
    bool is_known = false;
    enum ls_code rc;

    network_of(peer, network);
    memcpy(chosen, rules, sizeof rules);
    subject_of("both", name, network, chosen[BOTH].subject);
    subject_of("address", "", network, chosen[ADDRESS].subject);
    subject_of("account", name, "", chosen[ACCOUNT].subject);
    subject_of("known", name, network, known);
    rc = ls_state_throttle_known(state, known, now_us, &is_known, err);
    *ret_count = is_known ? ACCOUNT : RULES;
    return rc;
}

static enum ls_code wait(int64_t wait_us, int *ret_wait_s, struct ls_error *err)
{
    *ret_wait_s = (int)((wait_us + SECOND - 1) / SECOND);
    return ls_error_set(err, LS_BUSY, "too many tries. Try again in %d seconds", *ret_wait_s);
}

/* LS_OK: it is this user's password, and they may log in. */
static enum ls_code check_password(struct ls_state *state, const char *name, const char *password,
                                   struct ls_error *err)
{
    struct ls_user user;
    struct ls_arena mem;
    bool found = false, right;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_state_user_find(state, name, &mem, &user, &found, err);
    if (rc == LS_OK) {
        found = found && user.disabled_us == 0;
        right = ls_password_right(found ? user.password : NULL, password, strlen(password));
        if (!found || !right)
            rc = ls_error_set(err, LS_PERMISSION, "name or password are not right");
    }
    ls_arena_done(&mem);
    return rc;
}

static enum ls_code begin_session(struct ls_state *state, const char *name, int64_t now_us,
                                  int64_t idle_us, int64_t absolute_us, struct ls_login *ret,
                                  struct ls_error *err)
{
    unsigned char hash[LS_SECRET_HASH];
    struct ls_login login = {0};
    enum ls_code rc;

    ls_secret_new(LS_SECRET_SESSION, login.secret);
    ls_secret_hash(login.secret, strlen(login.secret), hash);
    ls_login_csrf(login.secret, login.csrf);
    rc = ls_state_session_add(state, hash, name, now_us, idle_us, absolute_us, err);
    if (rc == LS_OK)
        *ret = login;
    else if (rc == LS_NOT_FOUND) /* removed this very moment */
        rc = ls_error_set(err, LS_PERMISSION, "name or password are not right");
    ls_secret_wipe(&login, sizeof login);
    return rc;
}

enum ls_code ls_login(struct ls_state *state, const char *name, const char *password,
                      const char *peer, int64_t now_us, int64_t idle_us, int64_t absolute_us,
                      struct ls_login *ret, int *ret_wait_s, struct ls_error *err)
{
    struct ls_throttle_rule chosen[RULES];
    unsigned char known[LS_SECRET_HASH];
    int64_t wait_us = 0;
    size_t count = 0;
    enum ls_code rc = choose_rules(state, name, peer, now_us, chosen, &count, known, err);

    *ret = (struct ls_login){0};
    *ret_wait_s = 0;
    if (rc == LS_OK)
        rc = ls_state_throttle_take(state, chosen, count, now_us, &wait_us, err);
    if (rc == LS_OK && wait_us > 0)
        return wait(wait_us, ret_wait_s, err);
    if (rc == LS_OK)
        rc = check_password(state, name, password, err);
    if (rc == LS_OK)
        rc = ls_state_throttle_forgive(state, chosen, count, err);
    if (rc == LS_OK)
        rc = ls_state_throttle_know(state, known, now_us, now_us + LS_LOGIN_KNOWN_DAYS * DAY, err);
    return rc == LS_OK ? begin_session(state, name, now_us, idle_us, absolute_us, ret, err) : rc;
}

/* ---- the session of a request ---- */

bool ls_login_secret(const struct ls_request *request, char ret[LS_SECRET_TEXT])
{
    struct ls_cookie cookie;
    size_t count = 0;

    if (!ls_cookie_find(request, ls_cookie_session_name(request->tls), &cookie, &count) ||
        count != 1 || !ls_secret_is(LS_SECRET_SESSION, cookie.value, cookie.value_length))
        return false;
    memcpy(ret, cookie.value, cookie.value_length);
    ret[cookie.value_length] = '\0';
    return true;
}

void ls_login_csrf(const char *secret, char ret[LS_CSRF_TEXT])
{
    static const char what[] = "lockstep csrf";
    unsigned char bytes[32];

    (void)crypto_generichash(bytes, sizeof bytes, (const unsigned char *)what, sizeof what,
                             (const unsigned char *)secret, strlen(secret));
    sodium_bin2base64(ret, LS_CSRF_TEXT, bytes, sizeof bytes,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(bytes, sizeof bytes);
}

enum ls_code ls_logout(struct ls_state *state, const struct ls_request *request,
                       struct ls_error *err)
{
    unsigned char hash[LS_SECRET_HASH];
    char secret[LS_SECRET_TEXT];

    if (!ls_login_secret(request, secret))
        return LS_OK;
    ls_secret_hash(secret, strlen(secret), hash);
    ls_secret_wipe(secret, sizeof secret);
    return ls_state_session_end(state, hash, err);
}

/* ---- the first start ---- */

enum ls_code ls_setup_link(struct ls_state *state, const char *url, int64_t now_us,
                           struct ls_arena *mem, const char **ret, struct ls_error *err)
{
    unsigned char hash[LS_SECRET_HASH];
    char secret[LS_SECRET_TEXT];
    bool made = false;
    enum ls_code rc;

    *ret = NULL;
    ls_secret_new(LS_SECRET_SETUP, secret);
    ls_secret_hash(secret, strlen(secret), hash);
    rc = ls_state_setup_begin(state, hash, now_us, now_us + DAY, &made, err);
    if (rc == LS_OK && made && !(*ret = ls_arena_printf(mem, "%s/setup#%s", url, secret)))
        rc = ls_error_nomem(err);
    ls_secret_wipe(secret, sizeof secret);
    return rc;
}

enum ls_code ls_setup_finish(struct ls_state *state, const char *secret, const char *name,
                             const char *password, int64_t now_us, struct ls_error *err)
{
    unsigned char hash[LS_SECRET_HASH];
    char password_hash[LS_PASSWORD_HASH];
    bool valid = false;
    enum ls_code rc = LS_OK;

    ls_secret_hash(secret, strlen(secret), hash);
    if (ls_secret_is(LS_SECRET_SETUP, secret,
                     strlen(secret))) /* before a password is hashed for nothing */
        rc = ls_state_setup_valid(state, hash, now_us, &valid, err);
    if (rc == LS_OK && !valid)
        return ls_error_set(err, LS_PERMISSION,
                            "the link is not valid: it was used, is too old, or there is a user "
                            "already. A new one is made at a start without users");
    if (rc == LS_OK)
        rc = ls_api_user_hash(name, "admin", password, password_hash, err);
    return rc == LS_OK
               ? ls_state_setup_finish(state, hash, now_us, name, "admin", password_hash, err)
               : rc;
}
