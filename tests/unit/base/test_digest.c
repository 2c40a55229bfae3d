/* SPDX-License-Identifier: Apache-2.0 */
/* test_digest.c - checksums against published values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/digest.h"

/* What is stored must mean the same after an upgrade of the library. */
static void xxh3_gives_the_published_values(void **state)
{
    struct ls_hash128 h;
    (void)state;

    assert_true(ls_hash64("", 0, 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(ls_hash64(NULL, 0, 0) == UINT64_C(0x2d06800538d394c2));
    h = ls_hash128("", 0, 0);
    assert_true(h.high == UINT64_C(0x99aa06d3014798d8));
    assert_true(h.low == UINT64_C(0x6001c324468d497f));
}

static void seed_and_data_change_the_checksum(void **state)
{
    struct ls_hash128 a = ls_hash128("abc", 3, 1), b = ls_hash128("abc", 3, 2);
    (void)state;

    assert_true(ls_hash64("abc", 3, 1) != ls_hash64("abc", 3, 2));
    assert_true(ls_hash64("abc", 3, 1) != ls_hash64("abd", 3, 1));
    assert_true(a.high != b.high && a.low != b.low);
}

static void sha256_gives_the_published_values(void **state)
{
    struct ls_sha256 h;
    char hex[LS_SHA256_HEX];
    (void)state;

    ls_sha256_init(&h);
    ls_sha256_add(&h, NULL, 0);
    ls_sha256_hex(&h, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ls_sha256_init(&h);
    ls_sha256_add(&h, "abc", 3);
    ls_sha256_hex(&h, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void pieces_give_the_same_as_the_whole(void **state)
{
    char data[1000], whole[LS_SHA256_HEX], pieces[LS_SHA256_HEX];
    struct ls_sha256 h;
    (void)state;

    memset(data, 'q', sizeof(data));
    ls_sha256_init(&h);
    ls_sha256_add(&h, data, sizeof(data));
    ls_sha256_hex(&h, whole);
    ls_sha256_init(&h);
    for (size_t at = 0, n = 1; at < sizeof(data); at += n, n++)
        ls_sha256_add(&h, data + at, n < sizeof(data) - at ? n : sizeof(data) - at);
    ls_sha256_hex(&h, pieces);
    assert_string_equal(whole, pieces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xxh3_gives_the_published_values),
        cmocka_unit_test(seed_and_data_change_the_checksum),
        cmocka_unit_test(sha256_gives_the_published_values),
        cmocka_unit_test(pieces_give_the_same_as_the_whole),
    };
    return cmocka_run_group_tests_name("base/digest", tests, NULL, NULL);
}
