/* SPDX-License-Identifier: Apache-2.0 */
/* testpg.h - a PostgreSQL database of its own for a test.
 *
 * The server is the one that LOCKSTEP_TEST_PG names, a postgres:// URL of a superuser;
 * `./check` starts one and sets it. Without it the test program fails and says so: a test that
 * is left out looks like one that passed. The server must ask every role but the superuser for
 * a password (pg_hba.conf: `host all all 127.0.0.1/32 scram-sha-256` behind a `trust` line for
 * the superuser), because wrong passwords are tested too. Failures here end the program with a
 * message. */
#ifndef LS_TESTS_LIB_TESTPG_H
#define LS_TESTS_LIB_TESTPG_H

/* LOCKSTEP_TEST_PG. */
const char *testpg_url(void);
/* Creates an empty database (UTF-8; its name is made of `name` and the process id) and gives
 * its URL, which the caller frees. Dropped when the program ends, whoever is still connected to
 * it. */
char *testpg_database(const char *name);
/* The URL with another user and password (NULL: none), or database (NULL: the same); to be
 * freed. */
char *testpg_url_with(const char *url, const char *user, const char *password,
                      const char *database);

/* Runs statements over a connection of its own. */
void testpg_exec(const char *url, const char *sql);
/* The first field of the first row as text, to be freed; NULL when that is NULL or there is no
 * row. */
char *testpg_value(const char *url, const char *sql);

#endif
