/* SPDX-License-Identifier: Apache-2.0 */
/* certificate.c - the certificate that is shown.
 *
 * A handshake uses what it was given until its end, and does not say when that is: so a certificate that was replaced is kept until the
 * server is closed. That is a few KiB each time one is renewed. */
#include "server/certificate.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX 16

struct shown {
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned count;
    gnutls_privkey_t key;
    struct shown *before;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shown *newest;

static void free_shown(struct shown *s)
{
    for (unsigned i = 0; i < s->count; i++)
        gnutls_pcert_deinit(&s->chain[i]);
    if (s->key)
        gnutls_privkey_deinit(s->key);
    free(s);
}

static gnutls_datum_t datum(const char *text)
{
    return (gnutls_datum_t){.data = (unsigned char *)(uintptr_t)text,
                            .size = (unsigned)strlen(text)};
}

/* 0, or GnuTLS's code. Credentials see whether the two fit. */
static int fit(const gnutls_datum_t *cert, const gnutls_datum_t *key)
{
    gnutls_certificate_credentials_t both;
    int rc = gnutls_certificate_allocate_credentials(&both);

    if (rc < 0)
        return rc;
    rc = gnutls_certificate_set_x509_key_mem(both, cert, key, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(both);
    return rc < 0 ? rc : 0;
}

static int read_both(const gnutls_datum_t *cert, const gnutls_datum_t *key, struct shown *s)
{
    unsigned count = CHAIN_MAX;
    int rc = gnutls_pcert_list_import_x509_raw(s->chain, &count, cert, GNUTLS_X509_FMT_PEM, 0);

    if (rc < 0)
        return rc;
    s->count = count;
    rc = gnutls_privkey_init(&s->key);
    return rc < 0 ? rc : gnutls_privkey_import_x509_raw(s->key, key, GNUTLS_X509_FMT_PEM, NULL, 0);
}

enum ls_code ls_certificate_show(const char *cert, const char *key, struct ls_error *err)
{
    const gnutls_datum_t of_cert = datum(cert), of_key = datum(key);
    struct shown *s = calloc(1, sizeof *s);
    int rc;

    if (!s)
        return ls_error_nomem(err);
    rc = fit(&of_cert, &of_key);
    if (rc == 0)
        rc = read_both(&of_cert, &of_key, s);
    if (rc < 0) {
        free_shown(s);
        return ls_error_set(err, LS_CONFIG,
                            "server.tls: %s. Do certificate and key fit together, and are both "
                            "PEM files?",
                            gnutls_strerror(rc));
    }
    (void)pthread_mutex_lock(&lock);
    s->before = newest;
    newest = s;
    (void)pthread_mutex_unlock(&lock);
    return LS_OK;
}

void ls_certificate_forget(void)
{
    (void)pthread_mutex_lock(&lock);
    while (newest) {
        struct shown *s = newest;

        newest = s->before;
        free_shown(s);
    }
    (void)pthread_mutex_unlock(&lock);
}

int ls_certificate_give(gnutls_session_t session, const gnutls_datum_t *asked, int asked_count,
                        const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                        gnutls_pcert_st **ret_chain, unsigned *ret_count, gnutls_privkey_t *ret_key)
{
    const struct shown *s;

    (void)session, (void)asked, (void)asked_count, (void)algorithms, (void)algorithm_count;
    (void)pthread_mutex_lock(&lock);
    s = newest;
    (void)pthread_mutex_unlock(&lock);
    if (!s)
        return -1;
    *ret_chain = (gnutls_pcert_st *)(uintptr_t)s->chain;
    *ret_count = s->count;
    *ret_key = s->key;
    return 0;
}
