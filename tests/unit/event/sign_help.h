/* SPDX-License-Identifier: Apache-2.0 */
/* sign_help.h - secrets and messages for the tests of signatures. */
#ifndef LS_TESTS_EVENT_SIGN_HELP_H
#define LS_TESTS_EVENT_SIGN_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "event/sign.h"

/* One message and what is demanded of it; zeroed is fine, and so is a copy. */
struct sign_case {
    struct ls_sign_rule rule;
    struct ls_sign_message message;
    struct ls_secret secrets[4];
    struct ls_header headers[8];
    struct ls_arena mem;
};

void sign_case_done(struct sign_case *c);
void sign_case_secret(struct sign_case *c, const char *text);
/* Copies; a header of that name is replaced. */
void sign_case_header(struct sign_case *c, const char *name, const char *value);
void sign_case_body(struct sign_case *c, const char *body);
/* What ls_sign_verify() finds, and the fault alone. */
struct ls_sign_finding sign_case_verify(struct sign_case *c, int64_t now_s);
enum ls_sign_fault sign_case_fault(struct sign_case *c, int64_t now_s);
/* What ls_sign_explain() says has to contain `words`. */
void sign_case_says(struct sign_case *c, int64_t now_s, const char *words);
/* A JWT of any header and claims, signed HS256 with that key; NULL: without a signature. Lives in c. */
const char *sign_case_token(struct sign_case *c, const char *header, const char *claims,
                            const char *key);

#endif
