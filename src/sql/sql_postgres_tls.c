/* SPDX-License-Identifier: Apache-2.0 */
/* sql_postgres_tls.c - with whom a session with a PostgreSQL server may be.
 *
 * By itself libpq encrypts when the server offers it and asks for no proof of who the server is (sslmode=prefer): whoever stands between reads
 * and changes everything. So a server on another machine has to show a certificate for its name, by an authority that this machine trusts
 * (verify-full), unless the URL or PGSSLMODE says another mode. This machine (a socket's path, localhost, 127.0.0.0/8, ::1) is left to libpq.
 *
 * Authorities: those of sslrootcert, PGSSLROOTCERT or ~/.postgresql/root.crt where one is there, as libpq has it; else those of the system,
 * by a name that libpq knows from version 16 on ("system"), before by the bundle's path.
 *
 * Limits: a service (service=, PGSERVICE) may bring host and mode, and is left to libpq, as it is written on purpose. Of several hosts one that is
 * elsewhere is enough. A name other than localhost that leads to this machine counts as elsewhere. */
#include "sql/sql_postgres_tls.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_ROOTS_SINCE 160000 /* libpq */

static const char *const bundles[] = {"/etc/ssl/certs/ca-certificates.crt",
                                      "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};

/* What the URL says, else the variable; "": neither. */
static const char *value_of(const PQconninfoOption *options, const char *keyword,
                            const char *variable)
{
    const char *value = NULL;

    for (; options && options->keyword; options++)
        if (strcmp(options->keyword, keyword) == 0)
            value = options->val;
    if (!value || !*value)
        value = getenv(variable);
    return value ? value : "";
}

static bool is_this_machine(const char *host)
{
    struct in_addr four;
    struct in6_addr six;

    if (!*host || *host == '/' || *host == '@' || strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* Of a list with commas. */
static bool are_this_machine(const char *hosts)
{
    char host[256];
    size_t length;

    do {
        length = strcspn(hosts, ",");
        if (length >= sizeof host)
            return false;
        snprintf(host, sizeof host, "%.*s", (int)length, hosts);
        if (!is_this_machine(host))
            return false;
        hosts += length;
    } while (*hosts++);
    return true;
}

static bool has_own_roots(void)
{
    const char *home = getenv("HOME");
    char path[4096];

    if (!home || snprintf(path, sizeof path, "%s/.postgresql/root.crt", home) >= (int)sizeof path)
        return false;
    return access(path, R_OK) == 0;
}

static const char *system_roots(int libpq)
{
    if (libpq >= SYSTEM_ROOTS_SINCE)
        return "system";
    for (size_t i = 0; i < sizeof bundles / sizeof *bundles; i++)
        if (access(bundles[i], R_OK) == 0)
            return bundles[i];
    return NULL;
}

struct ls_pq_tls ls_pq_tls(const PQconninfoOption *options, int libpq)
{
    const char *address = value_of(options, "hostaddr", "PGHOSTADDR");
    const char *host = *address ? address : value_of(options, "host", "PGHOST");
    const char *mode = value_of(options, "sslmode", "PGSSLMODE");
    struct ls_pq_tls ret = {NULL, NULL};

    if (*value_of(options, "service", "PGSERVICE") || are_this_machine(host))
        return ret;
    if (!*mode)
        ret.sslmode = mode = "verify-full";
    if (strcmp(mode, "verify-full") == 0 && !*value_of(options, "sslrootcert", "PGSSLROOTCERT") &&
        !has_own_roots())
        ret.sslrootcert = system_roots(libpq);
    return ret;
}
