/* SPDX-License-Identifier: Apache-2.0 */
/* sql_postgres_tls.h - with whom a session with a PostgreSQL server may be. */
#ifndef LS_SQL_SQL_POSTGRES_TLS_H
#define LS_SQL_SQL_POSTGRES_TLS_H

#include <libpq-fe.h>

/* Parameters for libpq; NULL: what it takes by itself. Constants. */
struct ls_pq_tls {
    const char *sslmode, *sslrootcert;
};

/* What a URL's options (PQconninfoParse()), read together with the variables of the environment that libpq reads, leave open and should not. libpq: PQlibVersion(). */
struct ls_pq_tls ls_pq_tls(const PQconninfoOption *options, int libpq);

#endif
