/* SPDX-License-Identifier: Apache-2.0 */
/* server_fixture.h - a server over a state and a configuration in a folder of their own; callers say their role in X-Role, or have tokens. */
#ifndef LS_TESTS_SERVER_FIXTURE_H
#define LS_TESTS_SERVER_FIXTURE_H

#include "base/secret.h"
#include "client.h"
#include "server/caller.h"
#include "server/server.h"

struct server_fixture {
    struct ls_server *server;
    struct ls_config *config;
    int listen_fd;
    char url[LS_LISTEN_URL];
    char *folder, *state;       /* the state's path */
    struct ls_callers *callers; /* NULL: X-Role is believed */
    char tokens[LS_ROLE_COUNT][LS_SECRET_TEXT];
};

/* yaml: the configuration, %s in it is the folder; NULL: none. options: what else is wanted; its http, url, config, identify and, unless it is set, state_url are filled in here. */
void server_start(struct server_fixture *f, const char *yaml, struct ls_server_options options);
/* The same with callers as they are in earnest: there is a token for each role that can be given to one, named like it, and for the role cron a secret. */
void server_start_earnest(struct server_fixture *f, const char *yaml,
                          struct ls_server_options options);
/* Ends that one and starts another over the same state: what a server counts begins anew. */
void server_restart(struct server_fixture *f, struct ls_server_options options);
void server_stop(struct server_fixture *f);

/* METHOD PATH as this role (NULL: nobody; "wrong": a token that is not valid) with a JSON body or NULL; the answer is to be freed. */
void server_ask(struct server_fixture *f, const char *role, const char *what, const char *body,
                struct client_answer *ret);
/* The same, and the status has to be this one. */
void server_expect(struct server_fixture *f, const char *role, const char *what, const char *body,
                   int status, struct client_answer *ret);
/* Writes the header that says that it is this role; gives its length. */
int server_credentials(const struct server_fixture *f, const char *role, char *out, size_t size);
/* The newest entry of the audit log as "ACTOR|ACTION|SUBJECT|DETAIL", in one buffer; "" when there is none. */
const char *server_audit(struct server_fixture *f);
/* The entries that are newer than the first `known` ones, in the same form, each in a line, oldest first. To be freed. */
char *server_audit_since(struct server_fixture *f, size_t known);
/* How many entries it has. */
size_t server_audit_count(struct server_fixture *f);

#endif
