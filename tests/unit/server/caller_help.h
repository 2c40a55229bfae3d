/* SPDX-License-Identifier: Apache-2.0 */
/* caller_help.h - what the tests of callers share: who may call, with a configuration or without, and requests in short. */
#ifndef LS_TESTS_SERVER_CALLER_HELP_H
#define LS_TESTS_SERVER_CALLER_HELP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/callers.h"
#include "base/clock.h"
#include "event/sign.h"
#include "forge.h"
#include "lib/testdir.h"
#include "server/caller.h"
#include "server/cookie.h"
#include "server/login.h"
#include "server/role.h"
#include "server/route.h"

#define CRON "the secret of the crons"
#define TOKEN "the token of the environment"
#define SERVICE_KEY "a.service.key-of-the-project"
#define ANON_KEY "an.anonymous.key-of-the-project"
#define SIGNING "sig_current_signing_key_of_qstash"
#define NEXT_SIGNING "sig_next_signing_key_of_qstash_"
#define APP "https://sync.example.com"
#define DAY INT64_C(86400000000)

extern struct ls_callers *callers;
extern struct ls_state *state_;
extern struct ls_arena mem;
extern struct ls_error err;
extern char *state_path;
struct ls_request request_of(const char *method, struct ls_pair *headers, size_t count);
enum ls_code identify(const struct ls_request *request, struct ls_caller *ret);
/* GET with up to three headers; a NULL value is a header that is not sent. */
enum ls_code get(struct ls_caller *ret, const char *a, const char *av, const char *b,
                 const char *bv);
enum ls_code bearer(const char *token, struct ls_caller *ret);
void assert_caller(const struct ls_caller *c, enum ls_role role, const char *kind, const char *name,
                   const char *user);
void assert_refused(enum ls_code rc, const struct ls_caller *c, int status, const char *why);
int open_all(bool configured);
int caller_before(void **state);
int caller_after(void **state);
const char *made_token(const char *name, const char *role, const char *owner, int64_t expires_us);
void made_user(const char *name, const char *role);
struct ls_login logged_in(const char *name);
/* A token of now: the clock of these tests is the real one. */
const char *jwt_of(const char *claims, enum forge_signer signer);
int caller_begin(void **state);
int caller_end(void **state);

#define WITH(test) cmocka_unit_test_setup_teardown(test, caller_before, caller_after)

#endif
