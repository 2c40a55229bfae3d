/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints: what is taken and refused, rows and back; sealed secrets and their key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "event/endpoint.h"
#include "lib/testdir.h"

static struct ls_arena mem;
static struct ls_error err;

static int begin(void **state)
{
    (void)state;
    ls_arena_init(&mem, 0);
    return 0;
}
static int end(void **state)
{
    (void)state;
    ls_arena_done(&mem);
    unsetenv("LOCKSTEP_KEY");
    return 0;
}

static struct ls_endpoint crm(void)
{
    static const char *const types[] = {"enrollment.*", "profile.updated"};
    static const char *const secrets[] = {"whsec_new", "old"};
    static const struct ls_endpoint_header headers[] = {{"X-Team", "a \"b\""}};

    return (struct ls_endpoint){.name = "crm",
                                .origin = "api",
                                .url = "https://crm.example/hook?a=1",
                                .type_count = 2,
                                .types = types,
                                .rate = 2.5,
                                .header_count = 1,
                                .headers = headers,
                                .secret_count = 2,
                                .secrets = secrets};
}

static void the_secrets_before_sign_until_they_retire(void **state)
{
    struct ls_endpoint e = crm();

    (void)state;
    assert_int_equal(ls_endpoint_signers(&e, 1000), 2); /* both stand in a configuration */
    e.retire_us = 1000;
    assert_int_equal(ls_endpoint_signers(&e, 999), 2);
    assert_int_equal(ls_endpoint_signers(&e, 1000), 1);
    e.secret_count = 0;
    assert_int_equal(ls_endpoint_signers(&e, 1000), 0);
}

static void without_the_key_an_endpoint_has_no_secrets(void **state)
{
    const struct ls_seal_key key = {"0123456789abcdef0123456789abcde"};
    struct ls_endpoint e = crm(), back;
    struct ls_endpoint_row row;

    (void)state;
    assert_int_equal(ls_endpoint_check(&e, &err), LS_OK);
    e.retire_us = 77;
    assert_int_equal(ls_endpoint_to_row(&e, &key, &mem, &row, &err), LS_OK);
    assert_int_equal(ls_endpoint_from_row(&row, NULL, &mem, &back, &err), LS_OK);
    assert_int_equal(back.secret_count, 0);
    assert_int_equal(back.header_count, 0);
    assert_string_equal(back.types[0], "enrollment.*");
    assert_int_equal(back.retire_us, 77);
}

/* In all mixtures of none, one and more, and with values of nothing. */
static void secrets_and_the_values_of_headers_are_sealed_together(void **state)
{
    static const char *const secrets[] = {"s3cret-one", "s3cret-two"};
    static const struct ls_endpoint_header headers[] = {
        {"X-A", ""}, {"X-B", "v4lue-b"}, {"X-C", ""}};
    const struct ls_seal_key key = {"0123456789abcdef0123456789abcde"};

    (void)state;
    for (size_t s = 0; s <= 2; s++)
        for (size_t h = 0; h <= 3; h++) {
            struct ls_endpoint e = crm(), back;
            struct ls_endpoint_row row;

            e.secrets = secrets;
            e.secret_count = s;
            e.headers = headers;
            e.header_count = h;
            assert_int_equal(ls_endpoint_check(&e, &err), LS_OK);
            assert_int_equal(ls_endpoint_to_row(&e, &key, &mem, &row, &err), LS_OK);
            assert_true((row.secrets_size > 0) == (s > 0 || h > 0));
            assert_null(strstr(row.settings, "v4lue"));
            assert_null(memmem(row.secrets, row.secrets_size, "v4lue", 5));
            assert_int_equal(ls_endpoint_from_row(&row, &key, &mem, &back, &err), LS_OK);
            assert_false(back.unsealed);
            assert_int_equal(back.secret_count, s);
            assert_int_equal(back.header_count, h);
            for (size_t i = 0; i < s; i++)
                assert_string_equal(back.secrets[i], secrets[i]);
            for (size_t i = 0; i < h; i++) {
                assert_string_equal(back.headers[i].name, headers[i].name);
                assert_string_equal(back.headers[i].value, headers[i].value);
            }
        }
}

static void a_row_with_open_headers_is_read_and_says_so(void **state)
{
    const struct ls_seal_key key = {"0123456789abcdef0123456789abcde"};
    struct ls_endpoint e = crm(), back;
    struct ls_endpoint_row row;

    (void)state;
    e.header_count = 0;
    assert_int_equal(ls_endpoint_check(&e, &err), LS_OK);
    assert_int_equal(ls_endpoint_to_row(&e, &key, &mem, &row, &err), LS_OK);
    row.settings = "{\"types\":[],\"policy\":\"standard\",\"rate\":0.0,\"concurrency\":8,"
                   "\"timeout_ms\":10000,\"headers\":[[\"X-Team\",\"billing\"]]}";
    assert_int_equal(ls_endpoint_from_row(&row, &key, &mem, &back, &err), LS_OK);
    assert_true(back.unsealed);
    assert_int_equal(back.header_count, 1);
    assert_string_equal(back.headers[0].value, "billing");
    assert_int_equal(back.secret_count, 2);
    assert_string_equal(back.secrets[1], "old");
    row.settings = "{\"types\":[],\"policy\":\"standard\",\"rate\":0.0,\"concurrency\":8,"
                   "\"timeout_ms\":10000,\"headers\":[[\"X-Team\"]]}";
    assert_int_equal(ls_endpoint_from_row(&row, &key, &mem, &back, &err), LS_CORRUPT);
    assert_non_null(strstr(err.text, "crm"));
}

static void a_row_and_back_is_the_same(void **state)
{
    const struct ls_seal_key key = {"0123456789abcdef0123456789abcde"};
    struct ls_endpoint e = crm(), back;
    struct ls_endpoint_row row;

    (void)state;
    assert_int_equal(ls_endpoint_check(&e, &err), LS_OK);
    assert_string_equal(e.policy, "standard");
    assert_int_equal(e.concurrency, 10);
    assert_int_equal(e.timeout_ms, 10000);
    assert_int_equal(ls_endpoint_to_row(&e, &key, &mem, &row, &err), LS_OK);
    assert_null(memmem(row.secrets, row.secrets_size, "whsec_new", 9));
    assert_null(strstr(row.settings, "whsec"));
    assert_int_equal(ls_endpoint_from_row(&row, &key, &mem, &back, &err), LS_OK);
    assert_string_equal(back.name, "crm");
    assert_string_equal(back.url, e.url);
    assert_int_equal(back.type_count, 2);
    assert_string_equal(back.types[0], "enrollment.*");
    assert_true(back.rate == 2.5);
    assert_int_equal(back.header_count, 1);
    assert_string_equal(back.headers[0].value, "a \"b\"");
    assert_int_equal(back.secret_count, 2);
    assert_string_equal(back.secrets[0], "whsec_new");
    assert_string_equal(back.secrets[1], "old");
}

static void it_wants_what_its_patterns_say(void **state)
{
    struct ls_endpoint e = crm();

    (void)state;
    assert_int_equal(ls_endpoint_check(&e, &err), LS_OK);
    assert_true(ls_endpoint_wants(&e, "enrollment.deleted"));
    assert_true(ls_endpoint_wants(&e, "profile.updated"));
    assert_false(ls_endpoint_wants(&e, "progress.updated"));
    e.paused = true;
    assert_true(ls_endpoint_wants(&e, "profile.updated"));
    e.type_count = 0;
    assert_true(ls_endpoint_wants(&e, "progress.updated"));
    e.disabled = "answered 410 Gone";
    assert_false(ls_endpoint_wants(&e, "progress.updated"));
}

static void what_is_wrong_is_said(void **state)
{
    static const char *const star[] = {"a*b"}, *const lines[] = {"a\nb"};
    static const struct ls_endpoint_header ours = {"Webhook-ID", "x"}, split = {"X-A", "b\r\nC: d"},
                                           bad = {"X A", "b"};
    struct ls_endpoint e;

#define REFUSED(said, ...)                                        \
    do {                                                          \
        e = crm();                                                \
        __VA_ARGS__;                                              \
        assert_int_equal(ls_endpoint_check(&e, &err), LS_CONFIG); \
        assert_non_null(strstr(err.text, said));                  \
    } while (0)

    (void)state;
    REFUSED("no name of an endpoint", e.name = "a b");
    REFUSED("no name of an endpoint", e.name = "");
    REFUSED("https://", e.url = "ftp://x");
    REFUSED("https://", e.url = "https://a b");
    REFUSED("no type of an event", e.types = star, e.type_count = 1);
    REFUSED("written by lockstep itself", e.headers = &ours);
    REFUSED("control character", e.headers = &split);
    REFUSED("no name of a header", e.headers = &bad);
    REFUSED("a secret is a line", e.secrets = lines, e.secret_count = 1);
    REFUSED("concurrency", e.concurrency = 1001);
    REFUSED("timeout", e.timeout_ms = 1);
    REFUSED("rate", e.rate = -1);
}

static void sealed_opens_with_its_key_for_its_owner_alone(void **state)
{
    struct ls_seal_key key, other;
    struct ls_buf sealed;
    char *plain = NULL;
    size_t size = 0;

    (void)state;
    ls_random_bytes(&key, sizeof key);
    ls_random_bytes(&other, sizeof other);
    ls_buf_init(&sealed, 0);
    ls_seal(&sealed, &key, "endpoint crm", "s\0t", 3);
    assert_int_equal(
        ls_unseal(&key, "endpoint crm", sealed.data, sealed.size, &mem, &plain, &size, &err),
        LS_OK);
    assert_int_equal(size, 3);
    assert_memory_equal(plain, "s\0t", 4);
    assert_int_equal(
        ls_unseal(&other, "endpoint crm", sealed.data, sealed.size, &mem, &plain, &size, &err),
        LS_CORRUPT);
    assert_non_null(strstr(err.text, "endpoint crm"));
    assert_int_equal(
        ls_unseal(&key, "endpoint erp", sealed.data, sealed.size, &mem, &plain, &size, &err),
        LS_CORRUPT);
    for (size_t i = 0; i < sealed.size; i++) {
        sealed.data[i] ^= 4;
        assert_int_equal(
            ls_unseal(&key, "endpoint crm", sealed.data, sealed.size, &mem, &plain, &size, &err),
            LS_CORRUPT);
        assert_int_equal(ls_unseal(&key, "endpoint crm", sealed.data, i, &mem, &plain, &size, &err),
                         LS_CORRUPT);
        sealed.data[i] ^= 4;
    }
    ls_buf_done(&sealed);
}

static void the_key_is_made_once_and_kept(void **state)
{
    struct ls_seal_key first, second;
    char *dir = testdir_new(), place[300], path[300];
    struct stat st;

    (void)state;
    snprintf(place, sizeof place, "sqlite:%s/state.db", dir);
    snprintf(path, sizeof path, "%s/state.db-key", dir);
    assert_int_equal(ls_seal_key(place, &first, &err), LS_OK);
    assert_int_equal(ls_seal_key(place, &second, &err), LS_OK);
    assert_memory_equal(&first, &second, sizeof first);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(truncate(path, 5), 0);
    assert_int_equal(ls_seal_key(place, &second, &err), LS_CORRUPT);
    assert_non_null(strstr(err.text, path));
    free(dir);
}

static void a_key_may_be_given(void **state)
{
    struct ls_seal_key key;

    (void)state;
    setenv("LOCKSTEP_KEY", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 1);
    assert_int_equal(ls_seal_key("postgres://h/d", &key, &err), LS_OK);
    assert_int_equal(key.bytes[31], 31);
    setenv("LOCKSTEP_KEY", "00", 1);
    assert_int_equal(ls_seal_key("postgres://h/d", &key, &err), LS_CONFIG);
    assert_non_null(strstr(err.text, "openssl rand"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_row_and_back_is_the_same, begin, end),
        cmocka_unit_test_setup_teardown(secrets_and_the_values_of_headers_are_sealed_together,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_row_with_open_headers_is_read_and_says_so, begin, end),
        cmocka_unit_test_setup_teardown(the_secrets_before_sign_until_they_retire, begin, end),
        cmocka_unit_test_setup_teardown(without_the_key_an_endpoint_has_no_secrets, begin, end),
        cmocka_unit_test_setup_teardown(it_wants_what_its_patterns_say, begin, end),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_said, begin, end),
        cmocka_unit_test_setup_teardown(sealed_opens_with_its_key_for_its_owner_alone, begin, end),
        cmocka_unit_test_setup_teardown(the_key_is_made_once_and_kept, begin, end),
        cmocka_unit_test_setup_teardown(a_key_may_be_given, begin, end),
    };

    return cmocka_run_group_tests_name("event/endpoint", tests, NULL, NULL);
}
