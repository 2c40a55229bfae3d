/* SPDX-License-Identifier: Apache-2.0 */
/* test_peer.c - addresses, networks, and who is behind a proxy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/peer.h"

static struct ls_address address(const char *text)
{
    struct ls_address ret;

    assert_true(ls_address_parse(text, &ret));
    return ret;
}

static void addresses_are_shown_in_their_own_form(void **state)
{
    static const char *const same[] = {"203.0.113.7", "::1", "2001:db8::1", "127.0.0.1"};
    char text[LS_PEER_TEXT];
    struct ls_address a;
    (void)state;

    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        a = address(same[i]);
        ls_address_text(&a, text);
        assert_string_equal(text, same[i]);
    }
    a = address("::ffff:203.0.113.7");
    ls_address_text(&a, text);
    assert_string_equal(text, "203.0.113.7");
    assert_false(ls_address_parse("203.0.113", &a));
    assert_false(ls_address_parse("localhost", &a));
    assert_false(ls_address_parse("", &a));
}

static void loopback_is_all_of_127_and_one_of_ipv6(void **state)
{
    const struct ls_address yes[] = {address("127.0.0.1"), address("127.9.9.9"), address("::1"),
                                     address("::ffff:127.0.0.1")};
    const struct ls_address no[] = {address("128.0.0.1"), address("::2"), address("::"),
                                    address("0.0.0.0")};
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        assert_true(ls_address_loopback(&yes[i]));
        assert_false(ls_address_loopback(&no[i]));
    }
}

static bool has(const char *network, const char *text)
{
    const struct ls_address a = address(text);
    struct ls_network n;

    assert_true(ls_network_parse(network, &n));
    return ls_network_has(&n, 1, &a);
}

static void a_network_has_what_shares_its_bits(void **state)
{
    struct ls_network n;
    (void)state;

    assert_true(has("10.0.0.0/8", "10.255.1.2"));
    assert_false(has("10.0.0.0/8", "11.0.0.0"));
    assert_true(has("192.0.2.128/25", "192.0.2.200"));
    assert_false(has("192.0.2.128/25", "192.0.2.127"));
    assert_true(has("192.0.2.1", "192.0.2.1"));
    assert_false(has("192.0.2.1", "192.0.2.2"));
    assert_true(has("0.0.0.0/0", "8.8.8.8"));
    assert_false(has("0.0.0.0/0", "2001:db8::1"));
    assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(has("::1/128", "::1"));
    assert_false(ls_network_parse("10.0.0.0/33", &n));
    assert_false(ls_network_parse("10.0.0.0/", &n));
    assert_false(ls_network_parse("10.0.0.0/8x", &n));
    assert_false(ls_network_parse("/8", &n));
    assert_false(ls_network_parse("::/129", &n));
}

static void assert_behind(const char *peer, const char *forwarded, const char *expected)
{
    const struct ls_address from = address(peer);
    struct ls_network proxies[2];
    struct ls_address got;
    char text[LS_PEER_TEXT];

    assert_true(ls_network_parse("10.0.0.0/8", &proxies[0]));
    assert_true(ls_network_parse("::1", &proxies[1]));
    got = ls_peer_behind(&from, forwarded, proxies, 2);
    ls_address_text(&got, text);
    assert_string_equal(text, expected);
}

static void only_a_proxy_is_believed_and_from_the_end(void **state)
{
    (void)state;

    assert_behind("10.0.0.1", "203.0.113.7", "203.0.113.7");
    assert_behind("10.0.0.1", NULL, "10.0.0.1");
    assert_behind("10.0.0.1", "", "10.0.0.1");
    assert_behind("198.51.100.1", "203.0.113.7", "198.51.100.1"); /* anybody can send it */
    assert_behind("10.0.0.1", "1.1.1.1, 203.0.113.7", "203.0.113.7");
    assert_behind("10.0.0.1", "1.1.1.1,203.0.113.7 , 10.0.0.2", "203.0.113.7");
    assert_behind("::1", "10.0.0.9", "10.0.0.9"); /* all are ours: the first */
    assert_behind("10.0.0.1", "1.1.1.1, unknown", "10.0.0.1");
    assert_behind("10.0.0.1", "203.0.113.7:4711", "203.0.113.7");
    assert_behind("10.0.0.1", "1.1.1.1, [2001:db8::7]:4711", "2001:db8::7");
    assert_behind("10.0.0.1", "[2001:db8::7]", "2001:db8::7");
    assert_behind("10.0.0.1", "2001:db8::7", "2001:db8::7");
    assert_behind("10.0.0.1", "[2001:db8:1111:2222:3333:4444:5555:6666]:65535",
                  "2001:db8:1111:2222:3333:4444:5555:6666");
    assert_behind("10.0.0.1", "[2001:db8::7]x", "10.0.0.1");
    assert_behind("10.0.0.1", "[2001:db8::7", "10.0.0.1");
    assert_behind("10.0.0.1", ":4711", "10.0.0.1");
    assert_behind("10.0.0.1", "1.1.1.1,", "10.0.0.1");
    assert_behind("10.0.0.1", "2001:db8::7", "2001:db8::7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_shown_in_their_own_form),
        cmocka_unit_test(loopback_is_all_of_127_and_one_of_ipv6),
        cmocka_unit_test(a_network_has_what_shares_its_bits),
        cmocka_unit_test(only_a_proxy_is_believed_and_from_the_end),
    };

    return cmocka_run_group_tests_name("server/peer", tests, NULL, NULL);
}
