/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls.c - deliveries over TLS: only to who has the right certificate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "deliver_help.h"
#include "lib/testdir.h"

struct identity {
    char *key, *certificate; /* PEM */
};

static char *text_of(BIO *bio)
{
    char *data, *text;
    long size = BIO_get_mem_data(bio, &data);

    text = calloc(1, (size_t)size + 1);
    memcpy(text, data, (size_t)size);
    BIO_free(bio);
    return text;
}

/* Signed by itself, for that name (IP:... or DNS:...), from and to days from now. */
static struct identity identity_new(const char *name, int from_day, int to_day)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    BIO *key_out = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);
    struct identity ret;

    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), from_day * 86400L);
    X509_gmtime_adj(X509_getm_notAfter(x), to_day * 86400L);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"receiver", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_add_ext(x, names, -1);
    X509_EXTENSION_free(names);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    PEM_write_bio_PrivateKey(key_out, key, NULL, NULL, 0, NULL, NULL);
    PEM_write_bio_X509(out, x);
    ret = (struct identity){text_of(key_out), text_of(out)};
    X509_free(x);
    EVP_PKEY_free(key);
    return ret;
}

/* Delivers one event to a receiver of this name; trusted: its certificate is known here. */
static void deliver(const char *name, int from_day, int to_day, bool trusted, bool arrives)
{
    struct identity of = identity_new(name, from_day, to_day);
    struct receiver *r = receiver_start(of.key, of.certificate);
    char *ca = testdir_file("ca.pem", of.certificate, strlen(of.certificate)), url[64];
    struct world w;

    world_open(&w, NULL);
    if (trusted)
        w.options.ca_file = ca;
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/status/200", receiver_port(r));
    world_accept(&w, world_endpoint(&w, "crm", url, NULL), "e1", "", "");
    world_deliver(&w);
    world_wait(&w, 1);
    assert_int_equal(receiver_count(r, "/"), arrives);
    assert_int_equal(world_delivery(&w, "e1").attempts, 1); /* it is no fault of ours */
    assert_int_equal(world_delivery(&w, "e1").state,
                     arrives ? LS_DELIVERY_DELIVERED : LS_DELIVERY_PENDING);
    if (!arrives)
        assert_non_null(strstr(world_seen(&w, "e1", 1)->error, "certificate"));
    world_close(&w);
    receiver_stop(r);
    free(ca);
    free(of.key);
    free(of.certificate);
}

static void to_a_certificate_that_is_trusted(void **state)
{
    (void)state;
    deliver("IP:127.0.0.1", -1, 1, true, true);
}

static void not_to_one_that_nobody_vouches_for(void **state)
{
    (void)state;
    deliver("IP:127.0.0.1", -1, 1, false, false);
}

static void not_to_one_of_another_host(void **state)
{
    (void)state;
    deliver("DNS:other.example", -1, 1, true, false);
    deliver("IP:127.0.0.2", -1, 1, true, false);
}

static void not_to_one_that_has_expired_or_is_not_valid_yet(void **state)
{
    (void)state;
    deliver("IP:127.0.0.1", -2, -1, true, false);
    deliver("IP:127.0.0.1", 1, 2, true, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_a_certificate_that_is_trusted),
        cmocka_unit_test(not_to_one_that_nobody_vouches_for),
        cmocka_unit_test(not_to_one_of_another_host),
        cmocka_unit_test(not_to_one_that_has_expired_or_is_not_valid_yet),
    };
    return cmocka_run_group_tests_name("event/tls", tests, NULL, NULL);
}
