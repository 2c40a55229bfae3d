/* SPDX-License-Identifier: Apache-2.0 */
/* register.h - looks up tokens and sessions in the state for threads that must not wait for it long.
 *
 * A thread of its own has the state's handle. What it found, or did not find, holds for a second: so a token that is revoked elsewhere works for
 * that long. The state need not be there, nor stay there. */
#ifndef LS_SERVER_REGISTER_H
#define LS_SERVER_REGISTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/secret.h"

struct ls_register;

#define LS_REGISTER_TEXT \
    128 /* bytes of a name, NUL included; longer ones are not made (api/callers.h) */

enum ls_register_kind { LS_REGISTER_TOKEN, LS_REGISTER_SESSION };

/* What is known of a token or session. */
struct ls_known {
    char role[16];
    char name[LS_REGISTER_TEXT]; /* of the token; of a session its user */
    char user[LS_REGISTER_TEXT]; /* whose it is; "": nobody's */
    int64_t expires_us;          /* Unix time; 0: never */
};

struct ls_register_options {
    const char *state_url; /* NULL: the default; copied */
    int64_t hold_us;       /* 0: 1 s */
    int64_t wait_us;       /* for the state, at most; 0: 2 s */
};
LS_MUST_CHECK enum ls_code ls_register_open(const struct ls_register_options *options,
                                            struct ls_register **ret, struct ls_error *err);
/* NULL is fine. */
void ls_register_close(struct ls_register *reg);

/* Whether it would be answered without the state. */
bool ls_register_has(struct ls_register *reg, enum ls_register_kind kind,
                     const unsigned char hash[LS_SECRET_HASH]);
/* Looks one up. *ret_found false: there is none that lives. LS_BUSY, LS_CONNECT, ...: it cannot be told now. Any thread, several at once;
 * waits for the state for wait_us at most, and not at all while it is known to be stuck. */
LS_MUST_CHECK enum ls_code ls_register_find(struct ls_register *reg, enum ls_register_kind kind,
                                            const unsigned char hash[LS_SECRET_HASH],
                                            struct ls_known *ret, bool *ret_found,
                                            struct ls_error *err);
/* The same, and it does not count as a use: a session that is only looked at still ends when nobody uses it. */
LS_MUST_CHECK enum ls_code ls_register_look(struct ls_register *reg, enum ls_register_kind kind,
                                            const unsigned char hash[LS_SECRET_HASH],
                                            struct ls_known *ret, bool *ret_found,
                                            struct ls_error *err);
/* Forgets what was found: after something was revoked by this process. Any thread. */
void ls_register_forget(struct ls_register *reg);

#endif
