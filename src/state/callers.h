/* SPDX-License-Identifier: Apache-2.0 */
/* callers.h - who may call: API tokens, users with passwords, sessions, the link of the first start, and who tried too often.
 *
 * No secret is kept: of what was drawn the SHA-256, of passwords an argon2id hash (base/secret.h makes both). Every change but a login's
 * is an entry of the audit log in the same transaction; `actor` is who made it. Times are Unix microseconds, 0 is none. What a role
 * is, the state does not know: it keeps a word. */
#ifndef LS_STATE_CALLERS_H
#define LS_STATE_CALLERS_H

#include "base/secret.h"
#include "state/state.h"

/* ---- tokens ---- */

/* Strings live in the arena that it was read into, or are borrowed when written. */
struct ls_token {
    char id[37];         /* UUID; set when it is added */
    const char *name;    /* one living token has it */
    const char *role;    /* a word */
    const char *owner;   /* whose it is and with whom it ends; "" for nobody's */
    const char *made_by; /* actor; set when it is added */
    int64_t created_us;  /* set when it is added */
    int64_t expires_us;
    int64_t used_us; /* about: see ls_state_token_used() */
    int64_t revoked_us;
};
/* Remembers a token by its hash. LS_USAGE: a living token has that name. */
LS_MUST_CHECK enum ls_code ls_state_token_add(struct ls_state *state, const char *actor,
                                              const unsigned char hash[LS_SECRET_HASH],
                                              struct ls_token *token, struct ls_error *err);
/* The token with this hash, if it lives at now_us: neither revoked nor expired, and its owner, if it has one, is there and not disabled.
 * *ret_found false: there is none. */
LS_MUST_CHECK enum ls_code ls_state_token_find(struct ls_state *state,
                                               const unsigned char hash[LS_SECRET_HASH],
                                               int64_t now_us, struct ls_arena *mem,
                                               struct ls_token *ret, bool *ret_found,
                                               struct ls_error *err);
/* Notes that it was used. To be called now and then, not for every request: it writes. */
LS_MUST_CHECK enum ls_code ls_state_token_used(struct ls_state *state, const char *id,
                                               int64_t now_us, struct ls_error *err);
/* All of them, living ones first, then by name and age. */
LS_MUST_CHECK enum ls_code ls_state_tokens(struct ls_state *state, struct ls_arena *mem,
                                           size_t *ret_count, struct ls_token **ret,
                                           struct ls_error *err);
/* Ends the living token with this name or id; *ret is what it was. LS_NOT_FOUND. */
LS_MUST_CHECK enum ls_code ls_state_token_revoke(struct ls_state *state, const char *actor,
                                                 const char *which, struct ls_arena *mem,
                                                 struct ls_token *ret, struct ls_error *err);

/* ---- users ---- */

struct ls_user {
    const char *name;
    const char *role;
    const char *password; /* its hash; never printed */
    int64_t created_us, changed_us;
    int64_t login_us;    /* the last one */
    int64_t disabled_us; /* 0: is not */
};
/* LS_USAGE: there is one with that name. */
LS_MUST_CHECK enum ls_code ls_state_user_add(struct ls_state *state, const char *actor,
                                             const char *name, const char *role,
                                             const char *password_hash, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_state_user_find(struct ls_state *state, const char *name,
                                              struct ls_arena *mem, struct ls_user *ret,
                                              bool *ret_found, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_state_users(struct ls_state *state, struct ls_arena *mem,
                                          size_t *ret_count, struct ls_user **ret,
                                          struct ls_error *err);
/* What is changed of a user; NULL stays as it is. Whatever it is, all sessions of the user end. */
struct ls_user_change {
    const char *password_hash;
    const char *role;
    const bool *disabled;
    bool
        keep_admin; /* LS_CONFLICT, and nothing is changed, when nobody could call as admin after it, and somebody can now */
};
/* LS_NOT_FOUND. */
LS_MUST_CHECK enum ls_code ls_state_user_change(struct ls_state *state, const char *actor,
                                                const char *name,
                                                const struct ls_user_change *change,
                                                struct ls_error *err);
/* Their sessions end and their tokens are revoked with them. keep_admin: as above. LS_NOT_FOUND. */
LS_MUST_CHECK enum ls_code ls_state_user_remove(struct ls_state *state, const char *actor,
                                                const char *name, bool keep_admin,
                                                struct ls_error *err);

/* ---- sessions ---- */

#define LS_SESSIONS_OF_USER 20 /* the one that rested longest makes room */

struct ls_session {
    const char *user;
    const char *role; /* that the user has now */
    int64_t created_us, used_us, expires_us;
    int64_t idle_us; /* may rest for so long */
};
/* After a login: remembers a session by the hash of its id and notes the login. Expired ones are cleared away. LS_NOT_FOUND: there is no such user any
 * more, or they are disabled. */
LS_MUST_CHECK enum ls_code ls_state_session_add(struct ls_state *state,
                                                const unsigned char hash[LS_SECRET_HASH],
                                                const char *user, int64_t now_us, int64_t idle_us,
                                                int64_t absolute_us, struct ls_error *err);
/* The session with this hash if it lives at now_us and its user may log in. */
LS_MUST_CHECK enum ls_code ls_state_session_find(struct ls_state *state,
                                                 const unsigned char hash[LS_SECRET_HASH],
                                                 int64_t now_us, struct ls_arena *mem,
                                                 struct ls_session *ret, bool *ret_found,
                                                 struct ls_error *err);
/* Its rest begins anew. Like ls_state_token_used(): now and then. */
LS_MUST_CHECK enum ls_code ls_state_session_used(struct ls_state *state,
                                                 const unsigned char hash[LS_SECRET_HASH],
                                                 int64_t now_us, struct ls_error *err);
/* A logout. One that is not there is fine. */
LS_MUST_CHECK enum ls_code ls_state_session_end(struct ls_state *state,
                                                const unsigned char hash[LS_SECRET_HASH],
                                                struct ls_error *err);

/* ---- the first start ---- */

/* Makes a link by which the first admin is made, in place of any before. *ret_made false, and nothing done, when there is a user or a living token. */
LS_MUST_CHECK enum ls_code ls_state_setup_begin(struct ls_state *state,
                                                const unsigned char hash[LS_SECRET_HASH],
                                                int64_t now_us, int64_t expires_us, bool *ret_made,
                                                struct ls_error *err);
/* Whether the link would do now. */
LS_MUST_CHECK enum ls_code ls_state_setup_valid(struct ls_state *state,
                                                const unsigned char hash[LS_SECRET_HASH],
                                                int64_t now_us, bool *ret, struct ls_error *err);
/* Uses the link up and makes the user, both or neither. LS_PERMISSION: the link is not valid, or there is a user already. */
LS_MUST_CHECK enum ls_code ls_state_setup_finish(struct ls_state *state,
                                                 const unsigned char hash[LS_SECRET_HASH],
                                                 int64_t now_us, const char *name, const char *role,
                                                 const char *password_hash, struct ls_error *err);

/* ---- who tried too often ---- */

#define LS_THROTTLES 10000 /* rows kept; those with the fewest failures make room */

/* How often a subject may fail: `free_tries` times at once; then it waits, first first_us, after each more failure twice as long, at most
 * most_us. Forgotten keep_us after the last failure. */
struct ls_throttle_rule {
    unsigned char
        subject[LS_SECRET_HASH]; /* what is counted: a hash of an account, an address, both */
    int64_t free_tries, first_us, most_us, keep_us;
};
/* How long one who failed so often, last at last_us, has to wait at now_us; 0: not. Pure. A clock that was set back makes nobody
 * wait longer than most_us. */
int64_t ls_throttle_wait(const struct ls_throttle_rule *rule, int64_t failures, int64_t last_us,
                         int64_t now_us);
/* Takes a try: counts it as failed for all the rules, before it is known how it ends, so that many at once are counted too. *ret_wait_us above 0:
 * no try is to be had for so long, and nothing was counted. */
LS_MUST_CHECK enum ls_code ls_state_throttle_take(struct ls_state *state,
                                                  const struct ls_throttle_rule *rules,
                                                  size_t count, int64_t now_us,
                                                  int64_t *ret_wait_us, struct ls_error *err);
/* The try went well: the first rule's subject has not failed at all, the others once less. */
LS_MUST_CHECK enum ls_code ls_state_throttle_forgive(struct ls_state *state,
                                                     const struct ls_throttle_rule *rules,
                                                     size_t count, struct ls_error *err);
/* Remembers until expires_us that a subject is known, and asks whether it is. */
LS_MUST_CHECK enum ls_code ls_state_throttle_know(struct ls_state *state,
                                                  const unsigned char subject[LS_SECRET_HASH],
                                                  int64_t now_us, int64_t expires_us,
                                                  struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_state_throttle_known(struct ls_state *state,
                                                   const unsigned char subject[LS_SECRET_HASH],
                                                   int64_t now_us, bool *ret, struct ls_error *err);

#endif
