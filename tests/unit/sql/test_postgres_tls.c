/* SPDX-License-Identifier: Apache-2.0 */
/* With whom a session with a PostgreSQL server may be: what is added to a URL. Nothing is connected to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/testdir.h"
#include "sql/sql_postgres_tls.h"

#define LIBPQ_15 150018
#define LIBPQ_16 160000

static int setup(void **state)
{
    static const char *const variables[] = {"PGSSLMODE", "PGSSLROOTCERT", "PGHOST", "PGHOSTADDR",
                                            "PGSERVICE"};
    (void)state;

    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    return setenv("HOME", "/nonexistent", 1);
}

static struct ls_pq_tls tls_of(const char *url, int libpq)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    struct ls_pq_tls tls;

    assert_non_null(options);
    tls = ls_pq_tls(options, libpq);
    PQconninfoFree(options);
    return tls;
}

static void assert_verified(const char *url)
{
    const struct ls_pq_tls tls = tls_of(url, LIBPQ_16);

    if (!tls.sslmode || strcmp(tls.sslmode, "verify-full") != 0)
        fail_msg("%s: sslmode=%s", url, tls.sslmode ? tls.sslmode : "(libpq's)");
}

static void assert_left_alone(const char *url)
{
    const struct ls_pq_tls tls = tls_of(url, LIBPQ_16);

    if (tls.sslmode || tls.sslrootcert)
        fail_msg("%s: sslmode=%s", url, tls.sslmode ? tls.sslmode : "(libpq's)");
}

static void a_server_elsewhere_has_to_prove_its_name(void **state)
{
    (void)state;
    assert_verified("postgres://u@db.example/d");
    assert_verified("postgres://u@192.0.2.1:5433/d");
    assert_verified("postgres://u@[2001:db8::1]/d");
    assert_verified("postgres://u@localhost.example/d");
    assert_verified("postgres://u@127.example/d");
    assert_verified("postgres://u@localhost,db.example/d");
    assert_verified("postgres://u@db.example/d?connect_timeout=3");
    assert_verified("postgres://u@localhost/d?hostaddr=192.0.2.1");
    assert_verified("postgres:///d?host=db.example");
    setenv("PGHOST", "db.example", 1);
    assert_verified("postgres:///d");
}

static void this_machine_needs_no_certificate(void **state)
{
    (void)state;
    assert_left_alone("postgres:///d");
    assert_left_alone("postgres://u@localhost/d");
    assert_left_alone("postgres://u@127.0.0.1:5433/d");
    assert_left_alone("postgres://u@127.8.0.1/d");
    assert_left_alone("postgres://u@[::1]/d");
    assert_left_alone("postgres://u@%2Frun%2Fpostgresql/d");
    assert_left_alone("postgres://u@localhost,[::1]/d");
    assert_left_alone("postgres://u@db.example/d?hostaddr=127.0.0.1");
    setenv("PGHOST", "/run/postgresql", 1);
    assert_left_alone("postgres:///d");
}

static void what_somebody_said_stands(void **state)
{
    (void)state;
    assert_left_alone("postgres://u@db.example/d?sslmode=require");
    assert_left_alone("postgres://u@db.example/d?sslmode=disable");
    assert_left_alone("postgres://u@db.example/d?service=prod");
    setenv("PGSSLMODE", "require", 1);
    assert_left_alone("postgres://u@db.example/d");
}

static void the_authorities_are_those_of_the_system(void **state)
{
    struct ls_pq_tls tls;
    struct stat there;
    (void)state;

    assert_string_equal(tls_of("postgres://u@db.example/d", LIBPQ_16).sslrootcert, "system");
    assert_string_equal(
        tls_of("postgres://u@db.example/d?sslmode=verify-full", LIBPQ_16).sslrootcert, "system");
    tls = tls_of("postgres://u@db.example/d", LIBPQ_15);
    assert_string_equal(tls.sslmode, "verify-full");
    if (tls.sslrootcert)
        assert_int_equal(stat(tls.sslrootcert, &there), 0);
}

static void authorities_of_ones_own_stand(void **state)
{
    char *dir, *home = testdir_new(), *crt;
    (void)state;

    assert_null(tls_of("postgres://u@db.example/d?sslrootcert=ca.pem", LIBPQ_16).sslrootcert);
    assert_verified("postgres://u@db.example/d?sslrootcert=ca.pem");
    setenv("PGSSLROOTCERT", "ca.pem", 1);
    assert_null(tls_of("postgres://u@db.example/d", LIBPQ_16).sslrootcert);
    assert_verified("postgres://u@db.example/d");
    unsetenv("PGSSLROOTCERT");
    assert_true(asprintf(&dir, "%s/.postgresql", home) > 0);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_true(asprintf(&crt, "%s%s", dir + strlen(testdir()) + 1, "/root.crt") > 0);
    free(testdir_file(crt, "x", 1));
    setenv("HOME", home, 1);
    assert_null(tls_of("postgres://u@db.example/d", LIBPQ_16).sslrootcert);
    assert_verified("postgres://u@db.example/d");
    free(crt);
    free(dir);
    free(home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_server_elsewhere_has_to_prove_its_name, setup),
        cmocka_unit_test_setup(this_machine_needs_no_certificate, setup),
        cmocka_unit_test_setup(what_somebody_said_stands, setup),
        cmocka_unit_test_setup(the_authorities_are_those_of_the_system, setup),
        cmocka_unit_test_setup(authorities_of_ones_own_stand, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
