/* SPDX-License-Identifier: Apache-2.0 */
/* certificate.h - the certificate that this process shows to who connects by TLS, which may be another one from some moment on.
 *
 * libmicrohttpd asks for it at each handshake by a callback of GnuTLS that has no context: so there is one for the process. Any thread. */
#ifndef LS_SERVER_CERTIFICATE_H
#define LS_SERVER_CERTIFICATE_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "base/error.h"

/* PEM texts, the certificate with those that it is signed by behind it. Handshakes from here on show it. LS_CONFIG: they are no PEM, or do not
 * fit together; the one before stays. */
LS_MUST_CHECK enum ls_code ls_certificate_show(const char *cert, const char *key,
                                               struct ls_error *err);
/* Forgets it and all before it. No handshake may be under way. */
void ls_certificate_forget(void);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK; what it gives stays ours. */
gnutls_certificate_retrieve_function2 ls_certificate_give;

#endif
