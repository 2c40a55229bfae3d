/* SPDX-License-Identifier: Apache-2.0 */
/* caller.h - who is calling: from the credentials of a request to a role and a name.
 *
 * Whether that role may do what it asks is the route's matter (route.h) and whose records it may see the handler's. */
#ifndef LS_SERVER_CALLER_H
#define LS_SERVER_CALLER_H

#include "base/error.h"
#include "base/secret.h"
#include "server/request.h"

struct ls_config;

/*    name, word */
#define LS_ROLES(X)                                                                                       \
    X(UNSET, "unset")       /* of a route: forgotten; does not compile */                                 \
    X(NONE, "none")         /* nobody in particular; of a route: public */                                \
    X(USER, "user")         /* a person with items of their own */                                        \
    X(VIEWER, "viewer")     /* looks at everything, changes nothing */                                    \
    X(OPERATOR, "operator") /* starts and cancels runs */                                                 \
    X(ADMIN, "admin")       /* everything */                                                              \
    X(SERVICE, "service")   /* a program: what operators may, for all users */                            \
    X(CRON,                                                                                               \
      "cron") /* what drives a schedule (CRON_SECRET, QStash); of a route: it and those who start runs */ \
    X(KNOWN, "known") /* of a route: whoever has credentials */
#define X(name, word) LS_ROLE_##name,
enum ls_role { LS_ROLES(X) LS_ROLE_COUNT };
#undef X
const char *ls_role_word(enum ls_role role);
/* May one who has this role call what needs that one? (a table in caller.c) */
bool ls_role_may(enum ls_role have, enum ls_role need);

/* What somebody was let in by, kept where they stay on (a stream): ls_caller_still() says whether it still lets them in. Holds no secret. */
struct ls_pass {
    enum {
        LS_PASS_NONE,    /* nothing that can be looked at again: it lets nobody in */
        LS_PASS_TOKEN,   /* of ours, in the state */
        LS_PASS_SESSION, /* likewise */
        LS_PASS_SECRET,  /* of the configuration or the environment */
        LS_PASS_CLAIMS,  /* a token or session of somebody else's */
    } kind;
    enum ls_role need;                  /* what they were let in to: the route's role */
    unsigned char hash[LS_SECRET_HASH]; /* not of claims */
    int64_t expires_us;                 /* Unix time; 0: never */
    uint64_t rules;                     /* of claims: which configuration they were held against */
};

struct ls_caller {
    enum ls_role role; /* LS_ROLE_NONE: no credentials were sent */
    const char *
        kind; /* "token", "session", "jwt", "nextauth", "cron", "qstash", "key", "anonymous": static */
    const char *
        name; /* for logs and the audit log; "" of nobody. Never a secret. In the request's arena */
    const char *user;    /* whose items (role user); NULL: nobody's */
    int retry_after_s;   /* with LS_BUSY: when to try again; 0: not said */
    int status;          /* with an error: the HTTP status to refuse with; 0: as below */
    struct ls_pass pass; /* for later; without `need` */
    int fault; /* of a JWT that was refused: enum ls_jose_fault (jose.h), for surfaces that have codes of their own; 0: none */
};

struct ls_callers; /* what credentials are known */

/* config: borrowed for the call, NULL: none. */
LS_MUST_CHECK enum ls_code ls_callers_open(const struct ls_config *config, const char *state_url,
                                           struct ls_callers **ret, struct ls_error *err);
/* Takes a new configuration; after an error the old one goes on. */
LS_MUST_CHECK enum ls_code ls_callers_reload(struct ls_callers *callers,
                                             const struct ls_config *config, struct ls_error *err);
void ls_callers_close(struct ls_callers *callers);

/* Forgets what was looked up: after a token, user or session was changed by this process. Other processes notice within a second. Any thread. */
void ls_callers_forget(struct ls_callers *callers);
/* Whether the environment names an admin's token (LOCKSTEP_TOKEN): then there is a way in without users. Any thread. */
bool ls_callers_have_token(struct ls_callers *callers);
/* How long sessions last, for ls_login(). Any thread. */
void ls_callers_sessions(struct ls_callers *callers, int64_t *ret_idle_us,
                         int64_t *ret_absolute_us);

/* Whether a request that carries no credentials yet (a login) may come from a page of somebody else's, by what the browser says. Where it says nothing, it is no browser. Any
 * thread. */
bool ls_caller_from_elsewhere(struct ls_callers *callers, const struct ls_request *request);

/* Who sent this request (its body is there). Any thread, several at once; called on HTTP's threads, so at most one look-up: what takes
 * longer (the hash of a password) is a route of its own, on a worker.
 *
 * One kind of credentials is taken: Authorization: Bearer (an API token, a JWT, LOCKSTEP_TOKEN, CRON_SECRET, a Supabase project's key), x-cron-secret,
 * Upstash-Signature; under /v2 qstash_token= of the query where no Authorization is sent; where none of them is sent, apikey; where that is not sent either, the cookie of a session of ours, then NextAuth's. Cookies come along unasked,
 * so they count only from pages of ours, or of auth.origins, for what changes something. Several kinds at once are refused, but for the cron secret in a request that
 * QStash signed, which forwards it.
 *
 * LS_OK: *ret is filled; without credentials, and with the anonymous key of a Supabase project, with LS_ROLE_NONE. LS_PERMISSION: credentials that are wrong,
 * expired or withdrawn (401), or ret->status. LS_BUSY: too many tries or requests (429). Any other code: it cannot be told now (503). *ret is filled as far as known in any case, for the audit
 * log; err never holds a secret. Whatever goes wrong inside, the answer is an error and never a role. */
LS_MUST_CHECK enum ls_code ls_caller_identify(struct ls_callers *callers,
                                              const struct ls_request *request,
                                              struct ls_caller *ret, struct ls_error *err);

/* Whether it would let its holder in now: it is there, has not expired, and its role is still enough. Claims of others hold until they expire or the
 * configuration is read again. LS_BUSY, LS_CONNECT, ...: it cannot be told now. Any thread; may wait for the state for two seconds. Is no use of a
 * session, and counts as no request. */
LS_MUST_CHECK enum ls_code ls_caller_still(struct ls_callers *callers, const struct ls_pass *pass,
                                           bool *ret_still, struct ls_error *err);

#endif
